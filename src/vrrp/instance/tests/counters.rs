//! What is counted, and the times that are shown beside it.

use super::*;
use crate::vrrp::packet::Header;

/// An advert of version 2 that says this type.
fn of_type(machine: &Machine, auth_type: u8) -> Input {
    let advert = Advert {
        header: Header::V2 { auth_type, interval: 1, auth_data: [0; 8] },
        vrid: 51,
        priority: 90,
        addresses: machine.advertised(),
    };
    let destination = machine.config.group().unwrap();
    let payload = advert.encode(PEER, destination);
    Input::Packet(Received { source: PEER, destination, hops: 255, id: None, ah: None, payload })
}

#[test]
fn a_type_of_authentication_that_does_not_exist_has_a_counter_of_its_own() {
    let (mut machine, now) = started(config(100, Version::V2));
    for (auth_type, expected) in [(0, (0, 0)), (1, (0, 1)), (2, (0, 2)), (3, (1, 2)), (255, (2, 2))] {
        let packet = of_type(&machine, auth_type);
        feed(&mut machine, now, packet);
        let stats = machine.snapshot().stats;
        assert_eq!((stats.invalid_authtype, stats.authtype_mismatch), expected, "{auth_type}");
    }
}

#[test]
fn counters_that_are_cleared_begin_anew_and_nothing_else_does() {
    let (mut machine, now) = master(config(100, Version::V2));
    hear(&mut machine, now, PEER, 90);
    let before = machine.snapshot();
    assert!(before.stats.advert_sent > 0 && before.stats.become_master == 1 && before.stats.advert_rcvd == 1);
    machine.clear_statistics();
    assert_eq!(machine.snapshot(), Snapshot { stats: Stats::default(), ..before });
    let at = now + 2 * SECOND;
    feed(&mut machine, at, Input::Timer);
    assert_eq!(machine.snapshot().stats.advert_sent, 1);
}

#[test]
fn the_times_are_those_that_it_goes_by() {
    let unstarted = Snapshot::unstarted(&config(100, Version::V3));
    assert_eq!((unstarted.state, unstarted.times.deadline), (State::Init, None));
    assert_eq!(unstarted.times.master_interval, SECOND);
    let (mut machine, now) = started(config(100, Version::V3));
    let times = machine.snapshot().times;
    assert_eq!(times.deadline, Some(now + times.master_down));
    hear(&mut machine, now + SECOND, PEER, 150);
    let times = machine.snapshot().times;
    assert_eq!((times.master_priority, times.deadline), (150, Some(now + SECOND + times.master_down)));
    let (machine, at) = master(config(100, Version::V2));
    assert_eq!(machine.snapshot().times.deadline, Some(at + SECOND));
}
