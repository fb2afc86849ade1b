//! Netlink messages as bytes, and a blocking client for request and answer.
//!
//! Readers are total: a message or attribute that claims more than there is ends the iteration.
//! The client keeps to what the kernel can answer: at most 128 requests a send, because a socket
//! queues no more than about 256 acknowledgements and drops the rest. It waits no longer than [`LIMIT`]
//! for an answer.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use socket2::{SockFilter, SockRef};

/// `nlmsg_flags`: a request.
pub const REQUEST: u16 = 0x1;
/// `nlmsg_flags`: answer even when there is nothing but success to say.
pub const ACK: u16 = 0x4;
/// `nlmsg_flags`: the whole table.
pub const DUMP: u16 = 0x300;
/// `nlmsg_flags`: fail when it exists.
pub const EXCLUSIVE: u16 = 0x200;
/// `nlmsg_flags`: replace what exists.
pub const REPLACE: u16 = 0x100;
/// `nlmsg_flags`: create what is missing.
pub const CREATE: u16 = 0x400;
/// `nlmsg_flags`: set it behind what exists.
pub const APPEND: u16 = 0x800;

const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
const DUMP_INTERRUPTED: u16 = 0x10;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
/// Requests of one send.
const BATCH: usize = 128;
const RECEIVE_BUFFER: usize = 64 * 1024;
/// A dump that the table's changes interrupt is asked for again, this often.
const DUMP_ATTEMPTS: usize = 5;
/// What is queued for a monitor that is not read at once: some 5,000 changes of addresses.
const MONITOR_BUFFER: usize = 8 * 1024 * 1024;
/// An answer takes this long at most; the kernel's configuration lock may be held by others meanwhile.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A request under construction.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// An empty request of this type.
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        write_at(&mut bytes, 4, &kind.to_ne_bytes());
        write_at(&mut bytes, 6, &(flags | REQUEST).to_ne_bytes());
        Self { bytes }
    }

    /// Appends the family's fixed header, padded to four bytes.
    #[must_use]
    pub fn fixed(mut self, header: &[u8]) -> Self {
        self.bytes.extend(header);
        self.pad();
        self
    }

    /// Appends one attribute.
    #[must_use]
    pub fn attribute(mut self, id: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(id.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
        self
    }

    /// Appends a string attribute with its terminating zero.
    #[must_use]
    pub fn string(self, id: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(id, &bytes)
    }

    /// Appends the attributes that `fill` adds as the content of one.
    #[must_use]
    pub fn nest(mut self, id: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend((id | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        write_at(&mut filled.bytes, start, &length.to_ne_bytes());
        filled
    }

    /// Appends a part that begins with its own length, not with the header of an attribute; `head` follows the length.
    #[must_use]
    pub fn sized(mut self, head: &[u8], fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend(head);
        self.pad();
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        write_at(&mut filled.bytes, start, &length.to_ne_bytes());
        filled
    }

    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// The bytes of this request, as the kernel would get them.
    #[cfg(test)]
    pub fn for_test(&self, sequence: u32) -> Vec<u8> {
        self.finish(sequence)
    }

    fn finish(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        write_at(&mut bytes, 0, &length.to_ne_bytes());
        write_at(&mut bytes, 8, &sequence.to_ne_bytes());
        bytes
    }
}

/// One received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The messages of one datagram.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let payload = bytes.get(HEADER..length)?;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            payload,
        };
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of `bytes`: number and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let id = u16_at(bytes, 2)? & TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((id, value))
    })
}

/// A host-order number at `offset`, when it is there.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// A host-order number at `offset`, when it is there.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// A string attribute without its terminating zero.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn write_at(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(offset..offset + value.len()) {
        field.copy_from_slice(value);
    }
}

/// A socket for requests and their answers.
pub struct Client {
    socket: NlSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens a socket of `family`.
    pub fn connect(family: NlFamily) -> io::Result<Self> {
        Self::connect_within(family, LIMIT)
    }

    /// Opens a socket of `family` whose answers must come within `limit`; later they end in `TimedOut`, and what was
    /// carried out is unknown.
    pub fn connect_within(family: NlFamily, limit: Duration) -> io::Result<Self> {
        let socket = NlSocket::connect(family, None, Groups::empty())?;
        let descriptor = descriptor(&socket);
        let options = SockRef::from(&descriptor);
        options.set_read_timeout(Some(limit))?;
        options.set_write_timeout(Some(limit))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] })
    }

    /// Makes the receive buffer that large; `force`: beyond the limit of the host.
    pub fn size(&self, bytes: u32, force: bool) -> io::Result<()> {
        size(&descriptor(&self.socket), bytes, force)
    }

    /// Lets one message be that long; beyond the limit of the host only with CAP_NET_ADMIN.
    pub fn allow(&self, bytes: usize) -> io::Result<()> {
        let socket = descriptor(&self.socket);
        if setsockopt(&socket, SndBufForce, &bytes).is_err() {
            SockRef::from(&socket).set_send_buffer_size(bytes)?;
        }
        Ok(())
    }

    /// Carries the requests out in order and returns each one's outcome; a failing one stops nothing.
    /// Error: the socket itself failed; what was carried out is unknown.
    pub fn transact(&mut self, requests: &[Request]) -> io::Result<Vec<io::Result<()>>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            self.transact_batch(batch, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    /// The kernel answers what fails and what asks for an answer: the last one does, so that many changes cost one
    /// answer.
    fn transact_batch(&mut self, batch: &[Request], outcomes: &mut Vec<io::Result<()>>) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for (number, request) in batch.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let start = bytes.len();
            bytes.extend(request.finish(self.sequence));
            if number + 1 < batch.len()
                && let Some(flags) = u16_at(&bytes, start + 6)
            {
                write_at(&mut bytes, start + 6, &(flags & !ACK).to_ne_bytes());
            }
        }
        self.send(&bytes)?;
        let mut answered: Vec<io::Result<()>> = batch.iter().map(|_| Ok(())).collect();
        loop {
            let length = self.receive()?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let number = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(of) = answered.get_mut(number).filter(|_| message.kind == TYPE_ERROR) else {
                    continue;
                };
                *of = outcome(message.payload);
                if number + 1 == batch.len() {
                    outcomes.append(&mut answered);
                    return Ok(());
                }
            }
        }
    }

    /// Carries the requests out, all of them or none: `begin` and `end` go around them. Error: the first reason against
    /// them.
    pub fn transaction(&mut self, (begin, end): &(Request, Request), requests: &[Request]) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for request in std::iter::once(begin).chain(requests).chain([end]) {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(request.finish(self.sequence));
        }
        self.send(&bytes)?;
        let mut answer = Ok(());
        loop {
            let length = self.receive()?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let number = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if message.kind != TYPE_ERROR || number > requests.len() {
                    continue;
                }
                let outcome = outcome(message.payload);
                // That of `begin` is about all of them, and nothing needs to follow.
                let over = number == requests.len() || (number == 0 && outcome.is_err());
                answer = answer.and(outcome);
                if over {
                    return answer;
                }
            }
        }
    }

    /// Sends one request and hands every message of the answer to `each`.
    pub fn ask(&mut self, request: &Request, mut each: impl FnMut(Message<'_>)) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&request.finish(self.sequence))?;
        let dump = u16_at(&request.bytes, 6).is_some_and(|flags| flags & DUMP == DUMP);
        let mut interrupted = false;
        loop {
            let length = self.receive()?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.sequence != self.sequence {
                    continue;
                }
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    TYPE_DONE if interrupted => return Err(io::ErrorKind::Interrupted.into()),
                    TYPE_DONE => return Ok(()),
                    TYPE_ERROR => return outcome(message.payload),
                    _ => each(message),
                }
                if !dump {
                    return Ok(());
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        again_after_signals(|| self.socket.send(bytes, Msg::empty())).map(drop)
    }

    fn receive(&mut self) -> io::Result<usize> {
        again_after_signals(|| self.socket.recv(&mut self.buffer, Msg::empty())).map(|(length, _)| length)
    }

    /// One reading of a table, each message handed to `each`; false: the table changed meanwhile, and an entry may be
    /// missing.
    pub fn read(&mut self, request: &Request, each: impl FnMut(Message<'_>)) -> io::Result<bool> {
        match self.ask(request, each) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// A dump, collected by `read`; asked again when the table changed meanwhile.
    pub fn dump<T>(
        &mut self,
        request: &Request,
        mut read: impl FnMut(Message<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut found = Vec::new();
            match self.ask(request, |message| found.extend(read(message))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(found),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::Interrupted,
            "the kernel's table changes faster than it can be read",
        ))
    }
}

/// A socket that hears of changes.
pub struct Monitor {
    socket: NlSocket,
}

impl Monitor {
    /// Joins the groups of `family`; does not block.
    pub fn connect(family: NlFamily, groups: &[u32]) -> io::Result<Self> {
        let socket = NlSocket::connect(family, None, Groups::new_groups(groups))?;
        socket.nonblock()?;
        // Beyond the limit of the host only with CAP_NET_ADMIN.
        if setsockopt(&descriptor(&socket), RcvBufForce, &MONITOR_BUFFER).is_err() {
            SockRef::from(&descriptor(&socket)).set_recv_buffer_size(MONITOR_BUFFER)?;
        }
        Ok(Self { socket })
    }

    /// Makes the receive buffer that large; `force`: beyond the limit of the host.
    pub fn size(&self, bytes: u32, force: bool) -> io::Result<()> {
        size(&descriptor(&self.socket), bytes, force)
    }

    /// From now on the kernel queues only what this program takes.
    pub fn filter(&self, program: &[SockFilter]) -> io::Result<()> {
        SockRef::from(&descriptor(&self.socket)).attach_filter(program)
    }

    /// Asks for something; what the kernel answers is received like its notifications.
    pub fn send(&self, request: &Request) -> io::Result<()> {
        again_after_signals(|| self.socket.send(request.finish(0), Msg::empty())).map(drop)
    }

    /// The next datagram. `WouldBlock`: none waits. `ENOBUFS`: some were lost, read the tables anew.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let length = self.socket.recv(&mut *buffer, Msg::empty())?.0;
        Ok(buffer.get(..length).unwrap_or_default())
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        descriptor(&self.socket)
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// A call with a time limit is not restarted after a signal (`signal(7)`). An answer that does not come in time shows
/// itself as an empty non-blocking socket.
fn again_after_signals<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer in time"));
            }
            other => return other,
        }
    }
}

/// Beyond the limit of the host only with CAP_NET_ADMIN.
fn size(socket: &BorrowedFd<'_>, bytes: u32, force: bool) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if force && setsockopt(socket, RcvBufForce, &bytes).is_ok() {
        return Ok(());
    }
    SockRef::from(socket).set_recv_buffer_size(bytes)
}

#[allow(unsafe_code)]
fn descriptor(socket: &NlSocket) -> BorrowedFd<'_> {
    // SAFETY: the descriptor is open while `socket` is borrowed.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

fn outcome(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map(|code| i32::from_ne_bytes(code.to_ne_bytes())) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back() {
        let request = Request::new(42, ACK)
            .fixed(&[1, 2])
            .nest(7, |nest| nest.attribute(1, &[9]).string(2, "wlc"))
            .attribute(8, &5u32.to_ne_bytes());
        let bytes = request.finish(3);
        let message = messages(&bytes).next().unwrap();
        assert_eq!((message.kind, message.flags, message.sequence), (42, ACK | REQUEST, 3));
        let all: Vec<_> = attributes(&message.payload[4..]).collect();
        assert_eq!(all[0].0, 7);
        let inner: Vec<_> = attributes(all[0].1).collect();
        assert_eq!(inner, [(1, &[9u8][..]), (2, b"wlc\0")]);
        assert_eq!(all[1], (8, &5u32.to_ne_bytes()[..]));
        assert_eq!(text(inner[1].1), "wlc");
    }

    /// The kernel answers no request that neither fails nor asks for an answer.
    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for_without_end() {
        let mut client = Client::connect_within(NlFamily::Route, Duration::from_millis(20)).unwrap();
        let nothing = Request::new(1, 0);
        assert_eq!(client.ask(&nothing, |_| {}).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(client.transact(&[nothing]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// One answer for all, and what fails has its own: here, messages of a type that the kernel does not know.
    #[test]
    fn each_of_many_requests_has_its_outcome() {
        let mut client = Client::connect(NlFamily::Route).unwrap();
        let (known, unknown) = (|| Request::new(1, ACK), || Request::new(0x3ff, ACK).fixed(&[0; 16]));
        for failing in [vec![], vec![0], vec![3, 4], vec![299], (0..300).collect()] {
            let request = |number| if failing.contains(&number) { unknown() } else { known() };
            let requests: Vec<Request> = (0..300).map(request).collect();
            let outcomes = client.transact(&requests).unwrap();
            let failed = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_err());
            assert_eq!(failed.map(|(number, _)| number).collect::<Vec<_>>(), failing);
            assert_eq!(outcomes.len(), 300);
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics_or_loops() {
        let bytes = Request::new(1, 0).fixed(&[0; 8]).string(3, "abcdef").finish(1);
        for length in 0..bytes.len() {
            for message in messages(&bytes[..length]) {
                attributes(message.payload).count();
            }
        }
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0, "a length of zero ends the iteration");
        assert_eq!(messages(&[0; 64]).count(), 0);
    }
}
