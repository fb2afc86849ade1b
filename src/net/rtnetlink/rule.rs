//! Messages that tell of rules, and requests that set and remove them.

use std::net::IpAddr;

use crate::config::model::{Family, Net};
use crate::net::object::{Device, Does, PROTOCOL, Rule};
use crate::sys::netlink::{self, Request};

use super::{RTM_DELRULE, RTM_NEWRULE, V4, V6, any, ip, octets};

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

const TO_TABLE: u8 = 1;
const GOTO: u8 = 2;
const NOP: u8 = 3;
const BLACKHOLE: u8 = 6;
const UNREACHABLE: u8 = 7;
const PROHIBIT: u8 = 8;
const INVERT: u32 = 2;
/// What the kernel says for "none".
const NONE: u32 = u32::MAX;

/// The rule of a message; `None`: it is cut short, or does what nobody asks for.
pub(super) fn read(payload: &[u8]) -> Option<Rule> {
    let &[raw, to_prefix, from_prefix, tos, short_table, _, _, action, ..] = payload.first_chunk::<12>()?;
    let flags = netlink::u32_at(payload, 8)?;
    let family = match raw {
        V4 => Family::Ipv4,
        V6 => Family::Ipv6,
        _ => return None,
    };
    let longest = if family == Family::Ipv4 { 32 } else { 128 };
    if to_prefix > longest || from_prefix > longest {
        return None;
    }
    let mut rule = Rule { invert: flags & INVERT != 0, tos, ..Rule::new(family, 0, Does::Nop) };
    let (mut to, mut from) = (None, None);
    let (mut mark, mut mask) = (0, 0);
    let (mut table, mut target, mut vrf) = (u32::from(short_table), 0, false);
    for (id, value) in netlink::attributes(payload.get(12..)?) {
        let number = || netlink::u32_at(value, 0);
        let some = || number().map(|number| (number != NONE).then_some(number));
        let ports = || netlink::u16_at(value, 0).zip(netlink::u16_at(value, 2));
        match id {
            FRA_DST => to = Some(ip(raw, value)?),
            FRA_SRC => from = Some(ip(raw, value)?),
            FRA_IIFNAME => rule.input = Some(Device::new(&netlink::text(value))?),
            FRA_OIFNAME => rule.output = Some(Device::new(&netlink::text(value))?),
            FRA_GOTO => target = number()?,
            FRA_PRIORITY => rule.priority = number()?,
            FRA_FWMARK => mark = number()?,
            FRA_FWMASK => mask = number()?,
            FRA_FLOW => rule.realms = number()?,
            FRA_TUN_ID => rule.tunnel = u64::from_be_bytes(*value.first_chunk()?),
            FRA_SUPPRESS_IFGROUP => rule.suppress_group = some()?,
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix = some()?,
            FRA_TABLE => table = number()?,
            FRA_L3MDEV => vrf = *value.first()? != 0,
            FRA_UID_RANGE => rule.users = Some(number().zip(netlink::u32_at(value, 4))?),
            FRA_IP_PROTO => rule.ip_protocol = *value.first()?,
            FRA_SPORT_RANGE => rule.source_ports = Some(ports()?),
            FRA_DPORT_RANGE => rule.ports = Some(ports()?),
            _ => {}
        }
    }
    rule.mark = (mark != 0 || mask != 0).then_some((mark, mask));
    rule.to = net(raw, to, to_prefix);
    rule.from = net(raw, from, from_prefix);
    rule.does = match action {
        TO_TABLE if vrf => Does::Vrf,
        TO_TABLE => Does::Table(table),
        GOTO => Does::Goto(target),
        NOP => Does::Nop,
        BLACKHOLE => Does::Blackhole,
        UNREACHABLE => Does::Unreachable,
        PROHIBIT => Does::Prohibit,
        _ => return None,
    };
    Some(rule)
}

/// The kernel says nothing of a prefix of no length.
fn net(family: u8, address: Option<IpAddr>, prefix: u8) -> Option<Net> {
    let address = address.or_else(|| any(family))?;
    (prefix > 0).then_some(Net { address, prefix })
}

/// The request that adds or removes a rule.
pub(super) fn request(rule: &Rule, add: bool) -> Request {
    let (kind, flags) = if add {
        (RTM_NEWRULE, netlink::ACK | netlink::CREATE | netlink::EXCLUSIVE)
    } else {
        (RTM_DELRULE, netlink::ACK)
    };
    let family = if rule.family == Family::Ipv4 { V4 } else { V6 };
    let length = |net: Option<Net>| net.map_or(0, |net| net.prefix);
    let (action, table) = match rule.does {
        Does::Table(table) => (TO_TABLE, table),
        Does::Vrf => (TO_TABLE, 0),
        Does::Goto(_) => (GOTO, 0),
        Does::Nop => (NOP, 0),
        Does::Blackhole => (BLACKHOLE, 0),
        Does::Unreachable => (UNREACHABLE, 0),
        Does::Prohibit => (PROHIBIT, 0),
    };
    let short_table = u8::try_from(table).unwrap_or(0);
    let mut header = vec![family, length(rule.to), length(rule.from), rule.tos, short_table, 0, 0, action];
    header.extend((if rule.invert { INVERT } else { 0 }).to_ne_bytes());
    let mut attributes: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut put = |id: u16, value: &[u8]| attributes.push((id, value.to_vec()));
    put(FRA_PRIORITY, &rule.priority.to_ne_bytes());
    for (id, net) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        if let Some(net) = net {
            put(id, &octets(&net.address));
        }
    }
    for (id, device) in [(FRA_IIFNAME, rule.input), (FRA_OIFNAME, rule.output)] {
        if let Some(device) = device {
            let mut name = device.as_str().as_bytes().to_vec();
            name.push(0);
            put(id, &name);
        }
    }
    if let Some((mark, mask)) = rule.mark {
        put(FRA_FWMARK, &mark.to_ne_bytes());
        put(FRA_FWMASK, &mask.to_ne_bytes());
    }
    if rule.tunnel != 0 {
        put(FRA_TUN_ID, &rule.tunnel.to_be_bytes());
    }
    if let Some((from, to)) = rule.users {
        put(FRA_UID_RANGE, [from, to].map(u32::to_ne_bytes).as_flattened());
    }
    if rule.ip_protocol != 0 {
        put(FRA_IP_PROTO, &[rule.ip_protocol]);
    }
    for (id, ports) in [(FRA_SPORT_RANGE, rule.source_ports), (FRA_DPORT_RANGE, rule.ports)] {
        if let Some((from, to)) = ports {
            put(id, [from, to].map(u16::to_ne_bytes).as_flattened());
        }
    }
    match rule.does {
        Does::Table(table) => put(FRA_TABLE, &table.to_ne_bytes()),
        Does::Vrf => put(FRA_L3MDEV, &[1]),
        Does::Goto(target) => put(FRA_GOTO, &target.to_ne_bytes()),
        _ => {}
    }
    if rule.realms != 0 {
        put(FRA_FLOW, &rule.realms.to_ne_bytes());
    }
    if let Some(prefix) = rule.suppress_prefix {
        put(FRA_SUPPRESS_PREFIXLEN, &prefix.to_ne_bytes());
    }
    if let Some(group) = rule.suppress_group {
        put(FRA_SUPPRESS_IFGROUP, &group.to_ne_bytes());
    }
    if add {
        put(FRA_PROTOCOL, &[PROTOCOL]);
    }
    let request = Request::new(kind, flags).fixed(&header);
    attributes.iter().fold(request, |request, (id, value)| request.attribute(*id, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::kernel::Change;
    use crate::net::object::{Object, Operation};
    use crate::net::rtnetlink;

    fn samples() -> Vec<Rule> {
        [
            "inet priority 1000 from 10.0.0.100/32 table 201",
            "inet6 priority 1002 not to 2001:db8::/64 iif eth0 oif eth1 l3mdev",
            "inet priority 1 tos 16 fwmark 0x7/0xff tunnel-id 5 uidrange 0-99 ipproto 6 sport 1-2 dport 80-80 \
             table 1000 realms 1/2 suppress_prefixlength 0 suppress_ifgroup 3",
            "inet priority 5 goto 10",
            "inet priority 6 nop",
            "inet priority 7 blackhole",
            "inet priority 8 unreachable",
            "inet6 priority 9 prohibit",
        ]
        .map(|text| Rule::parse(text).unwrap())
        .to_vec()
    }

    #[test]
    fn a_request_reads_back_as_the_rule() {
        for rule in samples() {
            let bytes = rtnetlink::requests(&Operation::Add(Object::from(rule)))[0].for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(rtnetlink::read(message), Some(Change::Added(Object::from(rule))));
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        for rule in samples() {
            let bytes = rtnetlink::requests(&Operation::Remove(Object::from(rule)))[0].for_test(1);
            for length in 0..bytes.len() - 16 {
                let _ = read(&bytes[16..16 + length]);
            }
        }
    }
}
