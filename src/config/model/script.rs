use super::InterfaceName;

/// A command as the file has it: split into words, escapes decoded, nothing looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Command {
    /// Program and arguments; empty for a bare `notify_deleted`.
    pub arguments: Vec<String>,
    /// The account behind the command; `None`: `script_user`.
    pub account: Option<Account>,
}

/// `USER [[:]GROUP]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Name or number of the user.
    pub user: String,
    /// Name or number of the group; `None`: the user's own.
    pub group: Option<String>,
    /// A colon in front of the group: the user's supplementary groups too.
    pub supplementary: bool,
}

/// `*notify_fifo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    /// Where it is.
    pub path: String,
    /// Who owns it.
    pub account: Option<Account>,
}

/// Scripts of one instance or group, by event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify_deleted`; without arguments: the event is told as DELETED, and no script of its own is run.
    pub deleted: Option<Command>,
    /// `notify`: every event, four arguments appended.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`.
    pub lower_priority: Option<Command>,
    /// `notify_priority_changes`.
    pub priority_changes: Option<bool>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
}

/// How much a tracked object counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackWeight {
    /// Change of the priority, -254..=254; 0: a failure is a FAULT.
    pub number: i16,
    /// `reverse`.
    pub reverse: bool,
}

/// One line of a `track_*` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The object, by name.
    pub name: String,
    /// `weight`; `None`: that of the object.
    pub weight: Option<TrackWeight>,
}

/// The `track_*` blocks of an instance or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracking {
    /// `track_interface`.
    pub interfaces: Vec<(InterfaceName, TrackWeight)>,
    /// `track_script`.
    pub scripts: Vec<Tracked>,
    /// `track_file`.
    pub files: Vec<Tracked>,
    /// `track_process`.
    pub processes: Vec<Tracked>,
    /// `track_bfd`.
    pub bfd: Vec<Tracked>,
}
