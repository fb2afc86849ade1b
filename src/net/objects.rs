//! What ought to be in the kernel, against what is there: the objects of all instances, and the operations that get
//! there.
//!
//! Inputs: which objects are wanted, the mirror of the kernel, the kernel's answers. Output: operations, fewest first
//! where an order exists: what is new is set before what is old goes.
//! Invariants: what is not ours is never touched; an operation that the kernel refused stays refused, with its cause,
//! until its time has come; only keys that something happened to are compared.
//!
//! Ours is what a record of an earlier process names, and what this one has set or found set as it wanted it. What the
//! host had before us is the host's: it serves when it is wanted, and stays when it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::kernel::Kernel;
use super::object::{Key, Object, Operation, Start};

/// The first wait before a refused operation is tried again; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// When something changed on the interface of a refused object, it is tried again this soon.
const SOON: Duration = Duration::from_secs(1);
/// Nothing else but a loss of memory could stop them all: operations of one send.
const MOST: usize = 4096;

/// What the kernel did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was asked.
    pub operation: Operation,
    /// Its answer.
    pub errno: i32,
    /// How often in a row.
    pub times: u32,
    again: Instant,
    last: Instant,
}

/// What the kernel told of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing of interest.
    None,
    /// Somebody else has set it: it is the host's own.
    Hosts,
    /// We want it, it has gone, and that was not our doing.
    Missing,
    /// We want it, it has become something else, and that was not our doing.
    Altered,
}

/// The objects of all instances.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    wanted: BTreeMap<Key, Object>,
    configured: BTreeSet<Key>,
    ours: BTreeSet<Key>,
    hosts: BTreeSet<Key>,
    refused: BTreeMap<Key, Refused>,
    /// Keys to be compared.
    dirty: BTreeSet<Key>,
    /// Refused ones whose time has come. An object is set although nobody wants it, to see whether the kernel takes it.
    retried: BTreeSet<Key>,
    /// What a trial needs: it is set and goes with it.
    trial: BTreeMap<Key, Object>,
    /// When these vanish, they are not set again.
    untracked: BTreeSet<Key>,
    /// What was wanted, and what took its place although it was set anew: the kernel makes that of it.
    made: BTreeMap<Key, (Object, Object)>,
    /// Asked of the kernel and not answered yet.
    under_way: BTreeSet<Key>,
    claims_changed: bool,
}

impl Objects {
    /// What a record says that an earlier process set: it is ours, and stays until somebody wants it or nobody does.
    pub fn recorded(&mut self, keys: &[Key]) {
        self.ours.extend(keys.iter().cloned());
        self.claims_changed = true;
    }

    /// Objects that may be wanted from now on. Those that the kernel has and that are not ours are the host's: they come
    /// back, when that is news.
    pub fn configure(&mut self, keys: &[Key], kernel: &Kernel) -> Vec<Key> {
        let mut hosts = Vec::new();
        for key in keys {
            if self.configured.insert(key.clone()) {
                self.claims_changed = true;
                if kernel.object(key).is_some() && !self.ours.contains(key) {
                    self.hosts.insert(key.clone());
                    hosts.push(key.clone());
                }
            }
        }
        hosts
    }

    /// Objects that nobody may want any more.
    pub fn release(&mut self, keys: &[Key]) {
        for key in keys {
            self.claims_changed |= self.configured.remove(key);
            self.hosts.remove(key);
            self.refused.remove(key);
            self.retried.remove(key);
            self.untracked.remove(key);
            self.made.remove(key);
            self.dirty.insert(key.clone());
        }
    }

    /// Says what is wanted of `key`; `None`: nothing, and what is ours goes.
    pub fn want(&mut self, key: Key, object: Option<Object>) {
        match object {
            Some(object) => drop(self.wanted.insert(key.clone(), object)),
            None => drop(self.wanted.remove(&key)),
        }
        self.dirty.insert(key);
    }

    /// Something else is asked for under the same keys: what the kernel thought of the former says nothing of it.
    pub fn renew(&mut self, keys: &[Key]) {
        for key in keys {
            let added = |refused: &Refused| refused.operation.sets().is_some();
            if self.refused.get(key).is_some_and(added) {
                self.refused.remove(key);
                self.retried.remove(key);
            }
        }
    }

    /// Says whether `key` is set again when it vanishes.
    pub fn track(&mut self, key: &Key, tracked: bool) {
        if tracked {
            self.untracked.remove(key);
        } else {
            self.untracked.insert(key.clone());
        }
    }

    /// What is ours stays for the moment, although nobody wants it yet.
    pub fn spare(&mut self, key: &Key) {
        self.dirty.remove(key);
    }

    /// Whether something was asked of the kernel and is not answered.
    pub fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Whether something is asked of `key` and not answered.
    pub fn is_under_way(&self, key: &Key) -> bool {
        self.under_way.contains(key)
    }

    /// Whether `key` is still to be asked for or answered.
    pub fn is_pending(&self, key: &Key) -> bool {
        self.under_way.contains(key) || self.dirty.contains(key)
    }

    /// Whether `key` is not as it is wanted and will be soon, or the kernel's answer is awaited.
    pub fn is_coming(&self, key: &Key, kernel: &Kernel) -> bool {
        let is_met =
            |wanted: &Object| kernel.object(key).is_some_and(|actual| wanted.is_met_by(actual, None));
        let is_asked_for = || {
            let waits = self.refused.contains_key(key) && !self.retried.contains(key);
            let hosts = self.hosts.contains(key) && kernel.object(key).is_some();
            self.dirty.contains(key) && !waits && !hosts
        };
        let wanted = self.wanted.get(key).is_some_and(|wanted| !is_met(wanted));
        self.under_way.contains(key) || (wanted && is_asked_for())
    }

    /// What we want, had, and the kernel has not. What is not tracked is not wanted any more.
    pub fn missing(&mut self, kernel: &Kernel) -> Vec<Key> {
        let missing = |key: &&Key| {
            self.ours.contains(key)
                && kernel.object(key).is_none()
                && !self.under_way.contains(key)
                && !self.refused.contains_key(key)
        };
        let missing: Vec<Key> = self.wanted.keys().filter(missing).cloned().collect();
        let (untracked, missing) = missing.into_iter().partition(|key| self.untracked.contains(key));
        self.give_up(untracked);
        missing
    }

    fn give_up(&mut self, keys: Vec<Key>) {
        for key in keys {
            self.wanted.remove(&key);
            self.dirty.insert(key);
        }
    }

    /// The interface of ours that was known as `old` is `new` from now on: it is not as it was asked for, and goes.
    pub fn renamed(&mut self, old: &Key, new: Key) {
        if self.ours.contains(old) && !self.configured.contains(&new) {
            self.ours.insert(new.clone());
            self.dirty.insert(new);
            self.claims_changed = true;
        }
    }

    /// What is wanted of `key`.
    pub fn wanted(&self, key: &Key) -> Option<&Object> {
        self.wanted.get(key)
    }

    /// Whether `key` was set by us, or by a process of ours before.
    pub fn is_ours(&self, key: &Key) -> bool {
        self.ours.contains(key) && !self.hosts.contains(key)
    }

    /// Whether `key` is the host's own.
    pub fn is_hosts(&self, key: &Key) -> bool {
        self.hosts.contains(key)
    }

    /// What may have been set by us and must not outlive us: for the record that a later process reads.
    pub fn claims(&self) -> BTreeSet<Key> {
        self.configured.difference(&self.hosts).chain(&self.ours).cloned().collect()
    }

    /// What is ours and in the kernel.
    pub fn remains(&self, kernel: &Kernel) -> BTreeSet<Key> {
        self.ours.iter().filter(|key| kernel.object(key).is_some()).cloned().collect()
    }

    /// Whether [`Self::claims`] may differ from what it was at the last call.
    pub fn claims_changed(&mut self) -> bool {
        std::mem::take(&mut self.claims_changed)
    }

    /// Whether a refused operation is being tried again.
    pub fn is_retried(&self, key: &Key) -> bool {
        self.retried.contains(key)
    }

    /// What the kernel does not do.
    pub fn refused(&self, key: &Key) -> Option<&Refused> {
        self.refused.get(key)
    }

    /// The kernel told of `key`.
    pub fn changed(&mut self, key: &Key, kernel: &Kernel) -> News {
        if self.under_way.contains(key) {
            return News::None;
        }
        let actual = kernel.object(key);
        let there = actual.is_some();
        let wanted = self.wanted.contains_key(key);
        let settled = self.ours.contains(key) && !self.dirty.contains(key);
        if wanted || self.ours.contains(key) {
            self.dirty.insert(key.clone());
        }
        if there {
            // Somebody else set it, while nobody of us wanted it.
            let hosts = !wanted && self.configured.contains(key) && !self.ours.contains(key);
            let news = hosts && self.hosts.insert(key.clone());
            self.claims_changed |= news;
            let name = key.index().and_then(|index| kernel.link(index)).map(|link| link.name.as_str());
            let met =
                || self.wanted.get(key).zip(actual).is_none_or(|(one, actual)| one.is_met_by(actual, name));
            return match news {
                true => News::Hosts,
                false if settled && !self.hosts.contains(key) && !met() => News::Altered,
                false => News::None,
            };
        }
        // What comes back under this key is ours to set.
        self.claims_changed |= self.hosts.remove(key);
        // With the first address of a subnet the kernel removes the others.
        let along = || self.under_way.iter().any(|other| other.may_take_along(key));
        let missing = wanted && !self.refused.contains_key(key) && !along();
        if missing && self.untracked.contains(key) {
            self.give_up(vec![key.clone()]);
            return News::None;
        }
        if missing { News::Missing } else { News::None }
    }

    /// Something changed on an interface: what was refused there may be taken now, and any route.
    pub fn link_changed(&mut self, index: u32) {
        let concerned = |key: &Key| key.index().is_none_or(|own| own == index);
        for (_, refused) in self.refused.iter_mut().filter(|(key, _)| concerned(key)) {
            refused.again = refused.again.min(refused.last + SOON);
        }
    }

    /// Routes that were refused because their interface was down are asked for anew once it is up: nobody becomes master
    /// without them for want of a timer.
    pub fn links_up(&mut self, kernel: &Kernel) {
        let up = |index: u32| kernel.link(index).is_some_and(|link| link.enabled);
        let route = |refused: &Refused| match &refused.operation {
            Operation::Add(Object::Route(route)) => Some(route.clone()),
            _ => None,
        };
        let free = self.refused.iter().filter(|(key, _)| !self.under_way.contains(key));
        let routes = free.filter_map(|(key, refused)| Some((key.clone(), refused.errno, route(refused)?)));
        for (key, errno, route) in routes.collect::<Vec<_>>() {
            match errno {
                libc::ENETDOWN if route.hops.iter().all(|hop| up(hop.index)) => {
                    self.refused.remove(&key);
                    self.retried.remove(&key);
                    self.dirty.insert(key);
                }
                // The way to its gateway may be there again.
                libc::ENETUNREACH | libc::EHOSTUNREACH => {
                    self.retried.insert(key.clone());
                    self.dirty.insert(key);
                }
                _ => {}
            }
        }
    }

    /// An interface has gone, and with it what was on it.
    pub fn link_gone(&mut self, index: u32) {
        self.claims_changed = true;
        self.ours.retain(|key| key.index() != Some(index));
        self.refused.retain(|key, _| key.index() != Some(index));
        self.retried.retain(|key| key.index() != Some(index));
    }

    /// Everything is compared anew: after a reading of the kernel's tables.
    pub fn compare_all(&mut self) {
        self.dirty.extend(self.wanted.keys().chain(&self.ours).cloned());
    }

    /// When a refused operation is tried again.
    pub fn next(&self) -> Option<Instant> {
        self.refused.values().map(|refused| refused.again).min()
    }

    /// Takes what is due at `now` for another try. `asked`: the object that is asked for under a key today, and those
    /// that it may need.
    pub fn timer(&mut self, now: Instant, asked: impl Fn(&Key) -> Vec<Object>) {
        for (key, refused) in self.refused.iter_mut().filter(|(_, refused)| refused.again <= now) {
            // The answer sets the next time.
            refused.again = now + LONGEST;
            refused.last = now;
            self.retried.insert(key.clone());
            self.dirty.insert(key.clone());
            if self.wanted.contains_key(key) || matches!(refused.operation, Operation::Remove(_)) {
                continue;
            }
            let (own, others): (Vec<Object>, Vec<Object>) =
                asked(key).into_iter().partition(|object| object.key() == *key);
            if let Some(object) = own.into_iter().next() {
                refused.operation = Operation::Add(object);
            }
            let Some(object) = refused.operation.sets() else { continue };
            let (mut needed, mut left) = (vec![object.clone()], others);
            // What is needed may need something itself.
            while let Some(object) = needed.pop() {
                let (more, rest): (Vec<Object>, Vec<Object>) =
                    left.into_iter().partition(|other| object.needs(other));
                left = rest;
                for object in more {
                    self.dirty.insert(object.key());
                    self.trial.insert(object.key(), object.clone());
                    needed.push(object);
                }
            }
        }
    }

    /// The operations from what the kernel has to what is wanted, of all keys that something happened to: what is new
    /// is set before what is old goes.
    pub fn operations(&mut self, kernel: &Kernel) -> Vec<Operation> {
        if self.dirty.is_empty() {
            return Vec::new();
        }
        let (mut add, mut replace, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.dirty) {
            let full = add.len() + replace.len() + remove.len() >= MOST;
            if full || self.under_way.contains(&key) {
                self.dirty.insert(key);
                continue;
            }
            let waits = self.refused.contains_key(&key) && !self.retried.contains(&key);
            let link = key.index().and_then(|index| kernel.link(index));
            let name = link.map(|link| link.name.as_str());
            match (self.sought(&key), kernel.object(&key)) {
                (Some(_), None) if waits => {}
                (Some(wanted), None) => add.push(Operation::Add(wanted)),
                (Some(_), Some(_)) if self.hosts.contains(&key) => drop(self.trial.remove(&key)),
                (Some(wanted), Some(actual)) => {
                    self.ours.insert(key.clone());
                    let met = wanted.is_met_by(actual, name);
                    let made = self.made.get(&key).is_some_and(|made| made.0 == wanted && made.1 == *actual);
                    if met {
                        self.made.remove(&key);
                    }
                    if met || made {
                        self.refused.remove(&key);
                        self.retried.remove(&key);
                        if self.trial.remove(&key).is_some() {
                            self.dirty.insert(key);
                        }
                    } else if !waits {
                        self.made.insert(key, (wanted.clone(), actual.clone()));
                        let amends = wanted.amends(actual, name);
                        if !amends {
                            replace.push(Operation::Remove(match actual {
                                Object::Route(route) if route.hops.len() > 1 => {
                                    Object::from(route.our_part())
                                }
                                other => other.clone(),
                            }));
                        }
                        replace.push(match wanted {
                            Object::Address(_) if amends => Operation::Amend(wanted),
                            wanted => Operation::Add(wanted),
                        });
                    }
                }
                (None, Some(actual)) if self.ours.contains(&key) && !waits => {
                    remove.push(Operation::Remove(match actual {
                        Object::Route(route) => Object::from(route.our_part()),
                        other => other.clone(),
                    }));
                }
                (None, Some(_)) => {}
                (None, None) => {
                    self.claims_changed |= self.ours.remove(&key);
                    self.forget_removal(&key);
                }
            }
        }
        self.part(kernel, &mut add, &mut replace, &mut remove);
        // Two interfaces above one cannot have one address.
        let makes_room = |removal: &Operation| {
            let Operation::Remove(Object::Link(old)) = removal else { return false };
            let takes = |one: &Operation| matches!(one, Operation::Add(Object::Link(new)) if (new.base, new.mac) == (old.base, old.mac));
            add.iter().any(takes)
        };
        let room: Vec<Operation> = remove.extract_if(.., |removal| makes_room(removal)).collect();
        // What others need is there before them, and goes after them.
        add.sort_by_key(Operation::rank);
        remove.sort_by_key(|operation| std::cmp::Reverse(operation.rank()));
        let all: Vec<Operation> = room.into_iter().chain(add).chain(replace).chain(remove).collect();
        self.under_way.extend(all.iter().map(Operation::key));
        self.ours.extend(all.iter().map(Operation::key));
        all
    }

    /// The kernel takes the request that removes an IPv4 route onto a link for one about any route of that destination
    /// over that link. Those to a gateway are out of the way while it is made, or are set behind it.
    fn part(
        &self,
        kernel: &Kernel,
        add: &mut Vec<Operation>,
        replace: &mut Vec<Operation>,
        remove: &mut Vec<Operation>,
    ) {
        for removal in std::mem::take(remove) {
            let key = removal.key();
            let Some(Start::Link(_)) = key.start() else {
                remove.push(removal);
                continue;
            };
            let alike = |other: &Key| match (&key, other) {
                (Key::Route(key), Key::Route(other)) => key.is_replaced_by(other),
                _ => false,
            };
            let to_gateway = |other: &Key| matches!(other.start(), Some(Start::Gateway(_)));
            let after = self.wanted.range(&key..).skip_while(|(other, _)| **other == key);
            let beside = after.take_while(|(other, _)| alike(other)).filter(|(other, _)| {
                let there = kernel.object(other).is_some() && self.ours.contains(other);
                to_gateway(other) && there && !self.under_way.contains(other)
            });
            let beside: Vec<Object> = beside.map(|(_, object)| object.clone()).collect();
            let behind: Vec<Operation> = add
                .extract_if(.., |operation| to_gateway(&operation.key()) && alike(&operation.key()))
                .collect();
            if beside.is_empty() && behind.is_empty() {
                remove.push(removal);
                continue;
            }
            replace.extend(beside.iter().cloned().map(Operation::Remove));
            replace.push(removal);
            replace.extend(beside.into_iter().map(Operation::Add).chain(behind));
        }
    }

    /// What could not be removed has gone by itself.
    fn forget_removal(&mut self, key: &Key) {
        if self.refused.get(key).is_some_and(|refused| matches!(refused.operation, Operation::Remove(_))) {
            self.refused.remove(key);
            self.retried.remove(key);
        }
    }

    /// What is wanted of `key`, or tried again without being wanted.
    fn sought(&self, key: &Key) -> Option<Object> {
        let tried =
            || self.refused.get(key)?.operation.sets().filter(|_| self.retried.contains(key)).cloned();
        self.wanted.get(key).cloned().or_else(tried).or_else(|| self.trial.get(key).cloned())
    }

    /// Takes the kernel's answer to one operation in (an errno; 0: done), after the mirror has. True: it is refused,
    /// which is news.
    pub fn answered(&mut self, now: Instant, operation: &Operation, errno: i32) -> bool {
        let key = operation.key();
        self.under_way.remove(&key);
        self.retried.remove(&key);
        self.trial.remove(&key);
        self.dirty.insert(key.clone());
        let Err(errno) = operation.outcome(errno) else {
            self.refused.remove(&key);
            return false;
        };
        if let Operation::Add(_) = operation {
            self.ours.remove(&key);
            if !self.configured.contains(&key) {
                // Nobody asks for it any more: its interface has gone meanwhile, or a reload has taken it out.
                return false;
            }
        }
        let before = self.refused.get(&key);
        let news = before.is_none_or(|before| before.errno != errno || before.operation != *operation);
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        let wait = FIRST.saturating_mul(1 << (times.clamp(1, 6) - 1)).min(LONGEST);
        let operation = operation.clone();
        self.refused.insert(key, Refused { operation, errno, times, again: now + wait, last: now });
        news
    }
}

#[cfg(test)]
mod tests;
