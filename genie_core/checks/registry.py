"""All checks: of a pod's network, and of a node's files."""

from __future__ import annotations

from types import ModuleType

from genie_core.checks import (
    addresses,
    as_asked,
    cluster_subnets,
    cni_versions,
    configuration,
    conntrack,
    credentials,
    dead_addresses,
    duplicates,
    flannel_announcement,
    gateway,
    genie,
    host_end,
    ipvs,
    kernel,
    kubernetes_reports,
    leaked_rules,
    leftovers,
    limits,
    links,
    logical_networks,
    masquerade,
    native_routing,
    neighbours,
    network_policies,
    node_leases,
    node_ports,
    overlaps,
    overlay,
    packet_path,
    path_mtu,
    plugins,
    pod_firewall,
    pod_leases,
    policy_routing,
    ports,
    prefix_lengths,
    probe_results,
    requested_networks,
    resolv_conf,
    routes,
    runtime,
    second_links,
    secondary_interfaces,
    services,
    stores,
    subnets,
    traced,
    tunnel_ends,
    underlay,
    unmodelled,
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
    links, addresses, duplicates, as_asked, prefix_lengths, routes, gateway, host_end, packet_path, policy_routing,
    conntrack, pod_firewall, services, node_ports, dead_addresses, limits, ports, ipvs, masquerade, resolv_conf,
    overlay, tunnel_ends,
    flannel_announcement, native_routing, overlaps, cluster_subnets, underlay, path_mtu, secondary_interfaces,
    second_links, kernel, pod_leases, leaked_rules, network_policies, unmodelled, neighbours, probe_results,
    kubernetes_reports, requested_networks,
)  # fmt: skip
# What `genie trace --probe` runs.
TRACE = _of(traced)
# Those of them that need no facts of the pod.
OF_NODE = tuple(check for check in NETWORK if not OF_POD & set(check.needs))
# What `genie discover` runs, and `genie debug` too.
FILES = _of(
    configuration, cni_versions, subnets, plugins, stores, runtime, node_leases, leftovers, credentials, genie,
    logical_networks,
)  # fmt: skip
