//! Whose certificates count, `tls_verify`: read when a configuration is loaded, kept for its checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::ssl::SslContext;
use openssl::x509::X509;
use openssl::x509::store::{X509Store, X509StoreBuilder};

use crate::config::model::Trust;

use super::credentials::regular;

/// A file has no more bytes; those of the authorities of the world take a quarter of a MiB.
const LONGEST: u64 = 8 << 20;

/// Where hosts keep the authorities that they trust, in one file: Debian, Red Hat, SUSE, Alpine.
const OF_HOSTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The configuration does not say it.
const UNKNOWN: &str = "what a `tls_` line demands is not known, as the line is wrong";

/// Names another file instead of those, as for every program that uses OpenSSL.
const OF_ENVIRONMENT: &str = "SSL_CERT_FILE";

/// The authorities of a configuration.
#[derive(Default)]
pub(crate) struct Authorities(BTreeMap<Trust, Result<Anchors, String>>);

/// Certificates that count, and what is made of them when it is needed first.
#[derive(Default)]
pub(super) struct Anchors {
    list: Vec<X509>,
    /// For connections that may be cut, and for those that may not.
    pub(super) contexts: [OnceLock<SslContext>; 2],
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

impl Authorities {
    /// Reads those.
    pub(crate) fn read(wanted: BTreeSet<&Trust>) -> Self {
        let of_host = || {
            let named = std::env::var_os(OF_ENVIRONMENT).map(PathBuf::from);
            let usual = || OF_HOSTS.iter().map(PathBuf::from).find(|path| path.exists());
            named.or_else(usual).ok_or_else(|| {
                format!("this host has no list of authorities (looked for: {}): install ca-certificates, or name a file", OF_HOSTS.join(", "))
            })
        };
        let read = |trust: &Trust| match trust {
            Trust::Anybody => Ok(Anchors::default()),
            Trust::Host => of_host()
                .and_then(|path| Anchors::read(&path).map_err(|why| format!("{}: {why}", path.display()))),
            Trust::File(path) => Anchors::read(Path::new(path)),
            Trust::Unknown => Err(String::new()),
        };
        let of = |trust: &Trust| {
            let read = read(trust).map_err(|why| match trust {
                Trust::Unknown => UNKNOWN.to_owned(),
                _ => format!("`tls_verify {}`: {why}", trust.written()),
            });
            (trust.clone(), read)
        };
        Self(wanted.into_iter().map(of).collect())
    }

    /// Why some cannot be used.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter_map(|read| read.as_ref().err().map(String::as_str))
    }

    pub(super) fn of(&self, trust: &Trust) -> Result<&Anchors, String> {
        match self.0.get(trust) {
            Some(Ok(anchors)) => Ok(anchors),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("`tls_verify {}` was not read", trust.written())),
        }
    }
}

impl Anchors {
    /// Error: what is wrong, in one line.
    fn read(path: &Path) -> Result<Self, String> {
        let pem = regular(path, LONGEST)?;
        if pem.trim_ascii().is_empty() {
            return Err("the file is empty".to_owned());
        }
        let list = X509::stack_from_pem(&pem).map_err(|_| "a certificate in it is damaged".to_owned())?;
        if list.is_empty() {
            return Err("it holds no certificate in PEM".to_owned());
        }
        Ok(Self { list, ..Self::default() })
    }

    pub(super) fn store(&self) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for one in &self.list {
            store.add_cert(one.clone())?;
        }
        Ok(store.build())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn with_what_is_not_known_nobody_counts() {
        let authorities = Authorities::read([&Trust::Unknown].into());
        assert_eq!(authorities.troubles().collect::<Vec<_>>(), [UNKNOWN]);
        assert_eq!(authorities.of(&Trust::Unknown).err().as_deref(), Some(UNKNOWN));
        assert!(Authorities::default().of(&Trust::Unknown).is_err());
    }

    #[test]
    fn a_file_that_is_no_list_of_certificates_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let damaged = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, why) in [
            ("/nowhere/ca.pem".to_owned(), "it cannot be read: no such file or directory"),
            (file("empty", b"\n \n"), "the file is empty"),
            (file("text", b"no PEM\n"), "it holds no certificate in PEM"),
            (file("damaged", damaged.as_bytes()), "a certificate in it is damaged"),
            (file("long", &vec![b'a'; 9 << 20]), "it has more than 8388608 bytes"),
            (folder.path().to_str().unwrap().to_owned(), "it is no file"),
            (pipe.to_str().unwrap().to_owned(), "it is no file"),
            ("/dev/zero".to_owned(), "it is no file"),
        ] {
            let trust = Trust::File(path.clone());
            let authorities = Authorities::read([&trust].into());
            let said: Vec<&str> = authorities.troubles().collect();
            assert_eq!(said, [format!("`tls_verify {path}`: {why}")]);
            assert!(authorities.of(&trust).is_err());
        }
    }
}
