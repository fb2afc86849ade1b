//! Programs for the kernel's packet filter (`SO_ATTACH_FILTER`): the steps that ours are made of.

use socket2::SockFilter;

pub(crate) const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
pub(crate) const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
pub(crate) const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
/// At an offset from where [`BEHIND_HEADER`] points to.
pub(crate) const LOAD_BYTE_THERE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
pub(crate) const LOAD_HALF_THERE: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
/// The length of the IPv4 header at this offset is kept.
pub(crate) const BEHIND_HEADER: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
pub(crate) const KEEP: u32 = libc::BPF_MISC | libc::BPF_TAX;
pub(crate) const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
pub(crate) const IF_KEPT: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X;
pub(crate) const IF_SET: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
/// Added to an offset: from where the network header begins, wherever the packet does (`SKF_NET_OFF`).
pub(crate) const OF_NETWORK: u32 = 0xfff0_0000;
/// For whom a frame is (`PACKET_*`), a byte, and by which interface it has come, a word.
pub(crate) const FOR_WHOM: u32 = 0xffff_f004;
pub(crate) const INTERFACE: u32 = 0xffff_f008;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// One step; `equal` and `other` say how many are skipped, of a step that compares.
pub(crate) fn step(code: u32, value: u32, equal: u8, other: u8) -> SockFilter {
    SockFilter::new(u16::try_from(code).unwrap_or(0), equal, other, value)
}

/// The packet is received.
pub(crate) fn take() -> SockFilter {
    step(RETURN, u32::MAX, 0, 0)
}

/// The packet is dropped.
pub(crate) fn leave() -> SockFilter {
    step(RETURN, 0, 0, 0)
}
