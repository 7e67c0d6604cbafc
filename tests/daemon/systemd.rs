//! The daemon and its service manager, of which a stand-in is here.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use punctual::clock;
use rustix::process::Signal;

use crate::daemon::{Daemon, PATIENCE, Place, assert_each_second_once, wait_until};
use crate::http::Door;

const BEAT: &str = "[jobs.beat]\nevery = \"1s\"\ncommand = [\"true\"]\n";

/// A job that writes down its environment, all of the daemon's that it may have.
const TELL: &str = "[jobs.tell]\nevery = \"1s\"\ninherit_env = true\n\
    shell = 'env > $PLACE/env.new; mv $PLACE/env.new $PLACE/env'\n";

/// Shuts standard input and output, which carry two sockets to descriptors 3 and 4, and becomes the
/// daemon, to which they are passed.
const ACTIVATE: &str = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; \
    export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=api:api; exec \"$0\" \"$@\"";

/// What listens in place of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn in_place(place: &Place) -> Self {
        Self::at(&SocketAddr::from_pathname(place.path("notify")).unwrap())
    }

    /// The next message, as lines.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4_096];
        let length = self.0.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn punctual(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command.args(place.arguments()).stdin(Stdio::null());
    place.with_folders(&mut command);
    command
}

/// A daemon that has news for the manager of its place.
fn notifying(place: &Place) -> Command {
    let mut command = punctual(place);
    command.env("NOTIFY_SOCKET", place.path("notify"));
    command
}

fn unix(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

/// A daemon that gets two sockets passed.
fn activated(place: &Place, first: OwnedFd, second: OwnedFd) -> Daemon {
    let mut command = Command::new("sh");
    command
        .args(["-c", ACTIVATE, env!("CARGO_BIN_EXE_punctual")])
        .args(place.arguments())
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second));
    Daemon::spawn(place.with_folders(&mut command))
}

#[test]
fn the_manager_hears_ready_then_how_it_goes_then_stopping() {
    let long = "[scheduler]\nshutdown_grace = \"1s\"\n[jobs.long]\nevery = \"1s\"\n\
        kill_timeout = \"7s\"\nshell = 'touch $PLACE/started; exec sleep 600'\n";
    let place = Place::new(&format!("{long}{BEAT}"));
    let manager = Manager::in_place(&place);
    let before = clock::monotonic_usec();
    let daemon = Daemon::spawn(&mut notifying(&place));
    let first = manager.next();
    assert_eq!(first[0], "READY=1");
    // Whoever was told that it is ready is answered, and finds it ready.
    assert_eq!(unix(&place).get("/readyz").status(), 200);
    let jobs = unix(&place).get("/api/v1/jobs").ok();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    assert!(first[1].starts_with("STATUS=2 jobs, next "), "{first:?}");

    wait_until("a start", || place.path("started").exists().then_some(()));
    let mut lines = Vec::new();
    while !lines
        .iter()
        .any(|line: &String| line.contains("next beat at "))
    {
        let message = manager.next();
        assert!(message[0].starts_with("STATUS="), "{message:?}");
        lines.extend(message);
    }
    daemon.signal(Signal::TERM);
    let mut stopping = manager.next();
    while stopping[0].starts_with("STATUS=2 jobs") {
        lines.extend(stopping);
        stopping = manager.next();
    }
    assert_eq!(stopping[0], "STOPPING=1");
    let limit: u64 = stopping[1]
        .strip_prefix("EXTEND_TIMEOUT_USEC=")
        .unwrap()
        .parse()
        .unwrap();
    // The grace, the longest time to end, and what comes after.
    assert!((9_000_000..120_000_000).contains(&limit), "{limit}");
    assert!(stopping[2].starts_with("STATUS=stopping"), "{stopping:?}");
    assert!(daemon.wait().success());
    let seconds = (clock::monotonic_usec() - before) / 1_000_000;
    let most = usize::try_from(seconds).unwrap() + 2;
    assert!(lines.len() <= most, "more than one a second: {lines:?}");
}

#[test]
fn a_reload_is_told_from_its_beginning_to_its_end() {
    let place = Place::new("");
    let manager = Manager::in_place(&place);
    let daemon = Daemon::spawn(&mut notifying(&place));
    let next = || loop {
        let message = manager.next();
        if !message[0].starts_with("STATUS=") {
            return message;
        }
    };
    assert_eq!(next()[0], "READY=1");
    // A config that is taken, and one that is not.
    for (jobs, status) in [
        (BEAT, "STATUS=1 job, next beat at "),
        ("[jobs.", "STATUS=1 job, "),
    ] {
        place.configure(jobs);
        let before = clock::monotonic_usec();
        daemon.signal(Signal::HUP);
        let reloading = next();
        assert_eq!(reloading[0], "RELOADING=1");
        let at = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
        let at: u64 = at.parse().unwrap();
        assert!((before..=clock::monotonic_usec()).contains(&at));
        let ready = next();
        assert_eq!(ready[0], "READY=1");
        assert!(ready[1].starts_with(status), "{ready:?}");
    }
    assert!(daemon.terminate().success());
}

#[test]
fn a_manager_without_a_file_is_found_and_jobs_see_nothing_of_it() {
    let place = Place::new(TELL);
    let name = format!("punctual-test-{}", std::process::id());
    let manager = Manager::at(&SocketAddr::from_abstract_name(&name).unwrap());
    let daemon = Daemon::spawn(
        punctual(&place)
            .env("NOTIFY_SOCKET", format!("@{name}"))
            .env("WATCHDOG_USEC", "60000000")
            .env("JOURNAL_STREAM", "1:2")
            .env("CREDENTIALS_DIRECTORY", "/run/credentials/x")
            .env("SEEN_BY_JOBS", "yes"),
    );
    assert_eq!(manager.next()[0], "READY=1");
    let seen = wait_until("a run", || std::fs::read_to_string(place.path("env")).ok());
    assert!(seen.contains("SEEN_BY_JOBS=yes"), "{seen}");
    for hidden in [
        "NOTIFY_SOCKET",
        "WATCHDOG_",
        "JOURNAL_STREAM",
        "CREDENTIALS_",
    ] {
        assert!(!seen.contains(hidden), "{hidden} in {seen}");
    }
    assert!(daemon.terminate().success());
}

#[test]
fn a_manager_that_cannot_be_told_keeps_nobody_from_work() {
    for address in ["/nowhere/notify", "vsock:2:1", "@", ""] {
        let place = Place::new(BEAT);
        let daemon = Daemon::spawn(punctual(&place).env("NOTIFY_SOCKET", address));
        wait_until("a run", || {
            let rows = place.rows();
            rows.iter()
                .any(|row| row.status == "succeeded")
                .then_some(())
        });
        assert!(daemon.terminate().success());
    }
}

#[test]
fn the_watchdog_is_fed_by_the_process_that_it_watches() {
    let place = Place::new("");
    let manager = Manager::in_place(&place);
    let daemon = Daemon::spawn(notifying(&place).env("WATCHDOG_USEC", "300000"));
    let mut fed = 0;
    while fed < 5 {
        fed += usize::from(manager.next() == ["WATCHDOG=1"]);
    }
    assert!(daemon.terminate().success());

    let place = Place::new(BEAT);
    let manager = Manager::in_place(&place);
    let mut other = notifying(&place);
    let daemon = Daemon::spawn(
        other
            .env("WATCHDOG_USEC", "300000")
            .env("WATCHDOG_PID", "1"),
    );
    for _ in 0..3 {
        assert_ne!(manager.next(), ["WATCHDOG=1"]);
    }
    assert!(daemon.terminate().success());
}

#[test]
fn a_hand_over_that_waits_for_the_ledger_is_ended_by_a_signal() {
    let place = Place::new(BEAT);
    let manager = Manager::in_place(&place);
    let mut daemon = Daemon::spawn(&mut notifying(&place));
    daemon.wait_for_log("ready");
    // For such a request the API waits, for 10 s.
    let mut slow = UnixStream::connect(place.path("punctual.sock")).unwrap();
    let head = b"POST /api/v1/jobs/beat/trigger HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut go_on = [0; 12];
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100", "it is being read");
    daemon.signal(Signal::USR2);
    while manager.next()[0] != "RELOADING=1" {}
    let holder = place.hold_ledger();
    daemon.wait_for_log("the ledger cannot be written");
    drop(slow);
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    drop(holder);
    assert!(daemon.wait().success());
    assert!(!place.path("punctual.sock").exists());
    let rows = place.rows();
    assert_each_second_once(&rows, "beat");
    // Its claims were given up as in any shutdown.
    let last = rows.last().unwrap();
    let end = (last.status.as_str(), last.reason.as_deref());
    assert_eq!(end, ("missed", Some("shutdown")), "{rows:?}");
    assert!(rows.iter().all(|row| row.status != "scheduled"), "{rows:?}");
}

#[test]
fn passed_sockets_are_served_and_who_came_too_early_is_answered() {
    let place = Place::new(TELL);
    let path = place.path("punctual.sock");
    let file = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let early = early_request(&path);
    let address = tcp.local_addr().unwrap();
    let passed = || {
        (
            file.try_clone().unwrap().into(),
            tcp.try_clone().unwrap().into(),
        )
    };

    let (first, second) = passed();
    let daemon = activated(&place, first, second);
    assert!(answer(early).starts_with("HTTP/1.1 200"));
    assert_eq!(Door::Tcp(address).get("/healthz").status(), 200);
    let seen = wait_until("a run", || std::fs::read_to_string(place.path("env")).ok());
    assert!(!seen.contains("LISTEN_"), "{seen}");
    assert!(daemon.terminate().success());

    // Between two daemons nobody is turned away.
    assert!(path.exists(), "a socket that was passed stays");
    let between = early_request(&path);
    let (first, second) = passed();
    let daemon = activated(&place, second, first);
    assert!(answer(between).starts_with("HTTP/1.1 200"));
    assert!(daemon.terminate().success());
}

fn early_request(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_cannot_be_served_is_refused_with_what_to_do() {
    let place = Place::new(BEAT);
    let open = || OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
    let good = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let datagrams = OwnedFd::from(UnixDatagram::unbound().unwrap());
    let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let connected = OwnedFd::from(UnixStream::pair().unwrap().0);
    for (wrong, word) in [
        (open(), "auth = "),
        (datagrams, "ListenStream="),
        (file, "ListenStream="),
        (connected, "ListenStream="),
    ] {
        let mut daemon = activated(&place, good(), wrong);
        daemon.wait_for_log(word);
        assert_eq!(daemon.wait().code(), Some(1));
        assert!(!place.path("punctual.sock").exists());
    }
}

#[test]
fn sockets_that_were_passed_to_somebody_else_are_left_alone() {
    let place = Place::new(BEAT);
    let mut command = punctual(&place);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let mut daemon = Daemon::spawn(&mut command);
    daemon.wait_for_log("ready");
    assert_eq!(unix(&place).get("/healthz").status(), 200);
    assert!(daemon.terminate().success());
}
