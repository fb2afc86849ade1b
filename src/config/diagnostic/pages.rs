//! A page for every code: what it means, an example, how to mend it. `directord explain D0015` shows it.

mod lints;
mod runs;
mod written;

use std::sync::LazyLock;

use super::Code;

/// What there is to know of one code.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// In a few words.
    pub title: &'static str,
    /// What it means, and what follows from it.
    pub meaning: &'static str,
    /// A configuration that gets it; empty where no text alone does.
    pub wrong: &'static str,
    /// The same, mended; empty where only the surroundings can be.
    pub right: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

impl Code {
    /// Its page.
    pub fn page(self) -> Option<&'static Page> {
        PAGES.iter().find(|page| page.code == self)
    }

    /// The code that is written `D0015`, `d15` or so.
    pub fn named(text: &str) -> Option<Self> {
        let number: u16 = text.strip_prefix(['D', 'd'])?.parse().ok()?;
        PAGES.iter().map(|page| page.code).find(|code| *code as u16 == number)
    }
}

const fn page(
    code: Code,
    title: &'static str,
    meaning: &'static str,
    wrong: &'static str,
    right: &'static str,
    mend: &'static str,
) -> Page {
    Page { code, title, meaning, wrong, right, mend }
}

/// Every page, in the order of the codes.
pub static PAGES: LazyLock<Vec<Page>> =
    LazyLock::new(|| [written::PAGES, runs::PAGES, lints::PAGES].concat());
