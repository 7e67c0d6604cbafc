//! One attempt from its process's start to the end of the last process it left.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group,
};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::cgroup::{Group, Place};
use super::deadline::Deadline;
use super::ending;
use super::family;
use super::hand_over::{HandedAttempt, Record};
use super::output::{Capture, Stream};
use super::pipe::PipeReader;
use super::redact::{Redactor, Secrets};
use super::tree::{self, Leader, Stat};
use super::{Key, Launch, spawn};
use crate::clock;
use crate::job::{Action, AttemptEnd, Figures, Process, StopCause};

/// The pause before a descriptor that the system had no room for is asked for again.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// The first and the longest pause between two looks at processes that are about to die.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(250);

/// What an attempt was told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing.
    Run,
    /// To stop, as in a timeout.
    Stop(StopCause),
    /// To stop now, by SIGKILL.
    Kill(StopCause),
}

/// An attempt that was launched and is not over, as the runner's handles see it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) launch: Launch,
    pub(super) order: watch::Sender<Order>,
    pub(super) capture: Mutex<Capture>,
}

impl Live {
    pub(super) fn key(&self) -> Key {
        (self.launch.run, self.launch.attempt)
    }

    /// Whether it can leave any.
    pub(super) fn has_processes(&self) -> bool {
        matches!(self.launch.action, Action::Process(_))
    }
}

/// A process as the spawner hands it over.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    /// The read ends of its output, non-blocking.
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) secrets: Secrets,
    pub(super) place: Place,
}

/// How far the stopping of an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Running,
    /// The kill signal is sent.
    Asked(Option<Cause>),
    /// SIGKILL is sent.
    Killing(Option<Cause>),
}

/// Why the main process was stopped; none where only its leftovers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cause {
    Timeout,
    Order(StopCause),
}

/// A running attempt.
pub(super) struct Attempt {
    live: Arc<Live>,
    process: Arc<Process>,
    leader: Leader,
    pid: Pid,
    place: Place,
    exit: AsyncFd<OwnedFd>,
    stdout: PipeReader,
    stderr: PipeReader,
    /// Of its output, for whoever goes on reading it.
    secrets: Secrets,
    orders: watch::Receiver<Order>,
    handing_over: watch::Receiver<bool>,
    phase: Phase,
    deadline: Deadline,
    /// The main process is over.
    is_over: bool,
}

impl Attempt {
    /// Takes a process over, and says who leads its session.
    pub(super) async fn of(
        live: Arc<Live>,
        process: Arc<Process>,
        child: Child,
        handing_over: watch::Receiver<bool>,
    ) -> Self {
        let pid = child.pid;
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        let leader = Leader {
            pid: number,
            // Nobody has waited for it, so it is there. Without /proc zero is the safe answer: it
            // matches no process of a later daemon.
            start_ticks: Stat::of(number).map_or(0, |stat| stat.start_ticks),
        };
        let timeout = process.timeout;
        family::prints_to(
            live.key(),
            [&child.stdout, &child.stderr].map(tree::pipe_of),
        );
        let mut orders = live.order.subscribe();
        orders.mark_changed();
        let stdout = register(child.stdout).await;
        let stderr = register(child.stderr).await;
        Self {
            leader,
            pid,
            place: child.place,
            exit: watch_exit(pid).await,
            stdout: reader(Stream::Stdout, Some(stdout), &child.secrets, Vec::new()),
            stderr: reader(Stream::Stderr, Some(stderr), &child.secrets, Vec::new()),
            secrets: child.secrets,
            orders,
            handing_over,
            phase: Phase::Running,
            deadline: timeout.map_or_else(Deadline::never, Deadline::after),
            is_over: false,
            live,
            process,
        }
    }

    /// Goes on with one that an earlier life of the daemon watched.
    pub(super) async fn taken_over(
        live: Arc<Live>,
        mut handed: HandedAttempt,
        place: Place,
        handing_over: watch::Receiver<bool>,
    ) -> Option<Self> {
        let secrets = handed.secrets();
        let pipes = handed.pipes();
        let [(stdout, held_out), (stderr, held_err)] = handed.streams();
        let Record {
            process,
            leader,
            phase,
            deadline_usec,
            is_over,
            ..
        } = handed.record;
        let pid = tree::as_pid(leader.pid)?;
        family::prints_to(live.key(), pipes);
        let mut orders = live.order.subscribe();
        orders.mark_changed();
        let stdout = register_if_open(stdout).await;
        let stderr = register_if_open(stderr).await;
        Some(Self {
            leader,
            pid,
            place,
            exit: watch_exit(pid).await,
            stdout: reader(Stream::Stdout, stdout, &secrets, held_out),
            stderr: reader(Stream::Stderr, stderr, &secrets, held_err),
            secrets,
            orders,
            handing_over,
            phase,
            deadline: deadline_usec.map_or_else(Deadline::never, Deadline::at),
            is_over,
            live,
            process,
        })
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        &self.process
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn deadline_usec(&self) -> Option<u64> {
        self.deadline.usec()
    }

    /// Whether its main process is over.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Its streams, and what must not be seen of them.
    pub(super) fn into_streams(self) -> (PipeReader, PipeReader, Secrets) {
        (self.stdout, self.stderr, self.secrets)
    }

    /// Its main process.
    pub(super) fn leader(&self) -> Leader {
        self.leader
    }

    /// Its control group, if it has one, once none of its processes is on the way there.
    pub(super) async fn settled_group(&mut self) -> Option<Arc<Group>> {
        self.place.settled().await
    }

    /// Reads output and keeps the time until the main process is over. Its zombie stays: as long as
    /// nobody waits for it, its number can name no other process, session or group. None: it is to be
    /// handed over as it is.
    pub(super) async fn run(&mut self) -> Option<(AttemptEnd, Figures)> {
        let status = loop {
            tokio::select! {
                biased;
                status = exited(&self.exit) => break status,
                Ok(()) = self.orders.changed() => self.obey(),
                () = &mut self.deadline.over => self.escalate(Some(Cause::Timeout)),
                () = wanted_elsewhere(&mut self.handing_over) => return None,
                () = read_either(&mut self.stdout, &mut self.stderr, Some(&self.live.capture)) => {
                    tokio::task::yield_now().await;
                }
            }
        };
        self.stdout.finish(&self.live.capture);
        self.stderr.finish(&self.live.capture);
        self.is_over = true;
        Some(self.ending(status))
    }

    /// Stops what the main process left behind, as in a timeout; then lets its number go. Says
    /// whether it came to that: else it is to be handed over as it is.
    pub(super) async fn clear_away(&mut self) -> bool {
        let mut pause = FIRST_LOOK;
        self.place.settled().await;
        while self.leaves_something() {
            if *self.handing_over.borrow() {
                return false;
            }
            match self.phase {
                Phase::Running => self.escalate(None),
                // Again and again: something may fork faster than one walk finds.
                Phase::Killing(_) => self.signal_all(Signal::KILL),
                Phase::Asked(_) => {}
            }
            self.pause(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
        let reaped = wait_for(&self.exit, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        if !matches!(reaped, Ok(Some(_))) {
            tracing::error!(
                pid = self.leader.pid,
                "somebody else waited for a run's process"
            );
        }
        true
    }

    /// Waits a while, or until there is something to do about the leftovers, which is done; meanwhile
    /// reads what they print and throws it away.
    async fn pause(&mut self, span: Duration) {
        let mut over = Box::pin(clock::elapse(span));
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.orders.changed() => return self.obey(),
                () = &mut self.deadline.over => return self.escalate(None),
                () = wanted_elsewhere(&mut self.handing_over) => return,
                () = &mut over => return,
                () = read_either(&mut self.stdout, &mut self.stderr, None) => {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn obey(&mut self) {
        let order = *self.orders.borrow_and_update();
        match (order, self.phase) {
            (Order::Stop(cause), Phase::Running) => self.escalate(Some(Cause::Order(cause))),
            (Order::Kill(cause), Phase::Running) => self.kill(Some(Cause::Order(cause))),
            (Order::Kill(_), Phase::Asked(cause)) => self.kill(cause),
            _ => {}
        }
    }

    /// The next step of stopping; `cause` counts where this is the first.
    fn escalate(&mut self, cause: Option<Cause>) {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Asked(cause);
                self.deadline = Deadline::after(self.process.kill_timeout);
                let number = self.process.kill_signal.number();
                let signal = Signal::from_named_raw(number).unwrap_or(Signal::TERM);
                self.signal_all(signal);
                // What is suspended would never see it.
                self.signal_all(Signal::CONT);
            }
            Phase::Asked(cause) | Phase::Killing(cause) => self.kill(cause),
        }
    }

    fn kill(&mut self, cause: Option<Cause>) {
        self.phase = Phase::Killing(cause);
        self.deadline = Deadline::after(TRY_AGAIN);
        self.signal_all(Signal::KILL);
    }

    /// Whether anything of it lives but its main process.
    fn leaves_something(&self) -> bool {
        let group = self.place.group();
        group.is_some_and(|group| group.is_populated())
            || !family::members(self.live.key(), self.leader).is_empty()
    }

    /// Signals the process group in one stroke, which no fork can slip through, and then those members
    /// that left it.
    fn signal_all(&self, signal: Signal) {
        let warn = |pid: u32, why: &dyn std::fmt::Display| {
            let job = &self.live.launch.job;
            tracing::warn!(%job, pid, %why, "a process of the run cannot be signalled");
        };
        let mut members = family::members(self.live.key(), self.leader);
        if let Some(group) = self.place.group() {
            if signal == Signal::KILL
                && let Err(why) = group.kill()
            {
                warn(self.leader.pid, &why);
            }
            let known: BTreeSet<u32> = members.iter().map(|member| member.pid).collect();
            let others = group.members().into_iter();
            members.extend(others.filter(|member| !known.contains(&member.pid)));
        }
        match kill_process_group(self.pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(why) => warn(self.leader.pid, &why),
        }
        for member in members {
            if member.group != self.leader.pid
                && let Err(why) = member.signal(signal)
            {
                warn(member.pid, &why);
            }
        }
    }

    /// How the main process, which is over, ended, and what the attempt took.
    fn ending(&self, status: io::Result<WaitIdStatus>) -> (AttemptEnd, Figures) {
        let group = self.place.group();
        let figures = match spawn::usage(self.exit.get_ref().as_fd()) {
            Ok(figures) => figures,
            Err(why) => {
                tracing::warn!(pid = self.leader.pid, %why, "what a run took cannot be known");
                Figures::default()
            }
        };
        let status = status.inspect_err(|why| {
            tracing::error!(pid = self.leader.pid, %why, "how a run ended cannot be known");
        });
        let cause = match self.phase {
            Phase::Running => None,
            Phase::Asked(cause) | Phase::Killing(cause) => cause,
        };
        let strains = group.as_ref().map(|group| group.strains());
        let strains = strains.unwrap_or_default();
        let end = ending::meaning(status.ok(), cause, strains, &self.process);
        let terms = &self.process.terms;
        (end, ending::with_group(figures, group.as_deref(), terms))
    }
}

fn reader(
    stream: Stream,
    fd: Option<AsyncFd<OwnedFd>>,
    secrets: &Secrets,
    held: Vec<u8>,
) -> PipeReader {
    PipeReader::new(stream, fd, Redactor::new(secrets.clone(), held))
}

/// Returns when attempts are to be handed over.
async fn wanted_elsewhere(handing_over: &mut watch::Receiver<bool>) {
    if handing_over.wait_for(|wanted| *wanted).await.is_err() {
        // Nobody can want it any more.
        pending::<()>().await;
    }
}

async fn register_if_open(fd: Option<OwnedFd>) -> Option<AsyncFd<OwnedFd>> {
    match fd {
        Some(fd) => Some(register(fd).await),
        None => None,
    }
}

/// One turn of whichever stream has something; neither has the right of way.
async fn read_either(
    stdout: &mut PipeReader,
    stderr: &mut PipeReader,
    capture: Option<&Mutex<Capture>>,
) {
    tokio::select! {
        () = stdout.turn(capture) => {}
        () = stderr.turn(capture) => {}
    }
}

/// Waits until the process is over, and leaves it as a zombie.
async fn exited(exit: &AsyncFd<OwnedFd>) -> io::Result<WaitIdStatus> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        let mut guard = exit.readable().await?;
        match wait_for(exit, look) {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => guard.clear_ready(),
            Err(why) => return Err(why),
        }
    }
}

fn wait_for(exit: &AsyncFd<OwnedFd>, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
    let process = WaitId::PidFd(exit.get_ref().as_fd());
    Ok(rustix::process::waitid(process, options)?)
}

/// A descriptor that becomes readable when the process is over. The process runs already, so where
/// the system has no room for it just now, patience is all there is.
async fn watch_exit(pid: Pid) -> AsyncFd<OwnedFd> {
    loop {
        match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(fd) => return register(fd).await,
            Err(why) => tracing::warn!(pid = pid.as_raw_nonzero().get(), %why, "no pidfd yet"),
        }
        clock::elapse(TRY_AGAIN).await;
    }
}

/// Hands a descriptor to the runtime, with the same patience.
async fn register(fd: OwnedFd) -> AsyncFd<OwnedFd> {
    let mut fd = fd;
    loop {
        match spawn::when_readable(fd) {
            Ok(registered) => return registered,
            Err((back, why)) => {
                tracing::warn!(%why, "the runtime cannot watch another descriptor yet");
                fd = back;
            }
        }
        clock::elapse(TRY_AGAIN).await;
    }
}
