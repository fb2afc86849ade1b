//! `keepalived_check.data`, LVS Topology: groups of virtual servers, virtual servers, real servers.

use crate::config::model::{
    Family, FileWeight, Forwarding, GroupEntry, ProbeKind, RealServer, Scheduler, Service, TunnelChecksum,
    VirtualServer, VirtualServerGroup,
};
use crate::pool::Stands;

use super::View;
use super::instances::seconds;
use super::page::{Page, enabled, yes};

pub(super) fn show(view: &View<'_>, page: &mut Page) {
    if view.configured.servers.is_empty() {
        return;
    }
    if view.configured.model.ssl.is_none() {
        page.title("SSL definitions");
        page.line(format_args!(" Using autogen SSL context"));
    }
    page.title("LVS Topology");
    for group in &view.configured.model.server_groups {
        page.line(format_args!(" ------< Virtual server group >------"));
        of_group(group, page);
    }
    for server in view.configured.servers {
        page.line(format_args!(" ------< Virtual server >------"));
        service(view, server, page);
        let standing = view.state.services.get(&server.name());
        for real in &server.real_servers {
            let stands = standing.and_then(|standing| standing.servers.get(&real.address)).copied();
            page.line(format_args!("   ------< Real server >------"));
            real_server(view, real, stands.unwrap_or_default(), page);
        }
    }
}

fn of_group(group: &VirtualServerGroup, page: &mut Page) {
    let has = |ipv6: bool| {
        group.entries.iter().any(|entry| match entry {
            GroupEntry::Addresses { first, .. } => first.is_ipv6() == ipv6,
            GroupEntry::Fwmark { family, .. } => {
                *family == Some(if ipv6 { Family::Ipv6 } else { Family::Ipv4 })
            }
        })
    };
    page.line(format_args!(
        " Virtual Server Group = {}, IPv4 = {}, IPv6 = {}",
        group.name,
        yes(has(false)),
        yes(has(true))
    ));
    for entry in &group.entries {
        match entry {
            GroupEntry::Addresses { first, last, port } if first == last => {
                page.line(format_args!("   VIP = {first}, VPORT = {port}"));
            }
            GroupEntry::Addresses { first, last, port } => {
                page.line(format_args!("   VIP Range = {first}-{last}, VPORT = {port}"));
            }
            GroupEntry::Fwmark { mark, .. } => page.line(format_args!("   FWMARK = {mark}")),
        }
    }
}

fn service(view: &View<'_>, server: &VirtualServer, page: &mut Page) {
    match (&server.group, server.service) {
        (Some(group), _) => page.line(format_args!(" VS GROUP = [{}]:{}", group.name, group.index)),
        (None, Service::Fwmark { mark, .. }) => page.line(format_args!(" VS FWMARK = {mark}")),
        (None, Service::Address { address, .. }) => {
            page.line(format_args!(" VS VIP = {}, VPORT = {}", address.ip(), address.port()));
        }
    }
    page.line(format_args!("   Address family = {}", server.service.family().word()));
    scheduling(server, page);
    let protocol = server.real_server_protocol();
    let protocol = if protocol == "none" { protocol.to_owned() } else { protocol.to_uppercase() };
    page.line(format_args!("   protocol = {protocol}"));
    page.line(format_args!("   omega is {}", on(server.omega)));
    page.line(format_args!("   quorum = {}, hysteresis = {}", server.quorum, server.hysteresis));
    let scripts = [("up", &server.notify.quorum_up), ("down", &server.notify.quorum_down)];
    for (which, command) in scripts {
        if let Some(command) = command {
            page.line(format_args!("   Quorum {which} notify script = {}", view.command(command)));
        }
    }
    if server.ha_suspend {
        page.line(format_args!("   Using HA suspend"));
    }
    page.line(format_args!(
        "   Using smtp notification = {}",
        yes(mails(view, server.notify.smtp_alert, false))
    ));
    if let Some(sorry) = &server.sorry_server {
        page.line(format_args!("   sorry server = {}", server.describe_real_server(&sorry.address)));
        page.line(format_args!("     forwarding method = {}", forwarding(sorry.forwarding)));
        page.line(format_args!("     Inhibit on failure is {}", on(sorry.inhibit)));
    }
    let quorum = view.state.services.get(&server.name()).is_some_and(|standing| standing.quorum);
    page.line(format_args!("   alive = 1"));
    page.line(format_args!("   quorum_state_up = {}", u8::from(quorum)));
}

fn scheduling(server: &VirtualServer, page: &mut Page) {
    page.line(format_args!("   lvs_sched = {}", server.scheduler.name()));
    page.line(format_args!("   Hashed = disabled"));
    let flags = server.flags;
    let named: &[(&str, bool)] = match server.scheduler {
        Scheduler::Sh => &[("sh-port", flags.two), ("sh-fallback", flags.one)],
        Scheduler::Mh => &[("mh-port", flags.two), ("mh-fallback", flags.one)],
        _ => &[("flag-1", flags.one), ("flag-2", flags.two), ("flag-3", flags.three)],
    };
    named.iter().for_each(|(name, is)| page.line(format_args!("   {name} = {}", enabled(*is))));
    page.line(format_args!("   One packet scheduling = {}", enabled(server.one_packet)));
    if let Some(persistence) = server.persistence {
        page.line(format_args!("   persistence timeout = {}", persistence.timeout));
        let granularity = persistence.granularity;
        match server.service.is_ipv6() {
            true => page.line(format_args!("   persistence granularity = {}", granularity.prefix())),
            false => page.line(format_args!("   persistence granularity = {}", granularity.mask())),
        }
    }
    if let Some(engine) = &server.persistence_engine {
        page.line(format_args!("   persistence engine = {engine}"));
    }
}

fn real_server(view: &View<'_>, real: &RealServer, stands: Stands, page: &mut Page) {
    let weight = real.weight.number();
    page.line(format_args!(
        "   RIP = {}, RPORT = {}, WEIGHT = {weight} EFF WEIGHT = {}",
        real.address.ip(),
        real.address.port(),
        stands.weight
    ));
    page.line(format_args!("   forwarding method = {}", forwarding(real.forwarding)));
    let timing = real.checkers.first().map(|checker| &checker.timing);
    page.line(format_args!("   Alpha is {}", on(timing.is_some_and(|timing| timing.alpha))));
    page.line(format_args!(
        "   connection limit range = {} -> {}",
        real.lower_threshold, real.upper_threshold
    ));
    if let Some(timing) = timing {
        page.line(format_args!("   Delay loop = {:.6}", seconds(timing.delay_loop)));
    }
    page.line(format_args!("   Inhibit on failure is {}", on(real.inhibit_on_failure)));
    let notify = real.notify.as_deref();
    let scripts =
        [("up", notify.and_then(|one| one.up.as_ref())), ("down", notify.and_then(|one| one.down.as_ref()))];
    for (which, command) in scripts {
        if let Some(command) = command {
            page.line(format_args!("     RS {which} notify script = {}", view.command(command)));
        }
    }
    let alert = notify.and_then(|one| one.smtp_alert);
    page.line(format_args!("   Using smtp notification = {}", yes(mails(view, alert, true))));
    page.line(format_args!("   initial weight = {weight}"));
    page.line(format_args!("   effective weight = {}", stands.weight));
    page.line(format_args!("   alive = {}", u8::from(stands.up)));
    page.line(format_args!("   num failed checkers = {}", stands.failed));
    let files: Vec<_> = real.checkers.iter().filter_map(|checker| followed(&checker.probe.kind)).collect();
    if !files.is_empty() {
        page.line(format_args!("   Tracked Files"));
    }
    files.iter().for_each(|file| page.line(format_args!("     {file}")));
}

/// The file that a check follows, and how much it counts: `tf, weight 3`.
fn followed(kind: &ProbeKind) -> Option<String> {
    let ProbeKind::File { name, weight } = kind else { return None };
    let FileWeight { number, reverse } = weight.unwrap_or(FileWeight::DEFAULT);
    Some(format!("{name}, weight {number}{}", if reverse { " reverse" } else { "" }))
}

/// Whether a change is mailed; `default`: where nothing is said.
fn mails(view: &View<'_>, alert: Option<bool>, default: bool) -> bool {
    let mail = &view.configured.model.globals.mail;
    alert.or(mail.alert_checker).or(mail.alert).unwrap_or(default)
}

/// `ON`, `OFF`.
fn on(is: bool) -> &'static str {
    if is { "ON" } else { "OFF" }
}

fn forwarding(forwarding: Forwarding) -> String {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "no checksum",
        TunnelChecksum::Full => "checksum",
        TunnelChecksum::Remote => "remote checksum",
    };
    match forwarding {
        Forwarding::DirectRoute => "DR".to_owned(),
        Forwarding::Masquerade => "NAT".to_owned(),
        Forwarding::Ipip => "TUN, type = IPIP".to_owned(),
        Forwarding::Gue { port, checksum: sum } => {
            format!("TUN, type = GUE, port = {port}, {}", checksum(sum))
        }
        Forwarding::Gre { checksum: sum } => format!("TUN, type = GRE, {}", checksum(sum)),
    }
}
