//! How a running daemon stands, for who asks: as JSON with names that stay.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// [`Instance::why`] of one that led before the daemon was restarted, and leads on.
pub const RESUMED: &str = "the daemon was restarted in time";

/// The whole daemon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `router_id`, else the name of the host.
    pub node: String,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// What it runs.
    pub configuration: Configuration,
    /// It is to lead nowhere: `directord maintenance on`.
    pub maintenance: Option<Maintenance>,
    /// What is configured and does not run.
    pub not_running: Vec<NotRunning>,
    /// Every `vrrp_instance`.
    pub instances: Vec<Instance>,
    /// Every virtual server.
    pub services: Vec<Service>,
    /// Every `bfd_instance`.
    pub sessions: Vec<Session>,
}

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The file.
    pub file: String,
    /// What runs in the place of the file as it stands, and why.
    pub instead: Option<String>,
    /// Why the last reload was refused.
    pub refused: Option<String>,
    /// `net_namespace_ipvs`: the file of the network namespace where the table is; `None`: the daemon's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipvs_namespace: Option<String>,
}

/// The node is to lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Since when; `None`: that is not known.
    pub since: Option<String>,
    /// When it ends by itself; `None`: it does not.
    pub until: Option<String>,
    /// Why, as it was given.
    pub reason: String,
}

/// Something that is configured and does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRunning {
    /// `VI_1`, `the virtual servers`.
    pub what: String,
    /// `does not run: interface eth9 does not exist`.
    pub why: String,
}

/// A `vrrp_instance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its sync group.
    pub group: Option<String>,
    /// `INIT`, `BACKUP`, `MASTER`, `FAULT`.
    pub state: String,
    /// Since when; `None`: since the start.
    pub since: Option<String>,
    /// What brought it there; `None`: nothing yet.
    pub why: Option<String>,
    /// What goes into the adverts.
    pub priority: u8,
    /// As configured.
    pub base: u8,
    /// What moves it from there.
    pub contributions: Vec<Contribution>,
    /// What holds it in FAULT.
    pub faults: Vec<String>,
    /// Addresses, routes and rules that it holds and that are not there, with the reason as far as it is known.
    #[serde(default)]
    pub missing: Vec<String>,
    /// It has told the others that it goes, and keeps the addresses until one of them leads.
    pub hands_over: bool,
    /// The master last heard.
    pub master: Option<IpAddr>,
    /// Its priority.
    pub master_priority: Option<u8>,
    /// Seconds that a master may be silent.
    pub master_down: f64,
    /// Seconds until a master of lower priority is replaced; `None`: it is not, `nopreempt`.
    pub preempts_after: Option<f64>,
    /// `directord failover`: a master of lower priority is obeyed all the same.
    pub holds_back: bool,
    /// The address that adverts are sent from.
    pub source: Option<IpAddr>,
    /// While MASTER: another one that is there, too.
    pub second_master: Option<String>,
    /// How often there were two, since the start.
    pub two_masters: u64,
    /// How often another host claimed an address while this one was MASTER.
    pub claims: u64,
}

/// A part of a priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// `script chk`.
    pub what: String,
    /// By how much.
    pub by: i16,
}

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `[192.168.100.240]:tcp:80`, as in the log.
    pub name: String,
    /// It has its quorum.
    pub quorum: bool,
    /// Real servers that are up.
    pub up: usize,
    /// Fewer than `min_healthy` are up: those that failed at once stay in.
    #[serde(default)]
    pub keeps: bool,
    /// All of them.
    pub servers: Vec<Server>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// It is up.
    pub up: bool,
    /// It is not, and stays in all the same (`min_healthy`). Left out when it does not: there may be ten thousand of them.
    #[serde(default, skip_serializing_if = "is_not")]
    pub kept: bool,
    /// Its weight while it is up.
    pub weight: u32,
    /// What is said of it by hand (`directord rs`); likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
    /// What is known of it.
    pub checks: Vec<Check>,
}

fn is_not(said: &bool) -> bool {
    !said
}

/// What is said of a real server by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// `drained`, `disabled`, `weight 5`.
    pub what: String,
    /// Since when.
    pub since: String,
    /// Until when; `None`: until it is taken back.
    pub until: Option<String>,
}

impl ByHand {
    /// What is said of one that is not in the table.
    pub const DISABLED: &str = "disabled";
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `TCP_CHECK`.
    pub kind: String,
    /// It passes.
    pub passes: bool,
    /// Since when; `None`: there is no verdict yet.
    pub since: Option<String>,
    /// Why it fails.
    pub why: Option<String>,
    /// Failures in a row that were tried again.
    pub retries: u32,
}

/// A `bfd_instance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// The other side.
    pub neighbour: IpAddr,
    /// `Up`.
    pub state: String,
}

impl Status {
    /// What is called so: instances, their groups, virtual servers. Without names all of it. `Err`: a name that nothing has.
    pub fn only(mut self, names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Ok(self);
        }
        let is = |wanted: &String, instance: &Instance| {
            *wanted == instance.name || instance.group.as_ref() == Some(wanted)
        };
        let missing = names.iter().find(|name| {
            !self.instances.iter().any(|instance| is(name, instance))
                && !self.services.iter().any(|service| is_called(&service.name, name))
        });
        if let Some(name) = missing {
            return Err(format!("no instance, sync group or virtual server is called `{name}`"));
        }
        self.instances.retain(|instance| names.iter().any(|name| is(name, instance)));
        self.services.retain(|service| names.iter().any(|name| is_called(&service.name, name)));
        self.sessions.clear();
        Ok(self)
    }
}

/// Whether a virtual server that is shown as `[10.0.0.1]:tcp:80` is called `name`: that, `10.0.0.1:80`, `10.0.0.1 80` or
/// `10.0.0.1`.
pub(crate) fn is_called(shown: &str, name: &str) -> bool {
    if shown == name {
        return true;
    }
    let Some((address, rest)) = shown.strip_prefix('[').and_then(|rest| rest.split_once("]:")) else {
        return false;
    };
    let port = rest.rsplit(':').next().unwrap_or_default();
    let Ok(ip) = address.parse::<IpAddr>() else {
        return name == address;
    };
    let bare = |name: &str| name.parse() == Ok(ip);
    if let Some((asked, with)) = name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return bare(asked) && with == port;
    }
    match (name.parse::<SocketAddr>(), name.split_once(' ')) {
        (Ok(asked), _) => asked.ip() == ip && asked.port().to_string() == port,
        (_, Some((asked, with))) => bare(asked) && with == port,
        _ => bare(name),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn status() -> Status {
        let check = |passes, why: Option<&str>, retries| Check {
            kind: "TCP_CHECK".to_owned(),
            passes,
            since: Some("2026-11-27T12:00:00Z".to_owned()),
            why: why.map(str::to_owned),
            retries,
        };
        let server = |last: u8, up, checks| Server {
            address: SocketAddr::from(([10, 0, 0, last], 80)),
            up,
            kept: false,
            weight: u32::from(up),
            by_hand: None,
            checks,
        };
        let instance = |name: &str, state: &str, faults: &[&str]| Instance {
            name: name.to_owned(),
            group: (name == "VI_1").then(|| "G".to_owned()),
            state: state.to_owned(),
            since: Some("2026-11-27T11:00:00Z".to_owned()),
            priority: 110,
            base: 100,
            contributions: vec![Contribution { what: "script chk".to_owned(), by: 10 }],
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            missing: Vec::new(),
            hands_over: false,
            why: Some("no advert from any master in time".to_owned()),
            master_priority: None,
            master_down: 3.609375,
            preempts_after: Some(0.0),
            holds_back: false,
            master: None,
            source: None,
            second_master: None,
            two_masters: 0,
            claims: 0,
        };
        Status {
            node: "LVS01".to_owned(),
            pid: 7,
            started: "2026-11-25T09:00:00Z".to_owned(),
            configuration: Configuration {
                file: "/etc/keepalived/keepalived.conf".to_owned(),
                instead: None,
                refused: None,
                ipvs_namespace: None,
            },
            maintenance: None,
            not_running: Vec::new(),
            instances: vec![
                instance("VI_1", "MASTER", &[]),
                instance("VI_2", "FAULT", &["interface eth1 is down"]),
            ],
            services: vec![Service {
                name: "[10.0.0.1]:tcp:80".to_owned(),
                quorum: true,
                up: 2,
                keeps: false,
                servers: vec![
                    server(2, true, vec![check(true, None, 0)]),
                    server(3, false, vec![check(false, Some("connection refused"), 0)]),
                    server(4, true, vec![check(true, None, 2)]),
                ],
            }],
            sessions: Vec::new(),
        }
    }

    /// What is written down and what is promised are the same, field by field.
    #[test]
    fn the_schema_is_that_of_the_answer() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/schema/status.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut all = status();
        all.not_running.push(NotRunning { what: "VI_9".to_owned(), why: "does not run".to_owned() });
        let neighbour = IpAddr::from([10, 0, 0, 9]);
        all.sessions.push(Session { name: "P".to_owned(), neighbour, state: "Up".to_owned() });
        all.configuration.ipvs_namespace = Some("/run/netns/blue".to_owned());
        all.maintenance = Some(Maintenance { since: None, until: None, reason: String::new() });
        let since = "2026-11-27T12:00:00Z".to_owned();
        all.services[0].servers[1].kept = true;
        all.services[0].servers[0].by_hand = Some(ByHand { what: "drained".to_owned(), since, until: None });
        for shown in [all, Status { instances: status().instances, ..Status::default() }] {
            let value = serde_json::to_value(&shown).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0]);
            // Nothing is read that is not written.
            assert_eq!(serde_json::from_value::<Status>(value).unwrap(), shown);
        }
        let mut more = serde_json::to_value(status()).unwrap();
        more["more"] = 1.into();
        assert!(!validator.is_valid(&more), "a field that the schema does not name");
    }

    #[test]
    fn one_of_them_by_its_name() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            status().only(&names).map(|found| (found.instances.len(), found.services.len()))
        };
        assert_eq!(of(&[]), Ok((2, 1)));
        assert_eq!(of(&["VI_2"]), Ok((1, 0)));
        assert_eq!(of(&["G"]), Ok((1, 0)));
        for name in ["[10.0.0.1]:tcp:80", "10.0.0.1:80", "10.0.0.1 80", "10.0.0.1", "[10.0.0.1]:80"] {
            assert_eq!(of(&[name]), Ok((0, 1)), "{name}");
        }
        assert_eq!(of(&["VI_1", "10.0.0.1"]), Ok((1, 1)));
        let six = "[2001:db8::1]:tcp:80";
        for name in ["2001:DB8::1", "[2001:db8:0::1]:80", "2001:db8::1 80", six] {
            assert!(is_called(six, name), "{name}");
        }
        for name in ["2001:db8::1:80", "[2001:db8::1]:8", "2001:db8::1 8", "2001:db8::"] {
            assert!(!is_called(six, name), "{name}");
        }
        assert!(is_called("[web]:0", "web") && is_called("FWM 7", "FWM 7"));
        for name in ["VI_3", "10.0.0.1:8", "10.0.0", "0.0.1:80", ""] {
            let why = of(&[name]).unwrap_err();
            assert_eq!(why, format!("no instance, sync group or virtual server is called `{name}`"));
        }
    }
}
