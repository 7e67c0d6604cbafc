//! What is told of the daemon: log lines, from events and errors, the live stream of events, and
//! the figures of `/metrics`.
//!
//! To standard error, as text for people or one JSON object a line, or to systemd's journal as
//! entries with fields. Each thing is logged once, where it is handled; nobody who logs ever waits
//! for who reads (`outlet`). `RUST_LOG` filters (default `info`).

mod buckets;
pub mod families;
mod journal;
mod lateness;
mod live;
mod metrics;
mod news;
mod outlet;
mod process;
mod ring;
mod tally;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use buckets::{Buckets, Delays, Durations};
pub use lateness::Lateness;
pub use live::{Gap, Live, NoPlace, Place, Seen};
pub use metrics::Metrics;
pub use news::news;
pub use process::ProcessFigures;
pub use tally::Tally;

use crate::engine::LOG_TARGET;
use journal::{Entries, Journal};
use outlet::{Outlet, Stderr};

/// How long the last lines are waited for.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// To the journal when systemd has connected standard error to it, else text.
    Auto,
    /// For people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// To systemd's journal, with fields.
    Journal,
}

/// The log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no journal.
    #[error(
        "the journal cannot be reached at {socket}: {0}; use `--log-format text` or `json`",
        socket = journal::SOCKET
    )]
    NoJournal(io::Error),
    /// No thread for it.
    #[error("the system gives no thread for the log: {0}")]
    NoThread(io::Error),
}

/// The running log. When it is dropped, what is still on its way gets a moment to arrive.
#[derive(Debug)]
pub struct Log(Outlet);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_LINES);
    }
}

/// Logs from now on, panics too. The engine's crate is heard from `warn` up, unless `RUST_LOG` says
/// otherwise.
pub fn start(format: LogFormat) -> Result<Log, LogError> {
    let journal = match format {
        LogFormat::Journal => {
            Some(Journal::at(Path::new(journal::SOCKET)).map_err(LogError::NoJournal)?)
        }
        // Without a journal after all, text goes where systemd said.
        LogFormat::Auto if stderr_is_the_journal() => Journal::at(Path::new(journal::SOCKET)).ok(),
        _ => None,
    };
    let (outlet, lines) = if let Some(journal) = journal {
        let outlet = Outlet::start(journal, tell_losses).map_err(LogError::NoThread)?;
        let lines: Box<dyn Layer<Registry> + Send + Sync> = Entries(outlet.clone()).boxed();
        (outlet, lines)
    } else {
        let outlet = Outlet::start(Stderr, tell_losses).map_err(LogError::NoThread)?;
        let lines = layer().with_writer(outlet.clone()).with_target(false);
        let lines = if format == LogFormat::Json {
            lines.json().flatten_event(true).boxed()
        } else {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colour).boxed()
        };
        (outlet, lines)
    };
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{LOG_TARGET}=warn")));
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("a defect, please report it: {panic}");
    }));
    Ok(Log(outlet))
}

fn tell_losses(lost: u64) {
    tracing::warn!(
        lost,
        "log lines were lost: whoever reads the log did not keep up"
    );
}

/// Whether systemd connected standard error to the journal, and nobody has redirected it since.
fn stderr_is_the_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM");
    let stream = rustix::fs::fstat(rustix::stdio::stderr());
    let (Ok(named), Ok(stream)) = (named, stream) else {
        return false;
    };
    named == format!("{}:{}", stream.st_dev, stream.st_ino)
}
