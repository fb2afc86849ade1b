//! `-h` and `-v`.

/// What scripts compare, to the byte that of ipvsadm 1.31, whose place this takes.
pub(super) const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";

const TEXT: &str = "\
Commands:
  PROGRAM                                 list the table
  PROGRAM -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [--pe ENGINE] [-o] [-b FLAGS]
  PROGRAM -D SERVICE
  PROGRAM -C
  PROGRAM -a|-e SERVICE -r HOST[:PORT] [-g|-i|-m] [-w WEIGHT] [-x UPPER] [-y LOWER]
          [--tun-type ipip|gue|gre [--tun-port PORT] [--tun-nocsum|--tun-csum|--tun-remcsum]]
  PROGRAM -d SERVICE -r HOST[:PORT]
  PROGRAM -L|-l [-n] [-X] [--nosort] [SERVICE | -c | --timeout | --daemon]
          [--stats | --rate | --thresholds | --persistent-conn | --tun-info]
  PROGRAM -S [-n]                         the table as commands, for -R
  PROGRAM -R [--keep-going]               commands from standard input, one a line: all of them, or none
  PROGRAM -Z [SERVICE]
  PROGRAM --set TCP TCPFIN UDP            timeouts of connections, in seconds; 0 leaves one as it is
  PROGRAM --start-daemon master|backup [--mcast-interface INTERFACE] [--syncid 0-255] [--sync-maxlen BYTES]
          [--mcast-group ADDRESS] [--mcast-port PORT] [--mcast-ttl 1-255]
  PROGRAM --stop-daemon master|backup
  PROGRAM -h | -v

SERVICE is one of
  -t, --tcp-service HOST[:PORT]
  -u, --udp-service HOST[:PORT]
  --sctp-service HOST[:PORT]
  -f, --fwmark-service MARK [-6]          of IPv6 with -6, --ipv6
An address of IPv6 with a port stands in brackets: [2001:db8::1]:80.

Long names of commands:
  -A --add-service     -E --edit-service    -D --delete-service  -C --clear
  -a --add-server      -e --edit-server     -d --delete-server   -L --list
  -S --save            -R --restore         -Z --zero            -h --help, -v --version

Options:
  -s, --scheduler NAME        rr wrr lc wlc (default) lblc lblcr dh sh mh sed nq fo ovf twos
  -p, --persistent [SECONDS]  a client stays with its server; 360 without a number
  -M, --netmask MASK          clients that stay together: a mask, of IPv6 a number of bits
  --pe ENGINE                 persistence engine: sip
  -o, --ops                   each packet by itself: UDP
  -b, --sched-flags FLAGS     sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3, with commas between them
  -r, --real-server HOST[:PORT]
  -g, --gatewaying            direct routing (default)
  -i, --ipip                  tunnel; ipip unless --tun-type says otherwise
  -m, --masquerading          NAT
  -w, --weight NUMBER         0 to 2147483647, 1 without it
  -x, --u-threshold NUMBER    no new connections above it
  -y, --l-threshold NUMBER    new connections again below it
  -n, --numeric               numbers, no names
  -X, --exact                 counters are not shortened
  -c, --connection            connections
  --sort                      has no effect: lists are sorted without --nosort

Of directord, not of ipvsadm:
  --force                     change also what the daemon that runs keeps
  --keep-going                -R carries out each line it can, as ipvsadm does
  --runtime-dir FOLDER        folder of the daemon [default: /run/directord]
";

/// How it is used; `program`: how it was called.
pub(super) fn text(program: &str) -> String {
    VERSION.to_owned() + &TEXT.replace("PROGRAM", program)
}
