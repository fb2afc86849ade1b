//! Messages to nf_tables and from it, as bytes: the table in which traffic of virtual addresses is dropped.
//!
//! Names, chains, sets and rules are keepalived's, so that whoever knows those knows these.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::model::{Family, Filter};
use crate::sys::netlink::{ACK, APPEND, CREATE, DUMP, Message, Request, attributes, text};

use super::firewall::{Batch, Element, Interface, Plan};

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
const GET_ELEMENT: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;
const NEW_GENERATION: u16 = SUBSYSTEM | 15;
const GET_GENERATION: u16 = SUBSYSTEM | 16;
/// `NFNL_BATCH_GENID`.
const BATCH_GENERATION: u16 = 1;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const UNSPECIFIED: u8 = 0;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// Elements of one message: their attribute has a length of 16 bits.
const ELEMENTS: usize = 500;
/// `IFNAMSIZ`.
const NAME: usize = 16;

const INPUT: u32 = 1;
const OUTPUT: u32 = 3;

/// `NFT_REG_1`, and what follows its 16 bytes.
const REGISTER: u32 = 1;
const NEXT_REGISTER: u32 = 2;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const LAYER_4: u32 = 16;
const ICMPV6: u8 = 58;
/// Neighbour solicitations and advertisements.
const NEIGHBOUR_DISCOVERY: [u8; 2] = [135, 136];
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// `NFT_GOTO`.
const GOTO: u32 = (-4i32).cast_unsigned();

const SET: &str = "vips";
const DISCOVERY_SET: &str = "neighbor-discovery";
const INDEX_SET: &str = "vips_link_local";
const NAME_SET: &str = "vips_link_local_name";
const CONSTANT: u32 = 2;
/// What `nft` shows the elements as.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const TYPE_ICMPV6: u32 = 29;
const TYPE_INDEX: u32 = TYPE_IPV6 << 6 | 20;
const TYPE_NAME: u32 = TYPE_IPV6 << 6 | 41;

/// The way of packets, and where the address stands that counts there.
struct Way {
    chain: &'static str,
    link_local: &'static str,
    hook: u32,
    /// Of the address in an IPv4 header, and in an IPv6 header.
    offsets: (u32, u32),
    /// `NFT_META_*`: index and name of the interface.
    device: (u32, u32),
}

const WAYS: [Way; 2] = [
    Way { chain: "in", link_local: "in_link_local", hook: INPUT, offsets: (16, 24), device: (4, 6) },
    Way { chain: "out", link_local: "out_link_local", hook: OUTPUT, offsets: (12, 8), device: (5, 7) },
];

/// The messages of a batch, without those around it; none for one that only looks.
pub fn messages(batch: &Batch) -> Vec<Request> {
    match batch {
        Batch::Build { plan, elements } => {
            plan.families.iter().flat_map(|family| build(*family, &plan.filter, elements)).collect()
        }
        Batch::Edit { plan, add, remove } => {
            let all = [(NEW_ELEMENT, add), (DELETE_ELEMENT, remove)].into_iter();
            let both = all.flat_map(|(kind, elements)| {
                let of = |family: &Family| change(kind, number(*family), &plan.filter, elements);
                plan.families.iter().flat_map(of).collect::<Vec<Request>>()
            });
            both.collect()
        }
        Batch::Clear(_) | Batch::Look(_) => Vec::new(),
    }
}

/// What goes around messages that are taken together or not at all.
///
/// `generation`: the kernel refuses the batch (`ERESTART`) when the packet filter was changed since.
pub fn around(generation: Option<u32>) -> (Request, Request) {
    let message = |kind: u16| Request::new(kind, 0).fixed(&[UNSPECIFIED, 0, 0, 10]);
    let begin = message(BATCH_BEGIN);
    let begin = match generation {
        Some(number) => begin.attribute(BATCH_GENERATION, &number.to_be_bytes()),
        None => begin,
    };
    (begin, message(BATCH_END))
}

/// Takes the table of one family away, by itself.
pub fn clear(table: &str, family: Family) -> Request {
    request(DELETE_TABLE, 0, number(family)).string(1, table)
}

/// Asks how often the packet filter was changed.
pub fn ask_generation() -> Request {
    request(GET_GENERATION, 0, UNSPECIFIED)
}

/// The answer.
pub fn generation(message: Message<'_>) -> Option<u32> {
    let (_, value) = (message.kind == NEW_GENERATION)
        .then(|| attributes(message.payload.get(4..).unwrap_or_default()).find(|(id, _)| *id == 1))??;
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Asks for the rules of the table, and for what is in its sets.
pub fn ask_content(plan: &Plan) -> Vec<Request> {
    let table = &plan.filter.table;
    let mut requests = Vec::new();
    for family in &plan.families {
        let rules = Request::new(GET_RULE, DUMP).fixed(&[number(*family), 0, 0, 0]).string(1, table);
        requests.push(rules);
        for set in sets(*family, &plan.filter) {
            let elements = Request::new(GET_ELEMENT, DUMP).fixed(&[number(*family), 0, 0, 0]);
            requests.push(elements.string(1, table).string(2, set));
        }
    }
    requests
}

/// What one message of the answer says of `table`, as bytes to be compared: the handle of a rule, or keys of elements.
pub fn content(message: Message<'_>, table: &str) -> Vec<Vec<u8>> {
    let rest = message.payload.get(4..).unwrap_or_default();
    let of = |id: u16| attributes(rest).find(|(other, _)| *other == id).map_or(&[][..], |(_, value)| value);
    if text(of(1)) != table {
        return Vec::new();
    }
    // The family, and the chain or the set.
    let place = [message.payload.get(..1).unwrap_or_default(), of(2)].concat();
    let placed = |what: &[u8]| [&place, what].concat();
    match message.kind {
        NEW_RULE => vec![placed(of(3))],
        NEW_ELEMENT => {
            let keys =
                attributes(of(3)).filter_map(|(_, element)| attributes(element).find(|(id, _)| *id == 1));
            keys.map(|(_, key)| placed(key)).collect()
        }
        _ => Vec::new(),
    }
}

fn sets(family: Family, filter: &Filter) -> Vec<&'static str> {
    match family {
        Family::Ipv4 => vec![SET],
        Family::Ipv6 => vec![SET, link_local_set(filter)],
    }
}

fn link_local_set(filter: &Filter) -> &'static str {
    if filter.by_index { INDEX_SET } else { NAME_SET }
}

fn number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => IPV4,
        Family::Ipv6 => IPV6,
    }
}

fn request(kind: u16, flags: u16, family: u8) -> Request {
    Request::new(kind, flags | ACK).fixed(&[family, 0, 0, 0])
}

/// A table with its chains, sets and rules. One that has the name goes first; made once more, it is there to go.
fn build(family: Family, filter: &Filter, elements: &BTreeSet<Element>) -> Vec<Request> {
    let (table, own) = (filter.table.as_str(), number(family));
    let made = || request(NEW_TABLE, CREATE, own).string(1, table).attribute(2, &be(0));
    let mut all = vec![made(), request(DELETE_TABLE, 0, own).string(1, table), made()];
    let v6 = family == Family::Ipv6;
    let (kind, length) = if v6 { (TYPE_IPV6, 16) } else { (TYPE_IPV4, 4) };
    all.push(set(own, table, (SET, 1), (kind, length), 0));
    if v6 {
        all.push(set(own, table, (DISCOVERY_SET, 2), (TYPE_ICMPV6, 1), CONSTANT));
        let keys = NEIGHBOUR_DISCOVERY.map(|kind| vec![kind]);
        all.push(element_message(NEW_ELEMENT, own, table, DISCOVERY_SET, &keys));
        let (kind, length) = if filter.by_index { (TYPE_INDEX, 20) } else { (TYPE_NAME, 32) };
        all.push(set(own, table, (link_local_set(filter), 3), (kind, length), 0));
    }
    for way in &WAYS {
        if v6 {
            all.push(request(NEW_CHAIN, CREATE, own).string(1, table).string(3, way.link_local));
        }
        let hook = |nest: Request| nest.attribute(1, &be(way.hook)).attribute(2, &be_signed(filter.priority));
        let chain = request(NEW_CHAIN, CREATE, own).string(1, table).string(3, way.chain).nest(4, hook);
        all.push(chain.attribute(5, &be(ACCEPT)).string(7, "filter"));
    }
    // Nobody is dropped for a moment only: the sets are full before a rule looks into them.
    all.extend(change(NEW_ELEMENT, own, filter, elements));
    for way in &WAYS {
        if v6 {
            all.extend(ipv6_rules(way, filter));
        } else {
            let load = |nest: Request| lookup(payload(nest, NETWORK_HEADER, way.offsets.0, 4), SET);
            all.push(rule(IPV4, filter, way.chain, load, DROP, None));
        }
    }
    all
}

fn ipv6_rules(way: &Way, filter: &Filter) -> [Request; 4] {
    let offset = way.offsets.1;
    let address = |nest: Request| payload(nest, NETWORK_HEADER, offset, 16);
    let discovery = |nest: Request| {
        let icmp = compare(meta(nest, LAYER_4, REGISTER), &[ICMPV6]);
        lookup(payload(icmp, TRANSPORT_HEADER, 0, 1), DISCOVERY_SET)
    };
    let link_local = |nest: Request| {
        let (mut mask, mut network) = ([0; 16], [0; 16]);
        (mask[0], mask[1], network[0], network[1]) = (0xff, 0xc0, 0xfe, 0x80);
        compare(masked(address(nest), &mask), &network)
    };
    let on_interface = |nest: Request| {
        let key = if filter.by_index { way.device.0 } else { way.device.1 };
        lookup(meta(address(nest), key, NEXT_REGISTER), link_local_set(filter))
    };
    [
        rule(IPV6, filter, way.link_local, on_interface, DROP, None),
        rule(IPV6, filter, way.chain, discovery, ACCEPT, None),
        rule(IPV6, filter, way.chain, link_local, GOTO, Some(way.link_local)),
        rule(IPV6, filter, way.chain, |nest| lookup(address(nest), SET), DROP, None),
    ]
}

// ---- sets ----

fn set(family: u8, table: &str, (name, id): (&str, u32), (kind, length): (u32, u32), flags: u32) -> Request {
    let set = request(NEW_SET, CREATE, family).string(1, table).string(2, name).attribute(3, &be(flags));
    set.attribute(4, &be(kind)).attribute(5, &be(length)).attribute(10, &be(id))
}

/// The messages by which elements of a family come or go.
fn change(kind: u16, family: u8, filter: &Filter, elements: &BTreeSet<Element>) -> Vec<Request> {
    let of_family = |element: &&Element| element.address.is_ipv6() == (family == IPV6);
    let (plain, placed): (Vec<&Element>, Vec<&Element>) =
        elements.iter().filter(of_family).partition(|element| element.interface.is_none());
    let mut all = Vec::new();
    for (set, elements) in [(SET, plain), (link_local_set(filter), placed)] {
        let keys: Vec<Vec<u8>> = elements.into_iter().map(key).collect();
        let messages = keys.chunks(ELEMENTS);
        all.extend(messages.map(|keys| element_message(kind, family, &filter.table, set, keys)));
    }
    all
}

fn element_message(kind: u16, family: u8, table: &str, set: &str, keys: &[Vec<u8>]) -> Request {
    let flags = if kind == NEW_ELEMENT { CREATE } else { 0 };
    let list = |nest: Request| {
        keys.iter().fold(nest, |nest, key| nest.nest(1, |one| one.nest(1, |data| data.attribute(1, key))))
    };
    request(kind, flags, family).string(1, table).string(2, set).nest(3, list)
}

fn key(element: &Element) -> Vec<u8> {
    let mut key = match element.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    match &element.interface {
        None => {}
        Some(Interface::Index(index)) => key.extend(index.to_ne_bytes()),
        Some(Interface::Name(name)) => {
            let length = key.len() + NAME;
            key.extend(name.bytes().take(NAME - 1));
            key.resize(length, 0);
        }
    }
    key
}

// ---- rules ----

fn rule(
    family: u8,
    filter: &Filter,
    chain: &str,
    matches: impl FnOnce(Request) -> Request,
    verdict: u32,
    to: Option<&str>,
) -> Request {
    let code = |nest: Request| {
        let nest = nest.attribute(1, &be(verdict));
        match to {
            Some(chain) => nest.string(2, chain),
            None => nest,
        }
    };
    let last = |nest: Request| nest.attribute(1, &be(0)).nest(2, |data| data.nest(2, code));
    let all = |nest: Request| {
        let nest = matches(nest);
        let counted = if filter.counters { expression(nest, "counter", |data| data) } else { nest };
        expression(counted, "immediate", last)
    };
    request(NEW_RULE, CREATE | APPEND, family).string(1, &filter.table).string(2, chain).nest(4, all)
}

fn expression(nest: Request, name: &str, data: impl FnOnce(Request) -> Request) -> Request {
    nest.nest(1, |one| one.string(1, name).nest(2, data))
}

fn payload(nest: Request, base: u32, offset: u32, length: u32) -> Request {
    expression(nest, "payload", |data| {
        let data = data.attribute(1, &be(REGISTER)).attribute(2, &be(base));
        data.attribute(3, &be(offset)).attribute(4, &be(length))
    })
}

fn meta(nest: Request, key: u32, register: u32) -> Request {
    expression(nest, "meta", |data| data.attribute(2, &be(key)).attribute(1, &be(register)))
}

fn compare(nest: Request, value: &[u8]) -> Request {
    expression(nest, "cmp", |data| {
        let data = data.attribute(1, &be(REGISTER)).attribute(2, &be(0));
        data.nest(3, |nest| nest.attribute(1, value))
    })
}

fn masked(nest: Request, mask: &[u8; 16]) -> Request {
    expression(nest, "bitwise", |data| {
        let data = data.attribute(1, &be(REGISTER)).attribute(2, &be(REGISTER)).attribute(3, &be(16));
        data.nest(4, |nest| nest.attribute(1, mask)).nest(5, |nest| nest.attribute(1, &[0; 16]))
    })
}

fn lookup(nest: Request, set: &str) -> Request {
    expression(nest, "lookup", |data| data.string(1, set).attribute(2, &be(REGISTER)))
}

fn be(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn be_signed(number: i32) -> [u8; 4] {
    number.to_be_bytes()
}
