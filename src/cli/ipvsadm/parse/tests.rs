use super::super::address::tests::Few;
use super::*;

fn read(line: &str) -> Result<Action, Stop> {
    let words: Vec<String> =
        line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('_', "")).collect();
    parse("ipvsadm", &words, &Few).map(|(action, _)| action)
}

fn refused(line: &str) -> (u8, String) {
    let stop = read(line).expect_err(line);
    (stop.status, stop.text.trim_end_matches('\n').to_owned())
}

fn tcp(address: &str) -> Service {
    Service::Address { protocol: Protocol::Tcp, address: address.parse().unwrap() }
}

#[test]
fn services_are_added_with_all_their_settings() {
    let settings = Settings {
        scheduler: "wlc".to_owned(),
        flags: SchedulerFlags::default(),
        one_packet: false,
        timeout: 0,
        granularity: Granularity::Prefix(32),
        engine: None,
    };
    let added = |service, settings| Ok(Action::Change(Operation::NewService(service, settings)));
    assert_eq!(read("-A -t 10.0.0.1:80"), added(tcp("10.0.0.1:80"), settings.clone()));
    let wanted = Settings {
        scheduler: "mh".to_owned(),
        flags: SchedulerFlags { one: true, two: true, three: false },
        timeout: 360,
        granularity: Granularity::Prefix(64),
        ..settings.clone()
    };
    let line = "-A -t [2001:db8::1]:http -s mh -b mh-port,,mh-fallback -M 64 -p";
    assert_eq!(read(line), added(tcp("[2001:db8::1]:80"), wanted));
    // A mask that comes before the address is forgotten with it.
    let six = Settings { granularity: Granularity::Prefix(128), ..settings.clone() };
    assert_eq!(read("-A -M 255.0.0.0 -t [2001:db8::1]:80"), added(tcp("[2001:db8::1]:80"), six.clone()));
    let mark = |family| Service::Fwmark { mark: 7, family };
    assert_eq!(read("-A -f 7 -6"), added(mark(Family::Ipv6), six));
    let udp = Service::Address { protocol: Protocol::Udp, address: "10.0.0.1:53".parse().unwrap() };
    let engine = Some("sip".to_owned());
    let wanted = Settings { one_packet: true, timeout: 9, engine, ..settings };
    assert_eq!(read("-A -u 10.0.0.1:53 -o --pe=sip -p9"), added(udp, wanted));
}

#[test]
fn real_servers_take_the_port_of_a_service_before_them() {
    let values = Destination {
        weight: 1,
        forwarding: Some(Forwarding::Masquerade),
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let added = |address: &str, values| {
        let address = address.parse().unwrap();
        Ok(Action::Change(Operation::NewDestination(tcp("10.0.0.1:80"), address, values)))
    };
    assert_eq!(read("-a -t 10.0.0.1:80 -r 10.0.1.1 -m"), added("10.0.1.1:80", values));
    assert_eq!(read("-a -r 10.0.1.1 -t 10.0.0.1:80 -m"), added("10.0.1.1:0", values));
    assert_eq!(read("-a -t 10.0.0.1:80 -r 10.0.1.1:81 -m"), added("10.0.1.1:81", values));
    let routed = Destination { forwarding: Some(Forwarding::DirectRoute), weight: 0, ..values };
    assert_eq!(read("-a -t 10.0.0.1:80 -r 10.0.1.1:81 -w 0"), added("10.0.1.1:80", routed));
    let checksum = TunnelChecksum::Remote;
    let tunnel = Destination {
        forwarding: Some(Forwarding::Gue { port: 6080, checksum }),
        upper_threshold: 9,
        lower_threshold: 8,
        ..values
    };
    let line = "-a -t 10.0.0.1:80 -r 2001:db8::1 -i --tun-type gue --tun-port 6080 --tun-remcsum -x 9 -y 8";
    assert_eq!(read(line), added("[2001:db8::1]:80", tunnel));
    let deleted = Operation::DeleteDestination(tcp("10.0.0.1:80"), "10.0.1.1:81".parse().unwrap());
    assert_eq!(read("-d -t 10.0.0.1:80 -r 10.0.1.1:81"), Ok(Action::Change(deleted)));
}

#[test]
fn what_is_no_change_of_a_service() {
    assert_eq!(read("-C"), Ok(Action::Flush));
    assert_eq!(read("-R"), Ok(Action::Restore));
    assert_eq!(read("-Z"), Ok(Action::Zero(None)));
    assert_eq!(read("-Z -t 0.0.0.0"), Ok(Action::Zero(None)));
    assert_eq!(read("-Z -t 10.0.0.1:80"), Ok(Action::Zero(Some(tcp("10.0.0.1:80")))));
    assert_eq!(read("--set 1 2 3"), Ok(Action::Timeouts([1, 2, 3])));
    let format = Format { numeric: true, exact: true, ..Format::default() };
    assert_eq!(read("-LnX"), Ok(Action::List(Listed::All, format)));
    assert_eq!(read("-S"), Ok(Action::List(Listed::All, Format { rules: true, ..Format::default() })));
    assert_eq!(read("-L -c"), Ok(Action::List(Listed::Connections, Format::default())));
    let Ok(Action::Sync(sync::Operation::Start(Role::Backup, daemon))) = read("--start-daemon backup") else {
        panic!();
    };
    assert_eq!((daemon.interface.as_str(), daemon.id), ("eth0", 0));
}

#[test]
fn ours_may_stand_anywhere() {
    let words = ["--force", "-R", "--runtime-dir", "/run/x", "--keep-going"].map(str::to_owned);
    let (action, ours) = parse("ipvsadm", &words, &Few).unwrap();
    assert_eq!(action, Action::Restore);
    assert_eq!(ours, Ours { force: true, keep_going: true, runtime_dir: Some("/run/x".to_owned()) });
}

#[test]
fn what_is_wrong_is_said_in_ipvsadms_words() {
    let help = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
    let lines = [
        ("word", 255, help),
        ("-Q", 255, help),
        ("-n -L", 255, help),
        ("--start-daemon", 255, help),
        ("-L -Q", 255, "-Q: unknown option"),
        ("-A -t", 255, "-t: missing argument"),
        ("-L -D", 2, "invalid option `-D'"),
        ("-L --stop-daemon master", 2, "invalid option `master'"),
        ("-L word", 2, "unexpected argument word"),
        ("-A", 2, "You need to supply the 'service-address' option for the 'add-service' command"),
        ("-D -t 10.0.0.1:80 -s rr", 2, "Illegal 'scheduler' option with the 'delete-service' command"),
        (
            "-L -c --daemon",
            2,
            "The option 'daemon' conflicts with the 'connection' option in the 'list' command",
        ),
        ("-L -c --stats", 2, "options conflicts in the list command"),
        ("-A -t 10.0.0.1:80 -t 10.0.0.1:80", 2, "multiple 'service-address' options specified"),
        ("-A -t 10.0.0.1", 2, "Zero port specified for non-persistent service"),
        ("-A -t 10.0.0.1:80 -o", 2, "One-Packet Scheduling is only for UDP virtual services"),
        ("-A -t 80", 2, "illegal virtual server address[:port] specified"),
        ("-A -t 10.0.0.1:80 -6", 2, "-6 used before -f"),
        ("-A -f 0", 2, "invalid fwmark value `0' specified"),
        ("-A -f 1 -p 2678401", 2, "invalid timeout value `2678401' specified"),
        ("-A -f 1 -p -M 1.2.3.x", 2, "illegal virtual server persistent mask specified"),
        ("-A -f 1 -6 -M 129", 2, "illegal ipv6 netmask specified"),
        ("-A -f 1 -b x", 2, "invalid scheduler flag `x'"),
        ("-A -f 1 -b ,", 2, "invalid scheduler flag `,'"),
        ("-A -f 1 -b sh-port", 2, "incompatible scheduler flag `sh-port'"),
        ("-a -f 1 -r 1", 2, "illegal real server address[:port] specified"),
        ("-a -f 1 -r 10.0.0.1 -w 2147483648", 2, "illegal weight specified"),
        ("-a -f 1 -r 10.0.0.1 -x -1", 2, "illegal u_threshold specified"),
        ("-a -f 1 -r ::1", 2, "Different address family is allowed only for tunneling servers"),
        ("-a -f 1 -r 10.0.0.1 --tun-port 5", 2, "Tunnel options conflict with forward method"),
        (
            "-a -f 1 -r 10.0.0.1 -i --tun-type gue",
            2,
            "You need to supply the 'tun-port' option for the 'gue' tunnel type",
        ),
        ("--set 1 2", 2, "--set option requires 3 timeout values"),
        ("--start-daemon both", 2, "illegal start-daemon parameter specified"),
        ("--start-daemon master --mcast-group 10.0.0.1", 2, "invalid IPv4 mcast-group `10.0.0.1'"),
        ("--start-daemon master --syncid 256", 2, "illegal syncid specified"),
    ];
    for (line, status, text) in lines {
        assert_eq!(refused(line), (status, text.to_owned()), "{line}");
    }
}

#[test]
fn long_words_are_cut_where_the_kernel_cuts_them() {
    let long = "a".repeat(100_000);
    let Ok(Action::Change(Operation::NewService(_, settings))) =
        read(&format!("-A -f 1 -s {long} --pe {long}"))
    else {
        panic!();
    };
    assert_eq!((settings.scheduler.len(), settings.engine.map(|engine| engine.len())), (15, Some(16)));
    for option in ["-t", "-r", "-w", "-p", "-M", "-b", "--tun-type"] {
        let _ = read(&format!("-A {option} {long}"));
    }
}
