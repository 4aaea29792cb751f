"""Follow one list of the API server: list, watch from its version, and list again where needed. One thread each.

No change is missed: a watch goes on from the version of the last event or bookmark; where the server has forgotten that
version (410), everything is listed again. Each connection is made with the credentials as they are then. A server
that does not answer is asked again as `contact` says; one that refuses, or that ends each stream at once, after pauses
that grow to LONGEST_SECONDS.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from genie_core.edges.kube_errors import BadAnswer, Gone, ObjectNotFound, Unreachable
from genie_core.errors import GenieError
from genie_core.fields import get_object, get_str
from genie_core.survey.collection import start_thread
from genie_core.survey.contact import FIRST_SECONDS, Contact, jittered
from genie_core.survey.watching import WatchingAPI

_HEALTHY_SECONDS = 5.0

View = TypeVar("View")
Seen_contra = TypeVar("Seen_contra", contravariant=True)


class Sink(Protocol[Seen_contra]):
    """The receiver of changes. Called from the watch's thread."""

    def listed(self, views: Sequence[Seen_contra]) -> None:
        """The whole list."""

    def changed(self, kind: str, view: Seen_contra) -> None:
        """ADDED, MODIFIED or DELETED."""

    def contact(self, problem: str) -> None:
        """The server has answered, or why it has not."""

    def restarted(self) -> None:
        """A watch starts again."""


class Watch(Generic[View]):
    """`connect` gives the API with today's credentials; `view_of` what is kept of an object; `stop` ends it.

    `contact` is shared by the watches of a process. A stream that lives longer than `healthy` seconds had a server
    behind it, however it ends: a balancer may reset it.
    """

    def __init__(
        self,
        parts: tuple[str, ...],
        query: Mapping[str, str],
        connect: Callable[[], WatchingAPI],
        view_of: Callable[[Mapping[str, Any]], View],
        sink: Sink[View],
        healthy: float = _HEALTHY_SECONDS,
        contact: Contact | None = None,
    ) -> None:
        self.stop = threading.Event()
        self._parts = parts
        self._query = query
        self._connect = connect
        self._view_of = view_of
        self._sink = sink
        self._healthy = healthy
        self._contact = contact or Contact()
        self._is_away = self._was_answered = False  # by what the last try met
        self._version = ""
        self._streams_since = math.inf  # when the stream of events began

    def start(self) -> None:
        """Follow from a thread of its own, which keeps no process from ending. Raises OSError where there is none."""
        start_thread(self.run, f"watch {self._parts[-1]}")

    def run(self) -> None:
        """Follow until `stop` is set; seen when the next line comes."""
        failures = 0
        while not self.stop.is_set():
            self._streams_since = math.inf
            problem = self._follow()
            if self.stop.is_set():
                return
            if problem:
                self._sink.contact(problem)
            is_healthy = time.monotonic() - self._streams_since > self._healthy
            failures = 0 if is_healthy else failures + 1
            if self._is_away and self._contact.is_away():
                failures = 0  # a server that is back may refuse at first
                self._contact.wait(self.stop)
            else:
                self.stop.wait(_pause(failures))
            self._sink.restarted()

    def _follow(self) -> str:
        """One list, where none is known, and one watch; why it ended, "" where the server ended it."""
        self._is_away = self._was_answered = False
        try:
            with self._connect() as api:
                try:
                    self._follow_by(api)
                except ObjectNotFound:  # a kind that is not installed: nothing of it is there
                    api.require_server()
                    self._version = ""
                    self._sink.listed([])
                    self._sink.contact("")
        except Gone:
            self._version = ""
        except GenieError as error:
            self._is_away = isinstance(error, Unreachable | BadAnswer) and not self._was_answered
            return error.msg
        except Exception as error:  # noqa: BLE001 (without its watch, a node would enforce old policies and say nothing)
            self._version = ""
            return f"a defect of Genie: {error!r}"
        return ""

    def _follow_by(self, api: WatchingAPI) -> None:
        if not self._version:
            self._list(api)
        events = api.watch(self._parts, self._query, self._version)
        self._streams_since = time.monotonic()
        with self._contact.streaming():
            self._sink.contact("")
            for event in events:
                self._deliver(event)
                if self.stop.is_set():
                    break

    def _list(self, api: WatchingAPI) -> None:
        views, version = [], ""
        for item in api.items(self._parts, self._query):
            if isinstance(item, str):
                version = item
            else:
                views.append(self._view_of(item))
        self._was_answered = True
        self._sink.listed(views)
        self._version = version

    def _deliver(self, event: Mapping[str, Any]) -> None:
        metadata = get_object(event["object"], "metadata")
        if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
            self._sink.changed(event["type"], self._view_of(event["object"]))
        self._version = get_str(metadata, "resourceVersion", where="metadata") or self._version


def _pause(failures: int) -> float:
    return jittered(FIRST_SECONDS * 2.0 ** min(failures, 20))


def key_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """An object's namespace, "" for none, and its name."""
    metadata = document.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
