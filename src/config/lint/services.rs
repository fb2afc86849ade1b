//! Lints of `virtual_server`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::places::{child, children, real_servers, services};
use super::{Lints, checks, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::{Model, Protocol, Scheduler, Service, VirtualServer};
use crate::config::tree::Node;

pub(super) fn lint(lints: &mut Lints<'_>, tree: &[Node<'_>], model: &Model) {
    let addresses: BTreeSet<IpAddr> = model
        .instances
        .iter()
        .flat_map(|instance| instance.addresses.iter().chain(&instance.excluded_addresses))
        .map(|address| address.address)
        .collect();
    for (node, server) in services(tree, &model.virtual_servers) {
        service(lints, node, server, &addresses);
    }
}

fn service(lints: &mut Lints<'_>, node: &Node<'_>, server: &VirtualServer, addresses: &BTreeSet<IpAddr>) {
    let reals = real_servers(node, server);
    for (place, real) in &reals {
        let ip = real.address.ip();
        let is_virtual = server.service.address() == Some(ip) || addresses.contains(&ip);
        if let (true, Some(span)) = (is_virtual, place.span()) {
            lints.report(
                lint_at(Code::RealIsVirtual, span, format!("the real server {ip} is a virtual address"))
                    .consequence("its connections end on the director itself, or go round in circles")
                    .help("write the address that the real server has of its own"),
            );
        }
        if server.sorry_server.is_some_and(|sorry| sorry.address == real.address)
            && let Some((sorry, span)) = child(node, "sorry_server").span().zip(place.span())
        {
            let message = format!("the sorry server {} is one of the real servers", real.address);
            lints.report(
                lint_at(Code::SorryIsReal, sorry, message)
                    .related(span, "this real server")
                    .consequence(
                        "when the quorum is lost, clients are sent to a server that has most likely failed",
                    )
                    .help("name a server of its own, for example one on the director"),
            );
        }
        checks::lint(lints, place, real, server);
    }
    checks::digests(lints, &reals);
    persistence(lints, node, server);
}

fn persistence(lints: &mut Lints<'_>, node: &Node<'_>, server: &VirtualServer) {
    let Service::Address { protocol: Protocol::Udp, address } = server.service else { return };
    let spreads = matches!(server.scheduler, Scheduler::Rr | Scheduler::Wrr);
    let Some(persistence) = server.persistence.filter(|_| spreads && address.port() != 0) else { return };
    let place = children(node, &["persistence_timeout", "persistence_granularity"]).next();
    if let Some(span) = place.unwrap_or(node).span() {
        let name = server.scheduler.name();
        let message = format!("persistence with `lb_algo {name}` over UDP");
        lints.report(
            lint_at(Code::StickyDatagrams, span, message)
                .consequence(format!(
                    "every datagram renews the {} s: a busy client, such as a resolver, never changes its server",
                    persistence.timeout
                ))
                .help("delete the line; or take `lb_algo sh`, which needs no state to keep clients together"),
        );
    }
}
