mod checksums;
mod counters;
mod resume;
mod rivals;

use std::net::Ipv4Addr;

use super::*;
use crate::config::model::{
    AdvertInterval, Destination, InitialState, InterfaceName, Peer, TrackWeight, Tracked, Unicast,
    VirtualAddress, Vrid,
};
use crate::track::{Carrier, Link, Standing, carriers};
use crate::vrrp::packet::{Advert, Outgoing, Received};

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 102));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 101));
const SECOND: Duration = Duration::from_secs(1);

fn config(priority: u64, version: Version) -> Instance {
    Instance {
        version,
        priority: Priority::new(priority).unwrap(),
        addresses: vec![address(240)],
        ..Instance::new("VI_1", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap())
    }
}

fn unicast(peers: Vec<Peer>) -> Unicast {
    Unicast::to(peers, Destination::group(crate::config::model::Family::Ipv4))
}

fn with_peers(unicast: Unicast, config: Instance) -> Instance {
    let mut config = config;
    config.transport.to = Destination::Unicast(unicast);
    config
}

fn address(last: u8) -> VirtualAddress {
    VirtualAddress::new(IpAddr::from([192, 168, 100, last]), 32)
}

fn conditions(link: Option<Link>) -> Input {
    Input::Conditions(Conditions { link, ..Conditions::default() })
}

fn up() -> Link {
    Link { up: true, multicast: true, loopback: false, mtu: 1500, source: Some(US), source_is_here: true }
}

fn link(up_now: bool) -> Input {
    conditions(Some(Link { up: up_now, ..up() }))
}

fn feed(machine: &mut Machine, now: Instant, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    machine.handle(now, input, &mut out);
    out
}

/// A reload under the same conditions.
fn reload(machine: &mut Machine, now: Instant, config: Instance) -> Vec<Action> {
    let conditions = machine.conditions.clone();
    feed(machine, now, Input::Reconfigure(Box::new(config), conditions))
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
fn advert(from: &Machine, source: IpAddr, priority: u8) -> Input {
    let advert = Advert {
        header: header(&from.config),
        vrid: from.config.vrid.number(),
        priority,
        addresses: from.advertised(),
    };
    let destination = from.config.group().unwrap_or(US);
    let payload = advert.encode(source, destination);
    Input::Packet(Received { source, destination, hops: 255, id: None, ah: None, payload })
}

/// Feeds an advert of a router with the same configuration.
fn hear(machine: &mut Machine, now: Instant, source: IpAddr, priority: u8) -> Vec<Action> {
    let heard = advert(machine, source, priority);
    feed(machine, now, heard)
}

/// The kinds of actions, in order; adverts with their priority.
fn kinds(actions: &[Action]) -> Vec<String> {
    let kind = |action: &Action| match action {
        Action::Transmit(packet) => format!("advert {}", packet.payload[2]),
        Action::Hold(held) => format!("hold {held}"),
        Action::Announce { frames } => format!("announce {frames}"),
        Action::Report(Event::Transition { to, .. }) => format!("enter {to}"),
        Action::Report(Event::Competitor { .. }) => "competitor".to_owned(),
        Action::Report(Event::LowerPriority { .. }) => "lower".to_owned(),
        Action::Report(Event::HandsOver { longest }) => format!("hands over {longest:?}"),
        Action::Report(Event::Priority { from, to, .. }) => format!("priority {from}: {to}"),
        Action::Defend(address) => format!("defend {address}"),
        Action::AnnounceElsewhere => "announce elsewhere".to_owned(),
        Action::Ready => "ready".to_owned(),
        Action::Follows => "follows".to_owned(),
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
/// The winner of a split learns that it must announce its addresses again; an ordinary preemption is no split.
#[test]
fn a_master_yields_with_one_last_advert_after_a_split_only() {
    let yields = |machine: &mut Machine, now| kinds(&hear(machine, now, PEER, 150));
    let (mut machine, at) = master(config(100, Version::V2));
    assert_eq!(yields(&mut machine, at + SECOND / 2), ["enter BACKUP", "hold false"]);
    assert_eq!(machine.next_timer(), Some((at + SECOND / 2 + machine.master_down(), Timer::MasterDown)));
    // Its master falls silent, and is there again.
    let (due, _) = machine.next_timer().unwrap();
    feed(&mut machine, due, Input::Timer);
    let said = yields(&mut machine, due + SECOND / 2);
    assert_eq!(said, ["report", "advert 100", "enter BACKUP", "hold false"]);
    for on in [false, true] {
        let config = Instance { higher_prio_send_advert: Some(on), ..config(100, Version::V2) };
        let (mut machine, at) = master(config);
        assert_eq!(yields(&mut machine, at).len(), 2 + usize::from(on));
    }
}

#[test]
fn among_equals_the_higher_address_stays_master() {
    let higher = IpAddr::from([192, 168, 100, 200]);
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
    assert_eq!(kinds(&actions), ["lower", "competitor", "advert 100", "announce 5"]);
    // Behind the advert one more, and all of them within a second.
    let mut announced = Vec::new();
    while let Some((at, _)) = machine.next_timer().filter(|(at, _)| *at < now + SECOND) {
        announced.extend(kinds(&feed(&mut machine, at, Input::Timer)));
    }
    assert_eq!(announced, ["announce 1", "announce 5"]);
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
    junk.payload[6] ^= 1;
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

/// What a master does that is told to stop, before anything else happens.
fn handing_over(config: Instance, expected: [&str; 2]) -> (Machine, Instant) {
    let (mut machine, at) = master(config);
    assert_eq!(kinds(&feed(&mut machine, at, Input::Stop)), expected);
    assert_eq!((machine.state(), machine.snapshot().hands_over), (State::Master, true));
    (machine, at)
}

const LEFT: [&str; 2] = ["enter INIT", "hold false"];

/// Another one leads: what that makes of one that hands over, a moment later. Not before.
fn succeeded(machine: &mut Machine, at: Instant, priority: u8) -> Vec<String> {
    assert_eq!(hear(machine, at, PEER, priority), []);
    let gone = at + Duration::from_millis(21);
    assert_eq!(hear(machine, at + Duration::from_millis(10), PEER, priority), [], "it is known");
    assert_eq!(machine.next_timer(), Some((gone, Timer::HandOver)));
    kinds(&feed(machine, gone, Input::Timer))
}

#[test]
fn stopping_says_priority_0_and_keeps_the_addresses_until_another_one_leads() {
    let stops = || handing_over(config(100, Version::V2), ["advert 0", "hands over 1.1s"]);
    let (mut machine, at) = stops();
    assert_eq!(machine.next_timer(), Some((at + SECOND * 11 / 10, Timer::HandOver)));
    // The others that stop lead nobody.
    assert_eq!(hear(&mut machine, at, PEER, 0), []);
    // Whoever leads is obeyed, whatever its priority.
    assert_eq!(succeeded(&mut machine, at + SECOND / 2, 1), LEFT);
    assert_eq!((machine.state(), machine.next_timer()), (State::Init, None));
    let stats = machine.snapshot().stats;
    assert_eq!((stats.pri_zero_sent, stats.pri_zero_rcvd, stats.release_master), (1, 1, 1));
    // Nobody else has anything to say then.
    let third = IpAddr::from([192, 168, 100, 66]);
    let (mut machine, at) = handing_over(config(100, Version::V3), ["advert 0", "hands over 1.1s"]);
    hear(&mut machine, at, PEER, 1);
    let learned = machine.learned;
    let header = crate::vrrp::packet::Header::V3 { interval: 7 };
    let addresses = machine.advertised();
    let destination = machine.config.group().unwrap();
    let vrid = machine.config.vrid.number();
    let payload = Advert { header, vrid, priority: 50, addresses }.encode(third, destination);
    let other = Received { source: third, destination, hops: 255, id: None, ah: None, payload };
    feed(&mut machine, at, Input::Packet(other));
    assert_eq!(machine.snapshot().stats.advert_rcvd, 2);
    assert_eq!(machine.learned, learned);
    // The very last one.
    let (mut machine, _) = stops();
    let (due, _) = machine.next_timer().unwrap();
    assert_eq!(hear(&mut machine, due - Duration::from_millis(5), PEER, 1), []);
    assert_eq!(machine.next_timer().unwrap().0, due);
    // Nobody is there.
    let (mut machine, at) = stops();
    assert_eq!(feed(&mut machine, at + SECOND, Input::Timer), []);
    assert_eq!(kinds(&feed(&mut machine, at + SECOND * 11 / 10, Input::Timer)), LEFT);
    assert_eq!(machine.next_timer(), None);
    // There is no time.
    for at_once in [Input::Stop, Input::Remove, Input::Yield] {
        let (mut machine, at) = stops();
        let done = kinds(&feed(&mut machine, at, at_once.clone()));
        let expected: &[&str] = if matches!(at_once, Input::Yield) { &[] } else { &LEFT };
        assert_eq!(done, expected, "{at_once:?}");
    }
    // Nothing leads any more in the meantime.
    let (mut machine, at) = stops();
    assert_eq!(feed(&mut machine, at, Input::AddressesRestored), []);
    assert_eq!(feed(&mut machine, at, Input::AnnouncementFailed), []);
    assert_eq!(kinds(&feed(&mut machine, at, link(false))), LEFT, "nobody can be heard");
    // Version 3 counts by the interval.
    let interval = AdvertInterval::from_centiseconds(20).unwrap();
    let fast = Instance { advert_interval: interval, ..config(100, Version::V3) };
    handing_over(fast, ["advert 0", "hands over 300ms"]);
    // The owner, whom no advert bothers otherwise.
    let owner = Instance { owner_ignore_adverts: Some(true), ..config(255, Version::V2) };
    let (mut machine, at) = started(owner);
    assert_eq!(kinds(&feed(&mut machine, at, Input::Stop)), ["advert 0", "hands over 1.1s"]);
    assert_eq!(succeeded(&mut machine, at, 100), LEFT);
}

/// `directord failover`.
#[test]
fn who_hands_over_obeys_the_other_one_for_as_long_as_it_was_told() {
    let gives_way = |back| {
        let (mut machine, at) = master(config(150, Version::V2));
        let told = feed(&mut machine, at, Input::HandOver(back));
        assert_eq!(kinds(&told), ["advert 0", "hands over 1.1s"]);
        assert_eq!(feed(&mut machine, at, Input::HandOver(back)), [], "it does already");
        (machine, at)
    };
    for (back, obeys) in [
        (Back::AsConfigured, [false, false]),
        (Back::After(2 * SECOND), [true, false]),
        (Back::Never, [true, true]),
    ] {
        let (mut machine, at) = gives_way(back);
        assert_eq!(succeeded(&mut machine, at, 100), ["enter BACKUP", "hold false"]);
        for (at, obeys) in [at + SECOND, at + 3 * SECOND].into_iter().zip(obeys) {
            let due = machine.next_timer().unwrap().0;
            hear(&mut machine, at, PEER, 100);
            assert_eq!(machine.next_timer().unwrap().0 > due, obeys, "{back:?}");
        }
        // It fails.
        let (due, _) = machine.next_timer().unwrap();
        assert!(kinds(&feed(&mut machine, due, Input::Timer)).contains(&"enter MASTER".to_owned()));
        assert_eq!(machine.holds_back, None);
    }
    // Nobody is there: everybody who heard that it goes hears that it stays.
    let (mut machine, at) = gives_way(Back::Never);
    let (due, timer) = machine.next_timer().unwrap();
    assert_eq!((due, timer), (at + SECOND * 11 / 10, Timer::HandOver));
    assert_eq!(kinds(&feed(&mut machine, due, Input::Timer)), ["report", "advert 150", "announce 5"]);
    assert_eq!((machine.state(), machine.holds_back), (State::Master, None));
    assert_eq!(machine.next_timer(), Some((due + SECOND, Timer::Advert)));
    assert_eq!(machine.snapshot().stats.release_master, 0);
    // The group follows another master, the daemon stops, the link is lost meanwhile.
    let (mut machine, at) = gives_way(Back::Never);
    assert_eq!(feed(&mut machine, at, Input::Yield), []);
    let gone = machine.next_timer().unwrap().0;
    assert_eq!(gone, at + Duration::from_millis(21));
    assert_eq!(kinds(&feed(&mut machine, gone, Input::Timer)), ["enter BACKUP", "hold false"]);
    assert_eq!(machine.holds_back, Some(HoldsBack::UntilItLeads));
    // For longer than any clock runs.
    let (mut machine, at) = gives_way(Back::After(Duration::MAX));
    assert_eq!(succeeded(&mut machine, at, 100), ["enter BACKUP", "hold false"]);
    let (mut machine, at) = gives_way(Back::Never);
    assert_eq!(feed(&mut machine, at, Input::Stop), []);
    assert_eq!(succeeded(&mut machine, at, 100), LEFT);
    let (mut machine, at) = gives_way(Back::Never);
    assert_eq!(kinds(&feed(&mut machine, at, link(false))), ["enter FAULT", "hold false"]);
    // Whoever leads nothing has nothing to hand over.
    let (mut backup, at) = started(config(150, Version::V2));
    assert_eq!(feed(&mut backup, at, Input::HandOver(Back::Never)), []);
}

#[test]
fn in_maintenance_nobody_leads() {
    let conditions = |up, maintenance: bool| match link(up) {
        Input::Conditions(conditions) => {
            let maintenance = maintenance.then(|| "disk".into());
            Input::Conditions(Conditions { maintenance, ..conditions })
        }
        other => other,
    };
    let begins = || {
        let (mut machine, at) = master(config(150, Version::V2));
        assert_eq!(kinds(&feed(&mut machine, at, conditions(true, true))), ["advert 0", "hands over 1.1s"]);
        (machine, at)
    };
    let (mut machine, at) = begins();
    assert_eq!(succeeded(&mut machine, at, 100), ["enter FAULT", "hold false"]);
    let shown = machine.snapshot();
    assert_eq!((shown.master, shown.faults), (Some(PEER), vec![Fault::Maintenance("disk".to_owned())]));
    assert_eq!(kinds(&feed(&mut machine, at, conditions(true, false))), ["enter BACKUP", "hold false"]);
    // Nobody takes over, and it goes all the same.
    let (mut machine, at) = begins();
    let late = at + 2 * SECOND;
    assert_eq!(kinds(&feed(&mut machine, late, Input::Timer)), ["enter FAULT", "hold false"]);
    assert_eq!(machine.snapshot().master, None);
    // It ends before anybody took over.
    let (mut machine, at) = begins();
    assert_eq!(feed(&mut machine, at, conditions(true, false)), []);
    assert_eq!(kinds(&feed(&mut machine, late, Input::Timer)), ["report", "advert 150", "announce 5"]);
    // Something else is wrong, too.
    let (mut machine, at) = begins();
    assert_eq!(kinds(&feed(&mut machine, at, conditions(false, true))), ["enter FAULT", "hold false"]);
    let (mut machine, at) = master(config(150, Version::V2));
    let at_once = kinds(&feed(&mut machine, at, conditions(false, true)));
    assert_eq!(at_once, ["advert 0", "enter FAULT", "hold false"]);
    // A backup leads nothing.
    let (mut backup, at) = started(config(150, Version::V2));
    assert_eq!(kinds(&feed(&mut backup, at, conditions(true, true))), ["enter FAULT", "hold false"]);
}

#[test]
fn only_a_master_hands_over() {
    let (mut removed, at) = master(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut removed, at, Input::Remove)), ["advert 0", "enter INIT", "hold false"]);
    let (mut backup, now) = started(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut backup, now, Input::Stop)), ["enter INIT", "hold false"]);
}

#[test]
fn a_link_that_is_lost_means_fault_until_it_is_back() {
    let (mut machine, at) = master(config(100, Version::V2));
    assert_eq!(kinds(&feed(&mut machine, at, link(false))), ["advert 0", "enter FAULT", "hold false"]);
    assert_eq!(machine.snapshot().stats.pri_zero_sent, 1);
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
            link: Some(up()),
            carriers: [(eth1.clone(), carrier)].into(),
            ..Conditions::default()
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
    let deaf = Conditions { link: Some(up()), deaf: Some("no buffer space".into()), ..Conditions::default() };
    feed(&mut machine, at, Input::Conditions(deaf));
    assert_eq!(machine.state(), State::Fault);
}

#[test]
fn a_reload_looks_at_the_faults_anew() {
    let (mut machine, at) = master(config(100, Version::V2));
    feed(&mut machine, at, link(false));
    let untracked = Instance { dont_track_primary: true, ..config(100, Version::V2) };
    reload(&mut machine, at, untracked);
    assert_eq!(machine.state(), State::Backup);
    reload(&mut machine, at, config(100, Version::V2));
    assert_eq!(machine.state(), State::Fault);
}

#[test]
fn a_shorter_preempt_delay_counts_at_once() {
    let delay = |seconds| Preempt::After { delay: SECOND * seconds };
    let (mut machine, now) = started(Instance { preempt: delay(60), ..config(100, Version::V2) });
    hear(&mut machine, now, PEER, 99);
    let sooner = Instance { preempt: delay(2), ..config(100, Version::V2) };
    reload(&mut machine, now + SECOND, sooner);
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
    let actions = reload(&mut machine, at, more.clone());
    assert_eq!(kinds(&actions), ["advert 100", "hold true", "announce 5"]);
    let lower = Instance { priority: Priority::new(80).unwrap(), ..more };
    let actions = reload(&mut machine, at, lower.clone());
    assert_eq!(kinds(&actions), ["priority 100: base 80", "advert 80", "hold true"]);
    let excluded = Instance { excluded_addresses: vec![address(242)], ..lower.clone() };
    assert_eq!(kinds(&reload(&mut machine, at, excluded)), ["advert 80", "hold true", "announce 5"]);
    // What is there still is where it was.
    let fewer = Instance { addresses: vec![address(240)], ..lower };
    assert_eq!(kinds(&reload(&mut machine, at, fewer)), ["advert 80", "hold true"]);
    assert_eq!(machine.state(), State::Master);
}

/// The time that was waited already still counts.
#[test]
fn a_reload_shifts_the_wait_of_a_backup() {
    let (mut machine, now) = started(config(100, Version::V2));
    reload(&mut machine, now + SECOND, config(200, Version::V2));
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
    let peers = vec![PEER, IpAddr::from([192, 168, 100, 103])];
    let to = unicast(peers.iter().map(|peer| Peer::new(*peer)).collect());
    let (mut machine, _) = master(with_peers(to, config(100, Version::V3)));
    let mut out = Vec::new();
    machine.send_advert(100, &mut out);
    let destinations: Vec<IpAddr> = out
        .iter()
        .filter_map(|action| match action {
            Action::Transmit(packet) => Some(packet.destination),
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

/// The learned interval is that of a master that lives on.
#[test]
fn a_reload_keeps_the_interval_that_was_learned() {
    let (mut machine, now) = started(config(100, Version::V3));
    let mut peer = machine.clone();
    peer.config.advert_interval = AdvertInterval::from_centiseconds(1000).unwrap();
    feed(&mut machine, now, advert(&peer, PEER, 150));
    let due = machine.next_timer();
    let other = Instance { skip_check_adv_addr: true, ..config(100, Version::V3) };
    reload(&mut machine, now + SECOND, other.clone());
    assert_eq!(machine.next_timer(), due);
    // Our own interval is what we would advertise with, not what the master does.
    let interval = AdvertInterval::from_centiseconds(50).unwrap();
    reload(&mut machine, now + SECOND, Instance { advert_interval: interval, ..other });
    assert_eq!(machine.next_timer(), due);
}

#[test]
fn forged_adverts_are_answered_seldom_and_the_peer_always() {
    let (mut machine, at) = master(config(100, Version::V2));
    // The peer was master before, and obeyed.
    hear(&mut machine, at + SECOND, PEER, 150);
    let (at, _) = machine.next_timer().unwrap();
    feed(&mut machine, at, Input::Timer);
    let now = at + 10 * SECOND;
    feed(&mut machine, now, Input::Timer);
    let adverts =
        |actions: &[Action]| kinds(actions).iter().filter(|kind| kind.starts_with("advert")).count();
    let (mut answers, mut lines) = (0, 0);
    for forged in 0..10_000u32 {
        let sender = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + forged));
        let actions = hear(&mut machine, now + Duration::from_millis(u64::from(forged) / 20), sender, 1);
        answers += adverts(&actions);
        lines += kinds(&actions).iter().filter(|kind| *kind == "competitor").count();
    }
    assert!(answers <= 3, "{answers} answers in half a second");
    assert!(lines <= 33, "{lines} lines");
    let peers = hear(&mut machine, now + SECOND / 2, PEER, 90);
    assert_eq!(kinds(&peers)[..2], ["competitor", "advert 100"]);
}

#[test]
fn adverts_of_changing_masters_are_no_flood_of_lines() {
    let (mut machine, now) = started(config(100, Version::V2));
    let mut lines = 0;
    for packet in 0..10_000u32 {
        let sender = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + packet % 1000));
        lines += hear(&mut machine, now + SECOND * packet / 10_000, sender, 200).len();
    }
    assert!(lines < 200, "{lines} lines");
}

/// `check_unicast_src`: an advert of a stranger takes no address away.
#[test]
fn only_peers_are_heard_when_their_source_is_checked() {
    let to = |check_source| Unicast { check_source, ..unicast(vec![Peer::new(PEER)]) };
    let stranger = IpAddr::from([192, 168, 100, 66]);
    for (check_source, state) in [(false, State::Backup), (true, State::Master)] {
        let (mut machine, at) = master(with_peers(to(check_source), config(100, Version::V2)));
        hear(&mut machine, at + 2 * SECOND, stranger, 255);
        assert_eq!(machine.state(), state, "check_source {check_source}");
        assert_eq!(machine.snapshot().stats.unknown_source, u64::from(check_source));
        hear(&mut machine, at + 3 * SECOND, PEER, 200);
        assert_eq!(machine.state(), State::Backup, "the peer is heard");
    }
}

/// `min_ttl`, `max_ttl`: a peer next door does not sit behind three routers.
#[test]
fn a_peer_is_heard_from_where_it_may_be() {
    let peer = Peer { min_ttl: 254, ..Peer::new(PEER) };
    let to = Unicast { check_source: true, ..unicast(vec![peer]) };
    let (mut machine, at) = master(with_peers(to, config(100, Version::V2)));
    let Input::Packet(near) = advert(&machine, PEER, 200) else { unreachable!() };
    let far = Received { hops: 251, ..near.clone() };
    let actions = feed(&mut machine, at, Input::Packet(far));
    assert_eq!((kinds(&actions), machine.state()), (vec!["report".to_owned()], State::Master));
    assert_eq!(machine.snapshot().stats.ip_ttl_err, 1);
    feed(&mut machine, at, Input::Packet(Received { hops: 254, ..near }));
    assert_eq!(machine.state(), State::Backup);
}

#[test]
fn an_interface_that_cannot_do_what_the_transport_needs_means_fault() {
    let multicast = config(100, Version::V2);
    let peers = with_peers(unicast(vec![Peer::new(PEER)]), config(100, Version::V2));
    let nobody = with_peers(unicast(Vec::new()), config(100, Version::V2));
    let no_multicast = Link { multicast: false, ..up() };
    let loopback = Link { loopback: true, multicast: false, ..up() };
    let no_source = Link { source: None, ..up() };
    for (config, link, fault) in [
        (&multicast, no_multicast, true),
        (&peers, no_multicast, false),
        (&peers, loopback, true),
        (&nobody, up(), true),
        (&multicast, no_source, true),
        (&multicast, up(), false),
    ] {
        let mut machine = Machine::new(config.clone());
        feed(&mut machine, Instant::now(), conditions(Some(link)));
        let expected = if fault { State::Fault } else { State::Backup };
        assert_eq!(machine.state(), expected, "{:?} on {link:?}", config.transport.to);
    }
}

#[test]
fn what_the_kernel_refuses_means_fault_until_it_does_not() {
    let (mut machine, at) = master(config(100, Version::V2));
    let refused = Conditions {
        link: Some(up()),
        refused: [("192.168.100.240/32 on eth0".to_owned(), "invalid argument".to_owned())].into(),
        ..Conditions::default()
    };
    let actions = feed(&mut machine, at, Input::Conditions(refused));
    assert_eq!(kinds(&actions), ["advert 0", "enter FAULT", "hold false"]);
    let Action::Report(event) = &actions[1] else { panic!("{actions:?}") };
    let line = event.to_string();
    assert!(line.contains("the kernel refuses 192.168.100.240/32 on eth0: invalid argument"), "{line}");
    assert_eq!(kinds(&feed(&mut machine, at + SECOND, link(true))), ["enter BACKUP", "hold false"]);
}

/// keepalived moves the surplus to the excluded addresses; a packet that does not fit is never sent.
#[test]
fn addresses_beyond_what_a_packet_carries_are_not_advertised() {
    let addresses: Vec<VirtualAddress> = (0..300u32)
        .map(|last| VirtualAddress::new(Ipv4Addr::from_bits(0x0a00_0000 + last).into(), 32))
        .collect();
    let many = Instance { addresses, ..config(100, Version::V2) };
    for (mtu, named) in [(1500, 255), (576, 131)] {
        let mut machine = Machine::new(many.clone());
        let now = Instant::now();
        let actions = feed(&mut machine, now, conditions(Some(Link { mtu, ..up() })));
        assert!(actions.iter().any(
            |action| matches!(action, Action::Report(Event::NotAdvertised { named: n, all: 300, .. }) if *n == named)
        ));
        let (at, _) = machine.next_timer().unwrap();
        let sent = feed(&mut machine, at, Input::Timer);
        let Action::Transmit(packet) = &sent[0] else { panic!("{sent:?}") };
        assert_eq!(usize::from(packet.payload[3]), named);
        assert!(packet.payload.len() + 20 <= mtu as usize);
    }
}

#[test]
fn a_source_that_is_not_here_is_told_where_it_does_no_harm() {
    let mut machine = Machine::new(config(100, Version::V2));
    let actions =
        feed(&mut machine, Instant::now(), conditions(Some(Link { source_is_here: false, ..up() })));
    assert!(matches!(&actions[0], Action::Report(Event::SourceNotHere { source: US })), "{actions:?}");
    assert_eq!(machine.state(), State::Backup);
}

/// The condition of an instance whose link is up, and whose script is as given.
fn scripts(standing: Standing) -> Input {
    let scripts = [("chk".to_owned(), standing)].into();
    Input::Conditions(Conditions { link: Some(up()), scripts, ..Conditions::default() })
}

fn tracking(number: i16) -> Instance {
    let mut config = config(100, Version::V2);
    let weight = Some(TrackWeight { number, reverse: false });
    config.tracking.scripts = vec![Tracked { name: "chk".into(), weight }];
    config
}

/// Trace 09 of keepalived 2.4.3: BACKUP with the base, the effective priority afterwards.
#[test]
fn a_weighted_script_moves_the_priority_and_holds_up_no_start() {
    let (mut machine, now) = (Machine::new(tracking(40)), Instant::now());
    assert_eq!(kinds(&feed(&mut machine, now, scripts(Standing::Pending))), ["enter BACKUP", "hold false"]);
    let actions = feed(&mut machine, now, scripts(Standing::Up));
    assert_eq!(kinds(&actions), ["priority 100: base 100, script chk +40"]);
    assert_eq!((machine.priority(), machine.snapshot().contributions.len()), (140, 1));
    assert!(!kinds(&hear(&mut machine, now, PEER, 130)).is_empty());
    let (at, _) = machine.next_timer().unwrap();
    let actions = kinds(&feed(&mut machine, at, Input::Timer));
    assert_eq!(actions.first().map(String::as_str), Some("advert 140"));
    // A failure is no event of its own: the next advert says it, and the peer takes over.
    assert_eq!(kinds(&feed(&mut machine, at, scripts(Standing::Down))), ["priority 140: base 100"]);
    hear(&mut machine, at, PEER, 130);
    assert_eq!(machine.state(), State::Backup);
}

/// Traces 11 and 37 of keepalived 2.4.3: nothing is told before the first result; a failure then is a FAULT at once.
#[test]
fn a_script_without_a_weight_holds_the_start_until_it_has_told_something() {
    let (mut machine, now) = (Machine::new(tracking(0)), Instant::now());
    assert_eq!(feed(&mut machine, now, scripts(Standing::Pending)), []);
    assert_eq!((machine.state(), machine.next_timer()), (State::Init, None));
    let mut fails = machine.clone();
    assert_eq!(kinds(&feed(&mut fails, now, scripts(Standing::Down))), ["enter FAULT", "hold false"]);
    assert_eq!(kinds(&feed(&mut fails, now, scripts(Standing::Up))), ["enter BACKUP", "hold false"]);
    feed(&mut machine, now, scripts(Standing::Up));
    assert_eq!(machine.state(), State::Backup);
    // A reload that brings one elects nobody.
    assert_eq!(feed(&mut machine, now, scripts(Standing::Pending)), []);
    assert_eq!((machine.state(), machine.faults().len()), (State::Backup, 0));
}

/// In a sync group with others that are well.
fn grouped(priority: u64, owners: bool) -> (Machine, Instant, Vec<String>) {
    let now = Instant::now();
    let mut machine = Machine::new(config(priority, Version::V2));
    let group = Some(Others { owners, ..Others::default() });
    let out = feed(
        &mut machine,
        now,
        Input::Conditions(Conditions { link: Some(up()), group, ..Conditions::default() }),
    );
    (machine, now, kinds(&out))
}

#[test]
fn a_member_waits_for_its_group_in_both_directions() {
    let (mut machine, now, _) = grouped(100, false);
    let (due, _) = machine.next_timer().unwrap();
    assert_eq!(kinds(&feed(&mut machine, due, Input::Timer)), ["ready"]);
    assert_eq!((machine.state(), machine.is_ready()), (State::Backup, true));
    assert!(machine.next_timer().unwrap().0 > due + 3 * SECOND, "it waits on");
    // Whoever ranks above it takes that back; who is below does not.
    assert_eq!(kinds(&hear(&mut machine, due, PEER, 50)), ["report"]);
    assert!(machine.is_ready());
    assert_eq!(kinds(&hear(&mut machine, due, PEER, 150)), ["follows"]);
    assert!(!machine.is_ready());
    let lead = kinds(&feed(&mut machine, due, Input::Lead));
    assert_eq!(lead, ["advert 100", "enter MASTER", "hold true", "announce 5"]);
    assert_eq!(kinds(&feed(&mut machine, due, Input::Yield)), ["enter BACKUP", "hold false"]);
    assert_eq!(kinds(&feed(&mut machine, now, Input::Yield)), [""; 0]);
}

/// Nodes that are ranked otherwise in each member of a group.
#[test]
fn who_leaves_with_its_group_at_once_comes_back_at_another_time_than_the_others() {
    let wait = |source: IpAddr, leads_for: Duration, round: u32| {
        let (mut machine, mut now, _) = grouped(100, false);
        let here = Link { source: Some(source), ..up() };
        let mut waits = Duration::ZERO;
        for _ in 0..=round {
            let conditions = Conditions { link: Some(here), ..machine.conditions.clone().unwrap() };
            feed(&mut machine, now, Input::Conditions(conditions));
            let due = machine.deadline.unwrap();
            feed(&mut machine, due, Input::Timer);
            assert!(machine.is_ready());
            feed(&mut machine, due, Input::Lead);
            now = due + leads_for;
            feed(&mut machine, now, Input::Yield);
            waits = machine.deadline.unwrap() - now;
        }
        waits
    };
    let moment = Duration::from_millis(1);
    let usual = wait(PEER, 2 * SECOND, 0);
    assert_eq!((usual, wait(US, 2 * SECOND, 3)), (SECOND * 3 + SECOND * 156 / 256, usual), "it led for long");
    for round in 0..20 {
        let waits = [wait(US, moment, round), wait(PEER, moment, round)];
        assert!(waits.iter().all(|wait| (usual..usual + SECOND).contains(wait)), "{waits:?}");
    }
    let alike =
        (0..20).filter(|round| wait(US, moment, *round).abs_diff(wait(PEER, moment, *round)) < SECOND / 50);
    assert!(alike.count() < 4);
}

#[test]
fn an_owner_in_a_group_of_others_asks_first() {
    assert_eq!(grouped(255, true).2, ["advert 255", "enter MASTER", "hold true", "announce 5"]);
    let (machine, _, start) = grouped(255, false);
    assert_eq!(start, ["enter BACKUP", "hold false", "ready"]);
    assert!(machine.is_ready());
}

#[test]
fn the_fault_of_a_member_is_that_of_all_and_goes_with_it() {
    let (mut machine, now, _) = grouped(100, false);
    feed(&mut machine, now, Input::Lead);
    let group = |faulty: &[&str]| {
        let faulty = faulty.iter().map(ToString::to_string).collect();
        let group = Some(Others { faulty, ..Others::default() });
        Input::Conditions(Conditions { link: Some(up()), group, ..Conditions::default() })
    };
    let out = kinds(&feed(&mut machine, now, group(&["VI_2"])));
    assert_eq!(out, ["advert 0", "enter FAULT", "hold false"]);
    assert_eq!(kinds(&feed(&mut machine, now, group(&[]))), ["enter BACKUP", "hold false"]);
}

/// An advert of `source` with an authentication header of this number.
fn signed(from: &Machine, source: IpAddr, priority: u8, sequence: u32) -> Input {
    let Input::Packet(Received { destination, hops, payload, .. }) = advert(from, source, priority) else {
        unreachable!()
    };
    let ah = Some((*b"secret12", sequence));
    let packet = Outgoing { source, destination, hops, id: 1, ah, payload };
    Input::Packet(Received::ipv4(&packet.bytes().unwrap()).unwrap())
}

fn sequence(actions: &[Action]) -> Option<u32> {
    actions.iter().find_map(|action| match action {
        Action::Transmit(packet) => packet.ah.map(|(_, sequence)| sequence),
        _ => None,
    })
}

#[test]
fn what_was_signed_before_counts_for_nothing() {
    let config = Instance { authentication: Authentication::Ah(*b"secret12"), ..config(100, Version::V2) };
    let (mut machine, now) = started(config.clone());
    let say = |machine: &mut Machine, priority, number| {
        let packet = signed(machine, PEER, priority, number);
        feed(machine, now, packet)
    };
    assert_eq!(kinds(&say(&mut machine, 150, 70)), ["report"], "its master is known now");
    let (due, _) = machine.next_timer().unwrap();
    for (number, failures) in [(70, 1), (3, 2), (71, 2), (71, 3)] {
        say(&mut machine, 150, number);
        assert_eq!(machine.snapshot().stats.auth_failure, failures, "{number}");
    }
    // Of two masters that have counted alike each hears the other.
    let other = IpAddr::from([192, 168, 100, 99]);
    let alike = signed(&machine, other, 150, 71);
    feed(&mut machine, now, alike);
    assert_eq!(machine.snapshot().stats.auth_failure, 3);
    // Its own adverts go on above what it has heard.
    let out = feed(&mut machine, due, Input::Timer);
    assert_eq!((machine.state(), sequence(&out)), (State::Master, Some(72)));
    // A master of lower rank that has counted further is to hear us.
    let later = due + 10 * SECOND;
    let lower = signed(&machine, PEER, 50, 5000);
    let out = feed(&mut machine, later, lower);
    assert_eq!(sequence(&out), Some(5002));
    // Without a header, or with one of another password.
    let plain = advert(&machine, PEER, 200);
    assert_eq!(kinds(&feed(&mut machine, later, plain)), ["report"]);
    let mut other = Machine::new(Instance { authentication: Authentication::Ah(*b"secret13"), ..config });
    feed(&mut other, now, conditions(Some(up())));
    let packet = signed(&other, PEER, 200, 9000);
    feed(&mut other, now, packet);
    assert_eq!(other.snapshot().stats.auth_failure, 1);
    assert_eq!(machine.state(), State::Master);
}

/// Two nodes that have the same password would both be master otherwise: it is not on the wire.
#[test]
fn over_ipv6_a_password_keeps_nobody_from_being_heard() {
    let (us, peer) = ("fe80::2".parse().unwrap(), "fe80::1".parse().unwrap());
    let mut config =
        Instance { authentication: Authentication::Pass(*b"secret\0\0"), ..config(100, Version::V2) };
    config.family = crate::config::model::Family::Ipv6;
    config.transport.to = Destination::Multicast(Destination::group(config.family));
    config.addresses = vec![VirtualAddress::new("fe80::77".parse().unwrap(), 128)];
    let mut machine = Machine::new(config);
    let now = Instant::now();
    feed(&mut machine, now, conditions(Some(Link { source: Some(us), ..up() })));
    hear(&mut machine, now, peer, 150);
    let seen = machine.snapshot();
    assert_eq!((seen.stats.auth_failure, seen.master), (0, Some(peer)));
}

/// `timer_expired_backup`: whoever was stopped for so long that another one leads by now does not lead for another moment.
#[test]
fn a_master_that_was_stopped_follows_before_it_says_anything() {
    for (version, other, limit) in [
        (Version::V2, 254, Duration::from_micros(3_007_812)),
        (Version::V2, 100, Duration::from_micros(3_609_375)),
        (Version::V3, 254, Duration::from_micros(3_007_812)),
    ] {
        let config = Instance {
            timer_expired_backup: Some(other),
            preempt: crate::config::model::Preempt::Never,
            ..config(150, version)
        };
        // The beat goes on after a pause that is short enough.
        let (mut machine, at) = master(config.clone());
        feed(&mut machine, at + limit - Duration::from_millis(1), Input::Timer);
        assert_eq!(machine.state(), State::Master);
        for packet in [false, true] {
            let (mut machine, at) = master(config.clone());
            let input = if packet { advert(&machine, PEER, 100) } else { Input::Timer };
            let out = feed(&mut machine, at + limit + Duration::from_millis(1), input);
            assert_eq!(machine.state(), State::Backup);
            assert!(!out.iter().any(|action| matches!(action, Action::Transmit(_))), "{out:?}");
            assert!(out.contains(&Action::Hold(false)));
        }
        // Without the word, and where it preempts, it goes on.
        for other in [
            Instance { timer_expired_backup: None, ..config.clone() },
            Instance { preempt: Preempt::After { delay: Duration::ZERO }, ..config.clone() },
        ] {
            let (mut machine, at) = master(other);
            feed(&mut machine, at + 10 * SECOND, Input::Timer);
            assert_eq!(machine.state(), State::Master);
        }
    }
}
