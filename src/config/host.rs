//! `--check --host`: what the configuration needs of the machine that it runs on.
//!
//! In: the tree, the model, and a [`Host`] that knows the machine. Out: diagnostics: interfaces, users, scripts and who
//! may change them, kernel modules, sysctls, names. What the host cannot say in time is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::keywords::Keyword;
use super::keywords::shape::{Format, Shape};
use super::lint::allow::Allowed;
use super::lint::places;
use super::model::{Forwarding, Instance, Model, Net, Priority, Scheduler, VirtualServer};
use super::source::{Sources, Span};
use super::tree::{Node, Word};

/// The machine.
pub trait Host {
    /// The interface that has an address.
    fn holder(&self, address: IpAddr) -> Option<String>;
    /// The addresses of an interface; `None`: there is no such interface.
    fn addresses(&self, interface: &str) -> Option<Vec<Net>>;
    /// Whether directord's record says that it put the address there; `None`: there is no telling.
    fn is_recorded(&self, address: IpAddr) -> Option<bool>;
    /// Whether there is a user of this name; `None`: nobody said in time.
    fn has_user(&self, name: &str) -> Option<bool>;
    /// Whether there is a group of this name; `None`: nobody said in time.
    fn has_group(&self, name: &str) -> Option<bool>;
    /// What keeps a program from being run safely.
    fn script_trouble(&self, path: &Path) -> Option<ScriptTrouble>;
    /// Whether a kernel module is loaded, built in, or there to be loaded.
    fn has_module(&self, name: &str) -> bool;
    /// The value under `/proc/sys`, by its name with dots; `None`: there is none.
    fn sysctl(&self, name: &str) -> Option<String>;
    /// Whether a name has an address; `None`: nobody said in time.
    fn resolves(&self, name: &str) -> Option<bool>;
}

/// Why a program cannot be run, or not safely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptTrouble {
    /// What is wrong.
    pub message: String,
    /// What comes of it.
    pub consequence: String,
    /// How to mend it: mostly a command.
    pub fix: String,
}

/// Looks at everything that needs the machine.
pub(super) fn check(
    tree: &[Node<'_>],
    model: &Model,
    host: &dyn Host,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) {
    let mut check = Check { host, diagnostics, own: made_by_us(tree), checked: BTreeSet::new() };
    check.nodes(tree, "", model.globals.host.dynamic_interfaces.is_some());
    check.kernel(tree, &model.virtual_servers);
    check.networks(tree, model, sources);
}

struct Check<'a> {
    host: &'a dyn Host,
    diagnostics: &'a mut Diagnostics,
    /// Interfaces that the configuration itself makes.
    own: BTreeSet<String>,
    /// What was looked at already: one name, one diagnostic.
    checked: BTreeSet<(Code, String)>,
}

impl Check<'_> {
    /// Every statement, by what its row says that it takes.
    fn nodes(&mut self, nodes: &[Node<'_>], block: &str, dynamic: bool) {
        for node in nodes {
            match node.keyword {
                Some(row) => {
                    self.statement(row, node, dynamic);
                    let inner = node.body.as_ref().map_or(&[][..], |body| body.nodes);
                    self.nodes(inner, row.word(), dynamic);
                }
                None => self.line(block, node, dynamic),
            }
        }
    }

    fn statement(&mut self, row: &Keyword, node: &Node<'_>, dynamic: bool) {
        let argument = |at: usize| node.words.get(at);
        match row.first() {
            Some(Shape::Text(Format::Interface)) if !row.is_block() => {
                self.interface(argument(1), row.word() == "interface", dynamic);
            }
            Some(Shape::Text(Format::Account)) => self.account(argument(1), argument(2)),
            Some(Shape::Command) => self.script(argument(1)),
            Some(Shape::Script) => {
                self.script(argument(1));
                self.account(argument(2), argument(3));
            }
            _ if row.word() == "smtp_server" => self.name(argument(1)),
            _ => {}
        }
    }

    /// A line of a value block.
    fn line(&mut self, block: &str, node: &Node<'_>, dynamic: bool) {
        if matches!(block, "track_interface" | "linkbeat_interfaces" | "interface_up_down_delays") {
            self.interface(node.words.first(), false, dynamic);
        }
        let options = ["virtual_ipaddress", "virtual_ipaddress_excluded", "static_ipaddress"];
        if options.contains(&block) || block.ends_with("_routes") || block.ends_with("_rules") {
            for pair in node.words.windows(2) {
                if let [option, name] = pair
                    && matches!(option.text, "dev" | "iif" | "oif")
                {
                    self.interface(Some(name), false, dynamic);
                }
            }
        }
    }

    fn interface(&mut self, word: Option<&Word<'_>>, needed: bool, dynamic: bool) {
        let Some(word) = word else { return };
        if self.own.contains(word.text) || self.host.addresses(word.text).is_some() {
            return;
        }
        let message = format!("there is no interface {} on this host", word.text);
        let diagnostic = Diagnostic::warning(Code::HostInterface, word.span, message);
        let diagnostic = match needed && !dynamic {
            true => diagnostic.consequence("the instance does not run until it is there; the others do"),
            false => diagnostic,
        };
        self.once(word.text, diagnostic.help("`ip -brief link` shows those that there are"));
    }

    /// `USER [[:]GROUP]`.
    fn account(&mut self, user: Option<&Word<'_>>, group: Option<&Word<'_>>) {
        let number = |text: &str| text.parse::<u32>().is_ok();
        if let Some(user) =
            user.filter(|user| !number(user.text) && self.host.has_user(user.text) == Some(false))
        {
            let message = format!("there is no user {} on this host", user.text);
            let fix = format!("useradd --system --shell /usr/sbin/nologin {}", user.text);
            self.once(user.text, Diagnostic::warning(Code::HostAccount, user.span, message).help(fix));
        }
        let Some(group) = group else { return };
        let name = group.text.trim_start_matches(':');
        if !name.is_empty() && !number(name) && self.host.has_group(name) == Some(false) {
            let message = format!("there is no group {name} on this host");
            let diagnostic = Diagnostic::warning(Code::HostAccount, group.span, message);
            self.once(&format!(":{name}"), diagnostic.help(format!("groupadd --system {name}")));
        }
    }

    fn script(&mut self, word: Option<&Word<'_>>) {
        let Some(word) = word else { return };
        let Some(path) = word.text.split_whitespace().next() else { return };
        let path = path.trim_matches(['"', '\'']);
        // Another one is searched for, which is a lint of its own.
        if !path.starts_with('/') {
            return;
        }
        if let Some(trouble) = self.host.script_trouble(Path::new(path)) {
            let diagnostic = Diagnostic::warning(Code::HostScript, word.span, trouble.message)
                .consequence(trouble.consequence)
                .help(trouble.fix);
            self.once(path, diagnostic);
        }
    }

    fn name(&mut self, word: Option<&Word<'_>>) {
        let Some(word) = word.filter(|word| word.text.parse::<IpAddr>().is_err()) else { return };
        if self.host.resolves(word.text) == Some(false) {
            let message = format!("{} has no address", word.text);
            let diagnostic = Diagnostic::warning(Code::HostName, word.span, message);
            let name = word.text;
            let diagnostic = diagnostic.consequence("nothing can be sent there").help(format!(
                "correct the name, or write the address itself; `getent ahosts {name}` shows what this host knows"
            ));
            self.once(name, diagnostic);
        }
    }

    /// IPVS, its schedulers, and forwarding for NAT.
    fn kernel(&mut self, tree: &[Node<'_>], servers: &[Arc<VirtualServer>]) {
        let Some(span) = place(tree, "virtual_server") else { return };
        let mut module = |name: &str, help: String| {
            if !self.host.has_module(name) {
                let message = format!("this kernel has no module {name}");
                self.once(name, Diagnostic::error(Code::HostKernel, span, message).help(help));
            }
        };
        module(
            "ip_vs",
            "install the kernel's modules (Debian: linux-image-amd64, not -cloud), then `modprobe ip_vs`"
                .into(),
        );
        let schedulers: BTreeSet<Scheduler> = servers.iter().map(|server| server.scheduler).collect();
        for scheduler in schedulers {
            let name = format!("ip_vs_{}", scheduler.name());
            module(&name, format!("`modprobe {name}` must succeed, or choose another lb_algo"));
        }
        let reals = || servers.iter().flat_map(|server| &server.real_servers);
        let translated = |ipv6| {
            reals().any(|real| real.forwarding == Forwarding::Masquerade && real.address.is_ipv6() == ipv6)
        };
        let settings = [(false, "net.ipv4.ip_forward"), (true, "net.ipv6.conf.all.forwarding")];
        for (ipv6, name) in settings {
            if translated(ipv6) && self.host.sysctl(name).as_deref() == Some("0") {
                let message = format!("real servers behind NAT need {name}=1, and it is 0");
                let diagnostic = Diagnostic::warning(Code::HostKernel, span, message)
                    .consequence("the kernel drops what the real servers answer")
                    .help(format!(
                        "sysctl -w {name}=1, and a line `{name} = 1` in /etc/sysctl.d/directord.conf"
                    ));
                self.once(name, diagnostic);
            }
        }
    }

    /// Virtual addresses of networks that their interface is not in.
    fn networks(&mut self, tree: &[Node<'_>], model: &Model, sources: &Sources) {
        let (allowed, _) = Allowed::read(sources);
        let blocks = places::instances(tree);
        for instance in &model.instances {
            for address in instance.all_addresses() {
                self.own_address(instance, address.address, &blocks);
            }
            for address in &instance.addresses {
                let Some(interface) = address.interface.as_ref().or(instance.interface.as_ref()) else {
                    continue;
                };
                let Some(nets) = self.host.addresses(interface.as_str()) else {
                    continue;
                };
                let family = nets.iter().filter(|net| net.address.is_ipv6() == address.address.is_ipv6());
                let nets: Vec<&Net> = family.filter(|net| net.address != address.address).collect();
                if nets.is_empty() || nets.iter().any(|net| net.contains(address.address)) {
                    continue;
                }
                if self.diagnostics.is_full(Code::OutsideNetworks) {
                    self.diagnostics.count(Code::OutsideNetworks, Severity::Lint, None);
                    continue;
                }
                let node = blocks.get(instance.name.as_str());
                let place = node.and_then(|node| address_place(node, address.address));
                let Some(span) = place else { continue };
                let known: Vec<String> =
                    nets.iter().map(|net| format!("{}/{}", net.address, net.prefix)).collect();
                let message = format!("virtual address {} is in no network of {interface}", address.address);
                let diagnostic = Diagnostic::new(Code::OutsideNetworks, Severity::Lint, Some(span), message)
                    .expected(format!("an address of {}", known.join(", ")))
                    .consequence("neighbours look for it there only if they have a route to it");
                if !allowed.silences(diagnostic.code, diagnostic.span, sources) {
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    /// A virtual address that is set, and not by directord.
    fn own_address(&mut self, instance: &Instance, address: IpAddr, blocks: &BTreeMap<&str, &Node<'_>>) {
        let owner = instance.priority == Priority::OWNER;
        let Some(interface) = self.host.holder(address).filter(|_| !owner) else { return };
        // Where there is no telling, nothing is said.
        if self.host.is_recorded(address) != Some(false) {
            return;
        }
        let node = blocks.get(instance.name.as_str());
        let Some(span) = node.and_then(|node| address_place(node, address)) else { return };
        let message = format!("virtual address {address} is the host's own: it is on {interface}");
        let diagnostic = Diagnostic::warning(Code::HostAddress, span, message)
            .consequence("it is never removed here, so that both nodes may have it at once")
            .help(format!(
                "take it out of the network of the host (`ip address del {address} dev {interface}`), or choose another one"
            ));
        self.once(&address.to_string(), diagnostic);
    }

    fn once(&mut self, what: &str, diagnostic: Diagnostic) {
        if self.checked.insert((diagnostic.code, what.to_owned())) {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// `use_vmac NAME`, `use_ipvlan NAME`.
fn made_by_us(tree: &[Node<'_>]) -> BTreeSet<String> {
    let inside = tree.iter().filter_map(|node| node.body.as_ref()).flat_map(|body| body.nodes);
    let makes =
        inside.filter(|node| node.keyword.is_some_and(|row| matches!(row.word(), "use_vmac" | "use_ipvlan")));
    makes.flat_map(|node| node.words.iter().skip(1)).map(|word| word.text.to_string()).collect()
}

fn place(tree: &[Node<'_>], word: &str) -> Option<Span> {
    let named = |node: &&Node<'_>| node.keyword.is_some_and(|row| row.path == word);
    tree.iter().find(named)?.words.first().map(|word| word.span)
}

fn address_place(node: &Node<'_>, address: IpAddr) -> Option<Span> {
    let lists = node.body.iter().flat_map(|body| body.nodes);
    let lines = lists.filter_map(|node| node.body.as_ref()).flat_map(|body| body.nodes);
    let mut words = lines.filter_map(|line| line.words.first());
    words
        .find(|word| word.text.split('/').next().and_then(|text| text.parse().ok()) == Some(address))
        .map(|word| word.span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load_for};

    /// eth0 with 192.168.100.1/24; user `nobody`; `/ok` may be run; ip_vs and rr.
    struct Machine;

    impl Host for Machine {
        fn holder(&self, address: IpAddr) -> Option<String> {
            let own = ["192.168.100.1", "192.168.100.50", "192.168.100.51"];
            own.contains(&&*address.to_string()).then(|| "eth0".to_owned())
        }
        fn is_recorded(&self, address: IpAddr) -> Option<bool> {
            Some(address.to_string() == "192.168.100.51")
        }
        fn addresses(&self, interface: &str) -> Option<Vec<Net>> {
            let net = Net { address: "192.168.100.1".parse().unwrap(), prefix: 24 };
            (interface == "eth0").then(|| vec![net])
        }
        fn has_user(&self, name: &str) -> Option<bool> {
            Some(name == "nobody")
        }
        fn has_group(&self, name: &str) -> Option<bool> {
            Some(name == "nogroup")
        }
        fn script_trouble(&self, path: &Path) -> Option<ScriptTrouble> {
            (path != Path::new("/ok")).then(|| ScriptTrouble {
                message: format!("{} does not exist", path.display()),
                consequence: "it cannot be run".into(),
                fix: "make it".into(),
            })
        }
        fn has_module(&self, name: &str) -> bool {
            matches!(name, "ip_vs" | "ip_vs_rr")
        }
        fn sysctl(&self, _: &str) -> Option<String> {
            Some("0".to_owned())
        }
        fn resolves(&self, name: &str) -> Option<bool> {
            (name != "slow.example").then_some(false)
        }
    }

    fn said(text: &str) -> Vec<(Code, String)> {
        let loaded = load_for(Path::new("t"), &Texts::one("t", text), &Options::default(), &Machine);
        let of_host = |code: Code| {
            (40..50).contains(&(code as u16)) || matches!(code, Code::OutsideNetworks | Code::HostAddress)
        };
        let list = loaded.diagnostics.into_iter().filter(|one| of_host(one.code));
        list.map(|one| (one.code, one.message)).collect()
    }

    #[test]
    fn what_the_host_lacks() {
        let instance = |settings: &str| {
            format!(
                "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{settings}\n\
                 virtual_ipaddress {{\n192.168.100.9\n}}\n}}\n"
            )
        };
        let server = |scheduler: &str, kind: &str| {
            format!(
                "virtual_server 192.168.100.9 80 {{\nlb_algo {scheduler}\nlb_kind {kind}\nprotocol TCP\n\
                 real_server 192.168.100.8 80 {{\nTCP_CHECK {{\n}}\n}}\n}}\n"
            )
        };
        let cases: BTreeMap<String, Vec<(Code, &str)>> = [
            (instance("track_interface {\neth0\n}"), vec![]),
            (instance("interface eth1"), vec![(Code::HostInterface, "eth1 on this host")]),
            (instance("track_interface {\neth7 weight 5\n}"), vec![(Code::HostInterface, "eth7")]),
            (
                instance("virtual_ipaddress {\n192.168.100.50\n}"),
                vec![(Code::HostAddress, "192.168.100.50 is the host's own: it is on eth0")],
            ),
            (instance("virtual_ipaddress {\n192.168.100.51\n}"), vec![]),
            (instance("priority 255\nvirtual_ipaddress {\n192.168.100.50\n}"), vec![]),
            (instance("use_vmac mine\nvirtual_ipaddress {\n192.168.100.10 dev mine\n}"), vec![]),
            (
                instance("virtual_ipaddress {\n10.0.0.1 dev eth0\n}"),
                vec![(Code::OutsideNetworks, "10.0.0.1")],
            ),
            (instance("notify \"/ok a b\" nobody nogroup"), vec![]),
            (
                instance("notify /ok jim :staff"),
                vec![(Code::HostAccount, "jim"), (Code::HostAccount, "staff")],
            ),
            (instance("notify /none"), vec![(Code::HostScript, "/none does not exist")]),
            ("global_defs {\nsmtp_server slow.example\nscript_user 0\n}\n".to_owned(), vec![]),
            (
                "global_defs {\nsmtp_server none.example\n}\n".to_owned(),
                vec![(Code::HostName, "none.example")],
            ),
            (server("rr", "DR"), vec![]),
            (server("mh", "DR"), vec![(Code::HostKernel, "no module ip_vs_mh")]),
            (server("rr", "NAT"), vec![(Code::HostKernel, "net.ipv4.ip_forward=1, and it is 0")]),
        ]
        .into();
        for (text, expected) in cases {
            let said = said(&text);
            let fits = said.len() == expected.len()
                && said
                    .iter()
                    .zip(&expected)
                    .all(|(said, (code, words))| said.0 == *code && said.1.contains(words));
            assert!(fits, "{text}\n{said:?}");
        }
    }
}
