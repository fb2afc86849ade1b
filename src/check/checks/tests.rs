use super::*;
use crate::check::schedule::LAUNCH;
use crate::check::{Failure, WeightChange};
use crate::config::model::{Connect, ProbeKind, Protocol, Service};

fn timing(random: &mut fastrand::Rng) -> Arc<Timing> {
    Arc::new(Timing {
        delay_loop: Duration::from_millis(random.u64(500..8000)),
        warmup: Duration::from_millis(random.u64(0..3000)),
        retry: random.u32(0..4),
        delay_before_retry: Duration::from_millis(random.u64(200..4000)),
        rise: random.u32(1..4),
        alpha: false,
        log_all_failures: None,
    })
}

fn key(number: u8) -> Arc<Key> {
    let vip = SocketAddr::from(([10, 0, 0, number % 2], 80));
    let server = SocketAddr::from(([10, 0, 1, number / 4], 80));
    let to = SocketAddr::from(([10, 0, 1, number / 2], 80));
    let timeout = Duration::from_secs(1);
    let connect = Connect { to, timeout, from: None, from_port: 0, interface: None, fwmark: 0 };
    let service = VirtualServerName::Service(Service::Address { protocol: Protocol::Tcp, address: vip });
    let probe = Arc::new(Probe { kind: ProbeKind::Tcp, connect: Some(connect) });
    Arc::new(Key { service: Arc::new(service), server, probe })
}

fn want(number: u8, timing: Arc<Timing>, up: bool) -> Wanted {
    Wanted { key: Key::clone(&key(number)), timing, protocol: "tcp", up }
}

/// What a check must be, told another way: by its outcomes so far.
#[derive(Debug)]
struct Reference {
    timing: Arc<Timing>,
    standing: Standing,
    proven: bool,
    judged: bool,
    retries: u32,
    passes: u32,
    /// Waits until then; `None`: a probe is under way.
    due: Option<Instant>,
    /// Not before then; differs from `due` in the first wait alone, whose random part is the machine's.
    earliest: Instant,
    /// A later reload must not make it another one.
    id: Option<CheckId>,
}

impl Reference {
    fn new(now: Instant, wanted: &Wanted) -> Self {
        Self {
            timing: Arc::clone(&wanted.timing),
            standing: if wanted.up { Standing::UP } else { Standing::Down },
            proven: false,
            judged: false,
            retries: 0,
            passes: 0,
            due: Some(now + LAUNCH + wanted.timing.warmup),
            earliest: now + LAUNCH,
            id: None,
        }
    }

    /// Whether the standing changed, or is known for the first time.
    fn outcome(&mut self, now: Instant, outcome: &Outcome) -> bool {
        let before = self.standing;
        let mut first = false;
        let wait = match outcome {
            Outcome::NotRun(_) => self.timing.delay_loop,
            Outcome::Passed { .. } if !before.is_up() && self.passes + 1 < self.timing.rise => {
                (self.proven, self.retries) = (true, 0);
                self.passes += 1;
                self.timing.delay_loop
            }
            Outcome::Passed { weight } => {
                first = !std::mem::replace(&mut self.judged, true);
                self.passes = 0;
                (self.proven, self.retries, self.standing) = (true, 0, Standing::Up { weight: *weight });
                self.timing.delay_loop
            }
            Outcome::Failed(_) if before.is_up() && self.proven && self.retries < self.timing.retry => {
                self.retries += 1;
                self.timing.delay_before_retry
            }
            Outcome::Failed(_) => {
                self.judged = true;
                (self.retries, self.passes, self.standing) = (0, 0, Standing::Down);
                self.timing.delay_loop
            }
        };
        self.due = Some(now + wait);
        self.earliest = now + wait;
        first || self.standing != before
    }
}

struct Run {
    checks: Checks,
    random: fastrand::Rng,
    now: Instant,
    model: BTreeMap<Arc<Key>, Reference>,
    /// Probes under way, also those of checks that have gone.
    under_way: Vec<(CheckId, Arc<Key>)>,
    gone: BTreeSet<CheckId>,
}

impl Run {
    fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        self.checks.handle(self.now, input, &mut out);
        out
    }

    fn reload(&mut self) {
        let mut wanted = Vec::new();
        for number in 0..12 {
            let known = self.model.get(&key(number));
            if self.random.u8(0..3) == 0 {
                continue;
            }
            let same = known.filter(|_| self.random.bool()).map(|known| known.timing.clone());
            let timing = same.unwrap_or_else(|| timing(&mut self.random));
            wanted.push(want(number, timing, self.random.bool()));
        }
        let mut model = BTreeMap::new();
        for one in &wanted {
            let reference = match self.model.remove(&one.key) {
                Some(mut known) => {
                    if known.timing != one.timing {
                        let latest = self.now + one.timing.delay_loop;
                        known.due = known.due.map(|due| due.min(latest));
                        known.earliest = known.earliest.min(latest);
                        known.timing = one.timing.clone();
                    }
                    known
                }
                None => Reference::new(self.now, one),
            };
            model.insert(Arc::new(one.key.clone()), reference);
        }
        self.gone.extend(self.model.values().filter_map(|gone| gone.id));
        self.model = model;
        assert_eq!(
            self.handle(Input::Configure(wanted)),
            [],
            "a reload runs nothing and changes no standing"
        );
    }

    fn timer(&mut self) {
        for action in self.handle(Input::Timer) {
            let Action::Probe { id, probe, step, .. } = action else { panic!("{action:?} from a timer") };
            assert_eq!(step, 0);
            let key = self.checks.running[&id].key.clone();
            assert_eq!(key.probe, probe);
            assert!(!self.gone.contains(&id), "a check that has gone asks");
            let reference = self.model.get_mut(&key).expect("a check that is not configured asks");
            assert_eq!(*reference.id.get_or_insert(id), id, "the same check is another one");
            assert!(reference.due.take().is_some(), "a second probe of one check");
            let earliest = reference.earliest;
            assert!(self.now + TICK >= earliest, "too early by {:?}", earliest - self.now);
            self.under_way.push((id, key));
        }
        for (key, reference) in &self.model {
            assert!(reference.due.is_none_or(|due| due > self.now), "{key:?} is overdue");
        }
        assert!(self.checks.next_timer().is_none_or(|(at, _)| at > self.now));
    }

    fn outcome(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let (id, key) = self.under_way.swap_remove(self.random.usize(..self.under_way.len()));
        let outcome = match self.random.u8(0..8) {
            0 => Outcome::NotRun("no free port".into()),
            1 => Outcome::Passed { weight: Some(WeightChange::To(self.random.u32(0..3))) },
            2..=4 => Outcome::PASSED,
            _ => Outcome::Failed(Failure::NoData),
        };
        let actions = self.handle(Input::Outcome { id, outcome: outcome.clone() });
        let standings: Vec<&Action> =
            actions.iter().filter(|action| matches!(action, Action::Standing { .. })).collect();
        let known = self.model.get_mut(&key).filter(|known| known.id == Some(id));
        let Some(known) = known else {
            return assert_eq!(actions, [], "the end of a check that has gone is heard");
        };
        let changed = known.outcome(self.now, &outcome);
        let standing = known.standing;
        let expected = Action::Standing { key, standing };
        assert_eq!(standings, if changed { vec![&expected] } else { vec![] });
    }

    /// Each configured check is there once, with what its outcomes amount to; it waits or asks.
    fn compare(&self) {
        assert_eq!(self.checks.by_key.keys().collect::<Vec<_>>(), self.model.keys().collect::<Vec<_>>());
        let passing = self.model.values().filter(|reference| reference.standing.is_up()).count();
        assert_eq!(self.checks.totals(), Totals { total: self.model.len(), passing });
        let waiting = self.model.values().filter(|reference| reference.due.is_some()).count();
        assert_eq!(self.checks.due.len(), waiting);
        for (key, reference) in &self.model {
            let running = &self.checks.running[&self.checks.by_key[key]];
            let snapshot = running.machine.snapshot();
            assert_eq!((snapshot.standing, snapshot.retries), (reference.standing, reference.retries));
            let asks = self.under_way.iter().filter(|(id, _)| Some(*id) == reference.id).count();
            assert_eq!(asks, usize::from(reference.due.is_none()), "{key:?} is forgotten or asks twice");
            let at = running.machine.next_timer().map(|(at, _)| at);
            assert!(at <= reference.due, "{at:?} is later than {:?}", reference.due);
        }
    }
}

/// Outcomes, reloads and other timings in any order: a check that stays keeps standing and retries, none is overdue,
/// none is doubled, none is forgotten.
#[test]
fn whatever_comes_no_check_is_lost_or_doubled() {
    for seed in 0..600 {
        let start = Instant::now();
        let mut run = Run {
            checks: Checks::new(seed),
            random: fastrand::Rng::with_seed(seed),
            now: start,
            model: BTreeMap::new(),
            under_way: Vec::new(),
            gone: BTreeSet::new(),
        };
        println!("seed {seed}");
        run.reload();
        for _step in 0..300 {
            match run.random.u8(0..20) {
                0 => run.reload(),
                1..=9 => run.outcome(),
                _ => {
                    let due = run.checks.next_timer().map(|(at, _)| at);
                    let later = run.now + Duration::from_millis(run.random.u64(0..2000));
                    run.now = due.map_or(later, |due| due.max(run.now).min(later));
                    run.timer();
                }
            }
            run.compare();
        }
        assert!(run.checks.last_id > 0, "seed {seed} started nothing");
    }
}

#[test]
fn the_same_seed_gives_the_same_first_moments() {
    let first = |seed| {
        let mut checks = Checks::new(seed);
        let (now, mut out) = (Instant::now(), Vec::new());
        let timing = Timing::clone(&timing(&mut fastrand::Rng::with_seed(1)));
        let timing = Arc::new(Timing { warmup: Duration::from_secs(60), ..timing });
        let wanted = (0..8).map(|number| want(number, timing.clone(), true)).collect();
        checks.handle(now, Input::Configure(wanted), &mut out);
        checks.due.iter().map(|(at, _)| *at - now).collect::<Vec<_>>()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

/// A check that follows a file, with this weight.
fn follower(number: u8, weight: i32, up: bool, timing: Arc<Timing>) -> Wanted {
    let weight = Some(FileWeight { number: weight, reverse: false });
    let kind = ProbeKind::File { name: "load".into(), weight };
    let key = Key { probe: Arc::new(Probe { kind, connect: None }), ..Key::clone(&key(number)) };
    // Such a check has no word for it.
    let timing = Arc::new(Timing { rise: Timing::RISE, ..Timing::clone(&timing) });
    Wanted { key, timing, protocol: "tcp", up }
}

fn numbers(number: i32) -> Input {
    let numbers = [("load".to_owned(), number), ("other".to_owned(), -number)];
    Input::Told(Facts { numbers: Arc::new(numbers.into()), ..Facts::default() })
}

#[test]
fn what_follows_a_file_is_told_and_never_asks() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut checks = Checks::new(1);
    let now = Instant::now();
    let mut feed = |input| {
        let mut out = Vec::new();
        checks.handle(now, input, &mut out);
        assert_eq!(checks.next_timer(), None);
        let standings = out.into_iter().filter_map(|action| match action {
            Action::Standing { key, standing } => Some((key.server.ip().to_string(), standing)),
            Action::Report { .. } => None,
            probe => panic!("{probe:?}"),
        });
        standings.collect::<Vec<_>>()
    };
    let by = |more| Standing::Up { weight: Some(WeightChange::By(more)) };
    let (one, two) = (timing(&mut random), timing(&mut random));
    let first = follower(0, 2, true, Arc::clone(&one));
    assert_eq!(feed(Input::Configure(vec![first.clone()])), []);
    assert_eq!(feed(numbers(5)), [("10.0.1.0".into(), by(10))]);
    assert_eq!(feed(numbers(5)), []);
    // A reload: the one that stays stays as it is, the new ones are told at once, also one that began as failing.
    let second = follower(4, 0, true, Arc::clone(&two));
    let third = follower(8, 3, false, two);
    let told = feed(Input::Configure(vec![first.clone(), second.clone(), third.clone()]));
    assert_eq!(told, [("10.0.1.1".into(), Standing::Down), ("10.0.1.2".into(), by(15))]);
    // However high `retry` is: there is nothing to ask again.
    assert_eq!(
        feed(numbers(-i32::MAX)),
        [("10.0.1.0".into(), Standing::Down), ("10.0.1.2".into(), Standing::Down)]
    );
    assert_eq!(feed(numbers(0)), ["10.0.1.0", "10.0.1.1", "10.0.1.2"].map(|ip| (ip.into(), Standing::UP)));
    assert_eq!(feed(Input::Configure(vec![second])), []);
    assert_eq!(feed(numbers(1)), [("10.0.1.1".into(), Standing::Down)]);
    let unread = Input::Told(Facts::default());
    assert_eq!(feed(unread), [], "what is not read says nothing");
}

#[test]
fn what_follows_a_session_is_up_with_it() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut checks = Checks::new(1);
    let now = Instant::now();
    let probe = Arc::new(Probe { kind: ProbeKind::Bfd { name: "peer".into() }, connect: None });
    let key = Key { probe, ..Key::clone(&key(0)) };
    let mut feed = |input| {
        let mut out = Vec::new();
        checks.handle(now, input, &mut out);
        assert_eq!(checks.next_timer(), None, "it asks nothing");
        let told = out.into_iter().map(|action| match action {
            Action::Standing { standing, .. } => format!("{standing:?}"),
            Action::Report { server, event } => event.describe(&server).to_string(),
            probe => panic!("{probe:?}"),
        });
        told.collect::<Vec<_>>()
    };
    let sessions = |names: &[&str]| {
        let sessions = Arc::new(names.iter().map(|name| (*name).to_owned()).collect());
        Input::Told(Facts { sessions, ..Facts::default() })
    };
    // It begins as the pools have it: down, as the session has not been up yet.
    let wanted = Wanted { key, timing: timing(&mut random), protocol: "tcp", up: false };
    let told = feed(Input::Configure(vec![wanted.clone()]));
    assert!(told.len() == 1 && told[0].contains("BFD session peer is down"), "{told:?}");
    assert_eq!(feed(sessions(&["other"])), [] as [&str; 0]);
    let told = feed(sessions(&["other", "peer"]));
    assert!(told.len() == 2 && told[1].contains("Up"), "{told:?}");
    assert_eq!(feed(sessions(&["peer"])), [] as [&str; 0]);
    assert_eq!(feed(Input::Configure(vec![wanted])), [] as [&str; 0], "a reload that changes nothing");
    // However high `retry` is.
    assert!(feed(sessions(&[])).contains(&"Down".to_owned()));
}

#[test]
fn a_certificate_that_ends_soon_is_told_once_a_day_for_each_place() {
    let (mut checks, mut out, begun) = (Checks::new(1), Vec::new(), Instant::now());
    let timing = timing(&mut fastrand::Rng::with_seed(1));
    // The first two of them ask at one place, for two virtual servers.
    let wanted = [0, 1, 2].map(|number| want(number, Arc::clone(&timing), true)).to_vec();
    checks.handle(begun, Input::Configure(wanted), &mut out);
    let ids: Vec<CheckId> = [0, 1, 2].map(|number| checks.by_key[&*key(number)]).to_vec();
    let tell = |checks: &mut Checks, hours: u64, which: usize| {
        let certificate =
            Box::new(Expiring { subject: "`CN=a`".into(), end: "2026-12-01T00:00:00Z".into(), days: 3 });
        let mut out = Vec::new();
        let now = begun + Duration::from_secs(3600) * u32::try_from(hours).unwrap();
        checks.handle(now, Input::Expiring { id: ids[which], certificate }, &mut out);
        out
    };
    let said = tell(&mut checks, 0, 0);
    let [Action::Report { server, event }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(event.level(), crate::report::Level::Warning);
    assert_eq!(
        event.describe(server).to_string(),
        "TCP_CHECK on service [10.0.1.0]:tcp:80: the certificate of `CN=a` ends at 2026-12-01T00:00:00Z, in 3 days"
    );
    let told = [(1, 0), (1, 1), (2, 2), (23, 0), (24, 1), (25, 0), (26, 2), (49, 0)]
        .map(|(hours, which)| !tell(&mut checks, hours, which).is_empty());
    assert_eq!(told, [false, false, true, false, true, false, true, true]);
    // One that is not there any more tells nothing.
    checks.handle(begun, Input::Configure(Vec::new()), &mut out);
    assert!(tell(&mut checks, 99, 0).is_empty());
}
