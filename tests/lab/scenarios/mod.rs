//! The scenarios, one file each; a name here, what it shows in one sentence, and what it needs.

use std::time::Duration;

use crate::lab::Lab;

mod accept;
mod answers;
mod bench;
mod beside;
mod bfd;
mod by_hand;
mod checkers;
mod dbus;
mod demo;
mod drift;
mod dumps;
mod failover;
mod faults;
mod forwarding;
mod frr;
mod genhash_equal;
mod groups;
mod guard;
mod handover;
mod includes;
mod interop;
mod ipvsadm;
mod json;
mod keep;
mod kernel;
mod kill9;
mod lateness;
mod mails;
mod manners;
mod misc;
mod module;
mod namespaces;
mod objects;
mod pages;
mod pairs;
mod processes;
mod protocols;
mod refusals;
mod reload;
mod restart;
mod scripts;
mod seed_http_dr;
mod seed_mysql_dr;
mod servers_told;
mod snmp;
mod split;
mod start;
mod sync_daemon;
mod sync_group;
mod systemd;
mod two_masters;
mod urls;
mod verified;
mod vmac;
mod wire_equal;
mod worst;

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub says: &'static str,
    pub needs: Needs,
    /// Programs beyond those every scenario needs, with their packages.
    pub extra: &'static [(&'static str, &'static str)],
    /// Memory of its machine in MiB.
    pub memory: u32,
    /// Wall clock after which it has failed.
    pub limit: Duration,
    /// Only when named on the command line.
    pub on_request: bool,
    /// systemd is the machine's first process.
    pub systemd: bool,
    pub run: fn(&Lab),
}

/// Which program has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The program under test, whichever that is.
    Program,
    /// directord: nothing else promises this.
    Directord,
}

impl Scenario {
    const fn new(name: &'static str, says: &'static str, run: fn(&Lab)) -> Self {
        Self {
            name,
            says,
            needs: Needs::Program,
            extra: &[],
            memory: 512,
            limit: Duration::from_secs(180),
            on_request: false,
            systemd: false,
            run,
        }
    }

    const fn directord(name: &'static str, says: &'static str, run: fn(&Lab)) -> Self {
        Self { needs: Needs::Directord, ..Self::new(name, says, run) }
    }
}

/// In the order they are run: the long ones first, so that two machines at a time end together.
pub fn all() -> Vec<Scenario> {
    let files = [
        bfd::SCENARIOS,
        reload::SCENARIOS,
        restart::SCENARIOS,
        accept::SCENARIOS,
        processes::SCENARIOS,
        protocols::SCENARIOS,
        scripts::SCENARIOS,
        servers_told::SCENARIOS,
        sync_daemon::SCENARIOS,
        pages::SCENARIOS,
        pairs::SCENARIOS,
        sync_group::SCENARIOS,
        dumps::SCENARIOS,
        answers::SCENARIOS,
        mails::SCENARIOS,
        manners::SCENARIOS,
        wire_equal::SCENARIOS,
        seed_mysql_dr::SCENARIOS,
        interop::SCENARIOS,
        ipvsadm::SCENARIOS,
        seed_http_dr::SCENARIOS,
        by_hand::SCENARIOS,
        keep::SCENARIOS,
        kernel::SCENARIOS,
        kill9::SCENARIOS,
        lateness::SCENARIOS,
        forwarding::SCENARIOS,
        frr::SCENARIOS,
        failover::SCENARIOS,
        faults::SCENARIOS,
        drift::SCENARIOS,
        groups::SCENARIOS,
        guard::SCENARIOS,
        handover::SCENARIOS,
        snmp::SCENARIOS,
        dbus::SCENARIOS,
        checkers::SCENARIOS,
        misc::SCENARIOS,
        module::SCENARIOS,
        namespaces::SCENARIOS,
        objects::SCENARIOS,
        split::SCENARIOS,
        two_masters::SCENARIOS,
        urls::SCENARIOS,
        verified::SCENARIOS,
        systemd::SCENARIOS,
        vmac::SCENARIOS,
        start::SCENARIOS,
        includes::SCENARIOS,
        beside::SCENARIOS,
        json::SCENARIOS,
        refusals::SCENARIOS,
        genhash_equal::SCENARIOS,
        worst::SCENARIOS,
        demo::SCENARIOS,
        bench::SCENARIOS,
    ];
    files.into_iter().flatten().copied().collect()
}
