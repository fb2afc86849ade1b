//! What is shown on D-Bus: the instances and what happens to them, handed to the process that speaks with the bus.

use std::collections::BTreeMap;

use crate::beside::io::{Handle, News};
use crate::config::model::{Family, Instance, Model, OutsideView};
use crate::dbus::link::{Outbox, Shown, Signal};
use crate::dbus::objects::{self, Ask, Files, State};
use crate::dbus::session::Setup;
use crate::notify::{self, Subject, What};
use crate::vrrp::event;
use crate::vrrp::io::Command;
use crate::vrrp::node;

use super::dumps::Dump;
use super::{Director, Options};

/// Where a program finds the system bus (D-Bus specification, "Well-known Message Bus Instances").
const VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";
const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";

/// The process that speaks with the bus, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Dbus {
    process: Option<(Setup, Handle<Outbox>)>,
    /// The instances by name.
    shown: BTreeMap<String, Instanced>,
    /// Those that the last reload removed: they have an end to tell.
    leaving: BTreeMap<String, Instanced>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instanced {
    path: String,
    state: State,
    /// Its end by a reload is told as such (`notify_deleted`); as FAULT without.
    deleted: bool,
}

impl Dbus {
    /// What is to be served of a configuration, and at which path is what; `None`: nothing.
    fn setup(model: &Model, options: &Options, address: Option<String>) -> Option<(Setup, Place)> {
        let outside = &model.globals.outside;
        if options.only_checkers || !outside.enabled.contains(&OutsideView::Dbus) {
            return None;
        }
        let globals = &model.globals;
        let place = objects::place(globals.host.namespace.as_deref(), globals.process.instance.as_deref());
        let setup = Setup {
            address: address.filter(|address| !address.is_empty()).unwrap_or_else(|| SYSTEM_BUS.to_owned()),
            name: outside.dbus_name.clone().unwrap_or_else(|| objects::NAME.to_owned()),
            whole: objects::whole(&place),
        };
        let no_interface = outside.dbus_no_interface.clone().filter(|name| !name.is_empty());
        let no_interface = no_interface.unwrap_or_else(|| objects::NO_INTERFACE.to_owned());
        Some((setup, Place { place, no_interface }))
    }

    /// What it wants next; waits for ever without a process.
    pub(super) async fn news(&mut self) -> News<Ask> {
        match &mut self.process {
            Some((_, handle)) => handle.news().await,
            None => std::future::pending().await,
        }
    }

    /// A state that was entered.
    pub(super) fn entered(&mut self, subject: &Subject, what: &What) {
        let Subject::Instance(name) = subject else { return };
        let entered = match what {
            What::Entered(entered) => entered,
            // Nobody is told of a change: it is so.
            What::Resumed => {
                self.shown.get_mut(name).into_iter().for_each(|one| one.state = State::Master);
                return self.tell_instances();
            }
            _ => return,
        };
        let mut gone = self.leaving.remove(name).filter(|_| *entered == notify::State::Deleted);
        let Some(one) = gone.as_mut().or_else(|| self.shown.get_mut(name)) else { return };
        one.state = match entered {
            notify::State::Master => State::Master,
            notify::State::Backup => State::Backup,
            notify::State::Stop => State::Stop,
            notify::State::Deleted if one.deleted => State::Deleted,
            notify::State::Fault | notify::State::Deleted => State::Fault,
        };
        let signal = Signal::Entered(one.path.clone(), one.state);
        self.put(|outbox| outbox.signal(signal));
    }

    /// A reload is in force.
    pub(super) fn reloaded(&self) {
        self.put(|outbox| outbox.signal(Signal::Reloaded));
    }

    /// Nothing more is shown.
    pub(super) async fn end(&mut self) {
        if let Some((_, handle)) = self.process.take() {
            handle.stop().await;
        }
    }

    fn put(&self, act: impl FnOnce(&mut Outbox)) {
        if let Some((_, handle)) = &self.process {
            handle.put(act);
        }
    }

    /// In the order of their names: of two that would be at one path the first is.
    fn tell_instances(&self) {
        let shown = self.shown.iter();
        let all =
            shown.map(|(name, one)| Shown { path: one.path.clone(), name: name.clone(), state: one.state });
        let all = all.collect();
        self.put(|outbox| outbox.instances(all));
    }
}

/// Where the instances are.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    place: String,
    no_interface: String,
}

impl Place {
    fn path(&self, instance: &Instance) -> String {
        let interface = instance.interface.as_ref().map_or(self.no_interface.as_str(), |name| name.as_str());
        objects::path(&self.place, interface, instance.vrid.number(), instance.family == Family::Ipv6)
    }
}

impl Director {
    /// What is served from now on: the process starts, stops, or is told anew.
    pub(super) fn serve_dbus(&mut self, model: &Model, vrrp: &node::Setup) {
        let wanted = Dbus::setup(model, &self.options, std::env::var(VARIABLE).ok());
        let dbus = &mut self.dbus;
        let same = matches!((&dbus.process, &wanted), (Some((now, _)), Some((then, _))) if now == then);
        let before = dbus.process.take_if(|_| !same).map(|(_, handle)| handle);
        let Some((setup, place)) = wanted else {
            *dbus = Dbus::default();
            // Aside: it may hang.
            before.map(|handle| tokio::spawn(handle.stop()));
            return;
        };
        let snapshot = self.vrrp.as_ref().map(|handle| handle.snapshot.borrow().clone());
        let states: BTreeMap<&str, State> = snapshot
            .iter()
            .flat_map(|snapshot| snapshot.instances.iter())
            .map(|one| (one.name.as_str(), state(one.state)))
            .collect();
        let shown = vrrp.instances.iter().map(|instance| {
            let state = states.get(instance.name.as_str()).copied().unwrap_or(State::Init);
            let deleted = instance.notify.deleted.is_some();
            (instance.name.clone(), Instanced { path: place.path(instance), state, deleted })
        });
        let shown = shown.collect();
        dbus.leaving = std::mem::replace(&mut dbus.shown, shown);
        if dbus.process.is_none() {
            dbus.process = Some((setup.clone(), Handle::start(setup, self.files, before)));
        }
        dbus.tell_instances();
    }

    /// The process wants something.
    pub(super) fn heed_dbus(&mut self, news: News<Ask>) {
        match news {
            News::Begun => self.dbus.tell_instances(),
            News::Asked(Ask::Reload) => self.reloads.ask(false, None),
            News::Asked(Ask::Write(files)) => self.dumps.ask(match files {
                Files::Data => Dump::Data,
                Files::Statistics => Dump::Statistics,
                Files::Clear => Dump::Clear,
            }),
            News::Asked(Ask::Announce(name)) => {
                // Who asks for more at once than the thread takes gets less.
                if let Some(handle) = &self.vrrp {
                    let _ = handle.commands.try_send(Command::Announce(name));
                }
            }
        }
    }
}

fn state(state: event::State) -> State {
    match state {
        event::State::Init => State::Init,
        event::State::Backup => State::Backup,
        event::State::Master => State::Master,
        event::State::Fault => State::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::config::source::Texts;

    fn model(text: &str) -> Model {
        let loaded = config::load("t".as_ref(), &Texts::one("t", text), &config::Options::default());
        loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    fn setup(globals: &str, address: Option<&str>, only_checkers: bool) -> Option<(Setup, Place)> {
        let options = Options { only_checkers, ..Options::plain("t", "/".as_ref()) };
        Dbus::setup(&model(globals), &options, address.map(str::to_owned))
    }

    #[test]
    fn the_file_says_what_is_shown_and_where() {
        assert_eq!(setup("", None, false), None);
        assert_eq!(setup("global_defs {\ndbus_service_name a.b\n}\n", None, false), None);
        assert_eq!(setup("global_defs {\nenable_dbus\n}\n", None, true), None, "who does no VRRP shows none");
        let (plain, place) = setup("global_defs {\nenable_dbus\n}\n", None, false).unwrap();
        let expected = Setup {
            address: "unix:path=/run/dbus/system_bus_socket".into(),
            name: "org.keepalived.Vrrp1".into(),
            whole: "/org/keepalived/Vrrp1/Vrrp".into(),
        };
        assert_eq!((plain, place.no_interface.as_str()), (expected, "none"));
        let text = "net_namespace blue-1\ninstance two\nglobal_defs {\nenable_dbus\ndbus_service_name a.b\n\
                    dbus_no_interface_name nowhere\n}\n";
        let (other, place) = setup(text, Some("unix:path=/x"), false).unwrap();
        let expected = Setup {
            address: "unix:path=/x".into(),
            name: "a.b".into(),
            whole: "/org/keepalived/Vrrp1/blue_1/two/Vrrp".into(),
        };
        assert_eq!(other, expected);
        let unicast = model(
            "vrrp_instance A {\nvirtual_router_id 7\nunicast_src_ip 2001:db8::1\nunicast_peer {\n2001:db8::2\n}\n\
             virtual_ipaddress {\n2001:db8::9/64 dev eth0\n}\n}\n",
        );
        let path = place.path(&unicast.instances[0]);
        assert_eq!(path, "/org/keepalived/Vrrp1/blue_1/two/Instance/nowhere/7/IPv6");
    }

    #[test]
    fn what_a_reload_removes_ends_where_it_was() {
        let one = |path: &str, deleted| Instanced { path: path.into(), state: State::Master, deleted };
        let mut dbus = Dbus::default();
        // One of the same name has taken its place.
        dbus.leaving.insert("A".into(), one("/old", true));
        dbus.shown.insert("A".into(), one("/new", false));
        let subject = Subject::Instance("A".into());
        dbus.entered(&subject, &What::Entered(notify::State::Deleted));
        assert_eq!((dbus.shown["A"].state, dbus.leaving.len()), (State::Master, 0));
        dbus.entered(&subject, &What::Entered(notify::State::Backup));
        assert_eq!(dbus.shown["A"].state, State::Backup);
        // As to scripts: without `notify_deleted` as FAULT.
        dbus.entered(&subject, &What::Entered(notify::State::Deleted));
        assert_eq!(dbus.shown["A"].state, State::Fault);
    }
}
