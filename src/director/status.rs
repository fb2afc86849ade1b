//! What is answered to `directord status`: the views of all parts, in the words of the answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use crate::check::Failure;
use crate::config::model::{Model, Preempt, VirtualServerName};
use crate::control::status::{
    Check, Configuration, Contribution, Instance, NotRunning, Server, Service, Session, Status,
};
use crate::pool::View;
use crate::sys::host;
use crate::vrrp::instance;

use super::Director;
use super::state::{Source, State};

/// Moments of the monotonic clock as those of the one on the wall.
struct Clock {
    now: Instant,
    shown: SystemTime,
}

impl Clock {
    fn show(&self, then: Instant) -> String {
        let then = self.shown.checked_sub(self.now.saturating_duration_since(then)).unwrap_or(self.shown);
        humantime::format_rfc3339_millis(then).to_string()
    }
}

impl Director {
    /// How everything stands.
    pub(super) fn status(&self) -> Status {
        let State { source, instances, sessions, not_running, refused, .. } = self.state();
        let Source { file, instead } = source;
        let model = &self.running.model;
        let clock = Clock { now: Instant::now(), shown: SystemTime::now() };
        let ipvs_namespace = self.options.namespaces.ipvs().map(|path| path.display().to_string());
        let sessions = sessions.into_iter().map(|session| Session {
            name: session.name,
            neighbour: session.neighbour,
            state: session.state.to_string(),
        });
        let not_running = not_running.into_iter().map(|one| NotRunning { what: one.what, why: one.why });
        Status {
            node: model.globals.router_id.clone().unwrap_or_else(host::name),
            pid: std::process::id(),
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            configuration: Configuration { file, instead, refused, ipvs_namespace },
            maintenance: self.maintenance.shown(),
            not_running: not_running.collect(),
            instances: instances.iter().map(|one| instance(one.clone(), model, &clock)).collect(),
            services: self.services(&clock),
            sessions: sessions.collect(),
        }
    }

    fn services(&self, clock: &Clock) -> Vec<Service> {
        let mut checks: BTreeMap<(&VirtualServerName, SocketAddr), Vec<Check>> = BTreeMap::new();
        for (key, view) in self.checks.views() {
            let passes = view.standing.is_up();
            checks.entry((&*key.service, key.server)).or_default().push(Check {
                kind: view.check.clone().into_owned(),
                passes,
                since: view.since.map(|since| clock.show(since)),
                why: why(view.why, view.rising),
                retries: view.retries,
            });
        }
        let mut services = Vec::new();
        for (name, View { quorum, up, keeps, servers }) in self.balancer.pools().views() {
            let shown = name.to_string();
            let servers = servers.into_iter().map(|(address, stands)| Server {
                address,
                up: stands.up,
                kept: stands.kept,
                weight: stands.weight,
                by_hand: self.words.shown(&shown, address),
                checks: checks.remove(&(name, address)).unwrap_or_default(),
            });
            let servers = servers.collect();
            services.push(Service { name: shown, quorum, up, keeps, servers });
        }
        services
    }
}

/// Why a check is not up: what failed last, and what has passed since.
fn why(failure: Option<Failure>, rising: Option<(u32, u32)>) -> Option<String> {
    let passed = rising.map(|(passes, rise)| format!("{passes} of {rise} runs passed"));
    match (failure, passed) {
        (Some(failure), Some(passed)) => Some(format!("{failure}; {passed} since")),
        (failure, passed) => failure.map(|failure| failure.to_string()).or(passed),
    }
}

fn instance(view: instance::Snapshot, model: &Model, clock: &Clock) -> Instance {
    let configured = model.instances.iter().find(|instance| instance.name == view.name);
    let group = model.sync_groups.iter().find(|group| group.members.contains(&view.name));
    let contributions = view.contributions.into_iter();
    Instance {
        group: group.map(|group| group.name.clone()),
        state: view.state.to_string(),
        since: view.since.map(|since| clock.show(since)),
        why: view.why.map(|why| why.to_string()),
        priority: view.priority,
        base: configured.map_or(view.priority, |instance| instance.priority.number()),
        contributions: contributions.map(|one| Contribution { what: one.what, by: one.by }).collect(),
        faults: view.faults.iter().map(ToString::to_string).collect(),
        missing: view.missing,
        hands_over: view.hands_over,
        master: view.master,
        master_priority: view.master.map(|_| view.times.master_priority),
        master_down: view.times.master_down.as_secs_f64(),
        preempts_after: configured.and_then(|instance| match instance.preempt {
            Preempt::After { delay } => Some(delay.as_secs_f64()),
            Preempt::Never => None,
        }),
        holds_back: view.holds_back,
        source: view.source,
        second_master: view.rival.map(|rival| rival.to_string()),
        two_masters: view.stats.two_masters,
        claims: view.stats.claims,
        name: view.name,
    }
}

#[cfg(test)]
mod tests {
    use crate::control::status::RESUMED;
    use crate::vrrp::event::Why;

    /// What the page for the terminal looks for.
    #[test]
    fn who_leads_on_after_a_restart_is_told_by_these_words() {
        assert_eq!(Why::Resumed.to_string(), RESUMED);
    }
}
