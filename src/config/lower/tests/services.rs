//! Virtual servers.

use super::*;

#[test]
fn a_service_of_defaults() {
    let server = service("10.0.0.1", REAL);
    assert_eq!(server.service.to_string(), "[10.0.0.1]:udp:0");
    assert_eq!(server.scheduler.name(), "wlc");
    // Every port: a client must stay with its server.
    assert_eq!(server.persistence, Some(Persistence { timeout: 360, granularity: Granularity::Prefix(32) }));
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
    assert_eq!(connect(&server.real_servers[0].checkers[0]).to.port(), 80);
}

#[test]
fn firewall_marks() {
    let server = service(
        "fwmark 5",
        &format!("lb_algo sh\nsh-port\nops\nlb_kind TUN type gue port 6080 csum\n{REAL}"),
    );
    assert_eq!(server.service, Service::Fwmark { mark: 5, family: Family::Ipv4 });
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
    assert_eq!(server.persistence, Some(Persistence { timeout: 360, granularity: Granularity::Prefix(24) }));
    assert_eq!((server.quorum, server.hysteresis), (3, 2));
    // The kernel takes any mask.
    let mask = |text: &str| {
        let server = service("10.0.0.1 80", &format!("protocol TCP\npersistence_granularity {text}\n{REAL}"));
        server.persistence.unwrap().granularity
    };
    assert_eq!(mask("255.0.255.3"), Granularity::Mask([255, 0, 255, 3].into()));
    assert_eq!(mask("0.0.0.0"), Granularity::Prefix(0));
}

#[test]
fn min_healthy_is_less_than_all() {
    let with = |least: &str| {
        let two = format!("{REAL}{}", REAL.replace("10.0.0.2", "10.0.0.3"));
        service("10.0.0.1 80", &format!("protocol TCP\nmin_healthy {least}\n{two}")).min_healthy
    };
    assert_eq!(with("50%"), Some(MinHealthy::Percent(50)));
    assert_eq!(with("99%").map(|least| least.of(2)), Some(1));
    assert_eq!(with("1"), Some(MinHealthy::Servers(1)));
    assert_eq!(with("2").map(|least| least.of(2)), Some(1), "one of them may fail");
    let alone = service("10.0.0.1 80", &format!("protocol TCP\nmin_healthy 1\n{REAL}"));
    assert_eq!(alone.min_healthy.map(|least| least.of(1)), Some(0));
    for wrong in ["0", "0%", "100%", "50 %", "+1", "-1", "1e9", "%", "4294967296"] {
        let text = format!("virtual_server 10.0.0.1 80 {{\nprotocol TCP\nmin_healthy {wrong}\n{REAL}\n}}\n");
        let errors = loaded(&text).diagnostics;
        assert!(errors.iter().any(|one| one.code == Code::BadNumber), "{wrong}: {errors:?}");
    }
}

/// Two blocks of one service are one: all their real servers count.
#[test]
fn min_healthy_counts_the_real_servers_of_all_blocks() {
    let block = |least: &str, lasts: &[u8]| {
        let reals: String =
            lasts.iter().map(|last| REAL.replace("10.0.0.2", &format!("10.0.0.{last}"))).collect();
        format!("virtual_server 10.0.0.1 80 {{\nprotocol TCP\n{least}{reals}}}\n")
    };
    let two = model(&(block("min_healthy 2\n", &[2, 3]) + &block("", &[4, 5, 6])));
    assert_eq!(two.virtual_servers[0].min_healthy, Some(MinHealthy::Servers(2)));
    let one = model(&(block("min_healthy 1\n", &[2]) + &block("", &[3, 4])));
    assert_eq!(one.virtual_servers[0].min_healthy, Some(MinHealthy::Servers(1)));
}
