//! What this version runs of a model.
//!
//! In: a [`Model`]. Out: the instances and virtual servers to run, with the services of groups filled in, and what
//! is left out of them, with the reason. Whoever starts or reloads decides whether that will do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::model::{
    Forwarding, GroupEntry, GroupedServer, Instance, Model, Service, ServiceGroup, VirtualServer,
    VirtualServerGroup,
};

/// Services of one group: each is an entry of the kernel's table, with every real server.
const SERVICES: usize = 65_536;

/// The part of a configuration that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runnable {
    /// Virtual routers.
    pub instances: Vec<Instance>,
    /// Virtual servers, those of groups with their services.
    pub virtual_servers: Vec<VirtualServer>,
    /// What does not run.
    pub left_out: Vec<LeftOut>,
}

/// Something that is configured and does not run, or not as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `vrrp_instance VI_1`.
    pub what: String,
    /// The reason.
    pub why: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl Runnable {
    /// `2 instances and 1 virtual server`.
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {one}s"),
        };
        let servers = count(self.virtual_servers.len(), "virtual server");
        format!("{} and {servers}", count(self.instances.len(), "instance"))
    }
}

/// Sorts out what runs.
pub fn runnable(model: &Model) -> Runnable {
    let mut result = Runnable::default();
    for instance in &model.instances {
        match cannot_run(instance) {
            Some(why) => {
                let what = format!("vrrp_instance {}", instance.name);
                result.left_out.push(LeftOut { what, why });
            }
            None => result.instances.push(held(instance, &mut result.left_out)),
        }
    }
    let mut taken = BTreeSet::new();
    for server in &model.virtual_servers {
        taken.insert(server.service);
        result.virtual_servers.push(server.clone());
    }
    let mut groups: BTreeMap<&str, &VirtualServerGroup> = BTreeMap::new();
    for group in &model.extras.groups {
        groups.entry(&group.name).or_insert(group);
    }
    // How many virtual servers use a group so far.
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for grouped in &model.extras.grouped_servers {
        let used = uses.entry(&grouped.group).or_default();
        let index = std::mem::replace(used, *used + 1);
        let group = groups.get(grouped.group.as_str()).copied();
        match with_services(grouped, group, index, &mut taken) {
            Ok(server) => result.virtual_servers.push(server),
            Err(why) => {
                let what = format!("virtual_server group {}", grouped.group);
                result.left_out.push(LeftOut { what, why });
            }
        }
    }
    for server in &result.virtual_servers {
        let unmade = |real: &&super::model::RealServer| {
            real.checkers.is_empty() && real.extras.as_ref().is_some_and(|extras| !extras.checkers.is_empty())
        };
        for real in server.real_servers.iter().filter(unmade) {
            let what =
                format!("real_server {} {} of {}", real.address.ip(), real.address.port(), server.name());
            result
                .left_out
                .push(LeftOut { what, why: "it serves unchecked: this version makes none of its checks" });
        }
    }
    result
}

fn cannot_run(instance: &Instance) -> Option<&'static str> {
    let extras = &instance.extras;
    if extras.ipv6.is_some() {
        return Some("it does not run: this version has no VRRP over IPv6");
    }
    if extras.ah.is_some() {
        return Some("it does not run: this version has no authentication AH");
    }
    extras.hmac.is_some().then_some("it does not run: this version has no auth_hmac")
}

/// The instance with the addresses that can be held.
fn held(instance: &Instance, left_out: &mut Vec<LeftOut>) -> Instance {
    let mut instance = instance.clone();
    instance.excluded_addresses.retain(|address| {
        if address.address.is_ipv6() {
            let what = format!("virtual address {} of vrrp_instance {}", address.address, instance.name);
            left_out.push(LeftOut { what, why: "it is not held: this version holds IPv4 addresses only" });
        }
        address.address.is_ipv4()
    });
    instance
}

fn with_services(
    grouped: &GroupedServer,
    group: Option<&VirtualServerGroup>,
    index: usize,
    taken: &mut BTreeSet<Service>,
) -> Result<VirtualServer, &'static str> {
    let group = group.filter(|group| !group.entries.is_empty()).ok_or("the group has no address")?;
    let like = &grouped.like;
    let mut services = Vec::new();
    for entry in &group.entries {
        let entry = match *entry {
            GroupEntry::Fwmark { mark, ipv6: None } => {
                GroupEntry::Fwmark { mark, ipv6: Some(like.service.is_ipv6()) }
            }
            entry => entry,
        };
        let new = entry.services(grouped.protocol).filter(|service| !taken.contains(service));
        services.extend(new.take(SERVICES + 1 - services.len()));
        if services.len() > SERVICES {
            return Err("the group has more than 65536 addresses");
        }
    }
    // The first says of which protocol the real servers are: a mark has none.
    services.sort_unstable_by_key(|service| (matches!(service, Service::Fwmark { .. }), *service));
    services.dedup();
    let tunnel =
        |forwarding| matches!(forwarding, Forwarding::Gre { .. } | Forwarding::Gue { .. } | Forwarding::Ipip);
    let reals = like.real_servers.iter().map(|real| (real.address, real.forwarding));
    let mut servers = reals.chain(like.sorry_server.map(|sorry| (sorry.address, sorry.forwarding)));
    let reached = |service: &Service, address: std::net::SocketAddr, forwarding| {
        address.is_ipv6() == service.is_ipv6() || tunnel(forwarding)
    };
    let all = servers
        .all(|(address, forwarding)| services.iter().all(|service| reached(service, address, forwarding)));
    if !all {
        return Err("its group has addresses of a family that its real servers do not have");
    }
    taken.extend(services.iter().copied());
    let (first, others) =
        services.split_first().ok_or("another virtual server has all addresses of the group")?;
    let group = ServiceGroup { name: grouped.group.clone(), index, others: others.to_vec() };
    Ok(VirtualServer { service: *first, group: Some(group), ..like.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};
    use std::path::Path;

    fn run(text: &str) -> Runnable {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        runnable(&loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    const REAL: &str = "lb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n";

    #[test]
    fn a_group_is_its_services() {
        let text = format!(
            "virtual_server_group WEB {{\n10.0.0.1-2 80\n10.0.0.9 443\nfwmark 5\n}}\n\
             virtual_server group WEB {{\n{REAL}}}\n"
        );
        let result = run(&text);
        let [server] = result.virtual_servers.as_slice() else { panic!("{result:?}") };
        let names: Vec<String> = server.services().map(|service| service.to_string()).collect();
        assert_eq!(names, ["[10.0.0.1]:tcp:80", "[10.0.0.2]:tcp:80", "[10.0.0.9]:tcp:443", "FWM 5"]);
        assert_eq!(server.name().to_string(), "[WEB]:0");
        assert_eq!(result.left_out, []);
    }

    #[test]
    fn a_service_belongs_to_one() {
        let group = "virtual_server_group A {\n10.0.0.1 80\n}\nvirtual_server_group B {\n10.0.0.0/8 80\n}\n";
        let text = format!(
            "{group}virtual_server 10.0.0.1 80 {{\n{REAL}}}\nvirtual_server group A {{\n{REAL}}}\n\
             virtual_server group B {{\n{REAL}}}\n"
        );
        let result = run(&text);
        assert_eq!(result.virtual_servers.len(), 1);
        let reasons: Vec<String> = result.left_out.iter().map(LeftOut::to_string).collect();
        assert_eq!(
            reasons,
            [
                "virtual_server group A: another virtual server has all addresses of the group",
                "virtual_server group B: the group has more than 65536 addresses"
            ]
        );
    }

    #[test]
    fn what_this_version_cannot_run_is_named() {
        let text = "vrrp_instance SIX {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\nfe80::1\n}\n}\n\
             vrrp_instance TWO {\ninterface eth0\nvirtual_router_id 2\nvirtual_ipaddress {\n10.0.0.1\n}\n\
             virtual_ipaddress_excluded {\n2001:db8::1\n10.0.0.2\n}\n}\n";
        let result = run(text);
        assert_eq!(result.summary(), "1 instance and 0 virtual servers");
        assert_eq!(result.instances[0].excluded_addresses.len(), 1);
        let whats: Vec<&str> = result.left_out.iter().map(|one| &*one.what).collect();
        assert_eq!(whats, ["vrrp_instance SIX", "virtual address 2001:db8::1 of vrrp_instance TWO"]);
    }
}
