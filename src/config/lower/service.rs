//! `virtual_server`: one service, its real servers, and what holds between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::lvs::{Endpoint, Inherited, is_tunnel};
use super::real::RealDraft;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    Forwarding, Persistence, Protocol, RealServer, Scheduler, SchedulerFlags, Service, SorryServer,
    VirtualServer, Weight,
};
use crate::config::source::Span;
use crate::config::tree::Node;

/// `persistence_timeout` without a value.
const PERSISTENCE: u32 = 360;
/// 31 days: the longest that the kernel takes.
const LONGEST_PERSISTENCE: u32 = 2_678_400;

/// What may not be there twice.
#[derive(Default)]
pub(super) struct Services {
    places: BTreeMap<Service, Span>,
}

/// The words behind `virtual_server`.
enum Head {
    Address(Endpoint),
    Fwmark(u32),
}

/// A virtual server as the file has it.
#[derive(Default)]
struct Draft {
    inherited: Inherited,
    scheduler: Option<Scheduler>,
    has_scheduler: bool,
    forwarding: Option<Forwarding>,
    has_forwarding: bool,
    protocol: Option<(Protocol, Span)>,
    has_protocol: bool,
    flags: SchedulerFlags,
    /// `sh-port` and its kin: what they need, and where they stand.
    flag_of: Vec<(Scheduler, &'static str, Span)>,
    one_packet: Option<Span>,
    persistence_timeout: Option<u32>,
    granularity: Option<Granularity>,
    engine: Option<String>,
    quorum: Option<(u32, Span)>,
    hysteresis: Option<(u32, Span)>,
    inhibit: bool,
    weight: Option<Weight>,
    ipv6: Option<bool>,
    sorry: Option<Endpoint>,
    sorry_inhibit: Option<Span>,
    sorry_forwarding: Option<Forwarding>,
    reals: Vec<RealDraft>,
    /// A `real_server` was there, right or wrong.
    has_real: bool,
}

/// `persistence_granularity`.
struct Granularity {
    prefix: u8,
    ipv6: bool,
    span: Span,
}

impl Lower<'_> {
    pub(super) fn virtual_server(
        &mut self,
        node: &Node<'_>,
        services: &mut Services,
    ) -> Option<VirtualServer> {
        let head = self.head(node);
        self.within(node, |lower| {
            let mut draft = Draft::default();
            lower.each(inside(node), |lower, word, node| lower.service_setting(word, node, &mut draft));
            lower.finish_service(node, head?, draft, services)
        })
    }

    fn head(&mut self, node: &Node<'_>) -> Option<Head> {
        match arguments(node) {
            [kind, rest @ ..] if kind.text == "fwmark" => {
                let [mark, surplus @ ..] = rest else {
                    self.missing(node);
                    return None;
                };
                if let Some(surplus) = surplus.first() {
                    self.surplus(node, surplus);
                }
                let mark = self.number_in(None, mark, 0, u32::MAX.into())?;
                u32::try_from(mark).ok().map(Head::Fwmark)
            }
            [kind, ..] if kind.text == "group" => {
                self.report(
                    Diagnostic::error(
                        Code::Refused,
                        kind.span,
                        "groups of virtual servers are not supported by this version",
                    )
                    .consequence("the addresses of the group would have no service")
                    .help("write one `virtual_server ADDRESS PORT` for each address"),
                );
                None
            }
            _ => self.endpoint(node).map(Head::Address),
        }
    }

    fn service_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft) {
        if self.inherited(word, node, &mut draft.inherited) {
            return;
        }
        match word {
            "alpha" => draft.inherited.alpha = Some(self.flag(node)),
            "inhibit_on_failure" => draft.inhibit = self.flag(node),
            "lb_algo" | "lvs_sched" => {
                draft.has_scheduler = true;
                let choices = Scheduler::ALL.map(|scheduler| (scheduler.name(), scheduler));
                draft.scheduler = self.one(node).and_then(|word| self.choice(word, &choices));
            }
            "lb_kind" | "lvs_method" => {
                draft.has_forwarding = true;
                draft.forwarding = self.forwarding(node);
            }
            "protocol" => self.protocol(node, draft),
            "ops" => {
                self.flag(node);
                draft.one_packet = node.span();
            }
            "persistence_timeout" => {
                draft.persistence_timeout = match arguments(node).is_empty() {
                    true => Some(PERSISTENCE),
                    false => self.number32(node, 1, LONGEST_PERSISTENCE),
                };
            }
            "persistence_granularity" => draft.granularity = self.granularity(node),
            "persistence_engine" => draft.engine = self.engine(node),
            "quorum" => draft.quorum = self.number32(node, 1, u32::MAX).zip(node.span()),
            "hysteresis" => draft.hysteresis = self.number32(node, 0, u32::MAX).zip(node.span()),
            "weight" => {
                draft.weight =
                    self.number(node, 1, i32::MAX as u64).and_then(|number| Weight::new(number).ok());
            }
            "ip_family" => {
                draft.ipv6 =
                    self.one(node).and_then(|word| self.choice(word, &[("inet", false), ("inet6", true)]));
            }
            "sorry_server" => draft.sorry = self.endpoint(node),
            "sorry_server_inhibit" => {
                self.flag(node);
                draft.sorry_inhibit = node.span();
            }
            "sorry_server_lvs_method" => draft.sorry_forwarding = self.forwarding(node),
            "real_server" => {
                draft.has_real = true;
                draft.reals.extend(self.real_server(node));
            }
            flag => self.scheduler_flag(flag, node, draft),
        }
    }

    fn scheduler_flag(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft) {
        self.flag(node);
        let of = match word {
            "mh-fallback" | "mh-port" => Some(Scheduler::Mh),
            "sh-fallback" | "sh-port" => Some(Scheduler::Sh),
            _ => None,
        };
        if let Some((scheduler, span)) = of.zip(node.span()) {
            draft.flag_of.push((scheduler, word, span));
        }
        match word {
            "flag-1" | "mh-fallback" | "sh-fallback" => draft.flags.one = true,
            "flag-2" | "mh-port" | "sh-port" => draft.flags.two = true,
            "flag-3" => draft.flags.three = true,
            _ => {}
        }
    }

    fn protocol(&mut self, node: &Node<'_>, draft: &mut Draft) {
        const PROTOCOLS: [(&str, Protocol); 3] =
            [("SCTP", Protocol::Sctp), ("TCP", Protocol::Tcp), ("UDP", Protocol::Udp)];
        draft.has_protocol = true;
        let Some(word) = self.one(node) else { return };
        let known = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
        let protocol = known.map(|(_, protocol)| *protocol).or_else(|| self.choice(word, &PROTOCOLS));
        draft.protocol = protocol.zip(node.span());
    }

    /// A dotted mask for IPv4, a prefix length for IPv6.
    fn granularity(&mut self, node: &Node<'_>) -> Option<Granularity> {
        let word = self.one(node)?;
        let span = word.span;
        if !word.text.contains('.') {
            let prefix = self.number_in(node.keyword, word, 1, 128)?;
            return Some(Granularity { prefix: u8::try_from(prefix).ok()?, ipv6: true, span });
        }
        let mask = word.text.parse::<Ipv4Addr>().ok().map(u32::from);
        match mask.filter(|mask| mask.leading_ones() + mask.trailing_zeros() == 32) {
            Some(mask) => {
                Some(Granularity { prefix: u8::try_from(mask.leading_ones()).ok()?, ipv6: false, span })
            }
            None => {
                let message = format!("`{}` is no network mask", word.text);
                self.report(
                    Diagnostic::error(Code::BadAddress, span, message).expected("a mask like 255.255.255.0"),
                );
                None
            }
        }
    }

    fn engine(&mut self, node: &Node<'_>) -> Option<String> {
        let word = self.one(node)?;
        if word.text.is_empty() || word.text.len() > 15 {
            let message = format!("`{}` is no name of a persistence engine", word.text);
            self.report(Diagnostic::error(Code::BadName, word.span, message).expected("1 to 15 characters"));
            return None;
        }
        Some(word.text.to_string())
    }

    fn finish_service(
        &mut self,
        node: &Node<'_>,
        head: Head,
        mut draft: Draft,
        services: &mut Services,
    ) -> Option<VirtualServer> {
        let title = node.span();
        if !draft.has_real {
            self.absent(node, "the virtual server has no real server", "it is left out, as keepalived does");
            return None;
        }
        let service = self.service(node, &head, &draft);
        if let (Some(span), Some(first)) = (title, services.places.get(&service)) {
            self.report(
                Diagnostic::error(
                    Code::Duplicate,
                    span,
                    format!("virtual server {service} is defined twice"),
                )
                .related(*first, "first defined here"),
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
        let one_packet = self.flags(&draft, service, scheduler);
        let persistence = self.persistence(title, &draft, service);
        let reals = std::mem::take(&mut draft.reals);
        let real_servers = self.real_servers(reals, &draft, service, forwarding);
        let (quorum, hysteresis) = self.quorum(&draft, &real_servers);
        let sorry_server = self.sorry_server(&draft, service, forwarding);
        Some(VirtualServer {
            service,
            scheduler,
            flags: draft.flags,
            one_packet,
            persistence,
            persistence_engine: draft.engine,
            quorum,
            hysteresis,
            sorry_server,
            real_servers,
        })
    }

    fn service(&mut self, node: &Node<'_>, head: &Head, draft: &Draft) -> Service {
        match head {
            Head::Fwmark(mark) => {
                if let Some((_, span)) = draft.protocol {
                    self.adjusted(Some(span), "a firewall mark has no protocol", "`protocol` is ignored");
                }
                let ipv6 = draft.ipv6.or_else(|| draft.reals.first().map(|real| real.endpoint.ip.is_ipv6()));
                Service::Fwmark { mark: *mark, ipv6: ipv6.unwrap_or(false) }
            }
            Head::Address(endpoint) => {
                if !draft.has_protocol {
                    self.absent(node, "no `protocol`", "UDP is used");
                }
                if draft.ipv6.is_some_and(|ipv6| ipv6 != endpoint.ip.is_ipv6()) {
                    let message = format!("`ip_family` contradicts {}", endpoint.ip);
                    self.report(Diagnostic::error(Code::BadAddress, endpoint.span, message));
                }
                let protocol = draft.protocol.map_or(Protocol::Udp, |(protocol, _)| protocol);
                Service::Address { protocol, address: endpoint.with_port(endpoint.port) }
            }
        }
    }

    /// Flags that only one scheduler reads, and one packet scheduling.
    fn flags(&mut self, draft: &Draft, service: Service, scheduler: Scheduler) -> bool {
        for (needed, word, span) in &draft.flag_of {
            if *needed != scheduler {
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
        let ipv6 = service.is_ipv6();
        let full = if ipv6 { 128 } else { 32 };
        let mut prefix = full;
        if let Some(granularity) = &draft.granularity {
            match granularity.ipv6 == ipv6 {
                true => prefix = granularity.prefix,
                false => self.report(
                    Diagnostic::error(
                        Code::BadAddress,
                        granularity.span,
                        "`persistence_granularity` is of the other address family",
                    )
                    .expected(if ipv6 {
                        "a prefix length, 1..128"
                    } else {
                        "a mask like 255.255.255.0"
                    }),
                ),
            }
        }
        let every_port = matches!(service, Service::Address { address, .. } if address.port() == 0);
        let timeout = match (draft.persistence_timeout, every_port) {
            (Some(timeout), _) => Some(timeout),
            (None, _) if draft.granularity.is_some() => Some(PERSISTENCE),
            (None, true) => {
                self.adjusted(
                    title,
                    "a virtual server of every port (port 0) needs persistence",
                    "`persistence_timeout 360` is used",
                );
                Some(PERSISTENCE)
            }
            (None, false) => None,
        };
        timeout.map(|timeout| Persistence { timeout, prefix })
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
            self.blocks.push(real.title.clone());
            self.same_family(&real.endpoint, service, forwarding, "real server");
            let address = self.reached_port(&real.endpoint, service, forwarding, "real server");
            if let Some(first) = places.get(&address) {
                self.report(
                    Diagnostic::error(
                        Code::Duplicate,
                        span,
                        format!("real server {address} is defined twice"),
                    )
                    .related(*first, "first defined here")
                    .consequence("keepalived removes the second"),
                );
            } else {
                places.insert(address, span);
            }
            let inherited = real.inherited.or(&draft.inherited);
            let port = if real.endpoint.port == 0 { service.port() } else { real.endpoint.port };
            let checkers = self.checkers(&real, &inherited, port, draft.inherited.virtualhost.as_deref());
            self.blocks.pop();
            list.push(RealServer {
                address,
                weight: real.weight.or(draft.weight).unwrap_or(Weight::ONE),
                forwarding,
                upper_threshold: real.upper_threshold,
                lower_threshold: real.lower_threshold,
                inhibit_on_failure: real.inhibit.unwrap_or(draft.inhibit),
                checkers,
            });
        }
        list
    }

    fn same_family(&mut self, endpoint: &Endpoint, service: Service, forwarding: Forwarding, what: &str) {
        if endpoint.ip.is_ipv6() != service.is_ipv6() && !is_tunnel(forwarding) {
            let family = |ipv6| if ipv6 { "IPv6" } else { "IPv4" };
            let message = format!(
                "the {what} is {}, the virtual server is {}",
                family(endpoint.ip.is_ipv6()),
                family(service.is_ipv6())
            );
            self.report(
                Diagnostic::error(Code::BadAddress, endpoint.span, message)
                    .consequence("only a tunnel crosses address families"),
            );
        }
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
        let mut quorum = 1;
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
        self.same_family(endpoint, service, forwarding, "sorry server");
        let address = self.reached_port(endpoint, service, forwarding, "sorry server");
        Some(SorryServer { address, forwarding, inhibit: draft.sorry_inhibit.is_some() })
    }
}

/// The address families of two addresses.
pub(super) fn same(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv6() == other.is_ipv6()
}
