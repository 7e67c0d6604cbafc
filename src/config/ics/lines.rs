//! A text to content lines: unfolded, and taken apart into name, parameters and value.

use std::borrow::Cow;

use super::super::report::Place;

/// One content line, `NAME;PARAMETER=VALUE:VALUE`.
#[derive(Debug)]
pub(super) struct Line {
    /// In capitals.
    pub name: String,
    /// Names in capitals; several values of one parameter are joined.
    params: Vec<(String, String)>,
    pub value: String,
    /// Where it begins in the file, up to the end of that line there.
    pub place: Place,
}

impl Line {
    /// The value of a parameter, in capitals.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        let param = self.params.iter().find(|(other, _)| other == name);
        param.map(|(_, value)| value.to_ascii_uppercase())
    }
}

/// Hands over the content lines of a text, one after another, until `each` says no. Of what is none,
/// its place.
pub(super) fn read(file: usize, text: &str, mut each: impl FnMut(Result<Line, Place>) -> bool) {
    let mut rest = text;
    loop {
        // Blank lines at the end, or between entries, mean nothing.
        rest = rest.trim_start_matches(['\r', '\n']);
        if rest.is_empty() {
            return;
        }
        let (unfolded, first, length) = unfold(rest);
        let at = text.len() - rest.len();
        let place = Place::new(file, at..at + first);
        if !each(parse(&unfolded, place).ok_or(place)) {
            return;
        }
        rest = &rest[length..];
    }
}

/// The first content line of a text without the breaks within it, how long its first part is, and
/// how long it is with all breaks.
fn unfold(text: &str) -> (Cow<'_, str>, usize, usize) {
    let mut pieces = text.split_inclusive('\n');
    let first = pieces.next().unwrap_or_default();
    let mut length = first.len();
    let first = without_break(first);
    let mut unfolded = Cow::Borrowed(first);
    for piece in pieces {
        let Some(more) = piece.strip_prefix([' ', '\t']) else {
            break;
        };
        unfolded.to_mut().push_str(without_break(more));
        length += piece.len();
    }
    (unfolded, first.len(), length)
}

fn without_break(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn parse(text: &str, place: Place) -> Option<Line> {
    let (name, mut rest) = text.split_at(text.find([';', ':'])?);
    let mut params = Vec::new();
    while let Some(param) = rest.strip_prefix(';') {
        let (name, values) = param.split_once('=')?;
        let (value, behind) = param_values(values)?;
        params.push((word(name)?, value));
        rest = behind;
    }
    Some(Line {
        name: word(name)?,
        params,
        value: rest.strip_prefix(':')?.to_owned(),
        place,
    })
}

/// The values of a parameter, and what stands behind them.
fn param_values(text: &str) -> Option<(String, &str)> {
    let mut values = String::new();
    let mut rest = text;
    loop {
        let length = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.find('"')? + 2
        } else {
            rest.find([';', ':', ',', '"'])?
        };
        values.push_str(rest[..length].trim_matches('"'));
        rest = &rest[length..];
        match rest.strip_prefix(',') {
            Some(next) => {
                values.push(',');
                rest = next;
            }
            None => return Some((values, rest)),
        }
    }
}

/// A name, in capitals.
fn word(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, String, usize)> {
        let mut lines = Vec::new();
        read(0, text, |line| {
            let line = line.expect("a line");
            lines.push((line.name, line.value, line.place.start));
            true
        });
        lines
    }

    #[test]
    fn lines_are_unfolded_where_they_begin() {
        let text = "BEGIN:VEVENT\r\nDTSTART;VALUE\r\n =DATE:2026\r\n\t1225\r\n\r\nsummary:a\n  b\n";
        let wanted = [
            ("BEGIN", "VEVENT", 0),
            ("DTSTART", "20261225", 14),
            ("SUMMARY", "a b", 51),
        ];
        let wanted = wanted.map(|(name, value, at)| (name.to_owned(), value.to_owned(), at));
        assert_eq!(lines(text), wanted);
    }

    #[test]
    fn parameters_are_told_from_the_value() {
        let place = Place::new(0, 0..0);
        let line = parse(
            r#"ATTENDEE;CN="a;b:c";MEMBER="x","y",z:mailto:d;e=f"#,
            place,
        )
        .unwrap();
        assert_eq!(line.value, "mailto:d;e=f");
        assert_eq!(line.param("CN").as_deref(), Some("A;B:C"));
        assert_eq!(line.param("MEMBER").as_deref(), Some("X,Y,Z"));
        assert_eq!(line.param("VALUE"), None);
        for wrong in [
            "no colon",
            ":x",
            "a b:c",
            "A;B:c",
            "A;B=\"c:d",
            "A;=c:d",
            "A;B=c\"d\":e",
            "é:x",
            ";a=b:c",
        ] {
            assert!(parse(wrong, place).is_none(), "{wrong}");
        }
    }
}
