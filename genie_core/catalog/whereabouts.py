"""whereabouts: addresses for the whole cluster, leases as API objects. k8snetworkplumbingwg/whereabouts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.catalog.codes import GN1030, GN1032, GN1033
from genie_core.catalog.plugin import JSON, ROUTES, Field, NodeView, Plugin, Problem, Role, Wanted, given
from genie_core.fields import place

_RANGE = (
    Field("range", doc="the subnet, or first-last/prefix"),
    Field("range_start", "address", "first address to hand out"),
    Field("range_end", "address", "last address to hand out"),
    Field("exclude", "array", "subnets that are not handed out", items=Field("subnet")),
    Field("gateway", "address", "the gateway"),
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    if not data.get("range") and not data.get("ipRanges"):
        yield Problem(
            place(where, "range"), "is missing: there is no subnet to take addresses from", code=GN1030
        )
        return
    text = str(data.get("range") or "").rpartition("-")[2]
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if text:
            yield Problem(place(where, "range"), f'"{text}" is not a subnet', code=GN1030)
        return
    for key in ("range_start", "range_end", "gateway"):
        try:
            inside = ipaddress.ip_address(str(data.get(key))) in network
        except ValueError:
            continue
        if not inside:
            yield Problem(
                place(where, key),
                f"{data[key]} is outside the subnet {network}",
                code=GN1032 if key == "gateway" else GN1033,
            )


def _template(wanted: Wanted, node: NodeView) -> JSON:
    others = given(range_start=wanted.range_start, range_end=wanted.range_end, gateway=wanted.gateway)
    return {"range": wanted.subnet} | others


PLUGIN = Plugin(
    type="whereabouts",
    role=Role.IPAM,
    summary="addresses for the whole cluster; leases are API objects",
    fields=(
        *_RANGE,
        Field("ipRanges", "array", "several ranges", items=Field("range", "object", fields=_RANGE)),
        ROUTES,
        Field("network_name", doc="keeps overlapping ranges apart"),
        Field("node_slice_size", doc="size of a node's slice"),
        Field("enable_overlapping_ranges", "boolean", "look at all ranges", default=True),
        Field("kubernetes", "object", "API", fields=(Field("kubeconfig", doc="credentials file"),)),
        Field("datastore", doc="kubernetes or etcd"),
        Field("etcd_host", doc="etcd server"),
        Field("etcd_username", doc="etcd user"),
        Field("etcd_password", doc="etcd password", secret=True),
        Field("configuration_path", doc="a file with more options"),
        Field("log_file", doc="log file"),
        Field("log_level", doc="log level"),
        Field("sleep_for_race", "integer", "for tests"),
        Field("leader_lease_duration", "integer", "ms"),
        Field("leader_renew_deadline", "integer", "ms"),
        Field("leader_retry_period", "integer", "ms"),
    ),
    checks=(_check,),
    template=_template,
    docs="https://github.com/k8snetworkplumbingwg/whereabouts",
)
