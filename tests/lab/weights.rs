//! `agent weights SERVICE`: tells at once when a weight of one service changes. The whole table of thousands would cost more to
//! look at than what is measured.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use directord::config::model::{Protocol, Service};
use directord::ipvs::message;
use directord::sys::netlink::Client;
use neli::consts::socket::NlFamily;

use crate::lab::{millis, now};

/// A line for each change: when, and the greatest weight of its destinations.
pub fn watch(address: SocketAddr) {
    let service = Service::Address { protocol: Protocol::Tcp, address };
    let mut client = Client::connect(NlFamily::Generic).unwrap();
    let mut family = None;
    client.ask(&message::get_family(), |answer| family = message::read_family(answer.payload)).unwrap();
    let request = message::dump_destinations(family.expect("the kernel has IPVS"), &service);
    let mut known = None;
    println!("watching");
    loop {
        // No service yet, or it changes this moment: it is looked at again.
        let read = client.dump(&request, |answer| message::read_destination(answer.payload, false));
        let weights: BTreeSet<u32> =
            read.unwrap_or_default().into_iter().map(|(_, destination)| destination.weight).collect();
        let greatest = weights.last().copied();
        if greatest.is_some() && greatest != known {
            println!("{:.4} weight {}", now(), greatest.unwrap_or_default());
            known = greatest;
        }
        std::thread::sleep(millis(5));
    }
}
