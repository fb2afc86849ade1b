//! Addresses, routes and rules as lines, in the form of `ip`.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::config::model::{
    Encap, Family, Instance, InterfaceName, Named, Net, NextHop, Route, Rule, RuleAction, VirtualAddress,
};
use crate::net::object::PROTOCOL;

use super::View;
use super::page::Page;

/// Route types of rtnetlink from `unicast` (1) on.
const KINDS: [&str; 11] = [
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
];
/// From this one on a route leads nowhere.
const BLACKHOLE: u8 = 6;

/// Static addresses, routes, rules, and the groups of instances that suffer without them.
pub(super) fn statics(view: &View<'_>, page: &mut Page) {
    let statics = view.configured.statics;
    let groups = &view.configured.model.track_groups;
    if !statics.addresses.is_empty() {
        page.title("Static Addresses");
        for one in &statics.addresses {
            let group =
                one.track_group.as_ref().map_or_else(String::new, |name| format!(" track_group {name}"));
            page.line(format_args!("     {}{group} set", address(&one.address, "", "")));
        }
    }
    if !statics.routes.is_empty() {
        page.title("Static Routes");
        statics.routes.iter().for_each(|one| page.line(format_args!("     {}", route(one))));
    }
    if !statics.rules.is_empty() {
        page.title("Static Rules");
        statics.rules.iter().for_each(|one| page.line(format_args!("     {}", rule(one))));
    }
    if !groups.is_empty() {
        page.title("Static Track groups");
        for group in groups {
            page.line(format_args!(" Static Track Group = {}", group.name));
            page.line(format_args!("   VRRP member instances :"));
            group.members.iter().for_each(|name| page.line(format_args!("     {name}")));
        }
    }
}

/// A virtual address of `instance`, and whether it is there.
pub(super) fn virtual_address(instance: &Instance, one: &VirtualAddress, master: bool) -> String {
    let on: Option<&InterfaceName> =
        one.interface.as_ref().or_else(|| instance.transmits_on()).or(instance.interface.as_ref());
    let vmac = instance.vmacs.iter().find(|vmac| Some(&vmac.name) == on);
    let below = vmac.map_or_else(String::new, |vmac| format!("@{}", vmac.base));
    let text = address(one, on.map_or("", InterfaceName::as_str), &below);
    let set = if master { " set" } else { "" };
    // Its traffic is dropped where the packets of others are.
    let dropped = if master && instance.accept == Some(false) { " nftable_set" } else { "" };
    format!("{text}{set}{dropped}")
}

/// `on`: the interface of an address that names none.
fn address(one: &VirtualAddress, on: &str, below: &str) -> String {
    let family = Family::of(one.address);
    let mut text = one.address.to_string();
    if one.prefix != family.bits() {
        let _ = write!(text, "/{}", one.prefix);
    }
    if let Some(broadcast) = one.broadcast {
        let _ = write!(text, " brd {broadcast}");
    }
    let on = one.interface.as_ref().map_or(on, InterfaceName::as_str);
    let _ = write!(text, " dev {on}{below}");
    if one.vmac {
        text += " use_vmac";
    }
    let _ = write!(text, " scope {}", scope(one.scope.into()));
    if let Some(label) = &one.label {
        let _ = write!(text, " label {label}");
    }
    if let Some(peer) = &one.peer {
        let _ = write!(text, " peer {}/{}", peer.address, peer.prefix);
    }
    let flags = [
        (one.flags.home, " home"),
        (one.flags.detect_duplicates, " -nodad"),
        (one.flags.manage_temporary, " mngtmpaddr"),
        (one.flags.no_prefix_route, " noprefixroute"),
        (one.flags.autojoin, " autojoin"),
        (one.no_track, " no_track"),
    ];
    flags.iter().filter(|(is, _)| *is).for_each(|(_, word)| text += word);
    match one.preferred_lifetime {
        None => {}
        Some(0) => text += " deprecated",
        Some(u32::MAX) => text += " preferred_lft forever",
        Some(seconds) => text += &format!(" preferred_lft {seconds}"),
    }
    text
}

fn scope(number: u32) -> String {
    let known = [(0, "global"), (200, "site"), (253, "link"), (254, "host"), (255, "nowhere")];
    let name = known.iter().find(|(other, _)| *other == number);
    name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

fn named(name: &Named) -> String {
    match name {
        Named::Number(number) => number.to_string(),
        Named::Name(name) => name.clone(),
    }
}

fn hexadecimal(name: &Named) -> String {
    match name {
        Named::Number(number) => format!("0x{number:x}"),
        Named::Name(name) => name.clone(),
    }
}

/// A network; one address goes without its prefix.
fn net(net: &Net) -> String {
    if net.prefix == Family::of(net.address).bits() {
        net.address.to_string()
    } else {
        format!("{}/{}", net.address, net.prefix)
    }
}

fn via(address: IpAddr) -> String {
    format!(" via {} {address}", Family::of(address).word())
}

/// A route.
pub(super) fn route(route: &Route) -> String {
    let kind = route.kind.unwrap_or(1);
    let how = match () {
        () if route.append => "append",
        () if route.add || kind >= BLACKHOLE => "add",
        () => "prepend",
    };
    let mut text = how.to_owned();
    if kind != 1
        && let Some(word) = KINDS.get(usize::from(kind).saturating_sub(1))
    {
        let _ = write!(text, " {word}");
    }
    let ipv6 = route.family == Some(Family::Ipv6) || route.via.is_some_and(|via| via.is_ipv6());
    let everywhere = if ipv6 { "::/0" } else { "0.0.0.0/0" };
    let to = route.to.as_ref().map(|to| format!("{}/{}", to.address, to.prefix));
    let _ = write!(text, " {}", to.as_deref().unwrap_or(everywhere));
    let mut put = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, " {word} {value}");
        }
    };
    put("src", route.source.map(|source| source.to_string()));
    put("from", route.from.as_ref().map(|from| format!("{}/{}", from.address, from.prefix)));
    if let Some(address) = route.via {
        put("via", Some(format!("{} {address}", Family::of(address).word())));
    }
    put("dev", route.interface.as_ref().map(ToString::to_string));
    put("encap", route.encap.as_ref().map(encap));
    put("tos", route.tos.as_ref().map(hexadecimal));
    put("table", route.table.as_ref().map(named));
    put("proto", Some(route.protocol.as_ref().map_or_else(|| PROTOCOL.to_string(), named)));
    put("scope", route.scope.as_ref().map(named));
    put("metric", route.metric.map(|metric| metric.to_string()));
    put("expires", route.expires.map(|expires| format!("{expires}sec")));
    for metric in &route.metrics {
        let locked = if metric.locked { "lock " } else { "" };
        put(metric.kind.word(), Some(format!("{locked}{}", metric.number)));
    }
    put("congctl", route.congestion_control.as_ref().map(|control| control.name.clone()));
    put("realms", route.realms.map(realms));
    put("ttl-propagate", route.ttl_propagate.map(|is| if is { "enabled" } else { "disabled" }.to_owned()));
    for (is, word) in [(route.ecn, " features ecn"), (route.onlink, " onlink")] {
        text += if is { word } else { "" };
    }
    route.hops.iter().for_each(|one| text += &hop(one));
    if let Some(group) = &route.track_group {
        let _ = write!(text, " track_group {group}");
    }
    // The kernel does not tell when one goes that has no interface.
    let untold = route.interface.is_none() && route.hops.is_empty() && route.via.is_none();
    text + if route.no_track || untold { " no_track" } else { "" }
}

fn hop(hop: &NextHop) -> String {
    let mut text = " nexthop".to_owned();
    if let Some(address) = hop.via {
        text += &via(address);
    }
    if let Some(interface) = &hop.interface {
        let _ = write!(text, " dev {interface}");
    }
    if hop.weight > 0 {
        let _ = write!(text, " weight {}", hop.weight);
    }
    if let Some(way) = &hop.encap {
        let _ = write!(text, " encap {}", encap(way));
    }
    if let Some(number) = hop.realms {
        let _ = write!(text, " realms {}", realms(number));
    }
    text + if hop.onlink { " onlink" } else { "" }
}

fn encap(encap: &Encap) -> String {
    match encap {
        Encap::Ip { family, id, to, from, tos, ttl, flags } => {
            let mut text = format!("{} id {id}", if *family == Family::Ipv6 { "ip6" } else { "ip" });
            for (word, address) in [("dst", to), ("src", from)] {
                if let Some(address) = address {
                    let _ = write!(text, " {word} {address}");
                }
            }
            let _ = write!(text, " tos {tos} ttl {ttl} flags 0x{flags:x}");
            text
        }
        Encap::Mpls(labels) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            format!("mpls {}", labels.join("/"))
        }
        Encap::Ila(locator) => format!("ila {locator:x}"),
    }
}

/// Source and destination.
fn realms(number: u32) -> String {
    let (from, to) = (number >> 16, number & 0xffff);
    if from == 0 { to.to_string() } else { format!("{from}/{to}") }
}

/// A rule.
pub(super) fn rule(rule: &Rule) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut put =
        |word: &str, value: Option<String>| parts.extend(value.map(|value| format!("{word} {value}")));
    put("from", rule.from.as_ref().map(net));
    put("to", rule.to.as_ref().map(net));
    put("priority", rule.preference.map(|number| number.to_string()));
    put("tos", Some(rule.tos.as_ref().map_or_else(|| "0x0".to_owned(), hexadecimal)));
    put(
        "fwmark",
        rule.fwmark.map(|(mark, bits)| match bits {
            u32::MAX => format!("0x{mark:x}"),
            bits => format!("0x{mark:x}/0x{bits:x}"),
        }),
    );
    put("iif", rule.input.as_ref().map(ToString::to_string));
    put("oif", rule.output.as_ref().map(ToString::to_string));
    put("suppress_prefixlength", rule.suppress_prefix.map(|number| number.to_string()));
    put("suppress_ifgroup", rule.suppress_group.as_ref().map(named));
    put("tunnel-id", rule.tunnel.map(|number| number.to_string()));
    put("uidrange", rule.users.map(|(first, last)| format!("{first}-{last}")));
    put("protocol", Some(rule.protocol.unwrap_or(PROTOCOL).to_string()));
    put("ipproto", rule.ip_protocol.as_ref().map(named));
    put("sport", rule.source_ports.map(|(first, last)| format!("{first}-{last}")));
    put("dport", rule.ports.map(|(first, last)| format!("{first}-{last}")));
    put("realms", rule.realms.map(realms));
    match &rule.action {
        Some(RuleAction::Table(table)) => put("lookup", Some(named(table))),
        Some(RuleAction::Goto(number)) => put("goto", Some(number.to_string())),
        Some(RuleAction::L3mdev) => parts.push("l3mdev".to_owned()),
        Some(RuleAction::Nop) => parts.push("type nop".to_owned()),
        Some(RuleAction::Blackhole) => parts.push("type blackhole".to_owned()),
        Some(RuleAction::Unreachable) => parts.push("type unreachable".to_owned()),
        Some(RuleAction::Prohibit) => parts.push("type prohibit".to_owned()),
        None => {}
    }
    parts.extend(rule.no_track.then(|| "no_track".to_owned()));
    parts.extend(rule.track_group.as_ref().map(|group| format!("track_group {group}")));
    let inverted = if rule.invert { "not " } else { "" };
    format!("{inverted}{}", parts.join(" "))
}
