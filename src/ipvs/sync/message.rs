//! The daemons in generic netlink (Linux `include/uapi/linux/ip_vs.h`, `IPVS_DAEMON_ATTR_*`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sys::netlink::{self, Request, attributes, text};

use super::{Operation, Role, Running};

const GENL_HEADER: usize = 4;
const NEW_DAEMON: u8 = 9;
const DEL_DAEMON: u8 = 10;
const GET_DAEMON: u8 = 11;

const DAEMON: u16 = 3;

const STATE: u16 = 1;
const INTERFACE: u16 = 2;
const SYNC_ID: u16 = 3;
const MAX_LENGTH: u16 = 4;
const GROUP: u16 = 5;
const GROUP6: u16 = 6;
const PORT: u16 = 7;
const TTL: u16 = 8;

const MASTER: u32 = 1;
const BACKUP: u32 = 2;

/// Asks for the daemons that run.
pub fn dump(family: u16) -> Request {
    Request::new(family, netlink::DUMP).fixed(&[GET_DAEMON, 1, 0, 0])
}

/// The request that carries `operation` out.
pub fn request(family: u16, operation: &Operation) -> Request {
    let begin = |command| Request::new(family, netlink::ACK).fixed(&[command, 1, 0, 0]);
    let state = match operation.role() {
        Role::Master => MASTER,
        Role::Backup => BACKUP,
    };
    match operation {
        Operation::Stop(_) => begin(DEL_DAEMON).nest(DAEMON, |nest| {
            nest.attribute(STATE, &state.to_ne_bytes()).attribute(SYNC_ID, &0_u32.to_ne_bytes())
        }),
        Operation::Start(_, settings) => begin(NEW_DAEMON).nest(DAEMON, |nest| {
            let optional = |nest: Request, id, value: Option<&[u8]>| match value {
                Some(value) => nest.attribute(id, value),
                None => nest,
            };
            let nest = nest
                .attribute(STATE, &state.to_ne_bytes())
                .string(INTERFACE, &settings.interface)
                .attribute(SYNC_ID, &u32::from(settings.id).to_ne_bytes());
            let length = settings.max_length.map(u16::to_ne_bytes);
            let nest = optional(nest, MAX_LENGTH, length.as_ref().map(<[u8; 2]>::as_slice));
            let nest = match settings.group {
                Some(IpAddr::V4(group)) => nest.attribute(GROUP, &group.octets()),
                Some(IpAddr::V6(group)) => nest.attribute(GROUP6, &group.octets()),
                None => nest,
            };
            // In host order, unlike the ports of services.
            let port = settings.port.map(u16::to_ne_bytes);
            let nest = optional(nest, PORT, port.as_ref().map(<[u8; 2]>::as_slice));
            let ttl = settings.ttl.map(u8::to_ne_bytes);
            optional(nest, TTL, ttl.as_ref().map(<[u8; 1]>::as_slice))
        }),
    }
}

/// One daemon of a dump.
pub fn read(payload: &[u8]) -> Option<(Role, Running)> {
    let nest = attributes(payload.get(GENL_HEADER..)?).find(|(id, _)| *id == DAEMON)?.1;
    let (mut role, mut interface, mut id) = (None, None, None);
    let (mut max_length, mut port, mut ttl, mut group) = (0, 0, 0, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    for (attribute, value) in attributes(nest) {
        match attribute {
            STATE => {
                role = match netlink::u32_at(value, 0)? {
                    MASTER => Some(Role::Master),
                    BACKUP => Some(Role::Backup),
                    _ => None,
                };
            }
            INTERFACE => interface = Some(text(value)),
            SYNC_ID => id = netlink::u32_at(value, 0),
            MAX_LENGTH => max_length = netlink::u16_at(value, 0)?,
            GROUP => group = IpAddr::V4(Ipv4Addr::from(*value.first_chunk::<4>()?)),
            GROUP6 => group = IpAddr::V6(Ipv6Addr::from(*value.first_chunk::<16>()?)),
            PORT => port = netlink::u16_at(value, 0)?,
            TTL => ttl = *value.first()?,
            _ => {}
        }
    }
    Some((role?, Running { interface: interface?, id: id?, max_length, port, ttl, group }))
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn settings(group: Option<IpAddr>) -> Settings {
        Settings {
            interface: "eth0".into(),
            id: 51,
            max_length: Some(1400),
            port: Some(9000),
            ttl: Some(3),
            group,
        }
    }

    #[test]
    fn daemons_survive_the_round_trip() {
        for group in ["224.0.0.99", "ff02::99"] {
            let group: IpAddr = group.parse().unwrap();
            for role in [Role::Master, Role::Backup] {
                let start = Operation::Start(role, settings(Some(group)));
                let bytes = request(30, &start).for_test(1);
                let message = netlink::messages(&bytes).next().unwrap();
                let running =
                    Running { interface: "eth0".into(), id: 51, max_length: 1400, port: 9000, ttl: 3, group };
                assert_eq!(read(message.payload), Some((role, running)));
            }
        }
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        let bare = Settings { max_length: None, port: None, ttl: None, ..settings(None) };
        let bytes = request(30, &Operation::Start(Role::Backup, bare)).for_test(1);
        let message = netlink::messages(&bytes).next().unwrap();
        let nest = attributes(&message.payload[GENL_HEADER..]).next().unwrap().1;
        assert_eq!(attributes(nest).map(|(id, _)| id).collect::<Vec<u16>>(), [STATE, INTERFACE, SYNC_ID]);
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let bytes = request(30, &Operation::Start(Role::Master, settings(None))).for_test(1);
        let message = netlink::messages(&bytes).next().unwrap();
        for length in 0..message.payload.len() {
            let _ = read(&message.payload[..length]);
        }
        assert_eq!(read(&[]), None);
    }
}
