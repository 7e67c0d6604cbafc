//! `punctual check`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Exit, view};
use crate::clock;
use crate::config::outlook::{self, Warning};
use crate::config::{self, Config, Environment, LocatedProblem, Report, Style};
use crate::job::{JobName, Plan};
use crate::schedule::Schedule;

/// Validates a config, and shows each job's next fires.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "FILE", help = super::CONFIG)]
    config: Option<PathBuf>,

    /// How many fires of each job to show
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    next: u16,

    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What `check --json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    valid: bool,
    config: Option<PathBuf>,
    errors: Vec<LocatedProblem>,
    warnings: Vec<Warned>,
    jobs: Vec<Job>,
}

/// A warning about a place in the files, or about what lies ahead of a job.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Warned {
    Place(LocatedProblem),
    Ahead(Warning),
}

/// A job with its next fires.
#[derive(Debug, Serialize)]
struct Job {
    name: JobName,
    enabled: bool,
    schedule: String,
    text: String,
    timezone: Option<String>,
    next_fires: Vec<String>,
    /// How many instants before the last of these its calendars exclude.
    excluded: u64,
}

pub fn run(args: &Args) -> Exit {
    let environment = Environment::of_process();
    let found = config::locate(args.config.as_deref(), &environment);
    let path = found.as_ref().ok().cloned();
    let loaded = found.and_then(|path| config::load(&path, &environment));
    match loaded {
        Ok(config) => view::written(&accepted(args, path, &config)),
        Err(report) => match view::written(&refused(args, path, &report)) {
            Exit::Done => Exit::Usage,
            unwritten => unwritten,
        },
    }
}

fn refused(args: &Args, path: Option<PathBuf>, report: &Report) -> std::io::Result<()> {
    if args.json {
        let answer = Answer {
            valid: false,
            config: path,
            errors: report.problems(),
            warnings: Vec::new(),
            jobs: Vec::new(),
        };
        return print_json(&answer);
    }
    // Without standard error there is nobody to tell; the exit code says it.
    let _ = tell(report);
    Ok(())
}

/// Says on standard error all that is wrong with a configuration.
pub(super) fn tell(report: &Report) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{}", report.render(style()))?;
    match report.len() {
        1 => writeln!(
            stderr,
            "The configuration has an error; nothing of it is used."
        ),
        n => writeln!(
            stderr,
            "The configuration has {n} errors; nothing of it is used."
        ),
    }
}

fn accepted(args: &Args, path: Option<PathBuf>, config: &Config) -> std::io::Result<()> {
    let now = clock::now();
    let jobs = config
        .jobs
        .values()
        .map(|plan| job(plan, now, args.next))
        .collect::<Vec<_>>();
    let ahead = outlook::ahead(config, now);
    if args.json {
        let places = config.warnings.problems().into_iter().map(Warned::Place);
        let warnings = places.chain(ahead.into_iter().map(Warned::Ahead)).collect();
        let errors = Vec::new();
        return print_json(&Answer {
            valid: true,
            config: path,
            errors,
            warnings,
            jobs,
        });
    }
    print_table(&jobs, args.next)?;
    // Whoever closed standard error does not want to know.
    let _ = warn(config, &ahead);
    Ok(())
}

fn warn(config: &Config, ahead: &[Warning]) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{}", config.warnings.render(style()))?;
    for warning in ahead {
        match &warning.job {
            Some(job) => writeln!(stderr, "warning: job `{job}`: {}", warning.message)?,
            None => writeln!(stderr, "warning: {}", warning.message)?,
        }
    }
    Ok(())
}

fn print_json(answer: &Answer) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, answer)?;
    writeln!(stdout)?;
    stdout.flush()
}

/// Colours only for a person at a terminal who has not said no (no-color.org).
fn style() -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stderr().is_terminal() && !unwanted {
        Style::Coloured
    } else {
        Style::Plain
    }
}

fn job(plan: &Plan, now: Timestamp, fires_wanted: u16) -> Job {
    let utc = TimeZone::UTC;
    let zone = plan.schedule().map_or(&utc, Schedule::zone);
    let fires = std::iter::successors(Some(now), |&t| plan.next_firing_after(t)).skip(1);
    // A disabled job names no instants.
    let wanted = if plan.enabled {
        usize::from(fires_wanted)
    } else {
        0
    };
    let fires: Vec<_> = fires.take(wanted).collect();
    let named = plan
        .schedule()
        .zip(fires.last())
        .map_or(0, |(schedule, &last)| schedule.count(now, last));
    let shown = fires.iter().map(|t| {
        t.to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%.f%:z")
            .to_string()
    });
    Job {
        name: plan.name.clone(),
        enabled: plan.enabled,
        schedule: plan.when.expression(),
        text: plan.when.text(),
        timezone: plan.when.timezone().map(str::to_owned),
        next_fires: shown.collect(),
        excluded: named.saturating_sub(fires.len() as u64),
    }
}

/// Columns as wide as their widest cell: job, schedule, zone, fires below each other.
fn print_table(jobs: &[Job], fires: u16) -> std::io::Result<()> {
    let width = |cell: fn(&Job) -> &str, title: &str| {
        jobs.iter()
            .map(|job| cell(job).chars().count())
            .max()
            .unwrap_or(0)
            .max(title.len())
    };
    let (names, schedules, zones) = (
        width(|job| job.name.as_str(), "JOB"),
        width(|job| &job.text, "SCHEDULE").min(60),
        width(|job| job.timezone.as_deref().unwrap_or(""), "ZONE"),
    );
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = |name: &str, schedule: &str, zone: &str, fire: &str| {
        let row = format!("{name:<names$}  {schedule:<schedules$}  {zone:<zones$}  {fire}");
        writeln!(out, "{}", row.trim_end())
    };
    if !jobs.is_empty() {
        line(
            "JOB",
            "SCHEDULE",
            "ZONE",
            if fires == 0 { "" } else { "NEXT" },
        )?;
    }
    for job in jobs {
        let idle = match (job.enabled, &job.timezone) {
            (false, _) => "disabled",
            (true, Some(_)) => "never",
            // No clock makes it run.
            (true, None) => "",
        };
        let first = match job.next_fires.first() {
            Some(fire) => fire,
            None if fires == 0 && job.enabled => "",
            None => idle,
        };
        let zone = job.timezone.as_deref().unwrap_or("");
        line(job.name.as_str(), &job.text, zone, first)?;
        for fire in job.next_fires.iter().skip(1) {
            line("", "", "", fire)?;
        }
        if job.excluded > 0 {
            line(
                "",
                "",
                "",
                &format!("({} before the last excluded)", job.excluded),
            )?;
        }
    }
    match jobs.len() {
        0 => writeln!(out, "The configuration is valid; it has no jobs."),
        1 => writeln!(out, "\nThe configuration is valid; it has 1 job."),
        n => writeln!(out, "\nThe configuration is valid; it has {n} jobs."),
    }?;
    out.flush()
}
