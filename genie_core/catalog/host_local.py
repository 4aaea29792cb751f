"""host-local: addresses from ranges, leases as files on the node. containernetworking/plugins, ipam/host-local.

Its ranges are read by genie_core/spec/ranges.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from genie_core.catalog.codes import GN1030, GN1031, GN1032, GN1033, GN1034
from genie_core.catalog.plugin import (
    JSON,
    ROUTES,
    Field,
    NodeView,
    Plugin,
    Problem,
    Role,
    Wanted,
    given,
    is_default_route,
)
from genie_core.fields import place
from genie_core.findings import Code
from genie_core.settings import IPAM_DIR
from genie_core.spec.ranges import Span, raw_ranges, spans

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_RANGE = (
    Field("subnet", "network", "the subnet", required=True),
    Field("rangeStart", "address", "first address to hand out"),
    Field("rangeEnd", "address", "last address to hand out"),
    Field("gateway", "address", "the gateway; absent: the subnet's first address"),
)
# The top-level `subnet` may be words of other plugins: Calico's usePodCidr.
_TOP = (Field("subnet", doc="one subnet, the short form of ranges"), *_RANGE[1:])
_WORDS = ("usePodCidr", "usePodCidrIPv6")


def _problem(path: str, text: str, code: Code = GN1030, hint: str = "") -> Problem:
    return Problem(path, text, code=code, hint=hint)


def _check_range(entry: Mapping[str, Any], path: str) -> Iterator[Problem]:
    key = place(path, "subnet")
    text = entry.get("subnet")
    if text in _WORDS:
        return
    try:
        network = ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        yield _problem(key, f'"{text}" is not a subnet', hint="write it as 10.1.0.0/16")
        return
    if ipaddress.ip_interface(str(text)).ip != network.network_address:
        yield _problem(
            key,
            f"{text} has host bits set: the subnet is {network}",
            code=GN1031,
            hint=f"write {network}; host-local refuses the ADD otherwise",
        )
    yield from _check_inside(entry, path, network)


def _check_inside(entry: Mapping[str, Any], path: str, network: Network) -> Iterator[Problem]:
    inside = {}
    for key in ("rangeStart", "rangeEnd", "gateway"):
        try:
            inside[key] = ipaddress.ip_address(str(entry[key]))
        except (KeyError, ValueError):
            continue
        if inside[key] not in network:
            code = GN1032 if key == "gateway" else GN1033
            yield _problem(place(path, key), f"{inside[key]} is outside the subnet {network}", code=code)
    first, last = inside.get("rangeStart"), inside.get("rangeEnd")
    if first and last and first.version == last.version and int(first) > int(last):
        yield _problem(place(path, "rangeEnd"), f"{last} is before rangeStart {first}", code=GN1033)
    if network.num_addresses < 4:
        yield _problem(place(path, "subnet"), f"{network} is too small: /30 (IPv6: /126) or larger")


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    found = list(raw_ranges(data, where))
    ranges = data.get("ranges")
    if not found and not (isinstance(ranges, list) and ranges):
        yield _problem(place(where, "ranges"), "is missing: there is no subnet to take addresses from")
    for path, entry in found:
        yield from _check_range(entry, path)
    if data.get("subnet") and isinstance(ranges, list) and ranges:
        yield Problem(
            place(where, "subnet"),
            "and ranges are both there: the pod gets an address from each",
            hint="keep one of them",
            code=GN1034,
        )
    known = list(spans(data, where))
    for index, one in enumerate(known):
        for other in known[:index]:
            if one.subnet.overlaps(other.subnet) and (one.first in other or other.first in one):
                yield _problem(
                    f"{one.path}.subnet", f"{one.subnet} overlaps {other.subnet} of {other.path}", code=GN1034
                )
    yield from _check_routes(data, where, known)


def _check_routes(data: JSON, where: str, known: list[Span]) -> Iterator[Problem]:
    routes = data.get("routes")
    for index, route in enumerate(routes if isinstance(routes, list) else []):
        path = place(where, f"routes[{index}]")
        if not isinstance(route, dict) or not isinstance(route.get("dst"), str):
            yield _problem(path, 'needs "dst", a subnet such as 0.0.0.0/0')
            continue
        try:
            destination = ipaddress.ip_network(route["dst"], strict=False)
        except ValueError:
            yield _problem(
                f"{path}.dst", f'"{route["dst"]}" is not a subnet', hint="the default route is 0.0.0.0/0"
            )
            continue
        versions = {one.subnet.version for one in known}
        if is_default_route(route) and versions and destination.version not in versions:
            yield _problem(f"{path}.dst", f"{route['dst']}: no range has addresses of this family")


def _template(wanted: Wanted, node: NodeView) -> JSON:
    subnet = ipaddress.ip_network(wanted.subnet)
    own = given(rangeStart=wanted.range_start, rangeEnd=wanted.range_end, gateway=wanted.gateway)
    section: dict[str, Any] = {"ranges": [[{"subnet": str(subnet)} | own]]}
    if wanted.default_route:
        section["routes"] = [{"dst": "0.0.0.0/0" if subnet.version == 4 else "::/0"}]
    return section


PLUGIN = Plugin(
    type="host-local",
    role=Role.IPAM,
    summary="addresses from ranges; leases are files on the node",
    fields=(
        *_TOP,
        Field(
            "ranges",
            "array",
            "one address from each group of ranges",
            items=Field(
                "group", "array", items=Field("range", "object", fields=(Field("subnet"), *_RANGE[1:]))
            ),
        ),
        ROUTES,
        Field("dataDir", "path", "where leases are kept", default=IPAM_DIR),
        Field("resolvConf", "path", "a file whose DNS settings are reported", opens="file"),
    ),
    capabilities=("ipRanges", "ips"),
    checks=(_check,),
    template=_template,
    docs="https://www.cni.dev/plugins/current/ipam/host-local/",
)
