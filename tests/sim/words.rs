//! Reading times, durations and jobs out of scenario text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use punctual::job::{
    Action, CatchUp, CatchUpMode, CommandLine, ConcurrencyPolicy, JobName, KeepOutput,
    OutputLimits, Param, Plan, Process, Restart, Retry, Signal, Status, Terms, Upstream, When,
};
use punctual::schedule::{Calendar, Rule, Schedule, ScheduleSpec};

use crate::world::Behaviour;

/// The day on which everything happens.
const DAY: &str = "2026-11-22T";

/// `12:00:01.5` of the day, or `+2d 12:00:00`-like days later as `2d+12:00:01`.
pub fn time(text: &str) -> Timestamp {
    let (days, clock) = text.split_once("d+").map_or((0, text), |(days, clock)| {
        (days.parse::<i64>().unwrap(), clock)
    });
    let at: Timestamp = format!("{DAY}{clock}Z")
        .parse()
        .unwrap_or_else(|e| panic!("{text:?} is no time: {e}"));
    at + jiff::SignedDuration::from_hours(24 * days)
}

/// The inverse of [`time`].
pub fn show_time(at: Timestamp) -> String {
    let day = time("00:00:00");
    let days = at.duration_since(day).as_secs().div_euclid(86400);
    let text = at.to_string();
    let clock = &text[DAY.len()..text.len() - 1];
    if days == 0 {
        clock.to_owned()
    } else {
        format!("{days}d+{clock}")
    }
}

/// `250ms`, `3s`, `10m`, `2h`, `1d`.
pub fn duration(text: &str) -> Duration {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().unwrap();
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => panic!("{unit:?} is no unit"),
    };
    Duration::from_secs_f64(number * seconds)
}

pub fn job_name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

/// A job with every default of the product.
pub fn plan(name: &str, rule: Rule, jitter: Duration) -> Plan {
    let process = Process {
        command: CommandLine::Shell("true".to_owned()),
        terms: Terms::default(),
        working_dir: None::<PathBuf>,
        env: BTreeMap::new(),
        env_file: None,
        inherit_env: false,
        stdin: None,
        success_exit_codes: vec![0],
        timeout: None,
        kill_signal: Signal::TERM,
        kill_timeout: Duration::from_secs(10),
        output: OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        },
    };
    Plan {
        name: job_name(name),
        description: String::new(),
        tags: Vec::new(),
        when: schedule(
            name,
            ScheduleSpec {
                jitter,
                ..spec(rule)
            },
        ),
        action: Action::Process(Arc::new(process)),
        max_concurrent: 1,
        concurrency_policy: ConcurrencyPolicy::Forbid,
        queue_limit: 10,
        starting_deadline: None,
        catch_up: CatchUp {
            mode: CatchUpMode::Latest,
            limit: 100,
            window: Duration::from_hours(1),
        },
        retry: Retry::default(),
        total_timeout: None,
        pool: "default".to_owned(),
        priority: 0,
        enabled: true,
        params: BTreeMap::new(),
        shown: serde_json::Value::Null,
    }
}

fn spec(rule: Rule) -> ScheduleSpec {
    ScheduleSpec {
        rule,
        timezone: "UTC".to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    }
}

pub fn schedule(name: &str, spec: ScheduleSpec) -> When {
    When::Schedule(Arc::new(Schedule::new(spec, name).unwrap()))
}

/// `a every 1s max 2 lasts 300ms …`: a job and how its processes behave.
pub fn job(text: &str) -> (Arc<Plan>, Behaviour) {
    let words = split(text);
    let mut words = words.iter().map(String::as_str);
    let mut next = || words.next();
    let name = next().unwrap();
    // What is no schedule has one for as long as it is read.
    let mut rule = Rule::At(Timestamp::UNIX_EPOCH);
    let mut event = None;
    match next() {
        Some("every") => rule = Rule::Every(duration(next().unwrap())),
        Some("at") => rule = Rule::At(time(next().unwrap())),
        Some("cron") => rule = Rule::Cron(vec![next().unwrap().to_owned()]),
        Some("startup") => event = Some(When::Startup(Restart::Never)),
        Some("after") => event = Some(When::After(upstreams(next().unwrap()))),
        other => panic!("{other:?} is no schedule"),
    }
    let mut plan = plan(name, rule.clone(), Duration::ZERO);
    let mut spec = spec(rule);
    let mut behaviour = Behaviour::default();
    while let Some(word) = next() {
        let mut value = || next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word {
            "lasts" => behaviour.lasts = duration(value()),
            "exits" => {
                let codes = value().split(',').map(|code| code.parse().unwrap());
                behaviour.codes = codes.collect();
            }
            "dies-in" => behaviour.dies_in = duration(value()),
            "timeout" => behaviour.timeout = Some(duration(value())),
            "cannot-start" => behaviour.starts = false,
            "max" => plan.max_concurrent = value().parse().unwrap(),
            "allow" => plan.concurrency_policy = ConcurrencyPolicy::Allow,
            "queue" => {
                plan.concurrency_policy = ConcurrencyPolicy::Queue;
                plan.queue_limit = value().parse().unwrap();
            }
            "replace" => plan.concurrency_policy = ConcurrencyPolicy::Replace,
            "retries" => {
                plan.retry.max_retries = value().parse().unwrap();
                plan.retry.jitter = 0.0;
            }
            "delay" => {
                plan.retry.initial_delay = duration(value());
                plan.retry.jitter = 0.0;
            }
            "multiplier" => plan.retry.multiplier = value().parse().unwrap(),
            "max-delay" => plan.retry.max_delay = duration(value()),
            "retry-jitter" => plan.retry.jitter = value().parse().unwrap(),
            "on" => plan.retry.on = vec![Status::parse(value()).unwrap()],
            "codes" => {
                let codes = value().split(',').map(|code| code.parse().unwrap());
                plan.retry.on_exit_codes = codes.collect();
            }
            "total" => plan.total_timeout = Some(duration(value())),
            "always" => event = Some(When::Startup(Restart::Always)),
            "on-failure" => event = Some(When::Startup(Restart::OnFailure)),
            "deadline" => plan.starting_deadline = Some(duration(value())),
            "catch-up" => {
                plan.catch_up.mode = match value() {
                    "none" => CatchUpMode::None,
                    "latest" => CatchUpMode::Latest,
                    "all" => CatchUpMode::All,
                    other => panic!("{other} is no catch-up"),
                }
            }
            "limit" => plan.catch_up.limit = value().parse().unwrap(),
            "window" => plan.catch_up.window = duration(value()),
            "pool" => value().clone_into(&mut plan.pool),
            "priority" => plan.priority = value().parse().unwrap(),
            "disabled" => plan.enabled = false,
            "jitter" => spec.jitter = duration(value()),
            "start" => spec.start = Some(time(value())),
            "end" => spec.end = Some(time(value())),
            "exclude" => {
                let (name, days) = value().split_once('=').unwrap();
                let days = days.split(',').map(|day| day.parse().unwrap());
                spec.exclude.push(Arc::new(Calendar::new(name, days)));
            }
            "zone" => value().clone_into(&mut spec.timezone),
            "param" => {
                let (name, pattern) = split_at(value(), '~');
                let (name, default) = split_at(&name, '=');
                plan.params.insert(name, Param { default, pattern });
            }
            other => panic!("{other:?} is no key of a job"),
        }
    }
    plan.when = event.unwrap_or_else(|| schedule(name, spec));
    (Arc::new(plan), behaviour)
}

/// `a,b:failed`: the jobs that one runs after, each with another end than success behind a colon.
fn upstreams(text: &str) -> Vec<Upstream> {
    let read = |item: &str| {
        let (job, status) = item.split_once(':').unwrap_or((item, "succeeded"));
        Upstream {
            job: job_name(job),
            status: Status::parse(status).unwrap(),
        }
    };
    text.split(',').map(read).collect()
}

fn split_at(text: &str, at: char) -> (String, Option<String>) {
    match text.split_once(at) {
        Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Words at spaces, those in double quotes whole.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in text.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
