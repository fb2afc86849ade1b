//! Another master: how it is noticed, what a master does about it, and when it has gone.
//!
//! It shows by adverts of lower rank, and by what it says of our addresses in ARP and neighbour advertisements, which also
//! a host does that is no router. Each such claim turned the neighbours, so it is answered at once. The other one yields
//! when it hears an advert of ours, mostly without a word, and what it said last is what they believe: while one is known,
//! each of our adverts is followed by an announcement, and its silence by one more. Of who sends no adverts only what it
//! claimed is announced.
//!
//! Bounded: an address is announced ten times a second, after a hundred of them once a second, so that two hosts that answer
//! each other make no storm.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::net::conflict::Conflict;
use crate::net::object::Mac;
use crate::vrrp::event::Event;

use super::{Action, Heard, Machine, Repeated, announce};

/// From an advert of ours to the announcement behind it: whoever yields has taken it in by then.
const FOLLOWS: Duration = Duration::from_millis(20);
/// Between two such announcements, however short the interval of the adverts is.
const DISTANCE: Duration = Duration::from_millis(100);
/// An advert that is later than this does not come.
const MARGIN: Duration = Duration::from_millis(100);
/// Adverts in a row that may be lost before the other one counts as gone.
const LOST: u32 = 3;
/// Who claims an address without adverts is expected to do so again within this time.
const CLAIMS: Duration = Duration::from_secs(60);
/// Answers to claims of one address: so many at once, and one more each time.
const AT_ONCE: (u32, Duration) = (10, Duration::from_millis(100));
const IN_ALL: (u32, Duration) = (100, Duration::from_secs(1));
/// A process counts its adverts from 1 on: one that has sent no more than this has just become master.
const FIRST: u16 = 4;
/// The most that a master answers, for each advert that is due.
const ANSWERS: u32 = 6;

/// What is known of another master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rival {
    /// It sends adverts from here, with this priority.
    pub adverts: Option<(IpAddr, u8)>,
    /// It has claimed this address.
    pub claims: Option<IpAddr>,
    /// For this one of ethernet; `None`: it did not say.
    pub mac: Option<Mac>,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((source, priority)) = self.adverts {
            write!(f, "{source} sends adverts of priority {priority}")?;
        }
        let Some(address) = self.claims else { return Ok(()) };
        f.write_str(if self.adverts.is_some() { ", " } else { "" })?;
        match self.mac {
            Some(mac) => write!(f, "{mac} claims {address}"),
            None => write!(f, "another host claims {address}"),
        }
    }
}

/// The other master, while there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Rivals {
    adverts: Option<Adverts>,
    claims: Option<(Conflict, Instant)>,
    /// It is counted, and was told.
    counts: bool,
    /// An announcement follows an advert.
    follows: Option<Instant>,
    followed: Option<Instant>,
    /// When a claim made us send an advert.
    advertised: Option<Instant>,
    rates: BTreeMap<IpAddr, Rate>,
    /// Claims that wait for their answer.
    waiting: BTreeSet<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Adverts {
    source: IpAddr,
    priority: u8,
    interval: Duration,
    at: Instant,
    /// The next one has not come, and that was answered.
    silent: bool,
}

impl Adverts {
    fn missed_at(&self) -> Instant {
        self.at + self.interval + MARGIN
    }

    fn gone_at(&self) -> Instant {
        self.at + self.interval * LOST + MARGIN
    }
}

impl Rivals {
    fn next(&self) -> Option<Instant> {
        let adverts = self.adverts.map(|one| if one.silent { one.gone_at() } else { one.missed_at() });
        let claims = self.claims.map(|(_, at)| at + CLAIMS);
        let waiting = self.waiting.iter().filter_map(|address| self.rates.get(address)).map(Rate::ready_at);
        [adverts, claims, self.follows].into_iter().flatten().chain(waiting).min()
    }

    /// Whether the claim of `address` is answered now; if not, it will be.
    fn answers(&mut self, now: Instant, address: IpAddr) -> bool {
        let answers = self.rates.entry(address).or_insert_with(|| Rate::new(now)).allow(now);
        if answers {
            self.waiting.remove(&address);
        } else {
            self.waiting.insert(address);
        }
        answers
    }

    /// An advert leaves.
    fn follow_up(&mut self, now: Instant) {
        if self.adverts.is_none() && self.claims.is_none() {
            return;
        }
        let earliest = self.followed.map_or(now, |at| at + DISTANCE);
        self.follows.get_or_insert(earliest.max(now + FOLLOWS));
    }
}

/// How often an address is announced because of claims: for each limit, when it would be used up, were nothing said any more.
#[derive(Debug, Clone, Copy)]
struct Rate {
    at_once: Instant,
    in_all: Instant,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { at_once: now, in_all: now }
    }

    fn ready_at(&self) -> Instant {
        let ready = |used: Instant, (count, each): (u32, Duration)| {
            used.checked_sub(each * (count - 1)).unwrap_or(used)
        };
        ready(self.at_once, AT_ONCE).max(ready(self.in_all, IN_ALL))
    }

    fn allow(&mut self, now: Instant) -> bool {
        let allowed = self.ready_at() <= now;
        if allowed {
            self.at_once = self.at_once.max(now) + AT_ONCE.1;
            self.in_all = self.in_all.max(now) + IN_ALL.1;
        }
        allowed
    }
}

impl Machine {
    /// Another host says that it has an address of ours.
    pub(super) fn claimed(&mut self, now: Instant, conflict: Conflict, out: &mut Vec<Action>) {
        if !self.leads() {
            return;
        }
        self.stats.claims += 1;
        let interval = self.config.advert_interval.duration();
        let last_word = self.is_last_word(now);
        let rivals = self.rivals.get_or_insert_default();
        if !last_word {
            rivals.claims = Some((conflict, now));
        }
        let known = rivals.adverts.map(|adverts| adverts.source);
        let recent = |at: Instant| now.saturating_duration_since(at) < interval;
        let advertises = !self.config.lower_prio_no_advert && !rivals.advertised.is_some_and(recent);
        let answers = rivals.answers(now, conflict.address);
        if advertises {
            // When it is a router of lower rank that is all it has to hear.
            rivals.advertised = Some(now);
            self.advertise(now, out);
            self.deadline = Some(now + interval);
        }
        if answers {
            out.push(Action::Defend(conflict.address));
        }
        if self.counts_rival(now)
            && let Some(suppressed) = self.repeats.allow(now, Repeated::Claimed(conflict.mac))
        {
            let Conflict { address, mac } = conflict;
            out.push(Action::Report(Event::Claimed { address, mac, known, suppressed }));
        }
    }

    /// A master of lower rank is heard.
    pub(super) fn rival_heard(&mut self, now: Instant, source: IpAddr, priority: u8, interval: Duration) {
        if self.is_last_word(now) {
            return;
        }
        let rivals = self.rivals.get_or_insert_default();
        rivals.adverts = Some(Adverts { source, priority, interval, at: now, silent: false });
        self.counts_rival(now);
    }

    /// It says that it goes: what it said of the addresses does not count any more.
    pub(super) fn rival_stops(&mut self, now: Instant, source: IpAddr) {
        let Some(rivals) = &mut self.rivals else { return };
        if let Some(adverts) = rivals.adverts.filter(|adverts| adverts.source == source) {
            // It is missed from now on.
            let before = now.checked_sub(adverts.interval + MARGIN).unwrap_or(now);
            rivals.adverts = Some(Adverts { at: before, silent: false, ..adverts });
        }
    }

    /// False: it is the one that is being replaced. Otherwise there are two masters, which is counted once.
    fn counts_rival(&mut self, now: Instant) -> bool {
        let counts = !self.is_last_word(now);
        if let Some(rivals) = &mut self.rivals
            && counts
            && !std::mem::replace(&mut rivals.counts, true)
        {
            self.stats.two_masters += 1;
        }
        counts
    }

    /// The master that was replaced says one last word within an interval.
    pub(super) fn is_last_word(&self, now: Instant) -> bool {
        let interval = self.config.advert_interval.duration();
        self.master_since.is_some_and(|since| now.saturating_duration_since(since) < interval)
    }

    /// Sends an advert as master. Whoever yields to it does so without a word.
    pub(super) fn advertise(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.send_advert(self.priority(), out);
        if let Some(rivals) = &mut self.rivals {
            rivals.follow_up(now);
        }
    }

    /// When something is due because of another master.
    pub(super) fn next_of_rivals(&self) -> Option<Instant> {
        self.rivals.as_ref()?.next()
    }

    pub(super) fn rivals_timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        let last_word = self.is_last_word(now);
        let Some(rivals) = &mut self.rivals else { return };
        let mut announces = rivals.follows.take_if(|at| *at <= now).is_some();
        if announces {
            rivals.followed = Some(now);
        }
        if announces && rivals.adverts.is_none() {
            announces = false;
            for address in rivals.rates.keys().copied().collect::<Vec<IpAddr>>() {
                if rivals.answers(now, address) {
                    out.push(Action::Defend(address));
                }
            }
        }
        if let Some(adverts) = rivals.adverts.as_mut().filter(|adverts| !adverts.silent)
            && adverts.missed_at() <= now
        {
            adverts.silent = true;
            announces = true;
        }
        if let Some(gone) = rivals.adverts.take_if(|adverts| adverts.gone_at() <= now) {
            // What was claimed while it sent adverts was claimed by it.
            rivals.claims.take_if(|(_, at)| *at <= gone.missed_at());
        }
        rivals.claims.take_if(|(_, at)| *at + CLAIMS <= now);
        for address in rivals.waiting.clone() {
            if rivals.answers(now, address) {
                out.push(Action::Defend(address));
            }
        }
        let gone = rivals.adverts.is_none()
            && rivals.claims.is_none()
            && rivals.waiting.is_empty()
            // How much was answered counts until then.
            && !last_word;
        let told = rivals.counts;
        // As with the burst that answers an advert, who does not want it has none of it.
        announce(u32::from(announces && self.config.garp.lower_prio_repeat > 0), out);
        if gone {
            self.rivals = None;
            if told {
                out.push(Action::Report(Event::OneMaster));
            }
        }
    }

    /// A master of higher rank is heard while master. Whether it led all the time, or may have, without having been heard:
    /// then it does not know that its addresses were elsewhere. Who comes back and replaces us announces them himself.
    pub(super) fn was_split(&mut self, now: Instant, by: Heard, out: &mut Vec<Action>) -> bool {
        let recent = now.checked_sub(self.config.advert_interval.duration() * LOST);
        let is_recent = |at: Instant| recent.is_none_or(|recent| at > recent);
        let claims = self.rivals.as_ref().and_then(|rivals| rivals.claims);
        let claimed = claims.is_some_and(|(_, at)| is_recent(at));
        let before = self.heard_before.filter(|heard| heard.address == by.address);
        let numbers = before.and_then(|before| before.id.zip(by.id));
        let returned = numbers.is_some_and(|(last, first)| first <= last && first <= FIRST);
        // Who counts in another way says nothing by it.
        let missed = numbers.filter(|_| !returned).and_then(|(last, this)| {
            let silent = now.saturating_duration_since(before?.at);
            let due = silent.as_millis() / self.master_interval().as_millis().max(1);
            let missed = this.wrapping_sub(last).wrapping_sub(1);
            (u128::from(missed) <= (due + 2) * u128::from(ANSWERS)).then_some(missed)
        });
        let led = missed.is_some_and(|missed| u32::from(missed) >= LOST);
        let fell_silent = self.fell_silent && before.is_some() && !returned;
        // A pause of its own, or a link that was down, is no time in which both led.
        if claimed || led || (fell_silent && missed.is_none()) {
            self.tell_of_split(by, missed.filter(|_| led), out);
        }
        claimed || led || fell_silent
    }

    fn tell_of_split(&mut self, by: Heard, missed: Option<u16>, out: &mut Vec<Action>) {
        if !self.rivals.as_ref().is_some_and(|rivals| rivals.counts) {
            self.stats.two_masters += 1;
        }
        out.push(Action::Report(Event::WasSplit { by: by.address, missed }));
    }

    /// For whoever asks.
    pub(super) fn rival(&self) -> Option<Rival> {
        let rivals = self.rivals.as_ref().filter(|rivals| rivals.counts)?;
        let claims = rivals.claims.map(|(conflict, _)| conflict);
        Some(Rival {
            adverts: rivals.adverts.map(|adverts| (adverts.source, adverts.priority)),
            claims: claims.map(|conflict| conflict.address),
            mac: claims.and_then(|conflict| conflict.mac),
        })
    }
}
