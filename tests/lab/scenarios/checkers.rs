//! DNS_CHECK, UDP_CHECK, FILE_CHECK, SMTP_CHECK and PING_CHECK against real servers: up, killed, hung, with a wrong answer,
//! and back again; beside keepalived.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, Vrrp, eventually, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        extra: &[("dnsmasq", "dnsmasq-base"), ("smtpd", "opensmtpd"), ("socat", "socat")],
        limit: seconds(420),
        ..Scenario::directord(
            "checkers",
            "name servers, mail servers, hosts and files take real servers out and bring them back, as with keepalived",
            run,
        )
    },
    Scenario {
        limit: seconds(300),
        ..Scenario::directord(
            "silent_servers",
            "2,000 checks of servers that say nothing or refuse: descriptors are bounded, memory stays flat",
            silent,
        )
    },
];

/// A name server without anybody behind it: what it does not know it refuses.
const DNSMASQ: &str = "dnsmasq -k -u root -p 53 --conf-file=/dev/null --pid-file=/tmp/dns.pid --no-resolv --no-hosts \
                       --addn-hosts=/tmp/names";

/// Mail for anybody lands in one folder.
const SMTPD: &str = "listen on 0.0.0.0\n\
                     action \"store\" maildir \"/tmp/mails\" virtual { \"@\" = nobody }\n\
                     match from any for any action \"store\"\n";

/// A mail server of the other kind: `many` lines in its greeting, or a `wrong` one.
const SMTP: &str = "read mode </tmp/mode
if [ $mode = wrong ]; then printf '554 no\\r\\n'; sleep 1; exit; fi
printf '220-a\\r\\n220 b\\r\\n'; read x
printf '250 c\\r\\n'; read x
printf '221 d\\r\\n'
";

/// `www.example`, type A, with the id 1234.
const QUESTION: &str = "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 0001 0001";

/// One service for each kind, on a port of its own.
fn configuration() -> String {
    let service = |port: u16, protocol: &str, server: &str, check: &str| {
        format!(
            "virtual_server {VIP} {port} {{\ndelay_loop 1\nlb_algo wrr\nlb_kind DR\nprotocol {protocol}\n\
             real_server {server} {{\nweight 3\n{check}\n}}\n}}\n"
        )
    };
    let timing = "connect_timeout 2\nretry 0\ndelay_before_retry 1\n";
    let parts = [
        "track_file load {\nfile /tmp/load\n}\ntrack_file flag {\nfile /tmp/flag\n}\n".to_owned(),
        Vrrp::default().text(),
        service(
            53,
            "UDP",
            "192.168.100.8 53",
            &format!("DNS_CHECK {{\n{timing}type A\nname www.example\n}}"),
        ),
        // What its text has to say has no room in a datagram.
        service(
            54,
            "UDP",
            "192.168.100.8 53",
            &format!("DNS_CHECK {{\n{timing}type TXT\nname big.example.\n}}"),
        ),
        service(
            55,
            "UDP",
            "192.168.100.8 53",
            &format!(
                "UDP_CHECK {{\n{timing}payload {QUESTION}\nrequire_reply 12348xx0\nmin_reply_length 12\n}}"
            ),
        ),
        service(56, "UDP", "192.168.100.8 53", &format!("UDP_CHECK {{\n{timing}}}")),
        // Where no reply is asked for, its length does not count.
        service(
            57,
            "UDP",
            "192.168.100.8 53",
            &format!(
                "UDP_CHECK {{\n{timing}payload {QUESTION}\nmin_reply_length 1000\nmax_reply_length 2000\n}}"
            ),
        ),
        service(
            25,
            "TCP",
            "192.168.100.8 25",
            &format!("SMTP_CHECK {{\n{timing}helo_name check.example\n}}"),
        ),
        service(82, "TCP", "192.168.100.9 82", &format!("PING_CHECK {{\n{timing}}}")),
        service(83, "TCP", "192.168.100.9 83", "FILE_CHECK {\ntrack_file load\nweight 2\n}"),
        service(84, "TCP", "192.168.100.9 84", "FILE_CHECK {\ntrack_file flag\nweight 0\n}"),
    ];
    parts.concat()
}

/// Weights in the table by the port of the service; `None`: the real server is not in it.
fn weights(node: &Node) -> Vec<Option<i64>> {
    let table = node.ipvs();
    let service = |protocol: &str, port: u16| {
        let service = table.0.get(&format!("{protocol} {VIP}:{port}"))?;
        service.servers.values().next().map(|server| server.weight)
    };
    let all = [53, 54, 55, 56, 57].map(|port| service("UDP", port));
    all.into_iter().chain([25, 82, 83, 84].map(|port| service("TCP", port))).collect()
}

fn serve_names(lab: &Lab) -> Daemon {
    let text = "a".repeat(200);
    let big = format!("--txt-record=big.example,{text},{text},{text},{text}");
    lab.rs1.spawn("dns", &format!("{DNSMASQ} {big}"))
}

fn serve_mail(lab: &Lab) -> Daemon {
    lab.rs1.write("/tmp/smtpd.conf", SMTPD);
    let daemon = lab.rs1.spawn("smtpd", "smtpd -d -f /tmp/smtpd.conf");
    eventually("the mail server listens", seconds(20), || lab.rs1.listens(25));
    daemon
}

fn play(lab: &Lab, program: Program) {
    let node = &lab.lvs01;
    let ours = program == Program::Directord;
    let file = |name: &str, number: &str| node.write(&format!("/tmp/{name}"), format!("{number}\n"));
    file("load", "0");
    file("flag", "0");
    let knows = |text: &str| lab.rs1.write("/tmp/names", text);
    knows("10.0.0.1 www.example\n");
    let mut names = serve_names(lab);
    let mut mail = serve_mail(lab);
    let daemon = lab.director(node, program, &configuration());
    let become_ = |what: &str, expected: [Option<i64>; 9]| {
        let what = format!("{}: {what}", program.name());
        say(&what);
        let reached = poll(seconds(20), || weights(node) == expected);
        assert!(reached.is_some(), "{what}: the table is {:?}, not {expected:?}", weights(node));
    };
    let up = Some(3);
    become_("all pass", [up; 9]);
    names.kill9();
    become_("without the name server its port is closed", [None, None, None, None, None, up, up, up, up]);
    names = serve_names(lab);
    become_("it is back", [up; 9]);
    knows("");
    names.signal(Signal::SIGHUP);
    become_(
        "it refuses the name, and one datagram is answered otherwise",
        [None, up, None, up, up, up, up, up, up],
    );
    knows("10.0.0.1 www.example\n");
    names.signal(Signal::SIGHUP);
    become_("it knows the name again", [up; 9]);
    lab.rs1.pause();
    let silent = [None, None, None, up, up, None, up, up, up];
    become_("all programs hang: silence is enough where no reply is asked for, and hosts answer", silent);
    lab.rs1.resume();
    become_("they go on", [up; 9]);
    mail.kill9();
    become_("without the mail server its port is closed", [up, up, up, up, up, None, up, up, up]);
    lab.rs1.write("/tmp/smtp.sh", SMTP);
    lab.rs1.write("/tmp/mode", "many\n");
    let other = lab.rs1.spawn("other", "socat TCP-LISTEN:25,fork,reuseaddr EXEC:'sh /tmp/smtp.sh'");
    eventually("another mail server listens", seconds(10), || lab.rs1.listens(25));
    // Its greeting of two lines is one for us, and none for keepalived.
    become_("a greeting of several lines", [up, up, up, up, up, if ours { up } else { None }, up, up, up]);
    lab.rs1.write("/tmp/mode", "wrong\n");
    become_("another greeting", [up, up, up, up, up, None, up, up, up]);
    other.kill9();
    mail = serve_mail(lab);
    become_("the mail server is back", [up; 9]);
    lab.rs2.cut("eth0");
    become_("the host is cut off", [up, up, up, up, up, up, None, up, up]);
    lab.rs2.mend("eth0");
    become_("and is back", [up; 9]);
    file("load", "5");
    become_("the number times the weight is added", [up, up, up, up, up, up, up, Some(13), up]);
    file("load", "-1");
    become_("and is taken away", [up, up, up, up, up, up, up, Some(1), up]);
    file("load", "-2147483647");
    become_("the lowest number fails", [up, up, up, up, up, up, up, None, up]);
    file("load", "0");
    file("flag", "1");
    become_("without a weight every number but 0 fails", [up, up, up, up, up, up, up, up, None]);
    node.sh("rm /tmp/flag");
    become_("a file that is gone counts as 0", [up; 9]);
    if ours {
        for line in [
            "DNS_CHECK on service [192.168.100.8]:udp:53 failed: connection refused",
            "DNS_CHECK on service [192.168.100.8]:udp:53 failed: expected NOERROR, got REFUSED",
            "UDP_CHECK on service [192.168.100.8]:udp:55 failed: expected a reply that starts with 12348xx0, got 1234",
            "SMTP_CHECK on service [192.168.100.8]:tcp:25 failed: greeting: expected 220, got `554 no`",
            "SMTP_CHECK on service [192.168.100.8]:tcp:25 failed: greeting: connected, but no answer within 2 s",
            "PING_CHECK on service [192.168.100.9]:tcp:82 failed: ",
            "FILE_CHECK on service [192.168.100.9]:tcp:84 failed: track_file flag: expected 0, got 1 (weight 0)",
        ] {
            daemon.says(line);
        }
    }
    daemon.stop();
    names.kill9();
    mail.kill9();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
}

fn run(lab: &Lab) {
    play(lab, Program::Keepalived);
    play(lab, Program::Directord);
}

/// Real servers that are a host with closed ports and a web server that is silent until it is asked, and as many behind a
/// black hole; each has all checks.
const SERVERS: usize = 500;

fn silent(lab: &Lab) {
    lab.rs1.serve_http(&[("index.html", "rs1")]);
    lab.rs1.sh("ip route add local 10.1.0.0/16 dev lo; ip route add blackhole 10.2.0.0/16");
    lab.lvs01.sh("ip route add 10.1.0.0/16 via 192.168.100.8; ip route add 10.2.0.0/16 via 192.168.100.8");
    let timing = "connect_timeout 2\nretry 1\ndelay_before_retry 1\n";
    let mut text = format!(
        "{}virtual_server {VIP} 80 {{\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\n",
        Vrrp::default().text()
    );
    for server in 0..SERVERS {
        let (net, last) = (1 + server % 2, server / 2 + 1);
        text += &format!(
            "real_server 10.{net}.{}.{} 80 {{\nSMTP_CHECK {{\n{timing}}}\nDNS_CHECK {{\n{timing}}}\n\
             UDP_CHECK {{\n{timing}require_reply\n}}\nPING_CHECK {{\n{timing}}}\n}}\n",
            last / 250,
            last % 250 + 1,
        );
    }
    text += "}\n";
    let daemon = lab.director(&lab.lvs01, Program::Directord, &text);
    eventually("all servers are out", seconds(60), || {
        let table = lab.lvs01.ipvs();
        let service = table.0.get(&format!("TCP {VIP}:80"));
        service.is_some_and(|service| service.servers.is_empty())
    });
    let look = |times: usize| {
        let samples = (0..times).map(|_| {
            std::thread::sleep(seconds(1));
            let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
            (daemon.pss(), open)
        });
        samples.reduce(|(memory, files), (pss, open)| (memory.max(pss), files.max(open))).unwrap()
    };
    let (before, _) = look(20);
    let (after, files) = look(30);
    say(&format!("{before} KiB, half a minute later {after} KiB; {files} descriptors at most"));
    assert!(files <= SERVERS * 4 + 100, "{files} descriptors for {} checks", SERVERS * 4);
    assert!(after <= before + before / 10, "{before} KiB before, {after} KiB half a minute later");
    let line =
        "SMTP_CHECK on service [10.1.0.2]:tcp:80 failed after 1 retry: greeting: connected, but no answer";
    daemon.says(line);
    daemon.stop();
}
