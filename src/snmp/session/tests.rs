use super::*;
use crate::snmp::value::Value;

const MS: Duration = Duration::from_millis(1);

fn oid(more: &[u32]) -> Oid {
    Oid::new(&[1, 3, 6]).with(more)
}

fn setup() -> Setup {
    let counters =
        vec![Counters { source: Source::RealCounters, subtree: oid(&[3]), age: Duration::from_secs(5) }];
    Setup {
        agent: "unix:/x".into(),
        subtrees: vec![oid(&[2]), oid(&[3])],
        capabilities: Vec::new(),
        counters,
    }
}

/// A session, the time, and what the other side of it hears.
struct World {
    session: Session,
    now: Instant,
    log: Vec<Event>,
    asked: Vec<Source>,
    connects: usize,
    closes: usize,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let session = Session::new(now, setup());
        Self { session, now, log: Vec::new(), asked: Vec::new(), connects: 0, closes: 0 }
    }

    /// What is sent.
    fn feed(&mut self, input: Input) -> Vec<(Header, Outgoing)> {
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        self.session.handle(self.now, 0, input, &mut out);
        for action in out {
            match action {
                Action::Send(header, message) => sent.push((header, message)),
                Action::Report(event) => self.log.push(event),
                Action::Connect => self.connects += 1,
                Action::Close => self.closes += 1,
                Action::Ask(source) => self.asked.push(source),
            }
        }
        sent
    }

    /// Lets time pass up to the next timer, which is told.
    fn wait(&mut self) -> (Timer, Vec<(Header, Outgoing)>) {
        let (at, timer) = self.session.next_timer().unwrap();
        self.now = self.now.max(at);
        (timer, self.feed(Input::Timer))
    }

    fn answer(&mut self, header: Header, error: u16) -> Vec<(Header, Outgoing)> {
        let header = Header { session: 7, ..header };
        self.feed(Input::Heard(Ok(Incoming { header, request: Request::Response { error } })))
    }

    fn ask(&mut self, request: Request) -> Vec<(Header, Outgoing)> {
        self.feed(Input::Heard(Ok(Incoming { header: QUESTION, request })))
    }

    /// An open session with everything registered.
    fn open() -> Self {
        let mut world = Self::new();
        world.come_up();
        world
    }

    fn come_up(&mut self) {
        while self.connects == 0 {
            self.wait();
        }
        self.connects = 0;
        let opened = self.feed(Input::Connected);
        let [(header, Outgoing::Open { .. })] = opened.as_slice() else { panic!("{opened:?}") };
        let registered = self.answer(*header, 0);
        let names: Vec<&Outgoing> = registered.iter().map(|(_, message)| message).collect();
        assert_eq!(names, [&Outgoing::Register(oid(&[2])), &Outgoing::Register(oid(&[3]))]);
        for (header, _) in registered {
            assert_eq!(header.session, 7);
            assert!(self.answer(header, 0).iter().all(|(_, sent)| matches!(sent, Outgoing::Notify(_))));
        }
    }
}

const QUESTION: Header = Header { session: 7, transaction: 70, packet: 71 };

fn trap(number: i32) -> Trap {
    Trap { name: oid(&[0]), objects: vec![(oid(&[1]), Value::Integer(number))] }
}

fn range(start: &[u32]) -> Range {
    Range { start: oid(start), include: false, end: Oid::default() }
}

fn table(base: &[u32], numbers: std::ops::Range<u32>) -> Vec<Table> {
    let rows = numbers.map(|number| (vec![number], vec![(1, Value::gauge(number))]));
    vec![Table::of(oid(base), rows.collect())]
}

fn error_of(sent: &[(Header, Outgoing)]) -> u16 {
    let [(QUESTION, Outgoing::Response { error, .. })] = sent else { panic!("{sent:?}") };
    *error
}

fn bindings_of(sent: Vec<(Header, Outgoing)>) -> Vec<Binding> {
    assert_eq!(error_of(&sent), 0);
    sent.into_iter()
        .find_map(|(_, message)| match message {
            Outgoing::Response { bindings, .. } => Some(bindings),
            _ => None,
        })
        .unwrap()
}

#[test]
fn questions_are_answered() {
    let mut world = World::open();
    world.feed(Input::Tables(Source::Vrrp, table(&[2, 1], 1..4)));
    let bindings = bindings_of(world.ask(Request::Get(vec![range(&[2, 1, 1, 2]), range(&[2, 9])])));
    assert_eq!(bindings[0].value, Bound::Value(Value::Gauge(2)));
    assert_eq!(bindings[1].value, Bound::NoSuchObject);
    let bindings = bindings_of(world.ask(Request::GetNext(vec![range(&[2]), range(&[2, 1, 1, 3])])));
    assert_eq!(bindings[0].name, oid(&[2, 1, 1, 1]));
    assert_eq!((&bindings[1].name, &bindings[1].value), (&oid(&[2, 1, 1, 3]), &Bound::EndOfMibView));
    assert_eq!(world.log, [Event::Up { agent: "unix:/x".into() }]);
}

/// RFC 2741 §7.2.3.3: one of the first, rows of the others, until all have ended.
#[test]
fn many_are_asked_for_at_once() {
    let mut world = World::open();
    world.feed(Input::Tables(Source::Vrrp, table(&[2, 1], 1..4)));
    let ranges = vec![range(&[2]), range(&[2]), range(&[2, 1, 1, 2])];
    let bindings =
        bindings_of(world.ask(Request::GetBulk { single: 1, repetitions: 2, ranges: ranges.clone() }));
    let names: Vec<u32> = bindings.iter().map(|one| *one.name.numbers().last().unwrap()).collect();
    assert_eq!(names, [1, 1, 3, 2, 3]);
    assert_eq!(bindings[4].value, Bound::EndOfMibView);
    let all = bindings_of(world.ask(Request::GetBulk { single: 0, repetitions: 100, ranges }));
    assert_eq!(all.len(), 3 * 4);
    // However much is asked for, an answer has an end.
    world.feed(Input::Tables(Source::Vrrp, table(&[2, 1], 1..50_000)));
    let ranges = vec![range(&[2]); 10];
    let bindings = bindings_of(world.ask(Request::GetBulk { single: 0, repetitions: u16::MAX, ranges }));
    assert!(bindings.len() <= MOST_OBJECTS + 10, "{}", bindings.len());
}

#[test]
fn nothing_can_be_set() {
    let mut world = World::open();
    assert_eq!(error_of(&world.ask(Request::TestSet)), NOT_WRITABLE);
    assert_eq!(error_of(&world.ask(Request::CommitSet)), COMMIT_FAILED);
    assert_eq!(error_of(&world.ask(Request::UndoSet)), UNDO_FAILED);
    assert_eq!(world.ask(Request::CleanupSet), []);
    assert_eq!(error_of(&world.ask(Request::Other(99))), PARSE_ERROR);
    let malformed = world.feed(Input::Heard(Err((QUESTION, Malformed::Content(5)))));
    assert_eq!(error_of(&malformed), PARSE_ERROR);
    assert!(world.session.snapshot().open);
    world.feed(Input::Heard(Err((Header::default(), Malformed::Version(9)))));
    assert!(!world.session.snapshot().open, "what follows would not be understood");
}

/// One line when it goes, one when it comes; the pauses grow, and begin anew after a session.
#[test]
fn what_is_not_there_is_tried_again() {
    let mut world = World::open();
    world.log.clear();
    world.ask(Request::Close(5));
    assert_eq!(world.closes, 1);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let before = world.now;
        assert_eq!(world.wait().0, Timer::Connect);
        pauses.push((world.now - before).as_secs());
        world.feed(Input::Disconnected("connection refused".into()));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 16, 16]);
    let why = "it stops".to_owned();
    assert_eq!(world.log, [Event::Down { agent: "unix:/x".into(), why }]);
    world.connects = 0;
    world.come_up();
    assert_eq!(world.log[1..], [Event::Up { agent: "unix:/x".into() }]);
    world.feed(Input::Disconnected("x".into()));
    assert_eq!(world.session.next_timer(), Some((world.now + PAUSES.0, Timer::Connect)));
}

#[test]
fn a_master_agent_that_hangs_is_left() {
    let mut world = World::open();
    let (timer, sent) = world.wait();
    assert_eq!(timer, Timer::Ping);
    let [(header, Outgoing::Ping)] = sent.as_slice() else { panic!("{sent:?}") };
    world.answer(*header, 0);
    assert_eq!(world.wait().0, Timer::Ping);
    let (timer, sent) = world.wait();
    assert_eq!((timer, sent), (Timer::Answer, Vec::new()));
    assert!(!world.session.snapshot().open);
    // One that forgot us, too.
    world.connects = 0;
    world.come_up();
    let (_, sent) = world.wait();
    world.answer(sent[0].0, NOT_OPEN);
    assert!(!world.session.snapshot().open);
}

#[test]
fn who_else_has_our_names_is_told_of() {
    let mut world = World::new();
    world.wait();
    let opened = world.feed(Input::Connected);
    let registered = world.answer(opened[0].0, 0);
    world.answer(registered[0].0, 263);
    assert_eq!(world.log[1..], [Event::NotRegistered { subtree: "1.3.6.2".into(), error: 263 }]);
    assert!(world.session.snapshot().open);
}

fn numbers(sent: &[(Header, Outgoing)]) -> Vec<i32> {
    let number = |(_, message): &(Header, Outgoing)| match message {
        Outgoing::Notify(bindings) => match bindings.as_slice() {
            [(_, Value::Oid(_)), (_, Value::Integer(number))] => *number,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    sent.iter().map(number).collect()
}

/// In order, those of before the session too; not more at a time than the master agent answers.
#[test]
fn traps_are_sent_in_order() {
    let mut world = World::new();
    for number in 0..3 {
        assert_eq!(world.feed(Input::Trap(trap(number))), []);
    }
    world.wait();
    let opened = world.feed(Input::Connected);
    let mut sent = world.answer(opened[0].0, 0);
    let mut told = numbers(&sent.split_off(2));
    for number in 3..100 {
        sent.extend(world.feed(Input::Trap(trap(number))));
    }
    assert!(sent.len() < 2 + UNANSWERED);
    while !sent.is_empty() {
        let (header, message) = sent.remove(0);
        if matches!(message, Outgoing::Notify(_)) {
            told.extend(numbers(&[(header, message)]));
        }
        sent.extend(world.answer(header, 0));
    }
    // The first three are answered in no order that is told here: those that were sent with the registrations.
    for packet in 0..1000 {
        sent.extend(world.answer(Header { packet, ..Header::default() }, 0));
        while !sent.is_empty() {
            let (header, message) = sent.remove(0);
            told.extend(numbers(&[(header, message)]));
            sent.extend(world.answer(header, 0));
        }
    }
    assert_eq!(told, (0..100).collect::<Vec<_>>());
}

#[test]
fn traps_that_nobody_takes_are_counted() {
    let mut world = World::new();
    let more = 5;
    for number in 0..TRAPS + more {
        world.feed(Input::Trap(trap(i32::try_from(number).unwrap())));
    }
    let snapshot = world.session.snapshot();
    assert_eq!((snapshot.traps, snapshot.lost), (TRAPS, more as u64));
    assert_eq!(world.log, [Event::TrapsLost]);
    // What is older than a minute is no news.
    world.now += OLDEST_TRAP + MS;
    world.feed(Input::Timer);
    assert_eq!(world.session.snapshot().traps, 0);
}

/// A question about counters waits for new ones, for a moment.
#[test]
fn counters_are_asked_for_when_somebody_asks() {
    let mut world = World::open();
    assert!(world.asked.is_empty());
    let get = || Request::Get(vec![range(&[3, 1, 1, 1])]);
    assert_eq!(world.ask(get()), []);
    assert_eq!(world.ask(get()), []);
    assert_eq!(world.asked, [Source::RealCounters], "once");
    let answered = world.feed(Input::Tables(Source::RealCounters, table(&[3, 1], 1..2)));
    assert_eq!(answered.len(), 2);
    // As long as they are young enough nobody is asked again.
    world.now += Duration::from_secs(4);
    assert_eq!(bindings_of(world.ask(get()))[0].value, Bound::Value(Value::Gauge(1)));
    world.now += Duration::from_secs(1);
    assert_eq!(world.ask(get()), []);
    assert_eq!(world.asked.len(), 2);
    // None come: what is known will do, and is not waited for again at once.
    let (timer, sent) = world.wait();
    assert_eq!((timer, error_of(&sent)), (Timer::Counters, 0));
    assert_eq!(error_of(&world.ask(get())), 0);
}

#[test]
fn the_end_is_told() {
    let mut world = World::open();
    let sent = world.feed(Input::Stop);
    assert!(matches!(sent.as_slice(), [(Header { session: 7, .. }, Outgoing::Close)]), "{sent:?}");
}
