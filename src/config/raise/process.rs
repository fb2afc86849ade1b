//! `global_defs` and the settings of the root that say nothing of an instance: names, scripts, mail, files.

use super::Word;
use super::block::{Block, plain, plains};
use super::script::option;
use crate::config::model::{
    BufferPolicy, Globals, LvsGlobals, Mail, MailLogin, MailTls, Process, ProcessPart, SyncDaemon, Webhook,
};

impl Block {
    /// Settings outside of any block.
    pub(super) fn root_settings(&mut self, globals: &Globals) {
        let host = &globals.host;
        self.given("net_namespace", host.namespace.as_ref());
        self.optional("net_namespace_ipvs", host.ipvs_namespace.as_ref());
        self.flag("namespace_with_ipsets", host.namespace_with_ipsets);
        self.flag("linkbeat_use_polling", host.linkbeat_polling);
        self.given("instance", globals.process.instance.as_ref());
        self.flag("use_pid_dir", globals.process.pid_folder);
        self.given("child_wait_time", globals.process.child_wait);
    }

    pub(super) fn mail(&mut self, mail: &Mail) {
        self.lines("notification_email", mail.to.iter().map(|to| vec![plain(to.to_string())]));
        self.given("notification_email_from", mail.from.as_ref().map(ToString::to_string));
        if let Some((host, port)) = &mail.server {
            let port = (*port != Mail::PORT || self.shows_defaults()).then(|| plain(port.to_string()));
            self.words("smtp_server", std::iter::once(plain(host)).chain(port));
        }
        self.given("smtp_helo_name", mail.helo.as_ref());
        self.given("smtp_connect_timeout", mail.timeout);
        self.given("smtp_tls", mail.tls.map(MailTls::word));
        if let Some(MailLogin { user, file }) = &mail.login {
            self.words("smtp_login", [plain(user), plain(file)]);
        }
        self.given("smtp_alert", mail.alert);
        self.given("smtp_alert_vrrp", mail.alert_vrrp);
        self.given("smtp_alert_checker", mail.alert_checker);
        self.flag("no_email_faults", mail.no_faults);
        self.unless("no_checker_emails", mail.no_checkers, false);
    }

    pub(super) fn scripts(&mut self, globals: &Globals) {
        for Webhook { url, token } in &globals.webhooks {
            let file = token.as_ref().map(plain);
            self.words("webhook", std::iter::once(Word::Secret(url.clone())).chain(file));
        }
        let scripts = &globals.scripts;
        self.account("script_user", scripts.user.as_ref());
        self.flag("enable_script_security", scripts.security);
        self.unless("use_symlink_paths", scripts.symbolic_links, false);
        self.unless("set_supplementary_groups", scripts.supplementary, false);
        self.command("startup_script", scripts.startup.as_ref());
        self.given("startup_script_timeout", scripts.startup_timeout);
        self.command("shutdown_script", scripts.shutdown.as_ref());
        self.given("shutdown_script_timeout", scripts.shutdown_timeout);
        self.fifo("notify_fifo", scripts.fifo.as_ref());
        self.command("notify_fifo_script", scripts.fifo_script.as_ref());
        self.fifo("vrrp_notify_fifo", scripts.vrrp_fifo.as_ref());
        self.command("vrrp_notify_fifo_script", scripts.vrrp_fifo_script.as_ref());
        self.fifo("lvs_notify_fifo", scripts.lvs_fifo.as_ref());
        self.command("lvs_notify_fifo_script", scripts.lvs_fifo_script.as_ref());
        self.unless("vrrp_notify_priority_changes", scripts.priority_changes, false);
        self.flag("fifo_write_vrrp_states_on_reload", scripts.states_on_reload);
        self.unless("rs_init_notifies", scripts.real_servers_at_start, false);
    }

    pub(super) fn process(&mut self, process: &Process) {
        self.flag("process_names", process.names);
        self.given("process_name", process.name.as_ref());
        self.process_part("vrrp", &process.vrrp);
        self.process_part("checker", &process.checker);
        self.process_part("bfd", &process.bfd);
        self.given("max_auto_priority", process.max_auto_priority);
        self.given("min_auto_priority_delay", process.min_auto_priority_delay);
        self.given("umask", process.umask.map(|mask| format!("0{mask:03o}")));
    }

    fn process_part(&mut self, of: &str, part: &ProcessPart) {
        self.given(&format!("{of}_process_name"), part.name.as_ref());
        self.given(&format!("{of}_priority"), part.nice);
        self.given(&format!("{of}_rt_priority"), part.real_time);
        self.given(&format!("{of}_rlimit_rttime"), part.real_time_limit);
        self.flag(&format!("{of}_no_swap"), part.no_swap);
        if !part.cpus.is_empty() {
            self.words(&format!("{of}_cpu_affinity"), part.cpus.iter().map(|cpu| plain(cpu.to_string())));
        }
    }

    pub(super) fn host(&mut self, globals: &Globals) {
        let (host, outside, files) = (&globals.host, &globals.outside, &globals.files);
        if let Some(changes) = host.dynamic_interfaces {
            self.words("dynamic_interfaces", changes.then(|| plain("allow_if_changes")));
        }
        self.given("default_interface", host.default_interface.as_ref());
        self.flag("disable_local_igmp", host.no_local_igmp);
        if let Some(chains) = &host.iptables {
            self.words("vrrp_iptables", plains(chains));
        }
        if let Some(sets) = &host.ipsets {
            self.words("vrrp_ipsets", plains(sets));
        }
        self.optional("nftables", host.nftables.as_ref());
        self.given("nftables_priority", host.nftables_priority);
        self.flag("nftables_ifindex", host.nftables_index);
        self.flag("nftables_counters", host.nftables_counters);
        self.given("iproute_usr_dir", host.iproute_usr.as_ref());
        self.given("iproute_etc_dir", host.iproute_etc.as_ref());
        self.given("snmp_socket", outside.snmp_socket.as_ref());
        for view in &outside.enabled {
            self.flag(view.word(), true);
        }
        self.given("snmp_vs_stats_update_interval", outside.service_statistics);
        self.given("snmp_rs_stats_update_interval", outside.real_statistics);
        self.given("dbus_service_name", outside.dbus_name.as_ref());
        self.given("dbus_no_interface_name", outside.dbus_no_interface.as_ref());
        self.optional("reload_check_config", files.reload_check.as_ref());
        self.given("reload_time_file", files.reload_time.as_ref());
        self.flag("reload_repeat", files.reload_repeat);
        self.optional("reload_file", files.reload_marker.as_ref());
        self.given("config_save_dir", files.save_folder.as_ref());
        self.given("tmp_config_directory", files.temporary_folder.as_ref());
        self.unless("data_use_instance", files.data_use_instance, false);
        self.given("json_version", files.json_version);
        self.given("state_dump_file", files.state_dump.as_ref());
        self.given("stats_dump_file", files.statistics_dump.as_ref());
        self.given("json_dump_file", files.json_dump.as_ref());
        self.given("random_seed", files.random_seed);
    }

    pub(super) fn lvs_globals(&mut self, lvs: &LvsGlobals) {
        if let Some(timeouts) = lvs.timeouts {
            let given = |word, number: u32| option(word, (number != 0).then_some(number));
            let mut words = given("tcp", timeouts.tcp);
            words.extend(given("tcpfin", timeouts.tcp_fin));
            words.extend(given("udp", timeouts.udp));
            if words.is_empty() {
                words = option("tcp", Some(0));
            }
            self.words("lvs_timeouts", words);
        }
        self.flag("lvs_flush", lvs.flush);
        if let Some(ours) = lvs.flush_on_stop {
            self.words("lvs_flush_on_stop", ours.then(|| plain("VS")));
        }
        if let Some(daemon) = &lvs.sync_daemon {
            self.words("lvs_sync_daemon", sync_daemon(daemon));
        }
        self.unless("checker_log_all_failures", lvs.log_all_failures, false);
        self.optional("nftables_ipvs", lvs.nftables.as_ref());
        self.given("nftables_ipvs_priority", lvs.nftables_priority);
        self.given("nftables_ipvs_start_fwmark", lvs.first_fwmark);
    }
}

fn sync_daemon(daemon: &SyncDaemon) -> Vec<Word> {
    let mut words = vec![plain(daemon.interface.as_str())];
    words.extend(option("inst", daemon.instance.as_ref()));
    words.extend(option("id", daemon.id));
    words.extend(option("maxlen", daemon.max_length));
    words.extend(option("port", daemon.port));
    words.extend(option("ttl", daemon.ttl));
    words.extend(option("group", daemon.group));
    words
}

/// A word of `vrrp_rx_bufs_policy`.
pub(super) fn buffer_policy(policy: &BufferPolicy) -> Word {
    match policy {
        BufferPolicy::Advert => plain("ADVERT"),
        BufferPolicy::Mtu => plain("MTU"),
        BufferPolicy::Bytes(number) => plain(number.to_string()),
    }
}
