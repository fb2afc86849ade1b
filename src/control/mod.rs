//! What a running daemon is asked, and what it answers: one JSON document a line, over a socket of the runtime directory.
//!
//! Who asks writes one line and reads one; to `status` with `watch` a line comes for each change until one side hangs up.

pub mod election;
mod page;
pub mod status;

use serde::{Deserialize, Serialize};

use status::Status;

/// The version of questions and answers. It changes when one that was understood no longer is.
pub const VERSION: u32 = 1;
/// Name of the socket in the runtime directory.
pub const SOCKET: &str = "control.socket";
/// Characters of the reason of a maintenance: it is part of a line of the log, and of the status of the service manager.
pub const LONGEST_REASON: usize = 200;
/// Bytes of a question.
pub const LONGEST: u64 = 4096;

/// A question with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Read the configuration again.
    Reload {
        /// Also when it takes away what runs because files are missing.
        #[serde(default)]
        allow_empty: bool,
    },
    /// How everything stands.
    Status {
        /// Instances, groups and virtual servers; none: all of them.
        #[serde(default)]
        of: Vec<String>,
        /// Again at each change.
        #[serde(default)]
        watch: bool,
    },
    /// Another node is to lead.
    Failover {
        /// Instances and sync groups.
        of: Vec<String>,
        /// For so many seconds a master of lower priority is obeyed; `None`: until this node has led again.
        seconds: Option<u64>,
    },
    /// This node is to lead nowhere, or may again.
    Maintenance {
        /// It begins.
        on: bool,
        /// It ends by itself after so many seconds.
        #[serde(default)]
        seconds: Option<u64>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Something is said of real servers, whatever the configuration and the checks say.
    RealServer {
        /// A virtual server, named as for `status`.
        service: String,
        /// `ADDRESS:PORT`, or `ADDRESS` for all its ports.
        server: String,
        /// What.
        what: Steer,
        /// It ends by itself after so many seconds.
        #[serde(default)]
        seconds: Option<u64>,
    },
}

/// What may be said of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Steer {
    /// It keeps its connections and gets no new ones.
    Drain,
    /// It is taken out of the table.
    Disable,
    /// It has this weight.
    Weight(u32),
    /// Nothing any more.
    Enable,
}

impl Ask {
    /// Whether it changes nothing.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Status { .. })
    }
}

/// An answer with its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`VERSION`].
    pub version: u32,
    /// What is answered.
    pub answer: Answer,
}

/// What may be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What became of a reload.
    Reloaded(Reloaded),
    /// How everything stands.
    Status(Box<Status>),
    /// It is done, or begun; what there is to say of it.
    Done(Vec<String>),
    /// Nothing was done; why.
    Refused(String),
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// It is in force.
    pub applied: bool,
    /// What was said of it.
    pub lines: Vec<String>,
}

impl Question {
    /// Its line.
    #[must_use]
    pub fn line(ask: Ask) -> String {
        let question = Self { version: VERSION, ask };
        let mut line = serde_json::to_string(&question).unwrap_or_default();
        line.push('\n');
        line
    }

    /// What a line asks, or why that is not known.
    pub fn parse(line: &str) -> Result<Ask, String> {
        let versioned = |line: &str| {
            let any: serde_json::Value = serde_json::from_str(line).ok()?;
            any.get("version")?.as_u64()
        };
        match versioned(line) {
            Some(version) if version != u64::from(VERSION) => {
                Err(format!("this daemon knows version {VERSION} of the questions, not {version}"))
            }
            _ => serde_json::from_str(line)
                .map(|question: Self| question.ask)
                .map_err(|error| format!("the question is not understood: {error}")),
        }
    }
}

impl Reply {
    /// Its line.
    #[must_use]
    pub fn line(answer: Answer) -> Vec<u8> {
        let reply = Self { version: VERSION, answer };
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_is_understood() {
        let asks = [
            Ask::Reload { allow_empty: true },
            Ask::Status { of: vec!["VI_1".to_owned()], watch: false },
            Ask::Status { of: Vec::new(), watch: true },
            Ask::Failover { of: vec!["VI_1".to_owned()], seconds: Some(60) },
            Ask::Maintenance { on: true, seconds: None, reason: "disk".to_owned() },
            Ask::RealServer {
                service: "10.0.0.1:80".to_owned(),
                server: "10.0.0.2".to_owned(),
                what: Steer::Weight(3),
                seconds: None,
            },
        ];
        for ask in asks {
            assert_eq!(Question::parse(&Question::line(ask.clone())), Ok(ask));
        }
        let short = Question::parse("{\"version\":1,\"ask\":{\"status\":{}}}");
        assert_eq!(short, Ok(Ask::Status { of: Vec::new(), watch: false }));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let why = |line: &str| Question::parse(line).unwrap_err();
        assert!(why("{\"version\":2,\"ask\":{\"dance\":{}}}").contains("version 1 of the questions, not 2"));
        assert!(why("{\"version\":1,\"ask\":{\"dance\":{}}}").contains("unknown variant `dance`"));
        assert!(why("{\"version\":1,\"ask\":{\"reload\":{\"allowempty\":true}}}").contains("allowempty"));
        for line in ["", "reload", "{", "[]", "{\"ask\":{\"status\":{}}}", "\u{0}"] {
            assert!(why(line).contains("is not understood"), "{line}");
        }
    }
}
