"""A node as a picture, and as a page around it: who reads which configuration, what it makes, and which pods have it.

Columns from left to right: runtimes, configurations, chains of plugins, networks, bridges and parents, pods. The same
facts give the same picture: files are in the order in which runtimes read them, pods by network and name. State is in
words, besides colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from genie_cli.views.html import dim, document, table, text
from genie_cli.views.page import checks_of, findings_of
from genie_cli.views.svg import BOX, LINE, MARGIN, PADDING, box, edge, label, picture, width_of
from genie_core.fields import counted
from genie_core.findings import summary_line
from genie_core.survey.facts import Cached, ConfFile
from genie_core.survey.selection import RuntimeChoice
from genie_core.survey.versions import needed
from genie_core.tasks.discover import NodeReport

COLUMNS = ("Runtimes", "Configurations", "Plugins", "Networks", "Bridges and parents", "Pods")
_GAP, _ROW = 56.0, 62.0


@dataclass(frozen=True, slots=True)
class Item:
    """One box: its column, a key that is unique there, its name, the words under it, whether it is bad.

    Without a name it is a line that passes the column, in a place of its own.
    """

    column: int
    key: str
    name: str
    note: str = ""
    bad: bool = False


@dataclass(slots=True)
class Graph:
    """The boxes by column and key, and the pairs of boxes of neighbouring columns with a line between them."""

    items: dict[tuple[int, str], Item] = field(default_factory=dict)
    edges: dict[tuple[tuple[int, str], tuple[int, str]], None] = field(default_factory=dict)

    def add(self, item: Item, *before: Item) -> Item:
        """Add a box, once, with a line from each of `before`."""
        place = (item.column, item.key)
        self.items.setdefault(place, item)
        for one in before:
            self.edges[(one.column, one.key), place] = None
        return item

    def column(self, number: int) -> list[Item]:
        """The boxes and lines of a column, in the order in which they were added."""
        return [one for one in self.items.values() if one.column == number]

    def boxes(self, number: int) -> list[Item]:
        """The boxes of a column alone."""
        return [one for one in self.column(number) if one.name]

    def leading_to(self, item: Item) -> list[str]:
        """The names of the boxes before this one, whatever lines pass between."""
        before = [self.items[a] for a, b in self.edges if b == (item.column, item.key)]
        return [name for one in before for name in ([one.name] if one.name else self.leading_to(one))]


def graph_of(report: NodeReport) -> Graph:
    """The boxes and lines of a node."""
    graph = Graph()
    runtimes = [graph.add(_runtime(choice)) for choice in report.choices]
    by_network: dict[str, list[Item]] = {}
    for file in report.facts.conf_files:
        if file.ignored:
            continue
        users = [one for one, choice in zip(runtimes, report.choices, strict=True) if file in choice.files]
        for name, ends in _configuration(report, graph, file, users):
            by_network.setdefault(name, []).extend(ends)
    order = list(by_network)
    known = (one for one in report.facts.files.cached if one.network in order)
    unknown = (one for one in report.facts.files.cached if one.network not in order)
    pods = sorted(known, key=lambda one: (order.index(one.network), one.pod, one.container, one.ifname))
    for cached in (*pods, *sorted(unknown, key=lambda one: (one.pod, one.container, one.ifname))):
        if not cached.problem and (cached.pod or cached.container):
            graph.add(_pod(cached), *dict.fromkeys(by_network.get(cached.network, ())))
    return graph


def _runtime(choice: RuntimeChoice) -> Item:
    runtime = choice.runtime
    state = "running" if runtime.running else "not running"
    return Item(0, runtime.name, runtime.name, f"{state}, reads {runtime.conf_dir}")


def _configuration(
    report: NodeReport, graph: Graph, file: ConfFile, users: list[Item]
) -> Iterator[tuple[str, list[Item]]]:
    """Its boxes up to the bridge or parent; the network's name, and the boxes that its pods hang on."""
    verdict = report.verdict(file)
    own = graph.add(Item(1, file.path, file.file, verdict, verdict in ("error", "fatal")), *users)
    if not file.chain or file.network is None:
        return
    path = report.facts.search_path(file.directory)
    missing = [one.type for one in needed(file) if report.facts.find_binary(one.type, path) is None]
    types = " + ".join(str(one.get("type", "?")) for one in file.chain)
    ipam = ", ".join(dict.fromkeys(one.type for one in needed(file) if one.ipam))
    note = f"missing: {', '.join(missing)}" if missing else f"addresses by {ipam}" if ipam else ""
    chain = graph.add(Item(2, file.path, types, note, bool(missing)), own)
    pool = next((one for one in report.pools if one.network == file.network.name), None)
    ranges = ", ".join(str(span.subnet) for span in pool.spans) if pool else ""
    leased = f", {counted(len(pool.leases), 'lease')}" if pool and ranges else ""
    network = graph.add(Item(3, file.network.name, file.network.name, f"{ranges}{leased}"), chain)
    links = [graph.add(link, network) for link in _links(report, file)]
    if not links and any(one.network == file.network.name for one in report.facts.files.cached):
        links = [graph.add(Item(4, f"past {file.path}", ""), network)]
    yield file.network.name, links or [network]


def _links(report: NodeReport, file: ConfFile) -> Iterator[Item]:
    """The bridge or the parent that a configuration names."""
    for plugin in file.chain:
        kind = plugin.get("type")
        name = plugin.get("bridge", "cni0") if kind == "bridge" else plugin.get("master")
        if kind not in ("bridge", "macvlan", "ipvlan", "vlan") or not isinstance(name, str) or not name:
            continue
        link = report.facts.node.link(name)
        later = kind == "bridge"
        state = "not there: the first pod makes it" if later else "not there"
        yield Item(
            4, name, name, ("up" if link.up else "down") if link else state, link is None and not later
        )


def _pod(cached: Cached) -> Item:
    name = cached.pod or cached.container[:13]
    return Item(5, f"{name} {cached.ifname}", name, f"{cached.ifname} {', '.join(cached.addresses)}".strip())


def svg(report: NodeReport) -> str:
    """The picture alone."""
    graph = graph_of(report)
    columns = [graph.column(number) for number in range(len(COLUMNS))]
    widths = [
        max([width_of(head, "head"), *map(_width, items)])
        for head, items in zip(COLUMNS, columns, strict=True)
    ]
    lefts = [MARGIN + sum(widths[:number]) + number * _GAP for number in range(len(COLUMNS))]
    top = MARGIN + LINE * 1.5
    places = {
        (one.column, one.key): (lefts[one.column], top + row * _ROW)
        for items in columns
        for row, one in enumerate(items)
    }
    parts = [
        edge(places[a][0] + widths[a[0]], places[a][1] + BOX / 2, places[b][0], places[b][1] + BOX / 2)
        for a, b in graph.edges
    ]
    parts += [label(left, MARGIN + 10, head, "head") for left, head in zip(lefts, COLUMNS, strict=True)]
    for place, (x, y) in places.items():
        one = graph.items[place]
        if not one.name:
            parts.append(edge(x, y + BOX / 2, x + widths[one.column], y + BOX / 2))
            continue
        parts.append(box(x, y, widths[one.column], one.name, "box bad" if one.bad else "box"))
        parts += [label(x, y + BOX + 12, one.note, "kind")] if one.note else []
    height = top + max(1, *map(len, columns)) * _ROW + MARGIN
    return picture(
        f"Node {report.facts.node_name}", words_of(graph), (lefts[-1] + widths[-1] + MARGIN, height), parts
    )


def _width(item: Item) -> float:
    return max(width_of(item.name) + 2 * PADDING, width_of(item.note, "kind"))


def words_of(graph: Graph) -> str:
    """The picture in words: what each column has."""
    parts = []
    for number, head in enumerate(COLUMNS):
        named = [f"{one.name} ({one.note})" if one.note else one.name for one in graph.boxes(number)]
        parts.append(f"{head}: {'; '.join(named) or 'none'}.")
    return " ".join(parts)


def page(report: NodeReport) -> str:
    """The HTML file: the summary, the picture, its boxes as lists with what leads to them, findings, checks."""
    title, graph = f"Node {report.facts.node_name}", graph_of(report)
    line = summary_line(report.findings, report.checks)
    body = [
        f'<header class="wide"><h1>{text(title)}</h1>{dim(line)}</header>',
        f'<main class="wide"><h2>Picture</h2><figure>{svg(report)}</figure>',
        *_lists(graph),
        *findings_of(report.findings),
        *checks_of(report.checks),
        "</main>",
    ]
    return document(title, body, report.facts.time)


def _lists(graph: Graph) -> Iterator[str]:
    for number, head in enumerate(COLUMNS):
        rows = [(one.name, one.note, ", ".join(graph.leading_to(one))) for one in graph.boxes(number)]
        if rows:
            yield f"<h2>{text(head)}</h2>{table(('Name', 'State', 'By'), rows)}"
