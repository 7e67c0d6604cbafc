//! Requests.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use serde_json::Value;

use super::server::Server;

/// A JSON answer.
pub(super) const JSON: &str = "application/json, application/problem+json";

/// A text.
pub(super) const TEXT: &str = "text/plain, application/problem+json";

/// A stream of events.
const EVENTS: &str = "text/event-stream, application/problem+json";

/// A request, below `/api/v1`.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    method: Method,
    path: &'a str,
    /// JSON, or nothing.
    body: Option<Bytes>,
    accept: &'static str,
    /// After which event a stream is to go on.
    last_event: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// A question, and which kind of answer is wanted.
    pub(super) fn get(path: &'a str, accept: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept,
            last_event: None,
        }
    }

    /// A question for a stream that goes on behind an event.
    pub(super) fn listen(path: &'a str, last_event: Option<&'a str>) -> Self {
        Self {
            last_event,
            ..Self::get(path, EVENTS)
        }
    }

    /// A wish.
    pub(super) fn post(path: &'a str, body: &Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body.to_string().into()),
            ..Self::get(path, JSON)
        }
    }

    /// The request to that server.
    pub(super) fn request(
        &self,
        server: &Server,
        authorization: Option<&HeaderValue>,
    ) -> Request<Full<Bytes>> {
        let host = match server {
            Server::Unix(_) => "localhost",
            Server::Tcp(authority) => authority,
        };
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("/api/v1{}", self.path))
            .header(HOST, host)
            .header(ACCEPT, self.accept);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        // An id with signs that no header takes is none of ours; the stream then begins anew.
        let last = self.last_event.map(HeaderValue::from_str);
        if let Some(Ok(value)) = last {
            request = request.header("last-event-id", value);
        }
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(self.body.clone().unwrap_or_default()));
        request.expect("a checked host, a path of ours and a checked token make a request")
    }
}

/// The part of a path behind its `?`, which is written when there is one.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Query(String);

impl Query {
    /// Adds a parameter.
    pub(in crate::cli) fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                self.0.push(byte.into());
            } else {
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
    }

    /// Adds a parameter if it has a value.
    pub(in crate::cli) fn add_some(&mut self, name: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.add(name, &value.to_string());
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_end_their_parameter() {
        let mut query = Query::default();
        assert_eq!(query.to_string(), "");
        query.add("job", "backup.db");
        query.add_some("since", Some("2026-12-01T00:00:00+01:00"));
        query.add_some("until", None::<&str>);
        query.add("q", "a&b=c #ü");
        assert_eq!(
            query.to_string(),
            "?job=backup.db&since=2026-12-01T00:00:00%2B01:00&q=a%26b%3Dc%20%23%C3%BC"
        );
    }
}
