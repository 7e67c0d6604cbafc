//! What a commit has to say beside its outcome. It is said once the commit stands, so that tries
//! before it do not repeat it.

use std::fmt;

/// Something that whoever keeps the ledger should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Remark {
    /// A change contradicts the ledger and was left out for good.
    Refused { error: String, what: String },
}

impl Remark {
    pub(super) fn refused(error: &dyn fmt::Display, what: &dyn fmt::Debug) -> Self {
        Self::Refused {
            error: error.to_string(),
            what: format!("{what:?}"),
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
        }
    }
}
