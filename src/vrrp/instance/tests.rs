use std::net::IpAddr;

use super::*;
use crate::config::model::{
    AdvertInterval, Destination, Family, InitialState, InterfaceName, Peer, Unicast, VirtualAddress, Vrid,
};
use crate::track::{Carrier, Link, carriers};

const US: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 102);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 101);
const SECOND: Duration = Duration::from_secs(1);

fn config(priority: u64, version: Version) -> Instance {
    Instance {
        version,
        priority: Priority::new(priority).unwrap(),
        addresses: vec![address(240)],
        ..Instance::new("VI_1", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap())
    }
}

fn address(last: u8) -> VirtualAddress {
    VirtualAddress::new(IpAddr::V4(Ipv4Addr::new(192, 168, 100, last)), 32)
}

fn conditions(link: Option<Link>) -> Input {
    Input::Conditions(Conditions { link, ..Conditions::default() })
}

fn link(up: bool) -> Input {
    conditions(Some(Link { up, source: Some(US) }))
}

fn feed(machine: &mut Machine, now: Instant, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    machine.handle(now, input, &mut out);
    out
}

/// A started machine, and the time of its start.
fn started(config: Instance) -> (Machine, Instant) {
    let now = Instant::now();
    let mut machine = Machine::new(config);
    feed(&mut machine, now, link(true));
    (machine, now)
}

/// A machine that has just become master, and when.
fn master(config: Instance) -> (Machine, Instant) {
    let (mut machine, _) = started(config);
    let (at, timer) = machine.next_timer().unwrap();
    assert_eq!(timer, Timer::MasterDown);
    feed(&mut machine, at, Input::Timer);
    assert_eq!(machine.state(), State::Master);
    (machine, at)
}

/// An advert as `source` would send it with our configuration but this priority.
fn advert(from: &Machine, source: Ipv4Addr, priority: u8) -> Input {
    let advert = Advert {
        header: header(&from.config),
        vrid: from.config.vrid.number(),
        priority,
        addresses: advertised(&from.config),
    };
    let group = from.config.group().and_then(only_v4).unwrap();
    Input::Packet(packet::ipv4_packet(source, group, 1, 255, &advert.encode(source, group)))
}

/// Feeds an advert of a router with the same configuration.
fn hear(machine: &mut Machine, now: Instant, source: Ipv4Addr, priority: u8) -> Vec<Action> {
    let heard = advert(machine, source, priority);
    feed(machine, now, heard)
}

/// The kinds of actions, in order; adverts with their priority.
fn kinds(actions: &[Action]) -> Vec<String> {
    let kind = |action: &Action| match action {
        Action::Transmit { packet, .. } => format!("advert {}", packet[22]),
        Action::Hold(held) => format!("hold {held}"),
        Action::Announce { frames } => format!("announce {frames}"),
        Action::Report(Event::Transition { to, .. }) => format!("enter {to}"),
        Action::Report(Event::Competitor { .. }) => "competitor".to_owned(),
        Action::Report(_) => "report".to_owned(),
    };
    actions.iter().map(kind).collect()
}

/// RFC 3768 §6.1: skew = (256 - priority) / 256 s.
#[test]
fn version_2_waits_three_adverts_and_its_skew() {
    let (machine, now) = started(config(100, Version::V2));
    let skew = SECOND * 156 / 256;
    assert_eq!(machine.next_timer(), Some((now + 3 * SECOND + skew, Timer::MasterDown)));
}

/// RFC 9568 §6.1: the skew is a part of the master's interval.
#[test]
fn version_3_waits_by_the_masters_interval() {
    let (mut machine, now) = started(config(100, Version::V3));
    let mut peer = machine.clone();
    peer.config.advert_interval = AdvertInterval::from_centiseconds(50).unwrap();
    let heard = feed(&mut machine, now, advert(&peer, PEER, 150));
    assert!(heard.iter().any(|action| matches!(action, Action::Report(Event::IntervalDiffers { .. }))));
    let interval = Duration::from_millis(500);
    assert_eq!(machine.next_timer().unwrap().0, now + 3 * interval + interval * 156 / 256);
}

#[test]
fn a_new_master_advertises_before_it_sets_and_announces_the_addresses() {
    let (mut machine, _) = started(config(100, Version::V2));
    let (at, _) = machine.next_timer().unwrap();
    let actions = feed(&mut machine, at, Input::Timer);
    assert_eq!(kinds(&actions), ["advert 100", "enter MASTER", "hold true", "announce 5"]);
    assert_eq!(machine.next_timer(), Some((at + SECOND, Timer::Advert)));
}

#[test]
fn the_owner_is_master_at_once() {
    let now = Instant::now();
    let mut machine = Machine::new(config(255, Version::V3));
    let actions = feed(&mut machine, now, link(true));
    assert_eq!(kinds(&actions), ["advert 255", "enter MASTER", "hold true", "announce 5"]);
}

#[test]
fn state_master_alone_starts_as_backup() {
    let (machine, _) = started(Instance { initial_state: InitialState::Master, ..config(100, Version::V2) });
    assert_eq!(machine.state(), State::Backup);
}

#[test]
fn an_advert_of_the_master_restarts_the_wait() {
    let (mut machine, now) = started(config(100, Version::V2));
    for priority in [150, 100] {
        hear(&mut machine, now + SECOND, PEER, priority);
        assert_eq!(machine.next_timer().unwrap().0, now + SECOND + machine.master_down(), "{priority}");
    }
}

#[test]
fn a_lower_priority_is_replaced_when_the_wait_that_was_under_way_ends() {
    let (mut machine, now) = started(config(100, Version::V2));
    let before = machine.next_timer();
    hear(&mut machine, now + SECOND, PEER, 99);
    assert_eq!(machine.next_timer(), before);
    let actions = feed(&mut machine, before.unwrap().0, Input::Timer);
    assert!(matches!(
        &actions[1],
        Action::Report(Event::Transition { why: Why::Preempted { priority: 99, .. }, .. })
    ));
}

#[test]
fn nopreempt_obeys_a_lower_priority() {
    let (mut machine, now) = started(Instance { preempt: Preempt::Never, ..config(100, Version::V2) });
    hear(&mut machine, now + SECOND, PEER, 99);
    assert_eq!(machine.next_timer().unwrap().0, now + SECOND + machine.master_down());
}

#[test]
fn preempt_delay_counts_from_the_first_lower_advert() {
    let delay = 10 * SECOND;
    let (mut machine, now) =
        started(Instance { preempt: Preempt::After { delay }, ..config(100, Version::V2) });
    let lower = advert(&machine, PEER, 99);
    feed(&mut machine, now, lower.clone());
    feed(&mut machine, now + 9 * SECOND, lower.clone());
    let last = machine.next_timer();
    assert_eq!(last.unwrap().0, now + 9 * SECOND + machine.master_down());
    feed(&mut machine, now + 10 * SECOND, lower);
    assert_eq!(machine.next_timer(), last, "no longer obeyed");
    hear(&mut machine, now + 10 * SECOND, PEER, 150);
    hear(&mut machine, now + 11 * SECOND, PEER, 99);
    assert_eq!(machine.next_timer().unwrap().0, now + 11 * SECOND + machine.master_down(), "a new delay");
}

#[test]
fn priority_0_leaves_only_the_skew() {
    let (mut machine, now) = started(config(100, Version::V2));
    hear(&mut machine, now, PEER, 0);
    assert_eq!(machine.next_timer().unwrap().0, now + SECOND * 156 / 256);
}

#[test]
fn a_master_answers_priority_0_at_once() {
    let (mut machine, at) = master(config(100, Version::V2));
    let now = at + SECOND / 2;
    let actions = hear(&mut machine, now, PEER, 0);
    assert_eq!(kinds(&actions), ["advert 100"]);
    assert_eq!(machine.next_timer(), Some((now + SECOND, Timer::Advert)));
}

/// The last advert makes the winner of a healed partition announce its addresses again.
#[test]
fn a_master_yields_with_one_last_advert() {
    let (mut machine, at) = master(config(100, Version::V2));
    let actions = hear(&mut machine, at + SECOND / 2, PEER, 150);
    assert_eq!(kinds(&actions), ["advert 100", "enter BACKUP", "hold false"]);
    assert_eq!(machine.next_timer(), Some((at + SECOND / 2 + machine.master_down(), Timer::MasterDown)));
}

#[test]
fn among_equals_the_higher_address_stays_master() {
    let higher = Ipv4Addr::new(192, 168, 100, 200);
    let (mut machine, at) = master(config(100, Version::V2));
    hear(&mut machine, at + 2 * SECOND, PEER, 100);
    assert_eq!(machine.state(), State::Master);
    hear(&mut machine, at + 2 * SECOND, higher, 100);
    assert_eq!(machine.state(), State::Backup);
}

#[test]
fn a_competitor_is_answered_and_the_addresses_are_announced_again_within_a_second() {
    let (mut machine, at) = master(config(100, Version::V2));
    let now = at + 20 * SECOND;
    feed(&mut machine, at + 6 * SECOND, Input::Timer);
    let actions = hear(&mut machine, now, PEER, 90);
    assert_eq!(kinds(&actions), ["competitor", "advert 100", "announce 5"]);
    let (soon, timer) = machine.next_timer().unwrap();
    assert_eq!(timer, Timer::Announce);
    assert!(soon <= now + SECOND);
    assert_eq!(kinds(&feed(&mut machine, soon, Input::Timer)), ["announce 5"]);
}

#[test]
fn the_last_word_of_a_master_that_was_replaced_is_no_alarm() {
    let (mut machine, at) = master(config(100, Version::V2));
    let actions = hear(&mut machine, at + SECOND / 100, PEER, 90);
    assert!(!kinds(&actions).contains(&"competitor".to_owned()), "{actions:?}");
}

/// keepalived starts the interval anew after every packet, so that junk could silence a master.
#[test]
fn junk_does_not_silence_a_master() {
    let (mut machine, at) = master(config(100, Version::V2));
    let due = machine.next_timer();
    let Input::Packet(mut junk) = advert(&machine, PEER, 150) else { unreachable!() };
    junk[26] ^= 1;
    for step in 1..10 {
        feed(&mut machine, at + SECOND * step / 10, Input::Packet(junk.clone()));
    }
    assert_eq!((machine.state(), machine.next_timer()), (State::Master, due));
    assert_eq!(machine.snapshot().stats.chk_err, 9);
}

#[test]
fn a_pause_does_not_cause_a_burst_of_adverts() {
    let (mut machine, at) = master(config(100, Version::V2));
    let now = at + 60 * SECOND;
    let adverts = kinds(&feed(&mut machine, now, Input::Timer));
    assert_eq!(adverts.iter().filter(|kind| kind.starts_with("advert")).count(), 1);
    assert_eq!(machine.next_timer(), Some((now + SECOND, Timer::Advert)));
}

#[test]
fn stopping_says_priority_0_and_gives_the_addresses_up() {
    let (mut machine, at) = master(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut machine, at, Input::Stop)), ["advert 0", "enter INIT", "hold false"]);
    assert_eq!(machine.next_timer(), None);
    let (mut backup, now) = started(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut backup, now, Input::Stop)), ["enter INIT", "hold false"]);
}

#[test]
fn a_link_that_is_lost_means_fault_until_it_is_back() {
    let (mut machine, at) = master(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut machine, at, link(false))), ["advert 0", "enter FAULT", "hold false"]);
    assert_eq!(machine.next_timer(), None);
    assert_eq!(feed(&mut machine, at, link(false)), [], "said once");
    let gone = feed(&mut machine, at, conditions(None));
    assert_eq!(kinds(&gone), ["enter FAULT", "hold false"], "another cause is told");
    assert_eq!(kinds(&feed(&mut machine, at + SECOND, link(true))), ["enter BACKUP", "hold false"]);
    assert_eq!(machine.next_timer().unwrap().0, at + SECOND + machine.master_down());
}

#[test]
fn dont_track_primary_ignores_the_link() {
    let (mut machine, at) = master(Instance { dont_track_primary: true, ..config(100, Version::V2) });
    assert_eq!(feed(&mut machine, at, link(false)), []);
}

/// Addresses on a dead port are held for nobody.
#[test]
fn the_interfaces_of_the_addresses_are_tracked_too() {
    let eth1 = InterfaceName::new("eth1").unwrap();
    let inner = VirtualAddress { interface: Some(eth1.clone()), ..address(1) };
    let pair = Instance { addresses: vec![address(240), inner], ..config(100, Version::V2) };
    assert_eq!(carriers(&pair), BTreeSet::from([eth1.clone()]));
    let (mut machine, at) = master(pair);
    let with = |carrier| {
        Input::Conditions(Conditions {
            link: Some(Link { up: true, source: Some(US) }),
            carriers: [(eth1.clone(), carrier)].into(),
            deaf: None,
        })
    };
    assert_eq!(feed(&mut machine, at, with(Carrier::Up)), []);
    let lost = feed(&mut machine, at, with(Carrier::Down));
    assert_eq!(kinds(&lost), ["advert 0", "enter FAULT", "hold false"]);
    assert_eq!(kinds(&feed(&mut machine, at, with(Carrier::Missing))), ["enter FAULT", "hold false"]);
    assert_eq!(kinds(&feed(&mut machine, at, with(Carrier::Up))), ["enter BACKUP", "hold false"]);
}

#[test]
fn who_cannot_hear_takes_no_part() {
    let (mut machine, at) = master(config(100, Version::V2));
    let deaf = Conditions {
        link: Some(Link { up: true, source: Some(US) }),
        deaf: Some("no buffer space".into()),
        ..Conditions::default()
    };
    feed(&mut machine, at, Input::Conditions(deaf));
    assert_eq!(machine.state(), State::Fault);
}

#[test]
fn a_reload_looks_at_the_faults_anew() {
    let (mut machine, at) = master(config(100, Version::V2));
    feed(&mut machine, at, link(false));
    let untracked = Instance { dont_track_primary: true, ..config(100, Version::V2) };
    feed(&mut machine, at, Input::Reconfigure(Box::new(untracked)));
    assert_eq!(machine.state(), State::Backup);
    feed(&mut machine, at, Input::Reconfigure(Box::new(config(100, Version::V2))));
    assert_eq!(machine.state(), State::Fault);
}

#[test]
fn a_shorter_preempt_delay_counts_at_once() {
    let delay = |seconds| Preempt::After { delay: SECOND * seconds };
    let (mut machine, now) = started(Instance { preempt: delay(60), ..config(100, Version::V2) });
    hear(&mut machine, now, PEER, 99);
    let sooner = Instance { preempt: delay(2), ..config(100, Version::V2) };
    feed(&mut machine, now + SECOND, Input::Reconfigure(Box::new(sooner)));
    hear(&mut machine, now + 2 * SECOND, PEER, 99);
    let last = machine.next_timer();
    hear(&mut machine, now + 4 * SECOND, PEER, 99);
    assert_eq!(machine.next_timer(), last, "no longer obeyed");
}

#[test]
fn in_fault_nothing_is_heard() {
    let (mut machine, at) = master(config(100, Version::V2));
    feed(&mut machine, at, link(false));
    assert_eq!(hear(&mut machine, at, PEER, 150), []);
}

#[test]
fn a_reload_keeps_the_state_and_announces_what_changed() {
    let (mut machine, at) = master(config(100, Version::V2));
    let more = Instance { addresses: vec![address(240), address(241)], ..config(100, Version::V2) };
    let actions = feed(&mut machine, at, Input::Reconfigure(Box::new(more.clone())));
    assert_eq!(kinds(&actions), ["advert 100", "hold true", "announce 5"]);
    let lower = Instance { priority: Priority::new(80).unwrap(), ..more };
    let actions = feed(&mut machine, at, Input::Reconfigure(Box::new(lower)));
    assert_eq!(kinds(&actions), ["advert 80", "hold true"]);
    assert_eq!(machine.state(), State::Master);
}

/// The time that was waited already still counts.
#[test]
fn a_reload_shifts_the_wait_of_a_backup() {
    let (mut machine, now) = started(config(100, Version::V2));
    feed(&mut machine, now + SECOND, Input::Reconfigure(Box::new(config(200, Version::V2))));
    assert_eq!(machine.next_timer().unwrap().0, now + 3 * SECOND + SECOND * 56 / 256);
}

#[test]
fn other_addresses_are_told_and_the_advert_is_obeyed() {
    let (mut machine, now) = started(config(100, Version::V2));
    let mut peer = machine.clone();
    peer.config.addresses = vec![address(7)];
    let actions = feed(&mut machine, now + SECOND, advert(&peer, PEER, 150));
    assert!(actions.iter().any(|action| matches!(action, Action::Report(Event::AddressesDiffer { .. }))));
    assert_eq!(machine.next_timer().unwrap().0, now + SECOND + machine.master_down());
}

#[test]
fn unicast_peers_get_one_copy_each() {
    let peers = vec![PEER, Ipv4Addr::new(192, 168, 100, 103)];
    let mut config = config(100, Version::V3);
    let list = peers.iter().map(|peer| Peer::new(IpAddr::V4(*peer))).collect();
    config.transport.to = Destination::Unicast(Unicast::to(list, Destination::group(Family::Ipv4)));
    let (machine, _) = master(config);
    let mut out = Vec::new();
    machine.clone().send_advert(100, &mut out);
    let destinations: Vec<Ipv4Addr> = out
        .iter()
        .filter_map(|action| match action {
            Action::Transmit { destination, .. } => Some(*destination),
            _ => None,
        })
        .collect();
    assert_eq!(destinations, peers);
}

/// RFC 3768 §7.1: version 2 demands equal intervals. keepalived ignores such adverts and counts none.
#[test]
fn another_interval_in_version_2_is_counted_and_told_once_a_minute() {
    let (mut machine, now) = started(config(100, Version::V2));
    let mut peer = machine.clone();
    peer.config.advert_interval = AdvertInterval::from_centiseconds(200).unwrap();
    let before = machine.next_timer();
    let heard = advert(&peer, PEER, 150);
    assert_eq!(kinds(&feed(&mut machine, now, heard.clone())), ["report"]);
    assert_eq!(feed(&mut machine, now + SECOND, heard), []);
    assert_eq!(machine.snapshot().stats.advert_interval_err, 2);
    assert_eq!(machine.next_timer(), before);
}
