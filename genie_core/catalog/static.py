"""static: fixed addresses from the configuration. containernetworking/plugins, ipam/static."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1032
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Wanted
from genie_core.errors import InvalidConfig

_ADDRESS = (
    Field(name="address", kind="cidr", required=True, doc="address with prefix length"),
    Field(name="gateway", kind="address", doc="its gateway"),
    Field(name="version", doc="before 1.0: 4 or 6"),
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
            path = f"{where}.addresses[{index}].gateway" if where else f"addresses[{index}].gateway"
            yield Problem(path=path, text=f"{gateway} is outside the subnet {network}", code=GN1032)


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    if any(member.startswith("ipam.addresses") for member in wanted.given):
        return {"type": "static"}
    if not wanted.addresses:
        raise InvalidConfig("static needs the addresses", hint="--address 192.168.1.50/24, once for each")
    gateway = {"gateway": wanted.gateway} if wanted.gateway else {}
    return {"type": "static", "addresses": [{"address": address} | gateway for address in wanted.addresses]}


PLUGIN = Plugin(
    type="static",
    role=Role.IPAM,
    summary="fixed addresses, the same for every pod",
    fields=(
        Field(
            name="addresses",
            kind="array",
            items=Field(name="address", kind="object", fields=_ADDRESS),
            doc="addresses",
        ),
        Field(
            name="routes", kind="array", items=Field(name="route", kind="object"), doc="routes for the pod"
        ),
        Field(name="dns", kind="object", doc="DNS settings to report"),
    ),
    capabilities=("ips",),
    checks=(_check,),
    template=_template,
    docs="https://www.cni.dev/plugins/current/ipam/static/",
)
