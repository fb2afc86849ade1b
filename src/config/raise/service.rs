//! `virtual_server`, by address, firewall mark or group.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Word;
use super::block::{Block, plain};
use super::checkers::Timing;
use super::lvs::{endpoint, forwarding};
use super::named::Checks;
use crate::config::model::{Family, Forwarding, GroupedServer, Protocol, Scheduler, Service, VirtualServer};

impl Block {
    pub(super) fn virtual_server(&mut self, server: &VirtualServer, checks: &Checks<'_>) {
        let mut head = vec![plain("virtual_server")];
        let protocol = match server.service {
            Service::Fwmark { mark, .. } => {
                head.extend([plain("fwmark"), plain(mark.to_string())]);
                None
            }
            Service::Address { protocol, address } => {
                head.extend([plain(address.ip().to_string()), plain(address.port().to_string())]);
                Some(protocol)
            }
        };
        self.service(head, server, protocol, checks);
    }

    pub(super) fn grouped_server(&mut self, server: &GroupedServer, checks: &Checks<'_>) {
        let head = [plain("virtual_server"), plain("group"), plain(&server.group)];
        self.service(head.into(), &server.like, Some(server.protocol), checks);
    }

    fn service(
        &mut self,
        head: Vec<Word>,
        server: &VirtualServer,
        protocol: Option<Protocol>,
        checks: &Checks<'_>,
    ) {
        let forwarding_of_most = most(server);
        let timing = Timing::of(server, checks);
        self.block(head, |block| {
            block.given("protocol", protocol.map(|protocol| protocol.name().to_uppercase()));
            block.set("lb_algo", server.scheduler.name());
            block.scheduler_flags(server);
            block.words("lb_kind", forwarding(forwarding_of_most));
            block.family(server);
            block.persistence(server);
            block.outer_timing(&timing.service);
            block.given("virtualhost", timing.virtualhost);
            let inhibit = server.real_servers.len() > 1
                && server.real_servers.iter().all(|real| real.inhibit_on_failure);
            block.flag("inhibit_on_failure", inhibit);
            block.unless("quorum", server.quorum, VirtualServer::QUORUM);
            block.unless("hysteresis", server.hysteresis, 0);
            block.given("min_healthy", server.min_healthy.map(|least| least.to_string()));
            block.command("quorum_up", server.notify.quorum_up.as_ref());
            block.command("quorum_down", server.notify.quorum_down.as_ref());
            block.flag("ha_suspend", server.ha_suspend);
            block.flag("omega", server.omega);
            block.given("smtp_alert", server.notify.smtp_alert);
            block.given("snmp_name", server.notify.snmp_name.as_ref());
            if let Some(sorry) = &server.sorry_server {
                block.words("sorry_server", endpoint(sorry.address.ip(), sorry.address.port()));
                block.flag("sorry_server_inhibit", sorry.inhibit);
                if sorry.forwarding != forwarding_of_most || block.shows("sorry_server_lvs_method") {
                    block.words("sorry_server_lvs_method", forwarding(sorry.forwarding));
                }
            }
            for (real, outer) in server.real_servers.iter().zip(&timing.reals) {
                block.real_server(real, server, forwarding_of_most, inhibit, outer, timing.virtualhost);
            }
        });
    }

    fn scheduler_flags(&mut self, server: &VirtualServer) {
        let [one, two] = match server.scheduler {
            Scheduler::Sh => ["sh-fallback", "sh-port"],
            Scheduler::Mh => ["mh-fallback", "mh-port"],
            _ => ["flag-1", "flag-2"],
        };
        self.flag(one, server.flags.one);
        self.flag(two, server.flags.two);
        self.flag("flag-3", server.flags.three);
        self.flag("ops", server.one_packet);
    }

    /// A firewall mark has the family of its first real server, unless it says otherwise.
    fn family(&mut self, server: &VirtualServer) {
        let Service::Fwmark { family, .. } = server.service else { return };
        let of_real = server.real_servers.first().map(|real| Family::of(real.address.ip()));
        self.unless("ip_family", family.word(), of_real.unwrap_or_default().word());
    }

    fn persistence(&mut self, server: &VirtualServer) {
        self.given("persistence_engine", server.persistence_engine.as_ref());
        let Some(persistence) = server.persistence else { return };
        self.set("persistence_timeout", persistence.timeout);
        let bits = persistence.granularity;
        match server.service.is_ipv6() {
            true => self.unless("persistence_granularity", bits.prefix(), 128),
            false => self.unless("persistence_granularity", bits.mask(), Ipv4Addr::BROADCAST),
        }
    }
}

/// The method of most real servers, of two equally frequent that of the first: `lb_kind`.
fn most(server: &VirtualServer) -> Forwarding {
    let mut counts: BTreeMap<Forwarding, usize> = BTreeMap::new();
    for real in &server.real_servers {
        *counts.entry(real.forwarding).or_default() += 1;
    }
    let most = counts.values().max().copied();
    let first = server.real_servers.iter().find(|real| counts.get(&real.forwarding).copied() == most);
    first.map_or(Forwarding::Masquerade, |real| real.forwarding)
}
