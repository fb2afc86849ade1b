use super::*;

const ETH0: &str = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4";

fn objects() -> Objects {
    let instance = |name: &str, state| Instance { name: name.to_owned(), state };
    let instances = [
        (ETH0.to_owned(), instance("VI_1", State::Master)),
        (path(ROOT, "eth0.1", 52, true), instance("VI_2", State::Backup)),
    ];
    Objects { whole: whole(ROOT), instances: instances.into(), machine: "0123".to_owned() }
}

/// `interface.Member`, or the member alone; the arguments are texts.
fn call(path: &str, method: &str, texts: &[&str]) -> (Answer, Option<Ask>) {
    let (interface, member) = match method.rsplit_once('.') {
        Some((interface, member)) => (Some(interface.to_owned()), member),
        None => (None, method),
    };
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let signature = "s".repeat(texts.len()) + if member == "Set" { "v" } else { "" };
    objects().answer(&Call { path: path.to_owned(), interface, member: member.to_owned(), signature, texts })
}

fn failure(answer: (Answer, Option<Ask>)) -> (&'static str, String) {
    assert_eq!(answer.1, None, "what fails does nothing");
    match answer.0 {
        Answer::Failure { kind, text } => (kind, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_have_letters_digits_and_underscores() {
    assert_eq!(place(None, None), "/org/keepalived/Vrrp1");
    assert_eq!(place(Some("blue-1"), Some("a.b")), "/org/keepalived/Vrrp1/blue_1/a_b");
    assert_eq!(place(Some(""), None), "/org/keepalived/Vrrp1");
    let ours = path("/p", "bond0.100", 7, false);
    assert_eq!(ours, "/p/Instance/bond0_100/7/IPv4");
    assert_eq!(path("/p", "ä", 255, true), "/p/Instance/__/255/IPv6");
    assert_eq!(whole("/p"), "/p/Vrrp");
}

#[test]
fn properties_are_structures() {
    let get = |name| call(ETH0, "org.freedesktop.DBus.Properties.Get", &[INSTANCE, name]).0;
    assert_eq!(get("Name"), Answer::Property(Property::Name("VI_1".to_owned())));
    assert_eq!(get("State"), Answer::Property(Property::State(State::Master)));
    let all = call(ETH0, "GetAll", &[INSTANCE]).0;
    let expected =
        vec![("Name", Property::Name("VI_1".to_owned())), ("State", Property::State(State::Master))];
    assert_eq!(all, Answer::Properties(expected));
    assert_eq!(call(&whole(ROOT), "GetAll", &[WHOLE]).0, Answer::Properties(Vec::new()));
    assert_eq!(failure(call(ETH0, "Get", &[INSTANCE, "Priority"])).0, "InvalidArgs");
    assert_eq!(failure(call(ETH0, "GetAll", &[WHOLE])).0, "InvalidArgs");
    assert_eq!(failure(call(ETH0, "Set", &[INSTANCE, "State"])).0, "PropertyReadOnly");
}

#[test]
fn states_have_the_numbers_of_keepalived() {
    let all = [State::Init, State::Backup, State::Master, State::Fault, State::Deleted, State::Stop];
    assert_eq!(all.map(State::number), [0, 1, 2, 3, 97, 98]);
    assert_eq!(all.map(State::word), ["Init", "Backup", "Master", "Fault", "Deleted", "Stop"]);
}

#[test]
fn what_is_asked_for_is_handed_on() {
    let reload = call(&whole(ROOT), "org.keepalived.Vrrp1.Vrrp.ReloadConfig", &[]);
    assert_eq!(reload, (Answer::Done, Some(Ask::Reload)));
    let garp = call(ETH0, "org.keepalived.Vrrp1.Instance.SendGarp", &[]);
    assert_eq!(garp, (Answer::Done, Some(Ask::Announce("VI_1".to_owned()))));
    // Nothing would be announced, and keepalived does not say so.
    let (kind, text) = failure(call(&path(ROOT, "eth0.1", 52, true), "SendGarp", &[]));
    assert_eq!((kind, text.as_str()), ("Failed", "'VI_2' is Backup: only a Master announces its addresses"));
    for (method, files) in
        [("PrintData", Files::Data), ("PrintStats", Files::Statistics), ("PrintStatsClear", Files::Clear)]
    {
        assert_eq!(call(&whole(ROOT), method, &[]), (Answer::Done, Some(Ask::Write(files))));
        assert_eq!(failure(call(ETH0, method, &[])).0, "UnknownMethod");
        assert_eq!(failure(call(&whole(ROOT), method, &["x"])).0, "InvalidArgs");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let unknown = |path: &str, method: &str| failure(call(path, method, &[]));
    let gone = path(ROOT, "eth9", 1, false);
    let expected = ("UnknownMethod", "Instance 'eth9/1/IPv4' not found".to_owned());
    assert_eq!(unknown(&gone, "SendGarp"), expected);
    assert_eq!(unknown("/org/other", "org.freedesktop.DBus.Peer.Ping").0, "UnknownMethod");
    assert_eq!(unknown(ETH0, "ReloadConfig").0, "UnknownMethod");
    assert_eq!(unknown(ETH0, "org.keepalived.Vrrp1.Vrrp.SendGarp").0, "UnknownMethod");
    assert_eq!(unknown("/org", "SendGarp").0, "UnknownMethod");
    let (kind, text) = failure(call(ETH0, "SendGarp", &["x"]));
    assert_eq!(kind, "InvalidArgs");
    assert_eq!(text, "'SendGarp' takes arguments of the types (), not (s)");
    assert_eq!(call(ETH0, "org.freedesktop.DBus.Peer.Ping", &[]).0, Answer::Done);
    assert_eq!(call(ETH0, "GetMachineId", &[]).0, Answer::Text("0123".to_owned()));
}

/// As tools walk through it.
#[test]
fn everything_is_found_from_the_root() {
    let mut found = Vec::new();
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        let (Answer::Text(text), None) = call(&path, "org.freedesktop.DBus.Introspectable.Introspect", &[])
        else {
            panic!("{path} cannot be introspected");
        };
        if text.contains("org.keepalived") {
            found.push(path.clone());
        }
        let base = path.strip_suffix('/').unwrap_or(&path);
        let children = text.split("<node name=\"").skip(1).filter_map(|rest| rest.split('"').next());
        paths.extend(children.map(|child| format!("{base}/{child}")));
    }
    found.sort();
    assert_eq!(found, [ETH0, "/org/keepalived/Vrrp1/Instance/eth0_1/52/IPv6", "/org/keepalived/Vrrp1/Vrrp"]);
}
