//! Links and addresses: what the kernel has, what we want, and the operations between the two.

pub mod address;
pub mod arp;
pub mod io;
pub mod kernel;
