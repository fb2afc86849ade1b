//! VRRPv3-MIB (RFC 6527): all instances, those of version 2 too, as keepalived has it.
//!
//! What can be set according to the RFC can be read only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::model::{Family, Instance, Preempt};
use crate::vrrp::event::State;
use crate::vrrp::instance::Snapshot;

use super::super::oid::Oid;
use super::super::table::Table;
use super::super::traps::Trap;
use super::super::value::Value;
use super::rfc2787::state;
use super::state::Running;
use super::{Cells, Configured, Interface};

/// `vrrpv3MIB`.
const MIB: [u32; 7] = [1, 3, 6, 1, 2, 1, 207];
/// RowStatus: active.
const ACTIVE: i32 = 1;

fn name(more: &[u32]) -> Oid {
    Oid::new(&MIB).with(more)
}

/// Where all of it begins.
pub(super) fn subtree() -> Oid {
    name(&[])
}

/// Interface, router, family.
fn index(instance: &Instance, interface: &Interface) -> [u32; 3] {
    let family = if instance.family == Family::Ipv6 { 2 } else { 1 };
    [interface.index, instance.vrid.number().into(), family]
}

/// Those whose interface exists, with their indices.
fn instances<'a>(
    configured: &Configured<'a>,
) -> impl Iterator<Item = ([u32; 3], &'a Instance, &'a Interface)> {
    let of = |one: &'a Instance| {
        let interface =
            configured.interfaces.get(one.transmits_on()?).filter(|interface| interface.index > 0)?;
        Some((index(one, interface), one, interface))
    };
    configured.instances.iter().filter_map(of)
}

/// What a reload alone changes.
pub(super) fn configured(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let (mut rows, mut addresses, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
    for (index, instance, interface) in instances(configured) {
        let mut cells = Cells::default();
        cells.maybe(5, interface.mac.map(|mac| Value::Octets(mac.to_vec())));
        cells.put(7, Value::gauge(instance.priority.number()));
        cells.put(8, Value::integer(instance.addresses.len()));
        cells.put(9, Value::Integer(instance.advert_interval.centiseconds().into()));
        cells.put(10, Value::truth(instance.preempt != Preempt::Never));
        cells.put(11, Value::truth(instance.accept != Some(false)));
        cells.put(13, Value::Integer(ACTIVE));
        rows.push((index.to_vec(), cells.0));
        for address in &instance.addresses {
            let numbers: Vec<u32> = match address.address {
                IpAddr::V4(address) => address.octets().map(u32::from).to_vec(),
                IpAddr::V6(address) => address.octets().map(u32::from).to_vec(),
            };
            addresses.push(([index.as_slice(), &numbers].concat(), vec![(2, Value::Integer(ACTIVE))]));
        }
        let interval = instance.advert_interval.duration().as_millis();
        statistics.push((index.to_vec(), vec![(12, Value::Ticks(0)), (13, Value::gauge(interval))]));
    }
    out.push(Table::of(name(&[1, 1, 1, 1]), rows));
    addresses.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push(Table::of(name(&[1, 1, 2, 1]), addresses));
    out.push(Table::of(name(&[1, 2, 5, 1]), statistics));
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The address that adverts come from.
fn primary(instance: &Instance, source: Option<IpAddr>) -> IpAddr {
    source.unwrap_or_else(|| unspecified(instance.family))
}

/// What changes by itself.
pub(super) fn running(running: &Running<'_>, configured: &Configured<'_>, out: &mut Vec<Table>) {
    let mut rows = Table::new(name(&[1, 1, 1, 1]), &[3, 4, 6, 12]);
    let mut counters = Table::new(name(&[1, 2, 5, 1]), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let (mut checksums, mut versions) = (0, 0);
    for (index, instance, _) in instances(configured) {
        let seen = running.of(&instance.name);
        let history = running.history(&instance.name);
        let up = history.since.map_or(Value::Ticks(0), Value::Since);
        let master = match seen {
            Some(Snapshot { state: State::Master, source, .. }) => primary(instance, *source),
            Some(Snapshot { state: State::Backup, master: Some(master), .. }) => *master,
            _ => unspecified(instance.family),
        };
        let own = primary(instance, seen.and_then(|seen| seen.source));
        let [master, own] = [master, own].map(|one| Some(Value::address(one)));
        rows.row(&index, vec![master, own, Some(Value::Integer(state(seen))), Some(up)]);
        let Some(Snapshot { stats, .. }) = seen else { continue };
        checksums += stats.chk_err;
        versions += stats.vers_err;
        let reason = if seen.is_some_and(|seen| seen.state == State::Master) { history.reason } else { 0 };
        counters.row(
            &index,
            vec![
                Some(Value::counter(stats.become_master)),
                Some(Value::Integer(reason)),
                Some(Value::Counter64(stats.advert_rcvd)),
                Some(Value::Counter64(stats.advert_interval_err)),
                Some(Value::Counter64(stats.ip_ttl_err)),
                Some(Value::Integer(history.error)),
                Some(Value::Counter64(stats.pri_zero_rcvd)),
                Some(Value::Counter64(stats.pri_zero_sent)),
                Some(Value::Counter64(stats.invalid_type_rcvd)),
                Some(Value::Counter64(stats.addr_list_err)),
                Some(Value::Counter64(stats.packet_len_err)),
            ],
        );
    }
    let all = vec![
        (1, Some(Value::Counter64(checksums))),
        (2, Some(Value::Counter64(versions))),
        (4, Some(Value::Ticks(0))),
    ];
    out.extend([rows, Table::scalars(name(&[1, 2]), all), counters]);
}

/// vrrpv3NewMaster.
#[must_use]
pub fn new_master(instance: &Instance, interface: &Interface, source: Option<IpAddr>, reason: i32) -> Trap {
    let index = index(instance, interface);
    let objects = vec![
        (name(&[1, 1, 1, 1, 3]).with(&index), Value::address(primary(instance, source))),
        (name(&[1, 2, 5, 1, 2]).with(&index), Value::Integer(reason)),
    ];
    Trap { name: name(&[0, 1]), objects }
}

/// vrrpv3ProtoError.
#[must_use]
pub fn protocol_error(instance: &Instance, interface: &Interface, error: i32) -> Trap {
    let object = name(&[1, 2, 5, 1, 6]).with(&index(instance, interface));
    Trap { name: name(&[0, 2]), objects: vec![(object, Value::Integer(error))] }
}
