//! `punctual man`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, Exit};

/// Prints the manual page, or writes the pages of all commands into a folder.
///
/// For packagers: `punctual man --folder man1`. To read it: `punctual man | man -l -`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write punctual.1 and a page for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub fn run(args: &Args) -> Exit {
    let written = match &args.folder {
        Some(folder) => pages(folder)
            .map_err(|why| format!("cannot write the pages into {}: {why}", folder.display())),
        None => one().map_err(|why| format!("cannot make the page: {why}")),
    };
    match written {
        Ok(()) => Exit::Done,
        Err(sentence) => {
            let _ = writeln!(io::stderr(), "error: {sentence}");
            Exit::Failed
        }
    }
}

fn one() -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    // Whoever closed the pipe has read enough.
    let _ = io::stdout().lock().write_all(&page);
    Ok(())
}

fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}
