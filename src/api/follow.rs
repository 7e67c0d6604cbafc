//! The output of a run as it comes, as events: `stdout`, `stderr` and `gap` while it runs, `attempt`
//! before each further attempt, `end` with the run at last. Ids are `ATTEMPT:BYTES`, so that a client
//! that comes back misses nothing and gets nothing twice.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::response::Response;
use serde_json::json;

use super::access::Peer;
use super::awaited::{Ends, Waited};
use super::error::{Kind, Problem};
use super::output::Which;
use super::said::{self, Course};
use super::seats::Seat;
use super::sse::{self, Gone, LastEventId, Stream};
use super::{Context, output, wire};
use crate::job::{Run, RunId};
use crate::runner::{self, Piece, What};

/// How often it is looked whether a run has printed something.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The most bytes of output that one look takes.
const AT_ONCE: usize = 32 * 1024;

/// A place in the output of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    attempt: u32,
    bytes: u64,
}

/// A text that is not a [`Place`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of a piece of output: pass one as it came")]
struct NoPlace(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.attempt, self.bytes)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let parts = text.split_once(':');
        let place = parts.and_then(|(attempt, bytes)| {
            Some(Self {
                attempt: attempt.parse().ok().filter(|&attempt| attempt > 0)?,
                bytes: bytes.parse().ok()?,
            })
        });
        place.ok_or_else(|| NoPlace(text.to_owned()))
    }
}

/// Follows the output of a run until its end.
pub(super) fn follow(
    context: Context,
    peer: Peer,
    last: &LastEventId,
    run: &Run,
    which: Which,
) -> Result<Response, Problem> {
    if let Some(attempt) = which.attempt {
        may_come(&context, run, attempt)?;
    }
    let follower = Follower {
        ends: Ends::listen(&context),
        run: run.id,
        place: begin(last.place()?, which.attempt)?,
        which,
        _seat: context.seats.take(peer)?,
        context,
    };
    let (stream, response) = sse::stream();
    let rights_changed = follower.context.rights_changed();
    tokio::spawn(async move {
        tokio::select! {
            () = follower.begin(stream) => {}
            () = rights_changed => {}
        }
    });
    Ok(response)
}

/// Whether a run has this attempt, or may yet come to it: else nothing would come until its end.
fn may_come(context: &Context, run: &Run, attempt: u32) -> Result<(), Problem> {
    let has = output::has_attempt(run, attempt);
    if has.is_ok() || run.status.is_final() || attempt == 0 {
        return has;
    }
    let snapshot = context.handle.snapshot();
    let job = snapshot.job(run.job.as_str());
    let retries = job.map_or(0, |job| job.plan.retry.max_retries);
    let begun = || {
        // The ledger may not know yet what has just begun.
        let handle = &context.handle;
        handle.live_output_after(run.id, attempt, 0, 0).is_some()
    };
    if attempt - 1 <= retries || begun() {
        return Ok(());
    }
    let why =
        format!("it never comes to attempt {attempt}, for max_retries of its job is {retries}");
    Err(Problem::no_output(run.id, &why))
}

/// Where to begin: behind what the client has.
fn begin(last: Option<Place>, attempt: Option<u32>) -> Result<Place, Problem> {
    let first = Place {
        attempt: attempt.unwrap_or(1),
        bytes: 0,
    };
    match last {
        Some(last) if attempt.is_some_and(|only| only != last.attempt) => {
            let detail = format!(
                "the header Last-Event-ID names attempt {}, and the query attempt {}; leave one out",
                last.attempt, first.attempt
            );
            Err(Problem::new(Kind::BadRequest, detail))
        }
        last => Ok(last.unwrap_or(first)),
    }
}

struct Follower {
    context: Context,
    ends: Ends,
    run: RunId,
    which: Which,
    place: Place,
    _seat: Seat,
}

/// Why a stream ends before its end.
enum Broken {
    /// The client is gone.
    Gone,
    /// Something the client should know.
    Problem(Problem),
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Follower {
    async fn begin(mut self, mut stream: Stream) {
        if let Err(Broken::Problem(problem)) = self.tell(&mut stream).await {
            let mut text = String::new();
            let error = json!({ "detail": problem.detail() });
            sse::push(&mut text, self.place, "error", &error);
            // The client may be gone as well; then nobody needs to know.
            let _ = stream.send(text).await;
        }
    }

    /// Tells everything to the end.
    async fn tell(&mut self, stream: &mut Stream) -> Result<(), Broken> {
        stream.send(sse::greeting() + "\n").await?;
        loop {
            let waited = tokio::select! {
                waited = self.ends.wait(self.run, LOOK_AGAIN) => waited?,
                silent = stream.silent() => {
                    silent?;
                    stream.send(sse::heartbeat(self.place)).await?;
                    continue;
                }
            };
            match waited {
                Waited::Stopping => return Ok(()),
                Waited::NotYet => self.tell_new(stream).await?,
                Waited::Ended(run) => {
                    if let Some(attempt) = self.which.attempt {
                        output::has_attempt(&run, attempt)?;
                    }
                    self.tell_rest(run.attempts, stream).await?;
                    let mut text = String::new();
                    sse::push(&mut text, self.place, "end", &wire::Run::from(*run));
                    return Ok(stream.send(text).await?);
                }
            }
        }
    }

    /// Tells what has come since the last look.
    async fn tell_new(&mut self, stream: &mut Stream) -> Result<(), Broken> {
        loop {
            let Place { attempt, bytes } = self.place;
            let handle = &self.context.handle;
            let pieces = handle.live_output_after(self.run, attempt, bytes, AT_ONCE);
            // None: the attempt is over, and the ledger has the rest of its output.
            let text = self.say(pieces.unwrap_or_default(), Course::GoesOn);
            if self.place.bytes > bytes {
                if !text.is_empty() {
                    stream.send(text).await?;
                }
                continue;
            }
            // A client names the place, and may name the last that there can be.
            let next = attempt
                .checked_add(1)
                .filter(|_| self.which.attempt.is_none());
            let handle = &self.context.handle;
            let begun = |&next: &u32| handle.live_output_after(self.run, next, 0, 0).is_some();
            let Some(next) = next.filter(begun) else {
                return Ok(());
            };
            self.tell_rest(attempt, stream).await?;
            self.turn_to(next, stream).await?;
        }
    }

    /// Tells what attempts that are over have printed and was not told yet, up to the one numbered
    /// `last`.
    async fn tell_rest(&mut self, last: u32, stream: &mut Stream) -> Result<(), Broken> {
        let last = self.which.attempt.map_or(last, |only| only.min(last));
        while self.place.attempt <= last {
            if !self.tell_live_rest(stream).await? {
                self.tell_kept_rest(stream).await?;
            }
            if self.place.attempt == last {
                break;
            }
            self.turn_to(self.place.attempt + 1, stream).await?;
        }
        Ok(())
    }

    /// The rest of an attempt that is over, if it is still in memory.
    async fn tell_live_rest(&mut self, stream: &mut Stream) -> Result<bool, Broken> {
        loop {
            let Place { attempt, bytes } = self.place;
            let handle = &self.context.handle;
            let Some(pieces) = handle.live_output_after(self.run, attempt, bytes, AT_ONCE) else {
                return Ok(false);
            };
            let mut text = self.say(pieces.clone(), Course::GoesOn);
            if self.place.bytes == bytes {
                // What is not whole stays so.
                text = self.say(pieces, Course::Over);
            }
            if self.place.bytes == bytes {
                return Ok(true);
            }
            stream.send(text).await?;
        }
    }

    /// The rest of an attempt that is over, as the ledger has it.
    async fn tell_kept_rest(&mut self, stream: &mut Stream) -> Result<(), Broken> {
        let Place { attempt, bytes } = self.place;
        let found = output::of_attempt(&self.context, self.run, attempt, bytes).await?;
        let Some((output, _room)) = found else {
            return Ok(());
        };
        while self.place.bytes < output.total_bytes {
            let pieces = output.after(self.place.bytes, AT_ONCE);
            let all = pieces
                .last()
                .is_none_or(|last| last.end == output.total_bytes);
            let course = if all { Course::Over } else { Course::GoesOn };
            let before = self.place;
            let text = self.say(pieces, course);
            if self.place == before {
                break;
            }
            stream.send(text).await?;
        }
        Ok(())
    }

    async fn turn_to(&mut self, attempt: u32, stream: &mut Stream) -> Result<(), Gone> {
        self.place = Place { attempt, bytes: 0 };
        let mut text = String::new();
        sse::push(
            &mut text,
            self.place,
            "attempt",
            &json!({ "number": attempt }),
        );
        stream.send(text).await
    }

    /// Pieces as events; the place moves behind them.
    fn say(&mut self, pieces: Vec<Piece>, course: Course) -> String {
        let mut text = String::new();
        let count = pieces.len();
        for (number, piece) in (1..).zip(pieces) {
            let (from, bytes) = match piece.what {
                What::LeftOut(bytes) => {
                    self.place.bytes = piece.end;
                    sse::push(&mut text, self.place, "gap", &json!({ "left_out": bytes }));
                    continue;
                }
                What::Bytes(from, bytes) => (from, bytes),
            };
            if self.which.stream.is_some_and(|wanted| wanted != from) {
                self.place.bytes = piece.end;
                continue;
            }
            let course = if number == count {
                course
            } else {
                Course::Over
            };
            self.place.bytes = piece.end - bytes.len() as u64;
            let kind = match from {
                runner::Stream::Stdout => "stdout",
                runner::Stream::Stderr => "stderr",
            };
            for (said, length) in said::say(&bytes, course) {
                self.place.bytes += length as u64;
                sse::push(&mut text, self.place, kind, &said);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = Place {
            attempt: 2,
            bytes: 70,
        };
        assert_eq!(place.to_string(), "2:70");
        assert_eq!("2:70".parse::<Place>().unwrap(), place);
        for text in ["", ":", "1", "1:", ":1", "0:1", "1:-1", "1:1:1", "x:1"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
