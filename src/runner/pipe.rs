//! Reading a process's output as it comes, in turns short enough that a flood starves nobody.

use std::future::pending;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use tokio::io::unix::AsyncFd;

use super::output::{Capture, Stream};
use super::redact::Redactor;

/// How much is read at once, in bytes.
const CHUNK: usize = 16 << 10;
/// How many chunks are read before others get their turn.
const CHUNKS_A_TURN: usize = 8;

/// One end of one output stream.
#[derive(Debug)]
pub(super) struct PipeReader {
    stream: Stream,
    /// None when the last writer has closed its end.
    fd: Option<AsyncFd<OwnedFd>>,
    redactor: Redactor,
}

impl PipeReader {
    /// Reads the non-blocking read end of a pipe, if it is open.
    pub(super) fn new(stream: Stream, fd: Option<AsyncFd<OwnedFd>>, redactor: Redactor) -> Self {
        Self {
            stream,
            fd,
            redactor,
        }
    }

    /// The pipe, if it is open, and what may be the beginning of a secret.
    pub(super) fn into_parts(self) -> (Option<OwnedFd>, Vec<u8>) {
        (self.fd.map(AsyncFd::into_inner), self.redactor.into_held())
    }

    /// Waits until there is something to read, and takes a turn's worth of it; without a capture it
    /// is thrown away. Never returns once the pipe is closed. May be dropped at any time without
    /// losing bytes.
    pub(super) async fn turn(&mut self, capture: Option<&Mutex<Capture>>) {
        let Some(fd) = &self.fd else {
            return pending().await;
        };
        let Ok(mut guard) = fd.readable().await else {
            // The runtime is shutting down, and this task with it.
            return pending().await;
        };
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS_A_TURN {
            match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut chunk)?)) {
                Ok(Ok(len)) if len > 0 => {
                    let Some(capture) = capture else { continue };
                    take(&mut self.redactor, self.stream, &chunk[..len], capture);
                }
                Ok(Err(why)) if why.kind() == std::io::ErrorKind::Interrupted => {}
                // End of file; a pipe knows no other error.
                Ok(_) => {
                    self.fd = None;
                    return;
                }
                Err(_would_block) => return,
            }
        }
    }

    /// The process is dead: takes what it had written, which is what the pipe holds right now. What
    /// a background child writes later is nobody's. The pipe stays open all the same: a child that
    /// was asked to stop may say so, and must not die of it.
    pub(super) fn finish(&mut self, capture: &Mutex<Capture>) {
        if let Some(fd) = &self.fd {
            let mut left = rustix::io::ioctl_fionread(fd.get_ref()).unwrap_or(0);
            let mut chunk = [0; CHUNK];
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                match rustix::io::read(fd.get_ref(), &mut chunk[..most]) {
                    Ok(len) if len > 0 => {
                        take(&mut self.redactor, self.stream, &chunk[..len], capture);
                        left -= len as u64;
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    _ => break,
                }
            }
        }
        let mut capture = capture.lock().unwrap_or_else(PoisonError::into_inner);
        self.redactor
            .finish(|bytes| capture.push(self.stream, bytes));
    }
}

fn take(redactor: &mut Redactor, stream: Stream, bytes: &[u8], capture: &Mutex<Capture>) {
    let mut capture = capture.lock().unwrap_or_else(PoisonError::into_inner);
    redactor.push(bytes, |bytes| capture.push(stream, bytes));
}
