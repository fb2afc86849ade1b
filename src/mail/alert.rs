//! What is worth a mail, and its words.
//!
//! In: what happened, and the `smtp_alert` of each level. Out: whether it is told, a subject and a body as keepalived
//! has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::config::model::{Globals, Instance, Mail, RealServer, SyncGroup, VirtualServer};
use crate::notify::State;

/// Whose `smtp_alert` counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// An instance, by its name.
    Instance(String),
    /// A sync group, by its name.
    Group(String),
    /// A virtual server, by its log form.
    Service(String),
    /// A real server of a virtual server, by their log forms.
    Server {
        /// The virtual server.
        service: String,
        /// The real server.
        server: String,
    },
}

/// Why a real server or one of its checks is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Cause {
    /// A check passes or fails.
    Check {
        /// The word of its block, and the name behind it.
        check: Cow<'static, str>,
        /// The BFD session that it follows.
        session: Option<String>,
        /// The real server as a whole came up or went down with it.
        decides: bool,
    },
    /// A reload took it away.
    Removed,
    /// The daemon stops, and its virtual server has `omega`.
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// An instance entered a state.
    Instance {
        /// Its name.
        name: String,
        /// Which one.
        state: State,
    },
    /// A sync group entered a state.
    Group {
        /// Its name.
        name: String,
        /// Which one.
        state: State,
    },
    /// A real server, or one of its checks.
    Server {
        /// The virtual server.
        service: String,
        /// The real server.
        server: String,
        /// It is up, or the check passes.
        up: bool,
        /// Why.
        cause: Cause,
    },
    /// A virtual server has its quorum, or not.
    Quorum {
        /// The virtual server.
        service: String,
        /// It has it.
        up: bool,
        /// `Gained quorum 1+0=1 <= 2`.
        how: String,
    },
}

/// What an occasion is of; for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Instances.
    Instance,
    /// Sync groups.
    Group,
    /// Virtual servers.
    Service,
    /// Real servers.
    Server,
}

impl Kind {
    /// For `count` of them.
    pub fn name(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::Instance, 1) => "VRRP instance",
            (Self::Instance, _) => "VRRP instances",
            (Self::Group, 1) => "sync group",
            (Self::Group, _) => "sync groups",
            (Self::Service, 1) => "virtual server",
            (Self::Service, _) => "virtual servers",
            (Self::Server, 1) => "real server",
            (Self::Server, _) => "real servers",
        }
    }
}

impl Occasion {
    /// What it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Instance { .. } => Kind::Instance,
            Self::Group { .. } => Kind::Group,
            Self::Server { .. } => Kind::Server,
            Self::Quorum { .. } => Kind::Service,
        }
    }

    /// Whose `smtp_alert` counts; of one object it is always the same.
    pub fn whose(&self) -> Whose {
        match self {
            Self::Instance { name, .. } => Whose::Instance(name.clone()),
            Self::Group { name, .. } => Whose::Group(name.clone()),
            Self::Server { service, server, .. } => {
                Whose::Server { service: service.clone(), server: server.clone() }
            }
            Self::Quorum { service, .. } => Whose::Service(service.clone()),
        }
    }

    /// The subject, without the name of the node.
    pub fn subject(&self) -> String {
        match self {
            Self::Instance { name, state } => format!("VRRP Instance {name} - {}", enters(*state)),
            Self::Group { name, state } => format!("VRRP Group {name} - {}", enters(*state)),
            Self::Server { service, server, up, .. } => {
                format!("Realserver {server} of virtual server {service} - {}", up_or_down(*up))
            }
            Self::Quorum { service, up, .. } => format!("Virtualserver {service} - {}", up_or_down(*up)),
        }
    }

    /// The body.
    pub fn body(&self) -> String {
        let text = match self {
            Self::Instance { state, .. } => match state {
                State::Master => "VRRP Instance is now owning VRRP VIPs".to_owned(),
                State::Backup | State::Fault => "VRRP Instance is no longer owning VRRP VIPs".to_owned(),
                State::Stop => "VRRP Instance stopping".to_owned(),
                State::Deleted => "VRRP Deleted at reload".to_owned(),
            },
            Self::Group { state, .. } => match state {
                State::Stop => "All VRRP group instances are now stopping".to_owned(),
                State::Deleted => "VRRP Deleted at reload".to_owned(),
                state => format!("All VRRP group instances are now in {} state", state.word()),
            },
            Self::Server { up, cause: Cause::Check { session: Some(name), .. }, .. } => {
                format!("BFD CHECK {name} {} on service", if *up { "succeeded" } else { "failed" })
            }
            Self::Server { up, cause: Cause::Check { check, .. }, .. } => verdict(check, *up),
            Self::Server { cause: Cause::Removed, .. } => "Removing".to_owned(),
            Self::Server { cause: Cause::Stopped, .. } => "Shutting down".to_owned(),
            Self::Quorum { how, .. } => how.clone(),
        };
        format!("=> {text} <=")
    }
}

fn enters(state: State) -> &'static str {
    match state {
        State::Master => "Entering MASTER state",
        State::Backup => "Entering BACKUP state",
        State::Fault => "Entering FAULT state",
        State::Stop => "Stopping",
        State::Deleted => "Deleted",
    }
}

fn up_or_down(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

/// What keepalived says of a check.
fn verdict(check: &str, up: bool) -> String {
    let name = match check {
        "HTTP_GET" | "SSL_GET" if up => return "CHECK succeed on service".to_owned(),
        "HTTP_GET" | "SSL_GET" => return "CHECK failed on service : HTTP/SSL request failed".to_owned(),
        "PING_CHECK" => "ICMP/PING CHECK".to_owned(),
        "DNS_CHECK" => "DNS_CHECK:".to_owned(),
        // Its name is as it was given.
        named if named.starts_with("check ") => named.to_owned(),
        other => other.replace('_', " "),
    };
    format!("{name} {} on service", if up { "succeed" } else { "failed" })
}

/// Which occasions are mailed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alerts {
    /// What says something of its own.
    own: BTreeMap<Whose, bool>,
    /// The same before the last reload: what it took away has something to tell after it.
    gone: BTreeMap<Whose, bool>,
    vrrp: bool,
    services: bool,
    servers: bool,
    no_faults: bool,
    no_checkers: bool,
}

impl Alerts {
    /// Those of a configuration. As in keepalived a real server is mailed unless something says no; everything else
    /// only when something says yes.
    pub fn of<'a>(
        globals: &Globals,
        instances: impl IntoIterator<Item = &'a Instance>,
        groups: impl IntoIterator<Item = &'a SyncGroup>,
        servers: impl IntoIterator<Item = &'a Arc<VirtualServer>>,
    ) -> Self {
        let mail = &globals.mail;
        let mut own = BTreeMap::new();
        for instance in instances {
            let word = instance.notify.smtp_alert;
            own.extend(word.map(|word| (Whose::Instance(instance.name.clone()), word)));
        }
        for group in groups {
            let word = group.notify.smtp_alert;
            own.extend(word.map(|word| (Whose::Group(group.name.clone()), word)));
        }
        for virtual_server in servers {
            let service = virtual_server.name().to_string();
            for real in &virtual_server.real_servers {
                let Some(word) = word_of(real) else { continue };
                let server = virtual_server.describe_real_server(&real.address);
                own.insert(Whose::Server { service: service.clone(), server }, word);
            }
            own.extend(virtual_server.notify.smtp_alert.map(|word| (Whose::Service(service), word)));
        }
        Self {
            own,
            gone: BTreeMap::new(),
            vrrp: vrrp_default(mail),
            services: checker_default(mail).unwrap_or(false),
            servers: checker_default(mail).unwrap_or(true),
            no_faults: mail.no_faults,
            no_checkers: mail.no_checkers,
        }
    }

    /// The next ones; what is not in them any more is remembered until those after them.
    pub fn replaced_by(self, mut next: Self) -> Self {
        next.gone = self.own;
        next
    }

    /// Whether it is mailed.
    pub fn wants(&self, occasion: &Occasion) -> bool {
        let quiet = match occasion {
            Occasion::Instance { state: State::Fault, .. } | Occasion::Group { state: State::Fault, .. } => {
                self.no_faults
            }
            Occasion::Server { cause: Cause::Check { decides: false, .. }, .. } => self.no_checkers,
            _ => false,
        };
        if quiet {
            return false;
        }
        let whose = occasion.whose();
        let own = self.own.get(&whose).or_else(|| self.gone.get(&whose));
        own.copied().unwrap_or(match occasion.kind() {
            Kind::Instance | Kind::Group => self.vrrp,
            Kind::Service => self.services,
            Kind::Server => self.servers,
        })
    }
}

fn word_of(real: &RealServer) -> Option<bool> {
    real.notify.as_ref()?.smtp_alert
}

fn vrrp_default(mail: &Mail) -> bool {
    mail.alert_vrrp.or(mail.alert).unwrap_or(false)
}

fn checker_default(mail: &Mail) -> Option<bool> {
    mail.alert_checker.or(mail.alert)
}

impl fmt::Display for Occasion {
    /// Subject and body in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.subject(), self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::supported::runnable;
    use crate::config::{Options, load};
    use std::path::Path;

    fn alerts(globals: &str, instance: &str, service: &str, server: &str) -> Alerts {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\n{instance}\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n}}\nvirtual_server 10.0.0.9 80 {{\nlb_algo rr\nlb_kind DR\n\
             protocol TCP\n{service}\nreal_server 10.0.1.1 80 {{\n{server}\nTCP_CHECK {{\n}}\n}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let runnable = runnable(&model);
        Alerts::of(&model.globals, &runnable.instances, &runnable.groups, &runnable.virtual_servers)
    }

    fn state(state: State) -> Occasion {
        Occasion::Instance { name: "V".to_owned(), state }
    }

    fn check(check: &'static str, up: bool, decides: bool) -> Occasion {
        let (service, server) = ("[10.0.0.9]:tcp:80".to_owned(), "[10.0.1.1]:tcp:80".to_owned());
        Occasion::Server {
            service,
            server,
            up,
            cause: Cause::Check { check: check.into(), session: None, decides },
        }
    }

    fn quorum(up: bool) -> Occasion {
        let how = "Gained quorum 1+0=1 <= 2".to_owned();
        Occasion::Quorum { service: "[10.0.0.9]:tcp:80".to_owned(), up, how }
    }

    /// Instance, virtual server, real server.
    fn wants(alerts: &Alerts) -> [bool; 3] {
        [state(State::Master), quorum(true), check("TCP_CHECK", true, true)].map(|one| alerts.wants(&one))
    }

    #[test]
    fn each_level_counts_before_the_one_above() {
        let globals = |text| wants(&alerts(text, "", "", ""));
        assert_eq!(globals(""), [false, false, true]);
        assert_eq!(globals("smtp_alert"), [true, true, true]);
        assert_eq!(globals("smtp_alert off"), [false, false, false]);
        assert_eq!(globals("smtp_alert_vrrp"), [true, false, true]);
        assert_eq!(globals("smtp_alert_checker"), [false, true, true]);
        assert_eq!(globals("smtp_alert\nsmtp_alert_vrrp off"), [false, true, true]);
        assert_eq!(globals("smtp_alert\nsmtp_alert_checker no"), [true, false, false]);
        let off = "smtp_alert off";
        assert_eq!(wants(&alerts(off, "smtp_alert", "", "")), [true, false, false]);
        assert_eq!(wants(&alerts(off, "", "smtp_alert", "")), [false, true, false]);
        assert_eq!(wants(&alerts(off, "", "", "smtp_alert")), [false, false, true]);
        assert_eq!(wants(&alerts("", "", "", "smtp_alert off")), [false, false, false]);
    }

    #[test]
    fn what_a_reload_took_away_is_still_told_as_it_was() {
        let before = alerts("", "smtp_alert", "", "smtp_alert off");
        let after = before.replaced_by(Alerts { servers: true, ..Alerts::default() });
        assert!(after.wants(&state(State::Deleted)));
        assert!(!after.wants(&check("TCP_CHECK", false, true)));
        let later = after.replaced_by(Alerts { servers: true, ..Alerts::default() });
        assert!(!later.wants(&state(State::Deleted)));
        assert!(later.wants(&check("TCP_CHECK", false, true)));
    }

    #[test]
    fn faults_and_single_checks_can_be_left_out() {
        let quiet = alerts("smtp_alert\nno_email_faults\nno_checker_emails", "", "", "");
        assert!(!quiet.wants(&state(State::Fault)) && quiet.wants(&state(State::Backup)));
        assert!(!quiet.wants(&check("TCP_CHECK", false, false)));
        assert!(quiet.wants(&check("TCP_CHECK", false, true)) && quiet.wants(&quorum(false)));
        let loud = alerts("smtp_alert", "", "", "");
        assert!(loud.wants(&state(State::Fault)) && loud.wants(&check("TCP_CHECK", false, false)));
    }

    #[test]
    fn subjects_and_bodies_are_those_of_keepalived() {
        let words = |one: Occasion| (one.subject(), one.body());
        let is = |one, subject: &str, body: &str| {
            assert_eq!(words(one), (subject.to_owned(), body.to_owned()));
        };
        is(
            state(State::Master),
            "VRRP Instance V - Entering MASTER state",
            "=> VRRP Instance is now owning VRRP VIPs <=",
        );
        let lost = "=> VRRP Instance is no longer owning VRRP VIPs <=";
        is(state(State::Backup), "VRRP Instance V - Entering BACKUP state", lost);
        is(state(State::Fault), "VRRP Instance V - Entering FAULT state", lost);
        is(state(State::Stop), "VRRP Instance V - Stopping", "=> VRRP Instance stopping <=");
        is(state(State::Deleted), "VRRP Instance V - Deleted", "=> VRRP Deleted at reload <=");
        let of = "Realserver [10.0.1.1]:tcp:80 of virtual server [10.0.0.9]:tcp:80";
        let (up, down) = (format!("{of} - UP"), format!("{of} - DOWN"));
        is(check("TCP_CHECK", true, true), &up, "=> TCP CHECK succeed on service <=");
        is(check("TCP_CHECK", false, true), &down, "=> TCP CHECK failed on service <=");
        is(check("HTTP_GET", true, true), &up, "=> CHECK succeed on service <=");
        is(check("SSL_GET", false, true), &down, "=> CHECK failed on service : HTTP/SSL request failed <=");
        let session = |up| {
            let cause =
                Cause::Check { check: "BFD_CHECK".into(), session: Some("to_rs1".to_owned()), decides: true };
            let (service, server) = ("[10.0.0.9]:tcp:80".to_owned(), "[10.0.1.1]:tcp:80".to_owned());
            Occasion::Server { service, server, up, cause }
        };
        is(session(true), &up, "=> BFD CHECK to_rs1 succeeded on service <=");
        is(session(false), &down, "=> BFD CHECK to_rs1 failed on service <=");
        is(check("PING_CHECK", false, true), &down, "=> ICMP/PING CHECK failed on service <=");
        is(quorum(true), "Virtualserver [10.0.0.9]:tcp:80 - UP", "=> Gained quorum 1+0=1 <= 2 <=");
    }
}
