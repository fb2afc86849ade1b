//! The messages about a configuration that people ask about most, beside ours: `tests/golden/worst/`.
//!
//! Each `NN-name.conf` is given to keepalived's `-t` and to `directord --check --host` (with `--peer NN-name.peer`,
//! where there is one) on the same machine, and what they say is compared with `NN-name.keepalived` and
//! `NN-name.directord`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Scenario;
use crate::lab::{Lab, Node};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "worst_messages",
    "the twenty messages that send most people to ask, and what directord says of the same files",
    run,
)];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/worst");
const FILE: &str = "/etc/keepalived/keepalived.conf";
const PEER: &str = "/etc/keepalived/lvs02.conf";
const RESULTS: &str = "/results/worst";

/// What a program says, with its exit status as the last line.
fn said(node: &Node, command: &str) -> String {
    let output = node.run(&format!("cd /etc/keepalived; {command} 2>&1"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{line_end}exit status {}\n", output.status.code().unwrap())
}

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    // A script that everybody of a group may change.
    node.sh("mount -t tmpfs -o mode=0755 tmpfs /opt
         mkdir /opt/checks
         echo '#!/bin/sh' >/opt/checks/web.sh
         chmod 775 /opt/checks; chmod 755 /opt/checks/web.sh");
    fs::create_dir_all(RESULTS).unwrap();
    let mut files: Vec<PathBuf> =
        fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).filter(is("conf")).collect();
    files.sort();
    assert_eq!(files.len(), 20);
    let mut different = Vec::new();
    for file in files {
        node.write(FILE, fs::read(&file).unwrap());
        let peer = file.with_extension("peer");
        let peer = match peer.exists() {
            true => {
                node.write(PEER, fs::read(peer).unwrap());
                "--peer lvs02.conf"
            }
            false => "",
        };
        let found = [
            ("keepalived", said(node, &format!("keepalived -t -l -f {FILE}"))),
            ("directord", said(node, &format!("/lab/directord --check --host {peer} -f keepalived.conf"))),
        ];
        for (program, found) in found {
            let expected = file.with_extension(program);
            let name = expected.file_name().unwrap().to_owned();
            if fs::read_to_string(&expected).ok().as_ref() != Some(&found) {
                different.push(format!("--- {}\n{found}", name.display()));
            }
            fs::write(Path::new(RESULTS).join(name), found).unwrap();
        }
    }
    assert!(
        different.is_empty(),
        "cp tests/lab/logs/worst_messages/worst/* tests/golden/worst/ accepts these:\n{}",
        different.join("\n")
    );
}

fn is(extension: &str) -> impl Fn(&PathBuf) -> bool {
    move |path| path.extension().is_some_and(|found| found == extension)
}
