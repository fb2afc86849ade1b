//! What of the objects changes while a configuration runs: the state of VRRP and of what it tracks.

use std::collections::BTreeMap;

use crate::track::{Facts, Standing};
use crate::vrrp::event::State;
use crate::vrrp::instance::Snapshot;

use super::super::table::Table;
use super::super::value::Value;
use super::addresses::ADDRESSES;
use super::instances::{GROUPS, INSTANCES};
use super::routes::ROUTES;
use super::rules::RULES;
use super::tracked::{FILES, PROCESSES, SCRIPTS, SESSIONS};
use super::{Configured, numbers, rfc2787, rfc6527, vrrp};

/// The state of VRRP.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// Every instance that runs.
    pub instances: &'a [Snapshot],
    /// What is tracked.
    pub facts: &'a Facts,
    /// How many processes run, by the names of what tracks them.
    pub processes: &'a BTreeMap<String, usize>,
    /// What happened to the instances, by their names.
    pub histories: &'a BTreeMap<String, History>,
}

/// What happened to an instance and is not seen of its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// Since when it takes part, in milliseconds of the monotonic clock; `None`: it does not.
    pub since: Option<u64>,
    /// Why it became master (RFC 6527): 1 its priority, 2 it replaced another one, 3 nobody was heard; 0: it is none.
    pub reason: i32,
    /// What was wrong with the last packet (RFC 6527): 1 its TTL, 2 its version, 3 its checksum; 0: nothing ever.
    pub error: i32,
}

/// VrrpState.
pub(super) fn number(state: State) -> i32 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}

impl Running<'_> {
    pub(super) fn history(&self, name: &str) -> History {
        self.histories.get(name).copied().unwrap_or_default()
    }

    pub(super) fn of(&self, name: &str) -> Option<&Snapshot> {
        self.instances.iter().find(|one| one.name == name)
    }

    /// The state that the members of a group have in common.
    fn group(&self, members: &[String]) -> State {
        let states: Vec<State> =
            members.iter().filter_map(|name| self.of(name)).map(|one| one.state).collect();
        let all = |state| !states.is_empty() && states.iter().all(|one| *one == state);
        match () {
            () if states.contains(&State::Fault) => State::Fault,
            () if all(State::Master) => State::Master,
            () if all(State::Init) || states.is_empty() => State::Init,
            () => State::Backup,
        }
    }

    /// All tables.
    #[must_use]
    pub fn tables(&self, configured: &Configured<'_>) -> Vec<Table> {
        let mut tables = Vec::new();
        if configured.parts.vrrp {
            self.instances(configured, &mut tables);
            self.tracked(configured, &mut tables);
        }
        if configured.parts.version2 {
            rfc2787::running(self, configured, &mut tables);
        }
        if configured.parts.version3 {
            rfc6527::running(self, configured, &mut tables);
        }
        tables
    }

    fn instances(&self, configured: &Configured<'_>, out: &mut Vec<Table>) {
        let mut instances = Table::new(vrrp(INSTANCES), &[4, 6, 8, 9]);
        let mut addresses = Table::new(vrrp(ADDRESSES), &[10]);
        let mut routes = Table::new(vrrp(ROUTES), &[14]);
        let mut rules = Table::new(vrrp(RULES), &[7]);
        let set = |is: bool| vec![Some(Value::truth(is))];
        (1..).zip(&configured.statics.addresses).for_each(|(at, _)| addresses.row(&[0, at], set(true)));
        (1..).zip(&configured.statics.routes).for_each(|(at, _)| routes.row(&[0, at], set(true)));
        (1..).zip(&configured.statics.rules).for_each(|(at, _)| rules.row(&[0, at], set(true)));
        for (number, instance) in configured.numbered() {
            let seen = self.of(&instance.name);
            let state = seen.map_or(State::Init, |one| one.state);
            let priority = seen.map_or(instance.priority.number(), |one| one.priority);
            let master = state == State::Master;
            let state = Some(Value::Integer(self::number(state)));
            let priority = Some(Value::Integer(priority.into()));
            instances.row(&[number], vec![state.clone(), state, priority, Some(Value::truth(master))]);
            (1..).zip(instance.all_addresses()).for_each(|(at, _)| addresses.row(&[number, at], set(master)));
            (1..).zip(&instance.routes).for_each(|(at, _)| routes.row(&[number, at], set(master)));
            (1..).zip(&instance.rules).for_each(|(at, _)| rules.row(&[number, at], set(master)));
        }
        let mut of_groups = Table::new(vrrp(GROUPS), &[3]);
        for (number, group) in numbers(configured.groups) {
            let state = self::number(self.group(&group.members));
            of_groups.row(&[number], vec![Some(Value::Integer(state))]);
        }
        out.extend([instances, addresses, routes, rules, of_groups]);
    }

    fn tracked(&self, configured: &Configured<'_>, out: &mut Vec<Table>) {
        let model = configured.model;
        let mut scripts = Table::new(vrrp(SCRIPTS), &[6]);
        for (number, script) in numbers(configured.scripts()) {
            let result = match self.facts.scripts.get(&script.name) {
                Some(Standing::Up) => 3,
                Some(Standing::Down) => 2,
                Some(Standing::Pending) | None => 1,
            };
            scripts.row(&[number], vec![Some(Value::Integer(result))]);
        }
        let mut files = Table::new(vrrp(FILES), &[4]);
        for (number, file) in numbers(&model.files) {
            let result = self.facts.files.get(&file.name).copied().unwrap_or(0);
            files.row(&[number], vec![Some(Value::Integer(result))]);
        }
        let mut sessions = Table::new(vrrp(SESSIONS), &[3]);
        for (number, session) in numbers(&model.bfd) {
            let up = self.facts.sessions.contains(&session.name);
            sessions.row(&[number], vec![Some(Value::Integer(up.into()))]);
        }
        let mut processes = Table::new(vrrp(PROCESSES), &[13, 14]);
        for (number, process) in numbers(&model.processes) {
            let running = self.processes.get(&process.name).copied().unwrap_or(0);
            let up = self.facts.processes.get(&process.name) == Some(&Standing::Up);
            processes.row(&[number], vec![Some(Value::integer(running)), Some(Value::truth(up))]);
        }
        out.extend([scripts, files, sessions, processes]);
    }
}
