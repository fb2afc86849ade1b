//! Thin safe wrappers around system calls: the only place where `unsafe` may stand.

pub mod link_frame;
pub mod netlink;
pub mod poll;
pub mod schedule;
