"""host-device: moves an interface of the node into the pod. containernetworking/plugins, main/host-device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1023
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted, check_master
from genie_core.errors import InvalidConfig

_NAMING = ("device", "hwaddr", "kernelpath", "pciBusID")


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    capabilities = data.get("capabilities")
    by_runtime = isinstance(capabilities, dict) and capabilities.get("deviceID")
    if not any(data.get(key) for key in _NAMING) and not by_runtime:
        path = f"{where}.device" if where else "device"
        yield Problem(
            path=path, text="is missing: one of device, hwaddr, kernelpath, pciBusID names the interface"
        )
    if data.get("device") and data["device"] == node.default_link:
        yield Problem(
            path=f"{where}.device" if where else "device",
            text=f'"{node.default_link}" carries the default route of this node: the first pod would cut it off',
            code=GN1023,
        )
    yield from check_master(data, where, node, key="device")


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    # the plugin takes `device` before the others, so it must not be there
    if wanted.given.intersection(_NAMING):
        return {"type": "host-device"}
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
    return {"type": "host-device", "device": device}


PLUGIN = Plugin(
    type="host-device",
    role=Role.INTERFACE,
    summary="moves an interface of the node into the pod",
    fields=(
        Field(name="device", kind="interface", doc="by its name"),
        Field(name="hwaddr", kind="mac", doc="by its MAC"),
        Field(name="kernelpath", kind="path", doc="by its path below /sys/devices"),
        Field(name="pciBusID", doc="by its PCI address, as in 0000:00:1f.6"),
    ),
    capabilities=("deviceID",),
    ipam=Ipam.OPTIONAL,
    checks=(_check,),
    template=_template,
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/host-device/",
)
