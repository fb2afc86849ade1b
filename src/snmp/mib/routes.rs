//! Routes and their hops, static ones as those of an instance with the number 0.

use std::net::IpAddr;

use crate::config::model::{Encap, Family, InterfaceName, MetricKind, Named, NextHop, Route};

use super::super::table::Table;
use super::super::value::Value;
use super::{Cells, Configured, numbers, scope, vrrp};

pub(super) const ROUTES: u32 = 7;
const HOPS: u32 = 11;
/// The main table.
const MAIN: u32 = 254;
/// The protocol of the routes that keepalived sets, and that stand here.
const PROTOCOL: u32 = 18;

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let mut rows = Vec::new();
    let mut hops = Vec::new();
    let statics = std::iter::once((0, &configured.statics.routes));
    for (number, routes) in statics.chain(configured.numbered().map(|(number, one)| (number, &one.routes))) {
        for (at, route) in numbers(routes) {
            rows.push((vec![number, at], of_route(configured, route)));
            for (hop, one) in numbers(&route.hops) {
                hops.push((vec![number, at, hop], of_hop(configured, route, one)));
            }
        }
    }
    out.push(Table::of(vrrp(ROUTES), rows));
    out.push(Table::of(vrrp(HOPS), hops));
}

fn is_ipv6(route: &Route) -> bool {
    let of = |address: IpAddr| address.is_ipv6();
    let addresses = [route.to.map(|net| net.address), route.via, route.source];
    match route.family {
        Some(family) => family == Family::Ipv6,
        None => addresses.into_iter().flatten().chain(route.hops.iter().filter_map(|hop| hop.via)).any(of),
    }
}

fn number(named: &Named) -> Option<u32> {
    match named {
        Named::Number(number) => Some(*number),
        Named::Name(_) => None,
    }
}

fn of_route(configured: &Configured<'_>, route: &Route) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    let ipv6 = is_ipv6(route);
    cells.put(2, Value::family(ipv6));
    let any = || Value::Octets(vec![0; if ipv6 { 16 } else { 4 }]);
    cells.put(3, route.to.map_or_else(any, |net| Value::address(net.address)));
    cells.put(4, Value::gauge(route.to.map_or(0, |net| net.prefix)));
    cells.maybe(5, route.via.map(Value::address));
    cells.maybe(7, route.source.map(Value::address));
    cells.put(8, Value::gauge(route.metric.unwrap_or(0)));
    cells.put(9, scope(route.scope.as_ref().and_then(number).unwrap_or(0)));
    cells.put(10, kind(route));
    interface(configured, &mut cells, (11, 12), route.interface.as_ref());
    cells.put(13, Value::gauge(route.table.as_ref().and_then(number).unwrap_or(MAIN)));
    cells.maybe(15, route.from.map(|net| Value::address(net.address)));
    cells.maybe(16, route.from.map(|net| Value::gauge(net.prefix)));
    cells.maybe(17, route.tos.as_ref().and_then(number).map(Value::gauge));
    cells.put(18, Value::integer(route.protocol.as_ref().and_then(number).unwrap_or(PROTOCOL) + 1));
    cells.put(19, Value::truth(route.ecn));
    let quick = route.metrics.iter().find(|metric| metric.kind == MetricKind::Quickack);
    cells.put(20, Value::truth(quick.is_some_and(|metric| metric.number != 0)));
    cells.maybe(21, route.expires.map(Value::integer));
    metrics(route, &mut cells);
    cells.maybe(42, route.congestion_control.as_ref().map(|control| Value::text(&control.name)));
    cells.maybe(43, route.preference.map(preference));
    realms(&mut cells, (44, 45), route.realms);
    encap(&mut cells, 46, route.encap.as_ref());
    cells.0
}

/// RouteType: 1 unicast, 2 several hops, then as the MIB has them.
fn kind(route: &Route) -> Value {
    Value::Integer(match route.kind {
        _ if !route.hops.is_empty() => 2,
        None | Some(1) => 1,
        Some(6) => 3,
        Some(4) => 4,
        Some(5) => 5,
        Some(3) => 6,
        Some(7) => 7,
        Some(8) => 8,
        Some(9) => 9,
        Some(10) => 10,
        Some(11) => 11,
        Some(_) => 1,
    })
}

fn preference(preference: u8) -> Value {
    Value::Integer(match preference {
        3 => 1,
        1 => 3,
        _ => 2,
    })
}

fn interface(
    configured: &Configured<'_>,
    cells: &mut Cells,
    columns: (u32, u32),
    name: Option<&InterfaceName>,
) {
    cells.maybe(columns.0, name.and_then(|name| configured.interface(name)).map(Value::integer));
    cells.maybe(columns.1, name.map(|name| Value::text(name.as_str())));
}

fn realms(cells: &mut Cells, columns: (u32, u32), realms: Option<u32>) {
    let Some(realms) = realms else { return };
    cells.put(columns.0, Value::gauge(realms & 0xffff));
    if realms >> 16 != 0 {
        cells.put(columns.1, Value::gauge(realms >> 16));
    }
}

/// Columns of values and of their locks.
fn metrics(route: &Route, cells: &mut Cells) {
    for metric in &route.metrics {
        let (column, lock) = match metric.kind {
            MetricKind::Quickack => continue,
            MetricKind::FastopenNoCookie => {
                cells.put(55, Value::truth(metric.number != 0));
                continue;
            }
            MetricKind::Mtu => (22, Some(23)),
            MetricKind::Hoplimit => (24, None),
            MetricKind::Advmss => (25, Some(26)),
            MetricKind::Rtt => (27, Some(28)),
            MetricKind::Rttvar => (29, Some(30)),
            MetricKind::Reordering => (31, Some(32)),
            MetricKind::Window => (33, None),
            MetricKind::Cwnd => (34, Some(35)),
            MetricKind::Ssthresh => (36, Some(37)),
            MetricKind::RtoMin => (38, Some(39)),
            MetricKind::Initcwnd => (40, None),
            MetricKind::Initrwnd => (41, None),
        };
        let number = match metric.kind {
            MetricKind::Rtt => metric.number / 8,
            MetricKind::Rttvar => metric.number / 4,
            _ => metric.number,
        };
        cells.put(column, Value::gauge(number));
        if let Some(lock) = lock {
            cells.put(lock, Value::truth(metric.locked));
        }
    }
}

/// From the column of the type on: labels, id, destination, source, TOS, TTL, flags, locator.
fn encap(cells: &mut Cells, first: u32, encap: Option<&Encap>) {
    let Some(encap) = encap else { return };
    match encap {
        Encap::Mpls(labels) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            cells.put(first, Value::Integer(1));
            cells.put(first + 1, Value::text(labels.join("/")));
        }
        Encap::Ip { family, id, to, from, tos, ttl, flags } => {
            cells.put(first, Value::Integer(if *family == Family::Ipv6 { 4 } else { 2 }));
            cells.put(first + 2, Value::Counter64(*id));
            cells.maybe(first + 3, to.map(Value::address));
            cells.maybe(first + 4, from.map(Value::address));
            cells.put(first + 5, Value::gauge(*tos));
            cells.put(first + 6, Value::gauge(*ttl));
            cells.put(first + 7, Value::gauge(*flags));
        }
        Encap::Ila(locator) => {
            cells.put(first, Value::Integer(3));
            cells.put(first + 8, Value::Counter64(*locator));
        }
    }
}

fn of_hop(configured: &Configured<'_>, route: &Route, hop: &NextHop) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    cells.put(2, Value::family(hop.via.map_or_else(|| is_ipv6(route), |via| via.is_ipv6())));
    cells.maybe(3, hop.via.map(Value::address));
    interface(configured, &mut cells, (4, 5), hop.interface.as_ref());
    cells.put(6, Value::gauge(hop.weight));
    cells.put(7, Value::truth(hop.onlink));
    realms(&mut cells, (8, 9), hop.realms);
    encap(&mut cells, 10, hop.encap.as_ref());
    cells.0
}
