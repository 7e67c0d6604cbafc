//! What has become of one job's runs, counted. Pure.

use jiff::Timestamp;

use super::buckets::{Delays, Durations};
use crate::job::{Run, RunId, Status, Trigger};
use crate::store::LastEnds;

/// How many spans of a job may still grow: one of instants, and one of events.
const OPEN_SPANS: usize = 2;

/// The counts of one job since this daemon started, and its newest ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    ended: Vec<((Status, Trigger), u64)>,
    /// How late its scheduled fires started.
    pub delays: Delays,
    /// How long its runs took.
    pub durations: Durations,
    newest: LastEnds,
    /// Spans that may grow, and what of them is counted.
    spans: Vec<(RunId, u64)>,
}

impl Tally {
    /// Takes note of a run that changed.
    pub(super) fn hear(&mut self, run: &Run) {
        if run.status == Status::Running && run.attempts == 1 && run.trigger == Trigger::Schedule {
            if let Some(started) = run.started_at {
                self.delays
                    .count(started.as_microsecond() - run.due_at.as_microsecond());
            }
            return;
        }
        if !run.status.is_final() {
            return;
        }
        let more = self.not_counted(run);
        let key = (run.status, run.trigger);
        match self.ended.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += more,
            None => self.ended.push((key, more)),
        }
        if let (Some(started), Some(finished)) = (run.started_at, run.finished_at) {
            self.durations
                .count(finished.as_microsecond() - started.as_microsecond());
        }
        if let Some(finished) = run.finished_at {
            self.recall(ends(run.status, finished));
        }
    }

    /// How many instants of a run are not counted yet: a span is told of each time that it has grown.
    fn not_counted(&mut self, run: &Run) -> u64 {
        let Some(span) = run.span else { return 1 };
        if let Some((_, counted)) = self.spans.iter_mut().find(|(id, _)| *id == run.id) {
            let before = std::mem::replace(counted, span.count);
            return span.count.saturating_sub(before);
        }
        if self.spans.len() == OPEN_SPANS {
            self.spans.remove(0);
        }
        self.spans.push((run.id, span.count));
        span.count
    }

    /// Takes note of ends, where they are newer than those that it has.
    pub(super) fn recall(&mut self, newest: LastEnds) {
        self.newest.success = self.newest.success.max(newest.success);
        if newest.end.map(|(at, _)| at) >= self.newest.end.map(|(at, _)| at) {
            self.newest.end = newest.end.or(self.newest.end);
        }
    }

    /// The newest ends.
    pub fn newest(&self) -> LastEnds {
        self.newest
    }

    /// How many runs ended how, by what made them; in no order.
    pub fn ended(&self) -> &[((Status, Trigger), u64)] {
        &self.ended
    }
}

/// What one run that ended says of the newest ends.
fn ends(status: Status, at: Timestamp) -> LastEnds {
    match status {
        Status::Succeeded => LastEnds {
            success: Some(at),
            end: Some((at, true)),
        },
        Status::Failed | Status::TimedOut | Status::Lost => LastEnds {
            success: None,
            end: Some((at, false)),
        },
        _ => LastEnds::default(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::job::{JobName, Span};
    use std::collections::BTreeMap;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// A run of this status that was due at 100 s, started 2 ms later and ended at 103 s.
    pub(in crate::telemetry) fn run(job: &str, status: Status) -> Run {
        let job = JobName::new(job).unwrap();
        Run {
            id: RunId::of_fire(&job, at(100)),
            job,
            status,
            trigger: Trigger::Schedule,
            scheduled_at: at(100),
            due_at: at(100),
            queued_at: None,
            retry_at: None,
            started_at: Some(Timestamp::from_millisecond(100_002).unwrap()),
            finished_at: status.is_final().then(|| at(103)),
            attempts: 1,
            exit_code: None,
            signal: None,
            http_status: None,
            reason: None,
            params: BTreeMap::new(),
            node: "n".into(),
            requested_by: None,
            span: None,
        }
    }

    fn span(first: i64, count: u64) -> Run {
        let job = JobName::new("a").unwrap();
        Run {
            id: RunId::of_span(&job, at(first), 1),
            scheduled_at: at(first),
            started_at: None,
            span: Some(Span {
                last: at(first + 1),
                count,
            }),
            ..run("a", Status::Skipped)
        }
    }

    #[test]
    fn a_run_counts_once_when_it_is_over() {
        let mut tally = Tally::default();
        for status in [
            Status::Scheduled,
            Status::Queued,
            Status::Running,
            Status::Succeeded,
        ] {
            tally.hear(&run("a", status));
        }
        assert_eq!(tally.ended(), [((Status::Succeeded, Trigger::Schedule), 1)]);
        assert_eq!((tally.delays.total(), tally.durations.total()), (1, 1));
        assert!((tally.delays.sum_s() - 0.002).abs() < 1e-9);
        assert!((tally.durations.sum_s() - 2.998).abs() < 1e-9);
        // Who asks by hand is late for nothing, and a second attempt is no start of the fire.
        let manual = Run {
            trigger: Trigger::Manual,
            ..run("a", Status::Running)
        };
        let again = Run {
            attempts: 2,
            ..run("a", Status::Running)
        };
        tally.hear(&manual);
        tally.hear(&again);
        assert_eq!(tally.delays.total(), 1);
    }

    #[test]
    fn every_instant_of_a_span_counts_as_it_is_added() {
        let mut tally = Tally::default();
        let skipped = |tally: &Tally| tally.ended()[0].1;
        tally.hear(&span(100, 3));
        assert_eq!(skipped(&tally), 3);
        tally.hear(&span(100, 4));
        // An event of events between: both grow on.
        tally.hear(&span(500, 1));
        tally.hear(&span(100, 9));
        assert_eq!(skipped(&tally), 10);
        // The clock went back over some: a counter does not.
        tally.hear(&span(100, 5));
        tally.hear(&span(100, 6));
        assert_eq!(skipped(&tally), 11);
        assert!(tally.spans.len() <= OPEN_SPANS);
        assert_eq!(
            (tally.durations.total(), tally.newest()),
            (0, LastEnds::default())
        );
    }

    #[test]
    fn the_newest_end_is_kept_wherever_it_is_heard_of() {
        let mut tally = Tally::default();
        tally.hear(&run("a", Status::Failed));
        assert_eq!(tally.newest().end, Some((at(103), false)));
        tally.hear(&run("a", Status::Cancelled));
        tally.recall(ends(Status::Succeeded, at(50)));
        let expected = LastEnds {
            success: Some(at(50)),
            end: Some((at(103), false)),
        };
        assert_eq!(
            tally.newest(),
            expected,
            "an older success is the last, and not the newest end"
        );
        tally.recall(ends(Status::Succeeded, at(200)));
        assert_eq!(tally.newest().end, Some((at(200), true)));
        tally.recall(LastEnds::default());
        assert_eq!(tally.newest().success, Some(at(200)));
    }
}
