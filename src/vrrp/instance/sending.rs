//! What goes out: adverts, and the sequence numbers of `auth_type AH`.

use std::net::IpAddr;

use crate::config::model::{Authentication, Destination, Family, Instance, OldChecksum, Version};
use crate::vrrp::event::{Event, State};
use crate::vrrp::packet::{Advert, Header, Outgoing, Sum};
use crate::vrrp::receive::{self, Rejection};

use super::{Action, Machine};

impl Machine {
    pub(super) fn send_advert(&mut self, priority: u8, out: &mut Vec<Action>) {
        let Some(source) = self.source else { return };
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.stats.advert_sent += 1;
        self.stats.pri_zero_sent += u64::from(priority == 0);
        let advert = Advert {
            header: header(&self.config),
            vrid: self.config.vrid.number(),
            priority,
            addresses: self.advertised(),
        };
        let id = self.packet_id;
        let ah = match &self.config.authentication {
            Authentication::Ah(password) => {
                self.sequence = self.sequence.checked_add(1).unwrap_or(1);
                self.sequence_of = None;
                Some((*password, self.sequence))
            }
            _ => None,
        };
        let mut send = |destination, hops| {
            let payload = advert.encode_summed(source, self.sum(source, destination));
            out.push(Action::Transmit(Outgoing { source, destination, hops, id, ah, payload }));
        };
        match &self.config.transport.to {
            Destination::Multicast(group) => send(*group, u8::MAX),
            Destination::Unicast(unicast) => {
                unicast.peers.iter().for_each(|peer| send(peer.address, unicast.ttl));
            }
        }
    }

    /// What the checksum of an advert covers. Once a peer was heard that sums as keepalived up to 1.3.6 did, it is
    /// answered alike: it understands nothing else.
    fn sum(&self, source: IpAddr, destination: IpAddr) -> Sum {
        let config = &self.config;
        match config.unicast() {
            _ if config.version != Version::V3 || config.family != Family::Ipv4 => {}
            _ if config.v3_checksum_as_v2 == Some(true) => return Sum::Payload,
            Some(unicast) if unicast.old_checksum == Some(OldChecksum::Always) || self.old_checksum => {
                return Sum::WithAddresses(source, unicast.group);
            }
            _ => {}
        }
        Sum::of(config.version, source, destination)
    }

    /// A peer sums its adverts in the old way, and nothing is said of that in the configuration.
    pub(super) fn meet_old_checksum(&mut self, source: IpAddr, out: &mut Vec<Action>) {
        let unsaid = self.config.unicast().is_some_and(|unicast| unicast.old_checksum.is_none());
        if unsaid && !std::mem::replace(&mut self.old_checksum, true) {
            out.push(Action::Report(Event::OldChecksum { source }));
        }
    }

    /// The addresses that adverts name: as many as fit.
    pub(super) fn advertised(&self) -> Vec<IpAddr> {
        self.config.addresses.iter().map(|address| address.address).take(self.most_addresses).collect()
    }

    /// `auth_type AH`: an advert that was sent before counts for nothing. Two masters that do not hear each other count
    /// alike: a number that is as high as ours is new, unless it comes from whom we have it from. A master of lower rank
    /// is to hear us, whatever it has counted up to: we go on above its number.
    pub(super) fn take_sequence(
        &mut self,
        source: IpAddr,
        theirs: Option<u32>,
        priority: u8,
    ) -> Result<(), Rejection> {
        let Some(theirs) = theirs else { return Ok(()) };
        let last = self.sequence;
        if theirs < last || (theirs == last && self.sequence_of == Some(source)) {
            return Err(Rejection::Replayed { theirs, last });
        }
        (self.sequence, self.sequence_of) = (theirs, Some(source));
        if self.state == State::Master && priority < self.priority() {
            (self.sequence, self.sequence_of) = (theirs.saturating_add(1), None);
        }
        Ok(())
    }
}

pub(super) fn header(config: &Instance) -> Header {
    let interval = config.advert_interval.centiseconds();
    match config.version {
        Version::V2 => {
            let auth_type = receive::auth_type(&config.authentication);
            let auth_data = match &config.authentication {
                Authentication::Pass(password) => *password,
                Authentication::None | Authentication::Ah(_) | Authentication::Hmac(_) => [0; 8],
            };
            let interval = u8::try_from(interval / 100).unwrap_or(u8::MAX);
            Header::V2 { auth_type, interval, auth_data }
        }
        Version::V3 => Header::V3 { interval },
    }
}
