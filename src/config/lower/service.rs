//! `virtual_server`: what the file says of a service. [`super::complete`] makes it whole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::lvs::{Endpoint, Inherited};
use super::real::RealDraft;
use super::track::Names;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    self, Family, Forwarding, GroupedServer, MinHealthy, Persistence, Protocol, Scheduler, SchedulerFlags,
    Service, ServiceNotify, VirtualServer, Weight,
};
use crate::config::source::Span;
use crate::config::tree::Node;

/// What may not be there twice.
#[derive(Default)]
pub(super) struct Services {
    pub(super) places: BTreeMap<Service, Span>,
    /// Which of the virtual servers of the model it is.
    pub(super) index: BTreeMap<Service, usize>,
    /// The real servers of those that have more than one block.
    known: BTreeMap<Service, BTreeSet<SocketAddr>>,
    /// `virtual_server_group` blocks.
    pub(super) groups: BTreeMap<String, Span>,
}

impl Services {
    /// Puts `server` to the others; the real servers of a second block of one service to those of the first.
    pub(super) fn add(&mut self, server: VirtualServer, to: &mut Vec<Arc<VirtualServer>>) {
        let Some(first) = self.index.get(&server.service).and_then(|index| to.get_mut(*index)) else {
            self.index.insert(server.service, to.len());
            return to.push(Arc::new(server));
        };
        let known = self.known.entry(server.service);
        let known = known.or_insert_with(|| first.real_servers.iter().map(|real| real.address).collect());
        let new = server.real_servers.into_iter().filter(|real| known.insert(real.address));
        Arc::make_mut(first).real_servers.extend(new);
    }
}

/// What a `virtual_server` becomes.
pub(super) enum Whole {
    One(VirtualServer),
    Group(GroupedServer),
}

/// The words behind `virtual_server`.
pub(super) enum Head {
    Address(Endpoint),
    Fwmark(u32),
    Group(String),
}

/// A virtual server as the file has it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) inherited: Inherited,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) has_scheduler: bool,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) has_forwarding: bool,
    pub(super) protocol: Option<(Protocol, Span)>,
    pub(super) has_protocol: bool,
    pub(super) flags: SchedulerFlags,
    /// `sh-port` and its kin: what they need, and where they stand.
    pub(super) flag_of: Vec<(Scheduler, &'static str, Span)>,
    pub(super) one_packet: Option<Span>,
    pub(super) persistence_timeout: Option<u32>,
    pub(super) granularity: Option<Granularity>,
    pub(super) engine: Option<String>,
    pub(super) quorum: Option<(u32, Span)>,
    /// `persistence_timeout` is there, and no time.
    pub(super) persistence_off: bool,
    pub(super) hysteresis: Option<(u32, Span)>,
    pub(super) min_healthy: Option<(MinHealthy, Span)>,
    pub(super) inhibit: bool,
    pub(super) weight: Option<Weight>,
    pub(super) family: Option<Family>,
    pub(super) sorry: Option<Endpoint>,
    pub(super) sorry_inhibit: Option<Span>,
    pub(super) sorry_forwarding: Option<Forwarding>,
    pub(super) reals: Vec<RealDraft>,
    /// `virtual_server group`.
    pub(super) grouped: bool,
    /// A `real_server` was there, right or wrong.
    pub(super) has_real: bool,
    pub(super) omega: bool,
    pub(super) ha_suspend: bool,
    pub(super) notify: ServiceNotify,
}

/// `persistence_granularity`.
pub(super) struct Granularity {
    pub(super) bits: model::Granularity,
    pub(super) family: Family,
    pub(super) span: Span,
}

impl Lower<'_> {
    pub(super) fn virtual_server(
        &mut self,
        node: &Node<'_>,
        services: &mut Services,
        names: &Names,
    ) -> Option<Whole> {
        let head = self.head(node, services);
        self.within(node, |lower| {
            let mut draft = Draft::default();
            draft.reals.reserve(inside(node).iter().filter(|node| node.body.is_some()).count());
            lower
                .each(inside(node), |lower, word, node| lower.service_setting(word, node, &mut draft, names));
            lower.finish_service(node, head?, draft, services)
        })
    }

    fn head(&mut self, node: &Node<'_>, services: &Services) -> Option<Head> {
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
            [kind, rest @ ..] if kind.text == "group" => {
                let [name, surplus @ ..] = rest else {
                    self.missing(node);
                    return None;
                };
                if let Some(surplus) = surplus.first() {
                    self.surplus(node, surplus);
                }
                if !services.groups.contains_key(name.text) {
                    let message = format!("there is no `virtual_server_group {}`", name.text);
                    let mut diagnostic = Diagnostic::warning(Code::Undefined, name.span, message);
                    if let Some(near) = self.near(name.text, &services.groups) {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near);
                    }
                    self.report(diagnostic.consequence("there is no address to serve"));
                }
                Some(Head::Group(name.text.to_string()))
            }
            _ => self.endpoint(node).map(Head::Address),
        }
    }

    fn service_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft, names: &Names) {
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
            "ops" => draft.one_packet = if self.flag(node) { node.span() } else { None },
            "persistence_timeout" => {
                draft.persistence_timeout = match arguments(node).is_empty() {
                    true => Some(Persistence::TIMEOUT),
                    false => self.whole_as(node),
                };
                // Whoever writes 0 wants none, and a mask alone would make it persistent.
                draft.persistence_off = draft.persistence_timeout.is_none();
            }
            "persistence_granularity" => draft.granularity = self.granularity(node),
            "persistence_engine" => draft.engine = self.engine(node),
            "quorum" => draft.quorum = self.whole_as(node).zip(node.span()),
            "hysteresis" => draft.hysteresis = self.whole_as(node).zip(node.span()),
            "min_healthy" => draft.min_healthy = self.min_healthy(node).zip(node.span()),
            "weight" => {
                draft.weight = self.whole_as(node).and_then(|number| Weight::new(number).ok());
            }
            "ip_family" => {
                draft.family = self.one(node).and_then(|word| self.choice(word, &Family::WORDS));
            }
            "sorry_server" => draft.sorry = self.endpoint(node),
            "sorry_server_inhibit" => draft.sorry_inhibit = if self.flag(node) { node.span() } else { None },
            "sorry_server_lvs_method" => draft.sorry_forwarding = self.forwarding(node),
            "real_server" => {
                draft.has_real = true;
                draft.reals.extend(self.real_server(node, names));
            }
            "quorum_up" | "quorum_down" => {
                let command = self.command(node);
                let notify = &mut draft.notify;
                let to = if word == "quorum_up" { &mut notify.quorum_up } else { &mut notify.quorum_down };
                self.first(node, to, command);
            }
            "ha_suspend" => draft.ha_suspend = self.flag(node),
            "omega" => draft.omega = self.flag(node),
            "smtp_alert" => draft.notify.smtp_alert = self.boolean(node),
            "snmp_name" => draft.notify.snmp_name = self.text(node),
            "nat_mask" => drop(self.text(node)),
            flag => self.scheduler_flag(flag, node, draft),
        }
    }

    fn scheduler_flag(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft) {
        if !self.flag(node) {
            return;
        }
        let of = match word {
            "mh-fallback" | "mh-port" => Some(Scheduler::Mh),
            "sh-fallback" | "sh-port" => Some(Scheduler::Sh),
            _ => None,
        };
        match of.zip(node.span()) {
            Some((scheduler, span)) => draft.flag_of.push((scheduler, word, span)),
            None => super::complete::set_flag(&mut draft.flags, word),
        }
    }

    fn protocol(&mut self, node: &Node<'_>, draft: &mut Draft) {
        const PROTOCOLS: [(&str, Protocol); 3] =
            [("SCTP", Protocol::Sctp), ("TCP", Protocol::Tcp), ("UDP", Protocol::Udp)];
        draft.has_protocol = true;
        let Some(word) = self.one(node) else { return };
        let known = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word.text));
        let protocol = known.map(|(_, protocol)| *protocol).or_else(|| self.choice(word, &PROTOCOLS));
        draft.protocol = protocol.zip(node.span());
    }

    /// A dotted mask for IPv4, a prefix length for IPv6.
    fn granularity(&mut self, node: &Node<'_>) -> Option<Granularity> {
        let word = self.one(node)?;
        let span = word.span;
        if !word.text.contains('.') {
            let prefix = self.whole_behind(node.keyword, "", word)?;
            return Some(Granularity {
                bits: model::Granularity::Prefix(prefix),
                family: Family::Ipv6,
                span,
            });
        }
        match word.text.parse::<Ipv4Addr>() {
            Ok(mask) => {
                Some(Granularity { bits: model::Granularity::of_mask(mask), family: Family::Ipv4, span })
            }
            Err(_) => {
                let message = format!("`{}` is no network mask", word.text);
                self.report(
                    Diagnostic::error(Code::BadAddress, span, message).expected("a mask like 255.255.255.0"),
                );
                None
            }
        }
    }

    fn min_healthy(&mut self, node: &Node<'_>) -> Option<MinHealthy> {
        let word = self.one(node)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let read = match word.text.strip_suffix('%') {
            // `50 %` is not meant as 50 of them.
            _ if arguments(node).iter().any(|other| other.text == "%") => None,
            Some(part) if digits(part) => {
                part.parse().ok().filter(|part| (1..=99).contains(part)).map(MinHealthy::Percent)
            }
            None if digits(word.text) => {
                word.text.parse().ok().filter(|count| *count > 0).map(MinHealthy::Servers)
            }
            _ => None,
        };
        if read.is_none() {
            let message = format!("`{}` is no number of real servers", word.text);
            self.report(
                Diagnostic::error(Code::BadNumber, word.span, message)
                    .expected("a number of at least 1, or a part of all from `1%` to `99%`"),
            );
        }
        read
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
}
