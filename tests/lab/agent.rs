//! What runs within a node: `agent stream SERVER` and `agent hold SERVER COUNT PATIENCE`, HTTP clients that write down
//! what they see until they are stopped; PATIENCE: seconds that an answer may take. `agent deaf SOCKET` is a service manager that reads nothing, `agent answers` all
//! the servers of `answers/`, `agent vrrp` has the socket of a VRRP daemon and nothing else, `agent flood SOURCE` sends it packets that
//! count for nothing, as fast as it can; `agent pulse` and `agent frames` are in `pulse.rs`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{millis, now};

pub fn main(arguments: &[String]) {
    match arguments {
        [verb, server] if verb == "stream" => stream(server.parse().unwrap()),
        [verb, server, count, patience] if verb == "hold" => {
            let patience = Duration::from_secs(patience.parse().unwrap());
            hold(server.parse().unwrap(), count.parse().unwrap(), patience);
        }
        [verb, socket] if verb == "deaf" => deaf(socket),
        [verb] if verb == "vrrp" => vrrp(),
        [verb, source] if verb == "flood" => flood(source.parse().unwrap()),
        [verb, kind, count, seconds] if verb == "floor" => {
            let interval = Duration::from_secs(seconds.parse().unwrap());
            crate::floor::run(kind, count.parse().unwrap(), interval);
        }
        [verb, service] if verb == "weights" => crate::weights::watch(service.parse().unwrap()),
        [verb] if verb == "answers" => crate::answers::serve(),
        [verb, address] if verb == "pulse" => crate::pulse::pulse(address.parse().unwrap()),
        [verb, hex, count, each] if verb == "frames" => {
            crate::pulse::frames(hex, count.parse().unwrap(), millis(each.parse().unwrap()));
        }
        _ => panic!(
            "agent stream SERVER | agent hold SERVER COUNT PATIENCE | agent deaf SOCKET | agent answers | agent vrrp | agent flood SOURCE | agent floor tcp|http COUNT SECONDS | agent weights SERVICE | agent pulse ADDRESS | agent frames HEX COUNT MILLISECONDS"
        ),
    }
}

/// Binds a datagram socket, fills its queue, and never reads.
fn deaf(path: &str) {
    let _socket = UnixDatagram::bind(path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"STATUS=x", path).is_ok() {}
    println!("full");
    loop {
        std::thread::park();
    }
}

/// The socket of a VRRP daemon.
fn vrrp() {
    let kind = (socket2::Domain::IPV4, socket2::Type::RAW, Some(112.into()));
    let _socket = socket2::Socket::new(kind.0, kind.1, kind.2).unwrap();
    println!("listening");
    loop {
        std::thread::park();
    }
}

/// Adverts for the virtual router 51 and its address that nobody may believe, and what is no advert at all.
fn flood(source: Ipv4Addr) {
    let advert = |vrid: u8, priority: u8, password: &[u8; 8]| {
        let mut bytes = vec![0x21, vrid, priority, 1, 1, 1, 0, 0, 192, 168, 100, 240];
        bytes.extend_from_slice(password);
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let right = *b"1111\0\0\0\0";
    let mut wrong_sum = advert(51, 200, &right);
    wrong_sum[6] ^= 0x55;
    let mut wrong_version = advert(51, 200, &right);
    wrong_version[0] = 0x71;
    let packets = [
        advert(51, 200, b"wrong\0\0\0"),
        advert(52, 200, &right),
        advert(51, 10, &right),
        wrong_sum,
        wrong_version,
        advert(51, 200, &right)[..9].to_vec(),
        vec![0; 1400],
        vec![0xff; 3],
    ];
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(112.into())).unwrap();
    socket.set_multicast_if_v4(&source).unwrap();
    socket.set_multicast_ttl_v4(255).unwrap();
    let group = SocketAddr::from(([224, 0, 0, 18], 0)).into();
    println!("running");
    for packet in packets.iter().cycle() {
        // A queue that is full is as full as it can be.
        let _ = socket.send_to(packet, &group);
    }
}

/// One line for each request: the time, the same by a clock that nobody sets, and `ok BODY` or `failed REASON`.
fn stream(server: SocketAddr) {
    let begun = Instant::now();
    loop {
        let started = Instant::now();
        let answer = TcpStream::connect_timeout(&server, millis(250)).and_then(|mut stream| {
            stream.set_read_timeout(Some(millis(250)))?;
            request(&mut stream, "close")
        });
        let times = format!("{:.4} {:.4}", now(), begun.elapsed().as_secs_f64());
        match answer {
            Ok(body) => println!("{times} ok {body}"),
            Err(error) => println!("{times} failed {error}"),
        }
        std::thread::sleep(millis(20).saturating_sub(started.elapsed()));
    }
}

fn hold(server: SocketAddr, count: usize, patience: Duration) {
    let answered = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(AtomicUsize::new(0));
    for number in 0..count {
        // Not all at once: a queue of connections that runs over would be what is tested.
        while first.load(Ordering::Relaxed) + 50 <= number {
            std::thread::sleep(millis(5));
        }
        let (answered, first) = (answered.clone(), first.clone());
        let work = move || {
            let mut answers = 0;
            let end = keep_asking(server, patience, || {
                answers += 1;
                first.fetch_add(usize::from(answers == 1), Ordering::Relaxed);
                answered.fetch_add(1, Ordering::Relaxed);
            });
            println!("lost {number} at {:.3}: {end:?}", now());
        };
        std::thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap();
    }
    while first.load(Ordering::Relaxed) < count {
        std::thread::sleep(millis(20));
    }
    println!("standing");
    loop {
        println!("answered {}", answered.load(Ordering::Relaxed));
        std::thread::sleep(millis(500));
    }
}

/// One connection, a request every second; returns only when that fails.
fn keep_asking(server: SocketAddr, patience: Duration, mut on_answer: impl FnMut()) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(patience))?;
    loop {
        request(&mut stream, "keep-alive")?;
        on_answer();
        std::thread::sleep(millis(1000));
    }
}

/// Asks for `/` and returns the first line of the body.
fn request(stream: &mut TcpStream, connection: &str) -> std::io::Result<String> {
    stream
        .write_all(format!("GET / HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "closed by the server"));
        }
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(body.lines().next().unwrap_or_default().to_string());
        }
    }
}
