"""`genie install`: the plugin on a node, written so that no call ever finds an incomplete installation.

    <bin-dir>/genie                                the launcher: a few lines, replaced by rename
    <bin-dir>/.genie/<version>-<digest>-<python>/  the code, compiled; older ones stay for calls that still run
    <conf-dir>/00-genie.conflist                   the runtime's configuration; written last
    <conf-dir>/genie.kubeconfig                    only with --api-server: 0600, names the token's file, not the token

Running it again changes nothing; with another version it is the upgrade. What an operator added to the
conflist stays.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from genie_core import __version__
from genie_core.edges.confdir import list_files
from genie_core.edges.store import INSTALLED
from genie_core.errors import Denied, GenieError
from genie_core.published import Published
from genie_core.select.files import derived_name
from genie_core.settings import STATE_DIR
from genie_core.spec.versions import CURRENT
from genie_core.survey.rootfs import Root
from genie_core.tasks.atomic import LOCK, alone, is_there, new_directory, remove_temporaries, write_file
from genie_core.tasks.install import delegate_files, payload, predecessor, runtime_tree
from genie_core.tasks.install.conflist import (
    BROKEN,
    CONFLIST,
    KUBECONFIG,
    TYPE,
    InstallOptions,
    conflist_mode,
    conflist_notes,
    is_broken,
    kubeconfig_text,
    new_text,
)
from genie_core.tasks.install.delegate_files import NeedsConsent
from genie_core.tasks.install.interpreter import cache_tag, find_interpreter, is_foreign
from genie_core.tasks.install.launcher import launcher_text
from genie_core.tasks.install.native_files import PROGRAMS, is_wanted, launcher_files, native_launcher
from genie_core.tasks.install.placement import place
from genie_core.tasks.install.record import (
    CODE,
    Installed,
    read_record,
    recall_all,
    remember,
    require_own_state,
    require_writable,
)
from genie_core.tasks.node_state import entry_of

__all__ = ["CODE", "CONFLIST", "InstallOptions", "InstallReport", "NeedsConsent", "install", "preview", "put"]

KEEP_OLD_SECONDS = 24 * 3600
_BUSY_TRIES = 40
_UNTOUCHED = "an earlier installation still works; correct the problem and install again"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallReport(Published):
    """The installation; `changed` lists the files that were written, or would be; [] for a second run."""

    kind: ClassVar[str] = "InstallReport"
    version: str
    launcher: Path
    code: Path
    conflist: Path
    python: Path
    changed: Sequence[Path]
    warnings: Sequence[str]
    moved: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False


def install(options: InstallOptions, *, dry_run: bool = False) -> InstallReport:
    """Install or upgrade, where no check of the result is fatal; else nothing is changed.

    Raises InvalidConfig for what cannot work on this node, Denied without the rights. `dry_run` writes
    nothing.
    """
    from genie_core.tasks.install.check import require_safe  # 0.1 s, which `put` does without

    if options.placement is None:
        options = replace(options, placement=place(options.bin_dir, options.conf_dir, Root()))
    known = _known(options)
    text = _text(options, known)
    state_dir = _record(options, text, known).state_dir
    if not options.from_daemonset:
        require_own_state(state_dir)
    facts, warnings = require_safe(options, text)
    warnings = [*conflist_notes(options, known.document if known else None), *warnings]
    moved = delegate_files.to_be_moved(facts, str(options.conf_dir), known.moved if known else {})
    if moved and not facts.genie.default_network and facts.genie.default_file:
        pinned = {**options.extra, "default_plugin": derived_name(facts.genie.default_file)}
        options = replace(options, extra=pinned)  # other files in the directory may sort before it
    saved = predecessor.to_be_saved(options.bin_dir, options.conf_dir, installed=known is not None)
    if dry_run:
        report = preview(options, known)
    elif moved and not options.move:
        raise NeedsConsent(moved)
    else:
        if not options.from_daemonset:
            require_writable(state_dir)
        report = _put_with(moved, saved, options, known, warnings)
    return replace(report, moved={**moved, **saved}, warnings=[*warnings, *report.warnings])


def _put_with(
    moved: Mapping[str, str],
    saved: Mapping[str, str],
    options: InstallOptions,
    known: Installed | None,
    warnings: list[str],
) -> InstallReport:
    """`put`, with the other networks' files in both places before it, and in the new one alone after it."""
    made = {old: new for old, new in moved.items() if not os.path.lexists(new)}
    record = _record(options, _text(options, known), known)
    replaced = {**(known.replaced if known else {}), **saved}
    record = replace(record, moved={**record.moved, **moved}, replaced=replaced)
    try:
        with _disk_errors():
            delegate_files.copy(moved)
            predecessor.save(saved)
            if moved or saved:
                remember(record, options.record_dir)  # their old paths are recorded before they are removed
            report = put(options, known)
            delegate_files.remove([*moved, *(path for path in saved if path != str(report.launcher))])
    except BaseException:
        delegate_files.remove([new for old, new in made.items() if os.path.exists(old)])
        raise
    if problem := remember(record, options.record_dir):
        warnings.append(problem)
    return report


def _known(options: InstallOptions) -> Installed | None:
    """The record of an installation with the same configuration list."""
    kept = read_record(options.record_dir / INSTALLED) if options.record_dir else None
    records = [*([kept] if kept else []), *recall_all([options.bin_dir], options.state_dir)]
    return next((one for one in records if one.conflist == options.conf_dir / CONFLIST), None)


def _record(options: InstallOptions, text: str, known: Installed | None) -> Installed:
    document = json.loads(text)
    entry = entry_of(document) or {}
    earlier = [path for path in (known.bin_dirs if known else ()) if (path / TYPE).exists()]
    return Installed(
        bin_dirs=tuple(dict.fromkeys([options.bin_dir, *earlier])),
        conflist=options.conf_dir / CONFLIST,
        state_dir=Path(entry.get("state_dir") or STATE_DIR),
        document=document,
        moved=known.moved if known else {},
    )


def preview(options: InstallOptions, known: Installed | None = None) -> InstallReport:
    """The result of `put`, without a change. A copied Python counts as whole where its interpreter is there."""
    given = find_interpreter(options.python)
    code = _code_directory(options.bin_dir, given, payload.plugin_files())
    python = runtime_tree.copy_of(given, options.bin_dir / CODE) or given
    files = _files(options, python, code, known)
    changed = [path for path, text, mode in files if not is_there(path, text, mode)]
    if not payload.is_whole(code):
        changed.insert(0, code)
    if not python.exists():
        changed.insert(0, python.parent.parent)
    return replace(_report(options, python, code, changed), dry_run=True)


def put(options: InstallOptions, known: Installed | None = None) -> InstallReport:
    """Write all of it, without the checks of the node's runtimes. Raises as `install` does."""
    python = find_interpreter(options.python)
    mask = os.umask(0o022)  # root runs these files: only root may write them, every user may read them
    try:
        with _disk_errors():
            return _install(options, python, known)
    finally:
        os.umask(mask)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Denied(f"cannot write {error.filename}: {error.strerror}", hint="run it as root") from None
    except OSError as error:
        raise GenieError(_unwritten(error), hint=_UNTOUCHED) from None


def _unwritten(error: OSError) -> str:
    """The path that could not be written, and the reason: of a copy its target, of a tree the first of its files."""
    if isinstance(error, shutil.Error):  # copytree's: [(source, target, text of an OSError), ...]
        _, where, text = error.args[0][0]
        return f"cannot write {where}: {text.partition(': ')[0].rpartition('] ')[2]}"
    return f"cannot write {error.filename2 or error.filename}: {error.strerror}"


def _install(options: InstallOptions, python: Path, known: Installed | None) -> InstallReport:
    _text(options, known)  # first: a wrong option must leave no incomplete installation
    for directory in (options.bin_dir / CODE, options.conf_dir):
        directory.mkdir(parents=True, exist_ok=True)
    with alone(options.bin_dir / CODE):
        return _install_alone(options, python, known)


def _install_alone(options: InstallOptions, python: Path, known: Installed | None) -> InstallReport:
    changed: list[Path] = []
    launcher = options.bin_dir / TYPE
    for path in (launcher, options.conf_dir / CONFLIST, options.conf_dir / KUBECONFIG):
        remove_temporaries(path)
    python = _own_python(python, options.bin_dir / CODE, changed)
    code = _install_code(options.bin_dir, python, changed)
    files = _files(options, python, code, known)
    if not all(is_there(path, text, mode) for path, text, mode in files if path.name in PROGRAMS):
        _try(options, python, code, changed)
    _keep_broken(options.conf_dir / CONFLIST)
    for path in _named(launcher):  # from now on it may be what is replaced
        os.utime(path)
    changed += [path for path, text, mode in files if write_file(path, text, mode)]
    for path in old_code(launcher):
        shutil.rmtree(path, ignore_errors=True)
    return _report(options, python, code, changed)


def _try(options: InstallOptions, python: Path, code: Path, made: Sequence[Path]) -> None:
    """Run the launchers before the runtime can. Raises GenieError, and removes the `made` files."""
    folder = options.bin_dir / CODE
    trial, native = folder / "trial", folder / "trial-native"
    try:
        write_file(trial, launcher_text(python, code, trial), 0o755)
        problem = _problem_of(trial)
        if not problem and is_wanted(options):
            write_file(native, native_launcher(python, code, trial, native, Path("/")), 0o755)
            problem = _problem_of(native)
    finally:
        for path in (trial, native):
            path.unlink(missing_ok=True)
    if problem:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        raise GenieError(f"the plugin does not run in {folder.parent}: {problem.strip()}", hint=_UNTOUCHED)


def _problem_of(trial: Path) -> str:
    """What is wrong with a launcher; "" where it answers."""
    try:
        done = _run_trial(trial)
    except PermissionError:
        return "it may not be executed there, as where a file system is mounted noexec"
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if CURRENT in done.stdout else (done.stdout or done.stderr)[-300:] or "it printed nothing"


def _run_trial(trial: Path) -> subprocess.CompletedProcess[str]:
    """Run it. For a moment a process that another thread has just forked can hold the file open for writing."""
    command = partial(subprocess.run, [trial], env={"CNI_COMMAND": "VERSION"}, check=False, timeout=30)
    for _ in range(_BUSY_TRIES):
        try:
            return command(capture_output=True, text=True)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
        time.sleep(0.05)
    return command(capture_output=True, text=True)


def _keep_broken(conflist: Path) -> None:
    """Copy a configuration list that cannot be loaded to a name that no runtime reads."""
    if is_broken(conflist):
        copy = conflist.with_name(BROKEN)
        copy.unlink(missing_ok=True)
        shutil.copyfile(conflist, copy)
        copy.chmod(0o600)


def _text(options: InstallOptions, known: Installed | None) -> str:
    return new_text(options, known.document if known else None)


def _files(
    options: InstallOptions, python: Path, code: Path, known: Installed | None
) -> list[tuple[Path, bytes, int]]:
    """Path, content and mode of each, in the order of writing: what makes the runtime call it comes last."""
    conflist = options.conf_dir / CONFLIST
    text = _text(options, known)
    files = launcher_files(options, python, code)
    if options.api_server:
        files.append((options.conf_dir / KUBECONFIG, kubeconfig_text(options).encode(), 0o600))
    return [*files, (conflist, text.encode(), conflist_mode(conflist, text))]


def _report(options: InstallOptions, python: Path, code: Path, changed: Sequence[Path]) -> InstallReport:
    return InstallReport(
        version=__version__,
        launcher=options.bin_dir / TYPE,
        code=code,
        conflist=options.conf_dir / CONFLIST,
        python=python,
        changed=changed,
        warnings=_warnings(options),
    )


# --- the interpreter ------------------------------------------------------------------------------------


def _own_python(python: Path, folder: Path, changed: list[Path]) -> Path:
    """The interpreter: in the image, a copy of its Python on the node; else the given one."""
    if not runtime_tree.copy_of(python, folder):
        return python
    return runtime_tree.copy_to(python.parent.parent, folder, changed)


# --- the code -------------------------------------------------------------------------------------------


def _install_code(bin_dir: Path, python: Path, changed: list[Path]) -> Path:
    """The code in a directory named for its content, renamed when it is complete, replaced if it is damaged."""
    files = payload.plugin_files()
    target = _code_directory(bin_dir, python, files)
    if payload.is_whole(target):
        return target
    with new_directory(target) as staging:
        for name, source in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staging / name)
        _compile(staging, target, python)
        payload.seal(staging)
        _sync_tree(staging)
    changed.append(target)
    return target


def _code_directory(bin_dir: Path, python: Path, files: dict[str, Path]) -> Path:
    return bin_dir / CODE / f"{__version__}-{payload.digest(files)}-{cache_tag(python)}"


def _compile(staging: Path, target: Path, python: Path) -> None:
    """Write .pyc files and the archive with the interpreter that will read them."""
    pack = "import sys; sys.path.insert(0, sys.argv[1]); from genie_core.packing import pack; pack(*sys.argv[1:])"
    command = [str(python), "-ISB", "-Xno_debug_ranges", "-c", pack, str(staging), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise GenieError(f"{python} cannot compile the plugin", details=(done.stdout + done.stderr)[-500:])


def _sync_tree(directory: Path) -> None:
    for folder, _, names in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def old_code(launcher: Path) -> list[Path]:
    """The code, and Python, that no running call can need any more: the launcher has not named it for a day."""
    long_ago = time.time() - KEEP_OLD_SECONDS
    named = _named(launcher)
    return [path for path in _code(launcher) if path not in named and path.stat().st_mtime < long_ago]


def _named(launcher: Path) -> list[Path]:
    text = launcher.read_bytes() if launcher.is_file() else b""
    return [path for path in _code(launcher) if os.fsencode(path.name) in text]


def _code(launcher: Path) -> list[Path]:
    found = (path for path in (launcher.parent / CODE).iterdir() if path.name != LOCK)
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _warnings(options: InstallOptions) -> list[str]:
    named = (options.kubeconfig, options.token_file, options.ca_file)
    warnings = [f"{path} does not exist yet" for path in named if path and not path.exists()]
    if options.python and is_foreign(options.python.resolve()):
        warnings.append(f"the plugin runs {options.python} as root, and another user can change it")
    adopted = [str(path) for path in predecessor.configurations(options.conf_dir)]
    others = [Path(path).name for path in list_files(str(options.conf_dir)) if path not in adopted]
    first = min([CONFLIST, *others], key=os.fsencode)
    if first != CONFLIST:
        warnings.append(f"{options.conf_dir / first} sorts before {CONFLIST}, so the runtime uses that one")
    return warnings
