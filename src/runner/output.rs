//! What is kept of an attempt's output: a bounded head and tail of both streams together, in order
//! of arrival, with a note of which bytes came from which stream. Pure.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shown::put_together;
use crate::job::{KeepOutput, OutputLimits};

/// Which end keeps at most this many changes of stream, so that a process that alternates with
/// every byte costs no more than one that does not.
const MAX_SEGMENTS: usize = 8192;

/// One of the two output streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// How much of one stream was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Bytes of standard output.
    pub stdout: u64,
    /// Bytes of standard error.
    pub stderr: u64,
}

/// The kept output of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedOutput {
    /// The kept bytes of both streams, in order of arrival, secrets masked.
    pub bytes: Vec<u8>,
    /// Which stretch of `bytes` came from which stream: lengths in bytes, in order, that add up to
    /// the length of `bytes`.
    pub segments: Vec<(Stream, u32)>,
    /// How many bytes arrived, kept or not.
    pub total_bytes: u64,
    /// Where in `bytes` something is missing, if it is.
    pub gap_at: usize,
    /// How much is missing there.
    pub left_out: LeftOut,
}

impl CapturedOutput {
    /// The text to show, of one stream or of both, with a line of its own where bytes were left
    /// out that says how many.
    pub fn render(&self, stream: Option<Stream>) -> Vec<u8> {
        let before = self.before_gap(stream).and_then(|at| self.bytes.get(at));
        let shown = self.shown(stream, before.is_some_and(|&byte| byte != b'\n'));
        put_together(shown.cut(&(0..shown.length())), |range, bytes| {
            bytes.extend_from_slice(self.bytes.get(range).unwrap_or_default());
        })
    }
}

/// Takes output as it arrives and keeps what its limits allow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Capture {
    pub(super) head: Part,
    /// Set with the first byte that the head refused: nothing later may be put behind it.
    head_closed: bool,
    pub(super) tail: Part,
    pub(super) total: u64,
    left_out: LeftOut,
}

impl Capture {
    /// An empty capture.
    pub(super) fn new(limits: OutputLimits) -> Self {
        let max = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
        let head = match limits.keep {
            KeepOutput::Head => max,
            KeepOutput::Tail => 0,
            KeepOutput::Both => max / 2,
        };
        Self {
            head: Part::with_room(head),
            head_closed: false,
            tail: Part::with_room(max - head),
            total: 0,
            left_out: LeftOut::default(),
        }
    }

    /// Takes bytes of one stream.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let mut bytes = bytes;
        if !self.head_closed {
            let taken = self.head.fits(stream, bytes.len());
            self.head.extend(stream, &bytes[..taken]);
            bytes = &bytes[taken..];
            self.head_closed = !bytes.is_empty();
        }
        // Of a chunk longer than the tail's room only its end can stay.
        let skip = bytes.len().saturating_sub(self.tail.room);
        self.left_out.count(stream, skip);
        self.tail.extend(stream, &bytes[skip..]);
        while let Some((stream, len)) = self.tail.shed() {
            self.left_out.count(stream, len);
        }
    }

    /// Takes the bytes of head and tail out.
    pub(super) fn take_bytes(&mut self) -> (Vec<u8>, Vec<u8>) {
        let take = |part: &mut Part| Vec::from(std::mem::take(&mut part.bytes));
        (take(&mut self.head), take(&mut self.tail))
    }

    /// Puts back what [`Capture::take_bytes`] took.
    pub(super) fn put_bytes(&mut self, head: Vec<u8>, tail: Vec<u8>) {
        self.head.bytes = head.into();
        self.tail.bytes = tail.into();
    }

    /// What is kept so far.
    pub(super) fn snapshot(&self) -> CapturedOutput {
        let mut bytes = Vec::with_capacity(self.head.bytes.len() + self.tail.bytes.len());
        for part in [&self.head, &self.tail] {
            let (front, back) = part.bytes.as_slices();
            bytes.extend_from_slice(front);
            bytes.extend_from_slice(back);
        }
        CapturedOutput {
            bytes,
            ..self.layout()
        }
    }

    /// The same without the bytes.
    pub(super) fn layout(&self) -> CapturedOutput {
        let mut segments: Vec<(Stream, u32)> = Vec::new();
        for part in [&self.head, &self.tail] {
            for &(stream, len) in &part.segments {
                append(&mut segments, stream, len);
            }
        }
        CapturedOutput {
            bytes: Vec::new(),
            segments,
            total_bytes: self.total,
            gap_at: self.head.bytes.len(),
            left_out: self.left_out,
        }
    }
}

impl LeftOut {
    fn count(&mut self, stream: Stream, len: usize) {
        match stream {
            Stream::Stdout => self.stdout += len as u64,
            Stream::Stderr => self.stderr += len as u64,
        }
    }
}

/// Adds a stretch, to the last segment where that is of the same stream and has room in its length.
fn append(segments: &mut Vec<(Stream, u32)>, stream: Stream, len: u32) {
    match segments.last_mut() {
        Some((last, so_far)) if *last == stream && so_far.checked_add(len).is_some() => {
            *so_far += len;
        }
        _ => segments.push((stream, len)),
    }
}

/// One end of the output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    room: usize,
    /// They travel by themselves.
    #[serde(skip)]
    pub(super) bytes: VecDeque<u8>,
    pub(super) segments: VecDeque<(Stream, u32)>,
}

impl Part {
    fn with_room(room: usize) -> Self {
        Self {
            room,
            bytes: VecDeque::new(),
            segments: VecDeque::new(),
        }
    }

    /// How many of `len` more bytes of a stream have room.
    fn fits(&self, stream: Stream, len: usize) -> usize {
        let same = self
            .segments
            .back()
            .is_some_and(|&(last, _)| last == stream);
        if !same && self.segments.len() >= MAX_SEGMENTS {
            return 0;
        }
        len.min(self.room - self.bytes.len())
    }

    fn extend(&mut self, stream: Stream, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let mut left = bytes.len();
        while left > 0 {
            let step = u32::try_from(left).unwrap_or(u32::MAX);
            left -= step as usize;
            match self.segments.back_mut() {
                Some((last, len)) if *last == stream && len.checked_add(step).is_some() => {
                    *len += step;
                }
                _ => self.segments.push_back((stream, step)),
            }
        }
    }

    /// Drops from the front what is too much, a segment at a time, and says what.
    fn shed(&mut self) -> Option<(Stream, usize)> {
        let mut over = self.bytes.len().saturating_sub(self.room);
        let &(stream, len) = self.segments.front()?;
        if self.segments.len() > MAX_SEGMENTS {
            over = over.max(len as usize);
        }
        if over == 0 {
            return None;
        }
        let shed = over.min(len as usize);
        self.bytes.drain(..shed);
        if shed == len as usize {
            self.segments.pop_front();
        } else if let Some((_, len)) = self.segments.front_mut() {
            *len -= u32::try_from(shed).expect("shed is at most a segment's length");
        }
        Some((stream, shed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn capture(max_bytes: u64, keep: KeepOutput, chunks: &[(Stream, &[u8])]) -> CapturedOutput {
        let mut capture = Capture::new(OutputLimits { max_bytes, keep });
        for (stream, bytes) in chunks {
            capture.push(*stream, bytes);
        }
        capture.snapshot()
    }

    fn shown(output: &CapturedOutput, stream: Option<Stream>) -> String {
        String::from_utf8(output.render(stream)).unwrap()
    }

    #[test]
    fn what_fits_is_kept_whole_and_in_order() {
        let output = capture(
            8,
            KeepOutput::Both,
            &[
                (Stream::Stdout, b"ab"),
                (Stream::Stderr, b"c"),
                (Stream::Stdout, b"defgh"),
            ],
        );
        assert_eq!(output.bytes, b"abcdefgh");
        assert_eq!(shown(&output, None), "abcdefgh");
        assert_eq!(shown(&output, Some(Stream::Stderr)), "c");
        assert_eq!(shown(&output, Some(Stream::Stdout)), "abdefgh");
        let three = [
            (Stream::Stdout, 2),
            (Stream::Stderr, 1),
            (Stream::Stdout, 5),
        ];
        assert_eq!(output.segments, three);
    }

    #[test]
    fn each_way_of_keeping_says_what_is_missing() {
        let text: &[(Stream, &[u8])] = &[(Stream::Stdout, b"0123456789")];
        let cases = [
            (
                KeepOutput::Head,
                "0123\n[punctual: 6 bytes left out here]\n",
            ),
            (KeepOutput::Tail, "[punctual: 6 bytes left out here]\n6789"),
            (
                KeepOutput::Both,
                "01\n[punctual: 6 bytes left out here]\n89",
            ),
        ];
        for (keep, expected) in cases {
            let output = capture(4, keep, text);
            assert_eq!(shown(&output, None), expected);
            assert_eq!(output.total_bytes, 10);
        }
        let none = capture(0, KeepOutput::Both, text);
        assert_eq!(shown(&none, None), "[punctual: 10 bytes left out here]\n");
    }

    #[test]
    fn a_stream_of_which_nothing_is_missing_has_no_marker() {
        let output = capture(
            4,
            KeepOutput::Tail,
            &[(Stream::Stdout, b"0123456789"), (Stream::Stderr, b"oops")],
        );
        assert_eq!(shown(&output, Some(Stream::Stderr)), "oops");
        assert_eq!(
            shown(&output, Some(Stream::Stdout)),
            "[punctual: 10 bytes left out here]\n"
        );
    }

    #[test]
    fn alternating_streams_cost_bounded_memory() {
        let mut capture = Capture::new(OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        });
        for _ in 0..100_000 {
            capture.push(Stream::Stdout, b"o");
            capture.push(Stream::Stderr, b"e");
        }
        let output = capture.snapshot();
        assert!(output.segments.len() <= 2 * MAX_SEGMENTS);
        let kept = output.bytes.len() as u64;
        let left_out = output.left_out.stdout + output.left_out.stderr;
        assert_eq!(kept + left_out, 200_000);
    }

    fn any_keep() -> impl Strategy<Value = KeepOutput> {
        prop_oneof![
            Just(KeepOutput::Head),
            Just(KeepOutput::Tail),
            Just(KeepOutput::Both)
        ]
    }

    proptest! {
        /// The law: what is kept depends on the bytes alone, not on how reads cut them.
        #[test]
        fn any_chunking_keeps_the_same(
            runs in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..20)), 0..12),
            max in 0_u64..64,
            keep in any_keep(),
        ) {
            let stream = |is_out: bool| if is_out { Stream::Stdout } else { Stream::Stderr };
            let whole: Vec<_> = runs.iter().map(|(out, b)| (stream(*out), b.as_slice())).collect();
            let single: Vec<_> = runs
                .iter()
                .flat_map(|(out, bytes)| bytes.chunks(1).map(|b| (stream(*out), b)))
                .collect();
            let output = capture(max, keep, &whole);
            prop_assert_eq!(&output, &capture(max, keep, &single));
            let all: Vec<u8> = runs.iter().flat_map(|(_, b)| b.clone()).collect();
            let max = usize::try_from(max).unwrap().min(all.len());
            let head = match keep {
                KeepOutput::Head => max,
                KeepOutput::Tail => 0,
                KeepOutput::Both => output.gap_at,
            };
            let mut expected = all[..head].to_vec();
            expected.extend_from_slice(&all[all.len() - (max - head)..]);
            prop_assert_eq!(&output.bytes, &expected);
            let lens: u64 = output.segments.iter().map(|(_, len)| u64::from(*len)).sum();
            prop_assert_eq!(lens, output.bytes.len() as u64);
            let gone = output.left_out.stdout + output.left_out.stderr;
            prop_assert_eq!(gone + lens, all.len() as u64);
            prop_assert_eq!(output.total_bytes, all.len() as u64);
        }
    }
}
