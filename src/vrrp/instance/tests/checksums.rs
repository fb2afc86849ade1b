//! Checksums that are not the RFC's, and adverts that the owner does not read.

use super::*;
use crate::config::model::OldChecksum;
use crate::vrrp::packet::Sum;

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

/// An advert of `PEER` with a checksum over `sum`.
fn summed(destination: IpAddr, sum: Sum) -> Input {
    let config = config(200, Version::V3);
    let advert = Advert {
        header: header(&config),
        vrid: config.vrid.number(),
        priority: 200,
        addresses: config.addresses.iter().map(|address| address.address).collect(),
    };
    let payload = advert.encode_summed(PEER, sum);
    Input::Packet(Received { source: PEER, destination, hops: 255, id: None, ah: None, payload })
}

/// Whether it counts.
fn counts(machine: &mut Machine, now: Instant, input: Input) -> bool {
    let before = machine.stats.advert_rcvd;
    feed(machine, now, input);
    machine.stats.advert_rcvd > before
}

/// What the checksum of the advert that a machine sends as master covers.
fn sent(machine: &Machine, destination: IpAddr, sum: Sum) -> bool {
    let mut machine = machine.clone();
    let (at, _) = machine.next_timer().unwrap();
    let actions = feed(&mut machine, at, Input::Timer);
    let mut packets = actions.iter().filter_map(|action| match action {
        Action::Transmit(packet) if packet.destination == destination => Some(&packet.payload),
        _ => None,
    });
    sum.fits(packets.next().expect("an advert"))
}

#[test]
fn a_sum_without_addresses_counts_where_it_is_asked_for() {
    let rfc = Sum::WithAddresses(PEER, GROUP);
    let (mut strict, now) = started(config(100, Version::V3));
    assert!(counts(&mut strict, now, summed(GROUP, rfc)));
    let refused = feed(&mut strict, now, summed(GROUP, Sum::Payload));
    let told = refused.iter().find_map(|action| match action {
        Action::Report(Event::Rejected { why, .. }) => Some(why.to_string()),
        _ => None,
    });
    assert!(told.is_some_and(|told| told.contains("v3_checksum_as_v2")));
    assert!(sent(&strict, GROUP, Sum::WithAddresses(US, GROUP)));

    let (mut lenient, now) = started(Instance { v3_checksum_as_v2: Some(true), ..config(100, Version::V3) });
    for sum in [rfc, Sum::Payload] {
        assert!(counts(&mut lenient, now, summed(GROUP, sum)), "{sum:?}");
    }
    let foreign = Sum::WithAddresses(PEER, US);
    assert!(!counts(&mut lenient, now, summed(GROUP, foreign)), "a wrong sum stays one");
    assert!(sent(&lenient, GROUP, Sum::Payload));
    // Version 2 sums the payload alone whatever is said.
    let (two, _) = started(Instance { v3_checksum_as_v2: Some(true), ..config(100, Version::V2) });
    assert!(sent(&two, GROUP, Sum::Payload));
}

#[test]
fn an_old_unicast_peer_is_met_and_answered_alike() {
    let old = |checksum| {
        let unicast = Unicast { old_checksum: checksum, ..unicast(vec![Peer::new(PEER)]) };
        started(with_peers(unicast, config(100, Version::V3)))
    };
    let theirs = Sum::WithAddresses(PEER, GROUP);
    let (ours_old, ours_new) = (Sum::WithAddresses(US, GROUP), Sum::WithAddresses(US, PEER));
    let (mut unsaid, now) = old(None);
    assert!(sent(&unsaid, PEER, ours_new));
    let told = feed(&mut unsaid, now, summed(US, theirs));
    assert!(told.iter().any(|action| matches!(action, Action::Report(Event::OldChecksum { .. }))));
    let again = feed(&mut unsaid, now, summed(US, theirs));
    assert!(!again.iter().any(|action| matches!(action, Action::Report(Event::OldChecksum { .. }))));
    assert!(sent(&unsaid, PEER, ours_old));

    let (mut always, now) = old(Some(OldChecksum::Always));
    assert!(sent(&always, PEER, ours_old));
    assert!(counts(&mut always, now, summed(US, theirs)));
    assert!(counts(&mut always, now, summed(US, Sum::WithAddresses(PEER, US))));

    let (mut never, now) = old(Some(OldChecksum::Never));
    assert!(!counts(&mut never, now, summed(US, theirs)));
    assert!(sent(&never, PEER, ours_new));
}

#[test]
fn an_owner_that_ignores_adverts_yields_to_nobody() {
    let own = |ignores| Instance { owner_ignore_adverts: Some(ignores), ..config(255, Version::V3) };
    for (ignores, counted) in [(true, 0), (false, 1)] {
        let (mut machine, now) = started(own(ignores));
        let rival = IpAddr::from([192, 168, 100, 250]);
        hear(&mut machine, now, rival, 255);
        assert_eq!(machine.stats.advert_rcvd, counted);
        assert_eq!(machine.state() == State::Master, ignores);
    }
}
