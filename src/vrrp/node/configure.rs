//! Start, reload and stop: which instances go, stay and come.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::config::model::{Instance, TrackGroup};
use crate::net::object::Key;
use crate::track::{Conditions, carriers, tracked_interfaces};
use crate::vrrp::event::{Event, State};
use crate::vrrp::instance::{self, Machine};

use super::identity::{Identity, identify};
use super::needs::{Needs, Setup, devices, devices_of_statics};
use super::restart::whole;
use super::{Action, Id, Node, Phase, Running};

impl Node {
    /// An instance that is equal in both configurations is not touched.
    pub(super) fn configure(&mut self, now: Instant, setup: Setup, out: &mut Vec<Action>) {
        let Setup { instances, groups, statics, pacing, filter, delay, resumes, .. } =
            self.settings(setup.complete());
        (self.statics, self.pacing, self.packet_filter) = (statics, pacing, filter);
        let first = self.phase == Phase::Blind && self.last_id == 0;
        if first {
            self.resumes = whole(resumes, &groups, &instances);
        }
        // The others would take over while it waits.
        if first && !delay.is_zero() && self.resumes.is_empty() {
            self.starts_at = Some(now + delay);
            self.report(None, Event::StartDelayed { delay }, out);
        }
        self.note_statics();
        self.tuning.look_again();
        let name = |id: &Id| self.instances.get(id).map_or("", |one| one.machine.config().name.as_str());
        let running = self.identities.iter().map(|(identity, id)| (identity, name(id)));
        let wanted = identify(instances, running);
        let gone = |(identity, id): (&Identity, &Id)| (!wanted.contains_key(identity)).then_some(*id);
        for id in self.identities.iter().filter_map(gone).collect::<Vec<Id>>() {
            self.remove(now, id, out);
        }
        let (mut ids, mut stay) = (BTreeMap::new(), Vec::new());
        for (identity, config) in &wanted {
            let id = match self.identities.get(identity).copied() {
                None => self.insert(now, identity.clone(), config.clone(), out),
                Some(id) => {
                    stay.push((id, config.clone()));
                    id
                }
            };
            ids.insert(config.name.as_str(), (id, config.priority));
        }
        self.note_groups(&groups, &ids, out);
        for (id, config) in stay {
            self.reconfigure(now, id, config, out);
        }
        // What passes from an instance to the static objects, or the other way, is wanted all the time.
        self.resolve(Id::STATIC, out);
        self.resumes.clear();
        if self.phase == Phase::Blind && self.kernel.is_current() {
            self.read(out);
        }
    }

    /// Takes what is about interfaces and sockets out of it.
    fn settings(&mut self, setup: Setup) -> Setup {
        self.carriers.configure(&setup.link_delays, setup.instances.iter());
        self.buffers = setup.buffers.clone();
        self.log_unknown = setup.log_unknown;
        let members = |group: &TrackGroup| (group.name.clone(), group.members.iter().cloned().collect());
        self.track_groups = setup.track_groups.iter().map(members).collect();
        self.touch_track_groups();
        setup
    }

    fn insert(&mut self, now: Instant, identity: Identity, config: Instance, out: &mut Vec<Action>) -> Id {
        self.last_id += 1;
        let id = Id(self.last_id);
        let mut machine = Machine::new(config);
        let left = self.resumes.remove(&machine.config().name);
        if let Some(left) = left {
            machine.resume(left);
            self.resuming.insert(id);
        }
        let running = Box::new(Running {
            machine,
            held: false,
            covered: false,
            told: None,
            own_faults: None,
            endpoint: None,
            objects: Needs::default(),
            due: None,
            announce: 0,
        });
        self.instances.insert(id, running);
        self.identities.insert(identity, id);
        self.note_interests(id);
        self.resolve(id, out);
        self.touched.insert(id);
        if left.is_some() {
            // Its time runs.
            self.feed(now, id, instance::Input::Timer, out);
        }
        id
    }

    fn reconfigure(&mut self, now: Instant, id: Id, config: Instance, out: &mut Vec<Action>) {
        let Some(running) = self.instances.get(&id) else { return };
        if *running.machine.config() == config {
            return;
        }
        // What its sockets, the kernel's answers and its group say of it is worked out at the end of the turn.
        let told = running.told.as_ref().map(|told| Conditions {
            deaf: told.deaf.clone(),
            refused: told.refused.clone(),
            group: told.group.clone(),
            ..self.conditions(&config).0
        });
        self.forget_interests(id);
        if let Some(running) = self.instances.get_mut(&id) {
            running.told.clone_from(&told);
        }
        self.feed(now, id, instance::Input::Reconfigure(Box::new(config), told), out);
        self.note_interests(id);
        self.resolve(id, out);
        self.touched.insert(id);
    }

    fn remove(&mut self, now: Instant, id: Id, out: &mut Vec<Action>) {
        self.feed(now, id, instance::Input::Remove, out);
        self.forget_interests(id);
        let Some(running) = self.instances.remove(&id) else { return };
        if let Some(due) = running.due {
            self.due.remove(&(due, id));
        }
        self.sockets.keep(id, &[]);
        self.identities.retain(|_, other| *other != id);
        self.touched.remove(&id);
        self.resuming.remove(&id);
        self.announcing.remove(&id);
        self.waiting.forget(id);
        self.rewatch = true;
        let keys: Vec<Key> = running.objects.keys().cloned().collect();
        self.let_go(id, &keys);
        self.hold_together(keys, out);
    }

    pub(super) fn stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        // The second time it is for those that still lead.
        let again = std::mem::replace(&mut self.stops, true);
        let ended = |running: &Running| running.machine.state() == State::Init;
        let ids = self.instances.iter().filter(|(_, running)| !again || !ended(running)).map(|(id, _)| *id);
        let ids: Vec<Id> = ids.collect();
        // Before the tables are read nothing can be taken away: what an earlier process left goes then, and nobody starts.
        if self.phase != Phase::Blind {
            self.phase = Phase::HandingOver;
        }
        for id in ids {
            self.feed(now, id, instance::Input::Stop, out);
        }
        self.starts_at = None;
    }

    /// Nobody leads any more: what all of them stood on goes, too.
    pub(super) fn end_when_handed_over(&mut self, out: &mut Vec<Action>) {
        let leads = |running: &Running| running.machine.state() != State::Init;
        if self.phase != Phase::HandingOver || self.instances.values().any(|running| leads(running)) {
            return;
        }
        self.phase = Phase::Stopping;
        out.extend(std::mem::take(&mut self.farewells).into_values().map(Action::Report));
        self.tuning.look_again();
        let kept: Vec<Key> = std::mem::take(&mut self.kept).keys().cloned().collect();
        self.want(kept);
    }

    /// Remembers by what an instance is to be found when the kernel tells of a change.
    fn note_interests(&mut self, id: Id) {
        let Some(running) = self.instances.get(&id) else { return };
        let config = running.machine.config();
        let tracked = tracked_interfaces(config).cloned().chain(config.interface.clone());
        let vmacs = config.vmacs.iter().flat_map(|vmac| [vmac.name.clone(), vmac.base.clone()]);
        let names = carriers(config).into_iter().chain(devices(config)).chain(tracked).chain(vmacs);
        for name in names {
            self.interfaces.entry(name.to_string()).or_default().insert(id);
        }
        self.vrids.entry(config.vrid.number()).or_default().insert(id);
        if let Some(source) = config.transport.source {
            self.sources.entry(source).or_default().insert(id);
        }
    }

    fn note_statics(&mut self) {
        self.forget_interests(Id::STATIC);
        for name in devices_of_statics(&self.statics) {
            self.interfaces.entry(name.to_string()).or_default().insert(Id::STATIC);
        }
    }

    fn forget_interests(&mut self, id: Id) {
        self.interfaces.retain(|_, ids| {
            ids.remove(&id);
            !ids.is_empty()
        });
        self.vrids.retain(|_, ids| {
            ids.remove(&id);
            !ids.is_empty()
        });
        self.sources.retain(|_, ids| {
            ids.remove(&id);
            !ids.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use super::*;
    use crate::config::model::{InterfaceName, Priority, VirtualAddress, Vrid};
    use crate::net::kernel::{Change, LinkState, Reading};
    use crate::net::object::{Address, Object, Operation};
    use crate::vrrp::node::{Claim, Input};

    /// Whoever is told to stop before the first tables are read starts nobody, and leaves nothing of a process before it.
    #[test]
    fn a_stop_before_the_first_reading_holds() {
        let now = Instant::now();
        let virtual_address = IpAddr::from([10, 0, 0, 9]);
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(7).unwrap());
        config.priority = Priority::OWNER;
        config.addresses = vec![VirtualAddress::new(virtual_address, 32)];
        let link = LinkState::ethernet("eth0");
        let own =
            Object::Address(Address { protocol: 0, ..Address::new(1, IpAddr::from([10, 0, 0, 1]), 24) });
        let left = Object::Address(Address::new(1, virtual_address, 32));
        let found = vec![Change::Link(1, link), Change::Added(own), Change::Added(left.clone())];
        let claim = Claim::Address { interface: "eth0".into(), address: virtual_address, prefix: 32 };
        let mut node = Node::new(BTreeSet::from([claim]));
        let mut feed = |input: Input| {
            let mut actions = Vec::new();
            node.handle(now, input, &mut actions);
            (actions, node.machines().all(|machine| machine.state() == State::Init), node.is_quiet())
        };
        feed(Input::Configure(Box::new(vec![config].into())));
        let (_, ended, quiet) = feed(Input::Stop);
        assert!(ended && !quiet, "what is there is not known");
        let (actions, ended, quiet) = feed(Input::Read(Ok(Reading { found, complete: true })));
        assert!(ended && !quiet);
        let asks = actions.into_iter().filter(|action| !matches!(action, Action::Report(_)));
        assert_eq!(asks.collect::<Vec<_>>(), [Action::Change(vec![Operation::Remove(left.clone())])]);
        let (actions, ended, quiet) = feed(Input::Changed(vec![(Operation::Remove(left), 0)]));
        assert_eq!((actions, ended, quiet), (Vec::new(), true, true));
        assert_eq!(**node.claims(), BTreeSet::new());
    }
}
