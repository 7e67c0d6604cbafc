//! Every key of `config/reference.toml`, and in which suite it is shown that changing it changes
//! what is observed.
//!
//! Keys are named without the names that users choose: `jobs.every`, `pools.slots`,
//! `server.tokens.role`, `jobs.retry.jitter`.

use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../config/reference.toml");

/// What decides when and whether a job runs: shown in simulated time, by `tests/sim/keys.rs`. All
/// others are shown with a real daemon, by `tests/daemon/keys.rs`.
const IN_SIMULATED_TIME: [&str; 35] = [
    "calendars.dates",
    "calendars.file",
    "defaults",
    "jobs.after",
    "jobs.at",
    "jobs.catch_up",
    "jobs.catch_up_limit",
    "jobs.catch_up_window",
    "jobs.concurrency_policy",
    "jobs.cron",
    "jobs.enabled",
    "jobs.end",
    "jobs.every",
    "jobs.exclude",
    "jobs.jitter",
    "jobs.max_concurrent",
    "jobs.on",
    "jobs.params",
    "jobs.pool",
    "jobs.priority",
    "jobs.queue_limit",
    "jobs.restart",
    "jobs.retry.initial_delay",
    "jobs.retry.jitter",
    "jobs.retry.max_delay",
    "jobs.retry.max_retries",
    "jobs.retry.multiplier",
    "jobs.retry.on",
    "jobs.retry.on_exit_codes",
    "jobs.start",
    "jobs.starting_deadline",
    "jobs.timezone",
    "jobs.total_timeout",
    "pools.slots",
    "scheduler.timezone",
];

/// Those to be shown in simulated time, or all others.
pub fn keys(in_simulated_time: bool) -> BTreeSet<String> {
    let all = all(REFERENCE);
    for key in IN_SIMULATED_TIME {
        assert!(all.contains(key), "config/reference.toml has no key {key}");
    }
    let simulated = |key: &String| IN_SIMULATED_TIME.contains(&key.as_str());
    let mut keys = all;
    keys.retain(|key| simulated(key) == in_simulated_time);
    keys
}

/// The keys of a reference, those that stand behind a `#` as examples among them.
fn all(reference: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in reference.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = named(line.trim_matches(['[', ']']));
            continue;
        }
        let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) else {
            continue;
        };
        let value: toml::Table = format!("value = {value}").parse().expect("an example");
        match &value["value"] {
            // A table of fixed keys; that of `env` or `params` has names that users choose.
            toml::Value::Table(table) if !table.is_empty() => {
                keys.extend(table.keys().map(|inner| format!("{section}.{key}.{inner}")));
            }
            _ => {
                keys.insert(format!("{section}.{key}"));
            }
        }
        assert!(!section.is_empty(), "{key} stands in no section");
    }
    // Any key of a job may stand there; the reference names none.
    if reference.lines().any(|line| line == "[defaults]") {
        keys.insert("defaults".to_owned());
    }
    keys
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// A section without the name that its user chose.
fn named(section: &str) -> String {
    let chosen = ["jobs.", "pools.", "calendars."];
    let kind = chosen.iter().find(|kind| section.starts_with(**kind));
    kind.map_or(section, |kind| kind.trim_end_matches('.'))
        .to_owned()
}

#[test]
fn keys_are_found_in_a_reference() {
    let found = all(
        "[a]\nk = 1\n# A text.\n# l = [\"x\"]\n[[b.c]]\n# what = \"d\"\n\
         [jobs.example]\nenv = {}\nretry = { on = [\"x = y\"], jitter = 0.1 }\n[defaults]\n",
    );
    let expected = [
        "a.k",
        "a.l",
        "b.c.what",
        "defaults",
        "jobs.env",
        "jobs.retry.jitter",
        "jobs.retry.on",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}
