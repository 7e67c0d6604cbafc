//! What a command's output is made for: a terminal of some width, or a program.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::client::ClientError;
use crate::clock;

/// The narrowest terminal that tables are made to fit.
const NARROWEST: u16 = 40;

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// There are.
    On,
    /// There are none.
    Off,
}

/// All that a text depends on besides what it is about.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The time that is now.
    pub now: Timestamp,
    /// Whose clock is shown.
    pub zone: TimeZone,
    /// How many columns there are; none: as many as it takes.
    pub width: Option<usize>,
    /// Whether there are colours.
    pub colour: Colour,
}

impl View {
    /// As standard output is, now.
    pub(super) fn of_stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let columns = size.map(|size| size.ws_col).filter(|&columns| columns > 0);
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            now: clock::now(),
            zone: TimeZone::system(),
            width: columns
                .filter(|_| terminal)
                .map(|columns| columns.max(NARROWEST).into()),
            colour: if terminal && !unwanted {
                Colour::On
            } else {
                Colour::Off
            },
        }
    }
}

/// Writes what was found, or says why there is nothing.
pub(super) fn show(text: Result<String, ClientError>) -> Exit {
    match text {
        Ok(text) => print(&text),
        Err(error) => error.report(),
    }
}

/// Writes a text, whole, to standard output.
pub(super) fn print(text: &str) -> Exit {
    written(&write(text))
}

/// Writes a part of what there is to say to standard output, at once.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// What the end of writing means.
pub(super) fn written(end: &io::Result<()>) -> Exit {
    match end {
        Ok(()) => Exit::Done,
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "punctual: the output cannot be written: {error}"
            );
            Exit::Failed
        }
    }
}
