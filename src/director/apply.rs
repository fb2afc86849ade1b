//! Putting configurations in force: the first one, those of reloads, and nothing at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Gid;
use tokio::sync::oneshot;
use tracing::Level;

use crate::check::checks::Key;
use crate::config::model::{Globals, Model, SyncDaemon, VirtualServer, VrrpGlobals};
use crate::config::supported::Runnable;
use crate::control::Reloaded;
use crate::mail::io::{Mails, Setup as Mail};
use crate::notify::io::Notifications;
use crate::sys::memory;
use crate::text::reason;
use crate::track::io::Tracking;
use crate::vrrp::io::{self as vrrp, Command};
use crate::vrrp::node::Setup;
use crate::webhook::io::Webhooks;

use super::candidate::{Candidate, Line, Load};
use super::kept::Kept;
use super::marker::Marker;
use super::programs::Programs;
use super::reload::{Accepted, Judged, Refused, Running};
use super::resume::{Moment, Record};
use super::sessions::waiting;
use super::state::{NotRunning, Source, State, without_interface};
use super::{
    Balancer, Checks, Director, Error, Leading, Maintenance, Manager, Options, Owned, Presence, Reloads,
    Requests, RuntimeLock, Sessions, Signals, Suspending, Sync, Timeouts, Timetable, Words, rival,
    scheduling, stop_asked,
};

/// Pause after a start or a reload before memory is given back.
const SETTLED: Duration = Duration::from_secs(10);

/// `vrrp_startup_delay`, or what is left of `vrrp_delay_after_boot`: the longer one.
fn start_delay(vrrp: &VrrpGlobals) -> Duration {
    let left = |since_boot: Duration| {
        let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        since_boot.saturating_sub(up)
    };
    vrrp.startup_delay.unwrap_or_default().max(vrrp.delay_after_boot.map_or(Duration::ZERO, left))
}

/// What is for VRRP, and what for IPVS.
pub(super) fn parts(runnable: Runnable, delay: Duration) -> (Setup, Vec<Arc<VirtualServer>>) {
    let Runnable { instances, groups, statics, pacing, filter, virtual_servers, .. } = runnable;
    let Runnable { track_groups, link_delays, buffers, netlink, log_unknown, .. } = runnable;
    let setup = Setup {
        instances,
        groups,
        statics,
        pacing,
        filter,
        track_groups,
        link_delays,
        buffers,
        netlink,
        log_unknown,
        delay,
        resumes: BTreeMap::new(),
    };
    (setup, virtual_servers)
}

/// Takes over what a predecessor left that was stopped for a restart.
fn go_on(left: &Record, setup: &mut Setup, programs: &mut Programs) {
    let Ok(now) = Moment::now() else { return };
    let (resumes, lines) = left.resumes(&setup.instances, &now, Instant::now());
    lines.iter().for_each(|line| tracing::warn!("{line}"));
    if !resumes.is_empty() {
        // It has told something.
        for script in programs.tracked.iter_mut().filter(|script| left.succeeds(&script.config.name)) {
            script.config.init_fail = false;
        }
    }
    setup.resumes = resumes;
}

impl Director {
    /// The table first, then VRRP: a master must not answer for services that are not there yet. Whoever looks for us
    /// finds us when both are there.
    pub(super) fn start(
        options: Options,
        lock: RuntimeLock,
        mut candidate: Candidate,
        load: Load,
        files: Option<(u64, u64)>,
    ) -> Result<Self, Error> {
        let options = Arc::new(options);
        scheduling::settle(&candidate.model.globals.process);
        let runtime = &options.runtime_directory;
        let presence = Presence::new(lock, runtime, options.pid_file.clone(), options.pid());
        let (requests, asked) = Requests::new(runtime, options.control_group.map(Gid::from_raw));
        let left = Record::take(runtime, &options.config, options.killed());
        let maintenance = Maintenance::read(&options.state_directory, &options.config);
        let words = Words::read(&options.state_directory, &options.config);
        let (checks, ended) = Checks::new(files);
        let mut runnable = options.restricted(std::mem::take(&mut candidate.runnable));
        let running = Arc::new(Running::of(&candidate, &runnable));
        let mut director = Self {
            presence,
            requests,
            asked,
            manager: Manager::new(options.guard.as_ref()),
            balancer: Balancer::new(runtime, options.namespaces.clone(), candidate.model.globals.lvs.flush),
            sync: Sync::new(runtime, options.namespaces.clone()),
            timeouts: Timeouts::new(runtime, options.namespaces.clone()),
            checks,
            suspending: Suspending::default(),
            ended,
            tracking: Tracking::new(files, options.started_in.clone()),
            sessions: Sessions::new(candidate.model.globals.process.bfd.clone()),
            notifications: Notifications::new(files),
            mails: Mails::default(),
            webhooks: Webhooks::default(),
            vrrp: None,
            leading: options.guard.is_some().then(|| Leading::new(runtime)),
            addresses: Owned::read(runtime),
            reloads: Reloads::new(load, Arc::clone(&options)),
            timetable: Timetable::default(),
            running,
            refused: None,
            part: candidate.model.globals.process.vrrp.clone(),
            shutdown: None,
            snmp: super::Snmp::default(),
            dumps: super::Dumps::default(),
            started: SystemTime::now(),
            maintenance,
            words,
            dbus: super::Dbus::default(),
            files,
            gives_back: None,
            changed: false,
            options,
        };
        if !director.running.something {
            tracing::warn!(
                "the configuration has no instance, no virtual server, no BFD session and nothing static: nothing to do"
            );
        }
        let sync = runnable.sync.take();
        // None of them is up.
        drop(director.sessions.configure(std::mem::take(&mut runnable.sessions)));
        let (mut setup, virtual_servers) = parts(runnable, start_delay(&candidate.model.globals.vrrp));
        // Whether it is wanted was for the one that left it to say.
        if let Some(left) = left {
            go_on(&left, &mut setup, &mut candidate.programs);
        }
        candidate.programs.lines.iter().for_each(Line::log);
        director.mails.configure(Mail::of(
            &candidate.model.globals,
            &setup.instances,
            &setup.groups,
            &virtual_servers,
        ));
        director.webhooks.configure(&candidate.model.globals);
        director.shutdown = candidate.programs.shutdown.take();
        director.configure_notifications(&mut candidate.programs);
        // The numbers of files decide what the pools begin with.
        director.configure_programs(candidate.programs);
        director.serve_snmp(&candidate.model, &setup, &virtual_servers);
        director.serve_dbus(&candidate.model, &setup);
        director.balance(virtual_servers, &candidate.model.globals);
        director.start_vrrp(setup)?;
        // It may follow an instance that goes on.
        director.synchronise(sync);
        scheduling::settle_checks(&candidate.model.globals.process);
        director.track(|_| {});
        director.tell_what_does_not_run();
        director.keep(candidate.keep, candidate.read);
        director.give_back_later();
        let settings = &candidate.model.globals.files;
        if let Some(left) = director.options.reload_marker(settings) {
            Marker::clear(&left, &director.options.spared(settings, &director.running.read));
        }
        if director.timetable.configure(settings) {
            director.reloads.ask(false, None);
        }
        director.presence.appear();
        director.manager.ready(&director.state().to_string());
        Ok(director)
    }

    /// Also without instances when a killed predecessor may have left addresses.
    fn start_vrrp(&mut self, setup: Setup) -> Result<(), Error> {
        let left = self.addresses.things().clone();
        if setup.instances.is_empty() && setup.statics.is_empty() {
            if left.is_empty() {
                return Ok(());
            }
            if let Some(rival) = rival::find(false, &[]) {
                tracing::warn!("addresses that a killed daemon may have left stay where they are: {rival}");
                return Ok(());
            }
        }
        let prepared =
            vrrp::start(setup, left.clone(), &self.part, self.sessions.watch(), self.maintenance.reason())?;
        // Recorded before they are set: a kill in between leaves nothing unknown behind.
        self.addresses.record(left.union(&prepared.claims).cloned().collect::<BTreeSet<_>>());
        self.manager.takes();
        self.vrrp = Some(prepared.go());
        Ok(())
    }

    /// Who is told from now on. Before the pools: what a reload brings is told to whom it names, and what it takes away to
    /// whom the configuration before named.
    fn configure_notifications(&mut self, programs: &mut Programs) {
        let mut notify = std::mem::take(&mut programs.notify);
        let Options { only_vrrp, only_checkers, .. } = *self.options;
        if only_vrrp {
            notify.of_servers.clear();
        }
        if only_checkers {
            notify.commands.clear();
        }
        notify.fifos.retain(|fifo| (fifo.vrrp && !only_checkers) || (fifo.servers && !only_vrrp));
        self.notifications.configure(notify);
    }

    /// What is run from now on.
    fn configure_programs(&mut self, programs: Programs) {
        let programs = match self.options.only_checkers {
            true => {
                let Programs { checks, mut files, followed, client, .. } = programs;
                files.retain(|file| followed.contains(&file.name));
                Programs { checks, files, client, ..Programs::default() }
            }
            false => programs,
        };
        self.checks.programs(programs.checks, programs.client);
        let Programs { tracked, files, processes, .. } = programs;
        self.track(|tracking| tracking.configure(tracked, files, processes));
    }

    fn balance(&mut self, servers: Vec<Arc<VirtualServer>>, globals: &Globals) {
        let timeouts = globals.lvs.timeouts.as_ref().filter(|_| !self.options.only_vrrp);
        self.timeouts.configure(timeouts);
        self.checks.log_all(globals.lvs.log_all_failures);
        let known = self.checks.known(&servers);
        let words = self.words.of(servers.iter().map(|server| server.name()));
        let before = self.words.known(self.balancer.pools());
        self.balancer.configure(servers.clone(), globals.scripts.real_servers_at_start, known, words);
        self.words.forget_gone(before, self.balancer.pools());
        self.tell_what_happened();
        self.suspending.configure(servers);
        self.check();
    }

    /// Addresses of this machine changed.
    pub(super) fn suspend(&mut self) {
        if self.suspending.compare() {
            self.check();
        }
    }

    /// Checks what is to be checked. What is new begins as the pools have it.
    fn check(&mut self) {
        let pools = self.balancer.pools();
        let passes = |key: &Key| pools.passes(&key.service, &key.server, &key.probe);
        let standings = self.checks.configure(&self.suspending.checked(), passes);
        self.take_in(standings);
    }

    fn synchronise(&mut self, sync: Option<SyncDaemon>) {
        match &self.vrrp {
            Some(handle) => self.sync.configure(sync, &handle.snapshot.borrow().instances),
            None => self.sync.configure(sync, &[]),
        }
    }

    /// The end of a reload, whichever; only a VRRP thread that is gone ends the daemon.
    pub(super) async fn finish(&mut self, judged: Judged) -> Result<(), Error> {
        let (applied, mut lines) = match judged.verdict {
            Err(Refused { why, lines }) => {
                lines.iter().for_each(Line::log);
                let text = format!("Reload refused: {why}; everything goes on as it was");
                self.refused = Some(why);
                let last = Line { level: Level::ERROR, text };
                last.log();
                (false, lines.into_iter().chain([last]).collect::<Vec<Line>>())
            }
            Ok(accepted) => self.put_in_force(*accepted).await?,
        };
        self.manager.ready(&self.state().to_string());
        self.requests.look();
        lines.retain(|line| line.level <= Level::INFO);
        let lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        for answer in judged.answers {
            // Whoever asked may have gone.
            let _ = answer.send(Reloaded { applied, lines: lines.clone() });
        }
        Ok(())
    }

    async fn put_in_force(&mut self, accepted: Accepted) -> Result<(bool, Vec<Line>), Error> {
        let Accepted { candidate, runnable, changes } = accepted;
        let mut lines = candidate.lines.clone();
        lines.extend(candidate.programs.lines.iter().cloned());
        lines.extend(changes);
        lines.iter().for_each(Line::log);
        let running = Running::of(&candidate, &runnable);
        let applied = self.apply(runnable, candidate.programs, &candidate.model).await;
        self.sessions.settled();
        let last = match applied {
            Ok(()) => {
                self.running = Arc::new(running);
                self.leading.iter_mut().for_each(Leading::renew);
                self.write_down_what_leads();
                self.refused = None;
                self.keep(candidate.keep, candidate.read);
                self.give_back_later();
                // Its time may have come since the files were read.
                if self.timetable.configure(&self.running.model.globals.files) {
                    self.reloads.ask(false, None);
                }
                self.tell_what_does_not_run();
                self.dbus.reloaded();
                Line { level: Level::INFO, text: "Reload complete".to_owned() }
            }
            Err(error @ (Error::VrrpDied | Error::BfdDied)) => return Err(error),
            Err(error) => Line { level: Level::ERROR, text: format!("Reload incomplete: {error}") },
        };
        last.log();
        let applied = last.level == Level::INFO;
        lines.push(last);
        Ok((applied, lines))
    }

    async fn apply(
        &mut self,
        mut runnable: Runnable,
        mut programs: Programs,
        model: &Model,
    ) -> Result<(), Error> {
        let globals = &model.globals;
        let sync = runnable.sync.take();
        if let Some(answer) = self.sessions.configure(std::mem::take(&mut runnable.sessions)) {
            answer.await.map_err(|_| Error::BfdDied)?;
        }
        let (setup, virtual_servers) = parts(runnable, Duration::ZERO);
        self.mails.configure(Mail::of(globals, &setup.instances, &setup.groups, &virtual_servers));
        self.webhooks.configure(globals);
        self.serve_snmp(model, &setup, &virtual_servers);
        self.serve_dbus(model, &setup);
        self.shutdown = programs.shutdown.take();
        self.configure_notifications(&mut programs);
        self.configure_programs(programs);
        self.balance(virtual_servers, globals);
        self.synchronise(sync);
        let Some(handle) = &self.vrrp else {
            self.start_vrrp(setup)?;
            self.track(|_| {});
            return Ok(());
        };
        let commands = handle.commands.clone();
        let (answer, claims) = oneshot::channel();
        let asked = commands.send(Command::Claims(setup.clone(), answer)).await;
        asked.map_err(|_| Error::VrrpDied)?;
        let claims = claims.await.map_err(|_| Error::VrrpDied)?;
        self.addresses.record(self.addresses.things().union(&claims).cloned().collect::<BTreeSet<_>>());
        let (done, applied) = oneshot::channel();
        let sent = commands.send(Command::Configure(setup, done)).await;
        sent.map_err(|_| Error::VrrpDied)?;
        applied.await.map_err(|_| Error::VrrpDied)?;
        self.take_snapshot();
        Ok(())
    }

    /// What a start or a reload leaves behind goes back when it is over. Not at once: who reloads again and again needs it
    /// again and again, and it is given back after the last time.
    fn give_back_later(&mut self) {
        let later = tokio::spawn(async {
            tokio::time::sleep(SETTLED).await;
            memory::give_back();
        });
        if let Some(before) = self.gives_back.replace(later.abort_handle()) {
            before.abort();
        }
    }

    /// Aside: a disk that stands still must not keep the checks waiting.
    fn keep(&self, keep: bool, read: Kept) {
        if !keep {
            return;
        }
        let directory = self.options.state_directory.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read.write(&directory) {
                let (directory, why) = (directory.display(), reason(&error));
                tracing::warn!(
                    "cannot keep this configuration for a start that finds errors, in {directory}: {why}; an older \
                     one stays"
                );
            }
        });
    }

    /// The peer is told first; then the table goes.
    /// A second signal that asks for the end waits for no successor.
    pub(super) async fn stop(&mut self, signals: &mut Signals) {
        self.manager.stopping();
        self.leading.take().iter_mut().for_each(Leading::remove);
        if let Some(mut handle) = self.vrrp.take() {
            let release = !self.options.dont_release_vrrp;
            let stop = || {
                let (done, stopped) = oneshot::channel();
                (Command::Stop { release, done }, stopped)
            };
            let (command, mut stopped) = stop();
            if handle.commands.send(command).await.is_ok() {
                let mut reload = false;
                loop {
                    tokio::select! {
                        _ = &mut stopped => break,
                        Some(report) = handle.reports.next() => self.hear(&report),
                        // Without an answer it learns that we stop.
                        Some(request) = self.asked.recv() => drop(request),
                        // The first one is what is waited for.
                        () = stop_asked(signals, &mut reload) => drop(handle.commands.try_send(stop().0)),
                    }
                }
            }
            while let Some(report) = handle.reports.try_next() {
                self.hear(&report);
            }
            match handle.thread.join() {
                // What the kernel did not let go is still ours.
                Ok(()) if release => self.addresses.record(Arc::clone(&handle.snapshot.borrow().claims)),
                Ok(()) => {}
                Err(_) => tracing::error!("the VRRP thread panicked"),
            }
        }
        self.sessions.stop().await;
        // What the new master does not know yet is sent until the addresses have gone.
        self.sync.configure(None, &[]);
        self.timeouts.configure(None);
        self.tell_snmp_the_end();
        self.balancer.farewell();
        self.tell_what_happened();
        if !self.options.dont_release_ipvs {
            // `VS`: only our own, as without the word.
            let flush = self.running.model.globals.lvs.flush_on_stop == Some(false);
            self.balancer.release(flush && !self.options.only_vrrp);
        }
        tokio::join!(
            self.tracking.end(),
            self.notifications.end(),
            self.checks.end(),
            self.mails.end(),
            self.webhooks.end(),
            self.snmp.end(),
            self.dbus.end()
        );
        if let Some(shutdown) = self.shutdown.take() {
            self.manager.extend(shutdown.longest());
            shutdown.run(self.files, std::future::pending()).await;
        }
        self.requests.leave();
        self.presence.leave();
        tracing::info!("Stopped");
    }

    /// What is configured and does not run is said once, at the start and at each reload; the state says it always.
    fn tell_what_does_not_run(&self) {
        let Some(handle) = &self.vrrp else { return };
        for one in without_interface(&handle.snapshot.borrow().instances) {
            tracing::error!("{one}; it joins as soon as it can, the others go on without it");
        }
    }

    /// The view of the whole.
    pub(super) fn state(&self) -> State {
        let instances = self
            .vrrp
            .as_ref()
            .map(|handle| Arc::clone(&handle.snapshot.borrow().instances))
            .unwrap_or_default();
        let mut not_running: Vec<NotRunning> = without_interface(&instances).into_iter().collect();
        if let Some(why) = self.balancer.unavailable() {
            let (what, why) = ("the virtual servers".to_owned(), format!("do not run: {why}"));
            not_running.push(NotRunning { what, why });
        }
        if let Some(why) = self.sync.trouble() {
            let what = "connections".to_owned();
            not_running.push(NotRunning { what, why: format!("are not synchronised: {why}") });
        }
        let sessions = self.sessions.snapshot();
        not_running.extend(waiting(&sessions));
        let source =
            Source { file: self.options.config.display().to_string(), instead: self.running.instead.clone() };
        State {
            source,
            instances,
            services: self.balancer.pools().totals(),
            checks: self.checks.totals(),
            sessions,
            not_running,
            refused: self.refused.clone(),
        }
    }
}
