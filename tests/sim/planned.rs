//! What is done on purpose, all else being well: hand-overs and restarts. Nobody may notice them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use directord::vrrp::instance::Back;

use crate::lan::{Lan, Path};
use crate::scenario::{
    MOST_DELAY, ROUTERS, addresses, group, join, longest_rest, own_interfaces, track, verdict,
    virtual_addresses,
};

/// Two to four hosts at rest, of which the one that leads is told to stop, to hand over, or that it is in maintenance, three
/// times: somebody has the addresses at any time, and another one leads. Now and then nobody hears of it.
pub(crate) fn hand_over(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let configs = group(&mut random);
    let mut lan = Lan::new(configs, seed, trace);
    // Of three the two that take over may rank each other differently in one member of a group and another.
    if lan.hosts.len() == 2 && random.bool() {
        join(&mut lan, &mut random);
    }
    let router = usize::from(lan.hosts[0].config[0].vrid.number() - 51);
    let address = addresses(router)[0];
    (0..lan.hosts.len()).for_each(|host| lan.boot(host));
    let rest = longest_rest(&lan);
    let rest_from = |lan: &mut Lan, random: &mut fastrand::Rng| {
        let end = lan.now + rest + Duration::from_millis(random.u64(0..3000));
        lan.run_until(end)
    };
    rest_from(&mut lan, &mut random)?;
    for _time in 0..3 {
        let name = ROUTERS[router].0;
        let [leader] = lan.masters(name)[..] else {
            return Err(format!("masters of {name} at rest: {:?}", lan.masters(name)));
        };
        // Once in a while nobody hears of it, and misses whoever leads in the usual time; unless that goes on.
        let hears = random.u8(0..8) > 0;
        straight(&mut lan);
        // What was sent before has arrived.
        let at = lan.now + Duration::from_millis(5);
        lan.run_until(at)?;
        if !hears {
            (0..lan.hosts.len()).for_each(|to| {
                lan.paths.insert((leader, to), Path { blocked: true, ..Path::GOOD });
            });
        }
        let how = random.u8(0..3);
        lan.needed = (hears || how == 1).then_some(address);
        match how {
            0 => lan.stop(leader),
            1 => lan.fail_over(leader, Back::Never),
            _ => lan.maintain(leader, true),
        }
        straight(&mut lan);
        let longest =
            lan.hosts[leader].config.iter().map(|one| one.advert_interval.duration()).max().unwrap();
        let end = lan.now + longest.max(Duration::from_secs(1)) + Duration::from_millis(200);
        lan.run_until(end)?;
        let leads = lan.masters(name).contains(&leader);
        let may_lead = how == 1 && !hears;
        if (leads && !may_lead) || (how == 0 && lan.hosts[leader].node.is_some()) {
            return Err(format!("{leader} leads: {leads}, it hears: {hears}"));
        }
        lan.paths.clear();
        rest_from(&mut lan, &mut random)?;
        if hears && lan.masters(name).contains(&leader) {
            return Err(format!("{leader} has taken {name} back"));
        }
        lan.needed = None;
        match how {
            0 => lan.boot(leader),
            1 => rest_from(&mut lan, &mut random)?,
            _ => lan.maintain(leader, false),
        }
        rest_from(&mut lan, &mut random)?;
    }
    Ok(())
}

/// No address is lent for less.
const LENT: Duration = Duration::from_secs(1);

/// Two to four hosts at rest, of which the one that leads is restarted three times. In time nobody notices: it is the only one
/// that ever leads, nobody is told of anything, it has the addresses all the time, and is afterwards what it was before. When
/// it comes late, or not at all, another one leads, and nobody else has the addresses.
pub(crate) fn restart(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let configs = group(&mut random);
    let mut lan = Lan::new(configs, seed, trace);
    if random.u8(0..3) == 0 {
        own_interfaces(&mut lan);
    }
    if random.bool() {
        track(&mut lan, &mut random);
        // A session comes up again after a while: who tracks one hands over.
        lan.hosts.iter_mut().flat_map(|host| &mut host.config).for_each(|one| one.tracking.bfd.clear());
        lan.hosts.iter_mut().for_each(|host| host.healthy = true);
    }
    if lan.hosts.len() == 2 && random.bool() {
        join(&mut lan, &mut random);
    }
    for host in &mut lan.hosts {
        if random.u8(0..4) == 0 {
            host.delay = Duration::from_millis(random.u64(1..MOST_DELAY));
        }
    }
    let router = usize::from(lan.hosts[0].config[0].vrid.number() - 51);
    let (name, address) = (ROUTERS[router].0, addresses(router)[0]);
    (0..lan.hosts.len()).for_each(|host| lan.boot(host));
    let rest = longest_rest(&lan);
    let end = lan.now + rest;
    lan.run_until(end)?;
    let all: Vec<usize> = (0..lan.hosts.len()).collect();
    if lan.masters(name).is_empty() {
        // What is tracked lets nobody lead.
        return verdict(&lan, std::slice::from_ref(&all));
    }
    for _time in 0..3 {
        let [leader] = lan.masters(name)[..] else {
            return Err(format!("masters of {name} at rest: {:?}", lan.masters(name)));
        };
        lan.needed = Some(address);
        let at = lan.now + Duration::from_millis(random.u64(0..3000));
        lan.run_until(at)?;
        let (before, announced) = (Before::of(&lan, leader), lan.hosts[leader].announcements);
        lan.leave(leader);
        let Some((_, left)) = &lan.hosts[leader].left else {
            let of_each = lan.hosts[leader].config.iter().map(|one| one.advert_interval.duration() * 3);
            if of_each.min().is_some_and(|silence| silence < LENT) {
                // The kernel counts whole seconds: it hands over, as always.
                lan.needed = None;
                let end = lan.now + rest;
                lan.run_until(end)?;
                return verdict(&lan, std::slice::from_ref(&all));
            }
            return Err(format!("{leader} does not leave what it leads"));
        };
        let windows = left.iter().map(|one| one.window);
        let (shortest, longest) = (windows.clone().min().unwrap(), windows.max().unwrap());
        let in_time = random.u8(0..4) > 0;
        if in_time {
            // What the start itself takes is less than that.
            let most = u64::try_from(shortest.as_millis()).unwrap() - 40;
            let at = lan.now + Duration::from_millis(random.u64(0..most));
            lan.run_until(at)?;
            lan.boot(leader);
            let end = lan.now + rest;
            lan.run_until(end)?;
            before.stands(&lan, leader, name)?;
            if lan.hosts[leader].announcements > announced {
                return Err(format!("{leader} announced its addresses"));
            }
        } else {
            lan.needed = None;
            let late = Duration::from_millis(random.u64(0..3000));
            let at = lan.now + longest + Duration::from_millis(101) + late;
            lan.run_until(at)?;
            if random.bool() {
                // Nobody comes: the kernel has taken them by then.
                let end = lan.now + Duration::from_secs(4);
                lan.run_until(end)?;
                let here = virtual_addresses().find(|address| lan.hosts[leader].kernel.has(*address));
                if let Some(here) = here {
                    return Err(format!("{here} has stayed on {leader}, where nothing runs"));
                }
            }
            lan.boot(leader);
            let at = lan.now + Duration::from_millis(30);
            lan.run_until(at)?;
            if lan.masters(name).contains(&leader) && !lan.hosts[leader].is_owner(name) {
                return Err(format!("{leader} goes on although it is late"));
            }
            let end = lan.now + rest;
            lan.run_until(end)?;
        }
        let lent: Vec<IpAddr> = lan.hosts.iter().flat_map(|host| host.kernel.lent()).collect();
        if !lent.is_empty() {
            return Err(format!("{lent:?} go soon"));
        }
        verdict(&lan, std::slice::from_ref(&all))?;
    }
    Ok(())
}

/// When a daemon that was killed is not back, its parent takes away what it left.
const GIVES_UP: Duration = Duration::from_millis(850);

/// Two to four hosts at rest, of which the daemon of the one that leads is killed three times, below its parent (`--guard`). Who
/// is started again in time leads on, and nobody notices; else nothing that it set is there a second later, another one leads,
/// and a later start is one as any other.
pub(crate) fn kill(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let configs = group(&mut random);
    let mut lan = Lan::new(configs, seed, trace);
    if random.u8(0..3) == 0 {
        own_interfaces(&mut lan);
    }
    if lan.hosts.len() == 2 && random.bool() {
        join(&mut lan, &mut random);
    }
    let router = usize::from(lan.hosts[0].config[0].vrid.number() - 51);
    let (name, address) = (ROUTERS[router].0, addresses(router)[0]);
    (0..lan.hosts.len()).for_each(|host| lan.boot(host));
    let rest = longest_rest(&lan);
    let end = lan.now + rest;
    lan.run_until(end)?;
    let all: Vec<usize> = (0..lan.hosts.len()).collect();
    for _time in 0..3 {
        let [leader] = lan.masters(name)[..] else {
            return Err(format!("masters of {name} at rest: {:?}", lan.masters(name)));
        };
        lan.needed = Some(address);
        let at = lan.now + Duration::from_millis(random.u64(0..3000));
        lan.run_until(at)?;
        let before = Before::of(&lan, leader);
        let window = lan.kill_guarded(leader);
        let back = Duration::from_millis(random.u64(1..850));
        let leads_on = window.is_some_and(|window| back + Duration::from_millis(40) < window);
        if leads_on && random.u8(0..4) > 0 {
            let at = lan.now + back;
            lan.run_until(at)?;
            lan.boot(leader);
            let end = lan.now + rest;
            lan.run_until(end)?;
            before.stands(&lan, leader, name)?;
        } else {
            lan.needed = None;
            let at = lan.now + GIVES_UP;
            lan.run_until(at)?;
            lan.sweep(leader);
            if let Some(here) = virtual_addresses().find(|address| lan.hosts[leader].kernel.has(*address)) {
                return Err(format!("{here} has stayed on {leader}, where nothing runs"));
            }
            let end = lan.now + rest + Duration::from_millis(random.u64(0..3000));
            lan.run_until(end)?;
            let others: Vec<usize> = all.iter().copied().filter(|host| *host != leader).collect();
            if lan.masters(name).len() != 1 {
                return Err(format!("masters of {name} without {leader}: {:?}", lan.masters(name)));
            }
            verdict(&lan, std::slice::from_ref(&others))?;
            lan.boot(leader);
            let end = lan.now + rest;
            lan.run_until(end)?;
        }
        verdict(&lan, std::slice::from_ref(&all))?;
    }
    Ok(())
}

/// What there was before something that nobody may notice.
struct Before {
    /// How much each host had been told.
    heard: Vec<usize>,
    /// What the leader was.
    state: Vec<String>,
    /// Those that were sent.
    priorities: BTreeSet<u8>,
}

impl Before {
    fn of(lan: &Lan, leader: usize) -> Self {
        let heard = lan.hosts.iter().map(|host| host.heard.len()).collect();
        Self { heard, state: lan.hosts[leader].state(), priorities: lan.priorities.clone() }
    }

    /// It is so still: nobody was told of `name`, `leader` is what it was, and no advert said anything else.
    fn stands(&self, lan: &Lan, leader: usize, name: &str) -> Result<(), String> {
        for (host, before) in lan.hosts.iter().zip(&self.heard) {
            // What does not lead here comes as always.
            let told = |line: &&String| host.number != leader || line.contains(name);
            let told: Vec<&String> = host.heard[*before..].iter().filter(told).collect();
            if !told.is_empty() {
                return Err(format!("{} was told {told:?}", host.number));
            }
        }
        let (before, after) = (&self.state, lan.hosts[leader].state());
        if *before != after {
            return Err(format!("{leader} is {after:?} now, was {before:?}"));
        }
        let new: Vec<&u8> = lan.priorities.difference(&self.priorities).collect();
        if !new.is_empty() {
            return Err(format!("{leader} was heard with priorities {new:?}"));
        }
        Ok(())
    }
}

/// Packets arrive in the order in which they were sent, as on one LAN.
fn straight(lan: &mut Lan) {
    let path = Path { most_delay: Duration::ZERO, ..Path::GOOD };
    let count = lan.hosts.len();
    lan.paths = (0..count).flat_map(|from| (0..count).map(move |to| ((from, to), path))).collect();
}
