//! From what the VRRP thread reports to what scripts, FIFOs and recipients of mails are told; and from what the pools
//! report to what is mailed.

use crate::mail::alert::{Cause, Occasion};
use crate::notify::{State, Subject, What};
use crate::pool::{self, Telling};
use crate::vrrp::event::{self, Event, Why};
use crate::vrrp::node::Report;

/// What is told of a report: of whom, what, and with which priority; `None`: nothing.
pub(super) fn notice(report: &Report) -> Option<(Subject, What, u8)> {
    if let Event::Group { group, to, removed, .. } = &report.event {
        let state = match to {
            event::State::Master => State::Master,
            event::State::Backup => State::Backup,
            event::State::Fault => State::Fault,
            // Its members go on, or tell of their end themselves.
            event::State::Init if *removed => return None,
            event::State::Init => State::Stop,
        };
        return Some((Subject::Group(group.clone()), What::Entered(state), 0));
    }
    if let Event::GroupResumed { group } = &report.event {
        return Some((Subject::Group(group.clone()), What::Resumed, 0));
    }
    let (what, priority) = of_instance(&report.event)?;
    Some((Subject::Instance(report.instance.clone()?), what, priority))
}

/// A state that is told, as a mail tells of it.
pub(super) fn entered(subject: &Subject, state: State) -> Option<Occasion> {
    match subject.clone() {
        Subject::Instance(name) => Some(Occasion::Instance { name, state }),
        Subject::Group(name) => Some(Occasion::Group { name, state }),
        Subject::Service(_) | Subject::Server { .. } => None,
    }
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
        Event::Resumed { priority } => Some((What::Resumed, *priority)),
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

/// Of whom scripts and FIFOs are told, and what.
pub(super) fn told(telling: Telling) -> (Subject, What) {
    let service = telling.service.to_string();
    let subject = match telling.server {
        Some(server) => Subject::Server { service, server },
        None => Subject::Service(service),
    };
    (subject, What::Serves(telling.up))
}

/// What is mailed of a server with `omega` when the daemon stops.
pub(super) fn last_occasion(telling: &Telling) -> Occasion {
    let (service, up) = (telling.service.to_string(), telling.up);
    match &telling.server {
        Some(server) => Occasion::Server { service, server: server.clone(), up, cause: Cause::Stopped },
        None => Occasion::Quorum { service, up, how: "Shutting down".to_owned() },
    }
}

/// What is mailed of an event of the pools. What a check does is mailed as that of the check.
pub(super) fn occasion(event: &pool::Event) -> Option<Occasion> {
    use pool::Event;
    let (service, up) = match event {
        Event::QuorumGained { service, .. } => (service, true),
        Event::QuorumLost { service, .. } | Event::QuorumDownAtStart { service, .. } => (service, false),
        Event::ServerGone { service, server } => {
            let (service, server) = (service.to_string(), server.clone());
            return Some(Occasion::Server { service, server, up: false, cause: Cause::Removed });
        }
        _ => return None,
    };
    let (line, service) = (event.to_string(), service.to_string());
    let how = line.strip_suffix(&format!(" for VS {service}")).unwrap_or(&line).to_owned();
    Some(Occasion::Quorum { service, up, how })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pools_say_of_quorum_and_removal_is_mailed() {
        use crate::config::model::VirtualServerName;
        let service = VirtualServerName::Group("web".to_owned(), 0);
        let lost = pool::Event::QuorumLost { service: service.clone(), quorum: 2, hysteresis: 1, weight: 0 };
        let how = "Lost quorum 2-1=1 > 0".to_owned();
        let of = "[web]:0".to_owned();
        assert_eq!(occasion(&lost), Some(Occasion::Quorum { service: of.clone(), up: false, how }));
        let server = "[10.0.1.1]:tcp:80".to_owned();
        let gone = pool::Event::ServerGone { service: service.clone(), server: server.clone() };
        let cause = Cause::Removed;
        assert_eq!(
            occasion(&gone),
            Some(Occasion::Server { service: of, server: server.clone(), up: false, cause })
        );
        assert_eq!(occasion(&pool::Event::ServerDown { service, server, inhibit: false }), None);
    }

    #[test]
    fn each_state_is_told_once() {
        use crate::track::Weighed;
        use crate::vrrp::event::State as Vrrp;
        let told = |from, to, why| of_instance(&Event::Transition { from, to, why, priority: 7 });
        let entered = |state| Some((What::Entered(state), 7));
        assert_eq!(told(Vrrp::Init, Vrrp::Backup, Why::Start), entered(State::Backup));
        assert_eq!(told(Vrrp::Backup, Vrrp::Master, Why::MasterStopped), entered(State::Master));
        assert_eq!(told(Vrrp::Master, Vrrp::Fault, Why::Faults(Vec::new())), entered(State::Fault));
        assert_eq!(told(Vrrp::Fault, Vrrp::Fault, Why::Faults(Vec::new())), None);
        assert_eq!(told(Vrrp::Init, Vrrp::Init, Why::Stop), entered(State::Stop));
        assert_eq!(told(Vrrp::Master, Vrrp::Init, Why::NoLongerConfigured), entered(State::Deleted));
        let weighed = |state| {
            let to = Weighed { base: 9, contributions: Vec::new(), effective: 9 };
            of_instance(&Event::Priority { from: 7, state, to })
        };
        assert_eq!(weighed(Vrrp::Master), Some((What::Priority { master: true }, 9)));
        assert_eq!(weighed(Vrrp::Fault), Some((What::Priority { master: false }, 9)));
        assert_eq!(weighed(Vrrp::Init), None);
        assert_eq!(of_instance(&Event::Resumed { priority: 9 }), Some((What::Resumed, 9)));
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
        assert_eq!(told(Vrrp::Init, true), None, "its members stay what they are");
    }
}
