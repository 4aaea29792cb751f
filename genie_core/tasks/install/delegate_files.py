"""The networks' files in CRI-O's directory: `genie install` moves them to Genie's own directory, uninstall back.

At each start CRI-O runs garbage collection for *every* network of its directory, and counts all pods as attached to its
default network (ocicni, GC). Once that is Genie, another network in the directory gets an empty list: pods that were
attached before Genie was installed lose their interface and address, and a plugin that implements GC releases running
pods' addresses. Networks outside the directory are not collected. containerd (up to 2.x) has no GC.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genie_core.errors import GenieError, WrongUsage
from genie_core.settings import DELEGATE_CONF_DIR
from genie_core.tasks.atomic import copy_file, sync

if TYPE_CHECKING:
    from genie_core.survey.facts import ConfFile, Facts


class NeedsConsent(WrongUsage):
    """Files of other networks have to be `moved` (from -> to), which needs consent."""

    def __init__(self, moved: Mapping[str, str]) -> None:
        super().__init__(
            "CRI-O would collect the addresses of running pods in "
            f"{', '.join(moved)}: these files have to be moved to {DELEGATE_CONF_DIR} first",
            hint="`genie install --yes` moves them; `genie uninstall` puts them back",
        )
        self.moved = moved


def to_be_moved(facts: Facts, conf_dir: str, known: Mapping[str, str]) -> dict[str, str]:
    """The path of each file -> its new path; {} where no GC collects it. `known` are those that were moved before.

    `facts` are of the node with Genie installed. Raises GenieError where another file has the name already.
    """
    from genie_core.survey.selection import candidates, collected  # with the facts; a dry run does without

    if not any(collected(facts, runtime) for runtime in facts.runtimes if runtime.conf_dir == conf_dir):
        return {}
    # all of them, in the same order: the first is the default network
    files = [file for file in candidates(facts.directories[conf_dir]) if file.path != facts.genie.conf]
    moved = {file.path: f"{DELEGATE_CONF_DIR}/{file.file}" for file in files if file.network}
    for file in files:
        if file.path in moved:
            _require_free(file, moved[file.path], conf_dir, known)
    return moved


def _require_free(file: ConfFile, target: str, conf_dir: str, known: Mapping[str, str]) -> None:
    name = file.network.name if file.network else ""
    if os.path.isdir(f"{conf_dir}/{name}"):
        raise GenieError(
            f"{file.path} has plugins in {conf_dir}/{name} and cannot be moved alone",
            hint=f"move both to {DELEGATE_CONF_DIR}, then install again",
        )
    if os.path.lexists(target) and file.path not in known and Path(target).read_bytes() != _bytes(file):
        raise GenieError(
            f"{file.path} is to be moved to {target}, where another file is",
            hint="remove or rename one of them, then install again",
        )


def _bytes(file: ConfFile) -> bytes:
    return (file.text or "").encode("utf-8", "surrogateescape")


def copy(moved: Mapping[str, str]) -> None:
    """Copy each file to its new place, durably and with its mode. Raises OSError."""
    for source, target in moved.items():
        if os.path.exists(source):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            copy_file(Path(source), Path(target))


def remove(paths: Mapping[str, str] | list[str]) -> None:
    """Remove the files that have been copied."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
        sync(Path(path).parent)


def put_back(moved: Mapping[str, str]) -> None:
    """Move each file back; a new file in the old place is kept."""
    for source, target in moved.items():
        if os.path.exists(target) and not os.path.lexists(source):
            copy_file(Path(target), Path(source))
