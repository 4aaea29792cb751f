"""Which networks of a pod may be attached side by side (`parallel_attachments`). Pure; imported for these pods alone.

The CNI specification has a runtime add one network of a container after the other (SPEC, section 3, "Lifecycle &
Ordering"), so a plugin may rely on being alone in the pod's namespace. Only plugins whose code was read (the
reference plugins, v1.1.1 to v1.9.0) run beside others; a type that is not in the table below is alone.

What those have in common with other networks of the pod, and therefore in which order they run:

- The same network twice: host-local gives out addresses in the order of the calls, and bridge and ptp keep one chain of
  masquerading for a network and container, which both would make.
- The same bridge or parent interface: the first one makes the bridge and gives it its address; macvlan and ipvlan
  exclude each other on one parent, and the last ipvlan sets the mode for all on it.
- A parent inside the pod (`linkInContainer`) is another network's interface.
- The same subnet, or the same destination of a route: the kernel takes the one that was added first, or last. Default
  routes are no such case: they are settled once all networks are there (default_routes.py).
- tuning with a key that is not of its interface: `conf.all` and `conf.default` concern the other's interface, too.
- firewall: both would make the chains that all containers share.

What needs no order: host-local locks its leases (flock), iptables its tables (--wait) and nft its transactions, and all
pods of the node meet there at any time. The names of interfaces are given out in the plan. The primary network has no
place of its own: the annotation may name it last.
"""

from genie_core.gojson import view
from genie_core.plugin_types import plugin_type
from genie_core.spec.addresses import canonical_prefix, is_default, without_host_bits
from genie_core.spec.ranges import raw_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from genie_core.model import Attachment

# What a runtime may ask for without a consequence for other networks. Only one network of a pod can have portMappings.
_CAPABILITIES = {"bandwidth", "dns", "portMappings"}
_MAIN = ("bridge", "ptp", "macvlan", "ipvlan", "vlan", "dummy")
_META = ("bandwidth", "firewall", "portmap", "tuning")
_IPAM = ("host-local", "static")


class _Alone(Exception):
    """The network may use anything."""


def batches(attachments: "Sequence[Attachment]") -> list[list[int]]:
    """The indexes of the attachments in their order; those of one list have no order between them.

    [] where each has one.
    """
    found: list[list[int]] = []
    taken: set[str] | None = None  # what the networks of the last batch use; None: anything
    for index, attachment in enumerate(attachments):
        used = used_by(attachment)
        if used is None or taken is None or used & taken:
            found.append([index])
            taken = used
        else:
            found[-1].append(index)
            taken |= used
    return found if len(found) < len(attachments) else []


def used_by(attachment: "Attachment") -> set[str] | None:
    """What the attachment may have in common with another one of the pod; None where that is not known."""
    if attachment.device or not _CAPABILITIES.issuperset(attachment.capabilities):
        return None
    try:
        return {f"network {attachment.network.name}", *_used(attachment)}
    # beside _Alone: a value of a wrong kind or a missing key, which the plugin reports
    except (_Alone, LookupError, ValueError, TypeError, AttributeError):
        return None


def _used(attachment: "Attachment") -> "Iterator[str]":
    first, *chained = attachment.network.plugins
    config = view(first.text)
    if first.type not in _MAIN or "args" in config or config.get("macspoofchk"):
        raise _Alone
    if first.type == "bridge":
        yield f"link {config.get('bridge') or 'cni0'}"
    elif plugin_type(first.type).has_parent:
        if config.get("linkInContainer") or not config.get("master"):
            raise _Alone
        yield f"link {config['master']}"
    yield from _addresses(config.get("ipam") or {})
    for plugin in chained:
        if plugin.type not in _META:
            raise _Alone
        if plugin.type == "firewall":
            yield "firewall"
        if plugin.type == "tuning" and not all(
            "IFNAME" in key for key in view(plugin.text).get("sysctl") or {}
        ):
            raise _Alone


def _addresses(ipam: "dict[str, Any]") -> "Iterator[str]":
    """The subnets that the pod gets addresses in, and where its routes lead."""
    if not ipam:
        return
    if ipam.get("type") not in _IPAM:
        raise _Alone
    subnets = [entry["subnet"] for _, entry in raw_ranges(ipam, "")]
    subnets += [entry["address"] for entry in ipam.get("addresses") or []]
    for text in [*subnets, *(route["dst"] for route in ipam.get("routes") or [])]:
        prefix = canonical_prefix(text)
        if not is_default(prefix):
            yield f"prefix {without_host_bits(prefix)}"
