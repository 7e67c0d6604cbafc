//! Keeps secret values out of captured output, also where a read cut one in two. Pure.

/// What stands in place of a secret.
const MASK: &[u8] = b"***";

/// Shorter values are not looked for: they would mask half of any text and say where they are.
const SHORTEST: usize = 4;

/// Shorter lines of a value of several lines are not looked for on their own: they are brackets and
/// common words.
const SHORTEST_LINE: usize = 8;

/// The values to look for, the longest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    values: Vec<Vec<u8>>,
}

impl Secrets {
    /// Takes those of the values that are long enough to be looked for, also without the white space
    /// around them, and each of their lines: tools print these alone.
    pub(super) fn new(values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut values: Vec<_> = values
            .into_iter()
            .flat_map(forms)
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    pub(super) fn into_values(self) -> Vec<Vec<u8>> {
        self.values
    }

    /// A whole text without them.
    pub(super) fn masked(&self, text: &str) -> String {
        let (mut redactor, mut out) = (Redactor::new(self.clone(), Vec::new()), Vec::new());
        redactor.push(text.as_bytes(), |bytes| out.extend_from_slice(bytes));
        redactor.finish(|bytes| out.extend_from_slice(bytes));
        String::from_utf8_lossy(&out).into_owned()
    }

    fn begins_with(&self, byte: u8) -> bool {
        self.values.iter().any(|value| value[0] == byte)
    }

    /// The longest secret at the beginning of `text`.
    fn at(&self, text: &[u8]) -> Option<usize> {
        self.values
            .iter()
            .find(|value| text.starts_with(value))
            .map(Vec::len)
    }

    /// Whether `text` is the beginning of a longer secret.
    fn may_grow(&self, text: &[u8]) -> bool {
        self.values
            .iter()
            .any(|value| value.len() > text.len() && value.starts_with(text))
    }
}

/// A value and what of it is looked for on its own.
fn forms(value: Vec<u8>) -> Vec<Vec<u8>> {
    let trimmed = value.trim_ascii();
    let lines = trimmed.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| line.len() >= SHORTEST_LINE);
    let mut forms: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    forms.push(trimmed.to_vec());
    forms.push(value);
    forms
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
        if self.secrets.values.is_empty() {
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
        let (mut clean, mut at) = (0, 0);
        while at < text.len() {
            let rest = &text[at..];
            if !self.secrets.begins_with(rest[0]) {
                at += 1;
            } else if more == More::MayCome && self.secrets.may_grow(rest) {
                break;
            } else if let Some(len) = self.secrets.at(rest) {
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
        assert_eq!(redact(&[secret], &[secret.as_bytes()]), "***");
        assert_eq!(redact(&["hunter2\r\n"], &[b"hunter2"]), "***");
        assert_eq!(redact(&["user\npassword"], &[b"user password"]), "user ***");
    }

    #[test]
    fn bytes_are_given_out_as_soon_as_they_cannot_be_a_secret() {
        let mut redactor = Redactor::new(Secrets::new([b"hunter22".to_vec()]), Vec::new());
        let mut out = Vec::new();
        redactor.push(b"progress 10%\nhun", |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"progress 10%\n");
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            text in "[abc]{0,60}",
            secrets in prop::collection::vec("[abc]{4,7}", 0..3),
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
            prop_assert_eq!(&redact(&secrets, &chunks), &whole);
            for secret in secrets {
                prop_assert!(!whole.contains(secret));
            }
        }
    }
}
