//! What a check amounts to: all that the pools need to know of it.

use serde::Serialize;

/// What a check that passes says of its real server's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WeightChange {
    /// This instead of the configured one (MISC_CHECK, `misc_dynamic`).
    To(u32),
    /// This much more than the configured one, or less (FILE_CHECK).
    By(i64),
}

/// What a check amounts to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Standing {
    /// It passes.
    Up {
        /// What it says of the weight.
        weight: Option<WeightChange>,
    },
    /// It fails.
    Down,
}

impl Standing {
    /// It passes, and says nothing of the weight.
    pub const UP: Self = Self::Up { weight: None };

    /// Whether it passes.
    pub fn is_up(self) -> bool {
        self != Self::Down
    }
}
