//! Writes what the machines have to tell.

use std::fmt;

use crate::report::Level;

/// One line at `level`.
pub(super) fn say(level: Level, line: impl fmt::Display) {
    match level {
        Level::Debug => tracing::debug!("{line}"),
        Level::Info => tracing::info!("{line}"),
        Level::Warning => tracing::warn!("{line}"),
        Level::Error => tracing::error!("{line}"),
    }
}
