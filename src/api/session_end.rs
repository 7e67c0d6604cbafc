//! Answers that go on end with the session that they were asked for with.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::Response;
use hyper::body::Frame;

use super::Gates;
use super::sessions::SessionKey;

/// The answer, which ends when the session is over, if it is one that goes on.
pub(super) fn bound(
    response: Response,
    session: Option<SessionKey>,
    gates: &Arc<Gates>,
) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let goes_on = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let Some(session) = session.filter(|_| goes_on) else {
        return response;
    };
    let gates = gates.clone();
    response.map(|body| {
        Body::new(Bound {
            body,
            over: Box::pin(async move { gates.memory.sessions.until_over(session).await }),
        })
    })
}

/// A body until something else happens.
struct Bound {
    body: Body,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for Bound {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}
