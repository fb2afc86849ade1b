//! A rule of policy routing. All that is said of it is what the kernel tells it by.

use std::fmt;

use crate::config::model::{Family, InterfaceName, Net};

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Of which packets.
    pub family: Family,
    /// Rules are looked at in this order.
    pub priority: u32,
    /// Packets that the rest does not fit.
    pub invert: bool,
    /// Source.
    pub from: Option<Net>,
    /// Destination.
    pub to: Option<Net>,
    /// Type of service; 0: any.
    pub tos: u8,
    /// Firewall mark and its mask.
    pub mark: Option<(u32, u32)>,
    /// Interface that the packet came from.
    pub input: Option<Device>,
    /// Interface that the sending socket is bound to.
    pub output: Option<Device>,
    /// Identifier of the tunnel; 0: any.
    pub tunnel: u64,
    /// Users of the sending socket, from and to.
    pub users: Option<(u32, u32)>,
    /// Protocol above IP; 0: any.
    pub ip_protocol: u8,
    /// Source ports, from and to.
    pub source_ports: Option<(u16, u16)>,
    /// Destination ports, from and to.
    pub ports: Option<(u16, u16)>,
    /// What becomes of the packet.
    pub does: Does,
    /// Realms, source in the upper half; 0: none.
    pub realms: u32,
    /// Routes of this prefix length and shorter do not count.
    pub suppress_prefix: Option<u32>,
    /// Routes through interfaces of this group do not count.
    pub suppress_group: Option<u32>,
}

/// What becomes of a packet that a rule fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// A table is looked up.
    Table(u32),
    /// The table of the VRF of its interface is looked up.
    Vrf,
    /// Go on at another rule.
    Goto(u32),
    /// Nothing.
    Nop,
    /// It is dropped.
    Blackhole,
    /// The sender is told that the destination is unreachable.
    Unreachable,
    /// The sender is told that it is prohibited.
    Prohibit,
}

/// Name of an interface, in a form that is copied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device([u8; 15]);

impl Device {
    /// `None`: no interface has such a name.
    pub fn new(name: &str) -> Option<Self> {
        InterfaceName::new(name).ok().as_ref().map(Self::from)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl From<&InterfaceName> for Device {
    fn from(name: &InterfaceName) -> Self {
        let mut bytes = [0; 15];
        for (to, from) in bytes.iter_mut().zip(name.as_str().bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(&self.as_str()).finish()
    }
}

/// As `ip rule` has it; what it writes is read again by [`Rule::parse`].
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} priority {}", self.family.word(), self.priority)?;
        if self.invert {
            f.write_str(" not")?;
        }
        for (word, net) in [("from", self.from), ("to", self.to)] {
            if let Some(Net { address, prefix }) = net {
                write!(f, " {word} {address}/{prefix}")?;
            }
        }
        if self.tos != 0 {
            write!(f, " tos {}", self.tos)?;
        }
        if let Some((mark, mask)) = self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        for (word, device) in [("iif", self.input), ("oif", self.output)] {
            if let Some(device) = device {
                write!(f, " {word} {}", device.as_str())?;
            }
        }
        if self.tunnel != 0 {
            write!(f, " tunnel-id {}", self.tunnel)?;
        }
        if let Some((from, to)) = self.users {
            write!(f, " uidrange {from}-{to}")?;
        }
        if self.ip_protocol != 0 {
            write!(f, " ipproto {}", self.ip_protocol)?;
        }
        for (word, ports) in [("sport", self.source_ports), ("dport", self.ports)] {
            if let Some((from, to)) = ports {
                write!(f, " {word} {from}-{to}")?;
            }
        }
        match self.does {
            Does::Table(table) => write!(f, " table {table}")?,
            Does::Vrf => f.write_str(" l3mdev")?,
            Does::Goto(target) => write!(f, " goto {target}")?,
            Does::Nop => f.write_str(" nop")?,
            Does::Blackhole => f.write_str(" blackhole")?,
            Does::Unreachable => f.write_str(" unreachable")?,
            Does::Prohibit => f.write_str(" prohibit")?,
        }
        if self.realms != 0 {
            write!(f, " realms {}/{}", self.realms >> 16, self.realms & 0xffff)?;
        }
        if let Some(prefix) = self.suppress_prefix {
            write!(f, " suppress_prefixlength {prefix}")?;
        }
        if let Some(group) = self.suppress_group {
            write!(f, " suppress_ifgroup {group}")?;
        }
        Ok(())
    }
}

impl Rule {
    /// A rule that fits every packet.
    pub fn new(family: Family, priority: u32, does: Does) -> Self {
        Self {
            family,
            priority,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            mark: None,
            input: None,
            output: None,
            tunnel: 0,
            users: None,
            ip_protocol: 0,
            source_ports: None,
            ports: None,
            does,
            realms: 0,
            suppress_prefix: None,
            suppress_group: None,
        }
    }

    /// What [`fmt::Display`] wrote; `None`: it is not understood.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let family = Family::from_word(words.next()?)?;
        (words.next()? == "priority").then_some(())?;
        let priority = words.next()?.parse().ok()?;
        let mut does = None;
        let mut rule = Self::new(family, priority, Does::Nop);
        while let Some(word) = words.next() {
            let mut set = |action| (does.replace(action).is_none()).then_some(());
            match word {
                "not" => {
                    rule.invert = true;
                    continue;
                }
                "l3mdev" => set(Does::Vrf)?,
                "nop" => set(Does::Nop)?,
                "blackhole" => set(Does::Blackhole)?,
                "unreachable" => set(Does::Unreachable)?,
                "prohibit" => set(Does::Prohibit)?,
                _ => {
                    let value = words.next()?;
                    match word {
                        "from" => rule.from = Some(net(value, family)?),
                        "to" => rule.to = Some(net(value, family)?),
                        "tos" => rule.tos = value.parse().ok()?,
                        "fwmark" => rule.mark = Some(mark(value)?),
                        "iif" => rule.input = Some(Device::new(value)?),
                        "oif" => rule.output = Some(Device::new(value)?),
                        "tunnel-id" => rule.tunnel = value.parse().ok()?,
                        "uidrange" => rule.users = Some(range(value, '-')?),
                        "ipproto" => rule.ip_protocol = value.parse().ok()?,
                        "sport" => rule.source_ports = Some(range(value, '-')?),
                        "dport" => rule.ports = Some(range(value, '-')?),
                        "table" => set(Does::Table(value.parse().ok()?))?,
                        "goto" => set(Does::Goto(value.parse().ok()?))?,
                        "realms" => {
                            let (from, to) = range::<u16>(value, '/')?;
                            rule.realms = u32::from(from) << 16 | u32::from(to);
                        }
                        "suppress_prefixlength" => rule.suppress_prefix = Some(value.parse().ok()?),
                        "suppress_ifgroup" => rule.suppress_group = Some(value.parse().ok()?),
                        _ => return None,
                    }
                }
            }
        }
        rule.does = does?;
        Some(rule)
    }
}

/// `ADDRESS/LENGTH` of a family.
pub(super) fn net(text: &str, family: Family) -> Option<Net> {
    let (address, prefix) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest)?;
    (Family::of(address) == family).then_some(Net { address, prefix })
}

fn range<T: std::str::FromStr>(text: &str, between: char) -> Option<(T, T)> {
    let (from, to) = text.split_once(between)?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn mark(text: &str) -> Option<(u32, u32)> {
    let (mark, mask) = text.split_once('/')?;
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    Some((number(mark)?, number(mask)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let full = Rule {
            invert: true,
            from: net("10.0.0.0/8", Family::Ipv4),
            to: net("0.0.0.0/0", Family::Ipv4),
            tos: 16,
            mark: Some((7, 0xff)),
            input: Device::new("eth0"),
            output: Device::new("fifteen-letters"),
            tunnel: u64::MAX,
            users: Some((0, u32::MAX)),
            ip_protocol: 6,
            source_ports: Some((1, 2)),
            ports: Some((80, 80)),
            realms: 0x0003_0004,
            suppress_prefix: Some(0),
            suppress_group: Some(3),
            ..Rule::new(Family::Ipv4, 1000, Does::Table(201))
        };
        assert_eq!(Rule::parse(&full.to_string()), Some(full));
        for does in [Does::Vrf, Does::Goto(7), Does::Nop, Does::Blackhole, Does::Unreachable, Does::Prohibit]
        {
            let rule = Rule::new(Family::Ipv6, 0, does);
            assert_eq!(Rule::parse(&rule.to_string()), Some(rule));
        }
        let short = "inet priority 1000 from 10.0.0.1/32 table 201";
        assert_eq!(Rule::parse(short).unwrap().to_string(), short);
        for wrong in
            ["", "inet", "inet priority 1", "inet priority 1 from 10.0.0.1/33 nop", "inet priority 1 nop nop"]
        {
            assert_eq!(Rule::parse(wrong), None, "{wrong}");
        }
    }
}
