//! The client that all HTTP jobs share: its connections, names and certificates.

use std::error::Error as StdError;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use tokio::sync::Semaphore;

/// How long connecting may take, names and certificates included.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How long a connection is kept for the next request. Servers close theirs after 5 s or more; one
/// that closes at the moment at which a request goes out would fail that request.
const IDLE_WITHIN: Duration = Duration::from_secs(4);

/// How many idle connections are kept to one host.
const IDLE_PER_HOST: usize = 8;

/// How many names are looked up at once. A lookup holds a thread until the system gives up, and
/// threads are for others too.
const LOOKUPS: usize = 32;

/// What talks to servers. A cheap handle.
#[derive(Debug, Clone)]
pub(in crate::runner) struct Client {
    pub(super) inner: reqwest::Client,
    /// Whether this machine has certificates of any authority.
    pub(super) has_roots: bool,
}

impl Client {
    /// Reads the certificates of the machine's authorities: `$SSL_CERT_FILE` and `$SSL_CERT_DIR`,
    /// else the places where distributions keep them.
    pub(in crate::runner) fn new() -> Result<Self, String> {
        let roots = roots();
        let has_roots = !roots.is_empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("punctual/", env!("CARGO_PKG_VERSION")))
            // Redirects are followed by our own rule, and proxies are asked for by nobody.
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .dns_resolver(Names(Arc::new(Semaphore::new(LOOKUPS))))
            .build()
            .map_err(|why| why.to_string())?;
        Ok(Self { inner, has_roots })
    }
}

fn roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for why in found.errors {
        tracing::warn!(%why, "a certificate of this machine's authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::warn!(ignored, "certificates of authorities are malformed");
    }
    roots
}

/// The system's resolver, a bounded number of lookups at once.
#[derive(Debug)]
struct Names(Arc<Semaphore>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let places = Arc::clone(&self.0);
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            let looked_up = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                // Only now: whoever waited for it may have gone.
                drop(place);
                found
            });
            let addresses: Vec<SocketAddr> = match looked_up.await? {
                Ok(addresses) => addresses.collect(),
                Err(why) => return Err(Box::new(NoAddress(why)) as Box<dyn StdError + Send + Sync>),
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A name has no address, or it could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAddress(pub(super) io::Error);
