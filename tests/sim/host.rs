//! One host: its kernel, the daemon's node on it, and the thread that does what may take time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directord::config::model::{
    Family, Filter, Gaps, Instance, InterfaceName, LinkDelay, NetlinkBuffers, Pacing, ReceiveBuffers,
    Statics, SyncGroup,
};
use directord::net::firewall::Batch;
use directord::net::object::{Does, Operation, Rule};
use directord::net::settings;
use directord::track::scripts::{Scripts, Standings, Wanted};
use directord::track::{Facts, Fault, Standing};
use directord::vrrp::event::State;
use directord::vrrp::instance::{Left, Machine, Resume};
use directord::vrrp::node::{Action, Claim, Endpoint, Input, Node, Setup, Timer, Watched};
use directord::vrrp::packet::Received;

use crate::kernel::Kernel;

#[derive(Debug, Clone)]
pub(crate) enum Job {
    Change(Vec<Operation>),
    Filter(Batch),
    Read,
    Tune(settings::Wanted, settings::AllHeld),
    Open(Endpoint),
}

pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) kernel: Kernel,
    /// `None`: not running.
    pub(crate) node: Option<Node>,
    /// What the daemon is configured with.
    pub(crate) config: Vec<Instance>,
    pub(crate) groups: Vec<SyncGroup>,
    pub(crate) statics: Statics,
    /// `vrrp_startup_delay`.
    pub(crate) delay: Duration,
    /// Until then nobody takes part.
    pub(crate) starts_at: Option<Instant>,
    /// `interface_up_down_delays`.
    pub(crate) link_delays: Vec<LinkDelay>,
    /// What its kernel did not remove for a time: it goes when that is tried again.
    pub(crate) removable: BTreeSet<IpAddr>,
    /// Least time between two announcements.
    pub(crate) gap: Duration,
    /// When the last one left, by interface, and whether it was of IPv6.
    announced: BTreeMap<(u32, bool), Instant>,
    /// How many announcements left.
    pub(crate) announcements: usize,
    /// The file that outlives it.
    pub(crate) record: BTreeSet<Claim>,
    /// What the daemon had set when that was written, if it is the same still.
    pub(crate) recorded: Option<Arc<BTreeSet<Claim>>>,
    /// When it was stopped for a restart, and what it left.
    pub(crate) left: Option<(Instant, Vec<Left>)>,
    /// What it lent then expires in this life only.
    pub(crate) lent_in: u64,
    /// A paused virtual machine: packets wait, timers are late.
    pub(crate) paused: bool,
    /// It was told to stop, and has not ended yet.
    pub(crate) stopping: bool,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) open: BTreeSet<Endpoint>,
    pub(crate) waiting: Vec<(Endpoint, Received)>,
    /// Where claims of other hosts are listened for.
    pub(crate) watched: BTreeMap<u32, Watched>,
    /// Interfaces and addresses of the host itself.
    pub(crate) own: Vec<(&'static str, IpAddr)>,
    /// A virtual address that the host had before.
    pub(crate) hosts: Option<IpAddr>,
    /// A rule of a virtual router that the host had before.
    pub(crate) hosts_rule: Option<Rule>,
    /// How many objects another program takes away as soon as they are set.
    pub(crate) snipes: u32,
    /// When each instance sent last, by its name.
    pub(crate) sent: BTreeMap<String, Instant>,
    /// The tracked script of the configuration, when there is one.
    pub(crate) script: Option<Wanted>,
    /// The number of the tracked file.
    pub(crate) file: i32,
    /// What the tracked process amounts to.
    pub(crate) process: Standing,
    /// It is to lead nowhere.
    pub(crate) maintenance: bool,
    /// The BFD session is up.
    pub(crate) reachable: bool,
    /// What that script finds.
    pub(crate) healthy: bool,
    pub(crate) scripts: Scripts,
    /// What the daemon was told of it last.
    pub(crate) standings: Arc<Standings>,
    /// How often the daemon was started: its children end with it.
    pub(crate) life: u64,
    /// The state that was told last of each instance.
    pub(crate) told: BTreeMap<String, State>,
    /// Every state that was told, in order: `VI_1 BACKUP`.
    pub(crate) heard: Vec<String>,
    /// What was told twice, or not at all.
    pub(crate) broken: Option<String>,
    /// Until when what was checked holds unless something happens to it; `None`: something has.
    pub(crate) holds_until: Option<Instant>,
    /// `None`: they may have changed.
    pub(crate) timers: Option<Timers>,
}

/// When its daemon is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timers {
    pub(crate) node: Option<(Instant, Timer)>,
    pub(crate) scripts: Option<Instant>,
}

impl Host {
    pub(crate) fn new(number: usize, config: Vec<Instance>) -> Self {
        let last = 101 + u8::try_from(number).unwrap();
        let link_local = |number| IpAddr::from([0xfe80, 0, 0, 0, number, 0, 0, u16::from(last)]);
        let own = vec![
            ("eth0", IpAddr::from([192, 168, 100, last])),
            ("eth1", IpAddr::from([10, 0, 0, last])),
            ("eth0", link_local(0)),
            ("eth1", link_local(1)),
        ];
        let mut host = Self {
            number,
            kernel: Kernel::new(last),
            node: None,
            config,
            groups: Vec::new(),
            statics: Statics::default(),
            delay: Duration::ZERO,
            starts_at: None,
            link_delays: Vec::new(),
            removable: BTreeSet::new(),
            gap: Duration::ZERO,
            announced: BTreeMap::new(),
            announcements: 0,
            record: BTreeSet::new(),
            recorded: None,
            left: None,
            lent_in: 0,
            paused: false,
            stopping: false,
            jobs: VecDeque::new(),
            open: BTreeSet::new(),
            waiting: Vec::new(),
            watched: BTreeMap::new(),
            own,
            hosts: None,
            hosts_rule: None,
            snipes: 0,
            sent: BTreeMap::new(),
            script: None,
            file: 0,
            process: Standing::Up,
            maintenance: false,
            reachable: true,
            healthy: true,
            scripts: Scripts::default(),
            standings: Arc::default(),
            life: 0,
            told: BTreeMap::new(),
            heard: Vec::new(),
            broken: None,
            holds_until: None,
            timers: None,
        };
        host.equip();
        host
    }

    /// Each transition is told once, and in order: it begins where the last one ended.
    pub(crate) fn hear(&mut self, name: &str, from: State, to: State) {
        self.heard.push(format!("{name} {to}"));
        let last = self.told.insert(name.to_owned(), to).unwrap_or(State::Init);
        // Who has not started yet is told of the end all the same.
        let same = from == to && to != State::Fault && !(self.stopping && to == State::Init);
        if last != from || same {
            self.broken = Some(format!("{}: {name} was told {from} to {to} after {last}", self.number));
        }
    }

    /// Announcements keep their distance, but for what a late timer catches up.
    pub(crate) fn announce(&mut self, now: Instant, frames: &[(u32, Vec<u8>)]) {
        self.announcements += frames.len();
        let distance = self.gap.saturating_sub(Duration::from_millis(10));
        for (index, frame) in frames {
            let ipv6 = frame[12..14] == [0x86, 0xdd];
            let last = self.announced.insert((*index, ipv6), now);
            if last.is_some_and(|last| now.duration_since(last) < distance) {
                self.broken = Some(format!("{}: two announcements within {:?}", self.number, self.gap));
            }
        }
    }

    /// Gives the kernel the interfaces and addresses of the host that it lacks.
    pub(crate) fn equip(&mut self) {
        for (name, address) in self.own.clone() {
            self.kernel.plug(name);
            if !self.kernel.has(address) {
                self.kernel.set(name, address, if address.is_ipv4() { 24 } else { 64 });
            }
        }
    }

    /// The address that the host itself has on an interface.
    pub(crate) fn own(&self, interface: &str, family: Family) -> IpAddr {
        let of = |one: &&(&str, IpAddr)| one.0 == interface && Family::of(one.1) == family;
        self.own.iter().find(of).unwrap().1
    }

    /// What the daemon is told of the tracked objects.
    pub(crate) fn facts(&self) -> Facts {
        let files = [("f".to_owned(), self.file)].into();
        let processes = [("p".to_owned(), self.process)].into();
        let sessions = self.reachable.then(|| "n".to_owned()).into_iter().collect();
        Facts {
            scripts: Arc::clone(&self.standings),
            files: Arc::new(files),
            processes: Arc::new(processes),
            sessions: Arc::new(sessions),
            maintenance: self.maintenance.then(|| "disk".into()),
        }
    }

    pub(crate) fn setup(&self) -> Setup {
        let all = Gaps { arp: self.gap, neighbour: self.gap };
        Setup {
            instances: self.config.clone(),
            groups: self.groups.clone(),
            statics: self.statics.clone(),
            pacing: Pacing { all, groups: Vec::new() },
            filter: Filter::default(),
            track_groups: Vec::new(),
            link_delays: self.link_delays.clone(),
            buffers: ReceiveBuffers::default(),
            netlink: NetlinkBuffers::default(),
            log_unknown: false,
            delay: self.delay,
            resumes: BTreeMap::new(),
        }
    }

    /// Those that led and have been silent for no longer than a backup bears.
    pub(crate) fn resumes(&mut self) -> BTreeMap<String, Resume> {
        let Some((at, left)) = self.left.take() else { return BTreeMap::new() };
        let resume = |one: Left| {
            let Left { priority, sequence, announces, window, .. } = one;
            (one.config.name, Resume { priority, sequence, announces, until: at + window })
        };
        // What a reload made another one of meanwhile.
        let same = |one: &Left| {
            let (name, vrid) = (&one.config.name, one.config.vrid);
            self.config.iter().any(|config| config.name == *name && config.vrid == vrid)
        };
        left.into_iter().filter(same).map(resume).collect()
    }

    /// What runs and what is in the kernel: neither times nor counters.
    pub(crate) fn state(&self) -> Vec<String> {
        let machines = self.node.iter().flat_map(Node::machines).map(|machine| {
            let view = machine.snapshot();
            format!("{} {} {} {:?} {:?}", view.name, view.state, view.priority, view.faults, view.source)
        });
        let here = crate::scenario::virtual_addresses().filter(|address| self.kernel.has(*address));
        let routes = crate::scenario::virtual_destinations().filter(|to| self.kernel.has_route(*to));
        let objects = here.chain(routes).map(|one| one.to_string());
        let rules = self.kernel.rules().iter().map(ToString::to_string);
        machines.chain(objects).chain(rules).collect()
    }

    pub(crate) fn is_owner(&self, name: &str) -> bool {
        self.config.iter().any(|config| config.name == name && config.priority.number() == 255)
    }

    /// The interface that packets of `interface` travel on: its own, or that below a virtual router's.
    pub(crate) fn wire(&self, interface: &str) -> &'static str {
        if let Some(plain) = ["eth0", "eth1"].into_iter().find(|name| *name == interface) {
            return plain;
        }
        let below = self.kernel.vmac(interface).unwrap_or(interface);
        if below == "eth0" { "eth0" } else { "eth1" }
    }

    /// The interface that packets of an endpoint leave by; the peers of one without an interface are on the first LAN.
    pub(crate) fn leaves_by(&self, endpoint: &Endpoint) -> &'static str {
        endpoint.interface.as_ref().map_or("eth0", |interface| self.wire(interface.as_str()))
    }

    /// Its kernel does not remove these from now on, and all others.
    pub(crate) fn keep(&mut self, keeps: BTreeSet<IpAddr>) {
        self.removable.append(&mut std::mem::replace(&mut self.kernel.keeps, keeps));
    }

    /// What its kernel was to keep has gone: from now on it goes as any other.
    pub(crate) fn forget_removed(&mut self) {
        self.removable.retain(|address| self.kernel.has(*address));
    }

    /// The timers of a daemon that runs.
    pub(crate) fn timers(&mut self) -> Timers {
        let (node, scripts) = (&self.node, &self.scripts);
        *self.timers.get_or_insert_with(|| Timers {
            node: node.as_ref().and_then(Node::next_timer),
            scripts: scripts.next_timer().map(|(at, _)| at),
        })
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.node.is_some() && !self.paused
    }

    /// What the daemon has set goes with the power; so does the file in /run.
    pub(crate) fn lose_power(&mut self) {
        self.kill();
        self.record.clear();
        self.removable.clear();
        self.kernel = self.kernel.restarted();
        self.equip();
        if let Some(address) = self.hosts {
            self.kernel.set("eth0", address, 32);
        }
        if let Some(rule) = self.hosts_rule {
            self.kernel.set_rule(rule);
        }
        self.kernel.notifications();
    }

    /// The process ends without a word; what it set stays.
    pub(crate) fn kill(&mut self) {
        self.node = None;
        self.recorded = None;
        self.timers = None;
        self.paused = false;
        self.stopping = false;
        self.left = None;
        self.jobs.clear();
        self.open.clear();
        self.waiting.clear();
        self.watched.clear();
        self.sent.clear();
        self.scripts = Scripts::default();
        self.standings = Arc::default();
        self.told.clear();
        self.announced.clear();
        self.life += 1;
    }

    /// The process that was told to stop ends when everything is done.
    pub(crate) fn end(&mut self) {
        let done = self.node.as_ref().is_some_and(Node::is_quiet) && self.jobs.is_empty();
        if !self.stopping || !done {
            return;
        }
        let led = self.told.iter().find(|(_, state)| **state != State::Init);
        if let Some((name, state)) = led {
            self.broken = Some(format!("{}: {name} is {state} after the end", self.number));
        }
        let left = crate::scenario::virtual_addresses().find(|one| {
            let stays = self.kernel.keeps.contains(one) || self.removable.contains(one);
            self.kernel.has(*one) && self.hosts != Some(*one) && !stays
        });
        if let Some(left) = left {
            self.broken = Some(format!("{}: {left} is here after the end", self.number));
        }
        self.kill();
    }

    /// What must hold whenever the daemon is awake and has no answer to wait for. Returns until when it holds if nothing
    /// happens to the host: of all this, silence alone comes with time.
    pub(crate) fn check(&self, now: Instant) -> Result<Instant, String> {
        let mut until = now + Duration::from_secs(60);
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let Some(node) = self.node.as_ref().filter(|_| !self.paused) else { return Ok(until) };
        let quiet = node.is_quiet() && self.jobs.is_empty() && !self.kernel.has_notifications();
        if quiet && self.starts_at.is_some_and(|at| now < at) {
            let left = crate::scenario::virtual_addresses().find(|one| {
                let stays = self.kernel.keeps.contains(one) || self.removable.contains(one);
                self.kernel.has(*one) && self.hosts != Some(*one) && !stays
            });
            if let Some(left) = left {
                return Err(format!("{}: {left} is here before the delay of the start is over", self.number));
            }
        }
        for machine in node.machines() {
            let (config, state) = (machine.config(), machine.state());
            let name = &config.name;
            if state != State::Init && self.starts_at.is_some_and(|at| now < at) {
                return Err(format!(
                    "{}: {name} is {state} before the delay of the start is over",
                    self.number
                ));
            }
            let told = self.told.get(name).copied().unwrap_or(State::Init);
            // Those of a node that stops are told of together.
            if told != state && !self.stopping {
                return Err(format!("{}: {name} is {state}, and {told} was told", self.number));
            }
            let apart = |other: &&Machine| {
                let together = |group: &SyncGroup| {
                    [name, &other.config().name].iter().all(|one| group.members.contains(one))
                };
                other.state() == State::Fault
                    && self.groups.iter().any(together)
                    && !machine.snapshot().hands_over
            };
            if state == State::Master
                && !self.groups.is_empty()
                && let Some(other) = node.machines().find(apart)
            {
                let other = &other.config().name;
                return Err(format!(
                    "{}: {name} is MASTER while {other} of its group is in FAULT",
                    self.number
                ));
            }
            if let Some(open) = self.open_address(config) {
                return Err(format!(
                    "{}: {open} of {name} is here, and whoever sends to it is answered",
                    self.number
                ));
            }
            let takes_part = matches!(state, State::Backup | State::Master);
            if takes_part && machine.next_timer().is_none() {
                return Err(format!("{}: {name} is {state} and waits for nothing", self.number));
            }
            if state != State::Master {
                continue;
            }
            let interval = config.advert_interval.duration();
            let sent = self.sent.get(name);
            let silent = sent.is_none_or(|at| now.duration_since(*at) > interval);
            until = until.min(sent.map_or(now, |at| *at + interval));
            if silent && !machine.snapshot().hands_over {
                return Err(format!(
                    "{}: {name} is MASTER and has been silent for {interval:?}",
                    self.number
                ));
            }
            if !quiet {
                continue;
            }
            let missing = config.all_addresses().find(|address| !self.kernel.has(address.address));
            if let Some(missing) = missing {
                return Err(format!("{}: {name} is MASTER without {}", self.number, missing.address));
            }
            let vmac = config.vmacs.iter().find(|vmac| self.kernel.vmac(vmac.name.as_str()).is_none());
            if let Some(missing) = vmac {
                return Err(format!("{}: {name} is MASTER without {}", self.number, missing.name));
            }
            let route = config.routes.iter().find(|route| !self.kernel.has_route(destination(route)));
            // What is lost has to last before it counts.
            let lasting = || !self.link_delays.is_empty() && !self.kernel.is_up(place(config));
            if let Some(missing) = route.filter(|_| !lasting()) {
                return Err(format!("{}: {name} is MASTER without {missing:?}", self.number));
            }
            let rule = config.rules.iter().map(rule).find(|rule| !self.kernel.has_rule(rule));
            if let Some(missing) = rule {
                return Err(format!("{}: {name} is MASTER without rule {missing}", self.number));
            }
        }
        Ok(until)
    }

    /// An address of which no traffic is to be accepted, and is.
    fn open_address(&self, config: &Instance) -> Option<IpAddr> {
        let mut addresses = config.all_addresses().map(|one| one.address);
        let is_open = |address: &IpAddr| {
            self.kernel.has(*address) && self.hosts != Some(*address) && !self.kernel.drops(*address)
        };
        if config.accept != Some(false) || self.kernel.flushed {
            return None;
        }
        addresses.find(is_open)
    }

    /// No table is here that nobody needs, and nobody is dropped who is not held.
    fn check_filter(&self, node: &Node, masters: &[&Instance]) -> Result<(), String> {
        let drops = |config: &&&Instance| config.accept == Some(false);
        let held = masters.iter().filter(drops).flat_map(|config| config.all_addresses());
        let held: BTreeSet<IpAddr> = held.map(|one| one.address).collect();
        let needed = node.machines().any(|machine| machine.config().accept == Some(false));
        if needed == self.kernel.tables.is_empty() {
            return Err(format!("{}: tables {:?}, needed: {needed}", self.number, self.kernel.tables));
        }
        if let Some(open) = held.iter().find(|address| !self.kernel.drops(**address)) {
            return Err(format!("{}: traffic of {open} is not dropped", self.number));
        }
        // What is refused is tried again from time to time.
        let tries = node.machines().filter(|machine| machine.state() == State::Fault);
        let tried: BTreeSet<IpAddr> =
            tries.flat_map(|machine| machine.config().all_addresses().map(|one| one.address)).collect();
        let may_be =
            |address: &IpAddr| held.contains(address) || tried.contains(address) || self.kernel.has(*address);
        let dropped = self.kernel.tables.values().flatten().map(|element| element.address);
        match dropped.into_iter().find(|address| !may_be(address)) {
            Some(left) => Err(format!("{}: traffic of {left} is dropped, and nobody holds it", self.number)),
            None => Ok(()),
        }
    }

    /// The faults of the others of its group are what an instance knows of them.
    fn check_members(&self, node: &Node, machine: &Machine) -> Result<(), String> {
        let name = &machine.config().name;
        let group = self.groups.iter().find(|group| group.members.contains(name));
        let others = node.machines().filter(|other| {
            let theirs = &other.config().name;
            theirs != name && group.is_some_and(|group| group.members.contains(theirs))
        });
        let faulty = others.filter(|other| other.faults().iter().any(|fault| !fault.is_anothers()));
        let expected: BTreeSet<Fault> =
            faulty.map(|other| Fault::Member(other.config().name.clone())).collect();
        let found: BTreeSet<Fault> =
            machine.faults().iter().filter(|fault| fault.is_anothers()).cloned().collect();
        if found != expected {
            return Err(format!("{}: {name} has {found:?} of its group, not {expected:?}", self.number));
        }
        Ok(())
    }

    /// What must hold at rest: no instance that is not MASTER leaves an address here.
    pub(crate) fn check_at_rest(&self) -> Result<(), String> {
        let Some(node) = &self.node else { return Ok(()) };
        let masters = || node.machines().filter(|machine| machine.state() == State::Master);
        let held: BTreeSet<IpAddr> =
            masters().flat_map(|machine| machine.config().all_addresses().map(|one| one.address)).collect();
        for address in crate::scenario::virtual_addresses() {
            let may_be = held.contains(&address)
                || self.hosts == Some(address)
                || self.kernel.keeps.contains(&address);
            if self.kernel.has(address) && !may_be {
                return Err(format!("{}: {address} is here, and no MASTER holds it", self.number));
            }
        }
        for (name, base) in crate::scenario::VMACS {
            let of = |config: &Instance| config.vmacs.iter().any(|vmac| vmac.name.as_str() == name);
            let wanted = self.config.iter().any(of) && self.kernel.index(base).is_some();
            if (self.kernel.vmac(name) == Some(base)) != wanted {
                return Err(format!("{}: {name} is wanted: {wanted}, and that is not so", self.number));
            }
            // Of IPv6 nothing is to be set there.
            let tuned = wanted && base == "eth0";
            if self.kernel.is_tuned(base) != tuned && self.kernel.index(base).is_some() {
                return Err(format!("{}: the settings of {base} are not as they must be", self.number));
            }
        }
        let configs: Vec<&Instance> = masters().map(Machine::config).collect();
        self.check_policy(&configs)?;
        self.check_filter(node, &configs)?;
        let found = self.script.as_ref().map(|_| if self.healthy { Standing::Up } else { Standing::Down });
        if self.standings.values().copied().next() != found {
            return Err(format!("{}: the last result does not count: {:?}", self.number, self.standings));
        }
        // The present facts decide, not the way there.
        let fresh = self.fresh();
        for (old, new) in node.machines().zip(fresh.machines()) {
            // What the kernel refuses is seen by who tries it only.
            self.check_members(node, old)?;
            let (refused, faults) = split(old.snapshot().faults);
            let (_, expected) = split(new.snapshot().faults);
            let name = &old.config().name;
            if old.priority() != new.priority() {
                let (ours, fresh) = (old.priority(), new.priority());
                return Err(format!("{}: {name} has priority {ours}, fresh {fresh}", self.number));
            }
            if faults != expected {
                return Err(format!(
                    "{}: {name} has the faults {faults:?}, freshly started it has {expected:?}",
                    self.number
                ));
            }
            let refuses = |fault: &&Fault| {
                let text = fault.to_string();
                let refused =
                    self.kernel.refuses.iter().any(|address| text.contains(&format!(" {address}/")));
                // Without an address of its own network the host reaches no gateway; a refused address is no source.
                let source = &old.config().addresses[0].address;
                let lacks = text.contains("`src` is no address") && self.kernel.refuses.contains(source);
                refused || lacks || text.contains("gateway is in no network")
            };
            if let Some(fault) = refused.iter().find(|fault| !fault.is_anothers() && !refuses(fault)) {
                return Err(format!(
                    "{}: {name} is in FAULT although nothing is refused: {fault}",
                    self.number
                ));
            }
        }
        Ok(())
    }

    /// No route and no rule is here that no MASTER holds and that is not static, and every static one is that can be.
    fn check_policy(&self, masters: &[&Instance]) -> Result<(), String> {
        let routes = || masters.iter().flat_map(|config| &config.routes).chain(&self.statics.routes);
        let held: BTreeSet<IpAddr> = routes().map(destination).collect();
        for to in crate::scenario::virtual_destinations() {
            if self.kernel.has_route(to) && !held.contains(&to) && !self.kernel.keeps.contains(&to) {
                return Err(format!("{}: the route to {to} is here, and no MASTER holds it", self.number));
            }
        }
        let rules = masters.iter().flat_map(|config| &config.rules).chain(&self.statics.rules);
        let held: BTreeSet<Rule> = rules.map(rule).chain(self.hosts_rule).collect();
        if let Some(left) = self.kernel.rules().iter().find(|rule| !held.contains(rule)) {
            return Err(format!("{}: rule {left} is here, and no MASTER holds it", self.number));
        }
        let lacks = |route: &&directord::config::model::Route| {
            let to = destination(route);
            let possible = self.kernel.is_up("eth0") && self.kernel.has(self.own("eth0", Family::Ipv4));
            possible && !self.kernel.refuses.contains(&to) && !self.kernel.has_route(to)
        };
        if let Some(route) = self.statics.routes.iter().find(lacks) {
            return Err(format!("{}: the static {route:?} is not here", self.number));
        }
        match self.statics.rules.iter().map(rule).find(|rule| !self.kernel.has_rule(rule)) {
            Some(rule) => Err(format!("{}: the static rule {rule} is not here", self.number)),
            None => Ok(()),
        }
    }

    /// The same configuration on the same host, just started.
    fn fresh(&self) -> Node {
        let mut node = Node::new(self.record.clone());
        let now = Instant::now();
        let setup = Setup { delay: Duration::ZERO, ..self.setup() };
        let mut inputs = VecDeque::from([Input::Configure(Box::new(setup)), Input::Tracked(self.facts())]);
        let mut kernel = self.kernel.clone();
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            node.handle(now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Tune { wanted, held } => {
                        let held = kernel.tune(&wanted, held);
                        inputs.push_back(Input::Tuned { held, refused: Vec::new() });
                    }
                    Action::Read => inputs.push_back(Input::Read(Ok(kernel.read()))),
                    Action::Open(endpoint) => inputs.push_back(open(&kernel, endpoint)),
                    Action::Change(operations) => {
                        let answer = |operation: Operation| {
                            let errno = kernel.carry_out(&operation);
                            (operation, errno)
                        };
                        inputs.push_back(Input::Changed(operations.into_iter().map(answer).collect()));
                    }
                    Action::Filter(batch) => {
                        let errno = kernel.filter(&batch);
                        inputs.push_back(Input::Filtered(batch, errno));
                    }
                    _ => {}
                }
            }
        }
        node
    }
}

fn destination(route: &directord::config::model::Route) -> IpAddr {
    route.to.unwrap().address
}

/// As the kernel has it.
pub(crate) fn rule(rule: &directord::config::model::Rule) -> Rule {
    let does = Does::Table(100);
    Rule { from: rule.from, ..Rule::new(Family::Ipv4, rule.preference.unwrap(), does) }
}

/// Refusals of the kernel, and all other faults.
fn split(faults: Vec<Fault>) -> (Vec<Fault>, Vec<Fault>) {
    faults.into_iter().partition(|fault| matches!(fault, Fault::Refused { .. }) || fault.is_anothers())
}

/// The kernel's answer to a socket that is to be opened.
pub(crate) fn open(kernel: &Kernel, endpoint: Endpoint) -> Input {
    use directord::vrrp::node::Refusal;
    let reaches = endpoint.index == 0 || kernel.has_link(endpoint.index);
    if kernel.no_sockets || !reaches {
        Input::Refused(Refusal::Open { endpoint, why: "no".into() })
    } else {
        Input::Opened(endpoint)
    }
}

/// The interface of an instance, or that of its addresses.
pub(crate) fn place(config: &Instance) -> &str {
    let of_address = || config.addresses.first().and_then(|address| address.interface.as_ref());
    config.interface.as_ref().or_else(of_address).map_or("eth0", InterfaceName::as_str)
}
