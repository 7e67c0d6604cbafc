//! The documents: what they show is what the binary prints, their links lead somewhere, and they
//! name no place that a reader does not have.

use std::path::Path;
use std::process::Command;

use crate::documents::{Block, Shown, blocks, read, root, shown};

/// Beginnings of the absolute paths that documents may name: places of every Linux system, the
/// API's own, and examples.
const KNOWN_PATHS: [&str; 30] = [
    "/api/v1",
    "/audit",
    "/bin/",
    "/config/diff",
    "/dev/null",
    "/docs",
    "/etc",
    "/events",
    "/healthz",
    "/health",
    "/internal",
    "/jobs",
    "/lock",
    "/metrics",
    "/openapi.json",
    "/path",
    "/proc",
    "/readyz",
    "/reload",
    "/run/",
    "/runs",
    "/scheduler/",
    "/session",
    "/sign-in",
    "/srv",
    "/status",
    "/upcoming",
    "/tmp",
    "/usr",
    "/var/",
];

#[test]
fn commands_print_what_the_documents_show() {
    let mut ran = 0;
    for (path, text) in documents() {
        let blocks = blocks(&text);
        let folder = configs(&blocks);
        for block in blocks.iter().filter(|block| block.language == "console") {
            for Shown { command, lines } in shown(&block.lines) {
                if let Some(rest) = command.strip_prefix("punctual ")
                    && ["next ", "check ", "simulate "]
                        .iter()
                        .any(|it| rest.starts_with(it))
                {
                    let expected: String = lines.join("\n") + "\n";
                    assert_eq!(
                        printed(rest, folder.path()),
                        expected,
                        "{path}, {}: {command}",
                        block.heading
                    );
                    ran += 1;
                }
            }
        }
    }
    assert!(ran >= 15, "only {ran} commands were found");
}

/// Blocks that show what is refused, by their first line.
const WRONG: [&str; 2] = ["# broken.toml", "[[server.tokens]]"];

#[test]
fn every_config_in_the_documents_is_valid() {
    let mut checked = 0;
    for (path, text) in documents() {
        let blocks = blocks(&text);
        let toml = blocks.iter().filter(|block| block.language == "toml");
        for block in toml.filter(|block| !WRONG.contains(&block.lines[0].as_str())) {
            let folder = tempfile::tempdir().expect("it is there");
            let calendar = "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n";
            std::fs::write(folder.path().join("holidays.ics"), calendar).expect("it is there");
            std::fs::write(folder.path().join("x.toml"), block.lines.join("\n"))
                .expect("it is there");
            let told = printed("check --config x.toml", folder.path());
            assert!(
                told.contains("The configuration is valid"),
                "{path}:\n{}\n{told}",
                block.lines.join("\n")
            );
            checked += 1;
        }
    }
    assert!(checked > 12, "{checked}");
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in documents() {
        let folder = root().join(&path);
        let folder = folder.parent().expect("a document is in a folder");
        for target in links(&text) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let place = if file.is_empty() {
                root().join(&path)
            } else {
                folder.join(file)
            };
            let found = place.canonicalize();
            let found = found.unwrap_or_else(|error| panic!("{path}: {target}: {error}"));
            assert!(
                found.starts_with(root()),
                "{path}: {target} leaves the project"
            );
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&found).expect("a document is text");
                let headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.map(slug).any(|slug| slug == anchor),
                    "{path}: {target}: no such heading"
                );
            }
        }
    }
}

#[test]
fn no_document_names_a_place_that_readers_do_not_have() {
    for (path, text) in documents() {
        for (line, number) in text.lines().zip(1..) {
            for word in absolute_paths(line) {
                assert!(
                    KNOWN_PATHS.iter().any(|known| word.starts_with(known)),
                    "{path}:{number}: {word}"
                );
            }
            assert!(
                !line.contains("../.."),
                "{path}:{number}: leaves the project"
            );
        }
    }
}

#[test]
fn every_refused_key_is_in_the_list() {
    let code = read("src/config/not_yet.rs");
    let page = read("docs/configuration.md");
    let (_, list) = page
        .split_once("## Refused in this version")
        .expect("the list has its heading");
    let (list, _) = list.split_once("\n## ").unwrap_or((list, ""));
    let keys = code
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("not_yet("))
        .filter_map(|entry| entry.split('"').nth(1));
    let mut count = 0;
    for key in keys {
        count += 1;
        let named = list.contains(&format!("`{key}`")) || list.contains(&format!("`{key} = "));
        assert!(named, "docs/configuration.md does not list {key}");
    }
    assert!(count > 7, "the table of refused keys is not where it was");
}

#[test]
fn every_route_is_described() {
    let page = read("docs/api.md");
    for route in punctual::api::routes() {
        let path = route.path.strip_prefix("/api/v1").unwrap_or(route.path);
        let line = format!("{} `{path}`", route.method);
        assert!(page.contains(&line), "docs/api.md does not describe {line}");
    }
}

#[test]
fn every_trigger_that_runs_are_filtered_by_is_described() {
    let page = read("docs/api.md");
    let (_, list) = page.split_once("`?trigger=` (").expect("it is described");
    let (list, _) = list.split_once(')').expect("the list ends");
    let named: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let there: Vec<&str> = punctual::job::Trigger::ALL
        .iter()
        .map(|trigger| trigger.as_str())
        .collect();
    assert_eq!(named, there);
}

#[test]
fn every_metric_is_described_and_no_other() {
    let page = read("docs/metrics.md");
    let (_, table) = page
        .split_once("## What there is")
        .expect("the table has its heading");
    let (table, _) = table.split_once("\n## ").unwrap_or((table, ""));
    let rows: Vec<Vec<String>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.split('|')
                .skip(1)
                .take(3)
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect();
    let expected: Vec<Vec<String>> = punctual::telemetry::families::FAMILIES
        .iter()
        .map(|family| {
            let labels: Vec<String> = family
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let name = format!("`{}`", family.full_name());
            vec![name, family.kind.as_str().to_owned(), labels.join(", ")]
        })
        .collect();
    assert_eq!(rows, expected);
    // What the alerts ask for is there.
    let (_, alerts) = page
        .split_once("## Three alerts")
        .expect("the alerts have their heading");
    let words = alerts.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("punctual_")) {
        let name = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(
            page.contains(&format!("| `{name}` |")),
            "docs/metrics.md: {word}"
        );
    }
}

/// All documents, with their paths from the root.
pub fn documents() -> Vec<(String, String)> {
    let mut paths = vec![
        "README.md".to_owned(),
        "CHANGELOG.md".to_owned(),
        "CONTRIBUTING.md".to_owned(),
        "SECURITY.md".to_owned(),
    ];
    for entry in std::fs::read_dir(root().join("docs"))
        .expect("there are documents")
        .flatten()
    {
        let name = entry.file_name().into_string().expect("a plain name");
        if Path::new(&name).extension().is_some_and(|end| end == "md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths
        .into_iter()
        .map(|path| {
            let text = read(&path);
            (path, text)
        })
        .collect()
}

/// A folder with the project's configs, and those that a document shows under a name.
fn configs(blocks: &[Block]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("it is there");
    let config = folder.path().join("config");
    std::fs::create_dir(&config).expect("it is there");
    for name in ["config.toml", "reference.toml"] {
        std::fs::copy(root().join("config").join(name), config.join(name)).expect("it is there");
    }
    for block in blocks.iter().filter(|block| block.language == "toml") {
        let name = block.lines.first().and_then(|line| line.strip_prefix("# "));
        if let Some(name) = name.filter(|name| is_toml(name)) {
            std::fs::write(config.join(name), block.lines.join("\n")).expect("it is there");
        }
    }
    folder
}

/// Whether a block begins with the name of a file beside the project's configs.
fn is_toml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "toml") && !name.contains('/')
}

fn printed(arguments: &str, folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(words(arguments))
        .current_dir(folder)
        .env_clear()
        .env("TZ", "UTC")
        .env("HOME", folder)
        .output()
        .expect("the binary starts");
    let bytes = [output.stdout, output.stderr].concat();
    String::from_utf8(bytes).expect("output is UTF-8")
}

/// Words as a shell splits them, with single quotes and nothing else.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The targets of `[text](target)`, outside of fenced blocks.
pub fn links(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|text| text.split("](").skip(1))
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// A heading as a link names it.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Words that begin with a slash, and have a letter behind it.
fn absolute_paths(line: &str) -> Vec<&str> {
    let separators = |c: char| c.is_whitespace() || "`'\"()[]=,:;|<>".contains(c);
    line.split(separators)
        .filter(|word| {
            let mut chars = word.chars();
            chars.next() == Some('/') && chars.next().is_some_and(char::is_alphanumeric)
        })
        .collect()
}
