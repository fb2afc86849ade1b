use super::*;
use crate::script::Identity;

fn subject(name: &str) -> Subject {
    Subject::Instance(name.to_owned())
}

fn program(name: &str) -> Option<Program> {
    let identity = Identity { uid: 0, gid: 0, groups: Vec::new() };
    Some(Program { arguments: vec![name.to_owned()], identity })
}

fn all() -> Commands {
    Commands {
        master: program("master"),
        backup: program("backup"),
        fault: program("fault"),
        stop: program("stop"),
        deleted: None,
        any: program("notify"),
        lower_priority: program("lower"),
        priority_changes: true,
        up: None,
        down: None,
    }
}

struct Bench {
    notifier: Notifier,
    now: Instant,
    /// Under way.
    runs: VecDeque<(Run, String)>,
    /// Every run that was started, in order.
    calls: Vec<String>,
    lines: Vec<String>,
    ended: Vec<Run>,
    said: Vec<String>,
}

impl Bench {
    fn new(instances: &[(&str, Commands)]) -> Self {
        let mut bench = Self {
            notifier: Notifier::default(),
            now: Instant::now(),
            runs: VecDeque::new(),
            calls: Vec::new(),
            lines: Vec::new(),
            ended: Vec::new(),
            said: Vec::new(),
        };
        bench.configure(instances);
        bench
    }

    fn configure(&mut self, instances: &[(&str, Commands)]) {
        let owned = |(name, commands): &(&str, Commands)| (subject(name), commands.clone());
        self.feed(Input::Configure(instances.iter().map(owned).collect()));
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.notifier.handle(self.now, input, &mut out);
        for action in out {
            match action {
                Action::Run { run, program } => {
                    self.calls.push(program.arguments.join(" "));
                    self.runs.push_back((run, program.arguments.join(" ")));
                }
                Action::End(run) => self.ended.push(run),
                Action::Write { line, .. } => self.lines.push(line.trim_end().to_owned()),
                Action::Report { event, .. } => self.said.push(event.to_string()),
            }
        }
    }

    fn told(&mut self, instance: &str, what: What) {
        self.feed(Input::Told { subject: subject(instance), what, priority: 100 });
    }

    fn enter(&mut self, instance: &str, state: State) {
        self.told(instance, What::Entered(state));
    }

    /// Ends the first run that is under way.
    fn end(&mut self) {
        let (run, _) = self.runs.pop_front().unwrap();
        self.feed(Input::Ended { run, ending: Ending::Exited(0) });
    }

    fn end_all(&mut self) {
        while !self.runs.is_empty() {
            self.end();
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.feed(Input::Timer);
    }
}

/// Spec §16: the script of the state without arguments, then `notify` with four, then the line.
#[test]
fn order_and_arguments_are_keepalived_s() {
    let mut bench = Bench::new(&[("VI_1", all())]);
    for state in [State::Backup, State::Master, State::Fault, State::Stop] {
        bench.enter("VI_1", state);
        bench.end_all();
    }
    assert_eq!(
        bench.calls,
        [
            "backup",
            "notify INSTANCE VI_1 BACKUP 100",
            "master",
            "notify INSTANCE VI_1 MASTER 100",
            "fault",
            "notify INSTANCE VI_1 FAULT 100",
            "stop",
            "notify INSTANCE VI_1 STOP 100",
        ]
    );
    let lines = ["BACKUP", "MASTER", "FAULT", "STOP"].map(|word| format!("INSTANCE \"VI_1\" {word} 100"));
    assert_eq!(bench.lines, lines);
    bench.lines.clear();
    bench.calls.clear();
    bench.told("VI_1", What::LowerPriority);
    bench.told("VI_1", What::Priority { master: true });
    bench.told("VI_1", What::Priority { master: false });
    assert_eq!(bench.calls, ["lower"]);
    let words = ["MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY"];
    assert_eq!(bench.lines, words.map(|word| format!("INSTANCE \"VI_1\" {word} 100")));
    let mut bench = Bench::new(&[("VI_1", Commands { priority_changes: false, ..all() })]);
    bench.told("VI_1", What::Priority { master: true });
    assert!(bench.lines.is_empty() && bench.calls.is_empty());
}

/// Its reader may have come with the daemon.
#[test]
fn of_who_leads_on_after_a_restart_the_fifo_alone_is_told() {
    let mut bench = Bench::new(&[("VI_1", all())]);
    bench.told("VI_1", What::Resumed);
    assert_eq!((bench.calls.len(), bench.runs.len()), (0, 0));
    assert_eq!(bench.lines, ["INSTANCE \"VI_1\" MASTER 100 RESUMED"]);
    assert_eq!(bench.notifier.snapshot()[0].state, Some((State::Master, 100)));
    // What comes then is told as ever.
    bench.enter("VI_1", State::Backup);
    assert_eq!(bench.calls, ["backup"]);
}

/// Trace 25 of keepalived 2.4.3.
#[test]
fn who_is_removed_is_told_as_deleted_only_when_that_is_asked_for() {
    let with = |deleted| Commands { deleted, ..all() };
    let mut bench =
        Bench::new(&[("A", with(Some(program("deleted")))), ("B", with(None)), ("C", with(Some(None)))]);
    for name in ["A", "B", "C"] {
        bench.enter(name, State::Master);
        bench.end_all();
    }
    bench.calls.clear();
    bench.lines.clear();
    bench.configure(&[]);
    for name in ["A", "B", "C"] {
        bench.enter(name, State::Deleted);
        bench.end_all();
    }
    assert_eq!(
        bench.calls,
        [
            "deleted",
            "notify INSTANCE A DELETED 100",
            "notify INSTANCE B FAULT 100",
            "notify INSTANCE C DELETED 100"
        ]
    );
    assert_eq!(bench.lines[1], "INSTANCE \"B\" FAULT 100");
    assert!(bench.notifier.snapshot().is_empty(), "nobody is remembered");
    // An instance that has another name has no last word under its old one.
    bench.configure(&[("old", all())]);
    bench.enter("old", State::Backup);
    bench.end_all();
    bench.configure(&[("new", all())]);
    assert_eq!(bench.notifier.snapshot().len(), 2);
    bench.configure(&[("new", all())]);
    assert_eq!(bench.notifier.snapshot().len(), 1);
}

#[test]
fn scripts_of_one_instance_never_overlap_and_begin_in_the_order_of_all() {
    let mut bench = Bench::new(&[("A", all()), ("B", all())]);
    bench.enter("A", State::Backup);
    bench.enter("B", State::Backup);
    // B would be free, and A comes first.
    assert_eq!(bench.calls, ["backup"]);
    bench.end();
    assert_eq!(bench.calls, ["backup", "notify INSTANCE A BACKUP 100", "backup"]);
    bench.end_all();
    assert_eq!(bench.calls.len(), 4);
    // A slow one holds up the other instance for a moment only.
    bench.enter("A", State::Master);
    bench.enter("B", State::Master);
    assert_eq!(
        (bench.calls.len(), bench.notifier.next_timer()),
        (5, Some((bench.now + ORDER, Timer::Order)))
    );
    bench.wait(ORDER);
    assert_eq!(bench.calls[5..], ["master"]);
    assert_eq!(bench.runs.len(), 2);
}

#[test]
fn a_script_that_hangs_is_ended_and_the_last_state_wins() {
    let mut bench = Bench::new(&[("A", all())]);
    bench.enter("A", State::Master);
    bench.wait(HANGS * 100);
    assert!(bench.ended.is_empty(), "it may take its time while there is nothing newer");
    for state in [State::Backup, State::Fault, State::Backup] {
        bench.enter("A", state);
        bench.told("A", What::LowerPriority);
    }
    let at = bench.now + HANGS;
    assert_eq!(bench.notifier.next_timer(), Some((at, Timer::Hangs)));
    bench.wait(HANGS);
    let (run, _) = bench.runs.pop_front().unwrap();
    assert_eq!(bench.ended, [run]);
    bench.wait(HANGS);
    assert_eq!(bench.ended, [run], "once");
    bench.calls.clear();
    bench.feed(Input::Ended { run, ending: Ending::Stopped });
    bench.end_all();
    assert_eq!(bench.calls, ["backup", "notify INSTANCE A BACKUP 100", "lower"]);
    assert!(bench.said[0].contains("master hung") && bench.said[0].contains("7 runs"), "{:?}", bench.said);
    assert!(bench.notifier.is_idle());
}

#[test]
fn at_a_stop_nobody_has_much_time() {
    let mut bench = Bench::new(&[("A", all())]);
    bench.enter("A", State::Master);
    bench.feed(Input::Stop);
    bench.enter("A", State::Stop);
    assert_eq!(bench.notifier.next_timer().unwrap().0, bench.now + HANGS_AT_STOP);
    bench.wait(HANGS_AT_STOP);
    let (run, _) = bench.runs.pop_front().unwrap();
    bench.feed(Input::Ended { run, ending: Ending::Stopped });
    assert_eq!(bench.calls, ["master", "stop"]);
}

/// A slow script and a backlog: STOP is told next, and what is not told is counted.
#[test]
fn at_a_stop_a_backlog_shrinks_to_the_last_state_and_what_is_short_is_told() {
    for stop_comes_first in [false, true] {
        let mut bench = Bench::new(&[("A", all()), ("B", all())]);
        for _round in 0..30 {
            bench.enter("A", State::Master);
            bench.enter("A", State::Backup);
        }
        bench.enter("B", State::Master);
        if stop_comes_first {
            bench.feed(Input::Stop);
        }
        bench.enter("A", State::Stop);
        bench.enter("B", State::Stop);
        if !stop_comes_first {
            bench.feed(Input::Stop);
        }
        bench.end_all();
        for name in ["A", "B"] {
            let last = format!("notify INSTANCE {name} STOP 100");
            assert_eq!(bench.calls.iter().filter(|call| **call == last).count(), 1, "{:?}", bench.calls);
        }
        assert!(bench.calls.len() <= 10, "{:?}", bench.calls);
        let last = "notify INSTANCE B MASTER 100";
        assert!(
            bench.calls.iter().any(|call| call == last),
            "a master of a moment is told: {:?}",
            bench.calls
        );
        let skipped = |said: &String| said.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
        let skipped: usize = bench.said.iter().map(skipped).sum();
        assert_eq!(bench.calls.len() + skipped, 30 * 4 + 2 + 4, "{:?} {:?}", bench.calls, bench.said);
        assert!(bench.notifier.is_idle());
    }
}

/// What is no state waits once, however often it happens while a script hangs.
#[test]
fn what_is_no_state_does_not_pile_up() {
    let mut bench = Bench::new(&[("A", all())]);
    bench.enter("A", State::Master);
    for _round in 0..3000 {
        bench.told("A", What::LowerPriority);
        assert!(bench.notifier.snapshot()[0].waiting <= MOST);
    }
    assert!(bench.said.len() <= 3, "{:?}", bench.said);
    bench.end_all();
    assert_eq!(bench.calls[..2], ["master", "notify INSTANCE A MASTER 100"]);
    assert_eq!(bench.calls.last().unwrap(), "lower");
}

#[test]
fn what_waits_is_bounded_and_ends_with_the_last_state() {
    let mut bench = Bench::new(&[("A", all())]);
    for round in 0..3000 {
        bench.enter("A", if round % 2 == 0 { State::Master } else { State::Backup });
        assert!(bench.notifier.snapshot()[0].waiting <= MOST + 2);
    }
    bench.end_all();
    assert_eq!(bench.calls.last().unwrap(), "notify INSTANCE A BACKUP 100");
    assert_eq!(bench.lines.len(), 3000);
}

/// A thousand random transitions of several instances, with scripts of random length: each one is told once, in order.
#[test]
fn none_is_lost_and_none_overtakes() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(&[("A", all()), ("B", all()), ("C", all())]);
        let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for _step in 0..1000 {
            let name = ["A", "B", "C"][random.usize(0..3)];
            let state = [State::Master, State::Backup, State::Fault][random.usize(0..3)];
            expected.entry(name).or_default().push(state.word());
            bench.enter(name, state);
            while random.u8(0..4) > 0 && !bench.runs.is_empty() {
                let at = random.usize(0..bench.runs.len());
                bench.runs.swap(0, at);
                bench.end();
                bench.wait(Duration::from_millis(random.u64(0..100)));
            }
        }
        bench.end_all();
        for (name, expected) in expected {
            let mark = format!("notify INSTANCE {name} ");
            let calls = bench.calls.iter().filter_map(|call| call.strip_prefix(&mark));
            let told: Vec<&str> = calls.filter_map(|rest| rest.split(' ').next()).collect();
            assert_eq!(told, expected, "seed {seed}, {name}");
        }
        assert!(bench.notifier.is_idle() && bench.said.is_empty());
    }
}

#[test]
fn the_present_state_is_there_for_a_reader_that_comes_late() {
    let mut bench = Bench::new(&[("A", all()), ("B", all())]);
    bench.enter("A", State::Backup);
    bench.enter("A", State::Master);
    assert_eq!(bench.notifier.states(), [(subject("A"), "INSTANCE \"A\" MASTER 100\n".to_owned())]);
}

fn server(number: usize) -> Subject {
    Subject::Server { service: "[10.0.0.1]:tcp:80".into(), server: format!("[10.0.1.{number}]:tcp:80") }
}

/// A bench for so many servers, each with scripts of its own.
fn servers(count: usize, limit: usize) -> Bench {
    let mut bench = Bench::new(&[]);
    bench.notifier = Notifier::limited(limit);
    let commands = |number: usize| {
        let (up, down) = (program(&format!("up {number}")), program(&format!("down {number}")));
        (server(number), Commands { up, down, ..Commands::default() })
    };
    bench.feed(Input::Configure((0..count).map(commands).collect()));
    bench
}

impl Bench {
    fn serves(&mut self, subject: Subject, up: bool) {
        self.feed(Input::Told { subject, what: What::Serves(up), priority: 0 });
    }
}

#[test]
fn servers_are_told_in_the_words_of_keepalived() {
    let mut bench = servers(1, 10);
    let service = Subject::Service("[10.0.0.1]:tcp:80".into());
    bench.serves(server(0), false);
    bench.serves(service.clone(), false);
    bench.end_all();
    bench.serves(server(0), true);
    bench.serves(service, true);
    bench.end_all();
    assert_eq!(bench.calls, ["down 0", "up 0"], "without arguments of ours");
    let expected = [
        "RS [10.0.1.0]:tcp:80 [10.0.0.1]:tcp:80 DOWN",
        "VS [10.0.0.1]:tcp:80 DOWN",
        "RS [10.0.1.0]:tcp:80 [10.0.0.1]:tcp:80 UP",
        "VS [10.0.0.1]:tcp:80 UP",
    ];
    assert_eq!(bench.lines, expected);
    let states: Vec<String> = bench.notifier.states().into_iter().map(|(_, line)| line).collect();
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|line| line.ends_with("UP\n")));
}

#[test]
fn thousands_that_go_down_at_once_run_a_few_scripts_at_a_time() {
    let mut bench = servers(3000, 100);
    for number in 0..3000 {
        bench.serves(server(number), false);
    }
    assert_eq!(bench.runs.len(), 100);
    let mut most = 0;
    while !bench.runs.is_empty() {
        most = most.max(bench.runs.len());
        bench.end();
    }
    assert_eq!((most, bench.calls.len()), (100, 3000));
    assert!(bench.notifier.is_idle() && bench.notifier.next_timer().is_none());
    let order: Vec<String> = (0..3000).map(|number| format!("down {number}")).collect();
    assert_eq!(bench.calls, order, "in the order of what happened");
}

#[test]
fn scripts_that_hang_keep_their_places_no_longer_than_others_can_wait() {
    let mut bench = servers(10, 3);
    for number in 0..10 {
        bench.serves(server(number), false);
    }
    // Nothing newer is to be told to them, but others wait.
    bench.wait(HANGS - Duration::from_secs(1));
    assert!(bench.ended.is_empty());
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.ended.len(), 3);
    for _ in 0..3 {
        let (run, _) = bench.runs.pop_front().unwrap();
        bench.feed(Input::Ended { run, ending: Ending::TimedOut });
    }
    assert_eq!(bench.runs.len(), 3, "the next ones");
    bench.end_all();
    assert_eq!(bench.calls.len(), 10, "none is lost");
    // When nobody waits they may take as long as they like.
    bench.ended.clear();
    bench.serves(server(0), true);
    bench.wait(HANGS * 10);
    assert!(bench.ended.is_empty() && bench.runs.len() == 1);
}

#[test]
fn a_server_that_a_reload_takes_away_is_told_by_what_it_had() {
    let mut bench = servers(2, 10);
    bench.serves(server(0), true);
    bench.serves(server(1), true);
    bench.end_all();
    bench.calls.clear();
    let commands = Commands { down: program("other"), ..Commands::default() };
    bench.feed(Input::Configure([(server(0), commands)].into()));
    bench.serves(server(0), false);
    bench.serves(server(1), false);
    bench.end_all();
    assert_eq!(bench.calls, ["other", "down 1"]);
    let known: Vec<Subject> = bench.notifier.snapshot().into_iter().map(|one| one.subject).collect();
    assert_eq!(known, [server(0)], "the other one is forgotten");
}
