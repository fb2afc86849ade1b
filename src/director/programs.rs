//! The programs that a configuration names: looked up while it is loaded, and left out with a line in the log when they
//! cannot be run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::Level;

use crate::check::io::credentials::Credentials;
use crate::check::io::tls::Client;
use crate::check::io::trust::Authorities;
use crate::config::model::{
    Command, Credential, Fifo, HttpUrl, Notify, ProbeKind, Scripts, Ssl, TlsDemands, TrackFile, TrackProcess,
    Trust, VirtualServer,
};
use crate::config::supported::{Runnable, followed};
use crate::notify::io::{FifoSetup, Setup};
use crate::notify::{Commands, Subject};
use crate::script::Program;
use crate::script::io::{look, look_user};
use crate::track::scripts::Wanted;

use super::around::Around;
use super::candidate::Line;

/// How it ends, when a file of checks cannot be used.
const STAY: &str = ", and the verdicts of their real servers stay";

/// What is run of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// The tracked scripts.
    pub tracked: Vec<Wanted>,
    /// The tracked files.
    pub files: Vec<TrackFile>,
    /// Names of those that checks follow.
    pub followed: BTreeSet<String>,
    /// The tracked processes.
    pub processes: Vec<TrackProcess>,
    /// Those of MISC_CHECK, by their command.
    pub checks: BTreeMap<Command, Program>,
    /// Who asks over TLS.
    pub(crate) client: Arc<Client>,
    /// Who is told of what happens to the instances.
    pub notify: Setup,
    /// What runs before everything else; a reload runs it not again.
    pub startup: Option<Around>,
    /// What runs when everything else has ended.
    pub shutdown: Option<Around>,
    /// What there is to say of them.
    pub lines: Vec<Line>,
}

impl Programs {
    /// Looks the programs of `runnable` up. A tracked script that is not run is tracked by nobody, as in keepalived.
    pub(crate) fn of(runnable: &mut Runnable) -> Self {
        let mut programs = Self::default();
        let settings = runnable.script_settings.clone();
        for config in std::mem::take(&mut runnable.scripts) {
            let name = format!("vrrp_script {}", config.name);
            match programs.find(&name, &config.command, &settings, "nothing tracks it") {
                Some(program) => programs.tracked.push(Wanted { config, program }),
                None => untrack(runnable, &config.name),
            }
        }
        programs.around(&settings);
        programs.files = std::mem::take(&mut runnable.files);
        let names = runnable.virtual_servers.iter().flat_map(|server| followed(server));
        programs.followed = names.map(str::to_owned).collect();
        programs.processes = std::mem::take(&mut runnable.processes);
        for instance in &runnable.instances {
            let subject = Subject::Instance(instance.name.clone());
            programs.told(subject, "vrrp_instance", &instance.notify, &settings);
        }
        for group in &runnable.groups {
            programs.told(Subject::Group(group.name.clone()), "vrrp_sync_group", &group.notify, &settings);
        }
        for server in &mut runnable.virtual_servers {
            programs.checks_of(server, &settings);
        }
        let mut known = BTreeMap::new();
        for server in &runnable.virtual_servers {
            programs.told_of(server, &settings, &mut known);
        }
        programs.fifos(&settings);
        programs.notify.states_on_reload = settings.states_on_reload;
        programs.violations(&settings);
        programs
    }

    /// Who asks over TLS, if anybody does: keepalived reads the files of `SSL` only then. And the
    /// secrets of the checks, and whose certificates count for them.
    pub(crate) fn identify(&mut self, ssl: Option<&Ssl>, servers: &[Arc<VirtualServer>]) {
        let kinds = || {
            let reals = servers.iter().flat_map(|server| &server.real_servers);
            reals.flat_map(|real| &real.checkers).map(|checker| &checker.probe.kind)
        };
        let over_tls = |kind: &ProbeKind| match kind {
            ProbeKind::Http(check) => {
                let follows = |url: &HttpUrl| url.more.as_ref().is_some_and(|more| more.redirects > 0);
                check.tls || check.urls.iter().any(follows)
            }
            ProbeKind::Named(asks) => asks.tls,
            _ => false,
        };
        let ssl = ssl.filter(|_| kinds().any(over_tls));
        let urls = kinds().filter_map(|kind| match kind {
            ProbeKind::Http(check) => Some(&check.urls),
            _ => None,
        });
        let wanted: BTreeSet<&Credential> =
            urls.flatten().filter_map(|url| url.more.as_ref()?.credential.as_ref()).collect();
        let demands = kinds().filter_map(|kind| match kind {
            ProbeKind::Http(check) => check.demands.as_deref(),
            ProbeKind::Named(asks) => asks.demands.as_deref(),
            _ => None,
        });
        let trusted: BTreeSet<&Trust> =
            demands.map(|TlsDemands { trust, .. }| trust).filter(|trust| **trust != Trust::Anybody).collect();
        if ssl.is_none() && wanted.is_empty() && trusted.is_empty() {
            return;
        }
        let (secrets, authorities) = (Credentials::read(wanted), Authorities::read(trusted));
        let client = ssl.map(Client::new).unwrap_or_default().with(secrets, authorities);
        if let Some(trouble) = client.trouble() {
            let text = format!("{trouble}: checks over TLS cannot ask{STAY}");
            self.lines.push(Line { level: Level::ERROR, text });
        }
        for trouble in client.troubles() {
            let text = format!("{trouble}: its checks cannot ask{STAY}");
            self.lines.push(Line { level: Level::ERROR, text });
        }
        self.client = Arc::new(client);
    }

    /// What is said where a file that cannot be used keeps all of it from being run. `None`: nothing does.
    pub(crate) fn unusable(&self) -> Option<Vec<Line>> {
        let troubles: Vec<&str> = self.client.trouble().into_iter().chain(self.client.troubles()).collect();
        if troubles.is_empty() {
            return None;
        }
        let goes_on = |line: &Line| {
            let of = |trouble: &&&str| line.text.starts_with(**trouble) && line.text.ends_with(STAY);
            let trouble = troubles.iter().find(of);
            let text = trouble.map_or_else(
                || line.text.clone(),
                |trouble| format!("{trouble}: what ran goes on as it was"),
            );
            Line { text, ..line.clone() }
        };
        Some(self.lines.iter().map(goes_on).collect())
    }

    /// A check whose program is not run is taken away, as in keepalived: the server counts as healthy, after a start as
    /// after a reload, whatever the check said before.
    fn checks_of(&mut self, server: &mut Arc<VirtualServer>, settings: &Scripts) {
        let name = server.name();
        let mut refused = false;
        for real in &server.real_servers {
            let (ip, port) = (real.address.ip(), real.address.port());
            for checker in &real.checkers {
                let ProbeKind::Misc { command, .. } = &checker.probe.kind else { continue };
                if self.checks.contains_key(&**command) {
                    continue;
                }
                let of = format!("misc_path of real_server {ip} {port} of {name}");
                let without = "the real server serves whether it is well or not";
                match self.find(&of, command, settings, without) {
                    Some(program) => drop(self.checks.insert(Command::clone(command), program)),
                    None => refused = true,
                }
            }
        }
        if refused {
            for real in &mut Arc::make_mut(server).real_servers {
                real.checkers.retain(|checker| match &checker.probe.kind {
                    ProbeKind::Misc { command, .. } => self.checks.contains_key(&**command),
                    _ => true,
                });
            }
        }
    }

    fn told(&mut self, subject: Subject, block: &str, notify: &Notify, settings: &Scripts) {
        let (Subject::Instance(name) | Subject::Group(name)) = &subject else { return };
        let mut find = |word: &str, command: &Option<Command>| {
            let of = format!("{word} of {block} {name}");
            command.as_ref().and_then(|command| self.find(&of, command, settings, "it is told nothing"))
        };
        let deleted = notify.deleted.as_ref().map(|command| {
            // The word alone has no program of its own.
            let named = Some(command.clone()).filter(|command| !command.arguments.is_empty());
            find("notify_deleted", &named)
        });
        let commands = Commands {
            master: find("notify_master", &notify.master),
            backup: find("notify_backup", &notify.backup),
            fault: find("notify_fault", &notify.fault),
            stop: find("notify_stop", &notify.stop),
            deleted,
            any: find("notify", &notify.any),
            lower_priority: find("notify_master_rx_lower_pri", &notify.lower_priority),
            priority_changes: notify.priority_changes.unwrap_or(settings.priority_changes),
            up: None,
            down: None,
        };
        self.notify.commands.insert(subject, commands);
    }

    /// What is run for a virtual server and its real servers. `known`: a command that stands at thousands of servers is
    /// looked up once.
    fn told_of(
        &mut self,
        server: &VirtualServer,
        settings: &Scripts,
        known: &mut BTreeMap<Command, Option<Program>>,
    ) {
        let service = server.name().to_string();
        let mut find = |word: &str, of: &str, command: &Option<Command>| {
            let command = command.as_ref()?;
            if let Some(found) = known.get(command) {
                return found.clone();
            }
            let found = self.find(&format!("{word} of {of}"), command, settings, "it is told nothing");
            known.insert(command.clone(), found.clone());
            found
        };
        let mut told = Vec::new();
        let of = format!("virtual_server {service}");
        let up = find("quorum_up", &of, &server.notify.quorum_up);
        let down = find("quorum_down", &of, &server.notify.quorum_down);
        told.push((Subject::Service(service.clone()), Commands { up, down, ..Commands::default() }));
        for real in &server.real_servers {
            let Some(notify) = &real.notify else { continue };
            let name = server.describe_real_server(&real.address);
            let of = format!("real_server {name} of {service}");
            let (up, down) = (find("notify_up", &of, &notify.up), find("notify_down", &of, &notify.down));
            let subject = Subject::Server { service: service.clone(), server: name };
            told.push((subject, Commands { up, down, ..Commands::default() }));
        }
        let runs = told.into_iter().filter(|(_, commands)| commands.programs().next().is_some());
        self.notify.of_servers.extend(runs);
    }

    /// `notify_fifo` and those of its parts. One that is `notify_fifo` is dropped, as in keepalived; what both parts have
    /// is opened once.
    fn fifos(&mut self, settings: &Scripts) {
        let all = [
            ("notify_fifo", &settings.fifo, &settings.fifo_script, (true, true)),
            ("vrrp_notify_fifo", &settings.vrrp_fifo, &settings.vrrp_fifo_script, (true, false)),
            ("lvs_notify_fifo", &settings.lvs_fifo, &settings.lvs_fifo_script, (false, true)),
        ];
        for (word, fifo, script, (vrrp, servers)) in all {
            let Some(Fifo { path, account }) = fifo else { continue };
            if let Some(other) = self.notify.fifos.iter_mut().find(|other| other.path == *path) {
                (other.vrrp, other.servers) = (other.vrrp || vrrp, other.servers || servers);
                continue;
            }
            let owner = match look_user(account.as_ref(), settings) {
                Ok(owner) => owner,
                Err(trouble) => {
                    self.say(Level::ERROR, format!("{word} {path}: {trouble}; nothing is written to it"));
                    continue;
                }
            };
            let of = format!("{word}_script");
            let reader = script.as_ref();
            let reader =
                reader.and_then(|command| self.find(&of, command, settings, "nothing reads the FIFO"));
            self.notify.fifos.push(FifoSetup { path: path.clone(), owner, reader, vrrp, servers });
        }
    }

    fn around(&mut self, settings: &Scripts) {
        let mut find = |word: &str, command: &Option<Command>| {
            command
                .as_ref()
                .and_then(|command| self.find(word, command, settings, "the work goes on without it"))
        };
        let startup = find("startup_script", &settings.startup);
        let shutdown = find("shutdown_script", &settings.shutdown);
        self.startup = startup.map(|program| Around::startup(program, settings));
        self.shutdown = shutdown.map(|program| Around::shutdown(program, settings));
    }

    fn find(&mut self, of: &str, command: &Command, settings: &Scripts, without: &str) -> Option<Program> {
        match look(command, settings) {
            Ok(looked) => {
                if let Some(trouble) = looked.insecure {
                    let text = format!(
                        "{of}: {}; it is run all the same, `enable_script_security` would keep it from that; to mend \
                         it: {}",
                        trouble.what, trouble.fix
                    );
                    self.say(Level::WARN, text);
                }
                Some(looked.program)
            }
            Err(trouble) => {
                let (what, fix) = (trouble.what, trouble.fix);
                self.say(
                    Level::ERROR,
                    format!("{of}: {what}; it is not run, and {without}; to mend it: {fix}"),
                );
                None
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Program> {
        let readers = self.notify.fifos.iter().filter_map(|fifo| fifo.reader.as_ref());
        let told = self.notify.commands.values().chain(self.notify.of_servers.values());
        let told = told.flat_map(Commands::programs);
        let checks = self.checks.values();
        let around = self.startup.iter().chain(&self.shutdown).map(Around::program);
        self.tracked.iter().map(|one| &one.program).chain(readers).chain(told).chain(checks).chain(around)
    }

    fn say(&mut self, level: Level, text: String) {
        self.lines.push(Line { level, text });
    }

    /// One line of each kind, however often a program is named.
    fn violations(&mut self, settings: &Scripts) {
        let mut said = BTreeSet::new();
        self.lines.retain(|line| said.insert(line.text.clone()));
        if !settings.security && self.all().any(|program| program.identity.is_root()) {
            self.say(
                Level::INFO,
                "scripts run as root, and `enable_script_security` is not set: name a user with `script_user`, or set it"
                    .to_owned(),
            );
        }
    }
}

fn untrack(runnable: &mut Runnable, name: &str) {
    for instance in &mut runnable.instances {
        instance.tracking.scripts.retain(|tracked| tracked.name != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::supported::runnable;
    use crate::config::{Options, load};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[test]
    fn a_script_that_is_not_run_is_tracked_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            format!("vrrp_script {name} {{\nscript \"{}\"\nweight 7\n}}\n", path.display())
        };
        let scripts = [script("good", 0o755), script("open", 0o777), script("plain", 0o644)].concat();
        let text = |globals: &str| {
            format!(
                "global_defs {{\nscript_user root\n{globals}\n}}\n{scripts}\
                 vrrp_script gone {{\nscript /none/such\n}}\nvrrp_script unused {{\nscript /bin/true\n}}\n\
                 vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\ntrack_script {{\ngood\nopen weight 5\n\
                 plain\ngone\n}}\nvirtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
            )
        };
        let programs = |globals| {
            let loaded = load(Path::new("t"), &Texts::one("t", &text(globals)), &Options::default());
            let mut runnable = runnable(&loaded.model.unwrap());
            let programs = Programs::of(&mut runnable);
            let tracked = &runnable.instances[0].tracking.scripts;
            let tracked: Vec<(String, i16)> =
                tracked.iter().map(|one| (one.name.clone(), one.weight.unwrap().number)).collect();
            let run: Vec<String> = programs.tracked.iter().map(|one| one.config.name.clone()).collect();
            assert_eq!(run, tracked.iter().map(|one| one.0.clone()).collect::<Vec<_>>());
            let lines: Vec<String> = programs.lines.into_iter().map(|line| line.text).collect();
            (tracked, lines.join("\n"))
        };
        let (tracked, lines) = programs("");
        assert_eq!(tracked, [("good".to_owned(), 7), ("open".to_owned(), 5)]);
        assert!(lines.contains("open can be changed by everybody (owner root"), "{lines}");
        assert!(lines.contains("it is run all the same"), "{lines}");
        assert!(
            lines.contains("plain is not executable") && lines.contains("/none: No such file"),
            "{lines}"
        );
        let (tracked, lines) = programs("enable_script_security");
        assert_eq!(tracked, [("good".to_owned(), 7)]);
        assert!(lines.contains("it is not run, and nothing tracks it; to mend it: chmod go-w"), "{lines}");
    }

    #[test]
    fn servers_have_their_programs_and_fifos() {
        let told = "notify_up \"/bin/true up\"\nnotify_down /none/such\n";
        let real = |last: u8, more: &str| format!("real_server 10.0.0.{last} 80 {{\n{more}}}\n");
        let of = |globals: &str| {
            let text = format!(
                "global_defs {{\nscript_user root\n{globals}}}\n\
                 virtual_server 10.9.9.9 80 {{\nlb_kind NAT\nprotocol TCP\nquorum_up \"/bin/true quorum\"\n{}{}{}}}\n",
                real(1, told),
                real(2, told),
                real(3, "")
            );
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            Programs::of(&mut runnable(&loaded.model.unwrap()))
        };
        let programs = of("");
        let subjects = programs.notify.of_servers.keys().cloned().collect::<Vec<Subject>>();
        let service = "[10.9.9.9]:tcp:80".to_owned();
        let server = |last: u8| Subject::Server {
            service: service.clone(),
            server: format!("[10.0.0.{last}]:tcp:80"),
        };
        assert_eq!(subjects, [Subject::Service(service.clone()), server(1), server(2)]);
        let commands = &programs.notify.of_servers[&server(2)];
        assert_eq!(commands.up.as_ref().unwrap().arguments, ["/bin/true", "up"]);
        assert!(commands.down.is_none());
        let missing = programs.lines.iter().filter(|line| line.text.contains("/none")).count();
        assert_eq!(missing, 1, "a program that stands at many servers is said once");
        let fifos = |globals: &str| {
            let fifos = of(globals).notify.fifos;
            fifos.into_iter().map(|fifo| (fifo.path, fifo.vrrp, fifo.servers)).collect::<Vec<_>>()
        };
        let fifo = |path: &str, vrrp, servers| (path.to_owned(), vrrp, servers);
        assert_eq!(fifos("lvs_notify_fifo /a\n"), [fifo("/a", false, true)]);
        let both = "vrrp_notify_fifo /a\nlvs_notify_fifo /b\n";
        assert_eq!(fifos(both), [fifo("/a", true, false), fifo("/b", false, true)]);
        assert_eq!(fifos("vrrp_notify_fifo /a\nlvs_notify_fifo /a\n"), [fifo("/a", true, true)]);
        let all = "notify_fifo /a\nvrrp_notify_fifo /a\nlvs_notify_fifo /b\n";
        assert_eq!(fifos(all), [fifo("/a", true, true), fifo("/b", false, true)]);
    }

    #[test]
    fn a_check_whose_program_is_not_run_is_taken_away_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("p");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        let path = program.display();
        let real = |last: u8, checks: &str| format!("real_server 10.0.0.{last} 80 {{\n{checks}}}\n");
        let misc = |path: &str| format!("MISC_CHECK {{\nmisc_path \"{path}\"\n}}\n");
        let text = format!(
            "global_defs {{\nscript_user root\n}}\nvirtual_server 10.9.9.9 80 {{\nlb_kind NAT\nprotocol TCP\n{}{}{}}}\n",
            real(1, &misc(&path.to_string())),
            real(2, &format!("{}TCP_CHECK {{\n}}\n", misc(&format!("{path} 2")))),
            real(3, &misc("/bin/true")),
        );
        let checks = |mode| {
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            let mut runnable = runnable(&loaded.model.unwrap());
            let programs = Programs::of(&mut runnable);
            let servers = runnable.virtual_servers.iter().flat_map(|server| &server.real_servers);
            let kinds = servers.map(|real| {
                real.checkers.iter().map(|checker| checker.probe.kind.keyword()).collect::<Vec<_>>()
            });
            (kinds.collect::<Vec<_>>(), programs.checks.len(), programs.lines.len())
        };
        let (both, one) = (vec!["TCP_CHECK", "MISC_CHECK"], vec!["MISC_CHECK"]);
        let (with, programs, lines) = checks(0o755);
        assert!(with[1] == both || with[1].iter().rev().eq(&both), "{with:?}");
        assert_eq!((&with[0], &with[2], programs), (&one, &one, 3));
        let (without, programs, more) = checks(0o644);
        assert_eq!(without, [vec![], vec!["TCP_CHECK"], one]);
        assert_eq!((programs, more), (1, lines + 2), "one line for each");
    }

    #[test]
    fn the_files_of_ssl_are_read_for_whoever_asks_over_tls() {
        let trouble = |check: &str| {
            let text = format!(
                "SSL {{\ncertificate /nowhere\nkey /nowhere\n}}\ncheck a {{\nprotocol redis\n}}\n\
                 check b {{\nprotocol redis\ntls\n}}\nvirtual_server 10.9.9.9 80 {{\nlb_kind NAT\nprotocol TCP\n\
                 real_server 10.0.0.1 80 {{\n{check}\n}}\n}}\n"
            );
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            let model = loaded.model.unwrap();
            let mut programs = Programs::default();
            programs.identify(model.ssl.as_ref(), &model.virtual_servers);
            programs.client.trouble().is_some()
        };
        assert!(!trouble("check a") && !trouble("TCP_CHECK {\n}"));
        assert!(trouble("check b") && trouble("SSL_GET {\nurl {\npath /\n}\n}"));
    }

    #[test]
    fn authorities_that_cannot_be_used_are_told_once_each() {
        let lines = |trust: &str| {
            let real = |last: u8| {
                format!(
                    "real_server 10.0.0.{last} 443 {{\nSSL_GET {{\ntls_verify {trust}\nurl {{\npath /\n}}\n}}\ncheck a\n}}\n"
                )
            };
            let text = format!(
                "check a {{\ntls\ntls_verify {trust}\n}}\nvirtual_server 10.9.9.9 443 {{\nlb_kind NAT\nprotocol TCP\n{}{}}}\n",
                real(1),
                real(2)
            );
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            let model = loaded.model.unwrap();
            let mut programs = Programs::default();
            programs.identify(model.ssl.as_ref(), &model.virtual_servers);
            assert_eq!(programs.client.troubles().count(), programs.lines.len());
            let texts = |lines: Vec<Line>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
            (texts(programs.lines.clone()), programs.unusable().map(texts))
        };
        assert_eq!(lines("none"), (vec![], None));
        let why = "`tls_verify /nowhere`: it cannot be read: no such file or directory: its checks cannot ask, and the verdicts of \
                   their real servers stay";
        // A reload is refused for it, and takes no verdict.
        let refused =
            "`tls_verify /nowhere`: it cannot be read: no such file or directory: what ran goes on as it was";
        assert_eq!(lines("/nowhere"), (vec![why.to_owned()], Some(vec![refused.to_owned()])));
    }
}
