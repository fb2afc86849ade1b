//! The kernel's links and IPv4 addresses as values: rtnetlink messages read into [`Kernel`], and requests
//! written from [`Operation`]s (`rtnetlink(7)`).

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use crate::sys::netlink::{self, Message, Request};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u8 = 0x01;

const IFF_UP: u32 = 0x1;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;

/// Marks our addresses (`ip address` shows it from Linux 5.18 on): the number of keepalived, so that what a
/// killed keepalived or directord left is recognised.
pub const ADDRESS_PROTOCOL: u8 = 18;

/// Multicast groups that tell of links and IPv4 addresses.
pub const MONITOR_GROUPS: [u32; 2] = [1, 5];

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub name: String,
    /// IFF_UP and IFF_RUNNING.
    pub up: bool,
    /// It resolves no addresses: announcements make no sense.
    pub no_arp: bool,
    /// ARP hardware type.
    pub hardware_type: u16,
    /// Link-layer address.
    pub mac: Vec<u8>,
}

/// One IPv4 address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// rtnetlink scope.
    pub scope: u8,
    /// Label; the interface's name unless configured.
    pub label: Option<String>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Who set it: see [`ADDRESS_PROTOCOL`].
    pub protocol: u8,
    /// Another address of the same subnet came first.
    pub secondary: bool,
}

/// What the kernel has, in its order.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    links: BTreeMap<u32, LinkState>,
    addresses: Vec<Assigned>,
}

/// One change of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Set it.
    Add(Assigned),
    /// Take it away.
    Remove(Assigned),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, a) = match self {
            Self::Add(assigned) => ("adding", assigned),
            Self::Remove(assigned) => ("removing", assigned),
        };
        write!(f, "{verb} {}/{}", a.address, a.prefix)
    }
}

/// A message that changed [`Kernel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A link appeared, vanished or changed.
    Link,
    /// An address appeared.
    AddressAdded(Assigned),
    /// An address vanished.
    AddressRemoved(Assigned),
}

impl Kernel {
    /// The interface of this name and its index.
    pub fn link_by_name(&self, name: &str) -> Option<(u32, &LinkState)> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, link)| (*index, link))
    }

    /// The interface with this index.
    pub fn link(&self, index: u32) -> Option<&LinkState> {
        self.links.get(&index)
    }

    /// All addresses, in the kernel's order.
    pub fn addresses(&self) -> &[Assigned] {
        &self.addresses
    }

    /// Takes a message of a dump or of the monitor in.
    pub fn apply(&mut self, message: Message<'_>) -> Option<Change> {
        match message.kind {
            RTM_NEWLINK => {
                let (index, link) = read_link(message.payload)?;
                let same = self.links.get(&index) == Some(&link);
                self.links.insert(index, link);
                (!same).then_some(Change::Link)
            }
            RTM_DELLINK => {
                let (index, _) = read_link(message.payload)?;
                self.addresses.retain(|assigned| assigned.index != index);
                self.links.remove(&index).map(|_| Change::Link)
            }
            RTM_NEWADDR => {
                let assigned = read_address(message.payload)?;
                self.added(assigned.clone()).then_some(Change::AddressAdded(assigned))
            }
            RTM_DELADDR => {
                let assigned = read_address(message.payload)?;
                self.removed(&assigned).then_some(Change::AddressRemoved(assigned))
            }
            _ => None,
        }
    }

    /// Takes an operation in that the kernel has carried out.
    pub fn carried_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Add(assigned) => drop(self.added(assigned.clone())),
            Operation::Remove(assigned) => drop(self.removed(assigned)),
        }
    }

    fn added(&mut self, assigned: Assigned) -> bool {
        match self.addresses.iter_mut().find(|known| same_address(known, &assigned)) {
            Some(known) => std::mem::replace(known, assigned.clone()) != assigned,
            None => {
                self.addresses.push(assigned);
                true
            }
        }
    }

    fn removed(&mut self, assigned: &Assigned) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|known| !same_address(known, assigned));
        self.addresses.len() != before
    }
}

/// The kernel knows an address by these.
fn same_address(a: &Assigned, b: &Assigned) -> bool {
    (a.index, a.address, a.prefix) == (b.index, b.address, b.prefix)
}

/// Asks for all links.
pub fn dump_links() -> Request {
    Request::new(RTM_GETLINK, netlink::DUMP).fixed(&[0; 16])
}

/// Asks for all IPv4 addresses.
pub fn dump_addresses() -> Request {
    Request::new(RTM_GETADDR, netlink::DUMP).fixed(&[libc::AF_INET as u8, 0, 0, 0, 0, 0, 0, 0])
}

/// The request that carries `operation` out.
pub fn request(operation: &Operation) -> Request {
    let (kind, flags, a) = match operation {
        Operation::Add(a) => (RTM_NEWADDR, netlink::ACK | netlink::CREATE | netlink::EXCLUSIVE, a),
        Operation::Remove(a) => (RTM_DELADDR, netlink::ACK, a),
    };
    let mut header = vec![libc::AF_INET as u8, a.prefix, 0, a.scope];
    header.extend(a.index.to_ne_bytes());
    let octets = a.address.octets();
    let mut request = Request::new(kind, flags)
        .fixed(&header)
        .attribute(IFA_LOCAL, &octets)
        .attribute(IFA_ADDRESS, &octets);
    if let Some(label) = &a.label {
        request = request.string(IFA_LABEL, label);
    }
    if let (Operation::Add(_), Some(broadcast)) = (operation, a.broadcast) {
        request = request.attribute(IFA_BROADCAST, &broadcast.octets());
    }
    if matches!(operation, Operation::Add(_)) {
        request = request.attribute(IFA_PROTO, &[a.protocol]);
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
    let (mut name, mut mac) = (String::new(), Vec::new());
    for (id, value) in netlink::attributes(payload.get(16..)?) {
        match id {
            IFLA_IFNAME => name = netlink::text(value),
            IFLA_ADDRESS => mac = value.to_vec(),
            _ => {}
        }
    }
    let up = flags & IFF_UP != 0 && flags & IFF_RUNNING != 0;
    Some((index, LinkState { name, up, no_arp: flags & IFF_NOARP != 0, hardware_type, mac }))
}

fn read_address(payload: &[u8]) -> Option<Assigned> {
    let &[family, prefix, flags, scope, ..] = payload.first_chunk::<8>()?;
    if i32::from(family) != libc::AF_INET {
        return None;
    }
    let index = netlink::u32_at(payload, 4)?;
    let ipv4 = |value: &[u8]| value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let (mut local, mut peer, mut label, mut broadcast, mut protocol) = (None, None, None, None, 0);
    for (id, value) in netlink::attributes(payload.get(8..)?) {
        match id {
            IFA_LOCAL => local = ipv4(value),
            IFA_ADDRESS => peer = ipv4(value),
            IFA_LABEL => label = Some(netlink::text(value)),
            IFA_BROADCAST => broadcast = ipv4(value),
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let address = local.or(peer)?;
    let secondary = flags & IFA_F_SECONDARY != 0;
    Some(Assigned { index, address, prefix, scope, label, broadcast, protocol, secondary })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned() -> Assigned {
        Assigned {
            index: 7,
            address: Ipv4Addr::new(192, 168, 100, 240),
            prefix: 32,
            scope: 0,
            label: Some("eth0:1".into()),
            broadcast: Some(Ipv4Addr::new(192, 168, 100, 255)),
            protocol: ADDRESS_PROTOCOL,
            secondary: false,
        }
    }

    #[test]
    fn an_add_request_reads_back_as_the_address() {
        let bytes = request(&Operation::Add(assigned())).for_test(1);
        let message = netlink::messages(&bytes).next().unwrap();
        let mut kernel = Kernel::default();
        assert_eq!(kernel.apply(message), Some(Change::AddressAdded(assigned())));
        assert_eq!(kernel.apply(message), None, "the same again is no change");
        assert_eq!(kernel.addresses(), [assigned()]);
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_not_deleted() {
        let link = |kind: u16, family: u8| {
            let mut header = [0; 16];
            header[0] = family;
            header[4] = 7;
            Request::new(kind, 0).fixed(&header).string(IFLA_IFNAME, "eth0").for_test(1)
        };
        let mut kernel = Kernel::default();
        kernel.apply(netlink::messages(&link(RTM_NEWLINK, 0)).next().unwrap());
        let left = link(RTM_DELLINK, libc::AF_BRIDGE as u8);
        assert_eq!(kernel.apply(netlink::messages(&left).next().unwrap()), None);
        assert!(kernel.link_by_name("eth0").is_some());
        let deleted = link(RTM_DELLINK, 0);
        assert_eq!(kernel.apply(netlink::messages(&deleted).next().unwrap()), Some(Change::Link));
    }

    #[test]
    fn what_was_carried_out_is_no_news_when_the_kernel_tells_it() {
        let mut kernel = Kernel::default();
        kernel.carried_out(&Operation::Add(assigned()));
        let bytes = request(&Operation::Remove(assigned())).for_test(1);
        kernel.carried_out(&Operation::Remove(assigned()));
        assert_eq!(kernel.apply(netlink::messages(&bytes).next().unwrap()), None);
    }
}
