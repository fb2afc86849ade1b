//! VRRP-MIB (RFC 2787): the instances of version 2.
//!
//! What can be set according to the RFC can be read only. The key of the authentication is never told (RFC 2787 §5).

use std::net::{IpAddr, Ipv4Addr};

use crate::config::model::{Authentication, Instance, Preempt, Version};
use crate::vrrp::event::State;
use crate::vrrp::instance::Snapshot;

use super::super::oid::Oid;
use super::super::table::Table;
use super::super::traps::Trap;
use super::super::value::Value;
use super::state::Running;
use super::{Cells, Configured, Interface};

/// `vrrpMIB`.
const MIB: [u32; 7] = [1, 3, 6, 1, 2, 1, 68];
/// RowStatus: active.
const ACTIVE: i32 = 1;
/// vrrpOperProtocol: IP.
const IP: i32 = 1;

fn name(more: &[u32]) -> Oid {
    Oid::new(&MIB).with(more)
}

/// Where all of it begins.
pub(super) fn subtree() -> Oid {
    name(&[])
}

/// Those of version 2 whose interface exists, with their indices.
fn instances<'a>(
    configured: &Configured<'a>,
) -> impl Iterator<Item = ([u32; 2], &'a Instance, &'a Interface)> {
    let of = |one: &'a Instance| {
        let interface =
            configured.interfaces.get(one.transmits_on()?).filter(|interface| interface.index > 0)?;
        Some(([interface.index, one.vrid.number().into()], one, interface))
    };
    configured.instances.iter().filter(|one| one.version == Version::V2).filter_map(of)
}

/// What a reload alone changes.
pub(super) fn configured(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let traps = Value::truth(configured.parts.traps);
    out.push(Table::scalars(name(&[1]), vec![(1, Some(Value::Integer(2))), (2, Some(traps))]));
    let (mut rows, mut addresses) = (Vec::new(), Vec::new());
    for (index, instance, interface) in instances(configured) {
        let mut cells = Cells::default();
        cells.maybe(2, interface.mac.map(|mac| Value::Octets(mac.to_vec())));
        cells.put(4, Value::Integer(1));
        cells.put(5, Value::Integer(instance.priority.number().into()));
        cells.put(6, Value::integer(instance.addresses.len()));
        cells.put(
            9,
            Value::Integer(match instance.authentication {
                Authentication::None | Authentication::Hmac(_) => 1,
                Authentication::Pass(_) => 2,
                Authentication::Ah(_) => 3,
            }),
        );
        cells.put(11, Value::integer(instance.advert_interval.duration().as_secs()));
        cells.put(12, Value::truth(instance.preempt != Preempt::Never));
        cells.put(14, Value::Integer(IP));
        cells.put(15, Value::Integer(ACTIVE));
        rows.push((index.to_vec(), cells.0));
        for address in &instance.addresses {
            let IpAddr::V4(address) = address.address else { continue };
            let numbers: Vec<u32> = address.octets().map(u32::from).to_vec();
            addresses.push(([index.as_slice(), &numbers].concat(), vec![(2, Value::Integer(ACTIVE))]));
        }
    }
    out.push(Table::of(name(&[1, 3, 1]), rows));
    addresses.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push(Table::of(name(&[1, 4, 1]), addresses));
}

/// The address that adverts come from.
fn primary(source: Option<IpAddr>) -> Ipv4Addr {
    match source {
        Some(IpAddr::V4(source)) => source,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// 1 initialize, 2 backup, 3 master.
pub(super) fn state(seen: Option<&Snapshot>) -> i32 {
    match seen.map(|seen| seen.state) {
        Some(State::Master) => 3,
        Some(State::Backup) => 2,
        Some(State::Init | State::Fault) | None => 1,
    }
}

fn master(seen: Option<&Snapshot>) -> Ipv4Addr {
    match seen {
        Some(Snapshot { state: State::Master, source, .. }) => primary(*source),
        Some(Snapshot { state: State::Backup, master: Some(IpAddr::V4(master)), .. }) => *master,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// What changes by itself.
pub(super) fn running(running: &Running<'_>, configured: &Configured<'_>, out: &mut Vec<Table>) {
    let mut rows = Table::new(name(&[1, 3, 1]), &[3, 7, 8, 13]);
    let mut counters = Table::new(name(&[2, 4, 1]), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]);
    let (mut checksums, mut versions) = (0, 0);
    for (index, instance, _) in instances(configured) {
        let seen = running.of(&instance.name);
        let up = running.history(&instance.name).since.map_or(Value::Ticks(0), Value::Since);
        let addresses =
            [master(seen), primary(seen.and_then(|seen| seen.source))].map(|one| Some(Value::Ip(one)));
        let [master, own] = addresses;
        rows.row(&index, vec![Some(Value::Integer(state(seen))), master, own, Some(up)]);
        let Some(Snapshot { stats, .. }) = seen else { continue };
        checksums += stats.chk_err;
        versions += stats.vers_err;
        let numbers = [
            stats.become_master,
            stats.advert_rcvd,
            stats.advert_interval_err,
            stats.auth_failure,
            stats.ip_ttl_err,
            stats.pri_zero_rcvd,
            stats.pri_zero_sent,
            stats.invalid_type_rcvd,
            stats.addr_list_err,
            stats.authtype_mismatch + stats.invalid_authtype,
            stats.packet_len_err,
        ];
        counters.row(&index, numbers.iter().map(|number| Some(Value::counter(*number))).collect());
    }
    let all = vec![(1, Some(Value::counter(checksums))), (2, Some(Value::counter(versions)))];
    out.extend([rows, Table::scalars(name(&[2]), all), counters]);
}

/// vrrpTrapNewMaster.
#[must_use]
pub fn new_master(instance: &Instance, interface: &Interface, source: Option<IpAddr>) -> Trap {
    let index = [interface.index, instance.vrid.number().into()];
    let master = name(&[1, 3, 1, 7]).with(&index);
    Trap { name: name(&[0, 1]), objects: vec![(master, Value::Ip(primary(source)))] }
}

/// vrrpTrapAuthFailure: 2 another type, 3 another password.
#[must_use]
pub fn authentication_failure(source: Ipv4Addr, other_type: bool) -> Trap {
    let reason = if other_type { 2 } else { 3 };
    let objects = vec![(name(&[1, 5, 0]), Value::Ip(source)), (name(&[1, 6, 0]), Value::Integer(reason))];
    Trap { name: name(&[0, 2]), objects }
}
