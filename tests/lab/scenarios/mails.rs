//! Mail alerts of the tutorial's pair, to a real mail server on the client's machine.

use super::Scenario;
use crate::lab::{Daemon, Lab, VIP, eventually, seconds, seed_http};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    extra: &[("smtpd", "opensmtpd"), ("socat", "socat")],
    limit: seconds(420),
    ..Scenario::directord(
        "mails",
        "a failover, a dead real server and a lost quorum arrive as mails, also those of a time without mail server, and at \
         a webhook",
        run,
    )
}];

/// Mail for anybody lands in one folder.
const SMTPD: &str = "listen on 0.0.0.0\n\
                     action \"store\" maildir \"/tmp/mails\" virtual { \"@\" = nobody }\n\
                     match from any for any action \"store\"\n";

fn serve_mail(lab: &Lab) -> Daemon {
    lab.client.write("/tmp/smtpd.conf", SMTPD);
    let daemon = lab.client.spawn("smtpd", "smtpd -d -f /tmp/smtpd.conf");
    eventually("the mail server listens", seconds(20), || lab.client.listens(25));
    daemon
}

/// Each request has its document in a line.
const HOOK: &str = "#!/bin/bash\n\
                    while IFS=$'\\r' read -r line && [ -n \"$line\" ]; do\n\
                    case ${line,,} in content-length:*) length=${line##* } ;; esac\n\
                    done\n\
                    { head -c \"$length\"; echo; } >>/tmp/hooks\n\
                    printf 'HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n'\n";

fn serve_hooks(lab: &Lab) -> Daemon {
    lab.client.write("/tmp/hook", HOOK);
    let daemon = lab.client.spawn("hooks", "socat TCP-LISTEN:8088,fork,reuseaddr EXEC:'bash /tmp/hook'");
    eventually("the webhook listens", seconds(20), || lab.client.listens(8088));
    daemon
}

fn told(lab: &Lab, words: &str) -> bool {
    lab.client.sh("cat /tmp/hooks 2>/dev/null; true").contains(words)
}

/// All mails for this recipient, headers and bodies; headers that are folded (RFC 5322 §2.2.3) as one line.
fn mails(lab: &Lab, recipient: &str) -> String {
    let files = format!("grep -lr '^Delivered-To: {recipient}' /tmp/mails/new 2>/dev/null");
    let text = lab.client.sh(&format!("for each in $({files}); do cat $each; done; true"));
    text.replace("\r\n", "\n").replace("\n ", " ")
}

fn has(lab: &Lab, words: &str) -> bool {
    ["ops@example.com", "night@example.com"].iter().all(|to| mails(lab, to).contains(words))
}

fn run(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
    let digests =
        ["192.168.100.8", "192.168.100.9"].map(|server| lab.genhash(lab.program(), server, "/", ""));
    let config = seed_http(&digests[0], &digests[1]);
    let to = "notification_email {\n        night@example.com\n        not@@an.address";
    let config = config
        .replace("notification_email {", to)
        .replace("286937899@qq.com", "ops@example.com")
        .replace(
            "smtp_server 192.168.100.1",
            "smtp_server 192.168.100.103\n    smtp_alert\n    webhook http://192.168.100.103:8088/events",
        )
        .replace("router_id LVS_DEVEL", "router_id LVS_DEVEL\n    no_checker_emails");
    assert!(config.contains("ops@example.com") && config.contains("smtp_alert"));
    let mut smtpd = serve_mail(lab);
    let mut hooks = serve_hooks(lab);
    let (master, backup) = lab.director_pair(&config);
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("the start arrives, as one mail of each node", seconds(40), || {
        has(lab, "VRRP Instance VI_1 - Entering MASTER state")
            && has(lab, "VRRP Instance VI_1 - Entering BACKUP state")
    });
    let text = mails(lab, "ops@example.com");
    assert!(text.contains("From: lvs@firewall.loc") && text.contains("X-Mailer: directord"), "{text}");
    assert!(text.contains("To: night@example.com, ops@example.com"), "{text}");
    assert!(text.contains("Virtualserver [192.168.100.240]:tcp:80 - UP"), "{text}");
    eventually("both nodes told the webhook", seconds(10), || {
        told(lab, "\"name\":\"VI_1\",\"state\":\"MASTER\"")
            && told(lab, "\"name\":\"VI_1\",\"state\":\"BACKUP\"")
    });
    master.says("`not@@an.address` is no mail address: it has more than one @");

    // A page that is not what it ought to be: the mail is keepalived's. (The pause after the last one is over.)
    lab.rs2.page("index.html", "somebody changed this page");
    let down = "Realserver [192.168.100.9]:tcp:80 of virtual server [192.168.100.240]:tcp:80 - DOWN";
    eventually("a dead real server arrives", seconds(90), || {
        has(lab, down) && has(lab, "=> CHECK failed on service : HTTP/SSL request failed <=")
    });

    let server = "\"real_server\":\"[192.168.100.9]:tcp:80\",\"state\":\"DOWN\",\"cause\":\"HTTP_GET\"";
    eventually("the webhook knows it, too", seconds(10), || told(lab, server));

    // Without the mail server nothing stands still, and nothing is lost.
    hooks.stop();
    smtpd.stop();
    eventually("nobody listens", seconds(10), || !lab.client.listens(25));
    lab.rs1.page("index.html", "this one, too");
    eventually("both are out", seconds(40), || lab.lvs01.ipvs().serving("TCP 192.168.100.240:80").is_empty());
    let silent = "mail alerts: 192.168.100.103:25: connection refused";
    eventually("the log says so", seconds(60), || master.log_has(silent));
    let took = master.stop();
    assert!(took < seconds(5), "a stop took {took:?}");
    eventually("the other node takes over", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    eventually("which it cannot tell", seconds(60), || backup.log_has(silent));
    smtpd = serve_mail(lab);
    hooks = serve_hooks(lab);
    eventually("the webhook is told later", seconds(90), || {
        told(lab, "\"virtual_server\":\"[192.168.100.240]:tcp:80\",\"state\":\"DOWN\"")
    });
    eventually("it is told later", seconds(120), || {
        backup.log_has("mail alerts are sent again")
            && has(lab, "Virtualserver [192.168.100.240]:tcp:80 - DOWN")
    });
    assert_eq!(backup.log().matches("connection refused").count(), 1, "said once");
    let text = mails(lab, "ops@example.com");
    let times = [&master, &backup].map(|daemon| daemon.log().matches("Entering MASTER STATE").count());
    assert_eq!(
        text.matches("Entering MASTER state").count(),
        times.iter().sum::<usize>(),
        "one for each time"
    );

    // A stop is mailed before the daemon goes.
    let took = backup.stop();
    assert!(took < seconds(5), "a stop took {took:?}");
    eventually("its stop is told", seconds(10), || told(lab, "\"name\":\"VI_1\",\"state\":\"STOP\""));
    hooks.stop();
    eventually("its stop arrives", seconds(10), || has(lab, "VRRP Instance VI_1 - Stopping"));
    smtpd.stop();
}
