//! The Unix socket: never open to more than it should be, and never taken from a daemon that lives.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

use super::listen::{ApiError, BACKLOG};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    /// Its file; none if it has no name.
    path: Option<PathBuf>,
    /// The file of a socket that was passed to us is not ours to remove.
    pub(super) ours: Option<Arc<OwnFile>>,
}

/// A socket's file that this daemon made, removed when the last who holds it goes.
#[derive(Debug)]
pub(super) struct OwnFile {
    path: PathBuf,
    /// Device and inode, to tell it from one of a later daemon.
    identity: (u64, u64),
    /// Somebody else looks after it now.
    left: AtomicBool,
}

impl OwnFile {
    fn at(path: &Path) -> io::Result<Arc<Self>> {
        let file = fs::symlink_metadata(path)?;
        Ok(Arc::new(Self {
            path: path.to_owned(),
            identity: (file.dev(), file.ino()),
            left: AtomicBool::new(false),
        }))
    }

    /// The file is not removed when the last who holds it goes.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// It is removed then after all.
    pub(super) fn look_after(&self) {
        self.left.store(false, Ordering::Relaxed);
    }
}

impl Socket {
    /// Listens at `path`, with the permissions `mode` from the first moment on.
    pub(super) fn bind(path: &Path, mode: u32) -> Result<Self, ApiError> {
        let failed = |why: io::Error| ApiError::Socket {
            path: path.to_owned(),
            why,
        };
        if let Some(folder) = path.parent() {
            // A folder that is there keeps its permissions.
            let mut maker = fs::DirBuilder::new();
            maker.recursive(true).mode(0o755);
            maker.create(folder).map_err(failed)?;
        }
        make_room(path)?;
        let listener = listen(path, Mode::from_raw_mode(mode)).map_err(failed)?;
        Ok(Self {
            listener,
            path: Some(path.to_owned()),
            ours: Some(OwnFile::at(path).map_err(failed)?),
        })
    }

    /// A socket that the daemon made in an earlier life. Its file stays when we go, as that life may go
    /// on, until [`OwnFile::look_after`] says otherwise.
    pub(super) fn of_life_before(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let mut socket = Self::adopt(listener)?;
        // A file that is not there any more, or out of reach, is as good as none: a new one is made.
        let file = socket.path.as_deref().map(OwnFile::at);
        socket.ours = file.and_then(Result::ok).inspect(|file| file.leave());
        Ok(socket)
    }

    /// Gives its file these permissions.
    pub(super) fn let_in(&self, mode: u32) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
    }

    /// Takes over a socket that listens already. Its file stays when we go.
    pub(super) fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            path: address.as_pathname().map(Path::to_owned),
            ours: None,
        })
    }

    /// Whether this is where it listens.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path.as_deref() == Some(path)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let Self {
            path,
            identity,
            left,
        } = self;
        if *left.get_mut() {
            return;
        }
        let file = fs::symlink_metadata(&path);
        let there = file.is_ok_and(|file| (file.dev(), file.ino()) == *identity);
        if there && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "the socket's file stays behind");
        }
    }
}

/// Removes the file of a dead daemon.
fn make_room(path: &Path) -> Result<(), ApiError> {
    let failed = |why: io::Error| ApiError::Socket {
        path: path.to_owned(),
        why,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(ApiError::NoSocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    let nobody_listens = || -> rustix::io::Result<bool> {
        let probe = socket()?;
        let address = SocketAddrUnix::new(path)?;
        match rustix::net::connect(&probe, &address) {
            Err(rustix::io::Errno::CONNREFUSED) => Ok(true),
            // A full backlog (AGAIN) or another kind of socket there is somebody's, too.
            _ => Ok(false),
        }
    };
    if nobody_listens().map_err(|error| failed(error.into()))? {
        fs::remove_file(path).map_err(failed)
    } else {
        Err(ApiError::SocketInUse {
            path: path.to_owned(),
        })
    }
}

/// The file gets at most `mode` when it is made, whatever the umask, and exactly `mode` before
/// anybody is listened to.
fn listen(path: &Path, mode: Mode) -> io::Result<UnixListener> {
    let socket = socket()?;
    rustix::fs::fchmod(&socket, mode)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)?;
    let backlog = i32::try_from(BACKLOG).unwrap_or(i32::MAX);
    rustix::net::listen(&socket, backlog)?;
    UnixListener::from_std(socket.into())
}

fn socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn it_has_its_mode_and_goes_with_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/punctual.sock");
        for mode in [0o600, 0o660, 0o666] {
            let socket = Socket::bind(&path, mode).unwrap();
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced_and_a_live_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(
            path.exists(),
            "std leaves the file behind, as a killed daemon does"
        );
        let live = Socket::bind(&path, 0o600).unwrap();
        let second = Socket::bind(&path, 0o600).unwrap_err();
        assert!(matches!(second, ApiError::SocketInUse { .. }), "{second}");
        drop(live);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "precious").unwrap();
        let error = Socket::bind(&path, 0o600).unwrap_err();
        assert!(matches!(error, ApiError::NoSocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_later_daemons_socket_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let old = Socket::bind(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let new = Socket::bind(&path, 0o600).unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
    }
}
