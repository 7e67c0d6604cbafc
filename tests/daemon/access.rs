//! The whole table of routes: what is answered follows from it alone, for everybody who may ask.

use std::collections::BTreeSet;

use punctual::api::{Need, Pace, Route, routes};
use punctual::config::Role;

use super::api::{Api, problem};
use super::http::{Answer, Ask, Door};
use super::session::cookie_of;

/// A run that does not exist.
const NO_RUN: &str = "01a2051d-cda8-8d33-a983-30fdc51908b1";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "DELETE"];

/// How somebody shows who they are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shown {
    Nothing,
    Token(&'static str),
    /// A session, by the token that they sign in with.
    Session(&'static str),
}

/// Somebody, and what they are by the config.
#[derive(Debug, Clone, Copy)]
struct Somebody {
    shown: Shown,
    role: Option<Role>,
    /// Whether it is for some jobs only.
    limited: bool,
}

const fn somebody(shown: Shown, role: Option<Role>, limited: bool) -> Somebody {
    Somebody {
        shown,
        role,
        limited,
    }
}

const EVERYBODY: [Somebody; 11] = [
    somebody(Shown::Nothing, None, false),
    // Wrong, and of the form that nobody can guess: those need not wait for one another.
    somebody(
        Shown::Token("punctual_0000000000000000000000000000000000000000000000000000000000000000"),
        None,
        false,
    ),
    somebody(Shown::Token("viewer-secret"), Some(Role::Viewer), false),
    somebody(Shown::Token("operator-secret"), Some(Role::Operator), false),
    somebody(Shown::Token("admin-secret"), Some(Role::Admin), false),
    somebody(Shown::Token("some-viewer-secret"), Some(Role::Viewer), true),
    somebody(Shown::Token("some-secret"), Some(Role::Operator), true),
    somebody(Shown::Token("some-admin-secret"), Some(Role::Admin), true),
    somebody(Shown::Session("viewer-secret"), Some(Role::Viewer), false),
    somebody(Shown::Session("admin-secret"), Some(Role::Admin), false),
    somebody(Shown::Session("some-secret"), Some(Role::Operator), true),
];

impl Somebody {
    /// A request of theirs. The cookie is that of a session that is young.
    fn asks(self, door: &Door, cookie: Option<&str>, method: &str, path: &str) -> Ask {
        let ask = door.ask(method, path);
        match self.shown {
            Shown::Nothing => ask,
            Shown::Token(token) => ask.token(Some(token)),
            Shown::Session(_) => ask
                .with("Cookie", cookie.unwrap())
                .header("Sec-Fetch-Site", "same-origin"),
        }
    }

    fn cookie(self, door: &Door) -> Option<String> {
        match self.shown {
            Shown::Session(token) => Some(cookie_of(door, token)),
            _ => None,
        }
    }

    fn may(self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Jobs(role) => self.role >= Some(role),
            Need::Everything(role) => self.role >= Some(role) && !self.limited,
        }
    }
}

/// What a page of the table is, by its path: the methods and what they need.
fn need_of(path: &str, method: &str) -> Option<Need> {
    let method = if method == "HEAD" { "GET" } else { method };
    let table = routes();
    let mut found = table.iter();
    let found = found.find(|route| route.path == path && route.method == method);
    found.map(|route| route.need)
}

fn check(who: Somebody, path: &str, method: &str, answer: &Answer) {
    let context = format!("{method} {path} by {who:?}: {answer:?}");
    let need = need_of(path, method);
    let known = need.is_some();
    // What is not in the table is for those who may read.
    let need = need.unwrap_or(Need::Jobs(Role::Viewer));
    match (who.may(need), who.role) {
        (false, None) => assert_eq!(answer.status, 401, "{context}"),
        (false, Some(_)) => assert_eq!(answer.status, 403, "{context}"),
        (true, _) if path == "/docs/" && known => {
            assert_eq!(answer.status, 308, "{context}");
            assert_eq!(answer.header("location"), Some("/docs"), "{context}");
        }
        (true, _) if known => assert!(
            matches!(answer.status, 200 | 202 | 204 | 404 | 422 | 503),
            "{context}"
        ),
        (true, _) => {
            assert_eq!(answer.status, 405, "{context}");
            let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').collect();
            let mut expected: BTreeSet<&str> = METHODS.into_iter().collect();
            expected.retain(|method| need_of(path, method).is_some());
            assert_eq!(allowed, expected, "{context}");
        }
    }
    if answer.status == 422 {
        assert_eq!((path, method), ("/session", "POST"), "{context}");
    }
    dressed(&context, method, path, answer);
}

/// What every answer has.
fn dressed(context: &str, method: &str, path: &str, answer: &Answer) {
    if method == "HEAD" {
        assert!(answer.body.is_empty(), "{context}");
    } else if answer.status >= 400 && path != "/readyz" {
        problem(answer);
    }
    let header = |name| answer.header(name).unwrap_or_else(|| panic!("{context}"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(
        answer.status == 401,
        answer.header("www-authenticate").is_some(),
        "{context}"
    );
}

fn filled(path: &str) -> String {
    path.replace("{job}", "nothing").replace("{id}", NO_RUN)
}

#[test]
fn every_route_wants_its_role_and_its_method() {
    let api = Api::start("token");
    let door = &api.tcp;
    let paths: BTreeSet<&str> = routes().iter().map(|route| route.path).collect();
    let walk = |who: Somebody, path: &str| {
        let cookie = who.cookie(door);
        for method in METHODS {
            let ask = who.asks(door, cookie.as_deref(), method, &filled(path));
            let goes_on = path == "/api/v1/events" && method == "GET" && who.role.is_some();
            let answer = if goes_on { ask.open().head } else { ask.send() };
            check(who, path, method, &answer);
        }
        METHODS.len()
    };
    // Each wrong token waits for its answer, so paths are walked side by side.
    let walked: usize = std::thread::scope(|scope| {
        let walkers: Vec<_> = paths
            .iter()
            .map(|path| scope.spawn(|| EVERYBODY.map(|who| walk(who, path)).iter().sum::<usize>()))
            .collect();
        walkers
            .into_iter()
            .map(|walker| walker.join().unwrap())
            .sum()
    });
    assert_eq!(walked, paths.len() * EVERYBODY.len() * METHODS.len());
    assert!(paths.len() >= 23, "{paths:?}");
}

#[test]
fn what_is_in_no_table_is_for_those_who_may_read() {
    let api = Api::start("token");
    for path in [
        "/",
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1/jobs/talk/nowhere",
        "/session/x",
        "/docs//",
        "//docs/",
        "//example.com/docs/",
    ] {
        for who in EVERYBODY {
            let cookie = who.cookie(&api.tcp);
            for method in ["GET", "POST"] {
                let answer = who.asks(&api.tcp, cookie.as_deref(), method, path).send();
                let expected = if who.role.is_some() { 404 } else { 401 };
                assert_eq!(answer.status, expected, "{method} {path} by {who:?}");
                dressed(path, method, path, &answer);
            }
        }
    }
}

#[test]
fn the_table_gives_nobody_more_than_the_contract() {
    let named = |wanted: &dyn Fn(&Route) -> bool| -> Vec<String> {
        let table = routes();
        let found = table.iter().filter(|route| wanted(route));
        found
            .map(|route| format!("{} {}", route.method, route.path))
            .collect()
    };
    let open = [
        "GET /healthz",
        "GET /readyz",
        "POST /session",
        "DELETE /session",
        "GET /sign-in.js",
        "GET /sign-in.css",
    ];
    assert_eq!(named(&|route| route.need == Need::Nothing), open);
    let ruling = [
        "POST /api/v1/scheduler/pause",
        "POST /api/v1/scheduler/resume",
        "POST /api/v1/reload",
    ];
    assert_eq!(
        named(&|route| route.need == Need::Everything(Role::Admin)),
        ruling
    );
    let reading = |need| {
        matches!(
            need,
            Need::Jobs(Role::Viewer) | Need::Everything(Role::Viewer)
        )
    };
    let changing = named(&|route| route.method != "GET" && reading(route.need));
    assert_eq!(changing, [""; 0], "who may read changes nothing");
}

#[test]
fn every_route_refuses_a_query_that_it_does_not_know() {
    let api = Api::start("token");
    for Route { method, path, .. } in routes() {
        let path = filled(path);
        let nonsense = api.unix.ask(method.as_str(), &format!("{path}?nonsense=1"));
        assert_eq!(problem(&nonsense.send()), "bad-query", "{path}");
    }
    let slow: Vec<_> = routes()
        .into_iter()
        .filter(|route| route.pace != Pace::Prompt)
        .map(|route| route.path)
        .collect();
    assert_eq!(slow, ["/api/v1/jobs/{job}/trigger", "/api/v1/audit"]);
}
