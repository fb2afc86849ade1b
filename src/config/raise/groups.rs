//! Blocks of the root around the instances: groups of instances and of interfaces, links, static entries.

use super::Word;
use super::address::address;
use super::block::{Block, Written as _, plain};
use super::route::route;
use super::rule::rule;
use super::script::option;
use crate::config::model::{GarpGroup, LinkPoll, Model, Ssl, SyncGroup, TrackGroup};

impl Block {
    pub(super) fn links(&mut self, model: &Model) {
        let beats = model.linkbeat.iter().map(|one| {
            let poll = one.poll.map(|poll| match poll {
                LinkPoll::Ethtool => "ETHTOOL",
                LinkPoll::Ioctl => "IOCTL",
                LinkPoll::Mii => "MII",
            });
            std::iter::once(plain(one.interface.as_str())).chain(poll.map(plain)).collect()
        });
        self.lines("linkbeat_interfaces", beats);
        let delays = model.link_delays.iter().map(|delay| {
            let mut words = vec![plain(delay.interface.as_str()), plain(delay.down.written())];
            if !delay.up.is_zero() || self.shows_defaults() {
                words.push(plain(delay.up.written()));
            }
            words
        });
        let delays: Vec<Vec<Word>> = delays.collect();
        self.lines("interface_up_down_delays", delays);
    }

    pub(super) fn ssl(&mut self, ssl: Option<&Ssl>) {
        let Some(ssl) = ssl else { return };
        self.block(vec![plain("SSL")], |block| {
            if let Some(password) = &ssl.password {
                block.words("password", [Word::Secret(String::from_utf8_lossy(&password.0).into_owned())]);
            }
            block.given("ca", ssl.ca.as_ref());
            block.given("certificate", ssl.certificate.as_ref());
            block.given("key", ssl.key.as_ref());
        });
    }

    pub(super) fn garp_group(&mut self, group: &GarpGroup) {
        self.block(vec![plain("garp_group")], |block| {
            block.given("garp_interval", group.garp_interval);
            block.given("gna_interval", group.gna_interval);
            block.lines("interfaces", group.interfaces.iter().map(|name| vec![plain(name.as_str())]));
        });
    }

    pub(super) fn track_group(&mut self, group: &TrackGroup) {
        self.block(vec![plain("track_group"), plain(&group.name)], |block| {
            block.lines("group", group.members.iter().map(|name| vec![plain(name)]));
        });
    }

    pub(super) fn sync_group(&mut self, group: &SyncGroup, model: &Model) {
        self.block(vec![plain("vrrp_sync_group"), plain(&group.name)], |block| {
            block.lines("group", group.members.iter().map(|name| vec![plain(name)]));
            block.flag("sync_group_tracking_weight", group.tracking_weight);
            block.tracking(&group.tracking, model);
            block.notify(&group.notify);
        });
    }

    pub(super) fn static_entries(&mut self, model: &Model) {
        let shown = self.shows_defaults();
        let addresses = model.static_addresses.iter().map(|entry| {
            let mut words = address(&entry.address, shown);
            words.extend(option("track_group", entry.track_group.as_ref()));
            words
        });
        self.lines("static_ipaddress", addresses);
        self.lines("static_routes", model.static_routes.iter().map(route));
        self.lines("static_rules", model.static_rules.iter().map(rule));
    }
}
