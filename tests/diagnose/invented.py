"""Faults that operators report: time to live, locks, kernels without a driver, node ports, tables of the kernel.

The ids continue those of unlisted.py; a healthy node that looks like the fault stands in INVENTED_HEALTHY.
"""

from __future__ import annotations

import fcntl
import subprocess
from typing import Any

from tests.diagnose import nodes, traffic
from tests.diagnose.classes.kind import MAC, Edit, at, conf, network
from tests.diagnose.faults import EDITS, FLUSH, IPV6_WIDE, PROBES, RESOLV, Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import Lab, node

FAR6 = IPV6_WIDE + "; x addr add 2001:db8:77::1/128 dev lo"
NODE_PORT = "N iptables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 30080 -j DNAT --to 10.244.1.10:8080"
OWN = "; N iptables -t nat -A POSTROUTING -s 10.244.1.10 -d 10.244.1.10 -j MASQUERADE"
EXTERNAL = (
    "N iptables -t nat -A PREROUTING -d 203.0.113.99 -p tcp --dport 80 -j DNAT --to 10.244.1.10:8080; "
    "i route add 203.0.113.99 via 203.0.113.10"
)
LAN_POD = (
    "n link add link eth1 name mv1 type macvlan mode bridge; n link set mv1 netns $F-p1; p link set mv1 name net1; "
    "p addr add 203.0.113.50/24 dev net1; p link set net1 up"
)


class Process:
    """A process that lives as long as the lab."""

    def __init__(self, *argv: str) -> None:
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def _held_lock(lab: Lab) -> None:
    """A backup tool holds the lock of the leases and hangs."""
    hold = f"import fcntl, time; lock = open('{lab.leases}/lock'); fcntl.flock(lock, fcntl.LOCK_EX); time.sleep(600)"
    lab.servers.append(Process("python3", "-c", hold))  # type: ignore[arg-type]  # it is closed like a server
    for _ in range(100):
        with (lab.leases / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        lab.sh("sleep 0.05")


def _written(lab: Lab) -> None:
    """An installer that hangs while it copies the plugin."""
    target = str(lab.bin / "bridge")
    lab.servers.append(Process("sh", "-c", f"exec 3>>{target}; exec sleep 600"))  # type: ignore[arg-type]  # as above
    lab.sh("sleep 0.2")


def _service(lab: Lab, **spec: Any) -> None:
    """A service of which p1 is the endpoint, with a rule for its own address."""
    port = {"name": "main", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    number = spec.pop("nodePort", 0)
    lab.objects += [
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "default", "name": "shop"},
            "spec": {"clusterIP": "10.96.0.30", "clusterIPs": ["10.96.0.30"], "ports": [port | ({"nodePort": number} if number else {})], **spec},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"namespace": "default", "name": "shop-x", "labels": {"kubernetes.io/service-name": "shop"}},
            "ports": [{"name": "main", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["10.244.1.10"], "conditions": {"ready": True}, "nodeName": "node"}],
        },
    ]  # fmt: skip
    lab.sh("N iptables -t nat -A PREROUTING -d 10.96.0.30 -p tcp --dport 80 -j DNAT --to 10.244.1.10:8080")


def _node_port(lab: Lab) -> None:
    _service(lab, type="NodePort", nodePort=30080)


def _external(lab: Lab) -> None:
    _service(lab, externalIPs=["203.0.113.99"])


def _type(kind: str, **more: Any) -> Edit:
    """The node's network is of another kind of interface."""

    def edit(lab: Lab) -> None:
        lab.install_plugins()
        ipam = {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.200"}]]}
        conf(
            lab,
            lambda d: d.update(
                plugins=[{"type": kind, "master": "eth1", "ipam": ipam, **more}, d["plugins"][1]]
            ),
        )

    return edit


def _second(lab: Lab) -> None:
    lab.install_plugins()
    ipam = {"type": "host-local", "subnet": "172.20.0.0/24"}
    network(lab, 60, "storage", {"type": "vlan", "master": "eth1", "vlanId": 5, "ipam": ipam})


def _same_prefix(lab: Lab) -> None:
    lab.objects.append(node("node3", "192.168.50.3", "10.244.1.0/24"))


def _other_prefix(lab: Lab) -> None:
    one = next(o for o in lab.objects if o["kind"] == "Node" and o["metadata"]["name"] == "node")
    one["spec"] = {"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.9.0/24"]}


PROBES |= {
    "node-port": at("inet", traffic.tcp, "203.0.113.10", 30080),
    "external": at("inet", traffic.tcp, "203.0.113.99", 80),
    "fragments": at("p1", traffic.ping, "10.244.2.2", size=4000),
    "v6-out": at("p1", traffic.tcp, "2001:db8:77::1", 8080),
    "lan-out": at("p1", traffic.ping, "203.0.113.1", source="203.0.113.50"),
    "remote-node": lambda lab: traffic.ping(lab.netns("node"), "192.168.50.1"),
}
EDITS |= {
    "held-lock": _held_lock,
    "written": _written,
    "node-port": _node_port,
    "external": _external,
    "vlan": _type("vlan", vlanId=5),
    "ipvlan": _type("ipvlan"),
    "second-vlan": _second,
    "same-prefix": _same_prefix,
    "other-prefix": _other_prefix,
    "lan-pod": nodes.known_by_ip("203.0.113.60"),
}

VPN = """n link add wg0 type veth peer name wg0p; n link set wg0 up; n link set wg0p up; n addr add 10.77.0.2/32 dev wg0
n route add default dev wg0 table 51820; n rule add pref 32764 not fwmark 0xca6c lookup 51820; n rule add pref 32763 lookup main suppress_prefixlength 0"""
OWN_VTEP = """x link set flannel.1 down; x link set flannel.1 address 02:00:00:00:01:01; x link set flannel.1 up
x neigh replace 10.244.1.0 lladdr 02:00:00:00:01:01 dev flannel.1 nud permanent; X bridge fdb replace 02:00:00:00:01:01 dev flannel.1 dst 192.168.50.10
x route replace 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink
n neigh replace 10.244.2.0 lladdr 02:00:00:00:01:01 dev flannel.1 nud permanent; N bridge fdb append 02:00:00:00:01:01 dev flannel.1 dst 192.168.50.1"""
DOCKERS = """printf 'disabled_plugins = ["cri"]\\n' >$D/config.toml"""
OLD_SECTION = 'printf "version = 3\\n[plugins.\\"io.containerd.grpc.v1.cri\\".cni]\\nconf_dir = \\"$C\\"\\nbin_dir = \\"$B\\"\\n" >$D/config.toml'
OWN_CONFIG = ("--runtime-config", "{D}/config.toml")

INVENTED: tuple[Fault, ...] = (
    # Time to live
    Fault(id="U213 a rule sets the time to live to one", inject="N iptables -t mangle -A PREROUTING -i cni0 -j TTL --ttl-set 1", codes=("GN0112",), says=("mangle/PREROUTING", "rule 1", "TTL"), breaks=("remote", "inet")),
    Fault(id="U214 a rule lowers it behind the routing", inject="N iptables -t mangle -A POSTROUTING -o flannel.1 -j TTL --ttl-set 1", codes=("GN0112",), says=("mangle/POSTROUTING", "rule 1", "flannel.1"), breaks=("remote",)),
    Fault(id="U215 an nft rule lowers it", inject="N nft add table ip z; N nft 'add chain ip z f { type filter hook forward priority 0; }'; N nft add rule ip z f ip saddr 10.244.1.0/24 ip ttl set 1", codes=("GN0112",), says=("ip z f", "rule 1"), breaks=("remote",)),
    Fault(id="U216 what a router has passed is dropped", inject="N iptables -I FORWARD -m ttl --ttl-eq 63 -j DROP", codes=("GN0507",), says=("FORWARD", "rule 1", "ttl"), breaks=("remote", "inet")),
    Fault(id="U217 an nft rule drops by time to live", inject="N nft add table ip z; N nft 'add chain ip z f { type filter hook forward priority 0; }'; N nft add rule ip z f iifname cni0 ip ttl != 64 drop", codes=("GN0507",), says=("ip z f", "rule 1"), breaks=("remote", "inet")),
    Fault(id="U218 IPv6 packets get one hop", setup=IPV6_WIDE, edit="two-families", inject="N ip6tables -t mangle -A PREROUTING -i cni0 -j HL --hl-set 1", codes=("GN0112",), says=("mangle/PREROUTING", "hop limit"), breaks=("v6-remote",)),
    # The kernel lacks a driver: seen where the bench's own kernel has neither VLANs nor ipvlan
    Fault(id="U219 a kernel without VLANs", inject="true", edit="vlan", codes=("GN1114",), says=("vlan", "8021q", "10-bridge.conflist"), fails=("add",), mends=False, firm=True),
    Fault(id="U220 a kernel without ipvlan", inject="true", edit="ipvlan", codes=("GN1114",), says=("ipvlan", "10-bridge.conflist"), fails=("add",), mends=False, firm=True),
    Fault(id="U221 a further network needs VLANs", inject="true", edit="second-vlan", codes=("GN1114",), says=("vlan", "60-storage.conflist"), mends=False, silent="only pods of that network are not attached"),
    # A lock
    Fault(id="U222 a process holds the lock of the leases", inject="true", edit="held-lock", codes=("GN1115",), says=("cbr0", "lock", "python3"), breaks=("add",)),
    # Ports of the node
    Fault(id="U223 a node port is not translated", setup=NODE_PORT + OWN, inject=NODE_PORT.replace("-A PREROUTING", "-D PREROUTING"), edit="node-port", codes=("GN0612",), says=("30080", "default/shop"), breaks=("node-port",)),
    Fault(id="U224 a node port leads to a dead pod", setup=NODE_PORT + OWN, inject=NODE_PORT.replace("-A PREROUTING", "-I PREROUTING").replace("10.244.1.10", "10.244.1.77"), edit="node-port", codes=("GN0612",), says=("30080", "10.244.1.77", "default/shop"), breaks=("node-port",)),
    Fault(id="U225 an external address is not translated", setup=EXTERNAL + OWN, inject="N iptables -t nat -D PREROUTING -d 203.0.113.99 -p tcp --dport 80 -j DNAT --to 10.244.1.10:8080", edit="external", codes=("GN0612",), says=("203.0.113.99", "default/shop"), breaks=("external",)),
    # Filters
    Fault(id="U226 another node is banned", inject="N iptables -N f2b-sshd; N iptables -I INPUT -j f2b-sshd; N iptables -A f2b-sshd -s 192.168.50.1 -j REJECT --reject-with icmp-port-unreachable; N iptables -A f2b-sshd -j RETURN", codes=("GN0711",), says=("f2b-sshd", "192.168.50.1"), breaks=("remote",)),
    Fault(id="U227 a mark that means drop", inject="N iptables -t mangle -A PREROUTING -i cni0 -j MARK --or-mark 0x8000; N iptables -N KUBE-FIREWALL; N iptables -A FORWARD -j KUBE-FIREWALL; N iptables -A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP", codes=("GN0507",), says=("KUBE-FIREWALL", "mark"), breaks=("remote", "inet")),
    Fault(id="U228 a reverse path rule", setup="N iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP", inject="n route replace 10.244.2.0/24 via 192.168.50.1", codes=("GN0503", "GN0507", "GN0702"), says=("flannel.1",), breaks=("remote",)),
    Fault(id="U229 nft's reverse path rule", setup="N nft add table inet fw; N nft 'add chain inet fw pre { type filter hook prerouting priority -150; }'; N nft add rule inet fw pre meta nfproto ipv4 fib saddr . mark . iif oif missing drop", inject="n route add 10.244.1.10/32 dev cali1; n route flush cache", codes=("GN0503", "GN0413"), says=("10.244.1.10",), breaks=("remote",)),
    # Translation
    Fault(id="U230 tracked flows expire at once", inject="N sysctl -qw net.netfilter.nf_conntrack_udp_timeout=0 net.netfilter.nf_conntrack_udp_timeout_stream=0; N conntrack -F", codes=("GN0528",), says=("nf_conntrack_udp_timeout",), breaks=("vip-udp",)),
    # Links
    Fault(id="U232 the bridge port is locked", inject=MAC + "N bridge link set dev veth1 learning off; N bridge link set dev veth1 locked on; N bridge fdb del $(mac p1 eth0) dev veth1 master", codes=("GN0409",), says=("veth1", "locked"), breaks=("gateway",)),
    Fault(id="U233 the pod has the bridge's MAC", inject="p link set eth0 down; p link set eth0 address 02:00:00:00:00:01; p link set eth0 up; p route add default via 10.244.1.1; " + FLUSH, codes=("GN0106",), says=("02:00:00:00:00:01", "cni0"), breaks=("in-node",), mends=False),
    Fault(id="U235 both tunnel ends have one MAC", inject=OWN_VTEP, codes=("GN0705",), says=("02:00:00:00:01:01", "flannel.1"), breaks=("remote",), mends=False),
    Fault(id="U236 the tunnel is held down", inject="n link set flannel.1 protodown on", codes=("GN0706",), says=("flannel.1",), breaks=("remote",)),
    Fault(id="U237 the LAN admits the node's MAC only", setup=nodes.MACVLAN_ALONE, inject=MAC + "I nft add table netdev port; I nft 'add chain netdev port in0 { type filter hook ingress device i0 priority 0; }'; I nft add rule netdev port in0 ether saddr != $(mac node eth1) drop; p neigh flush all; i neigh flush all", edit="lan-pod", codes=("GN0807", "GN0302"), says=("203.0.113.1", "MAC"), breaks=("inet",), mends=False, probes=True),
    # Routes
    Fault(id="U238 a nexthop object discards", inject="n nexthop add id 7 blackhole; n route replace 10.244.2.0/24 nhid 7", codes=("GN0513", "GN0701", "GN0702"), says=("10.244.2.0/24", "blackhole"), breaks=("remote",)),
    Fault(id="U240 the node's rule for its own addresses is gone", inject="n rule del pref 0", codes=("GN0504",), says=("local",), breaks=("gateway",)),
    Fault(id="U241 a node that forwards ignores its router", setup=FAR6, edit="two-families", inject="n -6 route del default; N sysctl -qw net.ipv6.conf.eth0.accept_ra=1", codes=("GN0513",), says=("accept_ra", "IPv6"), breaks=("v6-out",), mends=False, severity="warning"),
    # What the runtime reads
    Fault(id="U242 containerd without its CRI", inject=DOCKERS, codes=("GN1202",), says=("disabled_plugins", "cri"), args=OWN_CONFIG, mends=False, silent="kubelet has no runtime: no pod starts"),
    Fault(id="U243 settings in a section that is not read", inject=OLD_SECTION, codes=("GN1202",), says=("io.containerd.grpc.v1.cri", "version = 3"), args=OWN_CONFIG, mends=False, silent="the defaults hold: other directories"),
    Fault(id="U244 a dangling link comes first", inject="ln -s /nowhere/calico.conflist $C/05-calico.conflist", codes=("GN1001", "GN1002"), says=("05-calico.conflist", "/nowhere/calico.conflist"), fails=("add",), mends=False),
    Fault(id="U245 a byte order mark", inject="printf '\\357\\273\\277' >$D/x; cat $C/10-bridge.conflist >>$D/x; mv $D/x $C/10-bridge.conflist", codes=("GN1001",), says=("10-bridge.conflist", "byte order mark"), breaks=("add",), mends=False),
    Fault(id="U246 a file .json comes first", inject="""printf '{"cniVersion":"0.4.0","name":"podman","type":"bridge","bridge":"cni-podman0","ipam":{"type":"host-local","subnet":"10.88.0.0/16"}}' >$C/00-podman.json""", codes=("GN1006",), says=("00-podman.json",), fails=("add",), mends=False),
    # Binaries
    Fault(id="U247 a plugin's loader is not there", inject="sed s#/lib64/ld-linux-x86-64.so.2#/lib64/ld-linux-x86-64.so.9# /bin/true >$B/bridge; chmod 755 $B/bridge", codes=("GN1105", "GN1103"), says=("bridge", "loader", "/lib64/ld-linux-x86-64.so.9"), breaks=("add",), mends=False),
    Fault(id="U248 a plugin is being written", inject="true", edit="written", codes=("GN1105", "GN1116"), says=("bridge", "a process is writing to it"), breaks=("add",), mends=False),
    # Names
    Fault(id="U249 a name server with a port", setup=RESOLV, inject="echo nameserver 10.96.0.10:53 >/etc/netns/$F-p1/resolv.conf", codes=("GN0604",), says=("10.96.0.10:53",), breaks=("dns",), mends=False),
    Fault(id="U250 a link-local name server without its link", setup=RESOLV, inject="echo nameserver fe80::1 >/etc/netns/$F-p1/resolv.conf", codes=("GN0604",), says=("fe80::1",), breaks=("dns",), mends=False),
    # Prefixes
    Fault(id="U251 two nodes have one prefix", inject="true", edit="same-prefix", codes=("GN0716",), says=("10.244.1.0/24", "node3"), mends=False, silent="until both give out the same address"),
    Fault(id="U252 the node's prefix is another one now", inject="x route del 10.244.1.0/24; x route add 10.244.9.0/24 via 10.244.1.0 dev flannel.1 onlink", edit="other-prefix", codes=("GN0716",), says=("10.244.9.0/24", "10.244.1.0/24"), breaks=("remote",), mends=False),
    # Settings
    Fault(id="U253 fragments are not put together", inject="N sysctl -qw net.ipv4.ipfrag_low_thresh=0 net.ipv4.ipfrag_high_thresh=0", codes=("GN0529",), says=("ipfrag_high_thresh",), breaks=("fragments",)),
    Fault(id="U254 the pod puts no fragments together", inject="P sysctl -qw net.ipv4.ipfrag_low_thresh=0 net.ipv4.ipfrag_high_thresh=0", codes=("GN0529",), says=("ipfrag_high_thresh", "pod"), breaks=("fragments",)),
)  # fmt: skip

NODE_PORT_LO = "N iptables -t nat -A OUTPUT -d 127.0.0.1 -p tcp --dport 30080 -j DNAT --to 10.244.1.10:8080"
# What tethering, routing protocols and host firewalls do with the time to live.
LIFETIMES = """N iptables -t mangle -A POSTROUTING -o eth1 -j TTL --ttl-set 65; N iptables -t mangle -A PREROUTING -i eth0 -j TTL --ttl-inc 1
N iptables -A INPUT -p tcp --dport 179 -m ttl --ttl-lt 255 -j DROP; N iptables -A FORWARD -m ttl --ttl-lt 2 -j DROP
N nft add table inet tt; N nft 'add chain inet tt f { type filter hook input priority 0; }'
N nft add rule inet tt f icmpv6 type nd-neighbor-solicit ip6 hoplimit != 255 drop; N nft add rule inet tt f ip ttl 1 drop"""


def _lock_in_turn(lab: Lab) -> None:
    """Many pods start: one plugin after the other has the lock."""
    loop = f"while [ -e {lab.leases}/lock ]; do flock {lab.leases}/lock sleep 0.2; done"
    lab.servers.append(Process("sh", "-c", loop))  # type: ignore[arg-type]  # as above


def _elsewhere(lab: Lab) -> None:
    """A node port for the endpoints of its own node, of which this one has none."""
    _service(lab, type="NodePort", nodePort=30080, externalTrafficPolicy="Local")
    lab.objects[-1]["endpoints"][0] |= {"addresses": ["10.244.2.2"], "nodeName": "node2"}


INVENTED_HEALTHY: tuple[Control, ...] = (
    Control(id="I1 lifetimes", inject=IPV6_WIDE + "\n" + LIFETIMES, silent=True),
    Control(id="I5 short and long timeouts", inject="N sysctl -qw net.netfilter.nf_conntrack_udp_timeout=10 net.netfilter.nf_conntrack_tcp_timeout_established=600 net.ipv4.ipfrag_low_thresh=196608 net.ipv4.ipfrag_high_thresh=262144; N sysctl -qw net.ipv6.conf.eth0.accept_ra=2", silent=True),
    Control(id="I4 a full tunnel of a VPN", inject=VPN, silent=True),
    Control(id="I2 the lock goes round", change=_lock_in_turn, silent=True),
    Control(id="I3 a node port", inject=NODE_PORT + OWN, change=_node_port, silent=True),
    Control(id="I3 a node port on the loopback", inject=NODE_PORT_LO + OWN, change=_node_port, silent=True),
    Control(id="I3 a node port for endpoints elsewhere", inject="N iptables -t nat -D PREROUTING -d 10.96.0.30 -p tcp --dport 80 -j DNAT --to 10.244.1.10:8080; N iptables -t nat -A PREROUTING -d 10.96.0.30 -p tcp --dport 80 -j DNAT --to 10.244.2.2:8080", change=_elsewhere, silent=True),
)  # fmt: skip
