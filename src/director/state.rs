//! What the daemon is doing: the one view that its status line, and whatever else shows it, is made of.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::bfd::packet;
use crate::bfd::session;
use crate::check::checks;
use crate::pool;
use crate::track::Fault;
use crate::vrrp::event;
use crate::vrrp::instance;

/// A view of the whole daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// Where the configuration in force comes from.
    pub(super) source: Source,
    /// Every instance.
    pub(super) instances: Arc<Vec<instance::Snapshot>>,
    /// All virtual servers together: counted as they change, since a storm of verdicts shows this again and again.
    pub(super) services: pool::Totals,
    /// All checks together, counted likewise.
    pub(super) checks: checks::Totals,
    /// Every BFD session.
    pub(super) sessions: Vec<session::Snapshot>,
    /// What is configured and does not run.
    pub(super) not_running: Vec<NotRunning>,
    /// Why the last reload was refused; `None`: it was not.
    pub(super) refused: Option<String>,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Source {
    /// The file.
    pub(super) file: String,
    /// What runs in the place of the file as it stands, and why.
    pub(super) instead: Option<String>,
}

/// Something that is configured and does not run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct NotRunning {
    /// `VI_1`, `vrrp_instance VI_1`, `the virtual servers`.
    pub(super) what: String,
    /// `does not run: interface eth9 does not exist`.
    pub(super) why: String,
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.why)
    }
}

/// Instances that cannot run on this machine as it is: their interface does not exist. It may come.
pub(super) fn without_interface(instances: &[instance::Snapshot]) -> BTreeSet<NotRunning> {
    let cannot = |instance: &instance::Snapshot| {
        let missing = instance.faults.iter().find(|fault| matches!(fault, Fault::InterfaceMissing(_)))?;
        Some(NotRunning { what: instance.name.clone(), why: format!("does not run: {missing}") })
    };
    instances.iter().filter_map(cannot).collect()
}

impl fmt::Display for State {
    /// `VI_1 MASTER; 2 virtual servers, 3 of 4 real servers up`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        if self.refused.is_some() {
            parts.push("reload refused, see the log".to_owned());
        }
        parts.extend(self.source.instead.clone());
        let shown: BTreeSet<&str> = self.not_running.iter().map(|one| one.what.as_str()).collect();
        for instance in self.instances.iter().filter(|instance| !shown.contains(instance.name.as_str())) {
            let why: Vec<String> = match instance.state {
                event::State::Fault => instance.faults.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            };
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
            parts.push(format!("{} {}{why}", instance.name, instance.state));
        }
        parts.extend(self.not_running.iter().map(ToString::to_string));
        let pool::Totals { services, up, servers } = self.services;
        if services > 0 {
            let word = if services == 1 { "virtual server" } else { "virtual servers" };
            parts.push(format!("{services} {word}, {up} of {servers} real servers up"));
        }
        if !self.sessions.is_empty() {
            let up = self.sessions.iter().filter(|session| session.state == packet::State::Up).count();
            let word = if self.sessions.len() == 1 { "BFD session" } else { "BFD sessions" };
            parts.push(format!("{up} of {} {word} up", self.sessions.len()));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, state: event::State, faults: Vec<Fault>) -> instance::Snapshot {
        instance::Snapshot {
            contributions: Vec::new(),
            missing: Vec::new(),
            name: name.to_owned(),
            state,
            since: None,
            hands_over: false,
            why: None,
            rival: None,
            resumes: false,
            holds_back: false,
            priority: 100,
            faults,
            master: None,
            source: None,
            times: instance::Times::default(),
            stats: instance::Stats::default(),
        }
    }

    #[test]
    fn one_line() {
        let mut state = State {
            instances: Arc::new(vec![instance("VI_1", event::State::Master, Vec::new())]),
            services: pool::Totals { services: 1, up: 2, servers: 2 },
            ..State::default()
        };
        assert_eq!(state.to_string(), "VI_1 MASTER; 1 virtual server, 2 of 2 real servers up");
        let gone = Fault::InterfaceMissing("eth9".to_owned());
        Arc::make_mut(&mut state.instances).push(instance("VI_2", event::State::Fault, vec![gone]));
        let down = Fault::InterfaceDown("eth1".to_owned());
        Arc::make_mut(&mut state.instances).push(instance("VI_3", event::State::Fault, vec![down]));
        state.not_running.extend(without_interface(&state.instances));
        state.services = pool::Totals { services: 2, up: 3, servers: 4 };
        state.refused = Some("it has errors".to_owned());
        assert_eq!(
            state.to_string(),
            "reload refused, see the log; VI_1 MASTER; VI_3 FAULT (interface eth1 down); VI_2 does not run: \
             interface eth9 does not exist; 2 virtual servers, 3 of 4 real servers up"
        );
    }

    /// The one whose source is not here yet is named.
    #[test]
    fn sessions_are_counted_and_those_that_wait_are_named() {
        use crate::bfd::event::Refusal;
        use crate::bfd::session::{Input, Machine};
        use crate::config::model::BfdInstance;
        use std::net::IpAddr;
        let mut waiting = Machine::new(BfdInstance::new("P", IpAddr::from([10, 0, 0, 2])), 1, 1);
        let why = Refusal::NotHere(IpAddr::from([10, 0, 0, 1]));
        waiting.handle(std::time::Instant::now(), Input::Refused(why), &mut Vec::new());
        let other = Machine::new(BfdInstance::new("Q", IpAddr::from([10, 0, 0, 3])), 2, 1).snapshot();
        let sessions = vec![waiting.snapshot(), session::Snapshot { state: packet::State::Up, ..other }];
        let not_running = super::super::sessions::waiting(&sessions).collect();
        let state = State { sessions, not_running, ..State::default() };
        assert_eq!(
            state.to_string(),
            "bfd_instance P does not run: its `source_ip` 10.0.0.1 is no address of this host; 1 of 2 BFD sessions up"
        );
    }

    #[test]
    fn it_can_be_shown_by_others() {
        let services = pool::Totals { services: 1, up: 1, servers: 2 };
        let state = State { services, ..State::default() };
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!(json["services"]["up"], 1);
        assert_eq!(json["source"]["instead"], serde_json::Value::Null);
    }
}
