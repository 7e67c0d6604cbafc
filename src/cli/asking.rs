//! What commands that ask the daemon have in common.

use super::client::{Client, ClientError, Connect};
use crate::job::RunId;

/// Whom to ask, and what for.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    #[command(flatten)]
    connect: Connect,

    /// The API's own JSON instead of text
    #[arg(long)]
    pub json: bool,
}

impl Asking {
    /// The way to the daemon.
    pub(super) fn client(&self) -> Result<Client, ClientError> {
        Client::new(&self.connect)
    }
}

/// A run's id, from the command line.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    text.parse().map_err(|_| {
        "a run's id has 32 hexadecimal digits, such as 019ae5b2-1c40-8d3e-9f00-0123456789ab: \
         `punctual runs` shows them"
            .to_owned()
    })
}
