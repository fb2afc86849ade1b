//! Services and destinations as the kernel lists them, with all it says of them, whatever it is; and what an
//! administrator asks for beside changes: what IPVS this is, one service, counters from zero, an empty table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::model::Service;
use crate::sys::netlink::{self, Request, attributes, text};

use super::counters::{Counters, read_counters};
use super::message::{DEST, GENL_HEADER, GET_SERVICE, SERVICE, service_key};

const GET_INFO: u8 = 15;
const ZERO: u8 = 16;
const FLUSH: u8 = 17;

/// What IPVS this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Info {
    /// `0x010201` is 1.2.1.
    pub version: u32,
    /// Buckets of the table of connections.
    pub size: u32,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedService {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// The number of the protocol; 0 with a mark.
    pub protocol: u16,
    /// IPv4 in the first four bytes.
    pub address: [u8; 16],
    /// Port.
    pub port: u16,
    /// 0: none.
    pub mark: u32,
    /// Scheduler.
    pub scheduler: String,
    /// Persistence engine, or nothing.
    pub engine: String,
    /// `IP_VS_SVC_F_*`.
    pub flags: u32,
    /// Of persistence, in seconds.
    pub timeout: u32,
    /// Of persistence: a mask of IPv4, or a number of bits in the order of the host.
    pub netmask: [u8; 4],
    /// What went through.
    pub counters: Counters,
}

/// A destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedDestination {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// IPv4 in the first four bytes.
    pub address: [u8; 16],
    /// Port.
    pub port: u16,
    /// `IP_VS_CONN_F_*`; the method is in the lowest three bits.
    pub method: u32,
    /// Weight.
    pub weight: u32,
    /// Upper threshold.
    pub upper: u32,
    /// Lower threshold.
    pub lower: u32,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Templates of persistence.
    pub persistent: u32,
    /// Kind of tunnel.
    pub tunnel: u8,
    /// Port of a tunnel over UDP.
    pub tunnel_port: u16,
    /// Checksums of a tunnel.
    pub tunnel_flags: u16,
    /// What went through.
    pub counters: Counters,
}

impl ListedService {
    /// Its address.
    pub fn ip(&self) -> IpAddr {
        ip(self.family, &self.address)
    }
}

impl ListedDestination {
    /// Its address.
    pub fn ip(&self) -> IpAddr {
        ip(self.family, &self.address)
    }
}

fn ip(family: u16, address: &[u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = *address;
    if i32::from(family) == libc::AF_INET {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(*address))
    }
}

/// Asks what IPVS this is.
pub fn get_info(family: u16) -> Request {
    Request::new(family, 0).fixed(&[GET_INFO, 1, 0, 0])
}

/// Asks for one service.
pub fn get_service(family: u16, service: &Service) -> Request {
    Request::new(family, 0).fixed(&[GET_SERVICE, 1, 0, 0]).nest(SERVICE, |nest| service_key(nest, service))
}

/// Counters begin from zero: of one service, or of all.
pub fn zero(family: u16, service: Option<&Service>) -> Request {
    let request = Request::new(family, netlink::ACK).fixed(&[ZERO, 1, 0, 0]);
    match service {
        Some(service) => request.nest(SERVICE, |nest| service_key(nest, service)),
        None => request,
    }
}

/// Every service goes.
pub fn flush(family: u16) -> Request {
    Request::new(family, netlink::ACK).fixed(&[FLUSH, 1, 0, 0])
}

/// The answer to [`get_info`].
pub fn read_info(payload: &[u8]) -> Option<Info> {
    let mut info = Info::default();
    for (id, value) in attributes(payload.get(GENL_HEADER..)?) {
        match id {
            1 => info.version = netlink::u32_at(value, 0)?,
            2 => info.size = netlink::u32_at(value, 0)?,
            _ => {}
        }
    }
    Some(info)
}

/// A service of a dump, or the answer to [`get_service`].
pub fn read_service(payload: &[u8]) -> Option<ListedService> {
    let nest = nest(payload, SERVICE)?;
    let mut service = ListedService { counters: read_counters(nest), ..ListedService::default() };
    for (id, value) in attributes(nest) {
        match id {
            1 => service.family = netlink::u16_at(value, 0)?,
            2 => service.protocol = netlink::u16_at(value, 0)?,
            3 => service.address = union(value)?,
            4 => service.port = u16::from_be(netlink::u16_at(value, 0)?),
            5 => service.mark = netlink::u32_at(value, 0)?,
            6 => service.scheduler = text(value),
            7 => service.flags = netlink::u32_at(value, 0)? & netlink::u32_at(value, 4)?,
            8 => service.timeout = netlink::u32_at(value, 0)?,
            9 => service.netmask = *value.first_chunk()?,
            11 => service.engine = text(value),
            _ => {}
        }
    }
    Some(service)
}

/// A destination of a dump; `family` is that of its service, which it has unless it says otherwise.
pub fn read_destination(payload: &[u8], family: u16) -> Option<ListedDestination> {
    let nest = nest(payload, DEST)?;
    let counters = read_counters(nest);
    let mut destination = ListedDestination { family, counters, ..ListedDestination::default() };
    for (id, value) in attributes(nest) {
        let number = || netlink::u32_at(value, 0);
        match id {
            1 => destination.address = union(value)?,
            2 => destination.port = u16::from_be(netlink::u16_at(value, 0)?),
            3 => destination.method = number()?,
            4 => destination.weight = number()?,
            5 => destination.upper = number()?,
            6 => destination.lower = number()?,
            7 => destination.active = number()?,
            8 => destination.inactive = number()?,
            9 => destination.persistent = number()?,
            11 => destination.family = netlink::u16_at(value, 0)?,
            13 => destination.tunnel = *value.first()?,
            14 => destination.tunnel_port = u16::from_be(netlink::u16_at(value, 0)?),
            15 => destination.tunnel_flags = netlink::u16_at(value, 0)?,
            _ => {}
        }
    }
    Some(destination)
}

fn nest(payload: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == kind).map(|(_, nest)| nest)
}

/// An address of 4 or 16 bytes.
fn union(value: &[u8]) -> Option<[u8; 16]> {
    match value.first_chunk::<16>() {
        Some(all) => Some(*all),
        None => {
            let [a, b, c, d] = *value.first_chunk::<4>()?;
            Some([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::Operation;
    use super::super::message::request;
    use super::super::{Destination, Settings};
    use super::*;
    use crate::config::model::{Forwarding, Granularity, Protocol, SchedulerFlags, TunnelChecksum};

    fn service() -> Service {
        Service::Address { protocol: Protocol::Udp, address: "[2001:db8::1]:53".parse().unwrap() }
    }

    #[test]
    fn all_that_is_said_of_a_service_and_a_destination_is_read() {
        let settings = Settings {
            scheduler: "mh".into(),
            flags: SchedulerFlags { one: true, two: false, three: true },
            one_packet: true,
            timeout: 300,
            granularity: Granularity::Prefix(64),
            engine: Some("sip".into()),
        };
        let bytes = request(30, &Operation::NewService(service(), settings)).for_test(1);
        let payload = netlink::messages(&bytes).next().unwrap().payload;
        let read = read_service(payload).unwrap();
        assert_eq!((read.family, read.protocol, read.port, read.mark), (10, 17, 53, 0));
        assert_eq!(read.ip().to_string(), "2001:db8::1");
        assert_eq!((read.scheduler.as_str(), read.engine.as_str()), ("mh", "sip"));
        assert_eq!(
            (read.flags, read.timeout, read.netmask),
            (0x1 | 0x4 | 0x8 | 0x20, 300, 64_u32.to_ne_bytes())
        );

        let forwarding = Some(Forwarding::Gue { port: 6080, checksum: TunnelChecksum::Remote });
        let values = Destination { weight: 3, forwarding, upper_threshold: 9, lower_threshold: 8 };
        let operation = Operation::NewDestination(service(), "10.0.0.9:54".parse().unwrap(), values);
        let bytes = request(30, &operation).for_test(1);
        let payload = netlink::messages(&bytes).next().unwrap().payload;
        let read = read_destination(payload, 10).unwrap();
        assert_eq!((read.ip().to_string().as_str(), read.port, read.weight), ("10.0.0.9", 54, 3));
        assert_eq!((read.method, read.tunnel, read.tunnel_port, read.tunnel_flags), (2, 1, 6080, 2));
        assert_eq!((read.upper, read.lower), (9, 8));
        for length in 0..payload.len() {
            let _ = (read_service(&payload[..length]), read_destination(&payload[..length], 2));
            let _ = read_info(&payload[..length]);
        }
    }

    #[test]
    fn one_service_or_all_of_them() {
        let nests = |request: Request| {
            let bytes = request.for_test(1);
            let payload = netlink::messages(&bytes).next().unwrap().payload.to_vec();
            (payload[0], attributes(&payload[GENL_HEADER..]).count())
        };
        assert_eq!(nests(zero(30, None)), (16, 0));
        assert_eq!(nests(zero(30, Some(&service()))), (16, 1));
        assert_eq!(nests(flush(30)), (17, 0));
        assert_eq!(nests(get_info(30)), (15, 0));
        assert_eq!(nests(get_service(30, &service())), (4, 1));
    }
}
