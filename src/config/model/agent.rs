//! Where the master agent is: `snmp_socket`, `-A`, in the words of net-snmp.
//!
//! AgentX goes over a stream (RFC 2741 §8): a socket of the file system, or TCP. Other transports of net-snmp are refused
//! by name.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The port of AgentX (RFC 2741 §8.1.1).
const PORT: u16 = 705;
/// What net-snmp takes for a transport.
const OTHERS: &[&str] = &[
    "aal5pvc", "alias", "callback", "dtls", "dtlsudp", "ipx", "pvc", "ssh", "std", "tls", "tlstcp", "udp",
    "udp6", "udpipv6", "udpv6",
];

/// Where the master agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterAgent {
    /// A socket of the file system.
    Unix(PathBuf),
    /// TCP.
    Tcp {
        /// An address, or a name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a word names no master agent that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A transport that is not spoken.
    #[error("AgentX is not spoken over `{0}`")]
    Transport(String),
    /// What follows the transport is no address.
    #[error("`{0}` names no host and port")]
    Address(String),
    /// Nothing is named.
    #[error("no socket is named")]
    Empty,
    /// Not from the root.
    #[error("`{0}` is no path from the root")]
    Relative(String),
}

impl Default for MasterAgent {
    fn default() -> Self {
        Self::Unix(PathBuf::from(Self::PATH))
    }
}

impl MasterAgent {
    /// Where snmpd listens unless it is told otherwise.
    pub const PATH: &str = "/var/agentx/master";
    /// What is spoken, for whoever wrote something else.
    pub const FORMS: &str = "`unix:/PATH`, `tcp:HOST:PORT` or `tcp6:[ADDRESS]:PORT`";

    /// Reads `unix:/var/agentx/master`, `/var/agentx/master`, `tcp:localhost:705`, `tcp:705`, `tcp6:[::1]:705` and the like.
    pub fn parse(word: &str) -> Result<Self, Wrong> {
        if word.is_empty() {
            return Err(Wrong::Empty);
        }
        if word.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(word)));
        }
        match word.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("unix", path)) => Err(Wrong::Relative(path.to_owned())),
            Some(("tcp", rest)) => tcp4(rest),
            Some(("tcp6" | "tcpv6" | "tcpipv6", rest)) => tcp6(rest),
            Some((transport, _)) if OTHERS.contains(&transport) => {
                Err(Wrong::Transport(transport.to_owned()))
            }
            _ => Err(Wrong::Address(word.to_owned())),
        }
    }
}

/// A host, a port, or both.
fn tcp4(word: &str) -> Result<MasterAgent, Wrong> {
    let (host, port) = match word.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => match word.parse() {
            Ok(port) => ("", Some(port)),
            Err(_) => (word, Some(PORT)),
        },
    };
    let local = Ipv4Addr::LOCALHOST.to_string();
    let host = if host.is_empty() && !word.is_empty() { &local } else { host };
    let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    match port {
        Some(port @ 1..) if named => Ok(MasterAgent::Tcp { host: host.to_owned(), port }),
        _ => Err(Wrong::Address(word.to_owned())),
    }
}

/// An address, in brackets or not, a port, or both.
fn tcp6(word: &str) -> Result<MasterAgent, Wrong> {
    let (host, port) = match (word.parse::<u16>(), word.rsplit_once("]:")) {
        (Ok(port), _) => (Ipv6Addr::LOCALHOST.to_string(), Some(port)),
        (_, Some((host, port))) => (host.replace('[', ""), port.parse().ok()),
        _ => (word.replace(['[', ']'], ""), Some(PORT)),
    };
    match (host.parse::<Ipv6Addr>(), port) {
        (Ok(_), Some(port @ 1..)) => Ok(MasterAgent::Tcp { host, port }),
        _ => Err(Wrong::Address(word.to_owned())),
    }
}

impl fmt::Display for MasterAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp6:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_net_snmp() {
        let good = [
            ("unix:/var/agentx/master", "unix:/var/agentx/master"),
            ("/run/agentx", "unix:/run/agentx"),
            ("tcp:127.0.0.1:705", "tcp:127.0.0.1:705"),
            ("tcp:localhost:1705", "tcp:localhost:1705"),
            ("tcp:192.0.2.1", "tcp:192.0.2.1:705"),
            ("tcp:1705", "tcp:127.0.0.1:1705"),
            ("tcp::1705", "tcp:127.0.0.1:1705"),
            ("tcp6:[::1]:705", "tcp6:[::1]:705"),
            ("tcp6:1705", "tcp6:[::1]:1705"),
            ("tcpipv6:[2001:db8::1]", "tcp6:[2001:db8::1]:705"),
            ("tcp6:2001:db8::1", "tcp6:[2001:db8::1]:705"),
        ];
        for (word, meant) in good {
            let agent = MasterAgent::parse(word).unwrap_or_else(|wrong| panic!("{word}: {wrong}"));
            assert_eq!(agent.to_string(), meant);
            assert_eq!(MasterAgent::parse(meant), Ok(agent), "{meant}");
        }
        assert_eq!(MasterAgent::default().to_string(), "unix:/var/agentx/master");
    }

    #[test]
    fn what_is_not_spoken_is_named() {
        assert_eq!(MasterAgent::parse("udp:127.0.0.1:705"), Err(Wrong::Transport("udp".into())));
        assert_eq!(MasterAgent::parse("ssh:x"), Err(Wrong::Transport("ssh".into())));
        assert_eq!(MasterAgent::parse(""), Err(Wrong::Empty));
        assert_eq!(MasterAgent::parse("unix:agentx"), Err(Wrong::Relative("agentx".into())));
        let wrong = [
            "tcp:127.0.0.1:0",
            "tcp:[::1]:705",
            "tcp6:127.0.0.1:705",
            "tcp:",
            "tcp:x:y",
            "agentx",
            "localhost:705",
        ];
        for word in wrong {
            assert!(matches!(MasterAgent::parse(word), Err(Wrong::Address(_))), "{word}");
        }
    }
}
