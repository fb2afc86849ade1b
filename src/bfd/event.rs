//! What the sessions have to tell: the lines of the log.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::report::{Again, Level, errno_text};

use super::packet::{Diagnostic, Malformed, State};

/// One thing worth a line; whoever knows the session adds which one it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// Another state.
    Entered {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
        /// Why, as we say it.
        local: Diagnostic,
        /// Why, as the other side says it.
        remote: Diagnostic,
        /// When nothing was heard for too long: the detection time, and how late that was noticed.
        expired: Option<(Duration, Duration)>,
    },
    /// It cannot begin yet, and is tried again.
    Waits(Refusal),
    /// It could not begin, and now it has.
    Begins,
    /// Packets do not leave.
    NotSent {
        /// The kernel's answer.
        errno: i32,
    },
    /// They do again.
    SentAgain,
    /// A packet that counts for nothing.
    Discarded {
        /// Where it came from.
        source: IpAddr,
        /// The reason.
        why: Discard,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
}

/// Why a session cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Refusal {
    /// The port cannot be listened on.
    Port {
        /// 3784 or 4784.
        port: u16,
        /// The kernel's answer.
        errno: i32,
    },
    /// Its source is no address of this host.
    NotHere(IpAddr),
    /// The neighbour is an address of a link, and nothing says of which.
    NoLink(IpAddr),
    /// The kernel has no socket for it.
    Socket {
        /// The kernel's answer.
        errno: i32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { port, errno: libc::EADDRINUSE } => {
                write!(f, "another program has UDP port {port}: `ss -ulpn sport = :{port}` names it")
            }
            Self::Port { port, errno } => {
                write!(f, "cannot listen on UDP port {port}: {}", errno_text(*errno))
            }
            Self::NotHere(source) => write!(f, "its `source_ip` {source} is no address of this host"),
            Self::NoLink(neighbour) => write!(
                f,
                "{neighbour} is an address of a link: name the link by a `source_ip`, a link-local address of this host there"
            ),
            Self::Socket { errno } => write!(f, "cannot open its socket: {}", errno_text(*errno)),
        }
    }
}

/// Why a packet counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
pub enum Discard {
    /// It is none.
    #[error("{0}")]
    Malformed(Malformed),
    /// It means a session that is not here. A peer sends such for a while when we have started anew.
    #[error("session is not found - your discriminator field is {yours:#x}")]
    NoSession {
        /// Your Discriminator.
        yours: u32,
    },
    /// It means a session with somebody else.
    #[error("the session that it names is one with {neighbour}")]
    Stranger {
        /// The other side of that session.
        neighbour: IpAddr,
    },
    /// No session has this neighbour.
    #[error("no session has it as `neighbor_ip`")]
    Unknown,
    /// It crossed more routers than it may.
    #[error("TTL {hops}, at least {least} expected: `max_hops` and `ttl` say so")]
    Hops {
        /// TTL or hop limit received.
        hops: u8,
        /// The least that counts.
        least: u8,
    },
}

impl Discard {
    /// The reason without its figures, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Authentication) => "authentication",
            Self::Malformed(_) => "malformed",
            Self::NoSession { .. } => "session",
            Self::Stranger { .. } => "stranger",
            Self::Unknown => "unknown",
            Self::Hops { .. } => "hops",
        }
    }
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Entered { to: State::Down, from: State::Up, .. } => Level::Warning,
            Self::Entered { .. } | Self::Begins | Self::SentAgain => Level::Info,
            // What a peer sends to the session of before.
            Self::Discarded { why: Discard::NoSession { .. }, .. } => Level::Info,
            Self::Waits(_) | Self::NotSent { .. } | Self::Discarded { .. } => Level::Warning,
        }
    }

    /// Nobody may miss it.
    pub fn must_arrive(&self) -> bool {
        matches!(self, Self::Entered { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entered { to: State::Down, from: State::Up | State::Init, local, remote, expired } => {
                if let Some((after, late)) = expired {
                    let (after, late) = (after.as_secs_f64() * 1e3, late.as_secs_f64() * 1e3);
                    write!(f, "Expired after {after} ms ({late:.1} ms overdue), ")?;
                }
                let (local, remote) = (diagnostic("Local", *local), diagnostic("Remote", *remote));
                write!(f, "Entering Down state ({local}, {remote})")
            }
            Self::Entered { to, .. } => write!(f, "Entering {to} state"),
            Self::Waits(why) => write!(f, "Waits, and is Down: {why}"),
            Self::Begins => f.write_str("Begins: what it waited for is there"),
            Self::NotSent { errno } => {
                write!(f, "Cannot send: {}; this is tried at each interval", errno_text(*errno))
            }
            Self::SentAgain => f.write_str("Sends again"),
            Self::Discarded { source, why, suppressed } => {
                write!(f, "Discarding packet from {source} ({why}){}", Again(*suppressed))
            }
        }
    }
}

fn diagnostic(whose: &str, diagnostic: Diagnostic) -> String {
    format!("{whose} diagnostic - {diagnostic}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_keepaliveds() {
        let entered = |from, to, expired| Event::Entered {
            from,
            to,
            local: Diagnostic::EXPIRED,
            remote: Diagnostic::NONE,
            expired,
        };
        let late = Some((Duration::from_millis(250), Duration::from_micros(300)));
        assert_eq!(
            entered(State::Up, State::Down, late).to_string(),
            "Expired after 250 ms (0.3 ms overdue), Entering Down state (Local diagnostic - Control Detection Time \
             Expired, Remote diagnostic - No Diagnostic)"
        );
        assert_eq!(entered(State::Init, State::Up, None).to_string(), "Entering Up state");
        let why = Discard::NoSession { yours: 0x4385_70ac };
        let source = IpAddr::from([10, 0, 0, 2]);
        assert_eq!(
            Event::Discarded { source, why, suppressed: 2 }.to_string(),
            "Discarding packet from 10.0.0.2 (session is not found - your discriminator field is 0x438570ac) (2 more \
             since the last such line)"
        );
    }

    #[test]
    fn who_has_the_port_can_be_found() {
        let taken = Refusal::Port { port: 3784, errno: libc::EADDRINUSE };
        assert!(taken.to_string().contains("ss -ulpn"));
        let refused = Refusal::Port { port: 3784, errno: libc::EPERM };
        assert_eq!(refused.to_string(), "cannot listen on UDP port 3784: operation not permitted");
    }
}
