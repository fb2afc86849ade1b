//! What a person watches while a scenario runs (`--show`): narrow, timed lines.

use std::fs::File;
use std::io::Write;

use super::wait::{now, say};

pub struct Show {
    file: File,
    start: f64,
}

impl Show {
    pub fn open() -> Self {
        Self { file: File::create("/results/show").unwrap(), start: now() }
    }

    /// A line with the seconds since the beginning.
    pub fn say(&mut self, text: &str) {
        say(text);
        self.plain(&format!("{:8.2} s  {text}", now() - self.start));
    }

    pub fn plain(&mut self, text: &str) {
        writeln!(self.file, "{text}").unwrap();
    }

    pub fn gap(&mut self) {
        self.plain("");
    }

    /// A line of the summary.
    pub fn row(&mut self, what: &str, value: &str) {
        say(&format!("{what}: {value}"));
        self.plain(&format!("  {what:<48} {value:>12}"));
    }
}
