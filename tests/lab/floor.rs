//! `agent floor tcp|http COUNT SECONDS`: the least that so many checks of one interval can be. A loop of socket, connect,
//! epoll, send, read and close over the servers of the bench, woken each 25 ms; it knows no configuration, keeps no standing and tells
//! nothing. What a daemon takes more than it, is its own.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// Checks that are due within it run together.
const TICK: Duration = Duration::from_millis(25);
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.1.0.1:80\r\n\r\n";

/// The server of a number: ten a service, as the bench has them.
pub fn server(number: usize) -> Ipv4Addr {
    let (service, server) = (number / 10, number % 10 + 1);
    Ipv4Addr::new(10, 1, (service % 250) as u8, (service / 250 * 10 + server) as u8)
}

pub fn run(kind: &str, count: usize, interval: Duration) {
    let http = kind == "http";
    // Several connections for each server: there may be many that wait for a lost SYN to be sent again.
    let most = 8 * count as u64 + 64;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.max(hard), most.max(hard)).unwrap();
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    let mut due: Vec<Instant> =
        (0..count).map(|number| Instant::now() + interval.mul_f64(number as f64 / count as f64)).collect();
    let mut next = 0;
    let mut under_way: BTreeMap<RawFd, Socket> = BTreeMap::new();
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut buffer = [0; 4096];
    println!("running");
    loop {
        let now = Instant::now();
        while due[next] <= now + TICK {
            due[next] += interval;
            let to = SocketAddr::from((server(next), 80));
            next = (next + 1) % count;
            let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
            match socket.connect(&to.into()) {
                Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
                outcome => panic!("{to}: {outcome:?}"),
            }
            let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
            let fd = socket.as_raw_fd();
            epoll.add(&socket, EpollEvent::new(flags, fd as u64)).unwrap();
            under_way.insert(fd, socket);
        }
        // All that has happened in a tick is looked at together: fewer wake-ups are less work.
        std::thread::sleep(TICK);
        let count = epoll.wait(&mut events, EpollTimeout::ZERO).unwrap();
        for event in &events[..count] {
            let fd = event.data() as RawFd;
            let Some(mut socket) = under_way.remove(&fd) else { continue };
            if !http {
                assert!(socket.take_error().unwrap().is_none());
                continue;
            }
            if !event.events().contains(EpollFlags::EPOLLIN) {
                socket.write_all(REQUEST).unwrap();
                under_way.insert(fd, socket);
                continue;
            }
            match socket.read(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => drop(under_way.insert(fd, socket)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
