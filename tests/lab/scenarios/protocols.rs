//! `check NAME`: servers that are asked in their own language, against the programs of Debian: up, hung, killed, refusing, and
//! back again.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, Vrrp, eventually, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        extra: &[("redis-server", "redis-server"), ("openssl", "openssl"), ("socat", "socat")],
        limit: seconds(120),
        ..Scenario::directord(
            "protocols",
            "checks of one name take Redis and a server of texts out and bring them back, over TLS as well",
            run,
        )
    },
    Scenario {
        extra: &[("mariadbd", "mariadb-server"), ("mariadb", "mariadb-client")],
        memory: 1024,
        limit: seconds(180),
        ..Scenario::directord(
            "protocol_mysql",
            "MariaDB is up for whoever it refuses, and down when it hangs or has no room",
            mysql,
        )
    },
];

/// Ports of the services, one real server each.
const PORTS: [u16; 3] = [6379, 6380, 7000];

fn configuration() -> String {
    let service = |port: u16, check: &str| {
        format!(
            "virtual_server {VIP} {port} {{\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\nretry 1\n\
             delay_before_retry 0\nconnect_timeout 1\nreal_server 192.168.100.8 {port} {{\nweight 3\ncheck {check}\n}}\n}}\n"
        )
    };
    [
        Vrrp::default().text(),
        service(PORTS[0], "cache"),
        service(PORTS[1], "cache_tls"),
        // Defined below its user, and above the others.
        "check cache {\nprotocol redis\nretry 0\n}\ncheck cache_tls {\nprotocol redis\ntls\nretry 0\n}\n"
            .to_owned(),
        service(PORTS[2], "talk"),
        "check talk {\nexpect \"READY\"\nsend \"how are you\\r\\n\"\nexpect \"fine\\x2e\"\nretry 0\nconnect_timeout 4\n}\n"
            .to_owned(),
    ]
    .concat()
}

/// Whether each service has its real server.
fn serving(node: &Node) -> [bool; 3] {
    let table = node.ipvs();
    PORTS.map(|port| !table.serving(&format!("TCP {VIP}:{port}")).is_empty())
}

fn serve_redis(lab: &Lab, options: &str) -> Daemon {
    let daemon = lab.rs1.spawn(
        "redis",
        &format!(
            "redis-server --port 6379 --tls-port 6380 --tls-cert-file /tmp/cert.pem --tls-key-file /tmp/key.pem \
             --tls-auth-clients no --save '' --appendonly no --dir /tmp --protected-mode no {options}"
        ),
    );
    eventually("Redis listens", seconds(10), || lab.rs1.listens(6379) && lab.rs1.listens(6380));
    daemon
}

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    lab.rs1.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                    -subj /CN=$(hostname) -keyout /tmp/key.pem -out /tmp/cert.pem 2>/dev/null");
    lab.rs1.write("/tmp/talk.sh", "echo READY\nread x\ncat /tmp/mood\n");
    lab.rs1.write("/tmp/mood", "fine.\n");
    let mut redis = serve_redis(lab, "");
    let _talk = lab.rs1.spawn("talk", "socat TCP-LISTEN:7000,fork,reuseaddr EXEC:'sh /tmp/talk.sh'");
    eventually("the server of texts listens", seconds(10), || lab.rs1.listens(7000));
    let daemon = lab.director(node, Program::Directord, &configuration());
    let become_ = |what: &str, expected: [bool; 3]| {
        say(what);
        let reached = poll(seconds(10), || serving(node) == expected);
        assert!(reached.is_some(), "{what}: {:?}, not {expected:?}", serving(node));
    };
    become_("all pass", [true; 3]);
    redis.signal(Signal::SIGSTOP);
    become_("Redis hangs: its port is open all the same", [false, false, true]);
    redis.signal(Signal::SIGCONT);
    become_("it goes on", [true; 3]);
    redis.kill9();
    become_("without Redis its ports are closed", [false, false, true]);
    redis = serve_redis(lab, "--requirepass secret");
    become_("it is back and wants a password: it is up", [true; 3]);
    redis.kill9();
    redis = serve_redis(lab, "--maxclients 3");
    become_("it has room for three clients", [true; 3]);
    let clients =
        [1, 2, 3].map(|_| lab.rs1.spawn("client", "sleep 1000 | socat - TCP:127.0.0.1:6379 >/dev/null"));
    become_("they are there", [false, false, true]);
    clients.iter().for_each(Daemon::kill9);
    redis.kill9();
    redis = serve_redis(lab, "");
    lab.rs1.write("/tmp/mood", "not so well\n");
    become_("the other server is not well", [true, true, false]);
    lab.rs1.write("/tmp/mood", "fine.\n");
    become_("and is again", [true; 3]);
    for line in [
        "check cache on service [192.168.100.8]:tcp:6379 failed: answer to PING: connected, but no answer within 1 s",
        "check cache on service [192.168.100.8]:tcp:6379 failed: connection refused",
        "check cache on service [192.168.100.8]:tcp:6379 failed: answer to PING: expected +PONG, got `-ERR max number",
        "check cache on service [192.168.100.8]:tcp:6379 succeeded",
        "check cache_tls on service [192.168.100.8]:tcp:6380 failed: ",
        "check talk on service [192.168.100.8]:tcp:7000 failed: answer: expected an answer with `fine.`, got `not so well`",
    ] {
        daemon.says(line);
    }
    // A new name of the same question is a check of its own; equal ones keep their verdicts.
    redis.signal(Signal::SIGSTOP);
    become_("it hangs again", [false, false, true]);
    let status = node.sh("/lab/directord status");
    assert!(status.contains("check cache fails"), "{status}");
    lab.reload(node, &daemon, configuration().replace("check talk", "check speak"));
    become_("a reload changes nothing of the others", [false, false, true]);
    daemon.stop();
}

fn mysql(lab: &Lab) {
    let service = format!("TCP {VIP}:3306");
    let configuration = format!(
        "{}check database {{\nprotocol mysql\nretry 0\n}}\n\
         virtual_server {VIP} 3306 {{\ndelay_loop 0.5\nlb_algo rr\nlb_kind DR\nprotocol TCP\nconnect_timeout 2\n\
         real_server 192.168.100.8 3306 {{\ncheck database\n}}\n}}\n",
        Vrrp::default().text()
    );
    let database = lab.rs1.serve_mysql();
    lab.rs1.mysql_ready();
    let daemon = lab.director(&lab.lvs01, Program::Directord, &configuration);
    let becomes = |what: &str, up: bool| {
        eventually(what, seconds(15), || lab.lvs01.ipvs().serving(&service).is_empty() != up);
    };
    let said = |words: &str| {
        eventually(words, seconds(10), || daemon.log_has(words));
    };
    let sql = |text: &str| lab.rs1.sh(&format!("mariadb --no-defaults -S /tmp/mysql.sock -N -e \"{text}\""));
    let failed = "check database on service [192.168.100.8]:tcp:3306 failed: ";
    becomes("it refuses the login: it is up", true);
    eventually("it has refused more than one", seconds(10), || {
        let count = sql("show global status like 'Access_denied_errors'");
        count
            .split_whitespace()
            .last()
            .and_then(|count| count.parse::<u32>().ok())
            .is_some_and(|count| count > 3)
    });
    sql("create user directord");
    let aborted = || sql("show global status like 'Aborted_c%'");
    let before = aborted();
    let connections = || sql("show global status like 'Connections'");
    let start = connections();
    eventually("it lets the check in", seconds(10), || connections() != start);
    std::thread::sleep(seconds(3));
    assert_eq!(aborted(), before, "who may log in leaves as one should");
    database.signal(Signal::SIGSTOP);
    becomes("it hangs", false);
    said(&format!("{failed}greeting: connected, but no answer within 2 s"));
    database.signal(Signal::SIGCONT);
    becomes("it goes on", true);
    database.kill9();
    becomes("it is killed", false);
    said(&format!("{failed}connection refused"));
    daemon.stop();
}
