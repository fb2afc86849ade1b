//! Where log lines go: to stderr, with the journal's `<N>` priorities under systemd; to the system log when
//! there is no terminal and no journal. Lines pass a bounded queue and a thread of their own, so that nobody
//! waits for a stalled disk or a stopped log daemon; lines that find the queue full are counted and dropped.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

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
/// LOG_DAEMON (RFC 5424 §6.2.1).
const FACILITY: u8 = 3;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// stderr; with `<N>` when the journal reads it.
    Stderr,
    /// `/dev/log`.
    SystemLog,
}

/// Begins logging; lines are written until the guard is dropped.
pub fn start(destination: Destination, detail: bool) -> WorkerGuard {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).thread_name("log");
    let (style, (writer, guard)) = match destination {
        Destination::Stderr if journal_reads_stderr() => (Style::Journal, builder.finish(io::stderr())),
        Destination::Stderr => (Style::Plain, builder.finish(io::stderr())),
        Destination::SystemLog => (Style::SystemLog, builder.finish(SystemLog { socket: None })),
    };
    let level = if detail { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let layer = subscriber::layer().event_format(style).with_writer(writer);
    tracing_subscriber::registry().with(level).with(layer).init();
    guard
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
        let level = *event.metadata().level();
        match self {
            Self::Plain => {
                SystemTime.format_time(&mut out)?;
                write!(out, " {level:<5} ")?;
            }
            Self::Journal => write!(out, "<{}>", severity(level))?,
            Self::SystemLog => {
                let priority = FACILITY * 8 + severity(level);
                write!(out, "<{priority}>directord[{}]: ", std::process::id())?;
            }
        }
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
                self.socket = socket.connect("/dev/log").is_ok().then_some(socket);
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
