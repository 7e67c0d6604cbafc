//! Whether a run that failed is tried again, and after how long.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{RunId, Status};

/// The retry policy of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// How many further attempts a run may have.
    pub max_retries: u32,
    /// The delay before the first of them.
    pub initial_delay: Duration,
    /// What each delay is to the one before, at least 1.
    pub multiplier: f64,
    /// No delay is longer than this.
    pub max_delay: Duration,
    /// Each delay is made longer by up to this share of it, from 0 to 1, to spread runs that
    /// failed together.
    pub jitter: f64,
    /// The ends of an attempt after which it is tried again: `failed`, `timed_out`.
    pub on: Vec<Status>,
    /// Of `failed`, only these exit codes; empty: any failure, a signal or a program that is not
    /// there among them.
    pub on_exit_codes: Vec<i32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_retries: 0,
            initial_delay: Duration::from_secs(10),
            multiplier: 2.0,
            max_delay: Duration::from_mins(5),
            jitter: 0.1,
            on: vec![Status::Failed, Status::TimedOut],
            on_exit_codes: Vec::new(),
        }
    }
}

impl Retry {
    /// Whether another attempt follows the `attempts`-th, which ended like this.
    pub fn follows(&self, attempts: u32, status: Status, exit_code: Option<i32>) -> bool {
        let of_this_code = self.on_exit_codes.is_empty()
            || status != Status::Failed
            || exit_code.is_some_and(|code| self.on_exit_codes.contains(&code));
        attempts <= self.max_retries && self.on.contains(&status) && of_this_code
    }

    /// The delay before the attempt after the `attempts`-th (which is at least 1):
    /// `initial_delay` × `multiplier`^(`attempts` − 1), made longer by the run's own share of
    /// `jitter`, at most `max_delay`. Asked again, it answers the same.
    pub fn delay(&self, run: RunId, attempts: u32) -> Duration {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let most = self.max_delay.as_secs_f64();
        let plain = self.initial_delay.as_secs_f64() * self.multiplier.powi(exponent);
        let spread = plain * (1.0 + self.jitter * share(run, attempts));
        // Whole microseconds, as the ledger counts; a power beyond all bounds is the longest delay.
        let micros = (spread.min(most) * 1e6).round();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and at most `max_delay`, which fits"
        )]
        Duration::from_micros(micros as u64)
    }
}

/// A steady number from 0 up to 1 for this attempt of this run.
fn share(run: RunId, attempts: u32) -> f64 {
    let digest = Sha256::new()
        .chain_update("retry\0")
        .chain_update(run.to_string())
        .chain_update(attempts.to_be_bytes())
        .finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobName;

    fn run(n: u64) -> RunId {
        RunId::of_manual(&JobName::new("a").unwrap(), jiff::Timestamp::UNIX_EPOCH, n)
    }

    fn retry() -> Retry {
        Retry {
            max_retries: 3,
            jitter: 0.0,
            ..Retry::default()
        }
    }

    #[test]
    fn delays_grow_to_the_longest() {
        let delays = |retry: &Retry| {
            let delays = (1..8).map(|n| retry.delay(run(1), n).as_secs());
            delays.collect::<Vec<_>>()
        };
        assert_eq!(delays(&retry()), [10, 20, 40, 80, 160, 300, 300]);
        let even = Retry {
            multiplier: 1.0,
            ..retry()
        };
        assert_eq!(delays(&even), [10; 7]);
        assert_eq!(retry().delay(run(1), u32::MAX).as_secs(), 300);
    }

    #[test]
    fn jitter_makes_them_longer_by_up_to_its_share_and_steadily() {
        let retry = Retry {
            jitter: 0.5,
            ..retry()
        };
        let delays: Vec<_> = (0..100).map(|n| retry.delay(run(n), 1)).collect();
        let (low, high) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*low >= Duration::from_secs(10) && *low < Duration::from_millis(10_500));
        assert!(*high <= Duration::from_secs(15) && *high > Duration::from_millis(14_500));
        assert_eq!(retry.delay(run(7), 1), delays[7]);
        assert_ne!(retry.delay(run(7), 2), delays[7] * 2);
        assert_eq!(retry.delay(run(7), 9), Duration::from_mins(5));
    }

    #[test]
    fn what_is_tried_again() {
        let any = retry();
        for attempts in 1..=3 {
            assert!(any.follows(attempts, Status::Failed, Some(1)));
        }
        assert!(!any.follows(4, Status::Failed, Some(1)));
        assert!(any.follows(1, Status::Failed, None));
        assert!(any.follows(1, Status::TimedOut, None));
        assert!(!any.follows(1, Status::Cancelled, None));
        assert!(!any.follows(1, Status::Succeeded, Some(0)));
        let some = Retry {
            on: vec![Status::Failed],
            on_exit_codes: vec![75],
            ..retry()
        };
        assert!(some.follows(1, Status::Failed, Some(75)));
        assert!(!some.follows(1, Status::Failed, Some(1)));
        assert!(!some.follows(1, Status::Failed, None));
        assert!(!some.follows(1, Status::TimedOut, None));
        let of_time = Retry {
            on_exit_codes: vec![75],
            ..retry()
        };
        assert!(of_time.follows(1, Status::TimedOut, None), "it has no code");
        assert!(!Retry::default().follows(1, Status::Failed, Some(1)));
    }
}
