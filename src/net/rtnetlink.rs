//! rtnetlink messages (`rtnetlink(7)`): bytes to [`Change`]s, and [`Operation`]s to requests.
//!
//! Readers are total: what is cut short or of a kind that nobody asked for is `None`.

mod link;
mod route;
mod rule;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sys::netlink::{self, Message, Request};

use super::kernel::Change;
use super::object::{Address, Object, Operation};

pub(crate) use route::DAEMONS;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

const V4: u8 = libc::AF_INET as u8;
const V6: u8 = libc::AF_INET6 as u8;

/// Multicast groups that tell of links, and of addresses, routes and rules of IPv4 and IPv6.
pub const MONITOR_GROUPS: [u32; 7] = [1, 5, 9, 7, 11, 8, 19];

/// What a message of a dump or of the monitor says.
pub fn read(message: Message<'_>) -> Option<Change> {
    match message.kind {
        RTM_NEWLINK | RTM_DELLINK => link::read(message),
        RTM_NEWADDR => read_address(message.payload).map(|address| Change::Added(Object::Address(address))),
        RTM_DELADDR => read_address(message.payload).map(|address| Change::Removed(Object::Address(address))),
        RTM_NEWROUTE | RTM_DELROUTE => route::read(message),
        RTM_NEWRULE => rule::read(message.payload).map(|rule| Change::Added(Object::from(rule))),
        RTM_DELRULE => rule::read(message.payload).map(|rule| Change::Removed(Object::from(rule))),
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

/// Asks for all routes of both families.
pub fn dump_routes() -> Request {
    Request::new(RTM_GETROUTE, netlink::DUMP).fixed(&[0; 12])
}

/// Asks for all rules of both families.
pub fn dump_rules() -> Request {
    Request::new(RTM_GETRULE, netlink::DUMP).fixed(&[0; 12])
}

/// The requests that carry `operation` out, in their order.
pub fn requests(operation: &Operation) -> Vec<Request> {
    let add = operation.sets().is_some();
    let (Operation::Add(object) | Operation::Amend(object) | Operation::Remove(object)) = operation;
    match object {
        Object::Link(link) if add => link::add(link),
        Object::Link(link) => link::remove(link),
        Object::Address(address) => vec![address_request(address, operation)],
        Object::Route(route) => vec![route::request(route, add)],
        Object::Rule(rule) => vec![rule::request(rule, add)],
    }
}

/// What the answers to the [`requests`] of `operation` amount to (an errno; 0: done).
pub fn outcome(operation: &Operation, answers: &[i32]) -> i32 {
    match operation {
        Operation::Add(Object::Link(_)) => link::outcome(answers),
        _ => answers.iter().copied().find(|answer| *answer != 0).unwrap_or(0),
    }
}

fn address_request(address: &Address, operation: &Operation) -> Request {
    let (kind, flags) = match operation {
        // The kernel knows an IPv6 address by its value alone: of the host's own one with another prefix it would change
        // lifetimes and flags.
        Operation::Add(_) => (RTM_NEWADDR, netlink::ACK | netlink::CREATE | netlink::EXCLUSIVE),
        Operation::Amend(_) => (RTM_NEWADDR, netlink::ACK | netlink::REPLACE),
        Operation::Remove(_) => (RTM_DELADDR, netlink::ACK),
    };
    let add = operation.sets().is_some();
    let mut header = vec![family(&address.address), address.prefix, 0, address.scope];
    header.extend(address.index.to_ne_bytes());
    let mut request = Request::new(kind, flags)
        .fixed(&header)
        .attribute(IFA_LOCAL, &octets(&address.address))
        .attribute(IFA_ADDRESS, &octets(&address.peer.unwrap_or(address.address)));
    if let Some(label) = &address.label {
        request = request.string(IFA_LABEL, label);
    }
    if add {
        if let Some(broadcast) = address.broadcast {
            request = request.attribute(IFA_BROADCAST, &broadcast.octets());
        }
        if address.flags != 0 {
            request = request.attribute(IFA_FLAGS, &address.flags.to_ne_bytes());
        }
        if address.preferred.is_some() || address.valid.is_some() {
            let valid = address.valid.unwrap_or(u32::MAX);
            let lifetimes = [address.preferred.unwrap_or(valid), valid, 0, 0].map(u32::to_ne_bytes);
            request = request.attribute(IFA_CACHEINFO, lifetimes.as_flattened());
        }
        request = request.attribute(IFA_PROTO, &[address.protocol]);
    }
    request
}

/// `AF_INET` or `AF_INET6`, as headers have it.
fn family(address: &IpAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An address of a family, as an attribute has it.
fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        V4 => value.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        V6 => value.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    }
}

/// The address that stands for every address of a family.
fn any(family: u8) -> Option<IpAddr> {
    match family {
        V4 => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        V6 => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => None,
    }
}

fn read_address(payload: &[u8]) -> Option<Address> {
    let &[family, prefix, short_flags, scope, ..] = payload.first_chunk::<8>()?;
    let index = netlink::u32_at(payload, 4)?;
    let (mut local, mut other, mut label, mut broadcast, mut protocol) = (None, None, None, None, 0);
    let (mut flags, mut preferred, mut valid) = (u32::from(short_flags), None, None);
    for (id, value) in netlink::attributes(payload.get(8..)?) {
        match id {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => other = ip(family, value),
            IFA_LABEL => label = Some(netlink::text(value)),
            IFA_BROADCAST => broadcast = value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets)),
            IFA_FLAGS => flags = netlink::u32_at(value, 0)?,
            IFA_CACHEINFO => {
                preferred = netlink::u32_at(value, 0);
                valid = netlink::u32_at(value, 4).filter(|valid| *valid != u32::MAX);
            }
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let address = local.or(other)?;
    let peer = other.filter(|other| *other != address);
    // The same bit says "temporary" of an IPv6 address.
    let secondary = flags & IFA_F_SECONDARY != 0;
    let duplicate = flags & IFA_F_DADFAILED != 0;
    let tentative = flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) == IFA_F_TENTATIVE || duplicate;
    flags &= Address::ASKED;
    Some(Address {
        index,
        address,
        prefix,
        peer,
        scope,
        label,
        broadcast,
        flags,
        preferred,
        valid,
        protocol,
        secondary,
        tentative: tentative && family == V6,
        duplicate: duplicate && family == V6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::object::PROTOCOL;

    fn address(address: &str, prefix: u8) -> Address {
        let address: IpAddr = address.parse().unwrap();
        let v4 = address.is_ipv4();
        Address {
            index: 7,
            address,
            prefix,
            peer: None,
            scope: 0,
            label: v4.then(|| "eth0:1".into()),
            broadcast: v4.then_some(Ipv4Addr::new(192, 168, 100, 255)),
            flags: if v4 { Address::NO_PREFIX_ROUTE } else { Address::NO_DAD },
            preferred: (!v4).then_some(0),
            valid: None,
            protocol: PROTOCOL,
            secondary: false,
            tentative: false,
            duplicate: false,
        }
    }

    #[test]
    fn an_add_request_reads_back_as_the_address() {
        let peer = Address { peer: Some([10, 0, 0, 2].into()), ..address("10.0.0.1", 32) };
        let lasting = [address("10.0.0.1", 32), address("2001:db8::240", 128)].map(|one| one.lasting(3));
        assert_eq!(lasting.each_ref().map(|one| one.valid), [Some(3); 2]);
        assert_eq!(lasting[1].preferred, Some(0), "what is no source does not become one");
        // The kernel says it of each.
        let lasting = lasting.map(|one| Address { preferred: one.preferred.or(one.valid), ..one });
        let plain = [address("192.168.100.240", 32), address("2001:db8::240", 128), peer];
        for address in plain.into_iter().chain(lasting) {
            let bytes = requests(&Operation::Add(Object::Address(address.clone())))[0].for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(read(message), Some(Change::Added(Object::Address(address))));
        }
    }

    /// The kernel knows an IPv6 address by its value alone: to replace is to change the host's own one of another prefix.
    #[test]
    fn only_what_is_ours_already_is_replaced() {
        let flags = |operation: &Operation| {
            let bytes = requests(operation)[0].for_test(1);
            u16::from_ne_bytes([bytes[6], bytes[7]])
        };
        let one = Object::Address(address("2001:db8::240", 128));
        let [create, replace] = [netlink::CREATE | netlink::EXCLUSIVE, netlink::REPLACE];
        assert_eq!(flags(&Operation::Add(one.clone())) & (create | replace), create);
        assert_eq!(flags(&Operation::Amend(one)) & (create | replace), replace);
    }

    #[test]
    fn an_address_that_others_may_have_is_tentative() {
        let told = |address: &str, flags: u32| {
            let one = Address { flags, ..self::address(address, 24) };
            let bytes = requests(&Operation::Add(Object::Address(one)))[0].for_test(1);
            match read(netlink::messages(&bytes).next().unwrap()) {
                Some(Change::Added(Object::Address(address))) => (address.tentative, address.duplicate),
                other => panic!("{other:?}"),
            }
        };
        for (flags, tentative) in [
            (0x80, false),
            (IFA_F_TENTATIVE, true),
            (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, false),
            (IFA_F_TENTATIVE | IFA_F_DADFAILED, true),
            (IFA_F_DADFAILED, true),
        ] {
            let duplicate = flags & IFA_F_DADFAILED != 0;
            assert_eq!(told("2001:db8::240", flags), (tentative, duplicate), "{flags:x}");
        }
        assert_eq!(told("10.0.0.1", IFA_F_TENTATIVE | IFA_F_DADFAILED), (false, false));
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let bytes = requests(&Operation::Add(Object::Address(address("10.0.0.1", 24))))[0].for_test(1);
        for length in 0..bytes.len() {
            for kind in [RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR] {
                let payload = &bytes[..length];
                let _ = read(Message { kind, flags: 0, sequence: 0, payload });
            }
        }
    }
}
