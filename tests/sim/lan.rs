//! The virtual LAN: routers, links between each two of them, and the queue of what is under way.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use directord::config::model::Instance;
use directord::track::{Conditions, Link};
use directord::vrrp::event::State;
use directord::vrrp::instance::{Action, Input, Machine};

/// What the network does to packets from one router to another.
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

pub(crate) struct Router {
    pub(crate) config: Instance,
    /// `None`: crashed.
    pub(crate) machine: Option<Machine>,
    /// A paused virtual machine: packets wait, timers are late.
    pub(crate) paused: bool,
    waiting: Vec<Vec<u8>>,
    pub(crate) link: Link,
    pub(crate) holds: bool,
    last_sent: Instant,
    master_since: Option<Instant>,
}

pub(crate) struct Lan {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) routers: Vec<Router>,
    pub(crate) paths: BTreeMap<(usize, usize), Path>,
    under_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sequence: u64,
    random: fastrand::Rng,
    trace: bool,
}

impl Lan {
    pub(crate) fn new(configs: Vec<(Instance, Ipv4Addr)>, seed: u64, trace: bool) -> Self {
        let now = Instant::now();
        let router = |(config, address): (Instance, Ipv4Addr)| Router {
            config,

            machine: None,
            paused: false,
            waiting: Vec::new(),
            link: Link { up: true, source: Some(address) },
            holds: false,
            last_sent: now,
            master_since: None,
        };
        Self {
            now,
            start: now,
            routers: configs.into_iter().map(router).collect(),
            paths: BTreeMap::new(),
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

    pub(crate) fn boot(&mut self, router: usize) {
        self.routers[router].machine = Some(Machine::new(self.routers[router].config.clone()));
        self.routers[router].paused = false;
        self.routers[router].waiting.clear();
        let link = self.routers[router].link;
        self.say(|| format!("{router} starts"));
        self.feed(router, Input::Conditions(Conditions { link: Some(link), ..Conditions::default() }));
    }

    /// The process and its addresses vanish without a word.
    pub(crate) fn crash(&mut self, router: usize) {
        self.say(|| format!("{router} crashes"));
        self.routers[router].machine = None;
        self.routers[router].holds = false;
        self.routers[router].master_since = None;
        self.routers[router].paused = false;
    }

    pub(crate) fn pause(&mut self, router: usize) {
        self.say(|| format!("{router} pauses"));
        self.routers[router].paused = true;
    }

    pub(crate) fn resume(&mut self, router: usize) {
        if !std::mem::take(&mut self.routers[router].paused) {
            return;
        }
        self.say(|| format!("{router} resumes"));
        self.routers[router].last_sent = self.now;
        // As the daemon does it: what was heard meanwhile comes before timers that are late.
        for packet in std::mem::take(&mut self.routers[router].waiting) {
            self.feed(router, Input::Packet(packet));
        }
        self.fire(router);
    }

    pub(crate) fn set_link(&mut self, router: usize, up: bool) {
        self.say(|| format!("{router} link {}", if up { "up" } else { "down" }));
        self.routers[router].link.up = up;
        let link = self.routers[router].link;
        self.feed(router, Input::Conditions(Conditions { link: Some(link), ..Conditions::default() }));
    }

    /// Lets time pass; everything due happens in order.
    pub(crate) fn run_until(&mut self, end: Instant) -> Result<(), String> {
        loop {
            let packet = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let timer = self.next_timer();
            let next = packet.into_iter().chain(timer.map(|(at, _)| at)).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => {
                    self.now = end;
                    return self.check_invariants();
                }
            }
            match timer {
                Some((at, router)) if packet.is_none_or(|packet| at <= packet) => self.fire(router),
                _ => {
                    let (_, (to, bytes)) = self.under_way.pop_first().unwrap();
                    self.deliver(to, bytes);
                }
            }
            self.check_invariants()?;
        }
    }

    fn next_timer(&self) -> Option<(Instant, usize)> {
        let timer = |(index, router): (usize, &Router)| {
            let machine = router.machine.as_ref().filter(|_| !router.paused)?;
            machine.next_timer().map(|(at, _)| (at, index))
        };
        self.routers.iter().enumerate().filter_map(timer).min()
    }

    fn fire(&mut self, router: usize) {
        let due = |lan: &Self| lan.routers[router].machine.as_ref().and_then(Machine::next_timer);
        let before = due(self);
        if before.is_some_and(|(at, _)| at <= self.now) {
            self.feed(router, Input::Timer);
            assert_ne!(before, due(self), "{router} has a timer that stays due");
        }
    }

    fn deliver(&mut self, to: usize, bytes: Vec<u8>) {
        let router = &mut self.routers[to];
        if !router.link.up {
            return;
        }
        if router.paused {
            // A socket buffer is finite.
            if router.waiting.len() < 32 {
                router.waiting.push(bytes);
            }
        } else {
            self.feed(to, Input::Packet(bytes));
        }
    }

    pub(crate) fn feed(&mut self, from: usize, input: Input) {
        let mut actions = Vec::new();
        let now = self.now;
        if let Some(machine) = &mut self.routers[from].machine {
            machine.handle(now, input, &mut actions);
        }
        for action in actions {
            match action {
                Action::Transmit { packet, .. } => self.transmit(from, &packet),
                Action::Hold(holds) => self.routers[from].holds = holds,
                Action::Announce { .. } => {}
                Action::Report(event) => self.say(|| format!("{from} {event}")),
            }
        }
        let router = &mut self.routers[from];
        let master = router.machine.as_ref().is_some_and(|machine| machine.state() == State::Master);
        router.master_since = if master { router.master_since.or(Some(now)) } else { None };
    }

    fn transmit(&mut self, from: usize, packet: &[u8]) {
        self.routers[from].last_sent = self.now;
        if !self.routers[from].link.up {
            return;
        }
        for to in (0..self.routers.len()).filter(|to| *to != from) {
            let path = self.paths.get(&(from, to)).copied().unwrap_or(Path::GOOD);
            let copies = if self.random.f64() < path.duplication { 2 } else { 1 };
            for _copy in 0..copies {
                if path.blocked || self.random.f64() < path.loss {
                    continue;
                }
                let delay = path.most_delay.mul_f64(self.random.f64());
                self.sequence += 1;
                self.under_way.insert((self.now + delay, self.sequence), (to, packet.to_vec()));
            }
        }
    }

    pub(crate) fn masters(&self) -> Vec<usize> {
        let master =
            |router: &Router| router.machine.as_ref().is_some_and(|machine| machine.state() == State::Master);
        (0..self.routers.len()).filter(|index| master(&self.routers[*index])).collect()
    }

    fn check_invariants(&self) -> Result<(), String> {
        for (index, router) in self.routers.iter().enumerate() {
            let Some(machine) = &router.machine else { continue };
            let master = machine.state() == State::Master;
            if router.holds != master {
                return Err(format!("{index} is {} and holds: {}", machine.state(), router.holds));
            }
            let interval = machine.config().advert_interval.duration();
            if master && !router.paused && self.now.duration_since(router.last_sent) > interval {
                return Err(format!("{index} is master and has been silent for more than {interval:?}"));
            }
            let takes_part = matches!(machine.state(), State::Backup | State::Master);
            if takes_part && machine.next_timer().is_none() {
                return Err(format!("{index} is {} and waits for nothing", machine.state()));
            }
        }
        Ok(())
    }
}
