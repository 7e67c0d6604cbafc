//! `punctual diff`

use std::fmt::Write as _;

use super::Exit;
use super::asking::Asking;
use super::clean::printable;
use super::client::{ClientError, PROMPT};
use super::table::Paint;
use super::view::{View, show};
use crate::config::{Changes, JobChange};

/// Shows what a reload would change, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let reply = args.asking.client()?.get("/config/diff", PROMPT)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let changes: Changes = reply.read()?;
    if changes.is_empty() {
        return Ok("A reload would change nothing.\n".to_owned());
    }
    Ok(text(&changes, &View::of_stdout()))
}

/// The changes, one a line.
pub(super) fn text(changes: &Changes, view: &View) -> String {
    let mut text = String::new();
    for job in &changes.added {
        let _ = writeln!(
            text,
            "{}",
            Paint::Good.on(&format!("+ job {job}"), view.colour)
        );
    }
    for job in &changes.removed {
        let _ = writeln!(
            text,
            "{}",
            Paint::Bad.on(&format!("- job {job}"), view.colour)
        );
    }
    for change in &changes.changed {
        let line = printable(&in_words(change));
        let _ = writeln!(text, "{}", Paint::Notable.on(&line, view.colour));
    }
    for (what, names) in [
        ("pools", &changes.pools),
        ("calendars", &changes.calendars),
        ("settings", &changes.settings),
        (
            "settings, at the next start alone",
            &changes.restart_required,
        ),
    ] {
        if !names.is_empty() {
            let line = printable(&format!("~ {what}: {}", names.join(", ")));
            let _ = writeln!(text, "{}", Paint::Notable.on(&line, view.colour));
        }
    }
    text
}

fn in_words(change: &JobChange) -> String {
    let keys = (!change.keys.is_empty()).then(|| change.keys.join(", "));
    let days = (!change.calendars.is_empty())
        .then(|| format!("other days in {}", change.calendars.join(", ")));
    let counts = change
        .schedule
        .then(|| "its schedule counts from now".to_owned());
    let parts: Vec<String> = [keys, days, counts].into_iter().flatten().collect();
    format!("~ job {}: {}", change.job, parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, view};

    #[test]
    fn changes_are_a_line_each() {
        let changes: Changes = serde_json::from_str(
            r#"{"added": ["new"], "removed": ["old", "older"],
                "changed": [{"job": "a", "keys": ["cron", "timeout"], "schedule": true},
                            {"job": "b", "keys": ["shell"], "schedule": false},
                            {"job": "c", "keys": [], "schedule": true},
                            {"job": "d", "keys": [], "calendars": ["holidays"], "schedule": false}],
                "pools": ["cpu"], "calendars": ["holidays"], "settings": ["server.tokens"],
                "restart_required": ["server.listen", "store.url"]}"#,
        )
        .unwrap();
        insta::assert_snapshot!("changes", text(&changes, &view(None)));
        insta::assert_snapshot!("changes_coloured", text(&changes, &coloured(None)));
    }
}
