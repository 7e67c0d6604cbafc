//! Which redirects are followed: those to the same server, for the request carries secrets that are
//! meant for that one alone.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::request::{Ready, authority};

/// How many are followed, one after another.
pub(super) const MOST: u32 = 10;

/// Turns the request into the one that an answer redirects to; false: it redirects nowhere, and is
/// the answer. The error says why the redirect is not followed.
pub(super) fn follow(response: &Response, ready: &mut Ready) -> Result<bool, String> {
    let Some(target) = target(response.status(), response.headers(), &ready.url) else {
        return Ok(false);
    };
    if !is_same_server(&ready.url, &target) {
        let told = if ready.url_is_secret {
            "another server".to_owned()
        } else {
            format!("{}://{}", target.scheme(), authority(&target))
        };
        return Err(format!(
            "{} redirects to {told}, where the request may not go; write the address it is to have",
            ready.server()
        ));
    }
    let status = response.status();
    if becomes_get(status, &ready.method) {
        ready.method = Method::GET;
        ready.body = None;
        ready.headers.remove(CONTENT_TYPE);
        ready.headers.remove(CONTENT_LENGTH);
    }
    ready.url = target;
    Ok(true)
}

/// Where an answer redirects to, if it does.
fn target(status: StatusCode, headers: &HeaderMap, from: &Url) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    let mut target = from.join(location).ok()?;
    target.set_fragment(None);
    Some(target)
}

/// The same host and port by the same scheme, or from plain HTTP to HTTPS on their usual ports.
fn is_same_server(from: &Url, to: &Url) -> bool {
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    let secured = from.scheme() == "http"
        && to.scheme() == "https"
        && from.port_or_known_default() == Some(80)
        && to.port_or_known_default() == Some(443);
    let same =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    plain(to) && from.host_str() == to.host_str() && (same || secured)
}

/// What browsers do: after 303 the result is fetched, and after 301 and 302 what was posted is not
/// posted again.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(from: &str, to: &str) -> bool {
        let from = Url::parse(from).unwrap();
        is_same_server(&from, &from.join(to).unwrap())
    }

    #[test]
    fn the_same_server() {
        assert!(same("http://a/x", "/y"));
        assert!(same("http://a:8080/x", "http://A:8080/y"));
        assert!(same("https://a/", "https://a:443/y"));
        assert!(same("http://a/", "https://a/"));
        for (from, to) in [
            ("http://a/", "http://b/"),
            ("http://a/", "//b/"),
            ("http://a/", "http://a.b/"),
            ("http://a/", "http://a:8080/"),
            ("http://a:8080/", "https://a:8080/"),
            ("http://a:8080/", "https://a/"),
            ("https://a/", "http://a/"),
            ("https://a/", "ftp://a/"),
            ("https://a/", "https://ann@a/"),
            ("http://a/", "file:///etc/passwd"),
        ] {
            assert!(!same(from, to), "{from} {to}");
        }
    }

    #[test]
    fn methods_after_a_redirect() {
        let get =
            |status, method: Method| becomes_get(StatusCode::from_u16(status).unwrap(), &method);
        assert!(get(303, Method::POST) && get(303, Method::PUT) && !get(303, Method::HEAD));
        assert!(get(301, Method::POST) && get(302, Method::POST) && !get(302, Method::PUT));
        assert!(!get(307, Method::POST) && !get(308, Method::POST));
    }
}
