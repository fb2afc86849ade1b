//! Settings of an instance that this version reads and does not act on.

use super::track::Names;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Hmac, HmacKey, HmacMode, InstanceExtras, OwnDevice, Secret};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// Fewest and most bytes of a key of `auth_hmac`.
const KEY: std::ops::RangeInclusive<usize> = 32..=64;

impl Lower<'_> {
    /// False: the word is none of these.
    pub(super) fn extra_setting(
        &mut self,
        word: &str,
        node: &Node<'_>,
        extras: &mut InstanceExtras,
        names: &Names,
    ) -> bool {
        match word {
            "use_vmac" => extras.device = self.vmac(node),
            "use_ipvlan" => extras.device = self.ipvlan(node),
            "use_vmac_addr" => extras.vmac_addresses = self.flag(node),
            "vmac_xmit_base" => extras.transmit_on_base = self.flag(node),
            "vrf" => extras.vrf = self.interface_of(node),
            "unicast_fault_no_peer" => extras.fault_without_peer = self.flag(node),
            "check_unicast_src" => extras.check_unicast_source = self.flag(node),
            "old_unicast_checksum" => {
                extras.old_unicast_checksum = match self.optional(node) {
                    None => Some(false),
                    Some(word) => self.choice(word, &[("never", true)]),
                };
            }
            "v3_checksum_as_v2" => extras.v3_checksum_as_v2 = self.boolean(node),
            "track_src_ip" => extras.track_source = self.flag(node),
            "promote_secondaries" => extras.promote_secondaries = self.flag(node),
            "linkbeat_use_polling" => extras.linkbeat_polling = self.flag(node),
            "virtual_routes" => {
                self.no_words(node);
                self.within(node, |lower| {
                    let routes = inside(node).iter().filter_map(|line| lower.route(line, None));
                    extras.routes.extend(routes);
                });
            }
            "virtual_rules" => {
                self.no_words(node);
                self.within(node, |lower| {
                    let rules = inside(node).iter().filter_map(|line| lower.rule(line, None));
                    extras.rules.extend(rules);
                });
            }
            "no_accept" => extras.no_accept = self.flag(node),
            "strict_mode" => extras.strict = self.boolean(node),
            "debug" => extras.debug = self.whole_as(node).unwrap_or(0),
            "lvs_sync_daemon_interface" => {
                let interface = self.interface_of(node);
                self.first(node, &mut extras.sync_interface, interface);
            }
            "timer_expired_backup" | "thread_timer_expired" => {
                extras.timer_expired_backup = match arguments(node).is_empty() {
                    true => Some(254),
                    false => self.whole_as(node),
                };
            }
            "garp_extra_if" | "vmac_garp_intvl" => extras.garp_extra = self.garp_extra(node),
            "owner_ignore_adverts" => extras.owner_ignore_adverts = self.boolean(node),
            "kernel_rx_buf_size" => extras.receive_buffer = self.whole_as(node),
            "auth_hmac" => extras.hmac = self.hmac(node),
            _ => {
                return self.notify(word, node, &mut extras.notify)
                    || self.tracking(word, node, &mut extras.tracking, names);
            }
        }
        true
    }

    /// `[[name] IFNAME] [MAC] [netlink_notify_msg] [group GROUP]`.
    fn vmac(&mut self, node: &Node<'_>) -> Option<OwnDevice> {
        let (mut name, mut mac, mut notify, mut group) = (None, None, false, None);
        let mut words = arguments(node).iter();
        while let Some(word) = words.next() {
            match word.text {
                "netlink_notify_msg" => notify = true,
                "group" => group = self.following(word, words.next()).map(|word| word.text.to_string()),
                "name" => {
                    name = self.following(word, words.next()).and_then(|word| self.interface(word));
                }
                text if text.contains(':') => mac = self.mac(word),
                _ if name.is_none() => name = self.interface(word),
                _ => self.surplus(node, word),
            }
        }
        Some(OwnDevice::Vmac { name, mac, notify, group })
    }

    /// `[[name] IFNAME] [ADDRESS] [bridge|private|vepa] [group GROUP]`.
    fn ipvlan(&mut self, node: &Node<'_>) -> Option<OwnDevice> {
        let (mut name, mut address, mut mode, mut group) = (None, None, "bridge", None);
        let mut words = arguments(node).iter();
        while let Some(word) = words.next() {
            match word.text {
                "bridge" => mode = "bridge",
                "private" => mode = "private",
                "vepa" => mode = "vepa",
                "group" => group = self.following(word, words.next()).map(|word| word.text.to_string()),
                "name" => {
                    name = self.following(word, words.next()).and_then(|word| self.interface(word));
                }
                text if text
                    .split('/')
                    .next()
                    .is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()) =>
                {
                    address = self.address_with_length(word).map(|net| net.address);
                }
                _ if name.is_none() => name = self.interface(word),
                _ => self.surplus(node, word),
            }
        }
        Some(OwnDevice::Ipvlan { name, address, mode, group })
    }

    /// The word behind an option.
    fn following<'n, 's>(&mut self, option: &Word<'_>, word: Option<&'n Word<'s>>) -> Option<&'n Word<'s>> {
        if word.is_none() {
            let message = format!("`{}` needs a value", option.text);
            self.report(Diagnostic::error(Code::MissingArgument, option.span, message));
        }
        word
    }

    /// Five or six octets.
    fn mac(&mut self, word: &Word<'_>) -> Option<Vec<u8>> {
        let octet = |text: &str| u8::from_str_radix(text, 16).ok().filter(|_| text.len() <= 2);
        let octets: Option<Vec<u8>> = word.text.split(':').map(octet).collect();
        let octets = octets.filter(|octets| matches!(octets.len(), 5 | 6));
        let multicast = octets.as_ref().and_then(|octets| octets.first()).is_some_and(|first| first & 1 == 1);
        if octets.is_none() || multicast {
            let message = format!("`{}` is no address of an interface", word.text);
            self.report(
                Diagnostic::error(Code::BadAddress, word.span, message)
                    .expected("five octets, the router id becomes the sixth, or six; no multicast address"),
            );
            return None;
        }
        octets
    }

    fn hmac(&mut self, node: &Node<'_>) -> Option<Hmac> {
        const MODES: [(&str, HmacMode); 3] = [
            ("enforce", HmacMode::Enforce),
            ("permissive", HmacMode::Permissive),
            ("receive-only", HmacMode::ReceiveOnly),
        ];
        self.no_words(node);
        let mut keys: Vec<(u8, HmacKey)> = Vec::new();
        let mut active: Option<(u8, Span)> = None;
        let (mut window, mut monotonic, mut mode) = (None, false, HmacMode::default());
        let mut has_key = false;
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "key" => {
                    has_key = true;
                    lower.hmac_key(node, &mut keys);
                }
                "active_key" => active = lower.whole_as(node).zip(node.span()),
                "time_window" => window = lower.whole_as(node),
                "anti_replay" => {
                    let choices = [("monotonic", true), ("time", false)];
                    monotonic =
                        lower.one(node).and_then(|word| lower.choice(word, &choices)).unwrap_or(false);
                }
                _ => mode = lower.one(node).and_then(|word| lower.choice(word, &MODES)).unwrap_or_default(),
            });
            match active {
                None => lower.required(node, "no key is active", "add `active_key NUMBER`"),
                Some((active, span)) if has_key && !keys.iter().any(|(number, _)| *number == active) => {
                    let message = format!("there is no key {active}");
                    lower.report(
                        Diagnostic::error(Code::Undefined, span, message)
                            .consequence("keepalived sends and accepts adverts without a signature then"),
                    );
                }
                Some(_) => {}
            }
            if !has_key {
                lower.required(node, "there is no key", "add `key NUMBER TEXT`");
            }
        });
        Some(Hmac { keys, active: active?.0, window, monotonic, mode })
    }

    /// `key NUMBER TEXT|hex:HEX|file:PATH`. The key itself is never shown.
    fn hmac_key(&mut self, node: &Node<'_>, keys: &mut Vec<(u8, HmacKey)>) {
        let [number, value, rest @ ..] = arguments(node) else {
            self.missing(node);
            return;
        };
        if let Some(surplus) = rest.first() {
            self.surplus(node, surplus);
        }
        let number =
            self.integer_in(node.keyword, number, 1, 255).and_then(|number| u8::try_from(number).ok());
        let (Some(number), Some(value)) = (number, self.secret(value)) else { return };
        if keys.iter().any(|(other, _)| *other == number) {
            let message = format!("key {number} is given twice");
            self.report(Diagnostic::error(Code::Duplicate, value.span, message));
            return;
        }
        if let Some(path) = value.text.strip_prefix("file:") {
            keys.push((number, HmacKey::File(path.to_owned())));
            return;
        }
        let bytes = match value.text.strip_prefix("hex:") {
            None => Some(value.text.as_bytes().to_vec()),
            Some(hex) => {
                let pair = |pair: &[u8]| {
                    let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
                    u8::from_str_radix(text, 16).ok()
                };
                hex.as_bytes().chunks(2).map(pair).collect()
            }
        };
        match bytes.filter(|bytes| KEY.contains(&bytes.len())) {
            Some(bytes) => keys.push((number, HmacKey::Given(Secret(bytes)))),
            None => self.report(
                Diagnostic::error(Code::BadName, value.span, "the key is no key of `auth_hmac`")
                    .expected("32 to 64 characters, hex: and 64 to 128 digits, or file: and a path"),
            ),
        }
    }
}
