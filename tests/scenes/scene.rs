//! Scenes as they are written.
//!
//! ```text
//! # what it shows
//! d: the beginning of a row of docs/compat.md, for a difference of directord
//! k: words, for a difference of keepalived 2.2.7
//! == A
//! its configuration; `;` and braces may stand in one line
//! == A 2
//! another one, for `reload A 2`
//! == B
//! the peer's
//! == play
//! > a step
//! a line that is seen
//! [d] a line that is seen with directord alone
//! ```
//!
//! Of the letters in brackets `d` is directord, `k` keepalived 2.2.7, `r` the reference: keepalived 2.4.3. Where `r` is not
//! known, it is what 2.2.7 does. What is written between them is expected of these alone.
//!
//! What is announced has its number behind it, `x5`; `x*` is any number, none too.
//!
//! In configurations `@/` is the node's folder, `@soon` makes things quick, `@check` is how often a script runs, `@tell NAME` has
//! each state of an instance or a group written down under this name; a tracked script is `@/t NAME`.
//!
//! Steps: `start N [PART]` · `stop N` · `kill N`, all its processes at once · `reload N [PART]` · `result N SCRIPT STATUS`, of the
//! tracked script from now on, 0 at first · `write N FILE TEXT`, `remove N FILE` · `begin N NAME`, `end N NAME`, a process ·
//! `switch N IF up|down` · `unplug N IF`, `plug N IF`, the cable · `part N IF`, `join N IF`, from the others while the cable is
//! in · `run N COMMAND` · `look N`, at the objects in its kernel · `wait S`, seconds in which nothing else than what is
//! written happens.
//!
//! Networks: 10.7.I.N/24 and fd07:I::N/64 on `ethI`, 0 to 2; A is 1 and B is 2.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::node::Program;

pub struct Scene {
    pub name: String,
    pub what: String,
    /// Configurations by the words behind `==`.
    pub configs: BTreeMap<String, String>,
    pub steps: Vec<Step>,
    reasons: BTreeMap<char, Vec<String>>,
}

pub struct Step {
    pub words: String,
    expected: Vec<Line>,
}

struct Line {
    /// `d`, `k`, `r`: of whom it is expected.
    of: String,
    text: String,
}

const EVERYBODY: &str = "dkr";

impl Step {
    pub fn expected(&self, program: Program) -> Vec<String> {
        let letter = if program == Program::Directord { 'd' } else { 'k' };
        self.expected.iter().filter(|line| line.of.contains(letter)).map(|line| line.text.clone()).collect()
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All of them, by name; or what is wrong with one.
pub fn all() -> Result<Vec<Scene>, String> {
    let folder = root().join("tests/scenes/scenes");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        Scene::read(name, &fs::read_to_string(path).unwrap())
            .map_err(|problem| format!("{}: {problem}", path.display()))
    };
    paths.iter().map(read).collect()
}

impl Scene {
    fn read(name: &str, text: &str) -> Result<Self, String> {
        let mut scene = Self {
            name: name.to_owned(),
            what: String::new(),
            configs: BTreeMap::new(),
            steps: Vec::new(),
            reasons: BTreeMap::new(),
        };
        let mut part = None;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(name) = line.strip_prefix("== ") {
                part = Some(name.to_owned());
                continue;
            }
            match &part {
                None => scene.head(line)?,
                Some(part) if part == "play" => scene.line(line)?,
                Some(part) => {
                    let config = scene.configs.entry(part.clone()).or_default();
                    config.push_str(line);
                    config.push('\n');
                }
            }
        }
        scene.checked()
    }

    fn head(&mut self, line: &str) -> Result<(), String> {
        if let Some(what) = line.strip_prefix("# ") {
            self.what = what.to_owned();
            return Ok(());
        }
        let reason = ["d", "k"].into_iter().find_map(|letter| Some((letter, line.strip_prefix(letter)?)));
        let Some((letter, reason)) =
            reason.and_then(|(letter, rest)| Some((letter, rest.strip_prefix(": ")?)))
        else {
            return Err(format!("expected `# words`, `d: row` or `k: words`, got `{line}`"));
        };
        let letter = letter.chars().next().unwrap();
        self.reasons.entry(letter).or_default().push(reason.to_owned());
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(words) = line.strip_prefix("> ") {
            self.steps.push(Step { words: words.to_owned(), expected: Vec::new() });
            return Ok(());
        }
        let step = self.steps.last_mut().ok_or("a line in front of the first step")?;
        let (of, text) = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((of, text)) => (of, text),
            None => (EVERYBODY, line),
        };
        if of.is_empty() || of.chars().any(|letter| !EVERYBODY.contains(letter)) {
            return Err(format!("[{of}]: letters are d, k and r"));
        }
        step.expected.push(Line { of: of.to_owned(), text: text.to_owned() });
        Ok(())
    }

    /// Every difference has its reason, every reason its difference.
    fn checked(self) -> Result<Self, String> {
        for letter in ['d', 'k'] {
            let differs = |line: &Line| line.of.contains(letter) != line.of.contains('r');
            let differences = self.steps.iter().flat_map(|step| &step.expected).any(differs);
            match (differences, self.reasons.contains_key(&letter)) {
                (true, false) => {
                    return Err(format!("`{letter}` differs from the reference, and no line says why"));
                }
                (false, true) => return Err(format!("`{letter}:` gives a reason for no difference")),
                _ => {}
            }
        }
        let rows = fs::read_to_string(root().join("docs/compat.md")).map_err(|error| error.to_string())?;
        for reason in self.reasons.get(&'d').into_iter().flatten() {
            // A few letters would be the beginning of many.
            if reason.len() < 20 || !rows.lines().any(|row| row.starts_with(&format!("| {reason}"))) {
                return Err(format!("no row of docs/compat.md begins with `{reason}`"));
            }
        }
        if self.what.is_empty() || self.steps.is_empty() || !self.configs.contains_key("A") {
            return Err("a scene has a line `# …`, a part `== A` and steps".to_owned());
        }
        Ok(self)
    }

    /// A configuration as the daemon of a node in this folder reads it.
    pub fn config(&self, part: &str, folder: &str) -> String {
        let text = self.configs.get(part).unwrap_or_else(|| panic!("no part `== {part}`"));
        let mut filled = format!("@defaults\n{text}");
        for (name, words) in WORDS {
            filled = filled.replace(name, words);
        }
        while let Some((before, after)) = filled.split_once("@tell ") {
            let (name, rest) = after.split_once(' ').unwrap_or((after, ""));
            filled = format!("{before}{} {rest}", told(name));
        }
        let filled = filled.replace("@/", &format!("{folder}/"));
        // One statement a line.
        filled.replace("; ", "\n").replace("{ ", "{\n").replace(" }", "\n}")
    }
}

/// A script for each state of an instance or a group, and one for all: each says whose it is.
fn told(name: &str) -> String {
    let states =
        ["master", "backup", "fault", "stop"].map(|state| format!("notify_{state} \"@/s {name} {state}\"; "));
    format!("{}notify \"@/s {name} any\"", states.concat())
}

/// What many configurations say. Adverts are not late when the machine has other work: whoever sends them goes first.
const WORDS: &[(&str, &str)] = &[
    (
        "@defaults",
        "global_defs { router_id LVS_DEVEL; script_user root; enable_script_security; vrrp_notify_fifo @/fifo; \
         vrrp_priority -20 }",
    ),
    ("@soon", "version 3; advert_int 0.3; garp_master_delay 1"),
    // A slow machine is no failure.
    ("@check", "interval 0.4; timeout 8"),
];
