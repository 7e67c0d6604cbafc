//! What a monitoring system reads: `/metrics`, as much of it as the caller may see.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::registry::Registry;
use serde_json::json;

use super::access::Caller;
use super::asked::{Asked, Nothing};
use super::error::{Kind, Problem};
use super::{Context, described};
use crate::dispatch::{JobView, Snapshot, State as JobState};
use crate::job::{JobName, Status, Trigger, When};
use crate::telemetry::families::{self as f, Family};
use crate::telemetry::{Delays, Durations, ProcessFigures, Tally};

/// What runs may become that somebody is to be woken for, or that others are held against: these
/// series are there from the start, since a counter that appears with a 1 has not grown.
const EXPECTED: [Status; 4] = [
    Status::Succeeded,
    Status::Failed,
    Status::TimedOut,
    Status::Missed,
];

/// GET `/metrics`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Figures, Problem> {
    let format = Format::wanted(&headers);
    // Thousands of jobs take their time: not where others wait for their answers.
    let written = tokio::task::spawn_blocking(move || format.write(Scrape::new(&context, &caller)));
    let text = written.await.map_err(|why| unwritten(&why))?;
    let text = text.map_err(|why| unwritten(&why))?;
    Ok(Figures { format, text })
}

/// The text, in the form that was asked for.
pub(super) struct Figures {
    format: Format,
    text: String,
}

impl IntoResponse for Figures {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(self.format.content_type());
        ([(header::CONTENT_TYPE, kind)], self.text).into_response()
    }
}

impl OperationOutput for Figures {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let text = json!({ "type": "string" });
        let about = "The figures, in the form that `Accept` prefers.";
        let mut answer = described::answer(about, "text/plain", &text);
        let open = described::answer(about, "application/openmetrics-text", &text);
        answer.content.extend(open.content);
        vec![(Some(200), answer)]
    }
}

fn unwritten(why: &dyn fmt::Display) -> Problem {
    Problem::new(
        Kind::Internal,
        format!("the metrics could not be written: {why}"),
    )
}

/// The two forms of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The older format of Prometheus, 0.0.4.
    Classic,
}

impl Format {
    /// `OpenMetrics` where it is asked for at least as much as the other.
    fn wanted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let ranges = values.filter_map(|value| value.to_str().ok());
        let (mut open, mut classic) = (0.0, 0.0);
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut known) = (1.0_f32, true);
            for part in parts {
                match part
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim()))
                {
                    Some(("q", value)) => weight = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => {
                        known = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1" | "0.0.4");
                    }
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if known => open = weight.max(open),
                "text/plain" | "text/*" | "*/*" => classic = weight.max(classic),
                _ => {}
            }
        }
        if open > 0.0 && open >= classic {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => prometheus_text::CONTENT_TYPE,
        }
    }

    fn write(self, scrape: Scrape) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(scrape));
        let mut written = String::new();
        match self {
            Self::OpenMetrics => text::encode(&mut written, &registry)?,
            Self::Classic => prometheus_text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }
}

/// All that one answer says.
#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    /// Which of its jobs the caller sees.
    visible: Vec<usize>,
    /// Whether it sees all of them, and so the pools that none of them is in.
    all: bool,
    tallies: HashMap<JobName, Tally>,
    reload_successful: bool,
    events_lost: u64,
    started_at: Timestamp,
    process: ProcessFigures,
}

impl Scrape {
    fn new(context: &Context, caller: &Caller) -> Self {
        let handle = &context.handle;
        let snapshot = handle.snapshot();
        let jobs = snapshot.jobs.iter().enumerate();
        let visible: Vec<usize> = jobs
            .filter(|(_, view)| caller.sees(&view.plan.name))
            .map(|(at, _)| at)
            .collect();
        let names = visible.iter().map(|&at| &snapshot.jobs[at].plan.name);
        Self {
            tallies: handle.metrics().of(names),
            visible,
            all: caller.sees_all(),
            reload_successful: handle.reloader().last().is_none_or(|last| last.ok),
            events_lost: handle.metrics().lost(),
            started_at: handle.started_at(),
            process: ProcessFigures::now(),
            snapshot,
        }
    }

    fn views(&self) -> impl Iterator<Item = &JobView> {
        self.visible.iter().map(|&at| &self.snapshot.jobs[at])
    }

    fn tally(&self, view: &JobView) -> Option<&Tally> {
        self.tallies.get(&view.plan.name)
    }

    fn runs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut runs = begin(encoder, &f::RUNS)?;
        for view in self.views() {
            let mut counts = BTreeMap::new();
            for status in EXPECTED {
                counts.insert((status.as_str(), usual(view).as_str()), 0);
            }
            for ((status, trigger), count) in self.tally(view).map_or(&[][..], Tally::ended) {
                counts.insert((status.as_str(), trigger.as_str()), *count);
            }
            for ((status, trigger), count) in counts {
                let labels = [
                    ("job", view.plan.name.as_str()),
                    ("status", status),
                    ("trigger", trigger),
                ];
                counter(&mut runs.encode_family(&labels)?, &count)?;
            }
        }
        Ok(())
    }

    fn histograms(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (mut durations, mut delays) = (Durations::default(), Delays::default());
        for tally in self.tallies.values() {
            durations.add(&tally.durations);
            delays.add(&tally.delays);
        }
        let mut duration = begin(encoder, &f::RUN_DURATION)?;
        let (sum, total, buckets) = (durations.sum_s(), durations.total(), durations.in_seconds());
        duration.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)?;
        let mut delay = begin(encoder, &f::START_DELAY)?;
        let (sum, total, buckets) = (delays.sum_s(), delays.total(), delays.in_seconds());
        delay.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let running: usize = self.views().map(|view| view.running).sum();
        begin(encoder, &f::RUNS_RUNNING)?.encode_gauge(&running)?;
        let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
        if self.all {
            pools.extend(
                self.snapshot
                    .pools
                    .iter()
                    .map(|pool| (pool.name.as_str(), 0)),
            );
        }
        let states = [
            ("active", JobState::Active),
            ("paused", JobState::Paused),
            ("disabled", JobState::Disabled),
            ("finished", JobState::Finished),
        ];
        let mut counts = states.map(|(name, state)| (name, state, 0_usize));
        for view in self.views() {
            let queued = pools.entry(view.plan.pool.as_str()).or_default();
            *queued = queued.saturating_add(view.queued);
            for (_, state, count) in &mut counts {
                *count += usize::from(*state == view.state);
            }
        }
        let mut queued = begin(encoder, &f::RUNS_QUEUED)?;
        for (pool, count) in pools {
            queued
                .encode_family(&[("pool", pool)])?
                .encode_gauge(&count)?;
        }
        let mut jobs = begin(encoder, &f::JOBS)?;
        for (state, _, count) in counts {
            jobs.encode_family(&[("state", state)])?
                .encode_gauge(&count)?;
        }
        Ok(())
    }

    fn of_jobs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let newest = |view: &JobView| self.tally(view).map(Tally::newest);
        let mut next = begin(encoder, &f::JOB_NEXT_RUN)?;
        for view in self.views() {
            gauge_of(&mut next, view, view.next_fire.map(seconds))?;
        }
        let mut success = begin(encoder, &f::JOB_LAST_SUCCESS)?;
        for view in self.views() {
            let at = newest(view).and_then(|ends| ends.success);
            gauge_of(&mut success, view, at.map(seconds))?;
        }
        let mut last = begin(encoder, &f::JOB_LAST_RUN_SUCCESSFUL)?;
        for view in self.views() {
            let ok = newest(view).and_then(|ends| ends.end);
            gauge_of(&mut last, view, ok.map(|(_, ok)| f64::from(u8::from(ok))))?;
        }
        Ok(())
    }

    fn of_daemon(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let reload = u32::from(self.reload_successful);
        begin(encoder, &f::RELOAD_SUCCESSFUL)?.encode_gauge(&reload)?;
        counter(&mut begin(encoder, &f::EVENTS_LOST)?, &self.events_lost)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        begin(encoder, &f::BUILD)?.encode_info(&version)?;
        let process = &self.process;
        counter(&mut begin(encoder, &f::PROCESS_CPU)?, &process.cpu_s)?;
        let figures = [
            (&f::PROCESS_RESIDENT, process.resident_bytes),
            (
                &f::PROCESS_OPEN_FDS,
                process.open_fds.map(|open| open as u64),
            ),
            (&f::PROCESS_MAX_FDS, process.max_fds),
        ];
        for (family, figure) in figures {
            let mut gauge = begin(encoder, family)?;
            if let Some(figure) = figure {
                gauge.encode_gauge(&figure)?;
            }
        }
        begin(encoder, &f::PROCESS_START)?.encode_gauge(&seconds(self.started_at))
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.runs(&mut encoder)?;
        self.histograms(&mut encoder)?;
        self.gauges(&mut encoder)?;
        self.of_jobs(&mut encoder)?;
        self.of_daemon(&mut encoder)
    }
}

/// What makes most runs of a job.
fn usual(view: &JobView) -> Trigger {
    match &view.plan.when {
        When::Schedule(_) => Trigger::Schedule,
        When::Startup { .. } => Trigger::Startup,
        When::After(_) => Trigger::After,
    }
}

fn begin<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    family: &'static Family,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)
}

fn counter(encoder: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    encoder.encode_counter::<NoLabelSet, _, f64>(value, None)
}

/// The value of one job, if it has one.
fn gauge_of(gauge: &mut MetricEncoder<'_>, view: &JobView, value: Option<f64>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let labels = [("job", view.plan.name.as_str())];
    gauge.encode_family(&labels)?.encode_gauge(&value)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "microseconds of the next 200 years fit"
)]
fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment};
    use crate::dispatch::{Dispatcher, Memory};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn scrape(jobs: &str) -> Scrape {
        let text = format!("[pools.spare]\nslots = 1\n{jobs}");
        let config = config::parse(Path::new("/x"), &text, &Environment::of_process()).unwrap();
        let now = Timestamp::from_second(1_795_383_425).unwrap();
        let node = config.node.name.clone();
        let memory = Memory::default();
        let (mut dispatcher, _) = Dispatcher::recover(node, config.jobs, config.pools, memory, now);
        let snapshot = Arc::new(dispatcher.snapshot(now));
        Scrape {
            visible: (0..snapshot.jobs.len()).collect(),
            all: true,
            tallies: HashMap::new(),
            reload_successful: true,
            events_lost: 3,
            started_at: now,
            process: ProcessFigures::now(),
            snapshot,
        }
    }

    const JOBS: &str = "[jobs.a]\nevery = '10s'\nshell = ':'\n\
                        [jobs.b]\non = 'startup'\nshell = ':'\nenabled = false\n";

    #[test]
    fn what_is_written_is_what_the_table_says() {
        for format in [Format::OpenMetrics, Format::Classic] {
            let text = format.write(scrape(JOBS)).unwrap();
            let names: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
                .collect();
            let expected: Vec<String> = f::FAMILIES
                .iter()
                .map(|family| {
                    let name = family.full_name();
                    let plain = name.strip_suffix("_total").or(name.strip_suffix("_info"));
                    let open = format == Format::OpenMetrics;
                    plain.filter(|_| open).unwrap_or(&name).to_owned()
                })
                .collect();
            assert_eq!(names, expected);
            assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
            let samples: BTreeSet<&str> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.split(' ').next())
                .collect();
            for series in [
                r#"punctual_runs_total{job="a",status="timed_out",trigger="schedule"}"#,
                r#"punctual_runs_total{job="b",status="failed",trigger="startup"}"#,
                r#"punctual_runs_queued{pool="spare"}"#,
                r#"punctual_jobs{state="disabled"}"#,
                r#"punctual_job_next_run_timestamp_seconds{job="a"}"#,
                "punctual_metrics_events_lost_total",
                r#"punctual_start_delay_seconds_bucket{le="+Inf"}"#,
            ] {
                assert!(samples.contains(series), "{series}: {text}");
            }
            assert!(text.contains("punctual_job_next_run_timestamp_seconds{job=\"a\"} 1795383430"));
        }
    }

    #[test]
    fn who_is_limited_sees_nothing_of_others() {
        let mut limited = scrape(JOBS);
        limited
            .visible
            .retain(|&at| limited.snapshot.jobs[at].plan.name.as_str() == "b");
        limited.all = false;
        let text = Format::Classic.write(limited).unwrap();
        assert!(!text.contains("\"a\"") && !text.contains("spare"), "{text}");
        assert!(
            text.contains("punctual_jobs{state=\"active\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("punctual_jobs{state=\"disabled\"} 1\n"),
            "{text}"
        );
    }

    #[test]
    fn the_form_is_the_one_that_is_asked_for() {
        let wanted = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Format::wanted(&headers)
        };
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Classic);
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8",
            // As Prometheus 2 asks, and as 3 does.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        ] {
            assert_eq!(wanted(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4",
            "text/plain;version=0.0.4,application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=9.0.0",
        ] {
            assert_eq!(wanted(accept), Format::Classic, "{accept}");
        }
    }
}
