"""GN14xx: what deleted pods left behind: cached results, network namespaces and their veths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.fields import counted
from genie_core.findings import Code, Confidence, Evidence, Finding, Subject
from genie_core.survey.facts import Cached, Facts
from genie_core.survey.kernel import Namespace
from genie_core.survey.sandboxes import abandoned

# Names that runtimes give: containerd cni-<uuid>, CRI-O a bare uuid. Other namespaces belong to the administrator.
_RUNTIMES_OWN = re.compile(r"cni-[0-9a-f-]+[0-9a-z-]*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+")
_SHOWN = 5


def is_runtimes_own(name: str) -> bool:
    """Whether a runtime gives namespaces such names."""
    return _RUNTIMES_OWN.fullmatch(name) is not None


GN1401 = Code("GN1401", "a stale cached result",
    cause="its container does not exist, or the file has the name of another one",
    confirm="ls /var/lib/cni/results", fix="genie gc")  # fmt: skip


@check("cache-stale", GN1401, title="cached results belong to sandboxes", needs=("cache",))
def stale_cache(facts: Facts) -> Iterator[Finding]:
    alive = {namespace.path.rpartition("/")[2] for namespace in facts.namespaces}
    readable = [entry for entry in facts.cache if entry.container and not entry.problem]
    yield from (_misnamed(entry) for entry in readable if not _names(entry.file, entry.container))
    gone = [
        (entry, why)
        for entry in readable
        if _names(entry.file, entry.container) and (why := _why_stale(entry, facts, alive))
    ]
    if gone:
        yield _without_sandbox(gone)


def _without_sandbox(gone: list[tuple[Cached, str]]) -> Finding:
    first, why = gone[0]
    what = f"cached result {_file_name(first)} has" if len(gone) == 1 else f"{len(gone)} cached results have"
    return GN1401.warning(
        f"{what} no sandbox: {why if len(gone) == 1 else 'their containers are gone'}",
        Subject(kind="file", name=first.network, netns=first.netns, file=first.file),
        *(_content(entry, f"; {why}") for entry, why in gone[:_SHOWN]),
        remedy=fix("`genie gc` checks again and removes them", ["genie", "gc", "--dry-run"]),
    )


def _misnamed(entry: Cached) -> Finding:
    return GN1401.warning(
        f"cached result {_file_name(entry)} has no sandbox: its name and its content differ",
        Subject(kind="file", name=entry.network, netns=entry.netns, file=entry.file),
        _content(entry),
        remedy=fix(
            "remove the file, once the runtime has no sandbox of that ID",
            ["rm", entry.file],
            risk="the runtime needs the file for the DEL of a sandbox that still exists",
        ),
    )


def _file_name(entry: Cached) -> str:
    return entry.file.rpartition("/")[2]


def _content(entry: Cached, more: str = "") -> Evidence:
    value = f"container {entry.container}, interface {entry.ifname}, netns {entry.netns or 'none'}{more}"
    return seen(entry.file, value)


def _why_stale(entry: Cached, facts: Facts, alive: set[str]) -> str:
    if facts.sandboxes is not None:
        return "" if _is_live(entry.container, facts) else "the runtime does not know the container"
    gone = (
        entry.netns and not entry.netns.startswith("/proc/") and entry.netns.rpartition("/")[2] not in alive
    )
    return f"its namespace {entry.netns} is gone" if gone else ""


def _names(file: str, container: str) -> bool:
    """Whether the file's name has the container ID that its content has (conformance B57, B67)."""
    return f"-{container}-" in file.rpartition("/")[2]


GN1403 = Code("GN1403", "a cached result cannot be read",
    cause="it is damaged",
    confirm="the file", fix="delete it when its container is gone")  # fmt: skip


@check("cache-readable", GN1403, title="cached results can be read", needs=("cache",))
def damaged_cache(facts: Facts) -> Iterator[Finding]:
    for entry in facts.cache:
        if entry.problem:
            yield GN1403.warning(
                f"cached result {entry.file.rpartition('/')[2]} cannot be read: {entry.problem}",
                Subject(kind="file", file=entry.file),
                remedy=fix(
                    "remove it after its sandbox is gone: the runtime drops it on DEL",
                    risk="CHECK of its sandbox fails",
                ),
            )


GN1402 = Code("GN1402", "a stale network namespace",
    cause="no process runs in it, and it keeps its veths",
    confirm="ip netns pids NAME", fix="genie gc, which checks twice")  # fmt: skip


@check("netns-stale", GN1402, title="namespaces belong to sandboxes", needs=("processes",))
def stale_namespaces(facts: Facts) -> Iterator[Finding]:
    used = {entry.netns.rpartition("/")[2] for entry in facts.cache if _is_live(entry.container, facts)}
    # an ADD under way has written its record; the runtime lists the sandbox later
    gone = abandoned(facts)
    used |= {one.netns.rpartition("/")[2] for one in facts.genie.records if one not in gone}
    for namespace in facts.namespaces:
        name = namespace.path.rpartition("/")[2]
        if namespace.processes != 0 or name in used or not is_runtimes_own(name):
            continue
        yield _stale(
            namespace,
            name,
            [f"{link} on {master}" if master else link for link, master in _held(namespace, facts)],
        )


def _is_live(container: str, facts: Facts) -> bool:
    return facts.sandbox_ids is None or container in facts.sandbox_ids


def _held(namespace: Namespace, facts: Facts) -> list[tuple[str, str]]:
    """The host ends of the veths that lead into a namespace, with the bridge each is on."""
    number = facts.namespace_numbers.get(namespace.path, -1)
    links = facts.node.links if number >= 0 else ()
    return [(link.name, facts.node.name_of(link.master)) for link in links if link.peer_nsid == number]


def _stale(namespace: Namespace, name: str, held: list[str]) -> Finding:
    holds = f"; it holds {', '.join(held[:_SHOWN])}" if held else ""
    return GN1402.warning(
        f"network namespace {name} has no process and no sandbox{holds}",
        Subject(kind="netns", name=name, netns=namespace.path),
        seen(
            "/proc",
            f"no process; it was made {counted(round(namespace.age), 'second')} ago",
            f"ip netns pids {name}",
        ),
        remedy=fix(
            "a sandbox that is being created has no process yet: check again in a minute; `genie gc` checks twice, and "
            "removes the namespace with its interfaces",
            ["genie", "gc", "--dry-run"],
        ),
        confidence=Confidence.MEDIUM,
    )
