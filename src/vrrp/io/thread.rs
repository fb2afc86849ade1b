//! One thread with its own runtime runs every instance: adverts, timers, address moves, announcements.
//!
//! It reads no file, asks no name server, waits for no script and writes no log itself (lines go to a bounded
//! queue), so an advert leaves on time whatever else the node is busy with.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::model::{Instance, VirtualAddress};
use crate::net::io::Network;
use crate::track::carriers;
use crate::vrrp::instance::Snapshot;

use super::router::Router;

const COMMANDS: usize = 8;

/// What the thread can be told.
#[derive(Debug)]
pub enum Command {
    /// The instances of a reload. Answered when they are in force.
    Configure(Vec<Instance>, oneshot::Sender<()>),
    /// Stop; `release`: say so (priority 0) and give the addresses up. Answered when that is done.
    Stop {
        /// False keeps the addresses (`--dont-release-vrrp`).
        release: bool,
        /// Told at the end.
        done: oneshot::Sender<()>,
    },
}

/// Why the thread did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A configured interface is missing.
    #[error(
        "vrrp_instance {instance}: interface {interface} does not exist; `ip link` shows those that do. Nothing was started"
    )]
    InterfaceMissing {
        /// The instance.
        instance: String,
        /// The interface.
        interface: String,
    },
    /// Sockets or netlink failed.
    #[error("cannot {doing}: {source}{}", hint(.source))]
    System {
        /// What was attempted.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

pub(super) fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; directord needs CAP_NET_ADMIN and CAP_NET_RAW: start it as root or through its systemd unit"
        }
        _ => "",
    }
}

/// An address that an earlier process may have set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// Name of the interface.
    pub interface: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
}

/// Every address that `instances` may set.
pub fn leftovers(instances: &[Instance]) -> BTreeSet<Leftover> {
    let of = |instance: &Instance, address: &VirtualAddress| {
        let IpAddr::V4(ip) = address.address else { return None };
        let interface = address.interface.as_ref().unwrap_or(&instance.interface).to_string();
        Some(Leftover { interface, address: ip, prefix: address.prefix })
    };
    let all = |instance: &Instance| {
        instance.all_addresses().filter_map(|address| of(instance, address)).collect::<Vec<_>>()
    };
    instances.iter().flat_map(all).collect()
}

/// Whether the interfaces of `instances` exist and can be worked with; changes nothing.
pub fn preflight(instances: &[Instance]) -> Result<(), StartError> {
    let system = |source| StartError::System { doing: "open the netlink and packet sockets", source };
    let (network, _monitor) = Network::open().map_err(system)?;
    for config in instances {
        let mut names = carriers(config);
        names.insert(config.interface.clone());
        let missing = names.iter().find(|name| network.kernel.link_by_name(name.as_str()).is_none());
        if let Some(interface) = missing {
            let (instance, interface) = (config.name.clone(), interface.to_string());
            return Err(StartError::InterfaceMissing { instance, interface });
        }
    }
    Ok(())
}

/// The running thread.
#[derive(Debug)]
pub struct Handle {
    /// Commands.
    pub commands: mpsc::Sender<Command>,
    /// The latest view of every instance.
    pub status: watch::Receiver<Vec<Snapshot>>,
    /// The thread itself.
    pub thread: std::thread::JoinHandle<()>,
}

/// Starts the thread; returns when leftovers (`record`: what an earlier process may have set) are removed and every
/// instance has its first state.
pub fn start(instances: Vec<Instance>, record: BTreeSet<Leftover>) -> Result<Handle, StartError> {
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let (status_sender, status) = watch::channel(Vec::new());
    let (started, outcome) = std::sync::mpsc::channel();
    let system = |doing| move |source| StartError::System { doing, source };
    let thread = std::thread::Builder::new()
        .name("vrrp".into())
        .spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(system("start the VRRP runtime")(error)))),
            };
            runtime.block_on(async move {
                match Router::start(instances, &record, status_sender) {
                    Ok((router, monitor, packets)) => {
                        drop(started.send(Ok(())));
                        router.run(monitor, packets, command_receiver).await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        })
        .map_err(system("start the VRRP thread"))?;
    match outcome.recv() {
        Ok(Ok(())) => Ok(Handle { commands, status, thread }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(system("start the VRRP thread")(io::ErrorKind::Other.into())),
    }
}
