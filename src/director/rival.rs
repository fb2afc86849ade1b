//! Another VRRP daemon in this network namespace: it would hold the same addresses, and each would undo the other.
//!
//! Known by its socket of the VRRP protocol in the kernel's table, which names no process; the process is found by its
//! name, or by keepalived's pid files. Needs no privilege.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::unistd::Pid;

use super::files;
use crate::config::model::Instance;

/// IP protocols of adverts: VRRP, and the authentication header around it.
const PROTOCOLS: [u16; 2] = [112, 51];
/// Raw sockets of this network namespace.
const TABLES: [&str; 2] = ["/proc/self/net/raw", "/proc/self/net/raw6"];
/// What the daemons call themselves; longer names begin with them.
const KEEPALIVED: &str = "keepalived";
const DIRECTORD: &str = "directord";
/// Others: FRR's and the daemons before it. Each may serve other addresses than ours.
const OTHERS: [&str; 3] = ["vrrpd", "uvrrpd", "ucarp"];
/// Where keepalived writes its pids.
const PID_FILES: [&str; 4] =
    ["/run/keepalived.pid", "/run/vrrp.pid", "/run/keepalived/keepalived.pid", "/run/keepalived/vrrp.pid"];

/// Another VRRP daemon runs here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{process} runs VRRP in this network namespace: both would hold the same addresses, and each would undo the other. \
     Stop it first{how}; nothing was changed"
)]
pub struct Rival {
    process: String,
    how: &'static str,
}

/// Looks for one. To be called before this process opens its own sockets. `several`: this one is an `instance` of
/// several directord, which share the addresses among them on purpose. `addresses`: those that are wanted; a daemon
/// that is neither keepalived nor directord is in the way when one of them is on this host.
pub(super) fn find(several: bool, addresses: &[IpAddr]) -> Option<Rival> {
    let tables = TABLES.map(|table| fs::read_to_string(table).unwrap_or_default());
    if !tables.iter().any(|table| has_vrrp(table)) {
        return None;
    }
    let here = namespace("self")?;
    let names: &[&str] = if several { &[KEEPALIVED] } else { &[KEEPALIVED, DIRECTORD] };
    let named = pids().filter(|pid| is_named(pid, names));
    let told = PID_FILES.iter().filter_map(|path| pid_in(Path::new(path)));
    // The parent watches over us (`--guard`), and runs no VRRP.
    let own = [Pid::this(), Pid::parent()].map(|pid| pid.to_string());
    let others = pids().filter(|pid| is_named(pid, &OTHERS) && holds_one_of(addresses));
    let found =
        named.chain(told).chain(others).find(|pid| !own.contains(pid) && namespace(pid) == Some(here))?;
    Some(Rival::of(&found))
}

/// Whether one of the addresses is on this host.
fn holds_one_of(addresses: &[IpAddr]) -> bool {
    let own = getifaddrs().into_iter().flatten().filter_map(|entry| entry.address);
    let mut own = own.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or(address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    own.any(|address| addresses.contains(&address))
}

/// The addresses that instances want.
pub(super) fn wanted(instances: &[Instance]) -> Vec<IpAddr> {
    instances.iter().flat_map(|instance| instance.all_addresses().map(|address| address.address)).collect()
}

impl Rival {
    fn of(pid: &str) -> Self {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        let program = program.map_or_else(|_| name.trim().to_owned(), |path| path.display().to_string());
        let how = match program.contains("keepalived") {
            true => " (`systemctl disable --now keepalived`)",
            false => "",
        };
        Self { process: format!("pid {pid} ({program})"), how }
    }
}

/// Whether a table of raw sockets has one of VRRP: the port is the protocol.
fn has_vrrp(table: &str) -> bool {
    let protocol = |line: &str| {
        let local = line.split_whitespace().nth(1)?;
        u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
    };
    table.lines().skip(1).filter_map(protocol).any(|protocol| PROTOCOLS.contains(&protocol))
}

/// What tells the network namespaces of two processes apart: each has files of its own in /proc. Unlike the links in
/// `ns/`, they may be looked at whatever the process is allowed to do.
fn namespace(pid: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/net/dev")).ok().map(|metadata| metadata.ino())
}

fn pids() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// By its name, which a configuration can change, or by its program, which not everybody may see.
fn is_named(pid: &str, names: &[&str]) -> bool {
    let begins = |name: &str| names.iter().any(|known| name.starts_with(known));
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let program =
        program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    begins(&command) || program.is_some_and(|program| begins(&program))
}

/// The process that a pid file names; one that is gone is nobody.
fn pid_in(path: &Path) -> Option<String> {
    let text = files::peek(path)?;
    let pid: u32 = text.trim().parse().ok()?;
    Some(pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_vrrp() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";
        let vrrp =
            " 112: 120000E0:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5\n";
        let ping =
            "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6\n";
        let six = "  112: 00000000000000000000000000000000:0033 00000000000000000000000000000000:0000 07\n";
        assert!(has_vrrp(&format!("{head}{ping}{vrrp}")));
        assert!(has_vrrp(&format!("{head}{six}")));
        assert!(!has_vrrp(&format!("{head}{ping}")));
        assert!(!has_vrrp(head) && !has_vrrp("") && !has_vrrp("x\nx\n:\n"));
    }

    #[test]
    fn processes_of_this_namespace() {
        let here = namespace("self");
        assert!(here.is_some() && here == namespace(&std::process::id().to_string()));
        assert!(pids().any(|pid| pid == std::process::id().to_string()));
    }
}
