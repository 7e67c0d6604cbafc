//! What a new life knows of the one before: the ledger's memory and the start marks.

use std::path::Path;

use crate::dispatch::Memory;
use crate::job::Status;
use crate::runner::{Cleared, Leftovers, Marks, MarksError, Recovery, kill_leftovers};
use crate::store::Recovered;

/// Reads the marks and ends what still runs of the life before.
pub(super) fn clear(folder: &Path) -> Result<Recovery, MarksError> {
    let recovery = Marks::open(folder)?;
    match kill_leftovers(&recovery.leftovers) {
        Ok(Cleared { killed: 0, alive }) if alive.is_empty() => {}
        Ok(Cleared { killed, alive }) if alive.is_empty() => {
            tracing::warn!(
                killed,
                "ended processes that a daemon before this one left behind"
            );
        }
        Ok(Cleared { killed, alive }) => {
            tracing::error!(
                killed,
                ?alive,
                "processes that a daemon before this one left behind cannot be ended; their runs \
                 are marked lost all the same"
            );
        }
        Err(error) => {
            tracing::error!(
                %error,
                "/proc cannot be read, so processes that a daemon before this one left behind may \
                 live on"
            );
        }
    }
    Ok(recovery)
}

/// Puts both memories together.
pub(super) fn of(recovered: Recovered, leftovers: &Leftovers) -> Memory {
    Memory {
        flags: recovered.flags,
        schedules: recovered.schedules,
        live: recovered.live,
        attempts: recovered
            .live_attempts
            .into_iter()
            .filter(|attempt| attempt.status == Status::Running)
            .collect(),
        marked: leftovers.marks.iter().map(|mark| mark.run).collect(),
        same_boot: leftovers.same_boot,
        scheduler_paused: recovered.scheduler_paused,
    }
}
