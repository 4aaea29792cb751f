"""bandwidth: rate limits, by token buckets. containernetworking/plugins, meta/bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Wanted

_MAX_BURST = 2**32 - 1  # bits: the kernel's token bucket counts bytes in 32 bits, after multiplying by 8


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    prefix = f"{where}." if where else ""
    for way in ("ingress", "egress"):
        rate, burst = data.get(f"{way}Rate"), data.get(f"{way}Burst")
        if bool(rate) != bool(burst):
            missing = f"{way}Burst" if rate else f"{way}Rate"
            yield Problem(
                path=f"{prefix}{missing}",
                text=f"must be set where {way}{'Rate' if rate else 'Burst'} is: the plugin refuses one alone",
                code=GN1022,
            )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "bandwidth", "capabilities": {"bandwidth": True}}


def _rate(name: str, doc: str) -> Field:
    return Field(
        name=name, kind="integer", minimum=0, maximum=_MAX_BURST if name.endswith("Burst") else None, doc=doc
    )


PLUGIN = Plugin(
    type="bandwidth",
    role=Role.META,
    summary="rate limits of the pod's interface",
    fields=(
        _rate("ingressRate", "bits per second to the pod"),
        _rate("ingressBurst", "bits"),
        _rate("egressRate", "bits per second from the pod"),
        _rate("egressBurst", "bits"),
        Field(
            name="unshapedSubnets",
            kind="array",
            items=Field(name="subnet", kind="network"),
            doc="not limited",
        ),
        Field(
            name="shapedSubnets", kind="array", items=Field(name="subnet", kind="network"), doc="only these"
        ),
    ),
    capabilities=("bandwidth",),
    checks=(_check,),
    template=_template,
    needs="sch_tbf",
    check_fails="CHECK of bandwidth crashes for pods without rates (cmdCheck reads rates that are not there)",
    docs="https://www.cni.dev/plugins/current/meta/bandwidth/",
)
