//! A line that repeats is said once a minute, with the count of those that were not said.

use std::time::{Duration, Instant};

use super::few::Few;

/// Nothing repeats faster than this.
const QUIET: Duration = Duration::from_secs(60);
/// Keys remembered at most, so that a flood of forged senders costs no memory and few lines.
const MOST: usize = 32;
/// Known keys remembered at most; the one that was not said for longest makes room.
const MOST_KNOWN: usize = 128;

/// Remembers when each key was last said. Known keys always have a place of their own; all others share a few, and
/// once these are taken, one place together.
#[derive(Debug, Clone)]
pub(crate) struct Repeats<K> {
    known: Few<K, Said>,
    others: Few<K, Said>,
    /// All keys that found no place.
    crowd: Option<Said>,
}

#[derive(Debug, Clone)]
struct Said {
    at: Instant,
    suppressed: u64,
}

impl Said {
    fn new(now: Instant) -> Self {
        Self { at: now, suppressed: 0 }
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= QUIET
    }

    fn allow(&mut self, now: Instant) -> Option<u64> {
        if !self.is_old(now) {
            self.suppressed += 1;
            return None;
        }
        self.at = now;
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl<K: Ord> Repeats<K> {
    /// Nothing has been said.
    pub(crate) fn new() -> Self {
        Self { known: Few::default(), others: Few::default(), crowd: None }
    }

    /// `Some(n)`: say it, `n` were suppressed since the last time. `None`: keep quiet.
    pub(crate) fn allow(&mut self, now: Instant, key: K) -> Option<u64> {
        if let Some(said) = self.known.get_mut(&key).or_else(|| self.others.get_mut(&key)) {
            return said.allow(now);
        }
        if self.others.len() >= MOST {
            self.others.retain(|_, said| !said.is_old(now));
        }
        if self.others.len() < MOST {
            self.others.insert(key, Said::new(now));
            return Some(0);
        }
        match &mut self.crowd {
            Some(said) => said.allow(now),
            none => {
                *none = Some(Said::new(now));
                Some(0)
            }
        }
    }

    /// The same for a key that no flood of others may crowd out.
    pub(crate) fn allow_known(&mut self, now: Instant, key: K) -> Option<u64> {
        if let Some(said) = self.known.get_mut(&key) {
            return said.allow(now);
        }
        if self.known.len() >= MOST_KNOWN {
            let oldest = self.known.values().map(|said| said.at).min();
            self.known.retain(|_, said| Some(said.at) != oldest);
        }
        let before = self.others.remove(&key);
        let mut said = before.clone().unwrap_or_else(|| Said::new(now));
        let allowed = if before.is_some() { said.allow(now) } else { Some(0) };
        self.known.insert(key, said);
        allowed
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
    fn a_flood_of_keys_is_bounded_and_counted() {
        let now = Instant::now();
        let mut repeats = Repeats::new();
        let said = (0..100_000u32).filter(|key| repeats.allow(now, *key).is_some()).count();
        assert_eq!(said, MOST + 1, "one place each, then one for all others");
        assert_eq!(repeats.others.len(), MOST);
        let later = now + QUIET;
        let count = (0..100_000u32).filter_map(|key| repeats.allow(later, key)).max();
        assert!(count >= Some(99_000), "{count:?}");
    }

    #[test]
    fn a_flood_does_not_silence_those_who_are_known() {
        let now = Instant::now();
        let mut repeats = Repeats::new();
        for key in 0..1000u32 {
            repeats.allow(now, key);
        }
        assert_eq!(repeats.allow_known(now, 5000), Some(0));
        assert_eq!(repeats.allow_known(now, 5000), None);
        assert_eq!(repeats.allow_known(now + QUIET, 5000), Some(1));
        assert_eq!(repeats.allow_known(now + QUIET, 3), Some(0), "it was said as one of many, a minute ago");
        for key in 0..1000u32 {
            repeats.allow_known(now + Duration::from_secs(key.into()), 10_000 + key);
        }
        assert_eq!(repeats.known.len(), MOST_KNOWN);
    }
}
