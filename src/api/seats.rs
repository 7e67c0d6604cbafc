//! Seats for those who stay: event streams, followed output, requests that wait for a run. They are
//! fewer than connections, so that whoever stays leaves room for those who come and go.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Peer;
use super::error::{Kind, Problem};

/// How many may stay over TCP.
const TCP: usize = 256;

/// How many may stay over the Unix socket.
const UNIX: usize = 48;

/// All seats.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    tcp: Arc<Semaphore>,
    unix: Arc<Semaphore>,
}

/// A seat, free again when dropped.
#[derive(Debug)]
pub(super) struct Seat(#[allow(dead_code, reason = "held, never looked at")] OwnedSemaphorePermit);

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            tcp: Arc::new(Semaphore::new(TCP)),
            unix: Arc::new(Semaphore::new(UNIX)),
        }
    }

    /// A seat for a client that came in this way.
    pub(super) fn take(&self, peer: Peer) -> Result<Seat, Problem> {
        let (seats, all) = match peer {
            Peer::Tcp { .. } => (&self.tcp, TCP),
            Peer::Unix { .. } => (&self.unix, UNIX),
        };
        seats.clone().try_acquire_owned().map(Seat).map_err(|_| {
            let detail = format!(
                "{all} streams and waiting requests are open, and there are no more; close one, \
                 or ask from time to time instead"
            );
            Problem::new(Kind::Busy, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_door_by_door() {
        let seats = Seats::new();
        let unix = Peer::Unix { uid: None };
        let mut taken: Vec<_> = (0..UNIX).map(|_| seats.take(unix).unwrap()).collect();
        assert!(seats.take(unix).is_err());
        let local = ([127, 0, 0, 1], 1).into();
        assert!(
            seats
                .take(Peer::Tcp {
                    local,
                    remote: local
                })
                .is_ok()
        );
        taken.pop();
        assert!(seats.take(unix).is_ok());
    }
}
