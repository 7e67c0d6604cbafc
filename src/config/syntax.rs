//! Text to tree: TOML with a place for everything, and all syntax errors at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Complaints, Place, Problem};
use super::tree::{Node, Table, Written};

/// Above this a broken text gets its first error only: a file that is not TOML at all has an error
/// at nearly every byte.
const FULL_DIAGNOSIS: usize = 256 * 1024;

/// The most syntax errors told of one file.
const MAX_ERRORS: usize = 50;

/// Reads the text of file number `file`. Broken parts are complained about and left out.
pub(super) fn read(file: usize, text: &str, complaints: &mut Complaints) -> Table {
    let (root, errors) = match DeTable::parse(text) {
        Ok(root) => (root, Vec::new()),
        Err(first) if text.len() > FULL_DIAGNOSIS => {
            (Spanned::new(0..0, DeTable::default()), vec![first])
        }
        Err(_) => DeTable::parse_recoverable(text),
    };
    complain(file, text, &errors, complaints);
    table(file, String::new(), 0..0, root.into_inner())
}

fn table(file: usize, name: String, span: Range<usize>, table: DeTable<'_>) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let place = Place::new(file, key.span());
        let key = key.into_inner().into_owned();
        let path = match name.as_str() {
            "" => key.clone(),
            name => format!("{name}.{key}"),
        };
        (key, node(file, path, place, value))
    });
    Table {
        place: Place::new(file, span),
        entries: entries.collect(),
        name,
    }
}

fn node(file: usize, path: String, key: Place, value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let place = Place::new(file, span.clone());
    let value = match value.into_inner() {
        DeValue::String(text) => Written::Text(text.into_owned()),
        DeValue::Integer(number) => {
            Written::Whole(i64::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(number) => Written::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Written::Flag(flag),
        DeValue::Datetime(moment) => Written::Moment(moment.to_string()),
        DeValue::Array(items) => Written::List(
            items
                .into_iter()
                .map(|item| {
                    let place = Place::new(file, item.span());
                    node(file, path.clone(), place, item)
                })
                .collect(),
        ),
        DeValue::Table(inner) => Written::Table(table(file, path, span, inner)),
    };
    Node { key, place, value }
}

fn complain(file: usize, text: &str, errors: &[toml::de::Error], complaints: &mut Complaints) {
    let mut last_line = None;
    let mut in_repeated_table = None;
    for error in errors.iter().take(MAX_ERRORS) {
        let span = error.span().unwrap_or(0..0);
        let line = line_around(text, span.start);
        // What follows an error on its line is the parser finding its feet again.
        if last_line.replace(line.start) == Some(line.start) {
            continue;
        }
        let place = Place::new(file, span.clone());
        if error.message() != "duplicate key" {
            complaints.broken(Problem::at(place, sentence(error.message())));
            continue;
        }
        let header = header_before(text, line.end);
        if in_repeated_table.is_some() && in_repeated_table == header {
            continue;
        }
        if header == Some(line.start) {
            in_repeated_table = header;
        }
        let key = &text[span.clone()];
        let mut problem = Problem::at(place, format!("`{key}` stands here a second time"));
        if let Some(first) = first_of(text, key, &line) {
            problem = problem.also(Place::new(file, first), "it stands here already");
        }
        complaints.broken(problem.help("remove or rename one of the two"));
    }
}

/// The parser's words as a sentence of ours.
fn sentence(message: &str) -> String {
    let plain = match message {
        "string values must be quoted, expected literal string" => {
            "a string stands in quotes: \"…\""
        }
        other => other,
    };
    format!("not TOML: {plain}")
}

/// The line around `at`, without its end.
pub(super) fn line_around(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let start = bytes[..at]
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |n| n + 1);
    let end = bytes[at..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(bytes.len(), |n| at + n);
    start..end
}

/// Where the nearest `[table]` line that ends at or before `end` begins.
fn header_before(text: &str, end: usize) -> Option<usize> {
    let mut end = end;
    loop {
        let line = line_around(text, end);
        if text[line.clone()].trim_start().starts_with('[') {
            return Some(line.start);
        }
        end = line.start.checked_sub(1)?;
    }
}

/// Where `key`, repeated in `line`, stood first: the same `[table]` line, or a line that begins
/// with the same key since the last `[table]` line.
fn first_of(text: &str, key: &str, line: &Range<usize>) -> Option<Range<usize>> {
    let repeated = text[line.clone()].trim();
    let begins = if repeated.starts_with('[') {
        0
    } else {
        header_before(text, line.end).unwrap_or(0)
    };
    let mut start = begins;
    for candidate in text[begins..line.start].split_inclusive('\n') {
        let found = if repeated.starts_with('[') {
            candidate.trim() == repeated
        } else {
            let after = candidate.trim_start().strip_prefix(key);
            after.is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
        };
        if found {
            let at = start
                + candidate
                    .rfind(key)
                    .filter(|_| repeated.starts_with('['))
                    .or_else(|| candidate.find(key))?;
            return Some(at..at + key.len());
        }
        start += candidate.len();
    }
    None
}
