//! The kernel's IPVS table, as `/proc/net/ip_vs` prints it (one read, no process started).

use std::collections::BTreeMap;

/// Services by `TCP 192.168.100.240:80` or `FWM 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(pub BTreeMap<String, Service>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub scheduler: String,
    /// `persistent 20 FFFFFFFF` and the like, as printed.
    pub flags: String,
    /// By `192.168.100.8:80`.
    pub servers: BTreeMap<String, Server>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `Route`, `Masq`, `Tunnel` or `Local`.
    pub forward: String,
    pub weight: i64,
    pub active: u64,
    pub inactive: u64,
}

impl Table {
    pub fn parse(text: &str) -> Self {
        let mut table = Self::default();
        let mut current = String::new();
        for line in text.lines().skip(3) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["->", address, forward, weight, active, inactive] => {
                    let server = Server {
                        forward: forward.into(),
                        weight: weight.parse().unwrap(),
                        active: active.parse().unwrap(),
                        inactive: inactive.parse().unwrap(),
                    };
                    table.0.get_mut(&current).unwrap().servers.insert(readable(address), server);
                }
                ["FWM", mark, scheduler, ref flags @ ..] => {
                    current = format!("FWM {}", u32::from_str_radix(mark, 16).unwrap());
                    table.0.insert(current.clone(), Service::new(scheduler, flags));
                }
                [protocol, address, scheduler, ref flags @ ..] => {
                    current = format!("{protocol} {}", readable(address));
                    table.0.insert(current.clone(), Service::new(scheduler, flags));
                }
                _ => {}
            }
        }
        table
    }

    /// Weight of a real server; `None` when it is not in the table.
    pub fn weight(&self, service: &str, server: &str) -> Option<i64> {
        Some(self.0.get(service)?.servers.get(server)?.weight)
    }

    /// The real servers new connections go to.
    pub fn serving(&self, service: &str) -> Vec<String> {
        let servers = self.0.get(service).map(|service| &service.servers);
        servers
            .into_iter()
            .flatten()
            .filter(|(_, server)| server.weight > 0)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The same table with the connection counts forgotten: what a daemon decides.
    pub fn decided(mut self) -> Self {
        for server in self.0.values_mut().flat_map(|service| service.servers.values_mut()) {
            server.active = 0;
            server.inactive = 0;
        }
        self
    }
}

impl Service {
    fn new(scheduler: &str, flags: &[&str]) -> Self {
        Self { scheduler: scheduler.into(), flags: flags.join(" "), servers: BTreeMap::new() }
    }
}

/// `C0A864F0:0050` -> `192.168.100.240:80`; IPv6 addresses keep the kernel's brackets.
fn readable(text: &str) -> String {
    let (address, port) = text.rsplit_once(':').unwrap();
    let port = u16::from_str_radix(port, 16).unwrap();
    match u32::from_str_radix(address, 16) {
        Ok(bits) => format!("{}:{port}", std::net::Ipv4Addr::from(bits)),
        Err(_) => format!("{address}:{port}"),
    }
}
