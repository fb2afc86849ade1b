//! Thin safe wrappers around system calls: the only place where `unsafe` may stand.

pub(crate) mod background;
pub(crate) mod beat;
pub(crate) mod civil;
pub(crate) mod confine;
pub(crate) mod filter;
pub(crate) mod folders;
pub(crate) mod host;
pub(crate) mod link_frame;
pub(crate) mod memory;
pub(crate) mod names;
pub mod netlink;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod regex;
pub(crate) mod runtime;
pub(crate) mod schedule;
pub(crate) mod signals;
