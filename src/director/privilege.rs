//! What the process may do, looked at before anything is done.

use std::fs;

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// A capability that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} {}: start directord as root, or through its systemd unit, which grants it",
    .0.join(" and "),
    if .0.len() == 1 { "is missing" } else { "are missing" }
)]
pub struct Missing(Vec<&'static str>);

/// Whether addresses and IPVS can be changed, and (`vrrp`) raw sockets opened.
pub(crate) fn check(vrrp: bool) -> Result<(), Missing> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match effective(&status) {
        Some(effective) => judge(effective, vrrp),
        // Without /proc nothing is known; the kernel will say no where it must.
        None => Ok(()),
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn judge(effective: u64, vrrp: bool) -> Result<(), Missing> {
    let has = |capability: u32| effective & (1 << capability) != 0;
    let mut missing = Vec::new();
    if !has(CAP_NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    if vrrp && !has(CAP_NET_RAW) {
        missing.push("CAP_NET_RAW");
    }
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000003000\n"), Some(0x3000));
        assert_eq!(judge(0x3000, true), Ok(()));
        assert_eq!(judge(0x1000, false), Ok(()));
        let error = judge(0x1000, true).unwrap_err().to_string();
        assert!(error.starts_with("CAP_NET_RAW is missing"), "{error}");
        let error = judge(0, true).unwrap_err().to_string();
        assert!(error.starts_with("CAP_NET_ADMIN and CAP_NET_RAW are missing"), "{error}");
    }
}
