//! `punctual db`

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::progress::{Progress, shown_while};
use super::{Exit, check, view};
use crate::config::{self, Environment};
use crate::store::{self, StoreError};
use crate::words;

/// Looks after the ledger, while the daemon runs or while it does not.
///
/// It works on the file itself: as root, or as the user that the daemon runs as.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    task: Task,

    #[arg(long, value_name = "FILE", global = true, help = super::CONFIG)]
    config: Option<PathBuf>,

    /// This ledger, whatever the configuration says: a copy, for instance
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "config")]
    ledger: Option<PathBuf>,

    /// One JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Copies the ledger as it is now into a new file
    ///
    /// The copy is checked, has mode 0600, and can be put in the ledger's place while no daemon
    /// runs.
    Backup {
        /// The file to make; it must not be there yet
        file: PathBuf,
    },
    /// Reads all of the ledger and says what is damaged; exit code 1 if something is
    Check,
    /// Gives the space of removed rows back to the file system
    ///
    /// In steps of some milliseconds with pauses between them, so that the daemon's commits wait for
    /// none but the present one.
    Vacuum,
}

pub fn run(args: &Args) -> Exit {
    let ledger = match &args.ledger {
        Some(ledger) => ledger.clone(),
        None => match configured(args) {
            Ok(ledger) => ledger,
            Err(exit) => return exit,
        },
    };
    let done = match &args.task {
        Task::Backup { file } => backup(&ledger, file),
        Task::Check => checked(&ledger),
        Task::Vacuum => vacuum(&ledger),
    };
    match done {
        Ok(told) => {
            let text = if args.json {
                told.json.to_string()
            } else {
                told.text
            };
            match view::print(&(text + "\n")) {
                Exit::Done => told.exit,
                unwritten => unwritten,
            }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            Exit::Failed
        }
    }
}

/// What a task has to say.
struct Told {
    text: String,
    json: Value,
    exit: Exit,
}

/// Where the ledger of the configuration is.
fn configured(args: &Args) -> Result<PathBuf, Exit> {
    let environment = Environment::of_process();
    let path = config::locate(args.config.as_deref(), &environment);
    let config = path.and_then(|path| config::load(&path, &environment));
    match config {
        Ok(config) => Ok(config.store.path),
        Err(report) => {
            let _ = check::tell(&report);
            let _ = writeln!(
                std::io::stderr(),
                "With --ledger FILE no configuration is needed."
            );
            Err(Exit::Usage)
        }
    }
}

fn backup(ledger: &std::path::Path, file: &std::path::Path) -> Result<Told, StoreError> {
    let bytes = shown_while("copying and checking", || store::backup(ledger, file))?;
    let (from, to) = (ledger.display(), file.display());
    Ok(Told {
        text: format!(
            "Copied {from} to {to} ({}), and checked it.",
            words::size(bytes)
        ),
        json: json!({ "ledger": ledger, "backup": file, "bytes": bytes }),
        exit: Exit::Done,
    })
}

fn checked(ledger: &std::path::Path) -> Result<Told, StoreError> {
    let problems = shown_while("checking", || store::check(ledger))?.problems;
    let place = ledger.display();
    let (text, exit) = if problems.is_empty() {
        (format!("{place} is sound."), Exit::Done)
    } else {
        let list = problems.join("\n  ");
        let text = format!("{place} is damaged; restore it from a backup:\n  {list}");
        (text, Exit::Failed)
    };
    Ok(Told {
        text,
        json: json!({ "ledger": ledger, "sound": problems.is_empty(), "problems": problems }),
        exit,
    })
}

fn vacuum(ledger: &std::path::Path) -> Result<Told, StoreError> {
    let mut progress: Option<(Progress, u64)> = None;
    let sizes = store::vacuum(ledger, &mut |done, all| {
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        let (shown, seen) = progress.get_or_insert_with(|| (Progress::new("pages", all), 0));
        shown.add(usize::try_from(done.saturating_sub(*seen)).unwrap_or(0));
        *seen = done;
    })?;
    drop(progress);
    let (before, after) = (words::size(sizes.before), words::size(sizes.after));
    let more = match sizes.to_come {
        0 => String::new(),
        bytes => format!(
            " {} of its size are free and go when the daemon next puts its log into the file: by itself, \
             with its commits.",
            words::size(bytes)
        ),
    };
    let larger = if sizes.after > sizes.before {
        " The file is larger, as commits that stood in its log beside it (the file with -wal) are in it \
         now."
    } else {
        ""
    };
    let text = format!(
        "{} had {before} and has {after} now.{larger}{more}",
        ledger.display()
    );
    Ok(Told {
        text,
        json: json!({
            "ledger": ledger, "before_bytes": sizes.before, "after_bytes": sizes.after,
            "to_come_bytes": sizes.to_come,
        }),
        exit: Exit::Done,
    })
}
