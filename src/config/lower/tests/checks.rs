//! Checks of real servers.

use super::*;

#[test]
fn checks_of_every_kind() {
    let settings = "protocol TCP\nlb_algo rr\nlb_kind NAT\ndelay_loop 7\nquorum_up \"/q.sh up\" nobody\n\
        real_server 10.0.0.2 80 {\nnotify_down /d.sh\nTCP_CHECK {\n}\n\
        MISC_CHECK {\nmisc_path \"/m.sh a b\"\nmisc_timeout 3\nmisc_dynamic\n}\n\
        UDP_CHECK {\npayload 00 ff\nrequire_reply 0x\n}\nDNS_CHECK {\ntype A\nname example.org\n}\n\
        HTTP_GET {\nurl {\npath /\nregex \"a (b)? c\"\nregex_options caseless\n}\n}\n}";
    let server = service("10.0.0.1 80", settings);
    assert_eq!(server.notify.quorum_up.unwrap().arguments, ["/q.sh", "up"]);
    let real = &server.real_servers[0];
    assert_eq!(real.notify.as_ref().unwrap().down.as_ref().unwrap().arguments, ["/d.sh"]);
    let [_tcp, misc, udp, dns, http] = real.checkers.as_slice() else { panic!() };
    assert!(matches!(&misc.probe.kind, ProbeKind::Misc { timeout: Some(_), dynamic: true, .. }));
    assert_eq!((misc.timing.retry, misc.timing.delay_loop.as_secs()), (0, 7));
    assert_eq!(misc.probe.connect, None);
    let ProbeKind::Udp { payload, reply, .. } = &udp.probe.kind else { panic!() };
    assert_eq!((payload.as_deref(), reply.as_deref()), (Some(&[0, 0xff][..]), Some(&[Some(0), None][..])));
    assert!(matches!(&dns.probe.kind, ProbeKind::Dns { kind: DnsType::A, .. }));
    assert_eq!((dns.timing.retry, dns.timing.delay_before_retry.as_secs()), (3, 7));
    let ProbeKind::Http(check) = &http.probe.kind else { panic!() };
    assert_eq!(check.urls[0].regex.as_ref().unwrap().pattern.as_deref(), Some("a (b)? c"));
}

#[test]
fn rise_and_fall_are_passes_and_failures_in_a_row() {
    let timing = |check: &str| {
        let text = format!("retry 7\nreal_server 10.0.0.2 80 {{\n{check}\n}}");
        let server = service("10.0.0.1 80", &text);
        let of = |checker: &Checker| (checker.timing.rise, checker.timing.retry);
        server.real_servers[0].checkers.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(timing("TCP_CHECK {\n}"), [(1, 7)]);
    assert_eq!(timing("TCP_CHECK {\nrise 3\nfall 2\n}"), [(3, 1)]);
    assert_eq!(timing("MISC_CHECK {\nmisc_path /bin/true\nfall 1\n}"), [(1, 0)]);
    // A host has what it does not say from the block, in whichever of the two words.
    let hosts = "SMTP_CHECK {\nrise 4\nretry 2\nhost {\nfall 9\n}\nhost {\nconnect_port 26\nrise 2\n}\n}";
    assert_eq!(timing(hosts), [(4, 8), (2, 2)]);
}

#[test]
fn a_url_has_what_keepalived_has_no_words_for() {
    let more = |url: &str| {
        let check = format!("real_server 10.0.0.2 80 {{\nHTTP_GET {{\nurl {{\npath /\n{url}\n}}\n}}\n}}");
        let server = service("10.0.0.1 80", &check);
        let ProbeKind::Http(http) = &server.real_servers[0].checkers[0].probe.kind else {
            panic!("not HTTP")
        };
        http.urls[0].more.clone()
    };
    assert_eq!(more("status_code 200"), None);
    assert_eq!(more("method GET"), None, "that is what keepalived sends");
    let found = more(
        "method POST\nheader \"Accept: a/b\"\nheader X:1\nbody \"{ a # b }\"\ncontains \"is ready\" up\ncontains \"it's\"\n\
         contains_not error\nmax_size 4096\nmax_time 0.25\nauth_bearer_file /etc/token\njson_pointer /status ok\njson_pointer \"\" \"\"\nfollow_redirects 4",
    );
    let headers = ["Accept: a/b", "X: 1"].map(|line| Header::new(line).unwrap()).to_vec();
    let expected = UrlMore {
        method: Method::Post,
        headers,
        body: Some("{ a # b }".into()),
        contains: vec!["is ready".into(), "up".into(), "it's".into()],
        contains_not: vec!["error".into()],
        values: vec![JsonValue::new("/status", "ok").unwrap(), JsonValue::new("", "").unwrap()],
        max_size: Some(4096),
        max_time: Some(Duration::from_millis(250)),
        credential: Credential::new(Scheme::Bearer, "/etc/token"),
        redirects: 4,
    };
    assert_eq!(found, Some(Box::new(expected)));
    // JSON, with both forms of a double quote.
    for body in [r#""{\"a\": {\"b\": 1}}\n""#, r#""{\x22a\x22: {\x22b\x22: 1}}\n""#] {
        let found = more(&format!("method PUT\nbody {body}\ncontains {body} {body}")).unwrap();
        let text = "{\"a\": {\"b\": 1}}\n".to_owned();
        assert_eq!((found.body, found.contains), (Some(text.clone()), vec![text.clone(), text]));
    }
}

#[test]
fn each_host_of_an_smtp_check_is_a_check() {
    let settings = "protocol TCP\nlb_algo rr\nlb_kind NAT\nreal_server 10.0.0.2 25 {\n\
        SMTP_CHECK {\nconnect_timeout 3\nhost {\nconnect_ip 10.0.0.3\n}\n\
        host {\nconnect_port 587\nretry 9\n}\nhelo_name a.example\nretry 4\n}\n}";
    let server = service("10.0.0.1 25", settings);
    let [first, second] = server.real_servers[0].checkers.as_slice() else { panic!() };
    let to = |check: &crate::config::model::Checker| check.probe.connect.as_ref().unwrap().to.to_string();
    assert_eq!((to(first), to(second)), ("10.0.0.3:25".into(), "10.0.0.2:587".into()));
    assert_eq!((first.timing.retry, second.timing.retry), (4, 9));
    for check in [first, second] {
        assert_eq!(check.probe.kind, ProbeKind::Smtp { helo: Some("a.example".into()) });
        assert_eq!(check.probe.connect.as_ref().unwrap().timeout.as_secs(), 3);
    }
}

#[test]
fn a_check_without_a_port_is_said_unless_it_needs_none() {
    for (check, said) in [
        ("TCP_CHECK", Some("always fails")),
        ("SMTP_CHECK", Some("always fails")),
        ("DNS_CHECK", Some("cannot run")),
        ("UDP_CHECK", Some("cannot run")),
        ("PING_CHECK", None),
    ] {
        let text = format!(
            "virtual_server 10.0.0.1 0 {{\nprotocol UDP\nlb_algo rr\nlb_kind NAT\npersistence_timeout 9\n\
             real_server 10.0.0.2 0 {{\n{check} {{\n}}\n}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let found =
            loaded.diagnostics.iter().find(|one| one.message == "the check has no port to connect to");
        assert_eq!(found.is_some(), said.is_some(), "{check}");
        let rendered = loaded.render(crate::config::diagnostic::Format::Human, false);
        assert!(said.is_none_or(|said| rendered.contains(said)), "{check}: {rendered}");
    }
}

#[test]
fn names_that_nobody_can_ask_for_are_errors() {
    let diagnostics = |name: &str| {
        let text = format!(
            "virtual_server 10.0.0.1 53 {{\nprotocol UDP\nlb_algo rr\nlb_kind NAT\n\
             real_server 10.0.0.2 53 {{\nDNS_CHECK {{\nname {name}\n}}\n}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        loaded.diagnostics.iter().map(|one| one.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(diagnostics("www.example."), [""; 0]);
    assert_eq!(diagnostics("a..b"), ["a part of the name is empty"]);
    assert_eq!(diagnostics(&"a".repeat(64)), ["a part of the name has 64 bytes"]);
}

#[test]
fn what_is_demanded_over_tls() {
    use crate::config::model::{TlsDemands, TlsName, TlsVersion, Trust};
    let demands = |words: &str| {
        let check = format!("real_server 10.0.0.2 443 {{\nSSL_GET {{\n{words}\nurl {{\npath /\n}}\n}}\n}}");
        let server = service("10.0.0.1 443", &check);
        let ProbeKind::Http(http) = &server.real_servers[0].checkers[0].probe.kind else { panic!() };
        http.demands.as_deref().cloned()
    };
    assert_eq!(demands(""), None);
    assert_eq!(demands("tls_verify none"), None, "that is what keepalived does");
    let all = "tls_verify /etc/ca.pem\ntls_name 10.0.0.2\ntls_min_version 1.2\ntls_max_version 1.3\ntls_expiry_warning 14";
    let expected = TlsDemands {
        trust: Trust::File("/etc/ca.pem".into()),
        name: TlsName::new("10.0.0.2"),
        oldest: Some(TlsVersion::V12),
        newest: Some(TlsVersion::V13),
        warn_days: Some(14),
    };
    assert_eq!(demands(all), Some(expected.clone()));
    let text = format!(
        "check a {{\ntls\nprotocol redis\n{all}\n}}\nvirtual_server 10.0.0.1 80 {{\nlb_kind NAT\nprotocol TCP\n\
         real_server 10.0.0.2 80 {{\ncheck a\n}}\n}}\n"
    );
    let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
    assert_eq!(loaded.model.unwrap().checks[0].asks.demands.as_deref(), Some(&expected));
}

#[test]
fn a_demand_that_is_wrong_is_not_left_out() {
    use crate::config::model::Trust;
    for wrong in [
        "tls_verify sytem",
        "tls_verify ca.pem",
        "tls_verify",
        "tls_verify \"\"",
        "tls_min_version 1.4",
        "tls_max_version",
        "tls_name *.example.com\ntls_verify system",
    ] {
        let text = format!(
            "check a {{\ntls\n{wrong}\n}}\nvirtual_server 10.0.0.1 443 {{\nlb_kind NAT\nprotocol TCP\n\
             real_server 10.0.0.2 443 {{\ncheck a\nSSL_GET {{\n{wrong}\nurl {{\npath /\n}}\n}}\n}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        let comes_of: Vec<_> = errors.map(|one| one.consequence.clone().unwrap_or_default()).collect();
        assert_eq!(
            comes_of, ["its checks cannot ask without it: the verdicts of their real servers stay"; 2],
            "{wrong}"
        );
        let model = loaded.degraded.unwrap();
        let kinds = model.virtual_servers[0].real_servers[0].checkers.iter().map(|one| &one.probe.kind);
        let trusts: Vec<_> = kinds
            .map(|kind| match kind {
                ProbeKind::Http(check) => check.demands.as_deref().unwrap().trust.clone(),
                ProbeKind::Named(asks) => asks.demands.as_deref().unwrap().trust.clone(),
                _ => panic!(),
            })
            .collect();
        assert_eq!(trusts, [Trust::Unknown, Trust::Unknown], "{wrong}");
    }
}

#[test]
fn nobody_is_compared_with_no_name() {
    let errors = |check: &str, url: &str| {
        let text = format!(
            "virtual_server 10.0.0.1 443 {{\nlb_kind NAT\nprotocol TCP\nreal_server 10.0.0.2 443 {{\nSSL_GET {{\n{check}\n\
             url {{\npath /\n{url}\n}}\n}}\n}}\n}}\n"
        );
        let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
        let errors = loaded.diagnostics.into_iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| one.message).collect::<Vec<_>>()
    };
    let verify = "tls_verify system";
    for nobody in ["\"\"", ":9001", ".example", "*.example.com", "www..example"] {
        let none = [format!("no certificate can be for `{}`", nobody.trim_matches('"'))];
        assert_eq!(errors(verify, &format!("virtualhost {nobody}")), none);
        assert_eq!(errors(&format!("{verify}\nsni_name {nobody}"), "virtualhost www.example.com"), none);
        assert_eq!(errors("", &format!("virtualhost {nobody}")), [""; 0]);
        assert_eq!(errors(&format!("{verify}\ntls_name a"), &format!("virtualhost {nobody}")), [""; 0]);
    }
    assert_eq!(errors(verify, "virtualhost www.example.com.:443"), [""; 0]);
    assert_eq!(errors(verify, ""), [""; 0], "the address");
    for long in ["a".repeat(64), vec!["a".repeat(60); 5].join(".")] {
        let start = &long[..40];
        let none = [format!("no handshake can tell the name `{start}…`: it is too long")];
        assert_eq!(errors(verify, &format!("virtualhost {long}")), none);
        assert_eq!(errors("", &format!("virtualhost {long}\nfollow_redirects 1")), none);
        assert_eq!(errors(&format!("sni_name {long}"), ""), none);
        assert_eq!(errors("enable_sni", &format!("virtualhost {long}")), none);
        assert_eq!(errors("", &format!("virtualhost {long}")), [""; 0]);
    }
}
