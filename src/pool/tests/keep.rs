//! `min_healthy`.

use super::*;
use crate::config::model::MinHealthy;

struct Pair {
    pools: Pools,
    begun: Instant,
}

impl Pair {
    /// Real servers 8, 9, 10, 11, checked every 6 s: two rounds are less than a minute.
    fn new(least: Option<MinHealthy>) -> Self {
        let mut pair = Self::started(config(least, 8..12));
        (8..12).for_each(|last| drop(pair.verdict(0, last, true)));
        pair
    }

    /// Nothing has been checked yet.
    fn started(config: VirtualServer) -> Self {
        let mut pair = Self { pools: Pools::default(), begun: Instant::now() };
        pair.configure(0, config);
        pair
    }

    fn configure(&mut self, at: u64, config: VirtualServer) -> Vec<Action> {
        let mut out = Vec::new();
        let now = self.begun + Duration::from_secs(at);
        self.pools.handle(now, Input::Configure(vec![Arc::new(config)]), &mut out);
        out
    }

    fn verdict(&mut self, at: u64, last: u8, up: bool) -> Vec<Action> {
        let mut out = Vec::new();
        let input = Input::Standing {
            service: Arc::new(VirtualServerName::Service(service())),
            server: address(last),
            probe: checker(address(last), false).probe,
            standing: if up { Standing::UP } else { Standing::Down },
        };
        self.pools.handle(self.begun + Duration::from_secs(at), input, &mut out);
        // What is counted as it changes is what the table has.
        let table = destinations(&self.pools);
        let sum: u64 = table.iter().map(|(_, weight)| u64::from(*weight)).sum();
        // Unless a sorry server has taken their place.
        assert!(self.pools.snapshot()[0].weight == sum || table.contains(&(99, 1)), "{table:?}");
        out
    }

    fn serve(&self) -> Vec<u8> {
        destinations(&self.pools).iter().map(|(last, _)| *last).collect()
    }
}

fn config(least: Option<MinHealthy>, servers: std::ops::Range<u8>) -> VirtualServer {
    VirtualServer { min_healthy: least, ..virtual_server(servers.map(|last| real_server(last, 1)).collect()) }
}

fn lines(out: &[Action]) -> Vec<String> {
    out.iter()
        .filter_map(|action| match action {
            Action::Report(event) => Some(event.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn when_nearly_all_fail_at_once_the_pool_is_kept() {
    let mut pair = Pair::new(Some(MinHealthy::Percent(50)));
    pair.verdict(10, 8, false);
    pair.verdict(20, 9, false);
    assert_eq!(pair.serve(), [10, 11], "two of four are enough");
    let out = pair.verdict(30, 10, false);
    assert_eq!(pair.serve(), [8, 9, 10, 11]);
    assert_eq!(
        lines(&out),
        [
            "VS [192.168.100.240]:tcp:80: 1 of 4 real servers up, less than min_healthy 2; 3 that have just failed stay in, \
             and so does what fails from now on",
            "Adding service [192.168.100.8]:tcp:80 to VS [192.168.100.240]:tcp:80",
            "Adding service [192.168.100.9]:tcp:80 to VS [192.168.100.240]:tcp:80"
        ]
    );
    assert_eq!(told(&out), ["RS 8 UP", "RS 9 UP"]);
    assert_eq!(pair.verdict(500, 11, false), [], "it stays, however much later");
    assert_eq!(pair.serve(), [8, 9, 10, 11]);
    let view = pair.pools.view(&VirtualServerName::Service(service())).unwrap();
    assert_eq!((view.up, view.keeps, view.quorum), (0, true, true));
    assert!(view.servers.values().all(|server| server.kept && !server.up));
    pair.verdict(510, 11, true);
    assert_eq!(pair.serve(), [8, 9, 10, 11]);
    let out = pair.verdict(520, 8, true);
    assert_eq!(pair.serve(), [8, 11], "enough are up: whatever still fails goes");
    assert_eq!(told(&out), ["RS 9 DOWN", "RS 10 DOWN"]);
    assert!(lines(&out)[0].ends_with("those that fail are removed again"), "{out:?}");
}

#[test]
fn what_has_long_been_down_is_not_brought_back() {
    let mut pair = Pair::new(Some(MinHealthy::Servers(2)));
    pair.verdict(10, 8, false);
    pair.verdict(300, 9, false);
    pair.verdict(310, 10, false);
    assert_eq!(pair.serve(), [9, 10, 11]);
    // Nor is what never was up by a verdict.
    let mut server = real_server(9, 1);
    server.checkers = vec![checker(address(9), true)];
    let mut pools =
        started(VirtualServer { min_healthy: Some(MinHealthy::Servers(1)), ..virtual_server(vec![server]) });
    assert_eq!(destinations(&pools), []);
    verdict(&mut pools, 9, checker(address(9), true), false);
    assert_eq!(destinations(&pools), []);
}

/// When they have failed one after the other, it is each of them.
#[test]
fn what_fails_alone_goes_however_few_are_left() {
    let mut pair = Pair::new(Some(MinHealthy::Servers(3)));
    pair.verdict(10, 8, false);
    pair.configure(300, config(None, 8..12));
    pair.verdict(310, 9, false);
    pair.configure(600, config(Some(MinHealthy::Servers(3)), 8..12));
    pair.verdict(610, 10, false);
    assert_eq!(pair.serve(), [11], "two would be too few");
}

#[test]
fn the_last_one_of_two_stays() {
    let mut pair = Pair::new(None);
    let config = config(Some(MinHealthy::Percent(50)), 8..10);
    pair.configure(0, VirtualServer { sorry_server: Some(sorry()), ..config });
    pair.verdict(10, 8, false);
    assert_eq!(pair.serve(), [9], "one of two is half of them");
    pair.verdict(11, 9, false);
    assert_eq!(pair.serve(), [8, 9], "and no sorry server");
}

fn sorry() -> SorryServer {
    SorryServer { address: address(99), forwarding: Forwarding::DirectRoute, inhibit: false }
}

#[test]
fn a_reload_goes_on_with_what_is_kept_and_ends_it() {
    let mut pair = Pair::new(Some(MinHealthy::Percent(50)));
    for last in 8..12 {
        pair.verdict(10, last, false);
    }
    assert_eq!(pair.serve(), [8, 9, 10, 11]);
    let mut heavier = config(Some(MinHealthy::Percent(50)), 8..12);
    heavier.real_servers[0].weight = Weight::new(5).unwrap();
    pair.configure(1000, heavier);
    assert_eq!(destinations(&pair.pools), [(8, 5), (9, 1), (10, 1), (11, 1)]);
    let out = pair.configure(1001, config(None, 8..12));
    assert_eq!(pair.serve(), [0; 0]);
    assert!(lines(&out)[1].ends_with("real servers that fail are removed again: no min_healthy"), "{out:?}");
    assert_eq!(told(&out), ["RS 8 DOWN", "RS 9 DOWN", "RS 10 DOWN", "RS 11 DOWN", "VS DOWN"]);
    // Long ago.
    pair.configure(1002, config(Some(MinHealthy::Percent(50)), 8..12));
    assert_eq!(pair.serve(), [0; 0]);
}

#[test]
fn a_drain_of_what_is_kept_is_a_drain() {
    let mut pair = Pair::new(Some(MinHealthy::Servers(2)));
    for last in 8..11 {
        pair.verdict(1, last, false);
    }
    drain(&mut pair.pools, 9, true);
    assert_eq!(destinations(&pair.pools), [(8, 1), (9, 0), (10, 1), (11, 1)]);
    pair.verdict(2, 9, true);
    assert_eq!(destinations(&pair.pools), [(8, 1), (9, 0), (10, 1), (11, 1)], "it helps nobody");
    pair.verdict(3, 8, true);
    assert_eq!(destinations(&pair.pools), [(8, 1), (9, 0), (11, 1)]);
}

/// Against a model that works everything out anew, from the beginning, each time.
#[test]
fn any_order_of_verdicts_ends_as_the_rule_says() {
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for run in 0..200 {
        let least = MinHealthy::Servers(1 + u32::try_from(random(3)).unwrap());
        let mut pair = Pair::new(Some(least));
        let (mut now, mut history) = (0, Vec::new());
        for _step in 0..60 {
            now += random(40);
            let last = 8 + u8::try_from(random(4)).unwrap();
            let up = random(3) == 0;
            history.push((now, last, up));
            pair.verdict(now, last, up);
            assert_eq!(pair.serve(), model(least.of(4), &history), "run {run}, {least}: {history:?}");
        }
    }
}

fn model(least: usize, history: &[(u64, u8, bool)]) -> Vec<u8> {
    let mut fell: BTreeMap<u8, u64> = BTreeMap::new();
    let mut kept: BTreeSet<u8> = BTreeSet::new();
    for (now, last, up) in history {
        let falls = !*up && !fell.contains_key(last);
        match up {
            true => drop(fell.remove(last)),
            false if falls => drop(fell.insert(*last, *now)),
            false => {}
        }
        let left = 4 - fell.len();
        // Someone serves: there is a quorum.
        let served = (8..12).any(|one| !fell.contains_key(&one) || kept.contains(&one) || one == *last);
        let recent: BTreeSet<u8> =
            fell.iter().filter(|(_, at)| *now - **at <= 60).map(|(last, _)| *last).collect();
        if left >= least {
            kept.clear();
        } else if falls && !kept.is_empty() {
            kept.insert(*last);
        } else if falls && served && left + recent.len() >= least {
            kept = recent;
        }
        kept.retain(|last| fell.contains_key(last));
    }
    (8..12).filter(|last| !fell.contains_key(last) || kept.contains(last)).collect()
}

/// What a reload brings has not been checked yet: it is no reason to take out what is kept.
#[test]
fn a_server_that_has_not_been_checked_yet_ends_nothing() {
    let mut pair = Pair::new(None);
    pair.configure(0, config(Some(MinHealthy::Percent(50)), 8..10));
    pair.verdict(1, 8, false);
    pair.verdict(1, 9, false);
    assert_eq!(pair.serve(), [8, 9]);
    pair.configure(600, config(Some(MinHealthy::Percent(50)), 8..11));
    assert_eq!(pair.serve(), [8, 9, 10]);
    pair.verdict(606, 10, false);
    assert_eq!(pair.serve(), [8, 9], "it has never been up");
}

/// With a sorry server and a quorum above `min_healthy`: fewer that are up must not bring more clients to them.
#[test]
fn a_second_failure_does_not_relieve_the_sorry_server() {
    let mut pair = Pair::new(None);
    let config = config(Some(MinHealthy::Percent(50)), 8..10);
    pair.configure(0, VirtualServer { quorum: 2, sorry_server: Some(sorry()), ..config });
    pair.verdict(1, 8, false);
    assert_eq!(pair.serve(), [99]);
    let out = pair.verdict(2, 9, false);
    assert!(!told(&out).contains(&"VS UP".to_owned()), "{out:?}");
}

#[test]
fn what_is_disabled_by_hand_is_not_kept() {
    let mut pair = Pair::new(Some(MinHealthy::Servers(1)));
    pair.configure(0, config(Some(MinHealthy::Servers(1)), 8..10));
    let name = VirtualServerName::Service(service());
    let input = Input::ByHand { service: name.clone(), server: address(8), by_hand: Some(ByHand::Disabled) };
    pair.pools.handle(pair.begun, input, &mut Vec::new());
    pair.verdict(1, 9, false);
    let out = pair.verdict(121, 8, false);
    assert_eq!(pair.serve(), [0; 0]);
    assert_eq!(lines(&out), [""; 0], "nothing stays in");
    let view = pair.pools.view(&name).unwrap();
    assert!(!view.keeps && !view.servers[&address(8)].kept, "{view:?}");
}

/// A hanging script takes `misc_timeout` for each attempt.
#[test]
fn two_rounds_count_the_time_of_scripts() {
    let text = |last: u8| {
        format!(
            "real_server 192.168.100.{last} 80 {{\nMISC_CHECK {{\nmisc_path \"/bin/true {last}\"\nmisc_timeout 60\nretry 3\n\
         delay_before_retry 1\n}}\n}}\n"
        )
    };
    let text = format!(
        "virtual_server 192.168.100.240 80 {{\nprotocol TCP\nlb_algo rr\nlb_kind DR\ndelay_loop 60\nmin_healthy 1\n{}{}}}\n",
        text(8),
        text(9)
    );
    let loaded = crate::config::load(
        std::path::Path::new("t"),
        &crate::config::source::Texts::one("t", &text),
        &crate::config::Options::default(),
    );
    let servers = crate::config::supported::runnable(&loaded.model.unwrap()).virtual_servers;
    let mut pools = Pools::default();
    let begun = Instant::now();
    pools.handle(begun, Input::Configure(servers.clone()), &mut Vec::new());
    let [first, second] = [0, 1].map(|index| &servers[0].real_servers[index]);
    for (at, real, standing) in [
        (0, first, Standing::UP),
        (0, second, Standing::UP),
        (0, first, Standing::Down),
        (300, second, Standing::Down),
    ] {
        let input = Input::Standing {
            service: Arc::new(servers[0].name()),
            server: real.address,
            probe: real.checkers[0].probe.clone(),
            standing,
        };
        pools.handle(begun + Duration::from_secs(at), input, &mut Vec::new());
    }
    assert_eq!(destinations(&pools), [(8, 1), (9, 1)], "a round may take 60 + 4 * 61 s");
}

/// The slowest check decides how far apart one event may be seen.
#[test]
fn one_event_is_seen_late_by_slow_checks() {
    let mut pair = Pair::new(None);
    let mut config = config(Some(MinHealthy::Percent(50)), 8..12);
    for server in &mut config.real_servers[1..] {
        Arc::make_mut(&mut server.checkers[0].timing).delay_loop = Duration::from_secs(120);
    }
    pair.configure(0, config);
    pair.verdict(1, 8, false);
    for last in 9..12 {
        pair.verdict(100, last, false);
    }
    assert_eq!(pair.serve(), [8, 9, 10, 11]);
}

/// As a reload with another file, or a new number in it, of a FILE_CHECK does it.
#[test]
fn what_a_reload_takes_down_has_just_failed_too() {
    let mut pair = Pair::new(None);
    let known = (8..10).map(|last| (checker(address(last), false).probe, Standing::Down)).collect();
    pair.configure(0, config(None, 8..10));
    pair.pools.know(known);
    pair.configure(1, config(Some(MinHealthy::Servers(1)), 8..10));
    assert_eq!(pair.serve(), [8, 9]);
}

/// Three of four have been down for weeks, and the daemon is started anew.
#[test]
fn a_restart_does_not_bring_the_dead_back() {
    let mut pair = Pair::started(config(Some(MinHealthy::Percent(50)), 8..12));
    for last in 9..12 {
        pair.verdict(5, last, false);
    }
    assert_eq!(pair.serve(), [8]);
}

/// In maintenance, half of them, powered off: the one of the other two that breaks goes.
#[test]
fn those_in_maintenance_are_not_counted_as_failed() {
    let mut pair = Pair::new(Some(MinHealthy::Percent(50)));
    let name = VirtualServerName::Service(service());
    for last in [8, 9] {
        let server = address(last);
        let input = Input::ByHand { service: name.clone(), server, by_hand: Some(ByHand::Disabled) };
        pair.pools.handle(pair.begun, input, &mut Vec::new());
        pair.verdict(5, last, false);
    }
    pair.verdict(3600, 10, false);
    assert_eq!(pair.serve(), [11]);
}
#[test]
fn what_stayed_in_and_is_configured_no_more_ends_it() {
    let mut pair = Pair::new(Some(MinHealthy::Percent(50)));
    pair.verdict(1, 8, false);
    pair.verdict(200, 9, false);
    pair.verdict(400, 10, false);
    assert_eq!(pair.serve(), [10, 11]);
    let mut three = config(Some(MinHealthy::Servers(3)), 8..12);
    three.real_servers.retain(|server| server.address != address(10));
    let out = pair.configure(401, three);
    assert!(
        lines(&out).iter().any(|line| line.contains("none of the real servers that stayed in")),
        "{out:?}"
    );
    assert_eq!(pair.serve(), [11]);
    assert!(!pair.pools.view(&VirtualServerName::Service(service())).unwrap().keeps);
}

/// A mass failure costs what each single one does.
#[test]
fn thousands_of_verdicts_are_quick() {
    let servers = 3000_u16;
    let real = |number: u16| {
        let at = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 80));
        RealServer { address: at, checkers: vec![checker(at, true)], ..real_server(8, 1) }
    };
    let mut least = virtual_server((0..servers).map(real).collect());
    least.min_healthy = Some(MinHealthy::Percent(50));
    let mut pools = started(least);
    let begun = Instant::now();
    for up in [false, true, false, true] {
        for number in 0..servers {
            let server = real(number);
            let input = Input::Standing {
                service: Arc::new(VirtualServerName::Service(service())),
                server: server.address,
                probe: Arc::clone(&server.checkers[0].probe),
                standing: if up { Standing::UP } else { Standing::Down },
            };
            pools.handle(begun, input, &mut Vec::new());
        }
    }
    assert_eq!(pools.totals().up, usize::from(servers));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
