//! `punctual serve`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use super::Exit;
use crate::config::{self, Environment, Report, Style};
use crate::daemon;
use crate::telemetry::{self, LogFormat};

/// Runs the daemon in the foreground.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config; without it, the first there is of `$PUNCTUAL_CONFIG`,
    /// `/etc/punctual/config.toml` and `$XDG_CONFIG_HOME/punctual/config.toml`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look, on standard error.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

pub fn run(args: &Args) -> Exit {
    let environment = Environment::of_process();
    let loaded = config::locate(args.config.as_deref(), &environment)
        .and_then(|path| config::load(&path, &environment).map(|config| (path, config)));
    let (path, config) = match loaded {
        Ok(loaded) => loaded,
        Err(report) => return refuse(&report),
    };
    telemetry::start(args.log_format);
    for warning in config.warnings.problems() {
        tracing::warn!(file = %warning.file.display(), line = warning.line, "{}", warning.message);
    }
    match daemon::run(path, config) {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!("{error}");
            Exit::Failed
        }
    }
}

fn refuse(report: &Report) -> Exit {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let style = if colour {
        Style::Coloured
    } else {
        Style::Plain
    };
    // Without standard error there is nobody to tell; the exit code says it.
    let _ = writeln!(std::io::stderr(), "{}", report.render(style));
    Exit::Usage
}
