//! The interfaces of the virtual routers' own (`use_vmac`, `use_vmac_addr`): what they are called, which address they
//! have, and which virtual addresses are on them.

use std::collections::BTreeSet;

use super::model::{Family, Instance, InterfaceName, Named, OwnDevice, VirtualAddress, Vmac, Vrid};

/// `vmac_prefix` when there is none.
const PREFIX: &str = "vrrp";
/// A name has so many bytes at most.
const LONGEST_NAME: usize = 15;

/// Gives the virtual interfaces their names, which no other interface of the configuration may have.
#[derive(Debug)]
pub(super) struct Names {
    taken: BTreeSet<InterfaceName>,
    /// Names of the file that have found their interface.
    given: BTreeSet<InterfaceName>,
    prefix: String,
    address_prefix: String,
}

impl Names {
    /// `prefix`: `vmac_prefix`; `address_prefix`: `vmac_addr_prefix`.
    pub(super) fn new(
        instances: &[Instance],
        prefix: Option<&String>,
        address_prefix: Option<&String>,
    ) -> Self {
        let named = |instance: &Instance| match &instance.device {
            Some(OwnDevice::Vmac { name, .. } | OwnDevice::Ipvlan { name, .. }) => name.clone(),
            None => None,
        };
        let own = instances.iter().filter_map(named);
        let others = instances.iter().flat_map(|instance| {
            let of_addresses = instance.all_addresses().filter_map(|address| address.interface.clone());
            of_addresses.chain(instance.interface.clone())
        });
        let prefix = prefix.map_or(PREFIX, String::as_str);
        Self {
            taken: own.chain(others).collect(),
            given: BTreeSet::new(),
            prefix: prefix.to_owned(),
            address_prefix: address_prefix.map_or(prefix, String::as_str).to_owned(),
        }
    }

    /// `vrrp.51`; where that is taken `vrrp6.51` for IPv6, then `vrrp1.51` and so on, as keepalived has it.
    fn next(&mut self, prefix: &str, vrid: Vrid, family: Family) -> Option<InterfaceName> {
        let six = (family == Family::Ipv6).then_some("6".to_owned());
        let numbers = (1..u16::MAX).map(|number| number.to_string());
        let middles = std::iter::once(String::new()).chain(six).chain(numbers);
        let name = |middle: String| {
            let end = format!("{middle}.{}", vrid.number());
            let room = LONGEST_NAME.saturating_sub(end.len());
            let start: String = prefix.chars().take(room).collect();
            InterfaceName::new(&format!("{start}{end}")).ok()
        };
        let found = middles.filter_map(name).find(|name| !self.taken.contains(name))?;
        self.taken.insert(found.clone());
        Some(found)
    }

    /// Works out the interfaces of `instance`, and puts its addresses on them.
    pub(super) fn place(&mut self, instance: &mut Instance) {
        let mut vmacs = Vec::new();
        if let (Some(OwnDevice::Vmac { name, mac, group, .. }), Some(base)) =
            (&instance.device, &instance.interface)
        {
            let prefix = self.prefix.clone();
            let name = name.clone().filter(|name| self.given.insert(name.clone()));
            let name = name.or_else(|| self.next(&prefix, instance.vrid, instance.family));
            let adverts = !instance.transmit_on_base && instance.unicast().is_none();
            vmacs.extend(name.map(|name| Vmac {
                name,
                base: base.clone(),
                mac: address_of(mac.as_deref(), instance.vrid, instance.family),
                adverts,
                ipv4: adverts && instance.family == Family::Ipv4,
                ipv6: adverts && instance.family == Family::Ipv6,
                group: group.clone().map(|group| group.parse().map_or(Named::Name(group), Named::Number)),
            }));
        }
        let (vrid, interface, own_family) = (instance.vrid, instance.interface.clone(), instance.family);
        let for_all = instance.vmac_addresses;
        let has_own = !vmacs.is_empty();
        let addresses = instance.addresses.iter_mut().chain(&mut instance.excluded_addresses);
        for address in addresses {
            let family = Family::of(address.address);
            let Some(base) = address.interface.clone().or_else(|| interface.clone()) else { continue };
            let own_mac = family == own_family || !for_all;
            let asked = address.vmac || for_all;
            if has_own
                && Some(&base) == interface.as_ref()
                && own_mac
                && (address.interface.is_none() || asked)
            {
                put(address, vmacs.first_mut());
            } else if asked {
                let mac = address_of(None, vrid, family);
                let at = vmacs.iter().position(|vmac| vmac.base == base && vmac.mac == mac);
                if at.is_none() {
                    let prefix = self.address_prefix.clone();
                    vmacs.extend(self.next(&prefix, vrid, family).map(|name| Vmac {
                        name,
                        base,
                        mac,
                        adverts: false,
                        ipv4: false,
                        ipv6: false,
                        group: None,
                    }));
                }
                let at = at.unwrap_or(vmacs.len().saturating_sub(1));
                put(address, vmacs.get_mut(at));
            }
        }
        instance.vmacs = vmacs;
    }
}

fn put(address: &mut VirtualAddress, vmac: Option<&mut Vmac>) {
    let Some(vmac) = vmac else { return };
    address.interface = Some(vmac.name.clone());
    vmac.ipv4 |= address.address.is_ipv4();
    vmac.ipv6 |= address.address.is_ipv6();
}

/// That of the configuration, to which the router id is added where a byte is missing, else that of RFC 9568 §7.3.
fn address_of(configured: Option<&[u8]>, vrid: Vrid, family: Family) -> [u8; 6] {
    let family = match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    let mut mac = [0, 0, 0x5e, 0, family, vrid.number()];
    for (to, from) in mac.iter_mut().zip(configured.into_iter().flatten()) {
        *to = *from;
    }
    mac
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::Texts;
    use crate::config::supported::runnable;
    use crate::config::{Options, load};

    /// Names and addresses of the interfaces, and the interface of each virtual address.
    fn placed(text: &str) -> Vec<(Vec<String>, Vec<String>)> {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let of = |instance: Instance| {
            let vmac = |vmac: &Vmac| {
                let mac = vmac.mac.map(|byte| format!("{byte:02x}")).join(":");
                format!("{} {} {mac}{}", vmac.name, vmac.base, if vmac.adverts { " adverts" } else { "" })
            };
            let place =
                |one: &VirtualAddress| one.interface.as_ref().map_or(String::new(), InterfaceName::to_string);
            (instance.vmacs.iter().map(vmac).collect(), instance.all_addresses().map(place).collect())
        };
        runnable(&model).instances.into_iter().map(of).collect()
    }

    fn instance(name: &str, interface: &str, more: &str) -> String {
        format!("vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 51\n{more}\n}}\n")
    }

    const VIP: &str = "virtual_ipaddress {\n10.0.0.9/24\n}";
    const VIP6: &str = "virtual_ipaddress {\nfe80::9/64\n}";

    #[test]
    fn a_router_has_an_interface_with_its_own_address() {
        let text = instance("A", "eth0", &format!("use_vmac\n{VIP}"));
        let expected = (vec!["vrrp.51 eth0 00:00:5e:00:01:33 adverts".into()], vec!["vrrp.51".into()]);
        assert_eq!(placed(&text), [expected]);
    }

    #[test]
    fn names_that_are_taken_are_given_to_no_other() {
        let text = [
            instance("A", "eth0", &format!("use_vmac\n{VIP}")),
            instance("B", "eth0", &format!("use_vmac\n{VIP6}")),
            instance("C", "eth1", &format!("use_vmac\n{VIP}")),
            instance("D", "eth1", &format!("use_vmac\n{VIP6}")),
            instance("E", "eth2", &format!("use_vmac vrrp2.51 02:00:00:00:07\n{VIP}")),
            instance("F", "vrrp3.51", &format!("use_vmac\n{VIP}")),
            instance("G", "eth3", &format!("use_vmac vrrp2.51\n{VIP}")),
        ];
        let names: Vec<String> = placed(&text.concat()).into_iter().flat_map(|(vmacs, _)| vmacs).collect();
        assert_eq!(
            names,
            [
                "vrrp.51 eth0 00:00:5e:00:01:33 adverts",
                "vrrp6.51 eth0 00:00:5e:00:02:33 adverts",
                "vrrp1.51 eth1 00:00:5e:00:01:33 adverts",
                "vrrp4.51 eth1 00:00:5e:00:02:33 adverts",
                "vrrp2.51 eth2 02:00:00:00:07:33 adverts",
                "vrrp5.51 vrrp3.51 00:00:5e:00:01:33 adverts",
                "vrrp7.51 eth3 00:00:5e:00:01:33 adverts",
            ]
        );
        let long = format!("global_defs {{\nvmac_prefix averylongprefix\n}}\n{}", text[0]);
        assert_eq!(placed(&long)[0].1, ["averylongpre.51"]);
    }

    #[test]
    fn adverts_stay_on_the_interface_below_for_peers_and_when_asked_for() {
        let peers = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}";
        for more in ["vmac_xmit_base", peers] {
            let text = instance("A", "eth0", &format!("use_vmac\n{more}\n{VIP}"));
            assert_eq!(placed(&text)[0].0, ["vrrp.51 eth0 00:00:5e:00:01:33"]);
        }
    }

    #[test]
    fn addresses_on_other_interfaces_have_their_own_when_asked_for() {
        let addresses = "virtual_ipaddress {\n10.0.0.9/24\n10.0.0.8/24 dev eth0\n10.1.0.9/24 dev eth1 use_vmac\n\
                         10.1.0.8/24 dev eth1\n}\n";
        let text = instance("A", "eth0", &format!("use_vmac\n{addresses}"));
        assert_eq!(placed(&text)[0].1, ["vrrp.51", "eth0", "vrrp1.51", "eth1"]);
        let excluded = "virtual_ipaddress_excluded {\n2001:db8::9\n}";
        let text = instance("A", "eth0", &format!("use_vmac\nuse_vmac_addr\n{addresses}{excluded}"));
        let (vmacs, places) = placed(&text).remove(0);
        assert_eq!(places, ["vrrp.51", "vrrp.51", "vrrp1.51", "vrrp1.51", "vrrp6.51"]);
        assert_eq!(vmacs[1..], ["vrrp1.51 eth1 00:00:5e:00:01:33", "vrrp6.51 eth0 00:00:5e:00:02:33"]);
        let text = instance("A", "eth0", &format!("use_vmac\n{VIP}\n{excluded}"));
        assert_eq!(placed(&text)[0].1, ["vrrp.51", "vrrp.51"]);
    }

    #[test]
    fn the_name_of_another_interface_is_an_error() {
        for (name, is_wrong) in [("eth0", true), ("lo", true), ("vrrp.51", false)] {
            let text = instance("A", "eth0", &format!("use_vmac {name}\n{VIP}"));
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            let told = loaded.diagnostics.iter().any(|one| one.message.contains("router's own"));
            assert_eq!((told, loaded.model.is_none()), (is_wrong, is_wrong), "{name}");
        }
    }
}
