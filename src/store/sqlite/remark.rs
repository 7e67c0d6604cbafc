//! What a commit has to say beside its outcome. It is said once the commit stands, so that tries
//! before it do not repeat it.

use std::fmt;

use jiff::Timestamp;

use crate::job::{JobName, Run};

/// Something that whoever keeps the ledger should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Remark {
    /// A change contradicts the ledger and was left out for good.
    Refused { error: String, what: String },
    /// A claim is decided, but not by a row of its own.
    Decided {
        job: JobName,
        instant: Timestamp,
        cause: &'static str,
    },
}

impl Remark {
    pub(super) fn refused(error: &dyn fmt::Display, what: &dyn fmt::Debug) -> Self {
        Self::Refused {
            error: error.to_string(),
            what: format!("{what:?}"),
        }
    }

    pub(super) fn decided(claim: &Run, cause: &'static str) -> Self {
        Self::Decided {
            job: claim.job.clone(),
            instant: claim.scheduled_at,
            cause,
        }
    }

    /// Says it to the log.
    pub(in crate::store) fn log(&self) {
        match self {
            Self::Refused { error, what } => {
                tracing::error!(
                    error,
                    what,
                    "the ledger refuses a change that contradicts it"
                );
            }
            Self::Decided {
                job,
                instant,
                cause,
            } => tracing::warn!(
                %job,
                %instant,
                cause,
                "a claim is decided without a row of its own, so it does not run"
            ),
        }
    }
}
