//! What tracked objects do to an instance: a weight moves its priority, no weight means FAULT.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::model::{Instance, Priority, TrackFile, TrackWeight, Tracked as Line};

use super::{Carrier, Conditions, Fault, Standing, file, tracked_interfaces};

/// What one object does to the priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contribution {
    /// `script chk`.
    pub what: String,
    /// -254..=254, never 0.
    pub by: i16,
}

/// A priority, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// As configured.
    pub base: u8,
    /// What moves it.
    pub contributions: Vec<Contribution>,
    /// What goes into the adverts.
    pub effective: u8,
}

impl fmt::Display for Weighed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "base {}", self.base)?;
        self.contributions.iter().try_for_each(|one| write!(f, ", {} {:+}", one.what, one.by))?;
        let sum: i32 = self.contributions.iter().map(|one| i32::from(one.by)).sum();
        let total = i32::from(self.base) + sum;
        if total == i32::from(self.effective) { Ok(()) } else { write!(f, ", kept within 1..254") }
    }
}

/// The priority of `config` under `conditions`. That of an owner, 255, never changes.
pub fn weigh(config: &Instance, conditions: &Conditions) -> Weighed {
    let base = config.priority.number();
    let mut contributions = Vec::new();
    if config.priority != Priority::OWNER {
        contributions.extend(tracked(config, conditions).filter_map(|one| one.contribution()));
        contributions.extend(files(config, conditions).filter_map(|one| one.contribution()));
    }
    let sum: i32 = contributions.iter().map(|one| i32::from(one.by)).sum();
    let effective = match contributions.is_empty() {
        true => base,
        false => u8::try_from((i32::from(base) + sum).clamp(1, 254)).unwrap_or(base),
    };
    Weighed { base, contributions, effective }
}

/// The faults of what is tracked without a weight.
pub(super) fn tracked_faults(config: &Instance, conditions: &Conditions) -> impl Iterator<Item = Fault> {
    let files: Vec<Fault> = files(config, conditions).filter_map(|one| one.fault()).collect();
    tracked(config, conditions).filter_map(Tracked::fault).chain(files)
}

/// A tracked file, how much it counts, and its number. `None`: it has not been read yet.
struct Number<'a> {
    name: &'a str,
    weight: TrackWeight,
    number: Option<i32>,
}

fn files<'a>(config: &'a Instance, conditions: &'a Conditions) -> impl Iterator<Item = Number<'a>> {
    config.tracking.files.iter().map(|one| Number {
        name: &one.name,
        weight: one.weight.unwrap_or(TrackFile::WEIGHT),
        number: conditions.files.get(&one.name).copied().flatten(),
    })
}

impl Number<'_> {
    fn contribution(&self) -> Option<Contribution> {
        let by = file::contribution(self.number?, self.weight.number, self.weight.reverse);
        let counts = by != 0 && !file::is_fault(by);
        counts.then(|| Contribution { what: format!("file {}", self.name), by })
    }

    /// Without a weight every number but 0 is a fault; in `reverse`, 0 is.
    fn fault(&self) -> Option<Fault> {
        let TrackWeight { number: weight, reverse } = self.weight;
        let Some(number) = self.number else {
            return (weight == 0).then(|| Fault::FilePending(self.name.to_owned()));
        };
        let fails = match weight {
            0 => (number != 0) != reverse,
            weight => file::is_fault(file::contribution(number, weight, reverse)),
        };
        fails.then(|| Fault::File { name: self.name.to_owned(), number })
    }
}

/// An object, how much it counts, and how it is.
struct Tracked {
    kind: Kind,
    name: String,
    weight: TrackWeight,
    standing: Standing,
    missing: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Interface,
    Script,
    Process,
    Session,
}

fn tracked(config: &Instance, conditions: &Conditions) -> impl Iterator<Item = Tracked> {
    let weights = |name| config.tracking.interfaces.iter().find(|(other, _)| other == name);
    let interfaces = tracked_interfaces(config).filter_map(weights).map(|(name, weight)| {
        let carrier = conditions.interfaces.get(name).copied().unwrap_or(Carrier::Missing);
        let standing = if carrier == Carrier::Up { Standing::Up } else { Standing::Down };
        let missing = carrier == Carrier::Missing;
        Tracked { kind: Kind::Interface, name: name.to_string(), weight: *weight, standing, missing }
    });
    let named = |kind, line: &Line, standings: &BTreeMap<String, Standing>| {
        let standing = standings.get(&line.name).copied().unwrap_or(Standing::Pending);
        let weight = line.weight.unwrap_or_default();
        Tracked { kind, name: line.name.clone(), weight, standing, missing: false }
    };
    let scripts = config.tracking.scripts.iter();
    let scripts = scripts.map(move |line| named(Kind::Script, line, &conditions.scripts));
    let processes = config.tracking.processes.iter();
    let processes = processes.map(move |line| named(Kind::Process, line, &conditions.processes));
    let sessions = config.tracking.bfd.iter().map(move |line| {
        let mut session = named(Kind::Session, line, &conditions.sessions);
        // One that nobody has heard of yet has not been up.
        if session.standing == Standing::Pending {
            session.standing = Standing::Down;
        }
        session
    });
    interfaces.chain(scripts).chain(processes).chain(sessions)
}

impl Tracked {
    /// A positive weight counts while it is up, a negative one while it is down.
    fn contribution(&self) -> Option<Contribution> {
        let TrackWeight { number, reverse } = self.weight;
        let counts = match self.standing {
            Standing::Pending => false,
            Standing::Up => number > 0,
            Standing::Down => number < 0,
        };
        let kind = match self.kind {
            Kind::Interface => "interface",
            Kind::Script => "script",
            Kind::Process => "process",
            Kind::Session => "BFD session",
        };
        let by = if reverse { -number } else { number };
        counts.then(|| Contribution { what: format!("{kind} {}", self.name), by })
    }

    fn fault(self) -> Option<Fault> {
        if self.weight.number != 0 {
            return None;
        }
        match (self.kind, self.standing, self.weight.reverse) {
            (Kind::Interface, Standing::Up, true) => Some(Fault::InterfaceUp(self.name)),
            (Kind::Interface, Standing::Down, false) if self.missing => {
                Some(Fault::InterfaceMissing(self.name))
            }
            (Kind::Interface, Standing::Down, false) => Some(Fault::InterfaceDown(self.name)),
            (Kind::Script, Standing::Up, true) => Some(Fault::ScriptSucceeds(self.name)),
            (Kind::Script, Standing::Down, false) => Some(Fault::ScriptFails(self.name)),
            (Kind::Script, Standing::Pending, _) => Some(Fault::ScriptPending(self.name)),
            (Kind::Process, Standing::Up, true) => Some(Fault::Quorum(self.name)),
            (Kind::Process, Standing::Down, false) => Some(Fault::NoQuorum(self.name)),
            (Kind::Process, Standing::Pending, _) => Some(Fault::ProcessPending(self.name)),
            (Kind::Session, Standing::Up, true) => Some(Fault::SessionUp(self.name)),
            (Kind::Session, Standing::Down, false) => Some(Fault::SessionDown(self.name)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{InterfaceName, Vrid};

    fn name(text: &str) -> InterfaceName {
        InterfaceName::new(text).unwrap()
    }

    /// eth0's instance of this priority, which tracks eth1 and the script chk with these weights.
    fn instance(priority: u8, interface: Option<(i16, bool)>, script: Option<(i16, bool)>) -> Instance {
        let weight = |(number, reverse)| TrackWeight { number, reverse };
        let mut instance = Instance::new("VI", name("eth0"), Vrid::new(1).unwrap());
        instance.priority = Priority::new(priority.into()).unwrap();
        instance.tracking.interfaces = interface.into_iter().map(|one| (name("eth1"), weight(one))).collect();
        let line = |one| Line { name: "chk".into(), weight: Some(weight(one)) };
        instance.tracking.scripts = script.into_iter().map(line).collect();
        instance
    }

    fn conditions(carrier: Carrier, standing: Standing) -> Conditions {
        Conditions {
            interfaces: [(name("eth1"), carrier)].into(),
            scripts: [("chk".to_owned(), standing)].into(),
            ..Conditions::default()
        }
    }

    #[test]
    fn weights_move_the_priority() {
        use Standing::{Down, Pending, Up};
        let cases = [
            (100, (40, false), Up, 140),
            (100, (40, false), Down, 100),
            (100, (40, false), Pending, 100),
            (100, (-40, false), Up, 100),
            (100, (-40, false), Down, 60),
            (100, (-40, false), Pending, 100),
            (100, (40, true), Up, 60),
            (100, (-40, true), Down, 140),
            (100, (0, false), Down, 100),
            (240, (40, false), Up, 254),
            (20, (-40, false), Down, 1),
            (255, (-40, false), Down, 255),
        ];
        for (priority, weight, standing, expected) in cases {
            let by_script =
                weigh(&instance(priority, None, Some(weight)), &conditions(Carrier::Up, standing));
            assert_eq!(by_script.effective, expected, "{priority} {weight:?} {standing:?}");
            let carrier = match standing {
                Up => Carrier::Up,
                Down => Carrier::Missing,
                Pending => continue,
            };
            let by_interface = weigh(&instance(priority, Some(weight), None), &conditions(carrier, Pending));
            assert_eq!(by_interface.effective, expected, "{priority} {weight:?} {carrier:?}");
        }
        let both = weigh(
            &instance(100, Some((-30, false)), Some((20, false))),
            &conditions(Carrier::Down, Standing::Up),
        );
        assert_eq!(both.to_string(), "base 100, interface eth1 -30, script chk +20");
        let low = weigh(&instance(5, Some((-30, false)), None), &conditions(Carrier::Down, Standing::Up));
        assert_eq!(low.to_string(), "base 5, interface eth1 -30, kept within 1..254");
    }

    #[test]
    fn without_a_weight_a_failure_is_a_fault() {
        let found = |instance: &Instance, carrier, standing| {
            let faults: Vec<String> =
                tracked_faults(instance, &conditions(carrier, standing)).map(|one| one.to_string()).collect();
            faults.join("; ")
        };
        let plain = instance(100, Some((0, false)), Some((0, false)));
        assert_eq!(found(&plain, Carrier::Up, Standing::Up), "");
        assert_eq!(found(&plain, Carrier::Down, Standing::Down), "interface eth1 down; script chk fails");
        let mut process = instance(100, None, None);
        let said = |process: &Instance| {
            [Standing::Up, Standing::Down, Standing::Pending].map(|standing| {
                let processes = [("web".to_owned(), standing)].into();
                let conditions = Conditions { processes, ..Conditions::default() };
                let weighed = weigh(process, &conditions).to_string();
                tracked_faults(process, &conditions).map(|one| one.to_string()).next().unwrap_or(weighed)
            })
        };
        let mut track = |number, reverse| {
            let weight = Some(TrackWeight { number, reverse });
            process.tracking.processes = vec![Line { name: "web".into(), weight }];
            said(&process)
        };
        let pending = "tracked process web has not been looked for yet";
        assert_eq!(track(0, false), ["base 100", "tracked process web has no quorum", pending]);
        let up = "tracked process web has its quorum, tracked in `reverse`";
        assert_eq!(track(0, true), [up, "base 100", pending]);
        assert_eq!(track(-30, false), ["base 100", "base 100, process web -30", "base 100"]);
        assert_eq!(track(30, true), ["base 100, process web -30", "base 100", "base 100"]);
        let words = "interface eth1 does not exist; script chk has not ended yet";
        assert_eq!(found(&plain, Carrier::Missing, Standing::Pending), words);
        let reverse = instance(100, Some((0, true)), Some((0, true)));
        assert_eq!(found(&reverse, Carrier::Down, Standing::Down), "");
        assert!(found(&reverse, Carrier::Up, Standing::Up).contains("in `reverse`; script chk succeeds"));
        // The own interface is no matter of `track_interface`, unless it is not watched by itself.
        let mut own = instance(100, Some((0, false)), None);
        own.interface = Some(name("eth1"));
        assert_eq!(found(&own, Carrier::Down, Standing::Up), "");
        own.dont_track_primary = true;
        assert_eq!(found(&own, Carrier::Down, Standing::Up), "interface eth1 down");
    }

    #[test]
    fn a_session_that_is_not_up_is_down() {
        let mut instance = instance(100, None, None);
        let mut track = |number, reverse| {
            let weight = Some(TrackWeight { number, reverse });
            instance.tracking.bfd = vec![Line { name: "peer".into(), weight }];
            [Some(Standing::Up), Some(Standing::Down), None].map(|standing| {
                let sessions = standing.map(|standing| ("peer".to_owned(), standing)).into_iter().collect();
                let conditions = Conditions { sessions, ..Conditions::default() };
                let weighed = weigh(&instance, &conditions).to_string();
                tracked_faults(&instance, &conditions).map(|one| one.to_string()).next().unwrap_or(weighed)
            })
        };
        let down = "BFD session peer is down";
        assert_eq!(track(0, false), ["base 100", down, down]);
        let up = "BFD session peer is up, tracked in `reverse`";
        assert_eq!(track(0, true), [up, "base 100", "base 100"]);
        assert_eq!(track(10, false), ["base 100, BFD session peer +10", "base 100", "base 100"]);
        let less = "base 100, BFD session peer -10";
        assert_eq!(track(-10, false), ["base 100", less, less]);
    }

    #[test]
    fn the_number_of_a_file_times_its_weight_moves_the_priority() {
        let found = |weight, reverse, number: Option<i32>| {
            let mut instance = instance(100, None, None);
            let weight = TrackWeight { number: weight, reverse };
            instance.tracking.files = vec![Line { name: "f".into(), weight: Some(weight) }];
            let conditions = Conditions { files: [("f".to_owned(), number)].into(), ..Conditions::default() };
            let faults = tracked_faults(&instance, &conditions).count();
            (weigh(&instance, &conditions).to_string(), faults)
        };
        assert_eq!(found(1, false, Some(50)), ("base 100, file f +50".to_owned(), 0));
        assert_eq!(found(2, true, Some(20)), ("base 100, file f -40".to_owned(), 0));
        assert_eq!(found(1, false, Some(0)), ("base 100".to_owned(), 0));
        assert_eq!(found(1, false, Some(-254)), ("base 100".to_owned(), 1));
        assert_eq!(found(100, false, Some(100)), ("base 100, file f +253, kept within 1..254".to_owned(), 0));
        let faults = [(false, 0), (false, 7), (true, 0), (true, 7)]
            .map(|(reverse, number)| found(0, reverse, Some(number)).1);
        assert_eq!(faults, [0, 1, 1, 0]);
        // Of a file that has not been read yet nothing is known, and nobody loses by that what he has.
        assert_eq!(
            [found(1, false, None), found(-3, true, None)],
            [("base 100".to_owned(), 0), ("base 100".to_owned(), 0)]
        );
        assert!(Fault::FilePending("f".to_owned()).is_pending());
        assert_eq!(found(0, true, None).1, 1);
    }
}
