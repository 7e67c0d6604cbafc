//! `punctual pause`

use jiff::Timestamp;
use serde_json::json;

use super::asking::Asking;
use super::client::{Client, ClientError};
use super::job::pause_in_words;
use super::view::{View, print};
use super::{Exit, instant};
use crate::api::wire::JobDetail;
use crate::job::JobName;

/// Pauses jobs: they do not fire until they are resumed. What runs, runs on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(value_name = "JOB", required_unless_present = "all")]
    jobs: Vec<JobName>,

    /// Resume by itself then: a time, or how long from now (`2h`)
    #[arg(long, value_name = "TIME", value_parser = instant::ahead)]
    until: Option<Timestamp>,

    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Everything, jobs to come as well
    #[arg(long, conflicts_with_all = ["jobs", "until", "reason"])]
    all: bool,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    let client = match args.asking.client() {
        Ok(client) => client,
        Err(error) => return error.report(),
    };
    if args.all {
        let paused = "Everything is paused; `punctual resume --all` goes on.";
        return all(&client, "pause", args.asking.json, paused);
    }
    let body = json!({ "until": args.until, "reason": args.reason });
    each(&args.jobs, |job| {
        let reply = client.post(&format!("/jobs/{job}/pause"), &body)?;
        if args.asking.json {
            return Ok(reply.text + "\n");
        }
        Ok(sentence(&reply.read()?, &View::of_stdout()))
    })
}

/// Asks for everything to be paused or resumed.
pub(super) fn all(client: &Client, what: &str, json: bool, sentence: &str) -> Exit {
    match client.post(&format!("/scheduler/{what}"), &json!({})) {
        Ok(reply) if json => print(&(reply.text + "\n")),
        Ok(_) => print(&format!("{sentence}\n")),
        Err(error) => error.report(),
    }
}

/// Does something to each job, even when it fails for others; the first failure is the exit code.
pub(super) fn each(
    jobs: &[JobName],
    act: impl Fn(&JobName) -> Result<String, ClientError>,
) -> Exit {
    let mut exit = Exit::Done;
    for job in jobs {
        let this = match act(job) {
            Ok(text) => print(&text),
            Err(error) => {
                let this = error.report();
                if matches!(error, ClientError::Unreachable(_)) {
                    return this;
                }
                this
            }
        };
        if exit == Exit::Done {
            exit = this;
        }
    }
    exit
}

fn sentence(detail: &JobDetail, view: &View) -> String {
    let job = &detail.job;
    let pause = job.pause.as_ref().map(|pause| pause_in_words(pause, view));
    match pause.filter(|pause| !pause.is_empty()) {
        Some(pause) => format!("{} is paused: {}.\n", job.name, pause.join("; ")),
        None => format!("{} is paused.\n", job.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{job, view, with};

    #[test]
    fn a_pause_is_confirmed() {
        let pause = json!({ "since": "2026-12-01T11:00:00.000000Z",
                            "until": "2026-12-01T13:00:00.000000Z",
                            "reason": "maintenance", "by": "uid 0" });
        let told = |pause| sentence(&with(job(), json!({ "pause": pause })), &view(None));
        assert_eq!(
            told(pause),
            "backup is paused: until Tue 2026-12-01 14:00:00 +01:00 (in 2 h); now, by uid 0; \
             maintenance.\n"
        );
        let bare = json!({ "since": null, "until": null, "reason": null, "by": null });
        assert_eq!(told(bare), "backup is paused.\n");
    }
}
