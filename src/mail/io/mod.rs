//! Sends the letters, one at a time, each in a task of its own: nothing waits for a mail server.

mod dialogue;
mod message;
mod stream;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::model::{Globals, Instance, Mail, Mailbox, SyncGroup, VirtualServer};
use crate::report::io::say;
use crate::sys::host;
use crate::sys::poll::until;

use super::alert::{Alerts, Occasion};
use super::event::Event;
use super::{Action, Input, Letter, Outbox, Outcome, Settings};
use dialogue::{Route, send};

/// A stop waits no longer for mails.
const FAREWELL: Duration = Duration::from_millis(1800);

/// What is mailed after a start or reload, and where it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    settings: Settings,
    route: Option<Route>,
}

impl Setup {
    /// That of a configuration. Without a server or a recipient nothing is sent, as in keepalived.
    #[must_use]
    pub fn of(
        globals: &Globals,
        instances: &[Instance],
        groups: &[SyncGroup],
        servers: &[Arc<VirtualServer>],
    ) -> Self {
        let host = host::name();
        let Some(route) = route(&globals.mail, &host) else { return Self::default() };
        let node = globals.router_id.clone().unwrap_or(host);
        let settings =
            Settings { node, sends: true, alerts: Alerts::of(globals, instances, groups, servers) };
        Self { settings, route: Some(route) }
    }
}

fn route(mail: &Mail, host: &str) -> Option<Route> {
    let (server, port) = mail.server.clone()?;
    let from = mail.from.clone().or_else(|| Mailbox::parse(&format!("keepalived@{host}")).ok());
    let from = from.or_else(|| Mailbox::parse("keepalived").ok())?;
    let server = server.strip_prefix('[').and_then(|server| server.strip_suffix(']')).unwrap_or(&server);
    (!mail.to.is_empty()).then(|| Route {
        host: server.to_owned(),
        port,
        helo: mail.helo.as_deref().unwrap_or(host).replace(|c: char| c.is_control() || c == ' ', "-"),
        from,
        to: mail.to.clone(),
        timeout: mail.timeout.unwrap_or(Mail::TIMEOUT),
        tls: mail.encryption(),
        login: mail.login.clone(),
    })
}

/// The mail alerts, and the letter that is under way.
#[derive(Debug, Default)]
pub struct Mails {
    machine: Outbox,
    route: Option<Route>,
    sending: Option<JoinHandle<Outcome>>,
}

impl Mails {
    /// What is mailed from now on. What waits goes to the new server.
    pub fn configure(&mut self, setup: Setup) {
        self.route = setup.route;
        self.feed(Input::Configure(setup.settings));
    }

    /// Whether a mail can go anywhere.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.route.is_some()
    }

    /// Something happened.
    pub fn tell(&mut self, occasion: Occasion) {
        let stamp = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        self.feed(Input::Occurred { occasion, stamp });
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.machine.next_timer().map(|(at, _)| at)
    }

    /// Does what is due.
    pub fn tick(&mut self) {
        self.feed(Input::Timer);
    }

    /// How the letter under way fared, to be given to [`Self::take_in`]; waits for ever when there is none.
    pub async fn tried(&mut self) -> Outcome {
        let outcome = match &mut self.sending {
            Some(sending) => sending.await,
            None => std::future::pending().await,
        };
        self.sending = None;
        outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    /// Takes it in.
    pub fn take_in(&mut self, outcome: Outcome) {
        self.feed(Input::Tried(outcome));
    }

    /// Sends what waits, within bounds, and gives the rest up.
    pub async fn end(&mut self) {
        self.feed(Input::Stop);
        let farewell = async {
            while !self.machine.is_idle() {
                let due = self.next();
                tokio::select! {
                    outcome = self.tried() => self.take_in(outcome),
                    () = until(due) => self.tick(),
                }
            }
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            let left = Event::Left { left: self.machine.snapshot().waiting };
            say(left.level(), left);
        }
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Send(letter) => self.start(letter),
                Action::Report(event) => say(event.level(), event),
            }
        }
    }

    fn start(&mut self, letter: Letter) {
        let outcome = match self.route.clone() {
            Some(route) => tokio::spawn(send(route, letter)),
            None => tokio::spawn(async { Outcome::Failed("there is no server".to_owned()) }),
        };
        self.sending = Some(outcome);
    }
}
