//! Settings of an instance that this version reads and does not act on.

use super::Word;
use super::block::{Block, Written as _, plain};
use super::route::route;
use super::rule::rule;
use super::script::option;
use crate::config::model::{Hmac, HmacKey, HmacMode, Instance, InterfaceName, OwnDevice};

impl Block {
    pub(super) fn instance_extras(&mut self, instance: &Instance) {
        let extras = &instance.extras;
        match &extras.device {
            Some(device @ OwnDevice::Vmac { .. }) => self.words("use_vmac", own_device(device)),
            Some(device @ OwnDevice::Ipvlan { .. }) => self.words("use_ipvlan", own_device(device)),
            None => {}
        }
        self.flag("use_vmac_addr", extras.vmac_addresses);
        self.flag("vmac_xmit_base", extras.transmit_on_base);
        self.given("vrf", extras.vrf.as_ref());
        self.flag("unicast_fault_no_peer", extras.fault_without_peer);
        self.flag("check_unicast_src", extras.check_unicast_source);
        if let Some(never) = extras.old_unicast_checksum {
            self.words("old_unicast_checksum", never.then(|| plain("never")));
        }
        self.given("v3_checksum_as_v2", extras.v3_checksum_as_v2);
        self.flag("track_src_ip", extras.track_source);
        self.flag("promote_secondaries", extras.promote_secondaries);
        self.flag("linkbeat_use_polling", extras.linkbeat_polling);
        self.flag("no_accept", extras.no_accept);
        self.given("strict_mode", extras.strict);
        self.unless("debug", extras.debug, 0);
        self.given("lvs_sync_daemon_interface", extras.sync_interface.as_ref());
        self.given("timer_expired_backup", extras.timer_expired_backup);
        self.garp_extra("garp_extra_if", extras.garp_extra);
        self.given("owner_ignore_adverts", extras.owner_ignore_adverts);
        self.given("kernel_rx_buf_size", extras.receive_buffer);
        if let Some(hmac) = &extras.hmac {
            self.hmac(hmac);
        }
        self.tracking(&extras.tracking);
        self.lines("virtual_routes", extras.routes.iter().map(route));
        self.lines("virtual_rules", extras.rules.iter().map(rule));
        self.notify(&extras.notify);
    }

    fn hmac(&mut self, hmac: &Hmac) {
        self.block(vec![plain("auth_hmac")], |block| {
            for (number, key) in &hmac.keys {
                let key = match key {
                    HmacKey::File(path) => plain(format!("file:{path}")),
                    HmacKey::Given(secret) => Word::Secret(key_text(&secret.0)),
                };
                block.words("key", [plain(number.written()), key]);
            }
            block.set("active_key", hmac.active);
            block.given("time_window", hmac.window);
            block.unless("anti_replay", if hmac.monotonic { "monotonic" } else { "time" }, "time");
            let mode = match hmac.mode {
                HmacMode::Enforce => "enforce",
                HmacMode::Permissive => "permissive",
                HmacMode::ReceiveOnly => "receive-only",
            };
            block.unless("mode", mode, "enforce");
        });
    }
}

/// The key as text when it is some, else in hexadecimal.
fn key_text(bytes: &[u8]) -> String {
    let printable = |text: &&str| text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '$');
    match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) if !text.starts_with("hex:") && !text.starts_with("file:") => text.to_owned(),
        _ => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("hex:{digits}")
        }
    }
}

fn own_device(device: &OwnDevice) -> Vec<Word> {
    let mut words = Vec::new();
    match device {
        OwnDevice::Vmac { name, mac, notify, group } => {
            words.extend(device_name(name.as_ref(), &["group", "name", "netlink_notify_msg"]));
            let octets = |mac: &Vec<u8>| mac.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>();
            words.extend(mac.as_ref().map(|mac| plain(octets(mac).join(":"))));
            words.extend(notify.then(|| plain("netlink_notify_msg")));
            words.extend(option("group", group.as_ref()));
        }
        OwnDevice::Ipvlan { name, address, mode, group } => {
            words.extend(device_name(name.as_ref(), &["bridge", "group", "name", "private", "vepa"]));
            words.extend(address.map(|address| plain(address.to_string())));
            words.extend((*mode != "bridge").then(|| plain(*mode)));
            words.extend(option("group", group.as_ref()));
        }
    }
    words
}

/// `name` in front of what would be read as something else.
fn device_name(name: Option<&InterfaceName>, options: &[&str]) -> Vec<Word> {
    let Some(name) = name.map(InterfaceName::as_str) else { return Vec::new() };
    let option = options.contains(&name) || name.contains(':') || name.parse::<std::net::IpAddr>().is_ok();
    option.then(|| plain("name")).into_iter().chain(std::iter::once(plain(name))).collect()
}
