//! `punctual completions`

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit};

/// Prints what a shell needs to complete punctual's commands and options.
///
/// For packagers; or `punctual completions bash > ~/.local/share/bash-completion/completions/punctual`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "punctual", &mut script);
    // Whoever closed the pipe has read enough.
    let _ = std::io::stdout().lock().write_all(&script);
    Exit::Done
}
