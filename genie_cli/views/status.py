"""A cluster's networks on one screen: the verdict first, then its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from genie_cli.render import Block, Cell, Fields, Heading, Table, Text, Tone
from genie_core.fields import counted
from genie_core.tasks.status.judge import PodProblem, Problem
from genie_core.tasks.status.nodes import NodeStatus
from genie_core.tasks.status.report import ClusterStatus, NetworkList
from genie_core.tasks.status.usage import Network, owners_of

T = TypeVar("T")
_TONES: dict[str, Tone] = {"good": "good", "bad": "bad", "unknown": "warn"}
_ROWS = 20  # of a table, unless -o wide
_DAY, _HOUR = 86400, 3600


def view(report: ClusterStatus, wide: bool) -> Iterator[Block]:
    """Problems, DaemonSets, nodes, networks, pods."""
    yield _verdict(report)
    yield from _problems(report.problems)
    yield Heading("Genie")
    yield Fields([*_daemon_sets(report), _pods(report)])
    if report.nodes:
        yield Heading("Nodes")
        yield from _cut(_node_table(_worst_first(report.nodes, wide)), len(report.nodes), wide)
    if report.networks:
        yield Heading("Networks")
        table = _network_table(_shown(report.networks, wide), _unused(report))
        yield from _cut(table, len(report.networks), wide)
    if report.pod_problems:
        yield Heading("Pods without the networks that they ask for")
        yield from _cut(_pod_table(_first(report.pod_problems, wide)), len(report.pod_problems), wide)
    yield from _missing(report.missing)


def networks_view(report: NetworkList, _wide: bool) -> Iterator[Block]:
    """All networks; one alone with its pods, owners and overlaps."""
    if not report.detailed:
        if report.networks:
            yield _network_table(report.networks, _unused(report))
        elif report.missing:
            yield Text("no network in what could be read", "warn")
        else:
            yield Text(f"no network{report.scope} is defined, and no pod{report.scope} asks for one")
        yield from _missing(report.missing)
        return
    for network in report.networks:
        yield from _one(network, _unused(report))
    yield from _missing(report.missing)


def _unused(report: ClusterStatus | NetworkList) -> str:
    """What is said of a network without pods; "" where pods could not be read."""
    return "" if "Pod" in report.missing else f"no pod{report.scope} uses it"


def _one(network: Network, unused: str) -> Iterator[Block]:
    yield Fields(
        [
            ("network", network.name),
            ("kind", network.object),
            ("plugin", network.plugin or "-"),
            ("subnets", ", ".join(network.subnets) or "-"),
            ("addresses", _addresses(network)),
        ]
    )
    if network.problem:
        yield Text(network.problem, "bad")
    if network.users:
        yield Heading("A change would concern")
        owners = owners_of(network.users).items()
        rows = [(f"{kind} {namespace}/{name}", str(count)) for (namespace, kind, name), count in owners]
        yield Table(("WORKLOAD", "PODS"), rows, right=("PODS",))
        yield Heading("Pods")
        yield Table(
            ("POD", "NODE", "INTERFACE", "ADDRESSES"),
            [
                (user.pod, user.node or "-", user.interface or "-", ", ".join(user.addresses) or "-")
                for user in network.users
            ],
        )
    elif unused:
        yield Text(unused)
    if network.overlaps:
        yield Heading("It has addresses of")
        yield Table(("WHAT", "SUBNET"), [(item.what, item.subnet) for item in network.overlaps])


def _verdict(report: ClusterStatus) -> Text:
    errors = sum(one.severity == "error" for one in report.problems)
    if errors:
        return Text(f"{errors} error{'s' if errors > 1 else ''}", "bad")
    if report.missing:
        known = report.nodes or report.networks or report.pods or report.daemon_sets
        return Text("no error in what could be read" if known else "nothing could be read", "warn")
    if report.scope and not (report.pods or report.networks):
        return Text(f"there is no pod and no network{report.scope}", "warn")
    if unknown := sum(node.verdict == "unknown" for node in report.nodes):
        return Text(f"no error is known; {counted(unknown, 'node reports', 'nodes report')} nothing", "warn")
    return Text("all networks work as far as the API server shows", "good")


def _problems(problems: Sequence[Problem]) -> Iterator[Block]:
    for one in problems:
        yield Text(f"{one.severity}: {one.text}", "bad" if one.severity == "error" else "warn", indent=2)
        yield Text(one.fix, "dim", indent=4)


def _daemon_sets(report: ClusterStatus) -> Iterator[tuple[str, str]]:
    for one in report.daemon_sets:
        yield (
            f"DaemonSet {one.namespace}/{one.name}",
            f"{one.ready} of {one.desired} ready, {one.updated} of the newest template, image {one.image}",
        )
    if not report.daemon_sets:
        yield "DaemonSet", "none" if "DaemonSet" not in report.missing else "not read"


def _pods(report: ClusterStatus) -> tuple[str, str]:
    if "Pod" in report.missing:
        return "pods", "not read"
    return "pods", f"{report.pods}, of which {report.asking} ask for networks"


def _node_table(nodes: Sequence[NodeStatus]) -> Table:
    rows = [
        (
            node.name,
            Cell(node.verdict, _TONES[node.verdict]),
            node.version or "-",
            ", ".join(f"{count} {name}" for name, count in node.findings.items() if count) or "-",
            _life(node.token_seconds),
            node.default_network or "-",
            str(node.pods),
            node.reason,
        )
        for node in nodes
    ]
    columns = ("NODE", "STATE", "VERSION", "FINDINGS", "TOKEN", "DEFAULT NETWORK", "PODS", "REASON")
    return Table(columns, rows, fold=("REASON",), right=("PODS",))


def _life(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    if seconds <= 0:
        return "expired"
    return f"{seconds // _DAY} d" if seconds >= 2 * _DAY else f"{seconds // _HOUR} h"


def _network_table(networks: Sequence[Network], unused: str) -> Table:
    rows = [
        (
            network.name,
            network.object,
            network.plugin or "-",
            str(len(network.users)),
            _addresses(network),
            Cell(network.problem, "bad") if network.problem else _overlap(network, unused),
        )
        for network in networks
    ]
    return Table(
        ("NETWORK", "KIND", "PLUGIN", "PODS", "ADDRESSES", "REMARKS"),
        rows,
        fold=("REMARKS",),
        right=("PODS",),
    )


def _addresses(network: Network) -> str:
    if network.size is None:
        return f"{network.used} used" if network.used else "-"
    where = " on the fullest node" if network.per_node and network.used else ""
    return f"{network.used} of {network.size} used{where}"


def _overlap(network: Network, unused: str) -> str:
    names = [item.what for item in network.overlaps]
    if not names:
        return "" if network.users else unused
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"shares addresses with {', '.join(names[:2])}{more}"


def _pod_table(pods: Sequence[PodProblem]) -> Table:
    rows = [(one.pod, one.node or "-", one.state, one.reason) for one in pods]
    return Table(("POD", "NODE", "STATE", "REASON"), rows, fold=("REASON",))


def _worst_first(nodes: Sequence[NodeStatus], wide: bool) -> Sequence[NodeStatus]:
    order = {"bad": 0, "unknown": 1, "good": 2}
    return _first(sorted(nodes, key=lambda node: (order[node.verdict], node.name)), wide)


def _shown(networks: Sequence[Network], wide: bool) -> Sequence[Network]:
    return _first(sorted(networks, key=lambda one: (not one.problem, -len(one.users), one.name)), wide)


def _first(rows: Sequence[T], wide: bool) -> Sequence[T]:
    return rows if wide else rows[:_ROWS]


def _cut(table: Table, count: int, wide: bool) -> Iterator[Block]:
    yield table
    if not wide and count > _ROWS:
        yield Text(f"and {count - _ROWS} more: -o wide shows all", "dim", indent=2)


def _missing(missing: Mapping[str, str]) -> Iterator[Block]:
    if missing:
        yield Heading("Not read, so not judged")
        yield Fields(list(missing.items()))
