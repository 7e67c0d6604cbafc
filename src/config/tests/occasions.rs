//! What makes a job run beside a clock, and what becomes of a run that failed.

use std::time::Duration;

use super::*;
use crate::job::{Action, ConcurrencyPolicy, Restart, Retry, Status, Upstream, When};

fn job(lines: &str) -> String {
    format!("[jobs.a]\ncommand = ['true']\n{lines}\n")
}

#[test]
fn a_job_runs_from_the_start_of_the_daemon_on() {
    let plan = only_job(&job("on = 'startup'"));
    assert!(matches!(plan.when, When::Startup(Restart::Never)));
    let Action::Process(process) = &plan.action else {
        panic!("no process: {:?}", plan.action)
    };
    assert_eq!(process.timeout, None, "it may go on for ever");
    let plan = only_job(&job(
        "on = 'startup'\nrestart = 'on-failure'\ntimeout = '5s'",
    ));
    assert!(matches!(plan.when, When::Startup(Restart::OnFailure)));
    let Action::Process(process) = &plan.action else {
        panic!("no process: {:?}", plan.action)
    };
    assert_eq!(process.timeout, Some(Duration::from_secs(5)));
    // What the defaults say of instants and of restarts is for others.
    let text = "[defaults]\njitter = '5s'\nrestart = 'always'\ncatch_up = 'all'\n\
                [jobs.a]\non = 'startup'\nshell = 'x'\n[jobs.b]\nevery = '5s'\nshell = 'x'";
    let config = valid(text);
    assert!(matches!(
        config.jobs["a"].when,
        When::Startup(Restart::Always)
    ));
}

#[test]
fn a_job_runs_after_others() {
    let text = "[jobs.a]\nafter = ['b', { job = 'c', status = 'failed' }, { job = 'd' }]\n\
                command = ['true']\n\
                [jobs.b]\nevery = '1h'\ncommand = ['true']\n\
                [jobs.c]\non = 'startup'\ncommand = ['true']\n\
                [jobs.d]\nafter = ['b', 'c']\ncommand = ['true']";
    let upstream = |job: &str, status| Upstream {
        job: JobName::new(job).unwrap(),
        status,
    };
    let expected = [
        upstream("b", Status::Succeeded),
        upstream("c", Status::Failed),
        upstream("d", Status::Succeeded),
    ];
    assert_eq!(valid(text).jobs["a"].when.upstreams(), expected);
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let beside = "\n[jobs.backup]\nevery = '1h'\ncommand = ['true']";
    for (line, said) in [
        ("on = 'boot'", "`on` is one of \"startup\""),
        (
            "on = 'startup'\nrestart = 'on_failure'",
            "`restart` is one of \"never\", \"on-failure\", \"always\"",
        ),
        (
            "every = '1m'\nrestart = 'always'",
            "`restart` goes with `on = \"startup\"` alone",
        ),
        (
            "on = 'startup'\njitter = '5s'",
            "`jitter` means nothing beside `on`",
        ),
        (
            "after = ['backup']\nstart = 2026-01-01T00:00:00Z",
            "`start` means nothing beside `after`",
        ),
        (
            "after = ['backup']\nexclude = []",
            "`exclude` means nothing beside `after`",
        ),
        (
            "on = 'startup'\nevery = '1m'",
            "`on` cannot stand beside `every`",
        ),
        ("after = []", "`after` holds 1 to 100 jobs"),
        ("after = 5", "`after` is a list of jobs, not a number"),
        (
            "after = ['backup', 'backup']",
            "`after` names job `backup` twice",
        ),
        (
            "after = ['Backup']",
            "a job name starts with a lower-case letter or a digit, not with 'B'",
        ),
        (
            "after = [{ status = 'failed' }]",
            "`after` needs the `job` to run after",
        ),
        (
            "after = [{ job = 'backup', status = 'skipped' }]",
            "`status` is one of \"succeeded\", \"failed\", \"timed_out\", \"cancelled\", \"lost\"",
        ),
        (
            "after = ['backpu']",
            "job `a` runs after `backpu`, which is no job",
        ),
        ("after = ['a']", "jobs wait for each other: a after a"),
        (
            "on = 'startup'\nrestart = 'always'\nretry = { max_retries = 1 }",
            "`restart` and `max_retries` do the same thing twice",
        ),
        (
            "on = 'startup'\nrestart = 'always'\nretry = { initial_delay = '0s' }",
            "`restart` needs an `initial_delay` of at least \"100ms\"",
        ),
    ] {
        assert_eq!(messages(&(job(line) + beside)), [said], "{line}");
    }
    let report = read(&(job("after = ['backpu']") + beside)).unwrap_err();
    assert!(
        report.to_string().contains("did you mean \"backup\"?"),
        "{report}"
    );
}

#[test]
fn a_circle_is_told_once_wherever_it_begins() {
    let after = |job: &str, upstream: &str| {
        format!("[jobs.{job}]\nafter = ['{upstream}']\ncommand = ['true']\n")
    };
    let circle = after("a", "b") + &after("b", "c") + &after("c", "b") + &after("d", "a");
    assert_eq!(
        messages(&circle),
        ["jobs wait for each other: b after c after b"]
    );
    // Two ways to one job are no circle.
    let diamond = after("b", "d")
        + &after("c", "d")
        + "[jobs.a]\nafter = ['b', 'c']\ncommand = ['true']\n\
           [jobs.d]\nevery = '1h'\ncommand = ['true']\n";
    valid(&diamond);
    // A long chain costs nothing.
    let chain: String = (0..20_000)
        .map(|n| after(&format!("j{n}"), &format!("j{}", n + 1)))
        .collect();
    valid(&(chain + "[jobs.j20000]\nevery = '1h'\ncommand = ['true']"));
}

#[test]
fn retries_are_read_with_their_defaults() {
    assert_eq!(only_job(&job("every = '1m'")).retry, Retry::default());
    let lines = "every = '1m'\ntotal_timeout = '3h'\n[jobs.a.retry]\nmax_retries = 3\n\
                 initial_delay = '2s'\nmultiplier = 3\nmax_delay = '1m'\njitter = 0.5\n\
                 on = ['timed_out']\non_exit_codes = [75, 111]";
    let plan = only_job(&job(lines));
    assert_eq!(plan.total_timeout, Some(Duration::from_hours(3)));
    let retry = Retry {
        max_retries: 3,
        initial_delay: Duration::from_secs(2),
        multiplier: 3.0,
        max_delay: Duration::from_mins(1),
        jitter: 0.5,
        on: vec![Status::TimedOut],
        on_exit_codes: vec![75, 111],
    };
    assert_eq!(plan.retry, retry);
    // Merged with the defaults, entry by entry; a first delay beyond the longest moves that.
    let text = "[defaults]\nretry = { max_retries = 2, initial_delay = '10m' }\n\
                [jobs.a]\nevery = '1h'\nshell = 'x'\nretry = { jitter = 0 }";
    let plan = only_job(text);
    assert_eq!((plan.retry.max_retries, plan.retry.jitter), (2, 0.0));
    assert_eq!(plan.retry.max_delay, Duration::from_mins(10));
}

#[test]
fn retries_that_cannot_be_are_refused() {
    for (line, said) in [
        ("retry = 3", "`retry` is a table, not a number"),
        (
            "retry = { multiplier = 0.5 }",
            "`multiplier` is a number between 1.0 and 100.0",
        ),
        (
            "retry = { multiplier = 'two' }",
            "`multiplier` is a number between 1.0 and 100.0",
        ),
        (
            "retry = { jitter = nan }",
            "`jitter` is a number between 0.0 and 1.0",
        ),
        (
            "retry = { retries = 3 }",
            "unknown key `retries` in [jobs.a.retry]",
        ),
        (
            "retry = { on = ['cancelled'] }",
            "`on` is one of \"failed\", \"timed_out\"",
        ),
        (
            "retry = { on = 'failed' }",
            "`on` is a list of ends in quotes, not a string",
        ),
        (
            "retry = { initial_delay = '1m', max_delay = '1s' }",
            "`max_delay` is shorter than `initial_delay`",
        ),
        (
            "total_timeout = '0s'",
            "`total_timeout` must be longer than nothing",
        ),
    ] {
        assert_eq!(
            messages(&job(&format!("every = '1m'\n{line}"))),
            [said],
            "{line}"
        );
    }
}

#[test]
fn every_concurrency_policy_works() {
    for (word, policy) in [
        ("forbid", ConcurrencyPolicy::Forbid),
        ("queue", ConcurrencyPolicy::Queue),
        ("replace", ConcurrencyPolicy::Replace),
        ("allow", ConcurrencyPolicy::Allow),
    ] {
        let lines = format!("every = '1m'\nconcurrency_policy = '{word}'\nqueue_limit = 3");
        let plan = only_job(&job(&lines));
        assert_eq!((plan.concurrency_policy, plan.queue_limit), (policy, 3));
    }
}
