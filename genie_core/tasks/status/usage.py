"""Which networks a cluster has, who uses them, which addresses they have, and what overlaps. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import product
from typing import Any

from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK
from genie_core.errors import GenieError
from genie_core.gojson import view
from genie_core.published import JSON, Published, formed
from genie_core.select.definitions import inline_network
from genie_core.select.overlap import PhysicalNetwork, placement, read_logical, read_physical
from genie_core.select.underlay import parse_subnet
from genie_core.spec.ranges import spans
from genie_core.survey.cluster import as_object
from genie_core.survey.whole_cluster import NodeRow, PodRow, WholeCluster
from genie_core.tasks.status.asked import Asked, asked_of, attached_to, default_of

Subnet = IPv4Network | IPv6Network
ON_NODES = "node"  # a network that is a file of the nodes, or a plugin's name: not an object of the API


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Published):
    """A pod of a network, with the interface and the addresses that its annotations report."""

    pod: str
    node: str
    owner: tuple[str, str] = field(metadata=formed(lambda owner: {"kind": owner[0], "name": owner[1]}))
    interface: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(Published):
    """Something else that has addresses of the network."""

    what: str
    subnet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network. `object` is its kind of API object, or `node`.

    `size` counts the addresses of its ranges, None where they are not known. `per_node`: every node has the whole
    range for itself, and `used` is the fullest node's count. `problem` says why no pod can be attached to it.
    """

    name: str
    object: str
    plugin: str = ""
    subnets: tuple[str, ...] = ()
    size: int | None = None
    used: int = 0
    per_node: bool = False
    users: tuple[User, ...] = field(default=(), repr=False)
    overlaps: tuple[Overlap, ...] = ()
    problem: str = ""

    @property
    def free(self) -> int | None:
        """Addresses that are left, on the fullest node where each node has its own; None where not known."""
        return None if self.size is None else max(self.size - self.used, 0)

    def as_json(self, *, users: bool = False) -> dict[str, Any]:
        """name, object, plugin, subnets, addresses, pods, owners, overlaps, problem; users where wanted."""
        return {
            "name": self.name,
            "object": self.object,
            "plugin": self.plugin,
            "subnets": list(self.subnets),
            "addresses": {
                "size": self.size,
                "used": self.used,
                "free": self.free,
                "perNode": self.per_node,
            },
            "pods": len(self.users),
            "owners": [
                {"namespace": namespace, "kind": kind, "name": name, "pods": count}
                for (namespace, kind, name), count in owners_of(self.users).items()
            ],
            "overlaps": [item.as_json() for item in self.overlaps],
            "problem": self.problem,
            **({"users": [user.as_json() for user in self.users]} if users else {}),
        }


def owners_of(users: Iterable[User]) -> dict[tuple[str, str, str], int]:
    """(namespace, kind, name) of what the pods belong to -> how many; a pod without controller is its own."""
    return dict(sorted(Counter(map(_owner_of, users)).items()))


def _owner_of(user: User) -> tuple[str, str, str]:
    namespace, _, name = user.pod.partition("/")
    kind, owner = user.owner
    return (namespace, kind, owner) if kind else (namespace, "Pod", name)


def networks_of(cluster: WholeCluster) -> list[Network]:
    """All definitions, and the nodes' networks that pods name; sorted by kind and name."""
    users = users_of(cluster.pods)
    found = [*_attachments(cluster), *_logical(cluster)]
    known = {network.name for network in found}
    found += [Network(name=name, object=ON_NODES) for name in users if name not in known and "/" not in name]
    meetings = _meetings(_subnets(found, cluster.nodes))
    return [
        _with_use(network, users.get(network.name, ()), meetings)
        for network in sorted(found, key=lambda one: (one.object == ON_NODES, one.object, one.name))
    ]


def users_of(pods: Iterable[PodRow]) -> dict[str, list[User]]:
    """Network -> the pods that have it or ask for it, without those that have ended."""
    found: dict[str, list[User]] = {}
    for pod in pods:
        if pod.ended or pod.host_network:
            continue
        got = {entry.network: entry for entry in attached_to(pod)}
        asked = asked_of(pod)
        named = asked.networks if isinstance(asked, Asked) else ()
        for name in dict.fromkeys((*got, *named, *default_of(pod))):
            entry = got.get(name)
            user = User(
                pod=pod.label,
                node=pod.node,
                owner=pod.owner,
                interface=entry.interface if entry else "",
                addresses=entry.addresses if entry else (),
            )
            found.setdefault(name, []).append(user)
    return found


# --- definitions -----------------------------------------------------------------------------------------


def _name_of(item: JSON) -> tuple[str, str]:
    metadata = item["metadata"]
    return str(metadata.get("namespace") or "default"), str(metadata.get("name") or "")


def _attachments(cluster: WholeCluster) -> Iterator[Network]:
    for item in cluster.attachments:
        namespace, name = _name_of(item)
        label = f"{namespace}/{name}"
        try:
            network = inline_network(item, name, label)
        except GenieError as error:
            yield Network(name=label, object=NETWORK_ATTACHMENT.kind, problem=error.msg)
            continue
        if network is None:  # its configuration is a file of each node
            yield Network(name=label, object=NETWORK_ATTACHMENT.kind)
            continue
        ipams = [as_object(view(plugin.text).get("ipam")) for plugin in network.plugins]
        ranges = [item for ipam in ipams for item in spans(ipam)]
        yield Network(
            name=label,
            object=NETWORK_ATTACHMENT.kind,
            plugin=", ".join(plugin.type for plugin in network.plugins),
            subnets=tuple(dict.fromkeys(str(item.subnet) for item in ranges)),
            size=_size([(item.group, item.size) for item in ranges]),
            per_node=any(ipam.get("type") == "host-local" for ipam in ipams),
        )


def _size(ranges: Sequence[tuple[int, int]]) -> int | None:
    """How many pods the ranges have addresses for: a pod takes one of each set."""
    sets: dict[int, int] = {}
    for group, size in ranges:
        sets[group] = sets.get(group, 0) + max(size, 0)
    return min(sets.values()) if sets else None


def _logical(cluster: WholeCluster) -> Iterator[Network]:
    physical: dict[tuple[str, str], PhysicalNetwork | str] = {}
    for item in cluster.physical:
        key = _name_of(item)
        try:
            physical[key] = read_physical(item, *key)
        except GenieError as error:
            physical[key] = error.msg
    known = physical if PHYSICAL_NETWORK.kind not in cluster.missing else None
    for item in cluster.logical:
        yield _logical_network(item, known)


def _logical_network(item: JSON, known: Mapping[tuple[str, str], PhysicalNetwork | str] | None) -> Network:
    """A Logicalnetwork; `known` are the physical networks or what is wrong with them, None where they were not read."""
    namespace, name = _name_of(item)
    label, kind = f"{namespace}/{name}", LOGICAL_NETWORK.kind
    try:
        logical = read_logical(item, namespace, name)
    except GenieError as error:
        return Network(name=label, object=kind, problem=error.msg)
    if logical.physical and known is None:
        return Network(name=label, object=kind)
    below = (known or {}).get((namespace, logical.physical)) if logical.physical else None
    if isinstance(below, str):
        return Network(name=label, object=kind, problem=below)
    if logical.physical and below is None:
        return Network(
            name=label,
            object=kind,
            problem=f"Logicalnetwork {label}: there is no Physicalnetwork {namespace}/{logical.physical}",
        )
    plugin, text = placement(logical, below)
    if not plugin:
        return Network(name=label, object=kind, problem=f"Logicalnetwork {label} names no plugin")
    if not text:
        return Network(name=label, object=kind, plugin=plugin)
    try:
        subnet = parse_subnet(text, f"Logicalnetwork {label}")
    except GenieError as error:
        return Network(name=label, object=kind, plugin=plugin, problem=error.msg)
    size = max(subnet.num_addresses - 3, 0)  # its own address, the gateway's, and broadcast
    return Network(name=label, object=kind, plugin=plugin, subnets=(str(subnet),), size=size, per_node=True)


# --- addresses -------------------------------------------------------------------------------------------


def _with_use(
    network: Network, users: Sequence[User], meetings: Mapping[str, set[tuple[str, str]]]
) -> Network:
    counts = Counter(user.node if network.per_node else "" for user in users if user.addresses)
    return replace(
        network,
        used=max(counts.values(), default=0),
        users=tuple(sorted(users, key=lambda user: user.pod)),
        overlaps=tuple(_overlaps(network, meetings)),
    )


def _subnets(networks: Iterable[Network], nodes: Iterable[NodeRow]) -> list[tuple[str, Subnet]]:
    """(what has it, subnet): of the definitions, of the nodes' pods, of the nodes themselves."""
    found = [(network.name, ip_network(text)) for network in networks for text in network.subnets]
    for node in nodes:
        for text in node.cidrs:
            found += [(f"pods of node {node.name}", subnet) for subnet in _parsed(text)]
        for text in node.addresses:
            found += [(f"node {node.name}", subnet) for subnet in _parsed(text)]
    return found


def _parsed(text: str) -> Iterator[Subnet]:
    try:
        yield ip_network(text) if "/" in text else ip_network(ip_address(text))
    except ValueError:
        return  # a host name among the node's addresses


def _overlaps(network: Network, meetings: Mapping[str, set[tuple[str, str]]]) -> Iterator[Overlap]:
    for what, subnet in sorted(meetings.get(network.name, ())):
        yield Overlap(what=what, subnet=subnet)


def _meetings(subnets: Iterable[tuple[str, Subnet]]) -> dict[str, set[tuple[str, str]]]:
    """What has a subnet -> the (what, subnet) that share addresses with it.

    Of two prefixes that share addresses one contains the other, so each looks up its own containers: 5,000
    definitions take as many steps as there are lengths of prefixes.
    """
    having: dict[Subnet, list[str]] = {}
    for what, subnet in subnets:
        having.setdefault(subnet, []).append(what)
    lengths = sorted({subnet.prefixlen for subnet in having})
    found: dict[str, set[tuple[str, str]]] = {}
    for subnet, owners in having.items():
        for length in (one for one in lengths if one <= subnet.prefixlen):
            container = subnet.supernet(new_prefix=length)
            for one, other in product(owners, having.get(container, ())):
                if one != other:
                    found.setdefault(one, set()).add((other, str(container)))
                    found.setdefault(other, set()).add((one, str(subnet)))
    return found
