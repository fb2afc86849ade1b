//! `vrrp_instance`: one virtual router.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::globals::{Defaults, GarpSettings};
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{
    AdvertInterval, Authentication, InitialState, Instance, InterfaceName, Preempt, Priority, Version,
    VirtualAddress, Vrid,
};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// 224.0.0.18 (RFC 9568 §5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// What may not be there twice.
#[derive(Default)]
pub(super) struct Instances {
    names: BTreeMap<String, Span>,
    routers: BTreeMap<(InterfaceName, Vrid), Span>,
}

/// An instance as the file has it.
#[derive(Default)]
struct Draft {
    state: Option<(InitialState, Span)>,
    interface: Option<InterfaceName>,
    vrid: Option<(Vrid, Span)>,
    /// Something was said of it, right or wrong.
    has_interface: bool,
    has_vrid: bool,
    priority: Option<Priority>,
    advert_interval: Option<(Duration, Span)>,
    version: Option<Version>,
    nopreempt: Option<Span>,
    preempt_delay: Option<(Duration, Span)>,
    authentication: Option<(Authentication, Span)>,
    source: Option<Ipv4Addr>,
    unicast: Option<Span>,
    peers: Vec<Ipv4Addr>,
    unicast_ttl: Option<u8>,
    group: Option<Ipv4Addr>,
    addresses: Vec<(VirtualAddress, Span)>,
    excluded: Vec<(VirtualAddress, Span)>,
    garp: GarpSettings,
    down_timer_adverts: Option<u8>,
    skip_check_adv_addr: Option<bool>,
    lower_prio_no_advert: Option<bool>,
    higher_prio_send_advert: Option<bool>,
    dont_track_primary: bool,
    no_addresses: bool,
    /// `virtual_ipaddress` has lines, right or wrong.
    has_addresses: bool,
}

impl Lower<'_> {
    pub(super) fn instance(
        &mut self,
        node: &Node<'_>,
        defaults: &Defaults,
        instances: &mut Instances,
    ) -> Option<Instance> {
        let name = self.one(node);
        if let Some(name) = name {
            match instances.names.get(&*name.text) {
                Some(first) => self.report(
                    Diagnostic::error(
                        Code::Duplicate,
                        name.span,
                        format!("instance `{}` is defined twice", name.text),
                    )
                    .related(*first, "first defined here")
                    .consequence("keepalived skips the second"),
                ),
                None => drop(instances.names.insert(name.text.to_string(), name.span)),
            }
        }
        self.within(node, |lower| {
            let mut draft = Draft::default();
            lower.ipv6_seen = false;
            lower.each(inside(node), |lower, word, node| lower.instance_setting(word, node, &mut draft));
            lower.finish_instance(node, name, draft, defaults, instances)
        })
    }

    fn instance_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft) {
        match word {
            "state" => self.state(node, draft),
            "interface" => {
                draft.has_interface = true;
                draft.interface = self.one(node).and_then(|word| self.interface(word));
            }
            "virtual_router_id" => {
                draft.has_vrid = true;
                let vrid = self.number(node, 1, 255).and_then(|number| Vrid::new(number).ok());
                draft.vrid = vrid.zip(node.span());
            }
            "priority" => {
                draft.priority = self.number(node, 1, 255).and_then(|number| Priority::new(number).ok())
            }
            "advert_int" => draft.advert_interval = self.timer(node, 10_000, 255_000_000).zip(node.span()),
            "version" => draft.version = self.version(node),
            "preempt" => {
                self.flag(node);
                draft.nopreempt = None;
            }
            "nopreempt" => {
                self.flag(node);
                draft.nopreempt = node.span();
            }
            "preempt_delay" => draft.preempt_delay = self.timer(node, 0, 1_000_000_000).zip(node.span()),
            "authentication" => self.authentication(node, draft),
            "mcast_src_ip" => draft.source = self.one(node).and_then(|word| self.ipv4(word, "VRRP")),
            "unicast_src_ip" => {
                draft.unicast = node.span();
                draft.source = self.one(node).and_then(|word| self.ipv4(word, "VRRP"));
            }
            "unicast_peer" => self.unicast_peers(node, draft),
            "unicast_ttl" => {
                draft.unicast_ttl = self.number(node, 0, 255).and_then(|number| u8::try_from(number).ok());
            }
            "mcast_dst_ip" => draft.group = self.one(node).and_then(|word| self.multicast(word)),
            "virtual_ipaddress" => {
                draft.has_addresses |= !inside(node).is_empty();
                self.addresses(node, &mut draft.addresses);
            }
            "virtual_ipaddress_excluded" => self.addresses(node, &mut draft.excluded),
            "down_timer_adverts" => draft.down_timer_adverts = self.down_timer_adverts(node),
            "skip_check_adv_addr" => draft.skip_check_adv_addr = self.boolean(node),
            "lower_prio_no_advert" => draft.lower_prio_no_advert = self.boolean(node),
            "higher_prio_send_advert" => draft.higher_prio_send_advert = self.boolean(node),
            "dont_track_primary" => draft.dont_track_primary = self.flag(node),
            "no_virtual_ipaddress" => draft.no_addresses = self.flag(node),
            // Traffic to the virtual addresses is accepted anyway.
            "accept" => drop(self.flag(node)),
            _ => self.garp(word, node, &mut draft.garp),
        }
    }

    fn state(&mut self, node: &Node<'_>, draft: &mut Draft) {
        const STATES: [(&str, InitialState); 2] =
            [("BACKUP", InitialState::Backup), ("MASTER", InitialState::Master)];
        let Some(word) = self.one(node) else { return };
        let state = STATES.iter().find(|(name, _)| *name == word.text).map(|(_, state)| *state);
        if state.is_none() {
            let near = closest(&word.text, STATES.iter().map(|(name, _)| *name)).unwrap_or("BACKUP");
            self.report(
                Diagnostic::warning(Code::BadChoice, word.span, format!("`{}` is no state", word.text))
                    .expected("MASTER or BACKUP")
                    .consequence("BACKUP is used, as keepalived does")
                    .fix(word.span, near),
            );
        }
        draft.state = node.span().map(|span| (state.unwrap_or(InitialState::Backup), span));
    }

    fn authentication(&mut self, node: &Node<'_>, draft: &mut Draft) {
        let (mut kind, mut password) = (None, None);
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "auth_type" => kind = lower.one(node).map(|word| (word.text.clone(), word.span)),
                "auth_pass" => password = lower.one(node).map(|word| (word.text.clone(), word.span)),
                _ => {}
            });
        });
        match (kind.as_ref().map(|(kind, span)| (&**kind, *span)), &password) {
            (Some(("AH", span)), _) => self.report(
                Diagnostic::error(Code::Refused, span, "authentication AH is not supported by this version")
                    .consequence(
                        "without it, adverts of the other router would be refused, and ours sent unsigned",
                    )
                    .help("use `auth_type PASS` on both routers, or none"),
            ),
            (Some(("PASS", _)), Some((password, span))) => {
                if password.len() > 8 {
                    let message = format!("`auth_pass` has {} characters", password.len());
                    self.report(
                        Diagnostic::warning(Code::Conflict, *span, message)
                            .consequence("only the first 8 are sent and compared, as keepalived does"),
                    );
                }
                if password.is_empty() {
                    self.report(Diagnostic::error(Code::BadName, *span, "the password is empty"));
                }
                let mut bytes = [0; 8];
                bytes.iter_mut().zip(password.bytes()).for_each(|(to, from)| *to = from);
                draft.authentication = node.span().map(|span| (Authentication::Pass(bytes), span));
            }
            (Some(("PASS", _)), None) => {
                self.required(node, "`auth_type PASS` needs a password", "add `auth_pass PASSWORD`");
            }
            (Some((kind, span)), _) => self.report(
                Diagnostic::error(Code::BadChoice, span, format!("`{kind}` is no kind of authentication"))
                    .expected("PASS or AH"),
            ),
            (None, _) => {
                self.required(node, "`authentication` needs a kind", "add `auth_type PASS`");
            }
        }
    }

    fn unicast_peers(&mut self, node: &Node<'_>, draft: &mut Draft) {
        draft.unicast = node.words.first().map(|word| word.span);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((first, options)) = line.words.split_first() else { continue };
                let Some(peer) = lower.ipv4(first, "VRRP") else { continue };
                if draft.peers.contains(&peer) {
                    let message = format!("peer {peer} is given twice");
                    lower.report(Diagnostic::error(Code::Duplicate, first.span, message));
                    continue;
                }
                draft.peers.push(peer);
                lower.peer_options(options);
            }
        });
    }

    fn peer_options(&mut self, options: &[Word<'_>]) {
        for option in options.chunks(2) {
            match option {
                [word, value] if matches!(&*word.text, "min_ttl" | "max_ttl") => {
                    self.number_in(None, value, 0, 255);
                    let message = format!("`{}` has no effect in this version", word.text);
                    self.grouped("peer ttl", word.span, || {
                        Diagnostic::warning(Code::NotYet, word.span, message)
                            .consequence("adverts of a peer are accepted from any distance")
                    });
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
    }

    fn addresses(&mut self, node: &Node<'_>, list: &mut Vec<(VirtualAddress, Span)>) {
        if let Some(surplus) = arguments(node).first() {
            self.surplus(node, surplus);
        }
        self.within(node, |lower| {
            for line in inside(node) {
                list.extend(lower.virtual_address(line));
            }
        });
    }

    fn finish_instance(
        &mut self,
        node: &Node<'_>,
        name: Option<&Word<'_>>,
        mut draft: Draft,
        defaults: &Defaults,
        instances: &mut Instances,
    ) -> Option<Instance> {
        let title = node.span();
        if !draft.has_interface {
            self.required(
                node,
                "the instance has no interface",
                "add `interface NAME`; unicast without one is not supported by this version",
            );
        }
        if !draft.has_vrid {
            self.required(node, "the instance has no virtual router id", "add `virtual_router_id`, 1 to 255");
        }
        // One router id serves IPv4 and IPv6 apart (RFC 9568 §5.2.3).
        let router = draft.vrid.zip(draft.interface.clone()).filter(|_| !self.ipv6_seen);
        if let Some(((vrid, span), interface)) = router {
            self.unique_router(instances, interface, vrid, span);
        }
        let version = draft.version.or(defaults.version).unwrap_or(Version::V2);
        let state = draft.state.map(|(state, _)| state);
        let priority = draft.priority.unwrap_or(match state {
            Some(InitialState::Master) => Priority::OWNER,
            _ => Priority::DEFAULT,
        });
        let owner = priority == Priority::OWNER;
        let initial_state = state.unwrap_or(if owner { InitialState::Master } else { InitialState::Backup });
        let advert_interval = self.advert_interval(draft.advert_interval, version);
        let preempt = self.preempt(&draft, owner);
        let authentication = self.usable_authentication(draft.authentication.take(), version);
        self.transport(&draft);
        self.distinct_addresses(title, &mut draft, version);
        Some(Instance {
            name: name?.text.to_string(),
            interface: draft.interface?,
            vrid: draft.vrid?.0,
            version,
            initial_state,
            priority,
            advert_interval,
            down_timer_adverts: draft.down_timer_adverts.or(defaults.down_timer_adverts).unwrap_or(3),
            preempt,
            authentication,
            source: draft.source,
            unicast_peers: draft.peers,
            unicast_ttl: draft.unicast_ttl.unwrap_or(255),
            multicast_group: draft.group.or(defaults.group).unwrap_or(GROUP),
            addresses: draft.addresses.into_iter().map(|(address, _)| address).collect(),
            excluded_addresses: draft.excluded.into_iter().map(|(address, _)| address).collect(),
            garp: draft.garp.over(defaults.garp.globals()),
            skip_check_adv_addr: draft.skip_check_adv_addr.or(defaults.skip_check_adv_addr).unwrap_or(false),
            lower_prio_no_advert: draft
                .lower_prio_no_advert
                .or(defaults.lower_prio_no_advert)
                .unwrap_or(false),
            higher_prio_send_advert: draft
                .higher_prio_send_advert
                .or(defaults.higher_prio_send_advert)
                .unwrap_or(true),
            dont_track_primary: draft.dont_track_primary,
        })
    }

    fn unique_router(&mut self, instances: &mut Instances, interface: InterfaceName, vrid: Vrid, span: Span) {
        match instances.routers.get(&(interface.clone(), vrid)) {
            Some(first) => {
                let message = format!("virtual router id {} is taken on {interface}", vrid.number());
                self.report(
                    Diagnostic::error(Code::Duplicate, span, message)
                        .related(*first, "by this instance")
                        .consequence("the two instances would answer each other's adverts"),
                );
            }
            None => drop(instances.routers.insert((interface, vrid), span)),
        }
    }

    /// Version 2 has whole seconds (RFC 3768 §5.3.7), version 3 hundredths up to 40.95 s (RFC 9568 §5.2.7).
    fn advert_interval(&mut self, given: Option<(Duration, Span)>, version: Version) -> AdvertInterval {
        let Some((given, span)) = given else { return AdvertInterval::DEFAULT };
        let micros = u64::try_from(given.as_micros()).unwrap_or(u64::MAX);
        let centiseconds = match version {
            Version::V2 => ((micros + 500_000) / 1_000_000).clamp(1, 255) * 100,
            Version::V3 => ((micros + 5_000) / 10_000).clamp(1, 4095),
        };
        if centiseconds * 10_000 != micros {
            let (what, help) = match version {
                Version::V2 => ("VRRP version 2 knows whole seconds only", "set `version 3` for fractions"),
                Version::V3 => {
                    ("VRRP version 3 knows hundredths of a second up to 40.95", "round it yourself")
                }
            };
            let used = super::values::seconds(centiseconds * 10_000);
            self.report(
                Diagnostic::warning(Code::Conflict, span, what)
                    .consequence(format!("adverts are sent every {used} s"))
                    .help(help),
            );
        }
        AdvertInterval::from_centiseconds(centiseconds).unwrap_or(AdvertInterval::DEFAULT)
    }

    /// `nopreempt` and `preempt_delay` need a router that starts as backup.
    fn preempt(&mut self, draft: &Draft, owner: bool) -> Preempt {
        let master = draft.state.filter(|(state, _)| *state == InitialState::Master);
        let never = match (draft.nopreempt, master) {
            (Some(span), Some((_, state))) => {
                self.report(
                    Diagnostic::warning(
                        Code::Conflict,
                        span,
                        "`nopreempt` does not work with `state MASTER`",
                    )
                    .related(state, "this state")
                    .consequence("`nopreempt` is ignored, as keepalived does: the instance preempts")
                    .help("write `state BACKUP` on both routers to keep `nopreempt`"),
                );
                false
            }
            (Some(span), None) if owner => {
                self.adjusted(
                    Some(span),
                    "`nopreempt` does not work with priority 255",
                    "`nopreempt` is ignored: the owner of the addresses always preempts",
                );
                false
            }
            (found, _) => found.is_some(),
        };
        let delay = match draft.preempt_delay {
            Some((_, span)) if master.is_some() || never => {
                let why = if never { "`nopreempt`" } else { "`state MASTER`" };
                self.adjusted(
                    Some(span),
                    format!("`preempt_delay` does not work with {why}"),
                    "no delay is kept",
                );
                Duration::ZERO
            }
            given => given.map_or(Duration::ZERO, |(delay, _)| delay),
        };
        if never { Preempt::Never } else { Preempt::After { delay } }
    }

    fn usable_authentication(
        &mut self,
        given: Option<(Authentication, Span)>,
        version: Version,
    ) -> Authentication {
        match given {
            Some((_, span)) if version == Version::V3 => {
                self.adjusted(
                    Some(span),
                    "VRRP version 3 has no authentication",
                    "adverts are sent and accepted without the password, as keepalived does",
                );
                Authentication::None
            }
            given => given.map_or(Authentication::None, |(authentication, _)| authentication),
        }
    }

    fn transport(&mut self, draft: &Draft) {
        if let (Some(span), true) = (draft.unicast, draft.peers.is_empty()) {
            self.report(
                Diagnostic::warning(Code::Conflict, span, "unicast without a peer")
                    .consequence("adverts go to the multicast group, as keepalived sends them")
                    .help("add `unicast_peer { ADDRESS }`"),
            );
        }
        if draft.unicast_ttl.is_some() && draft.peers.is_empty() {
            self.adjusted(draft.unicast, "`unicast_ttl` without a peer", "it has no effect");
        }
    }

    fn distinct_addresses(&mut self, title: Option<Span>, draft: &mut Draft, version: Version) {
        let mut seen: BTreeMap<_, Span> = BTreeMap::new();
        let mut twice = Vec::new();
        for list in [&mut draft.addresses, &mut draft.excluded] {
            list.retain(|(address, span)| match seen.get(&address.address) {
                Some(first) => {
                    twice.push((address.address, *span, *first));
                    false
                }
                None => {
                    seen.insert(address.address, *span);
                    true
                }
            });
        }
        for (address, span, first) in twice {
            self.report(
                Diagnostic::error(Code::Duplicate, span, format!("virtual address {address} is given twice"))
                    .related(first, "first given here")
                    .consequence("keepalived drops the second, with its options"),
            );
        }
        let none = draft.addresses.is_empty() && !draft.has_addresses;
        match (version, title) {
            (Version::V3, Some(title)) if none => self.report(
                Diagnostic::error(Code::Required, title, "an instance of version 3 needs a virtual address")
                    .help("add `virtual_ipaddress { ADDRESS/LENGTH }`"),
            ),
            (Version::V2, Some(title)) if none && !draft.no_addresses => self.report(
                Diagnostic::warning(Code::Empty, title, "the instance has no virtual address")
                    .consequence("it elects a master that does nothing"),
            ),
            _ => {}
        }
    }
}
