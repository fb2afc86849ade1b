//! Every way to answer a check, judged by keepalived and by directord: the tables of `docs/checks.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::Scenario;
use crate::answers::{HTTP, TLS, http, tls};
use crate::lab::{Daemon, Lab, Program, VIP, eventually, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(400),
    ..Scenario::directord(
        "answers",
        "HTTP answers and TLS servers of all kinds: each verdict as docs/checks.md has it, beside keepalived's",
        run,
    )
}];

const SERVER: &str = "192.168.100.8";

/// One server, and how it is checked.
struct Row {
    group: &'static str,
    name: &'static str,
    port: u16,
    check: String,
    /// How often it is asked before its verdict is known.
    times: usize,
}

/// What a program makes of all, by port, and its log.
struct Verdicts {
    words: BTreeMap<u16, &'static str>,
    log: String,
}

fn run(lab: &Lab) {
    let server = lab.rs1.spawn("answers", "/lab/scenario agent answers");
    eventually("all servers listen", seconds(60), || server.log_has("listening"));
    let rows = rows();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md");
    let known = std::fs::read_to_string(file).unwrap_or_default();
    let keepalived = judge(lab, Program::Keepalived, &rows, &server, |_| true);
    // All are asked in the same two seconds: one that was late is judged anew when it is asked again.
    let directord = judge(lab, Program::Directord, &rows, &server, |directord| {
        differences(&known, &text(&rows, &keepalived, directord)).is_empty()
    });
    let text = text(&rows, &keepalived, &directord);
    std::fs::write("/results/checks.md", &text).unwrap();
    let differ = rows.iter().filter(|row| keepalived.words[&row.port] != directord.words[&row.port]).count();
    say(&format!("{} servers, {differ} judged differently", rows.len()));
    for (_, new) in known.lines().zip(text.lines()).filter(|(known, new)| known != new) {
        say(&format!("differs from docs/checks.md: `{new}`"));
    }
    let differences = differences(&known, &text);
    assert!(
        differences.is_empty(),
        "docs/checks.md is not what this run has found; the new file is checks.md in this scenario's logs:\n{}",
        differences.join("\n")
    );
}

/// The lines of which it matters that they differ: keepalived's verdicts are a matter of moments, ours are not.
fn differences(known: &str, new: &str) -> Vec<String> {
    let cells = |line: &str| {
        let cells: Vec<String> = line.split(" | ").map(|cell| cell.replace("**", "")).collect();
        (cells.len() == 4).then(|| [cells[0].clone(), cells[2].clone(), cells[3].clone()])
    };
    let (mut known, mut new) = (known.lines(), new.lines());
    let mut differ = Vec::new();
    loop {
        let (known, new) = (known.next(), new.next());
        if known.is_none() && new.is_none() {
            return differ;
        }
        let (known, new) = (known.unwrap_or_default(), new.unwrap_or_default());
        if known != new && (cells(known).is_none() || cells(known) != cells(new)) {
            differ.push(format!("`{known}`: this run `{new}`"));
        }
    }
}

fn rows() -> Vec<Row> {
    let timing = "connect_timeout 2\n   retry 0\n   delay_before_retry 1\n";
    let mut rows = Vec::new();
    for (answer, port) in http::all().into_iter().zip(HTTP..) {
        let check =
            format!("HTTP_GET {{\n   url {{\n    path /\n    {}\n   }}\n   {timing}  }}", answer.asked);
        let times = answer.times();
        rows.push(Row { group: answer.group, name: answer.name, port, check, times });
    }
    for (server, port) in tls::all().into_iter().zip(TLS..) {
        let host = if server.asked.is_empty() { "" } else { "virtualhost www.example.com" };
        let check = format!(
            "SSL_GET {{\n   {}\n   url {{\n    path /\n    {host}\n   }}\n   {timing}  }}",
            server.asked
        );
        rows.push(Row { group: "TLS servers", name: server.name, port, check, times: 3 });
    }
    rows
}

/// What `program` makes of the servers when each has been judged, and, for a while, until that is `settled`.
fn judge(
    lab: &Lab,
    program: Program,
    rows: &[Row],
    server: &Daemon,
    settled: impl Fn(&Verdicts) -> bool,
) -> Verdicts {
    let mut text = String::new();
    for Row { port, check, .. } in rows {
        writeln!(
            text,
            "virtual_server {VIP} {port} {{\n delay_loop 2\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
             real_server {SERVER} {port} {{\n  {check}\n }}\n}}"
        )
        .unwrap();
    }
    let before = asked(server);
    let daemon = lab.director(&lab.lvs01, program, &text);
    let node = &lab.lvs01;
    eventually("the table is there", seconds(30), || node.ipvs().0.len() == rows.len());
    let times = |row: &Row| {
        let count = |asked: &BTreeMap<u16, usize>| asked.get(&row.port).copied().unwrap_or(0);
        count(&asked(server)) - count(&before)
    };
    let judged = || rows.iter().all(|row| times(row) >= row.times);
    match program {
        // It may be silent for minutes after an answer that it did not like.
        Program::Keepalived => drop(poll(seconds(90), judged)),
        Program::Directord => drop(eventually("each server has been judged", seconds(150), judged)),
    }
    let look = || {
        let table = node.ipvs();
        let word = |row: &Row| match table.serving(&format!("TCP {VIP}:{}", row.port)).is_empty() {
            _ if times(row) < 2 => "no verdict",
            true => "down",
            false => "up",
        };
        let words = rows.iter().map(|row| (row.port, word(row))).collect();
        Verdicts { words, log: daemon.log() }
    };
    let mut verdicts = look();
    poll(seconds(60), || {
        verdicts = look();
        settled(&verdicts)
    });
    daemon.stop();
    node.sh("ipvsadm -C");
    verdicts
}

/// How often each port was connected to.
fn asked(server: &Daemon) -> BTreeMap<u16, usize> {
    let mut times = BTreeMap::new();
    for line in server.log().lines() {
        if let Some((_, port)) = line.rsplit_once("asked ") {
            *times.entry(port.trim().parse().unwrap()).or_default() += 1;
        }
    }
    times
}

const INTRODUCTION: &str = "# What the checks make of servers

Written by a run of `cargo test --test lab -- answers`, with Debian 12's keepalived 2.2.7 beside directord: each row is a real
server that answers in one way. **Bold**: the verdicts differ, on purpose; `compat.md` says why. `connect_timeout` is two seconds.
";

fn text(rows: &[Row], keepalived: &Verdicts, directord: &Verdicts) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            write!(text, "\n## {group}\n\n| server | keepalived | directord | why |\n|---|---|---|---|\n")
                .unwrap();
        }
        let (theirs, ours) = (keepalived.words[&row.port], directord.words[&row.port]);
        // One that is up may have been late once.
        let why = if ours == "up" { String::new() } else { why(&directord.log, row.port) };
        let ours = if ours == theirs { ours.to_owned() } else { format!("**{ours}**") };
        let name = row.name.replace('|', "\\|").replace('\t', "⇥");
        writeln!(text, "| `{name}` | {theirs} | {ours} | {why} |").unwrap();
    }
    text
}

/// The reason of the last failure of a port in directord's log.
fn why(log: &str, port: u16) -> String {
    let server = format!("[{SERVER}]:tcp:{port} ");
    let line = log.lines().rev().find(|line| line.contains(&server) && line.contains(" failed"));
    let why =
        line.and_then(|line| line.split_once(" failed: ").or(line.split_once(" failed after 0 retries: ")));
    why.map_or(String::new(), |(_, why)| why.replace('|', "\\|"))
}
