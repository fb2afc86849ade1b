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
        let mut pair = Self { pools: Pools::default(), begun: Instant::now() };
        pair.configure(0, config(least, 8..12));
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
        let sum: u64 = destinations(&self.pools).iter().map(|(_, weight)| u64::from(*weight)).sum();
        assert_eq!(self.pools.snapshot()[0].weight, sum);
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
    // Nor is what never was up.
    let mut server = real_server(9, 1);
    server.checkers = vec![checker(address(9), true)];
    let mut pools =
        started(VirtualServer { min_healthy: Some(MinHealthy::Servers(1)), ..virtual_server(vec![server]) });
    assert_eq!(destinations(&pools), []);
    verdict(&mut pools, 9, checker(address(9), true), false);
    assert_eq!(destinations(&pools), []);
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
    let mut pair = Pair::new(Some(MinHealthy::Servers(3)));
    pair.verdict(1, 8, false);
    pair.verdict(1, 9, false);
    drain(&mut pair.pools, 9, true);
    assert_eq!(destinations(&pair.pools), [(8, 1), (9, 0), (10, 1), (11, 1)]);
    pair.verdict(2, 9, true);
    assert_eq!(destinations(&pair.pools), [(9, 0), (10, 1), (11, 1)]);
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
        if *up {
            fell.remove(last);
        } else {
            fell.entry(*last).or_insert(*now);
        }
        kept.retain(|last| fell.contains_key(last));
        let too_few = 4 - fell.len() < least;
        match (too_few, kept.is_empty()) {
            (false, _) => kept.clear(),
            (true, true) => {
                kept = fell.iter().filter(|(_, at)| *now - **at <= 60).map(|(last, _)| *last).collect()
            }
            (true, false) if fell.get(last) == Some(now) => drop(kept.insert(*last)),
            (true, false) => {}
        }
    }
    (8..12).filter(|last| !fell.contains_key(last) || kept.contains(last)).collect()
}
