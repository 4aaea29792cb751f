"""host-device: moves an interface of the node into the pod. containernetworking/plugins, main/host-device."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1023
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted, check_master
from genie_core.errors import InvalidConfig
from genie_core.fields import place

_NAMING = ("device", "hwaddr", "kernelpath", "pciBusID")


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    capabilities = data.get("capabilities")
    by_runtime = isinstance(capabilities, dict) and capabilities.get("deviceID")
    if not any(data.get(key) for key in _NAMING) and not by_runtime:
        path = place(where, "device")
        yield Problem(path, "is missing: one of device, hwaddr, kernelpath, pciBusID names the interface")
    if data.get("device") and data["device"] == node.default_link:
        yield Problem(
            place(where, "device"),
            f'"{node.default_link}" carries the default route of this node: the first pod would cut it off',
            code=GN1023,
        )
    yield from check_master(data, where, node, key="device")


def _template(wanted: Wanted, node: NodeView) -> JSON:
    # the plugin takes `device` before the others, so it must not be there
    if wanted.given.intersection(_NAMING):
        return {}
    spare = [
        link.name
        for link in (node.links or {}).values()
        if link.name not in ("lo", node.default_link) and not link.addresses and not link.kind
    ]
    device = wanted.master or next(iter(sorted(spare)), "")
    if not device:
        raise InvalidConfig(
            "host-device needs the interface that it moves into the pod: this node has no spare one",
            hint="name it with --master IFACE, or by --set pciBusID=, hwaddr= or kernelpath=",
        )
    return {"device": device}


PLUGIN = Plugin(
    type="host-device",
    role=Role.INTERFACE,
    summary="moves an interface of the node into the pod",
    fields=(
        Field("device", "interface", "by its name"),
        Field("hwaddr", "mac", "by its MAC"),
        Field("kernelpath", "path", "by its path below /sys/devices"),
        Field("pciBusID", doc="by its PCI address, as in 0000:00:1f.6"),
    ),
    capabilities=("deviceID",),
    ipam=Ipam.OPTIONAL,
    checks=(_check,),
    template=_template,
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/host-device/",
)
