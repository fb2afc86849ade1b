//! Comments that silence lints.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::diagnostic::Code;
use crate::config::source::{SourceId, Sources, Span, first_bytes, offset};

const MARK: &str = "directord: allow(";
/// Bytes of the list of codes that are looked at.
const LIST: usize = 1024;

/// The codes that comments silence, and where.
#[derive(Debug, Default)]
pub(in crate::config) struct Allowed {
    lines: BTreeMap<(SourceId, usize), BTreeSet<Code>>,
    /// From the top of a file.
    files: BTreeMap<SourceId, BTreeSet<Code>>,
    /// From the top of the main file.
    everywhere: BTreeSet<Code>,
}

impl Allowed {
    /// Reads the comments; what they name that is no lint comes second.
    pub(in crate::config) fn read(sources: &Sources) -> (Self, Vec<(Span, String)>) {
        let mut allowed = Self::default();
        let mut unknown = Vec::new();
        // JSON has no comments.
        if sources.is_json() {
            return (allowed, unknown);
        }
        for (index, (id, text)) in sources.files().enumerate() {
            let top = top(text);
            for (at, _) in text.match_indices(MARK) {
                let of_file = (at < top).then_some(index == 0);
                allowed.comment(sources, id, of_file, at, &mut unknown);
            }
        }
        (allowed, unknown)
    }

    /// `of_file`: it stands at the top of a file, and whether that is the main one.
    fn comment(
        &mut self,
        sources: &Sources,
        id: SourceId,
        of_file: Option<bool>,
        at: usize,
        unknown: &mut Vec<(Span, String)>,
    ) {
        let text = sources.text_of(id);
        let (line, start) = sources.line_start(Span { source: id, start: offset(at), end: offset(at) });
        let before = text.get(start as usize..at).unwrap_or("").trim_start_matches('\u{feff}').trim();
        let Some(statement) = before.strip_suffix(['#', '!']) else { return };
        let begin = at + MARK.len();
        let rest = text.get(begin..).unwrap_or("");
        let rest = first_bytes(rest, LIST).split('\n').next().unwrap_or("");
        let Some(list) = rest.split(')').next().filter(|list| list.len() < rest.len()) else { return };
        let mut codes = BTreeSet::new();
        let mut from = begin;
        for word in list.split(',') {
            match Code::named(word.trim()).filter(|code| code.is_lint()) {
                Some(code) => drop(codes.insert(code)),
                None => {
                    let blanks = word.len() - word.trim_start().len();
                    let start = offset(from + blanks);
                    let end = offset(from + blanks + word.trim().len());
                    unknown.push((Span { source: id, start, end }, word.trim().to_owned()));
                }
            }
            from += word.len() + 1;
        }
        if codes.is_empty() {
            return;
        }
        let alone = statement.trim().is_empty();
        self.lines.entry((id, line)).or_default().extend(&codes);
        if alone {
            self.lines.entry((id, line + 1)).or_default().extend(&codes);
        }
        if let Some(main) = of_file.filter(|_| alone) {
            self.files.entry(id).or_default().extend(&codes);
            if main {
                self.everywhere.extend(&codes);
            }
        }
    }

    /// Whether a comment silences this code at this place.
    pub(in crate::config) fn silences(&self, code: Code, span: Option<Span>, sources: &Sources) -> bool {
        let Some(span) = span.map(|span| sources.written(span)) else {
            return self.everywhere.contains(&code);
        };
        let holds = |codes: Option<&BTreeSet<Code>>| codes.is_some_and(|codes| codes.contains(&code));
        self.everywhere.contains(&code)
            || holds(self.files.get(&span.source))
            || holds(self.lines.get(&(span.source, sources.line_start(span).0)))
    }
}

/// Where the first line starts that is neither blank nor a comment.
fn top(text: &str) -> usize {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let content = if end == 0 { line.trim_start_matches('\u{feff}') } else { line }.trim();
        if !content.is_empty() && !content.starts_with(['#', '!']) {
            break;
        }
        end += line.len();
    }
    end
}
