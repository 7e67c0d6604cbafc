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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::job::{CommandLine, KeepOutput, Limits, OutputLimits, Signal, StopCause, Terms};

    fn process(limits: Limits) -> Process {
        Process {
            command: CommandLine::Shell(":".to_owned()),
            terms: Terms {
                limits,
                ..Terms::default()
            },
            working_dir: None,
            env: BTreeMap::new(),
            env_file: None,
            inherit_env: false,
            stdin: None,
            // What is not known counts as 255.
            success_exit_codes: vec![0],
            timeout: None,
            kill_signal: Signal::TERM,
            kill_timeout: Duration::ZERO,
            output: OutputLimits {
                max_bytes: 1,
                keep: KeepOutput::Both,
            },
        }
    }

    fn strain_of(strains: Strains, limits: Limits) -> Option<Strain> {
        match meaning(None, None, strains, &process(limits)) {
            AttemptEnd::Strained { strain, .. } => Some(strain),
            AttemptEnd::Exited { ok: false, .. } => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_failure_is_told_by_what_it_ran_into() {
        let limited = Limits {
            memory: Some(1 << 20),
            cpu_percent: None,
            pids: Some(3),
        };
        let all = Strains {
            memory_limit: true,
            killed_for_memory: true,
            pids_limit: true,
        };
        let none = Strains::default();
        assert_eq!(strain_of(none, limited), None);
        assert_eq!(strain_of(all, limited), Some(Strain::MemoryLimit(1 << 20)));
        let elsewhere = Strains {
            memory_limit: false,
            ..all
        };
        assert_eq!(strain_of(elsewhere, limited), Some(Strain::OutOfMemory));
        // Its own allocation failed, but nothing was killed.
        let refused = Strains {
            killed_for_memory: false,
            ..all
        };
        assert_eq!(strain_of(refused, limited), Some(Strain::PidsLimit(3)));
        // Without a limit of its own it was that of a group above.
        assert_eq!(strain_of(refused, Limits::default()), None);
        assert_eq!(strain_of(all, Limits::default()), Some(Strain::OutOfMemory));
    }

    #[test]
    fn what_is_no_failure_or_was_stopped_is_told_as_such() {
        let strains = Strains {
            memory_limit: true,
            killed_for_memory: true,
            pids_limit: true,
        };
        let mut process = process(Limits::default());
        let stopped = Some(Cause::Order(StopCause::Requested));
        assert!(matches!(
            meaning(None, stopped, strains, &process),
            AttemptEnd::Stopped { .. }
        ));
        assert!(matches!(
            meaning(None, Some(Cause::Timeout), strains, &process),
            AttemptEnd::TimedOut { .. }
        ));
        process.success_exit_codes.push(255);
        assert!(matches!(
            meaning(None, None, strains, &process),
            AttemptEnd::Exited { ok: true, .. }
        ));
    }
}
