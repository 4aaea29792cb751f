"""All checks, by what they are about: a pod's network, or a node's files."""

from __future__ import annotations

from types import ModuleType

from genie_core.checks import (
    addresses,
    announced,
    asked,
    cni_versions,
    configuration,
    credentials,
    gateway,
    genie,
    host,
    interfaces,
    kernel,
    leases,
    leftovers,
    links,
    logical,
    masquerade,
    native,
    neighbours,
    node_leases,
    overlay,
    path_mtu,
    plugins,
    pod_filters,
    policies,
    policy_routing,
    prefixes,
    probes,
    reported,
    resolver,
    routes,
    runtime,
    services,
    serving,
    subnets,
    tracking,
    traffic,
    underlay,
    unseen,
    virtual_servers,
)
from genie_core.checks.check import Check, declared
from genie_core.checks.sources import OF_POD


def _of(*families: ModuleType) -> tuple[Check, ...]:
    """The checks that these modules declare, in this order."""
    return tuple(
        check for family in families for check in declared if check.run.__module__ == family.__name__
    )


# What `genie debug` runs.
NETWORK = _of(
    links,
    addresses,
    prefixes,
    routes,
    gateway,
    host,
    traffic,
    policy_routing,
    tracking,
    pod_filters,
    services,
    serving,
    virtual_servers,
    masquerade,
    resolver,
    overlay,
    announced,
    native,
    underlay,
    path_mtu,
    interfaces,
    kernel,
    leases,
    policies,
    unseen,
    neighbours,
    probes,
    reported,
    asked,
)
# Those of them that need no look into the pod.
OF_NODE = tuple(check for check in NETWORK if not OF_POD & set(check.needs))
# What `genie discover` runs, and `genie debug` too.
FILES = _of(
    configuration,
    cni_versions,
    subnets,
    plugins,
    runtime,
    node_leases,
    leftovers,
    credentials,
    genie,
    logical,
)
