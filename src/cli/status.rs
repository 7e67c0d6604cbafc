//! `punctual status`

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::Exit;
use super::asking::Asking;
use super::clean::printable;
use super::client::{ClientError, PROMPT, Query};
use super::table::{Cell, Column, Paint, sheet, table};
use super::view::{View, show};
use super::words::{away, clock_time, coarse, counted, took};
use crate::api::wire::{Fire, JobCounts, LastReload, Lateness, Node, Pool, Status, Store};

/// How many fires to come are shown.
const FIRES: usize = 5;

/// Shows how the daemon is: its load, how late fires start, what comes next.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asking: Asking,
}

pub fn run(args: &Args) -> Exit {
    show(ask(args))
}

fn ask(args: &Args) -> Result<String, ClientError> {
    let client = args.asking.client()?;
    let reply = client.get("/status", PROMPT)?;
    if args.asking.json {
        return Ok(reply.text + "\n");
    }
    let fires = client.list("/upcoming", &Query::default(), FIRES)?.read()?;
    Ok(text(&reply.read()?, &fires, &View::of_stdout()))
}

fn text(status: &Status, fires: &[Fire], view: &View) -> String {
    let paint = match status.state.as_str() {
        "ready" => Paint::Good,
        "degraded" => Paint::Bad,
        _ => Paint::Notable,
    };
    let state = paint.on(&printable(&status.state), view.colour);
    let up = SignedDuration::try_from_secs_f64(status.uptime_s).unwrap_or_default();
    let (version, up) = (printable(&status.version), coarse(up));
    let mut text = format!("punctual {version}, {state}, up {up}\n\n");
    let load = format!("{} running, {} queued", status.running, status.queued);
    text.push_str(&sheet(
        &[
            ("jobs", Some(jobs(&status.jobs))),
            ("runs", Some(load)),
            ("late", status.lateness_s.as_ref().map(late)),
            (
                "reload",
                status.last_reload.as_ref().map(|it| reload(it, view)),
            ),
            ("ledger", Some(ledger(&status.store, view))),
        ],
        view,
    ));
    text.push('\n');
    text.push_str(&pools(&status.pools, view));
    if status.nodes.len() > 1 {
        text.push('\n');
        text.push_str(&nodes(&status.nodes, view));
    }
    if !fires.is_empty() {
        text.push('\n');
        text.push_str(&coming(fires, view));
    }
    text
}

fn jobs(counts: &JobCounts) -> String {
    let mut text = format!("{} active", counts.active);
    for (count, what) in [
        (counts.paused, "paused"),
        (counts.disabled, "disabled"),
        (counts.finished, "finished"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

fn late(late: &Lateness) -> String {
    let [p50, p99, max] = [late.p50, late.p99, late.max].map(took);
    let starts = counted(late.starts as u64, "start");
    format!("half within {p50}, 99 % within {p99}, all within {max} (of {starts})")
}

fn reload(reload: &LastReload, view: &View) -> String {
    let when = away(reload.at.0, view.now);
    let by = reload.by.as_deref().map(printable);
    let by = by.map_or_else(String::new, |by| format!(", by {by}"));
    if reload.ok {
        return format!("{when}{by}");
    }
    let errors = counted(reload.errors as u64, "error");
    let refused = Paint::Bad.on(&format!("refused, {errors}"), view.colour);
    format!("{refused}, {when}{by}: `punctual diff` names them")
}

fn ledger(store: &Store, view: &View) -> String {
    if store.writable {
        return "writable".to_owned();
    }
    let since = away(store.since.0, view.now);
    let failing = format!("cannot be written since {since}");
    let failing = Paint::Bad.on(&failing, view.colour);
    let why = store
        .last_error
        .as_ref()
        .map(|why| format!(": {}", printable(why)));
    format!("{failing}{}", why.unwrap_or_default())
}

fn pools(pools: &[Pool], view: &View) -> String {
    let rows: Vec<_> = pools
        .iter()
        .map(|pool| {
            [
                Cell::new(&pool.name),
                Cell::new(format!("{} of {}", pool.used, pool.slots)),
                Cell::new(pool.queued.to_string()),
            ]
        })
        .collect();
    table(["POOL", "USED", "QUEUED"].map(Column::Cut), &rows, view)
}

fn nodes(nodes: &[Node], view: &View) -> String {
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| {
            let hash = node.config_hash.strip_prefix("sha256:");
            [
                Cell::new(&node.name),
                Cell::new(&node.role),
                Cell::new(away(node.last_seen.0, view.now)),
                Cell::new(hash.unwrap_or(&node.config_hash)),
            ]
        })
        .collect();
    table(
        ["NODE", "ROLE", "SEEN", "CONFIG"].map(Column::Cut),
        &rows,
        view,
    )
}

fn coming(fires: &[Fire], view: &View) -> String {
    let rows: Vec<_> = fires
        .iter()
        .map(|fire| {
            [
                Cell::new(fire.job.as_str()),
                Cell::new(away(fire.due_at.0, view.now)),
                Cell::new(clock_time(fire.due_at.0, &view.zone)),
            ]
        })
        .collect();
    table(["NEXT", "WHEN", "TIME"].map(Column::Cut), &rows, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{coloured, view, with};
    use serde_json::{Value, json};

    fn status() -> Value {
        json!({
            "version": "0.1.0",
            "state": "ready",
            "started_at": "2026-11-30T11:00:00.000000Z",
            "uptime_s": 86_400.25,
            "nodes": [{ "name": "db1", "role": "leader", "config_hash": "sha256:0123abcd",
                        "last_seen": "2026-12-01T11:00:00.000000Z" }],
            "lateness_s": { "p50": 0.000_8, "p99": 0.012, "max": 1.5, "starts": 4_711,
                            "since": "2026-11-30T11:00:00.000000Z" },
            "pools": [{ "name": "cpu", "slots": 2, "used": 2, "queued": 7 },
                      { "name": "default", "slots": 512, "used": 3, "queued": 0 }],
            "running": 5,
            "queued": 7,
            "jobs": { "active": 40, "paused": 1, "disabled": 0, "finished": 2 },
            "last_reload": { "at": "2026-12-01T10:00:00.000000Z", "by": "SIGHUP", "ok": true,
                             "errors": 0 },
            "store": { "writable": true, "since": "2026-11-30T11:00:00.000000Z",
                       "last_error": null, "pending": 0, "refused": 0 }
        })
    }

    #[test]
    fn a_status_is_one_page() {
        let fire = |job: &str, at: &str| {
            serde_json::from_value::<Fire>(json!({ "job": job, "scheduled_at": at, "due_at": at }))
        };
        let fires = [
            fire("poll", "2026-12-01T11:00:15Z").unwrap(),
            fire("backup", "2026-12-02T01:30:00Z").unwrap(),
        ];
        let ready = with(status(), json!({}));
        insta::assert_snapshot!("ready", text(&ready, &fires, &view(Some(80))));
        let node = |name: &str, role: &str| {
            json!({ "name": name, "role": role, "config_hash": "sha256:0123abcd",
                    "last_seen": "2026-12-01T10:59:57.000000Z" })
        };
        let degraded = with(
            status(),
            json!({
                "state": "degraded", "lateness_s": null,
                "nodes": [node("db1", "leader"), node("db2", "worker")],
                "last_reload": { "at": "2026-12-01T10:00:00.000000Z", "by": "uid 0", "ok": false,
                                 "errors": 3 },
                "store": { "writable": false, "since": "2026-12-01T10:58:00.000000Z",
                           "last_error": "disk I/O error\n", "pending": 9, "refused": 0 } }),
        );
        insta::assert_snapshot!("degraded", text(&degraded, &[], &view(Some(80))));
        insta::assert_snapshot!("coloured", text(&degraded, &[], &coloured(Some(80))));
    }
}
