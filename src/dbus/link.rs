//! What daemon and agent tell each other, by documents of [`crate::beside`].
//!
//! To the agent: which instances there are, and what happens to them, in order. Who does not read gets the newest instances
//! later, and loses the oldest signals beyond a limit, which are counted. Invariant: what waits is bounded.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::beside::{self, Heard};

use super::event::Event;
use super::objects::{Ask, State};
use super::session::Setup;

/// Signals that wait at most.
pub const SIGNALS: usize = 1024;

/// From the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// What the session is for: the first document.
    Setup(Setup),
    /// The instances that there are, in the place of those of before.
    Instances(Vec<Shown>),
    /// Something happened.
    Signal(Signal),
}

/// An instance, and where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// The instance of this path has entered a state.
    Entered(String, State),
    /// A reload is in force.
    Reloaded,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// For the log.
    Tell(Event),
    /// Somebody asks for this.
    Ask(Ask),
}

impl From<Word> for Heard<Ask, Event> {
    fn from(word: Word) -> Self {
        match word {
            Word::Tell(event) => Self::Tells(event.level(), event),
            Word::Ask(ask) => Self::Asks(ask),
        }
    }
}

/// What waits to be written to the agent.
#[derive(Debug, Default)]
pub struct Outbox {
    setup: Option<Setup>,
    instances: Option<Vec<Shown>>,
    signals: VecDeque<Signal>,
    lost: u64,
    closed: bool,
}

impl Outbox {
    /// The instances that there are now.
    pub fn instances(&mut self, instances: Vec<Shown>) {
        self.instances = Some(instances);
    }

    /// One more signal; the oldest goes when too many wait.
    pub fn signal(&mut self, signal: Signal) {
        if self.signals.len() >= SIGNALS {
            self.signals.pop_front();
            self.lost += 1;
        }
        self.signals.push_back(signal);
    }
}

impl beside::Outbox for Outbox {
    type Setup = Setup;
    type Order = Order;
    type Word = Word;
    type Ask = Ask;
    type Event = Event;

    const WORD: &'static str = "dbus-agent";
    const NAME: &'static str = "D-Bus: the process that speaks with the bus";
    const LOST: &'static str = "signals";

    fn begin(&mut self, setup: Setup) {
        self.setup = Some(setup);
        self.instances = None;
    }

    /// Instances before signals: who hears of one may ask it at once.
    fn take(&mut self) -> Option<Order> {
        if let Some(setup) = self.setup.take() {
            return Some(Order::Setup(setup));
        }
        if let Some(instances) = self.instances.take() {
            return Some(Order::Instances(instances));
        }
        self.signals.pop_front().map(Order::Signal)
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn is_long(_: &Order) -> bool {
        false
    }

    /// The bus lets only root have the name.
    fn is_anybodys(_: &Setup) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beside::{Outbox as _, frame, unframe};

    fn setup() -> Setup {
        Setup { address: "unix:path=/x".into(), name: "a.b".into(), whole: "/a/Vrrp".into() }
    }

    fn entered(number: usize) -> Signal {
        Signal::Entered(format!("/{number}"), State::Master)
    }

    #[test]
    fn who_does_not_read_gets_the_newest_instances_and_the_last_signals() {
        let mut outbox = Outbox::default();
        outbox.begin(setup());
        let instances = |name: &str| vec![Shown { path: "/a".into(), name: name.into(), state: State::Init }];
        outbox.instances(instances("A"));
        outbox.instances(instances("B"));
        (0..SIGNALS + 5).for_each(|number| outbox.signal(entered(number)));
        assert_eq!((outbox.take_lost(), outbox.take_lost()), (5, 0));
        let orders: Vec<Order> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(
            orders[..3],
            [Order::Setup(setup()), Order::Instances(instances("B")), Order::Signal(entered(5))]
        );
        assert_eq!(orders.len(), 2 + SIGNALS);
        assert_eq!(orders.last(), Some(&Order::Signal(entered(SIGNALS + 4))));
        for order in orders {
            assert_eq!(unframe(&mut frame(&order)), Ok(Some(order)));
        }
        // Another agent begins anew.
        outbox.instances(instances("C"));
        outbox.begin(setup());
        assert_eq!(outbox.take(), Some(Order::Setup(setup())));
        assert_eq!(outbox.take(), None);
    }
}
