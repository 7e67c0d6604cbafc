//! What clients cannot do to the daemon: stall it, crowd it, or be cut off by its end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use punctual::clock;

use super::api::Api;
use super::daemon::{Place, breathe, jobs, wait_until};
use super::http::{Door, connect};

/// What a time limit may be late by on a machine that is busy.
const SLACK: u64 = 8;

fn address(api: &Api) -> SocketAddr {
    match api.tcp {
        Door::Tcp(address) => address,
        Door::Unix(_) => unreachable!("it is the door of TCP"),
    }
}

/// Reads to the end, and returns what came.
fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn assert_closed_after(seconds: u64, what: &str, client: impl FnOnce()) {
    let began = clock::monotonic();
    client();
    let took = began.elapsed();
    let bounds = Duration::from_secs(seconds - 1)..Duration::from_secs(seconds + SLACK);
    assert!(bounds.contains(&took), "{what}: {took:?}");
}

#[test]
fn clients_that_stall_are_let_go() {
    let api = Api::start("none");
    let address = address(&api);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_closed_after(10, "it says nothing", || {
                assert!(until_closed(&mut connect(address)).is_empty());
            });
        });
        scope.spawn(|| {
            assert_closed_after(10, "half a head", || {
                let mut stream = connect(address);
                stream
                    .write_all(b"GET /healthz HTTP/1.1\r\nHost: lo")
                    .unwrap();
                until_closed(&mut stream);
            });
        });
        scope.spawn(|| {
            assert_closed_after(10, "a head in drops", || {
                let mut stream = connect(address);
                stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
                while stream.write_all(b"x").is_ok() {
                    pause();
                }
            });
        });
        scope.spawn(|| {
            assert_closed_after(10, "nothing more after an answer", || {
                let mut stream = connect(address);
                let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
                stream.write_all(request).unwrap();
                assert!(until_closed(&mut stream).starts_with(b"HTTP/1.1 200 "));
            });
        });
        scope.spawn(|| {
            assert_closed_after(15, "half a body", || {
                let mut stream = connect(address);
                let request = b"POST /api/v1/jobs/talk/trigger HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
                stream.write_all(request).unwrap();
                assert!(until_closed(&mut stream).starts_with(b"HTTP/1.1 408 "));
            });
        });
        scope.spawn(|| {
            assert_closed_after(30, "it never reads", || {
                let mut stream = connect(address);
                stream.set_nonblocking(true).unwrap();
                let request = b"GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
                loop {
                    match stream.write(&request) {
                        Ok(_) => {}
                        Err(why) if why.kind() == ErrorKind::WouldBlock => pause(),
                        Err(_) => break,
                    }
                }
            });
        });
    });
    assert_eq!(api.tcp.get("/healthz").status(), 200);
}

/// A tenth of a second, more or less.
fn pause() {
    (0..20).for_each(|_| breathe());
}

#[test]
fn a_crowd_gets_places_as_they_come_free_and_locks_nobody_out() {
    let api = Api::start("none");
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let crowd: Vec<TcpStream> = (0..2_000).map(|_| connect(address(&api))).collect();

    let asked = clock::monotonic();
    assert_eq!(api.unix.get("/api/v1/jobs").status(), 200);
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    let descriptors = api.daemon.descriptors();
    assert!(descriptors < 1_024 + 64 + 64 + 100, "{descriptors}");
    wait_until("a place", || {
        let answer = api
            .tcp
            .bytes(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let understood = ["HTTP/1.1 200 ", "HTTP/1.1 503 "];
        assert!(
            answer.is_empty() || understood.iter().any(|it| answer.starts_with(it)),
            "{answer}"
        );
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    });
    drop(crowd);
    wait_until("the crowd is gone", || {
        (api.daemon.descriptors() < 150).then_some(())
    });
}

#[test]
fn requests_under_way_are_answered_before_the_end() {
    let api = Api::start("none");
    let door = api.unix.clone();
    let waiting =
        std::thread::spawn(move || door.post("/api/v1/jobs/sleep/trigger?wait=true").send());
    wait_until("the run", || {
        let runs = api.unix.get("/api/v1/jobs/sleep/runs?status=running").ok();
        runs["items"][0].is_object().then_some(())
    });
    let socket = api.place.path("punctual.sock");
    assert!(socket.exists());
    assert!(api.daemon.terminate().success());
    let answer = waiting.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let run = answer.json();
    assert_eq!(
        (run["status"].as_str(), run["reason"].as_str()),
        (Some("cancelled"), Some("shutdown"))
    );
    assert!(!socket.exists(), "the socket's file goes with the daemon");
}

/// What watches processes, and what decides, has threads of its own beside these.
#[test]
fn however_many_ask_so_many_threads_answer() {
    let place = Place::new(&jobs(300, |n| {
        format!(
            "[jobs.j{n}]\ncron = \"{} * * * *\"\ncommand = [\"true\"]\n",
            n % 60
        )
    }));
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let answering = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
        let names = threads.flatten().map(|thread| {
            // It may have ended meanwhile.
            std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default()
        });
        names.filter(|name| name.trim_end() == "api").count()
    };
    let (clients, answers) = (40, std::sync::atomic::AtomicUsize::new(0));
    let mut most = 0;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                for _ in 0..5 {
                    let far = "/api/v1/upcoming?limit=500&cursor=3000000000000000~a";
                    door.get(far).ok();
                    answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
        wait_until("all answers", || {
            most = most.max(answering());
            let all = answers.load(std::sync::atomic::Ordering::Relaxed) == clients * 5;
            all.then_some(())
        });
    });
    assert!((3..=10).contains(&most), "{most}");
}
