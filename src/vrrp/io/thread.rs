//! The loop of the VRRP thread: it waits, feeds the node, and carries its actions out.
//!
//! It reads no file, asks no name server, waits for no script, writes no log and makes no system call that can wait for
//! another process, so an advert leaves on time whatever else the host is busy with.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::model::ProcessPart;
use crate::net::io::{self as net, Network};
use crate::net::kernel::Kernel;
use crate::sys::beat;
use crate::sys::netlink::Monitor;
use crate::sys::poll::{self, Alarm};
use crate::text::reason;
use crate::track::Facts;
use crate::vrrp::instance::Left;
use crate::vrrp::node::{Action, Claim, Endpoint, Input, Node, Refusal, Setup, new_claims};

use super::ears::Ears;
use super::handle::Command;
use super::monitor;
use super::outward::Outward;
use super::receivers::{self, Receivers};
use super::sockets::{Pair, Sender};
use super::worker::{self, Answer, Job};

/// Packets that are looked at in a row; more wait in the kernel's socket buffers, which drop what they cannot hold.
const PACKETS: usize = 64;
/// So often in a row packets are looked at before a master counts as down.
const CATCH_UP: usize = 8;
/// Packets for each virtual router that are looked at then, when these are more: a pause fills the buffers of many sockets.
const CATCH_UP_EACH: usize = 8;
const MONITOR_BUFFER: usize = 64 * 1024;
/// A kernel that takes longer to lend the addresses gets another end.
const LEND: Duration = Duration::from_millis(300);
/// A stop waits this long at most until the kernel has taken the addresses away.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) struct Thread {
    node: Node,
    outward: Outward,
    jobs: blocking::Sender<Job>,
    answers: mpsc::UnboundedReceiver<Answer>,
    monitor: AsyncFd<Monitor>,
    buffer: Vec<u8>,
    sockets: BTreeMap<Endpoint, (Sender, receivers::Number)>,
    receivers: Receivers,
    alarm: Alarm,
    /// Room for what they hear.
    heard: Vec<Input>,
    /// Listen for who else has addresses of ours.
    ears: Ears,
    claims: mpsc::Receiver<Input>,
    /// What is tracked, as it was told last.
    known: Facts,
    sessions: watch::Receiver<Arc<BTreeSet<String>>>,
    /// To be fed first.
    first: Vec<Input>,
    /// Answers that came while it left.
    late: Vec<Answer>,
}

impl Thread {
    /// Opens everything and looks at the kernel. Also returns what may be set.
    pub(super) fn open(
        outward: Outward,
        setup: Setup,
        record: BTreeSet<Claim>,
        part: &ProcessPart,
        mut sessions: watch::Receiver<Arc<BTreeSet<String>>>,
        first: Facts,
    ) -> io::Result<(Self, BTreeSet<Claim>)> {
        // The monitor comes first, so that no change falls between.
        let monitor = poll::register(net::monitor(setup.netlink.monitor)?)?;
        let mut network = Network::open(setup.netlink.commands)?;
        let reading = network.read()?;
        let claims = new_claims(&setup, &record, &Kernel::from(reading.clone()));
        let (answer, answers) = mpsc::unbounded_channel();
        let jobs = worker::start(network, answer, part.clone())?;
        let (ears, claimed) = Ears::new();
        let known = Facts { sessions: Arc::clone(&sessions.borrow_and_update()), ..first };
        let first =
            vec![Input::Tracked(known.clone()), Input::Configure(Box::new(setup)), Input::Read(Ok(reading))];
        let thread = Self {
            node: Node::new(record),
            outward,
            jobs,
            answers,
            monitor,
            buffer: vec![0; MONITOR_BUFFER],
            sockets: BTreeMap::new(),
            receivers: Receivers::new()?,
            alarm: Alarm::new()?,
            heard: Vec::new(),
            ears,
            claims: claimed,
            known,
            sessions,
            first,
            late: Vec::new(),
        };
        Ok((thread, claims))
    }

    /// Puts the first configuration in force and shows it. The tables that the instances ask for are read already.
    pub(super) fn begin(&mut self) {
        let mut actions = Vec::new();
        for input in std::mem::take(&mut self.first) {
            self.node.handle(Instant::now(), input, &mut actions);
        }
        actions.into_iter().filter(|action| *action != Action::Read).for_each(|action| self.act(action));
        self.show();
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, facts: watch::Receiver<Facts>) {
        // With each packet all of this is waited for anew: what waits on costs less than what begins to.
        let mut facts = pin!(changed(facts));
        let mut sessions = pin!(changed(self.sessions.clone()));
        loop {
            let wake = self.serve();
            let monitor = &self.monitor;
            tokio::select! {
                // Packets come last: a flood of them keeps nobody waiting.
                biased;
                () = self.alarm.until(wake) => {}
                command = commands.recv() => match command {
                    Some(Command::Stop { release, done }) => {
                        self.stop(release, &mut commands).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(Command::Leave(answer)) => {
                        if self.leave(answer).await {
                            return self.stand_by(&mut commands).await;
                        }
                    }
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(answer) = self.answers.recv() => self.answer(answer),
                mut told = &mut facts => {
                    let sessions = Arc::clone(&self.known.sessions);
                    self.known = Facts { sessions, ..told.borrow_and_update().clone() };
                    facts.set(changed(told));
                    self.feed(Input::Tracked(self.known.clone()));
                }
                mut told = &mut sessions => {
                    self.known.sessions = Arc::clone(&told.borrow_and_update());
                    sessions.set(changed(told));
                    self.feed(Input::Tracked(self.known.clone()));
                }
                Ok(mut ready) = poll_fn(|context| monitor.poll_read_ready(context)) => {
                    ready.clear_ready();
                    drop(ready);
                    self.hear();
                }
                Some(claim) = self.claims.recv() => self.feed(claim),
                () = self.receivers.ready() => self.listen(Instant::now()),
            }
        }
    }

    /// Serves what is due, and shows what came of it. Returns when to call again.
    fn serve(&mut self) -> Option<Instant> {
        let now = Instant::now();
        // What was heard comes first: a backup must not take over from a master whose adverts wait in its sockets, as after
        // a pause of the whole process.
        if self.node.ends_a_master(now) {
            // Bounded: a flood must not keep the timers waiting.
            let turns = CATCH_UP.max(self.node.machines().count() * CATCH_UP_EACH / PACKETS);
            for _turn in 0..turns {
                self.listen(now);
                if !self.receivers.has_more() {
                    break;
                }
            }
        }
        let mut timer = self.node.next_timer();
        if timer.is_some_and(|(at, _)| at <= now) {
            self.feed(Input::Timer);
            timer = self.node.next_timer();
        }
        self.outward.publish(now, &self.node, false);
        timer.map(|(at, _)| at)
    }

    /// Feeds what was heard.
    fn listen(&mut self, now: Instant) {
        let mut heard = std::mem::take(&mut self.heard);
        self.receivers.read(PACKETS, &mut heard);
        for input in heard.drain(..) {
            self.feed_at(now, input);
        }
        self.heard = heard;
    }

    /// Shows the node as it is now.
    fn show(&mut self) {
        self.outward.publish(Instant::now(), &self.node, true);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Claims(setup, answer) => drop(answer.send(self.node.claims_of(&setup))),
            Command::Configure(setup, done) => {
                self.feed(Input::Configure(Box::new(setup)));
                self.show();
                let _ = done.send(());
            }
            Command::HandOver { of, back, done } => {
                self.feed(Input::HandOver { of, back });
                self.show();
                let _ = done.send(());
            }
            Command::Show { clear, answer } => {
                let shown = Arc::new(self.node.snapshot());
                if clear {
                    self.node.clear_statistics();
                    self.show();
                }
                // Who asked may wait no longer.
                let _ = answer.send(shown);
            }
            Command::Announce(name) => self.feed(Input::Announce(name)),
            Command::Leave(_) | Command::Stop { .. } => {}
        }
    }

    /// True: nothing is sent or changed any more.
    async fn leave(&mut self, answer: oneshot::Sender<Vec<Left>>) -> bool {
        let mut actions = Vec::new();
        self.node.handle(Instant::now(), Input::Leave, &mut actions);
        let (mut left, mut lends) = (Vec::new(), false);
        for action in actions {
            match action {
                Action::Left(all) => left = all,
                action => {
                    lends |= matches!(action, Action::Change(_));
                    self.act(action);
                }
            }
        }
        if lends && !self.has_lent().await {
            left.clear();
        }
        // Who asked may wait no longer.
        let leaves = !left.is_empty();
        let leaves = answer.send(left).is_ok() && leaves;
        if !leaves {
            self.catch_up_with_answers();
        }
        leaves
    }

    /// The kernel must have done it before the process ends.
    async fn has_lent(&mut self) -> bool {
        let answer = async {
            while let Some(answer) = self.answers.recv().await {
                let lent = match &answer {
                    Answer::Input(input) => match &**input {
                        Input::Changed(answers) => Some(answers.iter().all(|(_, errno)| *errno == 0)),
                        _ => None,
                    },
                    Answer::Opened(..) => None,
                };
                self.late.push(answer);
                if let Some(lent) = lent {
                    return lent;
                }
            }
            false
        };
        tokio::time::timeout(LEND, answer).await == Ok(true)
    }

    fn catch_up_with_answers(&mut self) {
        for answer in std::mem::take(&mut self.late) {
            self.answer(answer);
        }
    }

    /// It has left what it had, and says nothing more, unless it is told to stop after all.
    async fn stand_by(&mut self, commands: &mut mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            if let Command::Stop { release, done } = command {
                if release {
                    self.catch_up_with_answers();
                    self.hear();
                    self.stop(true, commands).await;
                }
                let _ = done.send(());
                return;
            }
        }
    }

    /// Whoever leads hands over first. A second stop ends that.
    async fn stop(&mut self, release: bool, commands: &mut mpsc::Receiver<Command>) {
        if release {
            self.feed(Input::Stop);
            self.hand_over(commands).await;
            let farewell = async {
                while !self.node.is_quiet()
                    && let Some(answer) = self.answers.recv().await
                {
                    self.answer(answer);
                }
            };
            if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
                tracing::error!(
                    "the kernel has not taken all addresses, routes and rules away within {} s",
                    FAREWELL.as_secs()
                );
            }
        }
        self.show();
    }

    async fn hand_over(&mut self, commands: &mut mpsc::Receiver<Command>) {
        while self.node.hands_over() {
            let wake = self.serve();
            if !self.node.hands_over() {
                return;
            }
            tokio::select! {
                            () = self.alarm.until(wake) => {}
                            Some(Command::Stop { .. }) = commands.recv() => self.feed(Input::Stop),
                            Some(answer) = self.answers.recv() => self.answer(answer),
                            Ok(mut ready) = self.monitor.readable() => {
                                ready.clear_ready();
                                drop(ready);
                                self.hear();
                            }
                            () = self.receivers.ready() => self.listen(Instant::now()),
            }
        }
    }

    /// Takes in what the kernel told, and says so when some of it was lost.
    fn hear(&mut self) {
        let heard = monitor::drain(self.monitor.get_ref(), &mut self.buffer);
        if !heard.changes.is_empty() {
            self.feed(Input::Kernel(heard.changes));
        }
        if heard.lost {
            self.feed(Input::Lost);
        }
    }

    fn answer(&mut self, answer: Answer) {
        // The kernel told of what it did before it answered; in this order nothing looks like another's doing.
        self.hear();
        match answer {
            Answer::Input(input) => self.feed(*input),
            Answer::Opened(endpoint, Pair { sender, receiver }) => {
                match self.receivers.add(endpoint.clone(), receiver) {
                    Ok(number) => {
                        if let Some(old) = self.sockets.insert(endpoint.clone(), (sender, number)) {
                            self.close(old);
                        }
                        self.feed(Input::Opened(endpoint));
                    }
                    Err(error) => {
                        let why = format!("sockets on {endpoint}: {}", reason(&error));
                        self.feed(Input::Refused(Refusal::Open { endpoint, why }));
                    }
                }
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.feed_at(Instant::now(), input);
    }

    fn feed_at(&mut self, now: Instant, input: Input) {
        let mut actions = Vec::new();
        self.node.handle(now, input, &mut actions);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let job = match action {
            Action::Transmit { id, endpoint, packet } => {
                let sent = self.sockets.get(&endpoint).map(|(sender, _)| sender.send(&packet));
                if matches!(sent, Some(Ok(_))) {
                    beat::strike();
                }
                if let Some(Err(error)) = sent {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    let destination = packet.destination;
                    self.feed(Input::Refused(Refusal::Transmit { id, destination, errno }));
                }
                return;
            }
            Action::Report(report) => return self.outward.report(report),
            // Nobody asked.
            Action::Left(_) => return,
            Action::Close(endpoint) => {
                return self.sockets.remove(&endpoint).into_iter().for_each(|old| self.close(old));
            }
            Action::Open(endpoint) => Job::Open(endpoint),
            Action::Change(operations) => Job::Change(operations),
            Action::Tune { wanted, held } => Job::Tune(wanted, held),
            Action::Filter(batch) => Job::Filter(batch),
            Action::Buffer { endpoint, bytes } => {
                let sized =
                    self.sockets.get(&endpoint).map(|(_, number)| self.receivers.size(*number, bytes));
                if let Some(Err(error)) = sized {
                    tracing::debug!("the receive buffer on {endpoint} stays as it is: {error}");
                }
                return;
            }
            Action::Watch(watched) => {
                for (task, ear) in self.ears.listen_for(watched) {
                    let jobs = self.jobs.clone();
                    tokio::spawn(async move {
                        // It was aborted: there is nothing else to learn.
                        let _ = task.await;
                        let _ = jobs.send(Job::Deafen(ear));
                    });
                }
                return;
            }
            Action::Read => Job::Read,
            Action::Announce { id, frames, rounds } => Job::Announce { id, frames, rounds },
        };
        if self.jobs.send(job).is_err() {
            tracing::error!("the thread that changes the network has ended");
        }
    }

    /// Leaving a group waits for the kernel's lock: the worker does it.
    fn close(&mut self, (sender, number): (Sender, receivers::Number)) {
        let receiver = self.receivers.remove(number);
        // Without the worker they close here.
        let _ = self.jobs.send(Job::Close(sender, receiver));
    }
}

/// Waits until there is another value, for ever when there will be none.
async fn changed<T>(mut values: watch::Receiver<T>) -> watch::Receiver<T> {
    if values.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    values
}
