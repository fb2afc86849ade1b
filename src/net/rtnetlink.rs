//! rtnetlink messages (`rtnetlink(7)`): bytes to [`Change`]s, and [`Operation`]s to requests.
//!
//! Readers are total: what is cut short or of a kind that nobody asked for is `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sys::netlink::{self, Message, Request};

use super::kernel::{Change, LinkState};
use super::object::{Address, Object, Operation};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u8 = 0x01;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

/// Multicast groups that tell of links, IPv4 and IPv6 addresses.
pub const MONITOR_GROUPS: [u32; 3] = [1, 5, 9];

/// What a message of a dump or of the monitor says.
pub fn read(message: Message<'_>) -> Option<Change> {
    match message.kind {
        RTM_NEWLINK => read_link(message.payload).map(|(index, link)| Change::Link(index, link)),
        RTM_DELLINK => read_link(message.payload).map(|(index, _)| Change::LinkGone(index)),
        RTM_NEWADDR => read_address(message.payload).map(|address| Change::Added(Object::Address(address))),
        RTM_DELADDR => read_address(message.payload).map(|address| Change::Removed(Object::Address(address))),
        _ => None,
    }
}

/// Asks for all links.
pub fn dump_links() -> Request {
    Request::new(RTM_GETLINK, netlink::DUMP).fixed(&[0; 16])
}

/// Asks for all addresses of both families.
pub fn dump_addresses() -> Request {
    Request::new(RTM_GETADDR, netlink::DUMP).fixed(&[libc::AF_UNSPEC as u8, 0, 0, 0, 0, 0, 0, 0])
}

/// The request that carries `operation` out.
pub fn request(operation: &Operation) -> Request {
    let (Operation::Add(Object::Address(address)) | Operation::Remove(Object::Address(address))) = operation;
    let (kind, flags) = match operation {
        Operation::Add(_) => (RTM_NEWADDR, netlink::ACK | netlink::CREATE | netlink::EXCLUSIVE),
        Operation::Remove(_) => (RTM_DELADDR, netlink::ACK),
    };
    let family = if address.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut header = vec![family as u8, address.prefix, 0, address.scope];
    header.extend(address.index.to_ne_bytes());
    let octets = match address.address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mut request = Request::new(kind, flags)
        .fixed(&header)
        .attribute(IFA_LOCAL, &octets)
        .attribute(IFA_ADDRESS, &octets);
    if let Some(label) = &address.label {
        request = request.string(IFA_LABEL, label);
    }
    if let Operation::Add(_) = operation {
        if let Some(broadcast) = address.broadcast {
            request = request.attribute(IFA_BROADCAST, &broadcast.octets());
        }
        request = request.attribute(IFA_PROTO, &[address.protocol]);
    }
    request
}

fn read_link(payload: &[u8]) -> Option<(u32, LinkState)> {
    // Bridges tell of their ports in the same messages: "deleted" means only that a port left its bridge.
    if payload.first().is_some_and(|family| i32::from(*family) == libc::AF_BRIDGE) {
        return None;
    }
    let hardware_type = netlink::u16_at(payload, 2)?;
    let index = netlink::u32_at(payload, 4)?;
    let flags = netlink::u32_at(payload, 8)?;
    let (mut name, mut mac, mut mtu) = (String::new(), Vec::new(), 0);
    for (id, value) in netlink::attributes(payload.get(16..)?) {
        match id {
            IFLA_IFNAME => name = netlink::text(value),
            IFLA_ADDRESS => mac = value.to_vec(),
            IFLA_MTU => mtu = netlink::u32_at(value, 0).unwrap_or(0),
            _ => {}
        }
    }
    let state = LinkState {
        name,
        up: flags & IFF_UP != 0 && flags & IFF_RUNNING != 0,
        multicast: flags & IFF_MULTICAST != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        no_arp: flags & IFF_NOARP != 0,
        mtu,
        hardware_type,
        mac,
    };
    Some((index, state))
}

fn read_address(payload: &[u8]) -> Option<Address> {
    let &[family, prefix, flags, scope, ..] = payload.first_chunk::<8>()?;
    let index = netlink::u32_at(payload, 4)?;
    let v4 = |value: &[u8]| value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let ip = |value: &[u8]| match i32::from(family) {
        libc::AF_INET => v4(value).map(IpAddr::V4),
        libc::AF_INET6 => value.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    };
    let (mut local, mut peer, mut label, mut broadcast, mut protocol) = (None, None, None, None, 0);
    for (id, value) in netlink::attributes(payload.get(8..)?) {
        match id {
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_LABEL => label = Some(netlink::text(value)),
            IFA_BROADCAST => broadcast = v4(value),
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let address = local.or(peer)?;
    // The same bit says "temporary" of an IPv6 address.
    let secondary = flags & IFA_F_SECONDARY != 0;
    Some(Address { index, address, prefix, scope, label, broadcast, protocol, secondary })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::object::ADDRESS_PROTOCOL;

    fn address(address: &str, prefix: u8) -> Address {
        let address: IpAddr = address.parse().unwrap();
        let v4 = address.is_ipv4();
        Address {
            index: 7,
            address,
            prefix,
            scope: 0,
            label: v4.then(|| "eth0:1".into()),
            broadcast: v4.then_some(Ipv4Addr::new(192, 168, 100, 255)),
            protocol: ADDRESS_PROTOCOL,
            secondary: false,
        }
    }

    #[test]
    fn an_add_request_reads_back_as_the_address() {
        for address in [address("192.168.100.240", 32), address("2001:db8::240", 128)] {
            let bytes = request(&Operation::Add(Object::Address(address.clone()))).for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(read(message), Some(Change::Added(Object::Address(address))));
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let bytes = request(&Operation::Add(Object::Address(address("10.0.0.1", 24)))).for_test(1);
        for length in 0..bytes.len() {
            for kind in [RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR] {
                let payload = &bytes[..length];
                let _ = read(Message { kind, flags: 0, sequence: 0, payload });
            }
        }
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_not_deleted() {
        let link = |family: u8| {
            let mut header = [0; 16];
            header[0] = family;
            header[4] = 7;
            Request::new(RTM_DELLINK, 0).fixed(&header).string(IFLA_IFNAME, "eth0").for_test(1)
        };
        let left = link(libc::AF_BRIDGE as u8);
        assert_eq!(netlink::messages(&left).next().and_then(read), None);
        let deleted = link(0);
        assert_eq!(netlink::messages(&deleted).next().and_then(read), Some(Change::LinkGone(7)));
    }
}
