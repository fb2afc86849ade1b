//! `vrrp_instance`: one virtual router.

mod auth;
mod device;
mod strict;
mod transport;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::globals::{Defaults, GarpSettings};
use super::track::Names;
use super::{Lower, Word, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{
    AdvertInterval, Authentication, Family, Hmac, InitialState, Instance, InterfaceName, OldChecksum, Peer,
    Preempt, Priority, Version, VirtualAddress, Vrid,
};
use crate::config::source::Span;
use crate::config::tree::Node;

/// What may not be there twice.
#[derive(Default)]
pub(super) struct Instances {
    names: BTreeMap<String, Span>,
    /// By interface, number and family.
    routers: BTreeMap<(Option<InterfaceName>, Vrid, Family), Ways>,
}

/// The ways that adverts of one number go, from a configured address or any to a group or a peer, each with where the
/// number of the first to send there stands.
#[derive(Default)]
struct Ways(BTreeMap<(Option<IpAddr>, IpAddr), Span>);

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
    /// `priority` is there, right or wrong: it is not that of an owner by its absence.
    has_priority: bool,
    advert_interval: Option<(Duration, Span)>,
    version: Option<(Version, Span)>,
    /// The family, and the place that says so.
    family: Option<(Family, Span)>,
    nopreempt: Option<Span>,
    preempt_delay: Option<(Duration, Span)>,
    authentication: Option<(Authentication, Span)>,
    source: Option<IpAddr>,
    unicast: Option<Span>,
    track_source: bool,
    peers: Vec<Peer>,
    /// A peer has `min_ttl` or `max_ttl`.
    has_peer_ttl: bool,
    check_source: bool,
    fault_without_peer: Option<Span>,
    old_checksum: Option<OldChecksum>,
    unicast_ttl: Option<(u8, Span)>,
    group: Option<IpAddr>,
    addresses: Vec<(VirtualAddress, Span)>,
    excluded: Vec<(VirtualAddress, Span)>,
    garp: GarpSettings,
    down_timer_adverts: Option<u8>,
    skip_check_adv_addr: Option<bool>,
    lower_prio_no_advert: Option<bool>,
    higher_prio_send_advert: Option<bool>,
    hmac: Option<Hmac>,
    strict: Option<bool>,
    no_addresses: bool,
    /// Another instance has its name, which is said.
    again: bool,
    /// `virtual_ipaddress` has lines, right or wrong, or a part of the instance was not understood.
    has_addresses: bool,
}

impl Lower<'_> {
    pub(super) fn instance(
        &mut self,
        node: &Node<'_>,
        defaults: &Defaults,
        instances: &mut Instances,
        names: &Names,
    ) -> Option<Instance> {
        let name = self.one(node);
        let mut again = false;
        if let Some(name) = name {
            match instances.names.get(name.text) {
                Some(first) => {
                    again = true;
                    self.report(
                        Diagnostic::error(
                            Code::Duplicate,
                            name.span,
                            format!("instance `{}` is defined twice", name.text),
                        )
                        .related(*first, "first defined here")
                        .consequence("keepalived skips the second"),
                    );
                }
                None => drop(instances.names.insert(name.text.to_string(), name.span)),
            }
        }
        let instance = self.within(node, |lower| {
            let damaged = node.body.as_ref().is_some_and(|body| body.damaged.get());
            let mut draft = Draft { again, has_addresses: damaged, ..Draft::default() };
            let name_text = name.map_or("", |name| name.text);
            let mut result = Instance::new(name_text, InterfaceName::LOOPBACK, Vrid::LOWEST);
            lower.each(inside(node), |lower, word, node| {
                if !lower.instance_setting(word, node, &mut draft) {
                    lower.plain_setting(word, node, &mut result, names);
                }
            });
            let result = lower.finish_instance(node, draft, result, defaults, instances);
            name.and(result)
        });
        instance.filter(|_| !again)
    }

    /// What counts together with something else. False: the word is none of these.
    fn instance_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft) -> bool {
        match word {
            "state" => self.state(node, draft),
            "interface" => {
                draft.has_interface = true;
                draft.interface = self.one(node).and_then(|word| self.reachable_interface(word));
            }
            "virtual_router_id" => {
                draft.has_vrid = true;
                let vrid = self.whole_as(node).and_then(|number| Vrid::new(number).ok());
                draft.vrid = vrid.zip(node.span()).or(draft.vrid);
            }
            "priority" => {
                draft.has_priority = true;
                draft.priority = self.whole_as(node).and_then(|number| Priority::new(number).ok());
            }
            "advert_int" => draft.advert_interval = self.time(node).zip(node.span()),
            "version" => draft.version = self.version(node).zip(node.span()),
            "preempt" => {
                if self.flag(node) {
                    draft.nopreempt = None;
                }
            }
            "nopreempt" => draft.nopreempt = if self.flag(node) { node.span() } else { None },
            "native_ipv6" => {
                if let (true, Some(span)) = (self.flag(node), node.span()) {
                    self.family(Family::Ipv6, span, draft);
                }
            }
            "preempt_delay" => draft.preempt_delay = self.time(node).zip(node.span()),
            "authentication" => self.authentication(node, draft),
            "mcast_src_ip" => draft.source = self.one(node).and_then(|word| self.of_family(word, draft)),
            "unicast_src_ip" => {
                draft.unicast = node.span();
                draft.source = self.one(node).and_then(|word| self.of_family(word, draft));
            }
            "unicast_peer" => self.unicast_peers(node, draft),
            "unicast_fault_no_peer" => {
                draft.fault_without_peer = if self.flag(node) { node.span() } else { None };
            }
            "check_unicast_src" => draft.check_source = self.flag(node),
            "old_unicast_checksum" => {
                draft.old_checksum = match self.optional(node) {
                    None => Some(OldChecksum::Always),
                    Some(word) => self.choice(word, &[("never", OldChecksum::Never)]),
                };
            }
            "track_src_ip" => draft.track_source = self.flag(node),
            "unicast_ttl" => {
                draft.unicast_ttl = self.whole_as(node).zip(node.span());
            }
            "mcast_dst_ip" => {
                draft.group = self.one(node).and_then(|word| {
                    let group = self.multicast_of(word)?;
                    self.family(Family::of(group), word.span, draft).then_some(group)
                });
            }
            "virtual_ipaddress" => {
                draft.has_addresses |= !inside(node).is_empty();
                for (address, span) in self.addresses(node) {
                    if self.family(Family::of(address.address), span, draft) {
                        draft.addresses.push((address, span));
                    }
                }
                self.addresses_fit(draft);
            }
            "virtual_ipaddress_excluded" => {
                let addresses = self.addresses(node);
                draft.excluded.extend(addresses);
            }
            "down_timer_adverts" => draft.down_timer_adverts = self.down_timer_adverts(node),
            "skip_check_adv_addr" => {
                draft.skip_check_adv_addr = self.boolean(node);
                if let (Some(false), Some(span)) = (draft.skip_check_adv_addr, node.span()) {
                    self.portable(span, "the check is left on", "keepalived reads it as on");
                }
            }
            "lower_prio_no_advert" => draft.lower_prio_no_advert = self.boolean(node),
            "higher_prio_send_advert" => draft.higher_prio_send_advert = self.boolean(node),
            "strict_mode" => draft.strict = self.boolean(node),
            "auth_hmac" => draft.hmac = self.hmac(node),
            "no_virtual_ipaddress" => draft.no_addresses = self.flag(node),
            _ => return self.garp(word, node, &mut draft.garp),
        }
        true
    }

    /// What is as it is written.
    fn plain_setting(&mut self, word: &'static str, node: &Node<'_>, result: &mut Instance, names: &Names) {
        match word {
            "dont_track_primary" => result.dont_track_primary = self.flag(node),
            "use_vmac" => result.device = self.vmac(node),
            "use_ipvlan" => result.device = self.ipvlan(node),
            "use_vmac_addr" => result.vmac_addresses = self.flag(node),
            "vmac_xmit_base" => result.transmit_on_base = self.flag(node),
            "vrf" => result.vrf = self.interface_of(node),
            "v3_checksum_as_v2" => result.v3_checksum_as_v2 = self.boolean(node),
            "promote_secondaries" => result.promote_secondaries = self.flag(node),
            "linkbeat_use_polling" => result.linkbeat_polling = self.flag(node),
            "virtual_routes" => {
                self.no_words(node);
                self.within(node, |lower| {
                    let routes = inside(node).iter().filter_map(|line| lower.route(line, None));
                    result.routes.extend(routes);
                });
            }
            "virtual_rules" => {
                self.no_words(node);
                self.within(node, |lower| {
                    let rules = inside(node).iter().filter_map(|line| lower.rule(line, None));
                    result.rules.extend(rules);
                });
            }
            "accept" | "no_accept" => {
                if self.flag(node) {
                    result.accept = Some(word == "accept");
                }
            }
            "debug" => result.debug = self.whole_as(node).unwrap_or(0),
            "lvs_sync_daemon_interface" => {
                let interface = self.interface_of(node);
                self.first(node, &mut result.sync_interface, interface);
            }
            "timer_expired_backup" | "thread_timer_expired" => {
                result.timer_expired_backup = match arguments(node).is_empty() {
                    true => Some(254),
                    false => self.whole_as(node),
                };
            }
            "garp_extra_if" | "vmac_garp_intvl" => result.garp_extra = self.garp_extra(node),
            "owner_ignore_adverts" => result.owner_ignore_adverts = self.boolean(node),
            "kernel_rx_buf_size" => result.receive_buffer = self.whole_as(node),
            _ => {
                if !self.notify(word, node, &mut result.notify) {
                    self.tracking(word, node, &mut result.tracking, names);
                }
            }
        }
    }

    /// Nobody else hears what an instance says on the loopback.
    fn reachable_interface(&mut self, word: &Word<'_>) -> Option<InterfaceName> {
        let interface = self.interface(word)?;
        if interface.as_str() != "lo" {
            return Some(interface);
        }
        self.report(
            Diagnostic::error(Code::BadChoice, word.span, "an instance does not run on the loopback")
                .expected(
                    "the interface that its peers are reached by; addresses may be on others with `dev`",
                ),
        );
        None
    }

    /// As keepalived does, what an advert cannot name moves with the instance without being advertised.
    fn addresses_fit(&mut self, draft: &Draft) {
        let Some((first, _)) = draft.addresses.first() else { return };
        let most = Instance::most_advertised(Family::of(first.address));
        if let Some((_, span)) = draft.addresses.get(most) {
            let message = format!("an advert of 1500 bytes names {most} addresses, this is one more");
            let consequence = "this and the following ones move with the instance and are not advertised, as if they \
                               stood in `virtual_ipaddress_excluded`";
            self.adjusted(Some(*span), message, consequence);
        }
    }

    fn state(&mut self, node: &Node<'_>, draft: &mut Draft) {
        const STATES: [(&str, InitialState); 2] =
            [("BACKUP", InitialState::Backup), ("MASTER", InitialState::Master)];
        let Some(word) = self.one(node) else { return };
        let state = STATES.iter().find(|(name, _)| *name == word.text).map(|(_, state)| *state);
        if state.is_none() {
            let near = closest(word.text, STATES.iter().map(|(name, _)| *name));
            let message = format!("`{}` is no state", word.text);
            let diagnostic = Diagnostic::warning(Code::BadChoice, word.span, message)
                .expected("MASTER or BACKUP")
                .consequence("BACKUP is used, as keepalived does");
            self.report(match near {
                Some(near) => diagnostic.fix(word.span, near),
                None => diagnostic,
            });
        }
        let Some(span) = node.span() else { return };
        let state = state.unwrap_or(InitialState::Backup);
        if let Some((before, first)) = draft.state {
            self.said_repeated = true;
            let again = Diagnostic::warning(Code::Repeated, span, "`state` is set again");
            if before == InitialState::Master && state == InitialState::Backup {
                self.report(
                    again
                        .label("this one does not count")
                        .related(first, "this one counts")
                        .consequence("the instance starts as MASTER, as in keepalived"),
                );
                return;
            }
            self.report(again.label("this one counts").related(first, "this one does not"));
        }
        draft.state = Some((state, span));
    }

    fn finish_instance(
        &mut self,
        node: &Node<'_>,
        mut draft: Draft,
        result: Instance,
        defaults: &Defaults,
        instances: &mut Instances,
    ) -> Option<Instance> {
        let title = node.span();
        let unplaced = !draft.has_interface && draft.unicast.is_some() && draft.source.is_some();
        let placed = !unplaced || self.is_placed_elsewhere(node, &draft, &result);
        if !unplaced && !draft.has_interface {
            self.required(node, "the instance has no interface", "add `interface NAME`");
        }
        let family = draft.family.map_or(Family::Ipv4, |(family, _)| family);
        if !draft.has_vrid {
            self.required(node, "the instance has no virtual router id", "add `virtual_router_id`, 1 to 255");
        }
        self.own_peer(node, &mut draft);
        let group = transport::group(&draft, defaults, family);
        // One router id serves IPv4 and IPv6 apart (RFC 9568 §5.2.3).
        let known = unplaced || draft.interface.is_some();
        let router = draft.vrid.filter(|_| known && !draft.again);
        let alone = router.is_none_or(|(vrid, span)| {
            let interface = draft.interface.clone();
            let mut ways: Vec<_> = draft.peers.iter().map(|peer| (draft.source, peer.address)).collect();
            if ways.is_empty() {
                ways.push((None, group));
            }
            self.unique_router(instances, (interface, vrid, family), &ways, span)
        });
        let strict = draft.strict.unwrap_or(defaults.globals.vrrp.strict);
        let version = match (family, draft.version) {
            (Family::Ipv6, Some((Version::V2, span))) if strict => {
                let message = "strict mode has IPv6 with VRRP version 3 alone";
                self.adjusted(Some(span), message, "version 3 is used, as keepalived does");
                Version::V3
            }
            (_, Some((version, _))) => version,
            (Family::Ipv6, None) => Version::V3,
            (Family::Ipv4, None) => defaults.version.unwrap_or(Version::V2),
        };
        let state = draft.state.map(|(state, _)| state);
        let priority = draft.priority.unwrap_or(match state {
            Some(InitialState::Master) if !draft.has_priority => Priority::OWNER,
            _ => Priority::DEFAULT,
        });
        let owner = priority == Priority::OWNER;
        let initial_state = state.unwrap_or(if owner { InitialState::Master } else { InitialState::Backup });
        let advert_interval = self.advert_interval(draft.advert_interval, version);
        let preempt = self.preempt(&draft, owner);
        let authentication =
            self.usable_authentication(draft.authentication.take(), (family, version), strict);
        let transport = self.transport(&draft, group, defaults);
        self.distinct_addresses(title, &mut draft, version, strict);
        let interface = if unplaced { None } else { Some(draft.interface?) };
        let instance = Instance {
            interface,
            vrid: draft.vrid?.0,
            version,
            family,
            initial_state,
            priority,
            advert_interval,
            down_timer_adverts: draft
                .down_timer_adverts
                .or(defaults.down_timer_adverts)
                .unwrap_or(result.down_timer_adverts),
            preempt,
            authentication: draft.hmac.map_or(authentication, Authentication::Hmac),
            transport,
            addresses: draft.addresses.into_iter().map(|(address, _)| address).collect(),
            excluded_addresses: draft.excluded.into_iter().map(|(address, _)| address).collect(),
            no_addresses: draft.no_addresses,
            garp: draft.garp.over(defaults.garp.globals()),
            skip_check_adv_addr: draft
                .skip_check_adv_addr
                .or(defaults.skip_check_adv_addr)
                .unwrap_or(result.skip_check_adv_addr),
            lower_prio_no_advert: draft
                .lower_prio_no_advert
                .or(defaults.lower_prio_no_advert)
                .unwrap_or(result.lower_prio_no_advert),
            higher_prio_send_advert: draft.higher_prio_send_advert.or(defaults.higher_prio_send_advert),
            strict: draft.strict,
            ..result
        };
        self.own_name(node, &instance);
        let filters = defaults.globals.host.filters();
        let instance = if strict { self.strictly(node, instance, filters) } else { instance };
        if !alone || !placed {
            return None;
        }
        Some(instance)
    }

    /// Without an interface of its own, what it has says itself where it is. False: something does not, and the instance
    /// would be master of what is nowhere.
    fn is_placed_elsewhere(&mut self, node: &Node<'_>, draft: &Draft, result: &Instance) -> bool {
        let held = draft.addresses.iter().chain(&draft.excluded);
        let homeless: Vec<_> = held.filter(|(address, _)| address.interface.is_none()).collect();
        for (address, span) in &homeless {
            let what = format!("nothing says which interface {} is on", address.address);
            self.report(
                Diagnostic::error(Code::Required, *span, what)
                    .expected("`dev NAME` behind the address, as the instance has no `interface`"),
            );
        }
        let local = |source: IpAddr| matches!(source, IpAddr::V6(source) if source.is_unicast_link_local());
        let of_a_link = draft.source.filter(|source| local(*source));
        if let Some(source) = of_a_link {
            let what = format!("the link-local address {source} is one of a link, and the instance has none");
            self.required(node, &what, "add `interface NAME`, or send from a global address");
        }
        if result.device.is_some() {
            let message = "the MAC address of the virtual router needs an interface";
            self.required(node, message, "add `interface NAME`");
        }
        homeless.is_empty() && of_a_link.is_none() && result.device.is_none()
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
            let used = super::numbers::seconds(centiseconds * 10_000);
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

    fn distinct_addresses(&mut self, title: Option<Span>, draft: &mut Draft, version: Version, strict: bool) {
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
            (Version::V2, Some(title)) if none && strict => self.report(
                Diagnostic::error(Code::Required, title, "a strict instance needs a virtual address")
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
