//! The pure core in simulated time.
//!
//! `world` is a simulated machine around the dispatcher: clock, ledger, runner, wakes, crashes.
//! `cases/*.txt` are scenarios with the ledger that is expected of them, `properties` holds random
//! histories against the promises of the product, `policy_cases` crosses every policy with what may be
//! in its way, `direct` asks the dispatcher by itself, `keys` shows what each key of a job is for. `nights` lets the nights pass on which
//! clocks change, in every zone (`year`, of which `benches/year.rs` lets all days pass).

#![allow(clippy::unwrap_used, reason = "every function here is part of a test")]

mod direct;
mod keys;
mod ledger;
mod nights;
mod policy_cases;
mod properties;
mod random;
#[path = "../reference_keys.rs"]
mod reference_keys;
mod scenario;
mod table;
mod words;
mod world;
mod year;

use std::path::Path;

/// Every scenario of every file under `cases/`, each against its expected ledger.
///
/// `PUNCTUAL_BLESS=1` writes what came out into the files, to be read before it is committed.
#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let failures: Vec<String> = files
        .iter()
        .flat_map(|file| scenario::check(file))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
