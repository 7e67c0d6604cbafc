//! The year field.

/// The years that an expression names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Years {
    /// `*`, or no such field.
    Any,
    /// The union of these.
    Some(Vec<YearSpan>),
}

/// `from` to `to`, both in, `step` (at least 1) apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YearSpan {
    pub from: i64,
    pub to: i64,
    pub step: i64,
}

impl Years {
    /// The first year of the set that is at least `year`.
    pub fn at_or_after(&self, year: i64) -> Option<i64> {
        match self {
            Self::Any => Some(year),
            Self::Some(spans) => spans.iter().filter_map(|span| span.at_or_after(year)).min(),
        }
    }

    /// The last year of the set that is at most `year`.
    pub fn at_or_before(&self, year: i64) -> Option<i64> {
        match self {
            Self::Any => Some(year),
            Self::Some(spans) => spans
                .iter()
                .filter_map(|span| span.at_or_before(year))
                .max(),
        }
    }

    /// Whether the year is in the set.
    pub fn contains(&self, year: i64) -> bool {
        self.at_or_after(year) == Some(year)
    }
}

impl YearSpan {
    fn at_or_after(self, year: i64) -> Option<i64> {
        let steps = (year - self.from + self.step - 1)
            .div_euclid(self.step)
            .max(0);
        Some(self.from + steps * self.step).filter(|&found| found <= self.to)
    }

    fn at_or_before(self, year: i64) -> Option<i64> {
        let steps = (year.min(self.to) - self.from).div_euclid(self.step);
        (steps >= 0).then_some(self.from + steps * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_count_from_the_first_year() {
        let years = Years::Some(vec![
            YearSpan {
                from: 2026,
                to: 2199,
                step: 50,
            },
            YearSpan {
                from: 2030,
                to: 2030,
                step: 1,
            },
        ]);
        let after = |year| years.at_or_after(year);
        assert_eq!(
            [after(1), after(2027), after(2031), after(2177)],
            [Some(2026), Some(2030), Some(2076), None]
        );
        let before = |year| years.at_or_before(year);
        assert_eq!(
            [before(9999), before(2075), before(2029), before(2025)],
            [Some(2176), Some(2030), Some(2026), None]
        );
        assert!(years.contains(2126) && !years.contains(2127));
    }
}
