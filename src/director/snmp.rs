//! What is shown over SNMP: made of the configuration and the state when something changed, at most once a second, and
//! handed to the process that answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant as TokioInstant;

use crate::beside::io::{Handle, News};
use crate::config::model::{
    InitialState, InterfaceName, MasterAgent, Model, Outside, Route, Service, Version, VirtualServer,
    VirtualServerName,
};
use crate::notify::{State, Subject, What};
use crate::pool::Telling;
use crate::snmp::io::clock;
use crate::snmp::link::Outbox;
use crate::snmp::mib::standings::Quorum;
use crate::snmp::mib::state::{History, Running};
use crate::snmp::mib::{
    Became, Configured, Interface, Parts, counted, counters, group_trap, instance_trap, rfc2787, rfc6527,
    standings,
};
use crate::snmp::session::{Counters, Setup};
use crate::snmp::table::{Source, Table};
use crate::track::Facts;
use crate::vrrp::event::{self, Event, Why};
use crate::vrrp::node::{self, Report};
use crate::vrrp::receive::Rejection;

use super::namespace::Namespaces;
use super::{Director, Options};

/// Between two looks at the state.
const PAUSE: Duration = Duration::from_secs(1);

/// The process that answers, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Snmp {
    process: Option<(Setup, Handle<Outbox>)>,
    parts: Parts,
    router_id: String,
    host: String,
    /// What runs of VRRP.
    vrrp: node::Setup,
    /// The virtual servers that run.
    servers: Vec<Arc<VirtualServer>>,
    /// Where each of them stands among these.
    names: BTreeMap<VirtualServerName, usize>,
    /// Counters of the kernel that are being read.
    reading: BTreeMap<Source, JoinHandle<Option<Vec<Table>>>>,
    /// Interfaces that objects name.
    interfaces: BTreeMap<InterfaceName, Interface>,
    /// What happened to the instances.
    histories: BTreeMap<String, History>,
    /// What is to be told anew.
    changed: BTreeSet<Source>,
    /// When it was told last.
    told: Option<Instant>,
    /// What is known of VRRP over there.
    known: Vec<Table>,
}

/// What there is to do for the process.
pub(super) enum Wanted {
    /// It wants this.
    News(News<Source>),
    /// Counters have been read; `None`: they cannot be.
    Read(Source, Option<Vec<Table>>),
}

impl Snmp {
    /// What is to be served of a configuration; `None`: nothing.
    fn setup(model: &Model, options: &Options) -> Option<(Setup, Parts)> {
        let mut parts = Parts::of(model, options.snmp);
        parts.vrrp &= !options.only_checkers;
        parts.checks &= !options.only_vrrp;
        let word = options.snmp_socket.clone().or_else(|| model.globals.outside.snmp_socket.clone());
        // What is none was told of when it was read.
        let agent = word.map_or_else(|| Ok(MasterAgent::default()), |word| MasterAgent::parse(&word)).ok()?;
        let setup = Setup {
            agent: agent.to_string(),
            subtrees: parts.subtrees(),
            capabilities: Vec::new(),
            counters: counters_of(model, parts),
        };
        parts.any().then_some((setup, parts))
    }

    /// What it wants next, or what has been read for it; waits for ever without a process.
    pub(super) async fn news(&mut self) -> Wanted {
        let Some((_, handle)) = &mut self.process else { return std::future::pending().await };
        let read = std::future::poll_fn(|context| {
            let done =
                self.reading.iter_mut().find_map(|(source, task)| match Pin::new(task).poll(context) {
                    Poll::Ready(tables) => Some((*source, tables.ok().flatten())),
                    Poll::Pending => None,
                });
            done.map_or(Poll::Pending, Poll::Ready)
        });
        tokio::select! {
            news = handle.news() => Wanted::News(news),
            (source, tables) = read => {
                self.reading.remove(&source);
                Wanted::Read(source, tables)
            }
        }
    }

    /// Something changed.
    pub(super) fn changed(&mut self, source: Source) {
        if self.process.is_some() {
            self.changed.insert(source);
        }
    }

    /// When [`Director::show`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = || self.told.map_or_else(|| TokioInstant::now().into_std(), |told| told + PAUSE);
        (!self.changed.is_empty()).then(due)
    }

    /// A state that was entered.
    pub(super) fn entered(&self, subject: &Subject, what: &What) {
        let (Some((_, handle)), What::Entered(state)) = (&self.process, what) else { return };
        if !self.parts.traps || !self.parts.vrrp {
            return;
        }
        let became = match state {
            State::Master => Became::State(event::State::Master),
            State::Backup => Became::State(event::State::Backup),
            State::Fault => Became::State(event::State::Fault),
            State::Stop => Became::Stopped,
            State::Deleted => Became::Deleted,
        };
        match subject {
            Subject::Instance(name) => {
                let instance = self.vrrp.instances.iter().find(|instance| instance.name == *name);
                let initial = instance.map_or(InitialState::Backup, |instance| instance.initial_state);
                handle.put(|outbox| outbox.trap(instance_trap(name, became, initial, &self.router_id)));
            }
            Subject::Group(name) => {
                handle.put(|outbox| outbox.trap(group_trap(name, became, &self.router_id)))
            }
            Subject::Service(_) | Subject::Server { .. } => {}
        }
    }

    /// What the VRRP thread reports.
    /// `source`: the address that the adverts of an instance come from.
    pub(super) fn hear(&mut self, report: &Report, source: impl Fn(&str) -> Option<IpAddr>) {
        let (Some((_, handle)), Some(name)) = (&self.process, &report.instance) else { return };
        let source = source(name);
        let history = self.histories.entry(name.clone()).or_default();
        let instance = self.vrrp.instances.iter().find(|instance| instance.name == *name);
        let placed = instance.and_then(|one| Some((one, self.interfaces.get(one.transmits_on()?)?)));
        let (version2, version3) =
            (self.parts.traps && self.parts.version2, self.parts.traps && self.parts.version3);
        match &report.event {
            Event::Transition { to: event::State::Init, why: Why::NoLongerConfigured, .. } => {
                self.histories.remove(name);
            }
            Event::Transition { to, why, .. } => {
                let takes_part = matches!(to, event::State::Backup | event::State::Master);
                history.since = takes_part.then(|| history.since.unwrap_or_else(clock));
                history.reason = reason(*to, why);
                let Some((instance, interface)) = placed.filter(|_| *to == event::State::Master) else {
                    return;
                };
                if version2 && instance.version == Version::V2 {
                    handle.put(|outbox| outbox.trap(rfc2787::new_master(instance, interface, source)));
                }
                // Of version 2, too, as in keepalived.
                if version3 {
                    handle.put(|outbox| {
                        outbox.trap(rfc6527::new_master(instance, interface, source, history.reason))
                    });
                }
            }
            Event::Rejected { source, why, .. } => {
                if let (Some(other_type), IpAddr::V4(source)) = (authentication(why), source)
                    && version2
                {
                    handle.put(|outbox| outbox.trap(rfc2787::authentication_failure(*source, other_type)));
                }
                let Some(error) = error(why) else { return };
                history.error = error;
                if let Some((instance, interface)) = placed.filter(|_| version3) {
                    handle.put(|outbox| outbox.trap(rfc6527::protocol_error(instance, interface, error)));
                }
            }
            _ => {}
        }
    }

    /// Nothing more is shown.
    pub(super) async fn end(&mut self) {
        if let Some((_, handle)) = self.process.take() {
            handle.stop().await;
        }
    }

    /// The numbers that the interfaces have now. True: others than before. `anew`: everything else of them, too, which is
    /// read when a number changed in any case.
    fn look_at_interfaces(&mut self, anew: bool) -> bool {
        let now = |name: &InterfaceName| if_nametoindex(name.as_str()).unwrap_or(0);
        let numbers: Vec<u32> = self.interfaces.keys().map(now).collect();
        let changed = self.interfaces.values().zip(&numbers).any(|(known, now)| known.index != *now);
        if changed || anew {
            let rfc = self.parts.version2 || self.parts.version3;
            let addresses = rfc.then(hardware_addresses).unwrap_or_default();
            for ((name, known), index) in self.interfaces.iter_mut().zip(numbers) {
                *known = Interface { index, mac: addresses.get(name.as_str()).copied() };
            }
        }
        changed
    }

    fn named(&self) -> BTreeMap<InterfaceName, Interface> {
        let of_routes = |routes: &[Route]| -> Vec<InterfaceName> {
            let hops = routes.iter().flat_map(|route| &route.hops).filter_map(|hop| hop.interface.clone());
            routes.iter().filter_map(|route| route.interface.clone()).chain(hops).collect()
        };
        let statics = &self.vrrp.statics;
        let mut names: BTreeSet<InterfaceName> = of_routes(&statics.routes).into_iter().collect();
        names.extend(statics.addresses.iter().filter_map(|one| one.address.interface.clone()));
        for instance in &self.vrrp.instances {
            names.extend(instance.interface.clone());
            names.extend(instance.vmacs.iter().map(|vmac| vmac.name.clone()));
            names.extend(instance.all_addresses().filter_map(|address| address.interface.clone()));
            names.extend(instance.tracking.interfaces.iter().map(|(name, _)| name.clone()));
            names.extend(of_routes(&instance.routes));
        }
        let tracked = self.vrrp.groups.iter().flat_map(|group| &group.tracking.interfaces);
        names.extend(tracked.map(|(name, _)| name.clone()));
        names.into_iter().map(|name| (name, Interface::default())).collect()
    }
}

/// The address in the name of a real server, `[10.0.1.1]:tcp:80`.
fn address(name: &str) -> Option<SocketAddr> {
    let (ip, rest) = name.strip_prefix('[')?.split_once("]:")?;
    let (_, port) = rest.rsplit_once(':')?;
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

/// Reads what the kernel counts. `None`: it cannot be read.
fn count(namespaces: &Namespaces, servers: &[Arc<VirtualServer>], source: Source) -> Option<Vec<Table>> {
    let mut ipvs = namespaces.open_ipvs().ok()?;
    let services: Vec<Service> = servers.iter().flat_map(|server| server.services()).collect();
    let all = ipvs.counters(&services, source == Source::RealCounters).ok()?;
    Some(match source {
        Source::RealCounters => counters::servers(servers, &all),
        _ => counters::services(servers, &all),
    })
}

/// How old counters may be that are answered.
fn counters_of(model: &Model, parts: Parts) -> Vec<Counters> {
    let outside = &model.globals.outside;
    let services = outside.service_statistics.unwrap_or(Outside::STATISTICS);
    let reals = outside.real_statistics.unwrap_or(services);
    let [of_services, of_reals] = counted();
    let all = [
        Counters { source: Source::ServiceCounters, subtree: of_services, age: services },
        Counters { source: Source::RealCounters, subtree: of_reals, age: reals },
    ];
    all.into_iter().filter(|_| parts.checks).collect()
}

/// Why an instance is master, in the numbers of RFC 6527.
fn reason(state: event::State, why: &Why) -> i32 {
    match why {
        _ if state != event::State::Master => 0,
        Why::Owner | Why::Outranked { .. } => 1,
        Why::Preempted { .. } => 2,
        _ => 3,
    }
}

/// What is wrong with a packet, in the numbers of RFC 6527.
fn error(why: &Rejection) -> Option<i32> {
    match why {
        Rejection::Ttl { .. } => Some(1),
        Rejection::Version { .. } => Some(2),
        Rejection::Checksum | Rejection::ChecksumOfPayload => Some(3),
        _ => None,
    }
}

/// True: another type of authentication; false: the authentication failed.
fn authentication(why: &Rejection) -> Option<bool> {
    match why {
        Rejection::AuthenticationType { .. } => Some(true),
        Rejection::Authentication | Rejection::Sender | Rejection::Replayed { .. } => Some(false),
        _ => None,
    }
}

/// The hardware address of each interface.
fn hardware_addresses() -> BTreeMap<String, [u8; 6]> {
    let all = getifaddrs().into_iter().flatten();
    all.filter_map(|one| Some((one.interface_name, one.address?.as_link_addr()?.addr()?))).collect()
}

impl Director {
    /// What is served from now on: the process starts, stops, or is told anew.
    pub(super) fn serve_snmp(&mut self, model: &Model, vrrp: &node::Setup, servers: &[Arc<VirtualServer>]) {
        let wanted = Snmp::setup(model, &self.options);
        let snmp = &mut self.snmp;
        let same = matches!((&snmp.process, &wanted), (Some((now, _)), Some((then, _))) if now == then);
        let before = snmp.process.take_if(|_| !same).map(|(_, handle)| handle);
        let Some((setup, parts)) = wanted else {
            *snmp = Snmp::default();
            // Aside: it may hang.
            before.map(|handle| tokio::spawn(handle.stop()));
            return;
        };
        snmp.parts = parts;
        snmp.host = crate::sys::host::name();
        snmp.router_id = model.globals.router_id.clone().unwrap_or_else(|| snmp.host.clone());
        // The rules get the preferences that they are set with.
        snmp.vrrp = vrrp.clone().complete();
        snmp.servers = servers.to_vec();
        snmp.names = servers.iter().enumerate().map(|(at, server)| (server.name(), at)).collect();
        snmp.interfaces = snmp.named();
        if snmp.process.is_none() {
            snmp.process = Some((setup.clone(), Handle::start(setup, self.files, before)));
        }
        snmp.told = None;
        self.heed_snmp(Wanted::News(News::Begun));
    }

    /// The process wants something.
    pub(super) fn heed_snmp(&mut self, wanted: Wanted) {
        let snmp = &mut self.snmp;
        let Some((_, handle)) = &snmp.process else { return };
        match wanted {
            Wanted::News(News::Begun) => {
                snmp.known.clear();
                snmp.changed.extend([Source::Configuration, Source::Vrrp, Source::Checks]);
            }
            Wanted::News(News::Asked(source)) => {
                let (namespaces, servers) = (self.options.namespaces.clone(), snmp.servers.clone());
                snmp.reading
                    .entry(source)
                    .or_insert_with(|| spawn_blocking(move || count(&namespaces, &servers, source)));
            }
            Wanted::Read(source, Some(tables)) => handle.put(|outbox| outbox.tables(source, tables)),
            // IPVS is not there: what is known of before is told.
            Wanted::Read(_, None) => {}
        }
    }

    /// A trap of a virtual server or a real server, when those are sent.
    pub(super) fn tell_snmp(&self, telling: &Telling) {
        let snmp = &self.snmp;
        let Some((_, handle)) = snmp.process.as_ref().filter(|_| snmp.parts.traps && snmp.parts.checks)
        else {
            return;
        };
        // All that goes at the stop is told at once.
        let known = snmp.names.get(&telling.service).filter(|_| !telling.last);
        let Some(server) = known.and_then(|at| snmp.servers.get(*at)) else { return };
        let up = self.balancer.pools().up(&telling.service);
        let trap = match telling.server.as_deref() {
            None => {
                let became = if telling.up { Quorum::Met } else { Quorum::Lost };
                standings::quorum_trap(server, became, up, &snmp.router_id)
            }
            Some(name) => {
                let Some(real) = address(name) else { return };
                standings::server_trap(server, &real, telling.up, up, &snmp.router_id)
            }
        };
        handle.put(|outbox| outbox.trap(trap));
    }

    /// The last traps of virtual servers and real servers: the daemon stops.
    pub(super) fn tell_snmp_the_end(&self) {
        let snmp = &self.snmp;
        let Some((_, handle)) = snmp.process.as_ref().filter(|_| snmp.parts.traps && snmp.parts.checks)
        else {
            return;
        };
        for server in &snmp.servers {
            let view = self.balancer.pools().view(&server.name()).unwrap_or_default();
            standings::last_traps(server, view, &snmp.router_id)
                .into_iter()
                .for_each(|trap| handle.put(|outbox| outbox.trap(trap)));
        }
    }

    /// Tells what changed, when it is time.
    pub(super) fn show(&mut self) {
        let due = self.snmp.next();
        let now = Instant::now();
        if due.is_none_or(|due| due > now) {
            return;
        }
        let anew = self.snmp.changed.contains(&Source::Configuration);
        if self.snmp.look_at_interfaces(anew) {
            self.snmp.changed.insert(Source::Configuration);
        }
        self.snmp.told = Some(now);
        let changed = std::mem::take(&mut self.snmp.changed);
        let snmp = &self.snmp;
        let Some((_, handle)) = &snmp.process else { return };
        let configured = Configured {
            model: &self.running.model,
            instances: &snmp.vrrp.instances,
            groups: &snmp.vrrp.groups,
            statics: &snmp.vrrp.statics,
            servers: &snmp.servers,
            interfaces: &snmp.interfaces,
            router_id: &snmp.router_id,
            host: &snmp.host,
            namespace: self.running.model.globals.host.namespace.as_deref().unwrap_or_default(),
            parts: snmp.parts,
        };
        let mut known = None;
        for source in changed {
            match source {
                Source::Configuration => handle.put(|outbox| outbox.tables(source, configured.tables())),
                Source::Vrrp => {
                    let snapshot = self.vrrp.as_ref().map(|handle| handle.snapshot.borrow().clone());
                    let facts = Facts { sessions: self.sessions.up(), ..self.tracking.facts() };
                    let running = Running {
                        instances: snapshot.as_ref().map_or(&[], |snapshot| snapshot.instances.as_slice()),
                        facts: &facts,
                        processes: &self.tracking.running(),
                        histories: &snmp.histories,
                    };
                    let tables = running.tables(&configured);
                    if tables != snmp.known {
                        handle.put(|outbox| outbox.tables(source, tables.clone()));
                        known = Some(tables);
                    }
                }
                Source::Checks if snmp.parts.checks => {
                    let view = |server: &VirtualServer| self.balancer.pools().view(&server.name());
                    handle.put(|outbox| outbox.tables(source, standings::tables(&snmp.servers, view)));
                }
                Source::Checks | Source::ServiceCounters | Source::RealCounters => {}
            }
        }
        self.snmp.known = known.unwrap_or_else(|| std::mem::take(&mut self.snmp.known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::config::source::Texts;

    fn setup(text: &str, options: &[&str]) -> Option<(Setup, Parts)> {
        let loaded = config::load("t".as_ref(), &Texts::one("t", text), &config::Options::default());
        let options = Options {
            only_vrrp: options.contains(&"-P"),
            only_checkers: options.contains(&"-C"),
            snmp: options.contains(&"-x"),
            snmp_socket: options.contains(&"-A").then(|| "tcp:localhost:1705".to_owned()),
            ..Options::plain("t", "/".as_ref())
        };
        Snmp::setup(&loaded.model.unwrap(), &options)
    }

    #[test]
    fn file_and_options_say_what_is_served() {
        let vrrp = "global_defs {\nenable_snmp_vrrp\nsnmp_socket unix:/x\n}\n";
        let agent = |text: &str, options: &[&str]| setup(text, options).map(|(setup, _)| setup.agent);
        assert_eq!(agent("", &[]), None);
        assert_eq!(agent("global_defs {\nsnmp_socket unix:/x\nenable_traps\n}\n", &[]), None);
        assert_eq!(agent(vrrp, &[]).as_deref(), Some("unix:/x"));
        assert_eq!(agent(vrrp, &["-A"]).as_deref(), Some("tcp:localhost:1705"));
        assert_eq!(agent("", &["-x"]).as_deref(), Some("unix:/var/agentx/master"));
        // Over what is not spoken nothing is served; that is said when the file is read.
        assert_eq!(agent(&vrrp.replace("unix:/x", "udp:localhost:705"), &[]), None);
        // Who does no VRRP shows none.
        assert_eq!(agent(vrrp, &["-C"]), None);
        let (_, parts) = setup("", &["-x", "-P"]).unwrap();
        assert!(parts.vrrp && !parts.checks);
    }

    /// Traps take it apart again.
    #[test]
    fn the_name_of_a_real_server_has_its_address() {
        use crate::config::model::describe_real_server;
        for text in ["10.0.1.1:80", "[2001:db8::1]:443", "10.0.1.1:0"] {
            let one: SocketAddr = text.parse().unwrap();
            assert_eq!(address(&describe_real_server(&one, "tcp")), Some(one));
        }
        assert_eq!(address("web"), None);
    }

    #[test]
    fn counters_are_as_old_as_the_file_permits() {
        let ages = |globals: &str| {
            let text = format!("global_defs {{\nenable_snmp_checker\n{globals}\n}}\n");
            let (setup, _) = setup(&text, &[]).unwrap();
            setup.counters.iter().map(|counters| counters.age.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(ages(""), [5_000, 5_000]);
        assert_eq!(ages("snmp_vs_stats_update_interval 2"), [2_000, 2_000], "that of real servers follows");
        assert_eq!(ages("snmp_rs_stats_update_interval 0.5"), [5_000, 500]);
    }
}
