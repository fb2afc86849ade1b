//! What the kernel counts of services and destinations, and its netlink form.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::net::SocketAddr;

use crate::config::model::Service;
use crate::sys::netlink::{self, attributes};

use super::message::{DEST, GENL_HEADER, SERVICE, read_destination, read_service};

/// `IPVS_SVC_ATTR_STATS64` and `IPVS_DEST_ATTR_STATS64`.
const STATISTICS: u16 = 12;
const ACTIVE: u16 = 7;
const INACTIVE: u16 = 8;
const PERSISTENT: u16 = 9;

/// Those of each service, and of each of its destinations.
pub type All = BTreeMap<Service, (Counters, BTreeMap<SocketAddr, (Counters, Connections)>)>;

/// What went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections so far.
    pub connections: u64,
    /// Packets to the real servers.
    pub packets_in: u64,
    /// Packets from them.
    pub packets_out: u64,
    /// Bytes to the real servers.
    pub bytes_in: u64,
    /// Bytes from them.
    pub bytes_out: u64,
    /// Connections, packets in and out, bytes in and out, each second.
    pub rates: [u64; 5],
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| {
            let mut rates = sum.rates;
            rates.iter_mut().zip(one.rates).for_each(|(rate, more)| *rate = rate.wrapping_add(more));
            Self {
                connections: sum.connections.wrapping_add(one.connections),
                packets_in: sum.packets_in.wrapping_add(one.packets_in),
                packets_out: sum.packets_out.wrapping_add(one.packets_out),
                bytes_in: sum.bytes_in.wrapping_add(one.bytes_in),
                bytes_out: sum.bytes_out.wrapping_add(one.bytes_out),
                rates,
            }
        })
    }
}

/// Connections of a destination that there are now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that are active.
    pub active: u32,
    /// The others.
    pub inactive: u32,
    /// Templates of persistence.
    pub persistent: u32,
}

impl Connections {
    /// These and `more`.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self {
            active: self.active.saturating_add(more.active),
            inactive: self.inactive.saturating_add(more.inactive),
            persistent: self.persistent.saturating_add(more.persistent),
        }
    }
}

/// A service of a dump with its counters.
pub fn read_service_counters(payload: &[u8]) -> Option<(Service, Counters)> {
    let (service, _) = read_service(payload)?;
    Some((service, read_counters(nest(payload, SERVICE)?)))
}

/// A destination of a dump with its counters; `ipv6` is the family of its service.
pub fn read_destination_counters(
    payload: &[u8],
    ipv6: bool,
) -> Option<(SocketAddr, (Counters, Connections))> {
    let (address, _) = read_destination(payload, ipv6)?;
    let nest = nest(payload, DEST)?;
    let mut connections = Connections::default();
    for (id, value) in attributes(nest) {
        let count = || netlink::u32_at(value, 0);
        match id {
            ACTIVE => connections.active = count()?,
            INACTIVE => connections.inactive = count()?,
            PERSISTENT => connections.persistent = count()?,
            _ => {}
        }
    }
    Some((address, (read_counters(nest), connections)))
}

fn nest(payload: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == kind).map(|(_, nest)| nest)
}

/// Those in the nest of a service or a destination. Without an attribute of them, all are 0.
pub(super) fn read_counters(nest: &[u8]) -> Counters {
    let mut counters = Counters::default();
    let Some((_, statistics)) = attributes(nest).find(|(id, _)| *id == STATISTICS) else { return counters };
    let [connections_rate, in_rate, out_rate, bytes_in_rate, bytes_out_rate] = &mut counters.rates;
    for (id, value) in attributes(statistics) {
        let place = match id {
            1 => &mut counters.connections,
            2 => &mut counters.packets_in,
            3 => &mut counters.packets_out,
            4 => &mut counters.bytes_in,
            5 => &mut counters.bytes_out,
            6 => &mut *connections_rate,
            7 => &mut *in_rate,
            8 => &mut *out_rate,
            9 => &mut *bytes_in_rate,
            10 => &mut *bytes_out_rate,
            _ => continue,
        };
        if let Some(bytes) = value.first_chunk() {
            *place = u64::from_ne_bytes(*bytes);
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Protocol;

    /// An attribute of netlink.
    fn attribute(id: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_ne_bytes(), id.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn statistics() -> Vec<u8> {
        let all = (1..=10u64)
            .flat_map(|id| attribute(u16::try_from(id).unwrap(), &((id << 32) + id).to_ne_bytes()));
        attribute(STATISTICS, &all.collect::<Vec<_>>())
    }

    const AF_INET: u16 = 2;

    fn service() -> Vec<u8> {
        let inside = [
            attribute(1, &AF_INET.to_ne_bytes()),
            attribute(2, &6u16.to_ne_bytes()),
            attribute(3, &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            attribute(4, &80u16.to_be_bytes()),
            statistics(),
        ];
        [vec![0; 4], attribute(SERVICE, &inside.concat())].concat()
    }

    fn destination() -> Vec<u8> {
        let inside = [
            attribute(1, &[10, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            attribute(2, &80u16.to_be_bytes()),
            attribute(ACTIVE, &7u32.to_ne_bytes()),
            attribute(INACTIVE, &8u32.to_ne_bytes()),
            attribute(PERSISTENT, &9u32.to_ne_bytes()),
            attribute(11, &AF_INET.to_ne_bytes()),
            statistics(),
        ];
        [vec![0; 4], attribute(DEST, &inside.concat())].concat()
    }

    #[test]
    fn what_the_kernel_counts_is_read() {
        let number = |id: u64| (id << 32) + id;
        let expected = Counters {
            connections: number(1),
            packets_in: number(2),
            packets_out: number(3),
            bytes_in: number(4),
            bytes_out: number(5),
            rates: [6, 7, 8, 9, 10].map(number),
        };
        let address = "10.0.0.1:80".parse().unwrap();
        let service_name = Service::Address { protocol: Protocol::Tcp, address };
        assert_eq!(read_service_counters(&service()), Some((service_name, expected)));
        let connections = Connections { active: 7, inactive: 8, persistent: 9 };
        let server: SocketAddr = "10.0.1.1:80".parse().unwrap();
        assert_eq!(read_destination_counters(&destination(), false), Some((server, (expected, connections))));
        let twice: Counters = [expected, expected].into_iter().sum();
        assert_eq!((twice.bytes_out, twice.rates[4]), (2 * number(5), 2 * number(10)));
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        for bytes in [service(), destination()] {
            for length in 0..bytes.len() {
                let _ = read_service_counters(&bytes[..length]);
                let _ = read_destination_counters(&bytes[..length], false);
            }
        }
    }
}
