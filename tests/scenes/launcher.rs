//! Outside: many plays side by side, since they mostly wait, each in namespaces that end with it, whatever ends it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::ears::tail;
use crate::node::Program;
use crate::play::logs;
use crate::scene::{self, Scene};

const USAGE: &str =
    "cargo test --test scenes -- [filter…] [--list] [--jobs N] [--program directord|keepalived] [--record]

filter     play the scenes whose name contains one of these words
--list     names and what they show, nothing is played
--jobs N   plays at a time (default 10)
--program  in the role of A (default both, one after the other)
--record   print what is seen, and do not judge it";

/// A program, and the Debian package it comes in.
const PROGRAMS: &[(&str, &str)] = &[
    ("keepalived", "keepalived"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// No play takes so long.
const LIMIT: Duration = Duration::from_secs(400);

struct Options {
    filters: Vec<String>,
    list: bool,
    jobs: usize,
    programs: Vec<Program>,
    record: bool,
}

pub fn main(arguments: &[String]) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut scenes = match scene::all() {
        Ok(scenes) => scenes,
        Err(problem) => {
            println!("{problem}\n0 passed, 1 failed, 0 skipped");
            return ExitCode::FAILURE;
        }
    };
    scenes.retain(|scene| options.chooses(scene));
    if options.list {
        scenes.iter().for_each(|scene| println!("{:<24} {}", scene.name, scene.what));
        return ExitCode::SUCCESS;
    }
    let plays =
        || scenes.iter().flat_map(|scene| options.programs.iter().map(move |program| (scene, *program)));
    let queue = Mutex::new(plays().collect::<VecDeque<_>>());
    let results = Mutex::new([0_usize; 3]);
    let obstacle = obstacle();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                loop {
                    let Some((scene, program)) = queue.lock().unwrap().pop_front() else { break };
                    let outcome = match &obstacle {
                        Some(reason) => Outcome::Skipped(reason.clone()),
                        None => play(scene, program, options.record),
                    };
                    results.lock().unwrap()[outcome.report(scene, program)] += 1;
                }
            });
        }
    });
    let [passed, failed, skipped] = *results.lock().unwrap();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if failed > 0 || (ci && skipped > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let programs = Program::BOTH.to_vec();
    let mut options = Options { filters: Vec::new(), list: false, jobs: 10, programs, record: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--list" => options.list = true,
            "--record" => options.record = true,
            "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs needs a number".to_owned())?,
            "--program" => {
                let name = value()?;
                options.programs.retain(|program| program.name() == name);
                if options.programs.is_empty() {
                    return Err(format!("--program {name}: directord or keepalived"));
                }
            }
            // Given by cargo and its wrappers to every test program.
            "--nocapture" | "--quiet" | "-q" => {}
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ => options.filters.push(word.clone()),
        }
    }
    Ok(options)
}

impl Options {
    fn chooses(&self, scene: &Scene) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|word| scene.name.contains(word.as_str()))
    }
}

/// Why nothing can be played here.
fn obstacle() -> Option<String> {
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Some("needs root: it makes namespaces".to_owned());
    }
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let installed = |program: &str| folders.iter().any(|folder| Path::new(folder).join(program).exists());
    if let Some((program, package)) = PROGRAMS.iter().find(|(program, _)| !installed(program)) {
        return Some(format!("missing: {program} (package {package})"));
    }
    let version = Command::new("keepalived").arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&version.stderr).into_owned();
    let first = text.lines().next().unwrap_or_default().to_owned();
    (!first.contains("v2.2.7")).then(|| format!("the scenes know keepalived 2.2.7, and here is {first}"))
}

enum Outcome {
    /// What is worth saying of it.
    Ok(f64, String),
    Failed(f64, String),
    Skipped(String),
}

impl Outcome {
    /// Prints it; its place among the sums.
    fn report(&self, scene: &Scene, program: Program) -> usize {
        let play = format!("{:<24} {:<10}", scene.name, program.name());
        match self {
            Self::Ok(seconds, said) => {
                println!("{play} ok      {seconds:6.1} s{said}");
                0
            }
            Self::Failed(seconds, said) => {
                println!("{play} FAILED  {seconds:6.1} s  {}{said}", scene.what);
                1
            }
            Self::Skipped(reason) => {
                println!("{play} skipped {reason}");
                2
            }
        }
    }
}

/// Plays it, and once more when it is not as it should be: a machine that stands still for a second moves addresses by itself, but
/// not twice.
fn play(scene: &Scene, program: Program, record: bool) -> Outcome {
    let start = Instant::now();
    let first = once(scene, program, record);
    let seconds = || start.elapsed().as_secs_f64();
    match first {
        Ok(said) => Outcome::Ok(seconds(), if record { format!("\n{said}") } else { String::new() }),
        Err(first) => match once(scene, program, record) {
            Ok(_) => Outcome::Ok(seconds(), format!("  the second time; the first time it was\n{first}")),
            Err(said) => {
                let folder = logs(&scene.name, program);
                let log = tail(&folder.join("A.log"), 8).replace('\n', "\n    ");
                Outcome::Failed(seconds(), format!("\n{said}\n    {log}\n    logs: {}", folder.display()))
            }
        },
    }
}

fn once(scene: &Scene, program: Program, record: bool) -> Result<String, String> {
    let folder = logs(&scene.name, program);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let report = folder.join("report");
    let mut child = begin(scene, program, record, File::create(&report).unwrap());
    let start = Instant::now();
    loop {
        let said = || fs::read_to_string(&report).unwrap_or_default().trim_end().to_owned();
        match child.0.try_wait().unwrap() {
            Some(status) if status.success() => return Ok(said()),
            Some(_) => return Err(said()),
            None if start.elapsed() > LIMIT => return Err(format!("{}\n    it does not end", said())),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A play that runs; dropping it ends it with all that it has started.
struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a process namespace of its own: when the first process in it dies, so does everything; and that dies with this thread,
/// whatever ends it.
fn begin(scene: &Scene, program: Program, record: bool, report: File) -> Playing {
    let record = if record { " record" } else { "" };
    let child = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--net",
            "--mount",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("SCENE_PLAY", format!("{} {}{record}", scene.name, program.name()))
        .stdin(Stdio::null())
        .stdout(report.try_clone().unwrap())
        .stderr(report)
        .spawn();
    Playing(child.expect("setpriv starts"))
}
