//! One connection and one answer, in bounded time and space.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::ClientError;
use super::server::Server;
use crate::clock;

/// How long it may take to get through to the daemon.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest answer that is taken whole, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody is there; somebody may be elsewhere.
    NotThere(String),
    /// Somebody is there, and no answer came.
    Broken(String),
}

/// An answer that has begun. Its connection goes with it.
pub(super) struct Opened {
    /// Who answers.
    pub place: String,
    response: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Opened {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The next piece of the answer, which takes at most so long; none: that was all.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = tokio::select! {
                frame = self.response.body_mut().frame() => frame,
                () = clock::elapse(patience) => return Err(self.lost(&late(patience))),
            };
            match frame {
                None => return Ok(None),
                Some(Err(why)) => return Err(self.lost(&why.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// The whole answer, which takes at most so long.
    pub(super) async fn whole(&mut self, patience: Duration) -> Result<Vec<u8>, ClientError> {
        let read = async {
            let mut bytes = Vec::new();
            while let Some(piece) = self.next(patience).await? {
                if bytes.len() + piece.len() > MAX_ANSWER {
                    return Err(self.lost("its answer is too large"));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes)
        };
        let read = tokio::select! {
            read = read => Some(read),
            () = clock::elapse(patience) => None,
        };
        read.unwrap_or_else(|| Err(self.lost(&late(patience))))
    }

    /// The error of an answer that broke off.
    fn lost(&self, why: &str) -> ClientError {
        ClientError::Unreachable(format!("{}: {why}", self.place))
    }
}

/// Connects and asks; the head of the answer takes at most `patience`.
pub(super) async fn open(
    server: &Server,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<Opened, Failure> {
    let (response, connection) = match server {
        Server::Unix(path) => over(UnixStream::connect(path), request, patience).await?,
        Server::Tcp(authority) => over(TcpStream::connect(authority), request, patience).await?,
    };
    Ok(Opened {
        place: server.to_string(),
        response,
        connection,
    })
}

async fn over<S>(
    connect: impl Future<Output = std::io::Result<S>>,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<(Response<Incoming>, JoinHandle<()>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = tokio::select! {
        stream = connect => stream.map_err(|why| Failure::NotThere(why.to_string()))?,
        () = clock::elapse(CONNECT) => return Err(Failure::NotThere(late(CONNECT))),
    };
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|why| Failure::Broken(why.to_string()))?;
    let connection = tokio::spawn(async move {
        // Its error shows in the answer as well.
        let _ = connection.await;
    });
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer.map_err(|why| why.to_string()),
        () = clock::elapse(patience) => Err(late(patience)),
    };
    match answer {
        Ok(response) => Ok((response, connection)),
        Err(why) => {
            connection.abort();
            Err(Failure::Broken(why))
        }
    }
}

fn late(patience: Duration) -> String {
    format!("no answer in {} s", patience.as_secs())
}
