//! Columns that fit.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::clean::printable;
use super::view::{Colour, View};

/// How many columns of space are between two columns.
const GAP: usize = 2;

/// No column is made narrower than this.
const NARROW: usize = 8;

/// The last column is made narrower before all others, down to this.
const LAST: usize = 12;

/// A column's title, and what becomes of the column where the table is too wide.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// It may be cut.
    Cut(&'static str),
    /// It is of no use in parts: the table rather stays too wide.
    Whole(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Cut(title) | Self::Whole(title) => title,
        }
    }
}

/// How a cell looks where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// As any text.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Worth a look.
    Notable,
    /// Of less interest.
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Notable => "\x1b[33m",
            Self::Dim => "\x1b[2m",
        }
    }

    /// The text, painted where there are colours. It must be printable.
    pub(super) fn on(self, text: &str, colour: Colour) -> String {
        match colour {
            Colour::On if self != Self::Plain => format!("{}{text}\x1b[0m", self.code()),
            _ => text.to_owned(),
        }
    }
}

/// A text in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A text, made printable.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self::painted(text, Paint::Plain)
    }

    /// A text of some colour, made printable.
    pub(super) fn painted(text: impl AsRef<str>, paint: Paint) -> Self {
        Self {
            text: printable(text.as_ref()),
            paint,
        }
    }

    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A text, or a dash in its place.
    pub(super) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::painted("-", Paint::Dim), Self::new)
    }
}

/// Rows below each other, the columns as wide as their widest cell. Where that is too wide, the last
/// column is cut, and then the widest.
pub(super) fn table<const N: usize>(
    columns: [Column; N],
    rows: &[[Cell; N]],
    view: &View,
) -> String {
    let head = columns.map(|column| Cell::painted(column.title(), Paint::Dim));
    let mut widths = std::array::from_fn(|n| {
        let cells = rows.iter().chain([&head]).map(|row| row[n].text.width());
        cells.max().unwrap_or(0)
    });
    if let Some(width) = view.width {
        fit(&mut widths, &columns, width);
    }
    let mut text = String::new();
    for row in [&head].into_iter().chain(rows) {
        line(row, &widths, view.colour, &mut text);
    }
    text
}

/// Makes columns narrower until they fit, or cannot be made narrower.
fn fit<const N: usize>(widths: &mut [usize; N], columns: &[Column; N], width: usize) {
    let total = |widths: &[usize; N]| widths.iter().sum::<usize>() + GAP * (N - 1);
    let excess = total(widths).saturating_sub(width);
    let last = widths[N - 1];
    widths[N - 1] = last.saturating_sub(excess).max(last.min(LAST));
    while total(widths) > width {
        let cuttable = widths.iter_mut().zip(columns);
        let cuttable = cuttable.filter(|(_, column)| matches!(column, Column::Cut(_)));
        match cuttable.map(|(width, _)| width).max() {
            Some(widest) if *widest > NARROW => *widest -= 1,
            _ => return,
        }
    }
}

fn line<const N: usize>(row: &[Cell; N], widths: &[usize; N], colour: Colour, out: &mut String) {
    let mut space = 0;
    for (cell, &width) in row.iter().zip(widths) {
        let text = cut(&cell.text, width);
        let used = text.width();
        if used > 0 {
            out.extend(std::iter::repeat_n(' ', space));
            out.push_str(&cell.paint.on(&text, colour));
            space = 0;
        }
        space += width - used + GAP;
    }
    out.push('\n');
}

/// At most so many columns of a text; a cut shows as `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    });
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

/// A text in lines that fit, broken between words.
pub(super) fn wrapped(text: &str, view: &View) -> String {
    let Some(width) = view.width else {
        return format!("{text}\n");
    };
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let needed = word.width();
        if used > 0 && used + 1 + needed > width {
            lines.push('\n');
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += needed;
    }
    lines.push('\n');
    lines
}

/// Names and what they stand for, below each other; what has no value is left out. Lines of a value
/// stand below each other.
pub(super) fn sheet(facts: &[(&str, Option<String>)], view: &View) -> String {
    let facts = facts
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let facts: Vec<_> = facts.collect();
    let width = facts
        .iter()
        .map(|(name, _)| name.width())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in facts {
        for (n, part) in value.split('\n').enumerate() {
            let name = if n == 0 { name } else { "" };
            let shown = Paint::Dim.on(&format!("{name:width$}"), view.colour);
            let _ = writeln!(text, "  {shown}  {part}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, view};

    fn rows() -> Vec<[Cell; 3]> {
        let row = |a: &str, b: &str, c: &str| [a, b, c].map(Cell::new);
        vec![
            row("backup", "succeeded", "every night at half past two"),
            row("für-alle", "", "日本語のジョブの説明です"),
            row("x", "a\x1b[31m", ""),
        ]
    }

    #[test]
    fn tables_fit_and_nothing_in_them_steers() {
        let shown = |width| {
            table(
                ["JOB", "STATUS", "TEXT"].map(Column::Cut),
                &rows(),
                &view(width),
            )
        };
        insta::assert_snapshot!(shown(None));
        for width in [40, 37, 30] {
            let text = shown(Some(width));
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
        }
        insta::assert_snapshot!(shown(Some(37)));
    }

    #[test]
    fn colours_take_no_room() {
        let view = coloured(Some(40));
        let rows = [[Cell::painted("failed", Paint::Bad), Cell::new("x")]];
        assert_eq!(
            table(["STATUS", "WHY"].map(Column::Cut), &rows, &view),
            "\x1b[2mSTATUS\x1b[0m  \x1b[2mWHY\x1b[0m\n\x1b[31mfailed\x1b[0m  x\n"
        );
    }

    #[test]
    fn what_is_of_no_use_in_parts_stays_whole() {
        let rows = [[
            Cell::new("0123456789".repeat(4)),
            Cell::new("a long text that is cut"),
        ]];
        let columns = [Column::Whole("RUN"), Column::Cut("TEXT")];
        let text = table(columns, &rows, &view(Some(40)));
        assert!(text.ends_with("0123456789  a long…\n"), "{text}");
    }

    #[test]
    fn cuts_show() {
        assert_eq!(cut("backup", 6), "backup");
        assert_eq!(cut("backup", 5), "back…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("a bc", 3), "a…");
    }
}
