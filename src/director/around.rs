//! The programs in front of the work and behind it: `startup_script`, `shutdown_script`. Each runs once, and is waited for.

use std::time::Duration;

use crate::config::model::Scripts;
use crate::script::io::{GRACE, Runner};
use crate::script::{Ending, Program};

/// How long one may take when the configuration does not say so, as in keepalived.
const LIMIT: Duration = Duration::from_secs(10);
/// What the rest of a start or a stop may take.
const MARGIN: Duration = Duration::from_secs(30);

/// A program that runs before or after everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    word: &'static str,
    program: Program,
    limit: Duration,
}

impl Around {
    /// `startup_script`.
    pub(super) fn startup(program: Program, settings: &Scripts) -> Self {
        Self { word: "startup_script", program, limit: settings.startup_timeout.unwrap_or(LIMIT) }
    }

    /// `shutdown_script`.
    pub(super) fn shutdown(program: Program, settings: &Scripts) -> Self {
        Self { word: "shutdown_script", program, limit: settings.shutdown_timeout.unwrap_or(LIMIT) }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// How long the service manager is to wait: until it was told to end, and killed.
    pub(super) fn longest(&self) -> Duration {
        self.limit + GRACE + MARGIN
    }

    /// Runs it to its end. However it ends, the work goes on; only `stop` ends it before its time.
    pub(super) async fn run(self, files: Option<(u64, u64)>, stop: impl Future<Output = ()>) -> Went {
        let Self { word, program, limit } = self;
        tracing::info!("{word} runs");
        let mut runner = Runner::new(files);
        runner.start((), program, Some(limit));
        let went = tokio::select! {
            ((), ending) = runner.ended() => {
                match ending {
                    Ending::Exited(0) => tracing::info!("{word} has ended"),
                    Ending::TimedOut => {
                        tracing::warn!("{word} has not ended within {} s, and was killed", limit.as_secs());
                    }
                    ending => tracing::warn!("{word} {ending}; everything goes on as if it had succeeded"),
                }
                Went::On
            }
            () = stop => Went::Stop,
        };
        runner.end(GRACE).await;
        went
    }
}

/// What comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// Everything else.
    On,
    /// Nothing: somebody wants the daemon to stop.
    Stop,
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::config::model::Command;
    use crate::script::io::look;

    /// `sh -c SCRIPT`, with this limit in seconds.
    fn shell(script: &str, limit: u64) -> Around {
        let arguments = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let command = Command { arguments, account: None };
        let program = look(&command, &Scripts::default()).unwrap().program;
        let settings = Scripts { startup_timeout: Some(Duration::from_secs(limit)), ..Scripts::default() };
        Around::startup(program, &settings)
    }

    #[tokio::test]
    async fn it_is_waited_for_and_however_it_ends_the_work_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ran");
        let writes = format!("sleep 0.2; echo ran >{}", file.display());
        assert_eq!(shell(&writes, 10).run(None, pending()).await, Went::On);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "ran\n");
        assert_eq!(shell("exit 3", 10).run(None, pending()).await, Went::On);
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_and_a_stop_does_not_wait_for_it() {
        let begun = std::time::Instant::now();
        assert_eq!(shell("trap '' TERM; sleep 1000", 1).run(None, pending()).await, Went::On);
        assert_eq!(shell("sleep 1000", 1000).run(None, async {}).await, Went::Stop);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
