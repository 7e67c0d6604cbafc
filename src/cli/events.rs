//! `punctual events`

use std::ops::ControlFlow;

use serde::Deserialize;

use super::asking::Asking;
use super::clean::printable;
use super::client::{ClientError, Query, ServerEvent};
use super::view::{View, write, written};
use super::words::took;
use super::{Exit, outcome};
use crate::api::wire::{Run, Time};
use crate::job::{JobName, Status};

/// Shows what happens, as it happens, until it is stopped with Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What happens to this job alone, and to all
    #[arg(long, value_name = "JOB")]
    job: Option<JobName>,

    #[command(flatten)]
    asking: Asking,
}

/// What an event says, by its kind.
#[derive(Deserialize)]
struct OfRun {
    at: Time,
    run: Run,
}

#[derive(Deserialize)]
struct OfJob {
    at: Time,
    job: JobName,
    paused: bool,
    by: String,
}

#[derive(Deserialize)]
struct OfScheduler {
    at: Time,
    paused: bool,
    by: String,
}

#[derive(Deserialize)]
struct OfClock {
    at: Time,
    by_s: f64,
}

#[derive(Deserialize)]
struct Warning {
    at: Time,
    job: JobName,
    message: String,
}

#[derive(Deserialize)]
struct OfReload {
    at: Time,
}

/// Events are missing here.
#[derive(Deserialize)]
struct Gap {
    message: String,
}

pub fn run(args: &Args) -> Exit {
    match listen(args) {
        Ok(exit) => exit,
        Err(error) => error.report(),
    }
}

fn listen(args: &Args) -> Result<Exit, ClientError> {
    let mut query = Query::default();
    query.add_some("job", args.job.as_ref());
    let mut end = Ok(());
    args.asking
        .client()?
        .listen(&format!("/events{query}"), &mut |event| {
            let text = if args.asking.json {
                Some(event.json_line())
            } else {
                in_words(event, &View::of_stdout())
            };
            let Some(text) = text else {
                return ControlFlow::Continue(());
            };
            end = write(&text);
            if end.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
    Ok(written(&end))
}

/// The event as a line; none: it is of no interest, or of a kind that is not known here.
fn in_words(event: &ServerEvent, view: &View) -> Option<String> {
    let (at, text) = match event.kind.as_str() {
        "run" => {
            let OfRun { at, run } = event.read().ok()?;
            (Some(at), of_run(&run, view))
        }
        "job" => {
            let OfJob {
                at,
                job,
                paused,
                by,
            } = event.read().ok()?;
            let what = if paused { "paused" } else { "resumed" };
            (Some(at), format!("{job}  {what} by {}", printable(&by)))
        }
        "scheduler" => {
            let OfScheduler { at, paused, by } = event.read().ok()?;
            let what = if paused { "paused" } else { "resumed" };
            (Some(at), format!("everything {what} by {}", printable(&by)))
        }
        "clock" => {
            let OfClock { at, by_s } = event.read().ok()?;
            (Some(at), {
                let way = if by_s < 0.0 { "back" } else { "ahead" };
                format!("the clock jumped {way} by {}", took(by_s.abs()))
            })
        }
        "warning" => {
            let Warning { at, job, message } = event.read().ok()?;
            (Some(at), format!("{job}  warning: {}", printable(&message)))
        }
        "reload" => {
            let OfReload { at } = event.read().ok()?;
            (Some(at), "the configuration was reloaded".to_owned())
        }
        "gap" => {
            let Gap { message } = event.read().ok()?;
            (None, printable(&message))
        }
        _ => return None,
    };
    let at = at.map(|at| at.0.to_zoned(view.zone.clone()));
    let at = at.map_or_else(
        || "--:--:--".to_owned(),
        |at| at.strftime("%H:%M:%S").to_string(),
    );
    Some(format!("{at}  {text}\n"))
}

fn of_run(run: &Run, view: &View) -> String {
    let words = printable(&outcome::in_words(run));
    let words = outcome::paint(run.status).on(&words, view.colour);
    let more = match (run.status, run.lateness_s, run.duration_s) {
        (Status::Running, Some(late), _) => format!(", {} late", took(late)),
        (status, _, Some(length)) if status.is_final() => format!(", took {}", took(length)),
        _ => String::new(),
    };
    format!("{}  {words}{more}  {}", run.job, run.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{run, view, with};
    use serde_json::{Value, json};

    #[test]
    fn events_are_a_line_each() {
        let at = "2026-12-01T10:59:58.250000Z";
        let of_run = |other| json!({ "at": at, "run": with::<Value>(run(), other) });
        let events = [
            ("hello", json!({ "at": at })),
            (
                "run",
                of_run(json!({ "status": "scheduled", "started_at": null,
                                   "lateness_s": null, "duration_s": null })),
            ),
            (
                "run",
                of_run(json!({ "status": "running", "duration_s": null })),
            ),
            ("run", of_run(json!({}))),
            ("run", of_run(json!({ "status": "failed", "exit_code": 3 }))),
            (
                "job",
                json!({ "at": at, "job": "a", "paused": true, "by": "uid 0" }),
            ),
            (
                "job",
                json!({ "at": at, "job": "a", "paused": false, "by": "x\u{1b}" }),
            ),
            (
                "scheduler",
                json!({ "at": at, "paused": true, "by": "uid 0" }),
            ),
            ("clock", json!({ "at": at, "by_s": -3600.5 })),
            (
                "warning",
                json!({ "at": at, "job": "a", "message": "look\nhere" }),
            ),
            ("reload", json!({ "at": at })),
            (
                "gap",
                json!({ "reason": "lost", "message": "read jobs and runs again" }),
            ),
            ("weather", json!({ "at": at, "fine": true })),
            ("run", json!("garbled")),
        ];
        let lines = events.map(|(kind, data)| {
            let event = ServerEvent {
                id: Some("1-2".to_owned()),
                kind: kind.to_owned(),
                data: data.to_string(),
            };
            in_words(&event, &view(None)).unwrap_or_default()
        });
        insta::assert_snapshot!(lines.concat());
    }

    #[test]
    fn as_json_an_event_is_a_line_with_its_kind() {
        let event = ServerEvent {
            id: None,
            kind: "clock".to_owned(),
            data: r#"{"by_s": 1.5}"#.to_owned(),
        };
        let expected = "{\"data\":{\"by_s\":1.5},\"event\":\"clock\",\"id\":null}\n";
        assert_eq!(event.json_line(), expected);
    }
}
