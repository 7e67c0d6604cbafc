//! The configuration as a whole: what it means, what it refuses, what it bears.

mod calendars;
mod files;
mod hostile;
mod http;
mod meaning;
mod occasions;
mod outlook;
mod refusals;
mod renderings;

use super::*;
use crate::job::CanLimit;

/// An ordinary user's process on a machine in Paris.
pub(super) fn ordinary() -> Environment {
    Environment {
        euid: 1000,
        egid: 1000,
        may_change_ids: false,
        lowest_nice: 0,
        most_open_files: 4_096,
        can_limit: CanLimit::ALL,
        accounts: accounts(),
        home: Some("/home/ann".into()),
        punctual_config: None,
        state_directory: None,
        runtime_directory: None,
        xdg_config_home: None,
        xdg_state_home: None,
        xdg_runtime_dir: None,
        host_name: "desk".to_owned(),
        cores: 4,
        local_zone: Some("Europe/Paris".to_owned()),
        tzdb: Some("2026b".to_owned()),
    }
}

/// Ann, a user for backups with a group more than their own, and the group of disks.
fn accounts() -> Accounts {
    let member = |name: &str, id, groups: &[u32]| Member {
        account: crate::job::Account {
            name: name.to_owned(),
            home: format!("/home/{name}").into(),
            shell: "/bin/sh".into(),
        },
        id,
        group: id,
        groups: groups.to_vec(),
    };
    Accounts::Listed {
        users: vec![member("ann", 1000, &[1000]), member("backup", 34, &[34, 6])],
        groups: [("ann", 1000), ("backup", 34), ("disk", 6)]
            .map(|(name, id)| (name.to_owned(), id))
            .into(),
    }
}

/// Reads a text as `/etc/punctual/config.toml`.
fn read(text: &str) -> Result<Config, Report> {
    parse(Path::new("/etc/punctual/config.toml"), text, &ordinary())
}

/// A text that must be valid.
#[track_caller]
fn valid(text: &str) -> Config {
    read(text).unwrap_or_else(|report| panic!("{report}"))
}

/// The messages about a text that must not be valid.
#[track_caller]
fn messages(text: &str) -> Vec<String> {
    let report = read(text).map(drop).expect_err("this ought to be refused");
    report
        .problems()
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

/// The plan of the only job of a text.
#[track_caller]
fn only_job(text: &str) -> Plan {
    let config = valid(text);
    assert_eq!(config.jobs.len(), 1);
    Plan::clone(config.jobs.values().next().unwrap())
}
