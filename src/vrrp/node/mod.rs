//! All virtual routers of this node: which packet is for whom, what each one sees of the kernel, and the objects that
//! they hold together.
//!
//! Inputs: packets, changes of the kernel and its answers, sockets that opened, failed or closed, timers, the
//! configuration of a start or reload, the wish to stop. Output: [`Action`]s in the order in which they must happen.
//! Invariants: no object is touched that nothing here wants and no record names; an instance whose objects the kernel
//! does not set, or whose sockets are not open, is in FAULT; an instance that is equal in two configurations does not
//! notice the reload; nobody starts before what a killed process left is gone.

mod action;
mod buffers;
mod claim;
mod conditions;
mod configure;
mod firewall;
mod groups;
mod holdings;
mod identity;
mod links;
mod needs;
mod pacing;
mod restart;
mod rivals;
mod sockets;
mod tuning;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::{Filter, Pacing, ReceiveBuffers, Statics};
use crate::net::firewall::Firewall;
use crate::net::kernel::Kernel;
use crate::net::object::Key;
use crate::net::objects::Objects;
use crate::report::Repeats;
use crate::track::{Conditions, Facts, Fault};

use super::event::Event;
use super::instance::{self, Back, Machine, Resume};
use super::packet::Received;

pub use action::{Action, Input, Refusal, Report, Timer};
pub use claim::{Claim, new_claims, removals};
use groups::{Group, Wish};
use identity::Identity;
use links::Carriers;
use needs::Needs;
pub use needs::Setup;
use pacing::Waiting;
pub use rivals::Watched;
pub use sockets::Endpoint;
use sockets::Sockets;
use tuning::Tuning;

/// Tells the instances of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Id(u32);

impl Id {
    /// Stands for what belongs to no instance and is there as long as the daemon runs.
    const STATIC: Self = Self(0);
}

/// A view of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Every instance. Whoever shows them need not copy them.
    pub instances: Arc<Vec<instance::Snapshot>>,
    /// What this process may have set: for the record that a later one reads.
    pub claims: Arc<BTreeSet<Claim>>,
    /// How late a timer was served, at most.
    pub latest: Duration,
}

#[derive(Debug, Clone)]
struct Running {
    machine: Machine,
    held: bool,
    /// Traffic of all its addresses is dropped, where that is asked for.
    covered: bool,
    /// What the machine was told last; `None`: nothing yet.
    told: Option<Conditions>,
    /// What it suffers itself, for the others of its group; `None`: it has not been looked at yet.
    own_faults: Option<BTreeSet<Fault>>,
    endpoint: Option<Endpoint>,
    /// Its objects on the interfaces that exist.
    objects: Needs,
    /// What its timer says.
    due: Option<Due>,
    /// Frames for each address that are to be sent once the addresses are there.
    announce: u32,
}

/// When an instance is due. Of two at one time, whose timer was set first comes first.
type Due = (Instant, u64);

/// All virtual routers of this node.
#[derive(Debug, Clone, Default)]
pub struct Node {
    phase: Phase,
    /// It was told to stop.
    stops: bool,
    kernel: Kernel,
    objects: Objects,
    sockets: Sockets,
    /// Boxed: a map has room for more than are in it.
    instances: BTreeMap<Id, Box<Running>>,
    identities: BTreeMap<Identity, Id>,
    /// By name.
    groups: BTreeMap<String, Group>,
    group_of: BTreeMap<Id, String>,
    /// Groups of which a member entered another state.
    regroup: BTreeSet<String>,
    last_id: u32,
    statics: Statics,
    facts: Facts,
    /// Static objects on the interfaces that exist.
    kept: Needs,
    /// Who has this object in its configuration.
    holders: BTreeMap<Key, BTreeSet<Id>>,
    /// Who needs the interface of this name.
    interfaces: BTreeMap<String, BTreeSet<Id>>,
    /// Who sends from this address, as configured.
    sources: BTreeMap<IpAddr, BTreeSet<Id>>,
    /// Who has this virtual router id.
    vrids: BTreeMap<u8, BTreeSet<Id>>,
    due: BTreeSet<(Due, Id)>,
    /// How many timers were set.
    timers_set: u64,
    /// Instances whose conditions are to be worked out anew.
    touched: BTreeSet<Id>,
    /// Instances that want to announce.
    announcing: BTreeSet<Id>,
    /// What an earlier process may have left, until the first tables are read.
    record: BTreeSet<Claim>,
    claims: Arc<BTreeSet<Claim>>,
    tuning: Tuning,
    /// The tables are being read, and must be once more: something was lost meanwhile.
    read_once_more: bool,
    /// When the tables are read again.
    read_at: Option<Instant>,
    /// What counts of interfaces whose changes must last.
    carriers: Carriers,
    buffers: ReceiveBuffers,
    /// How large buffers were said to be.
    sized: BTreeMap<Endpoint, u32>,
    /// Names of the instances that suffer when a static object of the group is not there.
    track_groups: BTreeMap<String, BTreeSet<String>>,
    /// The static objects of each; `None`: the interface of one does not exist.
    group_objects: BTreeMap<String, Vec<Option<Key>>>,
    packet_filter: Filter,
    firewall: Firewall,
    /// Addresses of which traffic is to be dropped.
    dropped: BTreeSet<Key>,
    /// They may be others by now.
    refilter: bool,
    pacing: Pacing,
    /// Announcements that keep their distance.
    waiting: Waiting,
    /// Where it is listened for claims of other hosts.
    watched: BTreeMap<u32, Watched>,
    /// Whom they concern.
    defended: BTreeMap<(u32, IpAddr), Id>,
    /// That may be something else by now.
    rewatch: bool,
    watched_at: Option<Instant>,
    /// Until then no instance starts.
    starts_at: Option<Instant>,
    /// What a predecessor has left, for the first configuration.
    resumes: BTreeMap<String, Resume>,
    /// Who is about to lead because a predecessor did: what it left for them is not touched.
    resuming: BTreeSet<Id>,
    /// Who has ended: told in the order of the configuration, once nobody leads any more.
    farewells: BTreeMap<Id, Report>,
    restored: Repeats<Key>,
    refiltered: Repeats<()>,
    unsent: Repeats<(Id, i32)>,
    log_unknown: bool,
    unknown: Repeats<(u8, IpAddr)>,
    latest: Duration,
    transitions: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing is known of the kernel yet.
    #[default]
    Blind,
    /// What a killed process left is being removed.
    Clearing,
    /// The instances run.
    Running,
    /// Those that lead hand over, the others have ended.
    HandingOver,
    /// They have ended; what they held is being removed.
    Stopping,
}

impl Node {
    /// A node that knows from `record` what an earlier process may have set. The first input is [`Input::Configure`].
    pub fn new(record: BTreeSet<Claim>) -> Self {
        let tuning = Tuning::new(record.iter().filter_map(Claim::held).collect());
        Self { record, tuning, ..Self::default() }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        let from = out.len();
        // What comes over the wire changes no address by itself.
        let structural =
            !matches!(input, Input::Heard { .. } | Input::Claimed { .. } | Input::Announce(_) | Input::Timer);
        self.refilter |= structural;
        match input {
            Input::Heard { endpoint, packet } => {
                if !self.heard(now, &endpoint, packet, out) {
                    return;
                }
            }
            Input::Claimed { index, conflict } => self.claimed(now, index, conflict, out),
            Input::Closed { endpoint, why } | Input::Refused(Refusal::Open { endpoint, why }) => {
                self.sockets.failed(now, &endpoint, why);
                self.touched.extend(self.sockets.users(&endpoint));
            }
            Input::Opened(endpoint) => {
                self.sockets.opened(&endpoint);
                self.touched.extend(self.sockets.users(&endpoint));
            }
            Input::Refused(Refusal::Transmit { id, destination, errno }) => {
                self.not_sent(now, id, destination, errno, out);
            }
            Input::Refused(Refusal::Announce { id, count, errno }) => {
                self.not_announced(now, id, count, errno, out);
            }
            Input::Kernel(changes) => self.kernel_changed(now, changes, out),
            Input::Lost => self.read(out),
            Input::Read(reading) => self.reading(now, reading, out),
            Input::Changed(answers) => self.changed(now, answers, out),
            Input::Tuned { held, refused } => self.tuned(held, refused, out),
            Input::Filtered(batch, errno) => self.filtered(now, batch, errno, out),
            Input::Configure(setup) => self.configure(now, *setup, out),
            Input::Tracked(facts) => self.facts_changed(facts),
            Input::Announce(name) => {
                let mut all = self.instances.iter();
                let found = all.find(|(_, running)| running.machine.config().name == name);
                if let Some(id) = found.map(|(id, _)| *id) {
                    self.feed(now, id, instance::Input::Announce, out);
                }
            }
            Input::Timer => self.timer(now, out),
            Input::HandOver { of, back } => self.hand_over(now, &of, back, out),
            Input::Leave => self.leave(now, out),
            Input::Stop => self.stop(now, out),
        }
        if structural && self.phase != Phase::Blind {
            self.compare_carriers(now);
        }
        self.finish(now, from, out);
        if structural && self.phase != Phase::Blind {
            self.size_buffers(out);
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let instance = self.due.first().and_then(|((at, _), id)| {
            let (_, timer) = self.instances.get(id)?.machine.next_timer()?;
            Some((*at, Timer::Instance(timer)))
        });
        let others = [
            self.sockets.next().map(|at| (at, Timer::Open)),
            self.objects.next().map(|at| (at, Timer::Refused)),
            self.read_at.map(|at| (at, Timer::Read)),
            self.waiting.next().map(|at| (at, Timer::Announce)),
            self.firewall.next().map(|at| (at, Timer::Filter)),
            self.carriers.next().map(|at| (at, Timer::Carrier)),
            self.starts_at.map(|at| (at, Timer::Start)),
            self.next_watch().map(|at| (at, Timer::Watch)),
        ];
        instance.into_iter().chain(others.into_iter().flatten()).min_by_key(|(at, _)| *at)
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        let view = |id: &Id| {
            let view = self.instances.get(id)?.machine.snapshot();
            Some(instance::Snapshot { missing: self.missing(*id), ..view })
        };
        let instances = Arc::new(self.identities.values().filter_map(view).collect());
        Snapshot { instances, claims: Arc::clone(&self.claims), latest: self.latest }
    }

    /// The machines of the instances.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.identities.values().filter_map(|id| Some(&self.instances.get(id)?.machine))
    }

    /// Whether an instance counts its master, or its successor, as gone with the next timer: unless it is heard before.
    pub fn ends_a_master(&self, now: Instant) -> bool {
        let mut due = self.due.iter().take_while(|((at, _), _)| *at <= now);
        due.any(|(_, id)| {
            let timer = self.instances.get(id).and_then(|running| running.machine.next_timer());
            let kind = timer.map(|(_, kind)| kind);
            matches!(kind, Some(instance::Timer::MasterDown | instance::Timer::HandOver))
        })
    }

    /// The counters of all instances begin anew.
    pub fn clear_statistics(&mut self) {
        self.instances.values_mut().for_each(|running| running.machine.clear_statistics());
    }

    /// How many states were entered so far: when it differs, there is news.
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// Whether it stops and an instance still waits for its successor.
    pub fn hands_over(&self) -> bool {
        self.phase == Phase::HandingOver
    }

    /// Whether everything that was asked of the kernel is answered.
    pub fn is_quiet(&self) -> bool {
        self.phase != Phase::HandingOver
            && self.kernel.is_current()
            && !self.objects.is_busy()
            && !self.firewall.is_busy()
            && !self.tuning.is_busy()
    }

    /// What this node has set, or may have.
    pub fn claims(&self) -> &Arc<BTreeSet<Claim>> {
        &self.claims
    }

    /// What `setup` may set without touching what is the host's.
    pub fn claims_of(&self, setup: &Setup) -> BTreeSet<Claim> {
        new_claims(setup, &self.claims, &self.kernel)
    }

    // ---- packets and timers ----

    /// False: nothing came of it but counters and another timer, as of most adverts that a backup hears.
    fn heard(&mut self, now: Instant, endpoint: &Endpoint, packet: Received, out: &mut Vec<Action>) -> bool {
        let Some(vrid) = packet.vrid() else { return false };
        let config = |id: &Id| self.instances.get(id).map(|running| running.machine.config());
        // Unicast instances of one address and VRID are told apart by their peers.
        let peer = |id: &&Id| {
            config(id).is_some_and(|config| config.peers().iter().any(|peer| peer.address == packet.source))
        };
        let users = || {
            let alike = self.vrids.get(&vrid).into_iter().flatten();
            alike.filter(|id| self.sockets.is_user(endpoint, **id))
        };
        // Sockets with and without an interface hear the same: it is for the one whose peer sent it, whoever heard it.
        let is_anothers = || {
            let mut others = self.vrids.get(&vrid).into_iter().flatten().filter(|id| {
                let own = self.instances.get(id).and_then(|running| running.endpoint.as_ref());
                own.is_some_and(|own| own != endpoint && own.local == endpoint.local && own.ah == endpoint.ah)
            });
            others.any(|id| peer(&id))
        };
        // A stranger's is for an instance that is alone; among several it is nobody's.
        let alone = || users().next().filter(|_| users().nth(1).is_none() && !is_anothers());
        // Mostly one has this id, and there is nothing to choose.
        let alike = self.vrids.get(&vrid);
        let chosen = match alike.filter(|alike| alike.len() == 1).and_then(BTreeSet::first) {
            Some(only) => self.sockets.is_user(endpoint, *only).then_some(*only),
            None => users().find(peer).or_else(alone).copied(),
        };
        if let Some(id) = chosen {
            return self.feed(now, id, instance::Input::Packet(packet), out);
        }
        if self.log_unknown && !self.vrids.contains_key(&vrid) {
            let source = packet.source;
            if let Some(suppressed) = self.unknown.allow(now, (vrid, source)) {
                let at = endpoint.to_string();
                self.report(None, Event::UnknownRouter { vrid, source, at, suppressed }, out);
                return true;
            }
        }
        false
    }

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due: Vec<_> = self.due.iter().take_while(|((at, _), _)| *at <= now).copied().collect();
        for ((at, _), id) in due {
            self.latest = self.latest.max(now.saturating_duration_since(at));
            self.feed(now, id, instance::Input::Timer, out);
        }
        self.sockets.timer(now);
        let carriers = self.carriers.due(now);
        self.touch_interfaces(carriers);
        self.retry(now);
        if self.starts_at.take_if(|at| *at <= now).is_some() {
            self.report(None, Event::StartDelayOver, out);
        }
        if self.read_at.take_if(|at| *at <= now).is_some() {
            self.read(out);
        }
    }

    /// Whoever leads gives way to another node, if there is one.
    fn hand_over(&mut self, now: Instant, of: &[String], back: Back, out: &mut Vec<Action>) {
        let named = self.instances.iter().filter(|(_, running)| of.contains(&running.machine.config().name));
        let meant: BTreeSet<Id> = named.map(|(id, _)| *id).collect();
        let companions = meant.iter().flat_map(|id| self.companions(*id)).collect::<Vec<Id>>();
        for id in meant.into_iter().chain(companions).collect::<BTreeSet<Id>>() {
            self.feed(now, id, instance::Input::HandOver(back), out);
        }
    }

    /// Feeds one instance and takes in what it wants; false: nothing, and it is what it was.
    fn feed(&mut self, now: Instant, id: Id, input: instance::Input, out: &mut Vec<Action>) -> bool {
        let before = self.before(id);
        let Some(running) = self.instances.get_mut(&id) else { return false };
        let mut actions = Vec::new();
        running.machine.handle(now, input, &mut actions);
        let next = running.machine.next_timer().map(|(at, _)| at);
        if running.due.map(|(at, _)| at) != next {
            self.timers_set += 1;
            let due = next.map(|at| (at, self.timers_set));
            if let Some(old) = std::mem::replace(&mut running.due, due) {
                self.due.remove(&(old, id));
            }
            self.due.extend(due.map(|due| (due, id)));
        }
        let gave_up = !running.machine.is_resuming() && self.resuming.remove(&id);
        if running.machine.goes() {
            // Neighbours are to believe the successor.
            self.waiting.forget(id);
        }
        let is_the_same = !gave_up && before.as_ref().is_none_or(|before| before.is(&running.machine));
        if is_the_same && actions.is_empty() {
            return false;
        }
        let mut held = false;
        let mut resumed = false;
        let mut elsewhere = false;
        let mut defended = Vec::new();
        let mut wish = None;
        for action in actions {
            match action {
                instance::Action::Transmit(packet) => {
                    let endpoint = running.endpoint.clone();
                    out.extend(endpoint.map(|endpoint| Action::Transmit { id, endpoint, packet }));
                }
                instance::Action::Hold(hold) => {
                    running.held = hold;
                    running.covered = false;
                    if !hold {
                        running.announce = 0;
                        self.waiting.forget(id);
                    }
                    held = true;
                }
                instance::Action::Announce { frames } => {
                    running.announce = running.announce.max(frames);
                    self.announcing.insert(id);
                }
                instance::Action::AnnounceElsewhere => elsewhere = true,
                instance::Action::Defend(address) => defended.push(address),
                instance::Action::Ready => wish = Some(Wish::Lead),
                instance::Action::Follows => wish = Some(Wish::Follow),
                instance::Action::Report(event) => {
                    resumed |= matches!(event, Event::Resumed { .. });
                    self.transitions += u64::from(event.is_news());
                    let instance = Some(running.machine.config().name.clone());
                    let report = Report { instance, event };
                    match self.phase {
                        Phase::HandingOver if report.event.is_transition() => {
                            self.farewells.insert(id, report);
                        }
                        _ => out.push(Action::Report(report)),
                    }
                }
            }
        }
        if held {
            self.refilter = true;
            self.rewatch = true;
            let keys: Vec<Key> = running.objects.keys().cloned().collect();
            self.want(keys);
        }
        if elsewhere {
            self.announce_elsewhere(now, id, out);
        }
        for address in defended {
            self.defend(now, id, address, out);
        }
        if resumed && self.addresses_of(id).any(|key| self.kernel.object(key).is_none()) {
            // Those are set now, and nobody knows them here.
            self.feed(now, id, instance::Input::AddressesRestored, out);
        }
        if let Some(before) = before {
            self.after(now, id, &before, wish, out);
        }
        true
    }

    // ---- at the end of each input ----

    /// `from`: where the actions of this turn begin.
    fn finish(&mut self, now: Instant, from: usize, out: &mut Vec<Action>) {
        if self.phase == Phase::Blind {
            return;
        }
        self.end_when_handed_over(out);
        self.filter(now, out);
        if self.phase == Phase::Clearing {
            self.change(out);
            if !self.objects.is_busy() && !self.firewall.is_open() {
                self.phase = Phase::Running;
            }
        }
        if self.phase == Phase::Running && self.starts_at.is_none() {
            while !self.touched.is_empty() {
                let mut touched = std::mem::take(&mut self.touched);
                // What all of them stand on.
                if touched.remove(&Id::STATIC) {
                    self.follow(now, Id::STATIC, out);
                }
                touched.iter().for_each(|id| self.look(*id, out));
                // What one member of a group suffers concerns the others.
                touched.append(&mut self.touched);
                let leaders = self.take_leaders();
                let others = touched.difference(&leaders);
                leaders.iter().chain(others).for_each(|id| self.follow(now, *id, out));
            }
        }
        if self.phase != Phase::HandingOver {
            self.tell_groups(from, out);
        }
        out.extend(self.sockets.take_wanted().into_iter().map(Action::Open));
        self.filter(now, out);
        self.change(out);
        self.tune(out);
        self.announce(now, out);
        self.watch(now, out);
        out.extend(self.sockets.take_unused().into_iter().map(Action::Close));
        self.renew_claims();
    }

    fn change(&mut self, out: &mut Vec<Action>) {
        self.spare_what_is_resumed();
        let operations = self.objects.operations(&self.kernel);
        if !operations.is_empty() {
            self.kernel.ask(&operations);
            out.push(Action::Change(operations));
        }
    }

    fn report(&self, id: Option<Id>, event: Event, out: &mut Vec<Action>) {
        let of = |id| Some(self.instances.get(&id)?.machine.config().name.clone());
        out.push(Action::Report(Report { instance: id.and_then(of), event }));
    }
}
