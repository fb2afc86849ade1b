//! FRR's vrrpd as the other router of three virtual routers at once: version 2, version 3, and version 3 over IPv6.
//!
//! Debian's FRR, 8.4, sums version 3 over IPv4 with the addresses, as RFC 9568 has it: no setting is needed. A newer one can be told
//! not to, and is met with `v3_checksum_as_v2`, which our line about its packets names.

use super::Scenario;
use crate::lab::{Capture, Daemon, Lab, Node, Program, Signal, eventually, now, say, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    extra: &[("vrrpd", "frr")],
    ..Scenario::directord(
        "frr_vrrp",
        "with FRR's vrrpd: VRRPv2 and VRRPv3 over IPv4, VRRPv3 over IPv6, both as master and as backup: takeover, hand-back, \
         nopreempt, stop and kill of either, and a client reaches the addresses after each",
        run,
    )
}];

struct Router {
    id: u8,
    version: u8,
    /// Between two adverts, in seconds: version 2 knows whole ones only.
    interval: f64,
    vip: &'static str,
    prefix: u8,
    /// Of the address that vrrpd's interface has.
    mac: &'static str,
}

const ROUTERS: [Router; 3] = [
    Router {
        id: 51,
        version: 2,
        interval: 1.0,
        vip: "192.168.100.240",
        prefix: 32,
        mac: "00:00:5e:00:01:33",
    },
    Router {
        id: 52,
        version: 3,
        interval: 0.2,
        vip: "192.168.100.241",
        prefix: 32,
        mac: "00:00:5e:00:01:34",
    },
    Router { id: 53, version: 3, interval: 0.2, vip: "2001:db8::240", prefix: 128, mac: "00:00:5e:00:02:35" },
];

impl Router {
    fn is_ipv6(&self) -> bool {
        self.vip.contains(':')
    }

    fn url(&self) -> String {
        match self.is_ipv6() {
            true => format!("http://[{}]/", self.vip),
            false => format!("http://{}/", self.vip),
        }
    }
}

/// Last bytes of the addresses that adverts come from.
const OURS: u8 = 101;
const THEIRS: u8 = 102;

fn config(priority: u8, more: &str) -> String {
    let instance = |router: &Router| {
        let Router { id, version, interval, vip, prefix, .. } = router;
        format!(
            "vrrp_instance R{id} {{\n interface eth0\n virtual_router_id {id}\n version {version}\n priority {priority}\n \
             advert_int {interval}\n {more}\n virtual_ipaddress {{\n {vip}/{prefix}\n }}\n}}\n"
        )
    };
    ROUTERS.iter().map(instance).collect()
}

/// The interfaces that vrrpd wants, made by hand as its manual says; what its base answers for is not theirs.
fn devices(node: &Node) {
    node.sh("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; mkdir -p /run/frr; chown frr:frr /run/frr");
    for Router { id, mac, .. } in &ROUTERS {
        node.sh(&format!(
            "ip link add vr{id} link eth0 address {mac} type macvlan mode bridge; ip link set vr{id} addrgenmode none"
        ));
    }
}

/// With their addresses: of those of IPv6 nothing is left when an interface has been off.
fn switch_devices_on(node: &Node) {
    for Router { id, vip, prefix, .. } in &ROUTERS {
        node.sh(&format!(
            "ip link set vr{id} up
             ip addr replace {vip}/{prefix} dev vr{id}
             ip -6 addr replace fe80::{THEIRS:x}/64 dev vr{id} nodad"
        ));
    }
}

fn switch_devices_off(node: &Node) {
    for Router { id, .. } in &ROUTERS {
        node.sh(&format!("ip link set vr{id} down"));
    }
}

fn vrrpd(node: &Node, priority: u8, more: &str) -> Daemon {
    let router = |Router { id, version, interval, vip, .. }: &Router| {
        let family = if vip.contains(':') { "ipv6" } else { "ip" };
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" {}\n", more.replace('N', &id.to_string()))
        };
        format!(
            " vrrp {id} version {version}\n vrrp {id} priority {priority}\n vrrp {id} advertisement-interval {}\n{more} \
             vrrp {id} {family} {vip}\n",
            interval * 1000.0
        )
    };
    let routers: String = ROUTERS.iter().map(router).collect();
    node.write("/tmp/vrrpd.conf", format!("interface eth0\n{routers}!\n"));
    switch_devices_on(node);
    node.spawn("vrrpd", "/usr/lib/frr/vrrpd -f /tmp/vrrpd.conf -A 127.0.0.1 --log stdout")
}

/// What happens from now on until all three are with one node.
struct Stage<'a> {
    lab: &'a Lab,
    capture: &'a Capture,
    since: f64,
}

impl<'a> Stage<'a> {
    fn begin(lab: &'a Lab, capture: &'a Capture) -> Self {
        Self { lab, capture, since: now() }
    }

    /// When a node first and last spoke as master of a router since the beginning.
    fn spoke(&self, router: &Router, from: u8) -> Option<(f64, f64)> {
        let adverts = self.capture.adverts();
        let mut times = adverts.iter().filter(|(time, advert)| {
            *time >= self.since && advert.vrid == router.id && advert.from == from && advert.priority > 0
        });
        let first = times.next()?.0;
        Some((first, times.next_back().map_or(first, |(time, _)| *time)))
    }

    /// When a node gave a router up, if that is the last thing it said of it.
    fn gave_up(&self, router: &Router, from: u8) -> Option<f64> {
        let adverts = self.capture.adverts();
        let own = |time: f64, id, sender| time >= self.since && id == router.id && sender == from;
        let last = adverts.iter().rfind(|(time, advert)| own(*time, advert.vrid, advert.from))?;
        (last.1.priority == 0).then_some(last.0)
    }

    /// Waits until clients get their answers from the new master, and looks how long both spoke.
    fn goes_to(&self, what: &str, to: u8) {
        let name = if to == OURS { "lvs01" } else { "lvs02" };
        let other = if to == OURS { THEIRS } else { OURS };
        for router in &ROUTERS {
            eventually(&format!("{what}: adverts of {} come from {name}", router.id), seconds(8), || {
                self.spoke(router, to).is_some()
            });
        }
        let urls = ROUTERS.iter().map(Router::url).collect::<Vec<_>>().join(" ");
        let pages = || self.lab.client.sh(&format!("curl -sSg -m 2 {urls} || true"));
        eventually(&format!("{what}: all answer from {name}"), seconds(8), || {
            pages() == name.repeat(ROUTERS.len())
        });
        for router in &ROUTERS {
            let Some(((first, _), (_, last))) = self.spoke(router, to).zip(self.spoke(router, other)) else {
                continue;
            };
            let both = last - first;
            assert!(both <= router.interval, "{what}: two masters of {} for {both:.3} s", router.id);
        }
    }

    /// A farewell is heard, and not waited out.
    fn goes_at_once_to(&self, what: &str, to: u8) {
        self.goes_to(what, to);
        let other = if to == OURS { THEIRS } else { OURS };
        for router in &ROUTERS {
            let farewell = self.gave_up(router, other);
            let farewell =
                farewell.unwrap_or_else(|| panic!("{what}: no advert of priority 0 of {}", router.id));
            let after = self.spoke(router, to).unwrap().0 - farewell;
            assert!(after < 3.0 * router.interval, "{what}: the farewell of {} was waited out", router.id);
        }
    }

    fn stays_with(&self, what: &str, with: u8) {
        let other = if with == OURS { THEIRS } else { OURS };
        // Longer than version 2 waits for an advert.
        throughout(what, seconds(4), || ROUTERS.iter().all(|router| self.spoke(router, other).is_none()));
        self.goes_to(what, with);
    }
}

fn run(lab: &Lab) {
    let (ours, theirs) = (&lab.lvs01, &lab.lvs02);
    for (node, number) in [(ours, 101), (theirs, 102), (&lab.client, 103)] {
        node.sh(&format!("ip -6 addr add 2001:db8::{number}/64 dev eth0 nodad"));
    }
    // Every announcement counts, even one right after another.
    lab.client.sh("echo 0 >/proc/sys/net/ipv4/neigh/eth0/locktime");
    let _pages = lab.directors().map(|node| node.serve_http(&[("index.html", node.name)]));
    devices(theirs);
    let capture = lab.client.capture("eth0", "ip proto 112 or ip6 proto 112");
    let stage = || Stage::begin(lab, &capture);
    let director = |more: &str| lab.director(ours, Program::Directord, &config(150, more));

    let zebra = theirs.spawn("zebra", "/usr/lib/frr/zebra -f /dev/null -A 127.0.0.1 --log stdout");
    eventually("zebra listens", seconds(10), || theirs.run("test -e /run/frr/zserv.api").status.success());
    let here = stage();
    let frr = vrrpd(theirs, 100, "");
    here.goes_to("FRR alone", THEIRS);

    let here = stage();
    let first = director("");
    here.goes_to("directord, the stronger one, starts", OURS);
    let here = stage();
    first.stop();
    here.goes_at_once_to("directord stops", THEIRS);
    let here = stage();
    let second = director("");
    here.goes_to("directord is back", OURS);
    let here = stage();
    second.kill9();
    here.goes_to("directord is killed", THEIRS);
    let here = stage();
    let third = director("nopreempt");
    here.stays_with("directord starts with nopreempt", THEIRS);

    // Nobody takes the addresses of a killed vrrpd away but who pulls the plug.
    let here = stage();
    frr.signal(Signal::SIGKILL);
    switch_devices_off(theirs);
    here.goes_to("FRR is killed", OURS);
    let here = stage();
    let patient = vrrpd(theirs, 200, "no vrrp N preempt");
    here.stays_with("FRR, stronger now, starts and does not preempt", OURS);
    patient.stop();
    let here = stage();
    let frr = vrrpd(theirs, 200, "");
    here.goes_to("FRR preempts", THEIRS);
    let here = stage();
    frr.stop();
    switch_devices_off(theirs);
    here.goes_at_once_to("FRR stops", OURS);

    for daemon in [&first, &second, &third] {
        let log = daemon.log().to_lowercase();
        for complaint in ["mismatch", "bogus", "invalid", "checksum", "malformed", "fault"] {
            assert!(!log.contains(complaint), "`{complaint}` in directord's log");
        }
    }
    for daemon in [&frr, &patient] {
        assert!(!daemon.log_has("Bad "), "FRR complains: {}", daemon.log());
    }
    say("neither complains of the other");
    third.stop();
    zebra.stop();
}
