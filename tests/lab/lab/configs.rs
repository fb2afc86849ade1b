//! The configurations scenarios start from: the tutorial's two, word for word, and small variations.

/// First configuration of the tutorial (HTTP, direct routing); the digests are those of the lab's pages.
pub fn seed_http(digest1: &str, digest2: &str) -> String {
    include_str!("../configs/seed_http.conf")
        .replace("ff873bb2146020d8406ec84a21c2a5af", digest1)
        .replace("188f5b91d80b994efae5f53165e6247d", digest2)
}

/// Second configuration of the tutorial (MySQL, direct routing).
pub fn seed_mysql() -> String {
    include_str!("../configs/seed_mysql.conf").to_string()
}

/// What the tutorial's reader puts on the second director.
pub fn as_backup(configuration: &str) -> String {
    configuration.replace("state MASTER", "state BACKUP").replace("priority 100", "priority 50")
}

/// One VRRP instance and nothing else.
#[derive(Clone)]
pub struct Vrrp {
    pub version: u8,
    pub state: &'static str,
    pub priority: u8,
    pub pass: bool,
    /// `auth_type AH` in the place of PASS.
    pub ah: bool,
    /// Own address and the peer's.
    pub unicast: Option<(&'static str, &'static str)>,
    pub vips: &'static [&'static str],
    /// It has an `interface`; without one the addresses say where they are.
    pub interface: bool,
}

impl Default for Vrrp {
    fn default() -> Self {
        Self {
            version: 2,
            state: "MASTER",
            priority: 100,
            pass: true,
            ah: false,
            unicast: None,
            vips: &[super::VIP],
            interface: true,
        }
    }
}

impl Vrrp {
    pub fn text(&self) -> String {
        let pass = if self.pass { "authentication {\n auth_type PASS\n auth_pass 1111\n }\n" } else { "" };
        let pass = if self.ah { pass.replace("PASS", "AH") } else { pass.to_owned() };
        let unicast = self.unicast.map_or(String::new(), |(own, peer)| {
            format!("unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}\n")
        });
        let interface = if self.interface { " interface eth0\n" } else { "" };
        format!(
            "global_defs {{\n router_id LVS_DEVEL\n vrrp_version {}\n}}\n\
             vrrp_instance VI_1 {{\n version {}\n state {}\n{interface} virtual_router_id 51\n priority {}\n advert_int 1\n \
             {pass}{unicast}virtual_ipaddress {{\n {}\n }}\n}}\n",
            self.version,
            self.version,
            self.state,
            self.priority,
            self.vips.join("\n ")
        )
    }

    /// The same seen from the other director.
    pub fn backup(&self) -> Self {
        let unicast = self.unicast.map(|(own, peer)| (peer, own));
        Self { state: "BACKUP", priority: 50, unicast, ..self.clone() }
    }
}

/// One TCP service over the two real servers of the front network, checked with TCP_CHECK every second.
pub fn web_service(scheduler: &str, kind: &str, servers: &[(&str, u32)]) -> String {
    let servers: String = servers
        .iter()
        .map(|(address, weight)| {
            format!(
                "    real_server {address} 80 {{\n        weight {weight}\n        TCP_CHECK {{\n            \
                 connect_timeout 2\n            connect_port 80\n        }}\n    }}\n"
            )
        })
        .collect();
    format!(
        "virtual_server {} 80 {{\n    delay_loop 1\n    lb_algo {scheduler}\n    lb_kind {kind}\n    protocol TCP\n{servers}}}\n",
        super::VIP
    )
}

/// The two real servers of the tutorial, equal weights.
pub const BOTH: &[(&str, u32)] = &[("192.168.100.8", 1), ("192.168.100.9", 1)];
