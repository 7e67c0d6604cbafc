//! `punctual import`

mod crontab;
mod line;
mod name;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::Exit;
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
    },
}

pub fn run(args: &Args) -> Exit {
    let From::Crontab { file, system } = &args.from;
    let text = match read(file) {
        Ok(text) => text,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "error: {sentence}");
            return Exit::Failed;
        }
    };
    let form = if *system || is_systems(file) {
        Form::System
    } else {
        Form::User
    };
    let source = shown(file);
    let imported = crontab::import(&text, &source, form);
    let mut stderr = std::io::stderr().lock();
    for remark in &imported.remarks {
        let (level, line) = (remark.level, remark.line);
        let _ = writeln!(stderr, "{level}: {source}:{line}: {}", remark.text);
    }
    // Whoever closed the pipe has read enough; the exit code tells the rest.
    let _ = std::io::stdout().lock().write_all(imported.toml.as_bytes());
    if imported.is_whole() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn is_systems(file: &Path) -> bool {
    file == Path::new("/etc/crontab") || file.starts_with("/etc/cron.d")
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
