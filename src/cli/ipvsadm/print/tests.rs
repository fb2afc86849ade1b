use super::super::address::tests::Few;
use super::*;

fn listed(text: &str, port: u16, protocol: u16) -> ListedService {
    let (family, address) = bytes(text);
    ListedService {
        family,
        protocol,
        address,
        port,
        scheduler: "rr".to_owned(),
        netmask: if family == 2 { [255; 4] } else { 128_u32.to_ne_bytes() },
        ..ListedService::default()
    }
}

fn bytes(text: &str) -> (u16, [u8; 16]) {
    let mut address = [0; 16];
    match text.parse().unwrap() {
        IpAddr::V4(v4) => {
            address[..4].copy_from_slice(&v4.octets());
            (2, address)
        }
        IpAddr::V6(v6) => (10, v6.octets()),
    }
}

fn server(text: &str, port: u16) -> ListedDestination {
    let (family, address) = bytes(text);
    ListedDestination { family, address, port, method: 3, weight: 1, ..ListedDestination::default() }
}

const NUMERIC: Format = Format {
    numeric: true,
    rules: false,
    stats: false,
    rate: false,
    thresholds: false,
    persistent: false,
    unsorted: false,
    exact: false,
    tunnels: false,
};

#[test]
fn a_list_has_ipvsadms_columns() {
    let all = [
        server("192.168.100.8", 80),
        ListedDestination { method: 0, weight: 65_535, ..server("10.0.0.1", 8080) },
    ];
    let printed = |format| title(format) + &service(&listed("192.168.100.240", 80, 6), &all, format, &Few);
    assert_eq!(
        head(Info { version: 0x01_0201, size: 4096 }),
        "IP Virtual Server version 1.2.1 (size=4096)\n"
    );
    assert_eq!(
        printed(NUMERIC),
        "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.100.240:80 rr
  -> 192.168.100.8:80             Route   1      0          0         \n  \
         -> 10.0.0.1:8080                Masq    65535  0          0         \n"
    );
    assert_eq!(
        printed(Format { stats: true, ..NUMERIC }).lines().next(),
        Some("Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes")
    );
    assert!(printed(Format { rate: true, ..NUMERIC }).contains("CPS    InPPS   OutPPS    InBPS   OutBPS\n"));
    assert!(
        printed(Format { thresholds: true, ..NUMERIC })
            .contains("Uthreshold Lthreshold ActiveConn InActConn \n")
    );
    assert!(printed(Format { tunnels: true, ..NUMERIC }).contains("Route   n/a           1      0 "));
    assert_eq!(
        printed(Format { rules: true, ..NUMERIC }),
        "-A -t 192.168.100.240:80 -s rr
-a -t 192.168.100.240:80 -r 192.168.100.8:80 -g -w 1
-a -t 192.168.100.240:80 -r 10.0.0.1:8080 -m -w 65535
"
    );
}

#[test]
fn all_that_a_service_can_have_is_shown_and_saved() {
    let full = ListedService {
        flags: PERSISTENT | ONE_PACKET | 0x18,
        timeout: 60,
        netmask: [255, 255, 255, 0],
        engine: "sip".to_owned(),
        scheduler: "sh".to_owned(),
        ..listed("10.0.0.7", 80, 6)
    };
    let line = |service: &ListedService, rules| {
        super::service(service, &[], Format { rules, ..Format::default() }, &Few).trim_end().to_owned()
    };
    assert_eq!(
        line(&full, false),
        "TCP  www:http sh (sh-fallback,sh-port) persistent 60 mask 255.255.255.0 pe sip ops"
    );
    assert_eq!(
        line(&full, true),
        "-A -t www:http -s sh -p 60 -M 255.255.255.0 --pe sip -o -b sh-fallback,sh-port"
    );
    let other = ListedService { flags: 0x28, scheduler: "rr".to_owned(), ..full.clone() };
    assert_eq!(line(&other, false), "TCP  www:http rr (flag-1,flag-3)");
    let unnamed = ListedService { flags: 0x20, ..full };
    assert_eq!(line(&unnamed, false), "TCP  www:http sh ()");
    let six = ListedService {
        flags: PERSISTENT,
        timeout: 9,
        netmask: 64_u32.to_ne_bytes(),
        ..listed("2001:db8::1", 53, 17)
    };
    assert_eq!(line(&six, true), "-A -u [2001:db8::1]:53 -s rr -p 9 -M 64");
    let mark = ListedService { mark: u32::MAX, protocol: 0, ..listed("::", 0, 0) };
    assert_eq!(line(&mark, false), "FWM  -1 IPv6 rr");
    assert_eq!(line(&ListedService { mark: 7, ..listed("0.0.0.0", 0, 0) }, true), "-A -f 7 -s rr");
}

#[test]
fn tunnels_are_shown_and_saved() {
    let through = |tunnel, tunnel_flags| ListedDestination {
        method: 2,
        tunnel,
        tunnel_port: 6080,
        tunnel_flags,
        ..server("10.0.0.1", 80)
    };
    let lines = [
        (through(0, 0), "ipip          ", "--tun-type ipip"),
        (through(1, 0), "gue:6080:-c   ", "--tun-type gue --tun-port 6080 --tun-nocsum"),
        (through(1, 2), "gue:6080:r+c  ", "--tun-type gue --tun-port 6080 --tun-remcsum"),
        (through(2, 1), "gre:+c        ", "--tun-type gre --tun-csum"),
    ];
    for (destination, about, saved) in lines {
        let printed =
            |format| service(&listed("10.0.0.7", 80, 6), std::slice::from_ref(&destination), format, &Few);
        let text = printed(Format { tunnels: true, ..NUMERIC });
        assert!(text.contains(&format!("Tunnel  {about}1      ")), "{text}");
        let text = printed(Format { rules: true, ..NUMERIC });
        assert!(text.ends_with(&format!("-i -w 1 {saved}\n")), "{text}");
    }
}

#[test]
fn large_numbers_are_shortened_unless_they_are_to_be_exact() {
    let numbers = [
        (0, "        0", "        0"),
        (99_999_999, " 99999999", " 99999999"),
        (100_000_000, "  100000K", " 100000000"),
        (1_000_000_000, "    1000M", " 1000000000"),
        (100_000_000_000, "     100G", " 100000000000"),
        (100_000_000_000_000, "     100T", " 100000000000000"),
        (u64::MAX, "18446744T", " 18446744073709551615"),
    ];
    for (number, short, exact) in numbers {
        assert_eq!((large(number, false), large(number, true)), (short.to_owned(), exact.to_owned()));
    }
    // A destination counts in 64 bits, too: ipvsadm reads half of them there.
    let counters = Counters { connections: (1 << 32) + 5, ..Counters::default() };
    let destination = ListedDestination { counters, ..server("10.0.0.1", 80) };
    let text = service(
        &listed("10.0.0.7", 80, 6),
        &[destination],
        Format { stats: true, exact: true, ..NUMERIC },
        &Few,
    );
    assert!(text.contains(" 4294967301 "), "{text}");
}

#[test]
fn the_order_is_that_of_ipvsadm() {
    let mut services: Vec<ListedService> =
        ["10.0.0.1", "192.168.0.1", "172.16.0.1"].map(|address| listed(address, 80, 6)).to_vec();
    services.push(listed("10.0.0.1", 80, 17));
    services.push(listed("2001:db8::1", 80, 6));
    services.push(ListedService { mark: 1, ..listed("0.0.0.0", 0, 0) });
    sort_services(&mut services);
    let order: Vec<String> =
        services.iter().map(|one| format!("{} {} {}", one.mark, one.protocol, one.ip())).collect();
    assert_eq!(
        order,
        [
            "0 6 172.16.0.1",
            "0 6 192.168.0.1",
            "0 6 10.0.0.1",
            "0 17 10.0.0.1",
            "0 6 2001:db8::1",
            "1 0 0.0.0.0"
        ]
    );
    let mut servers = vec![server("10.0.0.2", 80), server("10.0.0.1", 81), server("10.0.0.1", 80)];
    sort_destinations(&mut servers);
    assert_eq!(
        servers.iter().map(|one| (one.ip().to_string(), one.port)).collect::<Vec<_>>(),
        [("10.0.0.1".to_owned(), 80), ("10.0.0.1".to_owned(), 81), ("10.0.0.2".to_owned(), 80)]
    );
}

#[test]
fn daemons_and_timeouts() {
    use crate::ipvs::sync::Running;
    let running = Running {
        interface: "eth0".to_owned(),
        id: 5,
        max_length: 1472,
        port: 8848,
        ttl: 1,
        group: "224.0.0.81".parse().unwrap(),
    };
    let all = Daemons::from([
        (Role::Backup, running.clone()),
        (Role::Master, Running { max_length: 0, ..running }),
    ]);
    assert_eq!(
        daemons(&all),
        "master sync daemon (mcast=eth0, syncid=5, group=224.0.0.81, port=8848, ttl=1)
backup sync daemon (mcast=eth0, syncid=5, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)
"
    );
    let values = Values::from([(Which::Tcp, 900), (Which::TcpFin, 120), (Which::Udp, 300)]);
    assert_eq!(timeouts(&values), "Timeout (tcp tcpfin udp): 900 120 300\n");
}
