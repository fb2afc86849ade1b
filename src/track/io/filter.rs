//! What of the kernel's news of processes reaches us at all: a program with thousands of threads, or one that changes its
//! user with each request, would fill the queue in which the end of a tracked process is told. A program for the kernel's
//! packet filter (`SO_ATTACH_FILTER`).

use socket2::SockFilter;

use crate::sys::filter::{IF_EQUAL, IF_KEPT, KEEP, LOAD_WORD, leave, step, take};
use crate::track::connector::{COMM, DATA, EVENT, EXEC, EXIT, FORK, NONE};

/// The header of netlink before the message of the connector.
const HEADER: u32 = 16;

/// What `connector::read` does not pass over.
pub(super) fn program() -> Vec<SockFilter> {
    // The filter loads in network order what is in that of the host.
    let word = |value: u32| u32::from_be_bytes(value.to_ne_bytes());
    let at = |offset: usize| HEADER + u32::try_from(offset).unwrap_or(0);
    vec![
        step(LOAD_WORD, at(EVENT), 0, 0),
        step(IF_EQUAL, word(NONE), 12, 0),
        step(IF_EQUAL, word(EXEC), 7, 0),
        step(IF_EQUAL, word(COMM), 6, 0),
        step(IF_EQUAL, word(EXIT), 5, 0),
        step(IF_EQUAL, word(FORK), 0, 9),
        // The new one: it is a thread when its own number is not that of its process.
        step(LOAD_WORD, at(DATA + 8), 0, 0),
        step(KEEP, 0, 0, 0),
        step(LOAD_WORD, at(DATA + 12), 0, 0),
        step(IF_KEPT, 0, 4, 5),
        // Whom it concerns.
        step(LOAD_WORD, at(DATA), 0, 0),
        step(KEEP, 0, 0, 0),
        step(LOAD_WORD, at(DATA + 4), 0, 0),
        step(IF_KEPT, 0, 0, 1),
        take(),
        leave(),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::sys::netlink::messages;
    use crate::track::connector;
    use socket2::SockRef;

    #[test]
    fn what_is_read_is_heard_and_the_rest_is_not() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        SockRef::from(&receiver).attach_filter(&program()).unwrap();
        let (mut taken, mut left) = (0, 0);
        for what in [NONE, FORK, EXEC, COMM, EXIT, 0x4, 0x40, 0x100, 0x4000_0000] {
            for data in [[5u32, 5, 5, 5], [5, 5, 6, 5], [5, 4, 5, 5], [5, 4, 6, 5]] {
                let head = [76, 3, 0, 0, 1, 1, 0, 0, 40, what, 0, 0, 0];
                let message: Vec<u8> = head
                    .iter()
                    .chain(&data)
                    .chain(&[0, 0])
                    .flat_map(|field: &u32| field.to_ne_bytes())
                    .collect();
                // A Unix socket says that a filter took a datagram away.
                let _ = sender.send(&message);
                let heard = receiver.recv(&mut [0; 128]).is_ok();
                let read = messages(&message).find_map(connector::read).is_some();
                assert_eq!(heard, read, "{what:x} {data:?}");
                if heard {
                    taken += 1
                } else {
                    left += 1
                };
            }
        }
        assert_eq!((taken, left), (12, 24));
    }
}
