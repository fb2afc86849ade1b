//! `check NAME` blocks.

use std::collections::BTreeMap;

use super::block::{Block, plain};
use crate::config::model::{Checker, Model, NamedCheck, ProbeKind, ProtocolKind, Turn, escape};

/// The definitions by name.
pub(super) struct Checks<'a>(BTreeMap<&'a str, &'a NamedCheck>);

impl<'a> Checks<'a> {
    pub(super) fn of(model: &'a Model) -> Self {
        Self(model.checks.iter().map(|check| (check.asks.name.as_str(), check)).collect())
    }

    /// That of a check that has a name.
    pub(super) fn definition(&self, check: &Checker) -> Option<&'a NamedCheck> {
        let ProbeKind::Named(asks) = &check.probe.kind else { return None };
        self.0.get(asks.name.as_str()).copied()
    }
}

impl Block {
    pub(super) fn named_check(&mut self, check: &NamedCheck) {
        let asks = &check.asks;
        self.block(vec![plain("check"), plain(&asks.name)], |block| {
            // Without a dialogue nothing else says what it is.
            match asks.turns.is_empty() {
                true => block.set("protocol", asks.protocol.name()),
                false => block.unless("protocol", asks.protocol.name(), ProtocolKind::default().name()),
            }
            block.flag("tls", asks.tls);
            if asks.tls {
                block.tls_demands(asks.demands.as_deref());
            }
            for turn in &asks.turns {
                match turn {
                    Turn::Send(bytes) => block.set("send", escape(bytes)),
                    Turn::Expect(bytes) => block.set("expect", escape(bytes)),
                }
            }
            block.given("connect_ip", check.ip);
            block.given("connect_port", check.port);
            block.given("bindto", check.from);
            block.given("bind_port", (check.from_port != 0).then_some(check.from_port));
            block.given("bind_if", check.interface.as_ref());
            block.unless("fwmark", check.fwmark, 0);
            block.given("connect_timeout", check.connect_timeout);
            block.given("delay_loop", check.delay_loop);
            block.given("warmup", check.warmup);
            block.given("retry", check.retry);
            block.given("rise", check.rise);
            block.given("delay_before_retry", check.delay_before_retry);
            block.given("log_all_failures", check.log_all_failures);
            block.given("alpha", check.alpha);
        });
    }
}
