//! Where a daemon may be.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::ClientError;
use crate::config::{DEFAULT_PORT, Environment};

/// Where the socket of a daemon of the system is.
const SYSTEM_SOCKET: &str = "/run/punctual/punctual.sock";

/// A place where a daemon may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    Unix(PathBuf),
    /// Host and port, as in a URL.
    Tcp(String),
}

impl Server {
    /// As [`Server::parse`], of what may not be text.
    pub(super) fn parse_bytes(bytes: &OsStr) -> Result<Self, ClientError> {
        match bytes.to_str() {
            Some(text) => Self::parse(text),
            None => Err(ClientError::Server(bytes.to_string_lossy().into_owned())),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Server(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(refused())
            };
        }
        let authority = text.strip_prefix("http://").ok_or_else(refused)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| refused())?;
        let port = authority.strip_prefix(parsed.host());
        match port.map(|port| port.strip_prefix(':').ok_or(port)) {
            _ if parsed.host().is_empty() => Err(refused()),
            Some(Err("")) => Ok(Self::Tcp(format!("{authority}:80"))),
            Some(Ok(port)) if is_port(port) => Ok(Self::Tcp(authority.to_owned())),
            // A port that is none, or a user's name before the host.
            _ => Err(refused()),
        }
    }

    /// Where to look when nobody says: the socket of the caller's own daemon, of the system's, and
    /// the default port.
    pub(super) fn usual(environment: &Environment) -> Vec<Self> {
        let own = environment.runtime_folder();
        let own = own.map(|folder| folder.join("punctual.sock"));
        let system = PathBuf::from(SYSTEM_SOCKET);
        let system = Some(system).filter(|system| own.as_ref() != Some(system));
        let sockets = own.into_iter().chain(system).map(Self::Unix);
        sockets
            .chain([Self::Tcp(format!("127.0.0.1:{DEFAULT_PORT}"))])
            .collect()
    }
}

fn is_port(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_urls_or_sockets() {
        let tcp = |authority: &str| Server::Tcp(authority.to_owned());
        for (text, expected) in [
            ("http://127.0.0.1:7878", tcp("127.0.0.1:7878")),
            ("http://127.0.0.1:7878/", tcp("127.0.0.1:7878")),
            ("http://[::1]:1", tcp("[::1]:1")),
            ("http://[::1]", tcp("[::1]:80")),
            (
                "http://punctual.example.org",
                tcp("punctual.example.org:80"),
            ),
            ("unix:/run/p.sock", Server::Unix("/run/p.sock".into())),
            ("unix:///run/p.sock", Server::Unix("/run/p.sock".into())),
        ] {
            assert_eq!(Server::parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "127.0.0.1:7878",
            "https://x",
            "http://",
            "http://:80",
            "http://a b",
            "http://user:secret@host",
            "http://host/api",
            "http://localhost:99999",
            "http://localhost:65536/",
            "http://127.0.0.1:",
            "http://[::1]:",
            "http://host:+80",
            "http://host:80:80",
            "unix:",
            "unix:p.sock",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }
}
