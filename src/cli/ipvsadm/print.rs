//! What `-L` and `-S` print, byte for byte as ipvsadm does.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::address::{Names, ntop, shown};
use super::bytes::{cut, wide};
use super::parse::Format;
use crate::ipvs::counters::Counters;
use crate::ipvs::listing::{Info, ListedDestination, ListedService};
use crate::ipvs::sync::{Daemons, Role};
use crate::ipvs::timeouts::{Values, Which};

const PERSISTENT: u32 = 0x1;
const ONE_PACKET: u32 = 0x4;
/// The flags of schedulers, with the names that `sh` and `mh` have for them, and all others.
const FLAGS: [(u32, &str, &str); 3] =
    [(0x8, "fallback", "flag-1"), (0x10, "port", "flag-2"), (0x20, "", "flag-3")];

/// Bytes of a service of IPv4 in a list.
const SERVICE: usize = 33;
/// Bytes of a real server of IPv4 in a list.
const SERVER: usize = 28;

const TUNNELS: [&str; 3] = ["ipip", "gue", "gre"];

/// `IP Virtual Server version 1.2.1 (size=4096)`.
pub fn head(info: Info) -> String {
    let Info { version, size } = info;
    format!("IP Virtual Server version {} (size={})\n", dotted(version), size.cast_signed())
}

/// `1.2.1`.
pub fn dotted(version: u32) -> String {
    format!("{}.{}.{}", version >> 16 & 0xff, version >> 8 & 0xff, version & 0xff)
}

/// The titles of the columns.
pub fn title(format: Format) -> String {
    let columns = |names: [&str; 5]| {
        let [a, b, c, d, e] = names;
        format!(
            "{:<SERVICE$} {a:>8} {b:>8} {c:>8} {d:>8} {e:>8}\n  -> RemoteAddress:Port\n",
            "Prot LocalAddress:Port"
        )
    };
    let default = "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward ";
    let counts = "Weight ActiveConn InActConn\n";
    if format.stats {
        columns(["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"])
    } else if format.rate {
        columns(["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"])
    } else if format.thresholds {
        format!(
            "{:<SERVICE$} {:<10} {:<10} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Prot LocalAddress:Port", "Uthreshold", "Lthreshold", "ActiveConn", "InActConn"
        )
    } else if format.persistent {
        format!(
            "{:<SERVICE$} {:<9} {:<11} {:<10} {:<10}\n  -> RemoteAddress:Port\n",
            "Prot LocalAddress:Port", "Weight", "PersistConn", "ActiveConn", "InActConn"
        )
    } else if format.tunnels {
        format!("{default}TunnelInfo    {counts}")
    } else if format.rules {
        String::new()
    } else {
        format!("{default}{counts}")
    }
}

/// A service with its destinations.
pub fn service(
    service: &ListedService,
    destinations: &[ListedDestination],
    format: Format,
    names: &dyn Names,
) -> String {
    let name = service_name(service, format, names);
    let mut text = String::new();
    let _ = if format.rules {
        write!(text, "-A {name} -s {}{}", scheduler(service), rule(service))
    } else if format.stats || format.rate {
        let of = |counters: &Counters| numbers(counters, format).map(|number| large(number, format.exact));
        write!(text, "{name:<SERVICE$}{}", of(&service.counters).concat())
    } else {
        write!(text, "{name} {}{}", scheduler(service), listed(service))
    };
    text.push('\n');
    for destination in destinations {
        let place = destination_name(service, destination, format, names);
        if format.rules {
            saved_destination(&mut text, &name, &place, destination);
        } else {
            listed_destination(&mut text, &place, destination, format);
        }
    }
    text
}

fn service_name(service: &ListedService, format: Format, names: &dyn Names) -> String {
    if service.mark != 0 {
        let mark = service.mark.cast_signed();
        return match (format.rules, is_six(service.family)) {
            (true, true) => format!("-f {mark} -6"),
            (true, false) => format!("-f {mark}"),
            (false, true) => format!("FWM  {mark} IPv6"),
            (false, false) => format!("FWM  {mark}"),
        };
    }
    let place = shown(service.ip(), service.port, service.protocol, format.numeric, names);
    if format.rules {
        let option = match service.protocol {
            6 => "-t",
            17 => "-u",
            132 => "--sctp-service",
            _ => "--xxx-service",
        };
        return format!("{option} {place}");
    }
    let protocol = match service.protocol {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        _ => "?",
    };
    let name = format!("{protocol:<4} {place}");
    if is_six(service.family) { name } else { cut(&name, SERVICE) }
}

fn destination_name(
    service: &ListedService,
    destination: &ListedDestination,
    format: Format,
    names: &dyn Names,
) -> String {
    let place = shown(destination.ip(), destination.port, service.protocol, format.numeric, names);
    if format.rules || is_six(destination.family) { place } else { cut(&place, SERVER) }
}

fn is_six(family: u16) -> bool {
    i32::from(family) == libc::AF_INET6
}

fn scheduler(service: &ListedService) -> String {
    wide(service.scheduler.as_bytes())
}

/// Whether a flag of the scheduler is set, and the names of those that are known of it.
fn flags(service: &ListedService) -> Option<String> {
    let set = |(bit, ..): &&(u32, &str, &str)| service.flags & bit != 0;
    FLAGS.iter().find(set)?;
    let of_its_own = matches!(service.scheduler.as_str(), "sh" | "mh");
    let name = |(_, own, any): &(u32, &str, &str)| match of_its_own {
        true if own.is_empty() => None,
        true => Some(format!("{}-{own}", service.scheduler)),
        false => Some((*any).to_owned()),
    };
    Some(FLAGS.iter().filter(set).filter_map(name).collect::<Vec<String>>().join(","))
}

/// The mask of persistence, where it is not that of one host.
fn mask(service: &ListedService) -> Option<String> {
    if is_six(service.family) {
        let bits = u32::from_ne_bytes(service.netmask).cast_signed();
        (bits != 128).then(|| bits.to_string())
    } else {
        let mask = Ipv4Addr::from(service.netmask);
        (mask != Ipv4Addr::BROADCAST).then(|| mask.to_string())
    }
}

/// What follows the scheduler of a saved service.
fn rule(service: &ListedService) -> String {
    let mut text = String::new();
    if service.flags & PERSISTENT != 0 {
        let _ = write!(text, " -p {}", service.timeout);
        if let Some(mask) = mask(service) {
            let _ = write!(text, " -M {mask}");
        }
    }
    if !service.engine.is_empty() {
        let _ = write!(text, " --pe {}", wide(service.engine.as_bytes()));
    }
    if service.flags & ONE_PACKET != 0 {
        text += " -o";
    }
    if let Some(flags) = flags(service) {
        let _ = write!(text, " -b {flags}");
    }
    text
}

/// What follows the scheduler in a list.
fn listed(service: &ListedService) -> String {
    let mut text = String::new();
    if let Some(flags) = flags(service) {
        let _ = write!(text, " ({flags})");
    }
    if service.flags & PERSISTENT != 0 {
        let _ = write!(text, " persistent {}", service.timeout);
        if let Some(mask) = mask(service) {
            let _ = write!(text, " mask {mask}");
        }
        if !service.engine.is_empty() {
            let _ = write!(text, " pe {}", wide(service.engine.as_bytes()));
        }
    }
    if service.flags & ONE_PACKET != 0 {
        text += " ops";
    }
    text
}

fn saved_destination(text: &mut String, service: &str, place: &str, destination: &ListedDestination) {
    let method = match destination.method & 7 {
        0 => "-m",
        1 | 3 => "-g",
        2 => "-i",
        _ => "(null)",
    };
    let weight = destination.weight.cast_signed();
    let _ = write!(text, "-a {service} -r {place} {method} -w {weight}");
    if let (2, Some(kind)) = (destination.method & 7, tunnel(destination)) {
        let _ = write!(text, " --tun-type {kind}");
        if kind == "gue" {
            let _ = write!(text, " --tun-port {}", destination.tunnel_port);
        }
        if kind != "ipip" {
            *text += match destination.tunnel_flags {
                0 => " --tun-nocsum",
                1 => " --tun-csum",
                _ => " --tun-remcsum",
            };
        }
    }
    text.push('\n');
}

fn tunnel(destination: &ListedDestination) -> Option<&'static str> {
    TUNNELS.get(usize::from(destination.tunnel)).copied()
}

fn listed_destination(text: &mut String, place: &str, destination: &ListedDestination, format: Format) {
    let ListedDestination { active, inactive, upper, lower, persistent, .. } = destination;
    let weight = destination.weight.cast_signed();
    let _ = write!(text, "  -> {place:<SERVER$}");
    let method = match destination.method & 7 {
        0 => "Masq",
        1 => "Local",
        2 => "Tunnel",
        3 => "Route",
        _ => "(null)",
    };
    let counts = format!("{active:<10} {inactive:<10}");
    let _ = if format.stats {
        let numbers = numbers(&destination.counters, format);
        write!(text, "{}", numbers.map(|number| large(number, format.exact)).concat())
    } else if format.rate {
        let [connections, packets_in, packets_out, rest @ ..] = numbers(&destination.counters, format);
        let rest = rest.map(|number| large(number, format.exact)).concat();
        write!(text, " {connections:>8} {packets_in:>8} {packets_out:>8}{rest}")
    } else if format.thresholds {
        write!(text, " {upper:<10} {lower:<10} {counts}")
    } else if format.persistent {
        write!(text, " {:<9} {persistent:<11} {counts}", destination.weight)
    } else if format.tunnels {
        let about = tunnel_about(destination).unwrap_or_else(|| "n/a".to_owned());
        write!(text, " {method:<7} {about:<13} {weight:<6} {counts}")
    } else {
        write!(text, " {method:<7} {weight:<6} {counts}")
    };
    text.push('\n');
}

/// `gue:6080:+c`.
fn tunnel_about(destination: &ListedDestination) -> Option<String> {
    let kind = tunnel(destination).filter(|_| destination.method & 7 == 2)?;
    let checksum = match destination.tunnel_flags {
        0 => "-c",
        1 => "+c",
        _ => "r+c",
    };
    Some(match kind {
        "gue" => cut(&format!("gue:{}:{checksum}", destination.tunnel_port), 15),
        "gre" => format!("gre:{checksum}"),
        other => other.to_owned(),
    })
}

/// Those of `--stats` or `--rate`.
fn numbers(counters: &Counters, format: Format) -> [u64; 5] {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out, rates } = *counters;
    if format.stats { [connections, packets_in, packets_out, bytes_in, bytes_out] } else { rates }
}

/// In nine columns, unless it has to be exact.
fn large(number: u64, exact: bool) -> String {
    match number {
        _ if exact => format!(" {number:>8}"),
        0..100_000_000 => format!("{number:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", number / 1000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", number / 1_000_000_000),
        _ => format!("{:>8}T", number / 1_000_000_000_000),
    }
}

/// `--timeout`.
pub fn timeouts(values: &Values) -> String {
    let of = |which| values.get(&which).copied().unwrap_or(0).cast_signed();
    format!("Timeout (tcp tcpfin udp): {} {} {}\n", of(Which::Tcp), of(Which::TcpFin), of(Which::Udp))
}

/// `--daemon`.
pub fn daemons(daemons: &Daemons) -> String {
    let mut text = String::new();
    for (role, daemon) in daemons {
        let role = match role {
            Role::Master => "master",
            Role::Backup => "backup",
        };
        let (interface, id) = (wide(daemon.interface.as_bytes()), daemon.id.cast_signed());
        let _ = write!(text, "{role} sync daemon (mcast={interface}, syncid={id}");
        let number = |word: &str, value: u16| match value {
            0 => String::new(),
            value => format!(", {word}={value}"),
        };
        text += &number("maxlen", daemon.max_length);
        if daemon.group != IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            let _ = write!(text, ", group={}", ntop(daemon.group));
        }
        text += &number("port", daemon.port);
        text += &number("ttl", daemon.ttl.into());
        text += ")\n";
    }
    text
}

/// ipvsadm's order of services: by mark, family, protocol, address, port.
pub fn sort_services(services: &mut Vec<ListedService>) {
    *services = merged(std::mem::take(services), &|a, b| {
        let key = |service: &ListedService| (service.family, service.protocol);
        match difference(a.mark, b.mark) {
            0 if key(a) == key(b) => after(&a.address, &b.address, is_six(a.family), a.port, b.port),
            0 => key(a) > key(b),
            apart => apart > 0,
        }
    });
}

/// ipvsadm's order of destinations: by address, port.
pub fn sort_destinations(destinations: &mut Vec<ListedDestination>) {
    *destinations = merged(std::mem::take(destinations), &|a, b| {
        after(&a.address, &b.address, is_six(a.family), a.port, b.port)
    });
}

fn after(a: &[u8; 16], b: &[u8; 16], six: bool, port: u16, other: u16) -> bool {
    let words = |bytes: &[u8; 16]| -> Vec<u32> {
        let (words, _) = bytes.as_chunks::<4>();
        words.iter().map(|word| u32::from_be_bytes(*word)).collect()
    };
    let counted = if six { 4 } else { 1 };
    let apart = words(a).into_iter().zip(words(b)).take(counted).map(|(a, b)| difference(a, b));
    match apart.into_iter().find(|apart| *apart != 0) {
        Some(apart) => apart > 0,
        None => port > other,
    }
}

/// In 32 bits with a sign: what is half of all addresses away comes out on the other side, so that 192.168.0.1 stands
/// before 10.0.0.1. Scripts compare lists, and this is the order they know.
fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// The merge sort of the C library: that order is none, so that the way to it counts.
fn merged<T>(mut all: Vec<T>, after: &dyn Fn(&T, &T) -> bool) -> Vec<T> {
    if all.len() < 2 {
        return all;
    }
    let right = all.split_off(all.len() / 2);
    let (left, right) = (merged(all, after), merged(right, after));
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let from_right = after(a, b);
        out.extend(if from_right { right.next() } else { left.next() });
    }
    out.extend(left);
    out.extend(right);
    out
}

#[cfg(test)]
mod tests;
