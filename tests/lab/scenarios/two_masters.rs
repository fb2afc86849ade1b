//! Two masters: each of them told of it, a client served within a tenth of a second after it; and hosts that have no business
//! with the address.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::Scenario;
use crate::lab::{
    Daemon, Lab, Node, Packet, Program, VIP, Vrrp, as_backup, eventually, millis, now, poll, say, seconds,
    throughout,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "two_masters",
        "a link is lost one way, then both, beside keepalived and directord: told, and healed at once",
        two_masters,
    ),
    Scenario::directord(
        "claimed_address",
        "a host that claims the addresses by ARP and NA gets nothing by it, and a flood of claims delays no advert",
        claimed,
    ),
];

const VIP6: &str = "2001:db8::240";

/// Whether a client sends what is for an address to this node.
fn leads_to(lab: &Lab, address: &str, node: &Node) -> bool {
    lab.client.sh(&format!("ip neigh show {address}")).contains(&node.mac("eth0"))
}

fn shown(node: &Node, field: &str) -> serde_json::Value {
    let status: serde_json::Value = serde_json::from_str(&node.sh("/lab/directord status --json")).unwrap();
    status["instances"][0][field].clone()
}

fn number(node: &Node, field: &str) -> u64 {
    shown(node, field).as_u64().unwrap()
}

/// A number that is shown up to a second late, once it stays the same.
fn settled(node: &Node, field: &str) -> u64 {
    let (mut last, mut since) = (number(node, field), now());
    eventually(&format!("`{field}` stays the same"), seconds(20), || {
        let this = number(node, field);
        if this != last {
            (last, since) = (this, now());
        }
        now() - since > 1.5
    });
    last
}

/// Echoes of an address, as they come.
struct Pulse(Daemon);

impl Pulse {
    fn of(lab: &Lab, address: &str) -> Self {
        let pulse = Self(lab.client.spawn("pulse", &format!("/lab/scenario agent pulse {address}")));
        eventually(&format!("{address} answers"), seconds(5), || pulse.times().len() > 10);
        pulse
    }

    fn times(&self) -> Vec<f64> {
        self.0.log().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// How long there was no answer between two times, in all; gaps that only a busy machine makes left out.
    fn without(&self, from: f64, to: f64) -> Duration {
        let within = self.times().into_iter().filter(|time| (from..to).contains(time));
        let times: Vec<f64> = [from].into_iter().chain(within).chain([to]).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.03);
        Duration::from_secs_f64(gaps.sum::<f64>())
    }
}

fn two_masters(lab: &Lab) {
    let config = Vrrp::default().text();
    let mut healed = Vec::new();
    let rounds = std::env::var("LAB_SPLITS").ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    for peer in [Program::Keepalived, Program::Directord] {
        let first = lab.director(&lab.lvs01, Program::Directord, &config);
        eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
        let second = lab.director(&lab.lvs02, peer, &as_backup(&config));
        eventually("lvs02 is there", seconds(5), || second.log_has("Entering BACKUP STATE"));
        let pulse = Pulse::of(lab, VIP);
        for both_ways in (0..rounds).flat_map(|_| [false, true]) {
            let before = number(&lab.lvs01, "two_masters");
            // The second burst of keepalived's new master is 5 s after the first: beyond the end of the split.
            let length = if peer == Program::Keepalived { 8.0 } else { 5.0 };
            let took = split(lab, &pulse, length, both_ways);
            let how = if both_ways { "both ways" } else { "one way" };
            say(&format!("{} as the second master, {how}: {took:.0?} without service", peer.name()));
            healed.push(took);
            if !both_ways || peer == Program::Directord {
                eventually("lvs01 counts it", seconds(3), || number(&lab.lvs01, "two_masters") > before);
            }
        }
        first.says("forcing new election: two masters");
        first.says("02:00:00:00:00:66 claims 192.168.100.240");
        eventually("it is over", seconds(8), || first.log_has("no other master is heard any more"));
        // That may have been said of an earlier split: the last one is over when its time has passed.
        eventually("and shown", seconds(8), || shown(&lab.lvs01, "second_master").is_null());
        if peer == Program::Directord {
            second.says("there were two masters: 192.168.100.101");
            assert!(number(&lab.lvs02, "two_masters") > 0);
        }
        pulse.0.kill9();
        first.stop();
        second.stop();
    }
    healed.sort();
    let median = healed[healed.len() / 2];
    say(&format!("without service after a split: {healed:.0?}, in the middle {median:.0?}"));
    // A tenth of a second on a machine at rest.
    assert!(median < millis(400), "{healed:?}");
}

/// The link of lvs02 is lost for so many seconds. How long the client had no answer in the three seconds after that.
fn split(lab: &Lab, pulse: &Pulse, length: f64, both_ways: bool) -> Duration {
    lab.lvs02.impair_incoming("eth0", "loss 100%");
    if both_ways {
        lab.lvs02.impair_outgoing("eth0", "loss 100%");
    }
    let lost = now();
    eventually("both hold the address", seconds(6), || lab.holders(VIP).len() == 2);
    let left = Duration::from_secs_f64((lost + length - now()).max(0.1));
    throughout("both hold it", left, || lab.holders(VIP).len() == 2);
    if both_ways {
        lab.lvs02.impair_outgoing("eth0", "");
    }
    let from = now();
    lab.lvs02.impair_incoming("eth0", "");
    eventually("lvs02 yields", seconds(3), || lab.holders(VIP) == ["lvs01"]);
    eventually("the client finds lvs01", seconds(2), || leads_to(lab, VIP, &lab.lvs01));
    let end = from + 3.0;
    throughout("and keeps to it", Duration::from_secs_f64((end - now()).max(0.1)), || {
        leads_to(lab, VIP, &lab.lvs01)
    });
    pulse.without(from, end)
}

/// A frame that says that an address is at `mac`, as hexadecimal digits.
fn claim(address: &str, mac: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mac = mac.replace(':', "");
    match address.parse().unwrap() {
        IpAddr::V4(address) => arp(&hex(&address.octets()), &mac),
        IpAddr::V6(address) => {
            let all: Ipv6Addr = "ff02::1".parse().unwrap();
            // Override; the address; where it is.
            let body = format!("20000000{}0201{mac}", hex(&address.octets()));
            let bytes: Vec<u8> = (0..body.len() / 2)
                .map(|at| u8::from_str_radix(&body[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let summed =
                [&address.octets()[..], &all.octets(), &[0, 0, 0, 32, 0, 0, 0, 58], &[136, 0, 0, 0], &bytes]
                    .concat();
            let mut sum: u32 =
                summed.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            let ip = format!("6000000000203aff{}{}", hex(&address.octets()), hex(&all.octets()));
            format!("333300000001{mac}86dd{ip}8800{:04x}{body}", !(sum as u16))
        }
    }
}

fn arp(address: &str, mac: &str) -> String {
    format!("ffffffffffff{mac}0806000108000604 0001{mac}{address}ffffffffffff{address}").replace(' ', "")
}

/// Sends it from rs1 so often, and waits until it is sent.
fn send(lab: &Lab, frame: &str, count: usize, each: u64) {
    let size = frame.len() / 2;
    lab.rs1.sh(&format!(
        "/lab/scenario agent frames {frame} {count} {each} | socat -u -b {size} STDIN INTERFACE:eth0"
    ));
}

fn announced(packets: &[Packet], address: &str, by: &str) -> usize {
    let by: Vec<u8> = by.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let ours = packets.iter().filter(|packet| packet.bytes[6..12] == by);
    ours.filter(|packet| packet.announced().as_deref() == Some(address)).count()
}

fn claimed(lab: &Lab) {
    // Every announcement counts, even one right after another.
    lab.client.sh("sysctl -qw net.ipv4.neigh.eth0.locktime=0; ip addr add 2001:db8::103/64 dev eth0 nodad");
    let config = Vrrp::default().text();
    let both = config.replacen(
        "virtual_ipaddress {",
        &format!("virtual_ipaddress_excluded {{\n {VIP6}/64\n }}\n virtual_ipaddress {{"),
        1,
    );
    let daemon = lab.director(&lab.lvs01, Program::Directord, &both);
    eventually("the addresses are on lvs01", seconds(15), || {
        lab.lvs01.has_address(VIP) && lab.lvs01.has_address(VIP6)
    });
    // The bursts of a new master are over.
    throughout("it stays", seconds(6), || lab.lvs01.has_address(VIP));
    let (theirs, ours) = (lab.rs1.mac("eth0"), lab.lvs01.mac("eth0"));
    for address in [VIP, VIP6] {
        let pulse = Pulse::of(lab, address);
        let frame = claim(address, &theirs);
        let capture = lab.client.capture("eth0", "arp or icmp6 or ip proto 112");
        let (before, from) = (settled(&lab.lvs01, "claims"), now());
        send(lab, &frame, 50, 100);
        let without = pulse.without(from, now());
        eventually("the client finds lvs01", seconds(2), || leads_to(lab, address, &lab.lvs01));
        // A moment for each of fifty that are answered at once: 10 ms from echo to echo, 5 ms of ours, and a busy machine.
        say(&format!("{address}: 50 claims in 5 s cost {without:.0?}"));
        assert!(without < seconds(3), "{without:?}");
        let claims = settled(&lab.lvs01, "claims") - before;
        assert!((40..=50).contains(&claims), "{claims} claims were heard");
        let packets = capture.finish();
        let (answers, sent) = (announced(&packets, address, &ours), announced(&packets, address, &theirs));
        say(&format!("{address}: {sent} claims, {answers} answers"));
        assert_eq!(sent, 50);
        assert!((40..=120).contains(&answers), "{answers} answers to {sent} claims");
        pulse.0.kill9();
    }
    daemon.says(&format!("{theirs} claims {VIP}, and no advert is heard from there"));
    assert!(lab.lvs01.sh("/lab/directord status").contains(&format!("two masters: {theirs} claims {VIP6}")));
    assert_eq!(number(&lab.lvs01, "two_masters"), 1);

    // Twelve seconds of a thousand a second.
    let capture = lab.client.capture("eth0", "ether src 02:00:00:00:00:65");
    let before = daemon.cpu_ms();
    let started = now();
    send(lab, &claim(VIP, &theirs), 12_000, 1);
    let took = now() - started;
    let cpu = daemon.cpu_ms() - before;
    eventually("afterwards the client finds lvs01", seconds(3), || leads_to(lab, VIP, &lab.lvs01));
    let gaps = capture.gaps();
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    let answers = announced(&capture.finish(), VIP, &ours);
    say(&format!(
        "12,000 claims in {took:.1} s: {answers} answers, {cpu:.0} ms of processor time, longest gap {longest:.3} s"
    ));
    assert!(longest < 1.3, "an advert was late: {gaps:.2?}");
    assert!(!gaps.is_empty() && answers >= 10, "{answers} answers");
    // Ten a second up to a hundred, one that follows each advert.
    assert!(answers <= 150 + 3 * took as usize, "{answers} answers in {took:.1} s");
    assert!(poll(seconds(1), || !daemon.is_running()).is_none());
}
