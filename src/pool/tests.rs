use std::time::Duration;

use super::*;
use crate::check::standing::WeightChange;
use crate::config::model::{
    Checker, Connect, Forwarding, ProbeKind, Protocol, RealServer, Scheduler, SchedulerFlags, SorryServer,
    Timing, Weight,
};

mod keep;

fn service() -> Service {
    Service::Address { protocol: Protocol::Tcp, address: SocketAddr::from(([192, 168, 100, 240], 80)) }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 100, last], 80))
}

fn checker(to: SocketAddr, alpha: bool) -> Checker {
    let connect =
        Connect { to, timeout: Duration::from_secs(5), from: None, from_port: 0, interface: None, fwmark: 0 };
    Checker {
        probe: Arc::new(Probe { kind: ProbeKind::Tcp, connect: Some(connect) }),
        timing: Arc::new(Timing {
            delay_loop: Duration::from_secs(6),
            warmup: Duration::ZERO,
            retry: 1,
            delay_before_retry: Duration::from_secs(1),
            rise: 1,
            alpha,
            log_all_failures: None,
        }),
    }
}

fn real_server(last: u8, weight: u64) -> RealServer {
    RealServer {
        address: address(last),
        weight: Weight::new(weight).unwrap(),
        forwarding: Forwarding::DirectRoute,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        checkers: vec![checker(address(last), false)],
        notify: None,
    }
}

fn virtual_server(real_servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        service: service(),
        group: None,
        scheduler: Scheduler::Rr,
        flags: SchedulerFlags::default(),
        one_packet: false,
        persistence: None,
        persistence_engine: None,
        quorum: 1,
        hysteresis: 0,
        min_healthy: None,
        sorry_server: None,
        real_servers,
        omega: false,
        ha_suspend: false,
        notify: Default::default(),
    }
}

fn started(config: VirtualServer) -> Pools {
    let mut pools = Pools::default();
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut Vec::new());
    pools
}

fn verdict(pools: &mut Pools, last: u8, checker: Checker, up: bool) -> Vec<Action> {
    let mut out = Vec::new();
    let (service, server) = (VirtualServerName::Service(service()), address(last));
    let standing = if up { Standing::UP } else { Standing::Down };
    let input = Input::Standing { service: Arc::new(service), server, probe: checker.probe, standing };
    pools.handle(Instant::now(), input, &mut out);
    out
}

/// Last byte of each destination, with its weight.
fn destinations(pools: &Pools) -> Vec<(u8, u32)> {
    let last = |address: &SocketAddr| match address {
        SocketAddr::V4(v4) => v4.ip().octets()[3],
        SocketAddr::V6(_) => 0,
    };
    let entry = pools.entry(&service()).unwrap();
    entry.destinations.iter().map(|(address, values)| (last(address), values.weight)).collect()
}

#[test]
fn a_failed_check_takes_the_server_out_and_a_passed_one_brings_it_back() {
    let mut pools = started(virtual_server(vec![real_server(8, 1), real_server(9, 3)]));
    assert_eq!(destinations(&pools), [(8, 1), (9, 3)]);
    verdict(&mut pools, 9, checker(address(9), false), false);
    assert_eq!(destinations(&pools), [(8, 1)]);
    verdict(&mut pools, 9, checker(address(9), false), true);
    assert_eq!(destinations(&pools), [(8, 1), (9, 3)]);
}

#[test]
fn all_checks_must_pass() {
    let mut server = real_server(9, 1);
    let second = checker(address(10), false);
    server.checkers.push(second.clone());
    let mut pools = started(virtual_server(vec![real_server(8, 1), server]));
    verdict(&mut pools, 9, checker(address(9), false), false);
    verdict(&mut pools, 9, second.clone(), false);
    assert_eq!(verdict(&mut pools, 9, second, true), [], "the other check still fails");
    assert_eq!(destinations(&pools), [(8, 1)]);
}

#[test]
fn an_alpha_server_waits_for_its_first_success() {
    let mut server = real_server(9, 1);
    server.checkers = vec![checker(address(9), true)];
    let mut pools = started(virtual_server(vec![server]));
    assert_eq!(destinations(&pools), []);
    verdict(&mut pools, 9, checker(address(9), true), true);
    assert_eq!(destinations(&pools), [(9, 1)]);
}

/// The number of a file is known: what it says counts at once, and nobody is told of a server that never was up.
#[test]
fn what_is_known_of_a_check_counts_from_the_start() {
    let mut pools = Pools::default();
    let known = |of: &[(u8, Standing)]| {
        of.iter().map(|(last, standing)| (checker(address(*last), false).probe, *standing)).collect()
    };
    let heavier = Standing::Up { weight: Some(WeightChange::By(40)) };
    pools.know(known(&[(8, Standing::Down)]));
    let mut out = Vec::new();
    let config = virtual_server(vec![real_server(8, 1)]);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
    assert!(!out.iter().any(|action| matches!(action, Action::Tell(_))), "{out:?}");
    assert_eq!(destinations(&pools), []);
    pools.know(known(&[(8, Standing::Down), (9, Standing::Down), (10, heavier)]));
    let config = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
    assert!(!out.iter().any(|action| matches!(action, Action::Tell(_))), "{out:?}");
    assert_eq!(destinations(&pools), []);
    let config = virtual_server(vec![real_server(8, 1), real_server(10, 1)]);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
    assert_eq!(destinations(&pools), [(10, 41)]);
}

#[test]
fn a_server_that_alpha_keeps_out_is_not_called_added() {
    for alpha in [false, true] {
        let mut pools = started(virtual_server(vec![real_server(8, 1)]));
        let mut server = real_server(9, 1);
        server.checkers = vec![checker(address(9), alpha)];
        let mut out = Vec::new();
        let config = virtual_server(vec![real_server(8, 1), server]);
        pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
        let told = |waits: bool| {
            let of = |action: &Action| match action {
                Action::Report(Event::ServerAdded { .. }) => !waits,
                Action::Report(Event::ServerWaits { .. }) => waits,
                _ => false,
            };
            out.iter().any(of)
        };
        assert_eq!((told(false), told(true)), (!alpha, alpha), "{out:?}");
        assert_eq!(destinations(&pools).len(), if alpha { 1 } else { 2 });
    }
}

#[test]
fn inhibit_keeps_the_server_with_weight_zero() {
    let mut server = real_server(9, 1);
    server.inhibit_on_failure = true;
    let mut pools = started(virtual_server(vec![real_server(8, 1), server]));
    verdict(&mut pools, 9, checker(address(9), false), false);
    assert_eq!(destinations(&pools), [(8, 1), (9, 0)]);
}

#[test]
fn the_sorry_server_replaces_all_while_the_quorum_is_lost() {
    let mut config = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    config.quorum = 2;
    config.sorry_server =
        Some(SorryServer { address: address(99), forwarding: Forwarding::DirectRoute, inhibit: false });
    let mut pools = started(config);
    let actions = verdict(&mut pools, 9, checker(address(9), false), false);
    assert_eq!(destinations(&pools), [(99, 1)]);
    let lost = actions.iter().any(|action| matches!(action, Action::Report(Event::QuorumLost { .. })));
    assert!(lost, "{actions:?}");
    verdict(&mut pools, 9, checker(address(9), false), true);
    assert_eq!(destinations(&pools), [(8, 1), (9, 1)]);
}

#[test]
fn without_a_sorry_server_the_servers_that_are_up_stay() {
    let mut config = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    config.quorum = 2;
    let mut pools = started(config);
    verdict(&mut pools, 9, checker(address(9), false), false);
    assert_eq!(destinations(&pools), [(8, 1)]);
}

#[test]
fn hysteresis_holds_the_quorum_in_both_directions() {
    let mut config = virtual_server((1..=4).map(|last| real_server(last, 1)).collect());
    (config.quorum, config.hysteresis) = (2, 1);
    let mut pools = started(config);
    let quorum = |pools: &Pools| pools.snapshot()[0].quorum;
    for last in [1, 2, 3] {
        verdict(&mut pools, last, checker(address(last), false), false);
    }
    assert!(quorum(&pools), "1 >= 2-1");
    verdict(&mut pools, 4, checker(address(4), false), false);
    assert!(!quorum(&pools));
    for last in [1, 2] {
        verdict(&mut pools, last, checker(address(last), false), true);
    }
    assert!(!quorum(&pools), "2 < 2+1");
    verdict(&mut pools, 3, checker(address(3), false), true);
    assert!(quorum(&pools));
}

#[test]
fn a_reload_keeps_the_verdicts_of_checks_that_stay() {
    let config = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    let mut pools = started(config);
    verdict(&mut pools, 9, checker(address(9), false), false);
    let heavier = virtual_server(vec![real_server(8, 5), real_server(9, 1), real_server(10, 1)]);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(heavier)]), &mut Vec::new());
    assert_eq!(destinations(&pools), [(8, 5), (10, 1)]);
    assert!(!pools.passes(
        &VirtualServerName::Service(service()),
        &address(9),
        &checker(address(9), false).probe
    ));
}

#[test]
fn a_reload_of_the_timing_brings_no_failed_server_back() {
    let mut pools = started(virtual_server(vec![real_server(8, 1), real_server(9, 1)]));
    verdict(&mut pools, 9, checker(address(9), false), false);
    let mut faster = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    let timing = Arc::make_mut(&mut faster.real_servers[1].checkers[0].timing);
    (timing.delay_loop, timing.retry) = (Duration::from_secs(1), 5);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(faster)]), &mut Vec::new());
    assert_eq!(destinations(&pools), [(8, 1)]);
    verdict(&mut pools, 9, checker(address(9), false), true);
    assert_eq!(destinations(&pools), [(8, 1), (9, 1)]);
}

#[test]
fn another_check_of_a_failed_server_must_pass_first() {
    let mut pools = started(virtual_server(vec![real_server(8, 1), real_server(9, 1)]));
    verdict(&mut pools, 9, checker(address(9), false), false);
    let mut other = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    let elsewhere = checker(address(77), false);
    other.real_servers[1].checkers = vec![elsewhere.clone()];
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(other)]), &mut Vec::new());
    assert_eq!(destinations(&pools), [(8, 1)]);
    verdict(&mut pools, 9, elsewhere, true);
    assert_eq!(destinations(&pools), [(8, 1), (9, 1)]);
}

/// keepalived pushes no change of the thresholds alone.
#[test]
fn changed_thresholds_change_the_entry() {
    let mut pools = started(virtual_server(vec![real_server(8, 1)]));
    let before = pools.entry(&service()).unwrap();
    let mut limited = virtual_server(vec![real_server(8, 1)]);
    limited.real_servers[0].upper_threshold = 100;
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(limited)]), &mut Vec::new());
    let mut operations = Vec::new();
    let after = pools.entry(&service()).unwrap();
    crate::ipvs::diff::diff_service(service(), &after, Some(&before), &mut operations);
    assert!(
        matches!(operations.as_slice(), [crate::ipvs::diff::Operation::SetDestination(..)]),
        "{operations:?}"
    );
}

#[test]
fn an_equal_reload_changes_nothing() {
    let config = virtual_server(vec![real_server(8, 1)]);
    let mut pools = started(config.clone());
    let mut out = Vec::new();
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
    assert_eq!(out, []);
}

/// Whatever verdicts and reloads come, the table is what a fresh look at them gives.
#[test]
fn the_table_is_a_function_of_the_verdicts() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut present: Vec<u8> = (1..=4).collect();
        let mut failing = BTreeSet::new();
        let build =
            |present: &[u8]| virtual_server(present.iter().map(|last| real_server(*last, 1)).collect());
        let mut pools = started(build(&present));
        for _step in 0..40 {
            let last = random.u8(1..=4);
            if random.u8(0..4) == 0 {
                if let Some(at) = present.iter().position(|known| *known == last) {
                    if present.len() > 1 {
                        present.remove(at);
                        failing.remove(&last);
                    }
                } else {
                    present.push(last);
                    present.sort_unstable();
                }
                pools.handle(
                    Instant::now(),
                    Input::Configure(vec![Arc::new(build(&present))]),
                    &mut Vec::new(),
                );
            } else if present.contains(&last) {
                let up = random.bool();
                verdict(&mut pools, last, checker(address(last), false), up);
                if up {
                    failing.remove(&last)
                } else {
                    failing.insert(last)
                };
            }
            let expected: Vec<(u8, u32)> =
                present.iter().filter(|last| !failing.contains(last)).map(|last| (*last, 1)).collect();
            assert_eq!(destinations(&pools), expected, "seed {seed}");
            let totals = Totals { services: 1, up: expected.len(), servers: present.len() };
            assert_eq!(pools.totals(), totals, "seed {seed}");
            assert_eq!(pools.snapshot()[0].weight, expected.len() as u64, "seed {seed}");
        }
    }
}

fn say(pools: &mut Pools, last: u8, by_hand: Option<ByHand>) -> Vec<Action> {
    let mut out = Vec::new();
    let (service, server) = (VirtualServerName::Service(service()), address(last));
    pools.handle(Instant::now(), Input::ByHand { service, server, by_hand }, &mut out);
    out
}

fn drain(pools: &mut Pools, last: u8, drained: bool) -> Vec<Action> {
    say(pools, last, drained.then_some(ByHand::Drained))
}

#[test]
fn what_is_said_by_hand_counts_before_the_checks() {
    let mut pools = started(virtual_server(vec![real_server(8, 1), real_server(9, 3)]));
    assert_eq!(told(&say(&mut pools, 9, Some(ByHand::Disabled))), ["RS 9 DOWN"]);
    assert_eq!(destinations(&pools), [(8, 1)]);
    assert!(verdict(&mut pools, 9, checker(address(9), false), false).is_empty(), "it serves nobody anyway");
    assert_eq!(told(&say(&mut pools, 9, Some(ByHand::Weight(7)))), [""; 0], "it fails");
    assert_eq!(destinations(&pools), [(8, 1)]);
    assert_eq!(told(&verdict(&mut pools, 9, checker(address(9), false), true)), ["RS 9 UP"]);
    assert_eq!(destinations(&pools), [(8, 1), (9, 7)]);
    assert_eq!(pools.snapshot()[0].weight, 8);
    say(&mut pools, 9, Some(ByHand::Disabled));
    assert_eq!(told(&say(&mut pools, 8, Some(ByHand::Disabled))), ["RS 8 DOWN", "VS DOWN"]);
    // Gone and back: nothing is said of it any more.
    let reload = |pools: &mut Pools, servers: Vec<RealServer>| {
        pools.handle(
            Instant::now(),
            Input::Configure(vec![Arc::new(virtual_server(servers))]),
            &mut Vec::new(),
        );
        destinations(pools)
    };
    assert_eq!(reload(&mut pools, vec![real_server(8, 1)]), []);
    assert_eq!(reload(&mut pools, vec![real_server(8, 1), real_server(9, 3)]), [(9, 3)]);
    assert_eq!(told(&say(&mut pools, 8, None)), ["RS 8 UP"]);
    assert_eq!(destinations(&pools), [(8, 1), (9, 3)]);
}

#[test]
fn a_drained_server_stays_without_weight_over_reloads_until_that_is_lifted() {
    let mut pools = started(virtual_server(vec![real_server(8, 1), real_server(9, 3)]));
    let line = |actions: &[Action]| match &actions[0] {
        Action::Report(event) => event.to_string(),
        other => panic!("{other:?}"),
    };
    let said = line(&drain(&mut pools, 9, true));
    assert!(said.starts_with("Draining service [192.168.100.9]:tcp:80 of VS"), "{said}");
    assert_eq!(drain(&mut pools, 9, true), [], "once");
    assert_eq!(destinations(&pools), [(8, 1), (9, 0)]);
    let heavier = virtual_server(vec![real_server(8, 5), real_server(9, 4)]);
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(heavier)]), &mut Vec::new());
    assert_eq!(destinations(&pools), [(8, 5), (9, 0)]);
    assert_eq!((pools.snapshot()[0].weight, pools.snapshot()[0].by_hand, pools.totals().up), (5, 1, 2));
    verdict(&mut pools, 9, checker(address(9), false), false);
    assert_eq!(destinations(&pools), [(8, 5)], "it fails");
    verdict(&mut pools, 9, checker(address(9), false), true);
    assert_eq!(destinations(&pools), [(8, 5), (9, 0)]);
    assert!(line(&drain(&mut pools, 9, false)).ends_with("weight 4 while it is up"));
    assert_eq!(destinations(&pools), [(8, 5), (9, 4)]);
}

#[test]
fn draining_the_last_server_brings_the_sorry_server_beside_it() {
    let mut config = virtual_server(vec![real_server(8, 1)]);
    config.sorry_server =
        Some(SorryServer { address: address(99), forwarding: Forwarding::DirectRoute, inhibit: false });
    let mut pools = started(config);
    drain(&mut pools, 8, true);
    assert_eq!(destinations(&pools), [(8, 0), (99, 1)]);
    drain(&mut pools, 8, false);
    assert_eq!(destinations(&pools), [(8, 1)]);
}

#[test]
fn what_checks_say_of_a_weight_adds_up_and_stays_with_them() {
    let mut server = real_server(9, 10);
    let second = checker(address(10), false);
    server.checkers.push(second.clone());
    let mut config = virtual_server(vec![server]);
    let mut pools = started(config.clone());
    let says = |pools: &mut Pools, checker: Checker, weight: Option<WeightChange>| {
        let (service, server) = (VirtualServerName::Service(service()), address(9));
        let input = Input::Standing {
            service: Arc::new(service),
            server,
            probe: checker.probe,
            standing: Standing::Up { weight },
        };
        pools.handle(Instant::now(), input, &mut Vec::new());
        destinations(pools)
    };
    let first = checker(address(9), false);
    assert_eq!(says(&mut pools, first.clone(), Some(WeightChange::To(4))), [(9, 4)]);
    assert_eq!(says(&mut pools, second.clone(), Some(WeightChange::By(3))), [(9, 7)]);
    assert_eq!(pools.snapshot()[0].weight, 7);
    assert_eq!(says(&mut pools, second.clone(), Some(WeightChange::By(-100))), [(9, 0)]);
    assert!(!pools.snapshot()[0].quorum, "no weight is up");
    assert_eq!(says(&mut pools, second.clone(), Some(WeightChange::By(i64::MAX))), [(9, 2_147_483_647)]);
    assert_eq!(says(&mut pools, second, Some(WeightChange::By(1))), [(9, 5)]);
    config.real_servers[0].checkers.pop();
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut Vec::new());
    assert_eq!(destinations(&pools), [(9, 4)], "a check that has gone says nothing");
    assert_eq!(says(&mut pools, first, None), [(9, 10)]);
}

/// `RS 8 UP`, `VS DOWN`.
fn told(out: &[Action]) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Tell(Telling { server, up, .. }) => {
            let word = if *up { "UP" } else { "DOWN" };
            let last = |server: &String| server.split(['.', ']']).nth(3).unwrap_or_default().to_owned();
            Some(
                server
                    .as_ref()
                    .map_or_else(|| format!("VS {word}"), |server| format!("RS {} {word}", last(server))),
            )
        }
        _ => None,
    };
    out.iter().filter_map(line).collect()
}

#[test]
fn what_happens_to_servers_is_told_in_the_order_of_keepalived() {
    let mut pools = Pools::default();
    let config = virtual_server(vec![real_server(8, 1), real_server(9, 1)]);
    let mut out = Vec::new();
    pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
    assert_eq!(told(&out), ["VS UP"], "of the real servers only with `rs_init_notifies`");
    let mut go = |last: u8, up: bool| told(&verdict(&mut pools, last, checker(address(last), false), up));
    assert_eq!(go(8, false), ["RS 8 DOWN"]);
    assert!(go(8, false).is_empty());
    assert_eq!(go(9, false), ["RS 9 DOWN", "VS DOWN"]);
    assert_eq!(go(9, true), ["RS 9 UP", "VS UP"]);
    assert_eq!(go(8, true), ["RS 8 UP"]);
    // One that goes is down; one that comes is told when it changes.
    let reload = |pools: &mut Pools, servers: Vec<RealServer>| {
        let mut out = Vec::new();
        pools.handle(Instant::now(), Input::Configure(vec![Arc::new(virtual_server(servers))]), &mut out);
        told(&out)
    };
    assert_eq!(reload(&mut pools, vec![real_server(8, 1)]), ["RS 9 DOWN"]);
    assert!(reload(&mut pools, vec![real_server(8, 1), real_server(9, 1)]).is_empty());
    verdict(&mut pools, 9, checker(address(9), false), false);
    let mut out = Vec::new();
    pools.handle(Instant::now(), Input::Configure(Vec::new()), &mut out);
    assert_eq!(told(&out), ["RS 8 DOWN", "VS DOWN"], "what was down is not told again");
}

#[test]
fn who_starts_without_quorum_has_not_lost_it() {
    let mut server = real_server(9, 1);
    server.checkers = vec![checker(address(9), true)];
    let mut out = Vec::new();
    let mut pools = Pools::default();
    let config = Arc::new(virtual_server(vec![server]));
    pools.handle(Instant::now(), Input::Configure(vec![config]), &mut out);
    assert!(told(&out).is_empty(), "{out:?}");
    assert_eq!(told(&verdict(&mut pools, 9, checker(address(9), true), true)), ["RS 9 UP", "VS UP"]);
}

#[test]
fn only_omega_tells_of_a_stop() {
    for omega in [false, true] {
        let mut pools = Pools::default();
        pools.tell_at_start(true);
        let config = VirtualServer { omega, ..virtual_server(vec![real_server(8, 1), real_server(9, 1)]) };
        let mut out = Vec::new();
        pools.handle(Instant::now(), Input::Configure(vec![Arc::new(config)]), &mut out);
        assert_eq!(told(&out), ["RS 8 UP", "RS 9 UP", "VS UP"]);
        verdict(&mut pools, 9, checker(address(9), false), false);
        let mut out = Vec::new();
        pools.handle(Instant::now(), Input::Stop, &mut out);
        let expected: &[&str] = if omega { &["RS 8 DOWN", "VS DOWN"] } else { &[] };
        assert_eq!(told(&out), expected);
    }
}
