//! `~SEQ` and `~LST`: one line for each value.

use super::super::source::{Span, offset};
use super::Expander;
use super::budget::LINE;
use super::define::Definition;

impl Expander<'_> {
    /// Repeats the rest of the line for each value of the generator it starts with. False: it starts with none.
    pub(super) fn generate(&mut self, span: Span) -> bool {
        let text = self.sources.text(span).to_owned();
        let Some((name, inside, rest)) = generator(&text) else { return false };
        let rest = Span { start: span.end - offset(rest.len()), ..span };
        match self.values(name, inside) {
            Ok(values) => {
                for assigned in values {
                    // An empty line costs as much as its names.
                    if !self.budget.take(assigned.len()) {
                        self.budget_error(span);
                        break;
                    }
                    self.assign(assigned);
                    if !self.repeat(span, rest) {
                        break;
                    }
                }
            }
            Err(message) => self.expansion_error(span, message),
        }
        true
    }

    pub(super) fn assign(&mut self, assigned: Assigned) {
        for (name, value) in assigned {
            self.definitions.insert(name, Definition::Line(value.into()));
        }
    }

    /// What a generator assigns, round by round; they may be more than anybody waits for.
    pub(super) fn values(
        &self,
        name: &str,
        inside: &str,
    ) -> Result<Box<dyn Iterator<Item = Assigned>>, String> {
        match name {
            "~LST" => Ok(Box::new(List::read(inside)?)),
            name => {
                let Sequence { name, start, step, end, hex } = self.sequence(inside, name == "~SEQx")?;
                let name = name.to_owned();
                let text = move |number: i64| if hex { format!("{number:x}") } else { number.to_string() };
                Ok(Box::new(numbers(start, step, end).map(move |number| vec![(name.clone(), text(number))])))
            }
        }
    }

    /// The line once more; false when there are too many.
    fn repeat(&mut self, span: Span, rest: Span) -> bool {
        let goes_on = self.budget.take(LINE);
        if goes_on {
            self.line(rest, true);
        } else {
            self.budget_error(span);
        }
        goes_on
    }

    /// `~SEQ(name, [start, [step,]] end)`.
    fn sequence<'t>(&self, inside: &'t str, hex: bool) -> Result<Sequence<'t>, String> {
        const USAGE: &str = "~SEQ takes (NAME, [START, [STEP,]] END)";
        let mut words = inside.split(',').map(str::trim);
        let name = words.next().filter(|name| !name.is_empty()).ok_or(USAGE)?;
        let mut numbers = Vec::new();
        for word in words {
            numbers.push(self.bound(word).ok_or_else(|| format!("`{word}` is no number; {USAGE}"))?);
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
        Ok(Sequence { name, start, step, end, hex })
    }

    /// A number as C writes it, or a definition that holds one.
    fn bound(&self, word: &str) -> Option<i64> {
        let name = word.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
        let word = match name {
            Some(name) => match self.definitions.get(name)? {
                Definition::Line(line) => line.trim(),
                Definition::Lines(lines) => lines.first()?.trim(),
            },
            None => word,
        };
        let (negative, digits) = word.strip_prefix('-').map_or((false, word), |digits| (true, digits));
        let (digits, base) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
            None => (digits, 10),
        };
        let number = i64::from_str_radix(digits, base).ok()?;
        if negative { number.checked_neg() } else { Some(number) }
    }
}

/// Names and values.
pub(super) type Assigned = Vec<(String, String)>;

/// `~LST(name, a, b)` or `~LST({n,m}, {a,1}, {b,2})`, read round by round: many values for many names are more than fit.
struct List {
    text: String,
    /// Where the next values stand.
    at: usize,
    names: Vec<String>,
}

impl List {
    fn read(inside: &str) -> Result<Self, String> {
        let text = inside.trim();
        let mut groups = Tuples(text);
        let names = groups.next().filter(|names| names.iter().all(|name| !name.is_empty()));
        let names = names.ok_or("~LST takes (NAME, VALUE...) or ({NAME, ...}, {VALUE, ...}...)")?;
        let at = text.len() - groups.0.len();
        if let Some(values) = groups.find(|values| values.len() > names.len()) {
            return Err(format!("{} values for {} names", values.len(), names.len()));
        }
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(Self { text: text.to_owned(), at, names })
    }
}

impl Iterator for List {
    type Item = Assigned;

    fn next(&mut self) -> Option<Assigned> {
        let mut groups = Tuples(self.text.get(self.at..)?);
        let values = groups.next()?.into_iter().chain(std::iter::repeat(""));
        self.at = self.text.len() - groups.0.len();
        Some(self.names.iter().zip(values).map(|(name, value)| (name.clone(), value.to_owned())).collect())
    }
}

/// The numbers of `~SEQ`.
struct Sequence<'a> {
    name: &'a str,
    start: i64,
    step: i64,
    end: i64,
    hex: bool,
}

fn numbers(start: i64, step: i64, end: i64) -> impl Iterator<Item = i64> {
    let within = move |value: &i64| if step > 0 { *value <= end } else { *value >= end };
    std::iter::successors(Some(start), move |value| value.checked_add(step)).take_while(within)
}

/// The generator that the text starts with: its name, what stands between its parentheses, and the rest.
pub(in crate::config) fn generator(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once('(')?;
    let name = name.trim_end();
    let (inside, rest) = after.split_once(')')?;
    matches!(name, "~SEQ" | "~SEQx" | "~LST").then_some((name, inside, rest))
}

/// Words parted by commas; words in braces belong together.
struct Tuples<'a>(&'a str);

impl<'a> Iterator for Tuples<'a> {
    type Item = Vec<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.0;
        if left.is_empty() {
            return None;
        }
        let (group, rest) = match left.strip_prefix('{') {
            Some(inside) => {
                let (group, rest) = inside.split_once('}').unwrap_or((inside, ""));
                (group.split(',').map(str::trim).collect(), rest)
            }
            None => {
                let (word, _) = left.split_once(',').unwrap_or((left, ""));
                (vec![word.trim()], left.get(word.len()..).unwrap_or(""))
            }
        };
        let rest = rest.trim_start();
        self.0 = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        Some(group)
    }
}
