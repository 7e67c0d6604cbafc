//! Bytes of which a client may ask for a part (RFC 9110, section 14).

use std::ops::{Range, RangeInclusive};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::RangeUnsatisfiableError;

use super::conditional::Has;
use super::error::{Kind, Problem};

/// Which part a client wants, if it wants only a part.
#[derive(Clone)]
pub(super) struct Wanted {
    is_get: bool,
    has: Has,
    range: Option<String>,
    /// The part alone is wanted only of what has this tag.
    of: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let text = |name| {
            let value = parts.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        // A range means something with GET alone (section 14.2).
        let is_get = parts.method == Method::GET;
        Ok(Self {
            is_get,
            has: Has::of(&parts.headers),
            range: text(header::RANGE).filter(|_| is_get),
            of: text(header::IF_RANGE),
        })
    }
}

/// What is to be sent of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing but the head of an answer with the whole: it was asked for, or a 304 comes of it.
    Head,
    Whole,
    Bytes(RangeInclusive<usize>),
    /// The range lies behind the end.
    Nothing,
}

impl Part {
    /// Which of so many bytes are sent.
    pub(super) fn range(&self, length: usize) -> Range<usize> {
        match self {
            Self::Head | Self::Nothing => 0..0,
            Self::Whole => 0..length,
            Self::Bytes(range) => *range.start()..range.end() + 1,
        }
    }

    /// The answer with these bytes of the `length` that have this tag, as plain text.
    pub(super) fn answer(&self, bytes: Body, length: usize, tag: String) -> Response {
        let mut response = match self {
            Self::Head => ([(header::CONTENT_LENGTH, length)], bytes).into_response(),
            Self::Whole => bytes.into_response(),
            Self::Bytes(range) => {
                let place = format!("bytes {}-{}/{length}", range.start(), range.end());
                let place = [(header::CONTENT_RANGE, place)];
                (StatusCode::PARTIAL_CONTENT, place, bytes).into_response()
            }
            Self::Nothing => {
                let detail = format!("there are {length} bytes, and the range lies behind them");
                let place = [
                    (header::CONTENT_RANGE, format!("bytes */{length}")),
                    (header::ETAG, tag),
                ];
                return (place, Problem::new(Kind::NoSuchRange, detail)).into_response();
            }
        };
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let tag = HeaderValue::try_from(tag).expect("hexadecimal digits in quotes");
        headers.insert(header::ETAG, tag);
        response
    }
}

impl Wanted {
    /// What is to be sent of so many bytes that have this tag. One range is served; several, or what
    /// cannot be read, are answered with the whole, as the standard allows.
    pub(super) fn part(&self, length: usize, tag: &str) -> Part {
        if !self.is_get || self.has.holds(tag) {
            return Part::Head;
        }
        let range = match (&self.range, &self.of) {
            (None, _) => return Part::Whole,
            (Some(_), Some(of)) if of != tag => return Part::Whole,
            (Some(range), _) => range,
        };
        let parsed = http_range_header::parse_range_header(range);
        match parsed.and_then(|ranges| ranges.validate(length as u64)) {
            Ok(ranges) => match ranges.as_slice() {
                [one] => within(one, length).map_or(Part::Whole, Part::Bytes),
                _ => Part::Whole,
            },
            Err(RangeUnsatisfiableError::Unsatisfiable) => Part::Nothing,
            Err(_) => Part::Whole,
        }
    }
}

fn within(range: &RangeInclusive<u64>, length: usize) -> Option<RangeInclusive<usize>> {
    let start = usize::try_from(*range.start()).ok()?;
    let end = usize::try_from(*range.end()).ok()?;
    (start <= end && end < length).then_some(start..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_several_are_the_whole() {
        let part = |range: &str| {
            let wanted = Wanted {
                range: Some(range.to_owned()),
                of: None,
                is_get: true,
                has: Has::of(&axum::http::HeaderMap::new()),
            };
            wanted.part(10, "\"a\"")
        };
        assert_eq!(part("bytes=0-0"), Part::Bytes(0..=0));
        assert_eq!(part("bytes=4-"), Part::Bytes(4..=9));
        assert_eq!(part("bytes=-3"), Part::Bytes(7..=9));
        assert_eq!(part("bytes=-30"), Part::Bytes(0..=9));
        assert_eq!(part("bytes=8-99"), Part::Bytes(8..=9));
        assert_eq!(part("bytes=10-"), Part::Nothing);
        assert_eq!(part("bytes=-0"), Part::Nothing);
        for whole in [
            "bytes=0-1,3-4",
            "bytes=5-4",
            "lines=0-1",
            "bytes=x",
            "",
            "\u{fffd}",
        ] {
            assert_eq!(part(whole), Part::Whole, "{whole:?}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        let wanted = |range: &str| Wanted {
            range: Some(range.to_owned()),
            of: None,
            is_get: true,
            has: Has::of(&axum::http::HeaderMap::new()),
        };
        assert_eq!(wanted("bytes=0-").part(0, ""), Part::Nothing);
        assert_eq!(wanted("bytes=-5").part(0, ""), Part::Whole);
    }

    #[test]
    fn a_part_of_something_else_is_not_wanted() {
        let wanted = |of: &str| Wanted {
            range: Some("bytes=1-".to_owned()),
            of: Some(of.to_owned()),
            is_get: true,
            has: Has::of(&axum::http::HeaderMap::new()),
        };
        assert_eq!(wanted("\"a\"").part(3, "\"a\""), Part::Bytes(1..=2));
        for other in ["\"b\"", "W/\"a\"", "Fri, 27 Nov 2026 00:00:00 GMT"] {
            assert_eq!(wanted(other).part(3, "\"a\""), Part::Whole, "{other}");
        }
    }
}
