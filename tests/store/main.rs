//! One suite over the ledger. It speaks through `home`, which alone knows how a ledger is opened,
//! killed and damaged, so that another store can be put behind the same tests.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod audit;
mod care;
mod crash;
mod full_disk;
mod home;
mod measure;
mod opening;
mod pages;
mod record;
mod retention;
mod rows;
mod writes;
