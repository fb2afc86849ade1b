//! What a daemon that is stopped for a restart leaves for the next one: which instances led, and until when the others
//! bear that nobody says so. And what one that is watched over (`--guard`) writes down all the time, as it may be killed.
//!
//! A file of the runtime directory, for one reader: it is read once and removed. What is damaged, of another
//! configuration file, of another boot of the machine or too old counts as not there. Its times are of the clock that
//! nobody sets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::files;
use crate::config::model::{Authentication, Family, Instance, Model, Version};
use crate::text::reason;
use crate::vrrp::event::State;
use crate::vrrp::instance::{Left, Resume, Snapshot};

const FILE: &str = "resume";
/// That of [`Leading`].
const LEADING: &str = "leading";
/// Bytes of such a file.
const LONGEST: u64 = 4 << 20;
/// What this version writes, and understands.
const FORMAT: u32 = 1;

/// The moment of which a record is, or in which it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// Which boot of the machine.
    boot: String,
    /// Milliseconds since then, with those in which it slept.
    at: u64,
}

impl Moment {
    pub(super) fn now() -> io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let at = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        Ok(Self { boot, at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX) })
    }

    /// The same, or the moment of the same boot that is `at` milliseconds behind it, if that was earlier.
    pub(super) fn or_earlier(self, at: u64) -> Self {
        Self { at: self.at.min(at), ..self }
    }
}

/// What the others know a virtual router by: when it is another one, it does not go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Router {
    name: String,
    interface: Option<String>,
    vrid: u8,
    ipv6: bool,
    version: u8,
    unicast: bool,
    /// `auth_type` is `AH`.
    signed: bool,
}

impl Router {
    fn of(instance: &Instance) -> Self {
        Self {
            name: instance.name.clone(),
            interface: instance.interface.as_ref().map(ToString::to_string),
            vrid: instance.vrid.number(),
            ipv6: instance.family == Family::Ipv6,
            version: match instance.version {
                Version::V2 => 2,
                Version::V3 => 3,
            },
            unicast: instance.unicast().is_some(),
            signed: matches!(instance.authentication, Authentication::Ah(_)),
        }
    }
}

/// One that led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Led {
    router: Router,
    priority: u8,
    sequence: u32,
    announces: bool,
    /// Milliseconds.
    window: u64,
}

impl Led {
    /// One that is stopped for a restart.
    pub(super) fn left(left: &Left) -> Self {
        Self {
            router: Router::of(&left.config),
            priority: left.priority,
            sequence: left.sequence,
            announces: left.announces,
            window: u64::try_from(left.window.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// One that may be killed. `None`: it would not go on.
    pub(super) fn killed(instance: &Instance, priority: u8) -> Option<Self> {
        Some(Self::left(&Left::by_a_kill(instance, priority)?))
    }
}

/// What was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    left: Moment,
    /// The configuration file.
    config: PathBuf,
    led: Vec<Led>,
    /// Tracked scripts that succeeded.
    succeed: BTreeSet<String>,
}

impl Record {
    pub(super) fn new(config: &Path, left: Moment, led: Vec<Led>, succeed: BTreeSet<String>) -> Self {
        Self { format: FORMAT, left, config: config.to_owned(), led, succeed }
    }

    /// Leaves it in `directory`.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        self.write_as(directory, FILE)
    }

    fn write_as(&self, directory: &Path, name: &str) -> io::Result<()> {
        files::make_directory(directory, 0o755)?;
        files::replace(&directory.join(name), &serde_json::to_vec(self)?, 0o600, false)
    }

    /// Takes what was left in `directory` for the daemon that runs `config`. `killed`: when its predecessor was, and
    /// nothing has been taken away since.
    pub(super) fn take(directory: &Path, config: &Path, killed: Option<&Moment>) -> Option<Self> {
        // Both are for nobody else.
        let left = Self::take_from(&directory.join(FILE), config);
        let led = Self::take_from(&directory.join(LEADING), config);
        left.or_else(|| Some(Self { left: killed?.clone(), ..led? }))
    }

    fn take_from(path: &Path, config: &Path) -> Option<Self> {
        let read = read(path);
        // Whatever it is, it is for nobody else.
        let removed =
            files::remove(path).map_err(|error| format!("it cannot be removed: {}", reason(&error)));
        match (read, removed) {
            (Ok(None), _) => None,
            (Ok(Some(record)), Ok(())) if record.format == FORMAT && record.config == config => Some(record),
            (Ok(Some(_)), Ok(())) => {
                let path = path.display();
                tracing::warn!(
                    "{path} was left by another version or with another configuration file: not used"
                );
                None
            }
            (Err(why), _) | (_, Err(why)) => {
                tracing::warn!("{} is not used: {why}; what led starts as always", path.display());
                None
            }
        }
    }

    /// Which of `instances` go on, as of `now`; and a line for the log of each that does not.
    pub(super) fn resumes(
        &self,
        instances: &[Instance],
        now: &Moment,
        instant: Instant,
    ) -> (BTreeMap<String, Resume>, Vec<String>) {
        let (mut resumes, mut lines) = (BTreeMap::new(), Vec::new());
        let age = now.at.checked_sub(self.left.at).filter(|_| now.boot == self.left.boot);
        for led in &self.led {
            let name = &led.router.name;
            let configured = instances.iter().find(|instance| instance.name == *name);
            let left = age.and_then(|age| led.window.checked_sub(age)).filter(|left| *left > 0);
            let until = left.and_then(|left| instant.checked_add(Duration::from_millis(left)));
            let why = match (configured, age, until) {
                (None, ..) => "it is not configured any more".to_owned(),
                (Some(instance), ..) if Router::of(instance) != led.router => {
                    "it is another virtual router now".to_owned()
                }
                (_, None, _) => "the machine was started anew".to_owned(),
                (_, Some(age), None) => format!("the restart took {} ms, {} at most", age, led.window),
                (Some(_), _, Some(until)) => {
                    let Led { priority, sequence, announces, .. } = *led;
                    let resume = Resume { priority, sequence, announces, until };
                    resumes.insert(name.clone(), resume);
                    continue;
                }
            };
            lines.push(format!("({name}) It led before the restart, and does not go on: {why}"));
        }
        (resumes, lines)
    }

    /// Whether this tracked script succeeded.
    pub(super) fn succeeds(&self, script: &str) -> bool {
        self.succeed.contains(script)
    }
}

/// What leads is written down while it does.
#[derive(Debug)]
pub(super) struct Leading {
    directory: PathBuf,
    /// Those that lead, with their priorities.
    lead: Vec<(String, u8)>,
    /// `None`: there is no file.
    written: Option<Record>,
    /// It may be of another configuration.
    renewed: bool,
}

impl Leading {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), lead: Vec::new(), written: None, renewed: false }
    }

    /// Writes what leads of `running` now, unless the file says so already. What cannot be written is tried at the next
    /// change: a process that follows a kill starts as always then.
    pub(super) fn follow(
        &mut self,
        config: &Path,
        running: &Model,
        now: &[Snapshot],
        succeed: BTreeSet<String>,
    ) {
        let lead = now.iter().filter(|one| one.state == State::Master && !one.hands_over);
        let same = lead.clone().map(|one| (one.name.as_str(), one.priority));
        let same = same.eq(self.lead.iter().map(|(name, priority)| (name.as_str(), *priority)));
        let same = same && !std::mem::take(&mut self.renewed);
        if same && self.written.as_ref().is_none_or(|there| there.succeed == succeed) {
            return;
        }
        let instances: BTreeMap<&str, &Instance> =
            running.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
        let led = |one: &Snapshot| Led::killed(instances.get(one.name.as_str())?, one.priority);
        let led: Vec<Led> = lead.clone().filter_map(led).collect();
        self.lead = lead.map(|one| (one.name.clone(), one.priority)).collect();
        if led.is_empty() || running.globals.vrrp.restart_resume == Some(false) {
            return self.remove();
        }
        let Ok(moment) = Moment::now() else { return };
        let record = Record::new(config, moment, led, succeed);
        match record.write_as(&self.directory, LEADING) {
            Ok(()) => self.written = Some(record),
            Err(error) => {
                tracing::debug!("cannot write down what leads: {}", reason(&error));
                self.remove();
            }
        }
    }

    /// Another configuration is in force: [`Self::follow`] writes it all anew.
    pub(super) fn renew(&mut self) {
        (self.lead, self.renewed) = (Vec::new(), true);
    }

    /// Nothing is to go on.
    pub(super) fn remove(&mut self) {
        if self.written.take().is_some() {
            // One that stays is too old, or of others, for whoever finds it.
            let _ = files::remove(&self.directory.join(LEADING));
        }
    }
}

fn read(path: &Path) -> Result<Option<Record>, String> {
    let Some(file) = files::open(path).map_err(|error| reason(&error))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("it is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::model::{InterfaceName, Priority, VirtualAddress, Vrid};
    use crate::vrrp::instance::Machine;

    const CONFIG: &str = "/etc/k.conf";

    fn instance(name: &str, vrid: u16) -> Instance {
        Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(vrid.into()).unwrap())
    }

    fn moment(at: u64) -> Moment {
        Moment { boot: "b".to_owned(), at }
    }

    fn record(at: u64) -> Record {
        let left = ["A", "B"].map(|name| Left {
            config: instance(name, 51),
            priority: 150,
            sequence: 7,
            announces: false,
            window: Duration::from_millis(2_900),
        });
        let led = left.iter().map(Led::left).collect();
        Record::new(Path::new(CONFIG), moment(at), led, ["chk".to_owned()].into())
    }

    #[test]
    fn it_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        let take = |config: &str| Record::take(&directory, Path::new(config), None);
        assert_eq!(take(CONFIG), None);
        let left = Record { left: Moment::now().unwrap(), ..record(0) };
        left.write(&directory).unwrap();
        let mode = std::fs::metadata(directory.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(take(CONFIG).as_ref(), Some(&left));
        assert!(left.succeeds("chk") && !left.succeeds("other"));
        assert_eq!(take(CONFIG), None, "it is for one reader");
        left.write(&directory).unwrap();
        assert_eq!(take("/etc/other.conf"), None);
        assert_eq!(take(CONFIG), None, "nobody finds it later");
    }

    #[test]
    fn what_is_damaged_or_of_others_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let take = || Record::take(folder.path(), Path::new(CONFIG), None);
        let whole = serde_json::to_vec(&record(0)).unwrap();
        let planted = |bytes: &[u8], mode: u32| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let taken = take();
            assert!(!path.exists());
            taken
        };
        assert!(planted(&whole, 0o600).is_some());
        assert_eq!(planted(&whole, 0o666), None, "others may have written it");
        for length in (0..whole.len()).step_by(7) {
            assert_eq!(planted(&whole[..length], 0o600), None, "{length}");
        }
        let other = serde_json::to_vec(&Record { format: 2, ..record(0) }).unwrap();
        assert_eq!(planted(&other, 0o600), None);
        let target = folder.path().join("target");
        std::fs::write(&target, &whole).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(take(), None);
        assert!(target.exists() && !path.exists());
        // Who cannot remove it does not use it: the next one would, too.
        std::fs::create_dir(&path).unwrap();
        assert_eq!(take(), None);
        assert!(record(0).write(folder.path()).is_err(), "and no other one can be left");
    }

    #[test]
    fn only_what_is_the_same_and_in_time_goes_on() {
        let now = Instant::now();
        let judge = |instances: &[Instance], at: u64, of: &str| {
            let moment = Moment { boot: of.to_owned(), ..moment(at) };
            let (resumes, lines) = record(10_000).resumes(instances, &moment, now);
            (resumes.into_keys().collect::<String>(), lines)
        };
        let both = [instance("A", 51), instance("B", 51)];
        assert_eq!(judge(&both, 10_000, "b"), ("AB".to_owned(), Vec::new()));
        assert_eq!(judge(&both, 12_899, "b").0, "AB");
        for (at, of, why) in [
            (12_900, "b", "the restart took 2900 ms, 2900 at most"),
            (9_999, "b", "the machine was started anew"),
            (10_001, "c", "the machine was started anew"),
            (u64::MAX, "b", "2900 at most"),
        ] {
            let (resumes, lines) = judge(&both, at, of);
            assert_eq!((resumes.as_str(), lines.len()), ("", 2));
            assert!(lines[0].contains(why), "{lines:?}");
        }
        let (resumes, lines) = judge(&[instance("A", 52)], 10_000, "b");
        assert_eq!(resumes, "");
        assert!(
            lines[0].contains("another virtual router") && lines[1].contains("not configured"),
            "{lines:?}"
        );
        type Change<'a> = &'a dyn Fn(&mut Instance);
        let changes: [(bool, Change<'_>); 5] = [
            (false, &|one| one.interface = InterfaceName::new("eth1").ok()),
            (false, &|one| one.version = Version::V3),
            (false, &|one| one.family = Family::Ipv6),
            (true, &|one| one.priority = Priority::new(99).unwrap()),
            (true, &|one| one.addresses.clear()),
        ];
        for (number, (goes_on, change)) in changes.into_iter().enumerate() {
            let mut other = instance("A", 51);
            change(&mut other);
            assert_eq!(judge(&[other], 10_000, "b").0 == "A", goes_on, "{number}");
        }
        let (resumes, _) = record(10_000).resumes(&both, &moment(11_000), now);
        let until = now + Duration::from_millis(1_900);
        assert_eq!(resumes["A"], Resume { priority: 150, sequence: 7, announces: false, until });
    }

    /// Only who follows the killed process at once goes on, from the moment in which it was.
    #[test]
    fn what_leads_is_written_down_for_the_case_of_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model { instances: vec![instance("A", 51)], ..Model::default() };
        model.instances[0].addresses.push(VirtualAddress::new([10, 0, 0, 1].into(), 32));
        let mut leading = Leading::new(folder.path());
        let mut follow = |state: State, priority: u8| {
            let machine = Machine::new(model.instances[0].clone());
            let one = Snapshot { state, priority, ..machine.snapshot() };
            leading.follow(Path::new(CONFIG), &model, &[one], ["chk".to_owned()].into());
        };
        let (path, killed) = (folder.path().join(LEADING), Moment::now().unwrap());
        let take = |killed: Option<&Moment>| Record::take(folder.path(), Path::new(CONFIG), killed);
        follow(State::Master, 100);
        follow(State::Master, 120);
        let record = take(Some(&killed)).unwrap();
        assert!(!path.exists(), "it is for one reader");
        assert_eq!((record.led[0].priority, record.led[0].window, &record.left), (120, 1_900, &killed));
        assert!(record.led[0].announces && record.succeeds("chk"));
        follow(State::Master, 100);
        assert_eq!((take(None), path.exists()), (None, false), "nobody knows since when nobody sends");
        follow(State::Master, 120);
        follow(State::Backup, 120);
        assert!(!path.exists());
        // It was stopped for a restart, as well.
        follow(State::Master, 100);
        record.write(folder.path()).unwrap();
        assert_eq!(take(Some(&Moment { at: 1, ..killed.clone() })), Some(record));
        assert_eq!((take(Some(&killed)), path.exists()), (None, false));
        // Nothing shows that these led, or its signature would not be taken.
        let plain = model.instances[0].clone();
        let signed = Instance { authentication: Authentication::Ah(*b"1111\0\0\0\0"), ..plain.clone() };
        let short = Instance { down_timer_adverts: 1, ..plain.clone() };
        let goes_on = |one: &Instance| Led::killed(one, 100).is_some();
        assert_eq!(
            [plain, signed, short, instance("A", 51)].map(|one| goes_on(&one)),
            [true, false, false, false]
        );
    }
}
