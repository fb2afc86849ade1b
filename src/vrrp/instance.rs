//! The state machine of one virtual router (RFC 9568 §6.4, RFC 3768 §6.4), with keepalived's FAULT state.
//!
//! Input: received packets, timers, the condition of the interface, a new configuration, the wish to stop.
//! Output: [`Action`]s in the order in which they must happen: an advert leaves before the addresses are
//! set and announced, so that an old master drops them first. Invariants: addresses are held exactly while
//! the state is MASTER; only a fully valid advert changes state or timers; a master always has an advert due.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::{Authentication, Instance, Preempt, Priority, Version};
use crate::track::{Conditions, Fault, faults};

use super::announce::Bursts;
use super::event::{Event, State, Why};
use super::only_v4;
use super::packet::{self, Advert, Header};
use super::receive::{self, Rejection};
use super::repeats::Repeats;

/// What can happen to an instance.
#[derive(Debug, Clone)]
pub enum Input {
    /// What the instance needs of its node, as it is now; the first one starts the machine.
    Conditions(Conditions),
    /// A whole IPv4 packet of protocol 112 with our VRID.
    Packet(Vec<u8>),
    /// The time that [`Machine::next_timer`] named has come.
    Timer,
    /// Addresses of ours were missing and have been set again.
    AddressesRestored,
    /// A burst of announcements did not get out.
    AnnouncementFailed,
    /// The configuration of a reload; VRID and interface are the same.
    Reconfigure(Box<Instance>),
    /// Give the addresses up and stop.
    Stop,
}

/// What an instance wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a whole IPv4 packet.
    Transmit {
        /// Group or peer.
        destination: Ipv4Addr,
        /// Header and payload.
        packet: Vec<u8>,
    },
    /// Whether the virtual addresses are to be on this node.
    Hold(bool),
    /// Send this many gratuitous ARP frames for each address.
    Announce {
        /// Frames per address.
        frames: u32,
    },
    /// Tell.
    Report(Event),
}

/// Why the machine wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// Master: the next advert is due.
    Advert,
    /// Backup: the master is down unless it has been heard.
    MasterDown,
    /// Master: a burst of announcements is due.
    Announce,
}

/// Counters since the start, under keepalived's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Stats {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub authtype_mismatch: u64,
    pub auth_failure: u64,
    pub vers_err: u64,
    pub chk_err: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
}

/// A view for status, metrics and tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Name of the instance.
    pub name: String,
    /// Present state.
    pub state: State,
    /// Priority that goes into the adverts.
    pub priority: u8,
    /// What holds the instance in FAULT.
    pub faults: Vec<Fault>,
    /// The master last heard.
    pub master: Option<Ipv4Addr>,
    /// The counters.
    pub stats: Stats,
}

/// What log lines are repeated by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Repeated {
    Addresses(Ipv4Addr),
    Competitor(Ipv4Addr),
    Interval(Ipv4Addr, u16),
    OwnAddress,
    Rejected(Ipv4Addr, &'static str),
}

/// The state machine of one `vrrp_instance`.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Instance,
    state: State,
    /// What the instance was told last; `None`: not started.
    conditions: Option<Conditions>,
    faults: BTreeSet<Fault>,
    source: Option<Ipv4Addr>,
    /// Version 3: the interval of the master heard; else our own.
    master_interval: Duration,
    /// Advert due (MASTER) or master down (BACKUP).
    deadline: Option<Instant>,
    /// `preempt_delay` runs out.
    preempt_at: Option<Instant>,
    bursts: Bursts,
    master: Option<Heard>,
    /// When this became master; the one that it replaced says one last word within an interval.
    master_since: Option<Instant>,
    packet_id: u16,
    repeats: Repeats<Repeated>,
    stats: Stats,
}

/// The master last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    address: Ipv4Addr,
    priority: u8,
}

impl Machine {
    /// A machine that waits for the first [`Input::Conditions`].
    pub fn new(config: Instance) -> Self {
        Self {
            master_interval: config.advert_interval.duration(),
            config,
            state: State::Init,
            conditions: None,
            faults: BTreeSet::new(),
            source: None,
            deadline: None,
            preempt_at: None,
            bursts: Bursts::default(),
            master: None,
            master_since: None,
            packet_id: 0,
            repeats: Repeats::new(),
            stats: Stats::default(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Instance {
        &self.config
    }

    /// The present state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Conditions(conditions) => {
                self.conditions = Some(conditions);
                self.evaluate(now, out);
            }
            Input::Packet(bytes) => self.packet(now, &bytes, out),
            Input::Timer => self.timer(now, out),
            Input::AddressesRestored => {
                if self.state == State::Master {
                    let frames = self.bursts.address_restored(now, &self.config.garp);
                    announce(frames, out);
                }
            }
            Input::AnnouncementFailed => {
                if self.state == State::Master {
                    self.bursts.failed(now);
                }
            }
            Input::Reconfigure(config) => self.reconfigure(now, *config, out),
            Input::Stop => self.stop(out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let timer = if self.state == State::Master { Timer::Advert } else { Timer::MasterDown };
        let deadline = self.deadline.map(|at| (at, timer));
        let burst = self.bursts.next().map(|at| (at, Timer::Announce));
        [deadline, burst].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.config.name.clone(),
            state: self.state,
            priority: self.priority(),
            faults: self.faults.iter().cloned().collect(),
            master: self.master.map(|heard| heard.address),
            stats: self.stats.clone(),
        }
    }

    fn priority(&self) -> u8 {
        self.config.priority.number()
    }

    /// RFC 9568 §6.1: a higher priority waits less. Version 2 counts in parts of a second,
    /// version 3 in parts of the master's interval.
    fn skew(&self) -> Duration {
        let unit = match self.config.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.master_interval,
        };
        unit * (256 - u32::from(self.priority())) / 256
    }

    fn master_down(&self) -> Duration {
        self.master_interval * u32::from(self.config.down_timer_adverts) + self.skew()
    }

    // ---- conditions ----

    /// Works the faults out anew: whatever came before, the same conditions give the same state.
    fn evaluate(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(conditions) = &self.conditions else { return };
        let found = faults(&self.config, conditions);
        if let Some(source) = conditions.link.and_then(|link| link.source) {
            self.source = Some(source);
        }
        let changed = found != self.faults;
        self.faults = found;
        match (self.faults.is_empty(), self.state) {
            (true, State::Init) => self.start(now, Why::Start, out),
            (true, State::Fault) => self.start(now, Why::Recovered, out),
            (true, State::Backup | State::Master) => {}
            (false, State::Fault) if !changed => {}
            (false, _) => self.fault(out),
        }
    }

    /// RFC 9568 §6.4.1. Only the owner becomes master at once.
    fn start(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.master_interval = self.config.advert_interval.duration();
        self.master = None;
        if self.config.priority == Priority::OWNER {
            self.become_master(now, Why::Owner, out);
        } else {
            self.enter(State::Backup, why, out);
            out.push(Action::Hold(false));
            self.deadline = Some(now + self.master_down());
            self.preempt_at = None;
        }
    }

    fn fault(&mut self, out: &mut Vec<Action>) {
        let why = Why::Faults(self.faults.iter().cloned().collect());
        if self.state == State::Master {
            self.send_advert(0, out);
            self.stats.release_master += 1;
        }
        self.enter(State::Fault, why, out);
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = None;
        self.preempt_at = None;
    }

    // ---- timers ----

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline.is_some_and(|at| at <= now) {
            match self.state {
                State::Master => {
                    self.send_advert(self.priority(), out);
                    self.deadline = Some(self.following_advert(now));
                }
                State::Backup => {
                    let why = self.why_master_is_down();
                    self.become_master(now, why, out);
                }
                State::Init | State::Fault => self.deadline = None,
            }
        }
        let frames = self.bursts.due(now, &self.config.garp);
        announce(frames, out);
    }

    /// The next tick of a steady beat; after a pause the beat starts anew instead of catching up.
    fn following_advert(&self, now: Instant) -> Instant {
        let interval = self.config.advert_interval.duration();
        let next = self.deadline.unwrap_or(now) + interval;
        if next <= now { now + interval } else { next }
    }

    fn why_master_is_down(&self) -> Why {
        match self.master {
            Some(Heard { priority: 0, .. }) => Why::MasterStopped,
            Some(Heard { address, priority }) if priority < self.priority() => {
                Why::Preempted { master: address, priority }
            }
            master => Why::MasterSilent { master: master.map(|heard| heard.address) },
        }
    }

    /// Advert first: an old master drops the addresses before ours are announced.
    fn become_master(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.master_interval = self.config.advert_interval.duration();
        self.send_advert(self.priority(), out);
        self.enter(State::Master, why, out);
        self.stats.become_master += 1;
        out.push(Action::Hold(true));
        let frames = self.bursts.became_master(now, &self.config.garp);
        announce(frames, out);
        self.deadline = Some(now + self.config.advert_interval.duration());
        self.preempt_at = None;
        self.master = None;
        self.master_since = Some(now);
    }

    fn leave_master(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.enter(State::Backup, why, out);
        self.stats.release_master += 1;
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = Some(now + self.master_down());
        self.preempt_at = None;
    }

    // ---- packets ----

    fn packet(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Action>) {
        if !matches!(self.state, State::Backup | State::Master) {
            return;
        }
        match receive::check(&self.config, bytes) {
            Ok((source, advert)) => self.advert(now, source, &advert, out),
            Err(why) => self.rejected(now, bytes, why, out),
        }
    }

    fn rejected(&mut self, now: Instant, bytes: &[u8], why: Rejection, out: &mut Vec<Action>) {
        *match why {
            Rejection::TooShort { .. } | Rejection::Length { .. } => &mut self.stats.packet_len_err,
            Rejection::Ttl { .. } => &mut self.stats.ip_ttl_err,
            Rejection::Version { .. } => &mut self.stats.vers_err,
            Rejection::AuthenticationType { .. } => &mut self.stats.authtype_mismatch,
            Rejection::Authentication => &mut self.stats.auth_failure,
            Rejection::Interval { .. } => &mut self.stats.advert_interval_err,
            Rejection::Type { .. } => &mut self.stats.invalid_type_rcvd,
            Rejection::Checksum => &mut self.stats.chk_err,
            Rejection::Destination { .. } => &mut self.stats.addr_list_err,
        } += 1;
        let source = packet::Ipv4Packet::decode(bytes).map_or(Ipv4Addr::UNSPECIFIED, |ip| ip.source);
        if let Some(suppressed) = self.repeats.allow(now, Repeated::Rejected(source, why.kind())) {
            out.push(Action::Report(Event::Rejected { source, why, suppressed }));
        }
    }

    fn advert(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        self.stats.advert_rcvd += 1;
        if advert.priority == 0 {
            self.stats.pri_zero_rcvd += 1;
        }
        self.compare_addresses(now, source, advert, out);
        if self.state == State::Master {
            self.advert_in_master(now, source, advert, out);
        } else {
            self.advert_in_backup(now, source, advert, out);
        }
    }

    /// RFC 9568 §6.4.2, with `preempt_delay`.
    fn advert_in_backup(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        if advert.priority == 0 {
            self.deadline = Some(now + self.skew());
            self.master = Some(Heard { address: source, priority: 0 });
            return;
        }
        let lower = advert.priority < self.priority();
        let obey = match (lower, self.config.preempt) {
            (false, _) => {
                self.preempt_at = None;
                true
            }
            (true, Preempt::Never) => true,
            (true, Preempt::After { delay }) if delay.is_zero() => false,
            (true, Preempt::After { delay }) => *self.preempt_at.get_or_insert(now + delay) > now,
        };
        if self.master.is_none_or(|heard| heard.address != source) {
            let priority = advert.priority;
            out.push(Action::Report(Event::MasterChanged { to: source, priority }));
        }
        self.master = Some(Heard { address: source, priority: advert.priority });
        if obey {
            self.learn_interval(now, source, advert, out);
            self.deadline = Some(now + self.master_down());
        }
    }

    /// RFC 9568 §6.4.3: the higher priority stays, then the higher address.
    fn advert_in_master(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        if advert.priority == 0 {
            self.send_advert(self.priority(), out);
            self.deadline = Some(now + self.config.advert_interval.duration());
            return;
        }
        let ours = (self.priority(), self.source.unwrap_or(Ipv4Addr::UNSPECIFIED));
        match (advert.priority, source).cmp(&ours) {
            std::cmp::Ordering::Equal => {
                if let Some(suppressed) = self.repeats.allow(now, Repeated::OwnAddress) {
                    out.push(Action::Report(Event::OwnAddressHeard { source, suppressed }));
                }
            }
            std::cmp::Ordering::Greater => {
                if self.config.higher_prio_send_advert {
                    self.send_advert(self.priority(), out);
                }
                self.learn_interval(now, source, advert, out);
                self.master = Some(Heard { address: source, priority: advert.priority });
                let why = Why::Outranked { by: source, priority: advert.priority };
                self.leave_master(now, why, out);
            }
            std::cmp::Ordering::Less => self.competitor(now, source, advert, out),
        }
    }

    fn competitor(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        let (theirs, ours) = (advert.priority, self.priority());
        let interval = self.config.advert_interval.duration();
        let last_word = self.master_since.is_some_and(|since| now.duration_since(since) < interval);
        if !last_word && let Some(suppressed) = self.repeats.allow(now, Repeated::Competitor(source)) {
            out.push(Action::Report(Event::Competitor { source, theirs, ours, suppressed }));
        }
        if !self.config.lower_prio_no_advert {
            self.send_advert(ours, out);
            self.deadline = Some(now + interval);
        }
        let frames = self.bursts.competitor_heard(now, &self.config.garp);
        announce(frames, out);
    }

    /// RFC 9568 §6.4.2: version 3 takes the master's interval; version 2 demands equal ones.
    fn learn_interval(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        let Header::V3 { interval: theirs } = advert.header else { return };
        let ours = self.config.advert_interval.centiseconds();
        // An interval of zero would make every master down at once.
        self.master_interval = Duration::from_millis(u64::from(theirs.max(1)) * 10);
        if theirs != ours && self.repeats.allow(now, Repeated::Interval(source, theirs)).is_some() {
            out.push(Action::Report(Event::IntervalDiffers { source, theirs, ours }));
        }
    }

    /// keepalived: other addresses are told, and the advert is obeyed all the same.
    fn compare_addresses(&mut self, now: Instant, source: Ipv4Addr, advert: &Advert, out: &mut Vec<Action>) {
        let known = self.master.is_some_and(|heard| heard.address == source);
        if self.config.skip_check_adv_addr && known && self.state != State::Master {
            return;
        }
        let ours = advertised(&self.config);
        let same = ours.len() == advert.addresses.len()
            && ours.iter().all(|address| advert.addresses.contains(address));
        if same {
            return;
        }
        self.stats.addr_list_err += 1;
        if let Some(suppressed) = self.repeats.allow(now, Repeated::Addresses(source)) {
            let theirs = advert.addresses.clone();
            out.push(Action::Report(Event::AddressesDiffer { source, theirs, suppressed }));
        }
    }

    // ---- reload and stop ----

    /// A reload never elects: the state stays, and what changed takes effect at once.
    fn reconfigure(&mut self, now: Instant, config: Instance, out: &mut Vec<Action>) {
        let before = self.master_down();
        let old = std::mem::replace(&mut self.config, config);
        if old.advert_interval != self.config.advert_interval || old.version != self.config.version {
            self.master_interval = self.config.advert_interval.duration();
        }
        match self.state {
            State::Master => {
                self.send_advert(self.priority(), out);
                self.deadline = Some(now + self.config.advert_interval.duration());
                out.push(Action::Hold(true));
                if old.addresses != self.config.addresses
                    || old.excluded_addresses != self.config.excluded_addresses
                {
                    let frames = self.bursts.addresses_changed(now, &self.config.garp);
                    announce(frames, out);
                }
            }
            State::Backup if self.config.priority == Priority::OWNER => {
                self.become_master(now, Why::Owner, out);
            }
            State::Backup => {
                // The time waited so far still counts.
                let waited_until = self.deadline.unwrap_or(now + before);
                let after = self.master_down();
                self.deadline = Some(if after >= before {
                    waited_until + (after - before)
                } else {
                    waited_until.checked_sub(before - after).map_or(now, |at| at.max(now))
                });
            }
            State::Init | State::Fault => {}
        }
        if let Preempt::After { delay } = self.config.preempt {
            self.preempt_at = self.preempt_at.map(|at| at.min(now + delay));
        }
        self.evaluate(now, out);
    }

    fn stop(&mut self, out: &mut Vec<Action>) {
        if self.state == State::Master {
            self.send_advert(0, out);
            self.stats.pri_zero_sent += 1;
            self.stats.release_master += 1;
        }
        self.enter(State::Init, Why::Stop, out);
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = None;
        self.conditions = None;
    }

    fn enter(&mut self, to: State, why: Why, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.state, to);
        out.push(Action::Report(Event::Transition { from, to, why }));
    }

    // ---- sending ----

    fn send_advert(&mut self, priority: u8, out: &mut Vec<Action>) {
        let Some(source) = self.source else { return };
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.stats.advert_sent += 1;
        let advert = Advert {
            header: header(&self.config),
            vrid: self.config.vrid.number(),
            priority,
            addresses: advertised(&self.config),
        };
        let ttl = self.config.unicast().map_or(255, |unicast| unicast.ttl);
        let peers = self.config.peers().iter().map(|peer| peer.address);
        let destinations = self.config.group().into_iter().chain(peers).filter_map(only_v4);
        for destination in destinations {
            let payload = advert.encode(source, destination);
            let packet = packet::ipv4_packet(source, destination, self.packet_id, ttl, &payload);
            out.push(Action::Transmit { destination, packet });
        }
    }
}

fn announce(frames: u32, out: &mut Vec<Action>) {
    if frames > 0 {
        out.push(Action::Announce { frames });
    }
}

/// The addresses that adverts name; at most 255 fit the count field.
fn advertised(config: &Instance) -> Vec<Ipv4Addr> {
    config.addresses.iter().filter_map(|address| only_v4(address.address)).take(255).collect()
}

fn header(config: &Instance) -> Header {
    let interval = config.advert_interval.centiseconds();
    match config.version {
        Version::V2 => {
            let (auth_type, auth_data) = match config.authentication {
                Authentication::None | Authentication::Hmac(_) => (0, [0; 8]),
                Authentication::Pass(password) => (1, password),
                Authentication::Ah(_) => (2, [0; 8]),
            };
            let interval = u8::try_from(interval / 100).unwrap_or(u8::MAX);
            Header::V2 { auth_type, interval, auth_data }
        }
        Version::V3 => Header::V3 { interval },
    }
}

#[cfg(test)]
mod tests;
