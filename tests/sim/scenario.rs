//! One run: a group of routers, a time of faults, a time of rest, and the verdict.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use directord::config::model::{
    AdvertInterval, Authentication, Instance, InterfaceName, Preempt, Priority, Version, VirtualAddress, Vrid,
};
use directord::vrrp::instance::Input;

use crate::lan::{Lan, Path};

pub(crate) fn run(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let configs = group(&mut random);
    let mut lan = Lan::new(configs, seed, trace);
    for index in 0..lan.routers.len() {
        let at = lan.now + Duration::from_millis(random.u64(0..3000));
        lan.run_until(at)?;
        lan.boot(index);
    }
    for _fault in 0..random.usize(1..12) {
        let at = lan.now + Duration::from_millis(random.u64(0..4000));
        lan.run_until(at)?;
        fault(&mut lan, &mut random);
    }
    let groups = heal(&mut lan, &mut random);
    let rest = longest_rest(&lan);
    lan.say(|| format!("--- healed; groups {groups:?}"));
    let end = lan.now + rest;
    lan.run_until(end)?;
    verdict(&lan, &groups)
}

/// Two to five routers of one virtual router. Mostly distinct priorities; equal ones are decided by address.
fn group(random: &mut fastrand::Rng) -> Vec<(Instance, Ipv4Addr)> {
    let version = if random.bool() { Version::V2 } else { Version::V3 };
    let interval = match version {
        Version::V2 => 100 * random.u64(1..=2),
        Version::V3 => [10, 50, 100, 250][random.usize(0..4)],
    };
    let preempt = match random.u8(0..4) {
        0 => Preempt::Never,
        1 => Preempt::After { delay: Duration::from_millis(random.u64(1..3000)) },
        _ => Preempt::After { delay: Duration::ZERO },
    };
    let unequal = random.u8(0..5) > 0;
    let count = random.usize(2..=5);
    let mut priorities: Vec<u64> = (0..count)
        .map(|index| if unequal { 50 + 40 * index as u64 + random.u64(0..40) } else { 100 })
        .collect();
    if unequal && random.u8(0..6) == 0 {
        *priorities.last_mut().unwrap() = 255;
    }
    random.shuffle(&mut priorities);
    let instance = |priority| Instance {
        version,
        priority: Priority::new(priority).unwrap(),
        advert_interval: AdvertInterval::from_centiseconds(interval).unwrap(),
        preempt: if priority == 255 { Preempt::After { delay: Duration::ZERO } } else { preempt },
        authentication: match version {
            Version::V2 => Authentication::Pass(*b"1111\0\0\0\0"),
            Version::V3 => Authentication::None,
        },
        addresses: vec![VirtualAddress::new(IpAddr::V4(Ipv4Addr::new(192, 168, 100, 240)), 32)],
        ..Instance::new("VI_1", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap())
    };
    let address = |index: usize| Ipv4Addr::new(192, 168, 100, 101 + u8::try_from(index).unwrap());
    priorities.into_iter().enumerate().map(|(index, priority)| (instance(priority), address(index))).collect()
}

fn fault(lan: &mut Lan, random: &mut fastrand::Rng) {
    let count = lan.routers.len();
    let router = random.usize(0..count);
    match random.u8(0..10) {
        0 => lan.crash(router),
        1 => {
            if lan.routers[router].machine.is_none() {
                lan.boot(router);
            }
        }
        2 => lan.pause(router),
        3 => lan.resume(router),
        4 => lan.set_link(router, false),
        5 => lan.set_link(router, true),
        6 => {
            // A path in one direction, the classic cause of two masters.
            let other = random.usize(0..count);
            lan.say(|| format!("{router} is not heard by {other}"));
            lan.paths.insert((router, other), Path { blocked: true, ..Path::GOOD });
        }
        7 => drop(partition(lan, random)),
        8 => {
            let path = Path {
                blocked: false,
                loss: random.f64() * 0.6,
                duplication: random.f64() * 0.3,
                most_delay: Duration::from_millis(random.u64(0..400)),
            };
            lan.say(|| format!("bad paths: {path:?}"));
            for from in 0..count {
                lan.paths.insert((from, router), path);
            }
        }
        _ => reload(lan, router, random),
    }
}

/// Cuts the routers into groups; returns the group of each.
fn partition(lan: &mut Lan, random: &mut fastrand::Rng) -> Vec<usize> {
    let count = lan.routers.len();
    let side: Vec<usize> = (0..count).map(|_| random.usize(0..2)).collect();
    lan.say(|| format!("partition {side:?}"));
    for from in 0..count {
        for to in 0..count {
            lan.paths.insert((from, to), Path { blocked: side[from] != side[to], ..Path::GOOD });
        }
    }
    side
}

/// Another address and another announcement schedule; never the priority, which decides the verdict.
fn reload(lan: &mut Lan, router: usize, random: &mut fastrand::Rng) {
    lan.say(|| format!("{router} reloads"));
    let mut config = lan.routers[router].config.clone();
    config.garp.master_repeat = random.u32(1..6);
    config.down_timer_adverts = random.u8(2..5);
    lan.routers[router].config = config.clone();
    lan.feed(router, Input::Reconfigure(Box::new(config)));
}

/// The last fault: everything works again, perhaps in two halves that do not hear each other.
fn heal(lan: &mut Lan, random: &mut fastrand::Rng) -> Vec<Vec<usize>> {
    let count = lan.routers.len();
    let side = if random.u8(0..5) == 0 { partition(lan, random) } else { vec![0; count] };
    if side.iter().all(|group| *group == side[0]) {
        lan.paths.clear();
    }
    for index in 0..count {
        lan.resume(index);
        if lan.routers[index].machine.is_none() && random.bool() {
            lan.boot(index);
        }
        if !lan.routers[index].link.up && random.bool() {
            lan.set_link(index, true);
        }
    }
    let able = |index: &usize| lan.routers[*index].machine.is_some() && lan.routers[*index].link.up;
    let members = |group: usize| (0..count).filter(|index| side[*index] == group).filter(able).collect();
    (0..2).map(members).filter(|group: &Vec<usize>| !group.is_empty()).collect()
}

/// Three master-down intervals of the slowest router, and the delay before preemption.
fn longest_rest(lan: &Lan) -> Duration {
    let rest = |config: &Instance| {
        let interval = config.advert_interval.duration();
        let master_down =
            interval * u32::from(config.down_timer_adverts) + Duration::from_secs(1).max(interval);
        let delay = match config.preempt {
            Preempt::After { delay } => delay,
            Preempt::Never => Duration::ZERO,
        };
        3 * master_down + delay
    };
    lan.routers.iter().map(|router| rest(&router.config)).max().unwrap()
}

/// One master in each group, of the highest priority; any one where the highest never preempts.
fn verdict(lan: &Lan, groups: &[Vec<usize>]) -> Result<(), String> {
    let masters = lan.masters();
    for group in groups {
        let here: Vec<usize> = group.iter().filter(|index| masters.contains(index)).copied().collect();
        // Among equals a backup obeys whoever is master (RFC 9568 §6.4.2).
        let priority = |index: &usize| lan.routers[*index].config.priority;
        let best = *group.iter().max_by_key(|index| priority(index)).unwrap();
        let preempts = lan.routers[best].config.preempt != Preempt::Never;
        let right = match here.as_slice() {
            [one] => !preempts || priority(one) == priority(&best),
            _ => false,
        };
        if !right {
            return Err(format!("masters of group {group:?} are {here:?}, expected {best}"));
        }
    }
    Ok(())
}
