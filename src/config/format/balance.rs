//! How deep in blocks each line stands, and whether the braces come in pairs.
//!
//! In: the lines. Out: depths. Two lines with `@ID` in front may open one block, each for its own node; so the
//! depth is counted for each node that such lines name. For each of them the braces have to come in pairs; for a
//! node that no line names only where there is no other.

use std::collections::BTreeMap;

use super::line::{Brace, Condition, Line, Shape};

/// So many ids are told apart; the braces of others count for everybody.
const IDS: usize = 32;

/// A brace that has no other.
#[derive(Debug, Clone)]
pub(super) struct Unbalanced {
    /// The node for which it has none; empty: one that no line names.
    pub(super) node: String,
    pub(super) brace: Brace,
}

/// Reads lines, first all of them once for [`Balance::finish`], then again for their depths.
#[derive(Debug, Default)]
pub(super) struct Balance<'a> {
    /// Of a node that no line names.
    depth: i64,
    /// What the depth of a node that is named differs from that.
    ids: BTreeMap<&'a str, i64>,
    /// How many more `{` than `}` a definition holds; none where they come in pairs.
    definitions: BTreeMap<&'a str, i64>,
    /// The definition that is being read.
    open: Option<&'a str>,
    /// The `{` that are not closed, whatever the node.
    opened: Vec<Brace>,
    /// A `}` that closes nothing.
    closes: Option<Brace>,
    last: Option<Brace>,
    /// The file is for the nodes that it names, and for no other.
    only_named: bool,
}

impl<'a> Balance<'a> {
    pub(super) fn line(&mut self, line: &Line<'a>) {
        let own = net(&line.braces);
        let used: i64 = match self.definitions.is_empty() {
            true => 0,
            false => line.uses.iter().filter_map(|name| self.definitions.get(name)).sum(),
        };
        match &line.shape {
            Shape::Define { name, more, .. } => {
                self.definitions.remove(name);
                self.open = more.then_some(*name);
                self.hold(name, own + used);
            }
            Shape::Continue { more, .. } => {
                if let Some(name) = self.open {
                    self.hold(name, own + used);
                }
                if !more {
                    self.open = None;
                }
            }
            _ => {
                self.pair(&line.braces);
                self.add(own + used, line.condition);
            }
        }
    }

    /// The depth at which a line with this condition starts; below 0 behind a `}` that closes nothing yet.
    pub(super) fn depth(&self, condition: Option<Condition<'_>>) -> i64 {
        let known = condition.filter(|condition| self.ids.contains_key(condition.id));
        let counts = |id: &str| known.is_none_or(|condition| (condition.id == id) != condition.negated);
        let named = self.ids.iter().filter(|(id, _)| counts(id)).map(|(_, offset)| self.depth + offset).max();
        let others = !self.only_named && known.is_none_or(|condition| condition.negated);
        let depth = named.max(others.then_some(self.depth));
        depth.unwrap_or(self.depth)
    }

    /// After the last line: ready to read them once more.
    pub(super) fn finish(self) -> Result<Self, Unbalanced> {
        let node = match self.ids.is_empty() {
            true => (self.depth != 0 || self.closes.is_some()).then_some(""),
            false => self.ids.iter().find(|(_, offset)| self.depth + **offset != 0).map(|(id, _)| *id),
        };
        if let Some((node, brace)) = node.zip(self.closes.or(self.opened.last().copied()).or(self.last)) {
            return Err(Unbalanced { node: node.to_owned(), brace });
        }
        let ids = self.ids.into_keys().map(|id| (id, 0)).collect();
        Ok(Self { ids, only_named: self.depth != 0, ..Self::default() })
    }

    fn hold(&mut self, name: &'a str, net: i64) {
        if net != 0 {
            *self.definitions.entry(name).or_default() += net;
        }
    }

    fn add(&mut self, net: i64, condition: Option<Condition<'a>>) {
        if net == 0 {
            return;
        }
        let known = condition.filter(|one| self.ids.contains_key(one.id) || self.ids.len() < IDS);
        match known {
            Some(Condition { id, negated: false }) => *self.ids.entry(id).or_default() += net,
            Some(Condition { id, negated: true }) => {
                self.depth += net;
                *self.ids.entry(id).or_default() -= net;
            }
            None => self.depth += net,
        }
    }

    /// Looks for the brace to name when they do not come in pairs.
    fn pair(&mut self, braces: &[Brace]) {
        self.last = braces.last().copied().or(self.last);
        for brace in braces {
            if brace.opens {
                self.opened.push(*brace);
            } else if self.opened.pop().is_none() {
                self.closes.get_or_insert(*brace);
            }
        }
    }
}

/// How many more open than close.
pub(super) fn net(braces: &[Brace]) -> i64 {
    braces.iter().map(|brace| if brace.opens { 1 } else { -1 }).sum()
}
