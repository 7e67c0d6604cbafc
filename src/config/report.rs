//! Complaints about a configuration, collected with their places, and what is told of them.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::render;

/// The most problems kept of one configuration: enough for a person, a bound for a bad file.
const MAX_PROBLEMS: usize = 1_000;

/// A stretch of one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file's number in order of reading.
    pub file: usize,
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

impl Place {
    pub(super) fn new(file: usize, span: Range<usize>) -> Self {
        Self {
            file,
            start: span.start,
            end: span.end.max(span.start),
        }
    }

    /// Whether the other place begins within this one.
    fn holds(self, other: Self) -> bool {
        self.file == other.file && (self.start..=self.end).contains(&other.start)
    }
}

/// One complaint.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub message: String,
    pub place: Option<Place>,
    /// The file, where there is no place in its text.
    pub path: Option<PathBuf>,
    pub also: Vec<(Place, &'static str)>,
    pub help: Option<String>,
}

impl Problem {
    /// About a place in a text.
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            message: shortened(message.into()),
            place: Some(place),
            path: None,
            also: Vec::new(),
            help: None,
        }
    }

    /// About a file or folder as a whole.
    pub(super) fn of(path: &Path, message: impl Into<String>) -> Self {
        Self {
            message: shortened(message.into()),
            place: None,
            path: Some(path.to_owned()),
            also: Vec::new(),
            help: None,
        }
    }

    /// What to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(shortened(help.into()));
        self
    }

    /// A second place that has to do with it.
    pub(super) fn also(mut self, place: Place, label: &'static str) -> Self {
        self.also.push((place, label));
        self
    }
}

/// A sentence that quotes a megabyte of the config loses its middle.
fn shortened(mut sentence: String) -> String {
    const MOST: usize = 1_000;
    const KEPT: usize = 120;
    if sentence.len() > MOST {
        let begin = sentence.floor_char_boundary(KEPT);
        let end = sentence.ceil_char_boundary(sentence.len() - KEPT);
        sentence.replace_range(begin..end, " … ");
    }
    sentence
}

/// Collects complaints; the same one about the same place counts once (a value of `[defaults]` is
/// read for every job).
#[derive(Debug, Default)]
pub(super) struct Complaints {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    seen: HashSet<(Option<Place>, String)>,
    /// Complaints that count only in files without syntax errors.
    doubtful: Vec<Problem>,
    syntax: Vec<Problem>,
}

impl Complaints {
    /// Something is wrong.
    pub(super) fn error(&mut self, problem: Problem) {
        if self.errors.len() < MAX_PROBLEMS && self.is_new(&problem) {
            self.errors.push(problem);
        }
    }

    /// Something is missing or out of place, unless a syntax error above made it look so.
    pub(super) fn doubtful(&mut self, problem: Problem) {
        if self.doubtful.len() < MAX_PROBLEMS && self.is_new(&problem) {
            self.doubtful.push(problem);
        }
    }

    /// A syntax error.
    pub(super) fn broken(&mut self, problem: Problem) {
        if self.syntax.len() < MAX_PROBLEMS && self.is_new(&problem) {
            self.syntax.push(problem);
        }
    }

    /// Something is worth a second look.
    pub(super) fn warn(&mut self, problem: Problem) {
        if self.warnings.len() < MAX_PROBLEMS && self.is_new(&problem) {
            self.warnings.push(problem);
        }
    }

    /// How many errors there are so far.
    pub(super) fn count(&self) -> usize {
        self.errors.len()
    }

    fn is_new(&mut self, problem: &Problem) -> bool {
        self.seen.insert((problem.place, problem.message.clone()))
    }

    /// The errors, if any, else the warnings.
    pub(super) fn verdict(mut self, sources: &[Source]) -> Result<Report, Report> {
        let broken: Vec<Place> = self
            .syntax
            .iter()
            .filter_map(|problem| problem.place)
            .collect();
        self.doubtful.retain(|problem| {
            let file = problem.place.map(|place| place.file);
            broken.iter().all(|place| Some(place.file) != file)
        });
        let lines = broken_lines(&broken, sources);
        let on_broken_line = |place: Place| lines.iter().any(|line| line.holds(place));
        self.errors
            .retain(|problem| !problem.place.is_some_and(on_broken_line));
        self.errors.append(&mut self.doubtful);
        self.errors.append(&mut self.syntax);
        let report = |mut problems: Vec<Problem>, level| {
            problems.sort_by_key(|problem| problem.place);
            let sources = if problems.is_empty() {
                Vec::new()
            } else {
                sources.to_vec()
            };
            Report {
                level,
                sources,
                problems,
            }
        };
        if self.errors.is_empty() {
            Ok(report(self.warnings, Level::Warning))
        } else {
            Err(report(self.errors, Level::Error))
        }
    }
}

/// The lines with syntax errors: what else is wrong on them is what the parser made of the ruins.
fn broken_lines(broken: &[Place], sources: &[Source]) -> Vec<Place> {
    let line_of = |place: &Place| {
        let source = sources.get(place.file)?;
        let line = super::syntax::line_around(&source.text, place.start);
        Some(Place::new(place.file, line))
    };
    broken.iter().filter_map(line_of).collect()
}

/// A file that was read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Where it is.
    pub path: Arc<Path>,
    /// What it says.
    pub text: Arc<str>,
}

/// How grave the problems of a [`Report`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The configuration is refused.
    Error,
    /// It is taken.
    Warning,
}

/// How a report is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone: files, pipes, `NO_COLOR`.
    Plain,
    /// With colours, for a terminal.
    Coloured,
}

/// All that is to say about a configuration: its errors, or its warnings. Displays as plain text.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) level: Level,
    pub(super) sources: Vec<Source>,
    pub(super) problems: Vec<Problem>,
}

/// One problem of a [`Report`], for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LocatedProblem {
    /// The file it is in.
    pub file: PathBuf,
    /// Its line, from 1; none: the file as a whole.
    pub line: Option<usize>,
    /// Its column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Report {
    /// A report that says nothing.
    pub(super) fn nothing() -> Self {
        Self {
            level: Level::Warning,
            sources: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// A report of one error that has no place in a text.
    pub(super) fn single(problem: Problem) -> Self {
        Self {
            level: Level::Error,
            sources: Vec::new(),
            problems: vec![problem],
        }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// The report for people: each problem with its place, line and caret.
    pub fn render(&self, style: Style) -> String {
        render::render(self, style)
    }

    /// The report for machines, in order of place.
    pub fn problems(&self) -> Vec<LocatedProblem> {
        let located = self.problems.iter().map(|problem| {
            let spot = problem.place.and_then(|place| {
                let source = self.sources.get(place.file)?;
                let (line, column) = source.position(place.start);
                Some((source.path.to_path_buf(), line, column))
            });
            let (message, help) = (problem.message.clone(), problem.help.clone());
            match spot {
                Some((file, line, column)) => LocatedProblem {
                    file,
                    line: Some(line),
                    column: Some(column),
                    message,
                    help,
                },
                None => LocatedProblem {
                    file: problem.path.clone().unwrap_or_default(),
                    line: None,
                    column: None,
                    message,
                    help,
                },
            }
        });
        located.collect()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Report {}

impl Source {
    /// Line and column (in characters) of a byte, both from 1.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = super::syntax::line_around(&self.text, at);
        let number = self.text[..line.start].matches('\n').count();
        let before = self.text.get(line.start..at).unwrap_or_default();
        (number + 1, before.chars().count() + 1)
    }
}
