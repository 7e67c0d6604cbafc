//! The files put together: sections, pools and jobs of all of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::calendars::{self, Calendars};
use super::fields::Fields;
use super::not_yet::{self, Section};
use super::report::{Complaints, Problem, Report, Source};
use super::tree::{Node, Table, Written};
use super::{Config, Environment, Ground, job, sections, server, syntax, upstream, value, words};
use crate::job::{JobName, Plan};

/// The most jobs.
const MAX_JOBS: usize = 100_000;

/// Sections whose keys stand once over all files.
const SECTIONS: [&str; 5] = ["server", "scheduler", "store", "node", "defaults"];

/// Tables whose keys are names, each of which stands once over all files.
const NAMED: [&str; 4] = ["pools", "jobs", "calendars", "notify"];

pub(super) fn assemble(
    path: &Path,
    mut sources: Vec<Source>,
    environment: &Environment,
    mut complaints: Complaints,
) -> Result<Config, Report> {
    let files: Vec<Table> = sources
        .iter()
        .enumerate()
        .map(|(number, source)| syntax::read(number, &source.text, &mut complaints))
        .collect();
    let config = read(path, &files, environment, &mut sources, &mut complaints);
    let warnings = complaints.verdict(&sources)?;
    Ok(Config { warnings, ..config })
}

fn read(
    path: &Path,
    files: &[Table],
    environment: &Environment,
    sources: &mut Vec<Source>,
    complaints: &mut Complaints,
) -> Config {
    check_top(files, complaints);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    let timezone = "UTC".to_owned();
    let pools = BTreeMap::new();
    let mut ground = Ground {
        file: path,
        folder,
        environment,
        timezone,
        pools,
        calendars: Calendars::default(),
    };

    let scheduler = section("scheduler", files, complaints, |f, c| {
        sections::scheduler(f, &ground, c)
    });
    ground.timezone.clone_from(&scheduler.timezone);
    ground.pools = sections::pools(&named("pools", files, complaints), &ground, complaints);
    let written = named("calendars", files, complaints);
    ground.calendars = calendars::calendars(&written, &ground, sources, complaints);
    let server = section("server", files, complaints, |f, c| {
        server::read(f, &ground, c)
    });
    let store = section("store", files, complaints, |f, c| {
        sections::store(f, &ground, c)
    });
    let node = section("node", files, complaints, |f, c| {
        sections::node(f, &ground, c)
    });
    let jobs = jobs(files, &ground, complaints);
    let beside = || store.path.parent().unwrap_or(Path::new("/")).to_owned();
    let runtime = environment.runtime_folder().unwrap_or_else(beside);
    let pools = ground.pools;
    let calendars = ground.calendars;
    let warnings = Report::nothing();
    Config {
        server,
        scheduler,
        store,
        node,
        pools,
        calendars: calendars.by_name,
        calendar_files: calendars.files,
        jobs,
        runtime,
        warnings,
    }
}

/// Complains about unknown tables, and about those whose effect is not there yet.
fn check_top(files: &[Table], complaints: &mut Complaints) {
    for file in files {
        let mut fields = Fields::over(vec![file]);
        not_yet::refuse(Section::Top, &mut fields, complaints);
        for key in SECTIONS.into_iter().chain(NAMED) {
            let node = fields.node(key);
            match node.map(|node| (node, &node.value)) {
                None | Some((_, Written::Table(_))) => {}
                Some((node, Written::List(_))) if key == "jobs" => complaints.error(
                    Problem::at(node.key, "`jobs` are tables keyed by name")
                        .help("write [jobs.NAME] above each job instead of [[jobs]]"),
                ),
                Some((node, _)) => {
                    value::mistaken(node, &format!("`{key}` is a table"), complaints);
                }
            }
        }
        fields.finish(complaints);
    }
}

/// The tables of one section in all files.
fn layers<'t>(key: &str, files: &'t [Table]) -> Vec<&'t Table> {
    let table = |file: &'t Table| match &file.entries.get(key)?.value {
        Written::Table(table) => Some(table),
        _ => None,
    };
    files.iter().filter_map(table).collect()
}

/// Reads a section that may be spread over files.
fn section<T>(
    key: &str,
    files: &[Table],
    complaints: &mut Complaints,
    read: impl FnOnce(&mut Fields<'_>, &mut Complaints) -> T,
) -> T {
    let layers = layers(key, files);
    complain_of_repeated(&layers, complaints);
    let mut fields = Fields::over(layers);
    let read = read(&mut fields, complaints);
    fields.finish(complaints);
    read
}

/// Complains about keys that stand in more than one of the tables.
fn complain_of_repeated(layers: &[&Table], complaints: &mut Complaints) {
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    for table in layers {
        for (key, node) in &table.entries {
            let Some(other) = first.get(key.as_str()) else {
                first.insert(key, node);
                continue;
            };
            if let (Written::Table(a), Written::Table(b)) = (&other.value, &node.value) {
                complain_of_repeated(&[a, b], complaints);
            } else {
                let sentence = format!("`{key}` of [{}] stands in two files", table.name);
                complaints.error(
                    Problem::at(node.key, sentence)
                        .also(other.key, "it stands here already")
                        .help("remove one of the two"),
                );
            }
        }
    }
}

/// The named tables of all files, each name once.
fn named<'t>(
    key: &str,
    files: &'t [Table],
    complaints: &mut Complaints,
) -> BTreeMap<&'t str, &'t Node> {
    let mut found: BTreeMap<&str, &Node> = BTreeMap::new();
    for table in layers(key, files) {
        for (name, node) in &table.entries {
            if let Some(first) = found.get(name.as_str()) {
                let sentence = format!("[{key}.{name}] stands here a second time");
                complaints.error(
                    Problem::at(node.key, sentence)
                        .also(first.key, "it stands here already")
                        .help("remove or rename one of the two"),
                );
            } else {
                found.insert(name, node);
            }
        }
    }
    found
}

fn jobs(
    files: &[Table],
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> BTreeMap<JobName, Arc<Plan>> {
    let defaults = layers("defaults", files);
    complain_of_repeated(&defaults, complaints);
    job::check_defaults(&defaults, ground, complaints);
    let mut jobs = BTreeMap::new();
    let named = named("jobs", files, complaints);
    for (number, (&name, &node)) in named.iter().enumerate() {
        if number == MAX_JOBS {
            let sentence = format!("there are more than {MAX_JOBS} jobs, the most there may be");
            complaints.error(Problem::at(node.key, sentence));
            break;
        }
        let Written::Table(table) = &node.value else {
            let sentence = format!("the job {} is a table", words::quoted(name));
            value::mistaken(node, &sentence, complaints);
            continue;
        };
        let Some(checked) = job_name(name, node, complaints) else {
            continue;
        };
        if let Some(plan) = job::read(&checked, table, &defaults, ground, complaints) {
            jobs.insert(checked, Arc::new(plan));
        }
    }
    upstream::check(&jobs, &named, &defaults, complaints);
    jobs
}

fn job_name(name: &str, node: &Node, complaints: &mut Complaints) -> Option<JobName> {
    let error = match JobName::new(name) {
        Ok(name) => return Some(name),
        Err(error) => error,
    };
    let better: String = name
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
                c
            } else {
                '-'
            }
        })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(64)
        .collect();
    let problem = Problem::at(node.key, error.to_string());
    complaints.error(match JobName::new(&better) {
        Ok(better) => problem.help(format!("`{better}` would do")),
        Err(_) => problem,
    });
    None
}
