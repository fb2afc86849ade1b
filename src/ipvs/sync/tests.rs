use std::collections::VecDeque;

use super::*;
use crate::config::model::InterfaceName;

/// The kernel's side, as `ip_vs_sync.c` answers.
#[derive(Debug, Default)]
struct Kernel {
    daemons: Daemons,
    loaded: bool,
    loadable: bool,
    /// Changes each time the module is loaded.
    family: u16,
    known: u16,
    /// Interfaces with an address.
    interfaces: BTreeSet<String>,
    /// It says that it did, and does not.
    lies: bool,
}

impl Kernel {
    fn open(&mut self) -> Result<(), Unavailable> {
        if !self.loaded && self.loadable {
            (self.loaded, self.family) = (true, self.family + 1);
        }
        self.known = self.family;
        self.loaded.then_some(()).ok_or(Unavailable::NoModule)
    }

    fn unload(&mut self) {
        self.loaded = false;
        self.daemons.clear();
    }

    fn reachable(&self) -> io::Result<()> {
        let reachable = self.loaded && self.known == self.family;
        reachable.then_some(()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn apply(&mut self, operation: &Operation) -> i32 {
        match operation {
            _ if self.lies => 0,
            Operation::Stop(role) => self.daemons.remove(role).map_or(libc::ESRCH, |_| 0),
            Operation::Start(role, _) if self.daemons.contains_key(role) => libc::EEXIST,
            Operation::Start(_, settings) if !self.interfaces.contains(&settings.interface) => libc::ENODEV,
            Operation::Start(role, settings) => {
                self.daemons.insert(*role, running(*role, settings));
                0
            }
        }
    }
}

/// What the kernel makes of settings, with an interface of 1500 bytes.
fn running(role: Role, settings: &Settings) -> Running {
    let group = settings.group.unwrap_or(GROUP);
    let headers = if group.is_ipv6() { 48 } else { 28 };
    let smallest = if role == Role::Backup { 1024 } else { 1 };
    let length = |length: u16| length.clamp(smallest, 65_535 - headers);
    Running {
        interface: settings.interface.clone(),
        id: settings.id.into(),
        max_length: settings.max_length.map_or(1500 - headers, length),
        port: settings.port.unwrap_or(8848),
        ttl: settings.ttl.unwrap_or(1),
        group,
    }
}

struct World {
    machine: Synchroniser,
    kernel: Kernel,
    now: Instant,
    record: BTreeSet<Role>,
    events: Vec<Event>,
    changes: Vec<Operation>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let interfaces = ["eth0", "eth1"].map(str::to_owned).into();
        let kernel = Kernel { loaded: true, loadable: true, interfaces, ..Kernel::default() };
        let machine = Synchroniser::new(now, BTreeSet::new());
        Self { machine, kernel, now, record: BTreeSet::new(), events: Vec::new(), changes: Vec::new() }
    }

    /// Killed, and started again: the kernel and the record stay.
    fn kill(&mut self) {
        self.machine = Synchroniser::new(self.now, self.record.clone());
    }

    fn feed(&mut self, input: Input) {
        let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
        let mut steps = 0;
        while let Some(input) = inputs.pop_front() {
            steps += 1;
            assert!(steps < 20, "no end of it");
            self.machine.handle(self.now, input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.carry_out(action));
            }
        }
        assert_eq!(self.machine.awaited, Awaited::Nothing, "an answer is awaited that nobody gives");
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open => Some(Input::Opened(self.kernel.open())),
            Action::Look => {
                let daemons = self.kernel.reachable().map(|()| self.kernel.daemons.clone());
                Some(Input::Looked(daemons))
            }
            Action::Change(operations) => {
                if let Err(error) = self.kernel.reachable() {
                    return Some(Input::Changed(Err(error)));
                }
                for operation in &operations {
                    assert!(
                        self.record.contains(&operation.role())
                            || self.kernel.daemons.contains_key(&operation.role()),
                        "started before it was recorded"
                    );
                }
                let answers = operations.iter().map(|operation| self.kernel.apply(operation)).collect();
                self.changes.extend(operations);
                Some(Input::Changed(Ok(answers)))
            }
            Action::Record(roles) => {
                self.record = roles;
                None
            }
            Action::Report(event) => {
                self.events.push(event);
                None
            }
        }
    }

    fn want(&mut self, roles: &[Role], settings: &Settings) {
        self.desire(roles, settings, false);
    }

    fn desire(&mut self, roles: &[Role], settings: &Settings, anew: bool) {
        let daemons = roles.iter().map(|role| (*role, settings.clone())).collect();
        self.feed(Input::Desired { daemons, anew });
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.machine.next_timer().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.feed(Input::Timer);
        }
        self.now = end;
    }

    fn lines(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| event.to_string()).collect()
    }

    fn runs(&self, role: Role, settings: &Settings) -> bool {
        self.kernel.daemons.get(&role).is_some_and(|running| settings.are(role, running))
    }
}

fn on(interface: &str, id: u8) -> Settings {
    let interface = interface.to_owned();
    Settings { interface, id, max_length: None, port: None, ttl: None, group: None }
}

use Role::{Backup, Master};

#[test]
fn it_follows_from_backup_to_master_and_back() {
    let mut world = World::new();
    let settings = on("eth0", 51);
    world.desire(&[Backup], &settings, true);
    assert_eq!(world.lines(), ["IPVS sync daemon: backup on eth0, id 51"]);
    world.want(&[Master], &settings);
    // Stopped first.
    let expected = [Operation::Stop(Backup), Operation::Start(Master, settings.clone())];
    assert_eq!(world.changes[1..], expected);
    assert_eq!(
        world.lines(),
        ["IPVS sync daemon: backup stopped", "IPVS sync daemon: master on eth0, id 51"]
    );
    world.want(&[Backup], &settings);
    assert!(world.runs(Backup, &settings) && world.kernel.daemons.len() == 1);
    let changes = world.changes.len();
    // Equal in both: never touched.
    world.desire(&[Backup], &settings, true);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.changes.len(), changes);
    world.desire(&[], &settings, true);
    assert!(world.kernel.daemons.is_empty() && world.record.is_empty());
    assert_eq!(world.machine.next_timer(), None);
}

#[test]
fn without_an_instance_both_run() {
    let mut world = World::new();
    let settings = on("eth0", 0);
    world.desire(&[Master, Backup], &settings, true);
    assert!(world.runs(Master, &settings) && world.runs(Backup, &settings));
}

#[test]
fn a_parameter_that_differs_restarts_and_an_equal_one_does_not() {
    let group = |text: &str| Some(text.parse().unwrap());
    let plain = on("eth0", 1);
    let others = [
        on("eth1", 1),
        on("eth0", 2),
        Settings { max_length: Some(1400), ..plain.clone() },
        Settings { max_length: Some(9000), ..plain.clone() },
        Settings { port: Some(9000), ..plain.clone() },
        Settings { ttl: Some(3), ..plain.clone() },
        Settings { group: group("224.0.0.82"), ..plain.clone() },
        Settings { group: group("ff02::81"), ..plain.clone() },
    ];
    for role in [Master, Backup] {
        for other in &others {
            let mut world = World::new();
            for (number, settings) in [&plain, other, &plain].into_iter().enumerate() {
                world.desire(&[role], settings, true);
                assert!(world.runs(role, settings), "{role} {other}");
                assert_eq!(world.changes.len(), 1 + 2 * number, "{role} {other}");
            }
            assert_eq!(world.events.len(), 3, "a restart is one line");
        }
        // What the kernel has by itself, written down.
        let written =
            Settings { port: Some(8848), ttl: Some(1), group: group("224.0.0.81"), ..plain.clone() };
        let mut world = World::new();
        world.desire(&[role], &plain, true);
        world.desire(&[role], &written, true);
        assert_eq!(world.changes.len(), 1);
    }
}

#[test]
fn what_the_kernel_makes_of_a_length_is_right() {
    for role in [Master, Backup] {
        for length in [1, 500, 1023, 1024, 1472, 9000, 65_507] {
            for group in [None, Some("ff02::81".parse().unwrap())] {
                let settings = Settings { max_length: Some(length), group, ..on("eth0", 1) };
                assert!(settings.are(role, &running(role, &settings)), "{role} {settings}");
            }
        }
    }
    // An interface with large frames.
    let jumbo = Running { max_length: 8972, ..running(Backup, &on("eth0", 1)) };
    assert!(on("eth0", 1).are(Backup, &jumbo) && !on("eth0", 1).are(Master, &jumbo));
}

#[test]
fn what_another_program_does_is_set_back_and_told() {
    let mut world = World::new();
    let settings = on("eth0", 51);
    world.desire(&[Master], &settings, true);
    world.lines();
    world.kernel.daemons.clear();
    world.pass(LOOK);
    assert!(world.runs(Master, &settings));
    assert_eq!(world.lines()[0], "IPVS sync daemon: another program stopped the master, started again");
    world.kernel.daemons.insert(Master, running(Master, &on("eth1", 7)));
    world.kernel.daemons.insert(Backup, running(Backup, &settings));
    world.pass(LOOK);
    assert!(world.runs(Master, &settings) && world.kernel.daemons.len() == 1);
    let lines = world.lines();
    assert_eq!(
        lines[..2],
        [
            "IPVS sync daemon: another program has the master on eth1, id 7, maxlen 1472, port 8848, ttl 1, group \
             224.0.0.81, set back",
            "IPVS sync daemon: another program started the backup, stopped"
        ]
    );
    world.pass(Duration::from_secs(60));
    assert!(world.events.is_empty());
}

#[test]
fn what_is_not_ours_stays_while_nothing_is_configured() {
    let mut world = World::new();
    world.kernel.daemons.insert(Master, running(Master, &on("eth0", 7)));
    world.desire(&[], &on("eth0", 1), true);
    world.pass(Duration::from_secs(60));
    assert!(world.changes.is_empty() && world.kernel.daemons.len() == 1);
}

#[test]
fn a_killed_daemon_is_followed_by_one_that_knows() {
    let mut world = World::new();
    let settings = on("eth0", 51);
    world.desire(&[Backup], &settings, true);
    world.kill();
    world.desire(&[Backup], &settings, true);
    assert_eq!(world.changes.len(), 1, "it is taken over as it is");
    world.want(&[Master], &settings);
    world.kill();
    // The configuration has it no more.
    world.desire(&[], &settings, true);
    assert!(world.kernel.daemons.is_empty() && world.record.is_empty());
}

#[test]
fn a_refusal_is_told_once_and_tried_again() {
    let mut world = World::new();
    let settings = on("eth9", 51);
    world.desire(&[Backup], &settings, true);
    let line = "IPVS sync daemon: starting the backup on eth9, id 51: interface eth9 does not exist; tried again \
                every 5 s";
    assert_eq!(world.lines(), [line]);
    assert_eq!(world.machine.trouble(), Some("interface eth9 does not exist"));
    world.pass(Duration::from_secs(60));
    assert!(world.events.is_empty());
    let tries = world.changes.len();
    assert!((9..=12).contains(&tries), "{tries}");
    world.desire(&[Backup], &settings, true);
    assert_eq!(world.lines(), [line], "who reloads is told again");
    world.kernel.interfaces.insert("eth9".into());
    world.pass(RETRY + LOOK);
    assert_eq!(world.lines(), ["IPVS sync daemon: backup on eth9, id 51"]);
    assert_eq!(world.machine.trouble(), None);
}

#[test]
fn an_answer_is_not_believed_before_it_is_seen() {
    let mut world = World::new();
    world.kernel.lies = true;
    world.desire(&[Master], &on("eth0", 1), true);
    world.pass(Duration::from_secs(30));
    let lines = world.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the kernel took it, and it does not run"), "{lines:?}");
    world.kernel.lies = false;
    world.pass(RETRY + LOOK);
    assert!(world.runs(Master, &on("eth0", 1)));
}

#[test]
fn ipvs_may_go_and_come_back() {
    let mut world = World::new();
    let settings = on("eth0", 51);
    world.desire(&[Master], &settings, true);
    world.lines();
    // Loaded anew: nobody did anything to the daemon.
    world.kernel.unload();
    world.pass(LOOK);
    assert!(world.runs(Master, &settings));
    assert_eq!(world.lines(), ["IPVS sync daemon: master on eth0, id 51"]);
    world.kernel.loadable = false;
    world.kernel.unload();
    world.pass(Duration::from_secs(60));
    let lines = world.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("connections are not synchronised: this kernel has no IPVS"), "{lines:?}");
    world.kernel.loadable = true;
    world.pass(RETRY);
    assert_eq!(
        world.lines(),
        ["IPVS sync daemon: IPVS is available", "IPVS sync daemon: master on eth0, id 51"]
    );
    // Nothing is wanted of one that is away.
    world.kernel.loadable = false;
    world.kernel.unload();
    world.desire(&[], &settings, true);
    assert_eq!(world.machine.next_timer(), None);
}

/// Reloads, transitions, other programs, interfaces and modules that come and go, kills: in the end it is as it is wanted.
#[test]
fn whatever_happens_it_ends_as_it_is_wanted() {
    for seed in 0..2000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        let mut wanted: (Vec<Role>, Settings) = (Vec::new(), on("eth0", 1));
        for _ in 0..random.usize(1..30) {
            let settings = Settings {
                interface: ["eth0", "eth1", "eth2"][random.usize(0..3)].to_owned(),
                max_length: [None, Some(800), Some(2000)][random.usize(0..3)],
                ..on("eth0", random.u8(0..3))
            };
            match random.u8(0..9) {
                0..3 => {
                    let roles = [vec![], vec![Master], vec![Backup], vec![Master, Backup]];
                    wanted = (roles[random.usize(0..4)].clone(), settings);
                    world.desire(&wanted.0, &wanted.1, random.bool());
                }
                3 => drop(world.kernel.daemons.remove(&[Master, Backup][random.usize(0..2)])),
                4 if world.kernel.loaded => {
                    let role = [Master, Backup][random.usize(0..2)];
                    world.kernel.daemons.insert(role, running(role, &settings));
                }
                5 => {
                    world.kernel.unload();
                    world.kernel.loadable = random.bool();
                }
                6 => {
                    world.kill();
                    world.desire(&wanted.0, &wanted.1, true);
                }
                7 => drop(world.kernel.interfaces.remove("eth2")),
                _ => world.pass(Duration::from_secs(random.u64(0..8))),
            }
        }
        world.kernel.loadable = true;
        world.kernel.interfaces.insert("eth2".to_owned());
        world.pass(RETRY * 3);
        world.pass(RETRY * 3);
        let (roles, settings) = &wanted;
        assert!(roles.iter().all(|role| world.runs(*role, settings)), "seed {seed}");
        if !roles.is_empty() {
            assert_eq!(world.kernel.daemons.len(), roles.len(), "seed {seed}");
        }
        assert_eq!(world.record, roles.iter().copied().collect(), "seed {seed}");
        let changes = world.changes.len();
        world.pass(Duration::from_secs(30));
        assert_eq!(world.changes.len(), changes, "seed {seed}: it does not come to rest");
    }
}

#[test]
fn the_role_is_that_of_the_instance_and_without_one_both_run() {
    let config = |instance: Option<&str>| SyncDaemon {
        interface: InterfaceName::new("eth1").unwrap(),
        instance: instance.map(str::to_owned),
        id: None,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let roles =
        |config: Option<&SyncDaemon>, master| wanted(config, master).into_keys().collect::<Vec<Role>>();
    for master in [false, true] {
        assert_eq!(roles(None, master), []);
        assert_eq!(roles(Some(&config(None)), master), [Role::Master, Role::Backup]);
        let own = if master { Role::Master } else { Role::Backup };
        assert_eq!(roles(Some(&config(Some("VI_1"))), master), [own]);
    }
}
