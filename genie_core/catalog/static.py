"""static: fixed addresses from the configuration. containernetworking/plugins, ipam/static."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.catalog.codes import GN1032
from genie_core.catalog.plugin import JSON, ROUTES, Field, NodeView, Plugin, Problem, Role, Wanted, given
from genie_core.errors import InvalidConfig
from genie_core.fields import place

_ADDRESS = (
    Field("address", "cidr", "address with prefix length", required=True),
    Field("gateway", "address", "its gateway"),
    Field("version", doc="before 1.0: 4 or 6"),
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    addresses = data.get("addresses")
    for index, entry in enumerate(addresses if isinstance(addresses, list) else []):
        try:
            network = ipaddress.ip_interface(str(entry["address"])).network
            gateway = ipaddress.ip_address(str(entry["gateway"]))
        except (KeyError, TypeError, ValueError):
            continue
        if gateway not in network:
            path = place(where, f"addresses[{index}].gateway")
            yield Problem(path, f"{gateway} is outside the subnet {network}", code=GN1032)


def _template(wanted: Wanted, node: NodeView) -> JSON:
    if any(member.startswith("ipam.addresses") for member in wanted.given):
        return {}
    if not wanted.addresses:
        raise InvalidConfig("static needs the addresses", hint="--address 192.168.1.50/24, once for each")
    return {"addresses": [{"address": one} | given(gateway=wanted.gateway) for one in wanted.addresses]}


PLUGIN = Plugin(
    type="static",
    role=Role.IPAM,
    summary="fixed addresses, the same for every pod",
    fields=(
        Field("addresses", "array", "addresses", items=Field("address", "object", fields=_ADDRESS)),
        ROUTES,
        Field("dns", "object", "DNS settings to report"),
    ),
    capabilities=("ips",),
    checks=(_check,),
    template=_template,
    docs="https://www.cni.dev/plugins/current/ipam/static/",
)
