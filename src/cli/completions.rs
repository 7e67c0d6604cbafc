//! `punctual completions`

use clap::{Command as Program, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, view};

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
    clap_complete::generate(args.shell, &mut for_people(), "punctual", &mut script);
    // Scripts are made of names and helps, which are text.
    view::print(&String::from_utf8_lossy(&script))
}

/// The commands without those that are hidden, which clap would offer all the same.
fn for_people() -> Program {
    let all = Cli::command();
    let program = Program::new("punctual")
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned());
    let shown = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    program.subcommands(shown.cloned())
}
