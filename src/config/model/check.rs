use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{InterfaceName, UrlExtras};

/// One check of one real server. Two checks that are equal are the same check: its state survives a reload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checker {
    /// What is asked.
    pub kind: CheckKind,
    /// Where, and from where.
    pub connect: Connect,
    /// `delay_loop`: time between two checks.
    pub delay_loop: Duration,
    /// `warmup`: the first check comes after a random part of it.
    pub warmup: Duration,
    /// `retry`: failures that are retried before the verdict falls.
    pub retry: u32,
    /// `delay_before_retry`.
    pub delay_before_retry: Duration,
    /// `alpha`: down until the first success; otherwise up until the first failure.
    pub alpha: bool,
    /// `log_all_failures`; this version does not act on it.
    pub log_all_failures: Option<bool>,
}

impl Checker {
    /// What makes a check of a reload the same as a running one: what it asks and where, not how often. Its
    /// verdict survives a change of its timing.
    #[must_use]
    pub fn identity(&self) -> Self {
        Self {
            delay_loop: Duration::ZERO,
            warmup: Duration::ZERO,
            retry: 0,
            delay_before_retry: Duration::ZERO,
            alpha: false,
            log_all_failures: None,
            ..self.clone()
        }
    }
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// `HTTP_GET`, `SSL_GET`.
    Http(HttpCheck),
    /// `TCP_CHECK`: the connection is accepted.
    Tcp,
}

/// Common options of checks that connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connect {
    /// `connect_ip`, `connect_port`, else the real server's.
    pub to: SocketAddr,
    /// `connect_timeout`: for the connection, and for each read.
    pub timeout: Duration,
    /// `bindto`.
    pub from: Option<IpAddr>,
    /// `bind_port`; 0: any.
    pub from_port: u16,
    /// `bind_if`.
    pub interface: Option<InterfaceName>,
    /// `fwmark`; 0: none.
    pub fwmark: u32,
}

/// `HTTP_GET` or `SSL_GET`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpCheck {
    /// `SSL_GET`.
    pub tls: bool,
    /// `http_protocol`.
    pub protocol: HttpProtocol,
    /// Name sent in the TLS handshake; `None`: none is sent.
    pub sni: Option<String>,
    /// `fast_recovery`: no waiting between urls until the first whole pass, and while down.
    pub fast_recovery: bool,
    /// `url` blocks, at least one; one is asked each `delay_loop`.
    pub urls: Vec<HttpUrl>,
}

/// `http_protocol`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpProtocol {
    /// `1.0`.
    #[default]
    Http10,
    /// `1.0C`: 1.0 with `Connection: close`.
    Http10Close,
    /// `1.1`, with `Connection: close`.
    Http11,
}

/// One `url` of an HTTP check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpUrl {
    /// `path`, sent as it stands.
    pub path: String,
    /// `virtualhost` of the url, the check, the real server or the virtual server; `None`: address and port.
    pub virtualhost: Option<String>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `status_code`.
    pub status_codes: StatusCodes,
    /// What this version reads and does not act on; `None` when there is nothing of it.
    pub extras: Option<Box<UrlExtras>>,
}

/// A set of HTTP status codes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusCodes(Vec<(u16, u16)>);

impl StatusCodes {
    /// A set of inclusive ranges. Error: there is none, one is reversed, or one leaves 100..=599.
    pub fn new(ranges: Vec<(u16, u16)>) -> Result<Self, super::RangeError> {
        let bad = ranges.iter().find(|(low, high)| low > high || *low < 100 || *high > 599);
        match (bad, ranges.is_empty()) {
            (None, false) => Ok(Self(ranges)),
            (bad, _) => {
                let found = bad.map_or(0, |(low, high)| u64::from(if *low < 100 { *low } else { *high }));
                Err(super::RangeError { found, low: 100, high: 599 })
            }
        }
    }

    /// Whether the set holds `code`.
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }

    /// The inclusive ranges, in the order of the file.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

impl Default for StatusCodes {
    /// 200-299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}
