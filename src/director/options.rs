//! What the command line decided, and what it leaves of a configuration.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::model::{Model, RunFiles, Statics};
use crate::config::recorded::Outline;
use crate::config::supported::Runnable;

use super::guard::Link;
use super::marker::{self, Spared};
use super::namespace::Namespaces;
use super::resume::Moment;

/// What the command line decided.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file, for its name.
    pub config: PathBuf,
    /// Lock, and records of our addresses and IPVS services.
    pub runtime_directory: PathBuf,
    /// Where the last configuration without errors is kept.
    pub state_directory: PathBuf,
    /// Where the files go that signals ask for; `None`: the runtime directory.
    pub dump_directory: Option<PathBuf>,
    /// One more file for the pid.
    pub pid_file: Option<PathBuf>,
    /// The namespaces to work in; the thread that starts the daemon has joined them.
    pub namespaces: Namespaces,
    /// The network namespace that the daemon was started in, when it works in another one.
    pub started_in: Option<Arc<File>>,
    /// Ignore virtual servers (`--vrrp`).
    pub only_vrrp: bool,
    /// Ignore VRRP instances (`-C`).
    pub only_checkers: bool,
    /// Without BFD (`-B`): all sessions are down.
    pub no_bfd: bool,
    /// Take a reload in that leaves nothing to do, or takes away what runs because files are missing.
    pub allow_empty: bool,
    /// Leave addresses and adverts alone at the stop.
    pub dont_release_vrrp: bool,
    /// Leave the IPVS table alone at the stop.
    pub dont_release_ipvs: bool,
    /// All is shown over SNMP (`-x`).
    pub snmp: bool,
    /// Where the master agent is (`-A`); goes before `snmp_socket`.
    pub snmp_socket: Option<String>,
    /// The group, by number, whose members may ask how the daemon stands.
    pub control_group: Option<u32>,
    /// Do not stop on SIGINT.
    pub ignore_sigint: bool,
    /// The parent that watches over this process (`--guard`).
    pub(crate) guard: Option<Link>,
}

impl Options {
    /// Whom to signal in order to signal the daemon, and who is there for as long as it is.
    pub(super) fn pid(&self) -> u32 {
        let parent = self.guard.as_ref().and_then(|link| u32::try_from(link.parent.as_raw()).ok());
        parent.unwrap_or_else(std::process::id)
    }

    /// When the predecessor of this process was killed, if it is to go on in its place.
    pub(super) fn killed(&self) -> Option<&Moment> {
        self.guard.as_ref()?.killed.as_ref()
    }

    /// Where a reload shows that it reads, when that is asked for.
    pub(super) fn reload_marker(&self, settings: &RunFiles) -> Option<PathBuf> {
        marker::place(settings, self.pid_file.as_deref(), &self.runtime_directory)
    }

    /// What a `reload_file` must not be: one of the files of the configuration, or of ours.
    pub(super) fn spared(&self, settings: &RunFiles, read: &Outline) -> Spared {
        let others = [settings.reload_time.as_ref(), settings.reload_check.as_ref()];
        let named = others.into_iter().flatten().map(PathBuf::from);
        let files = read.texts.keys().cloned().chain(self.pid_file.clone()).chain(named).collect();
        Spared { files, folder: self.runtime_directory.clone() }
    }

    /// The part of what runs that is left to us.
    pub(super) fn restricted(&self, mut runnable: Runnable) -> Runnable {
        // As in keepalived, synchronisation that follows an instance belongs to VRRP, any other to the checks.
        let follows = runnable.sync.as_ref().is_some_and(|sync| sync.instance.is_some());
        if (self.only_vrrp && !follows) || (self.only_checkers && follows) {
            runnable.sync = None;
        }
        if self.no_bfd {
            runnable.sessions.clear();
        }
        if self.only_vrrp {
            runnable.virtual_servers.clear();
        }
        if self.only_checkers {
            runnable.instances.clear();
            runnable.scripts.clear();
            runnable.files.clear();
            runnable.processes.clear();
            runnable.statics = Statics::default();
        }
        runnable
    }

    /// The same of a configuration.
    pub(super) fn restricted_model(&self, mut model: Model) -> Model {
        if self.only_vrrp {
            model.virtual_servers.clear();
        }
        if self.only_checkers {
            model.instances.clear();
            model.static_addresses.clear();
            model.static_routes.clear();
            model.static_rules.clear();
        }
        model
    }
}

#[cfg(test)]
impl Options {
    /// Those of a start without options, of `config`, with its folders in `folder`.
    pub(super) fn plain(config: &str, folder: &std::path::Path) -> Self {
        Self {
            config: config.into(),
            runtime_directory: folder.join("run"),
            state_directory: folder.join("state"),
            dump_directory: None,
            pid_file: None,
            namespaces: Namespaces::default(),
            started_in: None,
            only_vrrp: false,
            only_checkers: false,
            no_bfd: false,
            allow_empty: false,
            dont_release_vrrp: false,
            dont_release_ipvs: false,
            snmp: false,
            snmp_socket: None,
            control_group: None,
            ignore_sigint: false,
            guard: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::BfdInstance;

    /// As in keepalived only `-B` keeps them from running; what tracks them stays, and sees them down.
    #[test]
    fn without_bfd_there_are_no_sessions() {
        let sessions = |only_vrrp, only_checkers, no_bfd| {
            let options = Options { only_vrrp, only_checkers, no_bfd, ..Options::plain("t", "/".as_ref()) };
            let session = BfdInstance::new("P", std::net::IpAddr::from([10, 0, 0, 2]));
            let runnable = Runnable { sessions: vec![session], ..Runnable::default() };
            options.restricted(runnable).sessions.len()
        };
        assert_eq!(
            [sessions(false, false, false), sessions(true, false, false), sessions(false, true, false)],
            [1; 3]
        );
        assert_eq!(sessions(false, false, true), 0);
    }
}
