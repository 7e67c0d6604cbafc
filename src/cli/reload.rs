//! `punctual reload`

use serde_json::json;

use super::Exit;
use super::asking::Asking;
use super::client::ClientError;
use super::diff;
use super::view::{View, print};
use crate::config::Changes;

/// Has the daemon read its configuration anew; with any error in it nothing changes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    match ask(args) {
        Ok(text) => print(&text),
        Err(error) => {
            if let ClientError::Refused(refused) = &error
                && args.asking.json
            {
                print(&format!("{}\n", refused.body));
            }
            error.report()
        }
    }
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let reply = args.asking.client()?.post("/reload", &json!({}))?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let changes: Changes = reply.read()?;
    if changes.is_empty() {
        return Ok("Reloaded; nothing changed.\n".to_owned());
    }
    Ok(format!(
        "Reloaded:\n{}",
        diff::text(&changes, &View::of_stdout())
    ))
}
