//! What an HTTP job asks for, and which answers please it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{OutputLimits, Value};

/// One HTTP request, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// What is done.
    pub method: Method,
    /// To what.
    pub url: Value,
    /// Headers beside those that punctual itself sends, by their names as written.
    pub headers: BTreeMap<String, Value>,
    /// What is sent; nothing when absent.
    pub body: Option<Value>,
    /// Statuses that mean success. Never empty.
    pub expect_status: Vec<Expected>,
    /// What must stand in the answer's body.
    pub expect_body: Option<String>,
    /// How much of the answer's body is read, in bytes.
    pub max_response_bytes: u64,
    /// How long one attempt may take; no limit when absent.
    pub timeout: Option<Duration>,
    /// How much of the answer is kept.
    pub output: OutputLimits,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
}

impl Method {
    /// All of them, by the names that a config writes.
    pub const ALL: [(&str, Self); 7] = [
        ("GET", Self::Get),
        ("HEAD", Self::Head),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
        ("OPTIONS", Self::Options),
    ];
}

/// One or a hundred statuses that an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Expected {
    /// This one.
    Status(u16),
    /// All that begin with this digit.
    Class(u16),
}

impl Expected {
    /// Whether a status is meant.
    pub fn covers(self, status: u16) -> bool {
        match self {
            Self::Status(expected) => status == expected,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Class(digit) => write!(f, "{digit}xx"),
        }
    }
}

impl TryFrom<String> for Expected {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, form): (_, fn(u16) -> Self) = match text.strip_suffix("xx") {
            Some(digit) => (digit, Self::Class),
            None => (text.as_str(), Self::Status),
        };
        let number = number.parse();
        number
            .map(form)
            .map_err(|_| format!("{text:?} names no status"))
    }
}

impl From<Expected> for String {
    fn from(expected: Expected) -> Self {
        expected.to_string()
    }
}

/// Why a text is no address that a request can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has no scheme, or another one.
    #[error("an address begins with http:// or https://")]
    Scheme,
    /// It is malformed.
    #[error(
        "it is no well-formed address, such as https://example.org:8443/path?query; a host that is \
         not ASCII stands there as punycode (xn--…)"
    )]
    Malformed,
    /// A name or a password stands before its host.
    #[error(
        "a name or password before the host would be shown with it; send an `Authorization` header, \
         whose value is a secret"
    )]
    UserInfo,
    /// It has a part that is never sent.
    #[error("what stands behind '#' is never sent; remove it, or write %23 for the character")]
    Fragment,
}

/// The address that a text names.
pub fn address(text: &str) -> Result<Url, AddressError> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(AddressError::Scheme);
    }
    let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::Malformed);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(AddressError::Fragment);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_expected_one_by_one_or_by_the_hundred() {
        assert!(Expected::Status(204).covers(204) && !Expected::Status(204).covers(200));
        assert!(Expected::Class(2).covers(200) && Expected::Class(2).covers(299));
        assert!(!Expected::Class(2).covers(300) && !Expected::Class(2).covers(199));
        assert_eq!(Expected::Class(3).to_string(), "3xx");
    }

    #[test]
    fn addresses() {
        for good in [
            "http://a",
            "HTTPS://a.example:8443/x?y=z",
            "http://[::1]:80/",
            "http://127.0.0.1",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", AddressError::Scheme),
            ("a.example", AddressError::Scheme),
            ("ftp://a", AddressError::Scheme),
            ("https:/a", AddressError::Scheme),
            ("http://", AddressError::Malformed),
            ("http://a:99999/", AddressError::Malformed),
            ("http://a b/", AddressError::Malformed),
            ("http://bücher.example/", AddressError::Malformed),
            ("http://ann@a/", AddressError::UserInfo),
            ("http://:pass@a/", AddressError::UserInfo),
            ("http://a/#b", AddressError::Fragment),
        ] {
            assert_eq!(address(bad), Err(why), "{bad}");
        }
    }
}
