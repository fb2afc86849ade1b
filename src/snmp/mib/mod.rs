//! Which objects there are: the configuration and the state as rows of the MIBs.
//!
//! In: the model, what runs of it, what the daemon knows of its state. Out: tables. What of keepalived's MIB has no
//! counterpart here is left out; `docs/compat.md` lists it.

mod addresses;
mod checks;
pub mod counters;
mod general;
mod instances;
pub mod rfc2787;
pub mod rfc6527;
mod routes;
mod rules;
pub mod standings;
pub mod state;
mod tracked;
mod traps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{
    Command, Instance, InterfaceName, Model, OutsideView, Statics, SyncGroup, TrackScript, TrackWeight,
    VirtualAddress, VirtualServer,
};

use super::oid::Oid;
use super::table::Table;
use super::value::Value;

pub use traps::{Became, group_trap, instance_trap};

/// KEEPALIVED-MIB.
pub const KEEPALIVED: [u32; 9] = [1, 3, 6, 1, 4, 1, 9586, 100, 5];
const GENERAL: u32 = 1;
const VRRP: u32 = 2;
const CHECK: u32 = 3;

/// The name of an object of KEEPALIVED-MIB.
fn keepalived(more: &[u32]) -> Oid {
    Oid::new(&KEEPALIVED).with(more)
}

/// The entries of a table of its part on VRRP.
fn vrrp(table: u32) -> Oid {
    keepalived(&[VRRP, table, 1])
}

/// Which parts are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// `enable_snmp_vrrp`, `enable_snmp_keepalived`.
    pub vrrp: bool,
    /// `enable_snmp_checker`.
    pub checks: bool,
    /// `enable_snmp_rfcv2`.
    pub version2: bool,
    /// `enable_snmp_rfcv3`.
    pub version3: bool,
    /// `enable_traps`.
    pub traps: bool,
}

impl Parts {
    /// Those of a configuration; `all`: the option `-x`, which asks for all of them.
    #[must_use]
    pub fn of(model: &Model, all: bool) -> Self {
        let asked = |view: OutsideView| model.globals.outside.enabled.contains(&view);
        let rfc = asked(OutsideView::SnmpRfc);
        Self {
            vrrp: all || asked(OutsideView::SnmpVrrp) || asked(OutsideView::SnmpKeepalived),
            checks: all || asked(OutsideView::SnmpChecker),
            version2: all || rfc || asked(OutsideView::SnmpRfcV2),
            version3: all || rfc || asked(OutsideView::SnmpRfcV3),
            traps: asked(OutsideView::Traps),
        }
    }

    /// Whether anything is served.
    #[must_use]
    pub fn any(self) -> bool {
        self.vrrp || self.checks || self.version2 || self.version3
    }

    /// What all names begin with.
    #[must_use]
    pub fn subtrees(self) -> Vec<Oid> {
        let mut subtrees = Vec::new();
        if self.vrrp || self.checks {
            subtrees.push(keepalived(&[GENERAL]));
        }
        if self.vrrp {
            subtrees.push(keepalived(&[VRRP]));
        }
        if self.checks {
            subtrees.push(keepalived(&[CHECK]));
        }
        if self.version2 {
            subtrees.push(rfc2787::subtree());
        }
        if self.version3 {
            subtrees.push(rfc6527::subtree());
        }
        subtrees
    }
}

/// What is to be known of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its number; 0: it does not exist.
    pub index: u32,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
}

/// What a question must begin with to be about counters of virtual servers, and about those of real servers.
#[must_use]
pub fn counted() -> [Oid; 2] {
    [checks::check(checks::SERVICES), checks::check(checks::SERVERS)]
}

/// What the objects are made of that do not change but by a reload.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// The whole configuration.
    pub model: &'a Model,
    /// The instances that run.
    pub instances: &'a [Instance],
    /// Their groups.
    pub groups: &'a [SyncGroup],
    /// Static addresses, routes and rules.
    pub statics: &'a Statics,
    /// The virtual servers that run.
    pub servers: &'a [Arc<VirtualServer>],
    /// The interfaces that are named.
    pub interfaces: &'a BTreeMap<InterfaceName, Interface>,
    /// `router_id`, or the name of the host.
    pub router_id: &'a str,
    /// The name of the host.
    pub host: &'a str,
    /// The network namespace; empty: that of the host.
    pub namespace: &'a str,
    /// What is served.
    pub parts: Parts,
}

impl Configured<'_> {
    /// All tables.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        if self.parts.vrrp || self.parts.checks {
            general::tables(self, &mut tables);
        }
        if self.parts.vrrp {
            instances::tables(self, &mut tables);
            tracked::tables(self, &mut tables);
            addresses::tables(self, &mut tables);
            routes::tables(self, &mut tables);
            rules::tables(self, &mut tables);
        }
        if self.parts.checks {
            checks::tables(self, &mut tables);
        }
        if self.parts.version2 {
            rfc2787::configured(self, &mut tables);
        }
        if self.parts.version3 {
            rfc6527::configured(self, &mut tables);
        }
        tables
    }

    fn interface(&self, name: &InterfaceName) -> Option<u32> {
        self.interfaces.get(name).map(|interface| interface.index).filter(|index| *index > 0)
    }

    /// The scripts that somebody tracks: keepalived forgets the others.
    fn scripts(&self) -> impl Iterator<Item = &TrackScript> {
        let of_instances = self.instances.iter().map(|instance| &instance.tracking);
        let all = of_instances.chain(self.groups.iter().map(|group| &group.tracking));
        let names: BTreeSet<&str> = all.flat_map(|one| &one.scripts).map(|one| one.name.as_str()).collect();
        self.model.scripts.iter().filter(move |script| names.contains(script.name.as_str()))
    }

    /// Each instance with its number.
    fn numbered(&self) -> impl Iterator<Item = (u32, &Instance)> {
        (1..).zip(self.instances)
    }
}

/// The values of one row, by their columns.
#[derive(Debug, Default)]
struct Cells(Vec<(u32, Value)>);

impl Cells {
    fn put(&mut self, column: u32, value: Value) {
        self.0.push((column, value));
    }

    fn maybe(&mut self, column: u32, value: Option<Value>) {
        self.0.extend(value.map(|value| (column, value)));
    }

    fn command(&mut self, column: u32, command: Option<&Command>) {
        let words = command.filter(|command| !command.arguments.is_empty());
        self.maybe(column, words.map(|command| Value::text(line(command))));
    }

    fn weight(&mut self, weight: u32, reverse: u32, of: TrackWeight) {
        self.put(weight, Value::Integer(of.number.into()));
        self.put(reverse, Value::truth(of.reverse));
    }
}

/// A command as one line, as keepalived shows it: each word in quotes.
fn line(command: &Command) -> String {
    let words: Vec<String> = command.arguments.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}

fn hundredths(time: Duration) -> Value {
    Value::gauge(time.as_millis() / 10)
}

/// InetScopeType (RFC 4001) of a scope of rtnetlink.
fn scope(number: u32) -> Value {
    Value::Integer(match number {
        0 => 14,
        200 => 5,
        253 => 2,
        254 => 1,
        _ => 0,
    })
}

/// Whether the adverts name it.
fn is_advertised(instance: &Instance, address: &VirtualAddress) -> bool {
    instance.addresses.iter().any(|one| std::ptr::eq(one, address))
}

/// Numbers from 1 on, as indices.
fn numbers<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = (u32, T)> {
    (1..).zip(items)
}

#[cfg(test)]
mod tests;
