"""portmap: host ports. containernetworking/plugins, meta/portmap."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1012
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Severity
from genie_core.fields import place


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    capabilities = data.get("capabilities")
    if not isinstance(capabilities, dict) or capabilities.get("portMappings") is not True:
        yield Problem(
            place(where, "capabilities"),
            "does not switch portMappings on: hostPort has no effect",
            severity=Severity.WARNING,
            hint='"capabilities": {"portMappings": true}',
            code=GN1012,
        )


PLUGIN = Plugin(
    type="portmap",
    role=Role.META,
    summary="host ports of the pod, by iptables or nftables",
    fields=(
        Field("snat", "boolean", "let the pod and localhost use the host port too", default=True),
        Field("backend", choices=("iptables", "nftables"), doc="how (plugins >= 1.6)"),
        Field("markMasqBit", "integer", "bit of the mark", minimum=0, maximum=31, default=13),
        Field("externalSetMarkChain", doc="a chain that sets the mark instead"),
        Field("conditionsV4", "array", "iptables conditions", items=Field("rule")),
        Field("conditionsV6", "array", "ip6tables conditions", items=Field("rule")),
        Field("masqAll", "boolean", "masquerade all host port traffic"),
    ),
    capabilities=("portMappings",),
    checks=(_check,),
    template={"snat": True, "capabilities": {"portMappings": True}},
    docs="https://www.cni.dev/plugins/current/meta/portmap/",
)
