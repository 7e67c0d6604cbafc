//! One life of the daemon gives everything that goes on to the next, in the same process: SIGUSR2.
//!
//! ```text
//! SIGUSR2 ─► the successor is tried ─► API ends ─► dispatch stops deciding ─► attempts are packed ─► ledger closes ─► exec
//! ```
//!
//! What goes wrong before the exec leaves this life as it was; what goes wrong behind it, before the
//! next life has begun, gives everything back to this program, which is kept open for that.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parcel::Parcel;
use super::signals;
use crate::api::{HandedSocket, SocketKind};
use crate::dispatch::HandedOver;
use crate::runner::{Handed, HandedAttempt, Origin, Record as AttemptRecord, Successor};

/// The form in which a life is handed over. A program that knows another form alone is no successor.
const FORM: u32 = 1;

/// Set to the process's own id for the program that follows.
const VARIABLE: &str = "PUNCTUAL_HANDED_OVER";
/// Set as well when the program that was to follow has given everything back, to why.
const GIVEN_BACK: &str = "PUNCTUAL_GIVEN_BACK";

/// How long a successor may take to say that it could follow.
const TRIAL: Duration = Duration::from_secs(20);

/// How much is told of what a successor says. The kernel takes no variable of more than 128 KiB, and a
/// program with such a one is not executed.
const TOLD: usize = 32 << 10;

/// A life on its way to the next.
#[derive(Debug)]
pub struct HandOver {
    /// The version of the program that gave it.
    pub version: String,
    /// What the dispatcher knew beside the ledger.
    pub dispatch: HandedOver,
    /// What runs.
    pub attempts: Vec<HandedAttempt>,
    /// How the first life was started.
    origin: Origin,
    /// Where the API listens.
    pub sockets: Vec<HandedSocket>,
    /// Why the program that was to follow gave it back, if it did.
    pub given_back: Option<String>,
    /// The program that gave it.
    program: OwnedFd,
    /// How that was started.
    started_as: Successor,
}

/// All of it that has a JSON form. The files come in this order: the program, the sockets, the pipes.
#[derive(Serialize, Deserialize)]
struct Record {
    version: String,
    dispatch: HandedOver,
    attempts: Vec<AttemptRecord>,
    #[serde(default)]
    origin: Origin,
    /// How many pieces of bytes each attempt has.
    pieces: Vec<usize>,
    sockets: Vec<SocketKind>,
    started_as: Successor,
}

/// Why a life cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The successor cannot be run.
    #[error("{} cannot be run: {why}; put the new version there", program.display())]
    Run {
        /// Which program.
        program: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// It says that it cannot follow.
    #[error("{} cannot take over: {said}", program.display())]
    Unfit {
        /// Which program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// It is of another kind.
    #[error(
        "{} is no version that can take over from this one while jobs run; restart the service \
         instead", program.display()
    )]
    OtherForm {
        /// Which program.
        program: PathBuf,
    },
    /// Nothing could be decided in the next life.
    #[error(
        "the ledger cannot be written ({why}), so the next version could not begin; see to its disk, \
         then send SIGUSR2 again"
    )]
    Ledger {
        /// What is known of it.
        why: String,
    },
    /// Something could not be put together or taken apart.
    #[error("what runs cannot be handed over: {0}")]
    Parcel(#[from] std::io::Error),
}

/// What a program says of itself when it is tried as a successor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fitness {
    /// Its version.
    pub version: String,
    /// The form of a life that it takes.
    pub form: u32,
    /// The newest ledger that it opens.
    pub ledger: i64,
}

impl Fitness {
    /// That of this program.
    pub fn own() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            form: FORM,
            ledger: crate::store::newest_ledger(),
        }
    }
}

/// Has the successor look at the config and say whether it could follow. Waits, but no longer than the
/// other end of the pipe `wanted` is open.
pub(super) fn trial(
    successor: &Successor,
    config: &Path,
    wanted: BorrowedFd<'_>,
) -> Result<Fitness, HandOverError> {
    let program = successor.program().to_owned();
    let arguments = [
        "could-take-over".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let output = match successor.try_with(&arguments, TRIAL, wanted) {
        Ok(output) => output,
        Err(why) => return Err(HandOverError::Run { program, why }),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = format!("{}\n{}", output.status, said.trim());
        let said = told(said.trim());
        return Err(HandOverError::Unfit { program, said });
    }
    let own = Fitness::own();
    let fitness: Option<Fitness> = serde_json::from_slice(&output.stdout).ok();
    fitness
        .filter(|it| it.form == own.form && it.ledger >= own.ledger)
        .ok_or(HandOverError::OtherForm { program })
}

impl HandOver {
    /// Puts together what this life gives. Runs whose attempts are not among what was `handed` are left out.
    pub(super) fn new(
        mut dispatch: HandedOver,
        handed: Handed,
        sockets: Vec<HandedSocket>,
        successor: &Successor,
    ) -> std::io::Result<Self> {
        let Handed { attempts, origin } = handed;
        dispatch.underway.retain(|underway| {
            let mut attempts = attempts.iter();
            attempts.any(|attempt| attempt.goes_on_as(underway.run.id, underway.run.attempts))
        });
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dispatch,
            attempts,
            origin,
            sockets,
            given_back: None,
            program: std::fs::File::open("/proc/self/exe")?.into(),
            started_as: successor.clone(),
        })
    }

    /// Takes what a life before this one in the same process gave, if there was one.
    pub fn take() -> Option<std::io::Result<Self>> {
        let own = std::process::id().to_string();
        if std::env::var(VARIABLE) != Ok(own) {
            return None;
        }
        let given_back = std::env::var(GIVEN_BACK).ok();
        Some(Parcel::receive().and_then(|parcel| Self::of(parcel, given_back)))
    }

    fn of(parcel: Parcel, given_back: Option<String>) -> std::io::Result<Self> {
        let missing = || std::io::Error::other("files are missing from what was handed over");
        let record: Record = serde_json::from_slice(&parcel.record)?;
        let mut files = parcel.files.into_iter();
        let mut bytes = parcel.bytes.into_iter();
        let program = files.next().ok_or_else(missing)?;
        let mut sockets = Vec::new();
        for kind in record.sockets {
            let socket = files.next().ok_or_else(missing)?;
            sockets.push(HandedSocket::new(kind, socket));
        }
        let mut attempts = Vec::new();
        for (record, pieces) in record.attempts.into_iter().zip(record.pieces) {
            let pipes = record.pipes();
            let attempt = HandedAttempt {
                record,
                bytes: bytes.by_ref().take(pieces).collect(),
                pipes: files.by_ref().take(pipes).collect(),
            };
            if attempt.pipes.len() != pipes || attempt.bytes.len() != pieces {
                return Err(missing());
            }
            attempts.push(attempt);
        }
        Ok(Self {
            version: record.version,
            dispatch: record.dispatch,
            attempts,
            origin: record.origin,
            sockets,
            given_back,
            program,
            started_as: record.started_as,
        })
    }

    /// Becomes the successor, or where that cannot be executed this program once more. Returns only
    /// if neither could.
    pub fn give(self, successor: &Successor) -> HandOverError {
        self.send_and(|file| {
            let why = successor.take_place(&[variable(), (GIVEN_BACK, None)]);
            successor.take_place_of(file, &[variable(), given_back(&why.to_string())])
        })
    }

    /// The next life cannot begin: becomes the program that gave it. Returns only if that failed too,
    /// or if that program is this one.
    pub fn give_back(self, why: &str) -> HandOverError {
        if let Some(before) = &self.given_back {
            return std::io::Error::other(before.clone()).into();
        }
        let giver = self.started_as.clone();
        self.send_and(|file| giver.take_place_of(file, &[variable(), given_back(why)]))
    }

    /// Puts everything where the next program finds it, and becomes that; `become_it` is told the file
    /// of the program that gave all this, and returns only if it failed.
    fn send_and(self, become_it: impl FnOnce(&Path) -> std::io::Error) -> HandOverError {
        // An exec takes all handlers away.
        signals::hold();
        let file = PathBuf::from(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
        let sent = self.into_parcel().and_then(|parcel| {
            parcel.send()?;
            Ok(parcel)
        });
        match sent {
            // The parcel holds that file open until then.
            Ok(_parcel) => become_it(&file).into(),
            Err(why) => why.into(),
        }
    }

    fn into_parcel(self) -> std::io::Result<Parcel> {
        let mut record = Record {
            version: self.version,
            dispatch: self.dispatch,
            attempts: Vec::new(),
            origin: self.origin,
            pieces: Vec::new(),
            sockets: self.sockets.iter().map(|socket| socket.kind).collect(),
            started_as: self.started_as,
        };
        let mut bytes = Vec::new();
        // Their files are to stay: what goes by the exec goes without a word.
        let sockets = self.sockets.into_iter().map(HandedSocket::into_socket);
        let mut files: Vec<_> = [self.program].into_iter().chain(sockets).collect();
        for attempt in self.attempts {
            record.attempts.push(attempt.record);
            record.pieces.push(attempt.bytes.len());
            bytes.extend(attempt.bytes);
            files.extend(attempt.pipes);
        }
        Ok(Parcel {
            record: serde_json::to_vec(&record)?,
            bytes,
            files,
        })
    }
}

/// The listening sockets of the life before, once more: it must still have them where this one cannot
/// begin.
pub(super) fn sockets_of(handed: Option<&HandOver>) -> std::io::Result<Vec<HandedSocket>> {
    let sockets = handed.iter().flat_map(|it| &it.sockets);
    sockets.map(HandedSocket::try_clone).collect()
}

/// From here on this life has what the one before handed over.
pub(super) fn take_attempts(handed: &mut Option<HandOver>) -> Handed {
    let Some(taken) = handed.take() else {
        return Handed::default();
    };
    let (from, running) = (taken.version, taken.dispatch.underway.len());
    match taken.given_back {
        None => tracing::info!(from, running, "took over from the version before"),
        Some(why) => tracing::error!(running, "no upgrade, this version goes on: {why}"),
    }
    Handed {
        attempts: taken.attempts,
        origin: taken.origin,
    }
}

fn given_back(why: &str) -> (&'static str, Option<String>) {
    (GIVEN_BACK, Some(told(why)))
}

/// As much of it as goes into a variable and a log line.
fn told(why: &str) -> String {
    // No variable can have it.
    let why = why.replace('\0', "\u{fffd}");
    let end = why.floor_char_boundary(TOLD);
    if end == why.len() {
        return why;
    }
    let left_out = why.len() - end;
    format!("{}… ({left_out} bytes left out here)", &why[..end])
}

fn variable() -> (&'static str, Option<String>) {
    (VARIABLE, Some(std::process::id().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_failure_fits_into_a_variable() {
        assert_eq!(told("no\nluck"), "no\nluck");
        assert_eq!(told("a\0b"), "a\u{fffd}b");
        let full = "x".repeat(TOLD);
        assert_eq!(told(&full), full);
        // The bound is in the middle of a character.
        let long = format!("x{}", "é".repeat(TOLD));
        let cut = told(&long);
        assert!(cut.len() < TOLD + 100 && cut.starts_with("xé"));
        let left_out = long.len() - (TOLD - 1);
        assert!(cut.ends_with(&format!("é… ({left_out} bytes left out here)")));
    }
}
