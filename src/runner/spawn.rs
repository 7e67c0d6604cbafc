//! `posix_spawn`, `execve`, and taking and registering descriptors, which their authors marked
//! unsafe: the one place of the crate with unsafe code.
//!
//! Why not `std::process::Command`: it has no new session without a callback between fork and exec,
//! and that callback makes it fork a copy of the daemon's page tables. `posix_spawn` shares the
//! memory until the exec, so a start costs the same from a daemon of any size.
//!
//! What makes each unsafe call sound: the two opaque structs are initialised before use and
//! destroyed once, by `Drop`; every pointer handed over points into a value that outlives the call
//! (glibc copies paths given to file actions); nothing is kept afterwards.
#![allow(
    unsafe_code,
    reason = "posix_spawn has no safe wrapper with sessions and chdir"
)]

use std::ffi::{CString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::job::Figures;

/// Everything that an exec takes, as the kernel wants it.
#[derive(Debug)]
pub(super) struct Image {
    /// The path of the program; relative to `dir`.
    pub(super) program: CString,
    /// The arguments, the program's name first.
    pub(super) argv: Vec<CString>,
    /// `NAME=value`, each name once.
    pub(super) env: Vec<CString>,
    /// The working directory; the daemon's own when absent.
    pub(super) dir: Option<CString>,
}

/// Starts the program in a session of its own, with default signal handling, an empty signal mask,
/// the descriptors as 0, 1, 2 and so on, and no other descriptor. None of them may have the number
/// of one that stands before it.
///
/// Returns when the exec has happened or failed; the errors are those of `chdir` and `execve`.
pub(super) fn spawn(image: &Image, descriptors: &[BorrowedFd<'_>]) -> io::Result<Pid> {
    let attributes = Attributes::new()?;
    let mut actions = FileActions::new()?;
    let mut target = 0;
    for fd in descriptors {
        actions.dup2(*fd, target)?;
        target += 1;
    }
    actions.close_from(target)?;
    if let Some(dir) = &image.dir {
        actions.chdir(dir)?;
    }
    let argv = pointers(&image.argv);
    let env = pointers(&image.env);
    let mut pid = 0;
    // SAFETY: all pointers are valid for the call; both arrays end with a null pointer; the kernel
    // does not write through argv and environ of the caller.
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            image.program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            env.as_ptr(),
        )
    })?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("posix_spawn gave no process id"))
}

/// What a process that is over, and the children that it waited for, took. It stays a zombie.
///
/// A process is begun in the memory of the daemon, and the kernel counts the peak of that as its own.
/// So what does not go beyond the daemon's peak is not known.
pub(super) fn usage(exit: BorrowedFd<'_>) -> io::Result<Figures> {
    let mut status = MaybeUninit::<libc::siginfo_t>::uninit();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for the call, and point at the structs that the kernel fills in;
    // zeroes are a valid `rusage`, should it not do so. Only the system call itself has the last argument.
    let usage = unsafe {
        let answer = libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD,
            exit.as_raw_fd(),
            status.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
            usage.as_mut_ptr(),
        );
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        usage.assume_init()
    };
    let peak = bytes(usage.ru_maxrss);
    Ok(Figures {
        cpu_usec: Some(microseconds(usage.ru_utime) + microseconds(usage.ru_stime)),
        max_rss_bytes: (peak > own_peak()).then_some(peak),
    })
}

/// The most memory that the daemon had at once.
fn own_peak() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for the call; zeroes are a valid `rusage`. It cannot fail for the
    // process itself.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    bytes(usage.ru_maxrss)
}

/// The kernel counts peaks in units of 1,024 bytes.
fn bytes(peak: libc::c_long) -> u64 {
    u64::try_from(peak).unwrap_or_default().saturating_mul(1024)
}

fn microseconds(time: libc::timeval) -> u64 {
    let whole = u64::try_from(time.tv_sec).unwrap_or_default();
    let rest = u64::try_from(time.tv_usec).unwrap_or_default();
    whole.saturating_mul(1_000_000).saturating_add(rest)
}

/// Puts the program in the place of this one, in the working directory that there is; with default
/// signal handling, since Rust programs ignore SIGPIPE. Returns only if that failed.
///
/// For a process of one thread.
pub(super) fn exec(image: &Image) -> io::Error {
    let argv = pointers(&image.argv);
    let env = pointers(&image.env);
    // SAFETY: as in `spawn`; the handler is one of the kernel's own.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execve(
            image.program.as_ptr(),
            argv.as_ptr().cast(),
            env.as_ptr().cast(),
        );
    }
    io::Error::last_os_error()
}

/// Takes a descriptor that whoever started this process left open for it, and keeps it from the
/// next program.
///
/// Each may be taken once, before anything else opens one.
pub(super) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: it touches no memory, and fails if there is no such descriptor.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nothing else in this process knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has the current runtime say when a descriptor becomes readable. Gives it back where the system
/// has no room for that.
pub(super) fn when_readable(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, (OwnedFd, io::Error)> {
    // SAFETY: an `OwnedFd` is a valid open descriptor, names the same one all its life, and is
    // owned by the `AsyncFd` from here on; nobody else can close or replace it.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    registered.map_err(tokio::io::unix::AsyncFdRegisterError::into_parts)
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings
        .iter()
        .map(|text| text.as_ptr().cast_mut())
        .chain([ptr::null_mut()])
        .collect()
}

/// The `posix_spawn` family returns its error instead of setting `errno`.
fn check(code: i32) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The three bits fit the 16 that the struct has for them; libc's constants differ in their types.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the values are 4, 8 and 128"
)]
const FLAGS: libc::c_short = libc::POSIX_SPAWN_SETSID
    | libc::POSIX_SPAWN_SETSIGDEF as libc::c_short
    | libc::POSIX_SPAWN_SETSIGMASK as libc::c_short;

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: init fills the struct; after it, it is initialised and `Drop` destroys it.
        let mut this = unsafe {
            check(libc::posix_spawnattr_init(raw.as_mut_ptr()))?;
            Self(raw.assume_init())
        };
        let (mut all, mut none) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are filled before they are read; glibc copies them.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::sigemptyset(none.as_mut_ptr());
            check(libc::posix_spawnattr_setsigdefault(
                &raw mut this.0,
                all.as_ptr(),
            ))?;
            check(libc::posix_spawnattr_setsigmask(
                &raw mut this.0,
                none.as_ptr(),
            ))?;
            check(libc::posix_spawnattr_setflags(&raw mut this.0, FLAGS))?;
        }
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed only here. It cannot fail on a valid struct.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: init fills the struct; after it, it is initialised and `Drop` destroys it.
        unsafe {
            check(libc::posix_spawn_file_actions_init(raw.as_mut_ptr()))?;
            Ok(Self(raw.assume_init()))
        }
    }

    fn dup2(&mut self, fd: BorrowedFd<'_>, target: i32) -> io::Result<()> {
        // SAFETY: the struct is initialised; descriptors are plain numbers here.
        check(unsafe {
            libc::posix_spawn_file_actions_adddup2(&raw mut self.0, fd.as_raw_fd(), target)
        })
    }

    fn close_from(&mut self, first: i32) -> io::Result<()> {
        // SAFETY: the struct is initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&raw mut self.0, first) })
    }

    fn chdir(&mut self, dir: &CString) -> io::Result<()> {
        // SAFETY: the struct is initialised; glibc copies the path.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut self.0, dir.as_ptr()) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed only here. It cannot fail on a valid struct.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}
