//! `directord rs`: what is said of real servers by hand, until somebody takes it back, its time is over, or the configuration no
//! longer has the real server.
//!
//! It is kept in a file of the state directory, so that a restart does not send clients to a real server that was taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::maintenance::LONGEST_TIME;
use super::requests::Said;
use super::{Director, files};
use crate::config::model::{VirtualServerName, Weight};
use crate::control::status;
use crate::pool::{ByHand, Pools, View};
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

/// Whose: the log form of the virtual server, and the real server.
type Of = (String, SocketAddr);

/// What is said of one real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    what: ByHand,
    since: String,
    until: Option<String>,
}

impl Word {
    /// How long it goes on; `None`: until it is taken back.
    fn left(&self) -> Option<Duration> {
        let until = humantime::parse_rfc3339(self.until.as_ref()?).ok()?;
        Some(until.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// As it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    service: String,
    server: SocketAddr,
    #[serde(flatten)]
    word: Word,
}

/// All that is said by hand.
#[derive(Debug)]
pub(super) struct Words {
    path: PathBuf,
    all: BTreeMap<Of, Word>,
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
            BTreeMap::new()
        });
        Self { path, all }
    }

    /// For the pools: what is said of real servers of `services`.
    pub(super) fn of(
        &self,
        services: impl Iterator<Item = VirtualServerName>,
    ) -> Vec<(VirtualServerName, SocketAddr, ByHand)> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let names: BTreeMap<String, VirtualServerName> =
            services.map(|name| (name.to_string(), name)).collect();
        let said = self.all.iter();
        said.filter_map(|((service, server), word)| Some((names.get(service)?.clone(), *server, word.what)))
            .collect()
    }

    /// For who asks: what is said of a real server of the virtual server that is shown as `service`.
    pub(super) fn shown(&self, service: &str, server: SocketAddr) -> Option<status::ByHand> {
        if self.all.is_empty() {
            return None;
        }
        let Word { what, since, until } = self.all.get(&(service.to_owned(), server))?;
        Some(status::ByHand { what: what.to_string(), since: since.clone(), until: until.clone() })
    }

    /// When it is to be looked next whether a time is over.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(Instant::now() + self.all.values().filter_map(Word::left).min()?.min(LOOK))
    }

    /// Those whose time is over; they are forgotten.
    fn over(&mut self) -> Vec<(Of, Word)> {
        let is_over = |word: &Word| word.left() == Some(Duration::ZERO);
        if !self.all.values().any(is_over) {
            return Vec::new();
        }
        let (over, all) =
            std::mem::take(&mut self.all).into_iter().partition::<Vec<_>, _>(|(_, word)| is_over(word));
        self.all = all.into_iter().collect();
        self.keep();
        over
    }

    /// Forgets what is said of real servers that are not configured any more.
    fn forget_gone(&mut self, pools: &Pools) {
        if self.all.is_empty() {
            return;
        }
        let of = |(name, view): (&VirtualServerName, View)| {
            let name = name.to_string();
            view.servers.into_keys().map(move |server| (name.clone(), server)).collect::<Vec<_>>()
        };
        let there: BTreeSet<Of> = pools.views().flat_map(of).collect();
        let before = self.all.len();
        self.all.retain(|of, word| {
            let stays = there.contains(of);
            if !stays {
                let ((service, server), what) = (of, word.what);
                tracing::info!(
                    "Service {server} of VS {service} is no longer configured: that it is {what} by hand is forgotten"
                );
            }
            stays
        });
        if self.all.len() < before {
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

fn read(path: &Path) -> Result<BTreeMap<Of, Word>, String> {
    let Some(file) = files::open(path).map_err(|error| reason(&error))? else { return Ok(BTreeMap::new()) };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    let all: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is damaged: {error}"))?;
    let is_time = |time: &String| humantime::parse_rfc3339(time).is_ok();
    let is_right = |word: &Word| {
        is_time(&word.since) && word.until.iter().all(is_time) && weight_in_range(word.what).is_ok()
    };
    match all.iter().find(|entry| !is_right(&entry.word)) {
        Some(entry) => Err(format!("it is damaged: what is said of {} has no time or weight", entry.server)),
        None => Ok(all.into_iter().map(|entry| ((entry.service, entry.server), entry.word)).collect()),
    }
}

fn write(path: &Path, all: &BTreeMap<Of, Word>) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        files::make_directory(directory, 0o700)?;
    }
    let entry = |((service, server), word): (&Of, &Word)| Entry {
        service: service.clone(),
        server: *server,
        word: word.clone(),
    };
    files::replace(path, &serde_json::to_vec(&all.iter().map(entry).collect::<Vec<_>>())?, 0o600, true)
}

/// The kernel takes no other.
fn weight_in_range(what: ByHand) -> Result<(), String> {
    match what {
        ByHand::Weight(weight) if Weight::new(weight.into()).is_err() => {
            Err(format!("a weight is at most {}", i32::MAX))
        }
        _ => Ok(()),
    }
}

/// The real servers that are meant, each with its virtual server.
fn find(pools: &Pools, wanted: &Wanted) -> Result<Vec<(VirtualServerName, SocketAddr)>, String> {
    let is_called = |name: &VirtualServerName| status::is_called(&name.to_string(), &wanted.service);
    let services: Vec<_> = pools
        .names()
        .filter(|name| is_called(name))
        .filter_map(|name| Some((name, pools.view(name)?)))
        .collect();
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
        found.extend(of.map(|server| (VirtualServerName::clone(name), *server)));
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
        wanted.by_hand.map_or(Ok(()), weight_in_range)?;
        if wanted.length.is_some_and(|length| length > LONGEST_TIME) {
            return Err("that is too long a time, ten years are the most: leave `--for` out".to_owned());
        }
        let shown = |time| humantime::format_rfc3339_millis(time).to_string();
        let now = SystemTime::now();
        let until = wanted.length.and_then(|length| now.checked_add(length)).map(shown);
        let mut said = Vec::new();
        for (service, server) in &found {
            let of = (service.to_string(), *server);
            let line = match wanted.by_hand {
                Some(what) => {
                    let end = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
                    self.words.all.insert(of, Word { what, since: shown(now), until: until.clone() });
                    format!("is {what}{end}")
                }
                None if self.words.all.remove(&of).is_some() => {
                    "is as the configuration and its checks have it".to_owned()
                }
                None => "is as the configuration and its checks have it, and was before".to_owned(),
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
        let pools = self.balancer.pools();
        let names: BTreeMap<String, VirtualServerName> =
            pools.names().map(|name| (name.to_string(), name.clone())).collect();
        let mut ended = Vec::new();
        for ((service, server), Word { what, .. }) in over {
            tracing::info!("Service {server} of VS {service} was {what} by hand until now");
            ended.extend(names.get(&service).map(|name| (name.clone(), server, None)));
        }
        self.balancer.by_hand(ended.into_iter());
        self.tell_what_happened();
        self.changed = true;
    }

    /// A reload has taken real servers away.
    pub(super) fn forget_words_of_gone(&mut self) {
        self.words.forget_gone(self.balancer.pools());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(last: u8, until: Option<&str>) -> (Of, Word) {
        let server = SocketAddr::from(([10, 0, 0, last], 80));
        let since = "2026-11-28T12:00:00Z".to_owned();
        let word = Word { what: ByHand::Drained, since, until: until.map(str::to_owned) };
        (("[10.0.0.1]:tcp:80".to_owned(), server), word)
    }

    #[test]
    fn what_is_said_is_kept_until_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let config = Path::new("/etc/k.conf");
        let mut words = Words::read(folder.path(), config);
        assert_eq!((words.all.len(), words.next()), (0, None));
        let over = word(3, Some("2026-11-28T12:00:01Z"));
        words.all = BTreeMap::from([word(2, None), over.clone(), word(4, Some("9999-01-01T00:00:00Z"))]);
        assert_eq!(words.keep(), None);
        let mut later = Words::read(folder.path(), config);
        assert_eq!(later.all, words.all);
        assert!(later.next().unwrap() <= Instant::now());
        assert_eq!(later.over(), [over]);
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
        let entry = |what: &str, since: &str| {
            at(&format!(
                r#"[{{"service":"[10.0.0.1]:tcp:80","server":"10.0.0.2:80","what":{what},"since":"{since}","until":null}}]"#
            ))
        };
        let words = "what is said of 10.0.0.2:80 has no time or weight";
        assert!(entry("\"drained\"", "soon").contains(words));
        assert!(entry("{\"weight\":4294967295}", "2026-11-28T12:00:00Z").contains(words));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Words::read(folder.path(), Path::new("/etc/k.conf")).all.is_empty());
        let mut words = Words { path, all: BTreeMap::from([word(2, None)]) };
        std::fs::write(words.path.join("x"), "").unwrap();
        assert!(words.keep().unwrap().starts_with("a restart forgets it"));
        assert!(words.over().is_empty());
    }
}
