//! Keeps secret values out of captured output, also where a read cut one in two. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands in place of a secret.
const MASK: &[u8] = b"***";

/// Shorter values are not looked for: they would mask half of any text and say where they are.
const SHORTEST: usize = 4;

/// Shorter lines of a value of several lines are not looked for on their own: they are brackets and
/// common words.
const SHORTEST_LINE: usize = 8;

/// Longer values are looked for in pieces of this length: so much is held back at most, and compared at
/// each byte.
const PIECE: usize = 4 << 10;

/// The values to look for, in order, and what is needed to find them: at each byte of a text that a job
/// chooses, about as many comparisons as the number of values has binary digits.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets(Arc<Sorted>);

#[derive(Debug, Default)]
struct Sorted {
    values: Vec<Box<[u8]>>,
    /// For each value the longest other that it begins with.
    shorter: Vec<Option<usize>>,
    /// Which beginnings there are, by their hash.
    beginnings: Box<[u64]>,
}

/// How many bits tell beginnings apart.
const BEGINNINGS: usize = 1 << 16;

impl Secrets {
    /// Takes those of the values that are long enough to be looked for, without the white space around
    /// them, and each of their lines: tools print these alone.
    pub(super) fn new(values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut forms = BTreeSet::new();
        for value in values {
            add_forms(&value, &mut forms);
        }
        Self(Arc::new(Sorted::new(forms.into_iter().collect())))
    }

    /// What [`Secrets::new`] makes the same of again.
    pub(super) fn to_values(&self) -> Vec<Vec<u8>> {
        self.0.values.iter().map(|value| value.to_vec()).collect()
    }

    /// A whole text without them.
    pub(super) fn masked(&self, text: &str) -> String {
        let (mut redactor, mut out) = (Redactor::new(self.clone(), Vec::new()), Vec::new());
        redactor.push(text.as_bytes(), |bytes| out.extend_from_slice(bytes));
        redactor.finish(|bytes| out.extend_from_slice(bytes));
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Sorted {
    fn new(values: Vec<Box<[u8]>>) -> Self {
        let mut shorter: Vec<Option<usize>> = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            // What it begins with stands before it, or is what that one begins with.
            let mut before = at.checked_sub(1);
            while let Some(known) = before.filter(|&known| !value.starts_with(&values[known])) {
                before = shorter[known];
            }
            shorter.push(before);
        }
        let mut beginnings = vec![
            0;
            if values.is_empty() {
                0
            } else {
                BEGINNINGS / 64
            }
        ];
        for value in &values {
            let bit = beginning(value);
            beginnings[bit / 64] |= 1 << (bit % 64);
        }
        Self {
            values,
            shorter,
            beginnings: beginnings.into(),
        }
    }

    /// Whether a value may begin as `text` does; often wrong where it says so, never where it does not.
    fn may_begin(&self, text: &[u8]) -> bool {
        if text.len() < SHORTEST {
            return true;
        }
        let bit = beginning(text);
        self.beginnings[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// The longest secret at the beginning of `text`.
    fn at(&self, text: &[u8]) -> Option<usize> {
        let behind = self.values.partition_point(|value| **value <= *text);
        let mut known = behind.checked_sub(1);
        while let Some(at) = known {
            if text.starts_with(&self.values[at]) {
                return Some(self.values[at].len());
            }
            known = self.shorter[at];
        }
        None
    }

    /// Whether `text` is the beginning of a longer secret.
    fn may_grow(&self, text: &[u8]) -> bool {
        let behind = self.values.partition_point(|value| **value <= *text);
        let next = self.values.get(behind);
        next.is_some_and(|value| value.starts_with(text))
    }
}

/// A number for the first bytes of a value, of which each has at least so many.
fn beginning(text: &[u8]) -> usize {
    let first = u32::from_le_bytes([text[0], text[1], text[2], text[3]]);
    // The upper half of a product by a large odd number depends on all of it (Knuth's multiplicative hash).
    (first.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Adds a value and what of it is looked for on its own.
fn add_forms(value: &[u8], forms: &mut BTreeSet<Box<[u8]>>) {
    let value = value.trim_ascii();
    if value.len() >= SHORTEST {
        add_pieces(value, forms);
    }
    let lines = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| line.len() >= SHORTEST_LINE) {
        add_pieces(line, forms);
    }
}

/// Adds a form, or the pieces of a long one: about as long as each other, so that none is too short.
fn add_pieces(form: &[u8], forms: &mut BTreeSet<Box<[u8]>>) {
    let pieces = form.len().div_ceil(PIECE);
    for piece in form.chunks(form.len().div_ceil(pieces)) {
        forms.insert(piece.into());
    }
}

/// One stream of bytes on its way to the capture. What may be the beginning of a secret is held
/// back until the next bytes decide, so at most the longest secret's length is held.
#[derive(Debug)]
pub(super) struct Redactor {
    secrets: Secrets,
    held: Vec<u8>,
}

impl Redactor {
    /// One that goes on with what another has held back, if any.
    pub(super) fn new(secrets: Secrets, held: Vec<u8>) -> Self {
        Self { secrets, held }
    }

    /// What it holds back.
    pub(super) fn into_held(self) -> Vec<u8> {
        self.held
    }

    /// Takes bytes and gives what is sure to hold no secret to `emit`.
    pub(super) fn push(&mut self, bytes: &[u8], emit: impl FnMut(&[u8])) {
        if self.secrets.0.values.is_empty() {
            let mut emit = emit;
            return emit(bytes);
        }
        self.held.extend_from_slice(bytes);
        self.scan(More::MayCome, emit);
    }

    /// Gives out what was held back: the stream is over.
    pub(super) fn finish(&mut self, emit: impl FnMut(&[u8])) {
        self.scan(More::Never, emit);
    }

    fn scan(&mut self, more: More, mut emit: impl FnMut(&[u8])) {
        let text = std::mem::take(&mut self.held);
        let secrets = &*self.secrets.0;
        let (mut clean, mut at) = (0, 0);
        while at < text.len() {
            let rest = &text[at..];
            if !secrets.may_begin(rest) {
                at += 1;
            } else if more == More::MayCome && secrets.may_grow(rest) {
                break;
            } else if let Some(len) = secrets.at(rest) {
                emit(&text[clean..at]);
                emit(MASK);
                at += len;
                clean = at;
            } else {
                at += 1;
            }
        }
        emit(&text[clean..at]);
        self.held = text[at..].to_vec();
    }
}

/// Whether the stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    MayCome,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(secrets: &[&str], chunks: &[&[u8]]) -> String {
        let secrets = Secrets::new(secrets.iter().map(|s| s.as_bytes().to_vec()));
        let (mut redactor, mut out) = (Redactor::new(secrets, Vec::new()), Vec::new());
        for chunk in chunks {
            redactor.push(chunk, |bytes| out.extend_from_slice(bytes));
        }
        redactor.finish(|bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_masked_wherever_it_is_cut() {
        let text = b"key=hunter22 end";
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(redact(&["hunter22"], &[a, b]), "key=*** end", "{cut}");
        }
    }

    #[test]
    fn the_longest_wins_and_the_short_are_left() {
        assert_eq!(
            redact(&["pass", "password"], &[b"password pass"]),
            "*** ***"
        );
        assert_eq!(redact(&["pass", "password"], &[b"passwo"]), "***wo");
        assert_eq!(redact(&["abc", ""], &[b"abc"]), "abc");
        assert_eq!(redact(&["aaab"], &[b"aaa", b"aaab"]), "aaa***");
    }

    #[test]
    fn a_secret_is_masked_line_by_line_too() {
        let secret = "  first line \r\nsecond-line\n{\n";
        assert_eq!(redact(&[secret], &[b"<first line>"]), "<***>");
        assert_eq!(redact(&[secret], &[b"second-", b"line\n{\n"]), "***\n{\n");
        assert_eq!(redact(&[secret], &[secret.as_bytes()]), "  ***\n");
        assert_eq!(redact(&["hunter2\r\n"], &[b"hunter2"]), "***");
        assert_eq!(redact(&["user\npassword"], &[b"user password"]), "user ***");
    }

    #[test]
    fn a_long_secret_is_masked_piece_by_piece() {
        let numbers: Vec<_> = (0..4_000).map(|n| format!("{n:x}-")).collect();
        let secret = numbers.concat();
        assert!(secret.len() > 3 * PIECE);
        for cut in [1, PIECE - 1, PIECE, secret.len() - 1] {
            let text = format!("<{secret}>");
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(redact(&[&secret], &[a, b]), "<************>", "{cut}");
        }
        let mut redactor = Redactor::new(Secrets::new([secret.into_bytes()]), Vec::new());
        redactor.push(b"0-1-2-3-", |_| {});
        assert_eq!(redactor.into_held(), b"0-1-2-3-");
    }

    #[test]
    fn what_is_looked_for_is_handed_over_whole() {
        let secrets = Secrets::new([b"one\ntwo-three-four\n".to_vec(), vec![b'x'; 3 * PIECE]]);
        let again = Secrets::new(secrets.to_values());
        assert_eq!(again.to_values(), secrets.to_values());
    }

    #[test]
    fn bytes_are_given_out_as_soon_as_they_cannot_be_a_secret() {
        let mut redactor = Redactor::new(Secrets::new([b"hunter22".to_vec()]), Vec::new());
        let mut out = Vec::new();
        redactor.push(b"progress 10%\nhun", |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"progress 10%\n");
    }

    /// The longest secret at each place, looked for one by one.
    fn naive(secrets: &[&str], text: &str) -> String {
        let (mut rest, mut out) = (text, String::new());
        while let Some(first) = rest.chars().next() {
            let here = secrets.iter().filter(|secret| rest.starts_with(**secret));
            let len = here.map(|secret| secret.len()).max();
            out.push_str(if len.is_some() {
                "***"
            } else {
                &rest[..first.len_utf8()]
            });
            rest = &rest[len.unwrap_or(first.len_utf8())..];
        }
        out
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            text in "[abc]{0,60}",
            secrets in prop::collection::vec("[ab]{4,7}|[abc]{4,7}", 0..8),
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.sort_unstable();
            let (mut chunks, mut from) = (Vec::new(), 0);
            for cut in cuts {
                chunks.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            chunks.push(&text.as_bytes()[from..]);
            let whole = redact(&secrets, &[text.as_bytes()]);
            prop_assert_eq!(&whole, &naive(&secrets, &text));
            prop_assert_eq!(&redact(&secrets, &chunks), &whole);
            for secret in secrets {
                prop_assert!(!whole.contains(secret));
            }
        }
    }
}
