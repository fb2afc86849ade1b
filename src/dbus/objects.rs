//! The objects: where they are, what they can be asked, and what they answer.
//!
//! In: a method call. Out: its answer, and what the daemon is asked to do for it. What is above an object can be introspected
//! too, so that whoever starts at `/` finds all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The name on the bus when there is no `dbus_service_name`.
pub const NAME: &str = "org.keepalived.Vrrp1";
/// The interface of the daemon as a whole.
pub const WHOLE: &str = "org.keepalived.Vrrp1.Vrrp";
/// The interface of an instance.
pub const INSTANCE: &str = "org.keepalived.Vrrp1.Instance";
/// The element of the path of an instance without an interface when there is no `dbus_no_interface_name`.
pub const NO_INTERFACE: &str = "none";

const ROOT: &str = "/org/keepalived/Vrrp1";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PEER: &str = "org.freedesktop.DBus.Peer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// State of an instance, by keepalived's numbers and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not started.
    Init,
    /// Listens.
    Backup,
    /// Owns the addresses.
    Master,
    /// Takes no part.
    Fault,
    /// A reload removed it.
    Deleted,
    /// The daemon stops.
    Stop,
}

impl State {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Init => 0,
            Self::Backup => 1,
            Self::Master => 2,
            Self::Fault => 3,
            Self::Deleted => 97,
            Self::Stop => 98,
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::Backup => "Backup",
            Self::Master => "Master",
            Self::Fault => "Fault",
            Self::Deleted => "Deleted",
            Self::Stop => "Stop",
        }
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in the configuration.
    pub name: String,
    /// Its state.
    pub state: State,
}

/// Below which path everything is: with `net_namespace` and `instance` as elements of their own.
#[must_use]
pub fn place(namespace: Option<&str>, instance: Option<&str>) -> String {
    let elements = [namespace, instance].into_iter().flatten().filter(|name| !name.is_empty());
    elements.fold(ROOT.to_owned(), |path, name| format!("{path}/{}", element(name)))
}

/// The path of the daemon as a whole.
#[must_use]
pub fn whole(place: &str) -> String {
    format!("{place}/Vrrp")
}

/// The path of an instance. `interface`: that of the configuration, also with `use_vmac`.
#[must_use]
pub fn path(place: &str, interface: &str, vrid: u8, ipv6: bool) -> String {
    let family = if ipv6 { "IPv6" } else { "IPv4" };
    format!("{place}/Instance/{}/{vrid}/{family}", element(interface))
}

/// A name as an element of a path, which has letters, digits and `_` only.
fn element(name: &str) -> String {
    name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '_' }).collect()
}

/// A method call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Of which object.
    pub path: String,
    /// Of which interface; `None`: of the one that has the method.
    pub interface: Option<String>,
    /// The method.
    pub member: String,
    /// The types of its arguments.
    pub signature: String,
    /// Those arguments at the beginning that are text.
    pub texts: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done; there is nothing to say.
    Done,
    /// A text.
    Text(String),
    /// One property.
    Property(Property),
    /// All properties of an interface, with their names.
    Properties(Vec<(&'static str, Property)>),
    /// It is not done.
    Failure {
        /// The kind of error: `org.freedesktop.DBus.Error.` and this.
        kind: &'static str,
        /// What is wrong.
        text: String,
    },
}

/// The value of a property. Each is a structure, as in keepalived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// `(s)`.
    Name(String),
    /// `(us)`.
    State(State),
}

/// What the daemon is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Read the configuration again.
    Reload,
    /// Announce the addresses of the instance of this name.
    Announce(String),
    /// Write files, as a signal asks for them.
    Write(Files),
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Files {
    /// `PrintData`: the state.
    Data,
    /// `PrintStats`: the counters.
    Statistics,
    /// `PrintStatsClear`: the counters, which begin anew.
    Clear,
}

impl Files {
    /// What a method asks for.
    fn of(method: &str) -> Option<Self> {
        match method {
            "PrintData" => Some(Self::Data),
            "PrintStats" => Some(Self::Statistics),
            "PrintStatsClear" => Some(Self::Clear),
            _ => None,
        }
    }
}

/// All objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// The path of the daemon as a whole.
    pub whole: String,
    /// The instances by their paths.
    pub instances: BTreeMap<String, Instance>,
    /// What `GetMachineId` answers.
    pub machine: String,
}

impl Objects {
    /// Answers a call.
    #[must_use]
    pub fn answer(&self, call: &Call) -> (Answer, Option<Ask>) {
        match self.try_answer(call) {
            Ok(answer) => answer,
            Err((kind, text)) => (Answer::Failure { kind, text }, None),
        }
    }

    fn try_answer(&self, call: &Call) -> Result<(Answer, Option<Ask>), (&'static str, String)> {
        let kind = self.kind(&call.path).ok_or_else(|| {
            let instance = call.path.split_once("/Instance/").map(|(_, instance)| instance);
            match instance {
                Some(instance) => ("UnknownMethod", format!("Instance '{instance}' not found")),
                None => ("UnknownMethod", format!("There is no object at the path '{}'", call.path)),
            }
        })?;
        let has = |interface: &str| call.interface.as_deref().is_none_or(|named| named == interface);
        let done = |answer| Ok((answer, None));
        match call.member.as_str() {
            "Introspect" if has(INTROSPECTABLE) => {
                call.takes("")?;
                done(Answer::Text(self.introspect(&call.path, kind)))
            }
            "Ping" if has(PEER) => {
                call.takes("")?;
                done(Answer::Done)
            }
            "GetMachineId" if has(PEER) => {
                call.takes("")?;
                done(Answer::Text(self.machine.clone()))
            }
            "Get" if has(PROPERTIES) => {
                call.takes("ss")?;
                let mut properties = kind.properties(call.text(0))?.into_iter();
                let found = properties.find(|(name, _)| *name == call.text(1));
                done(Answer::Property(found.ok_or_else(|| call.no_property())?.1))
            }
            "GetAll" if has(PROPERTIES) => {
                call.takes("s")?;
                done(Answer::Properties(kind.properties(call.text(0))?))
            }
            "Set" if has(PROPERTIES) => {
                call.takes("ssv")?;
                let properties = kind.properties(call.text(0))?;
                match properties.iter().any(|(name, _)| *name == call.text(1)) {
                    true => Err(("PropertyReadOnly", format!("'{}' cannot be set", call.text(1)))),
                    false => Err(call.no_property()),
                }
            }
            member => kind.act(member, call, has),
        }
    }

    /// What is at a path; `None`: nothing.
    fn kind(&self, path: &str) -> Option<Kind<'_>> {
        if path == self.whole {
            return Some(Kind::Whole);
        }
        if let Some(instance) = self.instances.get(path) {
            return Some(Kind::Instance(instance));
        }
        (path == "/" || !self.children(path).is_empty()).then_some(Kind::Above)
    }

    /// The elements that follow a path.
    fn children(&self, path: &str) -> BTreeSet<&str> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let all = self.instances.keys().chain([&self.whole]);
        let below = all.filter_map(|one| one.strip_prefix(path)?.strip_prefix('/'));
        below.filter_map(|rest| rest.split('/').next()).collect()
    }

    fn introspect(&self, path: &str, kind: Kind<'_>) -> String {
        let mut text = String::from(HEAD);
        match kind {
            Kind::Whole => text.extend([STANDARD, OF_WHOLE]),
            Kind::Instance(_) => text.extend([STANDARD, OF_INSTANCE]),
            Kind::Above => {}
        }
        for child in self.children(path) {
            let _ = writeln!(text, "  <node name=\"{child}\"/>");
        }
        text.push_str("</node>\n");
        text
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Whole,
    Instance(&'a Instance),
    /// It has objects below it.
    Above,
}

impl Kind<'_> {
    fn properties(self, interface: &str) -> Result<Vec<(&'static str, Property)>, (&'static str, String)> {
        match (self, interface) {
            (Self::Instance(instance), INSTANCE) => Ok(vec![
                ("Name", Property::Name(instance.name.clone())),
                ("State", Property::State(instance.state)),
            ]),
            (Self::Whole, WHOLE) => Ok(Vec::new()),
            (Self::Whole | Self::Instance(_), INTROSPECTABLE | PEER | PROPERTIES) => Ok(Vec::new()),
            _ => Err(("InvalidArgs", format!("There is no interface '{interface}' here"))),
        }
    }

    fn act(
        self,
        member: &str,
        call: &Call,
        has: impl Fn(&str) -> bool,
    ) -> Result<(Answer, Option<Ask>), (&'static str, String)> {
        if let (Self::Whole, Some(files), true) = (self, Files::of(member), has(WHOLE)) {
            call.takes("")?;
            return Ok((Answer::Done, Some(Ask::Write(files))));
        }
        match (self, member) {
            (Self::Whole, "ReloadConfig") if has(WHOLE) => {
                call.takes("")?;
                Ok((Answer::Done, Some(Ask::Reload)))
            }
            (Self::Instance(instance), "SendGarp") if has(INSTANCE) => {
                call.takes("")?;
                if instance.state != State::Master {
                    let state = instance.state.word();
                    let text =
                        format!("'{}' is {state}: only a Master announces its addresses", instance.name);
                    return Err(("Failed", text));
                }
                Ok((Answer::Done, Some(Ask::Announce(instance.name.clone()))))
            }
            _ => {
                let of = call.interface.as_deref().map_or(String::new(), |name| format!("{name}."));
                Err(("UnknownMethod", format!("There is no method '{of}{member}' here")))
            }
        }
    }
}

impl Call {
    fn takes(&self, signature: &str) -> Result<(), (&'static str, String)> {
        if self.signature == signature {
            return Ok(());
        }
        let (member, given) = (&self.member, &self.signature);
        Err(("InvalidArgs", format!("'{member}' takes arguments of the types ({signature}), not ({given})")))
    }

    fn text(&self, at: usize) -> &str {
        self.texts.get(at).map_or("", String::as_str)
    }

    fn no_property(&self) -> (&'static str, String) {
        ("InvalidArgs", format!("There is no property '{}' here", self.text(1)))
    }
}

const HEAD: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
"#;

/// What every object has.
const STANDARD: &str = r#"  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg type="s" name="xml_data" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId"><arg type="s" name="machine_uuid" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="out"/>
    </method>
    <method name="GetAll">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="a{sv}" name="properties" direction="out"/>
    </method>
    <method name="Set">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg type="s" name="interface_name"/>
      <arg type="a{sv}" name="changed_properties"/>
      <arg type="as" name="invalidated_properties"/>
    </signal>
  </interface>
"#;

const OF_WHOLE: &str = r#"  <interface name="org.keepalived.Vrrp1.Vrrp">
    <method name="PrintData"/>
    <method name="PrintStats"/>
    <method name="PrintStatsClear"/>
    <method name="ReloadConfig"/>
    <signal name="VrrpStarted"/>
    <signal name="VrrpReloaded"/>
    <signal name="VrrpStopped"/>
  </interface>
"#;

/// The types are those of the values; keepalived says `s` of a `(s)`.
const OF_INSTANCE: &str = r#"  <interface name="org.keepalived.Vrrp1.Instance">
    <method name="SendGarp"/>
    <signal name="VrrpStatusChange"><arg type="u" name="status"/></signal>
    <property type="(s)" name="Name" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <property type="(us)" name="State" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
  </interface>
"#;

#[cfg(test)]
mod tests;
