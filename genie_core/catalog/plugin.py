"""The description of one plugin type, and the facts that its checks may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from genie_core.catalog.codes import GN1020, GN1021
from genie_core.catalog.schema import Field, Problem, check_object, json_schema
from genie_core.fields import place
from genie_core.findings import Severity
from genie_core.published import JSON


class Role(StrEnum):
    """What a plugin does in a chain."""

    INTERFACE = "interface"  # makes the pod's interface, by itself
    CLUSTER = "cluster"  # the same, with an agent on each node and its own installer
    META = "meta"  # chained behind one of the two above
    IPAM = "ipam"  # named in `ipam.type`
    DISPATCHER = "dispatcher"  # calls other plugins: Genie, Multus


class Ipam(StrEnum):
    """Whether a plugin calls an address plugin."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OWN = "own"  # addresses come from its agent
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One interface of the node, with what a configuration depends on."""

    name: str
    mtu: int = 1500
    up: bool = True
    kind: str = ""
    addresses: tuple[str, ...] = ()
    master: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """What a configuration may refer to on the node.

    `links` is None where the node could not be read, or is not this machine: then interfaces are not checked.
    `default_link` is the interface of the default route. `binaries` are the plugin types installed, None likewise.
    `subnets` are the networks in use: addresses and routes, each with its holder. `bridges` are the bridges that
    other configurations name.
    """

    links: Mapping[str, LinkView] | None = None
    default_link: str = ""
    binaries: Sequence[str] | None = None
    subnets: Mapping[str, str] = field(default_factory=dict)
    bridges: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of `generate-config`; empty where the generator chooses.

    `given` are the members of the plugin that `--set` gives, as in `ipam.addresses[0]`: nothing is chosen for them.
    """

    name: str = ""
    master: str = ""
    bridge: str = ""
    mode: str = ""
    vlan: int = 0
    mtu: int = 0
    subnet: str = ""
    gateway: str = ""
    range_start: str = ""
    range_end: str = ""
    addresses: tuple[str, ...] = ()
    default_route: bool = False
    given: frozenset[str] = frozenset()


PluginCheck = Callable[[JSON, str, NodeView], Iterator[Problem]]
Template = Callable[[Wanted, NodeView], JSON]

COMMON = (
    Field("type", required=True, doc="the plugin's type: the name of its binary"),
    Field("name", doc="only the list's name counts"),
    Field("cniVersion", doc="only the list's version counts"),
    Field("capabilities", "object", "capability arguments that the runtime may pass on"),
    Field("args", "object", "arguments for the plugin, args.cni.*"),
    Field("dns", "object", "DNS settings to report (nameservers, domain, search, options)"),
    Field("runtimeConfig", "object", "filled in by the runtime, not by hand"),
    Field("prevResult", "any", "filled in by the runtime, not by hand"),
)
IPAM = Field("ipam", "object", "address management")
MTU = Field("mtu", "integer", "MTU of the interface; 0 or absent: the kernel's", minimum=0, maximum=65536)


MASTER = Field("master", "interface", "the parent; absent: the interface of the default route")
LINK_IN_CONTAINER = Field("linkInContainer", "boolean", "the parent is in the pod's namespace", default=False)
MASQUERADE_BACKEND = Field(
    "ipMasqBackend", doc="how to masquerade (plugins >= 1.6)", choices=("iptables", "nftables")
)
ROUTES = Field("routes", "array", "routes for the pod", items=Field("route", "object"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A known plugin type.

    `binaries` are the names it has in configurations where they differ from `type`; `capabilities` what it can
    take from the runtime; `conf_files` the names its installer gives its configuration; `needs` the kernel
    module. `template` is, or makes, the members of one entry of a chain, or of an `ipam` object. `on_lan` is true where
    the pods' addresses live on a network outside the node, so that its subnet overlaps its parent's on purpose.
    `host_ports` is true where portmap is expected behind it, which makes a pod's hostPort work.
    `check_fails` is the reason why CHECK of a chain with it fails for a healthy pod, observed with the reference
    plugins 1.1.1; `check_fails_without_ipam` the same where its entry names no IPAM plugin.
    """

    type: str
    role: Role
    summary: str
    binaries: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    capabilities: tuple[str, ...] = ()
    ipam: Ipam = Ipam.NONE
    conf_files: tuple[str, ...] = ()
    checks: tuple[PluginCheck, ...] = ()
    template: Template | JSON = field(default_factory=dict)
    needs: str = ""
    on_lan: bool = False
    host_ports: bool = False
    check_fails: str = ""
    check_fails_without_ipam: str = ""
    docs: str = ""

    def why_check_fails(self, entry: JSON) -> str:
        """Why CHECK of a chain with this entry fails for a healthy pod, "" where it does not."""
        ipam = entry.get("ipam")
        has_ipam = isinstance(ipam, dict) and bool(ipam.get("type"))
        return self.check_fails or ("" if has_ipam else self.check_fails_without_ipam)

    @property
    def names(self) -> tuple[str, ...]:
        """The values of `type` in configurations, which are the names of the binaries."""
        return self.binaries or (self.type,)

    def entry(self, wanted: Wanted, node: NodeView) -> dict[str, Any]:
        """One entry of a chain, or an `ipam` object, made for this node. Raises InvalidConfig for what is missing."""
        own = self.template(wanted, node) if callable(self.template) else deepcopy(self.template)
        return {"type": self.names[0], **own}

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """Its own fields, and those that every plugin takes."""
        if self.role is Role.IPAM:
            return (COMMON[0], *self.fields)
        return (*COMMON, *(() if self.ipam is Ipam.NONE else (IPAM,)), *self.fields)

    def problems(self, data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
        """Everything that is wrong with one entry of a chain, or with an `ipam` object of this type."""
        yield from check_object(self.all_fields, data, where)
        if self.ipam is Ipam.REQUIRED and not data.get("ipam"):
            yield Problem(
                place(where, "ipam"),
                f"is missing: {self.type} needs an address plugin",
                explained_by=("GN0209",),
            )
        for check in self.checks:
            yield from check(data, where, node)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of one configuration object of this type."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"CNI plugin {self.type}",
            "description": self.summary,
        } | json_schema(self.all_fields)


def check_master(data: JSON, where: str, node: NodeView, key: str = "master") -> Iterator[Problem]:
    """The parent interface exists and carries the wanted MTU."""
    master, mtu = data.get(key), data.get("mtu")
    if node.links is None or not isinstance(master, str) or not master or data.get("linkInContainer") is True:
        return
    path = place(where, key)
    link = node.links.get(master)
    if link is None:
        known = ", ".join(sorted(name for name in node.links if name != "lo"))
        yield Problem(
            path, f'interface "{master}" is not on this node', hint=f"this node has {known}", code=GN1020
        )
        return
    if isinstance(mtu, int) and mtu > link.mtu:
        yield Problem(
            place(where, "mtu"),
            f"{mtu} is above the {link.mtu} of its parent {master}",
            hint=f"use at most {link.mtu}",
            code=GN1021,
        )
    if not link.up:
        yield Problem(path, f'interface "{master}" is down', severity=Severity.WARNING, code=GN1020)
    if link.master and data.get("type") in ("macvlan", "ipvlan"):
        text = (
            f'interface "{master}" is a port of {link.master}, and the kernel makes no {data["type"]} on it'
        )
        yield Problem(path, text, hint=f"name {link.master} as the parent, or take it out", code=GN1020)


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value}


def pick_master(wanted: Wanted, node: NodeView) -> str:
    """The parent interface: the wanted one, else that of the default route, else eth0."""
    return wanted.master or node.default_link or "eth0"


def is_default_route(route: object) -> bool:
    """True for a route object whose destination is everything (conformance C29)."""
    return isinstance(route, dict) and route.get("dst") in ("0.0.0.0/0", "::/0", "::0/0", "0/0")


__all__ = [
    "COMMON",
    "JSON",
    "LINK_IN_CONTAINER",
    "MASQUERADE_BACKEND",
    "MASTER",
    "MTU",
    "ROUTES",
    "Field",
    "Ipam",
    "LinkView",
    "NodeView",
    "Plugin",
    "Problem",
    "Role",
    "Severity",
    "Wanted",
    "check_master",
    "given",
    "is_default_route",
    "pick_master",
]
