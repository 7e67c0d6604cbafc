//! Values that may be secrets, read when they are used.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::cannot_start::CannotStart;
use crate::job::Value;

/// The largest file that a value or an environment is read from, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What `value` says, as the value of the key `name`.
pub(super) fn read_value(
    name: &str,
    value: &Value,
    daemon: &BTreeMap<OsString, OsString>,
) -> Result<OsString, CannotStart> {
    let name = || name.to_owned();
    match value {
        Value::Plain(text) => Ok(text.into()),
        Value::Env(variable) => {
            let found = daemon.get(OsStr::new(variable)).cloned();
            found.ok_or_else(|| CannotStart::NoVariable {
                name: name(),
                variable: variable.clone(),
            })
        }
        Value::File(path) => read_secret(name(), path.clone()),
        Value::Credential(credential) => {
            let credential = credential.clone();
            if credential.contains('/') || matches!(credential.as_str(), "" | "." | "..") {
                let name = name();
                return Err(CannotStart::BadCredential { name, credential });
            }
            match daemon.get(OsStr::new("CREDENTIALS_DIRECTORY")) {
                Some(dir) => read_secret(name(), Path::new(dir).join(credential)),
                None => Err(CannotStart::NoCredentials {
                    name: name(),
                    credential,
                }),
            }
        }
    }
}

/// The contents of a file, one trailing line feed removed.
fn read_secret(name: String, path: PathBuf) -> Result<OsString, CannotStart> {
    match read_file(&path) {
        Ok(mut bytes) => {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Ok(OsString::from_vec(bytes))
        }
        Err(why) => Err(CannotStart::SecretFile { name, path, why }),
    }
}

/// Why a file is not read, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("cannot be read: {0}; {advice}", advice = advice(.0))]
    Io(#[from] io::Error),
    #[error("is a folder; name a file in it")]
    Folder,
    /// What stands there cannot be read at each start, or never ends.
    #[error("is {0} and not a file; write what it gives into a file, and name that")]
    NotAFile(&'static str),
    #[error("is larger than {} MiB, the most that is read; name the file that holds this alone", MAX_FILE >> 20)]
    TooLarge,
    #[error("is not UTF-8 text; save it as UTF-8")]
    NotText,
}

fn advice(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound => "create it or correct the path",
        io::ErrorKind::PermissionDenied => {
            "let the daemon's user read it and enter the folders above it"
        }
        _ => "look at the path and the machine's log",
    }
}

/// Reads an ordinary file of bounded size. A pipe or a device would hold the start up, so they are
/// refused, and opening them does not wait either.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        // A socket cannot be opened at all.
        Err(why) => match path.metadata() {
            Ok(metadata) if metadata.file_type().is_socket() => {
                return Err(Unreadable::NotAFile("a socket"));
            }
            _ => return Err(why.into()),
        },
    };
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => {}
        () if kind.is_dir() => return Err(Unreadable::Folder),
        () if kind.is_fifo() => return Err(Unreadable::NotAFile("a pipe")),
        () => return Err(Unreadable::NotAFile("a device")),
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}
