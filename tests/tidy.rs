//! The invariants of `docs/architecture.md`, checked.
#![allow(clippy::unwrap_used, reason = "a test: a panic is the report")]

use std::path::{Path, PathBuf};

/// The hard bound on a file without its tests. Longer ones stand in [`LONG`] with a reason.
const MAX_LINES: usize = 400;

/// Files over the bound, and why no split would tell the reader more.
const LONG: &[(&str, &str)] = &[];

/// The modules without IO, clock or tokio.
const PURE: [&str; 4] = ["schedule", "job", "dispatch", "explain"];

/// What must not stand in them.
const IMPURE: [&str; 9] = [
    "tokio",
    "async ",
    ".await",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "crate::clock",
];

/// A word, and the one place where it may stand.
const ONLY_IN: [(&str, &str); 8] = [
    ("tokio_cron_scheduler", "src/engine/"),
    ("rusqlite", "src/store/"),
    ("posix_spawn", "src/runner/"),
    ("Command::new(", "src/runner/"),
    ("unsafe {", "src/runner/spawn.rs"),
    ("allow(unsafe_code", "src/runner/spawn.rs"),
    ("StatusCode::CONFLICT", "src/api/error.rs"),
    ("ExitCode", "src/cli/exit.rs"),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "manager"];

#[test]
fn pure_modules_are_pure() {
    for (path, text) in sources("src") {
        let pure = PURE
            .iter()
            .any(|module| path.starts_with(&format!("src/{module}/")));
        if pure && !is_test(&path) {
            for (number, line) in code(&text) {
                for word in IMPURE {
                    assert!(
                        !line.contains(word),
                        "{path}:{number}: {word:?} in a pure module"
                    );
                }
            }
        }
    }
}

#[test]
fn words_stand_only_where_they_belong() {
    for (path, text) in sources("src") {
        if is_test(&path) || path == "src/main.rs" {
            continue;
        }
        for (number, line) in code(&text) {
            for (word, place) in ONLY_IN {
                let allowed = path.starts_with(place);
                assert!(
                    allowed || !line.contains(word),
                    "{path}:{number}: {word} is for {place}"
                );
            }
        }
    }
}

#[test]
fn files_are_short() {
    for (path, text) in sources("src") {
        if is_test(&path) {
            continue;
        }
        let lines = code(&text).count();
        let excused = LONG
            .iter()
            .any(|(long, reason)| path == *long && !reason.is_empty());
        assert!(
            lines <= MAX_LINES || excused,
            "{path}: {lines} lines without tests"
        );
        assert!(
            lines > MAX_LINES || !excused,
            "{path} is short again; take it off the list"
        );
    }
}

#[test]
fn names_say_what_is_inside() {
    for (path, _) in sources("src") {
        let parts = Path::new(&path).with_extension("");
        for part in parts.iter().filter_map(|part| part.to_str()) {
            assert!(
                !EMPTY_NAMES.contains(&part),
                "{path}: {part:?} says nothing"
            );
        }
    }
}

#[test]
fn every_module_is_on_the_map() {
    let map = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for entry in std::fs::read_dir(root().join("src")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            map.contains(name.as_str()),
            "docs/architecture.md does not name src/{name}"
        );
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, with paths from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 20, "the sources are not where they were");
    found
}

/// Test code of a module may do what the module may not.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Lines of code with their numbers: no comments, nothing after the file's own tests begin.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().zip(1..);
    lines
        .filter(|(line, _)| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        })
        .map(|(line, number)| (number, line))
}
