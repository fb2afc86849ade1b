#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::bfd::packet::Malformed;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn config() -> BfdInstance {
    BfdInstance { min_rx: MS(50), min_tx: MS(50), ..BfdInstance::new("P", IpAddr::from([10, 0, 0, 2])) }
}

/// A session, its clock, and the other side's words.
struct Bench {
    machine: Machine,
    now: Instant,
    start: Instant,
}

/// What a session did: packets, and lines.
#[derive(Default)]
struct Done {
    packets: Vec<Packet>,
    lines: Vec<String>,
    opens: usize,
}

impl Bench {
    fn new(config: BfdInstance) -> Self {
        let now = Instant::now();
        let mut bench = Self { machine: Machine::new(config, 7, 1), now, start: now };
        assert_eq!(bench.feed(Input::Start).opens, 1);
        bench.feed(Input::Opened);
        bench
    }

    /// One that both sides have brought up, its poll answered.
    fn up(config: BfdInstance) -> Self {
        let mut bench = Self::new(config);
        bench.feed(Input::Heard(theirs(State::Down)));
        bench.feed(Input::Heard(theirs(State::Init)));
        bench.feed(Input::Heard(Packet { is_final: true, ..theirs(State::Up) }));
        assert!(bench.machine.is_up());
        bench
    }

    fn feed(&mut self, input: Input) -> Done {
        let mut actions = Vec::new();
        self.machine.handle(self.now, input, &mut actions);
        let mut done = Done::default();
        for action in actions {
            match action {
                Action::Open(_) => done.opens += 1,
                Action::Transmit(packet) => {
                    assert_eq!(Packet::read(&packet.bytes()), Ok(packet), "what is sent can be read");
                    done.packets.push(packet);
                }
                Action::Report(event) => done.lines.push(event.to_string()),
            }
        }
        done
    }

    /// Lets time pass with the timers served when they are due; the packets with their times.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Packet)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some((at, _)) = self.machine.next_timer().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            let at = self.now - self.start;
            sent.extend(self.feed(Input::Timer).packets.into_iter().map(|packet| (at, packet)));
        }
        self.now = end;
        sent
    }

    /// The same, with the other side heard every 40 ms.
    fn pass_heard(&mut self, time: Duration, packet: Packet) -> Vec<(Duration, Packet)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while self.now < end {
            self.feed(Input::Heard(packet));
            sent.extend(self.pass(MS(40)));
        }
        sent
    }
}

fn theirs(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        demand: false,
        multiplier: 3,
        mine: 9,
        yours: if state == State::Down { 0 } else { 7 },
        min_tx: MS(50),
        min_rx: MS(50),
    }
}

fn gaps(sent: &[(Duration, Packet)]) -> Vec<Duration> {
    sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[test]
fn a_session_comes_up() {
    let mut bench = Bench::new(config());
    let sent = bench.pass(MS(3500));
    assert!((4..=5).contains(&sent.len()), "once a second while Down: {sent:?}");
    let first = sent[0].1;
    assert_eq!((first.state, first.yours, first.poll), (State::Down, 0, false));
    assert_eq!((first.min_tx, first.min_rx, first.multiplier), (MS(1000), MS(50), 5));
    let done = bench.feed(Input::Heard(theirs(State::Down)));
    assert_eq!(done.lines, ["Entering Init state"]);
    assert_eq!((done.packets[0].state, done.packets[0].yours), (State::Init, 9), "said at once");
    let done = bench.feed(Input::Heard(theirs(State::Init)));
    assert_eq!(done.lines, ["Entering Up state"]);
    let packet = done.packets[0];
    assert_eq!((packet.state, packet.min_tx, packet.poll), (State::Up, MS(50), true));
    // Asked until it is answered.
    let sent = bench.pass(MS(120));
    assert!(sent.len() >= 2 && sent.iter().all(|(_, packet)| packet.poll), "{sent:?}");
    bench.feed(Input::Heard(Packet { is_final: true, ..theirs(State::Up) }));
    let sent = bench.pass(MS(100));
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| !packet.poll), "{sent:?}");
}

#[test]
fn each_state_answers_each_state() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (Down, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Down)]),
        (Init, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Up)]),
        (Up, [(AdminDown, Down), (Down, Down), (Init, Up), (Up, Up)]),
    ];
    for (from, answers) in table {
        for (heard, to) in answers {
            let mut bench = match from {
                Down => Bench::new(config()),
                Init => {
                    let mut bench = Bench::new(config());
                    bench.feed(Input::Heard(theirs(Down)));
                    bench
                }
                _ => Bench::up(config()),
            };
            bench.feed(Input::Heard(Packet { yours: 7, ..theirs(heard) }));
            assert_eq!(bench.machine.snapshot().state, to, "{from} hears {heard}");
            if from == Up && to == Down {
                assert_eq!(bench.machine.snapshot().diagnostic, Diagnostic::NEIGHBOUR);
            }
        }
    }
}

#[test]
fn packets_are_sent_a_little_early() {
    for multiplier in [1, 5] {
        let mut bench = Bench::up(BfdInstance { multiplier, ..config() });
        let sent = bench.pass_heard(MS(20_000), theirs(State::Up));
        // The first one still belongs to what was before.
        let gaps = gaps(&sent[1..]);
        let (least, most) = if multiplier == 1 { (37.4, 45.1) } else { (37.4, 50.1) };
        let in_bounds = |gap: &&Duration| (least..most).contains(&(gap.as_secs_f64() * 1e3));
        assert!(gaps.iter().all(|gap| in_bounds(&gap)), "{multiplier}: {gaps:?}");
        let mean = gaps.iter().sum::<Duration>() / u32::try_from(gaps.len()).unwrap();
        assert!((MS(40)..MS(46)).contains(&mean), "{mean:?}");
    }
}

#[test]
fn silence_is_noticed_after_the_detection_time() {
    let mut bench = Bench::up(config());
    assert_eq!(bench.machine.snapshot().detection, Some(MS(150)), "3 times 50 ms, as the other side says");
    bench.pass(MS(149));
    assert!(bench.machine.is_up());
    bench.now += MS(1);
    let done = bench.feed(Input::Timer);
    assert_eq!(
        done.lines,
        [
            "Expired after 150 ms (0.0 ms overdue), Entering Down state (Local diagnostic - Control Detection Time \
          Expired, Remote diagnostic - No Diagnostic)"
        ]
    );
    let packet = done.packets[0];
    assert_eq!((packet.state, packet.diagnostic, packet.yours), (State::Down, Diagnostic::EXPIRED, 0));
    assert_eq!(packet.min_tx, MS(1000), "not more than once a second (RFC 5880 §6.8.3)");
    let sent = bench.pass(MS(5000));
    assert!((5..=7).contains(&sent.len()), "{sent:?}");
    // The session of before is taken up again.
    bench.feed(Input::Heard(theirs(State::Down)));
    bench.feed(Input::Heard(theirs(State::Init)));
    assert!(bench.machine.is_up());
}

#[test]
fn the_slower_side_sets_the_pace() {
    let mut bench = Bench::up(config());
    let slow = Packet { min_rx: MS(200), min_tx: MS(300), ..theirs(State::Up) };
    let sent = bench.pass_heard(MS(4000), slow);
    assert!(gaps(&sent[1..]).iter().all(|gap| *gap >= MS(150)), "{sent:?}");
    assert_eq!(bench.machine.snapshot().detection, Some(MS(900)));
    assert_eq!(bench.machine.snapshot().interval, MS(200));
}

#[test]
fn a_side_that_wants_nothing_gets_nothing() {
    let mut bench = Bench::up(config());
    // Interval 0: no periodic packets (RFC 5880 §6.8.7); a poll is answered all the same.
    let none = Packet { min_rx: Duration::ZERO, ..theirs(State::Up) };
    assert_eq!(bench.pass_heard(MS(2000), none), []);
    let done = bench.feed(Input::Heard(Packet { poll: true, ..none }));
    assert!(done.packets[0].is_final && bench.machine.is_up());
    // Demand mode: silent while both are up.
    let demand = Packet { demand: true, ..theirs(State::Up) };
    assert_eq!(bench.pass_heard(MS(2000), demand), []);
    // A question of ours is asked even so.
    let changed = BfdInstance { min_rx: MS(100), ..config() };
    bench.feed(Input::Configure(Box::new(changed)));
    let sent = bench.pass_heard(MS(200), demand);
    assert!(!sent.is_empty() && sent.iter().all(|(_, packet)| packet.poll), "{sent:?}");
    bench.feed(Input::Heard(Packet { is_final: true, ..demand }));
    assert_eq!(bench.pass_heard(MS(500), demand), []);
    assert!(!bench.pass_heard(MS(500), theirs(State::Up)).is_empty(), "it wants them again");
}

#[test]
fn a_poll_is_answered_at_once_and_without_a_question() {
    let mut bench = Bench::new(config());
    bench.feed(Input::Heard(theirs(State::Down)));
    // keepalived brings a session up with a packet that polls.
    let done = bench.feed(Input::Heard(Packet { poll: true, ..theirs(State::Up) }));
    let packet = done.packets[0];
    assert_eq!((done.packets.len(), packet.state), (1, State::Up));
    assert!(packet.is_final && !packet.poll);
    assert!(bench.pass(MS(60))[0].1.poll, "our own question follows");
}

#[test]
fn longer_intervals_wait_for_the_answer_shorter_ones_do_not() {
    let mut bench = Bench::up(config());
    let with =
        |tx, rx| Input::Configure(Box::new(BfdInstance { min_tx: MS(tx), min_rx: MS(rx), ..config() }));
    let done = bench.feed(with(400, 20));
    assert_eq!((done.lines.len(), done.packets.len()), (0, 0));
    let sent = bench.pass_heard(MS(400), theirs(State::Up));
    assert!(sent.len() >= 8, "still every 50 ms: {sent:?}");
    assert!(
        sent.iter().all(|(_, packet)| packet.poll && packet.min_tx == MS(400) && packet.min_rx == MS(20))
    );
    assert_eq!(bench.machine.snapshot().detection, Some(MS(150)), "and still 50 ms are awaited");
    bench.feed(Input::Heard(Packet { is_final: true, min_tx: MS(10), ..theirs(State::Up) }));
    assert_eq!(bench.machine.snapshot().detection, Some(MS(60)));
    assert_eq!(bench.machine.snapshot().interval, MS(400));
    // Shorter ones to send, longer ones to hear count at once.
    bench.feed(with(50, 500));
    assert_eq!(bench.machine.snapshot().interval, MS(50));
    assert_eq!(bench.machine.snapshot().detection, Some(MS(1500)));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let mut bench = Bench::up(config());
    let with = |tx| Input::Configure(Box::new(BfdInstance { min_tx: MS(tx), ..config() }));
    bench.feed(with(100));
    bench.feed(with(200));
    let answer = || Input::Heard(Packet { is_final: true, ..theirs(State::Up) });
    bench.feed(answer());
    assert_eq!(bench.machine.snapshot().interval, MS(50), "it answers 100 ms");
    let sent = bench.pass_heard(MS(200), theirs(State::Up));
    assert!(
        !sent[0].1.poll && sent[1..].iter().all(|(_, packet)| packet.poll),
        "one packet in between: {sent:?}"
    );
    bench.feed(answer());
    assert_eq!(bench.machine.snapshot().interval, MS(200));
}

#[test]
fn a_passive_side_speaks_when_it_is_spoken_to() {
    let mut bench = Bench::new(BfdInstance { passive: true, ..config() });
    assert_eq!(bench.pass(MS(10_000)), []);
    let done = bench.feed(Input::Heard(theirs(State::Down)));
    assert_eq!(done.packets[0].state, State::Init);
    bench.feed(Input::Heard(theirs(State::Up)));
    assert!(bench.machine.is_up());
    bench.pass(MS(200));
    assert!(!bench.machine.is_up());
    assert_eq!(bench.pass(MS(10_000)), [], "it waits again");
}

#[test]
fn a_late_timer_sends_one_packet() {
    let mut bench = Bench::up(config());
    bench.now += Duration::from_secs(3600);
    // What was heard meanwhile comes first, as in the thread.
    bench.feed(Input::Heard(theirs(State::Up)));
    let done = bench.feed(Input::Timer);
    assert_eq!((done.packets.len(), done.lines.len()), (1, 0));
    assert!(bench.machine.is_up());
    let (at, _) = bench.machine.next_timer().unwrap();
    assert!(at > bench.now && at <= bench.now + MS(50));
    // Nothing was heard: it is down, once, and says how late it noticed.
    bench.now += Duration::from_secs(3600);
    let done = bench.feed(Input::Timer);
    assert_eq!((done.packets.len(), done.lines.len()), (1, 1));
    assert!(done.lines[0].contains("3599850.0 ms overdue"), "{:?}", done.lines);
}

#[test]
fn an_end_is_said_until_it_must_have_been_heard() {
    let mut bench = Bench::up(config());
    let done = bench.feed(Input::Stop);
    let packet = done.packets[0];
    assert_eq!((packet.state, packet.diagnostic, packet.yours), (State::Down, Diagnostic::ADMINISTRATIVE, 9));
    assert_eq!(done.lines, ["Entering AdminDown state"]);
    let sent = bench.pass(MS(240));
    assert!(
        sent.len() >= 4 && sent.iter().all(|(_, packet)| packet.diagnostic == Diagnostic::ADMINISTRATIVE),
        "{sent:?}"
    );
    assert!(!bench.machine.is_over());
    bench.pass(MS(10));
    assert!(bench.machine.is_over(), "5 times 50 ms");
    // What comes now counts for nothing.
    assert_eq!(bench.feed(Input::Heard(Packet { poll: true, ..theirs(State::Up) })).packets, []);
    // Who knows nobody has nobody to tell.
    let mut alone = Bench::new(config());
    assert_eq!(alone.feed(Input::Stop).packets, []);
    assert!(alone.machine.is_over());
}

#[test]
fn without_a_socket_it_waits_and_hears_nothing() {
    let now = Instant::now();
    let mut bench = Bench { machine: Machine::new(config(), 7, 1), now, start: now };
    bench.feed(Input::Start);
    let refused = || Input::Refused(Refusal::NotHere(IpAddr::from([10, 0, 0, 1])));
    let done = bench.feed(refused());
    assert_eq!(done.lines, ["Waits, and is Down: its `source_ip` 10.0.0.1 is no address of this host"]);
    assert_eq!(bench.feed(Input::Heard(theirs(State::Down))).lines.len(), 0);
    assert_eq!(bench.machine.next_timer(), Some((now + RETRY, Timer::Retry)));
    bench.now += RETRY;
    let done = bench.feed(Input::Timer);
    assert_eq!((done.opens, done.packets.len()), (1, 0));
    assert_eq!(bench.feed(refused()).lines.len(), 0, "said once");
    bench.now += RETRY;
    bench.feed(Input::Timer);
    assert_eq!(bench.feed(Input::Opened).lines, ["Begins: what it waited for is there"]);
    assert_eq!(bench.pass(MS(1)).len(), 1);
}

#[test]
fn a_source_that_goes_is_found_out() {
    let mut bench = Bench::up(config());
    let done = bench.feed(Input::Sent(Err(libc::ENETUNREACH)));
    assert_eq!((done.opens, done.lines.len()), (0, 1), "it has no source of its own");
    assert_eq!(bench.feed(Input::Sent(Err(libc::ENETUNREACH))).lines.len(), 0);
    assert_eq!(bench.feed(Input::Sent(Ok(()))).lines, ["Sends again"]);
    let mut bench = Bench::up(BfdInstance { source: Some(IpAddr::from([10, 0, 0, 1])), ..config() });
    let done = bench.feed(Input::Sent(Err(libc::EINVAL)));
    assert_eq!((done.opens, done.lines.len()), (1, 0));
    // Another socket, the same answer: that is no matter of the address.
    bench.feed(Input::Opened);
    let done = bench.feed(Input::Sent(Err(libc::EINVAL)));
    assert_eq!(done.opens, 0);
    assert!(done.lines[0].starts_with("Cannot send: invalid argument"), "{:?}", done.lines);
    bench.feed(Input::Sent(Ok(())));
    bench.feed(Input::Sent(Err(libc::EINVAL)));
    bench.feed(Input::Refused(Refusal::NotHere(IpAddr::from([10, 0, 0, 1]))));
    // It cannot be heard any more, and is down when that is due.
    bench.feed(Input::Heard(theirs(State::Up)));
    bench.pass(MS(200));
    assert!(!bench.machine.is_up());
}

#[test]
fn hops_are_counted_from_the_ttl() {
    let least = |ttl, max_hops| Machine::new(BfdInstance { ttl, max_hops, ..config() }, 1, 1).least_hops();
    let cases =
        [((255, 0), 255), ((255, 2), 253), ((64, 0), 64), ((255, -1), 0), ((10, 20), 0), ((255, 255), 0)];
    for ((ttl, max_hops), expected) in cases {
        assert_eq!(least(ttl, max_hops), expected, "{ttl} {max_hops}");
    }
}

#[test]
fn another_ttl_needs_no_other_socket() {
    let mut bench = Bench::up(config());
    let done = bench.feed(Input::Configure(Box::new(BfdInstance { ttl: 64, ..config() })));
    assert_eq!((done.opens, done.packets.len()), (1, 0));
    assert!(bench.machine.is_open() && bench.machine.is_up());
    bench.feed(Input::Opened);
    assert!(bench.machine.is_up());
}

/// Whatever comes, in whatever order: no panic, no timer that stays due, and never Up without having heard.
#[test]
fn no_history_breaks_it() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(BfdInstance { passive: random.bool(), ..config() });
        let mut heard = bench.now;
        for _step in 0..200 {
            bench.now += Duration::from_micros(random.u64(0..200_000));
            let input = match random.u8(0..12) {
                0 => Input::Sent(Err(*random.choice([libc::EINVAL, libc::ENETDOWN].iter()).unwrap())),
                1 => Input::Sent(Ok(())),
                2 => Input::Refused(Refusal::Socket { errno: libc::EMFILE }),
                3 => Input::Opened,
                4 => {
                    let (tx, rx) = (random.u64(1..2000), random.u64(1..2000));
                    let (min_tx, min_rx, multiplier) = (MS(tx), MS(rx), random.u8(1..));
                    Input::Configure(Box::new(BfdInstance { min_tx, min_rx, multiplier, ..config() }))
                }
                5..=8 => {
                    let bytes: [u8; 24] = std::array::from_fn(|_| random.u8(..));
                    let mut packet = match Packet::read(&bytes) {
                        Ok(packet) => packet,
                        Err(Malformed::Short { .. }) => unreachable!("24 bytes"),
                        Err(_) => {
                            theirs(*random.choice([State::Down, State::Init, State::Up].iter()).unwrap())
                        }
                    };
                    packet.is_final = random.bool();
                    heard = bench.now;
                    Input::Heard(packet)
                }
                _ => Input::Timer,
            };
            let was_up = bench.machine.is_up();
            let is_heard = matches!(input, Input::Heard(_));
            let is_timer = matches!(input, Input::Timer);
            let done = bench.feed(input);
            assert!(done.packets.len() <= 2, "seed {seed}: a storm");
            assert!(was_up || !bench.machine.is_up() || is_heard, "seed {seed}: up without a word");
            if is_timer {
                let due = bench.machine.next_timer().filter(|(at, _)| *at <= bench.now);
                assert_eq!(due, None, "seed {seed}: a timer stays due");
                let limit = bench.machine.detection();
                assert!(
                    !bench.machine.is_up() || bench.now < heard + limit,
                    "seed {seed}: up and nothing heard"
                );
            }
        }
    }
}
