//! What goes into the machine of an instance, and what comes out of it.

use std::net::IpAddr;

use serde::Serialize;

use crate::config::model::Instance;
use crate::net::conflict::Conflict;
use crate::track::Conditions;
use crate::vrrp::event::Event;
use crate::vrrp::packet::{Outgoing, Received};

use super::Back;
#[cfg(doc)]
use super::Machine;

/// What can happen to an instance.
#[derive(Debug, Clone)]
pub enum Input {
    /// What the instance needs of its node, as it is now; the first one starts the machine.
    Conditions(Conditions),
    /// A packet with our VRID.
    Packet(Received),
    /// Another host says that it has an address of ours.
    Claimed(Conflict),
    /// The time that [`Machine::next_timer`] named has come.
    Timer,
    /// Addresses of ours were missing and have been set again.
    AddressesRestored,
    /// A burst of announcements did not get out.
    AnnouncementFailed,
    /// Somebody asks for one.
    Announce,
    /// All members of the sync group would be master: be it.
    Lead,
    /// The sync group follows another master: be it no more.
    Yield,
    /// A master is to give way to another node.
    HandOver(Back),
    /// The configuration of a reload; VRID and interface are the same. With it what it makes of the present conditions:
    /// the old ones say nothing of what is new in it. `None`: it has not been started.
    Reconfigure(Box<Instance>, Option<Conditions>),
    /// A reload removed the instance: give the addresses up and end.
    Remove,
    /// The process is stopped for a restart: a master sends one more advert, from which on the others bear its silence.
    Leave,
    /// Stop. A master hands over first; told a second time, it gives the addresses up at once.
    Stop,
}

/// What an instance wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send it.
    Transmit(Outgoing),
    /// Whether the virtual addresses are to be on this node.
    Hold(bool),
    /// Send this many gratuitous ARP frames for each address.
    Announce {
        /// Frames per address.
        frames: u32,
    },
    /// Send one for this address: another host said that it has it.
    Defend(IpAddr),
    /// Send one on each interface without adverts that holds addresses: `garp_extra_if`.
    AnnounceElsewhere,
    /// It would be master; its sync group decides.
    Ready,
    /// It obeys another master, so nobody of its sync group leads.
    Follows,
    /// Tell.
    Report(Event),
}

/// Why the machine wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// Master: the next advert is due.
    Advert,
    /// Backup: the master is down unless it has been heard.
    MasterDown,
    /// Master: a burst of announcements is due.
    Announce,
    /// Master that hands over: whoever is there would have taken over by now.
    HandOver,
}
