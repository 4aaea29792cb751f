"""Where a pod's network namespace is: by the runtime, else by Genie's state, else by libcni's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from genie_core.diagnose.collect.netns import plain
from genie_core.diagnose.facts import Cached, Sandbox
from genie_core.edges.rootfs import Root


def locate(pod: str, sandboxes: Iterable[Sandbox], records: Iterable[Cached], root: Root) -> str:
    """The path of the namespace of pod NS/NAME, the newest that is there; "" where nothing knows one."""
    known = (*_of_runtime(pod, sandboxes), *_of_records(pod, records))
    return next((path for path in map(plain, known) if path and root.exists(path)), "")


def _of_runtime(pod: str, sandboxes: Iterable[Sandbox]) -> Iterator[str]:
    return (sandbox.netns for sandbox in sandboxes if sandbox.pod == pod and sandbox.ready)


def _of_records(pod: str, records: Iterable[Cached]) -> list[str]:
    """The last one first: Genie's own state stands behind the cache."""
    return [record.netns for record in records if record.pod == pod][::-1]
