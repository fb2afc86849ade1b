//! A route, and what the kernel tells it by.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::config::model::{Encap, Net};

/// Main table.
pub(crate) const MAIN: u32 = 254;
/// Table of the addresses of this host.
pub(crate) const LOCAL: u32 = 255;
/// The metric that the kernel gives to an IPv6 route without one.
pub(crate) const IPV6_METRIC: u32 = 1024;
/// `RTN_UNICAST`: packets go to a hop.
pub(crate) const UNICAST: u8 = 1;
/// `RTN_BLACKHOLE` to `RTN_THROW`: packets go nowhere.
const NOWHERE: std::ops::RangeInclusive<u8> = 6..=9;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Number of its table.
    pub table: u32,
    /// Destination.
    pub to: IpAddr,
    /// Prefix length of the destination.
    pub prefix: u8,
    /// Only packets from there; IPv6.
    pub from: Option<Net>,
    /// Type of service.
    pub tos: u8,
    /// Metric, as the kernel counts it: 1024 of an IPv6 route that has none.
    pub metric: u32,
    /// `RTN_*`.
    pub kind: u8,
    /// rtnetlink scope; IPv4.
    pub scope: u8,
    /// Who set it: see [`super::object::PROTOCOL`].
    pub protocol: u8,
    /// Source of what this host sends.
    pub source: Option<IpAddr>,
    /// Where packets go; none, or the loopback, when they go nowhere.
    pub hops: Vec<Hop>,
    /// Values by their `RTAX_*`.
    pub metrics: BTreeMap<u16, u32>,
    /// Congestion control.
    pub congestion: Option<String>,
    /// It vanishes after this many seconds; IPv6.
    pub expires: Option<u32>,
    /// Preference as a router, 0 medium, 1 high, 3 low; IPv6.
    pub preference: Option<u8>,
    /// Whether the hop limit goes into labels of MPLS.
    pub propagate: Option<bool>,
    /// It goes behind those of the same destination and metric; IPv4.
    pub append: bool,
}

/// One hop of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// The gateway; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// Index of the interface; 0: the one that leads to the gateway.
    pub index: u32,
    /// Share of the packets less one.
    pub weight: u8,
    /// The gateway is on the link, whatever the addresses say.
    pub onlink: bool,
    /// What packets are wrapped in.
    pub encap: Option<Encap>,
    /// Realms, source in the upper half.
    pub realms: Option<u32>,
}

/// What the kernel tells routes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    /// Number of the table.
    pub table: u32,
    /// Destination.
    pub to: IpAddr,
    /// Prefix length of the destination.
    pub prefix: u8,
    /// Source; IPv6.
    pub from: Option<Net>,
    /// Type of service.
    pub tos: u8,
    /// Metric.
    pub metric: u32,
    /// Of IPv4 there may be several of one metric that differ in where they lead and in who set them; of IPv6 they are
    /// one route.
    pub start: Start,
    /// Who set it; 0 of IPv6.
    pub protocol: u8,
}

/// Where a route leads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// Nowhere, or it does not matter.
    Any,
    /// Onto this interface.
    Link(u32),
    /// To a gateway.
    Gateway(IpAddr),
}

impl Route {
    /// One of ours in the main table, of which nothing more is said.
    pub fn new(to: IpAddr, prefix: u8, hops: Vec<Hop>) -> Self {
        Self {
            table: MAIN,
            to,
            prefix,
            from: None,
            tos: 0,
            metric: if to.is_ipv4() { 0 } else { IPV6_METRIC },
            kind: UNICAST,
            scope: 0,
            protocol: super::object::PROTOCOL,
            source: None,
            hops,
            metrics: BTreeMap::new(),
            congestion: None,
            expires: None,
            preference: None,
            propagate: None,
            append: false,
        }
    }

    /// What the kernel tells it by.
    pub fn key(&self) -> RouteKey {
        let v4 = self.to.is_ipv4();
        let gateway = self.hops.first().and_then(|hop| hop.via);
        let start = match self.hops.first() {
            _ if !v4 || self.leads_nowhere() => Start::Any,
            Some(hop) => gateway.map_or(Start::Link(hop.index), Start::Gateway),
            None => Start::Any,
        };
        RouteKey {
            table: self.table,
            to: self.to,
            prefix: self.prefix,
            from: self.from,
            tos: self.tos,
            metric: self.metric,
            start,
            protocol: if v4 { self.protocol } else { 0 },
        }
    }

    fn leads_nowhere(&self) -> bool {
        NOWHERE.contains(&self.kind)
    }

    /// Whether the kernel's `actual` is what this asks for. Of IPv6 the hops of others may be there beside ours: to the
    /// kernel all are one route, which has the protocol of any of them.
    pub(super) fn is_met_by(&self, actual: &Self) -> bool {
        let hop = |(wanted, actual): (&Hop, &Hop)| {
            wanted.via == actual.via
                && (wanted.index == 0 || wanted.index == actual.index)
                && wanted.weight == actual.weight
                && (!wanted.onlink || actual.onlink)
                && wanted.encap == actual.encap
                && (wanted.realms.is_none() || wanted.realms == actual.realms)
        };
        let hops = || self.hops.len() == actual.hops.len() && self.hops.iter().zip(&actual.hops).all(hop);
        let among_others = || {
            let there = |wanted: &Hop| actual.hops.iter().any(|actual| hop((wanted, actual)));
            self.to.is_ipv6() && self.hops.len() < actual.hops.len() && self.hops.iter().all(there)
        };
        if !self.leads_nowhere() && among_others() {
            return self.kind == actual.kind;
        }
        let said = |wanted: bool, same: bool| !wanted || same;
        self.kind == actual.kind
            && (self.to.is_ipv6() || self.scope == actual.scope)
            && self.protocol == actual.protocol
            && (self.leads_nowhere() || hops())
            && self.source == actual.source
            && self.metrics == actual.metrics
            && self.congestion == actual.congestion
            && said(self.preference.is_some(), self.preference == actual.preference)
            && said(self.propagate.is_some(), self.propagate == actual.propagate)
    }
}

impl Route {
    /// What is to be asked of the kernel so that our part of this goes: a hop of IPv6 that somebody else has added stays.
    pub(crate) fn our_part(&self) -> Self {
        let protocol = if self.to.is_ipv6() { super::object::PROTOCOL } else { self.protocol };
        Self { protocol, ..self.clone() }
    }
}

impl RouteKey {
    /// Whether a route of `other` takes the place of one of this when it replaces it.
    pub(super) fn is_replaced_by(&self, other: &Self) -> bool {
        let anywhere = |key: &Self| Self { start: Start::Any, protocol: 0, ..*key };
        anywhere(self) == anywhere(other)
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix, self.to.is_ipv4()) {
            (0, true) => f.write_str("default")?,
            (0, false) => f.write_str("default of IPv6")?,
            _ => write!(f, "{}/{}", self.to, self.prefix)?,
        }
        if let Some(from) = self.from {
            write!(f, " from {}/{}", from.address, from.prefix)?;
        }
        if let Start::Gateway(via) = self.start {
            write!(f, " via {via}")?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#x}", self.tos)?;
        }
        if self.metric != 0 && (self.to.is_ipv4() || self.metric != IPV6_METRIC) {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}
