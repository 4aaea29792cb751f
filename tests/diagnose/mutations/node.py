"""Healthy nodes of several kinds, renamed and renumbered by a seed; their traffic; what they were, to put it back."""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.diagnose import healthy, nodes, traffic
from tests.diagnose.lab import Lab, objects
from tests.diagnose.traffic import Server

Flow = tuple[
    str, str, str, int
]  # from which namespace, tcp or udp, to which address and port (of the plain lab)
FAR = "198.51.100.1"  # an address that only a default route leads to
# No ping: a filter of echoes is unusual but right, and healthy nodes of the bench have it.
BRIDGED: tuple[Flow, ...] = (
    ("p1", "tcp", "10.244.1.1", 8080), ("p1", "tcp", "10.244.1.11", 8080), ("p1", "udp", "10.244.1.11", 53),
    ("p1", "tcp", "192.168.50.10", 8080), ("p1", "tcp", "10.244.2.2", 8080), ("p1", "udp", "10.244.2.2", 53),
    ("p1", "tcp", "203.0.113.1", 8080), ("p1", "udp", "203.0.113.1", 53), ("p1", "tcp", FAR, 443),
    ("p1", "tcp", "10.96.0.10", 80), ("p1", "udp", "10.96.0.10", 53), ("r1", "tcp", "10.244.1.10", 8080),
    ("p2", "tcp", "10.244.1.10", 8080), ("node", "tcp", "10.244.1.10", 8080),
)  # fmt: skip
ROUTED: tuple[Flow, ...] = (
    ("c1", "tcp", "10.244.2.2", 8080), ("c1", "udp", "10.244.2.2", 53), ("c1", "tcp", "192.168.50.10", 8080),
    ("c1", "tcp", FAR, 443), ("c1", "tcp", "203.0.113.1", 8080), ("c1", "udp", "203.0.113.1", 53),
    ("node", "tcp", "10.244.1.130", 8080), ("r1", "tcp", "10.244.1.130", 8080),
)  # fmt: skip
ALONE: tuple[Flow, ...] = (
    ("p1", "tcp", "203.0.113.1", 8080), ("p1", "tcp", FAR, 8080), ("p1", "udp", "203.0.113.1", 53),
    ("inet", "tcp", "203.0.113.60", 8080),
)  # fmt: skip
ENDS = ("node", "p1", "p2", "c1")  # the namespaces that changes are made in, and whose state is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A healthy node: what makes it of the lab, the pod that is diagnosed, its link on the node, the traffic."""

    id: str
    pod: str = "p1"
    link: str = "veth1"
    entry: str = "cni0"
    inject: str = "true"
    change: Callable[[Lab], None] = healthy.NOTHING
    flows: tuple[Flow, ...] = BRIDGED


# kube-proxy's IPVS mode needs a kernel module that a machine may lack; its iptables chains stand for it.
KINDS = (
    Kind(id="bridge and vxlan"),
    Kind(id="routed", pod="c1", link="cali1", entry="cali1", flows=ROUTED),
    Kind(id="macvlan", link="eth1", entry="eth1", inject=nodes.MACVLAN_ALONE, flows=ALONE,
         change=nodes.known_by_ip("203.0.113.60")),
    Kind(id="native routing", inject=nodes.HOST_GW),
    Kind(id="nftables proxy", change=nodes.nft_proxy),
    Kind(id="kube-proxy's chains", inject=healthy.PROXY),
)  # fmt: skip


class Renamed(Lab):
    """The lab with other names of interfaces and other addresses, chosen by a seed."""

    def __init__(self, directory: Path, chosen: random.Random, tag: str = "") -> None:
        a, b, c = chosen.sample(range(16, 200), 3)
        self.words = {
            "10.244.": f"10.{a}.", "192.168.50.": f"192.168.{b}.", "10.96.0.": f"10.{c}.0.",
            "cni0": chosen.choice(("cni0", "cbr0", "br-pods", "kube-bridge")),
            "flannel.1": chosen.choice(("flannel.1", "vxlan.calico", "tun-a")),
            **{f"veth{n}": f"veth{chosen.randrange(16**6):06x}" for n in (1, 2)},
        }  # fmt: skip
        self.words["flannel/1"] = self.words["flannel.1"].replace(".", "/")
        super().__init__(directory, tag)
        self.objects = json.loads(self.said(json.dumps(objects())))

    def said(self, text: str) -> str:
        """A text of the plain lab in this one's names and addresses."""
        found = (rf"\b{re.escape(word)}" + (r"\b" if word[-1] != "." else "") for word in self.words)
        return re.sub("|".join(found), lambda match: self.words[match[0]], text)

    def sh(self, text: str, check: bool = True) -> str:
        """Run a text of the plain lab, with what it reads from the lab's directory."""
        for path in self.directory.glob("rules.nft"):
            path.write_text(self.said(path.read_text()))
        names = f"v1={self.words['veth1']}; v2={self.words['veth2']}\n"
        return super().sh(names + self.said(text.replace("veth$k", "$(eval echo \\$v$k)")), check)

    def __enter__(self) -> Renamed:
        """Built, with a host that only a default route leads to, and the tables that changes of rules use."""
        super().__enter__()
        self.sh(f"i addr add {FAR}/32 dev lo; x addr add {FAR}/32 dev lo")
        tables = "$s iptables -A $c -p sctp; $s iptables -D $c 1"
        self.sh(f"for c in INPUT OUTPUT FORWARD; do for s in N P C1; do {tables}; done; done")
        self.servers.append(Server(self.netns("ext"), dns=False, port=443))
        self.servers += [Server(self.netns(name), dns=False) for name in ("node", "c1")]
        return self

    def _files(self) -> None:
        super()._files()
        for path in sorted(self.directory.rglob("*")):
            if path.is_file() and path.parent != self.bin:
                path.write_text(self.said(path.read_text()))
                path.rename(path.with_name(self.said(path.name)))


def works(lab: Renamed, flow: Flow) -> bool:
    """Whether one conversation passes, by real packets."""
    source, kind, target, port = flow
    netns, ip = lab.netns(source), lab.said(target)
    return traffic.tcp(netns, ip, port) if kind == "tcp" else traffic.udp(netns, ip, port)


FORGET = "for s in node p1 p2 c1 r1 ext inet; do ip -n $F-$s neigh flush all; done 2>/dev/null || true"


def broken(lab: Renamed, kind: Kind, tries: int = 2) -> tuple[Flow, ...]:
    """The flows that fail, those to the pod first: its own packets would teach others its link-layer address."""
    lost: tuple[Flow, ...] = ()
    for mine in (False, True):
        lab.sh(FORGET)
        lost += _failing(lab, tuple(flow for flow in kind.flows if (flow[0] == kind.pod) is mine), tries)
    return lost


def _failing(lab: Renamed, flows: tuple[Flow, ...], tries: int) -> tuple[Flow, ...]:
    """Those that fail in each of a few tries: a busy machine loses some by itself."""
    left = flows
    for attempt in range(tries):
        time.sleep(0.2 * bool(attempt))
        with ThreadPoolExecutor(max_workers=20) as pool:
            passed = list(pool.map(lambda flow: works(lab, flow), left))
        left = tuple(flow for flow, ok in zip(left, passed, strict=True) if not ok)
        if not left:
            break
    return left


# What a change may have moved besides what its own undo names: the kernel flushes routes of a link that is down.
LISTS = {
    "route": ("ip -n {ns} -4 route show table all", "ip -n {ns} route"),
    "neigh": ("ip -n {ns} neigh show nud permanent", "ip -n {ns} neigh"),
    "fdb": ("bridge -n {ns} fdb show", "bridge -n {ns} fdb"),
}


def lists(lab: Renamed) -> dict[tuple[str, str], list[str]]:
    """(namespace, list) -> its lines, as their tools print them."""
    return {(end, name): _lines(lab, end, name) for end in ENDS for name in LISTS}


def _lines(lab: Renamed, end: str, name: str) -> list[str]:
    argv = LISTS[name][0].format(ns=f"{lab.prefix}-{end}").split()
    text = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    lines = [line.strip() for line in text.splitlines()]
    if name == "fdb":
        return [line for line in lines if " dst " in line]
    if name == "route":
        return [
            line.replace(" linkdown", "") for line in lines if not line.startswith(("local ", "broadcast "))
        ]
    return lines


def put_back(lab: Renamed, before: dict[tuple[str, str], list[str]]) -> None:
    """Remove what is new in the lists, and add what is missing: connected routes first."""
    for (end, name), lines in before.items():
        now = _lines(lab, end, name)
        command = LISTS[name][1].format(ns=f"{lab.prefix}-{end}").split()
        for line in (line for line in now if line not in lines):
            subprocess.run([*command, "del", *_words(name, line)], capture_output=True, check=False)
        for line in sorted((line for line in lines if line not in now), key=lambda line: " via " in line):
            subprocess.run(
                [*command, "append" if name == "fdb" else "replace", *_words(name, line)],
                capture_output=True,
                check=False,
            )


def _words(name: str, line: str) -> list[str]:
    words = [word for word in line.split() if word not in ("offload", "self", "permanent")]
    if name == "neigh":
        words = [word for word in words if word != "PERMANENT"] + ["nud", "permanent"]
    return words
