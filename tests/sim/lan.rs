//! The virtual LAN: hosts, the paths between each two of them, and the queue of what is to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directord::config::model::Instance;
use directord::net::conflict::{self, Conflict};
use directord::net::object::{Address, Object, Operation};
use directord::script::Ending;
use directord::track::scripts::Wanted;
use directord::track::{Standing, scripts};
use directord::vrrp::event::{Event, State};
use directord::vrrp::instance::{Back, Left, Machine};
use directord::vrrp::node::{Action, Claim, Endpoint, Input, Node, Setup, removals};
use directord::vrrp::packet::{Outgoing, Received};

use crate::host::{Host, Job, Timers, open};

/// What the network does to packets from one host to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) blocked: bool,
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
    pub(crate) most_delay: Duration,
}

impl Path {
    pub(crate) const GOOD: Self =
        Self { blocked: false, loss: 0.0, duplication: 0.0, most_delay: Duration::from_millis(1) };
}

/// What is to happen.
enum Due {
    Packet {
        to: usize,
        interface: &'static str,
        /// Each host that hears it has a copy.
        packet: Rc<Received>,
    },
    /// Somebody says that he has an address.
    Claim { to: usize, interface: &'static str, conflict: Conflict },
    /// The clients hear that.
    Learn { from: usize, address: IpAddr },
    /// The kernel told of something.
    Notify(usize),
    /// The first job of a host is done.
    Work(usize),
    /// What a host lent for some time goes.
    Expire { host: usize, life: u64 },
    /// A run of a script ends.
    Script { host: usize, life: u64, id: scripts::Id, healthy: bool },
}

pub(crate) struct Lan {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) paths: BTreeMap<(usize, usize), Path>,
    /// All that were sent.
    pub(crate) priorities: BTreeSet<u8>,
    /// An address that somebody must have at any time.
    pub(crate) needed: Option<IpAddr>,
    /// Where the clients send what is for an address: to who announced it last.
    pub(crate) neighbours: BTreeMap<IpAddr, usize>,
    under_way: BTreeMap<(Instant, u64), Due>,
    sequence: u64,
    random: fastrand::Rng,
    trace: bool,
}

impl Lan {
    pub(crate) fn new(configs: Vec<Vec<Instance>>, seed: u64, trace: bool) -> Self {
        let now = Instant::now();
        let hosts = configs.into_iter().enumerate().map(|(number, config)| Host::new(number, config));
        Self {
            now,
            start: now,
            hosts: hosts.collect(),
            paths: BTreeMap::new(),
            priorities: BTreeSet::new(),
            needed: None,
            neighbours: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sequence: 0,
            random: fastrand::Rng::with_seed(seed),
            trace,
        }
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:9.3} {}", self.now.duration_since(self.start).as_secs_f64(), text());
        }
    }

    // ---- what may be done to a host ----

    pub(crate) fn boot(&mut self, host: usize) {
        self.say(|| format!("{host} starts"));
        let this = &mut self.hosts[host];
        let resumes = this.resumes();
        this.kill();
        this.starts_at = Some(self.now + if resumes.is_empty() { this.delay } else { Duration::ZERO });
        this.kernel.notifications();
        this.node = Some(Node::new(this.record.clone()));
        let setup = Setup { resumes, ..this.setup() };
        // Recorded before it is set.
        this.record.extend(directord::vrrp::node::new_claims(
            &setup,
            &this.record,
            &directord::net::kernel::Kernel::from(this.kernel.read()),
        ));
        let goes_on = !setup.resumes.is_empty();
        self.feed(host, Input::Configure(Box::new(setup)));
        self.configure_scripts(host, goes_on);
    }

    /// The number in the tracked file is another one.
    pub(crate) fn number(&mut self, host: usize, number: i32) {
        self.hosts[host].file = number;
        if self.hosts[host].is_awake() {
            let facts = self.hosts[host].facts();
            self.feed(host, Input::Tracked(facts));
        }
    }

    /// The BFD session comes up, or goes down.
    pub(crate) fn reach(&mut self, host: usize, reachable: bool) {
        self.hosts[host].reachable = reachable;
        if self.hosts[host].is_awake() {
            let facts = self.hosts[host].facts();
            self.feed(host, Input::Tracked(facts));
        }
    }

    /// The tracked process has started, or has ended.
    pub(crate) fn process(&mut self, host: usize, standing: Standing) {
        self.hosts[host].process = standing;
        if self.hosts[host].is_awake() {
            let facts = self.hosts[host].facts();
            self.feed(host, Input::Tracked(facts));
        }
    }

    /// `goes_on`: a predecessor knew what the script says.
    fn configure_scripts(&mut self, host: usize, goes_on: bool) {
        let facts = self.hosts[host].facts();
        self.feed(host, Input::Tracked(facts));
        let mut wanted: Vec<Wanted> = self.hosts[host].script.iter().cloned().collect();
        if goes_on && self.hosts[host].healthy {
            wanted.iter_mut().for_each(|script| script.config.init_fail = false);
        }
        self.feed_scripts(host, scripts::Input::Configure(wanted));
    }

    pub(crate) fn reload(&mut self, host: usize, config: Vec<Instance>) {
        self.say(|| format!("{host} reloads"));
        let this = &mut self.hosts[host];
        this.config.clone_from(&config);
        if let Some(node) = this.node.as_ref().filter(|_| !this.stopping) {
            let setup = this.setup();
            this.record.extend(node.claims_of(&setup));
            this.recorded = None;
            self.feed(host, Input::Configure(Box::new(setup)));
            self.configure_scripts(host, false);
        }
    }

    /// It is to lead nowhere, or may again.
    pub(crate) fn maintain(&mut self, host: usize, maintenance: bool) {
        self.hosts[host].maintenance = maintenance;
        if self.hosts[host].is_awake() {
            let facts = self.hosts[host].facts();
            self.feed(host, Input::Tracked(facts));
        }
    }

    /// Others are to lead what it leads.
    pub(crate) fn fail_over(&mut self, host: usize, back: Back) {
        let of: Vec<String> = self.hosts[host].config.iter().map(|config| config.name.clone()).collect();
        if self.hosts[host].is_awake() {
            self.say(|| format!("{host} fails over {back:?}"));
            self.feed(host, Input::HandOver { of, back });
        }
    }

    /// Once more: it waits for no successor.
    pub(crate) fn stop(&mut self, host: usize) {
        if self.hosts[host].is_awake() {
            self.say(|| format!("{host} is told to stop"));
            self.hosts[host].stopping = true;
            self.feed(host, Input::Stop);
        }
    }

    /// It is stopped for a restart, and leaves what leads as it is. When it may not, it is told to stop as always.
    pub(crate) fn leave(&mut self, host: usize) {
        if !self.hosts[host].is_awake() || self.hosts[host].stopping {
            return;
        }
        self.say(|| format!("{host} is stopped for a restart"));
        let mut actions = Vec::new();
        if let Some(node) = &mut self.hosts[host].node {
            node.handle(self.now, Input::Leave, &mut actions);
        }
        let mut left = Vec::new();
        for action in actions {
            match action {
                Action::Transmit { endpoint, packet, .. } => self.transmit(host, &endpoint, &packet),
                Action::Left(all) => left = all,
                // The process ends when that is done.
                Action::Change(operations) => {
                    for operation in operations {
                        let errno = self.hosts[host].kernel.carry_out(&operation);
                        self.say(|| format!("{host} {operation}, lent: {errno}"));
                        if let Operation::Amend(Object::Address(Address { valid: Some(seconds), .. })) =
                            operation
                        {
                            // The kernel may look later.
                            let late = Duration::from_millis(self.random.u64(0..1500));
                            let life = self.hosts[host].life + 1;
                            self.hosts[host].lent_in = life;
                            self.schedule(
                                Due::Expire { host, life },
                                Duration::from_secs(seconds.into()) + late,
                            );
                        }
                    }
                }
                other => self.say(|| format!("{host} {other:?}")),
            }
        }
        if left.is_empty() {
            return self.stop(host);
        }
        self.hosts[host].kill();
        self.hosts[host].left = Some((self.now, left));
    }

    /// The daemon is killed, and its parent knows who led. How long the others bear the silence of all of them; `None`: of
    /// one that led nothing is left that another could go on with.
    pub(crate) fn kill_guarded(&mut self, host: usize) -> Option<Duration> {
        self.say(|| format!("{host} is killed"));
        let this = &mut self.hosts[host];
        let leads = |machine: &&Machine| machine.state() == State::Master && !machine.snapshot().hands_over;
        let led = this.node.iter().flat_map(Node::machines).filter(leads);
        let left: Vec<Option<Left>> =
            led.map(|machine| Left::by_a_kill(machine.config(), machine.snapshot().priority)).collect();
        this.kill();
        let window = left.iter().map(|one| Some(one.as_ref()?.window)).min().flatten();
        this.left = Some((self.now, left.into_iter().flatten().collect()));
        window
    }

    /// The parent of a daemon that is not back takes away what it left.
    pub(crate) fn sweep(&mut self, host: usize) {
        let this = &mut self.hosts[host];
        let kernel = directord::net::kernel::Kernel::from(this.kernel.read());
        for operation in removals(&this.record, &kernel) {
            let errno = this.kernel.carry_out(&operation);
            assert!(operation.outcome(errno).is_ok(), "{operation}: {errno}");
        }
        this.record.retain(|claim| matches!(claim, Claim::Setting { .. } | Claim::Table(_)));
        this.left = None;
        self.say(|| format!("{host}: what it left is gone"));
    }

    /// A restart; `pause`: from its stop to its start, when it did not have to hand over.
    pub(crate) fn restart(&mut self, host: usize, pause: Duration) -> Result<(), String> {
        self.leave(host);
        let at = self.now + pause;
        self.run_until(at)?;
        if self.hosts[host].node.is_none() {
            self.boot(host);
        }
        Ok(())
    }

    pub(crate) fn pause(&mut self, host: usize) {
        if self.hosts[host].node.is_some() {
            self.say(|| format!("{host} pauses"));
            self.hosts[host].paused = true;
        }
    }

    pub(crate) fn resume(&mut self, host: usize) {
        if !std::mem::take(&mut self.hosts[host].paused) {
            return;
        }
        self.say(|| format!("{host} resumes"));
        for at in self.hosts[host].sent.values_mut() {
            *at = self.now;
        }
        // As the daemon does it: what was heard meanwhile comes before timers that are late.
        for (endpoint, packet) in std::mem::take(&mut self.hosts[host].waiting) {
            self.feed(host, Input::Heard { endpoint, packet });
        }
        let facts = self.hosts[host].facts();
        self.feed(host, Input::Tracked(facts));
        self.fire(host);
        self.fire_scripts(host);
        self.notify(host);
        // What came due for them meanwhile was let pass.
        for _job in 0..self.hosts[host].jobs.len() {
            self.schedule(Due::Work(host), Duration::ZERO);
        }
    }

    /// Changes something in the kernel of a host.
    pub(crate) fn touch(&mut self, host: usize, change: impl FnOnce(&mut Host)) {
        change(&mut self.hosts[host]);
        self.hosts[host].holds_until = None;
        self.schedule(Due::Notify(host), Duration::ZERO);
    }

    /// A receiving socket gives up.
    pub(crate) fn deafen(&mut self, host: usize) {
        let endpoint = self.hosts[host].open.iter().next().cloned();
        if let Some(endpoint) = endpoint.filter(|_| self.hosts[host].is_awake()) {
            self.say(|| format!("{host} is deaf on {endpoint}"));
            self.hosts[host].open.remove(&endpoint);
            self.feed(host, Input::Closed { endpoint, why: "gave up".into() });
        }
    }

    // ---- time ----

    /// Lets time pass; everything due happens in order.
    pub(crate) fn run_until(&mut self, end: Instant) -> Result<(), String> {
        // Whatever was done to them meanwhile.
        self.hosts.iter_mut().for_each(|host| host.holds_until = None);
        loop {
            let event = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let timer = self.next_timer();
            let next = event.into_iter().chain(timer.map(|(at, _)| at)).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => {
                    self.now = end;
                    return self.check();
                }
            }
            match timer {
                Some((at, host)) if event.is_none_or(|event| at <= event) => {
                    self.fire(host);
                    self.fire_scripts(host);
                }
                _ => {
                    let (_, due) = self.under_way.pop_first().unwrap();
                    self.happen(due);
                }
            }
            self.check()?;
        }
    }

    /// A host to which nothing has happened is looked at when time alone may have broken something.
    fn check(&mut self) -> Result<(), String> {
        let nobody_has = |address: &IpAddr| !self.hosts.iter().any(|host| host.kernel.has(*address));
        if let Some(address) = self.needed.filter(nobody_has) {
            return Err(format!("nobody has {address}"));
        }
        let now = self.now;
        for host in &mut self.hosts {
            if host.holds_until.is_none_or(|until| now > until) {
                host.holds_until = Some(host.check(now)?);
            }
        }
        Ok(())
    }

    fn next_timer(&mut self) -> Option<(Instant, usize)> {
        let timer = |host: &mut Host| {
            if !host.is_awake() {
                return None;
            }
            let Timers { node, scripts } = host.timers();
            let at = node.map(|(at, _)| at).into_iter().chain(scripts).min()?;
            Some((at, host.number))
        };
        self.hosts.iter_mut().filter_map(timer).min()
    }

    fn fire(&mut self, host: usize) {
        let before = self.hosts[host].timers().node;
        if before.is_some_and(|(at, _)| at <= self.now) {
            self.feed(host, Input::Timer);
            assert_ne!(before, self.hosts[host].timers().node, "{host} has a timer that stays due");
        }
    }

    fn fire_scripts(&mut self, host: usize) {
        let this = &mut self.hosts[host];
        if this.is_awake() && this.timers().scripts.is_some_and(|at| at <= self.now) {
            self.feed_scripts(host, scripts::Input::Timer);
        }
    }

    fn feed_scripts(&mut self, host: usize, input: scripts::Input) {
        let mut actions = Vec::new();
        let this = &mut self.hosts[host];
        let (life, healthy) = (this.life, this.healthy);
        this.scripts.handle(self.now, input, &mut actions);
        this.timers = None;
        for action in actions {
            match action {
                scripts::Action::Run { id, .. } => {
                    // Now and then one takes longer than the interval.
                    let delay = Duration::from_millis(self.random.u64(1..1500));
                    self.schedule(Due::Script { host, life, id, healthy }, delay);
                }
                scripts::Action::Standings(standings) => {
                    self.say(|| format!("{host} scripts {standings:?}"));
                    self.hosts[host].standings.clone_from(&standings);
                    let facts = self.hosts[host].facts();
                    self.feed(host, Input::Tracked(facts));
                }
                // What ends of it is of no interest to the machine.
                scripts::Action::Stop(_) | scripts::Action::Report { .. } => {}
            }
        }
    }

    fn script_ended(&mut self, host: usize, life: u64, id: scripts::Id, healthy: bool) {
        let this = &self.hosts[host];
        if this.node.is_none() || this.life != life {
            return;
        }
        if this.paused {
            let again = Due::Script { host, life, id, healthy };
            return self.schedule(again, Duration::from_millis(100));
        }
        let ending = if healthy { Ending::Exited(0) } else { Ending::TimedOut };
        self.feed_scripts(host, scripts::Input::Ended { id, ending });
    }

    fn schedule(&mut self, due: Due, delay: Duration) {
        self.sequence += 1;
        self.under_way.insert((self.now + delay, self.sequence), due);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Packet { to, interface, packet } => self.deliver(to, interface, &packet),
            Due::Claim { to, interface, conflict } => self.claim(to, interface, conflict),
            Due::Learn { from, address } => {
                if self.neighbours.insert(address, from) != Some(from) {
                    self.say(|| format!("clients send to {from} for {address}"));
                }
            }
            Due::Notify(host) => self.notify(host),
            Due::Work(host) => self.work(host),
            Due::Expire { host, life } => {
                if self.hosts[host].lent_in == life {
                    self.touch(host, |host| host.kernel.expire());
                }
            }
            Due::Script { host, life, id, healthy } => self.script_ended(host, life, id, healthy),
        }
    }

    // ---- the daemon and its kernel ----

    fn notify(&mut self, host: usize) {
        self.hosts[host].holds_until = None;
        if !self.hosts[host].is_awake() {
            return;
        }
        let (changes, lost) = self.hosts[host].kernel.notifications();
        if !changes.is_empty() {
            self.feed(host, Input::Kernel(changes));
        }
        if lost {
            self.say(|| format!("{host} has lost notifications"));
            self.feed(host, Input::Lost);
        }
    }

    fn work(&mut self, host: usize) {
        if !self.hosts[host].is_awake() {
            return;
        }
        let this = &mut self.hosts[host];
        let Some(job) = this.jobs.pop_front() else { return };
        let answer = match job {
            Job::Change(operations) => {
                let mut answers = Vec::new();
                for operation in operations {
                    let errno = this.kernel.carry_out(&operation);
                    this.forget_removed();
                    if this.snipes > 0 && errno == 0 {
                        this.snipes -= u32::from(this.kernel.undo(&operation));
                    }
                    if self.trace {
                        println!("          {host} {operation}: {errno}");
                    }
                    answers.push((operation, errno));
                }
                Input::Changed(answers)
            }
            Job::Filter(batch) => {
                let errno = this.kernel.filter(&batch);
                if self.trace {
                    println!("          {host} {batch:?}: {errno}");
                }
                Input::Filtered(batch, errno)
            }
            Job::Read => Input::Read(Ok(this.kernel.read())),
            Job::Tune(wanted, held) => {
                Input::Tuned { held: this.kernel.tune(&wanted, held), refused: Vec::new() }
            }
            Job::Open(endpoint) => {
                let answer = open(&this.kernel, endpoint.clone());
                if matches!(answer, Input::Opened(_)) {
                    this.open.insert(endpoint);
                }
                answer
            }
        };
        self.notify(host);
        self.feed(host, answer);
    }

    pub(crate) fn feed(&mut self, host: usize, input: Input) {
        let mut actions = Vec::new();
        let now = self.now;
        if let Some(node) = &mut self.hosts[host].node {
            node.handle(now, input, &mut actions);
        }
        for action in actions {
            match action {
                Action::Transmit { endpoint, packet, .. } => self.transmit(host, &endpoint, &packet),
                Action::Open(endpoint) => self.job(host, Job::Open(endpoint)),
                Action::Close(endpoint) => drop(self.hosts[host].open.remove(&endpoint)),
                Action::Change(operations) => self.job(host, Job::Change(operations)),
                Action::Filter(batch) => self.job(host, Job::Filter(batch)),
                Action::Buffer { .. } => {}
                Action::Read => self.job(host, Job::Read),
                Action::Tune { wanted, held } => self.job(host, Job::Tune(wanted, held)),
                Action::Announce { frames, .. } => {
                    self.hosts[host].announce(now, &frames);
                    frames.iter().for_each(|(index, frame)| self.spread(host, *index, frame));
                }
                Action::Watch(watched) => self.hosts[host].watched = watched,
                Action::Left(_) => {}
                Action::Report(report) => {
                    match (&report.instance, &report.event) {
                        (Some(name), Event::Transition { from, to, .. }) => {
                            self.hosts[host].hear(name, *from, *to);
                        }
                        // It has led all the time.
                        (Some(name), Event::Resumed { .. }) => {
                            self.hosts[host].told.insert(name.clone(), State::Master);
                        }
                        (None, Event::GroupResumed { group }) => {
                            self.hosts[host].told.insert(format!("group {group}"), State::Master);
                        }
                        (None, Event::Group { group, from, to, .. }) => {
                            self.hosts[host].hear(&format!("group {group}"), *from, *to);
                        }
                        _ => {}
                    }
                    self.say(|| format!("{host} ({}) {}", report.instance.unwrap_or_default(), report.event));
                }
            }
        }
        let this = &mut self.hosts[host];
        if let Some(node) = &this.node
            && !this.recorded.as_ref().is_some_and(|recorded| Arc::ptr_eq(recorded, node.claims()))
            && node.is_quiet()
        {
            this.record.clone_from(node.claims());
            this.recorded = Some(Arc::clone(node.claims()));
        }
        this.end();
        (this.holds_until, this.timers) = (None, None);
    }

    fn job(&mut self, host: usize, job: Job) {
        self.hosts[host].jobs.push_back(job);
        let delay = Duration::from_micros(self.random.u64(0..3000));
        self.schedule(Due::Work(host), delay);
    }

    // ---- the network ----

    fn transmit(&mut self, from: usize, endpoint: &Endpoint, packet: &Outgoing) {
        if !self.hosts[from].open.contains(endpoint) {
            return;
        }
        let vrid = packet.payload[1];
        self.priorities.insert(packet.payload[2]);
        let Host { config, sent, .. } = &mut self.hosts[from];
        for one in config.iter().filter(|one| one.vrid.number() == vrid) {
            match sent.get_mut(&one.name) {
                Some(at) => *at = self.now,
                None => drop(sent.insert(one.name.clone(), self.now)),
            }
        }
        let interface = self.hosts[from].leaves_by(endpoint);
        if !self.hosts[from].kernel.is_up(interface) {
            return;
        }
        let mut arrives = None;
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            if !packet.destination.is_multicast() && !self.hosts[to].kernel.has(packet.destination) {
                continue;
            }
            let path = self.paths.get(&(from, to)).copied().unwrap_or(Path::GOOD);
            let copies = if self.random.f64() < path.duplication { 2 } else { 1 };
            for _copy in 0..copies {
                if path.blocked || self.random.f64() < path.loss {
                    continue;
                }
                let delay = path.most_delay.mul_f64(self.random.f64());
                let packet = Rc::clone(arrives.get_or_insert_with(|| Rc::new(received(packet))));
                self.schedule(Due::Packet { to, interface, packet }, delay);
            }
        }
    }

    /// An announcement goes to all: each host is as far as its adverts, and the clients are never cut off.
    fn spread(&mut self, from: usize, index: u32, frame: &[u8]) {
        let Some(interface) = self.hosts[from].kernel.name(index) else { return };
        let interface = self.hosts[from].wire(interface);
        let neighbour =
            || conflict::neighbour(frame[22..38].first_chunk::<16>().copied()?.into(), &frame[54..]);
        let conflict = conflict::arp(frame).or_else(neighbour).unwrap();
        if !self.hosts[from].kernel.is_up(interface) {
            return;
        }
        let late = |lan: &mut Self| Duration::from_micros(lan.random.u64(0..1000));
        let delay = late(self);
        self.schedule(Due::Learn { from, address: conflict.address }, delay);
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            let path = self.paths.get(&(from, to)).copied().unwrap_or(Path::GOOD);
            if self.hosts[to].watched.is_empty() || path.blocked || self.random.f64() < path.loss {
                continue;
            }
            // It is read a moment later, together with what comes meanwhile.
            let delay =
                path.most_delay.mul_f64(self.random.f64()) + Duration::from_millis(5) + late(self) * 5;
            self.schedule(Due::Claim { to, interface, conflict }, delay);
        }
    }

    fn claim(&mut self, to: usize, interface: &'static str, conflict: Conflict) {
        let host = &self.hosts[to];
        if !host.is_awake() || !host.kernel.is_up(interface) {
            return;
        }
        let hears = |(index, watched): (&u32, &directord::vrrp::node::Watched)| {
            let here = host.kernel.name(*index).is_some_and(|name| host.wire(name) == interface);
            let hears = watched.addresses.contains(&conflict.address) && conflict.mac != Some(watched.mac);
            (here && hears).then_some(*index)
        };
        for index in host.watched.iter().filter_map(hears).collect::<Vec<u32>>() {
            self.feed(to, Input::Claimed { index, conflict });
        }
    }

    fn deliver(&mut self, to: usize, interface: &'static str, packet: &Received) {
        let host = &self.hosts[to];
        if !host.kernel.is_up(interface) {
            return;
        }
        let hears = |endpoint: &&Endpoint| {
            let here = endpoint.interface.is_none() || host.leaves_by(endpoint) == interface;
            here && endpoint.local == packet.destination
        };
        let endpoints: Vec<Endpoint> = host.open.iter().filter(hears).cloned().collect();
        for endpoint in endpoints {
            let (host, packet) = (&mut self.hosts[to], packet.clone());
            if !host.paused {
                self.feed(to, Input::Heard { endpoint, packet });
            } else if host.waiting.len() < 32 {
                // A socket buffer is finite.
                host.waiting.push((endpoint, packet));
            }
        }
    }

    /// The hosts that are master of a virtual router, by its name.
    pub(crate) fn masters(&self, name: &str) -> Vec<usize> {
        let is_master = |host: &&Host| {
            let mut machines = host.node.iter().flat_map(Node::machines);
            machines.any(|machine| machine.config().name == name && machine.state() == State::Master)
        };
        self.hosts.iter().filter(is_master).map(|host| host.number).collect()
    }

    /// The hosts that have an address.
    pub(crate) fn holders(&self, address: IpAddr) -> Vec<usize> {
        self.hosts.iter().filter(|host| host.kernel.has(address)).map(|host| host.number).collect()
    }
}

/// A packet as it comes in.
fn received(packet: &Outgoing) -> Received {
    let (source, destination, hops) = (packet.source, packet.destination, packet.hops);
    match packet.bytes() {
        Some(bytes) if source.is_ipv4() => Received::ipv4(&bytes).unwrap(),
        _ => Received { source, destination, hops, id: None, ah: None, payload: packet.payload.clone() },
    }
}
