//! From the verdicts of the checks to the table that the kernel ought to have.
//!
//! Input: the configured virtual servers, and each check's verdict when it changes. Output: which services'
//! desired entries changed, and what there is to tell. A real server is up while none of its checks fails;
//! a virtual server has its quorum while enough weight is up. Invariant: the desired entry of a service is a
//! function of configuration, failed checks and quorum, never of the way there.

pub mod event;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::config::model::{
    Checker, Forwarding, Probe, RealServer, Service, VirtualServer, VirtualServerName,
};
use crate::ipvs::{Destination, Entry, Settings};

pub use event::Event;

/// What can happen to the pools.
#[derive(Debug)]
pub enum Input {
    /// The virtual servers of a start or a reload.
    Configure(Vec<VirtualServer>),
    /// A check's verdict changed.
    Verdict {
        /// The virtual server.
        service: VirtualServerName,
        /// The real server.
        server: SocketAddr,
        /// What the check asks, and where.
        probe: Arc<Probe>,
        /// Whether it passes.
        up: bool,
    },
}

/// What the pools want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The desired entry of this service may have changed.
    Update(Service),
    /// Tell.
    Report(Event),
}

/// The pools wait for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Timer {}

/// A view of one virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its log form.
    pub service: String,
    /// Whether it has its quorum.
    pub quorum: bool,
    /// Real servers that are up.
    pub up: usize,
    /// All real servers.
    pub total: usize,
}

/// Every virtual server's real servers and their condition.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    pools: BTreeMap<VirtualServerName, Pool>,
    /// Whose each service is.
    names: BTreeMap<Service, VirtualServerName>,
}

#[derive(Debug, Clone)]
struct Pool {
    config: VirtualServer,
    /// Identities of the checks that fail, by real server; a real server that is not in here is up.
    failed: BTreeMap<SocketAddr, BTreeSet<Arc<Probe>>>,
    quorum: bool,
}

impl Pools {
    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, _now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(servers) => self.configure(servers, out),
            Input::Verdict { service, server, probe, up } => {
                if let Some(pool) = self.pools.get_mut(&service) {
                    pool.verdict(server, probe, up, out);
                }
            }
        }
    }

    /// Never.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// One view for each virtual server.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let view = |pool: &Pool| Snapshot {
            service: pool.config.name().to_string(),
            quorum: pool.quorum,
            up: pool.config.real_servers.iter().filter(|server| pool.is_up(server)).count(),
            total: pool.config.real_servers.len(),
        };
        self.pools.values().map(view).collect()
    }

    /// What the kernel ought to have for `service`; `None`: it is not configured.
    pub fn entry(&self, service: &Service) -> Option<Entry> {
        self.pools.get(self.names.get(service)?).map(|pool| pool.entry(*service))
    }

    /// Whether a check passes, as far as is known. A check that has not run yet fails when it is `alpha`.
    pub fn passes(&self, service: &VirtualServerName, server: &SocketAddr, probe: &Probe) -> bool {
        let failed = self.pools.get(service).and_then(|pool| pool.failed.get(server));
        !failed.is_some_and(|failed| failed.contains(probe))
    }

    fn configure(&mut self, servers: Vec<VirtualServer>, out: &mut Vec<Action>) {
        let kept: BTreeSet<VirtualServerName> = servers.iter().map(VirtualServer::name).collect();
        let gone: Vec<VirtualServerName> =
            self.pools.keys().filter(|name| !kept.contains(name)).cloned().collect();
        let names =
            servers.iter().flat_map(|server| server.services().map(|service| (service, server.name())));
        // A service may have gone from one virtual server to another.
        let before = std::mem::replace(&mut self.names, names.collect());
        for name in gone {
            self.pools.remove(&name);
            out.push(Action::Report(Event::ServiceGone { service: name }));
        }
        out.extend(
            before.into_keys().filter(|service| !self.names.contains_key(service)).map(Action::Update),
        );
        for config in servers {
            let name = config.name();
            match self.pools.get_mut(&name) {
                Some(pool) if pool.config == config => {}
                Some(pool) => {
                    pool.reconfigure(config, out);
                    out.extend(pool.config.services().map(Action::Update));
                }
                None => {
                    let mut pool = Pool { failed: initial_failures(&config), config, quorum: false };
                    pool.start_quorum(out);
                    out.extend(pool.config.services().map(Action::Update));
                    self.pools.insert(name, pool);
                }
            }
        }
    }
}

/// Before anything has run, the `alpha` checks fail and the others pass.
fn initial_failures(config: &VirtualServer) -> BTreeMap<SocketAddr, BTreeSet<Arc<Probe>>> {
    let failures = |server: &RealServer| {
        let alpha = server.checkers.iter().filter(|checker| checker.timing.alpha);
        let failed: BTreeSet<_> = alpha.map(|checker| Arc::clone(&checker.probe)).collect();
        (!failed.is_empty()).then_some((server.address, failed))
    };
    config.real_servers.iter().filter_map(failures).collect()
}

impl Pool {
    fn is_up(&self, server: &RealServer) -> bool {
        !self.failed.contains_key(&server.address)
    }

    fn name(&self, server: &SocketAddr) -> String {
        self.config.describe_real_server(server)
    }

    // ---- verdicts ----

    fn verdict(&mut self, server: SocketAddr, probe: Arc<Probe>, up: bool, out: &mut Vec<Action>) {
        let Some(config) = self.config.real_servers.iter().find(|known| known.address == server) else {
            return;
        };
        let inhibit = config.inhibit_on_failure;
        let was_up = self.is_up(config);
        let failed = self.failed.entry(server).or_default();
        if up {
            failed.remove(&probe);
        } else {
            failed.insert(probe);
        }
        if failed.is_empty() {
            self.failed.remove(&server);
        }
        let is_up = !self.failed.contains_key(&server);
        if was_up == is_up {
            return;
        }
        let (service, name) = (self.config.name(), self.name(&server));
        out.push(Action::Report(if is_up {
            Event::ServerUp { service, server: name, inhibit }
        } else {
            Event::ServerDown { service, server: name, inhibit }
        }));
        self.evaluate_quorum(out);
        out.extend(self.config.services().map(Action::Update));
    }

    // ---- quorum ----

    /// Sum of the weights that are up.
    fn weight_up(&self) -> u64 {
        let up = self.config.real_servers.iter().filter(|server| self.is_up(server));
        up.map(|server| u64::from(server.weight.number())).sum()
    }

    fn gains(&self) -> bool {
        self.weight_up() >= u64::from(self.config.quorum) + u64::from(self.config.hysteresis)
    }

    fn loses(&self) -> bool {
        let weight = self.weight_up();
        weight == 0 || weight < u64::from(self.config.quorum.saturating_sub(self.config.hysteresis))
    }

    fn start_quorum(&mut self, out: &mut Vec<Action>) {
        self.quorum = self.gains();
        let (service, weight) = (self.config.name(), self.weight_up());
        let (quorum, hysteresis) = (self.config.quorum, self.config.hysteresis);
        out.push(Action::Report(if self.quorum {
            Event::QuorumGained { service, quorum, hysteresis, weight }
        } else {
            Event::QuorumDownAtStart { service, quorum, hysteresis, weight }
        }));
        if !self.quorum {
            self.report_sorry_server(out);
        }
    }

    fn evaluate_quorum(&mut self, out: &mut Vec<Action>) {
        let (service, weight) = (self.config.name(), self.weight_up());
        let (quorum, hysteresis) = (self.config.quorum, self.config.hysteresis);
        if self.quorum && self.loses() {
            self.quorum = false;
            out.push(Action::Report(Event::QuorumLost { service, quorum, hysteresis, weight }));
            self.report_sorry_server(out);
        } else if !self.quorum && self.gains() {
            self.quorum = true;
            out.push(Action::Report(Event::QuorumGained { service, quorum, hysteresis, weight }));
            self.report_sorry_server(out);
        }
    }

    fn report_sorry_server(&self, out: &mut Vec<Action>) {
        if let Some(sorry) = self.config.sorry_server {
            let (service, server) = (self.config.name(), self.name(&sorry.address));
            out.push(Action::Report(Event::SorryServer { service, server, active: !self.quorum }));
        }
    }

    // ---- reload ----

    /// A check that is in both configurations keeps its verdict. A new check neither takes a real server down that
    /// is up, `alpha` or not, nor brings one back that is down, before it has run.
    fn reconfigure(&mut self, config: VirtualServer, out: &mut Vec<Action>) {
        let name = config.name();
        let mut failed = BTreeMap::new();
        for server in &config.real_servers {
            let known = self.config.real_servers.iter().find(|known| known.address == server.address);
            let failing = self.failed.get(&server.address);
            let had = |probe: &Arc<Probe>| {
                known.is_some_and(|known| known.checkers.iter().any(|one| one.probe == *probe))
            };
            let fails = |checker: &&Checker| match (known, failing) {
                (None, _) => checker.timing.alpha,
                (Some(_), None) => false,
                (Some(_), Some(failing)) => failing.contains(&checker.probe) || !had(&checker.probe),
            };
            let failed_checks = server.checkers.iter().filter(fails);
            let still: BTreeSet<Arc<Probe>> =
                failed_checks.map(|checker| Arc::clone(&checker.probe)).collect();
            if !still.is_empty() {
                failed.insert(server.address, still);
            }
            match known {
                Some(known) if known.weight != server.weight => {
                    out.push(Action::Report(Event::WeightChanged {
                        service: name.clone(),
                        server: config.describe_real_server(&server.address),
                        from: known.weight.number(),
                        to: server.weight.number(),
                    }));
                }
                None => out.push(Action::Report(Event::ServerAdded {
                    service: name.clone(),
                    server: config.describe_real_server(&server.address),
                })),
                Some(_) => {}
            }
        }
        for known in &self.config.real_servers {
            if !config.real_servers.iter().any(|server| server.address == known.address) {
                let server = self.name(&known.address);
                out.push(Action::Report(Event::ServerGone { service: name.clone(), server }));
            }
        }
        self.config = config;
        self.failed = failed;
        self.evaluate_quorum(out);
    }

    // ---- the table ----

    /// While the quorum is lost, a sorry server replaces the real servers; without one, those that are up stay.
    fn entry(&self, service: Service) -> Entry {
        let replaced = !self.quorum && self.config.sorry_server.is_some();
        let mut destinations = BTreeMap::new();
        for server in &self.config.real_servers {
            let in_use = self.is_up(server) && !replaced;
            if !in_use && !server.inhibit_on_failure {
                continue;
            }
            let weight = if in_use { server.weight.number() } else { 0 };
            destinations.insert(
                reached(service, server.address, server.forwarding),
                Destination {
                    weight,
                    forwarding: Some(server.forwarding),
                    upper_threshold: server.upper_threshold,
                    lower_threshold: server.lower_threshold,
                },
            );
        }
        if let Some(sorry) = self.config.sorry_server
            && (replaced || sorry.inhibit)
        {
            let sorry_destination = Destination {
                weight: u32::from(replaced),
                forwarding: Some(sorry.forwarding),
                upper_threshold: 0,
                lower_threshold: 0,
            };
            let address = reached(service, sorry.address, sorry.forwarding);
            if replaced {
                destinations.insert(address, sorry_destination);
            } else {
                destinations.entry(address).or_insert(sorry_destination);
            }
        }
        Entry { settings: Settings::of(&self.config), destinations }
    }
}

/// The services of a group may have several ports: only NAT changes the port, and a real server without one has
/// that of the service.
fn reached(service: Service, mut address: SocketAddr, forwarding: Forwarding) -> SocketAddr {
    if forwarding != Forwarding::Masquerade || address.port() == 0 {
        address.set_port(service.port());
    }
    address
}

#[cfg(test)]
mod tests;
