//! The process that speaks with the bus, on buses of the test's own with the policy that is shipped: asked by root and by
//! nobody, flooded, with a bus that is away, hangs, dies and comes back. Root, dbus-daemon and dbus-send are needed.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use directord::beside::{frame, unframe};
use directord::dbus::event::{Event, Trouble};
use directord::dbus::link::{Order, Shown, Signal, Word};
use directord::dbus::objects::{Ask, Files, INSTANCE, NAME, State, WHOLE};
use directord::dbus::session::Setup;
use futures_core::Stream as _;
use nix::sys::signal::{self, Signal as Kill};
use nix::unistd::Pid;
use zbus::message::Flags;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, MatchRule, Message, MessageStream};

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/directord-dbus.conf");
const PLACE: &str = "/org/keepalived/Vrrp1/Vrrp";
const ETH0: &str = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4";
const ETH1: &str = "/org/keepalived/Vrrp1/Instance/eth1/52/IPv6";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const PATIENCE: Duration = Duration::from_secs(20);
const NOBODY: u32 = 65_534;

/// What Debian's system.conf says to begin with.
const SYSTEM: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
"#;

/// A bus; the place of its socket stays when it goes.
struct Bus {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Bus {
    fn place() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, process: None }
    }

    fn started() -> Self {
        let mut bus = Self::place();
        bus.start(true);
        bus
    }

    fn address(&self) -> String {
        format!("unix:path={}/bus", self.folder.path().display())
    }

    /// Returns when it listens.
    fn start(&mut self, policy: bool) {
        let file = self.folder.path().join("bus.conf");
        let ours = if policy { format!("<include>{POLICY}</include>\n") } else { String::new() };
        let text = format!("{SYSTEM}  <listen>{}</listen>\n{ours}</busconfig>\n", self.address());
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", file.display())).args(["--nofork", "--print-address"]);
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("dbus-daemon is needed");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("unix:path="), "{line}");
        self.process = Some(process);
    }

    fn signal(&self, kill: Kill) {
        send(self.process.as_ref().unwrap(), kill);
    }

    fn die(&mut self) {
        if let Some(mut process) = self.process.take() {
            send(&process, Kill::SIGKILL);
            process.wait().unwrap();
            let _ = std::fs::remove_file(self.folder.path().join("bus"));
        }
    }

    async fn client(&self) -> Connection {
        let address = self.address();
        zbus::connection::Builder::address(address.as_str()).unwrap().build().await.unwrap()
    }

    /// What dbus-send says, run by this user.
    fn send(&self, user: u32, path: &str, method: &str, arguments: &[&str]) -> Result<String, String> {
        self.send_to(NAME, user, path, method, arguments)
    }

    fn send_to(
        &self,
        name: &str,
        user: u32,
        path: &str,
        method: &str,
        arguments: &[&str],
    ) -> Result<String, String> {
        let mut command = Command::new("dbus-send");
        command.arg(format!("--bus={}", self.address())).args(["--print-reply", "--reply-timeout=10000"]);
        command.arg(format!("--dest={name}")).args([path, method]).args(arguments);
        let output = command.uid(user).gid(user).output().expect("dbus-send and root are needed");
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.die();
    }
}

fn send(process: &Child, kill: Kill) {
    signal::kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), kill).unwrap();
}

/// The process under test, and the daemon's end of its socket.
struct Agent {
    process: Child,
    link: UnixStream,
    heard: Vec<u8>,
}

impl Agent {
    fn start(bus: &Bus) -> Self {
        let (link, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("dbus-agent").stdin(OwnedFd::from(theirs)).env_clear();
        let process = command.spawn().unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut agent = Self { process, link, heard: Vec::new() };
        let setup = Setup { address: bus.address(), name: NAME.to_owned(), whole: PLACE.to_owned() };
        agent.order(&Order::Setup(setup));
        let shown = |path: &str, name: &str, state| Shown { path: path.into(), name: name.into(), state };
        agent.order(&Order::Instances(vec![
            shown(ETH0, "VI_1", State::Master),
            shown(ETH1, "VI_2", State::Backup),
        ]));
        agent
    }

    /// One whose name is its own already.
    fn up(bus: &Bus) -> Self {
        let mut agent = Self::start(bus);
        agent.is_up();
        agent
    }

    fn order(&mut self, order: &Order) {
        self.link.write_all(&frame(order)).unwrap();
    }

    fn word(&mut self) -> Word {
        loop {
            if let Some(word) = unframe(&mut self.heard).unwrap() {
                return word;
            }
            let mut bytes = [0; 4096];
            let count = self.link.read(&mut bytes).expect("it says something in time");
            assert!(count > 0, "it has ended");
            self.heard.extend(&bytes[..count]);
        }
    }

    fn is_up(&mut self) {
        assert_eq!(self.word(), Word::Tell(Event::Up { name: NAME.to_owned() }));
    }

    fn is_down(&mut self) -> Trouble {
        match self.word() {
            Word::Tell(Event::Down { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing waits to be said.
    fn is_silent(&mut self) {
        self.link.set_nonblocking(true).unwrap();
        let read = self.link.read(&mut [0; 64]).map_err(|error| error.kind());
        self.link.set_nonblocking(false).unwrap();
        assert_eq!((read, self.heard.len()), (Err(std::io::ErrorKind::WouldBlock), 0));
    }

    /// Memory that is its own, in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn next(stream: &mut MessageStream) -> Message {
    let next = poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    tokio::time::timeout(PATIENCE, next).await.expect("a message in time").unwrap().unwrap()
}

/// `path Member argument`, of the next signal of ours.
async fn signal(stream: &mut MessageStream) -> String {
    let message = next(stream).await;
    let header = message.header();
    let number = message.body().deserialize::<u32>().map_or(String::new(), |number| format!(" {number}"));
    format!("{} {}{number}", header.path().unwrap(), header.member().unwrap())
}

async fn signals(client: &Connection) -> MessageStream {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(NAME).unwrap().build();
    MessageStream::for_match_rule(rule, client, Some(4096)).await.unwrap()
}

/// The name of an error.
async fn refused(client: &Connection, path: &str, interface: &str, member: &str) -> String {
    match client.call_method(Some(NAME), path, Some(interface), member, &()).await {
        Err(zbus::Error::MethodError(name, ..)) => name.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn root_sees_the_instances_hears_of_them_and_asks() {
    let bus = Bus::started();
    let client = bus.client().await;
    let mut heard = signals(&client).await;
    let mut agent = Agent::up(&bus);
    for expected in [
        format!("{PLACE} VrrpStarted"),
        format!("{ETH0} VrrpStatusChange 2"),
        format!("{ETH1} VrrpStatusChange 1"),
    ] {
        assert_eq!(signal(&mut heard).await, expected);
    }
    let get = async |path: &str, property: &str| {
        let body = (INSTANCE, property);
        let answer = client.call_method(Some(NAME), path, Some(PROPERTIES), "Get", &body).await.unwrap();
        answer.body().deserialize::<OwnedValue>().unwrap()
    };
    let name: (String,) = get(ETH0, "Name").await.try_into().unwrap();
    assert_eq!(name.0, "VI_1");
    let state: (u32, String) = get(ETH1, "State").await.try_into().unwrap();
    assert_eq!(state, (1, "Backup".to_owned()));
    let answer = client.call_method(Some(NAME), ETH0, Some(PROPERTIES), "GetAll", &INSTANCE).await.unwrap();
    let all: BTreeMap<String, OwnedValue> = answer.body().deserialize().unwrap();
    assert_eq!(all.into_keys().collect::<Vec<_>>(), ["Name", "State"]);

    // Who hears of a state finds it.
    agent.order(&Order::Signal(Signal::Entered(ETH1.to_owned(), State::Fault)));
    assert_eq!(signal(&mut heard).await, format!("{ETH1} VrrpStatusChange 3"));
    let state: (u32, String) = get(ETH1, "State").await.try_into().unwrap();
    assert_eq!(state, (3, "Fault".to_owned()));
    agent.order(&Order::Signal(Signal::Reloaded));
    assert_eq!(signal(&mut heard).await, format!("{PLACE} VrrpReloaded"));

    client.call_method(Some(NAME), PLACE, Some(WHOLE), "ReloadConfig", &()).await.unwrap();
    assert_eq!(agent.word(), Word::Ask(Ask::Reload));
    client.call_method(Some(NAME), ETH0, Some(INSTANCE), "SendGarp", &()).await.unwrap();
    assert_eq!(agent.word(), Word::Ask(Ask::Announce("VI_1".to_owned())));
    let error = |kind: &str| format!("org.freedesktop.DBus.Error.{kind}");
    assert_eq!(refused(&client, ETH1, INSTANCE, "SendGarp").await, error("Failed"));
    client.call_method(Some(NAME), PLACE, Some(WHOLE), "PrintStats", &()).await.unwrap();
    assert_eq!(agent.word(), Word::Ask(Ask::Write(Files::Statistics)));
    assert_eq!(
        refused(&client, "/org/keepalived/Vrrp1/Instance/x/1/IPv4", INSTANCE, "SendGarp").await,
        error("UnknownMethod")
    );
    agent.is_silent();

    // A tool that shows what there is finds all of it.
    let tree = Command::new("busctl").args(["--address", &bus.address(), "tree", "--list", NAME]).output();
    let tree = String::from_utf8(tree.expect("busctl of systemd is needed").stdout).unwrap();
    for path in [PLACE, ETH0, ETH1] {
        assert!(tree.lines().any(|line| line == path), "{tree}");
    }

    // The last words, when the daemon is gone.
    agent.order(&Order::Signal(Signal::Entered(ETH0.to_owned(), State::Stop)));
    agent.link.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(signal(&mut heard).await, format!("{ETH0} VrrpStatusChange 98"));
    assert_eq!(signal(&mut heard).await, format!("{PLACE} VrrpStopped"));
    assert!(agent.process.wait().unwrap().success());
}

#[tokio::test]
async fn nobody_may_look_and_do_nothing_else() {
    let bus = Bus::started();
    let mut agent = Agent::up(&bus);
    let get = bus.send(
        NOBODY,
        ETH0,
        &format!("{PROPERTIES}.Get"),
        &[&format!("string:{INSTANCE}"), "string:State"],
    );
    assert!(get.unwrap().contains("\"Master\""));
    let introspect = "org.freedesktop.DBus.Introspectable.Introspect";
    assert!(bus.send(NOBODY, "/", introspect, &[]).unwrap().contains("node name=\"org\""));
    bus.send(NOBODY, "/", "org.freedesktop.DBus.Peer.Ping", &[]).unwrap();
    let denied = |path: &str, method: &str, arguments: &[&str]| {
        let error = bus.send(NOBODY, path, method, arguments).unwrap_err();
        assert!(error.contains("org.freedesktop.DBus.Error.AccessDenied"), "{method}: {error}");
    };
    for method in ["ReloadConfig", "PrintData", "PrintStats", "PrintStatsClear", "CreateInstance"] {
        denied(PLACE, &format!("{WHOLE}.{method}"), &[]);
    }
    denied(ETH0, &format!("{INSTANCE}.SendGarp"), &[]);
    denied(
        ETH0,
        &format!("{PROPERTIES}.Set"),
        &[&format!("string:{INSTANCE}"), "string:State", "variant:string:x"],
    );
    agent.is_silent();
    // The same call by root arrives.
    bus.send(0, PLACE, &format!("{WHOLE}.ReloadConfig"), &[]).unwrap();
    assert_eq!(agent.word(), Word::Ask(Ask::Reload));
    // Nor may it have the name, now or when it is free.
    drop(agent);
    let own = |user: u32| {
        let name = format!("string:{NAME}");
        let method = "org.freedesktop.DBus.RequestName";
        bus.send_to("org.freedesktop.DBus", user, "/org/freedesktop/DBus", method, &[&name, "uint32:4"])
    };
    assert!(own(NOBODY).unwrap_err().contains("AccessDenied"));
    assert!(own(0).unwrap().contains("uint32 1"));
}

/// What a policy allows too much.
fn too_much(policy: &str) -> Vec<String> {
    let without_comments: String = policy
        .split("<!--")
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once("-->").unwrap().1 })
        .collect();
    let mut of = "";
    let mut found = Vec::new();
    for element in without_comments.split('<').skip(1) {
        let element = element.split('>').next().unwrap();
        if element.starts_with("policy") {
            of = element;
        }
        if !element.starts_with("allow") {
            continue;
        }
        let root = of.contains("user=\"root\"");
        let harmless = [
            "Introspectable\"",
            "Peer\"",
            "Properties\" send_member=\"Get\"",
            "Properties\" send_member=\"GetAll\"",
        ];
        let looks = harmless
            .iter()
            .any(|end| element.contains(&format!("send_interface=\"org.freedesktop.DBus.{end}")));
        let to_us = element.contains(&format!(" send_destination=\"{NAME}\""));
        let owns = element.contains(&format!(" own=\"{NAME}\""));
        if !(root && (owns || to_us) || to_us && looks) {
            found.push(element.to_owned());
        }
    }
    found
}

#[test]
fn the_policy_allows_nothing_without_a_destination() {
    let policy = std::fs::read_to_string(POLICY).unwrap();
    assert_eq!(too_much(&policy), Vec::<String>::new());
    assert_eq!(policy.matches("<allow ").count(), 6);
    // It finds what was wrong with others.
    let wide =
        policy.replacen("send_destination=\"org.keepalived.Vrrp1\" send_interface", "send_interface", 1);
    assert_eq!(too_much(&wide).len(), 1, "{wide}");
    let owned_by_all = policy.replace("user=\"root\"", "context=\"default\"");
    assert_eq!(too_much(&owned_by_all).len(), 2);
}

#[tokio::test]
async fn a_bus_that_is_away_forbids_hangs_or_dies_is_tried_again() {
    let mut bus = Bus::place();
    let mut agent = Agent::start(&bus);
    assert_eq!(agent.is_down(), Trouble::Connection("no such file or directory".to_owned()));
    bus.start(false);
    assert_eq!(agent.is_down(), Trouble::Forbidden(NAME.to_owned()));
    bus.die();
    assert!(matches!(agent.is_down(), Trouble::Connection(_)));
    bus.start(true);
    // Somebody else is faster.
    let client = bus.client().await;
    client.request_name(NAME).await.unwrap();
    assert_eq!(agent.is_down(), Trouble::Taken(NAME.to_owned()));
    client.release_name(NAME).await.unwrap();
    agent.is_up();
    // It dies while all is well, and another one takes its place.
    bus.die();
    assert!(matches!(agent.is_down(), Trouble::Connection(_)));
    bus.start(true);
    let client = bus.client().await;
    let mut heard = signals(&client).await;
    agent.is_up();
    assert_eq!(signal(&mut heard).await, format!("{PLACE} VrrpStarted"));
    assert_eq!(signal(&mut heard).await, format!("{ETH0} VrrpStatusChange 2"));
}

#[tokio::test]
async fn what_a_bus_that_hangs_has_not_taken_is_bounded_and_comes_later() {
    let bus = Bus::started();
    let client = bus.client().await;
    let mut heard = signals(&client).await;
    let mut agent = Agent::up(&bus);
    for _ in 0..3 {
        signal(&mut heard).await;
    }
    let before = agent.memory();
    bus.signal(Kill::SIGSTOP);
    // Until it takes no more.
    agent.link.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let states = [State::Backup, State::Master];
    let mut told = 0_usize;
    let bytes = |number: usize| frame(&Order::Signal(Signal::Entered(ETH0.to_owned(), states[number % 2])));
    let mut rest = Vec::new();
    while told < 1_000_000 && rest.is_empty() {
        let bytes = bytes(told);
        match agent.link.write(&bytes) {
            Ok(count) => rest = bytes[count..].to_vec(),
            Err(_) => rest = bytes,
        }
        told += 1;
    }
    assert!(told < 20_000, "it stops listening: {told}");
    assert!(agent.memory() < before + 2_048, "{} KiB after {before}", agent.memory());
    bus.signal(Kill::SIGCONT);
    agent.link.set_write_timeout(Some(PATIENCE)).unwrap();
    agent.link.write_all(&rest).unwrap();
    for number in 0..told {
        let expected = format!("{ETH0} VrrpStatusChange {}", states[number % 2].number());
        assert_eq!(signal(&mut heard).await, expected, "number {number} of {told}");
    }
}

#[tokio::test]
async fn who_floods_or_does_not_read_harms_nobody_else() {
    let bus = Bus::started();
    let mut agent = Agent::up(&bus);
    let before = agent.memory();
    let client = bus.client().await;
    let call = |member: &str, interface: &str, path: &str, flags: Flags| {
        let call = Message::method_call(path, member).unwrap().with_flags(flags).unwrap();
        call.destination(NAME).unwrap().interface(interface).unwrap().build(&()).unwrap()
    };
    let started = Instant::now();
    // It never reads: its answers are the bus's trouble.
    let mut deaf = UnixStream::connect(bus.folder.path().join("bus")).unwrap();
    deaf.write_all(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n").unwrap();
    let hello = Message::method_call("/org/freedesktop/DBus", "Hello").unwrap();
    let hello = hello.destination("org.freedesktop.DBus").unwrap().interface("org.freedesktop.DBus").unwrap();
    deaf.write_all(hello.build(&()).unwrap().data()).unwrap();
    for _ in 0..2_000 {
        let introspect = call("Introspect", "org.freedesktop.DBus.Introspectable", ETH0, Flags::NoAutoStart);
        deaf.write_all(introspect.data()).unwrap();
        client.send(&call("ReloadConfig", WHOLE, PLACE, Flags::NoReplyExpected)).await.unwrap();
        client.send(&call("SendGarp", INSTANCE, ETH0, Flags::NoReplyExpected)).await.unwrap();
    }
    // The daemon has read nothing so far; when it does, others are answered.
    let mut link = agent.link.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while link.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let other = bus.client().await;
    let ping = other.call_method(Some(NAME), ETH0, Some("org.freedesktop.DBus.Peer"), "Ping", &());
    tokio::time::timeout(PATIENCE, ping).await.expect("an answer in time").unwrap();
    assert!(started.elapsed() < PATIENCE);
    assert!(agent.memory() < before + 4_096, "{} KiB after {before}", agent.memory());
    agent.link.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(agent.process.wait().unwrap().success());
    reader.join().unwrap();
    drop(deaf);
}
