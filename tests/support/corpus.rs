//! Real configurations of others, and what keepalived 2.4.3 says of them. They are not part of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One row of `verdicts.tsv`: its fields by the names of the columns.
pub(crate) struct Row(BTreeMap<String, String>);

impl Row {
    /// The field of this column.
    pub(crate) fn get(&self, column: &str) -> &str {
        &self.0[column]
    }

    /// What `@ID` lines are compared with.
    pub(crate) fn config_id(&self) -> String {
        let id = self.get("config_id");
        if id == "-" { "corpus-host".to_owned() } else { id.to_owned() }
    }
}

/// The folder with `verdicts.tsv`: what `DIRECTORD_CORPUS` names, else `../shared/corpus` where `../shared` is. None of both: the
/// test says so and passes.
pub(crate) fn folder() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let named = std::env::var_os("DIRECTORD_CORPUS").map(PathBuf::from);
    let expected = named.or_else(|| shared.is_dir().then(|| shared.join("corpus")));
    match expected {
        Some(folder) => {
            let table = folder.join("verdicts.tsv");
            assert!(table.is_file(), "the corpus is incomplete: there is no {}", table.display());
            Some(folder)
        }
        None => {
            println!("no corpus: DIRECTORD_CORPUS is not set, and there is no ../shared; skipped");
            None
        }
    }
}

/// Every row of the table.
pub(crate) fn rows(folder: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(folder.join("verdicts.tsv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let fields = header.iter().zip(line.split('\t'));
        Row(fields.map(|(column, field)| ((*column).to_owned(), field.to_owned())).collect())
    };
    lines.map(row).collect()
}
