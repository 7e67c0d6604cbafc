//! `punctual could-take-over`: what a running daemon asks of the version that is to follow it.

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use super::serve::refuse;
use crate::config::{self, Environment};
use crate::daemon::Fitness;

/// Says whether this version could go on where a running one of this config is.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// The config of the running daemon.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub fn run(args: &Args) -> Exit {
    let environment = Environment::of_process();
    let loaded = config::locate(Some(&args.config), &environment)
        .and_then(|path| config::load(&path, &environment));
    if let Err(report) = loaded {
        return refuse(&report);
    }
    // It is names and numbers, which always have a JSON form.
    let fitness = serde_json::to_string(&Fitness::own()).expect("names and numbers");
    match writeln!(std::io::stdout(), "{fitness}") {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}
