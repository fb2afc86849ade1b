//! What a check over TLS demands of the certificate and of the connection; keepalived demands nothing.

use std::net::IpAddr;

/// The words that begin with `tls_`; most checks have none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsDemands {
    /// `tls_verify`.
    pub trust: Trust,
    /// `tls_name`; `None`: the name of the handshake, else that of the request, else the address.
    pub name: Option<TlsName>,
    /// `tls_min_version`.
    pub oldest: Option<TlsVersion>,
    /// `tls_max_version`.
    pub newest: Option<TlsVersion>,
    /// `tls_expiry_warning`: days before a certificate ends.
    pub warn_days: Option<u16>,
}

/// `tls_verify`: whose certificates count.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// `none`: no certificate is looked at.
    #[default]
    Anybody,
    /// `system`: those of the authorities that the host trusts.
    Host,
    /// Those of the authorities in this file, and those in it.
    File(String),
    /// What the configuration says is wrong: a check that must verify and cannot asks nothing.
    Unknown,
}

impl Trust {
    /// `None`: it is neither a word nor an absolute path.
    pub fn new(word: &str) -> Option<Self> {
        match word {
            "none" => Some(Self::Anybody),
            "system" => Some(Self::Host),
            path => (path.starts_with('/') && !path.contains('\0')).then(|| Self::File(path.to_owned())),
        }
    }

    /// As it is written.
    pub fn written(&self) -> &str {
        match self {
            Self::Anybody => "none",
            Self::Host => "system",
            Self::File(path) => path,
            Self::Unknown => "",
        }
    }
}

/// `tls_name`: whom a certificate must be for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsName(String);

impl TlsName {
    /// `None`: no certificate can be for that: it is neither an address nor a name of letters, digits, `-`, `_` and dots
    /// between its parts.
    pub fn new(name: &str) -> Option<Self> {
        let part = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let fits = name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(part));
        fits.then(|| Self(name.to_owned()))
    }

    /// Whom a request for `host` is for: the same without its port and the dot at its end. `None`: as with [`Self::new`].
    pub fn of_host(host: &str) -> Option<Self> {
        let host = without_port(host);
        Self::new(host.strip_suffix('.').unwrap_or(host))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `virtualhost` may carry a port, a name in a handshake may not.
pub fn without_port(virtualhost: &str) -> &str {
    if let Some((address, rest)) = virtualhost.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && (rest.is_empty() || rest.starts_with(':'))
    {
        return address;
    }
    match virtualhost.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => virtualhost,
    }
}

/// Whether DNS has room for that name.
pub fn is_short_enough(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(|part| part.len() <= 63)
}

/// `tls_min_version`, `tls_max_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

impl TlsVersion {
    /// Every version, by its number.
    pub const ALL: [(&str, Self); 2] = [("1.2", Self::V12), ("1.3", Self::V13)];

    /// Its number.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, version)| *version == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_certificate_can_be_for() {
        for name in
            ["www.example.com", "localhost", "_srv.a-b", "xn--bcher-kva.example", "10.0.0.1", "2001:db8::1"]
        {
            assert!(TlsName::new(name).is_some(), "{name}");
        }
        let long = ["a".repeat(64), vec!["a".repeat(60); 5].join(".")];
        for name in ["", ".", "a.", "a..b", "*.example.com", "bücher.example", "a b", "a:443", "[::1]"]
            .into_iter()
            .chain(long.iter().map(String::as_str))
        {
            assert!(TlsName::new(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_port_of_a_virtual_host_is_no_part_of_its_name() {
        assert_eq!(without_port("www.example.com:8443"), "www.example.com");
        assert_eq!(without_port("www.example.com"), "www.example.com");
        assert_eq!(without_port("2001:db8::1"), "2001:db8::1");
        assert_eq!(without_port("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(without_port("[2001:db8::1]"), "2001:db8::1");
    }

    #[test]
    fn a_host_without_a_name_is_nobody() {
        let of = |host: &str| TlsName::of_host(host).map(|name| name.as_str().to_owned());
        for (host, name) in [
            ("www.example.com", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            ("www.example.com.:8443", "www.example.com"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1:80", "10.0.0.1"),
        ] {
            assert_eq!(of(host).as_deref(), Some(name), "{host}");
        }
        for host in ["", ":9001", ":", ".", "..", ".example", ".example:1", "a..", "[]", "[]:1", "a:b:1"] {
            assert_eq!(of(host), None, "{host:?}");
        }
    }

    #[test]
    fn names_have_an_end() {
        let longest = format!("{}.{}", vec!["a".repeat(63); 3].join("."), "a".repeat(61));
        assert!(is_short_enough(&longest) && is_short_enough(&format!("{longest}.")));
        assert!(!is_short_enough(&format!("{longest}a")) && !is_short_enough(&"a".repeat(64)));
    }

    #[test]
    fn trust_is_a_word_or_a_path_from_the_root() {
        assert_eq!(Trust::new("none"), Some(Trust::Anybody));
        assert_eq!(Trust::new("system"), Some(Trust::Host));
        assert_eq!(Trust::new("/a"), Some(Trust::File("/a".into())));
        for word in ["", "sytem", "a.pem", "System", "/a\0"] {
            assert_eq!(Trust::new(word), None, "{word:?}");
        }
        for word in ["none", "system", "/a b"] {
            assert_eq!(Trust::new(word).unwrap().written(), word);
        }
    }
}
