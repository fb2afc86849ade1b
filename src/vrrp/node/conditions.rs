//! What each instance sees of the kernel and of its sockets.

use std::net::IpAddr;
use std::time::Instant;

use crate::config::model::{Family, Instance, InterfaceName};
use crate::net::object::{ADDRESS_PROTOCOL, Object, Operation};
use crate::report::errno_text;
use crate::track::{Carrier, Conditions, Link, carriers, faults};
use crate::vrrp::instance;

use super::sockets::{Endpoint, State};
use super::{Action, Id, Node};

impl Node {
    /// Tells an instance the present conditions, when they differ from what it was told.
    pub(super) fn follow(&mut self, now: Instant, id: Id, out: &mut Vec<Action>) {
        self.resolve(id, out);
        let Some(running) = self.instances.get(&id) else { return };
        let config = running.machine.config();
        let (mut conditions, endpoint) = self.conditions(config);
        conditions.refused = self.refusals(id);
        let old = running.endpoint.clone();
        let mut opening = false;
        if let Some(endpoint) = &endpoint {
            match self.sockets.attach(id, endpoint) {
                State::Open => {}
                State::Opening => opening = true,
                State::Failed { why, .. } => conditions.deaf = Some(why.clone()),
            }
        }
        let Some(running) = self.instances.get_mut(&id) else { return };
        if opening && faults(running.machine.config(), &conditions).is_empty() {
            // The answer comes soon and decides. What it has stays until then.
            return self.sockets.keep(id, &old.iter().chain(&endpoint).collect::<Vec<_>>());
        }
        // A master that loses its last address still says so through the sockets it has.
        if endpoint.is_some() {
            running.endpoint.clone_from(&endpoint);
        }
        if running.told.as_ref() != Some(&conditions) {
            running.told = Some(conditions.clone());
            self.feed(now, id, instance::Input::Conditions(conditions), out);
        }
        self.sockets.keep(id, &endpoint.iter().collect::<Vec<_>>());
        if let Some(running) = self.instances.get_mut(&id) {
            running.endpoint = endpoint;
        }
    }

    /// All but what the sockets and the kernel's refusals say; and the sockets that it needs.
    fn conditions(&self, config: &Instance) -> (Conditions, Option<Endpoint>) {
        let found = self.kernel.link_by_name(config.interface.as_str());
        let link = found.map(|(index, state)| {
            let (source, source_is_here) = self.source(config, index);
            let (up, multicast, loopback, mtu) = (state.up, state.multicast, state.loopback, state.mtu);
            Link { up, multicast, loopback, mtu, source, source_is_here }
        });
        let carrier = |name: InterfaceName| {
            let carrier = match self.kernel.link_by_name(name.as_str()) {
                None => Carrier::Missing,
                Some((_, state)) if !state.up => Carrier::Down,
                Some(_) => Carrier::Up,
            };
            (name, carrier)
        };
        let source = link.filter(|link| !link.loopback).and_then(|link| link.source);
        let endpoint = found.zip(source).map(|((index, _), source)| Endpoint::of(config, index, source));
        let carriers = carriers(config).into_iter().map(carrier).collect();
        (Conditions { link, carriers, ..Conditions::default() }, endpoint)
    }

    /// Where adverts go out from, and whether that is an address of this host: the configured one, else the first of
    /// the interface that is no virtual address.
    fn source(&self, config: &Instance, index: u32) -> (Option<IpAddr>, bool) {
        if let Some(configured) = config.transport.source {
            let here = self.kernel.has_address(&configured);
            // Who sends to peers hears their answers at this address; to a group it is a name only, and keepalived
            // ignores its loss unless `track_src_ip`.
            let needed = config.unicast().is_some() || config.transport.track_source;
            return ((here || !needed).then_some(configured), here);
        }
        let real = |object: &&Object| {
            let Object::Address(address) = object;
            let key = object.key();
            let of_family = match (config.family, address.address) {
                (Family::Ipv4, IpAddr::V4(_)) => true,
                (Family::Ipv6, IpAddr::V6(v6)) => v6.is_unicast_link_local(),
                _ => false,
            };
            let virtual_one = self.holders.contains_key(&key) || address.protocol == ADDRESS_PROTOCOL;
            of_family && (!virtual_one || self.objects.is_hosts(&key))
        };
        let address = |object: &Object| {
            let Object::Address(address) = object;
            address.address
        };
        let all = || self.kernel.objects_of(index).filter(real);
        let primary = all().find(|object| {
            let Object::Address(address) = object;
            !address.secondary
        });
        (primary.or_else(|| all().next()).map(address), true)
    }

    /// Objects of the instance that the kernel does not set, and why.
    fn refusals(&self, id: Id) -> std::collections::BTreeMap<String, String> {
        let keys = self.instances.get(&id).into_iter().flat_map(|running| running.objects.keys());
        let refused = |key| {
            let refused = self.objects.refused(key)?;
            let why = || match refused.errno {
                libc::ENOBUFS => {
                    "IPv4 is off there (the MTU is below 68, or the interface is going)".to_owned()
                }
                libc::EINVAL => {
                    "another address of the same network has another scope, or the values do not fit \
                                 together"
                        .to_owned()
                }
                libc::EACCES => "IPv6 is off there".to_owned(),
                errno => errno_text(errno),
            };
            matches!(refused.operation, Operation::Add(_)).then(|| (self.describe(key), why()))
        };
        keys.filter_map(refused).collect()
    }
}
