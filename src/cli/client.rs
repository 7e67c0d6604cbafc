//! Talks to the daemon, for every command that needs one.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Exit;
use crate::clock;
use crate::config::{DEFAULT_PORT, Environment};

/// How long it may take to get through to the daemon.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest answer that is taken, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// The largest file with a token, in bytes.
const MAX_TOKEN: u64 = 4096;

/// Where the socket of a daemon of the system is.
const SYSTEM_SOCKET: &str = "/run/punctual/punctual.sock";

/// Where the daemon is, and how to show who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Connect {
    /// The daemon: `http://HOST:PORT` or `unix:/path` [default: its Unix socket, then 127.0.0.1:7878]
    #[arg(long, env = "PUNCTUAL_SERVER", value_name = "URL")]
    server: Option<String>,

    /// A file that holds the token; the token itself may be in $`PUNCTUAL_TOKEN`
    #[arg(long, env = "PUNCTUAL_TOKEN_FILE", value_name = "PATH")]
    token_file: Option<PathBuf>,
}

/// Why the daemon gave no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The server's name.
    #[error("{0:?} is no server: write `http://HOST:PORT` or `unix:/path`")]
    Server(String),
    /// The file of the token.
    #[error("the token cannot be read from {}: {why}", path.display())]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// What should be a token.
    #[error("what stands in {0} is no token: it is one line of letters, digits and signs")]
    Token(String),
    /// No daemon answers.
    #[error(
        "the daemon is not reachable: {0}; start it with `punctual serve`, or name its address with \
         --server"
    )]
    Unreachable(String),
    /// It knows the caller not, or not well enough.
    #[error("{0}")]
    Unauthorised(String),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// It answered something else than it should.
    #[error("{place} answered what no daemon of this version does: {why}")]
    Garbled {
        /// Who.
        place: String,
        /// What.
        why: String,
    },
    /// No threads, no sockets.
    #[error("the system gives no runtime: {0}")]
    System(#[from] std::io::Error),
}

impl ClientError {
    /// Says what is wrong, on standard error.
    pub(super) fn report(&self) -> Exit {
        // Whoever closed it does not want to know.
        let _ = writeln!(std::io::stderr(), "punctual: {self}");
        match self {
            Self::Server(_) | Self::TokenFile { .. } | Self::Token(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Unauthorised(_) => Exit::Unauthorised,
            Self::Refused(_) | Self::Garbled { .. } | Self::System(_) => Exit::Failed,
        }
    }
}

/// A place where a daemon may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Server {
    Unix(PathBuf),
    /// Host and port, as in a URL.
    Tcp(String),
}

impl Server {
    fn parse(text: &str) -> Result<Self, ClientError> {
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
        if parsed.host().is_empty() || authority.contains('@') {
            return Err(refused());
        }
        Ok(Self::Tcp(match parsed.port_u16() {
            Some(_) => authority.to_owned(),
            None => format!("{authority}:80"),
        }))
    }

    /// Where to look when nobody says: the socket of the caller's own daemon, of the system's, and
    /// the default port.
    fn usual(environment: &Environment) -> Vec<Self> {
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

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}

/// A way to the daemon.
pub(super) struct Client {
    /// The first that answers is it.
    servers: Vec<Server>,
    authorization: Option<HeaderValue>,
}

/// An RFC 9457 problem, as far as it is shown.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Client {
    /// Reads where to go and who asks.
    pub(super) fn new(connect: &Connect) -> Result<Self, ClientError> {
        let servers = match &connect.server {
            Some(server) => vec![Server::parse(server)?],
            None => Server::usual(&Environment::of_process()),
        };
        Ok(Self {
            servers,
            authorization: authorization(connect.token_file.as_deref())?,
        })
    }

    /// GETs a path with its query, below `/api/v1`. On a terminal, a wait is shown.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let answer = self.exchange(Method::GET, path, patience);
            let (place, body) = shown_while(answer).await?;
            serde_json::from_slice(&body).map_err(|why| ClientError::Garbled {
                place,
                why: why.to_string(),
            })
        })
    }

    /// Who answered, and the body of a good answer.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<(String, Bytes), ClientError> {
        let mut failures = Vec::new();
        for server in &self.servers {
            let request = self.request(server, method.clone(), path);
            let place = server.to_string();
            let exchanged = match server {
                Server::Unix(path) => over(UnixStream::connect(path), request, patience).await,
                Server::Tcp(authority) => {
                    over(TcpStream::connect(authority), request, patience).await
                }
            };
            let (status, body) = match exchanged {
                Ok(answer) => answer,
                Err(Failure::NotThere(why)) => {
                    failures.push(format!("{place}: {why}"));
                    continue;
                }
                Err(Failure::Broken(why)) => {
                    return Err(ClientError::Unreachable(format!("{place}: {why}")));
                }
            };
            return judge(status, body, place);
        }
        Err(ClientError::Unreachable(failures.join("; ")))
    }

    fn request(&self, server: &Server, method: Method, path: &str) -> Request<Full<Bytes>> {
        let host = match server {
            Server::Unix(_) => "localhost",
            Server::Tcp(authority) => authority,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(HOST, host)
            .header(ACCEPT, "application/json, application/problem+json");
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::default());
        request.expect("a checked host, a path of ours and a checked token make a request")
    }
}

/// The token as a header. It never shows in a debug print.
fn authorization(file: Option<&Path>) -> Result<Option<HeaderValue>, ClientError> {
    let (token, place) = match file {
        Some(path) => {
            let read = || {
                let mut text = String::new();
                let file = std::fs::File::open(path)?;
                file.take(MAX_TOKEN).read_to_string(&mut text)?;
                Ok(text)
            };
            let text = read().map_err(|why| ClientError::TokenFile {
                path: path.to_owned(),
                why,
            })?;
            (text, path.display().to_string())
        }
        None => match std::env::var("PUNCTUAL_TOKEN") {
            Ok(text) if !text.is_empty() => (text, "$PUNCTUAL_TOKEN".to_owned()),
            _ => return Ok(None),
        },
    };
    let token = token.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(ClientError::Token(place));
    }
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| ClientError::Token(place))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

type Answer = (StatusCode, Bytes);

/// Why an exchange came to nothing.
enum Failure {
    /// Nobody is there; somebody may be elsewhere.
    NotThere(String),
    /// Somebody is there, and no answer came.
    Broken(String),
}

/// Connects, asks and takes the answer, each in bounded time.
async fn over<S>(
    connect: impl Future<Output = std::io::Result<S>>,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let late = |patience: Duration| format!("no answer in {} s", patience.as_secs());
    let stream = tokio::select! {
        stream = connect => stream.map_err(|why| Failure::NotThere(why.to_string()))?,
        () = clock::elapse(CONNECT) => return Err(Failure::NotThere(late(CONNECT))),
    };
    tokio::select! {
        answer = exchange_over(stream, request) => answer.map_err(Failure::Broken),
        () = clock::elapse(patience) => Err(Failure::Broken(late(patience))),
    }
}

async fn exchange_over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|why| why.to_string())?;
    // An error of the connection shows in the answer as well.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    let response = response.map_err(|why| why.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|why| why.to_string())?;
    connection.abort();
    Ok((status, body.to_bytes()))
}

/// Shows a person at a terminal that a wait goes on, from its first second on.
async fn shown_while<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = std::pin::pin!(answer);
    if !std::io::stderr().is_terminal() {
        return answer.await;
    }
    for second in 0_u32.. {
        // A terminal that is gone is no reason to stop waiting.
        if second > 0 {
            let _ = write!(std::io::stderr(), "\rwaiting for the daemon … {second} s");
        }
        tokio::select! {
            answer = answer.as_mut() => {
                if second > 0 {
                    let _ = write!(std::io::stderr(), "\r\x1b[K");
                }
                return answer;
            }
            () = clock::elapse(Duration::from_secs(1)) => {}
        }
    }
    answer.await
}

/// What the answer comes to.
fn judge(status: StatusCode, body: Bytes, place: String) -> Result<(String, Bytes), ClientError> {
    if status.is_success() {
        return Ok((place, body));
    }
    let detail = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => problem.detail,
        Err(_) => {
            return Err(ClientError::Garbled {
                place,
                why: format!("status {status} without a problem in it"),
            });
        }
    };
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ClientError::Unauthorised(detail),
        _ => ClientError::Refused(detail),
    })
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
            "unix:",
            "unix:p.sock",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_come_from_files_and_stay_hidden() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            authorization(Some(file.path()))
        };
        let value = read("s3cret\n").unwrap().unwrap();
        assert_eq!(value, "Bearer s3cret");
        assert!(!format!("{value:?}").contains("s3cret"));
        for bad in ["", "\n", "two words", "two\nlines", "ü"] {
            assert!(matches!(read(bad), Err(ClientError::Token(_))), "{bad:?}");
        }
        let absent = authorization(Some(Path::new("/nowhere/token")));
        assert!(matches!(absent, Err(ClientError::TokenFile { .. })));
    }

    #[test]
    fn refusals_tell_the_detail_and_the_exit_code() {
        let judged = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(status, Bytes::from(body), "unix:/s".to_owned())
        };
        let problem = r#"{"type":"x","title":"y","status":1,"detail":"send a token"}"#;
        assert!(judged(200, "{}").is_ok());
        for status in [401, 403] {
            let error = judged(status, problem).unwrap_err();
            assert!(matches!(&error, ClientError::Unauthorised(d) if d == "send a token"));
        }
        assert!(matches!(judged(404, problem), Err(ClientError::Refused(_))));
        assert!(matches!(
            judged(502, "<html>"),
            Err(ClientError::Garbled { .. })
        ));
    }
}
