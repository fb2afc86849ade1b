//! Delivers: one request at a time for each webhook, each in a task of its own: nothing waits for an address that does
//! not answer.

use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::model::{Globals, Webhook};
use crate::mail::alert::Occasion;
use crate::report::io::say;
use crate::sys::host;
use crate::sys::poll::until;
use crate::text::reason;

use super::event::Event;
use super::{Action, Delivery, Input, Outbox};

/// For the connection, and for all of a request.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(10);
/// For the certificates, the token and the request together.
const TRY: Duration = Duration::from_secs(15);
/// A stop waits no longer for deliveries.
const FAREWELL: Duration = Duration::from_millis(1800);
/// A token has no more bytes.
const LONGEST_TOKEN: u64 = 8192;

/// All webhooks of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    all: Vec<Hook>,
}

/// One of them, and the delivery that is under way.
#[derive(Debug)]
struct Hook {
    config: Webhook,
    machine: Outbox,
    sending: Option<JoinHandle<Result<(), String>>>,
}

impl Webhooks {
    /// Where events are delivered from now on. One that stays goes on; one that goes takes with it what waits.
    pub(crate) fn configure(&mut self, globals: &Globals) {
        let node = globals.router_id.clone().unwrap_or_else(host::name);
        let mut old = std::mem::take(&mut self.all);
        for config in &globals.webhooks {
            let known = old.iter().position(|hook| hook.config == *config);
            let mut hook = match known {
                Some(at) => old.swap_remove(at),
                None => Hook { config: config.clone(), machine: Outbox::default(), sending: None },
            };
            hook.feed(Input::Configure { node: node.clone() });
            self.all.push(hook);
        }
        for hook in old {
            let left = hook.machine.snapshot().waiting;
            if left > 0 {
                hook.say(&Event::Left { left });
            }
            if let Some(sending) = hook.sending {
                sending.abort();
            }
        }
    }

    /// Whether events go anywhere.
    pub(crate) fn sends(&self) -> bool {
        !self.all.is_empty()
    }

    /// Something happened.
    pub(crate) fn tell(&mut self, occasion: &Occasion) {
        if self.all.is_empty() {
            return;
        }
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        for hook in &mut self.all {
            hook.feed(Input::Occurred { occasion: occasion.clone(), time: time.clone() });
        }
    }

    /// When [`Self::tick`] is to be called next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.all.iter().filter_map(|hook| hook.machine.next_timer().map(|(at, _)| at)).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        self.all.iter_mut().for_each(|hook| hook.feed(Input::Timer));
    }

    /// How a delivery under way fared, to be given to [`Self::take_in`]; waits for ever when there is none.
    pub(crate) async fn tried(&mut self) -> (usize, Result<(), String>) {
        let next = poll_fn(|context| {
            for (at, hook) in self.all.iter_mut().enumerate() {
                let Some(sending) = &mut hook.sending else { continue };
                if let Poll::Ready(outcome) = Pin::new(sending).poll(context) {
                    hook.sending = None;
                    return Poll::Ready((at, outcome.unwrap_or_else(|error| Err(error.to_string()))));
                }
            }
            Poll::Pending
        });
        next.await
    }

    /// Takes it in.
    pub(crate) fn take_in(&mut self, (at, outcome): (usize, Result<(), String>)) {
        if let Some(hook) = self.all.get_mut(at) {
            hook.feed(Input::Tried(outcome));
        }
    }

    /// Delivers what waits, within bounds, and gives the rest up.
    pub(crate) async fn end(&mut self) {
        self.all.iter_mut().for_each(|hook| hook.feed(Input::Stop));
        let farewell = async {
            while self.all.iter().any(|hook| !hook.machine.is_idle()) {
                let due = self.next();
                tokio::select! {
                    outcome = self.tried() => self.take_in(outcome),
                    () = until(due) => self.tick(),
                }
            }
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            for hook in self.all.iter().filter(|hook| !hook.machine.is_idle()) {
                hook.say(&Event::Left { left: hook.machine.snapshot().waiting });
            }
        }
        for sending in self.all.iter_mut().filter_map(|hook| hook.sending.take()) {
            sending.abort();
        }
    }
}

impl Hook {
    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Send(delivery) => {
                    self.sending = Some(tokio::spawn(deliver(self.config.clone(), delivery)))
                }
                Action::Report(event) => self.say(&event),
            }
        }
    }

    /// The path may hold a secret: it is said where it goes, and no more.
    fn say(&self, event: &Event) {
        say(event.level(), format_args!("webhook {}: {event}", self.config.place()));
    }
}

/// One try, which ends whatever it waits for.
async fn deliver(webhook: Webhook, delivery: Delivery) -> Result<(), String> {
    let late = || format!("no answer within {} s", TRY.as_secs());
    timeout(TRY, post(webhook, delivery)).await.unwrap_or_else(|_| Err(late()))
}

/// One request. An answer of 2xx takes the events, whatever it says.
async fn post(webhook: Webhook, delivery: Delivery) -> Result<(), String> {
    // A client of its own each time: there are few deliveries, and between them nothing is held.
    // The certificates of all authorities are read for it, which takes its time.
    let client = tokio::task::spawn_blocking(|| {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("directord/", env!("CARGO_PKG_VERSION")))
            .build()
    });
    let client = client.await.map_err(|error| error.to_string())?.map_err(|error| root_cause(&error))?;
    let body = serde_json::to_vec(&delivery).map_err(|error| error.to_string())?;
    let mut request = client.post(&webhook.url).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(file) = &webhook.token {
        request = request.header(AUTHORIZATION, token(Path::new(file)).await?);
    }
    let answer = request.send().await.map_err(|error| root_cause(&error.without_url()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let hint = match status.as_u16() {
        301 | 302 | 307 | 308 => ": it sends elsewhere, name that address",
        401 | 403 => ": it wants a token, or another one",
        404 | 410 => ": it knows no such path",
        _ => "",
    };
    Err(format!("it answers {status}{hint}"))
}

/// `Bearer` and the first line of the file.
async fn token(file: &Path) -> Result<HeaderValue, String> {
    let name = file.display();
    let read = tokio::task::spawn_blocking({
        let file = file.to_owned();
        move || read_token(&file)
    });
    let text = read.await.map_err(|error| error.to_string())?;
    let text = text.map_err(|error| format!("{name}: {}", reason(&error)))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() || text.len() as u64 > LONGEST_TOKEN {
        return Err(format!("{name}: its first line is no token"));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| format!("{name}: its first line is no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is no file is not waited for, and no more is read than a token takes.
fn read_token(file: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC);
    let file = options.open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(LONGEST_TOKEN + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The last reason is the one that helps: `connection refused`.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
