//! Whose services are they? Those of the daemon that runs it would put back: who means to change one is told how.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
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
        for folder in ask::all_folders(directory) {
            let Some(status) = ask::standing(&folder, LIMIT)? else { continue };
            if is_elsewhere(&status) {
                continue;
            }
            let services = owned::recorded_services(&folder)?;
            // A name has no family: where there is a key, the key counts.
            let keys: BTreeSet<String> = services.iter().map(ToString::to_string).collect();
            let names = status.services.into_iter().map(|service| service.name);
            all.named.extend(names.filter(|name| !keys.contains(name)));
            all.services.extend(services);
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
                let more = (self.services.len() + self.named.len()).saturating_sub(1);
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

/// Whether the daemon's table is that of another network namespace. What cannot be told may be here.
fn is_elsewhere(status: &Status) -> bool {
    let own = || PathBuf::from(format!("/proc/{}/ns/net", status.pid));
    let theirs = status.configuration.ipvs_namespace.as_ref().map_or_else(own, PathBuf::from);
    // The file in /run/netns is no link, but the same file.
    let of = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    match (of(Path::new("/proc/self/ns/net")), of(&theirs)) {
        (Some(here), Some(there)) => here != there,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::super::address::tests::Few;
    use super::super::parse::parse;
    use super::*;
    use crate::control::status::Service as Shown;
    use crate::control::{Answer, Reply, SOCKET};

    fn action(line: &str) -> Action {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse("ipvsadm", &words, &Few).unwrap().0
    }

    #[test]
    fn what_the_daemon_keeps_is_named() {
        let Action::Change(operation) = action("-D -t 10.0.0.1:80") else { panic!() };
        let owner = Owner {
            services: BTreeSet::from([*operation.service()]),
            named: BTreeSet::from(["FWM 7".to_owned()]),
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

    /// A daemon that answers once, with a record of what it keeps.
    fn daemon(folder: &Path, name: &str, record: &str, change: impl FnOnce(&mut Status)) {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("ipvs-services");
        fs::write(&path, record).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let _ = fs::remove_file(folder.join(SOCKET));
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let shown = Shown { name: name.to_owned(), quorum: true, up: 0, keeps: false, servers: Vec::new() };
        let mut status = Status { pid: std::process::id(), services: vec![shown], ..Status::default() };
        change(&mut status);
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(&Reply::line(Answer::Status(Box::new(status)))).unwrap();
        });
    }

    #[test]
    fn every_daemon_is_asked_and_a_dead_socket_hides_none() {
        let directory = tempfile::tempdir().unwrap();
        daemon(directory.path(), "FWM 7", "fwmark 7 inet\n", |_| {});
        daemon(&directory.path().join("b"), "FWM 8", "fwmark 8 inet\n", |_| {});
        let both = Owner::ask(directory.path()).unwrap();
        let kept = |owner: &Owner, line: &str| owner.refuses(&action(line)).is_some();
        assert!(kept(&both, "-D -f 7") && kept(&both, "-D -f 8"));
        assert!(!kept(&both, "-D -f 7 -6"), "that of the other family is another service");
        // Nobody listens there any more.
        let socket = directory.path().join(SOCKET);
        fs::remove_file(&socket).unwrap();
        drop(UnixListener::bind(&socket).unwrap());
        daemon(&directory.path().join("b"), "FWM 8", "fwmark 8 inet\n", |_| {});
        let one = Owner::ask(directory.path()).unwrap();
        assert!(!kept(&one, "-D -f 7") && kept(&one, "-D -f 8"));
    }

    #[test]
    fn a_record_that_cannot_be_used_does_not_mean_that_nothing_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        daemon(directory.path(), "a group", "fwmark 7 in", |_| {});
        assert!(Owner::ask(directory.path()).unwrap_err().contains("is damaged"));
    }

    #[test]
    fn the_table_counts_and_not_where_the_daemon_lives() {
        let directory = tempfile::tempdir().unwrap();
        let keeps = |table: Option<&str>| {
            let table = table.map(str::to_owned);
            daemon(directory.path(), "FWM 7", "fwmark 7 inet\n", |status| {
                status.configuration.ipvs_namespace = table;
            });
            Owner::ask(directory.path()).unwrap().refuses(&action("-D -f 7")).is_some()
        };
        // Another file stands for another namespace.
        let another = directory.path().to_string_lossy().into_owned();
        assert_eq!([None, Some("/proc/self/ns/net"), Some(&another)].map(keeps), [true, true, false]);
        assert!(keeps(Some("/run/netns/no-such-namespace")), "it cannot be told");
    }
}
