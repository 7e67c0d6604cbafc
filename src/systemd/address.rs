//! Where the service manager listens.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The address that `NOTIFY_SOCKET` names: a path, or a name without a file (`@…`).
#[derive(Debug, Clone)]
pub(super) struct Address(SocketAddr);

impl Address {
    /// Reads the variable's value.
    pub(super) fn parse(text: &OsStr) -> io::Result<Self> {
        match text.as_bytes() {
            [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(text),
            _ => Err(io::Error::other(
                "it is neither a path nor a name that begins with @",
            )),
        }
        .map(Self)
    }

    /// A socket of which one end is there. A fresh one for each message, because the manager may
    /// have made its own anew.
    pub(super) fn connect(&self) -> io::Result<tokio::net::UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&self.0)?;
        tokio::net::UnixDatagram::from_std(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_without_a_file_are_understood() {
        let read = |text: &str| Address::parse(OsStr::new(text));
        let path = read("/run/systemd/notify").unwrap();
        assert_eq!(
            path.0.as_pathname().unwrap().to_str(),
            Some("/run/systemd/notify")
        );
        let name = read("@/org/freedesktop/systemd1/notify/1").unwrap();
        assert_eq!(
            name.0.as_abstract_name(),
            Some(&b"/org/freedesktop/systemd1/notify/1"[..])
        );
        for wrong in ["", "@", "vsock:2:1", "run/notify"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
