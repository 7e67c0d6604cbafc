//! Names for jobs that have none: after what they run. Pure.

use std::collections::BTreeSet;

use crate::job::JobName;

/// What runs or looks at something else, and says nothing about what a job is for.
const WRAPPERS: [&str; 27] = [
    "[", "bash", "cd", "chronic", "command", "dash", "doas", "env", "eval", "exec", "flock", "if",
    "ionice", "nice", "nohup", "perl", "php", "python", "python3", "root", "ruby", "set", "setsid",
    "sh", "sudo", "test", "timeout",
];

/// The longest part that is taken over.
const LONGEST: usize = 48;

/// Gives out names, none twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name for a job that runs this line.
    pub(super) fn after(&mut self, command: &str) -> JobName {
        let stem = stem(command).unwrap_or_else(|| "job".to_owned());
        let numbered = (2_u32..).map(|number| format!("{stem}-{number}"));
        let name = std::iter::once(stem.clone())
            .chain(numbered)
            .find(|name| !self.0.contains(name))
            .expect("there are more numbers than jobs");
        self.0.insert(name.clone());
        JobName::new(&name).expect("a stem is letters, digits and dashes, and short")
    }
}

/// The first word that may say what a line is for: a program or a script, without folder and ending.
fn stem(command: &str) -> Option<String> {
    let words = command.split(|c: char| c.is_whitespace() || ";&|()<>\"'`$".contains(c));
    let mut after_cd = false;
    for word in words.filter(|word| !word.is_empty()) {
        let folder = std::mem::replace(&mut after_cd, word == "cd");
        let base = word.rsplit('/').next().unwrap_or_default();
        let is_name = base.starts_with(|first: char| first.is_ascii_alphabetic());
        if folder || !is_name || word.contains('=') || WRAPPERS.contains(&base) {
            continue;
        }
        let base = base.split('.').next().unwrap_or(base);
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        let name: String = base.chars().take(LONGEST).map(plain).collect();
        return Some(name.trim_matches('-').to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_after_what_it_runs() {
        for (command, name) in [
            ("/usr/local/bin/Backup.sh --all", "backup"),
            ("cd /srv/app && ./migrate_all.py", "migrate-all"),
            (
                "test -x /usr/sbin/anacron || run-parts /etc/cron.daily",
                "anacron",
            ),
            ("FOO=1 nice -n 10 restic backup", "restic"),
            ("sudo -u www php /var/www/cron.php", "www"),
            ("123", "job"),
            ("", "job"),
            ("\u{e4}rger", "job"),
        ] {
            assert_eq!(Names::default().after(command).as_str(), name, "{command}");
        }
        assert!(Names::default().after(&"x".repeat(500)).as_str().len() <= 64);
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let given: Vec<_> = ["a", "a", "a-2", "a"]
            .map(|command| names.after(command).to_string())
            .into();
        assert_eq!(given, ["a", "a-2", "a-2-2", "a-3"]);
    }
}
