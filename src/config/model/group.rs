use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Protocol, Service, VirtualServer};

/// `virtual_server_group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServerGroup {
    /// The word after `virtual_server_group`.
    pub name: String,
    /// Its lines.
    pub entries: Vec<GroupEntry>,
}

/// One line of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupEntry {
    /// Every address from the first to the last, both of one family.
    Addresses {
        /// First.
        first: IpAddr,
        /// Last; not before the first.
        last: IpAddr,
        /// Port; 0: every port.
        port: u16,
    },
    /// `fwmark`.
    Fwmark {
        /// The mark.
        mark: u32,
        /// `inet`, `inet6`; `None`: the line says nothing.
        ipv6: Option<bool>,
    },
}

/// A `virtual_server group NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedServer {
    /// The group.
    pub group: String,
    /// `protocol`.
    pub protocol: Protocol,
    /// What every service of the group is like; its `service` is that of the first entry.
    pub like: VirtualServer,
}

impl GroupEntry {
    /// Its services, one by one: a range of a million addresses takes no memory.
    pub fn services(self, protocol: Protocol) -> impl Iterator<Item = Service> {
        let (first, last, port, mark) = match self {
            Self::Addresses { first, last, port } => (number(first), number(last), port, None),
            Self::Fwmark { mark, ipv6 } => (0, 0, 0, Some((mark, ipv6.unwrap_or(false)))),
        };
        let ipv6 = matches!(self, Self::Addresses { first: IpAddr::V6(_), .. });
        (first..=last).map(move |at| match mark {
            Some((mark, ipv6)) => Service::Fwmark { mark, ipv6 },
            None => Service::Address { protocol, address: SocketAddr::new(address(at, ipv6), port) },
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address(number: u128, ipv6: bool) -> IpAddr {
    match ipv6 {
        true => IpAddr::V6(Ipv6Addr::from(number)),
        false => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_its_addresses() {
        let entry = GroupEntry::Addresses {
            first: "10.0.0.254".parse().unwrap(),
            last: "10.0.1.1".parse().unwrap(),
            port: 80,
        };
        let names: Vec<String> = entry.services(Protocol::Tcp).map(|one| one.to_string()).collect();
        assert_eq!(names.first().map(String::as_str), Some("[10.0.0.254]:tcp:80"));
        assert_eq!(names.last().map(String::as_str), Some("[10.0.1.1]:tcp:80"));
        assert_eq!(names.len(), 4);
    }
}
