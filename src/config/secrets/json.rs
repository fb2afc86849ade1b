//! Strings of JSON that no diagnostic may show. The text may be no JSON at all.

use super::is_nearly;
use crate::config::source::{SourceId, Sources, Span, offset};

/// Members that hold passwords or keys.
pub(in crate::config) const SECRETS: [&str; 7] =
    ["auth_basic_file", "auth_bearer_file", "auth_pass", "header", "key", "password", "webhook"];

/// The insides of strings that stand behind the name of a secret.
pub(in crate::config) fn in_json(id: SourceId, sources: &Sources) -> Vec<Span> {
    let text = sources.text_of(id);
    let mut found = Vec::new();
    // Behind the name: until the value has ended.
    let mut hidden = false;
    let mut brackets = 0usize;
    let mut rest = 0;
    let mut last: Option<(usize, usize)> = None;
    while let Some(c) = text.get(rest..).and_then(|text| text.chars().next()) {
        let at = rest;
        rest += c.len_utf8();
        match c {
            '"' => {
                let end = string_end(text, rest);
                // The colon is forgotten.
                let next_to = last.filter(|(start, last_end)| {
                    let between = text.get(last_end + 1..at).unwrap_or("x");
                    between.trim().is_empty() && text.get(*start..*last_end).is_some_and(is_secret)
                });
                if hidden || next_to.is_some() {
                    found.push(Span { source: id, start: offset(rest), end: offset(end) });
                    hidden = brackets > 0;
                }
                last = Some((rest, end));
                rest = (end + 1).min(text.len());
            }
            ':' => {
                let name = last.and_then(|(start, end)| text.get(start..end));
                if !hidden && name.is_some_and(is_secret) {
                    (hidden, brackets) = (true, 0);
                }
            }
            '[' | '{' if hidden => brackets += 1,
            ']' | '}' if hidden => {
                brackets = brackets.saturating_sub(1);
                hidden = brackets > 0;
            }
            ',' if hidden => hidden = brackets > 0,
            _ if hidden && !c.is_whitespace() => {
                // A password without its quotes.
                let word = text.get(at..).unwrap_or("");
                let end = word.find([',', '}', ']', '"', '\n']).unwrap_or(word.len());
                let end = at + word.get(..end).map_or(0, |word| word.trim_end().len());
                found.push(Span { source: id, start: offset(at), end: offset(end) });
                rest = end;
                hidden = brackets > 0;
            }
            _ => {}
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || is_nearly(name)
}

/// Where the string that starts at `start` ends: at its quote, or at the end of the line.
fn string_end(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text.get(start..).unwrap_or("").char_indices() {
        match c {
            '"' if !escaped => return start + at,
            '\n' => return start + at,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_any_text() {
        let hidden = |text: &str| {
            let mut sources = Sources::default();
            let id = sources.add_json("t", text.into());
            let spans = in_json(id, &sources);
            spans.into_iter().map(|span| sources.text(span).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(hidden(r#"{"auth_pass": "se\"cret", "x": "y"}"#), [r#"se\"cret"#]);
        assert_eq!(hidden(r#"{"key": ["1 abc", ["2", "d ef"]], "mode": "enforce"}"#), ["1 abc", "2", "d ef"]);
        assert_eq!(hidden("{\"auth_pass\" : secret\n \"x\": \"y\""), ["secret"]);
        assert_eq!(hidden("{\"auth_pass\": \"secret\n\"x\": \"y\""), ["secret"]);
        assert_eq!(hidden(r#"{"password": 12345 }"#), ["12345"]);
        assert!(hidden(r#"{"name": "password", "a": "b"}"#).is_empty());
    }
}
