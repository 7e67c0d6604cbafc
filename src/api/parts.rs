//! A part of what an attempt printed, read without the rest.
//!
//! What was printed only grows, so its tag needs none of its bytes: which attempt of which run, which of
//! its streams, and how much it had printed name what is shown of it. Beside them stands what tells an
//! attempt from another of the same number, which a ledger that was put back may have: the life of the
//! daemon while it runs, its own times when the ledger has it. And the version, for another may show the
//! same output in other words. So one output has one tag while it runs and another afterwards, and two
//! outputs never one.

use axum::body::Body;
use axum::response::Response;

use super::error::{Kind, Problem};
use super::ranged::Wanted;
use super::{Context, conditional};
use crate::job::RunId;
use crate::runner::{CapturedOutput, Part, Stream};
use crate::store::KeptOutput;

/// What an attempt that runs has printed so far; none: it does not run.
pub(super) async fn of_live(
    context: &Context,
    run: RunId,
    attempt: u32,
    stream: Option<Stream>,
    wanted: &Wanted,
) -> Result<Option<Response>, Problem> {
    let (context, wanted) = (context.clone(), wanted.clone());
    let read = move || {
        let mut chosen = None;
        let handle = &context.handle;
        let bytes = handle.live_output_part(run, attempt, stream, |total, length| {
            let which = format!("{run} {attempt} {stream:?} {total}");
            let tag = tag(&format!("{which} in life {}", context.life));
            let part = wanted.part(length, &tag);
            let range = part.range(length);
            let place = context.held.place(range.len())?;
            chosen = Some((part, place, length, tag));
            Ok::<_, Problem>(range)
        });
        let Some(bytes) = bytes.transpose()? else {
            return Ok(None);
        };
        Ok(chosen.map(|(part, place, length, tag)| part.answer(place.hold(bytes), length, tag)))
    };
    // It is copied while the attempt waits: not on a thread for which requests wait.
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|why| Err(Problem::new(Kind::Internal, why.to_string())))
}

/// What the ledger has; none: not any more.
pub(super) async fn of_kept(
    context: &Context,
    kept: KeptOutput,
    stream: Option<Stream>,
    wanted: &Wanted,
) -> Result<Option<Response>, Problem> {
    let layout = layout(&kept)?;
    let reader = context.handle.reader();
    let read = |ranges, bytes| reader.append_output(kept.clone(), ranges, bytes);
    let line_is_open = match layout.before_gap(stream) {
        Some(at) => {
            let byte = at..at + 1;
            match read(vec![byte], Vec::new()).await? {
                Some(byte) => byte != b"\n",
                None => return Ok(None),
            }
        }
        None => false,
    };
    let shown = layout.shown(stream, line_is_open);
    let length = shown.length();
    let [began, ended] = kept.times;
    let which = format!(
        "{} {} {stream:?} {}",
        kept.run, kept.attempt, kept.total_bytes
    );
    let tag = tag(&format!("{which} at {}, {began:?} to {ended:?}", kept.seq));
    let part = wanted.part(length, &tag);
    let range = part.range(length);
    let place = context.held.place(range.len())?;
    let mut bytes = Vec::with_capacity(range.len());
    for part in shown.cut(&range) {
        match part {
            Part::Text(text) => bytes.extend(text),
            Part::Kept(ranges) => match read(ranges, bytes).await? {
                Some(more) => bytes = more,
                None => return Ok(None),
            },
        }
    }
    Ok(Some(part.answer(place.hold(bytes), length, tag)))
}

/// Nothing, of which more may come.
pub(super) fn of_nothing(wanted: &Wanted) -> Response {
    let tag = tag("nothing");
    wanted.part(0, &tag).answer(Body::empty(), 0, tag)
}

/// Which of the kept bytes are what.
fn layout(kept: &KeptOutput) -> Result<CapturedOutput, Problem> {
    let damaged = |why: &str| {
        let detail = format!("the kept output of run {} is damaged: {why}", kept.run);
        Problem::new(Kind::Internal, detail)
    };
    let layout = CapturedOutput::from_parts(Vec::new(), &kept.segments);
    let layout = layout.map_err(|why| damaged(&why.to_string()))?;
    if layout.kept() != kept.length {
        return Err(damaged("it has not as many bytes as it should"));
    }
    Ok(layout)
}

/// The tag of what these words name.
fn tag(words: &str) -> String {
    let words = format!("{} {words}", env!("CARGO_PKG_VERSION"));
    conditional::tag_of(words.as_bytes())
}
