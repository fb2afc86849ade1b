//! What HTTP checks can ask beyond keepalived, and passes and failures in a row, against nginx.

use super::Scenario;
use crate::lab::{Lab, Program, VIP, Vrrp, eventually, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(120),
    ..Scenario::directord(
        "urls",
        "POST, headers, texts, sizes and times of an answer take a server out and bring it back, after as many runs as are asked for",
        run,
    )
}];

/// `/health` tells what it was asked, unless it is out of order; `/slow` takes its time.
const NGINX: &str = "daemon off;
master_process off;
pid /run/nginx.pid;
events { }
http {
    access_log /tmp/access.log;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 80;
        root /tmp/www;
        location = /health {
            if (-f /tmp/www/broken) { return 200 \"out of order\\n\"; }
            return 200 \"$request_method $http_x_probe $content_length\\n\";
        }
        location = /slow { limit_rate 1k; }
        location = /private {
            if ($http_authorization != \"Bearer of-the-lab\") { return 401; }
            return 200 \"welcome\\n\";
        }
    }
}
";

/// One service for each kind.
fn configuration() -> String {
    let service = |port: u16, timing: &str, url: &str| {
        format!(
            "virtual_server {VIP} {port} {{\ndelay_loop 1\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
             real_server 192.168.100.8 80 {{\nHTTP_GET {{\nconnect_timeout 3\ndelay_before_retry 1\n{timing}\n\
             url {{\n{url}\n}}\n}}\n}}\n}}\n"
        )
    };
    [
        Vrrp::default().text(),
        service(
            80,
            "rise 3\nfall 2\nlog_all_failures",
            "path /health\nmethod POST\nheader \"X-Probe: directord\"\nbody \"ping\"\ncontains \"POST directord 4\"",
        ),
        service(81, "fall 1\nlog_all_failures", "path /page\ncontains_not \"maintenance\"\nmax_size 64"),
        service(82, "fall 1", "path /slow\nmax_time 0.5"),
        service(83, "fall 1", &format!("path /private\nauth_bearer_file {TOKEN}")),
        service(84, "fall 1", "path /status\njson_pointer \"/db/up\" true"),
    ]
    .concat()
}

const PORTS: [u16; 5] = [80, 81, 82, 83, 84];

/// The secret of one of them.
const TOKEN: &str = "/etc/keepalived/token";

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    let file = |name: &str, text: &str| lab.rs1.file(&format!("/tmp/www/{name}"), text);
    file("page", "welcome\n");
    file("slow", "short\n");
    file("status", "{\"db\": {\"up\": true}}");
    node.write(TOKEN, "of-the-lab\n");
    node.sh(&format!("chmod 600 {TOKEN}"));
    lab.rs1.write("/tmp/nginx.conf", NGINX);
    let _nginx = lab.rs1.spawn("nginx", "nginx -c /tmp/nginx.conf -e /dev/stderr");
    eventually("the server listens", seconds(10), || lab.rs1.listens(80));
    let daemon = lab.director(node, Program::Directord, &configuration());
    let up = || {
        let table = node.ipvs();
        PORTS.map(|port| !table.serving(&format!("TCP {VIP}:{port}")).is_empty())
    };
    let become_ = |what: &str, expected: [bool; 5]| {
        say(what);
        assert!(poll(seconds(20), || up() == expected).is_some(), "{what}: {:?}, not {expected:?}", up());
    };
    let told = |line: &str| eventually(line, seconds(10), || daemon.log_has(line));
    become_("all pass", [true; 5]);
    // Before anything has passed the first failure counts.
    eventually("the first POST is answered", seconds(10), || {
        lab.rs1.read("/tmp/access.log").contains("POST /health HTTP/1.0\" 200")
    });
    file("broken", "");
    become_("the wrong words in the answer to a POST", [false, true, true, true, true]);
    told("failed, 1 more to go: expected a body with `POST directord 4`, got `out of order`");
    told("failed after 1 retry: expected a body with `POST directord 4`, got `out of order`");
    file("page", "down for maintenance\n");
    become_("a word that must not be there", [false, false, true, true, true]);
    told("expected a body without `maintenance`, got `down for maintenance`");
    lab.rs1.sh("rm /tmp/www/broken");
    become_("three runs in a row", [true, false, true, true, true]);
    told("passed, 1 of 3 runs before it is up");
    told("passed, 2 of 3 runs before it is up");
    told("succeeded, 3 runs in a row");
    file("page", &"welcome ".repeat(9));
    told("expected a body of at most 64 bytes, got a longer one");
    file("slow", &"x".repeat(2048));
    become_("an answer that takes more than a second", [true, false, false, true, true]);
    told("the answer is right, but took ");
    file("page", "welcome\n");
    file("slow", "short\n");
    become_("and all are right again", [true; 5]);
    file("status", "{\"db\": {\"up\": false}}");
    node.write(TOKEN, "of-nobody\n");
    node.sh(&format!("chmod 600 {TOKEN}"));
    lab.reload(node, &daemon, configuration());
    become_("a value of JSON, and a token that is read again", [true, true, true, false, false]);
    told("expected `true` at /db/up, got `false`");
    told("HTTP status code 401");
    file("status", "{\"db\": {\"up\": true}}");
    node.write(TOKEN, "of-the-lab\n");
    node.sh(&format!("chmod 644 {TOKEN}"));
    lab.reload(node, &daemon, configuration());
    told("others than its owner may use the file (mode 0644)");
    node.sh(&format!("chmod 600 {TOKEN}"));
    lab.reload(node, &daemon, configuration());
    become_("the file is its owner's alone", [true; 5]);
    let log = daemon.log();
    assert!(!log.contains("of-the-lab") && !log.contains("of-nobody"), "a secret is in the log");
    daemon.stop();
}
