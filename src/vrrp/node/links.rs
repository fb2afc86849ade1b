//! How long a change of an interface must last before it counts (`interface_up_down_delays`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::model::{Instance, LinkDelay};
use crate::net::kernel::Kernel;

use super::Node;

/// Interfaces whose changes must last before they count.
#[derive(Debug, Clone, Default)]
pub(super) struct Carriers {
    delays: BTreeMap<String, LinkDelay>,
    shown: BTreeMap<String, Shown>,
    /// Whether the tables were read once.
    begun: bool,
}

/// What counts of an interface.
#[derive(Debug, Clone)]
struct Shown {
    up: bool,
    /// It is otherwise, and counts so from then on.
    changes_at: Option<Instant>,
}

impl Carriers {
    /// The delays, none of which outlasts the patience of the backups of an instance on its interface.
    pub(super) fn configure<'a>(
        &mut self,
        delays: &[LinkDelay],
        instances: impl Iterator<Item = &'a Instance> + Clone,
    ) {
        let bounded = |delay: &LinkDelay| {
            let on = instances.clone().filter(|config| config.is_on(&delay.interface));
            let most = on.map(patience).min().unwrap_or(Duration::MAX);
            LinkDelay { down: delay.down.min(most), up: delay.up.min(most), ..delay.clone() }
        };
        self.delays = delays.iter().map(|delay| (delay.interface.to_string(), bounded(delay))).collect();
        self.shown.retain(|name, _| self.delays.contains_key(name));
    }

    /// Compares with the kernel; the interfaces that count otherwise now.
    pub(super) fn compare(&mut self, now: Instant, kernel: &Kernel) -> Vec<String> {
        let begun = std::mem::replace(&mut self.begun, true);
        for (name, delay) in &self.delays {
            let Some((_, link)) = kernel.link_by_name(name) else {
                self.shown.remove(name);
                continue;
            };
            // What is there at the start counts at once; what comes later has to last.
            let new = || Shown { up: link.up && !begun, changes_at: None };
            let shown = self.shown.entry(name.clone()).or_insert_with(new);
            let delay = if link.up { delay.up } else { delay.down };
            shown.changes_at = match shown.changes_at {
                _ if shown.up == link.up => None,
                at => at.or(Some(now + delay)),
            };
        }
        self.due(now)
    }

    /// The interfaces whose change has lasted.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let due = |shown: &mut Shown| {
            let due = shown.changes_at.take_if(|at| *at <= now).is_some();
            shown.up ^= due;
            due
        };
        self.shown.iter_mut().filter_map(|(name, shown)| due(shown).then(|| name.clone())).collect()
    }

    /// When a change has lasted.
    pub(super) fn next(&self) -> Option<Instant> {
        self.shown.values().filter_map(|shown| shown.changes_at).min()
    }

    /// Whether the interface counts as up, which the kernel says is so or not.
    pub(super) fn is_up(&self, name: &str, up: bool) -> bool {
        self.shown.get(name).map_or(up, |shown| shown.up)
    }
}

/// A delay beyond that would outlast the backups of an instance.
fn patience(config: &Instance) -> Duration {
    let interval = config.advert_interval.duration();
    let adverts = u32::from(config.down_timer_adverts).saturating_sub(1);
    (interval * adverts).saturating_sub(interval / 256)
}

impl Node {
    /// Compares what counts of the interfaces with what the kernel says.
    pub(super) fn compare_carriers(&mut self, now: Instant) {
        let changed = self.carriers.compare(now, &self.kernel);
        self.touch_interfaces(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{AdvertInterval, InterfaceName, Vrid};
    use crate::net::kernel::{Change, LinkState};

    fn kernel(up: bool) -> Kernel {
        let mut kernel = Kernel::default();
        let link = LinkState { up, ..LinkState::ethernet("eth0") };
        kernel.apply(Change::Link(7, link));
        kernel
    }

    fn delay(down: u64, up: u64) -> LinkDelay {
        let interface = InterfaceName::new("eth0").unwrap();
        LinkDelay { interface, down: Duration::from_secs(down), up: Duration::from_secs(up) }
    }

    #[test]
    fn a_change_counts_when_it_has_lasted() {
        let now = Instant::now();
        let at = |tenths: u64| now + Duration::from_millis(100 * tenths);
        let mut carriers = Carriers::default();
        carriers.configure(&[delay(1, 2)], std::iter::empty());
        assert_eq!(carriers.compare(now, &kernel(true)), [""; 0]);
        assert!(carriers.is_up("eth0", true));
        // A flap of less than the delay is nothing.
        carriers.compare(at(10), &kernel(false));
        assert!(carriers.is_up("eth0", false));
        carriers.compare(at(15), &kernel(true));
        assert_eq!((carriers.next(), carriers.due(at(30))), (None, vec![]));
        carriers.compare(at(40), &kernel(false));
        // It is counted from its beginning.
        carriers.compare(at(45), &kernel(false));
        assert_eq!(carriers.next(), Some(at(50)));
        assert_eq!(carriers.due(at(50)), ["eth0"]);
        assert!(!carriers.is_up("eth0", false));
        carriers.compare(at(60), &kernel(true));
        assert_eq!(carriers.compare(at(79), &kernel(true)), [""; 0]);
        assert!(!carriers.is_up("eth0", true));
        assert_eq!(carriers.compare(at(80), &kernel(true)), ["eth0"]);
        // One that comes has to last, too; one that has gone is no matter of delays.
        carriers.compare(at(90), &Kernel::default());
        carriers.compare(at(95), &kernel(true));
        assert!(!carriers.is_up("eth0", true));
        assert_eq!(carriers.due(at(115)), ["eth0"]);
        assert!(carriers.is_up("eth1", true) && !carriers.is_up("eth1", false));
    }

    #[test]
    fn no_delay_outlasts_the_backups() {
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(1).unwrap());
        config.advert_interval = AdvertInterval::from_centiseconds(100).unwrap();
        let now = Instant::now();
        let mut carriers = Carriers::default();
        carriers.configure(&[delay(200, 200)], [config].iter());
        carriers.compare(now, &kernel(true));
        carriers.compare(now, &kernel(false));
        assert_eq!(carriers.next(), Some(now + Duration::from_secs(2) - Duration::from_secs(1) / 256));
    }
}
