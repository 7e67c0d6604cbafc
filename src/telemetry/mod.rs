//! Log lines, from events and errors.
//!
//! Text for people on a terminal, one JSON object a line otherwise wished; to standard error. Each
//! thing is logged once, where it is handled. `RUST_LOG` filters (default `info`).

mod lateness;
mod live;
mod news;
mod ring;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use lateness::Lateness;
pub use live::{Gap, Live, NoPlace, Place, Seen};
pub use news::news;

use crate::engine::LOG_TARGET;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to standard error from now on. The engine's crate is heard from `warn` up,
/// unless `RUST_LOG` says otherwise.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{LOG_TARGET}=warn")));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colour).init();
        }
    }
}
