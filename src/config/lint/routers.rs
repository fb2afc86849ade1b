//! Lints of `vrrp_instance`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::places::{inside, instance_node};
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::Model;
use crate::config::source::Span;
use crate::config::tree::Node;

pub(super) fn lint(lints: &mut Lints<'_>, tree: &[Node<'_>], model: &Model) {
    let mut owners: BTreeMap<IpAddr, (&str, &Node<'_>)> = BTreeMap::new();
    for instance in &model.instances {
        let Some(node) = instance_node(tree, instance) else { continue };
        for address in instance.addresses.iter().chain(&instance.excluded_addresses) {
            let address = address.address;
            match owners.get(&address) {
                None => drop(owners.insert(address, (&instance.name, node))),
                Some((other, first)) => {
                    let Some(span) = line_of(node, address) else { continue };
                    let message = format!("virtual address {address} belongs to two instances");
                    let mut diagnostic = lint_at(Code::SharedAddress, span, message)
                        .consequence(format!(
                            "when {other} and {} are masters on different nodes, both nodes hold the address",
                            instance.name
                        ))
                        .help("leave it in one of the two");
                    if let Some(first) = line_of(first, address) {
                        diagnostic = diagnostic.related(first, format!("also in {other}"));
                    }
                    lints.report(diagnostic);
                }
            }
        }
    }
}

/// The line of an address.
fn line_of(node: &Node<'_>, address: IpAddr) -> Option<Span> {
    let lines = inside(node)
        .iter()
        .filter(|node| node.keyword.is_some_and(|keyword| keyword.word().starts_with("virtual_ipaddress")));
    let words = lines.flat_map(inside).filter_map(|line| line.words.first());
    let mut found = words.filter(|word| {
        let text = word.text.split('/').next().unwrap_or("");
        text.parse::<IpAddr>() == Ok(address)
    });
    found.next().map(|word| word.span)
}
