//! What a job does when it fires.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HttpCall;
use super::terms::Terms;

/// What a run executes. One variant a kind of action; dispatch never looks inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A process of its own.
    Process(Arc<Process>),
    /// An HTTP request.
    Http(Arc<HttpCall>),
}

impl Action {
    /// How long one attempt may take; no limit when absent.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Process(process) => process.timeout,
            Self::Http(call) => call.timeout,
        }
    }

    /// How much of what an attempt brings forth is kept.
    pub fn output(&self) -> OutputLimits {
        match self {
            Self::Process(process) => process.output,
            Self::Http(call) => call.output,
        }
    }
}

/// How a process is started and ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What is executed.
    pub command: CommandLine,
    /// As whom, and what it has otherwise than the daemon.
    #[serde(default)]
    pub terms: Terms,
    /// Where; the daemon's own working directory when absent.
    pub working_dir: Option<PathBuf>,
    /// Variables set for it, over the clean environment.
    pub env: BTreeMap<String, Value>,
    /// A file of `NAME=value` lines, read at each start, below `env`.
    pub env_file: Option<PathBuf>,
    /// Whether it sees the daemon's whole environment rather than the clean one.
    pub inherit_env: bool,
    /// Text on its standard input; `/dev/null` when absent.
    pub stdin: Option<String>,
    /// Exit codes that mean success.
    pub success_exit_codes: Vec<i32>,
    /// How long one attempt may take; no limit when absent.
    pub timeout: Option<Duration>,
    /// The signal that asks it to stop.
    pub kill_signal: Signal,
    /// How long it may take to stop before SIGKILL.
    pub kill_timeout: Duration,
    /// How much of its output is kept.
    pub output: OutputLimits,
}

/// The two ways to name a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// `command`: the program and its arguments, no shell. Never empty.
    Command(Vec<String>),
    /// `shell`: a line for `/bin/sh -c`.
    Shell(String),
}

/// A value that may be a secret. A secret says where it is, never what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Written in the config, shown freely.
    Plain(String),
    /// The daemon's environment variable of this name, read at use.
    Env(String),
    /// The contents of this file, read at use, one trailing line feed removed.
    File(PathBuf),
    /// A systemd credential (a file of `$CREDENTIALS_DIRECTORY`), read at use.
    Credential(String),
}

/// How much output of one attempt is kept, and which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLimits {
    /// In bytes, both streams together.
    pub max_bytes: u64,
    /// Which part survives when there is more.
    pub keep: KeepOutput,
}

/// Which part of the output is kept when there is too much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepOutput {
    /// The beginning.
    Head,
    /// The end.
    Tail,
    /// Half from each end.
    Both,
}

/// A signal that may be sent to a job, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Signal {
    name: &'static str,
    number: i32,
}

/// The signals that a config may name, as Linux numbers them on every architecture Rust's tier 1
/// has (`man 7 signal`).
const SIGNALS: [(&str, i32); 8] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
];

impl Signal {
    /// SIGTERM.
    pub const TERM: Self = Self {
        name: "SIGTERM",
        number: 15,
    };

    /// The signal of this name, with or without `SIG`.
    pub fn named(name: &str) -> Option<Self> {
        let bare = name.strip_prefix("SIG").unwrap_or(name);
        SIGNALS
            .iter()
            .find(|(known, _)| known.strip_prefix("SIG") == Some(bare))
            .map(|&(name, number)| Self { name, number })
    }

    /// The names that [`Signal::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SIGNALS.iter().map(|&(name, _)| name)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.number
    }

    /// Its name, `SIGTERM` and the like.
    pub fn name(self) -> &'static str {
        self.name
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let unknown = || serde::de::Error::custom(format!("{name:?} is no signal for jobs"));
        Self::named(&name).ok_or_else(unknown)
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.name.to_owned()
    }
}
