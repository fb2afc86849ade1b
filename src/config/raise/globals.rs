//! `global_defs`. What instances fall back to has become part of each instance, and is written there.

use super::block::{Block, plain};
use super::process::buffer_policy;
use super::script::option;
use crate::config::model::{GarpExtra, Globals, VrrpGlobals};

impl Block {
    /// One block with all that is said; none when nothing is.
    pub(super) fn globals(&mut self, globals: &Globals) {
        self.block_unless_empty(vec![plain("global_defs")], |block| {
            block.given("router_id", globals.router_id.as_ref());
            block.mail(&globals.mail);
            block.scripts(globals);
            block.process(&globals.process);
            block.vrrp_globals(&globals.vrrp);
            block.lvs_globals(&globals.lvs);
            block.host(globals);
        });
    }

    fn vrrp_globals(&mut self, vrrp: &VrrpGlobals) {
        self.given("vrrp_mcast_group6", vrrp.group6);
        self.given("vrrp_garp_interval", vrrp.garp_interval);
        self.given("vrrp_gna_interval", vrrp.gna_interval);
        self.garp_extra("vrrp_garp_extra_if", vrrp.garp_extra);
        self.unless("vrrp_strict", vrrp.strict, false);
        self.flag("v3_checksum_as_v2", vrrp.v3_checksum_as_v2);
        self.unless("vrrp_owner_ignore_adverts", vrrp.owner_ignore_adverts, false);
        self.given("vrrp_startup_delay", vrrp.startup_delay);
        self.given("vrrp_delay_after_boot", vrrp.delay_after_boot);
        self.given("restart_resume", vrrp.restart_resume);
        self.flag("log_unknown_vrids", vrrp.log_unknown);
        self.given("vmac_prefix", vrrp.vmac_prefix.as_ref());
        self.given("vmac_addr_prefix", vrrp.vmac_address_prefix.as_ref());
        if !vrrp.buffers.is_empty() {
            self.words("vrrp_rx_bufs_policy", vrrp.buffers.iter().map(buffer_policy));
        }
        self.given("vrrp_rx_bufs_multiplier", vrrp.buffer_multiplier);
        for buffer in &vrrp.netlink_buffers {
            self.set(buffer.socket.word(), buffer.bytes);
        }
        for socket in &vrrp.netlink_force {
            self.set(&format!("{}_force", socket.word()), true);
        }
    }

    /// `[all] SECONDS`.
    pub(super) fn garp_extra(&mut self, keyword: &str, extra: Option<GarpExtra>) {
        match extra {
            None => {}
            Some(GarpExtra { interval, all: true }) => self.words(keyword, option("all", Some(interval))),
            Some(GarpExtra { interval, all: false }) => self.set(keyword, interval),
        }
    }
}
