//! The client of nf_tables: batches that are taken as a whole, and a look whether somebody has changed what they made.

use std::collections::BTreeSet;
use std::io;

use neli::consts::socket::NlFamily;

use crate::config::model::Family;
use crate::net::firewall::{Batch, Plan};
use crate::net::nftables::{around, ask_content, ask_generation, clear, content, generation, messages};
use crate::sys::netlink;

/// The kernel's answer to a batch for a packet filter that has changed since.
const ERESTART: i32 = 85;
/// Others that change the packet filter all the time make a table be made anew.
const ATTEMPTS: usize = 8;
/// A table that two readings never agree on is taken as it was read last.
const READINGS: usize = 8;
/// 65,536 addresses of IPv6 with the names of their interfaces, and more.
const LONGEST_BATCH: usize = 16 * 1024 * 1024;

/// Connected to the packet filter.
pub(super) struct Client {
    client: netlink::Client,
    /// How often the packet filter had been changed, by anybody, when the table was looked at last.
    generation: Option<u32>,
    /// What was in it.
    content: BTreeSet<Vec<u8>>,
}

impl Client {
    pub(super) fn open() -> io::Result<Self> {
        let client = netlink::Client::connect(NlFamily::Netfilter)?;
        // A batch is one message, however many addresses it has.
        client.allow(LONGEST_BATCH)?;
        Ok(Self { client, generation: None, content: BTreeSet::new() })
    }

    pub(super) fn carry_out(&mut self, batch: &Batch) -> io::Result<()> {
        match batch {
            Batch::Build { plan, .. } => {
                self.client.transaction(&around(None), &messages(batch))?;
                self.remember(plan)
            }
            Batch::Edit { plan, .. } => {
                for _attempt in 0..ATTEMPTS {
                    // What somebody has changed is not taken for ours.
                    self.look(plan)?;
                    match self.client.transaction(&around(self.generation), &messages(batch)) {
                        Err(error) if error.raw_os_error() == Some(ERESTART) => {}
                        outcome => return outcome.and_then(|()| self.remember(plan)),
                    }
                }
                Err(io::Error::from_raw_os_error(Batch::CHANGED))
            }
            Batch::Clear(table) => {
                let mut answer = Ok(());
                for family in [Family::Ipv4, Family::Ipv6] {
                    match self.client.transaction(&around(None), &[clear(table, family)]) {
                        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                        outcome => answer = answer.and(outcome),
                    }
                }
                answer
            }
            Batch::Look(plan) => self.look(plan),
        }
    }

    /// How it is now is how we left it.
    fn remember(&mut self, plan: &Plan) -> io::Result<()> {
        self.generation = self.generation();
        self.content = self.content(plan)?;
        Ok(())
    }

    fn look(&mut self, plan: &Plan) -> io::Result<()> {
        let generation = self.generation();
        if generation.is_some() && generation == self.generation {
            return Ok(());
        }
        match self.content(plan) {
            Ok(content) if content == self.content => {
                self.generation = generation;
                Ok(())
            }
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            _ => Err(io::Error::from_raw_os_error(Batch::CHANGED)),
        }
    }

    fn generation(&mut self) -> Option<u32> {
        let mut found = None;
        self.client.ask(&ask_generation(), |message| found = generation(message)).ok()?;
        found
    }

    /// While the kernel makes a set larger or smaller, which it does behind the answer, a reading of it may lack elements:
    /// what two readings agree on is what is there.
    fn content(&mut self, plan: &Plan) -> io::Result<BTreeSet<Vec<u8>>> {
        let mut last = self.reading(plan)?;
        for _attempt in 0..READINGS {
            let next = self.reading(plan)?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    fn reading(&mut self, plan: &Plan) -> io::Result<BTreeSet<Vec<u8>>> {
        let mut all = BTreeSet::new();
        for request in ask_content(plan) {
            let found = self.client.dump(&request, |message| Some(content(message, &plan.filter.table)))?;
            all.extend(found.into_iter().flatten());
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, UdpSocket};
    use std::process::Command;
    use std::time::Duration;

    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::config::model::Filter;
    use crate::net::firewall::{Element, Interface};

    fn run(line: &str) {
        let mut words = line.split(' ');
        assert!(Command::new(words.next().unwrap()).args(words).status().unwrap().success(), "{line}");
    }

    /// Whether something that is sent to `address` arrives.
    fn answers(address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let (here, there) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
        there.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let to = std::net::SocketAddr::new(address, there.local_addr().unwrap().port());
        here.send_to(b"x", to).is_ok() && there.recv(&mut [0]).is_ok()
    }

    fn elements(all: &[&str], interface: Option<&Interface>) -> BTreeSet<Element> {
        let element = |text: &&str| Element { address: text.parse().unwrap(), interface: interface.cloned() };
        all.iter().map(element).collect()
    }

    fn plan(counters: bool, by_index: bool) -> Plan {
        let filter = Filter { counters, by_index, ..Filter::default() };
        Plan { filter, families: [Family::Ipv4, Family::Ipv6].into() }
    }

    fn build(plan: &Plan, elements: BTreeSet<Element>) -> Batch {
        Batch::Build { plan: plan.clone(), elements }
    }

    fn errno(outcome: io::Result<()>) -> Option<i32> {
        outcome.err().and_then(|error| error.raw_os_error())
    }

    /// In a network namespace of its own.
    #[test]
    fn traffic_of_the_addresses_alone_is_dropped() {
        let work = || {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                assert!(std::env::var_os("CI").is_none(), "this needs root: {error}");
                return;
            }
            run("ip link set lo up");
            for address in ["10.9.0.1/32", "10.9.0.2/32", "fd09::1/128", "fd09::2/128"] {
                run(&format!("ip address add {address} dev lo"));
            }
            let mut client = Client::open().unwrap();
            let all = ["10.9.0.1", "10.9.0.2", "fd09::1", "fd09::2"];
            let open = || all.map(answers);
            // A new address of IPv6 cannot be sent to at once.
            let end = std::time::Instant::now() + Duration::from_secs(10);
            while open() != [true; 4] {
                assert!(std::time::Instant::now() < end, "{:?}", open());
            }
            let plan = plan(true, false);
            client.carry_out(&build(&plan, elements(&["10.9.0.1", "fd09::1"], None))).unwrap();
            assert_eq!(open(), [false, true, false, true]);
            let edit = |add: &[&str], remove: &[&str]| Batch::Edit {
                plan: plan.clone(),
                add: elements(add, None),
                remove: elements(remove, None),
            };
            client.carry_out(&edit(&["10.9.0.2", "fd09::2"], &["10.9.0.1"])).unwrap();
            assert_eq!(open(), [true, false, false, false]);
            // All or nothing.
            assert_eq!(errno(client.carry_out(&edit(&["10.9.0.1"], &["10.9.0.9"]))), Some(libc::ENOENT));
            assert_eq!(open(), [true, false, false, false]);
            // What somebody else changes before ours is found.
            let mut other = Client::open().unwrap();
            other.content.clone_from(&client.content);
            other.carry_out(&edit(&["10.9.0.3"], &["fd09::2"])).unwrap();
            assert_eq!(errno(client.carry_out(&edit(&["10.9.0.1"], &[]))), Some(Batch::CHANGED));
            client.carry_out(&build(&plan, elements(&["10.9.0.2", "fd09::1"], None))).unwrap();
            // A table that is there is replaced.
            assert_eq!(errno(client.carry_out(&Batch::Look(plan.clone()))), None);
            other.carry_out(&build(&plan, elements(&[], None))).unwrap();
            assert_eq!(open(), [true; 4]);
            assert_eq!(errno(client.carry_out(&Batch::Look(plan.clone()))), Some(Batch::CHANGED));
            // What somebody changes elsewhere is nothing to us.
            client.carry_out(&build(&plan, elements(&["10.9.0.1"], None))).unwrap();
            let elsewhere = Filter { table: "elsewhere".into(), ..Filter::default() };
            let families = [Family::Ipv4].into();
            other.carry_out(&build(&Plan { filter: elsewhere, families }, elements(&[], None))).unwrap();
            assert_eq!(errno(client.carry_out(&Batch::Look(plan.clone()))), None);
            for _twice in 0..2 {
                client.carry_out(&Batch::Clear("keepalived".into())).unwrap();
                assert_eq!(open(), [true; 4]);
            }
            assert_eq!(errno(client.carry_out(&Batch::Look(plan.clone()))), Some(Batch::CHANGED));
            assert_eq!(errno(client.carry_out(&edit(&["10.9.0.1"], &[]))), Some(Batch::CHANGED));
        };
        std::thread::spawn(work).join().unwrap();
    }

    /// A link-local address means something on one interface only.
    #[test]
    fn link_local_addresses_are_dropped_on_their_interface() {
        let work = || {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                assert!(std::env::var_os("CI").is_none(), "this needs root: {error}");
                return;
            }
            run("ip link set lo up");
            let mut client = Client::open().unwrap();
            for (interface, dropped) in [
                (Interface::Name("lo".into()), true),
                (Interface::Name("eth0".into()), false),
                (Interface::Index(1), true),
                (Interface::Index(7), false),
            ] {
                let plan = plan(false, matches!(interface, Interface::Index(_)));
                let all = elements(&["fe80::9"], Some(&interface));
                client.carry_out(&build(&plan, all)).unwrap();
                run("ip address replace fe80::9/128 dev lo nodad");
                let to = std::net::SocketAddrV6::new("fe80::9".parse().unwrap(), 0, 0, 1);
                let there = UdpSocket::bind(to).unwrap();
                there.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                let here = UdpSocket::bind("[::]:0").unwrap();
                let arrives =
                    here.send_to(b"x", there.local_addr().unwrap()).is_ok() && there.recv(&mut [0]).is_ok();
                assert_eq!(arrives, !dropped, "{interface:?}");
            }
        };
        std::thread::spawn(work).join().unwrap();
    }

    /// The messages hold 500 elements each.
    #[test]
    fn thousands_of_addresses_are_taken_at_once() {
        let work = || {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                assert!(std::env::var_os("CI").is_none(), "this needs root: {error}");
                return;
            }
            let all = |from: u16, to: u16| -> BTreeSet<Element> {
                let address =
                    |number: u16| IpAddr::from([10, 9, number.to_be_bytes()[0], number.to_be_bytes()[1]]);
                (from..to).map(|number| Element { address: address(number), interface: None }).collect()
            };
            let plan = plan(false, false);
            let mut client = Client::open().unwrap();
            client.carry_out(&build(&plan, all(0, 60_000))).unwrap();
            client.carry_out(&build(&plan, all(0, 5000))).unwrap();
            let (add, remove) = (all(5000, 9000), all(0, 4000));
            client.carry_out(&Batch::Edit { plan: plan.clone(), add, remove }).unwrap();
            assert_eq!(client.content.iter().filter(|line| line.starts_with(b"\x02vips")).count(), 5000);
            assert_eq!(errno(client.carry_out(&Batch::Look(plan))), None);
        };
        std::thread::spawn(work).join().unwrap();
    }
}
