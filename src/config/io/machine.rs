use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::utsname::uname;
use nix::unistd::{Group, User};

use crate::config::host::{Host, ScriptTrouble};
use crate::config::keywords;
use crate::config::model::Net;
use crate::text::reason;

/// What is asked of name services may take this long in all: a resolver that does not answer keeps nobody waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// The machine that this runs on.
pub struct Machine {
    interfaces: BTreeMap<String, Vec<Net>>,
    /// What directord's record names; `None`: nobody asked for it.
    recorded: Option<BTreeSet<IpAddr>>,
    until: Instant,
}

impl Machine {
    /// Reads the interfaces; the time for name services starts now.
    pub fn new() -> Self {
        let mut interfaces: BTreeMap<String, Vec<Net>> = BTreeMap::new();
        for entry in getifaddrs().into_iter().flatten() {
            let nets = interfaces.entry(entry.interface_name).or_default();
            let (Some(address), Some(mask)) = (entry.address, entry.netmask) else { continue };
            let of = |storage: &nix::sys::socket::SockaddrStorage| {
                let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
                v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
            };
            let ones = |mask| match mask {
                IpAddr::V4(mask) => u32::from(mask).leading_ones(),
                IpAddr::V6(mask) => u128::from(mask).leading_ones(),
            };
            if let Some((address, mask)) = of(&address).zip(of(&mask)) {
                nets.push(Net { address, prefix: u8::try_from(ones(mask)).unwrap_or(0) });
            }
        }
        Self { interfaces, recorded: None, until: Instant::now() + PATIENCE }
    }

    /// Knows of these addresses that directord put them there.
    #[must_use]
    pub fn with_recorded(self, recorded: BTreeSet<IpAddr>) -> Self {
        Self { recorded: Some(recorded), ..self }
    }

    /// The answer, when it comes in time. One that does not is left behind with its thread.
    fn in_time<T: Send + 'static>(&self, ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let left = self.until.saturating_duration_since(Instant::now());
        let (answer, answered) = mpsc::channel();
        std::thread::spawn(move || answer.send(ask()));
        answered.recv_timeout(left).ok()
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for Machine {
    fn addresses(&self, interface: &str) -> Option<Vec<Net>> {
        let known = self.interfaces.get(interface).cloned();
        known.or_else(|| Path::new("/sys/class/net").join(interface).exists().then(Vec::new))
    }

    fn holder(&self, address: IpAddr) -> Option<String> {
        let has = |nets: &Vec<Net>| nets.iter().any(|net| net.address == address);
        self.interfaces.iter().find(|(_, nets)| has(nets)).map(|(name, _)| name.clone())
    }

    fn is_recorded(&self, address: IpAddr) -> Option<bool> {
        self.recorded.as_ref().map(|recorded| recorded.contains(&address))
    }

    fn has_user(&self, name: &str) -> Option<bool> {
        let name = name.to_owned();
        self.in_time(move || User::from_name(&name))?.ok().map(|user| user.is_some())
    }

    fn has_group(&self, name: &str) -> Option<bool> {
        let name = name.to_owned();
        self.in_time(move || Group::from_name(&name))?.ok().map(|group| group.is_some())
    }

    fn script_trouble(&self, path: &Path) -> Option<ScriptTrouble> {
        let name = path.display();
        let cannot = |message: String, fix: String| {
            let consequence = "it is not run, as if the line were not there".to_owned();
            Some(ScriptTrouble { message, consequence, fix })
        };
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fix = match similar(path) {
                    Some(similar) => format!("did you mean {}?", similar.display()),
                    None => format!("correct the path; `ls -l {name}` must show a program"),
                };
                return cannot(format!("there is no file {name}"), fix);
            }
            Err(error) => {
                return cannot(
                    format!("cannot run {name}: {}", reason(&error)),
                    format!("`namei -l {name}` shows where"),
                );
            }
        };
        let metadata = fs::metadata(&real).ok()?;
        if !metadata.is_file() {
            return cannot(format!("{name} is no program"), "name a file".to_owned());
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return cannot(format!("{name} is not executable"), format!("chmod +x {name}"));
        }
        changeable(&real)
    }

    fn has_module(&self, name: &str) -> bool {
        if Path::new("/sys/module").join(name).exists()
            || (name == "ip_vs" && Path::new("/proc/net/ip_vs").exists())
        {
            return true;
        }
        let Ok(system) = uname() else { return true };
        let folder = PathBuf::from("/lib/modules").join(system.release());
        let file = format!("/{name}.ko");
        ["modules.builtin", "modules.dep"].iter().any(|list| {
            let text = fs::read_to_string(folder.join(list)).unwrap_or_default();
            text.lines().filter_map(|line| line.split(':').next()).any(|path| path.contains(&file))
        })
    }

    fn sysctl(&self, name: &str) -> Option<String> {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        fs::read_to_string(path).ok().map(|value| value.trim().to_owned())
    }

    fn resolves(&self, name: &str) -> Option<bool> {
        let name = name.to_owned();
        self.in_time(move || {
            (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
        })
    }
}

/// The file of the same folder that was most likely meant.
fn similar(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?;
    let names: Vec<String> = fs::read_dir(path.parent()?)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = keywords::closest(wanted, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near))
}

/// Whether somebody else than root can change the file or a folder above it.
fn changeable(path: &Path) -> Option<ScriptTrouble> {
    for part in path.ancestors() {
        let metadata = fs::metadata(part).ok()?;
        let (mode, name) = (metadata.permissions().mode(), part.display());
        let trouble = |message: String, who: &str, fix: String| {
            let consequence =
                format!("{who} can decide what runs as the user of the script, and that may be root");
            Some(ScriptTrouble { message, consequence, fix })
        };
        if metadata.uid() != 0 {
            let message = format!("{name} belongs to user {}, not to root", metadata.uid());
            return trouble(message, "that user", format!("chown root {name}"));
        }
        // In a folder with the sticky bit nobody changes the files of others.
        let sticky = metadata.is_dir() && mode & 0o1000 != 0;
        if mode & 0o022 != 0 && !sticky {
            let (by, who) = match mode & 0o002 != 0 {
                true => ("everybody", "everybody"),
                false => ("its group", "whoever is in that group"),
            };
            let message = format!("{name} can be changed by {by} (mode {:04o})", mode & 0o7777);
            return trouble(message, who, format!("chmod go-w {name}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        let machine = Machine::new();
        let loopback = machine.addresses("lo").unwrap();
        assert!(loopback.iter().any(|net| net.address.is_loopback() && net.prefix == 8));
        assert!(machine.addresses("no-such-if").is_none());
        assert_eq!(machine.has_user("root"), Some(true));
        assert_eq!(machine.has_user("no-such-user"), Some(false));
        assert!(
            machine.script_trouble(Path::new("/none/such")).unwrap().message.contains("no file /none/such")
        );
        assert!(
            machine.script_trouble(Path::new("/etc/passwd")).unwrap().message.contains("is not executable")
        );
        assert_eq!(machine.script_trouble(Path::new("/etc/paswd")).unwrap().fix, "did you mean /etc/passwd?");
        assert_eq!(machine.script_trouble(Path::new("/bin/sh")), None);
    }

    #[test]
    fn nobody_waits_for_a_name_service() {
        let machine = Machine { interfaces: BTreeMap::new(), recorded: None, until: Instant::now() };
        let never = machine.in_time(std::thread::park);
        assert_eq!(never, None);
    }
}
