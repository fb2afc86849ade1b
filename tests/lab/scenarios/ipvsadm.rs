//! `directord ipvsadm` in the place of ipvsadm: the same command lines, right and wrong ones, with the same outcome.

use std::collections::BTreeMap;

use super::Scenario;
use super::handover::serve;
use crate::lab::{BOTH, Lab, Node, VIP, Vrrp, eventually, say, seconds, web_service};

/// To start a program takes long in this machine: a machine for each part of the lines.
const fn lines(name: &'static str, says: &'static str, run: fn(&Lab)) -> Scenario {
    Scenario { limit: seconds(900), ..Scenario::directord(name, says, run) }
}

pub const SCENARIOS: &[Scenario] = &[
    lines(
        "ipvsadm_words",
        "the command lines of the tutorials, and words in every order (LAB_LINES=all: many more): status, output and table are those of ipvsadm 1.31",
        |lab| {
            let lines = SEEDS.lines().map(str::to_owned).collect();
            equal(lab, &["Words", "Who"], &["Addresses", "Marks", "Schedulers", "Names"], lines);
        },
    ),
    lines("ipvsadm_servers", "the same: real servers, saved rules (LAB_LINES=all: many more)", |lab| {
        let lines = if all() { pairs() } else { Vec::new() };
        equal(lab, &["Real servers", "Saved"], &["The order", "Timeouts"], lines);
    }),
    Scenario::directord(
        "ipvsadm_lists",
        "connections and counters are shown as by ipvsadm 1.31; so is a kernel without IPVS",
        |lab| {
            with_connections(lab);
            without_the_module(lab);
        },
    ),
    Scenario::directord(
        "ipvsadm_manners",
        "saved rules are carried out as a whole or not at all; what the daemon keeps is left alone",
        manners,
    ),
];

const SEEDS: &str = include_str!("../ipvsadm/seeds.txt");
const LINES: &str = include_str!("../ipvsadm/lines.txt");

/// Carries lines out, and writes down what came of each; `table` is what ipvsadm says of it.
const LOOP: &str = r#"
exec 3>$1.out 4>$1.err 5>$1.table
n=0
while IFS= read -r line; do
    n=$((n + 1))
    for to in 3 4 5; do echo "@@@ $n" >&$to; done
    status=0
    eval "$line" >&3 2>&4 </dev/null || status=$?
    echo "status $status" >&3
    # What failed as a whole has changed nothing: the next line that succeeds would show it.
    case $status,$line in 0,* | *'|'*) /usr/sbin/ipvsadm -Sn >&5 ;; esac
done <$2
"#;

/// One of so many.
const EACH: usize = 4;

/// `LAB_LINES=all`
fn all() -> bool {
    std::env::var("LAB_LINES").is_ok_and(|lines| lines == "all")
}

/// Where the program is called ipvsadm.
fn install(node: &Node) {
    node.sh("mkdir -p /run/ours
         for name in ipvsadm ipvsadm-save ipvsadm-restore; do ln -sf /lab/directord /run/ours/$name; done");
}

/// Commands with options: each option with some of the commands, each command with some of the options.
fn pairs() -> Vec<String> {
    let commands = [
        "-A -t 10.8.0.1:80",
        "-E -t 10.8.0.2:80",
        "-D -t 10.8.0.2:80",
        "-C",
        "-L",
        "-S",
        "-Z",
        "-a -t 10.8.0.2:80 -r 10.8.1.2",
        "-e -t 10.8.0.2:80 -r 10.8.1.1",
        "-d -t 10.8.0.2:80 -r 10.8.1.1",
        "--set 900 120 300",
        "--start-daemon master",
        "--stop-daemon master",
        "-R",
    ];
    let options = [
        "-n",
        "-c",
        "-u 10.8.0.3:53",
        "-s rr",
        "-p",
        "-M 255.255.255.0",
        "-r 10.8.1.9",
        "-m",
        "-w 2",
        "-x 9",
        "-y 8",
        "--mcast-interface lo",
        "--timeout",
        "--daemon",
        "--stats",
        "--rate",
        "--thresholds",
        "--persistent-conn",
        "--nosort",
        "--syncid 3",
        "-X",
        "-o",
        "--pe sip",
        "-b flag-1",
        "--mcast-group 224.0.0.5",
        "--mcast-port 99",
        "--mcast-ttl 2",
        "--sync-maxlen 999",
        "--tun-info",
        "--tun-type gre",
        "--tun-port 5",
        "--tun-nocsum",
        "--tun-csum",
        "--tun-remcsum",
        "-6",
    ];
    let mut lines = Vec::new();
    for (shift, command) in commands.into_iter().enumerate() {
        lines.push(
            "ipvsadm -C; ipvsadm -A -t 10.8.0.2:80 -s rr; ipvsadm -a -t 10.8.0.2:80 -r 10.8.1.1".to_owned(),
        );
        for option in options.into_iter().skip(shift % EACH).step_by(EACH) {
            lines.push(format!("ipvsadm {command} {option}"));
        }
        lines.push("ipvsadm --stop-daemon master".to_owned());
    }
    lines.push("ipvsadm -C".to_owned());
    lines
}

/// Of each line its output with the status, its messages, and the table.
fn outcomes(node: &Node, path: &str, lines: &[String], ours: bool) -> BTreeMap<usize, [String; 3]> {
    node.write("/run/lines", lines.join("\n") + "\n");
    node.write("/run/loop", LOOP);
    let (path_first, keep) = if ours { ("/run/ours:", "--keep-going") } else { ("", "") };
    node.sh(&format!("PATH={path_first}$PATH KEEP={keep} sh /run/loop {path} /run/lines"));
    let mut found: BTreeMap<usize, [String; 3]> = BTreeMap::new();
    for (place, kind) in ["out", "err", "table"].iter().enumerate() {
        let text = node.bytes(&format!("{path}.{kind}"));
        let text: String = text.iter().map(|byte| char::from(*byte)).collect();
        for part in text.split("@@@ ").skip(1) {
            let (number, text) = part.split_once('\n').unwrap();
            found.entry(number.parse().unwrap()).or_default()[place] = text.to_owned();
        }
    }
    found
}

/// The lines below these headings, behind others; `more`: where all are asked for.
fn equal(lab: &Lab, headings: &[&str], more: &[&str], mut lines: Vec<String>) {
    let more = if all() { more } else { &[] };
    // One after the other: the order of the kernel's lists is another one in another network namespace.
    let node = &lab.lvs01;
    install(node);
    node.write("/etc/nsswitch.conf", "hosts: files\nservices: files\n");
    node.write(
        "/etc/hosts",
        "127.0.0.1 localhost\n10.9.7.7 lvs-test-host\n2001:db8::77 six-test-host\n\
         10.9.7.8 a-host-with-a-name-that-is-longer-than-any-column-of-any-list.example long-test-host\n",
    );
    let mut wanted = false;
    for line in LINES.lines() {
        match line.strip_prefix("# ") {
            Some(heading) => wanted = headings.iter().chain(more).any(|known| heading.starts_with(known)),
            None => lines.extend(wanted.then(|| line.to_owned())),
        }
    }
    let expected = outcomes(node, "/run/theirs", &lines, false);
    say(&format!("{} lines with ipvsadm", lines.len()));
    let found = outcomes(node, "/run/found", &lines, true);
    assert_eq!(expected.len(), lines.len(), "every line was carried out");
    let mut different = 0;
    for (number, line) in lines.iter().enumerate() {
        let (expected, found) = (&expected[&(number + 1)], &found[&(number + 1)]);
        if expected != found {
            different += 1;
            say(&format!("{line}\n  ipvsadm   {expected:?}\n  directord {found:?}"));
        }
    }
    assert_eq!(different, 0, "of {} lines", lines.len());
    say(&format!("{} lines, no difference", lines.len()));
}

/// Counters and connections, looked at by both in the same node.
fn with_connections(lab: &Lab) {
    serve(lab);
    let node = &lab.lvs01;
    install(node);
    node.sh(&format!(
        "ip addr add {VIP}/32 dev eth0
         ipvsadm -A -t {VIP}:80 -s rr -p 60; ipvsadm -a -t {VIP}:80 -r 192.168.100.8 -x 500 -y 300
         ipvsadm -a -t {VIP}:80 -r 192.168.100.9"
    ));
    let held = lab.client.hold(&format!("{VIP}:80"), 8);
    let lists = [
        "-Ln",
        "-L",
        "-Ln --stats",
        "-Ln --rate",
        "-Ln --stats -X",
        "-Ln --rate -X",
        "-Ln --persistent-conn",
        "-Ln --thresholds",
        "-Ln -c",
        "-L -c",
        "-Ln -c --persistent-conn",
        "-Ln --tun-info",
    ];
    for list in lists {
        // Numbers move; what stands still for three looks is compared.
        let compared = || {
            let text = node
                .sh(&format!("ipvsadm {list}; echo @@@; /run/ours/ipvsadm {list}; echo @@@; ipvsadm {list}"));
            let [before, ours, after]: [&str; 3] =
                text.split("@@@\n").collect::<Vec<_>>().try_into().unwrap();
            (before == after)
                .then(|| assert_eq!(ours, before, "{list}: left ours, right ipvsadm's"))
                .is_some()
        };
        eventually(&format!("{list} stands still"), seconds(30), compared);
    }
    assert!(node.sh("/run/ours/ipvsadm -Ln -c").lines().count() > 8);
    assert_eq!(held.finish(), [""; 0]);
    node.sh("ipvsadm -C");
}

fn without_the_module(lab: &Lab) {
    let node = &lab.lvs01;
    Node::machine().sh("rmmod $(cut -d' ' -f1 /proc/modules | grep ^ip_vs_) ip_vs; echo /bin/false >/proc/sys/kernel/modprobe");
    node.sh("mount --bind /bin/false $(readlink -f $(command -v modprobe))");
    for line in ["-Ln", "-A -t 10.0.0.1:80", "-C", ""] {
        let [theirs, ours] = ["/usr/sbin/ipvsadm", "/run/ours/ipvsadm"].map(|program| {
            let output = node.run(&format!("{program} {line}"));
            (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
        });
        assert_eq!(ours, theirs, "{line}: left ours, right ipvsadm's");
    }
    // What needs no kernel is answered without one.
    assert!(node.sh("/run/ours/ipvsadm -h").contains("/run/ours/ipvsadm -A|-E SERVICE"));
    assert!(node.sh("/run/ours/ipvsadm -v").starts_with("ipvsadm v1.31 "));
}

/// Status and messages of a command line.
fn said(node: &Node, script: &str) -> (i32, String) {
    let output = node.run(script);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn manners(lab: &Lab) {
    serve(lab);
    let node = &lab.lvs01;
    install(node);
    let saved = || node.sh("/usr/sbin/ipvsadm -Sn");
    let ours = |words: &str| said(node, &format!("/lab/directord ipvsadm {words}"));
    let restored = |rules: &str| {
        node.write("/run/rules", rules);
        said(node, "/lab/directord ipvsadm -R </run/rules")
    };

    // All or nothing.
    let first = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 3\n";
    assert_eq!(restored(first), (0, String::new()));
    assert_eq!(saved(), first);
    let (status, told) =
        restored("-A -t 10.9.0.2:80 -s rr\n-D -t 10.9.0.9:80\n-A -t 10.9.0.3:80 -s rr\n-A -t 10.9.0.1:80\n");
    assert_eq!(status, 2);
    assert_eq!(
        told,
        "line 2: No such service: -D -t 10.9.0.9:80\nline 4: Service already exists: -A -t 10.9.0.1:80\nnothing is changed\n"
    );
    assert_eq!(saved(), first);
    let (status, told) = restored("-A -t 10.9.0.2:80 -p 0\n-C\n-A -t 10.9.0.3:80 --nosuch\n");
    assert_eq!(status, 2);
    assert!(
        told.starts_with("line 1: invalid timeout value `0' specified: ") && told.contains("\nline 3: "),
        "{told}"
    );
    assert_eq!(saved(), first);
    // What only the kernel knows is put back.
    let rules = "-e -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 7\n-A -t 10.9.0.2:80 -s rr\n-A -t 10.9.0.3:80 -s nosuch\n-a -t 10.9.0.3:80 -r 10.9.1.1\n";
    let (status, told) = restored(rules);
    assert_eq!(status, 2);
    assert_eq!(
        told,
        "line 3: Scheduler or persistence engine not found: -A -t 10.9.0.3:80 -s nosuch\nthe table is as it was\n"
    );
    assert_eq!(saved(), first);
    let (status, told) = restored("-C\n-A -t 10.9.0.3:80 -s nosuch\n");
    assert!(status == 2 && told.ends_with("the table is as it was\n"), "{told}");
    assert_eq!(saved(), first);
    // The same when it is called ipvsadm-restore, which empties the table.
    node.write("/run/rules", "-A -t 10.9.0.2:80 -s rr\n-D -t 10.9.0.1:80\n");
    let (status, told) = said(node, "/run/ours/ipvsadm-restore </run/rules");
    assert!(status == 2 && told.starts_with("line 2: No such service: "), "{status} {told}");
    assert_eq!(saved(), first);
    let many: String = (0..2000)
        .map(|n| {
            format!("-A -f {} -s rr\n-a -f {} -r 10.9.{}.{}:0 -m -w 1\n", n + 1, n + 1, n / 250, n % 250 + 1)
        })
        .collect();
    assert_eq!(restored(&("-C\n".to_owned() + &many)), (0, String::new()));
    assert_eq!(saved(), many);
    assert_eq!(ours("-C"), (0, String::new()));
    assert_eq!(ours("-A -t 10.9.0.2:80 -s rr -b ,"), (2, "invalid scheduler flag `,'\n".to_owned()));
    let (status, told) = said(node, "/lab/directord ipvsadm -Ln >/dev/full");
    assert!(status == 1 && told.contains("cannot write"), "{status} {told}");
    assert_eq!(said(node, "/lab/directord ipvsadm -Ln | true"), (0, String::new()));

    // What the daemon keeps.
    let daemon = lab.directord(node, "", &(Vrrp::default().text() + &web_service("wrr", "DR", BOTH)));
    eventually("the service is there", seconds(15), || {
        node.ipvs().serving("TCP 192.168.100.240:80").len() == 2
    });
    let table = saved();
    let service = format!("-t {VIP}:80");
    let refused = [
        format!("-E {service} -s rr"),
        format!("-D {service}"),
        format!("-a {service} -r 192.168.100.7"),
        format!("-e {service} -r 192.168.100.8 -w 5"),
        format!("-d {service} -r 192.168.100.8"),
        "-C".to_owned(),
        format!("-R <<E\n-d {service} -r 192.168.100.8\nE"),
        format!("-R --keep-going <<E\n-d {service} -r 192.168.100.8\nE"),
    ];
    for words in &refused {
        let (status, told) = ours(words);
        assert_eq!(status, 2, "{words}: {told}");
        let named = told.contains("[192.168.100.240]:tcp:80 is kept by the directord that runs");
        assert!(named && told.contains("directord rs") && told.contains("--force"), "{words}: {told}");
    }
    assert_eq!(saved(), table);
    // Others are nobody's business, and looking is free.
    for words in
        ["-A -t 10.9.0.2:80 -s rr", "-a -t 10.9.0.2:80 -r 10.9.1.1 -m", "-Ln", "-Z", "-D -t 10.9.0.2:80"]
    {
        assert_eq!(ours(words), (0, String::new()), "{words}");
    }
    assert_eq!(ours(&format!("-A {service}")).1, "Service already exists\n");
    assert_eq!(ours(&format!("--force -d {service} -r 192.168.100.8")), (0, String::new()));
    eventually("the daemon puts it back", seconds(5), || saved() == table);
    daemon.stop();
    assert_eq!(ours(&format!("-A {service}")), (0, String::new()), "nobody keeps it now");
    assert_eq!(ours("-C"), (0, String::new()));
}
