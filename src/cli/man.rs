//! `punctual man`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, Exit, view};

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
    let Some(folder) = &args.folder else {
        return view::written(&one().and_then(|page| view::write(&page)));
    };
    match pages(folder) {
        Ok(()) => Exit::Done,
        Err(why) => {
            let folder = folder.display();
            let _ = writeln!(
                io::stderr(),
                "error: cannot write the pages into {folder}: {why}"
            );
            Exit::Failed
        }
    }
}

/// What clap knows nothing of, for the page of the program itself.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
.B 0
It is done.
.TP
.B 1
The operation failed, or the output could not be written.
.TP
.B 2
The usage, the configuration or an expression is wrong.
.TP
.B 3
The daemon is not reachable.
.TP
.B 4
The daemon does not allow it.
.PP
.B punctual trigger \-\-wait
ends with the exit code of the job.
.SH ENVIRONMENT
An empty variable is as good as none.
.TP
.B PUNCTUAL_CONFIG
The configuration file, where \-\-config names none.
.TP
.B PUNCTUAL_SERVER
The daemon, where \-\-server names none:
.I http://HOST:PORT
or
.IR unix:/path .
.TP
.B PUNCTUAL_TOKEN
The token that is shown to the daemon.
.TP
.B PUNCTUAL_TOKEN_FILE
A file that holds the token, where \-\-token\-file names none.
.TP
.B NO_COLOR
If it is not empty, output has no colours.
.SH FILES
.TP
.I /etc/punctual/config.toml
The configuration of the system, with
.I conf.d/*.toml
beside it;
.I $XDG_CONFIG_HOME/punctual/config.toml
that of a user.
.TP
.I /var/lib/punctual/punctual.db
The ledger of a daemon that runs as root;
.I ~/.local/state/punctual/punctual.db
that of a user.
.TP
.I /run/punctual/punctual.sock
The socket of a daemon that runs as root;
.I $XDG_RUNTIME_DIR/punctual/punctual.sock
that of a user.
"#;

fn one() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    page.extend(MORE.bytes());
    String::from_utf8(page).map_err(io::Error::other)
}

fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    std::fs::write(folder.join("punctual.1"), one()?)
}
