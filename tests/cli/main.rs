//! The real binary, without a daemon: next, check.

mod check;
mod next;
