//! From the standings of the checks to the table that the kernel ought to have.
//!
//! Input: the configured virtual servers, each check's standing when it changes, and what is said of real servers by hand. Output: which
//! services' desired entries changed, what there is to tell, and who is told. A real server is up while none of its checks fails;
//! a virtual server has its quorum while enough weight is up. Invariant: the desired entry of a service is a
//! function of configuration, standings, what is said by hand and quorum, never of the way there; but for `min_healthy`, which asks how long
//! ago a real server failed. The pools wait for nothing, so they have no timer.

mod backend;
pub mod event;
mod keep;
pub mod suspend;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::check::standing::Standing;
use crate::config::model::{Forwarding, Probe, RealServer, Service, VirtualServer, VirtualServerName};
use crate::ipvs::{Destination, Entry, Settings};

use backend::{Backend, Backends};
pub use backend::{ByHand, Known, Words};
pub use event::Event;
use keep::{Count, Serving};

/// What can happen to the pools.
#[derive(Debug)]
pub enum Input {
    /// The virtual servers of a start or a reload.
    Configure(Vec<Arc<VirtualServer>>),
    /// A check's standing changed.
    Standing {
        /// The virtual server.
        service: Arc<VirtualServerName>,
        /// The real server.
        server: SocketAddr,
        /// What the check asks, and where.
        probe: Arc<Probe>,
        /// What it amounts to now.
        standing: Standing,
    },
    /// Somebody says something of a real server, which holds over reloads until it is taken back or the configuration no
    /// longer has the real server.
    ByHand {
        /// The virtual server.
        service: VirtualServerName,
        /// The real server.
        server: SocketAddr,
        /// What; `None`: it is taken back.
        by_hand: Option<ByHand>,
    },
    /// The daemon stops: those with `omega` are told as down.
    Stop,
}

/// What the pools want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The desired entry of this service may have changed.
    Update(Service),
    /// Tell.
    Report(Event),
    /// Scripts and FIFOs are told.
    Tell(Telling),
}

/// What scripts and FIFOs are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The virtual server.
    pub service: VirtualServerName,
    /// Its real server; `None`: the virtual server itself.
    pub server: Option<String>,
    /// It is up, or has its quorum; else it is down.
    pub up: bool,
    /// The daemon stops.
    pub last: bool,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Virtual servers.
    pub services: usize,
    /// Real servers that are up.
    pub up: usize,
    /// All real servers.
    pub servers: usize,
}

/// A view of one virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its log form.
    pub service: String,
    /// Whether it has its quorum.
    pub quorum: bool,
    /// Sum of the weights that are up.
    pub weight: u64,
    /// Real servers that are up.
    pub up: usize,
    /// Real servers of which something is said by hand.
    pub by_hand: usize,
    /// All real servers.
    pub total: usize,
}

/// How one virtual server and its real servers stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// It has its quorum.
    pub quorum: bool,
    /// Real servers that are up.
    pub up: usize,
    /// Fewer than `min_healthy` are, and what fails stays in.
    pub keeps: bool,
    /// All of them.
    pub servers: BTreeMap<SocketAddr, Stands>,
}

/// How a real server stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stands {
    /// It is up.
    pub up: bool,
    /// It is not, and serves all the same (`min_healthy`).
    pub kept: bool,
    /// Its weight while it is up.
    pub weight: u32,
    /// Checks that fail.
    pub failed: usize,
}

/// Every virtual server's real servers and their condition.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    pools: BTreeMap<VirtualServerName, Pool>,
    /// Whose each service is.
    names: BTreeMap<Service, VirtualServerName>,
    totals: Totals,
    /// `rs_init_notifies`.
    tells_at_start: bool,
    known: Known,
    words: Words,
}

#[derive(Debug, Clone)]
struct Pool {
    config: Arc<VirtualServer>,
    backends: Backends,
    quorum: bool,
    /// Fewer than `min_healthy` are up, and what fails stays in.
    keeps: bool,
    /// Real servers that are up; counted once, so that a standing costs the same however many there are.
    up: usize,
    count: Count,
}

impl Pools {
    /// Whether real servers that are up from the start are told as such (`rs_init_notifies`).
    pub fn tell_at_start(&mut self, tells: bool) {
        self.tells_at_start = tells;
    }

    /// What is known of checks before they run, for what is configured from now on.
    pub fn know(&mut self, known: Known) {
        self.known = known;
    }

    /// What is said of real servers by hand that come from now on.
    pub fn recall(&mut self, words: Words) {
        self.words = words;
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(servers) => self.configure(now, servers, out),
            Input::Standing { service, server, probe, standing } => {
                if let Some(pool) = self.pools.get_mut(&*service) {
                    let before = pool.up;
                    pool.change(now, server, |backend| backend.stand(&probe, standing), out);
                    self.totals.up = self.totals.up + pool.up - before;
                }
            }
            Input::ByHand { service, server, by_hand } => {
                if let Some(pool) = self.pools.get_mut(&service) {
                    pool.say(now, server, by_hand, out);
                }
            }
            Input::Stop => {
                let told = self.pools.values().filter(|pool| pool.config.omega);
                told.for_each(|pool| pool.tell_end(true, out));
            }
        }
    }

    /// One view for each virtual server.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let view = |pool: &Pool| Snapshot {
            service: pool.config.name().to_string(),
            quorum: pool.quorum,
            weight: pool.count.weight,
            up: pool.up,
            by_hand: pool.backends.iter().filter(|backend| backend.by_hand.is_some()).count(),
            total: pool.backends.len(),
        };
        self.pools.values().map(view).collect()
    }

    /// How many real servers of `service` are up, without counting.
    pub fn up(&self, service: &VirtualServerName) -> usize {
        self.pools.get(service).map_or(0, |pool| pool.up)
    }

    /// How `service` stands; `None`: it is not configured.
    pub fn view(&self, service: &VirtualServerName) -> Option<View> {
        let pool = self.pools.get(service)?;
        let stands = |(address, backend): (&SocketAddr, &Backend)| {
            let (up, kept) = (backend.is_up(), backend.kept && backend.serves());
            (*address, Stands { up, kept, weight: backend.weight(), failed: backend.failed() })
        };
        let servers = pool.backends.named().map(stands).collect();
        Some(View { quorum: pool.quorum, up: pool.up, keeps: pool.keeps, servers })
    }

    /// All virtual servers.
    pub fn names(&self) -> impl Iterator<Item = &VirtualServerName> {
        self.pools.keys()
    }

    /// How each virtual server stands.
    pub fn views(&self) -> impl Iterator<Item = (&VirtualServerName, View)> {
        self.pools.keys().filter_map(|name| Some((name, self.view(name)?)))
    }

    /// How many there are, without counting.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What the kernel ought to have for `service`; `None`: it is not configured.
    pub fn entry(&self, service: &Service) -> Option<Entry> {
        self.pools.get(self.names.get(service)?).map(|pool| pool.entry(*service))
    }

    /// Whether a check passes, as far as is known. A check that has not run yet fails when it is `alpha`.
    pub fn passes(&self, service: &VirtualServerName, server: &SocketAddr, probe: &Probe) -> bool {
        let backend = self.pools.get(service).and_then(|pool| pool.backends.get(server));
        !backend.is_some_and(|backend| backend.fails(probe))
    }

    /// The log form of a real server; `None`: there is no such virtual server.
    pub fn describe(&self, service: &VirtualServerName, server: &SocketAddr) -> Option<String> {
        self.pools.get(service).map(|pool| pool.name(server))
    }

    fn configure(&mut self, now: Instant, servers: Vec<Arc<VirtualServer>>, out: &mut Vec<Action>) {
        let kept: BTreeSet<VirtualServerName> = servers.iter().map(|server| server.name()).collect();
        let gone: Vec<VirtualServerName> =
            self.pools.keys().filter(|name| !kept.contains(name)).cloned().collect();
        let names =
            servers.iter().flat_map(|server| server.services().map(|service| (service, server.name())));
        // A service may have gone from one virtual server to another.
        let before = std::mem::replace(&mut self.names, names.collect());
        for name in gone {
            if let Some(pool) = self.pools.remove(&name) {
                out.push(Action::Report(Event::ServiceGone { service: name }));
                pool.tell_end(false, out);
            }
        }
        out.extend(
            before.into_keys().filter(|service| !self.names.contains_key(service)).map(Action::Update),
        );
        for config in servers {
            let name = config.name();
            match self.pools.get_mut(&name) {
                Some(pool) if pool.config == config => {}
                Some(pool) => {
                    pool.reconfigure(now, config, self.tells_at_start, &self.known, &self.words, out);
                    out.extend(pool.config.services().map(Action::Update));
                }
                None => {
                    let pool = Pool::start(config, self.tells_at_start, &self.known, &self.words, out);
                    out.extend(pool.config.services().map(Action::Update));
                    self.pools.insert(name, pool);
                }
            }
        }
        self.totals = Totals { services: self.pools.len(), up: 0, servers: 0 };
        for pool in self.pools.values() {
            self.totals.up += pool.up;
            self.totals.servers += pool.backends.len();
        }
    }
}

impl Pool {
    fn start(
        config: Arc<VirtualServer>,
        tells: bool,
        known: &Known,
        words: &Words,
        out: &mut Vec<Action>,
    ) -> Self {
        let name = config.name();
        let backend = |server: &RealServer| {
            let mut backend = Backend::new(server, known);
            backend.by_hand = words.get(&(name.clone(), server.address)).copied();
            (server.address, backend)
        };
        let backends = Backends::new(config.real_servers.iter().map(backend));
        let mut pool = Self { config, backends, quorum: false, keeps: false, up: 0, count: Count::default() };
        pool.count();
        for (server, backend) in pool.backends.named().filter(|(_, backend)| backend.by_hand.is_some()) {
            let (service, server, weight) = (pool.config.name(), pool.name(server), backend.weight());
            let by_hand = backend.by_hand;
            out.push(Action::Report(Event::ByHand { service, server, by_hand, weight }));
        }
        if tells {
            let up = pool.config.real_servers.iter().filter(|server| pool.serves(&server.address));
            out.extend(up.map(|server| pool.telling(Some(&server.address), true)));
        }
        pool.start_quorum(out);
        pool
    }

    fn serves(&self, server: &SocketAddr) -> bool {
        self.backends.get(server).is_some_and(Backend::serves)
    }

    fn telling(&self, server: Option<&SocketAddr>, up: bool) -> Action {
        let server = server.map(|server| self.name(server));
        Action::Tell(Telling { service: self.config.name(), server, up, last: false })
    }

    /// All that serves goes. As in keepalived the real servers are told first.
    fn tell_end(&self, last: bool, out: &mut Vec<Action>) {
        let servers = self.config.real_servers.iter().map(|server| &server.address);
        let up = servers.filter(|server| self.serves(server)).map(Some);
        for server in up.chain(self.quorum.then_some(None)) {
            let server = server.map(|server| self.name(server));
            out.push(Action::Tell(Telling { service: self.config.name(), server, up: false, last }));
        }
    }

    fn count(&mut self) {
        self.up = self.backends.iter().filter(|backend| backend.is_up()).count();
        self.count = Count::of(self.backends.iter().map(Serving::of));
    }

    fn name(&self, server: &SocketAddr) -> String {
        self.config.describe_real_server(server)
    }

    // ---- standings, and what is said by hand ----

    /// Changes one real server, when it is there, and draws the consequences.
    fn change(
        &mut self,
        now: Instant,
        server: SocketAddr,
        change: impl FnOnce(&mut Backend),
        out: &mut Vec<Action>,
    ) {
        let Some(backend) = self.backends.get_mut(&server) else { return };
        let (was_up, before) = (backend.is_up(), Serving::of(backend));
        change(backend);
        let is_up = backend.is_up();
        let fell = before.proven && !is_up;
        match (was_up, is_up) {
            (true, false) => {
                self.up -= 1;
                backend.fell = fell.then_some(now);
                backend.kept = fell && self.keeps;
            }
            (false, true) => {
                self.up += 1;
                (backend.fell, backend.kept) = (None, false);
            }
            _ => {}
        }
        self.count.change(before, Serving::of(backend));
        let mut changed = vec![(server, before)];
        self.judge(now, fell, &mut changed, out);
        self.tell_of(changed, out);
    }

    /// Tells what became of real servers that served like that before.
    fn tell_of(&mut self, changed: Vec<(SocketAddr, Serving)>, out: &mut Vec<Action>) {
        let mut news = false;
        for (server, before) in changed {
            let Some(backend) = self.backends.get(&server) else { continue };
            let (after, inhibit) = (Serving::of(backend), backend.inhibit);
            let (service, name) = (self.config.name(), self.name(&server));
            let (from, to) = (before.weight, after.weight);
            let event = match (before.serves, after.serves) {
                (true, false) => Event::ServerDown { service, server: name, inhibit },
                (false, true) => Event::ServerUp { service, server: name, inhibit },
                _ if from != to => Event::WeightChanged { service, server: name, from, to },
                _ => continue,
            };
            news = true;
            out.push(Action::Report(event));
            if before.serves != after.serves {
                out.push(self.telling(Some(&server), after.serves));
            }
        }
        if news {
            self.evaluate_quorum(out);
            out.extend(self.config.services().map(Action::Update));
        }
    }

    fn say(&mut self, now: Instant, server: SocketAddr, by_hand: Option<ByHand>, out: &mut Vec<Action>) {
        let Some(backend) = self.backends.get_mut(&server).filter(|backend| backend.by_hand != by_hand)
        else {
            return;
        };
        let before = Serving::of(backend);
        backend.by_hand = by_hand;
        let after = Serving::of(backend);
        self.count.change(before, after);
        let (service, name) = (self.config.name(), self.name(&server));
        out.push(Action::Report(Event::ByHand { service, server: name, by_hand, weight: after.weight }));
        if before.serves != after.serves {
            out.push(self.telling(Some(&server), after.serves));
        }
        // Others may go: it may be one that counted.
        let mut changed = vec![(server, after)];
        self.judge(now, false, &mut changed, out);
        self.tell_of(changed, out);
        self.evaluate_quorum(out);
        out.extend(self.config.services().map(Action::Update));
    }

    // ---- quorum ----

    fn gains(&self) -> bool {
        self.count.weight >= u64::from(self.config.quorum) + u64::from(self.config.hysteresis)
    }

    fn loses(&self) -> bool {
        self.count.weight == 0
            || self.count.weight < u64::from(self.config.quorum.saturating_sub(self.config.hysteresis))
    }

    fn start_quorum(&mut self, out: &mut Vec<Action>) {
        self.quorum = self.gains();
        let (service, weight) = (self.config.name(), self.count.weight);
        let (quorum, hysteresis) = (self.config.quorum, self.config.hysteresis);
        out.push(Action::Report(if self.quorum {
            Event::QuorumGained { service, quorum, hysteresis, weight }
        } else {
            Event::QuorumDownAtStart { service, quorum, hysteresis, weight }
        }));
        // Who never had it has not lost it: as in keepalived nobody is told.
        match self.quorum {
            true => out.push(self.telling(None, true)),
            false => self.report_sorry_server(out),
        }
    }

    fn evaluate_quorum(&mut self, out: &mut Vec<Action>) {
        let (service, weight) = (self.config.name(), self.count.weight);
        let (quorum, hysteresis) = (self.config.quorum, self.config.hysteresis);
        if self.quorum && self.loses() {
            self.quorum = false;
            out.push(Action::Report(Event::QuorumLost { service, quorum, hysteresis, weight }));
            self.report_sorry_server(out);
            out.push(self.telling(None, false));
        } else if !self.quorum && self.gains() {
            self.quorum = true;
            out.push(Action::Report(Event::QuorumGained { service, quorum, hysteresis, weight }));
            self.report_sorry_server(out);
            out.push(self.telling(None, true));
        }
    }

    fn report_sorry_server(&self, out: &mut Vec<Action>) {
        if let Some(sorry) = self.config.sorry_server {
            let (service, server) = (self.config.name(), self.name(&sorry.address));
            out.push(Action::Report(Event::SorryServer { service, server, active: !self.quorum }));
        }
    }

    // ---- reload ----

    fn reconfigure(
        &mut self,
        now: Instant,
        config: Arc<VirtualServer>,
        tells: bool,
        known: &Known,
        words: &Words,
        out: &mut Vec<Action>,
    ) {
        let service = config.name();
        let (mut backends, mut fell) = (Vec::new(), false);
        for new in &config.real_servers {
            let server = config.describe_real_server(&new.address);
            let service = service.clone();
            let backend = match self.backends.remove(&new.address) {
                Some(before) => {
                    let (from, to) = (before.configured_weight, new.weight.number());
                    if from != to && before.by_hand.is_none() {
                        out.push(Action::Report(Event::WeightChanged { service, server, from, to }));
                    }
                    let mut backend = before.reconfigured(now, new, known);
                    backend.kept |= self.keeps && backend.fell == Some(now);
                    fell |= backend.fell == Some(now);
                    backend
                }
                None => {
                    let mut backend = Backend::new(new, known);
                    backend.by_hand = words.get(&(service.clone(), new.address)).copied();
                    let told = Telling {
                        service: service.clone(),
                        server: Some(server.clone()),
                        up: true,
                        last: false,
                    };
                    out.push(Action::Report(if let Some(by_hand) = backend.by_hand {
                        let weight = backend.weight();
                        Event::ByHand { service, server, by_hand: Some(by_hand), weight }
                    } else if backend.is_up() {
                        Event::ServerAdded { service, server }
                    } else {
                        Event::ServerWaits { service, server }
                    }));
                    if tells && backend.serves() {
                        out.push(Action::Tell(told));
                    }
                    backend
                }
            };
            backends.push((new.address, backend));
        }
        for gone in &self.config.real_servers {
            if let Some(backend) = self.backends.get(&gone.address) {
                let server = self.name(&gone.address);
                out.push(Action::Report(Event::ServerGone { service: service.clone(), server }));
                if backend.serves() {
                    out.push(self.telling(Some(&gone.address), false));
                }
            }
        }
        self.config = config;
        self.backends = Backends::new(backends);
        self.count();
        let mut changed = Vec::new();
        self.judge(now, fell, &mut changed, out);
        self.tell_of(changed, out);
        self.evaluate_quorum(out);
    }

    // ---- the table ----

    /// While the quorum is lost, a sorry server replaces the real servers; without one, those that serve stay.
    fn entry(&self, service: Service) -> Entry {
        let replaced = !self.quorum && self.config.sorry_server.is_some();
        let mut destinations = BTreeMap::new();
        for server in &self.config.real_servers {
            let Some(backend) = self.backends.get(&server.address) else { continue };
            let in_use = backend.serves() && !replaced;
            // Who drains a server wants its connections to end by themselves.
            let draining = backend.serves() && backend.by_hand == Some(ByHand::Drained);
            let inhibited = server.inhibit_on_failure && backend.by_hand != Some(ByHand::Disabled);
            if !in_use && !draining && !inhibited {
                continue;
            }
            let weight = if in_use { backend.weight() } else { 0 };
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
