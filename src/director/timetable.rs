//! `reload_time_file`: a reload at the time that a file names, so that all directors of a service reload at once.
//!
//! The first line is `HH:MM:SS`, `YY-MM-DD HH:MM:SS` or `YYYY-MM-DD HH:MM:SS`, in the time zone of this machine or, with a `Z` behind
//! it, in UTC. A date that is past is none; a time of day that is past is that of tomorrow. The file is removed when its time has come,
//! unless `reload_repeat` wants the same time each day.

use std::fmt;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::inotify::InotifyEvent;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use tokio::io::unix::AsyncFd;

use crate::config::model::RunFiles;
use crate::sys::civil::Civil;
use crate::sys::folders::Folders;
use crate::sys::poll::{self, until};
use crate::text::reason;

use super::files;

/// A folder that is missing is looked for again this often.
const AGAIN: Duration = Duration::from_secs(1);
/// What nothing tells of is noticed after this long: another folder in the place of the one that is watched, and what a link leads to.
const UNTOLD: Duration = Duration::from_secs(5);
/// Who writes a file empties it first: it is read this long after the first that is told of it.
const SETTLED: Duration = Duration::from_millis(200);

/// What the line of a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// Year, month, day.
    date: Option<(i32, i32, i32)>,
    hour: i32,
    minute: i32,
    second: i32,
    utc: bool,
}

impl Entry {
    /// `None`: it is no such line.
    fn parse(line: &str) -> Option<Self> {
        let (text, utc) = line.strip_suffix('Z').map_or((line, false), |text| (text, true));
        let (date, time) = match text.split_once(' ') {
            Some((date, time)) => (Some(parse_date(date)?), time),
            None => (None, text),
        };
        let [hour, minute, second] = numbers(time, ':')?;
        let is_time = hour < 24 && minute < 60 && second < 60;
        let entry = Self { date, hour, minute, second, utc };
        // The 31st of a month of 30 days is none.
        let is_date = date.is_none_or(|(year, month, day)| {
            entry.on(year, month, day).is_some_and(|(_, shown)| (shown.month, shown.day) == (month, day))
        });
        (is_time && is_date).then_some(entry)
    }

    /// Its time on a day: the moment, and what the clock shows then.
    fn on(&self, year: i32, month: i32, day: i32) -> Option<(i64, Civil)> {
        let Self { hour, minute, second, .. } = *self;
        let moment = Civil { year, month, day, hour, minute, second }.moment(self.utc)?;
        Some((moment, Civil::at(moment, self.utc)?))
    }

    /// When it is next; `None`: it is past.
    fn next(&self, now: i64) -> Option<Planned> {
        let coming = |found: Option<(i64, Civil)>| found.filter(|(moment, _)| *moment > now);
        let found = match self.date {
            Some((year, month, day)) => coming(self.on(year, month, day)),
            None => {
                let Civil { year, month, day, .. } = Civil::at(now, self.utc)?;
                coming(self.on(year, month, day)).or_else(|| coming(self.on(year, month, day + 1)))
            }
        };
        found.map(|(moment, shown)| Planned { moment, shown, entry: *self })
    }
}

fn parse_date(text: &str) -> Option<(i32, i32, i32)> {
    let (year, _) = text.split_once('-')?;
    let [mut years, month, day] = match year.len() {
        2 | 4 => numbers(text.get(year.len() - 2..)?, '-')?,
        _ => return None,
    };
    years += match year.get(..2).filter(|_| year.len() == 4) {
        Some(century) => 100 * number(century)?,
        None => 2000,
    };
    Some((years, month, day))
}

/// Three numbers of two digits.
fn numbers(text: &str, between: char) -> Option<[i32; 3]> {
    let mut parts = text.split(between);
    let found = [number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?];
    parts.next().is_none().then_some(found)
}

fn number(text: &str) -> Option<i32> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A reload that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Planned {
    /// Seconds since 1970.
    moment: i64,
    shown: Civil,
    entry: Entry,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.shown;
        let zone = if self.entry.utc { "Z" } else { "" };
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{zone}")
    }
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// There is none, or nothing in it.
    Nothing,
    NoFile,
    Entry(Entry),
    Nonsense(String),
}

/// The clock on the wall: it wakes at a time of day, and when somebody sets it.
#[derive(Debug)]
struct Clock(TimerFd);

impl AsRawFd for Clock {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The file, what it says, and the reload that comes of it.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    file: Option<PathBuf>,
    repeat: bool,
    said: Option<Said>,
    planned: Option<Planned>,
    folders: Option<Folders>,
    clock: Option<AsyncFd<Clock>>,
    again: Option<Instant>,
}

impl Timetable {
    /// After a start or a reload. `true`: the time of one has come.
    #[must_use]
    pub(super) fn configure(&mut self, settings: &RunFiles) -> bool {
        let file = settings.reload_time.as_ref().map(PathBuf::from);
        if file != self.file {
            *self = Self { file, ..Self::default() };
        }
        self.repeat = settings.reload_repeat;
        self.look()
    }

    /// Returns when [`Self::look`] is to be called.
    pub(super) async fn changed(&mut self) {
        loop {
            let written = async {
                let Some(folders) = &self.folders else { return std::future::pending().await };
                let is_ours = |event: &InotifyEvent| match (&event.name, &self.file) {
                    (Some(name), Some(file)) => file.file_name() == Some(name),
                    _ => true,
                };
                while !folders.events().await.iter().any(is_ours) {}
            };
            let due = async {
                let Some(clock) = &self.clock else { return std::future::pending().await };
                // Read or not, it is set anew by the look that follows.
                if clock.readable().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = written => {
                    let settled = Instant::now() + SETTLED;
                    self.again = Some(self.again.map_or(settled, |again| again.min(settled)));
                }
                () = due => return,
                () = until(self.again) => return,
            }
        }
    }

    /// Reads the file, and says when a reload comes of it. `true`: now.
    pub(super) fn look(&mut self) -> bool {
        let Some(file) = self.file.clone() else { return false };
        self.watch(&file);
        let now = now();
        let mut said = read(&file);
        // What was written since counts.
        let still = |planned: &Planned| said == Said::Entry(planned.entry);
        let due = self.planned.take_if(|planned| planned.moment <= now && still(planned));
        if let Some(due) = due {
            tracing::info!("Reload scheduled for {due} in {}", file.display());
            if !(self.repeat && due.entry.date.is_none()) {
                (self.said, said) = (None, Said::Nothing);
                if let Err(error) = files::remove(&file) {
                    tracing::warn!(
                        "cannot remove {}, whose time has come: {}",
                        file.display(),
                        reason(&error)
                    );
                }
            }
        }
        self.plan(&file, said, now);
        self.set_clock();
        due.is_some()
    }

    fn plan(&mut self, file: &Path, said: Said, now: i64) {
        let is_news = self.said.as_ref() != Some(&said);
        let planned = match &said {
            Said::Entry(entry) => entry.next(now),
            Said::Nothing | Said::NoFile | Said::Nonsense(_) => None,
        };
        match (&self.planned, &planned) {
            (None, Some(new)) => tracing::info!("Scheduling reload for {new}"),
            (Some(old), Some(new)) if old != new => {
                tracing::info!("Reload time updated from {old} to {new}");
            }
            (Some(old), None) => tracing::info!("Cancelling reload scheduled for {old}"),
            _ => {}
        }
        match &said {
            Said::Nonsense(found) if is_news => tracing::warn!(
                "no reload comes of {}: its first line is `{found}`; HH:MM:SS, YY-MM-DD HH:MM:SS or YYYY-MM-DD HH:MM:SS is expected, with a Z behind it for UTC",
                file.display()
            ),
            Said::NoFile if is_news => {
                tracing::warn!("no reload comes of {}: it is no file that can be read", file.display());
            }
            Said::Entry(_) if is_news && planned.is_none() => {
                tracing::warn!("no reload comes of {}: its time is past", file.display());
            }
            _ => {}
        }
        (self.said, self.planned) = (Some(said), planned);
    }

    /// What the folder tells, and a folder that is missing is looked for.
    fn watch(&mut self, file: &Path) {
        if self.folders.is_none() {
            self.folders = Folders::new().ok();
        }
        let folder = file.parent().unwrap_or(Path::new("/"));
        let watched = self.folders.as_ref().is_some_and(|folders| folders.watch(folder).is_some());
        self.again = Some(Instant::now() + if watched { UNTOLD } else { AGAIN });
    }

    fn set_clock(&mut self) {
        self.clock = None;
        let Some(planned) = self.planned else { return };
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let set = || -> std::io::Result<AsyncFd<Clock>> {
            let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
            let at = Expiration::OneShot(TimeSpec::new(planned.moment, 0));
            let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
            timer.set(at, absolute)?;
            poll::register(Clock(timer))
        };
        match set() {
            Ok(clock) => self.clock = Some(clock),
            Err(_) => self.again = Some(Instant::now() + AGAIN),
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map_or(0, |now| now.tv_sec())
}

fn read(file: &Path) -> Said {
    let Some(text) = files::peek(file) else {
        return if file.symlink_metadata().is_ok() { Said::NoFile } else { Said::Nothing };
    };
    let line = text.lines().next().unwrap_or_default();
    match Entry::parse(line) {
        Some(entry) => Said::Entry(entry),
        None if text.is_empty() => Said::Nothing,
        None => Said::Nonsense(line.escape_debug().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn moment(year: i32, month: i32, day: i32, hour: i32, utc: bool) -> i64 {
        Civil { year, month, day, hour, minute: 0, second: 0 }.moment(utc).unwrap()
    }

    #[test]
    fn dates_and_times_of_day() {
        let now = moment(2026, 11, 30, 12, true);
        let next = |line: &str| Entry::parse(line).unwrap().next(now).map(|planned| planned.to_string());
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(next("13:00:00Z"), is("2026-11-30 13:00:00Z"));
        assert_eq!(next("11:59:59Z"), is("2026-12-01 11:59:59Z"), "past: that of tomorrow");
        assert_eq!(next("12:00:00Z"), is("2026-12-01 12:00:00Z"));
        assert_eq!(next("26-12-31 23:59:59Z"), is("2026-12-31 23:59:59Z"));
        assert_eq!(next("2030-01-02 03:04:05Z"), is("2030-01-02 03:04:05Z"));
        assert_eq!(next("2026-11-30 12:00:00Z"), None, "past");
        assert_eq!(next("99-01-01 00:00:00Z"), is("2099-01-01 00:00:00Z"));
        let local = Entry::parse("2030-01-02 03:00:00").unwrap().next(now).unwrap();
        assert_eq!(local.moment, moment(2030, 1, 2, 3, false));
        assert_eq!(local.to_string(), "2030-01-02 03:00:00");
    }

    #[test]
    fn what_is_none() {
        let lines = [
            "",
            "soon",
            "1:00:00",
            "24:00:00",
            "12:60:00",
            "12:00",
            "12:00:00z",
            "12:00:00 Z",
            " 12:00:00",
            "2026-02-30 00:00:00",
            "2026-13-01 00:00:00",
            "2026-00-10 00:00:00",
            "226-01-01 00:00:00",
            "2026-01-01  00:00:00",
            "é-01-01 00:00:00",
            "+1:00:00",
            "12:00:00:00",
            "2026-01-01",
        ];
        for line in lines {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
    }

    async fn until_due(timetable: &mut Timetable) {
        let due = async {
            loop {
                timetable.changed().await;
                if timetable.look() {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), due).await.unwrap();
    }

    fn in_a_moment(format: impl Fn(Civil) -> String) -> String {
        format(Civil::at(now() + 2, true).unwrap())
    }

    #[tokio::test]
    async fn a_reload_comes_when_its_time_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later").join("reload");
        let settings =
            RunFiles { reload_time: Some(file.to_str().unwrap().to_owned()), ..RunFiles::default() };
        let mut timetable = Timetable::default();
        assert!(!timetable.configure(&settings));
        assert_eq!(timetable.planned, None);
        // The folder comes after the start, and another file in it is not looked at.
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(file.with_file_name("other"), "12:00:00").unwrap();
        let soon = in_a_moment(|at| {
            let Civil { year, month, day, hour, minute, second } = at;
            format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z\n")
        });
        fs::write(&file, soon).unwrap();
        until_due(&mut timetable).await;
        assert!(!file.exists(), "its time has come");
        assert_eq!(timetable.planned, None);

        // Each day: it stays, and so do those that are to come.
        assert!(!timetable.configure(&RunFiles { reload_repeat: true, ..settings.clone() }));
        fs::write(&file, in_a_moment(|at| format!("{:02}:{:02}:{:02}Z", at.hour, at.minute, at.second)))
            .unwrap();
        until_due(&mut timetable).await;
        assert!(file.exists());
        assert!(timetable.planned.unwrap().moment > now() + 23 * 3600);
        let reads = async |timetable: &mut Timetable, expected: Said| {
            let read = async {
                while timetable.said.as_ref() != Some(&expected) {
                    timetable.changed().await;
                    assert!(!timetable.look());
                }
            };
            tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
        };
        let nonsense = |text: &str| Said::Nonsense(text.to_owned());
        let late = || Said::Entry(Entry::parse("2099-01-01 00:00:00").unwrap());
        fs::write(&file, "tomorrow").unwrap();
        reads(&mut timetable, nonsense("tomorrow")).await;
        assert_eq!(timetable.planned, None);
        // What stands behind the first line is nobody's business.
        fs::write(&file, b"2099-01-01 00:00:00\n# f\xfcr Wartung und noch mehr\n").unwrap();
        reads(&mut timetable, late()).await;
        assert!(timetable.planned.is_some());
        fs::remove_file(&file).unwrap();
        reads(&mut timetable, Said::Nothing).await;
        assert_eq!(timetable.planned, None);
        fs::create_dir(&file).unwrap();
        reads(&mut timetable, Said::NoFile).await;

        // Another folder in its place, which nothing tells of: the one above was moved.
        fs::rename(folder.path().join("later"), folder.path().join("before")).unwrap();
        fs::create_dir(folder.path().join("later")).unwrap();
        fs::write(&file, "2099-01-01 00:00:00").unwrap();
        reads(&mut timetable, late()).await;
        // A link, and what it leads to.
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "soon").unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        reads(&mut timetable, nonsense("soon")).await;
        fs::write(&elsewhere, "2099-01-01 00:00:00").unwrap();
        reads(&mut timetable, late()).await;
    }

    /// Its time comes while it is written anew, and while another reload is put in force.
    #[tokio::test]
    async fn what_is_written_last_counts_and_no_time_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reload");
        let settings =
            RunFiles { reload_time: Some(file.to_str().unwrap().to_owned()), ..RunFiles::default() };
        let mut timetable = Timetable::default();
        fs::write(&file, "2099-01-01 00:00:00Z").unwrap();
        assert!(!timetable.configure(&settings));
        let past = |timetable: &mut Timetable| timetable.planned.as_mut().unwrap().moment = now() - 1;
        past(&mut timetable);
        fs::write(&file, "2099-01-02 00:00:00Z").unwrap();
        assert!(!timetable.look() && file.exists());
        assert_eq!(timetable.planned.unwrap().to_string(), "2099-01-02 00:00:00Z");
        past(&mut timetable);
        assert!(timetable.configure(&settings), "a reload is to follow");
        assert!(!file.exists());
    }
}
