//! Draws a report as rustc draws its own.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level as Grade, Origin, Renderer, Snippet};

use super::report::{Level, Place, Problem, Report, Source, Style};
use super::syntax::line_around;

/// The most problems drawn; the rest is counted.
const MAX_DRAWN: usize = 50;

/// The widest piece of a line that is drawn, in bytes to each side of the place.
const MARGIN: usize = 100;

pub(super) fn render(report: &Report, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut drawn = String::new();
    for problem in report.problems.iter().take(MAX_DRAWN) {
        drawn.push_str(renderer.render(&groups(report, problem)).trim_end());
        drawn.push_str("\n\n");
    }
    if let Some(more) = report
        .problems
        .len()
        .checked_sub(MAX_DRAWN)
        .filter(|&n| n > 0)
    {
        let _ = writeln!(drawn, "and {more} more\n");
    }
    drawn
}

fn groups<'r>(report: &'r Report, problem: &'r Problem) -> Vec<Group<'r>> {
    let grade = match report.level {
        Level::Error => Grade::ERROR,
        Level::Warning => Grade::WARNING,
    };
    let title = grade.primary_title(problem.message.as_str());
    let source = |place: Place| report.sources.get(place.file);
    let mut groups = match problem
        .place
        .and_then(|place| Some((place, source(place)?)))
    {
        Some((place, source)) => {
            vec![title.elements(place_of(source, place, AnnotationKind::Primary))]
        }
        None => match &problem.path {
            Some(path) => vec![title.element(Origin::path(path.to_string_lossy()))],
            None => vec![Group::with_title(title)],
        },
    };
    for (place, label) in &problem.also {
        if let Some(source) = source(*place) {
            let elements = place_of(source, *place, AnnotationKind::Primary);
            groups.push(Grade::NOTE.secondary_title(*label).elements(elements));
        }
    }
    if let Some(help) = &problem.help {
        groups.push(Group::with_title(
            Grade::HELP.secondary_title(help.as_str()),
        ));
    }
    groups
}

/// The arrow line `file:line:column`, and the line itself with its caret.
///
/// The line is cut out (and shortened around the place) before it is handed over: a report must
/// stay cheap and readable for a file of megabytes or a line without end.
fn place_of(
    source: &Source,
    place: Place,
    kind: AnnotationKind,
) -> Vec<annotate_snippets::Element<'_>> {
    let text = &*source.text;
    let whole = line_around(text, place.start);
    let start = place.start.clamp(whole.start, whole.end);
    let end = place.end.clamp(start, whole.end);
    let from = match start - whole.start {
        0..=MARGIN => whole.start,
        _ => text.floor_char_boundary(start - MARGIN),
    };
    let to = text.floor_char_boundary((end.min(start + MARGIN) + MARGIN).min(whole.end));
    let piece = text[from..to].trim_end_matches('\r');
    let span = (start - from).min(piece.len())..(end.min(to) - from).min(piece.len());
    let (line, column) = source.position(place.start);
    let path = source.path.to_string_lossy();
    let snippet = Snippet::source(piece)
        .line_start(line)
        .annotation(kind.span(span));
    if from == whole.start {
        return vec![snippet.path(path).into()];
    }
    // The column within the piece is not that within the line.
    vec![
        Origin::path(path).line(line).char_column(column).into(),
        snippet.into(),
    ]
}
