//! JSON to the tree that [`lower`](super::lower) reads: the same nodes as of keepalived.conf, with their places in the
//! JSON text.
//!
//! In: a file whose name ends in `.json`. Out: nodes, and what is wrong with its syntax, members and types. A
//! block is an object and its keywords are members; `docs/schema/directord.schema.json` says what each takes.

mod read;
mod secret;
mod value;

use std::path::Path;

use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::source::{Files, SourceId, Sources, Span, offset};
use super::tree::Node;

pub(super) use secret::secrets;

/// Whether a file holds JSON: its name says so.
pub(super) fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// Reads the file; `None` when it cannot be read, and that is reported.
pub(super) fn open(
    path: &Path,
    files: &dyn Files,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<SourceId> {
    let name = path.display().to_string();
    match files.read(path) {
        Ok(bytes) => Some(sources.add_json(&name, bytes)),
        Err(error) => {
            let message = format!("cannot read {name}: {error}");
            diagnostics.push(Diagnostic::new(Code::Unreadable, Severity::Error, None, message));
            None
        }
    }
}

/// The nodes of a file.
pub(super) fn tree(id: SourceId, sources: &Sources, diagnostics: &mut Diagnostics) -> Vec<Node<'static>> {
    let whole = sources.text_of(id);
    let text = whole.trim_start_matches('\u{feff}');
    let base = whole.len() - text.len();
    let place = Place { id, base };
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let line = sources.line_offset(id, error.line()) as usize;
        let at = (line + error.column().saturating_sub(1)).clamp(base, whole.len());
        let start = (0..=at).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        let length = whole.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let span = Span { source: id, start: offset(start), end: offset(start + length) };
        diagnostics.push(syntax(span, message));
        return Vec::new();
    }
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match parse_to_ast(text, &CollectOptions::default(), &strict) {
        Ok(parsed) => match parsed.value {
            Some(value) => read::Reader::new(place, text, diagnostics).root(&value),
            None => Vec::new(),
        },
        Err(error) => {
            diagnostics.push(syntax(place.span(error.range().range()), &error.kind().to_string()));
            Vec::new()
        }
    }
}

fn syntax(span: Span, message: &str) -> Diagnostic {
    Diagnostic::error(Code::JsonSyntax, span, format!("this is no JSON: {message}"))
        .consequence("nothing of the file is read")
}

/// Where the parsed text stands.
#[derive(Clone, Copy)]
struct Place {
    id: SourceId,
    /// Bytes in front of it.
    base: usize,
}

impl Place {
    fn span(self, range: jsonc_parser::common::Range) -> Span {
        let at = |at: usize| offset(self.base + at);
        Span { source: self.id, start: at(range.start), end: at(range.end) }
    }
}
