//! Sync groups: what becomes of one member is fed to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::config::model::{Priority, SyncGroup};
use crate::track::{Fault, Others};
use crate::vrrp::event::{Event, State};
use crate::vrrp::group::{self, Member};
use crate::vrrp::instance::{self, Machine};

use super::{Action, Id, Node, Report};

/// A group, and the state that was told of it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    members: Vec<Id>,
    /// All members own their addresses.
    owners: bool,
    state: State,
    /// A member has waited for the first result of a script.
    waited: bool,
    /// The member that leads the others in this turn.
    leader: Option<Id>,
}

/// What a member was before it was fed.
#[derive(Debug, Clone)]
pub(super) struct Before {
    group: String,
    state: State,
    resuming: bool,
}

impl Before {
    /// Whether it is that still.
    pub(super) fn is(&self, machine: &Machine) -> bool {
        (self.state, self.resuming) == (machine.state(), machine.is_resuming())
    }
}

/// What a member asks of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To lead.
    Lead,
    /// That nobody leads: it follows another master.
    Follow,
}

impl Node {
    /// The groups of a start or reload. `ids`: the instances that run, by name. Of two groups that name one instance the
    /// first has it, as in keepalived.
    pub(super) fn note_groups(
        &mut self,
        groups: &[SyncGroup],
        ids: &BTreeMap<&str, (Id, Priority)>,
        out: &mut Vec<Action>,
    ) {
        let mut old = std::mem::take(&mut self.groups);
        self.group_of.clear();
        for wanted in groups {
            let mut members = Vec::new();
            let mut owners = true;
            for (id, priority) in wanted.members.iter().filter_map(|name| ids.get(name.as_str())) {
                if !self.group_of.contains_key(id) {
                    self.group_of.insert(*id, wanted.name.clone());
                    owners &= *priority == Priority::OWNER;
                    members.push(*id);
                }
            }
            let before = old.remove(&wanted.name);
            let state = before.as_ref().map_or(State::Init, |group| group.state);
            let waited = before.as_ref().is_some_and(|group| group.waited);
            let leader = before.as_ref().and_then(|group| group.leader);
            let group = Group { members, owners, state, waited, leader };
            if before.as_ref() != Some(&group) {
                self.touched.extend(before.into_iter().flat_map(|group| group.members));
                self.touched.extend(group.members.iter().copied());
            }
            self.groups.insert(wanted.name.clone(), group);
            self.regroup.insert(wanted.name.clone());
        }
        for (name, group) in old {
            self.touched.extend(group.members);
            if group.state != State::Init {
                let event = Event::Group { group: name, from: group.state, to: State::Init, removed: true };
                out.push(Action::Report(Report { instance: None, event }));
            }
        }
        self.touched.retain(|id| self.instances.contains_key(id) || *id == Id::STATIC);
    }

    /// What an instance sees of its group; `None`: it is in none.
    pub(super) fn others(&self, id: Id) -> Option<Others> {
        let group = self.groups.get(self.group_of.get(&id)?)?;
        let name = &self.instances.get(&id)?.machine.config().name;
        Some(group::others(name, group.owners, self.members(group)))
    }

    /// The faults of a member are others than before. As in keepalived the first one that suffers leads the others, and
    /// the last one that has recovered. `is_first`: nothing was known of it before.
    pub(super) fn lead(&mut self, id: Id, is_first: bool) {
        let Some(group) = self.group_of.get(&id).and_then(|name| self.groups.get_mut(name)) else { return };
        let faults = self.instances.get(&id).and_then(|running| running.own_faults.as_ref());
        group.waited |= faults.is_some_and(|faults| faults.iter().any(Fault::is_pending));
        let is_well = faults.is_none_or(BTreeSet::is_empty);
        if !is_first && (is_well || group.leader.is_none()) {
            group.leader = Some(id);
        }
    }

    /// Those that lead their groups in this turn.
    pub(super) fn take_leaders(&mut self) -> BTreeSet<Id> {
        self.groups.values_mut().filter_map(|group| group.leader.take()).collect()
    }

    /// The other members of its group.
    pub(super) fn companions(&self, id: Id) -> Vec<Id> {
        let group = self.group_of.get(&id).and_then(|name| self.groups.get(name));
        let members = group.into_iter().flat_map(|group| &group.members);
        members.copied().filter(|other| *other != id).collect()
    }

    fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = Member<'a>> {
        let running = group.members.iter().filter_map(|id| self.instances.get(id));
        running.map(|running| Member {
            name: &running.machine.config().name,
            state: running.machine.state(),
            is_ready: running.machine.is_ready(),
            take_over: running.machine.longest_take_over(),
            faults: running.own_faults.as_ref(),
        })
    }

    /// `None`: it is in no group.
    pub(super) fn before(&self, id: Id) -> Option<Before> {
        let group = self.group_of.get(&id)?.clone();
        let machine = &self.instances.get(&id)?.machine;
        Some(Before { group, state: machine.state(), resuming: machine.is_resuming() })
    }

    /// Feeds the others what became of a member.
    pub(super) fn after(
        &mut self,
        now: Instant,
        id: Id,
        before: &Before,
        wish: Option<Wish>,
        out: &mut Vec<Action>,
    ) {
        let Some(machine) = self.instances.get(&id).map(|running| &running.machine) else { return };
        let state = machine.state();
        let gave_up = before.resuming && !machine.is_resuming() && state != State::Master;
        if state != before.state {
            self.regroup.insert(before.group.clone());
        }
        let left = before.state == State::Master && state == State::Backup;
        if left || gave_up || wish == Some(Wish::Follow) {
            for other in self.companions(id) {
                self.feed(now, other, instance::Input::Yield, out);
            }
        }
        let group = self.groups.get(&before.group);
        if wish == Some(Wish::Lead) && group.is_some_and(|group| group::may_lead(self.members(group))) {
            self.feed(now, id, instance::Input::Lead, out);
            for other in self.companions(id) {
                self.feed(now, other, instance::Input::Lead, out);
            }
        }
    }

    /// Tells of groups that are in another state than at the last time. A group that starts is told before its members,
    /// later, and where they waited for a script or one suffers, the members come first, all as in keepalived. `from`: where the actions of this
    /// turn begin.
    pub(super) fn tell_groups(&mut self, from: usize, out: &mut Vec<Action>) {
        for name in std::mem::take(&mut self.regroup) {
            let Some(group) = self.groups.get(&name) else { continue };
            let to = group::state(group.state, self.members(group));
            let from_state = group.state;
            let waited = group.waited || to == State::Fault;
            if to == from_state {
                continue;
            }
            // Each of them goes on in a moment, or none does.
            if group.members.iter().any(|id| self.resuming.contains(id)) {
                self.regroup.insert(name);
                continue;
            }
            // Those that have not been looked at suffer with the others in a moment.
            let unseen = self.members(group).any(|member| member.faults.is_none());
            if from_state == State::Init && to == State::Fault && unseen {
                self.regroup.insert(name);
                continue;
            }
            let names: BTreeSet<String> = self.members(group).map(|member| member.name.to_owned()).collect();
            let has_resumed =
                |id: &Id| self.instances.get(id).is_some_and(|running| running.machine.has_resumed());
            let resumed = from_state == State::Init && group.members.iter().all(has_resumed);
            let event = match resumed {
                true => Event::GroupResumed { group: name.clone() },
                false => Event::Group { group: name.clone(), from: from_state, to, removed: false },
            };
            let report = Action::Report(Report { instance: None, event });
            let is_members = |action: &Action| match action {
                Action::Report(Report { instance: Some(name), event }) => {
                    event.is_transition() && names.contains(name)
                }
                _ => false,
            };
            let first = out.iter().skip(from).position(is_members).map(|at| from + at);
            match first.filter(|_| from_state == State::Init && !waited) {
                Some(at) => out.insert(at, report),
                None => out.push(report),
            }
            self.transitions += 1;
            if let Some(group) = self.groups.get_mut(&name) {
                group.waited = false;
                group.state = to;
            }
        }
    }
}
