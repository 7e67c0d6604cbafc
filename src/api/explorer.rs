//! A page on which each call of the API can be looked at and tried. All of it is served by the
//! daemon.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::asked::{Asked, Nothing};

/// What the page may load and ask: the daemon alone. Icons stand in its styles as data.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
pub(super) struct File {
    kind: &'static str,
    bytes: &'static [u8],
    zipped: bool,
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(self.kind);
        let policy = HeaderValue::from_static(POLICY);
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        let mut response = (headers, self.bytes).into_response();
        if self.zipped {
            let gzip = HeaderValue::from_static("gzip");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }
}

/// GET `/docs`
pub(super) async fn page(_: Asked<Nothing>) -> File {
    File {
        kind: "text/html; charset=utf-8",
        bytes: include_bytes!("explorer/index.html"),
        zipped: false,
    }
}

/// GET `/docs/`
pub(super) async fn elsewhere(_: Asked<Nothing>) -> Redirect {
    Redirect::permanent("/docs")
}

/// GET `/docs/explorer.js`
pub(super) async fn start(_: Asked<Nothing>) -> File {
    File {
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("explorer/explorer.js"),
        zipped: false,
    }
}

/// GET `/docs/swagger-ui.js`
pub(super) async fn script(_: Asked<Nothing>) -> File {
    File {
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("explorer/swagger-ui-bundle.js.gz"),
        zipped: true,
    }
}

/// GET `/docs/swagger-ui.css`
pub(super) async fn style(_: Asked<Nothing>) -> File {
    File {
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("explorer/swagger-ui.css.gz"),
        zipped: true,
    }
}
