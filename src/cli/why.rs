//! `punctual why`

use jiff::Timestamp;

use super::asking::Asking;
use super::clean::printable;
use super::client::{ClientError, PROMPT, Query};
use super::table::wrapped;
use super::view::{View, show};
use super::{Exit, instant};
use crate::api::wire::Why;
use crate::job::JobName;

/// Says why a job ran or did not run, or when it will.
///
/// Without a time: what happened last, and when it runs next and why not sooner. With one: what
/// became of that instant, from the ledger and the schedule that was in force then. Times are shown
/// in the job's own zone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobName,

    /// The instant: a time, or how long ago (`90m`); without an offset, on this machine's clock
    #[arg(long, value_name = "TIME", value_parser = instant::ago)]
    at: Option<Timestamp>,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let mut query = Query::default();
    query.add_some("at", args.at);
    let client = args.asking.client()?;
    let reply = client.get(&format!("/jobs/{}/why{query}", args.job), PROMPT)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    Ok(text(&reply.read()?, &View::of_stdout()))
}

fn text(why: &Why, view: &View) -> String {
    let lines = why.sentences.iter();
    lines.map(|line| wrapped(&printable(line), view)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::view;
    use serde_json::json;

    #[test]
    fn sentences_are_wrapped_and_steer_nothing() {
        let why = json!({
            "job": "backup", "at": null, "verdict": "paused", "instant": null, "due_at": null,
            "run": null, "under_way": [], "before": null, "after": null, "schedule": null,
            "next_fire": null,
            "sentences": [
                "It is paused since Tue 2026-12-01 11:58:00 +01:00 by uid 1000 (\"disk \u{1b}[2J\").",
                "Short.",
            ],
        });
        let why: Why = serde_json::from_value(why).unwrap();
        assert_eq!(
            text(&why, &view(Some(50))),
            "It is paused since Tue 2026-12-01 11:58:00 +01:00\nby uid 1000 (\"disk \
             \\u{1b}[2J\").\nShort.\n"
        );
        assert_eq!(text(&why, &view(None)).lines().count(), 2);
    }
}
