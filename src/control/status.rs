//! How a running daemon stands, for who asks: as JSON with names that stay, and as a page for the terminal.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The whole daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `router_id`, else the name of the host.
    pub node: String,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// What it runs.
    pub configuration: Configuration,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its sync group.
    pub group: Option<String>,
    /// `INIT`, `BACKUP`, `MASTER`, `FAULT`.
    pub state: String,
    /// Since when; `None`: since the start.
    pub since: Option<String>,
    /// What goes into the adverts.
    pub priority: u8,
    /// As configured.
    pub base: u8,
    /// What moves it from there.
    pub contributions: Vec<Contribution>,
    /// What holds it in FAULT.
    pub faults: Vec<String>,
    /// The master last heard.
    pub master: Option<IpAddr>,
    /// The address that adverts are sent from.
    pub source: Option<IpAddr>,
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
    /// Its weight while it is up.
    pub weight: u32,
    /// What is known of it.
    pub checks: Vec<Check>,
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
                && !self.services.iter().any(|service| service.is_called(name))
        });
        if let Some(name) = missing {
            return Err(format!("no instance, sync group or virtual server is called `{name}`"));
        }
        self.instances.retain(|instance| names.iter().any(|name| is(name, instance)));
        self.services.retain(|service| names.iter().any(|name| service.is_called(name)));
        self.sessions.clear();
        Ok(self)
    }

    /// A page for the terminal.
    #[must_use]
    pub fn page(&self, now: SystemTime) -> Page<'_> {
        Page { status: self, now }
    }
}

impl Service {
    /// `[10.0.0.1]:tcp:80`, `10.0.0.1:80`, `10.0.0.1 80`, `10.0.0.1`.
    fn is_called(&self, name: &str) -> bool {
        if self.name == name {
            return true;
        }
        let Some((address, rest)) = self.name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) else {
            return false;
        };
        let port = rest.rsplit(':').next().unwrap_or_default();
        let with_port = |between: &str| {
            let rest = name.strip_prefix(address).or_else(|| name.strip_prefix(&format!("[{address}]")));
            rest.and_then(|rest| rest.strip_prefix(between)) == Some(port)
        };
        name == address || with_port(":") || with_port(" ")
    }
}

/// What a terminal shows.
pub struct Page<'a> {
    status: &'a Status,
    now: SystemTime,
}

impl Page<'_> {
    /// ` for 3 s`; of no time nothing.
    fn since(&self, time: Option<&String>) -> String {
        let then = time.and_then(|time| humantime::parse_rfc3339(time).ok());
        let passed = then.and_then(|then| self.now.duration_since(then).ok());
        passed.map(|passed| format!(" for {}", rounded(passed))).unwrap_or_default()
    }
}

/// The two largest units.
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { node, pid, started, configuration, not_running, instances, services, sessions } =
            self.status;
        writeln!(f, "{node}: directord runs{}, pid {pid}", self.since(Some(started)))?;
        match &configuration.instead {
            Some(instead) => writeln!(f, "{instead}")?,
            None => writeln!(f, "{}", configuration.file)?,
        }
        if let Some(why) = &configuration.refused {
            writeln!(f, "The last reload was refused: {why}")?;
        }
        for NotRunning { what, why } in not_running {
            writeln!(f, "{what} {why}")?;
        }
        if !instances.is_empty() {
            writeln!(f)?;
        }
        let longest = instances.iter().map(|instance| instance.name.len()).max().unwrap_or_default();
        for instance in instances {
            let Instance { name, state, since, priority, base, contributions, faults, .. } = instance;
            write!(f, "{name:<longest$}  {state:<6}{}, priority {priority}", self.since(since.as_ref()))?;
            if !contributions.is_empty() {
                write!(f, " ({base}")?;
                for Contribution { what, by } in contributions {
                    write!(f, " {} {} {what}", if *by < 0 { '-' } else { '+' }, by.unsigned_abs())?;
                }
                write!(f, ")")?;
            }
            match (&instance.master, &**state) {
                (Some(master), "BACKUP") => write!(f, ", master {master}")?,
                (None, "BACKUP") => write!(f, ", no master heard")?,
                _ => {}
            }
            if let Some(group) = &instance.group {
                write!(f, ", group {group}")?;
            }
            writeln!(f)?;
            for fault in faults {
                writeln!(f, "{:<longest$}  {fault}", "")?;
            }
        }
        for Service { name, quorum, up, servers } in services {
            let quorum = if *quorum { "" } else { ", no quorum" };
            writeln!(f, "\n{name}  {up} of {} up{quorum}", servers.len())?;
            for server in servers {
                self.server(f, server)?;
            }
        }
        if !sessions.is_empty() {
            writeln!(f)?;
        }
        for Session { name, neighbour, state } in sessions {
            writeln!(f, "{name}  {state}, BFD with {neighbour}")?;
        }
        Ok(())
    }
}

impl Page<'_> {
    fn server(&self, f: &mut fmt::Formatter<'_>, server: &Server) -> fmt::Result {
        let Server { address, up, weight, checks } = server;
        let address = address.to_string();
        let state = if *up { "up" } else { "down" };
        write!(f, "  {address:<24}  {state:<4}  weight {weight}")?;
        for check in checks.iter().filter(|check| !check.passes || check.retries > 0) {
            let Check { kind, passes, since, why, retries } = check;
            match (passes, why) {
                (true, _) => write!(f, "; {kind} failed {retries} times in a row, tried again")?,
                (false, Some(why)) => write!(f, "; {kind} fails{}: {why}", self.since(since.as_ref()))?,
                (false, None) => write!(f, "; {kind} has not passed yet")?,
            }
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
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
            weight: u32::from(up),
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
            master: None,
            source: None,
        };
        Status {
            node: "LVS01".to_owned(),
            pid: 7,
            started: "2026-11-25T09:00:00Z".to_owned(),
            configuration: Configuration {
                file: "/etc/keepalived/keepalived.conf".to_owned(),
                instead: None,
                refused: None,
            },
            not_running: Vec::new(),
            instances: vec![
                instance("VI_1", "MASTER", &[]),
                instance("VI_2", "FAULT", &["interface eth1 is down"]),
            ],
            services: vec![Service {
                name: "[10.0.0.1]:tcp:80".to_owned(),
                quorum: true,
                up: 2,
                servers: vec![
                    server(2, true, vec![check(true, None, 0)]),
                    server(3, false, vec![check(false, Some("connection refused"), 0)]),
                    server(4, true, vec![check(true, None, 2)]),
                ],
            }],
            sessions: Vec::new(),
        }
    }

    #[test]
    fn a_page_for_the_terminal() {
        let now = humantime::parse_rfc3339("2026-11-27T12:02:05Z").unwrap();
        assert_eq!(
            status().page(now).to_string(),
            "LVS01: directord runs for 2 d 3 h, pid 7\n\
             /etc/keepalived/keepalived.conf\n\
             \n\
             VI_1  MASTER for 1 h 2 min, priority 110 (100 + 10 script chk), group G\n\
             VI_2  FAULT  for 1 h 2 min, priority 110 (100 + 10 script chk)\n\
             \u{20}     interface eth1 is down\n\
             \n\
             [10.0.0.1]:tcp:80  2 of 3 up\n\
             \u{20} 10.0.0.2:80               up    weight 1\n\
             \u{20} 10.0.0.3:80               down  weight 0; TCP_CHECK fails for 2 min 5 s: connection refused\n\
             \u{20} 10.0.0.4:80               up    weight 1; TCP_CHECK failed 2 times in a row, tried again\n"
        );
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
        for name in ["VI_3", "10.0.0.1:8", "10.0.0", "0.0.1:80", ""] {
            let why = of(&[name]).unwrap_err();
            assert_eq!(why, format!("no instance, sync group or virtual server is called `{name}`"));
        }
    }
}
