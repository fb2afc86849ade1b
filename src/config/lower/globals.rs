//! `global_defs`: what instances fall back to.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{BufferedSocket, Fallbacks, Garp, GarpExtra, Globals, SocketBuffer, Version};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// What `global_defs` blocks say, all together.
#[derive(Default)]
pub(super) struct Defaults {
    /// The file asks for a packet filter.
    pub(super) filters: bool,
    pub(super) globals: Globals,
    pub(super) version: Option<Version>,
    pub(super) group: Option<Ipv4Addr>,
    pub(super) garp: GarpSettings,
    pub(super) check_unicast_source: bool,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
}

impl Defaults {
    /// Those of instances, complete.
    pub(super) fn fallbacks(&self) -> Fallbacks {
        let built_in = Fallbacks::default();
        Fallbacks {
            version: self.version.unwrap_or(built_in.version),
            group: self.group.unwrap_or(built_in.group),
            garp: self.garp.globals(),
            check_unicast_source: self.check_unicast_source,
            down_timer_adverts: self.down_timer_adverts.unwrap_or(built_in.down_timer_adverts),
            skip_check_adv_addr: self.skip_check_adv_addr.unwrap_or(built_in.skip_check_adv_addr),
            lower_prio_no_advert: self.lower_prio_no_advert.unwrap_or(built_in.lower_prio_no_advert),
            higher_prio_send_advert: self.higher_prio_send_advert.unwrap_or(built_in.higher_prio_send_advert),
        }
    }
}

/// `garp_*`, as far as they are set.
#[derive(Default)]
pub(super) struct GarpSettings {
    pub(super) master_delay: Option<Duration>,
    pub(super) master_repeat: Option<u32>,
    pub(super) master_refresh: Option<Duration>,
    pub(super) master_refresh_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Option<u32>,
}

impl GarpSettings {
    /// The globals: an answer to a lower priority is like becoming master, unless it is set apart.
    pub(super) fn globals(&self) -> Garp {
        let built_in = Garp::default();
        let master_delay = self.master_delay.unwrap_or(built_in.master_delay);
        let master_repeat = self.master_repeat.unwrap_or(built_in.master_repeat);
        Garp {
            master_delay,
            master_repeat,
            master_refresh: self.master_refresh.unwrap_or(built_in.master_refresh),
            master_refresh_repeat: self.master_refresh_repeat.unwrap_or(built_in.master_refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(master_delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(master_repeat),
        }
    }

    /// `vrrp_min_garp`: one frame, once, where nothing else has been said before.
    fn at_least(&mut self) {
        self.master_delay.get_or_insert(Duration::ZERO);
        self.master_repeat.get_or_insert(1);
    }

    /// An instance: what it does not set is the global one.
    pub(super) fn over(&self, globals: Garp) -> Garp {
        Garp {
            master_delay: self.master_delay.unwrap_or(globals.master_delay),
            master_repeat: self.master_repeat.unwrap_or(globals.master_repeat),
            master_refresh: self.master_refresh.unwrap_or(globals.master_refresh),
            master_refresh_repeat: self.master_refresh_repeat.unwrap_or(globals.master_refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(globals.lower_prio_delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(globals.lower_prio_repeat),
        }
    }
}

impl Lower<'_> {
    pub(super) fn globals(&mut self, node: &Node<'_>, defaults: &mut Defaults) {
        if let Some(surplus) = arguments(node).first() {
            self.surplus(node, surplus);
        }
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| lower.global(word, node, defaults));
        });
    }

    fn global(&mut self, word: &'static str, node: &Node<'_>, defaults: &mut Defaults) {
        match word {
            "router_id" => {
                if let Some(word) = self.one(node) {
                    defaults.globals.router_id = Some(word.text.to_owned());
                }
            }
            "vrrp_version" => defaults.version = self.version(node).or(defaults.version),
            "vrrp_mcast_group4" => {
                if let Some(word) = self.one(node) {
                    defaults.group = self.multicast(word).or(defaults.group);
                }
            }
            "vrrp_mcast_group6" => {
                if let Some(word) = self.one(node) {
                    let group = self.multicast_of(word);
                    defaults.globals.vrrp.group6 = match group {
                        Some(IpAddr::V6(group)) => Some(group),
                        Some(IpAddr::V4(_)) => self.ipv6(word),
                        None => None,
                    };
                }
            }
            "vrrp_strict" => {
                let strict = self.boolean(node) == Some(true);
                defaults.globals.vrrp.strict = strict;
                self.accepts(node.span().filter(|_| strict && !defaults.filters));
            }
            "vrrp_check_unicast_src" => defaults.check_unicast_source = self.flag(node),
            "vrrp_down_timer_adverts" => defaults.down_timer_adverts = self.down_timer_adverts(node),
            "vrrp_min_garp" => {
                if self.boolean(node) == Some(true) {
                    defaults.garp.at_least();
                }
            }
            "vrrp_skip_check_adv_addr" => defaults.skip_check_adv_addr = self.boolean(node),
            "vrrp_lower_prio_no_advert" => defaults.lower_prio_no_advert = self.boolean(node),
            "vrrp_higher_prio_send_advert" => defaults.higher_prio_send_advert = self.boolean(node),
            _ => {
                if self.process_setting(word, node, &mut defaults.globals)
                    || self.vrrp_setting(word, node, &mut defaults.globals)
                {
                    return;
                }
                if let Some(word) = word.strip_prefix("vrrp_") {
                    self.garp(word, node, &mut defaults.garp);
                }
            }
        }
    }

    /// What `global_defs` says of VRRP as a whole. False: the word is none of these.
    fn vrrp_setting(&mut self, word: &'static str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let vrrp = &mut globals.vrrp;
        match word {
            "vrrp_garp_interval" => vrrp.garp_interval = self.time(node),
            "vrrp_gna_interval" => vrrp.gna_interval = self.time(node),
            "vrrp_garp_extra_if" | "vrrp_vmac_garp_intvl" => vrrp.garp_extra = self.garp_extra(node),
            "v3_checksum_as_v2" => vrrp.v3_checksum_as_v2 = self.boolean(node).unwrap_or(false),
            "vrrp_owner_ignore_adverts" => {
                vrrp.owner_ignore_adverts = self.boolean(node).unwrap_or(false);
            }
            "vrrp_startup_delay" => vrrp.startup_delay = self.time(node),
            "vrrp_delay_after_boot" => vrrp.delay_after_boot = self.time(node),
            "restart_resume" => vrrp.restart_resume = self.boolean(node),
            "log_unknown_vrids" => vrrp.log_unknown = self.flag(node),
            "vmac_prefix" => {
                let prefix = self.text(node);
                self.first(node, &mut vrrp.vmac_prefix, prefix);
            }
            "vmac_addr_prefix" => {
                let prefix = self.text(node);
                self.first(node, &mut vrrp.vmac_address_prefix, prefix);
            }
            "vrrp_rx_bufs_policy" => {
                if arguments(node).is_empty() {
                    self.missing(node);
                }
                for word in arguments(node) {
                    let policy = self.buffer_policy(word);
                    vrrp.buffers.extend(policy);
                }
            }
            "vrrp_rx_bufs_multiplier" => vrrp.buffer_multiplier = self.whole_as(node),
            _ => return self.buffer_setting(word, node, globals),
        }
        true
    }

    /// Traffic to the virtual addresses of a strict instance, where no packet filter is asked for.
    pub(super) fn accepts(&mut self, span: Option<Span>) {
        if let Some(span) = span {
            self.portable(
                span,
                "the strict mode of keepalived drops what is sent to the virtual addresses",
                "directord lets it through: ping and services answer there; `no_accept` of an instance, or \
                 `nftables` in global_defs, has it dropped",
            );
        }
    }

    /// `*_rcv_bufs`, `*_rcv_bufs_force`. False: the word is none of these.
    fn buffer_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let vrrp = &mut globals.vrrp;
        let (name, force) = word.strip_suffix("_force").map_or((word, false), |name| (name, true));
        let Some((_, socket)) = BufferedSocket::WORDS.iter().find(|(word, _)| *word == name) else {
            return false;
        };
        let socket = *socket;
        if force {
            vrrp.netlink_force.retain(|other| *other != socket);
            vrrp.netlink_force.extend((self.boolean(node) == Some(true)).then_some(socket));
        } else {
            vrrp.netlink_buffers.retain(|other| other.socket != socket);
            vrrp.netlink_buffers.extend(self.whole_as(node).map(|bytes| SocketBuffer { socket, bytes }));
        }
        true
    }

    /// `[all] SECONDS`.
    pub(super) fn garp_extra(&mut self, node: &Node<'_>) -> Option<GarpExtra> {
        let (all, words) = match arguments(node) {
            [all, rest @ ..] if all.text == "all" => (true, rest),
            words => (false, words),
        };
        let Some(word) = words.first() else {
            self.missing(node);
            return None;
        };
        if let Some(surplus) = words.get(1) {
            self.surplus(node, surplus);
        }
        let number = self.whole_of(node, word)?;
        u32::try_from(number).ok().map(|interval| GarpExtra { interval, all })
    }

    /// `garp_*` of an instance, `vrrp_garp_*` of the globals. False: the word is none of these.
    pub(super) fn garp(&mut self, word: &str, node: &Node<'_>, garp: &mut GarpSettings) -> bool {
        match word {
            "garp_master_delay" => garp.master_delay = self.seconds(node),
            "garp_master_repeat" => garp.master_repeat = self.repeat(node),
            "garp_master_refresh" => garp.master_refresh = self.seconds(node),
            "garp_master_refresh_repeat" => garp.master_refresh_repeat = self.repeat(node),
            "garp_lower_prio_delay" => garp.lower_prio_delay = self.seconds(node),
            "garp_lower_prio_repeat" => garp.lower_prio_repeat = self.whole_as(node),
            _ => return false,
        }
        true
    }

    /// At least one frame: keepalived makes 1 of 0.
    fn repeat(&mut self, node: &Node<'_>) -> Option<u32> {
        let number: u32 = self.whole_as(node)?;
        if number == 0 {
            self.adjusted(node.span(), "a burst has at least one frame", "1 is used");
        }
        Some(number.max(1))
    }

    pub(super) fn version(&mut self, node: &Node<'_>) -> Option<Version> {
        self.whole(node).map(|number| if number == 2 { Version::V2 } else { Version::V3 })
    }

    pub(super) fn down_timer_adverts(&mut self, node: &Node<'_>) -> Option<u8> {
        self.whole_as(node)
    }

    /// An IPv4 multicast group.
    pub(super) fn multicast(&mut self, word: &Word<'_>) -> Option<Ipv4Addr> {
        match self.multicast_of(word)? {
            IpAddr::V4(group) => Some(group),
            IpAddr::V6(_) => self.ipv4(word),
        }
    }

    /// A multicast group of any family.
    pub(super) fn multicast_of(&mut self, word: &Word<'_>) -> Option<IpAddr> {
        let address = self.address_in(word)?;
        if !address.is_multicast() {
            let message = format!("{address} is no multicast address");
            self.report(
                Diagnostic::error(Code::BadAddress, word.span, message)
                    .expected("an address in 224.0.0.0/4 or ff00::/8"),
            );
            return None;
        }
        Some(address)
    }
}
