//! What real servers run: nginx, MariaDB, and the virtual address of direct routing.

use super::daemon::Daemon;
use super::node::Node;
use super::wait::{eventually, seconds};

impl Node {
    /// nginx with these pages (path, content) on ports 80 and 443; a page may be replaced with `page`.
    pub fn serve_http(&self, pages: &[(&str, &str)]) -> Daemon {
        for (path, content) in pages {
            self.page(path, content);
        }
        self.file("/tmp/other/index.html", "a page of the other host\n");
        // To make a key of RSA takes seconds in this machine.
        self.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                     -subj /CN=$(hostname) -keyout /tmp/key.pem -out /tmp/cert.pem 2>/dev/null");
        self.write("/tmp/nginx.conf", NGINX);
        let nginx = self.spawn("nginx", "nginx -c /tmp/nginx.conf -e /dev/stderr");
        eventually(&format!("{} listens on 80", self.name), seconds(10), || self.listens(80));
        nginx
    }

    pub fn page(&self, path: &str, content: impl AsRef<[u8]>) {
        self.file(&format!("/tmp/www/{path}"), content);
    }

    /// Direct routing, real server's side: the virtual address on `lo`, and no ARP answer for it (the tutorial's
    /// five steps).
    pub fn bind_vip(&self, vip: &str) {
        self.sh(&format!(
            "ip addr add {vip}/32 dev lo label lo:0
             for each in lo all; do
                 echo 1 >/proc/sys/net/ipv4/conf/$each/arp_ignore
                 echo 2 >/proc/sys/net/ipv4/conf/$each/arp_announce
             done"
        ));
    }

    /// MariaDB with its data on the node's own /tmp and a user `lab`; `mysql_ready` waits for it.
    pub fn serve_mysql(&self) -> Daemon {
        // Its default reservation of address space and its asynchronous writes are refused in this machine.
        let options = "--no-defaults --user=root --datadir=/tmp/mysql --innodb-buffer-pool-size-max=32M \
                       --innodb-buffer-pool-size=16M --innodb-log-file-size=8M --innodb-use-native-aio=0 \
                       --innodb-flush-method=fsync";
        self.write(
            "/tmp/user.sql",
            "CREATE USER lab@'%';\nGRANT ALL ON *.* TO lab@'%';\nFLUSH PRIVILEGES;\n",
        );
        self.write(
            "/tmp/mysql.sh",
            format!(
                "set -e\n[ -d /tmp/mysql ] || mariadb-install-db {options} --skip-test-db --skip-name-resolve >/tmp/install.log\n\
                 exec mariadbd {options} --skip-name-resolve --bind-address=0.0.0.0 --socket=/tmp/mysql.sock \
                 --pid-file=/tmp/mysql.pid --init-file=/tmp/user.sql --report-host=$(hostname)\n"
            ),
        );
        // A second start finds its user there.
        if !self.read("/tmp/mysql/mysql_upgrade_info").is_empty() {
            self.write("/tmp/user.sql", "");
        }
        self.spawn("mysql", "sh /tmp/mysql.sh")
    }

    pub fn mysql_ready(&self) {
        eventually(&format!("{} listens on 3306", self.name), seconds(90), || self.listens(3306));
    }

    pub fn listens(&self, port: u16) -> bool {
        let end = format!(":{port:04X} ");
        let listens = |line: &str| line.contains(&end) && line.contains(" 0A ");
        ["tcp", "tcp6"].iter().any(|table| {
            let text =
                std::fs::read_to_string(format!("/proc/{}/net/{table}", self.holder())).unwrap_or_default();
            text.lines().any(listens)
        })
    }
}

const NGINX: &str = "daemon off;
master_process off;
pid /run/nginx.pid;
events { worker_connections 4096; }
http {
    access_log off;
    default_type text/html;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    ssl_certificate /tmp/cert.pem;
    ssl_certificate_key /tmp/key.pem;
    server { listen 80 default_server backlog=4096; listen [::]:80 default_server; listen 443 ssl default_server; root /tmp/www; }
    server { listen 80; listen 443 ssl; server_name www.other.example; root /tmp/other; }
}
";
