"""Classes 5, 7, 10 and 14: what runs out or is pinned, what ADD asked for, the kernel's evidence, whole remedies."""

from __future__ import annotations

import json
import shutil
import socket
from typing import Any

from genie_core.edges.netns import inside
from tests.diagnose import traffic
from tests.diagnose.classes.kind import MAC, Held, Kind, at, conf, network, silence
from tests.diagnose.faults import EDITS, IPV6_WIDE, PROBES, Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import PLUGINS, Lab


def _full_queue(lab: Lab) -> None:
    """The backend's process hangs: its socket's queue is full, and no connection is accepted."""
    silence("p2", socket.SOCK_STREAM)(lab)

    def work() -> list[socket.socket]:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", 8080))
        server.listen(1)
        clients = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(6)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("10.244.1.11", 8080))
        return [server, *clients]

    lab.servers.append(Held(inside(lab.netns("p2"), work)))  # type: ignore[arg-type]  # it is closed like a server


def _used_ports(lab: Lab) -> None:
    """Four connections to the service hold all the ports that the pod may use."""
    lab.sh("P sysctl -qw net.ipv4.ip_local_port_range='40000 40003'")

    def work() -> list[socket.socket]:
        return [socket.create_connection(("10.96.0.10", 80), 1) for _ in range(4)]

    lab.servers.append(Held(inside(lab.netns("p1"), work)))  # type: ignore[arg-type]  # as above


PINNED = (
    "N conntrack -I -p udp -s 10.244.1.10 -d 10.96.0.10 --sport 5353 --dport 53 -t 600 -u SEEN_REPLY,ASSURED "
    "-r {to} -q 10.244.1.10 --reply-port-src 53 --reply-port-dst 5353 -g {to}:53"
)
SNAT_PORTS = (
    "N iptables -t nat -I POSTROUTING -s 10.244.0.0/16 -o eth1 -p tcp -j MASQUERADE --to-ports 40000-40001; "
    + "; ".join(
        f"N conntrack -I -p tcp -s 10.244.1.7{k} -d 203.0.113.1 --sport 5000{k} --dport 8080 -t 600 --state ESTABLISHED -u SEEN_REPLY,ASSURED "
        f"-r 203.0.113.1 -q 203.0.113.10 --reply-port-src 8080 --reply-port-dst 4000{k} -n 203.0.113.10:4000{k}"
        for k in (0, 1)
    )
)
PROBES |= {"pinned": lambda lab: traffic.udp(lab.netns("p1"), "10.96.0.10", 53, source=5353)}
EDITS |= {"full-queue": _full_queue, "used-ports": _used_ports}

RUNS_OUT = Kind(
    number=5,
    title="what runs out or is pinned",
    faults=(
        Fault(id="K501 an entry pins DNS to a pod that is gone", inject="N conntrack -F; " + PINNED.format(to="10.244.1.77"), codes=("GN0526",), says=("10.244.1.77", "10.96.0.10"), breaks=("pinned",)),
        Fault(id="K502 every local port is reserved", inject="P sysctl -qw net.ipv4.ip_local_port_range='40000 40009' net.ipv4.ip_local_reserved_ports=40000-40009", codes=("GN0108",), says=("40000", "40009", "reserved"), breaks=("vip", "remote", "inet")),
        Fault(id="K503 source NAT has two ports", inject=SNAT_PORTS, codes=("GN0527",), says=("40000-40001", "203.0.113.1"), breaks=("inet",)),
        Fault(id="K504 a backend that accepts nothing", inject="true", edit="full-queue", codes=("GN0610",), says=("tcp/8080", "default/p2"), breaks=("vip", "peer"), mends=False),
        Fault(id="K505 the pod's ports to a service are used up", inject="true", edit="used-ports", codes=("GN0108",), says=("10.96.0.10:80", "40000"), breaks=("vip",)),
    ),
    healthy=(
        Control(id="K5 entries of living backends, and of ended flows", inject="N conntrack -F; " + PINNED.format(to="10.244.1.11") + "; N conntrack -I -p tcp -s 10.244.1.10 -d 10.96.0.10 --sport 5400 --dport 80 -t 20 --state TIME_WAIT -u SEEN_REPLY,ASSURED -r 10.244.1.77 -q 10.244.1.10 --reply-port-src 8080 --reply-port-dst 5400 -g 10.244.1.77:8080", silent=True),
        Control(id="K5 some ports are reserved", inject="P sysctl -qw net.ipv4.ip_local_port_range='20000 60999' net.ipv4.ip_local_reserved_ports=30000-32767,50051", silent=True),
    ),
)  # fmt: skip


def _result_mac(lab: Lab, pod: str = "p1") -> None:
    """ADD's result has the interface's MAC as it is at first."""
    mac = lab.sh(MAC + f"mac {pod} eth0").strip()
    path = lab.results / f"cbr0-cid{pod}-eth0"
    cached = json.loads(path.read_text())
    cached["result"]["interfaces"][2]["mac"] = mac
    path.write_text(json.dumps(cached))


def _moved_mac(lab: Lab) -> None:
    """The MAC changes after ADD; the bridge plugin's macspoofchk holds the old one."""
    _result_mac(lab)
    mac = lab.sh(MAC + "mac p1 eth0").strip()
    lab.sh(
        f"""N nft add table bridge nat; N nft 'add chain bridge nat PREROUTING {{ type filter hook prerouting priority -300; }}'
N nft add chain bridge nat cni-br-iface-cidp1-eth0-mac; N nft 'add rule bridge nat PREROUTING iifname "veth1" jump cni-br-iface-cidp1-eth0-mac'
N nft add rule bridge nat cni-br-iface-cidp1-eth0-mac ether saddr {mac} return
N nft add rule bridge nat cni-br-iface-cidp1-eth0-mac drop
p link set eth0 down; p link set eth0 address 02:00:00:00:0a:0a; p link set eth0 up; p route add default via 10.244.1.1
n neigh flush all; q neigh flush all"""
    )


def _lan_net(lab: Lab, mode: str, **more: Any) -> None:
    """p1's net1 on the LAN, as a file and a cached result have it."""
    plugin = {
        "type": "macvlan",
        "master": "eth1",
        "mode": mode,
        "ipam": {"type": "host-local", "subnet": "203.0.113.0/24"},
    }
    network(lab, 50, "lan", plugin | more)
    for pod, ip in (("p1", "203.0.113.51"), ("p2", "203.0.113.52")):
        cached = json.loads((lab.results / f"cbr0-cid{pod}-eth0").read_text())
        cached |= {"ifName": "net1", "networkName": "lan"}
        cached["result"] = {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "net1", "sandbox": lab.netns(pod)}],
            "ips": [{"address": f"{ip}/24", "interface": 0}],
        }
        (lab.results / f"lan-cid{pod}-net1").write_text(json.dumps(cached))
        (lab.ipam / "lan").mkdir(exist_ok=True)
        (lab.ipam / "lan" / ip).write_text(f"cid{pod}\r\nnet1")


def _tuning(lab: Lab, **members: Any) -> None:
    """Chain tuning to the pod's network."""
    shutil.copy2(PLUGINS / "tuning", lab.bin / "tuning")
    conf(lab, lambda d: d["plugins"].append({"type": "tuning", **members}))


def _tuned(lab: Lab) -> None:
    _tuning(lab, sysctl={"net.ipv4.conf.eth0.rp_filter": "0", "net.ipv6.conf.IFNAME.accept_ra": "0", "net.ipv4.conf.IFNAME.arp_ignore": "0"})  # fmt: skip


def _mac_of_tuning(lab: Lab) -> None:
    _tuning(lab, mac="02:00:00:00:0b:0b", mtu=1450)
    lab.sh("p link set eth0 down; p link set eth0 address 02:00:00:00:0b:0b; p link set eth0 up; p route add default via 10.244.1.1; n neigh flush all; q neigh flush all")  # fmt: skip
    _result_mac(lab)


LAN = """for k in 1 2; do n link add link eth1 name mv$k type macvlan mode {mode}; n link set mv$k netns $F-p$k
ip -n $F-p$k link set mv$k name net1; ip -n $F-p$k addr add 203.0.113.5$k/24 dev net1; ip -n $F-p$k link set net1 up; done
"""
PROBES |= {"lan-peer": at("p1", traffic.tcp, "203.0.113.52", 8080), "net1-far-p1": at("inet", traffic.ping, "172.30.0.10", source="172.31.0.1")}  # fmt: skip
EDITS |= {"moved-mac": _moved_mac, "lan-bridge": lambda lab: _lan_net(lab, "bridge"), "tuned": _tuned}

AS_ASKED = Kind(
    number=7,
    title="what lives against what ADD asked",
    faults=(
        Fault(id="K701 the MAC changed, the spoof check did not", inject="true", edit="moved-mac", codes=("GN0109",), says=("02:00:00:00:0a:0a", "cni-br-iface-cidp1-eth0-mac"), breaks=("gateway", "vip")),
        Fault(id="K702 macvlan in another mode than asked", inject=LAN.format(mode="private"), edit="lan-bridge", codes=("GN0804",), says=("private", "bridge", "50-lan.conflist"), fails=("lan-peer",), mends=False, firm=True),
        Fault(id="K703 a sysctl of tuning was changed back", inject="P sysctl -qw net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.eth0.arp_ignore=8; " + "p neigh flush all; n neigh flush all; q neigh flush all", edit="tuned", codes=("GN0110", "GN0105"), says=("arp_ignore", "eth0"), breaks=("in-node",)),
        Fault(id="K704 the MTU is below IPv6's least", setup=IPV6_WIDE, inject="p link set eth0 mtu 1200", codes=("GN0410", "GN0202", "GN0111"), says=("1200", "1280"), breaks=("v6-remote", "large"), also="v6"),
        Fault(id="K705 nothing is learned and nothing is flooded", inject="n link set cni0 type bridge ageing_time 0; n link set veth1 type bridge_slave flood off", codes=("GN0409",), says=("veth1", "flood"), breaks=("gateway", "in-node")),
        Fault(id="K706 an address that expires", inject="p addr change 10.244.1.10/24 dev eth0 valid_lft 3000 preferred_lft 3000", codes=("GN0211",), says=("10.244.1.10", "expires"), severity="warning", silent="for as long as the address is valid"),
    ),
    healthy=(
        Control(id="K7 as the chain asked", change=_mac_of_tuning, silent=True),
        Control(id="K7 macvlan in bridge mode", inject=LAN.format(mode="bridge"), change=lambda lab: _lan_net(lab, "bridge")),
        Control(id="K7 tuning's sysctls hold", change=_tuned, inject="P sysctl -qw net.ipv6.conf.eth0.accept_ra=0", silent=True),
    ),
)  # fmt: skip

ONE_PORT = """N iptables -A FORWARD -s 10.244.1.10 -p tcp --dport 8080 -d 10.244.2.2 -j ACCEPT
N iptables -A FORWARD -s 10.244.1.10 -m conntrack --ctstate ESTABLISHED -j ACCEPT; N iptables -A FORWARD -s 10.244.1.10 -d 10.244.2.0/24 -j DROP"""

EVIDENCE = Kind(
    number=10,
    title="evidence is the kernel's",
    faults=(
        Fault(id="K1001 a rule with a mark and a mask", inject="N iptables -t mangle -A PREROUTING -i cni0 -j MARK --set-mark 0x107; n rule add pref 700 fwmark 0x7/0xff lookup 200; n route add unreachable default table 200", codes=("GN0504",), says=("fwmark 0x7/0xff", "lookup 200"), breaks=("remote", "inet")),
        Fault(id="K1002 a prefix with two next hops", inject="n route replace 10.244.2.0/24 nexthop via 192.168.50.1 dev eth0 nexthop via 203.0.113.1 dev eth1", codes=("GN0702",), says=("192.168.50.1", "203.0.113.1"), breaks=("remote",)),
        Fault(id="K1003 one port is allowed", setup="true", inject=ONE_PORT, codes=("GN0507",), says=("10.244.2.0/24", "default/r1"), unsaid=("all traffic",), breaks=("remote-ping",)),
        Fault(id="K1004 a rule for one port in the pod", inject="p rule add pref 600 ipproto tcp dport 8080 lookup 700; p route add unreachable default table 700", codes=("GN0305",), says=("ipproto tcp", "dport 8080", "700"), breaks=("remote", "inet", "peer")),
        Fault(id="K1005 a port's rule on the node", inject="n rule add pref 610 ipproto tcp dport 8080 iif cni0 prohibit", codes=("GN0504",), says=("ipproto tcp", "dport 8080", "prohibit"), breaks=("remote", "inet")),
    ),
    healthy=(
        Control(id="K10 rules for other ports and users", inject="n rule add pref 610 ipproto udp dport 4500 lookup 700; n route add unreachable default table 700; p rule add pref 620 uidrange 4000-5000 prohibit", silent=True),
        Control(id="K10 a mark that no packet has", inject="n rule add pref 630 fwmark 0x80/0xff prohibit; N iptables -t mangle -A PREROUTING -i cni0 -j MARK --set-mark 0x107", silent=True),
    ),
)  # fmt: skip

DUPLICATED = """q addr add fd00:1::10/64 dev eth0 nodad; p addr del fd00:1::10/64 dev eth0; p addr add fd00:1::10/64 dev eth0
for k in 1 2 3 4 5 6 7 8 9 10 11 12; do p -6 addr | grep -q dadfailed && break; sleep 0.3; done; q addr del fd00:1::10/64 dev eth0; p -6 neigh flush all; q -6 neigh flush all; n -6 neigh flush all"""
THREE = "N nft add table ip t; N nft 'add chain ip t f { type filter hook forward priority 0; }'; for k in 1 2 3; do N nft add rule ip t f ip saddr 10.244.1.10 ip daddr 10.244.2.0/24 drop; done"

WHOLE = Kind(
    number=14,
    title="remedies bring the traffic back",
    faults=(
        Fault(id="K1401 the pod's link was down for a moment", setup=IPV6_WIDE, inject="p link set eth0 down; p link set eth0 up", codes=("GN0301", "GN0202"), says=("eth0",), breaks=("node", "v6-remote"), also="v6"),
        Fault(id="K1402 neighbour and forwarding entry are gone", inject="n neigh del 10.244.2.0 dev flannel.1; N bridge fdb del 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1", edit="announced", codes=("GN0705", "GN0703"), says=("flannel.1",), breaks=("remote",)),
        Fault(id="K1403 an address that failed its detection", setup=IPV6_WIDE, inject=DUPLICATED, codes=("GN0205",), says=("fd00:1::10",), breaks=("v6-in",), also="v6"),
        Fault(id="K1404 a routed pod's host end was down for a moment", pod="c1", inject="n link set cali1 down; n link set cali1 up", codes=("GN0413",), says=("10.244.1.130", "cali1"), breaks=("c1-node", "c1-in-node")),
        Fault(id="K1405 the bridge was down for a moment", setup=IPV6_WIDE, inject="n link set cni0 down; n link set cni0 up", codes=("GN0406",), says=("cni0", "fd00:1::1"), breaks=("v6-remote",), also="v6"),
        Fault(id="K1406 three equal rules", inject=THREE, codes=("GN0507",), says=("ip t f",), breaks=("remote",)),
    ),
    healthy=(
        Control(id="K14 pinned neighbours that are right", inject=MAC + "p neigh replace 10.244.1.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent; n neigh replace 10.244.1.10 lladdr $(mac p1 eth0) dev cni0 nud permanent; p neigh replace 10.244.1.11 lladdr $(mac p2 eth0) dev eth0 nud permanent", silent=True),
        Control(id="K14 equal rules that accept", inject="for k in 1 2 3; do N iptables -A FORWARD -s 10.244.1.10 -j ACCEPT; done; N bridge fdb replace 02:00:00:00:00:01 dev cni0 self permanent", silent=True),
    ),
)  # fmt: skip
