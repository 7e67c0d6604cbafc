//! Texts from elsewhere, on their way to a terminal: nothing in them may steer it.

/// A text for a table or a sentence: one line, without anything that steers a terminal, hides text
/// or turns its direction.
pub(super) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Control characters, and the invisible ones that turn or join text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}')
}

/// The longest colour sequence that is taken for one.
const MAX_SEQUENCE: usize = 32;

/// Makes the bytes of a job's output harmless for a terminal, piece by piece.
///
/// Lines and tabs stay, colours go, other control characters show as what they are (`^[`), and a
/// carriage return, which would write over its line, begins a new one.
#[derive(Debug, Default)]
pub(super) struct Tame {
    /// The end of the last piece, which cannot be judged yet.
    rest: Vec<u8>,
}

impl Tame {
    /// What may be shown of this piece and the one before it.
    pub(super) fn feed(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(piece);
        let whole = judged(&bytes);
        self.rest = bytes.split_off(whole);
        shown(&bytes)
    }

    /// What is left when no piece comes any more.
    pub(super) fn end(&mut self) -> String {
        shown(&std::mem::take(&mut self.rest))
    }
}

/// How many of the bytes mean the same whatever follows them.
fn judged(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(MAX_SEQUENCE);
    let sequence = bytes[from..].iter().rposition(|&byte| byte == 0x1b);
    if let Some(at) = sequence.map(|at| from + at)
        && bytes[at + 1..]
            .iter()
            .enumerate()
            .all(|(n, &byte)| in_sequence(n, byte))
    {
        return at;
    }
    if bytes.last() == Some(&b'\r') {
        return bytes.len() - 1;
    }
    let last = bytes.utf8_chunks().last();
    let tail = last.map_or(&[][..], |chunk| chunk.invalid());
    // Of a character of at most four bytes, up to three may still wait for the last.
    let opens = tail.first().is_some_and(|&byte| byte >= 0xc2);
    let waits = opens && std::str::from_utf8(tail).is_err_and(|why| why.error_len().is_none());
    bytes.len() - if waits { tail.len() } else { 0 }
}

/// Whether a byte may stand at that place behind an escape, in a colour sequence without its end.
fn in_sequence(place: usize, byte: u8) -> bool {
    match place {
        0 => byte == b'[',
        _ => byte.is_ascii_digit() || matches!(byte, b';' | b':'),
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (mut shown, mut rest) = (String::with_capacity(text.len()), &*text);
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\x1b' => colour(rest).unwrap_or_else(|| caret(c, &mut shown)),
            '\r' if rest[1..].starts_with('\n') => 1,
            '\r' => {
                shown.push('\n');
                1
            }
            '\n' | '\t' => {
                shown.push(c);
                1
            }
            c if c.is_ascii_control() => caret(c, &mut shown),
            c if steers(c) => {
                shown.extend(c.escape_default());
                c.len_utf8()
            }
            c => {
                shown.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    shown
}

/// The length of the colour sequence that the text begins with.
fn colour(text: &str) -> Option<usize> {
    let behind = text.as_bytes().get(1..)?.iter().enumerate();
    let end = behind
        .take(MAX_SEQUENCE)
        .find(|&(n, &byte)| !in_sequence(n, byte))?;
    (end.0 > 0 && *end.1 == b'm').then_some(end.0 + 2)
}

/// A control character as people write it; gives its length.
fn caret(c: char, shown: &mut String) -> usize {
    let code = u8::try_from(c).expect("a control character of ASCII is a byte");
    shown.push('^');
    shown.push(char::from(code ^ 0x40));
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tamed(pieces: &[&[u8]]) -> String {
        let mut tame = Tame::default();
        let mut text: String = pieces.iter().map(|piece| tame.feed(piece)).collect();
        text.push_str(&tame.end());
        text
    }

    #[test]
    fn cells_are_one_harmless_line() {
        assert_eq!(printable("Sicherung für alle"), "Sicherung für alle");
        assert_eq!(printable("a\nb\x1b[2J\u{9b}1m"), "a\\nb\\u{1b}[2J\\u{9b}1m");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
    }

    #[test]
    fn output_is_tamed() {
        for (bytes, expected) in [
            (&b"plain\n\ttext\n"[..], "plain\n\ttext\n"),
            (b"\x1b[1;31mred\x1b[0m\x1b[m", "red"),
            (b"\x1b]0;title\x07x", "^[]0;title^Gx"),
            (b"\x1b[2J\x1b[H", "^[[2J^[[H"),
            (b"\x1b", "^["),
            (b"\x1b[31", "^[[31"),
            (b"10%\r20%\r\nend\r", "10%\n20%\nend\n"),
            (
                "über \u{9b}31m \u{202e}".as_bytes(),
                "über \\u{9b}31m \\u{202e}",
            ),
            (b"\x9b31m\xff", "\u{fffd}31m\u{fffd}"),
            (b"\x7f\0", "^?^@"),
        ] {
            assert_eq!(tamed(&[bytes]), expected, "{bytes:?}");
        }
        assert_eq!(tamed(&["ü".as_bytes(), &[0xe2, 0x82], &[0xac]]), "ü€");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_nothing_steers(
            bytes in proptest::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    proptest::sample::select(b"\x1b[;1m\r\n\xe2\x82\xac\xf0".to_vec()),
                ],
                0..80,
            ),
            size in 1_usize..9,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let text = tamed(&pieces);
            prop_assert_eq!(&text, &tamed(&[&bytes]));
            prop_assert!(!text.chars().any(|c| steers(c) && c != '\n' && c != '\t'), "{:?}", text);
        }
    }
}
