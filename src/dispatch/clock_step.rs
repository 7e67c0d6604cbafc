//! The wall clock moved by itself, or the machine slept.

use jiff::{SignedDuration, Timestamp};

use super::out::Out;
use super::{Dispatcher, UNWATCHED_AFTER};
use crate::job::{EventKind, Reason, Status};

/// Going back by up to this repeats nothing; more is a correction, and counting starts again.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

impl Dispatcher {
    /// Notes that `now` is being watched. Says before which instant nothing was watched, when the
    /// clock has jumped forward (a step, a suspend, or a daemon that stood still).
    pub(super) fn watch(&mut self, now: Timestamp, out: &mut Out) -> Option<Timestamp> {
        let before = std::mem::replace(&mut self.watched, now);
        let step = now.duration_since(before);
        let unwatched = SignedDuration::try_from(UNWATCHED_AFTER).unwrap_or(SignedDuration::MAX);
        if step > unwatched || step < -unwatched {
            out.emit(
                now,
                EventKind::ClockStepped {
                    by_s: step.as_secs_f64(),
                },
            );
        }
        if step < -CORRECTION {
            self.count_again(now, out);
        }
        (step > unwatched).then(|| now.saturating_sub(UNWATCHED_AFTER).unwrap_or(now))
    }

    /// After a correction every job counts from the new now. Instants that the ledger has already
    /// are found by their claims, and do not run twice.
    fn count_again(&mut self, now: Timestamp, out: &mut Out) {
        for (name, state) in &mut self.jobs {
            state.drop_claims(now, Status::Missed, Reason::UNWATCHED, out);
            state.span = None;
            if state.flags.decided_through > now {
                state.flags.decided_through = now;
                state.write_flags(out);
            }
            out.touch(name);
        }
    }
}
