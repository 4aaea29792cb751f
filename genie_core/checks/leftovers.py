"""GN14xx: what pods that are gone have left: cached results, network namespaces and the veths they keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genie_core.checks.node_wording import fix
from genie_core.findings import Confidence, Evidence, Finding, Severity, Subject
from genie_core.survey.node_facts import NodeFacts
from genie_core.survey.records import CachedResult, Namespace

# Names that runtimes give: containerd cni-<uuid>, CRI-O a bare uuid. People's own namespaces are nobody's business.
_RUNTIMES_OWN = re.compile(r"cni-[0-9a-f-]+[0-9a-z-]*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+")
_SHOWN = 5


def is_runtimes_own(name: str) -> bool:
    """Whether a runtime gives namespaces such names."""
    return _RUNTIMES_OWN.fullmatch(name) is not None


def stale_cache(facts: NodeFacts) -> Iterator[Finding]:
    """GN1401: cached results whose container nobody has, or that carry another container's name."""
    alive = {namespace.path.rpartition("/")[2] for namespace in facts.namespaces}
    for entry in facts.cache or ():
        why = "" if entry.problem or not entry.container else _why_stale(entry, facts, alive)
        if not why:
            continue
        yield Finding(
            code="GN1401",
            severity=Severity.WARNING,
            title=f"cached result {entry.file.rpartition('/')[2]} has no sandbox: {why}",
            object=Subject(kind="file", name=entry.network, netns=entry.netns, file=entry.file),
            evidence=(
                Evidence(
                    source=entry.file,
                    value=f"container {entry.container}, interface {entry.ifname}, netns {entry.netns or 'none'}",
                ),
            ),
            remedy=fix(
                "check that no sandbox has that ID, then remove the file",
                ["crictl", "pods", "--id", entry.container],
                ["rm", entry.file],
                risk="the runtime needs the file for the DEL of a sandbox that still exists",
            ),
        )


def _why_stale(entry: CachedResult, facts: NodeFacts, alive: set[str]) -> str:
    if not _names(entry.file, entry.container):
        return "its file name is another container's than its content"
    if facts.sandboxes is not None:
        return "" if entry.container in facts.sandboxes else "the runtime does not know the container"
    gone = (
        entry.netns and not entry.netns.startswith("/proc/") and entry.netns.rpartition("/")[2] not in alive
    )
    return f"its namespace {entry.netns} is gone" if gone else ""


def _names(file: str, container: str) -> bool:
    """Whether the file's name has the container ID that its content has (conformance B57, B67)."""
    return f"-{container}-" in file.rpartition("/")[2]


def damaged_cache(facts: NodeFacts) -> Iterator[Finding]:
    """GN1403: cached results that cannot be read."""
    for entry in facts.cache or ():
        if entry.problem:
            yield Finding(
                code="GN1403",
                severity=Severity.WARNING,
                title=f"cached result {entry.file.rpartition('/')[2]} cannot be read: {entry.problem}",
                object=Subject(kind="file", file=entry.file),
                remedy=fix(
                    "remove it after its sandbox is gone: the runtime drops it on DEL",
                    risk="CHECK of its sandbox fails",
                ),
            )


def stale_namespaces(facts: NodeFacts) -> Iterator[Finding]:
    """GN1402: namespaces that a runtime made and in which nothing runs, with the veths that they keep."""
    used = {entry.netns.rpartition("/")[2] for entry in facts.cache or () if _is_live(entry.container, facts)}
    for namespace in facts.namespaces:
        name = namespace.path.rpartition("/")[2]
        if namespace.processes != 0 or name in used or not is_runtimes_own(name):
            continue
        yield _stale(
            namespace,
            name,
            [f"{link} on {master}" if master else link for link, master in _held(namespace, facts)],
        )


def _is_live(container: str, facts: NodeFacts) -> bool:
    return facts.sandboxes is None or container in facts.sandboxes


def _held(namespace: Namespace, facts: NodeFacts) -> list[tuple[str, str]]:
    """The node's ends of the veths that lead into a namespace, with the bridge each is on."""
    number = facts.namespace_numbers.get(namespace.path, -1)
    links = facts.net.links.values() if facts.net and number >= 0 else ()
    return [(link.name, link.master) for link in links if link.peer_nsid == number]


def _stale(namespace: Namespace, name: str, held: list[str]) -> Finding:
    holds = f"; it holds {', '.join(held[:_SHOWN])}" if held else ""
    return Finding(
        code="GN1402",
        severity=Severity.WARNING,
        title=f"network namespace {name} has no process and no sandbox{holds}",
        object=Subject(kind="netns", name=name, netns=namespace.path),
        evidence=(Evidence(source="/proc", command=f"ip netns pids {name}", value="no process"),),
        remedy=fix(
            "check that no sandbox uses it, then delete it; its interfaces go with it",
            ["crictl", "pods"],
            ["ip", "netns", "delete", name],
            risk="a sandbox that is just being made has no process yet: look twice",
        ),
        confidence=Confidence.MEDIUM,
    )
