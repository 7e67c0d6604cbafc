//! `punctual import`

mod crontab;
mod line;
mod name;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::{Exit, view};
use crate::config::{self, Accounts, Environment};
use crontab::Form;

/// The largest crontab that is read, in bytes.
const MAX: u64 = 4 << 20;

/// Turns the jobs of another scheduler into punctual's configuration.
///
/// The result goes to standard output, what should be looked at to standard error as well. Nothing is
/// installed or changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// A crontab, of a user or of the system, with its comments
    ///
    /// A line that cannot be taken over stands in the result as a comment that says why; the exit
    /// code is 1 then.
    Crontab {
        /// The crontab; `-` is standard input: `crontab -l | punctual import crontab -`
        file: PathBuf,

        /// Its lines name a user before the command, as in /etc/crontab and /etc/cron.d, where this is
        /// the default
        #[arg(long)]
        system: bool,

        /// Its lines name no user, as those of `crontab -l`; the default elsewhere, unless all lines
        /// seem to
        #[arg(long, conflicts_with = "system")]
        user: bool,
    },
}

pub fn run(args: &Args) -> Exit {
    let From::Crontab { file, system, user } = &args.from;
    let text = match read(file) {
        Ok(text) => text,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "error: {sentence}");
            return Exit::Failed;
        }
    };
    let source = shown(file);
    let form = match form(file, &text, *system, *user) {
        Ok(form) => form,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "error: {sentence}");
            return Exit::Usage;
        }
    };
    // The daemon that takes it over may be another user than who imports: root can do all of it.
    let environment = Environment {
        euid: 0,
        may_change_ids: true,
        ..Environment::of_process()
    };
    let imported = crontab::import(&text, &source, form, &|table| accepted(table, &environment));
    let mut stderr = std::io::stderr().lock();
    for remark in &imported.remarks {
        let (level, line) = (remark.level, remark.line);
        let _ = writeln!(stderr, "{level}: {source}:{line}: {}", remark.text);
    }
    match view::print(&imported.toml) {
        Exit::Done if !imported.is_whole() => Exit::Failed,
        exit => exit,
    }
}

/// Whether the configuration may hold this table; if not, why not.
fn accepted(table: &str, environment: &Environment) -> Result<(), String> {
    let Err(report) = config::parse(Path::new("config.toml"), table, environment) else {
        return Ok(());
    };
    let problems = report.problems().into_iter();
    let sentences = problems.map(|problem| match problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message,
    });
    Err(sentences.collect::<Vec<_>>().join("; "))
}

/// Whether the lines name users: as was said, as the place has it, or as they look. What could be either
/// is not guessed: a user taken for a command, or a command for a user, would be found out at night.
fn form(file: &Path, text: &str, system: bool, user: bool) -> Result<Form, String> {
    if system || (!user && is_systems(file)) {
        return Ok(Form::System);
    }
    if user || is_users(file) {
        return Ok(Form::User);
    }
    let known = |word: &str| word == "root" || matches!(Accounts::System.user(word), Ok(Some(_)));
    match crontab::may_name(text, &known, &is_program) {
        None => Ok(Form::User),
        Some(word) => Err(format!(
            "lines of {} may name a user before their command, such as {word}: pass --system if they \
             do, or --user if that is the command",
            shown(file)
        )),
    }
}

/// Whether a command of this name is where commands are.
fn is_program(name: &str) -> bool {
    let folders = [
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
    ];
    folders
        .iter()
        .any(|folder| Path::new(folder).join(name).is_file())
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// The file itself, whatever way leads to it. Standard input has none, nor has what is not there.
fn place(file: &Path) -> Option<PathBuf> {
    file.canonicalize().ok()
}

fn is_systems(file: &Path) -> bool {
    let of_system =
        |path: &Path| path == Path::new("/etc/crontab") || path.starts_with("/etc/cron.d");
    of_system(file) || place(file).is_some_and(|path| of_system(&path))
}

fn is_users(file: &Path) -> bool {
    place(file).is_some_and(|path| path.starts_with("/var/spool/cron"))
}

fn read(file: &Path) -> Result<String, String> {
    let told = |why: std::io::Error| format!("cannot read {}: {why}", shown(file));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        let stdin = std::io::stdin().lock();
        stdin.take(MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    } else {
        let opened = std::fs::File::open(file).map_err(told)?;
        opened.take(MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    }
    if bytes.len() as u64 > MAX {
        return Err(format!("{} has more than {MAX} bytes", shown(file)));
    }
    String::from_utf8(bytes).map_err(|_| {
        format!(
            "{} is not UTF-8; convert it first, for instance with iconv",
            shown(file)
        )
    })
}
