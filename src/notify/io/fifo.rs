//! One FIFO that lines are written to: made when it is not there, and believed only when it is ours or its user's.
//!
//! A reader that stands still costs nothing: when the pipe is full, of each subject the last state waits here, and what
//! came before it is lost and counted.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use crate::notify::Subject;
use crate::script::{Identity, Program};
use crate::text::reason;

/// A FIFO of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FifoSetup {
    /// Where it is.
    pub path: String,
    /// Who owns it when it is made, and may own it when it is there.
    pub owner: Identity,
    /// What is run to read it.
    pub reader: Option<Program>,
    /// It hears of instances and groups.
    pub vrrp: bool,
    /// It hears of virtual and real servers.
    pub servers: bool,
}

impl FifoSetup {
    /// Whether it hears of this one.
    pub(super) fn hears(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Instance(_) | Subject::Group(_) => self.vrrp,
            Subject::Service(_) | Subject::Server { .. } => self.servers,
        }
    }
}

/// An open FIFO.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) setup: FifoSetup,
    file: Option<File>,
    made: bool,
    /// Of each subject the last state, which found the pipe full.
    waiting: BTreeMap<Subject, String>,
    lost: u64,
}

impl Fifo {
    /// Makes and opens it; what is wrong is told in the log, and nothing is written then.
    pub(super) fn open(setup: FifoSetup) -> Self {
        let made = make(&setup);
        let file = made.as_ref().map_err(ToString::to_string).and_then(|_| open(&setup));
        if let Err(why) = &file {
            tracing::error!("nothing is written to the FIFO {}: {why}", setup.path);
        }
        let made = made.unwrap_or(false);
        Self { setup, file: file.ok(), made, waiting: BTreeMap::new(), lost: 0 }
    }

    /// Whether the file under its name is still the one that is open.
    pub(super) fn is_there(&self) -> bool {
        let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let open = self.file.as_ref().and_then(|file| file.metadata().ok()).map(id);
        open.is_some() && open == fs::symlink_metadata(&self.setup.path).ok().map(id)
    }

    /// Writes a line. `state`: it replaces what waits of this subject.
    pub(super) fn write(&mut self, subject: &Subject, line: &str, state: bool) {
        self.flush();
        if self.waiting.is_empty() && self.put(line) {
            return;
        }
        if self.file.is_none() {
            return;
        }
        if self.lost == 0 && self.waiting.is_empty() {
            tracing::warn!(
                "nobody reads the FIFO {}, and it is full: the last state of each one waits until it is read",
                self.setup.path
            );
        }
        if state {
            self.lost += u64::from(self.waiting.insert(subject.clone(), line.to_owned()).is_some());
        } else {
            self.lost += 1;
        }
    }

    /// Whether something waits for room.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what waits, as far as there is room.
    pub(super) fn flush(&mut self) {
        while let Some((subject, line)) = self.waiting.pop_first() {
            if !self.put(&line) {
                self.waiting.insert(subject, line);
                return;
            }
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            tracing::warn!(
                "the FIFO {} is read again; {lost} lines before the last states are lost",
                self.setup.path
            );
        }
    }

    /// False: it is full, or not open.
    fn put(&mut self, line: &str) -> bool {
        // A line is shorter than what a pipe takes as a whole.
        match self.file.as_mut().map(|file| file.write(line.as_bytes())) {
            Some(Ok(_)) => true,
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => false,
            Some(Err(error)) => {
                tracing::error!("cannot write to the FIFO {}: {}", self.setup.path, reason(&error));
                self.file = None;
                false
            }
            None => false,
        }
    }

    /// Takes it away when it is ours, and closes it: a reader has read all when it sees the end.
    pub(super) fn close(self) {
        if self.made && self.is_there() {
            let _ = fs::remove_file(&self.setup.path);
        }
    }
}

/// True: it was not there before.
fn make(setup: &FifoSetup) -> io::Result<bool> {
    match mkfifo(Path::new(&setup.path), Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => {}
        Err(nix::errno::Errno::EEXIST) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    if geteuid().is_root() {
        chown(&setup.path, Some(setup.owner.uid), Some(setup.owner.gid))?;
    }
    Ok(true)
}

fn open(setup: &FifoSetup) -> Result<File, String> {
    // For reading too: without a reader nothing fails, and the last reader that goes ends nothing.
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(&setup.path).map_err(|error| reason(&error))?;
    let metadata = file.metadata().map_err(|error| reason(&error))?;
    if !metadata.file_type().is_fifo() {
        return Err("it is no FIFO; remove it, and reload".to_owned());
    }
    let owner = metadata.uid();
    if owner != geteuid().as_raw() && owner != setup.owner.uid {
        let (own, user) = (geteuid(), setup.owner.uid);
        return Err(format!(
            "it belongs to user {owner}, and may belong to user {own} or {user} only; `chown {user} {}`, and reload",
            setup.path
        ));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn setup(path: &Path) -> FifoSetup {
        let (uid, gid) = (geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let owner = Identity { uid, gid, groups: Vec::new() };
        FifoSetup { path: path.to_str().unwrap().to_owned(), owner, reader: None, vrrp: true, servers: true }
    }

    fn reader(path: &Path) -> File {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
    }

    fn subject(name: &str) -> Subject {
        Subject::Instance(name.to_owned())
    }

    fn read(file: &mut File) -> String {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = file.read(&mut buffer) {
            text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        text
    }

    #[test]
    fn a_reader_that_stands_still_costs_nothing_and_sees_the_last_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let mut fifo = Fifo::open(setup(&path));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for round in 0..100_000 {
            fifo.write(&subject("A"), &format!("A {round}\n"), true);
            fifo.write(&subject("B"), &format!("B {round}\n"), true);
        }
        assert!(fifo.is_behind() && fifo.waiting.len() == 2);
        let mut reader = reader(&path);
        assert!(read(&mut reader).starts_with("A 0\nB 0\nA 1\n"));
        fifo.flush();
        assert_eq!(read(&mut reader), "A 99999\nB 99999\n");
        assert!(!fifo.is_behind());
        fifo.write(&subject("A"), "on\n", true);
        assert_eq!(read(&mut reader), "on\n");
        fifo.close();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_fifo_of_ours_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "mine").unwrap();
        let mut fifo = Fifo::open(setup(&path));
        fifo.write(&subject("A"), "line\n", true);
        assert!(!fifo.is_behind());
        fifo.close();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        // One that was there stays.
        let path = folder.path().join("theirs");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Fifo::open(setup(&link)).file.is_none(), "a link is not followed");
        let fifo = Fifo::open(setup(&path));
        assert!(fifo.is_there());
        fifo.close();
        assert!(path.exists());
    }
}
