"""Kubernetes objects: a NetworkAttachmentDefinition, LogicalNetwork, PhysicalNetwork. deploy/crds defines their kinds.

Sources: the Network Plumbing Working Group's standard v1.3 (section 3); CNI-Genie's samples for the others
(conformance D19-D25).
"""

from __future__ import annotations

import ipaddress
import json

from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK
from genie_core.errors import GenieError, WrongUsage
from genie_core.model import Selection
from genie_core.published import JSON
from genie_core.select.underlay import parse_subnet, repeats_on_nodes, require_subnet_support, with_subnet
from genie_core.survey.facts import Facts
from genie_core.survey.genie import finder_of


def attachment_definition(name: str, namespace: str, document: JSON) -> JSON:
    """A NetworkAttachmentDefinition with the configuration in it, by default named like the network."""
    name = name or str(document["name"])
    return {
        **NETWORK_ATTACHMENT.type_meta,
        "metadata": _metadata(name, namespace),
        "spec": {"config": json.dumps(document, indent=2, ensure_ascii=False)},
    }


def _metadata(name: str, namespace: str) -> JSON:
    import re

    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
        raise WrongUsage(
            f'"{name}" is no name for an API object', hint="lower case letters, digits and dashes"
        )
    return {"name": name} | ({"namespace": namespace} if namespace else {})


def physical_network(
    name: str, namespace: str, *, plugin: str, subnet: str, dedicated: bool, nic: str
) -> JSON:
    """A PhysicalNetwork: a network of the nodes that LogicalNetworks share, or one has for itself."""
    if not subnet:
        raise WrongUsage("a physical network needs its subnet", hint="--subnet 10.1.0.0/16")
    if dedicated and not plugin:
        raise WrongUsage("a dedicated physical network needs its plugin", hint="--plugin NAME")
    status: JSON = {"subnet": _subnet(subnet), "dedicatedNet": dedicated} | (
        {"plugin": plugin} if plugin else {}
    )
    return {
        "apiVersion": PHYSICAL_NETWORK.api_version,
        "kind": PHYSICAL_NETWORK.kind,
        "metadata": _metadata(name, namespace),
        "spec": ({"refer_nic": nic} if nic else {}) | {"sharedStatus": status},
    }


def logical_network(
    name: str, namespace: str, *, physical: str, plugin: str, subnet: str, within: str
) -> JSON:
    """A LogicalNetwork, on a physical one or on a plugin alone. `within` is the physical network's subnet, if known."""
    if not physical and not plugin:
        raise WrongUsage(
            "a logical network needs a physical network or a plugin",
            hint="--physical-network NAME, or --plugin NAME",
        )
    if physical and plugin and not subnet:
        raise WrongUsage(
            "a logical network on a shared physical one needs its part of the subnet",
            hint="--subnet 10.1.2.0/24",
        )
    if subnet and within and not _inside(subnet, within):
        raise WrongUsage(f"{subnet} is not inside {within}, the physical network's subnet")
    spec = {"physicalNet": physical, "plugin": plugin, "sub_subnet": _subnet(subnet) if subnet else ""}
    return {
        "apiVersion": LOGICAL_NETWORK.api_version,
        "kind": LOGICAL_NETWORK.kind,
        "metadata": _metadata(name, namespace),
        "spec": {key: value for key, value in spec.items() if value},
    }


def notes_on(plugin: str, subnet: str, facts: Facts) -> list[str]:
    """Notes on a logical network of this plugin with this subnet, by the plugin's file on this node.

    Raises InvalidConfig where the plugin takes no subnet.
    """
    if not plugin or not subnet:
        return []
    try:
        network = finder_of(facts).find(Selection(plugin, "", "--plugin"))
    except GenieError as error:
        return [f"{error.msg}; it may be on other nodes"]
    network_subnet = parse_subnet(subnet, "--subnet")
    require_subnet_support(network, network_subnet, "--subnet")
    if not repeats_on_nodes(with_subnet(network, network_subnet)):
        return []
    where = f"{network.source} has host-local, which gives out the same addresses on every node"
    return [
        f"{where}; where pods of several nodes meet, use whereabouts, or a rangeStart and rangeEnd for each node"
    ]


def _subnet(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise WrongUsage(f"--subnet {text}: {error}") from None


def _inside(subnet: str, within: str) -> bool:
    one, other = ipaddress.ip_network(subnet), ipaddress.ip_network(within)
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]  # same version
