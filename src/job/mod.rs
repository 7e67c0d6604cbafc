//! WHAT: the plain values that every other module speaks in. Pure: no clock, no IO, no tokio.

mod action;
mod event;
mod http;
mod name;
mod plan;
mod policy;
mod retry;
mod run;
mod run_id;
mod terms;
mod when;
mod write;

pub use action::{Action, CommandLine, KeepOutput, OutputLimits, Process, Signal, Value};
pub use event::{Event, EventKind};
pub use http::{AddressError, Expected, HttpCall, Method, address};
pub use name::{JobName, NameError};
pub use plan::{Param, Plan, Pool};
pub use policy::{CatchUp, CatchUpMode, ConcurrencyPolicy};
pub use retry::Retry;
pub use run::{
    Attempt, AttemptEnd, Figures, Reason, Run, Span, Status, StopCause, Strain, Trigger,
};
pub use run_id::RunId;
pub use terms::{Account, CanLimit, Ids, Limits, Terms};
pub use when::{Restart, Upstream, When};
pub use write::{ClaimOutcome, JobFlags, Write};
