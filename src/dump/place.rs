//! Where the files are, and who may read them.

use std::path::{Path, PathBuf};

use crate::config::model::Globals;

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `keepalived_parent.data`.
    Parent,
    /// `keepalived.data`.
    Vrrp,
    /// `keepalived_check.data`.
    Checks,
    /// `keepalived_bfd.data`.
    Bfd,
    /// `keepalived.stats`.
    Statistics,
    /// `keepalived.json`.
    Json,
}

impl File {
    /// Its path: `folder` unless the configuration says where it is.
    #[must_use]
    pub fn path(self, folder: &Path, globals: &Globals) -> PathBuf {
        let files = &globals.files;
        let (said, standard, part) = match self {
            Self::Parent => (&files.state_dump, "keepalived.data", "_parent"),
            Self::Vrrp => (&files.state_dump, "keepalived.data", ""),
            Self::Checks => (&files.state_dump, "keepalived.data", "_check"),
            Self::Bfd => (&files.state_dump, "keepalived.data", "_bfd"),
            Self::Statistics => (&files.statistics_dump, "keepalived.stats", ""),
            Self::Json => (&files.json_dump, "keepalived.json", ""),
        };
        let path = match said.as_deref() {
            None => folder.join(standard),
            Some(said) if said.ends_with('/') => folder.join(said).join(standard),
            Some(said) => folder.join(said),
        };
        let names = [globals.host.namespace.as_deref(), globals.process.instance.as_deref()];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        let of_data = !matches!(self, Self::Statistics | Self::Json);
        let of = match files.data_use_instance && of_data && !names.is_empty() {
            true => format!(".{}", names.join("_")),
            false => String::new(),
        };
        with(&path, &format!("{part}{of}"))
    }

    /// The bits of its mode: of the user alone, unless `umask` says otherwise. The JSON file is never for others, as in
    /// keepalived.
    #[must_use]
    pub fn mode(self, globals: &Globals) -> u32 {
        match (self, globals.process.umask) {
            (Self::Json, _) | (_, None) => 0o600,
            (_, Some(mask)) => 0o666 & !u32::from(mask),
        }
    }
}

/// The path with `more` in front of the ending of its name.
fn with(path: &Path, more: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => {
            let (stem, ending) = name.split_at(at);
            format!("{stem}{more}{ending}")
        }
        None => name + more,
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(change: impl Fn(&mut Globals)) -> Vec<String> {
        let mut globals = Globals::default();
        change(&mut globals);
        let all = [File::Parent, File::Vrrp, File::Checks, File::Bfd, File::Statistics, File::Json];
        all.iter().map(|file| file.path(Path::new("/run/d"), &globals).display().to_string()).collect()
    }

    #[test]
    fn files_are_where_the_configuration_says_else_in_the_folder() {
        let standard = paths(|_| {});
        assert_eq!(standard[..2], ["/run/d/keepalived_parent.data", "/run/d/keepalived.data"]);
        assert_eq!(standard[2..4], ["/run/d/keepalived_check.data", "/run/d/keepalived_bfd.data"]);
        assert_eq!(standard[4..], ["/run/d/keepalived.stats", "/run/d/keepalived.json"]);
        let folder = paths(|globals| globals.files.state_dump = Some("/var/d/".to_owned()));
        assert_eq!(folder[0], "/var/d/keepalived_parent.data");
        assert_eq!(folder[4..], standard[4..], "the word is of the data files");
        let file = paths(|globals| globals.files.state_dump = Some("/var/d/ka.txt".to_owned()));
        assert_eq!(file[1..3], ["/var/d/ka.txt", "/var/d/ka_check.txt"]);
        let bare = paths(|globals| globals.files.state_dump = Some("sub/ka".to_owned()));
        assert_eq!(bare[..2], ["/run/d/sub/ka_parent", "/run/d/sub/ka"]);
        let others = paths(|globals| {
            globals.files.statistics_dump = Some("/s/".to_owned());
            globals.files.json_dump = Some("j.json".to_owned());
        });
        assert_eq!(others[4..], ["/s/keepalived.stats", "/run/d/j.json"]);
    }

    #[test]
    fn data_files_have_the_name_of_the_instance_when_that_is_asked_for() {
        let named = |asked| {
            paths(|globals| {
                globals.files.data_use_instance = asked;
                globals.host.namespace = Some("blue".to_owned());
                globals.process.instance = Some("one".to_owned());
            })
        };
        assert_eq!(named(false), paths(|_| {}));
        let named = named(true);
        assert_eq!(named[0], "/run/d/keepalived_parent.blue_one.data");
        assert_eq!(named[1], "/run/d/keepalived.blue_one.data");
        assert_eq!(named[4..], ["/run/d/keepalived.stats", "/run/d/keepalived.json"]);
        let neither = paths(|globals| globals.files.data_use_instance = true);
        assert_eq!(neither, paths(|_| {}));
    }

    #[test]
    fn nobody_else_reads_them_unless_umask_says_so() {
        let mut globals = Globals::default();
        assert_eq!((File::Vrrp.mode(&globals), File::Json.mode(&globals)), (0o600, 0o600));
        globals.process.umask = Some(0o022);
        assert_eq!((File::Vrrp.mode(&globals), File::Json.mode(&globals)), (0o644, 0o600));
    }
}
