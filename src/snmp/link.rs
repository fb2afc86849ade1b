//! What daemon and agent tell each other, by documents of [`crate::beside`].
//!
//! To the agent: the newest tables of each source, and traps in order. Who does not read gets the newest later, and
//! loses traps beyond a limit, which are counted. Invariant: what waits is bounded.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::beside::{self, Heard};
use crate::config::model::MasterAgent;

use super::event::Event;
use super::session::{Setup, TRAPS};
use super::table::{Source, Table};
use super::traps::Trap;

/// From the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// What the session is for: the first document.
    Setup(Setup),
    /// What a source has to tell.
    Tables(Source, Vec<Table>),
    /// To be sent.
    Trap(Trap),
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// For the log.
    Tell(Event),
    /// Somebody asks for counters that are too old.
    Ask(Source),
}

impl From<Word> for Heard<Source, Event> {
    fn from(word: Word) -> Self {
        match word {
            Word::Tell(event) => Self::Tells(event.level(), event),
            Word::Ask(source) => Self::Asks(source),
        }
    }
}

/// What waits to be written to the agent.
#[derive(Debug, Default)]
pub struct Outbox {
    setup: Option<Setup>,
    tables: BTreeMap<Source, Vec<Table>>,
    traps: VecDeque<Trap>,
    lost: u64,
    closed: bool,
}

impl Outbox {
    /// The newest tables of a source take the place of those that wait.
    pub fn tables(&mut self, source: Source, tables: Vec<Table>) {
        self.tables.insert(source, tables);
    }

    /// One more trap; the oldest goes when too many wait.
    pub fn trap(&mut self, trap: Trap) {
        if self.traps.len() >= TRAPS {
            self.traps.pop_front();
            // At the end all that is up is told as down, more than there is time for.
            self.lost += u64::from(!self.closed);
        }
        self.traps.push_back(trap);
    }
}

impl beside::Outbox for Outbox {
    type Setup = Setup;
    type Order = Order;
    type Word = Word;
    type Ask = Source;
    type Event = Event;

    const WORD: &'static str = "snmp-agent";
    const NAME: &'static str = "SNMP: the process that answers";
    const LOST: &'static str = "traps";

    /// Tables that waited for another one are forgotten, traps are not.
    fn begin(&mut self, setup: Setup) {
        self.setup = Some(setup);
        self.tables.clear();
    }

    /// State before traps: who hears of a trap may ask at once.
    fn take(&mut self) -> Option<Order> {
        if let Some(setup) = self.setup.take() {
            return Some(Order::Setup(setup));
        }
        if let Some((source, tables)) = self.tables.pop_first() {
            return Some(Order::Tables(source, tables));
        }
        self.traps.pop_front().map(Order::Trap)
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

    /// Tables of many real servers take some milliseconds.
    fn is_long(order: &Order) -> bool {
        matches!(order, Order::Tables(..))
    }

    /// A socket in the file system is mostly root's, and is reached as root without any capability; TCP is reached by
    /// anybody.
    fn is_anybodys(setup: &Setup) -> bool {
        matches!(MasterAgent::parse(&setup.agent), Ok(MasterAgent::Tcp { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beside::{Outbox as _, frame, unframe};
    use crate::snmp::oid::Oid;
    use crate::snmp::value::Value;

    fn trap(number: i32) -> Trap {
        Trap { name: Oid::new(&[1]), objects: vec![(Oid::new(&[2]), Value::Integer(number))] }
    }

    fn setup() -> Setup {
        Setup {
            agent: "unix:/x".to_owned(),
            subtrees: Vec::new(),
            capabilities: Vec::new(),
            counters: Vec::new(),
        }
    }

    #[test]
    fn documents_come_out_as_they_went_in() {
        let mut table = Table::new(Oid::new(&[1, 3]), &[2, 5]);
        table.row(&[1], vec![Some(Value::Octets(vec![10, 0, 255, 1])), None]);
        table.row(&[2], vec![Some(Value::text("ä\"")), Some(Value::Counter64(u64::MAX))]);
        let orders = [Order::Setup(setup()), Order::Tables(Source::Vrrp, vec![table]), Order::Trap(trap(-1))];
        for order in orders {
            assert_eq!(unframe(&mut frame(&order)), Ok(Some(order)));
        }
    }

    #[test]
    fn who_does_not_read_gets_the_newest_state_and_the_last_traps() {
        let mut outbox = Outbox::default();
        outbox.begin(setup());
        let tables = |column| vec![Table::new(Oid::default(), &[column])];
        for number in 0..3 {
            outbox.tables(Source::Vrrp, tables(number));
        }
        let many = i32::try_from(TRAPS).unwrap() + 5;
        (0..many).for_each(|number| outbox.trap(trap(number)));
        assert_eq!((outbox.take_lost(), outbox.take_lost()), (5, 0));
        assert_eq!(outbox.take(), Some(Order::Setup(setup())));
        assert_eq!(outbox.take(), Some(Order::Tables(Source::Vrrp, tables(2))));
        assert_eq!(outbox.take(), Some(Order::Trap(trap(5))));
        let rest = std::iter::from_fn(|| outbox.take()).last();
        assert_eq!(rest, Some(Order::Trap(trap(many - 1))));
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn another_agent_begins_anew() {
        let mut outbox = Outbox::default();
        outbox.trap(trap(1));
        outbox.tables(Source::Checks, Vec::new());
        outbox.begin(setup());
        assert_eq!(outbox.take(), Some(Order::Setup(setup())));
        assert_eq!(outbox.take(), Some(Order::Trap(trap(1))));
        assert_eq!(outbox.take(), None);
    }
}
