//! Large answers that their readers take slowly: they are in memory until then, so there is room for so
//! much of them and no more, whoever asks and however often.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Kind, Problem};

/// How much of them there may be at once, in KiB. One that is larger takes all of it.
const ROOM: u32 = 64 << 10;

/// Answers up to this many bytes are not counted: there are no more of them than connections.
const SMALL: usize = 64 << 10;

/// How much is handed to the connection at a time, in bytes: what it has not taken is still held.
const PIECE: usize = 64 << 10;

/// The room for large answers. A cheap handle.
#[derive(Debug, Clone)]
pub(super) struct Held(Arc<Semaphore>);

/// A place for an answer.
#[derive(Debug)]
pub(super) struct Place(Option<OwnedSemaphorePermit>);

impl Held {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM as usize)))
    }

    /// A place for an answer of so many bytes, before any of them is read.
    pub(super) fn place(&self, bytes: usize) -> Result<Place, Problem> {
        if bytes <= SMALL {
            return Ok(Place(None));
        }
        let room = Arc::clone(&self.0).try_acquire_many_owned(kib(bytes));
        room.map(|room| Place(Some(room))).map_err(|_| {
            let detail = "others are being sent so much that there is no memory for this answer; try \
                          again in some seconds, or ask for a part of it with `Range`";
            Problem::new(Kind::Busy, detail)
        })
    }

    /// Waits for a place for so many bytes.
    pub(super) async fn turn(&self, bytes: usize) -> Place {
        if bytes <= SMALL {
            return Place(None);
        }
        // It is never closed.
        Place(
            Arc::clone(&self.0)
                .acquire_many_owned(kib(bytes))
                .await
                .ok(),
        )
    }
}

/// How much of the room so many bytes take.
fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes >> 10).map_or(ROOM, |kib| kib.min(ROOM))
}

impl Place {
    /// The answer's body, which has its place until it is sent or given up.
    pub(super) fn hold(self, bytes: Vec<u8>) -> Body {
        let rest = Bytes::from(bytes);
        match self.0 {
            None => Body::from(rest),
            Some(room) => Body::new(Rest { rest, _room: room }),
        }
    }
}

/// What of an answer has not been taken yet.
struct Rest {
    rest: Bytes,
    _room: OwnedSemaphorePermit,
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn answer(held: &Held, kib: usize) -> Result<Body, Problem> {
        let place = held.place(kib << 10)?;
        Ok(place.hold(vec![b'x'; kib << 10]))
    }

    #[tokio::test]
    async fn there_is_room_for_so_much_and_it_comes_back() {
        let held = Held::new();
        let large = answer(&held, 40 << 10).unwrap();
        assert_eq!(large.size_hint().exact(), Some(40 << 20));
        let refused = held.place(30 << 20).unwrap_err();
        let refused = axum::response::IntoResponse::into_response(refused);
        assert_eq!(refused.status(), 503);
        let problem = refused.extensions().get::<Problem>().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&problem.body("/")).unwrap();
        assert_eq!(body["title"], "Too much at once");
        // What is small, and what still fits.
        assert!(answer(&held, 64).is_ok());
        let mut half = answer(&held, 20 << 10).unwrap();
        let bytes = large.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), 40 << 20);
        assert!(bytes.iter().all(|&byte| byte == b'x'));
        // One that was given up half-way.
        half.frame().await.unwrap().unwrap();
        assert!(held.place(50 << 20).is_err());
        drop(half);
        // Larger than all there is: alone it may be sent.
        let huge = answer(&held, 100 << 10).unwrap();
        assert!(held.place(65 << 10).is_err());
        drop(huge);
        // Whoever can wait gets a place as soon as there is one.
        let large = held.place(40 << 20).unwrap();
        let (turn, ()) = tokio::join!(held.turn(50 << 20), async { drop(large) });
        drop(turn);
        // A place that comes to nothing.
        drop(held.place(64 << 20).unwrap());
        assert!(answer(&held, 65).is_ok());
    }
}
