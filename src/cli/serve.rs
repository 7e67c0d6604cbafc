//! `punctual serve`

use super::Exit;

/// Runs the daemon in the foreground.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> Exit {
    Exit::Failed
}
