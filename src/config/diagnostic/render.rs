//! Diagnostics as text: for people (with the lines of the file), for logs (one line each), as JSON.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};
use serde::Serialize;

use super::sarif::sarif;
use super::{Diagnostic, Severity};
use crate::config::source::{Position, SourceId, Sources, Span};

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// With the lines of the file, and what to change in them.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// One line each: `FILE:LINE:COLUMN: SEVERITY[CODE]: …`.
    Line,
    /// SARIF 2.1.0, for code review and continuous integration.
    Sarif,
}

/// Everything, in the given format.
pub fn render(list: &[Diagnostic], sources: &Sources, format: Format, colour: bool) -> String {
    match format {
        Format::Human => {
            let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
            list.iter().map(|one| human(one, sources, &renderer) + "\n\n").collect()
        }
        Format::Json => json(list, sources),
        Format::Sarif => sarif(list, sources),
        Format::Line => list.iter().map(|one| line(one, sources) + "\n").collect(),
    }
}

/// `2 errors, 1 warning, 1 lint, 3 notes`; `no errors` when there is nothing.
pub fn summary(list: &[Diagnostic]) -> String {
    let of = |severity| list.iter().filter(move |one| one.severity == severity);
    let count = |severity| of(severity).map(|one| one.count).sum::<usize>();
    let part = |severity, name: &str| match count(severity) {
        0 => None,
        1 => Some(format!("1 {name}")),
        many => Some(format!("{many} {name}s")),
    };
    let parts = [
        part(Severity::Error, "error"),
        part(Severity::Warning, "warning"),
        part(Severity::Lint, "lint"),
        part(Severity::Note, "note"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no errors".to_owned() } else { parts.join(", ") }
}

/// More than this many lines between two places: each gets its own excerpt.
const EXCERPT: usize = 60;
/// Longer lines are cut, or a file without line ends would be printed whole.
const LONGEST: usize = 400;

fn human(one: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match one.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Lint => Level::INFO.with_name("lint"),
        Severity::Note => Level::NOTE,
    };
    let code = one.code.to_string();
    let mut group =
        level.primary_title(&one.message).id(code.as_str()).elements(Vec::<Snippet<'_, Patch<'_>>>::new());
    for excerpt in excerpts(one, sources) {
        group = match excerpt.text {
            Some(text) => {
                let marks = excerpt
                    .marks
                    .into_iter()
                    .map(|(kind, range, label)| kind.span(range).label((!label.is_empty()).then_some(label)));
                let snippet = Snippet::source(text).line_start(excerpt.line).path(excerpt.file);
                group.element(snippet.annotations(marks))
            }
            None => group.element(Origin::path(excerpt.file).line(excerpt.line).char_column(excerpt.column)),
        };
    }
    for note in notes(one, sources) {
        group = group.element(Level::NOTE.message(printable(&note)));
    }
    let fix = one.fix.as_ref().filter(|fix| !sources.is_expansion(fix.span));
    let mut report = Vec::new();
    match (&one.help, fix) {
        (Some(help), None) => report.push(group.element(Level::HELP.message(printable(help)))),
        (help, Some(fix)) => {
            let (line, start, text) = around(sources, fix.span.source, fix.span, fix.span);
            let title = printable(help.as_deref().unwrap_or("write this instead"));
            if is_too_long(text) {
                let help = format!("{title}: `{}`", fix.replacement.trim());
                report.push(group.element(Level::HELP.message(help)));
                return renderer.render(&report);
            }
            report.push(group);
            let range = clamp(fix.span, start, text);
            let patch = Patch::new(range, &fix.replacement);
            let file = sources.position(fix.span).file;
            let snippet = Snippet::source(text).line_start(line).path(file).patch(patch);
            report.push(Group::with_title(Level::HELP.secondary_title(title)).element(snippet));
        }
        (None, None) => report.push(group),
    }
    renderer.render(&report)
}

/// Stretches of files with the places in them.
struct Excerpt<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    /// `None`: the line is too long to show.
    text: Option<&'a str>,
    marks: Vec<(AnnotationKind, Range<usize>, &'a str)>,
}

fn excerpts<'a>(one: &'a Diagnostic, sources: &'a Sources) -> Vec<Excerpt<'a>> {
    let primary = one.span.map(|span| (AnnotationKind::Primary, span, one.label.as_str()));
    let related = one.related.iter().map(|(span, label)| (AnnotationKind::Context, *span, label.as_str()));
    let mut groups: Vec<Vec<(AnnotationKind, Span, &str)>> = Vec::new();
    for (kind, span, label) in primary.into_iter().chain(related) {
        let mark = (kind, sources.written(span), label);
        let near = |group: &&mut Vec<(AnnotationKind, Span, &str)>| {
            group.first().is_some_and(|(_, first, _)| {
                let lines = sources.line_start(*first).0.abs_diff(sources.line_start(mark.1).0);
                first.source == mark.1.source && lines <= EXCERPT
            })
        };
        match groups.iter_mut().find(near) {
            Some(group) => group.push(mark),
            None => groups.push(vec![mark]),
        }
    }
    groups.into_iter().filter_map(|marks| excerpt(marks, sources)).collect()
}

fn excerpt<'a>(marks: Vec<(AnnotationKind, Span, &'a str)>, sources: &'a Sources) -> Option<Excerpt<'a>> {
    let first = marks.iter().map(|(_, span, _)| *span).min()?;
    let last = marks.iter().map(|(_, span, _)| *span).max()?;
    let (line, start, text) = around(sources, first.source, first, last);
    let Position { file, column, .. } = sources.position(first);
    if is_too_long(text) {
        return Some(Excerpt { file, line, column, text: None, marks: Vec::new() });
    }
    let marks =
        marks.into_iter().map(|(kind, span, label)| (kind, clamp(span, start, text), label)).collect();
    Some(Excerpt { file, line, column, text: Some(text), marks })
}

fn is_too_long(text: &str) -> bool {
    text.lines().any(|line| line.len() > LONGEST)
}

/// The whole lines from `first` to `last`: number of the first, its offset, their text.
fn around(sources: &Sources, id: SourceId, first: Span, last: Span) -> (usize, u32, &str) {
    let (line, start) = sources.line_start(first);
    let (last_line, _) =
        sources.line_start(Span { start: last.end.saturating_sub(1).max(last.start), ..last });
    let end = sources.line_offset(id, last_line + 1);
    let text = sources.text(Span { source: id, start, end });
    (line, start, text.trim_end_matches(['\n', '\r']))
}

fn clamp(span: Span, start: u32, text: &str) -> Range<usize> {
    let at = |offset: u32| (offset.saturating_sub(start) as usize).min(text.len());
    at(span.start)..at(span.end)
}

fn notes(one: &Diagnostic, sources: &Sources) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(block) = &one.block {
        notes.push(format!("in {block}"));
    }
    if let Some(expected) = &one.expected {
        notes.push(format!("expected {expected}"));
    }
    if let Some(consequence) = &one.consequence {
        notes.push(consequence.clone());
    }
    if let Some(span) = one.span.filter(|span| sources.is_expansion(*span)) {
        notes.push(format!("the line expands to `{}`", shorten(sources.line_of_expansion(span).trim())));
    }
    if !one.also.is_empty() {
        notes.push(also(one, sources));
    }
    notes
}

/// `also at lines 4, 9 and 17`, with the file when it is another one.
fn also(one: &Diagnostic, sources: &Sources) -> String {
    const SHOWN: usize = 6;
    let file = one.span.map_or("", |span| sources.position(span).file);
    let place = |span: &Span| {
        let position = sources.position(*span);
        match position.file == file {
            true => position.line.to_string(),
            false => format!("{}:{}", position.file, position.line),
        }
    };
    let places: Vec<String> = one.also.iter().take(SHOWN).map(place).collect();
    let all = one.also.len() + one.also_left;
    let noun = if all == 1 { "line" } else { "lines" };
    let left = all.saturating_sub(SHOWN);
    match (left, places.split_last()) {
        (0, Some((last, []))) => format!("also at {noun} {last}"),
        (0, Some((last, before))) => format!("also at {noun} {} and {last}", before.join(", ")),
        _ => format!("also at {noun} {} and {left} more", places.join(", ")),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 100 {
        text.to_owned()
    } else {
        text.chars().take(100).chain(['…']).collect()
    }
}

fn line(one: &Diagnostic, sources: &Sources) -> String {
    let mut text = String::new();
    if let Some(span) = one.span {
        let position = sources.position(span);
        let _ = write!(text, "{}:{}:{}: ", position.file, position.line, position.column);
    }
    let severity = one.severity.name();
    let _ = write!(text, "{severity}[{}]: {}", one.code, one.message);
    if let Some(block) = &one.block {
        let _ = write!(text, " (in {block})");
    }
    if let Some(expected) = &one.expected {
        let _ = write!(text, "; expected {expected}");
    }
    for part in [&one.consequence, &one.help].into_iter().flatten() {
        let _ = write!(text, "; {part}");
    }
    if let (Some(fix), None) = (&one.fix, &one.help) {
        let _ = write!(text, "; write `{}`", fix.replacement);
    }
    if !one.also.is_empty() {
        let _ = write!(text, "; {}", also(one, sources));
    }
    printable(&text)
}

/// Words of a file may hold anything; a terminal must not obey them.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    errors: usize,
    warnings: usize,
    lints: usize,
    notes: usize,
    diagnostics: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    code: String,
    severity: Severity,
    message: &'a str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Patched<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Labelled<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Place<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    also_left: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it on by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Labelled<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    label: &'a str,
}

#[derive(Serialize)]
struct Patched<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    remove: &'a str,
    insert: &'a str,
}

fn json(list: &[Diagnostic], sources: &Sources) -> String {
    let of = |severity| list.iter().filter(move |one| one.severity == severity);
    let count = |severity| of(severity).map(|one| one.count).sum::<usize>();
    let document = Document {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        lints: count(Severity::Lint),
        notes: count(Severity::Note),
        diagnostics: list.iter().map(|one| item(one, sources)).collect(),
    };
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn item<'a>(one: &'a Diagnostic, sources: &'a Sources) -> Item<'a> {
    let place = |span: Span| {
        let position = sources.position(span);
        Place { file: position.file, line: position.line, column: position.column }
    };
    Item {
        code: one.code.to_string(),
        severity: one.severity,
        message: &one.message,
        place: one.span.map(place),
        label: &one.label,
        found: one.span.map(|span| sources.text(span)).filter(|text| !text.is_empty()),
        block: one.block.as_deref(),
        expected: one.expected.as_deref(),
        consequence: one.consequence.as_deref(),
        help: one.help.as_deref(),
        fix: one.fix.as_ref().map(|fix| Patched {
            place: place(fix.span),
            remove: sources.text(fix.span),
            insert: &fix.replacement,
        }),
        related: one.related.iter().map(|(span, label)| Labelled { place: place(*span), label }).collect(),
        also: one.also.iter().map(|span| place(*span)).collect(),
        also_left: one.also_left,
    }
}
