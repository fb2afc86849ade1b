use std::net::IpAddr;

use super::*;
use crate::net::kernel::{Change, LinkState};
use crate::net::link::PRIVATE;
use crate::net::object::{Address, Device, Hop, Kind, Link, Mac, Route, Rule};

fn address(last: u8) -> Object {
    Object::Address(Address::new(1, IpAddr::from([10, 0, 0, last]), 24))
}

fn labelled(last: u8, label: &str) -> Object {
    let Object::Address(address) = address(last) else { unreachable!() };
    Object::Address(Address { label: Some(label.into()), ..address })
}

/// A route to 10.LAST.0.0/16.
fn plain_route(last: u8) -> Route {
    let via = Some(IpAddr::from([10, 0, 0, 254]));
    Route::new(IpAddr::from([10, last, 0, 0]), 16, vec![Hop { via, index: 1, ..Hop::default() }])
}

fn route(last: u8) -> Object {
    Object::from(plain_route(last))
}

fn rule(priority: u8) -> Object {
    let text = format!("inet priority {priority} table 100");
    Object::from(Rule::parse(&text).unwrap())
}

fn kernel_link() -> LinkState {
    LinkState::ethernet("eth0")
}

fn kernel(objects: &[Object]) -> Kernel {
    let mut kernel = Kernel::default();
    kernel.apply(Change::Link(1, kernel_link()));
    for object in objects {
        kernel.apply(Change::Added(object.clone()));
    }
    kernel
}

fn keys(all: &[Object]) -> Vec<Key> {
    all.iter().map(Object::key).collect()
}

/// What a killed process left, and nobody wants.
fn left(objects: &mut Objects, all: &[Object]) {
    objects.recorded(&keys(all));
    all.iter().for_each(|object| objects.want(object.key(), None));
}

/// Carries everything out; `refuse` says what the kernel answers.
fn settle(
    objects: &mut Objects,
    kernel: &mut Kernel,
    now: Instant,
    refuse: impl Fn(&Operation) -> i32,
) -> Vec<Operation> {
    let mut all = Vec::new();
    loop {
        let operations = objects.operations(kernel);
        if operations.is_empty() {
            return all;
        }
        for operation in operations {
            let errno = refuse(&operation);
            kernel.answered(&operation, operation.outcome(errno).is_ok());
            objects.answered(now, &operation, errno);
            all.push(operation);
        }
        assert!(all.len() < 100, "it goes round: {all:?}");
    }
}

fn taken(_: &Operation) -> i32 {
    0
}

#[test]
fn what_is_wanted_is_set_and_what_is_not_ours_stays() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[address(5)]));
    objects.configure(&keys(&[address(240)]), &kernel);
    objects.want(address(240).key(), Some(address(240)));
    let now = Instant::now();
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(address(240))]);
    objects.want(address(240).key(), None);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Remove(address(240))]);
    assert!(kernel.object(&address(5).key()).is_some());
}

#[test]
fn nothing_is_done_when_all_is_as_wanted() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[labelled(240, "eth0")]));
    objects.recorded(&keys(&[address(240)]));
    objects.configure(&keys(&[address(240)]), &kernel);
    objects.want(address(240).key(), Some(address(240)));
    assert_eq!(settle(&mut objects, &mut kernel, Instant::now(), taken), []);
}

#[test]
fn leftovers_go_by_the_record_alone() {
    let (recorded, hosts, others) = (address(9), address(240), address(7));
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[recorded.clone(), hosts.clone(), others]));
    left(&mut objects, std::slice::from_ref(&recorded));
    // The configuration names an address that the host had before us.
    assert_eq!(objects.configure(&keys(std::slice::from_ref(&hosts)), &kernel), [hosts.key()]);
    assert_eq!(settle(&mut objects, &mut kernel, Instant::now(), taken), [Operation::Remove(recorded)]);
    assert!(objects.is_hosts(&hosts.key()));
    assert!(objects.claims().is_empty());
    // It serves when it is wanted, and stays.
    objects.want(hosts.key(), Some(hosts.clone()));
    objects.want(hosts.key(), None);
    assert_eq!(settle(&mut objects, &mut kernel, Instant::now(), taken), []);
    // Removed by the host, it is ours to set.
    kernel.apply(Change::Removed(hosts.clone()));
    objects.changed(&hosts.key(), &kernel);
    objects.want(hosts.key(), Some(hosts.clone()));
    assert_eq!(settle(&mut objects, &mut kernel, Instant::now(), taken), [Operation::Add(hosts)]);
    assert_eq!(objects.claims().len(), 1);
}

/// A daemon that starts at boot is there before the host's own addresses are.
#[test]
fn what_somebody_else_sets_while_nobody_wants_it_is_the_hosts() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    let own = address(240);
    objects.configure(&keys(std::slice::from_ref(&own)), &kernel);
    assert_eq!(objects.claims().len(), 1);
    kernel.apply(Change::Added(own.clone()));
    assert_eq!(objects.changed(&own.key(), &kernel), News::Hosts);
    assert!(objects.claims().is_empty());
    objects.want(own.key(), Some(own.clone()));
    objects.want(own.key(), None);
    assert_eq!(settle(&mut objects, &mut kernel, Instant::now(), taken), []);
}

#[test]
fn a_changed_label_replaces_the_address() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    objects.configure(&keys(&[address(240)]), &kernel);
    objects.want(address(240).key(), Some(address(240)));
    settle(&mut objects, &mut kernel, Instant::now(), taken);
    let new = labelled(240, "eth0:1");
    objects.want(new.key(), Some(new.clone()));
    assert_eq!(
        settle(&mut objects, &mut kernel, Instant::now(), taken),
        [Operation::Remove(address(240)), Operation::Add(new)]
    );
}

#[test]
fn the_new_one_stands_before_the_old_one_goes() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    objects.configure(&keys(&[address(1)]), &kernel);
    objects.want(address(1).key(), Some(address(1)));
    settle(&mut objects, &mut kernel, Instant::now(), taken);
    objects.release(&[address(1).key()]);
    objects.configure(&[address(2).key()], &kernel);
    objects.want(address(1).key(), None);
    objects.want(address(2).key(), Some(address(2)));
    assert_eq!(
        settle(&mut objects, &mut kernel, Instant::now(), taken),
        [Operation::Add(address(2)), Operation::Remove(address(1))]
    );
    assert_eq!(objects.claims(), BTreeSet::from([address(2).key()]));
}

#[test]
fn a_refused_object_is_tried_again_by_timer_and_leaves_no_trace() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    let now = Instant::now();
    let key = address(240).key();
    objects.configure(&keys(&[address(240)]), &kernel);
    objects.want(key.clone(), Some(address(240)));
    settle(&mut objects, &mut kernel, now, |_| libc::EINVAL);
    assert_eq!(objects.refused(&key).map(|refused| refused.errno), Some(libc::EINVAL));
    // The instance is in FAULT now.
    objects.want(key.clone(), None);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), []);
    let again = objects.next().unwrap();
    assert_eq!(again, now + FIRST);
    objects.timer(again, |_| Vec::new());
    settle(&mut objects, &mut kernel, again, |_| libc::EINVAL);
    assert_eq!(objects.next(), Some(again + 2 * FIRST), "the distance doubles");
    // Something changes on the interface, and it is taken.
    objects.link_changed(1);
    let soon = objects.next().unwrap();
    assert_eq!(soon, again + SOON);
    objects.timer(soon, |_| Vec::new());
    assert_eq!(
        settle(&mut objects, &mut kernel, soon, taken),
        [Operation::Add(address(240)), Operation::Remove(address(240))]
    );
    assert_eq!((objects.refused(&key), objects.next()), (None, None));
}

#[test]
fn what_could_not_be_removed_is_still_ours_and_tried_again() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[address(9)]));
    let now = Instant::now();
    left(&mut objects, &[address(9)]);
    assert_eq!(settle(&mut objects, &mut kernel, now, |_| libc::EPERM).len(), 1);
    assert_eq!(objects.claims(), BTreeSet::from([address(9).key()]));
    let again = objects.next().unwrap();
    objects.timer(again, |_| Vec::new());
    settle(&mut objects, &mut kernel, again, taken);
    assert!(objects.claims().is_empty());
    assert_eq!(objects.next(), None);
}

#[test]
fn what_another_removes_is_news_and_what_we_remove_is_not() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    let now = Instant::now();
    objects.configure(&keys(&[address(1), address(2)]), &kernel);
    for last in [1, 2] {
        objects.want(address(last).key(), Some(address(last)));
    }
    settle(&mut objects, &mut kernel, now, taken);
    kernel.apply(Change::Removed(address(1)));
    assert_eq!(objects.changed(&address(1).key(), &kernel), News::Missing);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(address(1))]);
    // While ours is under way, its own notifications and those of its subnet say nothing of others.
    objects.want(address(1).key(), None);
    let operations = objects.operations(&kernel);
    kernel.apply(Change::Removed(address(1)));
    kernel.apply(Change::Removed(address(2)));
    assert_eq!(objects.changed(&address(1).key(), &kernel), News::None);
    assert_eq!(objects.changed(&address(2).key(), &kernel), News::None);
    objects.answered(now, &operations[0], 0);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(address(2))]);
}

/// Whatever is wanted, recorded, refused and removed: at rest the kernel has what is wanted, and what was never ours.
#[test]
fn any_way_leads_to_what_is_wanted() {
    // Of each third one of each kind.
    let any = |number: u8| match number % 3 {
        0 => address(number),
        1 => route(number),
        _ => rule(number),
    };
    let needs = |key: &Key| match key {
        Key::Route(_) => vec![address(3), address(8)],
        _ => Vec::new(),
    };
    for seed in 0..2000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let hosts: Vec<Object> = (0..3).filter(|_| random.bool()).map(any).collect();
        let left: Vec<Object> = (3..6).filter(|_| random.bool()).map(any).collect();
        // With the last address of the interface the routes there would go.
        let mut kernel = kernel(&[hosts.clone(), left.clone(), vec![address(100)]].concat());
        let mut objects = Objects::default();
        super::tests::left(&mut objects, &left);
        let all: Vec<Object> = (0..9).map(any).collect();
        let mut now = Instant::now();
        let mut configured: Vec<Object> = Vec::new();
        for _step in 0..12 {
            match random.u8(0..4) {
                0 => {
                    configured = all.iter().filter(|_| random.bool()).cloned().collect();
                    let gone: Vec<Object> = all.iter().filter(|o| !configured.contains(o)).cloned().collect();
                    objects.release(&keys(&gone));
                    objects.configure(&keys(&configured), &kernel);
                    for object in &gone {
                        objects.want(object.key(), None);
                    }
                }
                1 => {
                    for object in &configured {
                        if random.bool() {
                            objects.want(object.key(), random.bool().then(|| object.clone()));
                        }
                    }
                }
                2 => {
                    let object = any(random.u8(3..9));
                    kernel.apply(Change::Removed(object.clone()));
                    objects.changed(&object.key(), &kernel);
                }
                _ => now += Duration::from_secs(random.u64(0..30)),
            }
            objects.timer(now, needs);
            let chance = random.f64() * 0.5;
            let random = std::cell::RefCell::new(&mut random);
            settle(&mut objects, &mut kernel, now, |_| {
                let refused = [libc::EINVAL, libc::ENETUNREACH, libc::EPERM];
                let mut random = random.borrow_mut();
                if random.f64() < chance { refused[random.usize(0..3)] } else { 0 }
            });
        }
        for _try in 0..100 {
            let Some(at) = objects.next() else { break };
            objects.timer(at, needs);
            settle(&mut objects, &mut kernel, at, taken);
        }
        assert_eq!(objects.next(), None, "seed {seed}: something is refused for ever");
        settle(&mut objects, &mut kernel, now, taken);
        for object in &all {
            let there = kernel.object(&object.key()).is_some();
            let wanted = objects.wanted(&object.key()).is_some();
            let host = hosts.contains(object);
            assert_eq!(there, wanted || host, "seed {seed}: {}", object.key());
        }
    }
}

#[test]
fn what_others_need_is_set_before_them_and_goes_after_them() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    let all = [rule(1), route(1), address(1)];
    objects.configure(&keys(&all), &kernel);
    all.iter().for_each(|object| objects.want(object.key(), Some(object.clone())));
    let now = Instant::now();
    let [rule, route, address] = all.clone();
    let expected = [address, route, rule].map(Operation::Add);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), expected);
    all.iter().for_each(|object| objects.want(object.key(), None));
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), all.map(Operation::Remove));
}

/// An owner is master as soon as its interface is up: it has no second to wait for its routes.
#[test]
fn a_route_that_was_refused_for_its_interface_is_asked_for_when_that_is_up() {
    let plain = plain_route(1);
    let onto = Object::from(Route { hops: vec![Hop { index: 1, ..Hop::default() }], ..plain });
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    let now = Instant::now();
    objects.configure(&keys(&[onto.clone(), rule(1)]), &kernel);
    for object in [onto.clone(), rule(1)] {
        objects.want(object.key(), Some(object));
    }
    settle(&mut objects, &mut kernel, now, |_| libc::ENETDOWN);
    let state = |enabled| Change::Link(1, LinkState { enabled, ..kernel_link() });
    kernel.apply(state(false));
    objects.links_up(&kernel);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), []);
    kernel.apply(state(true));
    objects.links_up(&kernel);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(onto)], "the rule waits");
}

/// The addresses that a route needs are those of a virtual router that does not hold them in FAULT. The answer to the
/// last try does not tell: with them it was another one than it would be without.
#[test]
fn a_refused_route_is_tried_together_with_what_it_needs() {
    let plain = plain_route(1);
    let to = |last: u8| IpAddr::from([10, last, 0, 0]);
    let chained =
        Route { to: to(2), hops: vec![Hop { via: Some(to(3)), ..Hop::default() }], ..plain.clone() };
    let gateway = Route { to: to(3), prefix: 32, hops: vec![Hop { index: 1, ..Hop::default() }], ..plain };
    let elsewhere = Object::from(Route { source: Some(to(9)), ..gateway.clone() });
    let other = |last| {
        let Object::Address(one) = address(1) else { unreachable!() };
        Object::Address(Address { address: to(last), prefix: 32, ..one })
    };
    let sourced = Object::from(Route { source: Some(to(8)), ..gateway.clone() });
    for (refused, needed, not) in [
        (route(1), vec![address(1)], other(9)),
        (Object::from(chained), vec![other(9), elsewhere], address(1)),
        (sourced, vec![other(8)], address(1)),
    ] {
        for errno in [libc::ENETUNREACH, libc::EINVAL, libc::EOPNOTSUPP] {
            let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
            let all: Vec<Object> = needed.iter().chain([&refused]).cloned().chain([not.clone()]).collect();
            objects.configure(&keys(&all), &kernel);
            let now = Instant::now();
            objects.want(refused.key(), Some(refused.clone()));
            settle(&mut objects, &mut kernel, now, |_| errno);
            objects.want(refused.key(), None);
            settle(&mut objects, &mut kernel, now, taken);
            let again = objects.next().unwrap();
            objects.timer(again, |_| all.iter().rev().cloned().collect());
            let set: Vec<Operation> = needed.iter().chain([&refused]).cloned().map(Operation::Add).collect();
            let removed = set.iter().rev().map(|operation| match operation {
                Operation::Add(object) | Operation::Amend(object) | Operation::Remove(object) => {
                    Operation::Remove(object.clone())
                }
            });
            let expected: Vec<Operation> = set.iter().cloned().chain(removed).collect();
            assert_eq!(settle(&mut objects, &mut kernel, again, taken), expected);
            assert_eq!(objects.next(), None);
        }
    }
}

/// The kernel cuts an MTU that is too large: what it makes of a request is set once more, and then left alone.
#[test]
fn what_the_kernel_makes_something_else_of_is_not_set_for_ever() {
    let with = |mtu: u32| Object::from(Route { metrics: BTreeMap::from([(2, mtu)]), ..plain_route(1) });
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    objects.configure(&keys(&[with(65535)]), &kernel);
    objects.want(route(1).key(), Some(with(65535)));
    let now = Instant::now();
    let mut rounds = 0;
    loop {
        let operations = objects.operations(&kernel);
        if operations.is_empty() {
            break;
        }
        for operation in operations {
            kernel.answered(&operation, true);
            objects.answered(now, &operation, 0);
        }
        kernel.apply(Change::Added(with(65520)));
        rounds += 1;
        assert!(rounds < 5);
    }
    // What somebody else makes of it is another matter.
    kernel.apply(Change::Added(with(1400)));
    objects.changed(&route(1).key(), &kernel);
    assert_eq!(objects.operations(&kernel).len(), 2);
}

/// To the kernel a request that removes a route onto a link may mean one to a gateway on that link.
#[test]
fn a_route_onto_a_link_goes_while_no_other_one_of_its_destination_is_there() {
    let gateway = plain_route(1);
    let link = Object::from(Route { hops: vec![Hop { index: 1, ..Hop::default() }], ..gateway.clone() });
    let gateway = Object::from(gateway);
    let now = Instant::now();
    for both in [false, true] {
        let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
        objects.configure(&keys(&[link.clone(), gateway.clone()]), &kernel);
        objects.want(link.key(), Some(link.clone()));
        objects.want(gateway.key(), both.then(|| gateway.clone()));
        settle(&mut objects, &mut kernel, now, taken);
        objects.want(link.key(), None);
        objects.want(gateway.key(), Some(gateway.clone()));
        let before = both.then(|| Operation::Remove(gateway.clone()));
        let after = [Operation::Remove(link.clone()), Operation::Add(gateway.clone())];
        let expected: Vec<Operation> = before.into_iter().chain(after).collect();
        assert_eq!(settle(&mut objects, &mut kernel, now, taken), expected);
        assert!(kernel.object(&gateway.key()).is_some() && kernel.object(&link.key()).is_none());
    }
}

#[test]
fn what_is_not_tracked_is_not_set_again_before_it_is_wanted_again() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    objects.configure(&keys(&[address(1)]), &kernel);
    objects.track(&address(1).key(), false);
    let now = Instant::now();
    objects.want(address(1).key(), Some(address(1)));
    settle(&mut objects, &mut kernel, now, taken);
    kernel.apply(Change::Removed(address(1)));
    assert_eq!(objects.changed(&address(1).key(), &kernel), News::None);
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), []);
    objects.want(address(1).key(), Some(address(1)));
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(address(1))]);
}

#[test]
fn what_is_asked_for_anew_is_not_held_to_an_old_answer() {
    let (mut objects, mut kernel) = (Objects::default(), kernel(&[]));
    objects.configure(&keys(&[address(1), address(2)]), &kernel);
    let now = Instant::now();
    objects.want(address(1).key(), Some(address(1)));
    settle(&mut objects, &mut kernel, now, |_| libc::EINVAL);
    // A reload gives it another label.
    objects.want(address(1).key(), Some(labelled(1, "eth0:1")));
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), []);
    objects.renew(&[address(1).key()]);
    objects.want(address(1).key(), Some(labelled(1, "eth0:1")));
    assert_eq!(settle(&mut objects, &mut kernel, now, taken), [Operation::Add(labelled(1, "eth0:1"))]);
    // The old one is answered when the new one is asked for already, and nobody holds it.
    objects.want(address(1).key(), Some(address(1)));
    let under_way = objects.operations(&kernel);
    objects.want(address(1).key(), None);
    objects.answered(now, under_way.last().unwrap(), libc::ENODEV);
    objects.timer(objects.next().unwrap(), |_| vec![labelled(1, "eth0:2")]);
    let tried = settle(&mut objects, &mut kernel, now, taken);
    assert!(tried.contains(&Operation::Add(labelled(1, "eth0:2"))), "{tried:?}");
    // What was asked for last is answered after nobody wants it any more.
    objects.want(address(2).key(), Some(address(2)));
    let operations = objects.operations(&kernel);
    objects.want(address(2).key(), None);
    objects.release(&[address(2).key()]);
    assert!(!objects.answered(now, &operations[0], libc::ENODEV), "that is no news");
    assert_eq!(objects.next(), None, "and is not tried again");
}

fn vmac(enabled: bool, mac: u8, kind: Kind) -> Object {
    Object::Link(Link {
        name: Device::new("vrrp.51").unwrap(),
        index: 0,
        base: 1,
        mac: Mac([0, 0, 0x5e, 0, 1, mac]),
        kind,
        enabled,
        group: None,
    })
}

const MACVLAN: Kind = Kind::Macvlan { mode: PRIVATE };

/// The operations towards `wanted`, where an interface of that name is as in `there` and is ours.
fn towards(wanted: &Object, there: &Object) -> Vec<Operation> {
    let mut kernel = kernel(&[]);
    let Object::Link(link) = there else { panic!() };
    let mac = link.mac.0.to_vec();
    let state = LinkState {
        name: "vrrp.51".into(),
        base: link.base,
        kind: link.kind,
        enabled: link.enabled,
        mac,
        ..kernel_link()
    };
    kernel.apply(Change::Link(9, state));
    let mut objects = Objects::default();
    objects.recorded(&[wanted.key()]);
    objects.configure(&[wanted.key()], &kernel);
    objects.want(wanted.key(), Some(wanted.clone()));
    objects.operations(&kernel)
}

#[test]
fn an_interface_that_is_switched_off_is_switched_on_and_another_one_makes_room() {
    let wanted = vmac(true, 51, MACVLAN);
    assert_eq!(towards(&wanted, &wanted), []);
    assert_eq!(towards(&wanted, &vmac(false, 51, MACVLAN)), [Operation::Add(wanted.clone())]);
    for other in
        [vmac(true, 52, MACVLAN), vmac(true, 51, Kind::Other), vmac(true, 51, Kind::Macvlan { mode: 4 })]
    {
        let operations = towards(&wanted, &other);
        let [Operation::Remove(Object::Link(gone)), Operation::Add(added)] = operations.as_slice() else {
            panic!("{operations:?}")
        };
        assert_eq!((gone.index, added), (9, &wanted));
    }
}

#[test]
fn an_interface_comes_before_its_addresses_and_goes_behind_them() {
    let kernel = kernel(&[]);
    let mut objects = Objects::default();
    let all = [address(1), vmac(true, 51, MACVLAN)];
    objects.configure(&keys(&all), &kernel);
    for object in &all {
        objects.want(object.key(), Some(object.clone()));
    }
    let link = all[1].key();
    assert!(objects.is_coming(&link, &kernel));
    assert_eq!(
        objects.operations(&kernel).iter().map(Operation::key).collect::<Vec<_>>(),
        [link.clone(), all[0].key()]
    );
    assert!(objects.is_coming(&link, &kernel));
    objects.answered(Instant::now(), &Operation::Add(all[1].clone()), libc::EPERM);
    assert!(!objects.is_coming(&link, &kernel), "it was refused");
}
