//! What a new life knows of the one before: the ledger's memory and the start marks.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::dispatch::{HandedOver, Memory};
use crate::job::Status;
use crate::runner::{
    Cleared, Groups, Leftovers, Mark, Marks, MarksError, Recovery, kill_leftovers,
};
use crate::store::Recovered;

/// The folder of the start marks of the daemon on this ledger, made if it is not there. It is apart
/// from the ledger's, in memory where there is a run-time folder: a disk that stalls must delay no
/// start. Its name tells the ledgers of several daemons apart.
pub(super) fn marks_folder(runtime: &Path, ledger: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let ledger = std::fs::canonicalize(ledger)?;
    let digest = Sha256::digest(ledger.as_os_str().as_bytes());
    let name = digest[..8]
        .iter()
        .fold("started-".to_owned(), |name, byte| {
            format!("{name}{byte:02x}")
        });
    let folder = runtime.join(name);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(runtime)?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let own = std::fs::symlink_metadata(&folder)?;
    if !own.is_dir() || own.uid() != rustix::process::geteuid().as_raw() {
        return Err(std::io::Error::other(
            "it belongs to somebody else, or is no folder",
        ));
    }
    Ok(folder)
}

/// Reads the marks and ends what still runs of the life before.
///
/// What was handed over, of which these are the marks, goes on.
pub(super) fn clear(folder: &Path, handed: Option<Vec<Mark>>) -> Result<Recovery, MarksError> {
    let mut recovery = Marks::open(folder)?;
    if let Some(goes_on) = handed {
        recovery.keep(goes_on);
    }
    tell(kill_leftovers(&recovery.leftovers), "/proc");
    Ok(recovery)
}

/// Ends what is in control groups of the life before, but for those of these names.
pub(super) fn clear_groups(groups: &Groups, keep: &BTreeSet<String>) {
    tell(groups.clear(keep), "control groups");
}

fn tell(cleared: std::io::Result<Cleared>, place: &str) {
    match cleared {
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
                place,
                "it cannot be cleared, so processes that a daemon before this one left behind may \
                 live on"
            );
        }
    }
}

/// Puts both memories together.
pub(super) fn of(
    recovered: Recovered,
    leftovers: &Leftovers,
    handed_over: Option<HandedOver>,
) -> Memory {
    Memory {
        flags: recovered.flags,
        schedules: recovered.schedules,
        live: recovered.live,
        attempts: recovered
            .live_attempts
            .into_iter()
            .filter(|attempt| attempt.status == Status::Running)
            .collect(),
        marked: leftovers
            .marks
            .iter()
            .map(|mark| (mark.run, mark.attempt))
            .collect(),
        same_boot: leftovers.same_boot,
        scheduler_paused: recovered.scheduler_paused,
        handed_over,
    }
}
