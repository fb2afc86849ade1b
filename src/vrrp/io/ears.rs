//! Listens for other hosts that claim addresses of masters: one socket for each family on each interface where somebody leads,
//! and a task that reads it.
//!
//! Bounded: a task looks a hundred times a second at most, twenty times where much is said, reads a few messages each time,
//! and tells the same claim once. What is left the kernel drops.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::net::conflict::Conflict;
use crate::net::io::conflicts::Ear;
use crate::sys::poll;
use crate::text::reason;
use crate::vrrp::node::{Input, Watched};

/// From the first message until all that is there is read: an advert that was sent before it is heard before it, and what is
/// sent several times is told once.
const GATHER: Duration = Duration::from_millis(5);
/// A task rests after it has read.
const REST: Duration = Duration::from_millis(5);
/// The same when it has read more than a few.
const LONG_REST: Duration = Duration::from_millis(45);
const FEW: usize = 8;
/// Messages that are read in a row.
const BATCH: usize = 64;
/// What was heard waits for the loop.
const QUEUE: usize = 64;
/// After an error of a socket, as of an interface that is down.
const AGAIN: Duration = Duration::from_secs(1);

/// Everything that is listened for.
pub(super) struct Ears {
    ears: BTreeMap<(u32, bool), Listening>,
    heard: mpsc::Sender<Input>,
    /// Interfaces that cannot be listened on, as was said.
    deaf: BTreeSet<(u32, bool)>,
}

struct Listening {
    watched: Watched,
    ear: Ear,
    task: JoinHandle<()>,
}

impl Ears {
    /// Nothing yet; what is heard comes out of the second.
    pub(super) fn new() -> (Self, mpsc::Receiver<Input>) {
        let (heard, receiver) = mpsc::channel(QUEUE);
        (Self { ears: BTreeMap::new(), heard, deaf: BTreeSet::new() }, receiver)
    }

    /// Listens for this and nothing else. Returns what is to be closed where that may wait.
    pub(super) fn listen_for(&mut self, wanted: BTreeMap<u32, Watched>) -> Vec<(JoinHandle<()>, Ear)> {
        let of_family = |watched: &Watched, ipv6: bool| {
            let addresses: BTreeSet<IpAddr> =
                watched.addresses.iter().filter(|address| address.is_ipv6() == ipv6).copied().collect();
            (!addresses.is_empty()).then(|| Watched { addresses, ..watched.clone() })
        };
        let wanted: BTreeMap<(u32, bool), Watched> = wanted
            .iter()
            .flat_map(|(index, watched)| [false, true].map(|ipv6| ((*index, ipv6), of_family(watched, ipv6))))
            .filter_map(|(place, watched)| Some((place, watched?)))
            .collect();
        let gone: Vec<_> = self.ears.keys().filter(|place| !wanted.contains_key(place)).copied().collect();
        let gone = gone.iter().filter_map(|place| self.ears.remove(place)).map(Listening::end).collect();
        self.deaf.retain(|place| wanted.contains_key(place));
        for (place, watched) in wanted {
            let outcome = match self.ears.get_mut(&place) {
                Some(listening) if listening.watched == watched => Ok(()),
                Some(listening) => listening.other(watched),
                None => self.open(place, watched),
            };
            self.tell(place, outcome);
        }
        gone
    }

    fn open(&mut self, place: (u32, bool), watched: Watched) -> io::Result<()> {
        let (index, ipv6) = place;
        let ear = Ear::open((index, &watched.interface), watched.mac, ipv6, &watched.addresses)?;
        let socket = poll::register(ear.again()?)?;
        let task = tokio::spawn(listen(socket, index, self.heard.clone()));
        self.ears.insert(place, Listening { watched, ear, task });
        Ok(())
    }

    fn tell(&mut self, place: (u32, bool), outcome: io::Result<()>) {
        let Err(error) = outcome else {
            self.deaf.remove(&place);
            return;
        };
        if self.deaf.insert(place) {
            let what = if place.1 { "neighbour advertisements" } else { "ARP" };
            tracing::warn!(
                "a second master is not noticed by its {what} (interface {}): {}; by its adverts it is",
                place.0,
                reason(&error)
            );
        }
    }
}

impl Listening {
    fn other(&mut self, watched: Watched) -> io::Result<()> {
        self.ear.listen_for(watched.mac, &watched.addresses)?;
        self.watched = watched;
        Ok(())
    }

    fn end(self) -> (JoinHandle<()>, Ear) {
        self.task.abort();
        (self.task, self.ear)
    }
}

async fn listen(socket: AsyncFd<Ear>, index: u32, heard: mpsc::Sender<Input>) {
    let mut claims: BTreeSet<Conflict> = BTreeSet::new();
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        tokio::time::sleep(GATHER).await;
        let (mut failed, mut read) = (false, 0);
        for _message in 0..BATCH {
            match ready.try_io(|socket| socket.get_ref().hear()) {
                Ok(Ok(conflict)) => {
                    read += 1;
                    claims.extend(conflict);
                }
                // A link that goes down reports itself here.
                Ok(Err(_)) => {
                    failed = true;
                    break;
                }
                Err(_would_block) => break,
            }
        }
        drop(ready);
        while let Some(conflict) = claims.pop_first() {
            if heard.send(Input::Claimed { index, conflict }).await.is_err() {
                return;
            }
        }
        let rest = match read {
            _ if failed => AGAIN,
            0..=FEW => REST,
            _ => LONG_REST,
        };
        tokio::time::sleep(rest).await;
    }
}
