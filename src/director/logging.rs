//! Where log lines go: to stderr, with the journal's `<N>` priorities under systemd; to the system log when
//! there is no terminal and no journal. Lines pass a bounded queue and a thread of their own, so that nobody
//! waits for a stalled disk or a stopped log daemon; lines that find the queue full are counted and dropped.
//! A panic passes no queue: its line is written before the process ends.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{self as subscriber, FmtContext};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that may wait.
const QUEUE: usize = 4096;
/// The log daemon.
const SOCKET: &str = "/dev/log";
/// A log daemon that does not read is given up after this long, when a line must be written at once.
const PATIENCE: Duration = Duration::from_secs(1);
/// When there is something else to do, after this.
const GLANCE: Duration = Duration::from_millis(100);
/// LOG_DAEMON (RFC 5424 §6.2.1).
const FACILITY: u8 = 3;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// stderr; with `<N>` when the journal reads it.
    Stderr,
    /// `/dev/log`.
    SystemLog,
}

/// What waits in the queue; taken out, its lines are written.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Lines are written until it is dropped.
#[derive(Debug)]
pub(crate) struct Log(());

impl Drop for Log {
    fn drop(&mut self) {
        flush();
    }
}

/// Begins logging, of panics too.
pub(crate) fn start(destination: Destination, detail: bool) -> Log {
    let style = Style::of(destination);
    let (writer, guard) = match style {
        Style::Journal | Style::Plain => queue().finish(in_bursts(io::stderr())),
        Style::SystemLog => queue().finish(SystemLog { socket: None }),
    };
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    let level = if detail { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let layer = subscriber::layer().event_format(style).with_writer(writer);
    tracing_subscriber::registry().with(level).with(layer).init();
    tell_of_panics(style, Path::new(SOCKET));
    Log(())
}

fn queue() -> NonBlockingBuilder {
    NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).thread_name("log")
}

/// The queue flushes when it is empty: a burst of a thousand lines takes a few writes, and a single line does not wait.
fn in_bursts<W: Write>(writer: W) -> BufWriter<W> {
    BufWriter::new(writer)
}

fn flush() {
    // Whoever holds it flushes.
    if let Ok(mut writer) = WRITER.try_lock() {
        drop(writer.take());
    }
}

/// The process ends with the panic: what waits is written first, then the panic, by the thread that panics.
fn tell_of_panics(style: Style, socket: &'static Path) {
    std::panic::set_hook(Box::new(move |panic| {
        flush();
        let line = style.line(Level::ERROR, &describe(panic));
        match style {
            Style::Journal | Style::Plain => drop(io::stderr().write_all(line.as_bytes())),
            Style::SystemLog => {
                send_at_once(socket, line.trim_end().as_bytes(), PATIENCE);
            }
        }
    }));
}

/// Writes a line at once, for a process without a thread that writes and with other things to do. False: nobody reads.
pub(crate) fn say(destination: Destination, level: Level, words: &str) -> bool {
    let style = Style::of(destination);
    let line = style.line(level, &words.replace('\n', " "));
    match style {
        Style::Journal | Style::Plain => {
            let stderr = io::stderr();
            let mut sources = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
            let timeout = PollTimeout::try_from(GLANCE).unwrap_or(PollTimeout::ZERO);
            // A pipe that has room takes a line as a whole.
            let reads = poll(&mut sources, timeout).is_ok_and(|ready| ready > 0);
            reads && stderr.lock().write_all(line.as_bytes()).is_ok()
        }
        Style::SystemLog => send_at_once(Path::new(SOCKET), line.trim_end().as_bytes(), GLANCE),
    }
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    let words = words.replace('\n', " ");
    format!("directord ends: panic in the thread {thread} at {place}: {words}; this is a fault of directord")
}

/// Waits for a log daemon that is busy, not for one that does not read: false.
fn send_at_once(socket: &Path, line: &[u8], patience: Duration) -> bool {
    let Ok(sender) = UnixDatagram::unbound() else { return false };
    if sender.set_nonblocking(true).is_err() {
        return false;
    }
    let until = Instant::now() + patience;
    loop {
        match sender.send_to(line, socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            sent => return sent.is_ok(),
        }
    }
}

fn journal_reads_stderr() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

#[derive(Debug, Clone, Copy)]
enum Style {
    Plain,
    Journal,
    SystemLog,
}

impl Style {
    fn of(destination: Destination) -> Self {
        match destination {
            Destination::Stderr if journal_reads_stderr() => Self::Journal,
            Destination::Stderr => Self::Plain,
            Destination::SystemLog => Self::SystemLog,
        }
    }

    /// What stands in front of the words.
    fn head(self, level: Level, out: &mut Writer<'_>) -> fmt::Result {
        match self {
            Self::Plain => {
                SystemTime.format_time(out)?;
                write!(out, " {level:<5} ")
            }
            Self::Journal => write!(out, "<{}>", severity(level)),
            Self::SystemLog => {
                let priority = FACILITY * 8 + severity(level);
                write!(out, "<{priority}>directord[{}]: ", std::process::id())
            }
        }
    }

    /// A whole line.
    fn line(self, level: Level, words: &str) -> String {
        let mut line = String::new();
        // A string takes everything.
        let _ = self.head(level, &mut Writer::new(&mut line));
        line + words + "\n"
    }
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        self.head(*event.metadata().level(), &mut out)?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// RFC 5424 §6.2.1.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Sends each line as a datagram; a log daemon that restarts is found again.
struct SystemLog {
    socket: Option<UnixDatagram>,
}

impl Write for SystemLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        for _attempt in 0..2 {
            if self.socket.is_none() {
                let socket = UnixDatagram::unbound()?;
                self.socket = socket.connect(SOCKET).is_ok().then_some(socket);
            }
            if self.socket.as_ref().is_some_and(|socket| socket.send(text).is_ok()) {
                break;
            }
            self.socket = None;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Names the socket, for the test below in a process of its own.
    const CHILD: &str = "DIRECTORD_TEST_LOG_SOCKET";

    #[test]
    fn a_panic_is_in_the_system_log_before_the_process_ends() {
        if let Some(path) = std::env::var_os(CHILD) {
            tell_of_panics(Style::SystemLog, Path::new(Box::leak(path.into_boxed_os_str())));
            let thread = std::thread::Builder::new().name("vrrp".into());
            let _ = thread.spawn(|| panic!("one\nand two")).unwrap().join();
            // As with panic=abort: nothing is written any more.
            std::process::abort();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let name = "director::logging::tests::a_panic_is_in_the_system_log_before_the_process_ends";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(CHILD, &path).output().unwrap();
        assert!(!output.status.success());
        let mut buffer = [0; 1024];
        let length = daemon.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(line.starts_with("<27>directord["), "{line}");
        assert!(line.contains("panic in the thread vrrp at src/director/logging.rs:"), "{line}");
        assert!(line.contains("one and two"), "{line}");
    }

    /// Remembers each write.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_burst_of_lines_takes_few_writes_and_splits_none() {
        const LINES: usize = 1000;
        let writes = Writes::default();
        // The thread that writes waits until the burst is whole.
        let held = writes.0.lock().unwrap();
        let (mut writer, guard) = queue().finish(in_bursts(writes.clone()));
        for number in 0..LINES {
            // As a layer writes: each line as a whole.
            let line = format!("line {number} of a reload with a warning for each real server\n");
            writer.write_all(line.as_bytes()).unwrap();
        }
        drop(held);
        drop(guard);
        let writes = writes.0.lock().unwrap();
        assert_eq!(writes.iter().map(|text| text.lines().count()).sum::<usize>(), LINES);
        assert!(writes.iter().all(|text| text.ends_with('\n')));
        assert!(writes.len() < LINES / 50, "{} writes", writes.len());
    }

    #[test]
    fn a_log_daemon_that_does_not_read_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _daemon = UnixDatagram::bind(&path).unwrap();
        let begun = Instant::now();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"full", &path).is_ok() {}
        assert!(!send_at_once(&path, b"the panic", PATIENCE));
        assert!(!send_at_once(&folder.path().join("none"), b"the panic", PATIENCE));
        assert!(begun.elapsed() < PATIENCE * 5);
    }
}
