//! Names of hosts and services as the C library knows them (`nsswitch.conf`, `/etc/hosts`, `/etc/services`): by the
//! calls that programs of old use, so that the answers are theirs.
#![allow(unsafe_code, reason = "the C library's own look-ups; each answer is copied before the next call")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

/// The answers are in memory of the C library, the same for all.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

unsafe extern "C" {
    fn gethostbyname(name: *const c_char) -> *mut libc::hostent;
    fn gethostbyaddr(address: *const c_void, length: libc::socklen_t, kind: c_int) -> *mut libc::hostent;
}

/// The first IPv4 address of a host.
pub(crate) fn address_of(name: &[u8]) -> Option<Ipv4Addr> {
    let name = CString::new(name).ok()?;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the name ends with a zero; the answer is null or an entry that stays until the next call, and nobody
    // calls before the lock is given back.
    let found = unsafe { gethostbyname(name.as_ptr()).as_ref() }?;
    if found.h_addrtype != libc::AF_INET || found.h_length != 4 {
        return None;
    }
    // SAFETY: `h_addr_list` has an address of `h_length` bytes at least, or begins with null.
    let octets = unsafe { found.h_addr_list.as_ref()?.cast::<[u8; 4]>().as_ref()? };
    Some(Ipv4Addr::from(*octets))
}

/// The name of a host.
pub(crate) fn host_of(address: IpAddr) -> Option<Vec<u8>> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let kind = if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let length = libc::socklen_t::try_from(octets.len()).ok()?;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the address has `length` bytes; of the answer the same holds as in `address_of`.
    let found = unsafe { gethostbyaddr(octets.as_ptr().cast(), length, kind).as_ref() }?;
    // SAFETY: the name is null or a string.
    unsafe { text(found.h_name) }
}

/// The port of a service; `protocol`: `tcp`, `udp`, `sctp`.
pub(crate) fn port_of(name: &[u8], protocol: &CStr) -> Option<u16> {
    let name = CString::new(name).ok()?;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: both end with a zero; of the answer the same holds as in `address_of`.
    let found = unsafe { libc::getservbyname(name.as_ptr(), protocol.as_ptr()).as_ref() }?;
    // In network order, in the lower half of a number.
    Some(u16::from_be(found.s_port as u16))
}

/// The name of a service.
pub(crate) fn service_of(port: u16, protocol: &CStr) -> Option<Vec<u8>> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the protocol ends with a zero; of the answer the same holds as in `address_of`.
    let found = unsafe { libc::getservbyport(c_int::from(port.to_be()), protocol.as_ptr()).as_ref() }?;
    // SAFETY: the name is null or a string.
    unsafe { text(found.s_name) }
}

/// # Safety
/// `start` is null or begins a string that ends with a zero.
unsafe fn text(start: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: as above.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) }.to_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_host_are_found_both_ways() {
        assert_eq!(address_of(b"localhost"), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(host_of(Ipv4Addr::LOCALHOST.into()), Some(b"localhost".to_vec()));
        assert_eq!(address_of(b""), None);
        assert_eq!(address_of(b"a\0b"), None);
        assert_eq!(port_of(b"no such service", c"tcp"), None);
        assert_eq!(service_of(1, c"no such protocol"), None);
    }
}
