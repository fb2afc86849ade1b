//! Diagnostics as SARIF 2.1.0 (OASIS), which code review and continuous integration read.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::render::printable;
use super::{Diagnostic, PAGES, Severity};
use crate::config::source::{Sources, Span};

/// One run, with a rule for each code.
pub(super) fn sarif(list: &[Diagnostic], sources: &Sources) -> String {
    let rules: Vec<Value> = PAGES
        .iter()
        .map(|page| {
            json!({
                "id": page.code.to_string(),
                "shortDescription": { "text": page.title },
                "fullDescription": { "text": page.meaning },
                "help": { "text": page.mend },
            })
        })
        .collect();
    let results: Vec<Value> = list.iter().map(|one| result(one, sources)).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "directord",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn result(one: &Diagnostic, sources: &Sources) -> Value {
    // Each further place is one more location of the same result.
    let places = one.span.iter().chain(&one.also);
    let locations: Vec<Value> = places.map(|span| location(*span, sources)).collect();
    let related: Vec<Value> = one
        .related
        .iter()
        .map(|(span, label)| {
            let mut place = location(*span, sources);
            if let Some(place) = place.as_object_mut() {
                place.insert("message".to_owned(), json!({ "text": label }));
            }
            place
        })
        .collect();
    let mut value = json!({
        "ruleId": one.code.to_string(),
        "level": match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Lint | Severity::Note => "note",
        },
        "message": { "text": message(one) },
        "locations": locations,
        "properties": { "severity": one.severity },
    });
    let Some(object) = value.as_object_mut() else { return value };
    if let Some(index) = PAGES.iter().position(|page| page.code == one.code) {
        object.insert("ruleIndex".to_owned(), json!(index));
    }
    if !related.is_empty() {
        object.insert("relatedLocations".to_owned(), json!(related));
    }
    if let Some(fix) = one.fix.as_ref().filter(|fix| !sources.is_expansion(fix.span)) {
        let place = location(fix.span, sources);
        let place = place.get("physicalLocation").cloned().unwrap_or_default();
        object.insert(
            "fixes".to_owned(),
            json!([{
                "description": { "text": one.help.as_deref().unwrap_or("write this instead") },
                "artifactChanges": [{
                    "artifactLocation": place.get("artifactLocation"),
                    "replacements": [{
                        "deletedRegion": place.get("region"),
                        "insertedContent": { "text": fix.replacement },
                    }],
                }],
            }]),
        );
    }
    value
}

/// What a person reads in the other formats, in one text.
fn message(one: &Diagnostic) -> String {
    let mut text = one.message.clone();
    if let Some(block) = &one.block {
        let _ = write!(text, " (in {block})");
    }
    if let Some(expected) = &one.expected {
        let _ = write!(text, "; expected {expected}");
    }
    for part in [&one.consequence, &one.help].into_iter().flatten() {
        let _ = write!(text, "; {part}");
    }
    printable(&text)
}

fn location(span: Span, sources: &Sources) -> Value {
    let span = sources.written(span);
    let start = sources.position(span);
    let end = sources.position(Span { start: span.end, ..span });
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(start.file) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    } })
}

/// A path as a reference (RFC 3986 §4): `file://` when it is absolute.
fn uri(path: &str) -> String {
    let mut text = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}
