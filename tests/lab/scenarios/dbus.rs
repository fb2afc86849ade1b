//! D-Bus: beside keepalived with the same configuration, and with a system bus and a process that come, go and hang.

use std::collections::BTreeMap;

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, eventually, say, seconds, throughout};

const EXTRA: &[(&str, &str)] = &[
    ("dbus-daemon", "dbus-daemon"),
    ("dbus-monitor", "dbus-bin"),
    ("busctl", "systemd"),
    ("gdbus", "libglib2.0-bin"),
];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "dbus",
            "on D-Bus the same objects, properties, methods, answers and signals as of keepalived",
            equal,
        )
    },
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "dbus_hangs",
            "a bus or a process of ours that hangs, dies or comes back changes nothing else; a reload shows and hides",
            hangs,
        )
    },
];

const NAME: &str = "org.keepalived.Vrrp1";
/// keepalived sends its first signals before it has the name.
const MONITOR: &str = "dbus-monitor --system \"type='signal',path_namespace='/org/keepalived'\"";
const PLACE: &str = "/org/keepalived/Vrrp1/Vrrp";
const VI_1: &str = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4";

/// The system bus with Debian's configuration and the policy that is shipped.
fn system_bus(node: &Node) -> Daemon {
    node.write(
        "/usr/share/dbus-1/system.d/directord.conf",
        include_str!("../../../packaging/directord-dbus.conf"),
    );
    node.sh("mkdir -p /run/dbus; rm -f /run/dbus/system_bus_socket");
    let bus = node.spawn("dbus-daemon", "dbus-daemon --system --nofork --nopidfile --nosyslog");
    eventually("the bus answers", seconds(10), || {
        let id = "call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetId";
        node.run(&format!("busctl --system {id}")).status.success()
    });
    bus
}

fn instance(name: &str, interface: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {vrid}\n priority 100\n advert_int 0.3\n{lines}\n}}\n"
    )
}

fn file(instances: &[String]) -> String {
    format!("global_defs {{\n vrrp_version 3\n enable_dbus\n}}\n{}", instances.concat())
}

fn first() -> String {
    instance("VI_1", "eth0", 51, " virtual_ipaddress {\n 192.168.100.240/24\n }")
}

/// A call as root; what is answered, or what busctl says instead.
fn call(node: &Node, path: &str, interface: &str, rest: &str) -> Result<String, String> {
    let output =
        node.run(&format!("busctl --system --timeout=10 call {NAME} {path} {interface} {rest} 2>&1"));
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

fn state(node: &Node, path: &str) -> String {
    let get = "Get ss org.keepalived.Vrrp1.Instance State";
    call(node, path, "org.freedesktop.DBus.Properties", get).unwrap_or_default()
}

fn is_master(node: &Node, path: &str) {
    eventually(&format!("{path} is MASTER"), seconds(15), || state(node, path) == "v (us) 2 \"Master\"");
}

/// The signals of each object, in their order.
fn signals(monitor: &Daemon) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = None;
    for line in monitor.log().lines() {
        let word = |name: &str| Some(line.split_once(name)?.1.split([';', ' ']).next()?.to_owned());
        if line.starts_with("signal") {
            last = word("path=").filter(|path| path.starts_with("/org/keepalived"));
            if let (Some(path), Some(member)) = (&last, word("member=")) {
                found.entry(path.clone()).or_default().push(member);
            }
        } else if let (Some(path), Some((_, number))) = (&last, line.split_once("uint32 ")) {
            let signal = found.get_mut(path).and_then(|signals| signals.last_mut()).unwrap();
            *signal = format!("{signal} {number}");
        }
    }
    found
}

/// Everything that can be seen of a program on the bus, from its start to its end.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    objects: Vec<String>,
    interfaces: BTreeMap<String, String>,
    answers: Vec<String>,
    signals: BTreeMap<String, Vec<String>>,
    announced: usize,
}

fn equal(lab: &Lab) {
    let node = &lab.lvs01;
    node.sh("ip link add name e-1.2 type veth peer name e-peer; ip link set e-1.2 up; ip link set e-peer up");
    let bus = system_bus(node);
    let see = |program: Program| {
        let monitor = node.spawn("monitor", MONITOR);
        eventually("the monitor listens", seconds(10), || monitor.log_has("NameAcquired"));
        let v6 = instance("VI_2", "e-1.2", 52, " virtual_ipaddress {\n fe80::7/64\n }");
        let vmac = instance("VI_3", "eth1", 53, " use_vmac\n virtual_ipaddress {\n 10.0.0.240/24\n }");
        let leaves =
            instance("VI_4", "eth1", 54, " notify_deleted\n virtual_ipaddress {\n 10.0.0.241/24\n }");
        let comes = instance("VI_5", "eth1", 55, " virtual_ipaddress {\n 10.0.0.242/24\n }");
        let path = |rest: &str| format!("/org/keepalived/Vrrp1/Instance/{rest}");
        let before = [first(), v6.clone(), vmac.clone(), leaves];
        let daemon = lab.director(node, program, &file(&before));
        for rest in ["eth0/51/IPv4", "e_1_2/52/IPv6", "eth1/53/IPv4", "eth1/54/IPv4"] {
            is_master(node, &path(rest));
        }
        let mut seen = Seen::default();
        let objects = || {
            let list = node.sh(&format!("busctl --system tree --list {NAME}"));
            list.lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| line.starts_with('/'))
                .collect::<Vec<_>>()
        };
        seen.objects = objects();
        for one in [PLACE, VI_1, "/org/keepalived/Vrrp1/Instance"] {
            let members = node.sh(&format!("busctl --system introspect {NAME} {one}"));
            seen.interfaces.insert(one.to_owned(), members);
        }
        let ask = |path: &str, interface: &str, rest: &str| match call(node, path, interface, rest) {
            Ok(answer) => answer,
            // The kind of error; its words are each one's own.
            Err(_) => {
                let rest = rest.split(' ').next().unwrap();
                let text =
                    node.run(&format!("gdbus call --system -d {NAME} -o {path} -m {interface}.{rest} 2>&1"));
                let text = String::from_utf8_lossy(&text.stdout).into_owned();
                text.split(':').nth(2).unwrap_or_default().to_owned()
            }
        };
        let properties = "org.freedesktop.DBus.Properties";
        let instance = "org.keepalived.Vrrp1.Instance";
        for (path, interface, rest) in [
            (VI_1, properties, "GetAll s org.keepalived.Vrrp1.Instance"),
            (VI_1, properties, "Get ss org.keepalived.Vrrp1.Instance Name"),
            (VI_1, properties, "Get ss org.keepalived.Vrrp1.Instance State"),
            (PLACE, properties, "GetAll s org.keepalived.Vrrp1.Vrrp"),
            (VI_1, "org.freedesktop.DBus.Peer", "Ping"),
            (VI_1, "org.freedesktop.DBus.Peer", "GetMachineId"),
            (VI_1, instance, "Nothing"),
            (VI_1, "org.keepalived.Vrrp1.Nothing", "SendGarp"),
            ("/org/keepalived/Vrrp1/Instance/eth9/1/IPv4", instance, "SendGarp"),
            (PLACE, instance, "SendGarp"),
        ] {
            let answer = ask(path, interface, rest);
            seen.answers.push(format!("{path} {interface} {rest}: {answer}"));
        }
        // The bursts of a new master are over.
        let announcements = node.capture("eth0", "arp");
        throughout("it has rested", seconds(6), || daemon.is_running());
        let count = || {
            let packets = announcements.packets();
            packets.iter().filter(|packet| packet.announced().as_deref() == Some(VIP)).count()
        };
        let rested = count();
        call(node, VI_1, instance, "SendGarp").unwrap();
        eventually("the address is announced", seconds(5), || count() > rested);
        throughout("and not again", seconds(2), || daemon.is_running());
        seen.announced = count() - rested;

        // A reload, as the bus asks for it.
        node.write(crate::lab::FILE, file(&[first(), v6, vmac, comes]));
        call(node, PLACE, "org.keepalived.Vrrp1.Vrrp", "ReloadConfig").unwrap();
        is_master(node, &path("eth1/55/IPv4"));
        seen.objects.extend(objects());
        node.sh("ip link set eth0 down");
        eventually("FAULT is told", seconds(10), || state(node, VI_1) == "v (us) 3 \"Fault\"");
        node.sh("ip link set eth0 up");
        is_master(node, VI_1);
        daemon.stop();
        eventually("the end is told", seconds(5), || monitor.log_has("VrrpStopped"));
        monitor.stop();
        seen.signals = signals(&monitor);
        say(&format!("{}: {seen:#?}", program.name()));
        seen
    };
    let mut theirs = see(Program::Keepalived);
    let mut ours = see(Program::Directord);
    // Ours are the types that the values have, and properties that are not signalled are not said to be.
    let properties = |seen: &mut Seen| {
        let of = seen.interfaces.get_mut(VI_1).unwrap();
        let lines: Vec<String> = of.lines().map(str::to_owned).collect();
        let (properties, others) =
            lines.into_iter().partition::<Vec<_>, _>(|line| line.contains(" property "));
        *of = others.join("\n");
        properties
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        properties(&mut theirs),
        [".Name property s - emits-change", ".State property (us) - emits-change"].map(str::to_owned)
    );
    assert_eq!(
        properties(&mut ours),
        [".Name property (s) - const", ".State property (us) - -"].map(str::to_owned)
    );
    assert_eq!(ours, theirs);
    bus.stop();
}

fn hangs(lab: &Lab) {
    let node = &lab.lvs01;
    let with = file(&[first()]);
    let without = with.replace(" enable_dbus\n", "");
    // Without a bus: one line, and all else goes on.
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    let daemon = lab.director(node, Program::Directord, &with);
    let said = |words: &str, times: usize| {
        eventually(words, seconds(30), || daemon.log().matches(words).count() == times);
    };
    said("D-Bus: no bus at unix:path=/run/dbus/system_bus_socket: no such file or directory", 1);
    eventually("it is master", seconds(10), || node.has_address(VIP));
    let bus = system_bus(node);
    said("D-Bus: the instances are shown as org.keepalived.Vrrp1", 1);
    is_master(node, VI_1);

    // Nobody asks for anything; root does.
    let as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let denied = node.run(&format!(
        "{as_nobody} busctl --system call {NAME} {PLACE} org.keepalived.Vrrp1.Vrrp ReloadConfig 2>&1"
    ));
    assert!(!denied.status.success());
    assert!(!daemon.log_has("Reload complete"));
    assert!(node.run(&format!("{as_nobody} busctl --system tree {NAME}")).status.success());

    // The bus hangs while states change, goes, comes back.
    bus.signal(Signal::SIGSTOP);
    for _ in 0..3 {
        node.sh("ip link set eth0 down; sleep 0.3; ip link set eth0 up");
        eventually("it goes on", seconds(10), || node.has_address(VIP));
    }
    let monitor = node.spawn("monitor", MONITOR);
    bus.signal(Signal::SIGCONT);
    is_master(node, VI_1);
    bus.kill9();
    said("D-Bus: no bus at unix:path=/run/dbus/system_bus_socket: ", 2);
    let bus = system_bus(node);
    said("D-Bus: the instances are shown as", 2);
    is_master(node, VI_1);
    drop(monitor);

    // Our process hangs: what it has not heard it hears later. It dies: another one comes.
    let pid = || node.sh("pgrep -x directord-dbus || true").trim().to_owned();
    let before = pid();
    let status = node.sh(&format!("grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/{before}/status"));
    for expected in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(expected), "{status}");
    }
    let monitor = node.spawn("monitor", MONITOR);
    eventually("the monitor listens", seconds(10), || monitor.log_has("NameAcquired"));
    node.sh(&format!("kill -STOP {before}"));
    for _ in 0..3 {
        node.sh("ip link set eth0 down; sleep 0.3; ip link set eth0 up");
        eventually("it goes on", seconds(10), || node.has_address(VIP));
    }
    assert_eq!(signals(&monitor).len(), 0);
    node.sh(&format!("kill -CONT {before}"));
    let round = ["VrrpStatusChange 3", "VrrpStatusChange 1", "VrrpStatusChange 2"];
    eventually("it tells all of it in order", seconds(10), || {
        signals(&monitor)
            .get(VI_1)
            .is_some_and(|all| all.len() == 9 && all.chunks(3).all(|part| part == round))
    });
    node.sh(&format!("kill -KILL {before}"));
    said("D-Bus: the process that speaks with the bus has ended: killed by SIGKILL", 1);
    said("D-Bus: the instances are shown as", 3);
    is_master(node, VI_1);
    assert_ne!(pid(), before);

    // A reload hides them, shows them, and by another name, of which the bus must know.
    lab.reload(node, &daemon, &without);
    eventually("it is not needed", seconds(10), || pid().is_empty());
    lab.reload(node, &daemon, &with);
    is_master(node, VI_1);
    let other = with.replace(" enable_dbus\n", " enable_dbus\n dbus_service_name org.example.Vrrp\n");
    lab.reload(node, &daemon, &other);
    said("D-Bus: the bus does not allow us the name org.example.Vrrp", 1);
    let policy = include_str!("../../../packaging/directord-dbus.conf").replace(NAME, "org.example.Vrrp");
    node.write("/etc/dbus-1/system.d/example.conf", policy);
    bus.signal(Signal::SIGHUP);
    said("D-Bus: the instances are shown as org.example.Vrrp", 1);
    assert!(node.sh("busctl --system tree --list org.example.Vrrp").contains(VI_1));
    lab.reload(node, &daemon, &with);
    is_master(node, VI_1);
    let bad = with.replace("virtual_router_id", "virtual_ruoter_id");
    node.write(crate::lab::FILE, bad);
    call(node, PLACE, "org.keepalived.Vrrp1.Vrrp", "ReloadConfig").unwrap();
    said("Reload refused", 1);
    is_master(node, VI_1);

    // Through all of it adverts left on time while the link was up: it was down six times, and an election followed.
    let gaps = adverts.gaps();
    let silences = gaps.iter().filter(|gap| **gap > 1.3).count();
    assert!(gaps.len() > silences && silences <= 6, "{gaps:.2?}");

    bus.signal(Signal::SIGSTOP);
    node.sh(&format!("kill -STOP {}", pid()));
    let took = daemon.stop();
    assert!(took < seconds(5), "{took:?}");
    eventually("nothing is left", seconds(2), || pid().is_empty());
    bus.signal(Signal::SIGCONT);
    bus.stop();
}
