//! `-L -c`: the kernel's list of connections (`/proc/net/ip_vs_conn`) in ipvsadm's columns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::{Names, shown};
use super::bytes::wide;
use super::parse::Format;

/// Bytes that ipvsadm reads of a line at once.
const LONGEST: usize = 255;

/// The list; `file`: all that the kernel says.
pub fn list(file: &[u8], format: Format, names: &dyn Names) -> String {
    let mut text = "IPVS connection entries\npro expire ".to_owned();
    text += &match format.persistent {
        true => format!(
            "{:<11} {:<18} {:<18} {:<18} {:<16} pe_data\n",
            "state", "source", "virtual", "destination", "pe name"
        ),
        false => format!("{:<11} {:<18} {:<18} destination\n", "state", "source", "virtual"),
    };
    let lines = file.split_inclusive(|byte| *byte == b'\n').skip(1);
    for piece in lines.flat_map(|line| line.chunks(LONGEST)) {
        text += &connection(&wide(piece), format, names).unwrap_or_default();
    }
    text
}

/// A line; `None`: the kernel writes none like this.
fn connection(line: &str, format: Format, names: &dyn Names) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let protocol = words.next()?;
    let number = match protocol {
        "TCP" => 6,
        "UDP" => 17,
        "SCTP" => 132,
        _ => 0,
    };
    let mut place = || {
        let address = address(words.next()?);
        let port = u16::from_str_radix(words.next()?, 16).ok()?;
        Some(shown(address, port, number, format.numeric, names))
    };
    let (source, service, destination) = (place()?, place()?, place()?);
    let state = words.next()?;
    let seconds: u32 = words.next()?.parse().ok()?;
    let expires = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let head = format!("{protocol:<3} {expires:<6} {state:<11} {source:<18} {service:<18}");
    Some(match (words.next(), words.next()) {
        (Some(engine), Some(data)) if format.persistent => {
            format!("{head} {destination:<16} {engine:<18} {data}\n")
        }
        _ => format!("{head} {destination}\n"),
    })
}

/// `C0A86408`, or an address of IPv6 in full.
fn address(word: &str) -> IpAddr {
    if let Ok(address) = word.parse::<Ipv6Addr>() {
        return IpAddr::V6(address);
    }
    let of_hexadecimal = || Ipv4Addr::from_bits(u32::from_str_radix(word, 16).unwrap_or(0));
    IpAddr::V4(word.parse().unwrap_or_else(|_| of_hexadecimal()))
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::Few;
    use super::*;

    const FILE: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C0A86401 A1B2 0A000007 0050 C0A86408 0050 ESTABLISHED     899
UDP 2001:0db8:0000:0000:0000:0000:0000:0001 0035 2001:0db8:0000:0000:0000:0000:0000:0002 0035 0A000001 0035 UDP 65
TCP C0A86401 0000 C0A864F0 0050 C0A86408 0050 NONE            6000 sip abc
";

    #[test]
    fn connections_have_ipvsadms_columns() {
        let listed = |persistent, numeric| {
            let format = Format { persistent, numeric, ..Format::default() };
            list(FILE.as_bytes(), format, &Few)
        };
        assert_eq!(
            listed(false, true),
            "IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:59  ESTABLISHED 192.168.100.1:41394 10.0.0.7:80        192.168.100.8:80
UDP 01:05  UDP         [2001:db8::1]:53   [2001:db8::2]:53   10.0.0.1:53
TCP 100:00 NONE        192.168.100.1:0    192.168.100.240:80 192.168.100.8:80
"
        );
        let named = listed(true, false);
        assert!(named.contains(" www:http           192.168.100.8:http\n"), "{named}");
        assert!(
            named.ends_with(" 192.168.100.240:http 192.168.100.8:http sip                abc\n"),
            "{named}"
        );
        assert!(named.contains("destination        pe name          pe_data\n"), "{named}");
    }

    #[test]
    fn what_is_cut_is_no_connection() {
        for length in 0..FILE.len() {
            let _ = list(&FILE.as_bytes()[..length], Format::default(), &Few);
        }
        assert_eq!(list(b"", Format::default(), &Few).lines().count(), 2);
    }
}
