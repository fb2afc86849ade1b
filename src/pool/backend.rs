//! One real server: whether it is up, and with which weight.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::check::standing::{Standing, WeightChange};
use crate::config::model::{Checker, Probe, RealServer, VirtualServerName};

/// The largest weight that the kernel takes.
const LARGEST: i64 = i32::MAX as i64;

/// What is said of real servers before they are configured.
pub type Words = BTreeMap<(VirtualServerName, SocketAddr), ByHand>;

/// What checks amount to that need not run for that.
pub type Known = BTreeMap<Arc<Probe>, Standing>;

/// What somebody has said of a real server, whatever the configuration and its checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// Weight 0: it keeps its connections and gets no new ones.
    Drained,
    /// It is not in the table.
    Disabled,
    /// It has this weight while it is up.
    Weight(u32),
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained => f.write_str("drained"),
            Self::Disabled => f.write_str("disabled"),
            Self::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

/// The condition of one real server.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    /// The configuration's.
    pub(super) configured_weight: u32,
    /// `inhibit_on_failure`.
    pub(super) inhibit: bool,
    /// What somebody has said of it.
    pub(super) by_hand: Option<ByHand>,
    /// When it fell that was up by verdicts before, if it is not.
    pub(super) fell: Option<Instant>,
    /// It is not up, and stays in (`min_healthy`).
    pub(super) kept: bool,
    /// All of its checks; few, so that they stand in a row.
    checks: Box<[Check]>,
}

/// One of its checks.
#[derive(Debug, Clone)]
struct Check {
    probe: Arc<Probe>,
    /// It fails; without any that does, the real server is up.
    fails: bool,
    /// That is its verdict, and not taken for granted.
    judged: bool,
    /// What it says of the weight, while it passes.
    change: Option<WeightChange>,
}

impl Backend {
    /// What is `known` counts. Else, before anything has run, the `alpha` checks fail and the others pass.
    pub(super) fn new(config: &RealServer, known: &Known) -> Self {
        let check = |checker: &Checker| {
            let (fails, change) = match known.get(&checker.probe) {
                Some(Standing::Down) => (true, None),
                Some(Standing::Up { weight }) => (false, *weight),
                None => (checker.timing.alpha, None),
            };
            let judged = known.contains_key(&checker.probe);
            Check { probe: Arc::clone(&checker.probe), fails, judged, change }
        };
        Self {
            configured_weight: config.weight.number(),
            inhibit: config.inhibit_on_failure,
            by_hand: None,
            fell: None,
            kept: false,
            checks: config.checkers.iter().map(check).collect(),
        }
    }

    /// The same with another configuration. A check that is in both keeps its standing. A new check neither takes a
    /// real server down that is up, `alpha` or not, nor brings one back that is down, before it has run.
    pub(super) fn reconfigured(self, now: Instant, config: &RealServer, known: &Known) -> Self {
        let mut new = Self { by_hand: self.by_hand, ..Self::new(config, known) };
        let (was_up, was_proven) = (self.is_up(), self.is_proven());
        for check in new.checks.iter_mut().filter(|check| !known.contains_key(&check.probe)) {
            let known = self.checks.iter().find(|known| known.probe == check.probe);
            check.fails = !was_up && known.is_none_or(|known| known.fails);
            check.judged = known.is_some_and(|known| known.judged);
            check.change = known.and_then(|known| known.change);
        }
        if !new.is_up() {
            // What is known of a check may take it down with the reload.
            new.fell = if was_proven { Some(now) } else { self.fell };
            new.kept = self.kept;
        }
        new
    }

    /// It is up by the verdicts of all its checks.
    pub(super) fn is_proven(&self) -> bool {
        self.checks.iter().all(|check| check.judged && !check.fails)
    }

    /// Clients are sent to it.
    pub(super) fn serves(&self) -> bool {
        self.by_hand != Some(ByHand::Disabled) && (self.kept || self.is_up())
    }

    pub(super) fn is_up(&self) -> bool {
        self.checks.iter().all(|check| !check.fails)
    }

    /// How many of its checks fail.
    pub(super) fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.fails).count()
    }

    /// Whether one of its checks fails.
    pub(super) fn fails(&self, probe: &Probe) -> bool {
        self.checks.iter().any(|check| check.fails && *check.probe == *probe)
    }

    /// Takes the standing of one of its checks in.
    pub(super) fn stand(&mut self, probe: &Probe, standing: Standing) {
        // Two equal checks are one.
        for check in self.checks.iter_mut().filter(|check| *check.probe == *probe) {
            check.judged = true;
            match standing {
                Standing::Down => check.fails = true,
                Standing::Up { weight } => (check.fails, check.change) = (false, weight),
            }
        }
    }

    /// The weight while it is up: what all checks say of it adds up.
    pub(super) fn weight(&self) -> u32 {
        match self.by_hand {
            Some(ByHand::Drained | ByHand::Disabled) => return 0,
            Some(ByHand::Weight(weight)) => return weight,
            None => {}
        }
        let configured = i64::from(self.configured_weight);
        let changes = self.checks.iter().filter_map(|check| check.change);
        let changed = changes.fold(configured, |sum, change| match change {
            WeightChange::To(weight) => sum.saturating_add(i64::from(weight) - configured),
            WeightChange::By(more) => sum.saturating_add(more),
        });
        u32::try_from(changed.clamp(0, LARGEST)).unwrap_or(0)
    }
}

/// The real servers of one virtual server, by their addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Backends(Vec<(SocketAddr, Backend)>);

impl Backends {
    /// Of two with one address the later counts.
    pub(super) fn new(backends: impl IntoIterator<Item = (SocketAddr, Backend)>) -> Self {
        let mut all: Vec<_> = backends.into_iter().collect();
        all.reverse();
        all.sort_by_key(|(address, _)| *address);
        all.dedup_by_key(|(address, _)| *address);
        all.shrink_to_fit();
        Self(all)
    }

    fn place(&self, address: &SocketAddr) -> Result<usize, usize> {
        self.0.binary_search_by_key(address, |(known, _)| *known)
    }

    pub(super) fn get(&self, address: &SocketAddr) -> Option<&Backend> {
        self.0.get(self.place(address).ok()?).map(|(_, backend)| backend)
    }

    pub(super) fn get_mut(&mut self, address: &SocketAddr) -> Option<&mut Backend> {
        let place = self.place(address).ok()?;
        self.0.get_mut(place).map(|(_, backend)| backend)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Backend> {
        self.0.iter().map(|(_, backend)| backend)
    }

    /// Each with its address.
    pub(super) fn named(&self) -> impl Iterator<Item = (&SocketAddr, &Backend)> {
        self.0.iter().map(|(address, backend)| (address, backend))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes it out.
    pub(super) fn remove(&mut self, address: &SocketAddr) -> Option<Backend> {
        let place = self.place(address).ok()?;
        Some(self.0.remove(place).1)
    }
}
