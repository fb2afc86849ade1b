//! Bytes on the wire, against recordings of keepalived 2.2.7.
//!
//! Each `*.hex` file holds a configuration in its comment and the packets that keepalived sent with it. The same
//! configuration through our reader and our machine must give the same bytes, and our receiver must take
//! keepalived's. `record` says how the files were made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use directord::config::model::{Destination, Instance, Peer};
use directord::config::source::{Files, ReadError};
use directord::config::{self, Options};
use directord::net::arp;
use directord::track::{Conditions, Link};
use directord::vrrp::instance::{Action, Input, Machine};
use directord::vrrp::packet::{Advert, Received};
use directord::vrrp::receive;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 101));
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 102));
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0x01, 0x01];
const ETHERNET: u16 = 1;
const ETHERNET_HEADER: usize = 14;

struct Recording {
    instance: Instance,
    packets: Vec<Vec<u8>>,
}

/// One text, under any name.
struct Text(String);

impl Files for Text {
    fn read(&self, _: &Path) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.clone().into_bytes())
    }

    fn matches(&self, _: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    fn is_executable(&self, _: &Path) -> bool {
        false
    }
}

fn recording(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let config: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let files = Text(config);
    let options = Options::default();
    let loaded = config::load(Path::new("recording.conf"), &files, &options);
    let model = loaded.model.unwrap_or_else(|| panic!("{name}: {:?}", loaded.diagnostics));
    let packets = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(bytes).collect();
    Recording { instance: model.instances[0].clone(), packets }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// The kernel fills the header checksum in.
fn without_header_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    packet
}

fn conditions(source: IpAddr) -> Input {
    let (up, multicast, loopback, mtu, source_is_here) = (true, true, false, 1500, true);
    let link = Some(Link { up, multicast, loopback, mtu, source: Some(source), source_is_here });
    Input::Conditions(Conditions { link, ..Conditions::default() })
}

/// As the socket gives it to the instance: the first reason against it in words.
fn check(instance: &Instance, packet: &[u8]) -> Result<(IpAddr, Advert), String> {
    let received = Received::ipv4(packet).map_err(|error| error.to_string())?;
    let advert = receive::check(instance, &received).map_err(|error| error.to_string())?.advert;
    Ok((received.source, advert))
}

/// Becomes master, sends `adverts` adverts, stops.
fn our_packets(instance: &Instance, adverts: usize) -> Vec<Vec<u8>> {
    let mut machine = Machine::new(instance.clone());
    let mut out = Vec::new();
    machine.handle(Instant::now(), conditions(SOURCE), &mut out);
    let sent = |out: &[Action]| {
        let packet = |action: &Action| match action {
            Action::Transmit(packet) => packet.bytes(),
            _ => None,
        };
        out.iter().filter_map(packet).collect::<Vec<_>>()
    };
    while sent(&out).len() < adverts {
        let (at, _) = machine.next_timer().unwrap();
        machine.handle(at, Input::Timer, &mut out);
    }
    machine.handle(Instant::now(), Input::Stop, &mut out);
    sent(&out)
}

#[test]
fn adverts_equal_keepaliveds() {
    for name in [
        "v2_pass_multicast.hex",
        "v2_pass_multicast_two.hex",
        "v2_plain_multicast.hex",
        "v2_pass_unicast.hex",
        "v3_multicast.hex",
        "v3_unicast.hex",
    ] {
        let recording = recording(name);
        let theirs: Vec<_> = recording.packets.into_iter().map(without_header_checksum).collect();
        assert!(theirs.len() >= 2, "{name}");
        assert_eq!(our_packets(&recording.instance, theirs.len() - 1), theirs, "{name}");
    }
}

#[test]
fn keepaliveds_adverts_are_accepted() {
    for name in ["v2_pass_multicast.hex", "v3_multicast.hex", "v2_pass_unicast.hex", "v3_unicast.hex"] {
        let Recording { mut instance, packets } = recording(name);
        if let Destination::Unicast(unicast) = &mut instance.transport.to {
            unicast.peers = vec![Peer::new(SOURCE)];
            instance.transport.source = Some(PEER);
        }
        for packet in packets {
            let (source, advert) = check(&instance, &packet).unwrap();
            assert_eq!((source, advert.vrid), (SOURCE, 51), "{name}");
        }
    }
}

/// Every byte of a valid advert, changed in any way, makes it invalid, or changes what it says.
#[test]
fn no_damaged_advert_passes_for_the_whole_one() {
    for name in ["v2_pass_multicast.hex", "v3_multicast.hex"] {
        let Recording { instance, packets } = recording(name);
        let whole = check(&instance, &packets[0]).unwrap();
        for at in 20..packets[0].len() {
            for bit in 0..8 {
                let mut damaged = packets[0].clone();
                damaged[at] ^= 1 << bit;
                assert!(check(&instance, &damaged).is_err(), "{name} byte {at} bit {bit}");
            }
        }
        for length in 0..packets[0].len() {
            assert!(check(&instance, &packets[0][..length]).is_err(), "{name} cut to {length}");
        }
        let mut padded = packets[0].clone();
        padded.resize(46, 0);
        assert_eq!(check(&instance, &padded), Ok(whole), "{name} padded to an ethernet frame");
    }
}

/// Only a valid advert moves the deadline of a backup.
#[test]
fn damaged_adverts_keep_no_backup_asleep() {
    let Recording { mut instance, packets } = recording("v2_pass_multicast.hex");
    instance.priority = directord::config::model::Priority::new(90).unwrap();
    let start = Instant::now();
    let mut machine = Machine::new(instance);
    let mut out = Vec::new();
    machine.handle(start, conditions(PEER), &mut out);
    let before = machine.next_timer();
    for at in 20..packets[0].len() {
        let mut damaged = packets[0].clone();
        damaged[at] ^= 0x55;
        if let Ok(received) = Received::ipv4(&damaged) {
            machine.handle(start + Duration::from_secs(1), Input::Packet(received), &mut out);
        }
    }
    assert_eq!(machine.next_timer(), before);
    machine.handle(
        start + Duration::from_secs(1),
        Input::Packet(Received::ipv4(&packets[0]).unwrap()),
        &mut out,
    );
    assert_ne!(machine.next_timer(), before);
}

#[test]
fn announcements_equal_keepaliveds() {
    for (name, addresses) in [("garp_one.hex", 1), ("garp_two.hex", 2)] {
        let Recording { instance, packets } = recording(name);
        let is_arp = |frame: &&Vec<u8>| frame[12..14] == [0x08, 0x06];
        let theirs: Vec<&Vec<u8>> = packets.iter().filter(is_arp).collect();
        assert!(!is_arp(&&packets[0]), "{name}: an advert comes first");
        // Rounds over all addresses, as the daemon sends them.
        let round = |_| {
            instance.addresses.iter().map(|address| {
                let IpAddr::V4(ip) = address.address else { unreachable!() };
                arp::gratuitous(ip, MAC, ETHERNET)
            })
        };
        let ours: Vec<Vec<u8>> = (0..instance.garp.master_repeat).flat_map(round).collect();
        assert_eq!(ours.len(), 5 * addresses);
        let bursts: Vec<&[&Vec<u8>]> = theirs.chunks(ours.len()).collect();
        assert_eq!(bursts.len(), 2, "{name}: two bursts");
        for burst in bursts {
            assert!(burst.iter().copied().eq(ours.iter()), "{name}");
        }
        let advert = &packets[0][ETHERNET_HEADER..];
        assert!(check(&instance, advert).is_ok());
    }
}
