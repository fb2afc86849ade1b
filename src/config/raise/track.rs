//! What is tracked: scripts, processes, files, BFD sessions, and the `track_*` lines that name them.

use std::time::Duration;

use super::Word;
use super::block::{Block, Written as _, plain};
use crate::config::model::{
    BfdInstance, Model, ParameterMatch, TrackFile, TrackProcess, TrackScript, TrackWeight, Tracked, Tracking,
};

impl Block {
    pub(super) fn track_script(&mut self, script: &TrackScript) {
        self.block(vec![plain("vrrp_script"), plain(&script.name)], |block| {
            block.bare_command("script", &script.command);
            block.unless("interval", script.interval, TrackScript::INTERVAL);
            block.unless("timeout", script.timeout, script.interval);
            block.weight(script.weight, TrackWeight::default());
            block.unless("rise", script.rise, TrackScript::RISE);
            block.unless("fall", script.fall, TrackScript::FALL);
            block.flag("init_fail", script.init_fail);
        });
    }

    pub(super) fn track_process(&mut self, process: &TrackProcess) {
        self.block(vec![plain("vrrp_track_process"), plain(&process.name)], |block| {
            block.words("process", process.command.iter().cloned().map(Word::Raw));
            // Arguments are compared, and the whole command line, when there are some.
            let has_arguments = process.command.len() > 1;
            let implied = has_arguments.then_some(ParameterMatch::Exact);
            if process.parameters != implied {
                let word = match process.parameters {
                    None | Some(ParameterMatch::Exact) => None,
                    Some(ParameterMatch::Initial) => Some("initial"),
                    Some(ParameterMatch::Partial) => Some("partial"),
                };
                block.words("param_match", word.map(plain));
            }
            match (process.full_command, has_arguments) {
                (full, false) => block.flag("full_command", full),
                (false, true) => block.set("full_command", false),
                (true, true) => {}
            }
            block.weight(process.weight, TrackWeight::default());
            if process.quorum > 0 {
                block.unless("quorum", process.quorum, TrackProcess::QUORUM);
            }
            block.given("quorum_max", process.quorum_max);
            // Neither has words for no delay at all.
            let some = |delay: Duration| (!delay.is_zero()).then_some(delay);
            block.given("terminate_delay", some(process.terminate_delay));
            block.given("fork_delay", some(process.fork_delay));
        });
    }

    pub(super) fn track_file(&mut self, file: &TrackFile) {
        self.block(vec![plain("track_file"), plain(&file.name)], |block| {
            block.set("file", &file.path);
            block.weight(file.weight, TrackFile::WEIGHT);
            if let Some(init) = file.init {
                let overwrite = init.overwrite.then(|| plain("overwrite"));
                block.words("init_file", std::iter::once(plain(init.number.to_string())).chain(overwrite));
            }
        });
    }

    pub(super) fn bfd_instance(&mut self, session: &BfdInstance) {
        self.block(vec![plain("bfd_instance"), plain(&session.name)], |block| {
            block.set("neighbor_ip", session.neighbour);
            block.given("source_ip", session.source);
            block.milliseconds("min_rx", session.min_rx, BfdInstance::INTERVAL);
            block.milliseconds("min_tx", session.min_tx, BfdInstance::INTERVAL);
            block.milliseconds("idle_tx", session.idle_tx, BfdInstance::IDLE);
            block.unless("multiplier", session.multiplier, BfdInstance::MULTIPLIER);
            block.flag("passive", session.passive);
            block.unless("ttl", session.ttl, BfdInstance::default_ttl(session.neighbour));
            block.unless("max_hops", session.max_hops, 0);
            block.unless("multihop", session.multihop, false);
            block.weight(session.weight, TrackWeight::default());
            let both = session.vrrp && session.checker;
            for (keyword, on) in [("vrrp", session.vrrp), ("checker", session.checker)] {
                if on && (!both || block.shows(keyword)) {
                    block.flag(keyword, true);
                }
            }
        });
    }

    fn milliseconds(&mut self, keyword: &str, time: Duration, default: Duration) {
        // A thousand times as long, the text of seconds is one of milliseconds.
        self.unless(keyword, time.saturating_mul(1000), default.saturating_mul(1000));
    }

    fn weight(&mut self, weight: TrackWeight, default: TrackWeight) {
        if weight != default || self.shows("weight") {
            self.words("weight", numbers(weight));
        }
    }

    /// `model` has what is tracked: a line that says a weight has the `reverse` of that when it says none.
    pub(super) fn tracking(&mut self, tracking: &Tracking, model: &Model) {
        let interfaces = tracking.interfaces.iter().map(|(interface, weight)| {
            let weight = (*weight != TrackWeight::default()).then_some(*weight);
            tracked(interface.as_str(), weight, None)
        });
        self.lines("track_interface", interfaces);
        let line = |one: &Tracked, of: Option<TrackWeight>| tracked(&one.name, one.weight, of);
        let of = |name: &str| Some(model.scripts.iter().find(|one| one.name == name)?.weight);
        self.lines("track_script", tracking.scripts.iter().map(|one| line(one, of(&one.name))));
        let of = |name: &str| Some(model.files.iter().find(|one| one.name == name)?.weight);
        self.lines("track_file", tracking.files.iter().map(|one| line(one, of(&one.name))));
        let of = |name: &str| Some(model.processes.iter().find(|one| one.name == name)?.weight);
        self.lines("track_process", tracking.processes.iter().map(|one| line(one, of(&one.name))));
        let of = |name: &str| Some(model.bfd.iter().find(|one| one.name == name)?.weight);
        self.lines("track_bfd", tracking.bfd.iter().map(|one| line(one, of(&one.name))));
    }
}

/// `object`: the weight of what is tracked.
fn tracked(name: &str, weight: Option<TrackWeight>, object: Option<TrackWeight>) -> Vec<Word> {
    let mut words = vec![plain(name)];
    if let Some(weight) = weight {
        words.push(plain("weight"));
        words.extend(numbers(weight));
        let inherits = object.is_some_and(|object| object.reverse);
        words.extend((inherits && !weight.reverse).then(|| plain("noreverse")));
    }
    words
}

fn numbers(weight: TrackWeight) -> Vec<Word> {
    let reverse = weight.reverse.then(|| plain("reverse"));
    std::iter::once(plain(weight.number.written())).chain(reverse).collect()
}
