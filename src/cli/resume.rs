//! `punctual resume`

use serde_json::json;

use super::Exit;
use super::asking::Asking;
use super::pause::{all, each};
use super::view::View;
use super::words::{away, clock_time};
use crate::api::wire::{JobDetail, State};
use crate::job::JobName;

/// Resumes paused jobs. What fell due meanwhile is not caught up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(value_name = "JOB", required_unless_present = "all")]
    jobs: Vec<JobName>,

    /// Ends the pause of everything; jobs that are paused by themselves stay so
    #[arg(long, conflicts_with = "jobs")]
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
        let resumed = "The pause of everything is over; jobs that were paused by name stay so.";
        return all(&client, "resume", args.asking.json, resumed);
    }
    each(&args.jobs, |job| {
        let reply = client.post(&format!("/jobs/{job}/resume"), &json!({}))?;
        if args.asking.json {
            return Ok(reply.text + "\n");
        }
        Ok(sentence(&reply.read()?, &View::of_stdout()))
    })
}

fn sentence(detail: &JobDetail, view: &View) -> String {
    let job = &detail.job;
    let name = &job.name;
    match (job.state, job.next_fire) {
        (State::Active, Some(next)) => {
            let (near, at) = (away(next.0, view.now), clock_time(next.0, &view.zone));
            format!("{name} is active; it fires {near}, {at}.\n")
        }
        (State::Active, None) => format!("{name} is active.\n"),
        (State::Paused, _) => format!(
            "{name} itself is not paused any more, but everything is: `punctual resume --all` goes \
             on.\n"
        ),
        (State::Disabled, _) => {
            format!("{name} is not paused, but disabled: its config says `enabled = false`.\n")
        }
        (State::Finished, _) => {
            format!("{name} is not paused, but finished: it names no instant.\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{job, view, with};

    #[test]
    fn a_resume_tells_what_comes() {
        let told = |other| sentence(&with(job(), other), &view(None));
        assert_eq!(
            told(json!({})),
            "backup is active; it fires in 14 h, Wed 2026-12-02 02:30:00 +01:00.\n"
        );
        let states = [
            json!({ "state": "active", "next_fire": null }),
            json!({ "state": "paused", "next_fire": null }),
            json!({ "state": "disabled" }),
            json!({ "state": "finished" }),
        ];
        let all: String = states.map(told).concat();
        insta::assert_snapshot!(all);
    }
}
