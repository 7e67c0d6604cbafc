//! What a request brings: the job or run in its path, its query, its body. Whatever is not
//! understood is refused, never ignored.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::error::{Kind, Problem};
use crate::clock;
use crate::job::{JobName, RunId};
use crate::schedule::parse_instant;

/// The largest body, in bytes.
const MAX_BODY: usize = 1 << 20;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(15);

/// The most items of one part of a list.
const MAX_LIMIT: usize = 500;

/// How many there are when nobody says.
const DEFAULT_LIMIT: usize = 100;

/// Reads a time of a query or a body, as [`parse_instant`] does.
pub(super) fn instant<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(text)?;
    text.map(|text| parse_instant(&text))
        .transpose()
        .map_err(D::Error::custom)
}

/// A query or a body in which nothing may stand.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The `{job}` of the path.
#[derive(Debug)]
pub(super) struct JobPath(pub(super) JobName);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state).await?;
        let job = JobName::new(&text).map_err(|_| Problem::unknown_job(&format!("{text:?}")))?;
        Ok(Self(job))
    }
}

/// The `{id}` of the path.
#[derive(Debug)]
pub(super) struct RunPath(pub(super) RunId);

impl<S: Send + Sync> FromRequestParts<S> for RunPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = segment(parts, state).await?;
        let run = text.parse();
        run.map(Self)
            .map_err(|_| Problem::unknown_run(&format!("{text:?}")))
    }
}

/// The one segment of the path that has a name.
async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(text)) => Ok(text),
        Err(why) => Err(Problem::new(
            Kind::BadRequest,
            format!("the path cannot be read: {}", why.body_text()),
        )),
    }
}

/// The query.
#[derive(Debug)]
pub(super) struct Asked<Q>(pub(super) Q);

impl<S: Sync, Q: DeserializeOwned> FromRequestParts<S> for Asked<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(why) => {
                let text = why.body_text();
                let reason = text.strip_prefix("Failed to deserialize query string: ");
                let mut detail = format!("in the query: {}", reason.unwrap_or(&text));
                // A plus sign in a query stands for a space: the usual slip with times.
                if parts.uri.query().is_some_and(|query| query.contains('+')) {
                    detail.push_str("; write a `+` as %2B");
                }
                Err(Problem::new(Kind::BadQuery, detail))
            }
        }
    }
}

/// How many items a part of a list has.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::new(
            Kind::BadQuery,
            format!("limit is from 1 to {MAX_LIMIT}, not {limit}; use cursor to read on"),
        )),
    }
}

/// The `Idempotency-Key` that a client makes repeats of its request safe with, if it sends one.
#[derive(Debug)]
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl IdempotencyKey {
    /// The longest, in bytes.
    pub(super) const MAX: usize = 255;
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || !visible || text.len() > Self::MAX || values.next().is_some() {
            let detail = format!(
                "there is one Idempotency-Key of 1 to {} visible ASCII characters, such as a UUID",
                Self::MAX
            );
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// A JSON body, or none.
#[derive(Debug)]
pub(super) struct Sent<B>(pub(super) B);

impl<S: Sync, B: DeserializeOwned + Default> FromRequest<S> for Sent<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return Ok(Self(B::default()));
        }
        if !is_json(&parts.headers) {
            return Err(Problem::new(
                Kind::NotJson,
                "a body must be JSON and say so: send `Content-Type: application/json`",
            ));
        }
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(B::default()));
        }
        // The reader of structs would take the values of a list one by one.
        if bytes.trim_ascii_start().starts_with(b"[") {
            let detail = "the body is a list, and should be an object: { … }";
            return Err(Problem::new(Kind::WrongBody, detail));
        }
        let once: Result<EachOnce, _> = serde_json::from_slice(&bytes);
        // What else is wrong with it, the reading proper says better.
        let doubled = once.err().filter(|why| why.classify() == Category::Data);
        let sent = doubled.map_or_else(|| serde_json::from_slice(&bytes), Err);
        let sent = sent.map_err(|why| {
            let kind = match why.classify() {
                Category::Data => Kind::WrongBody,
                Category::Io | Category::Syntax | Category::Eof => Kind::BadBody,
            };
            Problem::new(kind, format!("the body cannot be used: {why}"))
        })?;
        Ok(Self(sent))
    }
}

/// Any JSON in which no object has a key twice: a map would take the last one in silence.
struct EachOnce;

impl<'de> Deserialize<'de> for EachOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for EachOnce {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            keys.insert(key);
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("a body has at most {MAX_BODY} bytes");
        Problem::new(Kind::BodyTooLarge, detail)
    };
    let announced = body.size_hint().lower();
    if announced > MAX_BODY as u64 {
        return Err(too_large());
    }
    tokio::select! {
        read = Limited::new(body, MAX_BODY).collect() => match read {
            Ok(body) => Ok(body.to_bytes()),
            Err(why) if why.is::<LengthLimitError>() => Err(too_large()),
            Err(why) => Err(Problem::new(
                Kind::BadRequest,
                format!("the body cannot be read: {why}"),
            )),
        },
        () = clock::elapse(BODY_PATIENCE) => Err(Problem::new(
            Kind::BodyTimeout,
            format!("a body has {} s to arrive", BODY_PATIENCE.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::StatusCode;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trigger {
        #[serde(default)]
        params: BTreeMap<String, String>,
    }

    async fn sent(kind: Option<&str>, body: impl Into<Body>) -> Result<usize, StatusCode> {
        let mut request = Request::builder().method("POST").uri("/");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body.into()).unwrap();
        let sent = Sent::<Trigger>::from_request(request, &()).await;
        sent.map(|Sent(body)| body.params.len())
            .map_err(|problem| problem.status())
    }

    #[tokio::test]
    async fn bodies_are_json_or_nothing() {
        let json = Some("application/json");
        assert_eq!(sent(None, "").await, Ok(0));
        assert_eq!(sent(Some("text/plain"), "").await, Ok(0));
        assert_eq!(sent(json, "").await, Ok(0));
        assert_eq!(sent(json, "{}").await, Ok(0));
        assert_eq!(sent(json, r#"{"params":{"a":"b"}}"#).await, Ok(1));
        let charset = Some("Application/JSON; charset=utf-8");
        assert_eq!(sent(charset, "{}").await, Ok(0));
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert_eq!(
                sent(kind, "{}").await,
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            );
        }
        for bad in ["{", "x", "{}x", "\u{0}"] {
            assert_eq!(
                sent(json, bad.to_owned()).await,
                Err(StatusCode::BAD_REQUEST),
                "{bad:.9}"
            );
        }
        for wrong in [
            r#"{"x":1}"#,
            "[{}]",
            &"[".repeat(100_000),
            r#"{"params":{"a":1}}"#,
            r#"{"params":{},"params":{}}"#,
            r#"{"params":{"a":"b","a":"b"}}"#,
        ] {
            let status = Err(StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(sent(json, wrong.to_owned()).await, status, "{wrong:.20}");
        }
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        let large = vec![b' '; MAX_BODY + 1];
        let json = Some("application/json");
        assert_eq!(sent(json, large).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        let mut fits = vec![b' '; MAX_BODY - 2];
        fits.extend(b"{}");
        assert_eq!(sent(json, fits).await, Ok(0));
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(limit(None), Ok(100));
        assert_eq!(limit(Some(1)), Ok(1));
        assert_eq!(limit(Some(500)), Ok(500));
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
    }

    #[tokio::test]
    async fn unknown_parameters_are_refused() {
        let asked = async |query: &str| {
            let request = Request::builder()
                .uri(format!("/{query}"))
                .body(())
                .unwrap();
            let (mut parts, ()) = request.into_parts();
            Asked::<Nothing>::from_request_parts(&mut parts, &()).await
        };
        assert!(asked("").await.is_ok() && asked("?").await.is_ok());
        assert!(asked("?x=1").await.is_err() && asked("?x").await.is_err());
    }
}
