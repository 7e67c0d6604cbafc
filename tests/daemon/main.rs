//! The real daemon, from outside: real processes, a real ledger, real signals.

mod daemon;

mod crash;
mod fires;
mod shutdown;
