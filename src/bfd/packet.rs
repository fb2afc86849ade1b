//! The bytes of a BFD control packet (RFC 5880 §4.1), and what is wrong with those that are none.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Bytes of a packet without authentication.
pub const LENGTH: usize = 24;
/// Bytes that are looked at: more is no packet that can be ours.
pub const LARGEST: usize = 255;

const VERSION: u8 = 1;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// State of a session (RFC 5880 §6.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// Taken down by hand: a stop, or a reload that has it no longer.
    AdminDown,
    /// Nothing is heard, or the other side has just started.
    #[default]
    Down,
    /// The other side is heard, and does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why the state changed last (RFC 5880 §4.1), 0..=31.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// Nothing is wrong.
    pub const NONE: Self = Self(0);
    /// Nothing was heard for the detection time.
    pub const EXPIRED: Self = Self(1);
    /// The other side says that it is down.
    pub const NEIGHBOUR: Self = Self(3);
    /// By hand.
    pub const ADMINISTRATIVE: Self = Self(7);
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            other => return write!(f, "Diagnostic {other}"),
        })
    }
}

/// A control packet without authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender's state changed last.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// P: an answer is asked for.
    pub poll: bool,
    /// F: the answer to a poll.
    pub is_final: bool,
    /// D: the sender wants no periodic packets while both are up.
    pub demand: bool,
    /// So many packets may be lost in a row, less one. Never 0 of a packet that was read.
    pub multiplier: u8,
    /// The sender's name for the session. Never 0 of a packet that was read.
    pub mine: u32,
    /// The receiver's name for it; 0: not known.
    pub yours: u32,
    /// How often the sender would like to send; microseconds on the wire.
    pub min_tx: Duration,
    /// How often it can hear; 0: it wants no periodic packets.
    pub min_rx: Duration,
}

/// Why bytes are no packet that counts, in the order of RFC 5880 §6.8.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
pub enum Malformed {
    /// Cut short.
    #[error("the packet has {length} bytes, at least 24 expected")]
    Short {
        /// Bytes received.
        length: usize,
    },
    /// Of another version.
    #[error("BFD version {found}, 1 expected")]
    Version {
        /// Version field.
        found: u8,
    },
    /// The length field is too small, or larger than the packet.
    #[error("its length field says {said}, and {received} bytes came")]
    Length {
        /// Length field.
        said: u8,
        /// Bytes received.
        received: usize,
    },
    /// Detection multiplier 0.
    #[error("its detection multiplier is 0")]
    Multiplier,
    /// The multipoint bit is set.
    #[error("its multipoint bit is set")]
    Multipoint,
    /// My Discriminator 0.
    #[error("its own discriminator is 0")]
    Mine,
    /// Your Discriminator 0 in a state in which the sender must know it.
    #[error("its state is {state}, and it does not say which session of ours it means")]
    Yours {
        /// The sender's state.
        state: State,
    },
    /// It is signed, and nothing is signed here.
    #[error("it is authenticated, which sessions of keepalived are not: switch that off on the other side")]
    Authentication,
}

impl Packet {
    /// Reads the payload of a datagram.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let short = Malformed::Short { length: bytes.len() };
        let head: &[u8; LENGTH] = bytes.first_chunk().ok_or(short)?;
        let [first, flags, multiplier, said, fields @ ..] = head;
        let field = |at: usize| {
            let bytes = fields.get(at * 4..).and_then(|rest| rest.first_chunk::<4>());
            u32::from_be_bytes(bytes.copied().unwrap_or_default())
        };
        let version = first >> 5;
        if version != VERSION {
            return Err(Malformed::Version { found: version });
        }
        let authenticated = flags & AUTHENTICATION != 0;
        let least = if authenticated { LENGTH + 2 } else { LENGTH };
        if usize::from(*said) < least || usize::from(*said) > bytes.len() {
            return Err(Malformed::Length { said: *said, received: bytes.len() });
        }
        if *multiplier == 0 {
            return Err(Malformed::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Malformed::Multipoint);
        }
        let state = match flags >> 6 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        };
        let (mine, yours) = (field(0), field(1));
        if mine == 0 {
            return Err(Malformed::Mine);
        }
        if yours == 0 && !matches!(state, State::AdminDown | State::Down) {
            return Err(Malformed::Yours { state });
        }
        if authenticated {
            return Err(Malformed::Authentication);
        }
        Ok(Self {
            diagnostic: Diagnostic(first & 0x1f),
            state,
            poll: flags & POLL != 0,
            is_final: flags & FINAL != 0,
            demand: flags & DEMAND != 0,
            multiplier: *multiplier,
            mine,
            yours,
            min_tx: Duration::from_micros(field(2).into()),
            min_rx: Duration::from_micros(field(3).into()),
        })
    }

    /// The payload of a datagram; without echo.
    pub fn bytes(&self) -> [u8; LENGTH] {
        let state = match self.state {
            State::AdminDown => 0,
            State::Down => 1,
            State::Init => 2,
            State::Up => 3,
        };
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL) | flag(self.is_final, FINAL) | flag(self.demand, DEMAND);
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX).to_be_bytes();
        let [m0, m1, m2, m3] = self.mine.to_be_bytes();
        let [y0, y1, y2, y3] = self.yours.to_be_bytes();
        let [t0, t1, t2, t3] = micros(self.min_tx);
        let [r0, r1, r2, r3] = micros(self.min_rx);
        let first = VERSION << 5 | self.diagnostic.0 & 0x1f;
        let (second, length) = (state << 6 | flags, 24);
        #[rustfmt::skip]
        let bytes = [
            first, second, self.multiplier, length,
            m0, m1, m2, m3, y0, y1, y2, y3, t0, t1, t2, t3, r0, r1, r2, r3, 0, 0, 0, 0,
        ];
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As keepalived 2.2.7 sent it: state Up, poll.
    const UP: [u8; LENGTH] = [
        0x20, 0xe0, 5, 24, 0xb1, 0xde, 0x5e, 0xb6, 0x43, 0x85, 0x70, 0xac, 0, 0, 0xc3, 0x50, 0, 0, 0xc3,
        0x50, 0, 0, 0, 0,
    ];

    fn up() -> Packet {
        let interval = Duration::from_millis(50);
        Packet {
            diagnostic: Diagnostic::NONE,
            state: State::Up,
            poll: true,
            is_final: false,
            demand: false,
            multiplier: 5,
            mine: 0xb1de_5eb6,
            yours: 0x4385_70ac,
            min_tx: interval,
            min_rx: interval,
        }
    }

    #[test]
    fn values_are_bytes() {
        assert_eq!(Packet::read(&UP), Ok(up()));
        assert_eq!(up().bytes(), UP);
        for state in [State::AdminDown, State::Down, State::Init, State::Up] {
            for bits in 0..8u8 {
                let set = |bit: u8| bits & 1 << bit != 0;
                let (poll, is_final, demand) = (set(0), set(1), set(2));
                let packet = Packet { state, poll, is_final, demand, diagnostic: Diagnostic(bits), ..up() };
                assert_eq!(Packet::read(&packet.bytes()), Ok(packet));
            }
        }
    }

    #[test]
    fn intervals_end_at_what_fits() {
        let packet = Packet { min_tx: Duration::from_secs(5000), min_rx: Duration::ZERO, ..up() };
        let read = Packet::read(&packet.bytes()).unwrap();
        assert_eq!(read.min_tx, Duration::from_micros(u32::MAX.into()));
        assert_eq!(read.min_rx, Duration::ZERO);
    }

    #[test]
    fn each_check_has_its_word() {
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = UP.to_vec();
            change(&mut bytes);
            Packet::read(&bytes).map(drop)
        };
        assert_eq!(with(&|bytes| bytes.truncate(23)), Err(Malformed::Short { length: 23 }));
        assert_eq!(with(&|bytes| bytes.clear()), Err(Malformed::Short { length: 0 }));
        assert_eq!(with(&|bytes| bytes[0] = 0), Err(Malformed::Version { found: 0 }));
        assert_eq!(with(&|bytes| bytes[0] = 0xe0), Err(Malformed::Version { found: 7 }));
        for said in [0, 23, 25, 255] {
            assert_eq!(with(&|bytes| bytes[3] = said), Err(Malformed::Length { said, received: 24 }));
        }
        assert_eq!(with(&|bytes| bytes.extend([1; 9])), Ok(()), "what follows the packet is no part of it");
        assert_eq!(with(&|bytes| bytes[2] = 0), Err(Malformed::Multiplier));
        assert_eq!(with(&|bytes| bytes[1] |= MULTIPOINT), Err(Malformed::Multipoint));
        assert_eq!(with(&|bytes| bytes[4..8].fill(0)), Err(Malformed::Mine));
        assert_eq!(with(&|bytes| bytes[8..12].fill(0)), Err(Malformed::Yours { state: State::Up }));
        let down = |bytes: &mut Vec<u8>| {
            bytes[1] = 0x40;
            bytes[8..12].fill(0);
        };
        assert_eq!(with(&down), Ok(()));
        let signed = |bytes: &mut Vec<u8>| {
            bytes[1] |= AUTHENTICATION;
            bytes.extend([1, 4, 1, b'x']);
        };
        assert_eq!(with(&signed), Err(Malformed::Length { said: 24, received: 28 }));
        let whole = |bytes: &mut Vec<u8>| {
            signed(bytes);
            bytes[3] = 28;
        };
        assert_eq!(with(&whole), Err(Malformed::Authentication));
    }
}
