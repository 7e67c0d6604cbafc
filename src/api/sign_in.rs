//! What a browser gets instead of a 401: a page that asks for a token, and its script and style.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, Nothing};

/// What the page may do: run its script and speak to its own daemon, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Whether whoever asks would rather have a page than a problem.
pub(super) fn is_wanted(method: &Method, headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut ranges = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let is_html = |range: &str| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    };
    matches!(*method, Method::GET | Method::HEAD) && ranges.any(is_html)
}

/// The page in place of the body of an answer.
pub(super) fn instead_of(refused: &Response) -> Response {
    let mut page = file(
        "text/html; charset=utf-8",
        include_str!("sign_in/page.html"),
    );
    *page.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = page.headers_mut();
    if let Some(scheme) = refused.headers().get(header::WWW_AUTHENTICATE) {
        headers.insert(header::WWW_AUTHENTICATE, scheme.clone());
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    page
}

/// GET `/sign-in.js`
pub(super) async fn script(_: Asked<Nothing>) -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("sign_in/sign-in.js"),
    )
}

/// GET `/sign-in.css`
pub(super) async fn style(_: Asked<Nothing>) -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("sign_in/sign-in.css"),
    )
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &'static str); 1] = [(header::CONTENT_TYPE, kind)];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_programs_do_not() {
        let wanted = |method: Method, accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            is_wanted(&method, &headers)
        };
        let browser = Some("text/html,application/xhtml+xml,*/*;q=0.8");
        assert!(wanted(Method::GET, browser) && wanted(Method::HEAD, browser));
        assert!(!wanted(Method::POST, browser));
        for program in [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("text/htmlx"),
        ] {
            assert!(!wanted(Method::GET, program), "{program:?}");
        }
    }

    #[test]
    fn the_page_has_nothing_of_its_own_that_its_policy_forbids() {
        let page = include_str!("sign_in/page.html");
        for forbidden in [
            "<style",
            "style=",
            " on",
            "javascript:",
            "http:",
            "https:",
            "data:",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("<script src=\"/sign-in.js\" defer></script>"));
    }
}
