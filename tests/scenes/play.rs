//! One play of a scene, inside the namespaces that the launcher made for it: its process is the first one there, and when it ends
//! everything ends. After each step it waits until what is seen is what is expected, and then a moment for what is too much.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::ears::{self, Heard, Journal};
use crate::node::{self, Node, Program, host};
use crate::objects;
use crate::scene::{self, Scene, Step};
use crate::trace::{self, Streams, by_channel};

/// What is expected comes within this time, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(25);
/// After a first difference others follow.
const IMPATIENCE: Duration = Duration::from_secs(5);
/// What is too much comes within it.
const MOMENT: Duration = Duration::from_millis(400);
/// For a recording: nothing more comes.
const QUIET: Duration = Duration::from_millis(4500);

/// `SCENE PROGRAM`, and `record` behind it when what is seen is to be printed and not judged.
pub fn main(play: &str) -> ExitCode {
    let words: Vec<&str> = play.split(' ').collect();
    let (name, program, recording) = match words[..] {
        [name, program] => (name, program, false),
        [name, program, "record"] => (name, program, true),
        _ => panic!("{play}"),
    };
    let scene = scene::all().unwrap().into_iter().find(|scene| scene.name == name).unwrap();
    let program = Program::BOTH.into_iter().find(|each| each.name() == program).unwrap();
    let mut play = Play::new(&scene, program, recording);
    for (number, step) in scene.steps.iter().enumerate() {
        play.step(number, step);
    }
    if play.differs { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Where the logs of a play are kept.
pub fn logs(scene: &str, program: Program) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenes").join(format!("{scene}.{}", program.name()))
}

struct Play<'a> {
    scene: &'a Scene,
    program: Program,
    recording: bool,
    journal: Arc<Journal>,
    nodes: BTreeMap<char, Node>,
    /// Objects of each node before anything was started.
    before: BTreeMap<char, BTreeSet<String>>,
    streams: Streams,
    differs: bool,
}

impl<'a> Play<'a> {
    fn new(scene: &'a Scene, program: Program, recording: bool) -> Self {
        let stage = stage();
        let logs = logs(&scene.name, program);
        node::switches();
        let journal = Arc::new(Journal::default());
        ears::sniff(&journal);
        let mut nodes = BTreeMap::new();
        for (name, number, program) in [('A', 1, program), ('B', 2, Program::Keepalived)] {
            if !scene.configs.contains_key(&name.to_string()) {
                continue;
            }
            let node = Node::new(name, number, program, &stage, &logs);
            ears::follow(&journal, name, &node.folder);
            let folder = node.folder.display();
            for (script, text) in [
                ("s", format!("#!/bin/sh\necho \"$$ $*\" >>{folder}/{}\n", ears::CALLS)),
                (
                    "t",
                    format!(
                        "#!/bin/sh\nstatus=0\n[ ! -e {folder}/$1.status ] || read status <{folder}/$1.status\nexit $status\n"
                    ),
                ),
            ] {
                node.write(script, &text);
                node.sh(&format!("chmod 755 {script}"));
            }
            nodes.insert(name, node);
        }
        let before = nodes.iter().map(|(name, node)| (*name, objects::of(node))).collect();
        let streams = Streams::default();
        Self { scene, program, recording, journal, nodes, before, streams, differs: false }
    }

    fn step(&mut self, number: usize, step: &Step) {
        let words: Vec<&str> = step.words.split(' ').collect();
        self.journal.begin(number);
        self.act(&words);
        let looks = match words[..] {
            ["look", node] => node.chars().next(),
            _ => None,
        };
        // What happens meanwhile has had its time.
        let moment = if ["look", "wait"].contains(&words[0]) { Duration::ZERO } else { MOMENT };
        let expected = by_channel(&step.expected(self.program));
        let seen = match self.recording {
            true => self.hear(number, looks, None, QUIET),
            false => self.hear(number, looks, Some(&expected), moment),
        };
        if self.recording {
            println!("> {}", step.words);
            seen.iter().for_each(|line| println!("{line}"));
        } else if seen != expected {
            self.differs = true;
            println!("  > {}", step.words);
            difference(&expected, &seen).iter().for_each(|line| println!("    {line}"));
        }
    }

    /// The lines of a step: as soon as they are those expected and stay so for a moment, or when patience ends.
    fn hear(
        &mut self,
        number: usize,
        looks: Option<char>,
        expected: Option<&[String]>,
        moment: Duration,
    ) -> Vec<String> {
        let start = Instant::now();
        let patience = if self.differs { IMPATIENCE } else { PATIENCE };
        let mut last: Option<(Vec<String>, Instant)> = None;
        loop {
            for (name, node) in &mut self.nodes {
                if let Some(how) = node.ended() {
                    self.journal.write(Heard::Ended { node: *name, how });
                }
            }
            let changes =
                looks.map(|node| objects::changes(&self.before[&node], &objects::of(&self.nodes[&node])));
            let now = Instant::now();
            let (mut lines, streams) = trace::lines(&self.journal.of(number), &self.streams, now);
            lines.extend(changes.into_iter().flatten());
            let lines = by_channel(&trace::uncounted(lines, expected.unwrap_or_default()));
            let since = match &last {
                Some((before, since)) if *before == lines => *since,
                _ => now,
            };
            let as_expected = expected.is_none_or(|expected| lines == expected);
            let settled = as_expected && now - since >= moment;
            if settled || now - start > patience {
                self.streams = streams;
                return lines;
            }
            let silence = streams.next_silence(now).unwrap_or(MOMENT);
            last = Some((lines, since));
            self.journal.wait(silence.clamp(Duration::from_millis(5), Duration::from_millis(100)));
        }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        name.chars()
            .next()
            .and_then(|name| self.nodes.get_mut(&name))
            .unwrap_or_else(|| panic!("no node {name}"))
    }

    fn configure(&mut self, name: &str, part: &str) {
        let part = if part.is_empty() { name.to_owned() } else { format!("{name} {part}") };
        let folder = self.node(name).folder.display().to_string();
        let text = self.scene.config(&part, &folder);
        self.node(name).write("conf", &text);
    }

    fn act(&mut self, words: &[&str]) {
        let port = |node: &str, interface: &str| format!("{node}.{interface}");
        match *words {
            ["start", node] => {
                self.configure(node, "");
                self.node(node).start();
            }
            ["start", node, part] => {
                self.configure(node, part);
                self.node(node).start();
            }
            ["stop", name] => {
                let how = self.node(name).stop();
                let node = name.chars().next().unwrap();
                self.journal.write(Heard::Ended { node, how });
            }
            ["kill", node] => self.node(node).kill(),
            ["reload", node] => self.node(node).signal(Signal::SIGHUP),
            ["reload", node, part] => {
                self.configure(node, part);
                self.node(node).signal(Signal::SIGHUP);
            }
            ["switch", node, interface, how] => {
                drop(self.node(node).sh(&format!("ip link set {interface} {how}")))
            }
            ["unplug", node, interface] => host(&format!("ip link set {} down", port(node, interface))),
            ["plug", node, interface] => host(&format!("ip link set {} up", port(node, interface))),
            ["part", node, interface] => host(&format!("ip link set {} nomaster", port(node, interface))),
            ["join", node, interface] => {
                // Right behind an advert of A: the next one is the other's.
                self.journal.wait_for(|what| matches!(what, Heard::Advert { .. }), PATIENCE);
                let switch = interface.replace("eth", "switch");
                host(&format!("ip link set {} master {switch}", port(node, interface)));
            }
            ["result", node, script, status] => {
                self.node(node).write(&format!("{script}.status"), &format!("{status}\n"))
            }
            ["write", node, file, text] => self.node(node).write(file, &format!("{text}\n")),
            ["remove", node, file] => std::fs::remove_file(self.node(node).folder.join(file)).unwrap(),
            ["begin", node, name] => self.node(node).begin_process(name),
            ["end", node, name] => self.node(node).end_process(name),
            ["run", node, ..] => drop(self.node(node).sh(&words[2..].join(" "))),
            ["look", _] => {}
            ["wait", seconds] => std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap())),
            _ => panic!("{}: no such step: {}", self.scene.name, words.join(" ")),
        }
    }
}

/// A folder in memory that only this play sees, and that hides nothing it needs.
fn stage() -> PathBuf {
    let needed = [env!("CARGO_BIN_EXE_directord"), env!("CARGO_MANIFEST_DIR"), env!("CARGO_TARGET_TMPDIR")];
    let hides = |folder: &&str| needed.iter().any(|path| Path::new(path).starts_with(folder));
    let mut folders = ["/mnt", "/media", "/srv"].into_iter().filter(|folder| Path::new(folder).is_dir());
    let folder = folders.find(|folder| !hides(folder)).unwrap();
    host(&format!("mount -t tmpfs -o mode=755 tmpfs {folder}"));
    PathBuf::from(folder)
}

/// `-` what is missing, `+` what is too much, in the order of both.
fn difference(expected: &[String], seen: &[String]) -> Vec<String> {
    // Of each pair of rests, how many lines they have in common.
    let mut common = vec![vec![0_usize; seen.len() + 1]; expected.len() + 1];
    for left in (0..expected.len()).rev() {
        for right in (0..seen.len()).rev() {
            common[left][right] = match expected[left] == seen[right] {
                true => common[left + 1][right + 1] + 1,
                false => common[left + 1][right].max(common[left][right + 1]),
            };
        }
    }
    let (mut left, mut right, mut lines) = (0, 0, Vec::new());
    while left < expected.len() || right < seen.len() {
        if left < expected.len() && right < seen.len() && expected[left] == seen[right] {
            (left, right) = (left + 1, right + 1);
        } else if right == seen.len()
            || left < expected.len() && common[left + 1][right] >= common[left][right + 1]
        {
            lines.push(format!("- {}", expected[left]));
            left += 1;
        } else {
            lines.push(format!("+ {}", seen[right]));
            right += 1;
        }
    }
    lines
}
