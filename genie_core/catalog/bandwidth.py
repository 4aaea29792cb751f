"""bandwidth: rate limits, by token buckets. containernetworking/plugins, meta/bandwidth."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role
from genie_core.fields import place

_MAX_BURST = 2**32 - 1  # bits: the kernel's token bucket counts bytes in 32 bits, after multiplying by 8


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    for way in ("ingress", "egress"):
        rate, burst = data.get(f"{way}Rate"), data.get(f"{way}Burst")
        if bool(rate) != bool(burst):
            missing = f"{way}Burst" if rate else f"{way}Rate"
            yield Problem(
                place(where, missing),
                f"must be set where {way}{'Rate' if rate else 'Burst'} is: the plugin refuses one alone",
                code=GN1022,
            )


def _rate(name: str, doc: str) -> Field:
    return Field(name, "integer", doc, minimum=0, maximum=_MAX_BURST if name.endswith("Burst") else None)


PLUGIN = Plugin(
    type="bandwidth",
    role=Role.META,
    summary="rate limits of the pod's interface",
    fields=(
        _rate("ingressRate", "bits per second to the pod"),
        _rate("ingressBurst", "bits"),
        _rate("egressRate", "bits per second from the pod"),
        _rate("egressBurst", "bits"),
        Field("unshapedSubnets", "array", "not limited", items=Field("subnet", "network")),
        Field("shapedSubnets", "array", "only these", items=Field("subnet", "network")),
    ),
    capabilities=("bandwidth",),
    checks=(_check,),
    template={"capabilities": {"bandwidth": True}},
    needs="sch_tbf",
    check_fails="CHECK of bandwidth crashes for pods without rates (cmdCheck reads rates that are not there)",
    docs="https://www.cni.dev/plugins/current/meta/bandwidth/",
)
