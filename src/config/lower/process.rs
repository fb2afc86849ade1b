//! `global_defs` and the settings of the root that say nothing of an instance: names, scripts, mail, files.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::{Lower, arguments, inside, unsupported};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::Keyword;
use crate::config::model::{
    BufferPolicy, Globals, InterfaceName, Mail, MailLogin, MailTls, Mailbox, MasterAgent, Outside,
    OutsideView, ProcessPart, SyncDaemon, Timeouts, Webhook,
};
use crate::config::source::Span;
use crate::config::supported::Feature;
use crate::config::tree::{Node, Word};

use super::option::{Line, c_number};

impl Lower<'_> {
    /// A setting of the root.
    pub(super) fn root_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) {
        match word {
            "linkbeat_use_polling" => globals.host.linkbeat_polling = self.flag(node),
            "net_namespace" => {
                let name = self.file_name(node);
                self.first(node, &mut globals.host.namespace, name);
            }
            "net_namespace_ipvs" => {
                let name = match arguments(node).is_empty() {
                    true => Some(String::new()),
                    false => self.file_name(node),
                };
                self.first(node, &mut globals.host.ipvs_namespace, name);
            }
            "namespace_with_ipsets" => globals.host.namespace_with_ipsets = self.flag(node),
            "use_pid_dir" => globals.process.pid_folder = self.flag(node),
            "instance" => {
                let name = self.file_name(node);
                self.first(node, &mut globals.process.instance, name);
            }
            _ => globals.process.child_wait = self.whole_as(node),
        }
    }

    /// What `global_defs` says of anything but VRRP. False: the word is none of these.
    pub(super) fn process_setting(
        &mut self,
        word: &'static str,
        node: &Node<'_>,
        globals: &mut Globals,
    ) -> bool {
        self.mail_setting(word, node, globals)
            || self.script_setting(word, node, globals)
            || self.part_setting(word, node, globals)
            || self.outside_setting(word, node, globals)
            || self.file_setting(word, node, globals)
            || self.host_setting(word, node, globals)
            || self.lvs_setting(word, node, globals)
    }

    fn mail_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let mail = &mut globals.mail;
        match word {
            "webhook" => {
                if let Some(webhook) = self.webhook(node).filter(|one| !globals.webhooks.contains(one)) {
                    globals.webhooks.push(webhook);
                }
            }
            "notification_email_from" => {
                let word = self.one(node);
                let read =
                    word.and_then(|word| self.mailbox(word, "`keepalived` at this host is the sender"));
                mail.from = read.or(mail.from.take());
            }
            "notification_email" => {
                self.no_words(node);
                let words = inside(node).iter().flat_map(|line| line.words);
                for word in words {
                    mail.to.extend(self.mailbox(word, "it gets no mail; the others get theirs"));
                }
            }
            "smtp_server" => {
                let Some((host, rest)) = arguments(node).split_first() else {
                    self.missing(node);
                    return true;
                };
                let port = match rest.first() {
                    None => Some(Mail::PORT),
                    Some(word) => self.whole_behind(node.keyword, "", word),
                };
                if let Some(surplus) = rest.get(1) {
                    self.surplus(node, surplus);
                }
                if host.text.is_empty()
                    || host.text.contains(|c: char| !c.is_alphanumeric() && !".-_:/[]".contains(c))
                {
                    let message = format!("`{}` is no host", host.text);
                    self.report(
                        Diagnostic::error(Code::BadAddress, host.span, message)
                            .expected("an address or the name of a host"),
                    );
                }
                mail.server = port.map(|port| (host.text.to_string(), port));
            }
            "smtp_helo_name" => mail.helo = self.text(node),
            "smtp_tls" => {
                let word = self.one(node);
                mail.tls = word.and_then(|word| self.choice(word, &MailTls::ALL)).or(mail.tls);
            }
            "smtp_login" => mail.login = self.mail_login(node).or(mail.login.take()),
            "smtp_connect_timeout" => mail.timeout = self.time(node),
            "smtp_alert" => mail.alert = self.boolean(node),
            "smtp_alert_vrrp" => mail.alert_vrrp = self.boolean(node),
            "smtp_alert_checker" => mail.alert_checker = self.boolean(node),
            "no_email_faults" => mail.no_faults = self.flag(node),
            "no_checker_emails" => mail.no_checkers = self.boolean(node).unwrap_or(false),
            _ => return false,
        }
        true
    }

    /// A sender or recipient; `without`: what happens when it is none.
    fn mailbox(&mut self, word: &Word<'_>, without: &'static str) -> Option<Mailbox> {
        match Mailbox::parse(word.text) {
            Ok(mailbox) => Some(mailbox),
            Err(why) => {
                let message = format!("`{}` is no mail address: {why}", word.text);
                self.report(
                    Diagnostic::warning(Code::BadAddress, word.span, message)
                        .expected("user@host, one address a word")
                        .consequence(without),
                );
                None
            }
        }
    }

    /// `URL [FILE]`.
    fn webhook(&mut self, node: &Node<'_>) -> Option<Webhook> {
        let (word, file) = match arguments(node) {
            [word] => (word, None),
            [word, file] => (word, Some(file)),
            [word, file, surplus, ..] => {
                self.surplus(node, surplus);
                (word, Some(file))
            }
            [] => {
                self.missing(node);
                return None;
            }
        };
        // What stands there may be a secret: it is not repeated.
        let mut refuse = |message: &str, expected: &str| {
            let diagnostic = Diagnostic::error(Code::BadAddress, word.span, message);
            self.report(diagnostic.expected(expected).consequence("nothing is delivered there"));
        };
        let form = "http://HOST/PATH or https://HOST/PATH";
        let Some(url) = Url::parse(word.text).ok().filter(Url::has_host) else {
            refuse("this is no URL", form);
            return None;
        };
        if !matches!(url.scheme(), "http" | "https") {
            refuse("events are delivered by HTTP alone", form);
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            refuse(
                "a password in a URL is in every copy of this file",
                "`webhook URL FILE`, with a token in the file",
            );
            return None;
        }
        let here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if file.is_some() && url.scheme() == "http" && !here {
            refuse("the token would go over the network unencrypted", "https, or a host on the loopback");
            return None;
        }
        let token = match file {
            Some(file) if !file.text.starts_with('/') => {
                self.report(
                    Diagnostic::error(Code::BadName, file.span, "the file of the token has no absolute path")
                        .expected("a path from the root")
                        .help("write the token into a file that only root can read, and its path here"),
                );
                return None;
            }
            file => file.map(|file| file.text.to_string()),
        };
        Some(Webhook { url: word.text.to_string(), token })
    }

    /// `USER FILE`.
    fn mail_login(&mut self, node: &Node<'_>) -> Option<MailLogin> {
        let (user, file) = match arguments(node) {
            [user, file] => (user, file),
            [user, file, surplus, ..] => {
                self.surplus(node, surplus);
                (user, file)
            }
            _ => {
                self.missing(node);
                return None;
            }
        };
        if !file.text.starts_with('/') {
            self.report(
                Diagnostic::error(Code::BadName, file.span, "the file of the password has no absolute path")
                    .expected("a path from the root")
                    .help("write the password into a file that only root can read, and its path here"),
            );
            return None;
        }
        Some(MailLogin { user: user.text.to_string(), file: file.text.to_string() })
    }

    fn script_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let scripts = &mut globals.scripts;
        match word {
            "startup_script_timeout" => scripts.startup_timeout = self.time(node),
            "shutdown_script_timeout" => scripts.shutdown_timeout = self.time(node),
            "script_user" => scripts.user = self.account(node),
            "enable_script_security" => scripts.security = self.flag(node),
            "use_symlink_paths" => scripts.symbolic_links = self.boolean(node).unwrap_or(false),
            "set_supplementary_groups" => scripts.supplementary = self.boolean(node).unwrap_or(false),
            "vrrp_notify_priority_changes" => {
                scripts.priority_changes = self.boolean(node).unwrap_or(false);
            }
            "fifo_write_vrrp_states_on_reload" => scripts.states_on_reload = self.flag(node),
            "rs_init_notifies" => scripts.real_servers_at_start = self.boolean(node).unwrap_or(false),
            "notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo" => {
                let fifo = self.fifo(node);
                let to = match word {
                    "notify_fifo" => &mut scripts.fifo,
                    "vrrp_notify_fifo" => &mut scripts.vrrp_fifo,
                    _ => &mut scripts.lvs_fifo,
                };
                self.first(node, to, fifo);
            }
            "startup_script"
            | "shutdown_script"
            | "notify_fifo_script"
            | "vrrp_notify_fifo_script"
            | "lvs_notify_fifo_script" => {
                let command = self.command(node);
                let to = match word {
                    "startup_script" => &mut scripts.startup,
                    "shutdown_script" => &mut scripts.shutdown,
                    "notify_fifo_script" => &mut scripts.fifo_script,
                    "vrrp_notify_fifo_script" => &mut scripts.vrrp_fifo_script,
                    _ => &mut scripts.lvs_fifo_script,
                };
                self.first(node, to, command);
            }
            _ => return false,
        }
        true
    }

    /// `vrrp_*`, `checker_*`, `bfd_*`: one of keepalived's processes.
    fn part_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let process = &mut globals.process;
        match word {
            "process_names" => process.names = self.flag(node),
            "process_name" => process.name = self.process_name(node),
            "max_auto_priority" => {
                process.max_auto_priority = match arguments(node).is_empty() {
                    true => Some(99),
                    false => self.whole_as(node),
                };
            }
            "min_auto_priority_delay" => process.min_auto_priority_delay = self.whole_as(node),
            "umask" => process.umask = self.umask(node),
            "lvs_process_name" => process.checker.name = self.process_name(node),
            _ => {
                let parts = [
                    ("vrrp_", &mut process.vrrp),
                    ("checker_", &mut process.checker),
                    ("bfd_", &mut process.bfd),
                ];
                let part =
                    parts.into_iter().find_map(|(prefix, part)| word.strip_prefix(prefix).zip(Some(part)));
                return part.is_some_and(|(word, part)| self.process_part(word, node, part));
            }
        }
        true
    }

    fn process_part(&mut self, word: &str, node: &Node<'_>, part: &mut ProcessPart) -> bool {
        match word {
            "process_name" => part.name = self.process_name(node),
            "priority" => part.nice = self.whole_as(node),
            "rt_priority" => part.real_time = self.clamped(node).and_then(|number| u8::try_from(number).ok()),
            "rlimit_rttime" | "rlimit_rtime" => part.real_time_limit = self.whole_as(node),
            "no_swap" => part.no_swap = self.flag(node),
            "cpu_affinity" => {
                if arguments(node).is_empty() {
                    self.missing(node);
                }
                for word in arguments(node) {
                    let number = self.integer_in(node.keyword, word, 0, 8191);
                    part.cpus.extend(number.and_then(|number| u32::try_from(number).ok()));
                }
            }
            _ => return false,
        }
        true
    }

    /// A number that keepalived moves into its range.
    fn clamped(&mut self, node: &Node<'_>) -> Option<i64> {
        let word = self.one(node)?;
        let (low, high) = node.keyword.and_then(|row| row.bounds_of(""))?;
        let found = self.integer_in(node.keyword, word, i32::MIN.into(), i32::MAX.into())?;
        let used = found.clamp(low, high);
        if used != found {
            self.adjusted(
                Some(word.span),
                format!("{found} is outside {low}..{high}"),
                format!("{used} is used, as keepalived does"),
            );
        }
        Some(used)
    }

    fn process_name(&mut self, node: &Node<'_>) -> Option<String> {
        let word = self.one(node)?;
        let most = node.keyword.and_then(Keyword::longest).unwrap_or(usize::MAX);
        if word.text.len() > most {
            let name: String = word.text.chars().take(most).collect();
            self.adjusted(
                Some(word.span),
                format!("a process name has at most {most} characters"),
                format!("`{name}` is used, as keepalived does"),
            );
            return Some(name);
        }
        Some(word.text.to_string())
    }

    /// A number in C's notation, or names of bits with `|` between them.
    fn umask(&mut self, node: &Node<'_>) -> Option<u16> {
        let words = arguments(node);
        if words.is_empty() {
            self.missing(node);
        }
        let first = words.first()?;
        let text: String = words.iter().map(|word| word.text).collect();
        let bit = |name: &str| {
            const WHO: [(&str, u16); 3] = [("USR", 6), ("GRP", 3), ("OTH", 0)];
            if let Some(who) = name.strip_prefix("IRWX") {
                return WHO.iter().find(|(name, _)| name.starts_with(who)).map(|(_, shift)| 7 << shift);
            }
            let (what, who) = name.split_at_checked(2)?;
            let (_, shift) = WHO.iter().find(|(name, _)| *name == who)?;
            let bit = match what {
                "IR" => 4,
                "IW" => 2,
                "IX" => 1,
                _ => return None,
            };
            Some(bit << shift)
        };
        let number =
            c_number(&text).and_then(|number| u16::try_from(number).ok()).filter(|number| *number <= 0o777);
        let bits = || text.split('|').map(bit).try_fold(0, |all, bit| bit.map(|bit| all | bit));
        let mask = number.or_else(bits);
        if mask.is_none() {
            let message = format!("`{text}` is no file mask");
            self.report(
                Diagnostic::error(Code::BadNumber, first.span, message)
                    .expected("0..0777, or names like IRWXG|IWOTH"),
            );
        }
        mask
    }

    fn outside_setting(&mut self, word: &'static str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let outside = &mut globals.outside;
        match word {
            "snmp_socket" => {
                let socket = self.text(node);
                if socket.as_deref().is_some_and(|word| MasterAgent::parse(word).is_err()) {
                    let span = arguments(node)
                        .first()
                        .map(|word| word.span)
                        .or(node.words.first().map(|word| word.span));
                    let diagnostic = span.and_then(|span| unsupported(Feature::AgentTransport, span));
                    diagnostic.into_iter().for_each(|diagnostic| self.report(diagnostic));
                }
                self.first(node, &mut outside.snmp_socket, socket);
            }
            "snmp_vs_stats_update_interval" => outside.service_statistics = self.time(node),
            "snmp_rs_stats_update_interval" => outside.real_statistics = self.time(node),
            "dbus_service_name" => {
                outside.dbus_name = self.text(node);
                let word = arguments(node).first();
                if let Some(word) = word.filter(|word| !Outside::is_bus_name(word.text)) {
                    let message = format!("`{}` is no name on a bus", word.text);
                    self.report(
                        Diagnostic::warning(Code::BadName, word.span, message)
                            .expected("words of letters, digits, `_` and `-` with dots between, at least two")
                            .consequence("the bus does not give it, and nothing is shown on D-Bus"),
                    );
                }
            }
            "dbus_no_interface_name" => outside.dbus_no_interface = self.text(node),
            _ => {
                let Some((_, view)) = OutsideView::WORDS.iter().find(|(name, _)| *name == word) else {
                    return false;
                };
                if self.flag(node) && !outside.enabled.contains(view) {
                    outside.enabled.push(*view);
                }
            }
        }
        true
    }

    fn file_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let files = &mut globals.files;
        match word {
            "reload_check_config" => {
                let file = self.optional_text(node);
                files.reload_check =
                    file.filter(|file| node.span().is_none_or(|span| self.is_no_source(span, file)));
            }
            "reload_time_file" => files.reload_time = self.written_file(node, false),
            "reload_repeat" => files.reload_repeat = self.flag(node),
            "reload_file" => files.reload_marker = self.written_file(node, true),
            "config_save_dir" => files.save_folder = self.text(node),
            "tmp_config_directory" => {
                let folder = self.text(node);
                self.first(node, &mut files.temporary_folder, folder);
            }
            "data_use_instance" => files.data_use_instance = self.boolean(node).unwrap_or(false),
            "json_version" => files.json_version = self.whole_as(node),
            "state_dump_file" => files.state_dump = self.text(node),
            "stats_dump_file" => files.statistics_dump = self.text(node),
            "json_dump_file" => files.json_dump = self.text(node),
            "random_seed" => files.random_seed = self.whole_as(node),
            "include_check" => self.include_check(node),
            _ => return false,
        }
        let time = files.reload_time.as_ref().filter(|_| matches!(word, "reload_file" | "reload_time_file"));
        if let Some(path) = time.filter(|time| files.reload_marker.as_ref() == Some(*time)) {
            let message = format!("`reload_time_file` and `reload_file` are the same file, {path}");
            if let Some(span) = node.span() {
                self.report(
                    Diagnostic::error(Code::BadName, span, message)
                        .consequence("the time of the reload would be lost")
                        .help("name two files"),
                );
            }
        }
        true
    }

    /// The words are read by the expander; here they are only looked at.
    fn include_check(&mut self, node: &Node<'_>) {
        const CHECKS: [(&str, ()); 5] =
            [("brace_match", ()), ("match", ()), ("read", ()), ("readable", ()), ("wildcard_match", ())];
        for word in arguments(node) {
            let part = Word { text: word.text.trim_start_matches(['+', '-']), span: word.span };
            self.choice(&part, &CHECKS);
        }
    }

    fn host_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let host = &mut globals.host;
        match word {
            "dynamic_interfaces" => {
                let choices = [("allow_if_changes", true)];
                host.dynamic_interfaces = match self.optional(node) {
                    None => Some(false),
                    Some(word) => self.choice(word, &choices),
                };
            }
            "default_interface" => host.default_interface = self.interface_of(node),
            "disable_local_igmp" => host.no_local_igmp = self.flag(node),
            "vrrp_iptables" => host.iptables = Some(self.names(node, 2, 27)),
            "vrrp_ipsets" => host.ipsets = Some(self.names(node, 6, 31)),
            "nftables" => {
                let table = self.optional_text(node);
                self.first(node, &mut host.nftables, table);
            }
            "nftables_priority" => host.nftables_priority = self.whole_as(node),
            "nftables_ifindex" => host.nftables_index = self.flag(node),
            "nftables_counters" => host.nftables_counters = self.flag(node),
            "iproute_usr_dir" => host.iproute_usr = self.text(node),
            "iproute_etc_dir" => host.iproute_etc = self.text(node),
            _ => return false,
        }
        true
    }

    /// Up to `most` names of at most `longest` characters.
    fn names(&mut self, node: &Node<'_>, most: usize, longest: usize) -> Vec<String> {
        if let Some(surplus) = arguments(node).get(most) {
            self.surplus(node, surplus);
        }
        for word in arguments(node).iter().filter(|word| word.text.len() > longest) {
            let message = format!("`{}` is too long a name", word.text);
            let expected = format!("at most {longest} characters");
            self.report(Diagnostic::error(Code::BadName, word.span, message).expected(expected));
        }
        arguments(node).iter().take(most).map(|word| word.text.to_string()).collect()
    }

    fn lvs_setting(&mut self, word: &str, node: &Node<'_>, globals: &mut Globals) -> bool {
        let lvs = &mut globals.lvs;
        match word {
            "lvs_timeouts" => lvs.timeouts = self.lvs_timeouts(node),
            "lvs_flush" => lvs.flush = self.flag(node),
            "lvs_flush_on_stop" | "lvs_flush_onstop" => {
                lvs.flush_on_stop = match self.optional(node) {
                    None => Some(false),
                    Some(word) => self.choice(word, &[("VS", true)]),
                };
            }
            "lvs_sync_daemon" => {
                let daemon = self.sync_daemon(node);
                self.first(node, &mut lvs.sync_daemon, daemon);
            }
            "checker_log_all_failures" => lvs.log_all_failures = self.boolean(node).unwrap_or(false),
            "nftables_ipvs" => {
                let table = self.optional_text(node);
                self.first(node, &mut lvs.nftables, table);
            }
            "nftables_ipvs_priority" => lvs.nftables_priority = self.whole_as(node),
            "nftables_ipvs_start_fwmark" => lvs.first_fwmark = self.whole_as(node),
            _ => return false,
        }
        true
    }

    fn lvs_timeouts(&mut self, node: &Node<'_>) -> Option<Timeouts> {
        if arguments(node).is_empty() {
            self.missing(node);
        }
        let mut line = Line::new(arguments(node), "(LVS_TIMEOUTS)");
        let mut timeouts = Timeouts::default();
        while let Some(word) = line.next() {
            let to = match word.text {
                "tcp" => &mut timeouts.tcp,
                "tcpfin" => &mut timeouts.tcp_fin,
                "udp" => &mut timeouts.udp,
                _ => {
                    self.choice(word, &[("tcp", ()), ("tcpfin", ()), ("udp", ())]);
                    return None;
                }
            };
            let value = self.value(&mut line)?;
            *to = u32::try_from(self.whole_of(node, value)?).unwrap_or(0);
        }
        Some(timeouts)
    }

    /// `IFNAME [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`, and the old form with the
    /// instance and the number behind the interface.
    fn sync_daemon(&mut self, node: &Node<'_>) -> Option<SyncDaemon> {
        let mut line = Line::new(arguments(node), "(SYNC)");
        let Some(first) = line.next() else {
            self.missing(node);
            return None;
        };
        let interface: Option<InterfaceName> = self.interface(first);
        let mut daemon = SyncDaemon {
            interface: interface?,
            instance: None,
            id: None,
            max_length: None,
            port: None,
            ttl: None,
            group: None,
        };
        while let Some(word) = line.next() {
            match word.text {
                "inst" => daemon.instance = self.value(&mut line).map(|word| word.text.to_string()),
                "id" | "maxlen" | "port" | "ttl" => {
                    let Some(value) = self.value(&mut line) else { continue };
                    match word.text {
                        "id" => daemon.id = self.whole_behind(node.keyword, "id", value),
                        "maxlen" => daemon.max_length = self.whole_behind(node.keyword, "maxlen", value),
                        "port" => daemon.port = self.whole_behind(node.keyword, "port", value),
                        _ => daemon.ttl = self.whole_behind(node.keyword, "ttl", value),
                    }
                }
                "group" => {
                    let word = self.value(&mut line)?;
                    daemon.group = self.multicast_of(word);
                }
                _ if daemon.instance.is_none() => daemon.instance = Some(word.text.to_string()),
                // The old form: the number alone.
                _ if daemon.id.is_none() && word.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let id: u8 = self.whole_behind(node.keyword, "id", word)?;
                    daemon.id = Some(id);
                    self.report(
                        Diagnostic::warning(Code::Old, word.span, "the number stands without its word")
                            .label("an old form")
                            .fix(word.span, format!("id {id}")),
                    );
                }
                _ => self.unknown_option_of("(SYNC)", word, "lvs_sync_daemon"),
            }
        }
        Some(daemon)
    }

    /// The instance that `lvs_sync_daemon` names must be there; `tree`: where its name stands.
    pub(super) fn followed(
        &mut self,
        tree: &[Node<'_>],
        daemon: Option<&SyncDaemon>,
        instances: &BTreeMap<String, Span>,
    ) {
        let Some(name) = daemon.and_then(|daemon| daemon.instance.as_ref()) else { return };
        if instances.contains_key(name) {
            return;
        }
        let is = |node: &&Node<'_>, word: &str| node.keyword.is_some_and(|keyword| keyword.word() == word);
        let globals = tree.iter().filter(|node| is(node, "global_defs"));
        let line = globals.flat_map(inside).find(|node| is(node, "lvs_sync_daemon"));
        let Some(word) = line.and_then(|line| arguments(line).iter().skip(1).find(|word| word.text == *name))
        else {
            return;
        };
        let message = format!("there is no `vrrp_instance {name}`");
        let mut diagnostic = Diagnostic::warning(Code::Undefined, word.span, message)
            .consequence("connections are not synchronised: nothing says which of the two directors sends");
        if let Some(near) = self.near(name, instances) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
        }
        self.report(diagnostic);
    }

    pub(super) fn buffer_policy(&mut self, word: &Word<'_>) -> Option<BufferPolicy> {
        match word.text.to_ascii_uppercase().as_str() {
            "MTU" => Some(BufferPolicy::Mtu),
            "ADVERT" => Some(BufferPolicy::Advert),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = self.integer_in(None, word, 0, u32::MAX.into())?;
                u32::try_from(number).ok().map(BufferPolicy::Bytes)
            }
            _ => self.choice(word, &[("ADVERT", BufferPolicy::Advert), ("MTU", BufferPolicy::Mtu)]),
        }
    }
}
