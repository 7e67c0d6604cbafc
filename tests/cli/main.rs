//! The real binary, without a daemon: next, check, simulate, and what the documents show of them.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../documents.rs"]
mod documents;
#[path = "../reference_keys.rs"]
mod reference_keys;

mod check;
mod commands;
mod configuration;
mod docs;
mod import;
mod manual;
mod next;
mod package;
mod simulate;
mod written;
