"""No two logical networks of a cluster overlap on one underlying network: the older one stays, the younger is refused.

So a pod of the older network never fails because of a newer object. Pure; on the kubelet path.
"""

from genie_core.errors import GenieError, InvalidConfig
from genie_core.fields import get_bool, get_object, get_str
from genie_core.gojson import view
from genie_core.model import Selection, Value
from genie_core.select.underlay import (
    is_own_bridge,
    is_routed_by_node,
    parse_subnet,
    underlay_of,
    with_master,
)
from genie_core.spec.ranges import spans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from genie_core.model import NetConf
    from genie_core.select.underlay import Subnet
    from genie_core.spec.ranges import Span

    Definition = Mapping[str, Any]
    Find = Callable[[Selection], NetConf]


class LogicalNetwork(Value):
    """A LogicalNetwork. Every field of its specification may be ""; `created` is metadata.creationTimestamp."""

    __slots__ = ("created", "name", "namespace", "physical", "plugin", "subnet")

    def __init__(
        self, namespace: str, name: str, created: str, physical: str, plugin: str, subnet: str
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.created = created
        self.physical = physical
        self.plugin = plugin
        self.subnet = subnet

    @property
    def label(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def age(self) -> tuple[str, str, str]:
        """What sorts the older network first. Timestamps of the API are RFC 3339 in UTC, to the second."""
        return (self.created, self.namespace, self.name)


class PhysicalNetwork(Value):
    """A PhysicalNetwork: the plugin and the subnet count where it is dedicated. Every text may be ""."""

    __slots__ = ("dedicated", "nic", "plugin", "subnet")

    def __init__(self, nic: str, dedicated: bool, plugin: str, subnet: str) -> None:
        self.nic = nic
        self.dedicated = dedicated
        self.plugin = plugin
        self.subnet = subnet


class Claim(Value):
    """A logical network's subnet, and the underlying network on which nothing else may have it."""

    __slots__ = ("network", "subnet", "underlay")

    def __init__(self, network: LogicalNetwork, subnet: "Subnet", underlay: str) -> None:
        self.network = network
        self.subnet = subnet
        self.underlay = underlay

    def __str__(self) -> str:
        return f"{self.subnet} on {self.underlay}, {self.network.physical or 'no physical network'}"


def read_logical(definition: "Definition", namespace: str, name: str) -> LogicalNetwork:
    """A Logicalnetwork's object. Raises InvalidConfig naming it and the place."""
    where = f"Logicalnetwork {namespace}/{name}"
    spec = get_object(definition, "spec", where=where)
    metadata = get_object(definition, "metadata", where=where)
    return LogicalNetwork(
        namespace,
        name,
        created=get_str(metadata, "creationTimestamp", where=f"{where}: metadata"),
        physical=get_str(spec, "physicalNet", where=f"{where}: spec"),
        plugin=get_str(spec, "plugin", where=f"{where}: spec"),
        subnet=get_str(spec, "sub_subnet", where=f"{where}: spec"),
    )


def read_physical(definition: "Definition", namespace: str, name: str) -> PhysicalNetwork:
    """A Physicalnetwork's object. Raises InvalidConfig naming it and the place."""
    where = f"Physicalnetwork {namespace}/{name}"
    spec = get_object(definition, "spec", where=where)
    # CNI-Genie's sample of a shared network has the second spelling
    status = get_object(spec, "sharedStatus", where=where) or get_object(spec, "sharedStaus", where=where)
    where_status = f"{where}: sharedStatus"
    return PhysicalNetwork(
        nic=get_str(spec, "refer_nic", where=f"{where}: spec"),
        dedicated=get_bool(status, "dedicatedNet", where=where_status),
        plugin=get_str(status, "plugin", where=where_status),
        subnet=get_str(status, "subnet", where=where_status),
    )


def placement(logical: LogicalNetwork, physical: "PhysicalNetwork | None") -> tuple[str, str]:
    """The plugin and the subnet of a logical network; each may be ""."""
    if physical and physical.dedicated:
        return physical.plugin, logical.subnet or physical.subnet
    return logical.plugin, logical.subnet


def refuse_overlap(
    own: Claim,
    selection: Selection,
    logicals: "Iterable[Definition]",
    physicals: "Callable[[], Iterable[Definition]]",
    find: "Find",
) -> None:
    """Raise InvalidConfig naming the older logical network whose subnet overlaps `own` on the same underlay.

    `logicals` are those of the whole cluster; `physicals` gives the physical networks, asked for where they matter;
    `find` looks a plugin's configuration up on this node.
    """
    networks = list(readable(logicals))
    mine = next((network for network in networks if network.label == own.network.label), own.network)
    older = (network for network in networks if network.age < mine.age)
    for network, subnet in overlapping(own, older, physicals, find):
        raise InvalidConfig(
            f"{selection.origin}: subnet {own.subnet} overlaps {subnet} of Logicalnetwork {network.label}, "
            f"which is older",
            details=f"both are on {own.underlay}; that one was created {network.created or 'before'}",
            hint="give each logical network of an underlying network a subnet of its own",
        )


def overlapping(
    own: Claim,
    networks: "Iterable[LogicalNetwork]",
    physicals: "Callable[[], Iterable[Definition]]",
    find: "Find",
) -> "Iterator[tuple[LogicalNetwork, str]]":
    """Those of the networks, with their subnets, that overlap `own` on the same underlay."""
    rivals = [network for network in networks if _may_overlap(network, own.subnet)]
    for network, physical in _with_physical(rivals, physicals):
        plugin, subnet = placement(network, physical)
        if _overlaps(own.subnet, subnet) and _meet(own, network, plugin, physical, find):
            yield network, subnet


def readable(definitions: "Iterable[Definition]") -> "Iterator[LogicalNetwork]":
    """The logical networks of these objects, without those that cannot be read."""
    for definition in definitions:
        try:
            yield read_logical(definition, *_key(definition))
        except InvalidConfig:
            continue  # pods of that network get the error


def _key(definition: "Definition") -> tuple[str, str]:
    metadata = get_object(definition, "metadata")
    return get_str(metadata, "namespace"), get_str(metadata, "name")


def _may_overlap(network: LogicalNetwork, own: "Subnet") -> bool:
    """False where the object alone shows that it does not: that spares reading its physical network."""
    return _overlaps(own, network.subnet) if network.subnet else bool(network.physical)


def _overlaps(own: "Subnet", text: str) -> bool:
    try:
        other = parse_subnet(text, "")
    except InvalidConfig:
        return False  # pods of that network get the error
    return own.version == other.version and own.overlaps(other)


def _with_physical(
    rivals: "list[LogicalNetwork]", physicals: "Callable[[], Iterable[Definition]]"
) -> "Iterator[tuple[LogicalNetwork, PhysicalNetwork | None]]":
    """Each network with its physical one; they are read where one of them has any."""
    known: dict[tuple[str, str], PhysicalNetwork] = {}
    if any(network.physical for network in rivals):
        for definition in physicals():
            try:
                known[_key(definition)] = read_physical(definition, *_key(definition))
            except InvalidConfig:
                continue
    for network in rivals:
        yield network, known.get((network.namespace, network.physical))


def _meet(
    own: Claim, other: LogicalNetwork, plugin: str, physical: "PhysicalNetwork | None", find: "Find"
) -> bool:
    """Whether both are on one physical network, or on one underlying network of this node."""
    mine = own.network
    if mine.physical and (other.namespace, other.physical) == (mine.namespace, mine.physical):
        return True
    if not plugin:
        return False
    try:
        network = find(Selection(plugin, "", f"plugin of {other.label}"))
    except GenieError:
        return False  # this node does not have the plugin
    return underlay_of(with_master(network, physical.nic if physical else "")) == own.underlay


def refuse_taken(
    network: "NetConf",
    subnet: "Subnet",
    where: str,
    networks: "Iterable[NetConf]",
    routes: "Iterable[tuple[str, str]]",
) -> bool:
    """Raise InvalidConfig where the node itself needs addresses of the subnet, for another network or for its links.

    `network` is the file's, `networks` are all files'; `routes` are the node's routes to what is on its links, as
    (interface, subnet). True where pods of `network` itself get addresses of the subnet.
    """
    bridges = set()
    shared = False
    for other in networks:
        if not is_routed_by_node(other):
            continue
        body = view(other.plugins[0].text)
        bridges.add(body.get("bridge") or "cni0")
        for span in _ranges_of(body.get("ipam")):
            if not _touches(span, subnet):
                continue
            if other.source != network.source:
                raise InvalidConfig(
                    f"{where}: {subnet} overlaps {span.subnet} of network {other.name} ({other.source}) on this node",
                    hint="choose a subnet that no network of the node has",
                )
            shared = True
    for interface, text in routes:
        if interface not in bridges and not is_own_bridge(interface) and _overlaps(subnet, text):
            raise InvalidConfig(
                f"{where}: {subnet} overlaps {text}, which is on the node's interface {interface}",
                details="the node would lose its way to one of them",
                hint="choose a subnet that is on no interface of the node",
            )
    return shared


def is_files_own(network: "NetConf", subnet: "Subnet", routes: "Iterable[tuple[str, str]]") -> bool:
    """Whether the subnet is that of the bridge in the network's file: by the file, or by the bridge as it is.

    Then a second bridge would have the same gateway and route, and one of the two would be cut off from the node. A
    bridge has another subnet than its file where version 1.0 put a logical network on it.
    """
    body = view(network.plugins[0].text)
    bridge = body.get("bridge") or "cni0"
    in_file = any(span.subnet == subnet for span in _ranges_of(body.get("ipam")))
    return in_file or (bridge, str(subnet)) in routes


def _ranges_of(ipam: object) -> "Iterator[Span]":
    if isinstance(ipam, dict) and ipam.get("type") == "host-local":
        yield from spans(ipam)


def _touches(span: "Span", subnet: "Subnet") -> bool:
    """Whether an address of the range is in the subnet."""
    return (
        span.subnet.version == subnet.version
        and int(span.first) <= int(subnet.broadcast_address)
        and int(span.last) >= int(subnet.network_address)
    )
