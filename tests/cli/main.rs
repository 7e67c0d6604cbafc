//! The real binary, without a daemon: next, check, simulate, and what the documents show of them.

mod check;
mod docs;
mod next;
mod simulate;
