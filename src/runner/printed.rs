//! What attempts that are not over have printed so far.

use std::ops::Range;
use std::sync::PoisonError;

use super::output::{CapturedOutput, Stream};
use super::{Piece, Runner};
use crate::job::RunId;

impl Runner {
    /// What is kept so far of the output of an attempt that is not over.
    pub fn live_output(&self, run: RunId, attempt: u32) -> Option<CapturedOutput> {
        let live = self.0.shared.live().get(&(run, attempt)).cloned()?;
        Some(live.output())
    }

    /// The part of what is shown of the output of an attempt that is not over that `choose` takes, who
    /// is told how many bytes have arrived, kept or not, and how many are shown.
    pub fn live_output_part<E>(
        &self,
        run: RunId,
        attempt: u32,
        stream: Option<Stream>,
        choose: impl FnOnce(u64, usize) -> Result<Range<usize>, E>,
    ) -> Option<Result<Vec<u8>, E>> {
        let live = self.0.shared.live().get(&(run, attempt)).cloned()?;
        let capture = live.capture.lock().unwrap_or_else(PoisonError::into_inner);
        Some(capture.part(stream, choose))
    }

    /// What is kept of the output of an attempt that is not over behind the first `seen` bytes, at
    /// most `most` bytes of it.
    pub fn live_output_after(
        &self,
        run: RunId,
        attempt: u32,
        seen: u64,
        most: usize,
    ) -> Option<Vec<Piece>> {
        let live = self.0.shared.live().get(&(run, attempt)).cloned()?;
        let capture = live.capture.lock().unwrap_or_else(PoisonError::into_inner);
        Some(capture.after(seen, most))
    }
}
