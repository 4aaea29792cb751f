"""Classes 3, 4, 6 and 13: refusing routes, the default route that wins, overlaps, what is unusual but right."""

from __future__ import annotations

from tests.diagnose import nodes, traffic
from tests.diagnose.classes.kind import Kind, at, each, network
from tests.diagnose.faults import EDITS, IPV6_WIDE, NET1_ROUTED, PROBES, Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import Lab

FAR = "for k in 1 2 3 4 5 6 7 8; do x addr add 198.51.100.$k/32 dev lo; done"
EDITS |= {"macvlan-alone": nodes.known_by_ip("203.0.113.60")}
FAR6 = IPV6_WIDE + "; x addr add 2001:db8:77::1/128 dev lo"
MANY = tuple(f"198.51.100.{k}" for k in range(1, 9))
PROBES |= {
    "far-many": at("p1", each, *MANY),
    "v6-far": at("p1", traffic.tcp, "2001:db8:77::1", 8080),
    "lan-host": at("p1", traffic.tcp, "192.168.50.200", 8080),
}

REFUSING = Kind(
    number=3,
    title="refusing routes",
    faults=(
        Fault(id="K301 a blackhole for a prefix that nothing names", setup=FAR, inject="n route add blackhole 198.51.100.0/24", codes=("GN0513",), says=("198.51.100.0/24", "blackhole"), breaks=("far",)),
        Fault(id="K302 the pod prohibits a prefix", setup=FAR, inject="p route add prohibit 198.51.100.0/24", codes=("GN0304",), says=("198.51.100.0/24", "prohibit"), breaks=("far",)),
        Fault(id="K303 a throw route in the pod", setup=FAR, inject="p route add throw 198.51.100.0/24", codes=("GN0304",), says=("198.51.100.0/24", "throw"), breaks=("far",)),
        Fault(id="K304 a rule refuses a destination", setup=FAR, inject="n rule add pref 900 from 10.244.1.10 to 198.51.100.0/24 unreachable", codes=("GN0504",), says=("198.51.100.0/24", "unreachable", "900"), breaks=("far",)),
        Fault(id="K305 a blackhole for an IPv6 prefix", setup=FAR6, inject="n -6 route add blackhole 2001:db8:77::/48", codes=("GN0513",), says=("2001:db8:77::/48", "blackhole"), breaks=("v6-far",), also="v6"),
        Fault(id="K306 a table for the bridge prohibits", setup=FAR, inject="n rule add pref 910 iif cni0 lookup 300; n route add prohibit 198.51.100.0/24 table 300", codes=("GN0504", "GN0513"), says=("198.51.100.0/24", "prohibit", "300"), breaks=("far",)),
        Fault(id="K307 a rule drops what goes to one host", setup=FAR, inject="N iptables -I FORWARD -d 198.51.100.1 -j DROP", codes=("GN0507",), says=("198.51.100.1", "FORWARD", "rule 1"), breaks=("far",), severity="warning"),
        Fault(id="K308 a rule rejects what comes from a prefix", setup=FAR, inject="N iptables -I FORWARD -s 198.51.100.0/24 -j REJECT", codes=("GN0507",), says=("198.51.100.0/24", "FORWARD", "rule 1"), breaks=("far",), severity="warning"),
        Fault(id="K309 the pod rejects one port of one host", setup=FAR, inject="P iptables -I OUTPUT -d 198.51.100.1 -p tcp --dport 8080 -j REJECT", codes=("GN0510",), says=("198.51.100.1", "OUTPUT", "rule 1"), breaks=("far",), severity="warning"),
        Fault(id="K310 a macvlan pod drops its router's answers", setup=nodes.MACVLAN_ALONE, inject="P iptables -I INPUT -s 203.0.113.1 -j DROP", edit="macvlan-alone", codes=("GN0510",), says=("203.0.113.1/32", "INPUT", "rule 1"), breaks=("inet",)),
        Fault(id="K311 a throw route for one pod", pod="c1", inject="n route add throw 10.244.2.2/32", codes=("GN0513",), says=("10.244.2.2/32", "throw"), breaks=("c1-remote",)),
    ),
    healthy=(
        Control(id="K3 a rule for one host that no packet met", inject="N iptables -I FORWARD -d 198.51.100.1 -j DROP", silent=True),
        Control(id="K3 a block list", inject=FAR + "; for k in 1 2 3 4 5 6 7 8; do N iptables -A FORWARD -d 198.51.100.$k -j REJECT; P bash -c 'echo x >/dev/udp/198.51.100.'$k/9; done; N iptables-save -c | grep -c '^.1:.*icmp-port-unreachable' | grep -qx 8", silent=True),
        Control(id="K3 guards of the service and pod ranges", inject="n route add blackhole 10.96.0.0/12; n route add blackhole 10.244.1.128/26; n route add unreachable 10.244.0.0/16 metric 9999", silent=True),
        Control(id="K3 a kill switch by mark", inject="n rule add pref 800 fwmark 0xca6c lookup 51820; n route add unreachable default table 51820", silent=True),
        Control(id="K3 no IPv6 in the pod", inject="p -6 route add unreachable default metric 4278198272", silent=True),
    ),
)  # fmt: skip

# A router advertisement (RFC 4861, RFC 4191) of high preference from p2, as any host of the link can send it.
ROGUE = r"""for k in 1 2 3 4 5 6 7 8 9; do q -6 addr show dev eth0 scope link | grep -q tentative || break; sleep 0.3; done
Q sysctl -qw net.ipv6.conf.all.forwarding=1; Q python3 -c '
import fcntl, socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 8, 1800, 0, 0) + b"\1\1" + mac, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
'; for k in 1 2 3 4 5 6 7 8 9; do p -6 route | grep -q "proto ra" && break; sleep 0.2; done"""
TWO_METRICS = "n route del default; n route add default via 192.168.50.1 metric 100; "

DEFAULTS = Kind(
    number=4,
    title="which default route wins",
    faults=(
        Fault(id="K401 the better default route's next hop does not exist", setup=FAR, inject=TWO_METRICS + "n route add default via 192.168.50.254 metric 50", codes=("GN0807",), says=("192.168.50.254",), breaks=("far",), probes=True, firm=True),
        Fault(id="K402 one of the node's next hops is dead", setup=FAR, inject="n route replace default nexthop via 192.168.50.1 nexthop via 192.168.50.254", codes=("GN0807",), says=("192.168.50.254", "1 of 2"), breaks=("far-many",), probes=True, firm=True),
        Fault(id="K403 one of the pod's next hops does not exist", setup=FAR, inject="p route replace default nexthop via 10.244.1.1 nexthop via 10.244.1.254", codes=("GN0302",), says=("10.244.1.254",), breaks=("far-many",)),
        Fault(id="K404 a router advertisement beats ADD's route", setup=IPV6_WIDE, inject=ROGUE, codes=("GN0311",), says=("router advertisement", "fe80:", "high"), breaks=("v6-remote",), also="v6"),
        Fault(id="K405 the second NIC's default route wins", setup=FAR, inject=TWO_METRICS + "n route add default via 203.0.113.254 dev eth1 metric 10", codes=("GN0807",), says=("203.0.113.254", "eth1"), breaks=("far",), probes=True, firm=True),
        Fault(id="K406 the node's IPv6 router is gone", setup=FAR6, inject="n -6 route replace default via fd00:50::dead", codes=("GN0807",), says=("fd00:50::dead",), breaks=("v6-far",), also="v6", probes=True, firm=True, mends=False),
    ),
    healthy=(
        Control(id="K4 two next hops in the pod", inject="n addr add 10.244.1.2/24 dev cni0; p route replace default nexthop via 10.244.1.1 nexthop via 10.244.1.2", silent=True),
        Control(id="K4 a dead default route in reserve", inject="n route add default via 203.0.113.254 dev eth1 metric 500"),
    ),
)  # fmt: skip

LAN_HOST = "x addr add 192.168.50.200/24 dev e0"
OVERLAP = Kind(
    number=6,
    title="overlap",
    faults=(
        Fault(id="K601 Docker's bridge inside the uplink's subnet", setup=LAN_HOST, inject="n link add br-1f2e type bridge; n addr add 192.168.50.129/25 dev br-1f2e; n link set br-1f2e up", codes=("GN0415",), says=("br-1f2e", "192.168.50.128/25", "eth0"), breaks=("lan-host",), mends=False),
        Fault(id="K602 the pod's second network in the services' range", setup='eval "$NET1"', inject="p addr add 10.96.0.5/16 dev net1", codes=("GN0309", "GN0803"), says=("10.96.0.0/16", "net1"), breaks=("vip",)),
        Fault(id="K603 a second NIC on the nodes' subnet", inject="n addr add 192.168.50.77/24 dev eth1; n route del 192.168.50.0/24 dev eth0; n route add 192.168.50.0/24 dev eth0 src 192.168.50.10 metric 100; n route replace default via 192.168.50.1 dev eth0", codes=("GN0415",), says=("eth1", "192.168.50.0/24", "eth0"), breaks=("remote",), mends=False),
        Fault(id="K604 a virtual address with the LAN's prefix on lo", setup=FAR + "; " + LAN_HOST, inject="n addr add 192.168.50.99/24 dev lo", codes=("GN0415",), says=("lo", "192.168.50.99/24"), breaks=("lan-host",)),
        Fault(id="K605 a bridge over the IPv6 router's address", setup=FAR6, inject="n link add virbr9 type bridge; n link set virbr9 up; n link add vnet9 type veth peer name vnet9p; n link set vnet9p up; n link set vnet9 master virbr9 up; sleep 0.3; n addr add fd00:50::a00/80 dev virbr9 nodad; n -6 neigh flush all", codes=("GN0415",), says=("virbr9", "fd00:50::/80", "eth0"), breaks=("v6-remote",), also="v6", mends=False),
    ),
    healthy=(
        Control(id="K6 a broad route over the pods' range", inject="n route add 10.0.0.0/8 via 192.168.50.1; n link add docker0 type bridge; n addr add 172.17.0.1/16 dev docker0; n link set docker0 up", silent=True),
        Control(id="K6 virtual addresses of the LAN", inject="n addr add 192.168.50.99/32 dev lo; n addr add 192.168.50.98/24 dev eth0; n addr add 192.168.50.97/32 dev eth1", silent=True),
    ),
)  # fmt: skip


def _lan(lab: Lab, name: str, start: str, end: str) -> None:
    """A macvlan network on eth1's LAN with a range of it."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "203.0.113.0/24", "rangeStart": start, "rangeEnd": end}]],
    }
    network(lab, 50, name, {"type": "macvlan", "master": "eth1", "ipam": ipam})


def _disjoint(lab: Lab) -> None:
    _lan(lab, "blue", "203.0.113.64", "203.0.113.95")
    _lan(lab, "green", "203.0.113.96", "203.0.113.127")


def _crossing(lab: Lab) -> None:
    _lan(lab, "blue", "203.0.113.64", "203.0.113.99")
    _lan(lab, "green", "203.0.113.96", "203.0.113.127")


def _same_bridge(lab: Lab) -> None:
    """Two networks of one bridge and subnet, with ranges of their own."""
    for name, start, end in (("one", 50, 99), ("two", 100, 120)):
        span = {"subnet": "10.99.0.0/24", "rangeStart": f"10.99.0.{start}", "rangeEnd": f"10.99.0.{end}"}
        ipam = {"type": "host-local", "ranges": [[span]]}
        network(lab, 60, name, {"type": "bridge", "bridge": "br9", "isGateway": True, "ipam": ipam})


EDITS |= {"crossing": _crossing}
SECOND_TUNNEL = """n link add vxlan2 type vxlan id 2 dstport 8473 nolearning local 192.168.50.10 dev eth0; n link set vxlan2 up mtu 1450
n addr add 10.245.1.0/32 dev vxlan2; n neigh add 10.245.2.0 lladdr 02:00:00:00:03:03 dev vxlan2 nud permanent
N bridge fdb append 02:00:00:00:03:03 dev vxlan2 dst 192.168.50.1; n route add 10.245.2.0/24 via 10.245.2.0 dev vxlan2 onlink"""
ONLY_IPV6 = IPV6_WIDE + "\n" + nodes.IPV6_ONLY

UNUSUAL = Kind(
    number=13,
    title="unusual but right",
    faults=(
        Fault(id="K131 several tunnels, and the wrong one", setup=SECOND_TUNNEL, inject="n route replace 10.244.2.0/24 via 10.245.2.0 dev vxlan2 onlink", codes=("GN0702",), says=("10.244.2.0/24", "vxlan2", "flannel.1"), breaks=("remote",)),
        Fault(id="K132 jumbo frames, and one narrow end", setup=nodes.JUMBO, inject="n link set veth1 mtu 1500", codes=("GN0410",), says=("veth1", "1500", "8950"), breaks=("jumbo",)),
        Fault(id="K133 ranges on one LAN that cross", inject="true", edit="crossing", codes=("GN1035",), says=("blue", "green"), mends=False, silent="until both give out the same address"),
        Fault(id="K134 a table whose router does not exist", setup=NET1_ROUTED, inject="p route replace default via 172.30.0.254 dev net1 table 100", codes=("GN0807", "GN0307"), says=("172.30.0.254", "net1"), breaks=("net1-far",), mends=False, probes=True),
        Fault(id="K135 a host firewall without the tunnel", setup=nodes.FIREWALLD, inject="h=$(N nft -a list chain inet firewalld filter_INPUT | sed -n 's/.*8472.*handle //p'); N nft delete rule inet firewalld filter_INPUT handle $h; N conntrack -F", codes=("GN0711",), says=("8472", "inet firewalld filter_INPUT"), breaks=("in-remote",)),
    ),
    healthy=(
        Control(id="K13 disjoint ranges of one LAN", change=_disjoint, silent=True),
        Control(id="K13 disjoint ranges of one bridge", change=_same_bridge, silent=True),
        Control(id="K13 several tunnels", inject=SECOND_TUNNEL, silent=True),
        Control(id="K13 a macvlan pod beside an uplink without ARP", inject=nodes.MACVLAN_ALONE + "; n link set eth0 arp off", change=nodes.known_by_ip("203.0.113.60")),
        Control(id="K13 proxy ARP answers in spite of arp_ignore", inject="N sysctl -qw net.ipv4.conf.cali1.arp_ignore=8", pod="c1"),
        Control(id="K13 a filter of TLS that no packet met", inject="P iptables -I OUTPUT -p tcp --dport 443 -j DROP"),
        Control(id="K13 a filter of a port that only other pods serve", inject="P iptables -I INPUT -p udp --dport 53 -j DROP", silent=True),
        Control(id="K13 IPv6 alone", inject=ONLY_IPV6, change=nodes.known_by_ip("fd00:1::10"), silent=True),
    ),
)  # fmt: skip
PROBES |= {"jumbo": at("p1", traffic.ping, "10.244.2.2", size=8922, df=True)}
