//! The options of ipvsadm, and which of them a command takes.

use super::words::{Known, Value};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `-A`.
    Add,
    /// `-E`.
    Edit,
    /// `-D`.
    Delete,
    /// `-C`.
    Flush,
    /// `-L`, `-l`.
    List,
    /// `-a`.
    AddServer,
    /// `-d`.
    DeleteServer,
    /// `-e`.
    EditServer,
    /// `--set`.
    Set,
    /// `--start-daemon`.
    Start,
    /// `--stop-daemon`.
    Stop,
    /// `-R`.
    Restore,
    /// `-S`.
    Save,
    /// `-Z`.
    Zero,
}

impl Command {
    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add-service",
            Self::Edit => "edit-service",
            Self::Delete => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::Start => "start-daemon",
            Self::Stop => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }

    /// That of a long option.
    pub fn of(long: &str) -> Option<Self> {
        Some(match long {
            "add-service" => Self::Add,
            "edit-service" => Self::Edit,
            "delete-service" => Self::Delete,
            "clear" => Self::Flush,
            "list" => Self::List,
            "zero" => Self::Zero,
            "add-server" => Self::AddServer,
            "edit-server" => Self::EditServer,
            "delete-server" => Self::DeleteServer,
            "set" => Self::Set,
            "restore" => Self::Restore,
            "save" => Self::Save,
            "start-daemon" => Self::Start,
            "stop-daemon" => Self::Stop,
            _ => return None,
        })
    }
}

/// What a command says to an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It has to be there.
    Needed,
    /// It may be.
    Free,
    /// One of those at most.
    Single,
    /// It may not be.
    Illegal,
}

/// Options by the names that messages have for them, in the order in which they are looked at.
pub const NAMES: [&str; 34] = [
    "numeric",
    "connection",
    "service-address",
    "scheduler",
    "persistent",
    "netmask",
    "real-server",
    "forwarding-method",
    "weight",
    "u-threshold",
    "l-threshold",
    "mcast-interface",
    "timeout",
    "daemon",
    "stats",
    "rate",
    "thresholds",
    "persistent-conn",
    "nosort",
    "syncid",
    "exact",
    "ops",
    "pe",
    "sched-flags",
    "mcast-group",
    "mcast-port",
    "mcast-ttl",
    "sync-maxlen",
    "tun-info",
    "tun-type",
    "tun-port",
    "tun-nocsum",
    "tun-csum",
    "tun-remcsum",
];

/// What `command` says to the option `name` of [`NAMES`].
pub fn rule(command: Command, name: &str) -> Rule {
    use Command::{Add, AddServer, Delete, DeleteServer, Edit, EditServer, List, Save, Start, Stop, Zero};
    match (name, command) {
        ("numeric", List | Save) | ("service-address", Zero) | ("syncid", List | Start | Stop) => Rule::Free,
        ("service-address", Add | Edit | Delete | AddServer | EditServer | DeleteServer)
        | ("real-server", AddServer | EditServer | DeleteServer) => Rule::Needed,
        ("connection" | "service-address" | "timeout" | "daemon", List) => Rule::Single,
        ("stats" | "rate" | "thresholds" | "persistent-conn" | "nosort" | "exact" | "tun-info", List)
        | ("scheduler" | "persistent" | "netmask" | "ops" | "pe" | "sched-flags", Add | Edit)
        | ("forwarding-method" | "weight" | "u-threshold" | "l-threshold", AddServer | EditServer)
        | ("tun-type" | "tun-port" | "tun-nocsum" | "tun-csum" | "tun-remcsum", AddServer | EditServer)
        | ("mcast-interface" | "mcast-group" | "mcast-port" | "mcast-ttl" | "sync-maxlen", Start) => {
            Rule::Free
        }
        _ => Rule::Illegal,
    }
}

/// What a kind of tunnel says to an option.
pub fn tunnel_rule(kind: &str, name: &str) -> Rule {
    match (kind, name) {
        ("gue", "tun-port") => Rule::Needed,
        ("gue", _) | ("gre", "tun-nocsum" | "tun-csum") => Rule::Single,
        _ => Rule::Illegal,
    }
}

/// Looks at `all` options in order; `given` are there. `whose` ends the sentences: `'add-service' command`.
pub fn check<'a>(
    all: impl Iterator<Item = &'a str>,
    given: &[&str],
    rule: impl Fn(&str) -> Rule,
    whose: &str,
) -> Result<(), String> {
    let mut single = None;
    for name in all {
        match (rule(name), given.contains(&name)) {
            (Rule::Needed, false) => {
                return Err(format!("You need to supply the '{name}' option for the {whose}"));
            }
            (Rule::Illegal, true) => return Err(format!("Illegal '{name}' option with the {whose}")),
            (Rule::Single, true) => match single {
                None => single = Some(name),
                Some(first) => {
                    return Err(format!(
                        "The option '{name}' conflicts with the '{first}' option in the {whose}"
                    ));
                }
            },
            _ => {}
        }
    }
    Ok(())
}

const fn known(long: &'static str, short: char, value: Value) -> Known {
    Known { long, short, value }
}

/// Ours, which ipvsadm does not have.
pub const OURS: [&str; 3] = ["force", "keep-going", "runtime-dir"];

/// All that a command line can have.
pub const KNOWN: [Known; 61] = [
    known("add-service", 'A', Value::None),
    known("edit-service", 'E', Value::None),
    known("delete-service", 'D', Value::None),
    known("clear", 'C', Value::None),
    known("list", 'L', Value::None),
    known("list", 'l', Value::None),
    known("zero", 'Z', Value::None),
    known("add-server", 'a', Value::None),
    known("edit-server", 'e', Value::None),
    known("delete-server", 'd', Value::None),
    known("set", '\0', Value::None),
    known("help", 'h', Value::None),
    known("version", 'v', Value::None),
    known("restore", 'R', Value::None),
    known("save", 'S', Value::None),
    known("start-daemon", '\0', Value::One),
    known("stop-daemon", '\0', Value::One),
    known("tcp-service", 't', Value::One),
    known("udp-service", 'u', Value::One),
    known("sctp-service", '\0', Value::One),
    known("fwmark-service", 'f', Value::One),
    known("scheduler", 's', Value::One),
    known("persistent", 'p', Value::Maybe),
    known("netmask", 'M', Value::One),
    known("real-server", 'r', Value::One),
    known("masquerading", 'm', Value::None),
    known("ipip", 'i', Value::None),
    known("gatewaying", 'g', Value::None),
    known("weight", 'w', Value::One),
    known("u-threshold", 'x', Value::One),
    known("l-threshold", 'y', Value::One),
    known("numeric", 'n', Value::None),
    known("connection", 'c', Value::None),
    known("mcast-interface", '\0', Value::One),
    known("syncid", '\0', Value::One),
    known("timeout", '\0', Value::None),
    known("daemon", '\0', Value::None),
    known("stats", '\0', Value::None),
    known("rate", '\0', Value::None),
    known("thresholds", '\0', Value::None),
    known("persistent-conn", '\0', Value::None),
    known("nosort", '\0', Value::None),
    known("sort", '\0', Value::None),
    known("exact", 'X', Value::None),
    known("ipv6", '6', Value::None),
    known("ops", 'o', Value::None),
    known("pe", '\0', Value::One),
    known("sched-flags", 'b', Value::One),
    known("mcast-group", '\0', Value::One),
    known("mcast-port", '\0', Value::One),
    known("mcast-ttl", '\0', Value::One),
    known("sync-maxlen", '\0', Value::One),
    known("tun-info", '\0', Value::None),
    known("tun-type", '\0', Value::One),
    known("tun-port", '\0', Value::One),
    known("tun-nocsum", '\0', Value::None),
    known("tun-csum", '\0', Value::None),
    known("tun-remcsum", '\0', Value::None),
    known("force", '\0', Value::None),
    known("keep-going", '\0', Value::None),
    known("runtime-dir", '\0', Value::One),
];
