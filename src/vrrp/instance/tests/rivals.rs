//! Two masters: what the one that stays does, and what the one that yields says.

use super::*;
use crate::net::conflict::Conflict;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x66]);
const MS: Duration = Duration::from_millis(1);

fn claim(last: u8) -> Input {
    Input::Claimed(Conflict { address: address(last).address, mac: Some(MAC) })
}

/// A master of priority 100 that has announced all that a new one does.
fn settled(config: Instance) -> (Machine, Instant) {
    let (mut machine, at) = master(config);
    let now = at + 20 * SECOND;
    feed(&mut machine, now, Input::Timer);
    (machine, now)
}

/// Lets time pass until `end`; what was done, and when.
fn pass(machine: &mut Machine, end: Instant) -> Vec<(Instant, String)> {
    let mut all = Vec::new();
    while let Some((at, _)) = machine.next_timer().filter(|(at, _)| *at <= end) {
        all.extend(kinds(&feed(machine, at, Input::Timer)).into_iter().map(|kind| (at, kind)));
        assert_ne!(machine.next_timer().unwrap().0, at, "{:?}", all.last());
    }
    all
}

/// The same as the advert of another one, with its number.
fn numbered(machine: &mut Machine, now: Instant, priority: u8, number: u16) -> Vec<String> {
    let Input::Packet(packet) = advert(machine, PEER, priority) else { unreachable!() };
    kinds(&feed(machine, now, Input::Packet(Received { id: Some(number), ..packet })))
}

#[test]
fn a_claim_is_answered_at_once_by_an_advert_and_an_announcement() {
    let (mut machine, now) = settled(config(100, Version::V2));
    assert_eq!(
        kinds(&feed(&mut machine, now, claim(240))),
        ["advert 100", "defend 192.168.100.240", "report"]
    );
    let again = kinds(&feed(&mut machine, now + 10 * MS, claim(240)));
    assert_eq!(again, ["defend 192.168.100.240"], "one advert in an interval, and one line");
    let view = machine.snapshot();
    assert_eq!((view.stats.claims, view.stats.two_masters), (2, 1));
    let shown = view.rival.unwrap();
    assert_eq!(shown.to_string(), "02:00:00:00:00:66 claims 192.168.100.240");
    // Who hears the advert yields without a word: what was said last is what they believe.
    let (at, kind) = pass(&mut machine, now + 50 * MS).remove(0);
    assert_eq!((at, &*kind), (now + 20 * MS, "defend 192.168.100.240"), "and nothing that nobody claimed");
}

#[test]
fn who_claims_all_the_time_is_answered_seldom_and_delays_no_advert() {
    let (mut machine, now) = settled(config(100, Version::V2));
    let mut last = now;
    let (mut adverts, mut answers) = (0, BTreeMap::<u64, u32>::new());
    for millisecond in 0..200_000 {
        let at = now + MS * millisecond;
        let mut done = kinds(&feed(&mut machine, at, claim(240)));
        while machine.next_timer().is_some_and(|(due, _)| due <= at) {
            done.extend(kinds(&feed(&mut machine, at, Input::Timer)));
        }
        if done.contains(&"advert 100".to_owned()) {
            assert!(at - last <= SECOND, "silent for {:?}", at - last);
            (last, adverts) = (at, adverts + 1);
        }
        let defended = done.iter().filter(|kind| kind.starts_with("defend")).count();
        *answers.entry(u64::from(millisecond) / 1000).or_default() += u32::try_from(defended).unwrap();
    }
    assert!((200..=401).contains(&adverts), "{adverts}");
    assert!(answers[&0] <= 20 && answers[&0] >= 10, "{answers:?}");
    assert!(answers.values().all(|count| *count <= 20), "{answers:?}");
    assert!(answers.iter().skip(60).all(|(_, count)| *count <= 2), "{answers:?}");
    let sum: u32 = answers.values().sum();
    assert!((290..=310).contains(&sum), "a hundred, and one a second: {sum}");
    let stats = machine.snapshot().stats;
    assert_eq!((stats.claims, stats.two_masters), (200_000, 1));
}

#[test]
fn fifty_claims_in_five_seconds_are_all_answered_at_once() {
    let (mut machine, now) = settled(config(100, Version::V2));
    for number in 0..50 {
        let at = now + 100 * MS * number;
        pass(&mut machine, at);
        let done = kinds(&feed(&mut machine, at, claim(240)));
        assert!(done.contains(&"defend 192.168.100.240".to_owned()), "{number}: {done:?}");
    }
}

/// What found no answer at once finds one, even when nothing more is said.
#[test]
fn the_last_claim_is_answered_too() {
    let (mut machine, now) = settled(config(100, Version::V2));
    for _ in 0..30 {
        feed(&mut machine, now, claim(240));
    }
    let later = pass(&mut machine, now + 200 * MS);
    assert!(later.iter().any(|(_, kind)| kind == "defend 192.168.100.240"), "{later:?}");
}

#[test]
fn when_a_second_master_falls_silent_the_addresses_are_announced_once_more() {
    for version in [Version::V2, Version::V3] {
        let (mut machine, mut now) = settled(config(100, version));
        let mut said = Vec::new();
        for _ in 0..8 {
            hear(&mut machine, now, PEER, 90);
            let rival = machine.snapshot().rival.unwrap();
            assert_eq!(rival.to_string(), "192.168.100.101 sends adverts of priority 90");
            now += SECOND;
            said = pass(&mut machine, now);
        }
        // Behind each advert of ours there is an announcement.
        for (at, _) in said.iter().filter(|(_, kind)| kind == "advert 100") {
            let follows =
                |(of, kind): &(Instant, String)| kind.starts_with("announce") && *of - *at <= 100 * MS;
            assert!(said.iter().filter(|(of, _)| of > at).any(follows) || *at + 20 * MS > now, "{said:?}");
        }
        // The next one would be there by now.
        let silent = pass(&mut machine, now + 150 * MS);
        assert!(silent.iter().any(|(at, kind)| *at == now + 100 * MS && kind == "announce 1"), "{silent:?}");
        let rest = pass(&mut machine, now + 10 * SECOND);
        assert!(rest.iter().any(|(_, kind)| kind == "report"), "it has gone: {rest:?}");
        let view = machine.snapshot();
        assert_eq!((view.rival, view.stats.two_masters), (None, 1));
        let quiet = pass(&mut machine, now + 20 * SECOND);
        let announced =
            quiet.iter().filter(|(at, kind)| *at > now + 10 * SECOND && kind.starts_with("announce"));
        assert_eq!(announced.count(), 0, "{quiet:?}");
    }
}

#[test]
fn a_second_master_that_stops_is_followed_by_an_announcement_at_once() {
    let (mut machine, now) = settled(config(100, Version::V2));
    hear(&mut machine, now, PEER, 90);
    pass(&mut machine, now + SECOND / 2);
    let stops = now + SECOND / 2;
    hear(&mut machine, stops, PEER, 0);
    let done = pass(&mut machine, stops + 30 * MS);
    assert!(done.iter().any(|(_, kind)| kind == "announce 1"), "{done:?}");
}

#[test]
fn who_wants_no_announcement_because_of_others_has_none_but_for_claims() {
    let mut config = config(100, Version::V2);
    (config.garp.lower_prio_repeat, config.lower_prio_no_advert) = (0, true);
    let (mut machine, now) = settled(config);
    assert_eq!(kinds(&feed(&mut machine, now, claim(240))), ["defend 192.168.100.240", "report"]);
    hear(&mut machine, now, PEER, 90);
    let done = pass(&mut machine, now + 3 * SECOND);
    assert!(!done.iter().any(|(_, kind)| kind.starts_with("announce")), "{done:?}");
}

#[test]
fn what_the_replaced_master_says_last_is_no_second_one() {
    let (mut machine, at) = master(config(100, Version::V2));
    let done = kinds(&feed(&mut machine, at + 50 * MS, claim(240)));
    assert!(
        done.contains(&"defend 192.168.100.240".to_owned()) && !done.contains(&"report".to_owned()),
        "{done:?}"
    );
    let view = machine.snapshot();
    assert_eq!((view.rival, view.stats.two_masters, view.stats.claims), (None, 0, 1));
}

#[test]
fn a_backup_and_who_hands_over_answer_nothing() {
    let (mut machine, now) = started(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut machine, now, claim(240))), [""; 0]);
    let (mut machine, now) = settled(config(100, Version::V2));
    hear(&mut machine, now, PEER, 90);
    feed(&mut machine, now, Input::Stop);
    assert_eq!(kinds(&feed(&mut machine, now, claim(240))), [""; 0]);
    assert!(!pass(&mut machine, now + 500 * MS).iter().any(|(_, kind)| kind.starts_with("announce")));
}

/// Its master sends the advert of this number last, and another one when it is heard again, after 10 s.
fn loser(last: u16, again: u16) -> (Vec<String>, u64) {
    let (mut machine, start) = started(config(100, Version::V2));
    numbered(&mut machine, start, 150, last);
    pass(&mut machine, start + 10 * SECOND);
    assert_eq!(machine.state(), State::Master);
    let said = numbered(&mut machine, start + 10 * SECOND, 150, again);
    assert_eq!(machine.state(), State::Backup);
    assert_eq!(machine.next_timer().unwrap().1, Timer::MasterDown, "nothing is announced any more");
    (said, machine.snapshot().stats.two_masters)
}

#[test]
fn who_yields_says_a_last_word_when_the_other_one_led_all_the_time() {
    let split = ["advert 100", "enter BACKUP", "hold false"];
    // Its adverts went on, also over the end of their numbers.
    for (last, again) in [(700, 710), (700, 725), (u16::MAX - 2, 7)] {
        let (said, count) = loser(last, again);
        assert_eq!(said, ["report", split[0], split[1], split[2]], "{last} {again}");
        assert_eq!(count, 1);
    }
    // Another process that has just become master.
    for (last, again) in [(700, 1), (1, 1), (60_000, 2)] {
        assert_eq!(loser(last, again), (vec![split[1].to_owned(), split[2].to_owned()], 0), "{last} {again}");
    }
    // It was paused, or its link was down: it does not know that its addresses were elsewhere.
    assert_eq!(loser(700, 701), (split.map(str::to_owned).to_vec(), 0));
}

#[test]
fn claims_of_the_other_one_tell_of_a_split_as_well() {
    let (mut machine, now) = settled(config(100, Version::V2));
    feed(&mut machine, now, claim(240));
    let said = kinds(&hear(&mut machine, now + SECOND, PEER, 150));
    assert_eq!(said, ["report", "advert 100", "enter BACKUP", "hold false"]);
    assert_eq!(machine.snapshot().stats.two_masters, 1, "it is one split");
}
