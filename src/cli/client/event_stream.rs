//! Server-sent events, read from the bytes of an answer.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ClientError;

/// The longest event, in bytes; a longer one is no event of a daemon.
const MAX_EVENT: usize = 4 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct ServerEvent {
    /// What names its place in the stream, if it or one before it said.
    pub id: Option<String>,
    /// Its kind; `message` where it does not say.
    pub kind: String,
    /// What it says.
    pub data: String,
}

impl ServerEvent {
    /// What its data says.
    pub(in crate::cli) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        super::read(&self.data, "the daemon")
    }

    /// All of it as one line of JSON.
    pub(in crate::cli) fn json_line(&self) -> String {
        let data = serde_json::from_str(&self.data);
        let data = data.unwrap_or_else(|_| Value::String(self.data.clone()));
        let line = json!({ "id": self.id, "event": self.kind, "data": data });
        format!("{line}\n")
    }
}

/// An event that does not end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes bytes as they come, gives events as they are whole.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    /// The line that is not whole yet.
    line: Vec<u8>,
    /// A line feed that comes next belongs to the carriage return before it.
    after_return: bool,
    id: Option<String>,
    kind: String,
    data: String,
}

impl EventStream {
    /// A stream that goes on behind the event of this id.
    pub(super) fn behind(id: Option<String>) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// Where to go on when the stream breaks.
    pub(super) fn place(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The events that end in these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<ServerEvent>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            let mut data = std::mem::take(&mut self.data);
            // Without a line of data it is no event.
            data.pop()?;
            let kind = Some(kind).filter(|kind| !kind.is_empty());
            return Some(ServerEvent {
                id: self.id.clone(),
                kind: kind.unwrap_or_else(|| "message".to_owned()),
                data,
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.kind),
            "id" => self.id = Some(value.to_owned()),
            // A comment, which keeps the connection alive, or a field that means nothing here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, kind: &str, data: &str) -> ServerEvent {
        ServerEvent {
            id: id.map(str::to_owned),
            kind: kind.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_are_whole_however_the_bytes_come() {
        let text = ": hello\n\nid: 7\nevent: run\ndata: {\"a\":\ndata: 1}\n\r\ndata:ü\r\n\r\n\
                    event: none\n\ndata\n\nid: 8\nretry: 5\ndata:  two\r\r";
        let expected = [
            event(Some("7"), "run", "{\"a\":\n1}"),
            event(Some("7"), "message", "ü"),
            event(Some("7"), "message", ""),
            event(Some("8"), "message", " two"),
        ];
        for size in [1, 2, 3, 7, 1000] {
            let mut stream = EventStream::default();
            let chunks = text.as_bytes().chunks(size);
            let events: Vec<_> = chunks
                .flat_map(|chunk| stream.feed(chunk).unwrap())
                .collect();
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let chunk = vec![b'x'; 1 << 20];
        let mut stream = EventStream::default();
        let fed = (0..5).map(|_| stream.feed(&chunk)).find(Result::is_err);
        assert_eq!(fed, Some(Err(TooLong)));
    }
}
