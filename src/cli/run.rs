//! `punctual run`

use super::asking::{Asking, run_id};
use super::clean::printable;
use super::client::{ClientError, PROMPT};
use super::table::{Cell, Column, sheet, table};
use super::view::{View, show};
use super::words::{away, clock_time, size, took};
use super::{Exit, outcome};
use crate::api::wire::{Attempt, Run, RunDetail, Time};
use crate::job::{RunId, Trigger};

/// Shows a run whole, with its attempts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    #[arg(value_name = "ID", value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let client = args.asking.client()?;
    let reply = client.get(&format!("/runs/{}", args.run), PROMPT)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    Ok(text(&reply.read()?, &View::of_stdout()))
}

fn text(detail: &RunDetail, view: &View) -> String {
    let run = &detail.run;
    let words = printable(&outcome::in_words(run));
    let status = outcome::paint(run.status).on(&words, view.colour);
    let mut text = format!("{} {}\n{status}\n\n", run.job, run.id);
    text.push_str(&facts(run, view));
    if !detail.attempt_list.is_empty() {
        let rows: Vec<_> = detail.attempt_list.iter().map(|it| row(it, view)).collect();
        let columns = [
            "ATTEMPT", "STARTED", "TOOK", "CPU", "MEMORY", "PID", "STATUS",
        ]
        .map(Column::Cut);
        text.push('\n');
        text.push_str(&table(columns, &rows, view));
    }
    text
}

fn facts(run: &Run, view: &View) -> String {
    let at = |time: Time| {
        let (at, near) = (clock_time(time.0, &view.zone), away(time.0, view.now));
        format!("{at}  {near}")
    };
    let trigger = match (run.trigger, &run.requested_by) {
        (Trigger::Manual, Some(by)) => format!("manual, by {}", printable(by)),
        (trigger, _) => trigger.to_string(),
    };
    let late = run
        .lateness_s
        .map(|seconds| format!(", {} late", took(seconds)));
    let started = run
        .started_at
        .map(|time| at(time) + &late.unwrap_or_default());
    let length = outcome::length(run, view.now);
    let length = length.map(|length| format!(", took {length}"));
    let finished = run
        .finished_at
        .map(|time| at(time) + &length.unwrap_or_default());
    let params = run
        .params
        .iter()
        .map(|(name, value)| printable(&format!("{name}={value}")));
    let params: Vec<String> = params.collect();
    let due = (run.due_at != run.scheduled_at).then(|| at(run.due_at));
    sheet(
        &[
            ("trigger", Some(trigger)),
            ("params", (!params.is_empty()).then(|| params.join("\n"))),
            ("scheduled", Some(at(run.scheduled_at))),
            ("until", run.last_scheduled_at.map(at)),
            ("due", due),
            ("queued", run.queued_at.map(at)),
            ("started", started),
            ("finished", finished),
            ("node", Some(printable(&run.node))),
        ],
        view,
    )
}

fn row(attempt: &Attempt, view: &View) -> [Cell; 7] {
    let numbers = (attempt.exit_code, attempt.signal, attempt.http_status);
    let end = outcome::end(numbers, attempt.reason.as_ref());
    let end = end.map_or_else(String::new, |end| format!(": {end}"));
    [
        Cell::new(attempt.number.to_string()),
        Cell::new(away(attempt.started_at.0, view.now)),
        Cell::maybe(attempt.duration_s.map(took)),
        Cell::maybe(attempt.cpu_seconds.map(took)),
        Cell::maybe(attempt.max_rss_bytes.map(size)),
        Cell::maybe(attempt.pid.map(|pid| pid.to_string())),
        Cell::painted(
            format!("{}{end}", attempt.status),
            outcome::paint(attempt.status),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{run, view, with};
    use serde_json::json;

    #[test]
    fn a_run_is_told_whole() {
        let attempt = json!({
            "number": 1, "status": "failed", "started_at": "2026-12-01T01:30:00.000812Z",
            "finished_at": "2026-12-01T01:30:01.000000Z", "duration_s": 1.0, "pid": 4711,
            "exit_code": 3, "signal": null, "http_status": null, "reason": null,
            "cpu_seconds": 0.25, "max_rss_bytes": 52_428_800 });
        let again = json!({
            "number": 2, "status": "failed", "started_at": "2026-12-01T01:30:11.000000Z",
            "finished_at": "2026-12-01T01:30:11.000000Z", "duration_s": 0.0, "pid": null,
            "exit_code": null, "signal": null, "http_status": null,
            "reason": "cannot be started: no such file: /srv/x\n" });
        let other = json!({
            "attempt_list": [attempt, again], "attempts": 2, "status": "failed", "exit_code": null,
            "trigger": "manual", "requested_by": "uid 1000", "params": { "a": "1", "b": "x y" },
            "due_at": "2026-12-01T01:30:00.250000Z",
            "reason": "cannot be started: no such file: /srv/x\n" });
        insta::assert_snapshot!("attempts", text(&with(run(), other), &view(Some(80))));
        let span = json!({
            "attempt_list": [], "attempts": 0, "status": "missed", "reason": "unwatched",
            "started_at": null, "finished_at": null, "lateness_s": null, "duration_s": null,
            "exit_code": null, "count": 3, "last_scheduled_at": "2026-12-01T03:30:00.000000Z" });
        insta::assert_snapshot!("span", text(&with(run(), span), &view(Some(80))));
    }
}
