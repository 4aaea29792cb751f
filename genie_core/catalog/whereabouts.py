"""whereabouts: addresses for the whole cluster, leases as API objects. k8snetworkplumbingwg/whereabouts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1030, GN1032, GN1033
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Wanted

_RANGE = (
    Field(name="range", doc="the subnet, or first-last/prefix"),
    Field(name="range_start", kind="address", doc="first address to hand out"),
    Field(name="range_end", kind="address", doc="last address to hand out"),
    Field(name="exclude", kind="array", items=Field(name="subnet"), doc="subnets that are not handed out"),
    Field(name="gateway", kind="address", doc="the gateway"),
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    prefix = f"{where}." if where else ""
    if not data.get("range") and not data.get("ipRanges"):
        yield Problem(
            path=f"{prefix}range", text="is missing: there is no subnet to take addresses from", code=GN1030
        )
        return
    text = str(data.get("range") or "").rpartition("-")[2]
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if text:
            yield Problem(path=f"{prefix}range", text=f'"{text}" is not a subnet', code=GN1030)
        return
    for key in ("range_start", "range_end", "gateway"):
        try:
            inside = ipaddress.ip_address(str(data.get(key))) in network
        except ValueError:
            continue
        if not inside:
            yield Problem(
                path=f"{prefix}{key}",
                text=f"{data[key]} is outside the subnet {network}",
                code=GN1032 if key == "gateway" else GN1033,
            )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    section = {"type": "whereabouts", "range": wanted.subnet}
    extra = {"range_start": wanted.range_start, "range_end": wanted.range_end, "gateway": wanted.gateway}
    return section | {key: value for key, value in extra.items() if value}


PLUGIN = Plugin(
    type="whereabouts",
    role=Role.IPAM,
    summary="addresses for the whole cluster; leases are API objects",
    fields=(
        *_RANGE,
        Field(
            name="ipRanges",
            kind="array",
            items=Field(name="range", kind="object", fields=_RANGE),
            doc="several ranges",
        ),
        Field(
            name="routes", kind="array", items=Field(name="route", kind="object"), doc="routes for the pod"
        ),
        Field(name="network_name", doc="keeps overlapping ranges apart"),
        Field(name="node_slice_size", doc="size of a node's slice"),
        Field(name="enable_overlapping_ranges", kind="boolean", default=True, doc="look at all ranges"),
        Field(
            name="kubernetes",
            kind="object",
            fields=(Field(name="kubeconfig", doc="credentials file"),),
            doc="API",
        ),
        Field(name="datastore", doc="kubernetes or etcd"),
        Field(name="etcd_host", doc="etcd server"),
        Field(name="etcd_username", doc="etcd user"),
        Field(name="etcd_password", doc="etcd password", secret=True),
        Field(name="configuration_path", doc="a file with more options"),
        Field(name="log_file", doc="log file"),
        Field(name="log_level", doc="log level"),
        Field(name="sleep_for_race", kind="integer", doc="for tests"),
        Field(name="leader_lease_duration", kind="integer", doc="ms"),
        Field(name="leader_renew_deadline", kind="integer", doc="ms"),
        Field(name="leader_retry_period", kind="integer", doc="ms"),
    ),
    checks=(_check,),
    template=_template,
    docs="https://github.com/k8snetworkplumbingwg/whereabouts",
)
