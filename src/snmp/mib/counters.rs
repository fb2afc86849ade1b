//! The kernel's counters of virtual servers and real servers.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::model::VirtualServer;
use crate::ipvs::counters::{All, Connections, Counters};

use super::super::table::Table;
use super::super::value::Value;
use super::checks::{Row, SERVERS, SERVICES, check, rows};
use super::numbers;

/// Counts and rates in 32 bits, counts in 64, rates in halves.
fn values(counters: &Counters) -> (Vec<Value>, Vec<Value>) {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out, rates } = counters;
    let mut narrow = vec![
        Value::Gauge((connections & u64::from(u32::MAX)) as u32),
        Value::counter(*packets_in),
        Value::counter(*packets_out),
        Value::Counter64(*bytes_in),
        Value::Counter64(*bytes_out),
    ];
    narrow.extend(rates.iter().map(|rate| Value::gauge(*rate)));
    let mut wide =
        vec![Value::Counter64(*connections), Value::Counter64(*packets_in), Value::Counter64(*packets_out)];
    let half = |number: u64| Value::gauge(number & u64::from(u32::MAX));
    wide.extend(rates.iter().flat_map(|rate| [half(*rate), half(rate >> 32)]));
    (narrow, wide)
}

/// Those of virtual servers: columns 27 to 36, 38 to 50.
#[must_use]
pub fn services(servers: &[Arc<VirtualServer>], all: &All) -> Vec<Table> {
    let columns: Vec<u32> = (27..=36).chain(38..=50).collect();
    let mut table = Table::new(check(SERVICES), &columns);
    for (number, server) in numbers(servers) {
        let counters = server.services().filter_map(|service| Some(all.get(&service)?.0)).sum();
        let (narrow, wide) = values(&counters);
        table.row(&[number], narrow.into_iter().chain(wide).map(Some).collect());
    }
    vec![table]
}

/// Those of real servers: columns 14 to 39.
#[must_use]
pub fn servers(servers: &[Arc<VirtualServer>], all: &All) -> Vec<Table> {
    let columns: Vec<u32> = (14..=39).collect();
    let mut table = Table::new(check(SERVERS), &columns);
    for (number, server) in numbers(servers) {
        for (at, row) in numbers(rows(server)) {
            let address = match row {
                Row::Sorry(sorry) => sorry.address,
                Row::Real(real) => real.address,
            };
            let (mut counters, mut connections) = (Counters::default(), Connections::default());
            for service in server.services() {
                let Some((_, destinations)) = all.get(&service) else { continue };
                // In a group each service has its own port.
                let of_service = SocketAddr::new(address.ip(), service.port());
                let found = destinations.get(&address).or_else(|| destinations.get(&of_service));
                let Some((counted, connected)) = found else { continue };
                counters = [counters, *counted].into_iter().sum();
                connections = connections.with(*connected);
            }
            let (narrow, wide) = values(&counters);
            let mut narrow = narrow.into_iter();
            let mut cells: Vec<Option<Value>> = narrow.next().into_iter().map(Some).collect();
            let Connections { active, inactive, persistent } = connections;
            cells.extend([active, inactive, persistent].map(|count| Some(Value::Gauge(count))));
            cells.extend(narrow.chain(wide).map(Some));
            table.row(&[number, at], cells);
        }
    }
    vec![table]
}
