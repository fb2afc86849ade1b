//! What there is to tell of D-Bus.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::report::Level;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The name is ours.
    Up {
        /// The name.
        name: String,
    },
    /// The bus is not there, or not any more, or does not give us the name; told once until it is ours again.
    Down {
        /// Where the bus is looked for.
        address: String,
        /// The reason.
        why: Trouble,
    },
}

/// Why there is nothing on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The bus is not reached, or the connection ended.
    Connection(String),
    /// Somebody else has the name.
    Taken(String),
    /// The bus does not allow us the name.
    Forbidden(String),
    /// It is no name, or something else is wrong with it.
    Refused(String, String),
    /// The bus does not answer.
    Silent,
}

impl Event {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Up { .. } => Level::Info,
            Self::Down { .. } => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { name } => write!(f, "D-Bus: the instances are shown as {name}"),
            Self::Down { address, why } => {
                match why {
                    Trouble::Connection(why) => write!(f, "D-Bus: no bus at {address}: {why}")?,
                    Trouble::Taken(name) => write!(
                        f,
                        "D-Bus: somebody else, such as a keepalived that runs too, has the name {name}"
                    )?,
                    Trouble::Forbidden(name) => write!(
                        f,
                        "D-Bus: the bus does not allow us the name {name}: a file in \
                         /usr/share/dbus-1/system.d says who may own it, as `directord.conf` does for org.keepalived.Vrrp1"
                    )?,
                    Trouble::Refused(name, why) => {
                        write!(f, "D-Bus: the bus does not give us the name {name}: {why}")?;
                    }
                    Trouble::Silent => write!(f, "D-Bus: the bus at {address} does not answer")?,
                }
                f.write_str("; it is tried again, all else goes on")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let down = |why| Event::Down { address: "unix:path=/run/bus".into(), why }.to_string();
        assert_eq!(
            down(Trouble::Connection("no such file or directory".into())),
            "D-Bus: no bus at unix:path=/run/bus: no such file or directory; it is tried again, all else goes on"
        );
        assert!(
            down(Trouble::Forbidden("a.b".into()))
                .contains("the name a.b: a file in /usr/share/dbus-1/system.d")
        );
        assert!(down(Trouble::Taken("a.b".into())).contains("somebody else"));
    }
}
