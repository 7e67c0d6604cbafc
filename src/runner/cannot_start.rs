//! Why an attempt could not be started, in sentences that name the thing and say what to do.

use std::io;
use std::path::PathBuf;

use super::env_file::EnvFileError;
use super::value::Unreadable;
use crate::job::AddressError;

/// Why there is no process. Secret values never appear in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotStart {
    #[error("the env_file {} {why}, or take env_file out of the job", path.display())]
    EnvFile { path: PathBuf, why: Unreadable },
    #[error("the env_file {} is not in order: {why}", path.display())]
    EnvFileText { path: PathBuf, why: EnvFileError },
    #[error(
        "{name} wants the variable {variable}, which the daemon's environment does not have; set it for the daemon and restart it"
    )]
    NoVariable { name: String, variable: String },
    #[error("{name} wants the file {}, which {why}", path.display())]
    SecretFile {
        name: String,
        path: PathBuf,
        why: Unreadable,
    },
    #[error(
        "{name} wants the credential {credential:?}, but the daemon was given none; add LoadCredential={credential} to its unit"
    )]
    NoCredentials { name: String, credential: String },
    #[error("{name} wants the credential {0:?}, which is not a file name; name one of LoadCredential=", .credential)]
    BadCredential { name: String, credential: String },
    #[error("{name} is no address for a request: {why}")]
    Address { name: String, why: AddressError },
    #[error("{name} holds a character that no header can carry; take it out")]
    Header { name: String },
    #[error("the HTTP client could not be made: {0}; look at the daemon's log")]
    Client(String),
    #[error("{what} holds a NUL byte, which no process can be given; take it out")]
    Nul { what: String },
    #[error("{name:?} cannot be the name of a variable; use letters, digits and '_'")]
    BadVariable { name: String },
    #[error(
        "the program {program:?} is not in PATH ({path}); install it, write its full path, or set PATH in env"
    )]
    NotInPath { program: String, path: String },
    #[error("the program {program:?} does not exist; install it or correct the path")]
    NoProgram { program: String },
    #[error(
        "the program {program:?} exists, but what it needs to run does not: the interpreter in its first line, or its loader; install that"
    )]
    NoInterpreter { program: String },
    #[error(
        "the program {program:?} may not be executed by the daemon's user; make it executable (chmod +x), or call its interpreter"
    )]
    NotExecutable { program: String },
    #[error("the program {program:?} is a folder; name a file in it")]
    IsFolder { program: String },
    #[error(
        "the program {program:?} is neither made for this machine nor a script with a #! line; add one, such as #!/bin/sh"
    )]
    NotAProgram { program: String },
    #[error("the working_dir {} cannot be entered: {why}; create it, or let the daemon's user enter it", dir.display())]
    WorkingDir { dir: PathBuf, why: io::Error },
    #[error("the working_dir {} cannot be entered by {whom}: {why}; create it, or let that user enter it and the folders above it", dir.display())]
    WorkingDirFor {
        dir: PathBuf,
        whom: String,
        why: io::Error,
    },
    #[error(
        "the program {program:?} may not be executed by {whom}; let that user execute it and enter the folders above it"
    )]
    NotExecutableFor { program: String, whom: String },
    #[error(
        "{what}: {why}; let the daemon run as root, with {capability} in CapabilityBoundingSet= if its unit has that line"
    )]
    Terms {
        what: String,
        capability: &'static str,
        why: io::Error,
    },
    #[error(
        "its {what} could not be set: {why}; look whether the daemon's group is still its own (Delegate=yes in its unit), or take `limits` out of the job"
    )]
    Limit { what: &'static str, why: io::Error },
    #[error(
        "as {whom} its process could still have become root, so it was not started; look at what keeps capabilities from being dropped (SecureBits= in the daemon's unit)"
    )]
    StillPrivileged { whom: String },
    #[error(
        "the process that prepares it ended before it was done ({0}); look at the machine's memory and its log"
    )]
    Stage(String),
    #[error(
        "arguments and environment together are longer than this system takes; pass the data in a file or by stdin"
    )]
    TooLong,
    #[error(
        "the system has no room for another process ({why}); raise the limit on processes (TasksMax=, ulimit -u) or give the pool fewer slots"
    )]
    NoRoom { why: io::Error },
    #[error(
        "the pipes for its output could not be made: {0}; raise the daemon's limit on open files (LimitNOFILE=)"
    )]
    Pipes(io::Error),
    #[error(
        "its stdin could not be prepared: {0}; look at the machine's memory and the daemon's open files"
    )]
    Stdin(io::Error),
    #[error(
        "its start mark could not be written ({0}), and without one a crash could run it twice; make room where the daemon keeps its run-time files"
    )]
    Mark(io::Error),
    #[error(
        "{0} starts wait already, which is as many as the daemon holds; give the pool fewer slots"
    )]
    QueueFull(usize),
    #[error("the runner has stopped; restart the daemon")]
    Closed,
    #[error(
        "the program {program:?} could not be started: {why}; look at the program and the machine's log"
    )]
    Other { program: String, why: io::Error },
}
