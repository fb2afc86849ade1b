//! `strict_mode`, `vrrp_strict`: what the RFC has no room for gives way.

use std::time::Duration;

use super::super::{Lower, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Family, Instance, OwnDevice, Preempt, Version};
use crate::config::source::Span;
use crate::config::tree::Node;

impl Lower<'_> {
    /// The instance as the RFC has it. A warning for each statement of its own that gives way; that of the globals gives
    /// way silently.
    /// `filters`: the file asks for a packet filter.
    pub(super) fn strictly(&mut self, node: &Node<'_>, mut instance: Instance, filters: bool) -> Instance {
        let said = |word: &str| {
            let mut statements = inside(node).iter();
            statements.find(|node| node.keyword.is_some_and(|keyword| keyword.word() == word))?.span()
        };
        if matches!(instance.preempt, Preempt::After { delay } if !delay.is_zero()) {
            instance.preempt = Preempt::After { delay: Duration::ZERO };
            self.gives_way(said("preempt_delay"), "no delay of a preemption", "no delay is kept");
        }
        if instance.down_timer_adverts != Instance::DOWN_TIMER_ADVERTS {
            instance.down_timer_adverts = Instance::DOWN_TIMER_ADVERTS;
            let what = "three adverts that may be missed";
            self.gives_way(said("down_timer_adverts"), what, "the master counts as down after three");
        }
        if !instance.lower_prio_no_advert {
            instance.lower_prio_no_advert = true;
            let consequence = "none is sent";
            self.gives_way(
                said("lower_prio_no_advert"),
                "no advert in answer to a lower priority",
                consequence,
            );
        }
        if instance.higher_prio_send_advert == Some(true) {
            self.gives_way(
                said("higher_prio_send_advert"),
                "no last advert of a master that yields",
                "none is sent",
            );
        }
        instance.higher_prio_send_advert = Some(false);
        self.accepts(said("strict_mode").filter(|_| !filters && instance.accept.is_none()));
        if filters && instance.accept == Some(true) && instance.version == Version::V2 {
            instance.accept = None;
            let what = "no traffic to the virtual addresses in version 2";
            self.gives_way(said("accept"), what, "it is dropped");
        }
        for word in ["garp_lower_prio_delay", "garp_lower_prio_repeat"] {
            if said(word).is_some() && instance.garp.lower_prio_repeat > 0 {
                let what = "no announcement in answer to a lower priority";
                self.gives_way(said(word), what, "none is sent");
            }
        }
        (instance.garp.lower_prio_delay, instance.garp.lower_prio_repeat) = (Duration::ZERO, 0);
        if let Some(OwnDevice::Vmac { mac: mac @ Some(_), .. }) = &mut instance.device {
            *mac = None;
            let what = "the address of RFC 9568 §7.3 for the interface of a virtual router";
            self.gives_way(said("use_vmac"), what, "it has that one");
        }
        if std::mem::take(&mut instance.transmit_on_base) {
            let what = "adverts from the address of the virtual router";
            self.gives_way(said("vmac_xmit_base"), what, "they are sent so");
        }
        if let Some(span) = said("unicast_peer").filter(|_| !instance.peers().is_empty()) {
            self.report(
                Diagnostic::warning(Code::Conflict, span, "the strict mode knows multicast alone")
                    .consequence(
                        "the peers are sent to all the same; keepalived refuses to start where the interface has multicast",
                    )
                    .help("delete `strict_mode` or `vrrp_strict`, or the peers"),
            );
        }
        self.first_is_link_local(node, &instance);
        instance
    }

    fn gives_way(&mut self, span: Option<Span>, what: &str, consequence: &str) {
        self.adjusted(
            span,
            format!("the strict mode has {what}"),
            format!("{consequence}, as in keepalived"),
        );
    }

    /// RFC 9568 §5.2.9.
    fn first_is_link_local(&mut self, node: &Node<'_>, instance: &Instance) {
        if (instance.family, instance.version) != (Family::Ipv6, Version::V3) {
            return;
        }
        let Some(first) = instance.addresses.first() else { return };
        if let std::net::IpAddr::V6(address) = first.address
            && !address.is_unicast_link_local()
        {
            let message =
                format!("the first IPv6 address of a strict instance is link-local, {address} is not");
            self.adjusted(node.span(), message, "adverts name it first all the same, as keepalived's do");
        }
    }
}
