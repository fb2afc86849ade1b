//! Records of what we put into the kernel, services, daemons that synchronise connections, and addresses with their
//! routes and rules, so that after a kill the next start can remove what is no longer configured and leave what others
//! have alone.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use crate::config::model::{Family, Protocol, Service};
use crate::ipvs::sync::Role;
use crate::ipvs::timeouts::Which;
use crate::text::reason;
use crate::vrrp::node::Claim;

/// Largest record that is read: a line for each of a million things.
const LONGEST: u64 = 64 << 20;

/// A set of things of ours, and the file that keeps it.
#[derive(Debug)]
pub(super) struct Owned<T> {
    path: PathBuf,
    /// As whoever holds the same has them.
    things: Arc<BTreeSet<T>>,
    /// The file says the same.
    written: bool,
}

/// A thing that is kept as a line.
pub trait Line: Ord + Sized {
    /// Name of its file.
    const FILE: &str;
    /// The line, without its end.
    fn line(&self) -> String;
    /// `None`: not understood.
    fn parse(line: &str) -> Option<Self>;
}

/// A thing whose record is written and tried again here, in these words.
pub(super) trait Recorded: Line {
    /// What the record is of: `our addresses`.
    const OF: &str;
    /// What comes of it when it cannot be written.
    const RISK: &str;
}

impl Recorded for Claim {
    const OF: &str = "our addresses";
    const RISK: &str = "a killed daemon might leave some behind";
}

impl Recorded for Role {
    const OF: &str = "our IPVS sync daemons";
    const RISK: &str = "a killed daemon might leave them behind";
}

impl Recorded for (Which, u32) {
    const OF: &str = "the IPVS timeouts of the system";
    const RISK: &str = "after a kill they would stay as they are set";
}

/// The things that a record names; lines that are not understood are skipped.
pub fn parse_lines<T: Line>(text: &str) -> BTreeSet<T> {
    text.lines().filter_map(T::parse).collect()
}

/// The text of a record.
pub fn to_lines<T: Line>(things: &BTreeSet<T>) -> String {
    things.iter().map(|thing| thing.line() + "\n").collect()
}

impl<T: Line> Owned<T> {
    /// Reads the record in `directory`. One that others can have made says nothing.
    pub(super) fn read(directory: &Path) -> Self {
        let path = directory.join(T::FILE);
        let things = match read(&path) {
            Ok(text) => parse_lines(&text),
            Err(error) => {
                let (path, why) = (path.display(), reason(&error));
                tracing::warn!(
                    "{path} is not used: {why}. What a killed daemon left is removed only where it is configured"
                );
                BTreeSet::new()
            }
        };
        Self { path, things: things.into(), written: true }
    }

    /// What is ours.
    pub(super) fn things(&self) -> &BTreeSet<T> {
        &self.things
    }

    /// Replaces the set; the file is written anew only when it says something else.
    pub(super) fn set(&mut self, things: impl Into<Arc<BTreeSet<T>>>) -> io::Result<()> {
        let things = things.into();
        self.written &= things == self.things;
        self.things = things;
        self.write()
    }

    /// Whether the file could not be written: [`Self::write`] is to be tried again.
    pub(super) fn is_behind(&self) -> bool {
        !self.written
    }

    /// Writes the file, unless it says the same already.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.written {
            return Ok(());
        }
        if self.things.is_empty() {
            files::remove(&self.path)?;
        } else {
            if let Some(directory) = self.path.parent() {
                files::make_directory(directory, 0o755)?;
            }
            files::replace(&self.path, to_lines(&self.things).as_bytes(), 0o600, false)?;
        }
        self.written = true;
        Ok(())
    }
}

impl<T: Recorded> Owned<T> {
    /// Replaces the set. When it cannot be written that is said once, and [`Self::retry`] tries again.
    pub(super) fn record(&mut self, things: impl Into<Arc<BTreeSet<T>>>) {
        let behind = self.is_behind();
        if let Err(error) = self.set(things)
            && !behind
        {
            tracing::warn!("cannot record {}, {}: {}; tried again", T::OF, T::RISK, reason(&error));
        }
    }

    /// Replaces the set by one that somebody else holds, too: two that are equal are one in memory.
    pub(super) fn follow(&mut self, things: Arc<BTreeSet<T>>) {
        if self.things == things {
            self.things = things;
        } else {
            self.record(things);
        }
    }

    /// Writes what could not be written.
    pub(super) fn retry(&mut self) {
        // Somebody has tidied up.
        self.written &= self.things.is_empty() || self.path.exists();
        if self.is_behind() && self.write().is_ok() {
            tracing::info!("{} are recorded now", T::OF);
        }
    }
}

/// The addresses that a director with this folder put into the kernel; `None`: the record cannot be read.
pub fn recorded_addresses(directory: &Path) -> Option<BTreeSet<IpAddr>> {
    let claims = recorded::<Claim>(directory).ok()?;
    let address = |claim| match claim {
        Claim::Address { address, .. } => Some(address),
        _ => None,
    };
    Some(claims.into_iter().filter_map(address).collect())
}

/// The services that a director with this folder put into the kernel. Error: the record cannot be used, and why.
pub fn recorded_services(directory: &Path) -> Result<BTreeSet<Service>, String> {
    let path = directory.join(Service::FILE);
    let unusable = |why: &str| format!("{} is not used: {why}", path.display());
    let text = read(&path).map_err(|error| unusable(&reason(&error)))?;
    // Whoever asks must not take a part for all.
    let services = text.lines().map(Service::parse).collect::<Option<_>>();
    services.ok_or_else(|| unusable("it is damaged"))
}

/// What the record in `directory` names, of whoever it is.
pub(super) fn recorded<T: Line>(directory: &Path) -> io::Result<BTreeSet<T>> {
    read(&directory.join(T::FILE)).map(|text| parse_lines(&text))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(file) = files::open(path)? {
        file.take(LONGEST).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Line for Service {
    const FILE: &str = "ipvs-services";

    fn line(&self) -> String {
        line(self)
    }

    fn parse(line: &str) -> Option<Self> {
        parse(line)
    }
}

impl Line for Role {
    const FILE: &str = "ipvs-sync-daemons";

    fn line(&self) -> String {
        self.to_string()
    }

    fn parse(line: &str) -> Option<Self> {
        [Self::Master, Self::Backup].into_iter().find(|role| role.to_string() == line)
    }
}

impl Line for (Which, u32) {
    const FILE: &str = "ipvs-timeouts";

    fn line(&self) -> String {
        let word = Which::ALL.iter().find(|(which, _)| *which == self.0).map_or("", |(_, word)| word);
        format!("{word} {}", self.1)
    }

    fn parse(line: &str) -> Option<Self> {
        let (word, seconds) = line.split_once(' ')?;
        let (which, _) = Which::ALL.iter().find(|(_, known)| *known == word)?;
        Some((*which, seconds.parse().ok()?))
    }
}

impl Line for Claim {
    const FILE: &str = "addresses";

    fn line(&self) -> String {
        self.to_string()
    }

    fn parse(line: &str) -> Option<Self> {
        Self::parse(line)
    }
}

fn line(service: &Service) -> String {
    match service {
        Service::Fwmark { mark, family } => format!("fwmark {mark} {}", family.word()),
        Service::Address { protocol, address } => format!("{} {address}", protocol.name()),
    }
}

fn parse(line: &str) -> Option<Service> {
    let mut words = line.split_whitespace();
    let (kind, value) = (words.next()?, words.next()?);
    let protocol = match kind {
        "fwmark" => {
            let family = Family::from_word(words.next()?)?;
            return Some(Service::Fwmark { mark: value.parse().ok()?, family });
        }
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let address: SocketAddr = value.parse().ok()?;
    Some(Service::Address { protocol, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_survives_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let services = BTreeSet::from([
            Service::Fwmark { mark: 3, family: Family::Ipv6 },
            Service::Address { protocol: Protocol::Udp, address: "[2001:db8::1]:53".parse().unwrap() },
            Service::Address { protocol: Protocol::Tcp, address: "10.0.0.1:80".parse().unwrap() },
        ]);
        Owned::read(directory.path()).set(services.clone()).unwrap();
        let mut again: Owned<Service> = Owned::read(directory.path());
        assert_eq!(again.things(), &services);
        again.set(BTreeSet::new()).unwrap();
        assert!(Owned::<Service>::read(directory.path()).things().is_empty());
        let roles = BTreeSet::from([Role::Master, Role::Backup]);
        Owned::read(directory.path()).set(roles.clone()).unwrap();
        assert_eq!(Owned::<Role>::read(directory.path()).things(), &roles);
        let timeouts = BTreeSet::from([(Which::Tcp, 900), (Which::TcpFin, 120)]);
        Owned::read(directory.path()).set(timeouts.clone()).unwrap();
        assert_eq!(Owned::<(Which, u32)>::read(directory.path()).things(), &timeouts);
        let address: std::net::IpAddr = "192.168.100.240".parse().unwrap();
        let addresses = BTreeSet::from([Claim::Address { interface: "eth0".into(), address, prefix: 24 }]);
        Owned::read(directory.path()).set(addresses.clone()).unwrap();
        assert_eq!(Owned::<Claim>::read(directory.path()).things(), &addresses);
    }

    #[test]
    fn a_record_that_could_not_be_written_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        std::fs::write(&directory, "in the way").unwrap();
        let services = BTreeSet::from([Service::Fwmark { mark: 3, family: Family::Ipv4 }]);
        let mut owned: Owned<Service> = Owned::read(&directory);
        assert!(owned.set(services.clone()).is_err() && owned.is_behind());
        assert!(owned.set(services.clone()).is_err(), "it is tried again although the set is the same");
        std::fs::remove_file(&directory).unwrap();
        owned.write().unwrap();
        assert!(!owned.is_behind());
        assert_eq!(Owned::<Service>::read(&directory).things(), &services);
    }

    #[test]
    fn a_record_that_others_made_names_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Claim::FILE);
        std::fs::write(&path, "eth0 192.168.100.1/24\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode;
        std::fs::set_permissions(&path, mode(0o600)).unwrap();
        assert_eq!(Owned::<Claim>::read(folder.path()).things().len(), 1);
        std::fs::set_permissions(&path, mode(0o622)).unwrap();
        assert!(Owned::<Claim>::read(folder.path()).things().is_empty());
    }

    #[test]
    fn of_a_record_that_cannot_be_used_it_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Service::FILE);
        assert_eq!(recorded_services(folder.path()), Ok(BTreeSet::new()), "nothing was put there");
        let mark = Service::Fwmark { mark: 2, family: Family::Ipv4 };
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
            recorded_services(folder.path())
        };
        assert_eq!(write("fwmark 2 inet\n", 0o600), Ok(BTreeSet::from([mark])));
        let damaged = write("fwmark 2 inet\ntcp 10.0.0.1\n", 0o600).unwrap_err();
        assert!(damaged.ends_with("ipvs-services is not used: it is damaged"), "{damaged}");
        let planted = write("fwmark 2 inet\n", 0o666).unwrap_err();
        assert!(planted.contains("others have access to it"), "{planted}");
    }

    #[test]
    fn lines_that_are_not_understood_are_skipped() {
        let text = "eth0 10.0.0.1/33\n eth0 10.0.0.1/8\na/b 10.0.0.1/8\neth0 10.0.0.1/8\neth0\n";
        assert_eq!(to_lines(&parse_lines::<Claim>(text)), "eth0 10.0.0.1/8\n");
        let text = "fwmark 1 both\nfwmark 2 inet\nudp x\nicmp 10.0.0.1:1\n";
        assert_eq!(to_lines(&parse_lines::<Service>(text)), "fwmark 2 inet\n");
    }
}
