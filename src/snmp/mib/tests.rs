use std::path::Path;

use super::standings::{Quorum, last_traps, quorum_trap, server_trap};
use super::state::{History, Running};
use super::*;
use crate::config::source::Texts;
use crate::config::supported::{Runnable, runnable};
use crate::config::{Options, load};
use crate::pool::{Stands, View};
use crate::snmp::pdu::{Bound, Range};
use crate::snmp::table::{Mib, Source};
use crate::snmp::traps::Trap;
use crate::track::{Facts, Standing};
use crate::vrrp::event::State;
use crate::vrrp::instance::{Snapshot, Stats, Times};

fn model(text: &str) -> (Model, Runnable) {
    let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let runnable = runnable(&model);
    (model, runnable)
}

const VRRP_TEXT: &str = "global_defs {\nrouter_id N\nenable_snmp_vrrp\nenable_snmp_rfc\nenable_traps\n}\n\
    vrrp_script a {\nscript \"/bin/a\"\n}\nvrrp_script b {\nscript \"/bin/b 'c d'\"\nweight -3\n}\n\
    vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n\
    vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress { 10.0.0.9/24 }\n\
    virtual_ipaddress_excluded { 10.0.0.10/24 }\ntrack_script { b weight 0 }\n}\n\
    vrrp_instance B {\ninterface eth1\nvirtual_router_id 8\nversion 3\nadvert_int 0.5\nnopreempt\n\
    virtual_ipaddress { fe80::9/64 }\n}\n";

/// Everything of `text`, with these states of its instances.
fn mib(text: &str, states: &[State]) -> Mib {
    let (model, runnable) = model(text);
    let name = |name: &str| InterfaceName::new(name).unwrap();
    let interface = |index| Interface { index, mac: Some([2, 0, 0, 0, 0, 1]) };
    let interfaces = [(name("eth0"), interface(2)), (name("eth1"), interface(3))].into();
    let configured = Configured {
        model: &model,
        instances: &runnable.instances,
        groups: &runnable.groups,
        statics: &runnable.statics,
        servers: &runnable.virtual_servers,
        interfaces: &interfaces,
        router_id: "N",
        host: "h",
        namespace: "",
        parts: Parts::of(&model, false),
    };
    let seen = |(instance, state): (&Instance, &State)| Snapshot {
        name: instance.name.clone(),
        state: *state,
        since: None,
        hands_over: false,
        why: None,
        rival: None,
        resumes: false,
        holds_back: false,
        priority: 90,
        contributions: Vec::new(),
        missing: Vec::new(),
        faults: Vec::new(),
        master: None,
        source: Some([10, 0, 0, 1].into()),
        times: Times::default(),
        stats: Stats { become_master: 3, chk_err: 1, ..Stats::default() },
    };
    let instances: Vec<Snapshot> = runnable.instances.iter().zip(states).map(seen).collect();
    let scripts = [("b".to_owned(), Standing::Down)].into();
    let facts = Facts { scripts: std::sync::Arc::new(scripts), ..Facts::default() };
    let histories = [("A".to_owned(), History { since: Some(1_000), reason: 2, error: 3 })].into();
    let running =
        Running { instances: &instances, facts: &facts, processes: &BTreeMap::new(), histories: &histories };
    let mut mib = Mib::default();
    mib.set(Source::Configuration, configured.tables());
    mib.set(Source::Vrrp, running.tables(&configured));
    mib
}

fn at(mib: &Mib, more: &[u32]) -> Option<Value> {
    match mib.get(&keepalived(more)) {
        Bound::Value(value) => Some(value),
        _ => None,
    }
}

#[test]
fn which_parts_are_served() {
    let parts = |globals: &str| Parts::of(&model(&format!("global_defs {{\n{globals}\n}}\n")).0, false);
    assert!(!parts("enable_traps").any());
    assert!(parts("enable_snmp_vrrp").vrrp && parts("enable_snmp_keepalived").vrrp);
    let checks = parts("enable_snmp_checker");
    assert!(checks.checks && !checks.vrrp && !checks.version2);
    let both = parts("enable_snmp_rfc");
    assert!(both.version2 && both.version3 && !both.vrrp);
    assert!(parts("enable_snmp_rfcv2").version2 && !parts("enable_snmp_rfcv2").version3);
    let names = |parts: Parts| parts.subtrees().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(checks), ["1.3.6.1.4.1.9586.100.5.1", "1.3.6.1.4.1.9586.100.5.3"]);
    assert_eq!(names(both), ["1.3.6.1.2.1.68", "1.3.6.1.2.1.207"]);
    // `-x` asks for all of it, but for traps.
    let all = Parts::of(&model("").0, true);
    assert!(all.vrrp && all.checks && all.version2 && all.version3 && !all.traps);
}

#[test]
fn instances_groups_and_what_they_track() {
    let mib = mib(VRRP_TEXT, &[State::Master, State::Fault]);
    assert_eq!(at(&mib, &[1, 2, 0]), Some(Value::text("N")));
    assert_eq!(at(&mib, &[2, 3, 1, 2, 2]), Some(Value::text("B")));
    assert_eq!(at(&mib, &[2, 3, 1, 4, 1]), Some(Value::Integer(2)));
    assert_eq!(at(&mib, &[2, 3, 1, 12, 1]), Some(Value::Gauge(1)), "seconds in version 2");
    assert_eq!(at(&mib, &[2, 3, 1, 12, 2]), Some(Value::Gauge(50)), "hundredths in version 3");
    assert_eq!(at(&mib, &[2, 3, 1, 13, 2]), Some(Value::Integer(2)));
    assert_eq!(at(&mib, &[2, 3, 1, 8, 2]), Some(Value::Integer(90)));
    assert_eq!(at(&mib, &[2, 3, 1, 9, 1]), Some(Value::Integer(1)));
    assert_eq!(at(&mib, &[2, 1, 1, 3, 1]), Some(Value::Integer(3)), "a group with a member in FAULT");
    assert_eq!(at(&mib, &[2, 2, 1, 2, 1, 2]), Some(Value::text("B")));
    // The one that nobody tracks is not there.
    assert_eq!(at(&mib, &[2, 9, 1, 2, 1]), Some(Value::text("b")));
    assert_eq!(at(&mib, &[2, 9, 1, 3, 1]), Some(Value::text("'/bin/b' 'c d'")));
    assert_eq!(at(&mib, &[2, 9, 1, 6, 1]), Some(Value::Integer(2)));
    assert_eq!(at(&mib, &[2, 9, 1, 2, 2]), None);
    assert_eq!(
        at(&mib, &[2, 5, 1, 3, 1, 1]),
        Some(Value::Integer(0)),
        "its own weight, not that of the script"
    );
}

#[test]
fn addresses_and_whether_they_are_here() {
    let mib = mib(VRRP_TEXT, &[State::Master, State::Backup]);
    assert_eq!(at(&mib, &[2, 6, 1, 3, 1, 1]), Some(Value::Octets(vec![10, 0, 0, 9])));
    assert_eq!(at(&mib, &[2, 6, 1, 5, 2, 1]), Some(Value::Gauge(64)));
    assert_eq!(at(&mib, &[2, 6, 1, 7, 1, 2]), Some(Value::Integer(2)));
    assert_eq!(at(&mib, &[2, 6, 1, 11, 1, 1]), Some(Value::Integer(1)));
    assert_eq!(at(&mib, &[2, 6, 1, 11, 1, 2]), Some(Value::Integer(2)), "excluded");
    assert_eq!(at(&mib, &[2, 6, 1, 10, 1, 1]), Some(Value::Integer(1)));
    assert_eq!(at(&mib, &[2, 6, 1, 10, 2, 1]), Some(Value::Integer(2)));
}

#[test]
fn the_mibs_of_the_rfcs() {
    let mib = mib(VRRP_TEXT, &[State::Master, State::Backup]);
    let at = |numbers: &[u32]| match mib.get(&Oid::new(&[1, 3, 6, 1, 2, 1]).with(numbers)) {
        Bound::Value(value) => Some(value),
        _ => None,
    };
    // Interface 2, router 7; the other one is of version 3.
    assert_eq!(at(&[68, 1, 3, 1, 3, 2, 7]), Some(Value::Integer(3)));
    assert_eq!(at(&[68, 1, 3, 1, 3, 3, 8]), None);
    assert_eq!(at(&[68, 1, 3, 1, 7, 2, 7]), Some(Value::Ip([10, 0, 0, 1].into())));
    assert_eq!(at(&[68, 1, 3, 1, 10, 2, 7]), None, "a password is never told");
    assert_eq!(at(&[68, 1, 3, 1, 13, 2, 7]), Some(Value::Since(1_000)));
    assert_eq!(at(&[68, 1, 4, 1, 2, 2, 7, 10, 0, 0, 9]), Some(Value::Integer(1)));
    assert_eq!(at(&[68, 1, 4, 1, 2, 2, 7, 10, 0, 0, 10]), None, "excluded");
    assert_eq!(at(&[68, 2, 1, 0]), Some(Value::Counter(1)));
    assert_eq!(at(&[68, 2, 4, 1, 1, 2, 7]), Some(Value::Counter(3)));
    assert_eq!(at(&[207, 1, 1, 1, 1, 6, 2, 7, 1]), Some(Value::Integer(3)));
    assert_eq!(at(&[207, 1, 1, 1, 1, 9, 3, 8, 2]), Some(Value::Integer(50)));
    assert_eq!(at(&[207, 1, 2, 5, 1, 2, 2, 7, 1]), Some(Value::Integer(2)));
    assert_eq!(at(&[207, 1, 2, 5, 1, 2, 3, 8, 2]), Some(Value::Integer(0)), "no master");
    let mut address = vec![207, 1, 1, 2, 1, 2, 3, 8, 2, 254, 128];
    address.resize(9 + 15, 0);
    address.push(9);
    assert_eq!(at(&address), Some(Value::Integer(1)));
}

/// Each name once, in order, and no text where the MIB has a number: the walk that everybody does.
#[test]
fn a_walk_ends() {
    let mib = mib(VRRP_TEXT, &[State::Master, State::Backup]);
    let mut range = Range::default();
    let mut count = 0;
    while let Some((name, _)) = mib.next(&range) {
        assert!(name > range.start);
        range.start = name;
        count += 1;
    }
    assert!(count > 150, "{count}");
}

const CHECKS_TEXT: &str = "global_defs {\nrouter_id N\nenable_snmp_checker\nenable_traps\n}\n\
    virtual_server_group W {\n10.0.0.2-3 80\nfwmark 7\n}\n\
    virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo wrr\nlb_kind DR\nquorum 2\nsorry_server 10.0.1.9 80\n\
    snmp_name web\nreal_server 10.0.1.1 80 {\nweight 3\nuthreshold 9\n}\nreal_server 10.0.1.2 80 {\n}\n}\n\
    virtual_server group W {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\nreal_server 10.0.1.1 80 {\n}\n}\n";

fn view() -> View {
    let stands = |up, weight| Stands { up, kept: false, weight, failed: usize::from(!up) };
    let address = |text: &str| text.parse().unwrap();
    let servers = [(address("10.0.1.1:80"), stands(true, 3)), (address("10.0.1.2:80"), stands(false, 1))];
    View { quorum: true, up: 1, keeps: false, servers: servers.into() }
}

#[test]
fn virtual_servers_and_real_servers() {
    let mut mib = mib(CHECKS_TEXT, &[]);
    let (_, runnable) = model(CHECKS_TEXT);
    mib.set(Source::Checks, standings::tables(&runnable.virtual_servers, |_| Some(view())));
    let at = |more: &[u32]| at(&mib, &[&[3], more].concat());
    assert_eq!(at(&[1, 1, 2, 1]), Some(Value::text("W")));
    assert_eq!(at(&[2, 1, 2, 1, 1]), Some(Value::Integer(1)), "marks first");
    assert_eq!(at(&[2, 1, 7, 1, 2]), Some(Value::Octets(vec![10, 0, 0, 3])));
    assert_eq!(at(&[3, 1, 2, 2]), Some(Value::Integer(3)));
    assert_eq!(at(&[3, 1, 9, 1]), Some(Value::Integer(2)));
    assert_eq!(at(&[3, 1, 71, 1]), Some(Value::text("web")));
    assert_eq!(at(&[3, 1, 21, 1]), Some(Value::Gauge(1)));
    assert_eq!(at(&[3, 1, 23, 1]), Some(Value::Integer(1)));
    // The sorry server is the first row.
    assert_eq!(at(&[4, 1, 2, 1, 1]), Some(Value::Integer(2)));
    assert_eq!(at(&[4, 1, 8, 1, 2]), Some(Value::Gauge(9)));
    assert_eq!(at(&[4, 1, 7, 1, 2]), Some(Value::Integer(3)));
    assert_eq!(at(&[4, 1, 6, 1, 3]), Some(Value::Integer(2)));
    assert_eq!(at(&[4, 1, 13, 1, 3]), Some(Value::Gauge(1)));
}

#[test]
fn counters_of_a_group_add_up() {
    use crate::ipvs::counters::{All, Connections, Counters};
    let (_, runnable) = model(CHECKS_TEXT);
    let counted = |connections| Counters { connections, rates: [1, 0, 0, 0, 1 << 32], ..Counters::default() };
    let real = "10.0.1.1:80".parse().unwrap();
    let connected = Connections { active: 2, ..Connections::default() };
    let servers = &runnable.virtual_servers;
    let entry = |number| (counted(number), [(real, (counted(number), connected))].into());
    let all: All =
        servers[1].services().zip([5, 7, 9]).map(|(service, number)| (service, entry(number))).collect();
    let mut mib = mib(CHECKS_TEXT, &[]);
    mib.set(Source::ServiceCounters, counters::services(servers, &all));
    mib.set(Source::RealCounters, counters::servers(servers, &all));
    let at = |more: &[u32]| at(&mib, &[&[3], more].concat());
    assert_eq!(at(&[3, 1, 38, 2]), Some(Value::Counter64(21)));
    assert_eq!(at(&[3, 1, 38, 1]), Some(Value::Counter64(0)), "the kernel has none of it");
    assert_eq!(at(&[4, 1, 14, 2, 1]), Some(Value::Gauge(21)));
    assert_eq!(at(&[4, 1, 15, 2, 1]), Some(Value::Gauge(6)));
    assert_eq!(
        (at(&[4, 1, 38, 2, 1]), at(&[4, 1, 39, 2, 1])),
        (Some(Value::Gauge(0)), Some(Value::Gauge(3)))
    );
}

fn numbers_of(trap: &Trap) -> Vec<u32> {
    trap.objects.iter().map(|(name, _)| *name.numbers().last().unwrap()).collect()
}

#[test]
fn traps_name_what_they_are_about() {
    let trap = instance_trap("A", Became::Stopped, crate::config::model::InitialState::Master, "N");
    assert_eq!(trap.name, keepalived(&[2, 10, 0, 2]));
    let values: Vec<Value> = trap.objects.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [Value::text("A"), Value::Integer(5), Value::Integer(2), Value::text("N")]);
    let (_, runnable) = model(CHECKS_TEXT);
    let server = &runnable.virtual_servers[0];
    let real = server.real_servers[0].address;
    let trap = server_trap(server, &real, false, 1, "N");
    assert_eq!(numbers_of(&trap), [3, 4, 5, 6, 2, 5, 6, 7, 8, 21, 20, 0]);
    let trap = quorum_trap(&runnable.virtual_servers[1], Quorum::Lost, 1, "N");
    assert_eq!(numbers_of(&trap), [2, 3, 8, 23, 22, 21, 20, 0]);
    // At the stop: the one that is up, then the quorum.
    let last = last_traps(server, view(), "N");
    let names: Vec<Oid> = last.iter().map(|trap| trap.name.clone()).collect();
    assert_eq!(names, [keepalived(&[3, 5, 0, 1]), keepalived(&[3, 5, 0, 2])]);
    assert!(last[1].objects.contains(&(checks::check(3).with(&[23]), Value::Integer(3))));
    assert!(last[1].objects.contains(&(checks::check(3).with(&[21]), Value::Gauge(0))));
}
