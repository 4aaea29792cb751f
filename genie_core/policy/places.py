"""Where the rules for an attachment can be put: on the host's side, in the pod's namespace, or nowhere.

A plugin whose traffic is known to cross the host's hooks is enforced there. Any other interface of the kernel is
enforced in the pod's own namespace, which all its packets pass, whatever the plugin does behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genie_core.gojson import view
from genie_core.jsontext import encode
from genie_core.plugin_types import maker_of, plugin_type
from genie_core.policy.cluster import Attached, addresses_in
from genie_core.published import JSON
from genie_core.spec.request import ifname_problem

BRIDGE, VETH, POD, NOWHERE = "bridge", "veth", "pod", ""
_UNQUOTABLE = set('"\\*')  # what ends a string in nft's text, or makes a pattern of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`port` is the host's end; `bridge` what it is a port of; `reason` says why there is no place.

    `tagged`: its packets can have a VLAN tag where they cross the bridge.
    """

    kind: str
    port: str = ""
    bridge: str = ""
    link_local: str = ""
    dhcp: bool = False
    tagged: bool = False
    reason: str = ""


def place_of(attached: Attached) -> Place:
    """Where rules for the attachment take effect."""
    plugin = _first_plugin(attached.config)
    kind, conf = maker_of(str(plugin.get("type") or ""), plugin)
    links = attached.result.get("interfaces")
    links = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    inside = [link for link in links if link.get("sandbox")]
    outside = [str(link.get("name") or "") for link in links if not link.get("sandbox")]
    names = [
        attached.interface,
        *(str(link.get("name") or "") for link in links),
        str(plugin.get("bridge") or ""),
    ]
    reason = _unreachable(kind, plugin, links, names)
    if reason:
        return Place(kind=NOWHERE, reason=reason)
    ipam = plugin.get("ipam")
    dhcp = isinstance(ipam, dict) and ipam.get("type") == "dhcp"
    local = link_local(next((str(link.get("mac") or "") for link in inside), ""))
    bridge = str(conf.get("bridge") or "cni0")
    ports = [name for name in outside if name != bridge and not ifname_problem(name)]
    enforced = plugin_type(kind).enforced
    if enforced == BRIDGE and bridge in outside and len(ports) == 1:
        tagged = bool(conf.get("vlan") or conf.get("vlanTrunk"))
        return Place(kind=BRIDGE, port=ports[0], bridge=bridge, link_local=local, dhcp=dhcp, tagged=tagged)
    if enforced == VETH and len(ports) == 1:
        return Place(kind=VETH, port=ports[0], link_local=local, dhcp=dhcp)
    return Place(kind=POD, port=attached.interface, link_local=local, dhcp=dhcp)


def _unreachable(kind: str, plugin: JSON, links: Sequence[JSON], names: Sequence[str]) -> str:
    if plugin_type(kind).userspace or any(link.get("socketPath") for link in links) or plugin.get("dpdkMode"):
        return "its packets do not pass the kernel (DPDK or a datapath of its own)"
    if any(set(name) & _UNQUOTABLE for name in names):
        return "the name of an interface cannot be part of a rule"
    if links and not any(link.get("sandbox") for link in links):
        return "its plugin reports no interface in the pod"
    return ""


def _first_plugin(config: JSON) -> JSON:
    """The plugin that made the interface, its keys as plugins find them: in any spelling."""
    plugins = config.get("plugins")
    if isinstance(plugins, list) and plugins and isinstance(plugins[0], dict):
        config = plugins[0]
    found: JSON = view(encode(config))
    return found


def link_local(mac: str) -> str:
    """The IPv6 address that an interface with this MAC gives itself (RFC 4291, appendix A); "" for no MAC."""
    try:
        octets = [int(part, 16) for part in mac.split(":")]
        packed = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    except (ValueError, IndexError):
        return ""
    if len(packed) != 8:
        return ""
    groups = ":".join(f"{packed[i]:02x}{packed[i + 1]:02x}" for i in range(0, 8, 2))
    return addresses_in([f"fe80::{groups}"])[0]
