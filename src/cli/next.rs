//! `punctual next`

use super::Exit;

/// Shows the next instants of a cron expression or an interval.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> Exit {
    Exit::Failed
}
