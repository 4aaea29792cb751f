"""portmap: host ports. containernetworking/plugins, meta/portmap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1012
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Severity, Wanted


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    capabilities = data.get("capabilities")
    if not isinstance(capabilities, dict) or capabilities.get("portMappings") is not True:
        yield Problem(
            path=f"{where}.capabilities" if where else "capabilities",
            text="does not switch portMappings on: hostPort has no effect",
            severity=Severity.WARNING,
            hint='"capabilities": {"portMappings": true}',
            code=GN1012,
        )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}


PLUGIN = Plugin(
    type="portmap",
    role=Role.META,
    summary="host ports of the pod, by iptables or nftables",
    fields=(
        Field(
            name="snat", kind="boolean", default=True, doc="let the pod and localhost use the host port too"
        ),
        Field(name="backend", choices=("iptables", "nftables"), doc="how (plugins >= 1.6)"),
        Field(name="markMasqBit", kind="integer", minimum=0, maximum=31, default=13, doc="bit of the mark"),
        Field(name="externalSetMarkChain", doc="a chain that sets the mark instead"),
        Field(name="conditionsV4", kind="array", items=Field(name="rule"), doc="iptables conditions"),
        Field(name="conditionsV6", kind="array", items=Field(name="rule"), doc="ip6tables conditions"),
        Field(name="masqAll", kind="boolean", doc="masquerade all host port traffic"),
    ),
    capabilities=("portMappings",),
    checks=(_check,),
    template=_template,
    docs="https://www.cni.dev/plugins/current/meta/portmap/",
)
