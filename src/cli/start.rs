//! What a start runs: the configuration file; when that has errors, the configuration that was last applied without
//! any; when there is none, the file without what is wrong. keepalived comes up with nearly every file: so must we.

use std::path::{Path, PathBuf};

use crate::config::diagnostic::{Format, render};
use crate::config::io::Disk;
use crate::config::model::{Instance, Model};
use crate::config::recorded::Recorder;
use crate::config::supported::{Runnable, runnable};
use crate::config::{Loaded, Options, load};
use crate::director::Candidate;
use crate::director::kept::Kept;
use crate::director::namespace::Namespaces;

/// How much a start puts up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `--strict`: a file with errors, or with parts that this version cannot run, is not started with.
    pub strict: bool,
    /// Not `--no-fallback`: what was kept is used.
    pub fallback: bool,
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
    /// The configuration that it comes from, for `-d`.
    pub model: Model,
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
pub(super) fn decide(config: &Path, language: &Options, policy: &Policy) -> Decision {
    let recorder = Recorder::new(&Disk);
    let mut loaded = load(config, &recorder, language);
    if let Some(model) = loaded.model.take() {
        let unrun = unrun(&loaded);
        let refused = policy.strict && !unrun.is_empty();
        let kept = Kept::new(config, language, recorder.into_recording());
        let start = (!refused).then(|| Start::new(&model, unrun, Source::File, Some(kept)));
        loaded.model = Some(model);
        return Decision { loaded, start, kept_trouble: None };
    }
    let mut decision = Decision { loaded, start: None, kept_trouble: None };
    if policy.strict {
        return decision;
    }
    if policy.fallback {
        match from_kept(config, language, &policy.state_dir) {
            Ok(start) => decision.start = start,
            Err(why) => decision.kept_trouble = Some(why),
        }
    }
    if decision.start.is_none()
        && let Some(model) = &decision.loaded.degraded
    {
        decision.start = Some(Start::new(model, unrun(&decision.loaded), Source::Degraded, None));
    }
    if let Some(start) = &mut decision.start {
        let errors = decision.loaded.summary();
        let name = config.display();
        start.candidate.instead = Some(match &start.source {
            Source::Kept(time) => format!("configuration of {time}, as {name} has {errors}"),
            _ => format!("{name} without what is wrong in it ({errors})"),
        });
    }
    decision
}

/// The candidate of a reload: the file, or the lines that say what is wrong with it.
pub(super) fn reload(config: &Path, language: &Options) -> Result<Candidate, Vec<String>> {
    let recorder = Recorder::new(&Disk);
    let loaded = load(config, &recorder, language);
    match &loaded.model {
        Some(model) => {
            let kept = Kept::new(config, language, recorder.into_recording());
            Ok(Start::new(model, unrun(&loaded), Source::File, Some(kept)).candidate)
        }
        None => Err(loaded.render(Format::Line, false).lines().map(str::to_owned).collect()),
    }
}

fn from_kept(config: &Path, language: &Options, state_dir: &Path) -> Result<Option<Start>, String> {
    let kept = Kept::read(state_dir, config).map_err(|error| error.to_string())?;
    let Some(kept) = kept else { return Ok(None) };
    if !kept.is_of(config, language) {
        return Err(format!(
            "the configuration kept at {} is of another file or another --config-id",
            kept.time
        ));
    }
    let loaded = kept.load();
    let Some(model) = &loaded.model else {
        return Err(format!("the configuration kept at {} has errors for this version", kept.time));
    };
    Ok(Some(Start::new(model, unrun(&loaded), Source::Kept(kept.time.clone()), None)))
}

impl Start {
    fn new(model: &Model, unrun: Vec<String>, source: Source, kept: Option<Kept>) -> Self {
        let namespaces = Namespaces::of(&model.globals);
        let folder = (namespaces.clone(), model.globals.process.instance.clone());
        let candidate = Candidate { runnable: runnable(model), namespaces, unrun, kept, instead: None };
        Self { candidate, model: model.clone(), folder, source }
    }
}

/// What is legal and this version leaves out, a line each, without the place: a line that moves is no news.
fn unrun(loaded: &Loaded) -> Vec<String> {
    let line = |one: &crate::config::diagnostic::Diagnostic| {
        let one = crate::config::diagnostic::Diagnostic { span: None, ..one.clone() };
        render(std::slice::from_ref(&one), &loaded.sources, Format::Line, false).trim_end().to_owned()
    };
    loaded.left_out().map(line).collect()
}

/// `vrrp_instance VI_1 on eth0, router id 51, priority 100: 192.168.100.240`.
fn instance_line(instance: &Instance) -> String {
    let held = instance.all_addresses();
    let addresses: Vec<String> = held.map(|address| address.address.to_string()).collect();
    let (name, interface) = (&instance.name, &instance.interface);
    let (vrid, priority) = (instance.vrid.number(), instance.priority.number());
    format!(
        "vrrp_instance {name} on {interface}, router id {vrid}, priority {priority}: {}",
        listed(&addresses)
    )
}

fn listed(addresses: &[String]) -> String {
    match addresses {
        [] => "no address".to_owned(),
        some => some.join(", "),
    }
}

/// `--check --as-start`: what a start would run, in lines.
pub(super) fn describe(config: &Path, decision: &Decision) -> String {
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
        text += &format!("  virtual_server {}: {}\n", server.name(), listed(&addresses));
    }
    for left_out in &runnable.left_out {
        text += &format!("not as configured: {left_out}\n");
    }
    text
}
