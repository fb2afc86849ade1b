//! `directord config dump`: the configuration as it counts, as keepalived.conf or JSON.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::diagnostic::Format as Rendering;
use crate::config::dump::{self, Show};
use crate::config::io::DiskAndInput;
use crate::config::model::Model;
use crate::config::source::Texts;
use crate::config::{Options, load};
use crate::text::reason;

/// What is dumped, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// What `@ID` lines are compared with.
    pub config_id: String,
    /// The language of the dump.
    pub format: Format,
    /// What is shown.
    pub show: Show,
}

/// The language of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// keepalived.conf.
    Conf,
    /// JSON.
    Json,
}

/// 0: the dump is on standard output. 2: the file has errors, which are on standard error. 1: it cannot be
/// written.
pub fn run(options: &DumpOptions) -> ExitCode {
    let language = Options {
        config_id: options.config_id.clone(),
        check_includes: false,
        random: super::random(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let loaded = load(&options.config, &DiskAndInput::default(), &language);
    let name = options.config.display();
    let Some(model) = &loaded.model else {
        let colour = super::colour();
        eprint!("{}", loaded.render(Rendering::Human, colour));
        eprintln!("{name}: {}: not dumped", loaded.summary());
        return ExitCode::from(2);
    };
    if !reads_the_same(model, options) {
        eprintln!(
            "directord: {name}: the dump would not read as the same configuration: not dumped; this is a fault of directord"
        );
        return ExitCode::FAILURE;
    }
    let text = text(model, options.format, options.show);
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, such as head(1), is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("directord: cannot write the dump: {}", reason(&error));
            ExitCode::FAILURE
        }
    }
}

fn text(model: &Model, format: Format, show: Show) -> String {
    match format {
        Format::Conf => dump::conf(model, show),
        Format::Json => dump::json(model, show),
    }
}

/// Whether the dump, with its secrets, comes to the same model.
fn reads_the_same(model: &Model, options: &DumpOptions) -> bool {
    let whole = text(model, options.format, Show { secrets: true, ..options.show });
    let name = if options.format == Format::Json { "dump.json" } else { "dump.conf" };
    let again = load(Path::new(name), &Texts::one(name, &whole), &Options::default());
    again.model.as_ref() == Some(model)
}
