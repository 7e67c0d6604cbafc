//! Large answers that their readers take slowly: they are in memory until then, so there is room for so
//! much of them and no more, whoever asks and however often.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Kind, Problem};

/// How much of them there may be at once, in KiB. One that is larger takes all of it.
const ROOM: u32 = 64 << 10;

/// Answers up to this many bytes are not counted: there are no more of them than connections.
const SMALL: u64 = 64 << 10;

/// How much is handed to the connection at a time, in bytes: what it has not taken is still held.
const PIECE: usize = 64 << 10;

/// How many are put together at once. Until that is done, nobody knows how large they are.
const TURNS: usize = 4;

/// The room for large answers. A cheap handle.
#[derive(Debug, Clone)]
pub(super) struct Held {
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Held {
    pub(super) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM as usize)),
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }

    /// Waits until an answer may be put together; it may be until what is returned is dropped.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// The answer, which has its place until it is sent or given up.
    pub(super) async fn hold(&self, response: Response) -> Result<Response, Problem> {
        let size = response.body().size_hint().exact().unwrap_or(0);
        if size <= SMALL {
            return Ok(response);
        }
        let kib = u32::try_from(size >> 10).map_or(ROOM, |kib| kib.min(ROOM));
        let room = Arc::clone(&self.room).try_acquire_many_owned(kib);
        let Ok(room) = room else {
            let detail = "others are being sent so much that there is no memory for this answer; try \
                          again in some seconds, or ask for a part of it with `Range`";
            return Err(Problem::new(Kind::Busy, detail));
        };
        let (parts, body) = response.into_parts();
        let whole = body.collect().await.map_err(|why| {
            let detail = format!("the answer could not be put together: {why}");
            Problem::new(Kind::Internal, detail)
        })?;
        let rest = whole.to_bytes();
        Ok(Response::from_parts(
            parts,
            Body::new(Rest { rest, _room: room }),
        ))
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

    fn answer(kib: usize) -> Response {
        Response::new(Body::from(vec![b'x'; kib << 10]))
    }

    #[tokio::test]
    async fn there_is_room_for_so_much_and_it_comes_back() {
        let held = Held::new();
        let large = held.hold(answer(40 << 10)).await.unwrap();
        assert_eq!(large.body().size_hint().exact(), Some(40 << 20));
        let refused = held.hold(answer(30 << 10)).await.unwrap_err();
        let refused = axum::response::IntoResponse::into_response(refused);
        assert_eq!(refused.status(), 503);
        // What is small, and what still fits.
        assert!(held.hold(answer(64)).await.is_ok());
        let second = held.hold(answer(20 << 10)).await.unwrap();
        let bytes = large.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), 40 << 20);
        assert!(bytes.iter().all(|&byte| byte == b'x'));
        // One that was given up half-way.
        let mut half = second.into_body();
        half.frame().await.unwrap().unwrap();
        assert!(held.hold(answer(50 << 10)).await.is_err());
        drop(half);
        // Larger than all there is: alone it may be sent.
        let huge = held.hold(answer(100 << 10)).await.unwrap();
        assert!(held.hold(answer(65)).await.is_err());
        drop(huge);
        assert!(held.hold(answer(65)).await.is_ok());
    }
}
