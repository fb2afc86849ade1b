//! The objects of the instances: who wants which, what the kernel makes of it, and who announces when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::model::{InterfaceName, Priority, VirtualAddress};
use crate::net::kernel::{Change, Reading};
use crate::net::object::{Device, Key, Object, Operation, Start};
use crate::net::objects::News;
use crate::net::{arp, ndp};
use crate::vrrp::event::Event;
use crate::vrrp::instance;

use super::claim::Claim;
use super::conditions::refusal;
use super::needs::{Need, of_instance, of_statics, of_track_groups};
use super::pacing::Frame;
use super::{Action, Id, Node, Phase, Running};

/// Tables that changed while they were read, or could not be read, are read again after this.
const READ_AGAIN: Duration = Duration::from_secs(1);
pub(super) const ETHERNET: u16 = 1;

impl Node {
    // ---- what is wanted ----

    /// Says of each object whether anybody wants it.
    pub(super) fn want(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let holders = self.holders.get(&key).into_iter().flatten();
            let held = holders.filter_map(|id| self.instances.get(id));
            let held = held.filter(|running| running.held && !self.waits_for_filter(running, &key));
            let wanted = || held.filter_map(|running| running.objects.get(&key)).next();
            let wanted = self.kept.get(&key).or_else(wanted);
            self.objects.track(&key, wanted.is_none_or(|need| need.tracked));
            self.objects.want(key, wanted.map(|need| need.object.clone()));
        }
    }

    /// Works out anew which objects an instance has on the interfaces that exist.
    pub(super) fn resolve(&mut self, id: Id, out: &mut Vec<Action>) {
        if self.phase == Phase::Blind {
            // What the host has of it is not known yet.
            return;
        }
        let new = match self.instances.get(&id) {
            Some(running) => of_instance(running.machine.config(), &self.kernel),
            None if id == Id::STATIC && self.phase != Phase::Stopping => {
                self.note_track_groups();
                of_statics(&self.statics, &self.kernel)
            }
            None => return,
        };
        let present = match self.instances.get_mut(&id) {
            Some(running) => {
                running.covered &= running.objects == new;
                &mut running.objects
            }
            None => &mut self.kept,
        };
        if new == *present {
            return;
        }
        self.rewatch = true;
        let old = std::mem::replace(present, new);
        let keys: Vec<Key> = old.keys().chain(present.keys()).cloned().collect();
        let gone: Vec<Key> = old.keys().filter(|key| !present.contains_key(key)).cloned().collect();
        let other = |(key, need): (&Key, &Need)| {
            present.get(key).is_some_and(|new| new.object != need.object).then(|| key.clone())
        };
        self.objects.renew(&old.iter().filter_map(other).collect::<Vec<Key>>());
        for key in present.keys() {
            self.holders.entry(key.clone()).or_default().insert(id);
        }
        self.let_go(id, &gone);
        self.hold_together(keys, out);
    }

    /// The static objects of each `track_group` on the interfaces that exist.
    fn note_track_groups(&mut self) {
        let objects = of_track_groups(&self.statics, &self.kernel);
        if self.group_objects != objects {
            self.group_objects = objects;
            self.touch_track_groups();
        }
    }

    /// The instances of all `track_group` have to look at the static objects.
    pub(super) fn touch_track_groups(&mut self) {
        if self.track_groups.is_empty() {
            return;
        }
        let concerned = |running: &Running| {
            let name = &running.machine.config().name;
            self.track_groups.values().any(|members| members.contains(name))
        };
        let concerned = self.instances.iter().filter(|(_, running)| concerned(running)).map(|(id, _)| *id);
        self.touched.extend(concerned);
    }

    /// `id` has none of these any more.
    pub(super) fn let_go(&mut self, id: Id, keys: &[Key]) {
        for key in keys {
            if let Some(holders) = self.holders.get_mut(key) {
                holders.remove(&id);
                if holders.is_empty() {
                    self.holders.remove(key);
                }
            }
        }
    }

    /// The holders of `keys` have changed.
    pub(super) fn hold_together(&mut self, keys: Vec<Key>, out: &mut Vec<Action>) {
        let (configured, gone): (Vec<Key>, Vec<Key>) =
            keys.iter().cloned().partition(|key| self.holders.contains_key(key));
        self.objects.release(&gone);
        for key in self.objects.configure(&configured, &self.kernel) {
            self.tell_hosts_own(&key, out);
        }
        self.want(keys);
    }

    fn tell_hosts_own(&self, key: &Key, out: &mut Vec<Action>) {
        let holder = self.holders.get(key).and_then(|holders| holders.first()).copied();
        let owner = holder.is_some_and(|id| self.is_owner(&id));
        let object = self.describe(key);
        let event = match key {
            Key::Address { .. } => Event::HostsOwn { object, owner },
            Key::Link(_) => Event::HostsLink { object },
            Key::Route(_) | Key::Rule(_) => Event::HostsPolicy { object },
        };
        self.report(holder, event, out);
    }

    fn is_owner(&self, id: &Id) -> bool {
        let priority = self.instances.get(id).map(|running| running.machine.config().priority);
        priority == Some(Priority::OWNER)
    }

    // ---- the kernel ----

    /// Asks for the tables.
    pub(super) fn read(&mut self, out: &mut Vec<Action>) {
        self.read_at = None;
        if !self.kernel.is_current() {
            self.read_once_more = true;
            return;
        }
        self.kernel.expect_reading();
        out.push(Action::Read);
    }

    pub(super) fn reading(&mut self, now: Instant, reading: Result<Reading, String>, out: &mut Vec<Action>) {
        if self.kernel.is_current() {
            // Nobody asked for it, and what was told since it was made is in the mirror already.
            return;
        }
        match reading {
            Ok(reading) => {
                self.read_at = (!reading.complete).then_some(now + READ_AGAIN);
                self.kernel.read(reading);
                self.rewatch = true;
                self.tuning.look_again();
            }
            Err(why) => {
                // What was told meanwhile is in the mirror; what was lost is not.
                self.kernel.read_failed();
                self.read_at = Some(now + READ_AGAIN);
                return self.report(None, Event::Unreadable { why }, out);
            }
        }
        if std::mem::take(&mut self.read_once_more) {
            self.read(out);
        }
        let first = self.phase == Phase::Blind;
        let record = if first { std::mem::take(&mut self.record) } else { BTreeSet::new() };
        let left: BTreeSet<Key> = record.iter().flat_map(|claim| claim.find(&self.kernel)).collect();
        let left: Vec<Key> = left.into_iter().collect();
        for claim in record {
            if let Claim::Table(table) = claim {
                self.firewall.recorded(table);
            }
        }
        self.objects.recorded(&left);
        if first {
            self.phase = if self.stops { Phase::HandingOver } else { Phase::Clearing };
        }
        for id in self.instances.keys().copied().chain([Id::STATIC]).collect::<Vec<Id>>() {
            self.resolve(id, out);
            self.touched.insert(id);
        }
        if first {
            self.forget_what_has_gone(now, out);
            self.clear(left, out);
        } else {
            let missing = self.objects.missing(&self.kernel);
            self.restore(now, missing, out);
            self.objects.links_up(&self.kernel);
            self.objects.compare_all();
        }
    }

    /// What a killed process left goes before the first advert; what an owner will hold at once stays.
    fn clear(&mut self, left: Vec<Key>, out: &mut Vec<Action>) {
        for key in left {
            let mut holders = self.holders.get(&key).into_iter().flatten();
            if self.kept.contains_key(&key) || holders.clone().any(|id| self.resuming.contains(id)) {
                // It is wanted, or will be in a moment, and is compared with what is there.
            } else if self.starts_at.is_none() && !self.stops && holders.any(|id| self.is_owner(id)) {
                self.objects.spare(&key);
            } else {
                self.report(None, Event::Leftover { object: self.describe(&key) }, out);
                self.objects.want(key, None);
            }
        }
    }

    pub(super) fn kernel_changed(&mut self, now: Instant, changes: Vec<Change>, out: &mut Vec<Action>) {
        let mut missing = Vec::new();
        for change in changes {
            match &change {
                Change::Link(index, link) => {
                    let (index, name) = (*index, link.name.clone());
                    let before = self.kernel.link(index).map(|link| link.name.clone());
                    if self.kernel.apply(change) {
                        self.rewatch = true;
                        self.tuning.look_again();
                        self.objects.link_changed(index);
                        self.objects.links_up(&self.kernel);
                        let key = |name: &str| Device::new(name).map(Key::Link);
                        let old = before.as_deref().filter(|before| *before != name).and_then(key);
                        if let Some((old, new)) = old.zip(key(&name)) {
                            self.objects.renamed(&old, new);
                        }
                        let names: BTreeSet<String> = before.into_iter().chain([name]).collect();
                        missing.extend(self.links_changed(now, &names, out));
                        self.touch_interfaces(names);
                    }
                    self.along(now, &mut missing, out);
                }
                Change::LinkGone(index) => {
                    let index = *index;
                    let before = self.kernel.link(index).map(|link| link.name.clone());
                    self.kernel.apply(change);
                    self.rewatch = true;
                    self.tuning.look_again();
                    self.objects.link_gone(index);
                    let names: BTreeSet<String> = before.into_iter().collect();
                    missing.extend(self.links_changed(now, &names, out));
                    self.touch_interfaces(names);
                    self.along(now, &mut missing, out);
                }
                Change::Added(object) | Change::Removed(object) => {
                    let key = object.key();
                    if self.kernel.apply(change) && self.object_changed(now, &key, out) {
                        missing.push(key);
                    }
                    self.along(now, &mut missing, out);
                }
                Change::Replaced(route) => {
                    let key = Key::from(route.key());
                    if self.kernel.apply(change) && self.object_changed(now, &key, out) {
                        missing.push(key);
                    }
                    self.along(now, &mut missing, out);
                }
            }
        }
        self.restore(now, missing, out);
    }

    /// Those of our own interfaces that are missing.
    fn links_changed(&mut self, now: Instant, names: &BTreeSet<String>, out: &mut Vec<Action>) -> Vec<Key> {
        let keys: Vec<Key> = names.iter().filter_map(|name| Device::new(name).map(Key::Link)).collect();
        keys.into_iter().filter(|key| self.object_changed(now, key, out)).collect()
    }

    /// What has gone with something else, and the kernel tells nobody of.
    fn along(&mut self, now: Instant, missing: &mut Vec<Key>, out: &mut Vec<Action>) {
        for key in self.kernel.take_silent() {
            if self.object_changed(now, &key, out) {
                missing.push(key);
            }
        }
    }

    /// True: it is one of ours that is missing.
    fn object_changed(&mut self, now: Instant, key: &Key, out: &mut Vec<Action>) -> bool {
        let hosts = self.objects.is_hosts(key);
        let news = self.objects.changed(key, &self.kernel);
        if news == News::Hosts {
            self.tell_hosts_own(key, out);
        }
        if self.kept.contains_key(key) {
            self.touch_track_groups();
        }
        let stays = hosts || news == News::Hosts || self.kept.contains_key(key);
        let others = stays || !self.holders.contains_key(key);
        if let (true, Key::Address { index, address, .. }) = (others, key) {
            self.objects.link_changed(*index);
            // It may be somebody's source.
            let name = self.kernel.link(*index).map(|link| link.name.clone());
            self.touch_interfaces(name);
            self.touched.extend(self.sources.get(address).into_iter().flatten());
        }
        let duplicate = |object: &Object| matches!(object, Object::Address(address) if address.duplicate);
        let holder = self.holders.get(key).and_then(|holders| holders.first().copied());
        if self.kernel.object(key).is_some_and(duplicate)
            && holder.is_some()
            && let Some(suppressed) = self.restored.allow(now, key.clone())
        {
            self.report(holder, Event::Duplicate { object: self.describe(key), suppressed }, out);
        }
        if news == News::Altered
            && let Some(suppressed) = self.restored.allow(now, key.clone())
        {
            let holder = self.holders.get(key).and_then(|holders| holders.first().copied());
            self.report(holder, Event::Altered { object: self.describe(key), suppressed }, out);
        }
        news == News::Missing
    }

    pub(super) fn touch_interfaces(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.touched.extend(self.interfaces.get(&name).into_iter().flatten());
        }
    }

    /// Something that a master ought to have has gone: another program removed it, the kernel removed it together
    /// with the first address of its subnet, or its interface is a new one. It is set again at the end of the turn,
    /// and announced.
    fn restore(&mut self, now: Instant, missing: Vec<Key>, out: &mut Vec<Action>) {
        let mut concerned = BTreeSet::new();
        for key in missing {
            let needs = match self.objects.wanted(&key) {
                Some(Object::Link(link)) => Some(link.base),
                _ => key.index(),
            };
            let gone = needs.is_some_and(|index| self.kernel.link(index).is_none());
            if gone || self.is_off(&key) {
                continue;
            }
            let holders = self.holders.get(&key).into_iter().flatten().copied();
            if let Key::Address { .. } = key {
                concerned.extend(holders.clone());
            }
            let holder = holders.into_iter().next();
            if let Some(suppressed) = self.restored.allow(now, key.clone()) {
                let event = Event::Restored { object: self.describe(&key), suppressed };
                self.report(holder, event, out);
            }
        }
        for id in concerned {
            self.feed(now, id, instance::Input::AddressesRestored, out);
        }
    }

    /// A route that went with its interface, which is down: it cannot be set before that is up.
    fn is_off(&self, key: &Key) -> bool {
        let Some(Object::Route(route)) = self.objects.wanted(key) else { return false };
        let mut links = route.hops.iter().filter_map(|hop| self.kernel.link(hop.index));
        links.any(|link| !link.enabled)
    }

    /// Takes up what the kernel refused, as it is asked for today, with what it needs of whoever has it.
    pub(super) fn retry(&mut self, now: Instant) {
        let (holders, instances) = (&self.holders, &self.instances);
        let asked = |key: &Key| {
            let holders = holders.get(key).into_iter().flatten();
            let all =
                holders.filter_map(|id| instances.get(id)).flat_map(|running| running.objects.objects());
            let matters = |object: &&Object| matches!(key, Key::Route(_)) || object.key() == *key;
            all.filter(matters).cloned().collect()
        };
        self.objects.timer(now, asked);
    }

    pub(super) fn changed(&mut self, now: Instant, answers: Vec<(Operation, i32)>, out: &mut Vec<Action>) {
        let (mut unknown, mut missing) = (false, Vec::new());
        for (operation, errno) in answers {
            // Of IPv6 there is a route of that destination and metric that was never told of, or told of in parts.
            unknown |= matches!(errno, libc::ETIMEDOUT | libc::EEXIST) && operation.outcome(errno).is_err();
            let key = operation.key();
            let done = operation.outcome(errno).is_ok();
            self.kernel.answered(&operation, done);
            if done && operation.sets().is_some() && self.kernel.object(&key).is_none() {
                // The kernel took it, and somebody else has taken it away since.
                missing.push(key.clone());
            }
            // Its interface says that it is down.
            let is_down = |errno| errno == libc::ENETDOWN && matches!(key, Key::Route(_));
            let was_down = self.objects.refused(&key).is_some_and(|refused| is_down(refused.errno));
            let before = self.objects.refused(&key).is_some();
            let retried = self.objects.is_retried(&key);
            let news = self.objects.answered(now, &operation, errno);
            self.along(now, &mut missing, out);
            if self.kept.contains_key(&key) {
                self.touch_track_groups();
            }
            if news || retried || before != self.objects.refused(&key).is_some() {
                self.touched.extend(self.holders.get(&key).into_iter().flatten());
            }
            if let Key::Link(name) = key {
                self.touch_interfaces([name.as_str().to_owned()]);
            }
            let holder = self.holders.get(&key).and_then(|holders| holders.first().copied());
            let object = self.describe(&key);
            match &operation {
                // What cannot be removed puts no instance into FAULT that would say so.
                Operation::Remove(_) if news => {
                    self.report(holder, Event::NotRemoved { object, errno }, out);
                }
                Operation::Add(_) | Operation::Amend(_)
                    if news && !is_down(errno) && !self.means_fault(&key) =>
                {
                    let why = self.objects.refused(&key).map(refusal).unwrap_or_default();
                    self.report(holder, Event::NotSet { object, why }, out);
                }
                // A trial leads to nothing that stays.
                Operation::Add(_) | Operation::Amend(_)
                    if before
                        && !was_down
                        && self.objects.refused(&key).is_none()
                        && self.objects.wanted(&key).is_some() =>
                {
                    self.report(holder, Event::Set { object }, out);
                }
                _ => {}
            }
        }
        self.restore(now, missing, out);
        if unknown {
            self.read(out);
        }
    }

    // ---- announcements ----

    /// Sends what is due for objects that are there.
    pub(super) fn announce(&mut self, now: Instant, out: &mut Vec<Action>) {
        for id in std::mem::take(&mut self.announcing) {
            let Some(running) = self.instances.get(&id) else { continue };
            let coming = running.machine.config().vmacs.iter().any(|vmac| self.is_coming(&vmac.name));
            let waits = |key: &Key| running.held && self.waits_for_filter(running, key);
            if coming || running.objects.keys().any(|key| self.objects.is_pending(key) || waits(key)) {
                self.announcing.insert(id);
                continue;
            }
            let Some(running) = self.instances.get_mut(&id) else { continue };
            let rounds = std::mem::take(&mut running.announce);
            let Some(running) = self.instances.get(&id) else { continue };
            let all = running.machine.config().all_addresses();
            let frames: Vec<_> = all.filter_map(|address| self.announcement(running, address)).collect();
            if rounds > 0 {
                self.space_out(now, id, frames, rounds, out);
            }
        }
        for (id, frames) in self.waiting.due(now) {
            out.push(Action::Announce { id, frames, rounds: 1 });
        }
    }

    /// `garp_extra_if`: one frame on each interface that holds addresses and that no advert leaves by; unless `all`, of
    /// those alone that are the virtual router's.
    pub(super) fn announce_elsewhere(&mut self, now: Instant, id: Id, out: &mut Vec<Action>) {
        let Some(running) = self.instances.get(&id) else { return };
        let config = running.machine.config();
        let all = config.garp_extra.is_some_and(|extra| extra.all);
        let own = |name: &str| config.vmacs.iter().any(|vmac| vmac.name.as_str() == name);
        let adverts = config.transmits_on().map_or("", InterfaceName::as_str);
        let mut frames: BTreeMap<u32, (bool, Frame)> = BTreeMap::new();
        for address in config.all_addresses() {
            let Some((ipv6, frame)) = self.announcement(running, address) else { continue };
            let name = self.kernel.link(frame.0).map_or("", |link| link.name.as_str());
            if name != adverts && (all || own(name)) {
                frames.entry(frame.0).or_insert((ipv6, frame));
            }
        }
        let mut at_once = Vec::new();
        for (ipv6, frame) in frames.into_values() {
            let name = self.kernel.link(frame.0).map_or("", |link| link.name.as_str());
            match self.pacing.lane(frame.0, name, ipv6) {
                Some(lane) => self.waiting.push(now, lane, id, frame),
                None => at_once.push(frame),
            }
        }
        if !at_once.is_empty() {
            out.push(Action::Announce { id, frames: at_once, rounds: 1 });
        }
    }

    /// What need not keep a distance leaves at once; of the rest this burst takes the place of an earlier one. A single round
    /// joins it: begun anew each second it would never come to its end.
    fn space_out(
        &mut self,
        now: Instant,
        id: Id,
        frames: Vec<(bool, Frame)>,
        rounds: u32,
        out: &mut Vec<Action>,
    ) {
        let waits = if rounds > 1 { BTreeSet::new() } else { self.waiting.of(id) };
        if rounds > 1 {
            self.waiting.forget(id);
        }
        let (mut at_once, mut spaced) = (Vec::new(), Vec::new());
        for (ipv6, frame) in frames {
            let name = self.kernel.link(frame.0).map_or("", |link| link.name.as_str());
            match self.pacing.lane(frame.0, name, ipv6) {
                Some(_) if waits.contains(&frame) => {}
                Some(lane) => spaced.push((lane, frame)),
                None => at_once.push(frame),
            }
        }
        for (lane, frame) in (0..rounds).flat_map(|_| &spaced) {
            self.waiting.push(now, *lane, id, frame.clone());
        }
        if !at_once.is_empty() {
            out.push(Action::Announce { id, frames: at_once, rounds });
        }
    }

    /// The frame for one address, the index of its interface, and whether it is of IPv6; nothing where neighbours are not
    /// asked for.
    pub(super) fn announcement(&self, running: &Running, address: &VirtualAddress) -> Option<(bool, Frame)> {
        let object = super::needs::address(Some(running.machine.config()), address, &self.kernel);
        let Some(Object::Address(assigned)) = object else { return None };
        let link = self.kernel.link(assigned.index)?;
        let mac = link.mac.first_chunk::<6>()?;
        let makes_sense = link.up && !link.no_arp && link.hardware_type == ETHERNET;
        let frame = || match assigned.address {
            IpAddr::V4(ip) => arp::gratuitous(ip, *mac, link.hardware_type),
            IpAddr::V6(ip) => ndp::unsolicited(ip, *mac, link.forwards),
        };
        makes_sense.then(|| (assigned.address.is_ipv6(), (assigned.index, frame())))
    }

    pub(super) fn not_announced(
        &mut self,
        now: Instant,
        id: Id,
        count: usize,
        errno: i32,
        out: &mut Vec<Action>,
    ) {
        if let Some(suppressed) = self.unsent.allow(now, (id, errno)) {
            self.report(Some(id), Event::NotAnnounced { count, errno, suppressed }, out);
        }
        self.feed(now, id, instance::Input::AnnouncementFailed, out);
    }

    pub(super) fn not_sent(
        &mut self,
        now: Instant,
        id: Id,
        destination: IpAddr,
        errno: i32,
        out: &mut Vec<Action>,
    ) {
        // The fault of the link says so already; a route that is gone with a link that is there has no other line.
        let config = self.instances.get(&id).map(|running| running.machine.config());
        let is_there = config.is_some_and(|config| {
            let link = |name: &InterfaceName| self.kernel.link_by_name(name.as_str());
            config.interface.as_ref().is_none_or(|name| link(name).is_some_and(|(_, link)| link.up))
        });
        let link = match errno {
            libc::ENETUNREACH => destination.is_multicast() || !is_there,
            errno => matches!(errno, libc::ENETDOWN | libc::ENODEV | libc::ENXIO),
        };
        if !link && let Some(suppressed) = self.unsent.allow(now, (id, errno)) {
            self.report(Some(id), Event::NotSent { destination, errno, suppressed }, out);
        }
    }

    // ---- in words ----

    /// `192.168.100.240/24 on eth0`, `route 10.0.0.0/8 via 192.168.100.254`.
    pub(super) fn describe(&self, key: &Key) -> String {
        let name = |index| self.kernel.link(index).map_or("?", |link| link.name.as_str());
        match (key.index(), key.start()) {
            (Some(index), _) | (_, Some(Start::Link(index))) if index != 0 => {
                format!("{key} on {}", name(index))
            }
            _ => key.to_string(),
        }
    }

    /// What this process may have set. What was on an interface went with it.
    pub(super) fn renew_claims(&mut self) {
        let stopping = self.phase == Phase::Stopping;
        let tables_changed = self.firewall.new_tables().is_some();
        if self.objects.claims_changed() || tables_changed || self.tuning.has_news() || stopping {
            let of = |key: &Key| Claim::of(key, &self.kernel);
            // At the end only what could not be removed is left.
            let keys = if stopping { self.objects.remains(&self.kernel) } else { self.objects.claims() };
            let tables = self.firewall.tables().iter().cloned().map(Claim::Table);
            let settings = self.tuning.held().iter().map(|(setting, held)| Claim::setting(setting, held));
            self.claims = Arc::new(keys.iter().filter_map(of).chain(tables).chain(settings).collect());
        }
    }
}
