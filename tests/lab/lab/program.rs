//! The two programs a director can run, started the same way.

use super::Lab;
use super::daemon::{Daemon, Signal};
use super::node::Node;
use super::wait::{poll, seconds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Directord,
    Keepalived,
}

/// Where both find their configuration in a node.
pub const FILE: &str = "/etc/keepalived/keepalived.conf";

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Self::Directord => "directord",
            Self::Keepalived => "keepalived",
        }
    }

    fn command(self) -> String {
        match self {
            Self::Directord => format!("/lab/directord -n -f {FILE} --runtime-dir /run/directord"),
            Self::Keepalived => format!(
                "keepalived -n -l -D -G -f {FILE} -p /run/keepalived.pid -r /run/vrrp.pid -c /run/checkers.pid"
            ),
        }
    }
}

impl Lab {
    /// directord with more options.
    pub fn directord(&self, node: &Node, options: &str, configuration: &str) -> Daemon {
        node.write(FILE, configuration);
        node.spawn("directord", &format!("{} {options}", Program::Directord.command()))
    }

    /// Writes the configuration to the node and starts the program there.
    pub fn director(&self, node: &Node, program: Program, configuration: &str) -> Daemon {
        node.write(FILE, configuration);
        node.spawn(program.name(), &program.command())
    }

    /// The program under test on both directors, with the configuration of the master and that of its backup.
    pub fn director_pair(&self, configuration: &str) -> (Daemon, Daemon) {
        let master = self.director(&self.lvs01, self.program(), configuration);
        // Its backup waits a fifth of a second longer, and must not have begun before.
        poll(seconds(5), || master.log_has("Entering "));
        let backup = self.director(&self.lvs02, self.program(), &super::configs::as_backup(configuration));
        (master, backup)
    }

    /// Replaces the configuration of a running program.
    pub fn reload(&self, node: &Node, daemon: &Daemon, configuration: impl AsRef<[u8]>) {
        node.write(FILE, configuration);
        daemon.signal(Signal::SIGHUP);
    }

    /// The digest of a page as the program's own genhash computes it on lvs01.
    pub fn genhash(&self, program: Program, server: &str, path: &str, options: &str) -> String {
        let port = if options.contains("-S") { 443 } else { 80 };
        let command = match program {
            Program::Directord => "/lab/directord genhash",
            Program::Keepalived => "genhash",
        };
        let text = self.lvs01.sh(&format!("{command} -s {server} -p {port} -u '{path}' {options} 2>&1"));
        // The line ends with the digest, 32 hexadecimal digits.
        let is_digest = |word: &&str| word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
        text.split_whitespace()
            .rev()
            .find(is_digest)
            .unwrap_or_else(|| panic!("no digest: {text}"))
            .to_string()
    }
}
