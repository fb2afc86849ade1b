//! What the kernel tells of processes, through its connector (`proc connector`, `linux/cn_proc.h`): bytes to [`Told`].
//!
//! Readers are total: what is cut short, or is of a kind that nobody asked for, is `None`. Threads are no processes: what
//! happens to them is passed over.

use crate::sys::netlink::{Message, Request, u32_at};

use super::process::Pid;

/// The group of netlink's connector that tells of processes (`CN_IDX_PROC`).
pub const GROUP: u32 = 1;
/// `CN_VAL_PROC`.
const VALUE: u32 = 1;
/// `NLMSG_DONE`, which each message of the connector is.
const DONE: u16 = 3;

/// Offsets in a message of the connector: its head, the event, and what belongs to the kind of event.
const ACKNOWLEDGES: usize = 12;
pub(super) const EVENT: usize = 20;
pub(super) const DATA: usize = EVENT + 16;

pub(super) const NONE: u32 = 0;
pub(super) const FORK: u32 = 0x1;
pub(super) const EXEC: u32 = 0x2;
pub(super) const COMM: u32 = 0x200;
pub(super) const EXIT: u32 = 0x8000_0000;

/// What is told of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The answer to [`listen`] of this number: 0, or the error.
    Answer {
        /// Of the request.
        number: u32,
        /// The kernel's error number; 0: everything is told from here on.
        errno: u32,
    },
    /// There is one more; it is the same program as its parent.
    Fork {
        /// The one that was there.
        parent: Pid,
        /// The new one.
        child: Pid,
    },
    /// It is another program now.
    Exec(Pid),
    /// It has another name now.
    Named(Pid),
    /// It has ended.
    Exit(Pid),
}

/// Asks for everything that happens to processes, or for nothing any more; [`Told::Answer`] has the same `number`.
pub fn listen(on: bool, number: u32) -> Request {
    let what: u32 = if on { 1 } else { 2 };
    let mut body = Vec::with_capacity(EVENT + 4);
    for field in [GROUP, VALUE, 0, number, 4] {
        body.extend(field.to_ne_bytes());
    }
    body.extend(what.to_ne_bytes());
    Request::new(DONE, 0).fixed(&body)
}

/// What a message says.
pub fn read(message: Message<'_>) -> Option<Told> {
    let bytes = message.payload;
    let at = |offset| u32_at(bytes, offset);
    if (message.kind, at(0)?, at(4)?) != (DONE, GROUP, VALUE) {
        return None;
    }
    // A thread has a number of its own, and that of its process beside it.
    let process = |offset| (at(offset)? == at(offset + 4)?).then_some(at(offset)?).map(Pid);
    match at(EVENT)? {
        NONE => {
            // The kernel counts on by one, and has a sequence number of its own for all.
            Some(Told::Answer { number: at(ACKNOWLEDGES)?.wrapping_sub(1), errno: at(DATA)? })
        }
        FORK => Some(Told::Fork { parent: Pid(at(DATA + 4)?), child: process(DATA + 8)? }),
        EXEC => process(DATA).map(Told::Exec),
        COMM => process(DATA).map(Told::Named),
        EXIT => process(DATA).map(Told::Exit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::messages;

    /// A message as the kernel sends it.
    fn told(what: u32, data: &[u32]) -> Vec<u8> {
        let head = [GROUP, VALUE, 3, 10, 40, what, 0, 0, 0];
        let body: Vec<u8> = head.iter().chain(data).flat_map(|field| field.to_ne_bytes()).collect();
        Request::new(DONE, 0).fixed(&body).for_test(0)
    }

    fn read_all(bytes: &[u8]) -> Vec<Told> {
        messages(bytes).filter_map(read).collect()
    }

    #[test]
    fn events_of_processes_are_read_and_those_of_threads_are_not() {
        let cases: [(u32, &[u32], Option<Told>); 10] = [
            (NONE, &[0], Some(Told::Answer { number: 9, errno: 0 })),
            (NONE, &[1], Some(Told::Answer { number: 9, errno: 1 })),
            (FORK, &[4, 4, 5, 5], Some(Told::Fork { parent: Pid(4), child: Pid(5) })),
            (FORK, &[7, 4, 5, 5], Some(Told::Fork { parent: Pid(4), child: Pid(5) })),
            (FORK, &[4, 4, 5, 4], None),
            (EXEC, &[5, 5], Some(Told::Exec(Pid(5)))),
            (COMM, &[5, 5, 0, 0, 0, 0], Some(Told::Named(Pid(5)))),
            (COMM, &[6, 5, 0, 0, 0, 0], None),
            (EXIT, &[5, 5, 0, 17, 1, 1], Some(Told::Exit(Pid(5)))),
            (EXIT, &[6, 5, 0, 17, 1, 1], None),
        ];
        for (what, data, expected) in cases {
            assert_eq!(read_all(&told(what, data)), Vec::from_iter(expected), "{what:x} {data:?}");
        }
        // Other users of the connector, and kinds that nobody asked for.
        assert_eq!(read_all(&told(0x4, &[5, 5, 0, 0])), []);
        let mut other = told(EXEC, &[5, 5]);
        other[16] = 3;
        assert_eq!(read_all(&other), []);
        let whole = told(FORK, &[4, 4, 5, 5]);
        for length in 0..whole.len() {
            assert_eq!(read_all(&whole[..length]), []);
        }
    }

    #[test]
    fn the_request_is_as_the_kernel_wants_it() {
        let bytes = listen(true, 7).for_test(0);
        assert_eq!(bytes.len(), 40);
        let fields: Vec<u32> = (0..10).map(|at| u32_at(&bytes, 4 * at).unwrap()).collect();
        assert_eq!((fields[0], &fields[4..]), (40, &[1, 1, 0, 7, 4, 1][..]));
        assert_eq!(u32_at(&listen(false, 7).for_test(0), 36), Some(2));
    }
}
