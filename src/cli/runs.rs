//! `punctual runs`

use std::fmt::Write as _;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use super::asking::Asking;
use super::client::{ClientError, Query};
use super::outcome::{in_words, length, paint};
use super::table::{Cell, Column, table};
use super::view::{View, show};
use super::words::away;
use super::{Exit, instant};
use crate::api::wire::Run;
use crate::job::{JobName, Status, Trigger};

/// Lists runs, the newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Runs of this job alone
    #[arg(long, value_name = "JOB")]
    job: Option<JobName>,

    /// Runs in this status alone
    #[arg(long, value_name = "STATUS", value_parser = status())]
    status: Option<String>,

    /// Runs that this began alone
    #[arg(long, value_name = "TRIGGER", value_parser = trigger())]
    trigger: Option<String>,

    /// Runs of instants since then alone: a time, or how long ago (`7d`)
    #[arg(long, value_name = "TIME", value_parser = instant::ago)]
    since: Option<Timestamp>,

    /// Runs of instants until then alone: a time, or how long ago (`2h`)
    #[arg(long, value_name = "TIME", value_parser = instant::ago)]
    until: Option<Timestamp>,

    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    #[command(flatten)]
    asking: Asking,
}

fn status() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Status::ALL.iter().map(|status| status.as_str()))
}

fn trigger() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Trigger::ALL.iter().map(|trigger| trigger.as_str()))
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let mut query = Query::default();
    query.add_some("job", args.job.as_ref());
    query.add_some("status", args.status.as_ref());
    query.add_some("trigger", args.trigger.as_ref());
    query.add_some("since", args.since);
    query.add_some("until", args.until);
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let runs = args.asking.client()?.list("/runs", &query, most)?;
    if args.asking.json {
        return Ok(runs.text() + "\n");
    }
    let mut text = text(&runs.read()?, &View::of_stdout());
    if runs.is_part() {
        let _ = writeln!(text, "… and older ones: --limit shows more");
    }
    Ok(text)
}

fn text(runs: &[Run], view: &View) -> String {
    if runs.is_empty() {
        return "There are no such runs.\n".to_owned();
    }
    let rows: Vec<_> = runs.iter().map(|run| row(run, view)).collect();
    let cut = ["JOB", "WHEN", "TOOK", "STATUS"].map(Column::Cut);
    let [job, when, took, status] = cut;
    table([Column::Whole("RUN"), job, when, took, status], &rows, view)
}

fn row(run: &Run, view: &View) -> [Cell; 5] {
    let at = run.last_scheduled_at.unwrap_or(run.scheduled_at);
    [
        Cell::new(run.id.to_string()),
        Cell::new(run.job.as_str()),
        Cell::new(away(at.0, view.now)),
        Cell::maybe(length(run, view.now)),
        Cell::painted(how(run), paint(run.status)),
    ]
}

/// Its status in words, and what began it where that was not its schedule: `succeeded (catch_up)`.
fn how(run: &Run) -> String {
    let status = in_words(run);
    match run.trigger {
        Trigger::Schedule => status,
        other => format!("{status} ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{run, view, with};
    use serde_json::json;

    #[test]
    fn runs_are_told_in_a_line_each() {
        let runs: Vec<Run> = [
            json!({ "status": "running", "finished_at": null, "duration_s": null,
                    "exit_code": null, "started_at": "2026-12-01T10:59:56.200000Z",
                    "scheduled_at": "2026-12-01T10:59:56.000000Z" }),
            json!({}),
            json!({ "status": "failed", "exit_code": 3, "attempts": 4, "trigger": "catch_up" }),
            json!({ "status": "timed_out", "signal": 15, "exit_code": null }),
            json!({ "status": "skipped", "count": 120, "reason": "paused", "started_at": null,
                    "duration_s": null, "last_scheduled_at": "2026-12-01T10:59:00.000000Z" }),
            json!({ "status": "queued", "job": "a-job-with-quite-a-long-name.of-its-own",
                    "started_at": null, "duration_s": null }),
        ]
        .map(|other| with(run(), other))
        .into();
        insta::assert_snapshot!("runs", text(&runs, &view(None)));
        insta::assert_snapshot!("runs_80", text(&runs, &view(Some(80))));
        assert_eq!(text(&[], &view(None)), "There are no such runs.\n");
    }
}
