//! Puts the parts together: start order, driver loop, effects into IO, recovery, shutdown.
//!
//! Two runtimes: the scheduler's has the engine's tick, the wakes and the driver on it and nothing
//! else; the service's has the API, the watching of processes, their output and the signals. The
//! ledger has a thread of its own, the spawner has two.

mod driver;
mod facts;
mod fingerprint;
mod hand_over;
mod handle;
mod life;
mod memory;
mod parcel;
mod perform;
mod reload;
mod runtimes;
mod shown;
mod signals;
mod stop;
mod upgrade;
mod watch;

pub use hand_over::{Fitness, HandOver, HandOverError};
pub use handle::{AskError, Handle, Readiness};
pub use life::{DaemonError, Ended, run};
pub use reload::{LastReload, ReloadError, Reloader};
pub use signals::hold as hold_signals;
