use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the outside says about how to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What `@ID` lines are compared with: `-i`, else the name of the node up to its first dot.
    pub config_id: String,
    /// `-e`: an include that finds nothing is an error.
    pub check_includes: bool,
    /// What `${_RANDOM}` starts from.
    pub random: u64,
    /// For `${_ENV NAME}`.
    pub environment: BTreeMap<String, String>,
}
