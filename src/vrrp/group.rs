//! What the members of a sync group have in common: who may lead, and the state of the group.
//!
//! Pure, and without a memory of its own: the members' present facts decide, so no order of events can leave a group
//! apart. keepalived's rules: all are MASTER or none is; one fault is everybody's.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::track::{Fault, Others};

use super::event::State;

/// What a member shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: State,
    /// It would be master, were it alone.
    pub(crate) is_ready: bool,
    /// How long a successor takes at most.
    pub(crate) take_over: Duration,
    /// What it suffers itself; `None`: it has not been looked at yet.
    pub(crate) faults: Option<&'a BTreeSet<Fault>>,
}

/// What `name` sees of the others among `members`. `owners`: all of them own their addresses.
pub(crate) fn others<'a>(name: &str, owners: bool, members: impl IntoIterator<Item = Member<'a>>) -> Others {
    let mut others = Others { owners, ..Others::default() };
    for member in members.into_iter().filter(|member| member.name != name) {
        others.take_over = others.take_over.max(member.take_over);
        match member.faults {
            Some(faults) if faults.is_empty() => {}
            Some(faults) if faults.iter().any(|fault| !fault.is_pending()) => {
                others.faulty.insert(member.name.to_owned());
            }
            _ => drop(others.pending.insert(member.name.to_owned())),
        }
    }
    others
}

/// Whether everybody who is not master would be.
pub(crate) fn may_lead<'a>(members: impl IntoIterator<Item = Member<'a>>) -> bool {
    members.into_iter().all(|member| member.state == State::Master || member.is_ready)
}

/// The state of a group that was in the state `before`. A member that a reload adds to a MASTER joins it without
/// another state in between.
pub(crate) fn state<'a>(before: State, members: impl IntoIterator<Item = Member<'a>>) -> State {
    let states: BTreeSet<State> = members.into_iter().map(|member| member.state).collect();
    let has = |state| states.contains(&state);
    if has(State::Fault) {
        State::Fault
    } else if has(State::Master) && (states.len() == 1 || before == State::Master) {
        State::Master
    } else if has(State::Backup) || has(State::Master) {
        State::Backup
    } else {
        State::Init
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, state: State) -> Member<'_> {
        Member { name, state, is_ready: false, take_over: Duration::ZERO, faults: None }
    }

    #[test]
    fn a_group_is_what_all_of_its_members_are() {
        use State::{Backup, Fault, Init, Master};
        let cases = [
            (Init, [Backup, Backup], Backup),
            (Backup, [Master, Master], Master),
            (Backup, [Master, Backup], Backup),
            (Master, [Master, Backup], Master),
            (Master, [Backup, Backup], Backup),
            (Master, [Master, Fault], Fault),
            (Fault, [Backup, Backup], Backup),
            (Master, [Init, Init], Init),
            (Init, [Init, Backup], Backup),
        ];
        for (before, states, expected) in cases {
            let members = states.map(|state| member("A", state));
            assert_eq!(state(before, members), expected, "{before} {states:?}");
        }
    }

    #[test]
    fn nobody_leads_before_all_would() {
        let ready = |name, is_ready| Member { is_ready, ..member(name, State::Backup) };
        assert!(!may_lead([ready("A", true), ready("B", false)]));
        assert!(may_lead([ready("A", true), ready("B", true)]));
        assert!(may_lead([ready("A", true), member("B", State::Master)]));
    }

    #[test]
    fn the_others_see_who_suffers_and_who_waits() {
        let down: BTreeSet<Fault> = [Fault::InterfaceDown("eth1".into())].into();
        let waits: BTreeSet<Fault> = [Fault::ScriptPending("chk".into())].into();
        let well = BTreeSet::new();
        let seen = |faults: [Option<&BTreeSet<Fault>>; 3]| {
            let names = ["A", "B", "C"].into_iter().zip(faults);
            let members = names.map(|(name, faults)| Member { faults, ..member(name, State::Backup) });
            let seen = others("A", false, members);
            let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
            (list(seen.faulty), list(seen.pending))
        };
        let pair = |faulty: &str, pending: &str| (faulty.to_owned(), pending.to_owned());
        assert_eq!(seen([None, Some(&down), Some(&well)]), pair("B", ""));
        assert_eq!(seen([Some(&down), Some(&well), Some(&well)]), pair("", ""));
        assert_eq!(seen([None, Some(&waits), None]), pair("", "B C"));
    }
}
