//! A command line into what is to be done.
//!
//! In: the words behind the name of the program. Out: an [`Action`], or what is said instead and the exit status that
//! ipvsadm has for it. The order of the words counts where it does there: `-r` takes the port of a service that stands
//! before it, `-6` goes behind `-f`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::{Names, atoi, aton, number, place};
use super::bytes::cut;
use super::options::{Command, KNOWN, NAMES, OURS, check, rule, tunnel_rule};
use super::words::{Found, Words};
use crate::config::model::{
    Family, Forwarding, Granularity, Persistence, Protocol, SchedulerFlags, Service, TunnelChecksum,
};
use crate::ipvs::diff::Operation;
use crate::ipvs::sync::{self, Role};
use crate::ipvs::{Destination, Settings};

/// 31 days, in seconds.
const LONGEST: i64 = 86_400 * 31;
/// Bytes of the name of a scheduler, and of an interface.
const NAME: usize = 15;
/// Bytes of the name of a persistence engine.
const ENGINE: usize = 16;
/// Bytes of the flags of a scheduler.
const FLAGS: usize = 127;
/// UDP over IPv4.
const LARGEST_MESSAGE: i64 = 65_535 - 28;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `-h`.
    Help,
    /// `-v`.
    Version,
    /// `-L` and `-S`.
    List(Listed, Format),
    /// `-R`.
    Restore,
    /// `-C`.
    Flush,
    /// `-A`, `-E`, `-D`, `-a`, `-e`, `-d`.
    Change(Operation),
    /// `-Z`; `None`: of all services.
    Zero(Option<Service>),
    /// `--set`: tcp, tcpfin, udp.
    Timeouts([u32; 3]),
    /// `--start-daemon`, `--stop-daemon`.
    Sync(sync::Operation),
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// The table.
    All,
    /// One service.
    One(Service),
    /// `-c`.
    Connections,
    /// `--timeout`.
    Timeouts,
    /// `--daemon`.
    Daemons,
}

/// How it is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is an option, and any of them may stand beside any other
pub struct Format {
    /// `-n`.
    pub numeric: bool,
    /// `-S`.
    pub rules: bool,
    /// `--stats`.
    pub stats: bool,
    /// `--rate`.
    pub rate: bool,
    /// `--thresholds`.
    pub thresholds: bool,
    /// `--persistent-conn`.
    pub persistent: bool,
    /// `--nosort`.
    pub unsorted: bool,
    /// `--exact`.
    pub exact: bool,
    /// `--tun-info`.
    pub tunnels: bool,
}

/// What ipvsadm does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// `--force`: also what the daemon keeps.
    pub force: bool,
    /// `--keep-going`: of `-R`.
    pub keep_going: bool,
    /// `--runtime-dir`.
    pub runtime_dir: Option<String>,
}

/// Nothing is done: what goes to standard error, and the exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// With the end of its line.
    pub text: String,
    /// Exit status.
    pub status: u8,
    /// `-R --keep-going` goes on with the next line.
    pub goes_on: bool,
}

impl Stop {
    /// Exit status of a command line that is wrong.
    pub const WRONG: u8 = 2;
    /// Exit status of what popt or the kernel does not take.
    pub const REFUSED: u8 = 255;

    fn wrong(text: impl Into<String>) -> Self {
        Self { text: text.into() + "\n", status: Self::WRONG, goes_on: false }
    }

    /// Where help is to be had.
    pub fn help(program: &str) -> Self {
        let text = format!("Try `{program} -h' or '{program} --help' for more information.\n");
        Self { text, status: Self::REFUSED, goes_on: false }
    }
}

/// Which service, as far as it is known.
#[derive(Debug, Default)]
struct Asked {
    address: Option<IpAddr>,
    port: u16,
    protocol: Option<Protocol>,
    mark: u32,
    family: Version,
    scheduler: String,
    engine: String,
    timeout: Option<u32>,
    one_packet: bool,
    flags: String,
    mask: Mask,
}

/// Of IP.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Version {
    #[default]
    Four,
    Six,
}

#[derive(Debug, Clone, Copy)]
enum Mask {
    Four(Ipv4Addr),
    Six(u8),
}

impl Default for Mask {
    fn default() -> Self {
        Self::Four(Ipv4Addr::BROADCAST)
    }
}

/// Which real server.
#[derive(Debug)]
struct Server {
    address: Option<SocketAddr>,
    method: Method,
    weight: u32,
    upper: u32,
    lower: u32,
    tunnel: &'static str,
    tunnel_port: u16,
    checksum: TunnelChecksum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Masquerade,
    Tunnel,
    Route,
}

/// Everything that was said.
struct Line<'a> {
    names: &'a dyn Names,
    given: Vec<&'static str>,
    format: Format,
    service: Asked,
    server: Server,
    role: Role,
    daemon: sync::Settings,
    ours: Ours,
}

/// Reads a command line. `program`: how it was called.
pub fn parse(program: &str, words: &[String], names: &dyn Names) -> Result<(Action, Ours), Stop> {
    let mut line = Line::new(names);
    let mut reader = Words::new(words, &KNOWN);
    let command = loop {
        let Ok(Some(found)) = reader.option() else { return Err(Stop::help(program)) };
        if line.is_ours(&found) {
            continue;
        }
        match (found.long, Command::of(found.long)) {
            ("help", _) => return Ok((Action::Help, line.ours)),
            ("version", _) => return Ok((Action::Version, line.ours)),
            (_, Some(command)) => {
                line.begin(command, &found)?;
                break command;
            }
            _ => return Err(Stop::help(program)),
        }
    };
    loop {
        match reader.option() {
            Ok(Some(found)) if line.is_ours(&found) => {}
            Ok(Some(found)) => line.option(&found, reader.last())?,
            Ok(None) => break,
            Err(wrong) => {
                let text = format!("{}: {}\n", reader.last(), wrong.text());
                return Err(Stop { text, status: Stop::REFUSED, goes_on: true });
            }
        }
    }
    let timeouts = line.rest(command, &reader.left)?;
    let action = line.action(command, timeouts)?;
    Ok((action, line.ours))
}

impl<'a> Line<'a> {
    fn new(names: &'a dyn Names) -> Self {
        Self {
            names,
            given: Vec::new(),
            format: Format::default(),
            service: Asked::default(),
            server: Server {
                address: None,
                method: Method::Route,
                weight: 1,
                upper: 0,
                lower: 0,
                tunnel: "ipip",
                tunnel_port: 0,
                checksum: TunnelChecksum::None,
            },
            role: Role::Master,
            daemon: sync::Settings {
                interface: String::new(),
                id: 0,
                max_length: None,
                port: None,
                ttl: None,
                group: None,
            },
            ours: Ours::default(),
        }
    }

    fn is_ours(&mut self, found: &Found) -> bool {
        match found.long {
            "force" => self.ours.force = true,
            "keep-going" => self.ours.keep_going = true,
            "runtime-dir" => self.ours.runtime_dir.clone_from(&found.value),
            _ => {}
        }
        OURS.contains(&found.long)
    }

    fn begin(&mut self, command: Command, found: &Found) -> Result<(), Stop> {
        let why = match command {
            Command::Start => "illegal start-daemon parameter specified",
            Command::Stop => "illegal start_daemon specified",
            _ => return Ok(()),
        };
        self.role = match found.value.as_deref() {
            Some("master") => Role::Master,
            Some("backup") => Role::Backup,
            _ => return Err(Stop::wrong(why)),
        };
        Ok(())
    }

    /// Twice is once too often.
    fn give(&mut self, name: &'static str) -> Result<(), Stop> {
        if self.given.contains(&name) {
            return Err(Stop::wrong(format!("multiple '{name}' options specified")));
        }
        self.given.push(name);
        Ok(())
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.given.contains(name))
    }

    fn option(&mut self, found: &Found, word: &str) -> Result<(), Stop> {
        let text = found.value.as_deref().unwrap_or_default();
        let long = found.long;
        let kind = match long {
            "tcp-service" | "udp-service" | "sctp-service" | "fwmark-service" => "service-address",
            "ipip" | "gatewaying" | "masquerading" => "forwarding-method",
            // Nothing minds it twice.
            "sort" => return Ok(()),
            "ipv6" => return self.family(),
            _ => match NAMES.iter().find(|name| **name == long) {
                Some(name) => name,
                None => return Err(Stop::wrong(format!("invalid option `{word}'"))),
            },
        };
        self.give(kind)?;
        match kind {
            "service-address" | "scheduler" | "persistent" | "netmask" | "ops" | "pe" | "sched-flags" => {
                self.of_service(long, text, found.value.is_some())
            }
            "real-server" | "forwarding-method" | "weight" | "u-threshold" | "l-threshold" | "tun-type"
            | "tun-port" | "tun-nocsum" | "tun-csum" | "tun-remcsum" => self.of_server(long, text),
            "mcast-interface" | "syncid" | "mcast-group" | "mcast-port" | "mcast-ttl" | "sync-maxlen" => {
                self.of_daemon(long, text)
            }
            _ => {
                self.of_list(long);
                Ok(())
            }
        }
    }

    /// `-6`.
    fn family(&mut self) -> Result<(), Stop> {
        if self.service.mark == 0 {
            return Err(Stop::wrong("-6 used before -f\n"));
        }
        self.service.family = Version::Six;
        self.service.mask = Mask::Six(128);
        Ok(())
    }

    fn of_list(&mut self, long: &str) {
        let format = &mut self.format;
        match long {
            "numeric" => format.numeric = true,
            "stats" => format.stats = true,
            "rate" => format.rate = true,
            "thresholds" => format.thresholds = true,
            "persistent-conn" => format.persistent = true,
            "nosort" => format.unsorted = true,
            "exact" => format.exact = true,
            "tun-info" => format.tunnels = true,
            _ => {}
        }
    }

    fn of_service(&mut self, long: &str, text: &str, has_value: bool) -> Result<(), Stop> {
        let service = &mut self.service;
        let protocol = match long {
            "tcp-service" => Protocol::Tcp,
            "udp-service" => Protocol::Udp,
            "sctp-service" => Protocol::Sctp,
            "fwmark-service" => {
                let mark = number(text, 1, u32::MAX.into()).and_then(|mark| u32::try_from(mark).ok());
                let wrong = || Stop::wrong(format!("invalid fwmark value `{text}' specified"));
                service.mark = mark.ok_or_else(wrong)?;
                return Ok(());
            }
            "scheduler" => {
                service.scheduler = cut(text, NAME);
                return Ok(());
            }
            "persistent" => {
                let seconds = if has_value { timeout(text, 1)? } else { Persistence::TIMEOUT };
                service.timeout = Some(seconds);
                return Ok(());
            }
            "netmask" => return self.mask(text),
            "ops" => {
                service.one_packet = true;
                return Ok(());
            }
            "pe" => {
                service.engine = cut(text, ENGINE);
                return Ok(());
            }
            _ => {
                service.flags = cut(text, FLAGS);
                return Ok(());
            }
        };
        service.protocol = Some(protocol);
        let Some(place) = place(text, protocol as u16, self.names) else {
            return Err(Stop::wrong("illegal virtual server address[:port] specified"));
        };
        service.address = Some(place.address);
        service.port = place.port.unwrap_or(0);
        if place.address.is_ipv6() {
            service.family = Version::Six;
            service.mask = Mask::Six(128);
        }
        Ok(())
    }

    fn mask(&mut self, text: &str) -> Result<(), Stop> {
        self.service.mask = match self.service.family {
            Version::Four => match aton(text).or_else(|| self.names.address(text)) {
                Some(mask) => Mask::Four(mask),
                None => return Err(Stop::wrong("illegal virtual server persistent mask specified")),
            },
            Version::Six => match u8::try_from(atoi(text)) {
                Ok(bits @ 1..=128) => Mask::Six(bits),
                _ => return Err(Stop::wrong("illegal ipv6 netmask specified")),
            },
        };
        Ok(())
    }

    fn of_server(&mut self, long: &str, text: &str) -> Result<(), Stop> {
        let count = |least, most, why: &str| {
            let number = number(text, least, most).and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| Stop::wrong(format!("illegal {why} specified")))
        };
        let server = &mut self.server;
        match long {
            "real-server" => {
                let protocol = self.service.protocol.map_or(0, |protocol| protocol as u16);
                // Where a mark stands before it, names of ports are those of TCP.
                let protocol = if self.service.mark != 0 { Protocol::Tcp as u16 } else { protocol };
                let Some(place) = place(text, protocol, self.names) else {
                    return Err(Stop::wrong("illegal real server address[:port] specified"));
                };
                let port = place.port.unwrap_or(self.service.port);
                server.address = Some(SocketAddr::new(place.address, port));
            }
            "ipip" => server.method = Method::Tunnel,
            "gatewaying" => server.method = Method::Route,
            "masquerading" => server.method = Method::Masquerade,
            "weight" => server.weight = count(0, i32::MAX.into(), "weight")?,
            "u-threshold" => server.upper = count(0, i32::MAX.into(), "u_threshold")?,
            "l-threshold" => server.lower = count(0, i32::MAX.into(), "l_threshold")?,
            "tun-type" => {
                let known = ["ipip", "gue", "gre"].into_iter().find(|known| *known == text);
                server.tunnel = known.ok_or_else(|| Stop::wrong("illegal tunnel type specified"))?;
            }
            "tun-port" => {
                server.tunnel_port = u16::try_from(count(1, 65_535, "tunnel port")?).unwrap_or_default();
            }
            "tun-csum" => server.checksum = TunnelChecksum::Full,
            "tun-remcsum" => server.checksum = TunnelChecksum::Remote,
            _ => {}
        }
        Ok(())
    }

    fn of_daemon(&mut self, long: &str, text: &str) -> Result<(), Stop> {
        let count = |least, most| {
            let number = number(text, least, most).and_then(|number| u16::try_from(number).ok());
            number.ok_or_else(|| Stop::wrong(format!("illegal {long} specified")))
        };
        let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
        let daemon = &mut self.daemon;
        match long {
            "mcast-interface" => daemon.interface = cut(text, NAME),
            "syncid" => daemon.id = byte(count(0, 255)?),
            "mcast-port" => daemon.port = Some(count(1, 65_535)?),
            "mcast-ttl" => daemon.ttl = Some(byte(count(1, 255)?)),
            "sync-maxlen" => daemon.max_length = Some(count(1, LARGEST_MESSAGE)?),
            _ => {
                let (kind, group) = if text.contains(':') {
                    ("IPv6", text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
                } else {
                    ("IPv4", text.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
                };
                let group = group.filter(IpAddr::is_multicast);
                let wrong = || Stop::wrong(format!("invalid {kind} mcast-group `{text}'"));
                daemon.group = Some(group.ok_or_else(wrong)?);
            }
        }
        Ok(())
    }

    /// The words that are no options.
    fn rest(&self, command: Command, left: &[&str]) -> Result<[u32; 3], Stop> {
        let (timeouts, surplus) = match (command, left) {
            (Command::Set, [tcp, tcpfin, udp, surplus @ ..]) => {
                ([timeout(tcp, 0)?, timeout(tcpfin, 0)?, timeout(udp, 0)?], surplus)
            }
            (Command::Set, _) => return Err(Stop::wrong("--set option requires 3 timeout values")),
            (_, surplus) => ([0; 3], surplus),
        };
        match surplus.first() {
            Some(word) => Err(Stop::wrong(format!("unexpected argument {word}"))),
            None => Ok(timeouts),
        }
    }

    fn action(&self, command: Command, timeouts: [u32; 3]) -> Result<Action, Stop> {
        let flags = scheduler_flags(&self.service.scheduler, &self.service.flags)?;
        let whose = format!("'{}' command", command.name());
        check(NAMES.into_iter(), &self.given, |name| rule(command, name), &whose).map_err(Stop::wrong)?;
        Ok(match command {
            Command::Add | Command::Edit => {
                let (service, settings) = self.settings(flags)?;
                Action::Change(match command {
                    Command::Add => Operation::NewService(service, settings),
                    _ => Operation::SetService(service, settings),
                })
            }
            Command::AddServer | Command::EditServer => {
                let (service, address, values) = self.destination()?;
                Action::Change(match command {
                    Command::AddServer => Operation::NewDestination(service, address, values),
                    _ => Operation::SetDestination(service, address, values),
                })
            }
            Command::Delete => Action::Change(Operation::DeleteService(self.key()?)),
            Command::DeleteServer => {
                Action::Change(Operation::DeleteDestination(self.key()?, self.server_address()?))
            }
            Command::Flush => Action::Flush,
            Command::Set => Action::Timeouts(timeouts),
            Command::Restore => Action::Restore,
            Command::Save => Action::List(Listed::All, Format { rules: true, ..self.format }),
            Command::Zero => Action::Zero(self.zeroed()?),
            Command::List => Action::List(self.listed()?, self.format),
            Command::Start => {
                let mut daemon = self.daemon.clone();
                if daemon.interface.is_empty() {
                    daemon.interface = "eth0".to_owned();
                }
                Action::Sync(sync::Operation::Start(self.role, daemon))
            }
            Command::Stop => Action::Sync(sync::Operation::Stop(self.role)),
        })
    }

    fn listed(&self) -> Result<Listed, Stop> {
        let table = ["stats", "rate", "thresholds"];
        if self.has(&["connection", "timeout", "daemon"]) && self.has(&table)
            || self.has(&["timeout", "daemon"]) && self.has(&["persistent-conn"])
        {
            return Err(Stop::wrong("options conflicts in the list command"));
        }
        Ok(if self.has(&["connection"]) {
            Listed::Connections
        } else if self.has(&["service-address"]) {
            Listed::One(self.key()?)
        } else if self.has(&["timeout"]) {
            Listed::Timeouts
        } else if self.has(&["daemon"]) {
            Listed::Daemons
        } else {
            Listed::All
        })
    }

    /// The address of everything stands for everything.
    fn zeroed(&self) -> Result<Option<Service>, Stop> {
        if !self.has(&["service-address"]) {
            return Ok(None);
        }
        let service = self.key()?;
        let all = |address: SocketAddr| address.ip().is_unspecified() && address.port() == 0;
        Ok(match service {
            Service::Address { address, .. } if all(address) => None,
            _ => Some(service),
        })
    }

    fn key(&self) -> Result<Service, Stop> {
        let Asked { address, port, protocol, mark, family, .. } = self.service;
        match (address, protocol) {
            _ if mark != 0 => {
                let family = match family {
                    Version::Four => Family::Ipv4,
                    Version::Six => Family::Ipv6,
                };
                Ok(Service::Fwmark { mark, family })
            }
            (Some(address), Some(protocol)) => {
                Ok(Service::Address { protocol, address: SocketAddr::new(address, port) })
            }
            // Whoever needs one has looked whether it is there.
            _ => Err(Stop::wrong("illegal virtual server address[:port] specified")),
        }
    }

    fn settings(&self, flags: SchedulerFlags) -> Result<(Service, Settings), Stop> {
        let service = self.key()?;
        let said = &self.service;
        if let Service::Address { protocol, address } = service {
            if address.port() == 0 && said.timeout.is_none() {
                return Err(Stop::wrong("Zero port specified for non-persistent service"));
            }
            if said.one_packet && protocol != Protocol::Udp {
                return Err(Stop::wrong("One-Packet Scheduling is only for UDP virtual services"));
            }
        }
        let settings = Settings {
            scheduler: if said.scheduler.is_empty() { "wlc".to_owned() } else { said.scheduler.clone() },
            flags,
            one_packet: said.one_packet,
            timeout: said.timeout.unwrap_or(0),
            granularity: match said.mask {
                Mask::Four(mask) => Granularity::of_mask(mask),
                Mask::Six(bits) => Granularity::Prefix(bits),
            },
            engine: Some(said.engine.clone()).filter(|engine| !engine.is_empty()),
        };
        Ok((service, settings))
    }

    fn server_address(&self) -> Result<SocketAddr, Stop> {
        self.server.address.ok_or_else(|| Stop::wrong("illegal real server address[:port] specified"))
    }

    fn destination(&self) -> Result<(Service, SocketAddr, Destination), Stop> {
        let service = self.key()?;
        let mut address = self.server_address()?;
        let server = &self.server;
        // What is not rewritten keeps its port.
        if let Service::Address { address: of_service, .. } = service
            && server.method != Method::Masquerade
        {
            address.set_port(of_service.port());
        }
        if address.is_ipv6() != service.is_ipv6() && server.method != Method::Tunnel {
            return Err(Stop::wrong("Different address family is allowed only for tunneling servers"));
        }
        let tunnel = ["tun-type", "tun-port", "tun-nocsum", "tun-csum", "tun-remcsum"];
        if self.has(&tunnel) && server.method != Method::Tunnel {
            return Err(Stop::wrong("Tunnel options conflict with forward method"));
        }
        let whose = format!("'{}' tunnel type", server.tunnel);
        let all = tunnel.into_iter().skip(1);
        check(all, &self.given, |name| tunnel_rule(server.tunnel, name), &whose).map_err(Stop::wrong)?;
        let checksum = server.checksum;
        let forwarding = match (server.method, server.tunnel) {
            (Method::Masquerade, _) => Forwarding::Masquerade,
            (Method::Route, _) => Forwarding::DirectRoute,
            (Method::Tunnel, "gue") => Forwarding::Gue { port: server.tunnel_port, checksum },
            (Method::Tunnel, "gre") => Forwarding::Gre { checksum },
            (Method::Tunnel, _) => Forwarding::Ipip,
        };
        let values = Destination {
            weight: server.weight,
            forwarding: Some(forwarding),
            upper_threshold: server.upper,
            lower_threshold: server.lower,
        };
        Ok((service, address, values))
    }
}

fn timeout(text: &str, least: i64) -> Result<u32, Stop> {
    let seconds = number(text, least, LONGEST).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| Stop::wrong(format!("invalid timeout value `{text}' specified")))
}

/// Names of flags, with commas between them.
fn scheduler_flags(scheduler: &str, text: &str) -> Result<SchedulerFlags, Stop> {
    let mut flags = SchedulerFlags::default();
    let scheduler = if scheduler.is_empty() { "wlc" } else { scheduler };
    let mut named = text.split(',').filter(|flag| !flag.is_empty()).peekable();
    if !text.is_empty() && named.peek().is_none() {
        return Err(Stop::wrong(format!("invalid scheduler flag `{text}'")));
    }
    for flag in named {
        let of = match flag {
            "flag-1" | "flag-2" | "flag-3" => None,
            "sh-fallback" | "sh-port" => Some("sh"),
            "mh-fallback" | "mh-port" => Some("mh"),
            _ => return Err(Stop::wrong(format!("invalid scheduler flag `{flag}'"))),
        };
        if of.is_some_and(|of| of != scheduler) {
            return Err(Stop::wrong(format!("incompatible scheduler flag `{flag}'")));
        }
        match flag {
            "flag-1" | "sh-fallback" | "mh-fallback" => flags.one = true,
            "flag-3" => flags.three = true,
            _ => flags.two = true,
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests;
