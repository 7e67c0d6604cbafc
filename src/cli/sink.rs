//! Where the output of a run goes.

use std::io::{self, IsTerminal, Write};

use super::clean::Tame;

/// Standard output or error of this process, as a place for bytes that a job printed.
pub(super) struct Sink<W> {
    to: W,
    /// None: bytes go through as they are.
    tame: Option<Tame>,
    /// Whether a line has begun and not ended.
    in_line: bool,
}

impl<W: Write + IsTerminal> Sink<W> {
    /// A terminal gets text that cannot steer it, all else the bytes as they are.
    pub(super) fn careful(to: W) -> Self {
        let tame = to.is_terminal().then(Tame::default);
        Self {
            to,
            tame,
            in_line: false,
        }
    }
}

impl<W: Write> Sink<W> {
    /// The bytes as they are, whatever is there.
    pub(super) fn raw(to: W) -> Self {
        Self {
            to,
            tame: None,
            in_line: false,
        }
    }

    /// Writes a piece, at once.
    pub(super) fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.tame {
            Some(tame) => self.to.write_all(tame.feed(piece).as_bytes())?,
            None => self.to.write_all(piece)?,
        }
        if let Some(&last) = piece.last() {
            self.in_line = last != b'\n';
        }
        self.to.flush()
    }

    /// Writes a line of its own.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        if self.in_line {
            self.take(b"\n")?;
        }
        self.take(format!("{text}\n").as_bytes())
    }

    /// Writes what could not be judged before there is no more.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Some(tame) = &mut self.tame {
            self.to.write_all(tame.end().as_bytes())?;
        }
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_its_own_begins_a_line() {
        let mut sink = Sink::raw(Vec::new());
        sink.line("[one]").unwrap();
        sink.take(b"a\nb").unwrap();
        sink.take(b"").unwrap();
        sink.line("[two]").unwrap();
        sink.take(b"\x1b[2J\xff").unwrap();
        sink.end().unwrap();
        assert_eq!(sink.to, b"[one]\na\nb\n[two]\n\x1b[2J\xff");
    }

    #[test]
    fn a_terminal_is_not_steered() {
        let mut sink = Sink {
            tame: Some(Tame::default()),
            ..Sink::raw(Vec::new())
        };
        sink.take(b"a\x1b[").unwrap();
        sink.take(b"2Jb\xe2").unwrap();
        sink.end().unwrap();
        assert_eq!(String::from_utf8(sink.to).unwrap(), "a^[[2Jb\u{fffd}");
    }
}
