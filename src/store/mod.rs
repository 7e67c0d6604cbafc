//! KEEPS: the ledger, and the only SQL.
