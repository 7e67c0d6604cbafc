//! The admin API: HTTP in, commands and snapshots out.

use std::future::Future;

use crate::config::Server;
use crate::daemon::Handle;

/// Trouble with the API.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ApiError(String);

/// Bound sockets.
#[derive(Debug)]
pub struct Listeners;

impl Listeners {
    /// Binds.
    pub async fn bind(_settings: &Server) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

/// Serves.
pub async fn serve(
    _handle: Handle,
    _settings: Server,
    _listeners: Listeners,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ApiError> {
    stop.await;
    Ok(())
}
