//! Values that may be secrets, read when they are used.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
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

/// Reads an ordinary file of bounded size. A pipe or a device would hold the start up, so they are
/// refused, and opening them does not wait either.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}
