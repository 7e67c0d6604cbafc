//! Which names a request may come under, and from which pages. Pure.
//!
//! A page elsewhere can reach a daemon on loopback through the browser of whoever looks at it: under
//! a name of its own that it points at 127.0.0.1 (DNS rebinding), or by a plain cross-site request.
//! The first is told by its `Host`, the second by `Sec-Fetch-Site` and `Origin`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, Uri, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name that a request asks for, without the port.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// Reads `host[:port]`.
fn parse(authority: &str) -> Option<Host> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if rest.is_empty() {
            None
        } else {
            Some(rest.strip_prefix(':')?)
        };
        (Host::Address(address.into()), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !host.chars().all(plain) {
            return None;
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let host = match name.parse::<IpAddr>() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(name.to_ascii_lowercase()),
        };
        (host, port)
    };
    let port_is_one = port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok());
    port_is_one.then_some(host)
}

/// Why the `Host` of a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostError {
    /// There is none, or more than one, or it is no host.
    Malformed,
    /// It is none of ours.
    Unknown(String),
}

/// Checks what a request over TCP asks for: loopback under any port, the address that the
/// connection came in by, or one of the names in the config.
pub(super) fn check(
    uri: &Uri,
    headers: &HeaderMap,
    local: SocketAddr,
    allowed: &[String],
) -> Result<(), HostError> {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        return Err(HostError::Malformed);
    };
    let host = host.to_str().map_err(|_| HostError::Malformed)?;
    // A target in absolute form names its own host, which must be no way around.
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    for authority in std::iter::once(host).chain(named) {
        let ours = match parse(authority).ok_or(HostError::Malformed)? {
            Host::Address(address) => {
                let address = address.to_canonical();
                address.is_loopback()
                    || address == local.ip().to_canonical()
                    || allowed.contains(&address.to_string())
            }
            Host::Name(name) => name == "localhost" || allowed.contains(&name),
        };
        if !ours {
            return Err(HostError::Unknown(authority.to_owned()));
        }
    }
    Ok(())
}

/// Whether a browser sends this for a page of somebody else.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.any(|origin| {
        !origin
            .to_str()
            .is_ok_and(|origin| is_origin_of(origin, host))
    })
}

/// Whether a browser says that this is for a page of ours. Of what is cross-site, nothing comes here.
pub(super) fn is_of_our_page(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    let same = site.is_some_and(|site| site.as_bytes() == b"same-origin");
    same || headers.contains_key(header::ORIGIN)
}

/// Whether it says nothing of a page, as programs do: a browser would.
pub(super) fn is_no_browsers(headers: &HeaderMap) -> bool {
    !headers.contains_key(SEC_FETCH_SITE) && !headers.contains_key(header::ORIGIN)
}

/// Whether the browser reached the page by HTTPS, through whatever stands between: it says so in
/// `Origin`, which no page can forge.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Whether a page of `origin` is one of `host`. The port counts: another port is another program.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let schemes = [("http://", ":80"), ("https://", ":443")];
    schemes.into_iter().any(|(scheme, port)| {
        let bare = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
        origin
            .strip_prefix(scheme)
            .is_some_and(|authority| !authority.is_empty() && bare(authority) == bare(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn checked(host: &str) -> Result<(), HostError> {
        let allowed = ["punctual.example.org".to_owned()];
        let local = "10.1.2.3:7878".parse().unwrap();
        check(
            &"/".parse().unwrap(),
            &request(&[("host", host)]),
            local,
            &allowed,
        )
    }

    #[test]
    fn our_own_names_are_let_in() {
        for host in [
            "localhost",
            "localhost:7878",
            "LOCALHOST:1",
            "localhost.",
            "127.0.0.1:7878",
            "127.9.9.9",
            "[::1]",
            "[::1]:7878",
            "10.1.2.3",
            "10.1.2.3:80",
            "[::ffff:10.1.2.3]:7878",
            "punctual.example.org",
            "Punctual.Example.ORG:443",
        ] {
            assert_eq!(checked(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evil.localhost",
            "127.0.0.1.evil.example",
            "10.1.2.4",
            "0.0.0.0",
            "[::2]",
            "2130706433",
            "0x7f.1",
            "example.org",
            "xpunctual.example.org",
        ] {
            assert_eq!(
                checked(host),
                Err(HostError::Unknown(host.into())),
                "{host}"
            );
        }
        for host in [
            "",
            ":80",
            "a b",
            "localhost:x",
            "localhost:99999",
            "localhost:80:80",
            "[::1",
            "[::1]x",
            "[localhost]",
            "user@localhost",
            "localhost,evil.example",
            "::1",
        ] {
            assert_eq!(checked(host), Err(HostError::Malformed), "{host}");
        }
    }

    #[test]
    fn exactly_one_host_and_no_way_around_it() {
        let local = "127.0.0.1:1".parse().unwrap();
        let plain: Uri = "/".parse().unwrap();
        assert_eq!(
            check(&plain, &request(&[]), local, &[]),
            Err(HostError::Malformed)
        );
        let two = request(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(check(&plain, &two, local, &[]), Err(HostError::Malformed));
        let absolute: Uri = "http://evil.example/".parse().unwrap();
        let one = request(&[("host", "localhost")]);
        let unknown = Err(HostError::Unknown("evil.example".into()));
        assert_eq!(check(&absolute, &one, local, &[]), unknown);
    }

    #[test]
    fn our_own_pages_say_so() {
        let ours = |headers: &[(&'static str, &str)]| is_of_our_page(&request(headers));
        assert!(
            ours(&[("origin", "http://localhost")]) && ours(&[("sec-fetch-site", "same-origin")])
        );
        assert!(!ours(&[]) && !ours(&[("sec-fetch-site", "none")]));
        let secure = |origin: &str| is_https(&request(&[("origin", origin)]));
        assert!(secure("https://p.example") && !secure("http://p.example") && !secure("null"));
        assert!(!is_https(&request(&[])));
    }

    #[test]
    fn pages_of_others_are_told_from_ours() {
        let cross = |headers: &[(&'static str, &str)]| {
            let mut all = vec![("host", "localhost:7878")];
            all.extend_from_slice(headers);
            is_cross_site(&request(&all))
        };
        assert!(!cross(&[]));
        assert!(!cross(&[("sec-fetch-site", "same-origin")]));
        assert!(!cross(&[("sec-fetch-site", "none")]));
        assert!(!cross(&[("origin", "http://localhost:7878")]));
        assert!(!cross(&[("origin", "http://LOCALHOST:7878")]));
        for site in ["cross-site", "same-site", "", "x"] {
            assert!(cross(&[("sec-fetch-site", site)]), "{site}");
        }
        for origin in [
            "null",
            "",
            "http://",
            "http://localhost",
            "http://localhost:7879",
            "http://evil.example",
            "http://localhost:7878.evil.example",
            "https://evil.example:7878",
            "ftp://localhost:7878",
            "localhost:7878",
        ] {
            assert!(cross(&[("origin", origin)]), "{origin}");
        }
        assert!(cross(&[
            ("origin", "http://localhost:7878"),
            ("origin", "http://evil.example")
        ]));
        let proxied = request(&[("host", "p.example"), ("origin", "https://p.example")]);
        assert!(!is_cross_site(&proxied));
        let default = request(&[("host", "p.example:80"), ("origin", "http://p.example")]);
        assert!(!is_cross_site(&default));
    }
}
