"""A class of faults: what all of its faults and its healthy nodes have in common, and the edits that they share."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genie_core.edges.netns import inside
from tests.diagnose import traffic
from tests.diagnose.faults import Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import Lab

MAC = "mac(){ ip netns exec $F-$1 cat /sys/class/net/$2/address; }; "
Edit = Callable[[Lab], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One class: its number, a short title, faults that the specification does not list, and nodes that look like them."""

    number: int
    title: str
    faults: tuple[Fault, ...]
    healthy: tuple[Control, ...]


class Held:
    """Sockets that stay open for as long as the lab exists."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.sockets = sockets

    def close(self) -> None:
        """Close them."""
        for one in self.sockets:
            one.close()


def at(name: str, probe: Callable[..., bool], *args: object, **more: object) -> Callable[[Lab], bool]:
    """A probe from one of the lab's namespaces."""
    return lambda lab: probe(lab.netns(name), *args, **more)


def each(netns: str, *targets: str) -> bool:
    """Whether every one of the addresses serves TCP 8080."""
    return all(traffic.tcp(netns, target, 8080) for target in targets)


def service(
    lab: Lab, name: str, ip: str, port: int, *endpoints: tuple[str, int], protocol: str = "TCP"
) -> None:
    """A further service with ready endpoints, and the node's rule that translates it to the first of them."""
    ports = [{"name": "main", "port": port, "targetPort": endpoints[0][1], "protocol": protocol}]
    meta = {"namespace": "default", "name": name}
    lab.objects += [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "default", "name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "main", "port": endpoints[0][1], "protocol": protocol}],
            "endpoints": [{"addresses": [e[0]], "conditions": {"ready": True}} for e in endpoints],
        },
    ]  # fmt: skip
    to = f"{endpoints[0][0]}:{endpoints[0][1]}"
    lab.sh(
        f"N iptables -t nat -A PREROUTING -d {ip} -p {protocol.lower()} --dport {port} -j DNAT --to-destination {to}"
    )


def silence(pod: str, kind: socket.SocketKind | None = None) -> Edit:
    """The pod's (or host's) servers end: all of them, or those of one kind."""
    order = ("p1", "p2", "r1", "inet", "ext")

    def edit(lab: Lab) -> None:
        for sock in lab.servers[order.index(pod)].sockets:
            if kind is None or sock.type == kind:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        inside(lab.netns(pod), _wake)

    return edit


def _wake() -> None:
    """A thread that waits for a datagram keeps its closed socket open until one comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 53))


def policy(lab: Lab, name: str, **spec: Any) -> None:
    """A NetworkPolicy of the default namespace that selects all pods, or those of `podSelector`."""
    lab.objects.append(
        {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": "default", "name": name}, "spec": {"podSelector": {}, **spec},
        }
    )  # fmt: skip


def conf(lab: Lab, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the lab's network configuration."""
    path = lab.conf / "10-bridge.conflist"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, indent=2))


def network(lab: Lab, number: int, name: str, *plugins: dict[str, Any], file: str = "") -> None:
    """Write a network's configuration list into the lab's directory; `file` is its name where that differs."""
    document = {"cniVersion": "1.0.0", "name": name, "plugins": plugins}
    (lab.conf / f"{number}-{file or name}.conflist").write_text(json.dumps(document))
