//! The state machine of one virtual router (RFC 9568 §6.4, RFC 3768 §6.4), with keepalived's FAULT state.
//!
//! Input: received packets, timers, the condition of the interface, a new configuration, the wish to stop.
//! Output: [`Action`]s in the order in which they must happen: an advert leaves before the addresses are
//! set and announced, so that an old master drops them first. Invariants: addresses are held exactly while
//! the state is MASTER; only a fully valid advert changes state or timers; a master always has an advert due, but for
//! one that hands over.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::model::{Authentication, Instance, Preempt, Priority, Version, VirtualAddress};
use crate::net::object::Mac;
use crate::report::Repeats;
use crate::track::{Conditions, Contribution, Fault, Others, faults, weigh};

mod action;
mod handover;
mod hearing;
mod resume;
mod rivals;
mod sending;
mod times;
mod view;

pub use action::{Action, Input, Timer};
pub use times::Times;
pub use view::{Snapshot, Stats};

use handover::{HoldsBack, Towards};
use rivals::Rivals;

pub use handover::Back;
pub use resume::{Left, Resume};
pub use rivals::Rival;

use super::announce::Bursts;
use super::event::{Event, State, Why};
use super::limits::Answers;
use super::packet;

/// What log lines are repeated by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Repeated {
    Addresses(IpAddr),
    Claimed(Option<Mac>),
    Competitor(IpAddr),
    Interval(IpAddr),
    Master(IpAddr),
    NotAdvertised,
    OwnAddress,
    Rejected(IpAddr, &'static str),
    Source,
}

/// The state machine of one `vrrp_instance`.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Instance,
    state: State,
    since: Option<Instant>,
    why: Option<Why>,
    /// What the instance was told last; `None`: not started.
    conditions: Option<Conditions>,
    faults: BTreeSet<Fault>,
    /// The priority that counts, and what moves it.
    priority: u8,
    contributions: Vec<Contribution>,
    source: Option<IpAddr>,
    /// How many addresses a packet of the interface can name.
    most_addresses: usize,
    /// Version 3: the interval of the master heard; our own counts until one is.
    learned: Option<Duration>,
    /// In a sync group: it would be master, were it alone.
    ready: bool,
    /// Advert due (MASTER) or master down (BACKUP); of a master that hands over, when it ends.
    deadline: Option<Instant>,
    /// A master that goes.
    hands_over: Option<Towards>,
    /// A predecessor led: it leads as soon as it may.
    resumes: Option<Resume>,
    /// The priority of that one, while what moves ours is not known.
    carried: Option<u8>,
    /// `directord failover`: a master of lower priority is obeyed.
    holds_back: Option<HoldsBack>,
    /// `preempt_delay` runs out.
    preempt_at: Option<Instant>,
    bursts: Bursts,
    master: Option<Heard>,
    /// When this became master; the one that it replaced says one last word within an interval.
    master_since: Option<Instant>,
    /// The master that was heard last before this one became it.
    heard_before: Option<Heard>,
    /// Its silence was the reason. When it is heard again there may have been two.
    fell_silent: bool,
    /// When a master of lower priority was told of last.
    lower_told: Option<Instant>,
    /// Another master, while there is one.
    rivals: Option<Box<Rivals>>,
    packet_id: u16,
    /// `auth_type AH`: the highest sequence number that was sent or heard.
    sequence: u32,
    /// Who sent it; `None`: this machine.
    sequence_of: Option<IpAddr>,
    /// Version 3 over unicast: a peer sums as keepalived up to 1.3.6 did.
    old_checksum: bool,
    answers: Answers,
    repeats: Repeats<Repeated>,
    stats: Stats,
}

/// The master last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    address: IpAddr,
    priority: u8,
    /// The number of its advert, over IPv4.
    id: Option<u16>,
    at: Instant,
}

impl Machine {
    /// A machine that waits for the first [`Input::Conditions`].
    pub fn new(config: Instance) -> Self {
        Self {
            priority: config.priority.number(),
            contributions: Vec::new(),
            config,
            state: State::Init,
            since: None,
            why: None,
            conditions: None,
            faults: BTreeSet::new(),
            source: None,
            most_addresses: usize::from(u8::MAX),
            learned: None,
            ready: false,
            deadline: None,
            hands_over: None,
            resumes: None,
            carried: None,
            holds_back: None,
            preempt_at: None,
            bursts: Bursts::default(),
            master: None,
            master_since: None,
            heard_before: None,
            fell_silent: false,
            lower_told: None,
            rivals: None,
            packet_id: 0,
            sequence: 0,
            sequence_of: None,
            old_checksum: false,
            answers: Answers::default(),
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

    /// In a sync group: whether it would be master, were it alone.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        if matches!(input, Input::Claimed(_) | Input::Packet(_) | Input::Timer) {
            self.step_down_when_late(now, out);
        }
        match input {
            Input::Conditions(conditions) => {
                self.conditions = Some(conditions);
                self.evaluate(now, out);
            }
            Input::Packet(received) => self.packet(now, &received, out),
            Input::Claimed(conflict) => self.claimed(now, conflict, out),
            Input::Timer => self.timer(now, out),
            Input::AddressesRestored => {
                if self.leads() {
                    let frames = self.bursts.address_restored(now, &self.config.garp);
                    announce(frames, out);
                }
            }
            Input::Announce => {
                if self.leads() {
                    announce(self.bursts.asked_for(now), out);
                }
            }
            Input::AnnouncementFailed => {
                if self.leads() {
                    self.bursts.failed(now);
                }
            }
            Input::Lead => {
                if self.state == State::Backup {
                    let why = self.why_master_is_down();
                    self.become_master(now, why, out);
                }
            }
            Input::Yield => {
                if self.resumes.is_some() {
                    self.give_up_resuming(now, out);
                } else if self.leads() {
                    let contested = self.is_last_word(now);
                    self.leave_master(now, Why::GroupFollows, out);
                    if contested {
                        self.deadline = self.deadline.map(|at| at + self.turn());
                    }
                } else {
                    self.follow(now);
                }
            }
            Input::HandOver(back) => {
                if self.leads() {
                    self.hand_over(now, Towards::Backup(back), out);
                }
            }
            Input::Reconfigure(config, conditions) => self.reconfigure(now, *config, conditions, out),
            Input::Remove => self.stop(now, Why::NoLongerConfigured, out),
            Input::Leave => {
                if self.leads() {
                    self.send_advert(self.priority(), out);
                }
            }
            Input::Stop if self.leads() => self.hand_over(now, Towards::End, out),
            Input::Stop if self.hands_over.is_some_and(|towards| towards != Towards::End) => {
                self.hands_over = Some(Towards::End);
            }
            Input::Stop => self.stop(now, Why::Stop, out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let timer = match self.state {
            _ if self.hands_over.is_some() => Timer::HandOver,
            State::Master => Timer::Advert,
            State::Init | State::Backup | State::Fault => Timer::MasterDown,
        };
        let deadline = self.deadline.map(|at| (at, timer));
        let burst = self.bursts.next().map(|at| (at, Timer::Announce));
        let rivals = self.next_of_rivals().map(|at| (at, Timer::Announce));
        [deadline, burst, rivals].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The priority that goes into the adverts.
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// RFC 9568 §6.1: a higher priority waits less. Version 2 counts in parts of a second,
    /// version 3 in parts of the master's interval.
    fn skew(&self) -> Duration {
        let unit = match self.config.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.master_interval(),
        };
        unit * (256 - u32::from(self.priority())) / 256
    }

    /// RFC 9568 §6.1: that of the master, once it is known.
    fn master_interval(&self) -> Duration {
        self.learned.unwrap_or_else(|| self.config.advert_interval.duration())
    }

    /// Where each member of a group would have another node lead, nodes that began together leave together, and would come and
    /// go for ever: each one waits for another part of an interval, and another one each time.
    fn turn(&self) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.source, self.stats.become_master).hash(&mut hasher);
        let [part, ..] = hasher.finish().to_le_bytes();
        self.config.advert_interval.duration() * u32::from(part) / 256
    }

    fn master_down(&self) -> Duration {
        self.master_interval() * u32::from(self.config.down_timer_adverts) + self.skew()
    }

    // ---- conditions ----

    /// What holds it in FAULT.
    pub fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    /// Works the faults out anew: whatever came before, the same conditions give the same state.
    fn evaluate(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.weigh(out);
        let Some(conditions) = &self.conditions else { return };
        let mut found = faults(&self.config, conditions);
        if self.resumes.is_some() || matches!(self.state, State::Backup | State::Master) {
            // Whoever takes part goes on with what a reload or restart brought until that has told something.
            found.retain(|fault| !fault.is_pending());
        }
        if let Some(link) = conditions.link {
            self.source = link.source.or(self.source);
            if let (Some(source), false) = (link.source, link.source_is_here)
                && self.repeats.allow(now, Repeated::Source).is_some()
            {
                out.push(Action::Report(Event::SourceNotHere { source }));
            }
            if link.mtu > 0 {
                let ah = matches!(self.config.authentication, Authentication::Ah(_));
                self.most_addresses =
                    packet::most_addresses(link.mtu, self.config.version, self.config.family, ah);
                self.compare_with_mtu(now, link.mtu, out);
            }
        }
        let changed = found != self.faults;
        self.faults = found;
        let waits = self.faults.iter().all(Fault::is_pending);
        if self.hands_over.is_some() {
            return self.reconsider(now, out);
        }
        match (self.faults.is_empty(), self.state) {
            (true, State::Init) if self.resumes.is_some() => self.lead_on(now, out),
            (true, State::Init) => self.start(now, Why::Start, out),
            // As in keepalived nothing is entered, and nobody told, before each script has said something once.
            (false, State::Init) if waits => {}
            (true, State::Fault) => self.start(now, Why::Recovered, out),
            (true, State::Backup | State::Master) => {}
            (false, State::Fault) if !changed => {}
            (false, State::Master) if self.is_kept_from_leading() => {
                self.hand_over(now, Towards::Maintenance, out);
            }
            (false, _) => self.fault(now, out),
        }
    }

    /// Works the priority out anew.
    fn weigh(&mut self, out: &mut Vec<Action>) {
        let Some(conditions) = self.conditions.take() else { return };
        let mut weighed = weigh(&self.config, &conditions);
        if self.carried.is_some() {
            weighed.effective = self.carried(&conditions).unwrap_or(weighed.effective);
        }
        self.conditions = Some(conditions);
        self.contributions.clone_from(&weighed.contributions);
        let from = std::mem::replace(&mut self.priority, weighed.effective);
        if from != self.priority {
            out.push(Action::Report(Event::Priority { from, state: self.state, to: weighed }));
        }
    }

    /// As keepalived does, what does not fit is held and not advertised.
    fn compare_with_mtu(&mut self, now: Instant, mtu: u32, out: &mut Vec<Action>) {
        let (named, all) = (self.advertised().len(), self.config.addresses.len());
        if named < all && self.repeats.allow(now, Repeated::NotAdvertised).is_some() {
            out.push(Action::Report(Event::NotAdvertised { named, all, mtu }));
        }
    }

    /// RFC 9568 §6.4.1. Only the owner becomes master at once; in a sync group, only when it consists of owners.
    fn start(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.learned = None;
        self.master = None;
        let owner = self.config.priority == Priority::OWNER;
        if owner && self.group().is_none_or(|others| others.owners) {
            return self.become_master(now, Why::Owner, out);
        }
        self.enter(now, State::Backup, why, out);
        out.push(Action::Hold(false));
        self.deadline = Some(now + self.master_down());
        self.preempt_at = None;
        self.ready = owner;
        if owner {
            out.push(Action::Ready);
        }
    }

    /// What it sees of its sync group.
    fn group(&self) -> Option<&Others> {
        self.conditions.as_ref()?.group.as_ref()
    }

    /// In a sync group nobody leads alone.
    fn lead(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        if self.group().is_none() {
            return self.become_master(now, why, out);
        }
        self.ready = true;
        self.deadline = Some(now + self.master_down());
        out.push(Action::Ready);
    }

    fn fault(&mut self, now: Instant, out: &mut Vec<Action>) {
        let why = Why::Faults(self.faults.iter().cloned().collect());
        if self.counts_as_master(now) {
            self.send_advert(0, out);
        }
        self.stats.release_master += u64::from(self.state == State::Master);
        self.hands_over = None;
        (self.resumes, self.carried) = (None, None);
        self.rivals = None;
        self.enter(now, State::Fault, why, out);
        self.ready = false;
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = None;
        self.preempt_at = None;
    }

    // ---- timers ----

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline.is_some_and(|at| at <= now) {
            match self.state {
                State::Master if self.hands_over.is_some() => self.handed_over(now, out),
                State::Master => {
                    self.advertise(now, out);
                    self.deadline = Some(self.following_advert(now));
                }
                State::Backup => {
                    let why = self.why_master_is_down();
                    self.lead(now, why, out);
                }
                State::Init if self.resumes.is_some() => self.give_up_resuming(now, out),
                State::Init | State::Fault => self.deadline = None,
            }
        }
        let frames = self.bursts.due(now, &self.config.garp);
        announce(frames, out);
        self.rivals_timer(now, out);
        if self.bursts.extra_due(now, self.config.garp_extra_interval()) {
            out.push(Action::AnnounceElsewhere);
        }
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
            Some(Heard { address, priority, .. }) if priority < self.priority() => {
                Why::Preempted { master: address, priority }
            }
            master => Why::MasterSilent { master: master.map(|heard| heard.address) },
        }
    }

    /// Advert first: an old master drops the addresses before ours are announced.
    fn become_master(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.fell_silent = matches!(why, Why::MasterSilent { .. });
        self.heard_before = self.master;
        self.learned = None;
        self.send_advert(self.priority(), out);
        self.enter(now, State::Master, why, out);
        self.holds_back = None;
        self.stats.become_master += 1;
        out.push(Action::Hold(true));
        let frames = self.bursts.became_master(now, &self.config.garp);
        announce(frames, out);
        self.bursts.keep_known(now, self.config.garp_extra_interval());
        self.deadline = Some(now + self.config.advert_interval.duration());
        self.preempt_at = None;
        self.master = None;
        self.master_since = Some(now);
        self.ready = false;
    }

    fn leave_master(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        self.rivals = None;
        self.enter(now, State::Backup, why, out);
        self.ready = false;
        self.stats.release_master += 1;
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = Some(now + self.master_down());
        self.preempt_at = None;
    }

    /// `timer_expired_backup`: after a pause in which another one may have taken over, a master that preempts nobody
    /// follows, before it says anything.
    fn step_down_when_late(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(other) = self.config.timer_expired_backup else { return };
        let Some(due) = self.deadline.filter(|_| self.leads()) else { return };
        if self.config.preempt != Preempt::Never || self.config.priority == Priority::OWNER {
            return;
        }
        let interval = self.config.advert_interval.duration();
        let since_last = now.saturating_duration_since(due) + interval;
        let unit = match self.config.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => interval,
        };
        let skew = unit * (256 - u32::from(other)) / 256;
        if since_last > interval * u32::from(Instance::DOWN_TIMER_ADVERTS) + skew {
            self.leave_master(now, Why::Late { silent: since_last }, out);
        }
    }

    // ---- reload and stop ----

    /// A reload never elects: the state stays, and what changed takes effect at once.
    fn reconfigure(
        &mut self,
        now: Instant,
        config: Instance,
        conditions: Option<Conditions>,
        out: &mut Vec<Action>,
    ) {
        let before = self.master_down();
        self.conditions = conditions;
        let old = std::mem::replace(&mut self.config, config);
        if old.version != self.config.version {
            self.learned = None;
        }
        self.old_checksum &= old.transport == self.config.transport;
        self.weigh(out);
        match self.state {
            // It goes.
            State::Master if self.hands_over.is_some() => {}
            State::Master => {
                self.send_advert(self.priority(), out);
                self.deadline = Some(now + self.config.advert_interval.duration());
                out.push(Action::Hold(true));
                if old.garp_extra != self.config.garp_extra {
                    self.bursts.keep_known(now, self.config.garp_extra_interval());
                }
                if brings_addresses(&old, &self.config) {
                    let frames = self.bursts.addresses_changed(now, &self.config.garp);
                    announce(frames, out);
                }
            }
            State::Backup if self.config.priority == Priority::OWNER && self.holds_back.is_none() => {
                self.lead(now, Why::Owner, out);
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

    fn stop(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        if self.counts_as_master(now) {
            self.send_advert(0, out);
        }
        self.stats.release_master += u64::from(self.state == State::Master);
        self.hands_over = None;
        (self.resumes, self.carried) = (None, None);
        self.rivals = None;
        self.enter(now, State::Init, why, out);
        out.push(Action::Hold(false));
        self.bursts.stop();
        self.deadline = None;
        self.ready = false;
        self.conditions = None;
    }

    fn enter(&mut self, now: Instant, to: State, why: Why, out: &mut Vec<Action>) {
        let from = std::mem::replace(&mut self.state, to);
        // Another cause of the same state.
        if from != to {
            self.since = Some(now);
        }
        self.why = Some(why.clone());
        out.push(Action::Report(Event::Transition { from, to, why, priority: self.priority() }));
    }
}

/// Whether there are addresses after a reload that were not there before, or not so.
fn brings_addresses(old: &Instance, new: &Instance) -> bool {
    let mut known: BTreeMap<IpAddr, Vec<&VirtualAddress>> = BTreeMap::new();
    for address in old.all_addresses() {
        known.entry(address.address).or_default().push(address);
    }
    new.all_addresses()
        .any(|address| !known.get(&address.address).is_some_and(|known| known.contains(&address)))
}

fn announce(frames: u32, out: &mut Vec<Action>) {
    if frames > 0 {
        out.push(Action::Announce { frames });
    }
}

#[cfg(test)]
use sending::header;
#[cfg(test)]
mod tests;
