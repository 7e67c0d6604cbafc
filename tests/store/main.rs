//! One suite over the ledger.
