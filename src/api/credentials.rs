//! What a request shows of who sends it, read before anybody looks whose it is. Pure.

use axum::http::{HeaderMap, header};

/// A token that somebody sent. It is never empty: what is not there cannot be taken for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent<'a>(&'a [u8]);

impl<'a> Sent<'a> {
    /// None of nothing but white space.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let token = bytes.trim_ascii();
        (!token.is_empty()).then_some(Self(token))
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Tells nothing of it.
impl std::fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent(…)")
    }
}

/// Why an `Authorization` header shows no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("there are two Authorization headers")]
    Several,
    /// `Basic` or `Digest`, or a token without any scheme.
    #[error("the Authorization header has another scheme than Bearer")]
    OtherScheme,
    #[error("there is no token behind Bearer in the Authorization header")]
    NoToken,
}

/// The token of `Authorization: Bearer TOKEN`; none: there is no such header.
pub(super) fn shown(headers: &HeaderMap) -> Result<Option<Sent<'_>>, Unusable> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unusable::Several);
    }
    let value = value.as_bytes().trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace);
    let (scheme, token) = value.split_at(end.unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Unusable::OtherScheme);
    }
    Sent::new(token).map(Some).ok_or(Unusable::NoToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_another_scheme_and_an_empty_token_are_three_things() {
        assert_eq!(shown(&HeaderMap::new()), Ok(None));
        for (value, expected) in [
            ("Bearer a", Ok(&b"a"[..])),
            ("bEARER \t a b ", Ok(b"a b")),
            ("Bearer", Err(Unusable::NoToken)),
            ("Bearer ", Err(Unusable::NoToken)),
            ("", Err(Unusable::OtherScheme)),
            ("Basic a", Err(Unusable::OtherScheme)),
            ("Bearera", Err(Unusable::OtherScheme)),
            ("a", Err(Unusable::OtherScheme)),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
            let found = shown(&headers).map(|sent| sent.unwrap().bytes());
            assert_eq!(found, expected, "{value:?}");
            headers.append(header::AUTHORIZATION, "Bearer a".parse().unwrap());
            assert_eq!(shown(&headers), Err(Unusable::Several), "{value:?}");
        }
        assert!(Sent::new(b" \t\n").is_none());
    }
}
