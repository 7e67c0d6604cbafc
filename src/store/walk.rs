//! The audit's own walk: rows on one side, the instants that the schedules named on the other.
//! Pure, and independent of how dispatch came to its decisions.

use jiff::{SignedDuration, Timestamp};

use super::audit::{AuditReport, ProblemKind};
use crate::job::JobName;
use crate::schedule::Schedule;

/// What a job's schedules named over time: stretches in order, none overlapping.
pub(super) struct History(Vec<Known>);

/// A stretch: `from` < instant <= `to`.
pub(super) struct Known {
    pub(super) from: Timestamp,
    pub(super) to: Option<Timestamp>,
    pub(super) schedule: Schedule,
}

/// A row of the account: one instant, or a span of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountRow {
    pub(super) first: Timestamp,
    pub(super) span: Option<AccountSpan>,
}

/// What makes a row a span.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountSpan {
    pub(super) last: Timestamp,
    /// None: not counted yet, which is no fault.
    pub(super) count: Option<u64>,
}

impl History {
    pub(super) fn new(stretches: Vec<Known>) -> Self {
        Self(stretches)
    }

    /// The first instant later than `t`.
    pub(super) fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.stretches_after(t).iter().find_map(|it| {
            let next = it.schedule.next_after(t.max(it.from))?;
            it.to.is_none_or(|to| next <= to).then_some(next)
        })
    }

    /// How many instants lie in (`after`, `through`].
    fn count(&self, after: Timestamp, through: Timestamp) -> u64 {
        self.stretches_after(after)
            .iter()
            .take_while(|it| it.from < through)
            .map(|it| {
                let (from, to) = (after.max(it.from), it.to.unwrap_or(through).min(through));
                if from < to {
                    it.schedule.count(from, to)
                } else {
                    0
                }
            })
            .sum()
    }

    fn names(&self, t: Timestamp) -> bool {
        self.next_after(just_before(t)) == Some(t)
    }

    fn stretches_after(&self, t: Timestamp) -> &[Known] {
        let over = self.0.partition_point(|it| it.to.is_some_and(|to| to <= t));
        &self.0[over..]
    }
}

/// The ledger counts in microseconds, so this is the last time that is not `t` yet.
fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(t)
}

/// The part of time that is looked at: `from` < instant <= `through`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) through: Timestamp,
    /// Since when history is whole: a span that began before cannot be counted again.
    pub(super) whole_from: Timestamp,
}

/// A walk under way over one job's rows, which come in order of their first instant.
pub(super) struct Walk<'a> {
    job: &'a JobName,
    history: &'a History,
    window: Window,
    /// Every instant up to here has been looked at.
    at: Timestamp,
    /// Where the last row ended.
    covered: Option<Timestamp>,
    instants: u64,
    report: &'a mut AuditReport,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        job: &'a JobName,
        history: &'a History,
        window: Window,
        report: &'a mut AuditReport,
    ) -> Self {
        Self {
            job,
            history,
            window,
            at: window.from,
            covered: None,
            instants: 0,
            report,
        }
    }

    /// The next row.
    pub(super) fn row(&mut self, row: AccountRow) {
        let end = row.span.map_or(row.first, |span| span.last);
        let mut names_one = false;
        if self.covered.is_some_and(|covered| row.first <= covered) {
            self.problem(row.first, ProblemKind::Doubled);
        } else if row.first > self.window.from {
            names_one = self.gap_before(row.first);
        }
        match row.span {
            None => self.instants += u64::from(names_one),
            Some(span) => self.span(row.first, span),
        }
        self.at = self.at.max(end.min(self.window.through));
        self.covered = self.covered.max(Some(end));
    }

    /// No more rows; answers how many instants there were.
    pub(super) fn end(mut self) -> u64 {
        let through = self.window.through;
        if self.at < through {
            self.missing(through);
        }
        self.instants
    }

    /// Instants between the rows so far and a row at `first`; answers whether that is one itself.
    fn gap_before(&mut self, first: Timestamp) -> bool {
        let mut next = self.history.next_after(self.at);
        if next.is_some_and(|next| next < first) {
            self.missing(just_before(first));
            next = self.history.next_after(self.at);
        }
        let names_one = next == Some(first);
        if !names_one {
            self.problem(first, ProblemKind::Stray);
        }
        names_one
    }

    fn span(&mut self, first: Timestamp, span: AccountSpan) {
        let begin = just_before(first);
        let whole = (begin, span.last);
        let seen = (begin.max(self.at), span.last.min(self.window.through));
        let countable = first > self.window.whole_from;
        // Counting a cron expression walks it, so what is counted once is not counted twice.
        let expected = countable.then(|| self.history.count(whole.0, whole.1));
        self.instants += match expected {
            Some(expected) if seen == whole => expected,
            _ if seen.0 < seen.1 => self.history.count(seen.0, seen.1),
            _ => 0,
        };
        let Some(expected) = expected else { return };
        if span.last != first && !self.history.names(span.last) {
            self.problem(span.last, ProblemKind::Stray);
        }
        if let Some(found) = span.count.filter(|&found| found != expected) {
            self.problem(first, ProblemKind::WrongCount { expected, found });
        }
    }

    /// Every instant after the rows so far and up to `through` has none.
    fn missing(&mut self, through: Timestamp) {
        let total = self.history.count(self.at, through);
        self.instants += total;
        let mut listed = 0;
        let mut t = self.at;
        while listed < total && self.report.has_room() {
            let Some(next) = self.history.next_after(t).filter(|&next| next <= through) else {
                break;
            };
            self.problem(next, ProblemKind::Missing);
            (t, listed) = (next, listed + 1);
        }
        self.report.total_problems += total - listed;
        self.at = self.at.max(through);
    }

    fn problem(&mut self, instant: Timestamp, kind: ProblemKind) {
        self.report.add(self.job, instant, kind);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::{Rule, ScheduleSpec};

    fn t(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    fn every(seconds: u64, from: i64, to: Option<i64>) -> Known {
        let spec = ScheduleSpec {
            rule: Rule::Every(Duration::from_secs(seconds)),
            timezone: "UTC".into(),
            tzdb: None,
            start: None,
            end: None,
            jitter: Duration::ZERO,
            exclude: Vec::new(),
        };
        Known {
            from: t(from),
            to: to.map(t),
            schedule: Schedule::new(spec, "j").unwrap(),
        }
    }

    fn one(s: i64) -> AccountRow {
        AccountRow {
            first: t(s),
            span: None,
        }
    }

    fn span(first: i64, last: i64, count: u64) -> AccountRow {
        AccountRow {
            first: t(first),
            span: Some(AccountSpan {
                last: t(last),
                count: Some(count),
            }),
        }
    }

    /// Every 10 s up to 100, then every 30 s; account from 0.
    fn walked(from: i64, through: i64, rows: &[AccountRow]) -> (u64, Vec<(i64, ProblemKind)>) {
        let history = History::new(vec![every(10, 0, Some(100)), every(30, 100, None)]);
        let job = JobName::new("j").unwrap();
        let mut report = AuditReport::default();
        let window = Window {
            from: t(from),
            through: t(through),
            whole_from: t(0),
        };
        let mut walk = Walk::new(&job, &history, window, &mut report);
        for &row in rows {
            walk.row(row);
        }
        let instants = walk.end();
        let problems = report.problems.into_iter();
        (
            instants,
            problems.map(|p| (p.instant.as_second(), p.kind)).collect(),
        )
    }

    #[test]
    fn a_whole_account_has_no_problems() {
        assert_eq!(walked(0, 30, &[one(10), one(20), one(30)]), (3, vec![]));
        assert_eq!(
            walked(0, 150, &[span(10, 100, 10), one(120), one(150)]),
            (12, vec![])
        );
        // A span may reach over a change of schedule, and out of the window on both sides.
        assert_eq!(walked(0, 150, &[span(10, 150, 12)]), (12, vec![]));
        assert_eq!(walked(45, 75, &[span(10, 150, 12)]), (3, vec![]));
        assert_eq!(walked(5, 5, &[]), (0, vec![]));
    }

    #[test]
    fn each_fault_is_found_and_named() {
        use ProblemKind::{Doubled, Missing, Stray, WrongCount};
        type Case<'a> = (&'a [AccountRow], &'a [(i64, ProblemKind)]);
        let cases: [Case<'_>; 9] = [
            (&[one(10), one(30)], &[(20, Missing)]),
            (&[one(10)], &[(20, Missing), (30, Missing)]),
            (&[], &[(10, Missing), (20, Missing), (30, Missing)]),
            (&[one(10), one(20), one(20), one(30)], &[(20, Doubled)]),
            (&[one(10), one(15), one(20), one(30)], &[(15, Stray)]),
            (&[one(10), one(25), one(30)], &[(20, Missing), (25, Stray)]),
            (&[span(10, 30, 3), one(20)], &[(20, Doubled)]),
            (&[one(10), span(10, 30, 3)], &[(10, Doubled)]),
            (
                &[span(10, 30, 4)],
                &[(
                    10,
                    WrongCount {
                        expected: 3,
                        found: 4,
                    },
                )],
            ),
        ];
        for (rows, problems) in cases {
            assert_eq!(walked(0, 30, rows), (3, problems.to_vec()), "{rows:?}");
        }
        assert_eq!(
            walked(0, 30, &[span(10, 25, 2), one(30)]).1,
            [(25, Stray)],
            "a span ends at an instant"
        );
    }

    #[test]
    fn a_flood_of_faults_is_counted_and_not_listed() {
        let history = History::new(vec![every(1, 0, None)]);
        let job = JobName::new("j").unwrap();
        let mut report = AuditReport::default();
        let window = Window {
            from: t(0),
            through: t(5_000),
            whole_from: t(0),
        };
        assert_eq!(Walk::new(&job, &history, window, &mut report).end(), 5_000);
        assert_eq!(report.total_problems, 5_000);
        assert_eq!(report.problems.len(), 1_000);
    }
}
