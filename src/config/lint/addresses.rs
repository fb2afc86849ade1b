//! Lints of addresses: those that no host can serve, and those that belong to somebody else.
//!
//! In: the tree and the model. Every word that the table calls an address is looked at, wherever it stands.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::places::inside;
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::keywords::shape::{Format, Header, Shape};
use crate::config::model::{Model, Priority};
use crate::config::tree::{Node, Word};

pub(super) fn lint(
    lints: &mut Lints<'_>,
    tree: &[Node<'_>],
    blocks: &BTreeMap<&str, &Node<'_>>,
    model: &Model,
) {
    nodes(lints, tree);
    for instance in &model.instances {
        let Some(node) = blocks.get(instance.name.as_str()) else { continue };
        let own = instance.transport.source;
        let peers = || lists(node, "unicast_peer").filter_map(|word| Some((word, net(word.text)?.0)));
        for (word, _) in peers().filter(|(_, peer)| own == Some(*peer)) {
            lints.report(
                lint_at(Code::OwnPeer, word.span, format!("{} is this node itself", word.text))
                    .consequence("nothing is sent there; keepalived sends its adverts to itself")
                    .help("delete the line on this node, or silence this where all nodes share the list"),
            );
        }
        let held = lists(node, "virtual_ipaddress").chain(lists(node, "virtual_ipaddress_excluded"));
        for word in held {
            let Some((address, _)) = net(word.text) else { continue };
            let whose = match address {
                // An owner sends from it.
                _ if own == Some(address) && instance.priority == Priority::OWNER => continue,
                _ if own == Some(address) => "the address that adverts come from",
                _ if peers().any(|(_, peer)| peer == address) => "the address of a peer",
                _ => continue,
            };
            lints.report(
                lint_at(Code::OddAddress, word.span, format!("virtual address {address} is {whose}"))
                    .consequence("it moves to the master, and the node that needs it cannot be reached")
                    .help("write an address that belongs to no node"),
            );
        }
    }
}

fn nodes(lints: &mut Lints<'_>, nodes_of: &[Node<'_>]) {
    for node in nodes_of {
        let Some(row) = node.keyword else { continue };
        let lines = inside(node).iter().filter_map(|line| line.words.first());
        match (row.first(), row.shape()) {
            (Some(Shape::Text(Format::Address)), Some(Shape::Lines)) => {
                lines.for_each(|word| look(lints, word, false));
            }
            (_, Some(Shape::Lines)) if row.lines() == Some("(ADDRESS)") => {
                lines.for_each(|word| look(lints, word, false));
            }
            (
                _,
                Some(
                    Shape::Text(Format::Address | Format::Ipv4 | Format::Ipv6)
                    | Shape::Endpoint
                    | Shape::Block(Header::Endpoint | Header::Service, _),
                ),
            ) if !takes_groups(row.word()) => {
                if let Some(word) = node.words.get(1) {
                    look(lints, word, may_be_here(row.word()));
                }
            }
            _ => {}
        }
        if !row.is_value_block() {
            nodes(lints, inside(node));
        }
    }
}

/// Words whose value is a group.
fn takes_groups(word: &str) -> bool {
    word.starts_with("vrrp_mcast_group")
}

/// Words whose value this host may serve to itself alone: it is its own sorry server, real server or mail server.
fn may_be_here(word: &str) -> bool {
    ["sorry_server", "real_server", "connect_ip", "bindto", "smtp_server"].contains(&word)
}

fn look(lints: &mut Lints<'_>, word: &Word<'_>, may_be_here: bool) {
    let Some((address, prefix)) = net(word.text) else { return };
    let Some(what) = odd(address, prefix).filter(|_| !(may_be_here && address.is_loopback())) else { return };
    lints.report(
        lint_at(Code::OddAddress, word.span, format!("{} is {what}", word.text))
            .expected("the address of one host")
            .consequence("nobody can be reached there"),
    );
}

/// Why no host is reached at an address.
fn odd(address: IpAddr, prefix: Option<u8>) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("no address of a host");
    }
    if address.is_multicast() {
        return Some("the address of a multicast group");
    }
    if address.is_loopback() {
        return Some("an address of the loopback, which every host has for itself");
    }
    match address {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        IpAddr::V4(address) => {
            let bits = u32::MAX.checked_shr(prefix.filter(|prefix| *prefix < 31)?.into())?;
            match u32::from(address) & bits {
                0 => Some("the address of its network"),
                host if host == bits => Some("the broadcast address of its network"),
                _ => None,
            }
        }
        IpAddr::V6(address) => {
            let bits = u128::MAX.checked_shr(prefix.filter(|prefix| *prefix < 127)?.into())?;
            (u128::from(address) & bits == 0).then_some("the address of every router of its network")
        }
    }
}

/// `ADDRESS[/LENGTH]`.
fn net(text: &str) -> Option<(IpAddr, Option<u8>)> {
    match text.split_once('/') {
        Some((address, prefix)) => Some((address.parse().ok()?, prefix.parse().ok())),
        None => Some((text.parse().ok()?, None)),
    }
}

/// The first words of the lines of a list in a block.
fn lists<'n, 's>(node: &'n Node<'s>, word: &str) -> impl Iterator<Item = &'n Word<'s>> {
    let lists = inside(node).iter().filter(move |list| list.keyword.is_some_and(|row| row.word() == word));
    lists.flat_map(inside).filter_map(|line| line.words.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_has() {
        let odd = |text: &str| net(text).and_then(|(address, prefix)| odd(address, prefix)).is_some();
        for text in [
            "0.0.0.0/24",
            "192.168.100.255/24",
            "192.168.100.0/24",
            "224.0.0.5/32",
            "127.0.0.1/8",
            "127.9.9.9",
            "255.255.255.255/32",
            "::",
            "::1",
            "ff02::1",
            "2001:db8::/64",
        ] {
            assert!(odd(text), "{text}");
        }
        for text in [
            "192.168.100.240/24",
            "192.168.100.0",
            "10.0.0.0/31",
            "10.0.0.1/31",
            "10.0.0.0/32",
            "10.1.0.0/8",
            "2001:db8::1/64",
            "fe80::1/64",
            "2001:db8::/128",
        ] {
            assert!(!odd(text), "{text}");
        }
    }
}
