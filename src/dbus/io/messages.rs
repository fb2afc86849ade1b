//! From calls, answers and signals to messages of the bus, and back.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use zbus::message::{Flags, Type};
use zbus::zvariant::{StructureBuilder, Value};
use zbus::{Error, Message, Result};

use crate::dbus::objects::{Answer, Call, Property};
use crate::dbus::session::{Emission, Naming};
use crate::text::reason;

/// The bus itself, as one of those who speak there.
const BUS: &str = "org.freedesktop.DBus";
/// Whoever has the name keeps it, and we do not wait for it (`DBUS_NAME_FLAG_DO_NOT_QUEUE`).
const DO_NOT_QUEUE: u32 = 4;
/// `DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER` and `..._ALREADY_OWNER`.
const OURS: [u32; 2] = [1, 4];

/// Letters of a path of ours at most, which has two names of 255, and of any name.
const LONGEST: usize = 1024;

/// What concerns us of what the bus brings.
pub(super) enum Incoming {
    Called(Call),
    Named(Naming),
}

/// Reads a message; `None`: it does not concern us. `asked`: the message that asked for `name`.
pub(super) fn read(message: &Message, asked: Option<NonZeroU32>, name: &str) -> Option<Incoming> {
    let header = message.header();
    let of_bus = header.sender().is_some_and(|sender| sender.as_str() == BUS);
    let is_answer = of_bus && asked.is_some() && header.reply_serial() == asked;
    let body = message.body();
    match header.message_type() {
        Type::MethodCall => {
            let signature = header.signature().to_string_no_parens();
            let texts = match signature.as_str() {
                "s" => body.deserialize::<&str>().ok().into_iter().map(short).collect(),
                // Of three arguments as well.
                "ss" | "ssv" => {
                    let pair = body.deserialize_unchecked::<(&str, &str)>().ok();
                    pair.into_iter().flat_map(|(first, second)| [first, second]).map(short).collect()
                }
                _ => Vec::new(),
            };
            Some(Incoming::Called(Call {
                path: short(header.path()?),
                interface: header.interface().map(ToString::to_string),
                member: header.member()?.to_string(),
                signature: short(&signature),
                texts,
            }))
        }
        Type::MethodReturn if is_answer => {
            let ours = body.deserialize::<u32>().is_ok_and(|code| OURS.contains(&code));
            Some(Incoming::Named(if ours { Naming::Ours } else { Naming::Taken }))
        }
        Type::Error if is_answer => {
            let kind = header.error_name().map_or("", |name| name.as_str());
            Some(Incoming::Named(match kind {
                "org.freedesktop.DBus.Error.AccessDenied" => Naming::Forbidden,
                _ => Naming::Refused(body.deserialize::<String>().unwrap_or_else(|_| kind.to_owned())),
            }))
        }
        Type::Signal if of_bus && header.member().is_some_and(|member| member == "NameLost") => {
            let lost = body.deserialize::<String>().ok()?;
            (lost == name).then_some(Incoming::Named(Naming::Lost))
        }
        _ => None,
    }
}

/// What is longer is no name or path of ours, and is not to come back in an answer as a whole.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Asks for the name.
pub(super) fn request(name: &str) -> Result<Message> {
    let call = Message::method_call("/org/freedesktop/DBus", "RequestName")?;
    call.destination(BUS)?.interface(BUS)?.build(&(name, DO_NOT_QUEUE))
}

/// Whether somebody waits for the answer.
pub(super) fn wants_answer(call: &Message) -> bool {
    !call.primary_header().flags().contains(Flags::NoReplyExpected)
}

/// The answer to a call.
pub(super) fn answer(call: &Message, answer: Answer) -> Result<Message> {
    let header = call.header();
    let done = || Message::method_return(&header);
    match answer {
        Answer::Done => done()?.build(&()),
        Answer::Text(text) => done()?.build(&text),
        Answer::Property(property) => done()?.build(&value(property)?),
        Answer::Properties(all) => {
            let all = all.into_iter().map(|(name, property)| Ok((name, value(property)?)));
            done()?.build(&all.collect::<Result<BTreeMap<&str, Value<'_>>>>()?)
        }
        Answer::Failure { kind, text } => {
            Message::error(&header, format!("org.freedesktop.DBus.Error.{kind}"))?.build(&text)
        }
    }
}

/// A signal.
pub(super) fn signal(emission: &Emission) -> Result<Message> {
    let signal = Message::signal(emission.path.as_str(), emission.interface, emission.member)?;
    match emission.number {
        Some(number) => signal.build(&number),
        None => signal.build(&()),
    }
}

fn value(property: Property) -> Result<Value<'static>> {
    let structure = match property {
        Property::Name(name) => StructureBuilder::new().add_field(name),
        Property::State(state) => {
            StructureBuilder::new().add_field(state.number()).add_field(state.word().to_owned())
        }
    };
    Ok(Value::Structure(structure.build()?))
}

/// An error in words.
pub(super) fn plain(error: &Error) -> String {
    match error {
        Error::InputOutput(error) | Error::Connection(error, _) => reason(error).to_lowercase(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::objects::State;

    fn call(member: &str) -> Message {
        let call = Message::method_call("/a/b", member).unwrap();
        call.sender(":1.7").unwrap().interface("a.b").unwrap().build(&("x", "y")).unwrap()
    }

    #[test]
    fn a_call_is_read_whatever_its_arguments_are() {
        let Some(Incoming::Called(read_call)) = read(&call("Get"), None, "a.b") else { panic!() };
        let expected = Call {
            path: "/a/b".into(),
            interface: Some("a.b".into()),
            member: "Get".into(),
            signature: "ss".into(),
            texts: vec!["x".into(), "y".into()],
        };
        assert_eq!(read_call, expected);
        let build = || Message::method_call("/a", "Set").unwrap();
        let set = build().build(&("x", "y", Value::from(vec![1_u8, 2]))).unwrap();
        let Some(Incoming::Called(set)) = read(&set, None, "a.b") else { panic!() };
        assert_eq!((set.signature.as_str(), set.texts.len(), set.interface), ("ssv", 2, None));
        let long = "x".repeat(1 << 20);
        let endless = build().build(&(long.as_str(), long.as_str())).unwrap();
        let Some(Incoming::Called(endless)) = read(&endless, None, "a.b") else { panic!() };
        assert!(endless.texts.iter().all(|text| text.len() == LONGEST), "it does not come back in answers");
        let strange = build().build(&(1_u64, Value::from("z"), vec![("a", 1_u8)])).unwrap();
        let Some(Incoming::Called(strange)) = read(&strange, None, "a.b") else { panic!() };
        assert_eq!((strange.signature.as_str(), strange.texts.len()), ("tva(sy)", 0));
    }

    #[test]
    fn answers_have_keepalived_s_types() {
        let call = call("Get");
        let body = |given| answer(&call, given).unwrap().body();
        assert_eq!(body(Answer::Done).signature().to_string(), "");
        assert_eq!(body(Answer::Text("x".into())).deserialize::<String>().unwrap(), "x");
        let name = body(Answer::Property(Property::Name("VI_1".into())));
        assert_eq!(name.signature().to_string(), "v");
        let value: Value<'_> = name.deserialize().unwrap();
        assert_eq!(value.value_signature().to_string(), "(s)");
        let all = vec![("Name", Property::Name("V".into())), ("State", Property::State(State::Master))];
        let all = body(Answer::Properties(all));
        let all: BTreeMap<String, Value<'_>> = all.deserialize().unwrap();
        let (number, word): (u32, String) = all["State"].try_clone().unwrap().try_into().unwrap();
        assert_eq!((number, word.as_str()), (2, "Master"));
        let failure = answer(&call, Answer::Failure { kind: "Failed", text: "no".into() }).unwrap();
        assert_eq!(failure.header().error_name().unwrap().as_str(), "org.freedesktop.DBus.Error.Failed");
        assert!(wants_answer(&call));
    }

    #[test]
    fn only_the_bus_says_whose_the_name_is() {
        let request = request("a.b").unwrap();
        let asked = Some(request.primary_header().serial_num());
        let named = |sender: &str, code: u32| {
            let answer = Message::method_return(&request.header()).unwrap();
            let answer = answer.sender(sender).unwrap().build(&code).unwrap();
            match read(&answer, asked, "a.b") {
                Some(Incoming::Named(naming)) => Some(naming),
                _ => None,
            }
        };
        let of_bus = [1, 2, 3, 4].map(|code| named(BUS, code));
        assert_eq!(of_bus, [Naming::Ours, Naming::Taken, Naming::Taken, Naming::Ours].map(Some));
        assert_eq!(named(":1.9", 1), None);
        let lost = |sender: &str, name: &str| {
            let signal = Message::signal("/org/freedesktop/DBus", BUS, "NameLost").unwrap();
            let signal = signal.sender(sender).unwrap().build(&name).unwrap();
            matches!(read(&signal, None, "a.b"), Some(Incoming::Named(Naming::Lost)))
        };
        assert!(lost(BUS, "a.b") && !lost(BUS, "a.c") && !lost(":1.9", "a.b"));
    }
}
