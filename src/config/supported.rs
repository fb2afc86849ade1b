//! What this version runs of a model, and the only code that knows what it does not run.
//!
//! In: a [`Model`]. Out: the instances and virtual servers to run, with the services of groups filled in, and what
//! is left out of them, with the reason. Whoever starts or reloads decides whether that will do. A part of the
//! language that is built loses its line here, and its rows of the keyword table get another status.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::model::{
    Authentication, BfdInstance, FileWeight, Filter, Gaps, Instance, InterfaceName, LinkDelay, MasterAgent,
    Model, Net, NetlinkBuffers, Pacing, Priority, Probe, ProbeKind, ReceiveBuffers, Route, Scripts,
    StaticAddress, Statics, SyncDaemon, SyncGroup, TrackFile, TrackGroup, TrackProcess, TrackScript,
    VirtualServer, VirtualServerGroup,
};
use super::tracked::tracking;
use super::vmac;

/// What is read and does not run.
const MISSING: &[Missing] = &[
    Missing {
        feature: Feature::AgentTransport,
        what: "a master agent that is reached neither by a socket of the file system nor by TCP",
        consequence: "nothing is shown over SNMP, and no trap is sent",
        help: Some(
            "`snmp_socket unix:/PATH`, `tcp:HOST:PORT` or `tcp6:[ADDRESS]:PORT`, and the same as `agentXSocket` of snmpd",
        ),
        why: "nothing is shown over SNMP: this version reaches a master agent by `unix:/PATH`, `tcp:HOST:PORT` or `tcp6:[ADDRESS]:PORT`",
    },
    Missing {
        feature: Feature::AuthenticationHmac,
        what: "`auth_hmac`",
        consequence: "adverts would be sent and accepted without authentication",
        help: None,
        why: "it does not run: this version has no auth_hmac",
    },
    Missing {
        feature: Feature::Vrf,
        what: "a route in a VRF",
        consequence: "the route is not set",
        help: Some("name the table of the VRF with `table NUMBER`"),
        why: "it is not set: this version knows no VRF, name its table with `table`",
    },
];

/// A part of the language of which a version may run less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// `snmp_socket` with another transport.
    AgentTransport,
    /// `auth_hmac`.
    AuthenticationHmac,
    /// A route in the table of a VRF.
    Vrf,
}

/// What is said of a part that does not run.
#[derive(Debug)]
pub(super) struct Missing {
    feature: Feature,
    /// `{what} is not supported by this version`.
    pub(super) what: &'static str,
    pub(super) consequence: &'static str,
    pub(super) help: Option<&'static str>,
    /// What it means for what is left out.
    why: &'static str,
}

/// What there is to say of a part of the language; `None`: it runs.
pub(super) fn missing(feature: Feature) -> Option<&'static Missing> {
    MISSING.iter().find(|missing| missing.feature == feature)
}

/// The part of a configuration that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runnable {
    /// Virtual routers; what they track with the weight that counts.
    pub instances: Vec<Instance>,
    /// Sync groups of them.
    pub groups: Vec<SyncGroup>,
    /// The scripts that they track.
    pub scripts: Vec<TrackScript>,
    /// The files that they track, and those that checks follow.
    pub files: Vec<TrackFile>,
    /// The processes that they track.
    pub processes: Vec<TrackProcess>,
    /// BFD sessions, tracked or not.
    pub sessions: Vec<BfdInstance>,
    /// As whom scripts run, and which may; FIFOs.
    pub script_settings: Scripts,
    /// What is there as long as the daemon runs.
    pub statics: Statics,
    /// How announcements are spaced out.
    pub pacing: Pacing,
    /// The table for traffic that is dropped.
    pub filter: Filter,
    /// Instances that suffer when a static object is not there.
    pub track_groups: Vec<TrackGroup>,
    /// How long changes of interfaces must last.
    pub link_delays: Vec<LinkDelay>,
    /// How large receive buffers of adverts are.
    pub buffers: ReceiveBuffers,
    /// Those of netlink.
    pub netlink: NetlinkBuffers,
    /// Adverts of other virtual routers are told of.
    pub log_unknown: bool,
    /// Connections that are synchronised with the other director; with their number.
    pub sync: Option<SyncDaemon>,
    /// Virtual servers, those of groups with their services.
    pub virtual_servers: Vec<Arc<VirtualServer>>,
    /// What does not run.
    pub left_out: Vec<LeftOut>,
}

/// Something that is configured and does not run, or not as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `vrrp_instance VI_1`.
    pub what: String,
    /// The reason.
    pub why: &'static str,
}

impl LeftOut {
    fn instance(instance: &Instance, why: &'static str) -> Self {
        Self { what: format!("vrrp_instance {}", instance.name), why }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl Runnable {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let nothing = self.virtual_servers.is_empty() && self.sync.is_none() && self.sessions.is_empty();
        nothing && !self.has_network()
    }

    /// Whether addresses, routes or rules are to be kept, by an instance or at all.
    pub fn has_network(&self) -> bool {
        !self.instances.is_empty() || !self.statics.is_empty()
    }

    /// `2 instances and 1 virtual server`.
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {one}s"),
        };
        let instances = count(self.instances.len(), "instance");
        let servers = count(self.virtual_servers.len(), "virtual server");
        match self.sessions.len() {
            0 => format!("{instances} and {servers}"),
            sessions => format!("{instances}, {servers} and {}", count(sessions, "BFD session")),
        }
    }
}

/// Sorts out what runs. Names of tables and their kin are still names.
pub fn runnable(model: &Model) -> Runnable {
    let mut result = Runnable::default();
    result.statics = statics(model, &mut result.left_out);
    for instance in &model.instances {
        match why_not(instance) {
            Some(why) => result.left_out.push(LeftOut::instance(instance, why)),
            None => result.instances.push(held(instance, model, &mut result.left_out)),
        }
    }
    let vrrp = &model.globals.vrrp;
    let mut names =
        vmac::Names::new(&result.instances, vrrp.vmac_prefix.as_ref(), vrrp.vmac_address_prefix.as_ref());
    result.instances.iter_mut().for_each(|instance| names.place(instance));
    result.groups.clone_from(&model.sync_groups);
    result.scripts = tracked_scripts(model, &result.instances);
    result.processes = tracked_processes(model, &result.instances);
    result.sessions.clone_from(&model.bfd);
    result.script_settings = model.globals.scripts.clone();
    result.pacing = pacing(model);
    result.filter = model.globals.host.filter();
    result.track_groups.clone_from(&model.track_groups);
    result.link_delays.clone_from(&model.link_delays);
    result.buffers = model.globals.vrrp.receive_buffers();
    result.netlink = model.globals.vrrp.netlink();
    result.log_unknown = model.globals.vrrp.log_unknown;
    result.sync = synchronisation(model, &result.instances, &mut result.left_out);
    let agent = model.globals.outside.snmp_socket.as_deref().map(MasterAgent::parse);
    if let (Some(Err(_)), Some(missing)) = (agent, missing(Feature::AgentTransport)) {
        result.left_out.push(LeftOut { what: "snmp_socket".to_owned(), why: missing.why });
    }
    let mut taken = BTreeSet::new();
    for server in &model.virtual_servers {
        taken.insert(server.service);
        result.virtual_servers.push(Arc::clone(server));
    }
    let mut groups: BTreeMap<&str, &VirtualServerGroup> = BTreeMap::new();
    for group in &model.server_groups {
        groups.entry(&group.name).or_insert(group);
    }
    // How many virtual servers use a group so far.
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for grouped in &model.grouped_servers {
        let used = uses.entry(&grouped.group).or_default();
        let index = std::mem::replace(used, *used + 1);
        let group = groups.get(grouped.group.as_str()).copied();
        match grouped.with_services(group, index, &mut taken) {
            Ok(server) => result.virtual_servers.push(Arc::new(server)),
            Err(why) => {
                let what = format!("virtual_server group {}", grouped.group);
                result.left_out.push(LeftOut { what, why });
            }
        }
    }
    for server in result.virtual_servers.iter_mut().filter(|server| followed(server).next().is_some()) {
        weigh(Arc::make_mut(server), &model.files);
    }
    result.files = tracked_files(model, &result.instances, &result.virtual_servers);
    result
}

/// `lvs_sync_daemon`, else the first `lvs_sync_daemon_interface` of an instance, which it follows then.
fn synchronisation(model: &Model, instances: &[Instance], left_out: &mut Vec<LeftOut>) -> Option<SyncDaemon> {
    let of_instance = || {
        let interface = |instance: &Instance| Some((instance.sync_interface.clone()?, instance.name.clone()));
        let (interface, name) = instances.iter().find_map(interface)?;
        // With this word keepalived does not take the number of the instance.
        let (instance, id) = (Some(name), Some(0));
        Some(SyncDaemon { interface, instance, id, max_length: None, port: None, ttl: None, group: None })
    };
    let daemon = model.globals.lvs.sync_daemon.clone().or_else(of_instance)?;
    let Some(name) = &daemon.instance else {
        return Some(SyncDaemon { id: daemon.id.or(Some(0)), ..daemon });
    };
    let Some(followed) = instances.iter().find(|instance| instance.name == *name) else {
        let what = format!("lvs_sync_daemon {} inst {name}", daemon.interface);
        left_out.push(LeftOut { what, why: "the instance that it follows does not run" });
        return None;
    };
    Some(SyncDaemon { id: daemon.id.or(Some(followed.vrid.number())), ..daemon })
}

/// Why an instance does not run.
fn why_not(instance: &Instance) -> Option<&'static str> {
    let hmac = matches!(instance.authentication, Authentication::Hmac(_));
    let feature = hmac.then_some(Feature::AuthenticationHmac)?;
    missing(feature).map(|missing| missing.why)
}

/// The scripts that somebody tracks; of two that have one name the first, as in keepalived.
fn tracked_scripts(model: &Model, instances: &[Instance]) -> Vec<TrackScript> {
    let tracked = instances.iter().flat_map(|instance| &instance.tracking.scripts);
    let mut names: BTreeSet<&str> = tracked.map(|tracked| tracked.name.as_str()).collect();
    let scripts = model.scripts.iter();
    scripts.filter(|script| names.remove(script.name.as_str())).cloned().collect()
}

/// The files that somebody tracks, and those that checks follow.
fn tracked_files(model: &Model, instances: &[Instance], servers: &[Arc<VirtualServer>]) -> Vec<TrackFile> {
    let tracked = instances.iter().flat_map(|instance| &instance.tracking.files);
    let mut names: BTreeSet<&str> = tracked.map(|tracked| tracked.name.as_str()).collect();
    names.extend(servers.iter().flat_map(|server| followed(server)));
    model.files.iter().filter(|file| names.remove(file.name.as_str())).cloned().collect()
}

/// How announcements are spaced out. An interface has the distances of its group alone, as in keepalived.
fn pacing(model: &Model) -> Pacing {
    let gaps = |arp: Option<Duration>, neighbour: Option<Duration>| Gaps {
        arp: arp.unwrap_or_default(),
        neighbour: neighbour.unwrap_or_default(),
    };
    let vrrp = &model.globals.vrrp;
    let groups = model.garp_groups.iter();
    Pacing {
        all: gaps(vrrp.garp_interval, vrrp.gna_interval),
        groups: groups
            .map(|group| (group.interfaces.clone(), gaps(group.garp_interval, group.gna_interval)))
            .collect(),
    }
}

/// The processes that somebody tracks.
fn tracked_processes(model: &Model, instances: &[Instance]) -> Vec<TrackProcess> {
    let tracked = instances.iter().flat_map(|instance| &instance.tracking.processes);
    let mut names: BTreeSet<&str> = tracked.map(|tracked| tracked.name.as_str()).collect();
    model.processes.iter().filter(|process| names.remove(process.name.as_str())).cloned().collect()
}

/// The instance with the routes that can be set, and with what it tracks in the end.
fn held(instance: &Instance, model: &Model, left_out: &mut Vec<LeftOut>) -> Instance {
    let mut instance = instance.clone();
    // As in keepalived that of its group counts where it says nothing, then the one for all.
    let group = model.sync_groups.iter().find(|group| group.members.contains(&instance.name));
    let changes = instance.notify.priority_changes.or(group.and_then(|group| group.notify.priority_changes));
    instance.notify.priority_changes = Some(changes.unwrap_or(model.globals.scripts.priority_changes));
    instance.tracking = tracking(&instance, model);
    let vrrp = &model.globals.vrrp;
    instance.strict = Some(instance.strict.unwrap_or(vrrp.strict));
    instance.v3_checksum_as_v2 = Some(instance.v3_checksum_as_v2.unwrap_or(vrrp.v3_checksum_as_v2));
    // RFC 9568 §6.4.3 has the owner ignore whoever else says to be master.
    let ignores =
        instance.owner_ignore_adverts.unwrap_or(vrrp.owner_ignore_adverts || instance.strict == Some(true));
    instance.owner_ignore_adverts = Some(ignores && instance.priority == Priority::OWNER);
    instance.accept = Some(accepts(&instance, model.globals.host.filters()));
    instance.garp_extra = instance.garp_extra.or(vrrp.garp_extra);
    let of = format!("vrrp_instance {}", instance.name);
    settable(&mut instance.routes, &of, left_out);
    instance
}

/// Whether traffic to its virtual addresses is let through. The strict mode drops it where a packet filter is asked for.
fn accepts(instance: &Instance, filters: bool) -> bool {
    let strict = instance.strict == Some(true) && filters;
    instance.priority == Priority::OWNER || instance.accept.unwrap_or(!strict)
}

/// What is there as long as the daemon runs.
fn statics(model: &Model, left_out: &mut Vec<LeftOut>) -> Statics {
    let placed = |one: &StaticAddress| {
        let mut one = one.clone();
        let default = || model.globals.host.default_interface.clone().or(InterfaceName::new("eth0").ok());
        one.address.interface = one.address.interface.or_else(default);
        one
    };
    let mut routes = model.static_routes.clone();
    settable(&mut routes, "static_routes", left_out);
    let addresses = model.static_addresses.iter().map(placed).collect();
    Statics {
        addresses,
        routes,
        rules: model.static_rules.clone(),
        vmacs: Vec::new(),
        no_local_igmp: model.globals.host.no_local_igmp,
    }
}

/// Takes out the routes that cannot be set.
fn settable(routes: &mut Vec<Route>, of: &str, left_out: &mut Vec<LeftOut>) {
    let mut gateways: BTreeMap<(Option<Net>, IpAddr), Vec<Route>> = BTreeMap::new();
    let mut why = |route: &Route| {
        if route.vrf.is_some() {
            return missing(Feature::Vrf).map(|missing| missing.why);
        }
        let alike = |known: &Route| {
            known.from == route.from
                && known.table == route.table
                && known.metric == route.metric
                && known.tos == route.tos
                && known.interface != route.interface
        };
        let gateway = route.via?;
        let same = gateways.entry((route.to, gateway)).or_default();
        if same.iter().any(alike) {
            return Some(
                "another route to the same place leads to the same gateway on another interface: give one of them a `metric`",
            );
        }
        same.push(route.clone());
        None
    };
    routes.retain(|route| match why(route) {
        Some(why) => {
            let to = route
                .to
                .map_or_else(|| "default".to_owned(), |net| format!("{}/{}", net.address, net.prefix));
            left_out.push(LeftOut { what: format!("route {to} of {of}"), why });
            false
        }
        None => true,
    });
}

/// The names of the files that its checks follow.
pub fn followed(server: &VirtualServer) -> impl Iterator<Item = &str> {
    let checkers = server.real_servers.iter().flat_map(|real| &real.checkers);
    checkers.filter_map(|checker| match &checker.probe.kind {
        ProbeKind::File { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// A check without a weight of its own has that of its file: what it does is a part of what it is.
fn weigh(server: &mut VirtualServer, files: &[TrackFile]) {
    for checker in server.real_servers.iter_mut().flat_map(|real| &mut real.checkers) {
        let ProbeKind::File { name, weight: None } = &checker.probe.kind else { continue };
        let file = files.iter().find(|file| file.name == *name);
        let weight = file.map(|TrackFile { weight, .. }| FileWeight {
            number: weight.number.into(),
            reverse: weight.reverse,
        });
        let kind = ProbeKind::File { name: name.clone(), weight };
        checker.probe = Arc::new(Probe { kind, connect: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};
    use std::path::Path;

    fn run(text: &str) -> Runnable {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        runnable(&loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    const REAL: &str = "lb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n";

    #[test]
    fn what_is_said_for_all_counts_where_an_instance_says_nothing() {
        let of = |globals: &str, own: &str| {
            let text = format!(
                "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\nversion 3\n\
                 {own}\nvirtual_ipaddress {{ 10.0.0.9/24 }}\n}}\n"
            );
            let instance = run(&text).instances.remove(0);
            (instance.owner_ignore_adverts == Some(true), instance.v3_checksum_as_v2 == Some(true))
        };
        assert_eq!(of("v3_checksum_as_v2\nvrrp_owner_ignore_adverts", "priority 255"), (true, true));
        assert_eq!(of("vrrp_owner_ignore_adverts", "priority 254"), (false, false), "no owner");
        assert_eq!(of("vrrp_owner_ignore_adverts", "priority 255\nowner_ignore_adverts off"), (false, false));
        assert_eq!(of("vrrp_strict", "priority 255"), (true, false));
        assert_eq!(of("v3_checksum_as_v2", "v3_checksum_as_v2 off"), (false, false));
    }

    #[test]
    fn announcements_are_spaced_out_by_interface_or_by_group() {
        let pacing = run("global_defs {\nvrrp_garp_interval 0.1\n}\ngarp_group {\ngna_interval 0.5\ninterfaces {\neth1\neth2\n}\n}\n").pacing;
        let ms = Duration::from_millis;
        assert_eq!(pacing.all, Gaps { arp: ms(100), neighbour: ms(0) });
        assert_eq!(pacing.groups.len(), 1);
        assert_eq!(
            (pacing.groups[0].0.len(), pacing.groups[0].1),
            (2, Gaps { arp: ms(0), neighbour: ms(500) })
        );
    }

    #[test]
    fn a_group_is_its_services() {
        let text = format!(
            "virtual_server_group WEB {{\n10.0.0.1-2 80\n10.0.0.9 443\nfwmark 5\n}}\n\
             virtual_server group WEB {{\n{REAL}}}\n"
        );
        let result = run(&text);
        let [server] = result.virtual_servers.as_slice() else { panic!("{result:?}") };
        let names: Vec<String> = server.services().map(|service| service.to_string()).collect();
        assert_eq!(names, ["[10.0.0.1]:tcp:80", "[10.0.0.2]:tcp:80", "[10.0.0.9]:tcp:443", "FWM 5"]);
        assert_eq!(server.name().to_string(), "[WEB]:0");
        assert_eq!(result.left_out, []);
    }

    #[test]
    fn a_service_belongs_to_one() {
        let group = "virtual_server_group A {\n10.0.0.1 80\n}\nvirtual_server_group B {\n10.0.0.0/8 80\n}\n";
        let text = format!(
            "{group}virtual_server 10.0.0.1 80 {{\n{REAL}}}\nvirtual_server group A {{\n{REAL}}}\n\
             virtual_server group B {{\n{REAL}}}\n"
        );
        let result = run(&text);
        assert_eq!(result.virtual_servers.len(), 1);
        let reasons: Vec<String> = result.left_out.iter().map(LeftOut::to_string).collect();
        assert_eq!(
            reasons,
            [
                "virtual_server group A: another virtual server has all addresses of the group",
                "virtual_server group B: the group has more than 65536 addresses"
            ]
        );
    }

    #[test]
    fn what_this_version_cannot_run_is_named() {
        let text = "vrrp_instance HMAC {\ninterface eth0\nvirtual_router_id 1\nauth_hmac {\n\
             key 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}\n\
             virtual_ipaddress {\n10.0.0.9\n}\n}\n\
             vrrp_instance SIX {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\nfe80::1\n}\n}\n\
             vrrp_instance TWO {\ninterface eth0\nvirtual_router_id 2\nvirtual_ipaddress {\n10.0.0.1\n}\n\
             virtual_ipaddress_excluded {\n2001:db8::1\n10.0.0.2\n}\n}\n";
        let result = run(text);
        assert_eq!(result.summary(), "2 instances and 0 virtual servers");
        assert_eq!(result.instances[1].excluded_addresses.len(), 2);
        let whats: Vec<&str> = result.left_out.iter().map(|one| &*one.what).collect();
        assert_eq!(whats, ["vrrp_instance HMAC"]);
    }

    /// Legal, so that a start runs the rest; `--check` warns.
    #[test]
    fn a_master_agent_that_cannot_be_reached_is_named() {
        let of = |socket: &str| {
            let text = format!("global_defs {{\nenable_snmp_vrrp\nsnmp_socket {socket}\n}}\n");
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            let left_out: Vec<String> =
                runnable(&loaded.model.unwrap()).left_out.into_iter().map(|one| one.what).collect();
            (left_out, loaded.diagnostics.len())
        };
        assert_eq!(of("unix:/var/agentx/master"), (Vec::new(), 0));
        assert_eq!(of("tcp:localhost:705"), (Vec::new(), 0));
        assert_eq!(of("udp:localhost:705"), (vec!["snmp_socket".to_owned()], 1));
    }

    #[test]
    fn static_addresses_have_an_interface_and_routes_in_a_vrf_are_named() {
        let text = "global_defs {\ndefault_interface eth3\n}\n\
             static_ipaddress {\n10.0.0.9/24\n10.0.0.8/24 dev eth1\n}\n\
             static_routes {\n10.1.0.0/16 via 10.0.0.1\n10.3.0.0/16 dev eth0 vrf RED\n}\n\
             static_rules {\nfrom 10.0.0.0/8 table 200\n}\n";
        let result = run(text);
        let interfaces: Vec<String> = result
            .statics
            .addresses
            .iter()
            .map(|one| one.address.interface.clone().unwrap().to_string())
            .collect();
        assert_eq!(interfaces, ["eth3", "eth1"]);
        assert_eq!((result.statics.routes.len(), result.statics.rules.len()), (1, 1));
        let whats: Vec<&str> = result.left_out.iter().map(|one| &*one.what).collect();
        assert_eq!(whats, ["route 10.3.0.0/16 of static_routes"]);
        assert!(!result.is_empty() && result.has_network());
    }

    #[test]
    fn connections_are_synchronised_as_the_file_says() {
        let of = |globals: &str, own: &str| {
            let text = format!(
                "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{own}\n\
                 virtual_ipaddress {{ 10.0.0.9/24 }}\n}}\n"
            );
            let result = run(&text);
            let daemon = |sync: SyncDaemon| (sync.interface.to_string(), sync.instance, sync.id);
            (result.sync.map(daemon), result.left_out.len())
        };
        let daemon = |interface: &str, instance: Option<&str>, id| {
            (Some((interface.to_owned(), instance.map(str::to_owned), Some(id))), 0)
        };
        assert_eq!(of("", ""), (None, 0));
        assert_eq!(of("lvs_sync_daemon eth1", ""), daemon("eth1", None, 0));
        assert_eq!(of("lvs_sync_daemon eth1 id 9", ""), daemon("eth1", None, 9));
        assert_eq!(of("lvs_sync_daemon eth1 inst A", ""), daemon("eth1", Some("A"), 7));
        assert_eq!(of("lvs_sync_daemon eth1 inst A id 0", ""), daemon("eth1", Some("A"), 0));
        assert_eq!(of("lvs_sync_daemon eth1 A 9", ""), daemon("eth1", Some("A"), 9));
        let own = "lvs_sync_daemon_interface eth2";
        assert_eq!(of("", own), daemon("eth2", Some("A"), 0));
        assert_eq!(of("lvs_sync_daemon eth1 inst A", own), daemon("eth1", Some("A"), 7));
        assert_eq!(of("lvs_sync_daemon eth1 inst B", ""), (None, 1), "there is no such instance");
    }

    #[test]
    fn two_instances_of_one_number_and_one_without_an_interface() {
        let instance = |name: &str, more: &str| {
            format!(
                "vrrp_instance {name} {{\nvirtual_router_id 7\n{more}\nvirtual_ipaddress {{\n10.0.0.{}\n}}\n}}\n",
                name.len()
            )
        };
        let text = [
            instance("A", "interface eth0"),
            instance("BB", "interface eth0\nmcast_dst_ip 224.0.0.100"),
            instance("CCC", "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}"),
            instance("DDDD", "interface eth1\nunicast_src_ip 10.0.0.1\nunicast_fault_no_peer"),
        ];
        let result = run(&text.concat().replace("10.0.0.3", "10.0.0.3 dev eth2"));
        let on = |instance: &Instance| instance.interface.as_ref().map(ToString::to_string);
        let found: Vec<(&str, Option<String>)> =
            result.instances.iter().map(|one| (&*one.name, on(one))).collect();
        // Without a peer it is in FAULT.
        let eth = |number: u8| Some(format!("eth{number}"));
        assert_eq!(found, [("A", eth(0)), ("BB", eth(0)), ("CCC", None), ("DDDD", eth(1))]);
        assert_eq!(result.left_out, []);
    }

    #[test]
    fn the_strict_mode_drops_where_a_firewall_is_asked_for() {
        let accepts = |globals: &str, more: &str| {
            let text = format!(
                "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{more}\n\
                 virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
            );
            run(&text).instances[0].accept.unwrap()
        };
        assert!(accepts("", "") && !accepts("", "no_accept"));
        assert!(accepts("nftables", "") && accepts("vrrp_iptables", ""));
        assert!(accepts("vrrp_strict", "") && !accepts("vrrp_strict", "no_accept"));
        for word in ["nftables", "vrrp_iptables", "vrrp_iptables IN OUT", "vrrp_ipsets a b"] {
            let strict = format!("vrrp_strict\n{word}");
            assert!(!accepts(&strict, "") && !accepts(word, "strict_mode"), "{word}");
            assert!(accepts(&strict, "strict_mode off"));
            assert!(accepts(&strict, "state MASTER\npriority 255") && accepts(&strict, "version 3\naccept"));
            assert!(!accepts(&strict, "accept"), "version 2 has no word against it");
        }
        assert!(accepts("", "no_accept\npriority 255"));
    }

    #[test]
    fn the_table_is_named_as_it_is_written() {
        let filter = |globals: &str| run(&format!("global_defs {{\n{globals}\n}}\n")).filter;
        assert_eq!(filter(""), Filter::default());
        assert_eq!(filter("nftables"), filter("vrrp_iptables A B"));
        let all = "nftables mine\nnftables_priority -150\nnftables_counters\nnftables_ifindex";
        let expected = Filter { table: "mine".into(), priority: -150, counters: true, by_index: true };
        assert_eq!(filter(all), expected);
    }

    #[test]
    fn sessions_run_whoever_listens() {
        let text =
            "bfd_instance B {\nneighbor_ip 10.0.0.9\nchecker\n}\nbfd_instance C {\nneighbor_ip 10.0.0.8\n}\n";
        let result = run(text);
        let names: Vec<&str> = result.sessions.iter().map(|session| &*session.name).collect();
        assert_eq!(names, ["B", "C"]);
        assert!(!result.is_empty() && !result.has_network());
        assert_eq!(result.summary(), "0 instances, 0 virtual servers and 2 BFD sessions");
    }

    #[test]
    fn files_that_checks_follow_are_read_and_lend_their_weight() {
        let check = |weight: &str| format!("FILE_CHECK {{\ntrack_file F\n{weight}\n}}\n");
        let text = format!(
            "track_file F {{\nfile /tmp/f\nweight 7 reverse\n}}\ntrack_file G {{\nfile /tmp/g\n}}\n\
             virtual_server 10.0.0.1 80 {{\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.0.1.1 80 {{\n\
             {}{}}}\n}}\n",
            check(""),
            check("weight 3")
        );
        let result = run(&text);
        let names: Vec<&str> = result.files.iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["F"], "nobody follows G");
        let weights: Vec<Option<FileWeight>> = result.virtual_servers[0].real_servers[0]
            .checkers
            .iter()
            .map(|checker| match &checker.probe.kind {
                ProbeKind::File { weight, .. } => *weight,
                other => panic!("{other:?}"),
            })
            .collect();
        let weight = |number, reverse| Some(FileWeight { number, reverse });
        assert_eq!(weights, [weight(7, true), weight(3, false)]);
    }

    /// A feature that is built leaves no line behind.
    #[test]
    fn the_keyword_table_agrees() {
        use crate::config::keywords::{self, Status};
        for keyword in keywords::all().filter(|row| row.is_block() && row.path.starts_with("real_server/")) {
            assert!(!matches!(keyword.status, Status::NotYet(_)), "{}", keyword.path);
        }
        let hmac = keywords::all().find(|row| row.path == "vrrp_instance/auth_hmac").unwrap();
        let mut instance =
            Instance::new("V", InterfaceName::new("eth0").unwrap(), crate::config::model::Vrid::LOWEST);
        assert_eq!(why_not(&instance), None);
        instance.authentication = Authentication::Hmac(crate::config::model::Hmac {
            keys: Vec::new(),
            active: 1,
            window: None,
            monotonic: false,
            mode: crate::config::model::HmacMode::Enforce,
        });
        assert_eq!(why_not(&instance).is_some(), matches!(hmac.status, Status::LeftOut(_)));
    }
}
