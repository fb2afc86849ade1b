//! The layout of a file: titles, and lines below each other.

use std::fmt::{self, Write as _};

/// A text that grows by lines.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// `------< VRRP Topology >------`.
    pub(super) fn title(&mut self, name: &str) {
        self.line(format_args!("------< {name} >------"));
    }

    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = writeln!(self.0, "{line}");
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// `yes`, `no`.
pub(super) fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// `enabled`, `disabled`.
pub(super) fn enabled(is: bool) -> &'static str {
    if is { "enabled" } else { "disabled" }
}

/// `on`, `off`, `unset`.
pub(super) fn setting(said: Option<bool>) -> &'static str {
    match said {
        Some(true) => "on",
        Some(false) => "off",
        None => "unset",
    }
}
