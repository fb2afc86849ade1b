use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Command, Conversation, InterfaceName, Secret, TlsDemands, TrackFile, UrlMore};

/// One check of one real server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checker {
    /// What is asked and where: what makes a check of a reload the same as a running one. Its verdict survives a
    /// change of the timing.
    pub probe: Arc<Probe>,
    /// How often, and what an answer means; checks of one timing share it.
    pub timing: Arc<Timing>,
}

/// What a check asks, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Where, and from where; `None` for kinds that connect to nothing.
    pub connect: Option<Connect>,
}

/// When a check asks, and what its answers mean.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timing {
    /// `delay_loop`: time between two checks.
    pub delay_loop: Duration,
    /// `warmup`: the first check comes after a random part of it.
    pub warmup: Duration,
    /// `retry`, or one less than `fall`: failures that are retried before the verdict falls.
    pub retry: u32,
    /// `delay_before_retry`.
    pub delay_before_retry: Duration,
    /// `rise`: runs in a row that must pass before what is down is up.
    pub rise: u32,
    /// `alpha`: down until the first success; otherwise up until the first failure.
    pub alpha: bool,
    /// `log_all_failures`; `None`: `checker_log_all_failures`.
    pub log_all_failures: Option<bool>,
}

impl Timing {
    /// `delay_loop` of a check for which nobody says any.
    pub const DELAY_LOOP: Duration = Duration::from_secs(60);
    /// `retry` of most checks for which nobody says any.
    pub const RETRY: u32 = 1;
    /// `retry` of a `DNS_CHECK`.
    pub const DNS_RETRY: u32 = 3;
    /// `retry` of a `MISC_CHECK`.
    pub const MISC_RETRY: u32 = 0;
    /// `rise` of a check that does not say.
    pub const RISE: u32 = 1;
    /// `delay_before_retry` of most checks for which nobody says any.
    pub const PAUSE: Duration = Duration::from_secs(1);
    /// `delay_before_retry` of `HTTP_GET` and `SSL_GET`.
    pub const HTTP_PAUSE: Duration = Duration::from_secs(3);
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// `TCP_CHECK`: the connection is accepted.
    Tcp,
    /// `HTTP_GET`, `SSL_GET`.
    Http(HttpCheck),
    /// `UDP_CHECK`.
    Udp {
        /// `payload`.
        payload: Option<Vec<u8>>,
        /// `require_reply`: what the reply must start with; `None` in it: any half byte.
        reply: Option<Vec<Option<u8>>>,
        /// `min_reply_length`.
        min_reply: u16,
        /// `max_reply_length`.
        max_reply: u16,
    },
    /// `PING_CHECK`.
    Ping,
    /// `DNS_CHECK`.
    Dns {
        /// `type`.
        kind: DnsType,
        /// `name`; `.` by default.
        name: DnsName,
    },
    /// `SMTP_CHECK`.
    Smtp {
        /// `helo_name`.
        helo: Option<String>,
    },
    /// `MISC_CHECK`.
    Misc {
        /// `misc_path`, with the account of `user`.
        command: Box<Command>,
        /// `misc_timeout`; `None`: `delay_loop`.
        timeout: Option<Duration>,
        /// `misc_dynamic`.
        dynamic: bool,
    },
    /// `BFD_CHECK`.
    Bfd {
        /// The session.
        name: String,
    },
    /// `FILE_CHECK`.
    File {
        /// The `track_file`.
        name: String,
        /// `weight`: `None`: that of the file.
        weight: Option<FileWeight>,
    },
    /// `check NAME`.
    Named(Arc<Conversation>),
}

impl ProbeKind {
    /// `min_reply_length` and `max_reply_length` of a check that has none.
    pub const REPLY: (u16, u16) = (0, 255);
    /// `helo_name` of an SMTP_CHECK that has none.
    pub const HELO: &str = "smtpchecker.keepalived.org";

    /// The word of its block.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP_CHECK",
            Self::Http(http) if http.tls => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Udp { .. } => "UDP_CHECK",
            Self::Ping => "PING_CHECK",
            Self::Dns { .. } => "DNS_CHECK",
            Self::Smtp { .. } => "SMTP_CHECK",
            Self::Misc { .. } => "MISC_CHECK",
            Self::Bfd { .. } => "BFD_CHECK",
            Self::File { .. } => "FILE_CHECK",
            Self::Named(_) => "check",
        }
    }

    /// What the log calls it: the word of its block, and the name behind it.
    pub fn title(&self) -> Cow<'static, str> {
        match self {
            Self::Named(asks) => Cow::Owned(format!("check {}", asks.name)),
            kind => Cow::Borrowed(kind.keyword()),
        }
    }

    /// Whom a check over TLS asks for, as far as the configuration says.
    pub fn tls_name(&self) -> Option<&str> {
        let (demands, sni) = match self {
            Self::Http(check) => (&check.demands, check.sni.as_deref()),
            Self::Named(asks) => (&asks.demands, None),
            _ => return None,
        };
        sni.or_else(|| demands.as_ref()?.name.as_ref().map(|name| name.as_str()))
    }

    /// Whether it connects to something.
    pub fn connects(&self) -> bool {
        !matches!(self, Self::Misc { .. } | Self::Bfd { .. } | Self::File { .. })
    }

    /// Whether it connects to a port.
    pub fn has_port(&self) -> bool {
        self.connects() && !matches!(self, Self::Ping)
    }

    /// Whether it asks at times of its own; the others learn what somebody else finds out.
    pub fn has_timing(&self) -> bool {
        !matches!(self, Self::Bfd { .. } | Self::File { .. })
    }

    /// `retry` of a check for which nobody says any.
    pub fn default_retry(&self) -> u32 {
        match self {
            Self::Dns { .. } => Timing::DNS_RETRY,
            Self::Misc { .. } => Timing::MISC_RETRY,
            _ => Timing::RETRY,
        }
    }

    /// `delay_before_retry` of a check for which nobody says any.
    pub fn default_pause(&self, delay_loop: Duration) -> Duration {
        match self {
            Self::Dns { .. } => delay_loop,
            Self::Http(_) => Timing::HTTP_PAUSE,
            _ => Timing::PAUSE,
        }
    }
}

/// `weight` of a FILE_CHECK: what the number in the file is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileWeight {
    /// The number.
    pub number: i32,
    /// `reverse`.
    pub reverse: bool,
}

impl FileWeight {
    /// That of a file of which nothing is said.
    pub const DEFAULT: Self =
        Self { number: TrackFile::WEIGHT.number as i32, reverse: TrackFile::WEIGHT.reverse };
}

/// `type` of a DNS_CHECK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name.
    Cname,
    /// Keys.
    Dnskey,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// Signatures.
    Rrsig,
    /// The start of a zone.
    #[default]
    Soa,
    /// Text.
    Txt,
}

impl DnsType {
    /// Every type, by its name.
    pub const ALL: [(&str, Self); 9] = [
        ("A", Self::A),
        ("AAAA", Self::Aaaa),
        ("CNAME", Self::Cname),
        ("DNSKEY", Self::Dnskey),
        ("MX", Self::Mx),
        ("NS", Self::Ns),
        ("RRSIG", Self::Rrsig),
        ("SOA", Self::Soa),
        ("TXT", Self::Txt),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// `name` of a DNS_CHECK, as it is written: labels of 1 to 63 bytes with dots between them, 255 bytes in all as they are
/// sent (RFC 1035 §2.3.4). A dot at the end changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// Error: a label is empty or too long, or the whole is.
    pub fn new(name: &str) -> Result<Self, DnsNameError> {
        let new = Self(name.to_owned());
        if name.is_empty() || new.labels().any(str::is_empty) {
            return Err(DnsNameError::Empty);
        }
        if let Some(long) = new.labels().find(|label| label.len() > 63) {
            return Err(DnsNameError::LongLabel(long.len()));
        }
        // Each label is sent behind its length, and a zero behind the last.
        let sent = new.labels().map(|label| label.len() + 1).sum::<usize>() + 1;
        if sent > 255 { Err(DnsNameError::Long(sent)) } else { Ok(new) }
    }

    /// Its labels, none of the root.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let name = self.0.strip_suffix('.').unwrap_or(&self.0);
        name.split('.').take(if self.0 == "." { 0 } else { usize::MAX })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DnsName {
    /// The root.
    fn default() -> Self {
        Self(".".to_owned())
    }
}

/// A name that cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsNameError {
    /// Nothing stands before, between or after its dots.
    #[error("a part of the name is empty")]
    Empty,
    /// A label of so many bytes.
    #[error("a part of the name has {0} bytes")]
    LongLabel(usize),
    /// So many bytes as they are sent.
    #[error("the name has {0} bytes as it is sent")]
    Long(usize),
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

impl Connect {
    /// `connect_timeout` of a check for which nobody says any.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
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
    /// What is demanded of certificates and connections; `None`: nothing.
    pub demands: Option<Box<TlsDemands>>,
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
    /// `regex*`; `None`: nothing of it is set.
    pub regex: Option<Box<UrlRegex>>,
    /// `tls_compliant`: a connection that ends without a close of TLS is an error.
    pub tls_compliant: Option<bool>,
    /// What keepalived has no words for.
    pub more: Option<Box<UrlMore>>,
}

impl HttpUrl {
    /// Whether its connection has to end as TLS ends; `check`: the one that it is of.
    pub fn is_compliant(&self, check: &HttpCheck) -> bool {
        check.tls && self.tls_compliant == Some(true)
    }
}

/// The pattern that the body of an answer must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UrlRegex {
    /// `regex`.
    pub pattern: Option<String>,
    /// `regex_no_match`: it must not match.
    pub no_match: bool,
    /// `regex_options`.
    pub options: Vec<String>,
    /// `regex_min_offset`.
    pub min_offset: u64,
    /// `regex_max_offset`.
    pub max_offset: Option<u64>,
    /// `regex_stack`.
    pub stack: Option<RegexStack>,
}

/// `regex_stack`: sizes of the matcher's stack in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegexStack {
    /// At the start.
    pub start: u64,
    /// At most.
    pub most: u64,
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

/// `SSL`: client certificate of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssl {
    /// `password`.
    pub password: Option<Secret>,
    /// `ca`.
    pub ca: Option<String>,
    /// `certificate`.
    pub certificate: Option<String>,
    /// `key`.
    pub key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_asked_for() {
        let labels = |name: &str| -> Result<Vec<String>, DnsNameError> {
            DnsName::new(name).map(|name| name.labels().map(str::to_owned).collect())
        };
        assert_eq!(labels("."), Ok(vec![]));
        assert_eq!((DnsName::default(), labels("a.b")), (DnsName::new(".").unwrap(), labels("a.b.")));
        assert_eq!(labels("a.b").unwrap(), ["a", "b"]);
        for name in ["", "..", ".a", "a..b", "a.."] {
            assert_eq!(labels(name), Err(DnsNameError::Empty), "{name}");
        }
        let long = |lengths: &[usize]| -> String {
            lengths.iter().map(|length| "a".repeat(*length)).collect::<Vec<_>>().join(".")
        };
        assert!(labels(&long(&[63, 63, 63, 61])).is_ok());
        assert_eq!(labels(&long(&[63, 63, 63, 62])), Err(DnsNameError::Long(256)));
        assert_eq!(labels(&long(&[3, 64])), Err(DnsNameError::LongLabel(64)));
    }
}
