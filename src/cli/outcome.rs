//! How runs stand, in a few words.

use jiff::{SignedDuration, Timestamp};

use super::table::Paint;
use super::words::{coarse, took};
use crate::api::wire::Run;
use crate::job::{Reason, Status};

/// The status as a painted cell.
pub(super) fn paint(status: Status) -> Paint {
    match status {
        Status::Succeeded => Paint::Good,
        Status::Failed | Status::TimedOut | Status::Lost | Status::Missed => Paint::Bad,
        Status::Cancelled | Status::Skipped => Paint::Notable,
        Status::Scheduled | Status::Queued | Status::Running => Paint::Plain,
    }
}

/// The status and what belongs to it: `failed: exit 3`, `skipped × 120: paused`.
pub(super) fn in_words(run: &Run) -> String {
    let times = run.count.map(|count| format!(" × {count}"));
    let numbers = (run.exit_code, run.signal, run.http_status);
    let end = end(numbers, run.reason.as_ref());
    let end = end.map(|end| format!(": {end}"));
    let attempts = (run.attempts > 1).then(|| format!(", {} attempts", run.attempts));
    let parts = [times, end, attempts].into_iter().flatten();
    parts.fold(run.status.to_string(), |text, part| text + &part)
}

/// Exit code, signal and HTTP status, as far as there are any.
pub(super) type Numbers = (Option<i32>, Option<i32>, Option<u16>);

/// How an execution ended, where that says more than the status does.
pub(super) fn end((code, signal, http): Numbers, why: Option<&Reason>) -> Option<String> {
    let http = http.filter(|&status| status != 200);
    let code = code.filter(|&code| code != 0);
    let parts = [
        code.map(|code| format!("exit {code}")),
        signal.map(|signal| format!("signal {signal}")),
        http.map(|status| format!("HTTP {status}")),
        why.map(|reason| reason.0.clone()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How long a run took, or has run so far.
pub(super) fn length(run: &Run, now: Timestamp) -> Option<String> {
    match (run.duration_s, run.started_at) {
        (Some(seconds), _) => Some(took(seconds)),
        (None, Some(started)) if run.status == Status::Running => Some(format!(
            "{} …",
            coarse(now.duration_since(started.0).max(SignedDuration::ZERO))
        )),
        _ => None,
    }
}
