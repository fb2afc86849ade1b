//! Virtual addresses at which nobody is to be answered: traffic to and from them is dropped by a table of nftables.
//!
//! Inputs: how the table is to be made, the addresses, the kernel's answers. Output: [`Batch`]es, one at a time; the
//! kernel takes all of one or nothing.
//! Invariants: an address counts as dropped once the kernel has said so, and until it says otherwise; a table of ours is
//! looked at from time to time, and made anew when somebody changed it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::model::{Family, Filter};

/// How often somebody else's changes are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// The first wait before a refused batch is tried again; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

/// A table as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name and what is in its chains.
    pub filter: Filter,
    /// One table for each.
    pub families: BTreeSet<Family>,
}

/// An address of which traffic is dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The address.
    pub address: IpAddr,
    /// On this interface alone: a link-local address means something there only.
    pub interface: Option<Interface>,
}

/// How an interface is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// By its index.
    Index(u32),
    /// By its name.
    Name(String),
}

/// One change of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Make the table, in the place of one that has its name.
    Build {
        /// How.
        plan: Plan,
        /// What is in it.
        elements: BTreeSet<Element>,
    },
    /// Change what is in it.
    Edit {
        /// The table as it is.
        plan: Plan,
        /// What comes.
        add: BTreeSet<Element>,
        /// What goes.
        remove: BTreeSet<Element>,
    },
    /// Take the table of this name away.
    Clear(String),
    /// Look whether it is as it was left; [`Batch::CHANGED`] is the answer when it is not.
    Look(Plan),
}

impl Batch {
    /// The answer to [`Batch::Look`]: somebody has changed it.
    pub const CHANGED: i32 = libc::ESTALE;
}

/// What an answer amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// What was expected.
    None,
    /// The kernel does not make the table, and did so far, or for another reason.
    Refused,
    /// It does, after it did not.
    Taken,
    /// Somebody has changed the table; it is made anew.
    Altered,
}

/// What the kernel did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    errno: i32,
    times: u32,
    again: Instant,
}

/// The table of this daemon.
#[derive(Debug, Clone, Default)]
pub struct Firewall {
    plan: Option<Plan>,
    wanted: BTreeSet<Element>,
    /// What the kernel has, as far as is known.
    actual: Option<(Plan, BTreeSet<Element>)>,
    /// What the kernel has taken and not lost since.
    dropped: BTreeSet<Element>,
    under_way: bool,
    refused: Option<Refused>,
    look_at: Option<Instant>,
    /// Tables of ours that nobody needs: those of an earlier process, or of an earlier name.
    left: BTreeSet<String>,
    /// When these are tried again.
    clear_at: Option<Instant>,
    /// That of [`Self::tables`].
    told: BTreeSet<String>,
}

impl Firewall {
    /// A table that an earlier process may have left.
    pub fn recorded(&mut self, table: String) {
        self.left.insert(table);
    }

    /// Says what is wanted; `None`: no table.
    pub fn want(&mut self, plan: Option<Plan>, elements: BTreeSet<Element>) {
        if self.plan != plan {
            // What the kernel thought of the former says nothing of it.
            self.refused = None;
        }
        (self.plan, self.wanted) = (plan, elements);
    }

    /// The table that is wanted.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Whether traffic of `element` is dropped.
    pub fn drops(&self, element: &Element) -> bool {
        self.dropped.contains(element)
    }

    /// The kernel's answer when it does not make the table.
    pub fn refused(&self) -> Option<i32> {
        self.refused.as_ref().map(|refused| refused.errno)
    }

    /// Whether it is not known yet what the kernel makes of the table.
    pub fn is_open(&self) -> bool {
        self.plan.is_some() && self.actual.is_none() && self.refused.is_none()
    }

    /// Whether something was asked of the kernel and is not answered, or is still to be asked.
    pub fn is_busy(&self) -> bool {
        self.under_way || self.is_open() || (self.plan.is_none() && self.actual.is_some())
    }

    /// The tables that may be there by our doing, when they differ from those of the last call.
    pub fn new_tables(&mut self) -> Option<&BTreeSet<String>> {
        let planned = self.plan.iter().chain(self.actual.iter().map(|(plan, _)| plan));
        let tables = planned.map(|plan| &plan.filter.table).chain(&self.left);
        // Asked at each input, and mostly nothing is new: then no set is made.
        let known = tables.clone().all(|table| self.told.contains(table));
        if known && self.told.iter().all(|told| tables.clone().any(|table| table == told)) {
            return None;
        }
        self.told = tables.cloned().collect();
        Some(&self.told)
    }

    /// The tables that may be there by our doing, as of the last call of [`Self::new_tables`].
    pub fn tables(&self) -> &BTreeSet<String> {
        &self.told
    }

    /// When there is something to look at or to try again.
    pub fn next(&self) -> Option<Instant> {
        if self.under_way {
            return None;
        }
        let again = self.refused.as_ref().map(|refused| refused.again);
        let look = self.look_at.filter(|_| self.actual.is_some());
        let clear = self.clear_at.filter(|_| !self.left.is_empty());
        [again, look, clear].into_iter().flatten().min()
    }

    /// What is to be asked of the kernel now, if anything. `clear`: what an earlier process left may go.
    pub fn batch(&mut self, now: Instant, clear: bool) -> Option<Batch> {
        if self.under_way {
            return None;
        }
        let batch = self
            .change(now)
            .or_else(|| if clear { self.clearance(now) } else { None })
            .or_else(|| self.look(now));
        self.under_way = batch.is_some();
        // From now on nobody relies on what is to go.
        match &batch {
            Some(Batch::Build { elements, .. }) => self.dropped.retain(|one| elements.contains(one)),
            Some(Batch::Edit { remove, .. }) => self.dropped.retain(|one| !remove.contains(one)),
            Some(Batch::Clear(_)) if self.plan.is_none() => self.dropped.clear(),
            Some(Batch::Clear(_) | Batch::Look(_)) | None => {}
        }
        batch
    }

    fn change(&self, now: Instant) -> Option<Batch> {
        let plan = self.plan.as_ref()?;
        if self.refused.as_ref().is_some_and(|refused| now < refused.again) {
            return None;
        }
        match &self.actual {
            // The sets first: mostly both are empty.
            Some((actual, elements)) if *elements == self.wanted && actual == plan => None,
            Some((actual, elements)) if actual == plan => {
                let add: BTreeSet<Element> = self.wanted.difference(elements).cloned().collect();
                let remove: BTreeSet<Element> = elements.difference(&self.wanted).cloned().collect();
                Some(Batch::Edit { plan: plan.clone(), add, remove })
            }
            _ => Some(Batch::Build { plan: plan.clone(), elements: self.wanted.clone() }),
        }
    }

    fn clearance(&mut self, now: Instant) -> Option<Batch> {
        if let (None, Some((actual, _))) = (&self.plan, &self.actual) {
            self.left.insert(actual.filter.table.clone());
        }
        if self.clear_at.is_some_and(|at| now < at) {
            return None;
        }
        // One that is to be there is replaced.
        let kept = |table: &&String| self.plan.as_ref().is_some_and(|plan| plan.filter.table == **table);
        self.left.iter().find(|table| !kept(table)).cloned().map(Batch::Clear)
    }

    fn look(&mut self, now: Instant) -> Option<Batch> {
        let (actual, _) = self.actual.as_ref()?;
        self.look_at.take_if(|at| *at <= now)?;
        Some(Batch::Look(actual.clone()))
    }

    /// Takes the kernel's answer in (an errno; 0: done).
    pub fn answered(&mut self, now: Instant, batch: Batch, errno: i32) -> News {
        self.under_way = false;
        self.look_at = Some(now + LOOK);
        match (batch, errno) {
            (Batch::Build { plan, elements }, 0) => {
                if let Some((before, _)) = self.actual.take()
                    && before.filter.table != plan.filter.table
                {
                    self.left.insert(before.filter.table);
                }
                self.left.remove(&plan.filter.table);
                self.taken(plan, elements)
            }
            (Batch::Edit { plan, add, remove }, 0) => {
                let mut elements = self.actual.take().map(|(_, elements)| elements).unwrap_or_default();
                elements.retain(|element| !remove.contains(element));
                elements.extend(add);
                self.taken(plan, elements)
            }
            // It has gone, or what was to be taken out of it has: it is made anew.
            (Batch::Edit { .. }, libc::ENOENT | Batch::CHANGED) | (Batch::Look(_), Batch::CHANGED) => {
                self.actual = None;
                News::Altered
            }
            (Batch::Build { .. } | Batch::Edit { .. }, errno) => self.not_taken(now, errno),
            (Batch::Clear(table), errno) => {
                // A kernel without nf_tables has no tables.
                let gone = matches!(errno, 0 | libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT);
                if gone {
                    self.left.remove(&table);
                    let is_it = |actual: &mut (Plan, BTreeSet<Element>)| actual.0.filter.table == table;
                    if self.actual.take_if(is_it).is_some() {
                        self.dropped.clear();
                    }
                }
                self.clear_at = (!gone).then_some(now + LONGEST);
                News::None
            }
            // What cannot be looked at is looked at later.
            (Batch::Look(_), _) => News::None,
        }
    }

    fn taken(&mut self, plan: Plan, elements: BTreeSet<Element>) -> News {
        self.dropped.clone_from(&elements);
        self.actual = Some((plan, elements));
        if self.refused.take().is_some() { News::Taken } else { News::None }
    }

    fn not_taken(&mut self, now: Instant, errno: i32) -> News {
        self.actual = None;
        self.dropped.clear();
        let before = self.refused.take();
        let news = before.as_ref().is_none_or(|before| before.errno != errno);
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        let wait = FIRST.saturating_mul(1 << (times.clamp(1, 6) - 1)).min(LONGEST);
        self.refused = Some(Refused { errno, times, again: now + wait });
        if news { News::Refused } else { News::None }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nftables table {}", self.filter.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(table: &str) -> Plan {
        let filter = Filter { table: table.to_owned(), ..Filter::default() };
        Plan { filter, families: [Family::Ipv4].into() }
    }

    fn elements(all: &[u8]) -> BTreeSet<Element> {
        let element = |last: &u8| Element { address: IpAddr::from([10, 0, 0, *last]), interface: None };
        all.iter().map(element).collect()
    }

    /// Carries out what is asked, with this answer; what was asked.
    fn step(firewall: &mut Firewall, now: Instant, errno: i32) -> (Option<Batch>, News) {
        let batch = firewall.batch(now, true);
        let news = batch.clone().map_or(News::None, |batch| firewall.answered(now, batch, errno));
        (batch, news)
    }

    #[test]
    fn an_address_is_dropped_when_the_kernel_has_said_so() {
        let now = Instant::now();
        let mut firewall = Firewall::default();
        assert_eq!(firewall.batch(now, true), None);
        firewall.want(Some(plan("a")), elements(&[]));
        assert!(firewall.is_open());
        let build = Batch::Build { plan: plan("a"), elements: elements(&[]) };
        assert_eq!(step(&mut firewall, now, 0), (Some(build), News::None));
        firewall.want(Some(plan("a")), elements(&[1, 2]));
        let batch = firewall.batch(now, true).unwrap();
        assert_eq!(batch, Batch::Edit { plan: plan("a"), add: elements(&[1, 2]), remove: elements(&[]) });
        assert_eq!(firewall.batch(now, true), None, "one at a time");
        assert!(!firewall.drops(elements(&[1]).first().unwrap()));
        firewall.answered(now, batch, 0);
        assert!(firewall.drops(elements(&[1]).first().unwrap()));
        firewall.want(Some(plan("a")), elements(&[2]));
        let edit = Batch::Edit { plan: plan("a"), add: elements(&[]), remove: elements(&[1]) };
        assert_eq!(firewall.batch(now, true), Some(edit.clone()));
        assert!(!firewall.drops(elements(&[1]).first().unwrap()), "it is on its way out");
        firewall.answered(now, edit, 0);
        firewall.want(None, elements(&[]));
        assert_eq!(step(&mut firewall, now, 0).0, Some(Batch::Clear("a".into())));
        assert!(!firewall.is_busy() && !firewall.drops(elements(&[2]).first().unwrap()));
        assert_eq!(firewall.new_tables().map(BTreeSet::len), None);
    }

    #[test]
    fn what_an_earlier_process_left_goes_or_is_replaced() {
        let now = Instant::now();
        let mut firewall = Firewall::default();
        firewall.recorded("a".into());
        firewall.recorded("b".into());
        firewall.want(Some(plan("a")), elements(&[]));
        assert!(matches!(step(&mut firewall, now, 0).0, Some(Batch::Build { .. })));
        assert_eq!(step(&mut firewall, now, libc::ENOENT).0, Some(Batch::Clear("b".into())));
        assert_eq!(step(&mut firewall, now, 0).0, None);
        // Another name: the new one is there before the old one goes.
        firewall.want(Some(plan("c")), elements(&[1]));
        assert!(matches!(step(&mut firewall, now, 0).0, Some(Batch::Build { .. })));
        assert_eq!(step(&mut firewall, now, 0).0, Some(Batch::Clear("a".into())));
        assert!(firewall.drops(elements(&[1]).first().unwrap()));
        assert_eq!(firewall.new_tables(), Some(&["c".to_owned()].into()));
    }

    #[test]
    fn a_refusal_is_told_once_and_tried_again() {
        let mut now = Instant::now();
        let mut firewall = Firewall::default();
        firewall.want(Some(plan("a")), elements(&[]));
        assert_eq!(step(&mut firewall, now, libc::EOPNOTSUPP).1, News::Refused);
        assert_eq!((firewall.refused(), firewall.is_open()), (Some(libc::EOPNOTSUPP), false));
        for _ in 0..9 {
            assert_eq!(firewall.batch(now, true), None);
            now = firewall.next().unwrap();
            assert_eq!(step(&mut firewall, now, libc::EOPNOTSUPP).1, News::None);
        }
        now = firewall.next().unwrap();
        assert_eq!(step(&mut firewall, now, 0).1, News::Taken);
        assert_eq!(firewall.refused(), None);
    }

    #[test]
    fn what_somebody_changes_is_made_anew_and_meanwhile_counts() {
        let mut now = Instant::now();
        let mut firewall = Firewall::default();
        firewall.want(Some(plan("a")), elements(&[1]));
        step(&mut firewall, now, 0);
        let build = Some(Batch::Build { plan: plan("a"), elements: elements(&[1]) });
        let one = elements(&[1]).pop_first().unwrap();
        now = firewall.next().unwrap();
        assert_eq!(step(&mut firewall, now, 0), (Some(Batch::Look(plan("a"))), News::None));
        now = firewall.next().unwrap();
        assert_eq!(step(&mut firewall, now, Batch::CHANGED).1, News::Altered);
        assert!(firewall.drops(&one));
        assert_eq!(step(&mut firewall, now, 0).0, build);
        // It is found when something comes or goes, too.
        firewall.want(Some(plan("a")), elements(&[1, 2]));
        assert_eq!(step(&mut firewall, now, Batch::CHANGED).1, News::Altered);
        assert!(matches!(step(&mut firewall, now, libc::ENOMEM), (Some(Batch::Build { .. }), News::Refused)));
        assert!(!firewall.drops(&one));
    }
}
