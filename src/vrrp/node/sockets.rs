//! Which sockets the instances need, and in what condition they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::model::{Authentication, Instance, InterfaceName};

use super::Id;

/// Sockets that failed are tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// Where adverts come in and go out. Instances with equal endpoints share their sockets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Index of the interface; 0: whichever the routes name.
    pub index: u32,
    /// Its name: that of the instance, or the one that is its own; `None`: any.
    pub interface: Option<InterfaceName>,
    /// The group, or the own address that unicast peers send to.
    pub local: IpAddr,
    /// With an authentication header, which is a protocol of its own.
    pub ah: bool,
}

impl Endpoint {
    pub(super) fn of(instance: &Instance, index: u32, source: IpAddr) -> Self {
        let local = instance.group().unwrap_or(source);
        let ah = matches!(instance.authentication, Authentication::Ah(_));
        Self { index, interface: instance.transmits_on().cloned(), local, ah }
    }
}

impl fmt::Display for Endpoint {
    /// `eth0`, or the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => interface.fmt(f),
            None => self.local.fmt(f),
        }
    }
}

/// In what condition the sockets of an endpoint are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Asked for.
    Opening,
    /// They hear.
    Open,
    /// They do not; the reason.
    Failed { why: String, again: Instant },
}

#[derive(Debug, Clone)]
struct Entry {
    state: State,
    users: BTreeSet<Id>,
}

/// The endpoints of all instances.
#[derive(Debug, Clone, Default)]
pub(super) struct Sockets {
    endpoints: BTreeMap<Endpoint, Entry>,
    /// What each instance uses.
    used: BTreeMap<Id, Vec<Endpoint>>,
    /// To be opened.
    wanted: BTreeSet<Endpoint>,
    /// Without a user since the last look.
    left: BTreeSet<Endpoint>,
    /// Those that failed: mostly none, and nobody looks through all for one.
    failed: BTreeSet<Endpoint>,
}

impl Sockets {
    /// `id` uses `endpoint`; its condition.
    pub(super) fn attach(&mut self, id: Id, endpoint: &Endpoint) -> &State {
        let wanted = &mut self.wanted;
        let entry = self.endpoints.entry(endpoint.clone()).or_insert_with(|| {
            wanted.insert(endpoint.clone());
            Entry { state: State::Opening, users: BTreeSet::new() }
        });
        entry.users.insert(id);
        let used = self.used.entry(id).or_default();
        if !used.contains(endpoint) {
            used.reserve_exact(1);
            used.push(endpoint.clone());
        }
        &entry.state
    }

    /// `id` uses none but `kept`.
    pub(super) fn keep(&mut self, id: Id, kept: &[&Endpoint]) {
        let Some(used) = self.used.get_mut(&id) else { return };
        let go: Vec<Endpoint> = used.extract_if(.., |endpoint| !kept.contains(&&*endpoint)).collect();
        for endpoint in go {
            if let Some(entry) = self.endpoints.get_mut(&endpoint) {
                entry.users.remove(&id);
                if entry.users.is_empty() {
                    self.left.insert(endpoint);
                }
            }
        }
        if kept.is_empty() {
            self.used.remove(&id);
        }
    }

    /// Who uses `endpoint`.
    pub(super) fn users(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Id> {
        self.endpoints.get(endpoint).into_iter().flat_map(|entry| &entry.users)
    }

    /// Whether `id` uses it.
    pub(super) fn is_user(&self, endpoint: &Endpoint, id: Id) -> bool {
        self.endpoints.get(endpoint).is_some_and(|entry| entry.users.contains(&id))
    }

    pub(super) fn state(&self, endpoint: &Endpoint) -> Option<&State> {
        self.endpoints.get(endpoint).map(|entry| &entry.state)
    }

    pub(super) fn opened(&mut self, endpoint: &Endpoint) {
        if let Some(entry) = self.endpoints.get_mut(endpoint) {
            entry.state = State::Open;
            self.failed.remove(endpoint);
        }
    }

    pub(super) fn failed(&mut self, now: Instant, endpoint: &Endpoint, why: String) {
        if let Some(entry) = self.endpoints.get_mut(endpoint) {
            entry.state = State::Failed { why, again: now + RETRY };
            self.failed.insert(endpoint.clone());
        }
    }

    /// When failed ones are tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        let again = |endpoint: &Endpoint| match self.state(endpoint)? {
            State::Failed { again, .. } => Some(*again),
            State::Opening | State::Open => None,
        };
        self.failed.iter().filter_map(again).min()
    }

    /// Those that are due are to be opened once more; until the answer is there, they stay failed.
    pub(super) fn timer(&mut self, now: Instant) {
        for endpoint in &self.failed {
            if let Some(Entry { state: State::Failed { again, .. }, .. }) = self.endpoints.get_mut(endpoint)
                && *again <= now
            {
                *again = now + RETRY;
                self.wanted.insert(endpoint.clone());
            }
        }
    }

    /// Endpoints to be opened since the last call.
    pub(super) fn take_wanted(&mut self) -> BTreeSet<Endpoint> {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.retain(|endpoint| self.endpoints.contains_key(endpoint));
        wanted
    }

    /// Endpoints to be closed since the last call: nobody uses them.
    pub(super) fn take_unused(&mut self) -> Vec<Endpoint> {
        let left = std::mem::take(&mut self.left);
        let unused =
            |endpoint: &Endpoint| self.endpoints.get(endpoint).is_some_and(|entry| entry.users.is_empty());
        let closed: Vec<Endpoint> = left.into_iter().filter(unused).collect();
        for endpoint in &closed {
            self.endpoints.remove(endpoint);
            self.failed.remove(endpoint);
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(last: u8) -> Endpoint {
        Endpoint { index: 1, interface: None, local: IpAddr::from([10, 0, 0, last]), ah: false }
    }

    #[test]
    fn those_that_failed_are_tried_again_and_no_others() {
        let now = Instant::now();
        let mut sockets = Sockets::default();
        for last in 1..=3 {
            sockets.attach(Id(last.into()), &endpoint(last));
        }
        assert_eq!(sockets.take_wanted().len(), 3);
        sockets.opened(&endpoint(1));
        sockets.failed(now, &endpoint(2), "no".into());
        sockets.failed(now + RETRY / 2, &endpoint(3), "no".into());
        assert_eq!(sockets.next(), Some(now + RETRY));
        sockets.timer(now + RETRY);
        assert_eq!(sockets.take_wanted(), [endpoint(2)].into());
        assert_eq!(sockets.next(), Some(now + RETRY * 3 / 2));
        // One that opens, and one that nobody needs any more.
        sockets.opened(&endpoint(3));
        assert_eq!(sockets.next(), Some(now + RETRY * 2));
        sockets.keep(Id(2), &[]);
        assert_eq!(sockets.take_unused(), [endpoint(2)]);
        assert_eq!(sockets.next(), None);
        // It begins anew.
        sockets.attach(Id(2), &endpoint(2));
        sockets.timer(now + RETRY * 9);
        assert_eq!(sockets.take_wanted(), [endpoint(2)].into());
        assert_eq!(sockets.state(&endpoint(2)), Some(&State::Opening));
    }
}
