//! A crontab as punctual's configuration. What cron does and punctual would do otherwise is said, in
//! the result itself. Pure.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::line::{self, Line, When};
use super::name::Names;
use crate::schedule::{Rule, Schedule, ScheduleSpec};

/// Whether lines name a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// They do not.
    User,
    /// They do, before the command.
    System,
}

/// How much a remark matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Something works otherwise than under cron.
    Note,
    /// A line was not taken over.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Error => "error",
        })
    }
}

/// Something to look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) level: Level,
    /// From 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// What became of a crontab.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// The configuration.
    pub(super) toml: String,
    /// What to look at, by line.
    pub(super) remarks: Vec<Remark>,
}

impl Imported {
    /// Whether every job was taken over.
    pub(super) fn is_whole(&self) -> bool {
        self.remarks
            .iter()
            .all(|remark| remark.level == Level::Note)
    }
}

const DIFFERENCES: &str = "\
# What is otherwise than under cron, unless you change it here:
# - A run that takes longer than until the next fire has that one skipped; cron starts it all the same
#   (concurrency_policy = \"allow\").
# - A run ends after an hour (timeout).
# - After downtime, what was missed within the last hour is caught up, once (catch_up, catch_up_window).
# - Output is kept with each run and not mailed.
# - Jobs start in the daemon's folder, not in the user's home (working_dir).
";

/// What is so as well where the crontab was a user's.
const OTHER_USER: &str = "\
# - Jobs run as the user that the daemon runs as, and not as the owner of the crontab: under a daemon that
#   runs as root, write that owner to each job, or to [defaults] (user).
";

/// The first word behind the fields that say when, where it may well be the name of a user: one that
/// `known` tells of, with a command behind it that `program` does not know by that name; or any, where all
/// lines have one. Of another machine's crontab some users are not known here.
pub(super) fn may_name<'t>(
    text: &'t str,
    known: &dyn Fn(&str) -> bool,
    program: &dyn Fn(&str) -> bool,
) -> Option<&'t str> {
    let jobs = text
        .lines()
        .filter_map(|written| match line::parse(written) {
            Line::Job { rest, .. } => Some(line::word(rest)),
            _ => None,
        });
    let jobs: Vec<_> = jobs.collect();
    let is_user =
        |&&(word, rest): &&(&str, &str)| !rest.trim().is_empty() && known(word) && !program(word);
    let one = jobs.iter().find(is_user);
    let all = || {
        jobs.first()
            .filter(|_| jobs.iter().all(|(word, _)| known(word)))
    };
    one.or_else(all).map(|&(word, _)| word)
}

/// Takes a crontab over; `accepted` says why the configuration cannot hold a table.
pub(super) fn import(
    text: &str,
    source: &str,
    form: Form,
    accepted: &dyn Fn(&str) -> Result<(), String>,
) -> Imported {
    let mut import = Import {
        form,
        accepted,
        settings: BTreeMap::new(),
        names: Names::default(),
        out: Imported::default(),
    };
    let kind = match form {
        Form::User => "of a user",
        Form::System => "of the system: its lines name a user",
    };
    import.say(&format!("# Taken over from {source}, as a crontab {kind}."));
    import.out.toml.push_str(DIFFERENCES);
    if form == Form::User {
        import.out.toml.push_str(OTHER_USER);
    }
    import.say("");
    for (written, number) in text.lines().zip(1..) {
        import.line(written, number);
    }
    import.out
}

struct Import<'i> {
    form: Form,
    accepted: &'i dyn Fn(&str) -> Result<(), String>,
    /// Variables that hold for the lines below them.
    settings: BTreeMap<String, String>,
    names: Names,
    out: Imported,
}

impl Import<'_> {
    /// Adds a line that is empty or a comment. TOML has no control characters there.
    fn say(&mut self, line: &str) {
        let plain = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        self.out.toml.extend(line.chars().map(plain));
        self.out.toml.push('\n');
    }

    fn remark(&mut self, level: Level, line: usize, text: String) {
        self.out.remarks.push(Remark { level, line, text });
    }

    /// A remark that also stands in the result.
    fn note(&mut self, line: usize, text: &str) {
        self.say(&format!("# NOTE: {text}"));
        self.remark(Level::Note, line, text.to_owned());
    }

    fn line(&mut self, written: &str, number: usize) {
        if written.contains('\0') {
            let why = "it holds a NUL character, which no process can be given";
            return self.leave(written, number, why);
        }
        match line::parse(written) {
            Line::Blank => self.say(""),
            Line::Comment(comment) => self.say(comment),
            Line::Setting { name, value } => self.setting(name, value, number),
            Line::Job { when, rest } => {
                let mut names = self.names.clone();
                match self.job(&when, rest, &mut names) {
                    Ok(table) => {
                        self.names = names;
                        if when == When::Reboot {
                            self.at_reboot(number);
                        }
                        self.out.toml.push_str(&table);
                    }
                    Err(why) => self.leave(written, number, &why),
                }
            }
            Line::Short => {
                let why = "it has too few fields, or no command";
                self.leave(written, number, why);
            }
        }
    }

    /// A line that cannot be taken over stays as a comment.
    fn leave(&mut self, written: &str, number: usize, why: &str) {
        self.say(&format!("# NOT TAKEN OVER: {why}"));
        self.say(&format!("#   {}", written.trim()));
        self.remark(Level::Error, number, format!("not taken over: {why}"));
    }

    fn setting(&mut self, name: &str, value: &str, number: usize) {
        match name {
            "MAILTO" | "MAILFROM" => {
                let text = format!(
                    "{name} is left out: output is kept with each run, `punctual logs` shows it"
                );
                self.note(number, &text);
            }
            "LOGNAME" | "USER" => {
                let text = format!("{name} is left out: it is always that of the user");
                self.note(number, &text);
            }
            _ => {
                self.settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn at_reboot(&mut self, number: usize) {
        let text = "@reboot: it runs at each start of the daemon, not only of the machine";
        self.note(number, text);
        if self.settings.contains_key("RANDOM_DELAY") {
            let text = "RANDOM_DELAY does not hold for this job: it starts with the daemon at once";
            self.note(number, text);
        }
    }

    /// The table of a job.
    fn job(&self, when: &When<'_>, rest: &str, names: &mut Names) -> Result<String, String> {
        let (user, rest) = match self.form {
            Form::User => (None, rest),
            Form::System => {
                let (user, rest) = line::word(rest);
                (Some(user), rest)
            }
        };
        let (command, input) = line::split_input(rest);
        let command = command.trim();
        if command.is_empty() {
            return Err("it has no command".to_owned());
        }
        let zone = self.settings.get("CRON_TZ").map(String::as_str);
        let schedule = schedule(when, zone)?;
        // What no clock makes run has neither a zone nor a delay.
        let by_clock = *when != When::Reboot;
        let mut table = format!("[jobs.{}]\n{schedule}\n", names.after(command));
        let mut key = |name: &str, value: &str| {
            writeln!(table, "{name} = {value}").expect("writing to a string does not fail");
        };
        if let Some(zone) = self.settings.get("CRON_TZ").filter(|_| by_clock) {
            key("timezone", &quoted(zone));
        }
        if let Some(minutes) = self.settings.get("RANDOM_DELAY").filter(|_| by_clock) {
            let minutes: u16 = minutes
                .parse()
                .map_err(|_| format!("RANDOM_DELAY above is no number of minutes: {minutes:?}"))?;
            if minutes > 0 {
                key("jitter", &quoted(&format!("{minutes}m")));
            }
        }
        match self
            .settings
            .get("SHELL")
            .filter(|shell| *shell != "/bin/sh")
        {
            Some(shell) => {
                let words = [shell.as_str(), "-c", command].map(quoted);
                key("command", &format!("[{}]", words.join(", ")));
            }
            None => key("shell", &quoted(command)),
        }
        if let Some(user) = user {
            key("user", &quoted(user));
        }
        if let Some(home) = self.settings.get("HOME") {
            key("working_dir", &quoted(home));
        }
        if let Some(input) = &input {
            key("stdin", &quoted(input));
        }
        let own = ["SHELL", "CRON_TZ", "RANDOM_DELAY"];
        let kept = self
            .settings
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()));
        let kept: Vec<String> = kept
            .map(|(name, value)| format!("{name} = {}", quoted(value)))
            .collect();
        if !kept.is_empty() {
            key("env", &format!("{{ {} }}", kept.join(", ")));
        }
        table.push('\n');
        (self.accepted)(&table).map_err(|why| format!("with the settings above it: {why}"))?;
        Ok(table)
    }
}

/// The key that says when.
fn schedule(when: &When<'_>, zone: Option<&str>) -> Result<String, String> {
    let expression = match when {
        When::Reboot => return Ok("on = \"startup\"".to_owned()),
        When::Nickname(nickname) => (*nickname).to_owned(),
        When::Fields(fields) => fields.join(" "),
    };
    let spec = ScheduleSpec {
        rule: Rule::Cron(vec![expression.clone()]),
        timezone: zone.unwrap_or("UTC").to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    };
    Schedule::new(spec, "imported").map_err(|error| error.to_string())?;
    Ok(format!("cron = {}", quoted(&expression)))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Environment};

    fn judged(table: &str) -> Result<(), String> {
        let environment = Environment {
            euid: 0,
            may_change_ids: true,
            ..Environment::of_process()
        };
        super::super::accepted(table, &environment)
    }

    fn taken(text: &str, form: Form) -> Imported {
        let imported = import(text, "there", form, &judged);
        let environment = Environment::of_process();
        if let Err(report) = config::parse(Path::new("/x"), &imported.toml, &environment) {
            panic!("{}\n{:#?}", imported.toml, report.problems());
        }
        imported
    }

    #[test]
    fn a_crontab_becomes_a_config_with_its_comments() {
        let crontab = "# Nightly\nSHELL=/bin/bash\nPATH=\"/opt/bin:/bin\"\n\n\
                       30 2 * * * /opt/bin/backup.sh --to '/srv'  # really\n\
                       @hourly cd /srv && ./tidy up\n\
                       SHELL=/bin/sh\n\
                       0 0 1,15 * fri mail joe%Hi%there\n";
        let imported = taken(crontab, Form::User);
        assert!(imported.is_whole() && imported.remarks.is_empty());
        let (_, jobs) = imported.toml.split_once("# Nightly").unwrap();
        let expected = r#"
            [jobs.backup]
            cron = "30 2 * * *"
            command = ["/bin/bash", "-c", "/opt/bin/backup.sh --to '/srv'  # really"]
            env = { PATH = "/opt/bin:/bin" }
            [jobs.tidy]
            cron = "@hourly"
            command = ["/bin/bash", "-c", "cd /srv && ./tidy up"]
            env = { PATH = "/opt/bin:/bin" }
            [jobs.mail]
            cron = "0 0 1,15 * fri"
            shell = "mail joe"
            stdin = "Hi\nthere\n"
            env = { PATH = "/opt/bin:/bin" }
        "#;
        let jobs: toml::Table = toml::from_str(jobs).unwrap();
        assert_eq!(jobs, toml::from_str::<toml::Table>(expected).unwrap());
    }

    #[test]
    fn a_systems_crontab_names_users() {
        let line = "17 * * * * root cd / && run-parts /etc/cron.hourly\n";
        let system = import(line, "there", Form::System, &judged).toml;
        assert!(system.contains("user = \"root\""), "{system}");
        assert!(system.contains("shell = \"cd / && run-parts /etc/cron.hourly\""));
        let user = taken(line, Form::User).toml;
        assert!(user.contains("shell = \"root cd / &&"), "{user}");
    }

    #[test]
    fn what_is_otherwise_is_said() {
        let imported = taken("MAILTO=root\nHOME=/srv\n@reboot up\n", Form::User);
        let lines: Vec<_> = imported.remarks.iter().map(|remark| remark.line).collect();
        assert_eq!(lines, [1, 3]);
        assert!(imported.is_whole());
        let toml = imported.toml;
        assert!(toml.contains("# NOTE: MAILTO"), "{toml}");
        assert!(toml.contains("working_dir = \"/srv\""), "{toml}");
        assert!(toml.contains("on = \"startup\""), "{toml}");
    }

    #[test]
    fn a_line_that_is_not_understood_stays_as_a_comment() {
        let crontab = "61 * * * * late\n* * * * *\n@weekday x\n0~30 * * * * y\n1 1 30 2 * z\n\
                       CRON_TZ=Mars/Base\n5 5 * * * far\n";
        let imported = taken(crontab, Form::User);
        let errors = imported.remarks.iter();
        let errors = errors.filter(|remark| remark.level == Level::Error);
        let lines: Vec<_> = errors.map(|error| error.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 7]);
        assert!(!imported.is_whole());
        let toml = imported.toml;
        assert!(toml.contains("#   61 * * * * late\n"), "{toml}");
        assert!(!toml.contains("\n[jobs."), "{toml}");
    }

    #[test]
    fn nothing_in_a_command_becomes_config() {
        for command in [
            r#"echo "a" 'b' \n"#,
            r#"echo '''""""'''"#,
            "echo [jobs.x] # ]",
            "echo \u{1b}[31m \u{7f} \u{e9}",
            r"echo \\%",
        ] {
            let imported = taken(&format!("* * * * * {command}\n"), Form::User);
            let jobs: toml::Table = toml::from_str(&imported.toml).unwrap();
            let shell = jobs["jobs"]["echo"]["shell"].as_str().unwrap();
            assert_eq!(shell, command.replace("\\%", "%"));
        }
    }

    #[test]
    fn any_text_gives_a_config_or_remarks() {
        let lines = [
            "",
            "#",
            "=",
            "@",
            "%",
            "* * * * * %",
            "A=\"",
            "\u{0}",
            "* * * * * \u{0}a",
        ];
        for line in lines {
            let imported = import(line, "there", Form::System, &judged);
            toml::from_str::<toml::Table>(&imported.toml).unwrap();
            taken(line, Form::User);
        }
    }

    #[test]
    fn a_table_that_the_config_refuses_is_left_with_the_reason() {
        for settings in [
            "HOME=",
            "SHELL=",
            "PUNCTUAL_JOB=x",
            "CRON_TZ=Mars/Base",
            "RANDOM_DELAY=x",
        ] {
            let imported = taken(&format!("{settings}\n1 1 * * * a\n"), Form::User);
            assert!(!imported.is_whole(), "{settings}: {}", imported.toml);
            assert!(imported.toml.contains("#   1 1 * * * a\n"));
            assert!(imported.remarks[0].text.len() > 40, "{settings}");
        }
        let nobody = taken("1 1 * * * nobody-of-this-name a\n", Form::System);
        assert!(!nobody.is_whole(), "{}", nobody.toml);
        // A line that is left takes no name.
        let imported = taken("HOME=\n1 1 * * * a\nHOME=/\n2 2 * * * a\n", Form::User);
        assert!(imported.toml.contains("[jobs.a]"), "{}", imported.toml);
    }

    #[test]
    fn what_runs_at_the_start_has_neither_zone_nor_delay() {
        for settings in [
            "CRON_TZ=Mars/Base",
            "CRON_TZ=Europe/Paris",
            "RANDOM_DELAY=10",
        ] {
            let imported = taken(&format!("{settings}\n@reboot a\n"), Form::User);
            assert!(imported.is_whole(), "{}", imported.toml);
            let said = imported.toml.contains("RANDOM_DELAY does not hold");
            assert_eq!(said, settings.starts_with("RANDOM"), "{}", imported.toml);
        }
    }

    #[test]
    fn another_user_is_told_of() {
        let told = |form| {
            taken("1 1 * * * root a\n", form)
                .toml
                .contains("owner of the crontab")
        };
        assert!(told(Form::User) && !told(Form::System));
    }

    #[test]
    fn names_are_found_on_one_line_and_where_all_have_them() {
        let known = |word: &str| ["root", "www", "mail"].contains(&word);
        let program = |word: &str| word == "mail";
        let found = |text| may_name(text, &known, &program);
        assert_eq!(
            found("A=b\n# c\n1 1 * * * root a\n@daily www b\n"),
            Some("root")
        );
        // Whom another machine has is not known here.
        assert_eq!(found("1 1 * * * else a\n1 1 * * * root a\n"), Some("root"));
        assert_eq!(found("1 1 * * * mail -s a\n"), Some("mail"));
        assert_eq!(found("1 1 * * * mail -s a\n1 1 * * * a\n"), None);
        assert_eq!(found("1 1 * * * root\n1 1 * * * a b\n# root a\n"), None);
    }
}
