//! What passed an interface: recorded by tcpdump, read here.

use std::fs;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::daemon::Daemon;
use super::node::Node;
use super::wait::{eventually, poll, seconds};

pub struct Capture {
    file: String,
    tcpdump: Daemon,
}

/// One frame: on `eth0` whole ethernet frames, on an nlmon device netlink messages with their 16-byte head.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Wall clock in seconds.
    pub time: f64,
    pub bytes: Vec<u8>,
}

/// A VRRP advertisement as received, read by offsets only: it must not share code with what it judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    pub version: u8,
    pub vrid: u8,
    pub priority: u8,
    /// Last byte of the sender's address.
    pub from: u8,
}

impl Capture {
    pub fn start(node: &Node, interface: &str, filter: &str) -> Self {
        let number = fs::read_dir("/results").unwrap().count();
        let file = format!("/results/{}-{interface}-{number}.pcap", node.name);
        let command =
            format!("tcpdump -i {interface} -Z root -U -n --immediate-mode -B 16384 -w {file} '{filter}'");
        let tcpdump = node.spawn(&format!("tcpdump-{number}"), &command);
        assert!(
            poll(seconds(10), || tcpdump.log_has("listening on")).is_some(),
            "tcpdump: {}",
            tcpdump.log()
        );
        Self { file, tcpdump }
    }

    /// Everything recorded so far.
    pub fn packets(&self) -> Vec<Packet> {
        let bytes = fs::read(&self.file).unwrap_or_default();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let mut packets = Vec::new();
        let mut at = 24;
        while at + 16 <= bytes.len() {
            let (second, micro, length) = (word(at), word(at + 4), word(at + 8) as usize);
            at += 16;
            let Some(frame) = bytes.get(at..at + length) else { break };
            packets.push(Packet { time: f64::from(second) + f64::from(micro) * 1e-6, bytes: frame.to_vec() });
            at += length;
        }
        packets
    }

    pub fn adverts(&self) -> Vec<(f64, Advert)> {
        self.packets().iter().filter_map(|packet| Some((packet.time, packet.advert()?))).collect()
    }

    /// The times without an advert, in seconds.
    pub fn gaps(&self) -> Vec<f64> {
        let times: Vec<f64> = self.adverts().iter().map(|(time, _)| *time).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Ends the recording and returns all of it: what has passed when this is called is waited for, since
    /// tcpdump leaves unread at its end what the kernel still holds for it.
    pub fn finish(self) -> Vec<Packet> {
        let (_, passed) = self.counts();
        // What came before its filter was in place is counted, too, and never written: it has nothing left to write then.
        let mut last = (0, Instant::now());
        eventually("tcpdump has written what had passed", seconds(20), || {
            let (written, _) = self.counts();
            if written != last.0 {
                last = (written, Instant::now());
            }
            written >= passed || last.1.elapsed() > seconds(2)
        });
        self.tcpdump.stop();
        self.packets()
    }

    /// Frames that are written, or were lost to a full buffer, and all that the filter let pass.
    fn counts(&self) -> (u64, u64) {
        let known = self.tcpdump.log().matches(" received by filter").count();
        self.tcpdump.signal(Signal::SIGUSR1);
        let line = || {
            let log = self.tcpdump.log();
            log.lines().filter(|line| line.contains(" dropped by kernel")).nth(known).map(str::to_owned)
        };
        let line = poll(seconds(10), || line().is_some()).and_then(|_| line());
        let line = line.unwrap_or_else(|| panic!("tcpdump tells no counts: {}", self.tcpdump.log()));
        let count = |words: &str| -> u64 {
            let before = line.split(words).next().unwrap_or_default();
            let digits =
                before.rsplit(|letter: char| !letter.is_ascii_digit()).find(|digits| !digits.is_empty());
            digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("tcpdump counts: {line}"))
        };
        let [written, passed, lost] = [" packet", " packets received", " packets dropped"].map(count);
        (written + lost, passed)
    }
}

impl Packet {
    /// The IP packet inside, of either version.
    pub fn ip(&self) -> Option<&[u8]> {
        match self.bytes.get(12..14)? {
            [0x08, 0x00] | [0x86, 0xdd] => self.bytes.get(14..),
            _ => None,
        }
    }

    pub fn advert(&self) -> Option<Advert> {
        let ip = self.ip()?;
        let (protocol, payload, source_end) = match ip.first()? >> 4 {
            4 => (*ip.get(9)?, ip.get(20..)?, 16),
            _ => (*ip.get(6)?, ip.get(40..)?, 24),
        };
        // Behind an authentication header of 24 bytes.
        let (protocol, payload) = match protocol {
            51 => (*payload.first()?, payload.get(24..)?),
            _ => (protocol, payload),
        };
        if protocol != 112 || payload.first()? & 0x0f != 1 {
            return None;
        }
        Some(Advert {
            version: payload[0] >> 4,
            vrid: *payload.get(1)?,
            priority: *payload.get(2)?,
            from: *ip.get(source_end - 1)?,
        })
    }

    /// The address that a gratuitous ARP or an unsolicited neighbour advertisement announces.
    pub fn announced(&self) -> Option<String> {
        if let Some(ip) = self.ip() {
            let of_ipv6 = ip.first()? >> 4 == 6 && ip.get(6) == Some(&58) && ip.get(40) == Some(&136);
            let (source, target) = (ip.get(8..24)?, ip.get(48..64)?);
            let address: [u8; 16] = target.try_into().unwrap();
            return (of_ipv6 && source == target).then(|| std::net::Ipv6Addr::from(address).to_string());
        }
        let arp = (self.bytes.get(12..14)? == [0x08, 0x06]).then(|| self.bytes.get(14..42)).flatten()?;
        let (sender, target) = (&arp[14..18], &arp[24..28]);
        (sender == target).then(|| sender.iter().map(u8::to_string).collect::<Vec<_>>().join("."))
    }

    /// Generic netlink request of the IPVS family on an nlmon device: its command number.
    pub fn ipvs_command(&self, family: u16) -> Option<u8> {
        let protocol = self.bytes.get(14..16)?;
        let message = self.bytes.get(16..)?;
        let kind = u16::from_le_bytes(message.get(4..6)?.try_into().unwrap());
        let flags = u16::from_le_bytes(message.get(6..8)?.try_into().unwrap());
        // Requests to the kernel carry NLM_F_REQUEST; its answers do not.
        (protocol == [0, 16] && kind == family && flags & 1 == 1).then(|| message.get(16).copied()).flatten()
    }
}
