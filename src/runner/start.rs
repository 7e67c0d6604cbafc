//! From a launch to a process: what happens on a spawner thread.

use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::MemfdFlags;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;

use super::attempt::{Attempt, Child, Live, Order};
use super::cannot_start::CannotStart;
use super::cgroup::{Place, Unlimited};
use super::environment::Environment;
use super::hand_over::HandedAttempt;
use super::redact::Secrets;
use super::spawn::Image;
use super::{Report, Shared, command, family, http, spawn, tree};
use crate::clock;
use crate::job::{Action, AttemptEnd, Figures, Process};

/// Starts an attempt's process and has it watched, or reports why there is none.
pub(super) fn start(shared: &Arc<Shared>, live: Arc<Live>) {
    let order = *live.order.borrow();
    let end = match order {
        Order::Run => match begin(shared, &live) {
            Ok(()) => return,
            Err(why) => AttemptEnd::NotStarted(why.to_string()),
        },
        Order::Stop(cause) | Order::Kill(cause) => AttemptEnd::Stopped {
            cause,
            code: None,
            signal: None,
        },
    };
    shared.io.spawn(never_ran(Arc::clone(shared), live, end));
}

/// Starts what the attempt is, and hands it to the runtime.
fn begin(shared: &Arc<Shared>, live: &Arc<Live>) -> Result<(), CannotStart> {
    let (shared, live) = (Arc::clone(shared), Arc::clone(live));
    shared.open_files.make_room(shared.null.as_fd());
    let io = shared.io.clone();
    match live.launch.action.clone() {
        Action::Process(it) => {
            let (child, at) = process(&shared, &live, &it)?;
            io.spawn(watch(shared, live, it, child, at));
        }
        Action::Http(call) => {
            let (ready, client) = http::prepare(&shared, &live, &call)?;
            io.spawn(http::run(shared, live, call, ready, client));
        }
    }
    Ok(())
}

/// Reports an attempt that has no process.
pub(super) async fn never_ran(shared: Arc<Shared>, live: Arc<Live>, end: AttemptEnd) {
    shared.over(&live);
    let ended = ended(&live, (end, Figures::default()), None);
    shared.report(ended).await;
}

/// Watches a process to its end and beyond. Reporting goes on beside the watching: whoever takes
/// the reports may be slow, and no process waits for that.
async fn watch(
    shared: Arc<Shared>,
    live: Arc<Live>,
    process: Arc<Process>,
    child: Child,
    at: Timestamp,
) {
    let handing_over = shared.handing_over.subscribe();
    let attempt = Attempt::of(Arc::clone(&live), process, child, handing_over).await;
    let (run, number, leader) = (live.launch.run, live.launch.attempt, attempt.leader());
    family::leads(live.key(), leader);
    shared.marks.leads(run, number, leader);
    let started = Report::Started {
        run,
        attempt: number,
        pid: Some(leader.pid),
        at,
    };
    see_through(shared, live, attempt, at, Some(started)).await;
}

/// Takes up an attempt that an earlier life of the daemon watched.
pub(super) async fn take_over(shared: Arc<Shared>, live: Arc<Live>, handed: HandedAttempt) {
    let at = handed.record.started_at;
    let handing_over = shared.handing_over.subscribe();
    let place = shared.mover.find(live.key(), handed.group());
    let attempt = Attempt::taken_over(Arc::clone(&live), handed, place, handing_over).await;
    if let Some(attempt) = attempt {
        see_through(shared, live, attempt, at, None).await;
    } else {
        // Its number was one when it was handed over.
        tracing::error!(run = %live.launch.run, "an attempt was handed over without a process");
        shared.over(&live);
    }
}

/// Watches a process, of which `news` are still to be told, to its end and beyond, or until it is to
/// be handed over.
async fn see_through(
    shared: Arc<Shared>,
    live: Arc<Live>,
    mut attempt: Attempt,
    at: Timestamp,
    news: Option<Report>,
) {
    let is_cleared = if attempt.is_over() {
        attempt.clear_away().await
    } else {
        let watched = async {
            let end = attempt.run().await;
            // Made at once, so that it carries the time of the end and not that of a free place.
            end.map(|end| ended(&live, end, Some(at)))
        };
        let told = async {
            if let Some(news) = news {
                shared.report(news).await;
            }
        };
        match tokio::join!(watched, told) {
            (Some(ended), ()) => tokio::join!(attempt.clear_away(), shared.report(ended)).0,
            (None, ()) => false,
        }
    };
    // A process that is being moved into its group is not handed over, and its number not given away.
    let group = attempt.settled_group().await;
    if is_cleared {
        if let Some(group) = group {
            // It comes when the group is gone, or the thread that removes it.
            let _ = shared.mover.discard(group).await;
        }
        shared.over(&live);
    } else {
        shared.hand_over(
            &live,
            HandedAttempt::pack(&live, attempt, group.as_deref(), at),
        );
    }
}

/// The report of an attempt's end, which is now, and of what it took.
pub(super) fn ended(
    live: &Live,
    (end, figures): (AttemptEnd, Figures),
    started_at: Option<Timestamp>,
) -> Report {
    Report::Ended {
        run: live.launch.run,
        attempt: live.launch.attempt,
        end,
        figures,
        output: live.output(),
        started_at,
        at: clock::now(),
    }
}

fn process(
    shared: &Shared,
    live: &Live,
    process: &Process,
) -> Result<(Child, Timestamp), CannotStart> {
    let launch = &live.launch;
    // These come last, because processes are found by them.
    let own = [
        ("PUNCTUAL_JOB", launch.job.to_string()),
        ("PUNCTUAL_RUN_ID", launch.run.to_string()),
        ("PUNCTUAL_ATTEMPT", launch.attempt.to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let facts = launch.facts.iter().cloned().chain(own.clone());
    let mut environment = Environment::of(process, &shared.environment, facts)?;
    let secrets = Secrets::new(std::mem::take(&mut environment.secrets));
    let image = command::image(process, &environment)?;
    let text = match &process.stdin {
        Some(text) => Some(in_memory(text).map_err(CannotStart::Stdin)?),
        None => None,
    };
    let stdin = text.as_ref().map_or(shared.null.as_fd(), AsFd::as_fd);
    let (stdout, child_stdout) = pipe().map_err(CannotStart::Pipes)?;
    let (stderr, child_stderr) = pipe().map_err(CannotStart::Pipes)?;
    let pipes = [&stdout, &stderr].map(tree::pipe_of);
    let marked = shared.marks.start(launch.run, launch.attempt, pipes);
    marked.map_err(CannotStart::Mark)?;
    let streams = [stdin, child_stdout.as_fd(), child_stderr.as_fd()];
    let (pid, at, place) = if process.terms.need_a_stage() {
        let (pid, place) = on_stage(shared, live, process, &image, &own, streams)?;
        (pid, clock::now(), place)
    } else {
        let pid =
            spawn::spawn(&image, &streams).map_err(|why| command::explain(process, &image, why))?;
        let at = clock::now();
        shared.open_files.lower_for(pid);
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        (pid, at, shared.mover.follow(live.key(), number))
    };
    let child = Child {
        pid,
        stdout,
        stderr,
        secrets,
        place,
    };
    Ok((child, at))
}

/// Starts a process that is in its control group, if there is one, before its program is.
fn on_stage(
    shared: &Shared,
    live: &Live,
    process: &Process,
    image: &Image,
    marks: &[(String, String)],
    streams: [BorrowedFd<'_>; 3],
) -> Result<(Pid, Place), CannotStart> {
    let limit = |unlimited: Unlimited| CannotStart::Limit {
        what: unlimited.what,
        why: unlimited.why,
    };
    let entry = shared.mover.entry_for(live.key(), &process.terms.limits);
    let (group, door) = entry.map_err(limit)?.unzip();
    let stage = &shared.stage;
    let started = stage.start(
        process,
        image,
        marks,
        shared.open_files.given(),
        streams,
        door,
    );
    let is_in = started.as_ref().is_ok_and(|&(_, is_in)| is_in);
    let place = match group {
        Some(group) if is_in => {
            family::enters(live.key());
            Place::within(group)
        }
        Some(group) => {
            // Nobody waits for that.
            drop(shared.mover.discard(group));
            Place::apart()
        }
        None => Place::apart(),
    };
    let (pid, _) = started?;
    if !is_in && shared.mover.has_groups() {
        tracing::warn!(run = %live.launch.run, "a run could not enter its control group");
    }
    Ok((pid, place))
}

/// A pipe whose read end does not wait. Neither end reaches any process unasked.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((read, write))
}

/// Text as an open file of its own in memory: unlike a pipe it takes any length at once, so nobody
/// has to stand by until the process has read it, or does not.
fn in_memory(text: &str) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}
