//! BFD sessions of two hosts and more: they come up, a link that is lost is down within the detection time on both sides,
//! no change is lost or told twice, and neither a reload that changes nothing nor a paused machine is a false alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use directord::bfd::event::Event;
use directord::bfd::packet::State;
use directord::bfd::session::Endpoint;
use directord::bfd::sessions::{Action, Id, Input, Received, Report, Sessions};
use directord::config::model::BfdInstance;

const MS: fn(u64) -> Duration = Duration::from_millis;

struct Host {
    address: IpAddr,
    /// `None`: not running.
    sessions: Option<Sessions>,
    config: Vec<BfdInstance>,
    sockets: BTreeMap<Id, Endpoint>,
    paused: bool,
    waiting: Vec<Received>,
    /// Who is up, as it was told last.
    up: BTreeSet<String>,
    /// The state of each session that was told last.
    told: BTreeMap<String, State>,
    /// How often a session went down.
    downs: u32,
}

struct Net {
    now: Instant,
    hosts: Vec<Host>,
    cut: bool,
    loss: f64,
    most_delay: Duration,
    under_way: BTreeMap<(Instant, u64), (usize, Received)>,
    sequence: u64,
    /// When the last packet of one host to another arrives.
    last: BTreeMap<(usize, usize), Instant>,
    random: fastrand::Rng,
    sent: u64,
}

fn address(host: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(host + 1).unwrap()])
}

fn session(to: usize, interval: u64, multiplier: u8) -> BfdInstance {
    let (min_tx, min_rx) = (MS(interval), MS(interval));
    BfdInstance { min_tx, min_rx, multiplier, ..BfdInstance::new(&format!("to{to}"), address(to)) }
}

impl Net {
    fn new(configs: Vec<Vec<BfdInstance>>, seed: u64) -> Self {
        let host = |(number, config)| Host {
            address: address(number),
            sessions: None,
            config,
            sockets: BTreeMap::new(),
            paused: false,
            waiting: Vec::new(),
            up: BTreeSet::new(),
            told: BTreeMap::new(),
            downs: 0,
        };
        let mut net = Self {
            now: Instant::now(),
            hosts: configs.into_iter().enumerate().map(host).collect(),
            cut: false,
            loss: 0.0,
            most_delay: MS(2),
            under_way: BTreeMap::new(),
            sequence: 0,
            last: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            sent: 0,
        };
        (0..net.hosts.len()).for_each(|host| net.boot(host));
        net
    }

    fn boot(&mut self, host: usize) {
        let seed = self.random.u64(..);
        let this = &mut self.hosts[host];
        this.sessions = Some(Sessions::new(seed));
        (this.up, this.told) = (BTreeSet::new(), BTreeMap::new());
        this.sockets.clear();
        this.waiting.clear();
        let config = this.config.clone();
        self.feed(host, Input::Configure(config));
    }

    fn reload(&mut self, host: usize) {
        let config = self.hosts[host].config.clone();
        self.feed(host, Input::Configure(config));
        self.feed(host, Input::Settled);
    }

    fn feed(&mut self, host: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            let Some(sessions) = &mut self.hosts[host].sessions else { return };
            sessions.handle(self.now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Open(id, endpoint) => {
                        self.hosts[host].sockets.insert(id, endpoint);
                        inputs.push(Input::Opened(id));
                    }
                    Action::Close(id) => drop(self.hosts[host].sockets.remove(&id)),
                    Action::Transmit(id, bytes) => self.send(host, id, bytes.to_vec()),
                    Action::Up(up) => {
                        assert_ne!(self.hosts[host].up, *up, "told twice");
                        self.hosts[host].up = up.as_ref().clone();
                    }
                    Action::Report(report) => self.hosts[host].hear(report),
                }
            }
        }
    }

    fn send(&mut self, from: usize, id: Id, bytes: Vec<u8>) {
        self.sent += 1;
        let endpoint = self.hosts[from].sockets[&id];
        let to = self.hosts.iter().position(|host| host.address == endpoint.neighbour);
        let Some(to) = to.filter(|_| !self.cut && self.random.f64() >= self.loss) else { return };
        let received = Received {
            source: self.hosts[from].address,
            destination: Some(self.hosts[to].address),
            multihop: endpoint.multihop,
            hops: endpoint.ttl,
            bytes,
        };
        let copies = if self.loss > 0.0 && self.random.u8(0..20) == 0 { 2 } else { 1 };
        for _copy in 0..copies {
            let mut at = self.now + self.most_delay.mul_f64(self.random.f64());
            if self.loss == 0.0 {
                // A good network keeps the order.
                let last = self.last.entry((from, to)).or_insert(at);
                at = at.max(*last);
                *last = at;
            }
            self.sequence += 1;
            self.under_way.insert((at, self.sequence), (to, received.clone()));
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = |(number, host): (usize, &Host)| {
                let sessions = host.sessions.as_ref().filter(|_| !host.paused)?;
                sessions.next_timer().map(|(at, _)| (at, number))
            };
            let timer = self.hosts.iter().enumerate().filter_map(timer).min();
            let packet = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timer.map(|(at, _)| at).into_iter().chain(packet).min().filter(|at| *at <= end)
            else {
                self.now = end;
                self.hosts.iter().for_each(Host::agrees);
                return;
            };
            self.now = self.now.max(next);
            match timer {
                Some((at, host)) if packet.is_none_or(|packet| at < packet) => {
                    self.feed(host, Input::Timer);
                    let after = self.hosts[host].sessions.as_ref().and_then(Sessions::next_timer);
                    assert!(after.is_none_or(|(at, _)| at > self.now), "a timer stays due");
                }
                _ => {
                    let (_, (to, received)) = self.under_way.pop_first().unwrap();
                    if self.hosts[to].paused {
                        self.hosts[to].waiting.push(received);
                    } else {
                        self.feed(to, Input::Heard(received));
                    }
                }
            }
        }
    }

    /// As the thread does it: what was heard meanwhile comes before timers that are late.
    fn resume(&mut self, host: usize) {
        self.hosts[host].paused = false;
        for received in std::mem::take(&mut self.hosts[host].waiting) {
            self.feed(host, Input::Heard(received));
        }
    }

    fn all_up(&self) -> bool {
        self.hosts.iter().all(|host| host.sessions.is_none() || host.up.len() == host.config.len())
    }

    fn none_up(&self) -> bool {
        self.hosts.iter().all(|host| host.sessions.is_none() || host.up.is_empty())
    }

    fn downs(&self) -> u32 {
        self.hosts.iter().map(|host| host.downs).sum()
    }
}

impl Host {
    /// Each change is told once, and begins where the last one ended.
    fn hear(&mut self, report: Report) {
        let Event::Entered { from, to, .. } = report.event else { return };

        let last = self.told.insert(report.session.clone().unwrap(), to).unwrap_or_default();
        assert!(from == last && from != to, "{report:?} after {last}");
        self.downs += u32::from(from == State::Up && to == State::Down);
        if to == State::AdminDown {
            self.told.remove(&report.session.unwrap());
        }
    }

    /// What was told of the sessions is what they are.
    fn agrees(&self) {
        let Some(sessions) = &self.sessions else { return };
        for session in sessions.snapshot() {
            let told = self.told.get(&session.name).copied().unwrap_or_default();
            assert_eq!(told, session.state, "{}", session.name);
            assert_eq!(self.up.contains(&session.name), session.state == State::Up, "{}", session.name);
        }
    }
}

fn pair(interval: u64, multiplier: u8, seed: u64) -> Net {
    Net::new(vec![vec![session(1, interval, multiplier)], vec![session(0, interval, multiplier)]], seed)
}

#[test]
fn two_sessions_come_up_and_a_lost_link_is_noticed_in_time() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (interval, multiplier) = (random.u64(25..300), random.u8(1..6));
        let mut net = pair(interval, multiplier, seed);
        net.run(MS(3000));
        assert!(net.all_up(), "seed {seed}");
        net.run(MS(random.u64(0..1000)));
        assert!(net.all_up() && net.downs() == 0, "seed {seed}");
        net.cut = true;
        let detection = MS(interval * u64::from(multiplier));
        net.run(detection.saturating_sub(MS(interval)).saturating_sub(MS(5)));
        assert!(net.all_up(), "seed {seed}: too early");
        net.run(MS(interval + 10));
        assert!(net.none_up(), "seed {seed}: {detection:?} are over");
        net.cut = false;
        net.run(MS(4000));
        assert!(net.all_up() && net.downs() == 2, "seed {seed}");
    }
}

#[test]
fn a_side_that_ends_or_dies_is_known_to_be_gone() {
    for seed in 0..100 {
        let mut net = pair(50, 5, seed);
        net.run(MS(3000));
        net.feed(0, Input::Stop);
        net.run(MS(10));
        assert!(net.hosts[1].up.is_empty(), "seed {seed}: it was told");
        net.hosts[0].sessions = None;
        net.run(MS(5000));
        net.boot(0);
        net.run(MS(3000));
        assert!(net.all_up(), "seed {seed}");
        net.hosts[0].sessions = None;
        net.run(MS(255));
        assert!(net.hosts[1].up.is_empty(), "seed {seed}: nothing is heard");
        // It comes back before anybody noticed: with another discriminator it is another session.
        net.boot(0);
        net.run(MS(3000));
        net.boot(0);
        net.run(MS(4000));
        assert!(net.all_up(), "seed {seed}");
    }
}

/// One hundred sessions at 50 ms, lossy links, and reloads all the time: of names, of the order, of intervals, of nothing.
#[test]
fn a_storm_of_reloads_is_no_false_alarm() {
    let star = (0..100).map(|number| session(number + 1, 50, 5)).collect();
    let leaf = |_| vec![session(0, 50, 5)];
    let configs = std::iter::once(star).chain((0..100).map(leaf)).collect();
    let mut net = Net::new(configs, 7);
    net.run(MS(3000));
    assert!(net.all_up());
    net.loss = 0.02;
    let mut random = fastrand::Rng::with_seed(9);
    for round in 0..200 {
        let host = if random.bool() { 0 } else { random.usize(1..101) };
        match random.u8(0..4) {
            0 => random.shuffle(&mut net.hosts[host].config),
            1 => net.hosts[host].config.iter_mut().for_each(|one| one.min_tx = MS(random.u64(40..60))),
            2 => net.hosts[host].config.iter_mut().for_each(|one| one.multiplier = random.u8(5..8)),
            _ => {}
        }
        net.reload(host);
        net.run(MS(random.u64(0..40)));
        assert!(net.all_up(), "round {round}");
    }
    net.run(MS(2000));
    assert!(net.all_up() && net.downs() == 0);
}

#[test]
fn a_paused_machine_hears_before_it_judges_and_sends_no_storm() {
    for seed in 0..20 {
        let mut net = pair(50, 5, seed);
        net.run(MS(3000));
        // Shorter than the other side waits.
        net.hosts[0].paused = true;
        net.run(MS(190));
        net.resume(0);
        let before = net.sent;
        net.run(MS(1));
        assert!(net.sent - before <= 2, "seed {seed}: a storm");
        net.run(MS(1000));
        assert!(net.all_up() && net.downs() == 0, "seed {seed}");
        // Longer: the other side is down, and says so; both come up again.
        net.hosts[0].paused = true;
        net.run(MS(60_000));
        assert!(net.hosts[1].up.is_empty());
        net.resume(0);
        net.run(MS(5000));
        assert!(net.all_up(), "seed {seed}");
        assert_eq!(net.downs(), 2, "seed {seed}: once on each side");
    }
}

/// Whatever happens to the network and to the hosts: when it is over, all sessions are up.
#[test]
fn all_is_well_in_the_end() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut net = pair(random.u64(10..200), random.u8(1..6), seed);
        net.hosts[0].config[0].passive = random.u8(0..4) == 0;
        for _fault in 0..random.usize(1..12) {
            let host = random.usize(0..2);
            match random.u8(0..9) {
                0 => net.cut = !net.cut,
                1 => net.loss = random.f64() * 0.6,
                2 => net.most_delay = MS(random.u64(1..100)),
                3 => net.hosts[host].paused = true,
                4 => net.resume(host),
                5 => net.boot(host),
                6 => {
                    let interval = MS(random.u64(10..400));
                    let one = &mut net.hosts[host].config[0];
                    (one.min_tx, one.multiplier) = (interval, random.u8(1..6));
                    net.reload(host);
                }
                7 => {
                    let config = std::mem::take(&mut net.hosts[host].config);
                    net.reload(host);
                    net.hosts[host].config = config;
                    net.run(MS(random.u64(0..300)));
                    net.reload(host);
                }
                _ => net.feed(host, Input::Stop),
            }
            net.run(MS(random.u64(0..1500)));
        }
        (net.cut, net.loss, net.most_delay) = (false, 0.0, MS(1));
        (0..2).for_each(|host| net.resume(host));
        (0..2).for_each(|host| net.reload(host));
        net.run(MS(20_000));
        assert!(net.all_up(), "seed {seed}");
        let settled = net.downs();
        net.run(MS(20_000));
        assert!(net.all_up() && net.downs() == settled, "seed {seed}: it flaps");
    }
}
