//! Settings of the kernel (`/proc/sys`) that must be so as long as somebody needs it, and are as before afterwards.
//!
//! In: what is wanted, what was changed so far, and what the kernel has. Out: what is to be written.
//! Invariants: what was changed is known with its former value until that is restored; what somebody else has changed
//! since is left alone.

use std::collections::BTreeMap;
use std::fmt;

/// Where the settings of all interfaces are, below `/proc/sys`.
pub const INTERFACES: &str = "net/ipv4/conf";
const RP_FILTER: &str = "rp_filter";

/// A setting: its path below `/proc/sys`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting(String);

impl Setting {
    /// Reports of the groups 224.0.0.0/24 that the host is in. Switches pass those groups on to everybody, and learn from
    /// a report where its sender is.
    pub fn local_igmp() -> Self {
        Self("net/ipv4/igmp_link_local_mcast_reports".into())
    }

    /// Whether an interface speaks no IPv6.
    pub fn no_ipv6(interface: &str) -> Self {
        Self(format!("net/ipv6/conf/{interface}/disable_ipv6"))
    }

    /// A setting of IPv4 of one interface.
    pub fn of_interface(interface: &str, name: &str) -> Self {
        Self(format!("{INTERFACES}/{interface}/{name}"))
    }

    /// What [`fmt::Display`] wrote; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.starts_with("net/") && !text.split('/').any(|part| matches!(part, "" | "." | ".."));
        inside.then(|| Self(text.to_owned()))
    }

    /// Path below `/proc/sys`.
    pub fn path(&self) -> &str {
        &self.0
    }

    fn is_reverse_path(&self) -> bool {
        self.0.starts_with(INTERFACES) && self.0.ends_with("/rp_filter")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Values of single settings. The number tells an interface from another one of the same name: what was set for the
    /// one is not set for the other.
    pub values: BTreeMap<Setting, (u32, u32)>,
    /// The check of the way back (`rp_filter`) is a matter of each interface: the one for all would hold for a macvlan,
    /// too, which hears those that are reached by the interface below it. What it asks for, all others keep but those
    /// of which something else is wanted.
    pub own_reverse_path: bool,
}

impl Wanted {
    /// Wants what `other` wants, too.
    pub fn join(&mut self, other: &Self) {
        for (setting, value) in &other.values {
            self.values.entry(setting.clone()).or_insert(*value);
        }
        self.own_reverse_path |= other.own_reverse_path;
    }
}

/// A setting that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What it was.
    pub before: u32,
    /// What it was set to.
    pub now: u32,
    /// Index of its interface; 0: of none, or not known.
    pub index: u32,
}

/// Settings that were changed.
pub type AllHeld = BTreeMap<Setting, Held>;

/// What is to be written, in this order: the setting, and what it was, or what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Set it, and remember what it was.
    Set(Setting, Held),
    /// Set it back.
    Restore(Setting, u32),
    /// There is nothing to be restored: it is gone, or somebody else has changed it.
    Forget(Setting),
}

/// The way from what is to what is wanted. `reads`: the present value; `None`: there is no such setting.
/// `filters`: the `rp_filter` of every interface, `all` and `default` included, by their names, with the index of each.
pub fn plan(
    wanted: &Wanted,
    held: &AllHeld,
    reads: &dyn Fn(&Setting) -> Option<u32>,
    filters: &BTreeMap<String, (u32, u32)>,
) -> Vec<Write> {
    let mut writes = Vec::new();
    let keeps = |setting: &Setting, held: &Held| {
        let same = |(_, index): &(u32, u32)| held.index == *index || held.index == 0;
        wanted.values.get(setting).is_some_and(same) || (wanted.own_reverse_path && setting.is_reverse_path())
    };
    // The one for all comes first: no interface is unguarded between.
    for (setting, held) in held.iter().filter(|(setting, held)| !keeps(setting, held)) {
        let unchanged = reads(setting) == Some(held.now);
        let same_interface = wanted.values.get(setting).is_none_or(|(_, index)| held.index == *index);
        writes.push(if unchanged && same_interface && held.before != held.now {
            Write::Restore(setting.clone(), held.before)
        } else {
            Write::Forget(setting.clone())
        });
    }
    for (setting, (value, index)) in &wanted.values {
        let kept = held.get(setting).filter(|held| keeps(setting, held));
        let Some(present) = reads(setting) else { continue };
        let before = kept.map_or(present, |held| held.before);
        let as_held = Held { before, now: *value, index: *index };
        if present != *value || kept.is_none_or(|held| *held != as_held) {
            writes.push(Write::Set(setting.clone(), as_held));
        }
    }
    if wanted.own_reverse_path {
        let rest = filters
            .iter()
            .filter(|(name, _)| !wanted.values.contains_key(&Setting::of_interface(name, RP_FILTER)));
        writes.extend(own_reverse_path(&rest.collect(), held));
    }
    writes
}

/// The larger of the one for all and that of an interface counts: those below it are raised to it, then it is taken away.
fn own_reverse_path(filters: &BTreeMap<&String, &(u32, u32)>, held: &AllHeld) -> Vec<Write> {
    let all = "all".to_owned();
    let (for_all, _) = filters.get(&all).copied().copied().unwrap_or_default();
    if for_all == 0 {
        return Vec::new();
    }
    let set = |name: &str, present: u32, now: u32, index: u32| {
        let setting = Setting::of_interface(name, RP_FILTER);
        // What we have set is not what was before us.
        let ours = held.get(&setting).filter(|held| held.now == present);
        let before = ours.map_or(present, |held| held.before);
        Write::Set(setting, Held { before, now, index })
    };
    let below = filters.iter().filter(|(name, (value, _))| ***name != all && *value < for_all);
    let mut writes: Vec<Write> =
        below.map(|(name, (value, index))| set(name, *value, for_all, *index)).collect();
    writes.push(set("all", for_all, 0, 0));
    writes
}

/// What is held under the names that the interfaces have now. `name`: that of an index; `None`: it is gone.
pub fn renamed(held: AllHeld, name: &dyn Fn(u32) -> Option<String>) -> AllHeld {
    let rename = |(setting, held): (Setting, Held)| {
        let now = name(held.index).filter(|_| held.index != 0);
        let (Some(now), Some((_, rest))) =
            (now, setting.0.strip_prefix(INTERFACES).and_then(|rest| rest.rsplit_once('/')))
        else {
            return (setting, held);
        };
        (Setting::of_interface(&now, rest), held)
    };
    held.into_iter().map(rename).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that does what it is told.
    #[derive(Default)]
    struct System {
        values: BTreeMap<Setting, u32>,
        held: AllHeld,
    }

    impl System {
        fn new(values: &[(&str, u32)]) -> Self {
            let values = values.iter().map(|(path, value)| (Setting::parse(path).unwrap(), *value)).collect();
            Self { values, held: AllHeld::new() }
        }

        fn filters(&self) -> BTreeMap<String, (u32, u32)> {
            let filters = self.values.iter().filter(|(setting, _)| setting.is_reverse_path());
            filters
                .map(|(setting, value)| (setting.path().split('/').nth(3).unwrap().to_owned(), (*value, 0)))
                .collect()
        }

        fn want(&mut self, wanted: &Wanted) -> usize {
            let writes =
                plan(wanted, &self.held, &|setting| self.values.get(setting).copied(), &self.filters());
            let count = writes.len();
            for write in writes {
                match write {
                    Write::Set(setting, held) => {
                        self.values.insert(setting.clone(), held.now);
                        self.held.insert(setting, held);
                    }
                    Write::Restore(setting, value) => {
                        self.values.insert(setting.clone(), value);
                        self.held.remove(&setting);
                    }
                    Write::Forget(setting) => drop(self.held.remove(&setting)),
                }
            }
            count
        }

        fn value(&self, path: &str) -> u32 {
            self.values[&Setting::parse(path).unwrap()]
        }
    }

    const ARP: &str = "net/ipv4/conf/eth0/arp_ignore";

    fn arp(value: u32, index: u32) -> Wanted {
        let values = BTreeMap::from([(Setting::parse(ARP).unwrap(), (value, index))]);
        Wanted { values, own_reverse_path: false }
    }

    #[test]
    fn what_was_changed_is_as_before_when_nobody_needs_it() {
        let mut system = System::new(&[(ARP, 0)]);
        assert_eq!((system.want(&arp(1, 2)), system.value(ARP)), (1, 1));
        assert_eq!(system.want(&arp(1, 2)), 0, "it is so already");
        assert_eq!((system.want(&Wanted::default()), system.value(ARP)), (1, 0));
        assert_eq!(system.want(&Wanted::default()), 0);
    }

    #[test]
    fn what_somebody_else_has_changed_since_is_left_alone() {
        let mut system = System::new(&[(ARP, 0)]);
        system.want(&arp(1, 2));
        system.values.insert(Setting::parse(ARP).unwrap(), 2);
        system.want(&Wanted::default());
        assert_eq!((system.value(ARP), system.held.len()), (2, 0));
    }

    #[test]
    fn another_interface_of_the_same_name_has_a_value_of_its_own() {
        let mut system = System::new(&[(ARP, 0)]);
        system.want(&arp(1, 2));
        system.values.insert(Setting::parse(ARP).unwrap(), 2);
        system.want(&arp(1, 7));
        assert_eq!(system.value(ARP), 1);
        system.want(&Wanted::default());
        assert_eq!(system.value(ARP), 2);
    }

    #[test]
    fn what_a_killed_process_changed_is_known_from_its_record() {
        let mut system = System::new(&[(ARP, 1)]);
        let held = Held { before: 0, now: 1, index: 0 };
        system.held.insert(Setting::parse(ARP).unwrap(), held);
        system.want(&arp(1, 2));
        system.want(&Wanted::default());
        assert_eq!(system.value(ARP), 0);
    }

    #[test]
    fn every_interface_keeps_the_check_of_the_way_back_that_was_for_all() {
        let path = |name: &str| format!("net/ipv4/conf/{name}/rp_filter");
        let all = [("all", 1), ("default", 0), ("eth0", 0), ("eth1", 2)];
        let paths: Vec<(String, u32)> = all.iter().map(|(name, value)| (path(name), *value)).collect();
        let mut system =
            System::new(&paths.iter().map(|(path, value)| (&**path, *value)).collect::<Vec<_>>());
        let wanted = Wanted { own_reverse_path: true, ..Wanted::default() };
        system.want(&wanted);
        let values =
            |system: &System| system.filters().into_values().map(|(value, _)| value).collect::<Vec<u32>>();
        assert_eq!(values(&system), [0, 1, 1, 2]);
        assert_eq!(system.want(&wanted), 0);
        // Somebody wants more for all.
        system.values.insert(Setting::parse(&path("all")).unwrap(), 2);
        system.want(&wanted);
        assert_eq!(values(&system), [0, 2, 2, 2]);
        system.want(&Wanted::default());
        assert_eq!(values(&system), [2, 0, 0, 2]);
        let eth0 = path("eth0");
        let mut off = System::new(&[("net/ipv4/conf/all/rp_filter", 0), (&eth0, 1)]);
        assert_eq!(off.want(&wanted), 0);
        let own = Setting::parse(&eth0).unwrap();
        let wanted = Wanted { values: BTreeMap::from([(own, (0, 2))]), own_reverse_path: true };
        system.want(&wanted);
        assert_eq!(values(&system), [0, 2, 0, 2]);
    }

    #[test]
    fn an_interface_that_was_renamed_has_its_settings_back() {
        let held = |index| Held { before: 0, now: 1, index };
        let all = AllHeld::from([
            (Setting::of_interface("eth0", "arp_ignore"), held(2)),
            (Setting::of_interface("eth1", "arp_ignore"), held(3)),
            (Setting::of_interface("all", "rp_filter"), held(0)),
        ]);
        let names = |index| (index == 2).then(|| "lan".to_owned());
        let paths: Vec<String> = renamed(all, &names).keys().map(ToString::to_string).collect();
        let conf = |rest: &str| format!("{INTERFACES}/{rest}");
        assert_eq!(paths, [conf("all/rp_filter"), conf("eth1/arp_ignore"), conf("lan/arp_ignore")]);
    }

    #[test]
    fn no_path_leads_out() {
        for path in ["net/../kernel/panic", "/net/ipv4", "kernel/panic", "net//x", "net/./x"] {
            assert_eq!(Setting::parse(path), None, "{path}");
        }
        assert!(Setting::parse("net/ipv4/conf/eth0.100/arp_ignore").is_some());
    }
}
