//! One real server: whether it is up, and with which weight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::standing::{Standing, WeightChange};
use crate::config::model::{Probe, RealServer};

/// The largest weight that the kernel takes.
const LARGEST: i64 = i32::MAX as i64;

/// The condition of one real server.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    /// The configuration's.
    pub(super) configured_weight: u32,
    /// `inhibit_on_failure`.
    pub(super) inhibit: bool,
    /// All of its checks.
    checks: BTreeSet<Arc<Probe>>,
    /// Those that fail; without any it is up.
    pub(super) failed: BTreeSet<Arc<Probe>>,
    /// What those that pass say of the weight.
    changes: BTreeMap<Arc<Probe>, WeightChange>,
    /// Drained by hand.
    pub(super) drained: bool,
}

impl Backend {
    /// Before anything has run, the `alpha` checks fail and the others pass.
    pub(super) fn new(config: &RealServer) -> Self {
        let alpha = config.checkers.iter().filter(|checker| checker.timing.alpha);
        Self {
            configured_weight: config.weight.number(),
            inhibit: config.inhibit_on_failure,
            checks: config.checkers.iter().map(|checker| Arc::clone(&checker.probe)).collect(),
            failed: alpha.map(|checker| Arc::clone(&checker.probe)).collect(),
            changes: BTreeMap::new(),
            drained: false,
        }
    }

    /// The same with another configuration. A check that is in both keeps its standing. A new check neither takes a
    /// real server down that is up, `alpha` or not, nor brings one back that is down, before it has run.
    pub(super) fn reconfigured(self, config: &RealServer) -> Self {
        let new = Self::new(config);
        let was_up = self.is_up();
        let fails =
            |probe: &&Arc<Probe>| !was_up && (self.failed.contains(*probe) || !self.checks.contains(*probe));
        let failed = new.checks.iter().filter(fails).cloned().collect();
        let mut changes = self.changes;
        changes.retain(|probe, _| new.checks.contains(probe));
        Self { failed, changes, drained: self.drained, ..new }
    }

    pub(super) fn is_up(&self) -> bool {
        self.failed.is_empty()
    }

    /// Takes the standing of one of its checks in.
    pub(super) fn stand(&mut self, probe: Arc<Probe>, standing: Standing) {
        if !self.checks.contains(&probe) {
            return;
        }
        match standing {
            Standing::Down => drop(self.failed.insert(probe)),
            Standing::Up { weight } => {
                self.failed.remove(&probe);
                match weight {
                    Some(change) => drop(self.changes.insert(probe, change)),
                    None => drop(self.changes.remove(&probe)),
                }
            }
        }
    }

    /// The weight while it is up: what all checks say of it adds up.
    pub(super) fn weight(&self) -> u32 {
        if self.drained {
            return 0;
        }
        let configured = i64::from(self.configured_weight);
        let changed = self.changes.values().fold(configured, |sum, change| match change {
            WeightChange::To(weight) => sum.saturating_add(i64::from(*weight) - configured),
            WeightChange::By(more) => sum.saturating_add(*more),
        });
        u32::try_from(changed.clamp(0, LARGEST)).unwrap_or(0)
    }
}
