//! How much definitions and generators may make of a file: a few lines of them can stand for any amount of text.

/// Bytes of text that nobody wrote, in one load; lines and uses of definitions count too.
pub(super) const EXPANDED: usize = 32 << 20;
/// What a line costs beside its text, so that empty ones end too.
pub(super) const LINE: usize = 32;
/// What the use of a definition costs.
pub(super) const STEP: usize = 2;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    reported: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: EXPANDED, reported: false }
    }
}

impl Budget {
    /// False: there is not so much left, and never will be.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Whether it is the first time that this is asked.
    pub(super) fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.reported, true)
    }
}
