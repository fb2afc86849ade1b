//! Which virtual servers are not checked, because their addresses are on another machine (`ha_suspend`).
//!
//! Input: the configured virtual servers and the addresses of this machine. Output: which of them are suspended, and what
//! there is to tell. Their real servers stay as they are meanwhile. A virtual server by a firewall mark alone is always
//! checked: it has no address that could be missing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::model::{VirtualServer, VirtualServerName};

use super::event::Event;

/// The virtual servers that are suspended.
#[derive(Debug, Clone, Default)]
pub struct Suspension {
    suspended: BTreeSet<VirtualServerName>,
}

impl Suspension {
    /// Whether it depends on the addresses at all.
    pub fn depends(servers: &[Arc<VirtualServer>]) -> bool {
        servers.iter().any(|server| server.ha_suspend)
    }

    /// Compares with the addresses that are here. True: other virtual servers are to be checked than before.
    pub fn compare(
        &mut self,
        servers: &[Arc<VirtualServer>],
        here: &BTreeSet<IpAddr>,
        out: &mut Vec<Event>,
    ) -> bool {
        let suspended =
            servers.iter().filter(|server| is_suspended(server, here)).map(|server| server.name());
        let suspended: BTreeSet<VirtualServerName> = suspended.collect();
        let before = std::mem::replace(&mut self.suspended, suspended);
        for server in servers {
            let name = server.name();
            let suspended = self.suspended.contains(&name);
            if suspended != before.contains(&name) {
                out.push(Event::Suspended { service: name, suspended });
            }
        }
        before != self.suspended
    }

    /// Those that are to be checked.
    pub fn checked(&self, servers: &[Arc<VirtualServer>]) -> Vec<Arc<VirtualServer>> {
        let checked = servers.iter().filter(|server| !self.suspended.contains(&server.name()));
        checked.cloned().collect()
    }
}

fn is_suspended(server: &VirtualServer, here: &BTreeSet<IpAddr>) -> bool {
    let mut addresses = server.services().filter_map(|service| service.address()).peekable();
    server.ha_suspend && addresses.peek().is_some() && !addresses.any(|address| here.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::supported::runnable;
    use crate::config::{Options, load};
    use std::path::Path;

    #[test]
    fn a_virtual_server_is_checked_where_one_of_its_addresses_is() {
        let real = "lb_algo rr\nlb_kind NAT\nprotocol TCP\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n";
        let text = format!(
            "virtual_server_group G {{\n10.0.0.2 80\n10.0.0.3 80\nfwmark 9\n}}\n\
             virtual_server 10.0.0.1 80 {{\nha_suspend\n{real}}}\n\
             virtual_server group G {{\nha_suspend\n{real}}}\n\
             virtual_server fwmark 3 {{\nha_suspend\nlb_algo rr\nlb_kind NAT\nreal_server 10.0.1.1 80 {{\n}}\n}}\n\
             virtual_server 10.0.0.4 80 {{\n{real}}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let servers = runnable(&loaded.model.unwrap()).virtual_servers;
        assert!(Suspension::depends(&servers));
        let mut suspension = Suspension::default();
        let mut checked = |here: &[&str]| {
            let here = here.iter().map(|text| text.parse().unwrap()).collect();
            let mut out = Vec::new();
            let changed = suspension.compare(&servers, &here, &mut out);
            assert_eq!(changed, !out.is_empty());
            let names = suspension.checked(&servers).iter().map(|server| server.name().to_string()).collect();
            (names, out.iter().map(ToString::to_string).collect())
        };
        let is = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let (one, group) = ("[10.0.0.1]:tcp:80", "[G]:0");
        let always = ["FWM 3", "[10.0.0.4]:tcp:80"];
        let sorted = |(mut names, said): (Vec<String>, Vec<String>)| {
            names.sort();
            (names, said.len())
        };
        assert_eq!(sorted(checked(&[])), (is(&always), 2));
        assert_eq!(sorted(checked(&[])), (is(&always), 0));
        assert_eq!(sorted(checked(&["10.0.0.1"])), (is(&[always[0], one, always[1]]), 1));
        assert_eq!(sorted(checked(&["10.0.0.3"])), (is(&[always[0], always[1], group]), 2));
    }
}
