//! Signing in and out of the real daemon, as a browser does.

use std::time::Duration;

use punctual::clock;
use serde_json::json;

use super::api::{Api, problem};
use super::daemon::{PATIENCE, wait_until};
use super::http::{Answer, Ask, Door, Opened};

fn signs_in(door: &Door, token: &str) -> Ask {
    let body = json!({ "token": token }).to_string();
    door.post("/session").json(&body)
}

/// What a browser would send as `Cookie` after this answer.
fn cookie_in(answer: &Answer) -> String {
    let given = answer.header("set-cookie").unwrap();
    given.split(';').next().unwrap().to_owned()
}

/// The cookie of a new session.
pub fn cookie_of(door: &Door, token: &str) -> String {
    let answer = signs_in(door, token).send();
    assert_eq!(answer.status, 200, "{answer:?}");
    cookie_in(&answer)
}

fn assert_ends(stream: &mut Opened) {
    let deadline = clock::monotonic() + PATIENCE;
    while stream.next().is_some() {
        assert!(clock::monotonic() < deadline, "the stream goes on");
    }
}

fn port(door: &Door) -> u16 {
    match door {
        Door::Tcp(address) => address.port(),
        Door::Unix(_) => unreachable!("it is the door of TCP"),
    }
}

#[test]
fn a_token_is_shown_once_and_the_session_is_no_more_than_it() {
    let api = Api::start("token");
    let answer = signs_in(&api.tcp, "some-secret").send();
    let expected = json!({
        "name": "some", "role": "operator", "jobs": ["ta*", "sl*"], "auth": "token", "session": true
    });
    assert_eq!(answer.json(), expected);
    let given = answer.header("set-cookie").unwrap();
    let mut parts = given.split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, format!("punctual_session_{}", port(&api.tcp)));
    assert!(
        value.len() == 64 && !given.contains("some-secret"),
        "{given}"
    );
    assert_eq!(
        parts.collect::<Vec<_>>(),
        ["Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"]
    );

    let cookie = cookie_in(&answer);
    let get = |path: &str| api.tcp.get(path).with("Cookie", &cookie);
    assert_eq!(get("/session").ok(), expected);
    assert_eq!(get("/api/v1/jobs/talk").status(), 200);
    assert_eq!(get("/api/v1/jobs/beat").status(), 404);
    assert_eq!(get("/api/v1/config/diff").status(), 403);
    let reload = api.tcp.post("/api/v1/reload").with("Cookie", &cookie);
    let reload = reload.header("Sec-Fetch-Site", "same-origin").send();
    assert_eq!(problem(&reload), "forbidden");

    // A token that is shown beside it decides alone, a wrong one too.
    let admin = get("/session").token(Some("admin-secret")).ok();
    assert!(
        admin["name"] == "admin" && admin["session"] == false,
        "{admin}"
    );
    assert_eq!(get("/session").token(Some("wrong")).status(), 401);
    for (header, sentence) in [
        ("Basic YWRtaW4tc2VjcmV0", "another scheme than Bearer; send"),
        ("Bearer", "there is no token behind Bearer"),
    ] {
        let refused = get("/session").header("Authorization", header).send();
        assert_eq!(refused.status, 401, "{header}");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains(sentence), "{detail}");
    }
    // The cookie of another port is another daemon's.
    let foreign = cookie.replacen("punctual_session_", "punctual_session_1", 1);
    assert_eq!(
        api.tcp.get("/session").with("Cookie", &foreign).status(),
        401
    );
    // Over the Unix socket, its name has no port.
    let unix = cookie_of(&api.unix, "viewer-secret");
    assert!(unix.starts_with("punctual_session="), "{unix}");
    let peer = api.unix.get("/session").with("Cookie", &unix).ok();
    assert_eq!(peer["name"], "viewer");
    let root = api.unix.get("/session").ok();
    assert!(root["role"] == "admin" && root["jobs"].is_null(), "{root}");
}

#[test]
fn wrong_tokens_are_slow_however_many_ask() {
    let api = Api::start("token");
    let began = clock::monotonic();
    let refused = signs_in(&api.tcp, "wrong").send();
    assert_eq!(problem(&refused), "unauthorised");
    assert!(refused.header("set-cookie").is_none());
    assert!(began.elapsed() >= Duration::from_millis(500));
    for body in [
        "",
        "{}",
        "[]",
        r#"{"token": 1}"#,
        r#"{"viewer-secret": ""}"#,
        r#"{"token": ""}"#,
    ] {
        let answer = api.tcp.post("/session").json(body).send();
        assert_eq!(problem(&answer), "wrong-body", "{body}");
        assert!(!answer.text().contains("viewer-secret"), "{answer:?}");
    }
    let form = api.tcp.post("/session").body("token=viewer-secret").send();
    assert_eq!(problem(&form), "not-json");

    // Eight are looked at in half a second, at the door for sessions and by header alike.
    let began = clock::monotonic();
    std::thread::scope(|scope| {
        for n in 0..24 {
            let door = &api.tcp;
            scope.spawn(move || {
                let wrong = match n % 2 {
                    0 => door.get("/api/v1/jobs").token(Some("guess")),
                    _ => signs_in(door, "guess"),
                };
                assert_eq!(wrong.status(), 401);
            });
        }
    });
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_500), "{took:?}");
}

#[test]
fn a_cookie_changes_nothing_unless_the_browser_vouches_for_the_page() {
    let api = Api::start("token");
    let cookie = cookie_of(&api.tcp, "operator-secret");
    let ask = |method: &str, path: &str| api.tcp.ask(method, path).with("Cookie", &cookie);
    let trigger = || ask("POST", "/api/v1/jobs/talk/trigger");
    assert_eq!(problem(&trigger().send()), "cross-site");
    for (name, value) in [
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://evil.example"),
        ("Origin", "http://localhost:1"),
        ("Origin", "null"),
    ] {
        let vouched = trigger().header(name, value);
        assert_eq!(problem(&vouched.send()), "cross-site", "{name}: {value}");
        let out = ask("DELETE", "/session").header(name, value);
        assert_eq!(problem(&out.send()), "cross-site", "{name}: {value}");
        let again = ask("POST", "/session").header(name, value);
        assert_eq!(problem(&again.send()), "cross-site", "{name}: {value}");
    }
    assert_eq!(trigger().header("Origin", "http://localhost").status(), 202);
    let by_site = trigger().header("Sec-Fetch-Site", "same-origin");
    assert!(matches!(by_site.status(), 202 | 409));
    // A program with a token has no browser to vouch for it, and needs none.
    let program = ask("POST", "/api/v1/jobs/sleep/trigger").token(Some("operator-secret"));
    let run = program.send().header("location").unwrap().to_owned();
    let run = ask("GET", &run).ok();
    assert_eq!(run["requested_by"], "token:operator");
}

#[test]
fn a_program_signs_in_and_out_with_its_cookie_alone() {
    let api = Api::start("token");
    let cookie = cookie_of(&api.tcp, "viewer-secret");
    let out = || {
        api.tcp
            .ask("DELETE", "/session")
            .with("Cookie", &cookie)
            .status()
    };
    assert_eq!(out(), 204);
    let who = api.tcp.get("/session").with("Cookie", &cookie);
    assert_eq!(who.status(), 401);
    // The cookie is dead now, and in nobody's way.
    assert_eq!(out(), 204);
    let again = signs_in(&api.tcp, "viewer-secret").with("Cookie", &cookie);
    let again = cookie_in(&again.send());
    assert_ne!(again, cookie);
    let who = api.tcp.get("/session").with("Cookie", &again);
    assert_eq!(who.status(), 200);
}

#[test]
fn signing_out_and_a_reload_end_sessions_for_good() {
    let mut api = Api::start("token");
    let (one, other) = (
        cookie_of(&api.tcp, "viewer-secret"),
        cookie_of(&api.tcp, "some-secret"),
    );
    let status = |api: &Api, cookie: &str| api.tcp.get("/session").with("Cookie", cookie).status();
    let stream =
        |api: &Api, cookie: &str| api.tcp.get("/api/v1/events").with("Cookie", cookie).open();
    let (mut ones, mut others) = (stream(&api, &one), stream(&api, &other));
    let out = api.tcp.ask("DELETE", "/session").with("Cookie", &one);
    let out = out.header("Origin", "http://localhost").send();
    assert_eq!(out.status, 204);
    let taken = out.header("set-cookie").unwrap();
    let name = one.split('=').next().unwrap();
    assert_eq!(
        taken,
        format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    );
    assert_eq!((status(&api, &one), status(&api, &other)), (401, 200));
    assert_ends(&mut ones);
    // Out is out, whoever asks again.
    let nobody = api.tcp.ask("DELETE", "/session").send();
    assert_eq!(nobody.status, 204);

    // Signing in anew ends the session that the browser had.
    let again = signs_in(&api.tcp, "viewer-secret").with("Cookie", &other);
    let again = cookie_in(&again.header("Sec-Fetch-Site", "same-origin").send());
    assert_eq!((status(&api, &again), status(&api, &other)), (200, 401));
    assert_ends(&mut others);

    let whole = std::fs::read_to_string(api.place.path("config.toml")).unwrap();
    let without = whole.replacen(
        "name = \"viewer\"\nrole = \"viewer\"",
        "name = \"viewer\"\nrole = \"admin\"",
        1,
    );
    let reload = |api: &mut Api, config: &str| {
        std::fs::write(api.place.path("config.toml"), config).unwrap();
        assert_eq!(api.unix.post("/api/v1/reload").status(), 200);
    };
    // More or less rights count at once.
    reload(&mut api, &without);
    let who = api.tcp.get("/session").with("Cookie", &again).ok();
    assert_eq!(who["role"], "admin");
    let mut open = stream(&api, &again);
    let gone = {
        let (before, rest) = whole.split_once("[[server.tokens]]").unwrap();
        let (_, rest) = rest.split_once("[[server.tokens]]").unwrap();
        format!("{before}[[server.tokens]]{rest}")
    };
    reload(&mut api, &gone);
    assert_eq!(status(&api, &again), 401);
    assert_ends(&mut open);
    reload(&mut api, &whole);
    assert_eq!(
        status(&api, &again),
        401,
        "the token is back, its sessions are not"
    );

    // Nothing secret is in the log.
    let secret = |line: &String| {
        [&one, &other, &again]
            .iter()
            .any(|cookie| line.contains(cookie.split_once('=').unwrap().1))
            || line.contains("-secret")
    };
    let log = api.daemon.log_to_its_end();
    for (what, who) in [("signed in", "token:viewer"), ("signed out", "token:some")] {
        let told = |line: &String| line.contains(what) && line.contains(who);
        assert!(log.iter().any(told), "{what}");
    }
    assert_eq!(log.iter().find(|line| secret(line)), None);
}

#[test]
fn the_log_names_who_was_refused_and_where_wrong_tokens_come_from() {
    let api = Api::start("token");
    let refused = api.tcp.post("/api/v1/jobs/talk/trigger");
    assert_eq!(refused.token(Some("viewer-secret")).status(), 403);
    assert_eq!(signs_in(&api.tcp, "wrong-guess").status(), 401);
    let log = api.daemon.log_to_its_end();
    let has = |parts: &[&str]| {
        log.iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    assert!(has(&[
        "change asked for",
        "/trigger",
        "403",
        "token:viewer"
    ]));
    assert!(has(&["change asked for", "/session", "401", "127.0.0.1:"]));
    assert!(!has(&["wrong-guess"]) && !has(&["viewer-secret"]));
}

#[test]
fn behind_https_the_cookie_is_for_https_alone() {
    let api = Api::start("token");
    let from = |origin: &'static str, host: &'static str| {
        let ask = signs_in(&api.tcp, "viewer-secret").header("Host", host);
        let answer = ask.header("Origin", origin).send();
        answer.header("set-cookie").unwrap().to_owned()
    };
    let proxied = from("https://punctual.example.org", "punctual.example.org");
    assert!(proxied.ends_with("; SameSite=Strict; Secure"), "{proxied}");
    assert!(!from("http://localhost", "localhost").contains("Secure"));
}

#[test]
fn without_authentication_there_is_nothing_to_sign_in_to() {
    let api = Api::start("none");
    let expected = json!({
        "name": "loopback", "role": "admin", "jobs": null, "auth": "none", "session": false
    });
    assert_eq!(api.tcp.get("/session").ok(), expected);
    for ask in [api.tcp.post("/session"), signs_in(&api.tcp, "whatever")] {
        let answer = ask.send();
        assert_eq!(answer.json(), expected);
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(api.tcp.ask("DELETE", "/session").status(), 204);
}

#[test]
fn a_browser_without_a_token_is_asked_for_one() {
    let api = Api::start("token");
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = |path: &str| api.tcp.get(path).header("Accept", browser);
    for path in ["/", "/api/v1/jobs", "/nowhere"] {
        let answer = page(path).send();
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(
            answer.header("content-security-policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                 form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
            )
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.text().contains("<script src=\"/sign-in.js\" defer>"));
    }
    for (path, kind) in [
        ("/sign-in.js", "text/javascript; charset=utf-8"),
        ("/sign-in.css", "text/css; charset=utf-8"),
    ] {
        let answer = api.tcp.get(path).send();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind))
        );
    }
    // Programs get the problem, and so does everybody whom a token would not help.
    assert_eq!(problem(&api.tcp.get("/").send()), "unauthorised");
    assert_eq!(
        problem(&page("/").header("Host", "evil.example").send()),
        "wrong-host"
    );
    let post = api.tcp.post("/api/v1/reload").header("Accept", browser);
    assert_eq!(problem(&post.send()), "unauthorised");
    let cookie = cookie_of(&api.tcp, "viewer-secret");
    let known = page("/api/v1/jobs").with("Cookie", &cookie).send();
    assert_eq!(known.header("content-type"), Some("application/json"));
    let known = wait_until("a page for whoever is known", || {
        let answer = page("/nowhere").with("Cookie", &cookie).send();
        (answer.status == 404).then_some(answer)
    });
    assert_eq!(problem(&known), "unknown-route");
}
