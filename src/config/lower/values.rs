//! Readers of values. Each takes a statement, reports what is wrong with its words, and returns the value when
//! there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Lower, arguments, left_out};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::shape::{Format, Header, Shape};
use crate::config::keywords::{self, AbsentValue, Keyword, closest, examples};
use crate::config::model::{HIDDEN, InterfaceName};
use crate::config::slips;
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// 4294.967295 s: the longest time of most timers.
const LONGEST: u64 = 4_294_967_295;
/// Longest pause of a check, in microseconds: keepalived takes any, and 300 years are one that never comes.
const LONGEST_PAUSE: u64 = 10_000_000_000_000_000;

impl Lower<'_> {
    /// Exactly one word.
    pub(super) fn one<'n, 's>(&mut self, node: &'n Node<'s>) -> Option<&'n Word<'s>> {
        match arguments(node) {
            [] => {
                self.missing(node);
                None
            }
            [word] => Some(word),
            [word, surplus, ..] => {
                self.surplus(node, surplus);
                Some(word)
            }
        }
    }

    /// No word, or one.
    pub(super) fn optional<'n, 's>(&mut self, node: &'n Node<'s>) -> Option<&'n Word<'s>> {
        if arguments(node).is_empty() { None } else { self.one(node) }
    }

    /// No word at all. False: it is followed by a word that means off.
    pub(super) fn flag(&mut self, node: &Node<'_>) -> bool {
        let Some((word, keyword)) = arguments(node).first().zip(node.keyword) else { return true };
        let name = keyword.word();
        let diagnostic =
            Diagnostic::warning(Code::SurplusArgument, word.span, format!("`{name}` takes no value"));
        let off = matches!(word.text, "off" | "false" | "no" | "0");
        self.report(match off {
            true => diagnostic
                .consequence(format!("it is left off; keepalived turns it on, whatever follows `{name}`"))
                .help("delete the line"),
            false => diagnostic.consequence("the word is ignored, as keepalived does"),
        });
        !off
    }

    /// `on true yes`, `off false no`, or nothing, which is on.
    pub(super) fn boolean(&mut self, node: &Node<'_>) -> Option<bool> {
        let Some(word) = self.optional(node) else { return Some(true) };
        match word.text {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            other => {
                let lower = other.to_ascii_lowercase();
                let message = format!("`{other}` is neither on nor off");
                let mut diagnostic = Diagnostic::error(Code::BadBoolean, word.span, message)
                    .expected("on, true, yes, off, false or no");
                let guess = match &*lower {
                    "on" | "true" | "yes" | "off" | "false" | "no" => Some(&*lower),
                    "1" | "enable" | "enabled" => Some("on"),
                    "0" | "disable" | "disabled" => Some("off"),
                    _ => None,
                };
                if let Some(guess) = guess {
                    diagnostic = diagnostic.fix(word.span, guess);
                }
                self.report(diagnostic);
                None
            }
        }
    }

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

    /// One word as it stands.
    pub(super) fn text(&mut self, node: &Node<'_>) -> Option<String> {
        self.one(node).map(|word| word.text.to_string())
    }

    /// A name that files are called by.
    pub(super) fn file_name(&mut self, node: &Node<'_>) -> Option<String> {
        let word = self.one(node)?;
        if word.text.is_empty() || word.text.contains('/') || matches!(word.text, "." | "..") {
            let message = format!("`{}` is no name", word.text);
            self.report(Diagnostic::error(Code::BadName, word.span, message).expected("a name without `/`"));
            return None;
        }
        Some(word.text.to_string())
    }

    /// No word, which is the empty one, or one.
    pub(super) fn optional_text(&mut self, node: &Node<'_>) -> Option<String> {
        Some(self.optional(node).map_or(String::new(), |word| word.text.to_string()))
    }

    /// Name of an interface behind the keyword.
    pub(super) fn interface_of(&mut self, node: &Node<'_>) -> Option<InterfaceName> {
        self.one(node).and_then(|word| self.interface(word))
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

    /// A whole number of seconds as a duration.
    pub(super) fn seconds(&mut self, node: &Node<'_>) -> Option<Duration> {
        self.whole_as(node).map(Duration::from_secs)
    }

    /// One address of any family.
    pub(super) fn address(&mut self, node: &Node<'_>) -> Option<IpAddr> {
        let word = self.one(node)?;
        self.address_in(word)
    }

    /// The address that a word is.
    pub(super) fn address_in(&mut self, word: &Word<'_>) -> Option<IpAddr> {
        let before_slash = word.text.split_once('/').and_then(|(address, _)| address.parse().ok());
        match word.text.parse().ok() {
            Some(address) => Some(address),
            None if before_slash.is_some() => {
                let address = word.text.split('/').next().unwrap_or("");
                self.report(
                    Diagnostic::warning(Code::BadAddress, word.span, "no prefix length is taken here")
                        .consequence("it is ignored, as keepalived does")
                        .fix(word.span, address),
                );
                before_slash
            }
            None => {
                let message = format!("`{}` is no IP address", word.text);
                let mut diagnostic = Diagnostic::error(Code::BadAddress, word.span, message)
                    .expected("an IPv4 or IPv6 address");
                if let Some(trimmed) = without_zeros(word.text) {
                    diagnostic = diagnostic
                        .help("numbers of an address have no leading zeros")
                        .fix(word.span, trimmed);
                } else if let Some((address, port)) = word.text.split_once(':')
                    && address.parse::<Ipv4Addr>().is_ok()
                {
                    diagnostic = diagnostic
                        .help("write a blank in front of the port")
                        .fix(word.span, format!("{address} {port}"));
                }
                self.report(diagnostic);
                None
            }
        }
    }

    /// An IPv4 address, where no other makes sense.
    pub(super) fn ipv4(&mut self, word: &Word<'_>) -> Option<Ipv4Addr> {
        match self.address_in(word)? {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(address) => {
                let message = format!("{address} is no IPv4 address");
                self.report(
                    Diagnostic::error(Code::BadAddress, word.span, message).expected("an IPv4 address"),
                );
                None
            }
        }
    }

    /// An IPv6 address, where no other makes sense.
    pub(super) fn ipv6(&mut self, word: &Word<'_>) -> Option<Ipv6Addr> {
        match self.address_in(word)? {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(address) => {
                let message = format!("{address} is no IPv6 address");
                self.report(
                    Diagnostic::error(Code::BadAddress, word.span, message).expected("an IPv6 address"),
                );
                None
            }
        }
    }

    /// The name of an interface.
    pub(super) fn interface(&mut self, word: &Word<'_>) -> Option<InterfaceName> {
        match InterfaceName::new(word.text) {
            Ok(name) => {
                let alias = word.text.split_once(':').map(|(interface, _)| {
                    (
                        "an alias is no interface: the kernel has only what stands in front of the colon"
                            .to_owned(),
                        interface.to_owned(),
                    )
                });
                let slip = slips::slip(word.text).map(|slip| (slip.help, slip.meant.unwrap_or_default()));
                if let Some((help, meant)) = alias.or(slip) {
                    let message = format!("`{}` is hardly the name of an interface", word.text);
                    let diagnostic = Diagnostic::warning(Code::BadName, word.span, message).help(help);
                    self.report(match meant.is_empty() {
                        true => diagnostic,
                        false => diagnostic.fix(word.span, meant),
                    });
                }
                Some(name)
            }
            Err(error) => {
                // keepalived only says that there is no such interface: for it that is the host's affair.
                let message = format!("`{}` is no name of an interface", word.text);
                self.report(
                    left_out(word.span, message)
                        .consequence("no host can have such an interface")
                        .help(error.to_string()),
                );
                None
            }
        }
    }

    /// One of the words to choose from.
    pub(super) fn choice<T: Copy>(&mut self, word: &Word<'_>, choices: &[(&'static str, T)]) -> Option<T> {
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word.text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let message = format!("`{}` is not one of the words that are legal here", word.text);
        let mut diagnostic =
            Diagnostic::error(Code::BadChoice, word.span, message).expected(names.join(", "));
        if let Some(near) = closest(word.text, names.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
        }
        self.report(diagnostic);
        None
    }

    /// A setting that must be there and is not.
    pub(super) fn required(&mut self, node: &Node<'_>, message: impl Into<String>, help: &str) {
        let damaged = node.body.as_ref().is_some_and(|body| body.damaged.get());
        if let (Some(span), false) = (node.span(), damaged) {
            self.report(Diagnostic::error(Code::Required, span, message).help(help));
        }
    }

    /// A setting that is absent, and what counts then. Nothing is said of a block of which a part was not
    /// understood: the setting may have been in it.
    pub(super) fn absent(&mut self, node: &Node<'_>, message: &str, consequence: &str) {
        if node.body.as_ref().is_some_and(|body| !body.damaged.get()) {
            self.adjusted(node.span(), message, consequence);
        }
    }

    /// A place where keepalived does something else than it says.
    pub(super) fn portable(&mut self, span: Span, message: &'static str, consequence: &'static str) {
        // keepalived reads no JSON.
        if self.sources.is_json() {
            return;
        }
        let block = self.around();
        self.grouped(message, span, || Diagnostic {
            block,
            ..Diagnostic::note(Code::Portable, span, message).consequence(consequence)
        });
    }

    /// A setting that contradicts another and is adjusted.
    pub(super) fn adjusted(
        &mut self,
        span: Option<Span>,
        message: impl Into<String>,
        consequence: impl Into<String>,
    ) {
        if let Some(span) = span {
            self.report(Diagnostic::warning(Code::Conflict, span, message).consequence(consequence));
        }
    }

    /// A password or a key. `None`: a dump has put stars in its place.
    pub(super) fn secret<'n, 's>(&mut self, word: &'n Word<'s>) -> Option<&'n Word<'s>> {
        if word.text != HIDDEN {
            return Some(word);
        }
        self.report(
            Diagnostic::error(Code::Hidden, word.span, "the secret is hidden: this file comes from a dump")
                .consequence("it is not known")
                .help("write the secret itself, or dump with `directord config dump --secrets`"),
        );
        None
    }

    /// Words that are one too few.
    pub(super) fn missing(&mut self, node: &Node<'_>) {
        let Some((keyword, word)) = node.keyword.zip(node.words.last()) else { return };
        let message = format!("`{}` needs a value", keyword.word());
        let end = Span { start: word.span.end, ..word.span };
        self.report(
            Diagnostic::error(Code::MissingArgument, word.span.to(end), message)
                .label("nothing follows")
                .expected(usage(keyword)),
        );
    }

    /// Words that are too many. Keepalived reports them behind names and in front of lists, and reads over them
    /// elsewhere.
    pub(super) fn surplus(&mut self, node: &Node<'_>, word: &Word<'_>) {
        let Some(keyword) = node.keyword else { return };
        let named_once = matches!(keyword.path, "vrrp_instance" | "vrrp_sync_group");
        let refused = keyword.is_value_block() || named_once;
        let one_too_many = |span, message, refused| match refused {
            true => Diagnostic::error(Code::SurplusArgument, span, message),
            false => Diagnostic::warning(Code::SurplusArgument, span, message),
        };
        if let Some(sign) = arguments(node).first().filter(|first| matches!(first.text, "=" | ":")) {
            let message = format!("`{}` is read as the value of `{}`", sign.text, keyword.word());
            let diagnostic = one_too_many(sign.span, message, refused || !takes_any_text(keyword));
            let help = slips::slip(sign.text).map(|slip| slip.help).unwrap_or_default();
            self.report(diagnostic.expected(usage(keyword)).help(help));
            return;
        }
        if word.text == "\\" {
            let message = "a `\\` at the end of a line".to_owned();
            let diagnostic = one_too_many(word.span, message, refused || !takes_any_text(keyword));
            let help = slips::slip(word.text).map(|slip| slip.help).unwrap_or_default();
            self.report(diagnostic.consequence("keepalived takes it for the end of the value").help(help));
            return;
        }
        if keywords::places(word.text).iter().any(|place| place.block() == keyword.block()) {
            let message = format!("`{}` stands on the line of `{}`", word.text, keyword.word());
            self.report(
                one_too_many(word.span, message, refused)
                    .consequence("it does not count, in keepalived neither: one statement a line")
                    .help(format!("begin a new line in front of `{}`", word.text)),
            );
            return;
        }
        let secret = matches!(keyword.word(), "auth_pass" | "key" | "password");
        let message = match secret {
            true => format!("`{}` has one word too many", keyword.word()),
            false => format!("`{}` is one word too many", word.text),
        };
        let diagnostic = one_too_many(word.span, message, refused).expected(usage(keyword));
        self.report(match refused {
            true => diagnostic,
            false => diagnostic.consequence("it is ignored, as keepalived does"),
        });
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
        let absent = keyword.map(|keyword| keyword.absent);
        let default = keyword.map_or("", |keyword| keyword.default);
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

/// Whether keepalived takes any word as the value, so that one with a sign of another language is no error.
fn takes_any_text(keyword: &Keyword) -> bool {
    use Format::{Any, File, Interface, Name};
    let text = match keyword.first() {
        Some(Shape::Text(format)) => matches!(format, Any | File | Interface | Name),
        Some(Shape::Pattern | Shape::Command | Shape::Script) => true,
        _ => false,
    };
    text || keyword.path == "vrrp_instance/state"
}

/// `priority <INT>: 1..255; …`.
fn usage(keyword: &Keyword) -> String {
    if matches!(keyword.shape(), Some(Shape::Flag | Shape::Block(Header::None, _))) {
        return format!("`{}` alone", keyword.word());
    }
    let usage = match keyword.limits() {
        "" => format!("`{} {}`", keyword.word(), keyword.args),
        limits => format!("`{} {}`: {limits}", keyword.word(), keyword.args),
    };
    let example = examples::statement(keyword);
    let line =
        example.lines().map(str::trim_start).find(|line| line.split(' ').next() == Some(keyword.word()));
    match line.map(|line| line.trim_end_matches(" {")).filter(|line| line.contains(' ')) {
        Some(line) => format!("{usage}; for example `{line}`"),
        None => usage,
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

/// `010.0.0.1` without the zeros, when that makes an address of it.
fn without_zeros(text: &str) -> Option<String> {
    let part = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        part => part.to_owned(),
    };
    let parts: Vec<String> = text.split('.').map(part).collect();
    let text = parts.join(".");
    text.parse::<Ipv4Addr>().is_ok().then_some(text)
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

    #[test]
    fn zeros() {
        assert_eq!(without_zeros("010.000.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(without_zeros("1.2.3"), None);
    }
}
