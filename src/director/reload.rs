//! A reload: the configuration is read and judged beside the loop, and put in force or refused in it.
//!
//! While one is read, others may be asked for: one more follows, for all of them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tracing::Level;

use crate::config::changes::{Change, How, changes};
use crate::config::missing::missing;
use crate::config::model::{Fallbacks, Model};
use crate::config::recorded::Outline;
use crate::config::supported::Runnable;
use crate::control::Reloaded;

use super::candidate::{Candidate, Line, Load};
use super::marker::Marker;
use super::refusal::Comparison;
use super::{Options, files, rival};
use crate::text::reason;

/// Changes that are told of one reload.
const LINES: usize = 200;

/// What is to be known of the configuration in force.
#[derive(Debug, Clone)]
pub(super) struct Running {
    /// The whole of it.
    pub(super) model: Model,
    /// What its instances fall back to.
    pub(super) fallbacks: Fallbacks,
    /// Which files it was read from.
    pub(super) read: Outline,
    /// `vrrp_instance VI_1` and the like.
    pub(super) parts: BTreeSet<String>,
    /// There is an instance or a virtual server.
    pub(super) something: bool,
    /// There is an instance.
    pub(super) vrrp: bool,
    pub(super) unrun: Vec<String>,
    pub(super) instead: Option<String>,
}

impl Running {
    /// What a candidate is once it runs; `runnable`: its part that the command line leaves to us.
    pub(super) fn of(candidate: &Candidate, runnable: &Runnable) -> Self {
        Self {
            model: candidate.model.clone(),
            fallbacks: candidate.fallbacks.clone(),
            read: candidate.read.recording().outline(),
            parts: parts(runnable),
            something: !runnable.is_empty(),
            vrrp: runnable.has_network(),
            unrun: candidate.unrun.clone(),
            instead: candidate.instead.clone(),
        }
    }
}

/// The names of what runs, as [`Runnable::left_out`] has them.
fn parts(runnable: &Runnable) -> BTreeSet<String> {
    let instances = runnable.instances.iter().map(|instance| format!("vrrp_instance {}", instance.name));
    let groups = runnable.virtual_servers.iter().filter_map(|server| server.group.as_ref());
    instances.chain(groups.map(|group| format!("virtual_server group {}", group.name))).collect()
}

/// A configuration that is to be put in force.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) candidate: Candidate,
    pub(super) runnable: Runnable,
    /// What differs, but for what the pools tell themselves.
    pub(super) changes: Vec<Line>,
}

/// Why nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) lines: Vec<Line>,
}

/// A reload that was read and judged, and who waits for it.
pub(super) struct Judged {
    pub(super) verdict: Result<Box<Accepted>, Refused>,
    pub(super) answers: Vec<oneshot::Sender<Reloaded>>,
}

type Verdict = Result<Box<Accepted>, Refused>;

/// Reloads that are under way or asked for.
pub(super) struct Reloads {
    load: Load,
    options: Arc<Options>,
    reading: Option<JoinHandle<Verdict>>,
    /// Shows that one is read.
    marker: Option<Marker>,
    answers: Vec<oneshot::Sender<Reloaded>>,
    /// What was asked for meanwhile.
    next: Option<Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    allow_empty: bool,
    answers: Vec<oneshot::Sender<Reloaded>>,
}

impl Reloads {
    pub(super) fn new(load: Load, options: Arc<Options>) -> Self {
        Self { load, options, reading: None, marker: None, answers: Vec::new(), next: None }
    }

    /// Asks for one. [`Self::begin`] is to be called next.
    pub(super) fn ask(&mut self, allow_empty: bool, answer: Option<oneshot::Sender<Reloaded>>) {
        let wanted = self.next.get_or_insert_default();
        wanted.allow_empty |= allow_empty;
        wanted.answers.extend(answer);
    }

    /// Starts to read when a reload was asked for and none is read; `true`: it began.
    pub(super) fn begin(&mut self, running: &Arc<Running>) -> bool {
        if self.reading.is_some() {
            return false;
        }
        let Some(wanted) = self.next.take() else { return false };
        self.answers = wanted.answers;
        let allow_empty = wanted.allow_empty || self.options.allow_empty;
        let (load, options, running) =
            (Arc::clone(&self.load), Arc::clone(&self.options), Arc::clone(running));
        let settings = &running.model.globals.files;
        self.marker = options
            .reload_marker(settings)
            .and_then(|path| Marker::set(path, &options.spared(settings, &running.read)));
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let settings = &running.model.globals.files;
            let loaded = load(&running.model);
            let said = loaded.as_ref().map_or_else(|lines| lines, |candidate| &candidate.lines);
            if let Some(file) = settings.reload_check.as_ref().filter(|file| !file.is_empty()) {
                leave_result(Path::new(file), said);
            }
            let loaded = loaded.map_err(|lines| {
                let why = "the configuration has errors".to_owned();
                Refused { why, lines }
            });
            judge(loaded?, &running, &options, allow_empty)
        }));
        true
    }

    /// What the files say now. Nothing comes of it.
    pub(super) async fn read(&self, running: &Arc<Running>) -> Result<Candidate, String> {
        let (load, running) = (Arc::clone(&self.load), Arc::clone(running));
        let read = tokio::task::spawn_blocking(move || load(&running.model)).await;
        let read = read.map_err(|error| failed(&error).why)?;
        read.map_err(|_| "the configuration has errors".to_owned())
    }

    /// Waits for the one that is read; for ever when there is none.
    pub(super) async fn judged(&mut self) -> Judged {
        let verdict = match &mut self.reading {
            Some(reading) => reading.await.unwrap_or_else(|error| Err(failed(&error))),
            None => std::future::pending().await,
        };
        self.reading = None;
        // When another one is asked for, its reading begins at once.
        if self.next.is_none() {
            self.marker = None;
        }
        Judged { verdict, answers: std::mem::take(&mut self.answers) }
    }
}

/// `reload_check_config FILE`: what there is to say of the files of a reload is there, too, whether they are taken or not.
/// What is no file of ours stays as it is.
fn leave_result(file: &Path, said: &[Line]) {
    let text: String = said.iter().map(|line| format!("{}\n", line.text)).collect();
    let written = match fs::symlink_metadata(file).map(|there| there.file_type()) {
        Ok(there) if there.is_char_device() => Ok(()),
        Ok(there) if !there.is_file() => {
            Err(io::Error::other("something is there that is no file: remove it"))
        }
        _ => files::replace(file, text.as_bytes(), 0o600, false),
    };
    if let Err(error) = written {
        tracing::warn!("the result of the check is not in {}: {}", file.display(), reason(&error));
    }
}

fn failed(error: &JoinError) -> Refused {
    Refused { why: format!("reading the configuration failed: {error}"), lines: Vec::new() }
}

/// Whether the candidate may take the place of what runs.
fn judge(candidate: Candidate, running: &Running, options: &Options, allow_empty: bool) -> Verdict {
    let refused = |why: &str, lines: Vec<String>| {
        let line = |text| Line { level: Level::ERROR, text };
        Err(Refused { why: why.to_owned(), lines: lines.into_iter().map(line).collect() })
    };
    let lost = lost(running, &candidate);
    if !lost.is_empty() {
        return refused("this version cannot run all of it", lost);
    }
    if candidate.namespaces != options.namespaces {
        return refused("the network namespace of a running daemon does not change: restart it", Vec::new());
    }
    let runnable = options.restricted(candidate.runnable.clone());
    let restricted = |model: &Model| options.restricted_model(model.clone());
    let found = changes(restricted(&running.model), restricted(&candidate.model));
    let comparison = Comparison {
        ran: running.something,
        runs: !runnable.is_empty(),
        missing: &missing(&running.read, &candidate.read.recording().outline()),
        changes: &found,
    };
    if let Some(refusal) = comparison.refusal().filter(|_| !allow_empty) {
        let why = format!("{}; `directord reload --allow-empty` takes it in, when it is meant", refusal.why);
        return refused(&why, refusal.lines);
    }
    if !running.vrrp
        && runnable.has_network()
        && let Some(rival) = rival::find(candidate.is_one_of_several(), &rival::wanted(&runnable.instances))
    {
        return refused(&rival.to_string(), Vec::new());
    }
    Ok(Box::new(Accepted { candidate, runnable, changes: told(&found) }))
}

/// What a reload would take away because this version cannot run it: parts that run now, and what is new.
fn lost(running: &Running, candidate: &Candidate) -> Vec<String> {
    let left_out = candidate.runnable.left_out.iter();
    let stopped = left_out.filter(|left_out| running.parts.contains(&left_out.what));
    let new = candidate.unrun.iter().filter(|line| !running.unrun.contains(line));
    stopped.map(ToString::to_string).chain(new.cloned()).collect()
}

/// A line for each change that the pools do not tell themselves.
fn told(changes: &[Change]) -> Vec<Line> {
    let lines: Vec<String> =
        changes.iter().filter(|change| !is_told_by_pools(change)).map(ToString::to_string).collect();
    let more = lines.len().checked_sub(LINES).filter(|more| *more > 0);
    let more = more.map(|more| format!("{more} more changes"));
    let line = |text| Line { level: Level::INFO, text };
    lines.into_iter().take(LINES).chain(more).map(line).collect()
}

/// Real servers that come and go, virtual servers that go, and weights.
fn is_told_by_pools(change: &Change) -> bool {
    let comes_or_goes = matches!(change.how, How::Added | How::Removed);
    match change.blocks.as_slice() {
        [] => change.what.starts_with("virtual_server ") && change.how == How::Removed,
        [service] if service.starts_with("virtual_server ") => {
            change.what.starts_with("real_server ") && comes_or_goes
        }
        [_, server] if server.starts_with("real_server ") => change.what == "weight",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
