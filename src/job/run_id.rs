//! Run ids: derived from what the run *is*, so that claiming the same fire twice meets itself.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::JobName;

/// The id of a run: a UUID (version 8, RFC 9562) whose first 48 bits are the instant in
/// milliseconds, so that ids sort by time, and whose rest is a hash of job, instant and kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// The id of the fire of `job` at the nominal instant `scheduled_at`.
    pub fn of_fire(job: &JobName, scheduled_at: Timestamp) -> Self {
        Self::derive(job, scheduled_at, "fire", 0)
    }

    /// The id of a manual run; `sequence` tells requests of the same microsecond apart.
    pub fn of_manual(job: &JobName, requested_at: Timestamp, sequence: u64) -> Self {
        Self::derive(job, requested_at, "manual", sequence)
    }

    /// The id of the manual run that a client's `key` stands for: whoever asks again with the same
    /// key means the same run, whenever that is. So it has no instant, and sorts before all others.
    pub fn of_key(job: &JobName, key: &str) -> Self {
        Self::hash("key", job, Timestamp::UNIX_EPOCH, key.as_bytes())
    }

    /// The id of the run of `job` that the end of the run `upstream` at `ended_at` makes.
    pub fn of_after(job: &JobName, ended_at: Timestamp, upstream: Self) -> Self {
        Self::hash("after", job, ended_at, upstream.0.as_bytes())
    }

    /// The id of the run that a start of the daemon, or the end of the run before it, makes.
    pub fn of_startup(job: &JobName, at: Timestamp) -> Self {
        Self::derive(job, at, "startup", 0)
    }

    /// The id of a span row that begins at `first`; `sequence` tells spans apart that begin at one
    /// instant in different lives of the daemon.
    pub fn of_span(job: &JobName, first: Timestamp, sequence: u64) -> Self {
        Self::derive(job, first, "span", sequence)
    }

    fn derive(job: &JobName, at: Timestamp, kind: &str, sequence: u64) -> Self {
        Self::hash(kind, job, at, &sequence.to_be_bytes())
    }

    fn hash(kind: &str, job: &JobName, at: Timestamp, rest: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [kind.as_bytes(), b"\0", job.as_str().as_bytes(), b"\0"] {
            hash.update(part);
        }
        hash.update(at.as_microsecond().to_be_bytes());
        hash.update(rest);
        let digest = hash.finalize();
        let mut bytes = [0_u8; 16];
        let millis = at.as_millisecond().max(0).to_be_bytes();
        bytes[..6].copy_from_slice(&millis[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_steady_distinct_and_sort_by_time() {
        let (a, b) = (JobName::new("a").unwrap(), JobName::new("b").unwrap());
        let t = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(RunId::of_fire(&a, t(5)), RunId::of_fire(&a, t(5)));
        assert_ne!(RunId::of_fire(&a, t(5)), RunId::of_fire(&b, t(5)));
        assert_ne!(RunId::of_fire(&a, t(5)), RunId::of_manual(&a, t(5), 0));
        assert_ne!(RunId::of_manual(&a, t(5), 0), RunId::of_manual(&a, t(5), 1));
        assert_eq!(RunId::of_key(&a, "k"), RunId::of_key(&a, "k"));
        assert_ne!(RunId::of_key(&a, "k"), RunId::of_key(&b, "k"));
        assert_ne!(RunId::of_key(&a, "k"), RunId::of_key(&a, "l"));
        assert!(RunId::of_key(&a, "k") < RunId::of_fire(&a, t(5)));
        assert!(RunId::of_fire(&b, t(5)) < RunId::of_fire(&a, t(6)));
        let id = RunId::of_fire(&a, t(1_800_000_000));
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
    }
}
