"""`genie uninstall`: remove the plugin, in an order that always leaves the node a network (lessons 10).

1. The conflist is removed first, and only if another network is left for the runtime: new pods use that one.
2. Recorded networks of containers that are gone are released.
3. The binary, the code and the state are removed once no container is recorded and no call is running that might
   record one: until then DEL needs them. Another run completes the removal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from genie_core.edges.policy_dir import DIRECTORY
from genie_core.edges.store import CONTENTS, INSTALLED, refuse_shared
from genie_core.errors import Denied, GenieError
from genie_core.model import Plan
from genie_core.plan import primary_first
from genie_core.published import Published
from genie_core.server import FILES, REHEARSAL
from genie_core.settings import BIN_DIR, CACHE_DIR, CONF_DIR, STATE_DIR
from genie_core.survey.launcher import header_of, run_dir_of
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime, find_runtimes
from genie_core.tasks import node_state
from genie_core.tasks.atomic import alone, remove_temporaries, sync, unused
from genie_core.tasks.install import delegate_files, predecessor
from genie_core.tasks.install.conflist import CA_FILE, CONFLIST, KUBECONFIG, TOKEN_FILE, TYPE, is_broken
from genie_core.tasks.install.placement import place
from genie_core.tasks.install.record import (
    CODE,
    Installed,
    not_together,
    own_bin_dir,
    probe_of,
    read_record,
    recall,
    recall_all,
    remember,
    require_pair,
)
from genie_core.tasks.lockout import next_network_in, refuse_lockout, refuse_without_plugin
from genie_core.verbs.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallOptions:
    """Where it is installed; None: as recorded. `force` removes it also where no other network is left."""

    bin_dir: Path | None = None
    conf_dir: Path | None = None
    state_dir: Path | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallReport(Published):
    """What was removed, and what stays: `attached` names the containers that still need the binary.

    `restored` are networks' files that are back in the runtime's directory. `repeated` are the containers of `attached`
    whose network on the runtime's interface is not `next_network`, which the runtime calls DEL of from now on: a plugin
    that masquerades fails at a container that it has not attached, once.
    """

    kind: ClassVar[str] = "UninstallReport"
    also: ClassVar[tuple[str, ...]] = ("complete",)
    removed: Sequence[Path]
    restored: Sequence[Path]
    released: Sequence[str]
    attached: Sequence[str]
    problems: Sequence[str]
    dry_run: bool
    next_network: str = ""
    repeated: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return not self.attached


def uninstall(options: UninstallOptions) -> UninstallReport:
    """Remove what can be removed now. Raises InvalidConfig where pods of this node could not start any more."""
    try:
        runtimes = find_runtimes(Root())
        return _uninstall(options, find(options, runtimes), runtimes)
    except PermissionError as error:
        raise Denied(f"cannot remove {error.filename}: {error.strerror}", hint="run it as root") from None
    except OSError as error:
        raise GenieError(f"cannot uninstall {error.filename}: {error.strerror}") from None


def find(options: UninstallOptions, runtimes: Sequence[Runtime]) -> Installed:
    """The installation: as recorded, else as found in the runtime's directories.

    Raises InvalidConfig where the directories that were named do not belong together.
    """
    records = [*recall_all([options.bin_dir], options.state_dir)]
    if any(_fits(one, options) for one in records):
        placed = []
    else:
        placement = place(options.bin_dir, options.conf_dir, Root(), runtimes)
        placed = [(Path(placement.bin_dir), Path(placement.conf_dir, CONFLIST))]
        records += filter(None, [recall(Path(placement.bin_dir))])
    fitting = sorted((one for one in records if _fits(one, options)), key=_is_gone)
    pairs = [(options.bin_dir or one.bin_dirs[0], one.conflist) for one in fitting]
    bin_dir, conflist = (pairs + placed)[0]
    readers = [Path(runtime.conf_dir, CONFLIST) for runtime in runtimes]
    require_pair(bin_dir, conflist, [*(one.conflist for one in records), *readers, Path(CONF_DIR, CONFLIST)])
    others = [one for one in records if not _is_gone(one)]
    if others and not (fitting or options.bin_dir or conflist.exists()):
        raise not_together(others[0].bin_dirs[0], conflist, others[0].conflist)
    return _as_it_is(bin_dir, conflist, fitting[0] if fitting else None, options.state_dir)


def plugin_dir() -> Path:
    """Where the plugin is, or would be installed; the usual directory where the runtimes of this node disagree."""
    try:
        return find(UninstallOptions(), find_runtimes(Root())).bin_dirs[0]
    except GenieError:
        return Path(BIN_DIR)


def _fits(record: Installed, options: UninstallOptions) -> bool:
    """Whether the record has the directories that were named."""
    return (options.bin_dir is None or options.bin_dir in record.bin_dirs) and (
        options.conf_dir is None or options.conf_dir == record.conflist.parent
    )


def _is_gone(record: Installed) -> bool:
    return not any(path.exists() for path in (record.conflist, *(one / TYPE for one in record.bin_dirs)))


def _as_it_is(bin_dir: Path, conflist: Path, known: Installed | None, state_dir: Path | None) -> Installed:
    """The installation with the existing configuration list, else with the recorded one."""
    document: Mapping[str, Any] | None = None if is_broken(conflist) else node_state.read_document(conflist)
    document = document or (known and known.document) or {"plugins": [{"type": TYPE}]}
    entry = node_state.entry_of(dict(document)) or {}
    named = Path(str(entry.get("state_dir") or STATE_DIR))
    return Installed(
        bin_dirs=tuple(dict.fromkeys([bin_dir, *(known.bin_dirs if known else ())])),
        conflist=conflist,
        state_dir=state_dir or (known.state_dir if known else named),
        document=document,
        moved=known.moved if known else {},
        replaced=known.replaced if known else {},
    )


def _uninstall(options: UninstallOptions, found: Installed, runtimes: Sequence[Runtime]) -> UninstallReport:
    folder = found.bin_dirs[0] / CODE
    with nullcontext() if options.dry_run or not folder.is_dir() else alone(folder):
        return _uninstall_alone(options, found, runtimes)


def _uninstall_alone(
    options: UninstallOptions, found: Installed, runtimes: Sequence[Runtime]
) -> UninstallReport:
    """An installation that runs meanwhile would write a configuration whose plugin is then removed."""
    refuse_shared(str(found.state_dir))
    restored = [
        Path(old) for old, new in found.moved.items() if os.path.exists(new) and not os.path.lexists(old)
    ]
    if found.conflist.exists() and not options.force and not restored:
        refuse_lockout(found.conflist.parent, runtimes)
    if not options.force:
        refuse_without_plugin(found)
    removed: list[Path] = []
    if not options.dry_run and (found.bin_dirs[0] / CODE).is_dir():
        remember(found)  # for the run that completes this one
    if not options.dry_run:
        delegate_files.put_back(found.moved)
    # there are no more ADDs, and a DEL needs no API server
    kept = [*_credentials(found.conflist), *_records(found.conflist)]
    _remove([found.conflist, *kept], removed, dry_run=options.dry_run)
    if not options.dry_run:
        delegate_files.remove([new for old, new in found.moved.items() if os.path.exists(old)])
    entry = node_state.entry_of(dict(found.document)) or {}
    config = {"bin_dirs": [str(path) for path in found.bin_dirs], **entry, "state_dir": str(found.state_dir)}
    context = node_state.open_context(config)
    network = str(found.document.get("name") or TYPE)
    released, attached, problems, living = _release_gone(context, network, dry_run=options.dry_run)
    next_network = next_network_in(found.conflist.parent)
    repeated = [_name(plan) for plan in living if _is_attached_otherwise(plan, next_network)]
    if not attached:
        attached = _remove_rest(found, context, removed, restored, dry_run=options.dry_run)
    return UninstallReport(
        removed=removed,
        restored=restored,
        released=released,
        attached=attached,
        problems=problems,
        dry_run=options.dry_run,
        next_network=next_network,
        repeated=repeated,
    )


def _is_attached_otherwise(plan: Plan, network: str) -> bool:
    """Whether the container's network on the runtime's interface is another one."""
    return any(item.network.name != network for item in primary_first(plan)[:1])


def _name(plan: Plan) -> str:
    return f"{plan.container_id} ({plan.pod})" if plan.pod else plan.container_id


def _credentials(conflist: Path) -> list[Path]:
    """The token and the CA that the DaemonSet keeps beside the configurations; other files are not Genie's."""
    try:
        document = json.loads(conflist.with_name(KUBECONFIG).read_text(encoding="utf-8"))
        token = document["users"][0]["user"]["tokenFile"]
        authority = document["clusters"][0]["cluster"].get("certificate-authority", "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    folders = _folders(conflist)
    found = [folder / name for folder in folders for name in (TOKEN_FILE.name, CA_FILE.name)]
    return [path for path in found if str(path) in (token, authority)]


def _records(conflist: Path) -> list[Path]:
    """The DaemonSet's record of this installation."""
    found = [folder / INSTALLED for folder in _folders(conflist)]
    return [path for path in found if (known := read_record(path)) and known.conflist == conflist]


def _folders(conflist: Path) -> list[Path]:
    """Where the DaemonSet keeps the token: one place, wherever the configurations are, as on k3s."""
    return list(dict.fromkeys([conflist.parent.parent / "genie", TOKEN_FILE.parent]))


def _remove_rest(
    found: Installed, context: Context, removed: list[Path], restored: list[Path], *, dry_run: bool
) -> list[str]:
    """Remove everything else, and restore the files from before it; returns what prevents that, "" for nothing.

    A call that attaches now needs the plugin for its DEL.
    """
    launchers = _launchers(found)
    if calls := [pid for launcher in launchers for pid in node_state.calls(launcher)]:
        return [f"process {pid}, a running call" for pid in calls]
    run_dirs = [Path(run_dir) for run_dir in map(run_dir_of, launchers) if run_dir]
    served = [run_dir / name for run_dir in run_dirs for name in FILES]
    code = [path for folder in found.bin_dirs for path in _code(folder / CODE)]
    # never the whole directory: a configured path may also have other files
    paths = [*launchers, found.conflist.with_name(KUBECONFIG), *served, *code]
    paths += [found.state_dir / name for name in CONTENTS]
    if dry_run:
        _exchange(found, paths, removed, restored, dry_run=True)
        return []
    with ExitStack() as locks:
        for run_dir in run_dirs:
            locks.enter_context(unused(run_dir / REHEARSAL))
        if found.state_dir.is_dir():
            locks.enter_context(context.store.lock_node(exclusive=True, deadline=context.deadline()))
            if names := context.store.names():
                return names
        _exchange(found, paths, removed, restored, dry_run=False)
        _remove_policies()
    if found.state_dir.is_dir() and not any(found.state_dir.iterdir()):
        found.state_dir.rmdir()
    return []


def _remove_policies() -> None:
    """The rules of the policy engine: without pods they concern nothing, and nothing would remove them later."""
    if os.path.isdir(DIRECTORY):
        from genie_core.tasks.policy.enforce import remove_from_node

        with suppress(GenieError):  # without nft there are none
            remove_from_node()


def _exchange(
    found: Installed, paths: Sequence[Path], removed: list[Path], restored: list[Path], *, dry_run: bool
) -> None:
    """Remove these, after CNI-Genie's files, which are kept beside the code, are restored."""
    back = predecessor.to_be_put_back(found.replaced)
    if not dry_run:
        predecessor.put_back(found.replaced)
    restored += back
    _remove([path for path in paths if path not in back], removed, dry_run=dry_run)
    if not dry_run:
        for path in _written(found):
            remove_temporaries(path)


def _written(found: Installed) -> list[Path]:
    """The files outside the code's directory that installations write, each first under another name."""
    folders = _folders(found.conflist)
    credentials = [folder / name for folder in folders for name in (TOKEN_FILE.name, CA_FILE.name, INSTALLED)]
    kept = [found.state_dir / INSTALLED, probe_of(found.state_dir)]
    copies = [Path(path) for pair in (*found.moved.items(), *found.replaced.items()) for path in pair]
    return [found.conflist, found.conflist.with_name(KUBECONFIG), *credentials, *kept, *copies]


def _launchers(found: Installed) -> list[Path]:
    """The launchers; in the directory of the installation also a damaged one, but not CNI-Genie's binary, put back."""
    first, *others = (path / TYPE for path in found.bin_dirs)
    is_anothers = str(first) in found.replaced or predecessor.is_program(first)
    return [path for path in (first, *others) if _is_ours(path) or (path == first and not is_anothers)]


def _is_ours(launcher: Path) -> bool:
    return header_of(launcher) is not None


def remove_own_python(*, dry_run: bool) -> None:
    """The tree that this program runs from, if it is below the directory of plugins; it is removed last."""
    bin_dir = own_bin_dir()
    if bin_dir and not (bin_dir / TYPE).exists() and not dry_run:
        shutil.rmtree(bin_dir / CODE, ignore_errors=True)


def _code(folder: Path) -> list[Path]:
    """The code to remove: all of it, or for now all but the Python that runs this."""
    own = own_bin_dir()
    if not own or not folder.is_dir() or not folder.samefile(own / CODE):
        return [folder]
    here = Path(sys.executable).resolve().parents
    return [path for path in folder.iterdir() if not path.is_symlink() and path.resolve() not in here]


def _release_gone(
    context: Context, network: str, *, dry_run: bool
) -> tuple[list[str], list[str], list[str], list[Plan]]:
    """(released, still attached, problems), by container, and the plans of containers that exist.

    `network` is what the runtime calls Genie's own.
    """
    released: list[str] = []
    attached: list[str] = []
    problems: list[str] = []
    living: list[Plan] = []
    for plan in context.store.plans():
        if isinstance(plan, GenieError):  # only its DEL, or GC, can release what it still holds
            problems.append(str(plan))
            attached.append("a container whose state cannot be read")
            continue
        name = _name(plan)
        if not node_state.is_gone(plan):
            living.append(plan)
            attached.append(name)
            continue
        failures = [] if dry_run else _release(plan, network, context)
        problems += [f"{name}: {failure}" for failure in failures]
        (attached if failures else released).append(name)
    return released, attached, problems, living


def _release(plan: Plan, network: str, context: Context) -> list[GenieError]:
    """DEL, and remove libcni's cached results: the runtime removes only those of its present default network."""
    failures = node_state.release(plan, context)
    if not failures:
        entry = f"{network}-{plan.container_id}-{plan.ifname}"
        Path(CACHE_DIR, entry).unlink(missing_ok=True)
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
