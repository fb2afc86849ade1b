//! One session (RFC 5880 §6): it says that it is here, hears the other side, and knows when that is gone.
//!
//! Input: what the other side sends, the fate of its socket, another configuration, time. Output: packets, another state, what
//! there is to tell. Asynchronous mode without echo and authentication, as keepalived speaks it; a neighbour that asks for
//! demand mode gets it. Invariants: Up means that something was heard within the detection time; while not Up at most one
//! packet a second is offered; a late timer sends one packet, not those that it missed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::BfdInstance;

use super::event::{Event, Refusal};
use super::packet::{Diagnostic, Packet, State};

/// What could not begin is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// Nobody is told of an end for longer than this.
const FAREWELL: Duration = Duration::from_secs(5);
/// RFC 5880 §6.8.1: as long as the other side has not said anything else.
const UNSAID: Duration = Duration::from_micros(1);

/// What can happen to a session.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Start,
    /// Its socket is there.
    Opened,
    /// It is not.
    Refused(Refusal),
    /// Packets do not leave any more, or do again; the kernel's answer.
    Sent(Result<(), i32>),
    /// A packet of the other side.
    Heard(Packet),
    /// The time that [`Machine::next_timer`] named has come.
    Timer,
    /// The same session with other words.
    Configure(Box<BfdInstance>),
    /// Say that it ends.
    Stop,
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open its socket, or give the one that is there this TTL.
    Open(Endpoint),
    /// Send.
    Transmit(Packet),
    /// Tell.
    Report(Event),
}

/// Where packets leave from, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Endpoint {
    /// The other side.
    pub neighbour: IpAddr,
    /// `source_ip`; `None`: as the kernel sees fit.
    pub source: Option<IpAddr>,
    /// Port 4784 in the place of 3784.
    pub multihop: bool,
    /// Of what is sent.
    pub ttl: u8,
}

/// Why a session wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A packet is due.
    Transmit,
    /// Nothing was heard for the detection time.
    Detection,
    /// The socket is tried again.
    Retry,
    /// The end has been said for long enough.
    Farewell,
}

/// A view of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The other side.
    pub neighbour: IpAddr,
    /// Its state.
    pub state: State,
    /// What the other side says of itself.
    pub remote_state: State,
    /// Why the state changed last.
    pub diagnostic: Diagnostic,
    /// The same, as the other side says.
    pub remote_diagnostic: Diagnostic,
    /// Our name for it.
    pub discriminator: u32,
    /// The other side's; 0: not known.
    pub remote_discriminator: u32,
    /// Packets are sent this often, before jitter.
    pub interval: Duration,
    /// Without a packet for so long it is Down; `None`: nothing is awaited.
    pub detection: Option<Duration>,
    /// Why it cannot begin.
    pub waits: Option<Refusal>,
    /// Packets do not leave: the kernel's answer.
    pub unsent: Option<i32>,
}

/// What is known of the other side.
#[derive(Debug, Clone, Copy)]
struct Remote {
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    min_tx: Duration,
    min_rx: Duration,
    multiplier: u8,
    demand: bool,
}

impl Remote {
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        min_tx: Duration::ZERO,
        min_rx: UNSAID,
        multiplier: 1,
        demand: false,
    };
}

/// Where a poll sequence is (RFC 5880 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    None,
    /// Packets have P set until one comes with F.
    Asking,
    /// The same, and what is asked for has changed meanwhile: the answer is to what was asked before.
    AskingAgain,
    /// One packet without P goes before the next sequence.
    Pause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    /// Not there; tried then.
    Closed {
        retry: Option<Instant>,
    },
    /// Asked for.
    Asked,
    Open,
}

/// One session.
#[derive(Debug)]
pub struct Machine {
    config: BfdInstance,
    discriminator: u32,
    state: State,
    diagnostic: Diagnostic,
    remote: Remote,
    /// What packets say that we want: Desired Min TX and Required Min RX Interval.
    offer: (Duration, Duration),
    /// What counts of it until a poll is answered (RFC 5880 §6.8.3).
    sending: Duration,
    hearing: Duration,
    poll: Poll,
    socket: Socket,
    waits: Option<Refusal>,
    unsent: Option<i32>,
    /// It was opened anew, and nothing has left since.
    reopened: bool,
    /// What `transmit_at` was worked out from.
    pace: Option<Duration>,
    sent_at: Option<Instant>,
    transmit_at: Option<Instant>,
    heard_at: Option<Instant>,
    detect_at: Option<Instant>,
    /// The end is said until then.
    until: Option<Instant>,
    over: bool,
    random: fastrand::Rng,
}

impl Machine {
    /// A session that has not begun. `discriminator`: not 0, and no other session's.
    pub fn new(config: BfdInstance, discriminator: u32, seed: u64) -> Self {
        Self {
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: Remote::UNKNOWN,
            offer: (config.idle_tx, config.min_rx),
            sending: config.idle_tx,
            hearing: config.min_rx,
            poll: Poll::None,
            socket: Socket::Closed { retry: None },
            waits: None,
            unsent: None,
            reopened: false,
            pace: None,
            sent_at: None,
            transmit_at: None,
            heard_at: None,
            detect_at: None,
            until: None,
            over: false,
            random: fastrand::Rng::with_seed(seed),
            config,
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Start => self.open(out),
            Input::Opened => self.opened(out),
            Input::Refused(why) => self.refused(now, why, out),
            Input::Sent(outcome) => self.sent(outcome, out),
            Input::Heard(packet) => self.heard(now, &packet, out),
            Input::Timer => self.timer(now, out),
            Input::Configure(config) => self.configure(*config, out),
            Input::Stop => self.stop(now, out),
        }
        self.schedule(now);
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let retry = match self.socket {
            Socket::Closed { retry } => retry,
            Socket::Asked | Socket::Open => None,
        };
        let all = [
            (self.transmit_at, Timer::Transmit),
            (self.detect_at, Timer::Detection),
            (retry, Timer::Retry),
            (self.until, Timer::Farewell),
        ];
        all.into_iter().filter_map(|(at, timer)| Some((at?, timer))).min()
    }

    /// What it is configured with.
    pub fn config(&self) -> &BfdInstance {
        &self.config
    }

    /// Our name for it, never 0.
    pub fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// Both sides hear each other.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// It has a socket, so that what it says is heard: nothing is taken in before.
    pub fn is_open(&self) -> bool {
        self.socket == Socket::Open
    }

    /// Its end has been said for long enough.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The least TTL of a packet that counts.
    pub fn least_hops(&self) -> u8 {
        match u8::try_from(self.config.max_hops) {
            Ok(hops) => self.config.ttl.saturating_sub(hops),
            // -1: whatever it is.
            Err(_) => 0,
        }
    }

    /// The present condition.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.config.name.clone(),
            neighbour: self.config.neighbour,
            state: self.state,
            remote_state: self.remote.state,
            diagnostic: self.diagnostic,
            remote_diagnostic: self.remote.diagnostic,
            discriminator: self.discriminator,
            remote_discriminator: self.remote.discriminator,
            interval: self.sending.max(self.remote.min_rx),
            detection: self.detect_at.map(|_| self.detection()),
            waits: self.waits.clone(),
            unsent: self.unsent,
        }
    }

    // ---- the socket ----

    fn open(&mut self, out: &mut Vec<Action>) {
        self.socket = Socket::Asked;
        out.push(self.endpoint());
    }

    fn endpoint(&self) -> Action {
        let BfdInstance { neighbour, source, multihop, ttl, .. } = self.config;
        Action::Open(Endpoint { neighbour, source, multihop, ttl })
    }

    fn opened(&mut self, out: &mut Vec<Action>) {
        self.socket = Socket::Open;
        if self.waits.take().is_some() {
            out.push(Action::Report(Event::Begins));
        }
    }

    fn refused(&mut self, now: Instant, why: Refusal, out: &mut Vec<Action>) {
        self.socket = Socket::Closed { retry: Some(now + RETRY) };
        self.sent_at = None;
        if self.waits.as_ref() != Some(&why) {
            self.waits = Some(why.clone());
            out.push(Action::Report(Event::Waits(why)));
        }
    }

    fn sent(&mut self, outcome: Result<(), i32>, out: &mut Vec<Action>) {
        match outcome {
            // The address that it is bound to may have gone: another socket tells.
            Err(_) if self.config.source.is_some() && self.socket == Socket::Open && !self.reopened => {
                self.reopened = true;
                self.open(out);
            }
            Err(errno) if self.unsent != Some(errno) => {
                self.unsent = Some(errno);
                out.push(Action::Report(Event::NotSent { errno }));
            }
            Err(_) => {}
            Ok(()) => {
                self.reopened = false;
                if self.unsent.take().is_some() {
                    out.push(Action::Report(Event::SentAgain));
                }
            }
        }
    }

    // ---- what happens ----

    /// RFC 5880 §6.8.6, from where the session is known.
    fn heard(&mut self, now: Instant, packet: &Packet, out: &mut Vec<Action>) {
        if self.state == State::AdminDown || self.socket != Socket::Open {
            return;
        }
        self.remote = Remote {
            discriminator: packet.mine,
            state: packet.state,
            diagnostic: packet.diagnostic,
            min_tx: packet.min_tx,
            min_rx: packet.min_rx,
            multiplier: packet.multiplier,
            demand: packet.demand,
        };
        if packet.is_final {
            self.answered();
        }
        let before = self.state;
        match (self.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, Diagnostic::NEIGHBOUR, None, out);
            }
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic, None, out),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, Diagnostic::NONE, None, out);
            }
            _ => {}
        }
        self.heard_at = Some(now);
        self.detect_at = Some(now + self.detection());
        if packet.poll {
            out.push(Action::Transmit(self.packet(true)));
        } else if self.state != before {
            self.transmit(now, out);
        }
    }

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.over = true;
        }
        if let Socket::Closed { retry: Some(at) } = self.socket
            && at <= now
        {
            self.open(out);
        }
        if let Some(at) = self.detect_at.filter(|at| *at <= now) {
            self.expire(now, at, out);
        }
        if self.transmit_at.is_some_and(|at| at <= now) {
            self.transmit(now, out);
        }
    }

    /// Nothing was heard for the detection time (RFC 5880 §6.8.4): the other side is not known any more.
    fn expire(&mut self, now: Instant, at: Instant, out: &mut Vec<Action>) {
        let expired = Some((self.detection(), now.saturating_duration_since(at)));
        let diagnostic = self.remote.diagnostic;
        self.remote = Remote { diagnostic, ..Remote::UNKNOWN };
        (self.heard_at, self.detect_at) = (None, None);
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diagnostic::EXPIRED, expired, out);
            self.transmit(now, out);
        }
    }

    fn enter(
        &mut self,
        to: State,
        diagnostic: Diagnostic,
        expired: Option<(Duration, Duration)>,
        out: &mut Vec<Action>,
    ) {
        let from = std::mem::replace(&mut self.state, to);
        self.diagnostic = diagnostic;
        if to == State::Up {
            self.offer.0 = self.config.min_tx;
            self.sending = self.sending.min(self.config.min_tx);
            self.ask();
        } else if from == State::Up {
            self.offer.0 = self.config.idle_tx;
            (self.sending, self.hearing) = self.offer;
            self.poll = Poll::None;
        }
        let (local, remote) = (self.diagnostic, self.remote.diagnostic);
        out.push(Action::Report(Event::Entered { from, to, local, remote, expired }));
    }

    fn configure(&mut self, config: BfdInstance, out: &mut Vec<Action>) {
        let before = std::mem::replace(&mut self.config, config);
        if before.ttl != self.config.ttl && self.socket == Socket::Open {
            out.push(self.endpoint());
        }
        let up = self.state == State::Up;
        let offer = (if up { self.config.min_tx } else { self.config.idle_tx }, self.config.min_rx);
        if offer == self.offer {
            return;
        }
        self.offer = offer;
        if up {
            // RFC 5880 §6.8.3: what makes packets rarer waits until the other side knows.
            self.sending = self.sending.min(offer.0);
            self.hearing = self.hearing.max(offer.1);
            self.ask();
        } else {
            (self.sending, self.hearing) = offer;
        }
        self.detect_at = self.heard_at.map(|at| at + self.detection());
    }

    /// Said for as long as it takes the other side to notice without that.
    fn stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        let known = self.remote.discriminator != 0 && self.socket == Socket::Open;
        let notices = self.sending.max(self.remote.min_rx) * u32::from(self.config.multiplier);
        self.until = known.then(|| now + notices.min(FAREWELL));
        self.over = !known;
        (self.heard_at, self.detect_at) = (None, None);
        self.poll = Poll::None;
        let from = std::mem::replace(&mut self.state, State::AdminDown);
        self.diagnostic = Diagnostic::ADMINISTRATIVE;
        self.offer.0 = self.config.idle_tx;
        let (local, remote) = (self.diagnostic, self.remote.diagnostic);
        out.push(Action::Report(Event::Entered { from, to: State::AdminDown, local, remote, expired: None }));
        if known {
            self.transmit(now, out);
        }
    }

    // ---- poll sequences ----

    fn ask(&mut self) {
        self.poll = match self.poll {
            Poll::None => Poll::Asking,
            Poll::Asking => Poll::AskingAgain,
            other => other,
        };
    }

    fn answered(&mut self) {
        match self.poll {
            Poll::Asking => {
                self.poll = Poll::None;
                (self.sending, self.hearing) = self.offer;
            }
            Poll::AskingAgain => self.poll = Poll::Pause,
            Poll::None | Poll::Pause => {}
        }
    }

    // ---- time ----

    /// RFC 5880 §6.8.4.
    fn detection(&self) -> Duration {
        self.hearing.max(self.remote.min_tx) * u32::from(self.remote.multiplier)
    }

    /// How often a packet is sent, before jitter; `None`: none is (RFC 5880 §6.8.7).
    fn pace(&self) -> Option<Duration> {
        let waits_for_other = self.config.passive && self.remote.discriminator == 0;
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let unwanted = self.remote.demand && both_up && self.poll == Poll::None;
        let silent = self.remote.min_rx.is_zero() || waits_for_other || unwanted || self.over;
        let sends = self.socket == Socket::Open && !silent;
        sends.then(|| self.sending.max(self.remote.min_rx))
    }

    /// Another pace counts from the last packet on.
    fn schedule(&mut self, now: Instant) {
        let pace = self.pace();
        if pace == self.pace && pace.is_some() == self.transmit_at.is_some() {
            return;
        }
        self.pace = pace;
        self.transmit_at = pace.map(|pace| match self.sent_at {
            Some(at) => (at + self.jittered(pace)).max(now),
            None => now,
        });
    }

    /// A quarter less at most, so that nodes do not send in step; with a multiplier of 1 at least a tenth less.
    fn jittered(&mut self, pace: Duration) -> Duration {
        let least = if self.config.multiplier == 1 { 0.10 } else { 0.0 };
        pace.mul_f64(1.0 - least - self.random.f64() * (0.25 - least))
    }

    fn transmit(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.transmit_at = None;
        let Some(pace) = self.pace() else { return };
        out.push(Action::Transmit(self.packet(false)));
        if self.poll == Poll::Pause {
            self.poll = Poll::Asking;
        }
        self.sent_at = Some(now);
        self.pace = Some(pace);
        self.transmit_at = Some(now + self.jittered(pace));
    }

    /// `answer`: to a poll; then it asks nothing itself (RFC 5880 §6.5). An end is told as Down, with its diagnostic: who is
    /// told AdminDown is to do nothing (RFC 5882 §3.2), and keepalived, whose own end is found out by its silence, leaves
    /// what tracks such a session as it was, for ever.
    fn packet(&self, answer: bool) -> Packet {
        let state = if self.state == State::AdminDown { State::Down } else { self.state };
        Packet {
            diagnostic: self.diagnostic,
            state,
            poll: !answer && matches!(self.poll, Poll::Asking | Poll::AskingAgain),
            is_final: answer,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.discriminator,
            yours: self.remote.discriminator,
            min_tx: self.offer.0,
            min_rx: self.offer.1,
        }
    }
}

#[cfg(test)]
mod tests;
