//! A virtual server as the file has it becomes one that holds together: defaults, ports, families, quorum.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::Lower;
use super::lvs::{Endpoint, is_tunnel};
use super::real::RealDraft;
use super::service::{Draft, Head, Services, Whole};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    Family, Forwarding, Granularity, GroupedServer, MinHealthy, Persistence, Protocol, RealNotify,
    RealServer, Scheduler, SchedulerFlags, Service, SorryServer, VirtualServer, Weight,
};
use crate::config::source::Span;
use crate::config::tree::Node;

impl Lower<'_> {
    pub(super) fn finish_service(
        &mut self,
        node: &Node<'_>,
        head: Head,
        mut draft: Draft,
        services: &mut Services,
    ) -> Option<Whole> {
        let title = node.span();
        draft.grouped = matches!(head, Head::Group(_));
        if !draft.has_real {
            self.absent(node, "the virtual server has no real server", "it is left out, as keepalived does");
            return None;
        }
        let service = self.service(node, &head, &draft);
        if matches!(head, Head::Group(_)) {
            // Its services are those of the group.
        } else if let (Some(span), Some(first)) = (title, services.places.get(&service)) {
            let message = format!("virtual server {service} is defined twice");
            self.report(
                Diagnostic::warning(Code::Duplicate, span, message)
                    .related(*first, "first defined here")
                    .consequence(
                        "its real servers are added to the first block, whose settings count for all",
                    )
                    .help("write one block with the real servers of both"),
            );
        } else if let Some(span) = title {
            services.places.insert(service, span);
        }
        let scheduler = draft.scheduler.unwrap_or(Scheduler::Wlc);
        if !draft.has_scheduler {
            self.absent(node, "no `lb_algo`", "wlc is used");
        }
        let forwarding = draft.forwarding.unwrap_or(Forwarding::Masquerade);
        if !draft.has_forwarding {
            self.absent(node, "no `lb_kind`", "NAT is used");
        }
        let one_packet = self.flags(&mut draft, service, scheduler);
        let persistence = self.persistence(title, &draft, service);
        let reals = std::mem::take(&mut draft.reals);
        let real_servers = self.real_servers(reals, &draft, service, forwarding);
        let (quorum, hysteresis) = self.quorum(&draft, &real_servers);
        self.fewer_than_all(&draft, real_servers.len());
        let sorry_server = self.sorry_server(&draft, service, forwarding);
        let server = VirtualServer {
            service,
            group: None,
            scheduler,
            flags: draft.flags,
            one_packet,
            persistence,
            persistence_engine: draft.engine,
            quorum,
            hysteresis,
            min_healthy: draft.min_healthy.map(|(least, _)| least),
            sorry_server,
            real_servers,
            omega: draft.omega,
            ha_suspend: draft.ha_suspend,
            notify: draft.notify,
        };
        Some(match head {
            Head::Group(group) => {
                let protocol = draft.protocol.map_or(Protocol::Udp, |(protocol, _)| protocol);
                Whole::Group(GroupedServer { group, protocol, like: server })
            }
            Head::Address(_) | Head::Fwmark(_) => Whole::One(server),
        })
    }

    fn service(&mut self, node: &Node<'_>, head: &Head, draft: &Draft) -> Service {
        match head {
            Head::Fwmark(mark) => {
                if let Some((_, span)) = draft.protocol {
                    self.adjusted(Some(span), "a firewall mark has no protocol", "`protocol` is ignored");
                }
                Service::Fwmark { mark: *mark, family: family_of(draft) }
            }
            // The family of the group is that of its entries.
            Head::Group(_) => {
                if !draft.has_protocol {
                    self.absent(node, "no `protocol`", "UDP is used");
                }
                Service::Fwmark { mark: 0, family: family_of(draft) }
            }
            Head::Address(endpoint) => {
                if !draft.has_protocol {
                    self.absent(node, "no `protocol`", "UDP is used");
                }
                if draft.family.is_some_and(|family| family != Family::of(endpoint.ip)) {
                    let message = format!("`ip_family` contradicts {}", endpoint.ip);
                    self.report(Diagnostic::error(Code::BadAddress, endpoint.span, message));
                }
                let protocol = draft.protocol.map_or(Protocol::Udp, |(protocol, _)| protocol);
                Service::Address { protocol, address: endpoint.with_port(endpoint.port) }
            }
        }
    }

    /// Flags that only one scheduler reads, and one packet scheduling.
    fn flags(&mut self, draft: &mut Draft, service: Service, scheduler: Scheduler) -> bool {
        for (needed, word, span) in &draft.flag_of {
            if *needed == scheduler {
                set_flag(&mut draft.flags, word);
            } else {
                let message = format!("`{word}` needs `lb_algo {}`", needed.name());
                self.report(
                    Diagnostic::error(Code::Conflict, *span, message)
                        .consequence(format!("the scheduler {} would read it otherwise", scheduler.name())),
                );
            }
        }
        let connectionless = match service {
            Service::Fwmark { .. } => true,
            Service::Address { protocol, .. } => protocol == Protocol::Udp,
        };
        if let (Some(span), false) = (draft.one_packet, connectionless) {
            self.adjusted(Some(span), "`ops` works with UDP and firewall marks only", "it is ignored");
        }
        draft.one_packet.is_some() && connectionless
    }

    fn persistence(&mut self, title: Option<Span>, draft: &Draft, service: Service) -> Option<Persistence> {
        let family = service.family();
        let full = family.bits();
        let mut bits = Granularity::Prefix(full);
        if let Some(granularity) = &draft.granularity {
            match granularity.family == family {
                true => bits = granularity.bits,
                // keepalived takes the number, and the kernel tells clients apart by other bits.
                false if granularity.family == Family::Ipv6 && granularity.bits.prefix() <= full => {
                    bits = granularity.bits;
                    self.adjusted(
                        Some(granularity.span),
                        "a mask of IPv4 is written like 255.255.255.0",
                        format!("the number is read as a prefix length: {}", bits.mask()),
                    );
                }
                false => self.report(
                    Diagnostic::error(
                        Code::BadAddress,
                        granularity.span,
                        "`persistence_granularity` is of the other address family",
                    )
                    .expected(match family {
                        Family::Ipv6 => "a prefix length, 1..128",
                        Family::Ipv4 => "a mask like 255.255.255.0",
                    }),
                ),
            }
        }
        let every_port = matches!(service, Service::Address { address, .. } if address.port() == 0);
        let timeout = match (draft.persistence_timeout, every_port) {
            (Some(timeout), _) => Some(timeout),
            (None, false) if draft.persistence_off => None,
            (None, _) if draft.granularity.is_some() => Some(Persistence::TIMEOUT),
            (None, true) => {
                if let Some(span) = title {
                    let message = "a virtual server of every port (port 0) needs persistence";
                    self.report(
                        Diagnostic::warning(Code::Conflict, span, message)
                            .consequence("`persistence_timeout 360` is used")
                            .help(
                                "add `persistence_timeout`, or the port behind the address when one is meant",
                            ),
                    );
                }
                Some(Persistence::TIMEOUT)
            }
            (None, false) => None,
        };
        timeout.map(|timeout| Persistence { timeout, granularity: bits })
    }

    fn real_servers(
        &mut self,
        drafts: Vec<RealDraft>,
        draft: &Draft,
        service: Service,
        forwarding: Forwarding,
    ) -> Vec<RealServer> {
        let mut places: BTreeMap<SocketAddr, Span> = BTreeMap::new();
        let mut list = Vec::with_capacity(drafts.len());
        for real in drafts {
            let forwarding = real.forwarding.unwrap_or(forwarding);
            let span = real.endpoint.span;
            self.blocks.push(real.title);
            let reachable = self.same_family(&real.endpoint, service, forwarding, "real server");
            let address = match draft.grouped {
                // Each service of the group has its own.
                true => real.endpoint.with_port(real.endpoint.port),
                false => self.reached_port(&real.endpoint, service, forwarding, "real server"),
            };
            let first = places.get(&address).copied();
            if let Some(first) = first {
                self.report(
                    Diagnostic::error(
                        Code::Duplicate,
                        span,
                        format!("real server {address} is defined twice"),
                    )
                    .related(first, "first defined here")
                    .consequence("keepalived removes the second"),
                );
            } else {
                places.insert(address, span);
            }
            let inherited = real.inherited.or(&draft.inherited);
            let port = if real.endpoint.port == 0 { service.port() } else { real.endpoint.port };
            let checkers = self.checkers(&real, &inherited, port, draft.inherited.virtualhost.as_deref());
            self.blocks.pop();
            if first.is_some() || !reachable {
                continue;
            }
            list.push(RealServer {
                address,
                weight: real.weight.or(draft.weight).unwrap_or(Weight::ONE),
                forwarding,
                upper_threshold: real.upper_threshold,
                lower_threshold: real.lower_threshold,
                inhibit_on_failure: real.inhibit.unwrap_or(draft.inhibit),
                checkers,
                notify: real.notify.filter(|notify| **notify != RealNotify::default()),
            });
        }
        list
    }

    /// False: packets cannot get there.
    fn same_family(
        &mut self,
        endpoint: &Endpoint,
        service: Service,
        forwarding: Forwarding,
        what: &str,
    ) -> bool {
        let (own, family) = (Family::of(endpoint.ip), service.family());
        let reachable = own == family || is_tunnel(forwarding);
        if !reachable {
            let message = format!("the {what} is {own}, the virtual server is {family}");
            self.report(
                Diagnostic::error(Code::BadAddress, endpoint.span, message)
                    .consequence("only a tunnel crosses address families"),
            );
        }
        reachable
    }

    /// The port in the kernel's table: only NAT can change it.
    fn reached_port(
        &mut self,
        endpoint: &Endpoint,
        service: Service,
        forwarding: Forwarding,
        what: &str,
    ) -> SocketAddr {
        let wanted = service.port();
        if endpoint.port == 0 || endpoint.port == wanted {
            return endpoint.with_port(wanted);
        }
        if forwarding == Forwarding::Masquerade {
            return endpoint.with_port(endpoint.port);
        }
        if matches!(service, Service::Address { .. }) {
            let message = format!("port {} of the {what} is not that of the virtual server", endpoint.port);
            self.adjusted(
                Some(endpoint.span),
                message,
                format!("packets arrive at port {wanted}: only NAT changes the port"),
            );
        }
        endpoint.with_port(wanted)
    }

    /// Neither can be larger than makes sense: keepalived lowers them.
    fn quorum(&mut self, draft: &Draft, reals: &[RealServer]) -> (u32, u32) {
        let sum: u64 = reals.iter().map(|real| u64::from(real.weight.number())).sum();
        let sum = u32::try_from(sum).unwrap_or(u32::MAX).max(1);
        let mut quorum = VirtualServer::QUORUM;
        if let Some((given, span)) = draft.quorum {
            quorum = given.min(sum);
            if given > sum {
                let message = format!("quorum {given} is more than all weights together, {sum}");
                self.adjusted(
                    Some(span),
                    message,
                    format!("quorum {sum} is used: all real servers must be up"),
                );
            }
        }
        let mut hysteresis = 0;
        if let Some((given, span)) = draft.hysteresis {
            hysteresis = given.min(quorum - 1);
            if given > hysteresis {
                let message = format!("hysteresis {given} is not less than the quorum, {quorum}");
                self.adjusted(Some(span), message, format!("hysteresis {hysteresis} is used"));
            }
        }
        (quorum, hysteresis)
    }

    /// One real server may always fail, or no check would take any of them out.
    fn fewer_than_all(&mut self, draft: &Draft, reals: usize) {
        let Some((given, span)) = draft.min_healthy else { return };
        let there = match reals {
            1 => "one real server".to_owned(),
            _ => format!("{reals} real servers"),
        };
        match (given, given.of(reals)) {
            (_, 0) => {
                let message = format!("min_healthy {given} with {there}");
                self.adjusted(Some(span), message, "it has no effect");
            }
            (MinHealthy::Servers(count), most) if usize::try_from(count).is_ok_and(|count| count > most) => {
                let message =
                    format!("min_healthy {count} with {there}: no check would take any of them out");
                self.adjusted(Some(span), message, format!("{most} is used: one may fail"));
            }
            _ => {}
        }
    }

    fn sorry_server(
        &mut self,
        draft: &Draft,
        service: Service,
        forwarding: Forwarding,
    ) -> Option<SorryServer> {
        let Some(endpoint) = &draft.sorry else {
            if let Some(span) = draft.sorry_inhibit {
                self.adjusted(
                    Some(span),
                    "`sorry_server_inhibit` without `sorry_server`",
                    "it has no effect",
                );
            }
            return None;
        };
        let forwarding = draft.sorry_forwarding.unwrap_or(forwarding);
        if !self.same_family(endpoint, service, forwarding, "sorry server") {
            return None;
        }
        let address = match draft.grouped {
            true => endpoint.with_port(endpoint.port),
            false => self.reached_port(endpoint, service, forwarding, "sorry server"),
        };
        Some(SorryServer { address, forwarding, inhibit: draft.sorry_inhibit.is_some() })
    }
}

/// The family of a service without an address: that of its first real server, when nothing says any.
fn family_of(draft: &Draft) -> Family {
    let of_real = || draft.reals.first().map(|real| Family::of(real.endpoint.ip));
    draft.family.or_else(of_real).unwrap_or_default()
}

/// The flag of a scheduler that a word stands for; `flag-1` to `flag-3` are of every scheduler.
pub(super) fn set_flag(flags: &mut SchedulerFlags, word: &str) {
    match word {
        "flag-1" | "mh-fallback" | "sh-fallback" => flags.one = true,
        "flag-2" | "mh-port" | "sh-port" => flags.two = true,
        "flag-3" => flags.three = true,
        _ => {}
    }
}

/// Whether two addresses are of the same family.
pub(super) fn same(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv6() == other.is_ipv6()
}
