//! The kernel's timeouts of connections as generic netlink (`IPVS_CMD_GET_CONFIG`, `IPVS_CMD_SET_CONFIG`).

use crate::sys::netlink::{self, Request, attributes};

use super::{Values, Which};

const SET_CONFIG: u8 = 12;
const GET_CONFIG: u8 = 13;
const GENL_HEADER: usize = 4;

/// `IPVS_CMD_ATTR_TIMEOUT_*`.
const ATTRIBUTES: [(Which, u16); 3] = [(Which::Tcp, 4), (Which::TcpFin, 5), (Which::Udp, 6)];

/// Asks for the values.
pub fn get(family: u16) -> Request {
    Request::new(family, 0).fixed(&[GET_CONFIG, 1, 0, 0])
}

/// Sets these, and no others.
pub fn set(family: u16, values: &Values) -> Request {
    let request = Request::new(family, netlink::ACK).fixed(&[SET_CONFIG, 1, 0, 0]);
    ATTRIBUTES.iter().fold(request, |request, (which, id)| match values.get(which) {
        Some(seconds) => request.attribute(*id, &seconds.to_ne_bytes()),
        None => request,
    })
}

/// The answer to [`get`].
pub fn read(payload: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    for (id, value) in attributes(payload.get(GENL_HEADER..)?) {
        if let Some((which, _)) = ATTRIBUTES.iter().find(|(_, number)| *number == id) {
            values.insert(*which, netlink::u32_at(value, 0)?);
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_round_trip() {
        let wanted = Values::from([(Which::Tcp, 60), (Which::Udp, 5)]);
        let bytes = set(30, &wanted).for_test(1);
        let message = netlink::messages(&bytes).next().unwrap();
        assert_eq!(read(message.payload), Some(wanted));
        for length in 0..message.payload.len() {
            let _ = read(&message.payload[..length]);
        }
    }
}
