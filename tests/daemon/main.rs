//! The real daemon, from outside: real processes, a real ledger, real signals.
#![allow(clippy::unwrap_used, reason = "a test: a panic is the report")]

mod daemon;
#[path = "../documents.rs"]
mod documents;
mod faked_clock;
mod http;
#[path = "../reference_keys.rs"]
mod reference_keys;
#[path = "../web.rs"]
mod web;

mod access;
mod api;
mod api_limits;
mod audit;
mod cgroup;
mod cli;
mod clock_changes;
mod crash;
mod db;
mod events;
mod examples;
mod fires;
mod keys;
mod log;
mod metrics;
mod output;
mod policies;
mod reload;
mod repeats;
mod requests;
mod session;
mod shutdown;
mod surroundings;
mod systemd;
mod token;
mod upgrade;
mod walk;
mod why;
