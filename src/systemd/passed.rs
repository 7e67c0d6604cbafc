//! Sockets that the service manager opened for us.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::sockopt;

/// The first descriptor that is passed.
const FIRST: usize = 3;

/// Listening sockets that were passed (`LISTEN_FDS`), not blocking, closed on exec.
#[derive(Debug, Default)]
pub struct Passed {
    /// TCP.
    pub tcp: Vec<TcpListener>,
    /// Unix.
    pub unix: Vec<UnixListener>,
}

/// What was passed is nothing that the API can listen on.
#[derive(Debug, thiserror::Error)]
#[error(
    "descriptor {descriptor} of {count} that the service manager passed is no listening TCP or \
     Unix stream socket{}; let the socket unit have ListenStream= lines and Accept=no alone",
    why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
)]
pub struct PassedError {
    descriptor: usize,
    count: usize,
    why: Option<std::io::Error>,
}

impl Passed {
    /// Takes what was passed to this very process, once.
    ///
    /// Must be called before there are other threads: it removes `LISTEN_PID` and `LISTEN_FDS`
    /// from the environment.
    pub fn take() -> Result<Self, PassedError> {
        let ours =
            std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
        if !ours {
            return Ok(Self::default());
        }
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        let mut passed = Self::default();
        for index in 0..count {
            let refused = |why| PassedError {
                descriptor: FIRST + index,
                count,
                why,
            };
            // Each try leaves a socket of the other kind alone.
            if let Ok(Some(socket)) = sockets.take_unix_listener(index) {
                usable(&socket).map_err(refused)?;
                socket
                    .set_nonblocking(true)
                    .map_err(|why| refused(Some(why)))?;
                passed.unix.push(socket);
            } else if let Some(socket) = sockets
                .take_tcp_listener(index)
                .map_err(|_| refused(None))?
            {
                usable(&socket).map_err(refused)?;
                socket
                    .set_nonblocking(true)
                    .map_err(|why| refused(Some(why)))?;
                passed.tcp.push(socket);
            }
        }
        Ok(passed)
    }
}

fn usable(socket: &impl AsFd) -> Result<(), Option<std::io::Error>> {
    match sockopt::socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err(None),
        Err(error) => Err(Some(error.into())),
    }
}
