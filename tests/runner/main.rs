//! The runner with real processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod desk;

mod crash;
mod ends;
mod figures;
mod http;
mod identity;
mod outputs;
mod surroundings;
mod trees;

#[path = "../web.rs"]
mod web;
