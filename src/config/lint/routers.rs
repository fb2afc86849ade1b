//! Lints of `vrrp_instance`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::places::inside;
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::{Model, Priority};
use crate::config::source::Span;
use crate::config::tree::Node;

pub(super) fn lint(lints: &mut Lints<'_>, blocks: &BTreeMap<&str, &Node<'_>>, model: &Model) {
    let mut owners: BTreeMap<IpAddr, (&str, Option<Span>)> = BTreeMap::new();
    for instance in &model.instances {
        let Some(node) = blocks.get(instance.name.as_str()) else { continue };
        let written =
            |word: &str| inside(node).iter().find(|node| node.keyword.is_some_and(|row| row.word() == word));
        if let (Some(state), None, true) =
            (written("state"), written("priority"), instance.priority == Priority::OWNER)
            && let Some(span) = state.span()
        {
            lints.report(
                lint_at(
                    Code::OwnerByDefault,
                    span,
                    "MASTER without `priority` is 255, the owner of the addresses",
                )
                .consequence("no weight lowers it, and no other node ever outranks it")
                .help("add the priority that is meant: `priority 150`"),
            );
        }
        let lines = lines(node);
        for address in instance.all_addresses() {
            let address = address.address;
            let place = lines.get(&address).copied();
            match owners.get(&address) {
                None => drop(owners.insert(address, (&instance.name, place))),
                Some((other, first)) => {
                    let Some(span) = place else { continue };
                    let message = format!("virtual address {address} belongs to two instances");
                    let mut diagnostic = lint_at(Code::SharedAddress, span, message)
                        .consequence(format!(
                            "when {other} and {} are masters on different nodes, both nodes hold the address",
                            instance.name
                        ))
                        .help("leave it in one of the two");
                    if let Some(first) = first {
                        diagnostic = diagnostic.related(*first, format!("also in {other}"));
                    }
                    lints.report(diagnostic);
                }
            }
        }
    }
}

/// The lines of the addresses of an instance.
fn lines(node: &Node<'_>) -> BTreeMap<IpAddr, Span> {
    let blocks = inside(node)
        .iter()
        .filter(|node| node.keyword.is_some_and(|keyword| keyword.word().starts_with("virtual_ipaddress")));
    let mut found = BTreeMap::new();
    for word in blocks.flat_map(inside).filter_map(|line| line.words.first()) {
        let text = word.text.split('/').next().unwrap_or("");
        if let Ok(address) = text.parse() {
            found.entry(address).or_insert(word.span);
        }
    }
    found
}
