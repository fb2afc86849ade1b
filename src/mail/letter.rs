//! The text of a mail: one event as keepalived tells it, several in one.

use std::collections::BTreeMap;

use super::alert::{Kind, Occasion};

/// An event that waits for its mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) occasion: Occasion,
    /// When it happened, as mails say it.
    pub(super) stamp: String,
    /// For the age.
    pub(super) since: std::time::Instant,
}

/// A mail, without its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// The body, lines with `\n`.
    pub body: String,
}

/// The mail for `events`, which are in order; `dropped` ones before them are not listed. `late`: it comes so long
/// after them that the time of the mail is not theirs.
pub(super) fn compose(node: &str, events: &[&Waiting], dropped: u64, late: bool) -> Letter {
    let mut body = String::new();
    let subject = match events {
        [one] => {
            body += &one.occasion.body();
            body.push('\n');
            if late {
                body += &format!("\nIt happened at {}.\n", one.stamp);
            }
            format!("[{node}] {}", one.occasion.subject())
        }
        several => {
            for one in several {
                body += &format!("{}  {}\n", one.stamp, one.occasion);
            }
            format!("[{node}] {}", counted(several))
        }
    };
    match dropped {
        0 => {}
        1 => body += "\n1 earlier event is not listed: too many waited, or for too long. The log has it.\n",
        more => {
            body += &format!(
                "\n{more} earlier events are not listed: too many waited, or for too long. The log has them.\n"
            );
        }
    }
    Letter { subject, body }
}

/// `12 events: 2 VRRP instances, 9 real servers, 1 virtual server`.
fn counted(events: &[&Waiting]) -> String {
    let mut kinds: BTreeMap<Kind, std::collections::BTreeSet<_>> = BTreeMap::new();
    for one in events {
        kinds.entry(one.occasion.kind()).or_default().insert(one.occasion.whose());
    }
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, whose)| format!("{} {}", whose.len(), kind.name(whose.len()))).collect();
    format!("{} events: {}", events.len(), kinds.join(", "))
}
