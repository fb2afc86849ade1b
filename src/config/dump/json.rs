//! Statements to JSON: blocks are objects, keywords are members, in the order of the statements.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::HIDDEN;
use crate::config::keywords::shape::{Header, Shape, Times};
use crate::config::keywords::{self, BlockId, ROOT};
use crate::config::quote::command;
use crate::config::raise::{Statement, Word};

/// The whole file.
pub(super) fn text(statements: &[Statement], secrets: bool) -> String {
    let root = object(statements, ROOT, secrets);
    // Strings, numbers and maps with strings for keys: nothing of it can fail.
    serde_json::to_string_pretty(&root).unwrap_or_default() + "\n"
}

/// A value of JSON whose members keep their order.
enum Json {
    Array(Vec<Self>),
    Boolean(bool),
    Number(serde_json::Number),
    Object(Vec<(String, Self)>),
    String(String),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Array(list) => list.serialize(serializer),
            Self::Boolean(value) => value.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => text.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

fn object(statements: &[Statement], block: BlockId, secrets: bool) -> Json {
    let mut members: Vec<(String, Json)> = Vec::new();
    for statement in statements {
        let Some((Word::Plain(keyword), words)) = statement.words.split_first() else { continue };
        let Some(found) = keywords::lookup(block, keyword) else { continue };
        let Some(shape) = found.keyword.shape() else { continue };
        let inside = statement.body.as_deref().unwrap_or(&[]);
        let json = match shape {
            Shape::Block(header, _) => {
                let mut named = head(header, words);
                match found.opens {
                    Some(opens) if keywords::is_value_block(opens) => {
                        named.push(("entries".to_owned(), lines(inside, secrets)));
                    }
                    Some(opens) => {
                        if let Json::Object(members) = object(inside, opens, secrets) {
                            named.extend(members);
                        }
                    }
                    None => {}
                }
                Json::Object(named)
            }
            Shape::Flag | Shape::Boolean if statement.off => Json::Boolean(false),
            Shape::Flag => Json::Boolean(true),
            Shape::Lines => lines(inside, secrets),
            Shape::Names => {
                let words = inside.iter().flat_map(|line| &line.words);
                Json::Array(words.map(|word| Json::String(text_of(word, secrets))).collect())
            }
            Shape::Several if found.keyword.takes_one_text() => {
                Json::String(words.first().map_or_else(String::new, |word| text_of(word, secrets)))
            }
            Shape::Several => line(words, secrets, false),
            shape => value(shape, words, secrets),
        };
        let several = matches!(shape, Shape::Block(_, Times::Many) | Shape::Several);
        match members.iter_mut().find(|(name, _)| name == keyword) {
            Some((_, Json::Array(list))) if several => list.push(json),
            Some(_) => {}
            None if several => members.push((keyword.clone(), Json::Array(vec![json]))),
            None => members.push((keyword.clone(), json)),
        }
    }
    Json::Object(members)
}

/// What stands in front of the brace.
fn head(header: Header, words: &[Word]) -> Vec<(String, Json)> {
    let member = |name: &str, json| (name.to_owned(), json);
    let words: Vec<String> = words.iter().map(|word| text_of(word, true)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (header, words.as_slice()) {
        (Header::Service, ["fwmark", mark, ..]) => vec![member("fwmark", number(mark))],
        (Header::Service, ["group", name, ..]) => vec![member("group", Json::String((*name).to_owned()))],
        (Header::Name, [name, ..]) => vec![member("name", Json::String((*name).to_owned()))],
        (Header::Endpoint | Header::Service, [address, rest @ ..]) => {
            let address = member("address", Json::String((*address).to_owned()));
            std::iter::once(address).chain(rest.first().map(|port| member("port", number(port)))).collect()
        }
        _ => Vec::new(),
    }
}

fn value(shape: Shape, words: &[Word], secrets: bool) -> Json {
    let first = || words.first().map_or_else(String::new, |word| text_of(word, secrets));
    match shape {
        Shape::Alone(_) if words.is_empty() => Json::Boolean(true),
        Shape::Alone(inner) => value(*inner, words, secrets),
        Shape::Boolean => Json::Boolean(words.is_empty() || matches!(&*first(), "on" | "true" | "yes")),
        Shape::Endpoint => Json::Object(head(Header::Endpoint, words)),
        Shape::Line { number, .. } => line(words, secrets, number),
        Shape::List(inner) => {
            let one = |word: &Word| value(*inner, std::slice::from_ref(word), secrets);
            Json::Array(words.iter().map(one).collect())
        }
        Shape::Number | Shape::Whole | Shape::Word => number(&first()),
        Shape::Script => match words {
            [_] => Json::String(first()),
            [_, account @ ..] => {
                let mut members = vec![("command".to_owned(), Json::String(first()))];
                for (name, word) in ["user", "group"].into_iter().zip(account) {
                    members.push((name.to_owned(), Json::String(text_of(word, secrets))));
                }
                Json::Object(members)
            }
            [] => Json::Boolean(true),
        },
        _ => Json::String(first()),
    }
}

/// Lines of data.
fn lines(statements: &[Statement], secrets: bool) -> Json {
    Json::Array(statements.iter().map(|statement| line(&statement.words, secrets, false)).collect())
}

/// The words of a line with blanks between them, or apart where one has a blank itself.
fn line(words: &[Word], secrets: bool, can_be_number: bool) -> Json {
    let words: Vec<String> = words.iter().map(|word| text_of(word, secrets)).collect();
    if let (true, [word]) = (can_be_number, words.as_slice()) {
        return number(word);
    }
    match words.iter().any(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        true => Json::Array(words.into_iter().map(Json::String).collect()),
        false => Json::String(words.join(" ")),
    }
}

/// A number when it is written as JSON writes one.
fn number(text: &str) -> Json {
    text.parse().map_or_else(|_| Json::String(text.to_owned()), Json::Number)
}

fn text_of(word: &Word, secrets: bool) -> String {
    match word {
        Word::Plain(text) | Word::Raw(text) | Word::Pattern(text) => text.clone(),
        Word::Command(arguments) => command(arguments),
        Word::Secret(text) if secrets => text.clone(),
        Word::Secret(_) => HIDDEN.to_owned(),
    }
}
