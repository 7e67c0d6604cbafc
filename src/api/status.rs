//! How the daemon is, on one page.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use sha2::{Digest, Sha256};

use super::access::Caller;
use super::asked::{Asked, Nothing};
use super::{Context, wire};
use crate::clock;
use crate::dispatch::{JobView, PoolView, Snapshot};
use crate::job::Plan;
use crate::schedule::ScheduleSpec;

/// GET `/status`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
) -> Json<wire::Status> {
    let handle = &context.handle;
    let (now, snapshot, readiness) = (clock::now(), handle.snapshot(), handle.readiness());
    let jobs = snapshot.jobs.iter();
    let visible: Vec<_> = jobs.filter(|view| caller.sees(&view.plan.name)).collect();
    let node = wire::Node {
        name: handle.node().to_owned(),
        role: "leader".to_owned(),
        config_hash: context.config_hash.of(&snapshot),
        last_seen: now.into(),
    };
    let state = if snapshot.draining {
        "draining"
    } else if !readiness.is_ready() {
        "degraded"
    } else if snapshot.paused {
        "paused"
    } else {
        "ready"
    };
    let all = caller.sees_all();
    // Figures over all jobs are for those who see all.
    let lateness = handle.live().lateness().filter(|_| all);
    let mut last_reload = handle.reloader().last().map(wire::LastReload::from);
    if !all && let Some(last) = &mut last_reload {
        last.by = None;
    }
    let pools = if all {
        snapshot.pools.iter().map(wire::Pool::from).collect()
    } else {
        pools_of(&snapshot.pools, &visible)
    };
    Json(wire::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: state.to_owned(),
        started_at: handle.started_at().into(),
        uptime_s: wire::between(handle.started_at(), now),
        nodes: vec![node],
        lateness_s: lateness.map(wire::Lateness::from),
        pools,
        running: visible.iter().map(|view| view.running).sum(),
        queued: visible.iter().map(|view| view.queued).sum(),
        jobs: visible.iter().map(|view| view.state).collect(),
        last_reload,
        store: readiness.store.into(),
    })
}

/// The pools that some jobs use, with the load of these jobs alone.
fn pools_of(pools: &[PoolView], jobs: &[&JobView]) -> Vec<wire::Pool> {
    let of_some = |pool: &PoolView| {
        let mut users = jobs
            .iter()
            .filter(|view| view.plan.pool.as_str() == pool.name)
            .peekable();
        users.peek()?;
        let (running, queued) = users.fold((0_usize, 0_usize), |(running, queued), view| {
            (running + view.running, queued + view.queued)
        });
        Some(wire::Pool::from(&PoolView {
            used: u32::try_from(running).unwrap_or(u32::MAX),
            queued,
            ..pool.clone()
        }))
    };
    pools.iter().filter_map(of_some).collect()
}

/// The fingerprint of the jobs of a config, made anew only when one of them is another.
#[derive(Debug, Default)]
pub(super) struct ConfigHash(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    plans: Vec<Arc<Plan>>,
    hash: String,
}

impl ConfigHash {
    /// `sha256:` and hexadecimal digits: of the jobs' tables with defaults merged in, secrets left
    /// out, and of what their schedules mean. Nodes with the same jobs have the same.
    pub(super) fn of(&self, snapshot: &Snapshot) -> String {
        // It is replaced whole, so a panic elsewhere has left it whole.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = || snapshot.jobs.iter().map(|view| &view.plan);
        if let Some(known) = &*known
            && known.plans.len() == snapshot.jobs.len()
            && plans().zip(&known.plans).all(|(a, b)| Arc::ptr_eq(a, b))
        {
            return known.hash.clone();
        }
        let hash = hash(plans());
        *known = Some(Known {
            plans: plans().cloned().collect(),
            hash: hash.clone(),
        });
        hash
    }
}

fn hash<'a>(plans: impl Iterator<Item = &'a Arc<Plan>>) -> String {
    let mut hash = Sha256::new();
    for plan in plans {
        // What was written may mean another zone or other days elsewhere; that the zone database is
        // of another version is told by itself.
        let in_force = plan.spec_in_force();
        let in_force = in_force.map(|spec| ScheduleSpec { tzdb: None, ..spec });
        hash.update(plan.name.as_str());
        hash.update(b"\0");
        hash.update(plan.shown.to_string());
        hash.update(b"\0");
        hash.update(serde_json::to_vec(&in_force).expect("a schedule is JSON"));
        hash.update(b"\0");
    }
    let mut text = "sha256:".to_owned();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Environment};

    #[test]
    fn other_days_are_another_config() {
        let of = |days: &str, unused: &str| {
            let text = format!(
                "[calendars.c]\ndates = [{days}]\n[calendars.d]\ndates = [{unused}]\n\
                 [jobs.a]\nevery = \"1h\"\nshell = \"x\"\nexclude = [\"c\"]\n"
            );
            let config = config::parse(Path::new("/x"), &text, &Environment::of_process());
            hash(config.unwrap().jobs.values())
        };
        let (one, other) = ("\"2026-12-25\"", "\"2026-12-26\"");
        assert_eq!(of(one, one), of(one, other));
        assert_ne!(of(one, one), of(other, one));
    }
}
