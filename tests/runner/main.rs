//! The runner with real processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod desk;

mod crash;
mod ends;
mod identity;
mod outputs;
mod surroundings;
mod trees;
