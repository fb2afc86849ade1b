//! What is read becomes what is meant: defaults, inheritance, adjustments.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::diagnostic::{Code, Diagnostic, Format, Severity};
use crate::config::model::{
    Authentication, Checker, Connect, Credential, DnsType, Family, Forwarding, Garp, Granularity, Header,
    InitFile, InitialState, Instance, JsonValue, Method, MinHealthy, Model, Peer, Persistence, Preempt,
    ProbeKind, Scheme, Service, UrlMore, Version, VirtualServer,
};
use crate::config::source::Texts;
use crate::config::{Options, load};

mod checks;
mod services;

fn model(text: &str) -> Model {
    let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
    loaded.model.unwrap_or_else(|| panic!("{text}: {:?}", loaded.diagnostics))
}

fn loaded(text: &str) -> crate::config::Loaded {
    load(Path::new("t"), &Texts::one("t", text), &Options::default())
}

fn instance(settings: &str) -> Instance {
    let text = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{settings}\nvirtual_ipaddress {{ 10.0.0.9 }}\n}}\n"
    );
    model(&text).instances.remove(0)
}

fn service(head: &str, settings: &str) -> VirtualServer {
    let mut model = model(&format!("virtual_server {head} {{\n{settings}\n}}\n"));
    Arc::unwrap_or_clone(model.virtual_servers.remove(0))
}

fn connect(check: &Checker) -> &Connect {
    check.probe.connect.as_ref().unwrap()
}

const REAL: &str = "real_server 10.0.0.2 80 {\nTCP_CHECK {\n}\n}";

#[test]
fn an_instance_of_defaults() {
    let a = instance("");
    assert_eq!((a.version, a.initial_state, a.priority.number()), (Version::V2, InitialState::Backup, 100));
    assert_eq!((a.advert_interval.centiseconds(), a.down_timer_adverts, a.unicast()), (100, 3, None));
    assert_eq!(a.preempt, Preempt::After { delay: Duration::ZERO });
    assert_eq!(a.garp, Garp::default());
    assert_eq!(a.group().unwrap().to_string(), "224.0.0.18");
    assert_eq!((a.addresses[0].prefix, a.addresses[0].scope), (32, 0));
}

#[test]
fn priority_and_state_fill_each_other_in() {
    assert_eq!(instance("state MASTER").priority.number(), 255);
    assert_eq!(instance("priority 255").initial_state, InitialState::Master);
    assert_eq!(instance("state MASTER\npriority 90").priority.number(), 90);
}

#[test]
fn preemption() {
    assert_eq!(instance("nopreempt").preempt, Preempt::Never);
    assert_eq!(instance("nopreempt\npreempt").preempt, Preempt::After { delay: Duration::ZERO });
    let delay = Duration::from_millis(2500);
    assert_eq!(instance("preempt_delay 2.5").preempt, Preempt::After { delay });
    let cleared = Preempt::After { delay: Duration::ZERO };
    assert_eq!(instance("nopreempt\npriority 200\nstate MASTER").preempt, cleared);
    assert_eq!(instance("preempt_delay 9\nstate MASTER").preempt, cleared);
}

#[test]
fn advert_intervals_are_rounded_as_the_version_can_send_them() {
    let interval = |settings: &str| instance(settings).advert_interval.centiseconds();
    assert_eq!([interval("advert_int 0.2"), interval("advert_int 2.5")], [100, 300]);
    assert_eq!(interval("version 3\nadvert_int 0.255"), 26);
    assert_eq!(interval("version 3\nadvert_int 100"), 4095);
}

#[test]
fn announcements_fall_back_to_the_globals() {
    let globals = "global_defs {\nvrrp_garp_master_delay 9\nvrrp_garp_master_repeat 2\nvrrp_version 3\n}\n";
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\ngarp_master_repeat 4\n\
                virtual_ipaddress { 10.0.0.9/24 dev eth1 label eth1:9 scope link brd + }\n}\n";
    // Globals count wherever they stand.
    let model = model(&format!("{text}{globals}"));
    let a = &model.instances[0];
    assert_eq!(a.version, Version::V3);
    assert_eq!((a.garp.master_delay.as_secs(), a.garp.master_repeat), (9, 4));
    assert_eq!((a.garp.lower_prio_delay.as_secs(), a.garp.lower_prio_repeat), (9, 2));
    let address = &a.addresses[0];
    assert_eq!((address.prefix, address.scope, address.label.as_deref()), (24, 253, Some("eth1:9")));
    assert_eq!(address.broadcast.unwrap().to_string(), "10.0.0.255");
}

#[test]
fn checks_inherit() {
    let settings = "delay_loop 7\nconnect_timeout 2\nretry 4\nvirtualhost vs.example\nalpha\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n\
        real_server 10.0.0.2 {\nretry 5\nvirtualhost rs.example\nalpha off\n\
        TCP_CHECK {\nconnect_port 81\n}\nHTTP_GET {\nwarmup 1\nretry 0\nurl {\npath /a\n}\nurl {\npath /b\nvirtualhost u.example\n}\n}\n}";
    let server = service("10.0.0.1 80", settings);
    let real = &server.real_servers[0];
    assert_eq!(real.address.to_string(), "10.0.0.2:80");
    let [tcp, http] = real.checkers.as_slice() else { panic!() };
    assert_eq!(connect(tcp).to.to_string(), "10.0.0.2:81");
    let timing = &tcp.timing;
    assert_eq!((timing.retry, timing.delay_loop.as_secs(), timing.warmup.as_secs()), (5, 7, 7));
    assert!(!timing.alpha);
    assert_eq!((connect(tcp).timeout.as_secs(), timing.delay_before_retry.as_secs()), (2, 1));
    let timing = &http.timing;
    assert_eq!((timing.retry, timing.warmup.as_secs(), timing.delay_before_retry.as_secs()), (0, 1, 3));
    let ProbeKind::Http(check) = &http.probe.kind else { panic!() };
    let hosts: Vec<_> = check.urls.iter().map(|url| url.virtualhost.as_deref()).collect();
    assert_eq!(hosts, [Some("rs.example"), Some("u.example")]);
    assert!(check.urls[0].status_codes.contains(204));
}

#[test]
fn an_instance_that_is_not_right_is_no_member() {
    let instance = |name: &str, interface: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 7\nvirtual_ipaddress {{ 10.0.0.9 }}\n}}\n"
        )
    };
    let group = |members: &str| format!("vrrp_sync_group G {{\ngroup {{ {members} }}\n}}\n");
    let of = |text: String| {
        loaded(&text).model.unwrap().sync_groups.into_iter().map(|group| group.members).collect::<Vec<_>>()
    };
    let two = instance("A", "et/h1") + &instance("B", "eth0").replace("id 7", "id 8");
    assert_eq!(of(two + &group("A B")), [["B"]]);
    assert!(of(instance("A", "et/h1") + &group("A")).is_empty());
}

#[test]
fn a_service_without_servers_is_left_out() {
    let model = model("virtual_server 10.0.0.1 80 {\nprotocol TCP\nsorry_server 10.0.0.9 80\n}\n");
    assert_eq!(model.virtual_servers, []);
}

#[test]
fn ipv6_services() {
    let settings = "protocol UDP\nlb_kind DR\npersistence_granularity 64\nreal_server 2001:db8::2 53 {\n}\nsorry_server 2001:db8::3";
    let server = service("2001:db8::1 53", settings);
    assert!(server.service.is_ipv6());
    assert_eq!(server.persistence.unwrap().granularity, Granularity::Prefix(64));
    assert_eq!(server.sorry_server.unwrap().address.to_string(), "[2001:db8::3]:53");
}

#[test]
fn scripts_are_split_twice() {
    let model = model(
        "global_defs {\nscript_user nobody :nogroup\n}\n\
         vrrp_script chk {\nscript \"/bin/check 'two words' \\x41\"\ninterval 0.5\nweight -20 reverse\nfall 3\nuser root\n}\n",
    );
    let script = &model.scripts[0];
    assert_eq!(script.command.arguments, ["/bin/check", "two words", "A"]);
    assert_eq!(script.command.account.as_ref().map(|account| &*account.user), Some("root"));
    assert_eq!((script.interval, script.timeout), (Duration::from_millis(500), Duration::from_millis(500)));
    assert_eq!((script.weight.number, script.weight.reverse, script.rise, script.fall), (-20, true, 1, 3));
    let user = model.globals.scripts.user.as_ref().unwrap();
    assert_eq!((user.group.as_deref(), user.supplementary), (Some("nogroup"), true));
}

#[test]
fn what_an_instance_tracks_and_tells() {
    let text = "vrrp_track_process web {\nprocess nginx -g x\nquorum_max 3\ndelay 2\n}\n\
        track_file load {\nfile /run/load\nweight 2\ninit_file 5 overwrite\n}\n\
        bfd_instance peer {\nneighbor_ip 10.0.0.2\nmin_rx 150\nweight 10\n}\n\
        vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress { 10.0.0.9 }\n\
        track_interface {\neth1 weight 5\neth2\n}\ntrack_process {\nweb weight 3\n}\ntrack_file {\nload\n}\ntrack_bfd {\npeer\n}\n\
        notify_master \"/up.sh a\" root :adm\nnotify_deleted\nuse_vmac vrrp.7 02:00:00:00:00\nstrict_mode off\n}\n\
        vrrp_sync_group G {\ngroup {\nA\n}\nnotify /g.sh\nsync_group_tracking_weight\n}\n";
    let model = model(text);
    let instance = &model.instances[0];
    assert_eq!(instance.tracking.interfaces.len(), 2);
    assert_eq!(instance.tracking.interfaces[0].1.number, 5);
    assert_eq!(instance.tracking.processes[0].weight.map(|weight| weight.number), Some(3));
    assert_eq!((instance.tracking.files.len(), instance.tracking.bfd.len()), (1, 1));
    assert_eq!(instance.notify.master.as_ref().unwrap().arguments, ["/up.sh", "a"]);
    assert_eq!(instance.notify.deleted.as_ref().unwrap().arguments, [""; 0]);
    assert_eq!(instance.strict, Some(false));
    let process = &model.processes[0];
    assert!(process.full_command && process.quorum_max == Some(3) && process.fork_delay.as_secs() == 2);
    assert_eq!(model.files[0].init, Some(InitFile { number: 5, overwrite: true }));
    assert_eq!(model.bfd[0].min_rx, Duration::from_millis(150));
    let group = &model.sync_groups[0];
    assert!(group.tracking_weight && group.notify.any.is_some());
    assert_eq!(group.members, ["A"]);
}

#[test]
fn routes_and_rules() {
    let text = "static_routes {\n\
        default via 10.0.0.1 dev eth0 table 9 metric 5 mtu lock 1400 rtt 100ms\n\
        blackhole 10.9.0.0/16\n\
        inet6 2001:db8::/32 nexthop via fe80::1 dev eth0 weight 3 nexthop via fe80::2 dev eth1\n\
        10.8.0.0/16 encap mpls 100/200 via 10.0.0.1 features ecn realms 1/2 pref high\n}\n\
        static_rules {\nnot from 10.0.0.0/8 fwmark 0x10/0xff lookup 9 priority 100\ndport 80-90 goto 200 preference 7\n}\n\
        static_ipaddress {\n10.0.0.1/24 dev eth0 brd + preferred_lft forever\n}\n";
    let model = model(text);
    let routes = &model.static_routes;
    let first = &routes[0];
    assert_eq!((first.to, first.metric), (None, Some(5)));
    let metrics: Vec<_> =
        first.metrics.iter().map(|metric| (metric.kind.word(), metric.locked, metric.number)).collect();
    assert_eq!(metrics, [("mtu", true, 1400), ("rtt", false, 800)]);
    assert_eq!((routes[1].kind, routes[1].to.unwrap().prefix), (Some(6), 16));
    assert_eq!((routes[2].family, routes[2].hops.len()), (Some(Family::Ipv6), 2));
    assert_eq!(routes[2].hops[0].weight, 3);
    assert!(routes[3].ecn && routes[3].realms == Some(0x0001_0002));
    assert_eq!((model.static_rules[0].fwmark, model.static_rules[0].invert), (Some((0x10, 0xff)), true));
    assert_eq!(model.static_rules[1].ports, Some((80, 90)));
    assert_eq!(model.static_addresses[0].address.broadcast.unwrap().to_string(), "10.0.0.255");
}

#[test]
fn the_strict_mode_has_its_way() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nstrict_mode on\npreempt_delay 5\n\
        down_timer_adverts 5\nlower_prio_no_advert off\nhigher_prio_send_advert on\ngarp_lower_prio_repeat 3\n\
        virtual_ipaddress { 10.0.0.9/24 }\n}\n";
    let strict = loaded(text);
    let told =
        strict.diagnostics.iter().filter(|one| one.message.starts_with("the strict mode has ")).count();
    assert_eq!(told, 5, "{:#?}", strict.diagnostics);
    let a = &strict.model.unwrap().instances[0];
    assert_eq!(a.preempt, Preempt::After { delay: Duration::ZERO });
    assert_eq!(
        (a.down_timer_adverts, a.lower_prio_no_advert, a.higher_prio_send_advert),
        (3, true, Some(false))
    );
    assert_eq!((a.garp.lower_prio_delay, a.garp.lower_prio_repeat), (Duration::ZERO, 0));
    // What comes with the mode needs no word.
    let plain = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nstrict_mode on\nvirtual_ipaddress { 10.0.0.9/24 }\n}\n";
    let plain = loaded(plain);
    assert!(!plain.diagnostics.iter().any(|one| one.code == Code::Conflict), "{:#?}", plain.diagnostics);
    assert_eq!(plain.model.unwrap().instances[0].garp.lower_prio_repeat, 0);
    let none =
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nstrict_mode on\nno_virtual_ipaddress\n}\n";
    assert!(loaded(none).diagnostics.iter().any(|one| one.code == Code::Required));
}

#[test]
fn one_frame_once_where_nothing_else_was_said_before() {
    let garp = |globals: &str| {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n\
             virtual_ipaddress {{ 10.0.0.9/24 }}\n}}\n"
        );
        let garp = loaded(&text).model.unwrap().instances[0].garp;
        (garp.master_delay.as_secs(), garp.master_repeat, garp.lower_prio_repeat)
    };
    assert_eq!(garp("vrrp_min_garp"), (0, 1, 1));
    assert_eq!(garp("vrrp_garp_master_repeat 3\nvrrp_min_garp"), (0, 3, 3));
    assert_eq!(garp("vrrp_min_garp\nvrrp_garp_master_repeat 3"), (0, 3, 3));
    assert_eq!(garp("vrrp_min_garp off"), (5, 5, 5));
}

#[test]
fn ipv6_instances_are_version_3() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nunicast_src_ip fe80::1\n\
        unicast_peer {\nfe80::2 min_ttl 254\n}\nvirtual_ipaddress { 2001:db8::9/64 }\n}\n";
    let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
    assert!(loaded.left_out().next().is_none());
    let model = loaded.model.unwrap();
    let a = &model.instances[0];
    assert_eq!((a.version, a.family, a.transport.source.is_some()), (Version::V3, Family::Ipv6, true));
    let version = |more: &str| {
        let text = text.replacen("interface eth0", &format!("interface eth0\nversion 2\n{more}"), 1);
        load(Path::new("t"), &Texts::one("t", &text), &Options::default()).model.unwrap().instances[0].version
    };
    // keepalived, too, lets who asks for it have version 2, unless it is strict.
    assert_eq!((version(""), version("strict_mode on")), (Version::V2, Version::V3));
    let unicast = a.unicast().unwrap();
    assert_eq!(unicast.group.to_string(), "ff02::12");
    assert_eq!(unicast.peers, [Peer { min_ttl: 254, ..Peer::new("fe80::2".parse().unwrap()) }]);
    // A peer that says from how far its adverts come is looked at.
    assert!(unicast.check_source);
}

#[test]
fn groups_of_virtual_servers() {
    let text = "virtual_server group web {\nprotocol TCP\nreal_server 10.1.0.1 80 {\nTCP_CHECK {\n}\n}\n}\n\
        virtual_server_group web {\n10.0.0.1-3 80\n10.0.1.0/30 80\n2001:db8::1-f 80\nfwmark 5 inet6\n}\n";
    let model = model(text);
    let server = &model.grouped_servers[0];
    let group = &model.server_groups[0];
    let services: Vec<String> = group
        .entries
        .iter()
        .flat_map(|entry| entry.services(server.protocol))
        .map(|service| service.to_string())
        .collect();
    assert_eq!(services.len(), 3 + 4 + 15 + 1);
    assert_eq!(services[2], "[10.0.0.3]:tcp:80");
    assert_eq!(services[22], "FWM 5");
    assert_eq!(server.like.real_servers[0].checkers.len(), 1);
}

/// A file that is emptied, removed or written over must be none that is read, and a place that is one.
#[test]
fn files_that_are_written_are_none_of_the_configuration() {
    let messages = |globals: &str, rest: &str| {
        let main = format!("global_defs {{\n{globals}\n}}\ninclude /etc/k/b.conf\n{rest}\n");
        let files = [("/etc/k/a.conf", &*main), ("/etc/k/b.conf", "# nothing\n")];
        let texts =
            Texts(files.map(|(name, text)| (name.into(), text.as_bytes().to_vec())).into_iter().collect());
        let loaded = load(Path::new("/etc/k/a.conf"), &texts, &Options::default());
        let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| one.message.clone()).collect::<Vec<_>>()
    };
    let ours = |path: &str| vec![format!("{path} is a file of this configuration")];
    let fine = "reload_file /run/m\nreload_time_file /run/t\nreload_check_config\nreload_repeat";
    assert_eq!(messages(fine, ""), [""; 0]);
    assert_eq!(messages("reload_file", ""), [""; 0]);
    for path in ["/etc/k/a.conf", "/etc/k/b.conf"] {
        for word in ["reload_file", "reload_time_file", "reload_check_config"] {
            assert_eq!(messages(&format!("{word} {path}"), ""), ours(path), "{word}");
        }
        let track = format!("track_file f {{\nfile {path}\ninit_file 0 overwrite\n}}");
        assert_eq!(messages("", &track), ours(path));
    }
    for path in ["m", "/run/", "/run/..", "/"] {
        for word in ["reload_file", "reload_time_file"] {
            let message = format!("`{path}` is no place of a file");
            assert_eq!(messages(&format!("{word} {path}"), ""), [message], "{word}");
        }
    }
    let same = messages("reload_file /run/m\nreload_time_file /run/m", "");
    assert_eq!(same, ["`reload_time_file` and `reload_file` are the same file, /run/m"]);
}

/// Whose adverts count is settled by the instance, by the globals, and by a peer whose distance is told.
#[test]
fn where_the_source_of_adverts_is_looked_at() {
    let checked = |globals: &str, settings: &str| {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{settings}\n\
             virtual_ipaddress {{ 10.0.0.9 }}\n}}\n"
        );
        model(&text).instances[0].unicast().map(|unicast| unicast.check_source)
    };
    let peer = "unicast_peer {\n10.0.0.2\n}";
    assert_eq!(checked("", peer), Some(false));
    assert_eq!(checked("", &format!("{peer}\ncheck_unicast_src")), Some(true));
    assert_eq!(checked("vrrp_check_unicast_src", peer), Some(true));
    assert_eq!(checked("", "unicast_peer {\n10.0.0.2\n10.0.0.3 max_ttl 255\n}"), Some(true));
    assert_eq!(checked("vrrp_check_unicast_src", ""), None);
}

/// keepalived goes to FAULT then, and to the group without the keyword.
#[test]
fn unicast_without_a_peer() {
    let settings = "unicast_src_ip 10.0.0.1";
    assert_eq!(instance(settings).unicast(), None);
    let fault = instance(&format!("{settings}\nunicast_fault_no_peer"));
    assert!(fault.peers().is_empty() && fault.unicast().unwrap().fault_without_peer);
}

#[test]
fn secrets_are_not_shown() {
    let key = "0123456789abcdef0123456789abcdef";
    let a = instance(&format!("auth_hmac {{\nkey 3 {key}\nactive_key 3\nmode permissive\n}}"));
    let Authentication::Hmac(hmac) = &a.authentication else { panic!() };
    assert_eq!((hmac.active, hmac.keys.len()), (3, 1));
    assert!(!format!("{a:?}").contains(key));
    for text in [
        "vrrp_instance A {\nauthentication {\nauth_type PASS\nauth_pass hush hush\n}\n}\n",
        "auth_pass hush\nvrrp_instance A {\nauth_hmac {\nkey 3 hush\nactive_key 4\n}\n}\nSSL {\npassword hush hush\n}\n",
        "vrrp_instance A {\nauthentication {\nauth_pas hush\n}\n}\n",
    ] {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        for format in [Format::Human, Format::Line, Format::Json] {
            let said = loaded.render(format, false);
            assert!(!said.contains("hush") && !said.is_empty(), "{said}");
        }
    }
}

#[test]
fn globals_of_every_kind() {
    let globals = model(
        "net_namespace blue\nglobal_defs {\nsmtp_server mail.example 26\nnotification_email {\na@example b@example\n}\n\
         lvs_timeouts tcp 60 udp 5\nlvs_sync_daemon eth0 VI_1 id 9\nvrrp_rt_priority 120\numask IRWXG|IWOTH\n\
         vrrp_cpu_affinity 0 2\nvrrp_garp_interval 0.5\nvrrp_rx_bufs_policy MTU\nenable_traps\nlvs_id old\n}\n",
    )
    .globals;
    assert_eq!(globals.host.namespace.as_deref(), Some("blue"));
    assert_eq!(globals.mail.server, Some(("mail.example".to_owned(), 26)));
    assert_eq!(globals.mail.to.len(), 2);
    assert_eq!(globals.lvs.timeouts.map(|timeouts| (timeouts.tcp, timeouts.udp)), Some((60, 5)));
    assert_eq!(globals.lvs.sync_daemon.and_then(|daemon| daemon.id), Some(9));
    assert_eq!((globals.process.vrrp.real_time, globals.process.umask), (Some(99), Some(0o072)));
    assert_eq!(globals.process.vrrp.cpus, [0, 2]);
    assert_eq!(globals.vrrp.garp_interval, Some(Duration::from_millis(500)));
    assert_eq!((globals.router_id.as_deref(), globals.outside.enabled.len()), (Some("old"), 1));
}

/// What keepalived takes must not be refused, and of two settings the one counts that counts there.
#[test]
fn readings_of_keepalived() {
    let real = "real_server 10.0.0.2 80 {\nTCP_CHECK {\ndelay_loop 86400\nwarmup 65536\ndelay_before_retry 7200\n}\n}";
    let kinds = "protocol TCP\nlb_algo rr\nlb_kind DR";
    let server = service("10.0.0.1 80", &format!("{kinds}\npersistence_granularity 24\n{real}"));
    assert_eq!(server.real_servers[0].checkers[0].timing.delay_loop, Duration::from_secs(86_400));
    assert_eq!(server.persistence, Some(Persistence { timeout: 360, granularity: Granularity::Prefix(24) }));
    let text = "track_file f {\nfile /a\nfile /b\n}\nvrrp_track_process p {\nprocess a\nprocess b\n}\n";
    let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
    let model = loaded.model.unwrap();
    assert_eq!((&*model.files[0].path, &*model.processes[0].command[0]), ("/a", "a"));
    let repeated = loaded.diagnostics.iter().filter(|one| one.code == Code::Repeated);
    let said: Vec<&str> = repeated.map(|one| &*one.message).collect();
    assert_eq!(said, ["`file` is set already", "`process` is set already"]);
}

#[test]
fn an_instance_must_be_heard_and_its_addresses_fit_a_packet() {
    let said = |interface: &str, addresses: &str| -> Vec<String> {
        let text = format!(
            "vrrp_instance VI_1 {{\ninterface {interface}\nvirtual_router_id 51\nvirtual_ipaddress {{\n{addresses}}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let told = |one: &Diagnostic| (one.severity > Severity::Lint).then(|| one.message.clone());
        loaded.diagnostics.iter().filter_map(told).collect()
    };
    assert_eq!(said("lo", "10.0.0.1\n"), ["an instance does not run on the loopback"]);
    let v4 = |count: u32| {
        (0..count).map(|last| format!("10.0.{}.{}\n", last / 200, last % 200)).collect::<String>()
    };
    let v6 = |count: u32| (0..count).map(|last| format!("fe80::{last:x}\n")).collect::<String>();
    assert_eq!(said("eth0", &v4(255)), [""; 0]);
    assert_eq!(said("eth0", &v4(256)), ["an advert of 1500 bytes names 255 addresses, this is one more"]);
    let surplus = said("eth0", &v6(100));
    assert_eq!(surplus.iter().filter(|line| line.contains("names 89 addresses")).count(), 1, "{surplus:?}");
}

#[test]
fn no_persistence_of_zero_seconds() {
    let text = format!(
        "virtual_server 10.0.0.1 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\npersistence_timeout 0\n\
         persistence_granularity 0.0.0.0\n{REAL}\n}}\n"
    );
    let loaded = loaded(&text);
    let [one] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert!(one.help.as_ref().unwrap().contains("persistence_granularity"));
    assert_eq!(loaded.degraded.unwrap().virtual_servers[0].persistence, None);
}

#[test]
fn the_own_address_among_the_peers() {
    let text = |peers: &str| {
        format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nunicast_src_ip 10.0.0.2\n\
             unicast_peer {{\n{peers}\n}}\nvirtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
        )
    };
    let shared = loaded(&text("10.0.0.2\n10.0.0.3"));
    let [one] = shared.diagnostics.as_slice() else { panic!("{:?}", shared.diagnostics) };
    assert_eq!((one.code, one.severity), (Code::OwnPeer, Severity::Lint));
    let peers: Vec<_> =
        shared.model.unwrap().instances[0].unicast().unwrap().peers.iter().map(|peer| peer.address).collect();
    assert_eq!(peers, ["10.0.0.3".parse::<std::net::IpAddr>().unwrap()]);
    let alone = loaded(&text("10.0.0.2"));
    assert!(
        alone.diagnostics[0].message.contains("the only peer is this node itself"),
        "{:?}",
        alone.diagnostics
    );
    assert!(alone.has_errors());
}

#[test]
fn what_ipv6_has_no_room_for_is_said() {
    let with = |kind: &str| {
        let text = format!(
            "vrrp_instance A {{\nversion 2\ninterface eth0\nvirtual_router_id 1\nauthentication {{\nauth_type {kind}\n\
             auth_pass secret\n}}\nvirtual_ipaddress {{\nfe80::1\n}}\n}}\n"
        );
        let loaded = loaded(&text);
        let said: Vec<String> = loaded.diagnostics.iter().map(|one| one.message.clone()).collect();
        let model = loaded.model.unwrap_or_else(|| panic!("{said:?}"));
        (model.instances[0].authentication.clone(), said.join("; "))
    };
    let (pass, said) = with("PASS");
    // The kind of authentication is on the wire, and has to be the peer's.
    assert!(
        pass == Authentication::Pass(*b"secret\0\0") && said.contains("no room for a password"),
        "{said}"
    );
    let (ah, said) = with("AH");
    assert!(ah == Authentication::None && said.contains("IPv4 only"), "{said}");
}

#[test]
fn names_that_no_process_has_are_named() {
    let warned = |text: &str| {
        let loaded = loaded(&format!("vrrp_track_process p {{\n{text}\n}}\n"));
        loaded.diagnostics.iter().any(|one| {
            one.message.contains("the name of a process has none") || one.message.contains("15 bytes")
        })
    };
    assert!(warned("process /usr/sbin/nginx") && warned("process averyveryverylongname"));
    for text in [
        "process nginx",
        "process averyveryverylo",
        "process /usr/sbin/nginx\nfull_command",
        "process /usr/sbin/nginx -g",
        "process /a\nparam_match",
    ] {
        assert!(!warned(text), "{text}");
    }
}

/// keepalived's process of the other side does not know of such a session.
#[test]
fn a_session_is_known_to_those_that_it_tells() {
    let found = |words: &str, named_by: &str| {
        let text = format!("bfd_instance P {{\nneighbor_ip 10.0.0.2\n{words}\n}}\n{named_by}");
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| one.message.clone()).collect::<Vec<String>>()
    };
    let tracks = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\ntrack_bfd {\nP\n}\nvirtual_ipaddress { 10.0.0.9 }\n}\n";
    let checks = "virtual_server 10.0.0.9 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.3 80 {\nBFD_CHECK {\nname P\n}\n}\n}\n";
    for (words, vrrp, checkers) in
        [("", true, true), ("vrrp", true, false), ("checker", false, true), ("vrrp\nchecker", true, true)]
    {
        let expected = |known: bool, who: &str| match known {
            true => Vec::new(),
            false => vec![format!("`bfd_instance P` does not tell {who}")],
        };
        assert_eq!(found(words, tracks), expected(vrrp, "VRRP"), "{words}");
        assert_eq!(found(words, checks), expected(checkers, "the checkers"), "{words}");
    }
}

#[test]
fn sessions_with_one_neighbour_need_sources() {
    let errors = |first: &str, second: &str| {
        let block =
            |name: &str, more: &str| format!("bfd_instance {name} {{\nneighbor_ip 10.0.0.2\n{more}\n}}\n");
        let text = [block("P", first), block("Q", second)].concat();
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).count()
    };
    assert_eq!(errors("", ""), 1);
    assert_eq!(errors("source_ip 10.0.0.1", ""), 1);
    assert_eq!(errors("source_ip 10.0.0.1", "source_ip 10.0.0.1"), 1);
    assert_eq!(errors("source_ip 10.0.0.1", "source_ip 10.0.0.3"), 0);
    assert_eq!(errors("", "multihop"), 0);
}

#[test]
fn no_packet_crosses_more_routers_than_its_ttl() {
    let hops = |words: &str| {
        model(&format!("bfd_instance P {{\nneighbor_ip 10.0.0.2\n{words}\n}}\n")).bfd[0].max_hops
    };
    assert_eq!(hops("max_hops 20"), 20);
    assert_eq!(hops("ttl 10\nmax_hops 20"), 10);
    assert_eq!(hops("max_hops -1"), -1);
}
