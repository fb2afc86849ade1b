//! What the public Prometheus exporters of keepalived take from its files, read in the way that they read: a line that one
//! of them does not find where it looks is missing here.

use std::collections::BTreeMap;

use serde_json::Value;

/// What mehdy/keepalived-exporter has of an instance.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) state: Option<String>,
    pub(crate) want_state: Option<String>,
    pub(crate) interface: Option<String>,
    pub(crate) garp_delay: Option<u64>,
    pub(crate) router_id: Option<u64>,
    /// Address and interface of each.
    pub(crate) addresses: Vec<(String, String)>,
}

/// An address and its interface: the first and the third word.
fn address(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
}

/// keepalived.data, by name: below ` VRRP Instance = NAME` each line with three blanks in front is a key and a value, each
/// with five an element of the last key.
pub(crate) fn data(text: &str) -> BTreeMap<String, Instance> {
    let mut found: BTreeMap<String, Instance> = BTreeMap::new();
    let (mut name, mut key) = (None::<String>, String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(" VRRP Instance = ") {
            name = Some(rest.to_owned());
            found.insert(rest.to_owned(), Instance::default());
            continue;
        }
        let Some(instance) = name.as_ref().and_then(|name| found.get_mut(name)) else { continue };
        if !line.starts_with("   ") {
            name = None;
            continue;
        }
        let value = if line.starts_with("     ") {
            line.trim()
        } else {
            let Some((left, right)) = line.split_once('=').or_else(|| line.split_once(':')) else { continue };
            key = left.trim().to_owned();
            // What stands behind a second sign is cut off.
            right.split('=').next().unwrap_or_default().trim()
        };
        let value = value.to_owned();
        match key.as_str() {
            "State" => instance.state = Some(value),
            "Wantstate" => instance.want_state = Some(value),
            "Interface" => instance.interface = Some(value),
            "Gratuitous ARP delay" => instance.garp_delay = value.parse().ok(),
            "Virtual Router ID" => instance.router_id = value.parse().ok(),
            key if key.starts_with("Virtual IP (") && !value.is_empty() => {
                instance.addresses.extend(address(&value));
            }
            _ => {}
        }
    }
    found
}

/// Name, `Status` and `State` of each tracked script.
pub(crate) fn scripts(text: &str) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(" VRRP Script = ") {
            found.push((name.to_owned(), String::new(), String::new()));
            inside = true;
        } else if !line.starts_with("   ") {
            inside = false;
        } else if let (true, Some((key, value)), Some(script)) =
            (inside, line.split_once(" = "), found.last_mut())
        {
            match key.trim() {
                "Status" => value.clone_into(&mut script.1),
                "State" => value.clone_into(&mut script.2),
                _ => {}
            }
        }
    }
    found
}

/// keepalived.stats, by instance: `Section/Key` and the number.
pub(crate) fn statistics(text: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let (mut name, mut section) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("VRRP Instance:") {
            rest.trim().clone_into(&mut name);
        } else if let Some(title) = line.strip_suffix(':') {
            title.trim().clone_into(&mut section);
        } else {
            let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
            let inner = line.starts_with("    ");
            let key = if inner { format!("{section}/{}", key.trim()) } else { key.trim().to_owned() };
            let value = value.trim().parse().unwrap_or_else(|_| panic!("no number: {line}"));
            found.entry(name.clone()).or_default().insert(key, value);
        }
    }
    found
}

/// Every counter that one of the exporters asks for.
pub(crate) const COUNTERS: [&str; 14] = [
    "Advertisements/Received",
    "Advertisements/Sent",
    "Became master",
    "Released master",
    "Packet Errors/Length",
    "Packet Errors/TTL",
    "Packet Errors/Invalid Type",
    "Packet Errors/Advertisement Interval",
    "Packet Errors/Address List",
    "Authentication Errors/Invalid Type",
    "Authentication Errors/Type Mismatch",
    "Authentication Errors/Failure",
    "Priority Zero/Received",
    "Priority Zero/Sent",
];

/// Keys of `data` in keepalived.json that one of them decodes, and whether a whole number must stand there: `i`, a number `f`, a text `s`,
/// a list of texts `l`.
const DATA: [(&str, char); 8] = [
    ("iname", 's'),
    ("ifp_ifname", 's'),
    ("last_transition", 'f'),
    ("vrid", 'i'),
    ("state", 'i'),
    ("wantstate", 'i'),
    ("garp_delay", 'i'),
    ("vips", 'l'),
];

const STATS: [&str; 14] = [
    "advert_rcvd",
    "advert_sent",
    "become_master",
    "release_master",
    "packet_len_err",
    "advert_interval_err",
    "ip_ttl_err",
    "invalid_type_rcvd",
    "addr_list_err",
    "invalid_authtype",
    "authtype_mismatch",
    "auth_failure",
    "pri_zero_rcvd",
    "pri_zero_sent",
];

/// What both decode of keepalived.json, which must be a list; each field is there and of its type.
pub(crate) fn json(text: &str) -> Vec<BTreeMap<String, Value>> {
    let all: Vec<Value> = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let one = |object: &Value| {
        let mut fields = BTreeMap::new();
        for (key, kind) in DATA {
            let value = &object["data"][key];
            let fits = match kind {
                'i' => value.is_u64(),
                'f' => value.is_f64(),
                's' => value.is_string(),
                _ => value
                    .as_array()
                    .is_some_and(|all| all.iter().all(|one| one.as_str().and_then(address).is_some())),
            };
            assert!(fits, "{key}: {value}");
            fields.insert(key.to_owned(), value.clone());
        }
        for key in STATS {
            let value = &object["stats"][key];
            assert!(value.is_u64(), "{key}: {value}");
            fields.insert(key.to_owned(), value.clone());
        }
        fields
    };
    all.iter().map(one).collect()
}
