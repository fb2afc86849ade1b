//! What a process may have set, in the words of a file that outlives it: the index of an interface does not.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::config::model::{Family, InterfaceName, Net};
use crate::net::kernel::Kernel;
use crate::net::object::{Device, Key, Object, Operation, RouteKey, Rule, Start};
use crate::net::settings::{Held, Setting};

use super::firewall::drops;
use super::needs::{self, Setup};

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// An address.
    Address {
        /// Name of the interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// Prefix length.
        prefix: u8,
    },
    /// A route.
    Route {
        /// Name of the interface that it leads to, of a route that is told from others by it.
        interface: Option<String>,
        /// The rest; its index means nothing.
        key: RouteKey,
    },
    /// A rule.
    Rule(Rule),
    /// An interface: its name.
    Link(String),
    /// A setting of the kernel that was changed.
    Setting {
        /// Which one.
        setting: Setting,
        /// What it was.
        before: u32,
        /// What it was set to.
        now: u32,
    },
    /// A table of nftables.
    Table(String),
}

impl Claim {
    /// `None`: its interface is gone, and so is the object.
    pub(super) fn of(key: &Key, kernel: &Kernel) -> Option<Self> {
        let name = |index| Some(kernel.link(index)?.name.clone());
        Some(match key {
            Key::Address { index, address, prefix } => {
                Self::Address { interface: name(*index)?, address: *address, prefix: *prefix }
            }
            Key::Route(key) => match key.start {
                Start::Link(index) if index != 0 => Self::Route {
                    interface: Some(name(index)?),
                    key: RouteKey { start: Start::Link(0), ..**key },
                },
                _ => Self::Route { interface: None, key: **key },
            },
            Key::Rule(rule) => Self::Rule(**rule),
            Key::Link(name) => Self::Link(name.as_str().to_owned()),
        })
    }

    pub(super) fn setting(setting: &Setting, held: &Held) -> Self {
        Self::Setting { setting: setting.clone(), before: held.before, now: held.now }
    }

    /// What was changed, of a setting.
    pub(super) fn held(&self) -> Option<(Setting, Held)> {
        match self {
            Self::Setting { setting, before, now } => {
                Some((setting.clone(), Held { before: *before, now: *now, index: 0 }))
            }
            _ => None,
        }
    }

    /// The keys that it means now. Everything on an interface of ours is ours. An interface that is not found by its name may have another one by now.
    pub(super) fn find(&self, kernel: &Kernel) -> Vec<Key> {
        let there = |key: Key| kernel.object(&key).is_some().then_some(key);
        let (interface, on): (&str, &dyn Fn(u32) -> Key) = match self {
            Self::Address { interface, address, prefix } => {
                (interface, &|index| Key::Address { index, address: *address, prefix: *prefix })
            }
            Self::Route { interface: Some(interface), key } => {
                (interface, &|index| Key::from(RouteKey { start: Start::Link(index), ..*key }))
            }
            Self::Route { interface: None, key } => return there(Key::from(*key)).into_iter().collect(),
            Self::Rule(rule) => return there(Key::from(*rule)).into_iter().collect(),
            Self::Link(name) => {
                let link = Device::new(name).and_then(|name| there(Key::Link(name)));
                let index = link.as_ref().and_then(|_| kernel.link_by_name(name)).map(|(index, _)| index);
                let addresses = index.into_iter().flat_map(|index| kernel.addresses_of(index));
                let addresses = addresses.map(|address| Object::Address(address.clone()).key());
                return link.into_iter().chain(addresses).collect();
            }
            Self::Setting { .. } => return Vec::new(),
            Self::Table(_) => return Vec::new(),
        };
        match kernel.link_by_name(interface) {
            Some((index, _)) => there(on(index)).into_iter().collect(),
            None => kernel.links().filter_map(|(index, _)| there(on(index))).collect(),
        }
    }

    /// What [`fmt::Display`] wrote; `None`: it is not understood.
    pub fn parse(line: &str) -> Option<Self> {
        let (first, rest) = line.split_once(' ')?;
        // An interface may be called so; what follows it is no family.
        let of_family = Family::from_word(rest.split(' ').next()?).is_some();
        match first {
            "route" if of_family => parse_route(rest),
            "rule" if of_family => Rule::parse(rest).map(Self::Rule),
            "interface" if InterfaceName::new(rest).is_ok() => Some(Self::Link(rest.to_owned())),
            "setting" if rest.contains(' ') => parse_setting(rest),
            "table" if parse_net(rest).is_none() => {
                let is_name = !rest.contains(|c: char| c.is_whitespace() || c.is_control());
                is_name.then(|| Self::Table(rest.to_owned()))
            }
            _ => {
                let (address, prefix) = parse_net(rest)?;
                let interface = InterfaceName::new(first).ok()?.to_string();
                Some(Self::Address { interface, address, prefix })
            }
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { interface, address, prefix } => write!(f, "{interface} {address}/{prefix}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
            Self::Link(name) => write!(f, "interface {name}"),
            Self::Setting { setting, before, now } => write!(f, "setting {setting} {before} {now}"),
            Self::Table(name) => write!(f, "table {name}"),
            Self::Route { interface, key } => {
                let RouteKey { table, to, prefix, from, tos, metric, start, protocol } = key;
                write!(f, "route {} to {to}/{prefix}", Family::of(*to).word())?;
                if let Some(Net { address, prefix }) = from {
                    write!(f, " from {address}/{prefix}")?;
                }
                match (start, interface) {
                    (Start::Gateway(via), _) => write!(f, " via {via}")?,
                    (Start::Link(_), Some(interface)) => write!(f, " dev {interface}")?,
                    (Start::Link(_), None) | (Start::Any, _) => {}
                }
                write!(f, " table {table} tos {tos} metric {metric} protocol {protocol}")
            }
        }
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn parse_net(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= Family::of(address).bits())?;
    Some((address, prefix))
}

fn parse_setting(text: &str) -> Option<Claim> {
    let (rest, now) = text.rsplit_once(' ')?;
    let (path, before) = rest.rsplit_once(' ')?;
    let (before, now) = (before.parse().ok()?, now.parse().ok()?);
    Some(Claim::Setting { setting: Setting::parse(path)?, before, now })
}

fn parse_route(text: &str) -> Option<Claim> {
    let mut words = text.split(' ');
    let family = Family::from_word(words.next()?)?;
    (words.next()? == "to").then_some(())?;
    let (to, prefix) = parse_net(words.next()?)?;
    (Family::of(to) == family).then_some(())?;
    let mut key =
        RouteKey { table: 0, to, prefix, from: None, tos: 0, metric: 0, start: Start::Any, protocol: 0 };
    let mut interface = None;
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word {
            "from" => {
                let (address, prefix) = parse_net(value)?;
                key.from = Some(Net { address, prefix });
            }
            "via" => key.start = Start::Gateway(value.parse().ok()?),
            "dev" => {
                key.start = Start::Link(0);
                interface = Some(InterfaceName::new(value).ok()?.to_string());
            }
            "table" => key.table = value.parse().ok()?,
            "tos" => key.tos = value.parse().ok()?,
            "metric" => key.metric = value.parse().ok()?,
            "protocol" => key.protocol = value.parse().ok()?,
            _ => return None,
        }
    }
    (!matches!(key.start, Start::Gateway(_)) || interface.is_none()).then_some(())?;
    Some(Claim::Route { interface, key })
}

/// What takes away of the kernel what `claims` name: addresses, routes, rules, interfaces with all that is on them. What
/// others need goes after them.
pub fn removals(claims: &BTreeSet<Claim>, kernel: &Kernel) -> Vec<Operation> {
    let keys: BTreeSet<Key> = claims.iter().flat_map(|claim| claim.find(kernel)).collect();
    let removal = |key: Key| {
        Some(Operation::Remove(match kernel.object(&key)? {
            Object::Route(route) => Object::from(route.our_part()),
            other => other.clone(),
        }))
    };
    let mut operations: Vec<Operation> = keys.into_iter().filter_map(removal).collect();
    operations.sort_by_key(|operation| Reverse(operation.rank()));
    operations
}

/// What `setup` may set without touching what is the host's: what the kernel has and `record` does not name is.
pub fn new_claims(setup: &Setup, record: &BTreeSet<Claim>, kernel: &Kernel) -> BTreeSet<Claim> {
    let setup = setup.clone().complete();
    let of_instances = setup.instances.iter().map(|one| needs::of_instance(one, kernel));
    let all = of_instances.chain([needs::of_statics(&setup.statics, kernel)]);
    let claim = |key: &Key| {
        let claim = Claim::of(key, kernel)?;
        let hosts = kernel.object(key).is_some() && !record.contains(&claim);
        (!hosts).then_some(claim)
    };
    let table = setup.instances.iter().any(drops).then(|| Claim::Table(setup.filter.table.clone()));
    let mut claims: BTreeSet<Claim> = table.into_iter().collect();
    for needs in all {
        claims.extend(needs.keys().filter_map(claim));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for line in [
            "eth0 10.0.0.1/24",
            "route 10.0.0.1/24",
            "route inet to 10.9.0.0/16 via 10.0.0.1 table 254 tos 0 metric 30 protocol 18",
            "route inet to 0.0.0.0/0 dev eth0 table 1000 tos 16 metric 0 protocol 18",
            "route inet6 to 2001:db8::/32 from 2001:db8:1::/48 table 254 tos 0 metric 1024 protocol 0",
            "rule inet priority 1000 from 10.0.0.1/32 table 201",
            "interface vrrp.51",
            "interface 10.0.0.1/24",
            "setting net/ipv4/conf/eth0.7/arp_ignore 0 1",
            "table keepalived",
            "table 10.0.0.1/24",
        ] {
            assert_eq!(Claim::parse(line).map(|claim| claim.to_string()).as_deref(), Some(line));
        }
        for wrong in [
            "route inet",
            "route inet to 10.0.0.0/33",
            "route inet6 to 10.0.0.0/8",
            "rule inet 1",
            "setting kernel/panic 0 1",
            "setting net/ipv4/conf/eth0/arp_ignore 1",
            "interface a b",
            "table a b",
            "table a\r",
            "eth0",
            "",
        ] {
            assert_eq!(Claim::parse(wrong), None, "{wrong}");
        }
    }
}
