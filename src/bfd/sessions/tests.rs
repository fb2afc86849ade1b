#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use super::*;
use crate::bfd::packet::{Diagnostic, State};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn config(name: &str, neighbour: u8) -> BfdInstance {
    BfdInstance { min_rx: MS(50), min_tx: MS(50), ..BfdInstance::new(name, address(neighbour)) }
}

struct Bench {
    sessions: Sessions,
    now: Instant,
    /// Everything that was done since it was looked at last, but for sockets that were asked for: these are there.
    done: Vec<Action>,
}

impl Bench {
    fn new(configs: &[BfdInstance]) -> Self {
        let mut bench = Self { sessions: Sessions::new(5), now: Instant::now(), done: Vec::new() };
        bench.feed(Input::Configure(configs.to_vec()));
        bench
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            self.sessions.handle(self.now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Open(id, _) => inputs.push(Input::Opened(id)),
                    other => self.done.push(other),
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.sessions.next_timer().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.feed(Input::Timer);
        }
        self.now = end;
    }

    fn hear(&mut self, from: u8, packet: Packet) {
        self.feed(Input::Heard(received(from, packet)));
    }

    /// Brings the session with this neighbour up.
    fn bring_up(&mut self, neighbour: u8) {
        let own = self.of(neighbour).discriminator;
        self.hear(neighbour, packet(State::Down, 0));
        self.hear(neighbour, packet(State::Init, own));
        assert_eq!(self.of(neighbour).state, State::Up);
    }

    fn of(&self, neighbour: u8) -> Snapshot {
        let mut all = self.sessions.snapshot().into_iter();
        all.find(|one| one.neighbour == address(neighbour)).unwrap()
    }

    fn lines(&mut self) -> Vec<String> {
        let lines = std::mem::take(&mut self.done).into_iter().filter_map(|action| match action {
            Action::Report(report) => Some(report.event.to_string()),
            _ => None,
        });
        lines.collect()
    }

    fn sent(&mut self) -> Vec<Packet> {
        let packets = std::mem::take(&mut self.done).into_iter().filter_map(|action| match action {
            Action::Transmit(_, bytes) => Some(Packet::read(&bytes).unwrap()),
            _ => None,
        });
        packets.collect()
    }

    fn up(&self) -> Vec<&str> {
        self.sessions.up().iter().map(String::as_str).collect()
    }
}

fn packet(state: State, yours: u32) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        demand: false,
        multiplier: 3,
        mine: 99,
        yours,
        min_tx: MS(50),
        min_rx: MS(50),
    }
}

fn received(from: u8, packet: Packet) -> Received {
    let (source, destination) = (address(from), Some(address(1)));
    Received { source, destination, multihop: false, hops: 255, bytes: packet.bytes().to_vec() }
}

#[test]
fn the_names_of_those_that_are_up_are_told_when_they_change() {
    let mut bench = Bench::new(&[config("A", 2), config("B", 3)]);
    bench.bring_up(2);
    bench.bring_up(3);
    let told = |bench: &mut Bench| -> Vec<Vec<String>> {
        let told = std::mem::take(&mut bench.done).into_iter().filter_map(|action| match action {
            Action::Up(up) => Some(up.iter().cloned().collect()),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(told(&mut bench), [vec!["A".to_owned()], vec!["A".into(), "B".into()]]);
    let own = bench.of(3).discriminator;
    for _packet in 0..10 {
        bench.hear(3, packet(State::Up, own));
        bench.pass(MS(40));
    }
    assert_eq!(told(&mut bench), [vec!["B".to_owned()]], "nothing was heard of A");
    bench.feed(Input::Configure(vec![config("A", 2)]));
    assert_eq!(told(&mut bench), [] as [Vec<String>; 0], "who listens may still go by it");
    bench.feed(Input::Settled);
    assert_eq!(told(&mut bench), [Vec::<String>::new()], "one that is not configured is not up");
}

#[test]
fn liars_change_nothing() {
    let source = Some(address(1));
    let mut bench = Bench::new(&[
        BfdInstance { source, ..config("A", 2) },
        config("B", 3),
        BfdInstance { multihop: true, max_hops: 3, ..config("C", 4) },
    ]);
    [2, 3].into_iter().for_each(|neighbour| bench.bring_up(neighbour));
    let (a, b, c) = (bench.of(2).discriminator, bench.of(3).discriminator, bench.of(4).discriminator);
    bench.lines();
    let down = |yours| packet(State::Down, yours);
    let to = |destination: Option<u8>, other: Received| Received {
        destination: destination.map(address),
        ..other
    };
    let lies = [
        (received(3, down(a)), "the session that it names is one with 10.0.0.2"),
        (received(9, down(b)), "the session that it names is one with 10.0.0.3"),
        (received(9, down(0)), "no session has it as `neighbor_ip`"),
        (received(2, down(4711)), "session is not found"),
        (Received { hops: 254, ..received(2, down(a)) }, "TTL 254, at least 255 expected"),
        (Received { hops: 254, ..received(3, down(0)) }, "TTL 254, at least 255 expected"),
        (to(Some(7), received(2, down(a))), "the session that it names is one with 10.0.0.2"),
        (to(Some(7), received(2, down(0))), "no session has it"),
        (Received { multihop: true, ..received(3, down(b)) }, "the session that it names"),
        (received(4, down(c)), "the session that it names"),
        (Received { multihop: true, hops: 251, ..received(4, down(0)) }, "TTL 251, at least 252 expected"),
        (Received { bytes: vec![0x20; 23], ..received(2, down(0)) }, "at least 24 expected"),
        (Received { bytes: Vec::new(), ..received(3, down(0)) }, "at least 24 expected"),
    ];
    for (lie, why) in lies {
        // Each reason is said of each sender once a minute.
        bench.now += Duration::from_secs(61);
        let before = bench.sessions.snapshot();
        bench.feed(Input::Heard(lie.clone()));
        let mut after = bench.sessions.snapshot();
        // Time has passed, but no timer was served.
        after.iter_mut().zip(&before).for_each(|(after, before)| after.detection = before.detection);
        assert_eq!(after, before, "{lie:?}");
        let lines = bench.lines();
        assert!(lines.len() == 1 && lines[0].contains(why), "{lines:?}, {why} expected");
    }
    let far = Received { multihop: true, hops: 252, ..received(4, down(0)) };
    bench.feed(Input::Heard(far));
    assert_eq!(bench.of(4).state, State::Init);
}

#[test]
fn a_flood_of_liars_is_a_few_lines() {
    let mut bench = Bench::new(&[config("A", 2)]);
    for number in 0..10_000u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let source = IpAddr::from([172, 16, high, low]);
        bench.feed(Input::Heard(Received { source, ..received(2, packet(State::Down, 0)) }));
    }
    assert!(bench.lines().len() < 50);
    bench.feed(Input::Heard(received(2, packet(State::Up, 1234))));
    assert_eq!(bench.lines().len(), 1, "what the neighbour does wrong is still said");
}

#[test]
fn a_reload_of_the_same_addresses_is_no_flap() {
    let mut bench = Bench::new(&[config("A", 2), config("B", 3)]);
    bench.bring_up(2);
    bench.bring_up(3);
    let own = [2, 3].map(|neighbour| bench.of(neighbour).discriminator);
    bench.done.clear();
    // Everything else may change: names, intervals, multiplier, TTL.
    let renamed = BfdInstance { multiplier: 9, min_tx: MS(80), ..config("X", 2) };
    for wanted in [vec![config("B", 3), renamed.clone()], vec![renamed, config("B", 3)]] {
        bench.feed(Input::Configure(wanted));
        assert_eq!([2, 3].map(|neighbour| bench.of(neighbour).discriminator), own);
        assert!(["B", "X"].iter().all(|name| bench.up().contains(name)));
        bench.feed(Input::Settled);
        assert_eq!(bench.up(), ["B", "X"]);
        assert!(bench.done.iter().all(|action| matches!(action, Action::Up(_))), "{:?}", bench.done);
    }
}

#[test]
fn who_is_removed_says_so_and_makes_room() {
    let mut bench = Bench::new(&[config("A", 2)]);
    bench.bring_up(2);
    bench.done.clear();
    bench.feed(Input::Configure(Vec::new()));
    assert_eq!(bench.sessions.snapshot(), []);
    bench.pass(MS(200));
    let sent = bench.sent();
    assert!(
        sent.len() > 3 && sent.iter().all(|packet| packet.diagnostic == Diagnostic::ADMINISTRATIVE),
        "{sent:?}"
    );
    bench.pass(MS(60));
    assert!(bench.done.iter().any(|action| matches!(action, Action::Close(_))));
    assert_eq!(bench.sessions.next_timer(), None, "nothing is left of it");
    // One that comes back at once does not hear its own farewell.
    let mut bench = Bench::new(&[config("A", 2)]);
    bench.bring_up(2);
    bench.feed(Input::Configure(Vec::new()));
    bench.feed(Input::Configure(vec![config("A", 2)]));
    bench.done.clear();
    bench.pass(MS(1500));
    assert!(bench.sent().iter().all(|packet| packet.diagnostic == Diagnostic::NONE));
    bench.bring_up(2);
    // A stop says it once, for all.
    bench.done.clear();
    bench.feed(Input::Stop);
    assert_eq!(bench.sent()[0].diagnostic, Diagnostic::ADMINISTRATIVE);
}

#[test]
fn sessions_with_one_neighbour_are_told_apart_by_their_sources() {
    let from = |last| Some(address(last));
    let mut bench = Bench::new(&[
        config("any", 2),
        BfdInstance { source: from(7), ..config("seven", 2) },
        BfdInstance { source: from(7), ..config("twice", 2) },
    ]);
    assert_eq!(bench.sessions.snapshot().len(), 2, "of two with the same addresses the first counts");
    let state = |bench: &Bench, name: &str| {
        bench.sessions.snapshot().into_iter().find(|one| one.name == name).unwrap().state
    };
    let to = |last| Received { destination: from(last), ..received(2, packet(State::Down, 0)) };
    bench.feed(Input::Heard(to(7)));
    assert_eq!((state(&bench, "seven"), state(&bench, "any")), (State::Init, State::Down));
    bench.feed(Input::Heard(to(1)));
    assert_eq!(state(&bench, "any"), State::Init);
}

#[test]
fn discriminators_are_unique() {
    let all: Vec<BfdInstance> = (0..200).map(|last| config(&format!("S{last}"), last)).collect();
    let bench = Bench::new(&all);
    let drawn: BTreeSet<u32> = bench.sessions.snapshot().iter().map(|one| one.discriminator).collect();
    assert_eq!(drawn.len(), 200);
    assert!(!drawn.contains(&0));
}
