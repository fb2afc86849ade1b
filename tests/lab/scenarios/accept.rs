//! `no_accept`: traffic to and from the virtual addresses is dropped by a table of nftables, or the instance does not lead.

use super::Scenario;
use crate::lab::{Lab, Program, VIP, Vrrp, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "no_accept_without_nf_tables",
    "a kernel without nf_tables for IPv4: the instance says what it lacks and leaves the address to its peer, while \
     keepalived leads and answers; without `no_accept` nothing of it matters",
    without_nf_tables,
)];

fn without_nf_tables(lab: &Lab) {
    let node = &lab.lvs01;
    let plain = Vrrp { priority: 150, ..Vrrp::default() }.text();
    let closed = plain.replacen(" virtual_router_id", " no_accept\n virtual_router_id", 1);
    assert_ne!(plain, closed);

    // keepalived logs an error and goes on.
    let theirs = lab.director(node, Program::Keepalived, &closed);
    eventually("keepalived leads", seconds(15), || node.has_address(VIP));
    lab.lvs01.serve_http(&[("index.html", "open")]);
    let answers = || lab.client.run(&format!("curl -sf -m 2 http://{VIP}/")).status.success();
    eventually("and whoever asks is answered", seconds(5), answers);
    theirs.stop();

    let ours = lab.director(node, lab.program(), &closed);
    eventually("the cause is told", seconds(5), || {
        ours.log_has("Entering FAULT STATE (the kernel refuses nftables table keepalived: this kernel has no nf_tables")
    });
    let peer =
        lab.director(&lab.lvs02, Program::Keepalived, &Vrrp { state: "BACKUP", ..Vrrp::default() }.text());
    eventually("the peer leads", seconds(15), || lab.lvs02.has_address(VIP));
    throughout("it tries again without taking the address", seconds(8), || {
        !node.has_address(VIP) && ours.log().matches("FAULT STATE").count() == 1
    });
    // The words alone ask for nothing.
    let words = plain.replacen("global_defs {", "global_defs {\n nftables\n vrrp_iptables", 1);
    lab.reload(node, &ours, words);
    eventually("it leads", seconds(15), || node.has_address(VIP) && !lab.lvs02.has_address(VIP));
    peer.stop();
    ours.stop();
}
