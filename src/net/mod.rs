//! Links, addresses and other objects of the network: what the kernel has, what we want, and the operations between
//! the two.
//!
//! [`object`] says what there is and what it is known by, [`rtnetlink`] turns it into bytes and back, [`kernel`] is the
//! mirror of what the kernel has, [`objects`] what ought to be there. `io/` talks to the kernel.

pub mod arp;
pub(crate) mod io;
pub mod kernel;
pub mod object;
pub mod objects;
pub mod rtnetlink;
