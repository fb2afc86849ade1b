//! One run: hosts with several virtual routers, a time of faults, a time of rest, and the verdict.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use directord::config::model::{
    AdvertInterval, Authentication, Command, Destination, Family, Instance, InterfaceName, LinkDelay, Named,
    Net, Peer, Preempt, Priority, Route, Rule, RuleAction, Statics, SyncGroup, TrackScript, TrackWeight,
    Tracked, Tracking, Transport, Unicast, Version, VirtualAddress, Vmac, Vrid,
};
use directord::script::{Identity, Program};
use directord::track::Standing;
use directord::track::scripts::Wanted;
use directord::vrrp::event::State;
use directord::vrrp::instance::Back;

use crate::host::place;
use crate::lan::{Lan, Path};

/// The virtual routers: name, interface, last byte of their addresses.
pub(crate) const ROUTERS: [(&str, &str); 4] =
    [("VI_1", "eth0"), ("VI_2", "eth1"), ("VI_3", "eth0"), ("VI_6", "eth1")];
/// The one of IPv6.
const IPV6: usize = 3;

/// Interfaces that routers may have of their own, and those below them.
pub(crate) const VMACS: [(&str, &str); 2] = [("vrrp.51", "eth0"), ("vrrp.54", "eth1")];

pub(crate) fn addresses(router: usize) -> [IpAddr; 2] {
    if router == IPV6 {
        return [[0xfe80, 0, 0, 0, 0, 0, 0x51, 0x244], [0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0x244]]
            .map(IpAddr::from);
    }
    let first = 240 + 4 * u8::try_from(router).unwrap();
    let on = |last| if ROUTERS[router].1 == "eth0" { [192, 168, 100, last] } else { [10, 0, 0, last] };
    [on(first), on(first + 1)].map(IpAddr::from)
}

/// What a reload may add to a router.
fn extra(router: usize) -> IpAddr {
    match addresses(router) {
        [_, IpAddr::V4(second)] => std::net::Ipv4Addr::from_bits(second.to_bits() + 1).into(),
        [_, IpAddr::V6(second)] => std::net::Ipv6Addr::from_bits(second.to_bits() + 1).into(),
    }
}

/// Every virtual address that a run may use.
pub(crate) fn virtual_addresses() -> impl Iterator<Item = IpAddr> {
    (0..ROUTERS.len()).flat_map(|router| addresses(router).into_iter().chain([extra(router)]))
}

/// Where the routes of the virtual routers lead, and the static one.
pub(crate) fn virtual_destinations() -> impl Iterator<Item = IpAddr> {
    (0..=ROUTERS.len()).flat_map(|router| destinations(u8::try_from(router).unwrap()))
}

fn destinations(router: u8) -> [IpAddr; 3] {
    let v4 = |second| IpAddr::from([10, second, 0, 0]);
    [v4(50 + router), v4(60 + router), IpAddr::from([0x2001, 0xdb8, router.into(), 0, 0, 0, 0, 0])]
}

/// One through a gateway, one that sends from a virtual address, one of IPv6.
fn routes(router: u8, interface: &str, source: IpAddr) -> Vec<Route> {
    let gateway = if interface == "eth0" { [192, 168, 100, 254] } else { [10, 0, 0, 254] };
    let [plain, from, six] = destinations(router);
    let to = |address: IpAddr| Some(Net { address, prefix: if address.is_ipv4() { 16 } else { 48 } });
    let interface = InterfaceName::new(interface).ok();
    vec![
        Route { to: to(plain), via: Some(gateway.into()), ..Route::default() },
        Route { to: to(from), source: Some(source), interface: interface.clone(), ..Route::default() },
        Route { to: to(six), interface, ..Route::default() },
    ]
}

fn rule(router: u8) -> Rule {
    let from = Some(Net { address: IpAddr::from([10, 70 + router, 0, 0]), prefix: 16 });
    let action = Some(RuleAction::Table(Named::Number(100)));
    Rule { from, action, preference: Some(1000 + u32::from(router)), ..Rule::default() }
}

fn statics() -> Statics {
    let number = u8::try_from(ROUTERS.len()).unwrap();
    let mut routes = routes(number, "eth0", addresses(0)[0]);
    // What it would send from is virtual.
    routes.remove(1);
    Statics { routes, rules: vec![rule(number)], ..Statics::default() }
}

/// The longest `vrrp_startup_delay`, in milliseconds.
pub(crate) const MOST_DELAY: u64 = 4000;

pub(crate) fn run(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let configs = group(&mut random);
    let mut lan = Lan::new(configs, seed, trace);
    if random.u8(0..3) == 0 {
        own_interfaces(&mut lan);
    } else if random.u8(0..4) == 0 {
        // The host has the address by itself: as an owner ought to, or by mistake.
        let host = random.usize(0..lan.hosts.len());
        let address = addresses(0)[0];
        lan.say(|| format!("{address} is {host}'s own"));
        lan.hosts[host].hosts = Some(address);
        lan.hosts[host].kernel.set("eth0", address, 32);
    }
    if random.u8(0..4) == 0 {
        let host = random.usize(0..lan.hosts.len());
        let own = crate::host::rule(&rule(0));
        lan.say(|| format!("rule {own} is {host}'s own"));
        lan.hosts[host].hosts_rule = Some(own);
        lan.hosts[host].kernel.set_rule(own);
    }
    for host in 0..lan.hosts.len() {
        if random.u8(0..3) == 0 {
            lan.hosts[host].statics = statics();
        }
        if random.u8(0..4) == 0 {
            lan.hosts[host].delay = Duration::from_millis(random.u64(1..MOST_DELAY));
        }
        if random.u8(0..4) == 0 {
            let interface = InterfaceName::new("eth0").unwrap();
            let mut time = || Duration::from_millis(random.u64(0..3000));
            lan.hosts[host].link_delays = vec![LinkDelay { interface, down: time(), up: time() }];
        }
        if random.u8(0..3) == 0 {
            lan.hosts[host].gap = Duration::from_millis(random.u64(1..1000));
        }
    }
    if random.bool() {
        track(&mut lan, &mut random);
    }
    if random.bool() {
        join(&mut lan, &mut random);
    }
    for host in 0..lan.hosts.len() {
        let at = lan.now + Duration::from_millis(random.u64(0..3000));
        lan.run_until(at)?;
        lan.boot(host);
    }
    let mut refused = false;
    for _fault in 0..random.usize(1..14) {
        let at = lan.now + Duration::from_millis(random.u64(0..4000));
        lan.run_until(at)?;
        refused |= fault(&mut lan, &mut random);
    }
    let groups = heal(&mut lan, &mut random);
    let mut rest = longest_rest(&lan);
    let has_routes = |host: &crate::host::Host| {
        !host.statics.is_empty() || host.config.iter().any(|config| !config.routes.is_empty())
    };
    if refused || lan.hosts.iter().any(has_routes) {
        // What the kernel refused is tried again after a minute at most.
        rest += Duration::from_secs(65);
    }
    lan.say(|| format!("--- healed; groups {groups:?}"));
    let end = lan.now + rest;
    lan.run_until(end)?;
    verdict(&lan, &groups)
}

/// The first router and that of IPv6 have interfaces of their own.
pub(crate) fn own_interfaces(lan: &mut Lan) {
    for instance in lan.hosts.iter_mut().flat_map(|host| &mut host.config) {
        let Some((name, base)) =
            VMACS.iter().find(|(name, _)| name.ends_with(&format!(".{}", instance.vrid.number())))
        else {
            continue;
        };
        let name = InterfaceName::new(name).unwrap();
        let ipv4 = instance.family == Family::Ipv4;
        for address in instance.addresses.iter_mut().chain(&mut instance.excluded_addresses) {
            address.interface = Some(name.clone());
        }
        instance.vmacs = vec![Vmac {
            name,
            base: InterfaceName::new(base).unwrap(),
            mac: [0, 0, 0x5e, 0, 1 + u8::from(!ipv4), instance.vrid.number()],
            adverts: true,
            ipv4,
            ipv6: !ipv4,
            group: None,
        }];
        // A router's routes lead where its addresses are.
        instance.routes.clear();
    }
}

/// Some virtual routers are one sync group on every host, or none is in one any more.
pub(crate) fn join(lan: &mut Lan, random: &mut fastrand::Rng) {
    let members: Vec<String> =
        ROUTERS.iter().filter(|_| random.u8(0..4) > 0).map(|(name, _)| (*name).to_owned()).collect();
    let groups = match random.u8(0..4) {
        0 => Vec::new(),
        _ => vec![SyncGroup { name: "G".into(), members, ..SyncGroup::default() }],
    };
    lan.say(|| format!("sync groups {groups:?}"));
    for host in &mut lan.hosts {
        host.groups.clone_from(&groups);
    }
}

/// Every host tracks a script, by a weight or by none, and its other interface.
pub(crate) fn track(lan: &mut Lan, random: &mut fastrand::Rng) {
    let number = [0, 0, 60, -60, 254, -254][random.usize(0..6)];
    let weight = TrackWeight { number, reverse: number != 0 && random.u8(0..4) == 0 };
    let script = script(random);
    let interface = [None, Some(0), Some(-30), Some(20)][random.usize(0..4)];
    let file = [None, Some(0), Some(1), Some(-3)][random.usize(0..4)];
    let process = [None, None, Some((0, false)), Some((0, true)), Some((25, false)), Some((-70, true))]
        [random.usize(0..6)]
    .map(|(number, reverse)| TrackWeight { number, reverse });
    let session = [None, None, Some((0, false)), Some((0, true)), Some((15, true)), Some((-50, false))]
        [random.usize(0..6)]
    .map(|(number, reverse)| TrackWeight { number, reverse });
    lan.say(|| {
        format!(
            "tracks {weight:?}, {interface:?}, file {file:?}, process {process:?}, session {session:?}, {:?}",
            script.config
        )
    });
    for host in &mut lan.hosts {
        host.script = Some(script.clone());
        host.healthy = random.u8(0..4) > 0;
        let [first, ..] = host.config.as_mut_slice() else { continue };
        first.tracking.scripts = vec![Tracked { name: "chk".into(), weight: Some(weight) }];
        let other = InterfaceName::new("eth1").unwrap();
        let line = |number| (other.clone(), TrackWeight { number, reverse: false });
        first.tracking.interfaces = interface.into_iter().map(line).collect();
        let weight = file.map(|number| TrackWeight { number, reverse: false });
        let line = |weight| Tracked { name: "f".into(), weight: Some(weight) };
        first.tracking.files = weight.into_iter().map(line).collect();
        let line = |weight| Tracked { name: "p".into(), weight: Some(weight) };
        first.tracking.processes = process.into_iter().map(line).collect();
        let line = |weight| Tracked { name: "n".into(), weight: Some(weight) };
        first.tracking.bfd = session.into_iter().map(line).collect();
    }
}

pub(crate) fn script(random: &mut fastrand::Rng) -> Wanted {
    let interval = Duration::from_millis(random.u64(200..1000));
    let config = TrackScript {
        name: "chk".into(),
        command: Command::default(),
        interval,
        timeout: interval,
        weight: TrackWeight::default(),
        rise: random.u32(1..3),
        fall: random.u32(1..3),
        init_fail: random.u8(0..3) == 0,
    };
    let identity = Identity { uid: 0, gid: 0, groups: Vec::new() };
    Wanted { config, program: Program { arguments: vec![random.u8(0..2).to_string()], identity } }
}

/// Base and contributions, worked out apart from the code under test.
fn effective(host: &crate::host::Host, config: &Instance) -> i32 {
    let base = i32::from(config.priority.number());
    if base == 255 || config.tracking == Tracking::default() {
        return base;
    }
    let up = |name: &str| host.kernel.is_up(name);
    let counts = |weight: &TrackWeight, good: bool| {
        let number = i32::from(weight.number);
        let sign = if weight.reverse { -1 } else { 1 };
        if (good && number > 0) || (!good && number < 0) { number * sign } else { 0 }
    };
    // Its own interface is watched by itself, and counts for nothing more.
    let others = |(name, _): &&(InterfaceName, TrackWeight)| !config.is_on(name) || config.dont_track_primary;
    let interfaces = config.tracking.interfaces.iter().filter(others);
    let interfaces = interfaces.map(|(name, weight)| counts(weight, up(name.as_str())));
    let scripts = config.tracking.scripts.iter();
    let scripts = scripts.map(|one| counts(&one.weight.unwrap(), host.healthy));
    let files = config.tracking.files.iter();
    let files = files.map(|one| match (host.file * i32::from(one.weight.unwrap().number)).clamp(-254, 253) {
        -254 => 0,
        by => by,
    });
    let processes = config.tracking.processes.iter();
    let processes = processes.map(|one| counts(&one.weight.unwrap(), host.process == Standing::Up));
    let sessions = config.tracking.bfd.iter();
    let sessions = sessions.map(|one| counts(&one.weight.unwrap(), host.reachable));
    let all = interfaces.chain(scripts).chain(files).chain(processes).chain(sessions);
    (base + all.sum::<i32>()).clamp(1, 254)
}

/// Whether nothing that is tracked without a weight has failed.
fn is_well(host: &crate::host::Host, config: &Instance) -> bool {
    let interfaces = config.tracking.interfaces.iter();
    let mut interfaces = interfaces.filter(|(_, weight)| weight.number == 0).map(|(name, _)| name.as_str());
    let mut scripts = config.tracking.scripts.iter().filter(|one| one.weight.unwrap().number == 0);
    let file = |weight: i16| match weight {
        0 => host.file == 0,
        weight => host.file * i32::from(weight) > -254,
    };
    let process =
        |weight: TrackWeight| weight.number != 0 || (host.process == Standing::Up) != weight.reverse;
    let session = |weight: TrackWeight| weight.number != 0 || host.reachable != weight.reverse;
    interfaces.all(|name| host.kernel.is_up(name))
        && config.tracking.bfd.iter().all(|one| session(one.weight.unwrap()))
        && config.tracking.processes.iter().all(|one| process(one.weight.unwrap()))
        && scripts.all(|_| host.healthy)
        && config.tracking.files.iter().all(|one| file(one.weight.unwrap().number))
}

/// Two to four hosts with the same virtual routers. Mostly distinct priorities; among equals any one may be master.
pub(crate) fn group(random: &mut fastrand::Rng) -> Vec<Vec<Instance>> {
    let count = random.usize(2..=4);
    let routers: Vec<usize> = match random.u8(0..4) {
        0 => vec![0],
        1 => vec![0, 2],
        2 => vec![1, IPV6],
        _ => vec![0, 1, 2, IPV6],
    };
    let mut configs = vec![Vec::new(); count];
    for router in routers {
        let template = template(router, random);
        let unequal = random.u8(0..5) > 0;
        let mut priorities: Vec<u64> = (0..count)
            .map(|index| if unequal { 50 + 40 * index as u64 + random.u64(0..40) } else { 100 })
            .collect();
        if unequal && random.u8(0..6) == 0 {
            *priorities.last_mut().unwrap() = 255;
        }
        random.shuffle(&mut priorities);
        let unicast = router == 2;
        let placed = random.bool();
        for (host, priority) in priorities.into_iter().enumerate() {
            let mut instance = Instance { priority: Priority::new(priority).unwrap(), ..template.clone() };
            if priority == 255 {
                instance.preempt = Preempt::After { delay: Duration::ZERO };
            }
            if unicast {
                let address = |host: usize| IpAddr::from([192, 168, 100, 101 + u8::try_from(host).unwrap()]);
                let peers = (0..count).filter(|other| *other != host).map(|other| Peer::new(address(other)));
                let check_source = random.bool();
                let to = Unicast {
                    check_source,
                    ..Unicast::to(peers.collect(), Destination::group(Family::Ipv4))
                };
                instance.transport.to = Destination::Unicast(to);
                instance.transport.source = Some(address(host));
                if !placed {
                    let name = instance.interface.take();
                    let held = instance.addresses.iter_mut().chain(&mut instance.excluded_addresses);
                    held.for_each(|one| one.interface.clone_from(&name));
                }
            }
            configs[host].push(instance);
        }
    }
    configs
}

fn template(router: usize, random: &mut fastrand::Rng) -> Instance {
    let (name, interface) = ROUTERS[router];
    let version = if random.bool() { Version::V2 } else { Version::V3 };
    let interval = match version {
        Version::V2 => 100 * random.u64(1..=2),
        Version::V3 => [25, 50, 100, 250][random.usize(0..4)],
    };
    let preempt = match random.u8(0..4) {
        0 => Preempt::Never,
        1 => Preempt::After { delay: Duration::from_millis(random.u64(1..3000)) },
        _ => Preempt::After { delay: Duration::ZERO },
    };
    let vrid = Vrid::new(51 + router as u64).unwrap();
    let [first, second] = addresses(router);
    let number = u8::try_from(router).unwrap();
    let family = Family::of(first);
    let policy = random.bool() && router != IPV6;
    // In the network of the interface, or beside it.
    let prefix = if random.bool() { family.bits() - 8 } else { family.bits() };
    Instance {
        version,
        advert_interval: AdvertInterval::from_centiseconds(interval).unwrap(),
        preempt,
        authentication: match (version, family) {
            (Version::V2, Family::Ipv4) if random.bool() => Authentication::Ah(*b"1111\0\0\0\0"),
            (Version::V2, Family::Ipv4) => Authentication::Pass(*b"1111\0\0\0\0"),
            (Version::V2, Family::Ipv6) if random.bool() => Authentication::Pass(*b"1111\0\0\0\0"),
            _ => Authentication::None,
        },
        family,
        transport: Transport {
            source: None,
            track_source: false,
            to: Destination::Multicast(Destination::group(family)),
        },
        addresses: vec![VirtualAddress::new(first, family.bits())],
        excluded_addresses: if random.bool() {
            vec![VirtualAddress::new(second, prefix)]
        } else {
            Vec::new()
        },
        routes: if policy { routes(number, interface, first) } else { Vec::new() },
        rules: if policy { vec![rule(number)] } else { Vec::new() },
        promote_secondaries: random.u8(0..4) == 0,
        accept: (random.u8(0..4) == 0).then_some(false),
        ..Instance::new(name, InterfaceName::new(interface).unwrap(), vrid)
    }
}

/// True: the kernel may have refused something.
fn fault(lan: &mut Lan, random: &mut fastrand::Rng) -> bool {
    let count = lan.hosts.len();
    let host = random.usize(0..count);
    let name = if random.bool() { "eth0" } else { "eth1" };
    match random.u8(0..43) {
        // Nobody comes, unless a later fault or the end has it come.
        42 => lan.leave(host),
        40 | 41 => {
            let pause = Duration::from_millis(random.u64(0..5000));
            if let Err(broken) = lan.restart(host, pause) {
                lan.hosts[host].broken = Some(broken);
            }
        }
        36 | 37 => {
            let maintenance = random.bool();
            lan.say(|| format!("{host} is in maintenance: {maintenance}"));
            lan.maintain(host, maintenance);
        }
        38 | 39 => {
            let time = Duration::from_millis(random.u64(0..3000));
            lan.fail_over(host, if random.bool() { Back::AsConfigured } else { Back::After(time) });
        }
        34 | 35 => {
            lan.stop(host);
            // Somebody is in a hurry.
            if random.u8(0..8) == 0 {
                lan.stop(host);
            }
        }
        32 | 33 => {
            let reachable = random.u8(0..3) > 0;
            lan.say(|| format!("the neighbour of {host} is reachable: {reachable}"));
            lan.reach(host, reachable);
        }
        29 | 30 => {
            lan.say(|| format!("somebody takes the tables of the packet filter of {host} away"));
            lan.hosts[host].kernel.tables.clear();
            lan.hosts[host].kernel.flushed = true;
        }
        31 => {
            lan.say(|| format!("{host} takes no packet filter"));
            lan.hosts[host].kernel.no_filter = true;
            return true;
        }
        27 | 28 => {
            let standing = if random.u8(0..3) > 0 { Standing::Up } else { Standing::Down };
            lan.say(|| format!("the process of {host} is {standing:?}"));
            lan.process(host, standing);
        }
        25 | 26 => {
            let number = [0, 0, 7, -40, 90, -300][random.usize(0..6)];
            lan.say(|| format!("the file of {host} says {number}"));
            lan.number(host, number);
        }
        24 => {
            join(lan, random);
            for host in 0..count {
                let config = lan.hosts[host].config.clone();
                lan.reload(host, config);
            }
        }
        23 => {
            let count = random.u32(1..30);
            lan.say(|| format!("what {host} sets is taken away {count} times"));
            lan.hosts[host].snipes = count;
        }
        0 => {
            lan.say(|| format!("{host} is killed"));
            lan.hosts[host].kill();
        }
        1 => {
            lan.say(|| format!("{host} loses its power"));
            lan.hosts[host].lose_power();
        }
        2 | 3 if lan.hosts[host].node.is_none() => lan.boot(host),
        2 => lan.pause(host),
        3 => lan.resume(host),
        4 => {
            lan.say(|| format!("{host} {name} down"));
            lan.touch(host, |host| host.kernel.set_up(name, false));
        }
        5 => {
            lan.say(|| format!("{host} {name} up"));
            lan.touch(host, |host| host.kernel.set_up(name, true));
        }
        6 => {
            // A path in one direction, the classic cause of two masters.
            let other = random.usize(0..count);
            lan.say(|| format!("{host} is not heard by {other}"));
            lan.paths.insert((host, other), Path { blocked: true, ..Path::GOOD });
        }
        7 => drop(partition(lan, random)),
        8 => {
            let path = Path {
                blocked: false,
                loss: random.f64() * 0.6,
                duplication: random.f64() * 0.3,
                most_delay: Duration::from_millis(random.u64(0..400)),
            };
            lan.say(|| format!("bad paths to {host}: {path:?}"));
            for from in 0..count {
                lan.paths.insert((from, host), path);
            }
        }
        9 | 10 => reload(lan, host, random),
        11 => {
            lan.say(|| format!("{host} {name} is deleted"));
            lan.touch(host, |host| host.kernel.unplug(name));
        }
        12 => replug(lan, host),
        13 => {
            let family = if random.u8(0..3) == 0 { Family::Ipv6 } else { Family::Ipv4 };
            let own = lan.hosts[host].own(name, family);
            lan.say(|| format!("{host} loses {own}"));
            lan.touch(host, |host| host.kernel.unset(own));
        }
        14 => {
            // A network manager cleans up.
            let victims: Vec<IpAddr> =
                virtual_addresses().chain(virtual_destinations()).filter(|_| random.bool()).collect();
            let replaced = random.bool();
            let rules: Vec<_> = lan.hosts[host].kernel.rules().to_vec();
            let hosts_rule = lan.hosts[host].hosts_rule;
            let rules: Vec<_> =
                rules.into_iter().filter(|rule| Some(*rule) != hosts_rule && random.bool()).collect();
            let hosts = lan.hosts[host].hosts;
            lan.say(|| format!("{host} loses {victims:?}"));
            lan.touch(host, |host| {
                for one in victims.iter().filter(|one| Some(**one) != hosts) {
                    host.kernel.unset(*one);
                    if replaced {
                        host.kernel.replace_route(*one);
                    } else {
                        host.kernel.unset_route(*one);
                    }
                }
                rules.iter().for_each(|rule| host.kernel.unset_rule(rule));
            });
        }
        15 => {
            let all = virtual_addresses().chain(virtual_destinations());
            let refuses = all.filter(|_| random.u8(0..3) == 0).collect();
            lan.say(|| format!("{host} refuses {refuses:?}"));
            lan.hosts[host].kernel.refuses = refuses;
            return true;
        }
        16 => {
            let all = virtual_addresses().chain(virtual_destinations());
            let keeps = all.filter(|_| random.u8(0..3) == 0).collect();
            lan.say(|| format!("{host} does not remove {keeps:?}"));
            lan.hosts[host].keep(keeps);
            return true;
        }
        20..=22 => {
            let this = &mut lan.hosts[host];
            this.healthy = !this.healthy;
            let healthy = this.healthy;
            lan.say(|| format!("the script of {host} finds healthy: {healthy}"));
        }
        17 => lan.deafen(host),
        18 => {
            lan.say(|| format!("{host} opens no sockets"));
            lan.hosts[host].kernel.no_sockets = true;
        }
        _ => churn(lan, host, random),
    }
    false
}

/// Another program changes more than the queue of notifications holds.
fn churn(lan: &mut Lan, host: usize, random: &mut fastrand::Rng) {
    lan.say(|| format!("{host} has a storm of changes"));
    let victim = virtual_addresses().nth(random.usize(0..3));
    let hosts = lan.hosts[host].hosts;
    lan.touch(host, |host| {
        for last in 0..100 {
            host.kernel.set("eth0", IpAddr::from([172, 16, 0, last]), 32);
        }
        victim.filter(|victim| Some(*victim) != hosts).into_iter().for_each(|one| host.kernel.unset(one));
        for last in 0..100 {
            host.kernel.unset(IpAddr::from([172, 16, 0, last]));
        }
    });
}

fn replug(lan: &mut Lan, host: usize) {
    lan.say(|| format!("{host} has all interfaces and addresses"));
    lan.touch(host, |host| {
        host.equip();
        if let Some(address) = host.hosts {
            host.kernel.set("eth0", address, 32);
        }
    });
}

/// Cuts the hosts into groups; returns the group of each.
fn partition(lan: &mut Lan, random: &mut fastrand::Rng) -> Vec<usize> {
    let count = lan.hosts.len();
    let side: Vec<usize> = (0..count).map(|_| random.usize(0..2)).collect();
    lan.say(|| format!("partition {side:?}"));
    for from in 0..count {
        for to in 0..count {
            lan.paths.insert((from, to), Path { blocked: side[from] != side[to], ..Path::GOOD });
        }
    }
    side
}

/// Other addresses, another announcement schedule; never the priority, which decides the verdict.
fn reload(lan: &mut Lan, host: usize, random: &mut fastrand::Rng) {
    let mut config = lan.hosts[host].config.clone();
    for instance in &mut config {
        let router = usize::from(instance.vrid.number() - 51);
        match random.u8(0..5) {
            4 if instance.rules.is_empty() => instance.rules.push(rule(instance.vrid.number() - 51)),
            4 => instance.rules.clear(),
            0 => instance.garp.master_repeat = random.u32(1..6),
            1 => instance.down_timer_adverts = random.u8(2..5),
            2 => {
                let mut more = VirtualAddress::new(extra(router), Family::of(extra(router)).bits());
                more.interface.clone_from(&instance.addresses[0].interface);
                if instance.excluded_addresses.contains(&more) {
                    instance.excluded_addresses.retain(|address| *address != more);
                } else {
                    instance.excluded_addresses.push(more);
                }
            }
            _ => {}
        }
    }
    if lan.hosts[host].script.is_some() {
        lan.hosts[host].script = Some(script(random));
    }
    lan.reload(host, config);
}

/// The last fault: everything works again, perhaps in two halves that do not hear each other, perhaps with a host whose
/// kernel refuses an address for good.
fn heal(lan: &mut Lan, random: &mut fastrand::Rng) -> Vec<Vec<usize>> {
    let count = lan.hosts.len();
    let side = if random.u8(0..5) == 0 { partition(lan, random) } else { vec![0; count] };
    if side.iter().all(|group| *group == side[0]) {
        lan.paths.clear();
    }
    for host in 0..count {
        lan.hosts[host].kernel.no_sockets = false;
        lan.hosts[host].kernel.no_filter = false;
        lan.hosts[host].keep(BTreeSet::new());
        lan.hosts[host].snipes = 0;
        if random.u8(0..4) > 0 {
            lan.hosts[host].kernel.refuses.clear();
        }
        if random.u8(0..8) > 0 {
            replug(lan, host);
            lan.touch(host, |host| ["eth0", "eth1"].iter().for_each(|name| host.kernel.set_up(name, true)));
        }
        lan.resume(host);
        if lan.hosts[host].node.is_none() && random.bool() {
            lan.boot(host);
        }
    }
    (0..2).map(|group| (0..count).filter(|host| side[*host] == group).collect()).collect()
}

/// Three master-down intervals of the slowest router, the delay before preemption, and the retry of a socket.
pub(crate) fn longest_rest(lan: &Lan) -> Duration {
    let rest = |config: &Instance| {
        let interval = config.advert_interval.duration();
        let master_down =
            interval * u32::from(config.down_timer_adverts) + Duration::from_secs(1).max(interval);
        let delay = match config.preempt {
            Preempt::After { delay } => delay,
            Preempt::Never => Duration::ZERO,
        };
        // The results of a script before that.
        let rounds = if lan.hosts.iter().all(|host| host.groups.is_empty()) { 3 } else { 6 };
        rounds * master_down + delay + Duration::from_secs(3 + 6) + Duration::from_millis(MOST_DELAY)
    };
    lan.hosts.iter().flat_map(|host| &host.config).map(rest).max().unwrap()
}

/// One master in each group, of the highest priority among those that can be; any one where the highest never preempts.
pub(crate) fn verdict(lan: &Lan, groups: &[Vec<usize>]) -> Result<(), String> {
    lan.hosts.iter().try_for_each(crate::host::Host::check_at_rest)?;
    let running = |host: usize, name: &str| -> Option<&Instance> {
        lan.hosts[host].config.iter().find(|config| config.name == name)
    };
    let able = |host: usize, name: &str| {
        let this = &lan.hosts[host];
        let Some(config) = running(host, name).filter(|_| this.node.is_some()) else { return false };
        let interface = if place(config) == "eth0" { "eth0" } else { "eth1" };
        let refused = config
            .all_addresses()
            .any(|one| this.kernel.refuses.contains(&one.address) && !this.kernel.has(one.address));
        let route_refused = config
            .routes
            .iter()
            .filter_map(|route| route.to)
            .any(|to| this.kernel.refuses.contains(&to.address) && !this.kernel.has_route(to.address));
        // A gateway is reached from an address of its network: the host's own, or a virtual one.
        let of_network = config.excluded_addresses.iter().any(|one| one.prefix == 24);
        // Once it is set it stays without.
        let set =
            || config.routes.iter().filter_map(|route| route.to).all(|to| this.kernel.has_route(to.address));
        let first = this.own(interface, config.family);
        let reached = of_network || this.kernel.has(first) || set();
        let refused = refused || route_refused || !reached;
        // A virtual address that is the host's own is one to send from, too.
        let v4 = config.family == Family::Ipv4;
        let own = this.hosts.filter(|_| v4 && interface == "eth0" && config.group().is_some());
        let source = [Some(first), own].into_iter().flatten().any(|one| this.kernel.has(one));
        this.kernel.is_up(interface) && source && !refused && is_well(this, config) && !this.maintenance
    };
    let known = |name: &str| lan.hosts.iter().any(|host| host.config.iter().any(|one| one.name == name));
    let grouped =
        |name: &str| lan.hosts[0].groups.iter().any(|group| group.members.iter().any(|one| one == name));
    let together: Vec<&str> =
        ROUTERS.iter().map(|(name, _)| *name).filter(|name| known(name) && grouped(name)).collect();
    for (name, _) in ROUTERS {
        if together.contains(&name) && together.len() > 1 {
            group_verdict(lan, groups, &together, &able)?;
            continue;
        }
        let masters = lan.masters(name);
        for group in groups {
            let able: Vec<usize> = group.iter().copied().filter(|host| able(*host, name)).collect();
            let here: Vec<usize> = group.iter().copied().filter(|host| masters.contains(host)).collect();
            let priority =
                |host: &usize| running(*host, name).map(|config| effective(&lan.hosts[*host], config));
            let Some(best) = able.iter().copied().max_by_key(|host| priority(host)) else {
                if here.is_empty() {
                    continue;
                }
                return Err(format!("{name}: nobody of {group:?} can be master, and {here:?} are"));
            };
            let preempts = running(best, name).is_some_and(|config| config.preempt != Preempt::Never);
            // Among equals a backup obeys whoever is master (RFC 9568 §6.4.2).
            let right = match here.as_slice() {
                [one] => able.contains(one) && (!preempts || priority(one) == priority(&best)),
                _ => false,
            };
            if !right {
                return Err(format!("{name}: masters of {group:?} are {here:?}, expected {best}"));
            }
        }
    }
    untouched(lan)
}

/// One host leads all members of a sync group; nobody who is able outranks it in each of them, and preempts.
fn group_verdict(
    lan: &Lan,
    parts: &[Vec<usize>],
    members: &[&str],
    able: &dyn Fn(usize, &str) -> bool,
) -> Result<(), String> {
    let config = |host: usize, name: &str| lan.hosts[host].config.iter().find(|config| config.name == name);
    for host in &lan.hosts {
        let Some(node) = &host.node else { continue };
        let states: BTreeSet<State> = node
            .machines()
            .filter(|machine| members.contains(&&*machine.config().name))
            .map(directord::vrrp::instance::Machine::state)
            .collect();
        let told = host.told.get("group G").copied();
        if states.len() > 1 || states.first().copied() != told.or_else(|| states.first().copied()) {
            return Err(format!("{}: members {members:?} are {states:?}, told was {told:?}", host.number));
        }
    }
    for part in parts {
        let able: Vec<usize> =
            part.iter().copied().filter(|host| members.iter().all(|name| able(*host, name))).collect();
        let mut leaders = BTreeSet::new();
        for name in members {
            let masters: Vec<usize> =
                lan.masters(name).into_iter().filter(|host| part.contains(host)).collect();
            leaders.insert(masters);
        }
        let outranks = |other: usize, leader: usize| {
            members.iter().all(|name| {
                let (Some(ours), Some(theirs)) = (config(other, name), config(leader, name)) else {
                    return false;
                };
                ours.preempt != Preempt::Never
                    && effective(&lan.hosts[other], ours) > effective(&lan.hosts[leader], theirs)
            })
        };
        let right = match leaders.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice() {
            [[]] => able.is_empty(),
            [[leader]] => able.contains(leader) && !able.iter().any(|other| outranks(*other, *leader)),
            _ => false,
        };
        if !right {
            return Err(format!("group {members:?} of {part:?}: leaders {leaders:?}, able {able:?}"));
        }
    }
    Ok(())
}

/// Nothing that is not ours was taken away: what a host had of its own it still has.
fn untouched(lan: &Lan) -> Result<(), String> {
    for host in &lan.hosts {
        if let Some(address) = host.hosts.filter(|_| host.kernel.index("eth0").is_some())
            && !lan.holders(address).contains(&host.number)
        {
            return Err(format!("{} has lost {address}, which was its own", host.number));
        }
        if let Some(rule) = host.hosts_rule.filter(|rule| !host.kernel.has_rule(rule)) {
            return Err(format!("{} has lost rule {rule}, which was its own", host.number));
        }
    }
    Ok(())
}
