//! punctual: a job scheduler daemon that fires on time and accounts for every instant.
//!
//! The modules, in the order in which a fire passes through them (`docs/architecture.md`):
//! configuration is read, the engine says *when*, dispatch decides, the ledger keeps the account,
//! the runner runs, the API and the command line look on and steer.

pub mod clock;
pub mod token;
pub mod words;

pub mod schedule;

pub mod job;

pub mod config;

pub mod dispatch;

pub mod engine;
pub mod runner;
pub mod store;

pub mod explain;

pub mod daemon;
pub mod systemd;
pub mod telemetry;

pub mod api;
pub mod cli;
