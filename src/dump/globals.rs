//! The part that all data files begin with: the global definitions.

use crate::config::model::{
    BufferPolicy, BufferedSocket, Command, Fifo, Globals, MasterAgent, OutsideView, ProcessPart, Version,
};

use super::instances::seconds;
use super::page::{Page, enabled, setting};
use super::{View, account};

/// `vrrp`: with what keepalived shows of its VRRP process alone.
pub(super) fn show(view: &View<'_>, vrrp: bool, page: &mut Page) {
    let globals = &view.configured.model.globals;
    page.title("Global definitions");
    names(view, globals, page);
    mail(globals, page);
    running(globals, vrrp, page);
    let lvs = &globals.lvs;
    if let Some(timeouts) = &lvs.timeouts {
        page.line(format_args!(" LVS TCP timeout = {}", timeouts.tcp));
        page.line(format_args!(" LVS TCP FIN timeout = {}", timeouts.tcp_fin));
        page.line(format_args!(" LVS UDP timeout = {}", timeouts.udp));
    }
    let igmp = if globals.host.no_local_igmp { "yes" } else { "no" };
    page.line(format_args!(" Disable local IGMP = {igmp}"));
    let as_v2 = if globals.vrrp.v3_checksum_as_v2 { "yes" } else { "no" };
    page.line(format_args!(" Use VRRPv2 checksum for VRRPv3 IPv4 = {as_v2}"));
    page.line(format_args!(" LVS flush = {}", lvs.flush));
    let on_stop = match lvs.flush_on_stop {
        None => "disabled",
        Some(false) => "enabled",
        Some(true) => "VS",
    };
    page.line(format_args!(" LVS flush on stop = {on_stop}"));
    fifos(view, globals, page);
    let scripts = &globals.scripts;
    page.line(format_args!(" FIFO write vrrp states on reload = {}", scripts.states_on_reload));
    page.line(format_args!(" VRRP notify priority changes = {}", scripts.priority_changes));
    fallbacks(view, globals, page);
    if globals.host.filters() && vrrp {
        let filter = view.configured.filter;
        page.line(format_args!(" nftables table name = {}", filter.table));
        page.line(format_args!(" nftables base chain priority = {}", filter.priority));
        let force = if filter.by_index { "force" } else { "don't force" };
        page.line(format_args!(" nftables {force} use ifindex for link local IPv6"));
        let counters = if filter.counters { "with" } else { "without" };
        page.line(format_args!(" nftables {counters} counters"));
    }
    strictness(view, globals, page);
    scheduling(globals, page);
    outside(globals, page);
    page.line(format_args!(" Script security {}", enabled(scripts.security)));
    if let Some(user) = &view.configured.found.user {
        page.line(format_args!(" Default script uid:gid {}", account(user)));
    }
    buffers(globals, page);
    if let Some(delay) = globals.vrrp.startup_delay {
        page.line(format_args!(" vrrp_startup_delay = {}", seconds(delay)));
    }
    if globals.vrrp.log_unknown {
        page.line(format_args!(" log_unknown_vrids"));
    }
    if let Some(prefix) = &globals.vrrp.vmac_prefix {
        page.line(format_args!(" VMAC prefix = {prefix}"));
    }
    if let Some(prefix) = &globals.vrrp.vmac_address_prefix {
        page.line(format_args!(" VMAC address prefix = {prefix}"));
    }
}

fn names(view: &View<'_>, globals: &Globals, page: &mut Page) {
    let host = &globals.host;
    let namespace = host.namespace.as_deref().unwrap_or("(default)");
    page.line(format_args!(" Network namespace = {namespace}"));
    let ipvs = match host.ipvs_namespace.as_deref() {
        None => "(main namespace)",
        Some("") => "(default)",
        Some(name) => name,
    };
    page.line(format_args!(" Network namespace ipvs = {ipvs}"));
    if let Some(instance) = &globals.process.instance {
        page.line(format_args!(" Instance name = {instance}"));
    }
    let process = &globals.process;
    let parts = [
        ("Parent", &process.name, "keepalived"),
        ("VRRP", &process.vrrp.name, "keepalived_vrrp"),
        ("LVS", &process.checker.name, "keepalived_lvs"),
        ("BFD", &process.bfd.name, "keepalived_bfd"),
    ];
    for (part, name, default) in parts {
        let default = Some(default).filter(|_| process.names && part != "Parent");
        if let Some(name) = name.as_deref().or(default) {
            page.line(format_args!(" {part} process name = {name}"));
        }
    }
    if !globals.scripts.symbolic_links {
        page.line(format_args!(" Replace symlinks in script paths"));
    }
    if !globals.scripts.supplementary {
        page.line(format_args!(" Don't set supplementary groups for all scripts"));
    }
    page.line(format_args!(" Router ID = {}", view.configured.router_id));
}

fn mail(globals: &Globals, page: &mut Page) {
    let mail = &globals.mail;
    if let Some((host, port)) = &mail.server {
        page.line(format_args!(" Smtp server = {host}"));
        page.line(format_args!(" Smtp server port = {port}"));
        if let Some(name) = &mail.helo {
            page.line(format_args!(" Smtp HELO name = {name}"));
        }
        let timeout = mail.timeout.unwrap_or(crate::config::model::Mail::TIMEOUT);
        page.line(format_args!(" Smtp server connection timeout = {}", seconds(timeout)));
    }
    if let Some(from) = &mail.from {
        page.line(format_args!(" Email notification from = {}", from.address()));
    }
    if !mail.to.is_empty() {
        page.line(format_args!(" Email notification to:"));
        mail.to.iter().for_each(|to| page.line(format_args!("   {}", to.address())));
    }
    page.line(format_args!(" Default smtp_alert = {}", setting(mail.alert)));
    page.line(format_args!(" Default smtp_alert_vrrp = {}", setting(mail.alert_vrrp)));
    page.line(format_args!(" Default smtp_alert_checker = {}", setting(mail.alert_checker)));
    page.line(format_args!(" Checkers log all failures = {}", globals.lvs.log_all_failures));
}

fn running(globals: &Globals, vrrp: bool, page: &mut Page) {
    if globals.files.reload_check.is_none() {
        page.line(format_args!(" No test config before reload"));
    }
    if let Some(path) = &globals.files.reload_time {
        page.line(format_args!(" Reload time file = {path}"));
    }
    let dynamic = globals.host.dynamic_interfaces;
    page.line(format_args!(" Dynamic interfaces = {}", dynamic.is_some()));
    if let Some(changes) = dynamic {
        page.line(format_args!(" Allow interface changes = {changes}"));
    }
    if globals.mail.no_faults {
        page.line(format_args!(" Send emails for fault transitions = off"));
    }
    if vrrp {
        let default = globals.host.default_interface.as_ref().map_or("eth0", |name| name.as_str());
        page.line(format_args!(" Default interface = {default}"));
    }
}

fn fifos(view: &View<'_>, globals: &Globals, page: &mut Page) {
    let scripts = &globals.scripts;
    let all: [(&str, &Option<Fifo>, &Option<Command>); 3] = [
        ("Global", &scripts.fifo, &scripts.fifo_script),
        ("VRRP", &scripts.vrrp_fifo, &scripts.vrrp_fifo_script),
        ("LVS", &scripts.lvs_fifo, &scripts.lvs_fifo_script),
    ];
    for (of, fifo, script) in all {
        let Some(Fifo { path, .. }) = fifo else { continue };
        let owner = view.configured.found.fifos.get(path);
        let owner = owner.map_or_else(String::new, |owner| format!(", uid:gid {}", account(owner)));
        page.line(format_args!(" {of} notify fifo = {path}{owner}"));
        let Some(script) = script else { continue };
        let words = format!("{} '{path}'", view.words(script));
        let program = view.configured.found.programs.get(script);
        let user = program.map_or_else(String::new, |one| format!(", uid:gid {}", account(&one.identity)));
        page.line(format_args!(" {of} notify fifo script = {words}{user}"));
    }
}

/// What instances fall back to.
fn fallbacks(view: &View<'_>, globals: &Globals, page: &mut Page) {
    let fallbacks = view.configured.fallbacks;
    let group6 = globals.vrrp.group6.map_or_else(|| "ff02::12".to_owned(), |group| group.to_string());
    page.line(format_args!(" VRRP IPv4 mcast group = {}", fallbacks.group));
    page.line(format_args!(" VRRP IPv6 mcast group = {group6}"));
    let garp = &fallbacks.garp;
    page.line(format_args!(" Gratuitous ARP delay = {}", seconds(garp.master_delay)));
    page.line(format_args!(" Gratuitous ARP repeat = {}", garp.master_repeat));
    page.line(format_args!(" Gratuitous ARP refresh timer = {}", seconds(garp.master_refresh)));
    page.line(format_args!(" Gratuitous ARP refresh repeat = {}", garp.master_refresh_repeat));
    page.line(format_args!(" Gratuitous ARP lower priority delay = {}", seconds(garp.lower_prio_delay)));
    page.line(format_args!(" Gratuitous ARP lower priority repeat = {}", garp.lower_prio_repeat));
    page.line(format_args!(" Num adverts before down = {}", fallbacks.down_timer_adverts));
    let extra = globals.vrrp.garp_extra.map_or(0, |extra| extra.interval);
    page.line(format_args!(" Gratuitous ARP for each secondary VMAC = {extra}s"));
    let lower = !fallbacks.lower_prio_no_advert;
    page.line(format_args!(" Send advert after receive lower priority advert = {lower}"));
    let higher = fallbacks.higher_prio_send_advert;
    page.line(format_args!(" Send advert after receive higher priority advert = {higher}"));
    let gap = |gap: Option<std::time::Duration>| seconds(gap.unwrap_or_default());
    page.line(format_args!(" Gratuitous ARP interval = {:.6}", gap(globals.vrrp.garp_interval)));
    page.line(format_args!(" Gratuitous NA interval = {:.6}", gap(globals.vrrp.gna_interval)));
    let version = if fallbacks.version == Version::V3 { 3 } else { 2 };
    page.line(format_args!(" VRRP default protocol version = {version}"));
}

fn strictness(view: &View<'_>, globals: &Globals, page: &mut Page) {
    let fallbacks = view.configured.fallbacks;
    page.line(format_args!(" VRRP check unicast_src = {}", fallbacks.check_unicast_source));
    page.line(format_args!(" VRRP skip check advert addresses = {}", fallbacks.skip_check_adv_addr));
    page.line(format_args!(" VRRP strict mode = {}", globals.vrrp.strict));
}

fn scheduling(globals: &Globals, page: &mut Page) {
    let process = &globals.process;
    page.line(format_args!(" Max auto priority = {}", process.max_auto_priority.unwrap_or(0)));
    let delay = process.min_auto_priority_delay.unwrap_or(1_000_000);
    page.line(format_args!(" Min auto priority delay = {delay} usecs"));
    let parts: [(&str, &ProcessPart); 3] =
        [("VRRP", &process.vrrp), ("Checker", &process.checker), ("BFD", &process.bfd)];
    for (name, part) in parts {
        page.line(format_args!(" {name} process priority = {}", part.nice.unwrap_or(0)));
        page.line(format_args!(" {name} don't swap = {}", part.no_swap));
        page.line(format_args!(" {name} realtime priority = {}", part.real_time.unwrap_or(0)));
        if !part.cpus.is_empty() {
            let cpus: Vec<String> = part.cpus.iter().map(ToString::to_string).collect();
            page.line(format_args!(" {name} CPU Affinity = {}", cpus.join(" ")));
        }
        page.line(format_args!(" {name} realtime limit = {}", part.real_time_limit.unwrap_or(10_000)));
    }
}

fn outside(globals: &Globals, page: &mut Page) {
    let outside = &globals.outside;
    let on = |views: &[OutsideView]| enabled(views.iter().any(|view| outside.enabled.contains(view)));
    let vrrp = [OutsideView::SnmpVrrp, OutsideView::SnmpKeepalived];
    page.line(format_args!(" SNMP vrrp {}", on(&vrrp)));
    page.line(format_args!(" SNMP checker {}", on(&[OutsideView::SnmpChecker])));
    page.line(format_args!(" SNMP RFCv2 {}", on(&[OutsideView::SnmpRfc, OutsideView::SnmpRfcV2])));
    page.line(format_args!(" SNMP RFCv3 {}", on(&[OutsideView::SnmpRfc, OutsideView::SnmpRfcV3])));
    page.line(format_args!(" SNMP traps {}", on(&[OutsideView::Traps])));
    match &outside.snmp_socket {
        Some(socket) => page.line(format_args!(" SNMP socket = {socket}")),
        None => page.line(format_args!(" SNMP socket = default ({})", MasterAgent::default())),
    }
    page.line(format_args!(" DBus {}", on(&[OutsideView::Dbus])));
    page.line(format_args!(" DBus service name = {}", outside.dbus_name.as_deref().unwrap_or("")));
}

fn buffers(globals: &Globals, page: &mut Page) {
    let vrrp = &globals.vrrp;
    for (word, socket) in BufferedSocket::WORDS {
        let bytes = vrrp.netlink_buffers.iter().find(|one| one.socket == socket).map_or(0, |one| one.bytes);
        page.line(format_args!(" {word} = {bytes}"));
        let force = u8::from(vrrp.netlink_force.contains(&socket));
        page.line(format_args!(" {word}_force = {force}"));
    }
    page.line(format_args!(" rs_init_notifies = {}", u8::from(globals.scripts.real_servers_at_start)));
    page.line(format_args!(" no_checker_emails = {}", u8::from(globals.mail.no_checkers)));
    let mut words: Vec<&str> = Vec::new();
    for policy in &vrrp.buffers {
        match policy {
            BufferPolicy::Advert => words.push("ADVERT"),
            BufferPolicy::Mtu => words.push("MTU"),
            BufferPolicy::Bytes(bytes) => page.line(format_args!(" rx_bufs_size = {bytes}")),
        }
    }
    if !words.is_empty() {
        page.line(format_args!(" rx_bufs_policy = {}", words.join(" ")));
    }
    page.line(format_args!(" rx_bufs_multiples = {}", vrrp.receive_buffers().multiplier));
    page.line(format_args!(" umask = 0{:o}", globals.process.umask.unwrap_or(0o177)));
    page.line(format_args!(" json_version {}", globals.files.json_version.unwrap_or(1)));
}
