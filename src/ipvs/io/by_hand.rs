//! What an administrator asks for, one thing at a time, as ipvsadm does.

use std::io;
use std::process::{Command, Stdio};

use neli::consts::socket::NlFamily;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Ipvs, find_family};
use crate::config::model::Service;
use crate::ipvs::listing::{self, Info, ListedDestination, ListedService};
use crate::ipvs::message;
use crate::sys::netlink::{Client, Request};

/// `IPPROTO_RAW`.
const RAW: i32 = 255;

impl Ipvs {
    /// Finds the family, and asks what IPVS it is. The module is loaded when that fails; what modprobe has to say is
    /// shown. Error: an errno.
    pub(crate) fn open_by_hand() -> Result<(Self, Info), i32> {
        let attempt = || {
            let mut client = Client::connect(NlFamily::Generic)?;
            let family = find_family(&mut client)?;
            let mut ipvs = Self { client, family };
            let info = ipvs.info()?;
            Ok((ipvs, info))
        };
        let why = match attempt() {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if !modprobe() {
            return Err(unavailable(&why));
        }
        attempt().map_err(|error| unavailable(&error))
    }

    fn info(&mut self) -> io::Result<Info> {
        let mut info = None;
        let request = listing::get_info(self.family);
        self.client.ask(&request, |message| info = listing::read_info(message.payload))?;
        info.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }

    /// Every service, in the kernel's order.
    pub(crate) fn listed_services(&mut self) -> Result<Vec<ListedService>, i32> {
        let request = message::dump_services(self.family);
        self.client.dump(&request, |message| listing::read_service(message.payload)).map_err(errno)
    }

    /// One service.
    pub(crate) fn listed_service(&mut self, service: &Service) -> Result<ListedService, i32> {
        let mut found = None;
        let request = listing::get_service(self.family, service);
        let asked = self.client.ask(&request, |message| found = listing::read_service(message.payload));
        asked.map_err(errno)?;
        found.ok_or(libc::EINVAL)
    }

    /// The destinations of a service, in the kernel's order.
    pub(crate) fn listed_destinations(&mut self, service: &Service) -> Result<Vec<ListedDestination>, i32> {
        let family = (if service.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET }) as u16;
        let request = message::dump_destinations(self.family, service);
        let read = |payload: &[u8]| listing::read_destination(payload, family);
        self.client.dump(&request, |message| read(message.payload)).map_err(errno)
    }

    /// Empties the table.
    pub(crate) fn flush(&mut self) -> Result<(), i32> {
        self.one(&listing::flush(self.family))
    }

    /// Counters begin from zero.
    pub(crate) fn zero(&mut self, service: Option<&Service>) -> Result<(), i32> {
        self.one(&listing::zero(self.family, service))
    }

    fn one(&mut self, request: &Request) -> Result<(), i32> {
        let outcomes = self.client.transact(std::slice::from_ref(request)).map_err(errno)?;
        outcomes.into_iter().next().unwrap_or(Ok(())).map_err(errno)
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn errno(error: io::Error) -> i32 {
    number(&error)
}

/// The errno of what failed. Also where the kernel gave none: it did not answer in time, or its table changed under a
/// list again and again.
pub(crate) fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_else(|| match error.kind() {
        io::ErrorKind::TimedOut => libc::ETIMEDOUT,
        io::ErrorKind::Interrupted => libc::EINTR,
        _ => libc::EIO,
    })
}

/// Without the family, what the interface of old would have said.
fn unavailable(error: &io::Error) -> i32 {
    match (error.raw_os_error(), number(error)) {
        (None, late @ (libc::ETIMEDOUT | libc::EINTR)) => late,
        (Some(libc::ENOENT) | None, _) => {
            let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)));
            raw.err().and_then(|error| error.raw_os_error()).unwrap_or(libc::ENOPROTOOPT)
        }
        (Some(errno), _) => errno,
    }
}

/// Whether it succeeded.
fn modprobe() -> bool {
    let mut command = Command::new("/sbin/modprobe");
    command.args(["--", "ip_vs"]).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_errno_is_not_called_invalid() {
        let of = |kind: io::ErrorKind| number(&io::Error::new(kind, "why"));
        assert_eq!(of(io::ErrorKind::TimedOut), libc::ETIMEDOUT);
        assert_eq!(of(io::ErrorKind::Interrupted), libc::EINTR);
        assert_eq!(of(io::ErrorKind::InvalidData), libc::EIO);
        assert_eq!(number(&io::Error::from_raw_os_error(libc::ESRCH)), libc::ESRCH);
    }
}
