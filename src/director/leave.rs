//! A stop that is the first half of a restart: what leads stays as it is, and the next process goes on with it.
//!
//! Everything else ends first, while adverts still leave. Then each master sends one more and is silent, a record says
//! which ones led, and the process ends. Whatever is in the way makes it an ordinary stop, which hands over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::text::reason;
use crate::track::{Facts, Standing};
use crate::vrrp::event::State;
use crate::vrrp::instance::Left;
use crate::vrrp::io::Command;

use super::resume::{Led, Moment, Record};
use super::{Director, Leading, Signals, restart, stop_asked};

/// Until all that was begun here has come to its end, and everybody can be left.
const SETTLES: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);
/// Those who read FIFOs have this time once nobody sends adverts.
const READERS: Duration = Duration::from_millis(200);

impl Director {
    /// Who is about to go on where a predecessor left off does so before it is stopped.
    pub(super) async fn settle(&mut self) {
        let Some(handle) = &mut self.vrrp else { return };
        let settled = handle.snapshot.wait_for(|all| !all.instances.iter().any(|one| one.resumes));
        let _ = timeout(SETTLES, settled).await;
    }

    /// True: everything stays for the next process. Otherwise it is a stop as any other.
    pub(super) async fn leave(&mut self, signals: &mut Signals) -> bool {
        if !self.may_leave() {
            return false;
        }
        let mut reload = false;
        let asked = tokio::select! {
            asked = restart::is_under_way() => asked,
            () = stop_asked(signals, &mut reload) => false,
        };
        if !asked {
            return false;
        }
        let goes_on = tokio::select! {
            goes_on = self.goes_on() => goes_on,
            () = stop_asked(signals, &mut reload) => Err("it is told to stop once more".to_owned()),
        };
        let left = match goes_on {
            Ok(()) => self.leave_in_place().await,
            Err(why) => Err(why),
        };
        match left {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!("The restart is not waited for, another node is to lead: {why}");
                false
            }
        }
    }

    fn may_leave(&self) -> bool {
        let Some(handle) = &self.vrrp else { return false };
        let leads = handle.snapshot.borrow().instances.iter().any(|one| one.state == State::Master);
        // Others see BFD sessions go down; and what runs at the end is told that the addresses have gone.
        let stays = self.sessions.snapshot().is_empty() && self.shutdown.is_none();
        leads && stays && self.running.model.globals.vrrp.restart_resume != Some(false)
    }

    /// The next process starts, and finds the instances as they are here: one that is another one by then might not go
    /// on.
    async fn goes_on(&self) -> Result<(), String> {
        restart::would_start().await.map_err(|why| format!("whether the next process starts: {why}"))?;
        let candidate = timeout(restart::READ, self.reloads.read(&self.running)).await;
        let candidate = candidate
            .map_err(|_| format!("the files are not read within {} s", restart::READ.as_secs()))??
            .model;
        let running = &self.running.model;
        let same = running.instances == candidate.instances
            && running.sync_groups == candidate.sync_groups
            && running.globals == candidate.globals;
        same.then_some(()).ok_or_else(|| {
            "the files say something else of the instances, `vrrp_sync_group` or `global_defs` than what runs"
                .to_owned()
        })
    }

    async fn leave_in_place(&mut self) -> Result<(), String> {
        self.manager.stopping();
        tracing::info!("Stopping for a restart: what leads here stays as it is");
        let facts = self.tracking.facts();
        tokio::join!(
            self.tracking.end(),
            self.checks.end(),
            self.mails.end(),
            self.webhooks.end(),
            self.snmp.end(),
            self.dbus.end()
        );
        self.hear_what_waits();
        let (moment, led) = self.lend().await?;
        let succeed = succeed(&facts);
        let record = Record::new(&self.options.config, moment, led.iter().map(Led::left).collect(), succeed);
        record.write(&self.options.runtime_directory).map_err(|error| {
            format!("cannot say so in {}: {}", self.options.runtime_directory.display(), reason(&error))
        })?;
        self.leading.take().iter_mut().for_each(Leading::remove);
        self.hear_what_waits();
        let _ = timeout(READERS, self.notifications.end()).await;
        if let Some(handle) = self.vrrp.take() {
            let (done, stopped) = oneshot::channel();
            if handle.commands.send(Command::Stop { release: false, done }).await.is_ok() {
                let _ = stopped.await;
            }
            // For the case that nobody goes on.
            self.addresses.record(Arc::clone(&handle.snapshot.borrow().claims));
            if handle.thread.join().is_err() {
                tracing::error!("the VRRP thread panicked");
            }
        }
        self.sessions.stop().await;
        self.requests.leave();
        self.presence.leave();
        let names: Vec<&str> = led.iter().map(|one| one.config.name.as_str()).collect();
        tracing::info!("Stopped; the next process goes on as MASTER of {}", names.join(", "));
        Ok(())
    }

    /// The masters are silent when this returns what led, and a moment before their last adverts.
    async fn lend(&mut self) -> Result<(Moment, Vec<Left>), String> {
        let Some(handle) = &self.vrrp else { return Err("nobody leads".to_owned()) };
        let until = Instant::now() + SETTLES;
        loop {
            let moment = Moment::now().map_err(|error| reason(&error))?;
            let (answer, left) = oneshot::channel();
            let asked = handle.commands.send(Command::Leave(answer));
            let answered = async {
                asked.await.ok()?;
                left.await.ok()
            };
            let Ok(Some(left)) = timeout_at(until, answered).await else {
                return Err("the VRRP thread does not answer".to_owned());
            };
            if !left.is_empty() {
                return Ok((moment, left));
            }
            if Instant::now() + AGAIN >= until {
                return Err(
                    "nobody leads, an instance goes or comes, or the others would not wait for half a second"
                        .to_owned(),
                );
            }
            sleep(AGAIN).await;
        }
    }

    fn hear_what_waits(&mut self) {
        while let Some(report) = self.vrrp.as_mut().and_then(|handle| handle.reports.try_next()) {
            self.hear(&report);
        }
    }
}

/// The tracked scripts that do.
pub(super) fn succeed(facts: &Facts) -> BTreeSet<String> {
    let succeeds = |(name, standing): (&String, &Standing)| (*standing == Standing::Up).then(|| name.clone());
    facts.scripts.iter().filter_map(succeeds).collect()
}
