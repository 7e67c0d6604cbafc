//! Why a cron expression was refused, in sentences.

use super::parse::MAX_TEXT;

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Nothing but white space.
    #[error(
        "the cron expression is empty: write five fields, such as \"30 2 * * *\" for 02:30 every day"
    )]
    Empty,
    /// More text than any expression needs.
    #[error("the cron expression has {length} bytes; at most {MAX_TEXT} are read")]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// Too few or too many fields.
    #[error(
        "cron expression {expression} has {found} field{}: it takes 5 (minute hour day-of-month \
         month day-of-week), 6 (a second before them) or 7 (a year behind them too)",
        if *found == 1 { "" } else { "s" }
    )]
    Fields {
        /// The expression, shortened and quoted.
        expression: String,
        /// How many it has.
        found: usize,
    },
    /// `@` and a word that is none of the known ones, or with fields behind it.
    #[error("cron nickname {nickname} cannot be read: {hint}")]
    Nickname {
        /// What was written, shortened and quoted.
        nickname: String,
        /// What to write.
        hint: String,
    },
    /// A field that cannot be read.
    #[error("cron expression {expression}: {field} {item}: {problem}")]
    Field {
        /// The expression, shortened and quoted.
        expression: String,
        /// The name of the field.
        field: &'static str,
        /// The offending part of the field, shortened and quoted.
        item: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Every field is right, and no date matches all of them.
    #[error(
        "cron expression {expression} can never match: no month or year has such a day, as with \
         30 February"
    )]
    Never {
        /// The expression, shortened and quoted.
        expression: String,
    },
}

/// A text for an error: in quotes, control characters escaped, and not longer than a line.
pub(super) fn quoted(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX).collect();
    format!("{start:?}…")
}
