//! `net_namespace`, `net_namespace_ipvs`: the network namespaces that the daemon lives in.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns};

use crate::config::model::Globals;
use crate::ipvs::error::Unavailable;
use crate::ipvs::io::Ipvs;
use crate::text::reason;

/// Where `ip netns add` puts the names.
const FOLDER: &str = "/run/netns";
/// The namespace of the first process, for `net_namespace_ipvs` without a name.
const FIRST: &str = "/proc/1/ns/net";
/// That of the thread that asks.
const PRESENT: &str = "/proc/thread-self/ns/net";

/// Where the daemon works; fixed while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `net_namespace`; `None`: the one that it was started in.
    network: Option<String>,
    /// `net_namespace_ipvs`; `None`: the same as for everything else; empty: that of the host.
    ipvs: Option<String>,
}

/// A namespace that cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// It does not exist.
    #[error(
        "there is no network namespace `{0}`: `ip netns list` shows those that exist, `ip netns add {0}` makes it"
    )]
    Missing(String),
    /// The capability is missing.
    #[error(
        "joining the network namespace `{0}` needs CAP_SYS_ADMIN: start directord as root, or grant it to the unit: \
         `systemctl edit directord` with the lines `[Service]`, `CapabilityBoundingSet=CAP_SYS_ADMIN` and `RestrictNamespaces=no`; \
         or with `NetworkNamespacePath=/run/netns/{0}` alone, and no `net_namespace` in the file"
    )]
    NotPermitted(String),
    /// Another reason.
    #[error("cannot join the network namespace `{name}`: {}", reason(.source))]
    Other {
        /// Its name.
        name: String,
        /// The reason.
        source: io::Error,
    },
}

impl Namespaces {
    /// What the configuration asks for.
    pub fn of(globals: &Globals) -> Self {
        Self { network: globals.host.namespace.clone(), ipvs: globals.host.ipvs_namespace.clone() }
    }

    /// Takes the calling thread, and every thread that it starts from now on, into `net_namespace`. Returns the one that
    /// it was in until then, when it can be gone back to.
    pub fn join(&self) -> Result<Option<Arc<File>>, NamespaceError> {
        let Some(name) = &self.network else { return Ok(None) };
        let before = File::open(PRESENT).ok().map(Arc::new);
        enter(name, &Path::new(FOLDER).join(name))?;
        Ok(before)
    }

    /// Folders of its own for a daemon of another namespace or instance: two of them must not share locks and records.
    pub fn folder(&self, base: &Path, instance: Option<&str>) -> PathBuf {
        let parts: Vec<&str> = self.network.as_deref().into_iter().chain(instance).collect();
        if parts.is_empty() { base.to_owned() } else { base.join(parts.join("_")) }
    }

    /// Where the tables are; `None`: where everything else is.
    pub(super) fn ipvs(&self) -> Option<PathBuf> {
        self.ipvs
            .as_deref()
            .map(|name| if name.is_empty() { PathBuf::from(FIRST) } else { Path::new(FOLDER).join(name) })
    }

    /// Opens IPVS where the tables are.
    pub(super) fn open_ipvs(&self) -> Result<Ipvs, Unavailable> {
        let Some(path) = self.ipvs() else { return Ipvs::open() };
        let name = self.ipvs.clone().unwrap_or_default();
        // A socket stays in the namespace where it was made; the thread that made it does not matter.
        let opened = std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                enter(&name, &path)
                    .map_err(|error| Unavailable::Other(io::Error::other(error.to_string())))?;
                Ipvs::open()
            });
            opener.join()
        });
        opened.unwrap_or_else(|_| {
            Err(Unavailable::Other(io::Error::other("the thread that opens IPVS panicked")))
        })
    }
}

fn enter(name: &str, path: &Path) -> Result<(), NamespaceError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NamespaceError::Missing(name.to_owned()),
        io::ErrorKind::PermissionDenied => NamespaceError::NotPermitted(name.to_owned()),
        _ => NamespaceError::Other { name: name.to_owned(), source: error },
    })?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| match error {
        nix::errno::Errno::EPERM => NamespaceError::NotPermitted(name.to_owned()),
        error => NamespaceError::Other { name: name.to_owned(), source: error.into() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the unit has that keeps it from joining one is lifted by what the message says to write.
    #[test]
    fn the_advice_fits_the_unit() {
        let unit = include_str!("../../packaging/directord.service");
        let advice = NamespaceError::NotPermitted("blue".into()).to_string();
        assert!(!unit.contains("CAP_SYS_ADMIN") && advice.contains("CapabilityBoundingSet=CAP_SYS_ADMIN"));
        assert!(unit.contains("RestrictNamespaces=yes") && advice.contains("RestrictNamespaces=no"));
        assert!(advice.contains("[Service]"), "a drop-in without a section is not read");
    }

    #[test]
    fn each_has_its_folder() {
        let namespaces =
            |network: Option<&str>| Namespaces { network: network.map(str::to_owned), ipvs: None };
        let base = Path::new("/run/directord");
        assert_eq!(namespaces(None).folder(base, None), base);
        assert_eq!(namespaces(Some("blue")).folder(base, None), base.join("blue"));
        assert_eq!(namespaces(Some("blue")).folder(base, Some("a")), base.join("blue_a"));
    }

    #[test]
    fn the_tables_have_a_place_of_their_own() {
        let place = |ipvs: Option<&str>| Namespaces { network: None, ipvs: ipvs.map(str::to_owned) }.ipvs();
        assert_eq!(place(None), None);
        assert_eq!(place(Some("")), Some("/proc/1/ns/net".into()));
        assert_eq!(place(Some("blue")), Some("/run/netns/blue".into()));
    }

    #[test]
    fn a_missing_one_is_named() {
        let namespaces = Namespaces { network: Some("no-such-namespace".into()), ipvs: None };
        let error = namespaces.join().unwrap_err().to_string();
        assert!(error.starts_with("there is no network namespace `no-such-namespace`"), "{error}");
    }
}
