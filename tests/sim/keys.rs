//! Every key that decides when and whether a job runs: changing it changes the ledger.
//!
//! The config is read as the daemon reads it, the history is that of a scenario (see `scenario`).
//! Keys of processes and of the daemon itself are in `tests/daemon/keys.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use punctual::config::{Environment, parse};

use crate::reference_keys;
use crate::scenario::{origin, play};
use crate::world::{Behaviour, World};

/// A key, and what comes of each of its values under one history.
struct Shown {
    key: &'static str,
    /// What stands around the key, for which there is `KEY`; above it are `[defaults]` with a shell
    /// line, so that a job needs no other.
    config: &'static str,
    /// What the processes do, and what happens.
    history: &'static str,
    /// What is written, and the ledger that it leads to.
    values: &'static [(&'static str, &'static str)],
}

const SHOWN: &[Shown] = &[
    Shown {
        key: "jobs.cron",
        config: "[jobs.a]\n\
               KEY",
        history: "12:03:00 end",
        values: &[
            ("cron = '1 * * * *'", ""),
            ("cron = '2 * * * *'", ""),
            ("cron = ['1 * * * *', '2 * * * *']", ""),
        ],
    },
    Shown {
        key: "jobs.every",
        config: "[jobs.a]\n\
               KEY",
        history: "12:01:05 end",
        values: &[("every = '20s'", ""), ("every = '30s'", "")],
    },
    Shown {
        key: "jobs.at",
        config: "[jobs.a]\n\
               KEY",
        history: "12:03:00 end",
        values: &[
            ("at = '2026-11-22T12:01:00Z'", ""),
            ("at = '2026-11-22T13:02:00+01:00'", ""),
        ],
    },
    Shown {
        key: "jobs.on",
        config: "[jobs.a]\n\
               KEY",
        history: "12:00:30 end",
        values: &[("on = 'startup'", ""), ("every = '20s'", "")],
    },
    Shown {
        key: "jobs.restart",
        config: "[jobs.a]\n\
               on = 'startup'\n\
               retry.jitter = 0\n\
               restart = KEY",
        history: "process a lasts 1s exits 0\n\
               12:00:30 end",
        values: &[("'never'", ""), ("'on-failure'", ""), ("'always'", "")],
    },
    Shown {
        key: "jobs.restart",
        config: "[jobs.a]\n\
               on = 'startup'\n\
               retry.jitter = 0\n\
               restart = KEY",
        history: "process a lasts 1s exits 1\n\
               12:00:25 end",
        values: &[("'never'", ""), ("'on-failure'", "")],
    },
    Shown {
        key: "jobs.after",
        config: "[jobs.good]\n\
               at = '2026-11-22T12:00:10Z'\n\
               [jobs.bad]\n\
               at = '2026-11-22T12:00:20Z'\n\
               [jobs.a]\n\
               after = KEY",
        history: "process bad exits 1\n\
               12:00:30 end",
        values: &[
            ("['good']", ""),
            ("['bad']", ""),
            ("[{ job = 'bad', status = 'failed' }]", ""),
        ],
    },
    Shown {
        key: "jobs.timezone",
        config: "[jobs.a]\n\
               cron = ['0 12 * * *', '1 13 * * *']\n\
               timezone = KEY",
        history: "begin 11:59:30\n\
               12:02:00 end",
        values: &[("'UTC'", ""), ("'Europe/Paris'", "")],
    },
    Shown {
        key: "scheduler.timezone",
        config: "[scheduler]\n\
               timezone = KEY\n\
               [jobs.a]\n\
               cron = ['0 12 * * *', '1 13 * * *']",
        history: "begin 11:59:30\n\
               12:02:00 end",
        values: &[("'UTC'", ""), ("'Europe/Paris'", "")],
    },
    Shown {
        key: "jobs.start",
        config: "[jobs.a]\n\
               every = '1m'\n\
               start = KEY",
        history: "12:03:15 end",
        values: &[
            ("'2026-11-22T12:01:30Z'", ""),
            ("'2026-11-22T12:02:10Z'", ""),
        ],
    },
    Shown {
        key: "jobs.end",
        config: "[jobs.a]\n\
               every = '1m'\n\
               end = KEY",
        history: "12:03:15 end",
        values: &[
            ("'2026-11-22T12:02:00Z'", ""),
            ("'2026-11-22T12:02:01Z'", ""),
        ],
    },
    Shown {
        key: "jobs.exclude",
        config: "[calendars.sundays]\n\
               dates = ['2026-11-22']\n\
               [jobs.a]\n\
               cron = '* * * * *'\n\
               exclude = KEY",
        history: "begin 23:57:30\n\
               1d+00:02:10 end",
        values: &[("[]", ""), ("['sundays']", "")],
    },
    Shown {
        key: "calendars.dates",
        config: "[calendars.off]\n\
               dates = KEY\n\
               [jobs.a]\n\
               cron = '* * * * *'\n\
               exclude = ['off']",
        history: "begin 23:57:30\n\
               1d+00:02:10 end",
        values: &[("['2026-11-22']", ""), ("['2026-11-23']", "")],
    },
    Shown {
        key: "calendars.file",
        config: "[calendars.off]\n\
               file = KEY\n\
               [jobs.a]\n\
               cron = '* * * * *'\n\
               exclude = ['off']",
        history: "begin 23:57:30\n\
               1d+00:02:10 end",
        values: &[("'20261122.ics'", ""), ("'20261123.ics'", "")],
    },
    Shown {
        key: "jobs.jitter",
        config: "[jobs.a]\n\
               every = '1m'\n\
               jitter = KEY",
        history: "12:01:01 end",
        values: &[("'none'", ""), ("'50s'", "")],
    },
    Shown {
        key: "jobs.enabled",
        config: "[jobs.a]\n\
               every = '20s'\n\
               enabled = KEY",
        history: "12:00:30 trigger a\n\
               12:00:35 end",
        values: &[("true", ""), ("false", "")],
    },
    Shown {
        key: "jobs.max_concurrent",
        config: "[jobs.a]\n\
               every = '10s'\n\
               max_concurrent = KEY",
        history: "process a lasts 15s\n\
               12:00:45 end",
        values: &[("1", ""), ("2", "")],
    },
    Shown {
        key: "jobs.concurrency_policy",
        config: "[jobs.a]\n\
               every = '10s'\n\
               concurrency_policy = KEY",
        history: "process a lasts 15s\n\
               12:00:45 end",
        values: &[
            ("'forbid'", ""),
            ("'queue'", ""),
            ("'replace'", ""),
            ("'allow'", ""),
        ],
    },
    Shown {
        key: "jobs.queue_limit",
        config: "[jobs.a]\n\
               every = '10s'\n\
               concurrency_policy = 'queue'\n\
               queue_limit = KEY",
        history: "process a lasts 35s\n\
               12:00:42 end",
        values: &[("1", ""), ("2", "")],
    },
    Shown {
        key: "jobs.starting_deadline",
        config: "[jobs.a]\n\
               every = '1m'\n\
               starting_deadline = KEY",
        history: "wakes late 3s\n\
               12:01:10 end",
        values: &[("'none'", ""), ("'2s'", ""), ("'4s'", "")],
    },
    Shown {
        key: "jobs.catch_up",
        config: "[jobs.a]\n\
               every = '1m'\n\
               catch_up = KEY",
        history: "process a lasts 1s\n\
               12:00:30 kill\n\
               12:04:30 start\n\
               12:04:50 end",
        values: &[("'none'", ""), ("'latest'", ""), ("'all'", "")],
    },
    Shown {
        key: "jobs.catch_up_limit",
        config: "[jobs.a]\n\
               every = '1m'\n\
               catch_up = 'all'\n\
               catch_up_limit = KEY",
        history: "process a lasts 1s\n\
               12:00:30 kill\n\
               12:04:30 start\n\
               12:04:50 end",
        values: &[("1", ""), ("3", "")],
    },
    Shown {
        key: "jobs.catch_up_window",
        config: "[jobs.a]\n\
               every = '1m'\n\
               catch_up = 'all'\n\
               catch_up_window = KEY",
        history: "process a lasts 1s\n\
               12:00:30 kill\n\
               12:04:30 start\n\
               12:04:50 end",
        values: &[("'1m'", ""), ("'3m'", "")],
    },
    Shown {
        key: "jobs.retry.max_retries",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { jitter = 0, initial_delay = '10s', max_retries = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("0", ""), ("1", ""), ("2", "")],
    },
    Shown {
        key: "jobs.retry.initial_delay",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("'5s'", ""), ("'20s'", "")],
    },
    Shown {
        key: "jobs.retry.multiplier",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 2, jitter = 0, initial_delay = '5s', multiplier = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("1", ""), ("3.5", "")],
    },
    Shown {
        key: "jobs.retry.max_delay",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 2, jitter = 0, initial_delay = '10s', multiplier = 10, max_delay = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("'30s'", ""), ("'50s'", "")],
    },
    Shown {
        key: "jobs.retry.jitter",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, initial_delay = '30s', jitter = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("0", ""), ("1.0", "")],
    },
    Shown {
        key: "jobs.retry.on",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("['failed']", ""), ("['timed_out']", "")],
    },
    Shown {
        key: "jobs.retry.on",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on = KEY }",
        history: "process a lasts 2m timeout 5s\n\
               12:03:00 end",
        values: &[("['failed']", ""), ("['timed_out']", "")],
    },
    Shown {
        key: "jobs.retry.on_exit_codes",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on_exit_codes = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[("[]", ""), ("[1]", ""), ("[75]", "")],
    },
    Shown {
        key: "jobs.total_timeout",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               total_timeout = KEY",
        history: "process a lasts 20s\n\
               12:03:00 end",
        values: &[("'none'", ""), ("'15s'", "")],
    },
    Shown {
        key: "jobs.pool",
        config: "[pools.one]\n\
               slots = 1\n\
               [jobs.a]\n\
               every = '30s'\n\
               pool = 'one'\n\
               [jobs.b]\n\
               every = '30s'\n\
               pool = KEY",
        history: "process a lasts 3s\n\
               process b lasts 3s\n\
               12:00:40 end",
        values: &[("'default'", ""), ("'one'", "")],
    },
    Shown {
        key: "pools.slots",
        config: "[pools.one]\n\
               slots = KEY\n\
               [jobs.a]\n\
               every = '30s'\n\
               pool = 'one'\n\
               [jobs.b]\n\
               every = '30s'\n\
               pool = 'one'",
        history: "process a lasts 3s\n\
               process b lasts 3s\n\
               12:00:40 end",
        values: &[("1", ""), ("2", ""), ("'cores'", "")],
    },
    Shown {
        key: "jobs.priority",
        config: "[pools.one]\n\
               slots = 1\n\
               [jobs.first]\n\
               at = '2026-11-22T12:00:25Z'\n\
               pool = 'one'\n\
               [jobs.a]\n\
               every = '30s'\n\
               pool = 'one'\n\
               [jobs.b]\n\
               every = '30s'\n\
               pool = 'one'\n\
               priority = KEY",
        history: "process first lasts 8s\n\
               process a lasts 3s\n\
               process b lasts 3s\n\
               12:00:50 end",
        values: &[("0", ""), ("1", ""), ("-1", "")],
    },
    Shown {
        key: "jobs.params",
        config: "[jobs.a]\n\
               every = '1d'\n\
               params = KEY",
        history: "12:00:10 trigger a\n\
               12:00:20 trigger a who=me\n\
               12:00:30 end",
        values: &[
            ("{}", ""),
            ("{ who = {} }", ""),
            ("{ who = { default = 'all' } }", ""),
            ("{ who = { default = 'all', pattern = 'al+' } }", ""),
        ],
    },
    Shown {
        key: "defaults",
        config: "KEY\n\
               [jobs.a]\n\
               every = '20s'",
        history: "process a lasts 25s\n\
               12:00:50 end",
        values: &[("", ""), ("max_concurrent = 2", "")],
    },
    Shown {
        key: "defaults",
        config: "params = KEY\n\
               [jobs.a]\n\
               every = '1d'\n\
               params = { to = { default = 'us' } }",
        history: "12:00:10 trigger a\n\
               12:00:30 end",
        values: &[("{}", ""), ("{ who = { default = 'all' } }", "")],
    },
];

/// The machine that the configs are read on.
fn environment() -> Environment {
    Environment {
        euid: 1000,
        home: Some("/home/ann".into()),
        punctual_config: None,
        state_directory: None,
        runtime_directory: None,
        xdg_config_home: None,
        xdg_state_home: None,
        xdg_runtime_dir: None,
        host_name: "desk".to_owned(),
        cores: 4,
        local_zone: Some("UTC".to_owned()),
        tzdb: None,
    }
}

/// What becomes of a history under a config that stands in this folder.
fn ledger(folder: &Path, text: &str, history: &str) -> String {
    let config = parse(&folder.join("config.toml"), text, &environment())
        .unwrap_or_else(|report| panic!("{text}\n{report}"));
    let mut world = World::new(origin(history));
    for plan in config.jobs.into_values() {
        world.add_job(plan, Behaviour::default());
    }
    world.pools = config.pools;
    play(&mut world, history).trim().to_owned()
}

/// Calendars named by the only day that is in them.
fn write_calendars(folder: &Path) {
    for day in ["20261122", "20261123"] {
        let calendar = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{day}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        std::fs::write(folder.join(format!("{day}.ics")), calendar).unwrap();
    }
}

#[test]
fn each_value_of_each_key_leads_to_a_ledger_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    write_calendars(folder.path());
    let mut failures = String::new();
    for Shown {
        key,
        config,
        history,
        values,
    } in SHOWN
    {
        let mut ledgers = BTreeSet::new();
        for (value, expected) in *values {
            let text = format!(
                "[defaults]\nshell = ':'\n{}\n",
                config.replace("KEY", value)
            );
            let found = ledger(folder.path(), &text, history);
            if found != *expected {
                let _ = writeln!(failures, "{key}, {value}: not\n{expected}\nbut\n{found}\n");
            }
            if !ledgers.insert(found) {
                let _ = writeln!(failures, "{key}, {value}: another value does the same\n");
            }
        }
        assert!(values.len() > 1, "{key}: a single value shows nothing");
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn every_key_that_decides_when_a_job_runs_is_here() {
    let here: BTreeSet<String> = SHOWN.iter().map(|shown| shown.key.to_owned()).collect();
    assert_eq!(here, reference_keys::keys(true));
}
