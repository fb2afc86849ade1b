//! What goes into a node, and what comes out of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::net::conflict::Conflict;
use crate::net::firewall::Batch;
use crate::net::kernel::{Change, Reading};
use crate::net::object::Operation;
use crate::net::settings::{AllHeld, Setting, Wanted};
use crate::track::Facts;
use crate::vrrp::event::Event;
use crate::vrrp::instance::{self, Back, Left};
use crate::vrrp::packet::{Outgoing, Received};

#[cfg(doc)]
use super::Node;
use super::{Endpoint, Id, Setup, Watched};

/// What can happen to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// A socket heard a packet.
    Heard {
        /// Which one.
        endpoint: Endpoint,
        /// What it heard.
        packet: Received,
    },
    /// Another host says on an interface that it has an address.
    Claimed {
        /// Index of the interface.
        index: u32,
        /// The address, and who says so.
        conflict: Conflict,
    },
    /// A socket hears no more.
    Closed {
        /// Which one.
        endpoint: Endpoint,
        /// The reason.
        why: String,
    },
    /// The kernel told of changes.
    Kernel(Vec<Change>),
    /// Some of what the kernel told was lost.
    Lost,
    /// What [`Action::Read`] asked for. Error: why it could not be read.
    Read(Result<Reading, String>),
    /// What [`Action::Change`] asked for was answered: each operation with its errno, 0 when it was done.
    Changed(Vec<(Operation, i32)>),
    /// What [`Action::Tune`] asked for was done.
    Tuned {
        /// What was changed so far and not set back.
        held: AllHeld,
        /// What could not be written: the errno.
        refused: Vec<(Setting, i32)>,
    },
    /// What [`Action::Filter`] asked for was answered: an errno, 0 when it was done.
    Filtered(Batch, i32),
    /// What [`Action::Open`] asked for is there.
    Opened(Endpoint),
    /// What was asked for could not be done.
    Refused(Refusal),
    /// What runs after a start or reload.
    Configure(Box<Setup>),
    /// What the tracked scripts, files and processes amount to.
    Tracked(Facts),
    /// Another node is to lead.
    HandOver {
        /// Instances, by name; the other members of their sync groups go with them.
        of: Vec<String>,
        /// When they are taken back.
        back: Back,
    },
    /// The instance of this name is to announce its addresses, if it is master.
    Announce(String),
    /// The process is stopped for a restart: [`Action::Left`] is the answer, and the last one unless it is told to stop.
    Leave,
    /// The time that [`Node::next_timer`] named has come.
    Timer,
    /// Say so, give the addresses up, and stop.
    Stop,
}

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Sockets could not be opened.
    Open {
        /// Which ones.
        endpoint: Endpoint,
        /// The reason.
        why: String,
    },
    /// An advert was not sent.
    Transmit {
        /// Whose it was.
        id: Id,
        /// To whom it was to go.
        destination: IpAddr,
        /// The kernel's answer.
        errno: i32,
    },
    /// Announcements were not sent.
    Announce {
        /// Whose they were.
        id: Id,
        /// How many frames.
        count: usize,
        /// The kernel's answer.
        errno: i32,
    },
}

/// What a node wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the sockets of an endpoint; [`Input::Opened`] or [`Refusal::Open`] is the answer.
    Open(Endpoint),
    /// Close them.
    Close(Endpoint),
    /// Send an advert.
    Transmit {
        /// Whose it is.
        id: Id,
        /// Through which sockets.
        endpoint: Endpoint,
        /// The advert.
        packet: Outgoing,
    },
    /// Carry these out in order; [`Input::Changed`] is the answer.
    Change(Vec<Operation>),
    /// Bring the settings of the kernel there; [`Input::Tuned`] is the answer.
    Tune {
        /// What is wanted.
        wanted: Wanted,
        /// What was changed so far.
        held: AllHeld,
    },
    /// Change the packet filter, all of it or nothing, in the order of this and [`Self::Change`]; [`Input::Filtered`] is
    /// the answer.
    Filter(Batch),
    /// Read the kernel's tables; [`Input::Read`] is the answer.
    Read,
    /// Make the receive buffer of an open endpoint that large.
    Buffer {
        /// Which one.
        endpoint: Endpoint,
        /// How large.
        bytes: u32,
    },
    /// Send frames, each out of the interface with this index, all of them in each round.
    Announce {
        /// Whose addresses they announce.
        id: Id,
        /// Index of the interface, and frame.
        frames: Vec<(u32, Vec<u8>)>,
        /// How often.
        rounds: u32,
    },
    /// Listen on these interfaces for what other hosts say of these addresses, and on no other; [`Input::Claimed`] tells of
    /// it.
    Watch(BTreeMap<u32, Watched>),
    /// What the next process may go on with, once what was asked of the kernel before is done. Empty: nothing was done, as
    /// nobody leads, somebody goes or comes, or the others would not wait long enough.
    Left(Vec<Left>),
    /// Tell.
    Report(Report),
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The instance that it is about; `None`: the node as a whole.
    pub instance: Option<String>,
    /// What to tell.
    pub event: Event,
}

/// Why the node wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// An instance: an advert, the end of a master, announcements.
    Instance(instance::Timer),
    /// A socket that could not be opened is tried again.
    Open,
    /// The kernel's tables are read again.
    Read,
    /// What the kernel refused is tried again.
    Refused,
    /// An announcement may leave that keeps its distance to the last one.
    Announce,
    /// The packet filter is looked at, or what it refused is tried again.
    Filter,
    /// A change of an interface has lasted as long as it must to count.
    Carrier,
    /// The delay after the start is over.
    Start,
    /// It may be listened for other addresses.
    Watch,
}
