"""The directories of a dry run: those that were asked for, else those of the container runtime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genie_core.settings import CONF_DIR, USUAL_BIN_DIRS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime, find_runtimes
from genie_core.tasks.install.placement import those_that_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """The directories that exist, in the order of the search.

    `runtime` is the one that calls plugins for kubelet; None where none was found: then the usual ones are searched.
    """

    conf_dirs: tuple[str, ...]
    bin_dirs: tuple[str, ...]
    runtime: Runtime | None


def search(conf_dirs: Sequence[str], bin_dirs: Sequence[str]) -> Searched:
    """The directories that were asked for, and for the rest those of the runtime."""
    runtime = next(iter(those_that_count(find_runtimes(Root()))), None)
    confs = conf_dirs or ((runtime.conf_dir,) if runtime else (CONF_DIR,))
    bins = bin_dirs or (runtime.bin_dirs if runtime else USUAL_BIN_DIRS)
    return Searched(conf_dirs=_there(confs), bin_dirs=_there(bins), runtime=runtime)


def _there(directories: Iterable[str]) -> tuple[str, ...]:
    return tuple(path for path in directories if os.path.isdir(path))


def differences(bin_dirs: Sequence[str], runtime: Runtime | None, types: Iterable[str]) -> tuple[str, ...]:
    """How the runtime's search differs from one in `bin_dirs`, in sentences; `types` are the plugins needed."""
    if runtime is None:
        return ()
    theirs = _there(runtime.bin_dirs)
    if [os.path.realpath(path) for path in theirs] == [os.path.realpath(path) for path in bin_dirs]:
        return ()
    lost = [name for name in dict.fromkeys(types) if not any(os.path.isfile(f"{d}/{name}") for d in theirs)]
    found = f": a real ADD does not find {', '.join(lost)}" if lost else ""
    where = " ".join(runtime.bin_dirs)
    return (f"plugins were searched in {' '.join(bin_dirs)}; {runtime.name} searches {where}{found}",)
