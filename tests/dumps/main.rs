//! The files that keepalived's signals ask for, beside those that keepalived wrote for the same configuration: `oracle/` by
//! 2.4.3, `checks/` by 2.2.7. What changes from run to run is given to ours as it stands there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod exporters;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directord::config::model::{Fallbacks, Instance, Model};
use directord::config::source::Texts;
use directord::config::supported::{Runnable, runnable};
use directord::config::{Options, load};
use directord::dump::{self, Clock, Configured, Found, State, View};
use directord::net::kernel::{Change, LinkState};
use directord::net::object::{Address, Object};
use directord::script::{Ending, Identity, Program};
use directord::track::{Contribution, Facts, Standing, script};
use directord::vrrp::event::State as VrrpState;
use directord::vrrp::instance::{Snapshot, Stats, Times};

const CONF: &str = include_str!("oracle/keepalived.conf");
const DATA: &str = include_str!("oracle/keepalived.data");
const PARENT: &str = include_str!("oracle/keepalived_parent.data");
const STATISTICS: &str = include_str!("oracle/keepalived.stats");
const JSON: &str = include_str!("oracle/keepalived.json");
const CHECKS_CONF: &str = include_str!("checks/keepalived.conf");
const CHECKS: &str = include_str!("checks/keepalived_check.data");

/// 20:08:00, in the second when all was written.
const MINUTE: u64 = 1_795_637_280;

/// What is configured, and what runs of it.
struct Machine {
    model: Model,
    fallbacks: Fallbacks,
    parts: Runnable,
    found: Found,
    state: State,
    clock: Clock,
}

impl Machine {
    fn new(text: &str) -> Self {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let parts = runnable(&model);
        let root = Identity { uid: 0, gid: 0, groups: Vec::new() };
        let clock = Clock { now: Instant::now(), shown: Duration::from_secs(MINUTE + 50), civil };
        let mut found = Found { user: Some(root.clone()), ..Found::default() };
        found.fifos.insert("/D/fifo".to_owned(), root);
        Self { model, fallbacks: loaded.fallbacks, parts, found, state: State::default(), clock }
    }

    fn show<T>(&self, text: impl Fn(&View<'_>) -> T) -> T {
        let parts = &self.parts;
        let configured = Configured {
            model: &self.model,
            fallbacks: &self.fallbacks,
            router_id: "A",
            instances: &parts.instances,
            groups: &parts.groups,
            statics: &parts.statics,
            scripts: &parts.scripts,
            files: &parts.files,
            processes: &parts.processes,
            filter: &parts.filter,
            servers: &parts.virtual_servers,
            found: &self.found,
        };
        text(&View { configured, state: &self.state, clock: &self.clock })
    }

    /// A moment in seconds and microseconds behind [`MINUTE`].
    fn at(&self, seconds: u64, micros: u64) -> Instant {
        let ago = Duration::from_secs(50).checked_sub(Duration::from_micros(seconds * 1_000_000 + micros));
        self.clock.now.checked_sub(ago.unwrap_or_default()).unwrap()
            + Duration::from_micros(seconds * 1_000_000 + micros).saturating_sub(Duration::from_secs(50))
    }
}

fn civil(moment: u64) -> String {
    format!("Wed Nov 25 20:08:{:02} 2026", moment - MINUTE)
}

/// keepalived's run of the oracle: both instances are master.
fn oracle() -> Machine {
    let mut machine = Machine::new(&CONF.replace("@D@", "/D"));
    let root = machine.found.user.clone().unwrap();
    let mut commands: Vec<_> = machine.model.scripts.iter().map(|one| one.command.clone()).collect();
    let notify = machine.model.instances.iter().map(|one| &one.notify);
    for notify in notify.chain(machine.model.sync_groups.iter().map(|one| &one.notify)) {
        let all = [&notify.backup, &notify.master, &notify.fault, &notify.stop, &notify.any];
        commands.extend(all.into_iter().flatten().cloned());
    }
    for command in commands {
        let arguments = command.arguments.clone();
        machine.found.programs.insert(command, Program { arguments, identity: root.clone() });
    }
    let times = |deadline, master_down, interval| Times {
        deadline: Some(deadline),
        master_down: Duration::from_micros(master_down),
        master_interval: Duration::from_millis(interval),
        master_priority: 0,
    };
    let instances = &machine.parts.instances;
    let first = Snapshot {
        state: VrrpState::Master,
        since: Some(machine.at(46, 850_213)),
        source: Some([10, 0, 0, 1].into()),
        times: times(machine.at(50, 852_434), 313_761, 1_000),
        stats: Stats { advert_rcvd: 4, advert_sent: 5, become_master: 1, ..Stats::default() },
        ..Snapshot::unstarted(&instances[0])
    };
    let second = Snapshot {
        state: VrrpState::Master,
        since: Some(machine.at(46, 851_930)),
        source: Some([10, 0, 1, 1].into()),
        times: times(machine.at(50, 851_037), 1_765_625, 500),
        stats: Stats { advert_sent: 10, become_master: 1, ..Stats::default() },
        ..Snapshot::unstarted(&instances[1])
    };
    let script = |name: &str, result| script::Snapshot {
        name: name.to_owned(),
        standing: Standing::Up,
        last: Some(Ending::Exited(0)),
        running: false,
        result,
    };
    machine.state.instances = vec![first, second];
    machine.state.scripts = vec![script("chk", 3), script("must", 1)];
    let link = |index: u32, name: &str, mac: u8| {
        let link = LinkState { mac: vec![2, 0, 0, 0, mac, 1], ..LinkState::ethernet(name) };
        Change::Link(index, link)
    };
    let loopback = LinkState {
        loopback: true,
        multicast: false,
        mtu: 65_536,
        hardware_type: 772,
        mac: vec![0; 6],
        ..LinkState::ethernet("lo")
    };
    let address = |index: u32, text: &str| {
        Change::Added(Object::Address(Address::new(index, text.parse().unwrap(), 24)))
    };
    machine.state.links = vec![
        Change::Link(1, loopback),
        link(2, "eth0", 0),
        link(3, "eth1", 1),
        link(4, "eth2", 2),
        address(1, "127.0.0.1"),
        address(1, "::1"),
        address(2, "10.0.0.1"),
        address(2, "10.0.0.100"),
        address(2, "fe80::ff:fe00:1"),
        address(3, "10.0.1.1"),
        address(3, "fe80::ff:fe00:101"),
        address(4, "10.0.2.1"),
        address(4, "fe80::ff:fe00:201"),
    ];
    machine
}

/// The lines that are compared: without what `left_out` begins, and with a star in the place of a value that `varies`.
fn lines(text: &str, left_out: &[&str], varies: &[&str]) -> Vec<String> {
    let text = text.replace("@D@", "/D");
    let kept = text.lines().filter(|line| !left_out.iter().any(|start| line.trim_start().starts_with(start)));
    let masked = kept.map(|line| match varies.iter().find(|key| line.trim_start().starts_with(**key)) {
        Some(key) => format!("{key} *"),
        None => line.to_owned(),
    });
    masked.collect()
}

#[track_caller]
fn assert_alike(ours: &[String], theirs: &[String]) {
    for (at, (our, their)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(our, their, "line {at}; before it: {:?}", &ours[at.saturating_sub(3)..at]);
    }
    assert_eq!(ours.len(), theirs.len(), "{:?}", ours.get(theirs.len()).or(theirs.get(ours.len())));
}

/// Of keepalived's own processes, sockets and libraries; what `docs/compat.md` says is left out.
const THEIRS: [&str; 11] = [
    "fd_in ",
    "iproute etc directory",
    "iproute usr directory",
    "Delayed state change running",
    "NIC netlink status update",
    "Original arp_",
    "Original promote_secondaries",
    "Reset ARP config counter",
    "Reset promote_secondaries counter",
    "Seen up",
    "libnftnl",
];

/// What the keepalived of the oracle was built without.
const OURS: [&str; 5] = ["Accept = ", "BFD ", "SNMP ", "DBus ", "DBus service"];

#[test]
fn the_data_file_holds_what_that_of_keepalived_holds() {
    let ours = oracle().show(dump::vrrp);
    // It lags behind by what the loop takes.
    let varies = ["Last advert sent"];
    assert_alike(&lines(&ours, &OURS, &varies), &lines(DATA, &THEIRS, &varies));
    for label in OURS {
        assert!(ours.lines().any(|line| line.trim_start().starts_with(label)), "{label}");
    }
    assert!(!ours.contains("secret12"));
}

#[test]
fn the_parents_file_holds_what_that_of_keepalived_holds() {
    // keepalived's parent does not work these two out.
    let varies = ["Gratuitous ARP lower priority"];
    let ours = oracle().show(dump::parent);
    assert_alike(&lines(&ours, &OURS, &varies), &lines(PARENT, &THEIRS, &varies));
}

#[test]
fn the_statistics_are_those_of_keepalived() {
    let mut machine = oracle();
    // Written a moment earlier than the JSON file.
    machine.state.instances[1].stats.advert_sent = 9;
    let ours = machine.show(|view| dump::statistics(view.configured.instances, &view.state.instances));
    assert_eq!(ours, STATISTICS);
}

#[test]
fn the_json_file_is_that_of_keepalived() {
    let ours = oracle().show(dump::json).unwrap();
    // The keepalived of the oracle was built without a packet filter.
    assert_eq!(ours.replace("\"accept\":1,", ""), JSON.replace("@D@", "\\/D"));
    let none = Machine::new("global_defs {\n}\n");
    assert_eq!(none.show(dump::json), None, "without an instance nothing is written");
}

#[test]
fn version_2_of_the_json_file_wraps_it_and_has_the_processes() {
    let process =
        "vrrp_track_process p {\nprocess /bin/p a\nparam_match initial\nquorum 2\nquorum_max 5\n}\n";
    let track = "track_process {\np\n}\n";
    let of = |before: &str, inside: &str| {
        let text = format!(
            "global_defs {{\njson_version 2\n}}\n{before}vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n\
             {inside}virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
        );
        let mut machine = Machine::new(&text);
        machine.state.processes.insert("p".to_owned(), 3);
        let standings: BTreeMap<String, Standing> = [("p".to_owned(), Standing::Up)].into();
        machine.state.facts = Facts { processes: Arc::new(standings), ..Facts::default() };
        serde_json::from_str::<serde_json::Value>(&machine.show(dump::json).unwrap()).unwrap()
    };
    let whole = of(process, track);
    assert_eq!(whole["vrrp"][0]["data"]["iname"], "A");
    assert_eq!(whole["vrrp"][0]["stats"]["advert_sent"], 0);
    let shown = &whole["track_process"][0];
    assert_eq!((&shown["process"], &shown["parameters"]), (&"/bin/p".into(), &"a".into()));
    assert_eq!((&shown["param_match"], &shown["max_processes"]), (&"initial".into(), &5.into()));
    assert_eq!((&shown["current_processes"], &shown["have_quorum"]), (&3.into(), &true.into()));
    assert_eq!(of("", "").get("track_process"), None);
}

#[test]
fn the_exporters_find_every_field() {
    let machine = oracle();
    let ours = machine.show(dump::vrrp);
    let found = exporters::data(&ours);
    assert_eq!(found, exporters::data(DATA));
    let first = &found["VI_1"];
    assert_eq!((first.state.as_deref(), first.want_state.as_deref()), (Some("MASTER"), Some("MASTER")));
    assert_eq!(
        (first.interface.as_deref(), first.garp_delay, first.router_id),
        (Some("eth0"), Some(5), Some(51))
    );
    let address = |text: &str| (text.to_owned(), "eth0".to_owned());
    assert_eq!(first.addresses, [address("10.0.0.100/24"), address("10.0.0.101")]);
    let scripts = exporters::scripts(&ours);
    assert_eq!(scripts, exporters::scripts(&DATA.replace("@D@", "/D")));
    let script = |name: &str| (name.to_owned(), "GOOD".to_owned(), "idle".to_owned());
    assert_eq!(scripts, ["chk", "must"].map(script));
    let counted = machine.show(|view| dump::statistics(view.configured.instances, &view.state.instances));
    for (name, counters) in exporters::statistics(&counted) {
        for counter in exporters::COUNTERS {
            assert!(counters.contains_key(counter), "{name}: {counter}");
        }
    }
    let decoded = exporters::json(&machine.show(dump::json).unwrap());
    assert_eq!(decoded, exporters::json(&JSON.replace("@D@", "\\/D")));
    assert_eq!(decoded.len(), 2);
}

/// What keepalived 2.2.7 showed of one in each state; the labels that stand in no oracle.
#[test]
fn a_backup_names_its_master_and_a_fault_its_reasons() {
    use directord::track::Fault;
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nversion 3\nadvert_int 0.35\npriority 99\n\
                preempt_delay 30\ndont_track_primary\nskip_check_adv_addr\nunicast_peer {\n10.0.0.2\n}\n\
                track_file {\nf weight 2 reverse\n}\nvirtual_ipaddress {\n10.0.0.1/24\n}\n}\n\
                track_file f {\nfile /x\n}\n";
    let mut machine = Machine::new(text);
    let instance: Instance = machine.parts.instances[0].clone();
    let heard = Snapshot {
        state: VrrpState::Backup,
        master: Some([10, 0, 0, 2].into()),
        priority: 94,
        contributions: vec![Contribution { what: "file f".to_owned(), by: -5 }],
        times: Times {
            deadline: None,
            master_down: Duration::from_millis(3_613),
            master_interval: Duration::from_secs(1),
            master_priority: 150,
        },
        ..Snapshot::unstarted(&instance)
    };
    machine.state.instances = vec![heard.clone()];
    let ours = machine.show(dump::vrrp);
    let has = |ours: &str, all: &[&str]| {
        for line in all {
            assert!(ours.lines().any(|other| other == *line), "{line}\n{ours}");
        }
    };
    has(
        &ours,
        &[
            "   State = BACKUP",
            "   Master router = 10.0.0.2",
            "   Master priority = 150",
            "   Master advert int = 1.00 sec",
            "   Flags:",
            "     Using unicast",
            "   Read timeout = DISABLED",
            "   VRRP interface tracking disabled",
            "   Skip checking advert IP addresses",
            "   Priority = 99",
            "   Effective priority = 94",
            "   Total priority = 94",
            "   Advert interval = 350 milli-sec",
            "   Master advert interval = 1000 milli-sec",
            "   Preempt delay = 30 secs",
            "     10.0.0.1/24 dev eth0 scope global",
            "   Unicast Peer :",
            "     10.0.0.2 min_ttl 0 max_ttl 255",
            "   Tracked files :",
            "     f, weight 2 reverse",
        ],
    );
    assert!(!ours.contains("Last advert sent") && !ours.contains("Multicast address"));
    let faults = vec![Fault::InterfaceDown("eth0".to_owned()), Fault::ScriptPending("s".to_owned())];
    machine.state.instances = vec![Snapshot { state: VrrpState::Fault, faults, ..heard }];
    has(
        &machine.show(dump::vrrp),
        &[
            "   State = FAULT",
            "   Number of tracker faults = 1",
            "   Flags of interface faults - interface eth0 down",
            "   Number of track scripts init = 1",
        ],
    );
}

/// Values that came of the run, or of what keepalived keeps apart and we do not.
const RUN: [&str; 17] = [
    "Enabled",
    "Up ",
    "Has run",
    // The root is a name of no labels there.
    "Name = ",
    "Current weight",
    "Retries iterations",
    // Ours with `checker_log_all_failures`.
    "Log all failures",
    // Ours when a name is sent.
    "Enable SNI",
    "alive",
    "num failed checkers",
    "effective weight",
    "quorum_state_up",
    "Status = ",
    "RIP = ",
    "Using smtp notification",
    "timeout = ",
    "script = ",
];

#[test]
fn the_file_of_the_checks_holds_what_that_of_keepalived_holds() {
    let mut machine = Machine::new(CHECKS_CONF);
    let root = machine.found.user.clone().unwrap();
    for server in &machine.parts.virtual_servers {
        let notify = [&server.notify.quorum_up, &server.notify.quorum_down];
        let reals = server.real_servers.iter().filter_map(|real| real.notify.as_ref());
        let of_reals = reals.flat_map(|notify| [&notify.up, &notify.down]);
        for command in notify.into_iter().chain(of_reals).flatten() {
            let arguments = command.arguments.iter().map(|word| word.replace("/bin/", "/usr/bin/")).collect();
            machine.found.programs.insert(command.clone(), Program { arguments, identity: root.clone() });
        }
    }
    let ours = machine.show(dump::checks);
    let ours = &ours[ours.find("------< SSL").unwrap()..];
    let left_out = [
        "System is compiled",
        "Alive: ",
        "reloaded",
        "Reloaded",
        "connection timeout",
        "delay_loop",
        "alpha is",
        "default forwarding method",
        "previous effective_weight",
        "RS set",
        "Default delay before retry",
        "Regex options",
        "Regex ref count",
        "Failed URL",
        "Last ran",
        "Last status",
        "uid:gid",
    ];
    let theirs = lines(CHECKS, &left_out, &RUN);
    // That of a virtual server; those of real servers stay.
    let mut before = "";
    let theirs: Vec<String> = theirs
        .iter()
        .filter(|line| {
            let of_service = std::mem::replace(&mut before, line).starts_with("   omega is");
            !(of_service && line.starts_with("   Inhibit on failure"))
        })
        .cloned()
        .collect();
    assert_alike(&lines(ours, &["uid:gid"], &RUN), &theirs);
}

/// As keepalived 2.2.7 shows the same settings; `umask`, the processors and the timeouts in the notation of the file.
#[test]
fn what_else_the_files_begin_with() {
    let text = "global_defs {\nrouter_id B\nlvs_flush_on_stop VS\nsmtp_server 127.0.0.2 26\nsmtp_helo_name hh\n\
                smtp_connect_timeout 7\nnotification_email_from a@b\nnotification_email {\na@b\nc@d\n}\n\
                no_email_faults\nsmtp_alert\nsmtp_alert_vrrp false\nnftables nft\nnftables_priority -3\n\
                nftables_counters\nenable_snmp_vrrp\nenable_traps\nvrrp_mcast_group4 224.0.0.19\nvrrp_version 3\n\
                vrrp_higher_prio_send_advert true\nvrrp_check_unicast_src\nvrrp_skip_check_adv_addr\n\
                vrrp_down_timer_adverts 4\nvrrp_garp_master_delay 2\nvrrp_garp_lower_prio_repeat 3\n\
                vrrp_garp_interval 0.01\nvrrp_garp_extra_if 2\nmax_auto_priority 9\nvrrp_priority -5\n\
                vrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_multiplier 5\nlvs_timeouts tcp 10 tcpfin 20 udp 30\n\
                umask 077\nprocess_names\n}\n";
    let shown = Machine::new(text).show(dump::vrrp);
    for line in [
        " VRRP process name = keepalived_vrrp",
        " Smtp server port = 26",
        " Smtp HELO name = hh",
        " Smtp server connection timeout = 7",
        " Email notification to:",
        "   c@d",
        " Default smtp_alert = on",
        " Default smtp_alert_vrrp = off",
        " Send emails for fault transitions = off",
        " LVS TCP FIN timeout = 20",
        " LVS UDP timeout = 30",
        " LVS flush on stop = VS",
        " VRRP IPv4 mcast group = 224.0.0.19",
        " Gratuitous ARP delay = 2",
        " Gratuitous ARP lower priority delay = 2",
        " Gratuitous ARP lower priority repeat = 3",
        " Num adverts before down = 4",
        " Gratuitous ARP for each secondary VMAC = 2s",
        " Send advert after receive higher priority advert = true",
        " Gratuitous ARP interval = 0.010000",
        " VRRP default protocol version = 3",
        " nftables table name = nft",
        " nftables base chain priority = -3",
        " nftables with counters",
        " VRRP check unicast_src = true",
        " VRRP skip check advert addresses = true",
        " Max auto priority = 9",
        " VRRP process priority = -5",
        " SNMP vrrp enabled",
        " SNMP socket = default (unix:/var/agentx/master)",
        " rx_bufs_policy = MTU",
        " rx_bufs_multiples = 5",
        " umask = 077",
    ] {
        assert!(shown.lines().any(|other| other == line), "{line}\n{shown}");
    }
}
