//! What the machine of an instance shows of itself.

use std::net::IpAddr;
use std::time::Instant;

use serde::Serialize;

use crate::track::{Contribution, Fault};
use crate::vrrp::event::{State, Why};

use super::{Machine, Rival, Times};

/// Counters since the start, under keepalived's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Stats {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub invalid_authtype: u64,
    pub authtype_mismatch: u64,
    pub auth_failure: u64,
    pub vers_err: u64,
    pub chk_err: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
    /// Of unicast senders that are no peers, with `check_unicast_src`.
    pub unknown_source: u64,
    /// Times that another master was there beside this one.
    pub two_masters: u64,
    /// Claims of our addresses by other hosts that were heard while master; those of one moment count once.
    pub claims: u64,
}

/// A view for status, metrics and tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Name of the instance.
    pub name: String,
    /// Present state.
    pub state: State,
    /// Since when; `None`: it has had no other.
    #[serde(skip)]
    pub since: Option<Instant>,
    /// Why it is what it is.
    pub why: Option<Why>,
    /// Priority that goes into the adverts.
    pub priority: u8,
    /// What moves it away from the configured one.
    pub contributions: Vec<Contribution>,
    /// What holds the instance in FAULT.
    pub faults: Vec<Fault>,
    /// Objects that it holds and that are not there, and what is known of that. The node fills it in.
    pub missing: Vec<String>,
    /// Priority 0 was sent, and the addresses stay until another one leads.
    pub hands_over: bool,
    /// The master last heard.
    pub master: Option<IpAddr>,
    /// While master: another one that is there, too.
    pub rival: Option<Rival>,
    /// It led before a restart of the daemon, and is about to lead again.
    pub resumes: bool,
    /// It was told to hand over, and obeys a master of lower priority.
    pub holds_back: bool,
    /// The address that adverts are sent from; `None`: there is none.
    pub source: Option<IpAddr>,
    /// The times that it goes by.
    #[serde(skip)]
    pub times: Times,
    /// The counters.
    pub stats: Stats,
}

impl Machine {
    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.config.name.clone(),
            state: self.state,
            since: self.since,
            why: self.why.clone(),
            priority: self.priority(),
            contributions: self.contributions.clone(),
            faults: self.faults.iter().cloned().collect(),
            missing: Vec::new(),
            hands_over: self.hands_over.is_some(),
            master: self.master.map(|heard| heard.address),
            rival: self.rival(),
            resumes: self.resumes.is_some(),
            holds_back: self.holds_back.is_some(),
            source: self.source,
            times: self.times(),
            stats: self.stats.clone(),
        }
    }
}
