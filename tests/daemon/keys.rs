//! Every key of a process and of the daemon itself: changing it changes what is observed.
//!
//! Either here, or in an older test that is named. What decides when and whether a job runs is in
//! `tests/sim/keys.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use punctual::clock;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::daemon::{Daemon, Place, wait_until};
use super::http::Door;
use crate::reference_keys;

/// A key of a process, what else its job has, and what is seen of a run under each value: how it
/// ended, and what it wrote to its standard output, line by line.
struct OfProcess {
    key: &'static str,
    job: &'static str,
    values: &'static [(&'static str, &'static str)],
}

const fn of_process(
    key: &'static str,
    job: &'static str,
    values: &'static [(&'static str, &'static str)],
) -> OfProcess {
    OfProcess { key, job, values }
}

const SAYS_WHICH_SIGNAL: &str = r#"
    timeout = "2s"
    shell = 'trap "echo TERM; exit 0" TERM; trap "echo USR1; exit 0" USR1; while :; do sleep 0.01; done'
"#;

/// What it does when it is stopped takes longer than the shorter of the two times.
const CLEANS_UP: &str = r#"
    timeout = "2s"
    shell = 'trap "sleep 1; echo cleaned; exit 0" TERM; while :; do sleep 0.01; done'
"#;

/// `FOLDER` is the folder of the test; the daemon has `KEYS_TEST` and the credential `pin`.
const OF_PROCESSES: &[OfProcess] = &[
    of_process(
        "jobs.command",
        "",
        &[
            (r#"["echo", "a  b | c"]"#, "succeeded: a  b | c"),
            (r#"["false"]"#, "failed, code 1: "),
        ],
    ),
    of_process(
        "jobs.shell",
        "",
        &[
            (r#""echo a  b | tr b d""#, "succeeded: a d"),
            (r#""exit 3""#, "failed, code 3: "),
        ],
    ),
    of_process(
        "jobs.working_dir",
        "command = ['pwd']",
        &[
            ("'/'", "succeeded: /"),
            ("'FOLDER/work'", "succeeded: FOLDER/work"),
        ],
    ),
    of_process(
        "jobs.umask",
        "shell = 'umask'",
        &[("'0077'", "succeeded: 0077"), ("'0'", "succeeded: 0000")],
    ),
    of_process(
        "jobs.nice",
        "command = ['nice']",
        &[("18", "succeeded: 18"), ("19", "succeeded: 19")],
    ),
    of_process(
        "jobs.limits.open_files",
        "shell = 'ulimit -n'",
        &[("64", "succeeded: 64"), ("65", "succeeded: 65")],
    ),
    of_process(
        "jobs.env",
        // Secrets are masked, so it tells how long they are.
        "shell = 'echo ${#WHAT}'",
        &[
            ("{}", "succeeded: 0"),
            ("{ WHAT = 'four' }", "succeeded: 4"),
            ("{ WHAT = { env = 'KEYS_TEST' } }", "succeeded: 19"),
            ("{ WHAT = { file = 'six' } }", "succeeded: 6"),
            ("{ WHAT = { credential = 'pin' } }", "succeeded: 8"),
        ],
    ),
    of_process(
        "jobs.env_file",
        "shell = 'echo $WHAT'",
        &[
            ("'FOLDER/one.env'", "succeeded: one"),
            ("'two.env'", "succeeded: two"),
        ],
    ),
    of_process(
        "jobs.inherit_env",
        "shell = 'echo $KEYS_TEST'",
        &[
            ("false", "succeeded: "),
            ("true", "succeeded: of the daemon's own"),
        ],
    ),
    of_process(
        "jobs.stdin",
        "command = ['cat']",
        &[
            ("''", "succeeded: "),
            ("'some text'", "succeeded: some text"),
        ],
    ),
    of_process(
        "jobs.success_exit_codes",
        "shell = 'exit 3'",
        &[
            ("[0]", "failed, code 3: "),
            ("[0, 3]", "succeeded, code 3: "),
        ],
    ),
    of_process(
        "jobs.timeout",
        "shell = 'sleep 1; echo whole'",
        &[
            ("'none'", "succeeded: whole"),
            ("'100ms'", "timed_out, signal 15: "),
        ],
    ),
    of_process(
        "jobs.kill_signal",
        SAYS_WHICH_SIGNAL,
        &[
            ("'SIGTERM'", "timed_out: TERM"),
            ("'USR1'", "timed_out: USR1"),
        ],
    ),
    of_process(
        "jobs.kill_timeout",
        CLEANS_UP,
        &[
            ("'1h'", "timed_out: cleaned"),
            ("'100ms'", "timed_out, signal 9: "),
        ],
    ),
    of_process(
        "jobs.output.max_bytes",
        "output.keep = 'head'\nshell = 'printf abcdefghij'",
        &[
            (
                "'8B'",
                "succeeded: abcdefgh / [punctual: 2 bytes left out here]",
            ),
            (
                "'4B'",
                "succeeded: abcd / [punctual: 6 bytes left out here]",
            ),
        ],
    ),
    of_process(
        "jobs.output.keep",
        "output.max_bytes = '4B'\nshell = 'printf abcdefghij'",
        &[
            (
                "'head'",
                "succeeded: abcd / [punctual: 6 bytes left out here]",
            ),
            (
                "'tail'",
                "succeeded: [punctual: 6 bytes left out here] / ghij",
            ),
            (
                "'both'",
                "succeeded: ab / [punctual: 6 bytes left out here] / ij",
            ),
        ],
    ),
];

/// A key of the daemon, what it is set to in each of two daemons, and what is seen of these.
struct OfDaemon {
    key: &'static str,
    values: [&'static str; 2],
    look: fn(&Side) -> String,
    seen: [&'static str; 2],
}

const OF_DAEMONS: &[OfDaemon] = &[
    OfDaemon {
        key: "server.listen",
        values: ["['127.0.0.1:0']", "['127.0.0.2:0']"],
        look: |side| side.address.rsplit_once(':').unwrap().0.to_owned(),
        seen: ["127.0.0.1", "127.0.0.2"],
    },
    OfDaemon {
        key: "server.unix_socket_mode",
        values: ["'0660'", "'0600'"],
        look: |side| {
            let socket = std::fs::metadata(side.place.path("punctual.sock")).unwrap();
            format!("{:o}", socket.permissions().mode() & 0o777)
        },
        seen: ["660", "600"],
    },
    OfDaemon {
        key: "server.tokens.name",
        values: ["'ann'", "'bob'"],
        look: |side| {
            let asked = side.tcp().post("/api/v1/jobs/quick/trigger");
            let answer = asked.token(Some("secret")).send();
            let run = side.tcp().get(answer.header("location").unwrap());
            let run = run.token(Some("secret")).ok();
            run["requested_by"].as_str().unwrap().to_owned()
        },
        seen: ["token:ann", "token:bob"],
    },
    OfDaemon {
        key: "scheduler.threads",
        values: ["1", "3"],
        look: |side| {
            let tasks = format!("/proc/{}/task", side.daemon.pid());
            let tasks = std::fs::read_dir(tasks).unwrap().flatten();
            let names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")));
            let of_scheduler = |name: &String| name.trim() == "scheduler";
            names.flatten().filter(of_scheduler).count().to_string()
        },
        seen: ["1", "3"],
    },
    OfDaemon {
        key: "node.name",
        values: ["'here'", "'there'"],
        look: |side| {
            let status = unix(&side.place).get("/api/v1/status").ok();
            status["nodes"][0]["name"].as_str().unwrap().to_owned()
        },
        seen: ["here", "there"],
    },
];

/// Keys that older tests show, and where: each of these fails if the key is ignored.
const ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "server.unix_socket",
        &["tests/daemon/shutdown.rs::queued_runs_wait_for_the_next_life"],
    ),
    (
        "server.auth",
        &[
            "tests/daemon/access.rs::every_route_wants_its_role_and_its_method",
            "tests/daemon/api.rs::jobs_are_listed_shown_and_filtered",
        ],
    ),
    (
        "server.allowed_hosts",
        &["tests/daemon/api.rs::other_hosts_and_other_sites_are_refused"],
    ),
    (
        "server.tokens.hash",
        &["tests/daemon/api.rs::wrong_tokens_are_refused_and_the_socket_knows_root"],
    ),
    (
        "server.tokens.role",
        &["tests/daemon/access.rs::every_route_wants_its_role_and_its_method"],
    ),
    (
        "server.tokens.jobs",
        &["tests/daemon/api.rs::a_token_for_some_jobs_sees_no_others"],
    ),
    (
        "scheduler.shutdown_grace",
        &[
            "tests/daemon/keys.rs::no_grace_is_no_wait",
            "tests/daemon/shutdown.rs::while_it_drains_nothing_new_is_taken_and_questions_are_answered",
        ],
    ),
    (
        "scheduler.watch_config",
        &[
            "tests/daemon/reload.rs::changed_files_are_taken_when_the_config_says_so",
            "tests/daemon/reload.rs::the_difference_is_shown_before_and_after",
        ],
    ),
    (
        "store.url",
        &["tests/daemon/fires.rs::a_job_runs_at_its_instants_as_a_process_and_is_accounted_for"],
    ),
    (
        "store.retention.max_age",
        &["tests/daemon/keys.rs::each_limit_of_retention_removes_what_is_beyond_it"],
    ),
    (
        "store.retention.max_runs_per_job",
        &["tests/daemon/keys.rs::each_limit_of_retention_removes_what_is_beyond_it"],
    ),
    (
        "store.retention.max_output_bytes",
        &["tests/daemon/keys.rs::each_limit_of_retention_removes_what_is_beyond_it"],
    ),
    // It has one value that works; the other is refused, not ignored.
    (
        "pools.scope",
        &["src/config/tests/refusals.rs::what_is_not_there_yet_is_refused_and_never_ignored"],
    ),
    (
        "jobs.http.method",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.url",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.headers",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.body",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.expect_status",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.expect_body",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    (
        "jobs.http.max_response_bytes",
        &["tests/daemon/requests.rs::each_value_of_each_key_of_a_request_is_seen"],
    ),
    // Without control groups there is nothing to see but the refusal.
    (
        "jobs.limits.memory",
        &[
            "src/config/tests/refusals.rs::a_limit_that_the_daemon_cannot_set_is_refused",
            "tests/daemon/cgroup.rs::what_takes_more_memory_than_it_may_is_killed_and_told",
        ],
    ),
    (
        "jobs.limits.cpu",
        &[
            "src/config/tests/refusals.rs::a_limit_that_the_daemon_cannot_set_is_refused",
            "tests/daemon/cgroup.rs::what_has_a_share_of_a_processor_gets_no_more",
        ],
    ),
    (
        "jobs.limits.pids",
        &[
            "src/config/tests/refusals.rs::a_limit_that_the_daemon_cannot_set_is_refused",
            "tests/daemon/cgroup.rs::what_may_not_start_more_processes_cannot",
        ],
    ),
    (
        "jobs.user",
        &["tests/daemon/keys.rs::a_job_runs_as_its_user_and_group"],
    ),
    (
        "jobs.group",
        &["tests/daemon/keys.rs::a_job_runs_as_its_user_and_group"],
    ),
    (
        "jobs.description",
        &["tests/daemon/api.rs::jobs_are_listed_shown_and_filtered"],
    ),
    (
        "jobs.tags",
        &["tests/daemon/api.rs::jobs_are_listed_shown_and_filtered"],
    ),
];

/// A daemon of two, whose settings differ.
struct Side {
    place: Place,
    daemon: Daemon,
    /// Where it listens.
    address: String,
}

impl Side {
    /// A daemon with the settings of this column.
    fn start(column: usize) -> Self {
        let place = Place::new("");
        let folder = place.folder.path().display();
        let value = |key: &str| {
            let mut rows = OF_DAEMONS.iter();
            let row = rows.find(|row| row.key == key);
            row.unwrap_or_else(|| panic!("{key}")).values[column]
        };
        let config = format!(
            "[server]\nlisten = {}\nunix_socket = '{folder}/punctual.sock'\n\
             unix_socket_mode = {}\n[[server.tokens]]\nname = {}\nrole = 'operator'\n\
             hash = 'sha256:{}'\n[scheduler]\nthreads = {}\n[node]\nname = {}\n\
             [store]\nurl = 'sqlite:{folder}/state/punctual.db'\n\
             [jobs.quick]\nevery = '1000d'\nshell = ':'\n",
            value("server.listen"),
            value("server.unix_socket_mode"),
            value("server.tokens.name"),
            hash_of("secret"),
            value("scheduler.threads"),
            value("node.name"),
        );
        std::fs::write(place.path("config.toml"), config).unwrap();
        let mut daemon = place.spawn();
        let line: Value = serde_json::from_str(&daemon.wait_for_log("the API listens")).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        Self {
            place,
            daemon,
            address,
        }
    }

    fn tcp(&self) -> Door {
        Door::Tcp(self.address.parse().unwrap())
    }
}

fn hash_of(secret: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(secret) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn unix(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

/// Triggers a job and returns the run's path.
fn trigger(place: &Place, job: &str) -> String {
    unix(place).trigger(job)
}

/// Waits for the end of a run, and tells of it in one line.
fn ended(place: &Place, run: &str) -> String {
    let door = unix(place);
    let run = door.ended(run);
    let mut line = run["status"].as_str().unwrap().to_owned();
    for what in ["exit_code", "signal"] {
        if let Some(number) = run[what].as_i64().filter(|&number| number != 0) {
            let _ = write!(line, ", {} {number}", what.trim_start_matches("exit_"));
        }
    }
    let id = run["id"].as_str().unwrap();
    let output = door.get(&format!("/api/v1/runs/{id}/output?stream=stdout"));
    let _ = write!(
        line,
        ": {}",
        output.send().text().trim_end().replace('\n', " / ")
    );
    line
}

#[test]
fn each_value_of_each_key_of_a_process_is_seen_in_a_run() {
    let place = Place::new("");
    let folder = place.folder.path().display().to_string();
    std::fs::create_dir(place.path("work")).unwrap();
    for (name, text) in [
        ("one.env", "WHAT=one\n"),
        ("two.env", "WHAT=two\n"),
        ("six", "sixsix"),
        ("pin", "eightpin"),
    ] {
        std::fs::write(place.path(name), text).unwrap();
    }
    let mut jobs = String::new();
    let mut expected = Vec::new();
    for OfProcess { key, job, values } in OF_PROCESSES {
        for (value, seen) in *values {
            let (name, key) = (expected.len(), key.strip_prefix("jobs.").unwrap());
            let _ = writeln!(
                jobs,
                "[jobs.n{name}]\nevery = '1000d'\n{key} = {value}\n{job}"
            );
            expected.push((key, value, seen));
        }
    }
    place.configure(&jobs.replace("FOLDER", &folder));
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command
        .args(place.arguments())
        .stdin(Stdio::null())
        .env("KEYS_TEST", "of the daemon's own")
        .env("CREDENTIALS_DIRECTORY", &folder);
    let mut daemon = Daemon::spawn(place.with_folders(&mut command));
    daemon.wait_for_log("ready");
    let runs: Vec<_> = (0..expected.len())
        .map(|name| trigger(&place, &format!("n{name}")))
        .collect();
    let mut failures = String::new();
    for ((key, value, seen), run) in expected.iter().zip(runs) {
        let found = ended(&place, &run).replace(&folder, "FOLDER");
        if found != **seen {
            let _ = writeln!(failures, "{key} = {value}: not {seen:?} but {found:?}");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    for OfProcess { key, values, .. } in OF_PROCESSES {
        let different: BTreeSet<_> = values.iter().map(|(_, seen)| seen).collect();
        assert!(values.len() > 1 && different.len() == values.len(), "{key}");
    }
}

#[test]
fn a_job_runs_as_its_user_and_group() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: a_job_runs_as_its_user_and_group needs root");
        return;
    }
    let place = Place::new("");
    let jobs = [
        ("neither", "", "root root"),
        ("user", "user = 'nobody'", "nobody nogroup"),
        ("group", "group = 'daemon'", "root daemon"),
        ("both", "user = 'nobody'\ngroup = 'daemon'", "nobody daemon"),
    ];
    let mut text = String::new();
    for (name, lines, _) in jobs {
        let _ = writeln!(
            text,
            "[jobs.{name}]\nevery = '1000d'\nshell = 'echo $(id -un) $(id -gn)'\n{lines}"
        );
    }
    place.configure(&text);
    let _daemon = place.start();
    for (name, _, seen) in jobs {
        let run = trigger(&place, name);
        assert_eq!(ended(&place, &run), format!("succeeded: {seen}"), "{name}");
    }
}

#[test]
fn two_daemons_with_different_settings_are_told_apart() {
    let sides = [Side::start(0), Side::start(1)];
    for OfDaemon {
        key, look, seen, ..
    } in OF_DAEMONS
    {
        assert_ne!(seen[0], seen[1], "{key}");
        let found = sides.each_ref().map(look);
        assert_eq!(found, seen.map(str::to_owned), "{key}");
    }
}

#[test]
fn no_grace_is_no_wait() {
    let place = Place::new(
        "[scheduler]\nshutdown_grace = '0s'\n[jobs.long]\nevery = '1000d'\n\
         shell = 'touch $PLACE/started; exec sleep 600'\n",
    );
    let daemon = place.start();
    trigger(&place, "long");
    wait_until("a start", || place.path("started").exists().then_some(()));
    let begun = clock::monotonic();
    assert!(daemon.terminate().success());
    assert_eq!(place.rows()[0].status, "cancelled");
    // The default is 30 s.
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// The ledger is swept at once when there is too much output; else every few minutes, which no test
/// waits for. So the first of the limits stands in each of the configs in which one is reached.
#[test]
fn each_limit_of_retention_removes_what_is_beyond_it() {
    let flood = "max_output_bytes = '1MiB'\n";
    let cases = [
        ("", 2, [200, 200]),
        (flood, 2, [404, 200]),
        (&format!("{flood}max_runs_per_job = 1"), 1, [404, 200]),
        (&format!("{flood}max_age = '1ms'"), 0, [404, 404]),
    ];
    for (retention, rows, outputs) in cases {
        let place = Place::new(&format!(
            "output.max_bytes = '1MiB'\n[store.retention]\n{retention}\n\
             [jobs.much]\nevery = '1000d'\nshell = 'head -c 700000 /dev/zero'\n"
        ));
        let _daemon = place.start();
        let door = unix(&place);
        let runs = [0, 1].map(|_| {
            let run = trigger(&place, "much");
            wait_until("its end", || {
                let shown = door.get(&run).send();
                let over = shown.status == 404 || shown.json()["finished_at"].is_string();
                over.then_some(())
            });
            run
        });
        wait_until(&format!("what is left under {retention:?}"), || {
            let left = runs
                .each_ref()
                .map(|run| door.get(&format!("{run}/output")).status());
            (place.rows().len() == rows && left == outputs).then_some(())
        });
    }
}

#[test]
fn every_other_key_is_here_and_the_tests_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut here = BTreeSet::new();
    here.extend(OF_PROCESSES.iter().map(|row| row.key.to_owned()));
    here.extend(OF_DAEMONS.iter().map(|row| row.key.to_owned()));
    for (key, tests) in ELSEWHERE {
        here.insert((*key).to_owned());
        for test in *tests {
            let (file, function) = test.split_once("::").unwrap();
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let head = format!("#[test]\nfn {function}() {{");
            assert!(text.contains(&head), "{key}: there is no test {test}");
        }
    }
    assert_eq!(here, reference_keys::keys(false));
}
