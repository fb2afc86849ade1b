//! JSON to the tree that [`lower`](super::lower) reads: the same nodes as of keepalived.conf, with their places in the
//! JSON text.
//!
//! In: a file whose name ends in `.json`. Out: nodes, and what is wrong with its syntax, members and types. A
//! block is an object and its keywords are members; `docs/schema/directord.schema.json` says what each takes.

mod read;
mod value;

use std::borrow::Cow;
use std::path::Path;

use bumpalo::Bump;
use jsonc_parser::common::{Range, Ranged as _};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::source::{Files, SourceId, Sources, Span, offset};
use super::tree::Tree;

/// Objects and arrays within each other; the language needs ten.
const DEPTH: usize = 32;
/// Elements of arrays, and one more for each so many bytes of the file. An address with its quotes has ten; nothing but
/// a file made to exhaust the memory comes near.
const ELEMENTS: usize = 8_000;
const BYTES: usize = 9;
const UNREAD: &str = "nothing of the file is read";

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

/// The nodes of a file; `None` when it is no JSON, and that is reported.
pub(super) fn tree<'n>(
    id: SourceId,
    sources: &Sources,
    arena: &'n Bump,
    diagnostics: &mut Diagnostics,
) -> Option<Tree<'n>> {
    let whole = sources.text_of(id);
    let text = whole.trim_start_matches('\u{feff}');
    let base = whole.len() - text.len();
    let place = Place { id, base };
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let line = if error.line() > 1 { sources.line_offset(id, error.line()) as usize } else { base };
        let at = (line + error.column().saturating_sub(1)).clamp(base, whole.len());
        let start = (0..=at).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        let length = whole.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let message = error.to_string();
        let message = plainly(message.split(" at line ").next().unwrap_or(&message));
        let span = Span { source: id, start: offset(start), end: offset(start + length) };
        let diagnostic = syntax(span, &message);
        let other =
            text.trim_start().starts_with(|first: char| first.is_alphabetic() || "#!@$~".contains(first));
        diagnostics.push(match other {
            true => {
                diagnostic.help("it looks like a keepalived.conf: give it a name that does not end in .json")
            }
            false => diagnostic,
        });
        return None;
    }
    if let Some((at, code, message)) = too_much(text) {
        let span = place.span(Range { start: at, end: at + 1 });
        diagnostics.push(Diagnostic::error(code, span, message).consequence(UNREAD));
        return None;
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
        Ok(parsed) => {
            let root = parsed.value.as_ref();
            let read = |value| read::Reader::new(place, text, arena, diagnostics).root(value);
            Some(Tree { nodes: root.map_or(Vec::new(), read), has_scripts: true })
        }
        Err(error) => {
            diagnostics.push(syntax(place.span(error.range().range()), &error.kind().to_string()));
            None
        }
    }
}

/// Where JSON is nested too deeply, or has so many elements that reading it would take far more memory than the file.
fn too_much(json: &str) -> Option<(usize, Code, String)> {
    let most = ELEMENTS + json.len() / BYTES;
    let (mut elements, mut inside, mut escaped) = (0usize, false, false);
    // What is open, innermost last: whether it is an array.
    let mut open = Vec::with_capacity(DEPTH);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ if inside => {}
            b'{' | b'[' => {
                if open.len() == DEPTH {
                    let message = format!("more than {DEPTH} objects and arrays within each other");
                    return Some((at, Code::TooDeep, message));
                }
                open.push(byte == b'[');
                elements += usize::from(byte == b'[');
            }
            b'}' | b']' => drop(open.pop()),
            b',' => elements += usize::from(open.last() == Some(&true)),
            _ => {}
        }
        if elements > most {
            let message =
                format!("more than {most} elements in the arrays of a file of {} bytes", json.len());
            return Some((at, Code::JsonElements, message));
        }
    }
    None
}

/// What serde_json says, in words for people who do not know its readers.
fn plainly(message: &str) -> Cow<'_, str> {
    Cow::Borrowed(match message {
        "key must be a string" => "the name of a member, in double quotes, is expected here",
        "trailing characters" => "something follows behind its end",
        "trailing comma" => "a comma stands behind the last element",
        "expected value" => "a value is expected here",
        other => match other.strip_prefix("EOF while parsing ") {
            Some(what) => return Cow::Owned(format!("the file ends within {what}")),
            None => other,
        },
    })
}

fn syntax(span: Span, message: &str) -> Diagnostic {
    Diagnostic::error(Code::JsonSyntax, span, format!("this is no JSON: {message}")).consequence(UNREAD)
}

/// Where the parsed text stands.
#[derive(Clone, Copy)]
struct Place {
    id: SourceId,
    /// Bytes in front of it.
    base: usize,
}

impl Place {
    fn span(self, range: Range) -> Span {
        let at = |at: usize| offset(self.base + at);
        Span { source: self.id, start: at(range.start), end: at(range.end) }
    }
}
