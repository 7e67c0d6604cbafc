//! docs/configuration.md has every key there is, and no other.

use std::collections::BTreeSet;

use crate::reference_keys;

/// The words that stand between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_key_is_in_the_manual_and_every_key_of_the_manual_is_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = std::fs::read_to_string(path).expect("it is there");
    let mut keys = reference_keys::keys(true);
    keys.extend(reference_keys::keys(false));
    // `retry = { max_retries = 3 }` tells of the keys within.
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let told: BTreeSet<&str> = headings
        .chain(page.lines().flat_map(quoted))
        .flat_map(|code| code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
        .collect();
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| key.split('.').any(|part| !told.contains(part)))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md lacks {missing:?}"
    );

    let parts: BTreeSet<&str> = keys.iter().flat_map(|key| key.split('.')).collect();
    let tables = page.lines().filter(|line| line.starts_with("| `"));
    let first = tables.filter_map(|line| line.split('|').nth(1));
    let unknown: Vec<_> = first
        .flat_map(quoted)
        // Whole tables, such as those of another version, are named by `[table]`.
        .filter(|key| !key.starts_with('['))
        .filter(|key| key.split('.').any(|part| !parts.contains(part)))
        .collect();
    assert!(unknown.is_empty(), "these are no keys: {unknown:?}");
}
