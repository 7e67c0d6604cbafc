//! The daemon as it is shipped, and a client that keeps its connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use punctual::clock;

use crate::world::World;

/// A daemon that runs until it is dropped.
pub struct Daemon {
    process: Child,
    port: u16,
    socket: std::path::PathBuf,
}

impl Daemon {
    /// Starts it on the world's ledger, and waits until it is ready.
    pub fn start(world: &World, busy: bool) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = world.path().join("config.toml");
        std::fs::write(&config, world.config(port, busy)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_punctual"))
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config)
            .env("RUNTIME_DIRECTORY", world.path().join("run"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"ready\"") {
            line.clear();
            let read = log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the daemon did not start");
        }
        // The rest is read and dropped, so that a full pipe never holds the daemon.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let daemon = Self {
            process,
            port,
            socket: world.path().join("s"),
        };
        let mut client = daemon.connect();
        while client.ask("GET", "/readyz").status != 200 {
            pause(Duration::from_millis(50));
        }
        daemon
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(stream, format!("127.0.0.1:{}", self.port))
    }

    pub fn connect_unix(&self) -> Client<UnixStream> {
        let stream = UnixStream::connect(&self.socket).unwrap();
        Client::new(stream, "localhost".to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.process.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap();
    }
}

/// One connection, one request at a time.
pub struct Client<S> {
    stream: S,
    host: String,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub bytes: usize,
    /// From before the first byte of the request to behind the last of the answer.
    pub took: Duration,
}

impl<S: Read + Write> Client<S> {
    fn new(stream: S, host: String) -> Self {
        Self {
            stream,
            host,
            buffer: vec![0; 1 << 20],
        }
    }

    pub fn ask(&mut self, method: &str, target: &str) -> Answer {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let begun = clock::monotonic();
        self.stream.write_all(head.as_bytes()).unwrap();
        let mut filled = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| filled < whole) {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert_ne!(read, 0, "the daemon closed the connection");
            filled += read;
            whole = whole.or_else(|| size(&self.buffer[..filled]));
        }
        let took = begun.elapsed();
        let status = std::str::from_utf8(&self.buffer[9..12]).unwrap();
        Answer {
            status: status.parse().unwrap(),
            bytes: filled,
            took,
        }
    }
}

/// The size of head and body, once the head is there.
fn size(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    Some(end + body.expect("answers have a length"))
}

/// Lets some time pass.
pub fn pause(span: Duration) {
    let (_keep, silence) = mpsc::channel::<()>();
    let _ = silence.recv_timeout(span);
}
