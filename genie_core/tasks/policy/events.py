"""Findings as Events on their policies. The name is a hash of the content, so several nodes write one Event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Conflict, Unreachable
from genie_core.edges.kube_resources import EVENT, MULTI_POLICY, NETWORK_POLICY
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError
from genie_core.policy.rules import Finding
from genie_core.published import JSON, timestamp
from genie_core.survey.collection import start_thread

_KINDS = {one.kind: one for one in (MULTI_POLICY, NETWORK_POLICY)}
MOST_OF_A_POLICY = 20
RETRY_SECONDS, REFUSED_SECONDS = 5.0, 300.0


class Reporter:
    """Writes each finding once. `write` is called often and waits for nothing: a thread asks the API server."""

    def __init__(self, connect: Callable[[], KubeAPI], log: JSONLog) -> None:
        self._connect = connect
        self._log = log
        self._reported: frozenset[Finding] = frozenset()
        self._last: frozenset[Finding] | None = None  # the set of which all is written
        self._refused: frozenset[Finding] = frozenset()  # of those reported; tried again at
        self._refused_until = 0.0
        self._is_busy = False
        self._again_at = 0.0

    def write(self, found: frozenset[Finding], objects: Callable[[], Sequence[JSON]]) -> None:
        """Begin to write what is new, unless that is under way or has just failed."""
        now = time.monotonic()
        if self._is_busy or now < self._again_at:
            return
        if self._refused and now >= self._refused_until:
            self._reported, self._refused, self._last = self._reported - self._refused, frozenset(), None
        if found is self._last:
            return
        if found == self._reported:
            self._last = found
            return
        self._is_busy = True
        try:
            start_thread(lambda: self._work(found, objects), "events")
        except OSError:  # no thread can be had now
            self._is_busy = False

    def _work(self, found: frozenset[Finding], objects: Callable[[], Sequence[JSON]]) -> None:
        try:
            self.write_now(found, objects())
        except Exception as error:  # noqa: BLE001 (a defect; it must not be met again at once)
            self._log.error("events not written", problem=f"a defect of Genie: {error!r}")
            self._again_at = time.monotonic() + RETRY_SECONDS
        finally:
            self._is_busy = False

    def write_now(self, found: frozenset[Finding], objects: Sequence[JSON]) -> None:
        """Write what is new. What is refused is tried again after minutes, everything soon where the server is away.

        What is new later does not wait for that.
        """
        new = few(found - self._reported)
        refused: dict[Finding, GenieError] = {}
        try:
            if new:
                with self._connect() as api:
                    refused = write_findings(api, new, objects)
        except GenieError as error:
            self._log.warning("events not written", problem=error.msg)
            self._again_at = time.monotonic() + RETRY_SECONDS
            return
        self._reported = found
        if refused:
            problem = next(iter(refused.values())).msg
            self._log.warning("events not written", problem=problem, count=len(refused))
            if not self._refused:
                self._refused_until = time.monotonic() + REFUSED_SECONDS
            self._refused |= frozenset(refused)


def few(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in order; of a policy that has many the first ones, and that there are more."""
    kept: list[Finding] = []
    for policy, group in groupby(sorted(findings), key=lambda one: one.policy):
        found = list(group)
        kept += found[:MOST_OF_A_POLICY]
        if len(found) > MOST_OF_A_POLICY:
            more = "there are more problems: `genie policy list` shows all of them"
            kept.append(Finding(policy, found[MOST_OF_A_POLICY].reason, more))
    return kept


def write_findings(
    api: KubeAPI, findings: Iterable[Finding], objects: Sequence[Mapping[str, Any]]
) -> dict[Finding, GenieError]:
    """Write an Event for each; those that the server refuses. Raises Unreachable."""
    uids = {
        (item.get("kind"), item["metadata"].get("namespace"), item["metadata"].get("name")): item[
            "metadata"
        ].get("uid")
        for item in objects
    }
    refused: dict[Finding, GenieError] = {}
    for one in findings:
        name = one.policy
        uid = uids.get((name.kind, name.namespace, name.name)) or ""
        try:
            api.create(EVENT.collection(name.namespace), _event(one, uid))
        except Conflict:  # another node has written it
            continue
        except Unreachable:
            raise
        except GenieError as error:
            refused[one] = error
    return refused


def _event(one: Finding, uid: str) -> JSON:
    name = one.policy
    digest = sha256(f"{one.reason} {one.message}".encode()).hexdigest()[:16]
    now = timestamp(time.time())
    return {
        **EVENT.type_meta,
        "metadata": {"name": f"{name.name[:200].rstrip('.-')}.{digest}", "namespace": name.namespace},
        "involvedObject": {
            **_KINDS[name.kind].type_meta,
            "namespace": name.namespace,
            "name": name.name,
            "uid": uid,
        },
        "reason": one.reason,
        "message": one.message[:1024],
        "type": "Warning",
        "source": {"component": "genie"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
