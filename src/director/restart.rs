//! Whether a stop is the first half of a restart, and whether there will be a second half.
//!
//! Only the service manager knows the first: it is asked which job it has for our unit. For the second the program that
//! will be started, which may be another one by now, is asked whether it would start with the files as they are.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::text::reason;

/// The service manager answers within this time, or the stop is one as any other. Adverts leave meanwhile.
const ANSWER: Duration = Duration::from_secs(3);
/// Pause before it is asked once more.
const AGAIN: Duration = Duration::from_millis(50);
/// Bytes of what it says that are read: a line for each job, and why there is no answer.
const JOBS: u64 = 64 << 10;
const REASON: u64 = 4 << 10;
/// The next program says within this time whether it would start, and the files are read.
pub(super) const READ: Duration = Duration::from_secs(10);

/// The service manager stops us in order to start us.
pub(super) async fn is_under_way() -> bool {
    let of_systemd = std::env::var_os("INVOCATION_ID").is_some() && Path::new("/run/systemd/system").is_dir();
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(unit) = unit(&groups).filter(|_| of_systemd) else { return false };
    let why = match timeout(ANSWER, jobs(unit)).await {
        Ok(Ok(jobs)) => return restarts(&jobs, unit),
        Ok(Err(why)) => why,
        Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
    };
    tracing::warn!(
        "`systemctl list-jobs` does not say whether this is a restart, so it counts as none: {why}"
    );
    false
}

/// What `systemctl` says of the jobs of `unit`.
async fn jobs(unit: &str) -> Result<String, String> {
    loop {
        let mut ask = Command::new("systemctl");
        ask.args(["--no-legend", "--no-pager", "--full", "list-jobs", "--", unit]);
        ask.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut asked = ask.spawn().map_err(|error| reason(&error))?;
        let (jobs, why) = (text(asked.stdout.take(), JOBS), text(asked.stderr.take(), REASON));
        let (jobs, why) = tokio::join!(jobs, why);
        // Who says more than that ends for lack of a reader.
        let status = asked.wait().await.map_err(|error| reason(&error))?;
        if status.success() {
            return Ok(jobs);
        }
        if status.signal().is_none_or(|signal| signal == Signal::SIGPIPE as i32) {
            return Err(why.trim().replace('\n', "; "));
        }
        // The service manager ends all of our control group, one after the other, and this one was in it already.
        sleep(AGAIN).await;
    }
}

async fn text(from: Option<impl AsyncRead + Unpin>, most: u64) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // What came before it broke is judged.
        let _ = from.take(most).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The program that will be started would run something; called as this one was. Why not, otherwise.
pub(super) async fn would_start() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut ask = Command::new(replaced(&program));
    ask.args(std::env::args_os().skip(1)).arg("--as-start");
    ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match timeout(READ, ask.status()).await {
        Ok(Ok(status)) if matches!(status.code(), Some(0 | 1)) => Ok(()),
        Ok(Ok(_)) => Err("`directord --as-start` says that it would not".to_owned()),
        Ok(Err(error)) => Err(format!("{}: {error}", program.display())),
        Err(_) => Err(format!("it has not said so within {} s", READ.as_secs())),
    }
}

/// What is in the place of a program that was replaced.
fn replaced(program: &Path) -> PathBuf {
    let name = program.to_string_lossy();
    name.strip_suffix(" (deleted)").map_or_else(|| program.to_owned(), PathBuf::from)
}

/// Our unit, from `/proc/self/cgroup`.
fn unit(groups: &str) -> Option<&str> {
    let of_line = |line: &'_ str| -> Option<(usize, usize)> {
        let (hierarchy, path) = line.split_once(':')?.1.split_once(':')?;
        (hierarchy.is_empty() || hierarchy == "name=systemd").then(|| (line.len() - path.len(), line.len()))
    };
    let path = groups.lines().find_map(|line| of_line(line).and_then(|(from, to)| line.get(from..to)))?;
    path.rsplit('/').find(|part| part.ends_with(".service"))
}

/// Whether one of these jobs (`NUMBER UNIT TYPE STATE`) restarts `unit`.
fn restarts(jobs: &str, unit: &str) -> bool {
    jobs.lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != unit);
        (words.next(), words.next()) == (Some(unit), Some("restart"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_that_of_the_control_group() {
        let of = |text: &'static str| unit(text);
        assert_eq!(of("0::/system.slice/directord.service\n"), Some("directord.service"));
        assert_eq!(of("0::/system.slice/directord@a.service/part\n"), Some("directord@a.service"));
        let old = "4:memory:/x.service\n1:name=systemd:/system.slice/directord.service\n";
        assert_eq!(of(old), Some("directord.service"));
        assert_eq!(of("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of(""), None);
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn a_restart_is_told_from_a_stop() {
        let is = |jobs: &str| restarts(jobs, "directord.service");
        assert!(is("1234 directord.service restart running\n"));
        assert!(is("  12 other.service    stop    waiting\n1234 directord.service restart waiting\n"));
        assert!(!is("1234 directord.service stop running\n"));
        assert!(!is("1234 directord.service start running\n"));
        assert!(!is("1234 other.service restart running\n"));
        assert!(!is(""));
        assert!(!is("No jobs listed.\n"));
    }

    #[test]
    fn the_program_is_the_one_in_its_place() {
        assert_eq!(replaced(Path::new("/usr/sbin/directord (deleted)")), Path::new("/usr/sbin/directord"));
        assert_eq!(replaced(Path::new("/usr/sbin/directord")), Path::new("/usr/sbin/directord"));
    }
}
