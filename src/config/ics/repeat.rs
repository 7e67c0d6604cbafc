//! A recurrence to the days on which it begins.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::rule::{End, NthWeekday, Period, Repeat};

/// The last day that is looked at: what recurs without an end does so up to here.
pub(super) const LAST_DAY: Date = Date::constant(2199, 12, 31);

/// How much may still be looked at. It bounds what a file costs, whatever is in it.
#[derive(Debug)]
pub(super) struct Budget(pub u32);

/// The budget is spent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spent;

impl Budget {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        let steps = u32::try_from(steps).map_err(|_| Spent)?;
        self.0 = self.0.checked_sub(steps).ok_or(Spent)?;
        Ok(())
    }
}

/// The days on which an event begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Starts {
    /// In order, up to [`LAST_DAY`].
    pub days: Vec<Date>,
    /// Whether the first is one of the rule's own.
    pub in_step: bool,
}

impl Repeat {
    /// The days that the rule names from `first` on. `first` itself is always one of them, as the
    /// standard has it for the count.
    pub(super) fn starts(&self, first: Date, budget: &mut Budget) -> Result<Starts, Spent> {
        let last = match self.end {
            End::Until(until) => until.min(LAST_DAY),
            End::Count(_) | End::Never => LAST_DAY,
        };
        let most = match self.end {
            End::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            End::Until(_) | End::Never => usize::MAX,
        };
        let mut period = self.period_of(first);
        let mut starts = Starts {
            days: vec![first],
            in_step: self.days_in(period, first, budget)?.contains(&first),
        };
        while period <= last && starts.days.len() < most {
            let days = self.days_in(period, first, budget)?;
            let later = days.into_iter().filter(|&day| first < day && day <= last);
            let room = most - starts.days.len();
            starts.days.extend(later.take(room));
            match self.following(period) {
                Some(next) => period = next,
                None => break,
            }
        }
        Ok(starts)
    }

    /// The first day of the period that a day lies in.
    fn period_of(&self, day: Date) -> Date {
        match self.period {
            Period::Day => day,
            Period::Week => {
                let since = i32::from(day.weekday().since(self.week_start));
                day.saturating_sub(since.days())
            }
            Period::Month => day.first_of_month(),
            Period::Year => day.first_of_year(),
        }
    }

    /// The first day of the next period that counts. None: it lies beyond all dates.
    fn following(&self, period: Date) -> Option<Date> {
        let steps = i64::from(self.interval);
        let span = match self.period {
            Period::Day => jiff::Span::new().try_days(steps),
            Period::Week => jiff::Span::new().try_weeks(steps),
            Period::Month => jiff::Span::new().try_months(steps),
            Period::Year => jiff::Span::new().try_years(steps),
        };
        period.checked_add(span.ok()?).ok()
    }

    /// The days of the period that begins with `period`, in order.
    fn days_in(&self, period: Date, first: Date, budget: &mut Budget) -> Result<Vec<Date>, Spent> {
        let mut days = match self.period {
            Period::Day => vec![period],
            Period::Week if self.weekdays.is_empty() => {
                vec![on_or_after(period, first.weekday())]
            }
            Period::Week => {
                let weekdays = self.weekdays.iter();
                weekdays
                    .map(|day| on_or_after(period, day.weekday))
                    .collect()
            }
            Period::Month => self.days_in_month(period, first),
            Period::Year => self.days_in_year(period, first),
        };
        budget.spend(1 + days.len())?;
        days.retain(|&day| self.allows(day));
        days.sort_unstable();
        days.dedup();
        if self.positions.is_empty() {
            return Ok(days);
        }
        let mut chosen: Vec<Date> = self
            .positions
            .iter()
            .filter_map(|&position| nth(&days, position))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }

    fn days_in_year(&self, year: Date, first: Date) -> Vec<Date> {
        // Weekdays are counted within the year unless months are named.
        if self.months.is_empty() && self.month_days.is_empty() && !self.weekdays.is_empty() {
            return among(&self.weekdays, year, year.last_of_year());
        }
        let months: Vec<i8> = match (self.months.is_empty(), self.month_days.is_empty()) {
            (false, _) => self.months.clone(),
            (true, true) => vec![first.month()],
            (true, false) => (1..=12).collect(),
        };
        months
            .into_iter()
            .filter_map(|month| Date::new(year.year(), month, 1).ok())
            .flat_map(|month| self.days_in_month(month, first))
            .collect()
    }

    fn days_in_month(&self, month: Date, first: Date) -> Vec<Date> {
        let own = [first.day()];
        let numbers = match (self.month_days.is_empty(), self.weekdays.is_empty()) {
            (false, _) => self.month_days.as_slice(),
            (true, true) => own.as_slice(),
            (true, false) => return among(&self.weekdays, month, month.last_of_month()),
        };
        let length = month.days_in_month();
        let day = |&number: &i8| match number {
            1.. => Date::new(month.year(), month.month(), number).ok(),
            _ => Date::new(month.year(), month.month(), length + 1 + number).ok(),
        };
        numbers.iter().filter_map(day).collect()
    }

    /// What each part says of a day by itself. Those that brought it forth say so again.
    fn allows(&self, day: Date) -> bool {
        let month = self.months.is_empty() || self.months.contains(&day.month());
        let number = self.month_days.is_empty()
            || self.month_days.contains(&day.day())
            || self
                .month_days
                .contains(&(day.day() - day.days_in_month() - 1));
        let weekday = self.weekdays.is_empty()
            || self.weekdays.iter().any(|wanted| self.is_one(*wanted, day));
        month && number && weekday
    }

    fn is_one(&self, wanted: NthWeekday, day: Date) -> bool {
        let whole_year = self.period == Period::Year && self.months.is_empty();
        let (before, behind) = if whole_year {
            (
                day.day_of_year() - 1,
                day.days_in_year() - day.day_of_year(),
            )
        } else {
            let (day, length) = (i16::from(day.day()), i16::from(day.days_in_month()));
            (day - 1, length - day)
        };
        wanted.weekday == day.weekday()
            && match wanted.nth.map(i16::from) {
                None => true,
                Some(nth @ 1..) => before / 7 + 1 == nth,
                Some(nth) => behind / 7 + 1 == -nth,
            }
    }
}

/// The first day from `day` on that is this weekday. At the end of all dates, `day` itself.
fn on_or_after(day: Date, weekday: Weekday) -> Date {
    let until = i32::from(weekday.since(day.weekday()));
    day.checked_add(until.days()).unwrap_or(day)
}

/// The weekdays of a stretch of days, both ends included.
fn among(wanted: &[NthWeekday], first: Date, last: Date) -> Vec<Date> {
    let of_one = |wanted: &NthWeekday| -> Vec<Date> {
        let start = on_or_after(first, wanted.weekday);
        let days = start.series(1.week()).take_while(|&day| day <= last);
        let days: Vec<Date> = days.collect();
        match wanted.nth {
            None => days,
            Some(position) => nth(&days, position.into()).into_iter().collect(),
        }
    };
    wanted.iter().flat_map(of_one).collect()
}

/// The n-th of a list from 1 on, or from its end for negative numbers.
fn nth(days: &[Date], position: i16) -> Option<Date> {
    let size = usize::from(position.unsigned_abs());
    let index = if position > 0 {
        size.checked_sub(1)?
    } else {
        days.len().checked_sub(size)?
    };
    days.get(index).copied()
}
