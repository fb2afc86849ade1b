//! `keepalived.data`, Interfaces: those of the kernel, and which instances depend on them.

use std::net::IpAddr;

use crate::config::model::{Instance, InterfaceName, TrackWeight};
use crate::net::kernel::{Change, LinkState};
use crate::net::object::Object;
use crate::track::carriers;

use super::View;
use super::instances::shown;
use super::page::Page;

/// ARPHRD_ETHER, ARPHRD_LOOPBACK.
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;

impl<'a> View<'a> {
    /// The link of a name, and its number.
    pub(super) fn link(&self, name: &str) -> Option<(u32, &'a LinkState)> {
        links(&self.state.links).find(|(_, link)| link.name == name)
    }
}

fn links(found: &[Change]) -> impl Iterator<Item = (u32, &LinkState)> {
    found.iter().filter_map(|change| match change {
        Change::Link(index, link) => Some((*index, link)),
        _ => None,
    })
}

pub(super) fn show(view: &View<'_>, page: &mut Page) {
    let mut all = links(&view.state.links).peekable();
    if all.peek().is_none() {
        return;
    }
    page.title("Interfaces");
    for (index, link) in all {
        one(view, index, link, page);
        let users: Vec<(&Instance, TrackWeight)> = view
            .configured
            .instances
            .iter()
            .filter_map(|one| Some((one, weight(one, &link.name)?)))
            .collect();
        if !users.is_empty() {
            page.line(format_args!("   Tracking VRRP instances :"));
        }
        for (instance, weight) in users {
            page.line(format_args!("     {}, {}", instance.name, shown(weight)));
        }
    }
}

fn one(view: &View<'_>, index: u32, link: &LinkState, page: &mut Page) {
    page.line(format_args!(" Name = {}", link.name));
    page.line(format_args!("   index = {index}"));
    let held: Vec<IpAddr> =
        view.configured.instances.iter().flat_map(Instance::all_addresses).map(|one| one.address).collect();
    let address = |ipv6: bool| {
        let found = view.state.links.iter().filter_map(|change| match change {
            Change::Added(Object::Address(address)) if address.index == index => Some(address.address),
            _ => None,
        });
        // That of the interface, not one that moves. Of IPv6 the one that adverts leave from.
        let mut own = found.filter(|one| one.is_ipv6() == ipv6 && !held.contains(one));
        let fits = |one: &IpAddr| matches!(one, IpAddr::V6(one) if one.is_unicast_link_local());
        let found = if ipv6 { own.find(fits) } else { own.next() };
        found.map_or_else(|| "(none)".to_owned(), |address| address.to_string())
    };
    page.line(format_args!("   IPv4 address = {}", address(false)));
    page.line(format_args!("   IPv6 address = {}", address(true)));
    if !link.loopback && !link.mac.is_empty() {
        let bytes: Vec<String> = link.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        page.line(format_args!("   MAC = {}", bytes.join(":")));
        if link.hardware_type == ETHERNET {
            page.line(format_args!("   MAC broadcast = ff:ff:ff:ff:ff:ff"));
        }
    }
    let states = [
        (link.enabled, "UP"),
        (!link.enabled, "DOWN"),
        (link.up, "RUNNING"),
        (link.loopback, "no broadcast"),
        (link.loopback, "loopback"),
        (link.no_arp, "no arp"),
        (!link.multicast, "no multicast"),
    ];
    let states: Vec<&str> = states.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    page.line(format_args!("   State = {}", states.join(", ")));
    let delays = view.configured.model.link_delays.iter().find(|one| one.interface.as_str() == link.name);
    let micros = |of: fn(&crate::config::model::LinkDelay) -> std::time::Duration| {
        delays.map_or(0, |one| of(one).as_micros())
    };
    page.line(format_args!("   Up debounce timer = {}us", micros(|one| one.up)));
    page.line(format_args!("   Down debounce timer = {}us", micros(|one| one.down)));
    vmac(view, link, page);
    page.line(format_args!("   Group = {}", link.group));
    page.line(format_args!("   MTU = {}", link.mtu));
    let kind = match link.hardware_type {
        ETHERNET => "ETHERNET",
        LOOPBACK => "LOOPBACK",
        _ => "UNKNOWN",
    };
    page.line(format_args!("   HW Type = {kind}"));
}

/// One of ours.
fn vmac(view: &View<'_>, link: &LinkState, page: &mut Page) {
    let mut vmacs = view.configured.instances.iter().flat_map(|instance| &instance.vmacs);
    let Some(vmac) = vmacs.find(|vmac| vmac.name.as_str() == link.name) else { return };
    let state = match view.link(vmac.base.as_str()) {
        Some((_, base)) if base.up => "UP, RUNNING",
        Some((_, base)) if base.enabled => "UP",
        _ => "DOWN",
    };
    page.line(format_args!("   VMAC type private, underlying interface = {}, state = {state}", vmac.base));
    page.line(format_args!("   I/f created by keepalived"));
}

/// By how much the loss of an interface moves an instance; `None`: it does not depend on it.
fn weight(instance: &Instance, name: &str) -> Option<TrackWeight> {
    let is = |other: &InterfaceName| other.as_str() == name;
    if instance.interface.as_ref().is_some_and(is) || carriers(instance).iter().any(is) {
        return Some(TrackWeight::default());
    }
    instance.tracking.interfaces.iter().find(|(other, _)| is(other)).map(|(_, weight)| *weight)
}
