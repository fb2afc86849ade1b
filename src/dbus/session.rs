//! The session with the bus: connected, named, asked, told of what happens; and all of it again when it ends.
//!
//! In: what the daemon says, what the bus says, the time. Out: what is sent, and what the daemon is asked. Invariants: a
//! signal is sent only while the name is ours; whoever gets the name back is shown every state anew, as keepalived does; a
//! bus that is away is tried again after 1, 2, 4 … 60 s.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::event::{Event, Trouble};
use super::link::{Shown, Signal};
use super::objects::{Answer, Ask, Call, INSTANCE, Instance, Objects, State, WHOLE};

/// The shortest and the longest pause before the bus is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The bus answers within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Address of the bus, `unix:path=/run/dbus/system_bus_socket`.
    pub address: String,
    /// The name that is owned there.
    pub name: String,
    /// The path of the daemon as a whole.
    pub whole: String,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// [`Action::Connect`] led to a connection.
    Connected,
    /// There is none, or no more.
    Disconnected(String),
    /// What became of [`Action::Name`].
    Named(Naming),
    /// A method call.
    Called(Call),
    /// The instances that there are.
    Instances(Vec<Shown>),
    /// Something happened.
    Signal(Signal),
    /// The time that [`Session::next_timer`] named has come.
    Timer,
    /// The daemon is gone.
    Stop,
}

/// What the bus says of a name that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// It is ours.
    Ours,
    /// Somebody else has it.
    Taken,
    /// We may not have it.
    Forbidden,
    /// Anything else.
    Refused(String),
    /// It is ours no more.
    Lost,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect; [`Input::Connected`] or [`Input::Disconnected`] is the answer.
    Connect,
    /// End the connection; no answer.
    Close,
    /// Ask for the name; [`Input::Named`] is the answer.
    Name,
    /// Answer the call that was fed last.
    Answer(Answer),
    /// Send a signal.
    Emit(Emission),
    /// To the daemon.
    Ask(Ask),
    /// Tell.
    Report(Event),
}

/// A signal on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// Of which object.
    pub path: String,
    /// Of which interface.
    pub interface: &'static str,
    /// Which one.
    pub member: &'static str,
    /// Its argument, of the type `u`.
    pub number: Option<u32>,
}

/// Why it wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The bus is tried again.
    Retry,
    /// The bus ought to have answered.
    Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until the bus is tried again.
    Away(Instant),
    Connecting,
    /// Until the bus must have answered.
    Naming(Instant),
    /// The name is ours.
    Up,
}

/// The session.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    objects: Objects,
    phase: Phase,
    pause: Duration,
    /// What was told last of why there is nothing on the bus.
    told: Option<Trouble>,
}

impl Session {
    /// One that connects at once. `machine`: what `GetMachineId` answers.
    #[must_use]
    pub fn new(now: Instant, setup: Setup, machine: String) -> Self {
        let objects = Objects { whole: setup.whole.clone(), machine, ..Objects::default() };
        Self { setup, objects, phase: Phase::Away(now), pause: PAUSES.0, told: None }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Connected if self.phase == Phase::Connecting => {
                self.phase = Phase::Naming(now + PATIENCE);
                out.push(Action::Name);
            }
            Input::Connected => {}
            Input::Disconnected(why) => self.down(now, Trouble::Connection(why), out),
            Input::Named(naming) => self.named(now, naming, out),
            Input::Called(call) => {
                let (answer, ask) = self.objects.answer(&call);
                out.push(Action::Answer(answer));
                // Answered first: a reload may take long.
                out.extend(ask.map(Action::Ask));
            }
            Input::Instances(all) => {
                let instances = all.into_iter().rev();
                // Of several with one path the first.
                self.objects.instances =
                    instances.map(|Shown { path, name, state }| (path, Instance { name, state })).collect();
            }
            Input::Signal(Signal::Entered(path, state)) => {
                if let Some(instance) = self.objects.instances.get_mut(&path) {
                    instance.state = state;
                }
                self.emit(entered(path, state), out);
            }
            Input::Signal(Signal::Reloaded) => self.emit(self.of_whole("VrrpReloaded"), out),
            Input::Timer => match self.phase {
                Phase::Away(until) if until <= now => {
                    self.phase = Phase::Connecting;
                    out.push(Action::Connect);
                }
                Phase::Naming(until) if until <= now => self.down(now, Trouble::Silent, out),
                _ => {}
            },
            Input::Stop => self.emit(self.of_whole("VrrpStopped"), out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    #[must_use]
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self.phase {
            Phase::Away(at) => Some((at, Timer::Retry)),
            Phase::Naming(at) => Some((at, Timer::Patience)),
            Phase::Connecting | Phase::Up => None,
        }
    }

    fn named(&mut self, now: Instant, naming: Naming, out: &mut Vec<Action>) {
        let name = || self.setup.name.clone();
        let trouble = match naming {
            Naming::Ours => {
                if !matches!(self.phase, Phase::Naming(_)) {
                    return;
                }
                self.phase = Phase::Up;
                self.pause = PAUSES.0;
                self.told = None;
                out.push(Action::Report(Event::Up { name: name() }));
                self.emit(self.of_whole("VrrpStarted"), out);
                // As keepalived: what has not started has no state to tell of.
                let all = self.objects.instances.iter().filter(|(_, one)| one.state != State::Init);
                let all: Vec<Emission> = all.map(|(path, one)| entered(path.clone(), one.state)).collect();
                return all.into_iter().for_each(|one| self.emit(one, out));
            }
            Naming::Taken => Trouble::Taken(name()),
            Naming::Lost if self.phase == Phase::Up => Trouble::Taken(name()),
            Naming::Lost => return,
            Naming::Forbidden => Trouble::Forbidden(name()),
            Naming::Refused(why) => Trouble::Refused(name(), why),
        };
        self.down(now, trouble, out);
    }

    fn down(&mut self, now: Instant, why: Trouble, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Away(_)) {
            return;
        }
        out.push(Action::Close);
        self.phase = Phase::Away(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
        if self.told.as_ref() != Some(&why) {
            self.told = Some(why.clone());
            out.push(Action::Report(Event::Down { address: self.setup.address.clone(), why }));
        }
    }

    fn emit(&self, emission: Emission, out: &mut Vec<Action>) {
        if self.phase == Phase::Up {
            out.push(Action::Emit(emission));
        }
    }

    fn of_whole(&self, member: &'static str) -> Emission {
        Emission { path: self.setup.whole.clone(), interface: WHOLE, member, number: None }
    }
}

fn entered(path: String, state: State) -> Emission {
    Emission { path, interface: INSTANCE, member: "VrrpStatusChange", number: Some(state.number()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        session: Session,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let setup = Setup { address: "unix:path=/x".into(), name: "a.b".into(), whole: "/p/Vrrp".into() };
            let now = Instant::now();
            Self { session: Session::new(now, setup, "0123".into()), now }
        }

        fn feed(&mut self, input: Input) -> Vec<String> {
            let mut out = Vec::new();
            self.session.handle(self.now, input, &mut out);
            out.into_iter().map(describe).collect()
        }

        /// At the time that it wants to be called.
        fn wait(&mut self) -> Vec<String> {
            self.now = self.session.next_timer().unwrap().0;
            self.feed(Input::Timer)
        }

        fn up(&mut self) -> Vec<String> {
            assert_eq!(self.wait(), ["connect"]);
            assert_eq!(self.feed(Input::Connected), ["name"]);
            self.feed(Input::Named(Naming::Ours))
        }
    }

    fn describe(action: Action) -> String {
        match action {
            Action::Connect => "connect".into(),
            Action::Close => "close".into(),
            Action::Name => "name".into(),
            Action::Answer(answer) => format!("answer {answer:?}"),
            Action::Emit(Emission { path, member, number, .. }) => match number {
                Some(number) => format!("{path} {member} {number}"),
                None => format!("{path} {member}"),
            },
            Action::Ask(ask) => format!("{ask:?}"),
            Action::Report(Event::Up { name }) => format!("up {name}"),
            Action::Report(Event::Down { why, .. }) => format!("down {why:?}"),
        }
    }

    fn shown(path: &str, name: &str, state: State) -> Shown {
        Shown { path: path.into(), name: name.into(), state }
    }

    #[test]
    fn who_has_the_name_shows_every_state() {
        let mut bench = Bench::new();
        bench.feed(Input::Instances(vec![
            shown("/a", "A", State::Init),
            shown("/b", "B", State::Backup),
            shown("/b", "C", State::Fault),
        ]));
        // Before the name is ours nothing is sent, and nothing is forgotten.
        assert!(bench.feed(Input::Signal(Signal::Entered("/b".into(), State::Master))).is_empty());
        assert_eq!(bench.up(), ["up a.b", "/p/Vrrp VrrpStarted", "/b VrrpStatusChange 2"]);
        let entered = bench.feed(Input::Signal(Signal::Entered("/a".into(), State::Backup)));
        assert_eq!(entered, ["/a VrrpStatusChange 1"]);
        assert_eq!(bench.feed(Input::Signal(Signal::Reloaded)), ["/p/Vrrp VrrpReloaded"]);
        // Another bus: all of it again.
        assert_eq!(bench.feed(Input::Disconnected("x".into())), ["close", "down Connection(\"x\")"]);
        assert_eq!(
            bench.up(),
            ["up a.b", "/p/Vrrp VrrpStarted", "/a VrrpStatusChange 1", "/b VrrpStatusChange 2"]
        );
        // What a reload removed has gone, and its end is told.
        bench.feed(Input::Instances(vec![shown("/a", "A", State::Backup)]));
        let gone = bench.feed(Input::Signal(Signal::Entered("/b".into(), State::Fault)));
        assert_eq!(gone, ["/b VrrpStatusChange 3"]);
        assert_eq!(bench.feed(Input::Stop), ["/p/Vrrp VrrpStopped"]);
    }

    #[test]
    fn a_bus_that_is_away_is_tried_less_and_less_often_and_told_of_once() {
        let mut bench = Bench::new();
        let mut pauses = Vec::new();
        let mut lines = 0;
        for _ in 0..9 {
            assert_eq!(bench.wait(), ["connect"]);
            let done = bench.feed(Input::Disconnected("no such file".into()));
            lines += done.iter().filter(|line| line.starts_with("down")).count();
            pauses.push((bench.session.next_timer().unwrap().0 - bench.now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(lines, 1);
        bench.up();
        assert_eq!(bench.session.next_timer(), None);
        bench.feed(Input::Disconnected("it went".into()));
        assert_eq!(bench.session.next_timer().unwrap().0 - bench.now, PAUSES.0, "it was well meanwhile");
        assert!(bench.feed(Input::Disconnected("twice".into())).is_empty());
    }

    #[test]
    fn a_name_that_is_not_ours_is_tried_again() {
        let mut bench = Bench::new();
        for (naming, told) in [
            (Naming::Taken, "down Taken(\"a.b\")"),
            (Naming::Forbidden, "down Forbidden(\"a.b\")"),
            (Naming::Refused("no".into()), "down Refused(\"a.b\", \"no\")"),
        ] {
            bench.wait();
            bench.feed(Input::Connected);
            assert_eq!(bench.feed(Input::Named(naming)), ["close", told]);
        }
        bench.wait();
        bench.feed(Input::Connected);
        assert_eq!(bench.wait(), ["close", "down Silent"], "a bus that does not answer");
        bench.up();
        assert_eq!(bench.feed(Input::Named(Naming::Lost)), ["close", "down Taken(\"a.b\")"]);
        assert!(bench.feed(Input::Signal(Signal::Reloaded)).is_empty());
    }

    #[test]
    fn a_call_is_answered_before_the_daemon_is_asked() {
        let mut bench = Bench::new();
        bench.up();
        let call = |member: &str| Call { path: "/p/Vrrp".into(), member: member.into(), ..Call::default() };
        assert_eq!(bench.feed(Input::Called(call("ReloadConfig"))), ["answer Done", "Reload"]);
        assert_eq!(bench.feed(Input::Called(call("Ping"))), ["answer Done"]);
    }
}
