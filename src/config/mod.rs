//! From files to a checked configuration: as written, then as meant, all complaints at once.
//!
//! [`load`] reads `config.toml` and `conf.d/*.toml` beside it (`read`), parses each into a tree
//! that knows the place of everything (`syntax`, `tree`), and reads the tree key by key (`fields`,
//! `value`) into a [`Config`]: nothing in it is optional that has a default. Whatever is wrong is
//! collected on the way (`report`) and drawn as a compiler would (`render`).
//!
//! - Sections may be spread over files, but each of their keys stands once. Jobs and pools are
//!   named once.
//! - `[defaults]` lies below each job, key by key; `env`, `output` and `params` are merged one level
//!   deep. A schedule or an action of the job replaces that of the defaults, whatever its kind.
//! - Calendars (`calendars`) are lists of dates, or files of the iCalendar format (`ics`).
//! - Relative paths start at the folder of `config.toml`.
//! - `timeout`, `starting_deadline` and `jitter` may be `"none"`.
//! - What the contract names and this version does not do is refused in a sentence (`not_yet`).

mod accounts;
mod action;
mod assemble;
mod calendars;
mod changes;
mod environment;
mod fields;
mod http;
mod ics;
mod job;
mod limits;
mod not_yet;
pub mod outlook;
mod overlap;
mod params;
pub mod permissions;
mod read;
mod render;
mod report;
mod retry;
mod rule;
mod secret;
mod sections;
mod server;
mod shape;
mod shown;
mod syntax;
mod terms;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;
mod value;
mod words;
mod zone;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::job::{JobName, Plan, Pool};
use crate::schedule::Calendar;

pub use accounts::{Accounts, Member};
pub use changes::{Changes, JobChange};
pub use environment::{Environment, locate};
pub use params::pattern as param_pattern;
pub use report::{LocatedProblem, Report, Style};
pub use sections::{NodeSettings, Retention, Scheduler, Store};
pub use server::{Auth, Role, Server, Token, token_lines};

/// The port of the API.
pub const DEFAULT_PORT: u16 = 7878;

/// A configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The API.
    pub server: Server,
    /// The scheduler.
    pub scheduler: Scheduler,
    /// The ledger.
    pub store: Store,
    /// This daemon among others.
    pub node: NodeSettings,
    /// The pools by name; `default` is always among them.
    pub pools: BTreeMap<String, Pool>,
    /// The calendars by name.
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// The files that calendars come from.
    pub calendar_files: Vec<PathBuf>,
    /// The jobs by name.
    pub jobs: BTreeMap<JobName, Arc<Plan>>,
    /// The folder of what lives as long as the machine is up: the start marks.
    pub runtime: PathBuf,
    /// What is worth a second look.
    pub warnings: Report,
}

/// Reads the configuration at `path` and in `conf.d` beside it.
///
/// The error holds everything that is wrong, of all files. As root, files and folders that others
/// may write are refused.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Report> {
    let mut complaints = report::Complaints::default();
    let sources = read::files(path, environment, &mut complaints);
    assemble::assemble(path, sources, environment, complaints)
}

/// Reads a configuration from one text, as if it stood in the file `path`. The files of calendars
/// that it names are read as they are.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Config, Report> {
    let source = report::Source {
        path: Arc::from(path),
        text: Arc::from(text),
    };
    assemble::assemble(
        path,
        vec![source],
        environment,
        report::Complaints::default(),
    )
}

/// What the parts of a configuration are read against.
#[derive(Debug)]
struct Ground<'g> {
    /// The main file, as it was named.
    file: &'g Path,
    /// Its folder, absolute: relative paths start here.
    folder: PathBuf,
    /// The process around.
    environment: &'g Environment,
    /// The zone of jobs that name none.
    timezone: String,
    /// The pools by name.
    pools: BTreeMap<String, Pool>,
    /// The calendars.
    calendars: calendars::Calendars,
}

impl Ground<'_> {
    /// A path of the config as an absolute one.
    fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }
}
