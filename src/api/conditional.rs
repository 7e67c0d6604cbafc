//! Answers that a client has already: what it has by `If-None-Match` is not sent again (RFC 9110,
//! section 13).

use std::fmt::Write as _;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::error::{Kind, Problem};

/// The largest answer that is given a tag, in bytes: of larger ones the hash costs more than it
/// saves.
const LARGEST: u64 = 8 << 20;

/// Headers that a 304 has as the answer would have had them.
const KEPT: [HeaderName; 3] = [header::ETAG, header::LOCATION, header::VARY];

/// Which answers a client says that it has.
#[derive(Clone)]
pub(super) struct Has(Vec<String>);

impl Has {
    /// As the headers of its request say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::IF_NONE_MATCH).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let tags = texts.flat_map(|text| text.split(','));
        Self(tags.map(|tag| opaque(tag.trim()).to_owned()).collect())
    }

    /// By the weak comparison: whether a tag is weak does not matter.
    pub(super) fn holds(&self, tag: &str) -> bool {
        self.0.iter().any(|has| has == "*" || has == opaque(tag))
    }
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tag of these very bytes.
pub(super) fn tag_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut tag = "\"".to_owned();
    for byte in hash.iter().take(12) {
        write!(tag, "{byte:02x}").expect("writing to a string does not fail");
    }
    tag.push('"');
    tag
}

/// Gives an answer a tag if it has none, and takes its body back where the client has it.
pub(super) async fn unless_known(method: &Method, has: &Has, response: Response) -> Response {
    // What the client has comes before the range that it wants (section 13.2.2).
    let good = [
        StatusCode::OK,
        StatusCode::PARTIAL_CONTENT,
        StatusCode::RANGE_NOT_SATISFIABLE,
    ];
    let good = good.contains(&response.status());
    if !good || !matches!(*method, Method::GET | Method::HEAD) {
        return response;
    }
    let response = tagged(response).await;
    let tag = response.headers().get(header::ETAG);
    let tag = tag.and_then(|tag| tag.to_str().ok());
    if !tag.is_some_and(|tag| has.holds(tag)) {
        return response;
    }
    let mut nothing = Response::new(Body::empty());
    *nothing.status_mut() = StatusCode::NOT_MODIFIED;
    for name in KEPT {
        if let Some(value) = response.headers().get(&name) {
            nothing.headers_mut().insert(name, value.clone());
        }
    }
    nothing
}

/// JSON answers are read whole anyway; a stream has no size, and gets no tag.
async fn tagged(response: Response) -> Response {
    let json = HeaderValue::from_static("application/json");
    let is_json = response.headers().get(header::CONTENT_TYPE) == Some(&json);
    let size = response.body().size_hint().exact();
    let fits = size.is_some_and(|size| size <= LARGEST);
    if !is_json || !fits || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            let bytes = body.to_bytes();
            let tag = HeaderValue::try_from(format!("W/{}", tag_of(&bytes)));
            let tag = tag.expect("hexadecimal digits in quotes");
            parts.headers.insert(header::ETAG, tag);
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(why) => {
            let detail = format!("the answer could not be put together: {why}");
            Problem::new(Kind::Internal, detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Json;

    async fn asked(method: Method, has: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, has.parse().unwrap());
        let response = Json(serde_json::json!({"a": 1})).into_response();
        unless_known(&method, &Has::of(&headers), response).await
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        let first = asked(Method::GET, "\"other\"").await;
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let body = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, br#"{"a":1}"#.as_slice());
        for has in [tag.as_str(), opaque(&tag), "*", &format!("\"x\", {tag}")] {
            let again = asked(Method::GET, has).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{has}");
            assert_eq!(again.headers()[header::ETAG], tag.as_str());
            assert_eq!(again.into_body().size_hint().exact(), Some(0));
        }
        let head = asked(Method::HEAD, "\"other\"").await;
        assert_eq!(head.headers()[header::ETAG], tag.as_str());
        let head = asked(Method::HEAD, &tag).await;
        assert_eq!(head.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(asked(Method::POST, "*").await.status(), StatusCode::OK);
        let broken = asked(Method::GET, tag.trim_end_matches('"')).await;
        assert_eq!(broken.status(), StatusCode::OK);
    }
}
