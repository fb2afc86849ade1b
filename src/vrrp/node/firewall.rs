//! Whose traffic is dropped: the addresses of masters that accept none.
//!
//! An address comes when its traffic is dropped, and that ends when it has gone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::model::{Family, Instance};
use crate::net::firewall::{Batch, Element, Interface, News, Plan};
use crate::net::object::Key;
use crate::report::errno_text;
use crate::vrrp::event::Event;

use super::{Action, Id, Node, Phase, Running};

impl Node {
    /// Works out anew whose traffic is dropped, when something has changed, and asks for it.
    pub(super) fn filter(&mut self, now: Instant, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.refilter) {
            let (plan, keys) = self.dropped_now();
            let elements = keys.iter().filter_map(|key| self.element(key)).collect();
            self.dropped = keys;
            self.firewall.want(plan, elements);
            self.cover();
        }
        // Addresses that an earlier process left go before the table.
        let clear = self.phase != Phase::Clearing;
        out.extend(self.firewall.batch(now, clear).map(Action::Filter));
    }

    /// The table, and the addresses.
    fn dropped_now(&self) -> (Option<Plan>, BTreeSet<Key>) {
        let (mut families, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for running in self.instances.values() {
            let config = running.machine.config();
            if !drops(config) {
                continue;
            }
            if self.phase != Phase::Stopping {
                families.extend(config.all_addresses().map(|address| Family::of(address.address)));
            }
            // What was refused is tried again from time to time, with the addresses that it needs.
            // Without them the kernel would take a table that it refuses, and refuse it again.
            let tried = self.firewall.refused().is_some()
                || running.objects.keys().any(|key| self.objects.refused(key).is_some());
            let comes = |key: &Key| running.held || tried || self.leaves(key);
            let addresses = running.objects.keys().filter(|key| matches!(key, Key::Address { .. }));
            keys.extend(addresses.filter(|key| comes(key)).cloned());
        }
        keys.extend(self.dropped.iter().filter(|key| self.leaves(key)).cloned());
        families.extend(keys.iter().filter_map(family));
        let plan = (!families.is_empty()).then(|| Plan { filter: self.packet_filter.clone(), families });
        (plan, keys)
    }

    /// Whether it is still here, or may come yet, although nobody wants it.
    fn leaves(&self, key: &Key) -> bool {
        let unwanted = self.objects.wanted(key).is_none() && !self.objects.is_hosts(key);
        unwanted && (self.kernel.object(key).is_some() || self.objects.is_under_way(key))
    }

    pub(super) fn element(&self, key: &Key) -> Option<Element> {
        let Key::Address { index, address, .. } = *key else { return None };
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        let interface = match (link_local, self.packet_filter.by_index) {
            (false, _) => None,
            (true, true) => Some(Interface::Index(index)),
            (true, false) => Some(Interface::Name(self.kernel.link(index)?.name.clone())),
        };
        Some(Element { address, interface })
    }

    /// Whether `key` has to wait until traffic of the addresses is dropped: an address, and what may need it. What is there
    /// stays.
    pub(super) fn waits_for_filter(&self, running: &Running, key: &Key) -> bool {
        drops(running.machine.config()) && !running.covered && self.objects.wanted(key).is_none()
    }

    /// Works out anew of which masters all traffic is dropped; what has waited for that comes.
    fn cover(&mut self) {
        let mut coming = Vec::new();
        let leads = |running: &Running| running.held && drops(running.machine.config());
        for (id, running) in self.instances.iter().filter(|(_, running)| leads(running)) {
            let mut elements = running.objects.keys().filter_map(|key| self.element(key));
            let covered = elements.all(|element| self.firewall.drops(&element));
            if covered != running.covered {
                coming.push((*id, covered, running.objects.keys().cloned().collect::<Vec<Key>>()));
            }
        }
        for (id, covered, mut keys) in coming {
            if let Some(running) = self.instances.get_mut(&id) {
                running.covered = covered;
            }
            keys.retain(|key| self.objects.wanted(key).is_none());
            self.want(keys);
        }
    }

    /// Takes the kernel's answer in.
    pub(super) fn filtered(&mut self, now: Instant, batch: Batch, errno: i32, out: &mut Vec<Action>) {
        match self.firewall.answered(now, batch, errno) {
            News::None => {}
            News::Refused | News::Taken => {
                let concerned = self.instances.iter().filter(|(_, one)| drops(one.machine.config()));
                self.touched.extend(concerned.map(|(id, _)| *id));
            }
            News::Altered => {
                let object = self.firewall.plan().map(ToString::to_string).unwrap_or_default();
                if let Some(suppressed) = self.refiltered.allow(now, ()) {
                    self.report(None, Event::Restored { object, suppressed }, out);
                }
            }
        }
    }

    /// The table when the kernel does not make it, and why.
    pub(super) fn filter_refusal(&self, id: Id) -> Option<(String, String)> {
        let config = self.instances.get(&id)?.machine.config();
        let errno = self.firewall.refused().filter(|_| drops(config))?;
        let why = match errno {
            libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT => {
                "this kernel has no nf_tables for them, so traffic to the virtual addresses is not dropped: load the module \
                 nf_tables, or delete `no_accept` (with `vrrp_strict` the firewall words)"
                    .to_owned()
            }
            errno => errno_text(errno),
        };
        Some((self.firewall.plan()?.to_string(), why))
    }
}

/// Whether traffic to and from its addresses is dropped.
pub(super) fn drops(config: &Instance) -> bool {
    config.accept == Some(false)
}

fn family(key: &Key) -> Option<Family> {
    match key {
        Key::Address { address, .. } => Some(Family::of(*address)),
        Key::Link(_) | Key::Route(_) | Key::Rule(_) => None,
    }
}
