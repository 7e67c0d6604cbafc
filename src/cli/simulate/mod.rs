//! `punctual simulate`

mod forecast;
mod heat;
mod slots;

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::next::local_zone;
use super::progress::Progress;
use super::table::{Cell, Column, table};
use super::view::{View, print};
use super::words::{clock_time, counted, took};
use super::{Exit, check, instant};
use crate::clock;
use crate::config::{self, Config, Environment, Report};
use crate::job::{JobName, Plan};
use crate::schedule::{Schedule, time_zone};
use forecast::{Forecast, Stretch, Tally};
use heat::Marks;
use slots::{Length, Slot};

/// The longest stretch: a year, with the day of a leap year.
const LONGEST_DAYS: i64 = 366;

/// How many jobs a sentence names.
const NAMED: usize = 10;

/// Shows what would fire from one time to another, without a daemon.
///
/// It is a forecast of the schedules: fires in the order of their instants, those of the first
/// instant included, those of the last one not. Whether a fire is skipped because its job still
/// runs, waits for a slot or is paused, is not foreseen.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "FILE", help = crate::cli::CONFIG)]
    config: Option<PathBuf>,

    /// From when on: a time (RFC 3339, or on the clock of the zone: 2026-12-01,
    /// 2026-12-01T09:00), now, or how far from now (+1d, -2h)
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        default_value = "now"
    )]
    from: String,

    /// Until when: a time, or how far from `--from`
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        default_value = "+1d"
    )]
    to: String,

    /// Of this job alone; several may be given
    #[arg(long = "job", value_name = "JOB")]
    jobs: Vec<JobName>,

    /// On the clock of this zone: an IANA name, UTC or local [default: that of `[scheduler]`]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,

    /// How many fires to list at most; all are counted
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    limit: u32,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Why there is no forecast.
enum Refused {
    /// The configuration is not valid.
    Config(Report),
    /// Something on the command line is wrong: a sentence.
    Usage(String),
}

pub fn run(args: &Args) -> Exit {
    match answer(args) {
        Ok(text) => print(&text),
        Err(refused) => {
            // Without standard error there is nobody to tell; the exit code says it.
            let _ = match refused {
                Refused::Config(report) => check::tell(&report),
                Refused::Usage(sentence) => std::io::Write::write_fmt(
                    &mut std::io::stderr(),
                    format_args!("error: {sentence}\n"),
                ),
            };
            Exit::Usage
        }
    }
}

fn answer(args: &Args) -> Result<String, Refused> {
    let environment = Environment::of_process();
    let config = config::locate(args.config.as_deref(), &environment)
        .and_then(|path| config::load(&path, &environment))
        .map_err(Refused::Config)?;
    let view = View {
        zone: zone(args, &config).map_err(Refused::Usage)?,
        ..View::of_stdout()
    };
    let stretch = stretch(args, &view.zone).map_err(Refused::Usage)?;
    let found = Found::new(&config, &args.jobs, stretch, &view.zone).map_err(Refused::Usage)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    if args.json {
        let text = serde_json::to_string(&found.json(limit, &view.zone));
        return text
            .map(|text| text + "\n")
            .map_err(|error| Refused::Usage(error.to_string()));
    }
    Ok(found.text(limit, Marks::of_stdout(&view), &view))
}

fn zone(args: &Args, config: &Config) -> Result<TimeZone, String> {
    let name = match args.tz.as_deref() {
        Some("local") => local_zone()?,
        Some(name) => name.to_owned(),
        None => config.scheduler.timezone.clone(),
    };
    time_zone(&name).map_err(|error| format!("--tz: {error}"))
}

fn stretch(args: &Args, zone: &TimeZone) -> Result<Stretch, String> {
    let now = clock::now();
    let read = |option: &str, text: &str, origin| {
        instant::around(text, origin, now, zone).map_err(|error| format!("{option}: {error}"))
    };
    let from = read("--from", &args.from, now)?;
    let to = read("--to", &args.to, from)?;
    let shown = |t| clock_time(t, zone);
    if to <= from {
        return Err(format!(
            "--to ({}) is not later than --from ({}): nothing lies between them",
            shown(to),
            shown(from)
        ));
    }
    let longest = jiff::SignedDuration::from_hours(LONGEST_DAYS * 24);
    if to.duration_since(from) > longest {
        return Err(format!(
            "from {} to {} is more than {LONGEST_DAYS} days: look at one year at a time",
            shown(from),
            shown(to)
        ));
    }
    Ok(Stretch { from, to })
}

/// What was found out about the stretch.
#[derive(Debug)]
struct Found<'c> {
    forecast: Forecast<'c>,
    slots: Vec<Slot>,
    tally: Tally,
    /// Jobs that something else starts.
    without_clock: Vec<&'c Plan>,
    disabled: Vec<&'c JobName>,
}

impl<'c> Found<'c> {
    /// Looks at all jobs, or at those that are named.
    fn new(
        config: &'c Config,
        named: &[JobName],
        stretch: Stretch,
        zone: &TimeZone,
    ) -> Result<Self, String> {
        if let Some(unknown) = named.iter().find(|name| !config.jobs.contains_key(*name)) {
            return Err(format!(
                "--job: the configuration has no job {unknown}; `punctual check` lists its jobs"
            ));
        }
        let plans = config.jobs.values().map(AsRef::as_ref);
        let wanted = plans.filter(|plan: &&Plan| named.is_empty() || named.contains(&plan.name));
        let (mut jobs, mut without_clock, mut disabled) = (Vec::new(), Vec::new(), Vec::new());
        for plan in wanted {
            match plan.schedule() {
                _ if !plan.enabled => disabled.push(&plan.name),
                Some(schedule) => jobs.push((&plan.name, schedule)),
                None => without_clock.push(plan),
            }
        }
        let forecast = Forecast { jobs, stretch };
        let slots = slots::of(stretch, zone);
        let edges: Vec<_> = slots.iter().map(|slot| slot.start).collect();
        let mut progress = Progress::new("counting fires of jobs", forecast.jobs.len());
        let tally = forecast.tally(&edges, |jobs| progress.add(jobs));
        Ok(Self {
            forecast,
            slots,
            tally,
            without_clock,
            disabled,
        })
    }

    fn text(&self, limit: usize, marks: Marks, view: &View) -> String {
        let mut text = self.table(limit, view);
        let listed = self.tally.fires.min(limit as u64);
        if listed < self.tally.fires {
            let more = counted(self.tally.fires - listed, "more fire");
            let _ = writeln!(text, "and {more}; `--limit` lists more of them");
        }
        if self.tally.fires > 0 {
            let length = Length::of(self.forecast.stretch);
            let timezone = view.zone.iana_name().unwrap_or("UTC");
            let heat = heat::draw(
                &self.slots,
                &self.tally.slots,
                length,
                timezone,
                marks,
                view,
            );
            let _ = write!(text, "\n{heat}");
        }
        let _ = writeln!(text, "\n{}", self.summary(&view.zone));
        if self.tally.excluded > 0 {
            let excluded = counted(self.tally.excluded, "more instant");
            let _ = writeln!(text, "{excluded} on days that calendars exclude.");
        }
        for change in self.changes(&view.zone) {
            let _ = writeln!(text, "{change}");
        }
        let without_clock = self.without_clock.iter();
        let without_clock =
            without_clock.map(|plan| format!("{} ({})", plan.name, plan.when.text()));
        let disabled = self.disabled.iter().map(ToString::to_string);
        for (what, jobs) in [
            ("No clock starts", some(without_clock)),
            ("Disabled:", some(disabled)),
        ] {
            if let Some(jobs) = jobs {
                let _ = writeln!(text, "{what} {jobs}.");
            }
        }
        text.trim_start_matches('\n').to_owned()
    }

    /// The fires one a line; with the delay where one of them has one.
    fn table(&self, limit: usize, view: &View) -> String {
        let fires = self.forecast.fires().take(limit);
        let delayed = |instant, schedule: &Schedule| {
            let delay = schedule.due_at(instant).duration_since(instant);
            (!delay.is_zero()).then(|| format!("+{}", took(delay.as_secs_f64())))
        };
        let rows = fires.map(|(instant, job, schedule)| {
            let delay = delayed(instant, schedule).unwrap_or_default();
            [
                Cell::new(clock_time(instant, &view.zone)),
                Cell::new(job.as_str()),
                Cell::new(delay),
            ]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return String::new();
        }
        let columns = [
            Column::Whole("TIME"),
            Column::Cut("JOB"),
            Column::Whole("JITTER"),
        ];
        if rows.iter().any(|[.., delay]| !delay.is_empty()) {
            return table(columns, &rows, view);
        }
        let rows: Vec<_> = rows.into_iter().map(|[time, job, _]| [time, job]).collect();
        let [time, job, _] = columns;
        table([time, job], &rows, view)
    }

    fn summary(&self, zone: &TimeZone) -> String {
        let Stretch { from, to } = self.forecast.stretch;
        let (from, to) = (clock_time(from, zone), clock_time(to, zone));
        match self.tally.fires {
            0 => format!("Nothing fires\nfrom {from} to {to}."),
            fires => format!(
                "{} of {}\nfrom {from} to {to}.",
                counted(fires, "fire"),
                counted(self.tally.jobs, "job")
            ),
        }
    }

    /// The changes of the clock within the stretch, in sentences.
    fn changes(&self, zone: &TimeZone) -> Vec<String> {
        let Stretch { from, to } = self.forecast.stretch;
        slots::changes(zone, from)
            .take_while(|&(at, _)| at < to)
            .map(|(at, old)| {
                let before = old.to_datetime(at).strftime("%H:%M").to_string();
                let after = at.to_zoned(zone.clone());
                format!(
                    "The clocks of {} go from {before} to {} on {}.",
                    zone.iana_name().unwrap_or("UTC"),
                    after.strftime("%H:%M"),
                    after.strftime("%a %Y-%m-%d")
                )
            })
            .collect()
    }

    fn json(&self, limit: usize, zone: &TimeZone) -> Json<'_> {
        let time = |t: Timestamp| t.display_with_offset(zone.to_offset(t)).to_string();
        let fires = self.forecast.fires().take(limit);
        let slots = self.slots.iter().zip(&self.tally.slots);
        let slots = slots.map(|(slot, &fires)| JsonSlot {
            start: time(slot.start),
            fires,
        });
        let slots: Vec<_> = slots.collect();
        let (hours, days) = match Length::of(self.forecast.stretch) {
            Length::Hour => (Some(slots), None),
            Length::Day => (None, Some(slots)),
        };
        Json {
            from: time(self.forecast.stretch.from),
            to: time(self.forecast.stretch.to),
            timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
            fires: fires
                .map(|(instant, job, schedule)| JsonFire {
                    job,
                    scheduled_at: time(instant),
                    due_at: time(schedule.due_at(instant)),
                })
                .collect(),
            total: self.tally.fires,
            truncated: self.tally.fires > limit as u64,
            excluded: self.tally.excluded,
            hours,
            days,
            without_clock: self.without_clock.iter().map(|plan| &plan.name).collect(),
            disabled: self.disabled.clone(),
        }
    }
}

/// The first few of a list, and how many more there are; none: there are none.
fn some(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<_> = items.collect();
    let shown = items.iter().take(NAMED).map(String::as_str);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if items.len() > NAMED {
        let _ = write!(text, " and {} more", items.len() - NAMED);
    }
    (!items.is_empty()).then_some(text)
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Json<'c> {
    from: String,
    to: String,
    timezone: String,
    fires: Vec<JsonFire<'c>>,
    /// How many there are, listed or not.
    total: u64,
    /// Whether some are not listed.
    truncated: bool,
    /// How many instants do not fire, since a calendar excludes their day.
    excluded: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<Vec<JsonSlot>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<JsonSlot>>,
    without_clock: Vec<&'c JobName>,
    disabled: Vec<&'c JobName>,
}

#[derive(Debug, Serialize)]
struct JsonFire<'c> {
    job: &'c JobName,
    scheduled_at: String,
    due_at: String,
}

#[derive(Debug, Serialize)]
struct JsonSlot {
    start: String,
    fires: u64,
}
