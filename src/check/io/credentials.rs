//! The secrets of HTTP checks, from files of their own: read when a configuration is loaded, kept for its checks, never
//! shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::check::dialogue::http::Http;
use crate::config::model::{Credential, HttpUrl, Scheme, SecretPlace};
use crate::report::plain;

/// A file has no more bytes.
const LONGEST: u64 = 8192;

/// What the service manager tells of where its credentials are.
const OF_MANAGER: &str = "CREDENTIALS_DIRECTORY";

/// The secrets of a configuration.
#[derive(Default)]
pub(crate) struct Credentials {
    /// As the value of the header; why there is none, in one line.
    read: BTreeMap<Credential, Result<String, String>>,
}

impl fmt::Debug for Credentials {
    /// Nothing of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.read.len())
    }
}

impl Credentials {
    /// Reads those.
    pub(crate) fn read(wanted: BTreeSet<&Credential>) -> Self {
        let folder = std::env::var_os(OF_MANAGER).map(PathBuf::from);
        let read = |one: &Credential| {
            let value = value(one, folder.as_deref());
            (one.clone(), value.map_err(|why| format!("`{} {}`: {why}", one.keyword(), one.written())))
        };
        Self { read: wanted.into_iter().map(read).collect() }
    }

    /// Why some cannot be used; no secret is in it.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &str> {
        self.read.values().filter_map(|read| read.as_ref().err().map(String::as_str))
    }

    /// Has `http`, which asks for `url`, say who asks.
    pub(super) fn authorize(&self, url: &HttpUrl, http: Http) -> Result<Http, String> {
        let Some(credential) = url.more.as_ref().and_then(|more| more.credential.as_ref()) else {
            return Ok(http);
        };
        match self.read.get(credential) {
            Some(Ok(value)) => Ok(http.authorized(value)),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("`{} {}` was not read", credential.keyword(), credential.written())),
        }
    }
}

/// The value of the header. `folder`: that of the service manager.
fn value(credential: &Credential, folder: Option<&Path>) -> Result<String, String> {
    let secret = match credential.place() {
        SecretPlace::File(path) => first_line(Path::new(path), true)?,
        SecretPlace::Credential(name) => {
            let Some(folder) = folder else {
                return Err(format!(
                    "the service manager gave no credentials (${OF_MANAGER} is not set): add `LoadCredential={name}:PATH` to the unit"
                ));
            };
            // Who else may read it, is the service manager's affair.
            first_line(&folder.join(name), false)?
        }
    };
    match credential.scheme {
        Scheme::Basic if !secret.contains(':') => Err("its first line is not `USER:PASSWORD`".to_owned()),
        Scheme::Basic if secret.chars().any(char::is_control) => {
            Err("its first line has a control character in it".to_owned())
        }
        Scheme::Basic => Ok(format!("Basic {}", openssl::base64::encode_block(secret.as_bytes()))),
        Scheme::Bearer if !secret.trim().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("its first line is no token: letters, digits and signs of ASCII without blanks".to_owned())
        }
        Scheme::Bearer => Ok(format!("Bearer {}", secret.trim())),
    }
}

fn cannot(error: std::io::Error) -> String {
    format!("it cannot be read: {}", plain(&error))
}

/// What is no file is not waited for.
fn open(path: &Path) -> Result<(File, Metadata), String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err("it is no file".to_owned()) }
}

/// All of a file of at most `most` bytes.
pub(super) fn regular(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > most { Err(format!("it has more than {most} bytes")) } else { Ok(bytes) }
}

/// `alone`: nobody but its owner may read it.
fn first_line(path: &Path, alone: bool) -> Result<String, String> {
    let (file, metadata) = open(path)?;
    let mode = metadata.permissions().mode() & 0o777;
    if alone && mode & 0o077 != 0 {
        return Err(format!(
            "others than its owner may use the file (mode {mode:04o}): run `chmod 600 {}`",
            path.display()
        ));
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes"));
    }
    match text.lines().next().unwrap_or_default() {
        blank if blank.trim().is_empty() => Err("its first line is empty".to_owned()),
        line => Ok(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_that_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let of = |scheme, text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            value(&Credential::new(scheme, path.to_str().unwrap()).unwrap(), None)
        };
        assert_eq!(
            of(Scheme::Basic, b"Aladdin:open sesame\nmore", 0o600).unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(of(Scheme::Bearer, b" abc.def~1= \n", 0o400).unwrap(), "Bearer abc.def~1=");
        for mode in [0o640, 0o604, 0o620] {
            let why = of(Scheme::Bearer, b"abc", mode).unwrap_err();
            assert!(why.contains(&format!("mode {mode:04o}")) && why.contains("chmod 600"), "{why}");
        }
        let why = |scheme, text: &[u8]| of(scheme, text, 0o600).unwrap_err();
        assert!(why(Scheme::Basic, b"nobody").contains("USER:PASSWORD"));
        assert!(why(Scheme::Basic, b"a:b\0c").contains("control"));
        assert!(why(Scheme::Bearer, b"two words").contains("no token"));
        assert!(why(Scheme::Bearer, b"\nabc").contains("empty"));
        assert!(why(Scheme::Bearer, &[b'a'; 9000]).contains("8192"));
        for text in [&b"two words"[..], b"nobody"] {
            let told = [why(Scheme::Basic, b"nobody"), why(Scheme::Bearer, b"two words")].concat();
            assert!(!told.contains(std::str::from_utf8(text).unwrap()), "{told}");
        }
        fs::remove_file(&path).unwrap();
        let credential = Credential::new(Scheme::Basic, path.to_str().unwrap()).unwrap();
        assert!(value(&credential, None).unwrap_err().contains("cannot be read"));
        let credential = Credential::new(Scheme::Basic, folder.path().to_str().unwrap()).unwrap();
        assert_eq!(value(&credential, None).unwrap_err(), "it is no file");
    }

    #[test]
    fn the_service_manager_has_secrets_too() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("web"), "abc").unwrap();
        // As systemd writes them for a user: the group is that of an access list.
        fs::set_permissions(folder.path().join("web"), fs::Permissions::from_mode(0o440)).unwrap();
        let of = |name: &str, folder| value(&Credential::new(Scheme::Bearer, name).unwrap(), folder);
        assert_eq!(of("credential:web", Some(folder.path())).unwrap(), "Bearer abc");
        assert!(of("credential:mail", Some(folder.path())).unwrap_err().contains("cannot be read"));
        assert!(of("credential:web", None).unwrap_err().contains("LoadCredential=web:PATH"));
    }
}
