//! Two masters for a while: one host hears nothing of another, or neither hears the other. What a client believes afterwards.

use std::net::IpAddr;
use std::time::Duration;

use directord::config::model::Preempt;

use crate::lan::{Lan, Path};
use crate::scenario::{ROUTERS, group, longest_rest, verdict};

/// How long it lasts.
const SPLIT: Duration = Duration::from_secs(12);
/// After it, an address may lead to who does not have it for so long.
const MOST: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(1);

/// Two to four hosts at rest, one of which then hears nothing of the one that leads, or neither of the other, until that
/// ends: the clients hear all of them all the time. At the end they send to who leads, and each address was without service
/// for a tenth of a second at most. Nobody makes a storm of it, and whoever led is told, and counts it, but for a winner that
/// has heard nothing.
pub(crate) fn heals(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut configs = group(&mut random);
    for instance in configs.iter_mut().flatten() {
        // Who leads before leads after it.
        instance.preempt = Preempt::After { delay: Duration::ZERO };
    }
    let mut lan = Lan::new(configs, seed, trace);
    let router = usize::from(lan.hosts[0].config[0].vrid.number() - 51);
    let name = ROUTERS[router].0;
    (0..lan.hosts.len()).for_each(|host| lan.boot(host));
    let rest = longest_rest(&lan);
    let end = lan.now + rest;
    lan.run_until(end)?;
    let [leader] = lan.masters(name)[..] else {
        return Err(format!("masters of {name} at rest: {:?}", lan.masters(name)));
    };
    let deaf = (0..lan.hosts.len()).filter(|host| *host != leader);
    let deaf: Vec<usize> = deaf.collect();
    let deaf = deaf[random.usize(0..deaf.len())];
    let both_ways = random.bool();
    lan.say(|| format!("--- {deaf} does not hear {leader}, both ways: {both_ways}"));
    let sent = |lan: &Lan| lan.hosts.iter().map(|host| host.announcements).sum::<usize>();
    let before = sent(&lan);
    // All others are of one side, or of the other.
    for other in (0..lan.hosts.len()).filter(|host| *host != deaf) {
        let blocked = Path { blocked: true, ..Path::GOOD };
        lan.paths.insert((other, deaf), blocked);
        if both_ways {
            lan.paths.insert((deaf, other), blocked);
        }
    }
    let end = lan.now + SPLIT + Duration::from_millis(random.u64(0..3000));
    lan.run_until(end)?;
    let split = lan.masters(name).len() == 2;
    lan.say(|| format!("--- healed; two masters: {split}"));
    lan.paths.clear();
    let healed = lan.now;
    let all: Vec<IpAddr> = lan.hosts[leader]
        .config
        .iter()
        .flat_map(|config| config.all_addresses().map(|one| one.address))
        .collect();
    let mut without = vec![Duration::ZERO; all.len()];
    while lan.now < healed + Duration::from_secs(6) {
        let at = lan.now + STEP;
        lan.run_until(at)?;
        for (address, without) in all.iter().zip(&mut without) {
            // Two of which one has it are looked at; what nobody has is no matter of announcements.
            let leads_to = lan.neighbours.get(address).copied();
            if !leads_to.is_some_and(|host| lan.hosts[host].kernel.has(*address)) {
                *without += STEP;
            }
        }
    }
    if let Some((address, without)) = all.iter().zip(&without).find(|(_, without)| **without > MOST) {
        return Err(format!("{address} was without service for {without:?} after the split"));
    }
    let seconds = usize::try_from((lan.now - (healed - SPLIT)).as_secs()).unwrap();
    let most = lan.hosts.len() * all.len() * (12 * seconds + 30);
    if sent(&lan) - before > most {
        return Err(format!("{} announcements, at most {most} expected", sent(&lan) - before));
    }
    let end = lan.now + rest;
    lan.run_until(end)?;
    // Among equals another one may lead now.
    if split && lan.masters(name) == [leader] {
        let counted = |host: usize| {
            let mut machines = lan.hosts[host].node.iter().flat_map(directord::vrrp::node::Node::machines);
            let machine = machines.find(|machine| machine.config().name == name);
            machine.map_or(0, |machine| machine.snapshot().stats.two_masters)
        };
        if [leader, deaf].map(counted).contains(&0) {
            return Err(format!("the two masters count {:?} splits", [leader, deaf].map(counted)));
        }
    }
    verdict(&lan, std::slice::from_ref(&(0..lan.hosts.len()).collect::<Vec<_>>()))
}
