//! `punctual audit`

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::client::{Client, ClientError, Connect, Query};
use super::words::counted;
use super::{Exit, instant, view};
use crate::api::wire::{Audit, AuditProblem};
use crate::job::JobName;

/// How long an audit may take; the daemon gives up a little earlier, and says so.
const PATIENCE: Duration = Duration::from_secs(630);

/// Compares the ledger with the schedules as they stood over time.
///
/// Every instant that a schedule named must have exactly one row, or be counted in exactly one
/// span. Exit code 1 if one has none or two.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This job alone
    #[arg(long, value_name = "JOB")]
    job: Option<JobName>,

    /// Instants later than this alone: a time, or how long ago (`7d`)
    #[arg(long, value_name = "TIME", value_parser = instant::ago)]
    since: Option<Timestamp>,

    #[command(flatten)]
    connect: Connect,

    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    match ask(args) {
        Ok(audit) => {
            let mut stdout = std::io::stdout().lock();
            let shown = show(args, &audit, &mut stdout).and_then(|()| stdout.flush());
            match view::written(&shown) {
                Exit::Done if !audit.clean => Exit::Failed,
                exit => exit,
            }
        }
        Err(error) => error.report(),
    }
}

fn ask(args: &Args) -> Result<Audit, ClientError> {
    let mut query = Query::default();
    query.add_some("job", args.job.as_ref());
    query.add_some("since", args.since);
    let client = Client::new(&args.connect)?;
    client.get(&format!("/audit{query}"), PATIENCE)?.read()
}

fn show(args: &Args, audit: &Audit, out: &mut dyn Write) -> std::io::Result<()> {
    if args.json {
        serde_json::to_writer_pretty(&mut *out, audit)?;
        return writeln!(out);
    }
    table(&audit.problems, out)?;
    let covered = covered(audit);
    if audit.clean {
        return writeln!(out, "account whole: {covered}");
    }
    let unlisted = audit.total_problems - audit.problems.len() as u64;
    if unlisted > 0 {
        writeln!(out, "… and {unlisted} more")?;
    }
    let problems = counted(audit.total_problems, "problem");
    writeln!(out, "\naccount NOT whole: {problems} in {covered}")
}

/// What was looked at.
fn covered(audit: &Audit) -> String {
    let what = format!(
        "{} of {}",
        counted(audit.instants_checked, "instant"),
        counted(audit.jobs_checked, "job")
    );
    match (audit.from, audit.through) {
        (Some(from), Some(through)) => {
            format!("{what}, from {:.6} through {:.6}", from.0, through.0)
        }
        _ => what,
    }
}

fn table(problems: &[AuditProblem], out: &mut dyn Write) -> std::io::Result<()> {
    let Some(width) = problems.iter().map(|it| it.job.as_str().len()).max() else {
        return Ok(());
    };
    let width = width.max("JOB".len());
    writeln!(out, "{:width$}  {:27}  PROBLEM", "JOB", "INSTANT")?;
    for AuditProblem {
        job,
        instant,
        detail,
        ..
    } in problems
    {
        writeln!(out, "{job:width$}  {:.6}  {detail}", instant.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn shown(problems: &str, total: u64) -> String {
        let audit = serde_json::from_str(&format!(
            r#"{{"clean": {}, "from": "2026-12-01T00:00:00.000000Z",
                "through": "2026-12-01T01:00:00.000000Z", "instants_checked": 3600,
                "jobs_checked": 1, "total_problems": {total}, "problems": [{problems}],
                "accounts": []}}"#,
            total == 0
        ));
        let args = Cli::parse_from(["audit"]).args;
        let mut out = Vec::new();
        show(&args, &audit.unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_account_is_one_line() {
        assert_eq!(
            shown("", 0),
            "account whole: 3600 instants of 1 job, from 2026-12-01T00:00:00.000000Z through \
             2026-12-01T01:00:00.000000Z\n"
        );
    }

    #[test]
    fn problems_are_a_table() {
        let problem = r#"{"job": "tick", "instant": "2026-12-01T00:00:01.000000Z",
                          "problem": "missing", "detail": "no row has this instant"}"#;
        let text = shown(problem, 3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "JOB   INSTANT                      PROBLEM");
        assert_eq!(
            lines[1],
            "tick  2026-12-01T00:00:01.000000Z  no row has this instant"
        );
        assert_eq!(lines[2], "… and 2 more");
        assert!(lines[4].starts_with("account NOT whole: 3 problems in 3600 instants of 1 job"));
    }
}
