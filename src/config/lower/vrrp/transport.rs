//! With whom an instance talks: address family, peers, groups.

use std::net::IpAddr;

use super::super::globals::Defaults;
use super::super::{Lower, inside};
use super::{Draft, Instances, Ways};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::Keyword;
use crate::config::model::{
    Destination, Family, InterfaceName, Peer, Transport, Unicast, VirtualAddress, Vrid,
};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// The first address decides of which family an instance is. False: this one is of the other.
    pub(super) fn family(&mut self, family: Family, span: Span, draft: &mut Draft) -> bool {
        match draft.family {
            Some((other, first)) if other != family => {
                let message = format!("an {other} instance has no {family} address here");
                self.report(
                    Diagnostic::error(Code::BadAddress, span, message)
                        .related(first, "this makes it one")
                        .help("write an instance of its own, or use `virtual_ipaddress_excluded`"),
                );
                false
            }
            Some(_) => true,
            None => {
                draft.family = Some((family, span));
                true
            }
        }
    }

    pub(super) fn of_family(&mut self, word: &Word<'_>, draft: &mut Draft) -> Option<IpAddr> {
        let address = self.address_in(word)?;
        self.family(Family::of(address), word.span, draft).then_some(address)
    }

    pub(super) fn unicast_peers(&mut self, node: &Node<'_>, draft: &mut Draft) {
        draft.unicast = node.words.first().map(|word| word.span);
        let mut seen = std::mem::take(&mut self.seen);
        self.no_words(node);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((first, options)) = line.words.split_first() else { continue };
                let Some(address) = lower.of_family(first, draft) else { continue };
                if !seen.insert(("unicast_peer", address.to_string())) {
                    let message = format!("peer {address} is given twice");
                    lower.report(Diagnostic::error(Code::Duplicate, first.span, message));
                    continue;
                }
                draft.has_peer_ttl |= !options.is_empty();
                draft.peers.push(lower.peer(node.keyword, address, options));
            }
        });
        self.seen = seen;
    }

    /// A list that all nodes share has the own address in it, to which nothing is sent.
    pub(super) fn own_peer(&mut self, node: &Node<'_>, draft: &mut Draft) {
        let Some(own) = draft.source else { return };
        let before = draft.peers.len();
        draft.peers.retain(|peer| peer.address != own);
        if draft.peers.is_empty()
            && before > 0
            && let Some(span) = draft.unicast.or_else(|| node.span())
        {
            draft.unicast = None;
            self.report(
                Diagnostic::error(Code::Conflict, span, format!("the only peer is this node itself, {own}"))
                    .consequence("no other node would hear of it: each would be master")
                    .help("write the addresses of the other nodes in `unicast_peer`"),
            );
        }
    }

    /// `ADDRESS [min_ttl N] [max_ttl N]`.
    fn peer(&mut self, row: Option<&'static Keyword>, address: IpAddr, options: &[Word<'_>]) -> Peer {
        let mut peer = Peer::new(address);
        for option in options.chunks(2) {
            match option {
                [word, value] if matches!(word.text, "min_ttl" | "max_ttl") => {
                    let number = self.whole_behind(row, word.text, value);
                    let ttl = if word.text == "min_ttl" { &mut peer.min_ttl } else { &mut peer.max_ttl };
                    *ttl = number.unwrap_or(*ttl);
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
        peer
    }

    pub(super) fn addresses(&mut self, node: &Node<'_>) -> Vec<(VirtualAddress, Span)> {
        self.no_words(node);
        self.within(node, |lower| {
            inside(node).iter().filter_map(|line| lower.virtual_address(line)).collect()
        })
    }

    /// Two instances of one number must not hear each other: keepalived refuses the same interface with the
    /// same group, or a peer in common from the same address. False: it answers the adverts of another one.
    pub(super) fn unique_router(
        &mut self,
        instances: &mut Instances,
        key: (Option<InterfaceName>, Vrid, Family),
        ways: &[(Option<IpAddr>, IpAddr)],
        span: Span,
    ) -> bool {
        let on = key.0.as_ref().map_or_else(String::new, |interface| format!(" on {interface}"));
        let message = format!("virtual router id {} is taken{on}", key.1.number());
        let Ways(taken) = instances.routers.entry(key).or_default();
        if let Some(first) = ways.iter().filter_map(|way| taken.get(way)).min() {
            let diagnostic = Diagnostic::error(Code::Duplicate, span, message)
                .related(*first, "by this instance")
                .consequence("the two instances would answer each other's adverts")
                .help("give one of them another number of 1..255, the same on every node of the pair");
            self.report(diagnostic);
            return false;
        }
        taken.extend(ways.iter().map(|way| (*way, span)));
        true
    }

    /// Where its adverts go and come from. Without a peer they go to the group, unless that is to be a fault.
    pub(super) fn transport(&mut self, draft: &Draft, group: IpAddr, defaults: &Defaults) -> Transport {
        let alone = draft.peers.is_empty();
        if let (Some(span), true) = (draft.fault_without_peer, alone) {
            self.report(
                Diagnostic::warning(Code::Conflict, span, "unicast without a peer")
                    .consequence("the instance is in FAULT, as `unicast_fault_no_peer` wants it")
                    .help("add `unicast_peer { ADDRESS }`"),
            );
        } else if let (Some(span), true) = (draft.unicast, alone) {
            self.report(
                Diagnostic::warning(Code::Conflict, span, "unicast without a peer")
                    .consequence("adverts go to the multicast group, as keepalived sends them")
                    .help("add `unicast_peer { ADDRESS }`"),
            );
        }
        if let (Some((_, span)), true) = (draft.unicast_ttl, alone) {
            self.adjusted(Some(span), "`unicast_ttl` without a peer", "it has no effect");
        }
        let multicast = alone && draft.fault_without_peer.is_none();
        let to = if multicast {
            Destination::Multicast(group)
        } else {
            Destination::Unicast(Unicast {
                ttl: draft.unicast_ttl.map_or(Unicast::TTL, |(ttl, _)| ttl),
                check_source: draft.check_source || draft.has_peer_ttl || defaults.check_unicast_source,
                fault_without_peer: draft.fault_without_peer.is_some(),
                old_checksum: draft.old_checksum,
                ..Unicast::to(draft.peers.clone(), group)
            })
        };
        Transport { source: draft.source, track_source: draft.track_source, to }
    }
}

/// The group that counts for an instance of this family.
pub(super) fn group(draft: &Draft, defaults: &Defaults, family: Family) -> IpAddr {
    let of_globals = match family {
        Family::Ipv4 => defaults.group.map(IpAddr::V4),
        Family::Ipv6 => defaults.globals.vrrp.group6.map(IpAddr::V6),
    };
    draft.group.or(of_globals).unwrap_or(Destination::group(family))
}
