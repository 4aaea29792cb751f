"""Which processes live in a network namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator

from genie_core.survey.enter import inode


def of(netns: str) -> Iterator[int]:
    """Process ids, in order, whose network namespace is the one at `netns`."""
    wanted = inode(netns)
    if not wanted:
        return
    for entry in sorted(int(e.name) for e in os.scandir("/proc") if e.name.isdigit()):
        if inode(f"/proc/{entry}/ns/net") == wanted:
            yield entry
