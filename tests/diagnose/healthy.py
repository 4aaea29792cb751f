"""Healthy pods: any error or fatal about them is a false positive."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.diagnose import attached, nodes
from tests.diagnose.faults import EDITS, IPV6_WIDE, NET1_ROUTED
from tests.diagnose.lab import Lab
from tests.diagnose.state import examined

NOTHING: Callable[[Lab], None] = lambda lab: None  # noqa: E731 (a name for "no change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One healthy node. `change` edits the lab's objects; `exit` is the code that the command must return.

    Of a `silent` one no warning may be given either.
    """

    id: str
    inject: str = ""
    pod: str = "p1"
    change: Callable[[Lab], None] = NOTHING
    exit: int = 0
    silent: bool = False


def _pod(**changes: object) -> Callable[[Lab], None]:
    def change(lab: Lab) -> None:
        pod = next(o for o in lab.objects if o["metadata"]["name"] == "p1")
        for key, value in changes.items():
            part, _, name = key.partition("_")
            pod[part][name] = value

    return change


def _policy(lab: Lab) -> None:
    lab.objects.append(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": "default", "name": "deny-ingress"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        }
    )


BIG = "p link set eth0 mtu 1500; n link set veth1 mtu 1500; n link set cni0 mtu 1500; n link set eth1 mtu 1400; i link set i0 mtu 1400; "
CLAMPED = (
    BIG
    + "N iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu; N iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"
)
MESH = "P iptables -t nat -N ISTIO_OUT; P iptables -t nat -A OUTPUT -p tcp -j ISTIO_OUT; P iptables -t nat -A ISTIO_OUT -d 127.0.0.1/32 -j RETURN; "
MESH += "P iptables -t nat -A ISTIO_OUT -p tcp -j REDIRECT --to-ports 15001; P iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006"
POLICY = "N nft add table ip np; N nft 'add chain ip np f { type filter hook forward priority -5; }'; "
POLICY += "N nft add rule ip np f ip daddr 10.244.1.10 ct state established,related accept; "
POLICY += "N nft add rule ip np f ip daddr 10.244.1.10 ip saddr 10.244.77.0/24 counter drop comment '\"default/deny-ingress\"'"
MACVLAN = "n link add link eth1 name mv1 type macvlan mode bridge; n link set mv1 netns $F-p1; p link set mv1 name net1; "
MACVLAN += "p addr add 203.0.113.50/24 dev net1; p link set net1 up"
PTP = "ip -n $F-p1 link del eth0; n link add vptp type veth peer name eth0 netns $F-p1; n link set vptp up; n addr add 10.244.1.1/32 dev vptp; "
PTP += "n route replace 10.244.1.10/32 dev vptp src 10.244.1.1; p link set eth0 up; p addr add 10.244.1.10/24 dev eth0; "
PTP += "p route del 10.244.1.0/24 dev eth0; p route add 10.244.1.1 dev eth0; p route add 10.244.1.0/24 via 10.244.1.1 src 10.244.1.10; p route add default via 10.244.1.1"
FIREWALLD = "N nft add table inet fd; N nft 'add chain inet fd fw { type filter hook forward priority 10; policy drop; }'; "
FIREWALLD += "N nft add rule inet fd fw ct state established,related accept; N nft add rule inet fd fw ct state invalid drop; "
FIREWALLD += 'N nft \'add rule inet fd fw iifname { "cni0", "cali1", "flannel.1" } accept\'; N nft \'add rule inet fd fw oifname { "cni0", "flannel.1" } accept\''
PROXY = "N iptables -t nat -F PREROUTING; N iptables -t nat -N KUBE-SERVICES; N iptables -t nat -N KUBE-SVC-A; N iptables -t nat -N KUBE-SEP-A; "
PROXY += "N iptables -t nat -N KUBE-MARK-MASQ; N iptables -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000; "
PROXY += (
    "N iptables -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES; "
)
PROXY += "N iptables -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment 'default/web:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-A; "
PROXY += "N iptables -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.1.11:53; "
PROXY += "N iptables -t nat -A KUBE-SVC-A -m comment --comment 'default/web:http -> 10.244.1.11:8080' -j KUBE-SEP-A; "
PROXY += "N iptables -t nat -A KUBE-SEP-A -s 10.244.1.11/32 -j KUBE-MARK-MASQ; N iptables -t nat -A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.1.11:8080; "
PROXY += "N iptables -t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE; "
PROXY += "N iptables -N KUBE-FORWARD; N iptables -A FORWARD -j KUBE-FORWARD; N iptables -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP; "
PROXY += "N iptables -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT; N iptables -A INPUT -d 169.254.20.10 -p tcp --dport 9999 -j DROP"

CONTROLS: tuple[Control, ...] = (
    Control(id="H1 as built"),
    Control(id="H1 p2", pod="p2"),
    Control(id="H2 rp_filter 1", inject="N sysctl -qw net.ipv4.conf.all.rp_filter=1; for l in eth0 "
                                        "eth1 cni0 veth1 flannel/1; do N sysctl -qw "
                                        "net.ipv4.conf.$l.rp_filter=1; done"),
    Control(id="H2 rp_filter 2", inject="N sysctl -qw net.ipv4.conf.all.rp_filter=2"),
    Control(id="H3 service mesh", inject=MESH),
    Control(id="gateway by its port's address", inject="p neigh replace 10.244.1.1 dev eth0 nud permanent lladdr "
            "$(n -j link show veth1 | sed 's/.*\"address\":\"\\([^\"]*\\).*/\\1/')"),
    Control(id="H4 calico style", pod="c1"),
    Control(id="H5 macvlan on the parent's subnet", inject=MACVLAN),
    Control(id="H6 policy routing", inject=NET1_ROUTED),
    Control(id="H6 second interface, no routes", inject='eval "$NET1"'),
    Control(id="H7 gateway drops ICMP", inject="N iptables -A INPUT -i cni0 -p icmp -j DROP"),
    Control(id="H7 node drops ICMP", inject="N sysctl -qw net.ipv4.icmp_echo_ignore_all=1"),
    Control(id="H8 VIP without ICMP", inject="true"),
    Control(id="H9 stale neighbours", inject="P bash -c 'echo x > /dev/udp/10.244.1.11/53'; sleep "
                                             "0.1; p neigh change 10.244.1.11 dev eth0 nud stale"),
    Control(id="H12 hostNetwork", change=_pod(spec_hostNetwork=True)),
    Control(id="H12 Completed", change=_pod(status_phase="Succeeded"), exit=3),
    Control(id="H12 Evicted", change=_pod(status_phase="Failed", status_reason="Evicted"), exit=3),
    Control(id="H12 another node", change=_pod(spec_nodeName="node2"), exit=3),
    Control(id="H15 a policy without effect", inject=POLICY, change=_policy),
    Control(id="dual stack", inject=IPV6_WIDE),
    Control(id="ptp", inject=PTP),
    Control(id="firewall that accepts pods", inject=FIREWALLD),
    Control(id="kube-proxy's chains", inject=PROXY),
    Control(id="kube-proxy's chains, backend", inject=PROXY, pod="p2"),
    Control(id="blackhole of the own block", inject="n route add blackhole 10.244.1.128/26"),
    Control(id="three bridges", inject='eval "$NET1"; n link add br2 type bridge; n addr add '
                                       '10.99.0.1/24 dev br2; n link set br2 up; n link add v2 type '
                                       'veth peer name net2 netns $F-p1; n link set v2 master br2 '
                                       'up; p addr add 10.99.0.5/24 dev net2; p link set net2 up'),
)  # fmt: skip

CONTROLS += (
    Control(id="many services", change=nodes.many_services),
    Control(id="nftables proxy", change=nodes.nft_proxy),
    Control(id="nftables proxy, backend", change=nodes.nft_proxy, pod="p2"),
    Control(id="docker's FORWARD", inject=nodes.DOCKER),
    Control(id="ufw that accepts pods", inject=nodes.UFW),
    Control(id="jumbo frames", inject=nodes.JUMBO),
    Control(id="amazon-vpc-cni", inject=nodes.AWS, change=nodes.amazon),
    Control(id="flannel host-gw", inject=nodes.HOST_GW),
    Control(id="uplink is a bridge", inject=nodes.UPLINK_BRIDGE),
    Control(id="cilium", inject=nodes.CILIUM, change=nodes.known_by_ip("10.244.1.10")),
    Control(id="calico policies", inject=nodes.CALICO, pod="c1"),
    Control(id="calico policies, bridged pod", inject=nodes.CALICO),
    Control(id="NodeLocal DNSCache", inject=nodes.NODE_LOCAL_DNS),
    Control(id="IPv6 only", inject=IPV6_WIDE + "\n" + nodes.IPV6_ONLY, change=nodes.known_by_ip("fd00:1::10")),
    Control(id="ptp with two addresses", inject=nodes.PTP_TWICE, change=nodes.known_by_ip("10.66.0.10", "10.66.0.20")),
    Control(id="macvlan, gateway elsewhere", inject=nodes.MACVLAN_ALONE, change=nodes.known_by_ip("203.0.113.60")),
    Control(id="several next hops", inject=nodes.MULTIPATH),
    Control(id="two uplinks with rules", inject=nodes.TWO_UPLINKS),
    Control(id="a mesh VPN's rules", inject=nodes.VPN),
    Control(id="guards that no packet meets", inject=nodes.SYN_FLOOD_GUARD),
    Control(id="Pending with a sandbox", change=_pod(status_phase="Pending")),
    Control(id="odd services", change=nodes.odd_services),
    Control(id="firewalld with zones", inject=nodes.FIREWALLD),
    Control(id="rp_filter 1, routed pod", inject=nodes.STRICT, pod="c1"),
    Control(id="two default routes", inject=nodes.TWO_DEFAULTS),
    Control(id="kube-router's policies", inject=nodes.K3S),
    Control(id="policies that no plugin enforces", change=EDITS["no-egress"]),
    Control(id="IPv6 routed beside the tunnel", inject=IPV6_WIDE + "\n" + nodes.IPV6_REMOTE, change=nodes.two_families),
    Control(id="the other node refuses echoes", inject=nodes.NO_ECHO),
    Control(id="host-gw, three nodes", inject=nodes.HOST_GW + "; " + nodes.THREE_NODES, change=nodes.three_nodes),
    Control(id="a cloud's router knows the pods", inject=nodes.CLOUD),
    Control(id="no masquerading, as configured", inject=nodes.UNMASKED),
    Control(id="narrow uplink, TCP is clamped", inject=CLAMPED),
    Control(id="a filter of a port that no pod serves", inject="N iptables -I FORWARD -d 10.244.1.11 -p tcp --dport 443 -j DROP"),
    Control(id="tunnel as announced", change=EDITS["announced"]),
    Control(id="a pod of the second NIC", inject=nodes.SECOND_NIC, change=nodes.second_nic),
    Control(id="a tunnel for each family", inject=IPV6_WIDE + "\n" + nodes.FLANNEL_V6, change=nodes.announced_twice),
    Control(id="a tunnel to outer addresses", inject=nodes.OUTER, change=nodes.outer_addresses),
    Control(id="a tunnel for far nodes only", inject=nodes.THREE_NODES, change=nodes.three_nodes),
    Control(id="pods outside the nodes' prefixes", change=nodes.own_pools),
    Control(id="a gateway beside its bridge", inject=nodes.VLAN_GATEWAY, change=nodes.known_by_ip("10.88.0.10")),
    Control(id="a firewall that knows IPv6", inject=IPV6_WIDE + "\n" + nodes.GUARDED6, change=nodes.two_families),
    Control(id="session affinity", inject=nodes.AFFINITY),
    Control(id="a dormant table", inject=nodes.ASLEEP),
    Control(id="one address on two networks", inject=nodes.TWICE_APART),
    Control(id="a rule for a class of service", inject=nodes.SERVICE_CLASS),
    Control(id="rules that are skipped", inject=nodes.SKIPPED),
    Control(id="a default route in reserve without carrier", inject=nodes.RESERVE),
    Control(id="IPv6 forwarding off on single links", inject=IPV6_WIDE + "; " + nodes.LINKS_FORWARDING),
    # Those of them that fit into one lab.
    Control(id="many unusual settings", change=nodes.announced_twice,
            inject=f"{IPV6_WIDE}\n{nodes.FLANNEL_V6}\n{nodes.AFFINITY}\n{nodes.ASLEEP}\n{nodes.TWICE_APART}\n"
                   f"{nodes.SERVICE_CLASS}\n{nodes.SKIPPED}\n{nodes.RESERVE}\n{nodes.LINKS_FORWARDING}"),
    Control(id="two interfaces of each pod on one bridge", inject=nodes.ONE_BRIDGE),
    Control(id="a default route without a gateway, and proxy ARP", inject="p route replace default dev eth0; N sysctl -qw net.ipv4.conf.cni0.proxy_arp=1", silent=True),
    Control(id="a flat network of all nodes", inject=r"""sed -i 's#"subnet": "10.244.1.0/24"#"subnet": "10.244.0.0/16", "rangeStart": "10.244.1.2", "rangeEnd": "10.244.1.254"#; s/"isDefaultGateway": true/"isDefaultGateway": false/; s/"isGateway": true/"isGateway": false/' $C/10-bridge.conflist"""),
    Control(id="a rule to the node's own loopback", inject="N iptables -t nat -A PREROUTING -d 169.254.20.10 -p udp --dport 53 -j DNAT --to 127.0.0.1:53", silent=True),
    Control(id="Docker in the pod", inject=nodes.DOCKER_INSIDE, silent=True),
    Control(id="a virtual address in the pod", inject="p addr add 10.244.1.200/32 dev eth0; p addr add 10.99.9.9/32 dev lo", silent=True),
    Control(id="IPv6 off in the pod", inject="P sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"),
)  # fmt: skip


def judge(names: list[str], modes: tuple[tuple[str, ...], ...], more: tuple[Control, ...] = ()) -> int:
    """How many healthy pods were called ill; each is printed."""
    ill = 0
    runs = [
        (c.id, partial(run_control, c)) for c in (*CONTROLS, *more) if not names or c.id.split()[0] in names
    ]
    runs += [
        (f"attached: {way}", partial(run_attached, way)) for way in WAYS if not names or "attached" in names
    ]
    for title, run in runs:
        wrong = run(*modes)
        ill += bool(wrong)
        print(f"{title:34} {'; '.join(wrong) or 'healthy'}", flush=True)
    print(f"healthy: {ill} false positives on {len(runs)}")
    return ill


WAYS = (
    "bridge", "bridge portmap firewall", "bridge dual stack", "bridge without masquerade", "ptp", "ptp firewall", "macvlan", "two bridges",
    "two bridges, CRI-O", "default route by the second", "macvlan, default route by a bridge",
    "two of one network", "bridge and macvlan", "bridge and ptp", "source based routing", "bridge bandwidth", "bridge tuning",
)  # fmt: skip


def run_attached(name: str, *modes: tuple[str, ...]) -> list[str]:
    """The false findings about a pod that the real plugins attached."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        attached.add(lab, "px", name)
        return [wrong for mode in modes for wrong in _wrong(lab, "px", 0, mode)]


def run_control(control: Control, *modes: tuple[str, ...]) -> list[str]:
    """The false findings about a healthy pod, and changes on its node."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        control.change(lab)
        lab.sh(control.inject)
        return [
            wrong
            for mode in modes
            for wrong in _wrong(lab, control.pod, control.exit, mode, silent=control.silent)
        ]


def _wrong(lab: Lab, pod: str, expected: int, mode: tuple[str, ...], *, silent: bool = False) -> list[str]:
    code, report, wrong = examined(lab, pod, *mode)
    bad = ("error", "fatal", "warning") if silent else ("error", "fatal")
    wrong += [f"{f['severity']} {f['code']} {f['title']}" for f in report["findings"] if f["severity"] in bad]
    wrong += [str(c) for c in report["checks"] if c["status"] == "error"]
    return wrong or ([f"exit {code}, not {expected}"] if code != expected else [])
