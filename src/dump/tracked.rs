//! `keepalived.data`: sockets, sync groups, and what is tracked.

use std::collections::BTreeMap;

use crate::config::model::{
    Authentication, Family, Instance, ParameterMatch, TrackProcess, TrackScript, Tracked, Tracking,
};
use crate::track::{Fault, Standing};
use crate::vrrp::event::State;

use super::instances::{scripts as notify, seconds, shown, tracking};
use super::page::{Page, yes};
use super::{View, account};

/// What a socket is known by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    interface: String,
    ipv6: bool,
    protocol: &'static str,
    /// Of unicast: the address that is sent from.
    from: Option<String>,
}

/// The sockets of the instances; no descriptor is told.
pub(super) fn sockets(view: &View<'_>, page: &mut Page) {
    let mut order: Vec<&Instance> = Vec::new();
    let mut sockets: BTreeMap<Socket, Vec<&Instance>> = BTreeMap::new();
    for instance in view.configured.instances {
        let users = sockets.entry(socket(view, instance)).or_default();
        if users.is_empty() {
            order.push(instance);
        }
        users.push(instance);
    }
    if order.is_empty() {
        return;
    }
    page.title("VRRP Sockpool");
    for first in order {
        let socket = socket(view, first);
        page.line(format_args!("   Interface = {}", socket.interface));
        page.line(format_args!("   Family = {}", first.family));
        page.line(format_args!("   Protocol = {}", socket.protocol));
        match &socket.from {
            Some(from) => {
                page.line(format_args!("   Type = Unicast"));
                page.line(format_args!("   Address = {from}"));
            }
            None => page.line(format_args!("   Type = Multicast")),
        }
        let users = sockets.get(&socket).map_or(&[][..], Vec::as_slice);
        // What policies amount to is known to the sockets alone.
        if view.configured.model.globals.vrrp.buffers.is_empty() {
            let bytes = users.iter().filter_map(|one| one.receive_buffer).max().unwrap_or(0);
            page.line(format_args!("   Rx buf size = {bytes}"));
        }
        page.line(format_args!("   VRRP instances"));
        users.iter().for_each(|one| page.line(format_args!("     {} vrid {}", one.name, one.vrid.number())));
    }
}

fn socket(view: &View<'_>, instance: &Instance) -> Socket {
    let on = if instance.transmit_on_base { instance.interface.as_ref() } else { instance.transmits_on() };
    let source = view.of(&instance.name).and_then(|seen| seen.source).or(instance.transport.source);
    let source = source.map_or_else(|| "(none)".to_owned(), |source| source.to_string());
    Socket {
        interface: on.map_or_else(|| "(none)".to_owned(), ToString::to_string),
        ipv6: instance.family == Family::Ipv6,
        protocol: if matches!(instance.authentication, Authentication::Ah(_)) { "AH" } else { "VRRP" },
        from: instance.unicast().map(|_| source),
    }
}

/// The sync groups.
pub(super) fn groups(view: &View<'_>, page: &mut Page) {
    if view.configured.groups.is_empty() {
        return;
    }
    page.title("VRRP Sync groups");
    for group in view.configured.groups {
        let members: Vec<_> = group.members.iter().filter_map(|name| view.of(name)).collect();
        let all = |state| !members.is_empty() && members.iter().all(|one| one.state == state);
        let faults = members.iter().filter(|one| one.state == State::Fault).count();
        let state = match () {
            () if faults > 0 => State::Fault,
            () if all(State::Master) => State::Master,
            () if members.is_empty() || all(State::Init) => State::Init,
            () => State::Backup,
        };
        let waits = |fault: &Fault| matches!(fault, Fault::ScriptPending(_));
        let pending = members.iter().filter(|one| one.faults.iter().any(waits)).count();
        page.line(format_args!(" VRRP Sync Group = {}, {state}", group.name));
        page.line(format_args!("   Num member fault {faults}, num member init {pending}"));
        page.line(format_args!("   VRRP member instances :"));
        group.members.iter().for_each(|name| page.line(format_args!("     {name}")));
        if group.tracking_weight {
            page.line(format_args!("   sync group tracking weight set"));
        }
        page.line(format_args!("   Using smtp notification = {}", yes(view.mails(group.notify.smtp_alert))));
        tracking(view.configured.model, &group.tracking, None, "Tracked process", page);
        notify(view, &group.notify, page);
    }
}

/// Which instances track something, as what counts in the end.
fn trackers(view: &View<'_>, of: fn(&Tracking) -> &Vec<Tracked>, name: &str, page: &mut Page) {
    page.line(format_args!("   Tracking instances :"));
    for instance in view.configured.instances {
        for tracked in of(&instance.tracking).iter().filter(|tracked| tracked.name == name) {
            let weight = shown(tracked.weight.unwrap_or_default());
            page.line(format_args!("     {}, {weight}", instance.name));
        }
    }
}

/// The tracked scripts.
pub(super) fn scripts(view: &View<'_>, page: &mut Page) {
    if view.configured.scripts.is_empty() {
        return;
    }
    page.title("VRRP Scripts");
    for script in view.configured.scripts {
        let seen = view.state.scripts.iter().find(|seen| seen.name == script.name);
        let up = seen.is_some_and(|seen| seen.standing == Standing::Up);
        page.line(format_args!(" VRRP Script = {}", script.name));
        page.line(format_args!("   Command = {}", view.words(&script.command)));
        page.line(format_args!("   Interval = {} sec", interval(script)));
        // One that is as long as the interval goes without saying.
        let timeout = if script.timeout == script.interval { 0 } else { script.timeout.as_secs() };
        page.line(format_args!("   Timeout = {timeout} sec"));
        let reverse = if script.weight.reverse { " reverse" } else { "" };
        page.line(format_args!("   Weight = {}{reverse}", script.weight.number));
        page.line(format_args!("   Rise = {}", script.rise));
        page.line(format_args!("   Fall = {}", script.fall));
        page.line(format_args!("   Result = {}", seen.map_or(0, |seen| seen.result)));
        page.line(format_args!("   Insecure = no"));
        let begun = seen.is_some_and(|seen| seen.last.is_some());
        page.line(format_args!("   Init state = {}", if begun { "unknown" } else { "INIT" }));
        page.line(format_args!("   Status = {}", if up { "GOOD" } else { "BAD" }));
        if let Some(program) = view.configured.found.programs.get(&script.command) {
            page.line(format_args!("   Script uid:gid = {}", account(&program.identity)));
        }
        page.line(format_args!("   VRRP instances :"));
        trackers(view, |tracking| &tracking.scripts, &script.name, page);
        let running = seen.is_some_and(|seen| seen.running);
        page.line(format_args!("   State = {}", if running { "running" } else { "idle" }));
    }
}

fn interval(script: &TrackScript) -> String {
    match script.interval.subsec_millis() {
        0 => script.interval.as_secs().to_string(),
        _ => format!("{:.3}", seconds(script.interval)),
    }
}

/// The tracked files.
pub(super) fn files(view: &View<'_>, page: &mut Page) {
    let tracks = |name: &str| {
        let mut all = view.configured.instances.iter().flat_map(|instance| &instance.tracking.files);
        all.any(|tracked| tracked.name == name)
    };
    let mut files = view.configured.files.iter().filter(|file| tracks(&file.name)).peekable();
    if files.peek().is_none() {
        return;
    }
    page.title("VRRP Track files");
    for file in files {
        let number = view.state.facts.files.get(&file.name).copied().unwrap_or(0);
        let reverse = if file.weight.reverse { " reverse" } else { "" };
        page.line(format_args!(" Track file = {}", file.name));
        page.line(format_args!("   File = {}", file.path));
        page.line(format_args!("   Status = {number}"));
        page.line(format_args!("   Weight = {}{reverse}", file.weight.number));
        trackers(view, |tracking| &tracking.files, &file.name, page);
    }
}

/// What `param_match` is called.
pub(super) fn matching(process: &TrackProcess) -> &'static str {
    match process.parameters {
        None => "none",
        Some(ParameterMatch::Exact) => "exact",
        Some(ParameterMatch::Partial) => "partial",
        Some(ParameterMatch::Initial) => "initial",
    }
}

/// The tracked processes.
pub(super) fn processes(view: &View<'_>, page: &mut Page) {
    if view.configured.processes.is_empty() {
        return;
    }
    page.title("VRRP Track processes");
    for process in view.configured.processes {
        let running = view.state.processes.get(&process.name).copied().unwrap_or(0);
        let up = view.state.facts.processes.get(&process.name) == Some(&Standing::Up);
        page.line(format_args!(" VRRP Track process = {}", process.name));
        page.line(format_args!("   Process = {}", process.command.join(" ")));
        if process.parameters.is_some() {
            page.line(format_args!("   Parameter match = {}", matching(process)));
        }
        page.line(format_args!("   Min processes = {}", process.quorum));
        if let Some(most) = process.quorum_max {
            page.line(format_args!("   Max processes = {most}"));
        }
        page.line(format_args!("   Current processes = {running}"));
        page.line(format_args!("   Have quorum = {up}"));
        let reverse = if process.weight.reverse { " reverse" } else { "" };
        page.line(format_args!("   Weight = {}{reverse}", process.weight.number));
        page.line(format_args!("   Terminate delay = {:.6}s", seconds(process.terminate_delay)));
        page.line(format_args!("   Fork delay = {:.6}s", seconds(process.fork_delay)));
        page.line(format_args!("   Full command = {}", process.full_command));
        trackers(view, |tracking| &tracking.processes, &process.name, page);
    }
}

/// The BFD sessions that instances track.
pub(super) fn sessions(view: &View<'_>, page: &mut Page) {
    let tracks = |name: &str| {
        let mut all = view.configured.instances.iter().flat_map(|instance| &instance.tracking.bfd);
        all.any(|tracked| tracked.name == name)
    };
    let mut sessions = view.configured.model.bfd.iter().filter(|one| tracks(&one.name)).peekable();
    if sessions.peek().is_none() {
        return;
    }
    page.title("VRRP Track BFDs");
    for session in sessions {
        let up = if view.state.facts.sessions.contains(&session.name) { "up" } else { "down" };
        page.line(format_args!(" VRRP Track BFD = {}", session.name));
        page.line(format_args!("   Weight = {}", session.weight.number));
        page.line(format_args!("   Bfd is {up}"));
        page.line(format_args!("   Tracking VRRP instances :"));
        trackers(view, |tracking| &tracking.bfd, &session.name, page);
    }
}
