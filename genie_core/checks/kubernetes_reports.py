"""Kubernetes' own reports: a sandbox that cannot be created or released, a node whose network is not ready.

kubelet repeats a plugin's error message in its events, and the runtime's status in the node's condition. Events live
for an hour: a sandbox that was created since outdates them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, the_pod
from genie_core.findings import Code, Evidence, Finding, Severity, Subject
from genie_core.net.case import Case
from genie_core.published import JSON
from genie_core.survey import cluster
from genie_core.survey.events import NO_SANDBOX
from genie_core.survey.facts import Event

# pkg/kubelet/events/event.go; AddedInterface is of Multus
STUCK = "FailedKillPod"
MADE = ("Pulling", "Pulled", "Created", "Started", "AddedInterface")
OF_NETWORK = re.compile(r"\bcni\b|network|netns|plugin type=", re.IGNORECASE)
# libcni wraps a plugin's error as `plugin type="bridge" name="cbr0" failed (add): ...`; the innermost one is the cause.
PLUGIN = re.compile(r'plugin type="(?P<type>[^"]+)"(?: name="[^"]*")? failed \(\w+\):? ?')
LONGEST = 300
# Messages of plugins and runtimes, in lower case, and the codes that explain them; the first that fits.
COMPLAINTS = (
    ("failed to find plugin", ("GN1101", "GN1107", "GN1201")),
    ("permission denied", ("GN1111", "GN1102")),
    ("exec format error", ("GN1103",)),
    ("no ip addresses available", ("GN1302",)),
    ("incompatible cni versions", ("GN1040",)),
    ("already has an ip address different", ("GN1024", "GN0406")),
    ("invalid character", ("GN1001",)),
    ("not initialized", ("GN1203", "GN1001")),
)


def refused(events: Sequence[Event]) -> Event | None:
    """The newest event with the reason why the pod's sandbox cannot be created; None where it was created since."""
    known = [event for event in events if event.kind == "Pod" and event.reason in (NO_SANDBOX, *MADE)]
    newest = max(known, key=lambda event: event.last, default=None)
    return newest if newest is not None and newest.reason == NO_SANDBOX else None


def cause_of(message: str) -> tuple[str, str]:
    """(the plugin that failed, "" for none; its message)."""
    found = list(PLUGIN.finditer(message))
    words = message[found[-1].end() :] if found else message.rpartition("desc = ")[2]
    if words.count('"') % 2:  # the end of a quotation that kubelet began before these words
        words = words.removesuffix('"')
    return (found[-1]["type"] if found else ""), (words[:LONGEST] or message[:LONGEST])


GN0901 = Code("GN0901", "the pod's sandbox cannot be created", leads=True,
    cause="the runtime, or a plugin that it called, fails; kubelet repeats the message in an event",
    confirm="kubectl describe pod POD",
    fix="correct what the message names; kubelet tries again by itself")  # fmt: skip


@check("sandbox-made", GN0901, title="the pod's sandbox can be created", needs=("events",))
def sandbox_refused(case: Case) -> Iterator[Finding]:
    event = refused(case.facts.events)
    if event is None or case.attachments:
        return
    plugin, words = cause_of(event.message)
    speaker = f"plugin {plugin} says" if plugin else "kubelet says"
    beside = "" if OF_NETWORK.search(event.message) else ", for a reason outside its network"
    yield GN0901.fatal(
        f"the pod's sandbox cannot be created{beside}: {speaker}: {words}",
        the_pod(case),
        _evidence(event, case.facts.namespace),
        explained_by=next((codes for text, codes in COMPLAINTS if text in words.lower()), ()),
        remedy=fix(
            "correct what the message names; kubelet tries again by itself",
            on_node("genie", "explain", "pod", case.name)
            if any(plugin["type"] == "genie" for plugin in PLUGIN.finditer(event.message))
            else on_node("genie", "discover"),
        ),
    )


GN0902 = Code("GN0902", "a deleted pod's network cannot be released",
    cause="a plugin fails DEL, so the runtime keeps the sandbox and its addresses",
    confirm="kubectl get events --field-selector involvedObject.name=POD",
    fix="correct what the message names, or bring the plugin's binary back")  # fmt: skip


@check(
    "network-released",
    GN0902,
    title="a deleted pod's network can be released",
    needs=("pod object", "events"),
)
def release_refused(case: Case) -> Iterator[Finding]:
    metadata = case.facts.pod_object.get("metadata") or {}
    stuck = [e for e in case.facts.events if e.kind == "Pod" and e.reason.startswith(STUCK)]
    stuck = [
        event for event in stuck if "KillPodSandbox" in event.message and OF_NETWORK.search(event.message)
    ]
    if not stuck or not metadata.get("deletionTimestamp"):
        return
    plugin, words = cause_of(stuck[0].message)
    yield GN0902.error(
        f"the pod was deleted, and its network cannot be released: {plugin or 'kubelet'} says: {words}",
        the_pod(case),
        _evidence(stuck[0], case.facts.namespace),
        remedy=fix(
            "correct what the message names; kubelet tries again, `genie gc` releases what Genie holds",
            on_node("genie", "gc", "--dry-run"),
        ),
    )


GN0903 = Code("GN0903", "the node's network is not ready",
    cause="the runtime has no valid configuration, or the network's agent has not reported that it is up",
    confirm="kubectl describe node NODE; crictl info",
    fix="genie discover names the configuration that is wrong", explained_by=("GN1001", "GN1203"))  # fmt: skip


@check("node-network-ready", GN0903, title="the node reports its network as ready", needs=("objects: Node",))
def node_not_ready(case: Case) -> Iterator[Finding]:
    node = next(
        (
            n
            for n in cluster.of_kind(case.facts.objects, "Node")
            if cluster.node(n).name == case.facts.node_name
        ),
        {},
    )
    for condition in cluster.conditions(node):
        if _says_unready(condition):
            yield _unready(case, condition)


def _says_unready(condition: JSON) -> bool:
    kind, status = condition.get("type"), condition.get("status")
    message = str(condition.get("message") or "")
    return (kind == "NetworkUnavailable" and status == "True") or (
        kind == "Ready" and status == "False" and "network" in message.lower()
    )


def _unready(case: Case, condition: JSON) -> Finding:
    ready = condition.get("type") == "Ready"
    name, words = case.facts.node_name, str(condition.get("message") or condition.get("reason") or "")
    what = "not ready" if ready else "NetworkUnavailable"
    return GN0903.found(
        Severity.ERROR if ready else Severity.WARNING,
        f"node {name}: {what}, new pods get no network: {words[:LONGEST]}",
        Subject(kind="node", name=name),
        seen(
            "node condition",
            f"{condition.get('type')}={condition.get('status')} {condition.get('reason', '')}: {words[:LONGEST]}",
            f"kubectl describe node {name}",
        ),
        remedy=fix(
            "give the runtime a valid configuration"
            if ready
            else "find out why the network's agent is not up",
            on_node("genie", "discover"),
        ),
    )


def _evidence(event: Event, namespace: str) -> Evidence:
    times = f" ({event.count} times, last {event.last})" if event.count > 1 else f" ({event.last})"
    command = f"kubectl get events -n {namespace} --field-selector involvedObject.name={event.name}"
    return seen("event", f"{event.reason}{times}: {event.message}", command)
