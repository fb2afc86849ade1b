//! VRRP, versions 2 (RFC 3768) and 3 (RFC 9568).
//!
//! [`packet`] turns bytes into values and back, [`ah`] signs them, [`receive`] decides whether a packet may touch the machine,
//! [`instance`] is the state machine of one virtual router, `group` what the members of a sync group have in common,
//! [`node`] the machine of all of them, `announce` the schedule of
//! gratuitous ARP, `limits` how often a master answers, [`event`] what there is to tell. `io/` owns the sockets and
//! the thread.

pub mod ah;
pub(crate) mod announce;
pub mod event;
pub(crate) mod group;
pub mod instance;
pub(crate) mod io;
pub(crate) mod limits;
pub mod node;
pub mod packet;
pub mod receive;
