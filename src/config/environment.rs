//! What the configuration takes from the process around it, as a value.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rustix::process::{Resource, geteuid, getpriority_process, getrlimit};
use rustix::thread::CapabilitySet;

use super::accounts::Accounts;
use super::report::{Problem, Report};
use crate::job::CanLimit;

/// The system's configuration.
const SYSTEM_CONFIG: &str = "/etc/punctual/config.toml";

/// The process around the configuration: user, machine and the few variables that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The effective user id; 0 is root.
    pub euid: u32,
    /// The effective group id.
    pub egid: u32,
    /// Whether processes may have other ids.
    pub may_change_ids: bool,
    /// The lowest niceness that a process may be given.
    pub lowest_nice: i32,
    /// The most descriptors that a process may be allowed.
    pub most_open_files: u64,
    /// The limits on what a job with all its processes may take that can be set here.
    pub can_limit: CanLimit,
    /// The users and groups there are.
    pub accounts: Accounts,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$PUNCTUAL_CONFIG`.
    pub punctual_config: Option<PathBuf>,
    /// `$STATE_DIRECTORY` (systemd); the first if there are several.
    pub state_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY` (systemd); the first if there are several.
    pub runtime_directory: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, if absolute.
    pub xdg_config_home: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, if absolute.
    pub xdg_state_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, if absolute.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// The host's name.
    pub host_name: String,
    /// How many threads the machine runs at once.
    pub cores: u32,
    /// The IANA name of the system's time zone, if it has one.
    pub local_zone: Option<String>,
    /// The version of the system's time zone database, if it tells.
    pub tzdb: Option<String>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            Some(PathBuf::from(value))
        };
        // The XDG base directory specification has relative paths ignored.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let first = |name: &str| {
            let list = std::env::var_os(name)?;
            std::env::split_paths(&list).find(|path| path.is_absolute())
        };
        Self {
            euid: geteuid().as_raw(),
            egid: rustix::process::getegid().as_raw(),
            may_change_ids: may(CapabilitySet::SETUID | CapabilitySet::SETGID),
            lowest_nice: lowest_nice(),
            most_open_files: most_open_files(),
            // A daemon finds out for itself. Whoever asks without being one means another process.
            can_limit: CanLimit::ALL,
            accounts: Accounts::System,
            home: absolute("HOME"),
            punctual_config: path("PUNCTUAL_CONFIG"),
            state_directory: first("STATE_DIRECTORY"),
            runtime_directory: first("RUNTIME_DIRECTORY"),
            xdg_config_home: absolute("XDG_CONFIG_HOME"),
            xdg_state_home: absolute("XDG_STATE_HOME"),
            xdg_runtime_dir: absolute("XDG_RUNTIME_DIR"),
            host_name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            local_zone: local_zone(),
            tzdb: tzdb_version(Path::new("/usr/share/zoneinfo/tzdata.zi")),
        }
    }

    /// The folder of what must survive a restart.
    pub fn state_folder(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.state_directory {
            return Some(folder.clone());
        }
        if self.euid == 0 {
            return Some("/var/lib/punctual".into());
        }
        let home = || Some(self.home.as_ref()?.join(".local/state"));
        let base = self.xdg_state_home.clone().or_else(home)?;
        Some(base.join("punctual"))
    }

    /// The folder of what lives as long as the daemon, its socket above all.
    pub fn runtime_folder(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.runtime_directory {
            return Some(folder.clone());
        }
        if self.euid == 0 {
            return Some("/run/punctual".into());
        }
        match &self.xdg_runtime_dir {
            Some(folder) => Some(folder.join("punctual")),
            None => self.state_folder(),
        }
    }
}

/// Whether this process has a capability: root in a container or under a unit's sandbox may not.
fn may(capability: CapabilitySet) -> bool {
    // It fails for processes that are not there, and this one is.
    rustix::thread::capabilities(None).is_ok_and(|own| own.effective.contains(capability))
}

/// Whoever may raise priorities may do anything; anybody else may go down to their own niceness and to `RLIMIT_NICE`.
fn lowest_nice() -> i32 {
    if may(CapabilitySet::SYS_NICE) {
        return -20;
    }
    // It fails for processes that are not there, and this one is.
    let own = getpriority_process(None).unwrap_or(0);
    let steps = getrlimit(Resource::Nice).current.unwrap_or(40).min(40);
    i32::try_from(steps).map_or(own, |steps| own.min(20 - steps))
}

/// Hard limits are raised with a capability alone.
fn most_open_files() -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    hard.filter(|_| !may(CapabilitySet::SYS_RESOURCE))
        .unwrap_or(u64::MAX)
}

fn local_zone() -> Option<String> {
    let zone = jiff::tz::TimeZone::try_system().ok()?;
    let name = zone.iana_name()?;
    // `Etc/Unknown` is jiff's word for not knowing.
    (name != "Etc/Unknown").then(|| name.to_owned())
}

/// The first line of `tzdata.zi` reads `# version 2026b`.
fn tzdb_version(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let mut line = String::new();
    BufReader::new(file.take(64)).read_line(&mut line).ok()?;
    let version = line.trim().strip_prefix("# version ")?;
    Some(version.to_owned())
}

/// Finds the configuration file: the one named, `$PUNCTUAL_CONFIG`, `/etc/punctual/config.toml`,
/// `$XDG_CONFIG_HOME/punctual/config.toml`.
///
/// A file that somebody named is not looked for elsewhere; that it cannot be read is for
/// [`load`](super::load) to say.
pub fn locate(explicit: Option<&Path>, environment: &Environment) -> Result<PathBuf, Report> {
    locate_with(Path::new(SYSTEM_CONFIG), explicit, environment)
}

fn locate_with(
    system: &Path,
    explicit: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, Report> {
    if let Some(named) = explicit.or(environment.punctual_config.as_deref()) {
        return Ok(named.to_owned());
    }
    let home = || Some(environment.home.as_ref()?.join(".config"));
    let own = environment.xdg_config_home.clone().or_else(home);
    let own = own.map(|base| base.join("punctual/config.toml"));
    let places: Vec<PathBuf> = std::iter::once(system.to_owned()).chain(own).collect();
    if let Some(found) = places.iter().find(|place| place.exists()) {
        return Ok(found.clone());
    }
    let looked: Vec<_> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    let message = format!(
        "there is no configuration file; looked for {}",
        looked.join(" and ")
    );
    let problem = Problem {
        path: None,
        ..Problem::of(system, message)
    };
    Err(Report::single(problem.help(
        "name one with `--config FILE` or in $PUNCTUAL_CONFIG",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::ordinary;

    #[test]
    fn folders_follow_systemd_then_root_then_xdg() {
        let mut environment = ordinary();
        let state = |environment: &Environment| environment.state_folder().unwrap();
        let run = |environment: &Environment| environment.runtime_folder().unwrap();
        assert_eq!(
            state(&environment),
            Path::new("/home/ann/.local/state/punctual")
        );
        assert_eq!(
            run(&environment),
            Path::new("/home/ann/.local/state/punctual")
        );
        environment.xdg_state_home = Some("/state".into());
        environment.xdg_runtime_dir = Some("/run/user/1000".into());
        assert_eq!(state(&environment), Path::new("/state/punctual"));
        assert_eq!(run(&environment), Path::new("/run/user/1000/punctual"));
        environment.euid = 0;
        assert_eq!(state(&environment), Path::new("/var/lib/punctual"));
        assert_eq!(run(&environment), Path::new("/run/punctual"));
        environment.state_directory = Some("/var/lib/other".into());
        environment.runtime_directory = Some("/run/other".into());
        assert_eq!(state(&environment), Path::new("/var/lib/other"));
        assert_eq!(run(&environment), Path::new("/run/other"));
    }

    #[test]
    fn the_search_order_is_the_contracts() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("system.toml");
        let mut environment = ordinary();
        environment.xdg_config_home = Some(folder.path().join("xdg"));
        let own = folder.path().join("xdg/punctual/config.toml");
        let find = |explicit, environment: &Environment| {
            locate_with(&system, explicit, environment).map_err(|report| report.to_string())
        };

        let nothing = find(None, &environment).unwrap_err();
        assert!(nothing.contains("system.toml and "), "{nothing}");
        assert!(nothing.contains("--config FILE"), "{nothing}");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::write(&own, "").unwrap();
        assert_eq!(find(None, &environment), Ok(own));
        std::fs::write(&system, "").unwrap();
        assert_eq!(find(None, &environment), Ok(system.clone()));
        environment.punctual_config = Some("/from/variable".into());
        assert_eq!(find(None, &environment), Ok("/from/variable".into()));
        assert_eq!(
            find(Some(Path::new("here")), &environment),
            Ok("here".into())
        );
    }

    #[test]
    fn the_database_tells_its_version() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# version 2026b\nR d 1916 o\n").unwrap();
        assert_eq!(tzdb_version(file.path()).as_deref(), Some("2026b"));
        std::fs::write(file.path(), [0xff; 100]).unwrap();
        assert_eq!(tzdb_version(file.path()), None);
    }
}
