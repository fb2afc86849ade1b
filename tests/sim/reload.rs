//! Reloads that give no reason for a transition cause none.

use std::time::Duration;

use directord::config::model::{
    Instance, InterfaceName, SyncGroup, TrackWeight, Tracked, VirtualAddress, Vrid,
};
use directord::vrrp::event::State;

use crate::lan::Lan;

fn instance(name: &str, vrid: u64) -> Instance {
    let address = VirtualAddress::new([192, 168, 100, u8::try_from(vrid).unwrap()].into(), 32);
    Instance {
        addresses: vec![address],
        ..Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(vrid).unwrap())
    }
}

/// Loads `change` into a lone master, and back: it stays what it is, and so does its priority in every advert.
fn changes_nothing(what: &str, change: impl Fn(&mut Instance)) {
    let before = vec![instance("A", 50), instance("B", 51)];
    let mut after = before.clone();
    after.iter_mut().for_each(change);
    for grouped in [false, true] {
        let mut lan = Lan::new(vec![before.clone()], 1, false);
        if grouped {
            let members = vec!["A".to_owned(), "B".to_owned()];
            lan.hosts[0].groups = vec![SyncGroup { name: "G".to_owned(), members, ..SyncGroup::default() }];
        }
        lan.boot(0);
        let later = |lan: &mut Lan| {
            let at = lan.now + Duration::from_secs(8);
            lan.run_until(at).unwrap();
        };
        later(&mut lan);
        let count = |lan: &Lan| lan.hosts[0].node.as_ref().unwrap().transitions();
        let settled = count(&lan);
        let is = |lan: &Lan| {
            lan.hosts[0].node.as_ref().unwrap().machines().all(|one| one.state() == State::Master)
        };
        assert!(is(&lan), "{what}: not master before");
        for config in [&after, &before] {
            lan.reload(0, config.clone());
            later(&mut lan);
            assert!(
                is(&lan) && count(&lan) == settled,
                "{what}, grouped {grouped}: a transition at a reload"
            );
        }
        assert_eq!(lan.priorities, [100].into(), "{what}, grouped {grouped}: an advert of another priority");
    }
}

#[test]
fn what_is_tracked_from_now_on_and_well_moves_nobody() {
    let eth1 = || InterfaceName::new("eth1").unwrap();
    let weight = |number, reverse| TrackWeight { number, reverse };
    for (number, reverse) in [(0, false), (-5, false), (5, true)] {
        changes_nothing(&format!("track_interface {number} {reverse}"), |instance| {
            // Up: a weight of more than 0 counts, as it should.
            if number <= 0 {
                instance.tracking.interfaces = vec![(eth1(), weight(number, reverse))];
            }
        });
    }
    changes_nothing("an address on another interface", |instance| {
        let address = [10, 0, 9, instance.vrid.number()].into();
        let interface = Some(eth1());
        instance.excluded_addresses = vec![VirtualAddress { interface, ..VirtualAddress::new(address, 32) }];
    });
    changes_nothing("the own interface, tracked by hand", |instance| {
        instance.dont_track_primary = true;
        instance.tracking.interfaces = vec![(instance.interface.clone().unwrap(), weight(0, false))];
    });
    // The number of the file is 0, and not known when the reload comes.
    changes_nothing("track_file", |instance| {
        let weight = Some(weight(0, false));
        instance.tracking.files = vec![Tracked { name: "f".to_owned(), weight }];
    });
}

#[test]
fn a_master_that_a_reload_leads_into_a_fault_says_so() {
    let mut lan = Lan::new(vec![vec![instance("A", 50)]], 1, false);
    lan.boot(0);
    lan.touch(0, |host| host.kernel.set_up("eth1", false));
    let later = |lan: &mut Lan| {
        let at = lan.now + Duration::from_secs(8);
        lan.run_until(at).unwrap();
    };
    later(&mut lan);
    assert_eq!(lan.priorities, [100].into());
    let mut tracking = instance("A", 50);
    let weight = TrackWeight { number: 0, reverse: false };
    tracking.tracking.interfaces = vec![(InterfaceName::new("eth1").unwrap(), weight)];
    lan.reload(0, vec![tracking]);
    later(&mut lan);
    assert_eq!(lan.priorities, [0, 100].into());
}
