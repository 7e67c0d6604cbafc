//! `/metrics` of the real daemon, read by the official parsers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::api::Api;
use super::daemon::{Place, wait_until};
use super::http::{Answer, Door};

const OPEN: &str = "application/openmetrics-text; version=1.0.0";

/// Reads standard input as its argument says, and prints each sample as a line.
const PARSER: &str = r#"
import sys
if sys.argv[1] == "open":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    if not family.documentation or family.type in ("unknown", "untyped"):
        sys.exit("no help or no type: " + family.name)
    for sample in family.samples:
        labels = ",".join('%s="%s"' % pair for pair in sorted(sample.labels.items()))
        print("%s{%s} %r" % (sample.name, labels, float(sample.value)))
"#;

/// The samples as Prometheus' own reader for this format finds them.
fn parsed(format: &str, answer: &Answer) -> BTreeMap<String, f64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let reader = Command::new("/usr/bin/python3")
        .args(["-c", PARSER, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut reader = reader.expect("this test needs python3; on Debian: apt-get install python3");
    reader
        .stdin
        .take()
        .unwrap()
        .write_all(&answer.body)
        .unwrap();
    let output = reader.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n(on Debian: apt-get install python3-prometheus-client)\n{}",
        answer.text()
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.replace("{}", ""), value.parse().unwrap())
        })
        .collect()
}

fn open(door: &Door) -> BTreeMap<String, f64> {
    let answer = door.get("/metrics").with("Accept", OPEN).send();
    let kind = answer.header("content-type").unwrap().to_owned();
    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    parsed("open", &answer)
}

fn series(job: &str, status: &str, trigger: &str) -> String {
    format!("punctual_runs_total{{job=\"{job}\",status=\"{status}\",trigger=\"{trigger}\"}}")
}

fn close(value: Option<&f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-6)
}

const JOBS: &str = "[scheduler]\nshutdown_grace = \"200ms\"\n[jobs.good]\nevery = \"1000d\"\nshell = ':'\n\
    [jobs.bad]\nevery = \"1000d\"\nshell = 'exit 1'\n\
    [jobs.paused]\nevery = \"100ms\"\nshell = ':'\n\
    [jobs.long]\nevery = \"1000d\"\nshell = 'exec sleep 600'\n";

#[test]
fn what_happens_is_counted_and_both_parsers_agree() {
    let place = Place::new(JOBS);
    let _daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let post = |path: &str| door.post(&format!("/api/v1/jobs/{path}")).send();
    post("paused/pause");
    for path in [
        "good/trigger?wait=true",
        "bad/trigger?wait=true",
        "long/trigger",
    ] {
        assert!(post(path).status < 300, "{path}");
    }
    let found = wait_until("the figures", || {
        let found = open(&door);
        let skipped = found.get(&series("paused", "skipped", "schedule"));
        let ready = skipped.is_some_and(|&count| count >= 3.0)
            && close(found.get(&series("bad", "failed", "manual")), 1.0)
            && close(found.get("punctual_runs_running"), 1.0);
        ready.then_some(found)
    });
    // A pause of a job that fires ten times a second is one row, and its instants are counted.
    let skipped = wait_until("the span", || {
        let runs = door.get("/api/v1/jobs/paused/runs?status=skipped").ok();
        runs["items"][0]["count"].as_f64()
    });
    let later = open(&door);
    assert!(later[&series("paused", "skipped", "schedule")] >= skipped);
    for (name, value) in [
        (series("good", "succeeded", "manual"), 1.0),
        (series("good", "failed", "schedule"), 0.0),
        ("punctual_jobs{state=\"active\"}".to_owned(), 3.0),
        ("punctual_jobs{state=\"paused\"}".to_owned(), 1.0),
        ("punctual_runs_queued{pool=\"default\"}".to_owned(), 0.0),
        (
            "punctual_job_last_run_successful{job=\"good\"}".to_owned(),
            1.0,
        ),
        (
            "punctual_job_last_run_successful{job=\"bad\"}".to_owned(),
            0.0,
        ),
        ("punctual_config_last_reload_successful".to_owned(), 1.0),
        ("punctual_metrics_events_lost_total".to_owned(), 0.0),
        (
            format!(
                "punctual_build_info{{version=\"{}\"}}",
                env!("CARGO_PKG_VERSION")
            ),
            1.0,
        ),
        (
            "punctual_run_duration_seconds_bucket{le=\"+Inf\"}".to_owned(),
            found["punctual_run_duration_seconds_count"],
        ),
    ] {
        assert!(close(found.get(&name), value), "{name}: {found:#?}");
    }
    assert!(!found.contains_key("punctual_job_last_success_timestamp_seconds{job=\"bad\"}"));
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        assert!(found[name] > 0.0, "{name}: {found:#?}");
    }

    let plain = door.get("/metrics").send();
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let plain = parsed("classic", &plain);
    let names = |found: &BTreeMap<String, f64>| -> Vec<String> {
        let names = found.keys().filter(|name| !name.contains("le="));
        names.cloned().collect()
    };
    assert_eq!(names(&plain), names(&later));
}

#[test]
fn the_next_life_knows_what_the_ledger_knows() {
    let place = Place::new(JOBS);
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    for job in ["good", "bad"] {
        let trigger = format!("/api/v1/jobs/{job}/trigger?wait=true");
        assert_eq!(door.post(&trigger).status(), 200);
    }
    let good = door.get("/api/v1/jobs/good").ok();
    let ended: jiff::Timestamp = good["last_run"]["finished_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    #[allow(clippy::cast_precision_loss, reason = "it fits")]
    let ended = ended.as_microsecond() as f64 / 1e6;
    let success = "punctual_job_last_success_timestamp_seconds{job=\"good\"}";
    wait_until("the figure", || {
        close(open(&door).get(success), ended).then_some(())
    });
    assert!(daemon.terminate().success());
    let _next = place.start();
    let found = wait_until("the ledger is read", || {
        let found = open(&door);
        found.contains_key(success).then_some(found)
    });
    assert!(close(found.get(success), ended), "{found:#?}");
    let failed = "punctual_job_last_run_successful{job=\"bad\"}";
    assert!(close(found.get(failed), 0.0), "{found:#?}");
    // Counters begin anew.
    assert!(!found.contains_key(&series("good", "succeeded", "manual")));

    place.configure("[jobs.BAD]\n");
    assert_eq!(door.post("/api/v1/reload").status(), 422);
    let reload = "punctual_config_last_reload_successful";
    assert!(close(open(&door).get(reload), 0.0));
}

#[test]
fn a_token_for_some_jobs_gets_their_figures_and_no_sums_of_others() {
    let api = Api::start("token");
    let all = || open_as(&api, "viewer-secret");
    wait_until("a beat", || {
        (all().get("punctual_start_delay_seconds_count")? > &0.0).then_some(())
    });
    let some = open_as(&api, "some-secret");
    assert!(
        some.keys()
            .all(|name| !name.contains("beat") && !name.contains("off")),
        "{some:#?}"
    );
    assert!(
        some.contains_key(
            "punctual_runs_total{job=\"talk\",status=\"failed\",trigger=\"schedule\"}"
        )
    );
    assert!(
        close(some.get("punctual_start_delay_seconds_count"), 0.0),
        "{some:#?}"
    );
    assert!(
        close(some.get("punctual_run_duration_seconds_count"), 0.0),
        "{some:#?}"
    );
    assert!(
        close(some.get("punctual_jobs{state=\"active\"}"), 2.0),
        "{some:#?}"
    );
    assert!(
        close(some.get("punctual_jobs{state=\"disabled\"}"), 0.0),
        "{some:#?}"
    );
    assert!(close(all().get("punctual_jobs{state=\"disabled\"}"), 1.0));
}

fn open_as(api: &Api, token: &str) -> BTreeMap<String, f64> {
    let ask = api.tcp.get("/metrics").token(Some(token));
    parsed("open", &ask.with("Accept", OPEN).send())
}
