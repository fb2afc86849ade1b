//! Frames as lines of text, read by offsets only: this must not share code with what it judges.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a frame says, if it is of any interest.
#[derive(Debug)]
pub enum Packet {
    Advert(Advert),
    /// A gratuitous ARP or an unsolicited neighbour advertisement.
    Announcement(String),
}

#[derive(Debug)]
pub struct Advert {
    /// `11 > 224.0.0.18`: the router and whom it is told.
    pub stream: String,
    /// Seconds.
    pub interval: f64,
    pub priority: u8,
    /// All of it that does not change from one advert to the next.
    pub text: String,
}

const VRRP: u8 = 112;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
/// How the addresses begin that the nodes' interfaces have; others are named.
const OWN_MAC: &[u8] = &[0x02, 0x07, 0, 0];

/// `None`: something else, or cut off.
pub fn read(frame: &[u8]) -> Option<Packet> {
    let from = frame.get(6..12)?;
    let from = if from.starts_with(OWN_MAC) { String::new() } else { format!(" by {}", mac(from)) };
    let body = frame.get(14..)?;
    match frame.get(12..14)? {
        // To one receiver it is an answer of the kernel.
        [8, 6] if frame[0] & 1 == 1 => arp(body, &from),
        [8, 0] => {
            let (head, length) = (usize::from(body.first()? & 15) * 4, usize::from(word(body, 2)?));
            let (ttl, protocol) = (*body.get(8)?, *body.get(9)?);
            let (source, target) = (body.get(12..16)?, body.get(16..20)?);
            advert(protocol, ttl, source, target, body.get(head..length)?, &from)
        }
        [0x86, 0xdd] => {
            let (length, protocol, hops) = (usize::from(word(body, 4)?), *body.get(6)?, *body.get(7)?);
            let (source, target) = (body.get(8..24)?, body.get(24..40)?);
            let data = body.get(40..40 + length)?;
            if protocol == ICMPV6 {
                let unsolicited = *data.first()? == 136 && target[0] == 0xff;
                let flags = *data.get(4)?;
                let about = address(data.get(8..24)?)?;
                return unsolicited
                    .then(|| Packet::Announcement(format!("{about} with flags {flags:02x}{from}")));
            }
            advert(protocol, hops, source, target, data, &from)
        }
        _ => None,
    }
}

fn arp(body: &[u8], from: &str) -> Option<Packet> {
    let (operation, sender) = (word(body, 6)?, body.get(14..18)?);
    let (target_mac, target) = (body.get(18..24)?, body.get(24..28)?);
    if sender != target || sender == [0; 4] {
        return None;
    }
    let usual = operation == 1 && target_mac == [0xff; 6];
    let odd = if usual { String::new() } else { format!(" as {operation} to {}", mac(target_mac)) };
    Some(Packet::Announcement(format!("{}{odd}{from}", address(sender)?)))
}

fn advert(protocol: u8, ttl: u8, source: &[u8], target: &[u8], data: &[u8], from: &str) -> Option<Packet> {
    let (vrrp, signature) = match protocol {
        VRRP => (data, None),
        AH if *data.first()? == VRRP => (data.get(24..)?, data.get(4..8)),
        _ => return None,
    };
    let [head, id, priority, count] = *vrrp.get(..4)? else { return None };
    let (version, of_ipv6) = (head >> 4, source.len() == 16);
    let size = source.len();
    let list = vrrp.get(8..8 + usize::from(count) * size)?;
    let addresses: Vec<String> = list.chunks(size).filter_map(address).collect();
    let rest = &vrrp[8 + list.len()..];
    let (interval, authentication) = match version {
        2 => {
            let password: Vec<u8> = rest.iter().copied().take_while(|byte| *byte != 0).collect();
            let kind = match (vrrp.get(4)?, signature) {
                (0, None) => String::new(),
                (1, None) => format!(" password {}", String::from_utf8_lossy(&password)),
                (2, Some(spi)) => format!(" signed by {}", address(spi)?),
                (kind, _) => format!(" authentication {kind}"),
            };
            (f64::from(*vrrp.get(5)?), kind)
        }
        _ => (f64::from(word(vrrp, 4)? & 0xfff) / 100.0, String::new()),
    };
    let trailer = if version == 2 && !of_ipv6 { 8 } else { 0 };
    let surplus = rest.len() as i64 - trailer;
    let surplus = if surplus == 0 { String::new() } else { format!(" and {surplus} bytes more") };
    let sum = if sum_is_right(version, source, target, vrrp) { "" } else { ", a wrong sum" };
    let stream = format!("{id} > {}", address(target)?);
    let text = format!(
        "v{version} priority {priority} every {interval} ttl {ttl}{authentication} from {}{from} for {}{surplus}{sum}",
        address(source)?,
        addresses.join(" ")
    );
    Some(Packet::Advert(Advert { stream, interval, priority, text }))
}

/// RFC 9568 section 5.2.8, RFC 3768 section 5.3.8.
fn sum_is_right(version: u8, source: &[u8], target: &[u8], vrrp: &[u8]) -> bool {
    let mut bytes = Vec::new();
    if source.len() == 16 || version == 3 {
        bytes.extend([source, target].concat());
        bytes.extend([0, VRRP]);
        bytes.extend((vrrp.len() as u16).to_be_bytes());
    }
    bytes.extend(vrrp);
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
