//! When the next step of stopping an attempt comes.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use crate::clock;

/// The end of a wait that is set anew from phase to phase.
pub(super) struct Deadline {
    /// When, in microseconds of the kernel's monotonic clock; none: never.
    usec: Option<u64>,
    pub(super) over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Deadline {
    /// So long from now.
    pub(super) fn after(span: Duration) -> Self {
        let span_usec = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self {
            usec: Some(clock::monotonic_usec().saturating_add(span_usec)),
            over: Box::pin(clock::elapse(span)),
        }
    }

    /// At a reading of the kernel's monotonic clock, which an earlier life of the daemon had in mind.
    pub(super) fn at(usec: u64) -> Self {
        let left = usec.saturating_sub(clock::monotonic_usec());
        Self {
            usec: Some(usec),
            over: Box::pin(clock::elapse(Duration::from_micros(left))),
        }
    }

    pub(super) fn never() -> Self {
        Self {
            usec: None,
            over: Box::pin(pending()),
        }
    }

    /// When, in microseconds of the kernel's monotonic clock; none: never.
    pub(super) fn usec(&self) -> Option<u64> {
        self.usec
    }
}
