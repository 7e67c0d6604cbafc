//! `punctual cancel`

use serde_json::json;

use super::Exit;
use super::asking::{Asking, run_id};
use super::clean::printable;
use super::client::ClientError;
use super::view::show;
use crate::job::RunId;

/// Cancels a run: what waits does not start, what runs is stopped with all its processes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    #[arg(value_name = "ID", value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    asking: Asking,
}

/// The answer, as far as it is shown.
#[derive(serde::Deserialize)]
struct Accepted {
    message: String,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let client = args.asking.client()?;
    let reply = client.post(&format!("/runs/{}/cancel", args.run), &json!({}))?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let accepted: Accepted = reply.read()?;
    Ok(printable(&accepted.message) + "\n")
}
