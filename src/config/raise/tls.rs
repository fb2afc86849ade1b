//! What a check over TLS demands.

use super::block::Block;
use crate::config::model::{TlsDemands, Trust};

impl Block {
    pub(super) fn tls_demands(&mut self, demands: Option<&TlsDemands>) {
        let none = TlsDemands::default();
        let demands = demands.unwrap_or(&none);
        self.unless("tls_verify", demands.trust.written(), Trust::default().written());
        self.given("tls_name", demands.name.as_ref().map(|name| name.as_str()));
        self.given("tls_min_version", demands.oldest.map(|version| version.name()));
        self.given("tls_max_version", demands.newest.map(|version| version.name()));
        self.given("tls_expiry_warning", demands.warn_days);
    }
}
