//! The command line: one file per command, one exit code each.

mod asking;
mod audit;
mod cancel;
mod check;
mod clean;
mod client;
mod completions;
mod could_take_over;
mod db;
mod diff;
mod events;
mod exit;
mod import;
mod instant;
mod job;
mod jobs;
mod logs;
mod man;
mod next;
mod outcome;
mod pause;
mod progress;
mod reload;
mod resume;
mod run;
mod runs;
#[cfg(test)]
mod samples;
mod serve;
mod simulate;
mod sink;
mod status;
mod table;
mod token;
mod told;
mod trigger;
mod view;
mod why;

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::runner::{STAGE, act_on_stage};
use crate::words;

pub use exit::Exit;

/// What `--config` is everywhere.
const CONFIG: &str = "The configuration file [default: the first there is of $PUNCTUAL_CONFIG, \
                      /etc/punctual/config.toml, $XDG_CONFIG_HOME/punctual/config.toml]";

/// A job scheduler daemon that fires on time and accounts for every instant.
#[derive(Debug, Parser)]
#[command(name = "punctual", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Next(next::Args),
    Simulate(simulate::Args),
    Jobs(jobs::Args),
    Job(job::Args),
    Runs(runs::Args),
    Run(run::Args),
    Logs(logs::Args),
    Trigger(trigger::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Cancel(cancel::Args),
    Why(why::Args),
    Status(status::Args),
    Diff(diff::Args),
    Reload(reload::Args),
    Events(events::Args),
    Audit(audit::Args),
    Db(db::Args),
    Import(import::Args),
    Completions(completions::Args),
    Man(man::Args),
    Token(token::Args),
    CouldTakeOver(could_take_over::Args),
}

/// Runs the command that the arguments name.
///
/// clap answers `--help`, `--version` and wrong usage itself; its exit codes (0 and 2) are those of
/// the contract.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.peek().is_some_and(|name| name == STAGE) {
        return stage();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(answer) => {
            let printed = answer.print().and_then(|()| std::io::stdout().flush());
            return if answer.use_stderr() {
                // Nothing is left to tell when standard error is gone.
                Exit::Usage
            } else {
                view::written(&printed)
            };
        }
    };
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Next(args) => next::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Jobs(args) => jobs::run(&args),
        Command::Job(args) => job::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Trigger(args) => trigger::run(&args),
        Command::Pause(args) => pause::run(&args),
        Command::Resume(args) => resume::run(&args),
        Command::Cancel(args) => cancel::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Db(args) => db::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Token(args) => token::run(&args),
        Command::CouldTakeOver(args) => could_take_over::run(&args),
    }
}

/// Whether the program has a command of these words, the first of them its own name; nothing is run. For
/// the test of the manual.
pub fn understands(words: &[String]) -> Result<(), clap::Error> {
    match Cli::try_parse_from(words) {
        Err(answer) if answer.use_stderr() => Err(answer),
        _ => Ok(()),
    }
}

/// Prepares this process for a job; the runner started it under that name. It comes back only when
/// that failed.
fn stage() -> Exit {
    if let Err(error) = act_on_stage() {
        // Without standard error there is nobody to tell; the exit code says it.
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    Exit::Failed
}
