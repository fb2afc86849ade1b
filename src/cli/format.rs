//! `directord config fmt`: files in their canonical layout.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::diagnostic::Format;
use crate::config::format::format;
use crate::config::io::Disk;
use crate::config::is_json;
use crate::config::source::{Files as _, MAX_FILE, ReadError};
use crate::text::reason;

/// Where the result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nowhere: files that would change are named on standard output.
    Check,
    /// Into the file.
    File,
    /// To standard output.
    Print,
}

/// 0: done. 1: with [`Output::Check`], a file would change. 2: a file cannot be read, understood or written; it
/// is left as it is, and the others are done.
pub fn run(files: &[PathBuf], output: Output) -> ExitCode {
    let (mut changed, mut failed) = (false, false);
    for path in files {
        match one(path, output) {
            Ok(change) => changed |= change,
            Err(why) => {
                failed = true;
                eprintln!("{why}");
            }
        }
    }
    match (failed, changed && output == Output::Check) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// Whether the layout of the file is another than the canonical one; or what to print.
fn one(path: &Path, output: Output) -> Result<bool, String> {
    let input = path == Path::new("-");
    let name = if input { "standard input".into() } else { path.display().to_string() };
    if is_json(path) {
        return Err(format!(
            "directord: {name} is JSON, and left as it is: `directord config dump --format json --secrets -f {name}` writes it anew"
        ));
    }
    let bytes = if input { standard_input() } else { Disk.read(path) };
    let bytes = bytes.map_err(|error| format!("directord: cannot read {name}: {}", error))?;
    let before = bytes.clone();
    let after = format(&name, bytes).map_err(|refused| {
        let colour = super::colour();
        let text = refused.render(Format::Human, colour);
        format!("{text}{name}: left as it is: {}", refused.summary())
    })?;
    let changed = before != after.as_bytes();
    match output {
        Output::Check if changed => println!("{name}"),
        Output::File if !input && changed => {
            replace(path, after.as_bytes())
                .map_err(|error| format!("directord: cannot write {name}: {}", reason(&error)))?;
        }
        Output::Print | Output::File if input || output == Output::Print => {
            // A reader that has seen enough, such as head(1), is no failure.
            let _ = io::stdout().lock().write_all(after.as_bytes());
        }
        _ => {}
    }
    Ok(changed)
}

fn standard_input() -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| ReadError::System(error.to_string()))?;
    if bytes.len() > MAX_FILE { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

/// Puts a new file in the place of `path`, or of what it links to: a reader sees the old one or the new one, also
/// after a power cut. Mode and owner stay.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let old = fs::metadata(&path)?;
    let mut prefix = OsStr::new(".").to_owned();
    prefix.push(path.file_name().unwrap_or_default());
    let mut new = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)?;
    new.write_all(bytes)?;
    let file = new.as_file();
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    // After the owner: a change of owner takes set-id bits away.
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
    file.sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
