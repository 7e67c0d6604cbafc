//! Fires of running daemons.

use crate::daemon::{Place, assert_each_second_once, jobs, wait_until};

#[test]
fn a_job_runs_at_its_instants_as_a_process_and_is_accounted_for() {
    let place = Place::new(
        "[jobs.beat]\nevery = \"1s\"\nshell = 'echo \"$PUNCTUAL_SCHEDULED_AT $PUNCTUAL_TRIGGER \
         $PUNCTUAL_ATTEMPT\" >> $PLACE/beats'",
    );
    let daemon = place.start();
    wait_until("three runs", || {
        let rows = place.rows();
        (rows.iter().filter(|row| row.status == "succeeded").count() >= 3).then_some(())
    });
    assert!(daemon.terminate().success());
    let rows = place.rows();
    assert_each_second_once(&rows, "beat");
    let ran: Vec<_> = rows
        .iter()
        .filter(|row| row.status == "succeeded")
        .collect();
    let beats = place.lines("beats");
    assert_eq!(beats.len(), ran.len(), "each run once: {beats:?} {rows:?}");
    for (row, beat) in ran.iter().zip(&beats) {
        let told: jiff::Timestamp = beat.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(told.as_microsecond(), row.scheduled_at);
        assert!(beat.ends_with(" schedule 1"), "{beat}");
        assert!(row.started_at.unwrap() >= row.scheduled_at, "never early");
    }
}

#[test]
fn a_second_run_at_the_same_time_is_skipped_and_joins_a_span() {
    let place = Place::new(
        "[jobs.slow]\nevery = \"1s\"\nshell = 'while [ ! -e $PLACE/go ]; do sleep 0.05; done'",
    );
    let _daemon = place.start();
    let span = wait_until("a span of two", || {
        place
            .rows()
            .into_iter()
            .find(|row| row.count.is_some_and(|count| count >= 2))
    });
    assert_eq!(
        (span.status.as_str(), span.reason.as_deref()),
        ("skipped", Some("max_concurrent"))
    );
    std::fs::write(place.path("go"), "").unwrap();
    wait_until("a run after it", || {
        let rows = place.rows();
        (rows.iter().filter(|row| row.status == "succeeded").count() >= 2).then_some(())
    });
    assert_each_second_once(&place.rows(), "slow");
}

#[test]
fn a_hundred_processes_at_each_second_all_run_once() {
    let jobs = jobs(100, |n| {
        format!(
            "[jobs.j{n}]\nevery = \"1s\"\nshell = 'echo \"{n} $PUNCTUAL_SCHEDULED_AT\" >> \
                 $PLACE/starts'\n"
        )
    });
    let place = Place::new(&jobs);
    let daemon = place.start();
    wait_until("500 runs", || {
        (place.lines("starts").len() >= 500).then_some(())
    });
    assert!(daemon.terminate().success());
    let rows = place.rows();
    let ran = rows.iter().filter(|row| row.status == "succeeded").count();
    let starts = place.counts("starts");
    assert!(
        starts.values().all(|&times| times == 1),
        "started twice: {starts:?}"
    );
    assert_eq!(starts.len(), ran);
    for n in 0..100 {
        assert_each_second_once(&rows, &format!("j{n}"));
    }
}
