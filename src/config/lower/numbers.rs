//! Readers of numbers and times. Ranges are those of the keyword table.

use std::time::Duration;

use super::Lower;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::{AbsentValue, Keyword};
use crate::config::tree::{Node, Word};

/// 4294.967295 s: the longest time of most timers.
const LONGEST: u64 = 4_294_967_295;
/// Longest pause of a check, in microseconds: keepalived takes any, and 300 years are one that never comes.
const LONGEST_PAUSE: u64 = 10_000_000_000_000_000;

impl Lower<'_> {
    /// A whole number in the range that the table gives its keyword.
    pub(super) fn whole(&mut self, node: &Node<'_>) -> Option<i64> {
        let word = self.one(node)?;
        self.whole_of(node, word)
    }

    /// The whole number that a word is, in the range that the table gives the keyword of the statement.
    pub(super) fn whole_of(&mut self, node: &Node<'_>, word: &Word<'_>) -> Option<i64> {
        let (low, high) = node.keyword.map_or((None, None), Keyword::bounds);
        let (low, high) =
            (low.map_or(0, |low| low / 1_000_000), high.map_or(u32::MAX.into(), |high| high / 1_000_000));
        self.integer_in(node.keyword, word, low, high)
    }

    /// The whole number behind an option of the line of the statement, in the range that the table gives the option.
    pub(super) fn whole_behind<T: TryFrom<i64>>(
        &mut self,
        keyword: Option<&'static Keyword>,
        option: &str,
        word: &Word<'_>,
    ) -> Option<T> {
        let (low, high) = keyword.and_then(|row| row.bounds_of(option)).unwrap_or((0, u32::MAX.into()));
        self.integer_in(keyword.filter(|row| row.word() == option), word, low, high)
            .and_then(|number| T::try_from(number).ok())
    }

    /// The same, as what the model keeps.
    pub(super) fn whole_as<T: TryFrom<i64>>(&mut self, node: &Node<'_>) -> Option<T> {
        self.whole(node).and_then(|number| T::try_from(number).ok())
    }

    /// A number of seconds in the range that the table gives its keyword.
    pub(super) fn time(&mut self, node: &Node<'_>) -> Option<Duration> {
        let word = self.one(node)?;
        let (low, high) = node.keyword.map_or((None, None), Keyword::bounds);
        let bound = |bound: Option<i64>| bound.and_then(|bound| u64::try_from(bound).ok());
        let longest = if low.is_some() { LONGEST_PAUSE } else { LONGEST };
        self.timer_in(node.keyword, word, bound(low).unwrap_or(0), bound(high).unwrap_or(longest))
    }

    /// A whole number of seconds as a duration.
    pub(super) fn seconds(&mut self, node: &Node<'_>) -> Option<Duration> {
        self.whole_as(node).map(Duration::from_secs)
    }

    /// The whole number that a word is.
    pub(super) fn number_in(
        &mut self,
        keyword: Option<&'static Keyword>,
        word: &Word<'_>,
        low: u64,
        high: u64,
    ) -> Option<u64> {
        let bound = |bound: u64| i64::try_from(bound).unwrap_or(i64::MAX);
        self.integer_in(keyword, word, bound(low), bound(high)).and_then(|number| u64::try_from(number).ok())
    }

    /// The whole number that a word is, which may be negative.
    pub(super) fn integer_in(
        &mut self,
        keyword: Option<&'static Keyword>,
        word: &Word<'_>,
        low: i64,
        high: i64,
    ) -> Option<i64> {
        let name = keyword.map_or("", Keyword::word);
        let digits = word.text.strip_prefix('+').unwrap_or(word.text);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let negative = word.text.strip_prefix('-').is_some_and(is_number);
        if !is_number(digits) && !negative {
            self.bad_number(name, word, "a whole number");
            return None;
        }
        let number = digits.parse::<i64>().ok().filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.out_of_range(keyword, name, word, &format!("{low}..{high}"));
        }
        number
    }

    /// The number of seconds, with up to six decimals, that a word is; the bounds are microseconds.
    pub(super) fn timer_in(
        &mut self,
        keyword: Option<&'static Keyword>,
        word: &Word<'_>,
        low: u64,
        high: u64,
    ) -> Option<Duration> {
        let name = keyword.map_or("", Keyword::word);
        let Some((micros, rounded)) = microseconds(word.text) else {
            self.bad_number(name, word, "a number of seconds");
            return None;
        };
        if !(low..=high).contains(&micros) {
            self.out_of_range(keyword, name, word, &format!("{}..{} seconds", seconds(low), seconds(high)));
            return None;
        }
        if rounded {
            let message = format!("`{}` has more than six decimals", word.text);
            self.report(
                Diagnostic::error(Code::BadNumber, word.span, message)
                    .expected("a number of seconds with at most six decimals")
                    .fix(word.span, seconds(micros)),
            );
        }
        Some(Duration::from_micros(micros))
    }

    fn bad_number(&mut self, name: &str, word: &Word<'_>, expected: &str) {
        let message = match name {
            "" => format!("`{}` is not {expected}", word.text),
            name => format!("`{name}` is `{}`, which is not {expected}", word.text),
        };
        let mut diagnostic = Diagnostic::error(Code::BadNumber, word.span, message).expected(expected);
        let end = word.text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
        let (number, unit) = word.text.split_at_checked(end).unwrap_or(("", ""));
        match unit {
            "s" | "sec" | "secs" | "seconds" if !number.is_empty() => {
                diagnostic = diagnostic.help("seconds are written without a unit").fix(word.span, number);
            }
            "ms" => {
                if let Ok(millis) = number.parse::<u64>() {
                    let text = seconds(millis.saturating_mul(1000));
                    diagnostic = diagnostic.help("times are written in seconds").fix(word.span, text);
                }
            }
            _ => {}
        }
        self.report(diagnostic);
    }

    fn out_of_range(&mut self, keyword: Option<&'static Keyword>, name: &str, word: &Word<'_>, range: &str) {
        let absent = keyword.map(Keyword::absent);
        let default = keyword.map(Keyword::default).unwrap_or_default();
        let message = match name {
            "" => format!("{} is outside {range}", word.text),
            name => format!("`{name}` is {}, which is outside {range}", word.text),
        };
        let mut expected = range.to_owned();
        if absent.is_some_and(|absent| !matches!(absent.value, AbsentValue::Unsaid | AbsentValue::Required)) {
            expected = format!("{range}; the default is {default}");
        }
        let diagnostic =
            Diagnostic::error(Code::OutOfRange, word.span, message).label("out of range").expected(expected);
        // What 0 is meant to say, the default says.
        let off = word.text.parse() == Ok(0.0) && absent.is_some_and(|absent| absent.is_nothing());
        self.report(match (off, name) {
            (true, "persistence_timeout") => diagnostic.help(
                "delete the line, and `persistence_granularity` where it stands: without both there is none",
            ),
            (true, _) => diagnostic.help("delete the line: without it there is none"),
            (false, _) => diagnostic,
        });
    }
}

/// `1.5` as microseconds, and whether decimals were rounded away.
pub(super) fn microseconds(text: &str) -> Option<(u64, bool)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || (whole.is_empty() && decimals.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let padded: String = decimals.chars().chain(std::iter::repeat('0')).take(6).collect();
    let mut micros = padded.parse::<u64>().ok()?;
    let rest = decimals.get(6..).unwrap_or("");
    micros += u64::from(rest.starts_with(|c: char| c >= '5'));
    let rounded = rest.bytes().any(|byte| byte != b'0');
    Some((whole.checked_mul(1_000_000)?.checked_add(micros)?, rounded))
}

/// Microseconds as seconds, without trailing zeros.
pub(super) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers() {
        assert_eq!(microseconds("1"), Some((1_000_000, false)));
        assert_eq!(microseconds(".5"), Some((500_000, false)));
        assert_eq!(microseconds("1."), Some((1_000_000, false)));
        assert_eq!(microseconds("0.0000015"), Some((2, true)));
        for bad in ["", ".", "5s", "1.5.5", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(microseconds(bad), None, "{bad}");
        }
        assert_eq!(seconds(1_500_000), "1.5");
        assert_eq!(seconds(10), "0.00001");
        assert_eq!(seconds(10_000_000), "10");
    }
}
