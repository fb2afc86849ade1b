//! The instances of the VRRP thread and what they act through: sockets, addresses, announcements.
//!
//! In: packets, timers, changes of the kernel, commands. The machines decide; this carries their actions out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::sockets::{Endpoint, Receiver, Sender};
use crate::config::model::{Instance, InterfaceName, Priority, Vrid};
use crate::net::address::{self, Desired};
use crate::net::io::Network;
use crate::net::kernel::{Assigned, Operation};
use crate::sys::netlink::Monitor;
use crate::sys::{poll, schedule};
use crate::track::{Carrier, Conditions, Link, carriers};
use crate::vrrp::event::{Event, Loudness, State};
use crate::vrrp::instance::{Action, Input, Machine, Snapshot};
use crate::vrrp::only_v4;
use crate::vrrp::packet::Ipv4Packet;
use crate::vrrp::repeats::Repeats;

use super::thread::{Command, Leftover, StartError, hint};

/// Packets that wait for the machines at most; more are dropped by the kernel's socket buffer.
const PACKETS: usize = 64;
/// A timer that is served later than this after its time: the process was paused, or starved.
const LATE: Duration = Duration::from_millis(50);
/// Packets that are looked at after a pause before the timers are.
const CATCH_UP: usize = 512;
/// Sockets that could not be opened are tried again this often.
const RETRY: Duration = Duration::from_secs(1);
/// Enough to run before everything that is not a realtime task.
const REALTIME_PRIORITY: i32 = 1;
/// In a row; a socket that fails for good must not spin.
const RECEIVE_FAILURES: u32 = 16;
const MONITOR_BUFFER: usize = 64 * 1024;

/// What makes an instance of a reload the same as a running one: not its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    interface: InterfaceName,
    vrid: Vrid,
    unicast: bool,
    local: Option<Ipv4Addr>,
}

impl Key {
    fn of(instance: &Instance) -> Self {
        let unicast = instance.unicast().is_some();
        let local = if unicast { instance.transport.source } else { instance.group() };
        Self {
            interface: instance.interface.clone(),
            vrid: instance.vrid,
            unicast,
            local: local.and_then(only_v4),
        }
    }
}

struct Running {
    machine: Machine,
    held: bool,
    /// What the machine was told last; `None`: nothing yet.
    told: Option<Conditions>,
    endpoint: Option<Endpoint>,
}

/// A packet and the endpoint that heard it; an empty one says that the endpoint hears no more.
pub(super) type Packet = (Endpoint, Vec<u8>);

pub(super) struct Router {
    network: Network,
    instances: BTreeMap<Key, Running>,
    senders: BTreeMap<u32, Sender>,
    receivers: BTreeMap<Endpoint, JoinHandle<()>>,
    packets: mpsc::Sender<Packet>,
    /// Addresses that we set or adopted: when one is missing, somebody else removed it.
    set: BTreeSet<address::Key>,
    send_errors: Repeats<(Key, i32)>,
    restored: Repeats<address::Key>,
    /// When sockets that could not be opened are tried again.
    retry: Option<Instant>,
    status: watch::Sender<Vec<Snapshot>>,
}

impl Router {
    pub(super) fn start(
        configs: Vec<Instance>,
        record: &BTreeSet<Leftover>,
        status: watch::Sender<Vec<Snapshot>>,
    ) -> Result<(Self, Monitor, mpsc::Receiver<Packet>), StartError> {
        if let Err(error) = schedule::realtime(REALTIME_PRIORITY) {
            tracing::debug!("VRRP runs without realtime priority: {error}");
        }
        let system = |source| StartError::System { doing: "open the netlink and packet sockets", source };
        let (network, monitor) = Network::open().map_err(system)?;
        let (packets, packet_receiver) = mpsc::channel(PACKETS);
        let mut router = Self {
            network,
            instances: BTreeMap::new(),
            senders: BTreeMap::new(),
            receivers: BTreeMap::new(),
            packets,
            set: BTreeSet::new(),
            send_errors: Repeats::new(),
            restored: Repeats::new(),
            retry: None,
            status,
        };
        for config in &configs {
            router.open_sender(config).map_err(|source| StartError::System {
                doing: "open the raw socket of VRRP (protocol 112)",
                source,
            })?;
        }
        router.remove_leftovers(&configs, record);
        for config in configs {
            router.insert(config);
        }
        router.follow();
        router.publish();
        Ok((router, monitor, packet_receiver))
    }

    /// What a killed process left goes before the first advert; the owner's addresses it will hold anyway.
    fn remove_leftovers(&mut self, configs: &[Instance], record: &BTreeSet<Leftover>) {
        let desired = |config: &Instance| {
            address::desired(config, config.priority == Priority::OWNER, &self.network.kernel)
        };
        let desired: Vec<Desired> = configs.iter().flat_map(desired).collect();
        let kernel = &self.network.kernel;
        let key = |left: &Leftover| {
            let (index, _) = kernel.link_by_name(&left.interface)?;
            Some((index, left.address, left.prefix))
        };
        let mut operations = address::diff(&desired, &record.iter().filter_map(key).collect(), kernel);
        operations.retain(|operation| matches!(operation, Operation::Remove(_)));
        for operation in &operations {
            tracing::info!("{operation}: left by a process that was killed");
        }
        self.change(operations);
    }

    pub(super) async fn run(
        mut self,
        monitor: Monitor,
        mut packets: mpsc::Receiver<Packet>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let monitor = match poll::register(monitor) {
            Ok(monitor) => monitor,
            Err(error) => return tracing::error!("cannot watch the network configuration: {error}"),
        };
        let mut buffer = vec![0; MONITOR_BUFFER];
        loop {
            let timers = self.instances.values().filter_map(|running| running.machine.next_timer());
            let wake = timers.map(|(at, _)| at).chain(self.retry).min();
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = timer => {
                    if wake.is_some_and(|at| at + LATE < Instant::now()) {
                        self.catch_up(&mut packets).await;
                    }
                    self.timers();
                }
                Some(packet) = packets.recv() => self.packet(packet),
                command = commands.recv() => match command {
                    Some(Command::Configure(configs, done)) => {
                        self.configure(configs);
                        let _ = done.send(());
                    }
                    Some(Command::Stop { release, done }) => {
                        if release {
                            self.release();
                        }
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                Ok(mut ready) = monitor.readable() => {
                    ready.clear_ready();
                    self.hear(monitor.get_ref(), &mut buffer);
                }
            }
            self.publish();
        }
    }

    /// After a pause, what was heard meanwhile comes first: a backup must not take over from a master whose
    /// adverts wait in its socket.
    async fn catch_up(&mut self, packets: &mut mpsc::Receiver<Packet>) {
        // Sleeping lets the runtime look at the sockets, which it has not since the pause.
        tokio::time::sleep(Duration::from_millis(1)).await;
        // Bounded: a flood must not keep the timers waiting.
        for _packet in 0..CATCH_UP {
            match tokio::time::timeout(Duration::from_millis(1), packets.recv()).await {
                Ok(Some(packet)) => self.packet(packet),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn timers(&mut self) {
        let now = Instant::now();
        if self.retry.take_if(|at| *at <= now).is_some() {
            self.follow();
        }
        let due = |running: &Running| running.machine.next_timer().is_some_and(|(at, _)| at <= now);
        let keys: Vec<Key> =
            self.instances.iter().filter(|(_, running)| due(running)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.feed(&key, Input::Timer);
        }
    }

    fn packet(&mut self, (endpoint, bytes): Packet) {
        if bytes.is_empty() {
            // Its receiver has given up.
            self.receivers.remove(&endpoint);
            return self.follow();
        }
        let Ok(ip) = Ipv4Packet::decode(&bytes) else { return };
        let Some(&vrid) = ip.payload.get(1) else { return };
        let concerns = |running: &Running| {
            running.endpoint.as_ref() == Some(&endpoint) && running.machine.config().vrid.number() == vrid
        };
        // Unicast instances of one address and VRID are told apart by their peers.
        let peer = |running: &Running| {
            running.machine.config().peers().iter().any(|peer| peer.address == IpAddr::V4(ip.source))
        };
        let candidates = || self.instances.iter().filter(|(_, running)| concerns(running));
        let chosen = candidates().find(|(_, running)| peer(running)).or_else(|| candidates().next());
        if let Some(key) = chosen.map(|(key, _)| key.clone()) {
            self.feed(&key, Input::Packet(bytes));
        }
    }

    fn feed(&mut self, key: &Key, input: Input) {
        let mut actions = Vec::new();
        if let Some(running) = self.instances.get_mut(key) {
            running.machine.handle(Instant::now(), input, &mut actions);
        }
        for action in actions {
            self.act(key, action);
        }
    }

    fn act(&mut self, key: &Key, action: Action) {
        let Some(running) = self.instances.get_mut(key) else { return };
        match action {
            Action::Transmit { destination, packet } => {
                let index = running.endpoint.as_ref().map(|endpoint| endpoint.index);
                let sent = match index.and_then(|index| self.senders.get(&index)) {
                    Some(sender) => sender.send(destination, &packet),
                    None => return,
                };
                if let Err(error) = sent {
                    self.send_failed(key, destination, &error);
                }
            }
            Action::Hold(held) => {
                running.held = held;
                self.reconcile();
            }
            Action::Announce { frames } => {
                if let Err((count, error)) = self.network.announce(running.machine.config(), frames) {
                    self.announce_failed(key, count, &error);
                }
            }
            Action::Report(event) => report(&running.machine.config().name, &event),
        }
    }

    fn send_failed(&mut self, key: &Key, destination: Ipv4Addr, error: &io::Error) {
        let code = error.raw_os_error().unwrap_or(0);
        if matches!(code, libc::ENETDOWN | libc::ENETUNREACH | libc::ENODEV | libc::ENXIO) {
            // The link's fault says so already.
            return;
        }
        if let Some(suppressed) = self.send_errors.allow(Instant::now(), (key.clone(), code)) {
            let why = match code {
                libc::EPERM => {
                    "; a local firewall blocks protocol 112 on its way out: `nft list ruleset` shows it"
                }
                _ => "",
            };
            let name = self.instances.get(key).map_or("", |running| running.machine.config().name.as_str());
            let again = match suppressed {
                0 => String::new(),
                more => format!(" ({more} more since the last such line)"),
            };
            tracing::warn!("({name}) an advert to {destination} was not sent: {error}{why}{again}");
        }
    }

    fn announce_failed(&mut self, key: &Key, count: usize, error: &io::Error) {
        let code = error.raw_os_error().unwrap_or(0);
        if self.send_errors.allow(Instant::now(), (key.clone(), code)).is_some() {
            let name = self.instances.get(key).map_or("", |running| running.machine.config().name.as_str());
            tracing::warn!("({name}) {count} announcements were not sent, once more soon: {error}");
        }
        self.feed(key, Input::AnnouncementFailed);
    }

    // ---- addresses ----

    fn desired(&self) -> Vec<Desired> {
        let of = |running: &Running| {
            address::desired(running.machine.config(), running.held, &self.network.kernel)
        };
        self.instances.values().flat_map(of).collect()
    }

    fn reconcile(&mut self) {
        let desired = self.desired();
        let operations = address::diff(&desired, &self.set, &self.network.kernel);
        for operation in &operations {
            tracing::debug!("{operation}");
        }
        self.change(operations);
        self.set = desired
            .iter()
            .filter(|desired| desired.held)
            .map(|desired| address::key(&desired.assigned))
            .collect();
    }

    fn change(&mut self, operations: Vec<Operation>) {
        for (operation, error) in self.network.change(operations) {
            let (Operation::Add(assigned) | Operation::Remove(assigned)) = &operation;
            let interface = self.network.kernel.link(assigned.index).map_or("?", |link| link.name.as_str());
            tracing::error!("{operation} on {interface}: {error}{}", hint(&error));
        }
    }

    fn hear(&mut self, monitor: &Monitor, buffer: &mut [u8]) {
        let mut changes = Vec::new();
        if let Err(error) = self.network.hear(monitor, buffer, &mut changes) {
            if error.raw_os_error() != Some(libc::ENOBUFS) {
                tracing::error!("cannot read network changes: {error}");
            }
            if let Err(error) = self.network.resync() {
                tracing::error!("cannot read the addresses and links: {error}");
            }
        } else if changes.is_empty() {
            return;
        }
        self.follow();
        self.restore();
    }

    /// Sets addresses again that a master ought to have and has not: another program removed them, the kernel
    /// removed them together with the first address of their subnet, or their interface is a new one.
    fn restore(&mut self) {
        let operations = address::diff(&self.desired(), &self.set, &self.network.kernel);
        let missing: Vec<Assigned> = operations
            .into_iter()
            .filter_map(
                |operation| if let Operation::Add(assigned) = operation { Some(assigned) } else { None },
            )
            .collect();
        if missing.is_empty() {
            return;
        }
        self.reconcile();
        for assigned in &missing {
            let Some(suppressed) = self.restored.allow(Instant::now(), address::key(assigned)) else {
                continue;
            };
            let interface = self.network.kernel.link(assigned.index).map_or("?", |link| link.name.as_str());
            let (address, prefix) = (assigned.address, assigned.prefix);
            let again = match suppressed {
                0 => String::new(),
                more => format!(" ({more} more times since the last such line)"),
            };
            tracing::warn!("{address}/{prefix} was removed from {interface}, not by us: set again{again}");
        }
        let concerned = |running: &Running| {
            let config = running.machine.config();
            running.held
                && config
                    .all_addresses()
                    .any(|own| missing.iter().any(|gone| own.address == IpAddr::V4(gone.address)))
        };
        let keys: Vec<Key> = self
            .instances
            .iter()
            .filter(|(_, running)| concerned(running))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.feed(&key, Input::AddressesRestored);
        }
    }

    // ---- links ----

    /// Tells each instance the present conditions, when they differ from what it was told.
    fn follow(&mut self) {
        let virtual_addresses: BTreeSet<Ipv4Addr> = self
            .instances
            .values()
            .flat_map(|running| running.machine.config().all_addresses())
            .filter_map(|address| only_v4(address.address))
            .collect();
        let keys: Vec<Key> = self.instances.keys().cloned().collect();
        for key in keys {
            let Some(running) = self.instances.get(&key) else { continue };
            let config = running.machine.config();
            let kernel = &self.network.kernel;
            let found = kernel.link_by_name(config.interface.as_str());
            let index = found.map(|(index, _)| index);
            let link = found.map(|(index, state)| Link {
                up: state.up,
                source: address::source(
                    config.transport.source.and_then(only_v4),
                    index,
                    kernel,
                    &virtual_addresses,
                ),
            });
            let carrier = |name: &InterfaceName| match kernel.link_by_name(name.as_str()) {
                None => Carrier::Missing,
                Some((_, state)) if !state.up => Carrier::Down,
                Some(_) => Carrier::Up,
            };
            let carriers = carriers(config).into_iter().map(|name| (name.clone(), carrier(&name))).collect();
            let source = link.and_then(|link| link.source);
            let endpoint = index.zip(source).map(|(index, source)| Endpoint::of(config, index, source));
            let deaf = endpoint.clone().and_then(|endpoint| self.attach(&key, endpoint));
            let conditions = Conditions { link, carriers, deaf };
            let Some(running) = self.instances.get_mut(&key) else { continue };
            if running.told.as_ref() != Some(&conditions)
                || (endpoint.is_some() && running.endpoint != endpoint)
            {
                let farewell = endpoint.is_none();
                if !farewell {
                    running.endpoint.clone_from(&endpoint);
                }
                running.told = Some(conditions.clone());
                // A master that loses its last address still says so through the sockets it has.
                self.feed(&key, Input::Conditions(conditions));
                if let (true, Some(running)) = (farewell, self.instances.get_mut(&key)) {
                    running.endpoint = None;
                }
            }
        }
        let used: BTreeSet<Endpoint> =
            self.instances.values().filter_map(|running| running.endpoint.clone()).collect();
        self.receivers.retain(|endpoint, task| {
            used.contains(endpoint) || {
                task.abort();
                false
            }
        });
        self.senders.retain(|index, _| used.iter().any(|endpoint| endpoint.index == *index));
    }

    /// Opens what an instance needs on the interface that its name means now; why that failed, when it did.
    fn attach(&mut self, key: &Key, endpoint: Endpoint) -> Option<String> {
        let running = self.instances.get(key)?;
        let config = running.machine.config().clone();
        let opened = self.open_sender(&config).and_then(|()| self.open_receiver(&config, endpoint));
        let error = opened.err()?;
        self.retry = Some(Instant::now() + RETRY);
        Some(format!("sockets on {}: {error}", config.interface))
    }

    fn open_sender(&mut self, config: &Instance) -> io::Result<()> {
        if let Some((index, _)) = self.network.kernel.link_by_name(config.interface.as_str())
            && !self.senders.contains_key(&index)
        {
            self.senders.insert(index, Sender::open(&config.interface)?);
        }
        Ok(())
    }

    fn open_receiver(&mut self, config: &Instance, endpoint: Endpoint) -> io::Result<()> {
        if self.receivers.contains_key(&endpoint) {
            return Ok(());
        }
        let receiver = Receiver::open(&config.interface, &endpoint)?;
        let packets = self.packets.clone();
        let heard_by = endpoint.clone();
        let task = tokio::spawn(async move {
            let mut failures = 0;
            while failures < RECEIVE_FAILURES {
                match receiver.receive().await {
                    Ok(bytes) => {
                        failures = 0;
                        if packets.send((heard_by.clone(), bytes)).await.is_err() {
                            return;
                        }
                    }
                    // A link that goes down reports itself here once.
                    Err(error) => {
                        failures += 1;
                        tracing::debug!("receiving VRRP for {}: {error}", heard_by.local);
                    }
                }
            }
            tracing::error!(
                "receiving VRRP for {} fails again and again: not heard any more",
                heard_by.local
            );
        });
        self.receivers.insert(endpoint, task);
        Ok(())
    }

    // ---- configuration ----

    fn insert(&mut self, config: Instance) {
        let running =
            Running { machine: Machine::new(config.clone()), held: false, told: None, endpoint: None };
        self.instances.insert(Key::of(&config), running);
    }

    /// An instance that is equal in both configurations is not touched.
    fn configure(&mut self, configs: Vec<Instance>) {
        let keys: BTreeSet<Key> = configs.iter().map(Key::of).collect();
        let gone: Vec<Key> = self.instances.keys().filter(|key| !keys.contains(key)).cloned().collect();
        for key in gone {
            self.feed(&key, Input::Stop);
            self.instances.remove(&key);
        }
        for config in configs {
            let key = Key::of(&config);
            match self.instances.get(&key) {
                None => self.insert(config),
                Some(running) if *running.machine.config() == config => {}
                Some(_) => {
                    self.feed(&key, Input::Reconfigure(Box::new(config)));
                }
            }
        }
        self.follow();
    }

    fn release(&mut self) {
        let keys: Vec<Key> = self.instances.keys().cloned().collect();
        for key in keys {
            self.feed(&key, Input::Stop);
        }
    }

    fn publish(&self) {
        let view = || self.instances.values().map(|running| running.machine.snapshot()).collect();
        self.status.send_if_modified(|status: &mut Vec<Snapshot>| {
            let changed = status.len() != self.instances.len()
                || status.iter().zip(self.instances.values()).any(|(old, running)| {
                    old.state != running.machine.state() || old.name != running.machine.config().name
                });
            if changed {
                *status = view();
            }
            changed
        });
    }
}

fn report(name: &str, event: &Event) {
    match event.loudness() {
        Loudness::Debug => tracing::debug!("({name}) {event}"),
        Loudness::Info => tracing::info!("({name}) {event}"),
        Loudness::Warning if matches!(event, Event::Transition { to: State::Fault, .. }) => {
            tracing::error!("({name}) {event}");
        }
        Loudness::Warning => tracing::warn!("({name}) {event}"),
    }
}
