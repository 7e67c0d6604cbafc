//! A web server for tests: each connection is a thread, and the test says byte by byte what it
//! answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Both directions of a connection.
pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A request, names of headers in lower case.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A server on loopback; its threads end with the process.
pub struct Server {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers each request by what `answer` writes; the connection goes on while it says true.
    pub fn start(answer: impl Fn(&Asked, &mut dyn Wire) -> bool + Send + Sync + 'static) -> Self {
        Self::with(answer, |stream| Some(Box::new(stream)))
    }

    /// The same over TLS, with the certificate for `localhost`.
    pub fn secure(answer: impl Fn(&Asked, &mut dyn Wire) -> bool + Send + Sync + 'static) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
        let certificate = CertificateDer::from_pem_file(format!("{folder}/server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(format!("{folder}/server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        Self::with(answer, move |stream| {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(rustls::StreamOwned::new(session, stream)))
        })
    }

    /// Answers every request with these bytes, and closes.
    #[allow(dead_code, reason = "not every suite has hostile servers")]
    pub fn saying(bytes: &'static [u8]) -> Self {
        Self::start(move |_, wire| {
            // The client may have enough of it, and go.
            let _ = wire.write_all(bytes);
            false
        })
    }

    fn with(
        answer: impl Fn(&Asked, &mut dyn Wire) -> bool + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            asked: Arc::default(),
        };
        let (connections, asked) = (server.connections.clone(), server.asked.clone());
        let (answer, wrap) = (Arc::new(answer), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                let (asked, answer, wrap) = (asked.clone(), answer.clone(), wrap.clone());
                std::thread::spawn(move || {
                    let Some(wire) = wrap(stream) else { return };
                    let mut wire = BufReader::new(wire);
                    while let Some(request) = read(&mut wire) {
                        asked.lock().unwrap().push(request.clone());
                        if !answer(&request, wire.get_mut()) {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// An address on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many connections there were.
    #[allow(dead_code, reason = "not every suite counts them")]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers well, and lets the connection go on.
pub fn answer(wire: &mut dyn Wire, status: &str, body: &str) -> bool {
    let length = body.len();
    write!(
        wire,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .is_ok()
}

/// Waits until the client has closed the connection.
pub fn closed(wire: &mut dyn Wire) {
    // What it says meanwhile is of no interest, nor how it goes.
    let _ = std::io::copy(wire, &mut std::io::sink());
}

fn read(wire: &mut BufReader<Box<dyn Wire>>) -> Option<Asked> {
    let mut line = String::new();
    wire.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        line.clear();
        wire.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        asked
            .headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = asked.headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    wire.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}
