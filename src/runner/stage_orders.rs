//! The runner's side of the stage: what it is told, what it answers, and what an answer means.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Rlimit, Uid, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};

use super::cannot_start::CannotStart;
use super::command;
use super::spawn::{self, Image};
use super::stage::STAGE;
use crate::job::{Process, Terms};

/// The descriptor that orders come from and answers go to.
pub(super) const ORDERS: RawFd = 3;

/// The descriptor by which the program was found.
pub(super) const EXECUTABLE: RawFd = 4;

/// The descriptor by which a control group is entered, if the process is to be in one.
pub(super) const DOOR: RawFd = 5;

/// What the stage says before the program takes its place.
pub(super) const READY: &[u8] = b"ready\n";

/// The same, where it could not enter its control group, and may go without.
pub(super) const READY_APART: &[u8] = b"apart\n";

/// The program that is the stage.
#[derive(Debug)]
pub struct Stage(OwnedFd);

impl Stage {
    /// This program, as it is: an upgrade may put another file in its place.
    pub fn of_process() -> io::Result<Self> {
        Self::at(Path::new("/proc/self/exe"))
    }

    /// The punctual program of this path.
    pub fn at(path: &Path) -> io::Result<Self> {
        let program = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        // `spawn` wants it above the numbers that stand before it.
        Ok(Self(rustix::io::fcntl_dupfd_cloexec(&program, EXECUTABLE)?))
    }

    /// Starts a process on the stage, and waits until its program has taken over.
    ///
    /// Until then it carries these `marks` in its environment, by which processes are found. Its first
    /// step is through the `door` to a control group. Says whether it is in there.
    pub(super) fn start(
        &self,
        process: &Process,
        image: &Image,
        marks: &[(String, String)],
        open_files: Rlimit,
        streams: [BorrowedFd<'_>; 3],
        door: Option<OwnedFd>,
    ) -> Result<(Pid, bool), CannotStart> {
        if let Some(ids) = &process.terms.ids {
            // Else it could not open /dev/stderr, which many shell scripts write to.
            let (user, group) = (Uid::from_raw(ids.user), Gid::from_raw(ids.group));
            for pipe in &streams[1..] {
                rustix::fs::fchown(pipe, Some(user), Some(group)).map_err(|errno| {
                    CannotStart::Terms {
                        what: "its user could not be given its output".to_owned(),
                        capability: "CAP_CHOWN",
                        why: errno.into(),
                    }
                })?;
            }
        }
        let orders = Orders::bytes(&process.terms, open_files, image);
        let stage = Image {
            program: c_string(format!("/proc/self/fd/{EXECUTABLE}")),
            argv: vec![c_string(STAGE.to_owned())],
            env: marks
                .iter()
                .map(|(name, value)| c_string(format!("{name}={value}")))
                .collect(),
            dir: None,
        };
        let (ours, theirs) = UnixStream::pair().map_err(CannotStart::Pipes)?;
        let [stdin, stdout, stderr] = streams;
        let mut descriptors = vec![stdin, stdout, stderr, theirs.as_fd(), self.0.as_fd()];
        // Above the numbers that stand before it, as `spawn` wants it.
        let door = door.map(|door| rustix::io::fcntl_dupfd_cloexec(&door, DOOR));
        let door = door
            .transpose()
            .map_err(|why| CannotStart::Pipes(why.into()))?;
        descriptors.extend(door.as_ref().map(AsFd::as_fd));
        let pid = spawn::spawn(&stage, &descriptors).map_err(|why| match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => CannotStart::NoRoom { why },
            _ => CannotStart::Stage(why.to_string()),
        })?;
        drop(theirs);
        let is_in = answer(ours, &orders)
            .and_then(|answer| meaning(&answer, process, image))
            .inspect_err(|_| bury(pid))?;
        Ok((pid, is_in && door.is_some()))
    }
}

/// Names of ours and ids, which hold no NUL.
fn c_string(text: String) -> CString {
    CString::new(text).expect("there is no NUL in it")
}

/// Gives the orders, and takes what the stage says until it is gone or another program.
fn answer(mut stage: UnixStream, orders: &[u8]) -> Result<Vec<u8>, CannotStart> {
    let lost = |why: io::Error| CannotStart::Stage(why.to_string());
    stage.write_all(orders).map_err(lost)?;
    stage.shutdown(Shutdown::Write).map_err(lost)?;
    let mut answer = Vec::new();
    stage.read_to_end(&mut answer).map_err(lost)?;
    Ok(answer)
}

/// Whether it is in its control group.
fn meaning(answer: &[u8], process: &Process, image: &Image) -> Result<bool, CannotStart> {
    let is_apart = answer.starts_with(READY_APART);
    let ready = if is_apart { READY_APART } else { READY };
    let (is_ready, rest) = match answer.strip_prefix(ready) {
        Some(rest) => (true, rest),
        None => (false, answer),
    };
    if is_ready && rest.is_empty() {
        return Ok(!is_apart);
    }
    let failure: Failure = serde_json::from_slice(rest).map_err(|_| {
        let said = String::from_utf8_lossy(rest).into_owned();
        CannotStart::Stage(format!("it said {said:?}"))
    })?;
    Err(failure.explain(process, image))
}

/// Ends a process that is not to become a program, and waits for that.
fn bury(pid: Pid) {
    // It is a child that nobody else waits for, so its number is still its own.
    if let Err(why) = rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
        tracing::error!(%why, "a process that was not to start cannot be killed");
    }
    if let Err(why) = waitpid(Some(pid), WaitOptions::empty()) {
        tracing::error!(%why, "a process that was not started cannot be waited for");
    }
}

/// What the stage is told: numbers in JSON, then the texts of the image, each with a NUL behind it.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) terms: Terms,
    soft: Option<u64>,
    hard: Option<u64>,
    pub(super) image: Image,
}

#[derive(Serialize, Deserialize)]
struct Head {
    terms: Terms,
    soft: Option<u64>,
    hard: Option<u64>,
    arguments: usize,
    variables: usize,
    has_dir: bool,
}

impl Orders {
    fn bytes(terms: &Terms, given: Rlimit, image: &Image) -> Vec<u8> {
        let head = Head {
            terms: terms.clone(),
            soft: terms.open_files.or(given.current),
            hard: terms.open_files.or(given.maximum),
            arguments: image.argv.len(),
            variables: image.env.len(),
            has_dir: image.dir.is_some(),
        };
        let mut bytes = serde_json::to_vec(&head).expect("names and numbers have a JSON form");
        bytes.push(0);
        let texts = [&image.program].into_iter().chain(&image.argv);
        for text in texts.chain(&image.env).chain(&image.dir) {
            bytes.extend_from_slice(text.as_bytes_with_nul());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let bad = || io::Error::other("these are no orders");
        let mut texts = bytes.split_inclusive(|&byte| byte == 0);
        let head = texts.next().and_then(|text| text.strip_suffix(&[0]));
        let head: Head = serde_json::from_slice(head.ok_or_else(bad)?)?;
        let mut texts = texts.map(|text| CString::from_vec_with_nul(text.to_vec()));
        let mut next = || texts.next().and_then(Result::ok).ok_or_else(bad);
        let image = Image {
            program: next()?,
            argv: (0..head.arguments)
                .map(|_| next())
                .collect::<Result<_, _>>()?,
            env: (0..head.variables)
                .map(|_| next())
                .collect::<Result<_, _>>()?,
            dir: head.has_dir.then(&mut next).transpose()?,
        };
        Ok(Self {
            terms: head.terms,
            soft: head.soft,
            hard: head.hard,
            image,
        })
    }

    /// The limit on open files: what the job says, or what the daemon was given itself.
    pub(super) fn open_files(&self) -> Rlimit {
        Rlimit {
            current: self.soft,
            maximum: self.hard,
        }
    }
}

/// Where the stage gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    ControlGroup,
    OpenFiles,
    Nice,
    Groups,
    Group,
    User,
    Check,
    WorkingDir,
    Exec,
}

/// Why the stage gave up.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    step: Step,
    errno: i32,
}

impl Failure {
    pub(super) fn of(step: Step, why: &io::Error) -> Self {
        let errno = why.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
        Self { step, errno }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and numbers have a JSON form")
    }

    fn explain(&self, process: &Process, image: &Image) -> CannotStart {
        let terms = &process.terms;
        let why = io::Error::from_raw_os_error(self.errno);
        let whom = match &terms.user {
            Some(user) => format!("the user {}", user.name),
            None => "root with its `group`".to_owned(),
        };
        let (what, capability) = match self.step {
            Step::ControlGroup => {
                return CannotStart::Limit {
                    what: "limits",
                    why,
                };
            }
            Step::OpenFiles => (
                "its limit on open files could not be set".to_owned(),
                "CAP_SYS_RESOURCE",
            ),
            Step::Nice => ("its `nice` could not be set".to_owned(), "CAP_SYS_NICE"),
            Step::Groups => (
                format!("the groups of {whom} could not be taken"),
                "CAP_SETGID",
            ),
            Step::Group => ("its group could not be taken".to_owned(), "CAP_SETGID"),
            Step::User => (format!("it could not become {whom}"), "CAP_SETUID"),
            Step::Check => return CannotStart::StillPrivileged { whom },
            Step::WorkingDir if terms.ids.is_some() => {
                let dir = process.working_dir.clone().unwrap_or_default();
                return CannotStart::WorkingDirFor { dir, whom, why };
            }
            Step::WorkingDir => {
                let dir = process.working_dir.clone().unwrap_or_default();
                return CannotStart::WorkingDir { dir, why };
            }
            Step::Exec => {
                return match command::explain(process, image, why) {
                    CannotStart::NotExecutable { program } if terms.ids.is_some() => {
                        CannotStart::NotExecutableFor { program, whom }
                    }
                    CannotStart::Other { program, why }
                        if terms.ids.is_some() && why.kind() == io::ErrorKind::PermissionDenied =>
                    {
                        CannotStart::NotExecutableFor { program, whom }
                    }
                    other => other,
                };
            }
        };
        CannotStart::Terms {
            what,
            capability,
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::job::{CommandLine, KeepOutput, OutputLimits, Signal};

    fn image(dir: Option<&str>) -> Image {
        let text = |text: &str| CString::new(text).unwrap();
        Image {
            program: text("/bin/echo"),
            argv: vec![text("echo"), text("")],
            env: vec![text("A="), text("B=\u{1}")],
            dir: dir.map(text),
        }
    }

    #[test]
    fn orders_arrive_as_they_were_given() {
        let terms = Terms {
            umask: Some(0o77),
            open_files: Some(64),
            ..Terms::default()
        };
        let given = Rlimit {
            current: Some(1),
            maximum: None,
        };
        for dir in [None, Some("/srv")] {
            let sent = Orders::bytes(&terms, given, &image(dir));
            let orders = Orders::from_bytes(&sent).unwrap();
            assert_eq!(format!("{:?}", orders.image), format!("{:?}", image(dir)));
            assert_eq!(orders.terms, terms);
            assert_eq!(orders.open_files().current, Some(64));
            for length in 0..sent.len() {
                assert!(Orders::from_bytes(&sent[..length]).is_err(), "{length}");
            }
        }
        let plain = Orders::bytes(&Terms::default(), given, &image(None));
        let plain = Orders::from_bytes(&plain).unwrap().open_files();
        assert_eq!((plain.current, plain.maximum), (Some(1), None));
    }

    #[test]
    fn an_answer_is_success_only_if_it_says_so() {
        let process = Process {
            command: CommandLine::Shell(":".to_owned()),
            terms: Terms::default(),
            working_dir: None,
            env: BTreeMap::new(),
            env_file: None,
            inherit_env: false,
            stdin: None,
            success_exit_codes: vec![0],
            timeout: None,
            kill_signal: Signal::TERM,
            kill_timeout: Duration::ZERO,
            output: OutputLimits {
                max_bytes: 1,
                keep: KeepOutput::Both,
            },
        };
        let said = |answer: &[u8]| {
            let meaning = meaning(answer, &process, &image(None));
            meaning.map_err(|why| why.to_string())
        };
        assert_eq!(said(READY), Ok(true));
        assert_eq!(said(READY_APART), Ok(false));
        assert!(said(b"").unwrap_err().contains("ended before"));
        assert!(said(b"rea").unwrap_err().contains("ended before"));
        let failure = Failure::of(Step::User, &io::Error::from_raw_os_error(1));
        let why = said(&failure.to_bytes()).unwrap_err();
        assert!(
            why.contains("could not become") && why.contains("CAP_SETUID"),
            "{why}"
        );
    }
}
