//! Numbers and addresses as the C library reads and writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the resolver and `/etc/services` know.
pub trait Names {
    /// The first IPv4 address of a host.
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// The port of a service; `protocol`: the number of IP.
    fn port(&self, service: &str, protocol: u16) -> Option<u16>;
    /// The name of a host.
    fn host(&self, address: IpAddr) -> Option<String>;
    /// The name of a service.
    fn service(&self, port: u16, protocol: u16) -> Option<String>;
}

/// An address with what was said of its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The port, if one was given.
    pub port: Option<u16>,
}

/// `host[:port]`, `[IPv6]:port`, `IPv6`; `protocol` says where the name of a port is looked up. `None`: it is none of them.
pub fn place(text: &str, protocol: u16, names: &dyn Names) -> Option<Place> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (text, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']')?;
            (inside, Some(behind.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match text.parse::<Ipv6Addr>() {
        Ok(address) => (IpAddr::V6(address), port),
        Err(_) => {
            // Brackets without an address of IPv6 in them keep their port to themselves.
            let (host, port) = match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            (IpAddr::V4(aton(host).or_else(|| names.address(host))?), port)
        }
    };
    let number = |port: &str| match number(port, 0, 65535) {
        Some(number) => u16::try_from(number).ok(),
        None => names.port(port, protocol),
    };
    let port = match port {
        Some(port) => Some(number(port)?),
        None => None,
    };
    Some(Place { address, port })
}

/// `strtol` in base 10: the number, within 64 bits, whether it was, and what follows. `None`: there is no digit.
fn strtol(text: &str) -> Option<(i64, bool, &str)> {
    let rest = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let (negative, rest) = match rest.strip_prefix(['+', '-']) {
        Some(behind) => (rest.starts_with('-'), behind),
        None => (false, rest),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, behind) = rest.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    let mut value: i64 = 0;
    for digit in digits.bytes().map(|digit| i64::from(digit - b'0')) {
        let next = value.checked_mul(10);
        let next =
            next.and_then(|next| if negative { next.checked_sub(digit) } else { next.checked_add(digit) });
        match next {
            Some(next) => value = next,
            None => return Some((if negative { i64::MIN } else { i64::MAX }, false, behind)),
        }
    }
    Some((value, true, behind))
}

/// A decimal number between two others; blanks and a sign may stand before it, nothing behind it.
pub fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let (value, fits, rest) = strtol(text)?;
    (fits && rest.is_empty() && (least..=most).contains(&value)).then_some(value)
}

/// `atoi`: whatever number the text begins with, or 0; what is beyond 32 bits is lost.
pub fn atoi(text: &str) -> i32 {
    strtol(text).map_or(0, |(value, ..)| value as i32)
}

/// `inet_aton`: one to four numbers, decimal, octal or hexadecimal, the last one for all bytes that are left; what
/// follows a blank does not count.
pub fn aton(text: &str) -> Option<Ipv4Addr> {
    let mut rest = text;
    let (mut address, mut parts) = (0_u32, 0_u32);
    loop {
        let (value, behind) = part(rest)?;
        rest = behind;
        let Some(next) = rest.strip_prefix('.') else {
            let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
            let most = u32::MAX >> (8 * parts);
            let ends = rest.is_empty() || rest.starts_with(is_blank);
            return (ends && value <= most).then(|| Ipv4Addr::from_bits(address | value));
        };
        if parts == 3 || value > 0xff {
            return None;
        }
        address |= value << (24 - 8 * parts);
        parts += 1;
        rest = next;
    }
}

/// A number in the way of C, with what follows.
fn part(text: &str) -> Option<(u32, &str)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let hexadecimal = hexadecimal.filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (radix, digits) = match hexadecimal {
        Some(rest) => (16, rest),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let rest = digits.trim_start_matches(|c: char| c.is_digit(radix));
    let digits = digits.strip_suffix(rest)?;
    u32::from_str_radix(digits, radix).ok().map(|value| (value, rest))
}

/// `inet_ntop`.
pub fn ntop(address: IpAddr) -> String {
    match address {
        // Those of old that stand for one of IPv4 are written so.
        IpAddr::V6(v6) if matches!(v6.segments(), [0, 0, 0, 0, 0, 0, high, _] if high != 0) => {
            let [.., a, b, c, d] = v6.octets();
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        other => other.to_string(),
    }
}

/// Address and port; `numeric`: without names. At most 59 bytes.
pub fn shown(address: IpAddr, port: u16, protocol: u16, numeric: bool, names: &dyn Names) -> String {
    let host = (!numeric).then(|| names.host(address)).flatten().unwrap_or_else(|| ntop(address));
    let port =
        (!numeric).then(|| names.service(port, protocol)).flatten().unwrap_or_else(|| port.to_string());
    let whole = match address {
        IpAddr::V4(_) => format!("{host}:{port}"),
        IpAddr::V6(_) => format!("[{host}]:{port}"),
    };
    super::bytes::cut(&whole, 59)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One host and one service.
    pub(crate) struct Few;

    impl Names for Few {
        fn address(&self, host: &str) -> Option<Ipv4Addr> {
            (host == "www").then_some(Ipv4Addr::new(10, 0, 0, 7))
        }

        fn port(&self, service: &str, protocol: u16) -> Option<u16> {
            (service == "http" && protocol == 6).then_some(80)
        }

        fn host(&self, address: IpAddr) -> Option<String> {
            (address == IpAddr::from([10, 0, 0, 7])).then(|| "www".to_owned())
        }

        fn service(&self, port: u16, protocol: u16) -> Option<String> {
            (port == 80 && protocol == 6).then(|| "http".to_owned())
        }
    }

    #[test]
    fn places_are_read_as_ipvsadm_reads_them() {
        let read = |text: &str| {
            let place = place(text, 6, &Few)?;
            Some(format!("{} {:?}", place.address, place.port))
        };
        let right = [
            ("10.0.0.1:80", "10.0.0.1 Some(80)"),
            ("10.0.0.1", "10.0.0.1 None"),
            ("10.1:http", "10.0.0.1 Some(80)"),
            ("0x0a.0.0.010:+8", "10.0.0.8 Some(8)"),
            ("www:80", "10.0.0.7 Some(80)"),
            ("2001:db8::1", "2001:db8::1 None"),
            ("::1:80", "::1:80 None"),
            ("[2001:db8::1]:http", "2001:db8::1 Some(80)"),
            ("[10.0.0.1]:80", "10.0.0.1 None"),
            ("[10.0.0.1:90]:80", "10.0.0.1 Some(90)"),
        ];
        for (text, expected) in right {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        let wrong = [
            "",
            "80",
            ":80",
            "10.0.0.1:",
            "10.0.0.1:x",
            "10.0.0.1:65536",
            "10.0.0.1:-1",
            "[::1]",
            "[::1",
            "[::1]80",
            "10.0.0.256:80",
            "1.2.3.4.5:80",
            "none:80",
            "10.0.0.1 :8 0",
            "08.1:80",
            "0x.1:80",
            "4294967296.0",
        ];
        for text in wrong {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(number(" +5", 0, 9), Some(5));
        for text in ["", "5 ", "0x5", "-", "99999999999999999999", "-1", "10"] {
            assert_eq!(number(text, 0, 9), None, "{text}");
        }
        assert_eq!(
            (atoi("64x"), atoi("x"), atoi("4294967424"), atoi("99999999999999999999")),
            (64, 0, 128, -1)
        );
    }

    #[test]
    fn addresses_are_written_as_the_c_library_writes_them() {
        let shown = |text: &str| ntop(text.parse::<IpAddr>().unwrap());
        for text in ["::1", "::", "::0.1.0.2", "::ffff:1.2.3.4", "1:0:0:2::", "1:0:2:3:4:5:6:7", "10.0.0.1"] {
            assert_eq!(shown(text), text);
        }
        let long = super::shown(IpAddr::from([10, 0, 0, 7]), 80, 6, false, &Few);
        assert_eq!(long, "www:http");
        assert_eq!(super::shown("2001:db8::1".parse().unwrap(), 80, 17, false, &Few), "[2001:db8::1]:80");
    }
}
