//! `real_server`: one backend.

use super::block::{Block, plain};
use super::checkers::Outer;
use super::lvs::{endpoint, forwarding};
use crate::config::model::{Forwarding, RealServer, VirtualServer, Weight};

impl Block {
    pub(super) fn real_server(
        &mut self,
        real: &RealServer,
        server: &VirtualServer,
        of_service: Forwarding,
        inhibit: bool,
        outer: &Outer,
        virtualhost: Option<&str>,
    ) {
        let port = real.address.port();
        let head = std::iter::once(plain("real_server")).chain(endpoint(real.address.ip(), port));
        self.block(head.collect(), |block| {
            block.unless("weight", real.weight.number(), Weight::ONE.number());
            if real.forwarding != of_service || block.shows("lvs_method") {
                block.words("lvs_method", forwarding(real.forwarding));
            }
            block.unless("uthreshold", real.upper_threshold, 0);
            block.unless("lthreshold", real.lower_threshold, 0);
            block.unless("inhibit_on_failure", real.inhibit_on_failure, inhibit);
            block.outer_timing(&outer.own);
            if let Some(notify) = &real.notify {
                block.command("notify_up", notify.up.as_ref());
                block.command("notify_down", notify.down.as_ref());
                block.given("smtp_alert", notify.smtp_alert);
                block.given("snmp_name", notify.snmp_name.as_ref());
            }
            let port = if port == 0 { server.service.port() } else { port };
            for check in &real.checkers {
                block.check(check, real.address.ip(), port, outer, virtualhost);
            }
        });
    }
}
