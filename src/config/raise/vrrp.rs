//! `vrrp_instance`: one virtual router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Word;
use super::address::address;
use super::block::{Block, plain};
use super::script::option;
use crate::config::dump::HIDDEN;
use crate::config::model::{
    AdvertInterval, Authentication, Garp, Globals, InitialState, Instance, Preempt, Priority, Version,
    VirtualAddress,
};

/// 224.0.0.18 (RFC 9568 §5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// ff02::12 (RFC 9568 §5.1.2.2).
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

impl Block {
    pub(super) fn instance(&mut self, instance: &Instance, globals: &Globals, has_interface: bool) {
        self.block(vec![plain("vrrp_instance"), plain(&instance.name)], |block| {
            let ipv6 = instance.extras.ipv6.as_ref();
            let default = block.state(instance);
            block.given("interface", has_interface.then_some(&instance.interface));
            block.set("virtual_router_id", instance.vrid.number());
            block.unless("priority", instance.priority.number(), default.number());
            let version = |version| if version == Version::V2 { 2u8 } else { 3 };
            let default = if ipv6.is_some() { Version::V3 } else { Version::V2 };
            block.unless("version", version(instance.version), version(default));
            let interval = |interval: AdvertInterval| interval.duration();
            block.unless("advert_int", interval(instance.advert_interval), interval(AdvertInterval::DEFAULT));
            block.unless("down_timer_adverts", instance.down_timer_adverts, 3);
            block.preempt(instance);
            block.authentication(instance);
            block.transport(instance, globals);
            block.flag("dont_track_primary", instance.dont_track_primary);
            block.addresses("virtual_ipaddress", &instance.addresses);
            block.flag("no_virtual_ipaddress", instance.extras.no_addresses);
            block.addresses("virtual_ipaddress_excluded", &instance.excluded_addresses);
            block.garp(&instance.garp);
            // keepalived turns it on whatever is written.
            block.on_or_nothing("skip_check_adv_addr", instance.skip_check_adv_addr);
            block.unless("lower_prio_no_advert", instance.lower_prio_no_advert, false);
            block.unless("higher_prio_send_advert", instance.higher_prio_send_advert, true);
            block.instance_extras(instance);
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

    fn authentication(&mut self, instance: &Instance) {
        let (kind, password) = match (&instance.authentication, &instance.extras.ah) {
            (_, Some(password)) => ("AH", String::from_utf8_lossy(&password.0).into_owned()),
            (Authentication::Pass(bytes), None) => ("PASS", password(bytes)),
            (Authentication::None, None) => return,
        };
        self.block(vec![plain("authentication")], |block| {
            block.set("auth_type", kind);
            if !password.is_empty() {
                block.words("auth_pass", [Word::Secret(password)]);
            }
        });
    }

    fn transport(&mut self, instance: &Instance, globals: &Globals) {
        let extras = &instance.extras;
        let (source, peers, group, default): (_, Vec<IpAddr>, IpAddr, IpAddr) = match &extras.ipv6 {
            Some(ipv6) => (
                ipv6.source.map(IpAddr::V6),
                ipv6.peers.iter().copied().map(IpAddr::V6).collect(),
                ipv6.group.into(),
                globals.vrrp.group6.unwrap_or(GROUP6).into(),
            ),
            None => (
                instance.source.map(IpAddr::V4),
                instance.unicast_peers.iter().copied().map(IpAddr::V4).collect(),
                instance.multicast_group.into(),
                GROUP.into(),
            ),
        };
        self.given(if peers.is_empty() { "mcast_src_ip" } else { "unicast_src_ip" }, source);
        let lines = peers.iter().map(|peer| {
            let mut words = vec![plain(peer.to_string())];
            if let Some(ttl) = extras.peer_ttl.iter().find(|ttl| ttl.peer == *peer) {
                words.extend(option("min_ttl", Some(ttl.min)));
                words.extend(option("max_ttl", Some(ttl.max)));
            }
            words
        });
        self.lines("unicast_peer", lines);
        if !peers.is_empty() {
            self.unless("unicast_ttl", instance.unicast_ttl, 255);
        } else {
            self.given("unicast_ttl", (instance.unicast_ttl != 255).then_some(instance.unicast_ttl));
        }
        match peers.is_empty() {
            true => self.unless("mcast_dst_ip", group, default),
            false => self.given("mcast_dst_ip", (group != default).then_some(group)),
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

/// A password whose first eight bytes are these. They may end within a character: it is made whole again.
fn password(bytes: &[u8; 8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let mut bytes = bytes.get(..end).unwrap_or_default().to_vec();
    for _ in 0..3 {
        let cut = std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none());
        if !cut {
            break;
        }
        // The second byte of a character has fewer choices than the others.
        let next = [0x80, 0x90, 0xa0].into_iter().find(|next| {
            let longer: Vec<u8> = bytes.iter().copied().chain([*next]).collect();
            std::str::from_utf8(&longer).map_or_else(|error| error.error_len().is_none(), |_| true)
        });
        bytes.extend(next);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // A longer one of which eight stars are left is no hidden one.
    if text == HIDDEN { text + "*" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_password_is_made_whole() {
        for text in [
            "secret",
            "eight888",
            "abcdefgé",
            "abcdef€x",
            "abcde😀xy",
            "abcdefg\u{fffd}",
            "*********",
            "abcdef\u{800}",
        ] {
            let mut cut = [0; 8];
            cut.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
            let whole = password(&cut);
            let mut again = [0; 8];
            again.iter_mut().zip(whole.bytes()).for_each(|(to, from)| *to = from);
            assert_eq!(again, cut, "{text}");
        }
    }
}
