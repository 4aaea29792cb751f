"""Where Genie is installed on this node: the directories of the container runtime's own configuration.

Only kubelet's runtimes count; where they are not known, the running ones of a distribution with a kubelet of its own
(k3s, RKE2, microk8s, k0s); else the running ones; else those with a configuration file; else all that were found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genie_core.errors import GenieError
from genie_core.settings import BIN_DIR, CONF_DIR
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime, find_runtimes

LAUNCHER = "genie"
_CONFLIST = "00-genie.conflist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The two directories; `bin_dirs` are all in which the runtime looks for plugins, `bin_dir` among them.

    `runtimes` are those that read `conf_dir`; `notes` are assumptions and mismatches.
    """

    bin_dir: str
    conf_dir: str
    bin_dirs: tuple[str, ...]
    runtimes: tuple[Runtime, ...] = ()
    notes: tuple[str, ...] = ()


def place(
    bin_dir: Path | None, conf_dir: Path | None, root: Root, runtimes: Sequence[Runtime] | None = None
) -> Placement:
    """The directories that were asked for, and for the rest those of the runtime; None: of those that are found.

    Raises GenieError where the runtimes that count disagree about what was not asked for.
    """
    known = find_runtimes(root) if runtimes is None else runtimes
    bin_dir = _as_named(bin_dir, [path for one in known for path in one.bin_dirs])
    conf_dir = _as_named(conf_dir, [one.conf_dir for one in known])
    found = [_as_asked(one, bin_dir, conf_dir) for one in known]
    if not found:
        return _usual(bin_dir, conf_dir)
    counting = those_that_count(found)
    _refuse_change(counting, bin_dir, conf_dir)
    if conf_dir:
        reading = [one for one in found if one.conf_dir == str(conf_dir)]
        readers = [one for one in reading if one in counting] or reading
        return _in_conf_dir(str(conf_dir), bin_dir, readers, counting, root)
    if bin_dir:
        counting = [one for one in counting if str(bin_dir) in one.bin_dirs] or counting
    directory = _agreed("--conf-dir", "reads configurations in", counting, lambda one: (one.conf_dir,))[0]
    readers = [one for one in found if one.conf_dir == directory and one in counting]
    return _in_conf_dir(directory, bin_dir, readers, counting, root)


def _as_named(asked: Path | None, directories: Sequence[str]) -> Path | None:
    """The directory that was asked for by the runtime's name for it, where a link leads from one to the other."""
    same = (Path(path) for path in directories if asked and os.path.realpath(path) == os.path.realpath(asked))
    return next(same, asked)


def _as_asked(runtime: Runtime, bin_dir: Path | None, conf_dir: Path | None) -> Runtime:
    """The runtime with the directories that were asked for, in place of those that are assumed."""
    if conf_dir and "conf_dir" in runtime.assumed:
        runtime = replace(runtime, conf_dir=str(conf_dir), assumed=_without(runtime.assumed, "conf_dir"))
    if bin_dir and "bin_dirs" in runtime.assumed:
        runtime = replace(runtime, bin_dirs=(str(bin_dir),), assumed=_without(runtime.assumed, "bin_dirs"))
    return runtime


def _without(names: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(other for other in names if other != name)


def _refuse_change(counting: Sequence[Runtime], bin_dir: Path | None, conf_dir: Path | None) -> None:
    """Raise GenieError where a directory that was not asked for changes with the runtime's next start."""
    asked = {"conf_dir": conf_dir, "bin_dirs": bin_dir}
    for one in counting:
        for name, later in one.after_restart.items():
            if not asked[name]:
                option, what, now = _words(one, name)
                raise GenieError(
                    f"{one.name} {what} {now}, and after its next start in {later}: its files were changed since",
                    hint=f"restart it and install again, or choose {option} {now} for now",
                )


def _words(runtime: Runtime, name: str) -> tuple[str, str, str]:
    """The option that names the directory, what the runtime does with it, and which one it is."""
    if name == "conf_dir":
        return "--conf-dir", "reads configurations in", runtime.conf_dir
    return "--bin-dir", "looks for plugins in", " ".join(runtime.bin_dirs)


def _usual(bin_dir: Path | None, conf_dir: Path | None) -> Placement:
    """The usual directories, without any runtime."""
    used, where = str(bin_dir or BIN_DIR), str(conf_dir or CONF_DIR)
    assumed = [option for option, given in (("--bin-dir", bin_dir), ("--conf-dir", conf_dir)) if not given]
    note = f"no container runtime was found: installing into {used} and {where}, the usual directories"
    notes = (f"{note}; {' and '.join(assumed)} name others",) if assumed else ()
    return Placement(bin_dir=used, conf_dir=where, bin_dirs=(used,), notes=notes)


def _in_conf_dir(
    conf_dir: str, bin_dir: Path | None, readers: Sequence[Runtime], counting: Sequence[Runtime], root: Root
) -> Placement:
    notes = []
    if not readers:
        reading = ", ".join(f"{one.name} reads {one.conf_dir}" for one in counting)
        notes.append(f"no container runtime reads {conf_dir}: {reading}")
    notes += [f"{one.name}: {problem}" for one in readers for problem in one.problems]
    notes += [assumption(one, name) for one in readers for name in one.assumed]
    notes += [
        f'{one.name} reads {directory} for the runtime class handler "{name}": its pods start without Genie'
        for one in readers
        for name, directory in one.handlers.items()
        if directory != conf_dir and not root.exists(f"{directory}/{_CONFLIST}")
    ]
    searched: tuple[str, ...] = ()
    if not bin_dir:
        searched = _agreed("--bin-dir", "looks for plugins in", readers or counting, lambda one: one.bin_dirs)
    chosen = str(bin_dir) if bin_dir else _best(searched, root)
    bin_dirs = tuple(dict.fromkeys([chosen, *searched]))
    return Placement(
        bin_dir=chosen, conf_dir=conf_dir, bin_dirs=bin_dirs, runtimes=tuple(readers), notes=tuple(notes)
    )


def assumption(runtime: Runtime, name: str) -> str:
    """What is not known of the runtime, in a sentence."""
    option, what, where = _words(runtime, name)
    return (
        f"{runtime.name} could not be asked, and its files do not say which directory it {what}: "
        f"{where} is assumed; {option} names another"
    )


def those_that_count(found: Sequence[Runtime]) -> list[Runtime]:
    """The runtimes that start kubelet's pods, as far as the node's files name them."""
    rules: Sequence[Callable[[Runtime], bool]] = (
        lambda one: one.kubelet is True,
        lambda one: bool(one.flavour) and one.running,
        lambda one: one.running,
        lambda one: bool(one.config_files),
    )
    return next((chosen for rule in rules if (chosen := [one for one in found if rule(one)])), list(found))


def _agreed(
    option: str, what: str, runtimes: Sequence[Runtime], value: Callable[[Runtime], tuple[str, ...]]
) -> tuple[str, ...]:
    """The value that all of them have. Raises GenieError with the value of each, and the option that decides."""
    values = list(dict.fromkeys(value(one) for one in runtimes))
    if len(values) == 1:
        return values[0]
    each = "; ".join(f"{one.name} {what} {' '.join(value(one))}" for one in runtimes)
    choices = " or ".join(f"{option} {chosen[0]}" for chosen in values)
    raise GenieError(
        f"the container runtimes of this node disagree: {each}",
        hint=f"choose one of them for Genie: {choices}",
    )


def _best(directories: Sequence[str], root: Root) -> str:
    """The directory that has Genie already, else the first writable one, else the first."""
    here = next((path for path in directories if root.exists(f"{path}/{LAUNCHER}")), "")
    writable = (path for path in directories if os.access(root.real(path), os.W_OK))
    return here or next(writable, directories[0])
