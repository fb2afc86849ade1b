use crate::config::diagnostic::Severity;

use super::*;
use crate::config::source::Texts;

fn lines(texts: Texts, main: &str) -> (Vec<String>, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let environment = BTreeMap::from([("SITE".to_owned(), "north".to_owned())]);
    let options = Options { config_id: "lvs1".into(), environment, ..Options::default() };
    let tokens = expand(Path::new(main), &texts, &options, &mut sources, &mut diagnostics);
    let mut lines = vec![String::new()];
    for token in tokens.iter() {
        match token.kind {
            TokenKind::End => lines.push(String::new()),
            _ => {
                let line = lines.last_mut().unwrap();
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(sources.text(token.span));
                if matches!(token.kind, TokenKind::Open | TokenKind::Close) {
                    lines.push(String::new());
                }
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    let diagnostics = diagnostics.into_sorted(&sources);
    (lines, diagnostics)
}

fn expanded(text: &str) -> Vec<String> {
    let (lines, diagnostics) = lines(Texts::one("main", text), "main");
    assert_eq!(diagnostics, [], "{text}");
    lines
}

fn failing(text: &str) -> String {
    let (_, diagnostics) = lines(Texts::one("main", text), "main");
    diagnostics.first().unwrap().message.clone()
}

#[test]
fn conditions() {
    assert_eq!(expanded("@lvs1 a b\n@lvs2 c\n@^lvs2 d\n@^lvs1 e\n  @lvs1\tf }"), ["a b", "d", "f }"]);
}

#[test]
fn definitions() {
    assert_eq!(expanded("$A=x$B\n$B=bee\na $A\nb ${A}.c $B,d"), ["a xbee", "b xbee.c bee,d"]);
    assert_eq!(expanded("$V=1\nx $V.2 $W"), ["x $V.2 $W"]);
    assert_eq!(expanded("x ${_INSTANCE} ${_ENV SITE} \"a${_HASH}b\""), ["x lvs1 north a#b"]);
    assert_eq!(expanded("$C=a # b\nx $C"), ["x a"]);
}

#[test]
fn several_lines() {
    let text =
        "$CHK=\\\n  TCP_CHECK { \\\n   # why\n   connect_port $PORT \\\n  }\n$PORT=80\nreal {\n  $CHK\n}\n";
    let (read, diagnostics) = lines(Texts::one("main", text), "main");
    assert_eq!(read, ["real {", "TCP_CHECK {", "connect_port 80", "}", "}"]);
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].code, Code::Portable);
}

#[test]
fn definitions_without_end() {
    assert_eq!(failing("$A=$A\nx $A"), "the definition expands without end");
    assert_eq!(failing("$A=$B $B\n$B=$A $A\nx $A"), "the definition expands without end");
    assert_eq!(failing("x ${NONE}"), "`NONE` is not defined");
}

#[test]
fn generators() {
    assert_eq!(expanded("~SEQ(n,11,13) 10.0.0.${n}/24"), ["10.0.0.11/24", "10.0.0.12/24", "10.0.0.13/24"]);
    assert_eq!(expanded("~SEQ(a,2) ~SEQ(b,1,2) x $a $b"), ["x 1 1", "x 1 2", "x 2 1", "x 2 2"]);
    assert_eq!(expanded("~SEQx(a,9,0x0b) x $a"), ["x 9", "x a", "x b"]);
    assert_eq!(expanded("~LST({v,w},{a,1},{b}) $v $w z"), ["a 1 z", "b z"]);
    assert_eq!(expanded("~LST(v,a,b) x $v"), ["x a", "x b"]);
    assert_eq!(failing("~SEQ(a,1,0,5) x"), "a step of 0 does not lead from 1 to 5");
}

/// What keepalived 2.2.7 says of the same texts, word by word.
#[test]
fn generators_in_definitions() {
    let ml = |lines: &[&str]| format!("$ML=\\\n{}\n$ML", lines.join(" \\\n"));
    assert_eq!(expanded(&ml(&["~SEQ(n,1,3) a_${n}", "b"])), ["a_1", "a_2", "a_3", "b"]);
    assert_eq!(expanded(&ml(&["b", "~SEQ(n,1,2) a_${n}", "c"])), ["b", "a_1", "a_2", "c"]);
    assert_eq!(expanded(&ml(&["b", "~LST({x,y},{1,2},{3}) q_${x}_${y}"])), ["b", "q_1_2", "q_3_"]);
    assert_eq!(expanded(&ml(&["b", "~SEQ(i,2) ~SEQ(j,2) q${i}${j}"])), ["b", "q11", "q12", "q21", "q22"]);
    assert_eq!(expanded(&ml(&["b", "@lvs1 ~SEQ(n,2) a${n}", "@lvs2 ~SEQ(n,2) o${n}"])), ["b", "a1", "a2"]);
    assert_eq!(expanded(&ml(&["b", "~SEQ(n,2) @lvs1 c${n}"])), ["b", "c1", "c2"]);
    let inner = format!("$IN=\\\nin_${{i}} \\\nin2\n{}", ml(&["b", "~SEQ(i,2) $IN", "c"]));
    assert_eq!(expanded(&inner), ["b", "in_1", "in2", "in_2", "in2", "c"]);
    assert_eq!(expanded("$M=\\\nb_${i} \\\nc_${i}\n~SEQ(i,2) $M"), ["b_1", "c_1", "b_2", "c_2"]);
    assert_eq!(expanded("$ONE=~SEQ(n,2) a_${n}\n$ONE t"), ["a_1 t", "a_2 t"]);
    assert_eq!(
        expanded(&ml(&["~SEQ(i,2) vrrp_instance V${i} {", "x", "}"])),
        ["vrrp_instance V1 {", "vrrp_instance V2 {", "x", "}"]
    );
    assert_eq!(expanded("$i=3\n$M=\\\nb_${i} \\\n$i=9 \\\nc_${i}\n$M\nd_${i}"), ["b_3", "c_9", "d_9"]);
    assert_eq!(failing(&ml(&["b", "~SEQ(n,1,0,5) x"])), "a step of 0 does not lead from 1 to 5");
}

#[test]
fn a_generator_in_a_definition_ends() {
    let message = failing("$ML=\\\n~SEQ(n,1,9000000000) x \\\nb\n$ML");
    assert!(message.contains("without end"), "{message}");
    let message = failing("$A=~SEQ(n,2) $A\n$A");
    assert!(message.contains("without end"), "{message}");
}

#[test]
fn a_part_of_an_include_that_is_not_there_is_said() {
    let list = [("/e/main", "include d/{web,dns}.conf\nincludeb d/{web,dns}.conf"), ("/e/d/web.conf", "one")];
    let files = list.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect();
    let (all, diagnostics) = lines(Texts(files), "/e/main");
    assert_eq!(all, ["one", "one"]);
    let said: Vec<_> = diagnostics.iter().map(|one| (one.severity, one.message.as_str())).collect();
    let message = "no file matches `d/dns.conf`";
    assert_eq!(said, [(Severity::Warning, message), (Severity::Error, message)]);
}

#[test]
fn includes() {
    let texts = |list: &[(&str, &str)]| {
        Texts(list.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect())
    };
    let files = texts(&[("/e/main", "a\ninclude d/*\nb"), ("/e/d/1", "one\ninclude 2"), ("/e/d/2", "two")]);
    let (all, diagnostics) = lines(files, "/e/main");
    assert_eq!(all, ["a", "one", "two", "two", "b"]);
    assert_eq!(diagnostics, []);
    // The folder's own name is no pattern.
    let files =
        texts(&[("/e[1]{a,b}/main", "include *.conf"), ("/e[1]{a,b}/x.conf", "x"), ("/e1a/y.conf", "y")]);
    assert_eq!(lines(files, "/e[1]{a,b}/main").0, ["x"]);
    let (_, diagnostics) = lines(texts(&[("/e/main", "include main")]), "/e/main");
    assert_eq!(diagnostics[0].severity, Severity::Error);
    let (_, diagnostics) = lines(texts(&[("/e/main", "include none\nincludem none")]), "/e/main");
    assert_eq!(diagnostics[0].severity, Severity::Warning);
    assert_eq!(diagnostics[1].severity, Severity::Error);
}

#[test]
fn a_long_line_ends_with_a_whole_character() {
    let text = format!("a {}é", "b".repeat(LONGEST_LINE));
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let files = Texts::one("main", &text);
    expand(Path::new("main"), &files, &Options::default(), &mut sources, &mut diagnostics);
    let list = diagnostics.into_sorted(&sources);
    assert_eq!(list.first().and_then(|one| one.span).map(|span| sources.text(span)), Some("é"));
}
