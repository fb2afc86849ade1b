//! How a running daemon stands, as a page for the terminal.

use std::fmt;
use std::time::Duration;

use super::status::{
    ByHand, Check, Contribution, Instance, Maintenance, NotRunning, RESUMED, Server, Service, Session, Status,
};

/// What a terminal shows.
pub struct Page<'a> {
    status: &'a Status,
    age: &'a dyn Fn(&str) -> Option<Duration>,
}

impl Status {
    /// A page for the terminal. `age`: how long ago a time was; `None`: it is none, or comes yet.
    pub fn page<'a>(&'a self, age: &'a dyn Fn(&str) -> Option<Duration>) -> Page<'a> {
        Page { status: self, age }
    }
}

impl Page<'_> {
    /// ` for 3 s`; of no time nothing.
    fn since(&self, time: Option<&String>) -> String {
        let passed = time.and_then(|time| (self.age)(time));
        passed.map(|passed| format!(" for {}", rounded(passed))).unwrap_or_default()
    }
}

/// The two largest units.
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { node, pid, started, configuration, maintenance, not_running, .. } = self.status;
        let Status { instances, services, sessions, .. } = self.status;
        writeln!(f, "{node}: directord runs{}, pid {pid}", self.since(Some(started)))?;
        match &configuration.instead {
            Some(instead) => writeln!(f, "{instead}")?,
            None => writeln!(f, "{}", configuration.file)?,
        }
        if let Some(why) = &configuration.refused {
            writeln!(f, "The last reload was refused: {why}")?;
        }
        if let Some(Maintenance { since, until, reason }) = maintenance {
            write!(f, "Maintenance{}", self.since(since.as_ref()))?;
            if let Some(until) = until {
                write!(f, ", until {until}")?;
            }
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            writeln!(f, "{reason}; `directord maintenance off` ends it")?;
        }
        for NotRunning { what, why } in not_running {
            writeln!(f, "{what} {why}")?;
        }
        if !instances.is_empty() {
            writeln!(f)?;
        }
        let longest = instances.iter().map(|instance| instance.name.len()).max().unwrap_or_default();
        for instance in instances {
            let Instance { name, state, since, priority, base, contributions, faults, .. } = instance;
            write!(f, "{name:<longest$}  {state:<6}{}, priority {priority}", self.since(since.as_ref()))?;
            if !contributions.is_empty() {
                write!(f, " ({base}")?;
                for Contribution { what, by } in contributions {
                    write!(f, " {} {} {what}", if *by < 0 { '-' } else { '+' }, by.unsigned_abs())?;
                }
                write!(f, ")")?;
            }
            match (&instance.master, &**state) {
                _ if instance.hands_over => write!(f, ", hands over")?,
                (Some(master), "BACKUP") => write!(f, ", master {master}")?,
                (None, "BACKUP") => write!(f, ", no master heard")?,
                (_, "MASTER") if instance.why.as_deref() == Some(RESUMED) => write!(f, ", {RESUMED}")?,
                _ => {}
            }
            if let Some(group) = &instance.group {
                write!(f, ", group {group}")?;
            }
            writeln!(f)?;
            for fault in faults {
                writeln!(f, "{:<longest$}  {fault}", "")?;
            }
            for missing in &instance.missing {
                writeln!(f, "{:<longest$}  not there: {missing}", "")?;
            }
            if let Some(second) = &instance.second_master {
                writeln!(f, "{:<longest$}  two masters: {second}", "")?;
            }
        }
        for Service { name, quorum, up, keeps, servers } in services {
            let quorum = if *quorum { "" } else { ", no quorum" };
            let keeps = if *keeps { ", fewer than min_healthy: those that fail stay in" } else { "" };
            writeln!(f, "\n{name}  {up} of {} up{quorum}{keeps}", servers.len())?;
            for server in servers {
                self.server(f, server)?;
            }
        }
        if !sessions.is_empty() {
            writeln!(f)?;
        }
        for Session { name, neighbour, state } in sessions {
            writeln!(f, "{name}  {state}, BFD with {neighbour}")?;
        }
        Ok(())
    }
}

impl Page<'_> {
    fn server(&self, f: &mut fmt::Formatter<'_>, server: &Server) -> fmt::Result {
        let Server { address, up, kept, weight, by_hand, checks } = server;
        let address = address.to_string();
        let state = match (up, kept, by_hand) {
            (.., Some(said)) if said.what == ByHand::DISABLED => "off",
            (true, ..) => "up",
            (false, true, _) => "kept",
            (false, false, _) => "down",
        };
        write!(f, "  {address:<24}  {state:<4}  weight {weight}")?;
        if let Some(ByHand { what, since, until }) = by_hand {
            write!(f, "; {what} by hand{}", self.since(Some(since)))?;
            if let Some(until) = until {
                write!(f, " until {until}")?;
            }
        }
        for check in checks.iter().filter(|check| !check.passes || check.retries > 0) {
            let Check { kind, passes, since, why, retries } = check;
            match (passes, why) {
                (true, _) => write!(f, "; {kind} failed {retries} times in a row, tried again")?,
                (false, Some(why)) if since.is_none() => write!(f, "; {kind} is not up yet: {why}")?,
                (false, Some(why)) => write!(f, "; {kind} fails{}: {why}", self.since(since.as_ref()))?,
                (false, None) => write!(f, "; {kind} has not passed yet")?,
            }
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::status;
    use super::*;

    #[test]
    fn a_page_for_the_terminal() {
        let now = humantime::parse_rfc3339("2026-11-27T12:02:05Z").unwrap();
        let age = |time: &str| now.duration_since(humantime::parse_rfc3339(time).unwrap()).ok();
        let mut shown = status();
        assert_eq!(
            shown.page(&age).to_string(),
            "LVS01: directord runs for 2 d 3 h, pid 7\n\
             /etc/keepalived/keepalived.conf\n\
             \n\
             VI_1  MASTER for 1 h 2 min, priority 110 (100 + 10 script chk), group G\n\
             VI_2  FAULT  for 1 h 2 min, priority 110 (100 + 10 script chk)\n\
             \u{20}     interface eth1 is down\n\
             \n\
             [10.0.0.1]:tcp:80  2 of 3 up\n\
             \u{20} 10.0.0.2:80               up    weight 1\n\
             \u{20} 10.0.0.3:80               down  weight 0; TCP_CHECK fails for 2 min 5 s: connection refused\n\
             \u{20} 10.0.0.4:80               up    weight 1; TCP_CHECK failed 2 times in a row, tried again\n"
        );
        let service = &mut shown.services[0];
        (service.keeps, service.servers[1].kept) = (true, true);
        let page = shown.page(&age).to_string();
        let by_hand = ByHand {
            what: "drained".to_owned(),
            since: "2026-11-27T12:00:00Z".to_owned(),
            until: Some("2026-11-27T13:00:00Z".to_owned()),
        };
        shown.services[0].servers[0].by_hand = Some(by_hand);
        assert!(
            shown.page(&age).to_string().contains(
                "10.0.0.2:80               up    weight 1; drained by hand for 2 min 5 s until 2026-11-27T13:00:00Z\n"
            ),
            "{}",
            shown.page(&age)
        );
        let line = |words: &str| page.lines().find(|line| line.contains(words)).unwrap().to_owned();
        assert_eq!(
            line("tcp:80"),
            "[10.0.0.1]:tcp:80  2 of 3 up, fewer than min_healthy: those that fail stay in"
        );
        assert!(line("10.0.0.3").starts_with("  10.0.0.3:80               kept  weight 0; TCP_CHECK fails"));
        shown.services.clear();
        shown.instances.truncate(1);
        shown.instances[0].hands_over = true;
        shown.instances[0].missing = vec!["route 10.9.0.0/16: Network is unreachable".to_owned()];
        shown.instances[0].second_master = Some("10.0.0.2 sends adverts of priority 50".to_owned());
        let since = Some("2026-11-27T12:02:00Z".to_owned());
        let until = Some("2026-11-27T13:00:00Z".to_owned());
        shown.maintenance = Some(Maintenance { since, until, reason: "disk".to_owned() });
        assert_eq!(
            shown.page(&age).to_string(),
            "LVS01: directord runs for 2 d 3 h, pid 7\n\
             /etc/keepalived/keepalived.conf\n\
             Maintenance for 5 s, until 2026-11-27T13:00:00Z: disk; `directord maintenance off` ends it\n\
             \n\
             VI_1  MASTER for 1 h 2 min, priority 110 (100 + 10 script chk), hands over, group G\n\
             \u{20}     not there: route 10.9.0.0/16: Network is unreachable\n\
             \u{20}     two masters: 10.0.0.2 sends adverts of priority 50\n"
        );
    }
}
