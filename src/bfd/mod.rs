//! BFD: whether a neighbour can be reached, known within milliseconds (RFC 5880; one hop, RFC 5881; several, RFC 5883).
//!
//! A [`packet`] is bytes, a [`session`] is one neighbour, [`sessions`] are all of them; [`event`] is what there is to tell.
//! `io/` is the thread that has the sockets. Two listen to what a session amounts to: VRRP, where instances track it, and the
//! checks of real servers. Both are told the names of those that are up, all of them, each time: a session that has not come
//! up yet is down, as in keepalived.

pub mod event;
pub(crate) mod io;
pub mod packet;
pub mod session;
pub mod sessions;

pub use sessions::Up;
