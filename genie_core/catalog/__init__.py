"""The catalogue of CNI plugin types: one module per type, each with a `PLUGIN`.

`PLUGINS` has them by their own names (`canal`, `kube-router`), `of_type` finds one by the `type` of a configuration,
`recognise` by a whole chain. A type that is not in the catalogue is no error: only the rules of the CNI specification
are checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genie_core.catalog import (
    bandwidth,
    bridge,
    calico,
    calico_ipam,
    canal,
    cilium,
    dhcp,
    dummy,
    firewall,
    flannel,
    genie,
    host_device,
    host_local,
    ipvlan,
    kube_router,
    loopback,
    macvlan,
    multus,
    ovs,
    portmap,
    ptp,
    romana,
    sbr,
    sriov,
    static,
    tap,
    tuning,
    vlan,
    vrf,
    weave,
    whereabouts,
)
from genie_core.catalog.plugin import Ipam, NodeView, Plugin, Role

# In the order of the manual; where two share a binary, the plainer one comes first (bridge, calico).
_MODULES = (
    bridge, macvlan, ipvlan, vlan, ptp, host_device, tap, dummy, loopback, sriov, ovs,
    calico, canal, flannel, cilium, weave, romana, kube_router, multus, genie,
    portmap, bandwidth, tuning, firewall, sbr, vrf,
    host_local, static, dhcp, calico_ipam, whereabouts,
)  # fmt: skip
PLUGINS: Mapping[str, Plugin] = {module.PLUGIN.type: module.PLUGIN for module in _MODULES}
_BY_BINARY = {name: plugin for plugin in reversed(list(PLUGINS.values())) for name in plugin.names}


def of_type(name: str) -> Plugin | None:
    """The plugin that a configuration means by `"type": name`; None for an unknown one."""
    return _BY_BINARY.get(name)


def recognise(chain: Sequence[Mapping[str, Any]], file: str = "") -> str:
    """The kind of a configuration, in one word: `canal` and `kube-router` are recognised by more than their type.

    `chain` are the plugins' objects, `file` the configuration's file name. An unknown type is returned itself.
    """
    if not chain:
        return ""
    first = chain[0]
    name = str(first.get("type", ""))
    if name == "calico" and _ipam_type(first) == "host-local":
        return "canal"
    if name == "bridge" and (file in kube_router.PLUGIN.conf_files or first.get("bridge") == "kube-bridge"):
        return "kube-router"
    known = of_type(name)
    return known.type if known else name


def _ipam_type(entry: Mapping[str, Any]) -> str:
    ipam = entry.get("ipam")
    return str(ipam.get("type", "")) if isinstance(ipam, dict) else ""


__all__ = ["PLUGINS", "Ipam", "NodeView", "Plugin", "Role", "of_type", "recognise"]
