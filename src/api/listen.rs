//! Where the API listens.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};

use super::socket::{OwnFile, Socket};
use crate::config::{Auth, Server};
use crate::systemd::Passed;

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
    /// A socket that the service manager passed cannot be used.
    #[error("a socket that the service manager passed cannot be used: {0}")]
    Passed(#[source] io::Error),
    /// A passed socket would let in anybody.
    #[error(
        "the service manager passed a socket on {address}, and with `auth = \"none\"` the API may \
         listen on loopback addresses only; use `auth = \"token\"` in [server], or ListenStream= \
         127.0.0.1 or [::1] in the socket unit"
    )]
    OpenToAll {
        /// Where it listens.
        address: SocketAddr,
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
    /// The first so many of `tcp` are the service manager's.
    passed: usize,
    pub(super) unix: Vec<Socket>,
    /// Of sockets of the life before that this one does not go on with.
    former: Vec<Arc<OwnFile>>,
}

/// A listening socket on its way to the next life of the daemon: who connects meanwhile waits in it.
#[derive(Debug)]
pub struct HandedSocket {
    /// What it is.
    pub kind: SocketKind,
    /// The socket.
    pub socket: OwnedFd,
    /// Its file stays at least as long as this.
    file: Option<Arc<OwnFile>>,
}

/// What a listening socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketKind {
    /// TCP, as the config wants it.
    Tcp,
    /// TCP, from the service manager.
    PassedTcp,
    /// A Unix socket whose file the daemon made.
    Unix,
    /// A Unix socket from the service manager.
    PassedUnix,
}

impl HandedSocket {
    /// One that came from the life before.
    pub fn new(kind: SocketKind, socket: OwnedFd) -> Self {
        Self {
            kind,
            socket,
            file: None,
        }
    }

    /// The same socket once more, its file in nobody's care.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.kind, self.socket.try_clone()?))
    }

    /// The socket alone; a file that it has stays.
    pub fn into_socket(self) -> OwnedFd {
        if let Some(file) = self.file {
            file.leave();
        }
        self.socket
    }
}

impl Listeners {
    /// Takes every socket that the service manager passed, goes on with those of the life before that
    /// the config names, and begins to listen on everything else that it names; or does nothing. Nobody is answered before [`super::serve`].
    ///
    /// Must be called on the runtime that serves.
    #[allow(
        clippy::unused_async,
        reason = "it needs a runtime, and says so by being async"
    )]
    pub async fn bind(
        settings: &Server,
        mut passed: Passed,
        handed: Vec<HandedSocket>,
    ) -> Result<Self, ApiError> {
        let (mut own_tcp, mut own_unix) = (Vec::new(), Vec::new());
        for HandedSocket { kind, socket, .. } in handed {
            match kind {
                SocketKind::Tcp => own_tcp.push(std::net::TcpListener::from(socket)),
                SocketKind::PassedTcp => passed.tcp.push(socket.into()),
                SocketKind::Unix => own_unix.push(std::os::unix::net::UnixListener::from(socket)),
                SocketKind::PassedUnix => passed.unix.push(socket.into()),
            }
        }
        let mut tcp = Vec::new();
        let mut taken = Vec::new();
        for listener in passed.tcp {
            let address = listener.local_addr().map_err(ApiError::Passed)?;
            if settings.auth == Auth::None && !address.ip().is_loopback() {
                return Err(ApiError::OpenToAll { address });
            }
            if !settings.listen.iter().any(|&named| covers(address, named)) {
                tracing::warn!(
                    %address,
                    "the service manager passed a socket that `listen` in [server] does not name; \
                     it is served all the same: take it out of the socket unit, or name it"
                );
            }
            taken.push(address);
            tcp.push(TcpListener::from_std(listener).map_err(ApiError::Passed)?);
        }
        let passed_tcp = tcp.len();
        for listener in own_tcp {
            let address = listener.local_addr().map_err(ApiError::Passed)?;
            if settings.listen.contains(&address) {
                taken.push(address);
                tcp.push(TcpListener::from_std(listener).map_err(ApiError::Passed)?);
            }
        }
        for &address in &settings.listen {
            if !taken.iter().any(|&taken| covers(taken, address)) {
                let bound = bind(address, &settings.listen);
                tcp.push(bound.map_err(|why| ApiError::Address { address, why })?);
            }
        }
        let (mut unix, mut former) = (Vec::new(), Vec::new());
        for listener in passed.unix {
            unix.push(Socket::adopt(listener).map_err(ApiError::Passed)?);
        }
        let (path, mode) = (&settings.unix_socket, settings.unix_socket_mode);
        for listener in own_unix {
            let failed = |why| ApiError::Socket {
                path: path.clone(),
                why,
            };
            let socket = Socket::of_life_before(listener).map_err(failed)?;
            if socket.is_at(path) && socket.ours.is_some() {
                socket.let_in(mode).map_err(failed)?;
                unix.push(socket);
            } else {
                former.extend(socket.ours);
            }
        }
        if !unix
            .iter()
            .any(|socket| socket.is_at(&settings.unix_socket))
        {
            unix.push(Socket::bind(
                &settings.unix_socket,
                settings.unix_socket_mode,
            )?);
        }
        Ok(Self {
            tcp,
            passed: passed_tcp,
            unix,
            former,
        })
    }

    /// The life before is over for good: its sockets' files are this one's, to be removed in the end,
    /// or now.
    pub fn look_after(&mut self) {
        let files = self.unix.iter().filter_map(|socket| socket.ours.as_ref());
        for file in files.chain(&self.former) {
            file.look_after();
        }
        self.former.clear();
    }

    /// All of them once more, to be handed over.
    pub fn to_hand_over(&self) -> io::Result<Vec<HandedSocket>> {
        let tcp = self.tcp.iter().enumerate().map(|(place, listener)| {
            let kind = if place < self.passed {
                SocketKind::PassedTcp
            } else {
                SocketKind::Tcp
            };
            Ok(HandedSocket::new(
                kind,
                listener.as_fd().try_clone_to_owned()?,
            ))
        });
        let unix = self.unix.iter().map(|socket| {
            let kind = if socket.ours.is_some() {
                SocketKind::Unix
            } else {
                SocketKind::PassedUnix
            };
            Ok(HandedSocket {
                kind,
                socket: socket.listener.as_fd().try_clone_to_owned()?,
                file: socket.ours.clone(),
            })
        });
        tcp.chain(unix).collect()
    }
}

/// Whether what comes in at `wanted` reaches a socket on `taken`, so that binding is neither needed
/// nor possible.
fn covers(taken: SocketAddr, wanted: SocketAddr) -> bool {
    let all_of_it = taken.ip().is_unspecified() && (taken.is_ipv6() || wanted.is_ipv4());
    taken.port() == wanted.port() && (taken.ip() == wanted.ip() || all_of_it)
}

fn bind(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_passed_socket_stands_for_the_addresses_that_reach_it() {
        let covers = |taken: &str, wanted: &str| {
            super::covers(taken.parse().unwrap(), wanted.parse().unwrap())
        };
        assert!(covers("127.0.0.1:7878", "127.0.0.1:7878"));
        assert!(covers("0.0.0.0:7878", "127.0.0.1:7878"));
        assert!(covers("[::]:7878", "127.0.0.1:7878"));
        assert!(covers("[::]:7878", "[::1]:7878"));
        assert!(!covers("0.0.0.0:7878", "[::1]:7878"));
        assert!(!covers("127.0.0.1:7878", "127.0.0.1:7879"));
        assert!(!covers("127.0.0.1:7878", "0.0.0.0:7878"));
    }
}
