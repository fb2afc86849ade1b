//! MISC_CHECK: the exit status of a program decides, and sets the weight with `misc_dynamic`; beside keepalived.

use super::Scenario;
use crate::lab::{Lab, Node, Program, VIP, Vrrp, eventually, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(240),
    ..Scenario::directord(
        "misc_check",
        "programs take real servers out, bring them back and set their weights; what hangs is ended, no weight leaks",
        run,
    )
}];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn configuration() -> String {
    let real = |last: u8, check: &str| {
        format!(
            "real_server 192.168.100.{last} 80 {{\nweight 3\nMISC_CHECK {{\nmisc_path \"/tmp/m {last}\"\nmisc_timeout 2\n{check}}}\n}}\n"
        )
    };
    format!(
        "{}virtual_server {VIP} 80 {{\ndelay_loop 1\nlb_algo wrr\nlb_kind DR\nprotocol TCP\n{}{}}}\n",
        Vrrp::default().text().replace(
            "router_id LVS_DEVEL\n",
            "router_id LVS_DEVEL\nscript_user root\nenable_script_security\n"
        ),
        real(8, "misc_dynamic\n"),
        real(9, "")
    )
}

/// Weights of the two real servers; `None`: not in the table.
fn weights(node: &Node) -> [Option<i64>; 2] {
    let table = node.ipvs();
    let weight = |server: &str| table.0.get(SERVICE)?.servers.get(server).map(|server| server.weight);
    [weight("192.168.100.8:80"), weight("192.168.100.9:80")]
}

fn play(lab: &Lab, program: Program) {
    let node = &lab.lvs01;
    node.write("/tmp/m", "#!/bin/sh\nread rc </tmp/$1.rc\n[ $rc != hang ] || { echo $$ >/tmp/$1.pid; exec sleep 1000; }\n[ $rc != kill ] || kill -9 $$\nexit $rc\n");
    node.sh("chmod 755 /tmp/m");
    let answer = |last: u8, rc: &str| node.write(&format!("/tmp/{last}.rc"), format!("{rc}\n"));
    let become_ = |what: &str, expected: [Option<i64>; 2]| {
        eventually(&format!("{}: {what}", program.name()), seconds(12), || weights(node) == expected);
    };
    answer(8, "0");
    answer(9, "0");
    let daemon = lab.director(node, program, &configuration());
    become_("both pass", [Some(3), Some(3)]);
    for (status, weight) in [("7", 5), ("2", 0), ("255", 253), ("0", 3)] {
        answer(8, status);
        become_(&format!("exit status {status} is a weight"), [Some(weight), Some(3)]);
    }
    answer(8, "1");
    become_("exit status 1 is a failure", [None, Some(3)]);
    answer(9, "7");
    become_("without misc_dynamic so is every other", [None, None]);
    answer(8, "12");
    become_("it is back with the weight of its status", [Some(10), None]);
    answer(9, "0");
    become_("and the other with its own", [Some(10), Some(3)]);
    answer(9, "kill");
    become_("a program that is killed has failed", [Some(10), None]);
    answer(9, "0");
    become_("it is back", [Some(10), Some(3)]);
    answer(8, "hang");
    become_("a program that hangs has failed", [None, Some(3)]);
    if program == Program::Directord {
        for _round in 0..5 {
            answer(8, "22");
            become_("it answers again", [Some(20), Some(3)]);
            answer(8, "hang");
            become_("and hangs again", [None, Some(3)]);
        }
        let pid = node.read("/tmp/8.pid").trim().to_owned();
        daemon.says("its program timed out");
        answer(8, "0");
        become_("no weight has leaked", [Some(3), Some(3)]);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "what hung is gone");
        // Who may change the script may become root: it is not run, and that is said.
        node.sh("chmod 777 /tmp/m");
        lab.reload(node, &daemon, configuration().replace("weight 3", "weight 4"));
        eventually("which is said", seconds(5), || daemon.log_has("can be changed by everybody"));
        node.sh("chmod 755 /tmp/m");
        // So the real server serves, also one that had failed; with the program back, the program decides.
        let again = configuration().replace("weight 3", "weight 5");
        lab.reload(node, &daemon, again.clone());
        become_("the programs are run again", [Some(5), Some(5)]);
        answer(9, "1");
        become_("one fails", [Some(5), None]);
        node.sh("chmod 644 /tmp/m");
        lab.reload(node, &daemon, again.replace("weight 5", "weight 6"));
        become_("without its program the real server counts as healthy", [Some(6), Some(6)]);
        node.sh("chmod 755 /tmp/m");
        lab.reload(node, &daemon, again);
        become_("and with it as what it says", [Some(5), None]);
    }
    daemon.stop();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
}

fn run(lab: &Lab) {
    play(lab, Program::Keepalived);
    play(lab, Program::Directord);
}
