"""Classes 1, 2, 11 and 12: what answers and silence mean, the tool's own packets, one cause and one finding."""

from __future__ import annotations

import socket

from tests.diagnose import nodes, traffic
from tests.diagnose.classes.kind import Kind, at, policy, service, silence
from tests.diagnose.faults import EDITS, PROBES, RESOLV, Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import Lab
from tests.diagnose.unlisted import ENFORCED

UDP = socket.SOCK_DGRAM
LAN_DNS = "mkdir -p /etc/netns/$F-p1; echo nameserver 192.168.50.1 >/etc/netns/$F-p1/resolv.conf"


def _deaf_api(lab: Lab) -> None:
    service(lab, "api", "10.96.0.20", 80, ("10.244.2.2", 9090))


def _deaf_apiserver(lab: Lab) -> None:
    service(lab, "kubernetes", "10.96.0.1", 443, ("192.168.50.1", 6443))


def _no_ports(lab: Lab) -> None:
    silence("r1")(lab)
    pod = nodes.pod_of(lab, "r1")
    pod["spec"]["containers"][0].pop("ports")


PROBES |= {
    "vip-api": at("p1", traffic.tcp, "10.96.0.20", 80),
    "vip-k8s": at("p1", traffic.tcp, "10.96.0.1", 443),
    "r1-denied": at("p1", traffic.tcp, "10.244.2.2", 8080),
}
EDITS |= {
    "deaf-api": _deaf_api,
    "deaf-apiserver": _deaf_apiserver,
    "deaf-dns": silence("p2", UDP),
    "deaf-upstream": silence("ext", UDP),
}

REFUSED = Kind(
    number=1,
    title="refused is an answer",
    faults=(
        Fault(
            id="K101 the node's DNS cache is not running", setup=RESOLV,
            inject="n link add nodelocaldns type bridge; n link set nodelocaldns up; n addr add 169.254.20.10/32 dev nodelocaldns; "
            "echo nameserver 169.254.20.10 >/etc/netns/$F-p1/resolv.conf",
            codes=("GN0609",), says=("169.254.20.10",), breaks=("dns",), mends=False, firm=True,
        ),
        Fault(
            id="K102 the resolver of the LAN refuses", setup=LAN_DNS, inject="true", edit="deaf-upstream",
            codes=("GN0609",), says=("192.168.50.1", "refuse"), breaks=("dns",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K103 the DNS pod does not listen", setup=RESOLV, inject="true", edit="deaf-dns",
            codes=("GN0606",), says=("udp/53", "default/web"), breaks=("dns", "vip-udp"), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K104 a backend on another node refuses", inject="true", edit="deaf-api",
            codes=("GN0606",), says=("10.244.2.2:9090", "default/api"), fails=("vip-api",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K105 the API server refuses", inject="true", edit="deaf-apiserver",
            codes=("GN0606",), says=("192.168.50.1:6443", "default/kubernetes"), fails=("vip-k8s",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K106 the other node's tunnel is gone", inject="x link del flannel.1",
            codes=("GN0713",), says=("8472", "192.168.50.1", "refuse"), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
    ),
    healthy=(
        Control(id="K1 the second name server refuses", inject=RESOLV + "; echo nameserver 192.168.50.10 >>/etc/netns/$F-p1/resolv.conf"),
        Control(id="K1 a pod elsewhere serves nothing", change=_no_ports, silent=True),
    ),
)  # fmt: skip


def _remote_end(vni: int = 1, port: int = 8472, mac: str = "02:00:00:00:02:02") -> str:
    """The other node's end of the tunnel made again."""
    return f"""x link del flannel.1
x link add flannel.1 type vxlan id {vni} dstport {port} nolearning local 192.168.50.1 dev e0
x link set flannel.1 address {mac} up mtu 1450; x addr add 10.244.2.0/32 dev flannel.1
x neigh add 10.244.1.0 lladdr 02:00:00:00:01:01 dev flannel.1 nud permanent
X bridge fdb append 02:00:00:00:01:01 dev flannel.1 dst 192.168.50.10; x route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink"""


def _unknown_r1(lab: Lab) -> None:
    lab.objects[:] = [o for o in lab.objects if o["metadata"]["name"] != "r1"]


SILENCE = Kind(
    number=2,
    title="silence is not a filter",
    faults=(
        Fault(
            id="K201 the other end uses another port", inject=_remote_end(port=4789),
            codes=("GN0713",), says=("8472", "192.168.50.1"), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K202 the other end has another VNI", inject=_remote_end(vni=2),
            codes=("GN0710",), says=("VNI", "filter", "not refused"), unsaid=("is filtered",), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K203 the other end has another MAC", inject=_remote_end(mac="02:00:00:00:02:99"),
            codes=("GN0710",), says=("MAC", "02:00:00:00:02:02"), unsaid=("is filtered",), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K204 the other node has no way back", inject="x route del 10.244.1.0/24",
            codes=("GN0710",), says=("10.244.1.0/24", "back"), unsaid=("is filtered",), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K205 a filter says so", inject="X iptables -I INPUT -p udp --dport 8472 -j REJECT --reject-with icmp-admin-prohibited",
            codes=("GN0710",), says=("8472", "prohibited"), breaks=("remote",), mends=False, probes=True, firm=True,
        ),
    ),
    healthy=(
        Control(id="K2 a pod elsewhere drops all ingress", inject="R1 iptables -P INPUT DROP"),
        Control(id="K2 an unknown pod, no echoes", inject=nodes.NO_ECHO, change=_unknown_r1),
    ),
)  # fmt: skip

KNOCK = "P timeout 0.4 bash -c 'exec 3<>/dev/tcp/10.244.2.2/8080' 2>/dev/null || true"
STALE = """N iptables -N KUBE-POD-FW-X; N iptables -I FORWARD -s 10.244.1.10 -j KUBE-POD-FW-X
N iptables -A KUBE-POD-FW-X -p tcp --dport 8080 -m comment --comment default/old-policy -j DROP
"""
FOREIGN = """N nft add table inet acme; N nft 'add chain inet acme f { type filter hook forward priority 0; }'
N nft add rule inet acme f ct state established,related accept; N nft add rule inet acme f ip saddr 10.244.1.10 udp dport 53 accept
N nft add rule inet acme f ip saddr 10.244.1.10 counter drop
"""


def _dns_only(lab: Lab) -> None:
    policy(lab, "dns-only", policyTypes=["Egress"], egress=[{"ports": [{"protocol": "UDP", "port": 53}]}])


def _open(lab: Lab) -> None:
    policy(lab, "open", policyTypes=["Egress"], egress=[{}])


def _deny_remote(lab: Lab) -> None:
    peers = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.2.0/24"]}}]
    policy(lab, "not-there", policyTypes=["Egress"], egress=[{"to": peers}])


EDITS |= {"dns-only": _dns_only, "open": _open, "not-there": _deny_remote}

OWN_PACKETS = Kind(
    number=11,
    title="the tool's own packets are no evidence",
    faults=(
        Fault(
            id="K111 DNS is broken behind a strict policy", setup=ENFORCED,
            inject=KNOCK + "; N iptables -t nat -D PREROUTING -d 10.96.0.10 -p udp --dport 53 -j DNAT --to 10.244.1.11:53", edit="dns-only",
            codes=("GN0601",), says=("10.96.0.10:53",), breaks=("vip-udp",),
        ),
        Fault(
            id="K112 rules of a policy that is gone", inject=STALE + KNOCK, edit="open",
            codes=("GN0508",), says=("default/old-policy", "no such NetworkPolicy"), breaks=("remote",), mends=False, firm=True,
        ),
        Fault(
            id="K113 the engine drops what the policy allows", inject=ENFORCED + "; " + KNOCK, edit="open",
            codes=("GN0508",), says=("KUBE-POD-FW-X", "allow"), breaks=("remote",), mends=False, firm=True,
        ),
        Fault(
            id="K114 a policy that nothing enforces", inject="true", edit="not-there",
            codes=("GN0523",), says=("default/not-there", "nothing", "answers"), mends=False, probes=True,
            silent="traffic passes that the policy forbids",
        ),
    ),
    healthy=(
        Control(id="K11 denied as the policy says", inject=ENFORCED + "; " + KNOCK, change=_dns_only, silent=True),
        Control(id="K11 an unknown engine enforces", inject=FOREIGN + KNOCK, change=_dns_only),
        Control(id="K11 the diagnosis ran before", inject=nodes.SYN_FLOOD_GUARD, change=lambda lab: lab.debug("p1") and None),
    ),
)  # fmt: skip

ONE_CAUSE = Kind(
    number=12,
    title="one cause, one finding",
    faults=(
        Fault(
            id="K121 a program drops everything of the pod",
            inject="P tc qdisc add dev eth0 clsact; P tc filter add dev eth0 egress bpf da bytecode '1,6 0 0 2'",
            codes=("GN0519",), says=("eth0", "bpf"), breaks=("gateway", "vip", "remote"), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K122 a condition that is not modelled drops everything", inject="N iptables -I FORWARD -m bpf --bytecode '1,6 0 0 1' -j DROP",
            codes=("GN0520",), says=("bpf",), breaks=("remote", "inet", "peer"), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K123 the uplink's cable is out", inject="x link set e0 down",
            codes=("GN0414",), says=("eth0", "carrier"), breaks=("remote",), mends=False, firm=True, alone=True,
        ),
        Fault(
            id="K124 IPsec blocks what is forwarded", inject="n xfrm policy add src 10.244.1.0/24 dst 0.0.0.0/0 dir fwd action block; " + KNOCK,
            codes=("GN0525",), says=("Xfrm",), breaks=("remote", "inet"), mends=False, probes=True, firm=True,
        ),
        Fault(
            id="K125 everything is dropped for one user in the pod",
            inject="P nft add table ip u; P nft 'add chain ip u o { type filter hook output priority 0; }'; P nft add rule ip u o oifname eth0 meta skuid 0 counter drop",
            codes=("GN0520", "GN0510"), says=("skuid",), breaks=("remote", "vip"), mends=False, probes=True, firm=True,
        ),
    ),
    healthy=(
        Control(id="K12 no address answers echoes", inject="N iptables -A INPUT -p icmp -j DROP; Q iptables -A INPUT -p icmp -j DROP; R1 iptables -A INPUT -p icmp -j DROP; " + nodes.NO_ECHO),
        Control(id="K12 a program of Cilium's lets all pass", inject="P tc qdisc add dev eth0 clsact; P tc filter add dev eth0 egress bpf da bytecode '1,6 0 0 0'"),
    ),
)  # fmt: skip
