//! What an instance has to tell: the lines of the log, and later the notifications.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::net::object::Mac;
use crate::report::{Again, Level, errno_text};
use crate::track::{Fault, Weighed};

use super::receive::Rejection;

/// State of an instance (RFC 9568 §6.4); `Fault` is keepalived's: it takes no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not started, or stopped.
    Init,
    /// Listens.
    Backup,
    /// Owns the addresses and says so.
    Master,
    /// Cannot take part: see the faults.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Why an instance changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Why {
    /// It starts.
    Start,
    /// The daemon was restarted, in time.
    Resumed,
    /// It owns the addresses: priority 255.
    Owner,
    /// The master's adverts ran out.
    MasterSilent {
        /// The master, when one was ever heard.
        master: Option<IpAddr>,
    },
    /// The master said that it stops (priority 0).
    MasterStopped,
    /// A master of lower priority is replaced.
    Preempted {
        /// The master that is replaced.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Another master has a higher priority, or the same and a higher address.
    Outranked {
        /// The other master.
        by: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// It was told to hand over, and another one leads.
    HandedOver {
        /// The other one.
        to: IpAddr,
    },
    /// Another member of its sync group follows another master.
    GroupFollows,
    /// `timer_expired_backup`: this process did not run, and another one may have taken over.
    Late {
        /// Since the last advert.
        silent: Duration,
    },
    /// Something that the instance needs is missing.
    Faults(Vec<Fault>),
    /// Nothing that the instance needs is missing any more.
    Recovered,
    /// A reload removed the instance.
    NoLongerConfigured,
    /// The daemon stops.
    Stop,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Resumed => f.write_str("the daemon was restarted in time"),
            Self::Owner => f.write_str("priority 255 owns the addresses"),
            Self::MasterSilent { master: Some(master) } => write!(f, "no advert from {master} in time"),
            Self::MasterSilent { master: None } => f.write_str("no advert from any master in time"),
            Self::MasterStopped => f.write_str("the master stopped: priority 0"),
            Self::Preempted { master, priority } => write!(f, "replaces {master}, priority {priority}"),
            Self::Outranked { by, priority } => write!(f, "{by} has priority {priority}"),
            Self::Late { silent } => write!(
                f,
                "this process sent nothing for {:.1} s, another one may have taken over",
                silent.as_secs_f64()
            ),
            Self::HandedOver { to } => write!(f, "handed over to {to}, as it was told to"),
            Self::GroupFollows => f.write_str("its sync group follows another master"),
            Self::Faults(faults) => {
                for (index, fault) in faults.iter().enumerate() {
                    write!(f, "{}{fault}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Recovered => f.write_str("no fault left"),
            Self::NoLongerConfigured => f.write_str("no longer configured"),
            Self::Stop => f.write_str("stop"),
        }
    }
}

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// The state changed.
    Transition {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The cause.
        why: Why,
        /// The priority that counts at that time.
        priority: u8,
    },
    /// The state of a sync group changed.
    Group {
        /// Its name.
        group: String,
        /// Before.
        from: State,
        /// After; `Init`: it ended.
        to: State,
        /// A reload removed it.
        removed: bool,
    },
    /// All members of a sync group led before the restart, and lead on.
    GroupResumed {
        /// Its name.
        group: String,
    },
    /// The priority changed.
    Priority {
        /// Before.
        from: u8,
        /// In this state.
        state: State,
        /// After, and how it came about.
        to: Weighed,
    },
    /// Priority 0 was sent, and the addresses stay until another one leads.
    HandsOver {
        /// For this long at most.
        longest: Duration,
    },
    /// The daemon was restarted, and the instance leads as before.
    Resumed {
        /// Its priority.
        priority: u8,
    },
    /// It led before the restart, and does not go on.
    NotResumed,
    /// No advert of a successor was heard while the instance handed over: it leads again.
    NobodyTookOver,
    /// A master of lower priority was heard while master; at most once in an advert's interval.
    LowerPriority {
        /// The other master.
        source: IpAddr,
        /// Our priority.
        ours: u8,
    },
    /// A packet for this instance was ignored.
    Rejected {
        /// Its sender.
        source: IpAddr,
        /// The first reason against it.
        why: Rejection,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another master of lower rank was heard while master.
    Competitor {
        /// The other master.
        source: IpAddr,
        /// Its priority.
        theirs: u8,
        /// Ours.
        ours: u8,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another host says in ARP or a neighbour advertisement that it has an address of a master: a second master, or a host
    /// that is no router. The address is announced again.
    Claimed {
        /// The address.
        address: IpAddr,
        /// Where neighbours are to send to; `None`: it did not say.
        mac: Option<Mac>,
        /// A master of lower rank whose adverts are heard.
        known: Option<IpAddr>,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// No other master is heard any more.
    OneMaster,
    /// Another master of higher rank is heard at last: there may have been two.
    WasSplit {
        /// The other one, which stays master.
        by: IpAddr,
        /// How many of its adverts did not arrive; `None`: that is not known.
        missed: Option<u16>,
    },
    /// An advert has the address of this node: another node uses it, or a loop returns it.
    OwnAddressHeard {
        /// The address.
        source: IpAddr,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// The addresses of an advert differ from ours; it is obeyed all the same.
    AddressesDiffer {
        /// Its sender.
        source: IpAddr,
        /// Its addresses.
        theirs: Vec<IpAddr>,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Version 3: the master's interval differs from ours; it counts.
    IntervalDiffers {
        /// The master.
        source: IpAddr,
        /// Its interval, 1/100 s.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// Adverts come from another master than before.
    MasterChanged {
        /// The new one.
        to: IpAddr,
        /// Its priority.
        priority: u8,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// There are more addresses than a packet of this interface can name.
    NotAdvertised {
        /// How many it names.
        named: usize,
        /// How many there are.
        all: usize,
        /// Largest packet of the interface, in bytes.
        mtu: u32,
    },
    /// A virtual address is the host's own: it was there before us, and no record says that we set it.
    HostsOwn {
        /// `192.168.100.240/24 on eth0`.
        object: String,
        /// The instance owns it: priority 255.
        owner: bool,
    },
    /// A route or rule is the host's own: what stands there serves as it is.
    HostsPolicy {
        /// `route 2001:db8::/32`.
        object: String,
    },
    /// An interface that is to be ours was there before.
    HostsLink {
        /// `interface vrrp.51`.
        object: String,
    },
    /// A setting of the kernel is not as it must be.
    SettingRefused {
        /// `net/ipv4/conf/eth0/arp_ignore`.
        setting: String,
        /// The kernel's answer.
        errno: i32,
    },
    /// An earlier process that was killed left this; it is removed.
    Leftover {
        /// `192.168.100.240/24 on eth0`.
        object: String,
    },
    /// Announcements did not get out; they are sent once more soon.
    NotAnnounced {
        /// How many frames.
        count: usize,
        /// The kernel's answer.
        errno: i32,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// `log_unknown_vrids`: an advert of a virtual router that no instance here is.
    UnknownRouter {
        /// Its number.
        vrid: u8,
        /// Who sent it.
        source: IpAddr,
        /// `eth0`: where it was heard.
        at: String,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// The kernel did not remove what must not be here.
    NotRemoved {
        /// `192.168.100.240/24 on eth0`.
        object: String,
        /// Its answer.
        errno: i32,
    },
    /// The kernel does not set an object without which nobody is in FAULT.
    NotSet {
        /// `route 10.0.0.0/8 via 192.168.100.254`.
        object: String,
        /// The reason.
        why: String,
    },
    /// An object that the kernel had refused is there.
    Set {
        /// `route 10.0.0.0/8 via 192.168.100.254`.
        object: String,
    },
    /// An advert did not get out.
    NotSent {
        /// To whom it was to go.
        destination: IpAddr,
        /// The kernel's answer.
        errno: i32,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another program removed what a master holds; it is set again.
    Restored {
        /// `192.168.100.240/24 on eth0`.
        object: String,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another program changed what a master holds; it is set again as it is configured.
    Altered {
        /// `route 10.0.0.0/8 via 192.168.100.254`.
        object: String,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another host has an address that a master holds: nobody may send from it here.
    Duplicate {
        /// `2001:db8::240/64 on eth0`.
        object: String,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// The kernel's tables cannot be read.
    Unreadable {
        /// The reason.
        why: String,
    },
    /// `vrrp_startup_delay`, `vrrp_delay_after_boot`: no instance starts yet.
    StartDelayed {
        /// How long.
        delay: Duration,
    },
    /// They start now.
    StartDelayOver,
    /// A unicast peer of version 3 sums its adverts as keepalived up to 1.3.6 did; from now on it is answered alike.
    OldChecksum {
        /// The peer.
        source: IpAddr,
    },
    /// Adverts go out from an address that is not this host's. Members of the group hear them all the same.
    SourceNotHere {
        /// `mcast_src_ip`.
        source: IpAddr,
    },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Transition { to: State::Fault, .. } | Self::Group { to: State::Fault, .. } => Level::Error,
            Self::Transition { .. }
            | Self::Group { .. }
            | Self::Priority { .. }
            | Self::Resumed { .. }
            | Self::NotResumed
            | Self::GroupResumed { .. }
            | Self::HandsOver { .. } => Level::Info,
            Self::MasterChanged { .. } | Self::LowerPriority { .. } => Level::Debug,
            Self::UnknownRouter { .. } | Self::OneMaster => Level::Info,
            Self::Rejected { .. }
            | Self::Claimed { .. }
            | Self::Competitor { .. }
            | Self::WasSplit { .. }
            | Self::OwnAddressHeard { .. }
            | Self::AddressesDiffer { .. }
            | Self::NotAdvertised { .. }
            | Self::SourceNotHere { .. }
            | Self::OldChecksum { .. }
            | Self::IntervalDiffers { .. }
            | Self::NobodyTookOver
            | Self::NotAnnounced { .. }
            | Self::NotSent { .. }
            | Self::Restored { .. }
            | Self::Altered { .. } => Level::Warning,
            Self::HostsOwn { owner: true, .. } | Self::Leftover { .. } | Self::Set { .. } => Level::Info,
            Self::StartDelayed { .. } | Self::StartDelayOver => Level::Info,
            Self::HostsOwn { owner: false, .. }
            | Self::HostsPolicy { .. }
            | Self::HostsLink { .. }
            | Self::SettingRefused { .. } => Level::Warning,
            Self::NotRemoved { .. }
            | Self::NotSet { .. }
            | Self::Duplicate { .. }
            | Self::Unreadable { .. } => Level::Error,
        }
    }

    /// A state was entered.
    pub fn is_transition(&self) -> bool {
        matches!(self, Self::Transition { .. })
    }

    /// Whoever looks at the state sees another one.
    pub fn is_news(&self) -> bool {
        matches!(
            self,
            Self::Transition { .. }
                | Self::HandsOver { .. }
                | Self::NobodyTookOver
                | Self::OneMaster
                | Self::Resumed { .. }
                | Self::NotResumed
                | Self::GroupResumed { .. }
        )
    }

    /// Nobody may miss it.
    pub fn must_arrive(&self) -> bool {
        self.is_news() || matches!(self, Self::Transition { .. } | Self::Group { .. } | Self::Priority { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition { to: State::Init, why, .. } => write!(f, "Stopped ({why})"),
            Self::Transition { from: State::Fault, to: State::Fault, why, .. } => {
                write!(f, "Still in FAULT STATE ({why})")
            }
            Self::Transition { from, to, why, .. } => {
                write!(f, "Entering {to} STATE ({why})")?;
                if *from == State::Init { Ok(()) } else { write!(f, ", was {from}") }
            }
            Self::Group { group, to: State::Init, removed, .. } => {
                let why = if *removed { "no longer configured" } else { "stop" };
                write!(f, "VRRP_Group({group}) Stopped ({why})")
            }
            Self::Group { group, to, .. } => {
                write!(f, "VRRP_Group({group}) Syncing instances to {to} state")
            }
            Self::Priority { from, to, .. } => {
                write!(f, "Changing effective priority from {from} to {} ({to})", to.effective)
            }
            Self::HandsOver { longest } => write!(
                f,
                "Hands over: priority 0 is sent, the addresses stay until another one leads, {:.1} s at most",
                longest.as_secs_f64()
            ),
            Self::Resumed { priority } => {
                write!(f, "Goes on as MASTER, priority {priority} ({})", Why::Resumed)
            }
            Self::NotResumed => f.write_str(
                "Does not go on as MASTER: it could not in time, or not at all; it starts as always",
            ),
            Self::GroupResumed { group } => {
                write!(f, "VRRP_Group({group}) Goes on as MASTER ({})", Why::Resumed)
            }
            Self::NobodyTookOver => f.write_str(
                "Stays MASTER: no other node has taken over; is the peer running, able, and allowed to be master?",
            ),
            Self::LowerPriority { source, ours } => {
                write!(f, "{source} is master, too, with a priority below ours, {ours}")
            }
            Self::Rejected { source, why, suppressed } => {
                write!(f, "Ignored an advert from {source}: {why}")?;
                Again(*suppressed).fmt(f)
            }
            Self::Competitor { source, theirs, ours, suppressed } => {
                write!(
                    f,
                    "Received advert from {source} with lower priority {theirs}, ours {ours}, forcing new \
                     election: two masters; if this goes on, {source} does not hear us: look for a firewall or a switch \
                     that drops protocol 112 on the way there"
                )?;
                Again(*suppressed).fmt(f)
            }
            Self::Claimed { address, mac, known, suppressed } => {
                let host = mac.map_or_else(|| "another host".to_owned(), |mac| mac.to_string());
                match known {
                    Some(source) => {
                        write!(f, "two masters: {host} claims {address}, and {source} sends adverts, too; ")?;
                    }
                    None => write!(
                        f,
                        "{host} claims {address}, and no advert is heard from there: a second master behind a firewall or a \
                         switch that drops protocol 112, or a host that must not have the address (real servers need \
                         arp_ignore 1 and arp_announce 2); "
                    )?,
                }
                write!(f, "it is announced again{}", Again(*suppressed))
            }
            Self::OneMaster => f.write_str("no other master is heard any more"),
            Self::WasSplit { by, missed: Some(missed) } => write!(
                f,
                "there were two masters: {by}, which stays it, has sent {missed} adverts that did not arrive here; look for a \
                 firewall or a switch that drops protocol 112 on the way from there, or for a pause of this host"
            ),
            Self::WasSplit { by, missed: None } => write!(
                f,
                "{by} is heard again, as master: when it led meanwhile, there were two masters; look for what kept its \
                 adverts away"
            ),
            Self::OwnAddressHeard { source, suppressed } => {
                write!(
                    f,
                    "Received an advert from our own address {source}: another node uses it, or the network loops"
                )?;
                Again(*suppressed).fmt(f)
            }
            Self::AddressesDiffer { source, theirs, suppressed } => {
                write!(f, "{source} advertises other addresses than ours:")?;
                for address in theirs {
                    write!(f, " {address}")?;
                }
                f.write_str(
                    "; make `virtual_ipaddress` alike on both nodes, or give one of them another \
                             virtual_router_id",
                )?;
                Again(*suppressed).fmt(f)
            }
            Self::IntervalDiffers { source, theirs, ours } => write!(
                f,
                "{source} advertises every {}.{:02} s, our advert_int is {}.{:02} s; the master's counts",
                theirs / 100,
                theirs % 100,
                ours / 100,
                ours % 100
            ),
            Self::MasterChanged { to, priority, suppressed } => {
                write!(f, "master is {to}, priority {priority}")?;
                Again(*suppressed).fmt(f)
            }
            Self::NotAdvertised { named, all, mtu } => write!(
                f,
                "a packet of {mtu} bytes names {named} addresses, the instance has {all}: the others move with it \
                 and are not advertised, as if they stood in `virtual_ipaddress_excluded`"
            ),
            Self::HostsOwn { object, owner: true } => {
                write!(f, "{object} is this host's own: it stays when the instance is not MASTER")
            }
            Self::HostsOwn { object, owner: false } => write!(
                f,
                "{object} is this host's own: it was there before, and no record says that directord set it. It is \
                 never removed, so two nodes have it while another one is master; remove it by hand, or give the \
                 owner priority 255"
            ),
            Self::HostsPolicy { object } => write!(
                f,
                "{object} is this host's own: it was there before, and no record says that directord set it. It stays as \
                 it is, whoever is master; remove it by hand when it is left over, or give the one in the file another \
                 metric or preference"
            ),
            Self::HostsLink { object } => write!(
                f,
                "{object} was there before, and no record says that directord made it: it is used as it is, and stays"
            ),
            Self::SettingRefused { setting, errno } => write!(
                f,
                "/proc/sys/{setting} cannot be written ({}): `use_vmac` or `promote_secondaries` needs it; without it \
                 neighbours may be told another address than that of the virtual router, or other addresses of a \
                 subnet go with the first one; set it by hand, or let directord write there",
                errno_text(*errno)
            ),
            Self::Leftover { object } => {
                write!(f, "removing {object}: left by a process that was killed")
            }
            Self::NotAnnounced { count, errno, suppressed } => {
                let why = errno_text(*errno);
                write!(f, "{count} announcements were not sent, once more soon: {why}{}", Again(*suppressed))
            }
            Self::UnknownRouter { vrid, source, at, suppressed } => {
                write!(
                    f,
                    "an advert of router id {vrid} from {source} on {at}: no instance here has it{}",
                    Again(*suppressed)
                )
            }
            Self::NotRemoved { object, errno } => {
                let why = errno_text(*errno);
                write!(f, "the kernel does not remove {object}: {why}; tried again")
            }
            Self::NotSet { object, why } => {
                write!(f, "the kernel does not set {object}: {why}; tried again")
            }
            Self::Set { object } => write!(f, "{object} is set"),
            Self::NotSent { destination, errno, suppressed } => {
                let firewall = match *errno {
                    libc::EPERM => {
                        "; a local firewall blocks protocol 112 on its way out: `nft list ruleset` shows it"
                    }
                    _ => "",
                };
                let why = errno_text(*errno);
                write!(f, "an advert to {destination} was not sent: {why}{firewall}{}", Again(*suppressed))
            }
            Self::Restored { object, suppressed } => {
                write!(f, "{object} was removed, not by us: set again{}", Again(*suppressed))
            }
            Self::Altered { object, suppressed } => {
                write!(f, "{object} was changed, not by us: set again{}", Again(*suppressed))
            }
            Self::Duplicate { object, suppressed } => write!(
                f,
                "another host has {object}: it does not answer there until it is set once more. Look who answers for it \
                 with `ndisc6` or `ip neighbour`; a former master that still has it is not heard by this node. Without \
                 `-nodad` the kernel does not ask{}",
                Again(*suppressed)
            ),
            Self::Unreadable { why } => {
                write!(
                    f,
                    "cannot read the links, addresses, routes and rules of the kernel: {why}; tried again"
                )
            }
            Self::StartDelayed { delay } => {
                write!(f, "Delaying startup for {} seconds: no instance starts before", delay.as_secs_f64())
            }
            Self::StartDelayOver => f.write_str("Delayed start completed"),
            Self::OldChecksum { source } => write!(
                f,
                "{source} sums its adverts as keepalived up to 1.3.6 did, and is answered alike; `old_unicast_checksum` \
                 says so from the start, `old_unicast_checksum never` refuses it"
            ),
            Self::SourceNotHere { source } => write!(
                f,
                "mcast_src_ip {source} is no address of this host; adverts go out from it all the same. \
                 `track_src_ip` would put the instance into FAULT until it is"
            ),
        }
    }
}
