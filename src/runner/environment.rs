//! The environment of a process: clean by default, then `env_file`, then `env`, then the facts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::cannot_start::CannotStart;
use super::env_file;
use super::value::{Unreadable, read_file, read_value};
use crate::job::{Process, Value};

/// What a clean environment takes over from the daemon's.
const CLEAN: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TZ"];

/// The search path when the daemon has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The daemon's own affairs with its service manager and its clients, never a job's.
const WITHHELD: [&str; 6] = [
    "NOTIFY_SOCKET",
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
    "PUNCTUAL_TOKEN",
    "PUNCTUAL_HANDED_OVER",
    "PUNCTUAL_GIVEN_BACK",
];
const WITHHELD_BEGINNINGS: [&str; 3] = ["LISTEN_", "WATCHDOG_", "PUNCTUAL_PARAM_"];

/// What a process is given.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// By name; names and values are free of NUL.
    pub(super) variables: BTreeMap<OsString, OsString>,
    /// The values among them that must not be seen in the output.
    pub(super) secrets: Vec<Vec<u8>>,
}

impl Environment {
    /// Puts together what `process` asks for, over `daemon`'s environment and below `facts`. Reads
    /// files.
    pub(super) fn of(
        process: &Process,
        daemon: &BTreeMap<OsString, OsString>,
        facts: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CannotStart> {
        let mut this = Self::default();
        this.inherit(process, daemon);
        if let Some(path) = &process.env_file {
            for (name, value) in read_env_file(path)? {
                this.set(&name, value.into())?;
            }
        }
        for (name, value) in &process.env {
            let text = read_value(&format!("env.{name}"), value, daemon)?;
            if !matches!(value, Value::Plain(_)) {
                this.secrets.push(text.as_bytes().to_vec());
            }
            this.set(name, text)?;
        }
        for (name, value) in facts {
            this.set(&name, value.into())?;
        }
        Ok(this)
    }

    fn inherit(&mut self, process: &Process, daemon: &BTreeMap<OsString, OsString>) {
        let taken = |name: &OsStr| {
            let bytes = name.as_bytes();
            if process.inherit_env {
                WITHHELD.iter().all(|held| bytes != held.as_bytes())
                    && WITHHELD_BEGINNINGS
                        .iter()
                        .all(|beginning| !bytes.starts_with(beginning.as_bytes()))
            } else {
                CLEAN.iter().any(|clean| bytes == clean.as_bytes())
            }
        };
        let inherited = daemon.iter().filter(|(name, _)| taken(name));
        self.variables
            .extend(inherited.map(|(name, value)| (name.clone(), value.clone())));
        self.variables
            .entry("PATH".into())
            .or_insert_with(|| DEFAULT_PATH.into());
        if let Some(user) = &process.terms.user {
            let of_user = [
                ("HOME", user.home.as_os_str()),
                ("LOGNAME", OsStr::new(&user.name)),
                ("SHELL", user.shell.as_os_str()),
                ("USER", OsStr::new(&user.name)),
            ];
            self.variables
                .extend(of_user.map(|(name, value)| (name.into(), value.into())));
        }
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), CannotStart> {
        if name.is_empty() || name.contains(['=', '\0']) {
            let name = name.to_owned();
            return Err(CannotStart::BadVariable { name });
        }
        if value.as_bytes().contains(&0) {
            let what = format!("the value of the variable {name}");
            return Err(CannotStart::Nul { what });
        }
        self.variables.insert(name.into(), value);
        Ok(())
    }

    /// The search path that the process will have.
    pub(super) fn path(&self) -> &OsStr {
        self.variables
            .get(OsStr::new("PATH"))
            .map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str)
    }
}

fn read_env_file(path: &Path) -> Result<Vec<(String, String)>, CannotStart> {
    let refused = |why| CannotStart::EnvFile {
        path: path.into(),
        why,
    };
    let text = String::from_utf8(read_file(path).map_err(refused)?)
        .map_err(|_| refused(Unreadable::NotText))?;
    env_file::parse(&text).map_err(|why| CannotStart::EnvFileText {
        path: path.into(),
        why,
    })
}
