//! A record and open files on their way through an exec: into a socket whose other end is standard
//! input, and out of it by the program that follows.
//!
//! What is written lies in memory, never on a disk, for there are secrets in it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

/// How many files a message may carry; the kernel takes no more than 253.
const FILES: usize = 250;

/// What travels.
#[derive(Debug)]
pub(super) struct Parcel {
    /// All that has a JSON form.
    pub(super) record: Vec<u8>,
    /// What is bytes.
    pub(super) bytes: Vec<Vec<u8>>,
    /// What is open.
    pub(super) files: Vec<OwnedFd>,
}

/// The first line of the memory file: how long what follows is.
#[derive(Serialize, Deserialize)]
struct Lengths {
    record: usize,
    bytes: Vec<usize>,
}

impl Parcel {
    /// Puts it into a socket, the other end of which becomes standard input.
    pub(super) fn send(&self) -> io::Result<()> {
        let (near, far) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let memory = self.in_memory()?;
        let files: Vec<_> = [memory.as_fd()]
            .into_iter()
            .chain(self.files.iter().map(AsFd::as_fd))
            .collect();
        for files in files.chunks(FILES) {
            send_files(&near, files)?;
        }
        Ok(rustix::stdio::dup2_stdin(far)?)
    }

    /// Takes what came by standard input, which reads nothing any more after it.
    pub(super) fn receive() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let mut files = Vec::new();
        while receive_files(&socket, &mut files)? {}
        if files.is_empty() {
            return Err(io::Error::other("nothing was handed over"));
        }
        let mut memory = File::from(files.remove(0));
        memory.rewind()?;
        let mut all = Vec::new();
        memory.read_to_end(&mut all)?;
        let (record, bytes) = divide(&all).ok_or_else(|| io::Error::other("it is damaged"))?;
        Ok(Self {
            record,
            bytes,
            files,
        })
    }

    fn in_memory(&self) -> io::Result<File> {
        let lengths = Lengths {
            record: self.record.len(),
            bytes: self.bytes.iter().map(Vec::len).collect(),
        };
        let mut memory = File::from(rustix::fs::memfd_create(
            "handed-over",
            MemfdFlags::CLOEXEC,
        )?);
        memory.write_all(&serde_json::to_vec(&lengths)?)?;
        memory.write_all(b"\n")?;
        memory.write_all(&self.record)?;
        for bytes in &self.bytes {
            memory.write_all(bytes)?;
        }
        Ok(memory)
    }
}

fn divide(all: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let line = all.iter().position(|&byte| byte == b'\n')?;
    let lengths: Lengths = serde_json::from_slice(&all[..line]).ok()?;
    let mut rest = &all[line + 1..];
    let mut take = |len: usize| {
        let (taken, left) = rest.split_at_checked(len)?;
        rest = left;
        Some(taken.to_vec())
    };
    let record = take(lengths.record)?;
    let bytes: Option<_> = lengths.bytes.into_iter().map(&mut take).collect();
    Some((record, bytes?))
}

fn send_files(socket: &OwnedFd, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::other("too many files for one message"));
    }
    let one = [IoSlice::new(b"f")];
    // Nobody reads yet, so it must not wait for room either.
    rustix::net::sendmsg(socket, &one, &mut control, SendFlags::DONTWAIT)?;
    Ok(())
}

/// Takes one message's files; false: there is no further message.
fn receive_files(socket: &OwnedFd, files: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut one = [IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, &mut one, &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            files.extend(passed);
        }
    }
    Ok(received.bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_told() {
        let parcel = Parcel {
            record: b"{\"a\":1}".to_vec(),
            bytes: vec![b"one\n".to_vec(), Vec::new(), b"\xff\0".to_vec()],
            files: Vec::new(),
        };
        let mut memory = parcel.in_memory().unwrap();
        memory.rewind().unwrap();
        let mut all = Vec::new();
        memory.read_to_end(&mut all).unwrap();
        let (record, bytes) = divide(&all).unwrap();
        assert_eq!((&record, &bytes), (&parcel.record, &parcel.bytes));
        assert!(divide(&all[..all.len() - 1]).is_none());
        assert!(divide(b"").is_none());
        assert!(divide(b"{}\n").is_none());
    }
}
