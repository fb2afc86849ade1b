//! Sending and hearing whole link-layer frames (`packet(7)`).

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, SockFilter, Socket, Type};

/// A socket that sends frames and receives none.
#[derive(Debug)]
pub(crate) struct FrameSocket(Socket);

impl FrameSocket {
    /// Opens the socket. Error: usually a missing CAP_NET_RAW.
    pub(crate) fn open() -> io::Result<Self> {
        // Protocol 0: the kernel hands no frame to this socket.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Sends `frame`, link-layer header included, out of the interface with this index.
    #[allow(unsafe_code)]
    pub(crate) fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let address = place(index, 0);
        // SAFETY: the descriptor is open while `self` lives; `frame` and `address` are valid for the
        // lengths given, and the kernel only reads them.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// An interface by its index; frames of this protocol, 0: of none.
fn place(index: u32, protocol: u16) -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index as libc::c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

/// A socket that hears the frames of one interface that are of one protocol and that a program lets pass. What this host
/// sends itself it does not hear.
///
/// `index`: of the interface; `protocol`: `ETH_P_*`. Error: usually a missing CAP_NET_RAW.
#[allow(unsafe_code)]
pub(crate) fn frames_of(index: u32, protocol: u16, program: &[SockFilter]) -> io::Result<Socket> {
    // Without a protocol nothing is heard before the program is there.
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(program)?;
    let address = place(index, protocol);
    // SAFETY: the descriptor is open while `socket` lives; `address` is valid for the length given, and the kernel
    // only reads it.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}
