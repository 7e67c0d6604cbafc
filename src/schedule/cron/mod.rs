//! Cron expressions: what they say, and when they fire.

mod bits;
mod calendar;
mod count;
mod days;
mod error;
mod field;
mod fires;
mod parse;
mod pattern;
mod words;
mod years;

use std::fmt;

pub use count::count;
pub use error::CronError;
use parse::{Kind, Parsed};

/// A cron expression, ready to be asked.
#[derive(Clone)]
pub struct Cron {
    parsed: Parsed,
}

impl Cron {
    /// Reads an expression; `job` chooses the values of `H`.
    pub fn parse(expression: &str, job: &str) -> Result<Self, CronError> {
        Ok(Self {
            parsed: parse::parse(expression, job)?,
        })
    }

    /// The expression in words.
    pub fn text(&self) -> String {
        words::describe(&self.parsed.pattern)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sets are masks of bits, which nobody reads.
        write!(f, "Cron({})", self.text())
    }
}
