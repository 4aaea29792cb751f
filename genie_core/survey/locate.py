"""Where a pod's network namespace is: by the runtime, else by Genie's state, else by libcni's cache."""

from __future__ import annotations

from collections.abc import Iterable

from genie_core.survey.enter import plain
from genie_core.survey.facts import Cached, Sandbox
from genie_core.survey.rootfs import Root


def locate(pod: str, sandboxes: Iterable[Sandbox], records: Iterable[Cached], root: Root) -> tuple[str, str]:
    """The path of the namespace of pod NS/NAME, the newest that is there, and who knew it; ("", "") for none."""
    known = [(sandbox.netns, "CRI") for sandbox in sandboxes if sandbox.pod == pod and sandbox.ready]
    # The last one first: Genie's own state stands behind the cache.
    known += [(record.netns, "records") for record in records if record.pod == pod][::-1]
    there = ((plain(path), source) for path, source in known if path and root.exists(plain(path)))
    return next(there, ("", ""))
