//! The JSON Schema of a configuration in JSON.
//!
//! In: the table of words. Out: a schema of draft 2020-12: types, ranges, choices, defaults, one line for each word.

use serde_json::{Map, Value, json};

use crate::config::keywords::shape::{Format, Header, Shape, Times};
use crate::config::keywords::{AbsentValue, Keyword, Status, all};

/// Words of another spelling, of which one will do.
const ALTERNATIVES: [&str; 1] = ["bfd_instance/neighbour_ip"];

/// The schema, as `docs/schema/directord.schema.json` has it.
pub fn schema() -> String {
    let mut root = object("");
    let members = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("Configuration of directord")),
        (
            "description",
            json!(
                "What keepalived.conf says, as JSON: a block is an object, a keyword a member, blocks that may be \
                 there several times are arrays. Made of the table of keywords."
            ),
        ),
        ("$defs", definitions()),
    ];
    if let Value::Object(root) = &mut root {
        root.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        properties.insert("$schema".to_owned(), json!({ "type": "string", "description": "this schema" }));
    }
    serde_json::to_string_pretty(&root).unwrap_or_default() + "\n"
}

fn definitions() -> Value {
    let words = json!({ "type": "array", "items": { "type": ["string", "number"] } });
    json!({
        "line": {
            "description": "the words of a line as in keepalived.conf; an array of words where one has blanks",
            "anyOf": [{ "type": "string" }, words]
        },
        "number_line": {
            "description": "a number, or the words of a line as in keepalived.conf",
            "anyOf": [{ "type": "number" }, { "type": "string" }, words]
        },
        "port": { "description": "0: every port", "type": "integer", "minimum": 0, "maximum": 65535 },
        "endpoint": {
            "type": "object",
            "properties": {
                "address": { "type": "string", "description": "IPv4 or IPv6 address; for mail also a name" },
                "port": { "$ref": "#/$defs/port" }
            },
            "required": ["address"],
            "additionalProperties": false
        },
        "script": {
            "description": "program and arguments, with quotes and escapes between them as in keepalived.conf",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "command": { "type": "string" },
                        "user": { "type": "string", "description": "account that runs it" },
                        "group": { "type": "string", "description": "with a colon in front: the user's supplementary groups too" }
                    },
                    "required": ["command"],
                    "additionalProperties": false
                }
            ]
        }
    })
}

/// The inside of a block.
fn object(block: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for row in all().filter(|row| row.block() == block && row.is_in_json()) {
        let Some(shape) = row.shape() else { continue };
        properties.insert(row.word().to_owned(), described(row, shape));
        if row.absent().value == AbsentValue::Required && !ALTERNATIVES.contains(&row.path) {
            required.push(row.word());
        }
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        set(&mut object, "required", json!(required));
    }
    object
}

fn described(row: &Keyword, shape: Shape) -> Value {
    let mut value = value(row, shape);
    let range = match row.range() {
        range if range.is_empty() => range,
        range => format!("; {range}"),
    };
    let default = default(row, shape);
    let untold = match row.absent().value {
        AbsentValue::Unsaid | AbsentValue::Required | AbsentValue::None => true,
        _ => default.is_some(),
    };
    let told = match untold && row.absent().is_plain() {
        true => String::new(),
        false => format!("; default: {}", row.default()),
    };
    set(&mut value, "description", json!(format!("{}{range}{told}", row.doc())));
    if let Some(default) = default {
        set(&mut value, "default", default);
    }
    if matches!(row.status, Status::Ignored(_)) {
        set(&mut value, "deprecated", json!(true));
    }
    value
}

fn value(row: &Keyword, shape: Shape) -> Value {
    match shape {
        Shape::Alone(inner) => json!({ "anyOf": [{ "const": true }, value(row, *inner)] }),
        Shape::Block(header, times) => {
            let block = headed(row, header);
            match times {
                Times::Once => block,
                Times::Many => json!({ "type": "array", "items": block }),
            }
        }
        Shape::Boolean | Shape::Flag => json!({ "type": "boolean" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Command | Shape::Pattern => json!({ "type": "string" }),
        Shape::Endpoint => json!({ "$ref": "#/$defs/endpoint" }),
        Shape::Line { number: true, .. } => json!({ "$ref": "#/$defs/number_line" }),
        Shape::Line { number: false, .. } => json!({ "$ref": "#/$defs/line" }),
        Shape::Several if row.takes_one_text() => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Lines | Shape::Several => json!({ "type": "array", "items": { "$ref": "#/$defs/line" } }),
        Shape::List(inner) => json!({ "type": "array", "items": value(row, *inner) }),
        Shape::Names => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Number => bounded(row, "number"),
        Shape::Script => json!({ "$ref": "#/$defs/script" }),
        Shape::Text(Format::Address | Format::Multicast) => {
            json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
        }
        Shape::Text(Format::Digest) => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" }),
        Shape::Text(Format::Ipv4) => json!({ "type": "string", "format": "ipv4" }),
        Shape::Text(Format::Ipv6) => json!({ "type": "string", "format": "ipv6" }),
        Shape::Text(_) => json!({ "type": "string" }),
        Shape::Whole => bounded(row, "integer"),
        Shape::Word => json!({ "type": ["string", "integer"] }),
    }
}

/// A block with what names it.
fn headed(row: &Keyword, header: Header) -> Value {
    let mut block = match row.is_value_block() {
        true => {
            let entries = json!({
                "type": "array",
                "items": { "$ref": "#/$defs/line" },
                "description": "ADDRESS[-LAST] [PORT], ADDRESS/LENGTH [PORT] or fwmark NUMBER [inet|inet6]"
            });
            json!({
                "type": "object",
                "properties": { "entries": entries },
                "required": ["entries"],
                "additionalProperties": false
            })
        }
        false => object(row.path),
    };
    let name = json!({ "type": "string" });
    let address = json!({ "type": "string", "description": "IPv4 or IPv6 address" });
    let port = json!({ "$ref": "#/$defs/port" });
    let named: Vec<(&str, Value)> = match header {
        Header::None => Vec::new(),
        Header::Name => vec![("name", name)],
        Header::Endpoint => vec![("address", address), ("port", port)],
        Header::Service => {
            let mark = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
            vec![("address", address), ("port", port), ("fwmark", mark), ("group", name)]
        }
    };
    match (header, named.first()) {
        (Header::Name | Header::Endpoint, Some((first, _))) => {
            let mut required = vec![json!(first)];
            required.extend(block.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
            set(&mut block, "required", Value::Array(required));
        }
        (Header::Service, _) => {
            let one = |word: &str| json!({ "required": [word] });
            set(&mut block, "oneOf", json!([one("address"), one("fwmark"), one("group")]));
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = block.get_mut("properties") {
        properties.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    block
}

/// A number in the range of its row.
fn bounded(row: &Keyword, kind: &str) -> Value {
    let mut value = json!({ "type": kind });
    let (low, high) = row.bounds();
    for (name, bound) in [("minimum", low), ("maximum", high)] {
        let Some(millionths) = bound else { continue };
        set(&mut value, name, number(millionths));
    }
    value
}

/// A number of millionths.
fn number(millionths: i64) -> Value {
    let whole = millionths % 1_000_000 == 0;
    #[expect(clippy::cast_precision_loss, reason = "the numbers of the table have few digits")]
    if whole { json!(millionths / 1_000_000) } else { json!(millionths as f64 / 1e6) }
}

/// The default, when it is a value.
fn default(row: &Keyword, shape: Shape) -> Option<Value> {
    match (shape, row.absent().value) {
        (Shape::Boolean | Shape::Flag, AbsentValue::Switch(on)) => Some(json!(on)),
        (Shape::Whole | Shape::Number, _) => row.absent().number().map(number),
        (Shape::Choice(_), AbsentValue::Word(word)) => Some(json!(word)),
        _ => None,
    }
}

fn set(value: &mut Value, name: &str, to: Value) {
    if let Value::Object(members) = value {
        members.insert(name.to_owned(), to);
    }
}
