//! Datagrams that come and answer nothing.

use std::time::Duration;

use crate::check::Failure;

/// Datagrams that were passed over.
#[derive(Debug, Default)]
pub(super) struct Strays {
    count: u32,
    last: String,
}

impl Strays {
    /// One more, which `is` something else than an answer.
    pub(super) fn pass_over(&mut self, is: String) {
        self.count = self.count.saturating_add(1);
        self.last = is;
    }

    /// What comes of a dialogue that nothing has ended for so long.
    pub(super) fn silence(&mut self, limit: Duration) -> Failure {
        match self.count {
            0 => Failure::Silence(limit),
            count => Failure::Strays { limit, count, last: std::mem::take(&mut self.last) },
        }
    }
}
