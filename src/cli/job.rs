//! `punctual job`

use std::fmt::Write as _;

use super::Exit;
use super::asking::Asking;
use super::clean::printable;
use super::client::{ClientError, PROMPT};
use super::outcome;
use super::table::{Paint, sheet};
use super::view::{View, show};
use super::words::{away, clock_time, percent, took};
use crate::api::wire::{Figures, Job, JobDetail, Pause, State};
use crate::job::JobName;

/// How many fires to come are shown.
const FIRES: usize = 5;

/// Shows a job whole: where it stands, when it runs next, how it did, its configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    #[arg(value_name = "NAME")]
    job: JobName,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let client = args.asking.client()?;
    let reply = client.get(&format!("/jobs/{}", args.job), PROMPT)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    Ok(text(&reply.read()?, &View::of_stdout()))
}

fn text(detail: &JobDetail, view: &View) -> String {
    let job = &detail.job;
    let (state, paint) = match job.state {
        State::Active => ("active", Paint::Good),
        State::Paused => ("paused", Paint::Notable),
        State::Disabled => ("disabled", Paint::Dim),
        State::Finished => ("finished", Paint::Dim),
    };
    let mut text = format!("{}  {}\n", job.name, paint.on(state, view.colour));
    if !job.description.is_empty() {
        let _ = writeln!(text, "{}", printable(&job.description));
    }
    let zone = match &job.schedule.timezone {
        Some(timezone) => format!("{} ({timezone})", job.schedule.text),
        None => job.schedule.text.clone(),
    };
    let expression = Some(&job.schedule.expression).filter(|it| **it != job.schedule.text);
    let tags = (!job.tags.is_empty()).then(|| printable(&job.tags.join(", ")));
    text.push('\n');
    text.push_str(&sheet(
        &[
            ("schedule", Some(printable(&zone))),
            ("expression", expression.map(|it| printable(it))),
            ("tags", tags),
            ("paused", paused(job, view)),
            ("next", fires(detail, view)),
            ("now", now(job)),
            ("last run", last(job, view)),
            ("lately", lately(detail)),
            ("took", detail.statistics.duration.as_ref().map(figures)),
            ("late", detail.statistics.lateness.as_ref().map(figures)),
        ],
        view,
    ));
    text.push_str("\nconfiguration\n");
    let config = detail.config.as_object().into_iter().flatten();
    let config: Vec<_> = config
        .map(|(key, value)| (key.as_str(), Some(written(value))))
        .collect();
    text.push_str(&sheet(&config, view));
    text
}

/// A value of the config, as a config writes it.
fn written(value: &serde_json::Value) -> String {
    let toml = toml::Value::try_from(value).map(|value| value.to_string());
    // JSON says it as well where TOML cannot.
    printable(&toml.unwrap_or_else(|_| value.to_string()))
}

/// Why it is paused, line by line.
fn paused(job: &Job, view: &View) -> Option<String> {
    match &job.pause {
        Some(pause) => Some(pause_in_words(pause, view).join("\n")),
        None if job.state == State::Paused => {
            Some("everything is: `punctual resume --all` goes on".to_owned())
        }
        None => None,
    }
}

/// What is known of a pause: until when, since when and by whom, why.
pub(super) fn pause_in_words(pause: &Pause, view: &View) -> Vec<String> {
    let until = pause.until.map(|until| {
        let (at, near) = (clock_time(until.0, &view.zone), away(until.0, view.now));
        format!("until {at} ({near})")
    });
    let by = pause.by.as_ref().map(|by| format!("by {}", printable(by)));
    let since = pause.since.map(|since| away(since.0, view.now));
    let since: Vec<String> = since.into_iter().chain(by).collect();
    let since = (!since.is_empty()).then(|| since.join(", "));
    let reason = pause.reason.as_ref().map(|reason| printable(reason));
    [until, since, reason].into_iter().flatten().collect()
}

fn fires(detail: &JobDetail, view: &View) -> Option<String> {
    let fires = detail.next_fires.iter().take(FIRES).map(|fire| {
        let (at, near) = (clock_time(fire.0, &view.zone), away(fire.0, view.now));
        format!("{at}  {near}")
    });
    let fires: Vec<String> = fires.collect();
    (!fires.is_empty()).then(|| fires.join("\n"))
}

fn now(job: &Job) -> Option<String> {
    match (job.running, job.queued) {
        (0, 0) => None,
        (running, 0) => Some(format!("{running} running")),
        (0, queued) => Some(format!("{queued} queued")),
        (running, queued) => Some(format!("{running} running, {queued} queued")),
    }
}

fn last(job: &Job, view: &View) -> Option<String> {
    let run = job.last_run.as_ref()?;
    let at = run
        .finished_at
        .or(run.last_scheduled_at)
        .unwrap_or(run.due_at);
    let words = printable(&outcome::in_words(run));
    let status = outcome::paint(run.status).on(&words, view.colour);
    let mut text = format!("{status}, {}", away(at.0, view.now));
    if let Some(length) = outcome::length(run, view.now) {
        let _ = write!(text, ", took {length}");
    }
    let _ = write!(text, "\n{}", run.id);
    Some(text)
}

fn lately(detail: &JobDetail) -> Option<String> {
    let rate = detail.job.success_rate?;
    Some(format!("{} of runs succeeded", percent(rate)))
}

/// A spread of spans.
pub(super) fn figures(figures: &Figures) -> String {
    let Figures {
        p50_s,
        p99_s,
        max_s,
    } = figures;
    let [p50, p99, max] = [p50_s, p99_s, max_s].map(|seconds| took(*seconds));
    format!("half within {p50}, 99 % within {p99}, all within {max}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, job, run, view, with};
    use serde_json::json;

    #[test]
    fn a_job_is_told_whole() {
        insta::assert_snapshot!("active", text(&with(job(), json!({})), &view(Some(80))));
        insta::assert_snapshot!(
            "coloured",
            text(&with(job(), json!({})), &coloured(Some(80)))
        );
        let failed: serde_json::Value = with(
            run(),
            json!({ "status": "failed", "exit_code": 3, "attempts": 4 }),
        );
        let pause = json!({ "since": "2026-12-01T10:58:00.000000Z",
                            "until": "2026-12-01T13:00:00.000000Z",
                            "reason": "disk full\u{1b}[2J", "by": "uid 1000" });
        let paused = json!({ "state": "paused", "pause": pause, "next_fire": null,
                             "next_fires": [], "running": 1, "queued": 2, "last_run": failed,
                             "description": "", "tags": [] });
        insta::assert_snapshot!("paused", text(&with(job(), paused), &view(Some(80))));
        let all = json!({ "state": "paused", "next_fire": null, "next_fires": [],
                          "last_run": null, "success_rate": null,
                          "statistics": { "runs": 0, "duration": null, "lateness": null } });
        insta::assert_snapshot!("with_everything", text(&with(job(), all), &view(Some(80))));
    }
}
