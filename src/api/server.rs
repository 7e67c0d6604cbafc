//! Connections: how many, how long, and how they end. Whatever a client does or leaves undone costs
//! a bounded amount of memory for a bounded time.
//!
//! - The head of a request, and the wait for the next one, have [`HEAD`]; a body has its own time
//!   (`asked`), an answer too (`super::within`), and so has its delivery (`patience`).
//! - Beyond [`CONNECTIONS`] a few more are told so, the rest is closed. The Unix socket has its own,
//!   so that nobody on the network can lock out who looks after the daemon.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::access::Peer;
use super::listen::Listeners;
use super::patience::Patient;
use super::socket::Socket;
use crate::clock;

/// Connections over TCP at once.
const CONNECTIONS: usize = 1_024;

/// Connections over the Unix socket at once.
const UNIX_CONNECTIONS: usize = 64;

/// Connections at once that are told that there are too many.
const REFUSALS: usize = 64;

/// How long the head of a request may take, and how long a connection may be idle before it.
const HEAD: Duration = Duration::from_secs(10);

/// The same for a connection that is only told to come back.
const REFUSED_HEAD: Duration = Duration::from_secs(2);

/// The largest head that hyper reads, in bytes; `head` bounds what is answered.
const MAX_HEAD: usize = 64 * 1024;

/// The most headers that hyper reads.
const MAX_HEADERS: usize = 256;

/// After this a connection takes no further request, so that a client that keeps busy gives its
/// place to others now and then.
const LIFE: Duration = Duration::from_mins(10);

/// How long requests that are under way may take once the API is to end.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a connection that has asked nothing yet may take to do so once the API is to end.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// What all listeners share.
#[derive(Clone)]
struct Shared {
    app: Router,
    busy: Router,
    refusals: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop`.
pub(super) async fn run(
    listeners: Listeners,
    app: Router,
    busy: Router,
    stopper: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
    stop: impl Future<Output = ()> + Send,
) {
    let shared = Shared {
        app,
        busy,
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        stopping,
    };
    let places = Arc::new(Semaphore::new(connections()));
    let mut doors = JoinSet::new();
    for listener in listeners.tcp {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "the API listens");
        }
        doors.spawn(keep(listener, places.clone(), shared.clone()));
    }
    let unix_places = Arc::new(Semaphore::new(UNIX_CONNECTIONS));
    for socket in listeners.unix {
        doors.spawn(keep(socket, unix_places.clone(), shared.clone()));
    }
    stop.await;
    stopper.send_replace(true);
    while let Some(ended) = doors.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a listener of the API died");
        }
    }
}

/// How many connections over TCP there may be, so that most descriptors are left for jobs.
fn connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let share = limit.and_then(|limit| usize::try_from(limit / 4).ok());
    let places = share.map_or(CONNECTIONS, |share| share.clamp(1, CONNECTIONS));
    if places < CONNECTIONS {
        tracing::warn!(
            places,
            "the limit on open files is low, so the API takes few connections at once; raise it \
             (LimitNOFILE=)"
        );
    }
    places
}

/// Something that connections come in by.
trait Door: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, remote) = Self::accept(self).await?;
        let local: SocketAddr = stream.local_addr()?;
        // A client that vanished without a word is noticed within two minutes.
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, Duration::from_mins(1))?;
        sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(15))?;
        sockopt::set_tcp_keepcnt(&stream, 4)?;
        Ok((stream, Peer::Tcp { local, remote }))
    }
}

impl Door for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        Ok((stream, Peer::Unix { uid }))
    }
}

/// Takes connections until the API is to end, then waits for them, for a while.
async fn keep<D: Door>(door: D, places: Arc<Semaphore>, shared: Shared) {
    let mut stopping = shared.stopping.clone();
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = Door::accept(&door) => accepted,
            // A sender that is gone means the same.
            _ = stopping.wait_for(|&stopping| stopping) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                admit(stream, peer, &places, &shared, &mut connections);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the API takes no connections for the moment");
                }
                failing = true;
                clock::elapse(BREATH).await;
            }
        }
    }
    drop(door);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => {}
        () = clock::elapse(DRAIN) => {
            tracing::warn!("connections of the API are cut off: they did not end in time");
        }
    }
}

/// Gives a connection a place, or a word that there is none.
fn admit<S>(
    stream: S,
    peer: Peer,
    places: &Arc<Semaphore>,
    shared: &Shared,
    connections: &mut JoinSet<()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stopping = shared.stopping.clone();
    if let Ok(place) = places.clone().try_acquire_owned() {
        let app = shared.app.clone();
        connections.spawn(connection(stream, peer, app, HEAD, place, stopping));
    } else if let Ok(place) = shared.refusals.clone().try_acquire_owned() {
        let busy = shared.busy.clone();
        connections.spawn(connection(
            stream,
            peer,
            busy,
            REFUSED_HEAD,
            place,
            stopping,
        ));
    }
}

/// Whether an error of accepting says nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::NotConnected | Kind::InvalidInput
    )
}

/// One connection from its first byte to its last.
async fn connection<S>(
    stream: S,
    peer: Peer,
    app: Router,
    head: Duration,
    _place: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (asks, mut asked) = watch::channel(false);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        asks.send_replace(true);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        app.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    let mut served = pin!(served);
    let early = tokio::select! {
        ended = served.as_mut() => Some(ended),
        _ = stopping.wait_for(|&stopping| stopping) => None,
        () = clock::elapse(LIFE) => None,
    };
    let ended = if let Some(ended) = early {
        ended
    } else {
        // Who was let in a moment ago has its first request on the way.
        tokio::select! {
            _ = asked.wait_for(|&asked| asked) => {}
            () = clock::elapse(LAST_CALL) => {}
            ended = served.as_mut() => return told(ended, peer),
        }
        served.as_mut().graceful_shutdown();
        served.await
    };
    told(ended, peer);
}

fn told(ended: hyper::Result<()>, peer: Peer) {
    let Err(error) = ended else { return };
    if error.is_parse() {
        let from = match peer {
            Peer::Tcp { remote, .. } => Some(tracing::field::display(remote)),
            Peer::Unix { .. } => None,
        };
        tracing::info!(%error, from, "request refused: it cannot be read");
    } else {
        tracing::debug!(%error, ?peer, "a connection ended early");
    }
}
