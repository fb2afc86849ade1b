//! Links, addresses, routes and rules: what the kernel has, what we want, and the operations between the two.
//!
//! [`object`] says what there is and what it is known by (`link`, `route` and `rule` have files of their own), [`rtnetlink`]
//! turns it into bytes and back, [`kernel`] is the mirror of what the kernel has, [`objects`] what ought to be there.
//! [`firewall`] says whose traffic is dropped, [`nftables`] has the bytes of that. [`arp`] and [`ndp`] announce addresses,
//! [`conflict`] reads who else says that he has them. `io/` talks to the kernel.

pub mod arp;
pub mod conflict;
pub mod firewall;
pub(crate) mod io;
pub mod kernel;
pub(crate) mod link;
pub mod ndp;
pub mod nftables;
pub mod object;
pub mod objects;
pub(crate) mod route;
pub mod rtnetlink;
pub(crate) mod rule;
pub mod settings;
