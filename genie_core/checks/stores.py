"""Directories that ADD writes to."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.findings import Code, Finding, Subject
from genie_core.survey.facts import Facts

GN1113 = Code("GN1113", "a directory that ADD writes to takes nothing",
    cause="its file system is full or read-only, or something else has its name: no pod gets an address",
    confirm="df DIRECTORY; df -i DIRECTORY; findmnt -T DIRECTORY",
    fix="make room, or have it mounted writable again")  # fmt: skip


@check("stores", GN1113, title="the directories that ADD writes to can be written", needs=("conf",))
def unwritable(facts: Facts) -> Iterator[Finding]:
    for store in facts.files.stores:
        yield GN1113.error(
            f"nothing can be written to {store.path} ({store.use}): {store.problem}; the next ADD fails",
            Subject(kind="directory", name=store.path, file=store.path),
            seen(store.path, store.problem, f"df {store.path}; findmnt -T {store.path}"),
            remedy=fix(_advice(store.problem)),
        )


def _advice(problem: str) -> str:
    if "read-only" in problem:
        return "find why (an error of the disk makes the kernel do it: dmesg), and mount it writable again"
    if "file system" in problem:
        return "make room there: old images, logs and files of pods that are gone (`genie gc`)"
    return "remove what has that name; the plugin makes the directory or file again"
