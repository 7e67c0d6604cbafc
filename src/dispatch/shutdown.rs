//! The end of the daemon's life: nothing new, then nothing at all.

use jiff::Timestamp;

use super::active::Phase;
use super::out::Out;
use super::{Dispatcher, Ending};
use crate::job::{Reason, RunId, Status, StopCause};

impl Dispatcher {
    /// Nothing is started any more, and supervised jobs are stopped. Claimed fires are missed; queued
    /// runs keep their rows and go on in the daemon's next life; instants from now on are not watched, and `catch_up` decides.
    pub(super) fn drain(&mut self, now: Timestamp, out: &mut Out) {
        // A hand-over that did not come about ends in a shutdown.
        if self.ending.replace(Ending::Shutdown) == Some(Ending::Shutdown) {
            return;
        }
        for (name, state) in &mut self.jobs {
            for claim in std::mem::take(&mut state.claims) {
                let mut run = claim.run;
                run.status = Status::Missed;
                run.reason = Some(Reason::new(Reason::SHUTDOWN));
                run.finished_at = Some(now);
                out.run(&run, now);
            }
            state.restart_at = None;
            if state.is_supervised() {
                // Nobody waits for the end of what would never end by itself.
                for &id in &state.running {
                    self.active.stop(id, StopCause::Shutdown, out);
                }
            }
            out.touch(name);
        }
    }

    /// What still runs is stopped, as by a timeout.
    pub(super) fn stop_all(&mut self, out: &mut Out) {
        let running: Vec<RunId> = self
            .active
            .iter()
            .filter(|live| matches!(live.phase, Phase::Running { .. }))
            .map(|live| live.run.id)
            .collect();
        for id in running {
            self.active.stop(id, StopCause::Shutdown, out);
        }
    }
}
