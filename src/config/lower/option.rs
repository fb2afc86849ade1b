//! Readers of the options of a line: routes, rules, addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::Lower;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::{self, Keyword};
use crate::config::model::{Family, Named, Net};
use crate::config::source::Span;
use crate::config::tree::Word;

/// The words of one line, from left to right.
pub(super) struct Line<'n, 's> {
    words: &'n [Word<'s>],
    at: usize,
    /// What kind of line it is: `(ROUTE)`.
    pub(super) kind: &'static str,
}

impl<'n, 's> Line<'n, 's> {
    pub(super) fn new(words: &'n [Word<'s>], kind: &'static str) -> Self {
        Self { words, at: 0, kind }
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Option<&'n Word<'s>> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The next word, which stays.
    pub(super) fn peek(&self) -> Option<&'n Word<'s>> {
        self.words.get(self.at)
    }

    /// Takes the next word when it is this one.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.peek().is_some_and(|word| word.text == text);
        self.at += usize::from(there);
        there
    }

    fn last(&self) -> Option<&'n Word<'s>> {
        self.words.get(self.at.checked_sub(1)?)
    }
}

impl Lower<'_> {
    /// The word behind an option; reported when there is none.
    pub(super) fn value<'n, 's>(&mut self, line: &mut Line<'n, 's>) -> Option<&'n Word<'s>> {
        let option = line.last();
        let value = line.next();
        if let (None, Some(option)) = (value, option) {
            let row = keywords::line_option(line.kind, option.text);
            let usage = row.map_or(String::new(), |row| format!("`{} {}`", option.text, row.args()));
            let message = format!("`{}` needs a value", option.text);
            let diagnostic = Diagnostic::error(Code::MissingArgument, option.span, message);
            self.report(if usage.is_empty() { diagnostic } else { diagnostic.expected(usage) });
        }
        value
    }

    /// A whole number, in C's notation.
    pub(super) fn c_number(&mut self, word: &Word<'_>, low: u64, high: u64) -> Option<u64> {
        let text = word.text.strip_prefix('+').unwrap_or(word.text);
        let found = c_number(text);
        match found {
            None => {
                let message = format!("`{}` is no number", word.text);
                self.report(
                    Diagnostic::error(Code::BadNumber, word.span, message).expected(format!("{low}..{high}")),
                );
                None
            }
            Some(number) if !(low..=high).contains(&number) => {
                let message = format!("{} is outside {low}..{high}", word.text);
                self.report(
                    Diagnostic::error(Code::OutOfRange, word.span, message)
                        .label("out of range")
                        .expected(format!("{low}..{high}")),
                );
                None
            }
            found => found,
        }
    }

    /// The number behind an option, in the range that the table gives it; 64 bits where it gives none.
    pub(super) fn number_option<T: TryFrom<u64>>(
        &mut self,
        line: &mut Line<'_, '_>,
        option: &str,
    ) -> Option<T> {
        let row = keywords::line_option(line.kind, option);
        self.number_behind(row, option, line)
    }

    /// The number behind a word of an option that has several.
    pub(super) fn number_behind<T: TryFrom<u64>>(
        &mut self,
        row: Option<&'static Keyword>,
        word: &str,
        line: &mut Line<'_, '_>,
    ) -> Option<T> {
        let bound = |bound: i64| u64::try_from(bound).unwrap_or(0);
        let limits = row.and_then(|row| row.bounds_of(word));
        let (low, high) = limits.map_or((0, u64::MAX), |(low, high)| (bound(low), bound(high)));
        let value = self.value(line)?;
        self.c_number(value, low, high).and_then(|number| T::try_from(number).ok())
    }

    /// A number, or a name that the host knows.
    pub(super) fn named_option(&mut self, line: &mut Line<'_, '_>) -> Option<Named> {
        let word = self.value(line)?;
        let number = c_number(word.text).and_then(|number| u32::try_from(number).ok());
        Some(number.map_or_else(|| Named::Name(word.text.to_string()), Named::Number))
    }

    /// The address behind an option, of the family that the line has.
    pub(super) fn address_option_of(
        &mut self,
        line: &mut Line<'_, '_>,
        family: &mut Option<Family>,
    ) -> Option<IpAddr> {
        let word = self.value(line)?;
        let address = self.address_in(word)?;
        self.line_family(address, word.span, family)?;
        Some(address)
    }

    /// Whether an address fits the others of its line.
    pub(super) fn line_family(
        &mut self,
        address: IpAddr,
        span: Span,
        family: &mut Option<Family>,
    ) -> Option<()> {
        if family.is_some_and(|family| family != Family::of(address)) {
            let message = format!("{address} is not of the address family of this line");
            self.report(Diagnostic::error(Code::BadAddress, span, message));
            return None;
        }
        *family = Some(Family::of(address));
        Some(())
    }

    /// `ADDRESS[/LENGTH]`; every address for `default` and its kin. Outer `None`: it is none of them.
    pub(super) fn net(&mut self, word: &Word<'_>, family: &mut Option<Family>) -> Option<Option<Net>> {
        match word.text {
            "default" | "any" | "all" => return Some(None),
            "default6" => {
                *family = Some(Family::Ipv6);
                return Some(None);
            }
            _ => {}
        }
        let net = self.address_with_length(word)?;
        self.line_family(net.address, word.span, family)?;
        Some(Some(net))
    }

    /// `ADDRESS[/LENGTH]`.
    pub(super) fn address_with_length(&mut self, word: &Word<'_>) -> Option<Net> {
        let (address, prefix) = match word.text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (word.text, None),
        };
        if let Some(whole) = short_ipv4(address) {
            let message = format!("`{address}` is no whole IPv4 address");
            let fix = prefix.map_or_else(|| whole.clone(), |prefix| format!("{whole}/{prefix}"));
            let diagnostic = Diagnostic::error(Code::BadAddress, word.span, message);
            self.report(
                diagnostic.expected("four numbers of 0 to 255, with dots between them").fix(word.span, fix),
            );
            return None;
        }
        let part = Word { text: address, span: word.span };
        let address = self.address_in(&part)?;
        let full = Family::of(address).bits();
        let Some(prefix) = prefix else { return Some(Net { address, prefix: full }) };
        let number = prefix.parse::<u8>().ok().filter(|number| *number <= full);
        if number.is_none() {
            let message = format!("`/{prefix}` is no prefix length");
            let expected = format!("/0 to /{full}");
            let mut diagnostic = Diagnostic::error(Code::BadAddress, word.span, message).expected(expected);
            if let Some(length) = prefix.parse::<Ipv4Addr>().ok().and_then(mask_length) {
                diagnostic = diagnostic.fix(word.span, format!("{address}/{length}"));
            }
            self.report(diagnostic);
        }
        number.map(|prefix| Net { address, prefix })
    }

    /// `[SOURCE/]DESTINATION`.
    pub(super) fn realms(&mut self, line: &mut Line<'_, '_>) -> Option<u32> {
        let word = self.value(line)?;
        let (from, to) = word.text.split_once('/').unwrap_or(("0", word.text));
        let number = |text: &str| c_number(text).and_then(|number| u16::try_from(number).ok());
        // A realm may have a name, which only the host knows.
        number(from).zip(number(to)).map(|(from, to)| u32::from(from) << 16 | u32::from(to))
    }

    /// `LOW-HIGH`, or one number.
    pub(super) fn range_option<T: TryFrom<u64>>(
        &mut self,
        line: &mut Line<'_, '_>,
        option: &str,
    ) -> Option<(T, T)> {
        let limits = keywords::line_option(line.kind, option).and_then(|row| row.bounds_of(""));
        let high = limits.and_then(|(_, high)| u64::try_from(high).ok()).unwrap_or(u64::MAX);
        let word = self.value(line)?;
        if !word.text.contains('-') {
            self.portable(word.span, "one number is a range of one", "keepalived leaves the option out");
        }
        let (low, last) = word.text.split_once('-').unwrap_or((word.text, word.text));
        let bound = |text: &str| c_number(text).filter(|number| *number <= high);
        let Some((low, last)) = bound(low).zip(bound(last)).filter(|(low, last)| low <= last) else {
            let message = format!("`{}` is no range", word.text);
            self.report(
                Diagnostic::error(Code::BadNumber, word.span, message)
                    .expected(format!("LOW-HIGH, 0 to {high}, or one number")),
            );
            return None;
        };
        T::try_from(low).ok().zip(T::try_from(last).ok())
    }

    /// A word that is no option of its line.
    pub(super) fn unknown_option_of(&mut self, kind: &'static str, word: &Word<'_>, what: &str) {
        let message = format!("`{}` is no option of {what}", word.text);
        let mut diagnostic = Diagnostic::error(Code::UnknownKeyword, word.span, message);
        if let Some(near) = keywords::nearest_option(kind, word.text) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
        } else if word.text.contains(['.', ':']) {
            diagnostic = diagnostic.help(format!("write one line for {what}"));
        }
        self.report(diagnostic);
    }

    /// A group of instances that a static entry belongs to.
    pub(super) fn track_group_option(
        &mut self,
        line: &mut Line<'_, '_>,
        names: Option<&super::track::Names>,
    ) -> Option<String> {
        let word = self.value(line)?;
        match names {
            None => {
                let message = "`track_group` is for static entries";
                self.report(Diagnostic::error(Code::Misplaced, word.span, message));
                None
            }
            Some(names) if !names.track_groups.contains_key(word.text) => {
                let message = format!("there is no `track_group {}`", word.text);
                self.report(Diagnostic::error(Code::Undefined, word.span, message));
                None
            }
            Some(_) => Some(word.text.to_string()),
        }
    }
}

/// `0x10`, `010`, `10`.
pub(super) fn c_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let legal = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if legal { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// 24 for 255.255.255.0; `None`: it is no mask.
fn mask_length(mask: Ipv4Addr) -> Option<u32> {
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == 0).then(|| bits.leading_ones())
}

/// What `10.1` most likely stands for, 10.1.0.0; `None`: it is whole, or no address at all.
fn short_ipv4(text: &str) -> Option<String> {
    let parts = text.split('.').count();
    let digits = !text.is_empty() && text.split('.').all(|part| part.parse::<u8>().is_ok());
    (digits && parts < 4).then(|| format!("{text}{}", ".0".repeat(4 - parts)))
}
