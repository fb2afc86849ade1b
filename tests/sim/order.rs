//! The order in which a sync group and its members are told of, as keepalived has it.

use std::time::Duration;

use directord::config::model::{
    Instance, InterfaceName, SyncGroup, TrackWeight, Tracked, VirtualAddress, Vrid,
};

use crate::lan::Lan;

fn instance(name: &str, interface: &str, vrid: u64) -> Instance {
    let address = VirtualAddress::new([192, 168, 100, u8::try_from(vrid).unwrap()].into(), 32);
    Instance {
        addresses: vec![address],
        ..Instance::new(name, InterfaceName::new(interface).unwrap(), Vrid::new(vrid).unwrap())
    }
}

fn lan(change: impl Fn(&mut Instance)) -> Lan {
    let mut members = vec![instance("A", "eth0", 50), instance("B", "eth0", 51), instance("C", "eth1", 52)];
    members.iter_mut().for_each(change);
    let mut lan = Lan::new(vec![members], 1, false);
    let members = ["A", "B", "C"].map(str::to_owned).to_vec();
    lan.hosts[0].groups = vec![SyncGroup { name: "G".to_owned(), members, ..SyncGroup::default() }];
    lan
}

/// What was told within the next seconds: `A backup`.
fn told(lan: &mut Lan) -> Vec<String> {
    let at = lan.now + Duration::from_secs(8);
    lan.run_until(at).unwrap();
    std::mem::take(&mut lan.hosts[0].heard)
}

#[test]
fn who_suffers_first_and_who_recovers_last_leads_its_group() {
    let mut lan = lan(|_| {});
    lan.boot(0);
    let begins = ["group G BACKUP", "A BACKUP", "B BACKUP", "C BACKUP"];
    let leads = ["C MASTER", "A MASTER", "B MASTER", "group G MASTER"];
    assert_eq!(told(&mut lan), [begins, leads].concat());
    lan.touch(0, |host| host.kernel.set_up("eth1", false));
    assert_eq!(told(&mut lan), ["C FAULT", "A FAULT", "B FAULT", "group G FAULT"]);
    lan.touch(0, |host| host.kernel.set_up("eth1", true));
    let recovers = ["C BACKUP", "A BACKUP", "B BACKUP", "group G BACKUP"];
    // Of timers for one moment the first one that was set ends first; who is ready last leads.
    let last = ["B MASTER", "A MASTER", "C MASTER", "group G MASTER"];
    assert_eq!(told(&mut lan), [recovers, last].concat());
    lan.touch(0, |host| host.kernel.set_up("eth0", false));
    assert_eq!(told(&mut lan), ["A FAULT", "B FAULT", "C FAULT", "group G FAULT"]);
    lan.touch(0, |host| host.kernel.set_up("eth0", true));
    let recovers = ["B BACKUP", "A BACKUP", "C BACKUP", "group G BACKUP"];
    assert_eq!(told(&mut lan), [recovers, leads].concat());
}

#[test]
fn a_group_that_waited_for_a_script_is_told_behind_its_members() {
    let mut lan = lan(|instance| {
        let weight = Some(TrackWeight { number: 0, reverse: false });
        instance.tracking.scripts = vec![Tracked { name: "chk".to_owned(), weight }];
    });
    let mut script = crate::scenario::script(&mut fastrand::Rng::with_seed(1));
    script.config.init_fail = false;
    lan.hosts[0].script = Some(script);
    lan.boot(0);
    let begins = ["C BACKUP", "A BACKUP", "B BACKUP", "group G BACKUP"];
    let leads = ["B MASTER", "A MASTER", "C MASTER", "group G MASTER"];
    assert_eq!(told(&mut lan), [begins, leads].concat());
}

#[test]
fn a_group_that_starts_with_a_fault_is_told_behind_its_members() {
    let mut lan = lan(|_| {});
    lan.touch(0, |host| host.kernel.set_up("eth1", false));
    lan.boot(0);
    let told = told(&mut lan);
    assert_eq!(told.last().map(String::as_str), Some("group G FAULT"), "{told:?}");
    let groups = told.iter().filter(|line| line.starts_with("group"));
    assert_eq!(groups.count(), 1, "{told:?}");
}
