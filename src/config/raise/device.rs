//! `use_vmac`, `use_ipvlan`: an interface of the instance's own.

use super::Word;
use super::block::{Block, plain};
use super::script::option;
use crate::config::model::{InterfaceName, IpvlanMode, OwnDevice};

impl Block {
    pub(super) fn own_device(&mut self, device: Option<&OwnDevice>) {
        match device {
            Some(device @ OwnDevice::Vmac { .. }) => self.words("use_vmac", own_device(device)),
            Some(device @ OwnDevice::Ipvlan { .. }) => self.words("use_ipvlan", own_device(device)),
            None => {}
        }
    }
}

/// Name, address and options.
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
            words.extend((*mode != IpvlanMode::default()).then(|| plain(mode.name())));
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
