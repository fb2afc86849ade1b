use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{
    Account, Command, Fifo, Filter, Garp, GarpExtra, Instance, InterfaceName, Mail, Version, Webhook,
};

/// `global_defs` and the settings of the root, as far as they are no default of something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `router_id`: the name of this node; `None` means the host name.
    pub router_id: Option<String>,
    /// Alert mails.
    pub mail: Mail,
    /// `webhook`, each once.
    pub webhooks: Vec<Webhook>,
    /// Scripts and FIFOs.
    pub scripts: Scripts,
    /// Names, scheduling and memory of the process.
    pub process: Process,
    /// IPVS as a whole.
    pub lvs: LvsGlobals,
    /// VRRP as a whole.
    pub vrrp: VrrpGlobals,
    /// Namespaces, interfaces, firewall.
    pub host: Host,
    /// SNMP and D-Bus.
    pub outside: Outside,
    /// Files that are read or written on the way.
    pub files: RunFiles,
}

/// Scripts and FIFOs of the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    /// `startup_script`.
    pub startup: Option<Command>,
    /// `startup_script_timeout`; 10 s when absent.
    pub startup_timeout: Option<Duration>,
    /// `shutdown_script`.
    pub shutdown: Option<Command>,
    /// `shutdown_script_timeout`; 10 s when absent.
    pub shutdown_timeout: Option<Duration>,
    /// `script_user`.
    pub user: Option<Account>,
    /// `enable_script_security`.
    pub security: bool,
    /// `use_symlink_paths`.
    pub symbolic_links: bool,
    /// `set_supplementary_groups`.
    pub supplementary: bool,
    /// `notify_fifo`.
    pub fifo: Option<Fifo>,
    /// `notify_fifo_script`.
    pub fifo_script: Option<Command>,
    /// `vrrp_notify_fifo`.
    pub vrrp_fifo: Option<Fifo>,
    /// `vrrp_notify_fifo_script`.
    pub vrrp_fifo_script: Option<Command>,
    /// `lvs_notify_fifo`.
    pub lvs_fifo: Option<Fifo>,
    /// `lvs_notify_fifo_script`.
    pub lvs_fifo_script: Option<Command>,
    /// `vrrp_notify_priority_changes`.
    pub priority_changes: bool,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
    /// `rs_init_notifies`.
    pub real_servers_at_start: bool,
}

/// Settings of one of keepalived's processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessPart {
    /// `*_process_name`, at most 15 bytes.
    pub name: Option<String>,
    /// `*_priority`, -20..=19.
    pub nice: Option<i8>,
    /// `*_rt_priority`, 1..=99.
    pub real_time: Option<u8>,
    /// `*_rlimit_rttime`, in microseconds.
    pub real_time_limit: Option<u32>,
    /// `*_no_swap`.
    pub no_swap: bool,
    /// `*_cpu_affinity`.
    pub cpus: Vec<u32>,
}

/// Names, scheduling and memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// `process_names`.
    pub names: bool,
    /// `process_name`.
    pub name: Option<String>,
    /// `vrrp_*`.
    pub vrrp: ProcessPart,
    /// `checker_*`.
    pub checker: ProcessPart,
    /// `bfd_*`.
    pub bfd: ProcessPart,
    /// `max_auto_priority`, -1..=99; -1: never.
    pub max_auto_priority: Option<i8>,
    /// `min_auto_priority_delay`, in microseconds.
    pub min_auto_priority_delay: Option<u32>,
    /// `umask`.
    pub umask: Option<u16>,
    /// `child_wait_time`, in seconds.
    pub child_wait: Option<u32>,
    /// `instance`.
    pub instance: Option<String>,
    /// `use_pid_dir`.
    pub pid_folder: bool,
}

/// `lvs_timeouts`, in seconds; 0: left as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `tcp`.
    pub tcp: u32,
    /// `tcpfin`.
    pub tcp_fin: u32,
    /// `udp`.
    pub udp: u32,
}

/// `lvs_sync_daemon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Interface.
    pub interface: InterfaceName,
    /// The instance that says who sends.
    pub instance: Option<String>,
    /// `id`.
    pub id: Option<u8>,
    /// `maxlen`.
    pub max_length: Option<u16>,
    /// `port`.
    pub port: Option<u16>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `group`.
    pub group: Option<IpAddr>,
}

/// IPVS as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LvsGlobals {
    /// `lvs_timeouts`.
    pub timeouts: Option<Timeouts>,
    /// `lvs_flush`.
    pub flush: bool,
    /// `lvs_flush_on_stop`; true: `VS`, only our own.
    pub flush_on_stop: Option<bool>,
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
    /// `checker_log_all_failures`.
    pub log_all_failures: bool,
    /// `nftables_ipvs`: the table.
    pub nftables: Option<String>,
    /// `nftables_ipvs_priority`.
    pub nftables_priority: Option<i32>,
    /// `nftables_ipvs_start_fwmark`.
    pub first_fwmark: Option<u32>,
}

/// How large receive buffers of VRRP are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferPolicy {
    /// `ADVERT`.
    Advert,
    /// `MTU`.
    Mtu,
    /// Bytes.
    Bytes(u32),
}

/// How large receive buffers of adverts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveBuffers {
    /// `vrrp_rx_bufs_policy`; none: as the system has them.
    pub policies: Vec<BufferPolicy>,
    /// `vrrp_rx_bufs_multiplier`.
    pub multiplier: u32,
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self { policies: Vec::new(), multiplier: 3 }
    }
}

/// Receive buffers of netlink sockets; `None`: as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetlinkBuffers {
    /// `vrrp_netlink_cmd_rcv_bufs`.
    pub commands: Option<NetlinkBuffer>,
    /// `vrrp_netlink_monitor_rcv_bufs`.
    pub monitor: Option<NetlinkBuffer>,
}

/// The receive buffer of a netlink socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetlinkBuffer {
    /// Its size.
    pub bytes: u32,
    /// `*_force`: beyond what the system allows.
    pub force: bool,
}

/// A socket whose receive buffer has a size of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferedSocket {
    /// Netlink commands of VRRP.
    VrrpCommands,
    /// Netlink notifications for VRRP.
    VrrpMonitor,
    /// Events of processes.
    Processes,
    /// Netlink commands of the checks.
    LvsCommands,
    /// Netlink notifications for the checks.
    LvsMonitor,
}

impl BufferedSocket {
    /// Each, by its keyword.
    pub const WORDS: [(&str, Self); 5] = [
        ("vrrp_netlink_cmd_rcv_bufs", Self::VrrpCommands),
        ("vrrp_netlink_monitor_rcv_bufs", Self::VrrpMonitor),
        ("process_monitor_rcv_bufs", Self::Processes),
        ("lvs_netlink_cmd_rcv_bufs", Self::LvsCommands),
        ("lvs_netlink_monitor_rcv_bufs", Self::LvsMonitor),
    ];

    /// Its keyword.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// The receive buffer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketBuffer {
    /// The socket.
    pub socket: BufferedSocket,
    /// Its size.
    pub bytes: u32,
}

/// VRRP as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VrrpGlobals {
    /// `vrrp_mcast_group6`; ff02::12 when absent.
    pub group6: Option<Ipv6Addr>,
    /// `vrrp_garp_interval`.
    pub garp_interval: Option<Duration>,
    /// `vrrp_gna_interval`.
    pub gna_interval: Option<Duration>,
    /// `vrrp_garp_extra_if`.
    pub garp_extra: Option<GarpExtra>,
    /// `vrrp_strict`.
    pub strict: bool,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: bool,
    /// `vrrp_owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `vrrp_startup_delay`.
    pub startup_delay: Option<Duration>,
    /// `vrrp_delay_after_boot`.
    pub delay_after_boot: Option<Duration>,
    /// `restart_resume`; on when absent.
    pub restart_resume: Option<bool>,
    /// `log_unknown_vrids`.
    pub log_unknown: bool,
    /// `vmac_prefix`.
    pub vmac_prefix: Option<String>,
    /// `vmac_addr_prefix`.
    pub vmac_address_prefix: Option<String>,
    /// `vrrp_rx_bufs_policy`.
    pub buffers: Vec<BufferPolicy>,
    /// `vrrp_rx_bufs_multiplier`; 3 when absent.
    pub buffer_multiplier: Option<u32>,
    /// `*_rcv_bufs`.
    pub netlink_buffers: Vec<SocketBuffer>,
    /// `*_rcv_bufs_force`: beyond what the system allows.
    pub netlink_force: Vec<BufferedSocket>,
}

impl VrrpGlobals {
    /// How large receive buffers of adverts are.
    pub fn receive_buffers(&self) -> ReceiveBuffers {
        let standard = ReceiveBuffers::default();
        let multiplier = self.buffer_multiplier.unwrap_or(standard.multiplier);
        ReceiveBuffers { policies: self.buffers.clone(), multiplier }
    }

    /// Receive buffers of the netlink sockets of VRRP.
    pub fn netlink(&self) -> NetlinkBuffers {
        let buffer = |socket: BufferedSocket| {
            let found = self.netlink_buffers.iter().find(|one| one.socket == socket && one.bytes > 0)?;
            Some(NetlinkBuffer { bytes: found.bytes, force: self.netlink_force.contains(&socket) })
        };
        NetlinkBuffers {
            commands: buffer(BufferedSocket::VrrpCommands),
            monitor: buffer(BufferedSocket::VrrpMonitor),
        }
    }
}

/// What `global_defs` says that instances fall back to. A model has it at its instances, which need no more; this is for
/// who shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallbacks {
    /// `vrrp_version`.
    pub version: Version,
    /// `vrrp_mcast_group4`.
    pub group: Ipv4Addr,
    /// `vrrp_garp_*`.
    pub garp: Garp,
    /// `vrrp_check_unicast_src`.
    pub check_unicast_source: bool,
    /// `vrrp_down_timer_adverts`.
    pub down_timer_adverts: u8,
    /// `vrrp_skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `vrrp_lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// `vrrp_higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
}

impl Default for Fallbacks {
    fn default() -> Self {
        Self {
            version: Version::V2,
            group: Ipv4Addr::new(224, 0, 0, 18),
            garp: Garp::default(),
            check_unicast_source: false,
            down_timer_adverts: Instance::DOWN_TIMER_ADVERTS,
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
        }
    }
}

/// Namespaces, interfaces, firewall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// `net_namespace`.
    pub namespace: Option<String>,
    /// `net_namespace_ipvs`; an empty name: the default namespace.
    pub ipvs_namespace: Option<String>,
    /// `namespace_with_ipsets`.
    pub namespace_with_ipsets: bool,
    /// `linkbeat_use_polling`.
    pub linkbeat_polling: bool,
    /// `dynamic_interfaces`; true: `allow_if_changes`.
    pub dynamic_interfaces: Option<bool>,
    /// `default_interface`; eth0 when absent.
    pub default_interface: Option<InterfaceName>,
    /// `disable_local_igmp`.
    pub no_local_igmp: bool,
    /// `vrrp_iptables`: chains of input and output.
    pub iptables: Option<Vec<String>>,
    /// `vrrp_ipsets`: names of the sets.
    pub ipsets: Option<Vec<String>>,
    /// `nftables`: the table.
    pub nftables: Option<String>,
    /// `nftables_priority`.
    pub nftables_priority: Option<i32>,
    /// `nftables_ifindex`.
    pub nftables_index: bool,
    /// `nftables_counters`.
    pub nftables_counters: bool,
    /// `iproute_usr_dir`.
    pub iproute_usr: Option<String>,
    /// `iproute_etc_dir`.
    pub iproute_etc: Option<String>,
}

impl Host {
    /// Whether the file asks for a packet filter by any of its words.
    pub fn filters(&self) -> bool {
        self.iptables.is_some() || self.ipsets.is_some() || self.nftables.is_some()
    }

    /// The table for traffic of virtual addresses. The chains and sets of iptables have their counterparts in it, and
    /// their names mean nothing.
    pub fn filter(&self) -> Filter {
        let standard = Filter::default();
        let table = self.nftables.clone().filter(|table| !table.is_empty());
        Filter {
            table: table.unwrap_or(standard.table),
            priority: self.nftables_priority.unwrap_or(standard.priority),
            counters: self.nftables_counters,
            by_index: self.nftables_index,
        }
    }
}

/// What is shown to SNMP and D-Bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideView {
    /// SNMP traps.
    Traps,
    /// The VRRP part of keepalived's MIB.
    SnmpVrrp,
    /// The same, by its old name.
    SnmpKeepalived,
    /// Both MIBs of VRRP.
    SnmpRfc,
    /// The MIB of version 2 (RFC 2787).
    SnmpRfcV2,
    /// The MIB of version 3 (RFC 6527).
    SnmpRfcV3,
    /// The checks' part of keepalived's MIB.
    SnmpChecker,
    /// Instances on D-Bus.
    Dbus,
}

impl Outside {
    /// `snmp_*_stats_update_interval` when there is none.
    pub const STATISTICS: Duration = Duration::from_secs(5);

    /// Whether a bus can know somebody by this name (D-Bus specification, "Valid Names").
    #[must_use]
    pub fn is_bus_name(name: &str) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let element = |text: &str| {
            let starts = text.bytes().next().is_some_and(|first| !first.is_ascii_digit());
            starts && text.bytes().all(legal)
        };
        name.len() <= 255 && name.contains('.') && name.split('.').all(element)
    }
}

impl OutsideView {
    /// Each, by its keyword.
    pub const WORDS: [(&str, Self); 8] = [
        ("enable_traps", Self::Traps),
        ("enable_snmp_vrrp", Self::SnmpVrrp),
        ("enable_snmp_keepalived", Self::SnmpKeepalived),
        ("enable_snmp_rfc", Self::SnmpRfc),
        ("enable_snmp_rfcv2", Self::SnmpRfcV2),
        ("enable_snmp_rfcv3", Self::SnmpRfcV3),
        ("enable_snmp_checker", Self::SnmpChecker),
        ("enable_dbus", Self::Dbus),
    ];

    /// Its keyword.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// SNMP and D-Bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// `snmp_socket`.
    pub snmp_socket: Option<String>,
    /// `enable_traps`, `enable_snmp_*`, `enable_dbus`.
    pub enabled: Vec<OutsideView>,
    /// `snmp_vs_stats_update_interval`.
    pub service_statistics: Option<Duration>,
    /// `snmp_rs_stats_update_interval`.
    pub real_statistics: Option<Duration>,
    /// `dbus_service_name`.
    pub dbus_name: Option<String>,
    /// `dbus_no_interface_name`.
    pub dbus_no_interface: Option<String>,
}

/// Files that are read or written on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFiles {
    /// `reload_check_config`: where the result of the check goes.
    pub reload_check: Option<String>,
    /// `reload_time_file`.
    pub reload_time: Option<String>,
    /// `reload_repeat`.
    pub reload_repeat: bool,
    /// `reload_file`; empty: beside the pid file.
    pub reload_marker: Option<String>,
    /// `config_save_dir`.
    pub save_folder: Option<String>,
    /// `tmp_config_directory`.
    pub temporary_folder: Option<String>,
    /// `data_use_instance`.
    pub data_use_instance: bool,
    /// `json_version`.
    pub json_version: Option<u8>,
    /// `state_dump_file`.
    pub state_dump: Option<String>,
    /// `stats_dump_file`.
    pub statistics_dump: Option<String>,
    /// `json_dump_file`.
    pub json_dump: Option<String>,
    /// `random_seed`.
    pub random_seed: Option<u32>,
}
