//! One host: its kernel, the daemon's node on it, and the thread that does what may take time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use directord::config::model::Instance;
use directord::net::object::Operation;
use directord::track::Fault;
use directord::vrrp::event::State;
use directord::vrrp::node::{Action, Claim, Endpoint, Input, Node};
use directord::vrrp::packet::Received;

use crate::kernel::Kernel;

#[derive(Debug, Clone)]
pub(crate) enum Job {
    Change(Vec<Operation>),
    Read,
    Open(Endpoint),
}

pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) kernel: Kernel,
    /// `None`: not running.
    pub(crate) node: Option<Node>,
    /// What the daemon is configured with.
    pub(crate) config: Vec<Instance>,
    /// The file that outlives it.
    pub(crate) record: BTreeSet<Claim>,
    /// A paused virtual machine: packets wait, timers are late.
    pub(crate) paused: bool,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) open: BTreeSet<Endpoint>,
    pub(crate) waiting: Vec<(Endpoint, Received)>,
    /// Addresses of the host itself, by interface.
    pub(crate) own: BTreeMap<&'static str, IpAddr>,
    /// A virtual address that the host had before.
    pub(crate) hosts: Option<IpAddr>,
    /// When each instance sent last, by its name.
    pub(crate) sent: BTreeMap<String, Instant>,
}

impl Host {
    pub(crate) fn new(number: usize, config: Vec<Instance>) -> Self {
        let last = 101 + u8::try_from(number).unwrap();
        let own = BTreeMap::from([
            ("eth0", IpAddr::from([192, 168, 100, last])),
            ("eth1", IpAddr::from([10, 0, 0, last])),
        ]);
        let mut kernel = Kernel::default();
        own.iter().for_each(|(name, address)| kernel.plug(name, *address));
        Self {
            number,
            kernel,
            node: None,
            config,
            record: BTreeSet::new(),
            paused: false,
            jobs: VecDeque::new(),
            open: BTreeSet::new(),
            waiting: Vec::new(),
            own,
            hosts: None,
            sent: BTreeMap::new(),
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.node.is_some() && !self.paused
    }

    /// What the daemon has set goes with the power; so does the file in /run.
    pub(crate) fn lose_power(&mut self) {
        self.kill();
        self.record.clear();
        self.kernel = Kernel::default();
        for (name, address) in &self.own {
            self.kernel.plug(name, *address);
        }
        if let Some(address) = self.hosts {
            self.kernel.set("eth0", address, 32);
        }
        self.kernel.notifications();
    }

    /// The process ends without a word; what it set stays.
    pub(crate) fn kill(&mut self) {
        self.node = None;
        self.paused = false;
        self.jobs.clear();
        self.open.clear();
        self.waiting.clear();
        self.sent.clear();
    }

    /// What must hold whenever the daemon is awake and has no answer to wait for.
    pub(crate) fn check(&self, now: Instant) -> Result<(), String> {
        let Some(node) = self.node.as_ref().filter(|_| !self.paused) else { return Ok(()) };
        let quiet = node.is_quiet() && self.jobs.is_empty() && !self.kernel.has_notifications();
        for machine in node.machines() {
            let (config, state) = (machine.config(), machine.state());
            let name = &config.name;
            let takes_part = matches!(state, State::Backup | State::Master);
            if takes_part && machine.next_timer().is_none() {
                return Err(format!("{}: {name} is {state} and waits for nothing", self.number));
            }
            if state != State::Master {
                continue;
            }
            let interval = config.advert_interval.duration();
            if self.sent.get(name).is_none_or(|at| now.duration_since(*at) > interval) {
                return Err(format!(
                    "{}: {name} is MASTER and has been silent for {interval:?}",
                    self.number
                ));
            }
            let missing = config.all_addresses().find(|address| !self.kernel.has(address.address));
            if let (true, Some(missing)) = (quiet, missing) {
                return Err(format!("{}: {name} is MASTER without {}", self.number, missing.address));
            }
        }
        Ok(())
    }

    /// What must hold at rest: no instance that is not MASTER leaves an address here.
    pub(crate) fn check_at_rest(&self) -> Result<(), String> {
        let Some(node) = &self.node else { return Ok(()) };
        let masters = || node.machines().filter(|machine| machine.state() == State::Master);
        let held: BTreeSet<IpAddr> =
            masters().flat_map(|machine| machine.config().all_addresses().map(|one| one.address)).collect();
        for address in crate::scenario::virtual_addresses() {
            let may_be = held.contains(&address)
                || self.hosts == Some(address)
                || self.kernel.keeps.contains(&address);
            if self.kernel.has(address) && !may_be {
                return Err(format!("{}: {address} is here, and no MASTER holds it", self.number));
            }
        }
        // The present facts decide, not the way there.
        let fresh = self.fresh();
        for (old, new) in node.machines().zip(fresh.machines()) {
            // What the kernel refuses is seen by who tries it only.
            let (refused, faults) = split(old.snapshot().faults);
            let (_, expected) = split(new.snapshot().faults);
            let name = &old.config().name;
            if faults != expected {
                return Err(format!(
                    "{}: {name} has the faults {faults:?}, freshly started it has {expected:?}",
                    self.number
                ));
            }
            let refuses = |fault: &&Fault| {
                let text = fault.to_string();
                self.kernel.refuses.iter().any(|address| text.contains(&format!(" {address}/")))
            };
            if let Some(fault) = refused.iter().find(|fault| !refuses(fault)) {
                return Err(format!(
                    "{}: {name} is in FAULT although nothing is refused: {fault}",
                    self.number
                ));
            }
        }
        Ok(())
    }

    /// The same configuration on the same host, just started.
    fn fresh(&self) -> Node {
        let mut node = Node::new(self.record.clone());
        let now = Instant::now();
        let mut inputs = VecDeque::from([Input::Configure(self.config.clone())]);
        let mut kernel = self.kernel.clone();
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            node.handle(now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Read => inputs.push_back(Input::Read(Ok(kernel.read()))),
                    Action::Open(endpoint) => inputs.push_back(open(&kernel, endpoint)),
                    Action::Change(operations) => {
                        let answer = |operation: Operation| {
                            let errno = kernel.carry_out(&operation);
                            (operation, errno)
                        };
                        inputs.push_back(Input::Changed(operations.into_iter().map(answer).collect()));
                    }
                    _ => {}
                }
            }
        }
        node
    }
}

/// Refusals of the kernel, and all other faults.
fn split(faults: Vec<Fault>) -> (Vec<Fault>, Vec<Fault>) {
    faults.into_iter().partition(|fault| matches!(fault, Fault::Refused { .. }))
}

/// The kernel's answer to a socket that is to be opened.
pub(crate) fn open(kernel: &Kernel, endpoint: Endpoint) -> Input {
    use directord::vrrp::node::Refusal;
    if kernel.no_sockets || !kernel.has_link(endpoint.index) {
        Input::Refused(Refusal::Open { endpoint, why: "no".into() })
    } else {
        Input::Opened(endpoint)
    }
}
