//! Names of tables, scopes and their kin to numbers, by the files that `ip` reads.
//!
//! In: what is to run, with the names of its routes and rules. Out: the same with numbers; what has a name that stands
//! in no file is left out and named.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::config::model::{Named, Route, Rule, RuleAction};
use crate::config::supported::{LeftOut, Runnable};

/// Where the files are: those of the administrator first, then those of the package.
const FOLDERS: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];
/// Longest file that is read.
const LONGEST: u64 = 1 << 20;

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Table,
    Scope,
    Tos,
    Group,
    IpProtocol,
}

impl Kind {
    /// What the file is called that has the names.
    fn file(self) -> &'static str {
        match self {
            Self::Table => "rt_tables",
            Self::Scope => "rt_scopes",
            Self::Tos => "rt_dsfield",
            Self::Group => "group",
            Self::IpProtocol => "/etc/protocols",
        }
    }

    /// Names that every system has.
    fn known(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Table => &[("default", 253), ("main", 254), ("local", 255)],
            Self::Scope => &[
                ("global", 0),
                ("universe", 0),
                ("site", 200),
                ("link", 253),
                ("host", 254),
                ("nowhere", 255),
            ],
            Self::Tos => &[("default", 0)],
            Self::Group => &[("default", 0)],
            Self::IpProtocol => &[("icmp", 1), ("tcp", 6), ("udp", 17), ("ipv6-icmp", 58), ("sctp", 132)],
        }
    }

    fn unknown(self) -> &'static str {
        match self {
            Self::Table => {
                "it is not set: no table has this name in /etc/iproute2/rt_tables; write its number, or add a \
                            line `NUMBER NAME` there"
            }
            Self::Scope => {
                "it is not set: no scope has this name in /etc/iproute2/rt_scopes; write its number"
            }
            Self::Tos => {
                "it is not set: no type of service has this name in /etc/iproute2/rt_dsfield; write its number"
            }
            Self::Group => "it is not set: no group has this name in /etc/iproute2/group; write its number",
            Self::IpProtocol => {
                "it is not set: no protocol has this name in /etc/protocols; write its number"
            }
        }
    }
}

/// The files that were read, each once.
struct Names<R> {
    read: R,
    found: BTreeMap<Kind, BTreeMap<String, u32>>,
}

impl<R: Fn(Kind) -> Vec<String>> Names<R> {
    /// Error: nobody knows the name.
    fn resolve(&mut self, kind: Kind, named: &mut Option<Named>) -> Result<(), &'static str> {
        let Some(Named::Name(name)) = named else { return Ok(()) };
        let read = &self.read;
        let names = self.found.entry(kind).or_insert_with(|| {
            let known = kind.known().iter().map(|(name, number)| ((*name).to_owned(), *number));
            let mut names: BTreeMap<String, u32> = known.collect();
            // What is read first counts.
            for text in read(kind).iter().rev() {
                names.extend(parse(kind, text));
            }
            names
        });
        let number = names.get(name.as_str()).ok_or(kind.unknown())?;
        *named = Some(Named::Number(*number));
        Ok(())
    }

    fn route(&mut self, route: &mut Route) -> Result<(), &'static str> {
        self.resolve(Kind::Table, &mut route.table)?;
        self.resolve(Kind::Scope, &mut route.scope)?;
        self.resolve(Kind::Tos, &mut route.tos)
    }

    fn rule(&mut self, rule: &mut Rule) -> Result<(), &'static str> {
        if let Some(RuleAction::Table(table)) = &mut rule.action {
            let mut named = Some(table.clone());
            self.resolve(Kind::Table, &mut named)?;
            named.into_iter().for_each(|number| *table = number);
        }
        self.resolve(Kind::Tos, &mut rule.tos)?;
        self.resolve(Kind::Group, &mut rule.suppress_group)?;
        self.resolve(Kind::IpProtocol, &mut rule.ip_protocol)
    }

    fn all(&mut self, runnable: &mut Runnable) {
        let mut unknown = Vec::new();
        let mut tell = |what: &str, of: &str, outcome: Result<(), &'static str>| match outcome {
            Ok(()) => true,
            Err(why) => {
                unknown.push(LeftOut { what: format!("{what} of {of}"), why });
                false
            }
        };
        let statics = &mut runnable.statics;
        for vmac in runnable.instances.iter_mut().flat_map(|instance| &mut instance.vmacs) {
            let found = self.resolve(Kind::Group, &mut vmac.group);
            if !tell("the group", &format!("interface {}", vmac.name), found) {
                vmac.group = None;
            }
        }
        let fixed = ("the configuration".to_owned(), &mut statics.routes, &mut statics.rules);
        let instances = runnable.instances.iter_mut();
        let instances =
            instances.map(|one| (format!("vrrp_instance {}", one.name), &mut one.routes, &mut one.rules));
        for (of, routes, rules) in instances.chain([fixed]) {
            routes.retain_mut(|route| tell(&describe(route), &of, self.route(route)));
            rules.retain_mut(|rule| tell("a rule", &of, self.rule(rule)));
        }
        runnable.left_out.extend(unknown);
    }
}

fn describe(route: &Route) -> String {
    match route.to {
        None => "the default route".to_owned(),
        Some(net) => format!("the route to {}/{}", net.address, net.prefix),
    }
}

/// `NUMBER NAME`, or `NAME NUMBER` of protocols; what is not understood is passed over.
fn parse(kind: Kind, text: &str) -> impl Iterator<Item = (String, u32)> {
    let line = move |line: &str| {
        let (line, _) = line.split_once('#').unwrap_or((line, ""));
        let mut words = line.split_whitespace();
        let (first, second) = (words.next()?, words.next()?);
        let (number, name) = if kind == Kind::IpProtocol { (second, first) } else { (first, second) };
        let number = match number.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((name.to_owned(), number))
    };
    text.lines().filter_map(line)
}

/// Puts numbers in the place of names.
pub(crate) fn resolve(runnable: &mut Runnable) {
    Names { read, found: BTreeMap::new() }.all(runnable);
}

/// The files of a kind, those that count first.
fn read(kind: Kind) -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let path = Path::new(folder).join(kind.file());
        let mut extra = path.clone();
        extra.set_extension("d");
        found.extend(text(&path));
        let Ok(entries) = std::fs::read_dir(&extra) else { continue };
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        more.sort();
        found.extend(more.iter().filter_map(|path| text(path)));
    }
    found
}

/// `None`: it cannot be read.
fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::supported::runnable;
    use crate::config::{Options, load};

    fn resolved(text: &str, files: &[(Kind, &str)]) -> Runnable {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        let mut runnable = runnable(&loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)));
        let read =
            |kind| files.iter().filter(|(of, _)| *of == kind).map(|(_, text)| (*text).to_owned()).collect();
        Names { read, found: BTreeMap::new() }.all(&mut runnable);
        runnable
    }

    fn instance(lines: &str) -> String {
        format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n10.0.0.1\n}}\n{lines}\n}}\n"
        )
    }

    #[test]
    fn names_are_those_of_the_files_and_of_every_system() {
        let text = instance(
            "virtual_routes {\ndefault via 10.0.0.9 table isp1 scope link\ndefault via 10.0.0.8 table main\n}\n\
             virtual_rules {\nfrom 10.0.0.1/32 table isp2 priority 5 ipproto ospf\n}",
        );
        let tables = "# reserved\n255\tlocal\n\n100 isp1 # ours\n0x200 isp2\nx y\n";
        let protocols = "ip 0 IP\nospf 89 OSPFIGP\n";
        let result = resolved(&text, &[(Kind::Table, tables), (Kind::IpProtocol, protocols)]);
        let [instance] = result.instances.as_slice() else { panic!("{result:?}") };
        let number = |number| Some(Named::Number(number));
        assert_eq!(
            instance.routes.iter().map(|route| route.table.clone()).collect::<Vec<_>>(),
            [number(100), number(254)]
        );
        assert_eq!(instance.routes[0].scope, number(253));
        assert_eq!(instance.rules[0].action, Some(RuleAction::Table(Named::Number(512))));
        assert_eq!(instance.rules[0].ip_protocol, number(89));
        assert_eq!(result.left_out, []);
    }

    #[test]
    fn what_has_a_name_that_nobody_knows_is_left_out_by_name() {
        let text = instance(
            "virtual_routes {\ndefault via 10.0.0.9 table isp1\n10.9.0.0/16 via 10.0.0.9\n}\n\
             virtual_rules {\nfrom 10.0.0.1/32 table isp2 priority 5\n}",
        );
        let result = resolved(&text, &[]);
        assert_eq!(result.instances[0].routes.len(), 1);
        assert_eq!(result.instances[0].rules, []);
        let what: Vec<&str> = result.left_out.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(what, ["the default route of vrrp_instance VI_1", "a rule of vrrp_instance VI_1"]);
    }

    #[test]
    fn the_file_that_is_read_first_counts() {
        let mut named = Some(Named::Name("isp".to_owned()));
        let read = |_| vec!["1 isp\n".to_owned(), "2 isp\n".to_owned()];
        Names { read, found: BTreeMap::new() }.resolve(Kind::Table, &mut named).unwrap();
        assert_eq!(named, Some(Named::Number(1)));
    }
}
