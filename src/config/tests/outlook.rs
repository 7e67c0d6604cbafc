//! What is worth a second look, and what is not.

use super::*;
use crate::config::outlook::ahead;

/// The warnings about places in the text.
#[track_caller]
fn told(text: &str) -> Vec<String> {
    let problems = valid(text).warnings.problems().into_iter();
    problems
        .map(|it| format!("{}; {}", it.message, it.help.unwrap_or_default()))
        .collect()
}

/// The warnings about what lies ahead of noon of this day.
#[track_caller]
fn ahead_of(day: &str, text: &str) -> Vec<String> {
    let now = format!("{day}T12:00:00Z").parse().unwrap();
    let warnings = ahead(&valid(text), now).into_iter();
    warnings
        .map(|it| match it.job {
            Some(job) => format!("{job}: {}", it.message),
            None => it.message,
        })
        .collect()
}

/// A job that is due at these times, with more of its table.
fn job(name: &str, cron: &str, more: &str) -> String {
    format!("[jobs.{name}]\ncron = '{cron}'\nshell = 'true'\n{more}\n")
}

#[test]
fn a_run_that_may_meet_the_next_fire_is_told() {
    let minutely = |more: &str| job("a", "* * * * *", more);
    for (more, expected) in [
        (
            "timeout = '5m'",
            "job `a` may run for 5m but is due again after 1m: fires that find it running are \
             skipped; shorten `timeout`, let more run at once (`max_concurrent`), or leave it if \
             that is meant",
        ),
        (
            "timeout = '5m'\nconcurrency_policy = 'queue'\nqueue_limit = 3",
            "job `a` may run for 5m but is due again after 1m: fires that find it running wait, \
             and are skipped when 3 do (`queue_limit`); shorten `timeout`, let more run at once \
             (`max_concurrent`), or leave it if that is meant",
        ),
        (
            "timeout = '5m'\nconcurrency_policy = 'replace'",
            "job `a` may run for 5m but is due again after 1m: a fire that finds it running stops \
             that run; shorten `timeout`, choose another `concurrency_policy`, or leave it if that \
             is meant",
        ),
        (
            "timeout = '5m'\nmax_concurrent = 3",
            "job `a` may run for 5m but is due 3 times more within 3m: fires that find it running \
             are skipped; shorten `timeout`, let more run at once (`max_concurrent`), or leave it \
             if that is meant",
        ),
        (
            "timeout = '2h'\nmax_concurrent = 100",
            "job `a` may run for 2h but is due 119 times more within 2h: fires that find it \
             running are skipped; shorten `timeout`, let more run at once (`max_concurrent`), or \
             leave it if that is meant",
        ),
        // 3 attempts of 20 s, 1 s and 2 s between them.
        (
            "timeout = '20s'\nretry = { max_retries = 2, initial_delay = '1s' }",
            "job `a` may run for 1m3s with its 2 retries but is due again after 1m: fires that \
             find it running are skipped; shorten `timeout`, let more run at once \
             (`max_concurrent`), or leave it if that is meant",
        ),
        (
            "total_timeout = '90s'",
            "job `a` may run for 1m30s but is due again after 1m: fires that find it running are \
             skipped; shorten `total_timeout`, let more run at once (`max_concurrent`), or leave \
             it if that is meant",
        ),
        (
            "timeout = 'none'\ntotal_timeout = '90s'",
            "job `a` may run for 1m30s but is due again after 1m: fires that find it running are \
             skipped; shorten `timeout`, let more run at once (`max_concurrent`), or leave it if \
             that is meant",
        ),
        // 10, 20, 40 and 80 s.
        (
            "retry = { max_retries = 4 }",
            "a run of job `a` that fails goes on for 2m30s, the delays before its 4 retries, but \
             is due again after 1m: fires that find it running are skipped; shorten `retry`, let \
             more run at once (`max_concurrent`), or leave it if that is meant",
        ),
    ] {
        assert_eq!(told(&minutely(more)), [expected], "{more}");
    }
}

#[test]
fn a_run_that_cannot_or_that_nobody_said_is_not() {
    for more in [
        "",
        "timeout = '1m'",
        "timeout = 'none'",
        "timeout = '5m'\nconcurrency_policy = 'allow'",
        "timeout = '5m'\nmax_concurrent = 5",
        "timeout = '2h'\nmax_concurrent = 120",
        "timeout = '5m'\nenabled = false",
        "timeout = '20s'\nretry = { max_retries = 2, initial_delay = '1s' }\ntotal_timeout = '1m'",
        "retry = { max_retries = 2 }",
        "retry = { max_retries = 9 }\ntotal_timeout = '1m'\ntimeout = '9s'",
    ] {
        let text = job("a", "* * * * *", more);
        assert_eq!(told(&text), Vec::<String>::new(), "{more}");
    }
    let defaults = "[defaults]\ntimeout = '5m'\n[jobs.a]\nevery = '1m'\nshell = 'true'\n";
    assert_eq!(told(defaults), Vec::<String>::new());
    let once = "[jobs.a]\nat = '2026-12-01T00:00:00Z'\ntimeout = '5m'\nshell = 'true'\n";
    assert_eq!(told(once), Vec::<String>::new());
    let after =
        job("b", "0 0 * * *", "") + "[jobs.a]\nafter = ['b']\ntimeout = '5d'\nshell = 'true'\n";
    assert_eq!(told(&after), Vec::<String>::new());
}

#[test]
fn it_is_the_shortest_time_between_fires_that_counts() {
    let working_hours = job("a", "0 9,17 * * *", "timeout = '9h'");
    assert!(told(&working_hours)[0].contains("may run for 9h but is due again after 8h"));
    let weekly =
        "[jobs.a]\ncron = ['0 2 * * *', '30 2 * * SUN']\ntimeout = '45m'\nshell = 'true'\n";
    assert!(told(weekly)[0].contains("but is due again after 30m"));
    let longer = weekly.replace("45m", "30m");
    assert_eq!(told(&longer), Vec::<String>::new());
}

#[test]
fn delays_are_summed_however_they_grow() {
    for (retry, expected) in [
        ("max_retries = 1000, multiplier = 1.0", "2h46m40s"),
        (
            "max_retries = 3, initial_delay = '2m', max_delay = '3m'",
            "8m",
        ),
        ("max_retries = 2, initial_delay = '10m'", "20m"),
        // 10, 20, 40, 80, 160 s, and then 5 minutes 95 times.
        ("max_retries = 100", "8h"),
    ] {
        let text = job("a", "* * * * *", &format!("retry = {{ {retry} }}"));
        let warnings = told(&text);
        assert!(
            warnings[0].contains(&format!("goes on for {expected}")),
            "{warnings:?}"
        );
    }
    let none = job(
        "a",
        "* * * * *",
        "retry = { max_retries = 1000, initial_delay = '0s' }",
    );
    assert_eq!(told(&none), Vec::<String>::new());
}

#[test]
fn nights_on_which_the_clocks_change_are_told() {
    let spring = "on 2026-03-29 the clocks of Europe/Paris skip";
    let autumn = "on 2026-10-25 the clocks of Europe/Paris show";
    for (cron, expected) in [
        (
            "30 2 * * *",
            vec![
                format!(
                    "a: {spring} 02:30: it runs at 03:00 instead, once; a time outside of 02:00 to 03:00 avoids that"
                ),
                format!(
                    "a: {autumn} 02:30 twice: it runs the first time only; a time outside of 02:00 to 03:00 avoids that"
                ),
            ],
        ),
        // The chosen minute and hour of the job are looked at, not the letter.
        ("H 3 * * *", vec![]),
        (
            "*/30 2 * * *",
            vec![
                format!(
                    "a: {spring} 02:00 to 03:00: it does not run that day, since `*` and steps go by elapsed time; times in a list, as in `0,30 2 * * *`, run once at 03:00"
                ),
                format!(
                    "a: {autumn} 02:00 to 03:00 twice: it runs in both, since `*` and steps go by elapsed time; times in a list, as in `0,30 2 * * *`, run once"
                ),
            ],
        ),
        ("*/30 2,4 * * *", vec![]),
        ("*/30 * * * *", vec![]),
        ("30 2 * * MON", vec![]),
        ("30 2 1 * *", vec![]),
        ("30 4 * * *", vec![]),
    ] {
        assert_eq!(
            ahead_of("2026-01-01", &job("a", cron, "")),
            expected,
            "{cron}"
        );
    }
    let hashed = ahead_of("2026-01-01", &job("a", "H 2 * * *", ""));
    assert!(
        hashed[0].starts_with(&format!("a: {spring} 02:")),
        "{hashed:?}"
    );
    assert!(
        !hashed[0].contains("02:00:"),
        "the chosen minute, not the hour: {hashed:?}"
    );
    let utc = "timezone = 'UTC'";
    assert!(ahead_of("2026-01-01", &job("a", "30 2 * * *", utc)).is_empty());
    assert!(ahead_of("2026-01-01", "[jobs.a]\nevery = '30m'\nshell = 'true'\n").is_empty());
    let santiago = job("a", "0 0 * * *", "timezone = 'America/Santiago'");
    let changes = ahead_of("2026-01-01", &santiago);
    assert!(
        changes[0]
            .contains("on 2026-09-06 the clocks of America/Santiago skip 00:00: it runs at 01:00"),
        "{changes:?}"
    );
    // A fixed time of that day is enough for the wildcards to go without a word.
    let both = "[jobs.a]\ncron = ['*/30 2 * * *', '0 12 * * *']\nshell = 'true'\n";
    assert!(ahead_of("2026-01-01", both).is_empty());
}

#[test]
fn a_window_that_leaves_the_night_out_leaves_the_warning_out() {
    let windowed = |start: &str, end: &str| {
        let window = format!("start = '{start}'\nend = '{end}'");
        ahead_of("2026-01-01", &job("a", "30 2 * * *", &window)).len()
    };
    assert_eq!(windowed("2026-03-29T01:00:00Z", "2026-10-25T00:30:01Z"), 2);
    assert_eq!(windowed("2026-03-29T01:00:01Z", "2026-10-25T00:30:00Z"), 0);
}

#[test]
fn a_herd_is_told_once() {
    let herd = |cron: &str, more: &str| {
        let jobs = (0..60).flat_map(|n| {
            let nightly = job(&format!("nightly-{n}"), cron, more);
            [
                nightly,
                format!("[jobs.often-{n}]\nevery = '1m'\nshell = 'true'\n"),
            ]
        });
        ahead_of("2026-01-01", &jobs.collect::<String>())
    };
    // Sixty of each: they are many only where both meet.
    assert_eq!(
        herd("0 12 * * *", ""),
        [
            "120 jobs are due in the second of 2026-01-02T11:00:00Z: spread them with `jitter`, or \
          with `H` in their cron expressions"
        ]
    );
    assert_eq!(herd("H 12 * * *", ""), Vec::<String>::new());
    assert_eq!(herd("0 12 * * *", "jitter = '30m'"), Vec::<String>::new());
    let before: String = (0..120)
        .map(|n| job(&format!("j{n}"), "0 12 * * *", "enabled = false"))
        .collect();
    assert_eq!(ahead_of("2026-01-01", &before), Vec::<String>::new());
}

#[test]
fn a_pool_that_is_too_small_for_a_second_is_told() {
    let pool = |slots: u32, jobs: &[(&str, &str, &str)]| {
        let mut text = format!("[pools.db]\nslots = {slots}\n");
        for (name, cron, more) in jobs {
            text += &job(name, cron, &format!("pool = 'db'\n{more}"));
        }
        ahead_of("2026-01-01", &text)
    };
    let nightly = [("dump", "0 4 * * *", ""), ("vacuum", "0 4 * * SUN", "")];
    assert_eq!(
        pool(1, &nightly),
        [
            "pool `db` has 1 slot, and 2 of its jobs are due in the second of 2026-01-04T03:00:00Z \
          (dump, vacuum): what finds no slot waits; set their times apart, give the pool more \
          `slots`, or leave it if they are to wait for each other"
        ]
    );
    assert_eq!(pool(2, &nightly), Vec::<String>::new());
    assert_eq!(
        pool(1, &[("dump", "0 4 * * *", ""), ("vacuum", "1 4 * * *", "")]),
        Vec::<String>::new()
    );
    assert_eq!(
        pool(1, &[nightly[0], ("vacuum", "0 4 * * *", "jitter = '10m'")]),
        Vec::<String>::new()
    );
    // One that is due often meets one that is due rarely, jitter and all.
    let often = ("often", "* * * * *", "jitter = '20s'");
    let both = pool(1, &[often, ("rarely", "0 4 1 7 *", "jitter = '1m'")]);
    assert_eq!(both, Vec::<String>::new());
    let many: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|name| (name, "0 4 * * *", ""))
        .to_vec();
    let several = pool(3, &many);
    assert!(
        several[0].contains("3 slots, and 5 of its jobs"),
        "{several:?}"
    );
    assert!(several[0].contains("(a, b, c and 2 more)"), "{several:?}");
    // Jobs elsewhere do not count.
    let elsewhere = format!(
        "[pools.db]\nslots = 1\n{}",
        job("a", "0 4 * * *", "pool = 'db'") + &job("b", "0 4 * * *", "")
    );
    assert_eq!(ahead_of("2026-01-01", &elsewhere), Vec::<String>::new());
}

#[test]
fn jobs_that_will_not_run_are_told_and_so_are_those_that_wait_for_them() {
    let after = |name: &str, upstream: &str| {
        format!("[jobs.{name}]\nafter = [{upstream}]\nshell = 'true'\n")
    };
    let disabled = job("off", "0 4 * * *", "enabled = false");
    let text = disabled + &after("next", "'off'") + &after("then", "'next'");
    assert_eq!(
        ahead_of("2026-01-01", &text),
        [
            "next: it runs after `off`, which is disabled; enable that one, or trigger it by hand \
             when this one is to run",
            "then: it runs after `next`, which will not run by itself either; correct that one, or \
             trigger it by hand when this one is to run",
        ]
    );
    let text = "[jobs.past]\nat = '2001-01-01T00:00:00Z'\nshell = 'true'\n".to_owned()
        + &job("window", "0 4 * * *", "end = '2025-01-01T00:00:00Z'")
        + &after("next", "'past', { job = 'window', status = 'failed' }");
    assert_eq!(
        ahead_of("2026-01-01", &text),
        [
            "past: its instant, 2001-01-01T00:00:00Z, is past: it will not run any more; correct \
             the time, or remove the job",
            "window: no instant of its schedule is left: it will not run any more; correct the \
             schedule, or remove the job",
            "next: it runs after `past`, which will not run by itself either; correct that one, or \
             trigger it by hand when this one is to run",
        ]
    );
    let timed_out = "{ job = 'a', status = 'timed_out' }";
    let unlimited = job("a", "0 4 * * *", "timeout = 'none'") + &after("next", timed_out);
    assert_eq!(
        ahead_of("2026-01-01", &unlimited),
        [
            "next: it runs after `a` has timed out, which never happens: `a` has no time limit; give \
          it a `timeout`, or wait for another end"
        ]
    );
    for more in ["", "timeout = 'none'\ntotal_timeout = '2h'"] {
        let limited = job("a", "0 4 * * *", more) + &after("next", timed_out);
        assert_eq!(ahead_of("2026-01-01", &limited), Vec::<String>::new());
    }
    let fine = job("a", "0 4 * * *", "")
        + &after("next", "'a'")
        + "[jobs.w]\non = 'startup'\nshell = 'true'\n";
    assert_eq!(ahead_of("2026-01-01", &fine), Vec::<String>::new());
}

#[test]
fn days_that_are_excluded_are_no_fires() {
    let holiday = "[calendars.c]\ndates = ['2026-01-02', '2026-03-29']\n";
    let exclude = "exclude = ['c']";
    let of_spring = "pool = 'db'\nend = '2026-06-01T00:00:00Z'";
    let two = |more: &str| job("a", "0 4 2 1 *", of_spring) + &job("b", "0 4 * * *", more);
    let pool = format!("{holiday}[pools.db]\nslots = 1\n");
    let met = |more: &str| {
        ahead_of(
            "2026-01-01",
            &(pool.clone() + &two(&format!("pool = 'db'\n{more}"))),
        )
    };
    assert_eq!(met("").len(), 1);
    assert_eq!(met(exclude), Vec::<String>::new());
    // One whose next fires do not reach that far is asked all the same.
    let far = |more: &str| {
        let jobs = job("a", "0 4 29 3 *", of_spring)
            + &job("b", "0 4 * * *", &format!("pool = 'db'\n{more}"));
        ahead_of("2026-01-01", &(pool.clone() + &jobs))
    };
    assert_eq!(far("").len(), 1);
    assert_eq!(far(exclude), Vec::<String>::new());

    let night = job("a", "30 2 * * *", exclude);
    let changes = ahead_of("2026-01-01", &format!("{holiday}{night}"));
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("on 2026-10-25"), "{changes:?}");
    let wildcard = job("a", "*/30 2 * * *", exclude);
    assert_eq!(
        ahead_of("2026-01-01", &format!("{holiday}{wildcard}")).len(),
        1
    );

    let never = format!(
        "{holiday}{}",
        job(
            "a",
            "0 4 29 3 * ",
            "end = '2026-12-31T00:00:00Z'\nexclude = ['c']"
        )
    );
    assert_eq!(
        ahead_of("2026-01-01", &never),
        [
            "a: its calendars exclude all that its schedule names for 50 years; choose others in \
          `exclude`"
        ]
    );
    let over = ahead_of(
        "2026-12-01",
        &format!("{holiday}{}", job("a", "0 4 * * *", exclude)),
    );
    assert_eq!(
        over,
        [
            "the calendar `c` has no day after 2026-03-29, so it excludes nothing any more: bring it \
          up to date"
        ]
    );
}

#[test]
fn of_many_warnings_some_are_shown_and_the_others_counted() {
    let jobs = (0..50).fold(String::new(), |jobs, n| {
        jobs + &format!("[jobs.p{n}]\nat = '2001-01-01T00:00:00Z'\nshell = 'true'\n")
    });
    let warnings = ahead_of("2026-01-01", &jobs);
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], "and 30 more jobs that will not run");
}
