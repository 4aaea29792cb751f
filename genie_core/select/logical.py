"""The annotation `networks`: logical networks on physical ones, as CNI-Genie has them (conformance D19-D24, X27).

The rules of its admission webhook are checked here again, since a cluster may run without it. On the kubelet
path; `ipaddress` (3 ms) is imported when the annotation is used.
"""

from genie_core.dialects import NETWORKS
from genie_core.errors import InvalidConfig
from genie_core.model import Choice, Selection
from genie_core.select.names import parse_names
from genie_core.select.overlap import (
    Claim,
    LogicalNetwork,
    is_files_own,
    placement,
    read_logical,
    read_physical,
    refuse_overlap,
    refuse_taken,
)
from genie_core.select.underlay import (
    has_master,
    is_routed_by_node,
    on_own_bridge,
    parse_subnet,
    repeats_on_nodes,
    require_subnet_support,
    underlay_of,
    with_master,
    with_subnet,
)
from genie_core.spec.names import is_subdomain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.model import NetConf
    from genie_core.select.chooser import Chooser
    from genie_core.select.overlap import PhysicalNetwork
    from genie_core.select.underlay import Subnet


def choose(chooser: "Chooser", annotations: "Mapping[str, str]") -> tuple[list[Choice], list[Choice]]:
    """The networks that the annotation names, in order. Raises GenieError naming the item."""
    found = selections(annotations[NETWORKS], chooser.namespace)
    return [_choice(chooser, selection) for selection in found], []


def selections(text: str, _namespace: str) -> list[Selection]:
    """The logical networks that the annotation names. Raises InvalidConfig naming the item."""
    # CNI-Genie's own sample writes `name:interface`
    value = ",".join(item if "@" in item else item.replace(":", "@", 1) for item in text.split(","))
    return parse_names(value, f"annotation {NETWORKS}")


def _choice(chooser: "Chooser", selection: Selection) -> Choice:
    if not is_subdomain(selection.name):
        raise InvalidConfig(f"{selection.origin}: {selection.name!r} is no name of a LogicalNetwork")
    namespace = chooser.namespace
    definition = chooser.objects.logical_network(namespace, selection.name, selection.origin)
    logical = read_logical(definition, namespace, selection.name)
    physical = _physical(chooser, logical, selection)
    _require_complete(logical, physical, selection)
    plugin, subnet = placement(logical, physical)
    named = Selection(
        plugin, selection.ifname, f"{selection.origin}, plugin of Logicalnetwork {logical.label}"
    )
    network = chooser.by_name(named).network
    if physical and physical.nic:
        network = _on_nic(chooser, network, logical, physical.nic, selection)
    if subnet:
        network = _in_subnet(chooser, network, logical, subnet, selection)
    return Choice(selection, network, label=logical.label, subnet=subnet)


def _physical(chooser: "Chooser", logical: LogicalNetwork, selection: Selection) -> "PhysicalNetwork | None":
    if not logical.physical:
        return None
    if not is_subdomain(logical.physical):
        raise InvalidConfig(
            f"{selection.origin}: spec.physicalNet {logical.physical!r} is no name of a PhysicalNetwork"
        )
    definition = chooser.objects.physical_network(logical.namespace, logical.physical, selection.origin)
    return read_physical(definition, logical.namespace, logical.physical)


def _require_complete(
    logical: LogicalNetwork, physical: "PhysicalNetwork | None", selection: Selection
) -> None:
    """Raise InvalidConfig where plugin or subnet are missing, or the subnet is no part of the physical network's."""
    if physical is None:
        if not logical.plugin:
            raise InvalidConfig(
                f"{selection.origin}: failed to find physical network mapping in logical network {logical.name}",
                hint="set spec.physicalNet, or spec.plugin",
            )
        return
    where = f"Physicalnetwork {logical.namespace}/{logical.physical}"
    _require_inside(logical, physical.subnet, selection, where)
    if physical.dedicated:
        if not physical.plugin:
            raise InvalidConfig(
                f"{selection.origin}: {where} is dedicated and names no plugin",
                hint="set spec.sharedStatus.plugin",
            )
        return
    # on a shared physical network each logical one brings a plugin, and a subnet of its own (conformance D24)
    for key, value in (("plugin", logical.plugin), ("sub_subnet", logical.subnet)):
        if not value:
            raise InvalidConfig(
                f"{selection.origin}: Logicalnetwork {logical.name} is on the shared network {logical.physical} "
                f"and has no spec.{key}",
                hint=f"set spec.{key}",
            )


def _require_inside(logical: LogicalNetwork, whole: str, selection: Selection, where: str) -> None:
    """The sub-subnet must be part of the physical network's subnet."""
    if not logical.subnet or not whole:
        return
    part = parse_subnet(logical.subnet, f"{selection.origin}: spec.sub_subnet")
    around = parse_subnet(whole, f"{selection.origin}: subnet of {where}")
    if part.version != around.version or not part.subnet_of(around):  # type: ignore[arg-type]  # same version
        raise InvalidConfig(
            f"{selection.origin}: sub_subnet {part} is not inside {around}, the subnet of {where}",
            hint="choose a part of it that no other logical network has",
        )


def _on_nic(
    chooser: "Chooser", network: "NetConf", logical: LogicalNetwork, nic: str, selection: Selection
) -> "NetConf":
    """The network on the interface that the physical network names. Raises InvalidConfig where the node lacks it."""
    where = f"Physicalnetwork {logical.namespace}/{logical.physical}: refer_nic {nic!r}"
    if not has_master(network):
        if not chooser.world.has_interface(nic):
            chooser.log.warning("interface not on this node", physicalNetwork=where, plugin=network.name)
        return network
    if not chooser.world.has_interface(nic):
        raise InvalidConfig(
            f"{selection.origin}: {where} is no interface of this node",
            hint="correct spec.refer_nic, or keep the pod on nodes that have the interface",
        )
    return with_master(network, nic)


def _in_subnet(
    chooser: "Chooser", network: "NetConf", logical: LogicalNetwork, text: str, selection: Selection
) -> "NetConf":
    """The network in its own subnet and on its own bridge. Raises GenieError where it cannot have them."""
    where = f"{selection.origin}: subnet of Logicalnetwork {logical.name}"
    subnet = parse_subnet(text, where)
    require_subnet_support(network, subnet, where)
    placed = with_subnet(network, subnet)
    if is_routed_by_node(network):
        placed = _beside_the_node(chooser, network, placed, subnet, logical.label, where)
    if repeats_on_nodes(placed):
        chooser.log.warning(
            "host-local gives out the same addresses on every node",
            network=logical.label,
            subnet=text,
            hint="use whereabouts, or give each node's configuration a rangeStart and rangeEnd of its own",
        )
    claim = Claim(logical, subnet, underlay_of(placed))
    chooser.objects.judge(
        (logical.namespace, logical.name),
        str(claim),
        selection.origin,
        lambda logicals, physicals: refuse_overlap(
            claim, selection, logicals, physicals, chooser.finder.find
        ),
    )
    return placed


def _beside_the_node(
    chooser: "Chooser",
    network: "NetConf",
    placed: "NetConf",
    subnet: "Subnet",
    label: str,
    where: str,
) -> "NetConf":
    """The network on its own bridge, where it is one of bridges. Raises InvalidConfig where the node needs the subnet.

    `network` is as in its file, `placed` has the subnet.
    """
    routes = list(chooser.world.routes())
    shared = refuse_taken(network, subnet, where, chooser.finder.valid(), routes)
    if network.plugins[0].type != "bridge" or is_files_own(network, subnet, routes):
        return placed
    if shared:
        chooser.log.warning(
            "pods of the file's network may get addresses of this subnet, and then be cut off from the node",
            subnet=str(subnet),
            file=network.source,
            hint="choose a subnet outside the file's range, or limit that one with rangeStart and rangeEnd",
        )
    return on_own_bridge(placed, label, subnet)
