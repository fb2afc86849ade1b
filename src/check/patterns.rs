//! The patterns of all checks, each compiled once however many real servers share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::model::{HttpUrl, UrlRegex};
use crate::sys::regex::Regex;

use super::dialogue::http::Search;

/// Compiled patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    /// By the pattern, its options, and whether a last offset is given.
    compiled: BTreeMap<(String, Vec<String>, bool), Arc<Regex>>,
}

impl Patterns {
    /// A search for the pattern of `url`; `None`: it has none. Error: it is no pattern, in PCRE2's words.
    pub fn search(&mut self, url: &HttpUrl) -> Result<Option<Search>, String> {
        let Some(asked) = url.regex.as_deref().filter(|asked| asked.pattern.is_some()) else {
            return Ok(None);
        };
        Ok(Some(Search::new(self.compiled(asked)?, asked)))
    }

    fn compiled(&mut self, asked: &UrlRegex) -> Result<Arc<Regex>, String> {
        let pattern = asked.pattern.clone().unwrap_or_default();
        let key = (pattern, asked.options.clone(), asked.max_offset.is_some());
        if let Some(regex) = self.compiled.get(&key) {
            return Ok(Arc::clone(regex));
        }
        let regex = Regex::named(&key.0, &key.1, key.2).map_err(|no_pattern| no_pattern.why)?;
        Ok(Arc::clone(self.compiled.entry(key).or_insert(Arc::new(regex))))
    }

    /// Forgets all: after a reload those that are still asked for are compiled again.
    pub(crate) fn forget(&mut self) {
        self.compiled.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_patterns_are_compiled_once() {
        let mut patterns = Patterns::default();
        let asked = |pattern: &str, options: &[&str], max_offset| UrlRegex {
            pattern: Some(pattern.to_owned()),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            max_offset,
            ..UrlRegex::default()
        };
        let first = patterns.compiled(&asked("a", &[], None)).unwrap();
        let no_match = UrlRegex { no_match: true, min_offset: 3, ..asked("a", &[], None) };
        assert!(Arc::ptr_eq(&first, &patterns.compiled(&no_match).unwrap()));
        for other in [asked("b", &[], None), asked("a", &["caseless"], None), asked("a", &[], Some(1))] {
            assert!(!Arc::ptr_eq(&first, &patterns.compiled(&other).unwrap()));
        }
        assert_eq!(patterns.compiled.len(), 4);
        assert!(patterns.compiled(&asked("(", &[], None)).is_err());
    }
}
