//! A log line that repeats is said once a minute, with the count of those that were not said.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Nothing repeats faster than this.
const QUIET: Duration = Duration::from_secs(60);
/// Keys remembered at most, so that a flood of forged senders costs no memory.
const MOST: usize = 256;

/// Remembers when each key was last said.
#[derive(Debug, Clone)]
pub struct Repeats<K> {
    said: BTreeMap<K, Said>,
}

#[derive(Debug, Clone)]
struct Said {
    at: Instant,
    suppressed: u64,
}

impl<K: Ord> Repeats<K> {
    /// Nothing has been said.
    pub fn new() -> Self {
        Self { said: BTreeMap::new() }
    }

    /// `Some(n)`: say it, `n` were suppressed since the last time. `None`: keep quiet.
    pub fn allow(&mut self, now: Instant, key: K) -> Option<u64> {
        if let Some(said) = self.said.get_mut(&key) {
            if now.saturating_duration_since(said.at) < QUIET {
                said.suppressed += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.suppressed));
        }
        if self.said.len() >= MOST {
            self.said.retain(|_, said| now.saturating_duration_since(said.at) < QUIET);
            if self.said.len() >= MOST {
                return None;
            }
        }
        self.said.insert(key, Said { at: now, suppressed: 0 });
        Some(0)
    }
}

impl<K: Ord> Default for Repeats<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_once_a_minute_and_counts_the_rest() {
        let start = Instant::now();
        let mut repeats = Repeats::new();
        assert_eq!(repeats.allow(start, "a"), Some(0));
        assert_eq!(repeats.allow(start + Duration::from_secs(1), "a"), None);
        assert_eq!(repeats.allow(start + Duration::from_secs(2), "b"), Some(0));
        assert_eq!(repeats.allow(start + Duration::from_secs(59), "a"), None);
        assert_eq!(repeats.allow(start + Duration::from_secs(60), "a"), Some(2));
    }

    #[test]
    fn a_flood_of_keys_is_bounded() {
        let mut repeats = Repeats::new();
        for key in 0..100_000u32 {
            repeats.allow(Instant::now(), key);
        }
        assert!(repeats.said.len() <= MOST);
    }
}
