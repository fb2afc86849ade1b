//! `vrrp_instance`: one virtual router.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::globals::{Defaults, GarpSettings};
use super::track::Names;
use super::{Lower, blocker, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::closest;
use crate::config::model::{
    AdvertInterval, Authentication, InitialState, Instance, InstanceExtras, InterfaceName, Ipv6Transport,
    PeerTtl, Preempt, Priority, Secret, Version, VirtualAddress, Vrid,
};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// 224.0.0.18 (RFC 9568 §5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// ff02::12 (RFC 9568 §5.1.2.2).
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// What may not be there twice.
#[derive(Default)]
pub(super) struct Instances {
    names: BTreeMap<String, Span>,
    /// By interface, number and family; and of each the group or the peers that its adverts go to.
    routers: BTreeMap<(InterfaceName, Vrid, bool), Vec<Router>>,
}

/// The group or the peers of an instance, and where its number stands.
type Router = (Vec<IpAddr>, Span);

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
    version: Option<(Version, Span)>,
    /// IPv6 when true, and the place that says so.
    family: Option<(bool, Span)>,
    nopreempt: Option<Span>,
    preempt_delay: Option<(Duration, Span)>,
    authentication: Option<(Authentication, Span)>,
    source: Option<IpAddr>,
    unicast: Option<Span>,
    peers: Vec<IpAddr>,
    unicast_ttl: Option<u8>,
    group: Option<IpAddr>,
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
    extras: InstanceExtras,
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
            lower.each(inside(node), |lower, word, node| {
                lower.instance_setting(word, node, &mut draft, names)
            });
            lower.finish_instance(node, name, draft, defaults, instances)
        })
    }

    fn instance_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut Draft, names: &Names) {
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
            "version" => draft.version = self.version(node).zip(node.span()),
            "preempt" => {
                if self.flag(node) {
                    draft.nopreempt = None;
                }
            }
            "nopreempt" => draft.nopreempt = if self.flag(node) { node.span() } else { None },
            "native_ipv6" => {
                if let (true, Some(span)) = (self.flag(node), node.span()) {
                    self.family(true, span, draft);
                }
            }
            "preempt_delay" => draft.preempt_delay = self.timer(node, 0, 1_000_000_000).zip(node.span()),
            "authentication" => self.authentication(node, draft),
            "mcast_src_ip" => draft.source = self.one(node).and_then(|word| self.of_family(word, draft)),
            "unicast_src_ip" => {
                draft.unicast = node.span();
                draft.source = self.one(node).and_then(|word| self.of_family(word, draft));
            }
            "unicast_peer" => self.unicast_peers(node, draft),
            "unicast_ttl" => {
                draft.unicast_ttl = self.number(node, 0, 255).and_then(|number| u8::try_from(number).ok());
            }
            "mcast_dst_ip" => {
                draft.group = self.one(node).and_then(|word| {
                    let group = self.multicast_of(word)?;
                    self.family(group.is_ipv6(), word.span, draft).then_some(group)
                });
            }
            "virtual_ipaddress" => {
                draft.has_addresses |= !inside(node).is_empty();
                for (address, span) in self.addresses(node) {
                    if self.family(address.address.is_ipv6(), span, draft) {
                        draft.addresses.push((address, span));
                    }
                }
            }
            "virtual_ipaddress_excluded" => {
                let addresses = self.addresses(node);
                draft.excluded.extend(addresses);
            }
            "down_timer_adverts" => draft.down_timer_adverts = self.down_timer_adverts(node),
            "skip_check_adv_addr" => draft.skip_check_adv_addr = self.boolean(node),
            "lower_prio_no_advert" => draft.lower_prio_no_advert = self.boolean(node),
            "higher_prio_send_advert" => draft.higher_prio_send_advert = self.boolean(node),
            "dont_track_primary" => draft.dont_track_primary = self.flag(node),
            "no_virtual_ipaddress" => draft.no_addresses = self.flag(node),
            // Traffic to the virtual addresses is accepted anyway.
            "accept" => drop(self.flag(node)),
            _ => {
                if !self.extra_setting(word, node, &mut draft.extras, names) {
                    self.garp(word, node, &mut draft.garp);
                }
            }
        }
    }

    /// The first address decides of which family an instance is. False: this one is of the other.
    fn family(&mut self, ipv6: bool, span: Span, draft: &mut Draft) -> bool {
        let name = |ipv6| if ipv6 { "IPv6" } else { "IPv4" };
        match draft.family {
            Some((family, first)) if family != ipv6 => {
                let message = format!("an {} instance has no {} address here", name(family), name(ipv6));
                self.report(
                    Diagnostic::error(Code::BadAddress, span, message)
                        .related(first, "this makes it one")
                        .help("write an instance of its own, or use `virtual_ipaddress_excluded`"),
                );
                false
            }
            Some(_) => true,
            None => {
                draft.family = Some((ipv6, span));
                true
            }
        }
    }

    fn of_family(&mut self, word: &Word<'_>, draft: &mut Draft) -> Option<IpAddr> {
        let address = self.address_in(word)?;
        self.family(address.is_ipv6(), word.span, draft).then_some(address)
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
        self.no_words(node);
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "auth_type" => kind = lower.one(node).map(|word| (word.text.clone(), word.span)),
                "auth_pass" => password = lower.one(node).map(|word| (word.text.clone(), word.span)),
                _ => {}
            });
        });
        match (kind.as_ref().map(|(kind, span)| (&**kind, *span)), &password) {
            (Some(("AH", span)), _) => {
                let password =
                    password.as_ref().map_or(Vec::new(), |(password, _)| password.as_bytes().to_vec());
                draft.extras.ah = Some(Secret(password));
                self.report(
                    blocker(span, "authentication AH is not supported by this version")
                        .consequence(
                            "without it, adverts of the other router would be refused, and ours sent unsigned",
                        )
                        .help("use `auth_type PASS` on both routers, or none"),
                );
            }
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
                self.absent(
                    node,
                    "`authentication` without `auth_type`",
                    "adverts are sent and accepted without authentication, as keepalived does",
                );
            }
        }
    }

    fn unicast_peers(&mut self, node: &Node<'_>, draft: &mut Draft) {
        draft.unicast = node.words.first().map(|word| word.span);
        self.within(node, |lower| {
            for line in inside(node) {
                let Some((first, options)) = line.words.split_first() else { continue };
                let Some(peer) = lower.of_family(first, draft) else { continue };
                if draft.peers.contains(&peer) {
                    let message = format!("peer {peer} is given twice");
                    lower.report(Diagnostic::error(Code::Duplicate, first.span, message));
                    continue;
                }
                draft.peers.push(peer);
                let ttl = lower.peer_options(peer, options);
                draft.extras.peer_ttl.extend(ttl);
            }
        });
    }

    fn peer_options(&mut self, peer: IpAddr, options: &[Word<'_>]) -> Option<PeerTtl> {
        let mut ttl = PeerTtl { peer, min: 0, max: 255 };
        for option in options.chunks(2) {
            match option {
                [word, value] if matches!(&*word.text, "min_ttl" | "max_ttl") => {
                    let number =
                        self.number_in(None, value, 0, 255).and_then(|number| u8::try_from(number).ok());
                    match (number, word.text == "min_ttl") {
                        (Some(number), true) => ttl.min = number,
                        (Some(number), false) => ttl.max = number,
                        (None, _) => {}
                    }
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
        (!options.is_empty()).then_some(ttl)
    }

    fn addresses(&mut self, node: &Node<'_>) -> Vec<(VirtualAddress, Span)> {
        self.no_words(node);
        self.within(node, |lower| {
            inside(node).iter().filter_map(|line| lower.virtual_address(line)).collect()
        })
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
        if !draft.has_interface && draft.unicast.is_some() && draft.source.is_some() {
            self.report_at(title, |span| {
                blocker(span, "an instance without an interface is not supported by this version")
                    .consequence("no interface tells whether its addresses can be reached")
                    .help("add `interface NAME`")
            });
        } else if !draft.has_interface {
            self.required(node, "the instance has no interface", "add `interface NAME`");
        }
        let ipv6 = draft.family.is_some_and(|(ipv6, _)| ipv6);
        self.unsupported_addresses(&draft);
        if !draft.has_vrid {
            self.required(node, "the instance has no virtual router id", "add `virtual_router_id`, 1 to 255");
        }
        let (group, ipv6_transport) = transport(&mut draft, defaults, ipv6);
        draft.extras.ipv6 = ipv6_transport;
        // One router id serves IPv4 and IPv6 apart (RFC 9568 §5.2.3).
        if let Some(((vrid, span), interface)) = draft.vrid.zip(draft.interface.clone()) {
            let mut to = draft.peers.clone();
            to.sort_unstable();
            if to.is_empty() {
                to.push(group);
            }
            self.unique_router(instances, (interface, vrid, ipv6), to, span);
        }
        if let (true, Some((Version::V2, span))) = (ipv6, draft.version) {
            self.adjusted(Some(span), "IPv6 needs VRRP version 3", "version 3 is used, as keepalived does");
        }
        let version = match ipv6 {
            true => Version::V3,
            false => draft.version.map(|(version, _)| version).or(defaults.version).unwrap_or(Version::V2),
        };
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
            source: draft.source.and_then(only_v4),
            unicast_peers: draft.peers.into_iter().filter_map(only_v4).collect(),
            unicast_ttl: draft.unicast_ttl.unwrap_or(255),
            multicast_group: only_v4(group).unwrap_or(GROUP),
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
            extras: draft.extras,
        })
    }

    fn report_at(&mut self, span: Option<Span>, make: impl FnOnce(Span) -> Diagnostic) {
        if let Some(span) = span {
            self.report(make(span));
        }
    }

    /// IPv6 addresses are read and not held.
    fn unsupported_addresses(&mut self, draft: &Draft) {
        let diagnostic = |span, message: &str| {
            blocker(span, message).consequence("leaving it out would leave the address without a director")
        };
        if let Some((true, span)) = draft.family {
            self.grouped("VRRP over IPv6", span, || {
                diagnostic(span, "VRRP over IPv6 is not supported by this version")
            });
        }
        let excluded = draft.excluded.iter().find(|(address, _)| address.address.is_ipv6());
        if let Some((_, span)) = excluded.filter(|_| !draft.family.is_some_and(|(ipv6, _)| ipv6)) {
            self.grouped("an IPv6 address", *span, || {
                diagnostic(*span, "a virtual address of IPv6 is not supported by this version")
            });
        }
    }

    /// Two instances of one number must not hear each other: keepalived refuses the same interface with the
    /// same group or a peer in common.
    fn unique_router(
        &mut self,
        instances: &mut Instances,
        key: (InterfaceName, Vrid, bool),
        to: Vec<IpAddr>,
        span: Span,
    ) {
        let message = format!("virtual router id {} is taken on {}", key.1.number(), key.0);
        let routers = instances.routers.entry(key).or_default();
        let same = routers.iter().find(|(other, _)| other.iter().any(|address| to.contains(address)));
        if let Some((_, first)) = same {
            let diagnostic = Diagnostic::error(Code::Duplicate, span, message)
                .related(*first, "by this instance")
                .consequence("the two instances would answer each other's adverts");
            self.report(diagnostic);
            return;
        }
        if let Some((_, first)) = routers.first() {
            let diagnostic = blocker(span, message).related(*first, "by this instance");
            let text = "this version does not tell apart two instances of one number on one interface";
            routers.push((to, span));
            self.report(diagnostic.consequence(text));
            return;
        }
        routers.push((to, span));
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

fn only_v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The multicast group, and what an IPv6 instance has on top.
fn transport(draft: &mut Draft, defaults: &Defaults, ipv6: bool) -> (IpAddr, Option<Ipv6Transport>) {
    if !ipv6 {
        let group = draft.group.or(defaults.group.map(IpAddr::V4)).unwrap_or(IpAddr::V4(GROUP));
        return (group, None);
    }
    let only_v6 = |address: &IpAddr| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    };
    let group = draft.group.as_ref().and_then(only_v6).or(defaults.globals.vrrp.group6).unwrap_or(GROUP6);
    let source = draft.source.as_ref().and_then(only_v6);
    let peers = draft.peers.iter().filter_map(only_v6).collect();
    (IpAddr::V6(group), Some(Ipv6Transport { source, peers, group }))
}
