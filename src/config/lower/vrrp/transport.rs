//! With whom an instance talks: address family, peers, groups, authentication.

use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::globals::Defaults;
use super::super::{Lower, inside, left_out};
use super::{Beside, Draft, Instances, Routers};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    Authentication, InterfaceName, Ipv6Transport, PeerTtl, Secret, Version, VirtualAddress, Vrid,
};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// 224.0.0.18 (RFC 9568 §5.1.1.2).
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// ff02::12 (RFC 9568 §5.1.2.2).
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

impl Lower<'_> {
    /// The first address decides of which family an instance is. False: this one is of the other.
    pub(super) fn family(&mut self, ipv6: bool, span: Span, draft: &mut Draft) -> bool {
        let name = |ipv6| if ipv6 { "IPv6" } else { "IPv4" };
        match draft.family {
            Some((family, first)) if family != ipv6 => {
                let message = format!("an {} instance has no {} address here", name(family), name(ipv6));
                self.report(
                    Diagnostic::error(Code::BadAddress, span, message)
                        .related(first, "this makes it one")
                        .help("write an instance of its own, or use `virtual_ipaddress_excluded`"),
                );
                false
            }
            Some(_) => true,
            None => {
                draft.family = Some((ipv6, span));
                true
            }
        }
    }

    pub(super) fn of_family(&mut self, word: &Word<'_>, draft: &mut Draft) -> Option<IpAddr> {
        let address = self.address_in(word)?;
        self.family(address.is_ipv6(), word.span, draft).then_some(address)
    }

    pub(super) fn authentication(&mut self, node: &Node<'_>, draft: &mut Draft) {
        let (mut kind, mut password, mut has_password) = (None, None, false);
        self.no_words(node);
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "auth_type" => kind = lower.one(node).map(|word| (word.text, word.span)),
                "auth_pass" => {
                    has_password = true;
                    let word = lower.one(node).and_then(|word| lower.secret(word));
                    password = word.map(|word| (word.text, word.span));
                }
                _ => {}
            });
        });
        let comment =
            password.as_ref().and_then(|(_, span)| Some((*span, self.sources.comment_behind(*span)?)));
        if let Some((word, comment)) = comment.filter(|(word, comment)| comment.start == word.end)
            && !self.sources.text(word).starts_with('\'')
        {
            let sign = Span { end: comment.start + 1, ..comment };
            self.report(
                Diagnostic::warning(Code::Quote, sign, "the password ends at this comment sign")
                    .label("the rest of the line is a comment, as in keepalived")
                    .help(
                        "put the password between double quotes, on every node at once: its end is not sent now",
                    ),
            );
        }
        match (kind.as_ref().map(|(kind, span)| (&**kind, *span)), &password) {
            (Some(("AH", span)), _) => {
                let password =
                    password.as_ref().map_or(Vec::new(), |(password, _)| password.as_bytes().to_vec());
                // Of two blocks the second counts.
                draft.authentication = None;
                draft.extras.ah = Some(Secret(password));
                self.report(
                    left_out(span, "authentication AH is not supported by this version")
                        .consequence(
                            "without it, adverts of the other router would be refused, and ours sent unsigned",
                        )
                        .help("use `auth_type PASS` on both routers, or none"),
                );
            }
            (Some(("PASS", _)), Some((password, span))) => {
                if password.len() > 8 {
                    let message = format!("`auth_pass` has {} characters", password.len());
                    self.report(
                        Diagnostic::warning(Code::Conflict, *span, message)
                            .consequence("only the first 8 are sent and compared, as keepalived does")
                            .help(
                                "shorten it to 8 on every node; it travels in clear text, so take one that \
                                 protects nothing else",
                            ),
                    );
                }
                if password.is_empty() {
                    self.report(Diagnostic::error(Code::BadName, *span, "the password is empty"));
                }
                let mut bytes = [0; 8];
                bytes.iter_mut().zip(password.bytes()).for_each(|(to, from)| *to = from);
                draft.extras.ah = None;
                draft.authentication = node.span().map(|span| (Authentication::Pass(bytes), span));
            }
            (Some(("PASS", _)), None) if has_password => {}
            (Some(("PASS", _)), None) => {
                self.required(node, "`auth_type PASS` needs a password", "add `auth_pass PASSWORD`");
            }
            (Some((kind, span)), _) => self.report(
                Diagnostic::error(Code::BadChoice, span, format!("`{kind}` is no kind of authentication"))
                    .expected("PASS or AH"),
            ),
            (None, _) => {
                self.absent(
                    node,
                    "`authentication` without `auth_type`",
                    "adverts are sent and accepted without authentication, as keepalived does",
                );
            }
        }
    }

    pub(super) fn unicast_peers(&mut self, node: &Node<'_>, draft: &mut Draft) {
        draft.unicast = node.words.first().map(|word| word.span);
        let mut seen = std::mem::take(&mut self.seen);
        self.no_words(node);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((first, options)) = line.words.split_first() else { continue };
                let Some(peer) = lower.of_family(first, draft) else { continue };
                if !seen.insert(("unicast_peer", peer.to_string())) {
                    let message = format!("peer {peer} is given twice");
                    lower.report(Diagnostic::error(Code::Duplicate, first.span, message));
                    continue;
                }
                draft.peers.push(peer);
                let ttl = lower.peer_options(peer, options);
                draft.extras.peer_ttl.extend(ttl);
            }
        });
        self.seen = seen;
    }

    fn peer_options(&mut self, peer: IpAddr, options: &[Word<'_>]) -> Option<PeerTtl> {
        let mut ttl = PeerTtl { peer, min: 0, max: 255 };
        for option in options.chunks(2) {
            match option {
                [word, value] if matches!(word.text, "min_ttl" | "max_ttl") => {
                    let number =
                        self.number_in(None, value, 0, 255).and_then(|number| u8::try_from(number).ok());
                    match (number, word.text == "min_ttl") {
                        (Some(number), true) => ttl.min = number,
                        (Some(number), false) => ttl.max = number,
                        (None, _) => {}
                    }
                    let message = format!("`{}` has no effect in this version", word.text);
                    self.grouped("peer ttl", word.span, || {
                        Diagnostic::warning(Code::NotYet, word.span, message)
                            .consequence("adverts of a peer are accepted from any distance")
                    });
                }
                [word, ..] => {
                    let message = format!("`{}` is no option of a peer", word.text);
                    self.report(
                        Diagnostic::error(Code::UnknownKeyword, word.span, message)
                            .expected("`ADDRESS [min_ttl N] [max_ttl N]`, one peer a line"),
                    );
                }
                [] => {}
            }
        }
        (!options.is_empty()).then_some(ttl)
    }

    pub(super) fn addresses(&mut self, node: &Node<'_>) -> Vec<(VirtualAddress, Span)> {
        self.no_words(node);
        self.within(node, |lower| {
            inside(node).iter().filter_map(|line| lower.virtual_address(line)).collect()
        })
    }

    /// IPv6 addresses are read and not held.
    pub(super) fn unsupported_addresses(&mut self, draft: &Draft) {
        let diagnostic = |span, message: &str| {
            left_out(span, message).consequence("leaving it out would leave the address without a director")
        };
        if let Some((true, span)) = draft.family {
            self.grouped("VRRP over IPv6", span, || {
                diagnostic(span, "VRRP over IPv6 is not supported by this version")
            });
        }
        let excluded = draft.excluded.iter().find(|(address, _)| address.address.is_ipv6());
        if let Some((_, span)) = excluded.filter(|_| !draft.family.is_some_and(|(ipv6, _)| ipv6)) {
            self.grouped("an IPv6 address", *span, || {
                diagnostic(*span, "a virtual address of IPv6 is not supported by this version")
            });
        }
    }

    /// Two instances of one number must not hear each other: keepalived refuses the same interface with the
    /// same group or a peer in common.
    pub(super) fn unique_router(
        &mut self,
        instances: &mut Instances,
        key: (InterfaceName, Vrid, bool),
        to: &[IpAddr],
        span: Span,
    ) -> Beside {
        let message = format!("virtual router id {} is taken on {}", key.1.number(), key.0);
        let routers = match instances.routers.entry(key) {
            Entry::Vacant(entry) => {
                let to = to.iter().map(|address| (*address, span)).collect();
                entry.insert(Routers { first: span, to });
                return Beside::Runs;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        if let Some(first) = to.iter().filter_map(|address| routers.to.get(address)).min() {
            let diagnostic = Diagnostic::error(Code::Duplicate, span, message)
                .related(*first, "by this instance")
                .consequence("the two instances would answer each other's adverts")
                .help("give one of them another number of 1..255, the same on every node of the pair");
            self.report(diagnostic);
            return Beside::Wrong;
        }
        let diagnostic = left_out(span, message).related(routers.first, "by this instance");
        routers.to.extend(to.iter().map(|address| (*address, span)));
        let text = "this version does not tell apart two instances of one number on one interface";
        self.report(diagnostic.consequence(text));
        Beside::LeftOut
    }

    pub(super) fn usable_authentication(
        &mut self,
        given: Option<(Authentication, Span)>,
        version: Version,
        strict: bool,
    ) -> Authentication {
        match given {
            Some((_, span)) if strict && version == Version::V2 => {
                self.adjusted(
                    Some(span),
                    "the strict mode knows no authentication",
                    "adverts are sent and accepted without the password, as keepalived does; a node without \
                     `vrrp_strict` drops them: both are masters",
                );
                Authentication::None
            }
            Some((_, span)) if version == Version::V3 => {
                self.adjusted(
                    Some(span),
                    "VRRP version 3 has no authentication",
                    "adverts are sent and accepted without the password, as keepalived does",
                );
                Authentication::None
            }
            given => given.map_or(Authentication::None, |(authentication, _)| authentication),
        }
    }

    pub(super) fn transport(&mut self, draft: &Draft) {
        if let (Some(span), true) = (draft.unicast, draft.peers.is_empty()) {
            self.report(
                Diagnostic::warning(Code::Conflict, span, "unicast without a peer")
                    .consequence("adverts go to the multicast group, as keepalived sends them")
                    .help("add `unicast_peer { ADDRESS }`"),
            );
        }
        if let (Some((_, span)), true) = (draft.unicast_ttl, draft.peers.is_empty()) {
            self.adjusted(Some(span), "`unicast_ttl` without a peer", "it has no effect");
        }
    }
}

pub(super) fn only_v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The multicast group, and what an IPv6 instance has on top.
pub(super) fn where_to(draft: &Draft, defaults: &Defaults, ipv6: bool) -> (IpAddr, Option<Ipv6Transport>) {
    if !ipv6 {
        let group = draft.group.or(defaults.group.map(IpAddr::V4)).unwrap_or(IpAddr::V4(GROUP));
        return (group, None);
    }
    let only_v6 = |address: &IpAddr| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    };
    let group = draft.group.as_ref().and_then(only_v6).or(defaults.globals.vrrp.group6).unwrap_or(GROUP6);
    let source = draft.source.as_ref().and_then(only_v6);
    let peers = draft.peers.iter().filter_map(only_v6).collect();
    (IpAddr::V6(group), Some(Ipv6Transport { source, peers, group }))
}
