//! `virtual_server_group`: the services of one virtual server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Lower, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{Family, GroupEntry, VirtualServerGroup};
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    pub(super) fn server_group(&mut self, node: &Node<'_>) -> Option<VirtualServerGroup> {
        let name = self.block_name(node)?;
        let mut entries = Vec::new();
        self.within(node, |lower| {
            for line in inside(node) {
                entries.extend(lower.group_entry(line));
            }
        });
        if entries.is_empty() {
            self.absent(node, "the group is empty", "it is left out, as keepalived does");
        }
        Some(VirtualServerGroup { name, entries })
    }

    fn group_entry(&mut self, line: &Node<'_>) -> Option<GroupEntry> {
        let (first, rest) = line.words.split_first()?;
        if first.text == "fwmark" {
            return self.group_mark(first, rest);
        }
        if let (true, Some(near)) =
            (!first.text.contains(['.', ':']), closest(first.text, ["fwmark"].into_iter()))
        {
            let message = format!("unknown keyword `{}`", first.text);
            self.report(
                Diagnostic::error(Code::UnknownKeyword, first.span, message)
                    .help(format!("did you mean `{near}`?"))
                    .fix(first.span, near),
            );
            return None;
        }
        let (low, high) = self.group_addresses(first)?;
        let port = match rest.first() {
            None => 0,
            Some(word) => self.integer_in(None, word, 0, 65535).and_then(|port| u16::try_from(port).ok())?,
        };
        if let Some(word) = rest.get(1) {
            let message = format!("`{}` is one word too many", word.text);
            self.report(
                Diagnostic::warning(Code::SurplusArgument, word.span, message)
                    .consequence("it is ignored, as keepalived does")
                    .expected("`ADDRESS [PORT]`, one entry a line"),
            );
        }
        Some(GroupEntry::Addresses { first: low, last: high, port })
    }

    fn group_mark(&mut self, first: &Word<'_>, rest: &[Word<'_>]) -> Option<GroupEntry> {
        let Some((number, family)) = rest.split_first() else {
            let message = "`fwmark` needs a number";
            self.report(
                Diagnostic::error(Code::MissingArgument, first.span, message)
                    .expected("`fwmark NUMBER [inet|inet6]`"),
            );
            return None;
        };
        let mark = self.integer_in(None, number, 0, u32::MAX.into())?;
        let family = family.first().and_then(|word| self.choice(word, &Family::WORDS));
        Some(GroupEntry::Fwmark { mark: u32::try_from(mark).ok()?, family })
    }

    /// `ADDRESS`, `ADDRESS-LAST`, `ADDRESS-ADDRESS`, `ADDRESS/LENGTH`.
    fn group_addresses(&mut self, word: &Word<'_>) -> Option<(IpAddr, IpAddr)> {
        if word.text.contains('/') {
            return self.group_net(word);
        }
        let (first, last) = word.text.split_once('-').unwrap_or((word.text, ""));
        let first = self.address_in(&Word { text: first, span: word.span })?;
        if last.is_empty() && !word.text.ends_with('-') {
            return Some((first, first));
        }
        let end = match first {
            IpAddr::V4(first) => last.parse::<u8>().ok().map(|last| {
                let [a, b, c, _] = first.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, last))
            }),
            IpAddr::V6(first) => u16::from_str_radix(last, 16).ok().map(|last| {
                let [a, b, c, d, e, f, g, _] = first.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, last))
            }),
        };
        let end = end.or_else(|| last.parse().ok());
        let end = end.filter(|end: &IpAddr| end.is_ipv6() == first.is_ipv6() && *end >= first);
        if end.is_none() {
            let message = format!("`{}` is no range of addresses", word.text);
            self.report(
                Diagnostic::error(Code::BadAddress, word.span, message).expected(
                    "FIRST-LAST, where LAST is an address or the last part of one, not before FIRST",
                ),
            );
        }
        end.map(|end| (first, end))
    }

    fn group_net(&mut self, word: &Word<'_>) -> Option<(IpAddr, IpAddr)> {
        let net = self.address_with_length(word)?;
        let (last, clean) = match net.address {
            IpAddr::V4(address) => {
                let bits = u32::MAX.checked_shr(net.prefix.into()).unwrap_or(0);
                let number = u32::from(address);
                (IpAddr::V4(Ipv4Addr::from(number | bits)), number & bits == 0)
            }
            IpAddr::V6(address) => {
                let bits = u128::MAX.checked_shr(net.prefix.into()).unwrap_or(0);
                let number = u128::from(address);
                (IpAddr::V6(Ipv6Addr::from(number | bits)), number & bits == 0)
            }
        };
        if !clean {
            let message = format!("`{}` has host bits", word.text);
            self.report(
                Diagnostic::error(Code::BadAddress, word.span, message)
                    .expected("a network: all bits behind the prefix length are 0"),
            );
            return None;
        }
        Some((net.address, last))
    }
}
