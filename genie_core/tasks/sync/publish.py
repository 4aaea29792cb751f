"""Write a change to the API server: the status annotations, a condition of the pod, and events.

A failure to write is a warning: the change stays.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from genie_core.dialects import BY_ATTACHMENT, NETWORK_STATUS, dialect_of, does_ask
from genie_core.edges.kube_errors import NOT_WRITTEN, WRITE_FORBIDDEN, Conflict, Forbidden
from genie_core.edges.kube_resources import EVENT, POD
from genie_core.errors import GenieError
from genie_core.live.exchange import as_asked
from genie_core.model import Plan
from genie_core.published import timestamp
from genie_core.spec.result import recorded_result
from genie_core.status import MULTI_IP_PREFERENCES, OBSERVED, multi_ip_preferences, network_status
from genie_core.tasks.sync.observed import observed
from genie_core.tasks.sync.report import SyncReport
from genie_core.tasks.sync.target import LivePod, fetch
from genie_core.tasks.sync.unreported import REPAIR, holds, may_be_reported, note_reported
from genie_core.verbs.context import Context
from genie_core.verbs.pods import entries_of, with_previous

CONDITION = "genie.cni.dev/NetworksReady"
# Outcome -> the condition's status.
_STATUS = {
    "unchanged": "True",
    "changed": "True",
    "refused": "False",
    "failed": "False",
    "partial": "Unknown",
}
_TRIES = 4
_SECONDS = 15.0  # for all requests that write one result
_EVENTS = {
    "attach": "NetworkAttached",
    "detach": "NetworkDetached",
    "replace": "NetworkReplaced",
    REPAIR: "NetworkRepaired",
}


def publish(pod: LivePod, report: SyncReport, context: Context) -> list[str]:
    """Write the result of the change; sentences about what could not be written.

    Nothing for a pod from a file, or one without a journal: a pod with the node's network is not Genie's to judge.
    """
    if pod.api is None or not report.target.container:
        return []
    give_time(pod)
    problems = []
    # The status last: with that written, the pod is not looked at again.
    for write in (_publish_events, _publish_status):
        try:
            write(pod, report, context)
        except GenieError as error:
            is_forbidden = isinstance(error, Forbidden) and write is _publish_status
            problems.append(f"{WRITE_FORBIDDEN if is_forbidden else NOT_WRITTEN}: {error.msg}")
    return problems


def give_time(pod: LivePod) -> None:
    """Begin to count the seconds for writing about the pod: reading it has cost some before."""
    assert pod.api is not None
    pod.api.renew(_SECONDS)


def publish_begin(pod: LivePod) -> None:
    """Write into the pod's condition that a change has begun, so that the last answer is not taken for this one.

    Nothing for a pod from a file. A failure to write is ignored: the end of the change is written too.
    """
    if pod.api is None:
        return
    condition = _changed_condition(pod, "Unknown", "Applying", "the networks are being changed")
    if condition:
        with suppress(GenieError):
            _patch(pod, {}, condition)


def _publish_status(pod: LivePod, report: SyncReport, context: Context) -> None:
    """Write it, where it is the same pod, which still asks for what was done: else the next change will write.

    The pod's version is the precondition, so that no answer to an earlier request comes last. Raises GenieError.
    """
    assert pod.api is not None
    for attempt in range(1, _TRIES + 1):
        current = fetch(pod.api, pod.namespace, pod.name)
        is_same = current.metadata.get("uid") == pod.metadata.get("uid")
        if not is_same or observed(current.annotations) != report.request:
            return
        try:
            _write_status(current, report, context)
        except Conflict:
            if attempt == _TRIES:
                raise
        else:
            return


def _write_status(pod: LivePod, report: SyncReport, context: Context) -> None:
    annotations: dict[str, str | None] = {OBSERVED: observed(pod.annotations)}
    if report.status != "refused":
        now, is_done = _annotations(pod, report, context), report.status in ("changed", "unchanged")
        # a change that failed may have left other networks or addresses than the pod says
        annotations |= {key: value for key, value in now.items() if is_done or key in pod.annotations}
    wanted = {key: value for key, value in annotations.items() if pod.annotations.get(key) != value}
    condition = _condition(pod, report)
    if not wanted and not condition:
        return
    _patch(pod, wanted, condition)


def _patch(pod: LivePod, annotations: Mapping[str, str | None], condition: Mapping[str, Any] | None) -> None:
    """Write where the pod is still the one of that version. Raises Conflict, and GenieError."""
    assert pod.api is not None
    known = {key: pod.metadata[key] for key in ("uid", "resourceVersion") if pod.metadata.get(key)}
    patch: dict[str, Any] = {"metadata": {"annotations": dict(annotations), **known}}
    if condition:
        patch["status"] = {"conditions": [condition]}
    pod.api.patch((*POD.path(pod.namespace, pod.name), "status"), patch, strategic=True)


def _annotations(pod: LivePod, report: SyncReport, context: Context) -> dict[str, str | None]:
    """The status annotations as they are now; None for one that says nothing any more."""
    plan = context.store.load(report.target.container, report.target.interface)
    return _annotations_of(pod, plan, every=context.settings.policy_engine) if plan else {}


def _annotations_of(pod: LivePod, plan: Plan, *, every: bool) -> dict[str, str | None]:
    """The same of a plan: of what is attached. `every` (policy_engine) is that of verbs.pods.annotations_of."""
    attached = [item for item in plan.attachments if item.result and not item.releasing]
    own = {item.ifname: recorded_result(item).result for item in attached}
    plan, results = with_previous(as_asked(plan.replace(attachments=attached)), own)
    found: dict[str, str | None] = {}
    is_named = every and (does_ask(pod.annotations) or len(results) > 1)
    if is_named or dialect_of(pod.annotations) is BY_ATTACHMENT or NETWORK_STATUS in pod.annotations:
        entries = entries_of(plan, results, named=every)
        found[NETWORK_STATUS] = network_status(entries)
    if dialect_of(pod.annotations) is not BY_ATTACHMENT or MULTI_IP_PREFERENCES in pod.annotations:
        found[MULTI_IP_PREFERENCES] = multi_ip_preferences(list(results.items()))
    return {key: value for key, value in found.items() if value is not None or key in pod.annotations}


def _condition(pod: LivePod, report: SyncReport) -> dict[str, Any] | None:
    """The pod's condition, None where it says the same already."""
    status, reason = _STATUS[report.status], report.reason
    text = report.error.msg if report.error else "the networks are as the annotations ask for"
    return _changed_condition(pod, status, reason, text)


def _changed_condition(pod: LivePod, status: str, reason: str, text: str) -> dict[str, Any] | None:
    """The condition to write, None where the pod has the same. Its message ends with the hash of the request."""
    message = f"{text}; request {observed(pod.annotations)}"
    before = next(
        (
            one
            for one in (pod.document.get("status") or {}).get("conditions") or ()
            if isinstance(one, dict) and one.get("type") == CONDITION
        ),
        {},
    )
    if (before.get("status"), before.get("reason"), before.get("message")) == (status, reason, message):
        return None
    now = timestamp(time.time())
    since = before.get("lastTransitionTime") if before.get("status") == status else now
    return {
        "type": CONDITION,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "lastProbeTime": None,
    }


def publish_networks(pod: LivePod, journal: Callable[[], Plan | None], *, every: bool = False) -> None:
    """Write the status annotations of what is attached now, where they are others. Raises GenieError.

    `journal` reads it. The container's lock is not held, and a change of the pod may have ended since, or end now: what
    that has written is not to be overwritten.
    """
    assert pod.api is not None
    for attempt in range(1, _TRIES + 1):
        current, now = fetch(pod.api, pod.namespace, pod.name), journal()
        if now is None or current.metadata.get("uid") != pod.metadata.get("uid"):
            return
        found = _annotations_of(current, now, every=every)
        wanted = {key: value for key, value in found.items() if current.annotations.get(key) != value}
        try:
            if wanted:
                _patch(current, wanted, None)
        except Conflict:
            if attempt == _TRIES:
                raise
        else:
            return


def _publish_events(pod: LivePod, report: SyncReport, context: Context) -> None:
    """Write them, each once for each change, and note that it was done. Raises GenieError."""
    plan = context.store.load(report.target.container, report.target.interface)
    noted = plan if plan and not report.error and may_be_reported(plan) else None
    once = report.request if report.error else noted.changed_by if noted else ""
    for reason, message, kind in events_of(report):
        create_event(pod, reason, message, kind, once=once)
    if noted:
        note_reported(noted, context)


def create_event(pod: LivePod, reason: str, message: str, kind: str, *, once: str = "") -> None:
    """One Event about the pod; `kind` is Normal or Warning. Raises GenieError.

    With `once`, what the message is about, the same event of the same pod is made no second time while it is there.
    """
    assert pod.api is not None
    text = "\n".join((str(pod.metadata.get("uid")), once, reason, message))
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    name = {"name": f"{pod.name[:200].rstrip('.-')}.{digest}"} if once else {"generateName": f"{pod.name}."}
    try:
        _post_event(pod, name, reason, message, kind)
    except Conflict:
        if not once:
            raise


def _post_event(pod: LivePod, name: Mapping[str, str], reason: str, message: str, kind: str) -> None:
    assert pod.api is not None
    now = timestamp(time.time())
    pod.api.create(
        EVENT.collection(pod.namespace),
        {
            **EVENT.type_meta,
            "metadata": {**name, "namespace": pod.namespace},
            "involvedObject": {
                **POD.type_meta,
                "namespace": pod.namespace,
                "name": pod.name,
                "uid": pod.metadata.get("uid", ""),
            },
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "source": {"component": "genie"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        },
    )


def events_of(report: SyncReport) -> list[tuple[str, str, str]]:
    """(reason, message, type) of each event: one per interface, or one for what did not work."""
    if report.error is None:
        ips = {item.interface: ", ".join(item.ips) for item in report.state}
        return [
            (_EVENTS[change.action], _sentence(change.network, change.interface, ips), "Normal")
            for change in report.unreported
            if change.action in _EVENTS and holds(change, report.state)
        ]
    reason = "NetworkRefused" if report.status == "refused" else "NetworkFailed"
    text = report.error.msg + (f"; {report.error.hint}" if report.error.hint else "")
    return [(reason, text, "Warning")]


def _sentence(network: str, interface: str, ips: Mapping[str, str]) -> str:
    where = f"network {network} on {interface}"
    return f"{where}: {ips[interface]}" if ips.get(interface) else where
