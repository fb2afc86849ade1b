//! What an instance shows beside its state: the times it goes by, and its counters, which can be cleared.

use std::time::{Duration, Instant};

use crate::config::model::Instance;
use crate::vrrp::event::State;

use super::{Machine, Snapshot, Stats};

/// The times that an instance goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// When its next advert is due (MASTER), or its master is down (BACKUP); `None`: it waits for neither.
    pub deadline: Option<Instant>,
    /// Without an advert for so long the master is down.
    pub master_down: Duration,
    /// Between two adverts of the master: in version 3 what it says itself, once it was heard.
    pub master_interval: Duration,
    /// Priority of the master last heard; 0: none was.
    pub master_priority: u8,
}

impl Machine {
    pub(super) fn times(&self) -> Times {
        Times {
            deadline: self.deadline,
            master_down: self.master_down(),
            master_interval: self.master_interval(),
            master_priority: self.master.map_or(0, |heard| heard.priority),
        }
    }

    /// All counters begin anew.
    pub(crate) fn clear_statistics(&mut self) {
        self.stats = Stats::default();
    }
}

impl Snapshot {
    /// That of an instance which has not begun.
    #[must_use]
    pub fn unstarted(config: &Instance) -> Self {
        Self {
            state: State::Init,
            source: config.transport.source,
            ..Machine::new(config.clone()).snapshot()
        }
    }
}
