//! `punctual token`

use std::io::{self, Write};

use clap::Subcommand;
use serde::Serialize;

use super::{Exit, view};
use crate::config::{self, LocatedProblem, Role};
use crate::token;

/// Makes tokens for the API.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    New(New),
}

/// Makes a new token: the token on standard output, the lines for the config on standard error.
///
/// Nobody but you has the token: neither this program nor the config keeps it. Put the lines into the
/// config and reload. No daemon is needed for this command.
#[derive(Debug, clap::Args)]
struct New {
    /// What the log calls whoever uses it
    #[arg(long, value_name = "NAME")]
    name: String,

    /// What it may do: viewer (read), operator (trigger, pause, resume and cancel, too) or admin
    /// (everything)
    #[arg(long, value_name = "ROLE", value_parser = Role::named)]
    role: Role,

    /// It sees and steers jobs of these names alone; `*` stands for any characters
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    jobs: Vec<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    token: String,
    hash: String,
    config: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Exit {
    let What::New(args) = &args.what;
    match make(args) {
        Ok(answer) => match tell(&answer, args.json) {
            Ok(()) => Exit::Done,
            // Nobody has the token, even where whoever closed the pipe is told nothing.
            end @ Err(_) => {
                view::written(&end);
                Exit::Failed
            }
        },
        Err(Trouble::NoRandom(why)) => {
            eprintln!("error: the system gives no random numbers: {why}; try again");
            Exit::Failed
        }
        Err(Trouble::Refused(problems)) => {
            for LocatedProblem { message, help, .. } in problems {
                let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                eprintln!("error: {message}{help}");
            }
            Exit::Usage
        }
    }
}

/// Why there is no token.
enum Trouble {
    NoRandom(io::Error),
    /// The config would refuse it.
    Refused(Vec<LocatedProblem>),
}

fn make(args: &New) -> Result<Answer, Trouble> {
    let token = token::new().map_err(Trouble::NoRandom)?;
    let hash = token::written(&token::digest(token.as_bytes()));
    let config = config::token_lines(&args.name, &hash, args.role, &args.jobs);
    let config = config.map_err(|report| Trouble::Refused(report.problems()))?;
    Ok(Answer {
        token,
        hash,
        config,
    })
}

fn tell(answer: &Answer, json: bool) -> io::Result<()> {
    if json {
        let text = serde_json::to_string(answer)?;
        return view::write(&format!("{text}\n"));
    }
    view::write(&format!("{}\n", answer.token))?;
    // The token is out; if nobody reads this, its hash can be had of it.
    let _ = writeln!(
        io::stderr(),
        "\nThe token above is shown this once. For the config, then `punctual reload`:\n\n{}",
        answer.config
    );
    Ok(())
}
