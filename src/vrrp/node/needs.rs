//! From the configuration to the objects that it asks for, on the interfaces that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::config::model::{
    self, Family, Filter, Instance, InterfaceName, LinkDelay, MetricKind, Named, Net, NetlinkBuffers,
    NextHop, Pacing, ReceiveBuffers, RuleAction, Statics, SyncGroup, TrackGroup, VirtualAddress, Vmac,
};
use crate::net::kernel::Kernel;
use crate::net::link::PRIVATE;
use crate::net::object::{Address, Device, Does, Hop, Key, Kind, Link, Mac, Object, Route, Rule};
use crate::net::route::{MAIN, UNICAST};
use crate::net::settings::{Setting, Wanted};
use crate::vrrp::instance::Resume;

const RTAX_LOCK: u16 = 1;
const RTAX_FEATURES: u16 = 12;
const RTAX_CC_ALGO: u16 = 16;
const FEATURE_ECN: u32 = 1;
/// Rules without a preference get this one and those below, as in keepalived.
const FIRST_PREFERENCE: u32 = 16384;

/// An object, and whether it is set again when it vanishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) object: Object,
    pub(super) tracked: bool,
}

/// Objects that are needed, in the order of their keys: a list, for an instance has few, and there may be hundreds of
/// instances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs(Box<[(Key, Need)]>);

impl Needs {
    pub(super) fn get(&self, key: &Key) -> Option<&Need> {
        let at = self.0.binary_search_by(|(own, _)| own.cmp(key)).ok()?;
        self.0.get(at).map(|(_, need)| need)
    }

    pub(super) fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Need)> {
        self.0.iter().map(|(key, need)| (key, need))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.iter().map(|(key, _)| key)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.iter().map(|(_, need)| &need.object)
    }
}

impl FromIterator<Need> for Needs {
    /// The first of one key counts.
    fn from_iter<T: IntoIterator<Item = Need>>(all: T) -> Self {
        let mut all: Vec<(Key, Need)> = all.into_iter().map(|need| (need.object.key(), need)).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|(later, _), (first, _)| later == first);
        Self(all.into_boxed_slice())
    }
}

/// What is to run: the virtual routers, and what is kept in the kernel as long as the daemon runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Virtual routers.
    pub instances: Vec<Instance>,
    /// Sync groups of them: names and members.
    pub groups: Vec<SyncGroup>,
    /// `static_ipaddress`, `static_routes`, `static_rules`.
    pub statics: Statics,
    /// How announcements are spaced out.
    pub pacing: Pacing,
    /// The table for traffic that is dropped.
    pub filter: Filter,
    /// `track_group`: instances that suffer when a static object is not there.
    pub track_groups: Vec<TrackGroup>,
    /// `interface_up_down_delays`.
    pub link_delays: Vec<LinkDelay>,
    /// How large receive buffers of adverts are.
    pub buffers: ReceiveBuffers,
    /// `log_unknown_vrids`: adverts of router ids that no instance has are told of.
    pub log_unknown: bool,
    /// Those of netlink; a reload changes nothing of them.
    pub netlink: NetlinkBuffers,
    /// How long the instances wait after a start; a reload changes nothing of it.
    pub delay: Duration,
    /// Instances, by name, that led when a predecessor was stopped for a restart, a moment ago.
    pub resumes: BTreeMap<String, Resume>,
}

impl From<Vec<Instance>> for Setup {
    fn from(instances: Vec<Instance>) -> Self {
        Self { instances, ..Self::default() }
    }
}

impl Setup {
    /// Gives each rule without a preference one of its own: static ones first, then in the order of the instances. The
    /// interfaces of the instances are there whatever their state.
    #[must_use]
    pub(crate) fn complete(mut self) -> Self {
        self.statics.vmacs = self.instances.iter().flat_map(|instance| instance.vmacs.clone()).collect();
        let mut next = BTreeMap::new();
        let rules = self.instances.iter_mut().flat_map(|instance| &mut instance.rules);
        for rule in self.statics.rules.iter_mut().chain(rules) {
            if rule.preference.is_none() {
                let number = next.entry(family_of_rule(rule)).or_insert(FIRST_PREFERENCE);
                rule.preference = Some(*number);
                *number = number.saturating_sub(1);
            }
        }
        self
    }
}

/// The objects of an instance.
pub(super) fn of_instance(instance: &Instance, kernel: &Kernel) -> Needs {
    let addresses = instance.all_addresses().filter_map(|one| {
        Some(Need { object: address(Some(instance), one, kernel)?, tracked: !one.no_track })
    });
    addresses.chain(policy(&instance.routes, &instance.rules, kernel)).collect()
}

/// The objects of no instance.
pub(super) fn of_statics(statics: &Statics, kernel: &Kernel) -> Needs {
    let addresses = statics.addresses.iter().filter_map(|one| {
        let tracked = !one.address.no_track;
        Some(Need { object: address(None, &one.address, kernel)?, tracked })
    });
    let links =
        statics.vmacs.iter().filter_map(|vmac| Some(Need { object: link(vmac, kernel)?, tracked: true }));
    links.chain(addresses).chain(policy(&statics.routes, &statics.rules, kernel)).collect()
}

/// The static objects of each `track_group`; `None`: the interface of one does not exist.
pub(super) fn of_track_groups(statics: &Statics, kernel: &Kernel) -> BTreeMap<String, Vec<Option<Key>>> {
    let mut groups: BTreeMap<String, Vec<Option<Key>>> = BTreeMap::new();
    let mut note = |group: &Option<String>, key: &dyn Fn() -> Option<Key>| {
        if let Some(group) = group {
            groups.entry(group.clone()).or_default().push(key());
        }
    };
    for one in &statics.addresses {
        note(&one.track_group, &|| address(None, &one.address, kernel).map(|object| object.key()));
    }
    for one in &statics.routes {
        note(&one.track_group, &|| route(one, kernel).map(|route| Key::from(route.key())));
    }
    for one in &statics.rules {
        note(&one.track_group, &|| rule(one).map(Key::from));
    }
    groups
}

/// The interfaces that static objects are on.
pub(super) fn devices_of_statics(statics: &Statics) -> BTreeSet<InterfaceName> {
    let addresses = statics.addresses.iter().filter_map(|one| one.address.interface.clone());
    let vmacs = statics.vmacs.iter().flat_map(|vmac| [vmac.base.clone(), vmac.name.clone()]);
    addresses.chain(vmacs).chain(statics.routes.iter().flat_map(devices_of_route)).collect()
}

/// How the kernel would show it. `None`: the interface below it does not exist.
fn link(vmac: &Vmac, kernel: &Kernel) -> Option<Object> {
    let (base, _) = kernel.link_by_name(vmac.base.as_str())?;
    Some(Object::Link(Link {
        name: Device::from(&vmac.name),
        index: 0,
        base,
        mac: Mac(vmac.mac),
        kind: Kind::Macvlan { mode: PRIVATE },
        enabled: true,
        group: vmac.group.as_ref().and_then(number),
    }))
}

/// The settings of the kernel that the interfaces of the virtual routers and `promote_secondaries` need.
pub(super) fn settings<'a>(
    statics: &Statics,
    instances: impl Iterator<Item = &'a Instance>,
    kernel: &Kernel,
) -> Wanted {
    let mut wanted = Wanted::default();
    let mut no_local_igmp = statics.no_local_igmp;
    let index = |name: &InterfaceName| kernel.link_by_name(name.as_str()).map(|(index, _)| index);
    for vmac in &statics.vmacs {
        if vmac.ipv4
            && let Some(base) = index(&vmac.base)
        {
            // The interface below is not to answer for the addresses of the virtual router.
            for name in ["arp_ignore", "arp_filter"] {
                let setting = Setting::of_interface(vmac.base.as_str(), name);
                wanted.values.insert(setting, (1, base));
            }
            wanted.own_reverse_path = true;
            if let Some(own) = index(&vmac.name) {
                let setting = Setting::of_interface(vmac.name.as_str(), "rp_filter");
                wanted.values.insert(setting, (0, own));
            }
            // A backup that reports its group would draw the traffic of the master's address to itself.
            no_local_igmp |= vmac.adverts;
        }
        if !vmac.ipv6
            && let Some(own) = index(&vmac.name)
        {
            wanted.values.insert(Setting::no_ipv6(vmac.name.as_str()), (1, own));
        }
    }
    for instance in instances.filter(|instance| instance.promote_secondaries) {
        if let Some((name, index)) = instance.interface.as_ref().and_then(|name| Some((name, index(name)?))) {
            let setting = Setting::of_interface(name.as_str(), "promote_secondaries");
            wanted.values.insert(setting, (1, index));
        }
    }
    if no_local_igmp {
        wanted.values.insert(Setting::local_igmp(), (0, 0));
    }
    wanted
}

/// The interfaces that the objects of `instance` are on.
pub(super) fn devices(instance: &Instance) -> BTreeSet<InterfaceName> {
    let addresses = instance.all_addresses().filter_map(|one| one.interface.clone());
    addresses.chain(instance.routes.iter().flat_map(devices_of_route)).collect()
}

fn devices_of_route(route: &model::Route) -> impl Iterator<Item = InterfaceName> {
    let hops = route.hops.iter().filter_map(|hop| hop.interface.clone());
    route.interface.clone().into_iter().chain(hops)
}

fn policy<'a>(
    routes: &'a [model::Route],
    rules: &'a [model::Rule],
    kernel: &'a Kernel,
) -> impl Iterator<Item = Need> + 'a {
    let routes = routes.iter().filter_map(|one| {
        // One that expires is not to come back for ever.
        let tracked = !one.no_track && one.expires.is_none();
        Some(Need { object: Object::from(route(one, kernel)?), tracked })
    });
    let rules = rules
        .iter()
        .filter_map(|one| Some(Need { object: Object::from(rule(one)?), tracked: !one.no_track }));
    routes.chain(rules)
}

/// How the kernel would show `address`. `None`: its interface does not exist.
pub(super) fn address(
    instance: Option<&Instance>,
    address: &VirtualAddress,
    kernel: &Kernel,
) -> Option<Object> {
    let interface =
        address.interface.as_ref().or(instance.and_then(|instance| instance.interface.as_ref()))?;
    let (index, _) = kernel.link_by_name(interface.as_str())?;
    let v6 = address.address.is_ipv6();
    let prefix = address.peer.map_or(address.prefix, |peer| peer.prefix);
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    let flags = flag(v6 && !address.flags.detect_duplicates, Address::NO_DAD)
        | flag(address.flags.home, Address::HOME)
        | flag(address.flags.manage_temporary, Address::MANAGE_TEMPORARY)
        | flag(address.flags.no_prefix_route, Address::NO_PREFIX_ROUTE)
        | flag(address.flags.autojoin, Address::AUTOJOIN);
    // The host is not to send from a virtual address of its own accord.
    let preferred = address.preferred_lifetime.or((prefix == 128).then_some(0)).filter(|_| v6);
    Some(Object::Address(Address {
        peer: address.peer.map(|peer| peer.address),
        scope: address.scope,
        label: address.label.clone(),
        broadcast: address.broadcast,
        flags,
        preferred,
        ..Address::new(index, address.address, prefix)
    }))
}

/// How the kernel would show `route`. `None`: an interface does not exist, or a name is not known.
fn route(route: &model::Route, kernel: &Kernel) -> Option<Route> {
    let known = [route.to.map(|net| net.address), route.from.map(|net| net.address), route.source, route.via];
    let first = known.into_iter().flatten().next().map(Family::of);
    let family = route.family.or(first).unwrap_or_default();
    let v4 = family == Family::Ipv4;
    let any = match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let kind = route.kind.unwrap_or(UNICAST);
    // As `ip route` has it where nothing is said.
    let default_scope = match kind {
        2 | 10 => 254,
        3..=5 => 253,
        _ => 0,
    };
    let to = route.to.unwrap_or(Net { address: any, prefix: 0 });
    let base = Route::new(to.address, to.prefix, hops(route, kernel)?);
    Some(Route {
        table: route.table.as_ref().map_or(Some(MAIN), number)?,
        from: route.from,
        tos: small(route.tos.as_ref())?.unwrap_or(0),
        metric: route.metric.filter(|metric| *metric != 0).unwrap_or(base.metric),
        kind,
        scope: if v4 { small(route.scope.as_ref())?.unwrap_or(default_scope) } else { 0 },
        source: route.source,
        metrics: metrics(route),
        congestion: route.congestion_control.as_ref().map(|control| control.name.clone()),
        expires: route.expires.filter(|_| !v4),
        preference: route.preference.filter(|_| !v4),
        propagate: route.ttl_propagate,
        append: route.append,
        ..base
    })
}

fn hops(route: &model::Route, kernel: &Kernel) -> Option<Vec<Hop>> {
    let own = NextHop {
        via: route.via,
        interface: route.interface.clone(),
        weight: 0,
        onlink: route.onlink,
        encap: route.encap.clone(),
        realms: route.realms,
    };
    let says_where = own.via.is_some() || own.interface.is_some() || own.encap.is_some();
    let index = |name: &InterfaceName| kernel.link_by_name(name.as_str()).map(|(index, _)| index);
    let hop = |hop: &NextHop| {
        Some(Hop {
            via: hop.via,
            index: hop.interface.as_ref().or(route.interface.as_ref()).map_or(Some(0), index)?,
            weight: u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX),
            onlink: hop.onlink,
            encap: hop.encap.clone(),
            realms: hop.realms,
        })
    };
    let alone = says_where && (route.hops.is_empty() || own.via.is_some());
    alone.then_some(&own).into_iter().chain(&route.hops).map(hop).collect()
}

fn metrics(route: &model::Route) -> BTreeMap<u16, u32> {
    let mut metrics = BTreeMap::new();
    let mut locks = 0;
    for metric in &route.metrics {
        let number = metric_number(metric.kind);
        metrics.insert(number, metric.number);
        locks |= u32::from(metric.locked) << number;
    }
    let locked = route.congestion_control.as_ref().is_some_and(|control| control.locked);
    locks |= u32::from(locked) << RTAX_CC_ALGO;
    if locks != 0 {
        metrics.insert(RTAX_LOCK, locks);
    }
    if route.ecn {
        metrics.insert(RTAX_FEATURES, FEATURE_ECN);
    }
    metrics
}

/// `RTAX_*`.
fn metric_number(kind: MetricKind) -> u16 {
    match kind {
        MetricKind::Mtu => 2,
        MetricKind::Window => 3,
        MetricKind::Rtt => 4,
        MetricKind::Rttvar => 5,
        MetricKind::Ssthresh => 6,
        MetricKind::Cwnd => 7,
        MetricKind::Advmss => 8,
        MetricKind::Reordering => 9,
        MetricKind::Hoplimit => 10,
        MetricKind::Initcwnd => 11,
        MetricKind::RtoMin => 13,
        MetricKind::Initrwnd => 14,
        MetricKind::Quickack => 15,
        MetricKind::FastopenNoCookie => 17,
    }
}

fn family_of_rule(rule: &model::Rule) -> Family {
    let net = rule.from.or(rule.to);
    rule.family.or(net.map(|net| Family::of(net.address))).unwrap_or_default()
}

/// How the kernel would show `rule`. `None`: a name is not known.
fn rule(rule: &model::Rule) -> Option<Rule> {
    let does = match rule.action.as_ref()? {
        RuleAction::Table(table) => Does::Table(number(table)?),
        RuleAction::Goto(target) => Does::Goto(*target),
        RuleAction::L3mdev => Does::Vrf,
        RuleAction::Nop => Does::Nop,
        RuleAction::Blackhole => Does::Blackhole,
        RuleAction::Unreachable => Does::Unreachable,
        RuleAction::Prohibit => Does::Prohibit,
    };
    // The kernel forgets an address of no length.
    let some = |net: Option<Net>| net.filter(|net| net.prefix > 0);
    Some(Rule {
        invert: rule.invert,
        from: some(rule.from),
        to: some(rule.to),
        tos: small(rule.tos.as_ref())?.unwrap_or(0),
        mark: rule.fwmark.filter(|mark| *mark != (0, 0)),
        input: rule.input.as_ref().map(Device::from),
        output: rule.output.as_ref().map(Device::from),
        tunnel: rule.tunnel.unwrap_or(0),
        users: rule.users,
        ip_protocol: small(rule.ip_protocol.as_ref())?.unwrap_or(0),
        source_ports: rule.source_ports,
        ports: rule.ports,
        realms: rule.realms.unwrap_or(0),
        suppress_prefix: rule.suppress_prefix,
        suppress_group: match &rule.suppress_group {
            Some(group) => Some(number(group)?),
            None => None,
        },
        ..Rule::new(family_of_rule(rule), rule.preference.unwrap_or(0), does)
    })
}

/// Names are numbers by the time that a configuration runs.
fn number(named: &Named) -> Option<u32> {
    match named {
        Named::Number(number) => Some(*number),
        Named::Name(_) => None,
    }
}

/// A number of eight bits. Outer `None`: it is none.
fn small(named: Option<&Named>) -> Option<Option<u8>> {
    match named {
        Some(named) => number(named).and_then(|number| u8::try_from(number).ok()).map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::kernel::{Change, LinkState};

    fn kernel() -> Kernel {
        let mut kernel = Kernel::default();
        let link = LinkState::ethernet("eth0");
        kernel.apply(Change::Link(7, link));
        kernel
    }

    fn net(address: &str, prefix: u8) -> Option<Net> {
        Some(Net { address: address.parse().unwrap(), prefix })
    }

    #[test]
    fn needs_are_found_by_their_keys_and_of_one_key_the_first_counts() {
        let need = |last, tracked| {
            let address = Address::new(7, IpAddr::from([192, 168, 100, last]), 24);
            Need { object: Object::Address(address), tracked }
        };
        let key = |last| need(last, true).object.key();
        let needs: Needs =
            [need(9, true), need(3, true), need(9, false), need(5, false)].into_iter().collect();
        assert_eq!(needs.keys().cloned().collect::<Vec<Key>>(), [key(3), key(5), key(9)]);
        assert_eq!([3, 5, 9].map(|last| needs.get(&key(last)).unwrap().tracked), [true, false, true]);
        assert!(!needs.contains_key(&key(4)));
    }

    #[test]
    fn a_route_is_as_the_kernel_shows_it() {
        let via = Some("fd00::fe".parse().unwrap());
        let six = model::Route { to: net("2001:db8::", 32), via, ..model::Route::default() };
        let object = route(&six, &kernel()).unwrap();
        assert_eq!((object.metric, object.table, object.hops.len()), (1024, 254, 1));
        let default = model::Route { to: None, via, ..model::Route::default() };
        assert!(route(&default, &kernel()).unwrap().to.is_ipv6());
        let elsewhere = InterfaceName::new("eth9").ok();
        let missing = model::Route { interface: elsewhere, ..six.clone() };
        assert_eq!(route(&missing, &kernel()), None);
        let nowhere = model::Route { kind: Some(6), to: net("10.0.0.0", 8), ..model::Route::default() };
        assert_eq!(route(&nowhere, &kernel()).unwrap().hops, []);
        let local = model::Route { kind: Some(2), ..nowhere };
        assert_eq!(route(&local, &kernel()).unwrap().scope, 254);
    }

    #[test]
    fn a_second_gateway_is_a_second_hop() {
        let to = net("10.0.0.0", 8);
        let via = |last| Some(IpAddr::from([192, 168, 100, last]));
        let second = NextHop { via: via(2), ..NextHop::default() };
        let either = model::Route { to, via: via(1), hops: vec![second.clone()], ..model::Route::default() };
        let vias = |route: &model::Route| -> Vec<Option<IpAddr>> {
            hops(route, &kernel()).unwrap().iter().map(|hop| hop.via).collect()
        };
        assert_eq!(vias(&either), [via(1), via(2)]);
        let first = NextHop { via: via(1), weight: 3, ..NextHop::default() };
        let listed = model::Route { to, hops: vec![first, second], ..model::Route::default() };
        assert_eq!(vias(&listed), [via(1), via(2)]);
        assert_eq!(hops(&listed, &kernel()).unwrap()[0].weight, 2);
    }

    #[test]
    fn rules_without_a_preference_are_numbered_downwards_in_each_family() {
        let table = Some(RuleAction::Table(Named::Number(100)));
        let rule =
            |from, preference| model::Rule { from, preference, action: table.clone(), ..Default::default() };
        let rules = vec![
            rule(net("10.0.0.0", 8), None),
            rule(net("2001:db8::", 32), None),
            rule(net("10.0.0.0", 9), Some(5)),
            rule(net("10.0.0.0", 10), None),
        ];
        let statics = Statics { rules, ..Statics::default() };
        let numbered = Setup { statics, ..Setup::default() }.complete();
        let numbers: Vec<_> = numbered.statics.rules.iter().map(|rule| rule.preference.unwrap()).collect();
        assert_eq!(numbers, [16384, 16384, 5, 16383]);
    }

    #[test]
    fn an_ipv6_address_is_no_source_unless_it_has_a_subnet() {
        let object = |prefix, change: &dyn Fn(&mut VirtualAddress)| {
            let mut one = VirtualAddress::new("2001:db8::1".parse().unwrap(), prefix);
            one.interface = InterfaceName::new("eth0").ok();
            change(&mut one);
            match address(None, &one, &kernel()) {
                Some(Object::Address(address)) => (address.flags, address.preferred),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(object(128, &|_| ()), (Address::NO_DAD, Some(0)));
        assert_eq!(object(64, &|_| ()), (Address::NO_DAD, None));
        assert_eq!(object(128, &|one| one.preferred_lifetime = Some(u32::MAX)).1, Some(u32::MAX));
        assert_eq!(object(64, &|one| one.flags.detect_duplicates = true).0, 0);
        assert_eq!(
            object(64, &|one| one.flags.no_prefix_route = true).0,
            Address::NO_DAD | Address::NO_PREFIX_ROUTE
        );
    }
}
