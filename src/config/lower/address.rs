//! Lines of `virtual_ipaddress`: an address and what is said of it.

use std::net::{IpAddr, Ipv4Addr};

use super::Lower;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::{self, Status};
use crate::config::model::VirtualAddress;
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// Longest label that the kernel takes.
const LABEL: usize = 15;

impl Lower<'_> {
    /// One line. `None`: it is no address that can be set, and that is reported.
    pub(super) fn virtual_address(&mut self, node: &Node<'_>) -> Option<(VirtualAddress, Span)> {
        let (first, options) = node.words.split_first()?;
        let (address, prefix) = self.address_and_prefix(first)?;
        let mut result = VirtualAddress {
            address: IpAddr::V4(address),
            prefix,
            interface: None,
            scope: 0,
            label: None,
            broadcast: None,
        };
        let mut words = options.iter();
        while let Some(word) = words.next() {
            let Some(keyword) = keywords::line_option("(ADDRESS)", &word.text) else {
                self.unknown_option(word);
                continue;
            };
            let value = if keyword.args == "(flag)" { None } else { words.next() };
            match (keyword.status, value) {
                (Status::Implemented, Some(value)) => self.address_option(&word.text, value, &mut result),
                (Status::Implemented, None) => {
                    let message = format!("`{}` needs a value", word.text);
                    self.report(
                        Diagnostic::error(Code::MissingArgument, word.span, message)
                            .expected(format!("`{} {}`", word.text, keyword.args)),
                    );
                }
                _ => {
                    self.status(keyword, word.span);
                }
            }
        }
        Some((result, first.span))
    }

    fn address_and_prefix(&mut self, word: &Word<'_>) -> Option<(Ipv4Addr, u8)> {
        let (address, prefix) = match word.text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (&*word.text, None),
        };
        let part = Word { text: address.into(), span: word.span };
        let address = self.ipv4(&part, "a virtual address")?;
        let Some(prefix) = prefix else { return Some((address, 32)) };
        let number = prefix.parse::<u8>().ok().filter(|number| *number <= 32);
        if number.is_none() {
            let message = format!("`/{prefix}` is no prefix length");
            self.report(Diagnostic::error(Code::BadAddress, word.span, message).expected("/0 to /32"));
        }
        number.map(|number| (address, number))
    }

    fn unknown_option(&mut self, word: &Word<'_>) {
        let message = format!("`{}` is no option of an address", word.text);
        let mut diagnostic = Diagnostic::error(Code::UnknownKeyword, word.span, message);
        if word.text.contains(['.', ':']) {
            diagnostic = diagnostic.help("write one address a line");
        } else if let Some(near) = keywords::nearest_option("(ADDRESS)", &word.text) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
        }
        self.report(diagnostic);
    }

    fn address_option(&mut self, option: &str, value: &Word<'_>, result: &mut VirtualAddress) {
        match option {
            "dev" => result.interface = self.interface(value),
            "scope" => result.scope = self.scope(value).unwrap_or(0),
            "label" => {
                if value.text.is_empty() || value.text.len() > LABEL {
                    let message = format!("`{}` is no label", value.text);
                    self.report(
                        Diagnostic::error(Code::BadName, value.span, message).expected("1 to 15 characters"),
                    );
                } else {
                    result.label = Some(value.text.clone().into_owned());
                }
            }
            _ => result.broadcast = self.broadcast(value, result),
        }
    }

    /// An address, or `+` and `-`: all host bits set, or none.
    fn broadcast(&mut self, value: &Word<'_>, of: &VirtualAddress) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = of.address else { return None };
        let mask = u32::MAX.checked_shl(32 - u32::from(of.prefix)).unwrap_or(0);
        match &*value.text {
            "+" => Some(Ipv4Addr::from(u32::from(address) | !mask)),
            "-" => Some(Ipv4Addr::from(u32::from(address) & mask)),
            _ => self.ipv4(value, "a broadcast address"),
        }
    }

    fn scope(&mut self, value: &Word<'_>) -> Option<u8> {
        const SCOPES: [(&str, u8); 6] =
            [("global", 0), ("host", 254), ("link", 253), ("nowhere", 255), ("site", 200), ("universe", 0)];
        match value.text.parse() {
            Ok(number) => Some(number),
            Err(_) => self.choice(value, &SCOPES),
        }
    }
}
