//! What happens, as it happens.

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::access::{Caller, Peer};
use super::asked::Asked;
use super::error::Problem;
use super::seats::Seat;
use super::sse::{self, Events, Gone, LastEventId, Stream};
use super::{Context, wire};
use crate::clock;
use crate::job::{Event, EventKind, JobName};
use crate::telemetry::{Live, Place};

/// Events that go into one frame at most.
const AT_ONCE: usize = 64;

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those of this job, and those that concern all jobs.
    job: Option<JobName>,
}

/// GET `/events`
pub(super) async fn follow(
    State(context): State<Context>,
    peer: Peer,
    caller: Caller,
    last: LastEventId,
    Asked(which): Asked<Which>,
) -> Result<Events, Problem> {
    if let Some(job) = &which.job {
        let known = context.handle.snapshot().job(job.as_str()).is_some();
        if !known || !caller.sees(job) {
            return Err(Problem::unknown_job(job.as_str()));
        }
    }
    let live = context.handle.live().clone();
    let place = last.place()?.unwrap_or_else(|| live.here());
    let reader = Reader {
        live,
        caller,
        which,
        place,
        _seat: context.seats.take(peer)?,
    };
    let (stream, response) = sse::stream();
    let rights_changed = context.rights_changed();
    tokio::spawn(async move {
        let mut stopping = context.stopping;
        tokio::select! {
            // The client went away, which is how it ends usually.
            Err(Gone) = reader.tell(stream) => {}
            () = rights_changed => {}
            _ = stopping.wait_for(|&stopping| stopping) => {}
        }
    });
    Ok(Events(response))
}

/// Who listens, and how far.
struct Reader {
    live: Arc<Live>,
    caller: Caller,
    which: Which,
    place: Place,
    _seat: Seat,
}

impl Reader {
    /// Tells everything from its place on, until the client is gone.
    async fn tell(mut self, mut stream: Stream) -> Result<(), Gone> {
        let mut news = self.live.news();
        let mut text = sse::greeting();
        let hello = json!({ "at": wire::Time(clock::now()) });
        sse::push(&mut text, self.place, "hello", &hello);
        stream.send(text).await?;
        loop {
            news.borrow_and_update();
            while let Some(text) = self.next() {
                stream.send(text).await?;
            }
            tokio::select! {
                changed = news.changed() => changed.map_err(|_| Gone)?,
                silent = stream.silent() => {
                    silent?;
                    stream.send(sse::heartbeat(self.place)).await?;
                }
            }
        }
    }

    /// The next events as text; none: there are none yet.
    fn next(&mut self) -> Option<String> {
        let seen = self
            .live
            .since(self.place, AT_ONCE, |event| self.wants(event));
        let before = std::mem::replace(&mut self.place, seen.place);
        let mut text = String::new();
        if let Some(gap) = seen.gap {
            let place = seen.events.first().map_or(seen.place, |_| before);
            sse::push(&mut text, place, "gap", &wire::Missing::from(gap));
        }
        for (place, event) in &seen.events {
            let event = wire::Event::new(event);
            sse::push(&mut text, place, event.kind(), &event);
        }
        (!text.is_empty()).then_some(text)
    }

    fn wants(&self, event: &Event) -> bool {
        let job = match &event.kind {
            EventKind::Run(run) => &run.job,
            EventKind::JobPaused { job, .. } | EventKind::Warning { job, .. } => job,
            EventKind::SchedulerPaused { .. }
            | EventKind::Reloaded
            | EventKind::ClockStepped { .. } => return true,
        };
        self.caller.sees(job) && self.which.job.as_ref().is_none_or(|wanted| wanted == job)
    }
}
