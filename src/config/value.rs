//! Single values: each reader takes what stands there, or complains with the way to write it.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::words;
use crate::schedule::parse_duration;

/// Complains that a value is not of its kind.
pub(super) fn mistaken(node: &Node, what: &str, complaints: &mut Complaints) {
    let message = format!("{what}, not {}", node.value.kind());
    complaints.error(Problem::at(node.place, message));
}

/// A string without NUL, which no process and no path can hold.
pub(super) fn text<'t>(key: &str, node: &'t Node, complaints: &mut Complaints) -> Option<&'t str> {
    match &node.value {
        Written::Text(text) if text.contains('\0') => {
            complaints.error(Problem::at(
                node.place,
                format!("`{key}` holds a NUL character, which no program can be given"),
            ));
            None
        }
        Written::Text(text) => Some(text),
        other => {
            let mut problem = Problem::at(
                node.place,
                format!("`{key}` is a string, not {}", other.kind()),
            );
            if let Written::Whole(Some(number)) = other {
                problem = problem.help(format!("put it in quotes: \"{number}\""));
            }
            complaints.error(problem);
            None
        }
    }
}

/// A list of strings.
pub(super) fn texts<'t>(
    key: &str,
    node: &'t Node,
    complaints: &mut Complaints,
) -> Option<Vec<(&'t Node, &'t str)>> {
    let Written::List(items) = &node.value else {
        let mut problem = Problem::at(
            node.place,
            format!("`{key}` is a list of strings, not {}", node.value.kind()),
        );
        if let Written::Text(text) = &node.value
            && text.len() <= 60
        {
            problem = problem.help(format!("put it in brackets: [{text:?}]"));
        }
        complaints.error(problem);
        return None;
    };
    let read: Vec<_> = items
        .iter()
        .filter_map(|item| Some((item, text(key, item, complaints)?)))
        .collect();
    (read.len() == items.len()).then_some(read)
}

/// `true` or `false`.
pub(super) fn flag(key: &str, node: &Node, complaints: &mut Complaints) -> Option<bool> {
    if let Written::Flag(flag) = node.value {
        return Some(flag);
    }
    mistaken(
        node,
        &format!("`{key}` is true or false (without quotes)"),
        complaints,
    );
    None
}

/// A whole number within bounds.
pub(super) fn whole(
    key: &str,
    bounds: &RangeInclusive<i64>,
    node: &Node,
    complaints: &mut Complaints,
) -> Option<i64> {
    let (low, high) = (bounds.start(), bounds.end());
    match node.value {
        Written::Whole(Some(number)) if bounds.contains(&number) => Some(number),
        Written::Whole(_) => {
            let message = format!("`{key}` lies between {low} and {high}");
            complaints.error(Problem::at(node.place, message));
            None
        }
        _ => {
            mistaken(
                node,
                &format!("`{key}` is a whole number without quotes"),
                complaints,
            );
            None
        }
    }
}

/// A duration.
pub(super) fn duration(key: &str, node: &Node, complaints: &mut Complaints) -> Option<Duration> {
    let Written::Text(text) = &node.value else {
        let mut problem = Problem::at(
            node.place,
            format!("`{key}` is a duration in quotes, not {}", node.value.kind()),
        );
        problem = match node.value {
            Written::Whole(Some(number)) if number > 0 => {
                problem.help(format!("write \"{number}s\" if you meant seconds"))
            }
            _ => problem.help("such as \"90s\", \"1h30m\" or \"250ms\""),
        };
        complaints.error(problem);
        return None;
    };
    match parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            complaints.error(Problem::at(node.place, format!("`{key}`: {error}")));
            None
        }
    }
}

/// A duration that is longer than nothing.
pub(super) fn positive(key: &str, node: &Node, complaints: &mut Complaints) -> Option<Duration> {
    let duration = duration(key, node, complaints)?;
    if duration.is_zero() {
        complaints.error(Problem::at(
            node.place,
            format!("`{key}` must be longer than nothing"),
        ));
        return None;
    }
    Some(duration)
}

/// A size in bytes, `"64KiB"`.
pub(super) fn size(
    key: &str,
    bounds: &RangeInclusive<u64>,
    node: &Node,
    complaints: &mut Complaints,
) -> Option<u64> {
    let Written::Text(text) = &node.value else {
        let mut problem = Problem::at(
            node.place,
            format!("`{key}` is a size in quotes, not {}", node.value.kind()),
        );
        if let Written::Whole(Some(number)) = node.value {
            problem = problem.help(format!("write \"{number}B\" if you meant bytes"));
        }
        complaints.error(problem);
        return None;
    };
    let (low, high) = (show_size(*bounds.start()), show_size(*bounds.end()));
    match parse_size(text) {
        Some(size) if bounds.contains(&size) => Some(size),
        Some(_) => {
            let message = format!("`{key}` lies between {low} and {high}");
            complaints.error(Problem::at(node.place, message));
            None
        }
        None => {
            complaints.error(
                Problem::at(node.place, format!("`{key}` is a size"))
                    .help("such as \"512B\", \"64KiB\", \"1MiB\" or \"10GiB\" (KB, MB and GB are powers of 1000)"),
            );
            None
        }
    }
}

/// The units of sizes, the largest of each kind last.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A whole number and a unit; none: not a size, or beyond 64 bits.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start_matches(' ');
    let (_, bytes) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// A size in the largest unit that it is a whole number of.
pub(super) fn show_size(bytes: u64) -> String {
    let (unit, of) = UNITS[5..]
        .iter()
        .rev()
        .find(|&&(_, of)| bytes >= of && bytes.is_multiple_of(of))
        .unwrap_or(&UNITS[0]);
    format!("{}{unit}", bytes / of)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    key: &str,
    choices: &[(&str, T)],
    node: &Node,
    complaints: &mut Complaints,
) -> Option<T> {
    let word = text(key, node, complaints)?;
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
        return Some(*choice);
    }
    let names = || choices.iter().map(|&(name, _)| name);
    let list = names()
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    let problem = Problem::at(node.place, format!("`{key}` is one of {list}"));
    complaints.error(match words::nearest(word, names()) {
        Some(near) => problem.help(format!("did you mean {near:?}?")),
        None => problem,
    });
    None
}

/// An instant: RFC 3339 with an offset, as a string or a TOML date.
pub(super) fn instant(key: &str, node: &Node, complaints: &mut Complaints) -> Option<Timestamp> {
    let (Written::Text(text) | Written::Moment(text)) = &node.value else {
        mistaken(
            node,
            &format!("`{key}` is an instant in quotes"),
            complaints,
        );
        return None;
    };
    let parsed = text.parse::<Timestamp>().ok();
    // The ledger keeps microseconds; a finer instant could never be met.
    let whole = parsed.and_then(|t| Timestamp::from_microsecond(t.as_microsecond()).ok());
    if whole.is_none() {
        complaints.error(
            Problem::at(
                node.place,
                format!("`{key}` is an instant with its offset from UTC"),
            )
            .help("such as \"2026-12-01T09:00:00+01:00\" or \"2026-12-01T08:00:00Z\""),
        );
    }
    whole
}

/// The same readers by key of a table.
impl<'t> Fields<'t> {
    pub(super) fn text(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<&'t str> {
        let node = self.node(key)?;
        text(key, node, complaints)
    }

    pub(super) fn texts(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<Vec<(&'t Node, &'t str)>> {
        let node = self.node(key)?;
        texts(key, node, complaints)
    }

    pub(super) fn flag(&mut self, key: &'static str, complaints: &mut Complaints) -> Option<bool> {
        let node = self.node(key)?;
        flag(key, node, complaints)
    }

    /// A whole number within bounds that its type holds.
    pub(super) fn whole<N: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        bounds: &RangeInclusive<i64>,
        complaints: &mut Complaints,
    ) -> Option<N> {
        let node = self.node(key)?;
        N::try_from(whole(key, bounds, node, complaints)?).ok()
    }

    pub(super) fn positive(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<Duration> {
        let node = self.node(key)?;
        positive(key, node, complaints)
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<Duration> {
        let node = self.node(key)?;
        duration(key, node, complaints)
    }

    /// A duration or `"none"`; what is written wrongly or not at all is the default.
    pub(super) fn limit(
        &mut self,
        key: &'static str,
        default: Option<Duration>,
        complaints: &mut Complaints,
    ) -> Option<Duration> {
        match self.node(key) {
            None => default,
            Some(node) if matches!(&node.value, Written::Text(text) if text == "none") => None,
            Some(node) => positive(key, node, complaints).or(default),
        }
    }

    pub(super) fn size(
        &mut self,
        key: &'static str,
        bounds: &RangeInclusive<u64>,
        complaints: &mut Complaints,
    ) -> Option<u64> {
        let node = self.node(key)?;
        size(key, bounds, node, complaints)
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        complaints: &mut Complaints,
    ) -> Option<T> {
        let node = self.node(key)?;
        choice(key, choices, node, complaints)
    }

    pub(super) fn instant(
        &mut self,
        key: &'static str,
        complaints: &mut Complaints,
    ) -> Option<Timestamp> {
        let node = self.node(key)?;
        instant(key, node, complaints)
    }
}
