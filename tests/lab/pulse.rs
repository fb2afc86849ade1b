//! `agent pulse ADDRESS` asks an address for an echo a hundred times a second and writes down when it answers; `agent frames HEX
//! COUNT MILLISECONDS` writes one frame after the other to its output.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::{millis, now};

const EVERY: Duration = millis(10);
/// By which the echoes are known.
const OURS: [u8; 2] = *b"pu";

/// One line for each answer: the time.
pub fn pulse(address: IpAddr) {
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    let mut listener = socket.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        let mut out = std::io::stdout();
        loop {
            let length = listener.read(&mut bytes).unwrap();
            // A raw socket of IPv4 gives the header as well.
            let message = if bytes[0] >> 4 == 4 && domain == Domain::IPV4 {
                &bytes[20..length]
            } else {
                &bytes[..length]
            };
            if message.first() == Some(&reply) && message[4..6] == OURS {
                writeln!(out, "{:.4}", now()).unwrap();
                out.flush().unwrap();
            }
        }
    });
    let to = SocketAddr::from((address, 0)).into();
    let mut due = Instant::now();
    for number in 0u16.. {
        let mut message = [request, 0, 0, 0, OURS[0], OURS[1], 0, 0];
        message[6..8].copy_from_slice(&number.to_be_bytes());
        let sum: u32 = message.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        if domain == Domain::IPV4 {
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        // Who is not there yet is asked again.
        let _ = socket.send_to(&message, &to);
        due += EVERY;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// The same frame over and over.
pub fn frames(hex: &str, count: usize, each: Duration) {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    let frame: Vec<u8> = (0..hex.len() / 2).map(byte).collect();
    let mut out = std::io::stdout();
    let mut due = Instant::now();
    for _ in 0..count {
        out.write_all(&frame).unwrap();
        out.flush().unwrap();
        due += each;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
