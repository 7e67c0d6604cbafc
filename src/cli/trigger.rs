//! `punctual trigger`

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use serde_json::json;

use super::Exit;
use super::asking::Asking;
use super::clean::printable;
use super::client::{Client, ClientError, Reply, ServerEvent};
use super::logs::{left_out, note};
use super::outcome::in_words;
use super::sink::Sink;
use super::told::Told;
use super::view::{self, show};
use crate::api::wire::Run;
use crate::job::{JobName, RunId, Status};

/// The exit codes of `--wait` where the job has none of its own.
const REQUEST_FAILED: u8 = 1;
const TIMED_OUT: u8 = 124;
const OWN_TROUBLE: u8 = 125;
const SIGNALLED: i32 = 128;

/// Runs a job now.
///
/// With --wait, what it prints comes as it comes, and its exit code is that of the job: 124 when it
/// timed out, 128 + N when signal N ended it, 1 when a request failed, 125 when there is none to
/// tell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobName,

    /// A parameter of the job, as often as it takes
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    params: Vec<(String, String)>,

    /// Wait for its end; with --json, nothing but the run as it ended is printed
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    asking: Asking,
}

/// The answer to a trigger, as far as it is shown.
#[derive(serde::Deserialize)]
struct Accepted {
    run_id: RunId,
    message: String,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub fn run(args: &Args) -> Exit {
    if !args.wait {
        return show(ask(args));
    }
    match wait(args) {
        Ok(code) => Exit::OfJob(code),
        Err(error) => {
            error.report();
            Exit::OfJob(OWN_TROUBLE)
        }
    }
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let reply = start(&args.asking.client()?, args)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let Accepted { run_id, message } = reply.read()?;
    let message = printable(&message);
    Ok(format!(
        "{message}\n`punctual logs --follow {run_id}` shows what it prints.\n"
    ))
}

fn start(client: &Client, args: &Args) -> Result<Reply, ClientError> {
    let mut params = BTreeMap::new();
    for (name, value) in &args.params {
        if params.insert(name, value).is_some() {
            return Err(ClientError::Twice(name.clone()));
        }
    }
    let path = format!("/jobs/{}/trigger", args.job);
    client.post(&path, &json!({ "params": params }))
}

/// Starts it and shows it to its end; gives the code that stands for that end.
fn wait(args: &Args) -> Result<u8, ClientError> {
    let client = args.asking.client()?;
    let Accepted { run_id, .. } = start(&client, args)?.read()?;
    if io::stderr().is_terminal() {
        // Who does not see it does without.
        let _ = note(&format!("run {run_id}; Ctrl-C leaves it running"));
    }
    let mut shown = Shown::new(args);
    let path = format!("/runs/{run_id}/output");
    client.listen(&path, &mut |event| shown.hear(event))?;
    shown.end()
}

/// What was shown of a run so far.
struct Shown {
    stdout: Sink<io::Stdout>,
    stderr: Sink<io::Stderr>,
    json: bool,
    /// The event of its end, with the run.
    end: Option<(String, Box<Run>)>,
    trouble: Option<ClientError>,
    /// Whether all of it could be written so far.
    written: io::Result<()>,
}

impl Shown {
    fn new(args: &Args) -> Self {
        Self {
            stdout: Sink::careful(io::stdout()),
            stderr: Sink::careful(io::stderr()),
            json: args.asking.json,
            end: None,
            trouble: None,
            written: Ok(()),
        }
    }

    fn hear(&mut self, event: &ServerEvent) -> ControlFlow<()> {
        let told = match Told::read(event) {
            Ok(Told::End(run)) => {
                self.end = Some((event.data.clone(), run));
                return ControlFlow::Break(());
            }
            Ok(told) => told,
            Err(error) => {
                self.trouble = Some(error);
                return ControlFlow::Break(());
            }
        };
        // Its end is waited for even when nobody reads what it prints, or there is no room for it.
        if !self.json && self.written.is_ok() {
            self.written = self.show(told);
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, told: Told) -> io::Result<()> {
        match told {
            Told::Stdout(bytes) => self.stdout.take(&bytes),
            Told::Stderr(bytes) => self.stderr.take(&bytes),
            Told::LeftOut(bytes) => self.stderr.line(&left_out(bytes)),
            Told::Attempt(number) => self.stderr.line(&format!("punctual: attempt {number}")),
            Told::End(_) | Told::Else => Ok(()),
        }
    }

    fn end(mut self) -> Result<u8, ClientError> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        let Some((data, run)) = self.end.take() else {
            return Err(ClientError::Garbled {
                place: "the daemon".to_owned(),
                why: "a run without an end".to_owned(),
            });
        };
        let code = code(&run);
        match view::written(&self.finish(&data, &run)) {
            Exit::Done => Ok(code),
            _ if code == 0 => Ok(OWN_TROUBLE),
            // How the job ended tells more.
            _ => Ok(code),
        }
    }

    /// Shows what there is to show at the end; how it failed even where its output could not be shown.
    fn finish(mut self, data: &str, run: &Run) -> io::Result<()> {
        let mut shown = self.written.and_then(|()| self.stdout.end());
        shown = shown.and_then(|()| self.stderr.end());
        if self.json {
            shown = shown.and_then(|()| view::write(&format!("{data}\n")));
        }
        if run.status != Status::Succeeded {
            let how = printable(&in_words(run));
            let told = self
                .stderr
                .line(&format!("punctual: run {}: {how}", run.id));
            shown = shown.and(told);
        }
        shown
    }
}

/// The exit code that stands for how a run ended.
fn code(run: &Run) -> u8 {
    let of_process = match (run.signal, run.exit_code) {
        (Some(signal), _) => Some(SIGNALLED + signal),
        (None, code) => code,
    };
    let of_process = of_process.and_then(|code| u8::try_from(code).ok());
    match (run.status, of_process) {
        (Status::TimedOut, _) => TIMED_OUT,
        (Status::Succeeded, code) => code.unwrap_or(0),
        // A process that ran has a code or a signal; what has neither was a request.
        (Status::Failed, None) if run.started_at.is_some() => REQUEST_FAILED,
        // Zero would say that all is well.
        (_, Some(0) | None) => OWN_TROUBLE,
        (_, Some(code)) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{run, with};

    #[test]
    fn the_exit_code_is_that_of_the_job() {
        for (other, expected) in [
            (json!({}), 0),
            (json!({ "exit_code": 7 }), 7),
            (json!({ "status": "failed", "exit_code": 3 }), 3),
            (json!({ "status": "failed", "exit_code": 255 }), 255),
            (
                json!({ "status": "failed", "exit_code": null, "signal": 9 }),
                137,
            ),
            (
                json!({ "status": "cancelled", "exit_code": null, "signal": 15 }),
                143,
            ),
            (json!({ "status": "timed_out", "exit_code": 3 }), 124),
            (
                json!({ "status": "timed_out", "exit_code": null, "signal": 9 }),
                124,
            ),
            (json!({ "status": "failed", "exit_code": 0 }), 125),
            (json!({ "status": "failed", "exit_code": null }), 1),
            (
                json!({ "status": "failed", "exit_code": null, "http_status": 503 }),
                1,
            ),
            (json!({ "exit_code": null, "http_status": 200 }), 0),
            (
                json!({ "status": "failed", "exit_code": null, "started_at": null }),
                125,
            ),
            (json!({ "status": "cancelled", "exit_code": 0 }), 125),
            (json!({ "status": "lost", "exit_code": null }), 125),
        ] {
            assert_eq!(code(&with(run(), other.clone())), expected, "{other}");
        }
    }

    #[test]
    fn parameters_have_a_name_and_a_value() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parameter("a=b=c"), pair("a", "b=c"));
        assert_eq!(parameter("a="), pair("a", ""));
        assert!(parameter("a").is_err() && parameter("=b").is_err());
    }
}
