//! What a new configuration changes against the one in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::job::{JobName, Plan};
use crate::schedule::Calendar;

/// The differences between two configurations, as far as they mean something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Jobs that are new.
    pub added: Vec<JobName>,
    /// Jobs that go: their queue is cancelled, what runs runs on, their history stays.
    pub removed: Vec<JobName>,
    /// Jobs that stay and differ.
    pub changed: Vec<JobChange>,
    /// Pools whose slots differ, or that come or go.
    pub pools: Vec<String>,
    /// Calendars whose days differ, or that come or go.
    #[serde(default)]
    pub calendars: Vec<String>,
    /// Settings outside of these that take effect at once.
    pub settings: Vec<String>,
    /// Settings that differ and take effect at the next start alone.
    pub restart_required: Vec<String>,
}

/// A job that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobChange {
    /// Which.
    pub job: JobName,
    /// The keys of its table that differ, those inherited from `[defaults]` among them.
    pub keys: Vec<String>,
    /// The calendars that it excludes, as before, and whose days differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<String>,
    /// Whether it names other instants than before: then it counts from now.
    pub schedule: bool,
}

impl Changes {
    /// What `new` changes against `old`, the config in force, in a daemon that was started with
    /// `started`.
    pub fn between(started: &Config, old: &Config, new: &Config) -> Self {
        let names = |config: &Config| config.jobs.keys().cloned().collect::<BTreeSet<_>>();
        let (before, after) = (names(old), names(new));
        let changed = before
            .intersection(&after)
            .filter_map(|name| JobChange::between(&old.jobs[name], &new.jobs[name]))
            .collect();
        Self {
            added: after.difference(&before).cloned().collect(),
            removed: before.difference(&after).cloned().collect(),
            changed,
            pools: differing(&old.pools, &new.pools),
            calendars: differing(&old.calendars, &new.calendars),
            settings: at_once(old, new),
            restart_required: at_restart(started, new),
        }
    }

    /// Whether there is no difference at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl JobChange {
    fn between(old: &Arc<Plan>, new: &Arc<Plan>) -> Option<Self> {
        let empty = serde_json::Map::new();
        let table = |plan: &Plan| plan.shown.as_object().unwrap_or(&empty).clone();
        let (before, after) = (table(old), table(new));
        let mut keys: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
        keys.retain(|key| before.get(key) != after.get(key));
        let (one, other) = (old.spec_in_force(), new.spec_in_force());
        let calendars = other_days(old, new);
        let schedule = match (one, other) {
            (Some(one), Some(other)) => !one.names_the_same(&other),
            (one, other) => one != other,
        };
        (schedule || !keys.is_empty() || !calendars.is_empty()).then(|| Self {
            job: new.name.clone(),
            keys: keys.into_iter().collect(),
            calendars,
            schedule,
        })
    }
}

/// The calendars that a job excludes before and after, with other days.
fn other_days(old: &Plan, new: &Plan) -> Vec<String> {
    let excluded = |plan: &Plan| {
        let schedule = plan.schedule();
        schedule.map_or_else(Vec::new, |it| it.spec().exclude.clone())
    };
    let before = excluded(old);
    let differs = |now: &Calendar| {
        let then = before.iter().find(|then| then.name() == now.name());
        then.is_some_and(|then| **then != *now)
    };
    let after = excluded(new);
    let differing = after.iter().filter(|calendar| differs(calendar));
    differing
        .map(|calendar| calendar.name().to_owned())
        .collect()
}

fn differing<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|&name| old.get(name) != new.get(name))
        .cloned()
        .collect()
}

/// Who may do what, and how long a shutdown waits: in force from the next request or signal.
fn at_once(old: &Config, new: &Config) -> Vec<String> {
    named([
        ("server.auth", old.server.auth != new.server.auth),
        ("server.tokens", old.server.tokens != new.server.tokens),
        (
            "server.allowed_hosts",
            old.server.allowed_hosts != new.server.allowed_hosts,
        ),
        (
            "scheduler.shutdown_grace",
            old.scheduler.shutdown_grace != new.scheduler.shutdown_grace,
        ),
    ])
}

/// What was opened or started with them stays as it is until the daemon is started again.
fn at_restart(old: &Config, new: &Config) -> Vec<String> {
    named([
        ("server.listen", old.server.listen != new.server.listen),
        (
            "server.unix_socket",
            old.server.unix_socket != new.server.unix_socket,
        ),
        (
            "server.unix_socket_mode",
            old.server.unix_socket_mode != new.server.unix_socket_mode,
        ),
        (
            "scheduler.threads",
            old.scheduler.threads != new.scheduler.threads,
        ),
        (
            "scheduler.watch_config",
            old.scheduler.watch_config != new.scheduler.watch_config,
        ),
        ("store.url", old.store.path != new.store.path),
        (
            "store.retention",
            old.store.retention != new.store.retention,
        ),
        ("node.name", old.node.name != new.node.name),
    ])
}

fn named<const N: usize>(settings: [(&str, bool); N]) -> Vec<String> {
    let differing = settings.into_iter().filter(|&(_, differs)| differs);
    differing.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};

    fn config(text: &str) -> Config {
        let fixed = "[server]\nauth = \"none\"\nunix_socket = \"/tmp/s\"\n[store]\nurl = \"sqlite:/tmp/x.db\"\n";
        let environment = Environment::of_process();
        let text = if text.contains("[server]") {
            text.to_owned()
        } else {
            format!("{fixed}{text}")
        };
        parse(Path::new("/nowhere/config.toml"), &text, &environment).unwrap()
    }

    fn changes(old: &str, new: &str) -> Changes {
        let old = config(old);
        Changes::between(&old, &old, &config(new))
    }

    #[test]
    fn jobs_come_go_and_differ() {
        let old = "[jobs.a]\nevery = \"1m\"\nshell = \"x\"\n[jobs.b]\nevery = \"1m\"\nshell = \"x\"\n\
                   [jobs.c]\nevery = \"1m\"\nshell = \"x\"\n";
        let new = "[jobs.a]\nevery = \"2m\"\nshell = \"x\"\n[jobs.c]\nevery = \"1m\"\nshell = \"y\"\n\
                   priority = 3\n[jobs.d]\nevery = \"1m\"\nshell = \"x\"\n";
        let found = changes(old, new);
        let names = |jobs: &[JobName]| jobs.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&found.added), ["d"]);
        assert_eq!(names(&found.removed), ["b"]);
        let differing: Vec<_> = found
            .changed
            .iter()
            .map(|change| (change.job.as_str(), change.keys.join(","), change.schedule))
            .collect();
        assert_eq!(
            differing,
            [
                ("a", "every".to_owned(), true),
                ("c", "priority,shell".to_owned(), false)
            ]
        );
    }

    #[test]
    fn defaults_and_the_zone_reach_the_jobs() {
        let job = "[jobs.a]\ncron = \"0 3 * * *\"\nshell = \"x\"\n";
        let zone = |zone: &str| format!("[scheduler]\ntimezone = \"{zone}\"\n{job}");
        let found = changes(&zone("UTC"), &zone("Europe/Paris"));
        assert!(found.changed[0].schedule, "{found:?}");
        let found = changes(job, &format!("[defaults]\ntimeout = \"9s\"\n{job}"));
        assert_eq!(found.changed[0].keys, ["timeout"]);
        assert!(!found.changed[0].schedule);
    }

    #[test]
    fn a_calendar_changes_what_is_excluded_and_not_what_is_named() {
        let with = |days: &str| {
            format!(
                "[calendars.c]\ndates = [{days}]\n[jobs.a]\nevery = \"1m\"\nshell = \"x\"\n\
                 exclude = [\"c\"]\n[jobs.b]\nevery = \"1m\"\nshell = \"x\"\n"
            )
        };
        let old = with("\"2026-12-25\", \"2026-12-26\"");
        assert!(changes(&old, &with("\"2026-12-26\", \"2026-12-25\"")).is_empty());
        let found = changes(&old, &with("\"2026-12-25\""));
        assert_eq!(found.calendars, ["c"]);
        let change = JobChange {
            job: JobName::new("a").unwrap(),
            keys: Vec::new(),
            calendars: vec!["c".to_owned()],
            schedule: false,
        };
        assert_eq!(found.changed, [change]);
        let without = old.replace("exclude = [\"c\"]\n", "");
        let found = changes(&old, &without);
        assert_eq!(
            (found.changed[0].keys.join(","), found.changed[0].schedule),
            ("exclude".to_owned(), false)
        );
        assert!(found.calendars.is_empty() && found.changed[0].calendars.is_empty());
    }

    #[test]
    fn another_kind_of_schedule_is_no_other_calendar() {
        let with = |when: &str| {
            format!(
                "[calendars.c]\ndates = [\"2026-12-25\"]\n[defaults]\nexclude = [\"c\"]\n\
                 [jobs.a]\n{when}\nshell = \"x\"\n"
            )
        };
        let bare = |when: &str| format!("[jobs.a]\n{when}\nshell = \"x\"\n");
        let (startup, every) = ("on = \"startup\"", "every = \"1m\"");
        for (old, new) in [
            (bare(startup), bare(every)),
            (bare(every), bare(startup)),
            (with(startup), with(every)),
        ] {
            let found = changes(&old, &new);
            assert_eq!(found.changed[0].keys, ["every", "on"]);
            assert!(found.changed[0].calendars.is_empty() && found.changed[0].schedule);
        }
    }

    #[test]
    fn nothing_and_what_needs_a_restart() {
        let job = "[jobs.a]\nevery = \"1m\"\nshell = \"x\"\n";
        assert!(changes(job, &format!("# a comment\n{job}")).is_empty());
        let found = changes(job, "[server]\nauth = \"none\"\nunix_socket = \"/tmp/t\"\n");
        assert_eq!(found.restart_required, ["server.unix_socket", "store.url"]);
        let pools = changes(
            "[pools.p]\nslots = 1\n",
            "[pools.p]\nslots = 2\n[pools.q]\nslots = 1\n",
        );
        assert_eq!(pools.pools, ["p", "q"]);
    }
}
