//! Interfaces: what the kernel tells of one, and the requests that make one of ours.

use crate::net::kernel::{Change, LinkState};
use crate::net::link::{Kind, Link};
use crate::sys::netlink::{self, Request};

use super::{RTM_DELLINK, RTM_NEWLINK, V4, V6};

const RTM_SETLINK: u16 = 19;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_CONF: u16 = 2;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;

/// `IPV4_DEVCONF_*`, and what a macvlan of ours has: it hears a peer that is reached by another interface, answers for
/// its own addresses alone, and keeps the others when the first address of a subnet goes.
const SETTINGS: [(u16, u32); 4] =
    [(RP_FILTER, 0), (ARP_IGNORE, 1), (PROMOTE_SECONDARIES, 1), (ACCEPT_LOCAL, 1)];
const RP_FILTER: u16 = 8;
const ARP_IGNORE: u16 = 19;
const PROMOTE_SECONDARIES: u16 = 20;
const ACCEPT_LOCAL: u16 = 23;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

const HEADER: [u8; 16] = [0; 16];

pub(super) fn read(message: netlink::Message<'_>) -> Option<Change> {
    let (index, link) = read_link(message.payload)?;
    Some(if message.kind == RTM_NEWLINK { Change::Link(index, link) } else { Change::LinkGone(index) })
}

fn read_link(payload: &[u8]) -> Option<(u32, LinkState)> {
    // Bridges tell of their ports in the same messages: "deleted" means only that a port left its bridge.
    if payload.first().is_some_and(|family| i32::from(*family) == libc::AF_BRIDGE) {
        return None;
    }
    let hardware_type = netlink::u16_at(payload, 2)?;
    let index = netlink::u32_at(payload, 4)?;
    let flags = netlink::u32_at(payload, 8)?;
    let mut state = LinkState {
        name: String::new(),
        up: flags & IFF_UP != 0 && flags & IFF_RUNNING != 0,
        enabled: flags & IFF_UP != 0,
        forwards: false,
        multicast: flags & IFF_MULTICAST != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        no_arp: flags & IFF_NOARP != 0,
        mtu: 0,
        hardware_type,
        mac: Vec::new(),
        base: 0,
        kind: Kind::Other,
        group: 0,
    };
    let number = |value: &[u8]| netlink::u32_at(value, 0).unwrap_or(0);
    for (id, value) in netlink::attributes(payload.get(HEADER.len()..)?) {
        match id {
            IFLA_IFNAME => state.name = netlink::text(value),
            IFLA_ADDRESS => state.mac = value.to_vec(),
            IFLA_AF_SPEC => state.forwards = forwards_ipv6(value),
            IFLA_MTU => state.mtu = number(value),
            IFLA_LINK => state.base = number(value),
            IFLA_GROUP => state.group = number(value),
            IFLA_LINKINFO => state.kind = kind(value),
            _ => {}
        }
    }
    Some((index, state))
}

/// The first setting of IPv6, `net.ipv6.conf.IF.forwarding`.
fn forwards_ipv6(families: &[u8]) -> bool {
    let of_ipv6 = netlink::attributes(families).filter(|(family, _)| *family == u16::from(V6));
    let mut settings = of_ipv6.flat_map(|(_, value)| netlink::attributes(value));
    let settings = settings.find(|(id, _)| *id == IFLA_INET6_CONF);
    settings.and_then(|(_, values)| netlink::u32_at(values, 0)).is_some_and(|number| number != 0)
}

fn kind(info: &[u8]) -> Kind {
    let part = |wanted| netlink::attributes(info).find(|(id, _)| *id == wanted).map(|(_, value)| value);
    if part(IFLA_INFO_KIND).map(netlink::text).as_deref() != Some("macvlan") {
        return Kind::Other;
    }
    let mut data = netlink::attributes(part(IFLA_INFO_DATA).unwrap_or_default());
    let mode = data.find(|(id, _)| *id == IFLA_MACVLAN_MODE);
    Kind::Macvlan { mode: mode.and_then(|(_, value)| netlink::u32_at(value, 0)).unwrap_or(0) }
}

/// Makes it, sets it up and switches it on; each request goes on where an earlier attempt stopped. It gets no address
/// by itself, so it is switched on last.
pub(super) fn add(link: &Link) -> Vec<Request> {
    let named = |kind, flags, header: &[u8]| {
        Request::new(kind, netlink::ACK | flags).fixed(header).string(IFLA_IFNAME, link.name.as_str())
    };
    let mut create = named(RTM_NEWLINK, netlink::CREATE | netlink::EXCLUSIVE, &HEADER)
        .attribute(IFLA_LINK, &link.base.to_ne_bytes())
        .attribute(IFLA_ADDRESS, &link.mac.0);
    if let Some(group) = link.group {
        create = create.attribute(IFLA_GROUP, &group.to_ne_bytes());
    }
    if let Kind::Macvlan { mode } = link.kind {
        create = create.nest(IFLA_LINKINFO, |info| {
            info.string(IFLA_INFO_KIND, "macvlan")
                .nest(IFLA_INFO_DATA, |data| data.attribute(IFLA_MACVLAN_MODE, &mode.to_ne_bytes()))
        });
    }
    let settings = |request: Request| {
        SETTINGS.iter().fold(request, |all, (id, value)| all.attribute(*id, &value.to_ne_bytes()))
    };
    let ipv4 = named(RTM_SETLINK, 0, &HEADER).nest(IFLA_AF_SPEC, |families| {
        families.nest(V4.into(), |family| family.nest(IFLA_INET_CONF, settings))
    });
    let ipv6 = named(RTM_SETLINK, 0, &HEADER).nest(IFLA_AF_SPEC, |families| {
        families.nest(V6.into(), |family| family.attribute(IFLA_INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]))
    });
    let mut up = HEADER;
    for at in [8, 12] {
        // Flags, and which of them change.
        if let Some(field) = up.get_mut(at..at + 4) {
            field.copy_from_slice(&IFF_UP.to_ne_bytes());
        }
    }
    vec![create, ipv4, ipv6, named(RTM_SETLINK, 0, &up)]
}

/// What the answers to [`add`] amount to: the first error, but for what is there already and for a kernel without IPv6.
pub(super) fn outcome(answers: &[i32]) -> i32 {
    let tolerated = [libc::EEXIST, 0, libc::EAFNOSUPPORT, 0];
    let wrong = |(answer, tolerated): &(&i32, i32)| **answer != 0 && **answer != *tolerated;
    answers.iter().zip(tolerated).find(wrong).map_or(0, |(answer, _)| *answer)
}

pub(super) fn remove(link: &Link) -> Vec<Request> {
    let mut header = HEADER;
    if let Some(field) = header.get_mut(4..8) {
        field.copy_from_slice(&link.index.to_ne_bytes());
    }
    vec![Request::new(RTM_DELLINK, netlink::ACK).fixed(&header)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::link::{Mac, PRIVATE};
    use crate::net::rule::Device;

    fn link() -> Link {
        Link {
            name: Device::new("vrrp.51").unwrap(),
            index: 9,
            base: 2,
            mac: Mac([0, 0, 0x5e, 0, 1, 51]),
            kind: Kind::Macvlan { mode: PRIVATE },
            enabled: true,
            group: None,
        }
    }

    fn told(bytes: &[u8]) -> Option<Change> {
        netlink::messages(bytes).next().and_then(read)
    }

    #[test]
    fn what_is_asked_for_reads_back_as_the_interface() {
        let all = add(&link());
        let (create, up) = (&all[0], &all[3]);
        match told(&create.for_test(1)) {
            Some(Change::Link(_, state)) => {
                assert_eq!((state.base, state.kind, &*state.mac), (2, link().kind, &link().mac.0[..]));
                assert_eq!((&*state.name, state.enabled), ("vrrp.51", false));
            }
            other => panic!("{other:?}"),
        }
        let up = up.for_test(1);
        let up = netlink::messages(&up).next().unwrap().payload;
        assert_eq!([8, 12].map(|at| netlink::u32_at(up, at)), [Some(IFF_UP); 2]);
        let [removal] = remove(&link()).try_into().unwrap();
        assert_eq!(told(&removal.for_test(1)), Some(Change::LinkGone(9)));
    }

    #[test]
    fn another_attempt_goes_on_where_the_first_one_stopped() {
        assert_eq!(outcome(&[0, 0, 0, 0]), 0);
        assert_eq!(outcome(&[libc::EEXIST, 0, libc::EAFNOSUPPORT, 0]), 0);
        assert_eq!(outcome(&[libc::EPERM, libc::ENODEV, libc::ENODEV, libc::ENODEV]), libc::EPERM);
        assert_eq!(outcome(&[0, 0, 0, libc::EADDRINUSE]), libc::EADDRINUSE);
        assert_eq!(outcome(&[0, 0, libc::EEXIST, 0]), libc::EEXIST);
    }

    #[test]
    fn a_link_says_whether_it_forwards() {
        let told = |number: u32| {
            let header = [0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let bytes = Request::new(RTM_NEWLINK, 0).fixed(&header).nest(IFLA_AF_SPEC, |request| {
                let settings = [number, 64].map(u32::to_ne_bytes);
                request.nest(V6.into(), |request| request.attribute(IFLA_INET6_CONF, settings.as_flattened()))
            });
            match told(&bytes.for_test(1)) {
                Some(Change::Link(7, link)) => link.forwards,
                other => panic!("{other:?}"),
            }
        };
        assert!(!told(0) && told(1));
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_not_deleted() {
        let link = |family: u8| {
            let mut header = HEADER;
            header[0] = family;
            header[4] = 7;
            Request::new(RTM_DELLINK, 0).fixed(&header).string(IFLA_IFNAME, "eth0").for_test(1)
        };
        assert_eq!(told(&link(libc::AF_BRIDGE as u8)), None);
        assert_eq!(told(&link(0)), Some(Change::LinkGone(7)));
    }
}
