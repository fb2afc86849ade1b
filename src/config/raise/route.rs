//! Lines of `virtual_routes` and `static_routes`.

use std::net::IpAddr;

use super::Word;
use super::address::written;
use super::block::plain;
use super::script::option;
use crate::config::model::{CongestionControl, Encap, Family, Named, NextHop, Route};

/// `TYPE` of a route, as rtnetlink numbers it.
const KINDS: [(u8, &str); 11] = [
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
    (9, "throw"),
    (10, "nat"),
    (11, "xresolve"),
];

/// One line.
pub(super) fn route(route: &Route) -> Vec<Word> {
    let told = route.to.map(|net| net.address).or(route.source).or(route.from.map(|net| net.address));
    let told = told.map(Family::of);
    let mut words = Vec::new();
    let mut to = route.to.map_or_else(|| "default".to_owned(), written);
    if told != route.family {
        match (route.family, route.to) {
            (Some(Family::Ipv6), None) => to = "default6".to_owned(),
            (Some(family), _) => words.push(plain(family.word())),
            (None, _) => {}
        }
    }
    let kind = KINDS.iter().find(|(number, _)| Some(*number) == route.kind);
    words.extend(kind.map(|(_, name)| plain(*name)));
    words.push(plain(to));
    words.extend(option("src", route.source));
    words.extend(option("from", route.from.map(written)));
    words.extend(gateway(route.via, route.family));
    words.extend(option("dev", route.interface.as_ref()));
    words.extend(option("vrf", route.vrf.as_ref()));
    words.extend(option("tos", route.tos.as_ref().map(named)));
    words.extend(option("table", route.table.as_ref().map(named)));
    words.extend(option("protocol", route.protocol.as_ref().map(named)));
    words.extend(option("scope", route.scope.as_ref().map(named)));
    words.extend(option("metric", route.metric));
    words.extend(route.onlink.then(|| plain("onlink")));
    words.extend(option("expires", route.expires));
    for metric in &route.metrics {
        words.push(plain(metric.kind.word()));
        words.extend(metric.locked.then(|| plain("lock")));
        words.push(plain(metric.number.to_string()));
    }
    if let Some(CongestionControl { name, locked }) = &route.congestion_control {
        words.push(plain("congctl"));
        words.extend(locked.then(|| plain("lock")));
        words.push(plain(name));
    }
    if route.ecn {
        words.extend([plain("features"), plain("ecn")]);
    }
    words.extend(option("realms", route.realms.map(realms)));
    words.extend(option("pref", route.preference.map(preference)));
    let propagate = route.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" });
    words.extend(option("ttl-propagate", propagate));
    words.extend(route.add.then(|| plain("add")));
    words.extend(route.append.then(|| plain("append")));
    words.extend(route.no_track.then(|| plain("no_track")));
    words.extend(option("track_group", route.track_group.as_ref()));
    // It takes words that are options of the route too: behind all of them.
    words.extend(route.encap.iter().flat_map(encap));
    hops(route, &mut words);
    words
}

fn hops(route: &Route, words: &mut Vec<Word>) {
    // The old form of a second gateway.
    if let ([NextHop { via: Some(second), .. }], true) = (route.hops.as_slice(), route.via.is_some())
        && route.hops.first() == Some(&NextHop { via: Some(*second), ..NextHop::default() })
    {
        words.extend(option("or", Some(second)));
        return;
    }
    for hop in &route.hops {
        words.push(plain("nexthop"));
        words.extend(gateway(hop.via, route.family));
        words.extend(option("dev", hop.interface.as_ref()));
        words.extend(option("weight", (hop.weight != 0).then_some(hop.weight)));
        words.extend(hop.onlink.then(|| plain("onlink")));
        words.extend(option("realms", hop.realms.map(realms)));
        words.extend(hop.encap.iter().flat_map(encap));
    }
}

/// A gateway of another family than the route has its family in front.
fn gateway(via: Option<IpAddr>, family: Option<Family>) -> Vec<Word> {
    let Some(via) = via else { return Vec::new() };
    let other = via.is_ipv6() && family == Some(Family::Ipv4);
    std::iter::once(plain("via"))
        .chain(other.then(|| plain("inet6")))
        .chain(std::iter::once(plain(via.to_string())))
        .collect()
}

fn encap(encap: &Encap) -> Vec<Word> {
    let mut words = vec![plain("encap")];
    match encap {
        Encap::Mpls(labels) => {
            let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
            words.extend([plain("mpls"), plain(labels.join("/"))]);
        }
        Encap::Ila(locator) => {
            let groups: Vec<String> =
                [48, 32, 16, 0].map(|shift| format!("{:x}", locator >> shift & 0xffff)).into();
            words.extend([plain("ila"), plain(groups.join(":"))]);
        }
        Encap::Ip { family, id, to, from, tos, ttl, flags } => {
            let (ip, class, hops) = match family {
                Family::Ipv4 => ("ip", "tos", "ttl"),
                Family::Ipv6 => ("ip6", "tc", "hoplimit"),
            };
            words.push(plain(ip));
            words.extend(option("id", (*id != 0).then_some(id)));
            words.extend(option("dst", *to));
            words.extend(option("src", *from));
            words.extend(option(class, (*tos != 0).then_some(tos)));
            words.extend(option(hops, (*ttl != 0).then_some(ttl)));
            words.extend(option("flags", (*flags != 0).then_some(flags)));
        }
    }
    words
}

fn preference(number: u8) -> String {
    match number {
        0 => "medium".to_owned(),
        1 => "high".to_owned(),
        3 => "low".to_owned(),
        number => number.to_string(),
    }
}

/// A number, or a name that the host knows.
pub(super) fn named(named: &Named) -> String {
    match named {
        Named::Number(number) => number.to_string(),
        Named::Name(name) => name.clone(),
    }
}

/// `[SOURCE/]DESTINATION`.
pub(super) fn realms(realms: u32) -> String {
    match realms >> 16 {
        0 => realms.to_string(),
        source => format!("{source}/{}", realms & 0xffff),
    }
}
