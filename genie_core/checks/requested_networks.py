"""Whether pods are attached to the networks that their annotations select.

While Genie's configuration is missing (a reboot, an upgrade, another agent that moved it), the runtime uses the next
file of its directory: the pod runs on one network, without an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, the_pod
from genie_core.dialects import NETWORK_STATUS, dialect_of
from genie_core.errors import InvalidConfig
from genie_core.findings import Code, Evidence, Finding, Remedy, Severity, Subject
from genie_core.net.case import Case
from genie_core.published import JSON
from genie_core.select import selections_of
from genie_core.select.names import printable
from genie_core.status import MULTI_IP_PREFERENCES
from genie_core.survey import cluster

OLD_NETWORK_STATUS = "k8s.v1.cni.cncf.io/networks-status"  # Multus before 4
# Annotations that a meta-plugin, Genie or another one, writes into a pod that it attached.
ANSWERS = (NETWORK_STATUS, OLD_NETWORK_STATUS, MULTI_IP_PREFERENCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a pod's annotation selects: `count` networks; 0 where it cannot be parsed, for the reason `problem`."""

    annotation: str
    value: str
    count: int
    problem: str = ""

    def __str__(self) -> str:
        return f'{self.annotation}: "{printable(self.value)}"'


def asked(pod: JSON) -> Asked | None:
    """None where the pod names no network."""
    notes = cluster.notes_of(pod)
    dialect = dialect_of(notes)
    try:
        named = selections_of(notes, "")
    except InvalidConfig as error:
        return Asked(annotation=dialect.key, value=str(notes[dialect.key]), count=0, problem=error.msg)
    if not named:
        return None
    count = len(named) + dialect.additional
    return Asked(annotation=dialect.key, value=str(notes[dialect.key]), count=count)


GN0904 = Code("GN0904", "a pod is not attached to the networks that it selects",
    cause="while Genie's configuration was missing (a reboot, an upgrade, another agent), the runtime "
    "used the next file of its directory",
    confirm="kubectl get pod POD -o yaml; ls the runtime's directory; genie discover",
    fix="make Genie's configuration the runtime's choice, then delete the pod: its successor "
    "gets the networks",
    explained_by=("GN1006", "GN1601", "GN1001"))  # fmt: skip


@check("asked-networks", GN0904, title="pods are attached to the networks that they select", needs=("state",))
def not_attached(case: Case) -> Iterator[Finding]:
    known = {record.pod for record in case.facts.files.cached if record.planned}
    here = [pod for pod in cluster.of_kind(case.facts.objects, "Pod") if _is_here(case, pod)]
    others = tuple(cluster.key(pod) for pod in here if _is_unanswered(pod, known))
    others = tuple(name for name in dict.fromkeys(others) if name != case.name)
    if case.facts.pod is not None:
        mine = case.facts.pod_object
        by_path = {record.netns for record in case.facts.files.cached if record.planned and record.netns}
        if case.facts.netns_path not in by_path and _is_unanswered(mine, known):
            yield _of_pod(case, mine, others)
    elif others:
        yield _of_node(case, others)


def _is_here(case: Case, pod: JSON) -> bool:
    return cluster.pod(pod).node == case.facts.node_name


def _is_unanswered(pod: JSON, known: set[str]) -> bool:
    about = cluster.pod(pod)
    notes = cluster.notes_of(pod)
    return (
        about.phase == "Running"
        and not about.host_network
        and cluster.key(pod) not in known
        and not any(notes.get(name) for name in ANSWERS)
        and asked(pod) is not None
    )


def _of_pod(case: Case, pod: JSON, others: tuple[str, ...]) -> Finding:
    selection = asked(pod)
    assert selection is not None
    interfaces = [attachment.link.name for attachment in case.attachments]
    short = selection.count > len(interfaces)
    return GN0904.found(
        Severity.ERROR if short or selection.problem else Severity.WARNING,
        f"the pod asks for networks ({selection}) and was attached without Genie"
        + (
            f": it has {', '.join(interfaces) or 'no interface'}, of {selection.count} that it asked for"
            if short
            else ""
        )
        + (f"; nor can it be read: {selection.problem}" if selection.problem else ""),
        the_pod(case),
        seen(
            "pod", str(selection), f"kubectl get pod -n {case.facts.namespace} {case.facts.pod_name} -o yaml"
        ),
        seen("state", f"nothing in Genie's state about {case.name}", "genie gc --dry-run"),
        *_attached_by(case),
        remedy=_remedy(case.name),
        affects=others,
    )


def _attached_by(case: Case) -> Iterator[Evidence]:
    for cached in case.results:
        yield seen("cache", f"{cached.ifname} is of network {cached.network} ({cached.file})")


def _of_node(case: Case, names: Sequence[str]) -> Finding:
    return GN0904.warning(
        f"{len(names)} pods of this node ask for networks and were attached without Genie"
        if len(names) > 1
        else f"pod {names[0]} asks for networks and was attached without Genie",
        Subject(kind="node", name=case.facts.node_name),
        seen("state", f"nothing in Genie's state about {', '.join(names)}", "genie gc --dry-run"),
        remedy=_remedy(*names),
        affects=tuple(names),
    )


def _remedy(*names: str) -> Remedy:
    deletes = [name.partition("/") for name in names]
    return fix(
        "make sure that the runtime uses Genie's configuration, then recreate the pod",
        on_node("genie", "discover"),
        *(on_node("kubectl", "delete", "pod", "-n", space, name) for space, _, name in deletes),
        risk="the pod is restarted; one that no controller owns does not come back",
    )
