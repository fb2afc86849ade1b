//! `vrrp_instance`: one virtual router.

use std::time::Duration;

use super::Word;
use super::address::address;
use super::block::{Block, plain};
use super::route::route;
use super::rule::rule;
use super::script::option;
use crate::config::model::{
    AdvertInterval, Authentication, Destination, Family, Garp, Globals, InitialState, Instance, Model,
    OldChecksum, Peer, Preempt, Priority, Unicast, Version, VirtualAddress,
};

impl Block {
    pub(super) fn instance(&mut self, instance: &Instance, model: &Model) {
        let globals = &model.globals;
        self.block(vec![plain("vrrp_instance"), plain(&instance.name)], |block| {
            let default = block.state(instance);
            block.given("interface", instance.interface.as_ref());
            block.set("virtual_router_id", instance.vrid.number());
            block.unless("priority", instance.priority.number(), default.number());
            let version = |version| if version == Version::V2 { 2u8 } else { 3 };
            let default = if instance.family == Family::Ipv6 { Version::V3 } else { Version::V2 };
            block.unless("version", version(instance.version), version(default));
            let interval = |interval: AdvertInterval| interval.duration();
            block.unless("advert_int", interval(instance.advert_interval), interval(AdvertInterval::DEFAULT));
            block.unless("down_timer_adverts", instance.down_timer_adverts, Instance::DOWN_TIMER_ADVERTS);
            block.preempt(instance);
            block.authentication(&instance.authentication);
            block.transport(instance, globals);
            block.flag("dont_track_primary", instance.dont_track_primary);
            block.addresses("virtual_ipaddress", &instance.addresses);
            block.flag("no_virtual_ipaddress", instance.no_addresses);
            block.addresses("virtual_ipaddress_excluded", &instance.excluded_addresses);
            block.garp(&instance.garp);
            // keepalived turns it on whatever is written.
            block.on_or_nothing("skip_check_adv_addr", instance.skip_check_adv_addr);
            block.unless("lower_prio_no_advert", instance.lower_prio_no_advert, false);
            block.given("higher_prio_send_advert", instance.higher_prio_send_advert);
            block.own_device(instance.device.as_ref());
            block.flag("use_vmac_addr", instance.vmac_addresses);
            block.flag("vmac_xmit_base", instance.transmit_on_base);
            block.given("vrf", instance.vrf.as_ref());
            if let Some(unicast) = instance.unicast() {
                block.unicast(unicast);
            }
            block.given("v3_checksum_as_v2", instance.v3_checksum_as_v2);
            block.flag("track_src_ip", instance.transport.track_source);
            block.flag("promote_secondaries", instance.promote_secondaries);
            block.flag("linkbeat_use_polling", instance.linkbeat_polling);
            block.flag("accept", instance.accept == Some(true));
            block.flag("no_accept", instance.accept == Some(false));
            block.given("strict_mode", instance.strict);
            block.unless("debug", instance.debug, 0);
            block.given("lvs_sync_daemon_interface", instance.sync_interface.as_ref());
            block.given("timer_expired_backup", instance.timer_expired_backup);
            block.garp_extra("garp_extra_if", instance.garp_extra);
            block.given("owner_ignore_adverts", instance.owner_ignore_adverts);
            block.given("kernel_rx_buf_size", instance.receive_buffer);
            if let Authentication::Hmac(hmac) = &instance.authentication {
                block.hmac(hmac);
            }
            block.tracking(&instance.tracking, model);
            block.lines("virtual_routes", instance.routes.iter().map(route));
            block.lines("virtual_rules", instance.rules.iter().map(rule));
            block.notify(&instance.notify);
        });
    }

    /// State and priority fill each other in: the priority that follows from what is written.
    fn state(&mut self, instance: &Instance) -> Priority {
        let owner = instance.priority == Priority::OWNER;
        let implied = if owner { InitialState::Master } else { InitialState::Backup };
        // The owner keeps its `preempt_delay` only when no state is written.
        let delayed = instance.preempt != Preempt::After { delay: Duration::ZERO };
        let shown = self.shows("state") && !(owner && delayed);
        let state = (instance.initial_state != implied || shown).then_some(instance.initial_state);
        self.given(
            "state",
            state.map(|state| if state == InitialState::Master { "MASTER" } else { "BACKUP" }),
        );
        if state == Some(InitialState::Master) { Priority::OWNER } else { Priority::DEFAULT }
    }

    fn preempt(&mut self, instance: &Instance) {
        match instance.preempt {
            Preempt::Never => self.flag("nopreempt", true),
            Preempt::After { delay } if instance.initial_state == InitialState::Master => {
                self.given("preempt_delay", (!delay.is_zero()).then_some(delay));
            }
            Preempt::After { delay } => {
                self.flag("nopreempt", false);
                self.unless("preempt_delay", delay, Duration::ZERO);
            }
        }
    }

    fn transport(&mut self, instance: &Instance, globals: &Globals) {
        let family = instance.family;
        let of_globals = match family {
            Family::Ipv4 => None,
            Family::Ipv6 => globals.vrrp.group6.map(Into::into),
        };
        let default = of_globals.unwrap_or(Destination::group(family));
        let transport = &instance.transport;
        match &transport.to {
            Destination::Multicast(group) => {
                self.given("mcast_src_ip", transport.source);
                self.unless("mcast_dst_ip", *group, default);
            }
            Destination::Unicast(unicast) => {
                self.given("unicast_src_ip", transport.source);
                self.lines("unicast_peer", unicast.peers.iter().map(peer));
                self.unless("unicast_ttl", unicast.ttl, Unicast::TTL);
                self.given("mcast_dst_ip", (unicast.group != default).then_some(unicast.group));
            }
        }
    }

    fn unicast(&mut self, unicast: &Unicast) {
        self.flag("unicast_fault_no_peer", unicast.fault_without_peer);
        // A peer whose distance is told implies it.
        if !unicast.check_source || unicast.peers.iter().all(Peer::is_anywhere) {
            self.flag("check_unicast_src", unicast.check_source);
        }
        if let Some(old) = unicast.old_checksum {
            self.words("old_unicast_checksum", (old == OldChecksum::Never).then(|| plain("never")));
        }
    }

    fn addresses(&mut self, keyword: &str, addresses: &[VirtualAddress]) {
        let shown = self.shows_defaults();
        self.lines(keyword, addresses.iter().map(|one| address(one, shown)));
    }

    fn garp(&mut self, garp: &Garp) {
        let default = Garp::default();
        self.unless("garp_master_delay", garp.master_delay, default.master_delay);
        self.unless("garp_master_repeat", garp.master_repeat, default.master_repeat);
        self.unless("garp_master_refresh", garp.master_refresh, default.master_refresh);
        self.unless("garp_master_refresh_repeat", garp.master_refresh_repeat, default.master_refresh_repeat);
        self.unless("garp_lower_prio_delay", garp.lower_prio_delay, default.lower_prio_delay);
        self.unless("garp_lower_prio_repeat", garp.lower_prio_repeat, default.lower_prio_repeat);
    }
}

fn peer(peer: &Peer) -> Vec<Word> {
    let mut words = vec![plain(peer.address.to_string())];
    let any = Peer::new(peer.address);
    words.extend(option("min_ttl", (peer.min_ttl != any.min_ttl).then_some(peer.min_ttl)));
    words.extend(option("max_ttl", (peer.max_ttl != any.max_ttl).then_some(peer.max_ttl)));
    words
}
