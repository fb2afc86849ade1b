//! Health checks of real servers.
//!
//! `policy` says what the kind of a check means for its [`schedule`], which decides when the check runs and what
//! its outcomes amount to; [`checks`] holds the schedules of all. A [`dialogue`] is what a check says and hears;
//! `patterns` are those that bodies must match;
//! `misc` is what the end of a program means, `file` what the number in a file does; a BFD session is up or down. `io/` opens the connections and runs the programs. `genhash` uses the same dialogue and the same connections.

pub mod checks;
pub mod dialogue;
pub(crate) mod file;
pub(crate) mod io;
pub(crate) mod misc;
pub mod patterns;
pub(crate) mod policy;
pub mod schedule;
pub mod standing;

use std::fmt;
use std::time::Duration;

use crate::config::model::FileWeight;
use crate::script::Ending;

pub use standing::{Standing, WeightChange};

/// How one run of a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed {
        /// What it says of the weight; `None`: nothing, the configured one holds.
        weight: Option<WeightChange>,
    },
    /// It failed.
    Failed(Failure),
    /// It could not be run for a reason on this node; the standing stays as it is.
    NotRun(String),
}

impl Outcome {
    /// It passed, and says nothing of the weight.
    pub const PASSED: Self = Self::Passed { weight: None };
}

/// A certificate that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// Whose it is.
    pub subject: String,
    /// When it ends.
    pub end: String,
    /// In how many days; of one that has ended less than 0.
    pub days: i32,
}

impl fmt::Display for Expiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, end, days } = self;
        match days {
            ..0 => write!(f, "the certificate of {subject} has ended at {end}"),
            0 => write!(f, "the certificate of {subject} ends at {end}, within a day"),
            1 => write!(f, "the certificate of {subject} ends at {end}, in 1 day"),
            days => write!(f, "the certificate of {subject} ends at {end}, in {days} days"),
        }
    }
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection within `connect_timeout`.
    ConnectTimeout(Duration),
    /// The connection was refused, or the address is unreachable.
    Connect(String),
    /// The connection broke.
    Broken(String),
    /// TLS did not come about.
    Tls(String),
    /// The certificate is not one that counts.
    Certificate(String),
    /// The server sent the check elsewhere, and there it does not go.
    Redirect(String),
    /// Behind a redirect.
    Redirected {
        /// To where.
        to: String,
        /// What happened there.
        why: Box<Self>,
    },
    /// Nothing for `connect_timeout` although the connection is open.
    ReadTimeout(Duration),
    /// The answer comes, but does not end in time.
    TooSlow(Duration),
    /// The answer is right, and came late.
    Late {
        /// How long it took, from the start of the connection to its end.
        took: Duration,
        /// `max_time`.
        limit: Duration,
    },
    /// The answer has more bytes than are looked at.
    TooLong(u64),
    /// The server closed the connection without a word.
    NoData,
    /// What came is no HTTP response.
    NotHttp(String),
    /// The status code is not wanted.
    Status {
        /// The code.
        found: u16,
    },
    /// At this step of a dialogue.
    At {
        /// What was waited for.
        step: &'static str,
        /// What happened instead.
        why: Box<Self>,
    },
    /// The reply is not the one that is wanted.
    Unexpected {
        /// What was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// Nothing came in answer to a datagram.
    Silence(Duration),
    /// The datagrams that came are no answer.
    Strays {
        /// How long they were read.
        limit: Duration,
        /// How many they are.
        count: u32,
        /// What the last one is.
        last: String,
    },
    /// What came is no whole message of its protocol.
    Malformed(String),
    /// The number in the file of a FILE_CHECK.
    Number {
        /// Name of the `track_file`.
        file: String,
        /// The number.
        number: i32,
        /// What it is multiplied with.
        weight: FileWeight,
    },
    /// The session of a BFD_CHECK is down, or has never been up.
    Session {
        /// Its name.
        name: String,
    },
    /// The program of a MISC_CHECK did not succeed.
    Program(Ending),
    /// The digest of the body differs.
    Digest {
        /// The digest.
        found: [u8; 16],
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectTimeout(limit) => write!(f, "no connection within {} s", limit.as_secs_f64()),
            Self::At { step, why } => write!(f, "{step}: {why}"),
            Self::Unexpected { expected, got } => write!(f, "expected {expected}, got {got}"),
            Self::Silence(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Strays { limit, count, last } => {
                let limit = limit.as_secs_f64();
                match count {
                    1 => write!(f, "no answer within {limit} s; one datagram came, and it {last}"),
                    _ => write!(
                        f,
                        "no answer within {limit} s; {count} datagrams came, and the last one {last}"
                    ),
                }
            }
            Self::Number { file, number, weight } => f.write_str(&file::reason(file, *number, *weight)),
            Self::Session { name } => write!(f, "BFD session {name} is down"),
            Self::Malformed(what) => f.write_str(what),
            Self::Program(ending) => write!(f, "its program {ending}"),
            Self::Connect(error) => f.write_str(error),
            Self::Broken(error) => write!(f, "connection broken: {error}"),
            Self::Tls(why) => write!(f, "TLS handshake failed: {why}"),
            Self::Certificate(why) | Self::Redirect(why) => f.write_str(why),
            Self::Redirected { to, why } => write!(f, "redirected to `{to}`: {why}"),
            Self::ReadTimeout(limit) => {
                write!(f, "connected, but no answer within {} s", limit.as_secs_f64())
            }
            Self::TooSlow(limit) => write!(f, "the answer did not end within {} s", limit.as_secs_f64()),
            Self::Late { took, limit } => {
                let limit = limit.as_secs_f64();
                write!(
                    f,
                    "the answer is right, but took {:.3} s, and max_time is {limit} s",
                    took.as_secs_f64()
                )
            }
            Self::TooLong(limit) => write!(f, "the answer does not end within {limit} bytes"),
            Self::NoData => f.write_str("connection closed without an answer"),
            Self::NotHttp(what) => write!(f, "the answer is not HTTP: {what}"),
            Self::Status { found } => write!(f, "HTTP status code {found}"),
            Self::Digest { found } => write!(f, "MD5 digest is {}", crate::text::hex(found)),
        }
    }
}
