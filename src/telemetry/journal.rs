//! Entries of systemd's journal, with fields to search by: `journalctl PUNCTUAL_JOB=backup`.
//!
//! An entry is one datagram, `NAME=value` a line; a value with a line break has its length before it
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). The crate for it sends while the caller waits,
//! and a journal that does not read would delay fires; so entries are made here and go the way of
//! all lines.

use std::fmt::{Debug, Write};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::outlet::{Outlet, Sink};

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// The largest value, in bytes: with its neighbours it must fit a datagram.
const MAX_VALUE: usize = 48 * 1024;

/// The journal's end.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal at `path`, if there is one.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // An empty datagram is no entry; it shows whether somebody listens.
        socket.send_to(&[], path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }
}

impl Sink for Journal {
    fn take(&mut self, entry: &[u8]) -> io::Result<()> {
        // By name each time: the journal may have been started anew.
        self.socket.send_to(entry, &self.path).map(|_| ())
    }
}

/// Makes an entry of every event.
#[derive(Debug)]
pub(super) struct Entries(pub(super) Outlet);

impl<S: Subscriber> Layer<S> for Entries {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        self.0.put(entry(event.metadata(), &found));
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Found {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            // What the bridge from the `log` crate adds.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name, value.to_owned())),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn entry(metadata: &Metadata<'_>, found: &Found) -> Vec<u8> {
    let mut entry = Vec::with_capacity(512);
    // `journalctl` shows this line alone, so the fields stand in it as well.
    let mut message = found.message.clone();
    for (name, value) in &found.fields {
        let quoted = value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '"');
        // A string takes everything.
        let _ = if quoted {
            write!(message, " {name}={value:?}")
        } else {
            write!(message, " {name}={value}")
        };
    }
    put(&mut entry, "MESSAGE", &message);
    put(&mut entry, "PRIORITY", priority(*metadata.level()));
    put(&mut entry, "SYSLOG_IDENTIFIER", "punctual");
    put(&mut entry, "TARGET", metadata.target());
    if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
        put(&mut entry, "CODE_FILE", file);
        put(&mut entry, "CODE_LINE", &line.to_string());
    }
    for (name, value) in &found.fields {
        put(&mut entry, &field_name(name), value);
    }
    entry
}

/// The levels of syslog.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// The journal's name for one of our fields: upper case, and ours by its beginning.
fn field_name(name: &str) -> String {
    if name == "run" {
        return "PUNCTUAL_RUN_ID".to_owned();
    }
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    format!("PUNCTUAL_{}", name.chars().map(plain).collect::<String>())
}

fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let value = &value[..value.floor_char_boundary(MAX_VALUE)];
    entry.extend(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;
    use tracing_subscriber::layer::SubscriberExt;

    /// Reads an entry as the journal does.
    fn read(mut entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !entry.is_empty() {
            let end = entry.iter().position(|b| b"=\n".contains(b)).unwrap();
            let name = String::from_utf8(entry[..end].to_vec()).unwrap();
            let length;
            if entry[end] == b'=' {
                entry = &entry[end + 1..];
                length = entry.iter().position(|&b| b == b'\n').unwrap();
            } else {
                let bytes = entry[end + 1..end + 9].try_into().unwrap();
                length = usize::try_from(u64::from_le_bytes(bytes)).unwrap();
                entry = &entry[end + 9..];
            }
            let value = String::from_utf8(entry[..length].to_vec()).unwrap();
            assert_eq!(entry[length], b'\n');
            entry = &entry[length + 1..];
            fields.insert(name, value);
        }
        fields
    }

    /// What a journal gets for what `log` logs.
    fn entries(log: impl FnOnce()) -> Vec<BTreeMap<String, String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_nonblocking(true).unwrap();
        let outlet = Outlet::start(Journal::at(&path).unwrap(), |_| ()).unwrap();
        let layer = Entries(outlet.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        outlet.flush(Duration::from_mins(1));
        let mut entries = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length) = journal.recv(&mut buffer) {
            if length > 0 {
                entries.push(read(&buffer[..length]));
            }
        }
        entries
    }

    #[test]
    fn an_event_is_an_entry_with_fields_to_search_by() {
        let got = entries(|| {
            tracing::warn!(job = %"backup", run = %"0192", exit_code = 7, reason = "exit code 7", "run failed");
            tracing::info!("ready");
        });
        let [failed, ready] = &got[..] else {
            panic!("{got:?}")
        };
        assert_eq!(failed["PUNCTUAL_JOB"], "backup");
        assert_eq!(failed["PUNCTUAL_RUN_ID"], "0192");
        assert_eq!(failed["PUNCTUAL_EXIT_CODE"], "7");
        assert_eq!(failed["PRIORITY"], "4");
        assert_eq!(failed["SYSLOG_IDENTIFIER"], "punctual");
        assert_eq!(
            failed["MESSAGE"],
            "run failed job=backup run=0192 exit_code=7 reason=\"exit code 7\""
        );
        assert_eq!(failed["CODE_FILE"], file!());
        assert_eq!((&*ready["MESSAGE"], &*ready["PRIORITY"]), ("ready", "6"));
        assert!(!ready.contains_key("PUNCTUAL_JOB"));
    }

    #[test]
    fn no_value_can_forge_a_field() {
        let forged = "a\nPRIORITY=0\nPUNCTUAL_JOB=other";
        let got = entries(|| tracing::error!(job = forged, "{forged}"));
        assert_eq!(got[0]["PRIORITY"], "3");
        assert_eq!(got[0]["PUNCTUAL_JOB"], forged);
    }

    #[test]
    fn a_value_of_any_size_gets_through() {
        let got = entries(|| tracing::error!(job = "j", "{}", "ä".repeat(1_000_000)));
        assert_eq!(got[0]["MESSAGE"].len(), MAX_VALUE);
        assert_eq!(got[0]["PUNCTUAL_JOB"], "j");
    }

    #[test]
    fn without_a_journal_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::at(&folder.path().join("socket")).is_err());
    }
}
