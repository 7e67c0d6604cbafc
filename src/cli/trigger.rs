//! `punctual trigger`

use std::collections::BTreeMap;

use serde_json::json;

use super::Exit;
use super::asking::Asking;
use super::clean::printable;
use super::client::{Client, ClientError, Reply};
use super::view::show;
use crate::job::{JobName, RunId};

/// Runs a job now.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobName,

    /// A parameter of the job, as often as it takes
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    params: Vec<(String, String)>,

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
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let reply = start(&args.asking.client()?, args)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let Accepted { run_id, message } = reply.read()?;
    Ok(format!(
        "{}\npunctual logs --follow {run_id}\n",
        printable(&message)
    ))
}

fn start(client: &Client, args: &Args) -> Result<Reply, ClientError> {
    let params: BTreeMap<_, _> = args.params.iter().cloned().collect();
    client.post(
        &format!("/jobs/{}/trigger", args.job),
        &json!({ "params": params }),
    )
}
