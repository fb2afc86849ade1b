//! The files of both nodes: what must be equal in them, and is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::places::InstancePlaces;
use super::tracking::{self, Weights};
use super::{Lints, Places, lint_at};
use crate::config::diagnostic::{Code, Diagnostic, Severity};
use crate::config::model::{
    Authentication, Destination, InitialState, Instance, InterfaceName, Model, Preempt, Unicast, Version,
    Vrid,
};
use crate::config::source::Sources;

pub(super) fn lint(lints: &mut Lints<'_>, own: (&Model, &Places), peer: (&Model, &Places, &Sources)) {
    let (model, places) = own;
    let (other_model, other_places, sources) = peer;
    let mut met: BTreeSet<&str> = BTreeSet::new();
    let others = Others::new(&other_model.instances);
    for instance in &model.instances {
        let Some(place) = places.instances.get(&instance.name) else { continue };
        let Some(other) = others.counterpart(instance) else {
            lints.report(
                lint_at(
                    Code::PeerMissing,
                    place.of(""),
                    format!("the other node has no instance like {}", instance.name),
                )
                .consequence("nobody takes its addresses over"),
            );
            continue;
        };
        met.insert(&other.name);
        let other_place = other_places.instances.get(&other.name);
        let mut pair = Pair { lints, instance, other, place, other_place, sources };
        pair.compare();
        let none = Weights::new();
        let weighted = other_place.map_or(&none, |place| &place.weighted);
        tracking::compare(lints, (instance, &place.weighted), (other, weighted));
    }
    for other in other_model.instances.iter().filter(|other| !met.contains(other.name.as_str())) {
        let message = format!("the instance {} of the other node is missing here", other.name);
        lints.report(
            Diagnostic::new(Code::PeerMissing, Severity::Lint, None, message)
                .consequence("nobody takes its addresses over"),
        );
    }
}

/// The instances of the other node, by what they may be recognised by.
struct Others<'a> {
    instances: &'a [Instance],
    by_name: BTreeMap<&'a str, usize>,
    by_address: BTreeMap<IpAddr, Vec<usize>>,
    by_router: BTreeMap<(Vrid, Option<&'a InterfaceName>), usize>,
}

impl<'a> Others<'a> {
    fn new(instances: &'a [Instance]) -> Self {
        let empty = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (by_name, by_address, by_router) = empty;
        let mut others = Self { instances, by_name, by_address, by_router };
        for (index, instance) in instances.iter().enumerate() {
            others.by_name.entry(&instance.name).or_insert(index);
            others.by_router.entry((instance.vrid, instance.interface.as_ref())).or_insert(index);
            for address in addresses_of(instance) {
                others.by_address.entry(address).or_default().push(index);
            }
        }
        others
    }

    /// The instance that was meant to be the same virtual router: whatever differs, the rest tells.
    fn counterpart(&self, one: &Instance) -> Option<&'a Instance> {
        let named = self.by_name.get(one.name.as_str()).copied();
        let sharing =
            addresses_of(one).filter_map(|address| self.by_address.get(&address)).flatten().copied();
        let sharing: BTreeSet<usize> = sharing.collect();
        let alike = sharing.iter().copied().chain(named);
        let same_number =
            alike.filter(|index| self.instances.get(*index).is_some_and(|it| it.vrid == one.vrid));
        let router = || self.by_router.get(&(one.vrid, one.interface.as_ref())).copied();
        let index = same_number.min().or(named).or(sharing.first().copied()).or_else(router)?;
        self.instances.get(index)
    }
}

fn addresses_of(instance: &Instance) -> impl Iterator<Item = IpAddr> {
    instance.addresses.iter().map(|address| address.address)
}

fn addresses(instance: &Instance) -> BTreeSet<IpAddr> {
    addresses_of(instance).collect()
}

/// What comes of a difference.
#[derive(Clone, Copy)]
enum Effect {
    /// Both nodes are masters for certain; why.
    Split(&'static str),
    /// Something else.
    Other(&'static str),
}

struct Pair<'a, 'b> {
    lints: &'a mut Lints<'b>,
    instance: &'a Instance,
    other: &'a Instance,
    place: &'a InstancePlaces,
    other_place: Option<&'a InstancePlaces>,
    sources: &'a Sources,
}

impl Pair<'_, '_> {
    fn compare(&mut self) {
        let (one, other) = (self.instance, self.other);
        if one.vrid != other.vrid {
            let values = (one.vrid.number().to_string(), other.vrid.number().to_string());
            self.differs(
                Code::PeerVrid,
                "virtual_router_id",
                "virtual router id",
                values,
                Effect::Split("each node is the only router of its id"),
            );
        }
        if one.version != other.version {
            let values = (version(one).to_owned(), version(other).to_owned());
            let effect = Effect::Split("each node drops the adverts of the other");
            self.differs(Code::PeerVersion, "version", "VRRP version", values, effect);
        }
        if one.authentication != other.authentication {
            let kind = |instance: &Instance| match (&instance.authentication, &one.authentication) {
                (Authentication::None, _) => "none".to_owned(),
                (_, Authentication::None) => "a password".to_owned(),
                _ => "another password".to_owned(),
            };
            let mine = if one.authentication == Authentication::None { "none" } else { "a password" };
            let values = (mine.to_owned(), kind(other));
            let effect = Effect::Split("each node drops the adverts of the other");
            self.differs(Code::PeerAuthentication, "authentication", "authentication", values, effect);
        }
        let (mine, theirs) = (addresses(one), addresses(other));
        if mine != theirs {
            let only = |set: BTreeSet<IpAddr>, node: &str| {
                let list: Vec<String> = set.iter().map(ToString::to_string).collect();
                (!list.is_empty()).then(|| format!("{} only {node}", list.join(", ")))
            };
            let sides = [only(&mine - &theirs, "here"), only(&theirs - &mine, "there")];
            let sides: Vec<String> = sides.into_iter().flatten().collect();
            let message = format!("the nodes have different virtual addresses: {}", sides.join(", "));
            let effect = Effect::Other("adverts are refused for it, or an address is gone after a takeover");
            self.say(Code::PeerAddresses, "virtual_ipaddress", message, effect);
        }
        if one.advert_interval != other.advert_interval {
            let values = (seconds(one), seconds(other));
            let effect = match one.version {
                Version::V2 => Effect::Split("version 2 drops adverts of another interval"),
                Version::V3 => Effect::Other("the time until a takeover depends on which node is master"),
            };
            self.differs(Code::PeerInterval, "advert_int", "advert interval", values, effect);
        }
        if one.unicast().is_some() != other.unicast().is_some() {
            let kind = |one: &Instance| if one.unicast().is_none() { "multicast" } else { "unicast" };
            let values = (kind(one).to_owned(), kind(other).to_owned());
            let effect = Effect::Split("a node does not hear the other");
            self.differs(Code::PeerTransport, "unicast_peer", "way of adverts", values, effect);
        }
        self.reach();
        self.priorities();
    }

    /// Whether the adverts of each node go where the other one listens.
    fn reach(&mut self) {
        let (one, other) = (self.instance, self.other);
        match (&one.transport.to, &other.transport.to) {
            (Destination::Multicast(mine), Destination::Multicast(theirs)) if mine != theirs => {
                let values = (mine.to_string(), theirs.to_string());
                let effect = Effect::Split("each node sends to a group that the other does not listen to");
                self.differs(Code::PeerTransport, "mcast_dst_ip", "multicast group", values, effect);
            }
            (Destination::Unicast(mine), Destination::Unicast(theirs)) => {
                let unheard = |to: &Unicast, of: &Instance| {
                    let source = of.transport.source?;
                    let named = to.peers.iter().any(|peer| peer.address == source);
                    (!named).then_some(source)
                };
                if let Some(source) = unheard(mine, other) {
                    let message = format!("the other node, {source}, is not among the peers here");
                    let effect = Effect::Split("this node sends it nothing");
                    self.say(Code::PeerTransport, "unicast_peer", message, effect);
                }
                if let Some(source) = unheard(theirs, one) {
                    let message = format!("this node, {source}, is not among the peers of the other");
                    let effect = Effect::Split("the other node sends nothing here");
                    self.say(Code::PeerTransport, "unicast_peer", message, effect);
                }
            }
            _ => {}
        }
    }

    /// Equal priorities are meant only where nobody is to be the master in particular.
    fn priorities(&mut self) {
        let (one, other) = (self.instance, self.other);
        let master = |instance: &Instance| instance.initial_state == InitialState::Master;
        if one.priority != other.priority {
            let lower_master = |one: &Instance, other: &Instance| {
                master(one) && !master(other) && one.priority < other.priority
            };
            let which = match (lower_master(one, other), lower_master(other, one)) {
                (true, _) => "this node",
                (_, true) => "the other node",
                _ => return,
            };
            let (mine, theirs) = (one.priority.number(), other.priority.number());
            let word = if self.place.of("priority") == self.place.of("") { "state" } else { "priority" };
            let message = format!(
                "{which} is to be the MASTER, and has the lower priority: {mine} here, {theirs} there"
            );
            let preempts = if which == "this node" { other } else { one };
            self.lints.report(
                lint_at(Code::PeerPriority, self.place.of(word), message)
                    .label(self.place_of_other("priority"))
                    .consequence(match preempts.preempt {
                        Preempt::Never => "it stays master only until it fails once, and does not come back",
                        _ => "the other one takes over as soon as it hears it",
                    })
                    .help("give the MASTER the higher priority, or swap the states"),
            );
            return;
        }
        if !(master(one) || master(other)) {
            return;
        }
        let number = one.priority.number();
        let message = match master(one) && master(other) {
            true => format!("both nodes are MASTER with priority {number}"),
            false => format!("both nodes have priority {number}, and one is to be the MASTER"),
        };
        let word = if self.place.of("priority") == self.place.of("") { "state" } else { "priority" };
        self.lints.report(
            lint_at(Code::PeerPriority, self.place.of(word), message)
                .label(self.place_of_other("priority"))
                .consequence("the node with the higher address wins; both send adverts until that is settled")
                .help("give the node that is to be the backup a lower priority"),
        );
    }

    fn differs(&mut self, code: Code, word: &str, what: &str, values: (String, String), effect: Effect) {
        let (mine, theirs) = values;
        let message = format!("the other node has another {what}: {mine} here, {theirs} there");
        self.say(code, word, message, effect);
    }

    fn say(&mut self, code: Code, word: &str, message: String, effect: Effect) {
        // Two masters for certain are no matter of taste.
        let (severity, consequence) = match effect {
            Effect::Split(why) => (Severity::Error, format!("{why}: both are masters")),
            Effect::Other(what) => (Severity::Lint, what.to_owned()),
        };
        let diagnostic = Diagnostic::new(code, severity, Some(self.place.of(word)), message);
        self.lints.report(
            diagnostic
                .label(self.place_of_other(word))
                .consequence(consequence)
                .help("write the same in both files"),
        );
    }

    /// `the other one is at lvs2.conf:7`.
    fn place_of_other(&self, word: &str) -> String {
        self.other_place.map_or_else(String::new, |place| {
            let position = self.sources.position(place.of(word));
            format!("the other one is at {}:{}", position.file, position.line)
        })
    }
}

fn version(instance: &Instance) -> &'static str {
    match instance.version {
        Version::V2 => "2",
        Version::V3 => "3",
    }
}

fn seconds(instance: &Instance) -> String {
    format!("{} s", instance.advert_interval.duration().as_secs_f64())
}
