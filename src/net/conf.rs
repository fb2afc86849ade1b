//! Settings of an interface for IPv4 (`net.ipv4.conf.NAME.*`) by netlink: a service may have no right to write to `/proc`.

use crate::sys::netlink::{ACK, Message, Request, attributes, u32_at};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IPV4: u16 = libc::AF_INET as u16;
/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// `IPV4_DEVCONF_PROMOTE_SECONDARIES`.
const PROMOTE_SECONDARIES: u16 = 20;

/// Asks for the interface of this index.
pub(super) fn ask(index: u32) -> Request {
    Request::new(RTM_GETLINK, 0).fixed(&header(index))
}

/// Whether the other addresses of a subnet stay when the first one goes; `None`: it is not said.
pub(super) fn promotes(message: Message<'_>) -> Option<bool> {
    let of = |bytes, id| attributes(bytes).find(|(other, _)| *other == id).map(|(_, value)| value);
    (message.kind == RTM_NEWLINK).then_some(())?;
    let families = of(message.payload.get(LINK_HEADER..)?, IFLA_AF_SPEC)?;
    // One number for each setting, which count from 1.
    let settings = of(of(families, IPV4)?, IFLA_INET_CONF)?;
    u32_at(settings, usize::from(PROMOTE_SECONDARIES - 1) * 4).map(|number| number != 0)
}

/// Says whether they stay.
pub(super) fn promote(index: u32, on: bool) -> Request {
    let number = u32::from(on).to_ne_bytes();
    let setting = |nest: Request| nest.attribute(PROMOTE_SECONDARIES, &number);
    let family = |nest: Request| nest.nest(IFLA_INET_CONF, setting);
    let request = Request::new(RTM_SETLINK, ACK).fixed(&header(index));
    request.nest(IFLA_AF_SPEC, |nest| nest.nest(IPV4, family))
}

fn header(index: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

#[cfg(test)]
mod tests {
    use neli::consts::socket::NlFamily;
    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::sys::netlink::Client;

    #[test]
    fn the_kernel_takes_the_setting_and_shows_it() {
        let work = || {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                assert!(std::env::var_os("CI").is_none(), "this needs root: {error}");
                return;
            }
            let mut client = Client::connect(NlFamily::Route).unwrap();
            for on in [false, true, false] {
                client.transact(&[promote(1, on)]).unwrap().remove(0).unwrap();
                let mut found = None;
                client.ask(&ask(1), |message| found = promotes(message)).unwrap();
                assert_eq!(found, Some(on));
            }
        };
        std::thread::spawn(work).join().unwrap();
    }
}
