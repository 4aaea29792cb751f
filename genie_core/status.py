"""A pod's status annotations: one encoder for each annotation that Genie writes.

All of them take each network's own result, not the merged one. This module is on the kubelet path.
"""

from genie_core.jsontext import encode
from genie_core.merge import with_gateways
from genie_core.model import Result, Value
from genie_core.routes import default_routes
from genie_core.spec.addresses import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

MULTI_IP_PREFERENCES = "multi-ip-preferences"
# Kubelet's annotation of static pods: their manifest's hash is the UID that the runtime gets.
STATIC_UID = "kubernetes.io/config.hash"
OBSERVED = "genie.cni.dev/networks-observed"  # the hash of the request that was applied last
# In an entry of the status: what attached it, where that was not the pod's start.
ADDED_BY = "genie.cni.dev/added-by"
NETWORK_NAME = "genie.cni.dev/network"


class NetworkEntry(Value):
    """One attachment, for `network_status`.

    `label` is `namespace/name` of a NetworkAttachmentDefinition, or the configuration's name (C53).
    `plugged` says that the running pod got it later. `default` is true for exactly one entry.
    `device_info` is the object of CNIDeviceInfoFile, if any (C54). `network` is the network's whole name
    (select/asked.py), by which policies find the pod's addresses; "" for none.
    """

    __slots__ = ("default", "device_info", "ifname", "label", "network", "plugged", "result")

    def __init__(
        self,
        label: str,
        ifname: str,
        result: Result,
        default: bool = False,
        device_info: "Mapping[str, Any] | None" = None,
        plugged: bool = False,
        network: str = "",
    ) -> None:
        self.network = network
        self.label = label
        self.ifname = ifname
        self.result = result
        self.default = default
        self.device_info = device_info
        self.plugged = plugged


def multi_ip_preferences(parts: "Sequence[tuple[str, Result]]") -> str | None:
    """CNI-Genie's annotation: the first address of each (interface name, result); None for one network (D26).

    A network without address has no entry and takes none away (X13); the numbering has no gaps.
    """
    if len(parts) < 2:
        return None
    addressed = [(ifname, host(result.ips[0]["address"])) for ifname, result in parts if result.ips]
    ips = {f"ip{n}": {"ip": ip, "interface": ifname} for n, (ifname, ip) in enumerate(addressed, 1)}
    return encode({"multi_entry": len(ips), "ips": ips})


def network_status(entries: "Sequence[NetworkEntry]") -> str:
    """The multi-network standard's annotation, one item for each attachment, in order (C46-C53, C58)."""
    return encode([_status(entry) for entry in entries])


def _status(entry: NetworkEntry) -> "dict[str, Any]":
    result = entry.result
    index = next((i for i, link in enumerate(result.interfaces) if link.get("sandbox")), None)
    link = {} if index is None else result.interfaces[index]
    status = {
        "name": entry.label,
        "interface": link.get("name") or entry.ifname,
        "ips": _addresses(result, index),
        "mac": link.get("mac"),
        "mtu": link.get("mtu"),
        "default": entry.default,
        "device-info": entry.device_info,
        "gateway": _gateways(result),
        ADDED_BY: "sync" if entry.plugged else "",
        NETWORK_NAME: entry.network,
    }
    return {**{name: value for name, value in status.items() if value}, "dns": result.dns}


def _addresses(result: Result, index: int | None) -> list[str]:
    """The addresses on the pod's interface; all of them where the plugin did not report that one (C50)."""
    return [host(ip["address"]) for ip in result.ips if index is None or ip.get("interface", index) == index]


def _gateways(result: Result) -> list[str]:
    """The gateways of the default routes; a route without one is left out (C52)."""
    result = with_gateways(result)
    return [route["gw"] for v4 in (True, False) for route in default_routes(result, v4) if "gw" in route]
