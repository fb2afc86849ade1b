//! `keepalived.data`, VRRP Topology: each instance.

use std::time::Duration;

use crate::config::model::{
    Authentication, Destination, Family, Instance, Model, Notify, OldChecksum, OwnDevice, Preempt,
    TrackWeight, Tracked, Tracking, Version,
};
use crate::track::Fault;
use crate::vrrp::event::State;
use crate::vrrp::instance::Snapshot;

use super::View;
use super::objects::{route, rule, virtual_address};
use super::page::{Page, enabled, yes};

/// As much of it as `%g` of C prints.
pub(super) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

pub(super) fn show(view: &View<'_>, page: &mut Page) {
    if view.configured.instances.is_empty() {
        return;
    }
    page.title("VRRP Topology");
    for instance in view.configured.instances {
        let unstarted = Snapshot::unstarted(instance);
        let seen = view.of(&instance.name).unwrap_or(&unstarted);
        one(view, instance, seen, page);
    }
}

fn one(view: &View<'_>, instance: &Instance, seen: &Snapshot, page: &mut Page) {
    page.line(format_args!(" VRRP Instance = {}", instance.name));
    standing(view, instance, seen, page);
    interface(view, instance, seen, page);
    announcements(instance, page);
    rank(view, instance, seen, page);
    authentication(instance, page);
    if instance.debug > 0 {
        page.line(format_args!("   Debug level = {}", instance.debug));
    }
    objects(instance, seen.state == State::Master, page);
    // As its own blocks name them; those of its group stand there.
    let own = view.configured.model.instances.iter().find(|own| own.name == instance.name);
    if let Some(own) = own {
        tracking(view.configured.model, &own.tracking, Some(&instance.tracking), "Tracked processes", page);
    }
    page.line(format_args!("   Using smtp notification = {}", yes(view.mails(instance.notify.smtp_alert))));
    let deleted = if instance.notify.deleted.is_some() { "Deleted" } else { "Fault" };
    page.line(format_args!("   Notify deleted = {deleted}"));
    scripts(view, &instance.notify, page);
    let changes = instance.notify.priority_changes == Some(true);
    page.line(format_args!("   Notify priority changes = {changes}"));
}

fn standing(view: &View<'_>, instance: &Instance, seen: &Snapshot, page: &mut Page) {
    let version = if instance.version == Version::V3 { 3 } else { 2 };
    page.line(format_args!("   VRRP Version = {version}"));
    if instance.family == Family::Ipv6 {
        page.line(format_args!("   Using Native IPv6"));
    }
    let mut groups = view.configured.groups.iter();
    if let Some(group) = groups.find(|group| group.members.contains(&instance.name)) {
        page.line(format_args!("   Sync group = {}", group.name));
    }
    page.line(format_args!("   State = {}", seen.state));
    let times = &seen.times;
    if let (State::Backup, Some(master)) = (seen.state, seen.master) {
        page.line(format_args!("   Master router = {master}"));
        page.line(format_args!("   Master priority = {}", times.master_priority));
        if instance.version == Version::V3 {
            page.line(format_args!("   Master advert int = {:.2} sec", seconds(times.master_interval)));
        }
    }
    match instance.unicast() {
        Some(_) => {
            page.line(format_args!("   Flags:"));
            page.line(format_args!("     Using unicast"));
        }
        None => page.line(format_args!("   Flags: none")),
    }
    page.line(format_args!("   Wantstate = {}", seen.state));
    page.line(format_args!("   Number of config faults = 0"));
    let faults = seen.faults.iter();
    let of_links: Vec<String> =
        faults.clone().filter(|fault| is_of_a_link(fault)).map(Fault::to_string).collect();
    let trackers = faults.clone().filter(|fault| !fault.is_pending() && !fault.is_anothers()).count();
    page.line(format_args!("   Number of tracker faults = {trackers}"));
    let of_links = if of_links.is_empty() { "(none)".to_owned() } else { of_links.join(", ") };
    page.line(format_args!("   Flags of interface faults - {of_links}"));
    let pending = faults.filter(|fault| matches!(fault, Fault::ScriptPending(_))).count();
    page.line(format_args!("   Number of track scripts init = {pending}"));
    let since = view.clock.show(seen.since.unwrap_or(view.clock.now));
    page.line(format_args!("   Last transition = {since}"));
    let deadline = times.deadline.map_or_else(|| "DISABLED".to_owned(), |at| view.clock.show(at));
    page.line(format_args!("   Read timeout = {deadline}"));
    page.line(format_args!("   Master down timer = {} usecs", times.master_down.as_micros()));
}

fn is_of_a_link(fault: &Fault) -> bool {
    matches!(fault, Fault::InterfaceMissing(_) | Fault::InterfaceDown(_) | Fault::InterfaceUp(_))
}

fn interface(view: &View<'_>, instance: &Instance, seen: &Snapshot, page: &mut Page) {
    let own = instance.vmacs.iter().find(|vmac| vmac.adverts);
    let base = instance.interface.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string);
    match (&instance.device, instance.vmacs.first()) {
        (Some(OwnDevice::Vmac { .. }), Some(vmac)) => {
            let vmac = own.unwrap_or(vmac);
            let up = view.link(vmac.name.as_str()).is_some_and(|(_, link)| link.up);
            let on_base = instance.transmit_on_base;
            page.line(format_args!(
                "   Use VMAC, i/f name {}, is_up = {up}, xmit_base = {on_base}",
                vmac.name
            ));
            let through = if on_base { ", xmit base i/f" } else { "" };
            page.line(format_args!("   Interface = {}, vmac on {}{through}", vmac.name, vmac.base));
        }
        _ => page.line(format_args!("   Interface = {base}")),
    }
    if instance.dont_track_primary {
        page.line(format_args!("   VRRP interface tracking disabled"));
    }
    if instance.skip_check_adv_addr {
        page.line(format_args!("   Skip checking advert IP addresses"));
    }
    if instance.strict == Some(true) {
        page.line(format_args!("   Enforcing strict VRRP compliance"));
    }
    let from = if instance.transport.source.is_some() { " (from configuration)" } else { "" };
    let source = seen.source.or(instance.transport.source);
    let source = source.map_or_else(|| "(none)".to_owned(), |source| source.to_string());
    page.line(format_args!("   Using src_ip = {source}{from}"));
    if let Destination::Multicast(group) = &instance.transport.to {
        let link = instance.transmits_on().and_then(|name| view.link(name.as_str()));
        match link {
            Some((index, _)) if group.is_ipv6() => {
                page.line(format_args!("   Multicast address {group}, ifindex {index}"));
            }
            _ => page.line(format_args!("   Multicast address {group}")),
        }
    }
}

fn announcements(instance: &Instance, page: &mut Page) {
    let garp = &instance.garp;
    let settings = [
        ("delay", seconds(garp.master_delay)),
        ("repeat", garp.master_repeat.into()),
        ("refresh", seconds(garp.master_refresh)),
        ("refresh repeat", garp.master_refresh_repeat.into()),
        ("lower priority delay", seconds(garp.lower_prio_delay)),
        ("lower priority repeat", garp.lower_prio_repeat.into()),
    ];
    for (what, value) in settings {
        page.line(format_args!("   Gratuitous ARP {what} = {value}"));
    }
    page.line(format_args!("   Down timer adverts = {}", instance.down_timer_adverts));
    let lower = !instance.lower_prio_no_advert;
    page.line(format_args!("   Send advert after receive lower priority advert = {lower}"));
    let higher = instance.higher_prio_send_advert == Some(true);
    page.line(format_args!("   Send advert after receive higher priority advert = {higher}"));
}

fn rank(view: &View<'_>, instance: &Instance, seen: &Snapshot, page: &mut Page) {
    page.line(format_args!("   Virtual Router ID = {}", instance.vrid.number()));
    let base = instance.priority.number();
    let total = seen.contributions.iter().fold(i32::from(base), |sum, one| sum + i32::from(one.by));
    page.line(format_args!("   Priority = {base}"));
    page.line(format_args!("   Effective priority = {}", seen.priority));
    page.line(format_args!("   Total priority = {total}"));
    let interval = instance.advert_interval.duration();
    match instance.version {
        Version::V2 => page.line(format_args!("   Advert interval = {} sec", seconds(interval))),
        Version::V3 => page.line(format_args!("   Advert interval = {} milli-sec", interval.as_millis())),
    }
    // A master has its next advert an interval after the last one.
    let due = seen.times.deadline.filter(|_| seen.state == State::Master);
    if let Some(last) = due.and_then(|due| due.checked_sub(interval)) {
        page.line(format_args!("   Last advert sent = {}", view.clock.seconds(last)));
    }
    let theirs = seen.times.master_interval;
    if instance.version == Version::V3 && seen.state == State::Backup && theirs != interval {
        page.line(format_args!("   Master advert interval = {} milli-sec", theirs.as_millis()));
    }
    page.line(format_args!("   Accept = {}", enabled(instance.accept != Some(false))));
    match instance.preempt {
        Preempt::Never => page.line(format_args!("   Preempt = disabled")),
        Preempt::After { delay } => {
            page.line(format_args!("   Preempt = enabled"));
            if !delay.is_zero() {
                page.line(format_args!("   Preempt delay = {} secs", seconds(delay)));
            }
        }
    }
    page.line(format_args!("   Promote_secondaries = {}", enabled(instance.promote_secondaries)));
}

/// No password is shown.
fn authentication(instance: &Instance, page: &mut Page) {
    match instance.version {
        Version::V3 if instance.family == Family::Ipv4 => {
            let as_v2 = enabled(instance.v3_checksum_as_v2 == Some(true));
            page.line(format_args!("   VRRPv3 uses VRRPv2 checksum = {as_v2}"));
        }
        Version::V3 => {}
        Version::V2 => {
            let kind = match &instance.authentication {
                Authentication::None | Authentication::Hmac(_) => "none",
                Authentication::Pass(_) => "SIMPLE_PASSWORD",
                Authentication::Ah(_) => "IPSEC_AH",
            };
            page.line(format_args!("   Authentication type = {kind}"));
            if kind != "none" {
                page.line(format_args!("   Password = ********"));
            }
        }
    }
}

fn objects(instance: &Instance, master: bool, page: &mut Page) {
    page.line(format_args!("   Virtual IP ({}):", instance.addresses.len()));
    for one in &instance.addresses {
        page.line(format_args!("     {}", virtual_address(instance, one, master)));
    }
    if !instance.excluded_addresses.is_empty() {
        page.line(format_args!("   Virtual IP Excluded :"));
    }
    for one in &instance.excluded_addresses {
        page.line(format_args!("     {}", virtual_address(instance, one, master)));
    }
    if let Some(unicast) = instance.unicast() {
        page.line(format_args!("   Unicast TTL = {}", unicast.ttl));
        page.line(format_args!("   Check unicast src : {}", yes(unicast.check_source)));
        page.line(format_args!("   Unicast Peer :"));
        for peer in &unicast.peers {
            let (address, least, most) = (peer.address, peer.min_ttl, peer.max_ttl);
            page.line(format_args!("     {address} min_ttl {least} max_ttl {most}"));
        }
        let old = match unicast.old_checksum {
            None => "no",
            Some(OldChecksum::Always) => "config",
            Some(OldChecksum::Never) => "never",
        };
        page.line(format_args!("   Unicast checksum compatibility = {old}"));
    }
    if !instance.routes.is_empty() {
        page.line(format_args!("   Virtual Routes :"));
        instance.routes.iter().for_each(|one| page.line(format_args!("     {}", route(one))));
    }
    if !instance.rules.is_empty() {
        page.line(format_args!("   Virtual Rules :"));
        instance.rules.iter().for_each(|one| page.line(format_args!("     {}", rule(one))));
    }
}

/// What the blocks of an instance or a group name; `counts`: the weights that count in the end.
pub(super) fn tracking(
    model: &Model,
    named: &Tracking,
    counts: Option<&Tracking>,
    processes: &str,
    page: &mut Page,
) {
    let counted = |of: fn(&Tracking) -> &Vec<Tracked>, one: &Tracked| {
        let found = counts.and_then(|all| of(all).iter().find(|other| other.name == one.name));
        found.and_then(|found| found.weight).or(one.weight)
    };
    if !named.interfaces.is_empty() {
        page.line(format_args!("   Tracked interfaces :"));
    }
    for (name, own) in &named.interfaces {
        let found = counts.and_then(|all| all.interfaces.iter().find(|(other, _)| other == name));
        let weight = found.map_or(*own, |(_, weight)| *weight);
        page.line(format_args!("     {name} {}", shown(weight)));
    }
    let mut list = |title: &str, between: &str, all: Vec<(&str, TrackWeight)>| {
        if !all.is_empty() {
            page.line(format_args!("   {title} :"));
        }
        for (name, weight) in all {
            page.line(format_args!("     {name}{between} {}", shown(weight)));
        }
    };
    let of = |of: fn(&Tracking) -> &Vec<Tracked>, object: &dyn Fn(&str) -> Option<TrackWeight>| {
        let all = of(named).iter();
        let weigh = |one: &Tracked| counted(of, one).or_else(|| object(&one.name)).unwrap_or_default();
        all.map(|one| (one.name.as_str(), weigh(one))).collect::<Vec<_>>()
    };
    let script = |name: &str| model.scripts.iter().find(|one| one.name == name).map(|one| one.weight);
    let file = |name: &str| model.files.iter().find(|one| one.name == name).map(|one| one.weight);
    let process = |name: &str| model.processes.iter().find(|one| one.name == name).map(|one| one.weight);
    let session = |name: &str| model.bfd.iter().find(|one| one.name == name).map(|one| one.weight);
    list("Tracked scripts", "", of(|all| &all.scripts, &script));
    list("Tracked files", ",", of(|all| &all.files, &file));
    list(processes, ",", of(|all| &all.processes, &process));
    list("Tracked BFDs", ":", of(|all| &all.bfd, &session));
}

/// `weight -30 reverse`.
pub(super) fn shown(weight: TrackWeight) -> String {
    format!("weight {}{}", weight.number, if weight.reverse { " reverse" } else { "" })
}

/// The scripts of an instance or a group.
pub(super) fn scripts(view: &View<'_>, notify: &Notify, page: &mut Page) {
    let all = [
        ("Backup", &notify.backup),
        ("Master", &notify.master),
        ("Fault", &notify.fault),
        ("Stop", &notify.stop),
        ("Deleted", &notify.deleted),
        ("Generic", &notify.any),
        ("Master rx lower pri", &notify.lower_priority),
    ];
    for (state, command) in all {
        let Some(command) = command.as_ref().filter(|command| !command.arguments.is_empty()) else {
            continue;
        };
        page.line(format_args!("   {state} state transition script = {}", view.command(command)));
    }
}
