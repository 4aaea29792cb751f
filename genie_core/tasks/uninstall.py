"""`genie uninstall`: away with the plugin, in the order that never locks the node out (lessons 10).

1. The conflist goes first, and only if another network is left for the runtime: new pods use that one.
2. What is recorded for containers that are gone is released.
3. The binary, the code and the state go once no container is recorded any more, and no call is at work that might
   record one: until then DEL needs them.
   Running it again finishes what could not be done before.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from genie_core.edges import libcni_cache
from genie_core.edges.confdir import ConfDirs
from genie_core.edges.log import JSONLog
from genie_core.edges.store import CONTENTS
from genie_core.errors import Denied, GenieError, InvalidConfig
from genie_core.model import Plan
from genie_core.select.files import Finder
from genie_core.settings import STATE_DIR
from genie_core.tasks import node_state
from genie_core.tasks.atomic import sync
from genie_core.tasks.conflist import CONFLIST, KUBECONFIG, TYPE
from genie_core.tasks.install import CODE
from genie_core.verbs.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallOptions:
    """Where it is installed. `force` removes the conflist even if the runtime is left without any network."""

    bin_dir: Path
    conf_dir: Path
    state_dir: Path | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallReport:
    """What is gone, and what stays: `attached` names the containers that still need the binary."""

    kind: ClassVar[str] = "UninstallReport"
    removed: Sequence[Path]
    released: Sequence[str]
    attached: Sequence[str]
    problems: Sequence[str]
    dry_run: bool

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return not self.attached

    def as_json(self) -> dict[str, object]:
        """removed, released, attached, problems, complete, dryRun."""
        return {
            "removed": [str(path) for path in self.removed],
            "released": list(self.released),
            "attached": list(self.attached),
            "problems": list(self.problems),
            "complete": self.complete,
            "dryRun": self.dry_run,
        }


def uninstall(options: UninstallOptions) -> UninstallReport:
    """Remove what can be removed now. Raises InvalidConfig where the node would be left without a network."""
    try:
        return _uninstall(options)
    except PermissionError as error:
        raise Denied(f"cannot remove {error.filename}: {error.strerror}", hint="run it as root") from None
    except OSError as error:
        raise GenieError(f"cannot uninstall {error.filename}: {error.strerror}") from None


def _uninstall(options: UninstallOptions) -> UninstallReport:
    conflist = options.conf_dir / CONFLIST
    config = node_state.read_conflist(conflist) or _remembered(options) or {}
    if options.state_dir:
        config["state_dir"] = str(options.state_dir)
    config.setdefault("bin_dirs", [str(options.bin_dir)])
    if conflist.exists() and not options.force:
        _refuse_lockout(options.conf_dir)
    removed: list[Path] = []
    _remember(options, config)
    _remove([conflist], removed, dry_run=options.dry_run)
    node = node_state.open_node(dict(config))
    released, attached, problems = _release_gone(node, dry_run=options.dry_run)
    if not attached:
        attached = _remove_rest(options, Path(str(config.get("state_dir", STATE_DIR))), node, removed)
    return UninstallReport(
        removed=removed, released=released, attached=attached, problems=problems, dry_run=options.dry_run
    )


def _remove_rest(options: UninstallOptions, state: Path, node: Node, removed: list[Path]) -> list[str]:
    """Remove everything else; who is in the way, if anybody: what a call attaches now must find its DEL."""
    if calls := node_state.calls(options.bin_dir / TYPE):
        return [f"process {pid}, a call that is at work" for pid in calls]
    leftovers = [options.bin_dir / TYPE, options.conf_dir / KUBECONFIG, *_code(options.bin_dir / CODE)]
    # never the whole directory: a configured path may turn out to be somebody else's
    paths = [*leftovers, *(state / name for name in CONTENTS)]
    if options.dry_run or not state.is_dir():
        _remove(paths, removed, dry_run=options.dry_run)
        return []
    with node.store.lock_node(exclusive=True, deadline=node.deadline()):
        if names := node.store.names():
            return names
        _remove(paths, removed, dry_run=False)
    if not any(state.iterdir()):
        state.rmdir()
    return []


def remove_own_python(options: UninstallOptions) -> None:
    """What this very program runs from, where that is below the directory of plugins; nothing can be done after it."""
    folder = options.bin_dir / CODE
    if _runs_from(folder) and not (options.bin_dir / TYPE).exists() and not options.dry_run:
        shutil.rmtree(folder, ignore_errors=True)


def _runs_from(folder: Path) -> bool:
    return folder.resolve() in Path(sys.executable).resolve().parents


def _code(folder: Path) -> list[Path]:
    """What to remove of the code: all of it, or for now all but the Python that runs this."""
    if not _runs_from(folder):
        return [folder]
    return [path for path in folder.iterdir() if not path.is_symlink() and not _runs_from(path)]


def _refuse_lockout(conf_dir: Path) -> None:
    """The runtime must find another network once ours is gone, or no pod starts or stops on this node."""
    try:
        Finder(ConfDirs([str(conf_dir)]), JSONLog("error")).default()
    except GenieError:
        raise InvalidConfig(
            f"{conf_dir} would hold no network configuration any more, so no pod could start or stop on this node",
            hint="put the configuration of the network that takes over there first, or use --force",
        ) from None


def _remembered(options: UninstallOptions) -> dict[str, object] | None:
    """The configuration that an earlier, unfinished run took away, for the directories it names."""
    return node_state.read_conflist(options.bin_dir / CODE / CONFLIST)


def _remember(options: UninstallOptions, config: dict[str, object]) -> None:
    import json

    from genie_core.tasks.atomic import write_file

    folder = options.bin_dir / CODE
    if not options.dry_run and folder.is_dir():
        write_file(folder / CONFLIST, json.dumps({"plugins": [{**config, "type": TYPE}]}), 0o600)


def _release_gone(node: Node, *, dry_run: bool) -> tuple[list[str], list[str], list[str]]:
    """(released, still attached, problems), by container."""
    released: list[str] = []
    attached: list[str] = []
    problems: list[str] = []
    for plan in node.store.plans():
        if isinstance(plan, GenieError):  # only its DEL, or GC, can tell what it still holds
            problems.append(str(plan))
            attached.append("a container whose state cannot be read")
            continue
        name = f"{plan.container_id} ({plan.pod})" if plan.pod else plan.container_id
        failures = [] if dry_run or not node_state.is_gone(plan) else _release(plan, node)
        problems += [f"{name}: {failure}" for failure in failures]
        (released if node_state.is_gone(plan) and not failures else attached).append(name)
    return released, attached, problems


def _release(plan: Plan, node: Node) -> list[GenieError]:
    """DEL, and what libcni remembers of it: the runtime forgets only entries of the network that it has now."""
    failures = node_state.release(plan, node)
    if not failures:
        entry = f"{TYPE}-{plan.container_id}-{plan.ifname}"
        Path(libcni_cache.DIRECTORY, entry).unlink(missing_ok=True)
    return failures


def _remove(paths: Sequence[Path], removed: list[Path], *, dry_run: bool) -> None:
    for path in paths:
        if not os.path.lexists(path):
            continue
        if not dry_run:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            sync(path.parent)
        removed.append(path)
