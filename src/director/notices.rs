//! From what the VRRP thread reports to what scripts and FIFOs are told.

use crate::notify::{State, What};
use crate::vrrp::event::{self, Event, Why};

/// What is told of an event, and with which priority; `None`: nothing.
pub(super) fn notice(event: &Event) -> Option<(What, u8)> {
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
        let told = |from, to, why| notice(&Event::Transition { from, to, why, priority: 7 });
        let entered = |state| Some((What::Entered(state), 7));
        assert_eq!(told(Vrrp::Init, Vrrp::Backup, Why::Start), entered(State::Backup));
        assert_eq!(told(Vrrp::Backup, Vrrp::Master, Why::MasterStopped), entered(State::Master));
        assert_eq!(told(Vrrp::Master, Vrrp::Fault, Why::Faults(Vec::new())), entered(State::Fault));
        assert_eq!(told(Vrrp::Fault, Vrrp::Fault, Why::Faults(Vec::new())), None);
        assert_eq!(told(Vrrp::Init, Vrrp::Init, Why::Stop), entered(State::Stop));
        assert_eq!(told(Vrrp::Master, Vrrp::Init, Why::NoLongerConfigured), entered(State::Deleted));
        let source = std::net::IpAddr::from([10, 0, 0, 1]);
        let lower = notice(&Event::LowerPriority { source, ours: 9 });
        assert_eq!(lower, Some((What::LowerPriority, 9)));
    }
}
