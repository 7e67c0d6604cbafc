//! From an HTTP job to the request as it goes out: secrets are read here, and facts become headers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::super::Launch;
use super::super::cannot_start::CannotStart;
use super::super::redact::Secrets;
use super::super::value::read_value;
use crate::job::{self, HttpCall, Value, address};

/// A request, ready to be sent as often as redirects ask for.
#[derive(Debug)]
pub(in crate::runner) struct Ready {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// What must not be seen in output or reasons.
    pub(super) secrets: Secrets,
    /// Whether the address is one of the secrets, its host included.
    pub(super) url_is_secret: bool,
}

impl Ready {
    /// Reads what the call says, over `daemon`'s environment.
    pub(in crate::runner) fn of(
        call: &HttpCall,
        launch: &Launch,
        daemon: &BTreeMap<OsString, OsString>,
    ) -> Result<Self, CannotStart> {
        let mut secrets = Vec::new();
        let url_is_secret = !matches!(call.url, Value::Plain(_));
        let text = read_value("http.url", &call.url, daemon)?.into_vec();
        let url = String::from_utf8(text).map_err(|_| job::AddressError::Malformed);
        let url = url.and_then(|text| Ok((address(&text)?, text)));
        let (url, text) = url.map_err(|why| CannotStart::Address {
            name: "http.url".to_owned(),
            why,
        })?;
        if url_is_secret {
            secrets.extend(parts_of_url(&url, text));
        }
        let mut headers = facts(launch);
        for (name, value) in &call.headers {
            let key = format!("http.headers.{name}");
            let read = read_value(&key, value, daemon)?;
            let refused = || CannotStart::Header { name: key.clone() };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            let mut sent = HeaderValue::from_bytes(read.as_bytes()).map_err(|_| refused())?;
            if !matches!(value, Value::Plain(_)) {
                sent.set_sensitive(true);
                secrets.extend(parts_of_header(read.as_bytes()));
            }
            headers.insert(header, sent);
        }
        let body = match &call.body {
            Some(body) => {
                let read = read_value("http.body", body, daemon)?.into_vec();
                if !matches!(body, Value::Plain(_)) {
                    secrets.push(read.clone());
                }
                (!read.is_empty()).then(|| Bytes::from(read))
            }
            None => None,
        };
        Ok(Self {
            method: method(call.method),
            url,
            headers,
            body,
            secrets: Secrets::new(secrets),
            url_is_secret,
        })
    }

    /// The request as it is now.
    pub(super) fn request(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        request
    }

    /// The server, as reasons name it.
    pub(super) fn server(&self) -> String {
        if self.url_is_secret {
            return "the server".to_owned();
        }
        authority(&self.url)
    }
}

/// Host and port, as written.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn method(method: job::Method) -> Method {
    match method {
        job::Method::Get => Method::GET,
        job::Method::Head => Method::HEAD,
        job::Method::Post => Method::POST,
        job::Method::Put => Method::PUT,
        job::Method::Patch => Method::PATCH,
        job::Method::Delete => Method::DELETE,
        job::Method::Options => Method::OPTIONS,
    }
}

/// Shorter values of a query are common words.
const SHORTEST_VALUE: usize = 8;

/// A secret address, and the parts of it that a server sees and may repeat.
fn parts_of_url(url: &Url, text: String) -> Vec<Vec<u8>> {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let parts = [text, url.as_str().to_owned(), path, url.path().to_owned()];
    let written = url.query().unwrap_or_default().split('&');
    let written = written.filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
    let meant = url.query_pairs().map(|(_, value)| value.into_owned());
    let values = written
        .chain(meant)
        .filter(|value| value.len() >= SHORTEST_VALUE);
    parts
        .into_iter()
        .chain(values)
        .map(String::into_bytes)
        .collect()
}

/// A secret header's value, and its words: of `Bearer TOKEN` a server may repeat the token alone.
fn parts_of_header(value: &[u8]) -> Vec<Vec<u8>> {
    let words = value.split(u8::is_ascii_whitespace);
    // The scheme before the secret, `Basic` or `Bearer`, is none.
    let words = words.skip(1).map(<[u8]>::to_vec);
    std::iter::once(value.to_vec()).chain(words).collect()
}

/// What a process finds in its environment, as headers.
fn facts(launch: &Launch) -> HeaderMap {
    let own = [
        ("PUNCTUAL_JOB", launch.job.to_string()),
        ("PUNCTUAL_RUN_ID", launch.run.to_string()),
        ("PUNCTUAL_ATTEMPT", launch.attempt.to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let mut headers = HeaderMap::new();
    for (name, value) in launch.facts.iter().cloned().chain(own) {
        let name = name.to_ascii_lowercase().replace('_', "-");
        // Names of facts are letters, digits and '_'; what is not could be sent by nobody.
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&encoded(&value)),
        ) else {
            tracing::error!(%name, "a fact of the run has no form as a header");
            continue;
        };
        headers.insert(name, value);
    }
    headers
}

/// Text as a header carries it: all but visible ASCII, and `%` itself, as `%` and two digits.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes any text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Action, Expected, JobName, KeepOutput, OutputLimits, RunId};
    use std::sync::Arc;

    fn call(url: Value) -> HttpCall {
        HttpCall {
            method: job::Method::Get,
            url,
            headers: BTreeMap::new(),
            body: None,
            expect_status: vec![Expected::Class(2)],
            expect_body: None,
            max_response_bytes: 64 << 10,
            timeout: None,
            output: OutputLimits {
                max_bytes: 1 << 20,
                keep: KeepOutput::Both,
            },
        }
    }

    fn ready(call: &HttpCall, environment: &[(&str, &str)]) -> Result<Ready, String> {
        let job = JobName::new("a").unwrap();
        let launch = Launch {
            run: RunId::of_manual(&job, jiff::Timestamp::UNIX_EPOCH, 1),
            attempt: 2,
            job,
            action: Action::Http(Arc::new(call.clone())),
            facts: vec![
                ("PUNCTUAL_TRIGGER".into(), "manual".into()),
                ("PUNCTUAL_PARAM_WHO_ELSE".into(), "Zoë & 5%\r\nX: y".into()),
            ],
        };
        let environment = environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Ready::of(call, &launch, &environment.collect()).map_err(|why| why.to_string())
    }

    #[test]
    fn facts_become_headers_that_no_value_can_break() {
        let ready = ready(&call(Value::Plain("http://a/".into())), &[]).unwrap();
        let sent = |name: &str| ready.headers[name].to_str().unwrap().to_owned();
        assert_eq!(sent("punctual-job"), "a");
        assert_eq!(sent("punctual-attempt"), "2");
        assert_eq!(sent("punctual-trigger"), "manual");
        assert_eq!(
            sent("punctual-param-who-else"),
            "Zo%C3%AB%20&%205%25%0D%0AX:%20y"
        );
    }

    #[test]
    fn a_secret_that_cannot_be_sent_is_named_and_not_told() {
        let url = || Value::Env("URL".into());
        let env = [("URL", "http://ann:hunter2@a/"), ("TOK", "to\nken")];
        let why = ready(&call(url()), &env).unwrap_err();
        assert!(
            why.contains("http.url") && !why.contains("hunter2"),
            "{why}"
        );
        let why = ready(&call(url()), &[]).unwrap_err();
        assert!(why.contains("http.url") && why.contains("URL"), "{why}");
        let mut with_header = call(Value::Plain("http://a/".into()));
        with_header
            .headers
            .insert("Authorization".into(), Value::Env("TOK".into()));
        let why = ready(&with_header, &env).unwrap_err();
        assert!(why.contains("http.headers.Authorization"), "{why}");
        assert!(!why.contains("ken"), "{why}");
    }

    #[test]
    fn parts_of_secrets_are_secrets() {
        let mut secret = call(Value::Env("URL".into()));
        secret
            .headers
            .insert("Authorization".into(), Value::Env("TOK".into()));
        let env = [
            (
                "URL",
                "https://hook.example/T1/hunter2?k=v&key=long%20enough&b=c",
            ),
            ("TOK", "Bearer s3cr3t"),
        ];
        let ready = ready(&secret, &env).unwrap();
        let masked = ready
            .secrets
            .masked("Bearer: s3cr3t at /T1/hunter2 for long%20enough, long enough and v");
        assert_eq!(masked, "Bearer: *** at *** for ***, *** and v");
        assert_eq!(ready.server(), "the server");
    }
}
