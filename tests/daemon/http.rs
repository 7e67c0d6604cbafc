//! HTTP by hand, so that a test can send what no client would.

use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use super::daemon::{PATIENCE, wait_until};

/// Where a daemon is spoken to.
#[derive(Debug, Clone)]
pub enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Ask {
    door: Door,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer that goes on.
pub struct Opened {
    pub head: Answer,
    lines: Lines<BufReader<Box<dyn Both>>>,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

trait Both: Read + Write {}
impl<S: Read + Write> Both for S {}

impl Opened {
    /// The next event; none: the stream has ended.
    pub fn next(&mut self) -> Option<Event> {
        let (mut id, mut kind, mut data) = (None, None, None);
        loop {
            let line = self.lines.next()?.unwrap();
            match line.split_once(": ") {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("event", value)) => kind = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                _ if line.is_empty() && data.is_some() => {
                    return Some(Event {
                        id: id.unwrap(),
                        kind: kind.unwrap(),
                        data: data.unwrap(),
                    });
                }
                _ => {}
            }
        }
    }

    /// The next event of a kind.
    pub fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next();
            let event = event.unwrap_or_else(|| panic!("the stream ended without {kind}"));
            if event.kind == kind {
                return event;
            }
        }
    }
}

impl Door {
    pub fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub fn post(&self, path: &str) -> Ask {
        self.ask("POST", path)
    }

    /// Triggers a job and returns the run's path.
    pub fn trigger(&self, job: &str) -> String {
        let answer = self.post(&format!("/api/v1/jobs/{job}/trigger")).send();
        assert_eq!(answer.status, 202, "{job}: {answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// A run, by its path, once it is over.
    pub fn ended(&self, run: &str) -> Value {
        wait_until("its end", || {
            let shown = self.get(run).ok();
            shown["finished_at"].is_string().then_some(shown)
        })
    }

    /// A request with a right `Host` and nothing else.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask {
            door: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), "localhost".to_owned())],
            body: Vec::new(),
        }
    }

    /// Sends bytes as they are and reads an answer, until the daemon closes.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        parse(&self.bytes(bytes))
    }

    /// Sends bytes as they are and reads whatever comes, until the daemon closes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Tcp(address) => exchange(connect(*address), bytes),
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                exchange(stream, bytes)
            }
        }
    }
}

/// A TCP connection whose reads end.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Ask {
    /// Another value for a header, or none.
    pub fn header(mut self, name: &str, value: impl Into<Option<&'static str>>) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if let Some(value) = value.into() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// A header whose value is known only now.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn token(mut self, token: Option<&str>) -> Self {
        if let Some(token) = token {
            let value = format!("Bearer {token}");
            self.headers.push(("Authorization".to_owned(), value));
        }
        self
    }

    pub fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn send(&self) -> Answer {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        if !self.body.is_empty() {
            write!(bytes, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        bytes.extend(b"Connection: close\r\n\r\n");
        bytes.extend(&self.body);
        self.door.raw(&bytes)
    }

    /// Asks for an answer that goes on, and reads its head. Over HTTP/1.0, so that it comes as it is.
    pub fn open(&self) -> Opened {
        let mut bytes = format!("{} {} HTTP/1.0\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        bytes.extend(b"\r\n");
        let mut stream: Box<dyn Both> = match &self.door {
            Door::Tcp(address) => Box::new(connect(*address)),
            Door::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        };
        stream.write_all(&bytes).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        Opened {
            head: parse(&head),
            lines: BufReader::new(stream).lines(),
        }
    }

    pub fn status(&self) -> u16 {
        self.send().status
    }

    /// The answer's JSON; panics unless the status is 200.
    pub fn ok(&self) -> Value {
        let answer = self.send();
        assert_eq!(answer.status, 200, "{self:?}: {answer:?}");
        answer.json()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn exchange<S: Read + Write>(mut stream: S, bytes: &[u8]) -> Vec<u8> {
    // The daemon may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut part = [0; 8_192];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend(&part[..length]),
            Err(why) if why.kind() == ErrorKind::WouldBlock => panic!("no answer: {why}"),
            // A reset: the daemon closed without reading everything.
            Err(_) => break,
        }
    }
    answer
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    Answer {
        status: status.parse().unwrap(),
        headers: headers.collect(),
        body: answer[end + 4..].to_vec(),
    }
}
