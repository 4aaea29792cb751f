"""Which keys of the annotation's `cni-args` a pod may set: `allow_cni_args`, and what the definition offers.

    ["*"]            every key but the guarded ones (the default)
    ["*", "mtu"]     mtu besides
    ["labels"]       this key alone
    []               none

`*` stands for any text, and never for a guarded key, which has to be named in full. Plugins take the guarded keys for
addresses, for MAC addresses, and for settings of interface and kernel (host-local, static and whereabouts `ips`; bridge
`mac`; tuning all of `mac`, `mtu`, `promisc`, `allmulti`, `txQLen`, `sysctl`); the others are spellings of the same that
further plugins may have. A pod sets an address or a MAC address where the definition offers that capability. Keys are
compared as plugins compare them. Pure; on the kubelet path where a pod has `cni-args`.
"""

from genie_core.errors import InvalidConfig
from genie_core.gojson import fold
from genie_core.select.allowed import matches
from genie_core.select.names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Each guarded key, and the capability by which a definition offers the same.
GUARDED = {
    "ips": "ips",
    "ip": "ips",
    "address": "ips",
    "addresses": "ips",
    "mac": "mac",
    "guid": "infinibandGUID",
    "infinibandGUID": "infinibandGUID",
    "ipRanges": "ipRanges",
    **dict.fromkeys(("gateway", "gateways", "routes", "subnet", "subnets", "range", "ranges"), ""),
    **dict.fromkeys(("rangeStart", "rangeEnd", "range_start", "range_end"), ""),
    **dict.fromkeys(("mtu", "promisc", "allmulti", "txQLen", "sysctl", "sysctls", "vlan"), ""),
}
_GUARDED = {fold(key): capability for key, capability in GUARDED.items()}


def refuse_forbidden(
    keys: "Iterable[str]", allowed: "Collection[str]", offered: "Collection[str]", origin: str
) -> None:
    """Raise InvalidConfig, naming the annotation's entry and the key, where a key is not the pod's to set.

    `offered` are the capabilities that the network's plugins switch on.
    """
    patterns = [fold(pattern) for pattern in allowed]
    for key in keys:
        if not _is_allowed(fold(key), patterns, offered):
            raise InvalidConfig(
                f"{origin}: cni-args: {printable(key)} is not a pod's to set on this node",
                hint=_what_to_do(printable(key), _GUARDED.get(fold(key), "")),
            )


def _is_allowed(key: str, patterns: "Collection[str]", offered: "Collection[str]") -> bool:
    if key not in _GUARDED:
        return any(matches(pattern, key) for pattern in patterns)
    capability = _GUARDED[key]
    return key in patterns or bool(capability and capability in offered)


def _what_to_do(key: str, capability: str) -> str:
    allow = f"let the administrator add it to allow_cni_args: {key}"
    if not capability:
        return f"leave it out, or {allow}"
    return f'leave it out, set "capabilities": {{"{capability}": true}} in the definition, or {allow}'
