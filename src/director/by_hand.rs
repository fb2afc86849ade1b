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
use crate::pool::{self, ByHand, Pools, View};
use crate::text::reason;

/// Bytes of such a file.
const LONGEST: u64 = 16 << 20;
/// How often it is looked whether a time is over: the clock may be set meanwhile; and tried to write what could not be written.
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

impl Entry {
    /// Itself, when it could have been said.
    fn right(self) -> Result<Self, String> {
        let is_time = |time: &String| humantime::parse_rfc3339(time).is_ok();
        if !is_time(&self.word.since) || !self.word.until.iter().all(is_time) {
            return Err(format!("what is said of {} has no time", self.server));
        }
        weight_in_range(self.word.what)?;
        Ok(self)
    }
}

/// All that is said by hand.
#[derive(Debug)]
pub(super) struct Words {
    path: PathBuf,
    all: BTreeMap<Of, Word>,
    /// The file is not what is said: it is tried then to write it again.
    again: Option<Instant>,
}

impl Words {
    /// What is kept in `directory` of the daemon that runs `config`.
    pub(super) fn read(directory: &Path, config: &Path) -> Self {
        let path = directory.join(format!("{}.servers", files::name_of(config)));
        let (mut all, wrong) = read(&path);
        // The file has gone aside then.
        let again = (wrong.is_some() && !all.is_empty()).then(Instant::now);
        if let Some(why) = wrong {
            // What is to be written next does not take its place.
            let aside = path.with_extension("servers.damaged");
            let kept = match std::fs::rename(&path, &aside) {
                Ok(()) => format!("it is {} now", aside.display()),
                Err(error) => format!("it cannot be put aside: {}", reason(&error)),
            };
            tracing::error!(
                "{} says which real servers were drained, disabled or given a weight by `directord rs`, and cannot be read in full: {why}. Of {} real servers it is known, all others serve as the configuration has them; {kept}",
                path.display(),
                all.len()
            );
        }
        // What ended while nobody looked has ended.
        all.retain(|_, word| word.left() != Some(Duration::ZERO));
        Self { path, all, again }
    }

    /// For the pools: what is said of real servers of `services`.
    pub(super) fn of(&self, services: impl Iterator<Item = VirtualServerName>) -> pool::Words {
        if self.all.is_empty() {
            return pool::Words::new();
        }
        let names = by_form(services);
        let of = |((service, server), word): (&Of, &Word)| {
            let names = names.get(service).into_iter().flatten();
            names.map(|name| ((name.clone(), *server), word.what)).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(of).collect()
    }

    /// For who asks: what is said of a real server of the virtual server that is shown as `service`.
    pub(super) fn shown(&self, service: &str, server: SocketAddr) -> Option<status::ByHand> {
        if self.all.is_empty() {
            return None;
        }
        let Word { what, since, until } = self.all.get(&(service.to_owned(), server))?;
        Some(status::ByHand { what: what.to_string(), since: since.clone(), until: until.clone() })
    }

    /// When it is to be looked next whether a time is over, or whether it can be written.
    pub(super) fn next(&self) -> Option<Instant> {
        let over = self.all.values().filter_map(Word::left).min();
        over.map(|left| Instant::now() + left.min(LOOK)).into_iter().chain(self.again).min()
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

    /// Of which real servers of the pools something is said.
    pub(super) fn known(&self, pools: &Pools) -> BTreeSet<Of> {
        if self.all.is_empty() {
            return BTreeSet::new();
        }
        let of = |(name, view): (&VirtualServerName, View)| {
            let name = name.to_string();
            view.servers.into_keys().map(move |server| (name.clone(), server)).collect::<Vec<_>>()
        };
        pools.views().flat_map(of).filter(|of| self.all.contains_key(of)).collect()
    }

    /// Forgets what is said of real servers that were there `before` a reload, and are not any more. What is said of others
    /// stays: a start may have left them out.
    pub(super) fn forget_gone(&mut self, before: BTreeSet<Of>, pools: &Pools) {
        if before.is_empty() {
            return;
        }
        let there = self.known(pools);
        let mut forgotten = false;
        for of in before.difference(&there) {
            let Some(Word { what, .. }) = self.all.remove(of) else { continue };
            let (service, server) = of;
            tracing::warn!(
                "Service {server} of VS {service} is no longer configured: that it is {what} by hand is forgotten"
            );
            forgotten = true;
        }
        if forgotten {
            self.keep();
        }
    }

    /// Something to say of it, when it is not kept.
    fn keep(&mut self) -> Option<String> {
        let outcome = match self.all.is_empty() {
            true => files::remove(&self.path),
            false => write(&self.path, &self.all),
        };
        let again = outcome.is_err().then(|| Instant::now() + LOOK);
        let before = std::mem::replace(&mut self.again, again);
        let error = outcome.err()?;
        let line = format!(
            "the next start does not know of it: {} cannot be written: {}; tried again each minute",
            self.path.display(),
            reason(&error)
        );
        if before.is_none() {
            tracing::warn!("Real servers by hand: {line}");
        }
        Some(line)
    }
}

/// What is right of it, and what is wrong with it.
fn read(path: &Path) -> (BTreeMap<Of, Word>, Option<String>) {
    let values = || -> Result<Vec<serde_json::Value>, String> {
        let Some(file) = files::open(path).map_err(|error| reason(&error))? else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("it is damaged: {error}"))
    };
    let values = match values() {
        Ok(values) => values,
        Err(why) => return (BTreeMap::new(), Some(why)),
    };
    let (mut all, mut wrong) = (BTreeMap::new(), None);
    for value in values {
        match serde_json::from_value::<Entry>(value).map_err(|error| error.to_string()).and_then(Entry::right)
        {
            Ok(entry) => drop(all.insert((entry.service, entry.server), entry.word)),
            Err(why) => drop(wrong.get_or_insert(format!("it is damaged: {why}"))),
        }
    }
    (all, wrong)
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

/// By their log forms, which marks of both families share.
fn by_form(names: impl Iterator<Item = VirtualServerName>) -> BTreeMap<String, Vec<VirtualServerName>> {
    let mut all: BTreeMap<String, Vec<VirtualServerName>> = BTreeMap::new();
    names.for_each(|name| all.entry(name.to_string()).or_default().push(name));
    all
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
        if wanted.length == Some(Duration::ZERO) {
            return Err("`--for` takes a second or more".to_owned());
        }
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
        if self.words.again.is_some_and(|at| at <= Instant::now()) {
            self.words.keep();
        }
        let over = self.words.over();
        if over.is_empty() {
            return;
        }
        let pools = self.balancer.pools();
        let names = by_form(pools.names().cloned());
        let mut ended = Vec::new();
        for ((service, server), Word { what, .. }) in over {
            for name in names.get(&service).into_iter().flatten() {
                let shown = pools.describe(name, &server).unwrap_or_default();
                tracing::info!("Service {shown} of VS {service} was {what} by hand until now");
                ended.push((name.clone(), server, None));
            }
        }
        self.balancer.by_hand(ended.into_iter());
        self.tell_what_happened();
        self.changed = true;
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
        assert!(words.next().unwrap() <= Instant::now());
        assert_eq!(words.over(), [over]);
        let mut later = Words::read(folder.path(), config);
        assert_eq!(later.all, words.all);
        assert_eq!(Words::read(folder.path(), config).all.len(), 2, "it is written down");
        later.all.clear();
        assert_eq!(later.keep(), None);
        assert!(!folder.path().join("etc-k.conf.servers").exists());
    }

    #[test]
    fn what_cannot_be_read_is_put_aside_and_the_rest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc-k.conf.servers");
        let at = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let (all, wrong) = read(&path);
            (all.len(), wrong.unwrap_or_default())
        };
        assert!(at("{").1.contains("it is damaged"));
        let entry = |what: &str, since: &str| {
            format!(
                r#"{{"service":"[10.0.0.1]:tcp:80","server":"10.0.0.2:80","what":{what},"since":"{since}","until":null}}"#
            )
        };
        let good = entry("\"drained\"", "2026-11-28T12:00:00Z");
        assert_eq!(at(&format!("[{good}]")), (1, String::new()));
        for (bad, words) in [
            (entry("\"drained\"", "soon"), "what is said of 10.0.0.2:80 has no time"),
            (entry("{\"weight\":4294967295}", "2026-11-28T12:00:00Z"), "a weight is at most 2147483647"),
            (entry("\"frozen\"", "2026-11-28T12:00:00Z"), "unknown variant `frozen`"),
        ] {
            let (count, why) = at(&format!("[{bad},{good}]"));
            assert!(count == 1 && why.contains(words), "{why}");
        }
        let words = Words::read(folder.path(), Path::new("/etc/k.conf"));
        assert_eq!(
            (words.all.len(), words.again.is_some()),
            (1, true),
            "what is right of it is written again"
        );
        assert!(!path.exists() && folder.path().join("etc-k.conf.servers.damaged").exists());
        // What is over when it is read is over.
        let over = good.replace("null", "\"2026-11-28T12:00:01Z\"");
        std::fs::write(&path, format!("[{over}]")).unwrap();
        assert!(Words::read(folder.path(), Path::new("/etc/k.conf")).all.is_empty());
    }

    #[test]
    fn marks_of_both_families_are_told() {
        use crate::config::model::{Family, Service};
        let mark = |family| VirtualServerName::Service(Service::Fwmark { mark: 7, family });
        let both = || [mark(Family::Ipv4), mark(Family::Ipv6)].into_iter();
        let (of, word) = word(2, None);
        let all = BTreeMap::from([(("FWM 7".to_owned(), of.1), word)]);
        let words = Words { path: PathBuf::new(), all, again: None };
        let expected: pool::Words = both().map(|name| ((name, of.1), ByHand::Drained)).collect();
        assert_eq!(words.of(both()), expected);
    }

    #[test]
    fn what_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc-k.conf.servers");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "").unwrap();
        let mut words = Words { path, all: BTreeMap::from([word(2, None)]), again: None };
        assert!(words.keep().unwrap().starts_with("the next start does not know of it"));
        // Not at once: the disk is full, and others write, too.
        assert!(words.next().unwrap() > Instant::now() + LOOK / 2);
        std::fs::remove_dir_all(&words.path).unwrap();
        assert_eq!((words.keep(), words.next()), (None, None));
    }
}
