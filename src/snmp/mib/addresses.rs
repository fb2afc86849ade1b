//! Addresses, static ones as those of an instance with the number 0.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::model::{InterfaceName, VirtualAddress};

use super::super::table::Table;
use super::super::value::Value;
use super::{Cells, Configured, is_advertised, numbers, scope, vrrp};

pub(super) const ADDRESSES: u32 = 6;

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let mut rows = Vec::new();
    for (at, one) in numbers(&configured.statics.addresses) {
        let interface = one.address.interface.clone();
        rows.push((vec![0, at], of_address(configured, &one.address, interface.as_ref(), false)));
    }
    for (number, instance) in configured.numbered() {
        for (at, address) in numbers(instance.all_addresses()) {
            let vmac = instance.vmacs.iter().find(|vmac| vmac.adverts && address.interface.is_none());
            let interface =
                vmac.map(|vmac| &vmac.name).or(address.interface.as_ref()).or(instance.interface.as_ref());
            let advertised = is_advertised(instance, address);
            rows.push((vec![number, at], of_address(configured, address, interface, advertised)));
        }
    }
    out.push(Table::of(vrrp(ADDRESSES), rows));
}

fn of_address(
    configured: &Configured<'_>,
    address: &VirtualAddress,
    interface: Option<&InterfaceName>,
    advertised: bool,
) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    cells.put(2, Value::family(address.address.is_ipv6()));
    cells.put(3, Value::address(address.address));
    if address.address.is_ipv4() {
        let broadcast = address.broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED);
        cells.put(4, Value::address(IpAddr::V4(broadcast)));
    }
    cells.put(5, Value::gauge(address.prefix));
    cells.put(6, scope(address.scope.into()));
    cells.maybe(7, interface.and_then(|name| configured.interface(name)).map(Value::integer));
    cells.maybe(8, interface.map(|name| Value::text(name.as_str())));
    cells.maybe(9, address.label.as_deref().map(Value::text));
    cells.put(11, Value::truth(advertised));
    cells.maybe(12, address.peer.map(|peer| Value::address(peer.address)));
    cells.0
}
