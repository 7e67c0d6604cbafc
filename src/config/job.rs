//! `[jobs.NAME]` over `[defaults]`: one job as written to one [`Plan`].

use std::time::Duration;

use super::Ground;
use super::action;
use super::fields::Fields;
use super::http;
use super::not_yet::{self, Section};
use super::overlap;
use super::params;
use super::report::{Complaints, Problem};
use super::retry;
use super::rule;
use super::sections::DEFAULT_POOL;
use super::tree::Table;
use super::words;
use crate::job::{
    Action, CatchUp, CatchUpMode, ConcurrencyPolicy, JobName, Plan, Restart, Retry, When,
};

/// The longest description, and the longest tag, in characters.
const MAX_WORDS: usize = 1_000;

/// The most tags.
const MAX_TAGS: usize = 100;

/// Whether a table is a job, which must be whole, or the defaults, which need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wholeness {
    /// A job: a schedule and an action must stand there.
    Job,
    /// `[defaults]` for themselves, so that a slip is told even if no job uses them.
    Defaults,
}

/// Reads one job; none: something was complained about.
pub(super) fn read(
    name: &JobName,
    table: &Table,
    defaults: &[&Table],
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Plan> {
    let layers = || {
        std::iter::once(table)
            .chain(defaults.iter().copied())
            .collect()
    };
    let mut fields = Fields::over(layers());
    let plan = plan(name, Wholeness::Job, &mut fields, ground, complaints);
    fields.finish(complaints);
    let mut plan = plan?;
    overlap::warn(&plan, table, complaints);
    plan.shown = super::shown::merged(&layers());
    Some(plan)
}

/// Reads the defaults for the sake of their errors.
pub(super) fn check_defaults(
    defaults: &[&Table],
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) {
    let mut fields = Fields::over(defaults.to_vec());
    let name = JobName::new("defaults").expect("this name is well-formed");
    plan(&name, Wholeness::Defaults, &mut fields, ground, complaints);
    fields.finish(complaints);
}

fn plan(
    name: &JobName,
    wholeness: Wholeness,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<Plan> {
    not_yet::refuse(Section::Job, fields, complaints);
    let description = fields.text("description", complaints).unwrap_or_default();
    bounded("description", description, fields, complaints);
    // Every part is read before any is missed: all complaints at once.
    let when = rule::read(name, wholeness, fields, ground, complaints);
    let lasting = matches!(when, Some(When::Startup(_)));
    let action = action::read(name, wholeness, lasting, fields, ground, complaints);
    let mut retry = retry::read(fields, complaints);
    if matches!(action, Some(Action::Http(_))) && wholeness == Wholeness::Job {
        http::refuse_exit_codes(&mut retry, fields, complaints);
    }
    let total_timeout = retry::total_timeout(fields, complaints);
    if when
        .as_ref()
        .and_then(When::restart)
        .is_some_and(|it| it != Restart::Never)
    {
        complain_of_retries(&retry, fields, complaints);
    }
    let policies = policies(fields, complaints);
    let pool = pool(fields, ground, complaints);
    let priority = fields.whole::<i32>("priority", &(-1_000_000..=1_000_000), complaints);
    let enabled = fields.flag("enabled", complaints);
    let tags = tags(fields, complaints);
    let params = params::read(fields, complaints);
    Some(Plan {
        name: name.clone(),
        description: description.to_owned(),
        tags,
        when: when?,
        action: action?,
        max_concurrent: policies.max_concurrent,
        concurrency_policy: policies.concurrency_policy,
        queue_limit: policies.queue_limit,
        starting_deadline: policies.starting_deadline,
        catch_up: policies.catch_up,
        retry,
        total_timeout,
        pool,
        priority: priority.unwrap_or(0),
        enabled: enabled.unwrap_or(true),
        params,
        shown: serde_json::Value::Null,
    })
}

/// The shortest delay before a supervised job is started again: one that ends at once must not keep
/// the machine busy.
const SHORTEST_RESTART: Duration = Duration::from_millis(100);

/// A job that is started again whenever it ends is not tried again as well, nor without a pause.
fn complain_of_retries(retry: &Retry, fields: &mut Fields<'_>, complaints: &mut Complaints) {
    let Some(node) = fields.node("restart") else {
        return;
    };
    if retry.max_retries > 0 {
        complaints.error(
            Problem::at(
                node.key,
                "`restart` and `max_retries` do the same thing twice",
            )
            .help(
                "with `restart` the job is started again without end, after the delays of \
                 `retry`; remove `max_retries`",
            ),
        );
    }
    if retry.initial_delay < SHORTEST_RESTART {
        complaints.error(
            Problem::at(
                node.key,
                "`restart` needs an `initial_delay` of at least \"100ms\"",
            )
            .help("a job that ends at once would be started without a pause"),
        );
    }
}

struct Policies {
    max_concurrent: u32,
    concurrency_policy: ConcurrencyPolicy,
    queue_limit: u32,
    starting_deadline: Option<Duration>,
    catch_up: CatchUp,
}

fn policies(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Policies {
    let policies = [
        ("forbid", ConcurrencyPolicy::Forbid),
        ("queue", ConcurrencyPolicy::Queue),
        ("replace", ConcurrencyPolicy::Replace),
        ("allow", ConcurrencyPolicy::Allow),
    ];
    let modes = [
        ("none", CatchUpMode::None),
        ("latest", CatchUpMode::Latest),
        ("all", CatchUpMode::All),
    ];
    let max_concurrent = fields.whole("max_concurrent", &(1..=100_000), complaints);
    let policy = fields.choice("concurrency_policy", &policies, complaints);
    let queue_limit = fields.whole("queue_limit", &(1..=10_000), complaints);
    let mode = fields.choice("catch_up", &modes, complaints);
    let limit = fields.whole("catch_up_limit", &(1..=100_000), complaints);
    let window = fields.positive("catch_up_window", complaints);
    Policies {
        max_concurrent: max_concurrent.unwrap_or(1),
        concurrency_policy: policy.unwrap_or(ConcurrencyPolicy::Forbid),
        queue_limit: queue_limit.unwrap_or(10),
        starting_deadline: fields.limit("starting_deadline", None, complaints),
        catch_up: CatchUp {
            mode: mode.unwrap_or(CatchUpMode::Latest),
            limit: limit.unwrap_or(100),
            window: window.unwrap_or(Duration::from_hours(1)),
        },
    }
}

fn pool(fields: &mut Fields<'_>, ground: &Ground<'_>, complaints: &mut Complaints) -> String {
    let Some(name) = fields.text("pool", complaints) else {
        return DEFAULT_POOL.to_owned();
    };
    if !ground.pools.contains_key(name)
        && let Some(node) = fields.node("pool")
    {
        let problem = Problem::at(
            node.place,
            format!("there is no pool {}", words::quoted(name)),
        );
        let near = words::nearest(name, ground.pools.keys().map(String::as_str));
        complaints.error(match near {
            Some(near) => problem.help(format!("did you mean {near:?}?")),
            None => problem.help("define it: `[pools.NAME]` with its `slots`"),
        });
    }
    name.to_owned()
}

fn tags(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (node, tag) in fields.texts("tags", complaints).unwrap_or_default() {
        if tag.is_empty() || tag.chars().count() > 64 || tags.len() >= MAX_TAGS {
            let sentence =
                format!("a tag has 1 to 64 characters, and a job at most {MAX_TAGS} tags");
            complaints.error(Problem::at(node.place, sentence));
        } else if !tags.iter().any(|other| other == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn bounded(key: &'static str, text: &str, fields: &mut Fields<'_>, complaints: &mut Complaints) {
    if text.chars().count() > MAX_WORDS
        && let Some(node) = fields.node(key)
    {
        let sentence = format!("`{key}` has at most {MAX_WORDS} characters");
        complaints.error(Problem::at(node.place, sentence));
    }
}
