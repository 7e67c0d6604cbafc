//! The documents as tests read them: fenced blocks, below which heading they stand, and what a block of
//! `console` shows of each of its commands.

use std::path::{Path, PathBuf};

/// A fenced block: its language, the last heading before it, and its lines.
pub struct Block {
    pub language: String,
    pub heading: String,
    pub lines: Vec<String>,
}

/// A command of a block, and the lines that are shown below it.
pub struct Shown {
    pub command: String,
    pub lines: Vec<String>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .canonicalize()
        .expect("the project is there")
}

/// A document, by its path from the root.
pub fn read(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    heading: heading.clone(),
                    lines: Vec::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) if line.starts_with('#') => {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fenced block has no end");
    blocks
}

/// The commands of a block, each with what it prints. Commands that follow each other without any
/// output between them stay apart.
pub fn shown(lines: &[String]) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Shown {
                command: command.to_owned(),
                lines: Vec::new(),
            });
        } else if let Some(last) = found.last_mut() {
            last.lines.push(line.to_owned());
        }
    }
    found
}
