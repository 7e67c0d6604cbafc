//! The heat of a forecast: a line for each day with a mark for each hour, or one for each month with
//! a mark for each day.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use unicode_width::UnicodeWidthStr;

use super::slots::{Length, Slot};
use crate::cli::table::Paint;
use crate::cli::view::{Colour, View};
use crate::cli::words::counted;

/// The width of what is not a terminal.
const PLAIN_WIDTH: usize = 80;

/// What stands between the parts of a line.
const GAP: &str = "  ";

/// The marks from no fires to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Bars of growing height.
    Blocks,
    /// A dot and nine digits.
    Digits,
}

impl Marks {
    /// Bars for a person at a terminal that shows them, digits for all else.
    pub(super) fn of_stdout(view: &View) -> Self {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"];
        let locale = names
            .into_iter()
            .filter_map(std::env::var_os)
            .find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_string_lossy().to_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        if unicode && view.width.is_some() {
            Self::Blocks
        } else {
            Self::Digits
        }
    }

    fn all(self) -> &'static [char] {
        match self {
            Self::Blocks => &['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Digits => &['.', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
        }
    }

    /// The mark of a count, where the highest is `most`. Only nothing looks like nothing, and digits
    /// are the count itself where that fits.
    fn of(self, count: u64, most: u64) -> char {
        let marks = self.all();
        let top = marks.len() - 1;
        let most = match self {
            Self::Digits => most.max(top as u64),
            Self::Blocks => most,
        };
        let level = (u128::from(count) * top as u128).div_ceil(u128::from(most.max(1)));
        marks[usize::try_from(level).map_or(top, |level| level.min(top))]
    }
}

/// The slots of one line.
struct Line {
    label: String,
    /// By number of the hour or day.
    counts: Vec<(u8, u64)>,
}

/// The slots as lines of marks, with a head and a line that says what they mean.
pub(super) fn draw(
    slots: &[Slot],
    counts: &[u64],
    length: Length,
    timezone: &str,
    marks: Marks,
    view: &View,
) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    let lines = lines(slots, counts);
    let totals: Vec<_> = lines.iter().map(total).collect();
    let label = widest(lines.iter().map(|line| line.label.as_str()));
    let sum = widest(totals.iter().map(String::as_str));
    let numbers = match length {
        Length::Hour => 0..=23,
        Length::Day => 1..=31,
    };
    let beside = label + sum + 2 * GAP.len();
    let cells = view.width.unwrap_or(PLAIN_WIDTH).saturating_sub(beside);
    let cell = if cells >= 2 * numbers.clone().count() {
        2
    } else {
        1
    };

    let head = format!("{:label$}{GAP}{}", "", head(&numbers, length, cell));
    let mut text = Paint::Dim.on(&head, view.colour) + "\n";
    for (line, total) in lines.iter().zip(totals) {
        let _ = write!(text, "{:label$}{GAP}", line.label);
        for number in numbers.clone() {
            let count = line.counts.iter().find(|(n, _)| *n == number);
            let count = count.map(|(_, count)| *count);
            text.push_str(&mark(count, most, cell, marks, view.colour));
        }
        let _ = writeln!(text, "{GAP}{total:>sum$}");
    }
    let unit = match length {
        Length::Hour => "hour",
        Length::Day => "day",
    };
    let top = marks.of(most, most);
    let meaning = if top.to_digit(10).map(u64::from) == Some(most) {
        "the number is that of its fires".to_owned()
    } else {
        format!("the busiest, {top}, has {}", counted(most, "fire"))
    };
    let _ = writeln!(
        text,
        "a mark is one {unit} on the clock of {timezone}; {meaning}"
    );
    text
}

/// A new line begins with each day or month, and where a number comes again because the clock went
/// back: that one says what the clock is ahead of UTC.
fn lines(slots: &[Slot], counts: &[u64]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut day = "";
    for (slot, &count) in slots.iter().zip(counts) {
        let last = lines.last_mut().filter(|_| day == slot.line);
        match last {
            Some(line) if line.counts.last().is_some_and(|(n, _)| *n < slot.number) => {
                line.counts.push((slot.number, count));
            }
            again => {
                let label = if again.is_some() {
                    let seconds = slot.offset.seconds();
                    let sign = if seconds < 0 { '-' } else { '+' };
                    let minutes = seconds.abs() / 60;
                    let offset = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
                    format!("{offset:>0$}", slot.line.len())
                } else {
                    slot.line.clone()
                };
                let counts = vec![(slot.number, count)];
                lines.push(Line { label, counts });
            }
        }
        day = &slot.line;
    }
    lines
}

fn total(line: &Line) -> String {
    let total: u64 = line.counts.iter().map(|(_, count)| count).sum();
    total.to_string()
}

fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// The head: every third hour and every fifth day above its mark, or fewer where the marks are
/// narrow.
fn head(numbers: &RangeInclusive<u8>, length: Length, cell: usize) -> String {
    let step = match (length, cell) {
        (Length::Day, _) => 5,
        (Length::Hour, 1) => 6,
        (Length::Hour, _) => 3,
    };
    let mut head = String::new();
    for number in numbers.clone().filter(|number| number % step == 0) {
        let column = usize::from(number - numbers.start()) * cell;
        let _ = write!(head, "{:column$}{number}", "", column = column - head.len());
    }
    head
}

/// The mark of a slot, as wide as a cell; a slot that does not exist is empty.
fn mark(count: Option<u64>, most: u64, cell: usize, marks: Marks, colour: Colour) -> String {
    let Some(count) = count else {
        return " ".repeat(cell);
    };
    let mark = marks.of(count, most);
    let text = match (marks, cell) {
        (_, 1) => mark.to_string(),
        (Marks::Digits, _) => format!("{mark} "),
        // Bars touch each other, so that a day reads as one shape.
        (Marks::Blocks, _) => format!("{mark}{mark}"),
    };
    let paint = match count {
        0 => Paint::Dim,
        _ if count == most => Paint::Notable,
        _ => Paint::Plain,
    };
    paint.on(&text, colour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, view};
    use crate::cli::simulate::forecast::Stretch;
    use crate::cli::simulate::slots;
    use jiff::tz::TimeZone;

    /// The heat of a stretch in Paris, its slots having the counts in turn.
    fn drawn(from: &str, to: &str, counts: &[u64], marks: Marks, view: &View) -> String {
        let stretch = Stretch {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let slots = slots::of(stretch, &paris);
        let counts: Vec<_> = counts.iter().copied().cycle().take(slots.len()).collect();
        let text = draw(
            &slots,
            &counts,
            Length::of(stretch),
            "Europe/Paris",
            marks,
            view,
        );
        // The sentence below them may be longer.
        let mut lines = text.lines().rev().skip(1);
        let most = view.width.unwrap_or(PLAIN_WIDTH);
        assert!(
            lines.all(|line| line.contains('\x1b') || line.width() <= most),
            "{text}"
        );
        text
    }

    const SPRING: (&str, &str) = ("2026-03-28T20:30:00Z", "2026-03-29T22:00:00Z");
    const AUTUMN: (&str, &str) = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    const QUARTER: (&str, &str) = ("2026-01-20T12:00:00Z", "2026-04-20T12:00:00Z");

    #[test]
    fn a_day_is_a_line_on_which_no_hour_comes_twice() {
        let (digits, wide) = (Marks::Digits, view(None));
        let spring = drawn(SPRING.0, SPRING.1, &[0, 1, 4], digits, &wide);
        insta::assert_snapshot!("spring", spring);
        let autumn = drawn(AUTUMN.0, AUTUMN.1, &[0, 9, 80, 81], digits, &wide);
        insta::assert_snapshot!("autumn", autumn);
    }

    #[test]
    fn bars_grow_and_colours_show_the_extremes() {
        let counts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16];
        let blocks = drawn(AUTUMN.0, AUTUMN.1, &counts, Marks::Blocks, &view(Some(80)));
        insta::assert_snapshot!("blocks", blocks);
        let coloured = coloured(Some(80));
        let blocks = drawn(AUTUMN.0, AUTUMN.1, &counts, Marks::Blocks, &coloured);
        insta::assert_snapshot!("coloured", blocks);
    }

    #[test]
    fn a_month_is_a_line_and_marks_are_as_wide_as_fits() {
        let counts = [100_000, 0, 77];
        for (name, width) in [("quarter_80", 80), ("quarter_60", 60)] {
            let view = view(Some(width));
            let text = drawn(QUARTER.0, QUARTER.1, &counts, Marks::Blocks, &view);
            insta::assert_snapshot!(name, text);
        }
        let narrow = drawn(AUTUMN.0, AUTUMN.1, &counts, Marks::Digits, &view(Some(50)));
        insta::assert_snapshot!("hours_50", narrow);
    }

    #[test]
    fn only_nothing_looks_like_nothing() {
        for marks in [Marks::Blocks, Marks::Digits] {
            let all = marks.all();
            assert_eq!(marks.of(0, u64::MAX), all[0]);
            assert_eq!(marks.of(1, u64::MAX), all[1]);
            assert_eq!(marks.of(u64::MAX, u64::MAX), all[all.len() - 1]);
        }
        let digits: String = (0..=5).map(|count| Marks::Digits.of(count, 5)).collect();
        assert_eq!(digits, ".12345", "where it fits, a digit is the count");
    }
}
