//! What a start runs: the configuration file; when that has errors, the configuration that was last applied without
//! any; when there is none, the file without what is wrong. keepalived comes up with nearly every file: so must we.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tracing::Level;

use crate::config::changes::changes;
use crate::config::diagnostic::{Code, Diagnostic, Format, Severity, render};
use crate::config::host::Host;
use crate::config::io::Disk;
use crate::config::missing::missing;
use crate::config::model::{Fallbacks, Granularity, Instance, InterfaceName, Model};
use crate::config::recorded::Recorder;
use crate::config::source::Files;
use crate::config::supported::{Runnable, runnable};
use crate::config::{Loaded, Options, load};
use crate::director::candidate::{Candidate, Line};
use crate::director::kept::Kept;
use crate::director::names;
use crate::director::namespace::Namespaces;
use crate::director::programs::Programs;
use crate::director::refusal::{Comparison, Refusal};

/// How much a start puts up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `--strict`: a file with errors, or with parts that this version cannot run, is not started with.
    pub strict: bool,
    /// Not `--no-fallback`: what was kept is used.
    pub fallback: bool,
    /// `--allow-empty`: a file that leaves nothing to do, or misses what ran before, is meant so.
    pub allow_empty: bool,
    /// `--state-dir`: where it is kept.
    pub state_dir: PathBuf,
}

/// What was read, and what a start makes of it.
pub(super) struct Decision {
    /// The configuration file.
    pub loaded: Loaded,
    /// What runs. `None`: nothing can, and the daemon does not start.
    pub start: Option<Start>,
    /// Why what was kept is of no use.
    pub kept_trouble: Option<String>,
}

/// What runs.
pub(super) struct Start {
    /// What the daemon puts in force.
    pub candidate: Candidate,
    /// `net_namespace` and `instance`.
    pub folder: (Namespaces, Option<String>),
    /// Which one it is.
    pub source: Source,
}

/// Where the running configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The file, as it stands.
    File,
    /// The last one without errors, applied at this time.
    Kept(String),
    /// The file without what is wrong.
    Degraded,
}

/// Reads the file and decides.
pub(super) fn decide(config: &Path, files: &dyn Files, language: &Options, policy: &Policy) -> Decision {
    let recorder = Recorder::new(files);
    let loaded = load(config, &recorder, language);
    let read = Kept::new(config, language, recorder.into_recording());
    let mut decision = Decision { loaded, start: None, kept_trouble: None };
    match decision.loaded.model.clone() {
        Some(model) => decision.without_errors(model, read, policy),
        None if policy.strict => {}
        None => decision.with_errors(read, policy),
    }
    decision
}

impl Decision {
    /// The file runs, unless it only looks right because of what it misses.
    fn without_errors(&mut self, model: Model, read: Kept, policy: &Policy) {
        let unrun = unrun(&self.loaded);
        if policy.strict && !unrun.is_empty() {
            return;
        }
        let kept = read.earlier(&policy.state_dir).ok().flatten();
        let less = kept.as_ref().and_then(|kept| less(&model, &read, kept)).filter(|_| !policy.allow_empty);
        let name = read.origin.display().to_string();
        let lines = lines(&self.loaded);
        self.start = Some(match (less, kept) {
            (Some(refusal), Some(kept)) if policy.fallback && !policy.strict => {
                let Some(mut start) = Start::from_kept(kept) else { return };
                start.candidate.instead = Some(format!(
                    "configuration of {}, as {name} misses something: {}",
                    start.time(),
                    refusal.why
                ));
                let error = |text| Line { level: Level::ERROR, text };
                start.candidate.lines =
                    lines.into_iter().chain(refusal.lines.into_iter().map(error)).collect();
                start
            }
            (less, _) => {
                let mut start = Start::new(model, unrun, Source::File, read);
                start.candidate.fallbacks = self.loaded.fallbacks.clone();
                start.candidate.keep = less.is_none();
                start.candidate.lines = lines;
                start
            }
        });
    }

    /// What ran before; else the file without what is wrong.
    fn with_errors(&mut self, read: Kept, policy: &Policy) {
        let name = read.origin.display().to_string();
        if policy.fallback {
            match read.earlier(&policy.state_dir) {
                Ok(None) => {}
                Ok(Some(kept)) => {
                    let time = kept.time.clone();
                    self.start = Start::from_kept(kept);
                    if self.start.is_none() {
                        self.kept_trouble =
                            Some(format!("the configuration kept at {time} has errors for this version"));
                    }
                }
                Err(why) => self.kept_trouble = Some(why),
            }
        }
        if self.start.is_none()
            && let Some(model) = &self.loaded.degraded
        {
            self.start = Some(Start::new(model.clone(), unrun(&self.loaded), Source::Degraded, read));
        }
        if let Some(start) = &mut self.start {
            if start.source == Source::Degraded {
                start.candidate.fallbacks = self.loaded.fallbacks.clone();
            }
            let errors = self.loaded.summary();
            start.candidate.lines = lines(&self.loaded);
            start.candidate.instead = Some(match &start.source {
                Source::Kept(time) => format!("configuration of {time}, as {name} has {errors}"),
                _ => format!("{name} without what is wrong in it ({errors})"),
            });
        }
    }
}

/// The candidate of a reload: the file, or the lines that say what is wrong with it. What is as in `running` is shared
/// with it.
pub(super) fn reload(config: &Path, language: &Options, running: &Model) -> Result<Candidate, Vec<Line>> {
    let recorder = Recorder::new(&Disk);
    let mut loaded = load(config, &recorder, language);
    let lines = lines(&loaded);
    let Some(mut model) = loaded.model.take() else { return Err(lines) };
    model.share(running);
    let read = Kept::new(config, language, recorder.into_recording());
    let mut start = Start::new(model, unrun(&loaded), Source::File, read);
    start.candidate.fallbacks = loaded.fallbacks.clone();
    // What ran goes on; a start has nothing to go on with.
    if let Some(said) = start.candidate.programs.unusable() {
        return Err(lines.into_iter().chain(said).collect());
    }
    (start.candidate.keep, start.candidate.lines) = (true, lines);
    Ok(start.candidate)
}

/// What the file misses of what was applied last.
fn less(model: &Model, read: &Kept, kept: &Kept) -> Option<Refusal> {
    let something = |runnable: Runnable| !runnable.is_empty();
    let missing = missing(&kept.recording().outline(), &read.recording().outline());
    let runs = something(runnable(model));
    if runs && missing.is_empty() {
        return None;
    }
    let before = kept.load().model?;
    let ran = something(runnable(&before));
    let changes = changes(before, model.clone());
    Comparison { ran, runs, missing: &missing, changes: &changes }.refusal()
}

impl Start {
    fn new(model: Model, unrun: Vec<String>, source: Source, read: Kept) -> Self {
        let namespaces = Namespaces::of(&model.globals);
        let folder = (namespaces.clone(), model.globals.process.instance.clone());
        let mut runnable = runnable(&model);
        names::resolve(&mut runnable);
        let mut programs = Programs::of(&mut runnable);
        programs.identify(model.ssl.as_ref(), &runnable.virtual_servers);
        let candidate = Candidate {
            fallbacks: Fallbacks::default(),
            runnable,
            programs,
            model,
            namespaces,
            unrun,
            read,
            keep: false,
            instead: None,
            lines: Vec::new(),
        };
        Self { candidate, folder, source }
    }

    /// `None`: it has errors for this version.
    fn from_kept(kept: Kept) -> Option<Self> {
        let mut loaded = kept.load();
        let model = loaded.model.take()?;
        let source = Source::Kept(kept.time.clone());
        let mut start = Self::new(model, unrun(&loaded), source, kept);
        start.candidate.fallbacks = loaded.fallbacks;
        Some(start)
    }

    fn time(&self) -> &str {
        &self.candidate.read.time
    }
}

/// So many lines of one kind are in the log; a file of thousands of servers may have one for each.
const MOST_OF_A_KIND: usize = 10;

/// What there is to say of the configuration file, one line each.
fn lines(loaded: &Loaded) -> Vec<Line> {
    let level = |one: &Diagnostic| match one.severity {
        Severity::Lint | Severity::Note => Level::INFO,
        Severity::Error => Level::ERROR,
        // Part of the configuration does not run.
        Severity::Warning if one.code.blocks() => Level::ERROR,
        Severity::Warning => Level::WARN,
    };
    let mut kinds: BTreeMap<(Severity, Code), (Level, usize)> = BTreeMap::new();
    let mut lines = Vec::new();
    for one in &loaded.diagnostics {
        let (level, count) = kinds.entry((one.severity, one.code)).or_insert((level(one), 0));
        if *count < MOST_OF_A_KIND {
            let text = render(std::slice::from_ref(one), &loaded.sources, Format::Line, false);
            lines.push(Line { level: *level, text: text.trim_end().to_owned() });
        }
        *count += one.count;
    }
    for ((severity, code), (level, count)) in kinds {
        if count > MOST_OF_A_KIND {
            let more = count - MOST_OF_A_KIND;
            let text = format!("{more} more of {}[{code}]: `directord --check` lists them", severity.name());
            lines.push(Line { level, text });
        }
    }
    lines
}

/// What is legal and this version leaves out, a line each, without the place: a line that moves is no news.
fn unrun(loaded: &Loaded) -> Vec<String> {
    let line = |one: &Diagnostic| {
        let one = Diagnostic { span: None, ..one.clone() };
        render(std::slice::from_ref(&one), &loaded.sources, Format::Line, false).trim_end().to_owned()
    };
    loaded.left_out().map(line).collect()
}

/// `vrrp_instance VI_1 on eth0, router id 51, priority 100: 192.168.100.240`.
fn instance_line(instance: &Instance) -> String {
    let held = instance.all_addresses();
    let addresses: Vec<String> = held.map(|address| address.address.to_string()).collect();
    let name = &instance.name;
    let on = instance.interface.as_ref().map_or_else(String::new, |interface| format!(" on {interface}"));
    let (vrid, priority) = (instance.vrid.number(), instance.priority.number());
    format!("vrrp_instance {name}{on}, router id {vrid}, priority {priority}: {}", listed(&addresses))
}

fn listed(addresses: &[String]) -> String {
    match addresses {
        [] => "no address".to_owned(),
        some => some.join(", "),
    }
}

/// `--check --as-start`: what a start would run, in lines; `host` is where.
pub(super) fn describe(config: &Path, decision: &Decision, host: &dyn Host) -> String {
    let name = config.display();
    let trouble = decision.kept_trouble.iter().map(|why| format!("not used: {why}\n"));
    let mut text: String = trouble.collect();
    let Some(start) = &decision.start else {
        return text + &format!("{name}: a start would be refused\n");
    };
    let what = match &start.source {
        Source::File if start.candidate.runnable.left_out.is_empty() => format!("{name} as it stands"),
        Source::File => format!("{name}, but for what this version cannot run"),
        Source::Kept(time) => format!("the configuration that was applied at {time}"),
        Source::Degraded => format!("{name} without what is wrong in it"),
    };
    let runnable: &Runnable = &start.candidate.runnable;
    text += &format!("a start would run {what}: {}\n", runnable.summary());
    for instance in &runnable.instances {
        text += &format!("  {}\n", instance_line(instance));
    }
    for server in &runnable.virtual_servers {
        let addresses: Vec<String> =
            server.real_servers.iter().map(|real| real.address.to_string()).collect();
        let persistence = server.persistence.map_or_else(String::new, |persistence| {
            let host = if server.service.is_ipv6() { 128 } else { 32 };
            let prefix = match persistence.granularity {
                Granularity::Prefix(prefix) if prefix < host => format!(" for clients of one /{prefix}"),
                Granularity::Prefix(_) => String::new(),
                Granularity::Mask(mask) => format!(" for clients that are equal in {mask}"),
            };
            format!(", persistent for {} s{prefix}", persistence.timeout)
        });
        text += &format!("  virtual_server {}{persistence}: {}\n", server.name(), listed(&addresses));
    }
    for left_out in &runnable.left_out {
        text += &format!("not as configured: {left_out}\n");
    }
    // What another network namespace has cannot be seen from here.
    if start.candidate.namespaces == Namespaces::default() {
        for instance in &runnable.instances {
            if let Some(name) = missing_interface(instance, host) {
                text += &format!("{} does not run: interface {name} does not exist\n", instance.name);
            }
        }
        if !runnable.virtual_servers.is_empty() && !host.has_module("ip_vs") {
            text += "the virtual servers do not run: this kernel has no module ip_vs\n";
        }
    }
    text
}

/// The first interface of an instance that is not there.
pub(super) fn missing_interface(instance: &Instance, host: &dyn Host) -> Option<String> {
    let held = instance.addresses.iter().chain(&instance.excluded_addresses);
    let others = held.filter_map(|address| address.interface.as_ref());
    // Those of its own come with it.
    let own = |name: &InterfaceName| instance.vmacs.iter().any(|vmac| vmac.name == *name);
    let below = instance.vmacs.iter().map(|vmac| &vmac.base);
    let mut all = (instance.interface.iter())
        .chain(others.filter(|name| !own(name)))
        .chain(below)
        .map(ToString::to_string);
    all.find(|name| host.addresses(name).is_none())
}
