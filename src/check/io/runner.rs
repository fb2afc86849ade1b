//! Runs the probes of all checks: those of TCP and plain HTTP together in one list, programs as those of notify and
//! tracking, a task for each other check under way.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::check::checks::{CheckId, TICK};
use crate::check::dialogue::http::Search;
use crate::check::dialogue::udp::Reply;
use crate::check::patterns::Patterns;
use crate::check::{Expiring, Outcome, misc};
use crate::config::model::{Command, Probe, ProbeKind};
use crate::script;
use crate::script::Program;

use super::batch::{Batch, Left, Request};
use super::probes::{dns, http, http_rest, ping, smtp, talk, udp};
use super::tls::Client;

/// Outcomes that may wait to be looked at.
const OUTCOMES: usize = 1024;

/// A probe that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Of which check.
    pub id: CheckId,
    /// How.
    pub outcome: Outcome,
    /// A certificate that ends soon was seen.
    pub expiring: Option<Box<Expiring>>,
}

impl Ended {
    fn new(id: CheckId, outcome: Outcome) -> Self {
        Self { id, outcome, expiring: None }
    }
}

/// The probes under way.
#[derive(Debug)]
pub(crate) struct Runner {
    batch: Batch<CheckId>,
    /// When the list is looked at next.
    look: Instant,
    ended: mpsc::Sender<Ended>,
    /// Checks that a task leads.
    tasks: BTreeMap<CheckId, AbortHandle>,
    /// Each check with a program under way, and whether that may set the weight.
    scripts: script::io::Runner<(CheckId, bool)>,
    /// What is run for a command; what cannot be run is not in it.
    programs: BTreeMap<Command, Program>,
    patterns: Patterns,
    client: Arc<Client>,
}

impl Runner {
    /// No probes yet; those that a task runs end at the receiver. `files`: how many files a program may open, soft and
    /// hard.
    pub(crate) fn new(now: Instant, files: Option<(u64, u64)>) -> (Self, mpsc::Receiver<Ended>) {
        let (ended, receiver) = mpsc::channel(OUTCOMES);
        let (scripts, programs) = (script::io::Runner::new(files), BTreeMap::new());
        let (batch, patterns, client) = (Batch::default(), Patterns::default(), Arc::default());
        let tasks = BTreeMap::new();
        (Self { batch, look: now, ended, tasks, scripts, programs, patterns, client }, receiver)
    }

    /// Drops the probes that nobody wants to know of any more, with their sockets. Programs run to their ends.
    pub(crate) fn keep(&mut self, wanted: impl Fn(CheckId) -> bool) {
        self.batch.keep(|id| wanted(*id));
        self.tasks.retain(|id, task| {
            let stays = wanted(*id);
            if !stays {
                task.abort();
            }
            stays
        });
    }

    /// This one has ended.
    pub(crate) fn forget(&mut self, ended: &Ended) {
        self.tasks.remove(&ended.id);
    }

    fn lead(
        &mut self,
        id: CheckId,
        work: impl Future<Output = (Outcome, Option<Expiring>)> + Send + 'static,
    ) {
        let ended = self.ended.clone();
        let task = tokio::spawn(async move {
            let (outcome, expiring) = work.await;
            // The director is gone only when the process ends.
            let _ = ended.send(Ended { id, outcome, expiring: expiring.map(Box::new) }).await;
        });
        self.tasks.insert(id, task.abort_handle());
    }

    /// A configuration counts from now on: what is run for each of its commands, and who asks over TLS. Patterns of the old
    /// one are forgotten.
    pub(crate) fn configure(&mut self, programs: BTreeMap<Command, Program>, client: Arc<Client>) {
        self.programs = programs;
        self.client = client;
        self.patterns.forget();
    }

    /// The next program that ends; waits for ever when none runs.
    pub(crate) async fn program_ended(&mut self) -> Ended {
        let ((id, dynamic), ending) = self.scripts.ended().await;
        Ended::new(id, misc::outcome(ending, dynamic))
    }

    /// Ends the programs under way, and waits until they are gone.
    pub(crate) async fn end(&mut self) {
        self.scripts.end(script::io::GRACE).await;
    }

    /// When [`Self::look`] is to be called next.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.batch.is_empty()).then_some(self.look)
    }

    /// Looks which of the list have ended, when it is time.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<Ended> {
        if self.look > now {
            return Vec::new();
        }
        self.look = now + TICK;
        let mut left = Vec::new();
        self.batch.look(now, &mut left);
        let mut ended = Vec::with_capacity(left.len());
        for (id, how) in left {
            match how {
                Left::Ended(outcome) => ended.push(Ended::new(id, outcome)),
                Left::GoesOn(goes_on) => self.lead(id, async { (http_rest(goes_on).await, None) }),
            }
        }
        ended
    }

    /// Begins a probe; a program has `delay_loop` when nothing else limits it. `Some`: it has ended already.
    pub(crate) fn start(
        &mut self,
        id: CheckId,
        probe: &Arc<Probe>,
        step: usize,
        delay_loop: Duration,
        now: Instant,
    ) -> Option<Ended> {
        let search = match self.search(&probe.kind, step) {
            Ok(search) => search,
            Err(why) => return Some(Ended::new(id, Outcome::NotRun(why))),
        };
        let (request, search) = match Request::is_for(probe, step) {
            true => match Request::new(probe, step, search, self.client.credentials()) {
                Ok(request) => (request, None),
                Err(why) => return Some(Ended::new(id, Outcome::NotRun(why))),
            },
            false => (None, search),
        };
        let outcome = match (&probe.kind, &probe.connect) {
            (kind, Some(connect)) if matches!(kind, ProbeKind::Tcp) || request.is_some() => {
                if self.batch.is_empty() {
                    self.look = now + TICK;
                }
                self.batch.start(id, connect, request, now)?.1
            }
            (kind, Some(_)) if kind.connects() => {
                let (probe, client) = (Arc::clone(probe), Arc::clone(&self.client));
                self.lead(id, async move {
                    let expiring = OnceLock::new();
                    let outcome = ask(&probe, step, search, &client, &expiring).await;
                    (outcome, expiring.into_inner())
                });
                return None;
            }
            (ProbeKind::Misc { command, timeout, dynamic }, _) => match self.programs.get(command) {
                Some(program) => {
                    let limit = timeout.unwrap_or(delay_loop);
                    self.scripts.start((id, *dynamic), program.clone(), Some(limit));
                    return None;
                }
                None => Outcome::NotRun("its program is not run, as was said when it was read".into()),
            },
            (kind, _) => not_made(kind),
        };
        Some(Ended::new(id, outcome))
    }

    /// That for the pattern of a url, if it has one.
    fn search(&mut self, kind: &ProbeKind, url: usize) -> Result<Option<Search>, String> {
        let ProbeKind::Http(check) = kind else { return Ok(None) };
        check.urls.get(url).map_or(Ok(None), |url| self.patterns.search(url))
    }
}

fn not_made(kind: &ProbeKind) -> Outcome {
    Outcome::NotRun(format!("this version does not run {}", kind.keyword()))
}

async fn ask(
    probe: &Probe,
    step: usize,
    search: Option<Search>,
    client: &Client,
    expiring: &OnceLock<Expiring>,
) -> Outcome {
    let Some(connect) = &probe.connect else { return not_made(&probe.kind) };
    match &probe.kind {
        ProbeKind::Http(check) => match check.urls.get(step) {
            Some(url) => http(connect, check, url, search, client, expiring).await,
            None => Outcome::NotRun("it has no url".into()),
        },
        ProbeKind::Dns { kind, name } => dns(connect, *kind, name).await,
        ProbeKind::Udp { payload, reply, min_reply, max_reply } => {
            let lengths = (*min_reply, *max_reply);
            udp(connect, payload.as_deref(), reply.as_deref().map(|start| Reply { start, lengths })).await
        }
        ProbeKind::Smtp { helo } => smtp(connect, helo.as_deref().unwrap_or(ProbeKind::HELO)).await,
        ProbeKind::Ping => ping(connect).await,
        ProbeKind::Named(asks) => talk(connect, asks, client, expiring).await,
        kind => not_made(kind),
    }
}
