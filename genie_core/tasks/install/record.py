"""The record of what `genie install` wrote on this node, for the next run and for `genie uninstall`.

The record is a file in the state directory; the DaemonSet, whose container does not see that, keeps it beside the
token. A copy beside the code, which every user may read, has no configuration; it serves commands that know only the
plugin's directory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.edges.files import (
    is_private_directory,
    open_private,
    refuse_foreign_directory,
    refuse_open_way,
)
from genie_core.edges.store import INSTALLED, make_state_directory, refuse_shared
from genie_core.errors import GenieError, InvalidConfig, IOFailure
from genie_core.settings import STATE_DIR
from genie_core.tasks.atomic import write_file

CODE, START = ".genie", "start"
_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installation. `bin_dirs` are the directories it was ever put into, the newest first.

    `document` is the configuration list as it was written last; `moved` maps the old path of a network's file to the
    new one. `replaced` maps the path of a file of CNI-Genie's to that of its copy.
    """

    bin_dirs: tuple[Path, ...]
    conflist: Path
    state_dir: Path
    document: Mapping[str, Any]
    moved: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)

    def text(self, *, public: bool) -> str:
        """Its JSON text; the public copy has no configuration, which may hold a credential."""
        document = {
            "binDirs": [str(path) for path in self.bin_dirs],
            "conflist": str(self.conflist),
            "stateDir": str(self.state_dir),
            "document": {} if public else self.document,
            "moved": self.moved,
            "replaced": self.replaced,
        }
        return json.dumps(document, indent=2) + "\n"


def remember(installed: Installed, folder: Path | None = None) -> str:
    """Write the record, to `folder` or else to the state directory.

    Returns the reason why that has none, "" on success.
    """
    (installed.bin_dirs[0] / CODE).mkdir(mode=0o755, parents=True, exist_ok=True)
    write_file(installed.bin_dirs[0] / CODE / INSTALLED, installed.text(public=True), 0o644)
    state = str(folder or installed.state_dir)
    try:
        if folder is None:
            make_state_directory(state)
        write_file(Path(state, INSTALLED), installed.text(public=False), 0o600)
    except OSError as error:
        return f"the installation is not recorded in {state}: {error.strerror}"
    except GenieError as error:
        return f"the installation is not recorded in {state}: {error.msg}"
    return ""


def require_own_state(state_dir: Path) -> None:
    """Raise InvalidConfig where the plugin, which is root's, would refuse the state directory at each ADD."""
    path = str(state_dir)
    if os.geteuid() != 0:
        return  # the error of the first file that is written has the reason
    try:
        refuse_open_way(path)
        if os.path.lexists(path) and not is_private_directory(path):
            refuse_foreign_directory(path)
            refuse_shared(path)
    except IOFailure as error:
        own = f"name a directory of Genie's own, such as {STATE_DIR}"
        raise InvalidConfig(
            f"state_dir: {error.msg}", hint=error.hint if path == STATE_DIR else own
        ) from None


def require_writable(state_dir: Path) -> None:
    """Raise GenieError where no file can be written into the state directory: each ADD begins with one."""
    if os.geteuid() != 0:
        return  # as in require_own_state
    probe = probe_of(state_dir)
    try:
        make_state_directory(str(state_dir))
        write_file(probe, bytes(_BLOCK), 0o600)
        probe.unlink()
    except OSError as error:
        raise _not_written(state_dir, error.strerror or str(error)) from None
    except IOFailure as error:
        raise _not_written(state_dir, error.msg) from None


def probe_of(state_dir: Path) -> Path:
    """The file that `require_writable` writes."""
    return state_dir / f".{INSTALLED}"


def _not_written(state_dir: Path, reason: str) -> GenieError:
    return GenieError(
        f"not installed, since pods of this node would not start: each ADD writes to {state_dir}: {reason}",
        hint="make room there, or name another disk's directory with --state-dir",
    )


def recall(bin_dir: Path) -> Installed | None:
    """The record of the plugin in a directory, whole where the state directory still has it; None without any."""
    public = read_record(bin_dir / CODE / INSTALLED)
    whole = read_record(public.state_dir / INSTALLED) if public else None
    return whole if whole and public and whole.conflist == public.conflist else public


def read_record(path: Path) -> Installed | None:
    """The record in a file; None where it is not there, is another user's, or cannot be read."""
    try:
        with os.fdopen(open_private(os.fspath(path), os.O_RDONLY)) as file:
            known: Any = json.load(file)
        return Installed(
            bin_dirs=tuple(Path(one) for one in known["binDirs"]),
            conflist=Path(known["conflist"]),
            state_dir=Path(known["stateDir"]),
            document=known["document"],
            moved=known["moved"],
            replaced=known.get("replaced", {}),
        )
    except (GenieError, OSError, ValueError, KeyError, TypeError):
        return None


def recall_all(bin_dirs: Sequence[Path | None], state_dir: Path | None) -> Iterator[Installed]:
    """The records in the state directory, beside this program, and in those directories of plugins."""
    yield from filter(None, [read_record((state_dir or Path(STATE_DIR)) / INSTALLED)])
    yield from filter(None, [recall(path) for path in (own_bin_dir(), *bin_dirs) if path])


def own_bin_dir() -> Path | None:
    """The directory of plugins that this program runs from, as the DaemonSet's on a node does; None elsewhere."""
    parents = Path(sys.executable).resolve().parents
    return next((path.parent for path in parents if path.name == CODE), None)


def require_pair(bin_dir: Path, conflist: Path, others: Sequence[Path]) -> None:
    """Raise InvalidConfig where `conflist` calls another plugin than that in `bin_dir`, or another list calls this one.

    `others` are the lists that may. Without the plugin that its list calls, no pod would start.
    """
    named = _calls(conflist)
    if named and os.fspath(bin_dir) not in named:
        raise InvalidConfig(
            f"{conflist} calls the plugin in {named[0]}, not the one in {bin_dir}: nothing was removed",
            hint=f"genie uninstall --bin-dir {named[0]} --conf-dir {conflist.parent}",
        )
    for other in others:
        same = conflist.exists() and other.exists() and other.samefile(conflist)  # a mount, a link
        if other != conflist and not same and os.fspath(bin_dir) in _calls(other):
            raise not_together(bin_dir, conflist, other)


def not_together(bin_dir: Path, conflist: Path, other: Path) -> InvalidConfig:
    """The error for a plugin that belongs to another configuration list than the one to be removed."""
    return InvalidConfig(
        f"the plugin in {bin_dir} belongs to {other}, not to {conflist}: nothing was removed",
        hint=f"genie uninstall --bin-dir {bin_dir} --conf-dir {other.parent}",
    )


def _calls(conflist: Path) -> list[str]:
    """The directories of plugins that a configuration list of Genie's names."""
    try:
        document: Any = json.loads(conflist.read_text())
        entries = [one for one in document["plugins"] if one["type"] == "genie"]
        return [path for entry in entries for path in entry["bin_dirs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
