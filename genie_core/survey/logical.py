"""The cluster's logical and physical networks, read by Genie's account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kube_resources import LOGICAL_NETWORK, PHYSICAL_NETWORK
from genie_core.edges.routes import interface_exists
from genie_core.errors import InvalidConfig
from genie_core.select.overlap import LogicalNetwork, PhysicalNetwork, read_physical, readable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNetworks:
    """The logical networks, and the physical ones by NAMESPACE/NAME. Objects that cannot be used are left out.

    `absent` are the interfaces among their `nic` that this machine has under no name.
    """

    logical: tuple[LogicalNetwork, ...] = ()
    physical: Mapping[str, PhysicalNetwork]
    absent: frozenset[str] = frozenset()


def read_networks(api: KubeAPI) -> ClusterNetworks:
    """All networks of the cluster; none where it does not have these kinds. Raises APIError."""
    physical: dict[str, PhysicalNetwork] = {}
    try:
        for definition in api.list_objects(PHYSICAL_NETWORK):
            metadata = definition.get("metadata") or {}
            namespace, name = str(metadata.get("namespace")), str(metadata.get("name"))
            try:
                physical[f"{namespace}/{name}"] = read_physical(definition, namespace, name)
            except InvalidConfig:
                continue  # pods of its logical networks get the error
        logical = tuple(readable(api.list_objects(LOGICAL_NETWORK)))
    except ObjectNotFound:
        return ClusterNetworks(physical={})
    nics = {network.nic for network in physical.values()} - {""}
    absent = frozenset(nic for nic in nics if not interface_exists(nic))
    return ClusterNetworks(logical=logical, physical=physical, absent=absent)
