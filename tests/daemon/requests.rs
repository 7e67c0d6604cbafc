//! HTTP jobs of a real daemon.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use super::cli::{ended, json, punctual};
use super::daemon::{Daemon, PATIENCE, Place, wait_until};
use super::http::Door;
use crate::web::{Asked, Server, answer, closed};

/// A job that only runs when it is asked to.
fn by_hand(name: &str, http: &str, more: &str) -> String {
    format!("[jobs.{name}]\nevery = '1000d'\nhttp = {{ {http} }}\n{more}\n")
}

fn door(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

/// Triggers a job and waits for the end of its run.
fn run(place: &Place, job: &str, body: &str) -> Value {
    let asked = door(place).post(&format!("/api/v1/jobs/{job}/trigger"));
    let answer = asked.json(body).send();
    assert_eq!(answer.status, 202, "{job}: {answer:?}");
    end(place, answer.header("location").unwrap())
}

fn end(place: &Place, run: &str) -> Value {
    wait_until("its end", || {
        let shown = door(place).get(run).ok();
        shown["finished_at"].is_string().then_some(shown)
    })
}

/// A daemon that has these in its environment.
fn start_with(place: &Place, environment: &[(&str, &str)]) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command
        .args(place.arguments())
        .stdin(Stdio::null())
        .envs(environment.iter().copied());
    let mut daemon = Daemon::spawn(place.with_folders(&mut command));
    daemon.wait_for_log("ready");
    daemon
}

/// A server that answers with what it was asked: status 404 for other paths than those below `/ok`.
fn echo() -> Server {
    Server::start(|asked: &Asked, wire| {
        let own = asked.headers.get("x-own").map_or("", String::as_str);
        let text = format!("{} {} {own} {}", asked.method, asked.path, asked.body);
        let status = if asked.path.starts_with("/ok") {
            "200 OK"
        } else {
            "404 Not Found"
        };
        answer(wire, status, &text)
    })
}

#[test]
fn each_value_of_each_key_of_a_request_is_seen() {
    let server = echo();
    let url = |path| format!("url = '{}'", server.url(path));
    let ok = url("/ok");
    let post = format!("method = 'POST', {ok}");
    let expected = [
        (format!("method = 'GET', {ok}"), "200 GET /ok  "),
        (format!("method = 'PUT', {ok}"), "200 PUT /ok  "),
        (url("/ok/a?b"), "200 GET /ok/a?b  "),
        (
            url("/lost"),
            "404 GET /lost   expected status 2xx, got 404 Not Found",
        ),
        (format!("headers = {{}}, {ok}"), "200 GET /ok  "),
        (
            format!("headers = {{ X-Own = 'mine' }}, {ok}"),
            "200 GET /ok mine ",
        ),
        (
            // A secret is sent, and masked where the answer repeats it.
            format!("headers = {{ X-Own = {{ env = 'OWN' }} }}, {ok}"),
            "200 GET /ok *** ",
        ),
        (format!("body = '', {post}"), "200 POST /ok  "),
        (format!("body = 'text', {post}"), "200 POST /ok  text"),
        (
            format!("expect_status = ['4xx'], {}", url("/lost")),
            "404 GET /lost  ",
        ),
        (
            format!("expect_status = [204], {ok}"),
            "200 GET /ok   expected status 204, got 200 OK",
        ),
        (format!("expect_body = 'GET /o', {ok}"), "200 GET /ok  "),
        (
            format!("expect_body = 'ready', {ok}"),
            "200 GET /ok   the answer does not contain \"ready\"",
        ),
        (
            format!("max_response_bytes = '64KiB', {ok}"),
            "200 GET /ok  ",
        ),
        (format!("max_response_bytes = '5B', {ok}"), "200 GET /"),
    ];
    let mut jobs = String::new();
    for (number, (http, _)) in expected.iter().enumerate() {
        jobs += &by_hand(&format!("n{number}"), http, "");
    }
    let place = Place::new(&jobs);
    let _daemon = start_with(&place, &[("OWN", "a-secret")]);
    let mut failures = String::new();
    for (number, (http, seen)) in expected.iter().enumerate() {
        let run = run(&place, &format!("n{number}"), "{}");
        let id = run["id"].as_str().unwrap();
        let output = door(&place).get(&format!("/api/v1/runs/{id}/output?stream=stdout"));
        let mut found = format!("{} {}", run["http_status"], output.send().text());
        if let Some(reason) = run["reason"].as_str() {
            let _ = write!(found, " {reason}");
        }
        let status = if run["reason"].is_null() {
            "succeeded"
        } else {
            "failed"
        };
        if found != *seen || run["status"] != status {
            let _ = writeln!(
                failures,
                "{http}: not {seen:?} but {found:?}, {}",
                run["status"]
            );
        }
        assert_eq!(run["attempt_list"][0]["http_status"], run["http_status"]);
        assert_eq!(run["attempt_list"][0]["pid"], Value::Null);
    }
    assert!(failures.is_empty(), "\n{failures}");
    let own: Vec<_> = server
        .asked()
        .into_iter()
        .filter_map(|it| it.headers.get("x-own").cloned())
        .collect();
    assert_eq!(own, ["mine", "a-secret"]);
}

#[test]
fn a_server_of_a_known_authority_is_trusted() {
    let server = Server::secure(|_, wire| answer(wire, "200 OK", "ok"));
    let port = server.port;
    let place = Place::new(
        &(by_hand("known", &format!("url = 'https://localhost:{port}/'"), "")
            + &by_hand(
                "misnamed",
                &format!("url = 'https://127.0.0.1:{port}/'"),
                "",
            )),
    );
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    let daemon = start_with(&place, &[("SSL_CERT_FILE", authority)]);
    let run_of = |job| run(&place, job, "{}");
    assert_eq!(run_of("known")["http_status"], 200);
    let misnamed = run_of("misnamed");
    let why = misnamed["reason"].as_str().unwrap();
    assert!(why.contains("is for another name"), "{why}");
    daemon.terminate();
    // And where the machine knows nobody, that is told.
    let _daemon = start_with(
        &place,
        &[("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nowhere")],
    );
    let unknown = run_of("known");
    let why = unknown["reason"].as_str().unwrap();
    assert!(why.contains("install ca-certificates"), "{why}");
}

#[test]
fn parameters_are_sent_and_secrets_are_shown_nowhere() {
    let server = Server::start(|asked, wire| {
        let echoed = format!("{asked:?}");
        answer(wire, "500 Oops", &echoed)
    });
    let secret = "url = { env = 'HOOK' }, headers = { Authorization = { file = 'key' } }";
    let place = Place::new(&by_hand(
        "a",
        secret,
        "params = { who_else = { default = 'all' } }",
    ));
    std::fs::write(place.path("key"), "Bearer hunter22\n").unwrap();
    let hook = server.url("/T0KEN");
    let daemon = start_with(&place, &[("HOOK", &hook), ("RUST_LOG", "trace")]);
    let run = run(&place, "a", r#"{"params": {"who_else": "Zoë"}}"#);
    let asked = server.asked().remove(0);
    assert_eq!(asked.headers["authorization"], "Bearer hunter22");
    assert_eq!(asked.headers["punctual-param-who-else"], "Zo%C3%AB");
    assert_eq!(asked.headers["punctual-job"], "a");
    assert_eq!(asked.headers["punctual-trigger"], "manual");
    let instant = run["scheduled_at"].as_str().unwrap();
    assert_eq!(asked.headers["punctual-scheduled-at"], instant);

    let id = run["id"].as_str().unwrap();
    let mut seen = run.to_string();
    for path in [
        format!("/api/v1/runs/{id}/output"),
        "/api/v1/jobs/a".to_owned(),
        "/api/v1/jobs".to_owned(),
    ] {
        seen += &door(&place).get(&path).send().text();
    }
    seen += &daemon.log_to_its_end().join("\n");
    for secret in ["hunter22", "T0KEN"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    assert!(seen.contains("punctual-job"), "the output is there: {seen}");
}

#[test]
fn a_trigger_that_waits_tells_success_failure_and_timeout() {
    let server = Server::start(|asked, wire| match asked.path.as_str() {
        "/ok" => answer(wire, "200 OK", "fine\n"),
        "/bad" => answer(wire, "503 Service Unavailable", "busy\n"),
        _ => {
            closed(wire);
            false
        }
    });
    let url = |path| format!("url = '{}'", server.url(path));
    let place = Place::new(
        &(by_hand("ok", &url("/ok"), "")
            + &by_hand("bad", &url("/bad"), "")
            + &by_hand("none", "url = 'http://no-such-host.invalid/'", "")
            + &by_hand("slow", &url("/slow"), "timeout = '100ms'")),
    );
    let _daemon = place.start();
    for (job, code, out, err) in [
        ("ok", 0, "fine\n", "HTTP/1.1 200 OK"),
        ("bad", 1, "busy\n", "got 503 Service Unavailable"),
        ("none", 1, "", "no address of no-such-host.invalid"),
        ("slow", 124, "", "did not answer within 100ms"),
    ] {
        let (found, stdout, stderr) = ended(&punctual(&place, &["trigger", job, "--wait"]));
        assert_eq!(
            (found, stdout.as_str()),
            (Some(code), out),
            "{job}: {stderr}"
        );
        assert!(stderr.contains(err), "{job}: {stderr}");
    }
    let runs = json(&place, &["runs", "--job", "bad"]);
    let id = runs["items"][0]["id"].as_str().unwrap();
    let shown = super::cli::said(&place, &["run", id]);
    assert!(shown.contains("HTTP 503"), "{shown}");
}

#[test]
fn a_request_under_way_is_dropped_and_what_it_may_have_done_is_told() {
    let (begun, begins) = mpsc::channel();
    let (gone, ends) = mpsc::channel();
    let server = Server::start(move |_, wire| {
        begun.send(()).unwrap();
        closed(wire);
        // The last one outlives the test.
        let _ = gone.send(());
        false
    });
    let place = Place::new(&format!(
        "[scheduler]\nshutdown_grace = '0s'\n{}",
        by_hand("a", &format!("url = '{}'", server.url("/")), "")
    ));
    let daemon = place.start();
    let trigger = || {
        let asked = door(&place).post("/api/v1/jobs/a/trigger").send();
        begins.recv_timeout(PATIENCE).unwrap();
        asked.header("location").unwrap().to_owned()
    };
    let reason = |cause: &str| {
        format!("{cause}: its request was under way, and the server may have acted on it")
    };
    let run = trigger();
    let asked = door(&place).post(&format!("{run}/cancel")).send();
    assert_eq!(asked.status, 202);
    ends.recv_timeout(PATIENCE).unwrap();
    let ended = end(&place, &run);
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(ended["reason"], reason("requested"));
    let why = super::cli::said(
        &place,
        &[
            "why",
            "a",
            &format!("--at={}", ended["scheduled_at"].as_str().unwrap()),
        ],
    );
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        why.contains("asked for that; its request was under way"),
        "{why}"
    );

    trigger();
    assert!(daemon.terminate().success());
    ends.recv_timeout(PATIENCE).unwrap();
    assert!(
        place
            .rows()
            .iter()
            .any(|row| row.status == "cancelled" && row.reason == Some(reason("shutdown")))
    );

    let daemon = place.start();
    let run = trigger();
    daemon.kill9();
    let _daemon = place.start();
    let ended = end(&place, &run);
    assert_eq!(
        (&ended["status"], &ended["reason"]),
        (&"lost".into(), &"daemon_died".into())
    );
}

#[test]
fn what_failed_is_asked_again() {
    let server = Server::start({
        let asked = std::sync::atomic::AtomicUsize::new(0);
        move |_, wire| {
            let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            answer(wire, if first { "503 Busy" } else { "200 OK" }, "")
        }
    });
    let retry = "retry = { max_retries = 3, initial_delay = '10ms' }";
    let place = Place::new(&by_hand(
        "a",
        &format!("url = '{}'", server.url("/")),
        retry,
    ));
    let _daemon = place.start();
    let run = run(&place, "a", "{}");
    assert_eq!(
        (&run["status"], &run["http_status"]),
        (&"succeeded".into(), &200.into())
    );
    let statuses: Vec<_> = [0, 1]
        .map(|n| run["attempt_list"][n]["http_status"].clone())
        .into();
    assert_eq!(statuses, [503, 200]);
    let numbers: Vec<_> = server
        .asked()
        .iter()
        .map(|it| it.headers["punctual-attempt"].clone())
        .collect();
    assert_eq!(numbers, ["1", "2"]);
}

#[test]
fn the_request_of_the_sample_finds_the_daemon_alive() {
    let sample = include_str!("../../config/config.toml");
    let request = sample.lines().find(|line| line.starts_with("http = "));
    let request = request.unwrap();
    let place = Place::new("");
    let configure = |request: &str| {
        let folder = place.folder.path().display();
        let config = format!(
            "[server]\nlisten = ['127.0.0.1:0']\nauth = 'none'\n\
             unix_socket = '{folder}/punctual.sock'\n\
             [store]\nurl = 'sqlite:{folder}/state/punctual.db'\n\
             [jobs.health]\nevery = '1000d'\n{request}\n"
        );
        std::fs::write(place.path("config.toml"), config).unwrap();
    };
    configure(request);
    let mut daemon = place.spawn();
    let line: Value = serde_json::from_str(&daemon.wait_for_log("the API listens")).unwrap();
    let port = line["address"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1;
    // Only now is it known where the API is.
    configure(&request.replace(":7878", &format!(":{port}")));
    super::cli::said(&place, &["reload"]);
    let run = run(&place, "health", "{}");
    assert_eq!(
        (&run["status"], &run["http_status"]),
        (&"succeeded".into(), &200.into()),
        "{run}"
    );
}
