//! `punctual jobs`

use super::Exit;
use super::asking::Asking;
use super::client::{ClientError, Query};
use super::outcome::paint;
use super::table::{Cell, Column, Paint, table};
use super::view::{View, show};
use super::words::{away, percent};
use crate::api::wire::{Job, State};

/// Names up to this length are never cut.
const WHOLE_NAME: usize = 32;

/// Lists the jobs: where they stand, when they run next, how they did.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Jobs in this state alone: active, paused, disabled or finished
    #[arg(long, value_name = "STATE", value_parser = ["active", "paused", "disabled", "finished"])]
    state: Option<String>,

    /// Jobs with this tag alone
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let mut query = Query::default();
    query.add_some("state", args.state.as_ref());
    query.add_some("tag", args.tag.as_ref());
    let jobs = args.asking.client()?.list("/jobs", &query, usize::MAX)?;
    if args.asking.json {
        return Ok(jobs.text() + "\n");
    }
    let filtered = args.state.is_some() || args.tag.is_some();
    let jobs: Vec<Job> = jobs.read()?;
    if jobs.is_empty() {
        return Ok(nothing(filtered).to_owned());
    }
    Ok(text(&jobs, &View::of_stdout()))
}

fn nothing(filtered: bool) -> &'static str {
    if filtered {
        "No job is like that; `punctual jobs` alone lists all.\n"
    } else {
        "The configuration has no jobs, or none that you may see.\n"
    }
}

fn text(jobs: &[Job], view: &View) -> String {
    let rows: Vec<_> = jobs.iter().map(|job| row(job, view)).collect();
    let mut columns = ["JOB", "STATE", "NEXT", "LAST RUN", "OK", "SCHEDULE"].map(Column::Cut);
    // A name is to be copied, unless there would be room for nothing else.
    if jobs.iter().all(|job| job.name.as_str().len() <= WHOLE_NAME) {
        columns[0] = Column::Whole("JOB");
    }
    table(columns, &rows, view)
}

fn row(job: &Job, view: &View) -> [Cell; 6] {
    let next = job.next_fire.map(|next| away(next.0, view.now));
    let rate = job.success_rate.map(percent);
    [
        Cell::new(job.name.as_str()),
        state(job),
        Cell::maybe(next),
        last(job, view),
        Cell::maybe(rate),
        Cell::new(&job.schedule.text),
    ]
}

/// What the job does now, if it does something; else its state.
fn state(job: &Job) -> Cell {
    match job.state {
        _ if job.running > 1 => Cell::painted(format!("running × {}", job.running), Paint::Good),
        _ if job.running == 1 => Cell::painted("running", Paint::Good),
        _ if job.queued > 0 => Cell::painted("queued", Paint::Notable),
        State::Active => Cell::new("active"),
        State::Paused => Cell::painted("paused", Paint::Notable),
        State::Disabled => Cell::painted("disabled", Paint::Dim),
        State::Finished => Cell::painted("finished", Paint::Dim),
    }
}

fn last(job: &Job, view: &View) -> Cell {
    let Some(run) = &job.last_run else {
        return Cell::maybe(None::<&str>);
    };
    let at = run
        .finished_at
        .or(run.last_scheduled_at)
        .unwrap_or(run.due_at);
    let text = format!("{} {}", run.status, away(at.0, view.now));
    Cell::painted(text, paint(run.status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, job, run, view, with};
    use serde_json::json;

    fn jobs() -> Vec<Job> {
        let minutely = json!({ "kind": "every", "expression": "15s", "timezone": "UTC",
                               "text": "every 15 s" });
        let failed = with::<serde_json::Value>(
            run(),
            json!({ "status": "failed", "exit_code": 3,
                    "finished_at": "2026-12-01T10:58:00.000000Z" }),
        );
        let span = with::<serde_json::Value>(
            run(),
            json!({ "status": "skipped", "started_at": null, "finished_at": null, "count": 7,
                    "last_scheduled_at": "2026-12-01T10:59:45.000000Z" }),
        );
        vec![
            with(job(), json!({})),
            with(
                job(),
                json!({ "name": "poll", "schedule": minutely, "running": 2,
                        "next_fire": "2026-12-01T11:00:15.000000Z", "last_run": failed,
                        "success_rate": 0.5 }),
            ),
            with(
                job(),
                json!({ "name": "report", "state": "paused", "next_fire": null,
                        "last_run": span }),
            ),
            with(
                job(),
                json!({ "name": "ümlaut-in-no-name".replace('ü', "u"), "state": "disabled",
                        "next_fire": null, "last_run": null, "success_rate": null }),
            ),
            with(job(), json!({ "name": "waits", "queued": 1 })),
            with(
                job(),
                json!({ "name": "done", "state": "finished", "next_fire": null }),
            ),
        ]
    }

    #[test]
    fn a_list_tells_where_each_job_stands() {
        insta::assert_snapshot!("list", text(&jobs(), &view(None)));
        insta::assert_snapshot!("list_80", text(&jobs(), &view(Some(80))));
        insta::assert_snapshot!("list_coloured", text(&jobs()[..3], &coloured(Some(80))));
    }
}
