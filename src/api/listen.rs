//! Where the API listens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpSocket};

use super::socket::Socket;
use crate::config::Server;

/// Connections that the system keeps waiting.
pub(super) const BACKLOG: u32 = 1_024;

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A TCP address.
    #[error("the API cannot listen on {address}: {why}{}", hint(why))]
    Address {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        why: io::Error,
    },
    /// The Unix socket.
    #[error("the API cannot listen on the Unix socket {}: {why}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The Unix socket belongs to a daemon that lives.
    #[error(
        "another daemon listens on the Unix socket {}; stop it, or give this one its own \
         `unix_socket` in [server]", path.display()
    )]
    SocketInUse {
        /// Which.
        path: PathBuf,
    },
    /// The place of the Unix socket holds something else.
    #[error(
        "{} is there already and is no socket; move it away, or name another `unix_socket` in \
         [server]", path.display()
    )]
    NoSocket {
        /// Which.
        path: PathBuf,
    },
}

fn hint(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or change `listen` in [server]"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine does not have that address: change `listen` in [server]"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege: change `listen` in [server]"
        }
        _ => "",
    }
}

/// All that the API listens on.
#[derive(Debug)]
pub struct Listeners {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Socket,
}

impl Listeners {
    /// Begins to listen on everything that the config names, or on nothing. Nobody is answered
    /// before [`super::serve`].
    ///
    /// Must be called on the runtime that serves.
    #[allow(
        clippy::unused_async,
        reason = "it needs a runtime, and says so by being async"
    )]
    pub async fn bind(settings: &Server) -> Result<Self, ApiError> {
        let tcp = settings.listen.iter().map(|&address| {
            tcp(address, &settings.listen).map_err(|why| ApiError::Address { address, why })
        });
        Ok(Self {
            tcp: tcp.collect::<Result<_, _>>()?,
            unix: Socket::bind(&settings.unix_socket, settings.unix_socket_mode)?,
        })
    }
}

fn tcp(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // `[::]` takes IPv4 as well, unless that has its own line.
    let same_port = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
    if address.is_ipv6() && all.iter().any(same_port) {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
