//! `directord rs`: what is said of real servers by hand, until somebody takes it back, its time is over, or the configuration no
//! longer has the real server.
//!
//! It is kept in a file of the state directory, so that a restart does not send clients to a real server that was taken out.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::maintenance::LONGEST_TIME;
use super::requests::Said;
use super::{Director, files};
use crate::config::model::VirtualServerName;
use crate::control::status;
use crate::pool::{ByHand, Pools};
use crate::text::reason;

/// Bytes of such a file.
const LONGEST: u64 = 16 << 20;
/// How often it is looked whether a time is over: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);
/// Real servers that are named when the one that was asked for is not there.
const NAMED: usize = 8;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A virtual server, as `status` takes it.
    pub(super) service: String,
    /// A real server: `ADDRESS:PORT`, or `ADDRESS` for all ports of it.
    pub(super) server: String,
    /// What; `None`: it is taken back.
    pub(super) by_hand: Option<ByHand>,
    /// For how long; `None`: until it is taken back.
    pub(super) length: Option<Duration>,
}

/// What is said of one real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    service: String,
    server: SocketAddr,
    what: ByHand,
    since: String,
    until: Option<String>,
}

impl Entry {
    fn is_of(&self, service: &VirtualServerName, server: SocketAddr) -> bool {
        self.server == server && self.service == service.to_string()
    }

    /// How long it goes on; `None`: until it is taken back.
    fn left(&self) -> Option<Duration> {
        let until = humantime::parse_rfc3339(self.until.as_ref()?).ok()?;
        Some(until.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// All that is said by hand.
#[derive(Debug)]
pub(super) struct Words {
    path: PathBuf,
    all: Vec<Entry>,
}

impl Words {
    /// What is kept in `directory` of the daemon that runs `config`.
    pub(super) fn read(directory: &Path, config: &Path) -> Self {
        let path = directory.join(format!("{}.servers", files::name_of(config)));
        let all = read(&path).unwrap_or_else(|why| {
            tracing::error!(
                "{} says which real servers were drained, disabled or given a weight by `directord rs`, and cannot be read: {why}. They serve as the configuration has them",
                path.display()
            );
            Vec::new()
        });
        Self { path, all }
    }

    /// For the pools: each of them, by the names of `services`.
    pub(super) fn of<'a>(
        &self,
        services: impl Iterator<Item = VirtualServerName> + 'a,
    ) -> Vec<(VirtualServerName, SocketAddr, ByHand)> {
        let mut said = Vec::new();
        for name in services {
            let shown = name.to_string();
            let of = self.all.iter().filter(|entry| entry.service == shown);
            said.extend(of.map(|entry| (name.clone(), entry.server, entry.what)));
        }
        said
    }

    /// For who asks.
    pub(super) fn shown(&self, service: &VirtualServerName, server: SocketAddr) -> Option<status::ByHand> {
        let entry = self.all.iter().find(|entry| entry.is_of(service, server))?;
        Some(status::ByHand {
            what: entry.what.to_string(),
            since: entry.since.clone(),
            until: entry.until.clone(),
        })
    }

    /// Whether nothing is said of anything.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When it is to be looked next whether a time is over.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(Instant::now() + self.all.iter().filter_map(Entry::left).min()?.min(LOOK))
    }

    /// Those whose time is over; they are forgotten.
    fn over(&mut self) -> Vec<Entry> {
        let (over, all) = std::mem::take(&mut self.all)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| entry.left() == Some(Duration::ZERO));
        self.all = all;
        if !over.is_empty() {
            self.keep();
        }
        over
    }

    /// Forgets what is said of real servers that are not configured any more.
    fn forget_gone(&mut self, pools: &Pools) {
        let is_there = |entry: &Entry| {
            pools.views().any(|(name, view)| {
                view.servers.contains_key(&entry.server) && entry.is_of(name, entry.server)
            })
        };
        let (all, gone) = std::mem::take(&mut self.all).into_iter().partition::<Vec<_>, _>(is_there);
        self.all = all;
        for Entry { service, server, what, .. } in &gone {
            tracing::info!(
                "Service {server} of VS {service} is no longer configured: that it is {what} by hand is forgotten"
            );
        }
        if !gone.is_empty() {
            self.keep();
        }
    }

    /// Something to say of it, when it is not kept.
    fn keep(&self) -> Option<String> {
        let outcome = match self.all.is_empty() {
            true => files::remove(&self.path),
            false => write(&self.path, &self.all),
        };
        let error = outcome.err()?;
        let line =
            format!("a restart forgets it, as {} cannot be written: {}", self.path.display(), reason(&error));
        tracing::warn!("Real servers by hand: {line}");
        Some(line)
    }
}

fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let Some(file) = files::open(path).map_err(|error| reason(&error))? else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    let all: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is damaged: {error}"))?;
    let is_time = |time: &String| humantime::parse_rfc3339(time).is_ok();
    match all.iter().find(|entry| !is_time(&entry.since) || !entry.until.iter().all(is_time)) {
        Some(entry) => Err(format!("it is damaged: what is said of {} has no time", entry.server)),
        None => Ok(all),
    }
}

fn write(path: &Path, all: &[Entry]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        files::make_directory(directory, 0o700)?;
    }
    files::replace(path, &serde_json::to_vec(all)?, 0o600, true)
}

/// The real servers that are meant, each with its virtual server.
fn find(pools: &Pools, wanted: &Wanted) -> Result<Vec<(VirtualServerName, SocketAddr)>, String> {
    let is_called = |name: &VirtualServerName| status::is_called(&name.to_string(), &wanted.service);
    let services: Vec<_> = pools.views().filter(|(name, _)| is_called(name)).collect();
    if services.is_empty() {
        return Err(format!("no virtual server is called `{}`", wanted.service));
    }
    let (address, port) = match (wanted.server.parse::<SocketAddr>(), wanted.server.parse::<IpAddr>()) {
        (Ok(server), _) => (server.ip(), Some(server.port())),
        (_, Ok(address)) => (address, None),
        _ => {
            return Err(format!(
                "`{}` is no real server: expected ADDRESS:PORT, or ADDRESS for all its ports",
                wanted.server
            ));
        }
    };
    let mut found = Vec::new();
    for (name, view) in &services {
        let of =
            view.servers.keys().filter(|at| at.ip() == address && port.is_none_or(|port| at.port() == port));
        found.extend(of.map(|server| ((*name).clone(), *server)));
    }
    if found.is_empty() {
        let all: Vec<&SocketAddr> = services.iter().flat_map(|(_, view)| view.servers.keys()).collect();
        let mut names: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
        if all.len() > NAMED {
            names.push(format!("{} more", all.len() - NAMED));
        }
        return Err(format!(
            "{} has no real server {}: it has {}",
            wanted.service,
            wanted.server,
            names.join(", ")
        ));
    }
    Ok(found)
}

impl Director {
    /// Says something of real servers, or takes it back.
    pub(super) fn say_of_servers(&mut self, wanted: &Wanted) -> Said {
        let found = find(self.balancer.pools(), wanted)?;
        if wanted.length.is_some_and(|length| length > LONGEST_TIME) {
            return Err("that is too long a time, ten years are the most: leave `--for` out".to_owned());
        }
        let shown = |time| humantime::format_rfc3339_millis(time).to_string();
        let now = SystemTime::now();
        let until = wanted.length.and_then(|length| now.checked_add(length)).map(shown);
        let mut said = Vec::new();
        for (service, server) in &found {
            let before = self.words.all.len();
            self.words.all.retain(|entry| !entry.is_of(service, *server));
            let was_said = self.words.all.len() < before;
            let line = match wanted.by_hand {
                Some(what) => {
                    let (service, server, since) = (service.to_string(), *server, shown(now));
                    self.words.all.push(Entry { service, server, what, since, until: until.clone() });
                    let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
                    format!("is {what}{until}")
                }
                None if was_said => "is as the configuration and its checks have it".to_owned(),
                None => {
                    "was neither drained nor disabled, and has the weight of the configuration".to_owned()
                }
            };
            said.push(format!("{server} of {service} {line}"));
        }
        said.extend(self.words.keep());
        self.balancer.by_hand(found.into_iter().map(|(service, server)| (service, server, wanted.by_hand)));
        self.tell_what_happened();
        self.changed = true;
        Ok(said)
    }

    /// Takes back what was said for a time that is over.
    pub(super) fn end_of_words(&mut self) {
        let over = self.words.over();
        if over.is_empty() {
            return;
        }
        for Entry { service, server, what, .. } in &over {
            tracing::info!("Service {server} of VS {service} was {what} by hand until now");
        }
        let pools = self.balancer.pools();
        let ended: Vec<_> = pools
            .views()
            .flat_map(|(name, _)| {
                let of = over.iter().filter(|entry| entry.service == name.to_string());
                of.map(|entry| (name.clone(), entry.server, None)).collect::<Vec<_>>()
            })
            .collect();
        self.balancer.by_hand(ended.into_iter());
        self.tell_what_happened();
        self.changed = true;
    }

    /// A reload has taken real servers away.
    pub(super) fn forget_words_of_gone(&mut self) {
        if !self.words.is_empty() {
            self.words.forget_gone(self.balancer.pools());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(last: u8, until: Option<&str>) -> Entry {
        Entry {
            service: "[10.0.0.1]:tcp:80".to_owned(),
            server: SocketAddr::from(([10, 0, 0, last], 80)),
            what: ByHand::Drained,
            since: "2026-11-28T12:00:00Z".to_owned(),
            until: until.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_said_is_kept_until_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let config = Path::new("/etc/k.conf");
        let mut words = Words::read(folder.path(), config);
        assert_eq!((words.is_empty(), words.next()), (true, None));
        words.all = vec![
            entry(2, None),
            entry(3, Some("2026-11-28T12:00:01Z")),
            entry(4, Some("9999-01-01T00:00:00Z")),
        ];
        assert_eq!(words.keep(), None);
        let mut later = Words::read(folder.path(), config);
        assert_eq!(later.all, words.all);
        assert!(later.next().unwrap() <= Instant::now());
        assert_eq!(later.over(), [entry(3, Some("2026-11-28T12:00:01Z"))]);
        assert_eq!(Words::read(folder.path(), config).all.len(), 2, "it is written down");
        later.all.clear();
        assert_eq!(later.keep(), None);
        assert!(!folder.path().join("etc-k.conf.servers").exists());
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc-k.conf.servers");
        let at = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err()
        };
        assert!(at("{").contains("it is damaged"));
        let timeless = serde_json::to_string(&[entry(2, Some("soon"))]).unwrap();
        assert!(at(&timeless).contains("what is said of 10.0.0.2:80 has no time"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Words::read(folder.path(), Path::new("/etc/k.conf")).is_empty());
        let mut words = Words { path, all: vec![entry(2, None)] };
        std::fs::write(words.path.join("x"), "").unwrap();
        assert!(words.keep().unwrap().starts_with("a restart forgets it"));
        assert!(words.over().is_empty());
    }
}
