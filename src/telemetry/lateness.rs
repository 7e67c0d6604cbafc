//! How late fires started. Pure.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::job::{Event, EventKind, Status, Trigger};

/// How many starts are looked at.
const STARTS: usize = 10_000;

/// The newest starts of fires. A run by hand has no instant to be late for, and one that is caught
/// up is late by what its policy allows, so neither counts.
#[derive(Debug, Default)]
pub(super) struct LatenessLog {
    /// When it was due, and how many microseconds later it started.
    starts: VecDeque<(Timestamp, u64)>,
}

/// How late the newest fires started, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lateness {
    /// How many starts this is about, at most 10,000.
    pub starts: usize,
    /// When the first of them was due.
    pub since: Timestamp,
    /// Half of them were at most this late.
    pub p50_s: f64,
    /// 99 % of them were.
    pub p99_s: f64,
    /// All of them were.
    pub max_s: f64,
}

impl LatenessLog {
    /// Takes note of a start; other events are let pass.
    pub(super) fn hear(&mut self, event: &Event) {
        let EventKind::Run(run) = &event.kind else {
            return;
        };
        let first_start = run.status == Status::Running && run.attempts == 1;
        if !first_start || run.trigger != Trigger::Schedule {
            return;
        }
        let Some(started) = run.started_at else {
            return;
        };
        if self.starts.len() == STARTS {
            self.starts.pop_front();
        }
        let late = started.as_microsecond() - run.due_at.as_microsecond();
        self.starts
            .push_back((run.due_at, u64::try_from(late).unwrap_or(0)));
    }

    /// The figures; none before the first start.
    pub(super) fn figures(&self) -> Option<Lateness> {
        let (since, _) = *self.starts.front()?;
        let mut late: Vec<u64> = self.starts.iter().map(|(_, late)| *late).collect();
        late.sort_unstable();
        // The smallest that so many percent do not exceed.
        let rank = |percent: usize| late[(late.len() * percent).div_ceil(100) - 1];
        #[allow(clippy::cast_precision_loss, reason = "2^52 µs are 142 years")]
        let seconds = |micros: u64| micros as f64 / 1e6;
        Some(Lateness {
            starts: late.len(),
            since,
            p50_s: seconds(rank(50)),
            p99_s: seconds(rank(99)),
            max_s: seconds(rank(100)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobName, Run, RunId};
    use std::collections::BTreeMap;

    fn start(due_s: i64, late_us: i64) -> Run {
        let job = JobName::new("a").unwrap();
        let due = Timestamp::from_second(due_s).unwrap();
        let started = Timestamp::from_microsecond(due_s * 1_000_000 + late_us).unwrap();
        Run {
            id: RunId::of_fire(&job, due),
            job,
            status: Status::Running,
            trigger: Trigger::Schedule,
            scheduled_at: due,
            due_at: due,
            queued_at: None,
            retry_at: None,
            started_at: Some(started),
            finished_at: None,
            attempts: 1,
            exit_code: None,
            signal: None,
            http_status: None,
            reason: None,
            params: BTreeMap::new(),
            node: "n".into(),
            requested_by: None,
            span: None,
        }
    }

    fn hear(log: &mut LatenessLog, run: Run) {
        log.hear(&Event {
            at: run.due_at,
            kind: EventKind::Run(Box::new(run)),
        });
    }

    fn assert_figures(found: Lateness, starts: usize, [p50, p99, max]: [f64; 3]) {
        assert_eq!(found.starts, starts);
        for (found, expected) in [(found.p50_s, p50), (found.p99_s, p99), (found.max_s, max)] {
            assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
        }
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut log = LatenessLog::default();
        assert_eq!(log.figures(), None);
        hear(&mut log, start(1, 700));
        assert_figures(log.figures().unwrap(), 1, [0.0007; 3]);
        for late in 1..=199 {
            hear(&mut log, start(1, late * 1_000));
        }
        assert_figures(log.figures().unwrap(), 200, [0.099, 0.197, 0.199]);
    }

    #[test]
    fn only_first_starts_of_fires_count() {
        let mut log = LatenessLog::default();
        for trigger in [Trigger::Manual, Trigger::CatchUp] {
            let run = Run {
                trigger,
                ..start(1, 9)
            };
            hear(&mut log, run);
        }
        let second = Run {
            attempts: 2,
            ..start(1, 9)
        };
        hear(&mut log, second);
        let ended = Run {
            status: Status::Succeeded,
            ..start(1, 9)
        };
        hear(&mut log, ended);
        assert_eq!(log.figures(), None);
        // The clock went back in between: not early, just not late.
        hear(&mut log, start(1, -5));
        assert_figures(log.figures().unwrap(), 1, [0.0; 3]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut log = LatenessLog::default();
        hear(&mut log, start(1, 1_000_000));
        for due in 2..=10_001 {
            hear(&mut log, start(due, 10));
        }
        let figures = log.figures().unwrap();
        assert_figures(figures, 10_000, [0.000_01; 3]);
        assert_eq!(figures.since, Timestamp::from_second(2).unwrap());
    }
}
