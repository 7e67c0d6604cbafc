//! HTTP jobs against real servers.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use punctual::clock;
use punctual::job::{
    Action, AttemptEnd, Expected, HttpCall, KeepOutput, Method, OutputLimits, StopCause, Value,
};
use punctual::runner::Stream;

use crate::desk::{Ended, PATIENCE, Running, begin, desk};
use crate::web::{Server, answer, closed};

fn get(url: impl Into<String>) -> HttpCall {
    HttpCall {
        method: Method::Get,
        url: Value::Plain(url.into()),
        headers: BTreeMap::new(),
        body: None,
        expect_status: vec![Expected::Class(2)],
        expect_body: None,
        max_response_bytes: 64 << 10,
        timeout: Some(PATIENCE),
        output: OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        },
    }
}

fn send(call: HttpCall) -> Running {
    begin(Action::Http(Arc::new(call)))
}

fn ask(call: HttpCall) -> Ended {
    send(call).end()
}

/// Why it failed, and with which status.
fn failure(ended: &Ended) -> (Option<u16>, String) {
    match &ended.end {
        AttemptEnd::Answered {
            status,
            failure: Some(why),
        } => (*status, why.clone()),
        other => panic!("not a failure: {other:?}"),
    }
}

fn success(status: u16) -> AttemptEnd {
    AttemptEnd::Answered {
        status: Some(status),
        failure: None,
    }
}

fn stream(ended: &Ended, stream: Stream) -> String {
    String::from_utf8(ended.output.render(Some(stream))).unwrap()
}

#[test]
fn the_status_is_judged_and_the_answer_kept() {
    let server = Server::start(|asked, wire| match asked.path.as_str() {
        "/ok" => answer(wire, "200 OK", "all is well"),
        "/made" => answer(wire, "201 Created", ""),
        _ => answer(wire, "503 Service Unavailable", "too busy"),
    });
    let ended = ask(get(server.url("/ok")));
    assert_eq!(ended.end, success(200));
    assert!(ended.started);
    assert_eq!(ended.text(), "HTTP/1.1 200 OK\nall is well");
    assert_eq!(stream(&ended, Stream::Stdout), "all is well");
    assert_eq!(ask(get(server.url("/made"))).end, success(201));

    let ended = ask(get(server.url("/busy")));
    let why = "expected status 2xx, got 503 Service Unavailable";
    assert_eq!(failure(&ended), (Some(503), why.to_owned()));
    assert_eq!(stream(&ended, Stream::Stdout), "too busy");

    let mut strict = get(server.url("/made"));
    strict.expect_status = vec![Expected::Status(200), Expected::Class(5)];
    let why = "expected status 200 or 5xx, got 201 Created";
    assert_eq!(failure(&ask(strict.clone())), (Some(201), why.to_owned()));
    strict.url = Value::Plain(server.url("/busy"));
    assert_eq!(ask(strict).end, success(503));
}

#[test]
fn the_request_is_as_written_and_carries_the_facts() {
    let server = Server::start(|_, wire| answer(wire, "200 OK", ""));
    let mut call = get(server.url("/x?y=z"));
    call.method = Method::Put;
    call.body = Some(Value::Plain("{\"a\": 1}".to_owned()));
    call.headers = BTreeMap::from([
        (
            "Content-Type".into(),
            Value::Plain("application/json".into()),
        ),
        ("X-Own".into(), Value::Plain("ü".into())),
    ]);
    let running = send(call);
    let run = running.run;
    assert_eq!(running.end().end, success(200));
    let asked = server.asked().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("PUT", "/x?y=z")
    );
    assert_eq!(asked.body, "{\"a\": 1}");
    let version = concat!("punctual/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-own", "ü"),
        ("user-agent", version),
        ("punctual-job", "test"),
        ("punctual-run-id", &run.to_string()),
        ("punctual-attempt", "1"),
        ("punctual-trigger", "manual"),
    ] {
        assert_eq!(
            asked.headers.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(!asked.headers.contains_key("cookie"), "{asked:?}");
}

#[test]
fn the_body_must_contain_what_is_expected() {
    let server = Server::start(|_, wire| {
        // Cut in two on the wire as well.
        let sent = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nstate: hea");
        let flushed = wire.flush();
        sent.is_ok() && flushed.is_ok() && wire.write_all(b"lthy").is_ok()
    });
    let mut call = get(server.url("/"));
    call.expect_body = Some("healthy".to_owned());
    assert_eq!(ask(call.clone()).end, success(200));
    call.max_response_bytes = 13;
    let why = "the first 13 bytes of the answer do not contain \"healthy\"";
    assert_eq!(failure(&ask(call.clone())), (Some(200), why.to_owned()));
    call.max_response_bytes = 14;
    assert_eq!(ask(call.clone()).end, success(200));
    call.expect_body = Some("sick".to_owned());
    let why = "the answer does not contain \"sick\"";
    assert_eq!(failure(&ask(call)), (Some(200), why.to_owned()));
}

#[test]
fn of_an_endless_answer_no_more_is_read_than_wanted() {
    let (stopped, sees) = mpsc::channel();
    let server = Server::start(move |_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let mut sent = 0_u64;
        while wire.write_all(&[b'x'; 4096]).is_ok() {
            sent += 4096;
        }
        stopped.send(sent).unwrap();
        false
    });
    let mut call = get(server.url("/"));
    call.max_response_bytes = 10_000;
    let ended = ask(call);
    assert_eq!(ended.end, success(200));
    assert_eq!(stream(&ended, Stream::Stdout), "x".repeat(10_000));
    let told = stream(&ended, Stream::Stderr);
    assert!(
        told.contains("longer than 10000 bytes (max_response_bytes)"),
        "{told}"
    );
    // What the kernel held on its way, and no more: the connection is closed.
    let sent = sees.recv_timeout(PATIENCE).unwrap();
    assert!(sent < 32 << 20, "{sent}");
}

#[test]
fn each_phase_has_its_timeout() {
    let headers = Server::start(|_, wire| {
        closed(wire);
        false
    });
    let body = Server::start(|_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        closed(wire);
        false
    });
    let mut call = get(headers.url("/"));
    call.timeout = Some(Duration::from_millis(100));
    let AttemptEnd::TooSlow { status: None, why } = ask(call.clone()).end else {
        panic!("no time-out");
    };
    assert!(why.contains("did not answer within 100ms"), "{why}");
    assert!(why.contains("may have acted"), "{why}");
    call.url = Value::Plain(body.url("/"));
    // Long enough for its beginning to arrive on a busy machine.
    call.timeout = Some(Duration::from_secs(2));
    let ended = ask(call);
    let AttemptEnd::TooSlow {
        status: Some(200),
        why,
    } = &ended.end
    else {
        panic!("no time-out: {ended:?}");
    };
    assert!(why.contains("(4 bytes of its body had come)"), "{why}");
    assert_eq!(stream(&ended, Stream::Stdout), "half");
}

fn redirecting(to: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Server {
    Server::start(move |asked, wire| match to(&asked.path) {
        Some(to) => write!(
            wire,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        )
        .is_ok(),
        None => answer(wire, "200 OK", "here"),
    })
}

#[test]
fn redirects_to_the_same_server_are_followed() {
    let server = redirecting(|path| match path {
        "/a" => Some("/b".to_owned()),
        "/b" => Some("c?d".to_owned()),
        _ => None,
    });
    let mut call = get(server.url("/a"));
    call.method = Method::Post;
    call.body = Some(Value::Plain("text".into()));
    call.headers = BTreeMap::from([("Authorization".into(), Value::Plain("me".into()))]);
    let ended = ask(call.clone());
    assert_eq!(ended.end, success(200));
    assert_eq!(
        ended.text(),
        "HTTP/1.1 302 Found\nHTTP/1.1 302 Found\nHTTP/1.1 200 OK\nhere"
    );
    let asked = server.asked();
    let seen: Vec<_> = asked
        .iter()
        .map(|it| (it.method.as_str(), it.path.as_str(), it.body.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("POST", "/a", "text"),
            ("GET", "/b", ""),
            ("GET", "/c?d", "")
        ]
    );
    assert!(asked.iter().all(|it| it.headers["authorization"] == "me"));

    // Who expects the redirect itself gets it.
    for itself in [Expected::Status(302), Expected::Class(3)] {
        call.expect_status = vec![Expected::Status(200), itself];
        assert_eq!(ask(call.clone()).end, success(302));
    }
    assert_eq!(server.asked().len(), 5);
}

#[test]
fn other_redirects_are_refused_and_no_secret_leaves() {
    let other = Server::start(|_, wire| answer(wire, "200 OK", ""));
    let target = other.url("/elsewhere");
    let server = redirecting(move |_| Some(target.clone()));
    let ended = ask(get(server.url("/")));
    let (status, why) = failure(&ended);
    assert_eq!(status, Some(302));
    let named = format!("redirects to http://127.0.0.1:{}", other.port);
    assert!(why.contains(&named), "{why}");
    assert_eq!(other.connections(), 0);

    let round = redirecting(|path| Some(format!("{path}x")));
    let (status, why) = failure(&ask(get(round.url("/"))));
    assert_eq!(status, Some(302));
    assert!(why.contains("after 10 redirects"), "{why}");
    assert_eq!(round.asked().len(), 11);
}

#[test]
fn without_a_connection_the_reason_says_why() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (status, why) = failure(&ask(get(format!("http://127.0.0.1:{port}/path"))));
    assert_eq!(status, None);
    assert!(
        why.starts_with(&format!("127.0.0.1:{port} refused")),
        "{why}"
    );
    let (status, why) = failure(&ask(get("http://no-such-host.invalid/path")));
    assert_eq!(status, None);
    assert!(
        why.starts_with("no address of no-such-host.invalid"),
        "{why}"
    );
}

#[test]
fn a_certificate_of_nobody_known_is_refused() {
    let server = Server::secure(|_, wire| answer(wire, "200 OK", ""));
    let call = get(format!("https://localhost:{}/", server.port));
    let (status, why) = failure(&ask(call));
    assert_eq!(status, None);
    assert!(why.starts_with("the certificate of localhost:"), "{why}");
    assert_eq!(server.asked().len(), 0);
    // And what is no TLS at all is told as such.
    let plain = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = plain.local_addr().unwrap().port();
    let answers = std::thread::spawn(move || {
        let (mut wire, _) = plain.accept().unwrap();
        wire.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        closed(&mut wire);
    });
    let (_, why) = failure(&ask(get(format!("https://127.0.0.1:{port}/"))));
    answers.join().unwrap();
    assert!(why.starts_with("no TLS connection to"), "{why}");
}

#[test]
fn hostile_servers() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(8 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    let cases: [(&'static [u8], &str, Option<u16>); 8] = [
        (b"NONSENSE\r\n\r\n", "is not HTTP", None),
        (b"\x00\xff\x00\xff\r\n\r\n", "is not HTTP", None),
        (b"HTTP/1.1 999999 What\r\n\r\n", "is not HTTP", None),
        (b"", "closed the connection before", None),
        (b"HTTP/1.1 200 O", "closed the connection before", None),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            "closed the connection before",
            Some(200),
        ),
        (huge.leak().as_bytes(), "too large", None),
        (many.leak().as_bytes(), "too large", None),
    ];
    for (bytes, says, expected) in cases {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]);
        let server = Server::saying(bytes);
        let (status, why) = failure(&ask(get(server.url("/secret-path"))));
        assert_eq!(status, expected, "{start:?}");
        assert!(why.contains(says), "{start:?}: {why}");
        assert!(!why.contains("secret-path"), "{start:?}: {why}");
    }
}

#[test]
fn connections_are_used_again() {
    let server = Server::start(|_, wire| answer(wire, "200 OK", "ok"));
    for _ in 0..20 {
        assert_eq!(ask(get(server.url("/"))).end, success(200));
    }
    assert_eq!(server.asked().len(), 20);
    // One that is not back in the pool when the next request goes out is no fault.
    assert!(server.connections() < 10, "{}", server.connections());
}

#[test]
fn a_stop_drops_the_connection() {
    for hurry in [false, true] {
        let (asked, begun) = mpsc::channel();
        let (gone, dropped) = mpsc::channel();
        let server = Server::start(move |_, wire| {
            asked.send(()).unwrap();
            closed(wire);
            gone.send(()).unwrap();
            false
        });
        let running = send(get(server.url("/")));
        begun.recv_timeout(PATIENCE).unwrap();
        let cause = if hurry {
            StopCause::Shutdown
        } else {
            StopCause::Requested
        };
        desk().runner.stop(running.run, 1, cause);
        let expected = AttemptEnd::Dropped {
            cause,
            status: None,
        };
        assert_eq!(running.end().end, expected);
        dropped.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn secrets_are_masked_in_output_and_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Value::File(path)
    };
    let server = Server::start(|asked, wire| {
        let token = asked.headers["authorization"].replace("Bearer ", "");
        let (front, back) = token.split_at(3);
        let length = token.len() + asked.path.len() + asked.body.len();
        // The token comes in two pieces.
        let head = format!("HTTP/1.1 500 Oops\r\nContent-Length: {length}\r\n\r\n{front}");
        let sent = wire.write_all(head.as_bytes());
        sent.is_ok() && write!(wire, "{back}{}{}", asked.path, asked.body).is_ok()
    });
    let mut call = get("");
    call.method = Method::Post;
    call.url = file("url", &format!("{}\n", server.url("/hook/T0KEN")));
    call.body = Some(file("body", "s3cret-b0dy\n"));
    call.headers = BTreeMap::from([("Authorization".into(), file("header", "Bearer hunter22\n"))]);
    let ended = ask(call.clone());
    let why = "expected status 2xx, got 500 Internal Server Error";
    assert_eq!(failure(&ended), (Some(500), why.to_owned()));
    assert_eq!(stream(&ended, Stream::Stdout), "*********");
    let asked = server.asked().remove(0);
    assert_eq!(asked.headers["authorization"], "Bearer hunter22");
    assert_eq!(
        (asked.path.as_str(), asked.body.as_str()),
        ("/hook/T0KEN", "s3cret-b0dy")
    );

    // Not even where the config itself tells it.
    call.expect_status = vec![Expected::Status(500)];
    call.expect_body = Some("hunter22 is well".to_owned());
    let why = "the answer does not contain \"*** is well\"";
    assert_eq!(failure(&ask(call.clone())), (Some(500), why.to_owned()));
    call.url = file("url", "http://hidden-host.invalid/T0KEN");
    let (_, why) = failure(&ask(call.clone()));
    assert!(why.starts_with("no address of the server"), "{why}");
    assert!(!why.contains("T0KEN") && !why.contains("hidden"), "{why}");
    call.url = file("url", "https://ann:hunter22@host/");
    let ended = ask(call);
    assert!(!ended.started);
    let AttemptEnd::NotStarted(why) = ended.end else {
        panic!("{ended:?}")
    };
    assert!(
        why.contains("http.url") && !why.contains("hunter22"),
        "{why}"
    );
}

#[test]
fn five_hundred_at_once() {
    let server = Server::start(|_, wire| answer(wire, "200 OK", "ok"));
    let begun = clock::monotonic();
    let all: Vec<_> = (0..500).map(|_| send(get(server.url("/")))).collect();
    for running in all {
        assert_eq!(running.end().end, success(200));
    }
    assert_eq!(server.asked().len(), 500);
    eprintln!("500 requests in {:?}", begun.elapsed());
}
