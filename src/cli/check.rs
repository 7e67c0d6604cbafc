//! `punctual check`

use super::Exit;

/// Validates a config, and shows each job's next fires.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> Exit {
    Exit::Failed
}
