//! The admin API of the real daemon: shapes, errors, access.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::daemon::{Daemon, Place, wait_until};
use super::http::{Answer, Door};

const JOBS: &str = r#"
    [scheduler]
    shutdown_grace = "200ms"
    [jobs.beat]
    description = "Shows that the daemon lives"
    every = "100ms"
    command = ["true"]
    tags = ["quick"]
    [jobs.talk]
    every = "1000d"
    shell = 'echo out; echo err >&2; [ "$PUNCTUAL_PARAM_WHO" = all ] || exit 7'
    params = { who = { default = "all", pattern = "[a-z]+" } }
    tags = ["manual"]
    [jobs.sleep]
    every = "1000d"
    shell = "echo asleep; exec sleep 600"
    tags = ["manual"]
    [jobs.off]
    cron = "0 0 * * *"
    command = ["true"]
    enabled = false
"#;

/// Names of tokens (`NAME-secret`), their roles and what else stands with them.
const TOKENS: [(&str, &str, &str); 6] = [
    ("viewer", "viewer", ""),
    ("operator", "operator", ""),
    ("admin", "admin", ""),
    ("some", "operator", "jobs = [\"ta*\", \"sl*\"]"),
    ("some-viewer", "viewer", "jobs = [\"ta*\"]"),
    ("some-admin", "admin", "jobs = [\"ta*\"]"),
];

/// A daemon whose API listens on TCP and on its socket.
pub struct Api {
    pub tcp: Door,
    pub unix: Door,
    pub place: Place,
    pub daemon: Daemon,
}

impl Api {
    pub fn start(auth: &str) -> Self {
        let place = Place::new("");
        let folder = place.folder.path().display().to_string();
        let mut config = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nauth = \"{auth}\"\n\
             unix_socket = \"{folder}/punctual.sock\"\nallowed_hosts = [\"punctual.example.org\"]\n"
        );
        for (name, role, more) in TOKENS {
            let hash = Sha256::digest(format!("{name}-secret"));
            let hash = hash.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            write!(
                config,
                "[[server.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\n\
                 hash = \"sha256:{hash}\"\n{more}\n"
            )
            .unwrap();
        }
        write!(
            config,
            "[store]\nurl = \"sqlite:{folder}/state/punctual.db\"\n{JOBS}"
        )
        .unwrap();
        std::fs::write(place.path("config.toml"), config).unwrap();
        let mut daemon = place.spawn();
        let line: Value = serde_json::from_str(&daemon.wait_for_log("the API listens")).unwrap();
        let address = line["address"].as_str().unwrap().parse().unwrap();
        Self {
            tcp: Door::Tcp(address),
            unix: Door::Unix(place.path("punctual.sock")),
            place,
            daemon,
        }
    }

    /// Triggers a job and returns the run's path.
    pub fn trigger(&self, job: &str) -> String {
        self.unix.trigger(job)
    }

    /// Waits until a run is in this status.
    fn wait_for(&self, run: &str, status: &str) -> Value {
        wait_until(status, || {
            let shown = self.unix.get(run).ok();
            (shown["status"] == status).then_some(shown)
        })
    }
}

pub fn problem(answer: &Answer) -> String {
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{answer:?}");
    for name in ["title", "detail", "instance"] {
        assert!(
            body[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {answer:?}"
        );
    }
    let kind = body["type"].as_str().unwrap();
    kind.strip_prefix("urn:punctual:problem:")
        .unwrap()
        .to_owned()
}

#[test]
fn wrong_tokens_are_refused_and_the_socket_knows_root() {
    let api = Api::start("token");
    for token in ["x", "viewer", "viewer-secret2", "viewer-secre", ""] {
        let answer = api.tcp.get("/api/v1/jobs").token(Some(token)).send();
        assert_eq!(problem(&answer), "unauthorised", "{token}");
    }
    assert_eq!(problem(&api.tcp.get("/nowhere").send()), "unauthorised");
    assert_eq!(api.unix.post("/api/v1/scheduler/resume").status(), 200);
    let viewer = api
        .unix
        .post("/api/v1/scheduler/resume")
        .token(Some("viewer-secret"));
    assert_eq!(problem(&viewer.send()), "forbidden");
}

#[test]
fn a_token_for_some_jobs_sees_no_others() {
    let api = Api::start("token");
    let some = |path: &str| api.tcp.get(path).token(Some("some-secret"));
    let steer = |path: &str| api.tcp.post(path).token(Some("some-secret"));
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|job| job["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&some("/api/v1/jobs").ok()), ["sleep", "talk"]);
    let mine = api.trigger("talk");
    api.wait_for(&mine, "succeeded");
    let runs = wait_until("a beat", || {
        let all = api.unix.get("/api/v1/runs?job=beat&status=succeeded").ok();
        all["items"][0]["id"].as_str().map(str::to_owned)
    });
    assert_eq!(some(&mine).status(), 200);
    for path in [
        "/api/v1/jobs/beat".to_owned(),
        "/api/v1/jobs/beat/runs".to_owned(),
        "/api/v1/jobs/beat/why".to_owned(),
        format!("/api/v1/runs/{runs}"),
        format!("/api/v1/runs/{runs}/output"),
        "/api/v1/audit?job=beat".to_owned(),
    ] {
        assert_eq!(some(&path).status(), 404, "{path}");
        assert_eq!(api.unix.get(&path).status(), 200, "{path}");
    }
    for path in [
        "/api/v1/jobs/beat/trigger".to_owned(),
        "/api/v1/jobs/beat/pause".to_owned(),
        "/api/v1/jobs/beat/resume".to_owned(),
        format!("/api/v1/runs/{runs}/cancel"),
    ] {
        assert_eq!(steer(&path).status(), 404, "{path}");
    }
    let listed = some("/api/v1/runs").ok();
    let listed = listed["items"].as_array().unwrap().clone();
    assert!(
        !listed.is_empty() && listed.iter().all(|run| run["job"] == "talk"),
        "{listed:?}"
    );
    assert!(
        some("/api/v1/runs?job=beat").ok()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let audited = some("/api/v1/audit").ok();
    let accounts = audited["accounts"].as_array().unwrap();
    let jobs: BTreeSet<_> = accounts
        .iter()
        .map(|it| it["job"].as_str().unwrap())
        .collect();
    assert_eq!(jobs, BTreeSet::from(["sleep", "talk"]));
    let everything = api
        .tcp
        .post("/api/v1/scheduler/pause")
        .token(Some("some-admin-secret"));
    assert_eq!(problem(&everything.send()), "forbidden");
}

#[test]
fn other_hosts_and_other_sites_are_refused() {
    let api = Api::start("none");
    let get = |name: &str, value| api.tcp.get("/api/v1/jobs").header(name, value).send();
    let post = |name: &str, value| {
        let ask = api.tcp.post("/api/v1/scheduler/resume");
        ask.header(name, value).send()
    };
    for host in ["evil.example", "localhost.evil.example:7878", "10.0.0.1"] {
        assert_eq!(problem(&get("Host", host)), "wrong-host", "{host}");
        assert_eq!(problem(&post("Host", host)), "wrong-host", "{host}");
    }
    let hostless = api.tcp.get("/api/v1/jobs").header("Host", None);
    assert_eq!(problem(&hostless.send()), "bad-request");
    for host in [
        "127.0.0.1:1",
        "[::1]",
        "LOCALHOST",
        "punctual.example.org:80",
    ] {
        assert_eq!(get("Host", host).status, 200, "{host}");
    }
    let absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\
                     Connection: close\r\n\r\n";
    assert_eq!(problem(&api.tcp.raw(absolute)), "wrong-host");
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(problem(&get(name, value)), "cross-site", "{name} {value}");
        assert_eq!(problem(&post(name, value)), "cross-site", "{name} {value}");
    }
    assert_eq!(post("Origin", "http://localhost").status, 200);
    assert_eq!(post("Sec-Fetch-Site", "same-origin").status, 200);
}

#[test]
fn jobs_are_listed_shown_and_filtered() {
    let api = Api::start("none");
    let names = |query: &str| -> String {
        let list = api.tcp.get(&format!("/api/v1/jobs{query}")).ok();
        let items = list["items"].as_array().unwrap();
        let names: Vec<_> = items
            .iter()
            .map(|job| job["name"].as_str().unwrap())
            .collect();
        names.join(" ")
    };
    assert_eq!(names(""), "beat off sleep talk");
    assert_eq!(names("?tag=manual"), "sleep talk");
    assert_eq!(names("?state=disabled"), "off");
    assert_eq!(names("?q=LIVES"), "beat");
    assert_eq!(names("?q=e&tag=manual"), "sleep");
    assert_eq!(names("?tag=nothing"), "");
    let first = api.tcp.get("/api/v1/jobs?limit=3").ok();
    assert_eq!(first["next_cursor"], "sleep");
    assert_eq!(names("?limit=3&cursor=sleep"), "talk");
    let last = api.tcp.get("/api/v1/jobs?limit=4").ok();
    assert!(last["next_cursor"].is_null());

    let beat = wait_until("a beat", || {
        let beat = api.tcp.get("/api/v1/jobs/beat").ok();
        beat["last_run"].is_object().then_some(beat)
    });
    assert_eq!(beat["schedule"]["kind"], "every");
    assert_eq!(beat["schedule"]["expression"], "100ms");
    assert!(beat["schedule"]["text"].is_string() && beat["schedule"]["timezone"].is_string());
    assert_eq!(beat["next_fires"].as_array().unwrap().len(), 10);
    assert_eq!(beat["next_fires"][0], beat["next_fire"]);
    let next = beat["next_fire"].as_str().unwrap();
    assert!(next.len() == 27 && next.ends_with("00000Z"), "{next}");
    assert_eq!(beat["config"]["every"], "100ms");
    assert!(beat["statistics"]["lateness"]["p50_s"].is_f64(), "{beat}");
    assert_eq!(beat["success_rate"], 1.0);
    let off = api.tcp.get("/api/v1/jobs/off").ok();
    assert!(off["next_fire"].is_null() && off["next_fires"].as_array().unwrap().is_empty());
}

#[test]
fn a_trigger_runs_the_job_and_a_cancel_stops_it() {
    let api = Api::start("none");
    let trigger = |job: &str| api.tcp.post(&format!("/api/v1/jobs/{job}/trigger"));
    let answer = trigger("sleep").send();
    assert_eq!(answer.status, 202);
    let told = answer.json();
    assert_eq!(told["message"], "Job sleep is running in the background.");
    let run = answer.header("location").unwrap().to_owned();
    assert_eq!(
        run,
        format!("/api/v1/runs/{}", told["run_id"].as_str().unwrap())
    );
    assert_eq!(problem(&trigger("sleep").send()), "max-concurrent");

    let shown = api.wait_for(&run, "running");
    assert_eq!(shown["trigger"], "manual");
    assert_eq!(shown["requested_by"], "loopback");
    let live = wait_until("live output", || {
        let answer = api.tcp.get(&format!("{run}/output")).send();
        (answer.text() == "asleep\n").then_some(answer)
    });
    assert_eq!(
        live.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let cancelled = api.tcp.post(&format!("{run}/cancel")).send();
    assert_eq!(cancelled.status, 202);
    let shown = api.wait_for(&run, "cancelled");
    assert_eq!(shown["attempts"], 1);
    assert_eq!(shown["attempt_list"][0]["signal"], 15);
    assert!(
        shown["duration_s"].is_f64() && shown["lateness_s"].is_f64(),
        "{shown}"
    );
    assert_eq!(
        problem(&api.tcp.post(&format!("{run}/cancel")).send()),
        "not-active"
    );
}

#[test]
fn a_trigger_can_wait_and_pass_parameters() {
    let api = Api::start("none");
    let talk = |query: &str, body: &str| {
        let ask = api.tcp.post(&format!("/api/v1/jobs/talk/trigger{query}"));
        ask.json(body).send()
    };
    let well = talk("?wait=true", "{}");
    assert_eq!(
        (well.status, well.json()["status"].as_str()),
        (200, Some("succeeded"))
    );
    let badly = talk("?wait=true", r#"{"params": {"who": "me"}}"#).json();
    assert_eq!(badly["status"], "failed");
    assert_eq!(badly["exit_code"], 7);
    assert_eq!(badly["params"]["who"], "me");
    assert_eq!(
        problem(&talk("", r#"{"params": {"who": "ME"}}"#)),
        "bad-params"
    );
    assert_eq!(
        problem(&talk("", r#"{"params": {"whom": "x"}}"#)),
        "bad-params"
    );
    assert_eq!(
        problem(&talk("", r#"{"params": {"who": 1}}"#)),
        "wrong-body"
    );
    assert_eq!(problem(&talk("", r#"{"command": ["sh"]}"#)), "wrong-body");
    assert_eq!(problem(&talk("?wait=maybe", "{}")), "bad-query");
    let keyed = api.tcp.post("/api/v1/jobs/talk/trigger");
    assert_eq!(
        problem(&keyed.header("Idempotency-Key", " ").send()),
        "bad-request"
    );

    let output = format!("/api/v1/runs/{}/output", badly["id"].as_str().unwrap());
    let text = |query: &str| {
        wait_until("output", || {
            let answer = api.tcp.get(&format!("{output}{query}")).send();
            (!answer.body.is_empty()).then(|| answer.text())
        })
    };
    let both = text("");
    assert!(both.contains("out\n") && both.contains("err\n"), "{both:?}");
    assert_eq!(text("?stream=stdout"), "out\n");
    assert_eq!(text("?stream=stderr&attempt=1"), "err\n");
    assert_eq!(
        problem(&api.tcp.get(&format!("{output}?attempt=2")).send()),
        "no-output"
    );
    assert_eq!(
        problem(&api.tcp.get(&format!("{output}?stream=x")).send()),
        "bad-query"
    );
}

#[test]
fn pauses_hold_and_tell_who_and_why() {
    let api = Api::start("none");
    let pause = |body: &str| {
        let ask = api.tcp.post("/api/v1/jobs/beat/pause");
        if body.is_empty() {
            ask.send()
        } else {
            ask.json(body).send()
        }
    };
    let paused = pause(r#"{"until": "2999-01-01T00:00:00Z", "reason": "works"}"#).json();
    assert_eq!(paused["state"], "paused");
    assert_eq!(paused["pause"]["reason"], "works");
    assert_eq!(paused["pause"]["by"], "loopback");
    assert_eq!(paused["pause"]["until"], "2999-01-01T00:00:00.000000Z");
    assert!(paused["next_fire"].is_null() && paused["next_fires"].as_array().unwrap().is_empty());
    assert_eq!(pause("").json()["pause"]["reason"], Value::Null);
    assert_eq!(
        problem(&pause(r#"{"until": "1999-01-01T00:00:00Z"}"#)),
        "until-passed"
    );
    assert_eq!(problem(&pause(r#"{"until": "soon"}"#)), "wrong-body");
    let skipped = wait_until("a span", || {
        let runs = api.tcp.get("/api/v1/jobs/beat/runs?status=skipped").ok();
        (runs["items"][0]["count"].as_u64() >= Some(3)).then(|| runs["items"][0].clone())
    });
    assert_eq!(skipped["reason"], "paused");
    assert!(skipped["last_scheduled_at"].is_string());
    let span = format!("/api/v1/runs/{}", skipped["id"].as_str().unwrap());
    assert_eq!(
        problem(&api.tcp.get(&format!("{span}/output")).send()),
        "no-output"
    );
    let resume = api.tcp.post("/api/v1/jobs/beat/resume");
    let resumed = resume.json(r#"{"reason": "done"}"#).ok();
    assert_eq!(resumed["state"], "active");
    assert!(resumed["pause"].is_null());

    assert_eq!(api.tcp.post("/api/v1/scheduler/pause").ok()["paused"], true);
    let beat = api.tcp.get("/api/v1/jobs/beat").ok();
    assert!(
        beat["state"] == "paused" && beat["pause"].is_null(),
        "{beat}"
    );
    assert_eq!(
        api.tcp.post("/api/v1/scheduler/resume").ok()["paused"],
        false
    );
    assert_eq!(api.tcp.get("/api/v1/jobs/beat").ok()["state"], "active");
}

#[test]
fn pages_are_steady_while_rows_arrive() {
    let api = Api::start("none");
    wait_until("25 beats", || {
        let page = api.tcp.get("/api/v1/runs?job=beat&limit=25").ok();
        (page["items"].as_array().unwrap().len() == 25).then_some(())
    });
    let newest = api.tcp.get("/api/v1/runs?job=beat&limit=1").ok();
    let until = newest["items"][0]["scheduled_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|run| run["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let whole = ids(&api
        .tcp
        .get(&format!("/api/v1/runs?job=beat&until={until}&limit=500"))
        .ok());
    let mut walked = Vec::new();
    let mut page = api.tcp.get("/api/v1/jobs/beat/runs?limit=7").ok();
    loop {
        walked.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        page = api
            .tcp
            .get(&format!("/api/v1/jobs/beat/runs?limit=7&cursor={cursor}"))
            .ok();
    }
    let from = walked.iter().position(|id| *id == whole[0]).unwrap();
    assert_eq!(walked[from..], whole);
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=x",
        "status=done",
        "job=A",
        "since=x",
    ] {
        let answer = api.tcp.get(&format!("/api/v1/runs?{query}")).send();
        assert_eq!(problem(&answer), "bad-query", "{query}");
    }
    let plus = api
        .tcp
        .get("/api/v1/runs?since=2026-01-01T00:00:00+01:00")
        .send();
    assert!(plus.text().contains("%2B"), "{}", plus.text());
}

#[test]
fn strange_paths_lead_nowhere() {
    let api = Api::start("none");
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/jobs/",
        "//api/v1/jobs",
        "/api/v1//jobs",
        "/api/v1/./jobs",
        "/api/v1/x/../jobs",
        "/api/v1/jobs/..%2fruns",
        "/api/v1/jobs/%2e%2e/runs",
        "/api/v1/jobs/beat%2Fruns",
        "/api/v1/jobs/beat%00",
        "/api/v1/jobs/BEAT",
        "/api/v1/jobs/b%65at%20",
        "/api/v1/runs/1",
        "/api/v1/runs/..%2f..%2fetc%2fpasswd/output",
        "/api/v1/jobs;x=1",
        "/API/V1/JOBS",
    ] {
        let answer = api.tcp.get(path).send();
        assert_eq!(answer.status, 404, "{path}");
        assert!(problem(&answer).starts_with("unknown-"), "{path}");
    }
    assert_eq!(
        problem(&api.tcp.get("/api/v1/jobs/%ff").send()),
        "bad-request"
    );
    for path in ["/api/v1/jobs/b%65at", "/api/v1/jobs?", "/api/v1/jobs#x"] {
        let status = api.tcp.get(path).status();
        assert!(matches!(status, 200 | 400), "{path}: {status}");
    }
}

#[test]
fn bodies_and_heads_are_bounded() {
    let api = Api::start("none");
    let post = || api.tcp.post("/api/v1/jobs/talk/trigger");
    assert_eq!(problem(&post().body("{}").send()), "not-json");
    assert_eq!(
        problem(
            &post()
                .header("Content-Type", "text/plain")
                .body("{}")
                .send()
        ),
        "not-json"
    );
    assert_eq!(problem(&post().json("{").send()), "bad-body");
    assert_eq!(
        problem(&post().json(&"[".repeat(100_000)).send()),
        "wrong-body"
    );
    let huge = vec![b' '; (1 << 20) + 1];
    let large = post()
        .header("Content-Type", "application/json")
        .body(huge)
        .send();
    assert_eq!(problem(&large), "body-too-large");
    let announced = b"POST /api/v1/jobs/talk/trigger HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: application/json\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n{";
    assert_eq!(problem(&api.tcp.raw(announced)), "body-too-large");

    let mut long = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    long.resize(200_000, b'x');
    long.extend(b"\r\nConnection: close\r\n\r\n");
    assert_eq!(api.tcp.raw(&long).status, 431);
    let many = "X: y\r\n".repeat(10_000);
    let many = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(api.tcp.raw(many.as_bytes()).status, 431);
    let uri = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "x".repeat(70_000)
    );
    assert!(matches!(api.tcp.raw(uri.as_bytes()).status, 414 | 431));
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = api.tcp.bytes(bytes.as_bytes());
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 ");
        assert!(refused, "{bytes:?}: {answer:?}");
    }
    assert_eq!(api.tcp.get("/healthz").status(), 200);
}

#[test]
fn a_head_that_is_too_large_is_told_and_noted() {
    let mut api = Api::start("none");
    let long = format!("/{}", "x".repeat(20_000));
    assert_eq!(problem(&api.tcp.get(&long).send()), "target-too-long");
    let large = "x".repeat(40_000);
    let one = api.tcp.get("/healthz").with("X", &large).send();
    assert_eq!((one.status, &*problem(&one)), (431, "headers-too-large"));
    let ask = api.tcp.get("/healthz");
    let many = (0..120).fold(ask, |ask, number| ask.with(&format!("X-{number}"), "y"));
    assert_eq!(problem(&many.send()), "headers-too-large");
    let fits = api.tcp.get("/healthz?").with("X", &"x".repeat(30_000));
    assert_eq!(fits.status(), 200);
    for status in ["414", "431", "431"] {
        let line = api.daemon.wait_for_log("request refused");
        assert!(
            line.contains(status) && line.contains("127.0.0.1:"),
            "{line}"
        );
    }
    // Of what cannot be read at all, the log tells at least.
    assert_eq!(api.tcp.raw(b"G@T / HTTP/1.1\r\n\r\n").status, 400);
    let line = api.daemon.wait_for_log("it cannot be read");
    assert!(line.contains("127.0.0.1:"), "{line}");
}

#[test]
fn numbers_and_times_at_their_ends_are_no_trouble() {
    let api = Api::start("none");
    let door = &api.tcp;
    let run = door.trigger("talk");
    door.ended(&run);
    let times = [
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-30T22:00:00.999999999Z",
        "-009999-01-02T01:59:59Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ];
    let numbers = [
        "0",
        "4294967295",
        "9223372036854775807",
        "18446744073709551615",
    ];
    let mut paths = Vec::new();
    for time in times {
        for path in [
            "/api/v1/jobs/talk/why?at=",
            "/api/v1/audit?since=",
            "/api/v1/runs?since=",
            "/api/v1/runs?until=",
            "/api/v1/upcoming?until=",
        ] {
            paths.push(format!("{path}{time}"));
        }
    }
    for number in numbers {
        for path in ["/api/v1/jobs", "/api/v1/runs", "/api/v1/upcoming"] {
            paths.push(format!("{path}?limit={number}"));
            paths.push(format!("{path}?cursor={number}.{number}"));
            paths.push(format!("{path}?cursor={number}"));
        }
        paths.push(format!("{run}/output?attempt={number}"));
    }
    let mut asked: Vec<_> = paths.iter().map(|path| door.get(path)).collect();
    for number in numbers {
        let ask = door.get(&format!("{run}/output"));
        for range in [
            format!("0-{number}"),
            format!("{number}-"),
            format!("-{number}"),
        ] {
            asked.push(ask.clone().with("Range", &format!("bytes={range}")));
        }
    }
    for time in times {
        let until = format!("{{\"until\": \"{time}\"}}");
        asked.push(door.post("/api/v1/jobs/talk/pause").json(&until));
    }
    for ask in asked {
        let answer = ask.send();
        let understood = matches!(answer.status, 200 | 206 | 400 | 404 | 416 | 422);
        assert!(understood, "{ask:?}: {answer:?}");
    }
    // A place in the events of this life, and of others.
    let hello = door.get("/api/v1/events").open().next().unwrap();
    let (life, _) = hello.id.split_once('-').unwrap();
    for life in [life, "0", "18446744073709551615"] {
        for number in numbers {
            let place = format!("{life}-{number}");
            let ask = door.get("/api/v1/events").with("Last-Event-ID", &place);
            let mut events = ask.open();
            if events.head.status == 400 {
                continue;
            }
            assert_eq!(events.next().unwrap().kind, "hello", "{place}");
            // From the beginning of this life on there are some.
            let next = events.next().unwrap().kind;
            assert!(
                next == "gap" || (number == "0" && next == "run"),
                "{place}: {next}"
            );
        }
    }
    let log = api.daemon.log_to_its_end();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
}

#[test]
fn the_daemon_says_that_it_is_ready() {
    let api = Api::start("token");
    let ready = wait_until("ready", || {
        let answer = api.tcp.get("/readyz").send();
        (answer.status == 200).then(|| answer.json())
    });
    assert!(ready["ready"] == true && ready["ticking"] == true && ready["draining"] == false);
    assert!(ready["store"]["writable"] == true && ready["last_tick_age_s"].is_f64());
    assert_eq!(api.tcp.get("/healthz").ok()["alive"], true);
}

#[test]
fn a_status_tells_nothing_of_the_load_of_jobs_that_the_caller_does_not_see() {
    let api = Api::start("token");
    let path = api.place.path("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\n[pools.other]\nslots = 1\n")).unwrap();
    assert_eq!(api.unix.post("/api/v1/reload").status(), 200);
    api.trigger("sleep");
    let whole = wait_until("a start", || {
        let status = api.unix.get("/api/v1/status").ok();
        let used = status["pools"][0]["used"].as_u64().unwrap();
        (used > 0 && !status["lateness_s"].is_null()).then_some(status)
    });
    assert_eq!(whole["pools"].as_array().unwrap().len(), 2, "{whole}");
    assert!(whole["last_reload"]["by"].is_string(), "{whole}");
    let some = api.tcp.get("/api/v1/status");
    let some = some.token(Some("some-viewer-secret")).ok();
    assert_eq!(some["pools"].as_array().unwrap().len(), 1, "{some}");
    assert_eq!(some["pools"][0]["name"], "default");
    assert_eq!(some["pools"][0]["used"], 0, "{some}");
    assert!(some["lateness_s"].is_null(), "{some}");
    assert!(some["last_reload"]["ok"] == true && some["last_reload"]["by"].is_null());
}

/// Some programs write "for ever" as the last second of RFC 3339, which lies behind the last one there is.
#[test]
fn a_pause_for_ever_outlives_the_daemon() {
    let place = Place::new("[jobs.a]\nevery = '1000d'\nshell = ':'\n");
    let door = Door::Unix(place.path("punctual.sock"));
    let daemon = place.start();
    let pause = door.post("/api/v1/jobs/a/pause");
    let paused = pause.json(r#"{"until": "9999-12-31T23:59:59Z"}"#).send();
    assert_eq!(paused.status, 200, "{paused:?}");
    daemon.kill9();
    let _next = place.start();
    let job = door.get("/api/v1/jobs/a").ok();
    assert_eq!(job["pause"]["until"], "9999-12-30T22:00:00.999999Z");
    let runs = door.get("/api/v1/runs?until=9999-12-31T23:59:59Z").ok();
    assert!(runs["items"].is_array());
    let wrong = door.get("/api/v1/runs?until=9999-12-32T00:00:00Z").send();
    assert_eq!(wrong.status, 400, "{wrong:?}");
}
