"""Events of the API server: the newest few, each as one line from which secrets are taken.

Events hold plugins' error messages, in which a plugin may have put a secret; people copy them into tickets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genie_core.published import JSON
from genie_core.survey import redact
from genie_core.survey.facts import Event

MOST = 20
NO_SANDBOX = "FailedCreatePodSandBox"  # the reason of an event (kubernetes, pkg/kubelet/events/event.go)
LONGEST = 1024  # Kubernetes' own limit of an event's message (core/v1, NoteLengthLimit)


def newest(items: Sequence[JSON]) -> tuple[Event, ...]:
    """The newest events first, at most MOST. Items that are no events are left out."""
    found = [event for event in map(_event, items) if event is not None]
    return tuple(sorted(found, key=lambda event: (event.last, event.reason), reverse=True)[:MOST])


def one_line(text: str) -> str:
    """One printable line without secrets, at most LONGEST characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = redact.in_text(line)
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _event(item: JSON) -> Event | None:
    about, series, source = (_object(item, name) for name in ("involvedObject", "series", "source"))
    metadata = _object(item, "metadata")
    last = (
        series.get("lastObservedTime")
        or item.get("lastTimestamp")
        or item.get("eventTime")
        or metadata.get("creationTimestamp")
    )
    if not about.get("name") or not item.get("reason"):
        return None
    count = series.get("count") or item.get("count")
    return Event(
        kind=str(about.get("kind") or ""),
        name=str(about["name"]),
        reason=one_line(str(item["reason"]))[:128],
        message=one_line(str(item.get("message") or "")),
        type=str(item.get("type") or "Normal"),
        count=count if isinstance(count, int) and count > 0 else 1,
        first=str(item.get("firstTimestamp") or item.get("eventTime") or ""),
        last=str(last or ""),
        source=str(source.get("component") or item.get("reportingComponent") or ""),
    )


def _object(item: JSON, name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}
