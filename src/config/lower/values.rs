//! Readers of values. Each takes a statement, reports what is wrong with its words, and returns the value when
//! there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Lower, arguments, left_out};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{HIDDEN, InterfaceName};
use crate::config::slips;
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

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

    /// One word as it stands.
    pub(super) fn text(&mut self, node: &Node<'_>) -> Option<String> {
        self.one(node).map(|word| word.text.to_string())
    }

    /// A file that is written, emptied or removed: by its whole path, and none of those that the configuration is read from. No
    /// word where `optional`: the empty one.
    pub(super) fn written_file(&mut self, node: &Node<'_>, optional: bool) -> Option<String> {
        let word = match optional {
            true => match self.optional(node) {
                Some(word) => word,
                None => return Some(String::new()),
            },
            false => self.one(node)?,
        };
        let last = word.text.rsplit('/').next().unwrap_or_default();
        if !word.text.starts_with('/') || matches!(last, "" | "." | "..") {
            let message = format!("`{}` is no place of a file", word.text);
            self.report(
                Diagnostic::error(Code::BadName, word.span, message)
                    .expected("a path that begins with `/` and ends with a name"),
            );
            return None;
        }
        self.is_no_source(word.span, word.text).then(|| word.text.to_string())
    }

    /// What is written over must not be what is read.
    pub(super) fn is_no_source(&mut self, span: Span, path: &str) -> bool {
        let is_read = self.sources.has_file(path);
        if is_read {
            self.report(
                Diagnostic::error(Code::BadName, span, format!("{path} is a file of this configuration"))
                    .consequence("what stands in it would be lost")
                    .help("name another file"),
            );
        }
        !is_read
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
    fn zeros() {
        assert_eq!(without_zeros("010.000.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(without_zeros("1.2.3"), None);
    }
}
