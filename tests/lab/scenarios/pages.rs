//! What a page must say, and who may ask for it: `regex` and the client certificate of `SSL`, beside keepalived.

use super::Scenario;
use crate::lab::{Lab, Program, VIP, Vrrp, eventually, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(240),
    ..Scenario::directord(
        "pages",
        "a page whose words are wrong takes its server out, and a server that wants to know who asks is told, as with keepalived",
        run,
    )
}];

const NGINX: &str = "daemon off;
master_process off;
pid /run/nginx.pid;
events { }
http {
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server { listen 80; root /tmp/www; }
    server {
        listen 444 ssl;
        ssl_certificate /tmp/cert.pem;
        ssl_certificate_key /tmp/key.pem;
        ssl_client_certificate /tmp/cert.pem;
        ssl_verify_client on;
        root /tmp/www;
    }
}
";

const SSL: &str =
    "SSL {\npassword of-the-lab\nca /tmp/cert.pem\ncertificate /tmp/cert.pem\nkey /tmp/locked.pem\n}\n";

const PORTS: [u16; 4] = [80, 81, 82, 444];

/// One service for each kind of pattern, and one whose server asks who it is.
fn configuration(ssl: &str, pattern: &str) -> String {
    let service = |port: u16, server: u16, check: &str| {
        format!(
            "virtual_server {VIP} {port} {{\ndelay_loop 1\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
             real_server 192.168.100.8 {server} {{\nweight 1\n{check}connect_timeout 2\nretry 0\n\
             delay_before_retry 1\n}}\n}}\n}}\n"
        )
    };
    [
        ssl.to_owned(),
        Vrrp::default().text(),
        service(
            80,
            80,
            &format!("HTTP_GET {{\nlog_all_failures\nurl {{\npath /index.html\nregex \"{pattern}\"\n}}\n"),
        ),
        service(81, 80, "HTTP_GET {\nurl {\npath /index.html\nregex \"out of order\"\nregex_no_match\n}\n"),
        service(
            82,
            80,
            "HTTP_GET {\nurl {\npath /index.html\nregex \"WELCOME\"\nregex_options caseless\n}\n",
        ),
        service(444, 444, "SSL_GET {\nurl {\npath /index.html\nstatus_code 200\n}\n"),
    ]
    .concat()
}

fn play(lab: &Lab, program: Program) {
    let node = &lab.lvs01;
    let page = |text: &str| lab.rs1.page("index.html", text);
    let up = || {
        let table = node.ipvs();
        PORTS.map(|port| !table.serving(&format!("TCP {VIP}:{port}")).is_empty())
    };
    let become_ = |what: &str, expected: [bool; 4]| {
        let what = format!("{}: {what}", program.name());
        say(&what);
        assert!(poll(seconds(20), || up() == expected).is_some(), "{what}: {:?}, not {expected:?}", up());
    };
    page("Welcome\n");
    let daemon = lab.director(node, program, &configuration(SSL, "[Ww]elcome"));
    become_("all pass", [true; 4]);
    page("We are out of order\n");
    become_("the page says something else", [false, false, false, true]);
    if program == Program::Directord {
        eventually("every failure is told", seconds(10), || daemon.log_has(" fails still: "));
    }
    page("You are welcome\n");
    become_("and is right again", [true; 4]);
    if program == Program::Directord {
        lab.reload(node, &daemon, configuration(&SSL.replace("of-the-lab", "of-nobody"), "[Ww]elcome"));
        eventually("a wrong password is no reload", seconds(10), || {
            daemon.log_has("`password` does not open `key /tmp/locked.pem`")
        });
        assert!(!daemon.log().contains("of-nobody") && !daemon.log().contains("of-the-lab"));
        become_("what runs goes on", [true; 4]);
    }
    daemon.stop();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
    let daemon = lab.director(node, program, &configuration("", "[Ww]elcome"));
    become_("nobody in particular asks", [true, true, true, false]);
    daemon.stop();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
}

fn run(lab: &Lab) {
    lab.rs1.sh("mkdir -p /tmp/www");
    // One certificate is that of the server, that of who asks, and their authority.
    let made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout key.pem -out cert.pem 2>/dev/null
                openssl rsa -aes256 -in key.pem -out locked.pem -passout pass:of-the-lab 2>/dev/null";
    lab.rs1.sh(&format!("cd /tmp\n{made}"));
    for file in ["/tmp/cert.pem", "/tmp/locked.pem"] {
        lab.lvs01.write(file, lab.rs1.read(file));
    }
    lab.rs1.write("/tmp/nginx.conf", NGINX);
    let _nginx = lab.rs1.spawn("nginx", "nginx -c /tmp/nginx.conf -e /dev/stderr");
    eventually("the server listens", seconds(10), || lab.rs1.listens(80) && lab.rs1.listens(444));
    play(lab, Program::Keepalived);
    play(lab, Program::Directord);
    say("what is no pattern is an error, with its place");
    lab.lvs01.write("/tmp/wrong.conf", configuration(SSL, "wel(come"));
    let output = lab.lvs01.run("/lab/directord --check -f /tmp/wrong.conf 2>&1");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("error[D0027]") && text.contains("wel(come"), "{text}");
}
