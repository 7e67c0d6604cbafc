//! `[scheduler]`, `[store]`, `[node]` and `[pools]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Ground;
use super::fields::Fields;
use super::not_yet::{self, Section};
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::value;
use super::{shape, zone};
use crate::job::Pool;

/// The pool of jobs that name none.
pub(super) const DEFAULT_POOL: &str = "default";

/// Its slots, and those of a pool that does not say.
const DEFAULT_SLOTS: u32 = 512;

/// The most slots of a pool.
const MAX_SLOTS: i64 = 1_000_000;

/// The most pools.
const MAX_POOLS: usize = 10_000;

/// The scheduler's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduler {
    /// The IANA name of the zone of jobs that name none.
    pub timezone: String,
    /// Worker threads of its runtime.
    pub threads: usize,
    /// How long runs may go on after a shutdown began.
    pub shutdown_grace: Duration,
    /// Whether the config is read again when its files change.
    pub watch_config: bool,
}

/// Where the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The `SQLite` file.
    pub path: PathBuf,
    /// How long history is kept.
    pub retention: Retention,
}

/// How long history is kept; whichever bound is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The oldest a run may be.
    pub max_age: Duration,
    /// The most runs of a job.
    pub max_runs_per_job: u64,
    /// The most bytes of all captured output together.
    pub max_output_bytes: u64,
}

/// This daemon among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSettings {
    /// Its name.
    pub name: String,
}

pub(super) fn scheduler(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Scheduler {
    let timezone = match fields.node("timezone") {
        Some(node) => zone::read(node, ground, complaints),
        None => Some(zone::local(ground, None, complaints)),
    };
    Scheduler {
        timezone: timezone.unwrap_or_else(|| "UTC".to_owned()),
        threads: fields
            .whole::<i64>("threads", &(1..=64), complaints)
            .and_then(|threads| usize::try_from(threads).ok())
            .unwrap_or(1),
        shutdown_grace: fields
            .duration("shutdown_grace", complaints)
            .unwrap_or(Duration::from_secs(30)),
        watch_config: fields.flag("watch_config", complaints).unwrap_or(false),
    }
}

pub(super) fn store(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Store {
    not_yet::refuse(Section::Store, fields, complaints);
    let path = match fields.node("url") {
        Some(node) => store_path(node, ground, complaints).unwrap_or_default(),
        None => default_store(ground, complaints),
    };
    let mut retention = Retention {
        max_age: Duration::from_hours(90 * 24),
        max_runs_per_job: 10_000,
        max_output_bytes: 1 << 30,
    };
    if let Some(mut fields) = fields.table("retention", complaints) {
        if let Some(age) = fields.positive("max_age", complaints) {
            retention.max_age = age;
        }
        if let Some(runs) = fields.whole("max_runs_per_job", &(1..=1_000_000_000), complaints) {
            retention.max_runs_per_job = runs;
        }
        if let Some(bytes) = fields.size("max_output_bytes", &(1 << 20..=1 << 50), complaints) {
            retention.max_output_bytes = bytes;
        }
        fields.finish(complaints);
    }
    Store { path, retention }
}

fn default_store(ground: &Ground<'_>, complaints: &mut Complaints) -> PathBuf {
    if let Some(folder) = ground.environment.state_folder() {
        return folder.join("punctual.db");
    }
    let problem = Problem::of(ground.file, "there is no folder for the ledger");
    complaints.error(problem.help("set $HOME or `store.url`"));
    PathBuf::new()
}

fn store_path(node: &Node, ground: &Ground<'_>, complaints: &mut Complaints) -> Option<PathBuf> {
    let url = value::text("url", node, complaints)?;
    if shape::is_fleet_url(url) {
        return None;
    }
    let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty());
    match path {
        Some(path) if !path.starts_with("//") && !path.starts_with(':') => Some(ground.path(path)),
        _ => {
            complaints.error(
                Problem::at(node.place, "`url` is \"sqlite:\" and the path of a file")
                    .help("such as \"sqlite:/var/lib/punctual/punctual.db\""),
            );
            None
        }
    }
}

pub(super) fn node(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> NodeSettings {
    not_yet::refuse(Section::Node, fields, complaints);
    let host = || ground.environment.host_name.clone();
    let Some(node) = fields.node("name") else {
        return NodeSettings { name: host() };
    };
    let name = value::text("name", node, complaints).unwrap_or_default();
    if matches!(node.value, Written::Text(_)) && !(1..=64).contains(&name.chars().count()) {
        complaints.error(Problem::at(
            node.place,
            "a node's name has 1 to 64 characters",
        ));
    }
    NodeSettings {
        name: name.to_owned(),
    }
}

/// Reads the pools of all files. `default` is always among them.
pub(super) fn pools(
    written: &BTreeMap<&str, &Node>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> BTreeMap<String, Pool> {
    let default = Pool {
        name: DEFAULT_POOL.to_owned(),
        slots: DEFAULT_SLOTS,
    };
    let mut pools = BTreeMap::from([(default.name.clone(), default)]);
    for (&name, node) in written.iter().take(MAX_POOLS + 1) {
        if pools.len() > MAX_POOLS {
            complaints.error(Problem::at(
                node.key,
                format!("there are more than {MAX_POOLS} pools"),
            ));
        }
        if let Err(error) = crate::job::JobName::new(name) {
            let sentence = error.to_string().replace("job name", "pool's name");
            complaints.error(Problem::at(node.key, sentence.replace("a a ", "a ")));
        }
        let Written::Table(table) = &node.value else {
            value::mistaken(node, "a pool is a table", complaints);
            continue;
        };
        let mut fields = Fields::over(vec![table]);
        not_yet::refuse(Section::Pool, &mut fields, complaints);
        let slots = fields
            .node("slots")
            .and_then(|node| slots(node, ground, complaints));
        fields.finish(complaints);
        let pool = Pool {
            name: name.to_owned(),
            slots: slots.unwrap_or(DEFAULT_SLOTS),
        };
        pools.insert(name.to_owned(), pool);
    }
    pools
}

fn slots(node: &Node, ground: &Ground<'_>, complaints: &mut Complaints) -> Option<u32> {
    if let Written::Text(text) = &node.value {
        if text == "cores" {
            return Some(ground.environment.cores.max(1));
        }
        complaints.error(Problem::at(node.place, "`slots` is a number, or \"cores\""));
        return None;
    }
    u32::try_from(value::whole("slots", &(1..=MAX_SLOTS), node, complaints)?).ok()
}
