//! The part of KEEPALIVED-MIB on virtual servers and real servers.
//!
//! What keepalived tells of the defaults that a block has for its checks is left out: here each check has its own timing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::model::{
    Forwarding, Granularity, GroupEntry, Protocol, RealServer, Scheduler, Service, SorryServer,
    TunnelChecksum, VirtualServer,
};

use super::super::oid::Oid;
use super::super::table::Table;
use super::super::value::Value;
use super::{CHECK, Cells, Configured, keepalived, numbers};

const GROUPS: u32 = 1;
const MEMBERS: u32 = 2;
pub(super) const SERVICES: u32 = 3;
pub(super) const SERVERS: u32 = 4;
const SYNC_DAEMON: u32 = 6;
const TIMEOUTS: u32 = 7;

/// The entries of a table of this part.
pub(super) fn check(table: u32) -> Oid {
    keepalived(&[CHECK, table, 1])
}

/// What stands for a real server in the table: the sorry server first, as in keepalived.
pub(super) enum Row<'a> {
    Sorry(&'a SorryServer),
    Real(&'a RealServer),
}

pub(super) fn rows(server: &VirtualServer) -> impl Iterator<Item = Row<'_>> {
    server.sorry_server.iter().map(Row::Sorry).chain(server.real_servers.iter().map(Row::Real))
}

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    groups(configured, out);
    let (mut services, mut servers) = (Vec::new(), Vec::new());
    for (number, server) in numbers(configured.servers) {
        services.push((vec![number], of_service(configured, server)));
        for (at, row) in numbers(rows(server)) {
            let cells = match row {
                Row::Sorry(sorry) => of_sorry_server(sorry),
                Row::Real(real) => of_real_server(configured, real),
            };
            servers.push((vec![number, at], cells));
        }
    }
    out.push(Table::of(check(SERVICES), services));
    out.push(Table::of(check(SERVERS), servers));
    sync_daemon(configured, out);
    if let Some(timeouts) = configured.model.globals.lvs.timeouts {
        let set = |seconds: u32| (seconds > 0).then(|| Value::integer(seconds));
        let values = vec![(1, set(timeouts.tcp)), (2, set(timeouts.tcp_fin)), (3, set(timeouts.udp))];
        out.push(Table::scalars(keepalived(&[CHECK, TIMEOUTS]), values));
    }
}

fn groups(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let (mut rows, mut members) = (Vec::new(), Vec::new());
    for (number, group) in numbers(&configured.model.server_groups) {
        rows.push((vec![number], vec![(2, Value::text(&group.name))]));
        // As keepalived has them: marks, addresses, ranges.
        let mut entries: Vec<&GroupEntry> = group.entries.iter().collect();
        entries.sort_by_key(|entry| match entry {
            GroupEntry::Fwmark { .. } => 0,
            GroupEntry::Addresses { first, last, .. } if first == last => 1,
            GroupEntry::Addresses { .. } => 2,
        });
        for (at, entry) in numbers(entries) {
            let mut cells = Cells::default();
            match *entry {
                GroupEntry::Fwmark { mark, .. } => {
                    cells.put(2, Value::Integer(1));
                    cells.put(3, Value::gauge(mark));
                }
                GroupEntry::Addresses { first, last, port } => {
                    cells.put(2, Value::Integer(if first == last { 2 } else { 3 }));
                    cells.put(4, Value::family(first.is_ipv6()));
                    if first == last {
                        cells.put(5, Value::address(first));
                    } else {
                        cells.put(6, Value::address(first));
                        cells.put(7, Value::address(last));
                    }
                    cells.put(8, Value::gauge(port));
                }
            }
            members.push((vec![number, at], cells.0));
        }
    }
    out.push(Table::of(check(GROUPS), rows));
    out.push(Table::of(check(MEMBERS), members));
}

/// Type, group, mark and address: what a virtual server is called, by the columns from `first` on.
pub(super) fn identity(server: &VirtualServer) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    match (&server.group, server.service) {
        (Some(group), _) => {
            cells.put(2, Value::Integer(3));
            cells.put(3, Value::text(&group.name));
        }
        (None, Service::Fwmark { mark, .. }) => {
            cells.put(2, Value::Integer(1));
            cells.put(4, Value::gauge(mark));
        }
        (None, Service::Address { address, .. }) => {
            cells.put(2, Value::Integer(2));
            cells.put(5, Value::family(address.is_ipv6()));
            cells.put(6, Value::address(address.ip()));
            cells.put(7, Value::gauge(address.port()));
        }
    }
    cells.0
}

pub(super) fn protocol(server: &VirtualServer) -> Value {
    Value::Integer(match server.service {
        Service::Fwmark { .. } => 4,
        Service::Address { protocol: Protocol::Tcp, .. } => 1,
        Service::Address { protocol: Protocol::Udp, .. } => 2,
        Service::Address { protocol: Protocol::Sctp, .. } => 3,
    })
}

fn of_service(configured: &Configured<'_>, server: &Arc<VirtualServer>) -> Vec<(u32, Value)> {
    let mut cells = Cells(identity(server));
    if cells.0.iter().all(|(column, _)| *column != 5) {
        cells.put(5, Value::family(server.service.is_ipv6()));
    }
    if matches!(server.service, Service::Address { .. }) {
        cells.put(8, protocol(server));
    }
    cells.put(9, Value::Integer(scheduler(server.scheduler)));
    let forwarding = server.real_servers.first().map(|real| real.forwarding);
    let forwarding = forwarding.or(server.sorry_server.map(|sorry| sorry.forwarding));
    if let Some(forwarding) = forwarding {
        kind(&mut cells, 10, 68, forwarding);
    }
    cells.put(13, Value::truth(server.persistence.is_some()));
    cells.maybe(14, server.persistence.map(|persistence| Value::gauge(persistence.timeout)));
    let granularity =
        server.persistence.map_or(Granularity::Prefix(128), |persistence| persistence.granularity);
    if server.service.is_ipv6() {
        cells.put(51, Value::gauge(granularity.prefix()));
    } else {
        cells.put(15, Value::address(IpAddr::V4(granularity.mask())));
    }
    cells.put(17, Value::truth(server.ha_suspend));
    cells.put(19, Value::truth(server.omega));
    cells.put(20, Value::gauge(server.real_servers.len()));
    cells.put(22, Value::gauge(server.quorum));
    cells.command(24, server.notify.quorum_up.as_ref());
    cells.command(25, server.notify.quorum_down.as_ref());
    cells.put(26, Value::gauge(server.hysteresis));
    cells.put(37, Value::truth(server.one_packet));
    cells.put(61, Value::truth(alerts(configured, server.notify.smtp_alert, false)));
    // The kernel hashes no service of its own accord. Whose names of the flags count depends on the scheduler.
    let flags = server.flags;
    let all =
        [(52, false), (53, flags.one), (54, flags.two), (55, flags.three), (62, flags.one), (63, flags.two)];
    all.into_iter().for_each(|(column, set)| cells.put(column, Value::truth(set)));
    cells.maybe(71, server.notify.snmp_name.as_deref().map(Value::text));
    cells.0
}

/// Whether its changes are mailed; of real servers they are unless something else is said.
fn alerts(configured: &Configured<'_>, own: Option<bool>, unsaid: bool) -> bool {
    let mail = &configured.model.globals.mail;
    own.or(mail.alert_checker).or(mail.alert).unwrap_or(unsaid)
}

fn scheduler(scheduler: Scheduler) -> i32 {
    match scheduler {
        Scheduler::Rr => 1,
        Scheduler::Wrr => 2,
        Scheduler::Lc => 3,
        Scheduler::Wlc => 4,
        Scheduler::Lblc => 5,
        Scheduler::Lblcr => 6,
        Scheduler::Dh => 7,
        Scheduler::Sh => 8,
        Scheduler::Sed => 9,
        Scheduler::Nq => 10,
        Scheduler::Fo => 11,
        Scheduler::Ovf => 12,
        Scheduler::Mh => 13,
        Scheduler::Twos => 14,
    }
}

/// How packets go to it: the kind in one column; of a tunnel its type, port and checksum in those from `tunnel` on.
fn kind(cells: &mut Cells, column: u32, tunnel: u32, forwarding: Forwarding) {
    let checksum = |checksum| {
        Value::Integer(match checksum {
            TunnelChecksum::None => 1,
            TunnelChecksum::Full => 2,
            TunnelChecksum::Remote => 3,
        })
    };
    let number = match forwarding {
        Forwarding::Masquerade => 1,
        Forwarding::DirectRoute => 2,
        Forwarding::Ipip | Forwarding::Gue { .. } | Forwarding::Gre { .. } => 3,
    };
    cells.put(column, Value::Integer(number));
    match forwarding {
        Forwarding::Ipip => cells.put(tunnel, Value::Integer(1)),
        Forwarding::Gue { port, checksum: sum } => {
            cells.put(tunnel, Value::Integer(2));
            cells.put(tunnel + 1, Value::gauge(port));
            cells.put(tunnel + 2, checksum(sum));
        }
        Forwarding::Gre { checksum: sum } => {
            cells.put(tunnel, Value::Integer(3));
            cells.put(tunnel + 2, checksum(sum));
        }
        Forwarding::Masquerade | Forwarding::DirectRoute => {}
    }
}

pub(super) fn address(cells: &mut Cells, address: &SocketAddr) {
    cells.put(3, Value::family(address.is_ipv6()));
    cells.put(4, Value::address(address.ip()));
    cells.put(5, Value::gauge(address.port()));
}

fn of_sorry_server(sorry: &SorryServer) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    cells.put(2, Value::Integer(2));
    address(&mut cells, &sorry.address);
    kind(&mut cells, 40, 52, sorry.forwarding);
    cells.put(47, Value::truth(false));
    cells.0
}

fn of_real_server(configured: &Configured<'_>, real: &RealServer) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    cells.put(2, Value::Integer(1));
    address(&mut cells, &real.address);
    let limit = |limit: u32| (limit > 0).then(|| Value::gauge(limit));
    cells.maybe(8, limit(real.upper_threshold));
    cells.maybe(9, limit(real.lower_threshold));
    cells.put(10, Value::truth(!real.inhibit_on_failure));
    let notify = real.notify.as_deref();
    cells.command(11, notify.and_then(|notify| notify.up.as_ref()));
    cells.command(12, notify.and_then(|notify| notify.down.as_ref()));
    kind(&mut cells, 40, 52, real.forwarding);
    cells.put(47, Value::truth(alerts(configured, notify.and_then(|notify| notify.smtp_alert), true)));
    cells.maybe(55, notify.and_then(|notify| notify.snmp_name.as_deref()).map(Value::text));
    cells.0
}

fn sync_daemon(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let daemon = configured.model.globals.lvs.sync_daemon.as_ref();
    let values = vec![
        (1, Some(Value::truth(daemon.is_some()))),
        (2, daemon.map(|daemon| Value::text(daemon.interface.as_str()))),
        (3, daemon.and_then(|daemon| daemon.instance.as_deref()).map(Value::text)),
        (4, daemon.and_then(|daemon| daemon.id).map(Value::integer)),
        (5, daemon.and_then(|daemon| daemon.max_length).map(Value::integer)),
        (6, daemon.and_then(|daemon| daemon.port).map(Value::integer)),
        (7, daemon.and_then(|daemon| daemon.ttl).map(Value::integer)),
        (8, daemon.and_then(|daemon| daemon.group).map(|group| Value::family(group.is_ipv6()))),
        (9, daemon.and_then(|daemon| daemon.group).map(Value::address)),
    ];
    out.push(Table::scalars(keepalived(&[CHECK, SYNC_DAEMON]), values));
}
