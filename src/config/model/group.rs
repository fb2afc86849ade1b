use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Family, Forwarding, Protocol, Service, ServiceGroup, VirtualServer};

/// Services of one group: each is an entry of the kernel's table, with every real server.
const SERVICES: usize = 65_536;

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
        /// `None`: the line says nothing.
        family: Option<Family>,
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

impl GroupedServer {
    /// The virtual server with the services of its group that nobody has yet; they are put to `taken`. `index`: how
    /// many virtual servers of the same group stand before it. Error: why there is nothing to serve.
    pub fn with_services(
        &self,
        group: Option<&VirtualServerGroup>,
        index: usize,
        taken: &mut BTreeSet<Service>,
    ) -> Result<VirtualServer, &'static str> {
        let group = group.filter(|group| !group.entries.is_empty()).ok_or("the group has no address")?;
        let like = &self.like;
        let mut services = Vec::new();
        for entry in &group.entries {
            let entry = match *entry {
                GroupEntry::Fwmark { mark, family: None } => {
                    GroupEntry::Fwmark { mark, family: Some(like.service.family()) }
                }
                entry => entry,
            };
            let new = entry.services(self.protocol).filter(|service| !taken.contains(service));
            services.extend(new.take(SERVICES + 1 - services.len()));
            if services.len() > SERVICES {
                return Err("the group has more than 65536 addresses");
            }
        }
        // The first says of which protocol the real servers are: a mark has none.
        services.sort_unstable_by_key(|service| (matches!(service, Service::Fwmark { .. }), *service));
        services.dedup();
        let tunnel = |forwarding| {
            matches!(forwarding, Forwarding::Gre { .. } | Forwarding::Gue { .. } | Forwarding::Ipip)
        };
        let reals = like.real_servers.iter().map(|real| (real.address, real.forwarding));
        let mut servers = reals.chain(like.sorry_server.map(|sorry| (sorry.address, sorry.forwarding)));
        let reached = |service: &Service, address: SocketAddr, forwarding| {
            Family::of(address.ip()) == service.family() || tunnel(forwarding)
        };
        let all = servers.all(|(address, forwarding)| {
            services.iter().all(|service| reached(service, address, forwarding))
        });
        if !all {
            return Err("its group has addresses of a family that its real servers do not have");
        }
        taken.extend(services.iter().copied());
        let (first, others) =
            services.split_first().ok_or("another virtual server has all addresses of the group")?;
        let group = ServiceGroup { name: self.group.clone(), index, others: others.to_vec() };
        Ok(VirtualServer { service: *first, group: Some(group), ..like.clone() })
    }
}

impl GroupEntry {
    /// Its services, one by one: a range of a million addresses takes no memory.
    pub fn services(self, protocol: Protocol) -> impl Iterator<Item = Service> {
        let (first, last, port, mark) = match self {
            Self::Addresses { first, last, port } => (number(first), number(last), port, None),
            Self::Fwmark { mark, family } => (0, 0, 0, Some((mark, family.unwrap_or_default()))),
        };
        let family = match self {
            Self::Addresses { first, .. } => Family::of(first),
            Self::Fwmark { .. } => Family::default(),
        };
        (first..=last).map(move |at| match mark {
            Some((mark, family)) => Service::Fwmark { mark, family },
            None => Service::Address { protocol, address: SocketAddr::new(address(at, family), port) },
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address(number: u128, family: Family) -> IpAddr {
    match family {
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(number)),
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
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
