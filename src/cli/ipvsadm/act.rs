//! Does what a command line says, and keeps what is printed.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use super::address::Names;
use super::bytes::wide;
use super::connections;
use super::errors::{Asked, text};
use super::owner::Owner;
use super::parse::{Action, Format, Listed, Ours, Stop, parse};
use super::print;
use super::restore::{self, Said, Step};
use super::{Output, help};
use crate::config::model::{Family, Protocol, Service};
use crate::ipvs::Table;
use crate::ipvs::diff::Operation;
use crate::ipvs::io::{Ipvs, number};
use crate::ipvs::keeper::{Look, Seen};
use crate::ipvs::listing::{Info, ListedService};
use crate::ipvs::timeouts::{Values, Which};
use crate::text::reason;

const CONNECTIONS: &str = "/proc/net/ip_vs_conn";
/// Bytes of saved rules.
const LARGEST: u64 = 256 << 20;
/// Bytes of errors that are kept until the end.
const MANY: usize = 64 << 10;
const RUNTIME: &str = "/run/directord";

/// The kernel's table, and who keeps what of it.
pub(super) struct Hand<'a> {
    ipvs: Ipvs,
    info: Info,
    owner: Owner,
    names: &'a dyn Names,
    program: &'a str,
}

/// Nothing more is done; what there is to say is said.
pub(super) struct Ended(pub(super) u8);

impl<'a> Hand<'a> {
    /// Reaches for the table.
    pub(super) fn reach(program: &'a str, names: &'a dyn Names, output: &mut Output) -> Result<Self, Ended> {
        let (ipvs, info) = Ipvs::open_by_hand().map_err(|errno| {
            let why = text(Asked::Other, errno);
            output.err += &format!(
                "Can't initialize ipvs: {why}\n\
                 Are you sure that IP Virtual Server is built in the kernel or as module?\n"
            );
            Ended(Stop::WRONG)
        })?;
        Ok(Self { ipvs, info, owner: Owner::default(), names, program })
    }

    /// Before a change: asks the daemon what it keeps.
    pub(super) fn ask_owner(
        &mut self,
        action: &Action,
        ours: &Ours,
        output: &mut Output,
    ) -> Result<(), Ended> {
        let changes = matches!(action, Action::Change(_) | Action::Flush | Action::Restore);
        if changes && !ours.force {
            let folder = ours.runtime_dir.as_deref().unwrap_or(RUNTIME);
            self.owner = Owner::ask(Path::new(folder)).map_err(|why| {
                let why = format!(
                    "the directord that runs does not say which services it keeps: {why}; --force goes on"
                );
                output.err += &format!("{}\n", wide(why.as_bytes()));
                Ended(Stop::WRONG)
            })?;
        }
        Ok(())
    }

    /// Does it; the exit status, or the end of everything.
    pub(super) fn act(&mut self, action: &Action, output: &mut Output) -> Result<u8, Ended> {
        if let Some(why) = self.owner.refuses(action) {
            output.err += &format!("{}\n", wide(why.as_bytes()));
            return Ok(Stop::WRONG);
        }
        match action {
            Action::Help => output.out += &help::text(self.program),
            Action::Version => output.out += help::VERSION,
            Action::List(listed, format) => self.list(*listed, *format, output)?,
            Action::Restore => return Err(output.stopped(Stop::help(self.program))),
            _ => {
                if let Err(why) = self.change(action) {
                    output.err += &format!("{why}\n");
                    return Ok(Stop::REFUSED);
                }
            }
        }
        Ok(0)
    }

    /// A change of whatever kind. Error: the kernel's reason.
    fn change(&mut self, action: &Action) -> Result<(), String> {
        let refused = |asked, errno| if errno == 0 { Ok(()) } else { Err(text(asked, errno)) };
        match action {
            Action::Change(operation) => {
                let errno = self.operations(vec![operation.clone()]).first().copied().unwrap_or(libc::EINVAL);
                refused(Asked::Change(operation), errno)
            }
            Action::Flush => self.ipvs.flush().map_err(|errno| text(Asked::Other, errno)),
            Action::Zero(service) => {
                self.ipvs.zero(service.as_ref()).map_err(|errno| text(Asked::Zero, errno))
            }
            Action::Timeouts([tcp, tcpfin, udp]) => {
                let values = Values::from([(Which::Tcp, *tcp), (Which::TcpFin, *tcpfin), (Which::Udp, *udp)]);
                let errno = self.ipvs.set_timeouts(&values).unwrap_or_else(|error| number(&error));
                refused(Asked::Other, errno)
            }
            Action::Sync(operation) => {
                let answers = self.ipvs.change_sync_daemons(std::slice::from_ref(operation));
                let errno = answers.map(|all| all.first().copied().unwrap_or(libc::EINVAL));
                refused(Asked::Sync(operation), errno.unwrap_or_else(|error| number(&error)))
            }
            _ => Ok(()),
        }
    }

    /// The errno of each, or 0.
    fn operations(&mut self, operations: Vec<Operation>) -> Vec<i32> {
        let many = operations.len();
        match self.ipvs.change(operations) {
            Ok(answers) => answers.into_iter().map(|answer| answer.outcome.err().unwrap_or(0)).collect(),
            Err(error) => vec![number(&error); many],
        }
    }

    // ---- lists ----

    fn list(&mut self, listed: Listed, format: Format, output: &mut Output) -> Result<(), Ended> {
        match listed {
            Listed::All => {
                if !format.rules {
                    output.out += &print::head(self.info);
                }
                let mut services = self.ipvs.listed_services().map_err(|errno| output.unlisted(errno))?;
                if !format.unsorted {
                    print::sort_services(&mut services);
                }
                output.out += &print::title(format);
                services.iter().try_for_each(|service| self.service(service, format, output))
            }
            Listed::One(service) => {
                let service = self.ipvs.listed_service(&service).map_err(|errno| output.unlisted(errno))?;
                output.out += &print::title(format);
                self.service(&service, format, output)
            }
            Listed::Connections => {
                let file = std::fs::read(CONNECTIONS).map_err(|_| {
                    output.err += &format!("cannot open file {CONNECTIONS}\n");
                    Ended(1)
                })?;
                output.out += &connections::list(&file, format, self.names);
                Ok(())
            }
            Listed::Timeouts => {
                output.out += &print::timeouts(&self.ipvs.timeouts().map_err(|_| Ended(1))?);
                Ok(())
            }
            Listed::Daemons => {
                output.out += &print::daemons(&self.ipvs.sync_daemons().map_err(|_| Ended(1))?);
                Ok(())
            }
        }
    }

    fn service(&mut self, service: &ListedService, format: Format, output: &mut Output) -> Result<(), Ended> {
        let Some(key) = key(service) else { return Ok(()) };
        let found = self.ipvs.listed_destinations(&key);
        let mut destinations = found.map_err(|errno| output.unlisted(errno))?;
        if !format.unsorted {
            print::sort_destinations(&mut destinations);
        }
        output.out += &print::service(service, &destinations, format, self.names);
        Ok(())
    }

    // ---- saved rules ----

    /// `-R`; `anew`: the table is emptied first.
    pub(super) fn restore(&mut self, rules: &str, ours: &Ours, anew: bool, output: &mut Output) -> u8 {
        if ours.keep_going {
            return self.line_by_line(rules, anew, output);
        }
        match self.all_or_none(rules, anew) {
            Ok(()) => 0,
            Err(said) => {
                for line in said {
                    output.err += &format!("{line}\n");
                }
                Stop::WRONG
            }
        }
    }

    fn line_by_line(&mut self, rules: &str, anew: bool, output: &mut Output) -> u8 {
        let mut status = 0;
        if anew {
            status = match self.act(&Action::Flush, output) {
                Ok(status) | Err(Ended(status)) => status,
            };
        }
        for (_, words) in restore::lines(rules) {
            // ipvsadm-restore leaves them out, ipvsadm -R takes them for words.
            if anew && words.first().is_some_and(|word| word.starts_with('#')) {
                continue;
            }
            output.say_errors(MANY);
            status = match parse(self.program, &words, self.names) {
                Ok((action @ (Action::Help | Action::Version), _)) => {
                    let _ = self.act(&action, output);
                    return 0;
                }
                Ok((_, ours)) if ours != Ours::default() => {
                    output.err += &format!("{}\n", restore::OURS);
                    Stop::WRONG
                }
                Ok((action, _)) => match self.act(&action, output) {
                    Ok(status) => status,
                    Err(Ended(status)) => return status,
                },
                Err(stop) if stop.goes_on => output.stopped(stop).0,
                Err(stop) => return output.stopped(stop).0,
            };
        }
        status
    }

    fn all_or_none(&mut self, rules: &str, anew: bool) -> Result<(), Vec<String>> {
        let nothing = |mut said: Vec<String>| {
            said.push("nothing is changed".to_owned());
            said
        };
        let mut steps = restore::plan(self.program, rules, self.names).map_err(nothing)?;
        if anew {
            let words = "the table is emptied first".to_owned();
            steps.insert(0, Step { line: 0, words, action: Action::Flush });
        }
        let mut kept = Said::default();
        for step in &steps {
            if let Some(why) = self.owner.refuses_among(&step.action) {
                kept.add(step.line, &wide(why.as_bytes()), &step.words);
            }
        }
        if !kept.is_empty() {
            return Err(nothing(kept.lines()));
        }
        let before = self.table().map_err(|why| nothing(vec![why]))?;
        let wrong = restore::rehearse(&steps, &before);
        if !wrong.is_empty() {
            return Err(nothing(wrong));
        }
        let (table, others) = restore::split(steps);
        let mut refused = self.carry_out(&table);
        let mut done = Said::default();
        for step in &others {
            if !refused.is_empty() {
                break;
            }
            match self.change(&step.action) {
                Ok(()) => done.add(step.line, "done, and cannot be taken back", &step.words),
                Err(why) => refused.add(step.line, &why, &step.words),
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let mut said = refused.lines();
        said.push(self.undo(&table, &before));
        said.extend(done.lines());
        Err(said)
    }

    /// Carries the steps out, until the kernel refuses one of those that are sent together.
    fn carry_out(&mut self, steps: &[Step]) -> Said {
        let operation = |step: &Step| match &step.action {
            Action::Change(operation) => Some(operation.clone()),
            _ => None,
        };
        for together in steps.chunk_by(|a, b| operation(a).is_some() && operation(b).is_some()) {
            let operations: Vec<Operation> = together.iter().filter_map(operation).collect();
            let outcomes = if operations.is_empty() {
                vec![self.ipvs.flush().err().unwrap_or(0)]
            } else {
                self.operations(operations)
            };
            let mut without = BTreeSet::new();
            let mut said = Said::default();
            for (step, errno) in together.iter().zip(outcomes).filter(|(_, errno)| *errno != 0) {
                let Action::Change(operation) = &step.action else {
                    said.add(step.line, &text(Asked::Other, errno), &step.words);
                    continue;
                };
                // What is refused because its service was, is not worth a word.
                if without.insert(*operation.service()) {
                    said.add(step.line, &text(Asked::Change(operation), errno), &step.words);
                }
            }
            if !said.is_empty() {
                return said;
            }
        }
        Said::default()
    }

    /// Puts the table back as it was before the steps; says what came of it.
    fn undo(&mut self, steps: &[Step], before: &Table) -> String {
        let back = self.table().and_then(|now| {
            let operations = restore::undoing(steps, before, &now);
            if operations.is_empty() {
                return Ok(());
            }
            let errno = self.operations(operations).into_iter().find(|errno| *errno != 0);
            errno.map_or(Ok(()), |errno| Err(text(Asked::Other, errno)))
        });
        match back {
            Ok(()) => "the table is as it was".to_owned(),
            Err(why) => format!("the table could not be put back: {why}"),
        }
    }

    fn table(&mut self) -> Result<Table, String> {
        match self.ipvs.look(&Look::Table) {
            Ok(Seen::Table(table)) => Ok(table),
            Ok(_) => Ok(Table::new()),
            Err(error) => Err(wide(reason(&error).as_bytes())),
        }
    }
}

/// What names a service to the kernel; `None`: nothing that IPVS balances.
fn key(service: &ListedService) -> Option<Service> {
    let address = service.ip();
    if service.mark != 0 {
        let family = if address.is_ipv6() { Family::Ipv6 } else { Family::Ipv4 };
        return Some(Service::Fwmark { mark: service.mark, family });
    }
    let protocol = match service.protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        132 => Protocol::Sctp,
        _ => return None,
    };
    Some(Service::Address { protocol, address: SocketAddr::new(address, service.port) })
}

/// The rules on standard input.
pub(super) fn rules() -> Result<String, String> {
    let mut bytes = Vec::new();
    match std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes) {
        Ok(length) if length as u64 > LARGEST => Err("standard input has no end".to_owned()),
        Ok(_) => Ok(wide(&bytes)),
        Err(error) => Err(format!("standard input: {}", reason(&error))),
    }
}
