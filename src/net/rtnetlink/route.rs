//! Messages that tell of routes, and requests that set and remove them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::model::{Encap, Family, Net};
use crate::net::kernel::Change;
use crate::net::object::{Hop, Object, PROTOCOL, Route};
use crate::net::route::LOCAL;
use crate::sys::netlink::{self, Message, Request};

use super::{RTM_DELROUTE, RTM_NEWROUTE, V4, V6, any, family, ip, octets};

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTAX_CC_ALGO: u16 = 16;

const RTNH_F_ONLINK: u8 = 4;
const RTM_F_CLONED: u32 = 0x200;
const SCOPE_NOWHERE: u8 = 255;

const ENCAP_MPLS: u16 = 1;
const ENCAP_IP: u16 = 2;
const ENCAP_ILA: u16 = 3;
const ENCAP_IP6: u16 = 4;
const TUNNEL_ID: u16 = 1;
const TUNNEL_TO: u16 = 2;
const TUNNEL_FROM: u16 = 3;
/// Of IPv6: the hop limit.
const TUNNEL_TTL: u16 = 4;
const TUNNEL_TOS: u16 = 5;
const TUNNEL_FLAGS: u16 = 6;

/// The protocols of routing daemons, whose tables may have millions of routes: none of ours is among them.
pub(crate) const DAEMONS: [u8; 14] = [8, 11, 12, 14, 15, 17, 42, 84, 99, 186, 187, 188, 189, 192];

/// What a message says of a route that may be one of ours or stand in its place. Of IPv4, routes of others stand beside
/// ours; of IPv6 there is one of each destination and metric.
pub(super) fn read(message: Message<'_>) -> Option<Change> {
    let payload = message.payload;
    let &[family, ..] = payload.first_chunk::<12>()?;
    let replaces = message.kind == RTM_NEWROUTE && message.flags & netlink::REPLACE != 0 && family == V4;
    let route = decode(payload)?;
    let matters = match family {
        V4 => route.protocol == PROTOCOL,
        _ => route.table != LOCAL && !DAEMONS.contains(&route.protocol),
    };
    match message.kind {
        RTM_NEWROUTE if replaces => Some(Change::Replaced(route)),
        _ if !matters => None,
        RTM_NEWROUTE => Some(Change::Added(Object::from(route))),
        RTM_DELROUTE => Some(Change::Removed(Object::from(route))),
        _ => None,
    }
}

fn decode(payload: &[u8]) -> Option<Route> {
    let &[family, prefix, from_prefix, tos, table, protocol, scope, kind, ..] =
        payload.first_chunk::<12>()?;
    let flags = netlink::u32_at(payload, 8)?;
    if flags & RTM_F_CLONED != 0 || !matches!(family, V4 | V6) {
        return None;
    }
    let longest = if family == V4 { 32 } else { 128 };
    if prefix > longest || from_prefix > longest {
        return None;
    }
    let mut route = Route {
        table: table.into(),
        to: any(family)?,
        prefix,
        from: None,
        tos,
        metric: 0,
        kind,
        scope,
        protocol,
        source: None,
        hops: Vec::new(),
        metrics: BTreeMap::new(),
        congestion: None,
        expires: None,
        preference: None,
        propagate: None,
        append: false,
    };
    let mut from = None;
    let mut hop = Reader::new(family);
    for (id, value) in netlink::attributes(payload.get(12..)?) {
        match id {
            RTA_DST => route.to = ip(family, value)?,
            RTA_SRC => from = Some(ip(family, value)?),
            RTA_PRIORITY => route.metric = netlink::u32_at(value, 0)?,
            RTA_PREFSRC => route.source = Some(ip(family, value)?),
            RTA_TABLE => route.table = netlink::u32_at(value, 0)?,
            RTA_PREF => route.preference = value.first().copied(),
            RTA_EXPIRES => route.expires = netlink::u32_at(value, 0),
            RTA_TTL_PROPAGATE => route.propagate = value.first().map(|byte| *byte != 0),
            RTA_METRICS => {
                for (kind, value) in netlink::attributes(value) {
                    if kind == RTAX_CC_ALGO {
                        route.congestion = Some(netlink::text(value));
                    } else {
                        route.metrics.insert(kind, netlink::u32_at(value, 0)?);
                    }
                }
            }
            RTA_MULTIPATH => route.hops = multipath(family, value)?,
            _ => hop.attribute(id, value)?,
        }
    }
    route.from = (from_prefix > 0).then(|| Some(Net { address: from?, prefix: from_prefix })).flatten();
    if route.hops.is_empty() {
        let [flag, ..] = flags.to_le_bytes();
        route.hops.extend(hop.finish(flag));
    }
    Some(route)
}

fn multipath(family: u8, mut bytes: &[u8]) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(netlink::u16_at(bytes, 0)?);
        let entry = bytes.get(..length)?;
        let &[_, _, flags, weight, ..] = entry.first_chunk::<8>()?;
        let index = netlink::u32_at(entry, 4)?;
        let mut hop = Reader::new(family);
        for (id, value) in netlink::attributes(entry.get(8..)?) {
            hop.attribute(id, value)?;
        }
        let known = hop.finish(flags).unwrap_or_default();
        hops.push(Hop { index, weight, ..known });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(hops)
}

/// The attributes of one hop.
struct Reader<'a> {
    family: u8,
    hop: Hop,
    encap_kind: u16,
    encap: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    fn new(family: u8) -> Self {
        Self { family, hop: Hop::default(), encap_kind: 0, encap: None }
    }

    /// `None`: it is cut short.
    fn attribute(&mut self, id: u16, value: &'a [u8]) -> Option<()> {
        match id {
            RTA_GATEWAY => self.hop.via = Some(ip(self.family, value)?),
            RTA_VIA => {
                let [family, _] = netlink::u16_at(value, 0)?.to_le_bytes();
                self.hop.via = Some(ip(family, value.get(2..)?)?);
            }
            RTA_OIF => self.hop.index = netlink::u32_at(value, 0)?,
            RTA_FLOW => self.hop.realms = Some(netlink::u32_at(value, 0)?),
            RTA_ENCAP_TYPE => self.encap_kind = netlink::u16_at(value, 0)?,
            RTA_ENCAP => self.encap = Some(value),
            _ => {}
        }
        Some(())
    }

    /// `None`: there is none.
    fn finish(mut self, flags: u8) -> Option<Hop> {
        self.hop.onlink = flags & RTNH_F_ONLINK != 0;
        self.hop.encap = self.encap.and_then(|value| decode_encap(self.encap_kind, value));
        (self.hop.via.is_some() || self.hop.index != 0).then_some(self.hop)
    }
}

/// `None`: of a kind that is not asked for.
fn decode_encap(kind: u16, value: &[u8]) -> Option<Encap> {
    let long = |value: &[u8]| value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let attributes = || netlink::attributes(value);
    match kind {
        ENCAP_MPLS => {
            let (_, stack) = attributes().find(|(id, _)| *id == 1)?;
            let (labels, _) = stack.as_chunks::<4>();
            Some(Encap::Mpls(labels.iter().map(|label| u32::from_be_bytes(*label) >> 12).collect()))
        }
        ENCAP_ILA => attributes().find(|(id, _)| *id == 1).and_then(|(_, value)| long(value)).map(Encap::Ila),
        ENCAP_IP | ENCAP_IP6 => {
            let (family, raw) = if kind == ENCAP_IP { (Family::Ipv4, V4) } else { (Family::Ipv6, V6) };
            let (mut id, mut to, mut from, mut tos, mut ttl, mut flags) = (0, None, None, 0, 0, 0);
            // An address of zeros is none.
            let address = |value| ip(raw, value).filter(|address| !address.is_unspecified());
            for (attribute, value) in attributes() {
                match attribute {
                    TUNNEL_ID => id = long(value)?,
                    TUNNEL_TO => to = address(value),
                    TUNNEL_FROM => from = address(value),
                    TUNNEL_TTL => ttl = *value.first()?,
                    TUNNEL_TOS => tos = *value.first()?,
                    TUNNEL_FLAGS => flags = u16::from_be_bytes(*value.first_chunk()?),
                    _ => {}
                }
            }
            Some(Encap::Ip { family, id, to, from, tos, ttl, flags })
        }
        _ => None,
    }
}

/// The request that adds or removes a route.
pub(super) fn request(route: &Route, add: bool) -> Request {
    let v4 = route.to.is_ipv4();
    // Without either flag the kernel sets an IPv4 route before those of the same destination and metric. An IPv6 route
    // would become one more hop of another one.
    let how = match (v4, route.append) {
        (true, true) => netlink::APPEND,
        (true, false) => 0,
        (false, _) => netlink::EXCLUSIVE,
    };
    let (kind, flags) =
        if add { (RTM_NEWROUTE, netlink::ACK | netlink::CREATE | how) } else { (RTM_DELROUTE, netlink::ACK) };
    let table = u8::try_from(route.table).unwrap_or(0);
    let from = route.from.map_or(0, |net| net.prefix);
    // It tells a route onto a link from one to a gateway on that link.
    let scope = if add || v4 { route.scope } else { SCOPE_NOWHERE };
    let protocol = route.protocol;
    let single = match route.hops.as_slice() {
        [hop] => Some(hop),
        _ => None,
    };
    let onlink = if single.is_some_and(|hop| hop.onlink) { RTNH_F_ONLINK } else { 0 };
    let mut header =
        vec![family(&route.to), route.prefix, from, route.tos, table, protocol, scope, route.kind];
    header.extend(u32::from(onlink).to_ne_bytes());
    let mut request = Request::new(kind, flags)
        .fixed(&header)
        .attribute(RTA_DST, &octets(&route.to))
        .attribute(RTA_TABLE, &route.table.to_ne_bytes());
    if let Some(from) = route.from {
        request = request.attribute(RTA_SRC, &octets(&from.address));
    }
    if route.metric != 0 {
        request = request.attribute(RTA_PRIORITY, &route.metric.to_ne_bytes());
    }
    match single {
        Some(hop) => {
            if hop.index != 0 {
                request = request.attribute(RTA_OIF, &hop.index.to_ne_bytes());
            }
            request = add_hop(request, hop, v4);
        }
        None if route.hops.is_empty() => {}
        None => {
            request = request.nest(RTA_MULTIPATH, |request| {
                route.hops.iter().fold(request, |request, hop| {
                    let flags = if hop.onlink { RTNH_F_ONLINK } else { 0 };
                    let [a, b, c, d] = hop.index.to_ne_bytes();
                    request.sized(&[flags, hop.weight, a, b, c, d], |request| add_hop(request, hop, v4))
                })
            });
        }
    }
    if let Some(source) = route.source {
        request = request.attribute(RTA_PREFSRC, &octets(&source));
    }
    if !add {
        return request;
    }
    if !route.metrics.is_empty() || route.congestion.is_some() {
        request = request.nest(RTA_METRICS, |request| {
            let numbers = |request: Request, (kind, value): (&u16, &u32)| {
                request.attribute(*kind, &value.to_ne_bytes())
            };
            let request = route.metrics.iter().fold(request, numbers);
            match &route.congestion {
                Some(name) => request.string(RTAX_CC_ALGO, name),
                None => request,
            }
        });
    }
    if let Some(expires) = route.expires {
        request = request.attribute(RTA_EXPIRES, &expires.to_ne_bytes());
    }
    if let Some(preference) = route.preference {
        request = request.attribute(RTA_PREF, &[preference]);
    }
    if let Some(propagate) = route.propagate {
        request = request.attribute(RTA_TTL_PROPAGATE, &[u8::from(propagate)]);
    }
    request
}

/// All of a hop but its interface and weight.
fn add_hop(mut request: Request, hop: &Hop, of_v4: bool) -> Request {
    match hop.via {
        Some(IpAddr::V6(via)) if of_v4 => {
            let mut value = u16::from(V6).to_ne_bytes().to_vec();
            value.extend(via.octets());
            request = request.attribute(RTA_VIA, &value);
        }
        Some(via) => request = request.attribute(RTA_GATEWAY, &octets(&via)),
        None => {}
    }
    if let Some(realms) = hop.realms {
        request = request.attribute(RTA_FLOW, &realms.to_ne_bytes());
    }
    match &hop.encap {
        Some(encap) => add_encap(request, encap),
        None => request,
    }
}

fn add_encap(request: Request, encap: &Encap) -> Request {
    let kind = match encap {
        Encap::Mpls(_) => ENCAP_MPLS,
        Encap::Ila(_) => ENCAP_ILA,
        Encap::Ip { family: Family::Ipv4, .. } => ENCAP_IP,
        Encap::Ip { family: Family::Ipv6, .. } => ENCAP_IP6,
    };
    let request = request.attribute(RTA_ENCAP_TYPE, &kind.to_ne_bytes());
    request.nest(RTA_ENCAP, |request| match encap {
        Encap::Mpls(labels) => {
            let last = labels.len().saturating_sub(1);
            // The last label says so in bit 8 (RFC 3032 §2.1).
            let entry = |(at, label): (usize, &u32)| (label << 12 | u32::from(at == last) << 8).to_be_bytes();
            let stack: Vec<[u8; 4]> = labels.iter().enumerate().map(entry).collect();
            request.attribute(1, stack.as_flattened())
        }
        Encap::Ila(locator) => request.attribute(1, &locator.to_be_bytes()),
        Encap::Ip { id, to, from, tos, ttl, flags, .. } => {
            let mut request = request.attribute(TUNNEL_ID, &id.to_be_bytes());
            for (attribute, address) in [(TUNNEL_TO, to), (TUNNEL_FROM, from)] {
                if let Some(address) = address {
                    request = request.attribute(attribute, &octets(address));
                }
            }
            request = request.attribute(TUNNEL_TTL, &[*ttl]).attribute(TUNNEL_TOS, &[*tos]);
            if *flags == 0 { request } else { request.attribute(TUNNEL_FLAGS, &flags.to_be_bytes()) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::object::Operation;
    use crate::net::rtnetlink;

    fn route(to: &str, prefix: u8, hops: Vec<Hop>) -> Route {
        Route::new(to.parse().unwrap(), prefix, hops)
    }

    fn via(address: &str) -> Hop {
        Hop { via: Some(address.parse().unwrap()), index: 7, ..Hop::default() }
    }

    fn samples() -> Vec<Route> {
        let tunnel = |family, to: &str| Encap::Ip {
            family,
            id: 42,
            to: Some(to.parse().unwrap()),
            from: None,
            tos: 4,
            ttl: 64,
            flags: 1,
        };
        let wrapped = |encap| vec![Hop { encap: Some(encap), ..via("10.0.0.1") }];
        let two =
            vec![Hop { weight: 2, onlink: true, ..via("10.0.0.1") }, Hop { index: 8, ..Hop::default() }];
        vec![
            route("0.0.0.0", 0, vec![via("10.0.0.1")]),
            Route {
                table: 1000,
                tos: 16,
                metric: 30,
                source: Some([10, 0, 0, 9].into()),
                metrics: BTreeMap::from([(2, 1400), (8, 1360)]),
                congestion: Some("reno".into()),
                propagate: Some(true),
                ..route("10.9.0.0", 16, two)
            },
            Route { kind: 6, ..route("10.8.0.0", 16, Vec::new()) },
            route("10.7.0.0", 16, vec![via("fe80::1")]),
            route("10.7.0.0", 16, wrapped(Encap::Mpls(vec![100, 200]))),
            route("10.7.0.0", 16, wrapped(tunnel(Family::Ipv4, "192.0.2.1"))),
            route("10.7.0.0", 16, wrapped(tunnel(Family::Ipv6, "2001:db8::1"))),
            Route {
                from: Some(Net { address: "2001:db8::".parse().unwrap(), prefix: 32 }),
                expires: Some(60),
                preference: Some(3),
                ..route("2001:db8:1::", 48, vec![Hop { realms: Some(7), ..via("fe80::1") }])
            },
        ]
    }

    #[test]
    fn a_request_reads_back_as_the_route() {
        for route in samples() {
            let bytes = rtnetlink::requests(&Operation::Add(Object::from(route.clone())))[0].for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            assert_eq!(read(message), Some(Change::Added(Object::from(route))));
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        for route in samples() {
            let bytes = rtnetlink::requests(&Operation::Add(Object::from(route)))[0].for_test(1);
            for length in 0..bytes.len() - 16 {
                let payload = &bytes[16..16 + length];
                let _ = read(Message { kind: RTM_NEWROUTE, flags: 0, sequence: 0, payload });
            }
        }
    }

    #[test]
    fn the_tables_of_routing_daemons_are_passed_over() {
        let told = |route: Route, flags| {
            let bytes = rtnetlink::requests(&Operation::Add(Object::from(route)))[0].for_test(1);
            let message = netlink::messages(&bytes).next().unwrap();
            read(Message { flags, ..message })
        };
        let v4 = |protocol| Route { protocol, ..route("10.9.0.0", 16, vec![via("10.0.0.1")]) };
        let v6 = |protocol| Route { protocol, ..route("2001:db8::", 32, vec![via("fe80::1")]) };
        assert_eq!(told(v4(186), 0), None);
        assert_eq!(told(v4(3), 0), None, "it stands beside ours");
        assert_eq!(told(v4(3), netlink::REPLACE), Some(Change::Replaced(v4(3))), "it may have been ours");
        assert_eq!(told(v6(186), 0), None);
        assert_eq!(told(v6(9), 0), Some(Change::Added(Object::from(v6(9)))), "it stands in our place");
        assert_eq!(told(Route { table: LOCAL, ..v6(2) }, 0), None);
    }
}
