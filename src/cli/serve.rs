//! `punctual serve`

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use crate::config::{self, Environment, Report, Style};
use crate::daemon::{self, Ended, HandOver};
use crate::runner::Groups;
use crate::systemd::Passed;
use crate::telemetry::{self, LogFormat};

/// Runs the daemon in the foreground.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "FILE", help = super::CONFIG)]
    config: Option<PathBuf>,
    /// Where log lines go, and how they look.
    #[arg(long, value_enum, default_value = "auto")]
    log_format: LogFormat,
}

pub fn run(args: &Args) -> Exit {
    // First of all, while there is one thread.
    let passed = Passed::take();
    let mut handed = match HandOver::take().transpose() {
        Ok(handed) => handed,
        Err(error) => return fail(&error),
    };
    let groups = Groups::claim();
    let environment = Environment {
        can_limit: groups.can_limit(),
        ..Environment::of_process()
    };
    let loaded = config::locate(args.config.as_deref(), &environment)
        .and_then(|path| config::load(&path, &environment).map(|config| (path, config)));
    let (path, config) = match loaded {
        Ok(loaded) => loaded,
        Err(report) => {
            return match handed {
                None => refuse(&report),
                Some(handed) => fail(&handed.give_back(&report.render(Style::Plain))),
            };
        }
    };
    // Before there is another thread.
    daemon::hold_signals();
    // Dropped last, so that the last line arrives.
    let log = match telemetry::start(args.log_format) {
        Ok(log) => log,
        Err(error) => return fail(&error),
    };
    for warning in config.warnings.problems() {
        tracing::warn!(file = %warning.file.display(), line = warning.line, "{}", warning.message);
    }
    let ended = match passed {
        Ok(passed) => daemon::run(path, config, passed, groups, &mut handed)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(Ended::Over) => Exit::Done,
        Ok(Ended::HandedOver(handed, successor)) => {
            drop(log);
            fail(&handed.give(&successor))
        }
        Err(error) => {
            tracing::error!("{error}");
            drop(log);
            match handed {
                None => Exit::Failed,
                Some(handed) => fail(&handed.give_back(&error)),
            }
        }
    }
}

/// Says it without a log.
fn fail(error: &dyn std::error::Error) -> Exit {
    // Without standard error there is nobody to tell; the exit code says it.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    Exit::Failed
}

pub(super) fn refuse(report: &Report) -> Exit {
    // Without standard error there is nobody to tell; the exit code says it.
    let _ = super::check::tell(report);
    Exit::Usage
}
