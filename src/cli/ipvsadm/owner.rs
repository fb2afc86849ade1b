//! Whose services are they? Those of the daemon that runs it would put back: who means to change one is told how.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::ask;
use super::parse::Action;
use crate::config::model::Service;
use crate::control::status::Status;
use crate::director::owned;
use crate::ipvs::diff::Operation;

/// A command waits for the daemon so long.
const LIMIT: Duration = Duration::from_secs(2);

/// What the daemons of this network namespace keep.
#[derive(Debug, Default)]
pub(super) struct Owner {
    /// Those that are known by their address or mark.
    services: BTreeSet<Service>,
    /// All, as the daemon calls them.
    named: BTreeSet<String>,
    file: String,
}

impl Owner {
    /// Asks. Error: there is a daemon, and it does not say what it keeps.
    pub(super) fn ask(directory: &Path) -> Result<Self, String> {
        let mut all = Self::default();
        for folder in ask::folders(directory) {
            let Some(status) = ask::standing(&folder, LIMIT)? else { continue };
            if is_elsewhere(&status) {
                continue;
            }
            all.services.extend(owned::recorded_services(&folder));
            all.named.extend(status.services.into_iter().map(|service| service.name));
            all.file = status.configuration.file;
        }
        Ok(all)
    }

    /// Why `action` is refused; `None`: it is not.
    pub(super) fn refuses(&self, action: &Action) -> Option<String> {
        match action {
            Action::Flush => {
                let first =
                    self.services.iter().map(ToString::to_string).chain(self.named.iter().cloned()).next()?;
                let more = self.services.len().max(self.named.len()).saturating_sub(1);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                Some(self.why(&format!("{first}{more}")))
            }
            // The kernel has it already.
            Action::Change(Operation::NewService(..)) => None,
            Action::Change(operation) => self.keeps(operation.service()),
            _ => None,
        }
    }

    /// The same of a line among others, where also a new service is refused.
    pub(super) fn refuses_among(&self, action: &Action) -> Option<String> {
        match action {
            Action::Change(operation) => self.keeps(operation.service()),
            _ => self.refuses(action),
        }
    }

    fn keeps(&self, service: &Service) -> Option<String> {
        let name = service.to_string();
        (self.services.contains(service) || self.named.contains(&name)).then(|| self.why(&name))
    }

    fn why(&self, what: &str) -> String {
        let file = &self.file;
        format!(
            "{what} is kept by the directord that runs, which would put it back: `directord rs drain|disable|weight|enable \
             VIRTUAL-SERVER REAL-SERVER` for a real server, {file} and `directord reload` for the rest; --force does \
             it nevertheless"
        )
    }
}

/// Whether the daemon is one of another network namespace.
fn is_elsewhere(status: &Status) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    match (of("self"), of(&status.pid.to_string())) {
        (Some(here), Some(there)) => here != there,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::Few;
    use super::super::parse::parse;
    use super::*;

    fn action(line: &str) -> Action {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse("ipvsadm", &words, &Few).unwrap().0
    }

    #[test]
    fn what_the_daemon_keeps_is_named() {
        let Action::Change(operation) = action("-D -t 10.0.0.1:80") else { panic!() };
        let owner = Owner {
            services: BTreeSet::from([*operation.service()]),
            named: BTreeSet::from(["[10.0.0.1]:tcp:80".to_owned(), "FWM 7".to_owned()]),
            file: "/etc/a.conf".to_owned(),
        };
        let kept =
            ["-E -t 10.0.0.1:80", "-D -t 10.0.0.1:80", "-a -t 10.0.0.1:80 -r 10.0.1.1", "-D -f 7", "-C"];
        for line in kept {
            let why = owner.refuses(&action(line)).unwrap();
            assert!(why.contains("is kept by") && why.contains("/etc/a.conf"), "{line}: {why}");
        }
        let free = [
            "-D -t 10.0.0.1:81",
            "-D -u 10.0.0.1:80",
            "-D -f 8",
            "-Z",
            "-Z -t 10.0.0.1:80",
            "-A -t 10.0.0.1:80",
        ];
        for line in free {
            assert_eq!(owner.refuses(&action(line)), None, "{line}");
        }
        assert!(owner.refuses_among(&action("-A -t 10.0.0.1:80")).is_some());
        let all = owner.refuses(&Action::Flush).unwrap();
        assert!(all.starts_with("[10.0.0.1]:tcp:80 and 1 more is kept"), "{all}");
        assert_eq!(Owner::default().refuses(&Action::Flush), None);
    }
}
