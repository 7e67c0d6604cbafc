//! Talks to the daemon, for every command that needs one.

mod connection;
mod error;
mod event_stream;
mod list;
mod request;
mod server;
mod token;
mod variable;

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::clock;
use crate::config::Environment;
use connection::{Failure, Opened};
use event_stream::EventStream;
use request::Ask;
use server::Server;
use variable::variable;

pub(super) use error::ClientError;
pub(super) use event_stream::ServerEvent;
pub(super) use request::Query;

/// How long an answer may take that should come at once: a little longer than the daemon allows
/// itself.
pub(super) const PROMPT: Duration = Duration::from_secs(35);

/// How long a stream may be silent. The daemon sends a sign of life more often.
const SILENCE: Duration = Duration::from_mins(1);

/// How often a stream that broke is asked for again before that is given up, a second apart.
const TRIES: u32 = 30;

/// Where the daemon is, and how to show who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Connect {
    #[arg(
        long,
        value_name = "URL",
        help = "The daemon: `http://HOST:PORT` or `unix:/path` [default: $PUNCTUAL_SERVER, else its \
                Unix socket, then 127.0.0.1:7878]"
    )]
    server: Option<String>,

    #[arg(
        long,
        value_name = "PATH",
        help = "A file that holds the token [default: $PUNCTUAL_TOKEN_FILE, else the token in \
                $PUNCTUAL_TOKEN]"
    )]
    token_file: Option<PathBuf>,
}

/// A way to the daemon.
pub(super) struct Client {
    /// The first that answers is it.
    servers: Vec<Server>,
    authorization: Option<HeaderValue>,
    runtime: Runtime,
}

/// A good answer.
pub(super) struct Reply {
    place: String,
    /// The JSON as it came.
    pub text: String,
}

impl Reply {
    /// What the answer says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        read(&self.text, &self.place)
    }
}

fn read<T: DeserializeOwned>(text: &str, place: &str) -> Result<T, ClientError> {
    serde_json::from_str(text).map_err(|why| ClientError::Garbled {
        place: place.to_owned(),
        why: why.to_string(),
    })
}

impl Client {
    /// Reads where to go and who asks.
    pub(super) fn new(connect: &Connect) -> Result<Self, ClientError> {
        let servers = match (&connect.server, variable("PUNCTUAL_SERVER")) {
            (Some(named), _) => vec![Server::parse(named)?],
            (None, Some(named)) => vec![Server::parse_bytes(&named)?],
            (None, None) => Server::usual(&Environment::of_process()),
        };
        let token_file = connect.token_file.clone();
        let token_file = token_file.or_else(|| variable("PUNCTUAL_TOKEN_FILE").map(PathBuf::from));
        Ok(Self {
            servers,
            authorization: token::authorization(token_file.as_deref())?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// GETs a path with its query. On a terminal, a wait is shown.
    pub(super) fn get(&self, path: &str, patience: Duration) -> Result<Reply, ClientError> {
        let ask = Ask::get(path, request::JSON);
        self.runtime.block_on(self.exchange(&ask, patience))
    }

    /// POSTs JSON to a path.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Reply, ClientError> {
        let ask = Ask::post(path, body);
        self.runtime.block_on(self.exchange(&ask, PROMPT))
    }

    /// GETs a text of any length and gives it piece by piece, until that breaks off.
    pub(super) fn copy(
        &self,
        path: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.runtime.block_on(async {
            let ask = Ask::get(path, request::TEXT);
            let mut opened = shown_while(self.open(&ask, PROMPT)).await?;
            while let Some(piece) = opened.next(PROMPT).await? {
                if each(&piece).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Listens to a stream of events, until `each` breaks off. A stream that breaks is taken up
    /// again where it was, as long as the daemon is not away for more than half a minute.
    pub(super) fn listen(
        &self,
        path: &str,
        each: &mut dyn FnMut(&ServerEvent) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.runtime.block_on(async {
            let mut listening = Listening::default();
            loop {
                let failed = match self.hear(path, &mut listening, each).await {
                    Ok(ControlFlow::Break(())) => return Ok(()),
                    // It closed the stream, which it does when it stops.
                    Ok(ControlFlow::Continue(())) => false,
                    Err(error) if !listening.may_try_again(&error) => return Err(error),
                    Err(_) => true,
                };
                if failed && listening.failures == 1 {
                    let text = "punctual: the daemon is away; waiting for it to come back";
                    // Without standard error there is nobody to tell.
                    let _ = writeln!(std::io::stderr(), "{text}");
                }
                listening.failures += 1;
                clock::elapse(Duration::from_secs(1)).await;
            }
        })
    }

    /// Listens once, until `each` or the stream breaks off.
    async fn hear(
        &self,
        path: &str,
        listening: &mut Listening,
        each: &mut dyn FnMut(&ServerEvent) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ClientError> {
        let mut stream = EventStream::behind(listening.last.clone());
        let ask = Ask::listen(path, listening.last.as_deref());
        let mut opened = shown_while(self.open(&ask, PROMPT)).await?;
        listening.was_heard = true;
        while let Some(piece) = opened.next(SILENCE).await? {
            let events = stream.feed(&piece).map_err(|_| ClientError::Garbled {
                place: opened.place.clone(),
                why: "an event without end".to_owned(),
            })?;
            listening.failures = 0;
            listening.last = stream.place().map(str::to_owned);
            if events.iter().any(|event| each(event).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The whole of a good answer.
    async fn exchange(&self, ask: &Ask<'_>, patience: Duration) -> Result<Reply, ClientError> {
        let exchanged = async {
            let mut answer = self.open(ask, patience).await?;
            let body = answer.whole(patience).await?;
            let text = String::from_utf8(body).map_err(|_| ClientError::Garbled {
                place: answer.place.clone(),
                why: "bytes that are no text".to_owned(),
            })?;
            Ok(Reply {
                place: answer.place.clone(),
                text,
            })
        };
        shown_while(exchanged).await
    }

    /// Asks, and waits for the head of a good answer.
    async fn open(&self, ask: &Ask<'_>, patience: Duration) -> Result<Opened, ClientError> {
        let mut failures = Vec::new();
        for server in &self.servers {
            let request = ask.request(server, self.authorization.as_ref());
            let place = server.to_string();
            match connection::open(server, request, patience).await {
                Ok(opened) if opened.status().is_success() => return Ok(opened),
                Ok(mut opened) => {
                    let body = opened.whole(patience).await?;
                    return Err(error::of_answer(opened.status(), &body, place));
                }
                Err(Failure::NotThere(why)) => failures.push(format!("{place}: {why}")),
                Err(Failure::Broken(why)) => {
                    return Err(ClientError::Unreachable(format!("{place}: {why}")));
                }
            }
        }
        Err(ClientError::Unreachable(failures.join("; ")))
    }
}

/// How far a stream was listened to.
#[derive(Debug, Default)]
struct Listening {
    /// Where to go on.
    last: Option<String>,
    /// Whether it was there at all.
    was_heard: bool,
    /// How often it has not been there since it was heard.
    failures: u32,
}

impl Listening {
    /// Whether this passes by itself.
    fn may_try_again(&self, error: &ClientError) -> bool {
        let passes = match error {
            ClientError::Unreachable(_) => true,
            ClientError::Refused(refused) => refused.status == StatusCode::SERVICE_UNAVAILABLE,
            _ => false,
        };
        passes && self.was_heard && self.failures <= TRIES
    }
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
