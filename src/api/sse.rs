//! Server-sent events: an answer that goes on (the `text/event-stream` of the HTML standard).
//!
//! A stream is written by a task of its own into a channel of a few frames; a client that does not
//! read stops that task and nothing else, until its connection gives up on it (`patience`).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::described;
use super::error::{Kind, Problem};
use crate::clock;

/// The type of such an answer.
const KIND: &str = "text/event-stream";

/// How long a stream is silent at most: then comes a comment, so that both ends and all between
/// know that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Frames that may wait for the client.
const AHEAD: usize = 2;

/// How long a client waits before it comes back to a stream that broke, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// The writing end of a stream.
pub(super) struct Stream {
    frames: mpsc::Sender<Bytes>,
    silence: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The client is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// A new stream, and the answer that carries it.
pub(super) fn stream() -> (Stream, Response) {
    let (frames, waiting) = mpsc::channel(AHEAD);
    let stream = Stream {
        frames,
        silence: Box::pin(clock::elapse(HEARTBEAT)),
    };
    let kind = HeaderValue::from_static(KIND);
    // Proxies that gather answers would hold events back.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (unbuffered, HeaderValue::from_static("no")),
    ];
    let response = (headers, Body::new(Frames(waiting))).into_response();
    (stream, response)
}

impl Stream {
    /// Hands events to the connection, and waits while it has enough.
    pub(super) async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.silence = Box::pin(clock::elapse(HEARTBEAT));
        self.frames.send(text.into()).await.map_err(|_| Gone)
    }

    /// Waits until the stream should say that it lives, or the client is gone. Remembers since when
    /// it has been silent, so it may be given up and asked again.
    pub(super) async fn silent(&mut self) -> Result<(), Gone> {
        tokio::select! {
            () = self.frames.closed() => Err(Gone),
            () = &mut self.silence => Ok(()),
        }
    }
}

/// What begins a stream.
pub(super) fn greeting() -> String {
    format!("retry: {RETRY_MS}\n")
}

/// Adds an event; `id` is its place, for a client that comes back.
pub(super) fn push(
    text: &mut String,
    id: impl std::fmt::Display,
    kind: &str,
    data: &impl Serialize,
) {
    // JSON has no line feeds outside of strings, and writes them as \n within.
    let data = serde_json::to_string(data).expect("what is told has a JSON form");
    write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n")
        .expect("writing to a string does not fail");
}

/// A sign of life that carries the place too: what a filter left out need not be looked at again.
pub(super) fn heartbeat(id: impl std::fmt::Display) -> String {
    format!(": heartbeat\nid: {id}\n\n")
}

/// A stream of events, as an answer that describes itself.
pub(super) struct Events(pub(super) Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Events {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let text = "A stream of server-sent events, which goes on until the client leaves or the \
                    daemon stops.";
        vec![(
            Some(200),
            described::answer(text, KIND, &json!({ "type": "string" })),
        )]
    }
}

/// Whether a client wants a stream rather than plain text: it names it, and `text/plain` not more
/// eagerly (RFC 9110, section 12.5.1). A type that it names by a `*` alone is not named.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let stream = weight(headers, KIND).filter(|&stream| stream > 0.0);
    let text = weight(headers, "text/plain").unwrap_or(0.0);
    stream.is_some_and(|stream| stream >= text)
}

/// How eagerly a client accepts a type that it names, from 0 (not at all) to 1.
fn weight(headers: &HeaderMap, kind: &str) -> Option<f32> {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';');
            let named = parts.next()?.trim().eq_ignore_ascii_case(kind);
            named.then(|| parts.find_map(quality).unwrap_or(1.0))
        })
        .reduce(f32::max)
}

/// The number of a parameter `q`; one that cannot be read counts for nothing.
fn quality(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value)).then_some(value)
}

/// Where a client that comes back wants to go on: the `Last-Event-ID`, if it sends one.
pub(super) struct LastEventId(Option<String>);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let value = parts.headers.get("last-event-id");
        Ok(Self(value.map(|value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        })))
    }
}

impl LastEventId {
    /// As the place that it stands for.
    pub(super) fn place<T>(&self) -> Result<Option<T>, Problem>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let place = self.0.as_deref().map(|text| text.trim().parse());
        place.transpose().map_err(|why: T::Err| {
            let detail = format!("in the header Last-Event-ID: {why}");
            Problem::new(Kind::BadRequest, detail)
        })
    }
}

/// The reading end, as the body of an answer.
struct Frames(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(cx);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_three_lines_and_an_empty_one() {
        let mut text = String::new();
        push(&mut text, "1-2", "run", &serde_json::json!({"a": "x\ny\r"}));
        assert_eq!(text, "id: 1-2\nevent: run\ndata: {\"a\":\"x\\ny\\r\"}\n\n");
    }

    #[test]
    fn who_accepts_a_stream_gets_one() {
        let wanted = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            is_wanted(&headers)
        };
        assert!(wanted("text/event-stream"));
        assert!(wanted("application/json, Text/Event-Stream;q=0.9"));
        assert!(!wanted("text/plain") && !wanted("*/*") && !wanted(""));
        assert!(!is_wanted(&HeaderMap::new()));
        // How eagerly counts where both are named.
        assert!(!wanted("text/plain, text/event-stream;q=0"));
        assert!(!wanted("text/event-stream; Q=0.000") && !wanted("text/event-stream ;a=b; q = 0"));
        assert!(!wanted("text/event-stream;q=0.5, text/plain"));
        assert!(wanted("text/event-stream;q=0.5, text/plain;q=0.4"));
        assert!(wanted("text/plain, text/event-stream"));
        assert!(wanted("text/event-stream;q=0.5, */*"));
        assert!(wanted("text/event-stream;q=0, text/event-stream;q=0.1"));
        for unreadable in ["x", "nan", "-1", "2", "inf", ""] {
            assert!(wanted(&format!(
                "text/plain, text/event-stream;q={unreadable}"
            )));
        }
    }

    #[test]
    fn a_place_to_go_on_from_is_checked() {
        let last = |value: &str| LastEventId(Some(value.to_owned())).place::<u64>();
        assert_eq!(LastEventId(None).place::<u64>(), Ok(None));
        assert_eq!(last(" 7"), Ok(Some(7)));
        assert!(last("x").is_err());
    }

    #[tokio::test]
    async fn a_client_that_left_is_noticed() {
        let (mut stream, response) = stream();
        stream.send("x".into()).await.unwrap();
        drop(response);
        assert!(stream.silent().await.is_err());
        assert!(stream.send("y".into()).await.is_err());
    }
}
