//! Output from a place on, for whoever follows it. A place is a number of bytes: so many have
//! arrived before it, kept or not. Pure.

use std::ops::Range;

use super::output::{Capture, CapturedOutput, Part, Stream};

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The place behind it.
    pub end: u64,
    /// What it is.
    pub what: What,
}

/// What a piece of output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Bytes of one stream.
    Bytes(Stream, Vec<u8>),
    /// So many bytes that were not kept.
    LeftOut(u64),
}

impl CapturedOutput {
    /// What is kept behind the first `seen` bytes, at most `most` bytes of it.
    pub fn after(&self, seen: u64, most: usize) -> Vec<Piece> {
        let tail = self.gap_at..self.bytes.len();
        let mut follow = Follow::begin(seen, most);
        follow.take(0, &self.segments, 0..self.gap_at, |range| {
            self.bytes[range].to_vec()
        });
        follow.skip_to(self.total_bytes - tail.len() as u64);
        let begin = self.total_bytes - self.bytes.len() as u64;
        follow.take(begin, &self.segments, tail, |range| {
            self.bytes[range].to_vec()
        });
        follow.pieces
    }
}

impl Capture {
    /// What is kept behind the first `seen` bytes, at most `most` bytes of it. Costs little when
    /// that is little.
    pub(super) fn after(&self, seen: u64, most: usize) -> Vec<Piece> {
        let mut follow = Follow::begin(seen, most);
        if seen == self.total {
            return follow.pieces;
        }
        follow.take_part(0, &self.head);
        let begin = self.total - self.tail.bytes.len() as u64;
        follow.skip_to(begin);
        follow.take_part(begin, &self.tail);
        follow.pieces
    }
}

/// Gathers pieces from a place on.
struct Follow {
    at: u64,
    room: usize,
    pieces: Vec<Piece>,
}

impl Follow {
    fn begin(at: u64, room: usize) -> Self {
        Self {
            at,
            room,
            pieces: Vec::new(),
        }
    }

    /// Takes what of `range` comes from the place on. Byte 0 of the segments is at place `zero`.
    fn take<'a>(
        &mut self,
        zero: u64,
        segments: impl IntoIterator<Item = &'a (Stream, u32)>,
        range: Range<usize>,
        bytes: impl Fn(Range<usize>) -> Vec<u8>,
    ) {
        let mut end = 0;
        for &(stream, len) in segments {
            let begin = end;
            end += len as usize;
            if self.room == 0 || begin >= range.end {
                return;
            }
            let seen = usize::try_from(self.at.saturating_sub(zero)).unwrap_or(usize::MAX);
            let from = begin.max(range.start).max(seen);
            let to = end.min(range.end).min(from.saturating_add(self.room));
            if from < to {
                self.room -= to - from;
                self.at = zero + to as u64;
                self.pieces.push(Piece {
                    end: self.at,
                    what: What::Bytes(stream, bytes(from..to)),
                });
            }
        }
    }

    /// Takes what of one end comes from the place on.
    fn take_part(&mut self, zero: u64, part: &Part) {
        self.take(zero, &part.segments, 0..part.bytes.len(), |range| {
            part.bytes.range(range).copied().collect()
        });
    }

    /// What lies before `place` and was not taken is not there.
    fn skip_to(&mut self, place: u64) {
        if self.at < place && self.room > 0 {
            self.pieces.push(Piece {
                end: place,
                what: What::LeftOut(place - self.at),
            });
            self.at = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{KeepOutput, OutputLimits};
    use proptest::prelude::*;

    fn capture(max_bytes: u64, keep: KeepOutput, chunks: &[(Stream, &[u8])]) -> Capture {
        let mut capture = Capture::new(OutputLimits { max_bytes, keep });
        for (stream, bytes) in chunks {
            capture.push(*stream, bytes);
        }
        capture
    }

    fn bytes(end: u64, stream: Stream, bytes: &[u8]) -> Piece {
        Piece {
            end,
            what: What::Bytes(stream, bytes.to_vec()),
        }
    }

    #[test]
    fn pieces_say_where_they_end_and_what_is_missing() {
        let chunks: &[(Stream, &[u8])] = &[(Stream::Stdout, b"01234"), (Stream::Stderr, b"56789")];
        let capture = capture(6, KeepOutput::Both, chunks);
        let gap = Piece {
            end: 7,
            what: What::LeftOut(4),
        };
        let (head, tail) = (
            bytes(3, Stream::Stdout, b"012"),
            bytes(10, Stream::Stderr, b"789"),
        );
        assert_eq!(capture.after(0, 99), [head, gap.clone(), tail.clone()]);
        assert_eq!(capture.after(1, 1), [bytes(2, Stream::Stdout, b"1")]);
        assert_eq!(capture.after(3, 99), [gap, tail.clone()]);
        let partly = Piece {
            end: 7,
            what: What::LeftOut(2),
        };
        assert_eq!(capture.after(5, 99), [partly, tail]);
        assert_eq!(capture.after(8, 1), [bytes(9, Stream::Stderr, b"8")]);
        assert_eq!(capture.after(10, 99), []);
        assert_eq!(capture.after(99, 99), []);
    }

    /// Everything, in steps.
    fn all(after: impl Fn(u64, usize) -> Vec<Piece>, most: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        loop {
            let more = after(pieces.last().map_or(0, |piece| piece.end), most);
            if more.is_empty() {
                return pieces;
            }
            pieces.extend(more);
        }
    }

    proptest! {
        /// The law: whatever the steps, a follower gets each kept byte once, in order, of its
        /// stream, and knows how many are missing where; during the run and after it.
        #[test]
        fn a_follower_gets_what_is_kept(
            chunks in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..20)), 0..12),
            max in 0_u64..64,
            keep in prop_oneof![Just(KeepOutput::Head), Just(KeepOutput::Tail), Just(KeepOutput::Both)],
            most in 1_usize..30,
        ) {
            let stream = |out: bool| if out { Stream::Stdout } else { Stream::Stderr };
            let chunks: Vec<_> = chunks.iter().map(|(out, b)| (stream(*out), b.as_slice())).collect();
            let capture = capture(max, keep, &chunks);
            let stored = capture.snapshot();
            for most in [most, usize::MAX] {
                let pieces = all(|seen, most| capture.after(seen, most), most);
                let of_stored = all(|seen, most| stored.after(seen, most), most);
                let mut at = 0;
                let (mut kept, mut left_out) = (Vec::new(), 0);
                let mut of_stdout = Vec::new();
                for piece in &pieces {
                    match &piece.what {
                        What::Bytes(stream, bytes) => {
                            prop_assert!(bytes.len() <= most && !bytes.is_empty());
                            at += bytes.len() as u64;
                            kept.extend_from_slice(bytes);
                            if *stream == Stream::Stdout {
                                of_stdout.extend_from_slice(bytes);
                            }
                        }
                        What::LeftOut(count) => {
                            prop_assert_eq!(kept.len(), stored.gap_at);
                            at += count;
                            left_out += count;
                        }
                    }
                    prop_assert_eq!(piece.end, at);
                }
                prop_assert_eq!(at, stored.total_bytes);
                prop_assert_eq!(&kept, &stored.bytes);
                prop_assert_eq!(left_out, stored.left_out.stdout + stored.left_out.stderr);
                if left_out == 0 {
                    prop_assert_eq!(of_stdout, stored.render(Some(Stream::Stdout)));
                }
                let flat = |pieces: &[Piece]| -> Vec<_> {
                    pieces.iter().flat_map(|piece| match &piece.what {
                        What::Bytes(stream, bytes) => bytes.iter().map(|b| (Some(*stream), u64::from(*b))).collect(),
                        What::LeftOut(count) => vec![(None, *count)],
                    }).collect()
                };
                prop_assert_eq!(flat(&pieces), flat(&of_stored));
            }
        }
    }
}
