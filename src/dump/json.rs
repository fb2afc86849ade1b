//! `keepalived.json`: the instances as one line.

use serde_json::Value;

use crate::config::model::{
    Authentication, Command, Instance, OwnDevice, Preempt, TrackProcess, Version, VirtualAddress,
};
use crate::track::Standing;
use crate::vrrp::event::State;
use crate::vrrp::instance::{Snapshot, Stats};

use super::View;
use super::instances::seconds;
use super::objects::{route, rule, virtual_address};
use super::tracked::matching;

/// The keys of an object in their order; values are written already.
#[derive(Default)]
struct Object(Vec<(&'static str, String)>);

impl Object {
    fn put(&mut self, key: &'static str, value: impl std::fmt::Display) {
        self.0.push((key, value.to_string()));
    }

    fn text(&mut self, key: &'static str, value: &str) {
        self.put(key, quoted(value));
    }

    /// Left out when it is empty.
    fn list(&mut self, key: &'static str, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().map(|value| quoted(&value)).collect();
        if !values.is_empty() {
            self.put(key, format_args!("[{}]", values.join(",")));
        }
    }

    fn close(self) -> String {
        let members: Vec<String> = self.0.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// With each slash behind a backslash, as keepalived writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('/', "\\/")
}

/// The text; `None`: there is no instance, and nothing is written.
#[must_use]
pub fn json(view: &View<'_>) -> Option<String> {
    if view.configured.instances.is_empty() {
        return None;
    }
    let instances: Vec<String> = view
        .configured
        .instances
        .iter()
        .map(|instance| {
            let unstarted = Snapshot::unstarted(instance);
            let seen = view.of(&instance.name).unwrap_or(&unstarted);
            format!("{{\"data\":{},\"stats\":{}}}", data(view, instance, seen), statistics(&seen.stats))
        })
        .collect();
    let instances = format!("[{}]", instances.join(","));
    if view.configured.model.globals.files.json_version.unwrap_or(1) == 1 {
        return Some(instances + "\n");
    }
    let processes: Vec<String> = view.configured.processes.iter().map(|one| process(view, one)).collect();
    let processes = match processes.is_empty() {
        true => String::new(),
        false => format!(",\"track_process\":[{}]", processes.join(",")),
    };
    Some(format!("{{\"vrrp\":{instances}{processes}}}\n"))
}

fn data(view: &View<'_>, instance: &Instance, seen: &Snapshot) -> String {
    let mut object = Object::default();
    let flag = u8::from;
    object.text("iname", &instance.name);
    object.put("dont_track_primary", flag(instance.dont_track_primary));
    object.put("skip_check_adv_addr", flag(instance.skip_check_adv_addr));
    object.put("strict_mode", flag(instance.strict == Some(true)));
    let vmac = instance.vmacs.first().filter(|_| matches!(instance.device, Some(OwnDevice::Vmac { .. })));
    object.text("vmac_ifname", vmac.map_or("", |vmac| vmac.name.as_str()));
    if let Some(name) = vmac.map(|vmac| &vmac.name).or(instance.interface.as_ref()) {
        object.text("ifp_ifname", name.as_str());
    }
    let times = &seen.times;
    let backup = seen.state == State::Backup;
    object.put("master_priority", if backup { times.master_priority } else { 0 });
    object.put("last_transition", view.clock.seconds(seen.since.unwrap_or(view.clock.now)));
    let garp = &instance.garp;
    object.put("garp_delay", seconds(garp.master_delay));
    object.put("garp_refresh", seconds(garp.master_refresh));
    object.put("garp_rep", garp.master_repeat);
    object.put("garp_refresh_rep", garp.master_refresh_repeat);
    object.put("garp_lower_prio_delay", seconds(garp.lower_prio_delay));
    object.put("garp_lower_prio_rep", garp.lower_prio_repeat);
    object.put("lower_prio_no_advert", flag(instance.lower_prio_no_advert));
    object.put("higher_prio_send_advert", flag(instance.higher_prio_send_advert == Some(true)));
    object.put("vrid", instance.vrid.number());
    object.put("base_priority", instance.priority.number());
    object.put("effective_priority", seen.priority);
    object.put("vipset", seen.state == State::Master);
    object.put("promote_secondaries", instance.promote_secondaries);
    object.put("adver_int", seconds(instance.advert_interval.duration()));
    object.put("master_adver_int", seconds(times.master_interval));
    object.put("accept", flag(instance.accept != Some(false)));
    let (nopreempt, delay) = match instance.preempt {
        Preempt::Never => (true, 0.0),
        Preempt::After { delay } => (false, seconds(delay)),
    };
    object.put("nopreempt", nopreempt);
    object.put("preempt_delay", delay);
    for key in ["state", "wantstate"] {
        object.put(key, number(seen.state));
    }
    object.put("version", if instance.version == Version::V3 { 3 } else { 2 });
    object.put("smtp_alert", view.mails(instance.notify.smtp_alert));
    object.put("notify_deleted", instance.notify.deleted.is_some());
    scripts(view, instance, &mut object);
    let master = seen.state == State::Master;
    let addresses = |all: &[VirtualAddress]| -> Vec<String> {
        all.iter().map(|one| virtual_address(instance, one, master)).collect()
    };
    object.list("vips", addresses(&instance.addresses));
    object.list("evips", addresses(&instance.excluded_addresses));
    object.list("vroutes", instance.routes.iter().map(route));
    object.list("vrules", instance.rules.iter().map(rule));
    tracked(view, instance, &mut object);
    let kind = match &instance.authentication {
        Authentication::None | Authentication::Hmac(_) => 0,
        Authentication::Pass(_) => 1,
        Authentication::Ah(_) => 2,
    };
    object.put("auth_type", kind);
    if kind > 0 {
        object.text("auth_data", "********");
    }
    object.close()
}

/// In the numbers of keepalived.
fn number(state: State) -> u8 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}

fn scripts(view: &View<'_>, instance: &Instance, object: &mut Object) {
    let notify = &instance.notify;
    let all: [(&'static str, &Option<Command>); 7] = [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted),
        ("script", &notify.any),
        ("script_master_rx_lower_pri", &notify.lower_priority),
    ];
    for (key, command) in all {
        if let Some(command) = command.as_ref().filter(|command| !command.arguments.is_empty()) {
            object.text(key, &view.words(command));
        }
    }
}

/// As its own blocks name it; what its group tracks is not among it.
fn tracked(view: &View<'_>, instance: &Instance, object: &mut Object) {
    let mut own = view.configured.model.instances.iter();
    let Some(own) = own.find(|own| own.name == instance.name).map(|own| &own.tracking) else { return };
    object.list("track_ifp", own.interfaces.iter().map(|(name, _)| name.to_string()));
    let scripts = own
        .scripts
        .iter()
        .filter_map(|tracked| view.configured.scripts.iter().find(|script| script.name == tracked.name));
    object.list("track_script", scripts.map(|script| view.words(&script.command)));
    object.list("track_process", own.processes.iter().map(|tracked| tracked.name.clone()));
}

fn statistics(stats: &Stats) -> String {
    let mut object = Object::default();
    let counted = [
        ("advert_rcvd", stats.advert_rcvd),
        ("advert_sent", stats.advert_sent),
        ("become_master", stats.become_master),
        ("release_master", stats.release_master),
        ("packet_len_err", stats.packet_len_err),
        ("advert_interval_err", stats.advert_interval_err),
        ("ip_ttl_err", stats.ip_ttl_err),
        ("invalid_type_rcvd", stats.invalid_type_rcvd),
        ("addr_list_err", stats.addr_list_err),
        ("invalid_authtype", stats.invalid_authtype),
        ("authtype_mismatch", stats.authtype_mismatch),
        ("auth_failure", stats.auth_failure),
        // This version has no `auth_hmac`.
        ("auth_ext_missing", 0),
        ("auth_ext_malformed", 0),
        ("auth_ext_unknown_key", 0),
        ("auth_ext_invalid_hmac", 0),
        ("auth_ext_stale", 0),
        ("auth_ext_replay", 0),
        ("pri_zero_rcvd", stats.pri_zero_rcvd),
        ("pri_zero_sent", stats.pri_zero_sent),
    ];
    counted.into_iter().for_each(|(key, value)| object.put(key, value));
    object.close()
}

fn process(view: &View<'_>, process: &TrackProcess) -> String {
    let mut object = Object::default();
    let (name, parameters) = process.command.split_first().map_or(("", &[][..]), |(name, rest)| (name, rest));
    object.text("process", name);
    if !parameters.is_empty() {
        object.text("parameters", &parameters.join(" "));
    }
    object.text("param_match", matching(process));
    object.put("min_processes", process.quorum);
    if let Some(most) = process.quorum_max {
        object.put("max_processes", most);
    }
    object.put("current_processes", view.state.processes.get(&process.name).copied().unwrap_or(0));
    let up = view.state.facts.processes.get(&process.name) == Some(&Standing::Up);
    object.put("have_quorum", up);
    object.put("weight", process.weight.number);
    object.put("terminate_delay", seconds(process.terminate_delay));
    object.put("fork_delay", seconds(process.fork_delay));
    object.put("full_command", process.full_command);
    object.close()
}
