//! Servers that answer in every way there is, a port each: what the checks make of them is in `docs/checks.md`.
//!
//! `agent answers` runs all of them and writes a line `asked PORT` for each connection; the scenario of the same name
//! has keepalived and directord check them.

pub mod http;
pub mod tls;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// Ports of the HTTP answers, and of the TLS servers.
pub const HTTP: u16 = 9000;
pub const TLS: u16 = 9500;

/// What a server does when all is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Close,
    /// Waits for the other side to close.
    Hold,
    Reset,
    /// Goes on for ever.
    Endless,
}

pub fn serve() {
    for (number, answer) in http::all().into_iter().enumerate() {
        listen(HTTP + number as u16, move |stream| http::serve(&answer, stream));
    }
    for (number, server) in tls::all().into_iter().enumerate() {
        let context = (server.make)();
        listen(TLS + number as u16, move |stream| tls::serve(server.end, context.as_ref(), stream));
    }
    println!("listening");
    loop {
        std::thread::park();
    }
}

fn listen(port: u16, answer: impl Fn(TcpStream) + Send + Sync + Clone + 'static) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let work = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            println!("asked {port}");
            // What has been written is on the wire before a reset throws away what waits to be sent.
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let connection = move || {
                let end = stream.try_clone().unwrap();
                answer(stream);
                close(&end);
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn(connection).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap();
}

/// Closes, and reads what still comes: a close over bytes that nobody has read is a reset, or none, as the
/// moment would have it. A reset that is wanted stays one.
fn close(stream: &TcpStream) {
    let linger = socket2::SockRef::from(stream).linger().unwrap_or_default();
    if linger.is_none() && stream.shutdown(Shutdown::Write).is_ok() {
        finish(End::Hold, stream);
    }
}

/// Reads a request; the other side may also say nothing.
fn request(stream: &mut impl Read) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn finish(end: End, mut stream: &TcpStream) {
    match end {
        End::Close => {}
        End::Hold => {
            // However long the other side waits.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
            let mut piece = [0; 1024];
            while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
        }
        End::Reset => socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap(),
        // Paced: the machine is shared with whoever reads it.
        End::Endless => {
            while stream.write_all(&[b'x'; 4096]).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
