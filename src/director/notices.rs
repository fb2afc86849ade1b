//! From what the VRRP thread reports to what scripts and FIFOs are told.

use crate::notify::{State, Subject, What};
use crate::vrrp::event::{self, Event, Why};
use crate::vrrp::node::Report;

/// What is told of a report: of whom, what, and with which priority; `None`: nothing.
pub(super) fn notice(report: &Report) -> Option<(Subject, What, u8)> {
    if let Event::Group { group, to, removed, .. } = &report.event {
        let state = match to {
            event::State::Master => State::Master,
            event::State::Backup => State::Backup,
            event::State::Fault => State::Fault,
            event::State::Init if *removed => State::Deleted,
            event::State::Init => State::Stop,
        };
        return Some((Subject::Group(group.clone()), What::Entered(state), 0));
    }
    let (what, priority) = of_instance(&report.event)?;
    Some((Subject::Instance(report.instance.clone()?), what, priority))
}

fn of_instance(event: &Event) -> Option<(What, u8)> {
    match event {
        Event::Transition { from, to, why, priority } => {
            let state = match (to, why) {
                // The causes are others, the state is the same.
                (event::State::Fault, _) if *from == event::State::Fault => return None,
                (event::State::Fault, _) => State::Fault,
                (event::State::Backup, _) => State::Backup,
                (event::State::Master, _) => State::Master,
                (event::State::Init, Why::NoLongerConfigured) => State::Deleted,
                (event::State::Init, _) => State::Stop,
            };
            Some((What::Entered(state), *priority))
        }
        // Before it takes part nobody knows another one.
        Event::Priority { state: event::State::Init, .. } => None,
        Event::Priority { state, to, .. } => {
            let master = *state == event::State::Master;
            Some((What::Priority { master }, to.effective))
        }
        Event::LowerPriority { ours, .. } => Some((What::LowerPriority, *ours)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_told_once() {
        use crate::vrrp::event::State as Vrrp;
        let told = |from, to, why| of_instance(&Event::Transition { from, to, why, priority: 7 });
        let entered = |state| Some((What::Entered(state), 7));
        assert_eq!(told(Vrrp::Init, Vrrp::Backup, Why::Start), entered(State::Backup));
        assert_eq!(told(Vrrp::Backup, Vrrp::Master, Why::MasterStopped), entered(State::Master));
        assert_eq!(told(Vrrp::Master, Vrrp::Fault, Why::Faults(Vec::new())), entered(State::Fault));
        assert_eq!(told(Vrrp::Fault, Vrrp::Fault, Why::Faults(Vec::new())), None);
        assert_eq!(told(Vrrp::Init, Vrrp::Init, Why::Stop), entered(State::Stop));
        assert_eq!(told(Vrrp::Master, Vrrp::Init, Why::NoLongerConfigured), entered(State::Deleted));
        let source = std::net::IpAddr::from([10, 0, 0, 1]);
        let lower = of_instance(&Event::LowerPriority { source, ours: 9 });
        assert_eq!(lower, Some((What::LowerPriority, 9)));
    }

    #[test]
    fn a_group_is_told_with_priority_0() {
        use crate::vrrp::event::State as Vrrp;
        let told = |to, removed| {
            let event = Event::Group { group: "G".into(), from: Vrrp::Backup, to, removed };
            notice(&Report { instance: None, event })
        };
        let entered = |state| Some((Subject::Group("G".into()), What::Entered(state), 0));
        assert_eq!(told(Vrrp::Master, false), entered(State::Master));
        assert_eq!(told(Vrrp::Init, false), entered(State::Stop));
        assert_eq!(told(Vrrp::Init, true), entered(State::Deleted));
    }
}
