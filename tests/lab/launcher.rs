//! Outside: one User Mode Linux per scenario, a few at a time, one line each; whatever happens, none is left over.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::scenarios::{self, Needs, Scenario};

const USAGE: &str =
    "cargo test --test lab -- [filter…] [--list] [--jobs N] [--program directord|keepalived] [--show]

filter     run the scenarios whose name contains one of these words
--list     names and what they show, nothing is run
--jobs N   machines at a time (default: two, and up to four while the processors have time left)
--program  what runs on the directors (default directord)
--show     print what the scenario prints, as it happens (demo, bench)";

/// How often something is done, or what of it; without them what the suite does.
const WISHES: [&str; 5] = ["LAB_RESTARTS", "LAB_HANDOVERS", "LAB_KILLS", "LAB_FAULT", "LAB_LINES"];

/// What every scenario needs: a program, and the Debian package it comes in.
const PROGRAMS: &[(&str, &str)] = &[
    ("linux.uml", "user-mode-linux"),
    ("keepalived", "keepalived"),
    ("ipvsadm", "ipvsadm"),
    ("nginx", "nginx-light"),
    ("tcpdump", "tcpdump"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("setpriv", "util-linux"),
    ("insmod", "kmod"),
];

struct Options {
    filters: Vec<String>,
    list: bool,
    jobs: Option<usize>,
    program: String,
    show: bool,
}

enum Outcome {
    Ok,
    Failed(String),
    Skipped(String),
}

pub fn main(arguments: &[String]) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut chosen: Vec<Scenario> =
        scenarios::all().into_iter().filter(|each| options.chooses(each)).collect();
    // Those that may take long first: none of them is waited for alone at the end.
    chosen.sort_by_key(|scenario| std::cmp::Reverse(scenario.limit));
    if options.list {
        for scenario in &chosen {
            println!("{:<20} {}", scenario.name, scenario.says);
        }
        return ExitCode::SUCCESS;
    }
    if let Some(problem) = forgotten_package() {
        eprintln!("{problem}");
        return ExitCode::FAILURE;
    }
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/logs");
    let missing = missing_programs();
    let directord_runs = directord_runs();
    let attempt = |scenario: &Scenario, folder: &Path| {
        let start = Instant::now();
        let outcome = match obstacle(scenario, &options, &missing, directord_runs) {
            Some(reason) => Outcome::Skipped(reason),
            None => run(scenario, &options, folder),
        };
        report(scenario, &outcome, start.elapsed(), folder, options.show);
        outcome
    };
    let (mut passed, mut skipped) = (0, 0);
    let mut failed = Vec::new();
    for (scenario, outcome) in
        beside_each_other(&chosen, options.jobs, |scenario| attempt(scenario, &logs.join(scenario.name)))
    {
        match outcome {
            Outcome::Ok => passed += 1,
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(_) => failed.push(scenario),
        }
    }
    // What may have failed for want of a processor has all of them now; more than that is no accident.
    if failed.len() <= SECOND_ATTEMPTS && chosen.len() > SECOND_ATTEMPTS {
        failed.retain(|scenario| {
            println!("{:<22} is tried once more, alone", scenario.name);
            let outcome = attempt(scenario, &logs.join(format!("{}-again", scenario.name)));
            let passes = matches!(outcome, Outcome::Ok);
            if passes {
                passed += 1;
                println!("{:<22} passed at its second attempt only", scenario.name);
            }
            !passes
        });
    }
    println!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if !failed.is_empty() || (ci && skipped > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// So many scenarios may fail once.
const SECOND_ATTEMPTS: usize = 4;

/// Runs all of them, `jobs` at a time, or as many as there is time for. What came of each, in the order in which they ended.
fn beside_each_other(
    chosen: &[Scenario],
    jobs: Option<usize>,
    attempt: impl Fn(&Scenario) -> Outcome + Sync,
) -> Vec<(&Scenario, Outcome)> {
    let (least, most) = jobs.map_or((2, 4), |jobs| (jobs, jobs));
    let (told, ended) = std::sync::mpsc::channel();
    let mut waiting = chosen.iter();
    let mut outcomes = Vec::new();
    let mut processors = Processors::new();
    std::thread::scope(|scope| {
        let mut running = 0;
        while outcomes.len() < chosen.len() {
            while running < least || (running < most && processors.have_time()) {
                let Some(scenario) = waiting.next() else { break };
                let (told, attempt) = (told.clone(), &attempt);
                scope.spawn(move || told.send((scenario, attempt(scenario))));
                running += 1;
                processors = Processors::new();
            }
            if let Ok(outcome) = ended.recv_timeout(Duration::from_secs(1)) {
                outcomes.push(outcome);
                running -= 1;
            }
        }
    });
    outcomes
}

/// What the processors did since then.
struct Processors {
    since: Instant,
    busy: u64,
    all: u64,
}

impl Processors {
    /// As long as it takes until what was started last is done with its start.
    const WATCHED: Duration = Duration::from_secs(8);

    fn new() -> Self {
        let (busy, all) = Self::spent().unwrap_or_default();
        Self { since: Instant::now(), busy, all }
    }

    /// Whether more than half of their time was left in the last seconds.
    fn have_time(&mut self) -> bool {
        if self.since.elapsed() < Self::WATCHED {
            return false;
        }
        let before = std::mem::replace(self, Self::new());
        (self.busy - before.busy) * 2 < self.all - before.all
    }

    /// Ticks in which something was done that waits for nobody, and all of them (proc_stat(5)): not that of what is niced.
    fn spent() -> Option<(u64, u64)> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> =
            text.lines().next()?.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let &[user, nice, system, idle, disk, irq, softirq, steal, ..] = ticks.as_slice() else {
            return None;
        };
        let busy = user + system + irq + softirq + steal;
        Some((busy, busy + nice + idle + disk))
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options =
        Options { filters: Vec::new(), list: false, jobs: None, program: "directord".into(), show: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--list" => options.list = true,
            "--show" => options.show = true,
            "--jobs" => {
                let jobs = value()?.parse().ok().filter(|jobs| *jobs > 0);
                options.jobs = Some(jobs.ok_or("--jobs needs a number of at least 1")?);
            }
            "--program" => options.program = value()?,
            // Given by cargo and its wrappers to every test program.
            "--nocapture" | "--quiet" | "-q" => {}
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ => options.filters.push(word.clone()),
        }
    }
    if !["directord", "keepalived"].contains(&options.program.as_str()) {
        return Err(format!("--program {}: directord or keepalived", options.program));
    }
    Ok(options)
}

impl Options {
    fn chooses(&self, scenario: &Scenario) -> bool {
        match self.filters.is_empty() {
            true => !scenario.on_request,
            false => self.filters.iter().any(|word| match scenario.on_request {
                true => scenario.name == word,
                false => scenario.name.contains(word.as_str()),
            }),
        }
    }
}

/// Why a scenario cannot run here.
fn obstacle(
    scenario: &Scenario,
    options: &Options,
    missing: &[String],
    directord_runs: bool,
) -> Option<String> {
    if !is_root() {
        return Some("needs root: it starts a process namespace and reads files of root".into());
    }
    if !missing.is_empty() {
        return Some(format!("missing: {}", missing.join(", ")));
    }
    if let Some((program, package)) = scenario.extra.iter().find(|(program, _)| !installed(program)) {
        return Some(format!("missing: {program} (package {package})"));
    }
    let keepalived = options.program == "keepalived";
    match scenario.needs {
        // Named in full it is run all the same: to see how keepalived fares.
        Needs::Directord if keepalived && !options.filters.iter().any(|word| word == scenario.name) => {
            Some("shows what only directord promises".into())
        }
        Needs::Directord | Needs::Program if !keepalived && !directord_runs => {
            Some("directord has no --runtime-dir yet".into())
        }
        _ => None,
    }
}

/// A scenario would be left out on a fresh machine.
fn forgotten_package() -> Option<String> {
    let packages = include_str!("packages");
    let installs = |package: &str| {
        packages.split(|c: char| !"+-.".contains(c) && !c.is_alphanumeric()).any(|word| word == package)
    };
    let all = scenarios::all();
    let (scenario, package) = all
        .iter()
        .flat_map(|scenario| scenario.extra.iter().map(move |extra| (scenario.name, extra)))
        .find(|(_, (program, package))| !installs(program) && !installs(package))
        .map(|(name, (_, package))| (name, *package))?;
    Some(format!("{scenario} needs the package {package}, which tests/lab/packages does not install"))
}

fn missing_programs() -> Vec<String> {
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if !Path::new("/usr/lib/uml/modules").exists() {
        missing.push("/usr/lib/uml/modules (package user-mode-linux)".into());
    }
    missing
}

fn installed(program: &str) -> bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/frr"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

fn directord_runs() -> bool {
    let help = Command::new(env!("CARGO_BIN_EXE_directord")).arg("--help").stdin(Stdio::null()).output();
    help.is_ok_and(|output| {
        [output.stdout, output.stderr]
            .iter()
            .any(|text| String::from_utf8_lossy(text).contains("--runtime-dir"))
    })
}

fn run(scenario: &Scenario, options: &Options, folder: &Path) -> Outcome {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let mut machine = Machine::boot(scenario, options, folder);
    let mut show = options.show.then(|| Follow::new(folder.join("show")));
    let deadline = Instant::now() + scenario.limit;
    loop {
        if let Some(show) = &mut show {
            show.print_new();
        }
        if let Ok(result) = fs::read_to_string(folder.join("result")) {
            return match result.trim().strip_prefix("FAILED") {
                None => Outcome::Ok,
                Some(reason) => Outcome::Failed(reason.trim().to_string()),
            };
        }
        if machine.0.try_wait().unwrap().is_some() {
            return Outcome::Failed("the machine ended without a result (see its console)".into());
        }
        if Instant::now() > deadline {
            return Outcome::Failed(format!("still running after {} s", scenario.limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The machine's first process is root and reads the host's files as who started it.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A running User Mode Linux; dropping it pulls its plug.
struct Machine(Child);

impl Machine {
    fn boot(scenario: &Scenario, options: &Options, folder: &Path) -> Self {
        let console = fs::File::create(folder.join("console")).unwrap();
        let own = std::env::current_exe().unwrap();
        let child = Command::new("setpriv")
            // Its own process namespace: when the first process in it dies, so does all of the machine;
            // and it dies with this thread, whatever ends that.
            .args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "linux.uml"])
            .args([
                &format!("mem={}M", scenario.memory),
                "root=/dev/root",
                "rootfstype=hostfs",
                "rootflags=/",
                "ro",
            ])
            .arg(format!("init={}", own.display()))
            .args(["con0=null,fd:1", "con=null", "quiet"])
            .arg(format!("LAB_SCENARIO={}", scenario.name))
            .arg(format!("LAB_PROGRAM={}", options.program))
            .args(WISHES.map(|name| format!("{name}={}", std::env::var(name).unwrap_or_default())))
            .arg(format!("LAB_INIT={}", if scenario.systemd { "systemd" } else { "" }))
            .arg(format!("LAB_EXE={}", own.display()))
            .arg(format!("LAB_DIRECTORD={}", env!("CARGO_BIN_EXE_directord")))
            .arg(format!("LAB_RESULTS={}", folder.display()))
            // Its memory file stays off the disk.
            .env("TMPDIR", "/dev/shm")
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console)
            .spawn()
            .expect("setpriv starts");
        Self(child)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prints a growing file as it grows.
struct Follow {
    path: PathBuf,
    printed: u64,
}

impl Follow {
    fn new(path: PathBuf) -> Self {
        Self { path, printed: 0 }
    }

    fn print_new(&mut self) {
        let Ok(mut file) = fs::File::open(&self.path) else { return };
        let mut text = Vec::new();
        if file.seek(SeekFrom::Start(self.printed)).is_ok() && file.read_to_end(&mut text).is_ok() {
            self.printed += text.len() as u64;
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(&text).and_then(|()| out.flush());
        }
    }
}

fn report(scenario: &Scenario, outcome: &Outcome, took: Duration, folder: &Path, show: bool) {
    let mut out = std::io::stdout().lock();
    let seconds = took.as_secs_f64();
    let name = scenario.name;
    let _ = match outcome {
        Outcome::Ok if show => Ok(()),
        Outcome::Ok => writeln!(out, "{name:<22} ok      {seconds:6.1} s"),
        Outcome::Skipped(reason) => writeln!(out, "{name:<22} skipped {reason}"),
        Outcome::Failed(reason) => {
            let log = fs::read(folder.join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            // The scenario's own lines are what matters; the post mortem below them is in the file.
            let own: Vec<&str> = log.lines().take_while(|line| !line.starts_with("---- ")).collect();
            let tail = own[own.len().saturating_sub(15)..].join("\n    ");
            writeln!(
                out,
                "{name:<22} FAILED  {seconds:6.1} s  {reason}\n    {tail}\n    all of it: {}",
                folder.display()
            )
        }
    };
}
