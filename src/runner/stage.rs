//! The stage: this program under another name, between the spawn of a process and its program.
//!
//! `posix_spawn` cannot change ids, limits, niceness or umask. So a job that wants that starts the
//! daemon's own program first, in a process of one thread. It takes its orders, changes itself,
//! makes sure that it cannot go back, and gives its place to the job's program.
//!
//! It runs with the daemon's rights, so nothing of the job reaches it but its orders: neither its
//! arguments nor its environment, in which a line such as `LD_PRELOAD` would be obeyed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Gid, Resource, Uid, getegid, geteuid, getgid, getgroups, getuid, setpriority_process, setrlimit,
};
use rustix::thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::spawn;
use super::stage_orders::{DOOR, EXECUTABLE, Failure, ORDERS, Orders, READY, READY_APART, Step};
use crate::job::Ids;

/// The name that the program has on the stage.
pub const STAGE: &str = "punctual-stage";

/// Acts on the orders of the runner that started this process. Comes back only if the program was
/// not started: the runner was told why, or the error says why it could not be.
///
/// For a process of one thread.
pub fn act() -> io::Result<()> {
    let orders = spawn::inherited(ORDERS);
    let executable = spawn::inherited(EXECUTABLE);
    // Not every process is to be in a control group.
    let door = spawn::inherited(DOOR).ok();
    let (Ok(orders), Ok(executable)) = (orders, executable) else {
        return Err(io::Error::other(
            "this name is for processes that a running daemon starts; call punctual by its own",
        ));
    };
    drop(executable);
    let mut runner = UnixStream::from(orders);
    let mut written = Vec::new();
    runner.read_to_end(&mut written)?;
    let orders = Orders::from_bytes(&written)?;
    let failure = match enter(door, &orders).and_then(|is_in| prepare(&orders).map(|()| is_in)) {
        Ok(is_in) => {
            runner.write_all(if is_in { READY } else { READY_APART })?;
            let why = spawn::exec(&orders.image);
            Failure::of(Step::Exec, &why)
        }
        Err(failure) => failure,
    };
    runner.write_all(&failure.to_bytes())
}

/// Enters the control group, so that its limits hold from the program's first instruction on. Says
/// whether it is in there; without limits it may go on outside.
fn enter(door: Option<OwnedFd>, orders: &Orders) -> Result<bool, Failure> {
    let Some(door) = door else {
        return Ok(false);
    };
    match File::from(door).write_all(b"0") {
        Ok(()) => Ok(true),
        Err(_) if orders.terms.limits.is_none() => Ok(false),
        Err(why) => Err(Failure::of(Step::ControlGroup, &why)),
    }
}

fn prepare(orders: &Orders) -> Result<(), Failure> {
    let failed = |step| move |errno: Errno| Failure::of(step, &errno.into());
    let terms = &orders.terms;
    // What root alone may do comes first.
    setrlimit(Resource::Nofile, orders.open_files()).map_err(failed(Step::OpenFiles))?;
    if let Some(nice) = terms.nice {
        setpriority_process(None, nice).map_err(failed(Step::Nice))?;
    }
    if let Some(umask) = terms.umask {
        rustix::process::umask(Mode::from_raw_mode(umask));
    }
    if let Some(ids) = &terms.ids {
        become_user(ids)?;
    }
    // With the rights of the user, so that it tells whether they may enter.
    if let Some(dir) = &orders.image.dir {
        rustix::process::chdir(dir.as_c_str()).map_err(failed(Step::WorkingDir))?;
    }
    Ok(())
}

/// Takes these ids for good. All of a thread, which is all of the process.
fn become_user(ids: &Ids) -> Result<(), Failure> {
    let failed = |step| move |errno: Errno| Failure::of(step, &errno.into());
    let (user, group) = (Uid::from_raw(ids.user), Gid::from_raw(ids.group));
    let mut groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&groups).map_err(failed(Step::Groups))?;
    set_thread_res_gid(group, group, group).map_err(failed(Step::Group))?;
    set_thread_res_uid(user, user, user).map_err(failed(Step::User))?;
    let mut in_groups = getgroups().map_err(failed(Step::Check))?;
    for list in [&mut groups, &mut in_groups] {
        list.sort_unstable_by_key(|group| group.as_raw());
        list.dedup();
    }
    let is_changed = [getuid(), geteuid()] == [user; 2]
        && [getgid(), getegid()] == [group; 2]
        && in_groups == groups;
    if !is_changed || (!user.is_root() && has_a_way_back()?) {
        return Err(failed(Step::Check)(Errno::PERM));
    }
    Ok(())
}

/// Whether root's rights are still there, or can be had again.
fn has_a_way_back() -> Result<bool, Failure> {
    let left = capabilities(None).map_err(|why| Failure::of(Step::Check, &why.into()))?;
    let root = Uid::ROOT;
    Ok(!left.effective.is_empty()
        || !left.permitted.is_empty()
        || set_thread_res_uid(root, root, root).is_ok()
        || set_thread_res_uid(None, root, None).is_ok())
}
