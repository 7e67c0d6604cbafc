//! What the end of a main process means, and what its attempt took.

use rustix::process::WaitIdStatus;

use super::attempt::Cause;
use super::cgroup::{Group, Strains};
use crate::job::{AttemptEnd, Figures, Process, Strain};

/// How the attempt ended. None: that cannot be known.
pub(super) fn meaning(
    status: Option<WaitIdStatus>,
    cause: Option<Cause>,
    strains: Strains,
    process: &Process,
) -> AttemptEnd {
    let code = status.and_then(|status| status.exit_status());
    let signal = status.and_then(|status| status.terminating_signal());
    let core_dumped = status.is_some_and(|status| status.dumped());
    let end = match (cause, signal) {
        (Some(Cause::Timeout), _) => return AttemptEnd::TimedOut { code, signal },
        (Some(Cause::Order(cause)), _) => {
            return AttemptEnd::Stopped {
                cause,
                code,
                signal,
            };
        }
        (None, Some(signal)) => AttemptEnd::Signalled {
            signal,
            core_dumped,
        },
        (None, None) => {
            let code = code.unwrap_or(255);
            let ok = process.success_exit_codes.contains(&code);
            AttemptEnd::Exited { code, ok }
        }
    };
    match strain(strains, process) {
        Some(strain) if !matches!(end, AttemptEnd::Exited { ok: true, .. }) => {
            AttemptEnd::Strained {
                strain,
                code,
                signal,
            }
        }
        _ => end,
    }
}

/// What explains a failure best: what was killed did not even get to know of other things.
fn strain(strains: Strains, process: &Process) -> Option<Strain> {
    let limits = &process.terms.limits;
    match (strains.killed_for_memory, limits.memory) {
        (true, Some(bytes)) if strains.memory_limit => return Some(Strain::MemoryLimit(bytes)),
        (true, _) => return Some(Strain::OutOfMemory),
        (false, _) => {}
    }
    limits
        .pids
        .filter(|_| strains.pids_limit)
        .map(Strain::PidsLimit)
}

/// The figures of the main process and of the children that it waited for, with those of its group.
///
/// Neither has all: a group counts also what nobody waited for, but not what came before it was
/// entered. So the larger one is nearer to the truth.
pub(super) fn with_group(figures: Figures, group: Option<&Group>) -> Figures {
    Figures {
        cpu_usec: figures.cpu_usec.max(group.and_then(Group::cpu_usec)),
        max_rss_bytes: figures
            .max_rss_bytes
            .max(group.and_then(Group::memory_peak)),
    }
}
