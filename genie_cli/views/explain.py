"""The layout of explanations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from genie_cli.render import Block, Cell, Fields, Heading, Pair, Table, Text
from genie_core.dialects import WORDS
from genie_core.tasks.explain import Chosen, Explained, KeyReport, NetworkUsage, Selection

_MOST = 20  # codes that are explained in full: more than one check reports


def code_view(report: Explained, wide: bool) -> Iterator[Block]:
    """The codes with their whole explanations; of very many a list."""
    if len(report.items) > _MOST:
        yield Table(("CODE", "WHAT"), [(item, item.fault) for item in report.items])
        return
    for item in report.items:
        yield Heading(f"{item}: {item.fault}")
        pairs: list[Pair] = [
            ("cause", item.cause),
            ("confirm", item.confirm),
            ("fix", item.fix),
        ]
        if item.startswith("GN"):
            pairs.append(("page", f"docs/codes/{item}.md"))
        yield Fields(pairs)


def key_view(report: KeyReport, wide: bool) -> Iterator[Block]:
    """The values and the effect of a key."""
    field = report.field
    yield Heading(f"{report.path} of a configuration of type {report.plugin}")
    pairs: list[Pair] = [("what", field.doc or "-")]
    if field.kind != "any":
        pairs.append(("type", field.kind))
    if field.default is not None:
        pairs.append(("default", _as_written(field.default)))
    if field.choices:
        pairs.append(("one of", ", ".join(map(str, field.choices))))
    if field.fields:
        pairs.append(("members", ", ".join(member.name for member in field.fields)))
    yield Fields(pairs)


def _as_written(value: Any) -> str:
    """A default as it is written in a configuration."""
    return value if isinstance(value, str) else json.dumps(value)


def selection_view(report: Selection, wide: bool) -> Iterator[Block]:
    """The annotations, the rule, the networks as recorded and as they would be now."""
    yield Heading(f"Why pod {report.pod} has its networks")
    yield from _rule(report)
    yield from _limits(report)
    if report.attached is not None:
        yield Heading("Attached, as this node's state has it")
        yield from _networks(report.attached, report.addresses)
        yield from _what_kubernetes_shows(report)
    if report.now is not None and (report.changed or report.attached is None):
        yield Heading("What an ADD would choose now" + (": not the same" if report.changed else ""))
        yield from _networks(report.now)
    elif report.now is not None:
        yield Text("An ADD would choose the same now.", "good")
    elif report.annotations is not None:
        yield Text(f"An ADD would fail now: {report.problem}", "bad")
        if report.hint:
            yield Text(report.hint, indent=2)


def _rule(report: Selection) -> Iterator[Block]:
    if report.annotations is None:
        yield Text(f"Its annotations are not known: {report.problem}", "warn", 2)
        return
    rows = [
        (Cell(key, "strong"), value.strip() or '""', "decides" if key == report.decides else "-")
        for key, value in (report.annotations or {}).items()
    ]
    if rows:
        yield Table(("ANNOTATION", "VALUE", ""), rows, fold=("VALUE",))
    decided = f"Annotation {report.decides} decides: " if report.decides else ""
    yield Text(f"{decided}{report.rule}.", indent=2)


def _limits(report: Selection) -> Iterator[Block]:
    """The networks that the pod's namespace can take, where something is limited."""
    limits, namespace = report.can_take, report.pod.partition("/")[0]
    pairs: list[Pair] = []
    if limits["networks"] is not None:
        pairs.append(("of the node", ", ".join(["the default network", *limits["networks"]])))
    if limits["definitions"] is not None:
        pairs.append(("definitions", ", ".join(limits["definitions"])))
    pairs += [(f"with {who}", ", ".join(networks)) for who, networks in limits["byLabels"].items()]
    if len(limits["annotations"]) < len(WORDS):
        pairs.append(("asked for with", ", ".join(limits["annotations"]) or "no annotation"))
    if limits["cniArgs"] != ["*"]:
        pairs.append(("cni-args can set", ", ".join(limits["cniArgs"]) or "nothing"))
    if pairs:
        yield Heading(f"What pods of namespace {namespace} can take")
        yield Fields(pairs)


def _what_kubernetes_shows(report: Selection) -> Iterator[Block]:
    """Which of these addresses are the pod's in its status, where there are others beside them."""
    held = [interface for interface, addresses in report.addresses.items() if addresses]
    if len(held) > 1:
        others = ", ".join(held[1:])
        yield Text(
            f"status.podIPs of the pod, which Services use, has those of {held[0]} alone, not of {others}.",
            "dim",
        )


def _networks(
    networks: tuple[Chosen, ...], addresses: Mapping[str, tuple[str, ...]] | None = None
) -> Iterator[Block]:
    """The networks; with the addresses of each interface where it has some already."""
    held = addresses or {}
    shown = ("ADDRESSES",) if held else ()
    rows = [
        (
            Cell(n.interface, "strong"),
            n.network,
            *((", ".join(held.get(n.interface, ())) or "-",) if held else ()),
            " + ".join(n.plugins),
            n.why,
        )
        for n in networks
    ]
    heads = ("INTERFACE", "NETWORK", *shown, "PLUGINS", "ASKED FOR BY")
    yield Table(heads, rows, fold=("ADDRESSES", "PLUGINS", "ASKED FOR BY"))
    yield Table(("NETWORK", "CONFIGURATION"), [(n.network, n.source) for n in networks])


def network_view(report: NetworkUsage, wide: bool) -> Iterator[Block]:
    """The network, its pods with their addresses, and its overlaps."""
    yield Heading(f"Network {report.network}")
    fields: list[Pair] = [
        (name, value)
        for name, value in (
            ("object", report.object),
            ("created", report.created),
            ("physical network", report.physical),
            ("plugin", report.plugin),
            ("subnet", report.subnet),
            ("bridge", report.bridge),
        )
        if value
    ]
    if fields:
        yield Fields(fields)
    if report.problem:
        yield Text(f"Only this node's state was read: {report.problem}", "warn", 2)
    yield Heading(f"Pods ({len(report.pods)})")
    rows = [
        (
            Cell(user.pod, "strong"),
            "this node" if user.here else user.node or "-",
            user.interface or "-",
            ", ".join(user.addresses) or "not known",
        )
        for user in report.pods
    ]
    if rows:
        yield Table(("POD", "NODE", "INTERFACE", "ADDRESSES"), rows)
    if report.overlaps:
        yield Heading("Overlaps")
        yield Table(
            ("NETWORK", "SUBNET", "WHICH PODS START"),
            [
                (
                    item.network,
                    item.subnet,
                    "those of that one, which is older" if item.older else "those of this one",
                )
                for item in report.overlaps
            ],
        )
    elif report.subnet and not report.problem:
        yield Text("No other logical network has addresses of its subnet.", "good")
