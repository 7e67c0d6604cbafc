//! Every key that decides when and whether a job runs: changing it changes the ledger.
//!
//! The config is read as the daemon reads it, the history is that of a scenario (see `scenario`).
//! Keys of processes and of the daemon itself are in `tests/daemon/keys.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use punctual::config::{Accounts, Environment, parse};
use punctual::job::CanLimit;

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
            ("cron = '1 * * * *'", "a 12:01:00 succeeded"),
            ("cron = '2 * * * *'", "a 12:02:00 succeeded"),
            (
                "cron = ['1 * * * *', '2 * * * *']",
                "a 12:01:00 12:02:00 succeeded",
            ),
        ],
    },
    Shown {
        key: "jobs.every",
        config: "[jobs.a]\n\
               KEY",
        history: "12:01:05 end",
        values: &[
            ("every = '20s'", "a 12:00:20 12:00:40 12:01:00 succeeded"),
            ("every = '30s'", "a 12:00:30 12:01:00 succeeded"),
        ],
    },
    Shown {
        key: "jobs.at",
        config: "[jobs.a]\n\
               KEY",
        history: "12:03:00 end",
        values: &[
            ("at = '2026-11-22T12:01:00Z'", "a 12:01:00 succeeded"),
            ("at = '2026-11-22T13:02:00+01:00'", "a 12:02:00 succeeded"),
        ],
    },
    Shown {
        key: "jobs.on",
        config: "[jobs.a]\n\
               KEY",
        history: "12:00:30 end",
        values: &[
            ("on = 'startup'", "a 12:00:00 startup succeeded"),
            ("every = '20s'", "a 12:00:20 succeeded"),
        ],
    },
    Shown {
        key: "jobs.restart",
        config: "[jobs.a]\n\
               on = 'startup'\n\
               retry.jitter = 0\n\
               restart = KEY",
        history: "process a lasts 1s exits 0\n\
               12:00:30 end",
        values: &[
            ("'on-failure'", "a 12:00:00 startup succeeded"),
            ("'always'", "a 12:00:00 12:00:11 startup succeeded"),
        ],
    },
    Shown {
        key: "jobs.restart",
        config: "[jobs.a]\n\
               on = 'startup'\n\
               retry.jitter = 0\n\
               restart = KEY",
        history: "process a lasts 1s exits 1\n\
               12:00:25 end",
        values: &[
            ("'never'", "a 12:00:00 startup failed code 1"),
            ("'on-failure'", "a 12:00:00 12:00:11 startup failed code 1"),
        ],
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
            (
                "['good']",
                "a 12:00:10.1 after succeeded\n\
               bad 12:00:20 failed code 1\n\
               good 12:00:10 succeeded",
            ),
            (
                "['bad']",
                "bad 12:00:20 failed code 1\n\
               good 12:00:10 succeeded",
            ),
            (
                "[{ job = 'bad', status = 'failed' }]",
                "a 12:00:20.1 after succeeded\n\
               bad 12:00:20 failed code 1\n\
               good 12:00:10 succeeded",
            ),
        ],
    },
    Shown {
        key: "jobs.timezone",
        config: "[jobs.a]\n\
               cron = ['0 12 * * *', '1 13 * * *']\n\
               timezone = KEY",
        history: "begin 11:59:30\n\
               12:02:00 end",
        values: &[
            ("'UTC'", "a 12:00:00 succeeded"),
            ("'Europe/Paris'", "a 12:01:00 succeeded"),
        ],
    },
    Shown {
        key: "scheduler.timezone",
        config: "[scheduler]\n\
               timezone = KEY\n\
               [jobs.a]\n\
               cron = ['0 12 * * *', '1 13 * * *']",
        history: "begin 11:59:30\n\
               12:02:00 end",
        values: &[
            ("'UTC'", "a 12:00:00 succeeded"),
            ("'Europe/Paris'", "a 12:01:00 succeeded"),
        ],
    },
    Shown {
        key: "jobs.start",
        config: "[jobs.a]\n\
               every = '1m'\n\
               start = KEY",
        history: "12:03:15 end",
        values: &[
            ("'2026-11-22T12:01:30Z'", "a 12:01:30 12:02:30 succeeded"),
            ("'2026-11-22T12:02:10Z'", "a 12:02:10 12:03:10 succeeded"),
        ],
    },
    Shown {
        key: "jobs.end",
        config: "[jobs.a]\n\
               every = '1m'\n\
               end = KEY",
        history: "12:03:15 end",
        values: &[
            ("'2026-11-22T12:02:00Z'", "a 12:01:00 succeeded"),
            ("'2026-11-22T12:02:01Z'", "a 12:01:00 12:02:00 succeeded"),
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
        values: &[
            (
                "[]",
                "a 23:58:00 23:59:00 1d+00:00:00 1d+00:01:00 1d+00:02:00 succeeded",
            ),
            (
                "['sundays']",
                "a [23:58:00..23:59:00 x2] skipped (excluded: sundays)\n\
               a 1d+00:00:00 1d+00:01:00 1d+00:02:00 succeeded",
            ),
        ],
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
        values: &[
            (
                "['2026-11-22']",
                "a [23:58:00..23:59:00 x2] skipped (excluded: off)\n\
               a 1d+00:00:00 1d+00:01:00 1d+00:02:00 succeeded",
            ),
            (
                "['2026-11-23']",
                "a 23:58:00 23:59:00 succeeded\n\
               a [1d+00:00:00..1d+00:02:00 x3] skipped (excluded: off)",
            ),
        ],
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
        values: &[
            (
                "'20261122.ics'",
                "a [23:58:00..23:59:00 x2] skipped (excluded: off)\n\
               a 1d+00:00:00 1d+00:01:00 1d+00:02:00 succeeded",
            ),
            (
                "'20261123.ics'",
                "a 23:58:00 23:59:00 succeeded\n\
               a [1d+00:00:00..1d+00:02:00 x3] skipped (excluded: off)",
            ),
        ],
    },
    Shown {
        key: "jobs.jitter",
        config: "[jobs.a]\n\
               every = '1m'\n\
               jitter = KEY",
        history: "12:01:01 pause a\n\
               12:01:55 end",
        values: &[
            (
                "'none'",
                "a 12:01:00 succeeded\n\
               12:01:01 > pause a: done",
            ),
            (
                "'50s'",
                "a [12:01:00] skipped (paused)\n\
               12:01:01 > pause a: done",
            ),
        ],
    },
    Shown {
        key: "jobs.enabled",
        config: "[jobs.a]\n\
               every = '20s'\n\
               enabled = KEY",
        history: "12:00:30 trigger a\n\
               12:00:35 end",
        values: &[
            (
                "true",
                "a 12:00:20 succeeded\n\
               a 12:00:30 manual succeeded\n\
               12:00:30 > trigger a: done",
            ),
            (
                "false",
                "a 12:00:30 manual succeeded\n\
               12:00:30 > trigger a: done",
            ),
        ],
    },
    Shown {
        key: "jobs.max_concurrent",
        config: "[jobs.a]\n\
               every = '10s'\n\
               max_concurrent = KEY",
        history: "process a lasts 15s\n\
               12:00:45 end",
        values: &[
            (
                "1",
                "a 12:00:10 succeeded\n\
               a [12:00:20] skipped (max_concurrent)\n\
               a 12:00:30 running\n\
               a [12:00:40] skipped (max_concurrent)",
            ),
            (
                "2",
                "a 12:00:10 12:00:20 succeeded\n\
               a 12:00:30 12:00:40 running",
            ),
        ],
    },
    Shown {
        key: "jobs.concurrency_policy",
        config: "[jobs.a]\n\
               every = '10s'\n\
               concurrency_policy = KEY",
        history: "process a lasts 15s\n\
               12:00:45 end",
        values: &[
            (
                "'forbid'",
                "a 12:00:10 succeeded\n\
               a [12:00:20] skipped (max_concurrent)\n\
               a 12:00:30 running\n\
               a [12:00:40] skipped (max_concurrent)",
            ),
            (
                "'queue'",
                "a 12:00:10 succeeded\n\
               a 12:00:20 succeeded late 5s\n\
               a 12:00:30 running late 10s\n\
               a 12:00:40 queued",
            ),
            (
                "'replace'",
                "a 12:00:10 12:00:20 12:00:30 cancelled (replaced) signal 15\n\
               a 12:00:40 running",
            ),
            (
                "'allow'",
                "a 12:00:10 12:00:20 succeeded\n\
               a 12:00:30 12:00:40 running",
            ),
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
        values: &[
            (
                "1",
                "a 12:00:10 running\n\
               a 12:00:20 queued\n\
               a [12:00:30..12:00:40 x2] skipped (queue_limit)",
            ),
            (
                "2",
                "a 12:00:10 running\n\
               a 12:00:20 12:00:30 queued\n\
               a [12:00:40] skipped (queue_limit)",
            ),
        ],
    },
    Shown {
        key: "jobs.starting_deadline",
        config: "[jobs.a]\n\
               every = '1m'\n\
               starting_deadline = KEY",
        history: "wakes late 3s\n\
               12:01:10 end",
        values: &[
            ("'none'", "a 12:01:00 succeeded late 3s"),
            ("'2s'", "a [12:01:00] missed (starting_deadline)"),
        ],
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
        values: &[
            ("'none'", "a [12:01:00..12:04:00 x4] missed (unwatched)"),
            (
                "'latest'",
                "a [12:01:00..12:03:00 x3] missed (unwatched)\n\
               a 12:04:00 catch_up succeeded late 30s",
            ),
            (
                "'all'",
                "a 12:01:00 catch_up succeeded late 210s\n\
               a 12:02:00 catch_up succeeded late 151s\n\
               a 12:03:00 catch_up succeeded late 92s\n\
               a 12:04:00 catch_up succeeded late 33.01s",
            ),
        ],
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
        values: &[
            (
                "1",
                "a [12:01:00..12:03:00 x3] missed (unwatched)\n\
               a 12:04:00 catch_up succeeded late 30s",
            ),
            (
                "3",
                "a [12:01:00] missed (unwatched)\n\
               a 12:02:00 catch_up succeeded late 150s\n\
               a 12:03:00 catch_up succeeded late 91s\n\
               a 12:04:00 catch_up succeeded late 32s",
            ),
        ],
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
        values: &[
            (
                "'1m'",
                "a [12:01:00..12:03:00 x3] missed (unwatched)\n\
               a 12:04:00 catch_up succeeded late 30s",
            ),
            (
                "'3m'",
                "a [12:01:00] missed (unwatched)\n\
               a 12:02:00 catch_up succeeded late 150s\n\
               a 12:03:00 catch_up succeeded late 91s\n\
               a 12:04:00 catch_up succeeded late 32s",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.max_retries",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { jitter = 0, initial_delay = '10s', max_retries = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            ("0", "a 12:00:10 failed code 1"),
            (
                "1",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1",
            ),
            (
                "2",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1 12:00:40.2",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.initial_delay",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "'5s'",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:15.1",
            ),
            (
                "'20s'",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:30.1",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.multiplier",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 2, jitter = 0, initial_delay = '5s', multiplier = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "1",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:15.1 12:00:20.2",
            ),
            (
                "3.5",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:15.1 12:00:32.7",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.max_delay",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 2, jitter = 0, initial_delay = '10s', multiplier = 10, max_delay = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "'30s'",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1 12:00:50.2",
            ),
            (
                "'50s'",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1 12:01:10.2",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.jitter",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, initial_delay = '30s', jitter = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "0",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:40.1",
            ),
            (
                "1.0",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:01:09.5",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.on",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "['failed']",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1",
            ),
            ("['timed_out']", "a 12:00:10 failed code 1"),
        ],
    },
    Shown {
        key: "jobs.retry.on",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on = KEY }",
        history: "process a lasts 2m timeout 5s\n\
               12:03:00 end",
        values: &[
            ("['failed']", "a 12:00:10 timed_out signal 15"),
            (
                "['timed_out']",
                "a 12:00:10 timed_out signal 15, attempts 12:00:10 12:00:25",
            ),
        ],
    },
    Shown {
        key: "jobs.retry.on_exit_codes",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               retry = { max_retries = 1, jitter = 0, initial_delay = '10s', on_exit_codes = KEY }",
        history: "process a exits 1\n\
               12:03:00 end",
        values: &[
            (
                "[]",
                "a 12:00:10 failed code 1, attempts 12:00:10 12:00:20.1",
            ),
            ("[75]", "a 12:00:10 failed code 1"),
        ],
    },
    Shown {
        key: "jobs.total_timeout",
        config: "[jobs.a]\n\
               at = '2026-11-22T12:00:10Z'\n\
               total_timeout = KEY",
        history: "process a lasts 20s\n\
               12:03:00 end",
        values: &[
            ("'none'", "a 12:00:10 succeeded"),
            ("'15s'", "a 12:00:10 timed_out (total_timeout) signal 15"),
        ],
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
        values: &[
            (
                "'default'",
                "a 12:00:30 succeeded\n\
               b 12:00:30 succeeded",
            ),
            (
                "'one'",
                "a 12:00:30 succeeded\n\
               b 12:00:30 succeeded late 3s",
            ),
        ],
    },
    Shown {
        key: "pools.slots",
        config: "[pools.one]\n\
               slots = KEY\n\
               [jobs.a]\n\
               every = '10s'\n\
               concurrency_policy = 'allow'\n\
               pool = 'one'",
        // The machine has four cores.
        history: "process a lasts 1h\n\
               12:00:55 end",
        values: &[
            (
                "1",
                "a 12:00:10 running\n\
               a 12:00:20 12:00:30 12:00:40 12:00:50 queued",
            ),
            (
                "2",
                "a 12:00:10 12:00:20 running\n\
               a 12:00:30 12:00:40 12:00:50 queued",
            ),
            (
                "'cores'",
                "a 12:00:10 12:00:20 12:00:30 12:00:40 running\n\
               a 12:00:50 queued",
            ),
        ],
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
        values: &[
            (
                "-1",
                "a 12:00:30 succeeded late 3s\n\
               b 12:00:30 succeeded late 6s\n\
               first 12:00:25 succeeded",
            ),
            (
                "1",
                "a 12:00:30 succeeded late 6s\n\
               b 12:00:30 succeeded late 3s\n\
               first 12:00:25 succeeded",
            ),
        ],
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
            (
                "{}",
                "a 12:00:10 manual succeeded\n\
               12:00:10 > trigger a: done\n\
               12:00:20 > trigger a who=me: refused: job a has no parameter \"who\"; it has: none",
            ),
            (
                "{ who = {} }",
                "a 12:00:20 manual succeeded who=me\n\
               12:00:10 > trigger a: refused: parameter \"who\" of job a has no default\n\
               12:00:20 > trigger a who=me: done",
            ),
            (
                "{ who = { default = 'all' } }",
                "a 12:00:10 manual succeeded who=all\n\
               a 12:00:20 manual succeeded who=me\n\
               12:00:10 > trigger a: done\n\
               12:00:20 > trigger a who=me: done",
            ),
            (
                "{ who = { default = 'all', pattern = 'al+' } }",
                "a 12:00:10 manual succeeded who=all\n\
               12:00:10 > trigger a: done\n\
               12:00:20 > trigger a who=me: refused: parameter \"who\" must match al+, and \"me\" does not",
            ),
        ],
    },
    Shown {
        key: "defaults",
        config: "KEY\n\
               [jobs.a]\n\
               every = '20s'",
        history: "process a lasts 25s\n\
               12:00:50 end",
        values: &[
            (
                "",
                "a 12:00:20 succeeded\n\
               a [12:00:40] skipped (max_concurrent)",
            ),
            (
                "max_concurrent = 2",
                "a 12:00:20 succeeded\n\
               a 12:00:40 running",
            ),
        ],
    },
    Shown {
        key: "defaults",
        config: "params = KEY\n\
               [jobs.a]\n\
               every = '1d'\n\
               params = { to = { default = 'us' } }",
        history: "12:00:10 trigger a\n\
               12:00:30 end",
        values: &[
            (
                "{}",
                "a 12:00:10 manual succeeded to=us\n\
               12:00:10 > trigger a: done",
            ),
            (
                "{ who = { default = 'all' } }",
                "a 12:00:10 manual succeeded to=us who=all\n\
               12:00:10 > trigger a: done",
            ),
        ],
    },
];

/// The machine that the configs are read on.
fn environment() -> Environment {
    Environment {
        euid: 1000,
        egid: 1000,
        may_change_ids: false,
        lowest_nice: 0,
        most_open_files: 4_096,
        can_limit: CanLimit::ALL,
        accounts: Accounts::Listed {
            users: Vec::new(),
            groups: Vec::new(),
        },
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
