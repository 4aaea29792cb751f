"""Faults that on-call engineers meet often: settings of other programs on the node, limits, DNS, load balancers.

The ids continue those of invented.py; a healthy node that looks like the fault stands in FREQUENT_HEALTHY.
"""

from __future__ import annotations

from typing import Any

from tests.diagnose import nodes, traffic
from tests.diagnose.classes.kind import Edit, at, network
from tests.diagnose.faults import EDITS, FLUSH, IPV6_WIDE, PROBES, RESOLV, Fault, announced
from tests.diagnose.healthy import Control
from tests.diagnose.invented import EXTERNAL, NODE_PORT, OWN, _service
from tests.diagnose.lab import Lab

# The routed pod's IPv6 gateway, a link-local address of the host end, as Calico has it.
ROUTED_V6 = (
    IPV6_WIDE
    + """
n addr add fe80::1/64 dev cali1 nodad; n route add fd00:1::130/128 dev cali1; c addr add fd00:1::130/128 dev eth0 nodad
c route add default via fe80::1 dev eth0"""
)
# A VPN of a sidecar (wg-quick), that takes all but what table main has a route for.
VPN = """p link add wg0 type veth peer name wg0p; p link set wg0 up; p link set wg0p up; p addr add 10.77.0.2/32 dev wg0
p route add default dev wg0 table 51820; p rule add pref 32764 not fwmark 0xca6c lookup 51820
p rule add pref 32763 lookup main suppress_prefixlength 0"""
ONE_ADDRESS = "N bridge fdb del 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1; N bridge fdb append 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.10"
# The gateway's address is on another interface of the node, which answers ARP for it by every one.
ELSEWHERE = "n addr add 169.254.1.1/32 dev lo; N sysctl -qw net.ipv4.conf.cali1.proxy_arp=0; " + FLUSH
ASTRAY = (
    "n route add 10.244.1.10 dev cali1 table 90; n rule add pref 90 from 10.244.1.1 to 10.244.1.10 lookup 90"
)
UPLOAD = "R1 bash -c 'exec 3<>/dev/tcp/10.244.1.10/8080; timeout 0.5 cat <&3 >/dev/null' || true"
DOWNLOAD = "P bash -c 'exec 3<>/dev/tcp/10.244.2.2/8080; timeout 0.5 cat <&3 >/dev/null' || true"
TRICKLE = "root tbf rate 8kbit burst 1600 limit 3000; " + UPLOAD
CLASS = "N tc qdisc add dev veth1 root handle 1: htb default 1; N tc class add dev veth1 parent 1: classid 1:1 htb rate 8kbit ceil 8kbit; N tc qdisc add dev veth1 parent 1:1 pfifo limit 2; "
TWO_HOPS = "n route replace 10.244.2.0/24 nexthop via 10.244.2.0 dev flannel.1 onlink weight 1 nexthop via 192.168.50.1 dev eth0 weight 250"
ONE_WAY = "N iptables -P FORWARD DROP; N iptables -A FORWARD -s 10.244.0.0/16 -j ACCEPT; N iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"
INPUT_POLICY = """N nft add table inet h; N nft 'add chain inet h input { type filter hook input priority 0; policy drop; }'
N nft add rule inet h input ct state established,related accept; N nft add rule inet h input iif lo accept"""


def _resolv(*lines: str) -> str:
    text = "".join(f"{line}$" for line in lines)
    return f"printf '{text}' | tr '$' '\\n' >/etc/netns/$F-p1/resolv.conf"


def _balanced(lab: Lab) -> None:
    _service(lab, type="LoadBalancer")
    service = next(o for o in lab.objects if o["kind"] == "Service" and o["metadata"]["name"] == "shop")
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.99", "ipMode": "VIP"}]}}


def _node_port(lab: Lab) -> None:
    _service(lab, type="NodePort", nodePort=30080)


def _cluster_first(lab: Lab) -> None:
    nodes.pod_of(lab)["spec"]["dnsPolicy"] = "ClusterFirst"


def _one_address(lab: Lab) -> None:
    """As of virtual machines that have a NIC with the same address each (Vagrant's 10.0.2.15)."""
    announced(lab)
    second = next(o for o in lab.objects if o["kind"] == "Node" and o["metadata"]["name"] == "node2")
    second["metadata"]["annotations"]["flannel.alpha.coreos.com/public-ip"] = "192.168.50.10"


def _taken_name(lab: Lab) -> None:
    ipam = {"type": "host-local", "subnet": "172.20.0.0/24"}
    network(lab, 60, "blue", {"type": "bridge", "bridge": "br8", "isGateway": True, "ipam": ipam})


def _other_forms(lab: Lab) -> None:
    """Addresses of objects as people write them."""
    nodes.two_families(lab)
    for item in lab.objects:
        if item["kind"] == "Node":
            item["spec"]["podCIDRs"] = [
                cidr.upper().replace("FD00:", "FD00:0:0:") if ":" in cidr else cidr
                for cidr in item["spec"]["podCIDRs"]
            ]
            for one in item["status"]["addresses"]:
                one["address"] = one["address"].upper().replace("::", ":0::")
        elif item["kind"] == "Pod" and len(item["status"]["podIPs"]) > 1:
            item["status"]["podIPs"][1]["ip"] = (
                item["status"]["podIPs"][1]["ip"].upper().replace("::", ":0:0::")
            )


def _spec(**more: Any) -> Edit:
    return lambda lab: nodes.pod_of(lab)["spec"].update(more)


EDITS |= {
    "balanced": _balanced,
    "cluster-first": _cluster_first,
    "one-address": _one_address,
    "taken-name": _taken_name,
}
PROBES |= {
    "large-in": lambda lab: traffic.ping(lab.netns("node"), "10.244.1.10", size=1400, df=True),
    "c1-v6": at("c1", traffic.udp, "fd00:50::1", 53),
}

FREQUENT: tuple[Fault, ...] = (
    # Limits
    Fault(id="U255 the pod's own table of connections is full", setup="P iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", inject="P python3 $T/crowd.py", codes=("GN0505",), says=("262144", "pod"), breaks=("remote", "vip"), mends=False),
    Fault(id="U256 an MTU below IPv6's least", setup=IPV6_WIDE, edit="two-families", inject="p link set eth0 mtu 1200", codes=("GN0111",), says=("1200", "1280", "eth0"), breaks=("v6-remote",)),
    Fault(id="U257 the pod's end is narrower than the host's", inject="p link set eth0 mtu 1300", codes=("GN0410",), says=("eth0", "1300", "veth1"), breaks=("large-in",), severity="warning"),
    Fault(id="U258 a trickle on the uplink", inject="N tc qdisc add dev eth0 " + TRICKLE, codes=("GN0515",), says=("tbf", "eth0"), breaks=("in-remote",), severity="warning"),
    Fault(id="U259 a class of a trickle", inject=CLASS + DOWNLOAD, codes=("GN0515",), says=("htb", "veth1"), breaks=("remote",), severity="warning"),
    # Routes and tunnels
    Fault(id="U260 one of two next hops goes past the tunnel", inject=TWO_HOPS, codes=("GN0702",), says=("10.244.2.0/24", "eth0", "flannel.1"), breaks=("remote",)),
    Fault(id="U261 both nodes announce one address", inject=ONE_ADDRESS, edit="one-address", codes=("GN0704",), says=("flannel.1", "192.168.50.10", "this node's own"), breaks=("remote",)),
    Fault(id="U262 a VPN of a sidecar takes the cluster's packets", inject=VPN, codes=("GN0305",), says=("wg0", "32764"), breaks=("remote", "vip")),
    Fault(id="U263 a better default route to nobody", inject="p route del default; p route add default via 10.244.1.1 metric 100; p route add default via 10.244.1.254 metric 10", codes=("GN0302",), says=("10.244.1.254", "10.244.1.1"), breaks=("node", "inet")),
    # ARP, neighbour discovery
    Fault(id="U264 settings for LVS on the node", pod="c1", setup=ELSEWHERE, inject="N sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2; " + FLUSH, codes=("GN0105",), says=("cali1", "arp_ignore=1"), breaks=("c1-node",)),
    Fault(id="U265 ARP is filtered by the way back", setup=ASTRAY, inject="N sysctl -qw net.ipv4.conf.cni0.arp_filter=1; " + FLUSH, codes=("GN0105", "GN0504", "GN0413"), says=("cni0", "arp_filter=1"), breaks=("remote", "inet")),
    Fault(id="U266 the routed pod's IPv6 gateway is gone", pod="c1", setup=ROUTED_V6, inject="n addr del fe80::1/64 dev cali1; c -6 neigh flush all", codes=("GN0408",), says=("fe80::1", "cali1"), breaks=("c1-v6",)),
    # Filters
    Fault(id="U267 frames are forwarded to another port", inject="N nft add table netdev f; N nft 'add chain netdev f in0 { type filter hook ingress device veth1 priority 0; }'; N nft add rule netdev f in0 fwd to veth2", codes=("GN0507",), says=("netdev f in0", "fwd"), breaks=("gateway", "vip")),
    Fault(id="U268 ports of either side", inject="N iptables -I FORWARD -p tcp -m multiport --ports 8080,9090 -j DROP", codes=("GN0507",), says=("FORWARD", "rule 1", "--ports 8080"), breaks=("remote", "inet")),
    Fault(id="U269 a rule that iptables does not list", inject="N iptables-legacy -I FORWARD -s 10.244.1.0/24 -j DROP", codes=("GN0507",), says=("iptables-legacy filter/FORWARD", "rule 1"), breaks=("remote", "inet")),
    Fault(id="U270 a hardened OUTPUT chain", inject="N iptables -A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; N iptables -P OUTPUT DROP", codes=("GN0506", "GN0711"), says=("OUTPUT",), breaks=("in-node",), fails=("remote",)),
    Fault(id="U271 a hardened input chain", inject=INPUT_POLICY, codes=("GN0506", "GN0711"), says=("inet h input",), breaks=("node",), fails=("in-remote",)),
    # Services
    Fault(id="U272 a load balancer's address is not translated", setup=EXTERNAL + OWN, inject="N iptables -t nat -D PREROUTING -d 203.0.113.99 -p tcp --dport 80 -j DNAT --to 10.244.1.10:8080", edit="balanced", codes=("GN0612",), says=("203.0.113.99", "default/shop"), breaks=("external",)),
    Fault(id="U273 a node port's packets are not forwarded", setup=NODE_PORT + OWN, inject=ONE_WAY, edit="node-port", codes=("GN0612",), says=("30080", "default/shop", "filter/FORWARD"), breaks=("node-port",)),
    # Names
    Fault(id="U274 the node's DNS cache is gone", setup=RESOLV, inject=_resolv("nameserver 169.254.20.10"), codes=("GN0604",), says=("169.254.20.10", "NodeLocal"), breaks=("dns",), mends=False),
    Fault(id="U275 the name server is a pod that is gone", setup=RESOLV, inject=_resolv("nameserver 10.244.1.99"), codes=("GN0604",), says=("10.244.1.99", "no pod"), breaks=("dns",), mends=False),
    Fault(id="U276 no search domains of the cluster", setup=RESOLV, inject=_resolv("search corp.example", "nameserver 10.96.0.10"), edit="cluster-first", codes=("GN0604",), says=("search", "svc"), mends=False, severity="warning", silent="names in full are found"),
    # Configuration
    Fault(id="U277 the bridge's name is another interface's", inject="n link add br8 type veth peer name br8p", edit="taken-name", codes=("GN1020",), says=("br8", "60-blue.conflist"), mends=False, silent="only pods of that network are not attached"),
)  # fmt: skip

EGRESS = """n rule add pref 150 iif cni0 to 203.0.113.0/24 lookup 200; n route add default via 203.0.113.1 table 200
N sysctl -qw net.ipv4.conf.all.rp_filter=1"""
CACHE = (
    "n link add nodelocaldns type bridge; n addr add 169.254.20.10/32 dev nodelocaldns; "
    + RESOLV
    + "; "
    + _resolv("nameserver 169.254.20.10")
)
QUEUES = "N tc qdisc add dev eth1 root handle 1: htb default 1; N tc class add dev eth1 parent 1: classid 1:1 htb rate 10gbit; N tc qdisc add dev eth0 root tbf rate 10gbit burst 100m latency 1s"

FREQUENT_HEALTHY: tuple[Control, ...] = (
    Control(id="J1 a load balancer", inject=EXTERNAL + OWN, change=_balanced, silent=True),
    Control(id="J2 settings for LVS", inject="N sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2; P sysctl -qw net.ipv4.conf.all.arp_ignore=2", silent=True),
    Control(id="J3 an egress table and strict filters", inject=EGRESS, silent=True),
    Control(id="J4 other forms of addresses", inject=IPV6_WIDE, change=_other_forms, silent=True),
    Control(id="J5 queues that lose nothing", inject=QUEUES, silent=True),
    Control(id="J6 search domains of its own", inject=RESOLV + "; " + _resolv("search corp.example", "nameserver 10.96.0.10"), change=_spec(dnsPolicy="None", dnsConfig={"nameservers": ["10.96.0.10"]}), silent=True),
    Control(id="J7 a routed pod with IPv6", pod="c1", inject=ROUTED_V6),
    Control(id="J8 a narrow pod on purpose", inject="p link set eth0 mtu 1400; n link set veth1 mtu 1400", silent=True),
)  # fmt: skip
