//! What valid configurations mean.

use std::time::Duration;

use super::*;
use crate::job::{
    Action, CatchUpMode, CommandLine, ConcurrencyPolicy, KeepOutput, Limits, OutputLimits, Param,
    Process, Signal, Value,
};
use crate::schedule::Rule;

const SMALLEST: &str = "[jobs.a]\nevery = '1d'\ncommand = ['true']\n";

fn process(plan: &Plan) -> &Process {
    let Action::Process(process) = &plan.action else {
        panic!("no process: {:?}", plan.action)
    };
    process
}

#[test]
fn nothing_written_means_the_defaults_of_the_contract() {
    let config = valid(SMALLEST);
    assert!(config.warnings.is_empty());
    assert_eq!(
        config.server,
        Server {
            listen: vec!["127.0.0.1:7878".parse().unwrap()],
            unix_socket: "/home/ann/.local/state/punctual/punctual.sock".into(),
            unix_socket_mode: 0o660,
            auth: Auth::Token,
            allowed_hosts: vec![],
            tokens: vec![],
        }
    );
    let grace = Duration::from_secs(30);
    let timezone = "Europe/Paris".to_owned();
    assert_eq!(
        config.scheduler,
        Scheduler {
            timezone,
            threads: 1,
            shutdown_grace: grace,
            watch_config: false,
        }
    );
    assert_eq!(
        config.store.path,
        Path::new("/home/ann/.local/state/punctual/punctual.db")
    );
    let retention = config.store.retention;
    assert_eq!(retention.max_age, Duration::from_hours(90 * 24));
    assert_eq!(
        (retention.max_runs_per_job, retention.max_output_bytes),
        (10_000, 1 << 30)
    );
    assert_eq!(config.node.name, "desk");
    assert_eq!(config.pools["default"].slots, 512);

    let plan = only_job(SMALLEST);
    assert_eq!(plan.max_concurrent, 1);
    assert_eq!(plan.concurrency_policy, ConcurrencyPolicy::Forbid);
    assert_eq!(plan.starting_deadline, None);
    assert_eq!(plan.catch_up.mode, CatchUpMode::Latest);
    assert_eq!(
        (plan.catch_up.limit, plan.catch_up.window),
        (100, Duration::from_hours(1))
    );
    assert_eq!(
        (plan.pool.as_str(), plan.priority, plan.enabled),
        ("default", 0, true)
    );
    let spec = plan.schedule().unwrap().spec();
    assert_eq!(spec.rule, Rule::Every(Duration::from_hours(24)));
    assert_eq!(
        (spec.timezone.as_str(), spec.tzdb.as_deref()),
        ("Europe/Paris", Some("2026b"))
    );
    assert_eq!(
        (spec.start, spec.end, spec.jitter),
        (None, None, Duration::ZERO)
    );
    assert_eq!(
        *process(&plan),
        Process {
            command: CommandLine::Command(vec!["true".to_owned()]),
            terms: crate::job::Terms::default(),
            working_dir: None,
            env: BTreeMap::new(),
            env_file: None,
            inherit_env: false,
            stdin: None,
            success_exit_codes: vec![0],
            timeout: Some(Duration::from_hours(1)),
            kill_signal: Signal::TERM,
            kill_timeout: Duration::from_secs(10),
            output: OutputLimits {
                max_bytes: 1 << 20,
                keep: KeepOutput::Both
            },
        }
    );
}

#[test]
fn everything_written_takes_effect() {
    let config = valid(
        r#"
        [server]
        listen = ["127.0.0.1:1", "[::1]:2"]
        unix_socket = "/run/p.sock"
        unix_socket_mode = "0600"
        auth = "none"
        allowed_hosts = ["Punctual.Example.org", "full.example.org."]
        [[server.tokens]]
        name = "deploy"
        hash = "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
        role = "operator"
        jobs = ["backup-*"]
        [[server.tokens]]
        name = "look"
        hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        role = "viewer"
        [scheduler]
        timezone = "america/new_york"
        threads = 2
        shutdown_grace = "0s"
        [store]
        url = "sqlite:ledger.db"
        [store.retention]
        max_age = "1d"
        max_runs_per_job = 5
        max_output_bytes = "2MiB"
        [node]
        name = "db1"
        [pools.default]
        slots = 3
        [pools.cpu]
        slots = "cores"
        scope = "node"
        "#,
    );
    assert_eq!(
        config.server.listen,
        ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]
    );
    assert_eq!(config.server.unix_socket, Path::new("/run/p.sock"));
    assert_eq!(
        (config.server.unix_socket_mode, config.server.auth),
        (0o600, Auth::None)
    );
    assert_eq!(
        config.server.allowed_hosts,
        ["punctual.example.org", "full.example.org"]
    );
    let tokens = &config.server.tokens;
    assert_eq!(
        (tokens[0].name.as_str(), tokens[0].role),
        ("deploy", Role::Operator)
    );
    assert_eq!(tokens[0].hash.to_vec(), (0..32).collect::<Vec<u8>>());
    assert_eq!(
        tokens[0].jobs.as_deref(),
        Some(&["backup-*".to_owned()][..])
    );
    assert_eq!((tokens[1].role, &tokens[1].jobs), (Role::Viewer, &None));
    assert_eq!(config.scheduler.timezone, "America/New_York");
    assert_eq!(
        (config.scheduler.threads, config.scheduler.shutdown_grace),
        (2, Duration::ZERO)
    );
    assert_eq!(config.store.path, Path::new("/etc/punctual/ledger.db"));
    assert_eq!(config.store.retention.max_runs_per_job, 5);
    assert_eq!(config.store.retention.max_output_bytes, 2 << 20);
    assert_eq!(config.node.name, "db1");
    assert_eq!(
        (config.pools["default"].slots, config.pools["cpu"].slots),
        (3, 4)
    );
}

#[test]
fn every_key_of_a_job_takes_effect() {
    let plan = only_job(
        r#"
        [jobs.a]
        description = "what it is"
        every = "1m30s"
        timezone = "UTC"
        command = ["echo", "a b"]
        working_dir = "work"
        env = { A = "x", B = { env = "SRC" }, C = { file = "key" }, D = { credential = "db" } }
        env_file = "/etc/default/a"
        inherit_env = true
        stdin = "in\u0000put"
        success_exit_codes = [0, 3]
        timeout = "none"
        kill_signal = "INT"
        kill_timeout = "250ms"
        max_concurrent = 4
        concurrency_policy = "allow"
        starting_deadline = "5s"
        catch_up = "all"
        catch_up_limit = 7
        catch_up_window = "2d"
        jitter = "30s"
        priority = -3
        enabled = false
        start = "2026-12-01T00:00:00+01:00"
        end = 2027-12-01T00:00:00+01:00
        tags = ["x", "y", "x"]
        params = { target = { default = "all", pattern = "[a-z]+|\\*" }, n = {} }
        output = { max_bytes = "64KiB", keep = "tail" }
        "#,
    );
    assert_eq!(
        (plan.description.as_str(), plan.tags.len()),
        ("what it is", 2)
    );
    let spec = plan.schedule().unwrap().spec();
    assert_eq!(spec.rule, Rule::Every(Duration::from_secs(90)));
    assert_eq!(
        (spec.timezone.as_str(), spec.jitter),
        ("UTC", Duration::from_secs(30))
    );
    assert_eq!(spec.start, Some("2026-11-30T23:00:00Z".parse().unwrap()));
    assert_eq!(spec.end, Some("2027-11-30T23:00:00Z".parse().unwrap()));
    let process = process(&plan);
    assert_eq!(
        process.working_dir.as_deref(),
        Some(Path::new("/etc/punctual/work"))
    );
    assert_eq!(process.env["A"], Value::Plain("x".into()));
    assert_eq!(process.env["B"], Value::Env("SRC".into()));
    assert_eq!(process.env["C"], Value::File("/etc/punctual/key".into()));
    assert_eq!(process.env["D"], Value::Credential("db".into()));
    assert_eq!(
        process.env_file.as_deref(),
        Some(Path::new("/etc/default/a"))
    );
    assert!(process.inherit_env);
    assert_eq!(process.stdin.as_deref(), Some("in\0put"));
    assert_eq!(process.success_exit_codes, [0, 3]);
    assert_eq!((process.timeout, process.kill_signal.number()), (None, 2));
    assert_eq!(process.kill_timeout, Duration::from_millis(250));
    assert_eq!(
        process.output,
        OutputLimits {
            max_bytes: 65_536,
            keep: KeepOutput::Tail
        }
    );
    assert_eq!(
        (plan.max_concurrent, plan.priority, plan.enabled),
        (4, -3, false)
    );
    assert_eq!(plan.concurrency_policy, ConcurrencyPolicy::Allow);
    assert_eq!(plan.starting_deadline, Some(Duration::from_secs(5)));
    assert_eq!(
        (plan.catch_up.mode, plan.catch_up.limit),
        (CatchUpMode::All, 7)
    );
    assert_eq!(plan.catch_up.window, Duration::from_hours(48));
    assert_eq!(
        plan.params["n"],
        Param {
            default: None,
            pattern: None
        }
    );
    let pattern = param_pattern(plan.params["target"].pattern.as_deref().unwrap()).unwrap();
    assert!(pattern.is_match("all") && pattern.is_match("*"));
    assert!(!pattern.is_match("all*") && !pattern.is_match("*\n") && !pattern.is_match(""));
}

#[test]
fn defaults_lie_below_each_job() {
    let config = valid(
        r#"
        [defaults]
        every = "1h"
        shell = "default"
        timeout = "7s"
        env = { A = "default", B = "default" }
        output = { keep = "head" }
        params = { p = { default = "x" } }
        [jobs.plain]
        [jobs.own]
        at = "2030-01-01T00:00:00Z"
        command = ["own"]
        timeout = "none"
        env = { B = "own", S = { env = "SECRET" } }
        output = { max_bytes = "2MiB" }
        "#,
    );
    let plain = process(&config.jobs["plain"]);
    assert_eq!(plain.command, CommandLine::Shell("default".into()));
    assert_eq!(plain.timeout, Some(Duration::from_secs(7)));
    let job = &config.jobs["own"];
    let own = process(job);
    assert_eq!(own.command, CommandLine::Command(vec!["own".into()]));
    assert!(matches!(job.schedule().unwrap().spec().rule, Rule::At(_)));
    assert_eq!(own.timeout, None);
    assert_eq!(own.env["A"], Value::Plain("default".into()));
    assert_eq!(own.env["B"], Value::Plain("own".into()));
    assert_eq!(
        own.output,
        OutputLimits {
            max_bytes: 2 << 20,
            keep: KeepOutput::Head
        }
    );
    assert!(job.params.contains_key("p"));
    assert_eq!(
        job.shown,
        serde_json::json!({
            "at": "2030-01-01T00:00:00Z",
            "command": ["own"],
            "timeout": "none",
            "env": { "A": "default", "B": "own", "S": { "env": "SECRET" } },
            "output": { "keep": "head", "max_bytes": "2MiB" },
            "params": { "p": { "default": "x" } },
        })
    );
}

#[test]
fn without_a_system_zone_local_means_utc_and_says_so() {
    let environment = Environment {
        local_zone: None,
        ..ordinary()
    };
    let config = parse(Path::new("config.toml"), SMALLEST, &environment).unwrap();
    assert_eq!(config.scheduler.timezone, "UTC");
    let warning = config.warnings.to_string();
    assert!(warning.contains("has no IANA name"), "{warning}");
    let explicit = format!("[scheduler]\ntimezone = 'UTC'\n{SMALLEST}");
    assert!(
        parse(Path::new("c"), &explicit, &environment)
            .unwrap()
            .warnings
            .is_empty()
    );
}

/// Everything that decides what a job does, for comparing two.
fn essence(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.shown = serde_json::Value::Null;
    format!("{plan:?}")
}

#[test]
fn the_reference_is_the_defaults() {
    let reference = include_str!("../../../config/reference.toml");
    let written = valid(reference);
    let bare = valid("[jobs.example]\nevery = '1d'\ncommand = ['true']\n");
    assert_eq!(written.server, bare.server);
    assert_eq!(written.scheduler, bare.scheduler);
    assert_eq!(written.store, bare.store);
    assert_eq!(written.node, bare.node);
    assert_eq!(written.pools, bare.pools);
    assert_eq!(
        essence(&written.jobs["example"]),
        essence(&bare.jobs["example"])
    );
}

#[test]
fn the_reference_with_all_examples_is_valid() {
    let reference = include_str!("../../../config/reference.toml");
    let mut text = String::new();
    for line in reference.lines() {
        let example = line
            .strip_prefix("# ")
            .filter(|line| line.starts_with('[') || line.split(' ').nth(1) == Some("="));
        // What is told of two rivals, and of a file that is not there, would not be a configuration.
        let rival = [
            "cron", "at", "on", "restart", "after", "shell", "http", "file",
        ]
        .iter()
        .any(|key| example.is_some_and(|line| line.starts_with(&format!("{key} = "))));
        text.push_str(example.filter(|_| !rival).unwrap_or(line));
        text.push('\n');
    }
    // Only root's daemon may have jobs of another user.
    let root = Environment {
        euid: 0,
        may_change_ids: true,
        ..ordinary()
    };
    let config = parse(Path::new("/etc/punctual/config.toml"), &text, &root);
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.server.tokens.len(), 1);
    assert_eq!(config.node.name, "db1");
    assert_eq!(config.calendars["holidays"].day_count(), 2);
    let plan = &config.jobs["example"];
    assert!(plan.schedule().unwrap().spec().start.is_some());
    assert!(process(plan).stdin.is_some());
    let request = |line: &&str| line.starts_with("# http = ");
    let request = reference.lines().find(request).unwrap();
    let request = request.trim_start_matches("# ");
    only_job(&format!("[jobs.a]\nevery = '1d'\n{request}\n"));
}

#[test]
fn the_sample_is_valid() {
    let sample = include_str!("../../../config/config.toml");
    let config = valid(sample);
    let names: Vec<_> = config.jobs.keys().map(JobName::as_str).collect();
    assert_eq!(
        names,
        ["backup", "clean-up", "disk-space", "health", "heartbeat"]
    );
    assert!(config.warnings.is_empty());
    assert_eq!(config.server.auth, Auth::None);
    // Its commented example is one too.
    let example: String = sample
        .lines()
        .skip_while(|line| !line.starts_with("# [jobs.remind-me]"))
        .filter_map(|line| Some(format!("{}\n", line.strip_prefix("# ")?)))
        .collect();
    only_job(&example);
}

#[test]
fn a_job_has_the_ids_that_its_daemon_has_not() {
    let root = Environment {
        euid: 0,
        may_change_ids: true,
        egid: 0,
        ..ordinary()
    };
    let terms = |environment: &Environment, lines: &str| {
        let text = format!("[jobs.a]\nevery = '1d'\nshell = ':'\n{lines}\n");
        let config = parse(Path::new("/etc/punctual/config.toml"), &text, environment).unwrap();
        let terms = &process(&config.jobs["a"]).terms;
        let ids = terms.ids.as_ref();
        let ids = ids.map(|ids| (ids.user, ids.group, ids.groups.clone()));
        (terms.user.as_ref().map(|user| user.name.clone()), ids)
    };
    let backup = || Some("backup".to_owned());
    let (alone, both) = ("user = 'backup'", "user = 'backup'\ngroup = 'disk'");
    assert_eq!(terms(&root, ""), (None, None));
    let seen = (backup(), Some((34, 34, vec![34, 6])));
    assert_eq!(terms(&root, alone), seen);
    let seen = (backup(), Some((34, 6, vec![34, 6])));
    assert_eq!(terms(&root, both), seen);
    let seen = (None, Some((0, 6, vec![6])));
    assert_eq!(terms(&root, "group = 'disk'"), seen);
    // Whoever is not root runs its own jobs as it is.
    let ann = ordinary();
    let seen = (Some("ann".to_owned()), None);
    assert_eq!(terms(&ann, "user = 'ann'\ngroup = 'ann'"), seen);
}

#[test]
fn defaults_and_jobs_share_terms_key_by_key() {
    let config = valid(
        "[defaults]\numask = '0027'\nlimits = { open_files = 64 }\n\
         [jobs.a]\nevery = '1d'\nshell = ':'\nnice = 5\nlimits = {}\n\
         [jobs.b]\nevery = '1d'\nshell = ':'\numask = '0'\nlimits = { open_files = 16 }\n",
    );
    let terms = |job: &str| process(&config.jobs[job]).terms.clone();
    let (a, b) = (terms("a"), terms("b"));
    assert_eq!(
        (a.umask, a.nice, a.open_files),
        (Some(0o27), Some(5), Some(64))
    );
    assert_eq!((b.umask, b.nice, b.open_files), (Some(0), None, Some(16)));
    assert!(a.need_a_stage() && b.need_a_stage());
    assert!(
        !process(&only_job("[jobs.a]\nevery = '1d'\nshell = ':'\n"))
            .terms
            .need_a_stage()
    );
}

#[test]
fn limits_are_numbers_of_what_they_limit() {
    let limits = |text: &str| process(&only_job(text)).terms.limits;
    let job = |limits: &str| format!("[jobs.a]\nevery = '1d'\nshell = ':'\n{limits}\n");
    let all = job("limits = { memory = '1GiB', cpu = '150%', pids = 200 }");
    let meant = Limits {
        memory: Some(1 << 30),
        cpu_percent: Some(150),
        pids: Some(200),
    };
    assert_eq!(limits(&all), meant);
    assert!(limits(&job("limits = { open_files = 64 }")).is_none());
    for one in ["memory = '1MiB'", "cpu = '1%'", "pids = 1"] {
        let text = job(&format!("limits = {{ {one} }}"));
        assert!(process(&only_job(&text)).terms.need_a_stage(), "{one}");
    }
}
