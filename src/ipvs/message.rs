//! The table in generic netlink: family `IPVS`, version 1 (Linux `include/uapi/linux/ip_vs.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::model::{
    Family, Forwarding, Granularity, Protocol, SchedulerFlags, Service, TunnelChecksum,
};
use crate::sys::netlink::{self, Request, attributes, text};

use super::diff::Operation;
use super::{Destination, Settings};

/// Name of the generic netlink family.
pub const FAMILY: &str = "IPVS";

const GENL_CONTROLLER: u16 = 0x10;
const CONTROLLER_GET_FAMILY: u8 = 3;
const CONTROLLER_FAMILY_ID: u16 = 1;
const CONTROLLER_FAMILY_NAME: u16 = 2;
pub(super) const GENL_HEADER: usize = 4;

const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DEL_SERVICE: u8 = 3;
pub(super) const GET_SERVICE: u8 = 4;
const NEW_DEST: u8 = 5;
const SET_DEST: u8 = 6;
const DEL_DEST: u8 = 7;
const GET_DEST: u8 = 8;

pub(super) const SERVICE: u16 = 1;
pub(super) const DEST: u16 = 2;

const SVC_AF: u16 = 1;
const SVC_PROTOCOL: u16 = 2;
const SVC_ADDR: u16 = 3;
const SVC_PORT: u16 = 4;
const SVC_FWMARK: u16 = 5;
const SVC_SCHED_NAME: u16 = 6;
const SVC_FLAGS: u16 = 7;
const SVC_TIMEOUT: u16 = 8;
const SVC_NETMASK: u16 = 9;
const SVC_PE_NAME: u16 = 11;

const DEST_ADDR: u16 = 1;
const DEST_PORT: u16 = 2;
const DEST_FWD_METHOD: u16 = 3;
const DEST_WEIGHT: u16 = 4;
const DEST_U_THRESH: u16 = 5;
const DEST_L_THRESH: u16 = 6;
const DEST_ADDR_FAMILY: u16 = 11;
const DEST_TUN_TYPE: u16 = 13;
const DEST_TUN_PORT: u16 = 14;
const DEST_TUN_FLAGS: u16 = 15;

const FLAG_PERSISTENT: u32 = 0x1;
const FLAG_ONE_PACKET: u32 = 0x4;
const FLAG_SCHED1: u32 = 0x8;
const FLAG_SCHED2: u32 = 0x10;
const FLAG_SCHED3: u32 = 0x20;

const METHOD_MASK: u32 = 0x7;
const METHOD_MASQUERADE: u32 = 0;
const METHOD_TUNNEL: u32 = 2;
const METHOD_DIRECT_ROUTE: u32 = 3;

const TUNNEL_IPIP: u8 = 0;
const TUNNEL_GUE: u8 = 1;
const TUNNEL_GRE: u8 = 2;

/// Asks for the number of the family.
pub fn get_family() -> Request {
    Request::new(GENL_CONTROLLER, 0)
        .fixed(&[CONTROLLER_GET_FAMILY, 1, 0, 0])
        .string(CONTROLLER_FAMILY_NAME, FAMILY)
}

/// The number in the answer to [`get_family`].
pub fn read_family(payload: &[u8]) -> Option<u16> {
    let value = attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == CONTROLLER_FAMILY_ID)?.1;
    netlink::u16_at(value, 0)
}

/// Asks for every service.
pub fn dump_services(family: u16) -> Request {
    Request::new(family, netlink::DUMP).fixed(&[GET_SERVICE, 1, 0, 0])
}

/// Asks for every destination of `service`.
pub fn dump_destinations(family: u16, service: &Service) -> Request {
    let request = Request::new(family, netlink::DUMP).fixed(&[GET_DEST, 1, 0, 0]);
    request.nest(SERVICE, |nest| service_key(nest, service))
}

/// The request that carries `operation` out.
pub fn request(family: u16, operation: &Operation) -> Request {
    let begin = |command| Request::new(family, netlink::ACK).fixed(&[command, 1, 0, 0]);
    let with_settings = |command, service: &Service, settings: &Settings| {
        begin(command).nest(SERVICE, |nest| service_settings(service_key(nest, service), service, settings))
    };
    let with_destination =
        |command, service: &Service, address: &SocketAddr, values: Option<&Destination>| {
            begin(command)
                .nest(SERVICE, |nest| service_key(nest, service))
                .nest(DEST, |nest| destination(nest, address, values))
        };
    match operation {
        Operation::NewService(service, settings) => with_settings(NEW_SERVICE, service, settings),
        Operation::SetService(service, settings) => with_settings(SET_SERVICE, service, settings),
        Operation::DeleteService(service) => {
            begin(DEL_SERVICE).nest(SERVICE, |nest| service_key(nest, service))
        }
        Operation::NewDestination(service, address, values) => {
            with_destination(NEW_DEST, service, address, Some(values))
        }
        Operation::SetDestination(service, address, values) => {
            with_destination(SET_DEST, service, address, Some(values))
        }
        Operation::DeleteDestination(service, address) => with_destination(DEL_DEST, service, address, None),
    }
}

fn family_number(ipv6: bool) -> u16 {
    (if ipv6 { libc::AF_INET6 } else { libc::AF_INET }) as u16
}

/// What tells the kernel which service is meant.
pub(super) fn service_key(nest: Request, service: &Service) -> Request {
    let nest = nest.attribute(SVC_AF, &family_number(service.is_ipv6()).to_ne_bytes());
    match service {
        Service::Fwmark { mark, .. } => nest.attribute(SVC_FWMARK, &mark.to_ne_bytes()),
        Service::Address { protocol, address } => nest
            .attribute(SVC_PROTOCOL, &(*protocol as u16).to_ne_bytes())
            .attribute(SVC_ADDR, &union(address.ip()))
            .attribute(SVC_PORT, &address.port().to_be_bytes()),
    }
}

fn service_settings(nest: Request, service: &Service, settings: &Settings) -> Request {
    let flag = |set: bool, bit: u32| if set { bit } else { 0 };
    let flags = flag(settings.timeout > 0, FLAG_PERSISTENT)
        | flag(settings.one_packet, FLAG_ONE_PACKET)
        | flag(settings.flags.one, FLAG_SCHED1)
        | flag(settings.flags.two, FLAG_SCHED2)
        | flag(settings.flags.three, FLAG_SCHED3);
    let mut flags_and_mask = flags.to_ne_bytes().to_vec();
    flags_and_mask.extend(u32::MAX.to_ne_bytes());
    let netmask = if service.is_ipv6() {
        u32::from(settings.granularity.prefix()).to_ne_bytes()
    } else {
        settings.granularity.mask().octets()
    };
    let nest = nest
        .string(SVC_SCHED_NAME, &settings.scheduler)
        .attribute(SVC_FLAGS, &flags_and_mask)
        .attribute(SVC_TIMEOUT, &settings.timeout.to_ne_bytes())
        .attribute(SVC_NETMASK, &netmask);
    match &settings.engine {
        Some(engine) => nest.string(SVC_PE_NAME, engine),
        None => nest,
    }
}

fn destination(nest: Request, address: &SocketAddr, values: Option<&Destination>) -> Request {
    let nest = nest
        .attribute(DEST_ADDR_FAMILY, &family_number(address.is_ipv6()).to_ne_bytes())
        .attribute(DEST_ADDR, &union(address.ip()))
        .attribute(DEST_PORT, &address.port().to_be_bytes());
    let Some(values) = values else { return nest };
    let method = match values.forwarding {
        Some(Forwarding::Masquerade) | None => METHOD_MASQUERADE,
        Some(Forwarding::DirectRoute) => METHOD_DIRECT_ROUTE,
        Some(Forwarding::Ipip | Forwarding::Gue { .. } | Forwarding::Gre { .. }) => METHOD_TUNNEL,
    };
    let nest = nest
        .attribute(DEST_FWD_METHOD, &method.to_ne_bytes())
        .attribute(DEST_WEIGHT, &values.weight.to_ne_bytes())
        .attribute(DEST_U_THRESH, &values.upper_threshold.to_ne_bytes())
        .attribute(DEST_L_THRESH, &values.lower_threshold.to_ne_bytes());
    match values.forwarding {
        Some(Forwarding::Ipip) => nest.attribute(DEST_TUN_TYPE, &[TUNNEL_IPIP]),
        Some(Forwarding::Gue { port, checksum }) => nest
            .attribute(DEST_TUN_TYPE, &[TUNNEL_GUE])
            .attribute(DEST_TUN_PORT, &port.to_be_bytes())
            .attribute(DEST_TUN_FLAGS, &checksum_flags(checksum).to_ne_bytes()),
        Some(Forwarding::Gre { checksum }) => nest
            .attribute(DEST_TUN_TYPE, &[TUNNEL_GRE])
            .attribute(DEST_TUN_FLAGS, &checksum_flags(checksum).to_ne_bytes()),
        Some(Forwarding::Masquerade | Forwarding::DirectRoute) | None => nest,
    }
}

fn checksum_flags(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => 0,
        TunnelChecksum::Full => 1,
        TunnelChecksum::Remote => 2,
    }
}

/// The kernel's address union: 16 bytes, IPv4 in the first four.
fn union(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

fn read_union(bytes: &[u8], family: u16) -> Option<IpAddr> {
    if i32::from(family) == libc::AF_INET6 {
        bytes.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)))
    } else {
        bytes.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)))
    }
}

fn big_endian(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// One service of a dump. `None`: it is of a kind that we do not know.
pub fn read_service(payload: &[u8]) -> Option<(Service, Settings)> {
    let nest = attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == SERVICE)?.1;
    let (mut family, mut protocol, mut address, mut port, mut mark) = (0, 0, None, 0, None);
    let (mut scheduler, mut flags, mut timeout, mut netmask, mut engine) =
        (String::new(), 0, 0, [0; 4], None);
    for (id, value) in attributes(nest) {
        match id {
            SVC_AF => family = netlink::u16_at(value, 0)?,
            SVC_PROTOCOL => protocol = netlink::u16_at(value, 0)?,
            SVC_ADDR => address = Some(value),
            SVC_PORT => port = big_endian(value)?,
            SVC_FWMARK => mark = Some(netlink::u32_at(value, 0)?),
            SVC_SCHED_NAME => scheduler = text(value),
            SVC_FLAGS => flags = netlink::u32_at(value, 0)?,
            SVC_TIMEOUT => timeout = netlink::u32_at(value, 0)?,
            SVC_NETMASK => netmask = *value.first_chunk()?,
            SVC_PE_NAME => engine = Some(text(value)).filter(|name| !name.is_empty()),
            _ => {}
        }
    }
    let ipv6 = i32::from(family) == libc::AF_INET6;
    let service = match mark {
        Some(mark) if mark != 0 => {
            let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
            Service::Fwmark { mark, family }
        }
        _ => {
            let protocol = match protocol {
                6 => Protocol::Tcp,
                17 => Protocol::Udp,
                132 => Protocol::Sctp,
                _ => return None,
            };
            let address = SocketAddr::new(read_union(address?, family)?, port);
            Service::Address { protocol, address }
        }
    };
    let granularity = match ipv6 {
        true => Granularity::Prefix(u8::try_from(u32::from_ne_bytes(netmask)).ok()?),
        false => Granularity::of_mask(Ipv4Addr::from(netmask)),
    };
    let persistent = flags & FLAG_PERSISTENT != 0;
    let settings = Settings {
        scheduler,
        flags: SchedulerFlags {
            one: flags & FLAG_SCHED1 != 0,
            two: flags & FLAG_SCHED2 != 0,
            three: flags & FLAG_SCHED3 != 0,
        },
        one_packet: flags & FLAG_ONE_PACKET != 0,
        timeout: if persistent { timeout } else { 0 },
        granularity,
        engine,
    };
    Some((service, settings))
}

/// One destination of a dump; `ipv6` is the family of its service, which it has unless it says otherwise.
pub fn read_destination(payload: &[u8], ipv6: bool) -> Option<(SocketAddr, Destination)> {
    let nest = attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == DEST)?.1;
    let (mut family, mut address, mut port, mut method) = (family_number(ipv6), None, 0, 0);
    let (mut weight, mut upper, mut lower) = (0, 0, 0);
    let (mut tunnel, mut tunnel_port, mut tunnel_flags) = (TUNNEL_IPIP, 0, 0);
    for (id, value) in attributes(nest) {
        match id {
            DEST_ADDR => address = Some(value),
            DEST_ADDR_FAMILY => family = netlink::u16_at(value, 0)?,
            DEST_PORT => port = big_endian(value)?,
            DEST_FWD_METHOD => method = netlink::u32_at(value, 0)? & METHOD_MASK,
            DEST_WEIGHT => weight = netlink::u32_at(value, 0)?,
            DEST_U_THRESH => upper = netlink::u32_at(value, 0)?,
            DEST_L_THRESH => lower = netlink::u32_at(value, 0)?,
            DEST_TUN_TYPE => tunnel = *value.first()?,
            DEST_TUN_PORT => tunnel_port = big_endian(value)?,
            DEST_TUN_FLAGS => tunnel_flags = netlink::u16_at(value, 0)?,
            _ => {}
        }
    }
    let checksum = match tunnel_flags & 3 {
        0 => TunnelChecksum::None,
        1 => TunnelChecksum::Full,
        _ => TunnelChecksum::Remote,
    };
    let forwarding = match (method, tunnel) {
        (METHOD_MASQUERADE, _) => Some(Forwarding::Masquerade),
        (METHOD_DIRECT_ROUTE, _) => Some(Forwarding::DirectRoute),
        (METHOD_TUNNEL, TUNNEL_GUE) => Some(Forwarding::Gue { port: tunnel_port, checksum }),
        (METHOD_TUNNEL, TUNNEL_GRE) => Some(Forwarding::Gre { checksum }),
        (METHOD_TUNNEL, _) => Some(Forwarding::Ipip),
        _ => None,
    };
    let address = SocketAddr::new(read_union(address?, family)?, port);
    let destination = Destination { weight, forwarding, upper_threshold: upper, lower_threshold: lower };
    Some((address, destination))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Vec<(Service, Settings)> {
        let settings = Settings {
            scheduler: "mh".into(),
            flags: SchedulerFlags { one: true, two: false, three: true },
            one_packet: false,
            timeout: 300,
            granularity: Granularity::Prefix(24),
            engine: Some("sip".into()),
        };
        let tcp =
            |address: &str| Service::Address { protocol: Protocol::Tcp, address: address.parse().unwrap() };
        vec![
            (tcp("192.168.100.240:80"), settings.clone()),
            (
                tcp("[2001:db8::1]:443"),
                Settings { granularity: Granularity::Prefix(64), engine: None, ..settings.clone() },
            ),
            (Service::Fwmark { mark: 7, family: Family::Ipv6 }, Settings { timeout: 0, ..settings.clone() }),
            (
                Service::Fwmark { mark: 8, family: Family::Ipv4 },
                Settings { granularity: Granularity::Mask(Ipv4Addr::new(255, 0, 255, 3)), ..settings },
            ),
        ]
    }

    #[test]
    fn services_survive_the_round_trip() {
        for (service, settings) in services() {
            let bytes = request(30, &Operation::NewService(service, settings.clone())).for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(read_service(message.payload), Some((service, settings)));
        }
    }

    #[test]
    fn destinations_survive_the_round_trip() {
        let (service, _) = services().remove(0);
        let checksum = TunnelChecksum::Remote;
        for forwarding in [
            Forwarding::Masquerade,
            Forwarding::DirectRoute,
            Forwarding::Ipip,
            Forwarding::Gue { port: 6080, checksum },
            Forwarding::Gre { checksum: TunnelChecksum::Full },
        ] {
            for address in ["10.0.0.1:80", "[2001:db8::2]:8080"] {
                let address: SocketAddr = address.parse().unwrap();
                let values = Destination {
                    weight: 3,
                    forwarding: Some(forwarding),
                    upper_threshold: 100,
                    lower_threshold: 80,
                };
                let bytes = request(30, &Operation::NewDestination(service, address, values)).for_test(1);
                let message = netlink::messages(&bytes).next().unwrap();
                assert_eq!(read_destination(message.payload, false), Some((address, values)));
            }
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let (service, settings) = services().remove(0);
        let bytes = request(30, &Operation::NewService(service, settings)).for_test(1);
        let payload = &bytes[16..];
        for length in 0..payload.len() {
            let _ = read_service(&payload[..length]);
            let _ = read_destination(&payload[..length], false);
        }
    }
}
