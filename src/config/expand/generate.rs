//! `~SEQ` and `~LST`: one line for each value.

use super::super::source::{Span, offset};
use super::Expander;
use super::define::Definition;

impl Expander<'_> {
    /// Repeats the rest of the line for each value of the generator it starts with. False: it starts with none.
    pub(super) fn generate(&mut self, span: Span) -> bool {
        let text = self.sources.text(span).to_owned();
        let Some((name, inside, rest)) = generator(&text) else { return false };
        let rows = match name {
            "~LST" => self.list(inside),
            name => self.sequence(span, inside, name == "~SEQx"),
        };
        let rest = Span { start: span.end - offset(rest.len()), ..span };
        match rows {
            Ok(rows) => {
                for row in rows {
                    if !self.count_expansion(span) {
                        break;
                    }
                    for (name, value) in row {
                        self.definitions.insert(name, Definition { lines: vec![value] });
                    }
                    self.line(rest, true);
                }
            }
            Err(message) => self.expansion_error(span, message),
        }
        true
    }

    /// `~SEQ(name, [start, [step,]] end)`.
    fn sequence(&mut self, span: Span, inside: &str, hex: bool) -> Result<Vec<Row>, String> {
        const USAGE: &str = "~SEQ takes (NAME, [START, [STEP,]] END)";
        let mut words = inside.split(',').map(str::trim);
        let name = words.next().filter(|name| !name.is_empty()).ok_or(USAGE)?;
        let mut numbers = Vec::new();
        for word in words {
            numbers.push(self.bound(span, word).ok_or_else(|| format!("`{word}` is no number; {USAGE}"))?);
        }
        let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
        let (start, step, end) = match numbers.as_slice() {
            [end] => {
                let start = if *end < 0 { -1 } else { 1 };
                (start, toward(start, *end), *end)
            }
            [start, end] => (*start, toward(*start, *end), *end),
            [start, step, end] => (*start, *step, *end),
            _ => return Err(USAGE.to_owned()),
        };
        if step == 0 || (start < end && step < 0) || (start > end && step > 0) {
            return Err(format!("a step of {step} does not lead from {start} to {end}"));
        }
        if hex && (start < 0 || end < 0) {
            return Err("~SEQx takes no negative numbers".to_owned());
        }
        let count = end.abs_diff(start) / step.unsigned_abs();
        if count >= super::EXPANSIONS as u64 {
            return Err(format!("the sequence has more than {} values", super::EXPANSIONS));
        }
        let mut rows = Vec::new();
        let mut value = start;
        while if step > 0 { value <= end } else { value >= end } {
            let text = if hex { format!("{value:x}") } else { value.to_string() };
            rows.push(vec![(name.to_owned(), text)]);
            match value.checked_add(step) {
                Some(next) => value = next,
                None => break,
            }
        }
        Ok(rows)
    }

    /// A number as C writes it, or a definition that holds one.
    fn bound(&mut self, span: Span, word: &str) -> Option<i64> {
        let _ = span;
        let name = word.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
        let word = match name {
            Some(name) => self.definitions.get(name)?.lines.first()?.trim().to_owned(),
            None => word.to_owned(),
        };
        let (negative, digits) =
            word.strip_prefix('-').map_or((false, word.as_str()), |digits| (true, digits));
        let (digits, base) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
            None => (digits, 10),
        };
        let number = i64::from_str_radix(digits, base).ok()?;
        Some(if negative { -number } else { number })
    }

    /// `~LST(name, a, b)` or `~LST({n,m}, {a,1}, {b,2})`.
    fn list(&mut self, inside: &str) -> Result<Vec<Row>, String> {
        let mut groups = tuples(inside).into_iter();
        let names = groups.next().filter(|names| names.iter().all(|name| !name.is_empty()));
        let names = names.ok_or("~LST takes (NAME, VALUE...) or ({NAME, ...}, {VALUE, ...}...)")?;
        let mut rows = Vec::new();
        for values in groups {
            if values.len() > names.len() {
                return Err(format!("{} values for {} names", values.len(), names.len()));
            }
            let value = |at: usize| values.get(at).cloned().unwrap_or_default();
            rows.push(names.iter().enumerate().map(|(at, name)| (name.clone(), value(at))).collect());
        }
        Ok(rows)
    }
}

/// Names and the values that they take in one repetition.
type Row = Vec<(String, String)>;

/// The generator that the text starts with: its name, what stands between its parentheses, and the rest.
pub(in crate::config) fn generator(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once('(')?;
    let name = name.trim_end();
    let (inside, rest) = after.split_once(')')?;
    matches!(name, "~SEQ" | "~SEQx" | "~LST").then_some((name, inside, rest))
}

/// Words parted by commas; words in braces belong together.
fn tuples(text: &str) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    let mut left = text.trim();
    while !left.is_empty() {
        let (group, rest) = match left.strip_prefix('{') {
            Some(inside) => {
                let (group, rest) = inside.split_once('}').unwrap_or((inside, ""));
                (group.split(',').map(|word| word.trim().to_owned()).collect(), rest)
            }
            None => {
                let (word, _) = left.split_once(',').unwrap_or((left, ""));
                (vec![word.trim().to_owned()], left.get(word.len()..).unwrap_or(""))
            }
        };
        groups.push(group);
        let rest = rest.trim_start();
        left = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    groups
}
