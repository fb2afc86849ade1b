//! Records of what we put into the kernel, services and addresses, so that after a kill the next start can remove what
//! is no longer configured and leave what others have alone.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::model::{Family, Protocol, Service};
use crate::vrrp::io::Leftover;

/// A set of things of ours, and the file that keeps it.
#[derive(Debug)]
pub(super) struct Owned<T> {
    path: PathBuf,
    things: BTreeSet<T>,
}

/// A thing that is kept as a line.
pub(super) trait Line: Ord + Sized {
    /// Name of its file.
    const FILE: &str;
    fn line(&self) -> String;
    /// `None`: not understood.
    fn parse(line: &str) -> Option<Self>;
}

impl<T: Line> Owned<T> {
    /// Reads the record in `directory`; lines that are not understood are skipped.
    pub(super) fn read(directory: &Path) -> Self {
        let path = directory.join(T::FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { path, things: text.lines().filter_map(T::parse).collect() }
    }

    /// What is ours.
    pub(super) fn things(&self) -> &BTreeSet<T> {
        &self.things
    }

    /// Replaces the set; the file is written anew only when it differs.
    pub(super) fn set(&mut self, things: BTreeSet<T>) -> io::Result<()> {
        if things == self.things {
            return Ok(());
        }
        self.things = things;
        if self.things.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let text: String = self.things.iter().map(|thing| thing.line() + "\n").collect();
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)
    }
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

impl Line for Leftover {
    const FILE: &str = "addresses";

    fn line(&self) -> String {
        format!("{} {}/{}", self.interface, self.address, self.prefix)
    }

    fn parse(line: &str) -> Option<Self> {
        let (interface, rest) = line.split_once(' ')?;
        let (address, prefix) = rest.split_once('/')?;
        Some(Self {
            interface: interface.to_owned(),
            address: address.parse().ok()?,
            prefix: prefix.parse().ok()?,
        })
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
        let address: std::net::Ipv4Addr = "192.168.100.240".parse().unwrap();
        let addresses = BTreeSet::from([Leftover { interface: "eth0".into(), address, prefix: 24 }]);
        Owned::read(directory.path()).set(addresses.clone()).unwrap();
        assert_eq!(Owned::<Leftover>::read(directory.path()).things(), &addresses);
    }
}
