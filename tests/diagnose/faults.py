"""The faults: how each is injected, what it breaks, and what the diagnosis must say first.

`breaks` names probes (below) that work in the healthy lab and must fail once the fault is in; the finding's
remedy must bring them back unless `mends` is false. `setup` runs before the healthy state is checked. Where the
fault defines what it breaks, `fails` names the probe; where nothing can be seen to fail, `silent` says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.diagnose import nodes, runtime, traffic
from tests.diagnose.lab import Lab

Check = Callable[[Lab], bool]


def _from(pod: str, probe: Callable[..., bool], *args: object, **more: object) -> Check:
    return lambda lab: probe(lab.netns(pod), *args, **more)


PROBES: dict[str, Check] = {
    "lo": _from("p1", traffic.tcp, "127.0.0.1", 8080),
    "gateway": _from("p1", traffic.ping, "10.244.1.1"),
    "peer": _from("p1", traffic.tcp, "10.244.1.11", 8080),
    "peer-ping": _from("p1", traffic.ping, "10.244.1.11"),
    "node": _from("p1", traffic.ping, "192.168.50.10"),
    "remote": _from("p1", traffic.tcp, "10.244.2.2", 8080),
    "remote-ping": _from("p1", traffic.ping, "10.244.2.2"),
    "large": _from("p1", traffic.ping, "10.244.2.2", size=1408, df=True),
    "download": _from("p1", traffic.tcp, "10.244.2.2", 8080),
    "inet": _from("p1", traffic.tcp, "203.0.113.1", 8080),
    "vip": _from("p1", traffic.tcp, "10.96.0.10", 80),
    "vip-udp": _from("p1", traffic.udp, "10.96.0.10", 53),
    "hairpin": _from("p2", traffic.tcp, "10.96.0.10", 80),
    "in-remote": _from("r1", traffic.tcp, "10.244.1.10", 8080),
    "in-peer": _from("p2", traffic.tcp, "10.244.1.10", 8080),
    "in-node": lambda lab: traffic.tcp(lab.netns("node"), "10.244.1.10", 8080),
    "c1-remote": _from("c1", traffic.tcp, "10.244.2.2", 8080),
    "c1-node": _from("c1", traffic.ping, "192.168.50.10"),
    "c1-in-node": lambda lab: traffic.ping(lab.netns("node"), "10.244.1.130"),
    "twenty": lambda lab: sum(traffic.ping(lab.netns("p1"), "10.244.2.2", wait=0.2) for _ in range(20)) == 20,
    "net1-far": lambda lab: traffic.ping(lab.netns("inet"), "172.30.0.10", source="172.31.0.1"),
    "net1-peer": _from("p1", traffic.tcp, "10.88.0.6", 8080),
    "net1-gateway": _from("p1", traffic.ping, "10.88.0.1", source="10.88.0.5"),
    "net1-near": lambda lab: traffic.ping(lab.netns("inet"), "172.30.0.10"),
    "v6": _from("p1", traffic.udp, "fd00:1::11", 53),
    "v6-in": _from("p2", traffic.tcp, "fd00:1::10", 8080),
    "v6-remote": _from("p1", traffic.udp, "fd00:50::1", 53),
    "v6-pod": _from("p1", traffic.tcp, "fd00:2::2", 8080),
    "v6-host-port": _from("ext", traffic.tcp, "fd00:50::10", 8099),
    "lan": _from("p1", traffic.ping, "203.0.113.1", source="203.0.113.50"),
    "shim": _from("p1", traffic.ping, "203.0.113.10", source="203.0.113.50"),
    "dns": _from("p1", traffic.resolves),
    "far": _from("p1", traffic.tcp, "198.51.100.1", 8080),
    "host-port": _from("inet", traffic.tcp, "203.0.113.10", 8099),
    "add": runtime.add_works,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `codes` are right answers; `says` must be in the first finding's title, object or evidence.

    `probes`: no fact on this node shows it, only probes do. `edit` names a change of the API's objects.
    `unsaid` must not be in the finding's title. `firm`: with probes, no warning but an error or worse. `alone`: every other
    finding is its consequence, without a remedy.
    """

    id: str
    inject: str
    codes: tuple[str, ...]
    says: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    setup: str = ""
    pod: str = "p1"
    mends: bool = True
    also: str = ""
    severity: str = "error"
    args: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    silent: str = ""
    probes: bool = False
    edit: str = ""
    unsaid: tuple[str, ...] = ()
    firm: bool = False
    alone: bool = False


def _object(lab: Lab, kind: str, name: str) -> Any:
    return next(o for o in lab.objects if o["kind"] == kind and o["metadata"]["name"] == name)


def _no_endpoints(lab: Lab) -> None:
    _object(lab, "EndpointSlice", "web-x")["endpoints"] = []


def _port_9999(lab: Lab) -> None:
    _object(lab, "Service", "web")["spec"]["ports"][0]["targetPort"] = 9999
    _object(lab, "EndpointSlice", "web-x")["ports"][0]["port"] = 9999


def _status_ip(lab: Lab) -> None:
    _object(lab, "Pod", "p1")["status"] |= {"podIP": "10.244.1.55", "podIPs": [{"ip": "10.244.1.55"}]}


def _host_port(lab: Lab) -> None:
    _object(lab, "Pod", "p1")["spec"]["containers"][0]["ports"][0]["hostPort"] = 8099


def _host_port_v6(lab: Lab) -> None:
    nodes.known_by_ip("fd00:1::10")(lab)
    _host_port(lab)


def _no_egress(lab: Lab) -> None:
    lab.objects.append(
        {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": "default", "name": "no-egress"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]},
        }
    )  # fmt: skip


def _no_ipam(lab: Lab) -> None:
    path = lab.conf / "10-bridge.conflist"
    conf = json.loads(path.read_text())
    del conf["plugins"][0]["ipam"]
    path.write_text(json.dumps(conf))
    _object(lab, "Pod", "p1")["status"] = {"phase": "Running"}


def announced(lab: Lab) -> None:
    """What flannel writes into the Node objects of the lab as it is built."""
    for name, mac, ip in (
        ("node", "02:00:00:00:01:01", "192.168.50.10"), ("node2", "02:00:00:00:02:02", "192.168.50.1"),
    ):  # fmt: skip
        _object(lab, "Node", name)["metadata"]["annotations"] = {
            "flannel.alpha.coreos.com/backend-data": json.dumps({"VNI": 1, "VtepMAC": mac}),
            "flannel.alpha.coreos.com/public-ip": ip,
        }


def _nft_proxy_unsynced(lab: Lab) -> None:
    nodes.nft_proxy(lab)
    lab.sh("N nft delete element ip kube-proxy service-ips '{ 10.96.0.10 . tcp . 80 }'")


def _nft_proxy_stale(lab: Lab) -> None:
    nodes.nft_proxy(lab)
    lab.sh(
        "N nft flush chain ip kube-proxy web; N nft add rule ip kube-proxy web meta l4proto tcp dnat to 10.244.1.77:8080"
    )


def _gone_endpoint(lab: Lab) -> None:
    _object(lab, "EndpointSlice", "web-x")["endpoints"][0]["addresses"] = ["10.244.1.99"]
    lab.sh("N iptables-save -t nat | sed s/10.244.1.11:/10.244.1.99:/ | N iptables-restore -T nat")


EDITS = {
    "gone-endpoint": _gone_endpoint,
    "nft-unsynced": _nft_proxy_unsynced,
    "nft-stale": _nft_proxy_stale,
    "announced": announced,
    "no-ipam": _no_ipam,
    "no-endpoints": _no_endpoints,
    "port-9999": _port_9999,
    "host-port": _host_port,
    "status-ip": _status_ip,
    "third-node": nodes.three_nodes,
    "two-families": nodes.two_families,
    "host-port-v6": _host_port_v6,
    "announced-twice": nodes.announced_twice,
    "no-egress": _no_egress,
    "": lambda lab: None,
}

RESOLV = "mkdir -p /etc/netns/$F-p1; echo nameserver 10.96.0.10 >/etc/netns/$F-p1/resolv.conf"
NET1_ROUTED = """eval "$NET1"; i addr add 172.31.0.1/32 dev lo
p route add default via 172.30.0.1 dev net1 table 100; p rule add from 172.30.0.10 lookup 100
P sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.net1.rp_filter=1"""
IPV6 = """for k in 1 2; do ip -n $F-p$k addr add fd00:1::1$((k-1))/64 dev eth0 nodad; done
n addr add fd00:1::1/64 dev cni0 nodad"""
IPV6_WIDE = (
    IPV6
    + """
n addr add fd00:50::10/64 dev eth0 nodad; x addr add fd00:50::1/64 dev e0 nodad; x route add fd00:1::/64 via fd00:50::10
N sysctl -qw net.ipv6.conf.all.forwarding=1; p route add default via fd00:1::1; n route add default via fd00:50::1"""
)
GENIE_CONF = """printf '{"cniVersion":"1.0.0","name":"genie","plugins":[{"type":"genie","default_plugin":"cbr0","kubernetes":{"kubeconfig":"%s/genie.kubeconfig"}}]}' "$D" >$C/00-genie.conflist; cp /usr/lib/cni/loopback $B/genie; """
KUBECONFIG = """t=$(python3 -c 'import base64, json; e = lambda d: base64.urlsafe_b64encode(json.dumps(d).encode()).decode().rstrip("="); print(e({"alg": "none"}) + "." + e({"exp": EXP, "sub": "system:serviceaccount:kube-system:genie"}) + ".sig")')
printf 'apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: %s}}]\n' "$t" >$D/genie.kubeconfig
chmod 0600 $D/genie.kubeconfig"""
PMTU = """p link set eth0 mtu 1500; n link set veth1 mtu 1500; n link set cni0 mtu 1500
r link set eth0 mtu 1500; x link set vr1 mtu 1500"""
FLUSH = "p neigh flush all; q neigh flush all; n neigh flush all; c neigh flush all"

LISTED: tuple[Fault, ...] = (
    Fault(id="F01", inject="p link set eth0 down", codes=("GN0102",), says=("eth0",), breaks=("gateway", "vip")),
    Fault(id="F02", inject="p link set lo down", codes=("GN0103",), says=("lo",), breaks=("lo",)),
    Fault(id="F04", inject="p route del default", codes=("GN0301",), says=("10.244.1.1",), breaks=("node", "vip", "inet")),
    Fault(id="F05", inject="p route replace default via 10.244.1.254", codes=("GN0302",), says=("10.244.1.254", "10.244.1.1"), breaks=("node", "inet")),
    Fault(
        id="F08",
        inject="p addr del 10.244.1.10/24 dev eth0; p addr add 10.244.1.77/24 dev eth0; p route add default via 10.244.1.1",
        codes=("GN0201",), says=("10.244.1.10", "10.244.1.77"), breaks=("in-remote", "in-node"),
    ),
    Fault(id="F09", inject="q addr add 10.244.1.10/24 dev eth0; " + FLUSH, codes=("GN0203",), says=("10.244.1.10", "default/p2"), breaks=("peer",)),
    Fault(id="F13", inject="p neigh replace 10.244.1.1 lladdr 02:de:ad:be:ef:01 dev eth0 nud permanent", codes=("GN0306",), says=("02:de:ad:be:ef:01",), breaks=("node", "inet")),
    Fault(id="F14", inject="n neigh replace 10.244.1.10 lladdr 02:de:ad:be:ef:02 dev cni0 nud permanent", codes=("GN0411",), says=("02:de:ad:be:ef:02",), breaks=("in-node", "in-remote")),
    Fault(id="F17", inject="P iptables -A OUTPUT -p tcp --dport 8080 -j DROP", codes=("GN0510",), says=("OUTPUT", "8080"), breaks=("peer", "remote")),
    Fault(id="F18", setup=RESOLV, inject="printf 'nameserver 127.0.0.53\\n' >/etc/netns/$F-p1/resolv.conf", codes=("GN0604",), says=("127.0.0.53",), breaks=("dns",), mends=False),
    Fault(id="F18b", setup=RESOLV, inject=": >/etc/netns/$F-p1/resolv.conf", codes=("GN0604",), says=("nameserver",), breaks=("dns",), mends=False),
    Fault(id="F18c", setup=RESOLV, inject="printf 'nameserver 10.96.0.99\\n' >/etc/netns/$F-p1/resolv.conf", codes=("GN0604",), says=("10.96.0.99",), breaks=("dns",), mends=False),
    Fault(
        id="F18d", setup=RESOLV, inject="for k in 10 1 2 3; do echo nameserver 10.96.0.$k; done >/etc/netns/$F-p1/resolv.conf",
        codes=("GN0604",), says=("nameserver",), mends=False, severity="warning",
        silent="the resolver leaves the fourth server out and asks the first, which is right",
    ),
    Fault(id="F19", inject="n link set veth1 down", codes=("GN0401",), says=("veth1",), breaks=("gateway", "vip")),
    Fault(id="F20", inject="n link set veth1 nomaster", codes=("GN0402",), says=("veth1", "cni0"), breaks=("gateway", "vip")),
    Fault(id="F21", inject="n link set cni0 down", codes=("GN0404",), says=("cni0", "2 pods"), breaks=("gateway", "peer")),
    Fault(
        id="F24", inject="n link set cni0 type bridge stp_state 1 forward_delay 1500; n link set veth1 nomaster; n link set veth1 master cni0",
        codes=("GN0405",), says=("veth1",), breaks=("gateway",),
    ),
    Fault(id="F25", inject="n link set veth2 type bridge_slave hairpin off", pod="p2", codes=("GN0407",), says=("veth2",), breaks=("hairpin",)),
    Fault(id="F27", inject="n addr del 10.244.1.1/24 dev cni0; n addr add 10.244.7.1/24 dev cni0; " + FLUSH, codes=("GN0406",), says=("cni0", "10.244.7.1"), breaks=("gateway", "inet")),
    Fault(id="F29", inject="n link set veth1 mtu 1300", codes=("GN0410",), says=("veth1", "1300"), breaks=("large",)),
    Fault(id="F31", inject="N sysctl -qw net.ipv4.ip_forward=0", codes=("GN0501",), says=("ip_forward",), breaks=("remote", "inet")),
    Fault(id="F33", inject="N iptables -P FORWARD DROP", codes=("GN0506",), says=("FORWARD",), breaks=("remote", "inet", "peer")),
    Fault(
        id="F34",
        inject="N nft add table inet firewalld; N nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; }'; "
        "N nft add rule inet firewalld filter_FORWARD ct state established,related accept; N nft add rule inet firewalld filter_FORWARD counter reject with icmpx admin-prohibited",
        codes=("GN0507",), says=("inet firewalld filter_FORWARD",), breaks=("remote", "inet"),
    ),
    Fault(id="F36", inject="N iptables -t nat -D POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE", codes=("GN0511",), says=("eth1",), breaks=("inet",)),
    Fault(id="F38", inject="N sysctl -qw net.bridge.bridge-nf-call-iptables=0", codes=("GN0412",), says=("bridge-nf-call-iptables",), breaks=("vip",)),
    Fault(
        id="F40", inject="N sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.flannel/1.rp_filter=1; n route replace 10.244.2.0/24 via 192.168.50.1",
        codes=("GN0503",), says=("flannel.1", "10.244.2.0/24", "eth0"), breaks=("remote",),
    ),
    Fault(
        id="F42",
        inject="N nft add table ip np; N nft 'add chain ip np f { type filter hook forward priority -5; }'; N nft 'add set ip np allow { type ipv4_addr; elements = { 10.244.9.9 } }'; "
        "N nft add rule ip np f ip daddr 10.244.1.10 ct state established,related accept; "
        "N nft add rule ip np f ip daddr 10.244.1.10 ip saddr != @allow counter drop comment '\"default/deny-ingress\"'",
        codes=("GN0508",), says=("default/deny-ingress",), breaks=("in-remote",),
    ),
    Fault(
        id="F43",
        inject="N nft add table ip loss; N nft 'add chain ip loss f { type filter hook forward priority 0; }'; N nft add rule ip loss f ip saddr 10.244.1.10 'numgen random mod 100 < 40' counter drop",
        codes=("GN0509",), says=("loss", "40"), breaks=("twenty",),
    ),
    Fault(
        id="F48", inject="n rule add from 10.244.1.10 lookup 100; n route add default via 192.168.50.1 table 100",
        codes=("GN0504",), says=("10.244.1.10", "100"), breaks=("remote", "inet"),
    ),
    Fault(id="F49", inject="n route add 10.244.1.10/32 dev cali1", codes=("GN0413",), says=("10.244.1.10", "cali1"), breaks=("in-node", "inet")),
    Fault(id="F51", inject="N sysctl -qw net.ipv4.conf.cali1.proxy_arp=0; " + FLUSH, pod="c1", codes=("GN0408",), says=("cali1", "proxy_arp"), breaks=("c1-node", "c1-remote")),
    Fault(
        id="F54", inject="N python3 $T/crowd.py", codes=("GN0505",), says=("262144",), breaks=("remote", "vip"),
        severity="fatal", mends=False,  # the limit is written in the machine's first namespace only
    ),
    Fault(id="F56", inject="N iptables -t nat -D PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.1.11:8080", codes=("GN0601",), says=("10.96.0.10:80",), breaks=("vip",)),
    Fault(id="F57", inject="N iptables -t nat -I PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.1.77:8080", codes=("GN0602",), says=("10.244.1.77", "10.244.1.11"), breaks=("vip",)),
    Fault(id="F60", inject="n route del 10.244.2.0/24", codes=("GN0701",), says=("10.244.2.0/24", "flannel.1"), breaks=("remote",)),
    Fault(id="F62", inject="N bridge fdb del 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1", codes=("GN0703",), says=("flannel.1", "02:00:00:00:02:02"), breaks=("remote",)),
    Fault(
        id="F68", inject="X nft add table ip fw; X nft 'add chain ip fw in { type filter hook input priority 0; }'; X nft add rule ip fw in udp dport 8472 drop",
        codes=("GN0710",), says=("udp/8472", "192.168.50.1"), breaks=("remote",), mends=False, probes=True,
    ),
    Fault(id="F69", inject="n link set flannel.1 down", codes=("GN0706",), says=("flannel.1",), breaks=("remote",)),
    Fault(
        id="F72", setup=PMTU,
        inject="N iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP; X iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP; "
        "for s in p r n x; do $s route flush cache; done",
        codes=("GN0708",), says=("1500", "1450"), breaks=("in-remote",),
    ),
    Fault(id="F74", setup='eval "$NET1"', inject="p route replace default via 172.30.0.1 dev net1", codes=("GN0303",), says=("net1",), breaks=("vip", "remote", "node")),
    Fault(id="F76", setup=NET1_ROUTED, inject="p rule del from 172.30.0.10 lookup 100", codes=("GN0307",), says=("net1", "172.30.0.10"), breaks=("net1-far",)),
    Fault(id="F76b", setup=NET1_ROUTED, inject="p route flush table 100", codes=("GN0307",), says=("net1",), breaks=("net1-far",)),
    Fault(
        id="F76c", setup='eval "$NET1"; i addr add 172.31.0.1/32 dev lo; P sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.net1.rp_filter=1',
        inject="I python3 -c 'import socket; t = socket.socket(2, 2); t.sendto(b\"x\", (\"172.30.0.10\", 9)); import time; time.sleep(0.2); s = socket.socket(2, 2); s.bind((\"172.31.0.1\", 0)); s.sendto(b\"x\", (\"172.30.0.10\", 9))'; sleep 0.1", codes=("GN0307",), says=("net1",), fails=("net1-far",),
    ),
    Fault(
        id="F78",
        inject="n link add link eth1 name mv1 type macvlan mode bridge; n link set mv1 netns $F-p1; p link set mv1 name net1; p addr add 203.0.113.50/24 dev net1; p link set net1 up",
        codes=("GN0801",), says=("macvlan", "203.0.113.10"), severity="info", mends=False, fails=("shim",),
    ),
    Fault(id="F81", inject="P sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1", setup=IPV6, codes=("GN0204",), says=("disable_ipv6",), breaks=("v6",), also="v6"),
    # Files
    Fault(id="F84", inject="""printf '{"cniVersion":"1.0.0","name":"t","type":"bridge",}' >$C/05-a.conf""", codes=("GN1001",), says=("05-a.conf",), breaks=("add",), mends=False),
    Fault(
        id="F85", inject="""printf '{"cniVersion":"0.4.0","name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0","isGateway":true,"ipMasq":true,"""
        """"ipam":{"type":"host-local","ranges":[[{"subnet":"10.88.0.0/16"}]]}}]}' >$C/00-podman.conflist""",
        codes=("GN1006",), says=("00-podman.conflist",), breaks=("add",), mends=False,
    ),
    Fault(id="F86", inject="mv $B/portmap $B/portmap.bak", codes=("GN1101",), says=("portmap",), breaks=("add",), mends=False),
    Fault(id="F87", inject="chmod 0644 $B/portmap", codes=("GN1102", "GN1101"), says=("portmap",), breaks=("add",), mends=False),
    Fault(id="F89", inject="""sed -i 's/"cniVersion": *"[^"]*"/"cniVersion": "9.9.9"/' $C/10-*.conflist""", codes=("GN1040",), says=("9.9.9",), breaks=("add",), mends=False),
    Fault(
        id="F91", inject='mkdir -p $D/other; printf "version = 2\n[plugins.\\"io.containerd.grpc.v1.cri\\".cni]\nconf_dir = \\"$D/other\\"\nbin_dir = \\"$B\\"\n" >$D/config.toml',
        codes=("GN1201", "GN1202", "GN1203", "GN1204", "GN1205", "GN1206"), says=("other",), breaks=("add",), mends=False, args=("--runtime-config", "{D}/config.toml"),
    ),
    Fault(id="F92", inject=GENIE_CONF + KUBECONFIG.replace("EXP", "1600000000"), codes=("GN1501", "GN1502", "GN1503"), says=("genie.kubeconfig",), mends=False, silent="who judges the token is the API server, and the pod's annotations come from the runtime"),
    Fault(id="F106", inject=GENIE_CONF + KUBECONFIG.replace("EXP", "4000000000") + "; chmod 0644 $D/genie.kubeconfig", codes=("GN1501", "GN1502", "GN1504", "GN1505", "GN1507"), says=("genie.kubeconfig",), mends=False, severity="warning", silent="others may read a secret: nothing fails"),
    Fault(id="F94", inject="for a in $(seq 20 60); do printf 'deadbeef%s\\r\\neth0' $a >$L/10.244.1.$a; touch -d '2 minutes ago' $L/10.244.1.$a; done", codes=("GN1301", "GN1302", "GN1303"), says=("41",), mends=False, severity="warning", silent="the range still has room"),
    Fault(id="F95", inject="for a in $(seq 2 254); do [ -e $L/10.244.1.$a ] || { printf 'deadbeef%s\\r\\neth0' $a >$L/10.244.1.$a; touch -d '2 minutes ago' $L/10.244.1.$a; }; done", codes=("GN1301", "GN1302", "GN1303"), says=("25",), breaks=("add",), mends=False),
    Fault(id="F98", inject="sed 's/cidp1/dead0000/g;s/-p1\"/-gone\"/g' $R/cbr0-cidp1-eth0 >$R/cbr0-dead0000-eth0", codes=("GN1401", "GN1402", "GN1403"), says=("dead0000",), mends=False, severity="warning", silent="a file of a pod that is gone"),
    Fault(id="F98b", inject="cp $R/cbr0-cidp1-eth0 $R/cbr0-dead0000-eth0", codes=("GN1401", "GN1402", "GN1403"), says=("dead0000",), mends=False, severity="warning", silent="a file of a pod that is gone"),
    Fault(
        id="F99", inject="ip netns add cni-11111111-$F; n link add vethdead type veth peer name eth0 netns cni-11111111-$F; n link set vethdead master cni0 up",
        codes=("GN1401", "GN1402", "GN1403"), says=("cni-11111111",), mends=False, severity="warning",
        silent="a namespace and a veth that no process uses",
    ),
)  # fmt: skip
