//! How much of what comes in waits for this process: the receive buffers of the sockets (`kernel_rx_buf_size`,
//! `vrrp_rx_bufs_policy`).

use std::collections::BTreeMap;

use crate::config::model::{Authentication, BufferPolicy, Instance, ReceiveBuffers};
use crate::vrrp::packet;

use super::sockets::{Endpoint, State};
use super::{Action, Node};

/// The MTU of an interface of which none is known.
const MTU: u32 = 1500;

impl Node {
    /// Says how large the buffers of open sockets are to be, where somebody asks for a size.
    pub(super) fn size_buffers(&mut self, out: &mut Vec<Action>) {
        let mut sizes: BTreeMap<Endpoint, u32> = BTreeMap::new();
        for running in self.instances.values() {
            let Some(endpoint) = &running.endpoint else { continue };
            let config = running.machine.config();
            let mtu = self.kernel.link(endpoint.index).map_or(0, |link| link.mtu);
            let size = config.receive_buffer.or_else(|| by_policy(&self.buffers, config, mtu));
            if let Some(size) = size.filter(|_| self.sockets.state(endpoint) == Some(&State::Open)) {
                let sum = sizes.entry(endpoint.clone()).or_default();
                *sum = sum.saturating_add(size);
            }
        }
        for (endpoint, bytes) in &sizes {
            if self.sized.get(endpoint) != Some(bytes) {
                out.push(Action::Buffer { endpoint: endpoint.clone(), bytes: *bytes });
            }
        }
        self.sized = sizes;
    }
}

/// What the policy gives an instance: a number as it is; of packets the largest, and room for several.
fn by_policy(buffers: &ReceiveBuffers, config: &Instance, mtu: u32) -> Option<u32> {
    let number = |policy: &BufferPolicy| match policy {
        BufferPolicy::Bytes(bytes) => Some(*bytes),
        BufferPolicy::Mtu | BufferPolicy::Advert => None,
    };
    if let Some(bytes) = buffers.policies.iter().find_map(number) {
        return Some(bytes);
    }
    let mtu = if mtu == 0 { MTU } else { mtu };
    let size = |policy: &BufferPolicy| match policy {
        BufferPolicy::Mtu => mtu,
        BufferPolicy::Advert => {
            let ah = matches!(config.authentication, Authentication::Ah(_));
            packet::size(config.version, config.family, config.addresses.len(), ah).min(mtu)
        }
        BufferPolicy::Bytes(bytes) => *bytes,
    };
    let largest = buffers.policies.iter().map(size).max()?;
    Some(largest.saturating_mul(buffers.multiplier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{InterfaceName, VirtualAddress, Vrid};

    #[test]
    fn a_policy_counts_packets_of_the_interface_or_of_the_instance() {
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(1).unwrap());
        config.addresses = vec![VirtualAddress::new("10.0.0.1".parse().unwrap(), 32); 3];
        let size = |policies: &[BufferPolicy], mtu| {
            let buffers = ReceiveBuffers { policies: policies.to_vec(), multiplier: 3 };
            by_policy(&buffers, &config, mtu)
        };
        assert_eq!(size(&[], 1500), None);
        assert_eq!(size(&[BufferPolicy::Mtu], 9000), Some(27_000));
        assert_eq!(size(&[BufferPolicy::Mtu], 0), Some(4500));
        // IP, VRRP, three addresses, authentication data.
        assert_eq!(size(&[BufferPolicy::Advert], 1500), Some(3 * (20 + 8 + 12 + 8)));
        assert_eq!(size(&[BufferPolicy::Bytes(5000), BufferPolicy::Mtu], 1500), Some(5000));
    }
}
