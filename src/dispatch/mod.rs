//! DECIDES: what happens to each fire, as one pure step function.
//!
//! One door in ([`Input`]), one decision ([`Dispatcher::step`]), effects out ([`Effect`]). Nothing
//! here waits, reads a clock or touches a file: a year of fires is a `for` loop in a test.
//!
//! A fire's way: its instant comes within [`HORIZON`] → claimed in the ledger → due → lateness,
//! overlap and pool decide → started, queued, or joined to a span of skipped or missed instants.

mod active;
mod clock_step;
mod command;
mod due;
mod effect;
mod finish;
mod hand_over;
mod input;
mod job_state;
mod job_views;
mod leftover;
mod misfire;
mod occasions;
mod out;
mod params;
mod pools;
mod recover;
mod reload;
mod shutdown;
mod snapshot;
mod spans;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::job::{JobFlags, JobName, Plan, Pool};
use active::Active;
use job_state::JobState;
use job_views::LastViews;
use out::Out;

pub use effect::{Effect, Start, Urgency};
pub use hand_over::{HandedOver, Restarts, Underway};
pub use input::{Answer, Command, CommandId, Input, Refusal};
pub use job_views::JobViews;
pub use params::check as check_params;
pub use recover::Memory;
pub use snapshot::{JobView, PoolView, Snapshot, State};

/// How far ahead of its instant a fire may be claimed.
pub const HORIZON: Duration = Duration::from_secs(5);

/// How far ahead of its instant a fire is claimed at the latest: a disk that stalls for three
/// seconds delays nothing. Not a whole second, so that claims and starts of whole-second jobs do
/// not come at the same moment.
pub const LEAD: Duration = Duration::from_millis(3250);

/// A due instant that was passed over by more than this, unseen, was not watched: its catch-up
/// policy decides. Up to this it is merely late.
pub const UNWATCHED_AFTER: Duration = Duration::from_secs(5);

/// The state of every job and every run that is not over, and the rules that change it.
#[derive(Debug)]
pub struct Dispatcher {
    node: String,
    jobs: BTreeMap<JobName, JobState>,
    active: Active,
    /// Which jobs wait for the ends of which.
    downstream: BTreeMap<JobName, Vec<JobName>>,
    /// What is remembered of jobs that are not in the config.
    dormant: BTreeMap<JobName, JobFlags>,
    paused: bool,
    /// Why nothing is started any more, if so.
    ending: Option<Ending>,
    /// The newest reading of the wall clock: up to here instants were watched.
    watched: Timestamp,
    /// The furthest that the wall clock has been, since it was last corrected.
    furthest: Timestamp,
    /// Tells manual runs of the same microsecond apart.
    sequence: u64,
    last_views: LastViews,
}

/// How a life comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With everything that runs.
    Shutdown,
    /// What runs goes on in the next life, which begins at once.
    HandOver,
}

/// What every decision may look at beside the job itself.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    now: Timestamp,
    node: &'a str,
    everything_paused: bool,
    draining: bool,
    /// Instants due before this were not watched.
    unwatched_before: Timestamp,
}

/// A [`View`] that borrows the node alone, so that jobs and active runs can be borrowed beside it.
macro_rules! view {
    ($dispatcher:expr, $now:expr, $unwatched_before:expr) => {
        $crate::dispatch::View {
            now: $now,
            node: &$dispatcher.node,
            everything_paused: $dispatcher.paused,
            draining: $dispatcher.ending.is_some(),
            unwatched_before: $unwatched_before,
        }
    };
}
use view;

impl Dispatcher {
    /// Takes one input at the wall-clock time `now`, and says what is to be done about it, in order.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut out = Out::default();
        if let Some(unwatched_before) = self.watch(now, &mut out) {
            self.advance_all(now, unwatched_before, &mut out);
        }
        match input {
            Input::Tick => {}
            Input::Wake(job) => {
                if let Some(state) = self.jobs.get_mut(&job) {
                    // It is used up, even one that came too early because the clock went back.
                    state.armed = None;
                }
                self.advance(&job, now, Timestamp::MIN, &mut out);
            }
            Input::Claimed(outcomes) => self.claimed(outcomes, now, &mut out),
            Input::Started {
                run,
                attempt,
                pid,
                at,
            } => {
                self.started(run, attempt, pid, at, &mut out);
            }
            Input::Ended {
                run,
                attempt,
                end,
                figures,
                at,
            } => {
                self.ended(run, attempt, (end, figures), at, now, &mut out);
            }
            Input::Command { id, by, command } => self.command(id, &by, command, now, &mut out),
            Input::Reload { plans, pools } => self.reload(plans, pools, now, &mut out),
            Input::Drain => self.drain(now, &mut out),
            Input::HandOver => self.hand_over(),
            Input::StopAll => self.stop_all(&mut out),
        }
        self.finish_step(now, out)
    }

    /// Brings one job up to `now`: due fires are decided, coming ones claimed.
    fn advance(&mut self, job: &JobName, now: Timestamp, unwatched: Timestamp, out: &mut Out) {
        let view = view!(self, now, unwatched);
        if let Some(state) = self.jobs.get_mut(job) {
            state.advance(view, &mut self.active, out);
            out.touch(job);
        }
    }

    /// Brings every job up to `now`.
    fn advance_all(&mut self, now: Timestamp, unwatched_before: Timestamp, out: &mut Out) {
        let view = view!(self, now, unwatched_before);
        for (name, state) in &mut self.jobs {
            state.advance(view, &mut self.active, out);
            out.touch(name);
        }
    }

    /// Ends a step: what follows from runs that ended; then jobs that were touched are remembered and
    /// armed for their next wake, and jobs that are gone and have nothing left to do are forgotten.
    fn finish_step(&mut self, now: Timestamp, mut out: Out) -> Vec<Effect> {
        self.follow_ends(now, &mut out);
        for name in out.take_touched() {
            let Some(state) = self.jobs.get_mut(&name) else {
                continue;
            };
            self.last_views.outdated(state);
            state.write_flags(&mut out);
            if state.is_over() {
                out.arm(name.clone(), None);
                let gone = self.jobs.remove(&name);
                self.dormant.extend(gone.map(|state| (name, state.flags)));
                continue;
            }
            let at = state.next_wake(now, self.paused, self.ending.is_some(), &self.active);
            if state.armed != at {
                state.armed = at;
                out.arm(name, at);
            }
        }
        let is_over = match self.ending {
            None => false,
            Some(Ending::Shutdown) => self.active.nothing_is_under_way(),
            Some(Ending::HandOver) => self.active.nothing_is_on_its_way(),
        };
        if is_over {
            out.push(Effect::Drained);
        }
        out.into_effects()
    }

    /// Whether nothing is started any more.
    fn is_draining(&self) -> bool {
        self.ending.is_some()
    }

    /// An empty dispatcher that began to watch at `now`.
    fn empty(node: String, pools: BTreeMap<String, Pool>, now: Timestamp) -> Self {
        Self {
            node,
            jobs: BTreeMap::new(),
            active: Active::new(pools),
            downstream: BTreeMap::new(),
            dormant: BTreeMap::new(),
            paused: false,
            ending: None,
            watched: now,
            furthest: now,
            sequence: 0,
            last_views: LastViews::default(),
        }
    }

    /// The plan of a job that is in the config.
    pub fn plan(&self, job: &str) -> Option<&Arc<Plan>> {
        self.jobs
            .get(job)
            .filter(|state| !state.removed)
            .map(|state| &state.plan)
    }
}
