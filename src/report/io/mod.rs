//! Writes what is told.

use std::fmt;

use super::Level;

/// One line to the log.
pub(crate) fn say(level: Level, line: impl fmt::Display) {
    match level {
        Level::Debug => tracing::debug!("{line}"),
        Level::Info => tracing::info!("{line}"),
        Level::Warning => tracing::warn!("{line}"),
        Level::Error => tracing::error!("{line}"),
    }
}
