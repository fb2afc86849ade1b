use std::collections::VecDeque;
use std::net::SocketAddr;

use super::*;
use crate::config::model::{Forwarding, Granularity, Protocol, SchedulerFlags};
use crate::ipvs::Destination;

/// Ports of the services that are ours; those of other programs lie above.
const OURS: u16 = 6;

fn service(port: u16) -> Service {
    Service::Address { protocol: Protocol::Tcp, address: SocketAddr::from(([10, 0, 0, 1], port)) }
}

fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, last], 80))
}

fn destination(weight: u32) -> Destination {
    let forwarding = Some(Forwarding::DirectRoute);
    Destination { weight, forwarding, upper_threshold: 0, lower_threshold: 0 }
}

fn entry(servers: &[(u8, u32)]) -> Arc<Entry> {
    Arc::new(Entry {
        settings: Settings {
            scheduler: "rr".into(),
            flags: SchedulerFlags::default(),
            one_packet: false,
            timeout: 0,
            granularity: Granularity::Prefix(32),
            engine: None,
        },
        destinations: servers.iter().map(|(last, weight)| (server(*last), destination(*weight))).collect(),
    })
}

fn random_entry(random: &mut fastrand::Rng) -> Arc<Entry> {
    let mut servers = Vec::new();
    for last in 0..4 {
        if random.bool() {
            servers.push((last, random.u32(0..3)));
        }
    }
    let mut entry = entry(&servers);
    Arc::make_mut(&mut entry).settings.timeout = random.u32(0..2);
    entry
}

/// The kernel's side, as `ip_vs_ctl.c` answers.
#[derive(Debug, Default)]
struct Kernel {
    table: Table,
    loaded: bool,
    /// `modprobe` succeeds.
    loadable: bool,
    /// Number of the netlink family; another one each time the module is loaded.
    family: u16,
    /// The number that the client knows.
    known: u16,
}

impl Kernel {
    fn load(&mut self) {
        if !self.loaded {
            self.loaded = true;
            self.family += 1;
        }
    }

    fn unload(&mut self) {
        self.loaded = false;
        self.table.clear();
    }

    fn open(&mut self) -> Result<(), Unavailable> {
        if self.loadable {
            self.load();
        }
        if !self.loaded {
            return Err(Unavailable::NoModule);
        }
        self.known = self.family;
        Ok(())
    }

    fn reachable(&self) -> io::Result<()> {
        if self.loaded && self.known == self.family {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn look(&self, look: &Look) -> io::Result<Seen> {
        self.reachable()?;
        let settings = |(service, entry): (&Service, &Arc<Entry>)| (*service, entry.settings.clone());
        let found = |service: &Service| {
            let entry = self.table.get(service);
            (*service, entry.map(|entry| entry.destinations.clone()).unwrap_or_default())
        };
        Ok(match look {
            Look::Table => Seen::Table(self.table.clone()),
            Look::Services => Seen::Services(self.table.iter().map(settings).collect()),
            Look::Destinations(services) => Seen::Destinations(services.iter().map(found).collect()),
        })
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), i32> {
        self.reachable().map_err(|_| libc::ENOENT)?;
        let service = self.table.get(operation.service());
        let has =
            |address: &SocketAddr| service.is_some_and(|entry| entry.destinations.contains_key(address));
        let answer = match operation {
            Operation::NewService(..) if service.is_some() => Err(libc::EEXIST),
            Operation::NewService(..) => Ok(()),
            _ if service.is_none() => Err(libc::ESRCH),
            Operation::NewDestination(_, address, _) if has(address) => Err(libc::EEXIST),
            Operation::SetDestination(_, address, _) | Operation::DeleteDestination(_, address)
                if !has(address) =>
            {
                Err(libc::ENOENT)
            }
            _ => Ok(()),
        };
        if answer.is_ok() {
            diff::apply(&mut self.table, operation);
        }
        answer
    }
}

/// What goes wrong, each in a thousand.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    refused: u32,
    unanswered: u32,
    unrecorded: u32,
    interrupted: u32,
}

struct World {
    keeper: Keeper,
    kernel: Kernel,
    now: Instant,
    random: fastrand::Rng,
    faults: Faults,
    /// What a start after a kill would read.
    record: BTreeSet<Service>,
    /// The last attempt to write it failed.
    unrecorded: bool,
    events: Vec<Event>,
    changes: Vec<Operation>,
    /// No operation may name what the kernel has already.
    strict: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let kernel = Kernel { loaded: true, loadable: true, family: 30, ..Kernel::default() };
        Self {
            keeper: Keeper::new(now, BTreeSet::new()),
            kernel,
            now,
            random: fastrand::Rng::with_seed(seed),
            faults: Faults::default(),
            record: BTreeSet::new(),
            unrecorded: false,
            events: Vec::new(),
            changes: Vec::new(),
            strict: false,
        }
    }

    fn fails(&mut self, rate: u32) -> bool {
        self.random.u32(0..1000) < rate
    }

    fn feed(&mut self, input: Input) {
        let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
        let mut steps = 0;
        while let Some(input) = inputs.pop_front() {
            steps += 1;
            assert!(steps < 60, "no end of it");
            self.keeper.handle(self.now, input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.carry_out(action));
            }
        }
        assert_eq!(self.keeper.awaited, Awaited::Nothing, "an answer is awaited that nobody gives");
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        Some(match action {
            Action::Open => Input::Opened(self.kernel.open()),
            Action::Look(_) if self.fails(self.faults.unanswered) => {
                Input::Looked(Err(io::ErrorKind::TimedOut.into()))
            }
            Action::Look(_) if self.fails(self.faults.interrupted) => {
                Input::Looked(Err(io::ErrorKind::Interrupted.into()))
            }
            Action::Look(look) => Input::Looked(self.kernel.look(&look)),
            Action::Change(operations) => Input::Changed(self.change(operations)),
            Action::Record(services) => {
                self.unrecorded = self.fails(self.faults.unrecorded);
                if self.unrecorded {
                    return Some(Input::Recorded(Err(io::ErrorKind::StorageFull.into())));
                }
                self.record = services;
                Input::Recorded(Ok(()))
            }
            Action::Report(event) => {
                self.events.push(event);
                return None;
            }
        })
    }

    fn change(&mut self, operations: Vec<Operation>) -> io::Result<Vec<Answer>> {
        assert!(!operations.is_empty());
        let lost = self.fails(self.faults.unanswered);
        let carried = if lost { self.random.usize(..=operations.len()) } else { operations.len() };
        let mut answers = Vec::new();
        for operation in operations.into_iter().take(carried) {
            let Service::Address { address, .. } = operation.service() else { panic!("{operation}") };
            assert!(address.port() < OURS, "{operation} is not ours");
            assert!(
                self.record.contains(operation.service()) || self.unrecorded,
                "{operation} is not recorded"
            );
            if self.strict {
                let mut after = self.kernel.table.clone();
                diff::apply(&mut after, &operation);
                assert_ne!(after, self.kernel.table, "{operation} is done already");
            }
            let outcome = if self.fails(self.faults.refused) {
                Err(libc::ENOMEM)
            } else {
                self.kernel.apply(&operation)
            };
            self.changes.push(operation.clone());
            answers.push(Answer { operation, outcome });
        }
        if lost { Err(io::ErrorKind::TimedOut.into()) } else { Ok(answers) }
    }

    /// Other entries for some of our services.
    fn desire(&mut self, anew: bool) {
        let mut changes = BTreeMap::new();
        for port in 0..OURS {
            match self.random.u8(0..6) {
                0 => drop(changes.insert(service(port), None)),
                1 => drop(changes.insert(service(port), Some(random_entry(&mut self.random)))),
                _ => {}
            }
        }
        self.feed(Input::Desired { changes, anew });
    }

    /// Another program at work.
    fn meddle(&mut self) {
        if !self.kernel.loaded {
            return;
        }
        let port = self.random.u16(0..2 * OURS);
        let last = self.random.u8(0..4);
        match self.random.u8(0..6) {
            0 => self.kernel.table.clear(),
            1 => drop(self.kernel.table.remove(&service(port))),
            2 if port >= OURS => {
                drop(self.kernel.table.insert(service(port), random_entry(&mut self.random)));
            }
            3 => {
                if let Some(entry) = self.kernel.table.get_mut(&service(port)) {
                    Arc::make_mut(entry).settings.timeout = self.random.u32(0..3);
                }
            }
            _ => {
                let weight = self.random.u32(0..4);
                if let Some(entry) = self.kernel.table.get_mut(&service(port)) {
                    let entry = Arc::make_mut(entry);
                    match entry.destinations.remove(&server(last)) {
                        Some(_) if weight == 3 => {}
                        _ => drop(entry.destinations.insert(server(last), destination(weight))),
                    }
                }
            }
        }
    }

    /// A kill, and a start with what it finds.
    fn restart(&mut self) {
        let desired = self.keeper.desired.clone();
        self.keeper = Keeper::new(self.now, self.record.clone());
        let changes = desired.into_iter().map(|(service, entry)| (service, Some(entry))).collect();
        self.feed(Input::Desired { changes, anew: true });
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.keeper.next_timer().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.feed(Input::Timer);
            let next = self.keeper.next_timer().map(|(at, _)| at);
            assert!(next.is_none_or(|next| next > self.now), "a timer that has fired is due again");
        }
        self.now = end;
    }

    /// Our part of the kernel's table, and that of others.
    fn parts(&self) -> (Table, Table) {
        let ours = |(service, _): &(Service, Arc<Entry>)| match service {
            Service::Address { address, .. } => address.port() < OURS,
            Service::Fwmark { .. } => false,
        };
        self.kernel.table.clone().into_iter().partition(ours)
    }

    fn said(&self, what: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| what(event)).count()
    }
}

/// Refusals, other programs, a module that comes and goes, answers and records that are lost, kills: when all that is
/// over, the table is what is wanted, what is not ours is as others left it, and nothing more is changed.
#[test]
fn at_rest_the_table_is_what_is_wanted() {
    for seed in 0..800 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        let mut rate = || [0, 0, 50, 300][world.random.usize(0..4)];
        let [refused, unanswered, unrecorded, interrupted] = std::array::from_fn(|_| rate());
        world.faults = Faults { refused, unanswered, unrecorded, interrupted };
        for _step in 0..60 {
            let foreign = world.parts().1;
            let mut others = false;
            match world.random.u8(0..16) {
                0..=4 => world.desire(false),
                5 => world.desire(true),
                6..=8 => {
                    world.meddle();
                    others = true;
                }
                9 if world.random.bool() => {
                    world.kernel.unload();
                    world.kernel.loadable = world.random.bool();
                    others = true;
                }
                10 => world.kernel.load(),
                11 if world.keeper.record.is_none() => world.restart(),
                _ => world.pass(Duration::from_millis(world.random.clone().u64(0..20_000))),
            }
            assert!(others || world.parts().1 == foreign, "what is not ours was touched");
        }
        world.faults = Faults::default();
        world.kernel.load();
        let (_, foreign) = world.parts();
        world.pass(2 * REFUSED);
        assert_eq!(world.parts(), (world.keeper.desired.clone(), foreign));
        assert_eq!(world.record, world.keeper.desired.keys().copied().collect());
        assert_eq!(world.keeper.snapshot().leftovers, 0);
        assert!(!world.keeper.snapshot().unavailable);
        world.changes.clear();
        world.events.clear();
        world.pass(Duration::from_secs(30));
        assert_eq!(
            (&world.changes, &world.events),
            (&vec![], &vec![]),
            "nothing is wrong, and nothing is said"
        );
        world.feed(Input::Release { flush: false });
        assert!(world.parts().0.is_empty() && world.record.is_empty(), "a stop takes all of it away");
    }
}

/// As long as nobody else changes the table, no operation names what is right already.
#[test]
fn nothing_equal_is_named() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        world.strict = true;
        for _step in 0..40 {
            match world.random.u8(0..3) {
                0 => world.pass(Duration::from_secs(world.random.clone().u64(0..20))),
                1 => world.desire(world.random.clone().bool()),
                _ => world.restart(),
            }
            assert_eq!(world.kernel.table, world.keeper.desired);
        }
        let wrong = |event: &Event| !matches!(event, Event::Available { .. });
        assert_eq!(world.said(wrong), 0, "{:?}", world.events);
    }
}

fn started(servers: &[(u8, u32)]) -> World {
    let mut world = World::new(1);
    let changes = BTreeMap::from([(service(1), Some(entry(servers)))]);
    world.feed(Input::Desired { changes, anew: true });
    assert_eq!(world.kernel.table.len(), 1);
    assert_eq!(world.events, []);
    world
}

#[test]
fn a_module_that_is_loaded_anew_is_programmed_anew() {
    let mut world = started(&[(8, 1)]);
    let table = world.kernel.table.clone();
    world.kernel.unload();
    world.kernel.load();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.kernel.table, table);
    assert!(matches!(world.events[..], [Event::Reconnected { .. }]), "{:?}", world.events);
}

#[test]
fn a_module_that_is_gone_is_said_once_and_its_return_once() {
    let mut world = started(&[(8, 1)]);
    world.kernel.unload();
    world.kernel.loadable = false;
    world.pass(Duration::from_secs(600));
    let line = |world: &World| world.events.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lines = line(&world);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("1 virtual service does not run: this kernel has no IPVS"), "{lines:?}");
    // What the pools want meanwhile is there when it comes back.
    let changes = BTreeMap::from([(service(1), Some(entry(&[(8, 1), (9, 2)])))]);
    world.feed(Input::Desired { changes, anew: false });
    world.kernel.load();
    world.pass(REOPEN);
    assert_eq!(world.kernel.table, world.keeper.desired);
    assert_eq!(line(&world)[1..], ["IPVS is available: 1 virtual service is programmed"]);
    // A kernel that has IPVS, and not the scheduler.
    world.kernel.unload();
    world.pass(LOOK);
    world.faults.refused = 1000;
    world.kernel.load();
    world.pass(REOPEN);
    assert_eq!(line(&world).last().unwrap(), "IPVS is available: 0 virtual services are programmed");
}

#[test]
fn without_ipvs_at_the_start_it_is_said_and_tried_again() {
    let mut world = World::new(1);
    world.kernel = Kernel { family: 30, ..Kernel::default() };
    assert_eq!(world.keeper.next_timer(), None, "nobody needs it");
    let changes = BTreeMap::from([(service(1), Some(entry(&[(8, 1)]))), (service(2), Some(entry(&[])))]);
    world.feed(Input::Desired { changes, anew: true });
    assert_eq!(world.keeper.next_timer().map(|(_, why)| why), Some(Timer::Open));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.said(|event| matches!(event, Event::Unavailable { services: 2, .. })), 1);
    // Who reloads is told again.
    world.feed(Input::Desired { changes: BTreeMap::new(), anew: true });
    assert_eq!(world.said(|event| matches!(event, Event::Unavailable { .. })), 2);
    world.kernel.load();
    world.pass(REOPEN);
    assert_eq!(world.kernel.table, world.keeper.desired);
    assert_eq!(world.events.last(), Some(&Event::Available { services: 2 }));
}

#[test]
fn a_deletion_that_was_refused_is_tried_again_and_stays_ours() {
    let mut world = started(&[(8, 1)]);
    world.faults.refused = 1000;
    world.feed(Input::Desired { changes: BTreeMap::from([(service(1), None)]), anew: true });
    assert_eq!(world.kernel.table.len(), 1);
    assert_eq!(world.record, BTreeSet::from([service(1)]), "a start after a kill would delete it");
    assert_eq!(world.keeper.snapshot().leftovers, 1);
    world.faults.refused = 0;
    world.pass(REFUSED + LOOK);
    assert!(world.kernel.table.is_empty() && world.record.is_empty());
    let lines: Vec<String> = world.events.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["IPVS: deleting service [10.0.0.1]:tcp:1: the kernel is out of memory; tried again in 60 s"]
    );
    assert_eq!(world.keeper.next_timer(), None, "nothing is left to look after");
}

#[test]
fn what_was_refused_is_said_once_and_tried_each_minute() {
    let mut world = started(&[(8, 1)]);
    world.faults.refused = 1000;
    let servers: Vec<(u8, u32)> = (0..30).map(|last| (last, 1)).collect();
    world.feed(Input::Desired { changes: BTreeMap::from([(service(2), Some(entry(&servers)))]), anew: true });
    let refused = |world: &World| world.said(|event| matches!(event, Event::Refused(_)));
    assert_eq!(refused(&world), 1, "its destinations fail with it: {:?}", world.events);
    world.pass(Duration::from_secs(59));
    assert_eq!((refused(&world), world.events.len()), (1, 1), "{:?}", world.events);
    world.pass(Duration::from_secs(3));
    assert_eq!(refused(&world), 2);
    world.faults.refused = 0;
    world.pass(Duration::from_secs(62));
    assert_eq!(world.kernel.table, world.keeper.desired);
}

#[test]
fn many_refusals_are_a_few_lines() {
    let mut world = started(&[]);
    world.faults.refused = 1000;
    let servers: Vec<(u8, u32)> = (0..30).map(|last| (last, 1)).collect();
    world.feed(Input::Desired { changes: BTreeMap::from([(service(1), Some(entry(&servers)))]), anew: true });
    assert_eq!(world.said(|event| matches!(event, Event::Refused(_))), LINES);
    assert_eq!(world.events.last(), Some(&Event::MoreRefused(20)));
}

#[test]
fn answers_that_never_come_are_said_once() {
    let mut world = started(&[(8, 1)]);
    world.faults.unanswered = 1000;
    world.feed(Input::Desired {
        changes: BTreeMap::from([(service(1), Some(entry(&[(8, 2)])))]),
        anew: false,
    });
    world.pass(Duration::from_secs(60));
    let lines: Vec<String> = world.events.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["1 virtual service does not run: cannot reach IPVS: timed out; tried again every 5 s"]
    );
    world.faults.unanswered = 0;
    world.pass(REOPEN);
    assert_eq!(world.kernel.table, world.keeper.desired);
}

#[test]
fn another_program_is_set_back_within_two_seconds_and_named() {
    let mut world = started(&[(8, 1), (9, 1)]);
    let table = world.kernel.table.clone();
    type Edit = fn(&mut Table);
    let edits: [(Edit, &str); 3] = [
        (|table| table.clear(), "service [10.0.0.1]:tcp:1 was missing, added again"),
        (
            |table| {
                Arc::make_mut(table.get_mut(&service(1)).unwrap()).destinations.remove(&server(9));
            },
            "destination 10.0.1.9:80 of [10.0.0.1]:tcp:1 was missing, added again",
        ),
        (
            |table| {
                let entry = Arc::make_mut(table.get_mut(&service(1)).unwrap());
                entry.destinations.insert(server(7), destination(1));
            },
            "destination 10.0.1.7:80 of [10.0.0.1]:tcp:1 was added, deleted",
        ),
    ];
    for (edit, words) in edits {
        world.events.clear();
        edit(&mut world.kernel.table);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.kernel.table, table);
        let lines: Vec<String> = world.events.iter().map(ToString::to_string).collect();
        assert_eq!(lines, [format!("IPVS table changed by another program: {words}")]);
    }
}

#[test]
fn a_record_that_could_not_be_written_is_written_again() {
    let mut world = World::new(1);
    world.faults.unrecorded = 1000;
    world.feed(Input::Desired { changes: BTreeMap::from([(service(1), Some(entry(&[])))]), anew: true });
    world.pass(Duration::from_secs(60));
    assert_eq!(world.said(|event| matches!(event, Event::NotRecorded { .. })), 1);
    world.faults.unrecorded = 0;
    world.pass(REOPEN);
    assert_eq!(world.record, BTreeSet::from([service(1)]));
    world.faults.unrecorded = 1000;
    world.feed(Input::Desired { changes: BTreeMap::from([(service(2), Some(entry(&[])))]), anew: true });
    assert_eq!(world.said(|event| matches!(event, Event::NotRecorded { .. })), 2, "that is another failure");
}

#[test]
fn what_the_kernel_has_as_it_is_wanted_is_once_in_memory() {
    let mut world = started(&[(8, 1), (9, 1)]);
    let shared =
        |world: &World| Arc::ptr_eq(&world.keeper.actual[&service(1)], &world.keeper.desired[&service(1)]);
    assert!(shared(&world));
    Arc::make_mut(world.kernel.table.get_mut(&service(1)).unwrap()).destinations.clear();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.kernel.table, world.keeper.desired);
    assert!(shared(&world));
}

#[test]
fn a_start_that_flushes_deletes_what_others_have() {
    let mut world = World::new(1);
    let foreign = service(OURS - 1);
    let entry = entry(&[]);
    world.kernel.table.insert(foreign, Arc::clone(&entry));
    world.keeper = Keeper::new(world.now, BTreeSet::new()).flushing(true);
    world.feed(Input::Desired { changes: [(service(1), Some(Arc::clone(&entry)))].into(), anew: true });
    world.pass(Duration::from_secs(2));
    assert_eq!(world.kernel.table.keys().copied().collect::<Vec<_>>(), [service(1)]);
    assert_eq!(world.said(|event| *event == Event::Flushed { services: 1, flush: Flush::Start }), 1);
    // Once.
    world.kernel.table.insert(foreign, entry);
    world.pass(Duration::from_secs(5));
    assert!(world.kernel.table.contains_key(&foreign));
}

#[test]
fn a_stop_that_flushes_deletes_what_others_have() {
    for own in [false, true] {
        let mut world = World::new(1);
        let foreign = service(OURS - 1);
        let entry = entry(&[]);
        world.kernel.table.insert(foreign, Arc::clone(&entry));
        if own {
            let changes = [(service(1), Some(Arc::clone(&entry)))].into();
            world.feed(Input::Desired { changes, anew: true });
        }
        assert!(world.kernel.table.contains_key(&foreign));
        world.feed(Input::Release { flush: true });
        assert!(world.kernel.table.is_empty(), "own {own}");
        assert_eq!(world.said(|event| *event == Event::Flushed { services: 1, flush: Flush::Stop }), 1);
        assert!(world.record.is_empty());
    }
    // Without IPVS there is nothing to flush, and nobody to wait for.
    let mut world = World::new(1);
    (world.kernel.loaded, world.kernel.loadable) = (false, false);
    world.feed(Input::Release { flush: true });
    assert_eq!(world.keeper.next_timer(), None);
}

#[test]
fn what_a_module_without_its_scheduler_refused_is_tried_with_the_next_one() {
    let mut world = started(&[(8, 1)]);
    world.faults.refused = 1000;
    world.feed(Input::Desired {
        changes: BTreeMap::from([(service(2), Some(entry(&[(8, 1)])))]),
        anew: false,
    });
    assert_eq!(world.said(|event| matches!(event, Event::Refused(_))), 1);
    world.kernel.unload();
    world.kernel.loadable = false;
    world.pass(Duration::from_secs(3));
    assert_eq!(world.said(|event| matches!(event, Event::Unavailable { .. })), 1);
    world.faults.refused = 0;
    world.kernel.loadable = true;
    world.pass(REOPEN + Duration::from_secs(2));
    assert_eq!(world.kernel.table, world.keeper.desired);
}
