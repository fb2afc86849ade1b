//! What is read becomes what is meant: defaults, inheritance, adjustments.

use std::path::Path;
use std::time::Duration;

use crate::config::model::{
    CheckKind, Forwarding, Garp, InitialState, Instance, Model, Persistence, Preempt, Service, Version,
    VirtualServer,
};
use crate::config::source::Texts;
use crate::config::{Options, load};

fn model(text: &str) -> Model {
    let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
    loaded.model.unwrap_or_else(|| panic!("{text}: {:?}", loaded.diagnostics))
}

fn instance(settings: &str) -> Instance {
    let text = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{settings}\nvirtual_ipaddress {{ 10.0.0.9 }}\n}}\n"
    );
    model(&text).instances.remove(0)
}

fn service(head: &str, settings: &str) -> VirtualServer {
    model(&format!("virtual_server {head} {{\n{settings}\n}}\n")).virtual_servers.remove(0)
}

const REAL: &str = "real_server 10.0.0.2 80 {\nTCP_CHECK {\n}\n}";

#[test]
fn an_instance_of_defaults() {
    let a = instance("");
    assert_eq!((a.version, a.initial_state, a.priority.number()), (Version::V2, InitialState::Backup, 100));
    assert_eq!((a.advert_interval.centiseconds(), a.down_timer_adverts, a.unicast_ttl), (100, 3, 255));
    assert_eq!(a.preempt, Preempt::After { delay: Duration::ZERO });
    assert_eq!(a.garp, Garp::default());
    assert_eq!(a.multicast_group.to_string(), "224.0.0.18");
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
    assert_eq!(tcp.connect.to.to_string(), "10.0.0.2:81");
    assert_eq!((tcp.retry, tcp.delay_loop.as_secs(), tcp.warmup.as_secs(), tcp.alpha), (5, 7, 7, false));
    assert_eq!((tcp.connect.timeout.as_secs(), tcp.delay_before_retry.as_secs()), (2, 1));
    assert_eq!((http.retry, http.warmup.as_secs(), http.delay_before_retry.as_secs()), (0, 1, 3));
    let CheckKind::Http(check) = &http.kind else { panic!() };
    let hosts: Vec<_> = check.urls.iter().map(|url| url.virtualhost.as_deref()).collect();
    assert_eq!(hosts, [Some("rs.example"), Some("u.example")]);
    assert!(check.urls[0].status_codes.contains(204));
}

#[test]
fn a_service_of_defaults() {
    let server = service("10.0.0.1", REAL);
    assert_eq!(server.service.to_string(), "[10.0.0.1]:udp:0");
    assert_eq!(server.scheduler.name(), "wlc");
    // Every port: a client must stay with its server.
    assert_eq!(server.persistence, Some(Persistence { timeout: 360, prefix: 32 }));
    assert_eq!((server.quorum, server.hysteresis), (1, 0));
    assert_eq!(server.real_servers[0].forwarding, Forwarding::Masquerade);
    assert_eq!(server.real_servers[0].address.port(), 80);
}

#[test]
fn only_nat_changes_the_port() {
    let settings = format!("lb_kind DR\nprotocol TCP\n{REAL}");
    let server = service("10.0.0.1 8080", &settings);
    assert_eq!(server.real_servers[0].address.port(), 8080);
    // The check goes where the file says.
    assert_eq!(server.real_servers[0].checkers[0].connect.to.port(), 80);
}

#[test]
fn firewall_marks() {
    let server = service(
        "fwmark 5",
        &format!("lb_algo sh\nsh-port\nops\nlb_kind TUN type gue port 6080 csum\n{REAL}"),
    );
    assert_eq!(server.service, Service::Fwmark { mark: 5, ipv6: false });
    assert_eq!(server.real_servers[0].address.port(), 0);
    assert!(server.flags.two && server.one_packet);
    assert!(matches!(server.real_servers[0].forwarding, Forwarding::Gue { port: 6080, .. }));
}

#[test]
fn persistence_and_quorum() {
    let settings = format!(
        "protocol TCP\npersistence_granularity 255.255.255.0\nquorum 9\nhysteresis 9\nweight 3\n{REAL}"
    );
    let server = service("10.0.0.1 80", &settings);
    assert_eq!(server.persistence, Some(Persistence { timeout: 360, prefix: 24 }));
    assert_eq!((server.quorum, server.hysteresis), (3, 2));
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
    assert_eq!(server.persistence.unwrap().prefix, 64);
    assert_eq!(server.sorry_server.unwrap().address.to_string(), "[2001:db8::3]:53");
}
