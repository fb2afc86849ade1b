//! How often a master answers adverts of lower rank: whoever can reach it could otherwise make it send as fast as
//! they do.
//!
//! Senders that are known (the peers of the configuration, and masters that were obeyed) each have their own measure;
//! all others share one, so that forged senders take nothing from the real peer.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::report::Few;

/// Masters remembered; a virtual router has two or three.
const MOST: usize = 8;
/// Answers in one advert interval.
const ANSWERS: u32 = 4;

/// Who is known, and when they were answered last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    known: Few<IpAddr, Known>,
    others: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Known {
    heard: Instant,
    answered: Option<Instant>,
}

impl Answers {
    /// `sender` is a peer, or a master that was obeyed.
    pub(crate) fn know(&mut self, now: Instant, sender: IpAddr) {
        if let Some(known) = self.known.get_mut(&sender) {
            known.heard = now;
            return;
        }
        if self.known.len() >= MOST {
            // The one that was silent for longest makes room.
            let oldest = self.known.iter().min_by_key(|(_, known)| known.heard).map(|(sender, _)| *sender);
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(sender, Known { heard: now, answered: None });
    }

    /// Whether `sender` is known.
    pub(crate) fn knows(&self, sender: &IpAddr) -> bool {
        self.known.contains_key(sender)
    }

    /// Whether `sender` is answered now, with an advert interval of `interval`.
    pub(crate) fn allow(&mut self, now: Instant, sender: IpAddr, interval: Duration) -> bool {
        let last = match self.known.get_mut(&sender) {
            Some(known) => &mut known.answered,
            None => &mut self.others,
        };
        let soon = last.is_some_and(|last| now.saturating_duration_since(last) < interval / ANSWERS);
        if !soon {
            *last = Some(now);
        }
        !soon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn a_flood_of_senders_gets_few_answers_and_the_peer_its_own() {
        let start = Instant::now();
        let mut answers = Answers::default();
        answers.know(start, address(1));
        let (mut to_peer, mut to_others) = (0, 0);
        for millisecond in 0..5000 {
            let now = start + Duration::from_millis(millisecond);
            for forged in 0..30 {
                to_others += u32::from(answers.allow(now, address(1000 + forged), SECOND));
            }
            if millisecond % 1000 == 7 {
                to_peer += u32::from(answers.allow(now, address(1), SECOND));
            }
        }
        assert_eq!(to_peer, 5, "each of its adverts is answered");
        assert_eq!(to_others, 5 * ANSWERS);
    }

    #[test]
    fn the_known_are_few() {
        let now = Instant::now();
        let mut answers = Answers::default();
        for number in 0..100 {
            answers.know(now + Duration::from_secs(number.into()), address(number));
        }
        assert_eq!(answers.known.len(), MOST);
        assert!(answers.knows(&address(99)) && !answers.knows(&address(0)));
    }
}
