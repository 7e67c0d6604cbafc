//! Kept output as it is shown: how long it is, and what of it stands where, told by its layout alone,
//! so that a part can be had without the rest. Pure.

use std::ops::Range;

use super::output::{Capture, CapturedOutput, Stream};

/// Output as it is shown, without the bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    parts: Vec<Part>,
    length: usize,
}

/// A part of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// These stretches of the kept bytes, one behind the other.
    Kept(Vec<Range<usize>>),
    /// A text that is not of the program.
    Text(Vec<u8>),
}

impl CapturedOutput {
    /// Where among the kept bytes the last one is that is shown before what is missing. The bytes
    /// themselves need not be there.
    pub fn before_gap(&self, stream: Option<Stream>) -> Option<usize> {
        let before = self.wanted(stream).map(|range| below(range, self.gap_at));
        before.filter(|range| !range.is_empty()).last()?.last()
    }

    /// How it is shown, with a line of its own where bytes were left out. `line_is_open`: the byte
    /// that [`CapturedOutput::before_gap`] names ends no line. The bytes themselves need not be there.
    pub fn shown(&self, stream: Option<Stream>, line_is_open: bool) -> Shown {
        let missing = match stream {
            None => self.left_out.stdout.saturating_add(self.left_out.stderr),
            Some(Stream::Stdout) => self.left_out.stdout,
            Some(Stream::Stderr) => self.left_out.stderr,
        };
        let mut shown = Shown::default();
        for range in self.wanted(stream) {
            shown.keep(below(range, self.gap_at));
        }
        if missing > 0 {
            let line = if line_is_open { "\n" } else { "" };
            shown.say(format!("{line}[punctual: {missing} bytes left out here]\n"));
        }
        for range in self.wanted(stream) {
            // A segment can reach over the gap: the head may end with the stream the tail has.
            shown.keep(range.start.max(self.gap_at)..range.end);
        }
        shown
    }

    /// How many bytes it should have kept by its layout.
    pub fn kept(&self) -> usize {
        self.wanted(None).last().map_or(0, |range| range.end)
    }

    fn wanted(&self, stream: Option<Stream>) -> impl Iterator<Item = Range<usize>> {
        let segments = self.segments.iter().scan(0_usize, |at, &(from, length)| {
            let begin = *at;
            *at = begin.saturating_add(length as usize);
            Some((from, begin..*at))
        });
        segments.filter_map(move |(from, range)| {
            stream.is_none_or(|stream| stream == from).then_some(range)
        })
    }
}

fn below(range: Range<usize>, end: usize) -> Range<usize> {
    range.start..range.end.min(end)
}

impl Shown {
    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// What stands in this range of it.
    pub fn cut(&self, wanted: &Range<usize>) -> Vec<Part> {
        let mut cut = Self::default();
        let mut at = 0_usize;
        // What of so many bytes that stand here is wanted.
        let mut next = |length: usize| {
            let begin = at;
            at += length;
            wanted.start.clamp(begin, at) - begin..wanted.end.clamp(begin, at) - begin
        };
        for part in &self.parts {
            match part {
                Part::Kept(ranges) => {
                    for range in ranges {
                        let within = next(range.len());
                        cut.keep(range.start + within.start..range.start + within.end);
                    }
                }
                Part::Text(text) => {
                    let text = text.get(next(text.len())).unwrap_or_default();
                    cut.parts.push(Part::Text(text.to_vec()));
                }
            }
        }
        cut.parts
    }

    fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.length += range.len();
        match self.parts.last_mut() {
            Some(Part::Kept(ranges)) => match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            },
            _ => self.parts.push(Part::Kept(vec![range])),
        }
    }

    fn say(&mut self, text: String) {
        self.length += text.len();
        self.parts.push(Part::Text(text.into_bytes()));
    }
}

/// Parts with their bytes, each stretch of which `kept` adds.
pub(super) fn put_together(
    parts: Vec<Part>,
    mut kept: impl FnMut(Range<usize>, &mut Vec<u8>),
) -> Vec<u8> {
    let length = parts.iter().map(Part::length).sum();
    let mut bytes = Vec::with_capacity(length);
    for part in parts {
        match part {
            Part::Kept(ranges) => ranges.into_iter().for_each(|range| kept(range, &mut bytes)),
            Part::Text(text) => bytes.extend(text),
        }
    }
    bytes
}

impl Part {
    fn length(&self) -> usize {
        match self {
            Self::Kept(ranges) => ranges.iter().map(Range::len).sum(),
            Self::Text(text) => text.len(),
        }
    }
}

impl Capture {
    /// The part of what is shown that `choose` takes, who is told how many bytes have arrived, kept or
    /// not, and how many are shown.
    pub(super) fn part<E>(
        &self,
        stream: Option<Stream>,
        choose: impl FnOnce(u64, usize) -> Result<Range<usize>, E>,
    ) -> Result<Vec<u8>, E> {
        let layout = self.layout();
        let before = layout.before_gap(stream);
        let before = before.and_then(|at| self.head.bytes.get(at));
        let shown = layout.shown(stream, before.is_some_and(|&byte| byte != b'\n'));
        let parts = shown.cut(&choose(self.total, shown.length())?);
        Ok(put_together(parts, |range, bytes| {
            let head = self.head.bytes.len();
            let in_head = below(range.clone(), head);
            if !in_head.is_empty() {
                bytes.extend(self.head.bytes.range(in_head));
            }
            if range.end > head {
                let in_tail = range.start.max(head) - head..range.end - head;
                bytes.extend(self.tail.bytes.range(in_tail));
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{KeepOutput, OutputLimits};
    use proptest::prelude::*;
    use std::convert::Infallible;

    proptest! {
        /// The law: a part is what the whole has there, of what is stored and of what still comes.
        #[test]
        fn a_part_is_what_the_whole_has_there(
            chunks in prop::collection::vec((any::<bool>(), "[a\n]{0,20}"), 0..12),
            max in 0_u64..64,
            keep in prop_oneof![Just(KeepOutput::Head), Just(KeepOutput::Tail), Just(KeepOutput::Both)],
            stream in prop_oneof![Just(None), Just(Some(Stream::Stdout)), Just(Some(Stream::Stderr))],
            (one, other) in (0_usize..200, 0_usize..200),
        ) {
            let mut capture = Capture::new(OutputLimits { max_bytes: max, keep });
            for (out, bytes) in &chunks {
                let stream = if *out { Stream::Stdout } else { Stream::Stderr };
                capture.push(stream, bytes.as_bytes());
            }
            let stored = capture.snapshot();
            let whole = stored.render(stream);
            prop_assert_eq!(stored.kept(), stored.bytes.len());
            let (mut begin, mut end) = (0, 0);
            let part = capture.part(stream, |total, length| {
                assert_eq!((total, length), (stored.total_bytes, whole.len()));
                (begin, end) = (one.min(other).min(length), one.max(other).min(length));
                Ok::<_, Infallible>(begin..end)
            });
            let Ok(part) = part;
            prop_assert_eq!(part, &whole[begin..end]);
        }
    }
}
