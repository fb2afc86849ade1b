//! From the model back to the lines that it came from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::tracking::Weights;
use crate::config::model::{RealServer, Service, VirtualServer};
use crate::config::source::Span;
use crate::config::tree::Node;

/// Where an instance and its settings stand.
#[derive(Debug)]
pub(super) struct InstancePlaces {
    head: Span,
    settings: Vec<(&'static str, Span)>,
    /// What it tracks with a weight.
    pub(super) weighted: Weights,
}

impl InstancePlaces {
    /// The setting, or the head of the instance where it is left to its default.
    pub(super) fn of(&self, word: &str) -> Span {
        self.settings.iter().find(|(name, _)| *name == word).map_or(self.head, |(_, span)| *span)
    }
}

pub(super) fn instance(node: &Node<'_>) -> Option<InstancePlaces> {
    let settings =
        inside(node).iter().filter_map(|node| Some((node.keyword?.word(), node.span()?))).collect();
    Some(InstancePlaces { head: node.span()?, settings, weighted: Vec::new() })
}

/// The blocks of the instances by name; of two with one name the first, which counts.
pub(in crate::config) fn instances<'n, 's>(tree: &'n [Node<'s>]) -> BTreeMap<&'n str, &'n Node<'s>> {
    named(tree, "vrrp_instance")
}

/// The blocks of this kind by name; of two with one name the first.
pub(super) fn named<'n, 's>(tree: &'n [Node<'s>], word: &str) -> BTreeMap<&'n str, &'n Node<'s>> {
    let mut found = BTreeMap::new();
    for node in tree.iter().filter(|node| is(node, word)) {
        if let Some(name) = node.words.get(1) {
            found.entry(name.text).or_insert(node);
        }
    }
    found
}

/// The services with the blocks that they came from. Both are in the order of the file.
pub(super) fn services<'n, 's, 'm>(
    tree: &'n [Node<'s>],
    servers: &'m [Arc<VirtualServer>],
) -> Vec<(&'n Node<'s>, &'m VirtualServer)> {
    let mut nodes = tree.iter().filter(|node| is(node, "virtual_server"));
    let mut found = Vec::with_capacity(servers.len());
    for server in servers {
        let mut rest = nodes.clone();
        if let Some(node) = rest.find(|node| names(node, server)) {
            nodes = rest;
            found.push((node, &**server));
        }
    }
    found
}

/// The real servers with their blocks; none when they cannot be told apart.
pub(super) fn real_servers<'n, 's, 'm>(
    node: &'n Node<'s>,
    server: &'m VirtualServer,
) -> Vec<(&'n Node<'s>, &'m RealServer)> {
    let mut pairs = Vec::with_capacity(server.real_servers.len());
    let mut reals = server.real_servers.iter();
    for node in inside(node).iter().filter(|node| is(node, "real_server")) {
        let Some(real) = reals.next() else { return Vec::new() };
        pairs.push((node, real));
    }
    if reals.next().is_none() { pairs } else { Vec::new() }
}

/// The first child of this name, else the node itself.
pub(super) fn child<'n, 's>(node: &'n Node<'s>, word: &str) -> &'n Node<'s> {
    inside(node).iter().find(|node| is(node, word)).unwrap_or(node)
}

/// The children of one of these names.
pub(super) fn children<'n, 's>(node: &'n Node<'s>, words: &[&str]) -> impl Iterator<Item = &'n Node<'s>> {
    inside(node).iter().filter(|node| words.iter().any(|word| is(node, word)))
}

pub(super) fn inside<'n, 's>(node: &'n Node<'s>) -> &'n [Node<'s>] {
    node.body.as_ref().map_or(&[], |body| body.nodes)
}

fn is(node: &Node<'_>, word: &str) -> bool {
    node.keyword.is_some_and(|keyword| keyword.word() == word)
}

fn address_of(node: &Node<'_>) -> Option<IpAddr> {
    node.words.get(1)?.text.parse().ok()
}

/// Whether the head of the block names the service.
fn names(node: &Node<'_>, server: &VirtualServer) -> bool {
    let port = node.words.get(2).and_then(|word| word.text.parse::<u32>().ok()).unwrap_or(0);
    match server.service {
        Service::Fwmark { mark, .. } => {
            node.words.get(1).is_some_and(|word| word.text == "fwmark") && port == mark
        }
        Service::Address { address, .. } => {
            address_of(node) == Some(address.ip()) && port == u32::from(address.port())
        }
    }
}
