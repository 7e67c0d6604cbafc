//! `punctual logs`

use std::io::{self, Stdout, Write};
use std::ops::ControlFlow;

use serde_json::json;

use super::Exit;
use super::asking::{Asking, run_id};
use super::client::{ClientError, Query, ServerEvent};
use super::sink::Sink;
use super::told::Told;
use super::view::{write, written};
use crate::job::RunId;

/// Shows what a run printed.
///
/// A terminal gets text that cannot steer it; a pipe or a file the bytes as they were.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    #[arg(value_name = "ID", value_parser = run_id)]
    run: RunId,

    /// Go on with what it prints, in all its attempts, until it ends
    #[arg(long, short)]
    follow: bool,

    /// Of this attempt alone; else of the last, or of all that are followed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,

    /// Of this stream alone; else of both, in order of arrival
    #[arg(long, value_name = "STREAM", value_parser = ["stdout", "stderr"])]
    stream: Option<String>,

    /// The bytes as they are to a terminal, too, whatever they do to it
    #[arg(long, conflicts_with = "json")]
    raw: bool,

    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    let shown = match (args.follow, args.asking.json) {
        (false, false) => copy(args),
        (false, true) => whole(args),
        (true, false) => follow(args),
        (true, true) => events(args),
    };
    match shown {
        Ok(end) => written(&end),
        Err(error) => error.report(),
    }
}

fn path(args: &Args) -> String {
    let mut query = Query::default();
    query.add_some("attempt", args.attempt);
    query.add_some("stream", args.stream.as_ref());
    format!("/runs/{}/output{query}", args.run)
}

fn sink(args: &Args) -> Sink<Stdout> {
    if args.raw {
        Sink::raw(io::stdout())
    } else {
        Sink::careful(io::stdout())
    }
}

/// What there is, piece by piece.
fn copy(args: &Args) -> Result<io::Result<()>, ClientError> {
    let (mut sink, mut end) = (sink(args), Ok(()));
    args.asking.client()?.copy(&path(args), &mut |piece| {
        end = sink.take(piece);
        on(&end)
    })?;
    Ok(end.and_then(|()| sink.end()))
}

/// What there is, as a text in JSON: what is no text is replaced.
fn whole(args: &Args) -> Result<io::Result<()>, ClientError> {
    let mut output = Vec::new();
    args.asking.client()?.copy(&path(args), &mut |piece| {
        output.extend_from_slice(piece);
        ControlFlow::Continue(())
    })?;
    let output = String::from_utf8_lossy(&output);
    let line = json!({ "run_id": args.run, "output": output });
    Ok(write(&format!("{line}\n")))
}

/// What comes, until the run ends.
fn follow(args: &Args) -> Result<io::Result<()>, ClientError> {
    let (mut sink, mut end) = (sink(args), Ok(()));
    listen(args, |event| {
        end = match Told::read(event)? {
            Told::Stdout(bytes) | Told::Stderr(bytes) => sink.take(&bytes),
            Told::LeftOut(bytes) => sink.line(&left_out(bytes)),
            Told::Attempt(number) => note(&format!("attempt {number}")),
            Told::End(_) => return Ok(ControlFlow::Break(())),
            Told::Else => Ok(()),
        };
        Ok(on(&end))
    })?;
    Ok(end.and_then(|()| sink.end()))
}

/// The events as they come, as one JSON object a line.
fn events(args: &Args) -> Result<io::Result<()>, ClientError> {
    let mut end = Ok(());
    listen(args, |event| {
        end = write(&event.json_line());
        match Told::read(event)? {
            Told::End(_) => Ok(ControlFlow::Break(())),
            _ => Ok(on(&end)),
        }
    })?;
    Ok(end)
}

/// Listens until `each` breaks off or fails.
fn listen(
    args: &Args,
    mut each: impl FnMut(&ServerEvent) -> Result<ControlFlow<()>, ClientError>,
) -> Result<(), ClientError> {
    let mut failed = Ok(());
    args.asking.client()?.listen(&path(args), &mut |event| {
        each(event).unwrap_or_else(|error| {
            failed = Err(error);
            ControlFlow::Break(())
        })
    })?;
    failed
}

fn on(end: &io::Result<()>) -> ControlFlow<()> {
    match end {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// What stands for bytes that were not kept.
pub(super) fn left_out(bytes: u64) -> String {
    format!("[punctual: {bytes} bytes left out here]")
}

/// Says something that is not of the job, on standard error.
pub(super) fn note(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "punctual: {text}")
}
