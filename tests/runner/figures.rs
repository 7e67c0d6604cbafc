//! What attempts took.

use punctual::job::AttemptEnd;

use crate::desk::{run, shell};

/// Goes round until its own processor time is a quarter of a second (25 ticks of 10 ms).
pub const BUSY: &str = "while read -r _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ </proc/$$/stat && \
                        [ $((user + system)) -lt 25 ]; do :; done";

#[test]
fn processor_time_is_told() {
    let ended = run(shell(BUSY));
    assert_eq!(ended.end, AttemptEnd::Exited { code: 0, ok: true });
    let busy = ended.figures.cpu_usec.unwrap();
    assert!((240_000..20_000_000).contains(&busy), "{busy}");
    let idle = run(shell("exec sleep 0.3")).figures.cpu_usec.unwrap();
    assert!(idle < 200_000, "{idle}");
}

#[test]
fn what_children_took_counts() {
    let ended = run(shell(&format!("sh -c '{BUSY}'; exit 3")));
    assert_eq!(ended.end, AttemptEnd::Exited { code: 3, ok: false });
    let busy = ended.figures.cpu_usec.unwrap();
    assert!((240_000..20_000_000).contains(&busy), "{busy}");
}

#[test]
fn the_peak_of_memory_is_told() {
    let filled = 200 << 20;
    let ended = run(shell("dd if=/dev/zero of=/dev/null bs=200M count=1; :"));
    assert_eq!(ended.end, AttemptEnd::Exited { code: 0, ok: true });
    let peak = ended.figures.max_rss_bytes.unwrap();
    assert!((filled..filled * 2).contains(&peak), "{peak}");
}

/// The kernel gives a process the peak of the daemon that began it.
#[test]
fn the_daemons_own_memory_is_not_told_as_the_attempts() {
    assert_eq!(run(shell("exit 0")).figures.max_rss_bytes, None);
}

#[test]
fn what_never_ran_took_nothing() {
    let mut process = shell("exit 0");
    process.working_dir = Some("/no/such/folder".into());
    let ended = run(process);
    assert!(matches!(ended.end, AttemptEnd::NotStarted(_)));
    assert_eq!(ended.figures, punctual::job::Figures::default());
}
