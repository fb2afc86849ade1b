//! A map of few: most are empty or have one entry, and there are many of them. A tree has room for eleven from the first
//! on.

/// Keys in their order, each with a value.
#[derive(Debug, Clone)]
pub(crate) struct Few<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> Few<K, V> {
    fn place(&self, key: &K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.place(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(at) => {
                if let Some((_, old)) = self.entries.get_mut(at) {
                    *old = value;
                }
            }
            Err(at) => {
                // One more than there are: nothing is kept for those that never come.
                self.entries.reserve_exact(1);
                self.entries.insert(at, (key, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.place(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut few = Few::default();
        for number in [5, 1, 9, 5, 3] {
            few.insert(number, number * 10);
        }
        few.insert(5, 7);
        assert_eq!(few.iter().collect::<Vec<_>>(), [(&1, &10), (&3, &30), (&5, &7), (&9, &90)]);
        assert_eq!((few.remove(&3), few.remove(&3)), (Some(30), None));
        few.retain(|key, _| *key != 9);
        assert_eq!((few.len(), few.contains_key(&5), few.contains_key(&9)), (2, true, false));
        *few.get_mut(&1).unwrap() += 1;
        assert_eq!(few.values().copied().collect::<Vec<_>>(), [11, 7]);
    }
}
