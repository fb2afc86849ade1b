//! Lines of `virtual_ipaddress` and `static_ipaddress`: an address and what is said of it.

use std::net::{IpAddr, Ipv4Addr};

use super::Lower;
use super::option::Line;
use super::track::Names;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::{self, Keyword};
use crate::config::model::{StaticAddress, VirtualAddress};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// One line of an instance. `None`: it is no address that can be set, and that is reported.
    pub(super) fn virtual_address(&mut self, node: &Node<'_>) -> Option<(VirtualAddress, Span)> {
        let span = node.words.first()?.span;
        self.address_line(node, None).map(|(address, _)| (address, span))
    }

    /// One line of `static_ipaddress`.
    pub(super) fn static_address(&mut self, node: &Node<'_>, names: &Names) -> Option<StaticAddress> {
        let (address, track_group) = self.address_line(node, Some(names))?;
        Some(StaticAddress { address, track_group })
    }

    fn address_line(
        &mut self,
        node: &Node<'_>,
        names: Option<&Names>,
    ) -> Option<(VirtualAddress, Option<String>)> {
        let mut line = Line::new(node.words, "(ADDRESS)");
        let first = line.next()?;
        let net = self.address_with_length(first)?;
        let mut result = VirtualAddress::new(net.address, net.prefix);
        let mut track_group = None;
        while let Some(word) = line.next() {
            let Some(keyword) = keywords::line_option("(ADDRESS)", word.text) else {
                self.unknown_option(word);
                continue;
            };
            self.status(keyword, word.span);
            match word.text {
                "track_group" => track_group = self.track_group_option(&mut line, names),
                "home" => result.flags.home = true,
                "-nodad" => result.flags.detect_duplicates = true,
                "mngtmpaddr" => result.flags.manage_temporary = true,
                "noprefixroute" => result.flags.no_prefix_route = true,
                "autojoin" => result.flags.autojoin = true,
                "no_track" => result.no_track = true,
                "use_vmac" => result.vmac = true,
                _ => {
                    if let Some(value) = self.value(&mut line) {
                        self.address_option(word, value, &mut result);
                    }
                }
            }
        }
        Some((result, track_group))
    }

    fn unknown_option(&mut self, word: &Word<'_>) {
        let message = format!("`{}` is no option of an address", word.text);
        let mut diagnostic = Diagnostic::error(Code::UnknownKeyword, word.span, message);
        if word.text.contains(['.', ':']) {
            diagnostic = diagnostic.help("write one address a line");
        } else if let Some(near) = keywords::nearest_option("(ADDRESS)", word.text) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
        }
        self.report(diagnostic);
    }

    fn address_option(&mut self, option: &Word<'_>, value: &Word<'_>, result: &mut VirtualAddress) {
        if result.address.is_ipv6() && matches!(option.text, "scope" | "label" | "broadcast" | "brd") {
            let message = format!("an IPv6 address has no `{}`", option.text);
            self.adjusted(Some(option.span), message, "it is ignored, as keepalived does");
            return;
        }
        match option.text {
            "dev" => result.interface = self.interface(value),
            "scope" => result.scope = self.scope(value).unwrap_or(0),
            "peer" => {
                if let Some(net) = self.address_with_length(value) {
                    if net.address.is_ipv6() != result.address.is_ipv6() {
                        let message = format!("{} is of the other address family", net.address);
                        self.report(Diagnostic::error(Code::BadAddress, value.span, message));
                    }
                    result.peer = Some(net);
                }
            }
            "preferred_lft" => {
                result.preferred_lifetime = match value.text {
                    "forever" => Some(u32::MAX),
                    _ => {
                        let row = keywords::line_option("(ADDRESS)", "preferred_lft");
                        self.whole_behind(row, "", value)
                    }
                };
            }
            "label" => {
                let row = keywords::line_option("(ADDRESS)", "label");
                let longest = row.and_then(Keyword::longest).unwrap_or(usize::MAX);
                if value.text.is_empty() || value.text.len() > longest {
                    let message = format!("`{}` is no label", value.text);
                    self.report(
                        Diagnostic::error(Code::BadName, value.span, message)
                            .expected(format!("1 to {longest} characters")),
                    );
                } else {
                    result.label = Some(value.text.to_owned());
                }
            }
            _ => result.broadcast = self.broadcast(value, result),
        }
    }

    /// An address, or `+` and `-`: all host bits set, or none.
    fn broadcast(&mut self, value: &Word<'_>, of: &VirtualAddress) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = of.address else { return None };
        let mask = u32::MAX.checked_shl(32 - u32::from(of.prefix)).unwrap_or(0);
        match value.text {
            "+" => Some(Ipv4Addr::from(u32::from(address) | !mask)),
            "-" => Some(Ipv4Addr::from(u32::from(address) & mask)),
            _ => self.ipv4(value),
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
