//! Beside the loop: the texts are made, and take the place of what was there.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::{Command, Model, Notify, ProbeKind, Scripts, VirtualServer};
use crate::config::supported::{Runnable, runnable};
use crate::dump::place::File;
use crate::dump::{self, Clock, Configured, Found, State, View};
use crate::net::io::links;
use crate::script::io::{look, look_user};
use crate::sys::host;
use crate::text::reason;
use crate::vrrp::node::Setup;

use super::super::options::Options;
use super::super::reload::Running;
use super::super::{apply, names};
use super::Dump;

/// What files are made of.
pub(super) struct Material {
    pub(super) options: Arc<Options>,
    pub(super) running: Arc<Running>,
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) wanted: BTreeSet<Dump>,
}

/// What came of a file.
#[derive(Debug)]
pub(in crate::director) struct Written {
    pub(super) path: PathBuf,
    /// Error: why, and what is to be done.
    pub(super) outcome: Result<(), String>,
}

impl Material {
    /// Makes all files that are wanted.
    pub(super) fn write(mut self) -> Vec<Written> {
        let running = Arc::clone(&self.running);
        let mut parts = self.runnable();
        let data = self.wanted.contains(&Dump::Data);
        if data {
            // What cannot be read is not shown.
            self.state.links = links().unwrap_or_default();
        }
        let filter = std::mem::take(&mut parts.filter);
        let (scripts, files) = (std::mem::take(&mut parts.scripts), std::mem::take(&mut parts.files));
        let processes = std::mem::take(&mut parts.processes);
        let sessions = !parts.sessions.is_empty();
        let (setup, servers) = apply::parts(parts, std::time::Duration::ZERO);
        // The rules with the preferences that they are set with.
        let Setup { instances, groups, statics, .. } = setup.complete();
        let model = &running.model;
        let router_id = model.globals.router_id.clone().unwrap_or_else(host::name);
        let found = found(model, if data { &servers } else { &[] });
        let configured = Configured {
            model,
            fallbacks: &running.fallbacks,
            router_id: &router_id,
            instances: &instances,
            groups: &groups,
            statics: &statics,
            scripts: &scripts,
            files: &files,
            processes: &processes,
            filter: &filter,
            servers: &servers,
            found: &found,
        };
        let view = View { configured, state: &self.state, clock: &self.clock };
        let mut texts: Vec<(File, String)> = Vec::new();
        if data {
            texts.push((File::Parent, dump::parent(&view)));
            if !instances.is_empty() || !statics.is_empty() {
                texts.push((File::Vrrp, dump::vrrp(&view)));
            }
            if !servers.is_empty() {
                texts.push((File::Checks, dump::checks(&view)));
            }
            if sessions {
                texts.push((File::Bfd, dump::bfd(&view)));
            }
        }
        let counts = self.wanted.contains(&Dump::Statistics) || self.wanted.contains(&Dump::Clear);
        if counts && !instances.is_empty() {
            texts.push((File::Statistics, dump::statistics(&instances, &self.state.instances)));
        }
        if self.wanted.contains(&Dump::Json) {
            texts.extend(dump::json(&view).map(|text| (File::Json, text)));
        }
        texts.into_iter().map(|(file, text)| self.put(file, &text)).collect()
    }

    /// What runs of the configuration, as a start or reload works it out.
    fn runnable(&self) -> Runnable {
        let mut parts = runnable(&self.running.model);
        names::resolve(&mut parts);
        let mut parts = self.options.restricted(parts);
        // A script whose program cannot be run is tracked by nobody.
        let runs = |name: &str| self.state.scripts.iter().any(|seen| seen.name == name);
        parts.scripts.retain(|script| runs(&script.name));
        for instance in &mut parts.instances {
            instance.tracking.scripts.retain(|tracked| runs(&tracked.name));
        }
        parts
    }

    fn put(&self, file: File, text: &str) -> Written {
        let globals = &self.running.model.globals;
        let folder = self.options.dump_directory.as_deref().unwrap_or(&self.options.runtime_directory);
        let path = file.path(folder, globals);
        let outcome = match self.protected(&path) {
            Some(why) => Err(why.to_owned()),
            None => replace(&path, text.as_bytes(), file.mode(globals))
                .map_err(|error| self.explain(&path, &error)),
        };
        Written { path, outcome }
    }

    /// Why a file there is not replaced, whoever named it.
    fn protected(&self, path: &Path) -> Option<&'static str> {
        let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keepalived"));
        if path.starts_with(&self.options.runtime_directory) && !own {
            return Some(
                "it is in the folder of the daemon, and its name does not begin with `keepalived`: name another one",
            );
        }
        let there = path.symlink_metadata().ok()?;
        let kind = there.file_type();
        if kind.is_dir()
            || kind.is_fifo()
            || kind.is_socket()
            || kind.is_char_device()
            || kind.is_block_device()
        {
            return Some("something is there that is no file: remove it, or name another one");
        }
        let spared = self.options.spared(&self.running.model.globals.files, &self.running.read);
        let is_there = |other: &PathBuf| {
            other.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (there.dev(), there.ino()))
        };
        let of_configuration = spared.files.iter().any(is_there);
        of_configuration.then_some("it is a file of the configuration or of the daemon: name another one")
    }

    fn explain(&self, path: &Path, error: &io::Error) -> String {
        let folder = path.parent().unwrap_or(path).display();
        let why = reason(error);
        let me = nix::unistd::geteuid().as_raw();
        match error.kind() {
            io::ErrorKind::NotFound => format!("{why}: make the folder {folder}"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("{why}: make room there"),
            io::ErrorKind::PermissionDenied
                if path.symlink_metadata().is_ok_and(|there| there.uid() != me) =>
            {
                format!("{why}: the file belongs to somebody else; remove it")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
                "{why}: let the daemon write to {folder}; under systemd with `systemctl edit directord` and the lines \
                 `[Service]` and `ReadWritePaths={folder}`"
            ),
            _ => why,
        }
    }
}

/// Puts a new file in the place of `path`. Nothing that is there is opened, followed or written to, and who reads sees the
/// old one or the whole new one. The name of the new one cannot be guessed while it is written.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("/"));
    // Made with O_EXCL, for its owner alone.
    let mut file = tempfile::Builder::new().prefix(".keepalived").tempfile_in(folder)?;
    file.write_all(bytes)?;
    // Whatever the mask of the process is.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Looks the commands and accounts up that are shown.
fn found(model: &Model, servers: &[Arc<VirtualServer>]) -> Found {
    let settings = &model.globals.scripts;
    let mut found = Found { user: look_user(None, settings).ok(), ..Found::default() };
    let fifos = [&settings.fifo, &settings.vrrp_fifo, &settings.lvs_fifo];
    for fifo in fifos.into_iter().flatten() {
        if let Ok(owner) = look_user(fifo.account.as_ref(), settings) {
            found.fifos.insert(fifo.path.clone(), owner);
        }
    }
    let Scripts { fifo_script, vrrp_fifo_script, lvs_fifo_script, .. } = settings;
    let mut commands: BTreeSet<&Command> = BTreeSet::new();
    commands.extend([fifo_script, vrrp_fifo_script, lvs_fifo_script].into_iter().flatten());
    commands.extend(model.scripts.iter().map(|script| &script.command));
    let notify =
        model.instances.iter().map(|one| &one.notify).chain(model.sync_groups.iter().map(|one| &one.notify));
    commands.extend(notify.flat_map(told));
    for server in servers {
        commands.extend([&server.notify.quorum_up, &server.notify.quorum_down].into_iter().flatten());
        for real in &server.real_servers {
            let notify = real.notify.iter().flat_map(|notify| [&notify.up, &notify.down]);
            commands.extend(notify.flatten());
            commands.extend(real.checkers.iter().filter_map(|checker| match &checker.probe.kind {
                ProbeKind::Misc { command, .. } => Some(&**command),
                _ => None,
            }));
        }
    }
    let looked = commands
        .into_iter()
        .filter_map(|command| Some((command.clone(), look(command, settings).ok()?.program)));
    found.programs = looked.collect();
    found
}

fn told(notify: &Notify) -> impl Iterator<Item = &Command> {
    let Notify { backup, master, fault, stop, deleted, any, lower_priority, .. } = notify;
    [backup, master, fault, stop, deleted, any, lower_priority].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use nix::sys::stat::Mode;

    use super::*;
    use crate::config::model::Fallbacks;
    use crate::config::recorded::{Extent, Outline};
    use crate::config::source::Texts;
    use crate::config::{self, load};
    use crate::vrrp::instance;

    const EXTENT: Extent = Extent { length: 8, has_words: true, ends_line: false };

    fn material(folder: &Path, text: &str, wanted: &[Dump]) -> Material {
        let options =
            Options { dump_directory: Some(folder.to_owned()), ..Options::plain("/none/k.conf", folder) };
        let loaded = load(Path::new("t"), &Texts::one("t", text), &config::Options::default());
        let running = Running {
            model: loaded.model.unwrap(),
            fallbacks: Fallbacks::default(),
            read: Outline { texts: [(folder.join("k.conf"), EXTENT)].into(), ..Outline::default() },
            parts: BTreeSet::new(),
            something: true,
            vrrp: true,
            unrun: Vec::new(),
            instead: None,
        };
        let state = State { instances: vec![], processes: BTreeMap::new(), ..State::default() };
        let clock = Clock { now: Instant::now(), shown: Duration::from_secs(9), civil: |_| String::new() };
        let wanted = wanted.iter().copied().collect();
        Material { options: Arc::new(options), running: Arc::new(running), state, clock, wanted }
    }

    const VI: &str =
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";

    fn outcomes(written: Vec<Written>) -> BTreeMap<String, Option<String>> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        written.into_iter().map(|one| (name(&one.path), one.outcome.err())).collect()
    }

    #[test]
    fn each_signal_has_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let names = |text: &str, wanted: &[Dump]| -> Vec<String> {
            outcomes(material(folder.path(), text, wanted).write()).into_keys().collect()
        };
        assert_eq!(names(VI, &[Dump::Data]), ["keepalived.data", "keepalived_parent.data"]);
        assert_eq!(names(VI, &[Dump::Statistics, Dump::Clear]), ["keepalived.stats"]);
        assert_eq!(names(VI, &[Dump::Json]), ["keepalived.json"]);
        let service = "virtual_server 10.0.0.1 80 {\nlb_kind NAT\nprotocol TCP\nreal_server 10.0.0.2 80 {\n}\n}\n\
                       bfd_instance P {\nneighbor_ip 10.0.0.3\n}\n";
        let all = [Dump::Data, Dump::Statistics, Dump::Json];
        assert_eq!(
            names(service, &all),
            ["keepalived_bfd.data", "keepalived_check.data", "keepalived_parent.data"]
        );
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode("keepalived.data"), mode("keepalived.json")), (0o600, 0o600));
        names(&format!("global_defs {{\numask 022\n}}\n{VI}"), &all);
        assert_eq!((mode("keepalived.stats"), mode("keepalived.json")), (0o644, 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6, "nothing is left over");
    }

    /// A pipe, a folder, a file of the configuration, a record of the daemon.
    #[test]
    fn what_is_no_file_of_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        nix::unistd::mkfifo(&path("keepalived.stats"), Mode::from_bits_truncate(0o600)).unwrap();
        std::fs::create_dir(path("keepalived.json")).unwrap();
        let all = [Dump::Statistics, Dump::Json];
        let written = outcomes(material(folder.path(), VI, &all).write());
        for (name, why) in &written {
            assert!(
                why.as_ref().unwrap().starts_with("something is there that is no file"),
                "{name}: {why:?}"
            );
        }
        std::fs::write(path("k.conf"), "precious").unwrap();
        std::fs::create_dir(path("run")).unwrap();
        for (named, words) in [
            ("k.conf", "it is a file of the configuration"),
            ("run/addresses", "its name does not begin with `keepalived`"),
            ("none/x", "make the folder"),
        ] {
            let text = format!("global_defs {{\njson_dump_file {}\n}}\n{VI}", path(named).display());
            let why =
                outcomes(material(folder.path(), &text, &[Dump::Json]).write()).into_values().next().unwrap();
            assert!(why.as_ref().is_some_and(|why| why.contains(words)), "{named}: {why:?}");
        }
        assert_eq!(std::fs::read_to_string(path("k.conf")).unwrap(), "precious");
        assert!(!path("run/addresses").exists());
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("target"), "precious").unwrap();
        symlink(path("target"), path("keepalived.stats")).unwrap();
        std::fs::write(path("other"), "linked").unwrap();
        std::fs::hard_link(path("other"), path("keepalived.json")).unwrap();
        let written = outcomes(material(folder.path(), VI, &[Dump::Statistics, Dump::Json]).write());
        assert!(written.values().all(Option::is_none), "{written:?}");
        assert_eq!(std::fs::read_to_string(path("target")).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(path("other")).unwrap(), "linked");
        assert!(path("keepalived.stats").symlink_metadata().unwrap().is_file());
        assert_eq!(path("keepalived.json").metadata().unwrap().nlink(), 1);
    }

    #[test]
    fn who_reads_sees_one_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let texts = [vec![b'a'; 300_000], vec![b'b'; 200_000]];
        replace(&path, &texts[0], 0o600).unwrap();
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for text in texts.iter().cycle().take(200) {
                    replace(&path, text, 0o600).unwrap();
                }
                end.store(true, Ordering::Relaxed);
            });
            while !end.load(Ordering::Relaxed) {
                let seen = std::fs::read(&path).unwrap();
                assert!(texts.contains(&seen), "{} bytes", seen.len());
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// The one that does not run is not shown as tracked, and each state stands at its name.
    #[test]
    fn what_runs_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let script = "global_defs {\nscript_user root\n}\nvrrp_script gone {\nscript /none/such\n}\n";
        let text = format!(
            "{script}{}",
            VI.replace("virtual_ipaddress", "track_script {\ngone\n}\nvirtual_ipaddress")
        );
        let mut material = material(folder.path(), &text, &[Dump::Data, Dump::Json]);
        let instance = material.running.model.instances[0].clone();
        let seen = instance::Snapshot { priority: 77, ..instance::Snapshot::unstarted(&instance) };
        material.state.instances = vec![seen];
        assert!(material.write().iter().all(|one| one.outcome.is_ok()));
        let data = std::fs::read_to_string(folder.path().join("keepalived.data")).unwrap();
        assert!(!data.contains("VRRP Scripts") && data.contains("   Effective priority = 77\n"), "{data}");
        assert!(data.contains(" Name = lo\n   index = 1\n"), "the links of this machine: {data}");
    }
}
